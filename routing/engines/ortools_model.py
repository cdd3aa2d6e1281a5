"""A problem said to OR-Tools Routing: windows, breaks, locks, reloads and every limit of the model.

Time is the start of the work at a door. Set-up belongs to the work where it is always paid. At a door shared by
several visits it belongs to the way there, so that only the first of them pays it; where such a visit has windows, it
becomes two nodes of which one is used: as the first at its door, or as the next. A reload is several nodes, each of
one vehicle, that need not be visited. Two things are said more mildly than they are, and whoever takes a plan verifies
it: a ferry takes its average time, and a break may be taken with any load.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ortools.constraint_solver import pywrapcp  # type: ignore[import-untyped]  # it has no types

from routing.engines.ortools_loads import add_loads
from routing.engines.ortools_prices import Prices
from routing.engines.slack import adds_nothing
from routing.problem import UNREACHABLE, Lock, Problem, Task, TaskKind, Vehicle, Visits, travel_seconds

_NOWHERE = -1
_MOST_TRIPS = 8


@dataclass(frozen=True, slots=True)
class _Hours:
    """When a vehicle can work: its shift, and what of it is already history."""

    opens: int
    closes: int
    happened_until: int | None
    usable: bool


class _Door(Enum):
    """How a node pays its set-up."""

    OWN = "always, as part of its work"
    SHARED = "on the way, unless the node before is at the same door"
    FIRST = "as part of its work; the node before is elsewhere"
    NEXT = "never; the node before is at the same door"


class Model:
    """One problem said to OR-Tools; `tasks` is empty when no vehicle can do anything."""

    def __init__(self, problem: Problem, *, seed: int = 0, start: Visits | None = None) -> None:
        self.problem = problem
        self.matrices = {name: matrix.block(range(matrix.size)) for name, matrix in problem.matrices.items()}
        self._ways = {profile: self._open_ways(profile) for profile in problem.matrices}
        self.hours = [self._hours_of(index) for index in range(len(problem.vehicles))]
        self.allowed = [self._allowed(task) for task in problem.tasks[: problem.stops]]
        for number, task in enumerate(problem.tasks[: problem.stops]):  # a shipment needs one vehicle for both ends
            if task.partner is not None and task.partner > number:
                both = [v for v in self.allowed[number] if v in self.allowed[task.partner]]
                self.allowed[number] = self.allowed[task.partner] = both
        self.tasks = [number for number in range(problem.stops) if self.allowed[number]]
        if seed:  # OR-Tools has no seed; another order of the nodes sends it another way
            random.Random(seed).shuffle(self.tasks)  # noqa: S311
        if not self.tasks:
            return
        self.frozen = self._frozen()
        self.nodes, self.doors = self._doors()
        self.nodes_of: dict[int, list[int]] = {}
        for node, number in enumerate(self.nodes):
            self.nodes_of.setdefault(number, []).append(node)
        # Per vehicle and reload the nodes that stand for its visits there.
        self.reloads: dict[tuple[int, int], list[int]] = {}
        for vehicle_index in range(len(problem.vehicles)):
            self._add_reloads(vehicle_index, () if start is None else start[vehicle_index])
        places = sorted({_place(p) for vehicle in problem.vehicles for p in (vehicle.start, vehicle.end)})
        depot_of = {place: len(self.nodes) + at for at, place in enumerate(places)}
        at = [problem.tasks[number].location_index for number in self.nodes] + places
        self.location: NDArray[np.int64] = np.array(at)
        starts = [depot_of[_place(v.start)] for v in problem.vehicles]
        ends = [depot_of[_place(v.end)] for v in problem.vehicles]
        self.manager = pywrapcp.RoutingIndexManager(len(at), len(problem.vehicles), starts, ends)
        self.routing = pywrapcp.RoutingModel(self.manager)
        self.solver = self.routing.solver()
        setup = self.of_tasks(lambda task: task.setup)
        self.same_door: NDArray[np.bool_] = self.location[:, None] == self.location[None, :]
        on_the_way = self._nodes_with(_Door.SHARED)
        at_the_door = self._nodes_with(_Door.OWN, _Door.FIRST)
        # [from][to] what is paid on the way, and per node what is done at the door.
        self.setup: NDArray[np.int64] = np.where(~self.same_door & on_the_way[None, :], setup[None, :], 0)
        self.work: NDArray[np.int64] = self.of_tasks(lambda task: task.service) + np.where(at_the_door, setup, 0)
        self._settle_frozen()
        self.origin = min((hours.opens for hours in self.hours), default=0)
        self._evaluators: dict[bytes, int] = {}
        self._times: dict[tuple[str, float], NDArray[np.int64]] = {}
        self.horizon = self._horizon()
        self._time()
        self._breaks()
        add_loads(self)
        self._limits()
        self._trips(start)
        self._releases()
        self.prices = Prices(self)
        self.choices = self.prices.add()
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
            home = 0 if vehicle.end is None else int(self._seconds(vehicle)[place, vehicle.end])
            usable = closes < 0 or happened_until + home <= closes
            left = max(
                opens,
                facts[0][0] - (0 if vehicle.start is None else self._seconds(vehicle)[vehicle.start, facts[0][3]]),
            )
            longest = vehicle.longest_duration
            usable = usable and (longest is None or happened_until + home - left <= longest)
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
        """Whether load, hours and roads leave a chance. A way may lead round through other doors, so any will do."""
        hours = self.hours[index]
        place = task.location_index
        comes, goes = self._ways[vehicle.profile]
        heavy = any(
            max(out_amount, back_amount) > most
            for out_amount, back_amount, most in zip(task.delivery, task.pickup, vehicle.capacity, strict=True)
        )
        if not hours.usable or heavy:
            return False
        if (vehicle.start not in (None, place) and not comes[place]) or (
            vehicle.end not in (None, place) and not goes[place]
        ):
            return False
        earliest = max(task.release, hours.opens if hours.happened_until is None else hours.happened_until)
        if hours.closes >= 0 and earliest > hours.closes:
            return False
        return not task.time_windows or any(b >= earliest for _, b in task.time_windows)

    def _doors(self) -> tuple[list[int], list[_Door]]:
        """The task number of every node, and how it pays its set-up."""
        count = Counter(self.problem.tasks[number].location_index for number in self.tasks)
        count.update({vehicle.start for vehicle in self.problem.vehicles if vehicle.start is not None})
        count.update({self.problem.tasks[n].location_index for n in range(self.problem.stops, len(self.problem.tasks))})
        nodes, doors = [], []
        for number in self.tasks:
            task = self.problem.tasks[number]
            if not task.setup or count[task.location_index] == 1 or task.lock is Lock.FROZEN:
                kinds = [_Door.OWN]
            elif task.time_windows:
                kinds = [_Door.FIRST, _Door.NEXT]
            else:
                kinds = [_Door.SHARED]
            nodes += [number] * len(kinds)
            doors += kinds
        return nodes, doors

    def _add_reloads(self, vehicle_index: int, start: tuple[int, ...]) -> None:
        """Nodes for as many visits to each reload as the vehicle may need."""
        problem, vehicle = self.problem, self.problem.vehicles[vehicle_index]
        if not vehicle.reloads or vehicle.max_reloads == 0 or not self.hours[vehicle_index].usable:
            return
        amounts = [
            [max(d, p) for d, p in zip(problem.tasks[n].delivery, problem.tasks[n].pickup, strict=True)]
            for n in self.tasks
        ]
        totals = [sum(column) for column in zip(*amounts, strict=True)]
        capacities = [sum(column) for column in zip(*(v.capacity for v in problem.vehicles), strict=True)]
        fair = max((2 * total // max(1, most) for total, most in zip(totals, capacities, strict=True)), default=0)
        alone = max((total // max(1, most) for total, most in zip(totals, vehicle.capacity, strict=True)), default=0)
        trips = min(fair + 2, alone + 1, len(self.tasks), _MOST_TRIPS)
        if vehicle.max_reloads is not None:
            trips = min(trips, vehicle.max_reloads)
        for number in range(problem.stops, len(problem.tasks)):
            if problem.may_serve(vehicle, problem.tasks[number]):
                copies = max(trips, start.count(number))
                self.reloads[vehicle_index, number] = list(range(len(self.nodes), len(self.nodes) + copies))
                self.nodes += [number] * copies
                self.doors += [_Door.OWN] * copies

    def _nodes_with(self, *doors: _Door) -> NDArray[np.bool_]:
        return np.array([door in doors for door in self.doors] + [False] * (len(self.location) - len(self.doors)))

    def of_tasks(self, value: Callable[[Task], int]) -> NDArray[np.int64]:
        """One number per node, 0 at the depots."""
        numbers = [value(self.problem.tasks[number]) for number in self.nodes]
        return np.array(numbers + [0] * (len(self.location) - len(numbers)), dtype=np.int64)

    def travel(self, vehicle: Vehicle) -> NDArray[np.int64]:
        """Seconds [node][node], `UNREACHABLE` where there is no way, 0 from and to nowhere."""
        key = (vehicle.profile, vehicle.speed_factor)
        if key not in self._times:
            self._times[key] = self.between_nodes(self._seconds(vehicle))
        return self._times[key]

    def _seconds(self, vehicle: Vehicle) -> NDArray[np.int64]:
        return travel_seconds(self.matrices[vehicle.profile], vehicle.speed_factor)

    def _open_ways(self, profile: str) -> tuple[list[bool], list[bool]]:
        """Per location whether any way leads there, and from there, between the places of the day."""
        places = {task.location_index for task in self.problem.tasks}
        places |= {p for vehicle in self.problem.vehicles for p in (vehicle.start, vehicle.end) if p is not None}
        open_ways = self.matrices[profile].seconds != UNREACHABLE
        np.fill_diagonal(open_ways, val=False)
        among = np.isin(np.arange(len(open_ways)), sorted(places))
        return open_ways[among].any(axis=0).tolist(), open_ways[:, among].any(axis=1).tolist()

    def between_nodes(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """A table between locations as one [node][node], 0 from and to nowhere."""
        somewhere = self.location != _NOWHERE
        table = values[np.ix_(np.maximum(self.location, 0), np.maximum(self.location, 0))].astype(np.int64)
        # From start straight to end goes only a vehicle that stays at home, and that takes no time.
        at_work = np.arange(len(self.location)) < len(self.nodes)
        moving = at_work[:, None] | at_work[None, :]
        return np.where(somewhere[:, None] & somewhere[None, :] & moving, table, 0)

    def _horizon(self) -> int:
        """An instant by which every sensible plan is over."""
        ends = [hours.closes for hours in self.hours] + [hours.happened_until or 0 for hours in self.hours]
        ends += [b for number in self.tasks for _, b in self.problem.tasks[number].time_windows]
        ends += [b + r.service for v in self.problem.vehicles for r in v.breaks for _, b in r.time_windows]
        longest = np.zeros(len(self.location), dtype=np.int64)
        for vehicle in {(v.profile, v.speed_factor): v for v in self.problem.vehicles}.values():
            travel = self.travel(vehicle)
            longest = np.maximum(longest, np.where(travel == UNREACHABLE, 0, travel).max(axis=1))
        rests = sum(rest.service for vehicle in self.problem.vehicles for rest in vehicle.breaks)
        work = int(self.work.sum() + self.setup.max(axis=0).sum() + longest.sum()) + rests
        return max([self.origin, *ends]) - self.origin + work + 1

    # -- evaluators

    def matrix(self, values: NDArray[np.int64]) -> int:
        """The evaluator of a table [node][node]; equal tables share one."""
        key = np.ascontiguousarray(values, dtype=np.int64).tobytes()
        if key not in self._evaluators:
            self._evaluators[key] = self.routing.RegisterTransitMatrix(values.tolist())
        return self._evaluators[key]

    def indices(self, number: int) -> list[int]:
        """The variables that stand for the task; at most one of them is visited."""
        return [int(self.manager.NodeToIndex(node)) for node in self.nodes_of[number]]

    # -- constraints

    def _time(self) -> None:
        """Windows, shifts and what has already happened."""
        vehicles = self.problem.vehicles
        evaluators = {
            (v.profile, v.speed_factor): self.matrix(self._elapsed(v))
            for v in {(v.profile, v.speed_factor): v for v in vehicles}.values()
        }
        self._elapsing = [evaluators[v.profile, v.speed_factor] for v in vehicles]
        self.time = self.clock("time")
        for index, hours in enumerate(self.hours):
            closes = self.horizon if hours.closes < 0 or not hours.usable else hours.closes - self.origin
            self.time.CumulVar(self.routing.Start(index)).SetMin(hours.opens - self.origin)
            self.time.CumulVar(self.routing.End(index)).SetMax(min(closes, self.horizon))
            longest = vehicles[index].longest_duration
            if longest is not None and hours.usable:
                self.time.SetSpanUpperBoundForVehicle(min(longest, self.horizon), index)
        for node, number in enumerate(self.nodes):
            task = self.problem.tasks[number]
            variable = self.time.CumulVar(int(self.manager.NodeToIndex(node)))
            if task.happened_at is not None:
                variable.SetValue(task.happened_at - self.origin)
                continue
            if not task.time_windows:
                continue
            windows = [(a - self.origin, b - self.origin) for a, b in sorted(task.time_windows)]
            variable.SetRange(max(windows[0][0], 0), min(windows[-1][1], self.horizon))
            for (_, closed), (opens, _) in pairwise(windows):
                if closed + 1 <= opens - 1:
                    variable.RemoveInterval(closed + 1, opens - 1)

    def clock(self, name: str) -> Any:
        """A dimension that counts seconds from the origin."""
        self.routing.AddDimensionWithVehicleTransits(self._elapsing, self.horizon, self.horizon, False, name)  # noqa: FBT003
        return self.routing.GetDimensionOrDie(name)

    def _elapsed(self, vehicle: Vehicle) -> NDArray[np.int64]:
        """From the start of work at one node to the start of work at the next, without waiting."""
        travel = self.travel(vehicle)
        not_this_way = (self.same_door & self._nodes_with(_Door.FIRST)[None, :]) | (
            ~self.same_door & self._nodes_with(_Door.NEXT)[None, :]
        )
        never = self.horizon + 1
        elapsed = np.where((travel == UNREACHABLE) | not_this_way, never, travel + self.work[:, None] + self.setup)
        for prefix in self._facts():
            # What has happened has its own times; the estimate of the way between may say something else.
            elapsed[:, self.nodes_of[prefix[0]]] = 0
            for before, number in pairwise(prefix):
                passed = (self.problem.tasks[number].happened_at or 0) - (self.problem.tasks[before].happened_at or 0)
                elapsed[self.nodes_of[before], self.nodes_of[number]] = passed
        return elapsed

    def _settle_frozen(self) -> None:
        """Where the order is fixed it is known whether set-up is paid."""
        for vehicle_index, prefix in self.frozen.items():
            before = self.problem.vehicles[vehicle_index].start
            for number in prefix:
                task = self.problem.tasks[number]
                self.work[self.nodes_of[number]] = task.service + (0 if before == task.location_index else task.setup)
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

    def _breaks(self) -> None:
        # OR-Tools protects the work at a door from breaks, not the set-up on the way: the break covers that instead.
        setup = int(self.setup.max())
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

    def _limits(self) -> None:
        vehicles = self.problem.vehicles
        if any(vehicle.max_tasks is not None for vehicle in vehicles) or any(
            self.problem.tasks[number].rank is not None for number in self.tasks
        ):
            every = len(self.tasks)
            most = [every if v.max_tasks is None else min(v.max_tasks, every) for v in vehicles]
            one = self.of_tasks(lambda task: task.kind is not TaskKind.RELOAD)
            evaluator = self.routing.RegisterUnaryTransitVector(one.tolist())
            self.routing.AddDimensionWithVehicleCapacity(evaluator, 0, most, True, "tasks")  # noqa: FBT003
        for name in ("max_travel_time", "max_distance"):
            limits = [getattr(vehicle, name) for vehicle in vehicles]
            if all(limit is None for limit in limits):
                continue
            tables = [self.travel(v) if name == "max_travel_time" else self.metres(v) for v in vehicles]
            endless = sum(int(np.where(table == UNREACHABLE, 0, table).max(axis=1).sum()) for table in tables) + 1
            evaluators = [self.matrix(np.where(table == UNREACHABLE, 0, table)) for table in tables]
            most = [endless if limit is None else min(limit, endless) for limit in limits]
            self.routing.AddDimensionWithVehicleTransitAndCapacity(evaluators, 0, most, True, name)  # noqa: FBT003

    def metres(self, vehicle: Vehicle) -> NDArray[np.int64]:
        """Metres [node][node], all 0 where nobody knows them."""
        metres = self.matrices[vehicle.profile].metres
        if metres is None:
            return np.zeros((len(self.location), len(self.location)), dtype=np.int64)
        return self.between_nodes(metres)

    def _trips(self, start: Visits | None) -> None:
        """Reloads that do nothing are not driven to: at either end of the route, or beside one that does as much.

        What the given start begins with has its use: it is waited there for what comes late.
        """
        tasks = self.problem.tasks
        begun = {} if start is None else {index: route[0] for index, route in enumerate(start) if route}
        for (vehicle_index, number), nodes in self.reloads.items():
            others = [
                int(self.manager.NodeToIndex(node))
                for (whose, other), copies in self.reloads.items()
                for node in copies
                if whose == vehicle_index
                and (adds_nothing(tasks[number], tasks[other]) or adds_nothing(tasks[other], tasks[number]))
            ]
            for index in (int(self.manager.NodeToIndex(node)) for node in nodes):
                self.routing.AddDisjunction([index], 0)
                self.routing.VehicleVar(index).SetValues([-1, vehicle_index])
                self.routing.NextVar(index).RemoveValues([o for o in others if o != index])
                self.routing.NextVar(index).RemoveValue(self.routing.End(vehicle_index))
                if begun.get(vehicle_index) != number:
                    self.routing.NextVar(self.routing.Start(vehicle_index)).RemoveValue(index)
        for vehicle_index, vehicle in enumerate(self.problem.vehicles):
            mine = [node for (whose, _), nodes in self.reloads.items() if whose == vehicle_index for node in nodes]
            if vehicle.max_reloads is not None and len(mine) > vehicle.max_reloads:
                used = [self.routing.ActiveVar(int(self.manager.NodeToIndex(node))) for node in mine]
                self.solver.Add(self.solver.Sum(used) <= vehicle.max_reloads)

    def _releases(self) -> None:
        """A trip starts when all that it carries has come: the instant it waits for goes along with the vehicle."""
        released = {n: self.problem.tasks[n].release - self.origin for n in self.tasks}
        if all(release <= 0 for release in released.values()):
            return
        latest = max(released.values())
        zero = self.routing.RegisterUnaryTransitVector([0] * len(self.location))
        reset = self.of_tasks(lambda task: -latest if task.loads else 0)
        evaluator = self.routing.RegisterUnaryTransitVector(reset.tolist()) if reset.any() else zero
        self.routing.AddDimension(evaluator, 2 * latest if reset.any() else 0, latest, False, "released")  # noqa: FBT003
        dimension = self.routing.GetDimensionOrDie("released")
        for number, release in released.items():
            if release > 0 and self.problem.tasks[number].lock is not Lock.FROZEN:
                for index in self.indices(number):
                    dimension.CumulVar(index).SetMin(release)
                    self.time.CumulVar(index).SetMin(release)
        for vehicle_index in range(len(self.problem.vehicles)):
            start = self.routing.Start(vehicle_index)
            self.solver.Add(dimension.CumulVar(start) <= self.time.CumulVar(start))
        loading = {node for (_, n), nodes in self.reloads.items() if self.problem.tasks[n].loads for node in nodes}
        for node in range(len(self.nodes) if reset.any() else 0):
            index = int(self.manager.NodeToIndex(node))
            if node in loading:
                loaded = self.time.CumulVar(index) + int(self.work[node])
                self.solver.Add(dimension.CumulVar(index) + dimension.SlackVar(index) - latest <= loaded)
            else:
                dimension.SlackVar(index).SetValue(0)
        for vehicle_index in range(len(self.problem.vehicles) if reset.any() else 0):
            dimension.SlackVar(self.routing.Start(vehicle_index)).SetValue(0)

    def _rights(self) -> None:
        everyone = len(self.problem.vehicles)
        for number in self.tasks:
            if len(self.allowed[number]) < everyone:
                for index in self.indices(number):
                    # SetAllowedVehiclesForIndex does not take what Python has to offer; -1 is "left out".
                    self.routing.VehicleVar(index).SetValues([-1, *self.allowed[number]])

    def _pairs(self) -> None:
        for number in self.tasks:
            task = self.problem.tasks[number]
            if task.kind is TaskKind.PICKUP and task.partner is not None:
                self.routing.AddPickupAndDeliverySets(self.choices[number], self.choices[task.partner])

    def _order(self) -> None:
        # Locks applied to the model would hold for its next search only.
        for vehicle_index, prefix in self.frozen.items():
            before = self.routing.Start(vehicle_index)
            for number in prefix:
                (index,) = self.indices(number)
                self.routing.NextVar(before).SetValue(index)
                before = index
        ranked: dict[int, list[int]] = {}
        for number in self.tasks:
            task = self.problem.tasks[number]
            if task.rank is not None and task.lock is not Lock.FROZEN:
                ranked.setdefault(task.locked_vehicle or 0, []).append(number)
        for numbers in ranked.values():
            numbers.sort(key=lambda number: self.problem.tasks[number].rank or 0)
            position = self.routing.GetDimensionOrDie("tasks")
            for before, after in combinations(numbers, 2):  # any of them may be left out, so the pairs, not the chain
                for earlier, later in product(self.indices(before), self.indices(after)):
                    position.AddNodePrecedence(earlier, later, 1)

    def assignment(self, start: Visits) -> Any:
        """The routes as a solution to begin from, None when OR-Tools does not take them for one."""
        routes: list[list[int]] = []
        for vehicle, visits in zip(self.problem.vehicles, start, strict=True):
            route: list[int] = []
            place = vehicle.start
            free = {number: list(nodes) for (v, number), nodes in self.reloads.items() if v == len(routes)}
            for number in visits:
                if number in free:
                    route.append(int(self.manager.NodeToIndex(free[number].pop(0))))
                    place = self.problem.tasks[number].location_index
                elif number in self.nodes_of:
                    to = self.problem.tasks[number].location_index
                    route.append(self.indices(number)[-1 if place == to else 0])
                    place = to
            routes.append(route)
        return self.routing.ReadAssignmentFromRoutes(routes, True)  # noqa: FBT003 - what is left out stays out

    def visits(self) -> Visits:
        """The routes of the solution that the solver stands on."""
        routes: list[tuple[int, ...]] = []
        for vehicle in range(len(self.problem.vehicles)):
            index = self.routing.NextVar(self.routing.Start(vehicle)).Value()
            visits = []
            while not self.routing.IsEnd(index):
                visits.append(self.nodes[self.manager.IndexToNode(index)])
                index = self.routing.NextVar(index).Value()
            routes.append(tuple(visits))
        return tuple(routes)


def _place(location_index: int | None) -> int:
    return _NOWHERE if location_index is None else location_index
