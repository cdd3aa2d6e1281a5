"""Why a plan is as it is: what each stop costs and is bound by, why others are left out, and what would let them in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from routing.checking import CheckFailed, check
from routing.insertion import Insertion
from routing.problem import Lock, Problem, Task, TaskKind, Visits
from routing.reasons import clock, unassigned
from routing.relaxing import Relaxation, RelaxationKind, relaxations
from routing.solution import CostLines, Reason, ReasonCode, Route, Solution, Step, StepKind
from routing.solving import visits_of
from routing.timetable import Timetable


class BindingCode(StrEnum):
    """What holds a stop where and when it is."""

    FACT = "fact"
    LOCK = "lock"
    VEHICLE = "vehicle"
    PREDECESSOR = "predecessor"
    LOAD = "load"
    RELEASE = "release"
    FERRY = "ferry"
    WINDOW_OPENS = "window_opens"
    WINDOW_CLOSES = "window_closes"
    LATER_STOP = "later_stop"
    SHIFT_END = "shift_end"
    DURATION = "duration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One rule that holds a stop; `stop` is the id of the other one when the rule is another's."""

    code: BindingCode
    sentence: str
    stop: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """The next best postman (id): what the plan would cost more (or less, below 0) with the stop at his cheapest place."""

    vehicle: int
    extra_cost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopExplained:
    """One visit.

    `marginal_cost` is what the route saves without it (for a shipment without both its ends), None when the rest of
    the route could not be driven without it. `slack` are the seconds it could begin later, with all before it as
    planned and all behind it in the same order, windows, rests and ferries; None when nothing limits it. `bindings` has
    first what ties it to its vehicle and order, then what keeps it from being earlier, last from being later.
    """

    kind: StepKind
    id: int
    vehicle: int
    begins: int
    marginal_cost: int | None
    slack: int | None
    bindings: tuple[Binding, ...]
    elsewhere: Elsewhere | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutExplained:
    """A stop left out (for a shipment its pick-up): why, for each vehicle, and what would let it in, the cheapest first.

    Every relaxation has been tried: with it, the checker accepts the route with the stop. None may be listed: then more
    than one rule stands in the way of every vehicle.
    """

    kind: StepKind
    id: int
    code: ReasonCode | None
    sentence: str
    reasons: tuple[Reason, ...]
    relaxations: tuple[Relaxation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteExplained:
    """One route: its cost lines, when it starts and ends, and its stops in order."""

    vehicle: int
    starts: int
    ends: int
    cost_lines: CostLines
    stops: tuple[StopExplained, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The whole plan: its cost line by line, its routes, and what is left out."""

    cost: int
    cost_lines: CostLines
    routes: tuple[RouteExplained, ...]
    left_out: tuple[LeftOutExplained, ...]


def explain(problem: Problem, solution: Solution) -> Explanation:
    """Explain a valid plan of the problem; raises `CheckFailed` for one that breaks a rule."""
    if violations := check(problem, solution):
        raise CheckFailed(violations)
    timetable = Timetable(problem)
    insertion = Insertion(problem, timetable)
    visits = visits_of(problem, solution)
    routes = tuple(
        RouteExplained(
            vehicle=route.vehicle, starts=route.steps[0].arrival, ends=route.steps[-1].arrival,
            cost_lines=route.cost_lines, stops=explain_route(problem, insertion, visits, route),
        )
        for route in solution.routes
    )  # fmt: skip
    served = {number for route in visits for number in route}
    left_out = tuple(
        explain_left_out(problem, insertion, visits, number)
        for number in range(problem.stops)
        if number not in served and problem.tasks[number].kind is not TaskKind.DELIVERY
    )
    return Explanation(cost=solution.cost, cost_lines=solution.cost_lines, routes=routes, left_out=left_out)


def explain_route(problem: Problem, insertion: Insertion, visits: Visits, route: Route) -> tuple[StopExplained, ...]:
    """The stops of one route that keeps every rule; others of the plan may break some, and then take nobody's stop."""
    return tuple(_Road(problem, insertion, visits, route).stops())


def explain_left_out(
    problem: Problem,
    insertion: Insertion,
    visits: Visits,
    number: int,
    *,
    fixed: Collection[RelaxationKind] = (),
) -> LeftOutExplained:
    """One task (a job or a pick-up) that is left out; the rules named `fixed` give no way."""
    task = problem.tasks[number]
    found = unassigned(problem, insertion, visits, number)
    code, sentence, reasons = found.code, found.sentence, found.reasons
    relaxed = relaxations(problem, insertion, visits, number, fixed=fixed)
    if relaxed and relaxed[0].by_prize:
        # It has room: nothing is to blame but its price.
        code, sentence, reasons = None, relaxed[0].because, ()
    return LeftOutExplained(
        kind=StepKind(task.kind.value), id=task.id, code=code, sentence=sentence, reasons=reasons, relaxations=relaxed,
    )  # fmt: skip


class _Road:
    """One route on its way: what binds each of its stops."""

    def __init__(self, problem: Problem, insertion: Insertion, visits: Visits, route: Route) -> None:
        self.problem = problem
        self.insertion = insertion
        self.timetable = insertion.timetable
        self.visits = visits
        self.route = route
        self.index = route.vehicle_index
        self.vehicle = problem.vehicles[self.index]
        self.own = visits[self.index]
        self.loads = self.timetable.loads(self.own)
        self.limits = dict(self._limits())

    def stops(self) -> Iterator[StopExplained]:
        """Every visit at a door, in order."""
        cost = self.timetable.cost(self.index, self.own) or 0
        for place, (step, number) in enumerate(zip(self.route.calls, self.own, strict=True)):
            task = self.problem.tasks[number]
            if task.kind is TaskKind.RELOAD:
                continue
            gone = {number} if task.partner is None else {number, task.partner}
            rest = tuple(n for n in self.own if n not in gone)
            left = self._cost_without(rest)
            slack, limit = self.limits[id(step)]
            yield StopExplained(
                kind=step.kind, id=task.id, vehicle=self.vehicle.id, begins=step.begins,
                marginal_cost=None if left is None else cost - left, slack=slack,
                bindings=(*self._ties(place, task), *self._not_earlier(step, task), *limit),
                elsewhere=None if left is None else self._elsewhere(number, rest, cost - left),
            )  # fmt: skip

    def _cost_without(self, rest: tuple[int, ...]) -> int | None:
        if all(self.problem.tasks[number].kind is TaskKind.RELOAD for number in rest):
            return 0
        return self.timetable.cost(self.index, rest) if self.insertion.fits(self.index, rest) else None

    def _elsewhere(self, number: int, rest: tuple[int, ...], saved: int) -> Elsewhere | None:
        task = self.problem.tasks[number]
        entry = number if task.partner is None or task.kind is TaskKind.PICKUP else task.partner
        offers = [
            (found[0] - saved, self.problem.vehicles[index].id)
            for index in range(len(self.problem.vehicles))
            if index != self.index and (found := self.insertion.cheapest(index, self.visits[index], entry)) is not None
        ]
        if not offers or not (not rest or self.insertion.fits(self.index, rest)):
            return None
        extra, vehicle = min(offers)
        return Elsewhere(vehicle=vehicle, extra_cost=extra)

    # -- why this postman and this place in the order

    def _ties(self, place: int, task: Task) -> Iterator[Binding]:
        name = f"vehicle {self.vehicle.id}"
        if task.lock is Lock.FROZEN:
            said = "It has already happened" if task.happened_at is not None else "It is frozen"
            yield Binding(code=BindingCode.FACT, sentence=f"{said}; {name} opens its route with it.")
        elif task.lock is not Lock.FREE:
            kept = {Lock.KEEP_POSTMAN: "its postman", Lock.KEEP_ORDER: "its postman and order"}
            what = kept.get(task.lock, "its postman, order and time")
            yield Binding(code=BindingCode.LOCK, sentence=f"It is locked to {name} and keeps {what}.")
        else:
            able = [vehicle for vehicle in self.problem.vehicles if self.problem.may_serve(vehicle, task)]
            if len(able) == 1 and len(self.problem.vehicles) > 1:
                yield Binding(code=BindingCode.VEHICLE, sentence=f"Only {name} may do it.")
        if task.kind is TaskKind.DELIVERY and task.partner is not None:
            partner = self.problem.tasks[task.partner]
            sentence = f"It comes after its pick-up {partner.id}."
            yield Binding(code=BindingCode.PREDECESSOR, sentence=sentence, stop=partner.id)
        yield from self._full(place, task)

    def _full(self, place: int, task: Task) -> Iterator[Binding]:
        """A dimension in which the vehicle is full here, so that the stop could not have come with more on board."""
        for dimension, most in enumerate(self.vehicle.capacity):
            moved = task.delivery[dimension] or task.pickup[dimension]
            if moved and most in (self.loads[place][dimension], self.loads[place + 1][dimension]):
                name = self.problem.dimension_name(dimension)
                sentence = f"Vehicle {self.vehicle.id} is full here: it carries {most} of {name}."
                yield Binding(code=BindingCode.LOAD, sentence=sentence)

    # -- why not earlier

    def _not_earlier(self, step: Step, task: Task) -> Iterator[Binding]:
        if task.happened_at is not None:
            return
        if step.waiting and any(opens == step.begins for opens, _ in task.time_windows):
            sentence = f"The vehicle waits {_minutes(step.waiting)} until its window opens at {clock(step.begins)}."
            yield Binding(code=BindingCode.WINDOW_OPENS, sentence=sentence)
        if step.landing_wait:
            sentence = f"The vehicle waits {_minutes(step.landing_wait)} for the ferry on the way."
            yield Binding(code=BindingCode.FERRY, sentence=sentence)
        if task.release and task.release == self._trip_begins(step):
            sentence = f"Its trip leaves when it is there to be taken, at {clock(task.release)}."
            yield Binding(code=BindingCode.RELEASE, sentence=sentence)

    def _trip_begins(self, step: Step) -> int:
        """When the trip that carries the stop is loaded: the start, or the end of the last reload before it."""
        began = self.route.steps[0].arrival
        for earlier in self.route.steps:
            if earlier is step:
                break
            if earlier.kind is StepKind.RELOAD:
                began = earlier.leaves
        return began

    # -- why not later

    def _limits(self) -> Iterator[tuple[int, tuple[int | None, tuple[Binding, ...]]]]:
        """From the end back: by how much each step could begin later, and the rule that says so."""
        steps = self.route.steps
        slack, binding = self._end()
        yield id(steps[-1]), (slack, () if binding is None else (binding,))
        for step, following in reversed(list(pairwise(steps))):
            # A wait before the next step swallows a delay: at the door, for a window, or for a ferry.
            if slack is not None:
                slack += following.waiting
                if following.landing_wait:
                    slack = min(slack, following.landing_wait)
            own = self._own_window(step)
            if own is not None and (slack is None or own[0] <= slack):
                slack, binding = own[0], own[1]
                yield id(step), (slack, (binding,))
                if binding.stop is not None:
                    binding = Binding(
                        code=BindingCode.LATER_STOP, stop=binding.stop,
                        sentence=f"{step.kind.value.capitalize()} {step.id} behind it {self._must(step)}.",
                    )  # fmt: skip
            else:
                yield id(step), (slack, () if binding is None else (binding,))

    def _end(self) -> tuple[int | None, Binding | None]:
        start, end = self.route.steps[0], self.route.steps[-1]
        limits = []
        if self.vehicle.time_window is not None:
            closes = self.vehicle.time_window[1]
            sentence = f"Vehicle {self.vehicle.id} is back at {clock(end.arrival)}, its shift ends at {clock(closes)}."
            limits.append((closes - end.arrival, Binding(code=BindingCode.SHIFT_END, sentence=sentence)))
        if (longest := self.vehicle.longest_duration) is not None:
            took = end.arrival - start.arrival
            sentence = f"The route lasts {_minutes(took)}, at most {_minutes(longest)} are allowed."
            limits.append((longest - took, Binding(code=BindingCode.DURATION, sentence=sentence)))
        return min(limits, key=lambda limit: limit[0], default=(None, None))

    def _own_window(self, step: Step) -> tuple[int, Binding] | None:
        windows = self._windows(step)
        closes = [b for a, b in windows if a <= step.begins <= b]
        if not closes:
            return None
        sentence = f"It begins at {clock(step.begins)} and {self._must(step)}."
        return max(closes) - step.begins, Binding(
            code=BindingCode.WINDOW_CLOSES, sentence=sentence, stop=step.id if step.kind is not StepKind.START else None
        )

    def _must(self, step: Step) -> str:
        closes = max(b for a, b in self._windows(step) if a <= step.begins <= b)
        return f"must begin by {clock(closes)}"

    def _windows(self, step: Step) -> Sequence[tuple[int, int]]:
        if step.index is None:
            return ()
        if step.kind is StepKind.BREAK:
            return self.vehicle.breaks[step.index].time_windows
        task = next(t for t in self.problem.tasks if t.kind.value == step.kind.value and t.index == step.index)
        return ((step.begins, step.begins),) if task.happened_at is not None else task.time_windows


def _minutes(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


def explanation_body(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON values."""
    return asdict(explanation)
