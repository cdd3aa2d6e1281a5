"""What postmen tell of their way, in the database: notes, pins, wishes, another order, breakdowns, and what follows from them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.acts import Act, ShiftType
from courier.domain.calendar import local_day
from courier.domain.people import Caller, Role
from courier.domain.pins import believable
from courier.store import wishes
from courier.store.book import Book, in_parts
from courier.store.tables import (
    ChangeRequest,
    Incident,
    Item,
    Office,
    ShiftEvent,
    ShiftEventOfItem,
    Staff,
)


@dataclass(frozen=True, slots=True)
class Note:
    """A postman's remark on an address."""

    item_id: UUID
    text: str
    by: str
    at: datetime


def record(book: Book, act: Act, *, caller: Caller, device_id: UUID, digest: str) -> None:
    """Enter what was told, and what follows from it, into a book.

    Raises:
        Missing: an item of the act does not exist; then nothing has changed.
    """
    rows = book.take(act.items)
    book.add(
        ShiftEvent,
        {
            "id": act.event_id,
            "type": act.type.value,
            "actor_id": caller.id,
            "office_id": caller.office_id,
            "device_id": device_id,
            "device_seq": act.device_seq,
            "occurred_at": act.occurred_at,
            "claimed_at": act.claimed_at,
            "received_at": book.at,
            "clock_trusted": act.trusted,
            "position": dict(act.position) if act.position else None,
            "data": dict(act.data),
            "payload_hash": digest,
        },
    )
    book.add(ShiftEventOfItem, *({"event_id": act.event_id, "item_id": row.id} for row in rows))
    if act.type is ShiftType.PINNED:
        _read_pins(book)
        for row in rows:
            book.pins[row.id].append((act.occurred_at, act.event_id, act.data))
            _place(book, row)
    if act.type is ShiftType.WISHED:
        wishes.enter(book, act, rows, caller=caller)
    if act.type is ShiftType.BROKE_DOWN:
        _open_breakdown(book, act, caller)
    book.shown |= {row.id for row in rows}


def _read_pins(book: Book) -> None:
    """The pins of every item of the book, and when citizens asked for another address."""
    unread = book.rows.keys() - book.pins.keys()
    book.pins |= {item_id: [] for item_id in unread}
    for part in in_parts(unread):
        moved = dict(
            book.session.execute(
                select(ChangeRequest.item_id, func.max(ChangeRequest.asked_at))
                .where(ChangeRequest.item_id.in_(part), ChangeRequest.kind == "redirect")
                .group_by(ChangeRequest.item_id)
            ).all()
        )
        book.moved |= moved
        pins = book.session.execute(
            select(ShiftEventOfItem.item_id, ShiftEvent.occurred_at, ShiftEvent.id, ShiftEvent.data)
            .join(ShiftEvent, ShiftEvent.id == ShiftEventOfItem.event_id)
            .where(ShiftEventOfItem.item_id.in_(part), ShiftEvent.type == ShiftType.PINNED)
        )
        for item_id, occurred_at, event_id, data in pins:
            book.pins[item_id].append((occurred_at, event_id, data))


def _place(book: Book, row: Item) -> None:
    """Put an item where the last pin of its door says, whatever order the pins came in.

    Also one whose life has ended: a correction that comes later may give it another day, and the pin will not come again.
    """
    moved = book.moved.get(row.id)
    office = book.session.get_one(Office, row.office_id)
    standing = [
        (occurred_at, event_id, data)
        for occurred_at, event_id, data in book.pins[row.id]
        # A pin set before the citizen asked for another address speaks of the old door.
        if (moved is None or occurred_at > moved) and believable(data, near=(office.lat, office.lon))
    ]
    if standing:
        _, _, last = max(standing, key=lambda pin: pin[:2])
        if (row.lat, row.lon, row.precision) != (last["lat"], last["lon"], "doorstep"):
            row.lat, row.lon, row.precision = last["lat"], last["lon"], "doorstep"
            row.version += 1


def _open_breakdown(book: Book, act: Act, caller: Caller) -> None:
    book.session.flush()  # what he handed over earlier in this upload he carries no longer
    in_bag = book.session.scalar(select(func.count()).select_from(Item).where(Item.custody_holder == caller.id)) or 0
    goes_on = "vẫn đi tiếp được" if act.data["can_go_on"] else "không đi tiếp được"
    book.opened.append(
        Incident(
            id=uuid7(),
            office_id=caller.office_id,
            code="broke-down",
            sentence=f"{caller.name} báo hỏng xe, {goes_on}; đang giữ {in_bag} bưu gửi. {act.data['text']}",
            item_id=None,
            event_id=None,
            postman_id=caller.id,
            day=local_day(act.occurred_at),
            about_money=False,
            owner_role=Role.DISPATCHER.value,
            opened_at=book.at,
            closed_at=None,
            closed_by=None,
            resolution=None,
        )
    )


def notes_of(session: Session, item_ids: Iterable[UUID]) -> list[Note]:
    """What postmen noted of these items, the oldest first."""
    rows = session.execute(
        select(ShiftEventOfItem.item_id, ShiftEvent.data, Staff.name, ShiftEvent.occurred_at)
        .join(ShiftEvent, ShiftEvent.id == ShiftEventOfItem.event_id)
        .join(Staff, Staff.id == ShiftEvent.actor_id)
        .where(ShiftEventOfItem.item_id.in_(list(item_ids)), ShiftEvent.type == ShiftType.NOTED)
        .order_by(ShiftEvent.occurred_at, ShiftEvent.id)
    )
    return [Note(item_id, str(data["text"]), name, at) for item_id, data, name, at in rows]
