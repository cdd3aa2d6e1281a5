"""Windows that were offered are met by the routes planned afterwards, in one office for a few days; the command runs two hundred."""

import pytest

from tests.bench.promises import BLIND, NOBODY, OFFERED, Day, Report, Weeks, dearer, run_office, wilson


@pytest.mark.slow
def test_every_window_that_was_offered_is_met_and_all_ways_deliver_the_same(tmp_path):
    ways = run_office(5, 2, a_day=30, postmen=2, seconds=1.0, folder=tmp_path)
    offered = ways[OFFERED]
    assert sum(day.promised for day in offered.days) > 3
    assert sum(day.met for day in offered.days) == sum(day.promised for day in offered.days), offered.missed
    assert len({sum(day.planned for day in weeks.days) for weeks in ways.values()}) == 1
    assert sum(day.promised for day in ways[NOBODY].days) == 0


def a_report(*, met, cost):
    """A hundred windows in one week, so many of them met, at that cost against 1,000 blindly."""
    ways = {
        NOBODY: [Weeks(days=[Day(cost=950)])],
        OFFERED: [Weeks(days=[Day(cost=cost, promised=100, met=met)])],
        BLIND: [Weeks(days=[Day(cost=1000, promised=100, met=80)])],
    }
    return Report(ways=ways, moving_days=1, wall_seconds=1.0)


@pytest.mark.parametrize(("met", "cost", "faults"), [(98, 999, 0), (97, 999, 1), (98, 1000, 1), (90, 1200, 2)])
def test_a_broken_promise_and_a_dearer_day_are_found_out(met, cost, faults):
    assert len(list(a_report(met=met, cost=cost).faults())) == faults


def test_a_difference_is_told_with_how_sure_it_is():
    """By hand: 30 more of 600 is five per cent; the differences 5, 10, 15 have a deviation of 5, three of them 1.96 * 5 * sqrt(3)."""
    more, half = dearer([205, 210, 215], [200, 200, 200])
    assert (more, half) == (pytest.approx(5.0), pytest.approx(100 * 1.96 * 5 * 3**0.5 / 600))
    low, high = wilson(98, 100)
    assert (round(low, 3), round(high, 3)) == (0.930, 0.994)  # Wilson's interval for 98 of 100, from a table
