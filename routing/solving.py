"""`solve`: engines in child processes, one hard deadline, and nothing leaves without the checker's word."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from routing.alike import Fleet, fleet_of
from routing.bounding import lower_bound
from routing.checking import CheckFailed, check, summary_of
from routing.children import Child, Order, listen, warm_up
from routing.engines import ENGINES
from routing.engines.both import Both
from routing.engines.orders import Ordered
from routing.engines.pyvrp import PARTS_FROM, PyVrp
from routing.engines.unsaid import unsaid
from routing.insertion import Insertion
from routing.polishing import polished
from routing.problem import InvalidProblem, Lock, NotSupported, Problem, TaskKind, Visits, frozen_visits
from routing.reasons import Patience, unassigned
from routing.refusals import Refusals
from routing.solution import CostLines, ReasonCode, Solution, StepKind, Summary, Unassigned
from routing.timetable import Timetable

log = logging.getLogger(__name__)

AUTO: Final = "auto"

# What comes after the search: bringing the last plans in, completing, timing, checking and explaining the best one.
_END_OF_SMALL: Final = 0.05
_JUDGING_PER_STOP: Final = 0.00006
_COUNTING: Final = 0.3  # of judging a stop, whether it is served or not
_USUAL_CROWD: Final = 1.4
_MOST_CROWDED: Final = 8.0
_MOMENT: Final = 0.01  # seconds of work that say how crowded the machine is
_TRIED: Final = 40  # vehicles that are tried for a left-out task although one has room already
_LOOKED_AT: Final = 8  # visits of a route that say how near it comes
_SLACK: Final = 0.1
_MOST_OF_THE_TIME: Final = 0.4
_ENDS_IN_JUDGEMENTS: Final = 1.2  # as many times as it takes to judge one plan
_EXPLAINING: Final = 0.03  # share of the time, where something is left out
_LONGEST_EXPLANATION: Final = 1.0
_TRIED_WHATEVER: Final = 1_000  # stops of routes in which left-out tasks are tried when the time is up: some 20 ms
_SHARE_OF_JUDGING: Final = 0.03
_TICK: Final = 0.25
_RESTARTS: Final = 2
# Orders are proven in what the search can spare: its own are nearly always the best.
_PROVEN_UP_TO: Final = 600
_SHARE_OF_PROVING: Final = 0.03
_LONGEST_PROVING: Final = 1.0
_USUAL_PROVING: Final = 0.2
_LEAST_PROVING: Final = 0.03
_LEAST_FOR_A_BOUND: Final = 1.9
_SHARE_OF_MEMORY: Final = 0.8
_LEAST_MEMORY: Final = 2**29


class EngineFailed(RuntimeError):
    """Every child of the search ended without a plan; the message holds what they said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the search is: the best cost so far, what no plan that serves every compulsory stop costs less than, the
    seconds since the call, how many better plans were found, and `plan`, which works out the best of them when it is asked.

    `bound` is None while the best plan leaves a compulsory stop out, and where nobody knows (`routing.bounding`): for
    more than 500 stops, and searches of less than two seconds.
    """  # noqa: D205

    cost: int
    bound: int | None
    seconds: float
    plans: int
    plan: Callable[[], Solution] = field(compare=False, repr=False)


def solve(
    problem: Problem,
    *,
    seconds: float,
    seed: int = 0,
    processes: int = 1,
    start: Solution | None = None,
    on_best: Callable[[Solution], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    enough: Callable[[], bool] | None = None,
    engine: str = AUTO,
) -> Solution:
    """The best plan found in `seconds` of wall time, counted from the call.

    The engine runs in `processes` child processes (with seeds from `seed` on) that tell each other what they find and
    are killed at the deadline; the best plan so far is then returned. A child that crashes, hangs or runs out of memory
    costs its own work only. `start` is a plan to improve: stops it misses or can no longer keep are planned anew.
    `on_best` hears every better plan as it is found, the first within a fraction of a second where stops are some
    hundred; `on_progress` hears of it and, in between, of the time that passes; when `enough` says so, the search ends early
    with what it has. All are called by this thread.

    `engine` is "auto", "pyvrp" (refuses what PyVRP has no words for), "ortools" or "both" (PyVRP, then OR-Tools). "auto"
    takes PyVRP where it can say everything, and both where it cannot.

    Searches of few stops end early. Up to 20 stops the same seed gives the same plan with one process, unless the time is
    up before. Everything larger depends on how many steps the machine makes in the time, and with several processes on
    when their messages arrive.

    Raises `InvalidProblem` for an unknown engine and when the frozen part of the problem cannot be, `NotSupported` when
    the engine cannot express the problem, `EngineFailed` when no child gave an answer, `CheckFailed` (a bug) when a plan
    breaks a rule.
    """
    called = time.monotonic()
    if engine != AUTO and engine not in ENGINES:
        raise InvalidProblem("engine", "engine", engine, f"expected one of {[AUTO, *ENGINES]}")
    if not 0 < seconds < float("inf"):
        raise InvalidProblem("range", "seconds", seconds, "expected more than 0 seconds")
    if processes < 1:
        raise InvalidProblem("range", "processes", processes, "expected at least one process")
    warm_up()
    chosen = _chosen(problem) if engine == AUTO else engine
    if why := ENGINES[chosen]().supports(problem):
        raise NotSupported("not_supported", "engine", engine, "; ".join(why))
    search = _Search(
        problem,
        chosen,
        on_best,
        on_progress,
        processes=processes,
        called=called,
        deadline=called + seconds,
        enough=enough,
    )
    known = _start(problem, search.timetable, start)
    if known is not None:
        search.offer(known)
    if problem.stops:
        search.run(seed, known)
    return search.finish()


def _chosen(problem: Problem) -> str:
    """The engine for this problem."""
    return Both.name if unsaid(problem) else PyVrp.name


class _Search:
    """The best plan so far, and the children that look for a better one."""

    def __init__(
        self,
        problem: Problem,
        engine: str,
        on_best: Callable[[Solution], None] | None,
        on_progress: Callable[[Progress], None] | None,
        *,
        processes: int,
        called: float,
        deadline: float,
        enough: Callable[[], bool] | None = None,
    ) -> None:
        self.enough = enough
        self.problem = problem
        self.engine = engine
        self.on_best = on_best
        self.on_progress = on_progress
        self.called = called
        self.deadline = deadline
        self.timetable = Timetable(problem)
        self.best: Visits = _frozen_only(problem, self.timetable)
        self.rank = _rank(problem, self.timetable, self.best)
        self.solution: Solution | None = None  # the best, where it has been judged already
        self.found = False
        self.due = sum(task.prize is None for task in problem.tasks[: problem.stops])
        self.bound: int | None = None
        self.plans = 0
        self.judging = 0.0  # seconds that judging a plan takes, for each of its stops
        self.crowd = _USUAL_CROWD  # seconds that pass during a second of work
        self.processes = processes
        total = deadline - called
        self.proving = 0.0
        if problem.stops <= _PROVEN_UP_TO:
            self.proving = min(_LONGEST_PROVING, max(_SHARE_OF_PROVING * total, min(_USUAL_PROVING, 0.08 * total)))

    def offer(self, visits: Visits) -> None:
        """Take the plan if it is better than the best so far. It must be valid: engines give no others."""
        rank = _rank(self.problem, self.timetable, visits)
        if self.found and rank <= self.rank:
            return
        # Whoever does not listen needs no more than the order of visits; what is returned is judged in the end.
        self.solution = None
        if self.on_best is not None or not self.found:
            began, worked = time.monotonic(), time.thread_time()
            self.solution = solution = self.judged(visits)
            # The children that search beside it will be gone when the last plan is judged.
            took = min(time.monotonic() - began, self.crowd * (time.thread_time() - worked))
            self.judging = min(self.judging or float("inf"), took / self.weight(visits))
            if self.on_best is not None:
                self.on_best(solution)
        self.found, self.best, self.rank = True, visits, rank
        self.plans += 1
        self.report()

    def judged(self, visits: Visits, left_out: Sequence[Unassigned] | None = None) -> Solution:
        """The plan with its times, when the checker agrees."""
        solution = assemble(self.problem, self.timetable, visits, engine=self.engine, left_out=left_out)
        if violations := check(self.problem, solution):
            raise CheckFailed(violations)
        return solution

    def report(self) -> None:
        """Say how far the search is."""
        if self.on_progress is not None and self.found:
            passed = time.monotonic() - self.called
            bound = self.bound if self.rank[2] == self.due else None
            best, known = self.best, self.solution
            self.on_progress(
                Progress(
                    cost=-self.rank[-1],
                    bound=bound,
                    seconds=passed,
                    plans=self.plans,
                    plan=lambda: known or self.judged(best),
                )
            )

    def run(self, seed: int, known: Visits | None) -> None:
        """Search in children until it is time to end."""
        began, worked = time.monotonic(), time.thread_time()
        body = pickle.dumps(self.problem)
        if (worked := time.thread_time() - worked) > _MOMENT:
            self.crowd = min(max((time.monotonic() - began) / worked, 1.0), _MOST_CROWDED)
        stop = self.deadline - self.end()
        # A handful of stops is searched through long before the time is up.
        enough = 0.2 + 0.02 * self.problem.stops**2
        memory = _free_memory() // self.processes
        # Of a large day one child sees to all parts, and has them searched by children of its own.
        alone = self.engine == PyVrp.name and self.problem.stops >= PARTS_FROM
        seats = [
            _Seat(
                Order(
                    engine=self.engine, until=stop, seconds=enough, seed=seed + number, start=known, number=number,
                    size=self.processes, memory=memory,
                ),
                body,
            )
            for number in range(1 if alone else self.processes)
        ]  # fmt: skip
        if self.on_progress is not None and self.deadline - time.monotonic() > _LEAST_FOR_A_BOUND:
            self.bound = lower_bound(self.problem)  # the children search meanwhile
        failures: list[str] = []
        quiet_until = 0.0
        lost = False
        try:
            while (now := time.monotonic()) < stop and any(not seat.child.ended for seat in seats):
                if now >= quiet_until and self.bring_in(seats):
                    took = time.monotonic() - now
                    quiet_until = now + took + took / _SHARE_OF_JUDGING
                    stop = self.deadline - self.end()
                patience = quiet_until if any(seat.waiting for seat in seats) else now + _TICK
                self.hear(seats, failures, until=min(stop, now + _TICK, patience))
                self.report()
                if self.found and self.enough is not None and self.enough():
                    # What comes after the search gets the time that it would have had in the end.
                    self.deadline = min(self.deadline, time.monotonic() + self.end())
                    break
            lost = all(seat.child.ended for seat in seats)
        finally:
            for seat in seats:
                seat.child.kill()
        self.bring_in([seat for seat in seats if seat.waiting and self.affords(seat.waiting)])
        if failures and lost and not self.found:
            raise EngineFailed("\n".join(failures))

    def hear(self, seats: list[_Seat], failures: list[str], *, until: float) -> None:
        """Take what the children say, and pass on what they say to each other."""
        of = {seat.child: seat for seat in seats}
        for child, (kind, content) in listen(list(of), until=until):
            if kind == "best":
                of[child].waiting = content  # only the last of several is worth a look
            elif kind == "post":
                for other in of:
                    if other is not child:
                        other.write(content)
            elif kind == "failed":
                failures.append(content)
                log.warning("an engine's process failed: %s", content)
                of[child].restart(self.best if self.found else None)

    def bring_in(self, seats: list[_Seat]) -> bool:
        """Judge the plans that wait; whether there were any."""
        waiting = [seat.waiting for seat in seats if seat.waiting is not None]
        for seat in seats:
            seat.waiting = None
        for visits in waiting:
            self.offer(visits)
        return bool(waiting)

    def affords(self, visits: Visits) -> bool:
        """Whether there is time left for judging the plan."""
        return time.monotonic() + self.needed(visits) < self.deadline + _SLACK

    def weight(self, visits: Visits) -> float:
        """How much work judging the plan is, in stops; what is left out has to be counted too."""
        return sum(len(route) for route in visits) + _COUNTING * self.problem.stops

    @property
    def pace(self) -> float:
        """Seconds that judging takes for each unit of weight."""
        return self.judging or self.crowd * _JUDGING_PER_STOP

    def needed(self, visits: Visits) -> float:
        """Seconds that judging the plan will take."""
        return self.pace * self.weight(visits)

    def end(self) -> float:
        """Seconds to keep for what comes after the search."""
        left = self.deadline - self.called
        whole = (1 + _COUNTING) * self.problem.stops
        needed = _END_OF_SMALL + _ENDS_IN_JUDGEMENTS * self.pace * whole + self.proving
        served = {number for route in self.best for number in route if number < self.problem.stops}
        if self.found and len(served) < self.problem.stops:
            needed += min(_LONGEST_EXPLANATION, _EXPLAINING * left)
        return min(needed, _MOST_OF_THE_TIME * left)

    def finish(self) -> Solution:
        """The best plan, completed, polished and explained in what time is left, and checked whatever it takes."""
        insertion = Insertion(self.problem, self.timetable)
        keep = 1.2 * self.needed(self.best)
        left = self.deadline - keep - time.monotonic()
        visits = _completed(self.problem, insertion, self.best, self.deadline - keep - 0.6 * left)
        visits = polished(
            self.problem, insertion, visits, lambda plan: _rank(self.problem, self.timetable, plan),
            self.deadline - keep - 0.4 * left,
        )  # fmt: skip
        visits, proofs = self.proven(visits, until=self.deadline - keep - 0.3 * left)
        explained = self.explained(insertion, visits, until=self.deadline - keep)
        if self.solution is not None and visits == self.best:
            solution = replace(self.solution, unassigned=tuple(explained), proofs=proofs)
        else:
            solution = replace(self.judged(visits, explained), proofs=proofs)
        if self.on_best is not None and (not self.found or visits != self.best):
            self.on_best(solution)
        return solution

    def proven(self, visits: Visits, *, until: float) -> tuple[Visits, float | None]:
        """The plan with each route in its cheapest order, and the share of routes for which that is proven."""
        used = [index for index, route in enumerate(visits) if route]
        until = min(until, time.monotonic() + _LONGEST_PROVING)
        if not used or not self.proving or until - time.monotonic() < _LEAST_PROVING:
            return visits, None
        size = min(self.processes, len(used))
        body, memory = pickle.dumps(self.problem), _free_memory() // size
        hands = [
            Child(
                pickle.dumps(
                    (
                        Order(
                            engine="orders", until=until, seconds=_LONGEST_PROVING, seed=0, start=visits, number=number,
                            size=size, memory=memory,
                        ),
                        body,
                    )
                )
            )
            for number in range(size)
        ]  # fmt: skip
        routes, proofs = list(visits), 0
        try:
            while time.monotonic() < until and any(not hand.ended for hand in hands):
                for _, (kind, content) in listen(hands, until=until):
                    if kind == "failed":
                        log.warning("a proof's process failed: %s", content)
                    elif kind == "post":
                        found: Ordered = pickle.loads(content)  # noqa: S301 - our own child
                        routes[found.vehicle_index] = found.visits
                        proofs += found.proven
        finally:
            for hand in hands:
                hand.kill()
        return tuple(routes), proofs / len(used)

    def explained(self, insertion: Insertion, visits: Visits, *, until: float) -> list[Unassigned]:
        """What the plan leaves out, with the reasons as far as there is time to find them."""
        left_out = _left_out(self.problem, visits)
        if not left_out:
            return []
        fleet = fleet_of(self.problem, tasks=left_out, vehicles=range(len(visits)))
        vehicles = fleet.without_twins(visits)
        patience = Patience(until, least=_TRIED_WHATEVER)
        refusals: Refusals | None = None
        found = []
        for number in left_out:
            asked: Sequence[int] = vehicles
            if patience.ended:
                refusals = refusals or Refusals(self.problem, visits, tasks=left_out, vehicles=vehicles)
                nearest = refusals.nearest(number)
                asked = () if nearest is None else (nearest,)
            if asked:
                reasons = unassigned(self.problem, insertion, visits, number, patience=patience, vehicles=asked)
            else:
                sentence = "The time for planning ran out before the reasons were looked for."
                reasons = replace(_unexplained(self.problem, number), code=ReasonCode.SHIFT, sentence=sentence)
            found.append(reasons)
        return found


class _Seat:
    """One place among the children; a child that fails is followed by another, which begins from the best plan."""

    def __init__(self, order: Order, problem: bytes) -> None:
        self._order = order
        self._problem = problem
        self._restarts = _RESTARTS
        self.waiting: Visits | None = None
        self.child = self._begun()

    def _begun(self) -> Child:
        return Child(pickle.dumps((self._order, self._problem)))

    def restart(self, best: Visits | None) -> None:
        """Put another child in the place of the one that failed; what raised without a plan would raise again."""
        worth = best is not None or self.child.died
        if self._restarts and worth and time.monotonic() < self._order.until:
            self._restarts -= 1
            start = self._order.start if best is None else best
            self._order = replace(self._order, start=start, seed=self._order.seed + self._order.size)
            self.child.kill()
            self.child = self._begun()


def _free_memory() -> int:
    """Bytes that all children together may take."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 2**63 - 1
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    return max(int(_SHARE_OF_MEMORY * available), _LEAST_MEMORY)


