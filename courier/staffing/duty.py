"""Who works when: the week of an office as its dispatcher sees and changes it (lịch làm việc của bưu cục)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.calendar import CLOSED, local_day
from courier.domain.duty import OF_A_POSTMAN, OF_A_VEHICLE, OF_THE_OFFICE, Change, Duty, Hours, Kind, Roster
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Stale
from courier.domain.people import Caller, Role
from courier.staffing.offices import unknown_communes
from courier.store import audit, duty, people, plans
from courier.store.duty import KnownPostman, Promised
from courier.store.tables import DutyChange, Office, Postman, Staff, Vehicle

MOST_DAYS_SHOWN: Final = 31
KNOWN_DAYS: Final = (date(2025, 7, 1), date(2100, 12, 31))
"""The calendar knows no week before the first; nobody plans his work beyond the second."""
_MOST_COMMUNES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChange:
    """What is to differ. Which fields go with a `kind` is said by `enter_change`."""

    kind: Kind
    first_day: date
    last_day: date | None = None
    weekdays: frozenset[int] = frozenset()
    postman_id: UUID | None = None
    vehicle_id: UUID | None = None
    leave_kind: str | None = None
    hours: Hours | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVehicle:
    """A vehicle of an office."""

    name: str
    mode: str
    capacity_items: int


@dataclass(frozen=True, slots=True)
class Warned:
    """Something to look after: a stable code, whom and when it is about, and a sentence."""

    code: str
    sentence: str
    day: date | None = None
    postman_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PostmanWeek:
    """A postman with his duty of each day."""

    known: KnownPostman
    days: Mapping[date, Duty]


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Who works when in an office over some days. `open_days` are those on which postmen go out."""

    office: Office
    days: Sequence[date]
    deliveries: Mapping[date, str]
    closed_for: Mapping[date, str]
    rows: Sequence[PostmanWeek]
    vehicles: Mapping[UUID, Vehicle]
    changes: Sequence[Change]
    without_beat: Sequence[str]
    warnings: Sequence[Warned] = field(default_factory=tuple)


def read_week(desk: Desk, caller: Caller, office_id: UUID | None, *, first: date, days: int = 7) -> Week:
    """Who works when from a day on, what differs, and what needs looking after.

    Raises:
        Forbidden: the caller plans nobody's work.
        Missing: no such office for this caller.
        Invalid: an admin names no office; too many days, or days that no calendar knows.
    """
    if not 1 <= days <= MOST_DAYS_SHOWN:
        raise Invalid(FieldError("days", "out-of-range", f"Xem được từ 1 đến {MOST_DAYS_SHOWN} ngày, nhận {days}."))
    if not _is_known(first):
        raise Invalid(_unknown_day("from", first))
    with desk.database.read() as session:
        return _week(session, desk, _office(session, caller, office_id), first, days)


def read_change(desk: Desk, caller: Caller, change_id: UUID) -> tuple[Office, Change]:
    """One change, with its office.

    Raises:
        Forbidden, Missing: as for `read_week`.
    """
    with desk.database.read() as session:
        row = _row(session, caller, change_id)
        return _office(session, caller, row.office_id), duty.change_of(row)


def enter_change(
    desk: Desk, caller: Caller, office_id: UUID | None, new: NewChange, *, at: datetime
) -> tuple[Change, list[Warned]]:
    """Enter what differs: the change, and what it leaves to be looked after.

    `leave` has a postman and a kind of leave, `hours` a postman and hours (on some weekdays, or on every day of the span),
    `vehicle` a postman and the vehicle he takes, `workshop` a vehicle; `closed` and `open` are about the office.

    Raises:
        Forbidden, Missing: as for `read_week`.
        Invalid: a field that is missing or does not belong, or what the change collides with.
    """
    with desk.database.write() as session:
        office = _office(session, caller, office_id, hold=True)
        roster = _roster(session, office.id)
        wanted = _checked(session, office, roster, new, uuid7())
        row = duty.enter(session, office.id, wanted)
        audit.note(session, caller, "duty change entered", f"duty:{row.id}", at=at, kind=row.kind)
        return duty.change_of(row), _follows(session, desk, office, roster.with_change(wanted), wanted)


