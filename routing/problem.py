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
from typing import Any, Final, TypeAlias

from routing.matrix import (
    MAX_INSTANT,
    UNREACHABLE,
    Crossing,
    Crossings,
    InvalidProblem,
    Matrix,
    NotSupported,
    TravelTable,
    travel_seconds,
)

__all__ = [
    "MAX_AMOUNT",
    "MAX_BREAKS",
    "MAX_DURATION",
    "MAX_FIXED_COST",
    "MAX_INSTANT",
    "MAX_MATRIX_COST",
    "MAX_PRIORITY",
    "MAX_RATE",
    "MAX_SPEED_FACTOR",
    "UNREACHABLE",
    "Break",
    "Costs",
    "Crossing",
    "Crossings",
    "InvalidProblem",
    "Job",
    "Lock",
    "Matrix",
    "NotSupported",
    "PlannedStep",
    "Problem",
    "Reload",
    "Shipment",
    "ShipmentStop",
    "Task",
    "TaskKind",
    "Travel",
    "TravelTable",
    "Vehicle",
    "Visits",
    "Window",
    "frozen_visits",
    "kept_windows",
    "travel_seconds",
]

# Bounds that keep every sum of a plan far inside 64 bits, whatever an engine multiplies together.
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
    prize: int | None = None
    release: int = 0
    soft_window: Window | None = None
    early_cost_per_hour: int = 0
    late_cost_per_hour: int = 0
    retry_value_per_hour: int = 0


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
    """Something fetched at one door and brought to another by the same vehicle, later; `prize` as a job's."""

    pickup: ShipmentStop
    delivery: ShipmentStop
    amount: tuple[int, ...] = ()
    skills: frozenset[int] = frozenset()
    priority: int = 0
    allowed_vehicles: frozenset[int] | None = None
    preferred_vehicles: frozenset[int] = frozenset()
    preference_cost: int = 0
    prize: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """A place where vehicles that may use it (`Vehicle.reloads`) come by as often as it serves them.

    With `empties` None everything that jobs' pick-ups brought on board comes off, and the deliveries of the next trip
    are loaded: the stops up to the next such place. With names of dimensions it is a deposit point: what was picked
    up in these comes off and nothing is loaded. What rides between the two ends of a shipment stays on board.
    """

    id: int
    location_index: int
    service: int = 0
    time_windows: tuple[Window, ...] = ()
    description: str = ""
    empties: frozenset[str] | None = None


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
    """`fixed` per used vehicle, `per_hour` of travel, `per_km` of travel, `per_task_hour` of set-up and service.

    `per_overtime_hour` of duration beyond `Vehicle.overtime_after`, `per_hour_over_target` of duration beyond
    `Vehicle.target_duration`.
    """

    fixed: int = 0
    per_hour: int = 3600
    per_km: int = 0
    per_task_hour: int = 0
    per_overtime_hour: int = 0
    per_hour_over_target: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step of a route the vehicle already has; `kind` is start, job, pickup, delivery, reload, break or end.

    `id` is the task's or break's own (0 at start and end). The begin of its service may be told: exactly, or by bounds.
    """

    kind: str
    id: int
    service_at: int | None = None
    service_after: int | None = None
    service_before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """One postman with his mode of travel for the day.

    `start` and `end` are location indices, None = wherever the first or last stop is (at least one must be given).
    `time_window` is the shift. `speed_factor` divides the profile's seconds. `steps` is a route to start the search
    from, not a lock.

    A route's duration is the time from its start to its end, waiting and rests included: at most `max_duration`, and
    at most `max_overtime` more than `overtime_after`. What exceeds `overtime_after` or `target_duration` costs, see
    `Costs`. `reloads` are the ids of the places in `Problem.reloads` it may use, together `max_reloads` times.
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
    max_duration: int | None = None
    overtime_after: int | None = None
    max_overtime: int | None = None
    target_duration: int | None = None
    reloads: tuple[int, ...] = ()
    max_reloads: int | None = None

    @property
    def longest_duration(self) -> int | None:
        """The limit on the duration of its route that `max_duration` and `max_overtime` give together."""
        overtime = None
        if self.overtime_after is not None and self.max_overtime is not None:
            overtime = self.overtime_after + self.max_overtime
        return min((limit for limit in (self.max_duration, overtime) if limit is not None), default=None)


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
    RELOAD = "reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A visit, whichever of job, pick-up or delivery it serves; `Problem.tasks` numbers them densely from 0.

    Behind all that is to be served (`Problem.stops` of them) come the reloads, which may be visited any number of times.

    `time_windows` are the ones in force: narrowed by a keep_time lock, none for what has already happened.
    `index` is the place in `Problem.jobs`, `Problem.shipments` or `Problem.reloads`; `partner` the task number of the
    shipment's other end. `delivery` and `pickup` are padded to all dimensions. A shipment's `prize` stands at its
    pick-up, its delivery then has 0. `empties` are the dimensions that a reload empties, `loads` whether it begins a
    trip.
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
    prize: int | None = None
    release: int = 0
    soft_window: Window | None = None
    early_cost_per_hour: int = 0
    late_cost_per_hour: int = 0
    retry_value_per_hour: int = 0
    empties: frozenset[int] = frozenset()
    loads: bool = False

    @property
    def happened_at(self) -> int | None:
        """When a frozen task began, None for everything that is still to come or has no time."""
        return self.locked_time if self.lock is Lock.FROZEN else None

    @property
    def rank(self) -> int | None:
        """The place in its vehicle's kept order, None when it may move."""
        return self.locked_rank if self.lock in (Lock.KEEP_ORDER, Lock.KEEP_TIME, Lock.FROZEN) else None


