"""Plans as they are shown: every route with its stops, what was left out with its reason, labels of items."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, type_coerce
from sqlalchemy.orm import Session

from courier.store.columns import PlainId
from courier.store.tables import Item, Plan, Route, Staff, Stop, StopItem, UnplannedItem, Vehicle


@dataclass(frozen=True, slots=True)
class StopView:
    """A stop as lists and maps show it."""

    sequence: int
    arrives_at: datetime
    leaves_at: datetime
    lock: str
    items: tuple[UUID, ...]
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route with the names of postman and vehicle."""

    id: UUID
    postman: UUID
    postman_name: str
    vehicle: UUID
    vehicle_name: str
    mode: str
    summary: Mapping[str, Any]
    stops: tuple[StopView, ...]


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan with its routes and how many items it leaves out."""

    id: UUID
    office: UUID
    day: date
    state: str
    travel: Mapping[str, Any]
    cost: int | None
    summary: Mapping[str, Any]
    error: str | None
    created_at: datetime
    solved_at: datetime | None
    published_at: datetime | None
    routes: tuple[RouteView, ...]
    unplanned_count: int
    version: int


def views(session: Session, plans: Iterable[Plan], *, with_routes: bool = True) -> list[PlanView]:
    """Plans with everything that is shown of them, by the same few queries for one and for many; `routes` empty unless asked for."""
    shown = list(plans)
    ids = [plan.id for plan in shown]
    routes = _routes_of(session, ids) if with_routes else {plan_id: [] for plan_id in ids}
    unplanned = dict(
        session.execute(
            select(UnplannedItem.plan_id, func.count())
            .where(UnplannedItem.plan_id.in_(ids))
            .group_by(UnplannedItem.plan_id)
        ).all()
    )
    return [
        PlanView(
            plan.id,
            plan.office_id,
            plan.day,
            plan.state,
            plan.travel,
            plan.cost,
            plan.summary,
            plan.error,
            plan.created_at,
            plan.solved_at,
            plan.published_at,
            tuple(routes[plan.id]),
            unplanned.get(plan.id, 0),
            plan.version,
        )
        for plan in shown
    ]


def _routes_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[RouteView]]:
    """By plan its routes with their stops."""
    stops: dict[Any, dict[Any, tuple[Any, list[UUID]]]] = {}
    for stop_id, route_id, sequence, arrives_at, leaves_at, lock, lat, lon, item_id in session.execute(
        select(
            # Ids that only say what belongs together are not made into objects, of which a large plan needs thousands.
            type_coerce(Stop.id, PlainId), type_coerce(Stop.route_id, PlainId), Stop.sequence, Stop.arrives_at,
            Stop.leaves_at, Stop.lock, Stop.lat, Stop.lon, StopItem.item_id,
        )
        .join(StopItem, StopItem.stop_id == Stop.id)
        .join(Route, Route.id == Stop.route_id)
        .where(Route.plan_id.in_(ids))
        .order_by(Stop.route_id, Stop.sequence, StopItem.position)
    ):  # fmt: skip
        seen = stops.setdefault(route_id, {}).setdefault(
            stop_id, ((sequence, arrives_at, leaves_at, lock, lat, lon), [])
        )
        seen[1].append(item_id)
    routes: dict[UUID, list[RouteView]] = {plan_id: [] for plan_id in ids}
    for route, key, postman_name, vehicle_name, mode in session.execute(
        select(Route, type_coerce(Route.id, PlainId).label("key"), Staff.name, Vehicle.name, Vehicle.mode)
        .join(Staff, Staff.id == Route.postman_id)
        .join(Vehicle, Vehicle.id == Route.vehicle_id)
        .where(Route.plan_id.in_(ids))
        .order_by(Route.position)
    ):
        routes[route.plan_id].append(
            RouteView(
                route.id,
                route.postman_id,
                postman_name,
                route.vehicle_id,
                vehicle_name,
                mode,
                route.summary,
                tuple(
                    StopView(sequence, arrives_at, leaves_at, lock, tuple(item_ids), lat, lon)
                    for (sequence, arrives_at, leaves_at, lock, lat, lon), item_ids in stops.get(key, {}).values()
                ),
            )
        )
    return routes


@dataclass(frozen=True, slots=True)
class UnplannedView:
    """An item that a plan leaves out."""

    item_id: UUID
    barcode: str
    address: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Label:
    """An item as a board writes it."""

    item_id: UUID
    name: str
    address: str
    state: str
    lat: float | None
    lon: float | None


def labels_of(session: Session, item_ids: Sequence[UUID]) -> dict[UUID, Label]:
    """What a board writes of items."""
    rows = session.execute(
        select(Item.id, Item.recipient_name, Item.address_raw, Item.state, Item.lat, Item.lon).where(
            Item.id.in_(item_ids)
        )
    )
    return {row.id: Label(*row) for row in rows}


def unplanned_of(session: Session, plan_id: UUID) -> list[UnplannedView]:
    """What a plan leaves out, by code."""
    rows = session.execute(
        select(UnplannedItem.item_id, Item.barcode, Item.address_raw, UnplannedItem.code, UnplannedItem.sentence)
        .join(Item, Item.id == UnplannedItem.item_id)
        .where(UnplannedItem.plan_id == plan_id)
        .order_by(UnplannedItem.code, Item.barcode)
    )
    return [UnplannedView(*row) for row in rows]
