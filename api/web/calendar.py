"""The admin's page of the calendar: which days are special, and a form that declares one worked or off."""

from datetime import date, timedelta
from typing import Final

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import forms, page
from api.web.page import Trouble
from api.web.texts import t
from courier import staffing
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid

blueprint = page.pages("calendar_pages", __name__, prefix="/a/calendar")

_SHOWN: Final = timedelta(days=450)


@blueprint.get("")
@roles("admin")
def days() -> Response:
    """The special days from a month ago on."""
    return _days_page()


def _days_page(trouble: Trouble | None = None) -> Response:
    today = local_day(now())
    found = staffing.special_days(desk(), caller(), first=today - timedelta(days=31), last=today + _SHOWN)
    return page.show(
        "admin/calendar.html", trouble.status if trouble else 200, trouble=trouble, special=found, today=today
    )


@blueprint.post("")
@roles("admin")
def declare() -> Response:
    """Have a day worked or off."""
    try:
        day = forms.day("day")
        if day is None:
            raise Invalid(FieldError("day", "required", t("form.required")))
        works = {"open": True, "closed": False}.get(request.form.get("works", ""))
        if works is None:
            raise Invalid(FieldError("works", "required", t("form.choose")))
        reason = forms.required("reason", at_most=200)
        staffing.declare_day(desk(), caller(), day, works=works, reason=reason, at=now())
    except Invalid as fault:
        return _days_page(Trouble.of(fault))
    return page.go("calendar_pages.days", done="saved")


@blueprint.post("/<day:day>/withdraw")
@roles("admin")
def withdraw(day: date) -> Response:
    """Take back what was declared; who comes second finds it done."""
    staffing.withdraw_day(desk(), caller(), day, at=now())
    return page.go("calendar_pages.days", done="saved")