def _rank(problem: Problem, timetable: Timetable, visits: Visits) -> tuple[int, int, int, int]:
    """More is better: kept promises, then priorities served, then the number of visits, then low cost.

    Optional tasks count by their prizes alone, which are part of the cost.
    """
    tasks = [problem.tasks[number] for route in visits for number in route if number < problem.stops]
    cost = timetable.plan_cost(visits)
    if cost is None:
        raise CheckFailed.because("timing", "a plan whose prices were asked has no schedule")
    locked = sum(task.lock is not Lock.FREE for task in tasks)
    due = [task for task in tasks if task.prize is None]
    return locked, sum(task.priority for task in due if task.kind is not TaskKind.DELIVERY), len(due), -cost


def _frozen_only(problem: Problem, timetable: Timetable) -> Visits:
    """The plan in which only what is frozen is visited; it must be possible."""
    visits = frozen_visits(problem)
    insertion = Insertion(problem, timetable)
    for index, route in enumerate(visits):
        if route and not insertion.fits(index, route):
            sentence = "its frozen jobs break its windows, shift, breaks, capacity or limits"
            raise InvalidProblem("lock", f"vehicles[{index}]", problem.vehicles[index].id, sentence)
    return visits


def _start(problem: Problem, timetable: Timetable, start: Solution | None) -> Visits | None:
    """The given plan (or the vehicles' own steps) with everything taken out that no longer holds."""
    if start is not None:
        wanted = visits_of(problem, start)
    elif any(vehicle.steps for vehicle in problem.vehicles):
        wanted = _visits_of_steps(problem)
    else:
        return None
    insertion = Insertion(problem, timetable)
    routes: list[tuple[int, ...]] = list(_frozen_only(problem, timetable))
    placed = {number for route in routes for number in route}
    for index, route in enumerate(wanted):
        for number in route:
            task = problem.tasks[number]
            if number in placed or not problem.may_serve(problem.vehicles[index], task):
                continue
            if task.partner is not None:
                if task.kind is TaskKind.DELIVERY or task.partner not in route:
                    continue
                grown = insertion.cheapest(index, routes[index], number)
                new = None if grown is None else grown[1]
            else:
                new = _appended(problem, insertion, index, routes[index], number)
            if new is not None:
                routes[index] = new
                placed.update(new)
    return tuple(routes)


