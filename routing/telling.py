"""Routes that somebody else has decided: their times, and which rules they break (VROOM's mode -c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from routing.checking import check, summary_of
from routing.problem import InvalidProblem, PlannedStep, Problem, Vehicle, Visits, Window
from routing.scheduling import Event, Leg, first_begin
from routing.solution import CostLines, Route, Solution, StepKind, Summary, Unassigned
from routing.timetable import Timetable


def told_plan(problem: Problem) -> Solution:
    """The plan made of the vehicles' own `steps`, in their order, with the rules it breaks in `violations`.

    Everything begins as early as it can, in its windows as long as one is still open, and the vehicle leaves as late
    as that allows: a route that keeps all rules has VROOM's own times; in one that cannot, nothing begins too early, where
    VROOM may begin one stop early to make another less late. What no vehicle has in its steps is left out. Raises
    `InvalidProblem` where there is no way between two steps, or a begin that is told cannot be kept.
    """
    timetable = Timetable(problem)
    routes = []
    numbers = {(task.kind.value, task.id): number for number, task in enumerate(problem.tasks)}
    visits = []
    for index, vehicle in enumerate(problem.vehicles):
        order = tuple(numbers[step.kind, step.id] for step in vehicle.steps if (step.kind, step.id) in numbers)
        visits.append(order)
        if order:
            routes.append(_Told(vehicle, timetable, index, order).route())
    return _as_told(problem, timetable, routes, visits)


def standing_plan(problem: Problem, timetable: Timetable, visits: Visits) -> Solution:
    """The plan of these visits in this order, with the rules it breaks in `violations`; what is not visited is left out.

    A route that keeps its times has those of every other plan; one that cannot, as `told_plan` has it, with each rest at
    the first place where its time has come. Raises `InvalidProblem` where there is no way between two visits.
    """
    routes = [standing_route(problem, timetable, index, order) for index, order in enumerate(visits) if order]
    return _as_told(problem, timetable, routes, visits)


def standing_route(problem: Problem, timetable: Timetable, index: int, visits: Sequence[int]) -> Route:
    """One route of `standing_plan`; `visits` must not be empty."""
    route = timetable.route(index, visits)
    if route is not None:
        return route
    vehicle = problem.vehicles[index]
    tasks = [problem.tasks[number] for number in visits]
    doors = [PlannedStep(kind=task.kind.value, id=task.id) for task in tasks]
    steps: list[PlannedStep] = [PlannedStep(kind="start", id=0), *doors, PlannedStep(kind="end", id=0)]
    without = replace(vehicle, breaks=(), steps=tuple(steps))
    for rest in sorted(vehicle.breaks, key=lambda rest: rest.time_windows[:1]):
        walked = _Told(without, timetable, index, tuple(visits)).walked()
        opens = rest.time_windows[0][0] if rest.time_windows else 0
        due = next((place for place, event in enumerate(walked) if event.begins >= opens), len(walked) - 1)
        # What has happened left no room for a rest between it.
        due = max(due, sum(task.happened_at is not None for task in tasks))
        doors_before = [at for at, step in enumerate(steps) if step.kind not in ("start", "break")][due]
        steps.insert(doors_before, PlannedStep(kind="break", id=rest.id))
    return _Told(replace(vehicle, steps=tuple(steps)), timetable, index, tuple(visits)).route()


def _as_told(
    problem: Problem, timetable: Timetable, routes: Sequence[Route], visits: Sequence[Sequence[int]]
) -> Solution:
    served = {number for order in visits for number in order}
    left_out = tuple(
        Unassigned(
            kind=StepKind(task.kind.value), id=task.id, index=task.index, location_index=task.location_index, code=None,
            sentence="No vehicle has it among its steps.", description=task.description,
        )
        for number, task in enumerate(problem.tasks[: problem.stops])
        if number not in served
    )  # fmt: skip
    nothing = Summary(
        cost=0, routes=0, unassigned=0, setup=0, service=0, duration=0, waiting=0, distance=0, priority=0,
        delivery=(), pickup=(),
    )  # fmt: skip
    draft = Solution(
        routes=tuple(routes), unassigned=left_out, summary=nothing, travel=problem.travel, engine="told",
        cost_lines=sum((route.cost_lines for route in routes), CostLines(prizes=timetable.prizes(tuple(map(tuple, visits))))),
    )  # fmt: skip
    solution = replace(draft, summary=summary_of(problem, draft))
    return replace(solution, violations=tuple(check(problem, solution)))


@dataclass(frozen=True, slots=True)
class _Walked:
    """A day from its departure to its last event, and the seconds by which windows and the shift were missed."""

    departs: int
    last: Event
    missed: int


class _Told:
    """One vehicle's steps."""

    def __init__(self, vehicle: Vehicle, timetable: Timetable, index: int, visits: tuple[int, ...]) -> None:
        self.timetable = timetable
        self.index = index
        self.vehicle = vehicle
        self.visits = visits
        self.path = f"vehicles[{index}].steps"
        day = timetable.day(self.vehicle, visits)
        if day is None:
            raise InvalidProblem("step", self.path, [step.id for step in self.vehicle.steps], "no way leads along them")
        self.day = day
        kinds = ("start", "break", "end")
        self.start = next((step for step in self.vehicle.steps if step.kind == "start"), None)
        self.end = next((step for step in self.vehicle.steps if step.kind == "end"), None)
        self.doors = [step for step in self.vehicle.steps if step.kind not in kinds]
        # The breaks before each visit, the last list before the end; by their place in the vehicle's breaks.
        self.rests: list[list[tuple[int, PlannedStep]]] = [[]]
        places = {rest.id: place for place, rest in enumerate(self.vehicle.breaks)}
        for step in self.vehicle.steps:
            if step.kind == "break":
                self.rests[-1].append((places[step.id], step))
            elif step.kind not in kinds:
                self.rests.append([])

    def route(self) -> Route:
        """The route with its times: those of any other plan where nothing but the order is told and all rules are kept."""
        if not self.vehicle.breaks and not any(_is_timed(step) for step in self.vehicle.steps):
            timed = self.timetable.route(self.index, self.visits)
            if timed is not None:
                return timed
        departs = self.day.departs
        if self.start is not None:
            departs = self._told_begin(self.start, (), departs)
        walked = self._walked(departs)
        fixed = self.start is not None and self.start.service_at is not None
        if not self.day.is_past and not fixed:
            walked = self._latest(walked)
        if self.end is not None:
            self._end_is_kept(self.end, walked.last.leaves)
        return self.timetable.built(self.index, self.visits, self.day.legs, walked.departs, walked.last)

    def walked(self) -> list[Event]:
        """What happens on the way at the earliest departure, in its order; the last is the end."""
        events: list[Event] = []
        event: Event | None = self._walked(self.day.departs).last
        while event is not None:
            events.append(event)
            event = event.before
        return events[::-1]

    def _latest(self, first: _Walked) -> _Walked:
        """The last departure that ends at the same time and misses nothing more."""
        waiting = first.last.leaves - first.departs - sum(leg.least + leg.action for leg in self.day.legs)
        best, low, high = first, first.departs, first.departs + max(0, waiting)
        if self.start is not None and self.start.service_before is not None:
            high = min(high, self.start.service_before)
        while low < high:
            middle = (low + high + 1) // 2
            try:
                trial = self._walked(middle)
            except InvalidProblem:  # a begin that is told cannot be kept any more
                high = middle - 1
                continue
            if trial.last.leaves == first.last.leaves and trial.missed == first.missed:
                best, low = trial, middle
            else:
                high = middle - 1
        return best

    def _walked(self, departs: int) -> _Walked:
        time, before, missed = departs, None, 0
        for place, leg in enumerate(self.day.legs):
            left, wait = leg.travel, 0
            for number, step in self.rests[place]:
                rest = self.vehicle.breaks[number]
                begins = self._told_begin(step, rest.time_windows, time)
                # On a way with a ferry the vehicle rests before it leaves.
                travelled = 0 if leg.ferry is not None else min(left, begins - time)
                before = Event(
                    number, True, time + travelled, begins, begins + rest.service, before, leg.travel - left + travelled  # noqa: FBT003
                )  # fmt: skip
                missed += _missed(rest.time_windows, begins)
                time, left = before.leaves, left - travelled
            if leg.happened_at is not None:
                arrival = begins = leg.happened_at
            else:
                arrival, wait = self._arrival(leg, time, left)
                begins = max(arrival, leg.not_before)
                if place < len(self.doors):
                    begins = self._told_begin(self.doors[place], leg.windows, begins)
                missed += _missed(leg.windows, begins)
            before = Event(place, False, arrival, begins, begins + leg.action, before, 0, False, wait)  # noqa: FBT003
            time = before.leaves
        if before is None:
            raise AssertionError("a route has at least the leg to its end")
        return _Walked(departs, before, missed + max(0, time - self.day.closes))

    def _arrival(self, leg: Leg, time: int, left: int) -> tuple[int, int]:
        """When the door is reached, and the wait for the ferry on the way."""
        if leg.ferry is None:
            return time + left, 0
        sails = leg.ferry.departure(time + leg.landing)
        if sails is None:
            raise InvalidProblem("step", self.path, time + leg.landing, "no ferry leaves at this time or later")
        return sails + leg.onward, sails - time - leg.landing

    def _told_begin(self, step: PlannedStep, windows: Sequence[Window], time: int) -> int:
        """The begin at or after `time`: as it is told, else in a window, else (all have closed) at once."""
        path = f"{self.path}[{next(at for at, other in enumerate(self.vehicle.steps) if other is step)}]"
        if step.service_at is not None:
            if time > step.service_at:
                raise InvalidProblem("step", f"{path}.service_at", step.service_at, f"it cannot begin before {time}")
            return step.service_at
        earliest = time if step.service_after is None else max(time, step.service_after)
        begins = first_begin(windows, earliest)
        if begins is None:
            begins = earliest
        if step.service_before is not None and begins > step.service_before:
            if earliest > step.service_before:
                sentence = f"it cannot begin before {earliest}"
                raise InvalidProblem("step", f"{path}.service_before", step.service_before, sentence)
            begins = earliest  # what is told goes before the windows
        return begins

    def _end_is_kept(self, step: PlannedStep, time: int) -> None:
        path = f"{self.path}[{len(self.vehicle.steps) - 1}]"
        if step.service_at is not None and step.service_at != time:
            raise InvalidProblem("step", f"{path}.service_at", step.service_at, f"the route ends at {time}")
        if step.service_after is not None and step.service_after > time:
            raise InvalidProblem("step", f"{path}.service_after", step.service_after, f"the route ends at {time}")
        if step.service_before is not None and time > step.service_before:
            sentence = f"the route cannot end before {time}"
            raise InvalidProblem("step", f"{path}.service_before", step.service_before, sentence)


def _is_timed(step: PlannedStep) -> bool:
    return not (step.service_at is None and step.service_after is None and step.service_before is None)


def _missed(windows: Sequence[Window], begins: int) -> int:
    """Seconds between the begin and the nearest window."""
    if not windows:
        return 0
    return min(max(0, opens - begins, begins - closes) for opens, closes in windows)
