"""Who works when: an office's week, what differs from it, and whose beat is which commune."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response
from marshmallow import fields, validate

from api.auth import caller, roles
from api.conventions import (
    Blueprint,
    ClockTime,
    Dong,
    Id,
    LocalDay,
    Name,
    Strict,
    Text,
    Whole,
    Word,
    desk,
    etag,
    idempotent,
    if_match,
    now,
    versioned,
)
from courier import staffing
from courier.domain.duty import LEAVE_KINDS, Change, Duty, Hours, Kind
from courier.domain.errors import FieldError, Invalid
from courier.staffing import Warned, Week
from courier.store.tables import MODES

blueprint = Blueprint("crew", __name__, url_prefix="/api/v1", description="Who works when (lịch làm việc)")

_PLANNERS = ("dispatcher", "admin")
_COMMUNE = r"^[0-9]{5}$"


# --------------------------------------------------------------------------------------------------------- shapes
class WeekQuery(Strict):
    """Which days of which office; without `from` this week from its Monday, without `office` the caller's own."""

    office = Id(load_default=None)
    from_ = LocalDay(load_default=None, data_key="from")
    days = Whole(minimum=1, maximum=staffing.MOST_DAYS_SHOWN, load_default=7)


class ChangeSchema(Strict):
    """What differs. `weekdays` count from Monday = 0; none means every day of the span."""

    kind = Word([kind.value for kind in Kind], required=True)
    first_day = LocalDay(required=True)
    last_day = LocalDay(load_default=None, allow_none=True)
    weekdays = fields.List(Whole(maximum=6), load_default=list, validate=validate.Length(max=7))
    postman = Id(load_default=None, allow_none=True)
    vehicle = Id(load_default=None, allow_none=True)
    leave_kind = Word(LEAVE_KINDS, load_default=None, allow_none=True)
    shift_start = ClockTime(load_default=None, allow_none=True)
    shift_end = ClockTime(load_default=None, allow_none=True)
    break_start = ClockTime(load_default=None, allow_none=True)
    break_minutes = Whole(maximum=600, load_default=0)
    note = Text(at_most=200, load_default="")


class NewChangeSchema(ChangeSchema):
    """What is to differ, and in which office; without `office` the caller's own."""

    office = Id(load_default=None, allow_none=True)


class WarnedSchema(Strict):
    """Something to look after."""

    code = fields.String(required=True)
    sentence = fields.String(required=True)
    date = LocalDay(required=True, allow_none=True)
    postman = Id(required=True, allow_none=True)


class ChangeShownSchema(ChangeSchema):
    """What differs, as it stands."""

    id = Id(required=True)
    version = Whole(required=True)


class ChangeTakenSchema(ChangeShownSchema):
    """A change that was taken, and what it leaves to be looked after."""

    warnings = fields.List(fields.Nested(WarnedSchema), required=True)


class DayShownSchema(Strict):
    """A day of the office: `full`, `half` or `closed`, and what makes it differ from its week."""

    date = LocalDay(required=True)
    delivery = Word(("full", "half", "closed"), required=True)
    reason = fields.String(required=True, allow_none=True)


class DutySchema(Strict):
    """A postman's day; `changes` are those that make it what it is."""

    date = LocalDay(required=True)
    at_work = fields.Boolean(required=True)
    shift_start = ClockTime(required=True)
    shift_end = ClockTime(required=True)
    break_start = ClockTime(required=True, allow_none=True)
    break_minutes = Whole(required=True)
    vehicle = Id(required=True)
    changes = fields.List(Id(), required=True)


class PostmanWeekSchema(Strict):
    """A postman, his beat, and his days; `version` guards the beat."""

    id = Id(required=True)
    name = fields.String(required=True)
    beat = fields.List(fields.String(), required=True)
    version = Whole(required=True)
    days = fields.List(fields.Nested(DutySchema), required=True)


class VehicleShownSchema(Strict):
    """A vehicle."""

    id = Id(required=True)
    name = fields.String(required=True)
    mode = Word(MODES, required=True)
    capacity_items = Whole(required=True)
    version = Whole(required=True)


class WeekSchema(Strict):
    """Who works when in an office."""

    office = Id(required=True)
    days = fields.List(fields.Nested(DayShownSchema), required=True)
    postmen = fields.List(fields.Nested(PostmanWeekSchema), required=True)
    vehicles = fields.List(fields.Nested(VehicleShownSchema), required=True)
    changes = fields.List(fields.Nested(ChangeShownSchema), required=True)
    communes_without_beat = fields.List(fields.String(), required=True)
    warnings = fields.List(fields.Nested(WarnedSchema), required=True)


