"""Phones and what they have sent: who bears them, which events are known, what was set aside."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, CompoundSelect, and_, exists, func, insert, or_, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.errors import Forbidden, Missing, Refused
from courier.domain.item import State
from courier.domain.people import Caller, Role
from courier.store import people
from courier.store.book import in_parts
from courier.store.tables import (
    AccessToken,
    Device,
    EventOfItem,
    Item,
    ItemEvent,
    Plan,
    QuarantinedEvent,
    Route,
    ShiftEvent,
    Staff,
    Stop,
    StopItem,
    plain,
)


@dataclass(frozen=True, slots=True)
class Known:
    """A phone; `refusal` is the code under which everything it sends is set aside, or None."""

    id: UUID
    ack_through: int
    refusal: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """What is stored of an event, with the items it is about."""

    id: UUID
    type: str
    actor_id: UUID | None
    occurred_at: datetime
    payload_hash: str
    result: str
    code: str | None
    items: tuple[UUID, ...]


def seen(
    session: Session,
    device_id: UUID,
    caller: Caller,
    *,
    at: datetime,
    bound_to: UUID | None = None,
    waiting_acts: int | None = None,
) -> Known:
    """Remember that a phone was heard of, and how many acts it still has. A session bound to a phone speaks for this one only.

    In other sessions a phone belongs to whoever enrolled it last or, never enrolled, to the first postman who used it.
    """
    known = select(Device).where(Device.id == device_id).with_for_update()
    row = session.scalar(known)
    if row is None:
        # A phone may send its first two batches at once: whoever comes second waits for the first and finds the row.
        with suppress(IntegrityError), session.begin_nested():
            session.execute(
                insert(Device).values(
                    id=device_id, staff_id=caller.id, first_seen_at=at, last_seen_at=at, ack_through=0, revoked_at=None
                )
            )
        row = session.scalars(known).one()
    row.last_seen_at, row.waiting_acts = at, waiting_acts
    refusal = None
    if row.revoked_at is not None:
        refusal = "device-revoked"
    elif (bound_to != device_id) if bound_to is not None else (row.staff_id != caller.id):
        refusal = "device-of-another"
    return Known(device_id, row.ack_through, refusal)


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that never came although later ones did, and since when they are missed."""

    first: int
    last: int
    since: datetime

    @property
    def count(self) -> int:
        """How many are missed."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Phone:
    """An enrolled phone as a list shows it."""

    row: Device
    bearer: Staff
    gaps: tuple[Gap, ...]


def enrol(session: Session, device_id: UUID, caller: Caller, *, name: str, session_id: UUID, at: datetime) -> Device:
    """Give a phone its number and bind a session to it; it goes with whoever enrols it.

    Raises:
        Refused: `device-revoked`.
    """
    # One at a time, here and on PostgreSQL: the next number is nobody else's.
    people.queue_for(session, "device-number")
    row = session.scalar(select(Device).where(Device.id == device_id).with_for_update())
    if row is None:
        row = Device(id=device_id, first_seen_at=at, ack_through=0, revoked_at=None)
        session.add(row)
    if row.revoked_at is not None:
        raise Refused("device-revoked", "Điện thoại này đã bị thu hồi quyền sử dụng.")
    row.staff_id, row.name, row.last_seen_at, row.enrolled_at = caller.id, name, at, at
    if row.number is None:
        row.number = highest_number(session) + 1
    session.flush()
    session.execute(update(AccessToken).where(AccessToken.id == session_id).values(device_id=device_id))
    return row


def highest_number(session: Session) -> int:
    """The number of the phone enrolled last; 0 before the first."""
    return session.scalar(select(func.max(Device.number))) or 0


def was_enrolled_by(session: Session, device_id: UUID, staff_id: UUID) -> bool:
    """True when a session of this person was bound to the phone, or the phone goes with him now."""
    bound = exists().where(AccessToken.device_id == device_id, AccessToken.staff_id == staff_id)
    borne = exists().where(Device.id == device_id, Device.staff_id == staff_id)
    return bool(session.scalar(select(or_(bound, borne))))


def phones(session: Session, office_id: UUID | None, *, missed_before: datetime) -> list[Phone]:
    """The enrolled phones of an office's people (of all, for None), with the gaps that are missed since before a moment."""
    query = (
        select(Device, Staff)
        .join(Staff, Staff.id == Device.staff_id)
        .where(Device.enrolled_at.is_not(None))
        .order_by(Device.number)
    )
    if office_id is not None:
        query = query.where(Staff.office_id == office_id)
    rows = session.execute(query).all()
    gaps = _gaps(session, {row.id: row.ack_through for row, _ in rows}, missed_before=missed_before)
    return [Phone(row, bearer, tuple(gaps.get(row.id, ()))) for row, bearer in rows]


