"""What became of a day or a month, counted by the database. What is counted and what a word means stands in docs/reports.md.

A period is from the first moment of its first day to the last of its last day, in Viet Nam. Every question is one statement over
indexed rows of the asked offices, whatever their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    FromClause,
    ScalarSelect,
    Text,
    and_,
    case,
    cast,
    distinct,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from courier.domain.calendar import at_local
from courier.domain.item import FINAL, Direction, Event, EventType, State, withdrawn
from courier.domain.people import Role
from courier.store.columns import Day
from courier.store.tables import (
    EventOfItem,
    Item,
    ItemCharge,
    ItemEvent,
    LedgerEntry,
    LedgerTx,
    Office,
    Plan,
    Remittance,
    Route,
    Staff,
    Stop,
)

AT_DOORS: Final = (EventType.HANDED_OVER, EventType.FETCHED, EventType.ATTEMPT_FAILED)
"""What a postman reports of a call at a door."""
TO_PEOPLE: Final = (EventType.HANDED_OVER, EventType.FETCHED, EventType.PICKED_UP)
"""What ends with the paper in the right hands, at a door or over the counter."""
ENDINGS: Final = {
    State.DELIVERED: EventType.HANDED_OVER,
    State.PICKED_UP: EventType.PICKED_UP,
    State.RETURNED: EventType.AGENCY_SIGNED,
    State.LODGED: EventType.AGENCY_SIGNED,
    State.CANCELLED: EventType.CANCELLED,
}
"""Which event ended the life of an item that is over."""
_ONCE: Final = (
    "MATERIALIZED"  # worked out once and read by every part of the statement, which SQLite would not do by itself
)
_NOT_TAKEN: Final = ("remittance", "bank confirmed")


class _DayOf(FunctionElement[date]):
    """The day in Viet Nam of a moment."""

    type = Day()
    inherit_cache = True


@compiles(_DayOf, "sqlite")
def _day_of_micros(element: Any, compiler: SQLCompiler, **more: Any) -> str:
    # Seven hours ahead of UTC all year since 1975.
    return f"date({compiler.process(element.clauses, **more)} / 1000000 + 25200, 'unixepoch')"


@compiles(_DayOf, "postgresql")
def _day_of_instant(element: Any, compiler: SQLCompiler, **more: Any) -> str:
    return f"CAST(timezone('Asia/Ho_Chi_Minh', {compiler.process(element.clauses, **more)}) AS DATE)"


class _TextIn(FunctionElement[str]):
    """A text member of a JSON column: (column, name)."""

    type = Text()
    inherit_cache = True


@compiles(_TextIn, "sqlite")
def _text_in_text(element: Any, compiler: SQLCompiler, **more: Any) -> str:
    column, name = element.clauses
    return f"json_extract({compiler.process(column, **more)}, '$.' || {compiler.process(name, **more)})"


@compiles(_TextIn, "postgresql")
def _text_in_json(element: Any, compiler: SQLCompiler, **more: Any) -> str:
    column, name = element.clauses
    return f"({compiler.process(column, **more)} ->> {compiler.process(name, **more)})"


class Tally(NamedTuple):
    """Attempts and what came of them; `items` are different ones, `first` and `first_done` count first attempts only."""

    attempts: int = 0
    done: int = 0
    failed: int = 0
    first: int = 0
    first_done: int = 0
    items: int = 0


class CashOf(NamedTuple):
    """Money that went into somebody's pocket of the period's days for a kind of charge and a payee, by method; whole dong."""

    staff_id: UUID
    name: str
    kind: str | None
    payee: str | None
    method: str
    taken_dong: int
    balance_dong: int


class HandedIn(NamedTuple):
    """A person's evenings of the period."""

    staff_id: UUID
    name: str
    days: int
    expected_dong: int
    counted_dong: int


class Due(NamedTuple):
    """What was due on the papers that reached the right hands."""

    kind: str
    payee: str
    due_dong: int


class Delivered(NamedTuple):
    """How many papers reached people, by the day the office had them, the day they got there, and their legal deadline's fate."""

    since: date
    on: date
    fate: str
    items: int


