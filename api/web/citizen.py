"""The citizen's pages, by link: no account, no script. Where the paper is, when it comes, and what may be changed."""

import hmac
from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from flask import Response, request

from api.auth import form_token, public
from api.conventions import desk, may_send, now
from api.items import file_wish
from api.public import remember, visitor
from api.sessions import address
from api.web import forms, page
from api.web.page import Trouble
from api.web.texts import t
from api.web.wishes import wish_body, wish_kind
from courier import dispatch, tracking
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.item import State
from courier.tracking import PublicView

blueprint = page.pages("citizen_pages", __name__)

# The way of a paper as a citizen reads it; the step that a state stands at.
_TO_THE_DOOR: Final = ("announced", "received", "planned", "out", "delivered")
_FROM_THE_DOOR: Final = ("requested", "planned", "out", "fetched", "lodged")
_AT_THE_OFFICE: Final = ("announced", "received", "awaiting_pickup", "picked_up")
_TO_ANOTHER_OFFICE: Final = ("announced", "received", "forwarded", "awaiting_pickup", "picked_up")
_BACK: Final = ("announced", "received", "returning", "returned")
_CALLED_OFF: Final = ("announced", "cancelled")
_STEP_OF: Final = {"attempted": "out", "held": "received", "to_forward": "received", "at_office": "fetched"}


@blueprint.after_request
def _keep_to_oneself(answer: Response) -> Response:
    # The address of such a page is a key: it must not travel in a Referer.
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def _steps(view: PublicView) -> list[tuple[str, str]]:
    """(step, `done` | `now` | `ahead`) from the first to the last."""
    state = view.state
    way: Sequence[str] = _TO_THE_DOOR if view.direction == "result" else _FROM_THE_DOOR
    if state in (State.AWAITING_PICKUP, State.PICKED_UP):
        way = _AT_THE_OFFICE
    elif state in (State.TO_FORWARD, State.FORWARDED):
        way = _TO_ANOTHER_OFFICE
    elif state in (State.RETURNING, State.RETURNED):
        way = _BACK
    elif state == State.CANCELLED:
        way = _CALLED_OFF
    at = way.index(_STEP_OF.get(state, state))
    over = at == len(way) - 1
    return [(step, "done" if n < at or over else "now" if n == at else "ahead") for n, step in enumerate(way)]


@blueprint.get("/t/<string:token>")
@public
def link(token: str) -> Response:
    """Where it is; details and wishes only for a visitor who knows the phone."""
    return _link_page(token)


def _link_page(token: str, trouble: Trouble | None = None, *, secret: str | None = None) -> Response:
    secret = secret or visitor()
    try:
        view = tracking.by_link(desk(), token, visitor=secret, at=now())
    except Missing:
        return unknown_link()
    proven = view.details is not None
    slots = dispatch.slots(desk(), view.item_id, at=now()) if proven and "reschedule" in view.may else []
    days: dict[date, list[dispatch.Slot]] = {}
    for slot in slots:
        days.setdefault(slot.day, []).append(slot)
    return page.show(
        "citizen/link.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        token=token,
        view=view,
        steps=_steps(view),
        days=days,
        offices=tracking.offices_to_collect_at(desk(), view.item_id) if proven and "pick_up" in view.may else [],
        form_token=form_token(secret) if secret and (proven or view.code_needed) else "",
    )


@blueprint.post("/t/<string:token>/verify")
@public
def verify(token: str) -> Response:
    """The last four digits of the phone open the details for half an hour."""
    try:
        last4 = forms.text("phone_last4", at_most=20)
        if not (len(last4) == 4 and last4.isascii() and last4.isdecimal()):
            raise Invalid(FieldError("phone_last4", "invalid", t("citizen.four_digits")))
        secret, _ = tracking.prove(desk(), token, phone_last4=last4, address=address(), at=now())
    except Missing:
        return unknown_link()
    except Refused as fault:
        told = Trouble.of(fault)
        status = 429 if isinstance(fault, tracking.TooManyTries) else 409
        return _link_page(token, Trouble(t("citizen.not_proven"), status, fault.code, {"phone_last4": told.sentence}))
    except Invalid as fault:
        return _link_page(token, Trouble.of(fault))
    needed = tracking.codes_demanded(desk())
    answer = page.go("citizen_pages.link", token=token, done="digits_proven" if needed else "proven")
    remember(answer, token, secret)
    return answer


@blueprint.post("/t/<string:token>/codes")
@public
def send_code(token: str) -> Response:
    """Send a code to the phone on the dossier, for somebody who has shown its last digits."""
    try:
        _require_form(secret := visitor())
        tracking.send_code(desk(), token, secret, address=address(), at=now())
    except Missing:
        return unknown_link()
    except Refused as fault:
        told = Trouble.of(fault)
        status = 429 if isinstance(fault, tracking.TooManyTries) else 409
        return _link_page(token, Trouble(told.sentence, status, fault.code))
    return page.go("citizen_pages.link", token=token, done="code_sent", _anchor="f-code")


