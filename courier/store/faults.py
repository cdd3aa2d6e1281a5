"""What only the fault campaign asks of the database: to be empty, to be filled at once, and to be read from end to end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, func, insert, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.calendar import local_day
from courier.domain.item import Direction, EventType, State, first_state
from courier.domain.money import Charge, ChargeKind, Dong, due_accepted
from courier.domain.people import Caller
from courier.settings import Secrets
from courier.store import ledger, links
from courier.store.condition import has_tables, is_ours
from courier.store.session import Database
from courier.store.tables import (
    Agency,
    ChangeRequest,
    CitedMedia,
    Device,
    Dossier,
    EventOfItem,
    Incident,
    Item,
    ItemCharge,
    ItemEvent,
    LedgerTx,
    Media,
    QuarantinedEvent,
    ShiftEvent,
    ShiftEventOfItem,
    SpokenWish,
    Table,
)

_AT_ONCE: Final = 500
BREAKDOWN: Final = "broke-down"
_KINDS: Final = {"post": ChargeKind.POSTAGE, "treasury": ChargeKind.FINE}


def is_empty(database: Database) -> bool:
    """True for a database without a single row of anybody's: new, or migrated and never used."""
    if not has_tables(database):
        return True
    if not is_ours(database):
        return False
    with database.read() as session:
        return not any(session.scalar(select(exists(select(table)))) for table in Table.metadata.sorted_tables)


def agency_id(session: Session, code: str) -> UUID:
    """The id of an agency that was entered."""
    return session.scalars(select(Agency.id).where(Agency.code == code)).one()


@dataclass(frozen=True, slots=True)
class NewThing:
    """An item to begin with; `charges` are (id, payee, dong)."""

    id: UUID
    direction: Direction
    charges: tuple[tuple[UUID, str, int], ...]


def enter(
    session: Session,
    things: Sequence[NewThing],
    *,
    document_type: str,
    agency_id: UUID,
    clerk: Caller,
    commune: str,
    secrets: Secrets,
    at: datetime,
) -> None:
    """Accept items with ids of one's own, with what is due for them; results are received by the office."""
    office_id = clerk.office_id
    if office_id is None:
        raise ValueError(f"{clerk.name} belongs to no office")
    for start in range(0, len(things), _AT_ONCE):
        some = things[start : start + _AT_ONCE]
        dossiers = {thing.id: uuid7() for thing in some}
        session.execute(
            insert(Dossier),
            [
                {"id": dossiers[t.id], "agency_id": agency_id, "code": f"THU-{t.id}", "code_key": f"thu{t.id.hex}"}
                for t in some
            ],
        )
        session.execute(
            insert(Item),
            [
                {
                    "id": thing.id,
                    "barcode": f"TL{thing.id.hex.upper()}VN",
                    "dossier_id": dossiers[thing.id],
                    "agency_id": agency_id,
                    "office_id": office_id,
                    "document_type": document_type,
                    "direction": thing.direction.value,
                    "state": _first(thing).value,
                    "custody": "office" if thing.direction is Direction.RESULT else "recipient",
                    "recipient_name": "Nguyễn Văn Mẫu",
                    "recipient_phone": "0599000001",
                    "address_raw": "Ấp 11, xã Khánh An",
                    "commune_code": commune,
                    "search_text": "",
                    "link_digest": links.digest(links.token_for(secrets, thing.id, 1)),
                    "created_at": at,
                }
                for thing in some
            ],
        )
        _receive(session, [t.id for t in some if t.direction is Direction.RESULT], clerk, office_id, at=at)
        _charge(session, some, office_id, at=at)


def _first(thing: NewThing) -> State:
    return State.RECEIVED if thing.direction is Direction.RESULT else first_state(thing.direction)


def _receive(session: Session, item_ids: Sequence[UUID], clerk: Caller, office_id: UUID, *, at: datetime) -> None:
    if not item_ids:
        return
    receipts = {item_id: uuid7() for item_id in item_ids}
    session.execute(
        insert(ItemEvent),
        [
            {
                "id": event_id,
                "type": EventType.RECEIVED.value,
                "actor_id": clerk.id,
                "actor_role": clerk.role.value,
                "office_id": office_id,
                "occurred_at": at,
                "claimed_at": at,
                "received_at": at,
                "clock_trusted": True,
                "data": {},
                "payload_hash": "",
                "result": "applied",
            }
            for event_id in receipts.values()
        ],
    )
    session.execute(
        insert(EventOfItem), [{"event_id": event_id, "item_id": item_id} for item_id, event_id in receipts.items()]
    )


def _charge(session: Session, things: Sequence[NewThing], office_id: UUID, *, at: datetime) -> None:
    due = {
        thing.id: [
            Charge(charge_id, _KINDS.get(payee, ChargeKind.STATE_FEE), payee, Dong(dong))
            for charge_id, payee, dong in thing.charges
        ]
        for thing in things
    }
    rows = [
        {
            "id": charge.id,
            "item_id": item_id,
            "kind": charge.kind.value,
            "payee": charge.payee,
            "amount_dong": charge.amount_dong,
        }
        for item_id, charges in due.items()
        for charge in charges
    ]
    if rows:
        session.execute(insert(ItemCharge), rows)
    fresh = [
        ledger.Fresh(posting=posting, key=f"accepted:{item_id}", office_id=office_id, item_id=item_id, by=None)
        for item_id, charges in due.items()
        if (posting := due_accepted(item_id, charges, local_day(at))) is not None
    ]
    ledger.post_fresh(session, fresh, at=at)


