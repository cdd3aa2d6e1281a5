"""Routes, stops, what was left out and changes by hand, as they were solved and changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.doors import LeftOut
from courier.store.tables import Plan, PlanEdit, PlanRelief, Route, Staff, Stop, StopItem, UnplannedItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """A rule that gives way for a plan: by so many seconds, items or dong, for a postman or (a window) an item."""

    kind: str
    amount: int
    postman_id: UUID | None = None
    item_id: UUID | None = None
    id: UUID | None = field(default=None, compare=False)
    """Of the row, once it is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStop:
    """A call of a solved route. Since the one before, the plan waits for `waits_seconds` and rests for `rests_seconds`."""

    items: tuple[UUID, ...]
    lat: float
    lon: float
    arrives_at: datetime
    leaves_at: datetime
    lock: str = "free"
    kept_at: datetime | None = None
    waits_seconds: int = 0
    rests_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRoute:
    """A solved route, ready to be written."""

    postman_id: UUID
    vehicle_id: UUID
    stops: tuple[PlannedStop, ...]
    summary: Mapping[str, Any]


def begin_plan(
    session: Session,
    *,
    office_id: UUID,
    day: date,
    seconds: float,
    by: UUID,
    at: datetime,
    seed: int = 0,
    solved: bool = False,
) -> Plan:
    """A plan without routes, stored: a draft, or one whose routes the caller writes at once (`solved`)."""
    plan = Plan(
        id=uuid7(),
        office_id=office_id,
        day=day,
        state="solved" if solved else "draft",
        seconds=seconds,
        seed=seed,
        travel={},
        cost=None,
        summary={},
        error=None,
        created_by=by,
        created_at=at,
        solved_at=at if solved else None,
        published_at=None,
        version=1,
    )
    session.add(plan)
    session.flush()
    return plan


def write_routes(session: Session, plan_id: UUID, routes: Sequence[PlannedRoute], *, first: int = 1) -> None:
    """Write the routes of a plan that has none, or others than those that it has, from position `first` on."""
    route_rows, stop_rows, item_rows = [], [], []
    for position, route in enumerate(routes, start=first):
        route_id = uuid7()
        route_rows.append(
            {
                "id": route_id,
                "plan_id": plan_id,
                "postman_id": route.postman_id,
                "vehicle_id": route.vehicle_id,
                "position": position,
                "summary": dict(route.summary),
            }
        )
        for sequence, stop in enumerate(route.stops, start=1):
            stop_id = uuid7()
            stop_rows.append(
                {
                    "id": stop_id,
                    "route_id": route_id,
                    "sequence": sequence,
                    "arrives_at": stop.arrives_at,
                    "leaves_at": stop.leaves_at,
                    "lock": stop.lock,
                    "kept_at": stop.kept_at,
                    "lat": stop.lat,
                    "lon": stop.lon,
                    "waits_seconds": stop.waits_seconds,
                    "rests_seconds": stop.rests_seconds,
                }
            )
            item_rows += [
                {"stop_id": stop_id, "item_id": item_id, "position": place} for place, item_id in enumerate(stop.items)
            ]
    for table, rows in ((Route, route_rows), (Stop, stop_rows), (StopItem, item_rows)):
        if rows:
            session.execute(insert(table), rows)


def erase_routes(session: Session, plan_id: UUID) -> None:
    """Remove the routes of a plan, to write them anew."""
    routes = select(Route.id).where(Route.plan_id == plan_id)
    stops = select(Stop.id).where(Stop.route_id.in_(routes))
    session.execute(delete(StopItem).where(StopItem.stop_id.in_(stops)).execution_options(synchronize_session=False))
    session.execute(delete(Stop).where(Stop.route_id.in_(routes)).execution_options(synchronize_session=False))
    session.execute(delete(Route).where(Route.plan_id == plan_id).execution_options(synchronize_session=False))


def replace_routes(session: Session, plan_id: UUID, routes: Mapping[UUID, PlannedRoute]) -> None:
    """Write some postmen's routes anew, each at its place in the plan; one without stops goes away."""
    places = {
        row.postman_id: row
        for row in session.execute(
            select(Route.id, Route.postman_id, Route.position).where(Route.plan_id == plan_id).order_by(Route.position)
        )
    }
    behind = max((row.position for row in places.values()), default=0) + 1
    gone = [row.id for postman_id, row in places.items() if postman_id in routes]
    stops = select(Stop.id).where(Stop.route_id.in_(gone))
    session.execute(delete(StopItem).where(StopItem.stop_id.in_(stops)).execution_options(synchronize_session=False))
    session.execute(delete(Stop).where(Stop.route_id.in_(gone)).execution_options(synchronize_session=False))
    session.execute(delete(Route).where(Route.id.in_(gone)).execution_options(synchronize_session=False))
    for postman_id, route in routes.items():
        if not route.stops:
            continue
        if postman_id in places:
            write_routes(session, plan_id, [route], first=places[postman_id].position)
        else:
            write_routes(session, plan_id, [route], first=behind)
            behind += 1


def erase_unplanned(session: Session, plan_id: UUID, item_ids: Iterable[UUID] | None = None) -> None:
    """Remove the reasons of a plan (of some items only, when named)."""
    query = delete(UnplannedItem).where(UnplannedItem.plan_id == plan_id)
    if item_ids is not None:
        query = query.where(UnplannedItem.item_id.in_(list(item_ids)))
    session.execute(query.execution_options(synchronize_session=False))