def alter_change(
    desk: Desk, caller: Caller, change_id: UUID, new: NewChange, *, version: int, at: datetime
) -> tuple[Change, list[Warned]]:
    """Say a change anew, as a whole; it keeps its kind.

    Raises:
        Forbidden, Missing, Invalid: as for `enter_change`.
        Stale: changed by somebody else.
    """
    with desk.database.write() as session:
        row = _row(session, caller, change_id)
        office = _office(session, caller, row.office_id, hold=True)
        session.refresh(row)
        _at_version(row, version)
        if new.kind != row.kind:
            raise Invalid(FieldError("kind", "not-allowed", f"Không đổi loại {row.kind} thành {new.kind} được."))
        roster = _roster(session, office.id)
        wanted = _checked(session, office, roster, new, row.id)
        duty.write(row, wanted)
        row.version += 1
        audit.note(session, caller, "duty change altered", f"duty:{row.id}", at=at, kind=row.kind)
        session.flush()
        return duty.change_of(row), _follows(session, desk, office, roster.with_change(wanted), wanted)


def withdraw_change(desk: Desk, caller: Caller, change_id: UUID, *, version: int, at: datetime) -> Office:
    """It differs no more. Gives the office.

    Raises:
        Forbidden, Missing, Stale: as for `alter_change`.
    """
    with desk.database.write() as session:
        row = _row(session, caller, change_id)
        office = _office(session, caller, row.office_id, hold=True)
        session.refresh(row)
        _at_version(row, version)
        session.delete(row)
        audit.note(session, caller, "duty change withdrawn", f"duty:{change_id}", at=at, kind=row.kind)
        return office


def assign_beat(
    desk: Desk, caller: Caller, postman_id: UUID, communes: Sequence[str], *, version: int, at: datetime
) -> tuple[int, Sequence[str]]:
    """Say which communes a postman knows best: his account's new version, and the office's communes that nobody has now.

    Raises:
        Forbidden, Missing, Stale: as for `alter_change`.
        Invalid: a commune that does not exist, or too many.
    """
    beat = list(dict.fromkeys(communes))
    faults = unknown_communes(desk, beat, field="communes")
    if len(beat) > _MOST_COMMUNES:
        faults.append(FieldError("communes", "too-many", f"Nhiều nhất {_MOST_COMMUNES} xã, phường, nhận {len(beat)}."))
    _require_planner(caller)
    with desk.database.write() as session:
        person, work, office = _postman(session, caller, postman_id)
        if faults:
            raise Invalid(*faults)
        if person.version != version:
            raise Stale("staff", expected=version, found=person.version)
        work.beat = beat
        person.version += 1
        audit.note(session, caller, "beat assigned", f"staff:{postman_id}", at=at)
        session.flush()
        return person.version, _without_beat(office, duty.postmen(session, office.id))


def assign_usual(
    desk: Desk,
    caller: Caller,
    postman_id: UUID,
    hours: Hours,
    *,
    vehicle_id: UUID,
    cash_limit_dong: int | None = None,
    version: int,
    at: datetime,
) -> int:
    """Say how a postman works when nothing differs: his hours, his vehicle, how much cash he may carry (None: as before).

    Gives his account's new version.

    Raises:
        Forbidden, Missing, Stale: as for `alter_change`.
        Invalid: hours that cannot be, or a vehicle of another office.
    """
    _require_planner(caller)
    with desk.database.write() as session:
        person, work, office = _postman(session, caller, postman_id)
        faults = hours.faults()
        if vehicle_id not in duty.vehicles(session, office.id):
            faults.append(_unknown_vehicle(vehicle_id))
        if faults:
            raise Invalid(*faults)
        if person.version != version:
            raise Stale("staff", expected=version, found=person.version)
        work.shift_start, work.shift_end = hours.begins, hours.ends
        work.break_start, work.break_seconds = hours.rest_begins, hours.rest_seconds
        work.vehicle_id = vehicle_id
        if cash_limit_dong is not None:
            work.cash_limit_dong = cash_limit_dong
        person.version += 1
        audit.note(session, caller, "usual work said", f"staff:{postman_id}", at=at)
        session.flush()
        return person.version


