"""The citizen's further pages behind a link: complaints, messages. Plain forms; each opens only after the proof of the phone."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Response, request

from api.auth import form_token, public
from api.conventions import desk, now
from api.public import visitor
from api.web import forms, page
from api.web.citizen import unknown_link
from api.web.page import Trouble
from api.web.texts import t
from courier import complaints, notices, tracking
from courier.domain import citizen_rights
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Missing, Refused

blueprint = page.pages("rights_pages", __name__, prefix="/t/<string:token>")


@blueprint.after_request
def _keep_to_oneself(answer: Response) -> Response:
    # The address of such a page is a key: it must not travel in a Referer.
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def _proven(view: Callable[..., Response]) -> Callable[..., Response]:
    """Give the view the item's id and the form's token; nobody without the proof gets further, or fills the books."""

    @wraps(view)
    def guarded(token: str, **more: Any) -> Response:
        secret = visitor() or ""
        try:
            item_id = tracking.require_proven(desk(), token, secret or None, at=now())
            if request.method == "POST":
                sent = request.form.get("form_token", "")
                if not hmac.compare_digest(sent.encode(), form_token(secret).encode()):
                    raise Refused("not-verified", t("citizen.prove_again"))
        except Missing:
            return unknown_link()
        except Refused:
            return page.show("citizen/first.html", 403, token=token)
        return view(token=token, item_id=item_id, **more)

    return guarded


def _form_token() -> str:
    return form_token(visitor() or "")


# --------------------------------------------------------------------------------------------------------- complaints
@blueprint.get("/complaint")
@public
@_proven
def complaint(token: str, item_id: UUID) -> Response:
    """What was complained about and answered, and a form for more."""
    return _complaint_page(token, item_id)


def _complaint_page(token: str, item_id: UUID, trouble: Trouble | None = None) -> Response:
    return page.show(
        "citizen/complaint.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        token=token,
        cases=complaints.of_item(desk(), item_id, at=now()),
        rule=citizen_rights.in_force(desk().facts.rights.complaints, local_day(now())),
        kinds=list(citizen_rights.Trouble),
        most=complaints.MOST_WORDS,
        form_token=_form_token(),
    )


@blueprint.post("/complaint")
@public
@_proven
@forms.once
def complain(token: str, item_id: UUID) -> Response:
    """Take a complaint in."""
    try:
        complaints.file(desk(), item_id, **complaint_sent(), filed_by=None, at=now())
    except (Invalid, Refused) as fault:
        return _complaint_page(token, item_id, Trouble.of(fault))
    return page.go("rights_pages.complaint", token=token, done="complaint_sent")


# ------------------------------------------------------------------------------------------------------------ messages
@blueprint.get("/messages")
@public
@_proven
def messages(token: str, item_id: UUID) -> Response:
    """Whether this phone gets messages, and a button for the other."""
    return page.show(
        "citizen/messages.html", token=token, wanted=notices.wants_messages(desk(), item_id), form_token=_form_token()
    )


@blueprint.post("/messages")
@public
@_proven
def choose_messages(token: str, item_id: UUID) -> Response:
    """Take the choice down; pressed twice it is the same choice."""
    notices.choose(desk(), item_id, wanted=request.form.get("wanted") == "yes", at=now())
    return page.go("rights_pages.messages", token=token, done="messages_chosen")


def complaint_sent() -> dict[str, Any]:
    """Kind and words of a complaint's form.

    Raises:
        Invalid: no kind was chosen, or the words are too many.
    """
    try:
        kind = citizen_rights.Trouble(request.form.get("kind", ""))
    except ValueError:
        raise Invalid(FieldError("kind", "invalid", t("form.choose"))) from None
    return {"kind": kind, "words": forms.prose("text", at_most=complaints.MOST_WORDS)}
