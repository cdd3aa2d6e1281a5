"""Items and their events in the database: load the set, fold it, keep the projection, the money and the incidents in step.

`record` is the only door through which an event comes in. It recomputes everything that follows from the *set* of an item's
events (state, custody, counters, standing money, open incidents), so what is stored cannot depend on the order of arrival.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, insert, select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.attempts import outlook
from courier.domain.bylaws import Bylaws
from courier.domain.calendar import local_day
from courier.domain.errors import Missing, Refused
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
    ChargeKind,
    Collection,
    Dong,
    Line,
    Method,
    Posting,
    cash_account,
    collected,
    due_forgiven,
    taken_in_conflict,
)
from courier.domain.people import Caller, Role
from courier.domain.release import Breach, DoorAct, breaches
from courier.store import ledger
from courier.store.tables import (
    Agency,
    BagVersion,
    EventOfItem,
    Incident,
    Item,
    ItemCharge,
    ItemEvent,
    LedgerEntry,
    LedgerTx,
    Plan,
    Remittance,
    Route,
    Stop,
    StopItem,
)

_AT_ONCE: Final = 1000
MONEY_EVENTS = (EventType.HANDED_OVER, EventType.FETCHED, EventType.PICKED_UP)


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


def events_of(session: Session, item_ids: Iterable[UUID]) -> dict[UUID, list[Event]]:
    """The set of events of each item."""
    wanted = list(item_ids)
    found: dict[UUID, list[Event]] = {item_id: [] for item_id in wanted}
    rows = session.execute(
        select(EventOfItem.item_id, ItemEvent)
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .where(EventOfItem.item_id.in_(wanted))
    )
    for item_id, row in rows:
        found[item_id].append(
            Event(
                row.id,
                EventType(row.type),
                row.occurred_at,
                row.received_at,
                row.actor_id,
                row.data,
                Role(row.actor_role),
            )
        )
    return found


def charges_of(session: Session, item_ids: Iterable[UUID]) -> dict[UUID, list[Charge]]:
    """The due lines of each item, in a stable order."""
    wanted = list(item_ids)
    found: dict[UUID, list[Charge]] = {item_id: [] for item_id in wanted}
    rows = session.scalars(
        select(ItemCharge).where(ItemCharge.item_id.in_(wanted)).order_by(ItemCharge.kind, ItemCharge.id)
    )
    for row in rows:
        found[row.item_id].append(Charge(row.id, ChargeKind(row.kind), row.payee, Dong(row.amount_dong)))
    return found


def lock(session: Session, item_ids: Iterable[UUID]) -> list[Item]:
    """Load items for a change, locked in one order so that two writers cannot wait for each other.

    Raises:
        Missing: one of the ids is no item.
    """
    wanted = sorted(set(item_ids))
    rows = session.scalars(
        select(Item)
        .where(Item.id.in_(wanted))
        .order_by(Item.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    if len(rows) != len(wanted):
        known = {row.id for row in rows}
        raise Missing("item", next(item_id for item_id in wanted if item_id not in known))
    return list(rows)


def hold(session: Session, item_ids: Iterable[UUID]) -> None:
    """Lock the items among these ids that exist, in the order in which `lock` would, until the transaction ends."""
    if session.get_bind().dialect.name == "sqlite":
        return  # one writer at a time
    wanted = sorted(set(item_ids))
    for start in range(0, len(wanted), _AT_ONCE):
        ids = wanted[start : start + _AT_ONCE]
        session.execute(select(Item.id).where(Item.id.in_(ids)).order_by(Item.id).with_for_update())


def collections_in(data: Mapping[str, Any]) -> tuple[Collection, ...]:
    """The money lines in an event's data."""
    return tuple(
        Collection(UUID(str(line["charge"])), Dong(int(line["amount_dong"])), Method(line["method"]))
        for line in data.get("collections", ())
    )