def _gaps(session: Session, through: dict[UUID, int], *, missed_before: datetime) -> dict[UUID, list[Gap]]:
    arrived: dict[UUID, list[tuple[int, datetime]]] = {}
    for table in (ItemEvent, ShiftEvent, QuarantinedEvent):
        rows = session.execute(
            select(table.device_id, table.device_seq, table.received_at)
            .join(Device, Device.id == table.device_id)
            .where(Device.id.in_(through), table.device_seq > Device.ack_through)
        )
        for device_id, seq, at in rows:
            if device_id is not None and seq is not None:
                arrived.setdefault(device_id, []).append((seq, at))
    found: dict[UUID, list[Gap]] = {}
    for device_id, later in arrived.items():
        last = through[device_id]
        later.sort()
        for place, (seq, _) in enumerate(later):
            # Missed since the first of the later ones came.
            since = min(at for _, at in later[place:])
            if seq > last + 1 and since < missed_before:
                found.setdefault(device_id, []).append(Gap(last + 1, seq - 1, since))
            last = max(last, seq)
    return found


def revoke(session: Session, office_id: UUID | None, device_id: UUID, *, at: datetime) -> Device:
    """From now on everything from this phone is set aside; a phone that was revoked stays so.

    Raises:
        Missing: it is not there, or of another office.
    """
    query = select(Device).join(Staff, Staff.id == Device.staff_id).where(Device.id == device_id)
    if office_id is not None:
        query = query.where(Staff.office_id == office_id)
    row = session.scalar(query.with_for_update(of=Device))
    if row is None:
        raise Missing("device", device_id)
    if row.revoked_at is None:
        row.revoked_at = at
    return row


