"""Pins set at a door: how far apart two points are, and which pin can be believed."""

from collections.abc import Mapping
from math import asin, cos, radians, sin, sqrt
from typing import Any, Final

_EARTH_M: Final = 6_371_000
# A fix that may be off by more than this is no doorstep.
WORST_ACCURACY_M: Final = 100
# No office's round goes further: such a pin is a phone that dreams.
FARTHEST_M: Final = 100_000


def metres_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The distance between two points (lat, lon) as the crow flies."""
    lat1, lon1, lat2, lon2 = map(radians, (*one, *other))
    chord = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_M * asin(sqrt(min(1.0, chord)))


def believable(pin: Mapping[str, Any], *, near: tuple[float, float]) -> bool:
    """True when a pin `{lat, lon, accuracy_m}` is exact enough to be a doorstep and within reach of the office."""
    close = metres_between((pin["lat"], pin["lon"]), near) <= FARTHEST_M
    return close and pin["accuracy_m"] <= WORST_ACCURACY_M
