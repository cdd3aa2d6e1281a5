"""OR-Tools Routing as an engine; the library itself is loaded only where it searches."""

from __future__ import annotations

import time
from collections.abc import Callable

from routing.engines.sketching import first_plan, improved_plan, verified
from routing.problem import Problem, Visits

# Shares of the time that measured best: OR-Tools' own descent is slow where stops are many.
_MANY = 200
_SHARE_OF_SKETCHING = 0.12
_SHARE_FOR_MANY = 0.3


class OrTools:
    """The complete engine: windows, breaks, locks and every limit; see `routing.engines.Engine`."""

    name = "ortools"

    def supports(self, problem: Problem) -> list[str]:
        """Reasons why not: only breaks that depend on the load cannot be said to OR-Tools."""
        return [
            f"break {rest.id} of vehicle {vehicle.id} depends on the load (max_load)"
            for vehicle in problem.vehicles
            for rest in vehicle.breaks
            if rest.max_load is not None and any(m < c for m, c in zip(rest.max_load, vehicle.capacity, strict=True))
        ]

    def solve(
        self, problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None]
    ) -> None:
        """Search with OR-Tools; see `routing.engines.Engine.solve`."""
        from routing.engines.ortools_model import Model  # noqa: PLC0415 - costs 0.2 s and belongs to the child

        until = time.monotonic() + seconds
        plan = verified(problem, first_plan(problem, start, lambda part: on_best(verified(problem, part))))
        on_best(plan)
        # Its own constructions leave OR-Tools far from a good plan, and its descent from there is slow.
        share = _SHARE_FOR_MANY if len(problem.tasks) > _MANY else _SHARE_OF_SKETCHING
        plan = verified(problem, improved_plan(problem, plan, seconds=share * seconds, seed=seed))
        on_best(plan)
        model = Model(problem, seed=seed)
        if model.tasks:
            model.search(until - time.monotonic(), plan, on_best)
