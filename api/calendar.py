"""The province's calendar: days worked or off for everybody, over what the calendar says."""

from datetime import date, timedelta
from typing import Any

from marshmallow import fields

from api.auth import caller, roles
from api.conventions import Blueprint, Flag, LocalDay, Name, Problem, Strict, desk, now
from courier import staffing
from courier.domain.calendar import local_day

blueprint = Blueprint(
    "calendar", __name__, url_prefix="/api/v1", description="Days worked or off for the whole province"
)

_USUAL = timedelta(days=365)
_MOST = timedelta(days=1500)


class DayOffSchema(Strict):
    """What a day is: whether it counts in legal deadlines, and whether postmen go out (`full`, `half`, `closed`)."""

    working = fields.Boolean(required=True)
    delivery = fields.String(required=True)
    name = fields.String(required=True)
    confirmed = fields.Boolean(required=True)


class SpecialDaySchema(Strict):
    """A day that differs from its week; `calendar` is what the calendar alone says, `planned` the offices with a published plan."""

    day = LocalDay(required=True)
    now = fields.Nested(DayOffSchema, required=True)
    calendar = fields.Nested(DayOffSchema, required=True, allow_none=True)
    declared = fields.Boolean(required=True)
    planned = fields.List(fields.String(), required=True)


class SpecialDaysSchema(Strict):
    """The special days of a span, in order."""

    data = fields.List(fields.Nested(SpecialDaySchema), required=True)
    next = fields.String(required=True, allow_none=True)


class SpanQuery(Strict):
    """From the first to the last day, both included; a year from today where left out."""

    first = LocalDay(load_default=None)
    last = LocalDay(load_default=None)


class DeclaredSchema(Strict):
    """What a day is to be, and why."""

    works = Flag(required=True)
    reason = Name(required=True)


@blueprint.route("/calendar")
@roles("admin")
@blueprint.arguments(SpanQuery, location="query")
@blueprint.response(200, SpecialDaysSchema)
@blueprint.alt_response(422, description="the span ends before it begins, or is longer than four years")
def list_special_days(query: dict[str, Any]) -> Any:
    """Holidays, days worked in exchange, and what was declared."""
    first = query["first"] or local_day(now())
    last = query["last"] or first + _USUAL
    if not first <= last <= first + _MOST:
        raise Problem(422, "span", f"Không liệt kê được từ {first:%d/%m/%Y} đến {last:%d/%m/%Y}.")
    return {"data": staffing.special_days(desk(), caller(), first=first, last=last), "next": None}


@blueprint.route("/calendar/<day:day>", methods=["PUT"])
@roles("admin")
@blueprint.arguments(DeclaredSchema)
@blueprint.response(200, SpecialDaySchema)
def declare_day(body: dict[str, Any], day: date) -> Any:
    """Have a day worked or off for everybody. Saying it twice is saying it once."""
    return staffing.declare_day(desk(), caller(), day, works=body["works"], reason=body["reason"], at=now())


@blueprint.route("/calendar/<day:day>", methods=["DELETE"])
@roles("admin")
@blueprint.response(204)
def withdraw_day(day: date) -> None:
    """Let the calendar alone say what the day is."""
    staffing.withdraw_day(desk(), caller(), day, at=now())