def record(session: Session, new: NewEvent, bylaws: Bylaws) -> Recorded:
    """Write an event and bring everything that follows from it up to date, within the caller's transaction.

    Raises:
        Missing: an item of the event does not exist.
    """
    rows = lock(session, new.items)
    # Asked with the items in hand: a target that another phone sends at this moment is stored or has to wait.
    about = _about(session, new)
    if len(about) > len(rows):
        rows = lock(session, about)
    earlier = events_of(session, about)
    event = Event(
        new.event_id,
        new.type,
        new.occurred_at,
        new.received_at,
        new.actor.id if new.actor else None,
        dict(new.data),
        _role(new.actor),
    )
    for row in rows:
        earlier[row.id].append(event)
    tied = _tie_corrections(earlier)
    lives = {row.id: life_of(Direction(row.direction), earlier[row.id]) for row in rows}
    code = next((c.code for life in lives.values() for c in life.conflicts if c.event_id == new.event_id), None)
    _insert(session, new, rows, code)
    if tied:
        session.execute(insert(EventOfItem), tied)
    charges = charges_of(session, about)
    for row in rows:
        keep_in_step(session, row, lives[row.id], earlier[row.id], charges[row.id], bylaws, at=new.received_at)
    bump_bags(session, [row.id for row in rows])
    result = "applied" if code is None else "accepted_with_conflict"
    return Recorded(new.event_id, result, code, tuple(rows))


def _role(actor: Caller | None) -> Role:
    return actor.role if actor else Role.CITIZEN


def _about(session: Session, new: NewEvent) -> tuple[UUID, ...]:
    """The items of an event; a correction is about everything that its target is about, once they share an item."""
    if new.type is not EventType.CORRECTED:
        return new.items
    target = session.scalars(
        select(EventOfItem.item_id).where(EventOfItem.event_id == UUID(str(new.data["corrects"])))
    ).all()
    return tuple({*new.items, *target}) if set(new.items) & set(target) else new.items


def _tie_corrections(known: Mapping[UUID, list[Event]]) -> list[dict[str, UUID]]:
    """Add to each item's set the corrections of its events that came before those events did; returns the new ties."""
    tied: list[dict[str, UUID]] = []
    waiting = True
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
                        tied.append({"event_id": correction.event_id, "item_id": item_id})
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
    rows = lock(session, item_ids)
    known = events_of(session, item_ids)
    latest = at
    for row in rows:
        direction = Direction(row.direction)
        life_of(direction, known[row.id]).require(direction, kind)
        # A phone whose clock runs ahead may have stamped facts after now; an intent is about what is known now.
        latest = max([latest, *(event.occurred_at + timedelta(microseconds=1) for event in known[row.id])])
    new = NewEvent(
        event_id=uuid7(),
        type=kind,
        items=tuple(item_ids),
        occurred_at=latest,
        received_at=at,
        actor=caller,
        data=data or {},
    )
    return record(session, new, bylaws)


def _insert(session: Session, new: NewEvent, rows: Sequence[Item], code: str | None) -> None:
    session.execute(
        insert(ItemEvent).values(
            id=new.event_id,
            type=new.type.value,
            actor_id=new.actor.id if new.actor else None,
            actor_role=_role(new.actor).value,
            office_id=rows[0].office_id,
            device_id=new.device_id,
            device_seq=new.device_seq,
            occurred_at=new.occurred_at,
            claimed_at=new.claimed_at or new.occurred_at,
            received_at=new.received_at,
            clock_trusted=new.clock_trusted,
            position=dict(new.position) if new.position else None,
            data=dict(new.data),
            payload_hash=new.payload_hash,
            result="applied" if code is None else "accepted_with_conflict",
            code=code,
        )
    )
    session.execute(insert(EventOfItem), [{"event_id": new.event_id, "item_id": row.id} for row in rows])


def keep_in_step(
    session: Session,
    row: Item,
    life: Life,
    events: Sequence[Event],
    charges: Sequence[Charge],
    bylaws: Bylaws,
    *,
    at: datetime,
) -> None:
    """Write everything that follows from an item's set of events: projection, money, incidents."""
    agency = session.get_one(Agency, row.agency_id).code
    _project(row, life, bylaws, agency=agency)
    _settle(session, row, life, events, charges, at=at)
    _watch(session, row, life, events, charges, bylaws, agency=agency, at=at)
    session.flush()


