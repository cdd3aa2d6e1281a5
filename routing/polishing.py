"""The last grain for plans of a few stops, where a search by chance may miss what trying everything cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import combinations, permutations
from typing import Final, TypeAlias

from routing.insertion import Insertion
from routing.problem import Lock, Problem, TaskKind, Visits

FEW: Final = 10
_AT_A_TIME: Final = 3

Rank: TypeAlias = tuple[int, ...]


def polished(
    problem: Problem, insertion: Insertion, visits: Visits, rank: Callable[[Visits], Rank], until: float
) -> Visits:
    """The plan after taking out every three tasks and putting them back in every order, until nothing is gained.

    Tasks that were left out take part. Nothing happens to plans of more than `FEW` tasks, or after `until`.
    """
    if problem.stops > FEW:
        return visits
    best, best_rank = visits, rank(visits)
    movable = [
        number
        for number, task in enumerate(problem.tasks[: problem.stops])
        if task.lock is not Lock.FROZEN and task.kind is not TaskKind.DELIVERY
    ]
    improved = True
    while improved:
        improved = False
        for candidate in _neighbours(problem, insertion, best, movable, until):
            if (new := rank(candidate)) > best_rank:
                best, best_rank, improved = candidate, new, True
                break
    return best


def _neighbours(
    problem: Problem, insertion: Insertion, visits: Visits, movable: list[int], until: float
) -> Iterator[Visits]:
    for taken in combinations(movable, min(_AT_A_TIME, len(movable))):
        gone = set(taken) | {problem.tasks[number].partner for number in taken}
        rest = tuple(tuple(number for number in route if number not in gone) for route in visits)
        # Taking a stop out may break a route where ways round are shorter than straight ones.
        if not all(insertion.fits(index, route) for index, route in enumerate(rest) if route):
            continue
        for order in permutations(taken):
            if time.monotonic() > until:
                return
            routes = list(rest)
            for number in order:
                places = [
                    (found[0], index, found[1])
                    for index in range(len(routes))
                    if (found := insertion.cheapest(index, routes[index], number)) is not None
                ]
                if places:
                    _, index, new = min(places)
                    routes[index] = new
            yield tuple(routes)
