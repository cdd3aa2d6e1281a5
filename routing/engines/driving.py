"""Which kind of vehicle drives which route: PyVRP 0.14.1 has no move that gives a whole route to a vehicle of another kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyvrp import Activity, ProblemData, Route, Solution

_MOST: Final = 20_000
NEVER: Final = 2.0**60
"""The cost of a route that a vehicle cannot drive."""


class Drivers:
    """Finds the cheapest drivers for given routes among the kinds of vehicles of one `ProblemData`."""

    def __init__(self, data: ProblemData, line: Callable[[Route], tuple[int, str]]) -> None:
        """`line` says a route's vehicle type and activities."""
        self._data = data
        self._line = line
        self._free = np.array([kind.num_available for kind in data.vehicle_types()])
        self._costs: dict[str, NDArray[np.float64]] = {}

    def __bool__(self) -> bool:
        """Whether there is a choice."""
        return len(self._free) > 1

    def costs(self, text: str) -> NDArray[np.float64]:
        """What the route costs with each kind of vehicle, prizes aside."""
        found = self._costs.get(text)
        if found is None:
            if len(self._costs) > _MOST:
                self._costs.clear()
            activities = [Activity(word) for word in text.split()]
            found = np.array([self._cost(activities, kind) for kind in range(len(self._free))])
            self._costs[text] = found
        return found

    def _cost(self, activities: list[Activity], kind: int) -> float:
        try:
            route = Route(self._data, activities, kind)
        except ValueError:  # more trips than such a vehicle makes
            return NEVER
        if not route.is_feasible():
            return NEVER
        return float(route.distance_cost() + route.duration_cost() + route.fixed_vehicle_cost())

    def fitted(self, solution: Solution) -> Solution | None:
        """The same routes with the drivers that cost least together; None where they have them. It must be feasible."""
        lines = [self._line(route) for route in solution.routes()]
        costs = np.array([self.costs(text) for _, text in lines])
        now = np.array([kind for kind, _ in lines])
        each = np.arange(len(lines))
        best = _cheapest(costs, self._free) if lines else now
        if costs[each, best].sum() >= costs[each, now].sum():
            return None
        return _driven(self._data, solution.routes(), best, lambda route: self._line(route)[1])


class Rooms:
    """Finds drivers for routes whether or not these keep to what a vehicle can load, where kinds differ in room and price only.

    No move of PyVRP's search gives a route to another kind of vehicle, so a route that outgrows its vehicle is given up
    again instead of getting a larger one, and one that has shrunk goes on paying for room that it does not need. Genetic
    algorithms for mixed fleets choose anew for each solution what drives its routes (Vidal, Crainic, Gendreau and Prins,
    2014); here that is a table of routes and kinds, without a look at any stop.
    """

    def __init__(self, data: ProblemData) -> None:
        kinds = data.vehicle_types()
        self._data = data
        self._free = np.array([kind.num_available for kind in kinds])
        self._fixed = np.array([kind.fixed_cost for kind in kinds], dtype=np.float64)
        self._per_metre = np.array([kind.unit_distance_cost for kind in kinds], dtype=np.float64)
        self._per_second = np.array([kind.unit_duration_cost for kind in kinds], dtype=np.float64)
        self._rooms = np.array([kind.capacity for kind in kinds], dtype=np.float64)
        self._delivers = any(any(client.delivery) for client in data.clients())
        self._fetches = any(any(client.pickup) for client in data.clients())
        otherwise = {
            (
                kind.start_depot, kind.end_depot, kind.tw_early, kind.tw_late, kind.start_late, kind.shift_duration,
                kind.max_distance, kind.max_overtime, kind.unit_overtime_cost, kind.profile,
            )
            for kind in kinds
        }  # fmt: skip
        empty = not any(any(kind.initial_load) or kind.reload_depots for kind in kinds)
        # What a route carries at most is only what it delivers, or fetches, if it never does both.
        one_way = not (self._delivers and self._fetches) and not data.num_shipments
        self._differ = len(kinds) > 1 and len(otherwise) == 1 and empty and one_way

    def __bool__(self) -> bool:
        """Whether kinds differ, and in nothing but room and price."""
        return self._differ

    def fitted(self, solution: Solution, prices: Sequence[float]) -> Solution | None:
        """The same routes with the drivers that cost least together; None where they have them.

        A unit of load too much costs its price, one for each dimension.
        """
        routes = solution.routes()
        if not routes:
            return None
        now = np.array([route.vehicle_type() for route in routes])
        costs = self._fixed + np.array([route.distance() for route in routes])[:, None] * self._per_metre
        if self._per_second.any():
            costs += np.array([route.duration() for route in routes])[:, None] * self._per_second
        loads = np.array([route.pickup() if self._fetches else route.delivery() for route in routes])
        for dimension, price in enumerate(prices):
            costs += price * np.maximum(loads[:, dimension, None] - self._rooms[:, dimension], 0)
        best = _cheapest(costs, self._free)
        each = np.arange(len(routes))
        if costs[each, best].sum() > costs[each, now].sum() - _A_UNIT:
            return None
        return _driven(self._data, routes, best, str)


_A_UNIT: Final = 0.5
"""Costs are whole numbers; anything less is rounding."""


def _cheapest(costs: NDArray[np.float64], free: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each route (row) the kind of vehicle (column) such that all together cost least and none is used too often."""
    best: NDArray[np.intp] = costs.argmin(axis=1)
    if not (np.bincount(best, minlength=len(free)) > free).any():
        return best
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - fleets without end need none

    seats = np.repeat(np.arange(len(free)), np.minimum(free, len(costs)))
    _, taken = linear_sum_assignment(costs[:, seats])
    chosen: NDArray[np.intp] = seats[taken]
    return chosen


def _driven(
    data: ProblemData, routes: Sequence[Route], kinds: NDArray[np.intp], text: Callable[[Route], str]
) -> Solution:
    """The same routes, each driven by its kind of vehicle; `text` says a route's activities."""
    return Solution(
        data,
        [
            route
            if route.vehicle_type() == kind
            else Route(data, [Activity(word) for word in text(route).split()], int(kind))
            for route, kind in zip(routes, kinds, strict=True)
        ],
    )