def read_vehicle(desk: Desk, caller: Caller, vehicle_id: UUID) -> Vehicle:
    """One vehicle.

    Raises:
        Forbidden, Missing: as for `read_week`.
    """
    with desk.database.read() as session:
        return _vehicle(session, caller, vehicle_id)


def enter_vehicle(desk: Desk, caller: Caller, office_id: UUID | None, new: NewVehicle, *, at: datetime) -> Vehicle:
    """An office has a vehicle more.

    Raises:
        Forbidden, Missing: as for `read_week`.
        Invalid: another vehicle of the office has its name, or an admin names no office.
    """
    with desk.database.write() as session:
        office = _office(session, caller, office_id, hold=True)
        row = Vehicle(id=uuid7(), office_id=office.id, version=1)
        _describe(session, row, new)
        session.add(row)
        audit.note(session, caller, "vehicle entered", f"vehicle:{row.id}", at=at)
        session.flush()
        return row


def alter_vehicle(
    desk: Desk, caller: Caller, vehicle_id: UUID, new: NewVehicle, *, version: int, at: datetime
) -> Vehicle:
    """Say anew what a vehicle is.

    Raises:
        Forbidden, Missing, Invalid: as for `enter_vehicle`.
        Stale: changed by somebody else.
    """
    with desk.database.write() as session:
        row = _vehicle(session, caller, vehicle_id)
        _office(session, caller, row.office_id, hold=True)
        session.refresh(row)
        if row.version != version:
            raise Stale("vehicle", expected=version, found=row.version)
        _describe(session, row, new)
        row.version += 1
        audit.note(session, caller, "vehicle altered", f"vehicle:{row.id}", at=at)
        session.flush()
        return row


def _describe(session: Session, row: Vehicle, new: NewVehicle) -> None:
    others = duty.vehicles(session, row.office_id).values()
    if any(other.id != row.id and other.name == new.name for other in others):
        raise Invalid(FieldError("name", "taken", f"Bưu cục đã có xe tên {new.name}."))
    row.name, row.mode, row.capacity_items = new.name, new.mode, new.capacity_items


# ---------------------------------------------------------------------------------------------------------- reading
def _week(session: Session, desk: Desk, office: Office, first: date, count: int) -> Week:
    days = [first + timedelta(days=ahead) for ahead in range(count)]
    known = duty.postmen(session, office.id)
    changes = duty.changes(session, office.id, first=days[0], last=days[-1])
    vehicles = {one.vehicle.id: one.vehicle for one in known} | duty.vehicles(session, office.id, named_by=changes)
    roster = Roster([one.usual for one in known], changes)
    calendar = plans.calendar(session, desk.facts.bylaws, office.id)
    deliveries = {day: calendar.delivery(day) for day in days}
    rows = [PostmanWeek(one, {day: roster.duty(one.usual.postman_id, day) for day in days}) for one in known]
    promised = duty.promised(session, office.id, days[0], days[-1])
    open_days = [day for day in days if deliveries[day] != CLOSED]
    warnings = [
        *_broken_promises(roster, deliveries, promised),
        *_nobody(rows, office, open_days, desk),
        *_sharing(roster, open_days, vehicles),
    ]
    return Week(
        office=office,
        days=days,
        deliveries=deliveries,
        closed_for={day: calendar.days[day].name for day in days if day in calendar.days},
        rows=rows,
        vehicles=vehicles,
        changes=changes,
        without_beat=_without_beat(office, known),
        warnings=sorted(warnings, key=lambda one: (one.day or date.min, one.code)),
    )


