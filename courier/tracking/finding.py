"""Where is the paper: items as staff search them, with what lists and pages show of each."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.domain.errors import Missing
from courier.domain.item import State
from courier.domain.people import Caller, Role
from courier.domain.text import fold
from courier.store import devices, ledger, links, shifts
from courier.store.shifts import Note
from courier.store.tables import (
    Agency,
    Dossier,
    EventOfItem,
    Item,
    ItemCharge,
    ItemEvent,
    Plan,
    Route,
    Stop,
    StopItem,
)

# Ids in one statement.
_AT_ONCE = 500
_WAITING = (State.ANNOUNCED, State.RECEIVED, State.PLANNED, State.HELD, State.REQUESTED)


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item with what lists and pages show of it."""

    row: Item
    dossier_code: str
    agency_code: str
    charges: tuple[ItemCharge, ...]
    due_dong: int
    tracking_url: str


def find_items(
    desk: Desk,
    caller: Caller,
    *,
    q: str = "",
    state: str | None = None,
    doubtful: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> list[ItemView]:
    """Items the caller may see, newest first; `q` finds barcode, dossier code, phone and name, with or without diacritics.

    Costs the same number of queries for one row and for a page of them. Rows with the diacritics as typed come first.
    """
    query = _visible(select(Item), caller)
    words = fold(q).split()
    for word in words:
        query = query.where(Item.search_text.contains(word, autoescape=True))
    if words and caller.role is not Role.ADMIN:
        query = query.where(Item.restricted_at.is_(None))
    if state is not None:
        query = query.where(Item.state == state)
    if doubtful:
        query = query.where(Item.lat.is_(None), Item.state.in_(_WAITING))
    if after is not None:
        query = query.where(Item.id < after)
    with desk.database.read() as session:
        rows = list(session.scalars(query.order_by(Item.id.desc()).limit(limit)))
        if q and any(ord(letter) > 127 for letter in q):
            rows.sort(key=lambda row: q.casefold() not in row.recipient_name.casefold())
        return _views(session, desk, rows)


def get_item(desk: Desk, caller: Caller, item_id: UUID) -> ItemView:
    """One item.

    Raises:
        Missing: it is not there, or not for this caller.
    """
    with desk.database.read() as session:
        row = session.scalar(_visible(select(Item).where(Item.id == item_id), caller))
        if row is None:
            raise Missing("item", item_id)
        return _views(session, desk, [row])[0]


def get_items(desk: Desk, caller: Caller, item_ids: Collection[UUID]) -> dict[UUID, ItemView]:
    """Several items by id; those that are none of the caller's are left out. A few queries, however many items."""
    found: dict[UUID, ItemView] = {}
    wanted = sorted(set(item_ids))
    with desk.database.read() as session:
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            rows = list(session.scalars(_visible(select(Item).where(Item.id.in_(some)), caller)))
            found |= {view.row.id: view for view in _views(session, desk, rows)}
    return found


def history(desk: Desk, caller: Caller, item_id: UUID) -> list[ItemEvent]:
    """The events of an item in the order of the acts.

    Raises:
        Missing: the item is not there, or not for this caller.
    """
    with desk.database.read() as session:
        if session.scalar(_visible(select(Item.id).where(Item.id == item_id), caller)) is None:
            raise Missing("item", item_id)
        rows = session.scalars(
            select(ItemEvent)
            .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
            .where(EventOfItem.item_id == item_id)
            .order_by(ItemEvent.occurred_at, ItemEvent.id)
        )
        return list(rows)


def notes(desk: Desk, item_id: UUID) -> list[Note]:
    """What postmen noted at the item's door, the oldest first; for those who may see the item."""
    with desk.database.read() as session:
        return shifts.notes_of(session, [item_id])


def _visible(query: Select[Any], caller: Caller) -> Select[Any]:
    """Narrow a query over items to what the caller may see."""
    if caller.role is Role.ADMIN:
        return query
    if caller.role is Role.AGENCY:
        return query.where(Item.agency_id == caller.agency_id)
    if caller.role is Role.CLERK:
        # Also what people collect here while it belongs to another office.
        return query.where((Item.office_id == caller.office_id) | devices.comes_to(caller.office_id))
    query = query.where(Item.office_id == caller.office_id)
    if caller.role is Role.POSTMAN:
        routed = (
            select(StopItem.item_id)
            .join(Stop, Stop.id == StopItem.stop_id)
            .join(Route, Route.id == Stop.route_id)
            .join(Plan, and_(Plan.id == Route.plan_id, Plan.state.in_(("published", "superseded"))))
            .where(Route.postman_id == caller.id)
        )
        query = query.where(Item.id.in_(routed) | (Item.custody_holder == caller.id))
    return query


def _views(session: Session, desk: Desk, rows: list[Item]) -> list[ItemView]:
    ids = [row.id for row in rows]
    charges: dict[UUID, list[ItemCharge]] = {row_id: [] for row_id in ids}
    for charge in session.scalars(
        select(ItemCharge).where(ItemCharge.item_id.in_(ids)).order_by(ItemCharge.kind, ItemCharge.id)
    ):
        charges[charge.item_id].append(charge)
    codes = dict(
        session.execute(select(Dossier.id, Dossier.code).where(Dossier.id.in_({row.dossier_id for row in rows}))).all()
    )
    agencies = dict(
        session.execute(select(Agency.id, Agency.code).where(Agency.id.in_({row.agency_id for row in rows}))).all()
    )
    due = still_due(session, ids)
    return [
        ItemView(
            row,
            codes[row.dossier_id],
            agencies[row.agency_id],
            tuple(charges[row.id]),
            due.get(row.id, 0),
            link_of(desk, row),
        )
        for row in rows
    ]


def still_due(session: Session, ids: list[UUID]) -> dict[UUID, int]:
    """What is still to be paid for each item, in whole đồng; an item that owes nothing may be absent."""
    return {item_id: int(total) for item_id, total in ledger.receivables(session, ids).items()}


def link_of(desk: Desk, row: Item) -> str:
    """The citizen's link to an item."""
    token = links.token_for(desk.settings.secrets, row.id, row.link_generation)
    return f"{desk.settings.base_url}/t/{token}"
