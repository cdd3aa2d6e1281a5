"""A good plan for thousands of stops in a fraction of a second: routes are joined where that saves most.

Clarke and Wright's savings (1964) over pairs of neighbours only, so that time and memory grow with the stops and not
with their square. Ways are straight lines between places in the plane; whoever uses the plan verifies it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from routing.alike import fleet_of
from routing.problem import Lock, Problem, TaskKind, Vehicle, Visits

Places = NDArray[np.float64]
Whole = NDArray[np.int64]

_NEIGHBOURS: Final = 40
_NEIGHBOURS_OF_MANY: Final = 20
_MANY: Final = 12_000
_SHAPES: Final = (1.0, 0.9, 1.2)
"""How much the way between two stops counts against the ways home: none is best everywhere, so the best is kept."""

_SAMPLE: Final = 300
_MARGIN: Final = 0.95
"""Share of a limit on time or distance that is used: the ways are estimates."""


def savings_plan(problem: Problem, places: Places, homes: Places) -> Visits | None:
    """Routes that whoever uses them must verify; stops for which the vehicles do not suffice are left out.

    `places` is [stop][x, y] and `homes` is [vehicle][x, y]. None where savings say too little: with windows, releases,
    kept orders, locks, shipments, reloads, open routes, and stops that not every vehicle may serve.
    """
    tasks = problem.tasks[: problem.stops]
    odd = any(
        task.kind is not TaskKind.JOB
        or task.time_windows
        or task.release
        or task.rank is not None
        or task.lock is not Lock.FREE
        for task in tasks
    )
    if odd or not tasks or problem.reloads or any(v.start is None or v.start != v.end for v in problem.vehicles):
        return None
    fleet = fleet_of(problem, tasks=range(problem.stops), vehicles=range(len(problem.vehicles)))
    if not all(all(group.may) for group in fleet.groups):
        return None
    loads = np.array([[*task.delivery, *task.pickup] for task in tasks], dtype=np.int64)
    # Together they always fit; that a pick-up may take the room of what was delivered is the search's to find.
    loads = loads.reshape(len(tasks), 2, problem.dimensions).sum(axis=1)
    work = np.array([task.service + task.setup for task in tasks], dtype=np.int64)
    garages: dict[int | None, list[int]] = {}
    for index, vehicle in enumerate(problem.vehicles):
        garages.setdefault(vehicle.start, []).append(index)
    corners = homes[[indices[0] for indices in garages.values()]]
    nearest = cKDTree(corners).query(places)[1]
    routes: list[tuple[int, ...]] = [()] * len(problem.vehicles)
    for number, indices in enumerate(garages.values()):
        mine = np.flatnonzero(nearest == number)
        if not len(mine):
            continue
        usual = _usual(problem, indices)
        limits = _limits(problem, usual, mine, places)
        area = _Area(places[mine], corners[number], loads[mine], work[mine], usual.capacity, limits)
        found = [(route, loads[mine[route]].sum(axis=0)) for route in area.plan(len(indices))]
        for index, route in _manned(problem, indices, found):
            routes[index] = tuple(mine[route].tolist())
    return tuple(routes)


def _usual(problem: Problem, indices: Sequence[int]) -> Vehicle:
    """The vehicle of the capacity that most have."""
    counts: dict[tuple[int, ...], list[int]] = {}
    for index in indices:
        counts.setdefault(problem.vehicles[index].capacity, []).append(index)
    return problem.vehicles[max(counts.values(), key=len)[0]]


def _manned(
    problem: Problem, indices: Sequence[int], routes: list[tuple[list[int], Whole]]
) -> Iterator[tuple[int, list[int]]]:
    """A vehicle for each route, for the longest ones first, as long as there is one that carries it."""
    free = list(indices)
    for route, load in sorted(routes, key=lambda item: -len(item[0])):
        able = (at for at, i in enumerate(free) if (load <= np.array(problem.vehicles[i].capacity)).all())
        at = next(able, None)
        if at is not None:
            yield free.pop(at), route


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a route may be at most (None: anything); `pace` is seconds and `stretch` metres for one unit of the plane."""

    stops: int | None
    seconds: float | None
    travel: float | None
    metres: float | None
    pace: float
    stretch: float

    @property
    def any(self) -> bool:
        """Whether there is a limit on times or ways."""
        return any(limit is not None for limit in (self.seconds, self.travel, self.metres))

    def allow(self, length: float, work: int) -> bool:
        """Whether a route of this length in the plane may be."""
        seconds = self.pace * length
        return (
            (self.seconds is None or seconds + work <= self.seconds)
            and (self.travel is None or seconds <= self.travel)
            and (self.metres is None or self.stretch * length <= self.metres)
        )