def _appended(
    problem: Problem, insertion: Insertion, index: int, route: tuple[int, ...], number: int
) -> tuple[int, ...] | None:
    """The route with the job at its end if that works, else at its cheapest place."""
    task = problem.tasks[number]
    new = (*route, number)
    ranks = [problem.tasks[n].rank for n in route]
    in_order = task.rank is None or all(rank is None or rank < task.rank for rank in ranks)
    if in_order and insertion.fits(index, new):
        return new
    found = insertion.cheapest(index, route, number)
    return None if found is None else found[1]


def _visits_of_steps(problem: Problem) -> Visits:
    numbers = {(task.kind.value, task.id): number for number, task in enumerate(problem.tasks)}
    return tuple(
        tuple(numbers[step.kind, step.id] for step in vehicle.steps if (step.kind, step.id) in numbers)
        for vehicle in problem.vehicles
    )


def visits_of(
    problem: Problem, solution: Solution, *, leave_out: frozenset[tuple[StepKind, int]] = frozenset()
) -> Visits:
    """The solution's visits as task numbers of the problem, found by their ids; unknown vehicles and ids are skipped."""
    numbers = {(task.kind.value, task.id): number for number, task in enumerate(problem.tasks)}
    routes = {route.vehicle: route for route in solution.routes}
    return tuple(
        tuple(
            numbers[step.kind.value, step.id]
            for step in (routes[vehicle.id].calls if vehicle.id in routes else ())
            if step.id is not None and (step.kind.value, step.id) in numbers and (step.kind, step.id) not in leave_out
        )
        for vehicle in problem.vehicles
    )


