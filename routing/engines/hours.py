"""Earliest and latest times along a route, per number of breaks taken: the innermost loops of the sketch.

Breaks are taken in the order in which their windows close, at a door or, where no ferry is on it, on the way.
"""

# ruff: noqa: PLR1730 - these loops compare where a call of min or max would take as long as all the rest

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from routing.problem import MAX_INSTANT, Crossing, Task, Vehicle, Window

FAR: Final = 4 * MAX_INSTANT

Rest: TypeAlias = tuple[int, int, int, tuple[Window, ...], tuple[int, ...] | None]
"""When a break's only window opens and closes (-1 where it has several), its length, its windows, the load allowed."""
Boat: TypeAlias = tuple[Crossing, int, int]
"""A ferry on the way, the seconds to its landing, and from its departure to the door."""


@dataclass(frozen=True, slots=True)
class Course:
    """A route to be timed. `ways` and `boats` have one entry more than there are tasks, and so have the following.

    `ready`: when the service of the reload before the gap (or the start) may be over at the earliest. `heavy`: per gap
    and break whether too much is on board to rest, None where that plays no part.
    """

    tasks: Sequence[Task]
    spans: Sequence[Window | None]
    rests: Sequence[Rest]
    work: list[int]
    ways: list[int]
    boats: list[Boat | None] | None
    ready: list[int]
    heavy: list[list[bool]] | None

    def boat(self, gap: int) -> Boat | None:
        """The ferry on the way of a gap."""
        return None if self.boats is None else self.boats[gap]

    def too_heavy(self, gap: int) -> list[bool] | None:
        """Per break whether it may not be taken at the gap."""
        return None if self.heavy is None else self.heavy[gap]


@dataclass(frozen=True, slots=True)
class Times:
    """A timed route: per gap the state before it, when to leave it at the earliest, be behind it and leave it at the
    latest; per visit its begin. Rows are per number of breaks taken."""  # noqa: D205, D209

    closes: int
    states: list[list[int]]
    leaves: list[list[int]]
    begins: list[int]
    rows: list[list[int]]
    departures: list[int]
    end: int


def times_of(course: Course, opens: int, closes: int, grown: tuple[Times, int] | None = None) -> Times | None:
    """The times of a route, None when it cannot be kept. `grown`: of the route without the visit behind that gap."""
    if grown is not None and (course.heavy is not None or any(course.ready) or grown[0].closes != closes):
        grown = None
    earliest = Earliest(course, grown)
    # Who may come home at any time must still come home: after the last ferry, or with a break not taken, nobody does.
    if not earliest.walk(opens) or (course.tasks and (earliest.end > closes or earliest.end >= FAR)):
        return None
    rows, departures = latest(course, closes, grown)
    return Times(closes, earliest.states, earliest.leaves, earliest.begins, rows, departures, earliest.end)


def rests_of(vehicle: Vehicle) -> list[Rest]:
    """The breaks in the order in which they must be taken."""
    rests = sorted(
        vehicle.breaks, key=lambda rest: (max((b for _, b in rest.time_windows), default=FAR), rest.time_windows)
    )
    return [
        (*(span_of(rest.time_windows) or (-1, -1)), rest.service, rest.time_windows, rest.max_load) for rest in rests
    ]


def span_of(windows: Sequence[Window]) -> Window | None:
    """The one window there is, None where there are several."""
    return None if len(windows) > 1 else windows[0] if windows else (0, FAR)


class Earliest:
    """When the vehicle can be where: `leaves` per gap and number of breaks, `begins` per visit, `end`."""

    def __init__(self, course: Course, grown: tuple[Times, int] | None = None) -> None:
        self.course = course
        self.rests = course.rests
        known, self.gap = (None, 0) if grown is None else grown
        self.now = None if known is None else known.states[self.gap]
        self.states: list[list[int]] = [] if known is None else known.states[: self.gap]
        self.leaves: list[list[int]] = [] if known is None else known.leaves[: self.gap]
        self.begins: list[int] = [] if known is None else known.begins[: self.gap]
        self.end = FAR

    def walk(self, opens: int) -> bool:
        """Whether all visits can be made in time."""
        course = self.course
        count = len(self.rests)
        now = [max(opens, course.ready[0]), *[FAR] * count] if self.now is None else self.now
        for at in range(self.gap, len(course.tasks)):
            task = course.tasks[at]
            work = course.work[at]
            self.states.append(now)
            if task.happened_at is not None:
                self.leaves.append(self._rested(now, course.too_heavy(at)))
                self.begins.append(task.happened_at)
                now = [task.happened_at + work, *[FAR] * count]
                continue
            span = course.spans[at]
            later = course.ready[at + 1]
            begin = FAR
            arrivals = self._arrivals(now, at)
            for taken, time in enumerate(arrivals):
                if time + work < later:  # only what follows a reload is waited for, before it is loaded
                    time = later - work  # noqa: PLW2901
                if span is None:
                    time = first_begin(task.time_windows, time)  # noqa: PLW2901
                elif time < span[0]:
                    time = span[0]  # noqa: PLW2901
                elif time > span[1]:
                    time = FAR  # noqa: PLW2901
                if time < begin:
                    begin = time
                arrivals[taken] = time + work if time < FAR else FAR
            if begin >= FAR:
                return False
            self.begins.append(begin)
            now = arrivals
        self.states.append(now)
        self.end = self._arrivals(now, len(course.tasks))[-1]
        return True

    def _rested(self, now: list[int], heavy: list[bool] | None) -> list[int]:
        """When the vehicle can leave a place, breaks that it takes there included."""
        if not self.rests:
            return now
        rested = now.copy()
        for taken, (opens, closes, length, windows, _) in enumerate(self.rests):
            if heavy is not None and heavy[taken]:
                continue
            time = rested[taken]
            if opens < 0:
                time = first_begin(windows, time)
            elif time < opens:
                time = opens
            elif time > closes:
                continue
            if time + length < rested[taken + 1]:
                rested[taken + 1] = time + length
        return rested

    def _arrivals(self, now: list[int], gap: int) -> list[int]:
        """When the vehicle arrives behind the gap. Notes when it could leave."""
        heavy, boat, way = self.course.too_heavy(gap), self.course.boat(gap), self.course.ways[gap]
        rested = self._rested(now, heavy)
        self.leaves.append(rested)
        if boat is not None:
            return [_by_boat(boat, time) for time in rested]
        arrivals = [time + way for time in rested]
        for taken, (opens, closes, length, windows, _) in enumerate(self.rests):
            if heavy is not None and heavy[taken]:
                continue
            time = now[taken]
            if opens < 0:
                opens = first_begin(windows, time)  # noqa: PLW2901
                if opens >= FAR:
                    continue
            elif time > closes:
                continue
            time += way
            if time < opens:
                time = opens
            if time + length < arrivals[taken + 1]:
                arrivals[taken + 1] = time + length
        return arrivals


