"""Promises that the routes keep: people move their visits to windows that were offered, and the days are planned afterwards.

Runs in the office's own code on a database: `dispatch.slots` offers, `dispatch.take_slot` looks again, `tracking` records the
choice, `dispatch.solve_plan` plans. Offices run for weeks; 15 % of what comes in moves, each to any of the windows offered to it
with the same chance. The same weeks are run twice more: nobody moves; and the same people move to any day and half-day that the
calendar has, without the optimiser being asked. In all three the same items are delivered over the same days.

    python -m tests.bench.promises --days 200 --seed 1 [--processes 2]

Fails when fewer than 98 % of the chosen windows are met, or when the days cost no less than with windows chosen blindly.
"""

import argparse
import math
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID

from sqlalchemy import update

from courier import dispatch, tracking
from courier.dispatch.windows import SLOT_DAYS
from courier.domain.calendar import at_local
from courier.domain.item import EventType, State
from courier.store import items, plans
from courier.store.session import migrate, open_database
from courier.store.tables import Item
from tests.builders import House, the_facts
from tests.planning_office import open_office, place

MOVING = 0.15
WEEK = 6  # delivery days
A_DAY = (60, 80, 100, 120)  # items that come in a day, by office
AT_LEAST = 0.98
FIRST_DAY = date(2027, 3, 1)  # a Monday; no holiday for some weeks
CHOOSING, PLANNING = 10 * 3600, 6 * 3600 + 1800
# Days after the last on which somebody moves: the furthest window lies on the last of them.
CLOSING_DAYS = SLOT_DAYS
NOBODY, OFFERED, BLIND = "nobody moves", "windows offered", "windows chosen blindly"


@dataclass
class Day:
    """What one planned day came to."""

    cost: int = 0
    planned: int = 0
    left_out: int = 0
    promised: int = 0
    met: int = 0


@dataclass
class Weeks:
    """An office's weeks under one of the three ways."""

    days: list[Day] = field(default_factory=list)
    asked: int = 0
    without_offer: int = 0
    offers: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Arrival:
    """An item that comes in: where it goes, and whether its recipient will move the visit, with his own dice."""

    km_north: float
    km_east: float
    due_in_days: int | None
    moves: bool
    dice: int


def arrivals(seed: int, days: int, a_day: int) -> list[list[Arrival]]:
    """What comes in each morning: hamlets along canals around the office, some of it with a legal deadline."""
    rng = random.Random(seed)
    hamlets = [(rng.uniform(-11, 11), rng.uniform(-11, 11)) for _ in range(14)]
    return [
        [
            Arrival(
                north + rng.gauss(0, 0.9),
                east + rng.gauss(0, 0.9),
                rng.choice((None, None, 3, 6, 10)),
                moves=day < days and rng.random() < MOVING,
                dice=rng.getrandbits(32),
            )
            for north, east in rng.choices(hamlets, k=max(1, round(rng.gauss(a_day, a_day / 8))))
        ]
        for day in range(days + CLOSING_DAYS)
    ]


def run_office(seed: int, days: int, *, a_day: int, postmen: int, seconds: float, folder: Path) -> dict[str, Weeks]:
    """One office through its weeks, the three ways side by side: whatever else the machine does, it does to all of them."""
    calendar = the_facts().bylaws.calendar
    ways = {way: Weeks() for way in (NOBODY, OFFERED, BLIND)}
    houses: dict[str, House] = {}
    try:
        for number, way in enumerate(ways):
            database = open_database(f"sqlite:///{folder / f'office{number}.db'}")
            migrate(database)
            houses[way] = open_office(database, folder, postmen=postmen)
        before = FIRST_DAY
        for number, coming in enumerate(arrivals(seed, days, a_day)):
            day = calendar.next_delivery_day(before)
            for way, weeks in ways.items():
                _receive(houses[way], weeks, way, coming, day, at=at_local(before, CHOOSING))
                weeks.days.append(_plan(houses[way], weeks, day, seconds=seconds, seed=number))
            before = day
    finally:
        for house in houses.values():
            house.desk.jobs.stop()
            house.database.close()
    return ways


def _receive(house: House, weeks: Weeks, way: str, coming: list[Arrival], day: date, *, at: datetime) -> None:
    received = [
        place(
            house,
            km_north=one.km_north,
            km_east=one.km_east,
            at=at,
            charges=(),
            deliver_by=day + timedelta(days=one.due_in_days) if one.due_in_days else None,
        )
        for one in coming
    ]
    for item_id, one in zip(received, coming, strict=True):
        if one.moves and way != NOBODY:
            _move(house, weeks, item_id, random.Random(one.dice), blindly=way == BLIND, at=at)


