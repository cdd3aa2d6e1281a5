"""What only the demo asks of the database: which of its days are there, who its people are, and a day declared worked."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from courier.domain.people import Caller, Role
from courier.store.tables import (
    Agency,
    CalendarDay,
    ImportBatch,
    Item,
    Office,
    Plan,
    Route,
    Staff,
    Stop,
    StopItem,
)


def people(session: Session) -> list[tuple[str, Caller]]:
    """The demo's accounts as (login, caller), by login; empty when there is no demo in this database."""
    rows = session.scalars(select(Staff).where(Staff.demo).order_by(Staff.login))
    return [(s.login, Caller(s.id, Role(s.role), s.name, s.office_id, s.agency_id)) for s in rows]


def others(session: Session) -> int:
    """How many accounts are no demo accounts."""
    return session.scalar(select(func.count()).select_from(Staff).where(~Staff.demo)) or 0


def set_passwords(session: Session, hashes: Mapping[UUID, str]) -> None:
    """Give accounts new passwords."""
    for staff_id, password_hash in hashes.items():
        session.execute(update(Staff).where(Staff.id == staff_id).values(password_hash=password_hash))


def office_codes(session: Session) -> dict[UUID, str]:
    """The code of every office."""
    return {row.id: row.code for row in session.scalars(select(Office))}


def agency_ids(session: Session) -> dict[str, UUID]:
    """The id of every agency, by code."""
    return {row.code: row.id for row in session.scalars(select(Agency))}


def list_of(session: Session, office_id: UUID, filename: str) -> UUID | None:
    """The id of the list of that name that came into the office, None when none did."""
    query = select(ImportBatch.id).where(ImportBatch.office_id == office_id, ImportBatch.filename == filename)
    return session.scalars(query.order_by(ImportBatch.id).limit(1)).first()


def is_published(session: Session, office_id: UUID, day: date) -> bool:
    """True when postmen have a plan for the day."""
    query = select(Plan.id).where(Plan.office_id == office_id, Plan.day == day, Plan.state == "published")
    return session.scalars(query).first() is not None


def declare_worked(session: Session, day: date, reason: str) -> None:
    """Have a day worked whatever the calendar says, unless somebody has declared it already."""
    if session.get(CalendarDay, day) is None:
        session.add(CalendarDay(day=day, works=True, reason=reason))


def decided(session: Session, batch_id: UUID) -> dict[str, tuple[UUID, str]]:
    """The items of a list whose address was decided: (id, commune) by barcode."""
    rows = session.execute(
        select(Item.barcode, Item.id, Item.commune_code).where(
            Item.batch_id == batch_id, Item.commune_code.is_not(None), Item.precision != "unknown"
        )
    )
    return {barcode: (item_id, commune) for barcode, item_id, commune in rows if commune is not None}


def one_planned(session: Session, day: date) -> tuple[UUID, int, str] | None:
    """An item on a route of the day whose recipient can be called: (id, generation of its link, phone)."""
    row = session.execute(
        select(Item.id, Item.link_generation, Item.recipient_phone)
        .join(StopItem, StopItem.item_id == Item.id)
        .join(Stop, Stop.id == StopItem.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .join(Plan, Plan.id == Route.plan_id)
        .where(
            Plan.day == day, Plan.state == "published", Item.recipient_phone.is_not(None), Item.wanted_from.is_(None)
        )
        .order_by(Item.barcode)
        .limit(1)
    ).one_or_none()
    return None if row is None or row[2] is None else (row[0], row[1], row[2])


def has_day(session: Session, day: date) -> bool:
    """True when every office of the demo, those with a dispatcher, has its plan for the day."""
    wanted = {caller.office_id for _, caller in people(session) if caller.role is Role.DISPATCHER}
    there = set(session.scalars(select(Plan.office_id).where(Plan.day == day, Plan.state == "published")))
    return wanted <= there