def _project(row: Item, life: Life, bylaws: Bylaws, *, agency: str) -> None:
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
    elif life.failed or life.moves:
        row.wanted_on = row.wanted_from = row.wanted_to = None
    if EventType.AUTHORISED in life.wishes:
        row.authorised_name = str(life.wishes[EventType.AUTHORISED].data["name"])
    if EventType.INSTRUCTED in life.wishes:
        row.instructions = str(life.wishes[EventType.INSTRUCTED].data["text"])
    row.version += 1


# ---------------------------------------------------------------------------------------------------------- money
def _settle(
    session: Session, row: Item, life: Life, events: Sequence[Event], charges: Sequence[Charge], *, at: datetime
) -> None:
    """Make the standing postings of the item's events equal to what its life says; correct by reversal only."""
    # A debt that stands again is there before money is counted against it.
    _revive(session, row, life, at=at)
    stuck = {conflict.event_id for conflict in life.conflicts if conflict.code != "not-in-custody"}
    wanted: list[tuple[Event, str]] = []
    for event in sorted(events, key=lambda e: e.order):
        if event.type not in MONEY_EVENTS or not event.data.get("collections"):
            continue
        standing = ledger.standing(session, event_id=event.event_id, item_id=row.id)
        kind = None
        if event.event_id not in life.withdrawn:
            kind = "collection in conflict" if event.event_id in stuck else "collection"
        if standing is not None and standing[1] != kind:
            _reverse(session, standing, row, event_id=event.event_id, at=at)
            standing = None
        if standing is None and kind is not None:
            wanted.append((event, kind))
    for event, kind in wanted:
        posting = _posting(session, row, event, charges, kind=kind, at=at)
        if posting is not None:
            ledger.post(
                session,
                _out_of_suspense(session, row, event, posting),
                key=f"event:{event.event_id}:{row.id}:{_times_posted(session, event.event_id, row.id)}",
                office_id=row.office_id,
                at=at,
                by=event.actor,
                event_id=event.event_id,
                item_id=row.id,
            )
    _drop(session, row, life, charges, at=at)


def _posting(
    session: Session, row: Item, event: Event, charges: Sequence[Charge], *, kind: str, at: datetime
) -> Posting | None:
    by_id = {charge.id: charge for charge in charges}
    mine = [c for c in collections_in(event.data) if c.charge_id in by_id]
    stray = _stray(session, row, event, charges)
    pocket = event.actor or row.office_id
    day = open_day(session, pocket, local_day(event.occurred_at), at=at)
    if kind == "collection in conflict":
        return taken_in_conflict(mine, stray, pocket=pocket, day=day, office=row.office_id)
    still_open = ledger.open_by_charge(session, row.id)
    taken = []
    for collection in mine:
        left = Dong(max(0, still_open.get(collection.charge_id, Dong(0))))
        taken.append((by_id[collection.charge_id], collection, left))
        still_open[collection.charge_id] = Dong(max(0, left - collection.amount_dong))
    return collected(row.id, taken, stray, pocket=pocket, day=day, office=row.office_id)


def _out_of_suspense(session: Session, row: Item, event: Event, posting: Posting) -> Posting:
    """The same posting; what an earlier reversal left in suspense after the notes had been counted is not taken twice."""
    suspense = f"suspense:{row.office_id}"
    waiting = ledger.waiting(session, suspense, event_id=event.event_id, item_id=row.id)
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


def _stray(session: Session, row: Item, event: Event, charges: Sequence[Charge]) -> list[Collection]:
    """Money reported for charges that are on none of the event's items; the first of them answers for it."""
    own = {charge.id for charge in charges}
    others = [c for c in collections_in(event.data) if c.charge_id not in own and c.amount_dong]
    if not others:
        return []
    about = select(EventOfItem.item_id).where(EventOfItem.event_id == event.event_id)
    if min(session.scalars(about)) != row.id:
        return []
    placed = set(session.scalars(select(ItemCharge.id).where(ItemCharge.item_id.in_(about))))
    return [c for c in others if c.charge_id not in placed]


