"""PyVRP as an engine: one search beside others that know of each other's routes, or many small ones for many stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from routing.engines.unsaid import unsaid
from routing.problem import Problem, Visits

if TYPE_CHECKING:
    from routing.engines import Company

PARTS_FROM: Final = 450
"""Fewer stops are searched better as a whole."""


class PyVrp:
    """The search that finds the best routes where its words suffice; see `routing.engines.Engine`."""

    name = "pyvrp"

    def supports(self, problem: Problem) -> list[str]:
        """Reasons why not: what PyVRP has no words for."""
        return [f"PyVRP has no words for {what}" for what in unsaid(problem)]

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
        """Search in company; of a problem with many stops, one process sees to all. See `routing.engines.Companion`."""
        if problem.stops >= PARTS_FROM:
            from routing.engines import searching_parts  # noqa: PLC0415 - pyvrp belongs to the child

            if company.number == 0:
                searching_parts.search(
                    problem, seconds=seconds, seed=seed, start=start, on_best=on_best, processes=company.size
                )
            return
        from routing.engines.searching import search  # noqa: PLC0415 - pyvrp belongs to the child

        search(problem, seconds=seconds, seed=seed, start=start, on_best=on_best, company=company)
