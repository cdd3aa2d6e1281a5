"""The smallest change of one rule that would let a left-out stop into a route, found by trying and then checked.

Where no single rule is to blame, the fewest rules together that a vehicle would need; and beside the rules, which other
stop could stay behind instead.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations_with_replacement, groupby, pairwise
from typing import Any, Final, TypeAlias

from routing.checking import CheckFailed, check
from routing.insertion import Insertion
from routing.problem import MAX_INSTANT, UNREACHABLE, Job, Lock, Problem, Shipment, Task, TaskKind, Window
from routing.reasons import clock
from routing.solving import assemble
from routing.timetable import Timetable, first_begin

_MINUTE: Final = 60
_WIDEST_WINDOW: Final = 12 * 60
"""Minutes by which a window is widened at most: beyond half a day it is another day."""
_LONGEST_DAY: Final = 12 * 60
_MOST_PLACES: Final = 120
"""Places of a shipment's two ends that are tried for what they lack, the cheapest first."""
_MOST_EXCHANGES: Final = 60
"""Other stops that are tried for staying behind instead, the least urgent first."""


class RelaxationKind(StrEnum):
    """Which rule gives way: `room` needs none, `several` are its parts together, `exchange` leaves another stop out."""

    ROOM = "room"
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
    SEVERAL = "several"
    EXCHANGE = "exchange"