def open_day(session: Session, postman_id: UUID, day: date, *, at: datetime) -> date:
    """The day of business for money taken on `day`: that day, or the first one after it that is not closed.

    The pocket is held until the end of the transaction, so nobody closes the day between this answer and the posting.
    """
    if not _is_closed(session, postman_id, day):
        return day
    later = max(day, local_day(at))
    while _is_closed(session, postman_id, later):
        later += timedelta(days=1)
    return later


def _is_closed(session: Session, postman_id: UUID, day: date) -> bool:
    ledger.hold(session, cash_account(postman_id, day))
    closing = select(Remittance.id).where(Remittance.postman_id == postman_id, Remittance.day == day)
    return session.scalar(closing) is not None


def _reverse(
    session: Session, standing: tuple[UUID, str, date], row: Item, *, event_id: UUID | None, at: datetime
) -> None:
    """Post the opposite; suspense takes the place of notes that are in the till already and of transfers the bank confirmed."""
    tx_id, kind, day = standing
    lines = ledger.lines_of(session, tx_id)
    closed = {
        account
        for account in sorted({account for account, _, _ in lines if account.startswith("cash:")})
        if _is_closed(session, UUID(account.split(":")[1]), date.fromisoformat(account.split(":")[2]))
    }
    suspense = f"suspense:{row.office_id}"
    turned: list[Line] = []
    at_bank = _confirmed(session, event_id) if event_id is not None else {}
    for account, amount, charge in lines:
        moved = amount if account in closed else 0
        if account.startswith("claimed:"):
            moved = min(amount, at_bank.pop((account, charge), 0))
        turned += [Line(suspense, -moved, charge)] if moved else []
        turned += [Line(account, moved - amount, charge)] if moved != amount else []
    ledger.post(
        session,
        Posting(f"reversal of {kind}", day, tuple(turned)),
        key=f"reverses:{tx_id}",
        office_id=row.office_id,
        at=at,
        event_id=event_id,
        item_id=row.id,
        reverses=tx_id,
    )


def _confirmed(session: Session, event_id: UUID) -> dict[tuple[str, UUID | None], int]:
    """What the bank has confirmed of an event's transfers, by claimed account and charge."""
    rows = session.execute(
        select(LedgerEntry.account, LedgerEntry.charge_id, LedgerEntry.amount_dong)
        .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
        .where(LedgerTx.key.startswith(f"bank:{event_id}:"), LedgerEntry.account.startswith("claimed:"))
    )
    return {(account, charge): -amount for account, charge, amount in rows}


def _times_posted(session: Session, event_id: UUID, item_id: UUID) -> int:
    rows = session.scalars(
        select(LedgerTx.id).where(
            LedgerTx.event_id == event_id, LedgerTx.item_id == item_id, LedgerTx.reverses.is_(None)
        )
    )
    return len(rows.all())


def _dropped(session: Session, row: Item) -> tuple[UUID, str, date] | None:
    """The standing posting that dropped the item's charges, or None."""
    dropped = session.execute(
        select(LedgerTx.id, LedgerTx.kind, LedgerTx.day).where(
            LedgerTx.item_id == row.id,
            LedgerTx.kind == "charges dropped",
            LedgerTx.id.not_in(select(LedgerTx.reverses).where(LedgerTx.reverses.is_not(None))),
        )
    ).one_or_none()
    return None if dropped is None else (dropped[0], dropped[1], dropped[2])


_NOTHING_DUE: Final = (State.RETURNED, State.CANCELLED)


def _revive(session: Session, row: Item, life: Life, *, at: datetime) -> None:
    """Where a later fact says that an item did not go back after all, the debt returns."""
    dropped = _dropped(session, row)
    if dropped is not None and life.state not in _NOTHING_DUE:
        _reverse(session, dropped, row, event_id=None, at=at)


def _drop(session: Session, row: Item, life: Life, charges: Sequence[Charge], *, at: datetime) -> None:
    """Nobody owes for an item that went back or was cancelled."""
    if life.state not in _NOTHING_DUE or _dropped(session, row) is not None:
        return
    still_open = ledger.open_by_charge(session, row.id)
    posting = due_forgiven(row.id, [(charge, still_open.get(charge.id, Dong(0))) for charge in charges], local_day(at))
    if posting is not None:
        times = session.scalars(
            select(LedgerTx.id).where(LedgerTx.item_id == row.id, LedgerTx.kind == "charges dropped")
        ).all()
        ledger.post(
            session, posting, key=f"dropped:{row.id}:{len(times)}", office_id=row.office_id, at=at, item_id=row.id
        )


