"""Plans: ask for one, look at it, see what it leaves out and why, publish it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response, url_for
from marshmallow import fields, validate

from api.auth import caller, roles
from api.conventions import (
    Blueprint,
    Id,
    Instant,
    LocalDay,
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
    unchanged,
    versioned,
)
from courier import dispatch
from courier.domain.calendar import ZONE
from courier.store.plans import PlanView, RouteView
from courier.store.tables import LOCKS, MODES, PLAN_STATES, UNPLANNED_CODES

blueprint = Blueprint("plans", __name__, url_prefix="/api/v1", description="Plans and routes (phương án, tuyến phát)")

_READERS = ("dispatcher", "cashier", "admin")
_WRITERS = ("dispatcher", "admin")


# -------------------------------------------------------------------------------------------------------- shapes
class Span(fields.Float):
    """A number of seconds; text and `true` are refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> float:  # noqa: ARG002
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        return float(value)


class NewPlanSchema(Strict):
    """What is asked for; without `office` the caller's own, without `seconds` as long as this installation takes."""

    office = Id(load_default=None)
    date = LocalDay(required=True)
    seconds = Span(validate=validate.Range(min=dispatch.LEAST_SECONDS, max=dispatch.MOST_SECONDS), load_default=None)
    seed = Whole(load_default=0)


class TravelSchema(Strict):
    """Where travel times come from; `source` is null until the plan is solved."""

    source = Word(("estimated", "map", "osrm", "learned"), required=True, allow_none=True)
    method = fields.String()
    warnings = fields.List(fields.String())


class StopSchema(Strict):
    """A call at one door."""

    sequence = fields.Integer(required=True)
    arrives_at = Instant(required=True)
    leaves_at = Instant(required=True)
    lock = Word(LOCKS, required=True)
    items = fields.List(Id(), required=True)
    lat = fields.Float(required=True)
    lon = fields.Float(required=True)


class RouteSchema(Strict):
    """A postman's ordered day. Metres and seconds of travel, and the cash that may be taken, are as solved."""

    id = Id(required=True)
    postman = Id(required=True)
    postman_name = fields.String(required=True)
    vehicle = Id(required=True)
    vehicle_name = fields.String(required=True)
    mode = Word(MODES, required=True)
    distance_m = fields.Integer(required=True)
    travel_seconds = fields.Integer(required=True)
    cash_dong = fields.Integer(required=True)
    stops = fields.List(fields.Nested(StopSchema), required=True)


class ProgressSchema(Strict):
    """How far the search is; `bound`: no plan that serves every compulsory stop costs less, null where nobody knows.

    `plans` counts the better plans found; the routes of the draft are the one numbered `shown` (0: none yet).
    """

    seconds = fields.Float(required=True)
    of_seconds = fields.Float(required=True)
    plans = fields.Integer(required=True)
    shown = fields.Integer(required=True)
    cost = fields.Integer(required=True)
    bound = fields.Integer(required=True, allow_none=True)


