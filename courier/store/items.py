"""Items and their events in the database: load the set, fold it, keep the projection, the money and the incidents in step.

`record` is the only door through which an event comes in, alone or with the others of an upload. It
recomputes everything that follows from the *set* of an item's events (state, custody, counters, standing money, open
incidents), so what is stored cannot depend on the order of arrival.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.attempts import outlook
from courier.domain.bylaws import Bylaws
from courier.domain.calendar import ZONE, local_day
from courier.domain.errors import Refused
from courier.domain.item import (
    FINAL,
    INTENTS,
    Conflict,
    Custodian,
    Direction,
    Event,
    EventType,
    Life,
    State,
    life_of,
)
from courier.domain.money import (
    Charge,
    Collection,
    Dong,
    Line,
    Method,
    Posting,
    collected,
    due_forgiven,
    taken_in_conflict,
)
from courier.domain.people import Caller, Role
from courier.domain.release import Breach, DoorAct, breaches
from courier.domain.webhooks import Money
from courier.store import ledger, webhooks
from courier.store.book import MONEY_EVENTS, Book, charges_of, events_of, hold, in_parts, lock
from courier.store.tables import BagVersion, Incident, Item, LedgerEntry, LedgerTx, Plan, Route, Stop, StopItem, plain

__all__ = [
    "MONEY_EVENTS",
    "Book",
    "NewEvent",
    "Recorded",
    "bump_bag",
    "bump_bags",
    "charges_of",
    "collections_in",
    "events_of",
    "hold",
    "lock",
    "raise_bags",
    "record",
    "record_intent",
    "refuse_when_final",
    "settle_at_bank",
    "write_down",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """A fact or an accepted intent on its way into the book. `occurred_at` is the estimate, `claimed_at` the device's word."""

    event_id: UUID
    type: EventType
    items: tuple[UUID, ...]
    occurred_at: datetime
    received_at: datetime
    actor: Caller | None
    data: Mapping[str, Any] = field(default_factory=dict)
    claimed_at: datetime | None = None
    device_id: UUID | None = None
    device_seq: int | None = None
    clock_trusted: bool = True
    position: Mapping[str, Any] | None = None
    payload_hash: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an event: `applied`, or `accepted_with_conflict` with the first code."""

    event_id: UUID
    result: str
    code: str | None
    items: tuple[Item, ...]


def collections_in(data: Mapping[str, Any]) -> tuple[Collection, ...]:
    """The money lines in an event's data."""
    return tuple(
        Collection(UUID(str(line["charge"])), Dong(int(line["amount_dong"])), Method(line["method"]))
        for line in data.get("collections", ())
    )


def record(where: Session | Book, new: NewEvent, bylaws: Bylaws) -> Recorded:
    """Bring an event in, and everything that follows from it up to date, within the caller's transaction.

    Alone it is written at once; in an open book it is written with the others, by `write_down`.

    Raises:
        Missing: an item of the event does not exist; then nothing has changed.
    """
    if isinstance(where, Book):
        return _record(where, new, bylaws)
    book = Book(where, at=new.received_at)
    recorded = _record(book, new, bylaws)
    write_down(book)
    return recorded


def write_down(book: Book, *, bags: Iterable[tuple[UUID, date]] = ()) -> None:
    """Write a book, and raise the versions of the daily lists that show its items, and of `bags` (postman, day).

    Raises:
        sqlalchemy.exc.DatabaseError: the database refused something; the transaction, or the savepoint, is lost.
    """
    book.write()
    raise_bags(book.session, {*_bags_with(book.session, book.shown), *bags})


def _record(book: Book, new: NewEvent, bylaws: Bylaws) -> Recorded:
    book.take(new.items)
    # Asked with the items in hand: a target that another phone sends at this moment is stored or has to wait.
    rows = book.take(_about(book, new))
    earlier = {row.id: book.events[row.id] for row in rows}
    event = Event(
        new.event_id,
        new.type,
        new.occurred_at,
        new.received_at,
        new.actor.id if new.actor else None,
        dict(new.data),
        _role(new.actor),
    )
    for known in earlier.values():
        known.append(event)
    tied = _tie_corrections(earlier)
    lives = {row.id: life_of(Direction(row.direction), earlier[row.id]) for row in rows}
    states = {row.id: row.state for row in rows}
    code = next((c.code for life in lives.values() for c in life.conflicts if c.event_id == new.event_id), None)
    _enter(book, new, rows, code)
    for event_id, item_id in tied:
        book.tie(event_id, item_id)
    for row in rows:
        keep_in_step(book, row, lives[row.id], bylaws)
        book.notices += webhooks.told(
            row,
            event,
            lives[row.id],
            was=states[row.id],
            reasons=bylaws.attempts.reasons,
            money=_paid(book, row, event),
        )
    book.shown |= earlier.keys()
    result = "applied" if code is None else "accepted_with_conflict"
    return Recorded(new.event_id, result, code, tuple(rows))


