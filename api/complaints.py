"""Complaints: filed by link or at a desk, read and answered by the office whose items they are about."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response, request
from marshmallow import fields

from api.auth import caller, roles
from api.conventions import (
    Blueprint,
    Dong,
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
    may_send,
    now,
    page_of,
    versioned,
)
from api.public import proven, visitor
from courier import complaints, tracking
from courier.complaints import MOST_WORDS, Case
from courier.domain.calendar import ZONE
from courier.domain.citizen_rights import Scope, Trouble

blueprint = Blueprint("complaints", __name__, url_prefix="/api/v1")


class NewComplaintSchema(Strict):
    """What it is about, and the citizen's own words."""

    kind = Word(list(Trouble), required=True)
    text = Text(at_least=1, at_most=MOST_WORDS, required=True)


class PublicComplaintSchema(Strict):
    """A complaint as its author reads it."""

    number = fields.String(required=True, metadata={"description": "to be read out to the office"})
    kind = Word(list(Trouble), required=True)
    text = fields.String(required=True)
    filed_at = Instant(required=True)
    due_on = LocalDay(required=True, metadata={"description": "the legal day of the answer, in working days"})
    answer = fields.String(required=True, allow_none=True)
    answered_at = Instant(required=True, allow_none=True)
    compensation_dong = fields.Integer(required=True, allow_none=True)
    has_photo = fields.Boolean(required=True, metadata={"description": "only who handles it sees the picture"})


class ComplaintSchema(PublicComplaintSchema):
    """The same for the office."""

    id = Id(required=True)
    item = Id(required=True)
    barcode = fields.String(required=True)
    office = fields.String(required=True)
    scope = Word(list(Scope), required=True)
    overdue = fields.Boolean(required=True)
    at_a_desk = fields.Boolean(required=True, metadata={"description": "somebody of the office wrote it down"})
    version = fields.Integer(required=True)


class ComplaintsSchema(Strict):
    """All complaints about one item."""

    complaints = fields.List(fields.Nested(PublicComplaintSchema), required=True)


class QueueQuery(Strict):
    """Open ones, unless `answered=true`."""

    answered = Flag(load_default=False)


class AnswerSchema(Strict):
    """What the citizen reads; an amount is what was decided, no money moves."""

    answer = Text(at_least=1, at_most=MOST_WORDS, required=True)
    compensation_dong = Dong(load_default=None, allow_none=True)


def told(case: Case) -> dict[str, Any]:
    """A complaint as its author reads it: nobody of the office is named."""
    row = case.row
    return {
        "number": case.number,
        "kind": row.kind,
        "text": row.words,
        "filed_at": row.filed_at.astimezone(ZONE),
        "due_on": row.due_on,
        "answer": row.answer,
        "answered_at": row.answered_at.astimezone(ZONE) if row.answered_at else None,
        "compensation_dong": row.compensation_dong,
        "has_photo": row.photo is not None,
    }


def _body(case: Case) -> dict[str, Any]:
    row = case.row
    return told(case) | {
        "id": row.id,
        "item": row.item_id,
        "barcode": case.barcode,
        "office": case.office,
        "scope": row.scope,
        "overdue": case.is_overdue,
        "at_a_desk": row.filed_by is not None,
        "version": row.version,
    }


# ---------------------------------------------------------------------------------------------------- by the citizen
@blueprint.route("/public/items/<string:token>/complaints", methods=["GET"])
@proven
@blueprint.response(200, ComplaintsSchema)
@blueprint.alt_response(409, description="the phone was not proven")
def list_own(token: str) -> Any:
    """The complaints about the item and what was answered."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    return {"complaints": [told(case) for case in complaints.of_item(desk(), item_id, at=now())]}


@blueprint.route("/public/items/<string:token>/complaints", methods=["POST"])
@proven
@idempotent
@blueprint.arguments(NewComplaintSchema)
@blueprint.response(201, PublicComplaintSchema)
def file_own(body: Mapping[str, Any], token: str) -> Any:
    """Complain; refused after the legal period, or while enough are open."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    return told(_filed(item_id, body, by_desk=False))


def _filed(item_id: UUID, body: Mapping[str, Any], *, by_desk: bool) -> Case:
    return complaints.file(
        desk(),
        item_id,
        kind=Trouble(body["kind"]),
        words=body["text"],
        filed_by=caller() if by_desk else None,
        at=now(),
    )


@blueprint.route("/public/items/<string:token>/complaints/<string:number>/photo", methods=["PUT"])
@may_send(complaints.MOST_PHOTO_BYTES)
@proven
@blueprint.doc(
    requestBody={"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}, "required": True}
)
@blueprint.response(200, PublicComplaintSchema)
@blueprint.alt_response(404, description="no such link, or no complaint of that number")
@blueprint.alt_response(409, description="`not-a-picture`, `photo-there`, `already-answered`, or not proven")
@blueprint.alt_response(413, description="larger than 8 MiB")
def photo_of_own(token: str, number: str) -> Any:
    """Put a picture to a complaint that is still open: JPEG, PNG or WebP, drawn anew without what the camera wrote beside it."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    return told(complaints.add_photo(desk(), item_id, number, request.get_data(), at=now()))


# ------------------------------------------------------------------------------------------------------ by the office
@blueprint.route("/complaints/<uuid:complaint_id>/photo", methods=["GET"])
@roles("dispatcher", "admin")
@blueprint.alt_response(200, description="the picture", content_type="image/jpeg")
@blueprint.alt_response(409, description="`no-photo`: none came with it")
def show_photo(complaint_id: UUID) -> Response:
    """Give the picture that came with a complaint to who handles it. Every look is written down."""
    answer = Response(complaints.photo(desk(), caller(), complaint_id, at=now()), mimetype="image/jpeg")
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.route("/items/<uuid:item_id>/complaints", methods=["POST"])
@roles("dispatcher", "clerk", "admin")
@idempotent
@blueprint.arguments(NewComplaintSchema)
@blueprint.response(201, ComplaintSchema)
def file_for_citizen(body: Mapping[str, Any], item_id: UUID) -> Any:
    """Write a complaint down for somebody at the counter."""
    return _body(_filed(item_id, body, by_desk=True))


@blueprint.route("/complaints", methods=["GET"])
@roles("dispatcher", "admin")
@blueprint.arguments(QueueQuery, location="query")
@blueprint.response(200, page_of(ComplaintSchema))
def list_complaints(query: Mapping[str, Any]) -> Any:
    """Complaints of the office, overdue and next due first; at most 500."""
    found = complaints.queue(desk(), caller(), answered=query["answered"], at=now())
    return {"data": [_body(case) for case in found], "next": None}


@blueprint.route("/complaints/<uuid:complaint_id>", methods=["GET"])
@roles("dispatcher", "admin")
@blueprint.response(200, ComplaintSchema)
def show_complaint(complaint_id: UUID) -> Any:
    """One complaint; its version is the ETag."""
    case = complaints.get(desk(), caller(), complaint_id, at=now())
    return _body(case), 200, etag(case.row.version)


@blueprint.route("/complaints/<uuid:complaint_id>/answer", methods=["POST"])
@roles("dispatcher", "admin")
@versioned
@idempotent
@blueprint.arguments(AnswerSchema)
@blueprint.response(200, ComplaintSchema)
def answer(body: Mapping[str, Any], complaint_id: UUID) -> Any:
    """Settle it in words."""
    case = complaints.answer(
        desk(),
        caller(),
        complaint_id,
        words=body["answer"],
        compensation_dong=body["compensation_dong"],
        version=if_match(),
        at=now(),
    )
    return _body(case), 200, etag(case.row.version)
