"""Why a job is left out: every vehicle is really tried, first alone with the job, then with its present route.

The rule to blame is the one whose absence lets the job in; the plan's single code is that of the vehicle that came
nearest, and among equals the one where the job would have cost least.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

from routing.insertion import STRICT, Insertion, Leniency
from routing.problem import UNREACHABLE, Lock, Problem, Task, TaskKind, Visits
from routing.refusals import carried_by
from routing.solution import Reason, ReasonCode, StepKind, Unassigned
from routing.timetable import half_up

_A_DAY = 86_400
_UNKNOWN_COST = 2**62
_NEARNESS = (
    ReasonCode.SKILL, ReasonCode.UNREACHABLE, ReasonCode.CAPACITY, ReasonCode.CASH_LIMIT, ReasonCode.SHIFT,
    ReasonCode.WINDOW,
)  # fmt: skip
_A_TRIAL = 10  # what trying a route costs beside its stops, in stops


class Patience:
    """Vehicles are tried until a time (`time.monotonic()`), and whatever the time until routes of about `least` stops are.

    Without the second, what a small plan says of its left-out stops would depend on how busy the machine is.
    """

    def __init__(self, until: float, *, least: int = 0) -> None:
        self._until = until
        self._least = least

    @property
    def ended(self) -> bool:
        """Whether no vehicle is tried any more."""
        return self._least <= 0 and time.monotonic() >= self._until

    def spend(self, stops: int) -> None:
        """Note that a route of so many stops is tried."""
        self._least -= _A_TRIAL + stops


def unassigned(
    problem: Problem,
    insertion: Insertion,
    visits: Visits,
    number: int,
    *,
    patience: Patience | None = None,
    vehicles: Sequence[int] | None = None,
) -> Unassigned:
    """The left-out task with its reasons; for a shipment both ends share them.

    `vehicles` (at least one) are those to be asked, None = all. When `patience` ends they are no longer tried: then only
    what is certain without trying is held against the task, and where that is nothing the reason says so.
    """
    task = problem.tasks[number]
    asked = range(len(problem.vehicles)) if vehicles is None else vehicles
    found = [_Vehicle(problem, insertion, visits, index, number).reason(patience) for index in asked]
    ranked = sorted(found, key=lambda item: item[0], reverse=True)
    best = ranked[0][1]
    return Unassigned(
        kind=StepKind(task.kind.value), id=task.id, index=task.index, location_index=task.location_index,
        code=best.code, sentence=best.sentence, reasons=tuple(reason for _, reason in found),
        description=task.description,
    )  # fmt: skip


class _Vehicle:
    """One vehicle's answer to one left-out task."""

    def __init__(self, problem: Problem, insertion: Insertion, visits: Visits, index: int, number: int) -> None:
        self.problem = problem
        self.timetable = insertion.timetable
        self.index = index
        self.vehicle = problem.vehicles[index]
        self.number = number
        self.task = problem.tasks[number]
        self.visits = visits[index]
        self.insertion = insertion
        self.alone = tuple(v for v in self.visits if problem.tasks[v].lock is Lock.FROZEN)

    def _because(self, stage: int, code: ReasonCode, sentence: str, extra: int = 0) -> tuple[tuple[int, int], Reason]:
        nearness = stage * 10 + (_NEARNESS.index(code) if stage == 0 else 0)
        return (nearness, -extra), Reason(vehicle=self.vehicle.id, code=code, sentence=sentence)

    def reason(self, patience: Patience | None) -> tuple[tuple[int, int], Reason]:
        """How near the vehicle came (larger is nearer) and why it cannot."""
        found = self._rights() or self._amounts()
        if found is not None:
            return found
        if patience is not None:
            if patience.ended:
                sentence = f"The time for planning ran out before vehicle {self.vehicle.id} was tried."
                return self._full() or self._because(2, ReasonCode.SHIFT, sentence, _UNKNOWN_COST)
            patience.spend(len(self.visits))
        return self._by_itself() or self._with_its_route()

    def _rights(self) -> tuple[tuple[int, int], Reason] | None:
        name = f"Vehicle {self.vehicle.id}"
        if missing := self.task.skills - self.vehicle.skills:
            return self._because(0, ReasonCode.SKILL, f"{name} lacks skills {sorted(missing)}.")
        if self.task.allowed_vehicles is not None and self.vehicle.id not in self.task.allowed_vehicles:
            return self._because(0, ReasonCode.SKILL, f"{name} is not among {sorted(self.task.allowed_vehicles)}.")
        if self.task.lock is not Lock.FREE and self.task.locked_vehicle != self.vehicle.id:
            sentence = f"{name} may not take it, it is locked to vehicle {self.task.locked_vehicle}."
            return self._because(0, ReasonCode.SKILL, sentence)
        return None

    def _ends(self) -> list[Task]:
        return [self.task] if self.task.partner is None else [self.task, self.problem.tasks[self.task.partner]]

    def _amounts(self) -> tuple[tuple[int, int], Reason] | None:
        for dimension, most in enumerate(self.vehicle.capacity):
            amount = max(max(task.delivery[dimension], task.pickup[dimension]) for task in self._ends())
            if amount > most:
                name = self.problem.dimension_name(dimension)
                sentence = f"Vehicle {self.vehicle.id} may carry {most} of {name}, this needs {amount}."
                return self._because(0, self._load_code(dimension), sentence)
        return None

    def _full(self) -> tuple[tuple[int, int], Reason] | None:
        """What its route has on board leaves no room for a job, wherever the job comes (see `routing.refusals`)."""
        if self.task.kind is not TaskKind.JOB or self.vehicle.reloads:
            return None
        for dimension, (out, back) in enumerate(zip(*carried_by(self.problem, self.visits), strict=True)):
            most = self.vehicle.capacity[dimension]
            if out + self.task.delivery[dimension] > most or back + self.task.pickup[dimension] > most:
                sentence = self._load_sentence(dimension, self.visits)
                return self._because(1, self._load_code(dimension), sentence, _UNKNOWN_COST)
        return None

    def _load_code(self, dimension: int) -> ReasonCode:
        return ReasonCode.CASH_LIMIT if self.problem.is_cash(dimension) else ReasonCode.CAPACITY

    def _entry(self) -> int:
        """A shipment enters with its pick-up."""
        task = self.task
        return self.number if task.partner is None else min(self.number, task.partner)

    def _by_itself(self) -> tuple[tuple[int, int], Reason] | None:
        if self._fits(self.alone, STRICT) is not None:
            return None
        name = f"Vehicle {self.vehicle.id}"
        if self._cut_off():
            return self._because(0, ReasonCode.UNREACHABLE, f"{name} has no way there and back.")
        every = frozenset(range(self.problem.dimensions))
        for dimension in sorted(every):
            if self._fits(self.alone, Leniency(load=frozenset({dimension}))) is not None:
                return self._because(0, self._load_code(dimension), self._load_sentence(dimension, self.alone))
        if self._fits(self.alone, Leniency(load=every, window=True)) is not None:
            return self._because(0, ReasonCode.WINDOW, self._window_sentence())
        return self._because(0, ReasonCode.SHIFT, self._shift_sentence(self.alone))

    def _fits(self, visits: Sequence[int], lenient: Leniency) -> int | None:
        found = self.insertion.cheapest(self.index, visits, self._entry(), lenient)
        return None if found is None else found[0]

    def _cut_off(self) -> bool:
        """No way to the door or back from it, directly; a way round through other doors counts as none."""
        seconds = self.timetable.seconds(self.vehicle)
        start = self.problem.tasks[self.alone[-1]].location_index if self.alone else self.vehicle.start
        places = [start, *(self.problem.tasks[n].location_index for n in self._pair()), self.vehicle.end]
        legs = pairwise(places)
        return any(a is not None and b is not None and seconds[a][b] == UNREACHABLE for a, b in legs)

    def _pair(self) -> list[int]:
        return [self.number] if self.task.partner is None else sorted((self.number, self.task.partner))

    def _with_its_route(self) -> tuple[tuple[int, int], Reason]:
        if (room := self._fits(self.visits, STRICT)) is not None:
            prize = self.problem.tasks[self._entry()].prize
            if prize is not None and room >= prize:
                sentence = f"Serving it costs vehicle {self.vehicle.id} {room}, leaving it out costs {prize}."
                return self._because(2, ReasonCode.PRIZE, sentence, room)
            sentence = (
                f"The time for planning ran out before this was given to vehicle {self.vehicle.id}, which has room."
            )
            return self._because(2, ReasonCode.SHIFT, sentence, room)
        for dimension in range(self.problem.dimensions):
            extra = self._fits(self.visits, Leniency(load=frozenset({dimension})))
            if extra is not None:
                sentence = self._load_sentence(dimension, self.visits)
                return self._because(1, self._load_code(dimension), sentence, extra)
        attempts: tuple[tuple[ReasonCode, Leniency], ...] = (
            (ReasonCode.WINDOW, Leniency(window=True)),
            (ReasonCode.SHIFT, Leniency(shift=True)),
            (ReasonCode.WINDOW, Leniency(window=True, shift=True)),
        )
        for code, lenient in attempts:
            extra = self._fits(self.visits, lenient)
            if extra is not None:
                window = code is ReasonCode.WINDOW
                sentence = self._window_full_sentence() if window else self._shift_sentence(self.visits)
                return self._because(1, code, sentence, extra)
        return self._because(1, ReasonCode.SHIFT, self._shift_sentence(self.visits), _UNKNOWN_COST)

    # -- sentences

    def _load_sentence(self, dimension: int, visits: Sequence[int]) -> str:
        tasks = [self.problem.tasks[v] for v in visits]
        carried = sum(max(task.delivery[dimension], task.pickup[dimension]) for task in tasks)
        amount = max(max(task.delivery[dimension], task.pickup[dimension]) for task in self._ends())
        name, most = self.problem.dimension_name(dimension), self.vehicle.capacity[dimension]
        return (
            f"Vehicle {self.vehicle.id} may carry {most} of {name}; its {len(tasks)} stops take {carried}, "
            f"this one {amount}."
        )

    def _window_sentence(self) -> str:
        back = self.timetable.returns(self.index, (*self.alone, *self._pair()), any_time_for=set(self._pair()))
        windows = [w for task in self._ends() for w in task.time_windows]
        shown = ", ".join(f"{clock(a)}-{clock(b)}" for a, b in windows)
        shift = self.vehicle.time_window
        hours = "" if shift is None else f" in its shift {clock(shift[0])}-{clock(shift[1])}"
        late = "" if back is None else f"; at any time it would be back at {clock(back)}"
        return f"Vehicle {self.vehicle.id} cannot come within {shown}{hours}{late}."

    def _window_full_sentence(self) -> str:
        shown = ", ".join(f"{clock(a)}-{clock(b)}" for task in self._ends() for a, b in task.time_windows)
        return f"Vehicle {self.vehicle.id} has no room within {shown} between its {len(self.visits)} stops."

    def _shift_sentence(self, visits: Sequence[int]) -> str:
        vehicle = self.vehicle
        name = f"Vehicle {vehicle.id}"
        if vehicle.max_tasks is not None and len(visits) + len(self._pair()) > vehicle.max_tasks:
            return f"{name} may make {vehicle.max_tasks} visits and has {len(visits)}."
        found = self.insertion.cheapest(self.index, visits, self._entry(), Leniency(shift=True, window=True))
        if found is not None and vehicle.time_window is not None:
            back = self.timetable.returns(self.index, found[1], any_time_for=set(self._pair()), endless=True)
            if back is not None and back > vehicle.time_window[1]:
                return f"{name} would be back at {clock(back)}, its shift ends at {clock(vehicle.time_window[1])}."
        limits = []
        if vehicle.max_travel_time is not None:
            limits.append(f"{half_up(vehicle.max_travel_time, 60)} min of travel")
        if vehicle.max_distance is not None:
            limits.append(f"{vehicle.max_distance} m")
        if vehicle.longest_duration is not None:
            limits.append(f"{half_up(vehicle.longest_duration, 60)} min in all")
        if vehicle.breaks:
            limits.append(f"{len(vehicle.breaks)} breaks")
        within = f" within {', '.join(limits)}" if limits else ""
        return f"{name} has no time left beside its {len(visits)} stops{within}."


def clock(seconds: int) -> str:
    """Seconds as HH:MM when they are a time of day, as they are when they count from elsewhere."""
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}" if seconds < 2 * _A_DAY else str(seconds)
