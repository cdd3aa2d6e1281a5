"""Which tasks ask for the same rights, and which vehicles are interchangeable: an unlimited fleet is looked at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from routing.problem import Lock, Problem, Task, Vehicle, Visits, frozen_visits

_OF_NO_MATTER = {"id", "name", "description", "skills", "steps"}
_traits = attrgetter(*(member.name for member in fields(Vehicle) if member.name not in _OF_NO_MATTER))


@dataclass(frozen=True, slots=True)
class Alike:
    """Vehicles (indices) that differ in nothing that matters for the tasks asked about.

    `may` says for each pattern of rights whether they may serve its tasks, `frozen` is what opens their route.
    """

    vehicles: tuple[int, ...]
    may: tuple[bool, ...]
    frozen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """`pattern_of` maps task numbers to their pattern of rights; `groups` are in the order of their first vehicles."""

    pattern_of: dict[int, int]
    groups: tuple[Alike, ...]

    def without_twins(self, routes: Visits) -> list[int]:
        """The vehicles worth looking at: all that have visits, and of those alike without any only the first."""
        chosen = []
        for group in self.groups:
            chosen += [index for index in group.vehicles if routes[index]]
            chosen += [index for index in group.vehicles if not routes[index]][:1]
        return sorted(chosen)


def fleet_of(problem: Problem, *, tasks: Iterable[int], vehicles: Sequence[int]) -> Fleet:
    """Which of these vehicles are alike for these tasks."""
    ids: dict[tuple[Any, ...], int] = {}
    pattern_of: dict[int, int] = {}
    asked: list[Task] = []
    choosy: set[int] = set()
    for number in tasks:
        task = problem.tasks[number]
        key = (task.skills, task.allowed_vehicles, None if task.lock is Lock.FREE else task.locked_vehicle)
        if key not in ids:
            ids[key] = len(ids)
            asked.append(task)
        pattern_of[number] = ids[key]
        choosy |= task.preferred_vehicles
    named = {i for task in asked for i in task.allowed_vehicles or ()} | {task.locked_vehicle for task in asked}
    frozen = frozen_visits(problem) if any(job.lock is Lock.FROZEN for job in problem.jobs) else None
    rights: dict[tuple[frozenset[int], int | None], tuple[bool, ...]] = {}
    alike: dict[tuple[Any, ...], list[int]] = {}
    for index in vehicles:
        vehicle = problem.vehicles[index]
        asking = (vehicle.skills, vehicle.id if vehicle.id in named else None)
        if asking not in rights:
            rights[asking] = tuple(problem.may_serve(vehicle, task) for task in asked)
        preferred = vehicle.id if vehicle.id in choosy else None
        behind = () if frozen is None else frozen[index]
        alike.setdefault((rights[asking], behind, preferred, _traits(vehicle)), []).append(index)
    return Fleet(pattern_of, tuple(Alike(tuple(same), key[0], key[1]) for key, same in alike.items()))
