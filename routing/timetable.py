"""Exact times for a vehicle's order of visits, and what they cost.

Rules: the start of set-up and service lies in a time window; set-up is paid only when the visit before is elsewhere;
breaks fit between visits or interrupt travel (but not on a way with a ferry), never a visit; a trip leaves no earlier
than the latest release of what it carries (the service of a reload begins late enough for that); everything lies inside
the shift, and from start to end it takes at most the longest duration.

Of all schedules in which nobody waits who could go on, the plan takes the departure that costs least by soft windows,
retry value, overtime and balance; among these the earliest return, then the latest departure. Nobody waits at a door
to lower a price: only the departure is chosen, and that choice is exact (`routing.scheduling`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from routing.problem import (
    UNREACHABLE,
    Crossings,
    Matrix,
    Problem,
    Task,
    TaskKind,
    TravelTable,
    Vehicle,
    Visits,
    travel_seconds,
)
from routing.scheduling import NOBODY_LATE, Event, Leg, Priced, Prices, chosen, earliest_end, first_begin, schedule
from routing.solution import CostLines, Route, Step, StepKind

__all__ = ["Day", "Row", "Table", "Timetable", "first_begin", "half_up"]

_LISTS_UP_TO: Final = 1_000
"""Locations of a matrix that may become lists, which plain Python reads fastest."""


class Row(Protocol):
    """Whole numbers by [to]."""

    def __getitem__(self, to: int, /) -> int:
        """The number at one place."""
        ...


class Table(Protocol):
    """Whole numbers by [from][to]: lists, or what looks each number up when asked."""

    def __getitem__(self, origin: int, /) -> Row:
        """The row of one place."""
        ...


class _Asked:
    """A table too large for lists: every number is looked up."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[int, int], int]) -> None:
        self._read = read

    def __getitem__(self, origin: int, /) -> Row:
        return _AskedRow(self._read, origin)


class _AskedRow:
    __slots__ = ("_origin", "_read")

    def __init__(self, read: Callable[[int, int], int], origin: int) -> None:
        self._read = read
        self._origin = origin

    def __getitem__(self, to: int, /) -> int:
        return self._read(self._origin, to)


def half_up(numerator: int, denominator: int) -> int:
    """The quotient of two non-negative numbers, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


def _scaled(seconds: int, speed_factor: float) -> int:
    return seconds if speed_factor == 1.0 else math.floor(seconds / speed_factor + 0.5)


@dataclass(frozen=True, slots=True)
class Day:
    """A route's legs and limits; `is_past` when it opens with something that has happened."""

    legs: list[Leg]
    departs: int
    closes: int
    longest: int | None
    is_past: bool


