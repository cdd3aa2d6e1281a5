"""The citizen's link: where the paper is, which visits can be promised, and what may be changed after a proof."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flask import Response, make_response, request
from marshmallow import fields

from api.auth import public
from api.conventions import (
    Blueprint,
    Dong,
    Flag,
    Instant,
    LocalDay,
    Strict,
    Text,
    Word,
    desk,
    idempotent,
    may_send,
    now,
)
from api.items import (
    ChangeRequestSchema,
    GrantedSchema,
    SlotSchema,
    SlotsSchema,
    WindowSchema,
    file_wish,
    granted_body,
    slot_body,
    slots_body,
    window_body,
)
from api.sessions import address
from courier import dispatch, tracking
from courier.domain.calendar import ZONE
from courier.domain.errors import Missing
from courier.domain.item import State

blueprint = Blueprint("public", __name__, url_prefix="/api/v1")

COOKIE = "courier_visitor"
HEADER = "X-Visitor"
PATIENCE = "`too-many-tries`: too many links that do not exist were asked for from there; Retry-After says for how long"


class PublicOfficeSchema(Strict):
    """Where to ask and to collect."""

    name = fields.String(required=True)
    lat = fields.Float(required=True)
    lon = fields.Float(required=True)


class PublicChargeSchema(Strict):
    """What is to be paid, and to whom."""

    kind = fields.String(required=True)
    payee = fields.String(required=True)
    amount_dong = Dong(required=True)


class HeldSchema(Strict):
    """The window that is kept for this item; `from` and `to` in seconds from midnight of `date`."""

    day = LocalDay(required=True, data_key="date")
    from_ = fields.Integer(required=True, data_key="from")
    to = fields.Integer(required=True)
    expires_at = Instant(required=True)


class ChangeRuleSchema(Strict):
    """The rule by which the visit may be moved: how often, until when, and for how long a window is held."""

    max_moves = fields.Integer(required=True)
    cut_off_days_before = fields.Integer(required=True)
    cut_off_at = fields.String(required=True, metadata={"description": "HH:MM in Asia/Ho_Chi_Minh"})
    hold_minutes = fields.Integer(required=True)


class DetailsSchema(Strict):
    """What only somebody who knows the phone on the dossier sees."""

    recipient = fields.String(required=True)
    address = fields.String(required=True)
    document_type = fields.String(required=True)
    who = fields.String(required=True, allow_none=True)
    charges = fields.List(fields.Nested(PublicChargeSchema), required=True)
    due_dong = fields.Integer(required=True)
    authorised = fields.String(required=True, allow_none=True)
    authorisation = fields.String(
        required=True, allow_none=True, metadata={"description": "the paper that an authorised person must bring"}
    )
    gate_photo = Flag(required=True)
    instructions = fields.String(required=True, allow_none=True)
    hold = fields.Nested(HeldSchema, required=True, allow_none=True)
    moves_left = fields.Integer(required=True)
    change_rule = fields.Nested(ChangeRuleSchema, required=True)
    recipient_code = fields.String(required=True, allow_none=True)


class OvertakenSchema(Strict):
    """A granted request that fell away: the postman had already been there, and his phone could tell of it only later."""

    kind = fields.String(required=True)
    asked_at = Instant(required=True)
    done_at = Instant(required=True)


class PublicItemSchema(Strict):
    """Where the paper is. `details` is null before the proof."""

    state = Word(list(State), required=True)
    direction = fields.String(required=True)
    window = fields.Nested(WindowSchema, required=True, allow_none=True)
    office = fields.Nested(PublicOfficeSchema, required=True)
    hold_deadline = LocalDay(required=True, allow_none=True)
    hold_days = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "why that deadline: so many days from the first invitation, by the attempt rule"},
    )
    bring = fields.List(fields.String(), required=True)
    may = fields.List(fields.String(), required=True)
    details = fields.Nested(DetailsSchema, required=True, allow_none=True)
    overtaken = fields.Nested(OvertakenSchema, required=True, allow_none=True)


class VerifySchema(Strict):
    """The last four digits of the phone on the dossier, and the code that was sent to it."""

    phone_last4 = Text(at_least=4, at_most=4, pattern=r"^[0-9]{4}$", required=True)
    code = Text(at_least=6, at_most=6, pattern=r"^[0-9]{6}$", load_default=None)


class VerifiedSchema(Strict):
    """Send `visitor` as the header X-Visitor for half an hour; browsers get it as a cookie too."""

    visitor = fields.String(required=True)
    expires_at = Instant(required=True)
    code_needed = Flag(
        required=True,
        metadata={
            "description": "this installation asks for a code: POST codes, then verify with `code`; no details before"
        },
    )
    item = fields.Nested(PublicItemSchema, required=True)


def counted(view: Callable[..., Any]) -> Callable[..., Any]:
    """Count links that do not exist by where they are asked from; when it is enough, the answer is 429."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except Missing:
            tracking.note_unknown(desk(), "unknown_link", address=address(), at=now())
            raise

    return guarded


