"""Exact times for a vehicle's order of visits: the earliest return, then the latest departure that still makes it.

Rules: the start of set-up and service lies in a time window; set-up is paid only when the visit before is elsewhere;
breaks fit between visits or interrupt travel, never a visit; everything lies inside the shift. Being earlier never
hurts (windows only make one wait), so for each set of breaks taken the earliest time is all that has to be kept.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from routing.problem import MAX_INSTANT, UNREACHABLE, Break, Matrix, Problem, Task, TaskKind, Vehicle, travel_seconds
from routing.solution import CostLines, Route, Step, StepKind

Table: TypeAlias = list[list[int]]
_NOBODY_LATE = 8 * MAX_INSTANT


@dataclass(frozen=True, slots=True)
class _Event:
    """Something at a point of time: the visit at `place` in the order, or the break with that number."""

    place: int
    is_break: bool
    arrival: int
    begins: int
    leaves: int
    travelled: int
    before: _Event | None


@dataclass(frozen=True, slots=True)
class _Leg:
    """The way to a visit and what is done there; the last leg leads to the end and does nothing."""

    travel: int
    windows: tuple[tuple[int, int], ...]
    action: int
    happened_at: int | None
    load_before: tuple[int, ...]


def half_up(numerator: int, denominator: int) -> int:
    """The quotient of two non-negative numbers, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


def first_begin(windows: Sequence[tuple[int, int]], time: int) -> int | None:
    """The earliest begin at or after `time`, None when the last window has closed; windows in any order."""
    if not windows:
        return time
    fitting = [max(opens, time) for opens, closes in windows if time <= closes]
    return min(fitting) if fitting else None


