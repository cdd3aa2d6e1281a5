"""Where a task would fit into routes that exist: used to complete a plan, to explain it and to offer windows.

Slack per gap rules out most places at once (it ignores breaks and the wait for ferries, so it never rules out too
much); what remains is verified exactly, the cheapest first. Where a vehicle may reload, a job may bring a visit to a
reload with it. Prices of times need the schedule of every place that could still be the cheapest.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from routing.problem import MAX_INSTANT, UNREACHABLE, Lock, Problem, Task, TaskKind, Vehicle
from routing.timetable import Timetable, first_begin

_ENDLESS: Final = 8 * MAX_INSTANT
_REMEMBERED: Final = 10_000
_FEW: Final = 60
"""Visits of a route up to which a reload may come anywhere beside a new job, beyond it next to the job only."""

_Entry: TypeAlias = tuple[tuple[int, tuple[int, ...]], ...]
"""What enters a route: gaps in rising order, each with the numbers that come there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leniency:
    """Which rules to leave aside when asking what is to blame. `load` names dimensions."""

    load: frozenset[int] = frozenset()
    window: bool = False
    shift: bool = False


STRICT: Final = Leniency()


@dataclass(frozen=True, slots=True)
class _Slack:
    """One route, gap by gap; gap g lies before the g-th visit, the last one before the end."""

    leaves: list[int]
    latest: list[int]


