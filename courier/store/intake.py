"""What the intake desk remembers: batches with a verdict per row, and the items, dossiers, charges and receipts of a bag.

Rows are written in bulk: a bag list of thousands is one transaction of a few statements.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, insert, select, text, tuple_, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.bylaws import Bylaws
from courier.domain.calendar import local_day
from courier.domain.errors import Missing
from courier.domain.item import Direction, Event, EventType, State, life_of
from courier.domain.money import Charge, ChargeKind, Dong, due_accepted
from courier.domain.people import Caller, Role
from courier.domain.text import fold
from courier.domain.webhooks import Notice
from courier.settings import Secrets
from courier.store import items, ledger, links, sealing, webhooks
from courier.store.tables import (
    Agency,
    AuditEntry,
    ChangeRequest,
    Dossier,
    DossierStep,
    EventOfItem,
    ImportBatch,
    ImportRow,
    Item,
    ItemCharge,
    ItemEvent,
    Office,
    ShiftEventOfItem,
    Staff,
)

# A statement's list of values stays below the least that a database allows.
_AT_ONCE = 500
_IMPORT_LOCK = 0x1A7A6E  # any number, the same in every process: imports on PostgreSQL take turns
_RETURN = "return"  # the last of a dossier's four steps, where the post holds the result

T = TypeVar("T")


# ------------------------------------------------------------------------------------------------ who there is
@dataclass(frozen=True, slots=True)
class OfficeRow:
    """An office as the intake sees it: `communes` are the codes it delivers to."""

    id: UUID
    code: str
    name: str
    kind: str
    parent_id: UUID | None
    communes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AgencyRow:
    """An agency that may hand bags over."""

    id: UUID
    code: str
    name: str


def offices(session: Session) -> list[OfficeRow]:
    """All active offices and counters, by code."""
    rows = session.scalars(select(Office).where(Office.active).order_by(Office.code))
    return [OfficeRow(o.id, o.code, o.name, o.kind, o.parent_id, frozenset(o.communes)) for o in rows]


def agencies(session: Session) -> list[AgencyRow]:
    """All active agencies, by code."""
    rows = session.scalars(select(Agency).where(Agency.active).order_by(Agency.code))
    return [AgencyRow(a.id, a.code, a.name) for a in rows]


# ------------------------------------------------------------------------------------------------ what is there already
@dataclass(frozen=True, slots=True)
class Known:
    """An item that is in the books, as far as a second mention of it is compared; `id_number` is the keyed digest."""

    item_id: UUID
    office_id: UUID
    agency_id: UUID
    barcode: str
    dossier: tuple[str, str]
    document_type: str
    name: str
    phone: str | None
    id_number: str | None
    address: str
    deliver_by: date | None
    note: str
    dues: Mapping[str, int]


def take_turns(session: Session) -> None:
    """Let no second import run beside this transaction: two bags must not bring the same barcode at once.

    On SQLite a writer is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _IMPORT_LOCK})


def known_items(session: Session, *, barcodes: Collection[str], dossiers: Collection[tuple[str, str]]) -> list[Known]:
    """The results in the books under one of the barcodes or one of the (agency code, dossier key) pairs."""
    found: dict[UUID, Known] = {}
    query = (
        select(Item, Dossier.code_key, Agency.code)
        .join(Dossier, Dossier.id == Item.dossier_id)
        .join(Agency, Agency.id == Item.agency_id)
        # What came by mistake and was taken back may come again.
        .outerjoin(ImportBatch, ImportBatch.id == Item.batch_id)
        .where(ImportBatch.undone_at.is_(None))
    )
    for some in portions(sorted(barcodes)):
        found |= _known(session, query.where(Item.barcode.in_(some)))
    for agency, pairs in _by_agency(dossiers).items():
        for some in portions(sorted(pairs)):
            found |= _known(
                session,
                query.where(
                    Agency.code == agency, Dossier.code_key.in_(some), Item.direction == Direction.RESULT.value
                ),
            )
    return list(found.values())


def _known(session: Session, query: Select[Item, str, str]) -> dict[UUID, Known]:
    rows = session.execute(query).all()
    dues: dict[UUID, dict[str, int]] = {item.id: {} for item, _, _ in rows}
    for charge in session.scalars(select(ItemCharge).where(ItemCharge.item_id.in_(dues))):
        dues[charge.item_id][charge.kind] = charge.amount_dong
    return {
        item.id: Known(
            item_id=item.id,
            office_id=item.office_id,
            agency_id=item.agency_id,
            barcode=item.barcode,
            dossier=(agency, code_key),
            document_type=item.document_type,
            name=item.recipient_name,
            phone=item.recipient_phone,
            id_number=item.id_number_index,
            address=item.address_raw,
            deliver_by=item.deliver_by,
            note=item.note,
            dues=dues[item.id],
        )
        for item, code_key, agency in rows
    }


