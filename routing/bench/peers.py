"""The other solvers, each as its users would call it: PyVRP's own reader and `solve`, VROOM at its deepest exploration.

A peer takes an instance, seconds and a seed, tells of better solutions where it can, and returns routes of nodes.
OR-Tools has a module of its own.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from routing.instances import Carrier, Instance
from routing.vrplib import Routes

Tell: TypeAlias = Callable[[float, int], None]
"""Hears of a better solution: seconds since the search began, its cost."""

# In greatest distances; VROOM refuses sums that could overflow, so it may not be much more than a route can be long.
_AS_FAR_AS_FORBIDDEN: Final = 20
_DISTRIBUTIONS: Final = {"pyvrp": "pyvrp", "vroom": "pyvroom", "ortools": "ortools"}


def version_of(peer: str) -> str:
    """The version installed; empty when it is not."""
    try:
        return version(_DISTRIBUTIONS[peer])
    except PackageNotFoundError:
        return ""


def versions_of_ours() -> str:
    """The versions of the engines that we search with."""
    return f"pyvrp {version_of('pyvrp')}, ortools {version_of('ortools')}"


def cannot_express(peer: str, instance: Instance) -> str:
    """Why a peer cannot take the instance; empty when it can."""
    trips = any(carrier.reloads for carrier in instance.carriers)
    longest = any(carrier.max_duration is not None for carrier in instance.carriers)
    prizes = bool((instance.prize > 0).any())
    if peer == "vroom":
        reasons = [(trips, "no reloads"), (longest, "no longest duration"), (prizes, "no prizes")]
    elif peer == "ortools":
        reasons = [(trips, "no reloads"), (instance.distances is None, "no table of this size")]
    else:
        reasons = []
    return "; ".join(why for holds, why in reasons if holds)


def enough_carriers(instance: Instance) -> list[int]:
    """Vehicles by number: of each kind as many as a good solution could want, for peers slowed down by idle ones."""
    wanted = np.maximum(instance.delivery.sum(axis=0), instance.pickup.sum(axis=0))
    most: dict[Carrier, int] = {}
    kept = []
    for number, carrier in enumerate(instance.carriers):
        if carrier not in most:
            loads = [math.ceil(int(w) / c) for w, c in zip(wanted, carrier.capacity, strict=False) if c]
            roomy = not loads or instance.windows is not None
            most[carrier] = len(instance.clients) if roomy else math.ceil(1.3 * max(loads)) + 10
        if most[carrier]:
            most[carrier] -= 1
            kept.append(number)
    return kept


# -- PyVRP


def pyvrp_data(instance: Instance, file: Path | None) -> Any:
    """The file as PyVRP itself reads it, or an instance that was never a file."""
    import pyvrp  # noqa: PLC0415 - only its own process loads a peer

    if file is not None:
        if any(carrier.allowed is not None for carrier in instance.carriers):
            # With its own sign for "no way", 2**44, the search of PyVRP 0.14.1 never comes back from these files.
            sys.modules["pyvrp.read"].MAX_VALUE = 10**9  # type: ignore[attr-defined]  # a module's own constant
        return pyvrp.read(file, round_func=instance.convention)
    assert instance.distances is not None  # noqa: S101 - generated instances have tables
    windows = instance.windows if instance.windows is not None else [(0, 2**40)] * instance.size
    kinds: dict[Carrier, list[int]] = {}
    for number, carrier in enumerate(instance.carriers):
        kinds.setdefault(carrier, []).append(number)
    places = instance.places if instance.places is not None else np.zeros((instance.size, 2))
    tables: list[Any] = [instance.distances]
    return pyvrp.ProblemData(
        locations=[pyvrp.Location(x, y) for x, y in places],
        clients=[
            pyvrp.Client(
                location=node, delivery=instance.delivery[node].tolist(), pickup=instance.pickup[node].tolist(),
                service_duration=int(instance.service[node]), tw_early=int(windows[node][0]), tw_late=int(windows[node][1]),
                prize=int(instance.prize[node]), required=not instance.prize[node],
            )
            for node in instance.clients
        ],
        depots=[pyvrp.Depot(location=node) for node in range(instance.depots)],
        vehicle_types=[
            pyvrp.VehicleType(
                num_available=len(numbers), capacity=list(carrier.capacity), start_depot=carrier.depot,
                end_depot=carrier.depot, fixed_cost=carrier.fixed, tw_early=int(windows[carrier.depot][0]),
                tw_late=int(windows[carrier.depot][1]), unit_distance_cost=int(carrier.unit), name=",".join(map(str, numbers)),
            )
            for carrier, numbers in kinds.items()
        ],
        distance_matrices=tables,
        duration_matrices=tables,
    )  # fmt: skip


def pyvrp_search(data: Any, instance: Instance, seconds: float, seed: int, tell: Tell) -> Routes:
    """`pyvrp.solve` with its own settings and one listener."""
    import pyvrp  # noqa: PLC0415 - see above

    began = time.monotonic()
    scale = pyvrp.CostEvaluator([1] * data.num_load_dimensions, 1, 1)

    class Listener(pyvrp.IteratedLocalSearchCallbacks):
        started = False

        def on_iteration(self, *solutions: Any) -> None:
            _current, _candidate, best, _evaluator = solutions
            if not self.started:  # nobody else tells of the solution it starts from
                self.started = True
                self.on_best(best)

        def on_best(self, best: Any) -> None:
            if best.is_feasible():
                tell(time.monotonic() - began, scale.cost(best))

    parameters = pyvrp.SolveParams(ils=pyvrp.IteratedLocalSearchParams(callbacks=Listener()))
    result = pyvrp.solve(
        data, pyvrp.stop.MaxRuntime(seconds), seed=seed, collect_stats=False, display=False, params=parameters
    )
    free = [list(map(int, kind.name.split(","))) for kind in data.vehicle_types()]
    routes: list[tuple[int, ...]] = [()] * len(instance.carriers)
    for route in result.best.routes():
        routes[free[route.vehicle_type()].pop(0)] = tuple(_pyvrp_nodes(data, route))
    return tuple(routes)


def _pyvrp_nodes(data: Any, route: Any) -> list[int]:
    clients, depots, shipments = data.clients(), data.depots(), data.shipments()
    nodes = []
    for visit in list(route)[1:-1]:
        if visit.is_client():
            nodes.append(clients[visit.idx].location)
        elif visit.is_depot():
            nodes.append(depots[visit.idx].location)
        elif visit.is_pickup():
            nodes.append(shipments[visit.idx].pickup.location)
        else:
            nodes.append(shipments[visit.idx].delivery.location)
    return nodes


# -- VROOM


def vroom_input(instance: Instance) -> Any:
    """The instance as VROOM knows it; what may not follow on each other is further apart than a vehicle may travel."""
    import vroom  # noqa: PLC0415 - see above

    given = vroom.Input()
    table = instance.block(range(instance.size), range(instance.size))
    forbidden = _AS_FAR_AS_FORBIDDEN * int(table.max())
    if instance.backhauls_last:
        fetched = (instance.pickup > 0).any(axis=1)
        brought = ~fetched & (np.arange(instance.size) >= instance.depots)
        table[: instance.depots, fetched] = forbidden
        table[np.ix_(fetched, brought)] = forbidden
    given.set_durations_matrix("car", table)
    given.set_distances_matrix("car", table)
    hours: Sequence[Any] = [()] * instance.size
    if instance.windows is not None:
        hours = [[vroom.TimeWindow(int(a), int(b))] for a, b in instance.windows]
    paired = {node for pair in instance.pairs for node in pair}
    for node in instance.clients:
        if node not in paired:
            given.add_job(
                vroom.Job(
                    node, node, default_service=int(instance.service[node]), time_windows=hours[node],
                    delivery=instance.delivery[node].tolist(), pickup=instance.pickup[node].tolist(),
                    skills=_skill(instance, node),
                )
            )  # fmt: skip
    for origin, to in instance.pairs:
        ends = [
            vroom.ShipmentStep(node, node, default_service=int(instance.service[node]), time_windows=hours[node])
            for node in (origin, to)
        ]
        given.add_job(vroom.Shipment(*ends, amount=vroom.Amount(instance.pickup[origin].tolist())))
    for number in enough_carriers(instance):
        carrier = instance.carriers[number]
        given.add_vehicle(
            vroom.Vehicle(
                number, start=carrier.depot, end=carrier.depot, capacity=list(carrier.capacity), profile="car",
                time_window=hours[carrier.depot][0] if hours[carrier.depot] else None,
                costs=vroom.VehicleCosts(fixed=carrier.fixed, per_hour=round(3600 * carrier.unit)),
                skills=set() if carrier.allowed is None else set(carrier.allowed),
                **({"max_travel_time": forbidden - 1} if instance.backhauls_last else {}),
                **({} if carrier.max_distance is None else {"max_distance": carrier.max_distance}),
            )
        )  # fmt: skip
    return given


def _skill(instance: Instance, node: int) -> set[int]:
    return set() if all(carrier.allowed is None for carrier in instance.carriers) else {node}


def vroom_search(given: Any, instance: Instance, seconds: float) -> Routes:
    """VROOM's deepest exploration on one thread; it stops by itself when it is done, and may overrun."""
    answer = given.solve(exploration_level=5, nb_threads=1, timeout=timedelta(seconds=seconds)).to_dict()
    routes: list[tuple[int, ...]] = [()] * len(instance.carriers)
    for route in answer["routes"]:
        nodes = [step["location_index"] for step in route["steps"] if step["type"] in ("job", "pickup", "delivery")]
        routes[route["vehicle"]] = tuple(nodes)
    return tuple(routes)
