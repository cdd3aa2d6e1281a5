"""An office-day as planning sees it: what waits, who works, and the same as a problem for the optimiser."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import routing
from courier.desk import Desk
from courier.domain.calendar import HALF, at_local, local_day
from courier.domain.doors import Door, Seconds, Waiting
from courier.domain.errors import Missing
from courier.domain.people import Caller, Role
from courier.store import plans
from courier.store.plans import CrewMember, Relief
from courier.store.tables import Office, Plan
from routing.engines.sketching import first_plan, verified
from routing.solving import Progress, assemble, solve, visits_of
from routing.timetable import Timetable
from routing.travel import EstimatedTravel

# A postman who leaves his beat costs as much as ten minutes of travel.
_OFF_BEAT_SECONDS: Final = 600
_SHARE_OF_THE_END: Final = 0.2
LEAST_SECONDS: Final = 0.5
# Nobody gets more than this many times the even share of the doors, and this many doors are no matter.
_FAIR: Final = 1.2
_FEW: Final = 2
_BREAK_SLACK: Final = 1800  # a rest begins within half an hour of its time
# A promise of half a day is planned to begin this much before it ends: who is due at 11:29 is there too late on every slow day.
# Shorter windows were agreed to the minute. docs/benchmarks/promises.md has what it keeps.
_RESERVE: Final = 3600
_HALF_A_DAY: Final = 3 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeDay:
    """Everything that planning an office-day needs, read in one moment. `opens` is now, on the day itself."""

    office: tuple[float, float]
    day: date
    items: tuple[Waiting, ...]
    crew: tuple[CrewMember, ...]
    delivery: str
    hours: tuple[tuple[Seconds, Seconds], ...]
    opens: Seconds = 0

    def shift(self, member: CrewMember) -> tuple[Seconds, Seconds] | None:
        """When the postman can be on the road that day; None when nothing is left of it."""
        opens, closes = max(member.shift[0], self.opens), member.shift[1]
        if self.delivery == HALF and self.hours:
            closes = min(closes, self.hours[-1][1])
        closes += member.overtime
        return (opens, closes) if opens < closes else None


def read_office_day(session: Session, desk: Desk, office_id: UUID, day: date, *, at: datetime) -> OfficeDay:
    """What an office-day offers to be planned, as of now."""
    bylaws = desk.facts.bylaws
    office = session.get_one(Office, office_id)
    calendar = plans.calendar(session, bylaws, office_id)
    return OfficeDay(
        office=(office.lat, office.lon),
        day=day,
        items=tuple(plans.waiting(session, office_id, day, bylaws, at=at)),
        crew=tuple(plans.crew(session, office_id, day, at=at)),
        delivery=calendar.delivery(day),
        hours=calendar.hours(day),
        opens=int((at - at_local(day, 0)).total_seconds()) if day == local_day(at) else 0,
    )


def relieved(sheet: OfficeDay, reliefs: Sequence[Relief]) -> OfficeDay:
    """The office-day with the rules that give way for a plan."""
    more: Counter[tuple[str, UUID]] = Counter()
    for relief in reliefs:
        whose = relief.postman_id or relief.item_id
        if whose is not None:
            more[relief.kind, whose] += relief.amount
    crew = tuple(
        replace(
            member,
            overtime=more["shift", member.postman_id],
            capacity_items=member.capacity_items + more["capacity", member.postman_id],
            cash_limit_dong=member.cash_limit_dong + more["cash_limit", member.postman_id],
        )
        for member in sheet.crew
    )
    items = tuple(
        replace(item, wanted_from=max(0, item.wanted_from - wider), wanted_to=item.wanted_to + wider)
        if (wider := more["window", item.id]) and item.wanted_from is not None and item.wanted_to is not None
        else item
        for item in sheet.items
    )
    return replace(sheet, crew=crew, items=items)


def day_problem(sheet: OfficeDay, calls: Sequence[Door], crew: Sequence[CrewMember]) -> routing.Problem:
    """The office-day as the optimiser sees it: job n is call n, vehicle n is postman n, seconds count from midnight.

    Calls of one household share their location, so that who goes from one to the next sets up once.
    """
    points = [sheet.office]
    starts = []
    for member in crew:
        starts.append(len(points) if member.last_door else 0)
        points += [member.last_door] if member.last_door else []
    located: dict[tuple[object, ...], int] = {}
    for call in calls:
        if call.household not in located:
            located[call.household] = len(points)
            points.append((call.lat, call.lon))
    places = [(lon, lat) for lat, lon in points]
    travel = EstimatedTravel()
    return routing.Problem(
        jobs=tuple(job_of(number, call, located[call.household], crew) for number, call in enumerate(calls)),
        vehicles=tuple(_vehicle(number, member, starts[number], sheet) for number, member in enumerate(crew)),
        matrices={mode: travel.table(places, mode) for mode in sorted({member.mode for member in crew})},
        locations=tuple(places),
        dimension_names=("items", "cash_dong"),
        travel=travel.provenance(),
    )


def with_reserve(problem: routing.Problem) -> routing.Problem:
    """The office-day with the end of each promised half-day kept free, for what goes slower than planned."""
    return problem.replace(
        jobs=tuple(
            replace(job, time_windows=tuple(_reserved(window) for window in job.time_windows))
            if job.lock is routing.Lock.FREE
            else job
            for job in problem.jobs
        )
    )


def _reserved(window: tuple[Seconds, Seconds]) -> tuple[Seconds, Seconds]:
    opens, closes = window
    return (opens, closes - _RESERVE) if closes - opens >= _HALF_A_DAY else window


def solve_keeping_promises(
    problem: routing.Problem,
    *,
    seconds: float,
    seed: int,
    on_progress: Callable[[Progress], None] | None = None,
    enough: Callable[[], bool] | None = None,
) -> routing.Solution:
    """Solve fairly with a reserve at the end of each promised half-day; a promise that fits only without it goes without.

    That second search is rare and short, and comes on top of `seconds`.
    """
    solution = solve_fairly(with_reserve(problem), seconds=seconds, seed=seed, on_progress=on_progress, enough=enough)
    if not any(problem.jobs[missed.index].time_windows for missed in solution.unassigned):
        return solution
    return solve(problem, seconds=LEAST_SECONDS, seed=seed, start=constructed(problem, solution), enough=enough)


def constructed(problem: routing.Problem, start: routing.Solution | None = None) -> routing.Solution:
    """Routes put together in milliseconds, in this process, upon those of `start`; what finds no place is left out.

    A search goes on from here, and where the machine is too busy for one, this is the plan.
    """
    begun = visits_of(problem, start) if start is not None else None
    return assemble(problem, Timetable(problem), verified(problem, first_plan(problem, begun)))


def by_beats(problem: routing.Problem) -> routing.Solution | None:
    """A plan in which everybody keeps to his beat, to start the search from; None where nobody has one.

    A search that starts from nothing fills one vehicle first and hardly ever opens the next for a beat's sake.
    """
    if not any(job.preferred_vehicles for job in problem.jobs):
        return None
    kept = []
    for job in problem.jobs:
        own = job.preferred_vehicles & (job.allowed_vehicles or job.preferred_vehicles)
        kept.append(replace(job, allowed_vehicles=own) if own and job.lock is routing.Lock.FREE else job)
    return constructed(problem.replace(jobs=tuple(kept)))


def solve_fairly(
    problem: routing.Problem,
    *,
    seconds: float,
    seed: int,
    on_progress: Callable[[Progress], None] | None = None,
    enough: Callable[[], bool] | None = None,
) -> routing.Solution:
    """Solve with nobody's day much longer than his share; what that leaves out may go to anybody with time left.

    The cheapest plan sends one postman to every door that he can reach before evening, and lets his colleagues wait.
    `on_progress` hears of the first of the two searches, which takes most of the time; `enough` ends either.
    """
    fair = problem.replace(vehicles=_with_shares(problem))
    spare = max(LEAST_SECONDS / 2, min(2.0, seconds * _SHARE_OF_THE_END))
    solution = solve(
        fair,
        seconds=seconds - spare,
        seed=seed,
        start=constructed(fair, by_beats(fair)),
        on_progress=on_progress,
        enough=enough,
    )
    full = {route.vehicle for route in solution.routes if len(route.visits) == fair.vehicles[route.vehicle].max_tasks}
    if solution.unassigned and full:
        return solve(problem, seconds=spare, seed=seed, start=constructed(problem, solution), enough=enough)
    return solution


def _with_shares(problem: routing.Problem) -> list[routing.Vehicle]:
    """The vehicles with at most their share of the jobs that are free to go to anybody, by the length of the shift."""
    bound = Counter(job.locked_vehicle for job in problem.jobs if job.lock is not routing.Lock.FREE)
    free = len(problem.jobs) - bound.total()
    lengths = [closes - opens for opens, closes in (v.time_window or (0, 1) for v in problem.vehicles)]
    return [
        replace(vehicle, max_tasks=bound[vehicle.id] + math.ceil(_FAIR * free * length / sum(lengths)) + _FEW)
        for vehicle, length in zip(problem.vehicles, lengths, strict=True)
    ]


def job_of(number: int, call: Door, location: int, crew: Sequence[CrewMember]) -> routing.Job:
    """A call as the optimiser sees it; whose bag it is in keeps it."""
    # Who has begun his round cannot load what lies in the office.
    allowed = None
    if call.holder is None and call.loads and any(member.last_door for member in crew):
        allowed = frozenset(n for n, member in enumerate(crew) if member.last_door is None)
    holder = next((n for n, member in enumerate(crew) if member.postman_id == call.holder), None)
    return routing.Job(
        id=number,
        location_index=location,
        setup=call.setup_seconds,
        service=call.service_seconds,
        delivery=(call.loads, 0),
        pickup=(call.fetches, call.due_dong),
        priority=call.priority,
        time_windows=(call.window,) if call.window else (),
        allowed_vehicles=allowed,
        preferred_vehicles=frozenset(n for n, member in enumerate(crew) if call.commune_code in member.beat),
        preference_cost=_OFF_BEAT_SECONDS if any(call.commune_code in member.beat for member in crew) else 0,
        lock=routing.Lock.FREE if holder is None else routing.Lock.KEEP_POSTMAN,
        locked_vehicle=holder,
    )


def _vehicle(number: int, member: CrewMember, start: int, sheet: OfficeDay) -> routing.Vehicle:
    shift = sheet.shift(member)
    rests: tuple[routing.Break, ...] = ()
    if member.rest is not None and shift is not None:
        begins, length = member.rest
        if shift[0] <= begins and begins + _BREAK_SLACK + length <= shift[1]:
            rests = (routing.Break(id=number, time_windows=((begins, begins + _BREAK_SLACK),), service=length),)
    return routing.Vehicle(
        id=number,
        start=start,
        end=0,
        profile=member.mode,
        time_window=shift,
        breaks=rests,
        capacity=(member.capacity_items, max(0, member.cash_limit_dong - member.pocket_dong)),
    )


def office_of(session: Session, caller: Caller, office_id: UUID | None) -> Office:
    """The office named, or the caller's own.

    Raises:
        Missing: it is not there, closed, or not the caller's.
    """
    wanted = office_id or caller.office_id
    if wanted is None or caller.office_id not in (None, wanted):
        raise Missing("office", wanted)
    office = session.get(Office, wanted)
    if office is None or not office.active:
        raise Missing("office", wanted)
    return office


def plan_of(session: Session, caller: Caller, plan_id: UUID, *, for_update: bool = False) -> Plan:
    """A plan of the caller's office (any, for an admin).

    Raises:
        Missing: it is not there, or not for this caller.
    """
    query = select(Plan).where(Plan.id == plan_id)
    if caller.role is not Role.ADMIN:
        query = query.where(Plan.office_id == caller.office_id)
    plan = session.scalar(query.with_for_update() if for_update else query)
    if plan is None:
        raise Missing("plan", plan_id)
    return plan
