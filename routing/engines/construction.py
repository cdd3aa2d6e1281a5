"""A first plan in milliseconds: regret insertion over arrays, good enough to publish and to start a search from.

It looks at one window per task at a time and at neither breaks nor the order inside locks, so it may promise a little
too much; whoever uses it verifies every route.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.problem import MAX_INSTANT, UNREACHABLE, Lock, Problem, TaskKind, Visits, travel_seconds

_FAR = 4 * MAX_INSTANT
_NEVER = np.float64(1e18)


@dataclass(slots=True)
class _Open:
    """One vehicle's growing route as arrays over its gaps: gap g lies before the g-th visit, the last before the end."""

    visits: list[int]
    leaves: NDArray[np.int64]
    latest: NDArray[np.int64]
    load_room: NDArray[np.int64]


class _Builder:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        tasks = problem.tasks
        self.place = np.array([t.location_index for t in tasks], dtype=np.int64)
        self.setup = np.array([t.setup for t in tasks], dtype=np.int64)
        self.service = np.array([t.service for t in tasks], dtype=np.int64)
        self.opens = np.array([min((a for a, _ in t.time_windows), default=0) for t in tasks], dtype=np.int64)
        self.closes = np.array([max((b for _, b in t.time_windows), default=_FAR) for t in tasks], dtype=np.int64)
        self.seconds = [travel_seconds(problem.matrices[v.profile], v.speed_factor) for v in problem.vehicles]
        self.prices = [self._price(v) for v in range(len(problem.vehicles))]
        shape = (len(tasks), problem.dimensions)
        self.delivery = np.array([t.delivery for t in tasks], dtype=np.int64).reshape(shape)
        self.pickup = np.array([t.pickup for t in tasks], dtype=np.int64).reshape(shape)
        self.rests = [sum(b.service for b in v.breaks) for v in problem.vehicles]
        self.routes = [self.opened(v, []) for v in range(len(problem.vehicles))]

    def _price(self, vehicle_index: int) -> NDArray[np.float64]:
        vehicle = self.problem.vehicles[vehicle_index]
        matrix = self.problem.matrices[vehicle.profile]
        if matrix.cost is not None:
            return matrix.cost.astype(np.float64)
        price = self.seconds[vehicle_index] * (vehicle.costs.per_hour / 3600)
        if matrix.metres is not None:
            price = price + matrix.metres * (vehicle.costs.per_km / 1000)
        return np.asarray(price, dtype=np.float64)

    def opened(self, vehicle_index: int, visits: list[int]) -> _Open | None:
        """The route with its slack at every gap, None when it does not work."""
        vehicle = self.problem.vehicles[vehicle_index]
        seconds = self.seconds[vehicle_index]
        opens, closes = vehicle.time_window or (0, _FAR)
        closes -= self.rests[vehicle_index]
        count = len(visits)
        leaves = np.empty(count + 1, dtype=np.int64)
        latest = np.empty(count + 1, dtype=np.int64)
        time, place = opens, vehicle.start
        leaves[0] = opens
        for at, task in enumerate(visits):
            to = int(self.place[task])
            travel = 0 if place is None else int(seconds[place, to])
            begins = max(time + travel, int(self.opens[task]))
            if travel == UNREACHABLE or begins > self.closes[task]:
                return None
            time = begins + int(self.service[task]) + (0 if place == to else int(self.setup[task]))
            leaves[at + 1] = time
            place = to
        home = 0 if place is None or vehicle.end is None else int(seconds[place, vehicle.end])
        if home == UNREACHABLE or time + home > closes:
            return None
        latest[count] = closes
        for at in range(count - 1, -1, -1):
            task = visits[at]
            place = int(self.place[task])
            following = int(self.place[visits[at + 1]]) if at + 1 < count else vehicle.end
            onward = 0 if following is None else int(seconds[place, following])
            before = vehicle.start if at == 0 else int(self.place[visits[at - 1]])
            action = int(self.service[task]) + (0 if before == place else int(self.setup[task]))
            latest[at] = min(int(self.closes[task]), int(latest[at + 1]) - onward - action)
        return _Open(visits, leaves, latest, self._room(vehicle_index, visits))

    def _room(self, vehicle_index: int, visits: list[int]) -> NDArray[np.int64]:
        """Per dimension what may still be brought (row 0: to any gap) and fetched; a lower bound over the route."""
        capacity = np.array(self.problem.vehicles[vehicle_index].capacity, dtype=np.int64)
        chosen = np.array(visits, dtype=np.int64)
        brought, fetched = self.delivery[chosen], self.pickup[chosen]
        load = brought.sum(axis=0) + np.vstack([np.zeros_like(capacity), np.cumsum(fetched - brought, axis=0)])
        forward = capacity - np.maximum.accumulate(load, axis=0)
        backward = capacity - np.maximum.accumulate(load[::-1], axis=0)[::-1]
        return np.stack([forward, backward])

    def best(self, vehicle_index: int, tasks: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """For each task the cheapest gap of the vehicle's route and its extra cost, `_NEVER` where none is free."""
        route, vehicle = self.routes[vehicle_index], self.problem.vehicles[vehicle_index]
        if route is None:
            return np.full(len(tasks), _NEVER), np.zeros(len(tasks), dtype=np.int64)
        seconds, prices = self.seconds[vehicle_index], self.prices[vehicle_index]
        visited = self.place[np.array(route.visits, dtype=np.int64)]
        somewhere = 0  # any index; its entries are zeroed below
        before = np.concatenate([[somewhere if vehicle.start is None else vehicle.start], visited])
        after = np.concatenate([visited, [somewhere if vehicle.end is None else vehicle.end]])
        place = self.place[tasks]
        there, onward = seconds[before][:, place].T.copy(), seconds[place][:, after].copy()
        price_there, price_onward = prices[before][:, place].T.copy(), prices[place][:, after].copy()
        price_direct = prices[before, after].copy()
        if vehicle.start is None:
            there[:, 0] = price_there[:, 0] = price_direct[0] = 0
        if vehicle.end is None:
            onward[:, -1] = price_onward[:, -1] = price_direct[-1] = 0
        if not route.visits:
            price_direct[:] = -vehicle.costs.fixed
        setup = np.where(place[:, None] == before[None, :], 0, self.setup[tasks][:, None])
        begins = np.maximum(route.leaves[None, :] + there, self.opens[tasks][:, None])
        done = begins + setup + self.service[tasks][:, None]
        fits = (there != UNREACHABLE) & (onward != UNREACHABLE) & (begins <= self.closes[tasks][:, None])
        fits &= done + onward <= route.latest[None, :]
        if self.problem.dimensions:
            # Brought goods lie in the bag up to the door, fetched ones from the door on.
            fits &= (self.delivery[tasks][:, None, :] <= route.load_room[0][None, :, :]).all(axis=2)
            fits &= (self.pickup[tasks][:, None, :] <= route.load_room[1][None, :, :]).all(axis=2)
        cost = np.where(fits, price_there + price_onward - price_direct[None, :], _NEVER)
        gap = cost.argmin(axis=1)
        return cost[np.arange(len(tasks)), gap], gap


def first_plan(problem: Problem, *, seconds: float) -> Visits:
    """Routes for as many jobs as fit easily; shipments are left to the engines."""
    deadline = time.monotonic() + seconds
    builder = _Builder(problem)
    for vehicle_index, vehicle in enumerate(problem.vehicles):
        kept = sorted(
            (task.rank, number)
            for number, task in enumerate(problem.tasks)
            if task.rank is not None and task.locked_vehicle == vehicle.id
        )
        builder.routes[vehicle_index] = builder.opened(vehicle_index, [number for _, number in kept])
    waiting = np.array(
        [n for n, t in enumerate(problem.tasks) if t.kind is TaskKind.JOB and t.rank is None], dtype=np.int64
    )
    banned = np.array(
        [[not problem.may_serve(v, problem.tasks[n]) for v in problem.vehicles] for n in waiting.tolist()], dtype=bool
    ).reshape(len(waiting), len(problem.vehicles))
    strange = np.array(
        [
            [
                t.preference_cost if t.preferred_vehicles and v.id not in t.preferred_vehicles else 0
                for v in problem.vehicles
            ]
            for t in (problem.tasks[n] for n in waiting.tolist())
        ],
        dtype=np.float64,
    ).reshape(banned.shape)
    weight = np.array([problem.tasks[n].priority + 101 * (problem.tasks[n].lock is not Lock.FREE) for n in waiting])
    cost = np.full(banned.shape, _NEVER)
    gap = np.zeros(banned.shape, dtype=np.int64)
    stale = set(range(len(problem.vehicles)))
    while len(waiting) and time.monotonic() < deadline:
        for vehicle_index in stale:
            extra, gap[:, vehicle_index] = builder.best(vehicle_index, waiting)
            cost[:, vehicle_index] = np.where(banned[:, vehicle_index], _NEVER, extra + strange[:, vehicle_index])
        chosen = cost.argmin(axis=1)
        lowest = cost[np.arange(len(waiting)), chosen]
        if (lowest >= _NEVER).all():
            break
        second = np.partition(cost, 1, axis=1)[:, 1] if cost.shape[1] > 1 else lowest
        regret = np.where(lowest >= _NEVER, -_NEVER, np.minimum(second, 1e15) - lowest + 1e16 * weight)
        row = int(regret.argmax())
        vehicle_index = int(chosen[row])
        route = builder.routes[vehicle_index]
        if route is None:
            raise RuntimeError("a vehicle whose kept jobs have no schedule was chosen")
        visits = [*route.visits]
        visits.insert(int(gap[row, vehicle_index]), int(waiting[row]))
        grown = builder.opened(vehicle_index, visits)
        stale = {vehicle_index}
        limit = problem.vehicles[vehicle_index].max_tasks
        if grown is None or (limit is not None and len(visits) > limit):
            banned[row, vehicle_index] = True
            continue
        builder.routes[vehicle_index] = grown
        keep = np.arange(len(waiting)) != row
        waiting, banned, strange, weight = waiting[keep], banned[keep], strange[keep], weight[keep]
        cost, gap = cost[keep], gap[keep]
    return tuple(tuple(route.visits) if route is not None else () for route in builder.routes)
