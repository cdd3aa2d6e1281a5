"""The running day: the live board, asked again every two seconds by whoever looks on, and what may be changed of it."""

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
    Whole,
    Word,
    desk,
    etag,
    idempotent,
    if_match,
    now,
    unchanged,
    versioned,
)
from api.plans import PlanSchema, Span, shown
from courier import dispatch
from courier.dispatch import Going, LiveDay
from courier.domain.calendar import ZONE, local_day
from courier.domain.progress import Expected, Pace
from courier.store.rounds import RoundStop

blueprint = Blueprint("live", __name__, url_prefix="/api/v1")

READERS = ("dispatcher", "cashier", "admin")
_WRITERS = ("dispatcher", "admin")
_MADE: dict[str, Any] = {"headers": {"Location": {"schema": {"type": "string"}}}}


# -------------------------------------------------------------------------------------------------------- shapes
class LiveQuery(Strict):
    """Today and one's own office, unless said otherwise."""

    date = LocalDay(load_default=None)
    office = Id(load_default=None)


class SpanSchema(Strict):
    """A time as it is told: from when to when."""

    from_ = Instant(required=True, data_key="from")
    to = Instant(required=True)


class ComingSchema(Strict):
    """A call that is still to come. `breaks_promise`: likely after the promised window."""

    sequence = Whole(required=True)
    items = fields.List(Id(), required=True)
    planned_at = Instant(required=True)
    expected = fields.Nested(SpanSchema, required=True)
    promised = fields.Nested(SpanSchema, required=True, allow_none=True)
    breaks_promise = fields.Boolean(required=True)


class LastKnownSchema(Strict):
    """Where the last act was, to about a hundred metres."""

    lat = fields.Float(required=True)
    lon = fields.Float(required=True)
    at = Instant(required=True)


class GoingSchema(Strict):
    """How a round goes. A `silent` phone was not heard while something was due: nobody knows whether its bearer is late."""

    route = Id(required=True)
    postman = Id(required=True)
    postman_name = fields.String(required=True)
    pace = Word(tuple(Pace), required=True)
    late_seconds = Whole(required=True)
    heard_at = Instant(required=True, allow_none=True)
    waiting_acts = Whole(required=True, allow_none=True)
    calls = Whole(required=True)
    done = Whole(required=True)
    failed = Whole(required=True)
    loaded = Whole(required=True)
    to_load = Whole(required=True)
    in_bag = Whole(required=True)
    cash_dong = fields.Integer(required=True)
    cash_limit_dong = fields.Integer(required=True)
    place = fields.Nested(LastKnownSchema, required=True, allow_none=True)
    coming = fields.List(fields.Nested(ComingSchema), required=True)


class LiveDaySchema(Strict):
    """An office-day as it goes; `plan` is null where none is published."""

    date = LocalDay(required=True)
    at = Instant(required=True)
    plan = Id(required=True, allow_none=True)
    routes = fields.List(fields.Nested(GoingSchema), required=True)
    open_incidents = Whole(required=True)


class ReplanSchema(Strict):
    """How long to search, and what a loaded call with another postman must save, in seconds of travel."""

    seconds = Span(
        validate=validate.Range(min=dispatch.LEAST_SECONDS, max=dispatch.MOST_REPLANNING_SECONDS),
        load_default=dispatch.USUAL_SECONDS,
    )
    stability = Whole(maximum=dispatch.MOST_STABILITY, load_default=dispatch.USUAL_STABILITY)


class BreakdownSchema(ReplanSchema):
    """Who cannot go on."""

    postman = Id(required=True)


class MovedSchema(Strict):
    """A call with another postman than before; null: on no route. `loaded`: two people have to meet for it."""

    items = fields.List(Id(), required=True)
    before = Id(required=True, allow_none=True)
    after = Id(required=True, allow_none=True)
    loaded = fields.Boolean(required=True)