def _move(house: House, weeks: Weeks, item_id: UUID, rng: random.Random, *, blindly: bool, at: datetime) -> None:
    weeks.asked += 1
    if blindly:
        calendar = the_facts().bylaws.calendar
        day = rng.choice(calendar.delivery_days(at.date(), SLOT_DAYS))
        from_, to = rng.choice(calendar.hours(day))
        # Past the use cases: they would not let him choose what was not offered.
        data = {"on": day.isoformat(), "from": from_, "to": to}
        with house.database.write() as session:
            bylaws = house.desk.facts.bylaws
            items.record_intent(session, EventType.RESCHEDULED, [item_id], caller=None, at=at, bylaws=bylaws, data=data)
        return
    began = time.process_time()
    offered = dispatch.slots(house.desk, item_id, at=at)
    weeks.seconds.append(time.process_time() - began)
    weeks.offers[len(offered)] += 1
    if not offered:
        weeks.without_offer += 1
        return
    dispatch.take_slot(
        house.desk,
        item_id,
        rng.choice(offered).id,
        at=at,
        grant=lambda session, chosen: tracking.grant(
            session,
            house.desk,
            item_id,
            tracking.Wish("reschedule", day=chosen.day, from_=chosen.from_, to=chosen.to),
            asked_by=None,
            at=at,
        ),
    )


def _plan(house: House, weeks: Weeks, day: date, *, seconds: float, seed: int) -> Day:
    """Plan the day with its windows as binding; what is on a route is delivered."""
    at = at_local(day, PLANNING)
    with house.database.read() as session:
        waiting = plans.waiting(session, house.office_id, day, house.desk.facts.bylaws, at=at)
    promised = {
        item.id: (at_local(day, item.wanted_from), at_local(day, item.wanted_to))
        for item in waiting
        if item.wanted_on == day and item.wanted_from is not None and item.wanted_to is not None
    }
    plan_id = dispatch.request_plan(
        house.desk, house.dispatcher, office_id=None, day=day, at=at, seconds=seconds, seed=seed
    )
    dispatch.solve_plan(house.desk, plan_id, at=at)
    view = dispatch.get_plan(house.desk, house.dispatcher, plan_id)
    if view.state != "solved":
        raise RuntimeError(f"{day}: {view.error}")
    arrives = {item: stop.arrives_at for route in view.routes for stop in route.stops for item in stop.items}
    done = Day(cost=view.cost or 0, planned=len(arrives), left_out=view.unplanned_count, promised=len(promised))
    for item_id, (opens, closes) in promised.items():
        if item_id in arrives and opens <= arrives[item_id] <= closes:
            done.met += 1
        else:
            weeks.missed.append(f"{day}: {opens:%H:%M}-{closes:%H:%M}, {len(arrives)} on routes")
    held = {item.id for item in waiting if item.wanted_on is not None and item.wanted_on > day}
    done.left_out = len([item for item in waiting if item.id not in arrives and item.id not in held])
    with house.database.write() as session:
        session.execute(
            update(Item)
            .where(Item.id.in_(list(arrives)))
            .values(state=State.DELIVERED, custody="recipient", custody_holder=None)
        )
    return done


