"""Estimated travel: the fast geodesic against geopy's exact one, detours, and its honest label."""

import random

import numpy as np
import pytest
from geopy.distance import geodesic

from routing import UNREACHABLE, InvalidProblem
from routing.travel import DETOURS, SPEEDS_KMH, EstimatedTravel, geodesic_m


def points(count: int, seed: int, *, west=104.5, east=105.9, south=8.3, north=9.7) -> list[tuple[float, float]]:
    rng = random.Random(seed)
    return [(rng.uniform(west, east), rng.uniform(south, north)) for _ in range(count)]


def test_over_the_province_it_is_within_a_hundredth_of_a_percent_of_the_exact_geodesic():
    corners = [(104.5, 8.3), (105.9, 9.7), (104.5, 9.7), (105.9, 8.3)]
    places = [*points(36, 1), *corners]
    fast = geodesic_m(places)
    for i, (lon, lat) in enumerate(places):
        for j, (other_lon, other_lat) in enumerate(places):
            exact = geodesic((lat, lon), (other_lat, other_lon)).m
            assert abs(fast[i, j] - exact) <= 1e-4 * exact + 1e-6


def test_for_neighbours_it_is_exact_to_the_centimetre():
    rng = random.Random(2)
    for lon, lat in points(50, 3):
        near = (lon + rng.uniform(-0.002, 0.002), lat + rng.uniform(-0.002, 0.002))
        exact = geodesic((lat, lon), (near[1], near[0])).m
        assert geodesic_m([(lon, lat), near])[0, 1] == pytest.approx(exact, abs=0.01)


def test_it_takes_the_short_way_over_the_date_line():
    assert geodesic_m([(179.9, 0.0), (-179.9, 0.0)])[0, 1] == pytest.approx(
        geodesic((0, 179.9), (0, -179.9)).m, rel=1e-4
    )


def test_metres_and_seconds_follow_the_band_and_the_speed_by_hand():
    # one degree of latitude at 9 degrees north is 110.6 km, so these are 1,106 m, 3,318 m and 22,118 m apart
    start, near, middle, far = (105.0, 9.0), (105.0, 9.01), (105.0, 9.03), (105.0, 9.2)
    matrix = EstimatedTravel().table([start, near, middle, far], "motorbike")
    straight = [geodesic((9.0, 105.0), (lat, 105.0)).m for lat in (9.01, 9.03, 9.2)]
    assert matrix.metres[0, 1:].tolist() == [
        round(straight[0] * 1.45),
        round(straight[1] * 1.40),
        round(straight[2] * 1.30),
    ]
    assert matrix.seconds[0, 1] == round(straight[0] * 1.45 * 3.6 / SPEEDS_KMH["motorbike"])


def test_a_longer_straight_line_is_never_a_shorter_way():
    lats = np.linspace(9.0, 9.3, 1500)
    metres = EstimatedTravel().table([(105.0, float(lat)) for lat in lats], "foot").metres[0]
    assert (np.diff(metres) >= 0).all()
    assert any(end in (2000.0, 5000.0, 15_000.0) for end, _ in DETOURS)


def test_modes_differ_in_time_and_not_in_way():
    places = points(10, 5)
    tables = {mode: EstimatedTravel().table(places, mode) for mode in ("motorbike", "boat", "foot")}
    assert (tables["boat"].metres == tables["foot"].metres).all()
    assert tables["motorbike"].seconds.sum() < tables["boat"].seconds.sum() < tables["foot"].seconds.sum()
    assert (tables["boat"].seconds < UNREACHABLE).all()
    assert (np.diag(tables["boat"].seconds) == 0).all()


def test_it_says_that_it_is_an_estimate():
    label = EstimatedTravel().provenance()
    assert (label.source, label.share_estimated) == ("estimated", 1.0)
    assert "geodesic" in label.method
    assert label.warnings


@pytest.mark.parametrize("point", [(float("nan"), 9.0), (181.0, 9.0), (105.0, 91.0), (105.0, float("inf"))])
def test_a_point_off_the_globe_is_refused(point):
    with pytest.raises(InvalidProblem) as refusal:
        EstimatedTravel().table([(105.0, 9.0), point], "foot")
    assert refusal.value.field == "locations[1]"


def test_an_unknown_mode_and_senseless_settings_are_refused():
    with pytest.raises(InvalidProblem, match="zeppelin"):
        EstimatedTravel().table([(105.0, 9.0)], "zeppelin")
    with pytest.raises(InvalidProblem):
        EstimatedTravel(detours=((5.0, 1.2),))
    with pytest.raises(InvalidProblem):
        EstimatedTravel(detours=((float("inf"), 0.9),))
    with pytest.raises(InvalidProblem):
        EstimatedTravel(speeds_kmh={"foot": 0.0})