class Timetable:
    """Times and prices of routes for one problem; it keeps the matrices as lists, which plain Python reads fast."""

    def __init__(self, problem: Problem, *, tables_of: Timetable | None = None) -> None:
        """With `tables_of` the tables of another problem with the same matrices are shared."""
        self.problem = problem
        self._seconds: dict[tuple[str, float], Table] = {} if tables_of is None else tables_of._seconds  # noqa: SLF001
        self._tables: dict[tuple[str, str], Table] = {} if tables_of is None else tables_of._tables  # noqa: SLF001

    def seconds(self, vehicle: Vehicle) -> Table:
        """Travel seconds [from][to] of the vehicle, its speed included."""
        key = (vehicle.profile, vehicle.speed_factor)
        if key not in self._seconds:
            matrix = self.problem.matrices[vehicle.profile]
            self._seconds[key] = travel_seconds(matrix, vehicle.speed_factor).tolist()
        return self._seconds[key]

    def metres(self, vehicle: Vehicle) -> Table | None:
        """Travel metres [from][to] of the vehicle, None when nobody knows."""
        return self._table(vehicle.profile, "metres", self.problem.matrices[vehicle.profile])

    def prices(self, vehicle: Vehicle) -> Table | None:
        """The custom price of travel [from][to], None when travel is priced by hour and kilometre."""
        return self._table(vehicle.profile, "cost", self.problem.matrices[vehicle.profile])

    def _table(self, profile: str, name: str, matrix: Matrix) -> Table | None:
        values = matrix.metres if name == "metres" else matrix.cost
        if values is None:
            return None
        if (profile, name) not in self._tables:
            self._tables[profile, name] = values.tolist()
        return self._tables[profile, name]

    def route(self, vehicle_index: int, visits: Sequence[int]) -> Route | None:
        """The route with its exact times and cost, None when no schedule keeps windows, shift and breaks.

        Loads, skills, locks and limits are the checker's business.
        """
        vehicle = self.problem.vehicles[vehicle_index]
        tasks = [self.problem.tasks[visit] for visit in visits]
        legs = self._legs(vehicle, visits)
        if legs is None:
            return None
        opens, closes = _shift(vehicle, legs)
        start = _departure(opens, legs)
        last = _schedule(legs, vehicle.breaks, start, closes)
        if last is None:
            return None
        if legs[0].happened_at is None:
            start, last = _latest_start(legs, vehicle.breaks, start, closes, last)
        return self._built(vehicle_index, tasks, legs, start, last)

    def returns(
        self, vehicle_index: int, visits: Sequence[int], *, any_time_for: Container[int] = (), endless: bool = False
    ) -> int | None:
        """The earliest end of the route, None when it has no schedule: the cheap half of `route`.

        To find out what is to blame, the windows of some tasks or the end of the shift can be left aside.
        """
        vehicle = self.problem.vehicles[vehicle_index]
        legs = self._legs(vehicle, visits, any_time_for)
        if legs is None:
            return None
        opens, closes = _shift(vehicle, legs)
        last = _schedule(legs, vehicle.breaks, _departure(opens, legs), _NOBODY_LATE if endless else closes)
        return None if last is None else last.leaves

    def _legs(self, vehicle: Vehicle, visits: Sequence[int], any_time_for: Container[int] = ()) -> list[_Leg] | None:
        seconds = self.seconds(vehicle)
        tasks = [self.problem.tasks[visit] for visit in visits]
        load = _load_at_start(self.problem, tasks)
        place = vehicle.start
        legs = []
        for visit, task in zip(visits, tasks, strict=True):
            to = task.location_index
            travel = 0 if place is None else seconds[place][to]
            if travel == UNREACHABLE:
                return None
            action = task.service + (0 if place == to else task.setup)
            windows = () if visit in any_time_for else task.time_windows
            legs.append(_Leg(travel, windows, action, task.happened_at, load))
            load = _after(load, task)
            place = to
        home = 0 if place is None or vehicle.end is None else seconds[place][vehicle.end]
        if home == UNREACHABLE:
            return None
        legs.append(_Leg(home, (), 0, None, load))
        return legs

    def _built(
        self, vehicle_index: int, tasks: Sequence[Task], legs: Sequence[_Leg], start: int, last: _Event
    ) -> Route:
        vehicle = self.problem.vehicles[vehicle_index]
        metres = self.metres(vehicle)
        load = _load_at_start(self.problem, tasks)
        events: list[_Event] = []
        event: _Event | None = last
        while event is not None:
            events.append(event)
            event = event.before
        steps = [Step(kind=StepKind.START, arrival=start, location_index=vehicle.start, load=load)]
        duration = distance = 0
        place = vehicle.start
        for event in reversed(events):
            waiting = event.begins - event.arrival
            if event.is_break:
                rest = vehicle.breaks[event.place]
                steps.append(
                    Step(
                        kind=StepKind.BREAK, id=rest.id, index=event.place, service=rest.service, load=load,
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
                        kind=StepKind.END,
                        location_index=to,
                        load=load,
                        duration=duration,
                        distance=distance,
                        arrival=event.arrival,
                        waiting=waiting,
                    )
                )
                continue
            load = _after(load, task)
            steps.append(
                Step(
                    kind=StepKind(task.kind.value), id=task.id, index=task.index, location_index=to,
                    setup=0 if place == to else task.setup, service=task.service, load=load, duration=duration,
                    distance=distance, description=task.description, arrival=event.arrival, waiting=waiting,
                )
            )  # fmt: skip
            place = to
        cost_lines = self.cost_lines(vehicle, tasks)
        return Route(vehicle=vehicle.id, vehicle_index=vehicle_index, steps=tuple(steps), cost_lines=cost_lines)

    def cost_lines(self, vehicle: Vehicle, tasks: Sequence[Task]) -> CostLines:
        """What the order of visits costs; times play no part, so it needs no schedule. Nothing when unused."""
        if not tasks:
            return CostLines()
        seconds, metres, prices = self.seconds(vehicle), self.metres(vehicle), self.prices(vehicle)
        travel = distance = price = work = preference = 0
        place = vehicle.start
        for task in tasks:
            to = task.location_index
            if place is not None:
                travel += seconds[place][to]
                distance += 0 if metres is None else metres[place][to]
                price += 0 if prices is None else prices[place][to]
            work += task.service + (0 if place == to else task.setup)
            if task.preferred_vehicles and vehicle.id not in task.preferred_vehicles:
                preference += task.preference_cost
            place = to
        if place is not None and vehicle.end is not None:
            travel += seconds[place][vehicle.end]
            distance += 0 if metres is None else metres[place][vehicle.end]
            price += 0 if prices is None else prices[place][vehicle.end]
        costs = vehicle.costs
        return CostLines(
            fixed=costs.fixed,
            travel_time=half_up(travel * costs.per_hour, 3600) if prices is None else price,
            distance=half_up(distance * costs.per_km, 1000) if prices is None else 0,
            tasks=half_up(work * costs.per_task_hour, 3600),
            preference=preference,
        )


def _load_at_start(problem: Problem, tasks: Sequence[Task]) -> tuple[int, ...]:
    """All that the vehicle's jobs bring leaves with it; shipments are fetched on the way."""
    brought = [task.delivery for task in tasks if task.kind is TaskKind.JOB]
    return tuple(sum(amounts) for amounts in zip(*brought, strict=True)) if brought else (0,) * problem.dimensions


