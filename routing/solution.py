"""The answer to a problem: routes with exact times, what was left out and why, what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from routing.problem import Travel


class StepKind(StrEnum):
    """What happens at a step of a route."""

    START = "start"
    JOB = "job"
    PICKUP = "pickup"
    DELIVERY = "delivery"
    BREAK = "break"
    RELOAD = "reload"
    END = "end"


class ReasonCode(StrEnum):
    """Why a job is left out; the codes of a plan's `unplanned` list, and `prize` for an optional stop not worth its way."""

    UNREACHABLE = "unreachable"
    WINDOW = "window"
    CAPACITY = "capacity"
    CASH_LIMIT = "cash_limit"
    SKILL = "skill"
    SHIFT = "shift"
    PRIZE = "prize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a route. The vehicle is there from `arrival`, waits, then spends `setup` and `service` seconds.

    `id` is the job's, pick-up's, delivery's or break's own id, `index` its place in `Problem.jobs`,
    `Problem.shipments`, `Problem.reloads` or `Vehicle.breaks`; both None at start and end. `load` is what is on board
    afterwards, `duration` and `distance` the travel so far (seconds as they are priced, metres). `landing_wait` are the
    seconds spent waiting for the ferry on the way here.
    """

    kind: StepKind
    arrival: int
    id: int | None = None
    index: int | None = None
    location_index: int | None = None
    setup: int = 0
    service: int = 0
    waiting: int = 0
    load: tuple[int, ...] = ()
    duration: int = 0
    distance: int = 0
    description: str = ""
    landing_wait: int = 0

    @property
    def begins(self) -> int:
        """When set-up and service (or the rest) begin."""
        return self.arrival + self.waiting

    @property
    def leaves(self) -> int:
        """When set-up and service (or the rest) are done."""
        return self.arrival + self.waiting + self.setup + self.service


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLines:
    """What a route or plan costs, line by line; `total` is their sum.

    `lateness` is the price of when jobs begin (soft windows and retry value), `overtime` and `balance` that of a route's
    duration. `prizes` of optional stops that are left out belong to the plan, not to a route.
    """

    fixed: int = 0
    travel_time: int = 0
    distance: int = 0
    tasks: int = 0
    preference: int = 0
    lateness: int = 0
    overtime: int = 0
    balance: int = 0
    prizes: int = 0

    @property
    def total(self) -> int:
        """The sum of all lines."""
        travel = self.fixed + self.travel_time + self.distance + self.tasks + self.preference
        return travel + self.lateness + self.overtime + self.balance + self.prizes

    def __add__(self, other: CostLines) -> CostLines:
        return CostLines(
            fixed=self.fixed + other.fixed,
            travel_time=self.travel_time + other.travel_time,
            distance=self.distance + other.distance,
            tasks=self.tasks + other.tasks,
            preference=self.preference + other.preference,
            lateness=self.lateness + other.lateness,
            overtime=self.overtime + other.overtime,
            balance=self.balance + other.balance,
            prizes=self.prizes + other.prizes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One used vehicle's ordered day, from its start step to its end step, both always present."""

    vehicle: int
    vehicle_index: int
    steps: tuple[Step, ...]
    cost_lines: CostLines

    @property
    def cost(self) -> int:
        """What the route costs, in the problem's cost unit."""
        return self.cost_lines.total

    @property
    def visits(self) -> tuple[Step, ...]:
        """The steps at doors: neither start, end, breaks nor reloads."""
        return tuple(s for s in self.steps if s.kind in (StepKind.JOB, StepKind.PICKUP, StepKind.DELIVERY))

    @property
    def calls(self) -> tuple[Step, ...]:
        """The steps that stand in `Visits`: those at doors and the reloads."""
        return tuple(s for s in self.steps if s.kind not in (StepKind.START, StepKind.BREAK, StepKind.END))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why one vehicle (id) cannot take the job."""

    vehicle: int
    code: ReasonCode
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unassigned:
    """A job, pick-up or delivery left out, with the reason in one code and per vehicle."""

    kind: StepKind
    id: int
    index: int
    location_index: int
    code: ReasonCode | None
    sentence: str
    reasons: tuple[Reason, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule that a solution breaks. `step` is the place in the route's steps, `seconds` how much a `delay` or a
    `lead_time` is. `code` follows VROOM's causes (delay, lead_time, load, max_tasks, skills,
    precedence, missing_break, max_travel_time, max_distance, max_load) and adds unreachable, order, lock,
    allowed_vehicles, duplicate, missing, unknown, timing, max_duration, reload, release, summary and cost."""  # noqa: D205, D209

    code: str
    sentence: str
    vehicle: int | None = None
    task: int | None = None
    step: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Totals over all routes (seconds, metres, amounts, cost units)."""

    cost: int
    routes: int
    unassigned: int
    setup: int
    service: int
    duration: int
    waiting: int
    distance: int
    priority: int
    delivery: tuple[int, ...]
    pickup: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A plan for a problem. What `solve` returns has passed the checker, so `violations` is empty.

    `proofs` is the share of its routes whose stops are proven to have no cheaper order, None when nobody tried.
    """

    routes: tuple[Route, ...]
    unassigned: tuple[Unassigned, ...]
    summary: Summary
    cost_lines: CostLines
    violations: tuple[Violation, ...] = ()
    travel: Travel = field(default_factory=Travel)
    engine: str = ""
    proofs: float | None = None

    @property
    def cost(self) -> int:
        """What the plan costs, in the problem's cost unit: its routes, and the prizes of what is left out."""
        return self.summary.cost

    def route_of(self, job_id: int) -> Route | None:
        """The route that visits the job, None when it is left out."""
        return next((r for r in self.routes if any(s.kind is StepKind.JOB and s.id == job_id for s in r.steps)), None)