def visitor() -> str | None:
    """What this visitor got from the proof, or None."""
    return request.headers.get(HEADER) or request.cookies.get(COOKIE)


def _body(view: tracking.PublicView) -> dict[str, Any]:
    return {
        "state": view.state,
        "direction": view.direction,
        "window": window_body(view),
        "office": {"name": view.office.name, "lat": view.office.lat, "lon": view.office.lon},
        "hold_deadline": view.held_until,
        "hold_days": view.hold_days,
        "bring": view.bring,
        "may": sorted(view.may),
        "details": view.details,
        "overtaken": {
            "kind": view.overtaken.kind,
            "asked_at": view.overtaken.asked_at.astimezone(ZONE),
            "done_at": view.overtaken.done_at.astimezone(ZONE),
        }
        if view.overtaken
        else None,
    }


@blueprint.route("/public/items/<string:token>", methods=["GET"])
@public
@blueprint.response(200, PublicItemSchema)
@blueprint.alt_response(429, description=PATIENCE)
@counted
def show(token: str) -> Any:
    """Where the paper is and when it comes."""
    return _body(tracking.by_link(desk(), token, visitor=visitor(), at=now()))


@blueprint.route("/public/items/<string:token>/verify", methods=["POST"])
@public
@blueprint.arguments(VerifySchema)
@blueprint.response(200, VerifiedSchema)
@blueprint.alt_response(409, description="`wrong-digits`, `wrong-code`, `code-over`, `no-phone`")
@blueprint.alt_response(429, description="`too-many-tries`; Retry-After says for how long")
@counted
def verify(body: Mapping[str, Any], token: str) -> Any:
    """Show the last four digits of the phone, and the code where one is asked for; opens the details for half an hour."""
    secret, expires_at = tracking.prove(
        desk(), token, phone_last4=body["phone_last4"], code=body["code"], address=address(), at=now()
    )
    view = tracking.by_link(desk(), token, visitor=secret, at=now())
    answer = {
        "visitor": secret,
        "expires_at": expires_at.astimezone(ZONE),
        "code_needed": view.code_needed,
        "item": _body(view),
    }
    response: Response = make_response(VerifiedSchema().dump(answer))
    remember(response, token, secret)
    return response


class CodeSentSchema(Strict):
    """A code is on its way to the phone on the dossier."""

    to = fields.String(required=True, metadata={"description": "the phone but for its last digits"})
    expires_at = Instant(required=True)


@blueprint.route("/public/items/<string:token>/codes", methods=["POST"])
@public
@blueprint.response(201, CodeSentSchema)
@blueprint.alt_response(409, description="`not-verified`: the digits come first")
@blueprint.alt_response(429, description="`too-many-codes`; Retry-After says for how long")
@counted
def send_code(token: str) -> Any:
    """Send a one-time code to the phone on the dossier; it is good once, for five minutes, and ends the one before."""
    sent = tracking.send_code(desk(), token, visitor(), address=address(), at=now())
    return {"to": sent.to, "expires_at": sent.expires_at.astimezone(ZONE)}


