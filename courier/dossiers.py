"""What an agency is told of its dossiers: of each one what became of it and of its money, and the same by day.

What counts is the fold of an item's events (`courier.domain.item`) and the lines of the ledger, both as they stand now: a correction
changes a day that is over, as it changes everything else.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing
from courier.domain.item import Direction, Event, EventType, State, life_of
from courier.domain.people import Caller, Role
from courier.store import dossiers as books
from courier.store.dossiers import Line, Sent

MOST_DAYS: Final = 92
MOST_IN_A_FILE: Final = 20_000
_DROPS: Final = frozenset({"charges accepted", "charges dropped", "reversal of charges dropped"})
_RETURNS: Final = frozenset({State.RETURNED, State.LODGED})
_DELIVERIES: Final = frozenset({State.DELIVERED, State.PICKED_UP})


@dataclass(slots=True)
class PayeeMoney:
    """Whole dong for one payee.

    `due` was asked for, `paid` the recipient has paid, `booked` of it is owed to the payee (cash, and transfers that the bank has
    confirmed), `remitted` of that has reached the post's till or its bank.
    """

    payee: str
    due: int = 0
    paid: int = 0
    booked: int = 0
    remitted: int = 0

    @property
    def is_remitted(self) -> bool:
        """True when all that was paid is in the till or at the bank."""
        return self.paid > 0 and self.paid == self.remitted


@dataclass(frozen=True, slots=True)
class Try:
    """A call in vain: when, and why by its code."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierRow:
    """One dossier's item. `ended_at` is when its life ended, None while it goes on."""

    item: UUID
    barcode: str
    dossier_code: str
    direction: str
    state: str
    handed_over_at: datetime
    deliver_by: date | None
    ended_at: datetime | None
    tries: Sequence[Try]
    money: Sequence[PayeeMoney]


@dataclass(slots=True)
class DayRow:
    """One day of an agency: what came in and what became of it, and money by payee of that day of business."""

    day: date
    received: int = 0
    delivered: int = 0
    failed: int = 0
    returned: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    money: dict[str, PayeeMoney] = field(default_factory=dict)


