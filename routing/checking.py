"""The independent judge: it recomputes a stated plan step by step from the problem alone and names what is wrong.

It shares no code with the engines or with the timetable that wrote the plan: it only walks the stated steps and
verifies that they are possible and paid for correctly. Frozen visits that have happened are taken as facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Self

from routing.problem import UNREACHABLE, Lock, Problem, Task, TaskKind, Vehicle
from routing.solution import CostLines, Route, Solution, Step, StepKind, Summary, Violation

_VISITS = {StepKind.JOB: TaskKind.JOB, StepKind.PICKUP: TaskKind.PICKUP, StepKind.DELIVERY: TaskKind.DELIVERY}


class CheckFailed(AssertionError):
    """A plan that was about to leave breaks a rule: a bug of ours, never the caller's."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{v.code}: {v.sentence}" for v in violations[:5]))

    @classmethod
    def because(cls, code: str, sentence: str) -> Self:
        """For a plan that cannot even be written down."""
        return cls([Violation(code=code, sentence=sentence)])


def check(problem: Problem, solution: Solution) -> list[Violation]:
    """All rules that the solution breaks, in the order of its routes; an empty list means it is valid."""
    found: list[Violation] = []
    served: Counter[int] = Counter()
    used: set[int] = set()
    cost_lines = CostLines()
    for route in solution.routes:
        if not 0 <= route.vehicle_index < len(problem.vehicles) or (
            problem.vehicles[route.vehicle_index].id != route.vehicle
        ):
            found.append(Violation(code="unknown", sentence="there is no such vehicle", vehicle=route.vehicle))
            continue
        if route.vehicle_index in used:
            sentence = "the vehicle has two routes"
            found.append(Violation(code="duplicate", sentence=sentence, vehicle=route.vehicle))
        used.add(route.vehicle_index)
        walk = _Walk(problem, route)
        found += walk.violations()
        served.update(walk.served)
        cost_lines += route.cost_lines
    found += _completeness(problem, solution, served)
    if solution.cost_lines != cost_lines or solution.summary.cost != cost_lines.total:
        sentence = f"the routes cost {cost_lines.total}, the plan says {solution.summary.cost}"
        found.append(Violation(code="cost", sentence=sentence))
    if any(violation.code == "unknown" for violation in found):
        return found  # totals of what nobody knows cannot be taken
    if (expected := summary_of(problem, solution)) != solution.summary:
        sentence = f"expected {expected}, the plan says {solution.summary}"
        found.append(Violation(code="summary", sentence=sentence))
    return found


def summary_of(problem: Problem, solution: Solution) -> Summary:
    """The totals that the solution's routes add up to."""
    visits = [step for route in solution.routes for step in route.visits]
    steps = [step for route in solution.routes for step in route.steps]
    jobs = [problem.jobs[s.index] for s in visits if s.kind is StepKind.JOB and s.index is not None]
    shipments = [problem.shipments[s.index] for s in visits if s.kind is StepKind.PICKUP and s.index is not None]
    dimensions = range(problem.dimensions)
    moved = [sum(shipment.amount[d] for shipment in shipments if shipment.amount) for d in dimensions]
    return Summary(
        cost=sum(route.cost for route in solution.routes),
        routes=len(solution.routes),
        unassigned=len(solution.unassigned),
        setup=sum(step.setup for step in steps),
        service=sum(step.service for step in steps),
        duration=sum(route.steps[-1].duration for route in solution.routes if route.steps),
        waiting=sum(step.waiting for step in steps),
        distance=sum(route.steps[-1].distance for route in solution.routes if route.steps),
        priority=sum(job.priority for job in jobs) + sum(shipment.priority for shipment in shipments),
        delivery=tuple(sum(job.delivery[d] for job in jobs if job.delivery) + moved[d] for d in dimensions),
        pickup=tuple(sum(job.pickup[d] for job in jobs if job.pickup) + moved[d] for d in dimensions),
    )


def _completeness(problem: Problem, solution: Solution, served: Counter[int]) -> Iterator[Violation]:
    left_out: Counter[int] = Counter()
    for item in solution.unassigned:
        number = _task_number(problem, item.kind, item.index, item.id)
        if number is None:
            yield Violation(code="unknown", sentence="the plan leaves out what nobody asked for", task=item.id)
        else:
            left_out[number] += 1
    for number, task in enumerate(problem.tasks):
        times = served[number] + left_out[number]
        if times == 0:
            yield Violation(code="missing", sentence=f"{task.kind} {task.id} is nowhere in the plan", task=task.id)
        elif times > 1:
            yield Violation(code="duplicate", sentence=f"{task.kind} {task.id} appears {times} times", task=task.id)
        if task.lock is Lock.FROZEN and not served[number]:
            yield Violation(code="lock", sentence=f"job {task.id} is frozen and not on a route", task=task.id)