# --------------------------------------------------------------------------------------------- while it is running
def somebody_writes(database: Database) -> bool:
    """True when a transaction of somebody else has something to commit at this moment."""
    if not database.is_sqlite:
        with database.glance_engine.connect() as connection:
            asked = text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL"
            )
            return bool(connection.scalar(asked))
    try:
        with database.glance_engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError:
                return True
            connection.exec_driver_sql("ROLLBACK")
            return False
    finally:
        # Nobody but the server may have the file open when it is killed: what it leaves is for its next life to mend.
        database.close()


def others_connected(database: Database) -> int:
    """How many connections of others PostgreSQL still serves: a killed program's last statement may be running."""
    with database.glance_engine.connect() as connection:
        asked = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        return int(connection.scalar(asked) or 0)


def which_are_stored(session: Session, event_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the ids that are in the books, as acts or as what was told of the way."""
    wanted = list(event_ids)
    found: set[UUID] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        for table in (ItemEvent, ShiftEvent):
            found |= set(session.scalars(select(table.id).where(table.id.in_(some))))
    return found


# ------------------------------------------------------------------------------------------------------ at the end
@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A phone's event as it is kept."""

    id: UUID
    type: str
    actor_id: UUID | None
    device_id: UUID | None
    device_seq: int | None
    occurred_at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KeptItem:
    """What follows from an item's events, as it is kept."""

    id: UUID
    state: str
    custody: str
    holder: UUID | None
    attempts: int
    held_until: date | None
    not_before: date | None
    point: tuple[float, float] | None


def kept_events(session: Session) -> Iterator[KeptEvent]:
    """Everything that phones told."""
    for table in (ItemEvent, ShiftEvent):
        rows = session.execute(
            select(
                table.id,
                table.type,
                table.actor_id,
                table.device_id,
                table.device_seq,
                table.occurred_at,
                table.data,
            ).where(table.device_id.is_not(None))
        )
        for row in rows:
            yield KeptEvent(*row)


def kept_about(session: Session) -> dict[UUID, set[UUID]]:
    """Which items each event is tied to."""
    found: dict[UUID, set[UUID]] = {}
    for table in (EventOfItem, ShiftEventOfItem):
        for event_id, item_id in session.execute(select(table.event_id, table.item_id)):
            found.setdefault(event_id, set()).add(item_id)
    return found


def kept_items(session: Session) -> Iterator[KeptItem]:
    """Every item."""
    rows = session.execute(
        select(
            Item.id,
            Item.state,
            Item.custody,
            Item.custody_holder,
            Item.attempts,
            Item.held_until,
            Item.not_before,
            Item.lat,
            Item.lon,
            Item.precision,
        )
    )
    for row in rows:
        at_the_door = row.lat is not None and row.lon is not None and row.precision == "doorstep"
        yield KeptItem(*row[:7], point=(row.lat, row.lon) if at_the_door else None)


def open_incidents(session: Session) -> tuple[Counter[tuple[UUID | None, UUID | None, str]], Counter[UUID | None]]:
    """The open incidents of acts as (event, item, code), and how many breakdowns each postman reported."""
    rows = session.execute(
        select(Incident.event_id, Incident.item_id, Incident.code, Incident.postman_id).where(
            Incident.closed_at.is_(None)
        )
    ).all()
    return (
        Counter((event_id, item_id, code) for event_id, item_id, code, _ in rows if code != BREAKDOWN),
        Counter(postman_id for *_, code, postman_id in rows if code == BREAKDOWN),
    )


def spoken_wishes(session: Session) -> tuple[Counter[tuple[UUID | None, UUID, str]], Counter[UUID]]:
    """What was heard at doors as (event, item, kind), and by how many requests each change request of a wish is named."""
    rows = session.execute(
        select(SpokenWish.event_id, SpokenWish.item_id, SpokenWish.kind, SpokenWish.request_id)
    ).all()
    return (
        Counter((event_id, item_id, kind) for event_id, item_id, kind, _ in rows),
        Counter(request_id for *_, request_id in rows if request_id is not None),
    )


def granted_wishes(session: Session) -> dict[UUID, tuple[UUID, str]]:
    """By the office's own event that granted what was heard at a door: its item and type."""
    rows = session.execute(
        select(ItemEvent.id, ChangeRequest.item_id, ItemEvent.type)
        .join(ChangeRequest, ChangeRequest.event_id == ItemEvent.id)
        .join(SpokenWish, SpokenWish.request_id == ChangeRequest.id)
    )
    return {event_id: (item_id, kind) for event_id, item_id, kind in rows}


def posted_twice(session: Session) -> list[tuple[UUID | None, UUID | None]]:
    """Events whose money for an item stands in the ledger more than once."""
    reversal = select(LedgerTx.reverses).where(LedgerTx.reverses.is_not(None))
    rows = session.execute(
        select(LedgerTx.event_id, LedgerTx.item_id)
        .where(LedgerTx.event_id.is_not(None), LedgerTx.reverses.is_(None), LedgerTx.id.not_in(reversal))
        .group_by(LedgerTx.event_id, LedgerTx.item_id)
        .having(func.count() > 1)
    )
    return [(event_id, item_id) for event_id, item_id in rows]


def set_aside(session: Session) -> Counter[tuple[UUID, str, str]]:
    """What was set aside as (device, event id as sent, code)."""
    rows = session.execute(select(QuarantinedEvent.device_id, QuarantinedEvent.event_id, QuarantinedEvent.code))
    return Counter((device_id, event_id, code) for device_id, event_id, code in rows)


def acknowledged(session: Session) -> dict[UUID, int]:
    """Up to which number each phone may forget."""
    return dict(session.execute(select(Device.id, Device.ack_through)).all())


def pictures(session: Session) -> tuple[set[str], set[str]]:
    """The digests that have arrived, and those that acts name."""
    return set(session.scalars(select(Media.sha256))), set(session.scalars(select(CitedMedia.sha256)))
