"""What is said of a time that is not known, against a hundred thousand times drawn by other means; and what rounds teach."""

import math
from dataclasses import replace

import numpy as np
import pytest

from courier.domain.arrivals import LEAST_ROUNDS, Gap, Noise, Piece, Spread, calibrated, expected, learned

DRAWS = 200_000
NOISE = Noise(round=0.15, way=0.3, door=0.5, stop_seconds=0, start_seconds=300, start_spread_seconds=200)


def drawn(noise, pieces, *, seed=1):
    """Begins by plain drawing of normal ways, doors and rounds; [draw, call]."""
    rng = np.random.default_rng(seed)
    whole = rng.normal(noise.factor, noise.round, DRAWS)
    time = rng.normal(noise.start_seconds, noise.start_spread_seconds, DRAWS)
    begins = []
    for piece in pieces:
        time = time + whole * piece.way + rng.normal(0, noise.way * piece.way, DRAWS) + piece.rests
        time = time if piece.opens is None else np.maximum(time, piece.opens)
        begins.append(time)
        time = time + whole * piece.door + rng.normal(0, noise.door * piece.door, DRAWS)
    return np.array(begins).T


def test_ways_doors_and_the_round_as_a_whole_add_up_along_the_route():
    pieces = [Piece(600, 300), Piece(900, 200, rests=1800), Piece(300, 600), Piece(1200, 300)]
    told = expected(NOISE, pieces, left_at=0, has_left=False)
    seen = drawn(NOISE, pieces)
    for spread, column in zip(told, seen.T, strict=True):
        assert spread.mean == pytest.approx(column.mean(), rel=0.01)
        assert spread.spread == pytest.approx(column.std(), rel=0.02)


def test_waiting_for_a_window_swallows_what_went_before():
    """The third door opens about when he comes: the fourth is known better than it would be without."""
    pieces = [Piece(600, 300), Piece(900, 200), Piece(300, 600, opens=2900), Piece(1200, 300), Piece(600, 300)]
    told = expected(NOISE, pieces, left_at=0, has_left=False)
    free = expected(NOISE, [replace(piece, opens=None) for piece in pieces], left_at=0, has_left=False)
    seen = drawn(NOISE, pieces)
    for number in (3, 4):
        assert told[number].mean == pytest.approx(seen[:, number].mean(), rel=0.01)
        assert told[number].spread == pytest.approx(seen[:, number].std(), rel=0.06)
        assert told[number].spread < 0.9 * free[number].spread
    assert told[2].quantile(0.05) == 2900
    assert told[2].before(2899) == 0


def test_a_window_holds_nine_times_out_of_ten_of_times_that_lean():
    """Gamma times of skewness 0.8, of which the sums know the first three moments."""
    shape = (2 / 0.8) ** 2
    times = np.random.default_rng(2).gamma(shape, 100, DRAWS)
    spread = Spread(shape * 100, math.sqrt(shape) * 100, 0.8 * (math.sqrt(shape) * 100) ** 3)
    opens, closes = spread.between(0.9, now=-1e9)
    assert np.mean((times >= opens) & (times <= closes)) == pytest.approx(0.9, abs=0.01)
    assert np.mean(times < opens) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_what_is_over_is_not_told_and_the_rest_still_holds_nine_times_out_of_ten(share):
    times = np.random.default_rng(3).normal(3600, 600, DRAWS)
    now = float(np.quantile(times, share))
    opens, closes = Spread(3600, 600, 0).between(0.9, now=now)
    left = times[times >= now]
    assert opens >= now
    assert np.mean((left >= opens) & (left <= closes)) == pytest.approx(0.9, abs=0.01)


def test_not_having_left_the_next_door_moves_what_is_to_come():
    """Against drawing: of all rounds those in which he had not left the first door by then."""
    pieces = [Piece(900, 300), Piece(600, 300)]
    noise = replace(NOISE, start_seconds=0, start_spread_seconds=0)
    seen = drawn(noise, pieces)
    left = seen[:, 0] + 300  # the door's own departures are small here
    for now in (900.0, 1200.0, 1500.0):
        told = expected(noise, pieces, left_at=0, has_left=True, not_done_at=now)
        still = seen[left > now]
        assert told[1].mean == pytest.approx(still[:, 1].mean(), rel=0.06)