class RoundChangeSchema(Strict):
    """What becomes of a postman's round: before and after."""

    postman = Id(required=True)
    postman_name = fields.String(required=True)
    calls = fields.List(fields.Integer(), required=True)
    distance_m = fields.List(fields.Integer(), required=True)
    ends_at = fields.List(Instant(allow_none=True), required=True)


class ChangesSchema(Strict):
    """A replanned day beside the plan that it was made from. `stale`: that one does not run any more."""

    running = Id(required=True)
    broken = Id(required=True, allow_none=True)
    stale = fields.Boolean(required=True)
    moved = fields.List(fields.Nested(MovedSchema), required=True)
    rounds = fields.List(fields.Nested(RoundChangeSchema), required=True)


class InsertionSchema(Strict):
    """Which item is to go out."""

    item = Id(required=True)


class ChosenSchema(Strict):
    """Whose round it is to be on."""

    postman = Id(required=True)


class PlaceFoundSchema(Strict):
    """The cheapest place on a round: `cost` in seconds of travel. `by_office`: the postman comes back to the office for it first."""

    postman = Id(required=True)
    postman_name = fields.String(required=True)
    sequence = Whole(required=True)
    cost = fields.Integer(required=True)
    arrives_at = Instant(required=True)
    by_office = fields.Boolean(required=True)


class PlacesFoundSchema(Strict):
    """One place for each round that could take the item, the cheapest first."""

    places = fields.List(fields.Nested(PlaceFoundSchema), required=True)


# --------------------------------------------------------------------------------------------------------- views
@blueprint.route("/live", methods=["GET"])
@roles(*READERS)
@blueprint.arguments(LiveQuery, location="query")
@blueprint.response(200, LiveDaySchema)
@blueprint.alt_response(304, description="nothing has happened since, and the minute is the same")
def live(query: Mapping[str, Any]) -> Any:
    """How the day goes. Ask again with `If-None-Match`: that costs next to nothing."""
    day = query["date"] or local_day(now())
    tag = dispatch.live_tag(desk(), caller(), office_id=query["office"], day=day, at=now())
    same: Response | None = unchanged(tag)
    if same is not None:
        return same
    found = dispatch.live(desk(), caller(), office_id=query["office"], day=day, at=now())
    return _body(found), {"ETag": f'"{tag}"'}


@blueprint.route("/plans/<uuid:plan_id>/replan", methods=["POST"])
@roles(*_WRITERS)
@idempotent
@versioned
@blueprint.arguments(ReplanSchema)
@blueprint.response(201, PlanSchema, **_MADE)
def replan(body: Mapping[str, Any], plan_id: UUID) -> Any:
    """Plan what is left of the running plan anew, from where people are. The answer is another plan: publish it or leave it."""
    made = dispatch.replan_rest(
        desk(), caller(), plan_id, version=if_match(), at=now(), seconds=body["seconds"], stability=body["stability"]
    )
    return _made(made)


@blueprint.route("/plans/<uuid:plan_id>/breakdown", methods=["POST"])
@roles(*_WRITERS)
@idempotent
@versioned
@blueprint.arguments(BreakdownSchema)
@blueprint.response(201, PlanSchema, **_MADE)
def breakdown(body: Mapping[str, Any], plan_id: UUID) -> Any:
    """Offer everything that a postman who cannot go on still had to the others. The answer is another plan."""
    made = dispatch.break_down(
        desk(),
        caller(),
        plan_id,
        body["postman"],
        version=if_match(),
        at=now(),
        seconds=body["seconds"],
        stability=body["stability"],
    )
    return _made(made)


def _made(plan_id: UUID) -> Any:
    view = dispatch.get_plan(desk(), caller(), plan_id)
    return shown(view), 201, {"Location": url_for("plans.one_plan", plan_id=plan_id), **etag(view.version)}


