"""Telling plans as the search finds them, in the exact rules' words and no more often than it can afford."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from routing.engines.sketching import Proof
from routing.problem import Problem, Visits

_LEAST_PAUSE: Final = 0.02
_SHARE_OF_TELLING: Final = 0.03


class Crier:
    """Tells plans, but not more often than the search can afford; the last one heard is never lost."""

    def __init__(self, problem: Problem, on_best: Callable[[Visits], None], *, exact: bool) -> None:
        self._problem = problem
        self._on_best = on_best
        self._exact = exact
        self._proof: Proof | None = None
        self._waiting: Callable[[], Visits] | None = None
        self._quiet_until = 0.0

    @property
    def proof(self) -> Proof:
        """The exact rules."""
        if self._proof is None:
            self._proof = Proof(self._problem)
        return self._proof

    def hear(self, plan: Callable[[], Visits]) -> None:
        """Tell this plan now or later, unless a better one comes before."""
        self._waiting = plan
        self.catch_up()

    def catch_up(self, *, at_once: bool = False) -> None:
        """Tell the plan that waits if it is time."""
        now = time.monotonic()
        if self._waiting is None or (now < self._quiet_until and not at_once):
            return
        visits = self._waiting()
        self._waiting = None
        self.tell(visits if self._exact else self.proof.repaired(_in_kept_order(self._problem, visits)))
        took = time.monotonic() - now
        self._quiet_until = time.monotonic() + max(_LEAST_PAUSE, took / _SHARE_OF_TELLING)

    def tell(self, visits: Visits) -> None:
        """Tell this plan."""
        self._on_best(visits)


def _in_kept_order(problem: Problem, plan: Visits) -> Visits:
    """The plan with the visits whose order is kept in that order, in the places that such visits have."""
    routes = []
    for route in plan:
        ranked = [at for at, number in enumerate(route) if problem.tasks[number].rank is not None]
        ordered = sorted((route[at] for at in ranked), key=lambda number: problem.tasks[number].rank or 0)
        visits = list(route)
        for at, number in zip(ranked, ordered, strict=True):
            visits[at] = number
        routes.append(tuple(visits))
    return tuple(routes)
