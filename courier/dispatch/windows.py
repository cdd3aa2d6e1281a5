"""Windows in which an item can really be served over the coming days: what drives the citizen's reschedule."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

import routing.slots
from courier.desk import Desk
from courier.dispatch.office_day import OfficeDay, constructed, day_problem
from courier.domain.calendar import at_local, local_day
from courier.domain.doors import WAITING_STATES, Seconds, Waiting, doors
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.item import State
from courier.store import plans
from courier.store.tables import Agency, Item, Office

SLOT_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Slot:
    """A window in which the item can really be served; `from_` and `to` are seconds from local midnight of `day`."""

    day: date
    from_: Seconds
    to: Seconds

    @property
    def id(self) -> str:
        """Stable and self-describing: `20261125-0730-1130`. Whoever chooses it is checked again."""
        return f"{self.day:%Y%m%d}-{self.opens_at:%H%M}-{self.closes_at:%H%M}"

    @property
    def opens_at(self) -> datetime:
        """The moment the window opens."""
        return at_local(self.day, self.from_)

    @property
    def closes_at(self) -> datetime:
        """The moment it closes."""
        return at_local(self.day, self.to)


def slots(desk: Desk, item_id: UUID, *, at: datetime) -> list[Slot]:
    """The half-days of the next delivery days in which the item can really be served, as far as they can still be chosen.

    A day is taken as full as its promises make it: what its published plan holds, what citizens chose, and what must go
    out by then. What may wait gives way. Empty for an item that is not waiting, or whose place nobody knows.

    Raises:
        Missing: no such item.
    """
    with desk.database.read() as session:
        choice = _choice(session, desk, item_id, at=at)
    return [slot for sheet in choice.days for slot in _room(sheet, choice.item)] if choice is not None else []


def check_slot(desk: Desk, item_id: UUID, slot_id: str, *, at: datetime) -> Slot:
    """The slot behind an id, looked at again.

    Raises:
        Missing: no such item.
        Invalid: the id is none of ours.
        Refused: `slot-gone`: it was never offered, is past its cut-off, or others have taken the time.
    """
    found = _SLOT_ID.fullmatch(slot_id)
    try:
        day = date.fromisoformat(found[1]) if found else None
    except ValueError:
        day = None
    if found is None or day is None:
        raise Invalid(FieldError("slot", "invalid", f"Không có khung giờ nào tên {slot_id[:40]!r}."))
    with desk.database.read() as session:
        choice = _choice(session, desk, item_id, at=at)
    sheet = next((sheet for sheet in choice.days if sheet.day == day), None) if choice is not None else None
    offered = _room(sheet, choice.item) if sheet is not None and choice is not None else []
    for slot in offered:
        if slot.id == slot_id:
            return slot
    raise Refused("slot-gone", "Khung giờ này không còn phục vụ được; mời chọn khung khác.")


_SLOT_ID: Final = re.compile(r"(\d{8})-\d{4}-\d{4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Choice:
    """An item that may be moved, and the days it may be moved to with what they are bound to."""

    item: Waiting
    days: tuple[OfficeDay, ...]


def _choice(session: Session, desk: Desk, item_id: UUID, *, at: datetime) -> _Choice | None:
    row = session.get(Item, item_id)
    if row is None:
        raise Missing("item", item_id)
    if State(row.state) not in WAITING_STATES or row.lat is None or row.marks:
        return None
    bylaws, today = desk.facts.bylaws, local_day(at)
    agency = session.get_one(Agency, row.agency_id).code
    rule = bylaws.attempts.rule(today, agency=agency, document_type=row.document_type)
    office = session.get_one(Office, row.office_id)
    calendar = plans.calendar(session, bylaws, office.id)
    # One day more than is shown, for the one whose cut-off has passed.
    coming = [day for day in calendar.delivery_days(today, SLOT_DAYS + 1) if at <= rule.cut_off(day)][:SLOT_DAYS]
    earliest, latest = row.not_before or today, row.held_until or date.max
    days = [day for day in coming if earliest <= day <= latest]
    item = plans.described(session, [row], today, bylaws)[0]
    if not days or item.advice in ("return_now", "incident", "review_address"):
        return None
    crews = plans.crews(session, office.id, days, at=at)
    bound = plans.committed(session, office.id, coming, bylaws, leave_out=item_id)
    sheets = tuple(
        OfficeDay(
            office=(office.lat, office.lon),
            day=day,
            items=tuple(bound[day]),
            crew=tuple(crews[day]),
            delivery=calendar.delivery(day),
            hours=calendar.hours(day),
        )
        for day in days
    )
    return _Choice(replace(item, wanted_on=None, wanted_from=None, wanted_to=None), sheets)


def _room(sheet: OfficeDay, item: Waiting) -> list[Slot]:
    """The half-days in which the item fits into the routes of what the day is bound to."""
    crew = [member for member in sheet.crew if sheet.shift(member) is not None]
    if not crew:
        return []
    problem = day_problem(sheet, [*doors(sheet.items, sheet.day), *doors([item], sheet.day)], crew)
    asked = problem.jobs[-1]
    others = problem.replace(jobs=problem.jobs[:-1])
    solution = constructed(others)
    served = {step.id for route in solution.routes for step in route.visits}
    # A time whose own promises find no place is full.
    full = [windows or (_ANY_TIME,) for windows in (job.time_windows for job in others.jobs if job.id not in served)]
    hours = [span for span in sheet.hours if not any(_overlap(span, window) for waiting in full for window in waiting)]
    found = routing.slots.slots(others, solution, asked, hours)
    return [Slot(sheet.day, *place.window) for place in found]


_ANY_TIME: Final = (0, 86_400)


def _overlap(one: tuple[Seconds, Seconds], other: tuple[Seconds, Seconds]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
