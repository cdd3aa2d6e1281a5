"""What a citizen may ask of the post beside the paper itself: the rules with their figures, and how legal periods are counted."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol, TypeVar

from courier.domain.calendar import WorkingCalendar


class Trouble(StrEnum):
    """What a complaint (khiếu nại) is about."""

    LATE = "late"
    LOST = "lost"
    DAMAGED = "damaged"
    WRONG_PERSON = "wrong_person"
    MONEY = "money"
    MANNER = "manner"
    OTHER = "other"


class Scope(StrEnum):
    """Whether an item stayed in the province; the law gives the longer way more days."""

    PROVINCE = "province"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True)
class ComplaintRule:
    """How long one may complain, and how fast the post answers."""

    valid_from: date
    valid_to: date | None
    within_months: int
    province_days: int
    between_days: int
    most_open: int
    most_in_all: int

    def last_day(self, ended_on: date | None) -> date | None:
        """The last day for a complaint about an item whose transit ended on a day; None while it is under way."""
        return add_months(ended_on, self.within_months) if ended_on is not None else None

    def due_on(self, filed_on: date, scope: Scope, working: WorkingCalendar) -> date:
        """The day by whose end it is answered; the day on which it was filed does not count."""
        days = self.province_days if scope is Scope.PROVINCE else self.between_days
        return working.add_working_days(filed_on, days)


@dataclass(frozen=True, slots=True)
class RatingRule:
    """When a visit can be rated, and from how many ratings on something is told of one person."""

    valid_from: date
    valid_to: date | None
    within_days: int
    changeable_hours: int
    most_letters: int
    least_for_a_postman: int
    least_for_words: int


class Wish(StrEnum):
    """What a citizen may ask about the data that is stored of him: to erase it, to restrict its use, or to object to it."""

    ERASE = "erase"
    RESTRICT = "restrict"
    OBJECT = "object"


class Decision(StrEnum):
    """Where such a request stands: `granted` is decided and being done."""

    OPEN = "open"
    GRANTED = "granted"
    REFUSED = "refused"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class RequestRule:
    """How fast a request about data is answered, and how many an item may have."""

    valid_from: date
    valid_to: date | None
    answer_working_days: int
    most_open: int
    most_in_all: int


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How many days things are kept: a recipient's data after the item's last act, proofs of the phone, failed sign-ins."""

    valid_from: date
    valid_to: date | None
    recipient_days: int
    visitor_days: int
    sign_in_failure_days: int


class _Dated(Protocol):
    @property
    def valid_from(self) -> date: ...
    @property
    def valid_to(self) -> date | None: ...


Rule = TypeVar("Rule", bound=_Dated)


def in_force(rules: Sequence[Rule], on: date) -> Rule:
    """The rule of a day.

    Raises:
        LookupError: none is known for that day.
    """
    for rule in rules:
        if rule.valid_from <= on and (rule.valid_to is None or on <= rule.valid_to):
            return rule
    raise LookupError(f"no rule is known for {on.isoformat()}")


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last day of a month that has no such day (Civil Code Art. 148)."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


@dataclass(frozen=True, slots=True)
class CitizenRights:
    """All of these rules, by their dates."""

    complaints: tuple[ComplaintRule, ...]
    ratings: tuple[RatingRule, ...]
    data_requests: tuple[RequestRule, ...]
    retention: tuple[RetentionRule, ...]