class StillOpen(NamedTuple):
    """How many items are open, by the day since which the office answers for them."""

    since: date
    items: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Period:
    """Days of some offices, with the acts that corrections have taken back: (event, item)."""

    offices: Sequence[UUID]
    first: date
    last: date
    taken_back: frozenset[tuple[UUID, UUID]]

    @property
    def begins(self) -> datetime:
        """The first moment."""
        return at_local(self.first, 0)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return at_local(self.last + timedelta(days=1), 0)


def period(session: Session, offices: Sequence[UUID], first: date, last: date) -> Period:
    """A period ready to be asked about.

    Which acts are taken back is decided by the rules of an item's life, for the few items that have a correction; everything
    else is counted where it lies.
    """
    corrected = aliased(ItemEvent)
    touched = (
        select(EventOfItem.item_id)
        .join(corrected, corrected.id == EventOfItem.event_id)
        .where(corrected.office_id.in_(offices), corrected.type == EventType.CORRECTED.value)
    )
    rows = session.execute(
        select(
            EventOfItem.item_id,
            ItemEvent.id,
            ItemEvent.type,
            ItemEvent.occurred_at,
            ItemEvent.received_at,
            ItemEvent.actor_id,
            ItemEvent.actor_role,
            ItemEvent.data,
        )
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .where(EventOfItem.item_id.in_(touched))
    )
    lives: dict[UUID, list[Event]] = {}
    for item_id, event_id, kind, occurred_at, received_at, actor, role, data in rows:
        event = Event(event_id, EventType(kind), occurred_at, received_at, actor, data, Role(role))
        lives.setdefault(item_id, []).append(event)
    taken_back = {(event_id, item_id) for item_id, events in lives.items() for event_id in withdrawn(events)}
    return Period(tuple(offices), first, last, frozenset(taken_back))


# --------------------------------------------------------------------------------------------------------- attempts
def attempts(session: Session, asked: Period) -> dict[str, dict[str, Tally]]:
    """Attempts of the period by axis and key.

    The axes are `total` (its key is empty), `day`, `commune`, `postman`, `office`, and `reason` for failed ones. A key is text:
    an ISO day, a code, an id.
    """
    found = _attempts(asked)
    axes: dict[str, ColumnElement[Any]] = {
        "total": literal(""),
        "day": cast(found.c.day, Text),
        "commune": found.c.commune_code,
        "postman": cast(found.c.actor_id, Text),
        "office": cast(found.c.office_id, Text),
    }
    done = case((found.c.type != EventType.ATTEMPT_FAILED.value, 1), else_=0)
    figures = (
        func.count(),
        func.sum(done),
        func.sum(1 - done),
        func.sum(found.c.is_first),
        func.sum(found.c.is_first * done),
        func.count(distinct(found.c.item_id)),
    )
    asks = [
        select(literal(axis).label("axis"), func.coalesce(key, "").label("name"), *figures)
        .select_from(found)
        .group_by(key if axis != "total" else None)
        for axis, key in axes.items()
    ]
    asks.append(
        select(literal("reason"), found.c.reason, *figures)
        .where(found.c.type == EventType.ATTEMPT_FAILED.value)
        .group_by(found.c.reason)
    )
    tallies: dict[str, dict[str, Tally]] = {axis: {} for axis in (*axes, "reason")}
    for axis, name, *counts in session.execute(union_all(*asks)):
        if counts[0]:
            tallies[axis][name] = Tally(*(int(count) for count in counts))
    return tallies


def _attempts(asked: Period) -> FromClause:
    return (
        select(
            ItemEvent.type,
            ItemEvent.actor_id,
            ItemEvent.office_id,
            _DayOf(ItemEvent.occurred_at).label("day"),
            func.coalesce(_TextIn(ItemEvent.data, literal("reason")), "other").label("reason"),
            EventOfItem.item_id,
            Item.commune_code,
            case((_earlier(asked, AT_DOORS), 0), else_=1).label("is_first"),
        )
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .join(Item, Item.id == EventOfItem.item_id)
        .where(*_within(asked, AT_DOORS))
        .cte("attempt")
        .prefix_with(_ONCE)
    )


def _within(asked: Period, kinds: Sequence[EventType]) -> Iterator[ColumnElement[bool]]:
    """Acts of these kinds in the period that nobody has taken back."""
    yield ItemEvent.office_id.in_(asked.offices)
    yield ItemEvent.occurred_at >= asked.begins
    yield ItemEvent.occurred_at < asked.ends
    yield ItemEvent.type.in_([kind.value for kind in kinds])
    yield _stands(asked, ItemEvent, EventOfItem)