def _limits(problem: Problem, vehicle: Vehicle, stops: NDArray[np.intp], places: Places) -> _Limits:
    longest = [] if vehicle.time_window is None else [vehicle.time_window[1] - vehicle.time_window[0]]
    longest += [] if vehicle.longest_duration is None else [vehicle.longest_duration]
    resting = sum(rest.service for rest in vehicle.breaks)
    travel, metres = vehicle.max_travel_time, vehicle.max_distance
    pace = stretch = 1.0
    if longest or travel is not None or metres is not None:
        # What a unit of the plane takes, from some pairs of stops.
        some = stops[:: max(1, len(stops) // _SAMPLE)].tolist()
        table = problem.matrices[vehicle.profile]
        straight, ways = 1e-9, np.zeros(2)
        for a, b in pairwise(some):
            straight += float(np.hypot(*(places[a] - places[b])))
            ways += table.pair(problem.tasks[a].location_index, problem.tasks[b].location_index)
        pace, stretch = (ways / straight / (vehicle.speed_factor, 1.0)).tolist()
    return _Limits(
        stops=vehicle.max_tasks,
        seconds=_MARGIN * (min(longest) - resting) if longest else None,
        travel=None if travel is None else _MARGIN * travel,
        metres=None if metres is None else _MARGIN * metres,
        pace=pace,
        stretch=stretch,
    )


class _Area:
    """The stops around one home, numbered from 0."""

    def __init__(
        self, places: Places, home: Places, loads: Whole, work: Whole, capacity: Sequence[int], limits: _Limits
    ) -> None:
        self.places = places
        self.loads = loads
        self.work = work.tolist()
        self.capacity = capacity
        self.limits = limits
        self.out = np.hypot(*(places - home).T)
        near = min(_NEIGHBOURS if len(places) <= _MANY else _NEIGHBOURS_OF_MANY, len(places) - 1)
        to = cKDTree(places).query(places, k=range(1, near + 2))[1][:, 1:].astype(np.int32)
        origin = np.repeat(np.arange(len(places), dtype=np.int32), near)
        to = to.ravel()
        pair = np.unique(np.minimum(origin, to).astype(np.int64) * len(places) + np.maximum(origin, to))
        self._from, self._to = (pair // len(places)).astype(np.int32), (pair % len(places)).astype(np.int32)
        self._apart = np.hypot(*(places[self._from] - places[self._to]).T)

    def plan(self, vehicles: int) -> list[list[int]]:
        """Of the plans of all shapes the one that needs no more vehicles than there are, then the shortest.

        Of many stops only the first shape is tried.
        """
        plans = [self._joined(shape) for shape in (_SHAPES if len(self.places) <= _MANY else _SHAPES[:1])]
        return min(plans, key=lambda routes: (max(0, len(routes) - vehicles), self._length(routes)))

    def _length(self, routes: list[list[int]]) -> float:
        flat = np.array([stop for route in routes for stop in route], dtype=np.intp)
        last = np.cumsum([len(route) for route in routes]) - 1
        within = np.hypot(*np.diff(self.places[flat], axis=0).T)
        within[last[:-1]] = 0.0
        ends = self.out[flat[last]].sum() + self.out[flat[np.r_[0, last[:-1] + 1]]].sum()
        return float(within.sum() + ends)

    def _joined(self, shape: float) -> list[list[int]]:
        saved = self.out[self._from] + self.out[self._to] - shape * self._apart
        order = np.argsort(-saved, kind="stable")[: int((saved > 0).sum())]
        # A chain is known by the stop that it was first; ends of chains have fewer than two neighbours in them.
        size = len(self.places)
        chain = list(range(size))
        links: list[list[int]] = [[] for _ in range(size)]
        members = [1] * size
        room = list(self.capacity)
        loads = self.loads.tolist()
        spans, work, out = [0.0] * size, list(self.work), self.out.tolist()
        tips: list[tuple[int, int]] = [(stop, stop) for stop in range(size)]
        limits, most, limited = self.limits, self.limits.stops, self.limits.any
        apart = self._apart[order].tolist() if limited else [0.0] * len(order)
        for a, b, far in zip(self._from[order].tolist(), self._to[order].tolist(), apart, strict=True):
            if len(links[a]) == 2 or len(links[b]) == 2:
                continue
            one, other = a, b
            while chain[one] != one:
                chain[one] = one = chain[chain[one]]
            while chain[other] != other:
                chain[other] = other = chain[chain[other]]
            if one == other or (most is not None and members[one] + members[other] > most):
                continue
            if any(x + y > z for x, y, z in zip(loads[one], loads[other], room, strict=True)):
                continue
            ends = [stop for tip in (tips[one], tips[other]) for stop in tip]
            ends.remove(a)
            ends.remove(b)
            if limited:
                span = spans[one] + spans[other] + far
                if not limits.allow(out[ends[0]] + span + out[ends[1]], work[one] + work[other]):
                    continue
                spans[one] = span
                work[one] += work[other]
            if members[one] < members[other]:
                one, other = other, one
                spans[one], work[one] = spans[other], work[other]
            chain[other] = one
            members[one] += members[other]
            loads[one] = [x + y for x, y in zip(loads[one], loads[other], strict=True)]
            tips[one] = ends[0], ends[1]
            links[a].append(b)
            links[b].append(a)
        return [_walk(links, tips[stop][0]) for stop in range(size) if chain[stop] == stop]


def _walk(links: list[list[int]], first: int) -> list[int]:
    route, before, stop = [first], -1, first
    while ahead := [to for to in links[stop] if to != before]:
        before, stop = stop, ahead[0]
        route.append(stop)
    return route
