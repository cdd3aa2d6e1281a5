"""An agency's own reports: of every dossier, and of every day, as JSON, .csv and .xlsx, each with its digest."""

import base64
import csv
import io
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from flask import Response
from marshmallow import fields

from api.auth import caller, roles
from api.conventions import (
    Blueprint,
    Id,
    Instant,
    LocalDay,
    Strict,
    Text,
    Whole,
    Word,
    after_cursor,
    desk,
    now,
    page,
    page_of,
)
from courier import dossiers
from courier.domain.calendar import ZONE, local_day
from courier.domain.errors import FieldError, Invalid
from courier.domain.item import Direction, State
from courier.domain.people import Scope
from courier.dossiers import DayRow, DossierRow, PayeeMoney
from courier.outside import workbook

blueprint = Blueprint(
    "agency_reports", __name__, url_prefix="/api/v1", description="An agency's reports by dossier and by day"
)

_ROLES: Final = ("agency", "admin")
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CSV: Final = "text/csv; charset=utf-8"
_USUAL_DAYS: Final = 31
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


# --------------------------------------------------------------------------------------------------------- shapes
class SpanQuery(Strict):
    """From which day to which, both counted in; without them the last 31 days. An admin names the agency."""

    first = LocalDay(load_default=None)
    last = LocalDay(load_default=None)
    agency = Id(load_default=None)


class DossierQuery(SpanQuery):
    """The same, page by page."""

    limit = Whole(minimum=1, maximum=200, load_default=50)
    after = Text(at_least=1, at_most=500, load_default=None)


class MoneySchema(Strict):
    """Money for one payee: asked for, paid at the door, owed to the payee by the books, and of that in the post's till or bank."""

    payee = fields.String(required=True)
    due_dong = fields.Integer(required=True)
    paid_dong = fields.Integer(required=True)
    booked_dong = fields.Integer(required=True)
    remitted_dong = fields.Integer(required=True)
    remitted = fields.Boolean(required=True)


class TrySchema(Strict):
    """A call in vain."""

    at = Instant(required=True)
    reason = fields.String(required=True)


class DossierSchema(Strict):
    """What became of a dossier."""

    item = Id(required=True)
    barcode = fields.String(required=True)
    dossier_code = fields.String(required=True)
    direction = Word(list(Direction), required=True)
    state = Word(list(State), required=True)
    handed_over_at = Instant(required=True)
    deliver_by = LocalDay(required=True, allow_none=True)
    ended_at = Instant(required=True, allow_none=True)
    attempts = fields.List(fields.Nested(TrySchema), required=True)
    money = fields.List(fields.Nested(MoneySchema), required=True)


class DayMoneySchema(Strict):
    """Money for one payee of a day of business."""

    payee = fields.String(required=True)
    paid_dong = fields.Integer(required=True)
    booked_dong = fields.Integer(required=True)
    remitted_dong = fields.Integer(required=True)


class ReasonSchema(Strict):
    """How often a call was in vain for a reason."""

    reason = fields.String(required=True)
    attempts = Whole(required=True)


class DaySchema(Strict):
    """What happened to an agency's items on a day."""

    date = LocalDay(required=True)
    received = Whole(required=True)
    delivered = Whole(required=True)
    failed = Whole(required=True)
    returned = Whole(required=True)
    reasons = fields.List(fields.Nested(ReasonSchema), required=True)
    money = fields.List(fields.Nested(DayMoneySchema), required=True)


class DaysSchema(Strict):
    """One row a day."""

    data = fields.List(fields.Nested(DaySchema), required=True)
    next = fields.String(required=True, allow_none=True)


# ---------------------------------------------------------------------------------------------------------- views
@blueprint.route("/reports/dossiers", methods=["GET"])
@roles(*_ROLES, scope=Scope.REPORTS_READ)
@blueprint.arguments(DossierQuery, location="query")
@blueprint.response(200, page_of(DossierSchema))
def by_dossier(query: dict[str, Any]) -> Any:
    """The dossiers handed over in a span of days, oldest first: state, attempts with their reasons, money by payee."""
    first, last = _span(query)
    rows = dossiers.by_dossier(
        desk(), caller(), first, last, agency_id=query["agency"], after=_after(query["after"]), limit=query["limit"] + 1
    )
    found = page(rows, limit=query["limit"], position=lambda row: [row.handed_over_at.isoformat(), str(row.item)])
    return found | {"data": [_dossier(row) for row in found["data"]]}