def _stands(asked: Period, event: Any, about: Any) -> ColumnElement[bool]:
    if not asked.taken_back:
        return literal(value=True)
    # The pairs are looked through one by one, so only for the few events that are among them.
    named = sorted({event_id for event_id, _ in asked.taken_back})
    return or_(event.id.not_in(named), tuple_(event.id, about.item_id).not_in(sorted(asked.taken_back)))


def _earlier(asked: Period, kinds: Sequence[EventType] = ()) -> ColumnElement[bool]:
    """True where the item has an earlier act of these kinds (of the same kind, when none is named) that stands."""
    before, about = aliased(ItemEvent), aliased(EventOfItem)
    return exists(
        select(literal(1))
        .select_from(about)
        .join(before, before.id == about.event_id)
        .where(
            about.item_id == EventOfItem.item_id,
            before.type.in_([kind.value for kind in kinds]) if kinds else before.type == ItemEvent.type,
            or_(
                before.occurred_at < ItemEvent.occurred_at,
                and_(before.occurred_at == ItemEvent.occurred_at, before.id < ItemEvent.id),
            ),
            _stands(asked, before, about),
        )
        .correlate(ItemEvent, EventOfItem)
    )


def stops(session: Session, asked: Period) -> dict[UUID, int]:
    """How many stops the published routes of the period have, by postman."""
    rows = session.execute(
        select(Route.postman_id, func.count())
        .join(Plan, Plan.id == Route.plan_id)
        .join(Stop, Stop.route_id == Route.id)
        .where(Plan.office_id.in_(asked.offices), Plan.state == "published", Plan.day.between(asked.first, asked.last))
        .group_by(Route.postman_id)
    )
    return dict(rows.all())


# -------------------------------------------------------------------------------------------------------- deadlines
def delivered(session: Session, asked: Period) -> list[Delivered]:
    """Results that reached people in the period, by the day since which the office had them."""
    on = _DayOf(ItemEvent.occurred_at)
    since = _since(asked)
    fate = case(
        (Item.deliver_by.is_(None), "without"),
        (on <= Item.deliver_by, "in_time"),
        else_="late",
    )
    ended = (
        select(since.label("since"), on.label("day"), fate.label("fate"))
        .select_from(ItemEvent)
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .join(Item, Item.id == EventOfItem.item_id)
        .where(
            *_within(asked, (EventType.HANDED_OVER, EventType.PICKED_UP)),
            Item.direction == Direction.RESULT.value,
            _ended_by(State.DELIVERED, State.PICKED_UP),
            ~_earlier(asked),
        )
        .cte("ended")
        .prefix_with(_ONCE)
    )
    rows = session.execute(
        select(ended.c.since, ended.c.day, ended.c.fate, func.count()).group_by(
            ended.c.since, ended.c.day, ended.c.fate
        )
    )
    return [Delivered(*row) for row in rows]


def _since(asked: Period) -> ColumnElement[date]:
    """The day since which the office answers for an item: it was received there, else entered."""
    received, about = aliased(ItemEvent), aliased(EventOfItem)
    first: ScalarSelect[datetime] = (
        select(func.min(received.occurred_at))
        .select_from(about)
        .join(received, received.id == about.event_id)
        .where(about.item_id == Item.id, received.type == EventType.RECEIVED.value, _stands(asked, received, about))
        .correlate(Item)
        .scalar_subquery()
    )
    return _DayOf(func.coalesce(first, Item.created_at))


def _ended_by(*states: State) -> ColumnElement[bool]:
    """True where the event is the one that ended the item's life, by its state."""
    return or_(*(and_(Item.state == state.value, ItemEvent.type == ENDINGS[state].value) for state in states))


