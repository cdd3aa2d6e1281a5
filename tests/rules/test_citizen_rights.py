"""Legal periods as a person counts them on a wall calendar."""

from datetime import date

import pytest

from courier.domain.citizen_rights import Scope, add_months, in_force
from tests.builders import the_facts

# Day, months, the same day by the Civil Code: written down by hand.
MONTHS = [
    ("2026-05-28", 6, "2026-11-28"),
    ("2026-08-31", 6, "2027-02-28"),
    ("2027-08-30", 6, "2028-02-29"),
    ("2026-12-01", 1, "2027-01-01"),
    ("2026-11-30", 3, "2027-02-28"),
    ("2026-07-15", 0, "2026-07-15"),
]
# Filed on, scope, due on. Counted on the calendar of November 2026: the 24th (a Tuesday) is a holiday, Saturdays do not count.
DUE = [
    ("2026-11-16", Scope.PROVINCE, "2026-11-23"),  # Mon -> Mon
    ("2026-11-19", Scope.PROVINCE, "2026-11-27"),  # Thu: 20, 23, 25, 26, 27
    ("2026-11-21", Scope.PROVINCE, "2026-11-30"),  # Sat: 23, 25, 26, 27, 30
    ("2026-11-25", Scope.PROVINCE, "2026-12-02"),  # Wed: 26, 27, 30, 1, 2
    ("2026-11-25", Scope.BETWEEN, "2026-12-04"),
]


@pytest.mark.parametrize(("day", "months", "then"), MONTHS)
def test_a_month_later_is_the_same_day_or_the_last_of_a_shorter_month(day, months, then):
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(then)


@pytest.mark.parametrize(("filed", "scope", "due"), DUE)
def test_a_complaint_is_due_after_five_or_seven_working_days(filed, scope, due):
    facts, day = the_facts(), date.fromisoformat(filed)
    rule = in_force(facts.rights.complaints, day)
    assert rule.due_on(day, scope, facts.bylaws.calendar) == date.fromisoformat(due)


def test_the_period_for_a_complaint_ends_six_months_after_the_transit_and_not_before_it_has_ended():
    rule = in_force(the_facts().rights.complaints, date(2026, 11, 25))
    assert rule.last_day(date(2026, 8, 31)) == date(2027, 2, 28)
    assert rule.last_day(None) is None


def test_no_rule_is_invented_for_a_day_before_the_first():
    with pytest.raises(LookupError):
        in_force(the_facts().rights.complaints, date(2020, 1, 1))
