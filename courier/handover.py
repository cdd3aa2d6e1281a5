"""At the door: what postmen report, by phone or by form, becomes facts. A fact is never refused once its bearer is known."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.domain import acts
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Refused
from courier.domain.item import INTENTS, EventType
from courier.domain.people import Caller, Role
from courier.domain.release import Breach, DoorAct, breaches
from courier.store import devices, envelopes, items, links, media, sealing, shifts, worklists

log = logging.getLogger(__name__)

# What the desks of an office may record, beside the phone's vocabulary.
DESK_FACTS = {
    EventType.RECEIVED: (Role.DISPATCHER, Role.CLERK, Role.ADMIN),
    EventType.BROUGHT_BACK: (Role.DISPATCHER, Role.CLERK, Role.CASHIER, Role.ADMIN),
    EventType.BROUGHT_IN: (Role.DISPATCHER, Role.CLERK, Role.ADMIN),
    # Whoever hands over takes money, and only people of an office have a cashier to give it to.
    EventType.PICKED_UP: (Role.CLERK, Role.DISPATCHER),
    EventType.GIVEN_BACK: (Role.DISPATCHER, Role.CLERK, Role.ADMIN),
    EventType.AGENCY_SIGNED: (Role.DISPATCHER, Role.CLERK, Role.ADMIN, Role.AGENCY),
    EventType.LOST: (Role.DISPATCHER, Role.CLERK, Role.ADMIN),
    EventType.DAMAGED: (Role.DISPATCHER, Role.CLERK, Role.ADMIN),
    EventType.RECALLED: (Role.DISPATCHER, Role.CLERK, Role.ADMIN, Role.AGENCY),
    EventType.FOUND: (Role.DISPATCHER, Role.CLERK, Role.ADMIN),
    EventType.CORRECTED: (Role.DISPATCHER, Role.ADMIN),
    EventType.INVITED: (Role.DISPATCHER, Role.CLERK, Role.ADMIN),
    EventType.CANCELLED: (Role.DISPATCHER, Role.ADMIN, Role.AGENCY),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the phone is told about one event; it may delete its copy after any of the four results."""

    event_id: str
    result: str
    code: str | None = None


def sync(
    desk: Desk,
    caller: Caller,
    *,
    device_id: UUID,
    events: Sequence[Any],
    at: datetime,
    bound_to: UUID | None = None,
) -> tuple[list[Answer], int]:
    """Take in what a phone sends: one transaction for the batch, a savepoint for each event.

    `bound_to` is the phone that the caller's session is bound to. Returns one answer per event in the order sent, and the
    number up to which the device's events are all stored.

    Raises:
        Forbidden: the caller is no postman.
    """
    if caller.role is not Role.POSTMAN:
        raise Forbidden
    letters = [_opened(desk, device_id, body) for body in events]
    with desk.database.write() as session:
        device = devices.seen(session, device_id, caller, at=at, bound_to=bound_to)
        # All at once and in one order: two phones that speak of the same items must not wait for each other.
        items.hold(session, _mentioned([letter.body for letter in letters]))
        answers = [_take_in(session, desk, caller, device, letter, at=at) for letter in letters]
        if any(answer.result in ("applied", "accepted_with_conflict") for answer in answers):
            # His bag shows his cash and whatever he carries, also what is on nobody's route.
            items.bump_bag(session, caller.id, local_day(at))
        ack_through = devices.acknowledge(session, device)
    return answers, ack_through


@dataclass(frozen=True, slots=True)
class Letter:
    """One event as it is read: what stood in its envelope, if it came in one. `fault` is why it could not be opened."""

    body: Any
    fault: str | None = None


def _opened(desk: Desk, device_id: UUID, body: Any) -> Letter:
    """Open a sealed event; what it says of itself inside must be what stands on the outside."""
    if not isinstance(body, Mapping) or "sealed" not in body:
        return Letter(body)
    label = envelopes.event_label(device_id, body.get("device_seq"), body.get("event_id"))
    try:
        envelope = envelopes.Envelope.of_json(body["sealed"])
        plain = envelopes.unseal(envelope, envelopes.sealing_key(desk.settings.secrets), bound_to=label)
        inner = orjson.loads(plain)
    except (envelopes.Unopenable, orjson.JSONDecodeError):
        return Letter(body, "unreadable-seal")
    same = isinstance(inner, dict) and all(inner.get(name) == body.get(name) for name in ("event_id", "device_seq"))
    return Letter(inner) if same else Letter(body, "unreadable-seal")


def _mentioned(events: Sequence[Any]) -> set[UUID]:
    """The ids of items in a batch, as far as they can be read."""
    found: set[UUID] = set()
    for body in events:
        named = body.get("items") if isinstance(body, Mapping) else None
        for item_id in named if isinstance(named, list) else ():
            with suppress(ValueError):
                found.add(UUID(item_id if isinstance(item_id, str) else ""))
    return found