def still_open(session: Session, asked: Period) -> list[StillOpen]:
    """Items of the offices that were open when the period ended, by the day since which the office answers for them."""
    known = select(Item.id, Item.deliver_by, _since(asked).label("since"))
    lives_on = known.where(
        Item.office_id.in_(asked.offices),
        Item.state.in_([state.value for state in State if state not in FINAL and state is not State.ANNOUNCED]),
    )
    # Those whose life ended later, found by what ended it: old items are not looked at.
    ended_later = (
        known.select_from(ItemEvent)
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .join(Item, Item.id == EventOfItem.item_id)
        .where(
            ItemEvent.office_id.in_(asked.offices),
            ItemEvent.occurred_at >= asked.ends,
            _ended_by(*ENDINGS),
            _stands(asked, ItemEvent, EventOfItem),
            ~_earlier(asked),
        )
    )
    found = union_all(lives_on, ended_later).cte("still_open").prefix_with(_ONCE)
    since = found.c.since
    overdue = func.sum(case((found.c.deliver_by < asked.last, 1), else_=0))
    rows = session.execute(
        select(since, func.count(), overdue).where(since <= asked.last).group_by(since).order_by(since)
    )
    return [StillOpen(day, int(count), int(late or 0)) for day, count, late in rows]


# ------------------------------------------------------------------------------------------------------------- money
def due(session: Session, asked: Period) -> list[Due]:
    """What was due on the items that reached the right hands in the period, by kind of charge and payee."""
    ended = (
        select(EventOfItem.item_id)
        .distinct()
        .select_from(ItemEvent)
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .where(*_within(asked, TO_PEOPLE))
        .subquery()
    )
    rows = session.execute(
        select(ItemCharge.kind, ItemCharge.payee, func.sum(ItemCharge.amount_dong - ItemCharge.prepaid_dong))
        .join(ended, ended.c.item_id == ItemCharge.item_id)
        .group_by(ItemCharge.kind, ItemCharge.payee)
        .order_by(ItemCharge.kind, ItemCharge.payee)
    )
    return [Due(kind, payee, int(total)) for kind, payee, total in rows]


def cash(session: Session, asked: Period) -> list[CashOf]:
    """What went into pockets on the period's days, by person, kind of charge, payee and method; reversals count.

    `balance_dong` is what of it is still there: not handed in, or not confirmed by the bank.
    """
    # A pocket is an account named by person and day, so the days of one person lie together in the index.
    asks = []
    for prefix, method in (("cash:", "cash"), ("claimed:", "bank_qr")):
        whose = literal(prefix) + cast(Staff.id, Text) + literal(":")
        taken = case((LedgerTx.kind.not_in(_NOT_TAKEN), LedgerEntry.amount_dong), else_=0)
        asks.append(
            select(
                Staff.id,
                Staff.name,
                ItemCharge.kind,
                ItemCharge.payee,
                literal(method).label("method"),
                func.sum(taken).label("taken"),
                func.sum(LedgerEntry.amount_dong).label("balance"),
            )
            .select_from(Staff)
            .join(
                LedgerEntry,
                LedgerEntry.account.between(
                    whose + literal(asked.first.isoformat()), whose + literal(asked.last.isoformat())
                ),
            )
            .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
            .outerjoin(ItemCharge, ItemCharge.id == LedgerEntry.charge_id)
            .where(LedgerTx.office_id.in_(asked.offices))
            .group_by(Staff.id, Staff.name, ItemCharge.kind, ItemCharge.payee)
        )
    rows = session.execute(union_all(*asks))
    return [
        CashOf(staff_id, name, kind, payee, method, int(taken), int(balance))
        for staff_id, name, kind, payee, method, taken, balance in rows
    ]


def handed_in(session: Session, asked: Period) -> list[HandedIn]:
    """The evenings of the period by person, by name."""
    rows = session.execute(
        select(
            Staff.id,
            Staff.name,
            func.count(),
            func.sum(Remittance.expected_dong),
            func.sum(Remittance.counted_dong),
        )
        .join(Staff, Staff.id == Remittance.postman_id)
        .where(Remittance.office_id.in_(asked.offices), Remittance.day.between(asked.first, asked.last))
        .group_by(Staff.id, Staff.name)
        .order_by(Staff.name, Staff.id)
    )
    return [
        HandedIn(staff_id, name, days, int(expected), int(counted)) for staff_id, name, days, expected, counted in rows
    ]


# -------------------------------------------------------------------------------------------------------------- names
def names(session: Session, ids: Sequence[UUID]) -> dict[UUID, str]:
    """The names of people."""
    return dict(session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(ids))).all())


def offices(session: Session) -> dict[UUID, str]:
    """Every office by name."""
    return dict(session.execute(select(Office.id, Office.name).order_by(Office.name, Office.id)).all())
