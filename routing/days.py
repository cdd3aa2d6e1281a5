"""Invented days like ours, each from its seed: an office, clusters of stops beyond a river, few postmen.

150-400 stops in clusters of about 25 on 22 km, 5-12 postmen with eight hours, a bag of 70 items and a limit on the money
they carry; three stops in ten have a window of two to four hours. Ways are a detour on the straight line at 20 km/h, a
little longer one way than the other. Who crosses the river does so at a ferry, whose expected wait differs by
direction. One unit of cost is one second of travel. Published figures use seeds below 1,000,000.
"""

from __future__ import annotations

import math
import random
from typing import Final

import numpy as np

from routing.instances import Carrier, Instance

SHIFT_SECONDS: Final = 8 * 3600
BAG: Final = 70
WIDE_M: Final = 22_000
_DETOUR: Final = 1.4
_METRES_PER_SECOND: Final = 20 / 3.6
_LEAST, _MOST = 150, 400
_STOPS_PER_POSTMAN: Final = 33
_SERVICE: Final = 240


def day_instance(seed: int, *, stops: int | None = None) -> Instance:
    """The day of this seed (0 or above); `stops` replaces its own number of them."""
    if seed < 0:
        raise ValueError(f"expected a seed of 0 or above, got {seed}")
    rng = random.Random(f"a day like ours, {seed}")  # noqa: S311 - an invented day, not a secret
    count = stops or rng.randint(_LEAST, _MOST)
    office = (WIDE_M * rng.uniform(0.35, 0.65), WIDE_M * rng.uniform(0.35, 0.65))
    middles = [(rng.uniform(0, WIDE_M), rng.uniform(0, WIDE_M)) for _ in range(max(1, round(count / 25)))]
    places = [office]
    for _ in range(count):
        x, y = rng.choice(middles)
        places.append((rng.gauss(x, 900), rng.gauss(y, 900)))
    river = WIDE_M * rng.choice([rng.uniform(0.15, 0.3), rng.uniform(0.7, 0.85)])
    landings = sorted(rng.uniform(0.1, 0.9) * WIDE_M for _ in range(2))
    waits = [(rng.randint(400, 900), rng.randint(400, 900)) for _ in landings]
    seconds = _travel(places, river, landings, waits, rng)
    windows = [(0, SHIFT_SECONDS)]
    cash = [0]
    for _ in range(count):
        length = rng.randrange(7200, 14_401, 900)
        opens = rng.randrange(0, SHIFT_SECONDS - length - 3600 + 1, 900)
        windows.append((opens, opens + length) if rng.random() < 0.3 else (0, SHIFT_SECONDS))
        cash.append(rng.choice([0, 0, 135, 300, 600, 1000, 2000]))  # thousand dong
    postmen = min(12, max(5, math.ceil(count / _STOPS_PER_POSTMAN)))
    limit = max(2000, math.ceil(1.3 * sum(cash) / postmen))
    delivery = np.zeros((count + 1, 2), dtype=np.int64)
    delivery[1:, 0] = 1
    pickup = np.zeros((count + 1, 2), dtype=np.int64)
    pickup[:, 1] = cash
    service = np.full(count + 1, _SERVICE, dtype=np.int64)
    service[0] = 0
    nothing = np.zeros(count + 1, dtype=np.int64)
    return Instance(
        name=f"day-{seed}", kind="DAY", convention="none", depots=1, places=np.array(places), distances=seconds,
        delivery=delivery, pickup=pickup, service=service, windows=np.array(windows, dtype=np.int64), release=nothing,
        prize=nothing, pairs=(), carriers=(Carrier(capacity=(max(BAG, math.ceil(1.2 * count / postmen)), limit)),) * postmen,
    )  # fmt: skip


def _travel(
    places: list[tuple[float, float]],
    river: float,
    landings: list[float],
    waits: list[tuple[int, int]],
    rng: random.Random,
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    size = len(places)
    table = np.zeros((size, size), dtype=np.int64)
    for i, (x, y) in enumerate(places):
        for j, (u, v) in enumerate(places):
            if i == j:
                continue
            crooked = rng.uniform(1.0, 1.06)
            if (x < river) == (u < river):
                straight = math.hypot(x - u, y - v)
                table[i, j] = round(crooked * _DETOUR * straight / _METRES_PER_SECOND)
                continue
            table[i, j] = min(
                round(
                    crooked
                    * _DETOUR
                    * (math.hypot(x - river, y - at) + math.hypot(river - u, at - v))
                    / _METRES_PER_SECOND
                )
                + wait[x < river]
                for at, wait in zip(landings, waits, strict=True)
            )
    return table