def _paid(book: Book, row: Item, event: Event) -> list[Money]:
    """What an event's standing posting says was paid for an item, by payee."""
    standing = book.standing(row.id, event_id=event.event_id) if event.type in MONEY_EVENTS else None
    payees = {charge.id: charge.payee for charge in book.charges[row.id]}
    return webhooks.money_in(book.lines_of(standing), payees) if standing is not None else []


def _role(actor: Caller | None) -> Role:
    return actor.role if actor else Role.CITIZEN


def _about(book: Book, new: NewEvent) -> set[UUID]:
    """The items of an event; a correction is about everything that its target is about, once they share an item."""
    named = set(new.items)
    if new.type is not EventType.CORRECTED:
        return named
    target = book.items_of(UUID(str(new.data["corrects"])))
    return named | target if named & target else named


def _tie_corrections(known: Mapping[UUID, list[Event]]) -> list[tuple[UUID, UUID]]:
    """Add to each item's set the corrections of its events that came before those events did.

    Returns the new ties as (event, item).
    """
    tied: list[tuple[UUID, UUID]] = []
    waiting = any(event.type is EventType.CORRECTED for shared in known.values() for event in shared)
    while waiting:
        waiting = False
        for shared in list(known.values()):
            here = {event.event_id for event in shared}
            for correction in [e for e in shared if e.type is EventType.CORRECTED]:
                target = UUID(str(correction.data["corrects"]))
                if target not in here:
                    continue
                for item_id, events in known.items():
                    ids = {event.event_id for event in events}
                    if target in ids and correction.event_id not in ids:
                        events.append(correction)
                        tied.append((correction.event_id, item_id))
                        waiting = True
    return tied


def record_intent(
    session: Session,
    kind: EventType,
    item_ids: Sequence[UUID],
    *,
    caller: Caller | None,
    at: datetime,
    bylaws: Bylaws,
    data: Mapping[str, Any] | None = None,
) -> Recorded:
    """Record what somebody wants, stamped now; refused as a whole when one item does not allow it.

    Raises:
        Refused: `wrong-state`, naming the state found.
        Missing: one of the ids is no item.
    """
    if kind not in INTENTS:
        raise ValueError(f"{kind} is a fact, not an intent")
    book = Book(session, at=at)
    latest = at
    for row in book.take(item_ids):
        direction, known = Direction(row.direction), book.events[row.id]
        life_of(direction, known).require(direction, kind)
        # A phone whose clock runs ahead may have stamped facts after now; an intent is about what is known now.
        latest = max([latest, *(event.occurred_at + timedelta(microseconds=1) for event in known)])
    new = NewEvent(
        event_id=uuid7(),
        type=kind,
        items=tuple(item_ids),
        occurred_at=latest,
        received_at=at,
        actor=caller,
        data=data or {},
    )
    recorded = _record(book, new, bylaws)
    write_down(book)
    return recorded


def _enter(book: Book, new: NewEvent, rows: Sequence[Item], code: str | None) -> None:
    book.enter(
        {
            "id": new.event_id,
            "type": new.type.value,
            "actor_id": new.actor.id if new.actor else None,
            "actor_role": _role(new.actor).value,
            "office_id": rows[0].office_id,
            "device_id": new.device_id,
            "device_seq": new.device_seq,
            "occurred_at": new.occurred_at,
            "claimed_at": new.claimed_at or new.occurred_at,
            "received_at": new.received_at,
            "clock_trusted": new.clock_trusted,
            "position": dict(new.position) if new.position else None,
            "data": dict(new.data),
            "payload_hash": new.payload_hash,
            "result": "applied" if code is None else "accepted_with_conflict",
            "code": code,
        },
        [row.id for row in rows],
    )


