"""Travel computed on demand is the same travel as the table of everything."""

import pickle

import numpy as np
import pytest
import vrplib

from routing.plane import EstimatedPlane, Plane
from routing.problem import InvalidProblem, TravelTable
from routing.travel import EstimatedTravel


@pytest.fixture
def random():
    return np.random.default_rng(20261122)


@pytest.mark.parametrize(
    ("rounding", "rule"),
    [
        ("none", lambda far: far.astype(int)),
        ("round", lambda far: np.round(far).astype(int)),
        ("dimacs", lambda far: (10 * far).astype(int)),
        ("exact", lambda far: np.round(1000 * far).astype(int)),
    ],
)
def test_a_block_of_a_plane_is_cut_out_of_the_table_of_all_distances(random, rounding, rule):
    places = random.integers(0, 2000, (120, 2)).astype(float)
    table = rule(vrplib.parse.parse_distances.pairwise_euclidean(places))
    plane = Plane(places, rounding)
    some = random.permutation(120)[:40]
    block = plane.block(some)
    assert np.array_equal(block.seconds, table[np.ix_(some, some)])
    assert np.array_equal(block.metres, block.seconds)
    assert all(plane.pair(i, j) == (table[i, j], table[i, j]) for i in some for j in some)
    assert np.array_equal(plane.along(some[:-1], some[1:]), table[some[:-1], some[1:]])


def test_halves_are_rounded_alike_in_blocks_and_in_pairs():
    plane = Plane([(0, 0), (0.5, 0), (1.5, 0), (2.5, 0)], "round")
    assert [plane.pair(0, to)[0] for to in range(4)] == plane.block([0, 1, 2, 3]).seconds[0].tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize("profile", ["motorbike", "boat"])
def test_a_block_of_the_estimate_is_cut_out_of_its_table(random, profile):
    points = [(104.7 + x, 8.6 + y) for x, y in random.random((80, 2)).tolist()]
    table = EstimatedTravel().table(points, profile)
    plane = EstimatedPlane(points, profile)
    some = random.permutation(80)[:25].tolist()
    block = plane.block(some)
    assert np.array_equal(block.seconds, table.seconds[np.ix_(some, some)])
    assert np.array_equal(block.metres, table.metres[np.ix_(some, some)])
    assert plane.pair(some[0], some[1]) == (table.seconds[some[0], some[1]], table.metres[some[0], some[1]])


def test_the_places_of_an_estimate_lie_as_far_apart_as_the_ways_are_straight(random):
    points = [(104.7 + x / 2, 8.6 + y / 2) for x, y in random.random((60, 2)).tolist()]
    straight = EstimatedTravel(detours=((float("inf"), 1.0),))
    metres = straight.table(points, "car").metres
    places = EstimatedPlane(points, "car", straight).places
    drawn = np.hypot(*(places[:, None] - places[None, :]).transpose(2, 0, 1))
    assert np.abs(drawn - metres).max() <= 0.01 * metres.max()


def test_lazy_travel_offers_what_every_table_must_and_can_be_sent_to_another_process():
    for plane in (Plane([(0, 0), (3, 4)], "dimacs"), EstimatedPlane([(105.0, 9.0), (105.1, 9.0)], "motorbike")):
        assert isinstance(plane, TravelTable)
        assert pickle.loads(pickle.dumps(plane)).pair(0, 1) == plane.pair(0, 1)  # noqa: S301 - made a line above
        assert (plane.size, plane.price(0, 1)) == (2, 0)


def test_a_hundred_thousand_places_need_no_table(random):
    plane = Plane(random.integers(0, 100_000, (100_000, 2)), "round")
    assert plane.size == 100_000
    assert len(pickle.dumps(plane)) < 2_000_000


@pytest.mark.parametrize(
    ("places", "rounding", "code"),
    [
        ([(0, 0), (float("nan"), 1)], "round", "location"),
        ([(0, 0), (1e7, 1)], "exact", "location"),
        ([(0, 0)], "ceil", "rounding"),
    ],
)
def test_a_plane_that_no_matrix_could_hold_is_refused(places, rounding, code):
    with pytest.raises(InvalidProblem) as refused:
        Plane(places, rounding)
    assert refused.value.code == code


def test_an_unknown_profile_is_refused_before_the_first_question():
    with pytest.raises(InvalidProblem, match="modes"):
        EstimatedPlane([(105.0, 9.0)], "rocket")


def test_ways_of_an_estimate_are_the_same_one_by_one_in_a_row_and_in_a_table(random):
    points = [(104.7 + x, 8.6 + y) for x, y in random.random((60, 2)).tolist()]
    table, plane = EstimatedTravel().table(points, "boat"), EstimatedPlane(points, "boat")
    origins, to = random.integers(0, 60, 500), random.integers(0, 60, 500)
    seconds, metres = plane.along(origins, to)
    assert np.array_equal(seconds, table.seconds[origins, to])
    assert np.array_equal(metres, table.metres[origins, to])
    for _ in ("asked", "remembered"):
        pairs = [plane.pair(a, b) for a, b in zip(origins.tolist(), to.tolist(), strict=True)]
        assert pairs == list(zip(seconds.tolist(), metres.tolist(), strict=True))


def test_what_an_estimate_remembers_does_not_travel_to_other_processes(random):
    points = [(104.7 + x, 8.6 + y) for x, y in random.random((60, 2)).tolist()]
    plane = EstimatedPlane(points, "boat")
    before = len(pickle.dumps(plane))
    way = plane.pair(3, 4)
    for to in range(60):
        plane.pair(0, to)
    assert len(pickle.dumps(plane)) == before
    assert pickle.loads(pickle.dumps(plane)).pair(3, 4) == way  # noqa: S301 - just pickled here
