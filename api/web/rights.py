"""The citizen's further pages behind a link: to complain, rate, pay, read data and messages. Each needs the proof of the phone."""

import hmac
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Response, current_app, request

from api.auth import form_token, public
from api.conventions import desk, may_send, now
from api.privacy import own_data
from api.public import visitor
from api.web import barcodes, forms, page
from api.web.citizen import unknown_link
from api.web.page import Trouble
from api.web.texts import t
from courier import complaints, notices, prepaying, privacy, ratings, tracking
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
@may_send(complaints.MOST_PHOTO_BYTES + 65_536)
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
    words = forms.prose("text", at_most=complaints.MOST_WORDS)
    sent = request.files.get("photo")
    # Its name is the sender's word and is never used.
    return {"kind": kind, "words": words, "photo": (sent.read() if sent is not None else b"") or None}


# -------------------------------------------------------------------------------------------------------------- rating
@blueprint.get("/rating")
@public
@_proven
def rating(token: str, item_id: UUID) -> Response:
    """The last visit, and what was thought of it."""
    return _rating_page(token, item_id)


def _rating_page(token: str, item_id: UUID, trouble: Trouble | None = None) -> Response:
    return page.show(
        "citizen/rating.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        token=token,
        visit=ratings.last_visit(desk(), item_id, at=now()),
        most=citizen_rights.in_force(desk().facts.rights.ratings, local_day(now())).most_letters,
        form_token=_form_token(),
    )


@blueprint.post("/rating")
@public
@_proven
@forms.once
def rate(token: str, item_id: UUID) -> Response:
    """Take a rating, or its change."""
    try:
        stars = forms.whole("stars", least=1, most=5)
        ratings.rate(desk(), item_id, stars=stars, words=forms.prose("text", at_most=forms.LONGEST), at=now())
    except (Invalid, Refused) as fault:
        return _rating_page(token, item_id, Trouble.of(fault))
    return page.go("rights_pages.rating", token=token, done="rated")


# ----------------------------------------------------------------------------------------------- paying before the visit
@blueprint.get("/pay")
@public
@_proven
def pay(token: str, item_id: UUID) -> Response:
    """What can be paid, what to transfer, and what the office has seen."""
    return _pay_page(token, item_id)


def _pay_page(token: str, item_id: UUID, trouble: Trouble | None = None) -> Response:
    return page.show(
        "citizen/pay.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        token=token,
        found=prepaying.ahead(desk(), item_id),
        qr=barcodes.qr,
        form_token=_form_token(),
    )


@blueprint.post("/pay")
@public
@_proven
@forms.once
def make_order(token: str, item_id: UUID) -> Response:
    """Make the code of a transfer to one payee."""
    try:
        prepaying.ask(desk(), item_id, payee=forms.required("payee", at_most=100), at=now())
    except (Invalid, Refused) as fault:
        return _pay_page(token, item_id, Trouble.of(fault))
    return page.go("rights_pages.pay", token=token, done="order_made")


# ---------------------------------------------------------------------------------------------------------------- data
@blueprint.get("/data")
@public
@_proven
def data(token: str, item_id: UUID) -> Response:
    """What is stored, who looked, what was asked, and a form to ask."""
    return _data_page(token, item_id)


def _data_page(token: str, item_id: UUID, trouble: Trouble | None = None) -> Response:
    stored = privacy.stored(desk(), item_id, at=now(), whole=False)
    restricted = stored["item"]["restricted_at"]
    return page.show(
        "citizen/data.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        token=token,
        stored=stored,
        restricted_at=datetime.fromisoformat(restricted) if restricted else None,
        looks=privacy.looks(desk(), item_id),
        requests=privacy.of_item(desk(), item_id, at=now()),
        kinds=list(citizen_rights.Wish),
        most=privacy.MOST_WORDS,
        form_token=_form_token(),
    )


@blueprint.get("/data.json")
@public
@_proven
def data_file(token: str, item_id: UUID) -> Response:  # noqa: ARG001 - the address carries it
    """The same as a file to keep."""
    answer = Response(current_app.json.dumps(own_data(item_id)), mimetype="application/json")
    answer.headers["Content-Disposition"] = 'attachment; filename="du-lieu-cua-toi.json"'
    return answer


@blueprint.post("/data")
@public
@_proven
@forms.once
def ask(token: str, item_id: UUID) -> Response:
    """Take a request in."""
    try:
        try:
            kind = citizen_rights.Wish(request.form.get("kind", ""))
        except ValueError:
            raise Invalid(FieldError("kind", "invalid", t("form.choose"))) from None
        words = forms.prose("text", at_most=privacy.MOST_WORDS)
        privacy.ask(desk(), item_id, kind=kind, words=words, at=now())
    except (Invalid, Refused) as fault:
        return _data_page(token, item_id, Trouble.of(fault))
    return page.go("rights_pages.data", token=token, done="request_sent")
