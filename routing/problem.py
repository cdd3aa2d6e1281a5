"""What is to be planned: the immutable problem that every engine, the checker and the VROOM reader share.

All durations are whole seconds, distances whole metres, instants whole seconds from an origin that the caller chooses
(midnight or the Unix epoch). Amounts are whole numbers in the unit of their dimension (items, dong ...). Costs are
whole numbers in the caller's own cost unit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

UNREACHABLE: Final = 2**31 - 1
"""The matrix entry that says "there is no way", in seconds and in metres alike."""

# Bounds that keep every sum of a plan far inside 64 bits, whatever an engine multiplies together.
MAX_INSTANT: Final = 2**33
MAX_DURATION: Final = 2**31 - 2
MAX_AMOUNT: Final = 2**47
MAX_RATE: Final = 10**9
MAX_FIXED_COST: Final = 10**12
MAX_MATRIX_COST: Final = 2**31 - 2
MAX_PRIORITY: Final = 100
MAX_SPEED_FACTOR: Final = 5.0
MAX_BREAKS: Final = 6

Window: TypeAlias = tuple[int, int]
"""Closed interval [opens, closes] of instants."""


class InvalidProblem(ValueError):
    """The caller's problem contradicts itself; `code` is stable, `field` and `value` name the culprit."""

    def __init__(self, code: str, field_path: str, value: object, sentence: str) -> None:
        self.code = code
        self.field = field_path
        self.value = value
        self.sentence = sentence
        super().__init__(f"{field_path} = {_shown(value)}: {sentence}")

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, object, str]]:
        return type(self), (self.code, self.field, self.value, self.sentence)


