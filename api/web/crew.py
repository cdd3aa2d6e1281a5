"""The pages of who works when: an office's week, what differs from it, and whose beat is which commune."""

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import forms, page
from api.web.page import Trouble
from api.web.texts import t
from courier import staffing
from courier.domain.calendar import local_day
from courier.domain.duty import LEAVE_KINDS, Change, Hours, Kind
from courier.domain.errors import FieldError, Invalid, Missing, Refused, Stale
from courier.store.tables import MODES, Office, Vehicle

blueprint = page.pages("crew_pages", __name__, prefix="/d/crew")

_PLANNERS: Final = ("dispatcher", "admin")
_MOST_OFFICES: Final = 200
_MOST_VERSION: Final = 2**31 - 1
_WEEK: Final = timedelta(days=7)
_FIRST, _LAST = date(2025, 7, 7), date(2100, 12, 20)  # Mondays within what the calendar knows


def _asked_office(offices: list[Office]) -> UUID | None:
    """The office that the page is about: `?office=` of an admin, else his first; a dispatcher has one."""
    try:
        return UUID(request.values.get("office", ""))
    except ValueError:
        return offices[0].id if offices else None


def _offices() -> list[Office]:
    """The offices that the viewer may choose from: none for those who belong to one."""
    if caller().office_id is not None:
        return []
    found = staffing.list_offices(desk(), caller(), after=None, limit=_MOST_OFFICES)
    return [office for office in found if office.active and office.kind == "office"]


def _asked_monday() -> date:
    try:
        asked = date.fromisoformat(request.values.get("week", ""))
    except ValueError:
        asked = local_day(now())
    return min(max(asked - timedelta(days=asked.weekday()), _FIRST), _LAST) if asked > _FIRST else _FIRST


@blueprint.get("")
@roles(*_PLANNERS)
def week() -> Response:
    """Who works when this week, what differs, and what needs looking after."""
    return _week_page()


def _week_page(trouble: Trouble | None = None, *, office_id: UUID | None = None) -> Response:
    offices = _offices()
    monday = _asked_monday()
    found = staffing.read_week(desk(), caller(), office_id or _asked_office(offices), first=monday)
    names = {commune.code: commune.full_name for commune in desk().gazetteer.communes()}
    beats = {code for row in found.rows for code in row.known.usual.beat}
    return page.show(
        "dispatcher/crew.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        week=found,
        monday=monday,
        around=(max(monday - _WEEK, _FIRST), min(monday + _WEEK, _LAST)),
        this_monday=staffing.monday(now()),
        today=local_day(now()),
        offices=offices,
        kinds=list(Kind),
        names=names,
        communes=sorted({*found.office.communes, *beats}, key=lambda code: names.get(code, code)),
        people={row.known.usual.postman_id: row.known.usual.name for row in found.rows},
    )


# ------------------------------------------------------------------------------------------------------ what differs
@blueprint.get("/changes/new")
@roles(*_PLANNERS)
def new_change() -> Response:
    """The form for something that is to differ: `?kind=`, and from `?day=` and `?postman=` what is known already."""
    kind = request.args.get("kind", "")
    return _change_page(Kind(kind) if kind in set(Kind) else Kind.LEAVE)


@blueprint.post("/changes")
@roles(*_PLANNERS)
@forms.once
def enter_change() -> Response:
    """Enter it; the week says what it leaves to be looked after."""
    kind = request.form.get("kind", "")
    if kind not in set(Kind):
        raise Invalid(FieldError("kind", "invalid", t("form.choose")))
    office_id = _asked_office(_offices())
    try:
        change, _ = staffing.enter_change(desk(), caller(), office_id, _read(Kind(kind)), at=now())
    except (Invalid, Refused) as fault:
        return _change_page(Kind(kind), trouble=Trouble.of(fault))
    return _to_week(office_id, change.first_day, "saved")


@blueprint.get("/changes/<uuid:change_id>")
@roles(*_PLANNERS)
def change(change_id: UUID) -> Response:
    """One thing that differs, to be altered or taken away."""
    office, found = staffing.read_change(desk(), caller(), change_id)
    return _change_page(found.kind, office_id=office.id, found=found)


