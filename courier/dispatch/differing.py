"""What differs between two plans of the same day: cost line by cost line, postman by postman, stop by stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import routing
from courier.desk import Desk
from courier.dispatch.office_day import plan_of
from courier.dispatch.reasons import require_solved
from courier.dispatch.standing import StandingPlan, read_standing
from courier.domain.calendar import at_local
from courier.domain.errors import Refused
from courier.domain.people import Caller
from courier.store import plans
from courier.store.plans import PlanView, RouteView
from routing.comparing import Change, diff
from routing.solution import CostLines, Step, StepKind, Summary

_SAME_SECONDS: Final = 60
"""Times that differ by less are the same to everybody who reads minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stop stands in a plan."""

    postman: UUID
    postman_name: str
    sequence: int
    arrives_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChange:
    """Items that moved together. `codes`: gained, lost, added, removed, postman, order, time."""

    items: tuple[UUID, ...]
    codes: tuple[str, ...]
    before: Place | None
    after: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOf:
    """A postman's day in one plan; nothing of it where he has no route."""

    stops: int = 0
    distance_m: int = 0
    travel_seconds: int = 0
    cash_dong: int = 0
    ends_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostmanChange:
    """A postman's day before and after, with the stops that he gains and loses."""

    postman: UUID
    postman_name: str
    before: DayOf
    after: DayOf
    gained: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDifference:
    """From plan `a` to plan `b`. `cost_lines` are by name (before, after), in seconds of travel, worked out on today's facts.

    `kept` counts the items that both plans visit, `moved` those of them with another postman.
    """

    a: PlanView
    b: PlanView
    cost_lines: Mapping[str, tuple[int, int]]
    postmen: tuple[PostmanChange, ...]
    stops: tuple[StopChange, ...]
    kept: int
    moved: int


def compare_plans(desk: Desk, caller: Caller, a_id: UUID, b_id: UUID | None, *, at: datetime) -> PlanDifference:
    """What changed from plan a to plan b, or to the one that postmen follow on that day.

    Raises:
        Missing: one of them is not there, or not for this caller.
        Refused: `not-solved`, `nothing-published`, `another-day`: they are not of the same office and day.
    """
    with desk.database.read() as session:
        first = plan_of(session, caller, a_id)
        require_solved(first)
        second = (
            plans.published(session, first.office_id, first.day) if b_id is None else plan_of(session, caller, b_id)
        )
        if second is None:
            raise Refused("nothing-published", "Ngày này chưa có phương án nào được công bố.")
        rows = [first, second]
        for row in rows:
            require_solved(row)
        if (rows[0].office_id, rows[0].day) != (rows[1].office_id, rows[1].day):
            raise Refused("another-day", "Chỉ so sánh được hai phương án của cùng một bưu cục trong cùng một ngày.")
        standings = [read_standing(session, desk, row, at=at) for row in rows]
        views = {view.id: view for view in plans.views(session, rows)}
        b_id = second.id
        left_out = {row.id: [missed.item_id for missed in plans.unplanned_of(session, row.id)] for row in rows}
    a, b = views[a_id], views[b_id]
    names = {route.postman: route.postman_name for view in (a, b) for route in view.routes}
    seats = {postman: seat for seat, postman in enumerate(names)}
    on_routes = (item_id for view in (a, b) for route in view.routes for stop in route.stops for item_id in stop.items)
    known = sorted({*on_routes, *left_out[a_id], *left_out[b_id]})
    numbers = {item_id: number for number, item_id in enumerate(known)}
    found = diff(
        _as_told(a, left_out[a_id], numbers, seats),
        _as_told(b, left_out[b_id], numbers, seats),
        tolerance=_SAME_SECONDS - 1,
    )
    before, after = _places(a), _places(b)
    stops = tuple(_together(found.changes, known, before, after))
    return PlanDifference(
        a=a,
        b=b,
        cost_lines=_lines(*standings),
        postmen=tuple(
            _postman(postman, name, a, b, before, after)
            for postman, name in sorted(names.items(), key=lambda pair: pair[1])
        ),
        stops=stops,
        kept=found.kept,
        moved=found.moved,
    )