def _follows(session: Session, desk: Desk, office: Office, roster: Roster, new: Change) -> list[Warned]:
    """What a change leaves to be looked after, on its own days."""
    days = list(new.days())
    calendar = plans.calendar(session, desk.facts.bylaws, office.id)
    deliveries = {day: calendar.delivery(day) for day in days}
    promised = [
        route
        for route in duty.promised(session, office.id, days[0], days[-1])
        if route.day in deliveries
        and (new.kind in OF_THE_OFFICE or new.postman_id == route.postman_id or new.vehicle_id == route.vehicle_id)
    ]
    found = _broken_promises(roster, deliveries, promised)
    if new.kind is Kind.WORKSHOP:
        found += [
            Warned("no-vehicle", f"{usual.name} không có xe từ ngày {day:%d/%m/%Y}.", day, postman_id)
            for postman_id, usual in roster.usual.items()
            if (day := next((day for day in days if roster.duty(postman_id, day).workshop is not None), None))
        ]
    return found


def _broken_promises(roster: Roster, deliveries: Mapping[date, str], promised: Sequence[Promised]) -> list[Warned]:
    found = []
    for route in promised:
        usual = roster.usual.get(route.postman_id)
        if usual is None:
            continue
        his = roster.duty(route.postman_id, route.day)
        when, stops = f"{route.day:%d/%m/%Y}", f"tuyến đã công bố có {route.stops} điểm"
        if deliveries[route.day] == CLOSED:
            code, sentence = "route-on-closed-day", f"Bưu cục nghỉ ngày {when} nhưng {usual.name} có {stops}."
        elif his.leave is not None:
            code, sentence = "route-on-leave", f"{usual.name} nghỉ ngày {when} nhưng {stops}."
        elif his.workshop is not None:
            code, sentence = "route-without-vehicle", f"Xe của {usual.name} ở xưởng ngày {when} nhưng {stops}."
        elif his.vehicle_id != route.vehicle_id:
            code, sentence = "route-with-other-vehicle", f"{usual.name} đổi xe ngày {when} nhưng {stops} với xe cũ."
        else:
            continue
        found.append(Warned(code, sentence, route.day, route.postman_id))
    return found


def _nobody(rows: Sequence[PostmanWeek], office: Office, days: Sequence[date], desk: Desk) -> list[Warned]:
    """The days on which all who have a commune on their beat are away."""
    names = {commune.code: commune.full_name for commune in desk.gazetteer.communes()}
    covered = {code for row in rows for code in row.known.usual.beat} & set(office.communes)
    found = []
    for day in days:
        at_work = [row for row in rows if row.days[day].at_work]
        if rows and not at_work:
            found.append(Warned("nobody-at-work", f"Ngày {day:%d/%m/%Y} không có bưu tá nào làm việc.", day))
            continue
        open_ones = sorted(covered - {code for row in at_work for code in row.known.usual.beat})
        if open_ones:
            listed = ", ".join(names.get(code, code) for code in open_ones)
            found.append(Warned("beat-open", f"Ngày {day:%d/%m/%Y} không có bưu tá quen tuyến: {listed}.", day))
    return found


def _sharing(roster: Roster, days: Sequence[date], vehicles: Mapping[UUID, Vehicle]) -> list[Warned]:
    found: dict[tuple[UUID, UUID, UUID], date] = {}
    for day in days:
        for pair in roster.shared(day):
            found.setdefault(pair, day)
    return [
        Warned(
            "vehicle-shared",
            f"{roster.usual[one].name} và {roster.usual[other].name} cùng dùng {vehicles[vehicle].name} một lúc.",
            day,
        )
        for (vehicle, one, other), day in found.items()
    ]


def _without_beat(office: Office, known: Sequence[KnownPostman]) -> list[str]:
    taken = {code for one in known for code in one.usual.beat}
    return [code for code in office.communes if code not in taken]


# --------------------------------------------------------------------------------------------------------- checking
def _require_planner(caller: Caller) -> None:
    if caller.role not in (Role.DISPATCHER, Role.ADMIN):
        raise Forbidden("Only a dispatcher says who works when.")


def _office(session: Session, caller: Caller, office_id: UUID | None, *, hold: bool = False) -> Office:
    _require_planner(caller)
    wanted = office_id or caller.office_id
    if wanted is None:
        raise Invalid(FieldError("office", "required", "Mời chọn bưu cục."))
    if caller.office_id not in (None, wanted):
        raise Missing("office", wanted)
    office = duty.hold_office(session, wanted) if hold else people.office(session, wanted)
    if office is None or not office.active:
        raise Missing("office", wanted)
    return office


