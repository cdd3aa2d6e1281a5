"""Bag lists: send one as a spreadsheet or as JSON, look back at what became of its rows, fetch the empty form."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from flask import Response, request
from marshmallow import fields, validate

from api.auth import caller, roles
from api.conventions import (
    Blueprint,
    Id,
    Instant,
    Strict,
    Text,
    Whole,
    after_cursor,
    after_id,
    desk,
    etag,
    idempotent,
    if_match,
    now,
    page,
    unchanged,
    versioned,
)
from api.problems import FieldErrorSchema, Problem
from courier import intake
from courier.domain.errors import FieldError, Invalid
from courier.domain.money import Charge
from courier.domain.people import Scope

blueprint = Blueprint("imports", __name__, url_prefix="/api/v1", description="Bag lists (bảng kê)")

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ROLES: Final = ("dispatcher", "clerk", "admin", "agency")


# -------------------------------------------------------------------------------------------------------- shapes
class DueSchema(Strict):
    """A due line of a new item."""

    kind = fields.String(required=True)
    payee = fields.String(required=True)
    amount_dong = fields.Integer(required=True)


class RowSchema(Strict):
    """The verdict on one row; `row` is the sheet's own number, in JSON the position from 1."""

    row = fields.Integer(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(["accepted", "duplicate", "doubtful", "rejected"]))
    item = Id()
    errors = fields.List(fields.Nested(FieldErrorSchema), required=True)
    charges = fields.List(
        fields.Nested(DueSchema),
        metadata={"description": "what is due on the new item, and to whom; absent without one"},
    )


class ImportSchema(Strict):
    """What became of a bag list. The four counts add up to the number of rows."""

    id = Id(required=True)
    receipt = fields.String(required=True, metadata={"description": "number of the record of the hand-over"})
    accepted = fields.Integer(required=True)
    duplicates = fields.Integer(required=True)
    doubtful = fields.Integer(required=True)
    rejected = fields.Integer(required=True)
    rows = fields.List(fields.Nested(RowSchema), required=True)
    assumed = fields.List(
        fields.String(),
        metadata={
            "description": "how letters were read that the file does not explain: utf-16, cp1258, tcvn3, vni, viscii; else absent"
        },
    )


class ImportSummarySchema(Strict):
    """A bag list without its rows."""

    id = Id(required=True)
    receipt = fields.String(required=True)
    filename = fields.String(required=True)
    at = Instant(required=True)
    office = Id(required=True, allow_none=True)
    accepted = fields.Integer(required=True)
    duplicates = fields.Integer(required=True)
    doubtful = fields.Integer(required=True)
    rejected = fields.Integer(required=True)
    undone_at = Instant(required=True, allow_none=True)


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
@roles(*_ROLES, scope=Scope.ITEMS_WRITE)
@idempotent
@blueprint.arguments(ImportQuery, location="query")
@blueprint.response(201, ImportSchema)
@blueprint.alt_response(413, description="the file is larger than 10 MB")
@blueprint.doc(requestBody=_BODY)
def bring_in(query: Mapping[str, Any]) -> dict[str, Any]:
    """Take a bag list in: `file` (.xlsx or .csv, at most 10 MB) as multipart/form-data, or rows as JSON."""
    if _is_a_file():
        filename, content = _file()
        result = intake.import_sheet(
            desk(), caller(), filename=filename, content=content, office_id=query["office"], at=now()
        )
    else:
        body = blueprint.ARGUMENTS_PARSER.parse(BagListSchema(), request, location="json")
        result = intake.import_rows(desk(), caller(), rows=body["rows"], office_id=query["office"], at=now())
    return _shown(result)


@blueprint.route("/imports", methods=["GET"])
@roles(*_ROLES, scope=Scope.ITEMS_READ)
@blueprint.arguments(ImportPageQuery, location="query")
@blueprint.response(200, ImportPage)
def list_imports(query: Mapping[str, Any]) -> dict[str, Any]:
    """The bag lists that were sent, newest first."""
    found = intake.list_imports(desk(), caller(), limit=query["limit"] + 1, after=after_id(query["after"]))
    rows = [
        {
            "id": row.id,
            "receipt": row.receipt,
            "filename": row.filename,
            "at": row.at,
            "office": row.office_id,
            "accepted": row.accepted,
            "duplicates": row.duplicates,
            "doubtful": row.doubtful,
            "rejected": row.rejected,
            "undone_at": row.undone_at,
        }
        for row in found
    ]
    return page(rows, limit=query["limit"], position=lambda row: [str(row["id"])])


