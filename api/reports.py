"""Reports of a day and of a month. What the figures mean stands in docs/reports.md."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from marshmallow import fields

from api.auth import caller, roles
from api.conventions import Blueprint, Dong, Id, LocalDay, Strict, Text, Whole, Word, desk, now
from courier import reports
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid
from courier.domain.money import ChargeKind
from courier.reports import Report
from courier.store.reports import Tally

blueprint = Blueprint(
    "reports", __name__, url_prefix="/api/v1", description="Reports of a day and of a month (báo cáo)"
)

_READERS = ("dispatcher", "admin")


# --------------------------------------------------------------------------------------------------------- shapes
class DayQuery(Strict):
    """Which day, without `date` today; without `office` the caller's own, for an admin all."""

    date = LocalDay(load_default=None)
    office = Id(load_default=None)


class MonthQuery(Strict):
    """Which month as `YYYY-MM`, without one this month; without `office` the caller's own, for an admin all."""

    month = Text(load_default=None, pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")
    office = Id(load_default=None)


class TallySchema(Strict):
    """Attempts and what came of them; `items` are different ones, `first_rate` is null without a first attempt."""

    attempts = Whole(required=True)
    done = Whole(required=True)
    failed = Whole(required=True)
    first = Whole(required=True)
    first_done = Whole(required=True)
    items = Whole(required=True)
    first_rate = fields.Float(required=True, allow_none=True)


class OfDaySchema(TallySchema):
    """The attempts of a day."""

    date = LocalDay(required=True)


class NamedSchema(TallySchema):
    """The attempts of a commune, an office or a reason; `name` is null where the code says it."""

    code = fields.String(required=True)
    name = fields.String(required=True, allow_none=True)


class OfPostmanSchema(TallySchema):
    """A postman's stops as published, his attempts, and the cash he took."""

    id = Id(required=True)
    name = fields.String(required=True)
    stops = Whole(required=True)
    cash_dong = fields.Integer(required=True)


class SpeedSchema(Strict):
    """Papers that reached people `days` working days after the office had them; null is more than ten."""

    days = Whole(required=True, allow_none=True)
    items = Whole(required=True)
    late = Whole(required=True)


class DeadlineSchema(Strict):
    """Papers that reached people, by their legal deadline."""

    in_time = Whole(required=True)
    late = Whole(required=True)
    without = Whole(required=True)
    by_days = fields.List(fields.Nested(SpeedSchema), required=True)


class AgeSchema(Strict):
    """Open items by age in working days; `most` null is without end."""

    least = Whole(required=True)
    most = Whole(required=True, allow_none=True)
    items = Whole(required=True)


class OpenSchema(Strict):
    """What was open at the end of that day."""

    on = LocalDay(required=True)
    items = Whole(required=True)
    overdue = Whole(required=True)
    by_age = fields.List(fields.Nested(AgeSchema), required=True)


class MoneyOfSchema(Strict):
    """A kind of charge for one payee; both are null for money of no known charge."""

    kind = Word([kind.value for kind in ChargeKind], required=True, allow_none=True)
    payee = fields.String(required=True, allow_none=True)
    due_dong = Dong(required=True)
    cash_dong = fields.Integer(required=True)
    bank_qr_dong = fields.Integer(required=True)


class PocketSchema(Strict):
    """A person's money."""

    id = Id(required=True)
    name = fields.String(required=True)
    cash_dong = fields.Integer(required=True)
    bank_qr_dong = fields.Integer(required=True)
    evenings = Whole(required=True)
    expected_dong = fields.Integer(required=True)
    counted_dong = fields.Integer(required=True)
    difference_dong = fields.Integer(required=True)
    held_dong = fields.Integer(required=True)


class ReportSchema(Strict):
    """Everything that is told of a period; a month that still runs ends today."""

    first_day = LocalDay(required=True)
    last_day = LocalDay(required=True)
    total = fields.Nested(TallySchema, required=True)
    by_day = fields.List(fields.Nested(OfDaySchema), required=True)
    by_office = fields.List(fields.Nested(NamedSchema), required=True)
    by_commune = fields.List(fields.Nested(NamedSchema), required=True)
    by_reason = fields.List(fields.Nested(NamedSchema), required=True)
    by_postman = fields.List(fields.Nested(OfPostmanSchema), required=True)
    deadlines = fields.Nested(DeadlineSchema, required=True)
    open = fields.Nested(OpenSchema, required=True)
    money = fields.List(fields.Nested(MoneyOfSchema), required=True)
    pockets = fields.List(fields.Nested(PocketSchema), required=True)


# ---------------------------------------------------------------------------------------------------------- views
@blueprint.route("/reports/day")
@roles(*_READERS)
@blueprint.arguments(DayQuery, location="query")
@blueprint.response(200, ReportSchema)
def of_day(query: dict[str, Any]) -> Any:
    """Tell what became of a day."""
    day = query["date"] or local_day(now())
    return _shown(reports.of_day(desk(), caller(), day, office_id=query["office"], at=now()))


@blueprint.route("/reports/month")
@roles(*_READERS)
@blueprint.arguments(MonthQuery, location="query")
@blueprint.response(200, ReportSchema)
def of_month(query: dict[str, Any]) -> Any:
    """Tell what became of a month."""
    month = month_of(query["month"]) if query["month"] else local_day(now())
    return _shown(reports.of_month(desk(), caller(), month, office_id=query["office"], at=now()))


def month_of(text: str) -> date:
    """The first day of a month written `YYYY-MM`.

    Raises:
        Invalid: there is no such month.
    """
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Invalid(FieldError("month", "invalid", f"Không có tháng {text[:10]}.")) from None


def rate(tally: Tally) -> float | None:
    """The first-attempt rate, rounded to a tenth of a per cent; None without a first attempt."""
    return round(tally.first_done / tally.first, 3) if tally.first else None


def _told(tally: Tally) -> dict[str, Any]:
    return tally._asdict() | {"first_rate": rate(tally)}


def _named(rows: Iterable[reports.Row]) -> list[dict[str, Any]]:
    return [{"code": row.key, "name": row.name} | _told(row.tally) for row in rows]


def _shown(report: Report) -> dict[str, Any]:
    return {
        "first_day": report.first,
        "last_day": report.last,
        "total": _told(report.total),
        "by_day": [{"date": day} | _told(tally) for day, tally in report.by_day],
        "by_office": _named(report.by_office),
        "by_commune": _named(report.by_commune),
        "by_reason": _named(report.by_reason),
        "by_postman": [
            {"id": row.id, "name": row.name, "stops": row.stops, "cash_dong": row.cash_dong} | _told(row.tally)
            for row in report.by_postman
        ],
        "deadlines": {
            "in_time": report.in_time,
            "late": report.late,
            "without": report.without_deadline,
            "by_days": [row._asdict() for row in report.speed],
        },
        "open": {
            "on": report.open_on,
            "items": report.open_items,
            "overdue": report.overdue,
            "by_age": [row._asdict() for row in report.ages],
        },
        "money": [row._asdict() for row in report.money],
        "pockets": [row._asdict() | {"difference_dong": row.difference_dong} for row in report.pockets],
    }