def _take_in(
    session: Session, desk: Desk, caller: Caller, device: devices.Known, letter: Letter, *, at: datetime
) -> Answer:
    body = letter.body
    event_id = body.get("event_id") if isinstance(body, Mapping) else ""
    event_id = acts.printable(event_id[:64]) if isinstance(event_id, str) else ""
    if acts.too_deep(body):
        # Nobody can write this down, let alone read it: keep what stands on its surface.
        body = {k: v for k, v in body.items() if not isinstance(v, dict | list)} if isinstance(body, Mapping) else None
        return _set_aside(session, caller, device, body, event_id, "unreadable-event", payload_hash(body), at=at)
    digest = payload_hash(body)
    try:
        if device.refusal is not None:
            raise _SetAside(device.refusal)
        if letter.fault is not None:
            raise _SetAside(letter.fault)
        if not isinstance(body, Mapping):
            raise _SetAside("unreadable-event")
        act = acts.read_act(body, received_at=at)
        known = devices.known_event(session, act.event_id)
        if known is not None:
            if known == digest:
                return Answer(event_id, "duplicate")
            raise _SetAside("same-id-other-content")
        if devices.seq_taken(session, device.id, act.device_seq):
            raise _SetAside("sequence-reused")
        with session.begin_nested():
            if isinstance(act.type, acts.ShiftType):
                devices.require_visible(session, caller, act.items)
                shifts.record(session, act, caller=caller, device_id=device.id, digest=digest, at=at)
                return Answer(event_id, "applied")
            recorded = _record(session, desk, caller, act, act.type, device_id=device.id, digest=digest, at=at)
    except (_SetAside, acts.Unreadable) as why:
        return _set_aside(session, caller, device, body, event_id, why.code, digest, at=at)
    except Missing:
        return _set_aside(session, caller, device, body, event_id, "unknown-item", digest, at=at)
    except (OperationalError, InterfaceError):
        # Not the event's fault: the phone keeps its batch and sends it again.
        raise
    except Exception:
        # One event that we cannot digest must not keep the rest of a postman's day on his phone.
        log.exception("event %s of device %s could not be recorded", event_id, device.id)
        return _set_aside(session, caller, device, body, event_id, "not-digested", digest, at=at)
    return Answer(event_id, recorded.result, recorded.code)


