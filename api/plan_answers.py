"""Answers about a plan: why its stops are where they are, what would let others in, what differs from another plan."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from marshmallow import fields

from api.auth import caller, roles
from api.conventions import Blueprint, desk, etag, idempotent, if_match, now, versioned
from api.plans import PlanSchema, shown
from api.shapes import Flag, Id, Instant, Strict, Text, Word
from courier import dispatch
from courier.domain.calendar import ZONE
from courier.store.tables import RELIEFS, UNPLANNED_CODES

blueprint = Blueprint(
    "plan_answers", __name__, url_prefix="/api/v1", description="Answers about a plan (giải thích phương án)"
)

_READERS = ("dispatcher", "cashier", "admin")
_WRITERS = ("dispatcher", "admin")
_TIES = tuple(code.value for code in dispatch.TIES)
_OFFERS = ("room", "shift", "window", "capacity", "cash_limit", "several", "exchange")


# -------------------------------------------------------------------------------------------------------- shapes
class ExplanationQuery(Strict):
    """`item` asks about the stop of that item alone; `stops=false` leaves the routes out."""

    item = Id(load_default=None)
    stops = Flag(load_default=True)


class TieSchema(Strict):
    """A rule that holds a stop; `stop` is the sequence of another one when the rule is that one's."""

    code = Word(_TIES, required=True)
    stop = fields.Integer(required=True, allow_none=True)


class ElsewhereSchema(Strict):
    """The next best postman, and the seconds of travel that the plan would cost more with him (less, below 0)."""

    postman = Id(required=True)
    postman_name = fields.String(required=True)
    extra_seconds = fields.Integer(required=True)


class StopReasonSchema(Strict):
    """Why here and why then.

    `saved_seconds` is what the route saves without the stop (null: it could not be driven without it), `slack_seconds` by
    how much it could be later (null: nothing limits it). `ties` has first what keeps it with this postman and in this
    place, then what keeps it from being earlier, last from being later.
    """

    items = fields.List(Id(), required=True)
    sequence = fields.Integer(required=True)
    arrives_at = Instant(required=True)
    saved_seconds = fields.Integer(required=True, allow_none=True)
    slack_seconds = fields.Integer(required=True, allow_none=True)
    ties = fields.List(fields.Nested(TieSchema), required=True)
    elsewhere = fields.Nested(ElsewhereSchema, required=True, allow_none=True)


class RouteReasonSchema(Strict):
    """A route; where it breaks rules (`broken` has their codes) its stops are not explained."""

    postman = Id(required=True)
    postman_name = fields.String(required=True)
    broken = fields.List(fields.String(), required=True)
    stops = fields.List(fields.Nested(StopReasonSchema), required=True)


class ObstacleSchema(Strict):
    """Why one postman cannot take a stop."""

    postman = Id(required=True)
    postman_name = fields.String(required=True)
    code = fields.String(required=True)


class GivesWaySchema(Strict):
    """What gives way: seconds (shift; window, on each side), items (capacity) or dong (cash_limit)."""

    kind = Word(RELIEFS, required=True)
    amount = fields.Integer(required=True)


class OfferSchema(Strict):
    """A way to let a stop in. With `exchange` the items of `instead` stay in the office; with `room` nothing need change."""

    key = fields.String(required=True)
    kind = Word(_OFFERS, required=True)
    postman = Id(required=True)
    postman_name = fields.String(required=True)
    changes = fields.List(fields.Nested(GivesWaySchema), required=True)
    instead = fields.List(Id(), required=True)
    extra_seconds = fields.Integer(required=True)


class LeftOutReasonSchema(Strict):
    """A call that is left out: why, for each postman, and what would let it in, the smallest change first."""

    items = fields.List(Id(), required=True)
    code = Word(UNPLANNED_CODES, required=True)
    sentence = fields.String(required=True)
    obstacles = fields.List(fields.Nested(ObstacleSchema), required=True)
    offers = fields.List(fields.Nested(OfferSchema), required=True)


class ReliefSchema(Strict):
    """A rule that gives way for this plan already."""

    id = Id(required=True)
    kind = Word(RELIEFS, required=True)
    amount = fields.Integer(required=True)
    postman = Id(required=True, allow_none=True)
    item = Id(required=True, allow_none=True)


class ExplanationSchema(Strict):
    """The plan explained, at its `version`."""

    version = fields.Integer(required=True)
    routes = fields.List(fields.Nested(RouteReasonSchema), required=True)
    left_out = fields.List(fields.Nested(LeftOutReasonSchema), required=True)
    reliefs = fields.List(fields.Nested(ReliefSchema), required=True)


class TakenSchema(Strict):
    """The offer that is taken: one of the item's, by its key."""

    item = Id(required=True)
    offer = Text(required=True, at_least=1, at_most=300)


class DifferenceQuery(Strict):
    """`with` names the other plan of the same office and day; without it the published one."""

    other = Id(load_default=None, data_key="with")


class LineSchema(Strict):
    """A line of the cost, in seconds of travel."""

    name = fields.String(required=True)
    before = fields.Integer(required=True)
    after = fields.Integer(required=True)


class DayOfSchema(Strict):
    """A postman's day in one plan."""

    stops = fields.Integer(required=True)
    distance_m = fields.Integer(required=True)
    travel_seconds = fields.Integer(required=True)
    cash_dong = fields.Integer(required=True)
    ends_at = fields.String(required=True, allow_none=True)


