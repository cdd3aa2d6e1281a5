"""Items as staff and agencies see them: lists, one item, its events, facts from the desks, wishes filed on behalf."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from flask import Response
from marshmallow import fields
from uuid_utils.compat import uuid7

from api.auth import caller, roles
from api.conventions import (
    Blueprint,
    Degrees,
    Dong,
    Flag,
    Id,
    Instant,
    LocalDay,
    PageQuery,
    Strict,
    Text,
    Whole,
    Word,
    after_id,
    desk,
    etag,
    idempotent,
    if_match,
    now,
    page,
    page_of,
    versioned,
)
from courier import dispatch, handover, intake, privacy, tracking
from courier.domain.calendar import ZONE
from courier.domain.errors import FieldError, Invalid
from courier.domain.item import Direction, EventType, State
from courier.domain.money import ChargeKind
from courier.domain.people import Caller, Role, Scope
from courier.phones import media
from courier.store.tables import ItemEvent
from courier.tracking import Granted, ItemView, Wish

blueprint = Blueprint("items", __name__, url_prefix="/api/v1")

READERS = ("postman", "dispatcher", "cashier", "clerk", "admin", "agency")
KINDS = ("reschedule", "redirect", "pick_up", "authorise", "instruct")


# --------------------------------------------------------------------------------------------------------- shapes
class AddressSchema(Strict):
    """Where an item goes: as written, and what is known of the place."""

    raw = fields.String(required=True)
    commune = fields.String(required=True, allow_none=True)
    lat = fields.Float(required=True, allow_none=True)
    lon = fields.Float(required=True, allow_none=True)
    precision = fields.String(required=True)


class ChargeSchema(Strict):
    """A due line."""

    id = Id(required=True)
    kind = Word(list(ChargeKind), required=True)
    payee = fields.String(required=True)
    amount_dong = Dong(required=True)


class ItemSchema(Strict):
    """An item."""

    id = Id(required=True)
    barcode = fields.String(required=True)
    dossier_code = fields.String(required=True)
    document_type = fields.String(required=True)
    direction = Word(list(Direction), required=True)
    state = Word(list(State), required=True)
    custody = Word(("agency", "office", "postman", "recipient"), required=True)
    office = Id(required=True)
    recipient = fields.String(required=True)
    address = fields.Nested(AddressSchema, required=True)
    charges = fields.List(fields.Nested(ChargeSchema), required=True)
    due_dong = fields.Integer(required=True)
    deliver_by = LocalDay(required=True, allow_none=True)
    tracking_url = fields.String(required=True)
    version = Whole(required=True)


class ItemQuery(PageQuery):
    """Filters of the list; `q` finds barcode, dossier code, phone and name, with or without diacritics."""

    state = Word(list(State), load_default=None)
    doubtful = Flag(load_default=False)


class EventSchema(Strict):
    """Something that happened to an item, or an accepted wish."""

    event_id = Id(required=True)
    type = Word(list(EventType), required=True)
    occurred_at = Instant(required=True)
    received_at = Instant(required=True)
    actor = Id(required=True, allow_none=True)
    role = fields.String(required=True)
    result = fields.String(required=True)
    code = fields.String(required=True, allow_none=True)
    data = fields.Dict(required=True)
    waiting_media = fields.List(fields.String(), required=True)


class NewEventSchema(Strict):
    """A fact from a desk (`received`, `picked_up`, `given_back` ...) or an intent (`invited`, `cancelled`)."""

    event_id = Id(metadata={"description": "made by the client, so that sending it twice is harmless"})
    type = Word(list(handover.DESK_FACTS), required=True)
    data = fields.Dict(keys=fields.String(), load_default=dict)


class RecordedSchema(Strict):
    """What became of an event."""

    event_id = Id(required=True)
    result = Word(("applied", "accepted_with_conflict"), required=True)
    code = fields.String(required=True, allow_none=True)
    item = fields.Nested(ItemSchema, required=True)


class ResolveSchema(Strict):
    """A person's decision about a doubtful address."""

    commune = Text(at_least=1, at_most=10, load_default=None)
    hamlet = Text(at_most=100, load_default=None, allow_none=True)
    lat = fields.Float(load_default=None, allow_none=True)
    lon = fields.Float(load_default=None, allow_none=True)
    plus_code = Text(
        at_least=1, at_most=30, load_default=None, metadata={"description": "full, or short near the commune"}
    )
    same_as = Id(load_default=None, metadata={"description": "an earlier item of this recipient: its place is taken"})
    same_address = Flag(load_default=False)


