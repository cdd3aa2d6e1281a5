"""When to leave and when to be where, for a fixed order of visits: exact, with breaks, ferries, limits and prices.

Being earlier never hurts a schedule (whoever is early waits), so for one departure the earliest schedule is found by
keeping, per set of breaks taken, the earliest time alone. Its pattern (which window, which ferry, where each break) is
the best one up to the last departure with which it works; so all departures are seen by going from one pattern to the
next. Within a pattern every visit begins at max(earliest, departure + what lies between): prices of time are
piecewise linear in the departure, and their minimum lies at one of a few known departures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from routing.problem import MAX_INSTANT, Break, Crossing, Window

NOBODY_LATE: Final = 8 * MAX_INSTANT
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Leg:
    """The way to a visit and what is done there; the last leg leads to the end and does nothing.

    With a `ferry` the way is `landing` seconds, the wait, and `onward` seconds (the ride included). Otherwise it is
    `travel` seconds. The visit begins no earlier than `not_before`.
    """

    travel: int
    windows: tuple[Window, ...]
    action: int
    happened_at: int | None
    load: tuple[int, ...] = ()
    not_before: int = 0
    ferry: Crossing | None = None
    landing: int = 0
    onward: int = 0

    @property
    def least(self) -> int:
        """Seconds on the way when nobody has to wait for a ferry."""
        return self.travel if self.ferry is None else self.landing + self.onward


@dataclass(frozen=True, slots=True)
class Event:
    """Something at a point of time: the visit at `place` in the order, or the break with that number.

    `travelled` are the seconds of the leg done before a break; `landed` says that the ferry lies behind it.
    """

    place: int
    is_break: bool
    arrival: int
    begins: int
    leaves: int
    before: Event | None
    travelled: int = 0
    landed: bool = False
    landing_wait: int = 0


States: TypeAlias = dict[int, tuple[int, Event | None]]


@dataclass(frozen=True, slots=True)
class Priced:
    """A visit (by its place) whose begin has a price: each a rate per hour."""

    place: int
    opens: int
    closes: int
    early: int
    late: int
    retry: int

    def price(self, begins: int, shift_opens: int) -> int:
        """Rate times seconds: 3600 times the cost."""
        return (
            self.early * max(0, self.opens - begins)
            + self.late * max(0, begins - self.closes)
            + self.retry * max(0, begins - shift_opens)
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """What a route's times cost: `visits`, and steps (seconds of duration, rate per hour beyond them)."""

    visits: tuple[Priced, ...]
    spans: tuple[tuple[int, int], ...]
    shift_opens: int

    def of_span(self, duration: int) -> int:
        """3600 times the cost of a route's duration."""
        return sum(rate * max(0, duration - most) for most, rate in self.spans)


def first_begin(windows: Sequence[Window], time: int) -> int | None:
    """The earliest begin at or after `time`, None when the last window has closed; windows in any order."""
    if not windows:
        return time
    best = None
    for opens, closes in windows:
        if time <= closes:
            begins = max(time, opens)
            if best is None or begins < best:
                best = begins
    return best


def schedule(legs: Sequence[Leg], breaks: Sequence[Break], start: int, closes: int) -> Event | None:
    """The earliest end of the route that leaves at `start`, as the chain of its events; None when there is none."""
    states: States = {0: (start, None)}
    for place, leg in enumerate(legs):
        arrivals: dict[int, tuple[int, Event | None, int]] = {}
        if leg.happened_at is not None:
            # A fact: whatever the estimate of the way says, that is when it began. No break is put before it.
            _, before = states[0]
            arrivals[0] = (leg.happened_at, before, 0)
        elif leg.ferry is not None:
            arrivals = _by_ferry(states, leg, breaks)
        elif not breaks:
            time, before = states[0]
            arrivals[0] = (time + leg.travel, before, 0)
        else:
            arrivals = _with_breaks(states, leg, breaks)
        states = {}
        for taken, (arrival, before, wait) in arrivals.items():
            if leg.happened_at is not None:
                event = Event(place, False, arrival, arrival, arrival + leg.action, before)  # noqa: FBT003
                states[taken] = (event.leaves, event)
                continue
            begins = first_begin(leg.windows, max(arrival, leg.not_before))
            if begins is not None and begins + leg.action <= closes:
                event = Event(place, False, arrival, begins, begins + leg.action, before, 0, False, wait)  # noqa: FBT003
                states[taken] = (event.leaves, event)
        if not states:
            return None
    everything = (1 << len(breaks)) - 1
    return states[everything][1] if everything in states else None


