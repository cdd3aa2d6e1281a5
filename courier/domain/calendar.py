"""Working days and delivery days: two calendars over one set of holidays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
FULL, HALF, CLOSED = "full", "half", "closed"
_FAR = 400  # a year and more without a working day is a fault in the data, not a long feast


def local_day(moment: datetime) -> date:
    """The calendar day of a moment in Viet Nam. UTC midnight is 07:00 there: a day taken in UTC splits the morning."""
    return moment.astimezone(ZONE).date()


def at_local(day: date, seconds: int) -> datetime:
    """The moment that lies `seconds` after local midnight of `day`."""
    return datetime.combine(day, time(), ZONE) + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Week:
    """What the days of a week are, from one date on. Weekdays count from Monday = 0."""

    valid_from: date
    valid_to: date | None
    working: frozenset[int]
    delivery: Mapping[int, str]
    hours: Mapping[str, tuple[tuple[int, int], ...]]


@dataclass(frozen=True, slots=True)
class DayOff:
    """A day that differs from its week: a holiday, or what an office declared."""

    working: bool
    delivery: str
    name: str
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """Weeks by validity, and the single days that differ from them."""

    weeks: tuple[Week, ...]
    days: Mapping[date, DayOff]

    def with_days(self, days: Mapping[date, DayOff]) -> "WorkingCalendar":
        """The same calendar with further single days on top."""
        return WorkingCalendar(self.weeks, {**self.days, **days})

    def week(self, day: date) -> Week:
        """The week in force on a day.

        Raises:
            LookupError: no week is known for that day.
        """
        for week in self.weeks:
            if week.valid_from <= day and (week.valid_to is None or day <= week.valid_to):
                return week
        raise LookupError(f"no working week is known for {day.isoformat()}")

    def is_working(self, day: date) -> bool:
        """True when the day counts in legal deadlines."""
        single = self.days.get(day)
        return single.working if single else day.weekday() in self.week(day).working

    def delivery(self, day: date) -> str:
        """`full`, `half` or `closed`: whether postmen go out."""
        single = self.days.get(day)
        return single.delivery if single else self.week(day).delivery[day.weekday()]

    def hours(self, day: date) -> tuple[tuple[int, int], ...]:
        """When postmen are at doors on a day, as (from, to) seconds from midnight."""
        kind = self.delivery(day)
        return () if kind == CLOSED else self.week(day).hours[kind]

    def next_delivery_day(self, after: date) -> date:
        """The first delivery day after a day."""
        for ahead in range(1, _FAR):
            day = after + timedelta(days=ahead)
            if self.delivery(day) != CLOSED:
                return day
        raise LookupError(f"no delivery day within {_FAR} days after {after.isoformat()}")

    def delivery_days(self, after: date, count: int) -> list[date]:
        """The next `count` delivery days after a day."""
        days: list[date] = []
        while len(days) < count:
            days.append(self.next_delivery_day(days[-1] if days else after))
        return days

    def add_working_days(self, day: date, count: int) -> date:
        """The day on which `count` working days have passed since `day`, which itself does not count."""
        for _ in range(_FAR * max(1, count)):
            if count <= 0:
                return day
            day += timedelta(days=1)
            count -= self.is_working(day)
        raise LookupError(f"no working day within reach of {day.isoformat()}")