class PlanSchema(Strict):
    """A plan of one office for one day; `error` says why a failed one failed."""

    id = Id(required=True)
    office = Id(required=True)
    date = LocalDay(required=True)
    state = Word(PLAN_STATES, required=True)
    travel = fields.Nested(TravelSchema, required=True)
    cost = fields.Integer(required=True, allow_none=True)
    progress = fields.Nested(ProgressSchema, required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    created_at = Instant(required=True)
    solved_at = Instant(required=True, allow_none=True)
    published_at = Instant(required=True, allow_none=True)
    routes = fields.List(fields.Nested(RouteSchema), required=True)
    unplanned_count = fields.Integer(required=True)
    version = fields.Integer(required=True)


class PlanQuery(Strict):
    """The query of the list."""

    date = LocalDay(load_default=None)
    office = Id(load_default=None)
    limit = Whole(minimum=1, maximum=200, load_default=20)
    after = Text(at_least=1, at_most=500, load_default=None)


class UnplannedSchema(Strict):
    """An item that a plan leaves out, and why."""

    item = Id(required=True)
    barcode = fields.String(required=True)
    address = fields.String(required=True)
    code = Word(UNPLANNED_CODES, required=True)
    sentence = fields.String(required=True)


# --------------------------------------------------------------------------------------------------------- views
@blueprint.route("/plans", methods=["POST"])
@roles(*_WRITERS)
@idempotent
@blueprint.arguments(NewPlanSchema)
@blueprint.response(202, PlanSchema, headers={"Location": {"schema": {"type": "string"}}})
def ask_for_plan(body: Mapping[str, Any]) -> Any:
    """Ask for a plan of an office-day. It is a draft until it is solved; look again at `Location`."""
    plan_id = dispatch.request_plan(
        desk(),
        caller(),
        office_id=body["office"],
        day=body["date"],
        at=now(),
        seconds=body["seconds"],
        seed=body["seed"],
    )
    view = dispatch.get_plan(desk(), caller(), plan_id)
    return shown(view), 202, {"Location": url_for("plans.one_plan", plan_id=plan_id), **etag(view.version)}


@blueprint.route("/plans", methods=["GET"])
@roles(*_READERS)
@blueprint.arguments(PlanQuery, location="query")
@blueprint.response(200, page_of(PlanSchema))
def list_plans(query: Mapping[str, Any]) -> dict[str, Any]:
    """Plans, the newest first."""
    found = dispatch.list_plans(
        desk(),
        caller(),
        day=query["date"],
        office_id=query["office"],
        after=after_id(query["after"]),
        limit=query["limit"] + 1,
    )
    return page([shown(view) for view in found], limit=query["limit"], position=lambda row: [str(row["id"])])


@blueprint.route("/plans/<uuid:plan_id>", methods=["GET"])
@roles(*_READERS)
@blueprint.response(200, PlanSchema)
@blueprint.alt_response(304, description="the caller has this version already")
def one_plan(plan_id: UUID) -> Any:
    """One plan with its routes."""
    view = dispatch.get_plan(desk(), caller(), plan_id)
    same: Response | None = unchanged(str(view.version))
    return same or (shown(view), etag(view.version))


@blueprint.route("/plans/<uuid:plan_id>/unplanned", methods=["GET"])
@roles(*_READERS)
@blueprint.response(200, UnplannedSchema(many=True))
def list_unplanned(plan_id: UUID) -> Any:
    """The items that the plan leaves out, each with a code and a sentence."""
    return [
        {
            "item": row.item_id,
            "barcode": row.barcode,
            "address": row.address,
            "code": row.code,
            "sentence": row.sentence,
        }
        for row in dispatch.unplanned(desk(), caller(), plan_id)
    ]


@blueprint.route("/plans/<uuid:plan_id>/publish", methods=["POST"])
@roles(*_WRITERS)
@idempotent
@versioned
@blueprint.response(200, PlanSchema)
def publish_plan(plan_id: UUID) -> Any:
    """Make a solved plan the one that postmen follow; the one published before is superseded."""
    view = dispatch.publish(desk(), caller(), plan_id, version=if_match(), at=now())
    return shown(view), etag(view.version)


@blueprint.route("/plans/<uuid:plan_id>/stop", methods=["POST"])
@roles(*_WRITERS)
@blueprint.response(202, PlanSchema)
@blueprint.alt_response(409, description="no search is going on for this plan")
def stop_solving(plan_id: UUID) -> Any:
    """End the search for a plan with the best that it has found; the plan is solved a moment later."""
    view = dispatch.stop_solving(desk(), caller(), plan_id)
    return shown(view), 202, etag(view.version)


# ------------------------------------------------------------------------------------------------------- helpers
def shown(view: PlanView) -> dict[str, Any]:
    """A plan as the API writes it."""
    return {
        "id": view.id,
        "office": view.office,
        "date": view.day,
        "state": view.state,
        "travel": dict(view.travel) or {"source": None},
        "cost": view.cost,
        "progress": view.summary.get("progress"),
        "error": view.error,
        "created_at": view.created_at.astimezone(ZONE),
        "solved_at": view.solved_at and view.solved_at.astimezone(ZONE),
        "published_at": view.published_at and view.published_at.astimezone(ZONE),
        "routes": [_route(route) for route in view.routes],
        "unplanned_count": view.unplanned_count,
        "version": view.version,
    }


def _route(route: RouteView) -> dict[str, Any]:
    return {
        "id": route.id,
        "postman": route.postman,
        "postman_name": route.postman_name,
        "vehicle": route.vehicle,
        "vehicle_name": route.vehicle_name,
        "mode": route.mode,
        "distance_m": route.summary.get("distance_m", 0),
        "travel_seconds": route.summary.get("travel_seconds", 0),
        "cash_dong": route.summary.get("cash_dong", 0),
        "stops": [
            {
                "sequence": stop.sequence,
                "arrives_at": stop.arrives_at.astimezone(ZONE),
                "leaves_at": stop.leaves_at.astimezone(ZONE),
                "lock": stop.lock,
                "items": list(stop.items),
                "lat": stop.lat,
                "lon": stop.lon,
            }
            for stop in route.stops
        ],
    }