def _with_breaks(states: States, leg: Leg, breaks: Sequence[Break]) -> dict[int, tuple[int, Event | None, int]]:
    """The earliest arrival after the leg for every set of breaks that can have been taken by then.

    On the way a state is (time, travel still to do); neither of two states with different orders of breaks need be
    better in both, so all that are not beaten in both are kept until the arrival.
    """
    reached: dict[int, list[tuple[int, int, Event | None]]] = {
        taken: [(time, leg.travel, before)] for taken, (time, before) in states.items()
    }
    light = [_light_enough(rest, leg.load) for rest in breaks]
    for taken in range(1 << len(breaks)):  # a set of breaks is always a larger number than its parts
        for time, left, before in reached.get(taken, []):
            for number, rest in enumerate(breaks):
                if taken >> number & 1 or not light[number]:
                    continue
                begins = first_begin(rest.time_windows, time)
                if begins is None:
                    continue
                travelled = min(left, begins - time)
                event = Event(
                    number, True, time + travelled, begins, begins + rest.service, before, leg.travel - left + travelled  # noqa: FBT003
                )  # fmt: skip
                new = (event.leaves, left - travelled, event)
                others = reached.setdefault(taken | 1 << number, [])
                if not any(t <= new[0] and x <= new[1] for t, x, _ in others):
                    others[:] = [o for o in others if not (new[0] <= o[0] and new[1] <= o[1])]
                    others.append(new)
    return {
        taken: min(((time + left, before, 0) for time, left, before in ways), key=lambda way: way[0])
        for taken, ways in reached.items()
    }


def _by_ferry(states: States, leg: Leg, breaks: Sequence[Break]) -> dict[int, tuple[int, Event | None, int]]:
    """The earliest arrival over the water per set of breaks: they are taken before leaving or after arriving."""
    ferry = leg.ferry
    if ferry is None:
        raise AssertionError("this way has no ferry")
    there: dict[int, tuple[int, Event | None, int]] = {}
    for taken, (time, before) in _resting(states, leg, breaks, landed=False).items():
        departs = ferry.departure(time + leg.landing)
        if departs is not None:
            there[taken] = (departs + leg.onward, before, departs - time - leg.landing)
    rested = _resting({taken: (time, before) for taken, (time, before, _) in there.items()}, leg, breaks, landed=True)
    arrivals = {}
    for taken, (time, before) in rested.items():
        over = before
        boarded = taken
        while over is not None and over.is_break and over.landed:
            boarded &= ~(1 << over.place)
            over = over.before
        arrivals[taken] = (time, before, there[boarded][2])
    return arrivals


def _resting(states: States, leg: Leg, breaks: Sequence[Break], *, landed: bool) -> States:
    """The earliest time per set of breaks when more of them are taken on the spot."""
    reached = dict(states)
    for taken in range(1 << len(breaks)):
        if taken not in reached:
            continue
        time, before = reached[taken]
        for number, rest in enumerate(breaks):
            if taken >> number & 1 or not _light_enough(rest, leg.load):
                continue
            begins = first_begin(rest.time_windows, time)
            if begins is None:
                continue
            new = taken | 1 << number
            if new not in reached or begins + rest.service < reached[new][0]:
                event = Event(
                    number, True, time, begins, begins + rest.service, before, leg.travel if landed else 0, landed  # noqa: FBT003
                )  # fmt: skip
                reached[new] = (event.leaves, event)
    return reached