@blueprint.route("/imports/<uuid:import_id>", methods=["GET"])
@roles(*_ROLES, scope=Scope.ITEMS_READ)
@blueprint.response(200, ImportSchema)
def one_import(import_id: UUID) -> dict[str, Any]:
    """What became of every row of one list."""
    return _shown(intake.get_import(desk(), caller(), import_id))


@blueprint.route("/imports/template.xlsx", methods=["GET"])
@roles(*_ROLES, scope=Scope.ITEMS_READ)
@blueprint.response(200, description="the form", content_type=XLSX)
@blueprint.doc(responses={"200": {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}})
def template() -> Response:
    """The empty bag list with its headings, an example row and notes."""
    return workbook(intake.template(), "bang-ke-buu-gui.xlsx")


@blueprint.route("/imports/<uuid:import_id>/undo", methods=["POST"])
@roles(*_ROLES, scope=Scope.ITEMS_WRITE)
@idempotent
@blueprint.response(200, ImportSummarySchema)
@blueprint.alt_response(409, description="`items-touched`, naming the items; `already-undone`")
def undo(import_id: UUID) -> dict[str, Any]:
    """Take a whole import back, as long as nothing has happened to any of its items."""
    found = intake.undo_import(desk(), caller(), import_id, at=now())
    names = ("id", "receipt", "filename", "at", "accepted", "duplicates", "doubtful", "rejected", "undone_at")
    return {name: getattr(found, name) for name in names} | {"office": found.office_id}


# ------------------------------------------------------------------------------------------------------- on trial
class HeadingSchema(Strict):
    """A column of a list; `key` is null while nobody has said what it means, and empty for one that says nothing."""

    position = fields.Integer(required=True)
    heading = fields.String(required=True)
    key = fields.String(required=True, allow_none=True)
    sample = fields.List(fields.String(), required=True)


class StagedSchema(Strict):
    """A bag list on trial: nothing of it is an item yet. The counts are those of the last look at its rows."""

    id = Id(required=True)
    filename = fields.String(required=True)
    at = Instant(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(["headings", "checking", "checked", "committing", "committed", "failed"]),
    )
    rows = fields.Integer(required=True)
    done = fields.Integer(required=True, metadata={"description": "rows looked at so far"})
    accepted = fields.Integer(required=True)
    duplicates = fields.Integer(required=True)
    doubtful = fields.Integer(required=True)
    rejected = fields.Integer(required=True)
    assumed = fields.List(fields.String(), required=True)
    headings = fields.List(fields.Nested(HeadingSchema), required=True)
    error = fields.String(required=True, allow_none=True)
    import_ = Id(required=True, allow_none=True, data_key="import")
    version = fields.Integer(required=True)


class StagedRowSchema(Strict):
    """The verdict on one row of a list on trial."""

    row = fields.Integer(required=True)
    outcome = fields.String(required=True, allow_none=True)
    item = Id(required=True, allow_none=True, metadata={"description": "the item that it repeats"})
    errors = fields.List(fields.Nested(FieldErrorSchema), required=True)


