"""What can be cut into parts: PyVRP's data with its tables in memory, or a `Problem` whose travel may be lazy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyvrp import Client, ClientGroup, Depot, ProblemData
from pyvrp import Shipment as PyvrpShipment

from routing.alike import fleet_of
from routing.engines.decomposing import Loads, Numbers, Part, Places, Rank
from routing.engines.phrasebook import Translation
from routing.engines.pyvrp_model import translate
from routing.engines.pyvrp_search import INFEASIBLE, Routes
from routing.problem import Problem, TaskKind

_FORBIDDEN: Final = 2**40
"""PyVRP has no forbidden ways and no limits without end, only values larger than this."""


# -- PyVRP's data


@dataclass(frozen=True, slots=True, eq=False)
class DataPiece:
    """Some clients, shipments and vehicles of PyVRP's data; numbers as in `DataWhole`."""

    data: ProblemData
    start: Routes
    words: Mapping[str, int]
    vehicles: tuple[tuple[int, ...], ...]  # per vehicle type of `data`
    dear: frozenset[str]  # words of what must be served and may be left out for now
    price: int  # of leaving out one of them

    def loads(self, routes: Routes) -> Loads:
        """See `Piece`."""
        used: Counter[int] = Counter()
        loads = []
        for kind, text in routes:
            loads.append((self.vehicles[kind][used[kind]], tuple(self.words[word] for word in text.split())))
            used[kind] += 1
        return tuple(loads)

    def rank(self, routes: Routes, cost: int) -> Rank:
        """See `Piece`."""
        if cost >= INFEASIBLE:
            return 1, 0, 0
        left_out = (
            len(self.dear) - sum(word in self.dear for _, text in routes for word in text.split()) if self.dear else 0
        )
        return 0, left_out, cost - left_out * self.price


