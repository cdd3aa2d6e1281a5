"""One process's PyVRP search of a problem with many stops: a first plan of the whole, then part after part of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from routing.engines.beginning import first_of_the_whole, share_of_the_whole
from routing.engines.crier import Crier
from routing.engines.decomposing import Loads
from routing.engines.farming import search_in_parts
from routing.engines.greedy import greedy_plan
from routing.engines.pyvrp_search import BRISK, Settings
from routing.engines.savings import savings_plan
from routing.engines.unsaid import unsaid
from routing.engines.wholes import ProblemWhole
from routing.problem import Problem, Visits

_DENSE: Final = 2_500  # stops that may be looked at all at once
_GREEDY: Final = 15_000  # more are better begun by several processes
_VAST: Final = Settings(history=20, exhaustive_on_best=False, neighbours=20)
"""How parts of more stops than are looked at at once are searched: of seconds that are but milliseconds a stop."""

_PATIENT: Final = replace(BRISK, neighbours=20, fitted=False)
"""The same where seconds are not few and stops have no windows: loads too large are cheap for a while, and strings are moved."""

_HURRIED: Final = (150, 2.5)
_UNHURRIED: Final = (400, 5.0)
_HURRY: Final = 0.004  # seconds of all processes for a stop
"""Stops of a part and turns of a stop, where seconds are few and where they are not."""

_BY_THE_THOUSAND: Final = 2.0  # seconds that a first plan of a thousand stops must be worth


def search(
    problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None],
    processes: int,
) -> None:  # fmt: skip
    """Search for `seconds`, with so many processes besides this one; every plan told keeps the exact rules."""
    until = time.monotonic() + seconds
    crier = Crier(problem, on_best, exact=not unsaid(problem))
    nobody = ((),) * len(problem.vehicles)

    def tell(loads: Loads) -> None:
        def visits() -> Visits:
            routes = list[tuple[int, ...]](nobody)
            for vehicle, route in loads:
                routes[vehicle] = route
            return tuple(routes)

        crier.hear(visits)

    whole = ProblemWhole(problem)
    vast = problem.stops > _DENSE
    saving: Visits | None = None
    if start is None and vast and (saving := savings_plan(problem, whole.places, whole.homes)) is not None:
        start = crier.proof.verified(saving)
        crier.tell(start)
    elif start is None and problem.stops <= _GREEDY:
        start = crier.proof.verified(greedy_plan(problem, whole.places if vast else None))
        crier.tell(start)
        if not vast and _BY_THE_THOUSAND * (problem.stops / 1000) ** 2 < until - time.monotonic():
            share = share_of_the_whole(problem, start)
            first = first_of_the_whole(
                problem, until=until, seed=seed, crier=crier, share=share, processes=processes
            )  # fmt: skip
            start = first if _due(problem, first) >= _due(problem, start) else start
    plan = () if start is None else tuple((vehicle, route) for vehicle, route in enumerate(start) if route)
    if not vast:
        # Where vehicles differ in size, a price of loads that has fallen hides that a larger one is wanted.
        alike = len({vehicle.capacity for vehicle in problem.vehicles}) == 1
        search_in_parts(
            whole, seed=seed, until=until, processes=processes, plan=plan, tell=tell, thorough=True, learning=alike
        )
    else:
        in_a_hurry = processes * (until - time.monotonic()) < _HURRY * problem.stops
        size, rounds = _HURRIED if in_a_hurry else _UNHURRIED
        search_in_parts(
            whole, seed=seed, until=until, processes=processes, plan=plan, tell=tell, size=size, rounds=rounds,
            settings=_VAST if in_a_hurry or saving is None else _PATIENT,
        )  # fmt: skip
    crier.catch_up(at_once=True)


def _due(problem: Problem, plan: Visits) -> int:
    """How many stops it serves that have no prize."""
    return sum(problem.tasks[number].prize is None for route in plan for number in route)
