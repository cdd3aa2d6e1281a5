"""Ratings of visits: given by link, read by the office in sums."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import fields

from api.auth import caller, roles
from api.conventions import Blueprint, Id, Instant, LocalDay, Strict, Text, Whole, desk, now
from api.public import proven, visitor
from api.reports import month_of
from courier import ratings, tracking
from courier.domain.calendar import ZONE, local_day
from courier.ratings import Marks, Visit

blueprint = Blueprint("ratings", __name__, url_prefix="/api/v1")


class RatingSchema(Strict):
    """One to five, and a word if one likes."""

    stars = Whole(minimum=1, maximum=5, required=True)
    text = Text(at_most=300, load_default="")


class VisitSchema(Strict):
    """A visit and what was thought of it."""

    kind = fields.String(required=True)
    on = LocalDay(required=True)
    stars = fields.Integer(required=True, allow_none=True)
    text = fields.String(required=True)
    changeable_until = Instant(required=True)
    open = fields.Boolean(required=True)


class LastVisitSchema(Strict):
    """The visit that can be rated; null before the first."""

    visit = fields.Nested(VisitSchema, required=True, allow_none=True)


class MarksSchema(Strict):
    """How often each mark was given, from one to five."""

    count = fields.Integer(required=True)
    mean = fields.Float(required=True, allow_none=True)
    by_stars = fields.List(fields.Integer(), required=True)


class PostmanMarksSchema(MarksSchema):
    """The same of one postman, where enough were given."""

    name = fields.String(required=True)


class OfficeMonthSchema(MarksSchema):
    """An office's month. `too_few` postmen have ratings that are not told."""

    office = Id(required=True)
    name = fields.String(required=True)
    postmen = fields.List(fields.Nested(PostmanMarksSchema), required=True)
    too_few = fields.Integer(required=True)
    words = fields.List(fields.String(), required=True)


class MonthSchema(Strict):
    """The ratings of one month by office."""

    month = fields.String(required=True)
    offices = fields.List(fields.Nested(OfficeMonthSchema), required=True)


class MonthQuery(Strict):
    """The month as `YYYY-MM`; this one where left out."""

    month = Text(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", load_default=None)


def _told(visit: Visit | None) -> dict[str, Any]:
    if visit is None:
        return {"visit": None}
    return {
        "visit": {
            "kind": visit.kind,
            "on": visit.on,
            "stars": visit.stars,
            "text": visit.words,
            "changeable_until": visit.until.astimezone(ZONE),
            "open": visit.is_open,
        }
    }


@blueprint.route("/public/items/<string:token>/rating", methods=["GET"])
@proven
@blueprint.response(200, LastVisitSchema)
@blueprint.alt_response(409, description="the phone was not proven")
def show(token: str) -> Any:
    """The last visit and what was thought of it."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    return _told(ratings.last_visit(desk(), item_id, at=now()))


@blueprint.route("/public/items/<string:token>/rating", methods=["PUT"])
@proven
@blueprint.arguments(RatingSchema)
@blueprint.response(200, LastVisitSchema)
def rate(body: Mapping[str, Any], token: str) -> Any:
    """Rate the last visit, or change what was said; the same again changes nothing."""
    item_id = tracking.require_proven(desk(), token, visitor(), at=now())
    return _told(ratings.rate(desk(), item_id, stars=body["stars"], words=body["text"], at=now()))


@blueprint.route("/reports/ratings", methods=["GET"])
@roles("dispatcher", "admin")
@blueprint.arguments(MonthQuery, location="query")
@blueprint.response(200, MonthSchema)
def of_month(query: Mapping[str, Any]) -> Any:
    """What citizens thought of a month's visits."""
    month = asked_month(query["month"])
    return {
        "month": f"{month:%Y-%m}",
        "offices": [
            _marks(one.marks)
            | {
                "office": one.office_id,
                "name": one.office,
                "postmen": [_marks(marks) | {"name": name} for name, marks in one.postmen],
                "too_few": one.too_few,
                "words": one.words,
            }
            for one in ratings.of_month(desk(), caller(), month, at=now())
        ],
    }


def asked_month(text: str | None) -> date:
    """The first day of the month asked for, or of this one."""
    return month_of(text) if text else local_day(now()).replace(day=1)


def _marks(marks: Marks) -> dict[str, Any]:
    return {
        "count": marks.count,
        "mean": marks.mean,
        "by_stars": [marks.by_stars.get(stars, 0) for stars in ratings.STARS],
    }