def test_a_slow_morning_makes_a_slow_afternoon_but_one_flat_tyre_does_not():
    pieces = [Piece(1000, 200)] * 5
    plain = expected(NOISE, pieces, left_at=0, has_left=True)
    slow = [Gap(Piece(1000, 200), 1500)] * 8
    after_slow = expected(NOISE, pieces, left_at=0, has_left=True, done=slow)
    on_time = [Gap(Piece(1000, 200), 1200)] * 8
    tyre = expected(NOISE, pieces, left_at=0, has_left=True, done=[*on_time, Gap(Piece(1000, 200), 9000)])
    calm = expected(NOISE, pieces, left_at=0, has_left=True, done=on_time)
    assert after_slow[-1].mean > 1.12 * plain[-1].mean
    assert tyre[-1].mean < 1.08 * plain[-1].mean
    # What the acts have told, nobody need reckon with any more.
    assert calm[-1].spread < plain[-1].spread


def test_what_is_not_known_grows_with_silence():
    spreads = [
        expected(NOISE, [Piece(600, 300)], left_at=0, has_left=True, silence=s)[0].spread for s in (0, 1800, 3600)
    ]
    assert spreads == sorted(spreads)
    assert spreads[2] > 1800


# ------------------------------------------------------------------------------------------------------- learning
def rounds(count, *, factor, whole, way, seed=1, gaps=20):
    """Recorded rounds whose ways and doors depart by known measures."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        slow = rng.normal(factor, whole)
        planned = [Piece(float(rng.uniform(200, 1200)), 240.0) for _ in range(gaps)]
        found.append([Gap(p, max(0.0, slow * (p.way + p.door) + rng.normal(0, way * p.way))) for p in planned])
    return found


PRIOR = Noise(factor=1.0, round=0.12, way=0.4, door=0.0, stop_seconds=1)


def test_an_office_with_few_rounds_is_told_what_is_known_of_all():
    assert learned(PRIOR, rounds(LEAST_ROUNDS - 1, factor=1.4, whole=0.1, way=0.3)) == PRIOR
    assert learned(PRIOR, rounds(LEAST_ROUNDS, factor=1.4, whole=0.1, way=0.3, gaps=3)) == PRIOR
    assert learned(PRIOR, []) == PRIOR


def test_an_office_with_many_rounds_learns_how_slow_they_are_and_how_far_they_depart():
    noise = learned(PRIOR, rounds(400, factor=1.3, whole=0.2, way=0.2))
    assert (noise.basis, noise.rounds) == ("learned", 400)
    assert noise.factor == pytest.approx(1.3, abs=0.03)
    assert noise.round == pytest.approx(0.2, abs=0.02)
    assert noise.way == pytest.approx(0.2, abs=0.02)


def test_few_rounds_are_believed_in_part():
    noise = learned(PRIOR, rounds(LEAST_ROUNDS, factor=1.4, whole=0.05, way=0.4))
    assert 1.15 < noise.factor < 1.35


def test_a_broken_clock_moves_nothing_beyond_the_bounds():
    noise = learned(PRIOR, rounds(100, factor=9.0, whole=5.0, way=3.0))
    assert noise.factor == 1.8
    assert noise.round == 0.5
    assert noise.way <= 0.4 * 3


def test_sides_are_stretched_by_what_would_have_held():
    """What was said had a spread of 100; what came, of 150 above and 80 below."""
    rng = np.random.default_rng(4)
    off = rng.normal(0, 1, 20_000)
    seen = [(Spread(1000, 100, 0), 1000 + float(x) * (150 if x > 0 else 80)) for x in off]
    noise = calibrated(replace(PRIOR, basis="learned", rounds=10_000), seen)
    assert noise.late == pytest.approx(1.5, abs=0.05)
    assert noise.early == pytest.approx(0.8, abs=0.05)
    told = Spread(1000, 100, 0, early=noise.early, late=noise.late)
    opens, closes = told.between(0.9, now=0)
    assert np.mean([opens <= time <= closes for _, time in seen]) == pytest.approx(0.9, abs=0.01)
