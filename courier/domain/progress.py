"""How a postman's round goes, from facts alone: what is done, when the rest can be expected, and whether he is late or only silent.

The plan says how long each way takes; the last act says where in the plan he is and when. A phone that has not been heard is
silent: nobody knows whether its bearer is late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

LATE_AFTER: Final = timedelta(minutes=15)
"""Behind the plan by less than this is nobody's trouble."""
SILENT_AFTER: Final = timedelta(minutes=20)
"""Not heard for so long while something was due."""

_STEP: Final = 300
# A time that is told is a window, wider the further it lies ahead; people are rather later than earlier.
_EARLIER: Final = (timedelta(minutes=5), 0.1)
_LATER: Final = (timedelta(minutes=10), 0.2)


class Pace(StrEnum):
    """How a round goes."""

    WAITING = "waiting"  # he has nothing with him yet, and it is not time
    ON_TIME = "on_time"
    LATE = "late"
    SILENT = "silent"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a route in the order of the plan. `window` was promised; `visited_at` is None while it is still to come."""

    arrives_at: datetime
    leaves_at: datetime
    window: tuple[datetime, datetime] | None = None
    visited_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """When a call can be expected: most likely `at`, told as from-to. `breaks_promise`: likely after the promised window."""

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
    calls: Sequence[Call], *, starts_at: datetime, is_out: bool, heard_at: datetime | None, now: datetime
) -> Outlook:
    """How the round goes at `now`. `starts_at` is when he was to leave the office, `is_out` whether he has anything with him.

    While he is heard, he cannot be anywhere before now; once he is silent the times are what the last act promised.
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
        return Outlook(Pace.SILENT, 0, _told(calls, plain, now))
    # He is not there yet, or we would have heard of it.
    times = _times(calls, coming, left_at, starts_at, not_before=now)
    behind = times[coming[0]] - calls[coming[0]].arrives_at
    late = behind >= LATE_AFTER
    pace = Pace.LATE if late else Pace.ON_TIME if set_out else Pace.WAITING
    return Outlook(pace, max(0, int(behind.total_seconds())), _told(calls, times, now))


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
        before = calls[place - 1].leaves_at if place else starts_at
        moment += max(timedelta(0), call.arrives_at - before)
        if not_before is not None and not times:
            moment = max(moment, not_before)
        if call.window is not None:
            moment = max(moment, call.window[0])
        times[place] = moment
        moment += call.leaves_at - call.arrives_at
    return times


def _told(calls: Sequence[Call], times: dict[int, datetime], now: datetime) -> dict[int, Expected]:
    told = {}
    for place, at in times.items():
        ahead = max(timedelta(0), at - now)
        window = calls[place].window
        told[place] = Expected(
            at,
            # What is still to come is not told as past.
            _rounded(max(at - _EARLIER[0] - _EARLIER[1] * ahead, min(at, now)), up=False),
            _rounded(at + _LATER[0] + _LATER[1] * ahead, up=True),
            breaks_promise=window is not None and at > window[1],
        )
    return told


def _rounded(moment: datetime, *, up: bool) -> datetime:
    """To five minutes: what is told is an estimate and should look like one."""
    extra = moment.timestamp() % _STEP
    down = moment - timedelta(seconds=extra)
    return down + timedelta(seconds=_STEP) if up and extra else down