def known_events(session: Session, event_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The payload digests of those of the events that are stored."""
    found: dict[UUID, str] = {}
    for part in in_parts(set(event_ids)):
        rows: CompoundSelect[Any] = union_all(
            select(ItemEvent.id, ItemEvent.payload_hash).where(ItemEvent.id.in_(part)),
            select(ShiftEvent.id, ShiftEvent.payload_hash).where(ShiftEvent.id.in_(part)),
        )
        found |= dict(session.execute(rows).all())
    return found


def taken_numbers(session: Session, device_id: UUID, seqs: Iterable[int]) -> set[int]:
    """Those of the numbers that stored events of the device have."""
    wanted = sorted(set(seqs))
    if not wanted:
        return set()
    rows: CompoundSelect[Any] = union_all(
        select(ItemEvent.device_seq).where(ItemEvent.device_id == device_id, ItemEvent.device_seq.in_(wanted)),
        select(ShiftEvent.device_seq).where(ShiftEvent.device_id == device_id, ShiftEvent.device_seq.in_(wanted)),
    )
    return set(session.scalars(rows))


def event_row(session: Session, event_id: UUID) -> EventRow | None:
    """An event with its items, or None."""
    row = session.get(ItemEvent, event_id)
    if row is None:
        return None
    about = session.scalars(select(EventOfItem.item_id).where(EventOfItem.event_id == event_id))
    return EventRow(
        row.id, row.type, row.actor_id, row.occurred_at, row.payload_hash, row.result, row.code, tuple(about)
    )


@dataclass(frozen=True, slots=True)
class SetAside:
    """What could not be attached to anything, why, and the digest under which it is kept once."""

    body: Any
    event_id: str
    code: str
    digest: str


def quarantine(session: Session, device_id: UUID, caller: Caller, asides: Iterable[SetAside], *, at: datetime) -> None:
    """Keep word for word what could not be attached to anything; the same body once."""
    rows = [
        {
            "id": uuid7(),
            "device_id": device_id,
            "staff_id": caller.id,
            "office_id": caller.office_id,
            "event_id": aside.event_id,
            "device_seq": _number_of(aside.body),
            "code": aside.code,
            "body": _keepable(aside.body),
            "body_hash": aside.digest,
            "received_at": at,
        }
        for aside in asides
    ]
    if rows:
        table = plain(QuarantinedEvent)
        once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        same = [table.c.device_id, table.c.body_hash]
        session.execute(once(table).on_conflict_do_nothing(index_elements=same), rows)


def _number_of(body: Any) -> int | None:
    seq = body.get("device_seq") if isinstance(body, dict) else None
    return seq if isinstance(seq, int) and not isinstance(seq, bool) and 0 < seq < 2**53 else None


def _keepable(body: Any) -> dict[str, Any]:
    """The body as JSON, or as JSON within a text where a database cannot hold it (NUL, half a surrogate, a giant number)."""
    text = json.dumps(body, default=str)
    try:
        plain = "\\u0000" not in text and orjson.loads(orjson.dumps(body)) == json.loads(text)
    except (TypeError, ValueError):
        plain = False
    return {"event": body} if plain else {"json": text}


def acknowledge(session: Session, device: Known) -> int:
    """Raise and return the number up to which every event of the device is stored, in the book or set aside."""
    if device.refusal is not None:
        return device.ack_through
    numbers: CompoundSelect[Any] = union_all(
        select(ItemEvent.device_seq).where(ItemEvent.device_id == device.id, ItemEvent.device_seq > device.ack_through),
        select(ShiftEvent.device_seq).where(
            ShiftEvent.device_id == device.id, ShiftEvent.device_seq > device.ack_through
        ),
        select(QuarantinedEvent.device_seq).where(
            QuarantinedEvent.device_id == device.id, QuarantinedEvent.device_seq > device.ack_through
        ),
    )
    through = device.ack_through
    for number in sorted({int(n) for n in session.scalars(numbers) if n is not None}):
        if number != through + 1:
            break
        through = number
    if through != device.ack_through:
        session.execute(update(Device).where(Device.id == device.id).values(ack_through=through))
    return through


def require_visible(session: Session, caller: Caller, item_ids: Iterable[UUID]) -> None:
    """Check that the caller may touch the items: his agency's, or his office's; a colleague's bag counts as his own.

    Raises:
        Missing: at least one is none of his.
    """
    wanted = set(item_ids)
    query = select(Item.id).where(Item.id.in_(wanted))
    if caller.role is Role.AGENCY:
        query = query.where(Item.agency_id == caller.agency_id)
    elif caller.role is Role.CLERK:
        query = query.where((Item.office_id == caller.office_id) | comes_to(caller.office_id))
    elif caller.role is not Role.ADMIN:
        query = query.where(Item.office_id == caller.office_id)
    found = set(session.scalars(query))
    if found != wanted:
        raise Missing("item", min(wanted - found))


def comes_to(office_id: UUID | None) -> ColumnElement[bool]:
    """Items that people collect at an office, from when they were sent there on."""
    return and_(Item.collect_at == office_id, Item.state != State.TO_FORWARD.value)


def require_collected_at(session: Session, caller: Caller, item_ids: Iterable[UUID]) -> None:
    """Check that it is the office where the items are collected that says they have arrived; an admin says it for any.

    Raises:
        Forbidden: another office says so.
    """
    if caller.role is Role.ADMIN:
        return
    elsewhere = select(Item.id).where(Item.id.in_(set(item_ids)), Item.collect_at.is_distinct_from(caller.office_id))
    if session.scalar(elsewhere.limit(1)) is not None:
        raise Forbidden


def on_route_of(session: Session, postman_id: UUID, item_id: UUID) -> bool:
    """True when the item is or was on a published route of the postman, or in his hands."""
    routed = (
        select(StopItem.item_id)
        .join(Stop, Stop.id == StopItem.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .join(Plan, Plan.id == Route.plan_id)
        .where(StopItem.item_id == item_id, Route.postman_id == postman_id, Plan.state != "draft")
    )
    held = select(Item.id).where(Item.id == item_id, Item.custody_holder == postman_id)
    acted = (
        select(EventOfItem.item_id)
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .where(EventOfItem.item_id == item_id, ItemEvent.actor_id == postman_id)
    )
    return session.execute(union_all(routed, held, acted).limit(1)).first() is not None
