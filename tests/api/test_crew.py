"""Who works when, over HTTP: the API and the plain forms, versions, refusals with field and value, and the week that shows it."""

import re
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from courier.domain.calendar import local_day
from courier.store.tables import Office, Postman
from tests.api.test_pages import Browser
from tests.builders import DAY, MORNING

CHANGES = "/api/v1/crew/changes"
TOMORROW = DAY + timedelta(days=1)
MONDAY = DAY - timedelta(days=DAY.weekday())


@pytest.fixture
def desk_of(app, town):
    """A browser in which the dispatcher is signed in."""
    return Browser(app, town.dispatcher)


def leave(town, **more):
    return {
        "kind": "leave", "postman": str(town.here.postmen[0].id), "leave_kind": "annual", "first_day": DAY.isoformat(),
    } | more  # fmt: skip


def his_days(answer, town):
    row = next(row for row in answer.json["postmen"] if row["id"] == str(town.here.postmen[0].id))
    return {day["date"]: day for day in row["days"]}


def test_a_leave_is_entered_altered_and_withdrawn_with_its_version(town):
    made = town.dispatcher.post(CHANGES, json=leave(town))
    assert (made.status_code, made.headers["ETag"], made.json["last_day"]) == (201, '"1"', DAY.isoformat())
    path = f"{CHANGES}/{made.json['id']}"
    longer = leave(town, last_day=TOMORROW.isoformat())
    assert town.dispatcher.put(path, json=longer).status_code == 428
    altered = town.dispatcher.put(path, json=longer, headers={"If-Match": '"1"'})
    assert (altered.status_code, altered.headers["ETag"]) == (200, '"2"')
    assert town.dispatcher.put(path, json=longer, headers={"If-Match": '"1"'}).status_code == 412
    days = his_days(town.dispatcher.get(f"/api/v1/crew?from={DAY}"), town)
    assert [days[day.isoformat()]["at_work"] for day in (DAY, TOMORROW, DAY + timedelta(days=2))] == [
        False,
        False,
        True,
    ]
    assert days[DAY.isoformat()]["changes"] == [made.json["id"]]
    assert town.dispatcher.delete(path).status_code == 428
    assert town.dispatcher.delete(path, headers={"If-Match": '"2"'}).status_code == 204
    assert town.dispatcher.get(path).status_code == 404


def test_an_overlap_is_refused_with_field_and_value(town):
    town.dispatcher.post(CHANGES, json=leave(town, last_day=TOMORROW.isoformat()))
    answer = town.dispatcher.post(CHANGES, json=leave(town, first_day=TOMORROW.isoformat()))
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json["errors"]] == [("first_day", "two-leave")]
    assert f"{TOMORROW:%d/%m/%Y}" in answer.json["errors"][0]["message"]


IMPOSSIBLE_HOURS = [
    ({"shift_start": "17:00", "shift_end": "08:00"}, "shift_end"),
    ({"shift_start": "08:00"}, "shift_end"),
    ({"shift_start": "08:00", "shift_end": "12:00", "break_start": "11:50", "break_minutes": 30}, "break_start"),
    ({"shift_start": "08:00", "shift_end": "12:00", "weekdays": [7]}, "weekdays"),
    ({"shift_start": "25:00", "shift_end": "12:00"}, "shift_start"),
    ({"break_start": "11:00"}, "break_start"),
    ({}, "shift_start"),
]


def test_hours_that_cannot_be_are_refused_with_their_field(town):
    for sent, field in IMPOSSIBLE_HOURS:
        body = {"kind": "hours", "postman": str(town.here.postmen[0].id), "first_day": DAY.isoformat()} | sent
        answer = town.dispatcher.post(CHANGES, json=body)
        assert answer.status_code == 422, sent
        assert {error["field"].partition(".")[0] for error in answer.json["errors"]} == {field}


def test_the_same_entry_sent_twice_is_one(town):
    headers = {"Idempotency-Key": "k1"}
    first, second = (town.dispatcher.post(CHANGES, json=leave(town), headers=headers) for _ in range(2))
    assert (first.status_code, second.json) == (201, first.json)


