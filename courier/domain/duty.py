"""Who works when: a postman's usual hours and vehicle, and what differs from them for some days (lịch làm việc).

Days are local, seconds count from local midnight. A `Change` without weekdays holds on every day of its span; one with weekdays
holds on those only, gives way to one without, and may be open at its end.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from courier.domain.errors import FieldError

Seconds = int
MOST_DAYS: Final = 366
LEAVE_KINDS: Final = ("annual", "sick", "family", "training", "other")


class Kind(StrEnum):
    """What differs: leave, hours, the vehicle he takes, a vehicle in the workshop, an office closed or open against its week."""

    LEAVE = "leave"
    HOURS = "hours"
    VEHICLE = "vehicle"
    WORKSHOP = "workshop"
    CLOSED = "closed"
    OPEN = "open"


OF_A_POSTMAN: Final = frozenset({Kind.LEAVE, Kind.HOURS, Kind.VEHICLE})
OF_A_VEHICLE: Final = frozenset({Kind.VEHICLE, Kind.WORKSHOP})
OF_THE_OFFICE: Final = frozenset({Kind.CLOSED, Kind.OPEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A shift with its rest, if any."""

    begins: Seconds
    ends: Seconds
    rest_begins: Seconds | None = None
    rest_seconds: Seconds = 0

    def faults(self) -> list[FieldError]:
        """What is wrong with them: every fault names its field and the value found."""
        found = []
        if not 0 <= self.begins < self.ends <= 86_400:
            message = f"Ca phải kết thúc sau khi bắt đầu, nhận {clock(self.begins)} đến {clock(self.ends)}."
            found.append(FieldError("shift_end", "ends-before-it-begins", message))
        elif self.rest_begins is not None and not (
            self.begins <= self.rest_begins and self.rest_begins + self.rest_seconds <= self.ends
        ):
            rest = f"{clock(self.rest_begins)}–{clock(self.rest_begins + self.rest_seconds)}"
            message = f"Giờ nghỉ {rest} nằm ngoài ca {clock(self.begins)}–{clock(self.ends)}."
            found.append(FieldError("break_start", "outside-shift", message))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that differs from the usual, from `first_day` to `last_day`, both included; `last_day` None is open."""

    id: UUID
    kind: Kind
    first_day: date
    last_day: date | None
    weekdays: frozenset[int] = frozenset()
    postman_id: UUID | None = None
    vehicle_id: UUID | None = None
    leave_kind: str | None = None
    hours: Hours | None = None
    note: str = ""
    version: int = 1

    def covers(self, day: date) -> bool:
        """True when it holds on that day."""
        if day < self.first_day or (self.last_day is not None and day > self.last_day):
            return False
        return not self.weekdays or day.weekday() in self.weekdays

    def days(self, *, most: int = MOST_DAYS) -> Iterator[date]:
        """The days it holds on, those of the first `most` days of its span."""
        last = self.first_day + timedelta(days=most - 1)
        last = last if self.last_day is None else min(last, self.last_day)
        for ahead in range((last - self.first_day).days + 1):
            day = self.first_day + timedelta(days=ahead)
            if self.covers(day):
                yield day

    def meets(self, other: "Change") -> date | None:
        """The first day on which both hold, None when there is none."""
        begins = max(self.first_day, other.first_day)
        # After a week of common days every weekday has come by.
        for ahead in range(7):
            day = begins + timedelta(days=ahead)
            if self.covers(day) and other.covers(day):
                return day
        return None

    def told(self) -> str:
        """The span in words."""
        if self.last_day is None:
            return f"từ {_day(self.first_day)}"
        if self.first_day == self.last_day:
            return _day(self.first_day)
        return f"{_day(self.first_day)}–{_day(self.last_day)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """How a postman works when nothing differs."""

    postman_id: UUID
    name: str
    vehicle_id: UUID
    hours: Hours
    beat: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A postman's day. He is `at_work` unless he is on leave, his vehicle is in the workshop or his office is closed."""

    hours: Hours
    vehicle_id: UUID
    leave: Change | None = None
    workshop: Change | None = None
    closed: Change | None = None
    other_hours: Change | None = None
    other_vehicle: Change | None = None

    @property
    def at_work(self) -> bool:
        """True when he can be planned for."""
        return self.leave is None and self.workshop is None and self.closed is None


