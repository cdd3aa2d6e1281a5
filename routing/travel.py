"""Travel without a map: geodesic distance times a detour by distance band, divided by the speed of the mode.

It is an estimate and says so in every answer. Short hops are the uncertain ones: where canals are many the true way
may be three times the straight line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from routing.problem import UNREACHABLE, InvalidProblem, Matrix, Travel

_EQUATORIAL_M: Final = 6_378_137.0
_FLATTENING: Final = 1 / 298.257223563
_ECCENTRICITY2: Final = _FLATTENING * (2 - _FLATTENING)

# Start values for a plain full of canals, by distance band: the closer, the greater the detour.
# Upper end of the band in metres, factor.
DETOURS: Final = ((2_000.0, 1.45), (5_000.0, 1.40), (15_000.0, 1.35), (float("inf"), 1.30))

# Door to door, km/h: assumptions until they are calibrated from handovers. `car` is VROOM's default profile.
SPEEDS_KMH: Final[Mapping[str, float]] = MappingProxyType({"motorbike": 27.0, "boat": 13.0, "foot": 4.5, "car": 27.0})


class TravelProvider(Protocol):
    """A source of travel times; one matrix never mixes two sources."""

    id: str
    version: str

    def table(self, points: Sequence[tuple[float, float]], profile: str) -> Matrix:
        """Seconds and metres between all points (lon, lat); `UNREACHABLE` where there is no way."""
        ...

    def provenance(self) -> Travel:
        """What to say about the source in the plan."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedTravel:
    """The estimate. `detours` are (upper end in metres, factor) in rising order, `speeds_kmh` by profile."""

    detours: tuple[tuple[float, float], ...] = DETOURS
    speeds_kmh: Mapping[str, float] = field(default_factory=lambda: SPEEDS_KMH)
    id: str = "estimated"
    version: str = "1"

    def __post_init__(self) -> None:
        ends = [end for end, _ in self.detours]
        if not ends or ends != sorted(set(ends)) or ends[-1] != float("inf") or not ends[0] > 0:
            raise InvalidProblem("detours", "detours", self.detours, "expected rising bands, the last without an end")
        if any(not 1 <= factor < 100 for _, factor in self.detours):
            raise InvalidProblem("detours", "detours", self.detours, "expected factors from 1 to 100")
        for profile, speed in self.speeds_kmh.items():
            if not 0 < speed < 1000:
                raise InvalidProblem("speed", f"speeds_kmh.{profile}", speed, "expected km/h between 0 and 1000")

    def table(self, points: Sequence[tuple[float, float]], profile: str) -> Matrix:
        """See `TravelProvider`. Raises `InvalidProblem` for points off the globe and unknown profiles."""
        if profile not in self.speeds_kmh:
            sentence = f"expected one of the modes {sorted(self.speeds_kmh)}"
            raise InvalidProblem("profile", "profile", profile, sentence)
        seconds, metres = self.ways(geodesic_m(points), profile)
        return Matrix(seconds=seconds, metres=metres)

    def ways(self, straight: NDArray[np.float64], profile: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Seconds and metres of ways that are `straight` metres as the crow flies, in an array of any shape."""
        ends = np.array([end for end, _ in self.detours])
        factors = np.array([factor for _, factor in self.detours])
        # A band's factor must not make a longer straight line the shorter way.
        floors = np.concatenate([[0.0], np.maximum.accumulate(ends[:-1] * factors[:-1])])
        band = np.searchsorted(ends, straight, side="right")
        metres = np.maximum(straight * factors[band], floors[band])
        seconds = metres * 3.6 / self.speeds_kmh[profile]
        whole = [np.minimum(np.rint(values), UNREACHABLE - 1).astype(np.int32) for values in (seconds, metres)]
        return whole[0], whole[1]

    def provenance(self) -> Travel:
        """The label of every matrix of this provider."""
        factors = [factor for _, factor in self.detours]
        speeds = ", ".join(f"{profile} {speed:g}" for profile, speed in sorted(self.speeds_kmh.items()))
        return Travel(
            source="estimated",
            method=f"geodesic x {min(factors):.2f}-{max(factors):.2f} by distance; km/h: {speeds}",
            warnings=("no road map: times are estimates, short ways across canals may be much longer",),
            share_estimated=1.0,
        )


def geodesic_m(points: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Metres between all points (lon, lat), by WGS84's radii of curvature at the middle latitude.

    Within 0.003 % of the exact geodesic over a province. Raises `InvalidProblem` for points off the globe.
    """
    places = np.array(points, dtype=np.float64).reshape(-1, 2)
    off = ~np.isfinite(places).all(axis=1) | (np.abs(places[:, 0]) > 180) | (np.abs(places[:, 1]) > 90)
    if off.any():
        culprit = int(np.argmax(off))
        sentence = "expected (longitude, latitude) within 180 and 90 degrees"
        raise InvalidProblem("location", f"locations[{culprit}]", tuple(points[culprit]), sentence)
    lon, lat = np.radians(places).T
    return apart_m(lon[:, None], lat[:, None], lon[None, :], lat[None, :])


def apart_m(
    lon: NDArray[np.float64], lat: NDArray[np.float64], to_lon: NDArray[np.float64], to_lat: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Metres between points in radians, element by element."""
    middle = (lat + to_lat) / 2
    curved = 1 - _ECCENTRICITY2 * np.sin(middle) ** 2
    meridian = _EQUATORIAL_M * (1 - _ECCENTRICITY2) / curved**1.5
    prime = _EQUATORIAL_M / np.sqrt(curved)
    # The shorter way round the globe.
    east = (to_lon - lon + np.pi) % (2 * np.pi) - np.pi
    north = to_lat - lat
    metres: NDArray[np.float64] = np.hypot(meridian * north, prime * np.cos(middle) * east)
    return metres
