"""Windows in which an item can really be served over the coming days: what drives the citizen's reschedule."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

import routing.slots
from courier.desk import Desk
from courier.dispatch.office_day import OfficeDay, constructed, day_problem
from courier.domain.attempts import AttemptRule
from courier.domain.calendar import at_local, local_day
from courier.domain.doors import WAITING_STATES, Seconds, Waiting, doors
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.item import State
from courier.store import plans, slot_holds
from courier.store.tables import Agency, Item, Office

T = TypeVar("T")

SLOT_DAYS: Final = 7
# Seconds of travel that a half-day may cost more than the other one of its day: above it somebody would ride to one hamlet
# twice. What an office saves by it stands in docs/benchmarks/promises.md.
_DEARER_SECONDS: Final = 120


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


class SlotGone(Refused):
    """`slot-gone`: the window was never offered, is past its cut-off, or others have taken the time. `slots` are still free."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        super().__init__("slot-gone", "Khung giờ này vừa hết chỗ; mời Ông/Bà chọn khung giờ khác.")
        self.slots = tuple(slots)


@dataclass(frozen=True, slots=True)
class Hold:
    """A window that is kept for an item until a moment; nobody else is offered its place meanwhile."""

    slot: Slot
    expires_at: datetime


def hold_slot(desk: Desk, item_id: UUID, slot_id: str, *, at: datetime) -> Hold:
    """Keep a window for an item for some minutes, as the attempt rule says, and never past its cut-off.

    What the item held before is free. The same window again is the same hold and lasts no longer.

    Raises:
        Missing: no such item.
        Invalid: the id is none of ours.
        SlotGone: it cannot be served any more.
        Refused: `too-many-holds`: as much of that day is held by others as may be held at once.
    """
    day = _day_of(slot_id)
    with desk.database.read() as session:
        standing = slot_holds.of_item(session, item_id, at=at)
    if standing is not None:
        held = Slot(standing.day, standing.from_seconds, standing.to_seconds)
        if held.id == slot_id:
            return Hold(held, standing.expires_at)
    return _in_turn(
        desk,
        item_id,
        slot_id,
        day,
        lambda session, choice, found: _put(session, choice, found, at=at, choosing=True),
        at=at,
    )


def leave_slot(desk: Desk, item_id: UUID) -> None:
    """Leave the window that is held for an item to others."""
    with desk.database.write() as session:
        slot_holds.drop(session, item_id)


def take_slot(desk: Desk, item_id: UUID, slot_id: str, *, at: datetime, grant: Callable[[Session, Slot], T]) -> T:
    """Give the window behind an id to an item: by its hold, or else looked at again. What `grant` records is the answer.

    The place is taken and `grant` records the change request in one transaction, so nothing can lapse between the two, and what
    `grant` refuses holds no place. Two people cannot both be given the last place of a window. How much of a day may be held
    does not matter here.

    Raises:
        Missing, Invalid, SlotGone: as `hold_slot`.
        Refused: as `grant`.
    """
    day = _day_of(slot_id)
    with desk.database.read() as session:
        office_id = _office_of(session, item_id)
        # First the count and then the hold: who takes a place in between may have found the hold over by his clock.
        seen = slot_holds.times_taken(session, office_id, day)
        standing = slot_holds.of_item(session, item_id, at=at)
    held = Slot(standing.day, standing.from_seconds, standing.to_seconds) if standing is not None else None
    if held is not None and held.id == slot_id:
        with suppress(_Overtaken), desk.database.write() as session:
            if slot_holds.take_turn(session, office_id, day) != seen:
                raise _Overtaken
            return grant(session, held)

    def put(session: Session, choice: "_Choice | None", found: Slot) -> T:
        return grant(session, _put(session, choice, found, at=at, choosing=False).slot)

    return _in_turn(desk, item_id, slot_id, day, put, at=at)


def _office_of(session: Session, item_id: UUID) -> UUID:
    row = session.get(Item, item_id)
    if row is None:
        raise Missing("item", item_id)
    return row.office_id


def take_slot_now(session: Session, desk: Desk, item_id: UUID, slot_id: str, *, at: datetime) -> Slot:
    """The same inside a transaction of the caller's, who is the only one to take a place of that day until it ends.

    Raises:
        Missing, Invalid, SlotGone: as `hold_slot`.
    """
    day = _day_of(slot_id)
    slot_holds.take_turn(session, _office_of(session, item_id), day)
    choice = _choice(session, desk, item_id, at=at)
    return _put(session, choice, _found(choice, day, slot_id), at=at, choosing=False).slot


# Routes are constructed outside of any lock; who finds that somebody else took a place of that day meanwhile constructs them
# again. After so many times in vain he does it while nobody else can, so that everybody gets an answer.
_IN_VAIN: Final = 3
_SLOT_ID: Final = re.compile(r"(\d{8})-\d{4}-\d{4}", re.ASCII)
# What is taken for a change request is recorded in the same breath.
_FOR_A_REQUEST: Final = timedelta(minutes=1)