# ---------------------------------------------------------------------------------------------------------- the report
@dataclass
class Report:
    """All offices, by way."""

    ways: dict[str, list[Weeks]]
    moving_days: int
    wall_seconds: float

    def days(self, way: str) -> list[Day]:
        return [day for weeks in self.ways[way] for day in weeks.days]

    def met(self, way: str) -> tuple[int, int]:
        days = self.days(way)
        return sum(day.met for day in days), sum(day.promised for day in days)

    def against(self, way: str, other: str) -> tuple[float, float]:
        """How much more the days of one way cost than those of the other: per cent, and half the width of its 95 % interval."""
        return dearer(self._weeks(way), self._weeks(other))

    def _weeks(self, way: str) -> list[int]:
        """What each working week of each office cost: what leaves one day comes on another of them, so days alone say little."""
        return [
            sum(day.cost for day in weeks.days[start : start + WEEK])
            for weeks in self.ways[way]
            for start in range(0, len(weeks.days), WEEK)
        ]

    def faults(self) -> Iterator[str]:
        met, promised = self.met(OFFERED)
        if promised and met < AT_LEAST * promised:
            yield f"{met} of {promised} chosen windows are met, expected {AT_LEAST:.0%}"
        if self.against(OFFERED, BLIND)[0] >= 0:
            yield "the days cost no less than with windows chosen blindly"

    def lines(self) -> Iterator[str]:
        days = len(self.days(OFFERED))
        offered = self.ways[OFFERED]
        yield "| | |"
        yield "|---|---|"
        yield f"| days on which people move, days planned in each way | {self.moving_days:,}, {days:,} |"
        yield f"| items delivered in each way | {', '.join(f'{sum(d.planned for d in self.days(w)):,}' for w in self.ways)} |"
        yield f"| who asked for another time | {sum(w.asked for w in offered):,} |"
        yield f"| … and was offered none | {sum(w.without_offer for w in offered)} |"
        offers = sorted(Counter(k for w in offered for k in w.offers.elements()).elements())
        if offers:
            yield f"| windows offered: fewest, median, most | {offers[0]}, {statistics.median(offers):g}, {offers[-1]} |"
        spent = [second for weeks in offered for second in weeks.seconds]
        if spent:
            yield f"| CPU to find them: median, worst | {statistics.median(spent) * 1000:.0f}, {max(spent) * 1000:.0f} ms |"
        yield ""
        yield "| | windows | met by the routes | cost of all days | rise | ordinary items put off, in all |"
        yield "|---|---|---|---|---|---|"
        for way in self.ways:
            met, promised = self.met(way)
            low, high = wilson(met, promised)
            share = f"{met:,} ({100 * met / promised:.2f} %; {100 * low:.1f} to {100 * high:.1f})" if promised else "-"
            rise = "-" if way == NOBODY else "{:+.2f} ± {:.2f} %".format(*self.against(way, NOBODY))
            cost = sum(day.cost for day in self.days(way))
            put_off = sum(day.left_out for day in self.days(way))
            yield f"| {way} | {promised:,} | {share} | {cost:,} s of travel | {rise} | {put_off:,} |"
        yield ""
        yield "Offered windows against blind ones: {:+.2f} ± {:.2f} % (95 % interval over weeks).".format(
            *self.against(OFFERED, BLIND)
        )
        yield f"Made in {self.wall_seconds / 60:.0f} minutes."


def dearer(ours: list[int], theirs: list[int]) -> tuple[float, float]:
    """By how many per cent one row of costs is above another, pair by pair, and half the width of the 95 % interval."""
    more = [one - other for one, other in zip(ours, theirs, strict=True)]
    half = math.inf if len(more) < 2 else 1.96 * statistics.stdev(more) * math.sqrt(len(more))
    return 100 * sum(more) / sum(theirs), 100 * half / sum(theirs)


def wilson(hits: int, tries: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    if not tries:
        return 0.0, 1.0
    share, extra = hits / tries, z * z / tries
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / tries + extra / tries / 4) / (1 + extra)
    return middle - half, middle + half


def _one(task: tuple[int, int, int, int, float]) -> dict[str, Weeks]:
    seed, days, a_day, postmen, seconds = task
    with tempfile.TemporaryDirectory() as folder:
        return run_office(seed, days, a_day=a_day, postmen=postmen, seconds=seconds, folder=Path(folder))


def run(*, days: int, seed: int, each: int = 50, postmen: int = 3, seconds: float = 1.5, processes: int = 1) -> Report:
    """Run offices of `each` days, with seeds `seed`, `seed` + 1, ... and from light to full days, until there are `days`."""
    lengths = [min(each, days - start) for start in range(0, days, each)]
    tasks = [
        (seed + number, length, A_DAY[number % len(A_DAY)], postmen, seconds) for number, length in enumerate(lengths)
    ]
    began = time.monotonic()
    ways: dict[str, list[Weeks]] = {NOBODY: [], OFFERED: [], BLIND: []}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for task, office in zip(tasks, pool.map(_one, tasks), strict=True):
            for way, weeks in office.items():
                ways[way].append(weeks)
                met, promised = sum(d.met for d in weeks.days), sum(d.promised for d in weeks.days)
                told = f"office {task[0]}, {task[2]} items a day, {way}: {met} of {promised} met"
                print(f"{told}, cost {sum(d.cost for d in weeks.days):,}", file=sys.stderr, flush=True)
    return Report(ways=ways, moving_days=days, wall_seconds=time.monotonic() - began)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=200, help="days on which people move")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=50, help="days of one office")
    parser.add_argument("--postmen", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="the solver's time for a day")
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    report = run(
        days=asked.days,
        seed=asked.seed,
        each=asked.each,
        postmen=asked.postmen,
        seconds=asked.seconds,
        processes=asked.processes,
    )
    print("\n".join(report.lines()))
    faults = list(report.faults())
    for missed in (missed for weeks in report.ways[OFFERED] for missed in weeks.missed):
        print("missed", missed, file=sys.stderr)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
