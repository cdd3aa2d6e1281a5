"""The last step of a search: each route's stops in their cheapest order, and the proof that there is no cheaper one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from routing.problem import Problem, Visits
from routing.timetable import Timetable

if TYPE_CHECKING:
    from routing.engines import Company

_LONGEST: Final = 1.0  # seconds for one route
_SHORTEST: Final = 0.02


@dataclass(frozen=True, slots=True)
class Ordered:
    """One vehicle's visits in the best order known, what that costs, and whether nothing costs less."""

    vehicle_index: int
    visits: tuple[int, ...]
    cost: int
    proven: bool


class Orders:
    """Not a search of its own: it takes the routes of a plan, and posts an `Ordered` for each, short routes first."""

    name = "orders"

    def solve_together(
        self, problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None],  # noqa: ARG002 - see Companion
        company: Company,
    ) -> None:  # fmt: skip
        """Each process of a company takes its share of the routes."""
        from routing.engines.resequencing import resequence  # noqa: PLC0415 - its libraries belong to the child

        until = time.monotonic() + seconds
        timetable = Timetable(problem)
        routes = sorted((len(route), index) for index, route in enumerate(start or ()) if route)
        for _, index in routes[company.number :: company.size]:
            left = until - time.monotonic()
            if left < _SHORTEST:
                return
            visits = start[index] if start else ()
            found = resequence(problem, index, visits, seconds=min(_LONGEST, left), timetable=timetable)
            company.post(Ordered(index, found.visits, found.cost, found.proven))
