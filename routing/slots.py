"""Which windows can really be kept for a job, and what each costs: the citizen's choice of another time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

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
    without it); its own windows do not count. The other stops keep their vehicles and order, their times move within
    their windows. Every answer has passed the checker. Raises `InvalidProblem` for a window or job that is none, or
    when the solution does not belong to the problem.
    """
    if job.lock in (Lock.KEEP_TIME, Lock.FROZEN):
        raise InvalidProblem("lock", "job.lock", job.lock, "its time is kept, there is nothing to choose")
    others = tuple(other for other in problem.jobs if other.id != job.id)
    tables = Timetable(problem)
    found = []
    for window in windows:
        changed = problem.replace(jobs=(*others, dataclasses.replace(job, time_windows=(window,))))
        visits = _visits_without(changed, solution, job.id)
        timetable = Timetable(changed, tables_of=tables)
        insertion = Insertion(changed, timetable)
        best: tuple[int, int, tuple[int, ...]] | None = None
        for vehicle_index in range(len(changed.vehicles)):
            place = insertion.cheapest(vehicle_index, visits[vehicle_index], len(others))
            if place is not None and (best is None or place[0] < best[0]):
                best = (place[0], vehicle_index, place[1])
        if best is None:
            continue
        cost, vehicle_index, new = best
        plan = assemble(changed, timetable, (*visits[:vehicle_index], new, *visits[vehicle_index + 1 :]))
        if violations := check(changed, plan):
            raise CheckFailed(violations)
        found.append(Slot(window=window, cost=cost, vehicle_index=vehicle_index))
    return found


def _visits_without(problem: Problem, solution: Solution, job_id: int) -> Visits:
    """The solution's visits as numbers of a problem whose jobs may stand in another order."""
    return visits_of(problem, solution, leave_out=frozenset({(StepKind.JOB, job_id)}))