class PostmanChangeSchema(Strict):
    """A postman's day before and after; `gained` and `lost` count items."""

    postman = Id(required=True)
    postman_name = fields.String(required=True)
    before = fields.Nested(DayOfSchema, required=True)
    after = fields.Nested(DayOfSchema, required=True)
    gained = fields.Integer(required=True)
    lost = fields.Integer(required=True)


class StopPlaceSchema(Strict):
    """Where a stop stands."""

    postman = Id(required=True)
    postman_name = fields.String(required=True)
    sequence = fields.Integer(required=True)
    arrives_at = Instant(required=True)


class StopChangeSchema(Strict):
    """Items that moved together: gained, lost, added, removed, postman, order, time."""

    items = fields.List(Id(), required=True)
    codes = fields.List(fields.String(), required=True)
    before = fields.Nested(StopPlaceSchema, required=True, allow_none=True)
    after = fields.Nested(StopPlaceSchema, required=True, allow_none=True)


class DifferenceSchema(Strict):
    """What changed from this plan to the other. `kept` counts items that both visit, `moved` those with another postman."""

    cost_lines = fields.List(fields.Nested(LineSchema), required=True)
    postmen = fields.List(fields.Nested(PostmanChangeSchema), required=True)
    stops = fields.List(fields.Nested(StopChangeSchema), required=True)
    kept = fields.Integer(required=True)
    moved = fields.Integer(required=True)


# --------------------------------------------------------------------------------------------------------- views
@blueprint.route("/plans/<uuid:plan_id>/explanation", methods=["GET"])
@roles(*_READERS)
@blueprint.arguments(ExplanationQuery, location="query")
@blueprint.response(200, ExplanationSchema)
def explain_plan(query: Mapping[str, Any], plan_id: UUID) -> Any:
    """Why every stop is where and when it is, why others are left out, and what would let them in."""
    told = dispatch.explain_plan(desk(), caller(), plan_id, at=now(), item_id=query["item"], stops=query["stops"])
    return {
        "version": told.version,
        "routes": [_route(route) for route in told.routes],
        "left_out": [_left_out(reason) for reason in told.left_out],
        "reliefs": [
            {
                "id": relief.id,
                "kind": relief.kind,
                "amount": relief.amount,
                "postman": relief.postman_id,
                "item": relief.item_id,
            }
            for relief in told.reliefs
        ],
    }, etag(told.version)


@blueprint.route("/plans/<uuid:plan_id>/offers", methods=["POST"])
@roles(*_WRITERS)
@idempotent
@versioned
@blueprint.arguments(TakenSchema)
@blueprint.response(200, PlanSchema)
def take_offer(body: Mapping[str, Any], plan_id: UUID) -> Any:
    """Let a rule give way for this plan and put the left-out stop on the route."""
    view = dispatch.take_offer(desk(), caller(), plan_id, body["item"], key=body["offer"], version=if_match(), at=now())
    return shown(view), etag(view.version)


@blueprint.route("/plans/<uuid:plan_id>/reliefs/<uuid:relief_id>", methods=["DELETE"])
@roles(*_WRITERS)
@versioned
@blueprint.response(200, PlanSchema)
def withdraw_relief(plan_id: UUID, relief_id: UUID) -> Any:
    """Let a rule hold again. The stops stay where they are; the routes name what they break."""
    view = dispatch.withdraw_relief(desk(), caller(), plan_id, relief_id, version=if_match(), at=now())
    return shown(view), etag(view.version)


@blueprint.route("/plans/<uuid:plan_id>/difference", methods=["GET"])
@roles(*_READERS)
@blueprint.arguments(DifferenceQuery, location="query")
@blueprint.response(200, DifferenceSchema)
def difference(query: Mapping[str, Any], plan_id: UUID) -> Any:
    """What changes from this plan to another of the same day: cost lines, postmen, stops."""
    found = dispatch.compare_plans(desk(), caller(), plan_id, query["other"], at=now())
    return {
        "cost_lines": [
            {"name": name, "before": before, "after": after} for name, (before, after) in found.cost_lines.items()
        ],
        "postmen": found.postmen,
        "stops": [
            {
                "items": list(change.items),
                "codes": list(change.codes),
                "before": _place(change.before),
                "after": _place(change.after),
            }
            for change in found.stops
        ],
        "kept": found.kept,
        "moved": found.moved,
    }


def _route(route: dispatch.RouteReason) -> dict[str, Any]:
    return {
        "postman": route.postman,
        "postman_name": route.postman_name,
        "broken": list(route.broken),
        "stops": [
            {
                "items": list(stop.items),
                "sequence": stop.sequence,
                "arrives_at": stop.arrives_at.astimezone(ZONE),
                "saved_seconds": stop.saved_seconds,
                "slack_seconds": stop.slack_seconds,
                "ties": list(stop.ties),
                "elsewhere": None
                if stop.elsewhere is None
                else dict(zip(("postman", "postman_name", "extra_seconds"), stop.elsewhere, strict=True)),
            }
            for stop in route.stops
        ],
    }


def _left_out(reason: dispatch.LeftOutReason) -> dict[str, Any]:
    return {
        "items": list(reason.items),
        "code": reason.code,
        "sentence": reason.sentence,
        "obstacles": list(reason.obstacles),
        "offers": list(reason.offers),
    }


def _place(place: dispatch.Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {
        "postman": place.postman,
        "postman_name": place.postman_name,
        "sequence": place.sequence,
        "arrives_at": place.arrives_at.astimezone(ZONE),
    }