# ------------------------------------------------------------------------------------------------------ incidents
_SENTENCES = {
    "another-had-custody": "Hai người cùng báo đã giao bưu gửi này; người đang giữ bưu gửi được ghi nhận.",
    "not-in-custody": "Người báo không phải là người đang giữ bưu gửi.",
    "overtaken-by-fact": "Yêu cầu không còn hiệu lực vì bưu gửi đã được xử lý trước đó.",
}


def _watch(
    session: Session,
    row: Item,
    life: Life,
    events: Sequence[Event],
    charges: Sequence[Charge],
    bylaws: Bylaws,
    *,
    agency: str,
    at: datetime,
) -> None:
    """Open an incident for every breach and conflict that follows from the set of events; close those that no longer do."""
    by_id = {event.event_id: event for event in events}
    wanted: dict[tuple[UUID, str], Breach] = {}
    for conflict in life.conflicts:
        event = by_id[conflict.event_id]
        wanted[event.event_id, conflict.code] = _conflict(conflict, event)
    for event in events:
        if event.event_id not in life.withdrawn:
            for breach in _breaches(session, row, event, charges, bylaws, agency=agency):
                wanted[event.event_id, breach.code] = breach
    known = {
        (incident.event_id, incident.code): incident
        for incident in session.scalars(
            select(Incident).where(Incident.item_id == row.id, Incident.event_id.is_not(None))
        )
    }
    for (event_id, code), breach in wanted.items():
        incident = known.get((event_id, code))
        if incident is None:
            session.add(_incident(row, by_id[event_id], breach, at=at))
        elif incident.closed_at is not None and incident.closed_by is None:
            incident.closed_at = incident.resolution = None
    for key, incident in known.items():
        if key not in wanted and incident.closed_at is None:
            incident.closed_at, incident.resolution = at, "Tự khép lại: các sự kiện đến sau đã giải thích."


def _conflict(conflict: Conflict, event: Event) -> Breach:
    sentence = _SENTENCES.get(conflict.code, f"Sự kiện {event.type} không khớp với diễn biến của bưu gửi.")
    return Breach(conflict.code, sentence, about_money=bool(event.data.get("collections")))


def _breaches(
    session: Session, row: Item, event: Event, charges: Sequence[Charge], bylaws: Bylaws, *, agency: str
) -> Sequence[Breach]:
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
        rule = document_type.rule(local_day(event.occurred_at), agency=agency, subject=row.subject)
    mine = {charge.id for charge in charges}
    own = [c for c in collections_in(event.data) if c.charge_id in mine]
    stray = _stray(session, row, event, charges)
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
    pairs = session.execute(
        select(Route.postman_id, Plan.day)
        .join(Plan, and_(Plan.id == Route.plan_id, Plan.state == "published"))
        .join(Stop, Stop.route_id == Route.id)
        .join(StopItem, StopItem.stop_id == Stop.id)
        .where(StopItem.item_id.in_(list(item_ids)))
        .distinct()
    ).all()
    for postman_id, day in pairs:
        bump_bag(session, postman_id, day)


def bump_bag(session: Session, postman_id: UUID, day: date) -> None:
    """Raise the version of one daily list; the first is 1."""
    raised = session.execute(
        update(BagVersion)
        .where(BagVersion.postman_id == postman_id, BagVersion.day == day)
        .values(version=BagVersion.version + 1)
        .returning(BagVersion.version)
    ).first()
    if raised is None:
        session.execute(insert(BagVersion).values(postman_id=postman_id, day=day, version=1))


def refuse_when_final(row: Item) -> None:
    """Refuse to touch an item whose life has ended.

    Raises:
        Refused: `already-final`.
    """
    if State(row.state) in FINAL:
        raise Refused("already-final", f"bưu gửi đã {row.state}")