class NotSupported(InvalidProblem):
    """The chosen engine cannot express this problem; `sentence` holds its reasons."""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class Lock(StrEnum):
    """How much of an earlier plan must stay as it was, for one job."""

    FREE = "free"
    KEEP_POSTMAN = "keep_postman"
    KEEP_ORDER = "keep_order"
    KEEP_TIME = "keep_time"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call at one door.

    `setup` is paid once per door: not when the vehicle comes from the same location. The start of set-up and service
    must lie in one of `time_windows` (none = any time). `delivery` amounts leave the office with the vehicle, `pickup`
    amounts come back with it; both have one entry per dimension of the problem (empty = all zero). A job that does
    not fit is left out, the lowest `priority` (0-100) first.

    `allowed_vehicles` (ids) is a hard restriction; serving the job with a vehicle outside `preferred_vehicles` adds
    `preference_cost`. Locks name `locked_vehicle` (id): `keep_postman` keeps the vehicle; `keep_order` also the order
    by `locked_rank` among the vehicle's ranked jobs; `keep_time` also a start within `lock_tolerance` seconds of
    `locked_time`; `frozen` jobs open their vehicle's route, in the order of their ranks and without anything between
    them, and with `locked_time` start exactly then, whatever windows and travel times say (it has already happened).
    """

    id: int
    location_index: int
    description: str = ""
    setup: int = 0
    service: int = 0
    delivery: tuple[int, ...] = ()
    pickup: tuple[int, ...] = ()
    skills: frozenset[int] = frozenset()
    priority: int = 0
    time_windows: tuple[Window, ...] = ()
    allowed_vehicles: frozenset[int] | None = None
    preferred_vehicles: frozenset[int] = frozenset()
    preference_cost: int = 0
    lock: Lock = Lock.FREE
    locked_vehicle: int | None = None
    locked_rank: int | None = None
    locked_time: int | None = None
    lock_tolerance: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentStop:
    """One end of a shipment; ids are unique among pick-ups and among deliveries."""

    id: int
    location_index: int
    description: str = ""
    setup: int = 0
    service: int = 0
    time_windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Something fetched at one door and brought to another by the same vehicle, later."""

    pickup: ShipmentStop
    delivery: ShipmentStop
    amount: tuple[int, ...] = ()
    skills: frozenset[int] = frozenset()
    priority: int = 0
    allowed_vehicles: frozenset[int] | None = None
    preferred_vehicles: frozenset[int] = frozenset()
    preference_cost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A rest of `service` seconds that begins in one of `time_windows`, between visits or during travel.

    With `max_load` (one entry per dimension) it may only be taken while the load is at most that.
    """

    id: int
    time_windows: tuple[Window, ...] = ()
    service: int = 0
    description: str = ""
    max_load: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """`fixed` per used vehicle, `per_hour` of travel, `per_km` of travel, `per_task_hour` of set-up and service."""

    fixed: int = 0
    per_hour: int = 3600
    per_km: int = 0
    per_task_hour: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step of a route the vehicle already has; `kind` is job, pickup, delivery or break, `id` its own."""

    kind: str
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """One postman with his mode of travel for the day.

    `start` and `end` are location indices, None = wherever the first or last stop is (at least one must be given).
    `time_window` is the shift. `speed_factor` divides the profile's seconds. `steps` is a route to start the search
    from, not a lock.
    """

    id: int
    start: int | None = None
    end: int | None = None
    profile: str = "car"
    name: str = ""
    description: str = ""
    time_window: Window | None = None
    breaks: tuple[Break, ...] = ()
    capacity: tuple[int, ...] = ()
    skills: frozenset[int] = frozenset()
    speed_factor: float = 1.0
    max_tasks: int | None = None
    max_travel_time: int | None = None
    max_distance: int | None = None
    costs: Costs = Costs()
    steps: tuple[PlannedStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matrix:
    """Travel between all locations for one profile; [from][to], `UNREACHABLE` where there is no way.

    `seconds` and `metres` are int32. A custom `cost` replaces the price of travel by hour and kilometre. Lists are
    accepted and copied; the arrays are read-only afterwards.
    """

    seconds: NDArray[np.int32]
    metres: NDArray[np.int32] | None = None
    cost: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "metres", "cost"):
            values = getattr(self, name)
            if values is not None:
                object.__setattr__(self, name, _whole_square(name, values))
        for name in ("metres", "cost"):
            values = getattr(self, name)
            if values is not None and values.shape != self.seconds.shape:
                sentence = f"expected the shape of seconds, {self.seconds.shape}"
                raise InvalidProblem("matrix_shape", name, values.shape, sentence)
            # Whichever table says "no way", there is none: readers need to look at the seconds only.
            if values is not None and (blocked := (values == UNREACHABLE) & (self.seconds != UNREACHABLE)).any():
                seconds = np.where(blocked, np.int32(UNREACHABLE), self.seconds)
                seconds.flags.writeable = False
                object.__setattr__(self, "seconds", seconds)

    @property
    def size(self) -> int:
        """How many locations it knows."""
        return int(self.seconds.shape[0])


def _whole_square(name: str, values: object) -> NDArray[np.int32]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidProblem("matrix_shape", name, type(values).__name__, "rows differ in length") from error
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] == 0:
        raise InvalidProblem("matrix_shape", name, array.shape, "expected a square table with at least one row")
    if array.dtype.kind == "f":
        strange = ~np.isfinite(array) | (array != np.floor(array))
    elif array.dtype.kind in "iu":
        strange = np.zeros(array.shape, dtype=bool)
    else:
        array = np.array(values, dtype=object)
        culprit = next(((i, j) for i, row in enumerate(array) for j, x in enumerate(row) if type(x) is not int), None)
        if culprit is None:  # whole numbers too large for 64 bits
            culprit = next((i, j) for i, row in enumerate(array) for j, x in enumerate(row) if abs(x) > UNREACHABLE)
        row, column = culprit
        sentence = f"expected a whole number from 0 to {UNREACHABLE}"
        raise InvalidProblem("matrix_value", f"{name}[{row}][{column}]", array[row, column], sentence)
    strange |= (array < 0) | (array > UNREACHABLE)
    if strange.any():
        row, column = (int(x) for x in np.argwhere(strange)[0])
        sentence = f"expected a whole number from 0 to {UNREACHABLE}"
        raise InvalidProblem("matrix_value", f"{name}[{row}][{column}]", array[row, column].item(), sentence)
    whole = array.astype(np.int32)
    whole.flags.writeable = False
    return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Travel:
    """Where the matrices come from: `source` is given | estimated | map | osrm | learned."""

    source: str = "given"
    method: str = ""
    warnings: tuple[str, ...] = ()
    data_date: str | None = None
    share_estimated: float = 0.0


