"""How a round goes, reckoned by hand: times from the last act, windows, late and silent."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from courier.domain.arrivals import Noise
from courier.domain.calendar import ZONE
from courier.domain.progress import Call, Pace, gaps_of, outlook

EIGHT = datetime(2026, 11, 23, 8, 0, tzinfo=ZONE)
# Rounds that go as planned, and rounds of which only the whole departs: ten per cent, the same at every stop.
SURE = Noise(round=0, way=0, door=0, stop_seconds=0, start_seconds=0, start_spread_seconds=0)


def at(minutes: float) -> datetime:
    """So many minutes after eight."""
    return EIGHT + timedelta(minutes=minutes)


def a_round(*visited: float | None, window: tuple[float, float] | None = None) -> list[Call]:
    """Calls at 8:20, 8:40, 9:00 ... of five minutes each; the last one with the window."""
    return [
        Call(
            arrives_at=at(20 * n),
            leaves_at=at(20 * n + 5),
            visited_at=None if when is None else at(when),
            window=(at(window[0]), at(window[1])) if window and n == len(visited) else None,
        )
        for n, when in enumerate(visited, start=1)
    ]


def seen(calls: list[Call], *, now: float, heard: float | None, is_out: bool = True):
    return outlook(
        calls, starts_at=EIGHT, is_out=is_out, heard_at=None if heard is None else at(heard), now=at(now), noise=SURE
    )  # fmt: skip


def test_the_rest_is_reckoned_on_from_the_last_act_with_the_ways_of_the_plan():
    """At the first door he was done at 8:32 instead of 8:25: fifteen minutes of way, then five at the door, and again."""
    found = seen(a_round(32, None, None), now=33, heard=32)
    assert {place: expected.at for place, expected in found.rest.items()} == {1: at(47), 2: at(67)}
    assert (found.pace, found.late_seconds) == (Pace.ON_TIME, 7 * 60)


def test_a_time_is_told_from_to_in_steps_of_five_minutes_and_wider_the_further_ahead():
    """Of the whole round ten per cent: at 8:40 it may be off by 1.5 minutes, at 9:00 by 3.5, each 1.645 times to either side."""
    whole = Noise(round=0.1, way=0, door=0, stop_seconds=0)
    found = outlook(
        a_round(25, None, None), starts_at=EIGHT, is_out=True, heard_at=at(25), now=at(25), noise=whole
    )  # fmt: skip
    assert [(e.opens, e.closes) for e in found.rest.values()] == [(at(35), at(45)), (at(50), at(70))]


def test_leaving_late_leans_a_window_to_the_late_side():
    far = [Call(arrives_at=at(600), leaves_at=at(605))]
    noise = Noise(round=0, way=0, door=0, stop_seconds=0, start_seconds=0, start_spread_seconds=600)
    (told,) = outlook(far, starts_at=EIGHT, is_out=False, heard_at=None, now=at(-600), noise=noise).rest.values()
    # 1.645 - 0.284 spreads of ten minutes before, 1.645 + 0.284 after (a skewness of one), told in steps of five minutes.
    assert (told.opens, told.closes) == (at(585), at(620))


def test_waiting_and_rest_are_neither_way_nor_evidence_of_a_slow_day():
    """Half an hour of rest between two doors that are five minutes apart: 8:25 to 9:00, done at 9:05, as the plan has it."""
    rested = Call(arrives_at=at(60), leaves_at=at(65), visited_at=at(65), rests=timedelta(minutes=30))
    calls = [*a_round(25), rested]
    (gap,) = gaps_of(calls)
    assert (gap.planned.way, gap.planned.door, gap.took) == (300, 300, 600)
    waited = Call(arrives_at=at(120), leaves_at=at(125), window=(at(120), at(180)), waits=timedelta(minutes=40))
    # From 9:05 a quarter of an hour to the door, which opens at 10:00: he is there and waits, an hour's delay or none.
    on_time = seen([*calls, waited], now=66, heard=66).rest[2]
    late = seen([*a_round(25), replace(rested, visited_at=at(100)), waited], now=101, heard=101).rest[2]
    assert (on_time.at, late.at) == (at(120), at(120))


def test_silence_widens_the_window_and_an_act_narrows_it():
    noise = Noise(round=0.1, way=0.3, door=0.5, stop_seconds=60)
    widths = []
    for calls, heard, now in (
        (a_round(25, None, None), 25, 26),
        (a_round(25, None, None), 25, 90),
        (a_round(25, 88, None), 88, 90),
    ):
        told = outlook(calls, starts_at=EIGHT, is_out=True, heard_at=at(heard), now=at(now), noise=noise).rest[2]
        widths.append(told.closes - told.opens)
        assert told.closes > at(now)
    fresh, silent, after = widths
    assert after < fresh < silent


def test_who_comes_early_waits_for_the_promised_window_and_nobody_is_told_earlier():
    found = seen(a_round(10, None, window=(60, 90)), now=10, heard=10)
    assert found.rest[1].at == at(60)


def test_a_promise_that_the_last_act_breaks_is_said():
    found = seen(a_round(100, None, window=(60, 90)), now=100, heard=100)
    assert found.rest[1].breaks_promise
    assert not seen(a_round(30, None, window=(40, 90)), now=30, heard=30).rest[1].breaks_promise


@pytest.mark.parametrize(("now", "pace"), [(54, Pace.ON_TIME), (55, Pace.LATE), (70, Pace.LATE)])
def test_who_is_heard_and_a_quarter_of_an_hour_behind_is_late(now, pace):
    """He was to be at the second door at 8:40, and the phone is heard all the time."""
    found = seen(a_round(25, None, None), now=now, heard=now)
    assert found.pace is pace
    assert found.rest[1].at == at(now)


def test_who_is_not_heard_is_silent_and_not_late():
    """Last heard at 8:25: at 9:10 he may have been at two doors since."""
    found = seen(a_round(25, None, None), now=70, heard=25)
    assert (found.pace, found.late_seconds) == (Pace.SILENT, 0)
    assert found.rest[1].at == at(40)  # what the last act promised, not later with every minute of silence


def test_who_is_not_heard_while_nothing_was_due_is_on_time():
    assert seen(a_round(25, None), now=50, heard=25).pace is Pace.ON_TIME


def test_who_has_not_set_out_is_waiting_until_he_is_late():
    calls = a_round(None, None)
    assert seen(calls, now=-30, heard=None, is_out=False).pace is Pace.WAITING
    late = seen(calls, now=40, heard=None, is_out=False)
    assert (late.pace, late.late_seconds) == (Pace.LATE, 20 * 60)


def test_what_was_passed_over_comes_next_and_the_rest_follows():
    """He went to the second door first: the first one is now next, with its way as the plan reckons it."""
    found = seen(a_round(None, 30, None), now=31, heard=30)
    assert list(found.rest) == [0, 2]
    assert (found.rest[0].at, found.rest[2].at) == (at(50), at(70))


def test_a_round_with_nothing_left_is_done_however_long_ago_that_was():
    assert seen(a_round(25, 45), now=500, heard=45).pace is Pace.DONE
