"""PyVRP for the bulk of the work, OR-Tools to finish: for problems that PyVRP has no words for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from routing.engines.ortools import OrTools
from routing.engines.pyvrp import PyVrp
from routing.problem import Problem, Visits

if TYPE_CHECKING:
    from routing.engines import Company

# More left both breaks and soft windows dearer, less as well; without it breaks cost 11-19 % more, soft windows a third.
_SHARE_OF_THE_BULK: Final = 0.7


class Both:
    """PyVRP searches what it can be told, its routes are repaired by the exact rules, OR-Tools goes on from there."""

    name = "both"

    def supports(self, problem: Problem) -> list[str]:
        """Reasons why not: OR-Tools' own."""
        return OrTools().supports(problem)

    def solve(
        self, problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None]
    ) -> None:
        """Search alone; see `routing.engines.Engine.solve`."""
        from routing.engines.searching import Alone  # noqa: PLC0415 - pyvrp belongs to the child

        self.solve_together(problem, seconds=seconds, seed=seed, start=start, on_best=on_best, company=Alone())

    def solve_together(
        self, problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None],
        company: Company,
    ) -> None:  # fmt: skip
        """Every other process of a company leaves the search to OR-Tools alone; see `routing.engines.Companion`."""
        from routing.engines.searching import Alone  # noqa: PLC0415 - pyvrp belongs to the child

        until = time.monotonic() + seconds
        best = start
        if company.number % 2 == 0:

            def better(visits: Visits) -> None:
                nonlocal best
                best = visits
                on_best(visits)

            PyVrp().solve_together(
                problem, seconds=_SHARE_OF_THE_BULK * seconds, seed=seed, start=start, on_best=better, company=Alone()
            )
        OrTools().solve(problem, seconds=until - time.monotonic(), seed=seed, start=best, on_best=on_best)