class TaskKind(StrEnum):
    """What a visit does."""

    JOB = "job"
    PICKUP = "pickup"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A visit, whichever of job, pick-up or delivery it serves; `Problem.tasks` numbers them densely from 0.

    `time_windows` are the ones in force: narrowed by a keep_time lock, none for what has already happened.
    `index` is the place in `Problem.jobs` or `Problem.shipments`; `partner` the task number of the shipment's other
    end. `delivery` and `pickup` are padded to all dimensions.
    """

    kind: TaskKind
    index: int
    id: int
    location_index: int
    description: str
    setup: int
    service: int
    time_windows: tuple[Window, ...]
    delivery: tuple[int, ...]
    pickup: tuple[int, ...]
    skills: frozenset[int]
    priority: int
    allowed_vehicles: frozenset[int] | None
    preferred_vehicles: frozenset[int]
    preference_cost: int
    partner: int | None = None
    lock: Lock = Lock.FREE
    locked_vehicle: int | None = None
    locked_rank: int | None = None
    locked_time: int | None = None
    lock_tolerance: int = 0

    @property
    def happened_at(self) -> int | None:
        """When a frozen task began, None for everything that is still to come or has no time."""
        return self.locked_time if self.lock is Lock.FROZEN else None

    @property
    def rank(self) -> int | None:
        """The place in its vehicle's kept order, None when it may move."""
        return self.locked_rank if self.lock in (Lock.KEEP_ORDER, Lock.KEEP_TIME, Lock.FROZEN) else None


Visits: TypeAlias = tuple[tuple[int, ...], ...]
"""Per vehicle (by place in `Problem.vehicles`) the task numbers in the order of the visit."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """A day to plan. Building one checks it; a contradiction raises `InvalidProblem`.

    `matrices` maps a vehicle profile to its `Matrix`; all have the same size. `locations` are optional (lon, lat)
    pairs by location index, kept for the answer. `dimension_names` names the entries of every amount and capacity:
    a dimension whose name begins with `cash` is a limit on money carried and is reported as `cash_limit`.
    """

    jobs: tuple[Job, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    vehicles: tuple[Vehicle, ...]
    matrices: Mapping[str, Matrix]
    locations: tuple[tuple[float, float] | None, ...] | None = None
    dimension_names: tuple[str, ...] = ()
    travel: Travel = Travel()
    tasks: tuple[Task, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from routing.validation import validate  # noqa: PLC0415 - the rules read the types of this module

        for name in ("jobs", "shipments", "vehicles", "dimension_names"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "matrices", dict(self.matrices))
        validate(self)
        object.__setattr__(self, "tasks", tuple(_tasks(self)))

    @property
    def dimensions(self) -> int:
        """How many entries amounts and capacities have."""
        return max((len(v.capacity) for v in self.vehicles), default=0)

    @property
    def size(self) -> int:
        """How many locations the matrices know."""
        return next(iter(self.matrices.values())).size

    def dimension_name(self, dimension: int) -> str:
        """The name of one entry of the amounts, as the sentences say it."""
        return self.dimension_names[dimension] if dimension < len(self.dimension_names) else f"amount {dimension}"

    def is_cash(self, dimension: int) -> bool:
        """Whether the dimension counts money carried."""
        return self.dimension_name(dimension).startswith("cash")

    def vehicle_index(self, vehicle_id: int) -> int:
        """Place in `vehicles` of the vehicle with this id; StopIteration when there is none."""
        return next(index for index, vehicle in enumerate(self.vehicles) if vehicle.id == vehicle_id)

    def may_serve(self, vehicle: Vehicle, task: Task) -> bool:
        """Whether skills, allowed vehicles and locks let the vehicle do the task at all."""
        return (
            task.skills <= vehicle.skills
            and (task.allowed_vehicles is None or vehicle.id in task.allowed_vehicles)
            and (task.lock is Lock.FREE or vehicle.id == task.locked_vehicle)
        )

    def replace(self, **changes: Any) -> Problem:
        """A checked copy with some members exchanged."""
        kept = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        return Problem(**(kept | changes))


def travel_seconds(matrix: Matrix, speed_factor: float) -> NDArray[np.int64]:
    """Seconds of one vehicle: the profile's, divided by its speed factor and rounded half up."""
    seconds = matrix.seconds.astype(np.int64)
    if speed_factor == 1.0:
        return seconds
    scaled = np.floor(seconds / speed_factor + 0.5).astype(np.int64)
    return np.where(seconds == UNREACHABLE, UNREACHABLE, scaled)


