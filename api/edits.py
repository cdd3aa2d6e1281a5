"""A plan changed by hand: tried, made, undone, done again; who changed what."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import url_for
from marshmallow import fields, validate

from api.auth import caller, roles
from api.conventions import Blueprint, desk, etag, idempotent, if_match, now, versioned
from api.shapes import Flag, Id, Instant, Strict, Whole, Word
from courier import dispatch
from courier.domain.calendar import ZONE
from courier.domain.errors import FieldError, Invalid
from courier.store.tables import EDITS, LOCKS

blueprint = Blueprint("edits", __name__, url_prefix="/api/v1", description="A plan changed by hand (sửa phương án)")

_READERS = ("dispatcher", "cashier", "admin")
_WRITERS = ("dispatcher", "admin")
_MOST_STOPS = 2_000


# -------------------------------------------------------------------------------------------------------- shapes
class EditSchema(Strict):
    """A change. Stops are named by any of their items.

    `move` needs `items`; without `postman` the stops go where they cost least, without `place` (from 1, counted without
    the moved stops) to the best place of that route. `exchange` needs two `postmen`. `split` makes `items` of one stop a
    stop of its own. `lock` needs `items` and `lock`. `undo` and `redo` need nothing.
    """

    kind = Word(EDITS, required=True)
    items = fields.List(Id(), load_default=list, validate=validate.Length(max=_MOST_STOPS))
    postman = Id(load_default=None, allow_none=True)
    place = Whole(minimum=1, load_default=None, allow_none=True)
    postmen = fields.List(Id(), load_default=list, validate=validate.Length(max=2))
    lock = Word(LOCKS, load_default=None, allow_none=True)


class EditQuery(Strict):
    """`preview=true` works the change out and writes nothing."""

    preview = Flag(load_default=False)


class BrokenRuleSchema(Strict):
    """A rule that a route breaks: at which stop (None: the whole route), by how many seconds."""

    code = fields.String(required=True)
    stop = fields.Integer(required=True, allow_none=True)
    seconds = fields.Integer(required=True, allow_none=True)


class EditedStopSchema(Strict):
    """A stop with its new time."""

    items = fields.List(Id(), required=True)
    arrives_at = Instant(required=True)
    leaves_at = Instant(required=True)
    lock = Word(LOCKS, required=True)
    lat = fields.Float(required=True)
    lon = fields.Float(required=True)


class EditedRouteSchema(Strict):
    """A route that the change touches, as it is then; without stops when none are left."""

    postman = Id(required=True)
    postman_name = fields.String(required=True)
    distance_m = fields.Integer(required=True)
    travel_seconds = fields.Integer(required=True)
    cash_dong = fields.Integer(required=True)
    starts_at = fields.String(required=True, allow_none=True)
    ends_at = fields.String(required=True, allow_none=True)
    violations = fields.List(fields.Nested(BrokenRuleSchema), required=True)
    stops = fields.List(fields.Nested(EditedStopSchema), required=True)


class EditedSchema(Strict):
    """What a change does. `cost_change` is in the optimiser's unit: a second of travel costs 1."""

    version = fields.Integer(required=True)
    preview = fields.Boolean(required=True)
    cost = fields.Integer(required=True)
    cost_change = fields.Integer(required=True)
    routes = fields.List(fields.Nested(EditedRouteSchema), required=True)
    left_out = fields.List(fields.List(Id()), required=True)
    can_undo = fields.Boolean(required=True)
    can_redo = fields.Boolean(required=True)


class EditMadeSchema(Strict):
    """A change that was made: who, when, how many stops, whose routes. `target` is the version that an undo is about."""

    version = fields.Integer(required=True)
    by = fields.String(required=True)
    at = Instant(required=True)
    kind = Word(EDITS, required=True)
    target = fields.Integer(required=True, allow_none=True)
    stops = fields.Integer(required=True)
    postmen = fields.List(fields.String(), required=True)


