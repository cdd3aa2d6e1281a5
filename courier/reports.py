"""The report of a day or a month: how often the first call succeeds, how soon papers arrive, why calls fail, and the money.

What is counted, and what each word means, stands in docs/reports.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from courier.desk import Desk
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing
from courier.domain.money import Method
from courier.domain.people import Caller, Role
from courier.store import plans
from courier.store import reports as counted
from courier.store.reports import CashOf, Delivered, HandedIn, StillOpen, Tally

MOST_DAYS: Final = 31
SLOW: Final = 10
"""D+n is told day by day up to here; what took longer is one line."""
AGES: Final = ((0, 0), (1, 1), (2, 2), (3, 5), (6, 10), (11, None))
_FIRST_DAY: Final = date(2025, 7, 1)  # the communes of today begin here, and so does our calendar


class Speed(NamedTuple):
    """Papers that took `days` working days from the office to their people; None stands for more than `SLOW`."""

    days: int | None
    items: int
    late: int


class Age(NamedTuple):
    """Items that have been open for `least` to `most` working days; `most` None is without end."""

    least: int
    most: int | None
    items: int


class Row(NamedTuple):
    """One line of a table of attempts: the code or id, its name where it has one, and the figures."""

    key: str
    name: str | None
    tally: Tally


class PostmanRow(NamedTuple):
    """A postman's line: his published stops, his attempts, and the cash he took."""

    id: UUID
    name: str
    stops: int
    tally: Tally
    cash_dong: int


class MoneyRow(NamedTuple):
    """A kind of charge for one payee: due on what reached its people, and taken by method. `kind` None could not be placed."""

    kind: str | None
    payee: str | None
    due_dong: int
    cash_dong: int
    bank_qr_dong: int


