"""The open book: what some events are about, read in a few statements, kept in step in memory, and written at once.

One event changes what the next one finds: who handed an item over no longer carries it. So the book holds what the database would
hold after each event, and whoever goes through a whole upload asks the database nothing in between. New rows reach it with
`write` only; whoever gives a book up before that rolls its transaction, or its savepoint, back.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from courier.domain.errors import Missing
from courier.domain.item import Event, EventType
from courier.domain.money import Charge, ChargeKind, Dong, Posting, cash_account
from courier.domain.people import Role
from courier.domain.webhooks import Notice
from courier.store import ledger, webhooks
from courier.store.tables import (
    Agency,
    CitedMedia,
    EventOfItem,
    Incident,
    Item,
    ItemCharge,
    ItemEvent,
    Remittance,
    ShiftEvent,
    ShiftEventOfItem,
    SpokenWish,
    Staff,
    Table,
    plain,
)

MONEY_EVENTS: Final = (EventType.HANDED_OVER, EventType.FETCHED, EventType.PICKED_UP)
# Databases take only so many parameters in one statement.
_AT_ONCE: Final = 1000
# In the order in which rows refer to each other.
_WRITTEN: Final = (ItemEvent, EventOfItem, ShiftEvent, ShiftEventOfItem, SpokenWish, CitedMedia)


def in_parts(ids: Collection[UUID]) -> Iterator[list[UUID]]:
    """The ids in order, as many at once as a statement takes."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]


# -------------------------------------------------------------------------------------------------------- reading
def events_of(session: Session, item_ids: Iterable[UUID]) -> dict[UUID, list[Event]]:
    """The set of events of each item."""
    found: dict[UUID, list[Event]] = {item_id: [] for item_id in item_ids}
    links: list[tuple[UUID, UUID]] = []
    for part in in_parts(found):
        of_items = select(EventOfItem.event_id, EventOfItem.item_id).where(EventOfItem.item_id.in_(part))
        links += [(event_id, item_id) for event_id, item_id in session.execute(of_items)]
    # One act can be about a whole bag: its data is read once.
    known: dict[UUID, Event] = {}
    for part in in_parts({event_id for event_id, _ in links}):
        rows = session.execute(
            select(
                ItemEvent.id,
                ItemEvent.type,
                ItemEvent.occurred_at,
                ItemEvent.received_at,
                ItemEvent.actor_id,
                ItemEvent.data,
                ItemEvent.actor_role,
            ).where(ItemEvent.id.in_(part))
        )
        for event_id, kind, occurred_at, received_at, actor, data, role in rows:
            known[event_id] = Event(event_id, EventType(kind), occurred_at, received_at, actor, data, Role(role))
    for event_id, item_id in links:
        found[item_id].append(known[event_id])
    return found


def charges_of(session: Session, item_ids: Iterable[UUID]) -> dict[UUID, list[Charge]]:
    """What is to be taken at the door for each item, in a stable order: what was paid before the visit is not."""
    found: dict[UUID, list[Charge]] = {item_id: [] for item_id in item_ids}
    for part in in_parts(found):
        rows = session.execute(
            select(
                ItemCharge.item_id,
                ItemCharge.id,
                ItemCharge.kind,
                ItemCharge.payee,
                ItemCharge.amount_dong - ItemCharge.prepaid_dong,
            )
            .where(ItemCharge.item_id.in_(part))
            .order_by(ItemCharge.kind, ItemCharge.id)
        )
        for item_id, charge_id, kind, payee, amount in rows:
            found[item_id].append(Charge(charge_id, ChargeKind(kind), payee, Dong(amount)))
    return found


def lock(session: Session, item_ids: Iterable[UUID]) -> list[Item]:
    """Load items for a change, locked in one order so that two writers cannot wait for each other.

    Raises:
        Missing: one of the ids is no item.
    """
    wanted = sorted(set(item_ids))
    rows = _locked(session, wanted)
    if len(rows) != len(wanted):
        known = {row.id for row in rows}
        raise Missing("item", next(item_id for item_id in wanted if item_id not in known))
    return rows