@blueprint.route("/reports/days", methods=["GET"])
@roles(*_ROLES, scope=Scope.REPORTS_READ)
@blueprint.arguments(SpanQuery, location="query")
@blueprint.response(200, DaysSchema)
def by_day(query: dict[str, Any]) -> Any:
    """Every day of a span: received, delivered, tried in vain with the reasons, returned, money by payee."""
    rows = dossiers.by_day(desk(), caller(), *_span(query), agency_id=query["agency"])
    return {"data": [_day(row) for row in rows], "next": None}


def _file(kind: str) -> dict[str, Any]:
    return {"200": {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}, "description": "the file"}}


@blueprint.route("/reports/dossiers.csv", methods=["GET"])
@roles(*_ROLES, scope=Scope.REPORTS_READ)
@blueprint.arguments(SpanQuery, location="query")
@blueprint.response(200, description="the file", content_type="text/csv")
@blueprint.doc(responses=_file("text/csv"))
def dossiers_csv(query: dict[str, Any]) -> Response:
    """The same as a table in UTF-8, one line for each dossier and payee."""
    first, last = _span(query)
    return _kept(
        _as_csv(_DOSSIER_HEADINGS, _dossier_lines(_every(query, first, last))), _CSV, f"ho-so-{first}-{last}.csv"
    )


@blueprint.route("/reports/dossiers.xlsx", methods=["GET"])
@roles(*_ROLES, scope=Scope.REPORTS_READ)
@blueprint.arguments(SpanQuery, location="query")
@blueprint.response(200, description="the file", content_type=_XLSX)
@blueprint.doc(responses=_file(_XLSX))
def dossiers_xlsx(query: dict[str, Any]) -> Response:
    """The same as a workbook, with the days on a second sheet."""
    first, last = _span(query)
    rows = _every(query, first, last)
    days = dossiers.by_day(desk(), caller(), first, last, agency_id=query["agency"])
    title = f"{first:%d/%m/%Y} - {last:%d/%m/%Y}"
    content = workbook.written(
        [
            workbook.Table("Hồ sơ", title, _DOSSIER_HEADINGS, _dossier_lines(rows)),
            workbook.Table("Ngày", title, _DAY_HEADINGS, _day_lines(days)),
        ]
    )
    return _kept(content, _XLSX, f"ho-so-{first}-{last}.xlsx")


def _with_digest(answer: Response) -> Response:
    """`Content-Digest` (RFC 9530): whoever keeps a report can prove later which one it was."""
    digest = base64.b64encode(sha256(answer.get_data()).digest()).decode()
    answer.headers["Content-Digest"] = f"sha-256=:{digest}:"
    return answer


blueprint.after_request(_with_digest)


# ------------------------------------------------------------------------------------------------- reading and telling
def _span(query: dict[str, Any]) -> tuple[date, date]:
    last = query["last"] or local_day(now())
    if last > date.max - timedelta(days=2):
        raise Invalid(FieldError("last", "invalid", f"Ngày {last} quá xa."))
    earliest = date.min + timedelta(days=_USUAL_DAYS)
    first = query["first"] or max(last, earliest) - timedelta(days=_USUAL_DAYS - 1)
    if first < earliest:
        raise Invalid(FieldError("first", "invalid", f"Ngày {first} quá xa."))
    return first, last


def _after(text: str | None) -> tuple[datetime, UUID] | None:
    found = after_cursor(text, str, str)
    if found is None:
        return None
    try:
        moment, item_id = datetime.fromisoformat(found[0]), UUID(found[1])
        if moment.tzinfo is None:
            raise ValueError(found[0])
    except ValueError:
        raise Invalid(FieldError("after", "invalid", "Not a cursor of this list.")) from None
    return moment, item_id