Visits: TypeAlias = tuple[tuple[int, ...], ...]
"""Per vehicle (by place in `Problem.vehicles`) the task numbers in the order of the visit, reloads at each use."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """A day to plan. Building one checks it; a contradiction raises `InvalidProblem`.

    `matrices` maps a vehicle profile to its `Matrix`; all have the same size. `locations` are optional (lon, lat)
    pairs by location index, kept for the answer. `dimension_names` names the entries of every amount and capacity:
    a dimension whose name begins with `cash` is a limit on money carried and is reported as `cash_limit`.

    `tasks` are the jobs, then both ends of each shipment, then the reloads.
    """

    jobs: tuple[Job, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    vehicles: tuple[Vehicle, ...]
    matrices: Mapping[str, Matrix]
    reloads: tuple[Reload, ...] = ()
    locations: tuple[tuple[float, float] | None, ...] | None = None
    dimension_names: tuple[str, ...] = ()
    travel: Travel = Travel()
    dimensions: int = field(init=False, repr=False)
    """How many entries amounts and capacities have; kept, for fleets may be large and everybody asks."""
    tasks: tuple[Task, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from routing.validation import validate  # noqa: PLC0415 - the rules read the types of this module

        for name in ("jobs", "shipments", "vehicles", "reloads", "dimension_names"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "matrices", dict(self.matrices))
        object.__setattr__(self, "dimensions", max((len(v.capacity) for v in self.vehicles), default=0))
        validate(self)
        object.__setattr__(self, "tasks", tuple(_tasks(self)))

    @property
    def stops(self) -> int:
        """How many tasks are to be served: `range(stops)` are their numbers, the reloads come behind."""
        return len(self.jobs) + 2 * len(self.shipments)

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
        """Whether skills, allowed vehicles and locks let the vehicle do the task at all; its reloads it may use."""
        if task.kind is TaskKind.RELOAD:
            return task.id in vehicle.reloads
        return (
            task.skills <= vehicle.skills
            and (task.allowed_vehicles is None or vehicle.id in task.allowed_vehicles)
            and (task.lock is Lock.FREE or vehicle.id == task.locked_vehicle)
        )

    def replace(self, **changes: Any) -> Problem:
        """A checked copy with some members exchanged."""
        kept = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        return Problem(**(kept | changes))


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
            prize=job.prize, release=job.release, soft_window=job.soft_window,
            early_cost_per_hour=job.early_cost_per_hour, late_cost_per_hour=job.late_cost_per_hour,
            retry_value_per_hour=job.retry_value_per_hour,
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
                prize=0 if shipment.prize is not None and kind is TaskKind.DELIVERY else shipment.prize,
            )
            for kind, stop, delivery, pickup, partner in ends
        ]  # fmt: skip
    tasks += [
        Task(
            kind=TaskKind.RELOAD, index=index, id=place.id, location_index=place.location_index,
            description=place.description, setup=0, service=place.service, time_windows=place.time_windows,
            delivery=nothing, pickup=nothing, skills=frozenset(), priority=0, allowed_vehicles=None,
            preferred_vehicles=frozenset(), preference_cost=0, loads=place.empties is None,
            empties=frozenset(
                dimension for dimension in range(dimensions)
                if place.empties is None or problem.dimension_name(dimension) in place.empties
            ),
        )
        for index, place in enumerate(problem.reloads)
    ]  # fmt: skip
    return tasks