def _rounded(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest >= denominator)


def _task_number(problem: Problem, kind: StepKind, index: int | None, identifier: int | None) -> int | None:
    """The number of the task that a step names, None when place and id do not name one."""
    if kind not in _VISITS or index is None or index < 0:
        return None
    offset = {StepKind.JOB: 0, StepKind.PICKUP: 0, StepKind.DELIVERY: 1}[kind]
    number = index if kind is StepKind.JOB else len(problem.jobs) + 2 * index + offset
    if number >= len(problem.tasks) or (kind is StepKind.JOB and index >= len(problem.jobs)):
        return None
    return number if problem.tasks[number].id == identifier else None


class _Walk:
    """One route, walked from its first to its last step."""

    def __init__(self, problem: Problem, route: Route) -> None:
        self.problem = problem
        self.route = route
        self.vehicle: Vehicle = problem.vehicles[route.vehicle_index]
        self.matrix = problem.matrices[self.vehicle.profile]
        self.served: list[int] = []

    def _says(self, code: str, sentence: str, step: Step | None = None) -> Violation:
        return Violation(code=code, sentence=sentence, vehicle=self.vehicle.id, task=None if step is None else step.id)

    def violations(self) -> Iterator[Violation]:
        steps = self.route.steps
        kinds = [step.kind for step in steps]
        if len(kinds) < 2 or kinds[0] is not StepKind.START or kinds[-1] is not StepKind.END:
            yield self._says("order", "a route goes from its start to its end")
            return
        if StepKind.START in kinds[1:] or StepKind.END in kinds[:-1]:
            yield self._says("order", "a route has one start and one end")
            return
        known: list[tuple[Step, Task]] = []
        for step in steps:
            if step.kind in _VISITS:
                number = _task_number(self.problem, step.kind, step.index, step.id)
                if number is None:
                    yield self._says("unknown", f"there is no {step.kind} {step.id}", step)
                    return
                self.served.append(number)
                known.append((step, self.problem.tasks[number]))
        if not known:
            yield self._says("order", "the route visits nobody")
        yield from self._places(known)
        yield from self._hours(known)
        yield from self._clock(known)
        yield from self._breaks()
        yield from self._loads(known)
        yield from self._rights(known)
        yield from self._pairs()
        yield from self._locks([task for _, task in known])
        yield from self._limits_and_cost(known)

    def _seconds(self, origin: int | None, to: int | None) -> int:
        if origin is None or to is None:
            return 0
        given = int(self.matrix.seconds[origin, to])
        if given == UNREACHABLE or self.vehicle.speed_factor == 1:
            return given
        return int(given / self.vehicle.speed_factor + 0.5)

    def _places(self, known: Sequence[tuple[Step, Task]]) -> Iterator[Violation]:
        expected: dict[int, int | None] = {id(step): task.location_index for step, task in known}
        expected[id(self.route.steps[0])] = self.vehicle.start
        expected[id(self.route.steps[-1])] = self.vehicle.end
        for step in self.route.steps:
            if id(step) in expected and step.location_index != expected[id(step)]:
                sentence = f"expected location {expected[id(step)]}, the plan says {step.location_index}"
                yield self._says("unknown", sentence, step)

    def _hours(self, known: Sequence[tuple[Step, Task]]) -> Iterator[Violation]:
        start, end = self.route.steps[0], self.route.steps[-1]
        opens, closes = self.vehicle.time_window or (0, None)
        facts = [task.happened_at is not None for _, task in known]
        if start.arrival < opens and not any(facts):
            yield self._says("lead_time", f"leaves at {start.arrival}, the shift begins at {opens}", start)
        # A day of nothing but facts ends when it ends.
        if closes is not None and end.arrival > closes and not all(facts):
            yield self._says("delay", f"ends at {end.arrival}, the shift ends at {closes}", end)
        if start.setup or start.service or start.waiting or end.setup or end.service:
            yield self._says("timing", "start and end take no time", start)

    def _clock(self, known: Sequence[tuple[Step, Task]]) -> Iterator[Violation]:
        tasks = {id(step): task for step, task in known}
        steps = self.route.steps
        place, left, travelled, resting, idle = self.vehicle.start, steps[0].leaves, 0, 0, 0
        for previous, step in pairwise(steps):
            task = tasks.get(id(step))
            happened_at = None if task is None else task.happened_at
            if step.waiting < 0 or step.arrival < 0:
                yield self._says("timing", f"arrives at {step.arrival} and waits {step.waiting}", step)
            if happened_at is None and step.arrival < previous.leaves:
                sentence = f"arrives at {step.arrival}, before {previous.leaves} when the step before is over"
                yield self._says("timing", sentence, step)
            if step.kind is StepKind.BREAK:
                on_the_way = step.duration - travelled
                if not 0 <= on_the_way <= self._to_next(step) or step.arrival - left != on_the_way + resting + idle:
                    yield self._says("timing", f"{step.duration} s of travel by the break cannot be", step)
                resting, idle = resting + step.service, idle + step.waiting
                continue
            idle += step.waiting
            to = step.location_index if task is None else task.location_index
            travel = self._seconds(place, to)
            if travel == UNREACHABLE:
                yield self._says("unreachable", f"no way leads from location {place} to {to}", step)
                travel = 0
            if happened_at is not None:
                yield from self._fact(step, happened_at, left_office=steps[0].arrival)
            elif step.begins - left != travel + resting + idle:
                sentence = (
                    f"{step.begins - left} s after the visit before, "
                    f"where {travel} s of travel, {resting} s of breaks and {idle} s of waiting are needed"
                )
                yield self._says("timing", sentence, step)
            if task is not None:
                yield from self._visit(step, task, comes_from=place)
            travelled += travel
            if step.duration != travelled:
                yield self._says("timing", f"{travelled} s of travel so far, the plan says {step.duration}", step)
            place, left, resting, idle = to, step.leaves, 0, 0

    def _fact(self, step: Step, happened_at: int, *, left_office: int) -> Iterator[Violation]:
        if step.begins != happened_at or step.waiting:
            yield self._says("lock", f"it happened at {happened_at}, not at {step.begins}", step)
        if left_office > happened_at:
            yield self._says("timing", f"leaves at {left_office} for a visit at {happened_at}", step)

    def _to_next(self, rest: Step) -> int:
        """Travel of the leg that the break interrupts."""
        at = next(i for i, step in enumerate(self.route.steps) if step is rest)
        ends = [step for step in self.route.steps if step.kind is not StepKind.BREAK]
        before = [step for step in self.route.steps[:at] if step.kind is not StepKind.BREAK]
        return self._seconds(before[-1].location_index, ends[len(before)].location_index)

    def _visit(self, step: Step, task: Task, *, comes_from: int | None) -> Iterator[Violation]:
        setup = 0 if comes_from == task.location_index else task.setup
        if (step.setup, step.service) != (setup, task.service):
            sentence = f"expected {setup} s of set-up and {task.service} s of service"
            yield self._says("timing", sentence, step)
        if task.happened_at is not None:
            return
        _, closes = self.vehicle.time_window or (0, None)
        if closes is not None and step.leaves > closes:
            yield self._says("delay", f"is over at {step.leaves}, the shift ends at {closes}", step)
        if not task.time_windows or any(a <= step.begins <= b for a, b in task.time_windows):
            return
        if step.begins > max(b for _, b in task.time_windows):
            sentence = f"begins at {step.begins}, its last window closes at {max(b for _, b in task.time_windows)}"
            yield self._says("delay", sentence, step)
        else:
            coming = min(a for a, _ in task.time_windows if a > step.begins)
            yield self._says("lead_time", f"begins at {step.begins}, the next window opens at {coming}", step)

    def _breaks(self) -> Iterator[Violation]:
        taken = [step for step in self.route.steps if step.kind is StepKind.BREAK]
        for rest in self.vehicle.breaks:
            if sum(step.id == rest.id for step in taken) != 1:
                yield self._says("missing_break", f"break {rest.id} is not taken exactly once")
        opens, _ = self.vehicle.time_window or (0, None)
        for step in taken:
            if step.index is None or not 0 <= step.index < len(self.vehicle.breaks):
                yield self._says("unknown", f"there is no break {step.id}", step)
                continue
            rest = self.vehicle.breaks[step.index]
            if rest.id != step.id or step.service != rest.service or step.setup:
                yield self._says("unknown", f"expected break {rest.id} of {rest.service} s", step)
            if step.begins < opens:
                yield self._says("lead_time", f"rests at {step.begins}, the shift begins at {opens}", step)
            if rest.time_windows and not any(a <= step.begins <= b for a, b in rest.time_windows):
                yield self._says("delay", f"rests at {step.begins}, outside {list(rest.time_windows)}", step)
            if rest.max_load is not None and any(on > most for on, most in zip(step.load, rest.max_load, strict=True)):
                yield self._says("max_load", f"rests with load {step.load}, at most {rest.max_load} is allowed", step)

    def _loads(self, known: Sequence[tuple[Step, Task]]) -> Iterator[Violation]:
        tasks = {id(step): task for step, task in known}
        load = [0] * self.problem.dimensions
        for _, task in known:
            if task.kind is TaskKind.JOB:
                load = [on + more for on, more in zip(load, task.delivery, strict=True)]
        for step in self.route.steps:
            task_here = tasks.get(id(step))
            if task_here is not None:
                for dimension in range(len(load)):
                    load[dimension] += task_here.pickup[dimension] - task_here.delivery[dimension]
            if tuple(load) != step.load:
                yield self._says("load", f"carries {tuple(load)}, the plan says {step.load}", step)
            for dimension, on in enumerate(load):
                if not 0 <= on <= self.vehicle.capacity[dimension]:
                    name, most = self.problem.dimension_name(dimension), self.vehicle.capacity[dimension]
                    yield self._says("load", f"carries {on} of {name}, at most {most} is allowed", step)

    def _rights(self, known: Sequence[tuple[Step, Task]]) -> Iterator[Violation]:
        for step, task in known:
            if missing := task.skills - self.vehicle.skills:
                yield self._says("skills", f"needs skills {sorted(missing)}", step)
            if task.allowed_vehicles is not None and self.vehicle.id not in task.allowed_vehicles:
                yield self._says("allowed_vehicles", f"may go to {sorted(task.allowed_vehicles)} only", step)

    def _pairs(self) -> Iterator[Violation]:
        place = {number: at for at, number in enumerate(self.served)}
        for number, at in place.items():
            task = self.problem.tasks[number]
            if task.partner is None:
                continue
            other = place.get(task.partner)
            if other is None or (task.kind is TaskKind.PICKUP and other < at):
                sentence = f"shipment {task.index} is not fetched and brought by this vehicle, in that order"
                yield Violation(code="precedence", sentence=sentence, vehicle=self.vehicle.id, task=task.id)

    def _locks(self, tasks: Sequence[Task]) -> Iterator[Violation]:
        for task in tasks:
            if task.lock is not Lock.FREE and task.locked_vehicle != self.vehicle.id:
                sentence = f"job {task.id} is locked to vehicle {task.locked_vehicle}"
                yield Violation(code="lock", sentence=sentence, vehicle=self.vehicle.id, task=task.id)
        ranked = [task for task in tasks if task.rank is not None]
        for at, task in enumerate(ranked):
            if any((other.rank or 0) > (task.rank or 0) for other in ranked[:at]):
                sentence = f"job {task.id} comes after one of a later rank"
                yield Violation(code="lock", sentence=sentence, vehicle=self.vehicle.id, task=task.id)
        thawed = False
        for task in tasks:
            thawed = thawed or task.lock is not Lock.FROZEN
            if thawed and task.lock is Lock.FROZEN:
                sentence = f"job {task.id} is frozen, yet something else comes before it"
                yield Violation(code="lock", sentence=sentence, vehicle=self.vehicle.id, task=task.id)

    def _limits_and_cost(self, known: Sequence[tuple[Step, Task]]) -> Iterator[Violation]:
        places = [self.vehicle.start, *(task.location_index for _, task in known), self.vehicle.end]
        legs = [(a, b) for a, b in pairwise(places) if a is not None and b is not None]
        legs = [(a, b) for a, b in legs if self._seconds(a, b) != UNREACHABLE]
        travel = sum(self._seconds(a, b) for a, b in legs)
        metres = self.matrix.metres
        distance = 0 if metres is None else sum(int(metres[a, b]) for a, b in legs)
        if self.route.steps[-1].distance != distance:
            yield self._says("timing", f"{distance} m in all, the plan says {self.route.steps[-1].distance}")
        limits = (
            ("max_tasks", len(known), self.vehicle.max_tasks),
            ("max_travel_time", travel, self.vehicle.max_travel_time),
            ("max_distance", distance, self.vehicle.max_distance),
        )
        for code, used, most in limits:
            if most is not None and used > most:
                yield self._says(code, f"{used}, at most {most} is allowed")
        costs, prices = self.vehicle.costs, self.matrix.cost
        work = sum(
            task.service + (0 if came == task.location_index else task.setup)
            for came, (_, task) in zip(places, known, strict=False)
        )
        expected = CostLines(
            fixed=costs.fixed,
            travel_time=(
                _rounded(travel * costs.per_hour, 3600) if prices is None else sum(int(prices[a, b]) for a, b in legs)
            ),
            distance=_rounded(distance * costs.per_km, 1000) if prices is None else 0,
            tasks=_rounded(work * costs.per_task_hour, 3600),
            preference=sum(
                task.preference_cost
                for _, task in known
                if task.preferred_vehicles and self.vehicle.id not in task.preferred_vehicles
            ),
        )
        if expected != self.route.cost_lines:
            yield self._says("cost", f"costs {expected}, the plan says {self.route.cost_lines}")