@blueprint.post("/changes/<uuid:change_id>")
@roles(*_PLANNERS)
def alter_change(change_id: UUID) -> Response:
    """Say it anew, or let it differ no more."""
    office, found = staffing.read_change(desk(), caller(), change_id)
    try:
        version = forms.whole("version", most=_MOST_VERSION)
        if request.form.get("do") == "remove":
            staffing.withdraw_change(desk(), caller(), change_id, version=version, at=now())
            return _to_week(office.id, found.first_day, "duty_removed")
        altered, _ = staffing.alter_change(desk(), caller(), change_id, _read(found.kind), version=version, at=now())
    except (Invalid, Refused, Stale) as fault:
        return _change_page(found.kind, office_id=office.id, found=found, trouble=Trouble.of(fault))
    return _to_week(office.id, altered.first_day, "saved")


def _to_week(office_id: UUID | None, day: date, done: str) -> Response:
    shown = office_id if caller().office_id is None else None
    return page.go("crew_pages.week", week=day.isoformat(), office=shown, done=done)


def _change_page(
    kind: Kind, *, office_id: UUID | None = None, found: Change | None = None, trouble: Trouble | None = None
) -> Response:
    offices = _offices()
    known = staffing.read_week(desk(), caller(), office_id or _asked_office(offices), first=local_day(now()), days=1)
    return page.show(
        "dispatcher/crew_change.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        kind=kind,
        found=found,
        office=known.office,
        several=bool(offices),
        postmen=[(row.known.usual.postman_id, row.known.usual.name) for row in known.rows],
        vehicles=list(known.vehicles.values()),
        leave_kinds=LEAVE_KINDS,
        today=local_day(now()),
        asked=request.args,
    )


def _read(kind: Kind) -> staffing.NewChange:
    first_day = forms.day("first_day")
    if first_day is None:
        raise Invalid(FieldError("first_day", "required", t("form.required")))
    of_postman = kind in (Kind.LEAVE, Kind.HOURS, Kind.VEHICLE)
    leave_kind = request.form.get("leave_kind", "")
    if kind is Kind.LEAVE and leave_kind not in LEAVE_KINDS:
        raise Invalid(FieldError("leave_kind", "required", t("form.choose")))
    return staffing.NewChange(
        kind=kind,
        first_day=first_day,
        last_day=forms.day("last_day"),
        weekdays=_weekdays() if kind is Kind.HOURS else frozenset(),
        postman_id=forms.identity("postman") if of_postman else None,
        vehicle_id=forms.identity("vehicle") if kind in (Kind.VEHICLE, Kind.WORKSHOP) else None,
        leave_kind=leave_kind if kind is Kind.LEAVE else None,
        hours=_hours() if kind is Kind.HOURS else None,
        note=forms.text("note", at_most=200),
    )


def _weekdays() -> frozenset[int]:
    ticked = request.form.getlist("weekdays")
    if not set(ticked) <= set("0123456"):
        raise Invalid(FieldError("weekdays", "invalid", t("form.choose")))
    return frozenset(int(day) for day in ticked)


def _hours() -> Hours:
    begins, ends = forms.clock("shift_start"), forms.clock("shift_end")
    for name, value in (("shift_start", begins), ("shift_end", ends)):
        if value is None:
            raise Invalid(FieldError(name, "required", t("form.required")))
    return Hours(
        begins=begins or 0,
        ends=ends or 0,
        rest_begins=forms.clock("break_start"),
        rest_seconds=forms.whole("break_minutes", most=600, default=0) * 60,
    )


# ---------------------------------------------------------------------------------------------- the usual, vehicles
@blueprint.get("/<uuid:postman_id>")
@roles(*_PLANNERS)
def postman(postman_id: UUID) -> Response:
    """How a postman works when nothing differs."""
    return _postman_page(postman_id)


def _office_of(postman_id: UUID) -> UUID | None:
    """The viewer's office, for an admin the postman's."""
    own = caller().office_id
    return own if own is not None else staffing.staff_card(desk(), caller(), postman_id).staff.office_id


