"""Days that an admin declares worked or off for the whole province: what counts in deadlines, and what can be planned."""

from datetime import date, timedelta

import pytest

from courier.domain.calendar import local_day
from courier.store import plans
from courier.store.tables import AuditEntry
from tests.builders import MORNING, the_facts

API = "/api/v1"
TODAY = local_day(MORNING)
CULTURE_DAY = date(2027, 11, 24)
MONDAY = TODAY + timedelta(days=7 - TODAY.weekday())


def declare(town, day, *, works, reason="Công văn số 12"):
    return town.admin.put(f"{API}/calendar/{day}", json={"works": works, "reason": reason})


def known(database):
    with database.read() as session:
        return plans.calendar(session, the_facts().bylaws)


def listed(town, day):
    answer = town.admin.get(f"{API}/calendar", query_string={"first": day.isoformat(), "last": day.isoformat()})
    return answer.json["data"]


def test_a_storm_day_is_off_for_everybody_and_put_off_deadlines(town, database):
    assert known(database).is_working(MONDAY)
    answer = declare(town, MONDAY, works=False, reason="Bão số 15")
    assert answer.status_code == 200
    assert answer.json["now"] == {"working": False, "delivery": "closed", "name": "Bão số 15", "confirmed": True}
    assert answer.json["calendar"] is None
    calendar = known(database)
    assert not calendar.is_working(MONDAY)
    assert calendar.delivery(MONDAY) == "closed"
    assert calendar.add_working_days(MONDAY - timedelta(days=1), 1) == MONDAY + timedelta(days=1)


def test_a_day_of_the_calendar_is_worked_after_all_and_taken_back(town, database):
    assert listed(town, CULTURE_DAY)[0]["now"]["working"] is False
    assert declare(town, CULTURE_DAY, works=True).json["calendar"]["working"] is False
    assert known(database).delivery(CULTURE_DAY) == "full"
    assert [one["declared"] for one in listed(town, CULTURE_DAY)] == [True]
    for _ in range(2):
        assert town.admin.delete(f"{API}/calendar/{CULTURE_DAY}").status_code == 204
    assert known(database).delivery(CULTURE_DAY) == "closed"
    assert [one["declared"] for one in listed(town, CULTURE_DAY)] == [False]
    with database.read() as session:
        acts = [entry.act for entry in session.query(AuditEntry).filter(AuditEntry.thing == f"day:{CULTURE_DAY}")]
    assert acts == ["day declared", "day withdrawn"]


def test_saying_it_again_is_saying_it_anew(town):
    declare(town, MONDAY, works=False, reason="Bão")
    assert declare(town, MONDAY, works=True, reason="Bão đã đổi hướng").json["now"]["name"] == "Bão đã đổi hướng"
    assert len(listed(town, MONDAY)) == 1


@pytest.mark.parametrize("day", [TODAY - timedelta(days=1), TODAY + timedelta(days=801)])
def test_a_day_that_is_past_or_far_away_is_refused_in_words(town, day):
    answer = declare(town, day, works=False)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "day"
    assert f"{day:%d/%m/%Y}" in answer.json["errors"][0]["message"]
    assert not any(one["declared"] for one in listed(town, day))


def test_the_span_is_bounded(town):
    for first, last in ((MONDAY, MONDAY - timedelta(days=1)), (MONDAY, MONDAY + timedelta(days=1501))):
        answer = town.admin.get(f"{API}/calendar", query_string={"first": first.isoformat(), "last": last.isoformat()})
        assert (answer.status_code, answer.json["code"]) == (422, "span")


def test_nobody_but_an_admin_declares_days(town):
    assert town.dispatcher.put(f"{API}/calendar/{MONDAY}", json={"works": False, "reason": "x"}).status_code == 403
