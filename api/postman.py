"""The postman's phone: his day, and what he reports. The list is read often, so it is bytes kept by version."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from flask import Response, request
from marshmallow import fields, validate

from api.auth import caller, roles, signed_in
from api.conventions import Blueprint, Flag, Id, Instant, LocalDay, Strict, Whole, Word, compressed, desk, now
from api.items import ChargeSchema
from courier import handover
from courier.domain.calendar import local_day

blueprint = Blueprint("postman", __name__, url_prefix="/api/v1")
blueprint.after_request(compressed)

MOST_EVENTS = 500


# --------------------------------------------------------------------------------------------------------- shapes
class RouteQuery(Strict):
    """Which day; today when left out."""

    date = LocalDay(load_default=None)


class SurrenderSchema(Strict):
    """An old paper that comes back at the door."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    mandatory = fields.Boolean(required=True)
    when = Word(("always", "exchange"), required=True)


class ReleaseSchema(Strict):
    """Who may receive, what is shown and handed in, which proofs are due."""

    who = fields.String(required=True)
    persons = fields.List(fields.String())
    relatives = fields.List(fields.String())
    ids = fields.List(fields.String(), metadata={"description": "which of the persons show an ID paper"})
    show = fields.Dict(keys=fields.String(), values=fields.List(fields.String()), required=True)
    surrender = fields.List(fields.Nested(SurrenderSchema), required=True)
    proofs = fields.List(fields.String(), required=True)
    authorisation = fields.String(allow_none=True)


class HoursSchema(Strict):
    """What the citizen was promised."""

    from_ = Instant(required=True, data_key="from")
    to = Instant(required=True)


class DailyItemSchema(Strict):
    """An item to hand over or fetch."""

    id = Id(required=True)
    barcode = fields.String(required=True)
    document_type = fields.String(required=True)
    direction = fields.String(required=True)
    state = fields.String(required=True)
    recipient = fields.String(required=True)
    note = fields.String(required=True)
    instructions = fields.String(required=True, allow_none=True)
    authorised = fields.String(required=True, allow_none=True)
    gate_photo = Flag(required=True, metadata={"description": "GET /items/{id}/gate-photo has it"})
    window = fields.Nested(HoursSchema, required=True, allow_none=True)
    charges = fields.List(fields.Nested(ChargeSchema), required=True)
    release = fields.Nested(ReleaseSchema, required=True)


class DailyStopSchema(Strict):
    """One call at one door."""

    id = Id(required=True)
    sequence = Whole(required=True)
    arrives_at = Instant(required=True)
    lat = fields.Float(required=True)
    lon = fields.Float(required=True)
    address = fields.String(required=True)
    precision = fields.String(required=True)
    phone = fields.String(required=True, allow_none=True)
    items = fields.List(fields.Nested(DailyItemSchema), required=True)


class DailyListSchema(Strict):
    """A postman's ordered day."""

    date = LocalDay(required=True)
    version = Whole(required=True)
    stops = fields.List(fields.Nested(DailyStopSchema), required=True)


class SyncSchema(Strict):
    """What a phone sends: at most 500 events. Each event is answered for itself; a batch never fails whole."""

    takes_any_text = True  # what no database can hold is set aside with its event
    device_id = Id(required=True)
    events = fields.List(
        fields.Raw(
            metadata={
                "type": "object",
                "description": "{event_id (UUIDv7), device_seq (1, 2, 3 ... without gap), type, items [id], occurred_at, "
                "clock {boot_id, monotonic_ms, anchor {server_time, monotonic_ms}}?, position?, data}, or the same "
                "sealed to the server's key: {event_id, device_seq, sealed {v: 1, kid, epk, iv, ct}}",
            }
        ),
        required=True,
        validate=validate.Length(max=MOST_EVENTS),
    )


class SyncAnswerSchema(Strict):
    """What became of one event; the phone may delete its copy after any of the four."""

    event_id = fields.String(required=True)
    result = Word(("applied", "duplicate", "accepted_with_conflict", "quarantined"), required=True)
    code = fields.String()


class SyncAnswersSchema(Strict):
    """One answer per event in the order sent; every event up to `ack_through` is stored."""

    results = fields.List(fields.Nested(SyncAnswerSchema), required=True)
    ack_through = Whole(required=True, maximum=2**53)
    server_time = Instant(required=True)


# ---------------------------------------------------------------------------------------------------------- views
@blueprint.route("/me/route", methods=["GET"])
@roles("postman")
@blueprint.arguments(RouteQuery, location="query")
@blueprint.alt_response(200, schema=DailyListSchema, description="the day")
@blueprint.alt_response(304, description="the day has not changed")
def my_route(query: Mapping[str, Any]) -> Response:
    """The postman's day in order; the ETag changes with anything he would see."""
    day = query["date"] or local_day(now())
    version, body = handover.changed_list(desk(), caller(), day=day, known=known_version(day))
    if body is None:
        return Response(status=304, headers={"ETag": f'"{day.isoformat()}-{version}"'})
    answer = Response(body, mimetype="application/json")
    answer.headers["ETag"] = f'"{day.isoformat()}-{version}"'
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def known_version(day: date) -> int | None:
    """The version of that day which the caller says he has."""
    for tag in request.if_none_match.as_set():
        prefix, _, number = tag.rpartition("-")
        if prefix == day.isoformat() and number.isascii() and number.isdecimal():
            return int(number)
    return None


@blueprint.route("/sync", methods=["POST"])
@roles("postman", from_revoked_phone=True)
@blueprint.arguments(SyncSchema)
@blueprint.doc(
    parameters=[
        {
            "name": "Waiting-Acts",
            "in": "header",
            "required": False,
            "description": "how many acts the phone will still have to send after these",
            "schema": {"type": "string"},
        }
    ]
)
@blueprint.response(200, SyncAnswersSchema)
def sync(body: Mapping[str, Any]) -> Any:
    """Take in what happened. Facts are never refused."""
    answers, ack_through = handover.sync(
        desk(),
        caller(),
        device_id=body["device_id"],
        events=body["events"],
        at=now(),
        bound_to=signed_in().device_id,
        waiting_acts=_waiting_acts(),
    )
    return {"results": told(answers), "ack_through": ack_through, "server_time": now()}


def _waiting_acts() -> int | None:
    """What the phone says it will still have; None for a phone that does not say, or says no number."""
    said = request.headers.get("Waiting-Acts", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= 6 else None


def told(answers: Iterable[handover.Answer]) -> list[dict[str, str]]:
    """What the phone hears of each event."""
    results = []
    for answer in answers:
        entry = {"event_id": answer.event_id, "result": answer.result}
        if answer.code is not None:
            entry["code"] = answer.code
        results.append(entry)
    return results