class SlotSchema(Strict):
    """A window in which the item can really be served."""

    id = fields.String(required=True)
    date = LocalDay(required=True)
    from_ = Instant(required=True, data_key="from")
    to = Instant(required=True)


class SlotsSchema(Strict):
    """The windows on offer."""

    slots = fields.List(fields.Nested(SlotSchema), required=True)


class ChangeRequestSchema(Strict):
    """What is asked for; which member is needed depends on the kind."""

    kind = Word(KINDS, required=True)
    slot = Text(at_least=1, at_most=100, load_default=None, metadata={"description": "reschedule: an id of /slots"})
    office = Id(load_default=None, metadata={"description": "pick_up: an office; the item's own when left out"})
    address = Text(at_least=1, at_most=500, load_default=None, metadata={"description": "redirect"})
    person = Text(at_least=1, at_most=200, load_default=None, metadata={"description": "authorise: the full name"})
    text = Text(at_least=1, at_most=500, load_default=None, metadata={"description": "instruct: how to find the door"})
    landmark = Text(at_least=1, at_most=200, load_default=None, metadata={"description": "instruct: what one sees"})
    lat = Degrees(90, load_default=None, metadata={"description": "instruct: where the door is, with `lon`"})
    lon = Degrees(180, load_default=None)
    call_first = Flag(load_default=False, metadata={"description": "instruct: call before you come"})


BASES = ("chosen", "estimated", "learned", "day")


class ExpectedSchema(Strict):
    """When the postman can be expected, as often as `confidence` says."""

    from_ = Instant(required=True, data_key="from")
    to = Instant(required=True)
    confidence = fields.Float(
        required=True, metadata={"description": "the share of calls that begin within it, 0 to 1"}
    )
    basis = Word(BASES, required=True)


class WindowSchema(Strict):
    """When the postman is promised; `from` and `to` are null where only the day is known.

    `basis` is `chosen` (a window that the citizen chose), `estimated` or `learned` (from the plan, the acts of the day and how far
    rounds depart from their plans: as the post knows of all offices, or as this office's own rounds have shown), or `day`.
    """

    date = LocalDay(required=True)
    from_ = Instant(required=True, data_key="from", allow_none=True)
    to = Instant(required=True, allow_none=True)
    basis = Word(BASES, required=True)
    confidence = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "the share of calls that begin within it, 0 to 1; null where nothing is estimated"},
    )
    updated_at = Instant(required=True)
    expected = fields.Nested(
        ExpectedSchema,
        required=True,
        allow_none=True,
        metadata={"description": "beside a chosen window, once it is on a route"},
    )


class GrantedSchema(Strict):
    """The request, and what the item promises now."""

    id = Id(required=True)
    kind = Word(KINDS, required=True)
    asked_at = Instant(required=True)
    asked_by = fields.String(required=True)
    state = fields.String(required=True)
    window = fields.Nested(WindowSchema, required=True, allow_none=True)
    needs = fields.String(
        required=True, allow_none=True, metadata={"description": "authorise: the paper that the person must bring"}
    )


# ------------------------------------------------------------------------------------------------- as dictionaries
def item_body(view: ItemView) -> dict[str, Any]:
    """An item as DESIGN's shape has it."""
    row = view.row
    return {
        "id": row.id,
        "barcode": row.barcode,
        "dossier_code": view.dossier_code,
        "document_type": row.document_type,
        "direction": row.direction,
        "state": row.state,
        "custody": row.custody,
        "office": row.office_id,
        "recipient": row.recipient_name,
        "address": {
            "raw": row.address_raw,
            "commune": row.commune_code,
            "lat": row.lat,
            "lon": row.lon,
            "precision": row.precision,
        },
        "charges": [{"id": c.id, "kind": c.kind, "payee": c.payee, "amount_dong": c.amount_dong} for c in view.charges],
        "due_dong": view.due_dong,
        "deliver_by": row.deliver_by,
        "tracking_url": view.tracking_url,
        "version": row.version,
    }