def _light_enough(rest: Break, load: tuple[int, ...]) -> bool:
    return rest.max_load is None or all(on <= most for on, most in zip(load, rest.max_load, strict=True))


@dataclass(frozen=True, slots=True)
class _Pattern:
    """All departures from `start` to `latest` give the schedule that ends with `last`, only later."""

    start: int
    latest: int
    last: Event


def _patterns(
    legs: Sequence[Leg], breaks: Sequence[Break], start: int, closes: int, longest: int | None
) -> Iterator[_Pattern]:
    """The patterns of all departures from `start` on; those that cannot be within `longest` may be passed over."""
    while True:
        last = schedule(legs, breaks, start, closes)
        if last is None:
            return
        latest = _latest(legs, breaks, closes, last)
        yield _Pattern(start, latest, last)
        start = latest + 1
        if longest is not None:
            start = max(start, last.leaves - longest)


def _latest(legs: Sequence[Leg], breaks: Sequence[Break], closes: int, last: Event) -> int:
    """The last departure with which the pattern of these events still works."""
    bound = closes
    event: Event | None = last
    while event is not None:
        leg, visit = legs[event.place], event
        bound = min(bound - leg.action, _closing(leg.windows, visit.begins))
        event = visit.before
        # Before a break: the time may be at most `at`, the time with what is left to travel at most `bound`.
        at = NOBODY_LATE
        aboard = leg.ferry is not None
        if aboard:
            at = bound
        while event is not None and event.is_break:
            rest = breaks[event.place]
            if aboard and not event.landed:
                at, aboard = _boarding(leg, visit, at), False
            at = min(at - rest.service, _closing(rest.time_windows, event.begins))
            bound -= rest.service
            event = event.before
        if aboard:
            at = _boarding(leg, visit, at)
        bound = at if leg.ferry is not None else min(at, bound - leg.travel)
    return bound


def _boarding(leg: Leg, visit: Event, ashore: int) -> int:
    """The last time to leave for the ferry that was caught, when one must be over there by `ashore`."""
    ferry = leg.ferry
    if ferry is None:
        raise AssertionError("this way has no ferry")
    if ferry.headway == 0:
        return min(ferry.closes, ashore - leg.onward) - leg.landing
    first = visit
    while first.before is not None and first.before.is_break and first.before.landed:
        first = first.before
    return first.arrival - leg.onward - leg.landing


def _closing(windows: Sequence[Window], begins: int) -> int:
    """When the window in use closes."""
    return next((closes for opens, closes in windows if opens <= begins <= closes), NOBODY_LATE)


def _least(legs: Sequence[Leg], breaks: Sequence[Break]) -> int:
    """The shortest the route can be: nobody waits for anything."""
    return sum(leg.least + leg.action for leg in legs) + sum(rest.service for rest in breaks)


def earliest_end(
    legs: Sequence[Leg], breaks: Sequence[Break], start: int, closes: int, longest: int | None
) -> int | None:
    """The earliest end of a route that leaves at or after `start` and takes at most `longest` seconds, or None."""
    if longest is None:
        last = schedule(legs, breaks, start, closes)
        return None if last is None else last.leaves
    least = _least(legs, breaks)
    if least > longest:
        return None
    for pattern in _patterns(legs, breaks, start, closes, longest):
        if pattern.last.leaves - min(pattern.latest, pattern.last.leaves - least) <= longest:
            return max(pattern.last.leaves, pattern.start + least)
    return None


