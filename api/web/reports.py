"""The pages of the reports: a day and a month as tables and pictures, to print, and as a workbook. See docs/reports.md."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from flask import Response, request, url_for

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import page, texts
from api.web.texts import t
from courier import reports, staffing
from courier.domain.calendar import local_day
from courier.outside import workbook
from courier.reports import Report
from courier.store.reports import Tally
from courier.store.tables import Office

blueprint = page.pages("report_pages", __name__, prefix="/d/reports")

_READERS: Final = ("dispatcher", "admin")
_MOST_OFFICES: Final = 200
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Cells of a table by the kind of its column; a share is (part, whole).
Cell = Any


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and what stands below it: `text`, `count`, `dong`, `share` or `day`."""

    heading: str
    kind: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of the report, shown on the page and in the workbook. `bars` are (good, bad) of each row, of `most`."""

    id: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    bars: Sequence[tuple[int, int]] = ()

    @property
    def most(self) -> int:
        """The longest bar; 1 where all are empty."""
        return max((good + bad for good, bad in self.bars), default=0) or 1


@dataclass(frozen=True, slots=True)
class Days:
    """The columns of the picture of a month, in units of its drawing."""

    columns: Sequence[Mapping[str, Any]]
    lines: Sequence[tuple[int, float]]
    width: int
    height: int


# ---------------------------------------------------------------------------------------------------------- what is asked
def _offices() -> list[Office]:
    """The offices that the viewer may choose from: none for those who belong to one."""
    if caller().office_id is not None:
        return []
    found = staffing.list_offices(desk(), caller(), after=None, limit=_MOST_OFFICES)
    return [office for office in found if office.kind == "office"]


def _asked_office() -> UUID | None:
    try:
        return UUID(request.args.get("office", ""))
    except ValueError:
        return None


def _asked_day() -> date:
    """`?date=`, or today."""
    try:
        return date.fromisoformat(request.args.get("date", ""))
    except ValueError:
        return local_day(now())


def _asked_month() -> date:
    """`?month=`, or this one; its first day."""
    try:
        return date.fromisoformat(request.args.get("month", "") + "-01")
    except ValueError:
        return local_day(now()).replace(day=1)


def _day() -> Report:
    return reports.of_day(desk(), caller(), _asked_day(), office_id=_asked_office(), at=now())


def _month() -> Report:
    return reports.of_month(desk(), caller(), _asked_month(), office_id=_asked_office(), at=now())


# ---------------------------------------------------------------------------------------------------------------- pages
@blueprint.get("/day")
@roles(*_READERS)
def day() -> Response:
    """What became of a day."""
    return _report_page(_day(), monthly=False)


@blueprint.get("/month")
@roles(*_READERS)
def month() -> Response:
    """What became of a month."""
    return _report_page(_month(), monthly=True)


def _report_page(report: Report, *, monthly: bool) -> Response:
    office = _asked_office()
    today, first = local_day(now()), report.first
    if monthly:
        before, after = (first - timedelta(days=1)).replace(day=1), (first + timedelta(days=31)).replace(day=1)
        names = {one: f"{one:%m/%Y}" for one in (before, after)}
    else:
        before, after = first - timedelta(days=1), first + timedelta(days=1)
        names = {one: texts.day(one) for one in (before, after)}
    around = [(names[one], _address(one, office, monthly=monthly)) for one in (before, after)]
    return page.show(
        "dispatcher/report.html",
        report=report,
        monthly=monthly,
        title=t("report.month_title", month=f"{first:%m/%Y}")
        if monthly
        else t("report.day_title", day=texts.weekday(first)),
        around=(around[0], around[1] if after <= today else None),
        other=_address(first, office, monthly=not monthly),
        workbook_at=_address(first, office, monthly=monthly, suffix="_workbook"),
        offices=_offices(),
        office=office,
        sheets=_sheets(report, monthly=monthly),
        days=_picture(report) if monthly else None,
        cash_dong=sum(row.cash_dong + row.bank_qr_dong for row in report.money),
    )


def _address(first: date, office: UUID | None, *, monthly: bool, suffix: str = "") -> str:
    asked: dict[str, Any] = {"month": f"{first:%Y-%m}"} if monthly else {"date": first.isoformat()}
    return url_for(f"report_pages.{'month' if monthly else 'day'}{suffix}", office=office, **asked)


@blueprint.get("/day.xlsx")
@roles(*_READERS)
def day_workbook() -> Response:
    """The tables of a day as a workbook."""
    report = _day()
    return _workbook(report, monthly=False, name=f"bao-cao-{report.first.isoformat()}.xlsx")


@blueprint.get("/month.xlsx")
@roles(*_READERS)
def month_workbook() -> Response:
    """The tables of a month as a workbook."""
    report = _month()
    return _workbook(report, monthly=True, name=f"bao-cao-{report.first:%Y-%m}.xlsx")


def _workbook(report: Report, *, monthly: bool, name: str) -> Response:
    span = f"{texts.day(report.first)}–{texts.day(report.last)}" if monthly else texts.day(report.first)
    tables = [
        workbook.Table(
            sheet.title,
            f"{sheet.title} · {', '.join(report.offices.values())} · {span}",
            [column.heading for column in sheet.columns],
            [
                [_plain(column.kind, cell) for column, cell in zip(sheet.columns, row, strict=True)]
                for row in sheet.rows
            ],
        )
        for sheet in [_summary(report), *_sheets(report, monthly=monthly)]
    ]
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(workbook.written(tables), mimetype=_XLSX, headers=headers)


def _plain(kind: str, cell: Cell) -> workbook.Cell:
    if kind == "share":
        part, whole = cell
        return part / whole if whole else None
    found: workbook.Cell = cell
    return found


# --------------------------------------------------------------------------------------------------------------- tables
def _columns(*columns: tuple[str, str]) -> list[Column]:
    return [Column(t(f"report.{key}"), kind) for key, kind in columns]


_TALLY: Final = (
    ("attempts", "count"),
    ("done", "count"),
    ("failed", "count"),
    ("first_rate", "share"),
    ("items", "count"),
)


def _tally(tally: Tally) -> list[Cell]:
    return [tally.attempts, tally.done, tally.failed, (tally.first_done, tally.first), tally.items]


def _summary(report: Report) -> Sheet:
    total, arrived = report.total, report.in_time + report.late
    rows = [
        (t("report.attempts"), total.attempts),
        (t("report.done"), total.done),
        (t("report.failed"), total.failed),
        (t("report.first"), total.first),
        (t("report.first_done"), total.first_done),
        (t("report.in_time"), report.in_time),
        (t("report.late"), report.late),
        (t("report.without_deadline"), report.without_deadline),
        (t("report.open"), report.open_items),
        (t("report.overdue"), report.overdue),
    ]
    shares = [
        (t("report.first_rate"), (total.first_done, total.first)),
        (t("report.in_time_rate"), (report.in_time, arrived)),
    ]
    columns = [Column(t("report.figure"), "text"), Column(t("report.number"), "count")]
    return Sheet(
        "summary", t("report.summary"), columns, [*rows, *((words, _plain("share", cell)) for words, cell in shares)]
    )


def _sheets(report: Report, *, monthly: bool) -> list[Sheet]:
    found = [_speed(report), _ages(report), _reasons(report)]
    if len(report.offices) > 1:
        found.append(_of("office", report.by_office, lambda row: row.name or row.key))
    found.append(_of("commune", report.by_commune, lambda row: row.name or row.key or t("report.no_commune")))
    found += [_postmen(report), _money(report), _pockets(report)]
    if monthly:
        rows = [[day, *_tally(tally)] for day, tally in report.by_day]
        bars = [(tally.done, tally.failed) for _, tally in report.by_day]
        found.append(Sheet("day", t("report.by_day"), _columns(("day", "day"), *_TALLY), rows, bars))
    return [sheet for sheet in found if sheet.rows]


def _speed(report: Report) -> Sheet:
    rows = [
        [
            t("report.d_more", days=reports.SLOW) if row.days is None else f"D+{row.days}",
            row.items,
            row.late,
            (row.items, sum(other.items for other in report.speed)),
        ]
        for row in report.speed
    ]
    columns = _columns(("d_plus", "text"), ("arrived", "count"), ("late", "count"), ("share", "share"))
    return Sheet("speed", t("report.speed"), columns, rows, [(row.items - row.late, row.late) for row in report.speed])


def _ages(report: Report) -> Sheet:
    rows = [[_span(age), age.items, (age.items, report.open_items)] for age in report.ages if report.open_items]
    columns = _columns(("age", "text"), ("open", "count"), ("share", "share"))
    return Sheet("ages", t("report.ages"), columns, rows, [(age.items, 0) for age in report.ages if report.open_items])


def _span(age: reports.Age) -> str:
    if age.most is None:
        return t("report.age_more", days=age.least - 1)
    days = str(age.least) if age.least == age.most else f"{age.least}–{age.most}"
    return t("report.age_days", days=days)


def _reasons(report: Report) -> Sheet:
    rows = [
        [
            t("report.no_reason") if row.key == "other" else texts.word("reason", row.key),
            row.tally.failed,
            (row.tally.failed, report.total.failed),
            row.tally.items,
        ]
        for row in report.by_reason
    ]
    columns = _columns(("reason", "text"), ("failed", "count"), ("share", "share"), ("items", "count"))
    return Sheet("reason", t("report.by_reason"), columns, rows, [(0, row.tally.failed) for row in report.by_reason])


def _of(axis: str, rows: Iterable[reports.Row], name: Any) -> Sheet:
    told = list(rows)
    return Sheet(
        axis,
        t(f"report.by_{axis}"),
        _columns((axis, "text"), *_TALLY),
        [[name(row), *_tally(row.tally)] for row in told],
        [(row.tally.done, row.tally.failed) for row in told],
    )


def _postmen(report: Report) -> Sheet:
    columns = _columns(("postman", "text"), ("stops", "count"), *_TALLY, ("cash", "dong"))
    rows = [[row.name, row.stops, *_tally(row.tally), row.cash_dong] for row in report.by_postman]
    return Sheet(
        "postman",
        t("report.by_postman"),
        columns,
        rows,
        [(row.tally.done, row.tally.failed) for row in report.by_postman],
    )


def _money(report: Report) -> Sheet:
    columns = _columns(("charge", "text"), ("payee", "text"), ("due", "dong"), ("cash", "dong"), ("bank_qr", "dong"))
    rows: list[list[Cell]] = [
        [
            texts.word("charge", row.kind or "unknown"),
            page.payee_name(row.payee) if row.payee else "–",
            row.due_dong,
            row.cash_dong,
            row.bank_qr_dong,
        ]
        for row in report.money
    ]
    if len(rows) > 1:
        rows.append([t("report.sum"), "", *(sum(row[place] for row in rows) for place in (2, 3, 4))])
    return Sheet("money", t("report.money"), columns, rows)


def _pockets(report: Report) -> Sheet:
    columns = _columns(
        ("person", "text"), ("cash", "dong"), ("bank_qr", "dong"), ("evenings", "count"), ("expected", "dong"),
        ("counted", "dong"), ("difference", "dong"), ("held", "dong"),
    )  # fmt: skip
    rows: list[list[Cell]] = [
        [
            row.name, row.cash_dong, row.bank_qr_dong, row.evenings, row.expected_dong, row.counted_dong,
            row.difference_dong, row.held_dong,
        ]
        for row in report.pockets
    ]  # fmt: skip
    if len(rows) > 1:
        rows.append([t("report.sum"), *(sum(row[place] for row in rows) for place in range(1, 8))])
    return Sheet("pockets", t("report.pockets"), columns, rows)


# -------------------------------------------------------------------------------------------------------------- picture
_STEP, _HIGH, _LEFT, _FOOT = 24, 180, 44, 26
_NICE: Final = (1, 2, 5)


def _picture(report: Report) -> Days:
    """The attempts of each day as a column of handed over above failed, with three lines to read them by."""
    most = max((tally.attempts for _, tally in report.by_day), default=0)
    step = _step(most)
    top = step * max(1, -(-most // step))
    columns = []
    for number, (day, tally) in enumerate(report.by_day):
        bad = tally.failed / top * _HIGH
        good = tally.done / top * _HIGH
        columns.append(
            {
                "x": _LEFT + number * _STEP,
                "good": round(good, 1),
                "bad": round(bad, 1),
                "day": day,
                "tally": tally,
                "sunday": day.weekday() == 6,
            }
        )
    lines = [(value, round(_HIGH - value / top * _HIGH, 1)) for value in range(0, top + 1, step)]
    return Days(columns, lines, _LEFT + _STEP * len(columns) + 8, _HIGH + _FOOT)


def _step(most: int) -> int:
    """The distance of the lines: 1, 2 or 5 times a power of ten, so that there are at most five."""
    power = 1
    while True:
        for nice in _NICE:
            if nice * power * 4 >= most:
                return nice * power
        power *= 10