def _after(load: tuple[int, ...], task: Task) -> tuple[int, ...]:
    return tuple(on - off + more for on, off, more in zip(load, task.delivery, task.pickup, strict=True))


def _shift(vehicle: Vehicle, legs: Sequence[_Leg]) -> tuple[int, int]:
    """The hours to keep. A day of nothing but facts ends when it ends, there is nothing left to plan."""
    opens, closes = vehicle.time_window or (0, _NOBODY_LATE)
    return opens, (_NOBODY_LATE if all(leg.happened_at is not None for leg in legs[:-1]) else closes)


def _departure(opens: int, legs: Sequence[_Leg]) -> int:
    """The earliest departure: the shift's, unless the first visit has already happened."""
    first = legs[0].happened_at
    return opens if first is None else max(min(opens, first), first - legs[0].travel)


def _schedule(legs: Sequence[_Leg], breaks: Sequence[Break], start: int, closes: int) -> _Event | None:
    """The earliest end of the route that leaves at `start`, as the chain of its events; None when there is none."""
    everything = (1 << len(breaks)) - 1
    states: dict[int, tuple[int, _Event | None]] = {0: (start, None)}
    for place, leg in enumerate(legs):
        arrivals: dict[int, tuple[int, _Event | None]] = {}
        if leg.happened_at is not None:
            # A fact: whatever the estimate of the way says, that is when it began. No break is put before it.
            time, before = states[0]
            arrivals[0] = (leg.happened_at, before)
        elif not breaks:
            time, before = states[0]
            arrivals[0] = (time + leg.travel, before)
        else:
            arrivals = _with_breaks(states, leg, breaks)
        states = {}
        for taken, (arrival, before) in arrivals.items():
            begins = first_begin(leg.windows, arrival)
            if begins is not None and begins + leg.action <= closes:
                event = _Event(place, False, arrival, begins, begins + leg.action, 0, before)  # noqa: FBT003
                states[taken] = (event.leaves, event)
            elif leg.happened_at is not None:
                event = _Event(place, False, arrival, arrival, arrival + leg.action, 0, before)  # noqa: FBT003
                states[taken] = (event.leaves, event)
        if not states:
            return None
    return states[everything][1] if everything in states else None


def _with_breaks(
    states: dict[int, tuple[int, _Event | None]], leg: _Leg, breaks: Sequence[Break]
) -> dict[int, tuple[int, _Event | None]]:
    """The earliest arrival after the leg for every set of breaks that can have been taken by then.

    On the way a state is (time, travel still to do); neither of two states with different orders of breaks need be
    better in both, so all that are not beaten in both are kept until the arrival.
    """
    reached: dict[int, list[tuple[int, int, _Event | None]]] = {
        taken: [(time, leg.travel, before)] for taken, (time, before) in states.items()
    }
    for taken in range(1 << len(breaks)):  # a set of breaks is always a larger number than its parts
        for time, left, before in reached.get(taken, []):
            for number, rest in enumerate(breaks):
                if taken >> number & 1 or not _light_enough(rest, leg.load_before):
                    continue
                begins = first_begin(rest.time_windows, time)
                if begins is None:
                    continue
                travelled = min(left, begins - time)
                event = _Event(
                    number, True, time + travelled, begins, begins + rest.service, leg.travel - left + travelled, before  # noqa: FBT003
                )  # fmt: skip
                new = (event.leaves, left - travelled, event)
                others = reached.setdefault(taken | 1 << number, [])
                if not any(t <= new[0] and x <= new[1] for t, x, _ in others):
                    others[:] = [o for o in others if not (new[0] <= o[0] and new[1] <= o[1])]
                    others.append(new)
    return {
        taken: min(((time + left, before) for time, left, before in ways), key=lambda way: way[0])
        for taken, ways in reached.items()
    }


def _light_enough(rest: Break, load: tuple[int, ...]) -> bool:
    return rest.max_load is None or all(on <= most for on, most in zip(load, rest.max_load, strict=True))


def _latest_start(
    legs: Sequence[_Leg], breaks: Sequence[Break], start: int, closes: int, earliest: _Event
) -> tuple[int, _Event]:
    """Leave as late as the same return allows: waiting at the office is better than waiting at a door."""
    waiting = earliest.leaves - start - sum(leg.travel + leg.action for leg in legs) - sum(b.service for b in breaks)
    best = (start, earliest)
    low, high = start, start + waiting
    while low < high:
        middle = (low + high + 1) // 2
        last = _schedule(legs, breaks, middle, closes)
        if last is not None and last.leaves == earliest.leaves:
            best, low = (middle, last), middle
        else:
            high = middle - 1
    return best