def chosen(
    legs: Sequence[Leg], breaks: Sequence[Break], start: int, closes: int, longest: int | None, prices: Prices | None
) -> tuple[int, Event] | None:
    """Departure and last event of the schedule to keep, None when there is none.

    Nobody waits who could go on; only the departure is chosen: the cheapest by `prices`, then the one with the earliest
    end, then the latest (waiting at the office is better than waiting at a door).
    """
    least = _least(legs, breaks)
    if longest is not None and least > longest:
        return None
    best: tuple[int, int, int] | None = None  # price, end, minus departure
    for pattern in _patterns(legs, breaks, start, closes, longest):
        end = pattern.last.leaves
        if best is not None:
            floor = 0 if prices is None else _floor(prices, pattern, least)
            if (floor, end) > best[:2]:
                break
        if prices is None:
            departure = min(pattern.latest, end - least)
            if longest is not None and end - departure > longest:
                continue
            new = (0, end, -departure)
        else:
            found = _cheapest(legs, breaks, pattern, least, longest, prices)
            if found is None:
                continue
            new = found
        if best is None or new < best:
            best = new
        if prices is None and new[1] + new[2] == least:
            break
    if best is None:
        return None
    last = schedule(legs, breaks, -best[2], closes)
    if last is None:
        raise AssertionError("the chosen departure has a schedule")
    return -best[2], last


def _floor(prices: Prices, pattern: _Pattern, least: int) -> int:
    """What this pattern and all later ones cost at least."""
    begins = _begins(pattern.last)
    late = sum(
        visit.late * max(0, begins[visit.place] - visit.closes)
        + visit.retry * max(0, begins[visit.place] - prices.shift_opens)
        for visit in prices.visits
    )
    return late + prices.of_span(least)


def _begins(last: Event) -> dict[int, int]:
    """When each visit begins, by its place."""
    begins = {}
    event: Event | None = last
    while event is not None:
        if not event.is_break:
            begins[event.place] = event.begins
        event = event.before
    return begins


def _cheapest(
    legs: Sequence[Leg], breaks: Sequence[Break], pattern: _Pattern, least: int, longest: int | None, prices: Prices
) -> tuple[int, int, int] | None:
    """Price, end and minus departure of the cheapest departure of a pattern."""
    end = pattern.last.leaves
    first = pattern.start if longest is None else max(pattern.start, end - longest)
    if first > pattern.latest:
        return None
    begins = _begins(pattern.last)
    between = _between(legs, breaks, pattern.last)
    candidates = {first, pattern.latest, end - least}
    candidates |= {end - most for most, _ in prices.spans}
    for visit in prices.visits:
        way = between[visit.place]
        candidates |= {visit.opens - way, visit.closes - way, begins[visit.place] - way, prices.shift_opens - way}
    departures = sorted(departure for departure in candidates if first <= departure <= pattern.latest)

    def judged(departure: int) -> tuple[int, int, int]:
        stops = sum(
            visit.price(max(begins[visit.place], departure + between[visit.place]), prices.shift_opens)
            for visit in prices.visits
        )
        ends = max(end, departure + least)
        return stops + prices.of_span(ends - departure), ends, -departure

    if any(visit.early for visit in prices.visits):
        return min(map(judged, departures))
    # Without a price for being early the sum is convex in the departure: halve the range.
    low, high = 0, len(departures) - 1
    while low < high:
        middle = (low + high) // 2
        if judged(departures[middle + 1]) < judged(departures[middle]):
            low = middle + 1
        else:
            high = middle
    return judged(departures[low])


def _between(legs: Sequence[Leg], breaks: Sequence[Break], last: Event) -> dict[int, int]:
    """Seconds from the departure to the begin of each visit, by its place, when nobody waits."""
    events: list[Event] = []
    event: Event | None = last
    while event is not None:
        events.append(event)
        event = event.before
    between, passed = {}, 0
    for event in reversed(events):
        if event.is_break:
            passed += breaks[event.place].service
        else:
            between[event.place] = passed + legs[event.place].least
            passed = between[event.place] + legs[event.place].action
    return between