def test_an_admin_names_the_office_and_a_dispatcher_has_his_own(town):
    assert town.admin.get("/api/v1/crew").status_code == 422
    there = town.admin.get("/api/v1/crew", query_string={"office": str(town.there.office_id)})
    assert {row["id"] for row in there.json["postmen"]} == {str(one.id) for one in town.there.postmen}
    closed = {"kind": "closed", "first_day": DAY.isoformat(), "office": str(town.there.office_id), "note": "Sửa nhà"}
    assert town.admin.post(CHANGES, json=closed).status_code == 201
    assert town.dispatcher.get(f"/api/v1/crew?from={DAY}").json["days"][0]["delivery"] == "full"


def test_a_beat_is_assigned_and_what_nobody_has_is_told(town, database):
    with database.write() as session:
        session.get_one(Office, town.here.office_id).communes = ["32044", "32059"]
    path = f"/api/v1/crew/{town.here.postmen[0].id}/beat"
    answer = town.dispatcher.put(path, json={"communes": ["32044"]}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json) == (200, {"version": 2, "communes_without_beat": ["32059"]})
    assert town.dispatcher.put(path, json={"communes": []}, headers={"If-Match": '"1"'}).status_code == 412


def cash_limit(database, town) -> int:
    with database.read() as session:
        return session.get_one(Postman, town.here.postmen[0].id).cash_limit_dong


def test_a_postmans_usual_work_is_said_with_his_version(town, database):
    path = f"/api/v1/crew/{town.here.postmen[0].id}/usual"
    bought = town.dispatcher.post(
        "/api/v1/crew/vehicles", json={"name": "Xe mới", "mode": "boat", "capacity_items": 30}
    )
    assert (bought.status_code, bought.headers["ETag"]) == (201, '"1"')
    usual = {
        "vehicle": bought.json["id"],
        "shift_start": "08:00",
        "shift_end": "16:00",
        "break_start": "11:30",
        "break_minutes": 45,
    }
    answer = town.dispatcher.put(path, json=usual, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json) == (200, {"version": 2})
    assert town.dispatcher.put(path, json=usual, headers={"If-Match": '"1"'}).status_code == 412
    day = his_days(town.dispatcher.get(f"/api/v1/crew?from={DAY}"), town)[DAY.isoformat()]
    assert {name: day[name] for name in usual} == usual
    assert cash_limit(database, town) == 20_000_000, "what is not said stays"
    richer = usual | {"cash_limit_dong": 35_000_000}
    assert town.dispatcher.put(path, json=richer, headers={"If-Match": '"2"'}).json == {"version": 3}
    assert cash_limit(database, town) == 35_000_000
    refused = town.dispatcher.put(path, json=usual | {"break_start": "15:30"}, headers={"If-Match": '"3"'})
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "break_start")


def test_a_vehicle_is_altered_with_its_version_and_two_of_an_office_have_two_names(town):
    first, second = (
        town.dispatcher.post(
            "/api/v1/crew/vehicles", json={"name": name, "mode": "motorbike", "capacity_items": 60}
        ).json
        for name in ("Xe ba", "Xe bốn")
    )
    path = f"/api/v1/crew/vehicles/{first['id']}"
    new = {"name": "Xe ba", "mode": "boat", "capacity_items": 20}
    assert town.dispatcher.put(path, json=new).status_code == 428
    assert town.dispatcher.put(path, json=new, headers={"If-Match": '"1"'}).json == first | new | {"version": 2}
    assert town.dispatcher.put(path, json=new, headers={"If-Match": '"1"'}).status_code == 412
    taken = town.dispatcher.put(path, json=new | {"name": second["name"]}, headers={"If-Match": '"2"'})
    assert (taken.status_code, taken.json["errors"][0]["field"]) == (422, "name")