def event_body(row: ItemEvent, waiting: Collection[str]) -> dict[str, Any]:
    """An event for the history of an item; `waiting` are media that have not arrived."""
    named = {proof.get("sha256") for proof in row.data.get("proofs", ())}
    return {
        "event_id": row.id,
        "type": row.type,
        "occurred_at": row.occurred_at.astimezone(ZONE),
        "received_at": row.received_at.astimezone(ZONE),
        "actor": row.actor_id,
        "role": row.actor_role,
        "result": row.result,
        "code": row.code,
        "data": row.data,
        "waiting_media": sorted(named & set(waiting)),
    }


def window_body(view: tracking.PublicView) -> dict[str, Any] | None:
    """The promise of a visit, or None."""
    promise = view.promise
    if promise is None:
        return None
    beside = promise.expected
    return {
        "date": promise.day,
        "from_": promise.opens_at.astimezone(ZONE) if promise.opens_at else None,
        "to": promise.closes_at.astimezone(ZONE) if promise.closes_at else None,
        "basis": promise.basis,
        "confidence": promise.confidence,
        "updated_at": promise.updated_at.astimezone(ZONE),
        "expected": {
            "from_": beside.opens_at.astimezone(ZONE),
            "to": beside.closes_at.astimezone(ZONE),
            "confidence": beside.confidence,
            "basis": beside.basis,
        }
        if beside is not None and beside.opens_at is not None and beside.closes_at is not None
        else None,
    }


def slots_body(item_id: UUID) -> dict[str, Any]:
    """The windows on offer for an item."""
    return {"slots": [slot_body(slot) for slot in dispatch.slots(desk(), item_id, at=now())]}


def slot_body(slot: dispatch.Slot) -> dict[str, Any]:
    """A window on offer."""
    return {"id": slot.id, "date": slot.day, "from_": slot.opens_at, "to": slot.closes_at}


def granted_body(granted: Granted) -> dict[str, Any]:
    """An accepted request."""
    return {
        "id": granted.request.id,
        "kind": granted.request.kind,
        "asked_at": granted.request.asked_at.astimezone(ZONE),
        "asked_by": granted.request.asked_by,
        "state": granted.view.state,
        "window": window_body(granted.view),
        "needs": granted.needs,
    }


def file_wish(item_id: UUID, body: Mapping[str, Any], *, asked_by: Caller | None) -> Granted:
    """Grant the wish in a request's body; a window is looked at again, because others may have taken it since it was shown.

    Raises:
        Refused: by the rules, or the window cannot be served any more.
        Invalid: a member is missing.
    """
    at = now()
    if body["kind"] == "reschedule" and body["slot"] is not None:
        tracking.require_allowed(desk(), item_id, "reschedule", at=at)
        return dispatch.take_slot(
            desk(),
            item_id,
            body["slot"],
            at=at,
            grant=lambda session, slot: tracking.grant(
                session,
                desk(),
                item_id,
                Wish("reschedule", day=slot.day, from_=slot.from_, to=slot.to),
                asked_by=asked_by,
                at=at,
            ),
        )
    if (body["lat"] is None) != (body["lon"] is None):
        raise Invalid(FieldError("lat", "required", "`lat` and `lon` come together."))
    wish = Wish(
        body["kind"],
        address=body["address"],
        person=body["person"],
        text=body["text"],
        office=body["office"],
        landmark=body["landmark"],
        point=(body["lat"], body["lon"]) if body["lat"] is not None else None,
        call_first=body["call_first"],
        photo=body.get("photo"),
    )
    return tracking.request_change(desk(), item_id, wish, asked_by=asked_by, at=at)


# ---------------------------------------------------------------------------------------------------------- views
@blueprint.route("/items", methods=["GET"])
@roles(*READERS, scope=Scope.ITEMS_READ)
@blueprint.arguments(ItemQuery, location="query")
@blueprint.response(200, page_of(ItemSchema))
def list_items(query: Mapping[str, Any]) -> Any:
    """List items, newest first."""
    rows = tracking.find_items(
        desk(),
        caller(),
        q=query["q"] or "",
        state=query["state"],
        doubtful=query["doubtful"],
        after=after_id(query["after"]),
        limit=query["limit"] + 1,
    )
    bodies = [item_body(view) for view in rows]
    return page(bodies, limit=query["limit"], position=lambda body: [str(body["id"])])


@blueprint.route("/items/<uuid:item_id>", methods=["GET"])
@roles(*READERS, scope=Scope.ITEMS_READ)
@blueprint.response(200, ItemSchema)
def show_item(item_id: UUID) -> Any:
    """One item; its version is the ETag."""
    view = tracking.get_item(desk(), caller(), item_id)
    _note_look(item_id)
    return item_body(view), etag(view.row.version)