def _postman(session: Session, caller: Caller, postman_id: UUID) -> tuple[Staff, Postman, Office]:
    person = people.staff_to_change(session, postman_id)
    found = people.person(session, postman_id)
    if person is None or found is None or found.postman is None or not person.active:
        raise Missing("postman", postman_id)
    return person, found.postman, _office(session, caller, person.office_id)


def _vehicle(session: Session, caller: Caller, vehicle_id: UUID) -> Vehicle:
    _require_planner(caller)
    row = session.get(Vehicle, vehicle_id)
    if row is None or caller.office_id not in (None, row.office_id):
        raise Missing("vehicle", vehicle_id)
    return row


def _unknown_vehicle(vehicle_id: UUID) -> FieldError:
    return FieldError("vehicle", "unknown", f"Bưu cục không có xe {vehicle_id}.")


def _row(session: Session, caller: Caller, change_id: UUID) -> DutyChange:
    _require_planner(caller)
    row = duty.change(session, change_id)
    if row is None or caller.office_id not in (None, row.office_id):
        raise Missing("duty change", change_id)
    return row


def _at_version(row: DutyChange, version: int) -> None:
    if row.version != version:
        raise Stale("duty change", expected=version, found=row.version)


def _roster(session: Session, office_id: UUID) -> Roster:
    return Roster([one.usual for one in duty.postmen(session, office_id)], duty.changes(session, office_id))


def _checked(session: Session, office: Office, roster: Roster, new: NewChange, change_id: UUID) -> Change:
    faults = _fields(new)
    for field_name, day in (("first_day", new.first_day), ("last_day", new.last_day)):
        if day is not None and not _is_known(day):
            faults.append(_unknown_day(field_name, day))
    if new.kind in OF_A_POSTMAN and new.postman_id is not None and new.postman_id not in roster.usual:
        faults.append(FieldError("postman", "unknown", f"Bưu cục không có bưu tá {new.postman_id} đang làm việc."))
    if (
        new.kind in OF_A_VEHICLE
        and new.vehicle_id is not None
        and new.vehicle_id not in duty.vehicles(session, office.id)
    ):
        faults.append(_unknown_vehicle(new.vehicle_id))
    if faults:
        raise Invalid(*faults)
    last_day = new.last_day if new.weekdays or new.last_day is not None else new.first_day
    values = {name: getattr(new, name) for name in NewChange.__dataclass_fields__}
    wanted = replace(Change(id=change_id, **values), last_day=last_day)
    faults = roster.faults(wanted)
    if faults:
        raise Invalid(*faults)
    return wanted


def _is_known(day: date) -> bool:
    return KNOWN_DAYS[0] <= day <= KNOWN_DAYS[1]


def _unknown_day(field_name: str, day: date) -> FieldError:
    first, last = KNOWN_DAYS
    return FieldError(
        field_name, "out-of-range", f"Lịch có từ {first:%d/%m/%Y} đến {last:%d/%m/%Y}, nhận {day.isoformat()}."
    )


def _fields(new: NewChange) -> list[FieldError]:
    """What is missing for the kind, and what does not belong to it."""
    faults = []
    for name, value, wanted in (
        ("postman", new.postman_id, new.kind in OF_A_POSTMAN),
        ("vehicle", new.vehicle_id, new.kind in OF_A_VEHICLE),
        ("leave_kind", new.leave_kind, new.kind is Kind.LEAVE),
        ("shift_start", new.hours, new.kind is Kind.HOURS),
    ):
        if wanted and value is None:
            faults.append(FieldError(name, "required", f"Mời cho biết mục này ({new.kind})."))
        if not wanted and value is not None:
            faults.append(FieldError(name, "not-allowed", f"Loại {new.kind} không có mục này."))
    if new.weekdays and new.kind is not Kind.HOURS:
        faults.append(FieldError("weekdays", "not-allowed", f"Loại {new.kind} không chọn theo thứ được."))
    return faults


def monday(at: datetime) -> date:
    """The first day of the week that a desk shows unasked: its Monday."""
    day = local_day(at)
    return day - timedelta(days=day.weekday())