def _by_agency(dossiers: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    by_agency: dict[str, set[str]] = {}
    for agency, key in dossiers:
        by_agency.setdefault(agency, set()).add(key)
    return by_agency


def portions(values: Iterable[T]) -> Iterator[list[T]]:
    """The values in lists that a statement can take."""
    rest = iter(values)
    while portion := list(islice(rest, _AT_ONCE)):
        yield portion


# ------------------------------------------------------------------------------------------------ a bag comes in
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an address lies, or what it might be. `precision` is `unknown` while somebody has to be asked."""

    commune_code: str | None = None
    hamlet: str | None = None
    lat: float | None = None
    lon: float | None = None
    precision: str = "unknown"
    candidates: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class NewCharge:
    """A due line of a new item."""

    kind: ChargeKind
    payee: str
    amount_dong: Dong
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An item on its way into the books."""

    row: int
    barcode: str
    dossier_code: str
    dossier_key: str
    agency_id: UUID
    office_id: UUID
    document_type: str
    name: str
    phone: str | None
    id_number: str | None = field(repr=False)
    subject: str
    address: str
    place: Place
    charges: Sequence[NewCharge]
    deliver_by: date | None
    window: tuple[int, int] | None
    priority: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a row that brought no new item, or what is asked about one that did."""

    row: int
    outcome: str
    errors: Sequence[Mapping[str, str]] = ()
    item_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A bag list as it was sent."""

    office_id: UUID | None
    filename: str
    sha256: str
    at: datetime
    assumed: Sequence[str] = ()


def receive(
    session: Session,
    batch: Batch,
    new: Sequence[NewItem],
    verdicts: Sequence[Verdict],
    *,
    caller: Caller,
    secrets: Secrets,
) -> UUID:
    """Write a whole bag: batch, dossiers, items, charges with what is due, one receipt per item, a verdict per row.

    `verdicts` speaks of every row of the list; a row with a new item gets that item's id. Returns the batch's id.
    """
    batch_id = uuid7()
    counts = {
        word: sum(v.outcome == word for v in verdicts) for word in ("accepted", "duplicate", "doubtful", "rejected")
    }
    session.execute(
        insert(ImportBatch).values(
            id=batch_id,
            office_id=batch.office_id,
            imported_by=caller.id,
            filename=batch.filename,
            sha256=batch.sha256,
            at=batch.at,
            accepted=counts["accepted"],
            duplicates=counts["duplicate"],
            doubtful=counts["doubtful"],
            rejected=counts["rejected"],
            assumed=list(batch.assumed) or None,
        )
    )
    by_row: dict[int, UUID] = {}
    if new:
        dossiers = _dossiers(session, new, caller=caller, at=batch.at)
        by_row = _items(session, batch_id, new, dossiers, secrets=secrets, at=batch.at)
        _charges(session, new, by_row, caller=caller, at=batch.at)
        _receipts(session, batch_id, new, by_row, caller=caller, at=batch.at)
    session.execute(
        insert(ImportRow),
        [
            {
                "batch_id": batch_id,
                "row": verdict.row,
                "outcome": verdict.outcome,
                "item_id": by_row.get(verdict.row, verdict.item_id),
                "errors": list(verdict.errors),
            }
            for verdict in verdicts
        ],
    )
    return batch_id


def _dossiers(
    session: Session, new: Sequence[NewItem], *, caller: Caller, at: datetime
) -> dict[tuple[UUID, str], UUID]:
    """The dossier of each item, made where it is not known yet; a result means that the procedure is at its last step."""
    wanted = {(item.agency_id, item.dossier_key): item.dossier_code for item in new}
    known: dict[tuple[UUID, str], UUID] = {}
    for some in portions(wanted):
        rows = session.execute(
            select(Dossier.id, Dossier.agency_id, Dossier.code_key, Dossier.step).where(
                tuple_(Dossier.agency_id, Dossier.code_key).in_(some)
            )
        ).all()
        known |= {(agency_id, key): dossier_id for dossier_id, agency_id, key, _ in rows}
        behind = [dossier_id for dossier_id, _, _, step in rows if step != _RETURN]
        if behind:
            session.execute(update(Dossier).where(Dossier.id.in_(behind)).values(step=_RETURN))
            _reach_return(session, behind, caller=caller, at=at)
    fresh = {pair: uuid7() for pair in wanted if pair not in known}
    if fresh:
        session.execute(
            insert(Dossier),
            [
                {"id": dossier_id, "agency_id": pair[0], "code": wanted[pair], "code_key": pair[1], "step": _RETURN}
                for pair, dossier_id in fresh.items()
            ],
        )
        _reach_return(session, fresh.values(), caller=caller, at=at)
    return known | fresh


def _reach_return(session: Session, dossier_ids: Iterable[UUID], *, caller: Caller, at: datetime) -> None:
    session.execute(
        insert(DossierStep),
        [
            {"dossier_id": dossier_id, "step": _RETURN, "reached_at": at, "recorded_by": caller.id}
            for dossier_id in dossier_ids
        ],
    )


def _items(
    session: Session,
    batch_id: UUID,
    new: Sequence[NewItem],
    dossiers: Mapping[tuple[UUID, str], UUID],
    *,
    secrets: Secrets,
    at: datetime,
) -> dict[int, UUID]:
    receipt = Event(uuid7(), EventType.RECEIVED, at, at, None)
    life = life_of(Direction.RESULT, [receipt])
    by_row = {item.row: uuid7() for item in new}
    session.execute(
        insert(Item),
        [
            {
                "id": (item_id := by_row[item.row]),
                "barcode": item.barcode,
                "dossier_id": dossiers[item.agency_id, item.dossier_key],
                "agency_id": item.agency_id,
                "office_id": item.office_id,
                "batch_id": batch_id,
                "document_type": item.document_type,
                "direction": Direction.RESULT.value,
                "state": life.state.value,
                "custody": life.custody.kind.value,
                "custody_holder": life.custody.holder,
                "recipient_name": item.name,
                "recipient_phone": item.phone,
                "id_number_sealed": item.id_number and sealing.seal(item.id_number, row=item_id, secrets=secrets),
                "id_number_index": item.id_number and sealing.blind_index(item.id_number, secrets=secrets),
                "subject": item.subject,
                "address_raw": item.address,
                "commune_code": item.place.commune_code,
                "hamlet": item.place.hamlet,
                "lat": item.place.lat,
                "lon": item.place.lon,
                "precision": item.place.precision,
                "candidates": list(item.place.candidates),
                "deliver_by": item.deliver_by,
                "wanted_from": item.window and item.window[0],
                "wanted_to": item.window and item.window[1],
                "priority": item.priority,
                "note": item.note,
                "search_text": fold(f"{item.barcode} {item.dossier_code} {item.phone or ''} {item.name}"),
                "link_digest": links.digest(links.token_for(secrets, item_id, 1)),
                "link_generation": 1,
                "created_at": at,
            }
            for item in new
        ],
    )
    return by_row


def _charges(
    session: Session, new: Sequence[NewItem], by_row: Mapping[int, UUID], *, caller: Caller, at: datetime
) -> None:
    rows: list[dict[str, Any]] = []
    due: list[tuple[NewItem, list[Charge]]] = []
    for item in new:
        charges = [Charge(uuid7(), charge.kind, charge.payee, charge.amount_dong) for charge in item.charges]
        due.append((item, charges))
        rows += [
            {
                "id": charge.id,
                "item_id": by_row[item.row],
                "kind": charge.kind.value,
                "payee": charge.payee,
                "amount_dong": charge.amount_dong,
                "amount_verified": asked.verified,
            }
            for charge, asked in zip(charges, item.charges, strict=True)
        ]
    if rows:
        session.execute(insert(ItemCharge), rows)
    fresh = [
        ledger.Fresh(
            posting=posting,
            key=f"accepted:{by_row[item.row]}",
            office_id=item.office_id,
            item_id=by_row[item.row],
            by=caller.id,
        )
        for item, charges in due
        if (posting := due_accepted(by_row[item.row], charges, local_day(at))) is not None
    ]
    ledger.post_fresh(session, fresh, at=at)


def _receipts(
    session: Session,
    batch_id: UUID,
    new: Sequence[NewItem],
    by_row: Mapping[int, UUID],
    *,
    caller: Caller,
    at: datetime,
) -> None:
    """The list comes with the bag: importing it is the office's receipt for every item in it."""
    receipts = [(uuid7(), item) for item in new]
    session.execute(
        insert(ItemEvent),
        [
            {
                "id": event_id,
                "type": EventType.RECEIVED.value,
                "actor_id": caller.id,
                "actor_role": caller.role.value,
                "office_id": item.office_id,
                "occurred_at": at,
                "claimed_at": at,
                "received_at": at,
                "clock_trusted": True,
                "data": {"batch": str(batch_id), "row": item.row},
                "payload_hash": "",
                "result": "applied",
            }
            for event_id, item in receipts
        ],
    )
    session.execute(
        insert(EventOfItem), [{"event_id": event_id, "item_id": by_row[item.row]} for event_id, item in receipts]
    )
    webhooks.enter(
        session,
        [
            Notice(
                type="item.received",
                agency_id=item.agency_id,
                item_id=by_row[item.row],
                dossier_code=item.dossier_code,
                barcode=item.barcode,
                direction=Direction.RESULT.value,
                state=State.RECEIVED.value,
                attempts=0,
                occurred_at=at,
                event_id=event_id,
            )
            for event_id, item in receipts
        ],
        at=at,
    )


# ------------------------------------------------------------------------------------------------ looking back
def _batches_of(caller: Caller) -> Select[ImportBatch]:
    query = select(ImportBatch)
    if caller.role is Role.ADMIN:
        return query
    if caller.role is Role.AGENCY:
        return query.join(Staff, Staff.id == ImportBatch.imported_by).where(Staff.agency_id == caller.agency_id)
    return query.where(ImportBatch.office_id == caller.office_id)


def batches(session: Session, caller: Caller, *, limit: int, after: UUID | None = None) -> list[ImportBatch]:
    """The caller's batches, newest first (their ids carry the time), from the one after `after`."""
    query = _batches_of(caller)
    if after is not None:
        query = query.where(ImportBatch.id < after)
    return list(session.scalars(query.order_by(ImportBatch.id.desc()).limit(limit)))


def batch(session: Session, caller: Caller, batch_id: UUID) -> tuple[ImportBatch, list[ImportRow]]:
    """A batch of the caller's with the verdicts on its rows, in the sheet's order.

    Raises:
        Missing: there is none, or it is somebody else's.
    """
    found = session.scalars(_batches_of(caller).where(ImportBatch.id == batch_id)).one_or_none()
    if found is None:
        raise Missing("import", batch_id)
    rows = session.scalars(select(ImportRow).where(ImportRow.batch_id == batch_id).order_by(ImportRow.row))
    return found, list(rows)


# ------------------------------------------------------------------------------------------------ taking it back
def touched_since(session: Session, batch_id: UUID) -> list[str]:
    """The barcodes of a batch's items to which anything has happened since their receipt, wishes of citizens included."""
    happened = (
        select(EventOfItem.item_id)
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .where(EventOfItem.item_id == Item.id, ItemEvent.type != EventType.RECEIVED.value)
        .exists()
    )
    wished = select(ChangeRequest.id).where(ChangeRequest.item_id == Item.id).exists()
    told = select(ShiftEventOfItem.event_id).where(ShiftEventOfItem.item_id == Item.id).exists()
    query = select(Item.barcode).where(Item.batch_id == batch_id, happened | wished | told)
    return list(session.scalars(query.order_by(Item.barcode)))


def take_back(session: Session, batch: ImportBatch, *, caller: Caller, at: datetime, bylaws: Bylaws) -> None:
    """Cancel every item of a batch and free its barcode: the item that stays behind keeps it with a mark."""
    ids = list(session.scalars(select(Item.id).where(Item.batch_id == batch.id).order_by(Item.id)))
    for some in portions(ids):
        data = {"batch": str(batch.id), "undone": True}
        items.record_intent(session, EventType.CANCELLED, some, caller=caller, at=at, bylaws=bylaws, data=data)
    session.flush()
    for row in session.scalars(select(Item).where(Item.batch_id == batch.id)):
        row.barcode = f"{row.barcode}~{str(row.id)[-8:]}"
    batch.undone_at, batch.undone_by = at, caller.id
    session.add(
        AuditEntry(
            id=uuid7(),
            at=at,
            actor_id=caller.id,
            actor_role=caller.role.value,
            act="import undone",
            thing=f"import:{batch.id}",
            detail={"items": len(ids)},
        )
    )
    session.flush()
