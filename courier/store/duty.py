"""Who works when, in the database: how postmen usually work, and what differs from it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from courier.domain.duty import Change, Hours, Kind, Usual
from courier.domain.item import State
from courier.domain.people import Role
from courier.store.tables import DutyChange, Item, Office, Plan, Postman, Route, Staff, Stop, Vehicle


class KnownPostman(NamedTuple):
    """An active postman: how he usually works, his vehicle, and the version of his account, which guards his beat."""

    usual: Usual
    vehicle: Vehicle
    cash_limit_dong: int
    version: int


def postmen(session: Session, office_id: UUID) -> list[KnownPostman]:
    """The active postmen of an office, by name."""
    rows = session.execute(
        select(Staff, Postman, Vehicle)
        .join(Postman, Postman.staff_id == Staff.id)
        .join(Vehicle, Vehicle.id == Postman.vehicle_id)
        .where(Staff.office_id == office_id, Staff.role == Role.POSTMAN.value, Staff.active)
        .order_by(Staff.name, Staff.id)
    )
    return [
        KnownPostman(
            Usual(
                postman_id=staff.id,
                name=staff.name,
                vehicle_id=vehicle.id,
                hours=Hours(
                    begins=work.shift_start,
                    ends=work.shift_end,
                    rest_begins=work.break_start,
                    rest_seconds=work.break_seconds,
                ),
                beat=frozenset(work.beat),
            ),
            vehicle,
            work.cash_limit_dong,
            staff.version,
        )
        for staff, work, vehicle in rows
    ]


def vehicles(session: Session, office_id: UUID, *, named_by: Iterable[Change] = ()) -> dict[UUID, Vehicle]:
    """The vehicles of an office by name, and those that changes name: they may have moved to another office since."""
    named = {one.vehicle_id for one in named_by if one.vehicle_id is not None}
    rows = session.scalars(
        select(Vehicle)
        .where(or_(Vehicle.office_id == office_id, Vehicle.id.in_(named)))
        .order_by(Vehicle.name, Vehicle.id)
    )
    return {row.id: row for row in rows}


def changes(
    session: Session,
    office_id: UUID,
    *,
    first: date | None = None,
    last: date | None = None,
    kinds: Collection[Kind] = (),
) -> list[Change]:
    """What differs in an office between two days, of some kinds or of all, by first day."""
    query = select(DutyChange).where(DutyChange.office_id == office_id)
    if first is not None:
        query = query.where(or_(DutyChange.last_day.is_(None), DutyChange.last_day >= first))
    if last is not None:
        query = query.where(DutyChange.first_day <= last)
    if kinds:
        query = query.where(DutyChange.kind.in_([kind.value for kind in kinds]))
    return [change_of(row) for row in session.scalars(query.order_by(DutyChange.first_day, DutyChange.id))]


def change_of(row: DutyChange) -> Change:
    """A row as the rules see it."""
    hours = None
    if row.shift_start is not None and row.shift_end is not None:
        hours = Hours(
            begins=row.shift_start, ends=row.shift_end, rest_begins=row.break_start, rest_seconds=row.break_seconds
        )
    return Change(
        id=row.id,
        kind=Kind(row.kind),
        first_day=row.first_day,
        last_day=row.last_day,
        weekdays=frozenset(day for day in range(7) if row.weekdays >> day & 1),
        postman_id=row.postman_id,
        vehicle_id=row.vehicle_id,
        leave_kind=row.leave_kind,
        hours=hours,
        note=row.note,
        version=row.version,
    )


def change(session: Session, change_id: UUID) -> DutyChange | None:
    """One row."""
    return session.get(DutyChange, change_id)


def enter(session: Session, office_id: UUID, new: Change) -> DutyChange:
    """Write a change that the rules have looked at."""
    row = DutyChange(id=new.id, office_id=office_id, version=1)
    write(row, new)
    session.add(row)
    session.flush()
    return row


def write(row: DutyChange, new: Change) -> None:
    """What is to be said of it from now on; id, office and version stay."""
    row.kind = new.kind.value
    row.postman_id, row.vehicle_id = new.postman_id, new.vehicle_id
    row.first_day, row.last_day = new.first_day, new.last_day
    row.weekdays = sum(1 << day for day in new.weekdays)
    row.leave_kind, row.note = new.leave_kind, new.note
    hours = new.hours
    row.shift_start, row.shift_end = (hours.begins, hours.ends) if hours else (None, None)
    row.break_start, row.break_seconds = (hours.rest_begins, hours.rest_seconds) if hours else (None, 0)


def hold_office(session: Session, office_id: UUID) -> Office | None:
    """Let one person at a time change who works when in an office: two changes that exclude each other never both get in."""
    return session.scalars(select(Office).where(Office.id == office_id).with_for_update()).one_or_none()


def carrying(session: Session, office_id: UUID) -> frozenset[UUID]:
    """Those who have items of the office in their hands."""
    in_hands = [state.value for state in (State.OUT, State.ATTEMPTED, State.FETCHED)]
    query = select(Item.custody_holder).where(Item.office_id == office_id, Item.state.in_(in_hands)).distinct()
    return frozenset(holder for holder in session.scalars(query) if holder is not None)


class Promised(NamedTuple):
    """A route that postmen have been told of: whose, when, with which vehicle, and how many stops it has."""

    postman_id: UUID
    vehicle_id: UUID
    day: date
    plan_id: UUID
    stops: int


def promised(session: Session, office_id: UUID, first: date, last: date) -> Sequence[Promised]:
    """The published routes of an office between two days that have a stop."""
    rows = session.execute(
        select(Route.postman_id, Route.vehicle_id, Plan.day, Plan.id, func.count())
        .join(Plan, Plan.id == Route.plan_id)
        .join(Stop, Stop.route_id == Route.id)
        .where(Plan.office_id == office_id, Plan.state == "published", Plan.day.between(first, last))
        .group_by(Route.postman_id, Route.vehicle_id, Plan.day, Plan.id)
        .order_by(Plan.day)
    )
    return [Promised(*row) for row in rows]