def _left_out(problem: Problem, visits: Visits) -> list[int]:
    served = {number for route in visits for number in route}
    return [number for number in range(problem.stops) if number not in served]


def _completed(problem: Problem, insertion: Insertion, visits: Visits, until: float) -> Visits:
    """The plan with every left-out task put where it fits, most urgent first: nothing is left out that had room.

    After `until` a few are still tried: a small day is served however busy the machine is.
    """
    routes = list(visits)
    waiting = [n for n in _left_out(problem, visits) if problem.tasks[n].kind is not TaskKind.DELIVERY]
    if not waiting:
        return visits
    fleet = fleet_of(problem, tasks=waiting, vehicles=range(len(routes)))
    waiting.sort(key=lambda n: (problem.tasks[n].lock is Lock.FREE, -problem.tasks[n].priority, n))
    patience = Patience(until, least=_TRIED_WHATEVER)
    for number in waiting:
        places: list[tuple[int, int, tuple[int, ...]]] = []
        for tried, index in enumerate(_nearest_first(problem, insertion.timetable, number, fleet, routes)):
            if patience.ended:
                return tuple(routes)
            patience.spend(len(routes[index]))
            if places and tried >= _TRIED:
                break
            if (found := insertion.cheapest(index, routes[index], number)) is not None:
                places.append((found[0], index, found[1]))
        prize = problem.tasks[number].prize
        if places and (prize is None or min(places)[0] < prize):
            _, index, new = min(places)
            routes[index] = new
    return tuple(routes)