def remember(response: Response, token: str, secret: str) -> None:
    """Give the browser the proof, for this link alone."""
    for path in (f"/api/v1/public/items/{token}", f"/t/{token}"):
        response.set_cookie(
            COOKIE,
            secret,
            max_age=int(desk().facts.visiting.visit.total_seconds()),
            path=path,
            httponly=True,
            samesite="Strict",
            secure=desk().settings.secure_cookies,
        )


@blueprint.route("/public/items/<string:token>/slots", methods=["GET"])
@public
@blueprint.response(200, SlotsSchema)
@blueprint.alt_response(429, description=PATIENCE)
@counted
def slots(token: str) -> Any:
    """The windows in which the item can really be served, over the coming days."""
    return slots_body(tracking.item_id_of(desk(), token))


class HoldQuerySchema(Strict):
    """A window to keep for a few minutes."""

    slot = Text(at_least=1, at_most=100, required=True, metadata={"description": "an id of /slots"})


class HoldSchema(Strict):
    """A window that is kept: until `expires_at` nobody else is offered its place."""

    slot = fields.Nested(SlotSchema, required=True)
    expires_at = Instant(required=True)


def proven(view: Callable[..., Any]) -> Callable[..., Any]:
    """A route for whoever has the link and has shown whose it is, counted as `counted` does.

    The proof is asked for before an answer is kept or given again: nobody else fills the books or reads the citizen's answer.
    """

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        tracking.require_proven(desk(), kwargs["token"], visitor(), at=now())
        return view(*args, **kwargs)

    return public(blueprint.alt_response(429, description=PATIENCE)(counted(guarded)))


@blueprint.route("/public/items/<string:token>/slot-holds", methods=["POST"])
@proven
@blueprint.arguments(HoldQuerySchema)
@blueprint.response(201, HoldSchema)
@blueprint.alt_response(
    409, description="`slot-gone` with the windows still free, `too-many-holds`, or why it cannot be moved"
)
def hold(body: Mapping[str, Any], token: str) -> Any:
    """Keep a window for some minutes while the citizen decides; the next one takes its place."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    tracking.require_allowed(desk(), item_id, "reschedule", at=now())
    held = dispatch.hold_slot(desk(), item_id, body["slot"], at=now())
    return {"slot": slot_body(held.slot), "expires_at": held.expires_at.astimezone(ZONE)}


@blueprint.route("/public/items/<string:token>/change-requests", methods=["POST"])
@proven
@idempotent
@blueprint.arguments(ChangeRequestSchema)
@blueprint.response(201, GrantedSchema)
def ask(body: Mapping[str, Any], token: str) -> Any:
    """Ask for a change; granted at once or refused with a code."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    return granted_body(file_wish(item_id, body, asked_by=None))


@blueprint.route("/public/items/<string:token>/gate-photo", methods=["PUT"])
@may_send(tracking.MOST_PHOTO_BYTES)
@proven
@blueprint.doc(
    requestBody={"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}, "required": True}
)
@blueprint.response(200, GrantedSchema)
@blueprint.alt_response(409, description="`not-a-picture`, or why nothing may be changed")
@blueprint.alt_response(413, description="larger than 8 MiB")
def gate_photo(token: str) -> Any:
    """Give the postman a picture of the gate: JPEG, PNG or WebP. It is drawn anew without what the camera wrote beside it."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    tracking.require_allowed(desk(), item_id, "instruct", at=now())
    wish = tracking.Wish("instruct", photo=tracking.put_away_photo(desk(), request.get_data()))
    return granted_body(tracking.request_change(desk(), item_id, wish, asked_by=None, at=now()))