def keep_in_step(book: Book, row: Item, life: Life, bylaws: Bylaws) -> None:
    """Enter everything that follows from an item's set of events: projection, money, incidents."""
    _project(row, life, book.events[row.id], bylaws, agency=book.agency(row))
    _settle(book, row, life)
    _watch(book, row, life, bylaws)


def _project(row: Item, life: Life, events: Sequence[Event], bylaws: Bylaws, *, agency: str) -> None:
    since = life.since or row.created_at
    rule = bylaws.attempts.rule(local_day(since), agency=agency, document_type=row.document_type)
    view = outlook(life, rule, bylaws.attempts, bylaws.calendar, commune_kind=bylaws.commune_kind(row.commune_code))
    row.state = life.state.value
    row.custody = life.custody.kind.value
    row.custody_holder = life.custody.holder if life.custody.kind is Custodian.POSTMAN else None
    row.attempts = view.attempts
    row.not_before = view.not_before
    row.held_until = view.held_until
    row.moves = life.moves
    row.marks = sorted(mark.value for mark in life.marks)
    wish = life.wishes.get(EventType.RESCHEDULED)
    # A wish is spent by the attempt that followed it.
    if wish is not None and not any(event.order > wish.order for event in life.failed):
        row.wanted_on = date.fromisoformat(wish.data["on"])
        row.wanted_from, row.wanted_to = wish.data["from"], wish.data["to"]
    elif life.failed or any(event.type is EventType.RESCHEDULED for event in events):
        # Also where the wish was taken back or came too late: whatever was heard of first, nothing of it may stay behind.
        row.wanted_on = row.wanted_from = row.wanted_to = None
    authorised, instructed = life.wishes.get(EventType.AUTHORISED), life.wishes.get(EventType.INSTRUCTED)
    row.authorised_name = str(authorised.data["name"]) if authorised else None
    row.instructions = instructed.data["text"] if instructed else None
    row.gate_photo = instructed.data.get("photo") if instructed else None
    row.collect_at = _collect_at(life, events)
    row.version += 1


def _collect_at(life: Life, events: Sequence[Event]) -> UUID | None:
    """The office where the citizen asked to collect what waits for him or goes there, None for the item's own office."""
    if life.state not in (State.TO_FORWARD, State.FORWARDED, State.AWAITING_PICKUP, State.PICKED_UP):
        return None
    asked = (EventType.INVITED, EventType.DIRECTED)
    invited = [e for e in events if e.type in asked and e.event_id not in life.withdrawn]
    chosen = max(invited, key=lambda e: e.order).data.get("office") if invited else None
    return UUID(chosen) if chosen else None


# ---------------------------------------------------------------------------------------------------------- money
def settle_at_bank(
    session: Session,
    row: Item,
    posting: Posting,
    *,
    key: str,
    by: UUID,
    bylaws: Bylaws,
    at: datetime,
    reverses: UUID | None,
) -> UUID:
    """Post money about an item that moved at the bank, and bring up to date what follows: incidents, and daily lists.

    The charges' `prepaid_dong` is the caller's to set first. Returns the id of the transaction.
    """
    book = Book(session, at=at)
    book.take([row.id])
    book.post(row, posting, key=key, by=by, reverses=reverses)
    keep_in_step(book, row, life_of(Direction(row.direction), book.events[row.id]), bylaws)
    book.shown.add(row.id)
    write_down(book)
    return session.scalars(select(LedgerTx.id).where(LedgerTx.key == key)).one()


def _settle(book: Book, row: Item, life: Life) -> None:
    """Make the standing postings of the item's events equal to what its life says; correct by reversal only."""
    # A debt that stands again is there before money is counted against it.
    _revive(book, row, life)
    stuck = {conflict.event_id for conflict in life.conflicts if conflict.code != "not-in-custody"}
    wanted: list[tuple[Event, str]] = []
    with_money = [e for e in book.events[row.id] if e.type in MONEY_EVENTS and e.data.get("collections")]
    for event in sorted(with_money, key=lambda e: e.order):
        standing = book.standing(row.id, event_id=event.event_id)
        kind = None
        if event.event_id not in life.withdrawn:
            kind = "collection in conflict" if event.event_id in stuck else "collection"
        if standing is not None and standing.kind != kind:
            _reverse(book, standing, row)
            standing = None
        if standing is None and kind is not None:
            wanted.append((event, kind))
    for event, kind in wanted:
        posting = _posting(book, row, event, kind=kind)
        if posting is not None:
            book.post(
                row,
                _out_of_suspense(book, row, event, posting),
                key=f"event:{event.event_id}:{row.id}:{book.times_posted(row.id, event_id=event.event_id)}",
                by=event.actor,
                event_id=event.event_id,
            )
    _drop(book, row, life)


