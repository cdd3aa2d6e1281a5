"""Plans over HTTP: asked for, solved by the job, looked at, published; shapes, versions, rights and bad input."""

import time
from datetime import timedelta

import pytest

from courier import dispatch, worker
from tests.builders import DAY, MORNING
from tests.planning_office import place, scatter

PATH = "/api/v1/plans"
TODAY = {"date": DAY.isoformat()}


def ask(person, **more):
    return person.post(PATH, json=TODAY | more)


def solved(town, desk):
    """A plan of today, solved here and now."""
    asked = ask(town.dispatcher)
    assert asked.status_code == 202, asked.text
    dispatch.solve_plan(desk, dispatch.list_plans(desk, town.dispatcher.caller)[0].id, at=MORNING)
    return town.dispatcher.get(asked.headers["Location"])


def error(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    return answer.json


def test_a_plan_is_asked_for_solved_by_the_job_and_published(town, desk):
    """The real job in this process, with the real solver in its own."""
    items = scatter(town.here, 12)
    doubtful = place(town.here, lat=None, lon=None, commune_code=None)
    worker.start(desk)

    asked = ask(town.dispatcher, seconds=1, seed=3)

    assert asked.status_code == 202, asked.text
    assert asked.json["state"] == "draft"
    assert asked.json["travel"] == {"source": None}
    where = asked.headers["Location"]
    deadline = time.monotonic() + 30
    while (found := town.dispatcher.get(where)).json["state"] == "draft":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    plan = found.json
    assert plan["state"] == "solved", plan["error"]
    assert {
        "id", "office", "date", "state", "travel", "cost", "routes", "unplanned_count", "version",
    } <= plan.keys()  # fmt: skip
    assert plan["travel"]["source"] == "estimated"
    assert plan["date"] == DAY.isoformat()
    assert plan["office"] == str(town.here.office_id)
    assert plan["unplanned_count"] == 1
    stops = [stop for route in plan["routes"] for stop in route["stops"]]
    assert sorted(item for stop in stops for item in stop["items"]) == sorted(map(str, items))
    for stop in stops:
        assert {"sequence", "arrives_at", "leaves_at", "lock", "items"} <= stop.keys()
        assert stop["arrives_at"].endswith("+07:00")
        assert stop["lock"] == "free"
    unplanned = town.dispatcher.get(f"{where}/unplanned").json
    assert [(row["item"], row["code"]) for row in unplanned] == [(str(doubtful), "address_doubtful")]
    assert unplanned[0]["sentence"]

    answer = town.dispatcher.post(f"{where}/publish", headers={"If-Match": found.headers["ETag"]})

    assert answer.status_code == 200, answer.text
    assert answer.json["state"] == "published"
    assert answer.headers["ETag"] == f'"{answer.json["version"]}"'


def test_a_reader_who_has_the_version_gets_304(town, desk):
    place(town.here)
    plan = solved(town, desk)
    path = f"{PATH}/{plan.json['id']}"
    assert town.dispatcher.get(path, headers={"If-None-Match": plan.headers["ETag"]}).status_code == 304
    town.dispatcher.post(f"{path}/publish", headers={"If-Match": plan.headers["ETag"]})
    assert town.dispatcher.get(path, headers={"If-None-Match": plan.headers["ETag"]}).status_code == 200


def test_publishing_says_which_version_it_means(town, desk):
    place(town.here)
    plan = solved(town, desk)
    path = f"{PATH}/{plan.json['id']}/publish"
    assert error(town.dispatcher.post(path), 428)["code"] == "precondition-required"
    assert error(town.dispatcher.post(path, headers={"If-Match": '"1"'}), 412)["code"] == "stale"
    assert town.dispatcher.post(path, headers={"If-Match": plan.headers["ETag"]}).status_code == 200
    assert error(town.dispatcher.post(path, headers={"If-Match": plan.headers["ETag"]}), 412)["code"] == "stale"
    assert error(town.dispatcher.post(path, headers={"If-Match": '"3"'}), 409)["code"] == "not-solved"


def test_the_list_is_newest_first_and_by_pages(town, desk):
    asked = [ask(town.dispatcher, seed=seed).json["id"] for seed in range(3)]
    tomorrow = town.dispatcher.post(PATH, json={"date": (DAY + timedelta(days=1)).isoformat()}).json["id"]
    first = town.dispatcher.get(f"{PATH}?date={DAY}&limit=2").json
    assert [row["id"] for row in first["data"]] == asked[:0:-1]
    rest = town.dispatcher.get(f"{PATH}?date={DAY}&limit=2&after={first['next']}").json
    assert [row["id"] for row in rest["data"]] == asked[:1]
    assert rest["next"] is None
    assert {row["id"] for row in town.dispatcher.get(PATH).json["data"]} == {*asked, tomorrow}


def test_an_admin_plans_for_the_office_he_names(town):
    assert error(ask(town.admin), 422)["errors"][0]["field"] == "office"
    answer = ask(town.admin, office=str(town.there.office_id))
    assert answer.status_code == 202
    assert [row["id"] for row in town.admin.get(f"{PATH}?office={town.there.office_id}").json["data"]] == [
        answer.json["id"]
    ]
    assert town.dispatcher.get(PATH).json["data"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "date"),
        ({"date": "26/11/2026"}, "date"),
        ({"date": (DAY - timedelta(days=1)).isoformat()}, "date"),
        ({"date": "2027-06-01"}, "date"),
        ({"date": "2026-02-30"}, "date"),
        (TODAY | {"seconds": 0}, "seconds"),
        (TODAY | {"seconds": True}, "seconds"),
        (TODAY | {"seconds": "5"}, "seconds"),
        (TODAY | {"seconds": 10_000}, "seconds"),
        (TODAY | {"seed": -1}, "seed"),
        (TODAY | {"office": "UM"}, "office"),
        (TODAY | {"ofice": "UM"}, "ofice"),
    ],
)
def test_bad_input_names_the_field(town, body, field):
    faults = error(town.dispatcher.post(PATH, json=body), 422)["errors"]
    assert field in {fault["field"] for fault in faults}
    assert town.dispatcher.get(PATH).json["data"] == []


