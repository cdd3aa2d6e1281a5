"""OR-Tools' routing library alone, with the settings that measured best on these families: parallel cheapest
insertion, then ruin (strings of visits) and recreate under simulated annealing; guided local search where that finds
nothing."""  # noqa: D205, D209

from __future__ import annotations

import time
from typing import Any

import numpy as np
from ortools.constraint_solver import pywrapcp, routing_enums_pb2  # type: ignore[import-untyped]  # it has no types

from routing.bench.peers import Tell, enough_carriers
from routing.instances import Instance
from routing.vrplib import Routes

_ENDLESS = 2**50
_LEFT_OUT = 2**40


class OrToolsPeer:
    """An instance said to OR-Tools; building it is no part of the search."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.carriers = enough_carriers(instance)
        fleet = [instance.carriers[number] for number in self.carriers]
        depots = [carrier.depot for carrier in fleet]
        self.manager = pywrapcp.RoutingIndexManager(instance.size, len(fleet), depots, depots)
        self.routing = pywrapcp.RoutingModel(self.manager)
        table = instance.block(range(instance.size), range(instance.size))
        self._priced(table)
        self._loaded()
        self._timed(table)
        self._optional()
        self._paired()
        self._restricted()

    def _priced(self, table: Any) -> None:
        priced: dict[float, int] = {}
        for at, number in enumerate(self.carriers):
            carrier = self.instance.carriers[number]
            if carrier.unit not in priced:
                whole = np.round(table * carrier.unit).astype(np.int64)
                priced[carrier.unit] = self.routing.RegisterTransitMatrix(whole.tolist())
            self.routing.SetArcCostEvaluatorOfVehicle(priced[carrier.unit], at)
            self.routing.SetFixedCostOfVehicle(carrier.fixed, at)

    def _loaded(self) -> None:
        instance = self.instance
        paired = {node for pair in instance.pairs for node in pair}
        for dimension in range(instance.delivery.shape[1]):
            room = [instance.carriers[number].capacity[dimension] for number in self.carriers]
            bring, fetch = instance.delivery[:, dimension], instance.pickup[:, dimension]
            # Where things are only brought, or only fetched on the way, one count from zero will do.
            both = not paired and bring.any() and fetch.any()
            counted = fetch - bring if paired or both else fetch + bring
            name = f"load {dimension}"
            evaluator = self.routing.RegisterUnaryTransitVector(counted.tolist())
            self.routing.AddDimensionWithVehicleCapacity(evaluator, 0, room, not both, name)
            if not both:
                continue
            load = self.routing.GetDimensionOrDie(name)
            evaluator = self.routing.RegisterUnaryTransitVector(bring.tolist())
            self.routing.AddDimensionWithVehicleCapacity(evaluator, 0, room, True, f"brought {dimension}")  # noqa: FBT003
            total = self.routing.GetDimensionOrDie(f"brought {dimension}")
            for at in range(len(self.carriers)):
                self.routing.solver().Add(load.CumulVar(self.routing.Start(at)) == total.CumulVar(self.routing.End(at)))

    def _timed(self, table: Any) -> None:
        instance = self.instance
        longest = any(instance.carriers[number].max_duration is not None for number in self.carriers)
        limited = any(instance.carriers[number].max_distance is not None for number in self.carriers)
        if limited:
            way = self.routing.RegisterTransitMatrix(table.tolist())
            most = [instance.carriers[number].max_distance or _ENDLESS for number in self.carriers]
            self.routing.AddDimensionWithVehicleCapacity(way, 0, most, True, "way")  # noqa: FBT003 - their order
        if instance.windows is None and not longest and not instance.pairs:
            return
        spent = self.routing.RegisterTransitMatrix((table + instance.service[:, None]).tolist())
        horizon = int(instance.windows.max()) + 1 if instance.windows is not None else 2**40
        self.routing.AddDimension(spent, horizon, 2 * horizon, False, "time")  # noqa: FBT003 - their order
        self.time = self.routing.GetDimensionOrDie("time")
        for at, number in enumerate(self.carriers):
            carrier = instance.carriers[number]
            if carrier.max_duration is not None:
                self.time.SetSpanUpperBoundForVehicle(carrier.max_duration, at)
            if instance.windows is not None:
                opens, closes = (int(x) for x in instance.windows[carrier.depot])
                for index in (self.routing.Start(at), self.routing.End(at)):
                    self.time.CumulVar(index).SetRange(opens, closes)
            for index in (self.routing.Start(at), self.routing.End(at)):
                self.routing.AddVariableMinimizedByFinalizer(self.time.CumulVar(index))
        if instance.windows is not None:
            for node in instance.clients:
                opens, closes = (int(x) for x in instance.windows[node])
                self.time.CumulVar(self.manager.NodeToIndex(node)).SetRange(opens, closes)

    def _optional(self) -> None:
        """Clients with a prize may be left out; so may, dearly, others where no construction finds room for all."""
        instance = self.instance
        tight = any(carrier.max_duration is not None for carrier in instance.carriers)
        for node in instance.clients:
            if instance.prize[node] or tight:
                price = int(instance.prize[node]) or _LEFT_OUT
                self.routing.AddDisjunction([self.manager.NodeToIndex(node)], price)

    def _paired(self) -> None:
        solver = self.routing.solver()
        for origin, to in self.instance.pairs:
            first, second = self.manager.NodeToIndex(origin), self.manager.NodeToIndex(to)
            self.routing.AddPickupAndDelivery(first, second)
            solver.Add(self.routing.VehicleVar(first) == self.routing.VehicleVar(second))
            solver.Add(self.time.CumulVar(first) <= self.time.CumulVar(second))

    def _restricted(self) -> None:
        instance = self.instance
        for node in instance.clients:
            allowed = [
                at
                for at, number in enumerate(self.carriers)
                if instance.carriers[number].allowed is None or node in (instance.carriers[number].allowed or ())
            ]
            if len(allowed) < len(self.carriers):
                optional = [-1] if instance.prize[node] or instance.carriers[0].max_duration is not None else []
                self.routing.VehicleVar(self.manager.NodeToIndex(node)).SetValues([*optional, *allowed])
        if instance.backhauls_last:
            fetches = np.any(instance.pickup > 0, axis=1).tolist()
            fetched = [self.manager.NodeToIndex(node) for node in instance.clients if fetches[node]]
            brought = [self.manager.NodeToIndex(node) for node in instance.clients if not fetches[node]]
            for index in fetched:
                self.routing.NextVar(index).RemoveValues(brought)
            for at in range(len(self.carriers)):
                self.routing.NextVar(self.routing.Start(at)).RemoveValues(fetched)

    def search(self, seconds: float, tell: Tell) -> Routes | None:
        """The routes found, None when there are none; it may overrun."""
        began = time.monotonic()
        best: tuple[int, Routes] | None = None

        def note() -> None:
            nonlocal best
            cost = self.routing.CostVar().Max()
            if best is None or cost < best[0]:
                best = cost, self._routes()
                if cost < _LEFT_OUT:
                    tell(time.monotonic() - began, cost)

        parameters = _ruin_and_recreate(seconds)
        self.routing.CloseModelWithParameters(parameters)
        self.routing.AddAtSolutionCallback(note)
        self.routing.SolveWithIteratedLocalSearch(parameters)
        left = seconds - (time.monotonic() - began)
        if best is None and left > 0.05:
            self.routing.SolveWithParameters(_guided(left))
        return None if best is None else best[1]

    def _routes(self) -> Routes:
        routes: list[tuple[int, ...]] = [()] * len(self.instance.carriers)
        for at, number in enumerate(self.carriers):
            nodes = []
            index = self.routing.NextVar(self.routing.Start(at)).Value()
            while not self.routing.IsEnd(index):
                nodes.append(self.manager.IndexToNode(index))
                index = self.routing.NextVar(index).Value()
            routes[number] = tuple(nodes)
        return tuple(routes)


def _guided(seconds: float) -> Any:
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
    parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    parameters.time_limit.FromMilliseconds(max(1, int(seconds * 1000)))
    return parameters


def _ruin_and_recreate(seconds: float) -> Any:
    parameters = _guided(seconds)
    parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GREEDY_DESCENT
    parameters.use_iterated_local_search = True
    iterated = parameters.iterated_local_search_parameters
    iterated.improve_perturbed_solution = False
    iterated.reference_solution_acceptance_strategy.simulated_annealing.automatic_temperatures = True
    ruin = iterated.ruin_recreate_parameters
    ruin.recreate_strategy.heuristic = routing_enums_pb2.FirstSolutionStrategy.LOCAL_CHEAPEST_INSERTION
    strings = ruin.ruin_strategies.add().sisr
    strings.max_removed_sequence_size = 10
    strings.avg_num_removed_visits = 10
    strings.bypass_factor = 0.01
    return parameters