def _posting(book: Book, row: Item, event: Event, *, kind: str) -> Posting | None:
    by_id = {charge.id: charge for charge in book.charges[row.id]}
    mine = [c for c in collections_in(event.data) if c.charge_id in by_id]
    stray = _stray(book, row, event)
    pocket = event.actor or row.office_id
    day = _open_day(book, pocket, local_day(event.occurred_at))
    if kind == "collection in conflict":
        return taken_in_conflict(mine, stray, pocket=pocket, day=day, office=row.office_id)
    still_open = book.owed(row.id)
    taken = []
    for collection in mine:
        left = Dong(max(0, still_open.get(collection.charge_id, Dong(0))))
        taken.append((by_id[collection.charge_id], collection, left))
        still_open[collection.charge_id] = Dong(max(0, left - collection.amount_dong))
    return collected(row.id, taken, stray, pocket=pocket, day=day, office=row.office_id)


def _out_of_suspense(book: Book, row: Item, event: Event, posting: Posting) -> Posting:
    """The same posting; what an earlier reversal left in suspense after the notes had been counted is not taken twice."""
    suspense = f"suspense:{row.office_id}"
    waiting = book.waiting(suspense, row.id, event_id=event.event_id)
    lines: list[Line] = []
    for line in posting.lines:
        found = min(line.amount_dong, waiting.get(line.charge_id, 0)) if _is_source(line) else 0
        if found:
            waiting[line.charge_id] -= found
            lines.append(Line(suspense, found, line.charge_id))
        if found != line.amount_dong:
            lines.append(Line(line.account, line.amount_dong - found, line.charge_id))
    return Posting(posting.kind, posting.day, tuple(lines))


def _is_source(line: Line) -> bool:
    return line.account.startswith(("cash:", "claimed:"))


def _stray(book: Book, row: Item, event: Event) -> list[Collection]:
    """Money reported for charges that are on none of the event's items; the first of them answers for it."""
    own = {charge.id for charge in book.charges[row.id]}
    others = [c for c in collections_in(event.data) if c.charge_id not in own and c.amount_dong]
    if not others or min(book.items_of(event.event_id)) != row.id:
        return []
    placed = book.charges_about(event.event_id)
    return [c for c in others if c.charge_id not in placed]


def _open_day(book: Book, postman_id: UUID, day: date) -> date:
    """The day of business for money taken on `day`: that day, or the first one after it that is not closed.

    The pocket is held until the end of the transaction, so nobody closes the day between this answer and the posting.
    """
    if not book.is_closed(postman_id, day):
        return day
    later = max(day, local_day(book.at))
    while book.is_closed(postman_id, later):
        later += timedelta(days=1)
    return later


def _reverse(book: Book, standing: ledger.Posted, row: Item) -> None:
    """Post the opposite; suspense takes the place of notes that are in the till already and of transfers the bank confirmed."""
    lines = book.lines_of(standing)
    closed = {
        account
        for account in sorted({account for account, _, _ in lines if account.startswith("cash:")})
        if book.is_closed(UUID(account.split(":")[1]), date.fromisoformat(account.split(":")[2]))
    }
    suspense = f"suspense:{row.office_id}"
    turned: list[Line] = []
    claimed = any(account.startswith("claimed:") for account, _, _ in lines)
    at_bank = _confirmed(book, row, standing.event_id) if claimed else {}
    for account, amount, charge in lines:
        moved = amount if account in closed else 0
        if account.startswith("claimed:"):
            moved = min(amount, at_bank.pop((account, charge), 0))
        turned += [Line(suspense, -moved, charge)] if moved else []
        turned += [Line(account, moved - amount, charge)] if moved != amount else []
    book.post(
        row,
        Posting(f"reversal of {standing.kind}", standing.day, tuple(turned)),
        key=f"reverses:{standing.id}",
        event_id=standing.event_id,
        reverses=standing.id,
    )