# -------------------------------------------------------------------------------------------------------- by form
def test_usual_hours_vehicles_and_cash_are_said_by_form(desk_of, town, database):
    his = f"/d/crew/{town.here.postmen[0].id}"
    form = {"name": "Xe mới", "mode": "boat", "capacity_items": "30", "key": str(uuid7())}
    assert desk_of.send("/d/crew/vehicles/new", "/d/crew/vehicles", form).status_code == 303
    vehicle = next(one for one in town.dispatcher.get("/api/v1/crew").json["vehicles"] if one["name"] == "Xe mới")
    sent = {"version": "1", "shift_start": "08:00", "shift_end": "07:00", "vehicle": vehicle["id"]}
    assert 'name="cash_limit_dong"' in desk_of.get(his).text
    sent |= {"cash_limit_dong": "12.500.000"}
    refused = desk_of.send(his, his, sent)
    assert refused.status_code == 422
    assert 'id="e-shift_end"' in refused.text
    assert desk_of.send(his, his, sent | {"shift_end": "16:00"}).status_code == 303
    assert "08:00–16:00" in desk_of.get("/d/crew").text
    assert cash_limit(database, town) == 12_500_000
    path = f"/d/crew/vehicles/{vehicle['id']}"
    assert desk_of.send(path, path, form | {"version": "7"}).status_code == 412
    assert desk_of.send(path, path, form | {"version": "1", "capacity_items": "31"}).status_code == 303


def test_the_week_shows_a_leave_that_was_entered_by_form(desk_of, town):
    form = leave(town, note="Việc nhà", last_day="") | {"key": str(uuid7())}
    new = "/d/crew/changes/new?kind=leave"
    answer = desk_of.send(new, "/d/crew/changes", form)
    assert answer.status_code == 303
    assert answer.location.startswith(f"/d/crew?week={DAY}")
    shown = desk_of.get(answer.location).text
    assert "Nghỉ phép" in shown
    assert town.here.postmen[0].name in shown
    again = desk_of.send(new, "/d/crew/changes", form)
    assert again.location == answer.location, "the same form twice is one entry"


def test_a_refused_form_keeps_what_was_typed_and_names_the_field(desk_of, town):
    form = {
        "kind": "hours", "postman": str(town.here.postmen[1].id), "first_day": DAY.isoformat(), "shift_start": "17:00",
        "shift_end": "08:15", "weekdays": ["0", "4"], "key": str(uuid7()),
    }  # fmt: skip
    answer = desk_of.send("/d/crew/changes/new?kind=hours", "/d/crew/changes", form)
    assert answer.status_code == 422
    assert 'id="e-shift_end"' in answer.text
    assert 'value="08:15"' in answer.text
    assert f'<option value="{town.here.postmen[1].id}" selected>' in answer.text
    assert re.findall(r'name="weekdays" value="(\d)" checked', answer.text) == ["0", "4"]


def test_a_change_is_altered_and_taken_away_by_form_and_a_stale_form_changes_nothing(desk_of, town):
    made = town.dispatcher.post(CHANGES, json=leave(town)).json
    path = f"/d/crew/changes/{made['id']}"
    altered = desk_of.send(path, path, leave(town, last_day=TOMORROW.isoformat()) | {"version": "1"})
    assert altered.status_code == 303
    stale = desk_of.send(path, path, {"version": "1", "do": "remove"})
    assert stale.status_code == 412
    assert town.dispatcher.get(f"{CHANGES}/{made['id']}").json["last_day"] == TOMORROW.isoformat()
    gone = desk_of.send(path, path, {"version": "2", "do": "remove"})
    assert gone.location == f"/d/crew?week={DAY}&done=duty_removed"
    assert town.dispatcher.get(f"{CHANGES}/{made['id']}").status_code == 404


def test_any_week_asked_for_is_a_page(desk_of):
    for week in ("", "x", "0001-01-01", "9999-12-31", "2026-02-30"):
        assert desk_of.get(f"/d/crew?week={week}").status_code == 200, week


def test_days_that_no_calendar_knows_are_refused(town):
    for day in ("2025-06-30", "0001-01-01", "9999-12-31"):
        assert town.dispatcher.get(f"/api/v1/crew?from={day}").status_code == 422, day
        answer = town.dispatcher.post(CHANGES, json=leave(town, first_day=day))
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "first_day"), day


def test_the_page_begins_on_the_monday_of_this_week(desk_of):
    assert local_day(MORNING) == DAY
    assert f"{MONDAY:%d/%m/%Y}" in desk_of.get("/d/crew").text
