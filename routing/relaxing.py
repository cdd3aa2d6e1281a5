"""The smallest change of one rule that would let a left-out stop into a route, found by trying and then checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations_with_replacement, pairwise
from typing import Any, Final

from routing.checking import CheckFailed, check
from routing.insertion import Insertion
from routing.problem import Lock, Problem, Task, TaskKind, Vehicle, Window
from routing.reasons import clock
from routing.solving import assemble
from routing.timetable import Timetable

_MINUTE: Final = 60
_WIDEST_WINDOW: Final = 12 * 60
"""Minutes by which a window is widened at most: beyond half a day it is another day."""
_LONGEST_DAY: Final = 12 * 60
_MOST_PLACES: Final = 120
"""Places of a shipment's two ends that are tried for what they lack, the cheapest first."""


class RelaxationKind(StrEnum):
    """Which rule gives way."""

    PRIZE = "prize"
    WINDOW = "window"
    SHIFT = "shift"
    DURATION = "duration"
    TRAVEL_TIME = "travel_time"
    DISTANCE = "distance"
    MAX_TASKS = "max_tasks"
    CAPACITY = "capacity"
    CASH_LIMIT = "cash_limit"
    SKILL = "skill"
    ALLOWED_VEHICLES = "allowed_vehicles"
    LOCK = "lock"


