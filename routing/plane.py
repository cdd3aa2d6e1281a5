"""Travel that is computed where it is needed: places and a rule instead of a table of all pairs.

A table of n places takes 8 n^2 bytes: 32 MB for 2,000, 80 GB for 100,000. These take 16 n, and hand out dense blocks for the
few hundred places that a search looks at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from routing.problem import UNREACHABLE, Crossings, InvalidProblem, Matrix
from routing.travel import EstimatedTravel, apart_m

Floats = NDArray[np.float64]

_KNOWN: Final = 200_000  # ways that are remembered

ROUNDING: Final[Mapping[str, Callable[[Floats], Floats]]] = MappingProxyType(
    {
        "none": np.trunc,
        "round": np.round,
        "dimacs": lambda values: np.trunc(10 * values),
        "exact": lambda values: np.round(1000 * values),
    }
)
"""What a distance becomes: cut off, nearest whole number, ten times and cut off, a thousand times and nearest."""

_ROUNDING_ONE: Final[Mapping[str, Callable[[float], int]]] = MappingProxyType(
    {
        "none": math.trunc,
        "round": round,
        "dimacs": lambda value: math.trunc(10 * value),
        "exact": lambda value: round(1000 * value),
    }
)


class Plane:
    """A `TravelTable` of straight lines: metres and seconds are both the Euclidean distance, rounded by the rule named.

    `places` are (x, y) by location index. Raises `InvalidProblem` for an unknown rule, places that are no numbers, and
    a plane so wide that its distances do not fit a `Matrix`.
    """

    has_metres: Final = True
    has_cost: Final = False
    crossings: Final[Crossings | None] = None

    def __init__(self, places: Sequence[tuple[float, float]] | Floats, rounding: str = "round") -> None:
        if rounding not in ROUNDING:
            raise InvalidProblem("rounding", "rounding", rounding, f"expected one of {list(ROUNDING)}")
        self.rounding = rounding
        self.places: Floats = np.array(places, dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(self.places).all():
            culprit = int(np.argmin(np.isfinite(self.places).all(axis=1)))
            raise InvalidProblem("location", f"places[{culprit}]", tuple(self.places[culprit]), "expected two numbers")
        widest = np.ptp(self.places, axis=0) if len(self.places) else np.zeros(2)
        if ROUNDING[rounding](np.hypot(*widest)) >= UNREACHABLE:
            raise InvalidProblem("location", "places", tuple(widest), f"expected distances below {UNREACHABLE}")
        self.places.flags.writeable = False

    @property
    def size(self) -> int:
        """How many locations it knows."""
        return len(self.places)

    def distances(
        self, origins: Sequence[int] | NDArray[np.intp], to: Sequence[int] | NDArray[np.intp]
    ) -> NDArray[np.int64]:
        """From some places to some others, [from][to]."""
        apart = self.places[origins, None, :] - self.places[None, to, :]
        return ROUNDING[self.rounding](np.sqrt((apart**2).sum(axis=2))).astype(np.int64)

    def along(self, origins: NDArray[np.intp], to: NDArray[np.intp]) -> NDArray[np.int64]:
        """From each origin to the place at the same position in `to`."""
        apart = self.places[origins] - self.places[to]
        return ROUNDING[self.rounding](np.sqrt((apart**2).sum(axis=-1))).astype(np.int64)

    def pair(self, origin: int, to: int) -> tuple[int, int]:
        """Seconds and metres of one way."""
        (x, y), (to_x, to_y) = self.places[origin].tolist(), self.places[to].tolist()
        # The same operations in the same order as above, so the same number to the last bit.
        far = _ROUNDING_ONE[self.rounding](math.sqrt((x - to_x) * (x - to_x) + (y - to_y) * (y - to_y)))
        return far, far

    def price(self, origin: int, to: int) -> int:  # noqa: ARG002 - a plane has no prices of its own
        """Always 0: travel is priced by hour and kilometre."""
        return 0

    def block(self, indices: Sequence[int]) -> Matrix:
        """The dense matrix of some locations, in the order given."""
        table = self.distances(indices, indices).astype(np.int32)
        return Matrix(seconds=table, metres=table)


class EstimatedPlane:
    """A `TravelTable` of `EstimatedTravel` for points (lon, lat): the same numbers as its table, block by block."""

    has_metres: Final = True
    has_cost: Final = False
    crossings: Final[Crossings | None] = None

    def __init__(
        self, points: Sequence[tuple[float, float]], profile: str, travel: EstimatedTravel | None = None
    ) -> None:
        travel = EstimatedTravel() if travel is None else travel
        self.travel = replace(travel, speeds_kmh=dict(travel.speeds_kmh))  # a proxy cannot be sent to another process
        self.profile = profile
        self._points = [(float(lon), float(lat)) for lon, lat in points]
        self.travel.table(self._points[:1], profile)  # an unknown profile is refused now, not at the first question
        flat = np.array(self._points, dtype=np.float64).reshape(-1, 2)
        # Good enough to see who is whose neighbour; every way is measured on the globe.
        middle = math.radians(float(flat[:, 1].mean())) if len(flat) else 0.0
        self.places: Floats = flat * (111_320 * math.cos(middle), 111_320.0)
        self._radians: Floats = np.radians(flat)
        self._known: dict[tuple[int, int], tuple[int, int]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Another process asks for ways of its own."""
        return self.__dict__ | {"_known": {}}

    @property
    def size(self) -> int:
        """How many locations it knows."""
        return len(self._points)

    def along(
        self, origins: NDArray[np.intp] | Sequence[int], to: NDArray[np.intp] | Sequence[int]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Seconds and metres from each origin to the place at the same position in `to`."""
        here, there = self._radians[origins], self._radians[to]
        return self.travel.ways(apart_m(here[:, 0], here[:, 1], there[:, 0], there[:, 1]), self.profile)

    def pair(self, origin: int, to: int) -> tuple[int, int]:
        """Seconds and metres of one way; a plan asks for the same ways again and again."""
        known = self._known.get((origin, to))
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            seconds, metres = self.along([origin], [to])
            known = self._known[origin, to] = int(seconds[0]), int(metres[0])
        return known

    def price(self, origin: int, to: int) -> int:  # noqa: ARG002 - see Plane
        """Always 0: travel is priced by hour and kilometre."""
        return 0

    def block(self, indices: Sequence[int]) -> Matrix:
        """The dense matrix of some locations, in the order given."""
        return self.travel.table([self._points[index] for index in indices], self.profile)
