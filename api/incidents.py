"""Incidents: trouble with an owner, and what phones sent that could not be attached to anything."""

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
    PageQuery,
    Strict,
    Text,
    Word,
    after_id,
    desk,
    idempotent,
    now,
    page,
    page_of,
)
from courier import incidents
from courier.domain.calendar import ZONE
from courier.domain.trouble import Kind, kind_of
from courier.store.tables import Incident

blueprint = Blueprint("incidents", __name__, url_prefix="/api/v1")

READERS = ("dispatcher", "cashier", "clerk", "admin")


class IncidentSchema(Strict):
    """Trouble with an owner."""

    id = Id(required=True)
    code = fields.String(required=True)
    sentence = fields.String(required=True)
    item = Id(required=True, allow_none=True)
    event = Id(required=True, allow_none=True)
    postman = Id(required=True, allow_none=True)
    date = LocalDay(required=True)
    about_money = fields.Boolean(required=True)
    owner = fields.String(required=True)
    kind = Word(tuple(Kind), required=True)
    due_at = Instant(required=True, metadata={"description": "until when somebody must have acted"})
    assigned_to = Id(required=True, allow_none=True)
    opened_at = Instant(required=True)
    closed_at = Instant(required=True, allow_none=True)
    resolution = fields.String(required=True, allow_none=True)


class IncidentQuery(PageQuery):
    """Open ones only, unless `all=true`."""

    all = Flag(load_default=False)


class CloseSchema(Strict):
    """What was decided."""

    resolution = Text(at_least=1, at_most=500, required=True)


class AssignSchema(Strict):
    """Who is to see to it; the caller himself when left out."""

    staff = Id(load_default=None)


class QuarantinedSchema(Strict):
    """What a phone sent and why it was set aside. The body itself stays in the database."""

    id = Id(required=True)
    device = Id(required=True)
    postman = Id(required=True)
    event_id = fields.String(required=True)
    code = fields.String(required=True)
    received_at = Instant(required=True)


def _body(row: Incident) -> dict[str, Any]:
    return {
        "id": row.id,
        "code": row.code,
        "sentence": row.sentence,
        "item": row.item_id,
        "event": row.event_id,
        "postman": row.postman_id,
        "date": row.day,
        "about_money": row.about_money,
        "owner": row.owner_role,
        "kind": kind_of(row.code, about_money=row.about_money).value,
        "due_at": incidents.due_of(row).astimezone(ZONE),
        "assigned_to": row.assigned_to,
        "opened_at": row.opened_at.astimezone(ZONE),
        "closed_at": row.closed_at.astimezone(ZONE) if row.closed_at else None,
        "resolution": row.resolution,
    }


@blueprint.route("/incidents", methods=["GET"])
@roles(*READERS)
@blueprint.arguments(IncidentQuery, location="query")
@blueprint.response(200, page_of(IncidentSchema))
def list_incidents(query: Mapping[str, Any]) -> Any:
    """Incidents of the office, newest first."""
    rows = incidents.find_incidents(
        desk(),
        caller(),
        open_only=not query["all"],
        after=after_id(query["after"]),
        limit=query["limit"] + 1,
    )
    return page([_body(row) for row in rows], limit=query["limit"], position=lambda body: [str(body["id"])])


@blueprint.route("/incidents/<uuid:incident_id>/close", methods=["POST"])
@roles("dispatcher", "cashier", "admin")
@idempotent
@blueprint.arguments(CloseSchema)
@blueprint.response(200, IncidentSchema)
def close_incident(body: Mapping[str, Any], incident_id: UUID) -> Any:
    """Close an incident with what was decided."""
    return _body(incidents.close_incident(desk(), caller(), incident_id, resolution=body["resolution"], at=now()))


@blueprint.route("/incidents/<uuid:incident_id>/assign", methods=["POST"])
@roles("dispatcher", "cashier", "admin")
@idempotent
@blueprint.arguments(AssignSchema)
@blueprint.response(200, IncidentSchema)
def assign_incident(body: Mapping[str, Any], incident_id: UUID) -> Any:
    """Take an incident over, or give it to somebody of the office."""
    return _body(incidents.assign(desk(), caller(), incident_id, to=body["staff"]))


@blueprint.route("/quarantine", methods=["GET"])
@roles("dispatcher", "admin")
@blueprint.response(200, page_of(QuarantinedSchema))
def list_set_aside() -> Any:
    """What phones sent that could not be attached to anything."""
    rows = incidents.set_aside(desk(), caller())
    return {
        "data": [
            {
                "id": row.id,
                "device": row.device_id,
                "postman": row.staff_id,
                "event_id": row.event_id,
                "code": row.code,
                "received_at": row.received_at.astimezone(ZONE),
            }
            for row in rows
        ],
        "next": None,
    }
