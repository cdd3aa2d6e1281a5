"""Which windows can really be kept for a job, and what each costs: the citizen's choice of another time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

from routing.checking import CheckFailed, check
from routing.insertion import Insertion
from routing.problem import InvalidProblem, Job, Lock, Problem, Visits, Window
from routing.solution import Solution, StepKind
from routing.solving import assemble, visits_of
from routing.timetable import Timetable


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A window that can be kept: what serving the job in it adds to the plan's cost, and by which vehicle (index)."""

    window: Window
    cost: int
    vehicle_index: int


def slots(problem: Problem, solution: Solution, job: Job, windows: Iterable[Window]) -> list[Slot]:
    """For each window the cheapest place for the job in the solution's routes; windows without one are absent.

    The job may be new or one of the problem's (then it leaves its present place first, and `cost` counts from the plan
    without it); its own windows do not count, nor does its prize. The other stops keep their vehicles and order, their
    times move within their windows. Every answer has passed the checker. Raises `InvalidProblem` for a window or job
    that is none, or when the solution does not belong to the problem.
    """
    if job.lock in (Lock.KEEP_TIME, Lock.FROZEN):
        raise InvalidProblem("lock", "job.lock", job.lock, "its time is kept, there is nothing to choose")
    tables = Timetable(problem)
    waiting = iter(windows)
    # All windows are asked for in one problem, as so many copies of the job; a rank cannot be given twice.
    at_once = None if job.locked_rank is None else 1
    found: list[Slot] = []
    while batch := list(islice(waiting, at_once)):
        found += _offered(problem, solution, job, batch, tables)
    return found


def _offered(
    problem: Problem, solution: Solution, job: Job, windows: Sequence[Window], tables: Timetable
) -> Iterator[Slot]:
    others = tuple(other for other in problem.jobs if other.id != job.id)
    known = {other.id for other in others}
    ids = islice((number for number in count() if number not in known), len(windows))
    copies = [dataclasses.replace(job, id=id, time_windows=(window,)) for id, window in zip(ids, windows, strict=True)]
    asked = problem.replace(jobs=(*others, *copies))
    visits = visits_of(asked, solution, leave_out=frozenset({(StepKind.JOB, job.id)}))
    # A copy may bear the id that the job itself has in the solution: it is nowhere yet.
    visits = tuple(tuple(n for n in route if not len(others) <= n < len(asked.jobs)) for route in visits)
    insertion = Insertion(asked, Timetable(asked, tables_of=tables))
    for number, (window, copy) in enumerate(zip(windows, copies, strict=True), len(others)):
        places = (
            (found[0], vehicle_index, found[1])
            for vehicle_index in range(len(asked.vehicles))
            if (found := insertion.cheapest(vehicle_index, visits[vehicle_index], number)) is not None
        )
        best = min(places, default=None)
        if best is not None:
            cost, vehicle_index, route = best
            _judge(asked, vehicle_index, route, copy, tables)
            yield Slot(window=window, cost=cost, vehicle_index=vehicle_index)


def _judge(asked: Problem, vehicle_index: int, route: Sequence[int], copy: Job, tables: Timetable) -> None:
    """Raise `CheckFailed` unless the checker accepts the route; the others have not changed."""
    tasks = [asked.tasks[number] for number in route]
    jobs = {asked.jobs[task.index].id for task in tasks if task.kind.value == StepKind.JOB}
    moved = {task.index for task in tasks if task.partner is not None}
    alone = asked.replace(
        jobs=tuple(job for job in asked.jobs if job.id in jobs or job is copy),
        shipments=tuple(shipment for index, shipment in enumerate(asked.shipments) if index in moved),
    )
    numbers = {(task.kind, task.id): number for number, task in enumerate(alone.tasks)}
    visits: Visits = tuple(
        tuple(numbers[task.kind, task.id] for task in tasks) if index == vehicle_index else ()
        for index in range(len(asked.vehicles))
    )
    if violations := check(alone, assemble(alone, Timetable(alone, tables_of=tables), visits)):
        raise CheckFailed(violations)