def _note_look(item_id: UUID) -> None:
    """The recipient may ask who of the post looked; an agency looks at its own dossier, a postman works by his route."""
    if caller().role not in (Role.AGENCY, Role.POSTMAN):
        privacy.note_look(desk(), caller(), item_id, at=now())


@blueprint.route("/items/<uuid:item_id>/events", methods=["GET"])
@roles(*READERS, scope=Scope.ITEMS_READ)
@blueprint.response(200, page_of(EventSchema))
def list_events(item_id: UUID) -> Any:
    """What happened to an item, in the order of the acts."""
    rows = tracking.history(desk(), caller(), item_id)
    _note_look(item_id)
    waiting = media.waited_for(desk(), [row.id for row in rows])
    return {"data": [event_body(row, waiting) for row in rows], "next": None}


@blueprint.route("/items/<uuid:item_id>/events", methods=["POST"])
@roles("dispatcher", "clerk", "cashier", "admin", "agency", scope=Scope.ITEMS_WRITE)
@idempotent
@blueprint.arguments(NewEventSchema)
@blueprint.response(201, RecordedSchema)
def record_event(body: Mapping[str, Any], item_id: UUID) -> Any:
    """Record a fact at a desk, or ask for an intent."""
    recorded = handover.report(
        desk(),
        caller(),
        EventType(body["type"]),
        event_id=body.get("event_id") or uuid7(),
        item_ids=[item_id],
        data=body["data"],
        at=now(),
    )
    view = tracking.get_item(desk(), caller(), item_id)
    answer = {"event_id": recorded.event_id, "result": recorded.result, "code": recorded.code, "item": item_body(view)}
    return answer, etag(view.row.version)


def _commune_of(body: Mapping[str, Any]) -> str | None:
    if body["commune"] is None and body["same_as"] is None:
        raise Invalid(FieldError("commune", "required", "Name the commune, or in `same_as` an earlier item."))
    commune: str | None = body["commune"]
    return commune


@blueprint.route("/items/<uuid:item_id>/address", methods=["PUT"])
@roles("dispatcher", "clerk", "admin")
@versioned
@idempotent
@blueprint.arguments(ResolveSchema)
@blueprint.response(200, ItemSchema)
def resolve_address(body: Mapping[str, Any], item_id: UUID) -> Any:
    """Decide a doubtful address."""
    intake.resolve_address(
        desk(),
        caller(),
        item_id,
        commune_code=_commune_of(body),
        hamlet=body["hamlet"],
        lat=body["lat"],
        lon=body["lon"],
        plus_code=body["plus_code"],
        same_as=body["same_as"],
        same_address=body["same_address"],
        version=if_match(),
        at=now(),
    )
    view = tracking.get_item(desk(), caller(), item_id)
    return item_body(view), etag(view.row.version)


@blueprint.route("/items/<uuid:item_id>/slots", methods=["GET"])
@roles("postman", "dispatcher", "clerk", "admin")
@blueprint.response(200, SlotsSchema)
def list_slots(item_id: UUID) -> Any:
    """The windows in which an item can really be served, over the coming days."""
    return slots_body(tracking.require_visible(desk(), caller(), item_id))


@blueprint.route("/items/<uuid:item_id>/change-requests", methods=["POST"])
@roles("postman", "dispatcher", "clerk", "admin")
@idempotent
@blueprint.arguments(ChangeRequestSchema)
@blueprint.response(201, GrantedSchema)
def file_change_request(body: Mapping[str, Any], item_id: UUID) -> Any:
    """File a wish on behalf of the citizen."""
    tracking.require_visible(desk(), caller(), item_id)
    return granted_body(file_wish(item_id, body, asked_by=caller()))


@blueprint.route("/items/<uuid:item_id>/gate-photo", methods=["GET"])
@roles("postman", "dispatcher", "clerk", "admin")
@blueprint.alt_response(200, description="the picture", content_type="image/jpeg")
@blueprint.alt_response(409, description="`no-photo`: the citizen sent none")
def gate_photo(item_id: UUID) -> Response:
    """Give the picture of the gate that the citizen sent. Every look is written down."""
    answer = Response(tracking.gate_photo(desk(), caller(), item_id, at=now()), mimetype="image/jpeg")
    answer.headers["Cache-Control"] = "no-store"
    return answer
