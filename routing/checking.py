"""The independent judge: it recomputes a stated plan step by step from the problem alone and names what is wrong.

It shares no code with the engines or with the timetable that wrote the plan: it only walks the stated steps and
verifies that they are possible and paid for correctly. Frozen visits that have happened are taken as facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Self

from routing.problem import UNREACHABLE, Crossing, Lock, Problem, Task, TaskKind, Vehicle
from routing.solution import CostLines, Route, Solution, Step, StepKind, Summary, Violation

_VISITS = {
    StepKind.JOB: TaskKind.JOB,
    StepKind.PICKUP: TaskKind.PICKUP,
    StepKind.DELIVERY: TaskKind.DELIVERY,
    StepKind.RELOAD: TaskKind.RELOAD,
}


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
    cost_lines += CostLines(prizes=_prizes(problem, solution))
    if solution.cost_lines != cost_lines or solution.summary.cost != cost_lines.total:
        sentence = f"routes and prizes cost {cost_lines.total}, the plan says {solution.summary.cost}"
        found.append(Violation(code="cost", sentence=sentence))
    if any(violation.code == "unknown" for violation in found):
        return found  # totals of what nobody knows cannot be taken
    if (expected := summary_of(problem, solution)) != solution.summary:
        sentence = f"expected {expected}, the plan says {solution.summary}"
        found.append(Violation(code="summary", sentence=sentence))
    return found


def check_route(problem: Problem, route: Route) -> list[Violation]:
    """The rules that one route breaks by itself; its vehicle must be one of the problem's."""
    return list(_Walk(problem, route).violations())