# --------------------------------------------------------------------------------------------------------- views
@blueprint.route("/plans/<uuid:plan_id>/edits", methods=["POST"])
@roles(*_WRITERS)
@idempotent
@versioned
@blueprint.arguments(EditQuery, location="query")
@blueprint.arguments(EditSchema)
@blueprint.response(200, EditedSchema)
def edit_plan(query: Mapping[str, Any], body: Mapping[str, Any], plan_id: UUID) -> Any:
    """Change a solved plan by hand, or see what a change would do. The rules that it breaks are named: the caller decides."""
    version, at, office = if_match(), now(), desk()
    if body["kind"] in ("undo", "redo"):
        if query["preview"]:
            raise Invalid(FieldError("preview", "invalid", "Undo and redo have no preview."))
        again = dispatch.undo_edit if body["kind"] == "undo" else dispatch.redo_edit
        done = again(office, caller(), plan_id, version=version, at=at)
    else:
        act = dispatch.preview_edit if query["preview"] else dispatch.edit_plan
        done = act(office, caller(), plan_id, edit_of(body), version=version, at=at)
    return edited(done, preview=query["preview"]), etag(done.version)


@blueprint.route("/plans/<uuid:plan_id>/edits", methods=["GET"])
@roles(*_READERS)
@blueprint.response(200, EditMadeSchema(many=True))
def list_edits(plan_id: UUID) -> Any:
    """The last changes by hand, the oldest first."""
    made, _, _ = dispatch.edits_made(desk(), caller(), plan_id)
    return [
        {
            "version": edit.version,
            "by": edit.by,
            "at": edit.at.astimezone(ZONE),
            "kind": edit.kind,
            "target": edit.target,
            "stops": edit.data.get("stops", 0),
            "postmen": edit.data.get("postmen", []),
        }
        for edit in made
    ]


@blueprint.route("/plans/<uuid:plan_id>/copy", methods=["POST"])
@roles(*_WRITERS)
@idempotent
@blueprint.response(201, headers={"Location": {"schema": {"type": "string"}}})
def copy_plan(plan_id: UUID) -> Any:
    """A solved copy with the same routes and locks: how a published plan is changed."""
    made = dispatch.copy_plan(desk(), caller(), plan_id, at=now())
    return {"id": str(made)}, 201, {"Location": url_for("plans.one_plan", plan_id=made)}


# ------------------------------------------------------------------------------------------------------- helpers
def edit_of(body: Mapping[str, Any]) -> dispatch.Edit:
    """The change that a body asks for, when it says all that its kind needs."""
    kind = body["kind"]
    if kind == "exchange":
        if len(set(body["postmen"])) != 2:
            raise Invalid(FieldError("postmen", "invalid", "Expected two different postmen."))
    elif not body["items"]:
        raise Invalid(FieldError("items", "required", "Name at least one stop."))
    if kind == "lock" and body["lock"] is None:
        raise Invalid(FieldError("lock", "required", "Say which lock."))
    if body["place"] is not None and (kind != "move" or body["postman"] is None):
        raise Invalid(FieldError("place", "invalid", "A place is one on the route of a postman that is named."))
    return dispatch.Edit(
        kind=kind,
        items=tuple(body["items"]),
        postman=body["postman"],
        place=body["place"],
        postmen=tuple(body["postmen"]),
        lock=body["lock"] or "free",
    )


def edited(done: dispatch.Edited, *, preview: bool) -> dict[str, Any]:
    """What a change does, as the API writes it."""
    return {
        "version": done.version,
        "preview": preview,
        "cost": done.cost,
        "cost_change": done.cost - done.cost_before,
        "routes": [
            {
                "postman": one.route.postman_id,
                "postman_name": one.postman_name,
                "distance_m": one.route.summary["distance_m"],
                "travel_seconds": one.route.summary["travel_seconds"],
                "cash_dong": one.route.summary["cash_dong"],
                "starts_at": one.route.summary.get("starts_at"),
                "ends_at": one.route.summary.get("ends_at"),
                "violations": list(one.route.summary["violations"]),
                "stops": [
                    {
                        "items": list(stop.items),
                        "arrives_at": stop.arrives_at.astimezone(ZONE),
                        "leaves_at": stop.leaves_at.astimezone(ZONE),
                        "lock": stop.lock,
                        "lat": stop.lat,
                        "lon": stop.lon,
                    }
                    for stop in one.route.stops
                ],
            }
            for one in done.routes
        ],
        "left_out": [list(items) for items in done.left_out],
        "can_undo": done.can_undo,
        "can_redo": done.can_redo,
    }