MOST_EDITS = 100
"""How many changes by hand a plan remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMade:
    """A change by hand: who, when, what; `target` is the version of the edit that an undo or redo is about."""

    version: int
    by: str
    at: datetime
    kind: str
    target: int | None
    data: Mapping[str, Any]


def edits_of(session: Session, plan_id: UUID, *, after: int = 0) -> list[EditMade]:
    """The changes of a plan by hand, the oldest first: those that made a version later than `after`."""
    rows = session.execute(
        select(PlanEdit, Staff.name)
        .join(Staff, Staff.id == PlanEdit.staff_id)
        .where(PlanEdit.plan_id == plan_id, PlanEdit.version > after)
        .order_by(PlanEdit.version)
    )
    return [
        EditMade(version=row.version, by=name, at=row.at, kind=row.kind, target=row.target, data=row.data)
        for row, name in rows
    ]


def note_edit(
    session: Session,
    plan: Plan,
    *,
    by: UUID,
    at: datetime,
    kind: str,
    target: int | None,
    data: Mapping[str, Any],
) -> None:
    """Remember a change that has made the plan's present version; the oldest are forgotten."""
    session.add(
        PlanEdit(plan_id=plan.id, version=plan.version, staff_id=by, at=at, kind=kind, target=target, data=dict(data))
    )
    session.flush()
    kept = select(PlanEdit.version).where(PlanEdit.plan_id == plan.id).order_by(PlanEdit.version.desc())
    oldest = session.scalar(kept.offset(MOST_EDITS).limit(1))
    if oldest is not None:
        session.execute(
            delete(PlanEdit)
            .where(PlanEdit.plan_id == plan.id, PlanEdit.version <= oldest)
            .execution_options(synchronize_session=False)
        )


def reasons_of(session: Session, plan_id: UUID) -> dict[UUID, LeftOut]:
    """Why items are left out, by item."""
    rows = session.execute(
        select(UnplannedItem.item_id, UnplannedItem.code, UnplannedItem.sentence).where(
            UnplannedItem.plan_id == plan_id
        )
    )
    return {item_id: LeftOut(code, sentence) for item_id, code, sentence in rows}


def write_unplanned(session: Session, plan_id: UUID, reasons: Mapping[UUID, LeftOut]) -> None:
    """Write why items are left out; a later reason for the same item replaces the earlier one."""
    if not reasons:
        return
    session.execute(
        delete(UnplannedItem)
        .where(UnplannedItem.plan_id == plan_id, UnplannedItem.item_id.in_(list(reasons)))
        .execution_options(synchronize_session=False)
    )
    session.execute(
        insert(UnplannedItem),
        [
            {"plan_id": plan_id, "item_id": item_id, "code": why.code, "sentence": why.sentence}
            for item_id, why in reasons.items()
        ],
    )


def strike_unplanned(session: Session, plan_id: UUID, item_ids: Iterable[UUID]) -> None:
    """These items are left out no more."""
    session.execute(
        delete(UnplannedItem)
        .where(UnplannedItem.plan_id == plan_id, UnplannedItem.item_id.in_(list(item_ids)))
        .execution_options(synchronize_session=False)
    )


def routes_of(session: Session, plan_id: UUID) -> list[PlannedRoute]:
    """The routes of a plan as they were written."""
    plan_routes: list[PlannedRoute] = []
    summaries = {
        route.id: route
        for route in session.scalars(select(Route).where(Route.plan_id == plan_id).order_by(Route.position))
    }
    stops: dict[UUID, dict[UUID, tuple[Stop, list[UUID]]]] = {route_id: {} for route_id in summaries}
    rows = session.execute(
        select(Stop, StopItem.item_id)
        .join(StopItem, StopItem.stop_id == Stop.id)
        .where(Stop.route_id.in_(list(summaries)))
        .order_by(Stop.sequence, StopItem.position)
    )
    for stop, item_id in rows:
        stops[stop.route_id].setdefault(stop.id, (stop, []))[1].append(item_id)
    for route_id, route in summaries.items():
        plan_routes.append(
            PlannedRoute(
                postman_id=route.postman_id,
                vehicle_id=route.vehicle_id,
                summary=route.summary,
                stops=tuple(
                    PlannedStop(
                        items=tuple(ids),
                        lat=stop.lat,
                        lon=stop.lon,
                        arrives_at=stop.arrives_at,
                        leaves_at=stop.leaves_at,
                        lock=stop.lock,
                        kept_at=stop.kept_at,
                        waits_seconds=stop.waits_seconds,
                        rests_seconds=stop.rests_seconds,
                    )
                    for stop, ids in stops[route_id].values()
                ),
            )
        )
    return plan_routes


def reliefs_of(session: Session, plan_id: UUID) -> list[Relief]:
    """The rules that give way for a plan, the first given first."""
    rows = session.scalars(select(PlanRelief).where(PlanRelief.plan_id == plan_id).order_by(PlanRelief.id))
    return [
        Relief(kind=row.kind, amount=row.amount, postman_id=row.postman_id, item_id=row.item_id, id=row.id)
        for row in rows
    ]


def withdraw(session: Session, plan_id: UUID, relief_id: UUID) -> bool:
    """Let a rule hold again for a plan; False when nothing of that id gives way for it."""
    row = session.scalar(select(PlanRelief).where(PlanRelief.plan_id == plan_id, PlanRelief.id == relief_id))
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def grant(session: Session, plan_id: UUID, reliefs: Iterable[Relief], *, by: UUID, at: datetime) -> None:
    """Let rules give way for a plan; what was given before stays."""
    session.add_all(
        PlanRelief(
            id=uuid7(),
            plan_id=plan_id,
            kind=relief.kind,
            postman_id=relief.postman_id,
            item_id=relief.item_id,
            amount=relief.amount,
            staff_id=by,
            at=at,
        )
        for relief in reliefs
    )
    session.flush()