def _locked(session: Session, item_ids: Collection[UUID]) -> list[Item]:
    rows: list[Item] = []
    for part in in_parts(item_ids):
        rows += session.scalars(
            select(Item)
            .where(Item.id.in_(part))
            .order_by(Item.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    return rows


def hold(session: Session, item_ids: Iterable[UUID]) -> None:
    """Lock the items among these ids that exist, in the order in which `lock` would, until the transaction ends."""
    if session.get_bind().dialect.name == "sqlite":
        return  # one writer at a time
    for part in in_parts(set(item_ids)):
        session.execute(select(Item.id).where(Item.id.in_(part)).order_by(Item.id).with_for_update())


# ----------------------------------------------------------------------------------------------------------- book
Lines = list[tuple[str, int, UUID | None]]


class Book:
    """Items with their events, charges, postings and incidents, as they are and as the events gone through make them.

    Everything written through one book is stamped `at`.
    """

    def __init__(self, session: Session, *, at: datetime) -> None:
        self.session = session
        self.at = at
        self.rows: dict[UUID, Item] = {}
        self.events: dict[UUID, list[Event]] = {}
        self.charges: dict[UUID, list[Charge]] = {}
        self.incidents: dict[UUID, dict[tuple[UUID, str], Incident]] = {}
        self.opened: list[Incident] = []
        self.shown: set[UUID] = set()
        """Items whose daily lists change."""
        self.pins: dict[UUID, list[tuple[datetime, UUID, Mapping[str, Any]]]] = {}
        """Where postmen say that an item's door is: (when, event, place), once somebody asked."""
        self.moved: dict[UUID, datetime] = {}
        """When a citizen last asked for another address."""
        self.notices: list[Notice] = []
        """What agencies are told."""
        self._asked: set[UUID] = set()
        self._agencies: dict[UUID, str] = {}
        self._items_of: dict[UUID, set[UUID]] = {}
        self._charge_ids: dict[UUID, set[UUID]] = {}
        self._posted: dict[UUID, list[ledger.Posted]] = {}
        self._lines: dict[UUID, Lines] = {}
        self._owed: dict[UUID, dict[UUID, Dong]] = {}
        self._closed: dict[tuple[UUID, date], bool] = {}
        self._new: dict[type[Table], list[dict[str, Any]]] = {table: [] for table in _WRITTEN}
        self._postings: list[ledger.Fresh] = []

    def open(self, item_ids: Iterable[UUID]) -> None:
        """Read, and lock, the items among these ids that exist, with everything that follows from their events."""
        asked = {item_id for item_id in item_ids if item_id not in self._asked}
        if not asked:
            return
        self._asked |= asked
        rows = _locked(self.session, asked)
        here = [row.id for row in rows]
        self.rows |= {row.id: row for row in rows}
        self.events |= events_of(self.session, here)
        self.charges |= charges_of(self.session, here)
        self._read_agencies({row.agency_id for row in rows})
        self._read_ledger(here)
        self._read_incidents(here)
        self._read_strays(here)

    def take(self, item_ids: Iterable[UUID]) -> list[Item]:
        """Items by their ids, in the order of the ids.

        Raises:
            Missing: one of the ids is no item.
        """
        wanted = sorted(set(item_ids))
        self.open(wanted)
        missing = next((item_id for item_id in wanted if item_id not in self.rows), None)
        if missing is not None:
            raise Missing("item", missing)
        return [self.rows[item_id] for item_id in wanted]

    def _read_agencies(self, agency_ids: set[UUID]) -> None:
        for part in in_parts(agency_ids - self._agencies.keys()):
            named = select(Agency.id, Agency.code).where(Agency.id.in_(part))
            self._agencies |= dict(self.session.execute(named).all())

    def _read_ledger(self, item_ids: Collection[UUID]) -> None:
        self._posted |= {item_id: [] for item_id in item_ids}
        for part in in_parts(item_ids):
            for item_id, posted in ledger.about(self.session, part):
                self._posted[item_id].append(posted)
            self._owed |= ledger.owed(self.session, part)

    def _read_incidents(self, item_ids: Collection[UUID]) -> None:
        self.incidents |= {item_id: {} for item_id in item_ids}
        for part in in_parts(item_ids):
            known = select(Incident).where(Incident.item_id.in_(part), Incident.event_id.is_not(None))
            for incident in self.session.scalars(known.execution_options(populate_existing=True)):
                if incident.item_id is not None and incident.event_id is not None:
                    self.incidents[incident.item_id][incident.event_id, incident.code] = incident

    def _read_strays(self, item_ids: Collection[UUID]) -> None:
        """What acts are about that took money for charges of other items, too."""
        shared: set[UUID] = set()
        for item_id in item_ids:
            own = {str(charge.id) for charge in self.charges[item_id]}
            shared |= {
                event.event_id
                for event in self.events[item_id]
                if event.type in MONEY_EVENTS
                and any(line["charge"] not in own for line in event.data.get("collections", ()))
            }
        self._read_items_of(shared)
        self._read_charge_ids({item_id for event_id in shared for item_id in self._items_of[event_id]})

    def _read_items_of(self, event_ids: Iterable[UUID]) -> None:
        unknown = {event_id for event_id in event_ids if event_id not in self._items_of}
        self._items_of |= {event_id: set() for event_id in unknown}
        for part in in_parts(unknown):
            links = select(EventOfItem.event_id, EventOfItem.item_id).where(EventOfItem.event_id.in_(part))
            for event_id, item_id in self.session.execute(links):
                self._items_of[event_id].add(item_id)

    def _read_charge_ids(self, item_ids: Iterable[UUID]) -> None:
        elsewhere = {item_id for item_id in item_ids if item_id not in self.charges and item_id not in self._charge_ids}
        self._charge_ids |= {item_id: set() for item_id in elsewhere}
        for part in in_parts(elsewhere):
            rows = select(ItemCharge.item_id, ItemCharge.id).where(ItemCharge.item_id.in_(part))
            for item_id, charge_id in self.session.execute(rows):
                self._charge_ids[item_id].add(charge_id)

    # ------------------------------------------------------------------------------------------------- questions
    def agency(self, row: Item) -> str:
        """The code of the agency that an item comes from."""
        return self._agencies[row.agency_id]

    def look_up(self, event_ids: Iterable[UUID]) -> None:
        """Read at once what `items_of` will be asked."""
        self._read_items_of(event_ids)

    def items_of(self, event_id: UUID) -> set[UUID]:
        """The items that an event is about; empty for one that never came."""
        if event_id not in self._items_of:
            self._read_items_of([event_id])
        return self._items_of[event_id]

    def charges_about(self, event_id: UUID) -> set[UUID]:
        """The charges of all items that an event is about."""
        about = self.items_of(event_id)
        self._read_charge_ids(about)
        found: set[UUID] = set()
        for item_id in about:
            own = self.charges.get(item_id)
            found |= self._charge_ids[item_id] if own is None else {charge.id for charge in own}
        return found

    def owed(self, item_id: UUID) -> dict[UUID, Dong]:
        """What is still owed on each charge of an item."""
        return dict(self._owed[item_id])

    def standing(self, item_id: UUID, *, event_id: UUID) -> ledger.Posted | None:
        """The posting of an event for an item that has not been reversed."""
        return self._not_reversed(item_id, [p for p in self._posted[item_id] if p.event_id == event_id])

    def dropped(self, item_id: UUID) -> ledger.Posted | None:
        """The posting that let an item's charges drop, unless the debt was brought back."""
        return self._not_reversed(item_id, [p for p in self._posted[item_id] if p.kind == ledger.DROPPED])

    def _not_reversed(self, item_id: UUID, postings: Sequence[ledger.Posted]) -> ledger.Posted | None:
        taken_back = {posted.reverses for posted in self._posted[item_id]}
        found = [p for p in postings if p.reverses is None and p.id not in taken_back]
        if len(found) > 1:
            raise RuntimeError(f"item {item_id}: one posting can stand, found {[posted.id for posted in found]}")
        return found[0] if found else None

    def times_posted(self, item_id: UUID, *, event_id: UUID) -> int:
        """How often an event was posted for an item, reversed or not."""
        return sum(p.event_id == event_id and p.reverses is None for p in self._posted[item_id])

    def times_dropped(self, item_id: UUID) -> int:
        """How often an item's charges were let drop, brought back or not."""
        return sum(posted.kind == ledger.DROPPED for posted in self._posted[item_id])

    def lines_of(self, posted: ledger.Posted) -> Lines:
        """The lines of a posting as (account, amount, charge)."""
        if posted.id not in self._lines:
            self._lines[posted.id] = ledger.lines_of(self.session, posted.id)
        return self._lines[posted.id]

    def waiting(self, account: str, item_id: UUID, *, event_id: UUID) -> dict[UUID | None, int]:
        """What an event's postings and reversals for an item have left on the credit side of an account, by charge."""
        sums: dict[UUID | None, int] = {}
        for posted in self._posted[item_id]:
            if posted.event_id == event_id:
                for where, amount, charge_id in self.lines_of(posted):
                    if where == account:
                        sums[charge_id] = sums.get(charge_id, 0) + amount
        return {charge_id: -total for charge_id, total in sums.items() if total < 0}

    # --------------------------------------------------------------------------------------------------- pockets
    def pockets(self) -> set[tuple[UUID, date]]:
        """Whose money was taken for the items, on which days: a reversal would go back into these pockets."""
        return {
            (posted.by, posted.day)
            for postings in self._posted.values()
            for posted in postings
            if posted.by is not None and posted.event_id is not None
        }

    def reserve(self, pockets: Iterable[tuple[UUID, date]]) -> None:
        """Hold pockets, in one order, until the transaction ends: nobody closes their days meanwhile."""
        wanted = sorted({pocket for pocket in pockets if pocket not in self._closed})
        if not wanted:
            return
        people = {postman_id for postman_id, _ in wanted}
        if self.session.get_bind().dialect.name == "postgresql":
            # The cashier who closes a day locks the postman first and his pocket then; rows that name him come later here.
            bearers = select(Staff.id).where(Staff.id.in_(people)).order_by(Staff.id)
            self.session.execute(bearers.with_for_update(read=True, key_share=True))
            for postman_id, day in wanted:
                ledger.hold(self.session, cash_account(postman_id, day))
        days = {day for _, day in wanted}
        closings = select(Remittance.postman_id, Remittance.day).where(
            Remittance.postman_id.in_(people), Remittance.day.in_(days)
        )
        closed = {(postman_id, day) for postman_id, day in self.session.execute(closings)}
        self._closed |= {pocket: pocket in closed for pocket in wanted}

    def is_closed(self, postman_id: UUID, day: date) -> bool:
        """True when the money of that day was handed in; the pocket is held from here on."""
        self.reserve([(postman_id, day)])
        return self._closed[postman_id, day]

    # --------------------------------------------------------------------------------------------------- writing
    def add(self, table: type[Table], *rows: Mapping[str, Any]) -> None:
        """Rows to be written, each with a value for every column."""
        self._new[table] += map(dict, rows)

    def enter(self, event: Mapping[str, Any], item_ids: Iterable[UUID]) -> None:
        """An event to be written, and the items that it is about."""
        event_id: UUID = event["id"]
        self.add(ItemEvent, event)
        self._items_of[event_id] = set()
        for item_id in item_ids:
            self.tie(event_id, item_id)

    def tie(self, event_id: UUID, item_id: UUID) -> None:
        """An event is about an item, too."""
        self.items_of(event_id).add(item_id)
        self.add(EventOfItem, {"event_id": event_id, "item_id": item_id})

    def post(
        self,
        row: Item,
        posting: Posting,
        *,
        key: str,
        by: UUID | None = None,
        event_id: UUID | None = None,
        reverses: UUID | None = None,
    ) -> None:
        """Put a balanced posting about an item on the ledger."""
        fresh = ledger.Fresh(
            posting=posting,
            key=key,
            office_id=row.office_id,
            item_id=row.id,
            by=by,
            event_id=event_id,
            reverses=reverses,
        )
        self._postings.append(fresh)
        self._posted[row.id].append(ledger.Posted(fresh.id, posting.kind, posting.day, event_id, reverses, by))
        self._lines[fresh.id] = [(line.account, line.amount_dong, line.charge_id) for line in posting.lines]
        owed = self._owed[row.id]
        for line in posting.lines:
            if line.account == f"receivable:{row.id}" and line.charge_id is not None:
                owed[line.charge_id] = Dong(owed.get(line.charge_id, Dong(0)) + line.amount_dong)

    def open_incident(self, item_id: UUID, incident: Incident) -> None:
        """Write an incident that follows from an event of an item."""
        if incident.event_id is None:
            raise ValueError("an incident of an item names its event")
        self.incidents[item_id][incident.event_id, incident.code] = incident
        self.opened.append(incident)

    def write(self) -> None:
        """Write everything; from here on the database is the book.

        Raises:
            sqlalchemy.exc.DatabaseError: the database refused something; the transaction, or the savepoint, is lost.
        """
        for table in _WRITTEN:
            if self._new[table]:
                self.session.execute(insert(plain(table)), self._new[table])
                self._new[table] = []
        ledger.post_fresh(self.session, self._postings, at=self.at)
        self._postings = []
        webhooks.enter(self.session, self.notices, at=self.at)
        self.notices = []
        self.session.add_all(self.opened)
        self.opened = []
        self.session.flush()
