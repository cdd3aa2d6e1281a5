"""At the door: what postmen report, by phone or by form, becomes facts. A fact is never refused once its bearer is known."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from courier.store import devices, envelopes, items, links, media, messages, people, sealing, shifts, wishes, worklists

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
    EventType.SENT_ON: (Role.DISPATCHER, Role.CLERK, Role.ADMIN),
    EventType.ARRIVED: (Role.CLERK, Role.ADMIN),
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
    waiting_acts: int | None = None,
) -> tuple[list[Answer], int]:
    """Take in what a phone sends, in one transaction. An event that cannot be digested takes no other with it.

    `bound_to` is the phone that the caller's session is bound to, `waiting_acts` what the phone will still have after
    this, as far as it says so. Returns one answer per event in the order sent, and the
    number up to which the device's events are all stored.

    Raises:
        Forbidden: the caller is no postman.
    """
    if caller.role is not Role.POSTMAN:
        raise Forbidden
    # Unsealed and read before the transaction: while it lasts, other phones wait.
    letters = [_read(_opened(desk, device_id, body), at=at) for body in events]
    with desk.database.write() as session:
        people.stand_by(session, caller)
        device = devices.seen(session, device_id, caller, at=at, bound_to=bound_to, waiting_acts=waiting_acts)
        acts_read = [letter.act for letter in letters if letter.act is not None]
        upload = _Upload(
            session=session,
            desk=desk,
            caller=caller,
            device=device,
            at=at,
            known=devices.known_events(session, [act.event_id for act in acts_read]),
            numbers=devices.taken_numbers(session, device.id, [act.device_seq for act in acts_read if act.device_seq]),
        )
        # All at once and in one order: two phones that speak of the same items must not wait for each other.
        items.hold(session, {item_id for letter in letters if upload.is_new(letter) for item_id in letter.items})
        answers = _take_in(upload, letters) if letters else []
        messages.tell(session, desk.jobs, _recorded(letters, answers))
        _have_wishes_answered(session, desk, letters, answers)
        ack_through = devices.acknowledge(session, device)
    return answers, ack_through


def _recorded(letters: Sequence["Letter"], answers: Sequence[Answer]) -> list[tuple[UUID, EventType]]:
    """The events about items that an upload brought into the book."""
    return [
        (letter.act.event_id, letter.act.type)
        for letter, answer in zip(letters, answers, strict=True)
        if letter.act is not None
        and isinstance(letter.act.type, EventType)
        and answer.result in ("applied", "accepted_with_conflict")
    ]


def _have_wishes_answered(session: Session, desk: Desk, letters: Sequence["Letter"], answers: Sequence[Answer]) -> None:
    """What was wished at a door is answered now, or when the paper is back from the bag that held it up."""
    about: set[UUID] = set()
    for letter, answer in zip(letters, answers, strict=True):
        if letter.act is not None and answer.result in ("applied", "accepted_with_conflict"):
            about.update(letter.items)
    if about:
        first = next(letter.act.event_id for letter in letters if letter.act is not None and letter.items)
        wishes.ask_for_answers(session, desk.jobs, about, key=first)


@dataclass(frozen=True, slots=True)
class Opened:
    """One event as it was sent: what stood in its envelope, if it came in one. `fault` is why it could not be opened."""

    body: Any
    fault: str | None = None


def _opened(desk: Desk, device_id: UUID, body: Any) -> Opened:
    """Open a sealed event; what it says of itself inside must be what stands on the outside."""
    if not isinstance(body, Mapping) or "sealed" not in body:
        return Opened(body)
    label = envelopes.event_label(device_id, body.get("device_seq"), body.get("event_id"))
    try:
        envelope = envelopes.Envelope.of_json(body["sealed"])
        plain = envelopes.unseal(envelope, envelopes.sealing_key(desk.settings.secrets), bound_to=label)
        inner = orjson.loads(plain)
    except (envelopes.Unopenable, orjson.JSONDecodeError):
        return Opened(body, "unreadable-seal")
    same = isinstance(inner, dict) and all(inner.get(name) == body.get(name) for name in ("event_id", "device_seq"))
    return Opened(inner) if same else Opened(body, "unreadable-seal")


@dataclass(frozen=True, slots=True)
class Letter:
    """One event of an upload as it was read: the act, or why there is none (`fault`)."""

    body: Any
    event_id: str
    digest: str
    act: acts.Act | None = None
    fault: str | None = None

    @property
    def items(self) -> tuple[UUID, ...]:
        """The items that it is about, as far as it could be read."""
        return self.act.items if self.act is not None else ()


def _read(opened: Opened, *, at: datetime) -> Letter:
    body = opened.body
    named = body.get("event_id") if isinstance(body, Mapping) else ""
    event_id = acts.printable(named[:64]) if isinstance(named, str) else ""
    if acts.too_deep(body):
        # Nobody can write this down, let alone read it: keep what stands on its surface.
        body = {k: v for k, v in body.items() if not isinstance(v, dict | list)} if isinstance(body, Mapping) else None
        return Letter(body, event_id, payload_hash(body), fault="unreadable-event")
    digest = payload_hash(body)
    if opened.fault is not None:
        return Letter(body, event_id, digest, fault=opened.fault)
    if not isinstance(body, Mapping):
        return Letter(body, event_id, digest, fault="unreadable-event")
    try:
        return Letter(body, event_id, digest, acts.read_act(body, received_at=at))
    except acts.Unreadable as why:
        return Letter(body, event_id, digest, fault=why.code)
    except Exception:
        # One event that we cannot digest must not keep the rest of a postman's day on his phone.
        log.exception("event %s could not be read", event_id)
        return Letter(body, event_id, digest, fault="not-digested")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upload:
    """What a phone sends, on its way into the book: `known` events by digest, `numbers` that its events have already."""

    session: Session
    desk: Desk
    caller: Caller
    device: devices.Known
    at: datetime
    known: dict[UUID, str]
    numbers: set[int]

    def is_new(self, letter: Letter) -> bool:
        """True for an act that is to be recorded."""
        act = letter.act
        fresh = act is not None and act.event_id not in self.known and act.device_seq not in self.numbers
        return fresh and self.device.refusal is None

    def tried(self) -> "_Upload":
        """The same with notes of its own, for an attempt that may come to nothing."""
        return replace(self, known=dict(self.known), numbers=set(self.numbers))

    def keep(self, tried: "_Upload") -> None:
        """An attempt that came to something."""
        self.known.update(tried.known)
        self.numbers.update(tried.numbers)


def _take_in(upload: _Upload, letters: Sequence[Letter]) -> list[Answer]:
    """All in one go, within a savepoint; where that fails, half by half, until what cannot be digested is alone."""
    trial = upload.tried()
    try:
        with upload.session.begin_nested():
            answers = _write_down(trial, letters)
    except (OperationalError, InterfaceError):
        # Not the events' fault: the phone keeps its batch and sends it again.
        raise
    except Exception:
        # One event that we cannot digest must not keep the rest of a postman's day on his phone: halves find it, and it is set aside.
        if len(letters) > 1:
            half = len(letters) // 2
            return [*_take_in(upload, letters[:half]), *_take_in(upload, letters[half:])]
        (letter,) = letters
        log.exception("event %s of device %s could not be recorded", letter.event_id, upload.device.id)
        aside, answer = _aside(letter, "not-digested")
        devices.quarantine(upload.session, upload.device.id, upload.caller, [aside], at=upload.at)
        return [answer]
    upload.keep(trial)
    return answers


def _write_down(upload: _Upload, letters: Sequence[Letter]) -> list[Answer]:
    """Read what the new ones are about, go through them one by one, write what came of it."""
    caller, new = upload.caller, [letter.act for letter in letters if letter.act is not None and upload.is_new(letter)]
    book = items.Book(upload.session, at=upload.at)
    book.open(item_id for act in new for item_id in act.items)
    book.look_up(UUID(act.data["corrects"]) for act in new if act.type is EventType.CORRECTED)
    taking = {
        local_day(act.occurred_at) for act in new if act.data.get("collections") and act.type in items.MONEY_EVENTS
    }
    book.reserve({(caller.id, day) for day in taking} | (book.pockets() if new else set()))
    answers: list[Answer] = []
    asides: list[devices.SetAside] = []
    for letter in letters:
        try:
            answers.append(_answer(upload, book, letter))
        except _SetAside as why:
            aside, answer = _aside(letter, why.code)
            asides.append(aside)
            answers.append(answer)
        except Missing:
            aside, answer = _aside(letter, "unknown-item")
            asides.append(aside)
            answers.append(answer)
    devices.quarantine(upload.session, upload.device.id, caller, asides, at=upload.at)
    if any(answer.result in ("applied", "accepted_with_conflict") for answer in answers):
        # His bag shows his cash and whatever he carries, also what is on nobody's route.
        items.write_down(book, bags=[(caller.id, local_day(upload.at))])
    return answers


class _SetAside(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _aside(letter: Letter, code: str) -> tuple[devices.SetAside, Answer]:
    kept = devices.SetAside(letter.body, letter.event_id, code, letter.digest)
    return kept, Answer(letter.event_id, "quarantined", code)


def _answer(upload: _Upload, book: items.Book, letter: Letter) -> Answer:
    """Enter one event into the book. What is refused here is refused before anything has changed.

    Raises:
        _SetAside: it cannot be attached to anything.
        Missing: an item is none of the caller's.
    """
    act = letter.act
    if upload.device.refusal is not None:
        raise _SetAside(upload.device.refusal)
    if act is None:
        raise _SetAside(letter.fault or "unreadable-event")
    known = upload.known.get(act.event_id)
    if known == letter.digest:
        return Answer(letter.event_id, "duplicate")
    if known is not None:
        raise _SetAside("same-id-other-content")
    if act.device_seq in upload.numbers:
        raise _SetAside("sequence-reused")
    for row in book.take(act.items):
        if row.office_id != upload.caller.office_id:
            raise Missing("item", row.id)
    device_id, result, code = upload.device.id, "applied", None
    if isinstance(act.type, acts.ShiftType):
        shifts.record(book, act, caller=upload.caller, device_id=device_id, digest=letter.digest)
    else:
        recorded = _record(book, upload.desk, upload.caller, act, act.type, device_id=device_id, digest=letter.digest)
        result, code = recorded.result, recorded.code
    upload.known[act.event_id] = letter.digest
    if act.device_seq is not None:
        upload.numbers.add(act.device_seq)
    return Answer(letter.event_id, result, code)


def payload_hash(body: Any) -> str:
    """The digest under which two copies of the same event meet; the order of members does not matter."""
    return sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def _record(
    book: items.Book,
    desk: Desk,
    caller: Caller,
    act: acts.Act,
    kind: EventType,
    *,
    device_id: UUID | None,
    digest: str,
) -> items.Recorded:
    data = _checked_again(book, desk, act)
    recorded = items.record(
        book,
        items.NewEvent(
            event_id=act.event_id,
            type=kind,
            items=act.items,
            occurred_at=act.occurred_at,
            claimed_at=act.claimed_at,
            received_at=book.at,
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
    media.cite(book, act.event_id, recorded.items[0].office_id, data)
    return recorded


def _checked_again(book: items.Book, desk: Desk, act: acts.Act) -> Mapping[str, Any]:
    """The data of an act with what the server finds of a code or of digits that the phone had only digests of."""
    data = dict(act.data)
    if any(proof["kind"] == acts.RECIPIENT_CODE for proof in data.get("proofs", ())):
        secrets = desk.settings.secrets
        # A phone that lost its time may tell of another day than the one on which it spoke to us.
        days = {local_day(moment) for moment in (act.occurred_at, book.at)}
        right = {links.recipient_code(secrets, item_id, day) for item_id in act.items for day in days}
        data["proofs"] = [
            {"kind": proof["kind"], "sha256": None, "right": proof["value"] in right}
            if proof["kind"] == acts.RECIPIENT_CODE
            else proof
            for proof in data["proofs"]
        ]
    receiver = data.get("receiver")
    if receiver is not None and receiver["id_last4"] and receiver["relation"] == "owner":
        known = [(row.id, row.id_number_sealed) for row in book.take(act.items)]
        numbers = {
            sealing.unseal(sealed, row=item_id, secrets=desk.settings.secrets) for item_id, sealed in known if sealed
        }
        if numbers:
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
        if kind is EventType.ARRIVED:
            devices.require_collected_at(session, caller, item_ids)
        known = devices.event_row(session, event_id)
        if known is not None:
            if known.payload_hash != payload_hash(body):
                raise Refused("same-id-other-content", "mã thao tác này đã dùng cho một nội dung khác")
            return items.Recorded(event_id, known.result, known.code, ())
        if kind in INTENTS:
            recorded = items.record_intent(
                session, kind, item_ids, caller=caller, at=at, bylaws=desk.facts.bylaws, data=read
            )
        else:
            book = items.Book(session, at=at)
            recorded = _record(book, desk, caller, act, kind, device_id=None, digest=payload_hash(body))
            items.write_down(book)
        messages.tell(session, desk.jobs, [(recorded.event_id, kind)])
        wishes.ask_for_answers(session, desk.jobs, item_ids, key=recorded.event_id)
        return recorded


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
