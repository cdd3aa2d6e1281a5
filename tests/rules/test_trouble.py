"""Of what kind an incident is, and until when somebody must have acted."""

from datetime import datetime, timedelta

import pytest

from courier.domain.calendar import ZONE
from courier.domain.trouble import Kind, due_at, kind_of

TEN = datetime(2026, 11, 23, 10, 0, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("code", "about_money", "kind", "due"),
    [
        ("broke-down", False, Kind.ROAD, TEN + timedelta(minutes=30)),
        ("underpaid", True, Kind.MONEY, TEN.replace(hour=18)),
        ("another-had-custody", False, Kind.CONFLICT, TEN + timedelta(hours=4)),
        ("handed_over-in-delivered", False, Kind.CONFLICT, TEN + timedelta(hours=4)),
        ("id-mismatch", False, Kind.DOOR, TEN + timedelta(days=1)),
        ("complaint-overdue", False, Kind.PETITION, TEN + timedelta(days=1)),
        ("data-request-overdue", False, Kind.PETITION, TEN + timedelta(days=1)),
        ("media-missing", False, Kind.MEDIA, TEN + timedelta(days=1)),
    ],
)
def test_each_kind_has_its_own_patience(code, about_money, kind, due):
    assert kind_of(code, about_money=about_money) is kind
    assert due_at(code, TEN, about_money=about_money) == due


def test_money_that_comes_up_late_in_the_evening_still_has_an_hour():
    late = TEN.replace(hour=17, minute=40)
    assert due_at("underpaid", late, about_money=True) == late + timedelta(hours=1)
