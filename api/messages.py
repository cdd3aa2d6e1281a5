"""Messages to citizens: where they stand, once more what came to nothing, and what channels and people say back."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import request
from marshmallow import fields

from api.auth import caller, public, roles
from api.conventions import Blueprint, Id, Instant, Strict, Whole, Word, desk, idempotent, now
from courier import notices
from courier.domain.calendar import ZONE
from courier.domain.notices import Channel, Kind, State
from courier.store.tables import Message

blueprint = Blueprint("messages", __name__, url_prefix="/api/v1")


class CountSchema(Strict):
    """So many messages of one kind stand there."""

    state = Word(list(State), required=True)
    kind = Word(list(Kind), required=True)
    channel = Word(list(Channel), required=True, allow_none=True)
    dry_run = fields.Boolean(required=True)
    number = fields.Integer(required=True)


class SpentSchema(Strict):
    """What a channel was used for today, and what it may be used for."""

    channel = Word(list(Channel), required=True)
    connected = fields.Boolean(required=True)
    messages = fields.Integer(required=True)
    most_messages = fields.Integer(required=True)
    dong = fields.Integer(required=True)
    most_dong = fields.Integer(required=True)
    stopped = fields.Boolean(required=True, metadata={"description": "some wait for tomorrow"})


class MessageSchema(Strict):
    """A message; its number is masked and its words are not told."""

    id = Id(required=True)
    kind = Word(list(Kind), required=True)
    state = Word(list(State), required=True)
    item = Id(required=True, allow_none=True)
    to = fields.String(required=True, metadata={"description": "masked"})
    channel = Word(list(Channel), required=True, allow_none=True)
    code = fields.String(required=True, allow_none=True)
    dry_run = fields.Boolean(required=True)
    created_at = Instant(required=True)
    not_before = Instant(required=True)
    expires_at = Instant(required=True)
    sent_at = Instant(required=True, allow_none=True)
    cost_dong = fields.Integer(required=True)


class OverviewSchema(Strict):
    """How messages stand. While `dry_run` is true nobody is told of anything."""

    dry_run = fields.Boolean(required=True)
    counts = fields.List(fields.Nested(CountSchema), required=True)
    channels = fields.List(fields.Nested(SpentSchema), required=True)
    data = fields.List(fields.Nested(MessageSchema), required=True)
    opted_out = fields.Integer(
        required=True, allow_none=True, metadata={"description": "phones that want none; for admins"}
    )


class MessagesQuery(Strict):
    """The last `limit` messages (at most 200), of one state if `state` names it."""

    limit = Whole(minimum=1, maximum=notices.MOST, load_default=50)
    state = Word(list(State), load_default=None)


def message_body(row: Message) -> dict[str, Any]:
    """A message as it is listed."""
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "item": row.item_id,
        "to": row.to_masked,
        "channel": row.channel,
        "code": row.code,
        "dry_run": row.dry_run,
        "created_at": row.created_at.astimezone(ZONE),
        "not_before": row.not_before.astimezone(ZONE),
        "expires_at": row.expires_at.astimezone(ZONE),
        "sent_at": row.sent_at.astimezone(ZONE) if row.sent_at else None,
        "cost_dong": row.cost_dong,
    }


@blueprint.route("/messages", methods=["GET"])
@roles("dispatcher", "admin")
@blueprint.arguments(MessagesQuery, location="query")
@blueprint.response(200, OverviewSchema)
def list_messages(query: Mapping[str, Any]) -> Any:
    """Counts, budgets and the last messages of the office, or of all for an admin."""
    states = [State(query["state"])] if query["state"] else []
    found = notices.overview(desk(), caller(), states=states, limit=query["limit"], at=now())
    return {
        "dry_run": found.dry_run,
        "counts": [
            {
                "state": one.state,
                "kind": one.kind,
                "channel": one.channel,
                "dry_run": one.dry_run,
                "number": one.number,
            }
            for one in found.counts
        ],
        "channels": [
            {
                "channel": one.channel,
                "connected": not one.dry_run,
                "messages": one.messages,
                "most_messages": one.rule.day_messages,
                "dong": one.dong,
                "most_dong": one.rule.day_dong,
                "stopped": one.stopped,
            }
            for one in found.spent
        ],
        "data": [message_body(line.row) for line in found.lines],
        "opted_out": found.opted_out,
    }


@blueprint.route("/messages/<uuid:message_id>/retry", methods=["POST"])
@roles("dispatcher", "admin")
@idempotent
@blueprint.response(200, MessageSchema)
@blueprint.alt_response(409, description="`not-dead`, `erased`, or `no-news` for a one-time code")
def retry(message_id: UUID) -> Any:
    """Try a message once more that came to nothing."""
    return message_body(notices.once_more(desk(), caller(), message_id, at=now()))


@blueprint.route("/receipts/<string:channel>", methods=["POST"])
@public
@blueprint.doc(
    requestBody={
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    parameters=[
        {"in": "header", "name": name, "required": False, "schema": {"type": "string"}, "description": words}
        for name, words in (
            ("X-Timestamp", "seconds since 1970, at most five minutes from ours"),
            ("X-Signature", "HMAC-SHA256 in hex over `<timestamp>.<body>` with the channel's key"),
        )
    ],
)
@blueprint.response(204)
@blueprint.alt_response(403, description="not signed by the channel")
@blueprint.alt_response(404, description="no such channel or message")
@blueprint.alt_response(409, description="`too-old` or `replayed`")
@blueprint.alt_response(413, description="larger than a receipt is")
@blueprint.alt_response(422, description="unreadable")
def receive(channel: str) -> None:
    """A channel's word on a message, `{tracking_id, status, code?}`, or a person's reply, `{phone, text}`."""
    request.max_content_length = notices.MOST_BYTES
    notices.receive(
        desk(),
        channel,
        request.get_data(),
        timestamp=request.headers.get("X-Timestamp", ""),
        signature=request.headers.get("X-Signature", ""),
        at=now(),
    )