class Insertion:
    """Places for tasks in the routes of one problem; visits are task numbers per vehicle."""

    def __init__(self, problem: Problem, timetable: Timetable) -> None:
        self.problem = problem
        self.timetable = timetable
        self._slack: dict[tuple[int, tuple[int, ...], bool], _Slack | None] = {}

    def cheapest(
        self, vehicle_index: int, visits: Sequence[int], task: int, lenient: Leniency = STRICT
    ) -> tuple[int, tuple[int, ...]] | None:
        """Extra cost and new visits of the cheapest place for the task (with its shipment's other end), or None."""
        vehicle = self.problem.vehicles[vehicle_index]
        if not self.problem.may_serve(vehicle, self.problem.tasks[task]):
            return None
        visits = tuple(visits)
        times_count = self.timetable.prices_times(vehicle_index, (*visits, task))
        order_before = self._order_cost(vehicle, visits)
        before = (self.timetable.cost(vehicle_index, visits) if times_count else None) or order_before
        options = [(cost - order_before, entry) for cost, entry in self._options(vehicle_index, visits, task, lenient)]
        heapq.heapify(options)
        best: tuple[int, tuple[int, ...]] | None = None
        while options:
            extra, entry = heapq.heappop(options)
            # Every price of times that the route has now may fall to nothing, and no further.
            if best is not None and extra - (before - order_before) >= best[0]:
                break
            new = _entered(visits, entry)
            if not self.fits(vehicle_index, new, lenient, task):
                continue
            cost = self.timetable.cost(vehicle_index, new) if times_count else None
            if cost is None:  # times have no price, or (with leniency) are none that a plan could have
                return (extra, new) if best is None else best
            if best is None or cost - before < best[0]:
                best = (cost - before, new)
        return best

    def _order_cost(self, vehicle: Vehicle, visits: Sequence[int]) -> int:
        return self.timetable.cost_lines(vehicle, [self.problem.tasks[visit] for visit in visits]).total

    def _options(
        self, vehicle_index: int, visits: tuple[int, ...], number: int, lenient: Leniency
    ) -> Iterator[tuple[int, _Entry]]:
        """The cost of the order with the task in every place that the slack does not rule out, and that place."""
        task = self.problem.tasks[number]
        slack = self._slack_of(vehicle_index, visits, lenient)
        gaps = self._gaps(visits, task)
        if slack is not None:
            gaps = [gap for gap in gaps if self._may_fit(vehicle_index, visits, slack, gap, task, lenient)]
        if task.partner is not None:
            if slack is not None:
                yield from self._priced(vehicle_index, visits, _pairs(gaps, number, task.partner, len(visits)))
            return
        if slack is not None:
            yield from self._single(vehicle_index, visits, number, gaps)
        if task.kind is TaskKind.JOB and (reloads := self._reloads(vehicle_index, visits)):
            gaps = self._gaps(visits, task)
            yield from self._priced(vehicle_index, visits, self._with_reload(visits, gaps, number, reloads))

    def _single(
        self, vehicle_index: int, visits: tuple[int, ...], number: int, gaps: Sequence[int]
    ) -> Iterator[tuple[int, _Entry]]:
        """What the route costs with the task at each of the gaps, by what changes around it."""
        timetable, tasks = self.timetable, self.problem.tasks
        vehicle, task = self.problem.vehicles[vehicle_index], tasks[number]
        seconds, metres, prices = timetable.seconds(vehicle), timetable.metres(vehicle), timetable.prices(vehicle)
        route = [tasks[visit] for visit in visits]
        whole = timetable.spent(vehicle, vehicle.start, route, to=vehicle.end) if route else (0,) * 5
        here = task.location_index
        foreign = bool(task.preferred_vehicles) and vehicle.id not in task.preferred_vehicles
        preference = whole[4] + (task.preference_cost if foreign else 0)
        for gap in gaps:
            travel, distance, price, work, _ = whole
            before = vehicle.start if gap == 0 else route[gap - 1].location_index
            following = route[gap] if gap < len(route) else None
            after = vehicle.end if following is None else following.location_index
            ways = [] if before is None else [(before, here, 1)]
            if after is not None:
                ways.append((here, after, 1))
                if before is not None and route:
                    ways.append((before, after, -1))
            for a, b, sign in ways:
                travel += sign * seconds[a][b]
                if metres is not None:
                    distance += sign * metres[a][b]
                if prices is not None:
                    price += sign * prices[a][b]
            work += task.service + (0 if before == here else task.setup)
            if following is not None and following.setup:
                work += following.setup * ((after != here) - (after != before))
            cost = timetable.order_cost(vehicle, (travel, distance, price, work, preference))
            yield cost, ((gap, (number,)),)

    def _reloads(self, vehicle_index: int, visits: Sequence[int]) -> list[int]:
        """The numbers of the reloads that the vehicle may use once more."""
        vehicle = self.problem.vehicles[vehicle_index]
        if not vehicle.reloads:
            return []
        used = sum(visit >= self.problem.stops for visit in visits)
        if vehicle.max_reloads is not None and used >= vehicle.max_reloads:
            return []
        return [n + self.problem.stops for n, r in enumerate(self.problem.reloads) if r.id in vehicle.reloads]

    def _with_reload(
        self, visits: tuple[int, ...], gaps: Sequence[int], number: int, reloads: Sequence[int]
    ) -> Iterator[_Entry]:
        """The job at each gap, and with it one visit to a reload."""
        frozen = sum(self.problem.tasks[visit].lock is Lock.FROZEN for visit in visits)
        for gap in gaps:
            for reload in reloads:
                yield ((gap, (reload, number)),)
                yield ((gap, (number, reload)),)
                for other in range(frozen, len(visits) + 1) if len(visits) <= _FEW else ():
                    if other < gap:
                        yield ((other, (reload,)), (gap, (number,)))
                    elif other > gap:
                        yield ((gap, (number,)), (other, (reload,)))

    def _priced(
        self, vehicle_index: int, visits: tuple[int, ...], entries: Iterator[_Entry]
    ) -> Iterator[tuple[int, _Entry]]:
        """Each entry with the cost of the order that it makes; only ways that exist."""
        timetable, tasks, vehicle = self.timetable, self.problem.tasks, self.problem.vehicles[vehicle_index]
        route = [tasks[visit] for visit in visits]
        whole = timetable.spent(vehicle, vehicle.start, route, to=vehicle.end) if route else (0,) * 5
        known: dict[tuple[int, tuple[int, ...]], tuple[int, ...] | None] = {}

        def change(gap: int, numbers: tuple[int, ...]) -> tuple[int, ...] | None:
            """What the numbers at the gap add to what is spent; None where there is no way."""
            place = vehicle.start if gap == 0 else route[gap - 1].location_index
            follower, end = route[gap : gap + 1], vehicle.end if gap == len(route) else None
            come = [tasks[number] for number in numbers]
            stops = [place, *(task.location_index for task in (*come, *follower)), end]
            seconds = timetable.seconds(vehicle)
            if any(a is not None and b is not None and seconds[a][b] == UNREACHABLE for a, b in pairwise(stops)):
                return None
            new = timetable.spent(vehicle, place, (*come, *follower), to=end)
            if not route:
                return new
            old = timetable.spent(vehicle, place, follower, to=end)
            return tuple(x - y for x, y in zip(new, old, strict=True))

        for entry in entries:
            spent: tuple[int, ...] = whole
            for part in entry:
                if part not in known:
                    known[part] = change(*part)
                if (more := known[part]) is None:
                    break
                spent = tuple(x + y for x, y in zip(spent, more, strict=True))
            else:
                yield timetable.order_cost(vehicle, spent), entry

    def _gaps(self, visits: Sequence[int], task: Task) -> Sequence[int]:
        """Behind what is frozen, and in the place that the task's own rank leaves it."""
        tasks = [self.problem.tasks[visit] for visit in visits]
        first = sum(other.lock is Lock.FROZEN for other in tasks)
        last = len(tasks)
        if task.rank is not None:
            earlier = [at for at, other in enumerate(tasks) if other.rank is not None and other.rank < task.rank]
            later = [at for at, other in enumerate(tasks) if other.rank is not None and other.rank > task.rank]
            first = max(first, earlier[-1] + 1) if earlier else first
            last = later[0] if later else last
        if task.lock is Lock.FROZEN:
            first = min(first, last)
        return range(first, last + 1)

    def _may_fit(
        self, vehicle_index: int, visits: tuple[int, ...], slack: _Slack, gap: int, task: Task, lenient: Leniency
    ) -> bool:
        vehicle, tasks = self.problem.vehicles[vehicle_index], self.problem.tasks
        if task.kind is TaskKind.RELOAD:  # it may free what comes before it from its releases
            return True
        seconds = self.timetable.least(vehicle)
        place = task.location_index
        before = vehicle.start if gap == 0 else tasks[visits[gap - 1]].location_index
        there = 0 if before is None else seconds[before][place]
        following = tasks[visits[gap]] if gap < len(visits) else None
        after = vehicle.end if following is None else following.location_index
        onward = 0 if after is None else seconds[place][after]
        if UNREACHABLE in (there, onward):
            return False
        begins = first_begin(() if lenient.window else task.time_windows, slack.leaves[gap] + there)
        if begins is None:
            return False
        done = begins + task.service + (0 if before == place else task.setup)
        # A stop at the same door saves its successor's set-up, which the slack behind this gap has not seen.
        saved = following.setup if following is not None and after == place else 0
        return done + onward <= slack.latest[gap] + saved

    def _slack_of(self, vehicle_index: int, visits: tuple[int, ...], lenient: Leniency) -> _Slack | None:
        key = (vehicle_index, visits, lenient.shift)
        if key not in self._slack:
            if len(self._slack) >= _REMEMBERED:
                self._slack.clear()
            self._slack[key] = self._computed_slack(vehicle_index, visits, endless=lenient.shift)
        return self._slack[key]

    def _computed_slack(self, vehicle_index: int, visits: tuple[int, ...], *, endless: bool) -> _Slack | None:
        vehicle = self.problem.vehicles[vehicle_index]
        seconds = self.timetable.least(vehicle)
        opens, closes = vehicle.time_window or (0, _ENDLESS)
        closes = _ENDLESS if endless else closes
        tasks = [self.problem.tasks[visit] for visit in visits]
        leaves, place, actions = [opens], vehicle.start, []
        for task in tasks:
            to = task.location_index
            way = 0 if place is None else seconds[place][to]
            if way == UNREACHABLE and task.happened_at is None:
                return None
            begins = first_begin(task.time_windows, leaves[-1] + way) if task.happened_at is None else task.happened_at
            if begins is None:
                return None
            actions.append(task.service + (0 if place == to else task.setup))
            leaves.append(begins + actions[-1])
            place = to
        latest = [closes]
        after = vehicle.end
        for task, action in zip(reversed(tasks), reversed(actions), strict=True):
            onward = 0 if after is None else seconds[task.location_index][after]
            bound = latest[-1] - onward - action
            windows = [(a, b) for a, b in task.time_windows if a <= bound]
            # None of its windows can be kept: nothing fits before it, and -1 says so.
            latest.append(max((min(b, bound) for _, b in windows), default=-1) if task.time_windows else bound)
            after = task.location_index
        latest.reverse()
        return _Slack(leaves, latest)

    def fits(
        self, vehicle_index: int, visits: Sequence[int], lenient: Leniency = STRICT, newcomer: int | None = None
    ) -> bool:
        """Whether the vehicle can make these visits in this order; rights are the caller's to check."""
        vehicle = self.problem.vehicles[vehicle_index]
        tasks = [self.problem.tasks[visit] for visit in visits]
        if any(visit >= self.problem.stops for visit in visits):
            if not self._trips_fit(vehicle, visits, lenient.load):
                return False
        elif not self._loads_fit(vehicle.capacity, tasks, lenient.load):
            return False
        if not lenient.shift and not self._limits_fit(vehicle_index, tasks):
            return False
        freed: tuple[int, ...] = ()
        if lenient.window and newcomer is not None:
            partner = self.problem.tasks[newcomer].partner
            freed = (newcomer,) if partner is None else (newcomer, partner)
        back = self.timetable.returns(vehicle_index, visits, any_time_for=freed, endless=lenient.shift)
        return back is not None

    def _loads_fit(self, capacity: Sequence[int], tasks: Sequence[Task], lenient: frozenset[int]) -> bool:
        for dimension, most in enumerate(capacity):
            if dimension in lenient:
                continue
            load = sum(task.delivery[dimension] for task in tasks if task.kind is TaskKind.JOB)
            if load > most:
                return False
            for task in tasks:
                load += task.pickup[dimension] - task.delivery[dimension]
                if load > most:
                    return False
        return True

    def _trips_fit(self, vehicle: Vehicle, visits: Sequence[int], lenient: frozenset[int]) -> bool:
        used = sum(visit >= self.problem.stops for visit in visits)
        if vehicle.max_reloads is not None and used > vehicle.max_reloads:
            return False
        return all(
            load[dimension] <= most
            for load in self.timetable.loads(visits)
            for dimension, most in enumerate(vehicle.capacity)
            if dimension not in lenient
        )

    def _limits_fit(self, vehicle_index: int, tasks: Sequence[Task]) -> bool:
        vehicle = self.problem.vehicles[vehicle_index]
        if vehicle.max_tasks is not None and (
            sum(task.kind is not TaskKind.RELOAD for task in tasks) > vehicle.max_tasks
        ):
            return False
        if vehicle.max_travel_time is None and vehicle.max_distance is None:
            return True
        places = [vehicle.start, *(task.location_index for task in tasks), vehicle.end]
        legs = [(a, b) for a, b in pairwise(places) if a is not None and b is not None]
        seconds, metres = self.timetable.seconds(vehicle), self.timetable.metres(vehicle)
        travel = sum(seconds[a][b] for a, b in legs)
        distance = 0 if metres is None else sum(metres[a][b] for a, b in legs)
        return (vehicle.max_travel_time is None or travel <= vehicle.max_travel_time) and (
            vehicle.max_distance is None or distance <= vehicle.max_distance
        )


def _pairs(gaps: Sequence[int], first: int, second: int, length: int) -> Iterator[_Entry]:
    """Both ends of a shipment, the first at one of the gaps, the second anywhere behind it."""
    for gap in gaps:
        yield ((gap, (first, second)),)
        for later in range(gap + 1, length + 1):
            yield ((gap, (first,)), (later, (second,)))


def _entered(visits: tuple[int, ...], entry: _Entry) -> tuple[int, ...]:
    """The visits with what enters them."""
    new: tuple[int, ...] = ()
    passed = 0
    for gap, numbers in entry:
        new += (*visits[passed:gap], *numbers)
        passed = gap
    return new + visits[passed:]
