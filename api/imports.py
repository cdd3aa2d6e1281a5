"""Bag lists: send one as a spreadsheet or as JSON, look back at what became of its rows, fetch the empty form."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from flask import Response, request
from marshmallow import fields, validate

from api.auth import caller, roles
from api.conventions import Blueprint, Id, Instant, Strict, Text, Whole, after_cursor, desk, idempotent, now, page
from api.problems import FieldErrorSchema, Problem
from courier import intake
from courier.domain.errors import FieldError, Invalid

blueprint = Blueprint("imports", __name__, url_prefix="/api/v1", description="Bag lists (bảng kê)")

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ROLES: Final = ("dispatcher", "clerk", "admin", "agency")


# -------------------------------------------------------------------------------------------------------- shapes
class RowSchema(Strict):
    """The verdict on one row; `row` is the sheet's own number, in JSON the position from 1."""

    row = fields.Integer(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(["accepted", "duplicate", "doubtful", "rejected"]))
    item = Id()
    errors = fields.List(fields.Nested(FieldErrorSchema), required=True)


class ImportSchema(Strict):
    """What became of a bag list. The four counts add up to the number of rows."""

    id = Id(required=True)
    accepted = fields.Integer(required=True)
    duplicates = fields.Integer(required=True)
    doubtful = fields.Integer(required=True)
    rejected = fields.Integer(required=True)
    rows = fields.List(fields.Nested(RowSchema), required=True)


class ImportSummarySchema(Strict):
    """A bag list without its rows."""

    id = Id(required=True)
    filename = fields.String(required=True)
    at = Instant(required=True)
    office = Id(required=True, allow_none=True)
    accepted = fields.Integer(required=True)
    duplicates = fields.Integer(required=True)
    doubtful = fields.Integer(required=True)
    rejected = fields.Integer(required=True)


class ImportPage(Strict):
    """One page, newest first."""

    data = fields.List(fields.Nested(ImportSummarySchema), required=True)
    next = fields.String(required=True, allow_none=True)


class ImportPageQuery(Strict):
    """The query of the list."""

    limit = Whole(minimum=1, maximum=200, load_default=50)
    after = Text(at_least=1, at_most=500, load_default=None)


class ImportQuery(Strict):
    """For whom the list is: an office's own people need not say, an admin may."""

    office = Id(load_default=None)


class BagListSchema(Strict):
    """A bag list as JSON: rows with the Vietnamese headings or their English keys; every row gets its own verdict."""

    rows = fields.List(fields.Dict(keys=fields.String()), required=True)


_BODY: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
                "additionalProperties": False,
            }
        },
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "rows": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "description": "keys: "
                            + ", ".join(f"{heading.key} ({heading.vi})" for heading in intake.HEADINGS),
                        },
                    }
                },
                "required": ["rows"],
                "additionalProperties": False,
            }
        },
    },
}


# --------------------------------------------------------------------------------------------------------- views
@blueprint.route("/imports", methods=["POST"])
@roles(*_ROLES)
@idempotent
@blueprint.arguments(ImportQuery, location="query")
@blueprint.response(201, ImportSchema)
@blueprint.alt_response(413, description="the file is larger than 10 MB")
@blueprint.doc(requestBody=_BODY)
def bring_in(query: Mapping[str, Any]) -> dict[str, Any]:
    """Take a bag list in: `file` (.xlsx or .csv, at most 10 MB) as multipart/form-data, or rows as JSON."""
    if request.mimetype == "multipart/form-data":
        filename, content = _file()
        result = intake.import_sheet(
            desk(), caller(), filename=filename, content=content, office_id=query["office"], at=now()
        )
    elif request.mimetype == "application/json":
        body = blueprint.ARGUMENTS_PARSER.parse(BagListSchema(), request, location="json")
        result = intake.import_rows(desk(), caller(), rows=body["rows"], office_id=query["office"], at=now())
    else:
        found = request.mimetype or "no type"
        raise Problem(415, "unsupported-media-type", f"Send multipart/form-data or application/json, found {found}.")
    return _shown(result)


@blueprint.route("/imports", methods=["GET"])
@roles(*_ROLES)
@blueprint.arguments(ImportPageQuery, location="query")
@blueprint.response(200, ImportPage)
def list_imports(query: Mapping[str, Any]) -> dict[str, Any]:
    """The bag lists that were sent, newest first."""
    cursor = after_cursor(query["after"], str)
    found = intake.list_imports(desk(), caller(), limit=query["limit"] + 1, after=_id(cursor[0]) if cursor else None)
    rows = [
        {
            "id": row.id,
            "filename": row.filename,
            "at": row.at,
            "office": row.office_id,
            "accepted": row.accepted,
            "duplicates": row.duplicates,
            "doubtful": row.doubtful,
            "rejected": row.rejected,
        }
        for row in found
    ]
    return page(rows, limit=query["limit"], position=lambda row: [str(row["id"])])


@blueprint.route("/imports/<uuid:import_id>", methods=["GET"])
@roles(*_ROLES)
@blueprint.response(200, ImportSchema)
def one_import(import_id: UUID) -> dict[str, Any]:
    """What became of every row of one list."""
    return _shown(intake.get_import(desk(), caller(), import_id))


@blueprint.route("/imports/template.xlsx", methods=["GET"])
@roles(*_ROLES)
@blueprint.response(200, description="the form", content_type=XLSX)
@blueprint.doc(responses={"200": {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}})
def template() -> Response:
    """The empty bag list with its headings, an example row and notes."""
    headers = {"Content-Disposition": 'attachment; filename="bang-ke-buu-gui.xlsx"'}
    return Response(intake.template(), mimetype=XLSX, headers=headers)


# ------------------------------------------------------------------------------------------------------- helpers
def _file() -> tuple[str, bytes]:
    strange = sorted((set(request.files) - {"file"}) | set(request.form))
    if strange:
        raise Invalid(*(FieldError(name[:60], "unknown", "Unknown field.") for name in strange))
    files = request.files.getlist("file")
    if len(files) != 1:
        raise Invalid(FieldError("file", "required", f"Send one file in the field 'file'. Found {len(files)}."))
    content = files[0].stream.read(intake.MOST_BYTES + 1)
    if len(content) > intake.MOST_BYTES:
        raise Problem(413, "too-large", f"The file is larger than {intake.MOST_BYTES // 2**20} MB.")
    return files[0].filename or "", content


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(FieldError("after", "invalid", "Not a cursor of this list.")) from None


def _shown(result: intake.ImportResult) -> dict[str, Any]:
    return {
        "id": result.id,
        "accepted": result.accepted,
        "duplicates": result.duplicates,
        "doubtful": result.doubtful,
        "rejected": result.rejected,
        "rows": [
            {"row": row.row, "outcome": row.outcome, "errors": row.errors} | ({"item": row.item} if row.item else {})
            for row in result.rows
        ],
    }