@pytest.mark.parametrize("role", ["postman", "clerk", "agency"])
def test_who_does_not_plan_sees_no_plans(town, desk, role):
    place(town.here)
    plan_id = solved(town, desk).json["id"]
    person = town.of(role)
    for method, path in (
        ("POST", PATH),
        ("GET", PATH),
        ("GET", f"{PATH}/{plan_id}"),
        ("GET", f"{PATH}/{plan_id}/unplanned"),
        ("POST", f"{PATH}/{plan_id}/publish"),
    ):
        assert person.ask(method, path).status_code == 403


def test_a_cashier_reads_and_does_not_plan(town, desk):
    place(town.here)
    plan = solved(town, desk)
    assert town.cashier.get(f"{PATH}/{plan.json['id']}").status_code == 200
    assert ask(town.cashier).status_code == 403
    headers = {"If-Match": plan.headers["ETag"]}
    assert town.cashier.post(f"{PATH}/{plan.json['id']}/publish", headers=headers).status_code == 403


def test_another_offices_plan_is_404(town, desk):
    place(town.there)
    theirs = dispatch.request_plan(desk, town.there.dispatcher, office_id=None, day=DAY, at=MORNING)
    for method, path in (
        ("GET", f"{PATH}/{theirs}"),
        ("GET", f"{PATH}/{theirs}/unplanned"),
        ("POST", f"{PATH}/{theirs}/publish"),
    ):
        assert town.dispatcher.ask(method, path, headers={"If-Match": '"1"'}).status_code == 404
    assert town.dispatcher.get(f"{PATH}?office={town.there.office_id}").status_code == 404
    assert ask(town.dispatcher, office=str(town.there.office_id)).status_code == 404


def test_the_same_idempotency_key_asks_once(town):
    headers = {"Idempotency-Key": "plan-1"}
    first, again = (town.dispatcher.post(PATH, json=TODAY, headers=headers) for _ in range(2))
    assert first.json["id"] == again.json["id"]
    assert again.headers["Location"] == first.headers["Location"]
    assert len(town.dispatcher.get(PATH).json["data"]) == 1