def latest(course: Course, closes: int, grown: tuple[Times, int] | None = None) -> tuple[list[list[int]], list[int]]:
    """Per gap when to be behind it at the latest (per number of breaks taken), and when to leave what is before it."""
    rests = course.rests
    count = len(course.tasks)
    if grown is not None and grown[1] + 2 <= count:
        # Behind the visit after the new one (which may save its set-up) all is as it was.
        known, gap = grown
        rows, departures = known.rows[:gap:-1], known.departures[: gap + 1 : -1]
        row, first = rows[-1], gap + 1
    else:
        row = _rest_on_arrival([*[-1] * len(rests), closes], rests, course.too_heavy(count))
        rows, departures, first = [row], [], count - 1
    for at in range(first, -1, -1):
        task, span, action, held = course.tasks[at], course.spans[at], course.work[at], course.ready[at + 1]
        leave = _departures(row, course, at + 1)
        departures.append(max(leave))
        if task.happened_at is not None:
            row = [FAR, *[-1] * len(rests)]
        else:
            row = []
            for time in leave:
                bound = time - action
                if span is None:
                    bound = last_begin(task.time_windows, bound)
                elif bound > span[1]:
                    bound = span[1]
                elif bound < span[0]:
                    bound = -1
                row.append(bound if bound + action >= held else -1)
            _rest_on_arrival(row, rests, course.too_heavy(at))
        rows.append(row)
    departures.append(_departures(row, course, 0)[0])
    rows.reverse()
    departures.reverse()
    return rows, departures


def _rest_on_arrival(row: list[int], rests: Sequence[Rest], heavy: list[bool] | None) -> list[int]:
    """When to arrive at the latest, given when to begin at the latest, where breaks may be taken at the door."""
    for taken in range(len(rests) - 1, -1, -1):
        if heavy is not None and heavy[taken]:
            continue
        opens, closes, length, windows, _ = rests[taken]
        bound = row[taken + 1] - length
        if opens < 0:
            bound = last_begin(windows, bound)
        elif bound > closes:
            bound = closes
        elif bound < opens:
            bound = -1
        if bound > row[taken]:
            row[taken] = bound
    return row


def _departures(row: list[int], course: Course, gap: int) -> list[int]:
    """When to leave at the latest to be there by `row`, a break on the way included."""
    boat, way, heavy = course.boat(gap), course.ways[gap], course.too_heavy(gap)
    leave = [time - way for time in row] if boat is None else [_to_catch(boat, time) for time in row]
    for taken in range(len(course.rests) - 1, -1, -1):
        if heavy is not None and heavy[taken]:
            continue
        opens, closes, length, windows, _ = course.rests[taken]
        # Without a ferry a break may end as late as on arrival, and begin as late as on departure.
        there = (row[taken + 1] if boat is None else leave[taken + 1]) - length
        for first, last in windows if opens < 0 else ((opens, closes),):
            if first <= there:
                bound = min(last, there - way if boat is None else there)
                if bound > leave[taken]:
                    leave[taken] = bound
    return leave


def _by_boat(boat: Boat, time: int) -> int:
    """When one who sets out then is over there, `FAR` after the last ferry."""
    ferry, landing, onward = boat
    departs = ferry.departure(time + landing) if time < FAR else None
    return FAR if departs is None else departs + onward


def _to_catch(boat: Boat, bound: int) -> int:
    """When to set out at the latest to be over there by `bound`, -1 when no ferry is early enough."""
    ferry, landing, onward = boat
    departs = min(ferry.closes, bound - onward)
    if ferry.headway:
        first = ferry.opens if ferry.first is None else ferry.first
        departs -= (departs - first) % ferry.headway
    return departs - landing if departs >= ferry.opens else -1


def first_begin(windows: Sequence[Window], time: int) -> int:
    """The earliest begin at or after `time`, `FAR` when the last window has closed."""
    if not windows:
        return min(time, FAR)
    return min((max(opens, time) for opens, closes in windows if time <= closes), default=FAR)


def last_begin(windows: Sequence[Window], bound: int) -> int:
    """The latest begin at or before `bound`, -1 when there is none."""
    if not windows:
        return bound
    return max((min(closes, bound) for opens, closes in windows if opens <= bound), default=-1)
