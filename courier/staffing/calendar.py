"""The province's calendar: the days that differ from their week, and what an admin declares of a day."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from courier.desk import Desk
from courier.domain.calendar import DayOff, local_day
from courier.domain.errors import FieldError, Invalid
from courier.domain.people import Caller
from courier.staffing.offices import require_admin
from courier.store import audit, calendar_days

FURTHEST: Final = timedelta(days=800)
"""How far ahead a day can be declared: no holiday is announced earlier."""


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day that differs from its week; `calendar` is what the calendar alone says of it, None where it says nothing special.

    `planned` are the offices whose postmen have a plan for it.
    """

    day: date
    now: DayOff
    calendar: DayOff | None
    declared: bool
    planned: tuple[str, ...]


def special_days(desk: Desk, caller: Caller, *, first: date, last: date) -> list[SpecialDay]:
    """The special days from `first` to `last`, in order.

    Raises:
        Forbidden: the caller is no admin.
    """
    require_admin(caller)
    known = desk.facts.bylaws.calendar.days
    with desk.database.read() as session:
        declared = calendar_days.declared(session)
        days = sorted(day for day in {*known, *declared} if first <= day <= last)
        planned = calendar_days.planned_offices(session, days)
    return [
        SpecialDay(day, declared.get(day) or known[day], known.get(day), day in declared, tuple(planned.get(day, ())))
        for day in days
    ]


def declare_day(desk: Desk, caller: Caller, day: date, *, works: bool, reason: str, at: datetime) -> SpecialDay:
    """Have a day worked or off for everybody; it counts in legal deadlines and in what can be planned from now on.

    Plans that are published stay as they are: `planned` of the answer names the offices that should look at theirs.

    Raises:
        Forbidden: the caller is no admin.
        Invalid: the day is past or too far ahead.
    """
    require_admin(caller)
    today = local_day(at)
    if not today <= day <= today + FURTHEST:
        sentence = f"Chỉ khai được ngày từ {today:%d/%m/%Y} đến {today + FURTHEST:%d/%m/%Y}, không phải {day:%d/%m/%Y}."
        raise Invalid(FieldError("day", "invalid", sentence))
    with desk.database.write() as session:
        calendar_days.declare(session, day, works=works, reason=reason)
        audit.note(session, caller, "day declared", f"day:{day.isoformat()}", at=at, works=works)
    return special_days(desk, caller, first=day, last=day)[0]


def withdraw_day(desk: Desk, caller: Caller, day: date, *, at: datetime) -> None:
    """Let the calendar alone say what a day is, as it may do already.

    Raises:
        Forbidden: the caller is no admin.
    """
    require_admin(caller)
    with desk.database.write() as session:
        if calendar_days.withdraw(session, day):
            audit.note(session, caller, "day withdrawn", f"day:{day.isoformat()}", at=at)
