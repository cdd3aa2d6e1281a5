"""A problem said to OR-Tools Routing: windows, breaks, locks and every limit of the model.

Time is the start of the work at a door. Where a door is shared by several visits it is the start of service instead,
and set-up is part of the way there, so that only the first of them pays it; windows and breaks are then tightened by
at most one set-up, so that the answer holds either way.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ortools.constraint_solver import pywrapcp, routing_enums_pb2  # type: ignore[import-untyped]

from routing.problem import UNREACHABLE, Lock, Problem, Task, TaskKind, Vehicle, Visits, travel_seconds

_NOWHERE = -1
_OBJECTIVE_ROOM = 2**60
_RUN_ONE_RANDOMLY = 3  # RuinCompositionStrategy, whose enum the wheel does not export
_FINEST_COST = 1000  # engine cost units per unit of the problem: sums of rounded arcs stay true to a thousandth


@dataclass(frozen=True, slots=True)
class _Hours:
    """When a vehicle can work: its shift, and what of it is already history."""

    opens: int
    closes: int
    happened_until: int | None
    usable: bool


class Model:
    """One problem said to OR-Tools; `tasks` is empty when no vehicle can do anything."""

    def __init__(self, problem: Problem, *, seed: int = 0) -> None:
        self.problem = problem
        self.hours = [self._hours_of(index) for index in range(len(problem.vehicles))]
        self.allowed = [self._allowed(task) for task in problem.tasks]
        for number, task in enumerate(problem.tasks):  # a shipment needs one vehicle for both ends
            if task.partner is not None and task.partner > number:
                both = [v for v in self.allowed[number] if v in self.allowed[task.partner]]
                self.allowed[number] = self.allowed[task.partner] = both
        self.tasks = [number for number in range(len(problem.tasks)) if self.allowed[number]]
        if seed:  # OR-Tools has no seed; another order of the nodes sends it another way
            random.Random(seed).shuffle(self.tasks)  # noqa: S311
        if not self.tasks:
            return
        self.node_of = {number: node for node, number in enumerate(self.tasks)}
        places = sorted({_place(p) for vehicle in problem.vehicles for p in (vehicle.start, vehicle.end)})
        self.depot_of = {place: len(self.tasks) + at for at, place in enumerate(places)}
        nodes = len(self.tasks) + len(places)
        at = [problem.tasks[number].location_index for number in self.tasks] + places
        self.location: NDArray[np.int64] = np.array(at)
        starts = [self.depot_of[_place(v.start)] for v in problem.vehicles]
        ends = [self.depot_of[_place(v.end)] for v in problem.vehicles]
        self.manager = pywrapcp.RoutingIndexManager(nodes, len(problem.vehicles), starts, ends)
        self.routing = pywrapcp.RoutingModel(self.manager)
        self.solver = self.routing.solver()
        self.frozen = self._frozen()
        self.shared = self._shared_doors()
        elsewhere = self.location[:, None] != self.location[None, :]
        setup = self._of_tasks(lambda task: task.setup)
        at_a_shared_door = np.isin(np.arange(nodes), sorted(self.shared))
        # [from][to], paid on the way; and what is paid at the door itself.
        self.setup: NDArray[np.int64] = np.where(elsewhere & at_a_shared_door[None, :], setup[None, :], 0)
        self.work: NDArray[np.int64] = self._of_tasks(lambda task: task.service) + np.where(at_a_shared_door, 0, setup)
        self._settle_facts()
        self.origin = min((hours.opens for hours in self.hours), default=0)
        self._evaluators: dict[bytes, int] = {}
        self._times: dict[tuple[str, float], NDArray[np.int64]] = {}
        self.horizon = self._horizon()
        self._time()
        self._breaks()
        self._loads()
        self._limits()
        self._costs()
        self._rights()
        self._pairs()
        self._order()

    # -- what can be said before the model exists

    def _hours_of(self, vehicle_index: int) -> _Hours:
        problem, vehicle = self.problem, self.problem.vehicles[vehicle_index]
        facts = sorted(
            (job.locked_time, job.setup, job.service, job.location_index, job.locked_rank or 0)
            for job in problem.jobs
            if job.lock is Lock.FROZEN and job.locked_vehicle == vehicle.id and job.locked_time is not None
        )
        opens, closes = vehicle.time_window or (0, -1)
        happened_until = None
        usable = True
        if facts:
            facts.sort(key=lambda fact: fact[4])
            came_from = facts[-2][3] if len(facts) > 1 else vehicle.start
            began, setup, service, place, _ = facts[-1]
            happened_until = began + service + (0 if came_from == place else setup)
            opens = min(opens, facts[0][0])
            home = 0 if vehicle.end is None else _seconds(problem, vehicle)[place, vehicle.end]
            usable = closes < 0 or happened_until + home <= closes
        for rest in vehicle.breaks:
            windows = rest.time_windows or ((opens, opens),)
            begins = [max(a, happened_until or opens) for a, b in windows if b >= (happened_until or opens)]
            usable = usable and bool(begins) and (closes < 0 or min(begins) + rest.service <= closes)
        return _Hours(opens, closes, happened_until, usable)

    def _allowed(self, task: Task) -> list[int]:
        """Vehicles that can do the task as far as that can be seen without a route."""
        return [
            index
            for index, vehicle in enumerate(self.problem.vehicles)
            if self.problem.may_serve(vehicle, task)
            and (task.lock is Lock.FROZEN or self._single(index, vehicle, task))
        ]

    def _single(self, index: int, vehicle: Vehicle, task: Task) -> bool:
        hours = self.hours[index]
        place = task.location_index
        seconds = _seconds(self.problem, vehicle)
        out = 0 if vehicle.start is None else int(seconds[vehicle.start, place])
        home = 0 if vehicle.end is None else int(seconds[place, vehicle.end])
        heavy = any(
            max(out_amount, back_amount) > most
            for out_amount, back_amount, most in zip(task.delivery, task.pickup, vehicle.capacity, strict=True)
        )
        if not hours.usable or heavy or home == UNREACHABLE or (out == UNREACHABLE and hours.happened_until is None):
            return False
        earliest = max(hours.opens + out, 0) if hours.happened_until is None else hours.happened_until
        return not task.time_windows or any(b >= earliest for _, b in task.time_windows)

    def _of_tasks(self, value: Callable[[Task], int]) -> NDArray[np.int64]:
        """One number per node, 0 at the depots."""
        numbers = [value(self.problem.tasks[number]) for number in self.tasks]
        return np.array(numbers + [0] * len(self.depot_of), dtype=np.int64)

    def _travel(self, vehicle: Vehicle) -> NDArray[np.int64]:
        """Seconds [node][node], `UNREACHABLE` where there is no way, 0 from and to nowhere."""
        key = (vehicle.profile, vehicle.speed_factor)
        if key not in self._times:
            self._times[key] = self._between_nodes(_seconds(self.problem, vehicle))
        return self._times[key]

    def _between_nodes(self, values: NDArray[Any]) -> NDArray[np.int64]:
        somewhere = self.location != _NOWHERE
        table = values[np.ix_(np.maximum(self.location, 0), np.maximum(self.location, 0))].astype(np.int64)
        return np.where(somewhere[:, None] & somewhere[None, :], table, 0)

    def _horizon(self) -> int:
        """An instant by which every sensible plan is over."""
        ends = [hours.closes for hours in self.hours] + [hours.happened_until or 0 for hours in self.hours]
        ends += [b for number in self.tasks for _, b in self.problem.tasks[number].time_windows]
        ends += [b + r.service for v in self.problem.vehicles for r in v.breaks for _, b in r.time_windows]
        longest = np.zeros(len(self.location), dtype=np.int64)
        for vehicle in self.problem.vehicles:
            travel = self._travel(vehicle)
            longest = np.maximum(longest, np.where(travel == UNREACHABLE, 0, travel).max(axis=1))
        rests = sum(rest.service for vehicle in self.problem.vehicles for rest in vehicle.breaks)
        work = int(self.work.sum() + self.setup.max(axis=0).sum() + longest.sum()) + rests
        return max([self.origin, *ends]) - self.origin + work + 1

    # -- evaluators

    def _matrix(self, values: NDArray[np.int64]) -> int:
        """The evaluator of a table [node][node]; equal tables share one."""
        key = np.ascontiguousarray(values, dtype=np.int64).tobytes()
        if key not in self._evaluators:
            self._evaluators[key] = self.routing.RegisterTransitMatrix(values.tolist())
        return self._evaluators[key]

    def _index(self, number: int) -> int:
        return int(self.manager.NodeToIndex(self.node_of[number]))

    # -- constraints

    def _time(self) -> None:
        """Windows, shifts and what has already happened."""
        vehicles = self.problem.vehicles
        evaluators = [self._matrix(self._elapsed(vehicle)) for vehicle in vehicles]
        self.routing.AddDimensionWithVehicleTransits(evaluators, self.horizon, self.horizon, False, "time")  # noqa: FBT003
        self.time = self.routing.GetDimensionOrDie("time")
        for index, hours in enumerate(self.hours):
            closes = self.horizon if hours.closes < 0 or not hours.usable else hours.closes - self.origin
            self.time.CumulVar(self.routing.Start(index)).SetMin(hours.opens - self.origin)
            self.time.CumulVar(self.routing.End(index)).SetMax(min(closes, self.horizon))
        for node, number in enumerate(self.tasks):
            task = self.problem.tasks[number]
            variable = self.time.CumulVar(self._index(number))
            if task.happened_at is not None:
                variable.SetValue(task.happened_at - self.origin)
                continue
            if not task.time_windows:
                continue
            earlier = task.setup if node in self.shared else 0
            later = 0
            if earlier and any(b - a < earlier for a, b in task.time_windows):
                later = earlier
                self._forbid_sharing(node)
            windows = [(a + earlier - self.origin, b + later - self.origin) for a, b in sorted(task.time_windows)]
            variable.SetRange(max(windows[0][0], 0), min(windows[-1][1], self.horizon))
            for (_, closed), (opens, _) in pairwise(windows):
                if closed + 1 <= opens - 1:
                    variable.RemoveInterval(closed + 1, opens - 1)

    def _elapsed(self, vehicle: Vehicle) -> NDArray[np.int64]:
        """From the start of work at one node to the start of work at the next, without waiting."""
        travel = self._travel(vehicle)
        elapsed = np.where(travel == UNREACHABLE, self.horizon + 1, travel + self.work[:, None] + self.setup)
        for prefix in self._facts():
            # What has happened has its own times; the estimate of the way between may say something else.
            elapsed[:, self.node_of[prefix[0]]] = 0
            for before, number in pairwise(prefix):
                passed = (self.problem.tasks[number].happened_at or 0) - (self.problem.tasks[before].happened_at or 0)
                elapsed[self.node_of[before], self.node_of[number]] = passed
        return elapsed

    def _settle_facts(self) -> None:
        """The work at doors already visited is known: whether set-up was paid there is history."""
        for prefix in self._facts():
            first = self.problem.tasks[prefix[0]]
            before = self.problem.vehicles[self.problem.vehicle_index(first.locked_vehicle or 0)].start
            for number in prefix:
                task = self.problem.tasks[number]
                paid = 0 if before == task.location_index else task.setup
                self.work[self.node_of[number]] = task.service + paid
                before = task.location_index

    def _facts(self) -> list[list[int]]:
        """The visits that have happened, in their order, one list per vehicle that has any."""
        prefixes = [
            [number for number in prefix if self.problem.tasks[number].happened_at is not None]
            for prefix in self.frozen.values()
        ]
        return [prefix for prefix in prefixes if prefix]

    def _frozen(self) -> dict[int, list[int]]:
        """Per vehicle the numbers of its frozen tasks, in their order."""
        frozen: dict[int, list[int]] = {}
        for number in self.tasks:
            task = self.problem.tasks[number]
            if task.lock is Lock.FROZEN:
                frozen.setdefault(self.problem.vehicle_index(task.locked_vehicle or 0), []).append(number)
        for prefix in frozen.values():
            prefix.sort(key=lambda number: self.problem.tasks[number].rank or 0)
        return frozen

    def _shared_doors(self) -> set[int]:
        """Nodes with set-up that can be reached without it, as another visit or a start is at the same place."""
        places = self.location[: len(self.tasks)].tolist()
        count = Counter(places)
        count.update({vehicle.start for vehicle in self.problem.vehicles if vehicle.start is not None})
        return {
            node
            for node, (number, place) in enumerate(zip(self.tasks, places, strict=True))
            if count[place] > 1 and self.problem.tasks[number].setup and self.problem.tasks[number].happened_at is None
        }

    def _forbid_sharing(self, node: int) -> None:
        """A window shorter than the set-up: model the visit with its set-up, so never straight from the same door."""
        to = int(self.manager.NodeToIndex(node))
        for other in range(len(self.tasks)):
            if other != node and self.location[other] == self.location[node]:
                self.routing.NextVar(int(self.manager.NodeToIndex(other))).RemoveValue(to)
        for index, vehicle in enumerate(self.problem.vehicles):
            if vehicle.start == self.location[node]:
                self.routing.NextVar(self.routing.Start(index)).RemoveValue(to)

    def _breaks(self) -> None:
        # OR-Tools protects the work at a door from breaks, not the set-up on the way: the break covers that instead.
        setup = max((self.problem.tasks[self.tasks[node]].setup for node in self.shared), default=0)
        work = [int(self.work[self.manager.IndexToNode(index)]) for index in range(self.routing.Size())]
        for index, vehicle in enumerate(self.problem.vehicles):
            hours = self.hours[index]
            if not vehicle.breaks or not hours.usable:
                continue
            opens = (hours.opens if hours.happened_until is None else hours.happened_until) - self.origin
            closes = self.horizon if hours.closes < 0 else hours.closes - self.origin
            intervals = []
            for rest in vehicle.breaks:
                windows = [
                    (max(a - self.origin, opens), min(b - self.origin, closes - rest.service))
                    for a, b in sorted(rest.time_windows) or ((self.origin, self.origin + self.horizon),)
                ]
                windows = [(a, b) for a, b in windows if a <= b]
                name = f"break {rest.id} of {vehicle.id}"
                first, last = windows[0][0], windows[-1][1]
                interval = self.solver.FixedDurationIntervalVar(first, last, rest.service + setup, False, name)  # noqa: FBT003
                for (_, closed), (again, _) in pairwise(windows):
                    if closed + 1 <= again - 1:
                        interval.StartExpr().Var().RemoveInterval(closed + 1, again - 1)
                intervals.append(interval)
            self.time.SetBreakIntervalsOfVehicle(intervals, index, work)

    def _loads(self) -> None:
        problem = self.problem
        for dimension in range(problem.dimensions):
            most = [vehicle.capacity[dimension] for vehicle in problem.vehicles]
            jobs = [problem.tasks[number] for number in self.tasks if problem.tasks[number].kind is TaskKind.JOB]
            bring = any(task.delivery[dimension] for task in jobs)
            fetch = any(task.pickup[dimension] for task in jobs)
            change = self._of_tasks(lambda t, d=dimension: t.pickup[d] - t.delivery[d])  # type: ignore[misc]
            if not change.any() and not bring:
                continue
            name = f"load {dimension}"
            evaluator = self.routing.RegisterUnaryTransitVector(change.tolist())
            # All that the jobs bring is on board at the start, so that the load is exact at every door.
            self.routing.AddDimensionWithVehicleCapacity(evaluator, 0, most, not bring, name)
            if not bring:
                continue
            load = self.routing.GetDimensionOrDie(name)
            if not fetch:
                for vehicle in range(len(problem.vehicles)):
                    load.CumulVar(self.routing.End(vehicle)).SetValue(0)
                continue
            brought = self._of_tasks(lambda t, d=dimension: -t.delivery[d] if t.kind is TaskKind.JOB else 0)  # type: ignore[misc]
            evaluator = self.routing.RegisterUnaryTransitVector(brought.tolist())
            self.routing.AddDimensionWithVehicleCapacity(evaluator, 0, most, False, f"to bring {dimension}")  # noqa: FBT003
            to_bring = self.routing.GetDimensionOrDie(f"to bring {dimension}")
            for vehicle in range(len(problem.vehicles)):
                to_bring.CumulVar(self.routing.End(vehicle)).SetValue(0)
                start = self.routing.Start(vehicle)
                self.solver.Add(load.CumulVar(start) == to_bring.CumulVar(start))

    def _limits(self) -> None:
        vehicles = self.problem.vehicles
        if any(vehicle.max_tasks is not None for vehicle in vehicles) or any(
            self.problem.tasks[number].rank is not None for number in self.tasks
        ):
            most = [len(self.tasks) if v.max_tasks is None else min(v.max_tasks, len(self.tasks)) for v in vehicles]
            one = self._of_tasks(lambda _: 1)
            evaluator = self.routing.RegisterUnaryTransitVector(one.tolist())
            self.routing.AddDimensionWithVehicleCapacity(evaluator, 0, most, True, "tasks")  # noqa: FBT003
        for name in ("max_travel_time", "max_distance"):
            limits = [getattr(vehicle, name) for vehicle in vehicles]
            if all(limit is None for limit in limits):
                continue
            tables = [self._travel(v) if name == "max_travel_time" else self._metres(v) for v in vehicles]
            endless = sum(int(np.where(table == UNREACHABLE, 0, table).max(axis=1).sum()) for table in tables) + 1
            evaluators = [self._matrix(np.where(table == UNREACHABLE, 0, table)) for table in tables]
            most = [endless if limit is None else min(limit, endless) for limit in limits]
            self.routing.AddDimensionWithVehicleTransitAndCapacity(evaluators, 0, most, True, name)  # noqa: FBT003

    def _metres(self, vehicle: Vehicle) -> NDArray[np.int64]:
        metres = self.problem.matrices[vehicle.profile].metres
        if metres is None:
            return np.zeros((len(self.location), len(self.location)), dtype=np.int64)
        return self._between_nodes(metres)

    def _costs(self) -> None:
        tables = [self._price(vehicle) for vehicle in self.problem.vehicles]
        fixed = [vehicle.costs.fixed for vehicle in self.problem.vehicles]
        highest = float(sum(fixed) + np.maximum.reduce([table.max(axis=0) for table in tables]).sum()) + 1
        # Leaving a job out costs more than any plan, so that the search serves priorities, then numbers, then cost.
        number = len(self.tasks)
        locked = 101  # above every priority: an earlier promise is kept first
        weights = {
            task: (locked if self.problem.tasks[task].lock is not Lock.FREE else self.problem.tasks[task].priority)
            * (number + 1)
            + 1
            for task in self.tasks
        }
        scale = min(float(_FINEST_COST), _OBJECTIVE_ROOM / (highest * (sum(weights.values()) + 1)))
        for index, table in enumerate(tables):
            priced = np.rint(table * scale).astype(np.int64)
            self.routing.SetArcCostEvaluatorOfVehicle(self._matrix(priced), index)
            self.routing.SetFixedCostOfVehicle(round(fixed[index] * scale), index)
        unit = max(1, int(highest * scale) + 1)
        for task, weight in weights.items():
            if self.problem.tasks[task].lock is not Lock.FROZEN:
                self.routing.AddDisjunction([self._index(task)], weight * unit)

    def _price(self, vehicle: Vehicle) -> NDArray[np.float64]:
        """What going from node to node and serving there costs, in the problem's unit."""
        travel = self._travel(vehicle)
        blocked = travel == UNREACHABLE
        custom = self.problem.matrices[vehicle.profile].cost
        if custom is None:
            price = np.where(blocked, 0, travel) * (vehicle.costs.per_hour / 3600)
            if vehicle.costs.per_km:
                price += np.where(blocked, 0, self._metres(vehicle)) * (vehicle.costs.per_km / 1000)
        else:
            price = np.where(blocked, 0, self._between_nodes(custom)).astype(np.float64)
        price += (self.work[None, :] + self.setup) * (vehicle.costs.per_task_hour / 3600)
        strange = self._of_tasks(
            lambda t: t.preference_cost if t.preferred_vehicles and vehicle.id not in t.preferred_vehicles else 0
        )
        return np.asarray(price + strange[None, :], dtype=np.float64)

    def _rights(self) -> None:
        everyone = len(self.problem.vehicles)
        for number in self.tasks:
            if len(self.allowed[number]) < everyone:
                # SetAllowedVehiclesForIndex does not take what Python has to offer; -1 is "left out".
                self.routing.VehicleVar(self._index(number)).SetValues([-1, *self.allowed[number]])

    def _pairs(self) -> None:
        for number in self.tasks:
            task = self.problem.tasks[number]
            if task.kind is TaskKind.PICKUP and task.partner is not None:
                fetch, bring = self._index(number), self._index(task.partner)
                self.routing.AddPickupAndDelivery(fetch, bring)
                self.solver.Add(self.routing.VehicleVar(fetch) == self.routing.VehicleVar(bring))

    def _order(self) -> None:
        ranked: dict[int, list[int]] = {}
        for number in self.tasks:
            task = self.problem.tasks[number]
            if task.rank is not None and task.lock is not Lock.FROZEN:
                ranked.setdefault(task.locked_vehicle or 0, []).append(number)
        for numbers in ranked.values():
            numbers.sort(key=lambda number: self.problem.tasks[number].rank or 0)
            position = self.routing.GetDimensionOrDie("tasks")
            for earlier, later in combinations(numbers, 2):  # any of them may be left out, so the pairs, not the chain
                position.AddNodePrecedence(self._index(earlier), self._index(later), 1)

    # -- search

    def search(self, seconds: float, start: Visits | None, on_best: Callable[[Visits], None]) -> None:
        """Search for `seconds` and report every better set of routes, the given start first."""
        best = float("inf")

        def report() -> None:
            nonlocal best
            cost = self.routing.CostVar().Max()
            if cost < best:
                best = cost
                on_best(self._visits())

        parameters = _parameters(seconds)
        self.routing.CloseModelWithParameters(parameters)
        self.routing.AddAtSolutionCallback(report)
        if self.frozen:
            chains = [
                [self._index(number) for number in self.frozen.get(index, [])]
                for index in range(len(self.problem.vehicles))
            ]
            self.routing.ApplyLocksToAllVehicles(chains, False)  # noqa: FBT003 - routes stay open behind the prefix
        hint = None if start is None else self._assignment(start)
        if hint is not None:
            self.routing.SetFirstSolutionHint(hint)
        self.routing.SolveWithIteratedLocalSearch(parameters)

    def _assignment(self, start: Visits) -> Any:
        routes = [[self._index(number) for number in visits if number in self.node_of] for visits in start]
        return self.routing.ReadAssignmentFromRoutes(routes, True)  # noqa: FBT003 - what is left out stays out

    def _visits(self) -> Visits:
        """The routes of the solution that the solver stands on."""
        routes: list[tuple[int, ...]] = []
        for vehicle in range(len(self.problem.vehicles)):
            index = self.routing.NextVar(self.routing.Start(vehicle)).Value()
            visits = []
            while not self.routing.IsEnd(index):
                visits.append(self.tasks[self.manager.IndexToNode(index)])
                index = self.routing.NextVar(index).Value()
            routes.append(tuple(visits))
        return tuple(routes)