def _postman_page(postman_id: UUID, trouble: Trouble | None = None) -> Response:
    office_id = _office_of(postman_id)
    if office_id is None:
        raise Missing("postman", postman_id)
    known = staffing.read_week(desk(), caller(), office_id, first=local_day(now()), days=1)
    row = next((row for row in known.rows if row.known.usual.postman_id == postman_id), None)
    if row is None:
        raise Missing("postman", postman_id)
    return page.show(
        "dispatcher/crew_usual.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        known=row.known,
        office=known.office,
        several=caller().office_id is None,
        vehicles=list(known.vehicles.values()),
    )


@blueprint.post("/<uuid:postman_id>")
@roles(*_PLANNERS)
def assign_usual(postman_id: UUID) -> Response:
    """His hours, his vehicle, and how much cash he may carry."""
    try:
        staffing.assign_usual(
            desk(),
            caller(),
            postman_id,
            _hours(),
            vehicle_id=forms.identity("vehicle"),
            cash_limit_dong=forms.dong("cash_limit_dong"),
            version=forms.whole("version", most=_MOST_VERSION),
            at=now(),
        )
    except (Invalid, Refused, Stale) as fault:
        return _postman_page(postman_id, Trouble.of(fault))
    return _to_week(_office_of(postman_id), local_day(now()), "saved")


@blueprint.get("/vehicles/new")
@roles(*_PLANNERS)
def new_vehicle() -> Response:
    """The form for a vehicle more."""
    return _vehicle_page(None, _asked_office(_offices()))


@blueprint.post("/vehicles")
@roles(*_PLANNERS)
@forms.once
def enter_vehicle() -> Response:
    """The office has a vehicle more."""
    office_id = _asked_office(_offices())
    try:
        staffing.enter_vehicle(desk(), caller(), office_id, _read_vehicle(), at=now())
    except (Invalid, Refused) as fault:
        return _vehicle_page(None, office_id, Trouble.of(fault))
    return _to_week(office_id, local_day(now()), "saved")


@blueprint.get("/vehicles/<uuid:vehicle_id>")
@roles(*_PLANNERS)
def vehicle(vehicle_id: UUID) -> Response:
    """One vehicle."""
    found = staffing.read_vehicle(desk(), caller(), vehicle_id)
    return _vehicle_page(found, found.office_id)


@blueprint.post("/vehicles/<uuid:vehicle_id>")
@roles(*_PLANNERS)
def alter_vehicle(vehicle_id: UUID) -> Response:
    """What it is from now on."""
    found = staffing.read_vehicle(desk(), caller(), vehicle_id)
    try:
        version = forms.whole("version", most=_MOST_VERSION)
        staffing.alter_vehicle(desk(), caller(), vehicle_id, _read_vehicle(), version=version, at=now())
    except (Invalid, Refused, Stale) as fault:
        current = staffing.read_vehicle(desk(), caller(), vehicle_id)
        return _vehicle_page(current, found.office_id, Trouble.of(fault))
    return _to_week(found.office_id, local_day(now()), "saved")


def _vehicle_page(found: Vehicle | None, office_id: UUID | None, trouble: Trouble | None = None) -> Response:
    return page.show(
        "dispatcher/crew_vehicle.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        found=found,
        office_id=office_id if caller().office_id is None else None,
        modes=MODES,
    )


def _read_vehicle() -> staffing.NewVehicle:
    mode = request.form.get("mode", "")
    if mode not in MODES:
        raise Invalid(FieldError("mode", "invalid", t("form.choose")))
    return staffing.NewVehicle(
        name=forms.required("name", at_most=60),
        mode=mode,
        capacity_items=forms.whole("capacity_items", least=1, most=1000),
    )


# ------------------------------------------------------------------------------------------------------------- beats
@blueprint.post("/<uuid:postman_id>/beat")
@roles(*_PLANNERS)
def assign_beat(postman_id: UUID) -> Response:
    """The communes that a postman knows best."""
    office_id = _office_of(postman_id)
    try:
        staffing.assign_beat(
            desk(),
            caller(),
            postman_id,
            request.form.getlist("communes"),
            version=forms.whole("version", most=_MOST_VERSION),
            at=now(),
        )
    except (Invalid, Refused, Stale) as fault:
        return _week_page(Trouble.of(fault), office_id=office_id)
    return _to_week(office_id, _asked_monday(), "saved")
