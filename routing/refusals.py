"""Refusals that are certain without trying: rights, and amounts that no place in a route changes.

Trying a task in a route takes half a millisecond and more, so when the time is up no vehicle can be tried any more. What
a vehicle may not do or cannot carry is known for all vehicles at once in some microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from routing.alike import fleet_of
from routing.problem import Problem, TaskKind, Visits

_Amounts: TypeAlias = NDArray[np.int64]

_MAY_NOT, _TOO_SMALL, _FULL, _MAYBE = range(4)


class Refusals:
    """What the vehicles (indices, at least one) of a plan say to tasks that it leaves out."""

    def __init__(self, problem: Problem, visits: Visits, *, tasks: Iterable[int], vehicles: Sequence[int]) -> None:
        self._problem = problem
        self._vehicles = list(vehicles)
        fleet = fleet_of(problem, tasks=tasks, vehicles=self._vehicles)
        self._pattern_of = fleet.pattern_of
        group_of = {index: group for group in fleet.groups for index in group.vehicles}
        self._may: NDArray[np.bool_] = np.array([group_of[index].may for index in self._vehicles], dtype=bool)
        self._most: _Amounts = np.array([problem.vehicles[index].capacity for index in self._vehicles], dtype=np.int64)
        # A visit to a reload makes room again: there the place in the route counts.
        self._reloads: NDArray[np.bool_] = np.array([bool(problem.vehicles[index].reloads) for index in self._vehicles])
        carried = [carried_by(problem, visits[index]) for index in self._vehicles]
        self._out: _Amounts = np.array([out for out, _ in carried], dtype=np.int64)
        self._back: _Amounts = np.array([back for _, back in carried], dtype=np.int64)

    def nearest(self, number: int) -> int | None:
        """The index of the vehicle that comes nearest to serving the task, None when one might after all.

        Nearest are those with too much on board already, then those too small for the task alone, then those without
        the right to it.
        """
        task = self._problem.tasks[number]
        ends = [task] if task.partner is None else [task, self._problem.tasks[task.partner]]
        out, back = np.array(task.delivery, dtype=np.int64), np.array(task.pickup, dtype=np.int64)
        amount = np.max([end.delivery for end in ends] + [end.pickup for end in ends], axis=0)
        near = np.full(len(self._vehicles), _MAYBE)
        if task.kind is TaskKind.JOB:
            full = ((self._out + out > self._most) | (self._back + back > self._most)).any(axis=1)
            near[full & ~self._reloads] = _FULL
        near[(amount > self._most).any(axis=1)] = _TOO_SMALL
        near[~self._may[:, self._pattern_of[number]]] = _MAY_NOT
        best = int(np.argmax(near))
        return None if near[best] == _MAYBE else self._vehicles[best]


def carried_by(problem: Problem, visits: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a route's jobs have on board at its start and at its end, per dimension, if it reloads nowhere."""
    jobs = [task for task in (problem.tasks[visit] for visit in visits) if task.kind is TaskKind.JOB]
    dimensions = range(problem.dimensions)
    return (
        tuple(sum(job.delivery[dimension] for job in jobs) for dimension in dimensions),
        tuple(sum(job.pickup[dimension] for job in jobs) for dimension in dimensions),
    )