def summary_of(problem: Problem, solution: Solution) -> Summary:
    """The totals that the solution's routes add up to."""
    visits = [step for route in solution.routes for step in route.visits]
    steps = [step for route in solution.routes for step in route.steps]
    jobs = [problem.jobs[s.index] for s in visits if s.kind is StepKind.JOB and s.index is not None]
    shipments = [problem.shipments[s.index] for s in visits if s.kind is StepKind.PICKUP and s.index is not None]
    dimensions = range(problem.dimensions)
    moved = [sum(shipment.amount[d] for shipment in shipments if shipment.amount) for d in dimensions]
    return Summary(
        cost=sum(route.cost for route in solution.routes) + _prizes(problem, solution),
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


def _prizes(problem: Problem, solution: Solution) -> int:
    """What the optional tasks cost that the solution leaves out."""
    numbers = [_task_number(problem, item.kind, item.index, item.id) for item in solution.unassigned]
    return sum(problem.tasks[number].prize or 0 for number in numbers if number is not None)


def _completeness(problem: Problem, solution: Solution, served: Counter[int]) -> Iterator[Violation]:
    left_out: Counter[int] = Counter()
    for item in solution.unassigned:
        number = _task_number(problem, item.kind, item.index, item.id)
        if number is None:
            yield Violation(code="unknown", sentence="the plan leaves out what nobody asked for", task=item.id)
        else:
            left_out[number] += 1
    for number, task in enumerate(problem.tasks[: problem.stops]):
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


def _beyond(duration: int, limit: int | None, rate: int) -> int:
    """The price of a duration beyond a limit, by the hour."""
    return 0 if limit is None or duration <= limit else _rounded((duration - limit) * rate, 3600)


def _next_sailing(ferry: Crossing, time: int) -> int | None:
    """When the ferry leaves that somebody catches who is at the landing at `time`."""
    if time > ferry.closes:
        return None
    if not ferry.headway:
        return max(time, ferry.opens)
    anchor = ferry.opens if ferry.first is None else ferry.first
    first_today = ferry.opens + (anchor - ferry.opens) % ferry.headway
    missed = 0 if time <= first_today else (time - first_today + ferry.headway - 1) // ferry.headway
    sails = first_today + missed * ferry.headway
    return sails if sails <= ferry.closes else None


def _task_number(problem: Problem, kind: StepKind, index: int | None, identifier: int | None) -> int | None:
    """The number of the task that a step names, None when place and id do not name one."""
    if kind not in _VISITS or index is None or index < 0:
        return None
    jobs, shipments = len(problem.jobs), len(problem.shipments)
    places = {
        StepKind.JOB: (index, jobs),
        StepKind.PICKUP: (jobs + 2 * index, shipments),
        StepKind.DELIVERY: (jobs + 2 * index + 1, shipments),
        StepKind.RELOAD: (jobs + 2 * shipments + index, len(problem.reloads)),
    }
    number, many = places[kind]
    if index >= many:
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

    def _says(self, code: str, sentence: str, step: Step | None = None, seconds: int | None = None) -> Violation:
        place = None if step is None else next(at for at, other in enumerate(self.route.steps) if other is step)
        return Violation(
            code=code, sentence=sentence, vehicle=self.vehicle.id, task=None if step is None else step.id,
            step=place, seconds=seconds,
        )  # fmt: skip

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
        if all(task.kind is TaskKind.RELOAD for _, task in known):
            yield self._says("order", "the route visits nobody")
        yield from self._places(known)
        yield from self._hours(known)
        yield from self._clock(known)
        yield from self._breaks()
        yield from self._loads(known)
        yield from self._trips(known)
        yield from self._rights(known)
        yield from self._pairs()
        yield from self._locks([task for _, task in known])
        yield from self._limits_and_cost(known)

    def _paced(self, seconds: int) -> int:
        return seconds if self.vehicle.speed_factor == 1 else int(seconds / self.vehicle.speed_factor + 0.5)

    def _over_water(self, origin: int | None, to: int | None) -> tuple[Crossing, int, int] | None:
        """The ferry on the way, the seconds to its landing, and from its departure to the door; None without one."""
        water = self.matrix.crossings
        if water is None or origin is None or to is None or water.crossing[origin, to] < 0:
            return None
        ferry = water.ferries[water.crossing[origin, to]]
        landing = int(water.to_landing[origin, to])
        rest = self.matrix.pair(origin, to)[0] - landing - ferry.headway // 2 - ferry.ride
        return ferry, self._paced(landing), ferry.ride + self._paced(rest)

    def _seconds(self, origin: int | None, to: int | None) -> int:
        """Travel as it is priced and limited: what is to be expected where there is a ferry."""
        if origin is None or to is None:
            return 0
        given = self.matrix.pair(origin, to)[0]
        if given == UNREACHABLE:
            return given
        by_ferry = self._over_water(origin, to)
        if by_ferry is not None:
            ferry, landing, onward = by_ferry
            return landing + ferry.headway // 2 + onward
        return self._paced(given)

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
            yield self._says(
                "lead_time", f"leaves at {start.arrival}, the shift begins at {opens}", start, opens - start.arrival
            )
        # A day of nothing but facts ends when it ends.
        if closes is not None and end.arrival > closes and not all(facts):
            yield self._says("delay", f"ends at {end.arrival}, the shift ends at {closes}", end, end.arrival - closes)
        if start.setup or start.service or start.waiting or end.setup or end.service:
            yield self._says("timing", "start and end take no time", start)

    def _clock(self, known: Sequence[tuple[Step, Task]]) -> Iterator[Violation]:
        tasks = {id(step): task for step, task in known}
        steps = self.route.steps
        place, now, travelled = self.vehicle.start, steps[0].leaves, 0
        rests: list[Step] = []
        for previous, step in pairwise(steps):
            task = tasks.get(id(step))
            happened_at = None if task is None else task.happened_at
            if step.waiting < 0 or step.arrival < 0:
                yield self._says("timing", f"arrives at {step.arrival} and waits {step.waiting}", step)
            if happened_at is None and step.arrival < previous.leaves:
                sentence = f"arrives at {step.arrival}, before {previous.leaves} when the step before is over"
                yield self._says("timing", sentence, step)
            if step.kind is StepKind.BREAK:
                rests.append(step)
                continue
            to = step.location_index if task is None else task.location_index
            travel = self._seconds(place, to)
            if travel == UNREACHABLE:
                yield self._says("unreachable", f"no way leads from location {place} to {to}", step)
                travel = 0
            yield from self._way(place, to, [*rests, step], now, travelled, travel, is_fact=happened_at is not None)
            if happened_at is not None:
                yield from self._fact(step, happened_at, left_office=steps[0].arrival)
            if task is not None:
                yield from self._visit(step, task, comes_from=place)
            travelled += travel
            if step.duration != travelled:
                yield self._says("timing", f"{travelled} s of travel so far, the plan says {step.duration}", step)
            place, now, rests = to, step.leaves, []

    def _way(
        self, place: int | None, to: int | None, steps: Sequence[Step], now: int, travelled: int, travel: int,
        *, is_fact: bool,
    ) -> Iterator[Violation]:  # fmt: skip
        """The breaks of one leg and the door it leads to: each is reached when what lies before it is over."""
        by_ferry = self._over_water(place, to)
        done = waited = 0
        for step in steps:
            is_door = step is steps[-1]
            if is_door and is_fact:
                if step.landing_wait:
                    yield self._says("timing", "nobody knows how long it waited for the ferry", step)
                return
            on_the_way = travel if is_door else step.duration - travelled
            if not done <= on_the_way <= travel or (by_ferry is not None and on_the_way not in (0, travel)):
                yield self._says("timing", f"{step.duration} s of travel by the break cannot be", step)
                on_the_way = done
            if by_ferry is not None and done < on_the_way:
                ferry, landing, onward = by_ferry
                sails = _next_sailing(ferry, now + landing)
                if sails is None:
                    yield self._says("delay", f"no ferry leaves at {now + landing} or later", step)
                    sails = now + landing
                waited, expected = sails - now - landing, sails + onward
            else:
                expected = now + on_the_way - done
            if step.arrival != expected:
                yield self._says("timing", f"arrives at {step.arrival}, it would be {expected}", step)
            if is_door and step.landing_wait != waited:
                yield self._says("timing", f"waits {waited} s for the ferry, the plan says {step.landing_wait}", step)
            done, now = on_the_way, step.leaves

    def _fact(self, step: Step, happened_at: int, *, left_office: int) -> Iterator[Violation]:
        if step.begins != happened_at or step.waiting:
            yield self._says("lock", f"it happened at {happened_at}, not at {step.begins}", step)
        if left_office > happened_at:
            yield self._says("timing", f"leaves at {left_office} for a visit at {happened_at}", step)

    def _visit(self, step: Step, task: Task, *, comes_from: int | None) -> Iterator[Violation]:
        setup = 0 if comes_from == task.location_index else task.setup
        if (step.setup, step.service) != (setup, task.service):
            sentence = f"expected {setup} s of set-up and {task.service} s of service"
            yield self._says("timing", sentence, step)
        if task.happened_at is not None:
            return
        _, closes = self.vehicle.time_window or (0, None)
        if closes is not None and step.leaves > closes:
            yield self._says(
                "delay", f"is over at {step.leaves}, the shift ends at {closes}", step, step.leaves - closes
            )
        if not task.time_windows or any(a <= step.begins <= b for a, b in task.time_windows):
            return
        if step.begins > max(b for _, b in task.time_windows):
            closed = max(b for _, b in task.time_windows)
            sentence = f"begins at {step.begins}, its last window closes at {closed}"
            yield self._says("delay", sentence, step, step.begins - closed)
        else:
            coming = min(a for a, _ in task.time_windows if a > step.begins)
            yield self._says(
                "lead_time", f"begins at {step.begins}, the next window opens at {coming}", step, coming - step.begins
            )

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
                sentence = f"rests at {step.begins}, the shift begins at {opens}"
                yield self._says("lead_time", sentence, step, opens - step.begins)
            if rest.time_windows and not any(a <= step.begins <= b for a, b in rest.time_windows):
                late = step.begins - max(b for _, b in rest.time_windows)
                early = min((a for a, _ in rest.time_windows if a > step.begins), default=0) - step.begins
                sentence = f"rests at {step.begins}, outside {list(rest.time_windows)}"
                yield self._says("delay" if late > 0 else "lead_time", sentence, step, late if late > 0 else early)
            if rest.max_load is not None and any(on > most for on, most in zip(step.load, rest.max_load, strict=True)):
                yield self._says("max_load", f"rests with load {step.load}, at most {rest.max_load} is allowed", step)

    def _loads(self, known: Sequence[tuple[Step, Task]]) -> Iterator[Violation]:
        """On board is what is still to be brought on this trip, what was fetched since it last came off, and what rides."""
        tasks = [task for _, task in known]
        after = {id(step): at + 1 for at, (step, _) in enumerate(known)}
        on_board = [self._on_board(tasks, dimension) for dimension in range(self.problem.dimensions)]
        at = 0
        for step in self.route.steps:
            at = after.get(id(step), at)
            load = tuple(amounts[at] for amounts in on_board)
            if load != step.load:
                yield self._says("load", f"carries {load}, the plan says {step.load}", step)
            for dimension, on in enumerate(load):
                if not 0 <= on <= self.vehicle.capacity[dimension]:
                    name, most = self.problem.dimension_name(dimension), self.vehicle.capacity[dimension]
                    yield self._says("load", f"carries {on} of {name}, at most {most} is allowed", step)

    @staticmethod
    def _on_board(tasks: Sequence[Task], dimension: int) -> list[int]:
        """What is carried after each number of visits."""
        jobs = [task if task.kind is TaskKind.JOB else None for task in tasks]
        brought = [0, *accumulate(0 if job is None else job.delivery[dimension] for job in jobs)]
        fetched = [0, *accumulate(0 if job is None else job.pickup[dimension] for job in jobs)]
        rides = [0, *accumulate(0 if t.partner is None else t.pickup[dimension] - t.delivery[dimension] for t in tasks)]
        trip_ends = [at + 1 for at, task in enumerate(tasks) if task.loads] + [len(tasks)]
        emptied = [0] + [at + 1 for at, task in enumerate(tasks) if dimension in task.empties]
        carried = []
        for at in range(len(tasks) + 1):
            end = next(end for end in trip_ends if end > at or end == len(tasks))
            came_off = max(place for place in emptied if place <= at)
            carried.append(brought[end] - brought[at] + fetched[at] - fetched[came_off] + rides[at])
        return carried

    def _trips(self, known: Sequence[tuple[Step, Task]]) -> Iterator[Violation]:
        """Reloads may be used, and every trip leaves when all it carries is there."""
        left, uses = self.route.steps[0].leaves, 0
        for step, task in known:
            if task.kind is TaskKind.RELOAD:
                uses += 1
                left = step.leaves if task.loads else left
                if task.id not in self.vehicle.reloads:
                    yield self._says("reload", f"may not use reload {task.id}", step)
            elif task.release > left and task.happened_at is None:
                yield self._says("release", f"is not there before {task.release}, its trip left at {left}", step)
        if self.vehicle.max_reloads is not None and uses > self.vehicle.max_reloads:
            yield self._says("reload", f"reloads {uses} times, at most {self.vehicle.max_reloads} is allowed")

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
        distance = sum(self.matrix.pair(a, b)[1] for a, b in legs)
        if self.route.steps[-1].distance != distance:
            yield self._says("timing", f"{distance} m in all, the plan says {self.route.steps[-1].distance}")
        duration = self.route.steps[-1].arrival - self.route.steps[0].arrival
        # A day of nothing but facts is as long as it is.
        planned = 0 if all(task.happened_at is not None for _, task in known) else duration
        most_overtime = self.vehicle.max_overtime if self.vehicle.overtime_after is not None else None
        limits = (
            ("max_tasks", sum(task.kind is not TaskKind.RELOAD for _, task in known), self.vehicle.max_tasks),
            ("max_travel_time", travel, self.vehicle.max_travel_time),
            ("max_distance", distance, self.vehicle.max_distance),
            ("max_duration", planned, self.vehicle.max_duration),
            ("max_duration", planned - (self.vehicle.overtime_after or 0), most_overtime),
        )
        for code, used, most in limits:
            if most is not None and used > most:
                yield self._says(code, f"{used}, at most {most} is allowed")
        costs = self.vehicle.costs
        work = sum(
            task.service + (0 if came == task.location_index else task.setup)
            for came, (_, task) in zip(places, known, strict=False)
        )
        expected = CostLines(
            fixed=costs.fixed,
            travel_time=(
                sum(self.matrix.price(a, b) for a, b in legs)
                if self.matrix.has_cost
                else _rounded(travel * costs.per_hour, 3600)
            ),
            distance=0 if self.matrix.has_cost else _rounded(distance * costs.per_km, 1000),
            tasks=_rounded(work * costs.per_task_hour, 3600),
            preference=sum(
                task.preference_cost
                for _, task in known
                if task.preferred_vehicles and self.vehicle.id not in task.preferred_vehicles
            ),
            lateness=sum(self._price_of_time(step, task) for step, task in known),
            overtime=_beyond(duration, self.vehicle.overtime_after, costs.per_overtime_hour),
            balance=_beyond(duration, self.vehicle.target_duration, costs.per_hour_over_target),
        )
        if expected != self.route.cost_lines:
            yield self._says("cost", f"costs {expected}, the plan says {self.route.cost_lines}")

    def _price_of_time(self, step: Step, task: Task) -> int:
        """What it costs to begin when the plan says, rounded once."""
        opens, closes = task.soft_window or (step.begins, step.begins)
        shift_opens = 0 if self.vehicle.time_window is None else self.vehicle.time_window[0]
        rates = (task.early_cost_per_hour, task.late_cost_per_hour, task.retry_value_per_hour)
        seconds = (opens - step.begins, step.begins - closes, step.begins - shift_opens)
        return _rounded(sum(rate * much for rate, much in zip(rates, seconds, strict=True) if much > 0), 3600)