def frozen_visits(problem: Problem) -> Visits:
    """The visits with which every route must open."""
    frozen = [(task.rank or 0, number) for number, task in enumerate(problem.tasks) if task.lock is Lock.FROZEN]
    return tuple(
        tuple(number for _, number in sorted(frozen) if problem.tasks[number].locked_vehicle == vehicle.id)
        for vehicle in problem.vehicles
    )


def kept_windows(job: Job) -> tuple[Window, ...]:
    """The windows in force for a job with its lock; empty when a keep_time lock leaves none."""
    if job.lock is Lock.FROZEN and job.locked_time is not None:
        return ()
    if job.lock is not Lock.KEEP_TIME or job.locked_time is None:
        return job.time_windows
    first, last = max(0, job.locked_time - job.lock_tolerance), job.locked_time + job.lock_tolerance
    overlaps = [(max(first, opens), min(last, closes)) for opens, closes in job.time_windows or ((first, last),)]
    return tuple((opens, closes) for opens, closes in overlaps if opens <= closes)


def _padded(amounts: Sequence[int], dimensions: int) -> tuple[int, ...]:
    return tuple(amounts) + (0,) * (dimensions - len(amounts))


def _tasks(problem: Problem) -> list[Task]:
    dimensions = problem.dimensions
    nothing = (0,) * dimensions
    tasks = [
        Task(
            kind=TaskKind.JOB, index=index, id=job.id, location_index=job.location_index, description=job.description,
            setup=job.setup, service=job.service, time_windows=kept_windows(job),
            delivery=_padded(job.delivery, dimensions), pickup=_padded(job.pickup, dimensions), skills=job.skills,
            priority=job.priority, allowed_vehicles=job.allowed_vehicles, preferred_vehicles=job.preferred_vehicles,
            preference_cost=job.preference_cost, lock=job.lock, locked_vehicle=job.locked_vehicle,
            locked_rank=job.locked_rank, locked_time=job.locked_time, lock_tolerance=job.lock_tolerance,
        )
        for index, job in enumerate(problem.jobs)
    ]  # fmt: skip
    for index, shipment in enumerate(problem.shipments):
        first = len(tasks)
        amount = _padded(shipment.amount, dimensions)
        ends = (
            (TaskKind.PICKUP, shipment.pickup, nothing, amount, first + 1),
            (TaskKind.DELIVERY, shipment.delivery, amount, nothing, first),
        )
        tasks += [
            Task(
                kind=kind, index=index, id=stop.id, location_index=stop.location_index, description=stop.description,
                setup=stop.setup, service=stop.service, time_windows=stop.time_windows, delivery=delivery,
                pickup=pickup, skills=shipment.skills, priority=shipment.priority,
                allowed_vehicles=shipment.allowed_vehicles, preferred_vehicles=shipment.preferred_vehicles,
                # paid once, at the pick-up
                preference_cost=shipment.preference_cost if kind is TaskKind.PICKUP else 0, partner=partner,
            )
            for kind, stop, delivery, pickup, partner in ends
        ]  # fmt: skip
    return tasks