def _nearest_first(
    problem: Problem, timetable: Timetable, number: int, fleet: Fleet, routes: Sequence[tuple[int, ...]]
) -> list[int]:
    """The vehicles worth looking at for a task; of many, those first that come near it."""
    indices = fleet.without_twins(tuple(routes))
    if len(indices) <= _TRIED:
        return indices
    place = problem.tasks[number].location_index

    def apart(index: int) -> int:
        vehicle, route = problem.vehicles[index], routes[index]
        from_here = timetable.seconds(vehicle)[place]
        places = [problem.tasks[visit].location_index for visit in route[:: max(1, len(route) // _LOOKED_AT)]]
        home = vehicle.end if vehicle.start is None else vehicle.start
        return min(from_here[to] for to in [*places, *([] if home is None or places else [home])])

    return sorted(indices, key=apart)


def _unexplained(problem: Problem, number: int) -> Unassigned:
    task = problem.tasks[number]
    return Unassigned(
        kind=StepKind(task.kind.value), id=task.id, index=task.index, location_index=task.location_index, code=None,
        sentence="", description=task.description,
    )  # fmt: skip


def assemble(
    problem: Problem,
    timetable: Timetable,
    visits: Visits,
    *,
    engine: str = "",
    left_out: Sequence[Unassigned] | None = None,
) -> Solution:
    """The solution with exact times for these visits; raises `CheckFailed` when a route has no schedule."""
    routes = []
    for index, route in enumerate(visits):
        if not route:
            continue
        timed = timetable.route(index, route)
        if timed is None:
            raise CheckFailed.because("timing", f"the visits of vehicle {problem.vehicles[index].id} have no schedule")
        routes.append(timed)
    if left_out is None:
        left_out = [_unexplained(problem, number) for number in _left_out(problem, visits)]
    nothing = Summary(
        cost=0, routes=0, unassigned=0, setup=0, service=0, duration=0, waiting=0, distance=0, priority=0,
        delivery=(), pickup=(),
    )  # fmt: skip
    draft = Solution(
        routes=tuple(routes), unassigned=tuple(left_out), summary=nothing, travel=problem.travel, engine=engine,
        cost_lines=sum((route.cost_lines for route in routes), CostLines(prizes=timetable.prizes(visits))),
    )  # fmt: skip
    return replace(draft, summary=summary_of(problem, draft))