def _confirmed(book: Book, row: Item, event_id: UUID | None) -> dict[tuple[str, UUID | None], int]:
    """What the bank has confirmed of an event's transfers for an item, by claimed account and charge."""
    rows = book.session.execute(
        select(LedgerEntry.account, LedgerEntry.charge_id, LedgerEntry.amount_dong)
        .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
        .where(
            LedgerTx.item_id == row.id,
            LedgerTx.key.startswith(f"bank:{event_id}:"),
            LedgerEntry.account.startswith("claimed:"),
        )
    )
    return {(account, charge): -amount for account, charge, amount in rows}


_NOTHING_DUE: Final = (State.RETURNED, State.CANCELLED)


def _revive(book: Book, row: Item, life: Life) -> None:
    """Where a later fact says that an item did not go back after all, the debt returns."""
    dropped = book.dropped(row.id)
    if dropped is not None and life.state not in _NOTHING_DUE:
        _reverse(book, dropped, row)


def _drop(book: Book, row: Item, life: Life) -> None:
    """Nobody owes for an item that went back or was cancelled."""
    if life.state not in _NOTHING_DUE:
        return
    before = book.dropped(row.id)
    if before is not None:
        if not any(book.owed(row.id).values()):
            return
        # A prepayment went back afterwards: what it had settled is let drop with the rest, as one posting.
        _reverse(book, before, row)
    still_open = book.owed(row.id)
    due = [(charge, still_open.get(charge.id, Dong(0))) for charge in book.charges[row.id]]
    posting = due_forgiven(row.id, due, local_day(book.at))
    if posting is not None:
        book.post(row, posting, key=f"dropped:{row.id}:{book.times_dropped(row.id)}")


# ------------------------------------------------------------------------------------------------------ incidents
_SENTENCES = {
    "another-had-custody": "Hai người cùng báo đã giao bưu gửi này; người đang giữ bưu gửi được ghi nhận.",
    "not-in-custody": "Người báo không phải là người đang giữ bưu gửi.",
    "overtaken-by-fact": "Yêu cầu không còn hiệu lực vì bưu gửi đã được xử lý trước đó.",
}


def _watch(book: Book, row: Item, life: Life, bylaws: Bylaws) -> None:
    """Open an incident for every breach and conflict that follows from the set of events; close those that no longer do."""
    by_id = {event.event_id: event for event in book.events[row.id]}
    wanted: dict[tuple[UUID, str], Breach] = {}
    for conflict in life.conflicts:
        event = by_id[conflict.event_id]
        wanted[event.event_id, conflict.code] = _conflict(conflict, event)
    for event in book.events[row.id]:
        if event.event_id not in life.withdrawn:
            for breach in _breaches(book, row, event, bylaws):
                wanted[event.event_id, breach.code] = breach
    known = book.incidents[row.id]
    for key, incident in known.items():
        if key not in wanted and incident.closed_at is None:
            incident.closed_at, incident.resolution = book.at, "Tự khép lại: các sự kiện đến sau đã giải thích."
    for (event_id, code), breach in wanted.items():
        found = known.get((event_id, code))
        if found is None:
            book.open_incident(row.id, _incident(row, by_id[event_id], breach, at=book.at))
        elif found.closed_at is not None and found.closed_by is None:
            found.closed_at = found.resolution = None


# What a citizen asked for, as an incident tells of it. Taking the item off a route is a part of some of these.
_ASKED: Final = {
    EventType.RESCHEDULED: "hẹn ngày giờ khác",
    EventType.REDIRECTED: "phát đến địa chỉ khác",
    EventType.INVITED: "đến bưu cục nhận",
    EventType.DIRECTED: "đến bưu cục khác nhận",
    EventType.AUTHORISED: "nhờ người khác nhận thay",
    EventType.INSTRUCTED: "dặn bưu tá",
    EventType.UNPLANNED: "đổi lượt phát",
}


def _conflict(conflict: Conflict, event: Event) -> Breach:
    asked = _ASKED.get(event.type)
    if asked is not None:
        # The same words whichever fact is heard of first.
        return Breach(
            conflict.code,
            f"Yêu cầu {asked} lúc {event.occurred_at.astimezone(ZONE):%H:%M %d/%m} không còn hiệu lực: trước đó bưu tá đã mang "
            "bưu gửi đi hoặc đã gặp người nhận, máy gửi về sau. Trang theo dõi sẽ báo cho người dân khi đã giao.",
        )
    sentence = _SENTENCES.get(conflict.code, f"Sự kiện {event.type} không khớp với diễn biến của bưu gửi.")
    return Breach(conflict.code, sentence, about_money=bool(event.data.get("collections")))