def _as_told(
    view: PlanView, left_out: Sequence[UUID], numbers: Mapping[UUID, int], seats: Mapping[UUID, int]
) -> routing.Solution:
    """The stored routes as a solution in which every item is a job: doors may be split otherwise in the other plan."""
    midnight = at_local(view.day, 0)
    routes = []
    for route in view.routes:
        calls = tuple(
            Step(
                kind=StepKind.JOB,
                id=numbers[item_id],
                index=numbers[item_id],
                arrival=int((stop.arrives_at - midnight).total_seconds()),
            )
            for stop in route.stops
            for item_id in stop.items
        )
        ends = Step(kind=StepKind.START, arrival=0), Step(kind=StepKind.END, arrival=0)
        seat = seats[route.postman]
        routes.append(
            routing.Route(vehicle=seat, vehicle_index=seat, steps=(ends[0], *calls, ends[1]), cost_lines=CostLines())
        )
    missed = tuple(
        routing.Unassigned(
            kind=StepKind.JOB, id=numbers[item_id], index=numbers[item_id], location_index=0, code=None, sentence=""
        )
        for item_id in left_out
    )
    nothing = Summary(
        cost=view.cost or 0, routes=len(routes), unassigned=len(missed), setup=0, service=0, duration=0, waiting=0,
        distance=0, priority=0, delivery=(), pickup=(),
    )  # fmt: skip
    return routing.Solution(routes=tuple(routes), unassigned=missed, summary=nothing, cost_lines=CostLines())


def _lines(a: StandingPlan, b: StandingPlan) -> dict[str, tuple[int, int]]:
    lines = [standing.solution.cost_lines for standing in (a, b)]
    found = {line.name: (getattr(lines[0], line.name), getattr(lines[1], line.name)) for line in fields(CostLines)}
    return {name: pair for name, pair in found.items() if any(pair)} | {"total": (lines[0].total, lines[1].total)}


def _places(view: PlanView) -> dict[UUID, Place]:
    return {
        item_id: Place(
            postman=route.postman,
            postman_name=route.postman_name,
            sequence=stop.sequence,
            arrives_at=stop.arrives_at,
        )
        for route in view.routes
        for stop in route.stops
        for item_id in stop.items
    }


def _together(
    changes: Sequence[Change], known: Sequence[UUID], before: Mapping[UUID, Place], after: Mapping[UUID, Place]
) -> list[StopChange]:
    """The changes of the items, those of one stop as one; by postman and time as the day will be."""
    groups: dict[Any, list[UUID]] = {}
    for change in changes:
        item_id = known[change.id]
        codes = tuple(code.value for code in change.codes)
        groups.setdefault((codes, before.get(item_id), after.get(item_id)), []).append(item_id)
    found = [
        StopChange(items=tuple(items), codes=codes, before=was, after=will)
        for (codes, was, will), items in groups.items()
    ]
    return sorted(found, key=lambda change: _when(change.after or change.before))


def _when(place: Place | None) -> tuple[str, str, int]:
    return ("", "", 0) if place is None else (place.postman_name, str(place.postman), place.sequence)


def _postman(
    postman: UUID, name: str, a: PlanView, b: PlanView, before: Mapping[UUID, Place], after: Mapping[UUID, Place]
) -> PostmanChange:
    mine_before = {item_id for item_id, place in before.items() if place.postman == postman}
    mine_after = {item_id for item_id, place in after.items() if place.postman == postman}
    return PostmanChange(
        postman=postman,
        postman_name=name,
        before=_day_of(next((route for route in a.routes if route.postman == postman), None)),
        after=_day_of(next((route for route in b.routes if route.postman == postman), None)),
        gained=len(mine_after - mine_before),
        lost=len(mine_before - mine_after),
    )


def _day_of(route: RouteView | None) -> DayOf:
    if route is None:
        return DayOf()
    return DayOf(
        stops=len(route.stops),
        distance_m=route.summary.get("distance_m", 0),
        travel_seconds=route.summary.get("travel_seconds", 0),
        cash_dong=route.summary.get("cash_dong", 0),
        ends_at=route.summary.get("ends_at"),
    )