_TIMES: Final = (RelaxationKind.WINDOW, RelaxationKind.SHIFT, RelaxationKind.DURATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """One rule changed so that the vehicle (id) can take the stop, at `extra_cost` more for the plan.

    `amount` is by how much: seconds (window, on each side that needs it; shift; duration; travel time), metres,
    visits, units of the `dimension`, or cost units (prize); 0 where it is a yes or no (`skills` to be added).
    """

    kind: RelaxationKind
    vehicle: int
    amount: int
    extra_cost: int
    sentence: str
    dimension: str = ""
    skills: tuple[int, ...] = ()
    because: str = ""

    @property
    def by_prize(self) -> bool:
        """Whether the stop has room and is left out for its price only."""
        return self.kind is RelaxationKind.PRIZE


def relaxations(
    problem: Problem, insertion: Insertion, visits: Sequence[tuple[int, ...]], number: int
) -> tuple[Relaxation, ...]:
    """For each rule the smallest change that lets the left-out task (a job or a pick-up) in, the cheapest first.

    Times come first, the fewest minutes at the front, then limits and amounts, then skills, rights and locks. Empty
    when no single rule is to blame, and when a vehicle has room already (an optional stop then names its prize).
    """
    task = problem.tasks[number]
    room = [
        (found[0], vehicle.id)
        for index, vehicle in enumerate(problem.vehicles)
        if (found := insertion.cheapest(index, visits[index], number)) is not None
    ]
    if room:
        return () if task.prize is None else (_dearer(task, *min(room)),)
    best: dict[tuple[RelaxationKind, str], Relaxation] = {}
    for index in range(len(problem.vehicles)):
        trial = _Trial(problem, insertion.timetable, index, visits[index], number)
        for change in trial.relaxations(best):
            key = (change.kind, change.dimension)
            if key not in best or (change.amount, change.extra_cost) < (best[key].amount, best[key].extra_cost):
                best[key] = change
    order = list(RelaxationKind)
    return tuple(
        sorted(
            best.values(), key=lambda r: (order.index(r.kind) if r.kind not in _TIMES else 0, r.amount, r.extra_cost)
        )
    )


def _dearer(task: Task, extra: int, vehicle: int) -> Relaxation:
    prize = task.prize or 0
    return Relaxation(
        kind=RelaxationKind.PRIZE, vehicle=vehicle, amount=max(0, extra - prize), extra_cost=extra,
        sentence=f"With a prize above {extra} vehicle {vehicle} would take it.",
        because=f"Serving it would cost {extra} more, leaving it out costs its prize of {prize}.",
    )  # fmt: skip


class _Trial:
    """One vehicle's route and the newcomer, as a small problem in which rules can be changed."""

    def __init__(self, problem: Problem, timetable: Timetable, index: int, route: Sequence[int], number: int) -> None:
        self.index = index
        self.tables = timetable
        self.vehicle = problem.vehicles[index]
        tasks = [problem.tasks[n] for n in (*route, number)]
        jobs = {task.index for task in tasks if task.kind is TaskKind.JOB}
        moved = {task.index for task in tasks if task.partner is not None}
        self.problem = problem.replace(
            jobs=tuple(job for at, job in enumerate(problem.jobs) if at in jobs),
            shipments=tuple(shipment for at, shipment in enumerate(problem.shipments) if at in moved),
        )
        numbers = {(task.kind, task.id): n for n, task in enumerate(self.problem.tasks)}
        self.route = tuple(numbers[problem.tasks[n].kind, problem.tasks[n].id] for n in route)
        self.number = numbers[problem.tasks[number].kind, problem.tasks[number].id]
        self.task = self.problem.tasks[self.number]
        self.pair = (self.number,) if self.task.partner is None else (self.number, self.task.partner)

    def relaxations(self, known: dict[tuple[RelaxationKind, str], Relaxation]) -> Iterator[Relaxation]:
        """What one change could do for this vehicle; windows only where they beat what is known."""
        if not self.problem.may_serve(self.vehicle, self.task):
            yield from self._rights()
            return
        yield from self._measured()
        widest = known.get((RelaxationKind.WINDOW, ""))
        yield from self._windows(_WIDEST_WINDOW if widest is None else widest.amount // _MINUTE)
        if self.vehicle.longest_duration is not None:
            yield from self._duration()

    # -- trying

    def _tried(
        self, relaxed: Problem, kind: RelaxationKind, amount: int, sentence: str, **more: Any
    ) -> list[Relaxation]:
        found = self._fit(relaxed)
        if found is None:
            return []
        extra, route = found
        visits = tuple(route if at == self.index else () for at in range(len(relaxed.vehicles)))
        plan = assemble(relaxed, Timetable(relaxed, tables_of=self.tables), visits)
        if violations := check(relaxed, plan):
            raise CheckFailed(violations)
        vehicle = self.vehicle.id
        return [Relaxation(kind=kind, vehicle=vehicle, amount=amount, extra_cost=extra, sentence=sentence, **more)]

    def _fit(self, relaxed: Problem) -> tuple[int, tuple[int, ...]] | None:
        insertion = Insertion(relaxed, Timetable(relaxed, tables_of=self.tables))
        return insertion.cheapest(self.index, self.route, self.number)

    def _with_vehicle(self, **changes: Any) -> Problem:
        vehicle: Vehicle = dataclasses.replace(self.vehicle, **changes)
        others = self.problem.vehicles
        return self.problem.replace(vehicles=(*others[: self.index], vehicle, *others[self.index + 1 :]))

    def _with_stop(self, **changes: Any) -> Problem:
        if self.task.kind is TaskKind.JOB:
            jobs = list(self.problem.jobs)
            jobs[self.task.index] = dataclasses.replace(jobs[self.task.index], **changes)
            return self.problem.replace(jobs=tuple(jobs))
        shipments = list(self.problem.shipments)
        shipments[self.task.index] = dataclasses.replace(shipments[self.task.index], **changes)
        return self.problem.replace(shipments=tuple(shipments))

    def _least(self, most: int, relaxed: Callable[[int], Problem]) -> int | None:
        """The smallest number of minutes, up to `most`, with which the stop fits."""
        if most < 1 or self._fit(relaxed(most)) is None:
            return None
        low, high = 0, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._fit(relaxed(middle)) is not None else (middle, high)
        return high

    # -- rule by rule

    def _rights(self) -> Iterator[Relaxation]:
        name = f"vehicle {self.vehicle.id}"
        if missing := self.task.skills - self.vehicle.skills:
            skills = tuple(sorted(missing))
            sentence = f"With skills {list(skills)} {name} could take it."
            relaxed = self._with_vehicle(skills=self.vehicle.skills | missing)
            if relaxed.may_serve(relaxed.vehicles[self.index], self.task):
                yield from self._tried(relaxed, RelaxationKind.SKILL, len(skills), sentence, skills=skills)
            return
        allowed = self.task.allowed_vehicles
        if allowed is not None and self.vehicle.id not in allowed:
            if self.task.lock is Lock.FREE or self.task.locked_vehicle == self.vehicle.id:
                sentence = f"If it were allowed, {name} could take it."
                relaxed = self._with_stop(allowed_vehicles=allowed | {self.vehicle.id})
                yield from self._tried(relaxed, RelaxationKind.ALLOWED_VEHICLES, 0, sentence)
            return
        if self.task.lock in (Lock.KEEP_POSTMAN, Lock.KEEP_ORDER):
            relaxed = self._with_stop(lock=Lock.FREE, locked_vehicle=None, locked_rank=None)
            sentence = f"Without its lock to vehicle {self.task.locked_vehicle} {name} could take it."
            yield from self._tried(relaxed, RelaxationKind.LOCK, 0, sentence)

    def _measured(self) -> Iterator[Relaxation]:
        """Limits whose excess can be read off an order: for each the order that exceeds it least, and nothing else."""
        timetable = Timetable(self.problem, tables_of=self.tables)
        closes = None if self.vehicle.time_window is None else self.vehicle.time_window[1]
        least: dict[tuple[RelaxationKind, int], int] = {}
        for order in self._places():
            over = list(self._excess(timetable, order))
            if not over:
                back = timetable.returns(self.index, order, endless=True)
                if back is None or closes is None or back <= closes:
                    continue
                over = [(RelaxationKind.SHIFT, 0, back - closes)]
            elif len(over) > 1 or timetable.returns(self.index, order) is None:
                continue
            kind, dimension, amount = over[0]
            least[kind, dimension] = min(amount, least.get((kind, dimension), amount))
        for (kind, dimension), amount in least.items():
            yield from self._raised(kind, dimension, amount)

    def _places(self) -> list[tuple[int, ...]]:
        """The orders with the newcomer, its shipment's other end behind it; what is frozen stays in front."""
        frozen = sum(self.problem.tasks[n].lock is Lock.FROZEN for n in self.route)
        gaps = range(frozen, len(self.route) + 1)
        if len(self.pair) == 1:
            return [(*self.route[:gap], self.number, *self.route[gap:]) for gap in gaps]
        first, second = self.pair
        orders = [
            (*self.route[:a], first, *self.route[a:b], second, *self.route[b:])
            for a, b in combinations_with_replacement(gaps, 2)
        ]
        timetable = Timetable(self.problem, tables_of=self.tables)
        tasks = self.problem.tasks
        return sorted(orders, key=lambda order: timetable.cost_lines(self.vehicle, [tasks[n] for n in order]).total)[
            :_MOST_PLACES
        ]

    def _excess(self, timetable: Timetable, order: tuple[int, ...]) -> Iterator[tuple[RelaxationKind, int, int]]:
        loads = timetable.loads(order)
        for dimension, most in enumerate(self.vehicle.capacity):
            if (peak := max(load[dimension] for load in loads)) > most:
                cash = self.problem.is_cash(dimension)
                yield RelaxationKind.CASH_LIMIT if cash else RelaxationKind.CAPACITY, dimension, peak - most
        stops = sum(n < self.problem.stops for n in order)
        if self.vehicle.max_tasks is not None and stops > self.vehicle.max_tasks:
            yield RelaxationKind.MAX_TASKS, 0, stops - self.vehicle.max_tasks
        if self.vehicle.max_travel_time is None and self.vehicle.max_distance is None:
            return
        places = [self.vehicle.start, *(self.problem.tasks[n].location_index for n in order), self.vehicle.end]
        legs = [(a, b) for a, b in pairwise(places) if a is not None and b is not None]
        seconds, metres = timetable.seconds(self.vehicle), timetable.metres(self.vehicle)
        travel = sum(seconds[a][b] for a, b in legs)
        far = 0 if metres is None else sum(metres[a][b] for a, b in legs)
        if self.vehicle.max_travel_time is not None and travel > self.vehicle.max_travel_time:
            yield RelaxationKind.TRAVEL_TIME, 0, travel - self.vehicle.max_travel_time
        if self.vehicle.max_distance is not None and far > self.vehicle.max_distance:
            yield RelaxationKind.DISTANCE, 0, far - self.vehicle.max_distance

    def _raised(self, kind: RelaxationKind, dimension: int, amount: int) -> list[Relaxation]:
        vehicle, name = self.vehicle, f"vehicle {self.vehicle.id}"
        if kind is RelaxationKind.SHIFT and vehicle.time_window is not None:
            opens, closes = vehicle.time_window
            relaxed = self._with_vehicle(time_window=(opens, closes + amount))
            return self._tried(relaxed, kind, amount, f"With a shift {_minutes(amount)} longer {name} could take it.")
        if kind in (RelaxationKind.CAPACITY, RelaxationKind.CASH_LIMIT):
            unit = self.problem.dimension_name(dimension)
            capacity = [most + (amount if at == dimension else 0) for at, most in enumerate(vehicle.capacity)]
            relaxed = self._with_vehicle(capacity=tuple(capacity))
            sentence = f"If {name} might carry {amount} more of {unit}, it could take it."
            return self._tried(relaxed, kind, amount, sentence, dimension=unit)
        names = {
            RelaxationKind.MAX_TASKS: ("max_tasks", f"{amount} visits more"),
            RelaxationKind.TRAVEL_TIME: ("max_travel_time", f"{_minutes(amount)} more of travel"),
            RelaxationKind.DISTANCE: ("max_distance", f"{amount} m more"),
        }
        limit, said = names[kind]
        relaxed = self._with_vehicle(**{limit: getattr(vehicle, limit) + amount})
        return self._tried(relaxed, kind, amount, f"With {said} allowed {name} could take it.")

    def _windows(self, most: int) -> list[Relaxation]:
        tasks = [self.problem.tasks[n] for n in self.pair]
        if not any(task.time_windows for task in tasks) or any(t.lock is Lock.KEEP_TIME for t in tasks):
            return []
        minutes = self._least(most, self._widened)
        if minutes is None:
            return []
        sentence = f"With its window {minutes} min wider vehicle {self.vehicle.id} could take it."
        found = self._tried(self._widened(minutes), RelaxationKind.WINDOW, minutes * _MINUTE, sentence)
        return [dataclasses.replace(change, sentence=f"{change.sentence} {self._when(minutes)}") for change in found]

    def _when(self, minutes: int) -> str:
        """At which side of which window the minutes are needed, tried one by one."""
        for task in (self.problem.tasks[n] for n in self.pair):
            for opens, closes in task.time_windows:
                by = minutes * _MINUTE
                for side, window in (("from", (max(0, opens - by), closes)), ("until", (opens, closes + by))):
                    rest = tuple(w for w in task.time_windows if w != (opens, closes))
                    if task.kind is TaskKind.JOB and self._fit(
                        self._with_stop(time_windows=_wider((*rest, window), 0))
                    ):
                        was, now = (opens, window[0]) if side == "from" else (closes, window[1])
                        return f"It would be open {side} {clock(now)} instead of {clock(was)}."
        return f"It needs the {minutes} min on both sides."

    def _widened(self, minutes: int) -> Problem:
        by = minutes * _MINUTE
        if self.task.kind is TaskKind.JOB:
            return self._with_stop(time_windows=_wider(self.problem.jobs[self.task.index].time_windows, by))
        shipment = self.problem.shipments[self.task.index]
        ends = {
            name: dataclasses.replace(end, time_windows=_wider(end.time_windows, by))
            for name, end in (("pickup", shipment.pickup), ("delivery", shipment.delivery))
        }
        return self._with_stop(**ends)

    def _duration(self) -> list[Relaxation]:
        longest = self.vehicle.longest_duration or 0

        def longer(minutes: int) -> Problem:
            return self._with_vehicle(max_duration=longest + minutes * _MINUTE, max_overtime=None)

        minutes = self._least(_LONGEST_DAY, longer)
        if minutes is None:
            return []
        sentence = f"With a day {minutes} min longer vehicle {self.vehicle.id} could take it."
        return self._tried(longer(minutes), RelaxationKind.DURATION, minutes * _MINUTE, sentence)


def _wider(windows: Sequence[Window], by: int) -> tuple[Window, ...]:
    """Each window wider by so much on both sides; those that then meet become one."""
    merged: list[Window] = []
    for opens, closes in sorted(windows):
        first, last = max(0, opens - by), closes + by
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _minutes(seconds: int) -> str:
    return f"{-(-seconds // _MINUTE)} min"
