"""Webhooks: where an agency's system hears what became of its items, what is on its way there, and what it never took."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response
from marshmallow import fields

from api.auth import caller, roles
from api.conventions import (
    MEDIA_TYPE,
    Blueprint,
    Flag,
    Id,
    Instant,
    Strict,
    Text,
    Whole,
    Word,
    after_cursor,
    desk,
    etag,
    idempotent,
    if_match,
    now,
    page,
    page_of,
    versioned,
)
from courier import webhooks
from courier.domain.calendar import ZONE
from courier.domain.errors import FieldError, Invalid
from courier.domain.people import Scope
from courier.domain.webhooks import TYPES
from courier.webhooks import EndpointView

blueprint = Blueprint(
    "webhooks",
    __name__,
    url_prefix="/api/v1",
    description="Webhooks by Standard Webhooks: signed, in order for every item, tried again for three days",
)

_ROLES = ("agency", "admin")
_STATES = ("pending", "delivered", "dead")


# --------------------------------------------------------------------------------------------------------- shapes
class EndpointSchema(Strict):
    """An endpoint. `types` empty is every type; `failures` are failed tries in a row; `pending` and `dead` count notices."""

    id = Id(required=True)
    agency = Id(required=True)
    url = fields.String(required=True)
    types = fields.List(fields.String(), required=True)
    description = fields.String(required=True)
    state = Word(("active", "disabled"), required=True)
    disabled_reason = Word(("asked", "gone", "failing"), required=True, allow_none=True)
    failures = Whole(required=True)
    failing_since = Instant(required=True, allow_none=True)
    pending = Whole(required=True)
    dead = Whole(required=True)
    version = Whole(required=True)


class SecretEndpointSchema(EndpointSchema):
    """The same with its signing secret, which is shown this once."""

    secret = fields.String(required=True)


class NewEndpointSchema(Strict):
    """A new endpoint; only an admin names the agency."""

    url = Text(required=True, at_least=1, at_most=2000)
    types = fields.List(Word(TYPES), load_default=list)
    description = Text(at_most=200, load_default="")
    agency = Id(load_default=None)


class EndpointChangesSchema(Strict):
    """What is to change; while `active` is false notices wait."""

    url = Text(at_least=1, at_most=2000)
    types = fields.List(Word(TYPES))
    description = Text(at_most=200)
    active = Flag()


class EndpointQuery(Strict):
    """For an admin: of which agency."""

    agency = Id(load_default=None)


class NoticeSchema(Strict):
    """A notice. `status` is the receiver's last answer, `fault` why there was none; `due_at` when it is tried next."""

    id = Id(required=True)
    webhook_id = fields.String(required=True)
    type = fields.String(required=True)
    item = Id(required=True, allow_none=True)
    state = Word(_STATES, required=True)
    tries = Whole(required=True)
    created_at = Instant(required=True)
    due_at = Instant(required=True, allow_none=True)
    tried_at = Instant(required=True, allow_none=True)
    status = fields.Integer(required=True, allow_none=True)
    fault = fields.String(required=True, allow_none=True)


class NoticeQuery(Strict):
    """`state=dead` is the list of what the receiver never took."""

    state = Word(_STATES, load_default=None)
    limit = Whole(minimum=1, maximum=200, load_default=50)
    after = Text(at_least=1, at_most=500, load_default=None)


class ReplaySchema(Strict):
    """Which notices are sent again: one, or all that were written since a moment."""

    notice = Id(load_default=None)
    since = Instant(load_default=None)


class ReplayedSchema(Strict):
    """How many are sent again."""

    replayed = Whole(required=True)


def shown(view: EndpointView) -> dict[str, Any]:
    """An endpoint without its secret."""
    row = view.row
    return {
        "id": row.id,
        "agency": row.agency_id,
        "url": row.url,
        "types": row.types,
        "description": row.description,
        "state": row.state,
        "disabled_reason": row.disabled_reason,
        "failures": row.failures,
        "failing_since": _here(row.failing_since),
        "pending": view.pending,
        "dead": view.dead,
        "version": row.version,
    }


def _here(moment: datetime | None) -> datetime | None:
    return moment.astimezone(ZONE) if moment is not None else None


def _notice(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: _here(row[name]) for name in ("created_at", "due_at", "tried_at")}


# ---------------------------------------------------------------------------------------------------------- views
@blueprint.route("/webhooks", methods=["GET"])
@roles(*_ROLES, scope=Scope.WEBHOOKS_MANAGE)
@blueprint.arguments(EndpointQuery, location="query")
@blueprint.response(200, page_of(EndpointSchema))
def list_endpoints(query: dict[str, Any]) -> Any:
    """List the endpoints, oldest first."""
    found = webhooks.list_endpoints(desk(), caller(), agency_id=query["agency"])
    return {"data": [shown(view) for view in found], "next": None}