class StagedRowPage(Strict):
    """One page of rows, in the sheet's order."""

    data = fields.List(fields.Nested(StagedRowSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class StagedRowQuery(Strict):
    """Which rows."""

    limit = Whole(minimum=1, maximum=200, load_default=50)
    after = Text(at_least=1, at_most=500, load_default=None)
    outcome = fields.String(
        load_default=None, validate=validate.OneOf(["accepted", "duplicate", "doubtful", "rejected"])
    )


class ColumnsSchema(Strict):
    """What the headings mean: the key of ours by position from 0; a position left out, or an empty key, says nothing."""

    columns = fields.Dict(keys=Text(pattern=r"[0-9]{1,3}"), values=Text(at_most=40), required=True)


class CorrectionSchema(Strict):
    """Cells to write anew, by row number and key of ours; an empty text empties a cell."""

    rows = fields.Dict(
        keys=Text(pattern=r"[0-9]{1,9}"),
        values=fields.Dict(keys=fields.String(), values=Text(at_least=0, at_most=2000)),
        required=True,
    )


@blueprint.route("/imports/staged", methods=["POST"])
@roles(*_ROLES, scope=Scope.ITEMS_WRITE)
@idempotent
@blueprint.arguments(ImportQuery, location="query")
@blueprint.response(201, StagedSchema)
@blueprint.alt_response(413, description="the file is larger than 10 MB")
@blueprint.doc(requestBody=_BODY)
def stage(query: Mapping[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """A dry run of `POST /imports`: the rows get their verdicts, no item is made. Headings may be anybody's."""
    if _is_a_file():
        filename, content = _file()
        list_id = intake.stage_sheet(
            desk(), caller(), filename=filename, content=content, office_id=query["office"], at=now()
        )
    else:
        body = blueprint.ARGUMENTS_PARSER.parse(BagListSchema(), request, location="json")
        list_id = intake.stage_rows(desk(), caller(), rows=body["rows"], office_id=query["office"], at=now())
    return _staged(list_id, 201)


@blueprint.route("/imports/staged/<uuid:list_id>", methods=["GET"])
@roles(*_ROLES, scope=Scope.ITEMS_READ)
@blueprint.response(200, StagedSchema)
def one_staged(list_id: UUID) -> Any:
    """A list on trial; ask again with `If-None-Match` while it is `checking` or `committing`."""
    found = intake.get_trial(desk(), caller(), list_id)
    return unchanged(str(found.version)) or _staged(list_id)


@blueprint.route("/imports/staged/<uuid:list_id>/rows", methods=["GET"])
@roles(*_ROLES, scope=Scope.ITEMS_READ)
@blueprint.arguments(StagedRowQuery, location="query")
@blueprint.response(200, StagedRowPage)
def staged_rows(query: Mapping[str, Any], list_id: UUID) -> dict[str, Any]:
    """The verdicts on the rows of a list on trial."""
    cursor = after_cursor(query["after"], int)
    found = intake.trial_rows(
        desk(),
        caller(),
        list_id,
        outcomes=[query["outcome"]] if query["outcome"] else None,
        after=min(cursor[0], 2**31 - 1) if cursor else -1,
        limit=query["limit"] + 1,
    )
    rows = [{"row": one.row, "outcome": one.outcome, "item": one.item, "errors": one.errors} for one in found]
    return page(rows, limit=query["limit"], position=lambda row: [row["row"]])


@blueprint.route("/imports/staged/<uuid:list_id>/failed.xlsx", methods=["GET"])
@roles(*_ROLES, scope=Scope.ITEMS_READ)
@blueprint.response(200, description="the rows that failed, with the reason", content_type=XLSX)
@blueprint.doc(responses={"200": {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}})
def failed_rows(list_id: UUID) -> Response:
    """The rows that would not be taken in, to be corrected and sent again with `PUT`."""
    return workbook(intake.failed_rows(desk(), caller(), list_id), "dong-loi.xlsx")


@blueprint.route("/imports/staged/<uuid:list_id>/failed.xlsx", methods=["PUT"])
@roles(*_ROLES, scope=Scope.ITEMS_WRITE)
@versioned
@blueprint.response(200, StagedSchema)
@blueprint.alt_response(413, description="the file is larger than 10 MB")
@blueprint.alt_response(422, description="the file cannot be read, or it is none of this list's failed rows")
def send_again(list_id: UUID) -> Any:
    """The corrected file: each of its rows replaces the one that its column `Dòng gốc` names."""
    version = if_match()
    content = request.get_data()
    if len(content) > intake.MOST_BYTES:
        raise Problem(413, "too-large", f"The file is larger than {intake.MOST_BYTES // 2**20} MB.")
    intake.send_again(desk(), caller(), list_id, filename="failed.xlsx", content=content, version=version, at=now())
    return _staged(list_id)


@blueprint.route("/imports/staged/<uuid:list_id>/columns", methods=["PUT"])
@roles(*_ROLES, scope=Scope.ITEMS_WRITE)
@versioned
@blueprint.arguments(ColumnsSchema)
@blueprint.response(200, StagedSchema)
def name_columns(body: Mapping[str, Any], list_id: UUID) -> Any:
    """Say what the headings mean. The sender's next list with these headings is read the same way."""
    columns = {int(position): key for position, key in body["columns"].items()}
    intake.name_columns(desk(), caller(), list_id, columns, version=if_match(), at=now())
    return _staged(list_id)


@blueprint.route("/imports/staged/<uuid:list_id>/rows", methods=["PATCH"])
@roles(*_ROLES, scope=Scope.ITEMS_WRITE)
@versioned
@blueprint.arguments(CorrectionSchema)
@blueprint.response(200, StagedSchema)
def correct(body: Mapping[str, Any], list_id: UUID) -> Any:
    """Write cells anew; every row gets its verdict again."""
    rows = {int(number): cells for number, cells in body["rows"].items()}
    intake.correct_rows(desk(), caller(), list_id, rows, version=if_match(), at=now())
    return _staged(list_id)


@blueprint.route("/imports/staged/<uuid:list_id>/commit", methods=["POST"])
@roles(*_ROLES, scope=Scope.ITEMS_WRITE)
@versioned
@blueprint.response(200, StagedSchema)
def commit(list_id: UUID) -> Any:
    """Take the list in. `import` names what came of it; a large list is `committing` first."""
    intake.commit(desk(), caller(), list_id, version=if_match(), at=now())
    return _staged(list_id)


@blueprint.route("/imports/staged/<uuid:list_id>", methods=["DELETE"])
@roles(*_ROLES, scope=Scope.ITEMS_WRITE)
@versioned
@blueprint.response(204)
def discard(list_id: UUID) -> None:
    """Forget a list that nobody will take in."""
    intake.discard(desk(), caller(), list_id, version=if_match())


# ------------------------------------------------------------------------------------------------------- helpers
def workbook(content: bytes, name: str) -> Response:
    """An .xlsx to be kept as a file."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, mimetype=XLSX, headers=headers)


def _staged(list_id: UUID, status: int = 200) -> tuple[dict[str, Any], int, dict[str, str]]:
    found = intake.get_trial(desk(), caller(), list_id)
    shown = {
        "id": found.id,
        "filename": found.filename,
        "at": found.at,
        "state": found.state,
        "rows": found.size,
        "done": found.done,
        "accepted": found.accepted,
        "duplicates": found.duplicates,
        "doubtful": found.doubtful,
        "rejected": found.rejected,
        "assumed": found.assumed,
        "headings": [
            {
                "position": position,
                "heading": heading,
                "key": found.columns.get(position),
                "sample": found.sample.get(position, ()),
            }
            for position, heading in sorted(found.headings.items())
        ],
        "error": found.error,
        "import_": found.batch_id,
        "version": found.version,
    }
    return shown, status, etag(found.version)


def _is_a_file() -> bool:
    if request.mimetype in ("multipart/form-data", "application/json"):
        return request.mimetype == "multipart/form-data"
    found = request.mimetype or "no type"
    raise Problem(415, "unsupported-media-type", f"Send multipart/form-data or application/json, found {found}.")


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


def _due(charge: Charge) -> dict[str, Any]:
    return {"kind": charge.kind, "payee": charge.payee, "amount_dong": charge.amount_dong}


def _shown(result: intake.ImportResult) -> dict[str, Any]:
    return {
        "id": result.id,
        "receipt": result.receipt,
        "accepted": result.accepted,
        "duplicates": result.duplicates,
        "doubtful": result.doubtful,
        "rejected": result.rejected,
        "rows": [
            {"row": row.row, "outcome": row.outcome, "errors": row.errors}
            | ({"item": row.item} if row.item else {})
            | ({"charges": [_due(charge) for charge in row.charges]} if row.charges else {})
            for row in result.rows
        ],
    } | ({"assumed": result.assumed} if result.assumed else {})
