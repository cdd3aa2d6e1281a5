"""Rights over stored data: by link what is stored and who looked, and requests; the admin decides them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import fields

from api.auth import caller, roles
from api.conventions import (
    Blueprint,
    Flag,
    Id,
    Instant,
    LocalDay,
    Strict,
    Text,
    Word,
    desk,
    etag,
    idempotent,
    if_match,
    now,
    page_of,
    versioned,
)
from api.public import proven, visitor
from courier import privacy, tracking
from courier.domain.calendar import ZONE
from courier.domain.citizen_rights import Decision, Wish
from courier.privacy import Asked

blueprint = Blueprint("privacy", __name__, url_prefix="/api/v1")


class NewRequestSchema(Strict):
    """What is asked: to erase, to restrict the use, or to object to it."""

    kind = Word(list(Wish), required=True)
    text = Text(at_most=privacy.MOST_WORDS, load_default="")


class OwnRequestSchema(Strict):
    """A request as its author reads it."""

    kind = Word(list(Wish), required=True)
    text = fields.String(required=True)
    asked_at = Instant(required=True)
    due_on = LocalDay(required=True, metadata={"description": "the legal day of the answer: two working days"})
    state = Word(list(Decision), required=True)
    decision = fields.String(required=True, allow_none=True)
    done_at = Instant(required=True, allow_none=True)


class DataRequestSchema(OwnRequestSchema):
    """The same for the admin."""

    id = Id(required=True)
    item = Id(required=True)
    barcode = fields.String(required=True)
    office = fields.String(required=True)
    overdue = fields.Boolean(required=True)
    version = fields.Integer(required=True)


class LookSchema(Strict):
    """Somebody of the office opened the item: what he is, never who."""

    at = Instant(required=True)
    role = fields.String(required=True)
    office = fields.String(required=True, allow_none=True)


class StoredSchema(Strict):
    """Everything stored of a person with an item; of the ID number the last four digits."""

    item = fields.Dict(keys=fields.String(), required=True)
    person = fields.Dict(keys=fields.String(), required=True)
    charges = fields.List(fields.Dict(keys=fields.String()), required=True)
    events = fields.List(fields.Dict(keys=fields.String()), required=True)
    change_requests = fields.List(fields.Dict(keys=fields.String()), required=True)
    heard_at_the_door = fields.List(fields.Dict(keys=fields.String()), required=True)
    complaints = fields.List(fields.Dict(keys=fields.String()), required=True)
    ratings = fields.List(fields.Dict(keys=fields.String()), required=True)
    transfers = fields.List(fields.Dict(keys=fields.String()), required=True)
    messages = fields.List(fields.Dict(keys=fields.String()), required=True)
    visits_by_link = fields.List(fields.Dict(keys=fields.String()), required=True)


class OwnDataSchema(Strict):
    """What is stored, who looked, what was asked."""

    stored = fields.Nested(StoredSchema, required=True)
    looks = fields.List(fields.Nested(LookSchema), required=True)
    requests = fields.List(fields.Nested(OwnRequestSchema), required=True)


class DecidedQuery(Strict):
    """Open ones, unless `decided=true`."""

    decided = Flag(load_default=False)


class DecisionSchema(Strict):
    """Granted or refused, with the reason the citizen reads."""

    grant = Flag(required=True)
    reason = Text(at_least=1, at_most=privacy.MOST_WORDS, required=True)


def _own(asked: Asked) -> dict[str, Any]:
    row = asked.row
    return {
        "kind": row.kind,
        "text": row.words,
        "asked_at": row.asked_at.astimezone(ZONE),
        "due_on": row.due_on,
        "state": row.state,
        "decision": row.decision,
        "done_at": row.done_at.astimezone(ZONE) if row.done_at else None,
    }


def _body(asked: Asked) -> dict[str, Any]:
    row = asked.row
    return _own(asked) | {
        "id": row.id,
        "item": row.item_id,
        "barcode": asked.barcode,
        "office": asked.office,
        "overdue": asked.is_overdue,
        "version": row.version,
    }


def own_data(item_id: UUID) -> dict[str, Any]:
    """All of it, for the answer and for the file."""
    return {
        "stored": privacy.stored(desk(), item_id, at=now()),
        "looks": [
            {"at": look.at.astimezone(ZONE), "role": look.role, "office": look.office}
            for look in privacy.looks(desk(), item_id)
        ],
        "requests": [_own(asked) for asked in privacy.of_item(desk(), item_id, at=now())],
    }


@blueprint.route("/public/items/<string:token>/data", methods=["GET"])
@proven
@blueprint.response(200, OwnDataSchema)
@blueprint.alt_response(409, description="the phone was not proven")
def show(token: str) -> Any:
    """What is stored about the recipient, who looked, and what became of requests."""
    return own_data(tracking.require_proven(desk(), token, visitor(), at=now()))


@blueprint.route("/public/items/<string:token>/data/requests", methods=["POST"])
@proven
@idempotent
@blueprint.arguments(NewRequestSchema)
@blueprint.response(201, OwnRequestSchema)
def ask(body: Mapping[str, Any], token: str) -> Any:
    """Ask to erase, restrict or object; answered within two working days."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    return _own(privacy.ask(desk(), item_id, kind=Wish(body["kind"]), words=body["text"], at=now()))


@blueprint.route("/data-requests", methods=["GET"])
@roles("admin")
@blueprint.arguments(DecidedQuery, location="query")
@blueprint.response(200, page_of(DataRequestSchema))
def list_requests(query: Mapping[str, Any]) -> Any:
    """What waits for a decision, overdue and next due first; at most 500."""
    return {"data": [_body(one) for one in privacy.queue(desk(), decided=query["decided"], at=now())], "next": None}


@blueprint.route("/data-requests/<uuid:request_id>/decision", methods=["POST"])
@roles("admin")
@versioned
@idempotent
@blueprint.arguments(DecisionSchema)
@blueprint.response(200, DataRequestSchema)
def decide(body: Mapping[str, Any], request_id: UUID) -> Any:
    """Grant or refuse; what is granted is done by a job."""
    asked = privacy.decide(desk(), caller(), request_id, **body, version=if_match(), at=now())
    return _body(asked), 200, etag(asked.row.version)