class VehicleSchema(Strict):
    """A vehicle, as it is to be."""

    name = Name(required=True)
    mode = Word(MODES, required=True)
    capacity_items = Whole(minimum=1, maximum=1000, required=True)


class NewVehicleSchema(VehicleSchema):
    """A vehicle more; without `office` the caller's own."""

    office = Id(load_default=None, allow_none=True)


class UsualSchema(Strict):
    """How a postman works when nothing differs."""

    vehicle = Id(required=True)
    shift_start = ClockTime(required=True)
    shift_end = ClockTime(required=True)
    break_start = ClockTime(load_default=None, allow_none=True)
    break_minutes = Whole(maximum=600, load_default=0)
    cash_limit_dong = Dong(load_default=None, allow_none=True)


class UsualTakenSchema(Strict):
    """The account's new version."""

    version = Whole(required=True)


class BeatSchema(Strict):
    """The communes that a postman knows best."""

    communes = fields.List(Text(pattern=_COMMUNE), required=True, validate=validate.Length(max=64))


class BeatTakenSchema(Strict):
    """The account's new version, and the communes of the office that are on nobody's beat."""

    version = Whole(required=True)
    communes_without_beat = fields.List(fields.String(), required=True)


# ---------------------------------------------------------------------------------------------------------- views
@blueprint.route("/crew")
@roles(*_PLANNERS)
@blueprint.arguments(WeekQuery, location="query")
@blueprint.response(200, WeekSchema)
def week(query: dict[str, Any]) -> Any:
    """Show who works when, what differs from the usual, and what needs looking after."""
    first = query["from_"] or staffing.monday(now())
    return _week_shown(staffing.read_week(desk(), caller(), query["office"], first=first, days=query["days"]))


@blueprint.route("/crew/changes", methods=["POST"])
@roles(*_PLANNERS)
@idempotent
@blueprint.arguments(NewChangeSchema)
@blueprint.response(201, ChangeTakenSchema)
def enter_change(body: dict[str, Any]) -> Any:
    """Enter leave, other hours, another vehicle, a vehicle in the workshop, or a day the office is closed or open."""
    change, warned = staffing.enter_change(desk(), caller(), body.pop("office"), _new(body), at=now())
    return _shown(change) | {"warnings": _warned(warned)}, etag(change.version)


@blueprint.route("/crew/changes/<uuid:change_id>")
@roles(*_PLANNERS)
@blueprint.response(200, ChangeShownSchema)
def get_change(change_id: UUID) -> Any:
    """Show a change."""
    _, change = staffing.read_change(desk(), caller(), change_id)
    return _shown(change), etag(change.version)


@blueprint.route("/crew/changes/<uuid:change_id>", methods=["PUT"])
@roles(*_PLANNERS)
@versioned
@blueprint.arguments(ChangeSchema)
@blueprint.response(200, ChangeTakenSchema)
def alter_change(body: dict[str, Any], change_id: UUID) -> Any:
    """Say a change anew, as a whole; it keeps its kind."""
    change, warned = staffing.alter_change(desk(), caller(), change_id, _new(body), version=if_match(), at=now())
    return _shown(change) | {"warnings": _warned(warned)}, etag(change.version)


@blueprint.route("/crew/changes/<uuid:change_id>", methods=["DELETE"])
@roles(*_PLANNERS)
@versioned
@blueprint.response(204)
def withdraw_change(change_id: UUID) -> Response:
    """Let it differ no more."""
    staffing.withdraw_change(desk(), caller(), change_id, version=if_match(), at=now())
    return Response(status=204)


@blueprint.route("/crew/<uuid:postman_id>/beat", methods=["PUT"])
@roles(*_PLANNERS)
@versioned
@blueprint.arguments(BeatSchema)
@blueprint.response(200, BeatTakenSchema)
def assign_beat(body: dict[str, Any], postman_id: UUID) -> Any:
    """Say which communes a postman knows best; `If-Match` is his version in the week."""
    version, nobody = staffing.assign_beat(desk(), caller(), postman_id, body["communes"], version=if_match(), at=now())
    return {"version": version, "communes_without_beat": list(nobody)}, etag(version)


@blueprint.route("/crew/<uuid:postman_id>/usual", methods=["PUT"])
@roles(*_PLANNERS)
@versioned
@blueprint.arguments(UsualSchema)
@blueprint.response(200, UsualTakenSchema)
def assign_usual(body: dict[str, Any], postman_id: UUID) -> Any:
    """Say how a postman works when nothing differs; `If-Match` is his version in the week."""
    hours = Hours(
        begins=body["shift_start"],
        ends=body["shift_end"],
        rest_begins=body["break_start"],
        rest_seconds=body["break_minutes"] * 60,
    )
    version = staffing.assign_usual(
        desk(),
        caller(),
        postman_id,
        hours,
        vehicle_id=body["vehicle"],
        cash_limit_dong=body["cash_limit_dong"],
        version=if_match(),
        at=now(),
    )
    return {"version": version}, etag(version)