@blueprint.route("/webhooks", methods=["POST"])
@roles(*_ROLES, scope=Scope.WEBHOOKS_MANAGE)
@idempotent
@blueprint.arguments(NewEndpointSchema)
@blueprint.response(201, SecretEndpointSchema)
@blueprint.alt_response(409, description="`too-many-endpoints`", content_type=MEDIA_TYPE)
def register(body: dict[str, Any]) -> Any:
    """Enter an endpoint: https on the public network. The answer holds the signing secret, once."""
    view, secret = webhooks.register(
        desk(),
        caller(),
        url=body["url"],
        types=body["types"],
        description=body["description"],
        agency_id=body["agency"],
        at=now(),
    )
    return shown(view) | {"secret": secret}, etag(view.row.version)


@blueprint.route("/webhooks/<uuid:webhook_id>", methods=["GET"])
@roles(*_ROLES, scope=Scope.WEBHOOKS_MANAGE)
@blueprint.response(200, EndpointSchema)
def show(webhook_id: UUID) -> Any:
    """One endpoint; its version is the ETag."""
    view = webhooks.get_endpoint(desk(), caller(), webhook_id)
    return shown(view), etag(view.row.version)


@blueprint.route("/webhooks/<uuid:webhook_id>", methods=["PATCH"])
@roles(*_ROLES, scope=Scope.WEBHOOKS_MANAGE)
@versioned
@blueprint.arguments(EndpointChangesSchema)
@blueprint.response(200, EndpointSchema)
def change(body: dict[str, Any], webhook_id: UUID) -> Any:
    """Change an endpoint, switch it off or on again."""
    view = webhooks.change(
        desk(),
        caller(),
        webhook_id,
        url=body.get("url"),
        types=body.get("types"),
        description=body.get("description"),
        active=body.get("active"),
        version=if_match(),
        at=now(),
    )
    return shown(view), etag(view.row.version)


@blueprint.route("/webhooks/<uuid:webhook_id>", methods=["DELETE"])
@roles(*_ROLES, scope=Scope.WEBHOOKS_MANAGE)
@versioned
@blueprint.response(204)
def remove(webhook_id: UUID) -> Any:
    """Take an endpoint away; what was on its way to it is not sent any more."""
    webhooks.remove(desk(), caller(), webhook_id, version=if_match(), at=now())
    return Response(status=204)


@blueprint.route("/webhooks/<uuid:webhook_id>/secret", methods=["POST"])
@roles(*_ROLES, scope=Scope.WEBHOOKS_MANAGE)
@blueprint.response(200, SecretEndpointSchema)
def rotate(webhook_id: UUID) -> Any:
    """Give a new signing secret; for seven days every notice carries a signature by each of the two."""
    view, secret = webhooks.rotate(desk(), caller(), webhook_id, at=now())
    return shown(view) | {"secret": secret}, etag(view.row.version)


@blueprint.route("/webhooks/<uuid:webhook_id>/ping", methods=["POST"])
@roles(*_ROLES, scope=Scope.WEBHOOKS_MANAGE)
@blueprint.response(202, NoticeSchema)
@blueprint.alt_response(409, description="`endpoint-disabled`", content_type=MEDIA_TYPE)
def ping(webhook_id: UUID) -> Any:
    """Put a notice about nothing on its way, to see whether anybody listens."""
    (row,) = webhooks.stored([webhooks.ping(desk(), caller(), webhook_id, at=now())])
    return _notice(row)


@blueprint.route("/webhooks/<uuid:webhook_id>/notices", methods=["GET"])
@roles(*_ROLES, scope=Scope.WEBHOOKS_MANAGE)
@blueprint.arguments(NoticeQuery, location="query")
@blueprint.response(200, page_of(NoticeSchema))
def list_notices(query: dict[str, Any], webhook_id: UUID) -> Any:
    """The notices of an endpoint, newest first; kept for 90 days after they were settled."""
    after = after_cursor(query["after"], int)
    rows = webhooks.list_notices(
        desk(),
        caller(),
        webhook_id,
        state=query["state"],
        before=after[0] if after else None,
        limit=query["limit"] + 1,
    )
    found = page(rows, limit=query["limit"], position=lambda row: [row.position])
    return found | {"data": [_notice(row) for row in webhooks.stored(found["data"])]}


@blueprint.route("/webhooks/<uuid:webhook_id>/replay", methods=["POST"])
@roles(*_ROLES, scope=Scope.WEBHOOKS_MANAGE)
@blueprint.arguments(ReplaySchema)
@blueprint.response(202, ReplayedSchema)
def replay(body: dict[str, Any], webhook_id: UUID) -> Any:
    """Send again what was settled, under the same `webhook-id` and in the same order."""
    if (body["notice"] is None) == (body["since"] is None):
        raise Invalid(FieldError("notice", "required", "Name either a notice or a moment in `since`."))
    count = webhooks.replay(desk(), caller(), webhook_id, notice_id=body["notice"], since=body["since"], at=now())
    return {"replayed": count}