class _SetAside(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _set_aside(
    session: Session,
    caller: Caller,
    device: devices.Known,
    body: Any,
    event_id: str,
    code: str,
    digest: str,
    *,
    at: datetime,
) -> Answer:
    devices.quarantine(session, device.id, caller, body=body, event_id=event_id, code=code, digest=digest, at=at)
    return Answer(event_id, "quarantined", code)


def payload_hash(body: Any) -> str:
    """The digest under which two copies of the same event meet; the order of members does not matter."""
    return sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def _record(
    session: Session,
    desk: Desk,
    caller: Caller,
    act: acts.Act,
    kind: EventType,
    *,
    device_id: UUID | None,
    digest: str,
    at: datetime,
) -> items.Recorded:
    devices.require_visible(session, caller, act.items)
    data = _checked_again(session, desk, act, at=at)
    recorded = items.record(
        session,
        items.NewEvent(
            event_id=act.event_id,
            type=kind,
            items=act.items,
            occurred_at=act.occurred_at,
            claimed_at=act.claimed_at,
            received_at=at,
            actor=caller,
            data=data,
            device_id=device_id,
            device_seq=act.device_seq if device_id is not None else None,
            clock_trusted=act.trusted,
            position=act.position,
            payload_hash=digest,
        ),
        desk.facts.bylaws,
    )
    media.cite(session, act.event_id, recorded.items[0].office_id, data, at=at)
    return recorded


def _checked_again(session: Session, desk: Desk, act: acts.Act, *, at: datetime) -> Mapping[str, Any]:
    """The data of an act with what the server finds of a code or of digits that the phone had only digests of."""
    data = dict(act.data)
    if any(proof["kind"] == acts.RECIPIENT_CODE for proof in data.get("proofs", ())):
        secrets = desk.settings.secrets
        # A phone that lost its time may tell of another day than the one on which it spoke to us.
        days = {local_day(moment) for moment in (act.occurred_at, at)}
        right = {links.recipient_code(secrets, item_id, day) for item_id in act.items for day in days}
        data["proofs"] = [
            {"kind": proof["kind"], "sha256": None, "right": proof["value"] in right}
            if proof["kind"] == acts.RECIPIENT_CODE
            else proof
            for proof in data["proofs"]
        ]
    receiver = data.get("receiver")
    if receiver is not None and receiver["id_last4"] and receiver["relation"] == "owner":
        known = worklists.id_numbers(session, act.items)
        if known:
            numbers = {sealing.unseal(sealed, row=row, secrets=desk.settings.secrets) for row, sealed in known}
            found = any(number.endswith(receiver["id_last4"]) for number in numbers)
            data["receiver"] = {**receiver, "last4_right": found}
    return data


# ------------------------------------------------------------------------------------------------- forms and desks
def check(
    desk: Desk, caller: Caller, *, item_ids: Sequence[UUID], data: Mapping[str, Any], at: datetime
) -> list[Breach]:
    """What the rules would say of a handover, asked before the act; nothing is recorded.

    Last digits and codes are not compared here: whoever may ask as often as he likes would find them by asking.

    Raises:
        Invalid: a field makes no sense.
        Missing: one of the items is none of the caller's.
    """
    read = _read_form(EventType.HANDED_OVER, data)
    found: list[Breach] = []
    with desk.database.read() as session:
        devices.require_visible(session, caller, item_ids)
        charges = items.charges_of(session, item_ids)
        for row in worklists.items_by_id(session, item_ids):
            own = {charge.id for charge in charges[row.id]}
            taken = [c for c in items.collections_in(read) if c.charge_id in own]
            document_type = desk.facts.bylaws.document_types.get(row.document_type)
            agency = worklists.agency_code(session, row.agency_id)
            rule = document_type.rule(local_day(at), agency=agency, subject=row.subject) if document_type else None
            found += [b for b in breaches(DoorAct.of(read, taken), rule, charges[row.id]) if b not in found]
    return found


def report(
    desk: Desk,
    caller: Caller,
    kind: EventType,
    *,
    event_id: UUID,
    item_ids: Sequence[UUID],
    data: Mapping[str, Any],
    at: datetime,
) -> items.Recorded:
    """Record a fact from a form or a desk, stamped now. The same `event_id` twice is the same act once.

    Raises:
        Invalid: a field makes no sense.
        Missing: an item is none of the caller's.
        Forbidden: the caller's role does not record this.
        Refused: for an intent (`invited`, `cancelled`), `wrong-state`; `same-id-other-content` for a reused id.
    """
    allowed = DESK_FACTS.get(kind, ())
    if not (caller.role is Role.POSTMAN and kind in acts.FROM_A_PHONE) and caller.role not in allowed:
        raise Forbidden
    read = _read_form(kind, data)
    body = {"event_id": str(event_id), "type": kind.value, "items": sorted(map(str, item_ids)), "data": read}
    act = acts.Act(event_id, None, kind, tuple(item_ids), at, at, trusted=True, position=None, data=read)
    with desk.database.write() as session:
        devices.require_visible(session, caller, item_ids)
        known = devices.event_row(session, event_id)
        if known is not None:
            if known.payload_hash != payload_hash(body):
                raise Refused("same-id-other-content", "mã thao tác này đã dùng cho một nội dung khác")
            return items.Recorded(event_id, known.result, known.code, ())
        if kind in INTENTS:
            return items.record_intent(
                session, kind, item_ids, caller=caller, at=at, bylaws=desk.facts.bylaws, data=read
            )
        return _record(session, desk, caller, act, kind, device_id=None, digest=payload_hash(body), at=at)


def _read_form(kind: EventType, data: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return acts.read_data(kind, data)
    except acts.Unreadable as why:
        field = why.code.removeprefix("unreadable-")
        raise Invalid(FieldError(field, "unreadable", f"không đọc được: {why}")) from None


def take_out(desk: Desk, caller: Caller, *, event_id: UUID, day: date, at: datetime) -> items.Recorded | None:
    """The morning by form: everything on the postman's published route that is not out yet goes into his bag."""
    with desk.database.read() as session:
        bag = worklists.to_take_out(session, caller.id, day)
    if not bag:
        return None
    return report(desk, caller, EventType.TAKEN_OUT, event_id=event_id, item_ids=bag, data={}, at=at)


def daily_list(desk: Desk, caller: Caller, *, day: date) -> bytes:
    """The postman's day as JSON bytes.

    Raises:
        Forbidden: the caller is no postman.
    """
    _, body = changed_list(desk, caller, day=day, known=None)
    return body or b""


def changed_list(desk: Desk, caller: Caller, *, day: date, known: int | None) -> tuple[int, bytes | None]:
    """The version of the postman's day, and the day as JSON bytes unless he has that version already.

    Raises:
        Forbidden: the caller is no postman.
    """
    if caller.role is not Role.POSTMAN:
        raise Forbidden
    return worklists.daily_list(desk.database, desk.facts, caller.id, day, known=known)