def _in_turn(
    desk: Desk,
    item_id: UUID,
    slot_id: str,
    day: date,
    put: Callable[[Session, "_Choice | None", Slot], T],
    *,
    at: datetime,
) -> T:
    """Look at the routes, and `put` the place in the one transaction in which nobody else takes a place of that day."""
    with desk.database.read() as session:
        office_id = _office_of(session, item_id)
    for _ in range(_IN_VAIN):
        with desk.database.read() as session:
            # First the count and then the room: what is taken in between shows.
            seen = slot_holds.times_taken(session, office_id, day)
            choice = _choice(session, desk, item_id, at=at)
        found = _found(choice, day, slot_id)
        with suppress(_Overtaken), desk.database.write() as session:
            if slot_holds.take_turn(session, office_id, day) != seen:
                raise _Overtaken
            return put(session, choice, found)
    with desk.database.write() as session:
        slot_holds.take_turn(session, office_id, day)
        choice = _choice(session, desk, item_id, at=at)
        return put(session, choice, _found(choice, day, slot_id))


class _Overtaken(Exception):
    """Somebody else took a place of that day: the transaction is rolled back."""


def _day_of(slot_id: str) -> date:
    found = _SLOT_ID.fullmatch(slot_id)
    try:
        day = date.fromisoformat(found[1]) if found else None
    except ValueError:
        day = None
    if day is None:
        raise Invalid(FieldError("slot", "invalid", f"Không có khung giờ nào tên {slot_id[:40]!r}."))
    return day


def _found(choice: "_Choice | None", day: date, slot_id: str) -> Slot:
    if choice is None:
        raise SlotGone(())
    asked = next((sheet for sheet in choice.days if sheet.day == day), None)
    offered = _room(asked, choice.item) if asked is not None else []
    for slot in offered:
        if slot.id == slot_id:
            return slot
    others = {sheet.day: offered if sheet.day == day else _room(sheet, choice.item) for sheet in choice.days}
    raise SlotGone([slot for slots_of_day in others.values() for slot in slots_of_day])


def _put(session: Session, choice: "_Choice | None", slot: Slot, *, at: datetime, choosing: bool) -> Hold:
    if choice is None:
        raise SlotGone(())
    item_id, office_id, rule = choice.item.id, choice.office_id, choice.rule
    lasts = _FOR_A_REQUEST
    if choosing:
        sheet = next(sheet for sheet in choice.days if sheet.day == slot.day)
        most = rule.most_held(places(sheet, rule))
        held = slot_holds.count(session, office_id, slot.day, at=at, leave_out=item_id)
        if held >= most:
            raise Refused(
                "too-many-holds",
                f"Ngày {slot.day:%d/%m/%Y} đang có {held} người giữ chỗ, là mức nhiều nhất. "
                "Mời Ông/Bà chọn ngày khác, hoặc thử lại sau ít phút.",
            )
        lasts = rule.slot_hold
    expires_at = min(at + lasts, rule.cut_off(slot.day))
    slot_holds.put(
        session,
        item_id,
        office_id=office_id,
        day=slot.day,
        window=(slot.from_, slot.to),
        at=at,
        expires_at=expires_at,
    )
    return Hold(slot, expires_at)


def places(sheet: OfficeDay, rule: AttemptRule) -> int:
    """How many calls a day has room for at the very most, empty as it may be: the working time of its crew by the place.

    A place is the working time that the attempt rule counts for a call with its way; nobody calls more often than his bag has
    items. It bounds what may be held at once. Whether a call really fits, only routes tell.
    """
    return sum(
        min(member.capacity_items, (shift[1] - shift[0]) // rule.place_seconds)
        for member in sheet.crew
        if (shift := sheet.shift(member)) is not None
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """An item that may be moved, and the days it may be moved to with what they are bound to."""

    item: Waiting
    days: tuple[OfficeDay, ...]
    office_id: UUID
    rule: AttemptRule


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
    bound = plans.committed(session, office.id, coming, bylaws, leave_out=item_id, at=at)
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
    return _Choice(replace(item, wanted_on=None, wanted_from=None, wanted_to=None), sheets, office.id, rule)


def _room(sheet: OfficeDay, item: Waiting) -> list[Slot]:
    """The half-days in which the item fits into the routes of what the day is bound to, without sending anybody there twice.

    A half-day is offered when it costs hardly more than the cheapest of its day.
    """
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
    cheapest = min((place.cost for place in found), default=0)
    return [Slot(sheet.day, *place.window) for place in found if place.cost - cheapest <= _DEARER_SECONDS]


_ANY_TIME: Final = (0, 86_400)


def _overlap(one: tuple[Seconds, Seconds], other: tuple[Seconds, Seconds]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