@blueprint.route("/plans/<uuid:plan_id>/changes", methods=["GET"])
@roles(*READERS)
@blueprint.response(200, ChangesSchema)
@blueprint.alt_response(204, description="the plan was made from nothing")
def changes(plan_id: UUID) -> Any:
    """What a replanned day changes of the plan that it was made from."""
    found = dispatch.changes_of(desk(), caller(), plan_id)
    if found is None:
        return Response(status=204)
    return {
        "running": found.running,
        "broken": found.broken,
        "stale": found.stale,
        "moved": [
            {"items": list(one.items), "before": one.before, "after": one.after, "loaded": one.loaded}
            for one in found.moved
        ],
        "rounds": [
            {
                "postman": one.postman_id,
                "postman_name": one.name,
                "calls": list(one.calls),
                "distance_m": list(one.distance_m),
                "ends_at": [end and end.astimezone(ZONE) for end in one.ends_at],
            }
            for one in found.rounds
        ],
    }


@blueprint.route("/plans/<uuid:plan_id>/insertions", methods=["POST"])
@roles(*_WRITERS)
@versioned
@blueprint.arguments(InsertionSchema)
@blueprint.response(200, PlacesFoundSchema)
def places(body: Mapping[str, Any], plan_id: UUID) -> Any:
    """Where an item would fit into the running rounds, and what it would cost. Changes nothing."""
    found = dispatch.places_for(desk(), caller(), plan_id, body["item"], version=if_match(), at=now())
    return {
        "places": [
            {
                "postman": place.postman_id,
                "postman_name": place.name,
                "sequence": place.sequence,
                "cost": place.cost,
                "arrives_at": place.arrives_at.astimezone(ZONE),
                "by_office": place.by_office,
            }
            for place in found
        ]
    }


@blueprint.route("/plans/<uuid:plan_id>/insertions/<uuid:item_id>", methods=["PUT"])
@roles(*_WRITERS)
@versioned
@blueprint.arguments(ChosenSchema)
@blueprint.response(200, PlanSchema)
def insert(body: Mapping[str, Any], plan_id: UUID, item_id: UUID) -> Any:
    """Put an item on a postman's running round, where it costs least; his phone hears of it."""
    view = dispatch.insert(
        desk(), caller(), plan_id, item_id, postman_id=body["postman"], version=if_match(), at=now()
    )  # fmt: skip
    return shown(view), etag(view.version)


def _body(found: LiveDay) -> dict[str, Any]:
    return {
        "date": found.day,
        "at": found.at.astimezone(ZONE),
        "plan": found.plan_id,
        "routes": [_route(going) for going in found.goings],
        "open_incidents": found.incidents,
    }


def _route(going: Going) -> dict[str, Any]:
    one, place = going.round, going.place
    return {
        "route": one.route_id,
        "postman": one.postman_id,
        "postman_name": one.name,
        "pace": going.outlook.pace.value,
        "late_seconds": going.outlook.late_seconds,
        "heard_at": one.heard_at and one.heard_at.astimezone(ZONE),
        "waiting_acts": one.waiting_acts,
        "calls": going.calls,
        "done": going.done,
        "failed": going.failed,
        "loaded": going.loaded,
        "to_load": going.to_load,
        "in_bag": one.in_bag,
        "cash_dong": one.cash_dong,
        "cash_limit_dong": one.cash_limit_dong,
        "place": place and {"lat": place.lat, "lon": place.lon, "at": place.at.astimezone(ZONE)},
        "coming": [_coming(stop, expected) for stop, expected in going.coming],
    }


def _coming(stop: RoundStop, expected: Expected) -> dict[str, Any]:
    promised = stop.window
    return {
        "sequence": stop.sequence,
        "items": list(stop.items),
        "planned_at": stop.arrives_at.astimezone(ZONE),
        "expected": {"from_": expected.opens.astimezone(ZONE), "to": expected.closes.astimezone(ZONE)},
        "promised": promised and {"from_": promised[0].astimezone(ZONE), "to": promised[1].astimezone(ZONE)},
        "breaks_promise": expected.breaks_promise,
    }