@blueprint.route("/crew/vehicles", methods=["POST"])
@roles(*_PLANNERS)
@idempotent
@blueprint.arguments(NewVehicleSchema)
@blueprint.response(201, VehicleShownSchema)
def enter_vehicle(body: dict[str, Any]) -> Any:
    """Enter a vehicle of the office."""
    made = staffing.enter_vehicle(desk(), caller(), body.pop("office"), staffing.NewVehicle(**body), at=now())
    return made, etag(made.version)


@blueprint.route("/crew/vehicles/<uuid:vehicle_id>", methods=["PUT"])
@roles(*_PLANNERS)
@versioned
@blueprint.arguments(VehicleSchema)
@blueprint.response(200, VehicleShownSchema)
def alter_vehicle(body: dict[str, Any], vehicle_id: UUID) -> Any:
    """Say anew what a vehicle is; its version stands in the week."""
    new = staffing.NewVehicle(**body)
    changed = staffing.alter_vehicle(desk(), caller(), vehicle_id, new, version=if_match(), at=now())
    return changed, etag(changed.version)


# ------------------------------------------------------------------------------------------------------ what is said
def _new(body: Mapping[str, Any]) -> staffing.NewChange:
    begins, ends = body["shift_start"], body["shift_end"]
    if (begins is None) is not (ends is None):
        missing = "shift_start" if begins is None else "shift_end"
        raise Invalid(FieldError(missing, "required", "Mời cho biết cả giờ bắt đầu và giờ kết thúc."))
    hours = None
    if begins is not None:
        hours = Hours(
            begins=begins, ends=ends, rest_begins=body["break_start"], rest_seconds=body["break_minutes"] * 60
        )
    elif body["break_start"] is not None:
        raise Invalid(FieldError("break_start", "not-allowed", "Giờ nghỉ chỉ đi cùng giờ của một ca."))
    return staffing.NewChange(
        kind=Kind(body["kind"]),
        first_day=body["first_day"],
        last_day=body["last_day"],
        weekdays=frozenset(body["weekdays"]),
        postman_id=body["postman"],
        vehicle_id=body["vehicle"],
        leave_kind=body["leave_kind"],
        hours=hours,
        note=body["note"],
    )


def _shown(change: Change) -> dict[str, Any]:
    hours = change.hours
    return {
        "id": change.id,
        "kind": change.kind.value,
        "first_day": change.first_day,
        "last_day": change.last_day,
        "weekdays": sorted(change.weekdays),
        "postman": change.postman_id,
        "vehicle": change.vehicle_id,
        "leave_kind": change.leave_kind,
        "shift_start": hours.begins if hours else None,
        "shift_end": hours.ends if hours else None,
        "break_start": hours.rest_begins if hours else None,
        "break_minutes": hours.rest_seconds // 60 if hours else 0,
        "note": change.note,
        "version": change.version,
    }


def _warned(warned: list[Warned] | tuple[Warned, ...]) -> list[dict[str, Any]]:
    return [{"code": one.code, "sentence": one.sentence, "date": one.day, "postman": one.postman_id} for one in warned]


def _week_shown(found: Week) -> dict[str, Any]:
    return {
        "office": found.office.id,
        "days": [
            {"date": day, "delivery": found.deliveries[day], "reason": found.closed_for.get(day)} for day in found.days
        ],
        "postmen": [
            {
                "id": row.known.usual.postman_id,
                "name": row.known.usual.name,
                "beat": sorted(row.known.usual.beat),
                "version": row.known.version,
                "days": [_duty_shown(duty) | {"date": day} for day, duty in row.days.items()],
            }
            for row in found.rows
        ],
        "vehicles": [
            {
                "id": one.id,
                "name": one.name,
                "mode": one.mode,
                "capacity_items": one.capacity_items,
                "version": one.version,
            }
            for one in found.vehicles.values()
        ],
        "changes": [_shown(change) for change in found.changes],
        "communes_without_beat": list(found.without_beat),
        "warnings": _warned(list(found.warnings)),
    }


def _duty_shown(duty: Duty) -> dict[str, Any]:
    holding = (duty.leave, duty.workshop, duty.closed, duty.other_hours, duty.other_vehicle)
    return {
        "at_work": duty.at_work,
        "shift_start": duty.hours.begins,
        "shift_end": duty.hours.ends,
        "break_start": duty.hours.rest_begins,
        "break_minutes": duty.hours.rest_seconds // 60,
        "vehicle": duty.vehicle_id,
        "changes": [change.id for change in holding if change is not None],
    }
