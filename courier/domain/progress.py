"""How a postman's round goes, from facts alone: what is done, when the rest can be expected, and whether he is late or only silent.

The plan says how long each way takes; the last act says where in the plan he is and when. A phone that has not been heard is
silent: nobody knows whether its bearer is late.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from courier.domain.arrivals import CONFIDENCE, Gap, Noise, Piece, Spread, calibrated, expected, learned

LATE_AFTER: Final = timedelta(minutes=15)
"""Behind the plan by less than this is nobody's trouble."""
SILENT_AFTER: Final = timedelta(minutes=20)
"""Not heard for so long while something was due."""

_STEP: Final = 300


class Pace(StrEnum):
    """How a round goes."""

    WAITING = "waiting"  # he has nothing with him yet, and it is not time
    ON_TIME = "on_time"
    LATE = "late"
    SILENT = "silent"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a route in the order of the plan. `window` was promised; `visited_at` is None while it is still to come.

    Between the call before and this one the plan waits for `waits` (the window opens later than he is there) and rests for `rests`.
    """

    arrives_at: datetime
    leaves_at: datetime
    window: tuple[datetime, datetime] | None = None
    visited_at: datetime | None = None
    waits: timedelta = timedelta(0)
    rests: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Expected:
    """When a call can be expected: by the plan's ways at `at`, and within `opens` to `closes` nine times out of ten.

    `breaks_promise`: likely after the promised window.
    """

    at: datetime
    opens: datetime
    closes: datetime
    breaks_promise: bool


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a round goes: `late_seconds` is how far the next call is behind the plan, `rest` the calls to come by their place."""

    pace: Pace
    late_seconds: int
    rest: dict[int, Expected]


def outlook(
    calls: Sequence[Call],
    *,
    starts_at: datetime,
    is_out: bool,
    heard_at: datetime | None,
    now: datetime,
    noise: Noise,
) -> Outlook:
    """How the round goes at `now`. `starts_at` is when he was to leave the office, `is_out` whether he has anything with him.

    While he is heard, he cannot be anywhere before now; once he is silent the times are what the last act promised, and the
    windows widen with the silence. `noise` is how far rounds depart from their plans.
    """
    coming = [place for place, call in enumerate(calls) if call.visited_at is None]
    if not coming:
        return Outlook(Pace.DONE, 0, {})
    acts = [call.visited_at for call in calls if call.visited_at is not None]
    set_out = is_out or bool(acts)
    left_at = max(acts) if acts else starts_at
    plain = _times(calls, coming, left_at, starts_at)
    first = plain[coming[0]]
    quiet = set_out and (heard_at is None or now - heard_at >= SILENT_AFTER)
    if quiet and now - first >= LATE_AFTER:
        since = left_at if heard_at is None else max(left_at, heard_at)
        told = _told(
            calls,
            plain,
            noise,
            starts_at=starts_at,
            left_at=left_at,
            has_left=set_out,
            now=now,
            heard=since,
            silent=True,
        )
        return Outlook(Pace.SILENT, 0, told)
    # He is not there yet, or we would have heard of it.
    times = _times(calls, coming, left_at, starts_at, not_before=now)
    behind = times[coming[0]] - calls[coming[0]].arrives_at
    late = behind >= LATE_AFTER
    pace = Pace.LATE if late else Pace.ON_TIME if set_out else Pace.WAITING
    heard = now if heard_at is None or not set_out else min(now, heard_at)
    told = _told(calls, times, noise, starts_at=starts_at, left_at=left_at, has_left=set_out, now=now, heard=heard)
    return Outlook(pace, max(0, int(behind.total_seconds())), told)


def gaps_of(calls: Sequence[Call]) -> list[Gap]:
    """What was between the acts of a round, where the plan says what should have been: from one door to the one after it.

    A promised door is left aside, for nobody knows whether he waited there.
    """
    return [
        Gap(
            Piece(
                (call.arrives_at - before.leaves_at - call.waits - call.rests).total_seconds(),
                (call.leaves_at - call.arrives_at).total_seconds(),
            ),
            max(0.0, (call.visited_at - before.visited_at - call.rests).total_seconds()),
        )
        for before, call in pairwise(calls)
        if call.window is None
        and before.visited_at is not None
        and call.visited_at is not None
        and call.visited_at > before.visited_at
        and call.arrives_at - call.waits - call.rests >= before.leaves_at
    ]


