"""Where a task would fit into routes that exist: used to complete a plan, to explain it and to offer windows.

Slack per gap rules out most places at once (it ignores breaks, so it never rules out too much); what remains is
verified exactly, the cheapest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from routing.problem import MAX_INSTANT, UNREACHABLE, Lock, Problem, Task, TaskKind
from routing.timetable import Timetable, first_begin

_ENDLESS: Final = 8 * MAX_INSTANT


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
        before = self._cost(vehicle_index, visits)
        options = [
            (self._cost(vehicle_index, new) - before, new)
            for new in self._options(vehicle_index, visits, task, lenient)
        ]
        for extra, new in sorted(options):
            if self.fits(vehicle_index, new, lenient, task):
                return extra, new
        return None

    def _cost(self, vehicle_index: int, visits: Sequence[int]) -> int:
        tasks = [self.problem.tasks[visit] for visit in visits]
        return self.timetable.cost_lines(self.problem.vehicles[vehicle_index], tasks).total

    def _options(
        self, vehicle_index: int, visits: Sequence[int], number: int, lenient: Leniency
    ) -> Iterator[tuple[int, ...]]:
        task = self.problem.tasks[number]
        visits = tuple(visits)
        slack = self._slack_of(vehicle_index, visits, lenient)
        if slack is None:
            return
        for gap in self._gaps(visits, task):
            if not self._may_fit(vehicle_index, visits, slack, gap, task, lenient):
                continue
            new = (*visits[:gap], number, *visits[gap:])
            if task.kind is TaskKind.JOB or task.partner is None:
                yield new
                continue
            for second in range(gap + 1, len(new) + 1):
                yield (*new[:second], task.partner, *new[second:])

    def _gaps(self, visits: Sequence[int], task: Task) -> range:
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
        seconds = self.timetable.seconds(vehicle)
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
            self._slack[key] = self._computed_slack(vehicle_index, visits, endless=lenient.shift)
        return self._slack[key]

    def _computed_slack(self, vehicle_index: int, visits: tuple[int, ...], *, endless: bool) -> _Slack | None:
        vehicle = self.problem.vehicles[vehicle_index]
        seconds = self.timetable.seconds(vehicle)
        opens, closes = vehicle.time_window or (0, _ENDLESS)
        closes = _ENDLESS if endless else closes
        tasks = [self.problem.tasks[visit] for visit in visits]
        leaves, place, actions = [opens], vehicle.start, []
        for task in tasks:
            to = task.location_index
            arrival = leaves[-1] + (0 if place is None else seconds[place][to])
            begins = first_begin(task.time_windows, arrival) if task.happened_at is None else task.happened_at
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
        if not self._loads_fit(vehicle.capacity, tasks, lenient.load):
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

    def _limits_fit(self, vehicle_index: int, tasks: Sequence[Task]) -> bool:
        vehicle = self.problem.vehicles[vehicle_index]
        if vehicle.max_tasks is not None and len(tasks) > vehicle.max_tasks:
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
