"""What runs inside a measurement: one solver on one instance, telling in lines of JSON what it finds.

`python -m routing.bench.runner '{"solver": ..., ...}'` says "ready" when everything is imported and read, then
["best", seconds, cost] for every better solution it knows of, then {"routes": ..., "wall": ...}.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from routing.bench import peers
from routing.instances import Instance, read_instance
from routing.vrplib import Routes

OURS = "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run: `file` with its `convention`, or the generated `day`; `seconds` count from "ready"."""

    solver: str
    seconds: float
    seed: int = 0
    processes: int = 1
    file: str | None = None
    convention: str = "round"
    day: int | None = None

    def command(self) -> list[str]:
        """What starts it."""
        return [sys.executable, "-m", "routing.bench.runner", json.dumps(asdict(self))]

    def instance(self) -> Instance:
        """What is to be solved."""
        if self.file is not None:
            return read_instance(self.file, self.convention)
        from routing.days import day_instance  # noqa: PLC0415 - files need no days

        return day_instance(self.day or 0)


def _say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _tell(seconds: float, cost: int) -> None:
    _say(["best", round(seconds, 3), cost])


def _ours(order: Order, instance: Instance) -> Callable[[], Routes]:
    from routing.bench.trials import warm_pool  # noqa: PLC0415 - a peer needs none of this
    from routing.solving import solve  # noqa: PLC0415 - see above
    from routing.vrplib import problem_of, routes_of  # noqa: PLC0415 - see above

    problem = problem_of(instance)
    warm_pool(order.processes)

    def search() -> Routes:
        began = time.monotonic()
        solution = solve(
            problem, seconds=order.seconds, seed=order.seed, processes=order.processes,
            on_best=lambda best: None if left_out(best) else _tell(time.monotonic() - began, best.cost),
        )  # fmt: skip
        return routes_of(problem, solution)

    def left_out(best: Any) -> bool:
        return any(node.index is not None and _compulsory(instance, node.location_index) for node in best.unassigned)

    return search


def _compulsory(instance: Instance, node: int) -> bool:
    return not instance.prize[node]


def _prepared(order: Order, instance: Instance) -> Callable[[], Routes | None]:
    """The search, with everything built that a solver builds before its clock starts."""
    if order.solver == OURS:
        return _ours(order, instance)
    if order.solver == "pyvrp":
        data = peers.pyvrp_data(instance, None if order.file is None else Path(order.file))
        return lambda: peers.pyvrp_search(data, instance, order.seconds, order.seed, _tell)
    if order.solver == "vroom":
        given = peers.vroom_input(instance)
        return lambda: peers.vroom_search(given, instance, order.seconds)
    if order.solver == "ortools":
        from routing.bench.ortools_peer import OrToolsPeer  # noqa: PLC0415 - loads OR-Tools

        model = OrToolsPeer(instance)
        return lambda: model.search(order.seconds, _tell)
    raise ValueError(f"there is no solver {order.solver}")


def main(text: str) -> None:
    """Carry out one order."""
    order = Order(**json.loads(text))
    instance = order.instance()
    search = _prepared(order, instance)
    _say("ready")
    began = time.monotonic()
    routes = search()
    wall = time.monotonic() - began
    # Idle vehicles at the end need not be told.
    shown = [] if routes is None else [list(route) for route in routes]
    while shown and not shown[-1]:
        shown.pop()
    _say({"routes": None if routes is None else shown, "wall": wall})


if __name__ == "__main__":
    main(sys.argv[1])
