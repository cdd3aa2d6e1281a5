"""The running day as the dispatcher's live board reads it: rounds with their doors and visits, phones, bags and pockets.

Read every two seconds by everybody who looks on, so whether anything changed is one statement over indexed rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, func, select
from sqlalchemy.orm import Session

from courier.domain.calendar import at_local
from courier.domain.item import EventType, State
from courier.domain.money import cash_account
from courier.domain.people import Role
from courier.store.plans import ON_THE_ROAD
from courier.store.session import Database
from courier.store.tables import (
    BagVersion,
    Device,
    EventOfItem,
    Incident,
    Item,
    ItemEvent,
    LedgerEntry,
    Plan,
    Postman,
    Route,
    Staff,
    Stop,
    StopItem,
    Vehicle,
)

_DOOR_ACTS = (EventType.HANDED_OVER, EventType.ATTEMPT_FAILED, EventType.FETCHED)
_OFFICE: BindParameter[UUID] = bindparam("office_id")
_DAY: BindParameter[date] = bindparam("day")
_PEOPLE = select(Staff.id).where(Staff.office_id == _OFFICE, Staff.role == Role.POSTMAN.value).scalar_subquery()
_PUBLISHED = (Plan.office_id == _OFFICE, Plan.day == _DAY, Plan.state == "published")
_OPEN = (Incident.office_id == _OFFICE, Incident.closed_at.is_(None))
_MARK = select(
    select(Plan.id).where(*_PUBLISHED).scalar_subquery(),
    select(Plan.version).where(*_PUBLISHED).scalar_subquery(),
    # Whatever a postman would see of his day raises the version of his bag: acts, changes by the office, money.
    select(func.sum(BagVersion.version))
    .where(BagVersion.postman_id.in_(_PEOPLE), BagVersion.day == _DAY)
    .scalar_subquery(),
    select(func.max(Device.last_seen_at)).where(Device.staff_id.in_(_PEOPLE)).scalar_subquery(),
    select(func.count()).select_from(Incident).where(*_OPEN).scalar_subquery(),
)


def mark(database: Database, office_id: UUID, day: date) -> tuple[Any, ...]:
    """What changes with everything that the board shows of an office-day, but for the passing of time."""
    with database.glance_engine.connect() as connection:
        return tuple(connection.execute(_MARK, {"office_id": office_id, "day": day}).one())


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The last act at a door: when, and where the phone was, if it told."""

    at: datetime
    position: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStop:
    """A call of a round with the states of its items. `visit` is the last act at it today."""

    id: UUID
    sequence: int
    arrives_at: datetime
    leaves_at: datetime
    lat: float
    lon: float
    items: tuple[UUID, ...]
    states: tuple[State, ...]
    recipient: str
    address: str
    window: tuple[datetime, datetime] | None
    visit: Visit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A postman's round on the published plan.

    `heard_at` is when his phone last sent anything, `waiting_acts` how many acts it said it still had then, None where
    nobody knows. `cash_dong` is what he has taken today.
    """

    route_id: UUID
    postman_id: UUID
    name: str
    mode: str
    vehicle: str
    starts_at: datetime | None
    stops: tuple[RoundStop, ...]
    in_bag: int
    cash_dong: int
    cash_limit_dong: int
    heard_at: datetime | None
    waiting_acts: int | None


def rounds_of(session: Session, plan: Plan) -> list[Round]:
    """The rounds of a published plan as they stand, by the same few queries for one and for many."""
    routes = session.execute(
        select(
            Route.id, Route.postman_id, Staff.name, Vehicle.mode, Vehicle.name, Route.summary, Postman.cash_limit_dong
        )
        .join(Staff, Staff.id == Route.postman_id)
        .join(Postman, Postman.staff_id == Route.postman_id)
        .join(Vehicle, Vehicle.id == Route.vehicle_id)
        .where(Route.plan_id == plan.id)
        .order_by(Route.position)
    ).all()
    postmen = [row.postman_id for row in routes]
    stops = _stops(session, plan)
    bags = dict(
        session.execute(
            select(Item.custody_holder, func.count())
            .where(Item.office_id == plan.office_id, Item.state.in_(ON_THE_ROAD), Item.custody_holder.is_not(None))
            .group_by(Item.custody_holder)
        ).all()
    )
    accounts = {cash_account(postman_id, plan.day): postman_id for postman_id in postmen}
    cash = {
        accounts[account]: int(total)
        for account, total in session.execute(
            select(LedgerEntry.account, func.sum(LedgerEntry.amount_dong))
            .where(LedgerEntry.account.in_(accounts))
            .group_by(LedgerEntry.account)
        )
    }
    phones = {
        staff_id: (heard_at, waiting)
        for staff_id, heard_at, waiting in session.execute(
            select(Device.staff_id, func.max(Device.last_seen_at), func.sum(Device.waiting_acts))
            .where(Device.staff_id.in_(postmen), Device.revoked_at.is_(None))
            .group_by(Device.staff_id)
        )
    }
    return [
        Round(
            route_id=route_id,
            postman_id=postman_id,
            name=name,
            mode=mode,
            vehicle=vehicle,
            starts_at=datetime.fromisoformat(summary["starts_at"]) if summary.get("starts_at") else None,
            stops=tuple(stops.get(route_id, ())),
            in_bag=bags.get(postman_id, 0),
            cash_dong=cash.get(postman_id, 0),
            cash_limit_dong=limit,
            heard_at=phones.get(postman_id, (None, None))[0],
            waiting_acts=phones.get(postman_id, (None, None))[1],
        )
        for route_id, postman_id, name, mode, vehicle, summary, limit in routes
    ]


def _stops(session: Session, plan: Plan) -> dict[UUID, list[RoundStop]]:
    rows = session.execute(
        select(
            Stop.route_id, Stop.id, Stop.sequence, Stop.arrives_at, Stop.leaves_at, Stop.lat, Stop.lon, Item.id,
            Item.state, Item.recipient_name, Item.address_raw, Item.wanted_on, Item.wanted_from, Item.wanted_to,
        )
        .join(Route, Route.id == Stop.route_id)
        .join(StopItem, StopItem.stop_id == Stop.id)
        .join(Item, Item.id == StopItem.item_id)
        .where(Route.plan_id == plan.id)
        .order_by(Stop.route_id, Stop.sequence, StopItem.position)
    ).all()  # fmt: skip
    visits = _visits(session, plan)
    calls: dict[UUID, list[Any]] = {}
    for row in rows:
        calls.setdefault(row[1], []).append(row)
    stops: dict[UUID, list[RoundStop]] = {}
    for stop_id, members in calls.items():
        (route_id, _, sequence, arrives_at, leaves_at, lat, lon, _, _, recipient, address, *_) = members[0]
        acts = [visits[row[7]] for row in members if row[7] in visits]
        windows = [
            (at_local(plan.day, opens), at_local(plan.day, closes))
            for *_, wanted_on, opens, closes in members
            if wanted_on == plan.day and opens is not None and closes is not None
        ]
        stops.setdefault(route_id, []).append(
            RoundStop(
                id=stop_id,
                sequence=sequence,
                arrives_at=arrives_at,
                leaves_at=leaves_at,
                lat=lat,
                lon=lon,
                items=tuple(row[7] for row in members),
                states=tuple(State(row[8]) for row in members),
                recipient=recipient,
                address=address,
                window=windows[0] if windows else None,
                visit=max(acts, key=lambda visit: visit.at) if acts else None,
            )
        )
    return stops


def _visits(session: Session, plan: Plan) -> dict[UUID, Visit]:
    opens = at_local(plan.day, 0)
    rows = session.execute(
        select(EventOfItem.item_id, ItemEvent.occurred_at, ItemEvent.position)
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .join(StopItem, StopItem.item_id == EventOfItem.item_id)
        .join(Stop, Stop.id == StopItem.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .where(
            Route.plan_id == plan.id,
            ItemEvent.type.in_(_DOOR_ACTS),
            ItemEvent.occurred_at >= opens,
            ItemEvent.occurred_at < opens + timedelta(days=1),
        )
        .order_by(ItemEvent.occurred_at, ItemEvent.id)
    )
    return {item_id: Visit(at=at, position=position) for item_id, at, position in rows}


def open_incidents(session: Session, office_id: UUID) -> int:
    """How many incidents of the office are open."""
    found = session.scalar(
        select(func.count()).select_from(Incident).where(Incident.office_id == office_id, Incident.closed_at.is_(None))
    )
    return found or 0
