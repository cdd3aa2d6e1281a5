"""Places on an office's day that citizens hold for some minutes, and the turn in which places are taken.

A hold ends by the clock alone: what has expired is not counted, and is written over by the item's next one.
"""

from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from courier.store.tables import PlacesTaken, SlotHold, plain


def times_taken(session: Session, office_id: UUID, day: date) -> int:
    """How many times a place was taken on an office's day."""
    return (
        session.scalar(select(PlacesTaken.times).where(PlacesTaken.office_id == office_id, PlacesTaken.day == day)) or 0
    )


def take_turn(session: Session, office_id: UUID, day: date) -> int:
    """Be the only one to take a place on an office's day until this transaction ends; how many were taken before."""
    once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    table = plain(PlacesTaken)
    taken = session.scalar(
        once(table)
        .values(office_id=office_id, day=day, times=1)
        .on_conflict_do_update(index_elements=[table.c.office_id, table.c.day], set_={"times": table.c.times + 1})
        .returning(table.c.times)
    )
    return int(taken or 0) - 1


def put(
    session: Session,
    item_id: UUID,
    *,
    office_id: UUID,
    day: date,
    window: tuple[int, int],
    at: datetime,
    expires_at: datetime,
) -> None:
    """Hold a window for an item; whatever it held before is free."""
    once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    held = {
        "office_id": office_id,
        "day": day,
        "from_seconds": window[0],
        "to_seconds": window[1],
        "held_at": at,
        "expires_at": expires_at,
    }
    table = plain(SlotHold)
    session.execute(
        once(table).values(item_id=item_id, **held).on_conflict_do_update(index_elements=[table.c.item_id], set_=held)
    )


def of_item(session: Session, item_id: UUID, *, at: datetime) -> SlotHold | None:
    """What an item holds now."""
    return session.scalar(select(SlotHold).where(SlotHold.item_id == item_id, SlotHold.expires_at > at))


def drop(session: Session, item_id: UUID) -> None:
    """Free what an item holds."""
    session.execute(delete(SlotHold).where(SlotHold.item_id == item_id))


def standing(
    session: Session, office_id: UUID, days: Collection[date], *, at: datetime, leave_out: UUID
) -> list[SlotHold]:
    """What is held on an office's days, `leave_out` apart."""
    return list(
        session.scalars(
            select(SlotHold)
            .where(
                SlotHold.office_id == office_id,
                SlotHold.day.in_(days),
                SlotHold.expires_at > at,
                SlotHold.item_id != leave_out,
            )
            .order_by(SlotHold.item_id)
        )
    )


def count(session: Session, office_id: UUID, day: date, *, at: datetime, leave_out: UUID) -> int:
    """How many places are held on an office's day, that of `leave_out` apart."""
    return int(
        session.scalar(
            select(func.count())
            .select_from(SlotHold)
            .where(
                SlotHold.office_id == office_id,
                SlotHold.day == day,
                SlotHold.expires_at > at,
                SlotHold.item_id != leave_out,
            )
        )
        or 0
    )