class Roster:
    """The usual of an office's postmen and everything that differs, asked day by day."""

    def __init__(self, usual: Iterable[Usual], changes: Iterable[Change]) -> None:
        self.usual: Mapping[UUID, Usual] = {one.postman_id: one for one in usual}
        self.changes: Sequence[Change] = tuple(changes)
        self._of_postman: dict[UUID, list[Change]] = {}
        self._workshop: dict[UUID, list[Change]] = {}
        self._closed = [change for change in self.changes if change.kind is Kind.CLOSED]
        for change in self.changes:
            if change.postman_id is not None:
                self._of_postman.setdefault(change.postman_id, []).append(change)
            elif change.kind is Kind.WORKSHOP and change.vehicle_id is not None:
                self._workshop.setdefault(change.vehicle_id, []).append(change)

    def duty(self, postman_id: UUID, day: date) -> Duty:
        """A postman's day."""
        usual = self.usual[postman_id]
        holding: dict[Kind, Change] = {}
        for change in self._of_postman.get(postman_id, ()):
            if change.covers(day) and (change.kind not in holding or holding[change.kind].weekdays):
                holding[change.kind] = change
        hours, vehicle = holding.get(Kind.HOURS), holding.get(Kind.VEHICLE)
        vehicle_id = vehicle.vehicle_id if vehicle is not None and vehicle.vehicle_id else usual.vehicle_id
        return Duty(
            hours=hours.hours if hours is not None and hours.hours is not None else usual.hours,
            vehicle_id=vehicle_id,
            leave=holding.get(Kind.LEAVE),
            workshop=next((c for c in self._workshop.get(vehicle_id, ()) if c.covers(day)), None),
            closed=next((c for c in self._closed if c.covers(day)), None),
            other_hours=hours,
            other_vehicle=vehicle,
        )

    def shared(self, day: date) -> list[tuple[UUID, UUID, UUID]]:
        """(vehicle, one postman, another) where two at work have one vehicle at the same time; the pairs in order of ids."""
        at_work = [(one, self.duty(one, day)) for one in sorted(self.usual)]
        by_vehicle: dict[UUID, list[tuple[UUID, Hours]]] = {}
        for postman_id, duty in at_work:
            if duty.at_work:
                by_vehicle.setdefault(duty.vehicle_id, []).append((postman_id, duty.hours))
        return [
            (vehicle_id, one, other)
            for vehicle_id, users in by_vehicle.items()
            for n, (one, his) in enumerate(users)
            for other, hers in users[n + 1 :]
            if his.begins < hers.ends and hers.begins < his.ends
        ]

    def with_change(self, new: Change) -> "Roster":
        """The same with one change more, in the place of the one that has its id."""
        return Roster(self.usual.values(), [*(c for c in self.changes if c.id != new.id), new])

    def faults(self, new: Change) -> list[FieldError]:
        """Why a change cannot be entered; every fault names its field and what it collides with."""
        found = _own_faults(new)
        if found:
            return found
        others = [change for change in self.changes if change.id != new.id]
        for other in others:
            day = new.meets(other) if _excludes(new, other) else None
            if day is not None:
                message = f"{_WORDS[other.kind]} {other.told()} đã có, trùng ngày {_day(day)}."
                found.append(FieldError("first_day", f"two-{new.kind}", message))
        if new.kind is Kind.VEHICLE:
            for other in others:
                if other.kind is Kind.WORKSHOP and other.vehicle_id == new.vehicle_id and (day := new.meets(other)):
                    message = f"Xe này ở xưởng {other.told()}, trùng ngày {_day(day)}."
                    found.append(FieldError("vehicle", "in-workshop", message))
        if new.kind in (Kind.VEHICLE, Kind.HOURS) and not found:
            found += self._newly_shared(new)
        return found

    def _newly_shared(self, new: Change) -> list[FieldError]:
        after = self.with_change(new)
        before = Roster(self.usual.values(), [c for c in self.changes if c.id != new.id])
        for day in new.days():
            known = before.shared(day)
            for vehicle_id, one, other in after.shared(day):
                if new.postman_id in (one, other) and (vehicle_id, one, other) not in known:
                    rival = other if one == new.postman_id else one
                    his = after.duty(rival, day).hours
                    message = f"Ngày {_day(day)} xe này đã có {self.usual[rival].name} dùng {clock(his.begins)}–{clock(his.ends)}."
                    field = "vehicle" if new.kind is Kind.VEHICLE else "shift_start"
                    return [FieldError(field, "vehicle-in-use", message)]
        return []


_WORDS: Final = {
    Kind.LEAVE: "Nghỉ phép",
    Kind.HOURS: "Đổi giờ",
    Kind.VEHICLE: "Đổi xe",
    Kind.WORKSHOP: "Xe ở xưởng",
    Kind.CLOSED: "Bưu cục nghỉ",
    Kind.OPEN: "Bưu cục làm bù",
}


def _own_faults(new: Change) -> list[FieldError]:
    found = []
    if new.last_day is not None and new.last_day < new.first_day:
        message = f"Ngày cuối {_day(new.last_day)} trước ngày đầu {_day(new.first_day)}."
        found.append(FieldError("last_day", "ends-before-it-begins", message))
    elif new.last_day is not None and not new.weekdays and (new.last_day - new.first_day).days >= MOST_DAYS:
        found.append(FieldError("last_day", "too-long", f"Nhiều nhất {MOST_DAYS} ngày, nhận {new.told()}."))
    elif next(new.days(most=7), None) is None:
        found.append(FieldError("weekdays", "never", f"Trong {new.told()} không có thứ nào đã chọn."))
    if new.hours is not None:
        found += new.hours.faults()
    return found


def _excludes(new: Change, other: Change) -> bool:
    """True when the two cannot hold on the same day."""
    if new.kind in OF_THE_OFFICE:
        return other.kind in OF_THE_OFFICE
    if new.kind is not other.kind or bool(new.weekdays) is not bool(other.weekdays):
        return False
    if new.kind in OF_A_POSTMAN:
        return new.postman_id == other.postman_id
    return new.vehicle_id == other.vehicle_id


def clock(seconds: Seconds) -> str:
    """A time of day in words: 07:30."""
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"