def _breaches(book: Book, row: Item, event: Event, bylaws: Bylaws) -> Sequence[Breach]:
    if event.type in (EventType.LOST, EventType.DAMAGED, EventType.RECALLED):
        words = {
            "lost": "Bưu gửi bị thất lạc.",
            "damaged": "Bưu gửi bị hư hỏng.",
            "recalled": "Cơ quan thu hồi bưu gửi.",
        }
        return [Breach(event.type.value, words[event.type.value])]
    if event.type is EventType.ATTEMPT_FAILED:
        reason = bylaws.attempts.reasons.get(str(event.data.get("reason", "")))
        if reason is None:
            return [Breach("unknown-reason", f"Lý do không có trong danh mục: {event.data.get('reason')!r}.")]
        return [Breach(reason.code, f"{reason.name_vi}. {reason.measure_vi}")] if reason.then == "incident" else []
    if event.type not in MONEY_EVENTS:
        return []
    document_type = bylaws.document_types.get(row.document_type)
    rule = None
    if document_type is not None and row.direction == Direction.RESULT:
        rule = document_type.rule(local_day(event.occurred_at), agency=book.agency(row), subject=row.subject)
    charges: Sequence[Charge] = book.charges[row.id]
    mine = {charge.id for charge in charges}
    own = [c for c in collections_in(event.data) if c.charge_id in mine]
    stray = _stray(book, row, event)
    return breaches(DoorAct.of(event.data, [*own, *stray]), rule, charges)


def _incident(row: Item, event: Event, breach: Breach, *, at: datetime) -> Incident:
    return Incident(
        id=uuid7(),
        office_id=row.office_id,
        code=breach.code,
        sentence=breach.sentence,
        item_id=row.id,
        event_id=event.event_id,
        postman_id=event.actor,
        day=local_day(event.occurred_at),
        about_money=breach.about_money,
        owner_role=(Role.CASHIER if breach.about_money else Role.DISPATCHER).value,
        opened_at=at,
        closed_at=None,
        closed_by=None,
        resolution=None,
    )


# ----------------------------------------------------------------------------------------------------------- bags
def bump_bags(session: Session, item_ids: Iterable[UUID]) -> None:
    """Raise the version of every daily list that shows one of the items."""
    raise_bags(session, _bags_with(session, set(item_ids)))


def _bags_with(session: Session, item_ids: set[UUID]) -> set[tuple[UUID, date]]:
    """The daily lists that show one of the items, as (postman, day)."""
    found: set[tuple[UUID, date]] = set()
    for part in in_parts(item_ids):
        pairs = session.execute(
            select(Route.postman_id, Plan.day)
            .join(Plan, and_(Plan.id == Route.plan_id, Plan.state == "published"))
            .join(Stop, Stop.route_id == Route.id)
            .join(StopItem, StopItem.stop_id == Stop.id)
            .where(StopItem.item_id.in_(part))
            .distinct()
        )
        found |= {(postman_id, day) for postman_id, day in pairs}
    return found


def bump_bag(session: Session, postman_id: UUID, day: date) -> None:
    """Raise the version of one daily list; the first is 1."""
    raise_bags(session, [(postman_id, day)])


def raise_bags(session: Session, bags: Iterable[tuple[UUID, date]]) -> None:
    """Raise the versions of daily lists by one, in one order, so that two writers cannot wait for each other."""
    rows = [{"postman_id": postman_id, "day": day, "version": 1} for postman_id, day in sorted(set(bags))]
    if not rows:
        return
    table = plain(BagVersion)
    once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(
        once(table).on_conflict_do_update(
            index_elements=[table.c.postman_id, table.c.day], set_={"version": table.c.version + 1}
        ),
        rows,
    )


def refuse_when_final(row: Item) -> None:
    """Refuse to touch an item whose life has ended.

    Raises:
        Refused: `already-final`.
    """
    if State(row.state) in FINAL:
        raise Refused("already-final", f"bưu gửi đã {row.state}")