def by_dossier(
    desk: Desk,
    caller: Caller,
    first: date,
    last: date,
    *,
    agency_id: UUID | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[DossierRow]:
    """The dossiers that an agency handed over between two days, oldest first.

    Raises:
        Forbidden, Missing: neither an agency nor an admin; there is no such agency, or it is not the caller's.
        Invalid: the span is turned round or too long; an admin names no agency.
    """
    _check(first, last)
    with desk.database.read() as session:
        owner = _owner(session, caller, agency_id)
        rows = books.handed_over(session, owner, first, last, after=after, limit=limit)
        told = _Told(session, desk, rows)
        return [told.row(one) for one in rows]


def by_day(desk: Desk, caller: Caller, first: date, last: date, *, agency_id: UUID | None = None) -> list[DayRow]:
    """Every day between two, with what happened to an agency's items on it.

    Raises:
        Forbidden, Missing, Invalid: as for `by_dossier`.
    """
    _check(first, last)
    days = {day: DayRow(day) for day in (first + timedelta(days=n) for n in range((last - first).days + 1))}
    with desk.database.read() as session:
        rows = books.touched(session, _owner(session, caller, agency_id), first, last)
        told = _Told(session, desk, rows)
    for one in rows:
        for moment in told.received(one):
            if (day := days.get(local_day(moment))) is not None:
                day.received += 1
        row = told.row(one)
        for attempt in row.tries:
            if (day := days.get(local_day(attempt.at))) is not None:
                day.failed += 1
                day.reasons[attempt.reason] += 1
        ended = days.get(local_day(row.ended_at)) if row.ended_at is not None else None
        if ended is not None:
            ended.delivered += row.state in _DELIVERIES
            ended.returned += row.state in _RETURNS
        for business_day, money in told.money_by_day(one.id):
            if (day := days.get(business_day)) is not None:
                sums = day.money.setdefault(money.payee, PayeeMoney(money.payee))
                sums.paid += money.paid
                sums.booked += money.booked
                sums.remitted += money.remitted
    return list(days.values())


def _check(first: date, last: date) -> None:
    if last < first:
        raise Invalid(FieldError("last", "before-first", f"{last:%d/%m/%Y} đứng trước {first:%d/%m/%Y}."))
    if (last - first).days >= MOST_DAYS:
        raise Invalid(FieldError("last", "too-long", f"Nhiều nhất {MOST_DAYS} ngày, nhận {(last - first).days + 1}."))


def _owner(session: Session, caller: Caller, agency_id: UUID | None) -> UUID:
    if caller.role is Role.AGENCY and caller.agency_id is not None:
        if agency_id not in (None, caller.agency_id):
            raise Missing("agency", agency_id)
        return caller.agency_id
    if caller.role is not Role.ADMIN:
        raise Forbidden("Only an agency and an admin read this report.")
    if agency_id is None:
        raise Invalid(FieldError("agency", "required", "Cần chọn cơ quan."))
    if not books.agency_exists(session, agency_id):
        raise Missing("agency", agency_id)
    return agency_id


class _Told:
    """Some items with everything that the books say of them, read in a few statements whatever their number."""

    def __init__(self, session: Session, desk: Desk, rows: Sequence[Sent]) -> None:
        ids = [one.id for one in rows]
        self._reasons = desk.facts.bylaws.attempts.reasons
        self._events = books.events_of(session, ids)
        self._charges = books.charges_of(session, ids)
        self._lines = books.lines_of(session, ids)
        pockets = {pocket for lines in self._lines.values() for line in lines if (pocket := _pocket(line)) is not None}
        self._closed = books.closed_days(session, pockets)

    def row(self, one: Sent) -> DossierRow:
        life = life_of(Direction(one.direction), self._events[one.id])
        final = life.state in _DELIVERIES | _RETURNS | {State.CANCELLED}
        return DossierRow(
            item=one.id,
            barcode=one.barcode,
            dossier_code=one.dossier_code,
            direction=one.direction,
            state=life.state.value,
            handed_over_at=one.created_at,
            deliver_by=one.deliver_by,
            ended_at=life.since if final else None,
            tries=[Try(event.occurred_at, self._reason(event)) for event in life.failed],
            money=self._money(one.id),
        )

    def received(self, one: Sent) -> list[datetime]:
        """When the office got it: once, if at all."""
        life = life_of(Direction(one.direction), self._events[one.id])
        aside = {conflict.event_id for conflict in life.conflicts} | life.withdrawn
        return [
            event.occurred_at
            for event in self._events[one.id]
            if event.type is EventType.RECEIVED and event.event_id not in aside
        ]

    def _reason(self, event: Event) -> str:
        reason = str(event.data.get("reason", ""))
        return reason if reason in self._reasons else "other"

    def _money(self, item_id: UUID) -> list[PayeeMoney]:
        found = {charge.payee: PayeeMoney(charge.payee) for charge in self._charges[item_id]}
        for charge in self._charges[item_id]:
            found[charge.payee].due += charge.amount_dong
        for _, money in self.money_by_day(item_id):
            sums = found[money.payee]
            sums.paid, sums.booked = sums.paid + money.paid, sums.booked + money.booked
            sums.remitted += money.remitted
        return [found[payee] for payee in sorted(found)]

    def money_by_day(self, item_id: UUID) -> list[tuple[date, PayeeMoney]]:
        """What each posting about an item says, by its day of business."""
        payees = {charge.id: charge.payee for charge in self._charges[item_id]}
        postings: dict[UUID, list[Line]] = {}
        for line in self._lines[item_id]:
            if line.kind not in _DROPS:
                postings.setdefault(line.tx_id, []).append(line)
        told = []
        for lines in postings.values():
            # Notes are in the till once the pocket that they went into is closed; a posting without a pocket moved none.
            in_till = all(pocket is None or pocket in self._closed for pocket in map(_pocket, lines))
            told += [(lines[0].day, money) for money in _of_posting(lines, payees, in_till=in_till)]
        return told


def _of_posting(lines: Iterable[Line], payees: Mapping[UUID, str], *, in_till: bool) -> Iterable[PayeeMoney]:
    sums: dict[str, PayeeMoney] = {}
    for line in lines:
        payee = payees.get(line.charge_id) if line.charge_id is not None else None
        if payee is None:
            continue
        money = sums.setdefault(payee, PayeeMoney(payee))
        if line.account.startswith("receivable:"):
            money.paid -= line.amount_dong
        elif line.account.startswith("payable:"):
            money.booked -= line.amount_dong
            money.remitted -= line.amount_dong if in_till else 0
    return sums.values()


def _pocket(line: Line) -> tuple[UUID, date] | None:
    if not line.account.startswith("cash:"):
        return None
    _, person, day = line.account.split(":")
    return UUID(person), date.fromisoformat(day)
