"""Answers about a plan over HTTP: reasons, offers that are taken once, and what differs from another plan."""

from courier import dispatch
from tests.api.test_plans import PATH, ask, error, solved
from tests.builders import MORNING
from tests.planning_office import adjust, place, scatter

EARLY = 7 * 3600 + 1800


def a_day_too_short(town, desk):
    """A plan that leaves one of two doors out, and that door's item."""
    for number in range(len(town.here.postmen)):
        adjust(town.here, number, shift_start=EARLY, shift_end=EARLY + (3600 if number == 0 else 60))
    place(town.here, km_north=8, priority=90)
    far = place(town.here, km_north=-8, priority=10)
    return solved(town, desk), str(far)


def offer_for(town, plan, item, kind="shift"):
    answer = town.dispatcher.get(f"{PATH}/{plan.json['id']}/explanation?item={item}")
    assert answer.status_code == 200, answer.text
    (reason,) = answer.json["left_out"]
    return next(offer for offer in reason["offers"] if offer["kind"] == kind)


def take(town, plan, item, offer, *, tag=None):
    return town.dispatcher.post(
        f"{PATH}/{plan.json['id']}/offers",
        json={"item": item, "offer": offer["key"]},
        headers={"If-Match": tag or plan.headers["ETag"]},
    )


def test_a_left_out_item_says_why_for_each_postman_and_what_would_let_it_in(town, desk):
    plan, far = a_day_too_short(town, desk)

    answer = town.dispatcher.get(f"{PATH}/{plan.json['id']}/explanation")

    assert answer.headers["ETag"] == plan.headers["ETag"]
    (reason,) = answer.json["left_out"]
    assert (reason["items"], reason["code"]) == ([far], "shift")
    assert {obstacle["code"] for obstacle in reason["obstacles"]} == {"shift"}
    assert len(reason["obstacles"]) == len(town.here.postmen)
    offer = reason["offers"][0]
    assert offer["kind"] == "shift"
    assert offer["postman"] == str(town.here.postmen[0].id)
    assert 0 < offer["changes"][0]["amount"] < 3600
    (route,) = answer.json["routes"]
    assert [stop["sequence"] for stop in route["stops"]] == [1]
    assert route["stops"][0]["saved_seconds"] > 0


def test_an_offer_taken_puts_the_item_on_the_route_and_the_plan_remembers_what_gave_way(town, desk):
    plan, far = a_day_too_short(town, desk)
    offer = offer_for(town, plan, far)

    answer = take(town, plan, far, offer)

    assert answer.status_code == 200, answer.text
    assert answer.json["unplanned_count"] == 0
    assert far in {item for route in answer.json["routes"] for stop in route["stops"] for item in stop["items"]}
    told = town.dispatcher.get(f"{PATH}/{plan.json['id']}/explanation?stops=false").json
    assert told["routes"] == []
    assert [(relief["kind"], relief["amount"]) for relief in told["reliefs"]] == [
        ("shift", offer["changes"][0]["amount"])
    ]


def test_the_second_dispatcher_is_refused_and_without_a_version_nobody_is_heard(town, desk):
    plan, far = a_day_too_short(town, desk)
    offer = offer_for(town, plan, far)
    assert take(town, plan, far, offer).status_code == 200

    assert error(take(town, plan, far, offer), 412)["code"] == "stale"
    bare = town.dispatcher.post(f"{PATH}/{plan.json['id']}/offers", json={"item": far, "offer": offer["key"]})
    assert bare.status_code == 428


def test_an_item_that_is_not_in_the_plan_is_not_explained(town, desk):
    plan, _ = a_day_too_short(town, desk)
    assert town.dispatcher.get(f"{PATH}/{plan.json['id']}/explanation?item={plan.json['id']}").status_code == 404


def test_what_differs_between_two_plans_of_a_day(town, desk):
    scatter(town.here, 6)
    first = solved(town, desk)
    newcomer = place(town.here)
    ask(town.dispatcher)
    second_id = dispatch.list_plans(desk, town.dispatcher.caller)[0].id
    dispatch.solve_plan(desk, second_id, at=MORNING)

    answer = town.dispatcher.get(f"{PATH}/{first.json['id']}/difference?with={second_id}")

    assert answer.status_code == 200, answer.text
    added = [change for change in answer.json["stops"] if "added" in change["codes"]]
    assert [change["items"] for change in added] == [[str(newcomer)]]
    assert added[0]["before"] is None
    assert added[0]["after"]["sequence"] >= 1
    assert answer.json["kept"] == 6
    total = next(line for line in answer.json["cost_lines"] if line["name"] == "total")
    assert total["before"] == first.json["cost"]
    same = town.dispatcher.get(f"{PATH}/{first.json['id']}/difference?with={first.json['id']}").json
    assert (same["stops"], same["moved"], same["kept"]) == ([], 0, 6)


def test_without_another_plan_the_published_one_is_compared(town, desk):
    scatter(town.here, 3)
    plan = solved(town, desk)
    path = f"{PATH}/{plan.json['id']}"
    assert error(town.dispatcher.get(f"{path}/difference"), 409)["code"] == "nothing-published"
    town.dispatcher.post(f"{path}/publish", headers={"If-Match": plan.headers["ETag"]})
    assert town.dispatcher.get(f"{path}/difference").json["stops"] == []
