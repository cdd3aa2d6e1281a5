"""The running day over HTTP and as pages: looks that cost nothing, planning anew, a breakdown, an urgent item, an incident shared out."""

import pytest

from courier import dispatch
from courier.domain.item import Direction
from tests.api.phone import EnrolledPhone
from tests.builders import DAY, MORNING
from tests.planning_office import place, scatter

LIVE = "/api/v1/live"


@pytest.fixture
def running(town, desk):
    """A published plan of nine doors for the office's postmen, on the road since six."""
    scatter(town.here, 9)
    plan_id = dispatch.request_plan(
        desk, town.dispatcher.caller, office_id=None, day=DAY, at=MORNING, seconds=1.0
    )  # fmt: skip
    dispatch.solve_plan(desk, plan_id, at=MORNING)
    return dispatch.publish(desk, town.dispatcher.caller, plan_id, version=2, at=MORNING)


@pytest.fixture
def phone(town):
    return EnrolledPhone(town.postman, town.here)


def test_a_look_is_answered_with_304_until_something_happens(town, running, phone):
    first = town.dispatcher.get(LIVE)
    assert first.status_code == 200
    assert {route["pace"] for route in first.json["routes"]} == {"waiting"}
    known = {"If-None-Match": first.headers["ETag"]}
    assert town.dispatcher.get(LIVE, headers=known).status_code == 304
    item = _own(running, town)[0]
    assert phone.send(phone.event("taken_out", [item], 1)).json["results"][0]["result"] == "applied"
    after = town.dispatcher.get(LIVE, headers=known)
    assert after.status_code == 200
    assert sum(route["in_bag"] for route in after.json["routes"]) == 1
    coming = after.json["routes"][0]["coming"][0]
    assert coming["expected"]["from"] <= coming["expected"]["to"]


def test_a_phone_says_how_many_acts_it_still_has_and_nonsense_is_nobodys_trouble(town, running, phone):
    for said, understood in (("9", 9), ("viele", None), ("-1", None), ("", None)):
        answer = town.postman.post(
            "/api/v1/sync", json={"device_id": str(phone.id), "events": []}, headers={"Waiting-Acts": said}
        )
        assert answer.status_code == 200
        routes = town.dispatcher.get(LIVE).json["routes"]
        own = next(route for route in routes if route["postman"] == str(town.postman.caller.id))
        assert own["waiting_acts"] == understood


def test_the_rest_is_planned_anew_shown_and_published(town, running, phone):
    path = f"/api/v1/plans/{running.id}"
    broken = town.postman.caller.id
    had = _own(running, town)
    assert phone.send(phone.event("taken_out", had, 1)).status_code == 200
    body = {"postman": str(broken)}
    assert town.dispatcher.post(f"{path}/breakdown", json=body).status_code == 428
    assert town.dispatcher.post(f"{path}/breakdown", json=body, headers={"If-Match": '"1"'}).status_code == 412
    version = {"If-Match": f'"{running.version}"'}
    made = town.dispatcher.post(f"{path}/breakdown", json=body, headers=version)
    assert (made.status_code, made.json["state"]) == (201, "solved")
    changes = town.dispatcher.get(f"/api/v1/plans/{made.json['id']}/changes").json
    assert (changes["broken"], changes["stale"]) == (str(broken), False)
    assert sorted(item for moved in changes["moved"] for item in moved["items"]) == sorted(had)
    assert all(moved["loaded"] for moved in changes["moved"])
    published = town.dispatcher.post(
        f"/api/v1/plans/{made.json['id']}/publish", headers={"If-Match": f'"{made.json["version"]}"'}
    )
    assert published.status_code == 200
    assert str(broken) not in {route["postman"] for route in published.json["routes"]}
    anew = town.dispatcher.post(f"{path}/replan", json={}, headers=version)
    assert (anew.status_code, anew.json["code"]) == (412, "stale")
    assert town.dispatcher.get(f"{path}/changes").status_code == 204


def test_an_urgent_item_is_put_on_the_round_that_was_chosen(town, running):
    path = f"/api/v1/plans/{running.id}/insertions"
    item = place(town.here, km_north=0.4, direction=Direction.SUBMISSION)
    version = {"If-Match": f'"{running.version}"'}
    places = town.dispatcher.post(path, json={"item": str(item)}, headers=version).json["places"]
    assert places
    best = places[0]
    put = town.dispatcher.put(f"{path}/{item}", json={"postman": best["postman"]}, headers=version)
    assert put.status_code == 200
    route = next(route for route in put.json["routes"] if route["postman"] == best["postman"])
    assert route["stops"][best["sequence"] - 1]["items"] == [str(item)]
    again = town.dispatcher.put(f"{path}/{item}", json={"postman": best["postman"]}, headers=version)
    assert again.status_code == 412
    known = {"If-Match": put.headers["ETag"]}
    assert town.dispatcher.post(path, json={"item": str(item)}, headers=known).json["code"] == "on-a-route"


def test_an_incident_of_a_breakdown_shares_the_bag_out_with_one_button(town, running, phone):
    phone.send(phone.event("broke_down", [], 5, can_go_on=False, text="Thủng lốp"))
    incident = town.dispatcher.get("/api/v1/incidents").json["data"][0]
    assert (incident["kind"], incident["assigned_to"]) == ("road", None)
    assert incident["due_at"] > incident["opened_at"]
    taken = town.dispatcher.post(f"/api/v1/incidents/{incident['id']}/assign", json={})
    assert taken.json["assigned_to"] == str(town.dispatcher.caller.id)
    page = town.dispatcher.get("/d/incidents?kind=road").text
    address = f"/d/live/{running.id}/breakdown/{town.postman.caller.id}"
    assert address in page
    sent = town.dispatcher.post(address, data={"version": str(running.version)})
    assert sent.status_code == 303
    shown = town.dispatcher.get(sent.headers["Location"])
    assert shown.status_code == 200
    assert town.postman.caller.name in shown.text
    stale = town.dispatcher.post(address, data={"version": str(running.version + 1)})
    assert stale.status_code == 412


def test_an_item_is_found_by_its_code_on_the_page_for_urgent_items(town, running):
    code = "RE123456785VN"
    item = place(town.here, km_north=0.4, direction=Direction.SUBMISSION, barcode=code, search_text=code.lower())
    page = town.dispatcher.get(f"/d/live/{running.id}/insert?code={code}")
    assert page.status_code == 200
    assert f"/d/live/{running.id}/insert/{item}" in page.text
    assert town.dispatcher.get(f"/d/live/{running.id}/insert?code=EX000000000VN").status_code == 200
    postman = town.postman.caller.id
    sent = town.dispatcher.post(
        f"/d/live/{running.id}/insert/{item}", data={"version": str(running.version), "postman": str(postman)}
    )
    assert sent.status_code == 303
    assert town.here.row(item).state == "planned"


def test_the_plan_that_runs_stays_on_the_page_of_the_day_however_many_are_made_after_it(town, running, desk):
    for seed in range(11):
        dispatch.request_plan(
            desk, town.dispatcher.caller, office_id=None, day=DAY, at=MORNING, seconds=1.0, seed=seed
        )  # fmt: skip
    page = town.dispatcher.get(f"/d?date={DAY.isoformat()}").text
    assert f'href="/d/plans/{running.id}"' in page


def _own(running, town) -> list[str]:
    """What stands on the postman's round."""
    route = next(route for route in running.routes if route.postman == town.postman.caller.id)
    return [str(item) for stop in route.stops for item in stop.items]
