"""What citizens ask of the office in writing (đơn thư): the queue of complaints, its answers, and filing on somebody's behalf."""

from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import forms, page
from api.web.page import Trouble
from api.web.rights import complaint_sent
from courier import complaints as cases_of
from courier import tracking
from courier.domain import citizen_rights
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
@roles("dispatcher", "clerk", "admin")
@forms.once
def file(item_id: UUID) -> Response:
    """Write a complaint down."""
    try:
        cases_of.file(desk(), item_id, **complaint_sent(), filed_by=caller(), at=now())
    except (Invalid, Refused) as fault:
        return _behalf_page(item_id, Trouble.of(fault))
    return page.go("petition_pages.behalf", item_id=item_id, done="complaint_sent")
