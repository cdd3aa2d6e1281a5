"""Attempt rules: how often a door is tried, what counts, how long an item is kept. Data, dated, per agency and document type."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from courier.domain.calendar import ZONE, WorkingCalendar, local_day
from courier.domain.item import Life, State


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an attempt failed, and what follows from it."""

    code: str
    name_vi: str
    name_en: str
    counts: bool
    then: str
    evidence: tuple[str, ...]
    measure_vi: str


@dataclass(frozen=True, slots=True)
class AttemptRule:
    """How often, how far apart, how long."""

    valid_from: date
    valid_to: date | None
    agency: str | None
    document_type: str | None
    max_attempts: int
    spacing_working_days: int
    hold_days: Mapping[str, int]
    cut_off_days_before: int
    cut_off_at: time
    max_moves: int
    slot_hold: timedelta
    slot_hold_percent: int
    place_seconds: int

    def cut_off(self, day: date) -> datetime:
        """The last moment at which a visit on `day` can still be chosen or moved."""
        return datetime.combine(day - timedelta(days=self.cut_off_days_before), self.cut_off_at, ZONE)

    def most_held(self, places: int) -> int:
        """How many of a day's places may be held at once; one where there is any place at all."""
        return max(1, places * self.slot_hold_percent // 100) if places else 0


@dataclass(frozen=True, slots=True)
class AttemptRules:
    """All reasons and all dated rules."""

    reasons: Mapping[str, Reason]
    rules: tuple[AttemptRule, ...]

    def rule(self, on: date, *, agency: str, document_type: str) -> AttemptRule:
        """The rule in force, the first that matches.

        Raises:
            LookupError: no rule covers that day.
        """
        for rule in self.rules:
            dated = rule.valid_from <= on and (rule.valid_to is None or on <= rule.valid_to)
            if dated and rule.agency in (None, agency) and rule.document_type in (None, document_type):
                return rule
        raise LookupError(f"no attempt rule covers {on.isoformat()}")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What becomes of an item after its attempts so far.

    `advice` is `try`, `review_address`, `invite` (enough attempts: it waits at the office), `return_now` or `incident`.
    """

    attempts: int
    not_before: date | None
    held_until: date | None
    advice: str


def outlook(
    life: Life, rule: AttemptRule, rules: AttemptRules, calendar: WorkingCalendar, *, commune_kind: str
) -> Outlook:
    """Apply an attempt rule to an item's life. `commune_kind` (`xa` or `phuong`) decides how long it is kept."""
    counted = [event for event in life.failed if _reason(rules, event.data).counts]
    # An attempt that counts leaves an invitation; one that does not (the ferry was closed) invited nobody.
    invitations = [*(event.occurred_at for event in counted), *life.invitations]
    held_until = None
    if invitations:
        held_until = local_day(min(invitations)) + timedelta(days=rule.hold_days[commune_kind])
    if not life.failed or life.state in (State.DELIVERED, State.PICKED_UP):
        return Outlook(len(counted), None, held_until, "try")
    last = life.failed[-1]
    reason = _reason(rules, last.data)
    day = local_day(last.occurred_at)
    wished = last.data.get("next_on")
    not_before = date.fromisoformat(str(wished)) if wished else next_day(reason, rule, calendar, day)
    advice = "try" if reason.then == "retry" else reason.then
    if advice == "try" and len(counted) >= rule.max_attempts:
        advice = "invite"
    return Outlook(len(counted), max(not_before, day + timedelta(days=1)), held_until, advice)


def next_day(reason: Reason, rule: AttemptRule, calendar: WorkingCalendar, day: date) -> date:
    """The first day of the next attempt after one that failed on `day` for this reason."""
    if not reason.counts:
        return calendar.next_delivery_day(day)
    # Two invitations count in law only when they are this many working days apart (Postal Law 49/2010 Art 17).
    spaced = calendar.add_working_days(day, rule.spacing_working_days)
    return calendar.next_delivery_day(spaced - timedelta(days=1))


_UNKNOWN = Reason("other", "Lý do khác", "Other reason", counts=True, then="incident", evidence=(), measure_vi="")


def _reason(rules: AttemptRules, data: Mapping[str, Any]) -> Reason:
    return rules.reasons.get(str(data.get("reason", "")), _UNKNOWN)
