"""What citizens ask of the office in writing (đơn thư): complaints with their answers, and what they think of visits."""

from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, may_send, now
from api.ratings import asked_month
from api.web import forms, page
from api.web.page import Trouble
from api.web.rights import complaint_sent
from courier import complaints as cases_of
from courier import privacy, tracking
from courier import ratings as marks_of
from courier.domain import citizen_rights
from courier.domain.calendar import local_day
from courier.domain.errors import Invalid, Refused, Stale
from courier.domain.money import MOST_DONG

blueprint = page.pages("petition_pages", __name__)

_MOST_VERSIONS = 2**31 - 1


@blueprint.get("/d/complaints")
@roles("dispatcher", "admin")
def complaints() -> Response:
    """The office's complaints, overdue ones first; an admin sees all offices."""
    answered = bool(request.args.get("answered"))
    found = cases_of.queue(desk(), caller(), answered=answered, at=now())
    return page.show("petitions/complaints.html", cases=found, answered=answered)


@blueprint.get("/d/complaints/<uuid:complaint_id>")
@roles("dispatcher", "admin")
def complaint(complaint_id: UUID) -> Response:
    """One complaint with the form for its answer."""
    return _complaint_page(complaint_id)


def _complaint_page(complaint_id: UUID, trouble: Trouble | None = None) -> Response:
    return page.show(
        "petitions/complaint.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        case=cases_of.get(desk(), caller(), complaint_id, at=now()),
        most=cases_of.MOST_WORDS,
    )


@blueprint.post("/d/complaints/<uuid:complaint_id>")
@roles("dispatcher", "admin")
def answer(complaint_id: UUID) -> Response:
    """Settle it in words; a second press finds it settled."""
    try:
        amount = forms.whole("compensation_dong", most=MOST_DONG, default=0)
        cases_of.answer(
            desk(),
            caller(),
            complaint_id,
            words=forms.prose("answer", at_most=cases_of.MOST_WORDS),
            compensation_dong=amount,
            version=forms.whole("version", most=_MOST_VERSIONS),
            at=now(),
        )
    except (Invalid, Refused, Stale) as fault:
        return _complaint_page(complaint_id, Trouble.of(fault))
    return page.go("petition_pages.complaint", complaint_id=complaint_id, done="complaint_answered")


# --------------------------------------------------------------------------------------------------------- on behalf
@blueprint.get("/items/<uuid:item_id>/complaint")
@roles("dispatcher", "clerk", "admin")
def behalf(item_id: UUID) -> Response:
    """The form for somebody at the counter, or on the phone."""
    return _behalf_page(item_id)


def _behalf_page(item_id: UUID, trouble: Trouble | None = None) -> Response:
    view = tracking.get_item(desk(), caller(), item_id)
    return page.show(
        "petitions/behalf.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        view=view,
        cases=cases_of.of_item(desk(), item_id, at=now()),
        kinds=list(citizen_rights.Trouble),
        most=cases_of.MOST_WORDS,
    )


@blueprint.post("/items/<uuid:item_id>/complaint")
@may_send(cases_of.MOST_PHOTO_BYTES + 65_536)
@roles("dispatcher", "clerk", "admin")
@forms.once
def file(item_id: UUID) -> Response:
    """Write a complaint down."""
    try:
        cases_of.file(desk(), item_id, **complaint_sent(), filed_by=caller(), at=now())
    except (Invalid, Refused) as fault:
        return _behalf_page(item_id, Trouble.of(fault))
    return page.go("petition_pages.behalf", item_id=item_id, done="complaint_sent")


# ----------------------------------------------------------------------------------------------------------- ratings
@blueprint.get("/d/ratings")
@roles("dispatcher", "admin")
def ratings() -> Response:
    """What citizens thought of a month's visits; an admin sees all offices."""
    trouble = None
    try:
        month = asked_month(request.args.get("month"))
    except Invalid as fault:
        month, trouble = asked_month(None), Trouble.of(fault)
    return page.show(
        "petitions/ratings.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        month=month,
        offices=marks_of.of_month(desk(), caller(), month, at=now()),
        rule=citizen_rights.in_force(desk().facts.rights.ratings, local_day(now())),
    )


# ------------------------------------------------------------------------------------------------------ stored data
@blueprint.get("/a/requests")
@roles("admin")
def requests() -> Response:
    """What citizens asked about their data, overdue ones first."""
    return _requests_page()


def _requests_page(trouble: Trouble | None = None) -> Response:
    decided = bool(request.args.get("decided"))
    found = privacy.queue(desk(), decided=decided, at=now())
    status = trouble.status if trouble else 200
    return page.show("petitions/requests.html", status, trouble=trouble, requests=found, decided=decided)


@blueprint.post("/a/requests/<uuid:request_id>")
@roles("admin")
def decide(request_id: UUID) -> Response:
    """Grant or refuse; a second press finds it decided."""
    try:
        privacy.decide(
            desk(),
            caller(),
            request_id,
            grant=request.form.get("grant") == "1",
            reason=forms.prose("reason", at_most=privacy.MOST_WORDS),
            version=forms.whole("version", most=_MOST_VERSIONS),
            at=now(),
        )
    except (Invalid, Refused, Stale) as fault:
        return _requests_page(Trouble.of(fault))
    return page.go("petition_pages.requests", done="request_decided")