class DataWhole:
    """PyVRP's data. Stop c is client c; behind the clients come pick-up and delivery of each shipment, then the depots.

    Vehicles are numbered type by type.
    """

    def __init__(self, data: ProblemData) -> None:
        self.data = data
        self._clients = data.clients()
        self._shipments = data.shipments()
        self._depots = data.depots()
        self._types = data.vehicle_types()
        self._groups = data.groups()
        self._locations = data.locations()
        self._distances: list[Any] = data.distance_matrices()
        self._durations: list[Any] = data.duration_matrices()
        clients, shipments = len(self._clients), len(self._shipments)
        self.stops = clients + 2 * shipments
        at = [client.location for client in self._clients]
        at += [step.location for s in self._shipments for step in (s.pickup, s.delivery)]
        drawn = np.array([(place.x, place.y) for place in self._locations], dtype=np.float64).reshape(-1, 2)
        if not np.ptp(drawn, axis=0).any():
            drawn = drawn_from(self._distances[0])
        self.places: Places = drawn[at]
        counts = [kind.num_available for kind in self._types]
        self.kinds: Numbers = np.repeat(np.arange(len(counts)), counts)
        starts = np.array([self._depots[kind.start_depot].location for kind in self._types], dtype=np.intp)
        self.homes: Places = drawn[starts][self.kinds]
        self.bundles: dict[int, tuple[int, ...]] = {}
        for group in self._groups:
            self.bundles |= dict.fromkeys(group.clients, tuple(group.clients))
        for first in range(clients, self.stops, 2):
            self.bundles |= dict.fromkeys((first, first + 1), (first, first + 1))
        loads = [[*client.delivery, *client.pickup] for client in self._clients]
        loads += [[*amount, *amount] for s in self._shipments for amount in (s.amount, [0] * len(s.amount))]
        self._amounts = np.array(loads, dtype=np.float64).reshape(self.stops, -1)
        self.compulsory = np.array([self._must(number) for number in range(self.stops)], dtype=bool)
        self.fill = _shares_of(self._amounts, [kind.capacity for kind in self._types])
        self._closes = [client.tw_late for client in self._clients]
        self._closes += [step.tw_late for s in self._shipments for step in (s.pickup, s.delivery)]
        self._price = self._dearest_alone(np.array(at, dtype=np.intp))
        self._numbers = {f"C{c}": c for c in range(clients)}
        for s in range(shipments):
            self._numbers |= {f"L{s}": clients + 2 * s, f"U{s}": clients + 2 * s + 1}
        self._numbers |= {f"D{d}": self.stops + d for d in range(len(self._depots))}
        self._words = {number: word for word, number in self._numbers.items()}

    def _dearest_alone(self, at: Numbers) -> int:
        """More than any stop costs that has a vehicle to itself, so that nothing is left out which can be served.

        Not much more: PyVRP's penalties must still outweigh it, or routes would rather break rules.
        """
        alone = np.full(len(at), _FORBIDDEN)
        for kind in self._types:
            start, end = self._depots[kind.start_depot].location, self._depots[kind.end_depot].location
            far, long = self._distances[kind.profile], self._durations[kind.profile]
            cost = kind.fixed_cost + kind.unit_distance_cost * (far[start, at] + far[at, end])
            cost = cost + kind.unit_duration_cost * (long[start, at] + long[at, end])
            alone = np.minimum(alone, cost)
        return 1 + int(alone[alone < _FORBIDDEN].max(initial=0))

    def loads(self, routes: Routes) -> Loads:
        """Routes of the whole data as numbers."""
        first = np.searchsorted(self.kinds, np.arange(len(self._types)))
        used: Counter[int] = Counter()
        loads = []
        for kind, text in routes:
            loads.append((int(first[kind]) + used[kind], tuple(self._numbers[word] for word in text.split())))
            used[kind] += 1
        return tuple(loads)

    def routes(self, loads: Loads) -> Routes:
        """The way back."""
        return tuple((int(self.kinds[v]), " ".join(self._words[number] for number in visits)) for v, visits in loads)

    def piece(self, part: Part) -> DataPiece:
        """See `Whole`: slices of the tables, and the same clients, shipments and depots at new places."""
        numbers = {number for _, visits in part.routes for number in visits if number < self.stops} | set(part.extra)
        numbers |= {other for number in tuple(numbers) for other in self.bundles.get(number, ())}
        urgent = not part.insists and any(self._must(number) for number in part.extra)
        pools: dict[int, list[int]] = {}
        for vehicle in sorted(part.vehicles):
            pools.setdefault(int(self.kinds[vehicle]), []).append(vehicle)
        kind_at = {kind: at for at, kind in enumerate(pools)}
        types = [self._types[kind] for kind in pools]
        depots = sorted({d for kind in types for d in (kind.start_depot, kind.end_depot, *kind.reload_depots)})
        clients = sorted(number for number in numbers if number < len(self._clients))
        shipments = sorted({(n - len(self._clients)) // 2 for n in numbers if n >= len(self._clients)})
        words = {self.stops + depot: f"D{at}" for at, depot in enumerate(depots)}
        words |= {number: f"C{at}" for at, number in enumerate(clients)}
        for at, shipment in enumerate(shipments):
            loaded = len(self._clients) + 2 * shipment
            words |= {loaded: f"L{at}", loaded + 1: f"U{at}"}
        where = _Numbering()
        data = self._data(where, depots, clients, shipments, pools, urgent=urgent)
        return DataPiece(
            data,
            start=tuple(
                (kind_at[int(self.kinds[vehicle])], " ".join(words[number] for number in visits))
                for vehicle, visits in part.begun
            ),
            words={word: number for number, word in words.items()},
            vehicles=tuple(tuple(pool) for pool in pools.values()),
            dear=frozenset(words[number] for number in numbers if self._counts(number)) if urgent else frozenset(),
            price=self._price,
        )

    def enough(self, vehicle: int, stops: Sequence[int]) -> int:
        """See `Whole`."""
        kind = self._types[int(self.kinds[vehicle])]
        limits = [kind.shift_duration, kind.max_distance, kind.tw_late, *(self._closes[stop] for stop in stops)]
        free = min(limits) >= _FORBIDDEN
        return _filled(self._amounts[list(stops)], kind.capacity) if free else len(stops)

    def _data(
        self, where: _Numbering, depots: Sequence[int], clients: Sequence[int], shipments: Sequence[int],
        pools: Mapping[int, Sequence[int]], *, urgent: bool,
    ) -> ProblemData:  # fmt: skip
        types = [self._types[kind] for kind in pools]
        profiles = sorted({kind.profile for kind in types})
        depot_at = {depot: at for at, depot in enumerate(depots)}
        groups = {group for c in clients if (group := self._clients[c].group) is not None}
        group_at = {group: at for at, group in enumerate(sorted(groups))}
        members: list[list[int]] = [[] for _ in group_at]
        made = []
        for at, number in enumerate(clients):
            client = self._clients[number]
            group = None if client.group is None else group_at[client.group]
            if group is not None:
                members[group].append(at)
            waived = urgent and client.required
            made.append(
                Client(
                    where[client.location], client.delivery, client.pickup, client.service_duration, client.tw_early,
                    client.tw_late, client.release_time, self._price if waived else client.prize,
                    required=client.required and not waived, group=group,
                )
            )  # fmt: skip
        loads = [self._shipment(where, self._shipments[number], urgent=urgent) for number in shipments]
        at_depots = [self._depots[number] for number in depots]
        stations = [Depot(where[d.location], d.tw_early, d.tw_late, d.service_duration) for d in at_depots]
        fleet = [
            kind.replace(
                num_available=len(pool), start_depot=depot_at[kind.start_depot], end_depot=depot_at[kind.end_depot],
                reload_depots=[depot_at[d] for d in kind.reload_depots], profile=profiles.index(kind.profile),
            )
            for kind, pool in zip(types, pools.values(), strict=True)
        ]  # fmt: skip
        block = np.ix_(list(where), list(where))
        return ProblemData(
            [self._locations[place] for place in where], made, stations, fleet,
            [self._distances[profile][block] for profile in profiles],
            [self._durations[profile][block] for profile in profiles],
            [ClientGroup(some, self._groups[g].required) for some, g in zip(members, group_at, strict=True)],
            loads,
        )  # fmt: skip

    def _shipment(self, where: _Numbering, shipment: PyvrpShipment, *, urgent: bool) -> PyvrpShipment:
        waived = urgent and shipment.required
        first, last = shipment.pickup, shipment.delivery
        return PyvrpShipment(
            where[first.location], where[last.location], first.tw_early, first.tw_late, first.service_duration,
            last.tw_early, last.tw_late, last.service_duration, shipment.amount,
            self._price if waived else shipment.prize, required=shipment.required and not waived,
        )  # fmt: skip

    def _must(self, number: int) -> bool:
        clients = len(self._clients)
        if number < clients:
            return bool(self._clients[number].required)
        return bool(self._shipments[(number - clients) // 2].required)

    def _counts(self, number: int) -> bool:
        """Whether leaving it out counts; a shipment counts once, by its pick-up."""
        return self._must(number) and (number < len(self._clients) or (number - len(self._clients)) % 2 == 0)


def _filled(amounts: NDArray[np.float64], capacity: Sequence[int]) -> int:
    """How many vehicles the deliveries or pick-ups could fill (columns: all deliveries, all pick-ups), generously."""
    rooms = np.maximum(np.array([*capacity, *capacity], dtype=np.float64), 1.0)
    needed = amounts.sum(axis=0) / rooms if amounts.size else np.zeros(1)
    return int(min(len(amounts), 5 + 1.5 * needed.max(initial=0.0)))


def _shares_of(amounts: NDArray[np.float64], capacities: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Which share of the middle one of some capacities each stop fills, in the dimension that it fills most."""
    dimensions = amounts.shape[1] // 2
    if not dimensions:
        return np.zeros(len(amounts))
    middle = np.median(np.array([list(c)[:dimensions] for c in capacities], dtype=np.float64), axis=0)
    shares: NDArray[np.float64] = (amounts / np.maximum(np.tile(middle, 2), 1.0)).max(axis=1)
    return shares


class _Numbering(dict[int, int]):
    """Numbers keys as they are asked for."""

    def __missing__(self, key: int) -> int:
        number = self[key] = len(self)
        return number


# -- our own problem


@dataclass(frozen=True, slots=True, eq=False)
class ProblemPiece:
    """Some tasks and vehicles of a `Problem`; numbers are task numbers and vehicle indices."""

    translation: Translation
    start: Routes
    part: Part
    urgency: Mapping[str, int]

    @property
    def data(self) -> ProblemData:
        """See `Piece`."""
        return self.translation.data

    def loads(self, routes: Routes) -> Loads:
        """See `Piece`."""
        visits = self.translation.to_visits(routes)
        return tuple((vehicle, visits[vehicle]) for vehicle in sorted(self.part.vehicles) if visits[vehicle])

    def rank(self, routes: Routes, cost: int) -> Rank:
        """See `Piece`."""
        if cost >= INFEASIBLE:
            return 1, 0, 0
        served = sum(self.urgency.get(word, 0) for _, text in routes for word in text.split()) if self.urgency else 0
        return 0, -served, cost


class ProblemWhole:
    """A `Problem`, of whose travel only the blocks are computed that its parts need."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.stops = problem.stops
        drawn = places_of(problem)
        self.places: Places = drawn[[task.location_index for task in problem.tasks[: problem.stops]]]
        anywhere = drawn.mean(axis=0) if len(drawn) else np.zeros(2)
        ends = [vehicle.end if vehicle.start is None else vehicle.start for vehicle in problem.vehicles]
        self.homes: Places = np.array([anywhere if end is None else drawn[end] for end in ends]).reshape(-1, 2)
        self.kinds: Numbers = np.zeros(len(problem.vehicles), dtype=np.intp)
        fleet = fleet_of(problem, tasks=range(problem.stops), vehicles=range(len(problem.vehicles)))
        for number, group in enumerate(fleet.groups):
            self.kinds[list(group.vehicles)] = number
        loads = [[*task.delivery, *task.pickup] for task in problem.tasks[: problem.stops]]
        self._amounts = np.array(loads, dtype=np.float64).reshape(problem.stops, -1)
        self.compulsory = np.array([task.prize is None for task in problem.tasks[: problem.stops]], dtype=bool)
        capacities = {vehicle.capacity: None for vehicle in problem.vehicles}
        self.fill = _shares_of(self._amounts, list(capacities))
        self.bundles = {
            number: (min(number, task.partner), max(number, task.partner))
            for number, task in enumerate(problem.tasks)
            if task.partner is not None
        }

    def enough(self, vehicle: int, stops: Sequence[int]) -> int:
        """See `Whole`."""
        driver = self.problem.vehicles[vehicle]
        limits = (
            driver.longest_duration,
            driver.max_distance,
            driver.max_travel_time,
            driver.max_tasks,
            driver.time_window,
        )
        free = all(limit is None for limit in limits) and not any(
            self.problem.tasks[stop].time_windows for stop in stops
        )
        return _filled(self._amounts[list(stops)], driver.capacity) if free else len(stops)

    def piece(self, part: Part) -> ProblemPiece:
        """See `Whole`: `translate` of the part, where left-out tasks have a price unless the part insists."""
        problem = self.problem
        numbers = {number for _, visits in part.routes for number in visits if number < self.stops} | set(part.extra)
        priced = bool(part.extra) and not part.insists
        translation = translate(problem, tasks=numbers, vehicles=part.vehicles, compulsory=not priced)
        visits = dict(part.begun)
        urgency = {
            word: 1 + problem.tasks[number].priority
            for word, number in translation.task_of.items()
            if number < self.stops
            and problem.tasks[number].prize is None
            and problem.tasks[number].kind is not TaskKind.DELIVERY
        }
        start = translation.from_visits(tuple(visits.get(v, ()) for v in range(len(problem.vehicles))))
        return ProblemPiece(translation, start, part, urgency if priced else {})


# -- where things are


def places_of(problem: Problem) -> Places:
    """A place in the plane for every location, from what is known: lazy travel's own, the map's, or the travel times."""
    first = problem.matrices[problem.vehicles[0].profile]
    known = getattr(first, "places", None)
    if known is not None:
        return np.array(known, dtype=np.float64)
    if problem.locations is not None and None not in problem.locations:
        flat: Places = np.array(problem.locations, dtype=np.float64)
        return np.column_stack([flat[:, 0] * np.cos(np.radians(flat[:, 1].mean())), flat[:, 1]])
    return drawn_from(first.block(range(first.size)).seconds)


def drawn_from(table: Any) -> Places:
    """Places whose distances resemble a table's: FastMap (Faloutsos and Lin, 1995) along two pairs of far-off pivots."""
    size = len(table)
    places = np.zeros((size, 2))
    reach = np.median(table) * 4.0  # a forbidden way is no distance

    def apart(pivot: int, axis: int) -> Places:
        to_and_fro = (np.minimum(table[pivot], reach) + np.minimum(table[:, pivot], reach)) / 2.0
        squared = to_and_fro.astype(np.float64) ** 2
        for done in range(axis):
            squared = squared - (places[:, done] - places[pivot, done]) ** 2
        return np.asarray(np.maximum(squared, 0.0), dtype=np.float64)

    for axis in range(2):
        first = int(np.argmax(apart(0, axis))) if size else 0
        squared = apart(first, axis) if size else np.zeros(0)
        last = int(np.argmax(squared)) if size else 0
        if not size or squared[last] == 0:
            break
        places[:, axis] = (squared + squared[last] - apart(last, axis)) / (2 * np.sqrt(squared[last]))
    return places
