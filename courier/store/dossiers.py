"""What the books say of an agency's items: their events, their charges and every line of the ledger about them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from courier.domain.calendar import at_local
from courier.store.book import charges_of, events_of, in_parts
from courier.store.tables import (
    Agency,
    Dossier,
    EventOfItem,
    Item,
    ItemEvent,
    LedgerEntry,
    LedgerTx,
    Remittance,
)

__all__ = [
    "Line",
    "Sent",
    "agency_exists",
    "charges_of",
    "closed_days",
    "events_of",
    "handed_over",
    "lines_of",
    "touched",
]


class Sent(NamedTuple):
    """An item that an agency handed over."""

    id: UUID
    barcode: str
    dossier_code: str
    direction: str
    state: str
    deliver_by: date | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ledger about an item; `day` is the day of business of its posting."""

    tx_id: UUID
    kind: str
    day: date
    account: str
    amount_dong: int
    charge_id: UUID | None


_SENT = select(Item.id, Item.barcode, Dossier.code, Item.direction, Item.state, Item.deliver_by, Item.created_at).join(
    Dossier, Dossier.id == Item.dossier_id
)


def agency_exists(session: Session, agency_id: UUID) -> bool:
    """True for an agency that we know."""
    return session.get(Agency, agency_id) is not None


def handed_over(
    session: Session, agency_id: UUID, first: date, last: date, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Sent]:
    """An agency's items that came in between two days, oldest first, after a place in that order."""
    query = _SENT.where(
        Item.agency_id == agency_id,
        Item.created_at >= at_local(first, 0),
        Item.created_at < at_local(last + timedelta(days=1), 0),
    )
    if after is not None:
        moment, item_id = after
        query = query.where((Item.created_at > moment) | ((Item.created_at == moment) & (Item.id > item_id)))
    rows = session.execute(query.order_by(Item.created_at, Item.id).limit(limit))
    return [Sent(*row) for row in rows]


def touched(session: Session, agency_id: UUID, first: date, last: date) -> list[Sent]:
    """An agency's items to which anything happened, or about which money was posted, between two days."""
    begins, ends = at_local(first, 0), at_local(last + timedelta(days=1), 0)
    happened = (
        select(EventOfItem.item_id)
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .join(Item, Item.id == EventOfItem.item_id)
        .where(Item.agency_id == agency_id, ItemEvent.occurred_at >= begins, ItemEvent.occurred_at < ends)
    )
    posted = (
        select(LedgerTx.item_id)
        .join(Item, Item.id == LedgerTx.item_id)
        .where(Item.agency_id == agency_id, LedgerTx.day.between(first, last))
    )
    rows = session.execute(_SENT.where(Item.id.in_(union(happened, posted).subquery().select())).order_by(Item.id))
    return [Sent(*row) for row in rows]


def lines_of(session: Session, item_ids: Collection[UUID]) -> dict[UUID, list[Line]]:
    """Every line of the ledger about each of the items."""
    found: dict[UUID, list[Line]] = {item_id: [] for item_id in item_ids}
    for part in in_parts(item_ids):
        rows = session.execute(
            select(
                LedgerTx.item_id,
                LedgerTx.id,
                LedgerTx.kind,
                LedgerTx.day,
                LedgerEntry.account,
                LedgerEntry.amount_dong,
                LedgerEntry.charge_id,
            )
            .join(LedgerEntry, LedgerEntry.tx_id == LedgerTx.id)
            .where(LedgerTx.item_id.in_(part))
        )
        for item_id, tx_id, kind, day, account, amount, charge_id in rows:
            if item_id is not None:
                found[item_id].append(Line(tx_id, kind, day, account, amount, charge_id))
    return found


def closed_days(session: Session, pockets: Iterable[tuple[UUID, date]]) -> set[tuple[UUID, date]]:
    """Which pockets (person, day) have been handed in."""
    wanted = set(pockets)
    closed: set[tuple[UUID, date]] = set()
    for part in in_parts({person for person, _ in wanted}):
        rows = session.execute(select(Remittance.postman_id, Remittance.day).where(Remittance.postman_id.in_(part)))
        closed |= {(person, day) for person, day in rows} & wanted
    return closed