class Timetable:
    """Times and prices of routes for one problem; it keeps the matrices as lists, which plain Python reads fast."""

    def __init__(self, problem: Problem, *, tables_of: Timetable | None = None) -> None:
        """With `tables_of` the tables of another problem with the same matrices are shared."""
        self.problem = problem
        self._tables: dict[tuple[str, str, float], Table] = {} if tables_of is None else tables_of._tables  # noqa: SLF001
        tasks = problem.tasks
        self._released = any(task.release for task in tasks)
        self._prizes = {number: task.prize for number, task in enumerate(tasks) if task.prize}
        self._priced = [
            bool(task.retry_value_per_hour or task.late_cost_per_hour or task.early_cost_per_hour) for task in tasks
        ]
        self._any_priced = any(self._priced)

    def seconds(self, vehicle: Vehicle) -> Table:
        """Expected travel seconds [from][to] of the vehicle, its speed included."""
        key = (vehicle.profile, "seconds", vehicle.speed_factor)
        if key not in self._tables:
            matrix: TravelTable = self.problem.matrices[vehicle.profile]
            if matrix.size <= _LISTS_UP_TO:
                whole = matrix if isinstance(matrix, Matrix) else matrix.block(range(matrix.size))
                self._tables[key] = travel_seconds(whole, vehicle.speed_factor).tolist()
            else:
                self._tables[key] = _Asked(lambda a, b: _expected(matrix, a, b, vehicle.speed_factor))
        return self._tables[key]

    def metres(self, vehicle: Vehicle) -> Table | None:
        """Travel metres [from][to] of the vehicle, None when nobody knows."""
        matrix = self.problem.matrices[vehicle.profile]
        return self._table(vehicle.profile, "metres", lambda a, b: matrix.pair(a, b)[1]) if matrix.has_metres else None

    def prices(self, vehicle: Vehicle) -> Table | None:
        """The custom price of travel [from][to], None when travel is priced by hour and kilometre."""
        matrix = self.problem.matrices[vehicle.profile]
        return self._table(vehicle.profile, "cost", matrix.price) if matrix.has_cost else None

    def _table(self, profile: str, name: str, read: Callable[[int, int], int]) -> Table:
        key = (profile, name, 1.0)
        if key not in self._tables:
            matrix: TravelTable = self.problem.matrices[profile]
            if matrix.size <= _LISTS_UP_TO:
                whole = matrix if isinstance(matrix, Matrix) else matrix.block(range(matrix.size))
                self._tables[key] = getattr(whole, name).tolist()
            else:
                self._tables[key] = _Asked(read)
        return self._tables[key]

    def least(self, vehicle: Vehicle) -> Table:
        """Travel seconds [from][to] when the ferry waits for the vehicle: never more than it really takes."""
        matrix: TravelTable = self.problem.matrices[vehicle.profile]
        if (water := matrix.crossings) is None:
            return self.seconds(vehicle)
        key = (vehicle.profile, "least", vehicle.speed_factor)
        if key not in self._tables:
            expected = self.seconds(vehicle)
            waits = [ferry.headway // 2 for ferry in water.ferries] + [0]
            self._tables[key] = _Asked(
                lambda a, b: UNREACHABLE if (x := expected[a][b]) == UNREACHABLE else x - waits[water.crossing[a, b]]
            )
        return self._tables[key]

    # -- when

    def route(self, vehicle_index: int, visits: Sequence[int]) -> Route | None:
        """The route with its exact times and cost, None when no schedule keeps windows, shift, duration and breaks.

        Loads, skills, locks and the limits on tasks, travel time and distance are the checker's business.
        """
        vehicle = self.problem.vehicles[vehicle_index]
        day = self.day(vehicle, visits)
        if day is None:
            return None
        times = self._times(vehicle, visits, day)
        return None if times is None else self.built(vehicle_index, visits, day.legs, *times)

    def returns(
        self, vehicle_index: int, visits: Sequence[int], *, any_time_for: Container[int] = (), endless: bool = False
    ) -> int | None:
        """The earliest end of the route, None when it has no schedule: the cheap half of `route`.

        To find out what is to blame, the windows of some tasks can be left aside, or (`endless`) the end of the shift
        together with the longest duration.
        """
        vehicle = self.problem.vehicles[vehicle_index]
        longest = None if endless else vehicle.longest_duration
        if not vehicle.breaks and longest is None and self.problem.matrices[vehicle.profile].crossings is None:
            return self._plain_end(vehicle, visits, any_time_for, endless=endless)
        day = self.day(vehicle, visits, any_time_for)
        if day is None:
            return None
        if endless:
            day = replace(day, closes=NOBODY_LATE, longest=None)
        if day.is_past:
            last = schedule(day.legs, vehicle.breaks, day.departs, day.closes)
            too_long = last is not None and day.longest is not None and last.leaves - day.departs > day.longest
            return None if last is None or too_long else last.leaves
        return earliest_end(day.legs, vehicle.breaks, day.departs, day.closes, day.longest)

    def cost(self, vehicle_index: int, visits: Sequence[int]) -> int | None:
        """What the route costs, the prices of its times included; None when it has no schedule.

        Without such prices no schedule is made, so the answer says nothing about the times then.
        """
        vehicle = self.problem.vehicles[vehicle_index]
        lines = self.cost_lines(vehicle, [self.problem.tasks[visit] for visit in visits])
        if not visits or not self.prices_times(vehicle_index, visits):
            return lines.total
        day = self.day(vehicle, visits)
        times = None if day is None else self._times(vehicle, visits, day)
        return None if times is None else self._with_times(vehicle, visits, lines, *times).total

    def plan_cost(self, visits: Visits) -> int | None:
        """What the whole plan costs: its routes, and the prizes of what it leaves out; None without a schedule."""
        total = self.prizes(visits)
        for vehicle_index, route in enumerate(visits):
            cost = self.cost(vehicle_index, route)
            if cost is None:
                return None
            total += cost
        return total

    def prizes(self, visits: Visits) -> int:
        """The prizes of the optional tasks that are not visited."""
        if not self._prizes:
            return 0
        served = {number for route in visits for number in route}
        return sum(prize for number, prize in self._prizes.items() if number not in served)

    def prices_times(self, vehicle_index: int, visits: Sequence[int]) -> bool:
        """Whether the times of such a route have a price, so that its cost is more than that of its order."""
        costs = self.problem.vehicles[vehicle_index].costs
        if costs.per_overtime_hour or costs.per_hour_over_target:
            return True
        return self._any_priced and any(self._priced[visit] for visit in visits)

    def _times(self, vehicle: Vehicle, visits: Sequence[int], day: Day) -> tuple[int, Event] | None:
        if not day.is_past:
            prices = self._prices_of(vehicle, visits)
            return chosen(day.legs, vehicle.breaks, day.departs, day.closes, day.longest, prices)
        last = schedule(day.legs, vehicle.breaks, day.departs, day.closes)
        if last is None or (day.longest is not None and last.leaves - day.departs > day.longest):
            return None
        return day.departs, last

    def _prices_of(self, vehicle: Vehicle, visits: Sequence[int]) -> Prices | None:
        costs = vehicle.costs
        spans = []
        if vehicle.overtime_after is not None and costs.per_overtime_hour:
            spans.append((vehicle.overtime_after, costs.per_overtime_hour))
        if vehicle.target_duration is not None and costs.per_hour_over_target:
            spans.append((vehicle.target_duration, costs.per_hour_over_target))
        priced = []
        for place, visit in enumerate(visits if self._any_priced else ()):
            if self._priced[visit]:
                task = self.problem.tasks[visit]
                opens, closes = task.soft_window or (0, 0)
                priced.append(
                    Priced(
                        place, opens, closes, task.early_cost_per_hour, task.late_cost_per_hour,
                        task.retry_value_per_hour,
                    )
                )  # fmt: skip
        opens = 0 if vehicle.time_window is None else vehicle.time_window[0]
        return Prices(tuple(priced), tuple(spans), opens) if priced or spans else None

    def _plain_end(
        self, vehicle: Vehicle, visits: Sequence[int], any_time_for: Container[int], *, endless: bool
    ) -> int | None:
        """The earliest end where there are neither breaks nor ferries: one pass, without a word about the steps."""
        seconds = self.seconds(vehicle)
        all_tasks = self.problem.tasks
        opens, closes = vehicle.time_window or (0, NOBODY_LATE)
        facts = 0
        if visits and all_tasks[visits[0]].happened_at is not None:
            facts = sum(all_tasks[visit].happened_at is not None for visit in visits)
        if endless or (facts and facts == len(visits)):
            closes = NOBODY_LATE
        place, time = vehicle.start, opens
        releases = self._releases(visits) if self._released else {}
        if facts:
            departs = self._past_departure(vehicle, visits, releases)
            if departs is None:
                return None
        else:
            time = max(time, releases.get(-1, 0))
        for at, visit in enumerate(visits):
            task = all_tasks[visit]
            to = task.location_index
            travel = 0 if place is None else seconds[place][to]
            if travel == UNREACHABLE:
                return None
            action = task.service + (0 if place == to else task.setup)
            place = to
            if at < facts:
                time = (task.happened_at or 0) + action
                continue
            time += travel
            if at in releases:
                time = max(time, releases[at] - task.service)
            if task.time_windows and visit not in any_time_for:
                begins = first_begin(task.time_windows, time)
                if begins is None:
                    return None
                time = begins
            time += action
            if time > closes:
                return None
        if place is not None and vehicle.end is not None:
            home = seconds[place][vehicle.end]
            if home == UNREACHABLE:
                return None
            time += home
        return time if time <= closes else None

    def _releases(self, visits: Sequence[int]) -> dict[int, int]:
        """By the place of the loading reload (-1 = the start): before which instant its trip may not leave."""
        releases: dict[int, int] = {}
        began = -1
        for at, visit in enumerate(visits):
            task = self.problem.tasks[visit]
            if task.loads:
                began = at
            elif task.release and task.happened_at is None:
                releases[began] = max(releases.get(began, 0), task.release)
        return releases

    def _past_departure(self, vehicle: Vehicle, visits: Sequence[int], releases: dict[int, int]) -> int | None:
        """When a vehicle left that has begun its day; None when it left without what it should carry."""
        first = self.problem.tasks[visits[0]]
        happened_at = first.happened_at or 0
        opens = 0 if vehicle.time_window is None else vehicle.time_window[0]
        travel = 0 if vehicle.start is None else self.seconds(vehicle)[vehicle.start][first.location_index]
        departs = max(min(opens, happened_at), happened_at - travel, releases.get(-1, 0))
        return departs if departs <= happened_at else None

    def day(self, vehicle: Vehicle, visits: Sequence[int], any_time_for: Container[int] = ()) -> Day | None:
        """The legs and limits of a route; None where there is no way, or it began without what it should carry."""
        seconds = self.seconds(vehicle)
        crossings = self.problem.matrices[vehicle.profile].crossings
        all_tasks = self.problem.tasks
        tasks = [all_tasks[visit] for visit in visits]
        releases = self._releases(visits) if self._released else {}
        weighs = any(rest.max_load is not None for rest in vehicle.breaks)
        loads = self.loads(visits) if weighs else [()] * (len(visits) + 1)
        place = vehicle.start
        legs = []
        for at, task in enumerate(tasks):
            to = task.location_index
            travel = 0 if place is None else seconds[place][to]
            if travel == UNREACHABLE:
                return None
            leg = Leg(
                travel, () if visits[at] in any_time_for else task.time_windows,
                task.service + (0 if place == to else task.setup), task.happened_at, loads[at],
                max(0, releases[at] - task.service) if at in releases else 0,
            )  # fmt: skip
            legs.append(leg if crossings is None else _over_water(leg, crossings, place, to, vehicle.speed_factor))
            place = to
        home = 0 if place is None or vehicle.end is None else seconds[place][vehicle.end]
        if home == UNREACHABLE:
            return None
        leg = Leg(home, (), 0, None, loads[-1])
        legs.append(leg if crossings is None else _over_water(leg, crossings, place, vehicle.end, vehicle.speed_factor))
        opens, closes = vehicle.time_window or (0, NOBODY_LATE)
        longest = vehicle.longest_duration
        is_past = legs[0].happened_at is not None
        departs: int | None = max(opens, releases.get(-1, 0))
        if is_past:
            departs = self._past_departure(vehicle, visits, releases)
            # A day of nothing but facts ends when it ends, there is nothing left to plan.
            if all(task.happened_at is not None for task in tasks):
                closes, longest = NOBODY_LATE, None
        return None if departs is None else Day(legs, departs, closes, longest, is_past)

    def loads(self, visits: Sequence[int]) -> list[tuple[int, ...]]:
        """What is on board at the start, and after each visit."""
        tasks = [self.problem.tasks[visit] for visit in visits]
        dimensions = range(self.problem.dimensions)
        to_load = [0] * len(dimensions)
        loaded = {}
        for at in range(len(tasks) - 1, -1, -1):
            task = tasks[at]
            if task.kind is TaskKind.JOB:
                to_load = [more + on for more, on in zip(task.delivery, to_load, strict=True)]
            elif task.loads:
                loaded[at] = to_load
                to_load = [0] * len(dimensions)
        load, fetched = list(to_load), [0] * len(dimensions)
        found = [tuple(load)]
        for at, task in enumerate(tasks):
            for d in dimensions:
                load[d] += task.pickup[d] - task.delivery[d]
                if task.kind is TaskKind.JOB:
                    fetched[d] += task.pickup[d]
                elif d in task.empties:
                    load[d] -= fetched[d]
                    fetched[d] = 0
            if at in loaded:
                load = [on + more for on, more in zip(load, loaded[at], strict=True)]
            found.append(tuple(load))
        return found

    # -- the route as its steps

    def built(self, vehicle_index: int, visits: Sequence[int], legs: Sequence[Leg], start: int, last: Event) -> Route:
        """The route as its steps, with its cost, from the departure and the events that end with `last`."""
        vehicle = self.problem.vehicles[vehicle_index]
        tasks = [self.problem.tasks[visit] for visit in visits]
        metres = self.metres(vehicle)
        loads = self.loads(visits)
        steps = [Step(kind=StepKind.START, arrival=start, location_index=vehicle.start, load=loads[0])]
        duration = distance = done = 0
        place = vehicle.start
        for event in _in_order(last):
            waiting = event.begins - event.arrival
            if event.is_break:
                rest = vehicle.breaks[event.place]
                steps.append(
                    Step(
                        kind=StepKind.BREAK, id=rest.id, index=event.place, service=rest.service, load=loads[done],
                        duration=duration + event.travelled, distance=distance,
                        description=rest.description, arrival=event.arrival, waiting=waiting,
                    )
                )  # fmt: skip
                continue
            duration += legs[event.place].travel
            task = tasks[event.place] if event.place < len(tasks) else None
            to = vehicle.end if task is None else task.location_index
            distance += 0 if metres is None or place is None or to is None else metres[place][to]
            if task is None:
                steps.append(
                    Step(
                        kind=StepKind.END, location_index=to, load=loads[-1], duration=duration, distance=distance,
                        arrival=event.arrival, waiting=waiting, landing_wait=event.landing_wait,
                    )
                )  # fmt: skip
                continue
            done += 1
            steps.append(
                Step(
                    kind=StepKind(task.kind.value), id=task.id, index=task.index, location_index=to,
                    setup=0 if place == to else task.setup, service=task.service, load=loads[done], duration=duration,
                    distance=distance, description=task.description, arrival=event.arrival, waiting=waiting,
                    landing_wait=event.landing_wait,
                )
            )  # fmt: skip
            place = to
        cost_lines = self._with_times(vehicle, visits, self.cost_lines(vehicle, tasks), start, last)
        return Route(vehicle=vehicle.id, vehicle_index=vehicle_index, steps=tuple(steps), cost_lines=cost_lines)

    def _with_times(
        self, vehicle: Vehicle, visits: Sequence[int], lines: CostLines, start: int, last: Event
    ) -> CostLines:
        """The cost lines of the order and of the times: each visit's and each line's price is rounded once."""
        prices = self._prices_of(vehicle, visits) if visits else None
        if prices is None:
            return lines
        begins = {event.place: event.begins for event in _in_order(last) if not event.is_break}
        duration, costs = last.leaves - start, vehicle.costs
        over = (
            (vehicle.overtime_after, costs.per_overtime_hour), (vehicle.target_duration, costs.per_hour_over_target)
        )  # fmt: skip
        overtime, balance = (
            0 if most is None else half_up(max(0, duration - most) * rate, 3600) for most, rate in over
        )
        lateness = sum(half_up(visit.price(begins[visit.place], prices.shift_opens), 3600) for visit in prices.visits)
        return replace(lines, lateness=lateness, overtime=overtime, balance=balance)

    def cost_lines(self, vehicle: Vehicle, tasks: Sequence[Task]) -> CostLines:
        """What the order of visits costs; the prices of times are not in it (`cost`). Nothing when unused."""
        if not tasks:
            return CostLines()
        if vehicle.end is None:
            return self.priced(vehicle, self.spent(vehicle, vehicle.start, tasks))
        return self.priced(vehicle, self.spent(vehicle, vehicle.start, tasks, to=vehicle.end))

    def spent(
        self, vehicle: Vehicle, place: int | None, tasks: Iterable[Task], *, to: int | None = None
    ) -> tuple[int, int, int, int, int]:
        """Seconds and metres of travel, custom price, seconds of work, preference: of these visits after a place.

        The way on to the place `to` is added when there is one.
        """
        seconds, metres, prices = self.seconds(vehicle), self.metres(vehicle), self.prices(vehicle)
        travel = distance = price = work = preference = 0
        for task in tasks:
            here = task.location_index
            if place is not None:
                travel += seconds[place][here]
                if metres is not None:
                    distance += metres[place][here]
                if prices is not None:
                    price += prices[place][here]
            work += task.service + (0 if place == here else task.setup)
            if task.preferred_vehicles and vehicle.id not in task.preferred_vehicles:
                preference += task.preference_cost
            place = here
        if place is not None and to is not None:
            travel += seconds[place][to]
            distance += 0 if metres is None else metres[place][to]
            price += 0 if prices is None else prices[place][to]
        return travel, distance, price, work, preference

    def order_cost(self, vehicle: Vehicle, spent: Sequence[int]) -> int:
        """The sum of the lines of `priced`."""
        travel, distance, price, work, preference = spent
        costs = vehicle.costs
        total = costs.fixed + preference
        if self.problem.matrices[vehicle.profile].has_cost:
            total += price
        else:
            total += half_up(travel * costs.per_hour, 3600)
            if costs.per_km:
                total += half_up(distance * costs.per_km, 1000)
        return total + half_up(work * costs.per_task_hour, 3600) if costs.per_task_hour else total

    def priced(self, vehicle: Vehicle, spent: Sequence[int]) -> CostLines:
        """The cost lines of a used vehicle for what `spent` adds up to."""
        travel, distance, price, work, preference = spent
        costs = vehicle.costs
        has_cost = self.problem.matrices[vehicle.profile].has_cost
        return CostLines(
            fixed=costs.fixed,
            travel_time=price if has_cost else half_up(travel * costs.per_hour, 3600),
            distance=0 if has_cost else half_up(distance * costs.per_km, 1000),
            tasks=half_up(work * costs.per_task_hour, 3600),
            preference=preference,
        )


def _in_order(last: Event) -> list[Event]:
    events = []
    event: Event | None = last
    while event is not None:
        events.append(event)
        event = event.before
    events.reverse()
    return events


def _expected(matrix: TravelTable, origin: int, to: int, speed_factor: float) -> int:
    """Expected seconds of one way; a ferry is no faster for a fast vehicle."""
    seconds = matrix.pair(origin, to)[0]
    if seconds == UNREACHABLE or speed_factor == 1.0:
        return seconds
    if matrix.crossings is not None and (number := int(matrix.crossings.crossing[origin, to])) >= 0:
        landing = int(matrix.crossings.to_landing[origin, to])
        aboard = int(matrix.crossings.aboard[number])
        return _scaled(landing, speed_factor) + aboard + _scaled(seconds - landing - aboard, speed_factor)
    return _scaled(seconds, speed_factor)


def _over_water(leg: Leg, crossings: Crossings, place: int | None, to: int | None, speed_factor: float) -> Leg:
    """The leg with its ferry, if it has one."""
    if place is None or to is None or (number := int(crossings.crossing[place, to])) < 0:
        return leg
    ferry = crossings.ferries[number]
    landing = _scaled(int(crossings.to_landing[place, to]), speed_factor)
    return replace(leg, ferry=ferry, landing=landing, onward=leg.travel - landing - ferry.headway // 2)
