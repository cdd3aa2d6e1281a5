"""Which kind of vehicle drives which route: PyVRP 0.14.1 has no move that gives a whole route to a vehicle of another kind."""

from __future__ import annotations

from collections.abc import Callable
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
        best = costs.argmin(axis=1) if lines else now
        if (np.bincount(best, minlength=len(self._free)) > self._free).any():
            from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - fleets without end need none

            seats = np.repeat(np.arange(len(self._free)), np.minimum(self._free, len(lines)))
            _, taken = linear_sum_assignment(costs[:, seats])
            best = seats[taken]
        if costs[each, best].sum() >= costs[each, now].sum():
            return None
        return Solution(
            self._data,
            [
                route if kind == was else Route(self._data, [Activity(word) for word in text.split()], int(kind))
                for route, (was, text), kind in zip(solution.routes(), lines, best, strict=True)
            ],
        )
