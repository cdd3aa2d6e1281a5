"""OR-Tools Routing as an engine; the library itself is loaded only where it searches."""

from __future__ import annotations

import time
from collections.abc import Callable

from routing.engines.sketching import Proof, first_plan, improved_plan
from routing.problem import Problem, Visits

# What measured best, see docs/decisions/0034-or-tools-engine.md: the sketch's share of the time by what there is to
# begin with. From a good plan, and where OR-Tools is slow, guided local search gains more than ruins.
_MANY = 200
_SHARE_FROM_NOTHING = 0.12
_SHARE_FROM_A_PLAN = 0.25
_SHARE_WHERE_SLOW = 0.7
_NEARLY_ALL = 0.9
_MOST_LOCATIONS = 4000


class OrTools:
    """The complete engine: all of the model, on days of up to some thousand places; see `routing.engines.Engine`."""

    name = "ortools"

    def supports(self, problem: Problem) -> list[str]:
        """Reasons why not: only that it would need too large a table of travel."""
        if problem.size > _MOST_LOCATIONS:
            return [f"there are {problem.size} locations, and the search holds a table of at most {_MOST_LOCATIONS}"]
        return []

    def solve(
        self, problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None]
    ) -> None:
        """Search with OR-Tools; see `routing.engines.Engine.solve`."""
        from routing.engines.ortools_model import Model  # noqa: PLC0415 - costs 0.2 s and belongs to the child
        from routing.engines.ortools_search import search  # noqa: PLC0415

        until = time.monotonic() + seconds
        proof = Proof(problem)

        def tell(plan: Visits) -> None:
            on_best(proof.repaired(plan))

        plan = proof.repaired(first_plan(problem, start, tell))
        on_best(plan)
        good = start is not None and sum(map(len, start)) >= _NEARLY_ALL * sum(map(len, plan))
        slow = _is_slow(problem)
        share = _SHARE_FROM_A_PLAN if good else _SHARE_WHERE_SLOW if slow else _SHARE_FROM_NOTHING
        plan = proof.repaired(improved_plan(problem, plan, seconds=share * seconds, seed=seed, good=good))
        on_best(plan)
        model = Model(problem, seed=seed, start=plan)
        if model.tasks:
            search(model, until - time.monotonic(), plan, tell, ruins=not (good or slow))


def _is_slow(problem: Problem) -> bool:
    """Whether OR-Tools' own search is slow here: stops are many, or vehicles reload, or time has a price."""
    return (
        problem.stops > _MANY
        or any(vehicle.reloads for vehicle in problem.vehicles)
        or any(task.soft_window is not None or task.retry_value_per_hour for task in problem.tasks)
    )