def learned_from(prior: Noise, rounds: Sequence[tuple[datetime, Sequence[Call]]]) -> Noise:
    """What an office's past rounds (when each was to leave, and its calls) teach; the prior where they are too few.

    They are gone through as if they ran again: what would have been said before the start and halfway is held to what was.
    """
    noise = learned(prior, [gaps_of(calls) for _, calls in rounds])
    if noise.basis == prior.basis:
        return noise
    seen: list[tuple[Spread, float]] = []
    for starts_at, calls in rounds:
        acts = sorted(call.visited_at for call in calls if call.visited_at is not None)
        for known_to in (None, *acts[len(acts) // 2 :][:1]):
            now = known_to or starts_at
            known = [replace(call, visited_at=_up_to(call.visited_at, known_to)) for call in calls]
            coming = [place for place, call in enumerate(known) if call.visited_at is None]
            pieces = _pieces(known, coming, starts_at, now)
            spreads = expected(
                noise, pieces, left_at=0.0, has_left=known_to is not None, done=gaps_of(known), not_done_at=None
            )
            seen += [
                (spread, _unrounded(_seconds(visited, now) - noise.factor * piece.door, spread.mean))
                for place, piece, spread in zip(coming, pieces, spreads, strict=True)
                if (visited := calls[place].visited_at) is not None and calls[place].window is None
            ]
    return calibrated(noise, seen)


def _unrounded(seen: float, middle: float) -> float:
    """A time moved to the middle by what rounding outwards gives away on the mean, or the windows would hold too often."""
    off = seen - middle
    return middle + math.copysign(max(0.0, abs(off) - _STEP / 2), off)


def _up_to(visited_at: datetime | None, known_to: datetime | None) -> datetime | None:
    return visited_at if visited_at is not None and known_to is not None and visited_at <= known_to else None


def _times(
    calls: Sequence[Call],
    coming: Sequence[int],
    left_at: datetime,
    starts_at: datetime,
    not_before: datetime | None = None,
) -> dict[int, datetime]:
    """When each call to come begins, with the ways that the plan reckons and no call before its window."""
    times: dict[int, datetime] = {}
    moment = left_at
    for place in coming:
        call = calls[place]
        moment += _way(calls, place, starts_at) + call.rests
        if not_before is not None and not times:
            moment = max(moment, not_before)
        if call.window is not None:
            moment = max(moment, call.window[0])
        times[place] = moment
        moment += call.leaves_at - call.arrives_at
    return times


def _way(calls: Sequence[Call], place: int, starts_at: datetime) -> timedelta:
    before = calls[place - 1].leaves_at if place else starts_at
    call = calls[place]
    return max(timedelta(0), call.arrives_at - before - call.waits - call.rests)


def _pieces(calls: Sequence[Call], coming: Sequence[int], starts_at: datetime, zero: datetime) -> list[Piece]:
    """The calls to come as the sums take them, on a clock that is at nought at `zero`."""
    return [
        Piece(
            _way(calls, place, starts_at).total_seconds(),
            (calls[place].leaves_at - calls[place].arrives_at).total_seconds(),
            _seconds(window[0], zero) if (window := calls[place].window) is not None else None,
            calls[place].rests.total_seconds(),
        )
        for place in coming
    ]


def _told(
    calls: Sequence[Call],
    times: dict[int, datetime],
    noise: Noise,
    *,
    starts_at: datetime,
    left_at: datetime,
    has_left: bool,
    now: datetime,
    heard: datetime,
    silent: bool = False,
) -> dict[int, Expected]:
    """The windows. That he has not been at the next door is known up to when he was last heard of."""
    pieces = _pieces(calls, list(times), starts_at, now)
    spreads = expected(
        noise,
        pieces,
        left_at=_seconds(left_at, now),
        has_left=has_left,
        done=gaps_of(calls),
        not_done_at=_seconds(heard, now),
        silence=-_seconds(heard, now) if silent else 0.0,
    )
    told = {}
    for (place, at), spread in zip(times.items(), spreads, strict=True):
        opens, closes = (now + timedelta(seconds=edge) for edge in spread.between(CONFIDENCE, now=0.0))
        window = calls[place].window
        told[place] = Expected(
            at,
            _rounded(opens, up=False),
            _rounded(closes, up=True),
            breaks_promise=window is not None and at > window[1],
        )
    return told


def _seconds(moment: datetime, now: datetime) -> float:
    return (moment - now).total_seconds()


def _rounded(moment: datetime, *, up: bool) -> datetime:
    """To five minutes: what is told is an estimate and should look like one."""
    extra = moment.timestamp() % _STEP
    down = moment - timedelta(seconds=extra)
    return down + timedelta(seconds=_STEP) if up and extra else down