class PocketRow(NamedTuple):
    """A person's money: taken by method, handed in of what was expected, and what is still in the pocket."""

    id: UUID
    name: str
    cash_dong: int
    bank_qr_dong: int
    evenings: int
    expected_dong: int
    counted_dong: int
    held_dong: int

    @property
    def difference_dong(self) -> int:
        """Counted minus expected."""
        return self.counted_dong - self.expected_dong


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that is told of a period."""

    first: date
    last: date
    offices: Mapping[UUID, str]
    total: Tally
    by_day: Sequence[tuple[date, Tally]]
    by_office: Sequence[Row]
    by_commune: Sequence[Row]
    by_reason: Sequence[Row]
    by_postman: Sequence[PostmanRow]
    speed: Sequence[Speed]
    in_time: int
    late: int
    without_deadline: int
    ages: Sequence[Age]
    open_items: int
    overdue: int
    open_on: date
    money: Sequence[MoneyRow]
    pockets: Sequence[PocketRow]


def of_day(desk: Desk, caller: Caller, day: date, *, office_id: UUID | None = None, at: datetime) -> Report:
    """The report of one day.

    Raises:
        Forbidden, Missing: not the caller's business; no such office for him.
        Invalid: a day that has not begun, or before 1 July 2025.
    """
    return _report(desk, caller, office_id, day, day, field="date", at=at)


def of_month(desk: Desk, caller: Caller, month: date, *, office_id: UUID | None = None, at: datetime) -> Report:
    """The report of the month that a day lies in.

    Raises:
        Forbidden, Missing, Invalid: as for `of_day`.
    """
    first = month.replace(day=1)
    last = (first + timedelta(days=MOST_DAYS)).replace(day=1) - timedelta(days=1)
    return _report(desk, caller, office_id, first, last, field="month", at=at)


def _report(
    desk: Desk, caller: Caller, office_id: UUID | None, first: date, last: date, *, field: str, at: datetime
) -> Report:
    if caller.role not in (Role.DISPATCHER, Role.ADMIN):
        raise Forbidden("Only dispatchers and admins read reports.")
    today = local_day(at)
    if first > today:
        raise Invalid(FieldError(field, "in-the-future", f"{first:%d/%m/%Y} chưa tới, hôm nay là {today:%d/%m/%Y}."))
    if first < _FIRST_DAY:
        raise Invalid(FieldError(field, "too-early", f"Báo cáo từ {_FIRST_DAY:%d/%m/%Y}, nhận {first:%d/%m/%Y}."))
    with desk.database.read() as session:
        every = counted.offices(session)
        wanted = office_id or caller.office_id
        if wanted is not None and (wanted not in every or caller.office_id not in (None, wanted)):
            raise Missing("office", wanted)
        chosen = every if wanted is None else {wanted: every[wanted]}
        # A month that still runs is told as of today.
        asked = counted.period(session, list(chosen), first, min(last, today))
        attempts = counted.attempts(session, asked)
        pockets = counted.cash(session, asked)
        handed_in = counted.handed_in(session, asked)
        stops = counted.stops(session, asked)
        postmen = {UUID(key): tally for key, tally in attempts["postman"].items() if key}
        names = counted.names(session, [*postmen, *stops])
        delivered = counted.delivered(session, asked)
        still_open = counted.still_open(session, asked)
        due = counted.due(session, asked)
        calendar = plans.calendar(session, desk.facts.bylaws)
    communes = {commune.code: commune.full_name for commune in desk.gazetteer.communes()}
    since = min([first, *(row.since for row in delivered), *(row.since for row in still_open)])
    since = max(since, _FIRST_DAY)
    # The number of working days up to each day; a difference of two of them is D+n.
    passed: dict[date, int] = {}
    count = 0
    for ahead in range((asked.last - since).days + 1):
        day = since + timedelta(days=ahead)
        count += calendar.is_working(day)
        passed[day] = count
    taken: dict[UUID, int] = {}
    for line in pockets:
        if line.method == Method.CASH:
            taken[line.staff_id] = taken.get(line.staff_id, 0) + line.taken_dong
    return Report(
        first=first,
        last=asked.last,
        offices=chosen,
        total=attempts["total"].get("", Tally()),
        by_day=[
            (day, attempts["day"].get(day.isoformat(), Tally()))
            for day in (first + timedelta(days=ahead) for ahead in range((asked.last - first).days + 1))
        ],
        by_office=_rows(attempts["office"], {str(key): name for key, name in chosen.items()}),
        by_commune=_rows(attempts["commune"], communes),
        by_reason=_rows(attempts["reason"], {}),
        by_postman=sorted(
            (
                PostmanRow(one, names[one], stops.get(one, 0), postmen.get(one, Tally()), taken.get(one, 0))
                for one in {*postmen, *stops}
            ),
            key=lambda row: (row.name, row.id),
        ),
        speed=_speed(delivered, passed),
        in_time=sum(row.items for row in delivered if row.fate == "in_time"),
        late=sum(row.items for row in delivered if row.fate == "late"),
        without_deadline=sum(row.items for row in delivered if row.fate == "without"),
        ages=_ages(still_open, passed, asked.last),
        open_items=sum(row.items for row in still_open),
        overdue=sum(row.overdue for row in still_open),
        open_on=asked.last,
        money=_money(due, pockets),
        pockets=_pockets(pockets, handed_in),
    )


def _rows(tallies: Mapping[str, Tally], names: Mapping[str, str]) -> list[Row]:
    """The lines of a table, the busiest first."""
    rows = [Row(key, names.get(key), tally) for key, tally in tallies.items()]
    return sorted(rows, key=lambda row: (-row.tally.attempts, row.name or "", row.key))


def _speed(delivered: Iterable[Delivered], passed: Mapping[date, int]) -> list[Speed]:
    items: dict[int | None, int] = {}
    late: dict[int | None, int] = {}
    for row in delivered:
        took = _working_days(passed, row.since, row.on)
        days = took if took <= SLOW else None
        items[days] = items.get(days, 0) + row.items
        late[days] = late.get(days, 0) + (row.items if row.fate == "late" else 0)
    longest = SLOW if None in items else max((days for days in items if days is not None), default=-1)
    steps: list[int | None] = [*range(longest + 1), *([None] if None in items else [])]
    return [Speed(days, items.get(days, 0), late.get(days, 0)) for days in steps]


def _working_days(passed: Mapping[date, int], since: date, on: date) -> int:
    """How many working days lie after one day, up to and with another; 0 when that is no later."""
    return passed[on] - passed[max(since, _FIRST_DAY)] if on > since else 0


def _ages(still_open: Iterable[StillOpen], passed: Mapping[date, int], on: date) -> list[Age]:
    found = {least: 0 for least, _ in AGES}
    for row in still_open:
        age = _working_days(passed, row.since, on)
        found[max(least for least in found if least <= age)] += row.items
    return [Age(least, most, found[least]) for least, most in AGES]


def _money(due: Iterable[counted.Due], pockets: Iterable[CashOf]) -> list[MoneyRow]:
    lines: dict[tuple[str | None, str | None], dict[str, int]] = {}
    for one in due:
        lines.setdefault((one.kind, one.payee), {})["due"] = one.due_dong
    for line in pockets:
        if line.taken_dong:
            sums = lines.setdefault((line.kind, line.payee), {})
            sums[line.method] = sums.get(line.method, 0) + line.taken_dong
    return [
        MoneyRow(kind, payee, sums.get("due", 0), sums.get(Method.CASH, 0), sums.get(Method.BANK_QR, 0))
        for (kind, payee), sums in sorted(lines.items(), key=lambda line: tuple(part or "~" for part in line[0]))
    ]


def _pockets(pockets: Sequence[CashOf], handed_in: Sequence[HandedIn]) -> list[PocketRow]:
    evenings = {row.staff_id: row for row in handed_in}
    names = {row.staff_id: row.name for row in pockets} | {row.staff_id: row.name for row in handed_in}
    found = []
    for staff_id, name in sorted(names.items(), key=lambda one: (one[1], one[0])):
        mine = [row for row in pockets if row.staff_id == staff_id]
        by_method = {
            method: sum(row.taken_dong for row in mine if row.method == method)
            for method in (Method.CASH, Method.BANK_QR)
        }
        evening = evenings.get(staff_id)
        found.append(
            PocketRow(
                staff_id,
                name,
                by_method[Method.CASH],
                by_method[Method.BANK_QR],
                evening.days if evening else 0,
                evening.expected_dong if evening else 0,
                evening.counted_dong if evening else 0,
                sum(row.balance_dong for row in mine if row.method == Method.CASH),
            )
        )
    return found