def _parameters(seconds: float) -> Any:
    """Iterated local search: ruin two neighbouring routes or some strings of visits, repair, improve, anneal."""
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    strategies = routing_enums_pb2.FirstSolutionStrategy
    parameters.first_solution_strategy = strategies.LOCAL_CHEAPEST_INSERTION
    # Guided local search would never end its first descent, and no ruin would follow.
    parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GREEDY_DESCENT
    parameters.time_limit.FromMilliseconds(max(1, int(seconds * 1000)))
    parameters.use_iterated_local_search = True
    iterated = parameters.iterated_local_search_parameters
    iterated.improve_perturbed_solution = True
    iterated.reference_solution_acceptance_strategy.simulated_annealing.automatic_temperatures = True
    ruin = iterated.ruin_recreate_parameters
    ruin.ruin_composition_strategy = _RUN_ONE_RANDOMLY
    ruin.recreate_strategy.heuristic = strategies.LOCAL_CHEAPEST_INSERTION
    ruin.ruin_strategies.add().spatially_close_routes.num_ruined_routes = 2
    strings = ruin.ruin_strategies.add().sisr
    strings.max_removed_sequence_size = 10
    strings.avg_num_removed_visits = 10
    strings.bypass_factor = 0.01
    return parameters


def _place(location_index: int | None) -> int:
    return _NOWHERE if location_index is None else location_index


def _seconds(problem: Problem, vehicle: Vehicle) -> NDArray[np.int64]:
    return travel_seconds(problem.matrices[vehicle.profile], vehicle.speed_factor)