@blueprint.post("/t/<string:token>/code")
@public
def prove_code(token: str) -> Response:
    """The code that came by message opens the details for half an hour."""
    try:
        _require_form(visitor())
        item_id = tracking.require_digits(desk(), token, visitor(), at=now())
        secret, _ = tracking.prove_code(desk(), item_id, forms.text("code", at_most=20).replace(" ", ""), at=now())
    except Missing:
        return unknown_link()
    except Refused as fault:
        told = Trouble.of(fault)
        return _link_page(token, Trouble(t("citizen.not_proven"), told.status, fault.code, {"code": fault.sentence}))
    except Invalid as fault:
        return _link_page(token, Trouble.of(fault))
    answer = page.go("citizen_pages.link", token=token, done="proven")
    remember(answer, token, secret)
    return answer


def _require_form(secret: str | None) -> None:
    """Refuse what our own page of this visitor did not send.

    Raises:
        Refused: `not-verified`.
    """
    sent = request.form.get("form_token", "")
    if secret is None or not hmac.compare_digest(sent.encode(), form_token(secret).encode()):
        raise Refused("not-verified", t("citizen.prove_again"))


def unknown_link() -> Response:
    """The page of a link that does not exist; too many of them from one place are asked for patience."""
    try:
        tracking.note_unknown(desk(), "unknown_link", address=address(), at=now())
    except tracking.TooManyTries as fault:
        return _patience(fault)
    return page.show("citizen/unknown.html", 404)


def _patience(fault: tracking.TooManyTries) -> Response:
    answer = page.show("citizen/unknown.html", 429)
    answer.headers["Retry-After"] = str(fault.seconds)
    return answer


@blueprint.post("/t/<string:token>/holds")
@public
def hold(token: str) -> Response:
    """Keep a window while the citizen reads it once more; or leave it to others again."""
    try:
        item_id, _ = _who_asks(token)
        if request.form.get("leave"):
            dispatch.leave_slot(desk(), item_id)
            return page.go("citizen_pages.link", token=token, done="hold_left")
        slot_id = forms.text("slot", at_most=100)
        if not slot_id:
            raise Invalid(FieldError("slot", "required", t("wishes.choose_slot")))
        tracking.require_allowed(desk(), item_id, "reschedule", at=now())
        dispatch.hold_slot(desk(), item_id, slot_id, at=now())
    except Missing:
        return unknown_link()
    except (Invalid, Refused) as fault:
        return _link_page(token, Trouble.of(fault))
    return page.go("citizen_pages.link", token=token, done="held", _anchor="held")


def _who_asks(token: str) -> tuple[UUID, str]:
    """The item, and the secret of a visitor who proved himself and sent our own form.

    Raises:
        Missing: no such link.
        Refused: `not-verified` and its like.
    """
    secret = visitor()
    item_id = tracking.require_proven(desk(), token, secret, at=now())
    _require_form(secret)
    return item_id, secret or ""


@blueprint.post("/t/<string:token>/wishes")
@may_send(tracking.MOST_PHOTO_BYTES + 65_536)
@public
@forms.once
def ask(token: str) -> Response:
    """Grant a wish or say why not."""
    try:
        item_id, secret = _who_asks(token)
        tracking.require_allowed(desk(), item_id, wish_kind(), at=now())
        kind = wish_kind()
        done = f"wish_{kind}"
        if not _granted_already(token, kind, secret):
            granted = file_wish(item_id, wish_body(), asked_by=None)
            # He comes when it is there, and not before.
            done += "_elsewhere" if granted.view.state == State.TO_FORWARD else ""
    except Missing:
        return unknown_link()
    except (Invalid, Refused) as fault:
        return _link_page(token, Trouble.of(fault))
    return page.go("citizen_pages.link", token=token, done=done)


def _granted_already(token: str, kind: str, secret: str) -> bool:
    """True when the visit stands at this very window: going back and sending the form again is no second change."""
    if kind != "reschedule":
        return False
    promise = tracking.by_link(desk(), token, visitor=secret, at=now()).promise
    if promise is None or promise.opens_at is None or promise.closes_at is None:
        return False
    slot = f"{promise.day:%Y%m%d}-{promise.opens_at:%H%M}-{promise.closes_at:%H%M}"
    return forms.text("slot", at_most=100) == slot


@blueprint.get("/tracking")
@public
def look_up() -> Response:
    """By code alone: waiting, on the way, at the office, done; nothing of the person."""
    code = request.args.get("code", "").replace("\0", "").strip()[:60]
    try:
        found: Any = tracking.coarse_state(desk(), code, address=address(), at=now()) if code else None
    except tracking.TooManyTries as fault:
        answer = page.show("citizen/tracking.html", 429, code=code, found=None, patience=True)
        answer.headers["Retry-After"] = str(fault.seconds)
        return answer
    return page.show(
        "citizen/tracking.html", 404 if code and found is None else 200, code=code, found=found, patience=False
    )
