"""PyVRP as an engine: one search beside others that know of each other's routes, or many small ones for many stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from routing.engines.unsaid import unsaid
from routing.problem import Problem, Visits

if TYPE_CHECKING:
    from routing.engines import Company


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
        from routing.engines.searching import Alone, search  # noqa: PLC0415 - pyvrp belongs to the child

        search(problem, seconds=seconds, seed=seed, start=start, on_best=on_best, company=Alone())

    def solve_together(
        self, problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None],
        company: Company,
    ) -> None:  # fmt: skip
        """Search in company; see `routing.engines.Companion`."""
        from routing.engines.searching import search  # noqa: PLC0415 - pyvrp belongs to the child

        search(problem, seconds=seconds, seed=seed, start=start, on_best=on_best, company=company)
