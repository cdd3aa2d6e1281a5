"""`solve`: an engine in a child process, one hard deadline, and nothing leaves without the checker's word."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from routing.checking import CheckFailed, check, summary_of
from routing.children import Child, listen, warm_up
from routing.engines import ENGINES
from routing.insertion import Insertion
from routing.polishing import polished
from routing.problem import InvalidProblem, Lock, NotSupported, Problem, TaskKind, Visits, frozen_visits
from routing.reasons import unassigned
from routing.solution import CostLines, Solution, StepKind, Summary, Unassigned
from routing.timetable import Timetable

log = logging.getLogger(__name__)

_SHARE_OF_THE_END = 0.08
_LONGEST_END = 1.5


class EngineFailed(RuntimeError):
    """Every child of the search ended without a plan; the message holds what they said."""


def solve(
    problem: Problem,
    *,
    seconds: float,
    seed: int = 0,
    processes: int = 1,
    start: Solution | None = None,
    on_best: Callable[[Solution], None] | None = None,
    engine: str = "ortools",
) -> Solution:
    """The best plan found in `seconds` of wall time, counted from the call.

    The engine runs in `processes` child processes (with seeds from `seed` on), which are killed at the deadline; the
    best plan so far is then returned. `start` is a plan to improve: stops it misses or can no longer keep are planned
    anew. `on_best` hears every better plan as it is found, the first within a fraction of a second. Searches of few
    stops end early. With one process and enough time the same seed gives the same plan only as far as the machine's
    speed lets the search do the same work.

    Raises `InvalidProblem` when the frozen part of the problem cannot be, `NotSupported` when the engine cannot express
    the problem, `EngineFailed` when no child gave an answer, `CheckFailed` (a bug) when a plan breaks a rule.
    """
    called = time.monotonic()
    if engine not in ENGINES:
        raise InvalidProblem("engine", "engine", engine, f"expected one of {list(ENGINES)}")
    if not 0 < seconds < float("inf"):
        raise InvalidProblem("range", "seconds", seconds, "expected more than 0 seconds")
    if processes < 1:
        raise InvalidProblem("range", "processes", processes, "expected at least one process")
    if why := ENGINES[engine]().supports(problem):
        raise NotSupported("not_supported", "engine", engine, "; ".join(why))
    search = _Search(problem, engine, on_best, deadline=called + seconds)
    known = _start(problem, search.timetable, start)
    if known is not None:
        search.offer(known)
    if problem.tasks:
        search.run(seed, processes, known)
    return search.finish()


class _Search:
    """The best plan so far, and the children that look for a better one."""

    def __init__(
        self, problem: Problem, engine: str, on_best: Callable[[Solution], None] | None, *, deadline: float
    ) -> None:
        self.problem = problem
        self.engine = engine
        self.on_best = on_best
        self.deadline = deadline
        self.timetable = Timetable(problem)
        self.best: Visits = _frozen_only(problem, self.timetable)
        self.rank = _rank(problem, self.timetable, self.best)
        self.found = False

    def offer(self, visits: Visits) -> None:
        """Take the plan if it is better than the best so far. It must be valid: engines give no others."""
        rank = _rank(self.problem, self.timetable, visits)
        if self.found and rank <= self.rank:
            return
        solution = assemble(self.problem, self.timetable, visits, engine=self.engine)
        if violations := check(self.problem, solution):
            raise CheckFailed(violations)
        if not self.found or rank > self.rank:
            self.found, self.best, self.rank = True, visits, rank
            if self.on_best is not None:
                self.on_best(solution)

    def run(self, seed: int, processes: int, known: Visits | None) -> None:
        left = self.deadline - time.monotonic()
        stop = self.deadline - min(_LONGEST_END, _SHARE_OF_THE_END * left)
        # A handful of stops is searched through long before the time is up.
        enough = 0.2 + 0.02 * len(self.problem.tasks) ** 2
        warm_up()
        children: list[Child] = []
        failures: list[str] = []
        try:
            for number in range(processes):
                child = Child(
                    engine=self.engine, problem=self.problem, until=stop, seconds=enough, seed=seed + number, start=known,
                )  # fmt: skip
                children.append(child)
                child.order(within=stop - time.monotonic())
            while any(not child.ended for child in children) and time.monotonic() < stop:
                newest: dict[Child, Visits] = {}
                for child, (kind, content) in listen(children, until=stop):
                    if kind == "best":
                        newest[child] = content  # only the last of several that came together is worth a look
                    elif kind == "failed":
                        failures.append(content)
                        log.warning("an engine's process failed: %s", content)
                for visits in newest.values():
                    self.offer(visits)
        except TimeoutError:
            log.warning("the engine's process did not take the problem in time")
        finally:
            for child in children:
                child.kill()
        if failures and not self.found:
            raise EngineFailed("\n".join(failures))

    def finish(self) -> Solution:
        """The best plan, completed, polished and explained in what time is left, and checked whatever it takes."""
        insertion = Insertion(self.problem, self.timetable)
        left = self.deadline - time.monotonic()
        visits = _completed(self.problem, insertion, self.best, self.deadline - 0.6 * left)
        visits = polished(
            self.problem, insertion, visits, lambda plan: _rank(self.problem, self.timetable, plan),
            self.deadline - 0.4 * left,
        )  # fmt: skip
        left_out = _left_out(self.problem, visits)
        explained = [
            unassigned(self.problem, self.timetable, visits, number, until=self.deadline) for number in left_out
        ]
        solution = assemble(self.problem, self.timetable, visits, engine=self.engine, left_out=explained)
        if violations := check(self.problem, solution):
            raise CheckFailed(violations)
        if self.on_best is not None and (not self.found or visits != self.best):
            self.on_best(solution)
        return solution


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
    """The plan with every left-out task put where it fits, most urgent first: nothing is left out that had room."""
    routes = list(visits)
    waiting = [n for n in _left_out(problem, visits) if problem.tasks[n].kind is not TaskKind.DELIVERY]
    waiting.sort(key=lambda n: (problem.tasks[n].lock is Lock.FREE, -problem.tasks[n].priority, n))
    for number in waiting:
        if time.monotonic() > until:
            break
        places = [
            (found[0], index, found[1])
            for index in range(len(routes))
            if (found := insertion.cheapest(index, routes[index], number)) is not None
        ]
        prize = problem.tasks[number].prize
        if places and (prize is None or min(places)[0] < prize):
            _, index, new = min(places)
            routes[index] = new
    return tuple(routes)


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
        left_out = [
            Unassigned(
                kind=StepKind(task.kind.value), id=task.id, index=task.index, location_index=task.location_index,
                code=None, sentence="", description=task.description,
            )
            for task in (problem.tasks[number] for number in _left_out(problem, visits))
        ]  # fmt: skip
    nothing = Summary(
        cost=0, routes=0, unassigned=0, setup=0, service=0, duration=0, waiting=0, distance=0, priority=0,
        delivery=(), pickup=(),
    )  # fmt: skip
    draft = Solution(
        routes=tuple(routes), unassigned=tuple(left_out), summary=nothing, travel=problem.travel, engine=engine,
        cost_lines=sum((route.cost_lines for route in routes), CostLines(prizes=timetable.prizes(visits))),
    )  # fmt: skip
    return replace(draft, summary=summary_of(problem, draft))
