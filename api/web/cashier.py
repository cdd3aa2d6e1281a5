"""The cashier's pages: the evening, counting one postman's notes, transfers to confirm, and what is owed to payees."""

from datetime import date
from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import forms, page
from api.web.dispatcher import asked_day, assign, close, days_around, incidents_page
from api.web.page import Trouble
from courier import cashdesk, prepaying
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Refused

blueprint = page.pages("cashier_pages", __name__, prefix="/c")

_MOST_NOTES = 100_000
_SOURCES = ("till", "bank")


@blueprint.get("")
@roles("cashier")
def evening() -> Response:
    """Every postman of the office: what he should hand in, what stands in the way."""
    day = asked_day()
    days = cashdesk.evening(desk(), caller(), day)
    return page.show(
        "cashier/evening.html",
        day=day,
        today=local_day(now()),
        around=days_around(day),
        days=days,
        expected=sum(row.expected_dong for row in days),
        remitted=sum(row.remitted_dong for row in days),
        transfers=len(cashdesk.claims(desk(), caller())),
    )


@blueprint.get("/<uuid:postman_id>")
@roles("cashier")
def postman(postman_id: UUID) -> Response:
    """Count his notes."""
    return _count_page(postman_id, asked_day())


def _count_page(postman_id: UUID, day: date, trouble: Trouble | None = None) -> Response:
    money = cashdesk.cash_day(desk(), caller(), postman_id, day)
    status = trouble.status if trouble else 200
    return page.show("cashier/count.html", status, trouble=trouble, money=money, day=day, notes=cashdesk.NOTES)


@blueprint.post("/<uuid:postman_id>")
@roles("cashier")
def remit(postman_id: UUID) -> Response:
    """Close a postman's day."""
    day = local_day(now())
    try:
        day = forms.day("day") or day
        counted = {str(note): forms.whole(f"note_{note}", most=_MOST_NOTES, default=0) for note in cashdesk.NOTES}
        cashdesk.remit(
            desk(),
            caller(),
            postman_id,
            day,
            counted={note: number for note, number in counted.items() if number},
            difference_reason=forms.text("difference_reason"),
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _count_page(postman_id, day, Trouble.of(fault))
    return page.go("cashier_pages.postman", postman_id=postman_id, date=day.isoformat(), done="day_closed")


# ---------------------------------------------------------------------------------------------------------- transfers
@blueprint.get("/transfers")
@roles("cashier")
def transfers() -> Response:
    """Transfers seen at doors that the bank has not confirmed."""
    return page.show("cashier/transfers.html", claims=cashdesk.claims(desk(), caller()))


@blueprint.post("/transfers")
@roles("cashier")
@forms.once
def confirm() -> Response:
    """The cashier saw the money on the bank's statement."""
    event_id, charge_id = forms.identity("event"), forms.identity("charge")
    cashdesk.confirm_transfer(desk(), caller(), event_id=event_id, charge_id=charge_id, at=now())
    return page.go("cashier_pages.transfers", done="transfer_confirmed")


# ------------------------------------------------------------------------------------------------ before the visit
@blueprint.get("/prepayments")
@roles("cashier")
def prepayments() -> Response:
    """Transfers that citizens made before the visit, and what they settled."""
    return _prepayments_page()


def _prepayments_page(trouble: Trouble | None = None) -> Response:
    notices = prepaying.noted(desk(), caller())
    status = trouble.status if trouble else 200
    return page.show("cashier/prepayments.html", status, trouble=trouble, notices=notices, today=local_day(now()))


@blueprint.post("/prepayments")
@roles("cashier")
def note_transfer() -> Response:
    """Write down a line of the bank's statement; the bank's own number makes a second press harmless."""
    try:
        prepaying.note(
            desk(),
            caller(),
            reference=forms.required("reference", at_most=64),
            amount_dong=forms.dong("amount_dong"),
            purpose=forms.text("purpose", at_most=prepaying.MOST_PURPOSE),
            booked_on=forms.day("booked_on") or local_day(now()),
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _prepayments_page(Trouble.of(fault))
    return page.go("cashier_pages.prepayments", done="notice_noted")


@blueprint.post("/prepayments/<uuid:notice_id>/refund")
@roles("cashier")
def refund_transfer(notice_id: UUID) -> Response:
    """The money went back at the bank."""
    try:
        prepaying.refund(desk(), caller(), notice_id, at=now())
    except (Invalid, Refused) as fault:
        return _prepayments_page(Trouble.of(fault))
    return page.go("cashier_pages.prepayments", done="notice_refunded")


# ------------------------------------------------------------------------------------------------------------ payouts
@blueprint.get("/payables")
@roles("cashier")
def payables() -> Response:
    """What the office has taken for each payee and not yet handed on."""
    return _payables_page()


def _payables_page(trouble: Trouble | None = None) -> Response:
    owed = cashdesk.payables(desk(), caller())
    status = trouble.status if trouble else 200
    return page.show("cashier/payables.html", status, trouble=trouble, owed=owed, sources=_SOURCES)


@blueprint.post("/payables")
@roles("cashier")
def pay_out() -> Response:
    """Hand money on; the form's own key makes a second press harmless."""
    try:
        source = request.form.get("source", "")
        if source not in _SOURCES:
            raise Invalid(FieldError("source", "invalid", source[:20]))
        cashdesk.pay_out(
            desk(),
            caller(),
            payee=forms.required("payee", at_most=100),
            amount=forms.dong("amount_dong"),
            source=source,
            reference=forms.text("reference", at_most=100),
            key=forms.identity("key"),
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _payables_page(Trouble.of(fault))
    return page.go("cashier_pages.payables", done="paid_out")


# ---------------------------------------------------------------------------------------------------------- incidents
@blueprint.get("/incidents")
@roles("cashier")
def incidents() -> Response:
    """Trouble with an owner; money is the cashier's."""
    return incidents_page("cashier_pages")


@blueprint.post("/incidents/<uuid:incident_id>/assign")
@roles("cashier")
def assign_incident(incident_id: UUID) -> Response:
    """Who sees to it."""
    return assign("cashier_pages", incident_id)


@blueprint.post("/incidents/<uuid:incident_id>")
@roles("cashier")
def close_incident(incident_id: UUID) -> Response:
    """What was decided."""
    return close("cashier_pages", incident_id)