_LIMITS: Final = {
    RelaxationKind.TRAVEL_TIME: "max_travel_time",
    RelaxationKind.DISTANCE: "max_distance",
    RelaxationKind.MAX_TASKS: "max_tasks",
}
_TIMES: Final = (RelaxationKind.WINDOW, RelaxationKind.SHIFT, RelaxationKind.DURATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """One rule changed so that the vehicle (id) can take the stop, at `extra_cost` more for the plan.

    `amount` is by how much: seconds (window, on each side that needs it; shift; duration; travel time), metres,
    visits, units of the `dimension`, or cost units (prize); 0 where it is a yes or no (`skills` to be added). The
    `parts` of several changes have no costs of their own; `instead` is the id of the job that stays behind.
    """

    kind: RelaxationKind
    vehicle: int
    amount: int
    extra_cost: int
    sentence: str
    dimension: str = ""
    skills: tuple[int, ...] = ()
    because: str = ""
    parts: tuple[Relaxation, ...] = ()
    instead: int | None = None

    @property
    def by_prize(self) -> bool:
        """Whether the stop has room and is left out for its price only."""
        return self.kind is RelaxationKind.PRIZE


_Known: TypeAlias = dict[tuple[RelaxationKind, str], Relaxation]
_Order: TypeAlias = tuple[int, ...]
_Excess: TypeAlias = tuple[tuple[RelaxationKind, int, int], ...]
"""Limits that an order exceeds: which, in what dimension, by how much."""


def relaxations(
    problem: Problem,
    insertion: Insertion,
    visits: Sequence[tuple[int, ...]],
    number: int,
    *,
    fixed: Collection[RelaxationKind] = (),
) -> tuple[Relaxation, ...]:
    """For each rule the smallest change that lets the left-out task (a job or a pick-up) in, the cheapest first.

    Times come first, the fewest minutes at the front, then limits and amounts, then skills, rights and locks; where no
    single rule is to blame several together; last the stop that could stay behind instead. Where a vehicle has room
    already that is all there is to say (an optional stop then names its prize). Empty when no way leads there. Rules of the
    kinds in `fixed` give no way, neither alone nor with others.
    """
    task = problem.tasks[number]
    room = [
        (found[0], vehicle.id)
        for index, vehicle in enumerate(problem.vehicles)
        if (found := insertion.cheapest(index, visits[index], number)) is not None
    ]
    if room:
        extra, vehicle_id = min(room)
        return (_roomy(extra, vehicle_id) if task.prize is None else _dearer(task, extra, vehicle_id),)
    trials = [_Trial(problem, insertion, index, visits[index], number, fixed) for index in range(len(problem.vehicles))]
    best: _Known = {}
    for change in _least_of(trials):
        _keep(best, change)
    for trial in trials:
        _keep(best, trial.relaxations(best))
    if not best:
        for trial in trials:
            _keep(best, trial.several(best))
    if RelaxationKind.EXCHANGE not in fixed:
        _keep(best, _exchange(problem, insertion, visits, number))
    order = list(RelaxationKind)
    return tuple(
        sorted(
            best.values(), key=lambda r: (order.index(r.kind) if r.kind not in _TIMES else 0, r.amount, r.extra_cost)
        )
    )


def _least_of(trials: Sequence[_Trial]) -> Iterator[list[Relaxation]]:
    """Of every limit that can be measured the least excess: the nearest vehicles first, the rest need not be looked at."""
    least: dict[tuple[RelaxationKind, str], list[tuple[int, int, _Trial, Relaxation]]] = {}
    enough: dict[tuple[RelaxationKind, str], int] = {}
    for trial in sorted(trials, key=lambda trial: trial.at_least):
        for change in trial.measured(enough):
            key = (change.kind, change.dimension)
            enough[key] = min(change.amount, enough.get(key, change.amount))
            least.setdefault(key, []).append((change.amount, trial.index, trial, change))
    for found in least.values():
        for _, group in groupby(sorted(found, key=lambda entry: entry[:2]), key=lambda entry: entry[0]):
            if changes := [tried for _, _, trial, change in group for tried in trial.tried(change)]:
                yield changes
                break


def _keep(best: _Known, found: Iterable[Relaxation]) -> None:
    for change in found:
        key = (change.kind, change.dimension)
        if key not in best or _size(change) < _size(best[key]):
            best[key] = change


def _size(change: Relaxation) -> tuple[int, int, int]:
    return len(change.parts), change.amount, change.extra_cost


def applied(problem: Problem, task: Task, relaxation: Relaxation) -> Problem:
    """The problem with the rule changed for the task (a job or one end of a shipment) as the relaxation says."""
    match relaxation.kind:
        case RelaxationKind.ROOM:
            return problem
        case RelaxationKind.SEVERAL:
            return functools.reduce(lambda so_far, part: applied(so_far, task, part), relaxation.parts, problem)
        case RelaxationKind.EXCHANGE:
            return problem.replace(jobs=tuple(job for job in problem.jobs if job.id != relaxation.instead))
        case RelaxationKind.WINDOW:
            return _with_windows(problem, task, relaxation.amount)
        case RelaxationKind.PRIZE:
            return _with_stop(problem, task, prize=relaxation.extra_cost + 1)
        case RelaxationKind.ALLOWED_VEHICLES:
            allowed = (task.allowed_vehicles or frozenset()) | {relaxation.vehicle}
            return _with_stop(problem, task, allowed_vehicles=allowed)
        case RelaxationKind.LOCK:
            return _with_stop(problem, task, lock=Lock.FREE, locked_vehicle=None, locked_rank=None)
    return _with_vehicle(problem, relaxation)


def _with_vehicle(problem: Problem, relaxation: Relaxation) -> Problem:
    vehicle, amount = problem.vehicles[problem.vehicle_index(relaxation.vehicle)], relaxation.amount
    changes: dict[str, Any]
    match relaxation.kind:
        case RelaxationKind.SHIFT:
            opens, closes = vehicle.time_window or (0, MAX_INSTANT)
            changes = {"time_window": (opens, closes + amount)}
        case RelaxationKind.DURATION:
            changes = {"max_duration": (vehicle.longest_duration or 0) + amount, "max_overtime": None}
        case RelaxationKind.CAPACITY | RelaxationKind.CASH_LIMIT:
            more = [
                amount if problem.dimension_name(d) == relaxation.dimension else 0 for d in range(problem.dimensions)
            ]
            changes = {"capacity": tuple(most + by for most, by in zip(vehicle.capacity, more, strict=True))}
        case RelaxationKind.SKILL:
            changes = {"skills": vehicle.skills | set(relaxation.skills)}
        case _:
            limit = _LIMITS[relaxation.kind]
            changes = {limit: getattr(vehicle, limit) + amount}
    changed = dataclasses.replace(vehicle, **changes)
    return problem.replace(vehicles=tuple(changed if v.id == vehicle.id else v for v in problem.vehicles))


def _request(problem: Problem, task: Task) -> Job | Shipment:
    """The job or shipment behind a task, by its id: its place may have moved."""
    if task.kind is TaskKind.JOB:
        return next(job for job in problem.jobs if job.id == task.id)
    return next(s for s in problem.shipments if getattr(s, task.kind.value).id == task.id)


def _with_stop(problem: Problem, task: Task, **changes: Any) -> Problem:
    old = _request(problem, task)
    new = dataclasses.replace(old, **changes)
    if isinstance(new, Job):
        return problem.replace(jobs=tuple(new if job is old else job for job in problem.jobs))
    return problem.replace(shipments=tuple(new if shipment is old else shipment for shipment in problem.shipments))


def _with_windows(problem: Problem, task: Task, by: int) -> Problem:
    request = _request(problem, task)
    if isinstance(request, Job):
        return _with_stop(problem, task, time_windows=_wider(request.time_windows, by))
    ends = {
        name: dataclasses.replace(end, time_windows=_wider(end.time_windows, by))
        for name, end in (("pickup", request.pickup), ("delivery", request.delivery))
    }
    return _with_stop(problem, task, **ends)


def _roomy(extra: int, vehicle: int) -> Relaxation:
    return Relaxation(
        kind=RelaxationKind.ROOM, vehicle=vehicle, amount=0, extra_cost=extra,
        sentence=f"Vehicle {vehicle} has room for it.",
    )  # fmt: skip


def _dearer(task: Task, extra: int, vehicle: int) -> Relaxation:
    prize = task.prize or 0
    return Relaxation(
        kind=RelaxationKind.PRIZE, vehicle=vehicle, amount=max(0, extra - prize), extra_cost=extra,
        sentence=f"With a prize above {extra} vehicle {vehicle} would take it.",
        because=f"Serving it would cost {extra} more, leaving it out costs its prize of {prize}.",
    )  # fmt: skip


def _exchange(
    problem: Problem, insertion: Insertion, visits: Sequence[tuple[int, ...]], number: int
) -> Iterator[Relaxation]:
    """The least urgent job, no more urgent than the newcomer, without which its vehicle would have room."""
    task, timetable = problem.tasks[number], insertion.timetable
    candidates = sorted(
        (other.priority, -other.setup - other.service, index, visit)
        for index, route in enumerate(visits)
        if problem.may_serve(problem.vehicles[index], task)
        for visit in route
        if (other := problem.tasks[visit]).kind is TaskKind.JOB
        and other.lock is Lock.FREE
        and other.prize is None
        and other.priority <= task.priority
    )
    for _, _, index, visit in candidates[:_MOST_EXCHANGES]:
        rest = tuple(n for n in visits[index] if n != visit)
        if (found := insertion.cheapest(index, rest, number)) is None:
            continue
        before, after = timetable.cost(index, visits[index]), timetable.cost(index, found[1])
        vehicle, left = problem.vehicles[index].id, problem.tasks[visit].id
        yield Relaxation(
            kind=RelaxationKind.EXCHANGE, vehicle=vehicle, amount=0, extra_cost=(after or 0) - (before or 0),
            instead=left, sentence=f"Without job {left} vehicle {vehicle} could take it.",
        )  # fmt: skip
        return


class _Trial:
    """One vehicle's route and the newcomer."""

    def __init__(
        self,
        problem: Problem,
        insertion: Insertion,
        index: int,
        route: Sequence[int],
        number: int,
        fixed: Collection[RelaxationKind],
    ) -> None:
        self.whole = problem
        self.fixed = fixed
        self.tables = insertion.timetable
        self.index = index
        self.vehicle = problem.vehicles[index]
        self.name = f"vehicle {self.vehicle.id}"
        self.route = tuple(route)
        self.number = number
        self.task = problem.tasks[number]
        self.pair = (number,) if self.task.partner is None else (number, self.task.partner)

    @functools.cached_property
    def small(self) -> Problem:
        """The problem with nothing but this route and the newcomer: rules are changed in it, and what follows is tried."""
        tasks = [self.whole.tasks[n] for n in (*self.route, self.number)]
        jobs = {task.index for task in tasks if task.kind is TaskKind.JOB}
        moved = {task.index for task in tasks if task.partner is not None}
        return self.whole.replace(
            jobs=tuple(job for at, job in enumerate(self.whole.jobs) if at in jobs),
            shipments=tuple(shipment for at, shipment in enumerate(self.whole.shipments) if at in moved),
        )

    def relaxations(self, known: _Known) -> Iterator[Relaxation]:
        """What a right, a window or a longer day could do for this vehicle; windows only where they beat what is known."""
        if not self.whole.may_serve(self.vehicle, self.task):
            yield from self._rights()
            return
        widest = known.get((RelaxationKind.WINDOW, ""))
        yield from self._windows(_WIDEST_WINDOW if widest is None else widest.amount // _MINUTE)
        if self.vehicle.longest_duration is not None:
            yield from self._duration()

    # -- trying

    def _change(self, kind: RelaxationKind, amount: int, sentence: str, **more: Any) -> Relaxation:
        return Relaxation(
            kind=kind, vehicle=self.vehicle.id, amount=amount, extra_cost=0, sentence=sentence, **more
        )  # fmt: skip

    def tried(self, change: Relaxation) -> list[Relaxation]:
        """The change with what it costs, when it may be made and lets the stop in; the checker is asked too."""
        if any(part.kind in self.fixed for part in (change, *change.parts)):
            return []
        relaxed = applied(self.small, self.task, change)
        found = self._fit(relaxed)
        if found is None:
            return []
        extra, route = found
        visits = tuple(route if at == self.index else () for at in range(len(relaxed.vehicles)))
        plan = assemble(relaxed, Timetable(relaxed, tables_of=self.tables), visits)
        if violations := check(relaxed, plan):
            raise CheckFailed(violations)
        return [dataclasses.replace(change, extra_cost=extra)]

    def _fit(self, relaxed: Problem) -> tuple[int, _Order] | None:
        numbers = {(task.kind, task.id): n for n, task in enumerate(relaxed.tasks)}
        tasks = [self.whole.tasks[n] for n in (*self.route, self.number)]
        *route, newcomer = (numbers[task.kind, task.id] for task in tasks)
        insertion = Insertion(relaxed, Timetable(relaxed, tables_of=self.tables))
        return insertion.cheapest(self.index, route, newcomer)

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
        if missing := self.task.skills - self.vehicle.skills:
            skills = tuple(sorted(missing))
            sentence = f"With skills {list(skills)} {self.name} could take it."
            yield from self.tried(self._change(RelaxationKind.SKILL, len(skills), sentence, skills=skills))
            return
        allowed = self.task.allowed_vehicles
        if allowed is not None and self.vehicle.id not in allowed:
            if self.task.lock is Lock.FREE or self.task.locked_vehicle == self.vehicle.id:
                sentence = f"If it were allowed, {self.name} could take it."
                yield from self.tried(self._change(RelaxationKind.ALLOWED_VEHICLES, 0, sentence))
            return
        if self.task.lock in (Lock.KEEP_POSTMAN, Lock.KEEP_ORDER):
            sentence = f"Without its lock to vehicle {self.task.locked_vehicle} {self.name} could take it."
            yield from self.tried(self._change(RelaxationKind.LOCK, 0, sentence))

    @functools.cached_property
    def _by_time(self) -> list[tuple[int, _Order]]:
        """The orders that keep their windows, each with the earliest that the vehicle could be back, the shift aside."""
        if not self.whole.may_serve(self.vehicle, self.task):
            return []
        found = ((self._at_the_earliest(order), order) for order in self._orders())
        return sorted((back, order) for back, order in found if back is not None)

    @property
    def at_least(self) -> int:
        """By how much the shift would have to be longer at the very least; large where that would not help."""
        closes = 0 if self.vehicle.time_window is None else self.vehicle.time_window[1]
        return self._by_time[0][0] - closes if self._by_time else MAX_INSTANT

    def measured(self, enough: Mapping[tuple[RelaxationKind, str], int]) -> Iterator[Relaxation]:
        """Limits whose excess can be read off an order: for each the order that exceeds it least, and nothing else.

        What exceeds one by more than is `enough` for another vehicle is not looked at.
        """
        closes = None if self.vehicle.time_window is None else self.vehicle.time_window[1]
        in_time: list[tuple[int, _Order]] = []
        too_much: dict[tuple[RelaxationKind, int], list[tuple[int, int, _Order]]] = {}
        for back, order in self._by_time:
            over = self._excess(order)
            if not over:
                in_time.append((back, order))
            elif len(over) == 1 and (closes is None or back <= closes):
                kind, dimension, amount = over[0]
                too_much.setdefault((kind, dimension), []).append((amount, back, order))
        for (kind, dimension), orders in too_much.items():
            for amount, _, order in sorted(orders):
                change = self._raised(kind, dimension, amount)
                if amount > enough.get((kind, change.dimension), amount):
                    break
                if self.tables.returns(self.index, order) is not None:
                    yield change
                    break
        if closes is None:
            return
        most, least = enough.get((RelaxationKind.SHIFT, "")), None
        for at_least, order in in_time:
            if most is not None and at_least - closes > most:
                break
            ends = self.tables.returns(self.index, order, endless=True)
            if ends is not None and ends > closes and (most is None or ends - closes <= most):
                most = least = ends - closes
        if least is not None:
            yield self._raised(RelaxationKind.SHIFT, 0, least)

    def _orders(self) -> list[_Order]:
        """The orders with the newcomer, its shipment's other end behind it; what is frozen stays in front."""
        frozen = sum(self.whole.tasks[n].lock is Lock.FROZEN for n in self.route)
        gaps = range(frozen, len(self.route) + 1)
        if len(self.pair) == 1:
            return [(*self.route[:gap], self.number, *self.route[gap:]) for gap in gaps]
        first, second = self.pair
        orders = [
            (*self.route[:a], first, *self.route[a:b], second, *self.route[b:])
            for a, b in combinations_with_replacement(gaps, 2)
        ]
        tasks = self.whole.tasks
        return sorted(orders, key=lambda order: self.tables.cost_lines(self.vehicle, [tasks[n] for n in order]).total)[
            :_MOST_PLACES
        ]

    def _at_the_earliest(self, order: _Order, *, any_time: bool = False) -> int | None:
        """Before when the vehicle cannot be back, its shift aside; None when a window cannot be kept or no way leads on.

        Quick, and never too late: ferries wait for it and rests take no more than their length.
        """
        seconds, tasks = self.tables.least(self.vehicle), self.whole.tasks
        began = time = 0 if self.vehicle.time_window is None else self.vehicle.time_window[0]
        place, busy, facts = self.vehicle.start, 0, False
        for number in order:
            task = tasks[number]
            way = 0 if place is None else seconds[place][task.location_index]
            action = task.service + (0 if place == task.location_index else task.setup)
            place = task.location_index
            if task.happened_at is not None:
                time, facts = task.happened_at + action, True
                continue
            if way == UNREACHABLE:
                return None
            windows = () if any_time and number in self.pair else task.time_windows
            begins = first_begin(windows, time + way)
            if begins is None:
                return None
            time, busy = begins + action, busy + way + action
        home = 0 if place is None or self.vehicle.end is None else seconds[place][self.vehicle.end]
        if home == UNREACHABLE:
            return None
        if facts:
            return time + home
        return max(time, began + busy + sum(rest.service for rest in self.vehicle.breaks)) + home

    def _excess(self, order: _Order) -> _Excess:
        return tuple(self._exceeded(order))

    def _exceeded(self, order: _Order) -> Iterator[tuple[RelaxationKind, int, int]]:
        loads = self.tables.loads(order)
        for dimension, most in enumerate(self.vehicle.capacity):
            if (peak := max(load[dimension] for load in loads)) > most:
                cash = self.whole.is_cash(dimension)
                yield RelaxationKind.CASH_LIMIT if cash else RelaxationKind.CAPACITY, dimension, peak - most
        stops = sum(n < self.whole.stops for n in order)
        if self.vehicle.max_tasks is not None and stops > self.vehicle.max_tasks:
            yield RelaxationKind.MAX_TASKS, 0, stops - self.vehicle.max_tasks
        if self.vehicle.max_travel_time is None and self.vehicle.max_distance is None:
            return
        places = [self.vehicle.start, *(self.whole.tasks[n].location_index for n in order), self.vehicle.end]
        legs = [(a, b) for a, b in pairwise(places) if a is not None and b is not None]
        seconds, metres = self.tables.seconds(self.vehicle), self.tables.metres(self.vehicle)
        travel = sum(seconds[a][b] for a, b in legs)
        far = 0 if metres is None else sum(metres[a][b] for a, b in legs)
        if self.vehicle.max_travel_time is not None and travel > self.vehicle.max_travel_time:
            yield RelaxationKind.TRAVEL_TIME, 0, travel - self.vehicle.max_travel_time
        if self.vehicle.max_distance is not None and far > self.vehicle.max_distance:
            yield RelaxationKind.DISTANCE, 0, far - self.vehicle.max_distance

    def _raised(self, kind: RelaxationKind, dimension: int, amount: int) -> Relaxation:
        name = self.name
        if kind is RelaxationKind.SHIFT:
            return self._change(kind, amount, f"With a shift {_minutes(amount)} longer {name} could take it.")
        if kind in (RelaxationKind.CAPACITY, RelaxationKind.CASH_LIMIT):
            unit = self.whole.dimension_name(dimension)
            sentence = f"If {name} might carry {amount} more of {unit}, it could take it."
            return self._change(kind, amount, sentence, dimension=unit)
        said = {
            RelaxationKind.MAX_TASKS: f"{amount} visits more",
            RelaxationKind.TRAVEL_TIME: f"{_minutes(amount)} more of travel",
            RelaxationKind.DISTANCE: f"{amount} m more",
        }[kind]
        return self._change(kind, amount, f"With {said} allowed {name} could take it.")

    @property
    def _has_windows(self) -> bool:
        tasks = [self.whole.tasks[n] for n in self.pair]
        return any(task.time_windows for task in tasks) and all(t.lock is not Lock.KEEP_TIME for t in tasks)

    def _windows(self, most: int) -> list[Relaxation]:
        if not self._has_windows or not any(
            self._at_the_earliest(order, any_time=True) is not None for order in self._orders()
        ):
            return []
        minutes = self._least(most, lambda by: _with_windows(self.small, self.task, by * _MINUTE))
        if minutes is None:
            return []
        sentence = f"With its window {minutes} min wider {self.name} could take it."
        found = self.tried(self._change(RelaxationKind.WINDOW, minutes * _MINUTE, sentence))
        return [dataclasses.replace(change, sentence=f"{change.sentence} {self._when(minutes)}") for change in found]

    def _when(self, minutes: int) -> str:
        """At which side of which window the minutes are needed, tried one by one."""
        for task in (self.whole.tasks[n] for n in self.pair):
            for opens, closes in task.time_windows:
                by = minutes * _MINUTE
                for side, window in (("from", (max(0, opens - by), closes)), ("until", (opens, closes + by))):
                    rest = tuple(w for w in task.time_windows if w != (opens, closes))
                    if task.kind is TaskKind.JOB and self._fit(
                        _with_stop(self.small, task, time_windows=_wider((*rest, window), 0))
                    ):
                        was, now = (opens, window[0]) if side == "from" else (closes, window[1])
                        return f"It would be open {side} {clock(now)} instead of {clock(was)}."
        return f"It needs the {minutes} min on both sides."

    def _duration(self) -> list[Relaxation]:
        def change(minutes: int) -> Relaxation:
            sentence = f"With a day {minutes} min longer {self.name} could take it."
            return self._change(RelaxationKind.DURATION, minutes * _MINUTE, sentence)

        minutes = self._least(_LONGEST_DAY, lambda by: applied(self.small, self.task, change(by)))
        return [] if minutes is None else self.tried(change(minutes))

    # -- several rules at once

    def several(self, known: _Known) -> Iterator[Relaxation]:
        """The fewest limits that would have to give way together for this vehicle, and the least minutes among those.

        `amount` adds up the seconds of its parts, their other amounts stand in the parts.
        """
        rights = self._rights_needed()
        if rights is None or self.task.lock is Lock.KEEP_TIME or any(part.kind in self.fixed for part in rights):
            return
        best = known.get((RelaxationKind.SEVERAL, ""))
        closes = None if self.vehicle.time_window is None else self.vehicle.time_window[1]
        tried: list[tuple[int, int, bool, _Excess, _Order]] = []
        for order in self._orders():
            in_window = self._at_the_earliest(order)
            back = (
                in_window
                if in_window is not None or not self._has_windows
                else self._at_the_earliest(order, any_time=True)
            )
            if back is None:
                continue
            over = self._excess(order)
            late = 0 if closes is None else max(0, back - closes)
            rules = len(rights) + len(over) + (late > 0) + (in_window is None)
            tried.append((rules, late, in_window is None, over, order))
        for _, _, any_time, over, order in sorted(tried)[:_MOST_PLACES]:
            parts = [*rights, *(self._raised(*limit) for limit in over)]
            freed = self.pair if any_time else ()
            back = self.tables.returns(self.index, order, any_time_for=freed, endless=True)
            if back is None:
                continue
            if closes is not None and back > closes:
                parts.append(self._raised(RelaxationKind.SHIFT, 0, back - closes))
            if any_time:
                base = functools.reduce(lambda so_far, part: applied(so_far, self.task, part), parts, self.small)
                minutes = self._least(
                    _WIDEST_WINDOW,
                    functools.partial(lambda start, by: _with_windows(start, self.task, by * _MINUTE), base),
                )
                if minutes is None:
                    continue
                sentence = f"With its window {minutes} min wider {self.name} could take it."
                parts.append(self._change(RelaxationKind.WINDOW, minutes * _MINUTE, sentence))
            if not parts:
                continue
            change = parts[0] if len(parts) == 1 else self._change(
                RelaxationKind.SEVERAL, sum(part.amount for part in parts if part.kind in _TIMES),
                f"{self.name.capitalize()} could take it if together: {' '.join(part.sentence for part in parts)}",
                parts=tuple(parts),
            )  # fmt: skip
            if best is not None and _size(best)[:2] <= _size(change)[:2]:
                return
            if found := self.tried(change):
                yield found[0]
                return

    def _rights_needed(self) -> list[Relaxation] | None:
        """The changes that give the vehicle the right to the stop; None where a fact denies it."""
        needed = []
        if missing := tuple(sorted(self.task.skills - self.vehicle.skills)):
            sentence = f"With skills {list(missing)} {self.name} could take it."
            needed.append(self._change(RelaxationKind.SKILL, len(missing), sentence, skills=missing))
        if self.task.allowed_vehicles is not None and self.vehicle.id not in self.task.allowed_vehicles:
            sentence = f"If it were allowed, {self.name} could take it."
            needed.append(self._change(RelaxationKind.ALLOWED_VEHICLES, 0, sentence))
        if self.task.lock is not Lock.FREE and self.task.locked_vehicle != self.vehicle.id:
            if self.task.lock not in (Lock.KEEP_POSTMAN, Lock.KEEP_ORDER):
                return None
            sentence = f"Without its lock to vehicle {self.task.locked_vehicle} {self.name} could take it."
            needed.append(self._change(RelaxationKind.LOCK, 0, sentence))
        return needed


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