def _every(query: dict[str, Any], first: date, last: date) -> list[DossierRow]:
    rows = dossiers.by_dossier(
        desk(), caller(), first, last, agency_id=query["agency"], limit=dossiers.MOST_IN_A_FILE + 1
    )
    if len(rows) > dossiers.MOST_IN_A_FILE:
        sentence = f"Khoảng này có hơn {dossiers.MOST_IN_A_FILE} hồ sơ: hãy chọn ít ngày hơn."
        raise Invalid(FieldError("last", "too-many-rows", sentence))
    return rows


def _dossier(row: DossierRow) -> dict[str, Any]:
    return {
        "item": row.item,
        "barcode": row.barcode,
        "dossier_code": row.dossier_code,
        "direction": row.direction,
        "state": row.state,
        "handed_over_at": row.handed_over_at.astimezone(ZONE),
        "deliver_by": row.deliver_by,
        "ended_at": row.ended_at.astimezone(ZONE) if row.ended_at is not None else None,
        "attempts": [{"at": one.at.astimezone(ZONE), "reason": one.reason} for one in row.tries],
        "money": [_money(one) | {"due_dong": one.due, "remitted": one.is_remitted} for one in row.money],
    }


def _money(one: PayeeMoney) -> dict[str, Any]:
    return {
        "payee": one.payee,
        "paid_dong": one.paid,
        "booked_dong": one.booked,
        "remitted_dong": one.remitted,
    }


def _day(row: DayRow) -> dict[str, Any]:
    return {
        "date": row.day,
        "received": row.received,
        "delivered": row.delivered,
        "failed": row.failed,
        "returned": row.returned,
        "reasons": [{"reason": reason, "attempts": count} for reason, count in sorted(row.reasons.items())],
        "money": [_money(row.money[payee]) for payee in sorted(row.money)],
    }


_DOSSIER_HEADINGS: Final = (
    "Mã bưu gửi", "Mã hồ sơ", "Chiều", "Trạng thái", "Bàn giao lúc", "Hạn phát", "Kết thúc lúc", "Lượt phát không thành",
    "Lý do", "Bên hưởng", "Phải thu", "Đã thu", "Đã ghi nhận", "Đã nộp",
)  # fmt: skip
_DAY_HEADINGS: Final = (
    "Ngày", "Nhận", "Đã phát", "Phát không thành", "Đã trả lại", "Lý do", "Bên hưởng", "Đã thu", "Đã ghi nhận", "Đã nộp",
)  # fmt: skip


def _dossier_lines(rows: Sequence[DossierRow]) -> list[list[workbook.Cell]]:
    lines: list[list[workbook.Cell]] = []
    for row in rows:
        shared: list[workbook.Cell] = [
            row.barcode,
            row.dossier_code,
            row.direction,
            row.state,
            _moment(row.handed_over_at),
            row.deliver_by,
            _moment(row.ended_at),
            len(row.tries),
            ", ".join(one.reason for one in row.tries),
        ]
        lines += [[*shared, one.payee, one.due, one.paid, one.booked, one.remitted] for one in row.money]
        lines += [] if row.money else [[*shared, None, 0, 0, 0, 0]]
    return lines


def _day_lines(rows: Sequence[DayRow]) -> list[list[workbook.Cell]]:
    lines: list[list[workbook.Cell]] = []
    for row in rows:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(row.reasons.items()))
        shared: list[workbook.Cell] = [row.day, row.received, row.delivered, row.failed, row.returned, reasons]
        money = [row.money[payee] for payee in sorted(row.money)]
        lines += [[*shared, one.payee, one.paid, one.booked, one.remitted] for one in money]
        lines += [] if money else [[*shared, None, 0, 0, 0]]
    return lines


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M") if moment is not None else None


def _as_csv(headings: Sequence[str], lines: Sequence[Sequence[workbook.Cell]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(headings)
    # A program that opens the table takes a text that begins so for a formula.
    writer.writerows(
        [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAS) else cell for cell in line]
        for line in lines
    )
    return b"\xef\xbb\xbf" + file.getvalue().encode()


def _kept(content: bytes, kind: str, name: str) -> Response:
    return Response(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
