"""A plan changed by hand over HTTP: tried, made, undone; two dispatchers; shapes and bad input."""

import pytest

from courier import dispatch
from courier.domain.people import Role
from tests.api.conftest import Person, enlist, sign
from tests.builders import MORNING
from tests.planning_office import scatter

PATH = "/api/v1/plans"


@pytest.fixture
def plan(town, desk):
    """A solved plan with two routes and more, as the dispatcher sees it."""
    scatter(town.here, 16)
    plan_id = dispatch.request_plan(
        desk, town.dispatcher.caller, office_id=None, day=MORNING.date(), at=MORNING, seconds=1
    )
    dispatch.solve_plan(desk, plan_id, at=MORNING)
    seen = town.dispatcher.get(f"{PATH}/{plan_id}").json
    assert len(seen["routes"]) >= 2, "the tests move stops between two routes"
    return seen


def edit(person, plan, *, preview=False, version=None, **body):
    return person.post(
        f"{PATH}/{plan['id']}/edits" + ("?preview=true" if preview else ""),
        json=body,
        headers={"If-Match": f'"{version or plan["version"]}"'},
    )


def test_a_stop_is_tried_on_another_route_then_moved_and_moved_back(town, plan):
    item = plan["routes"][0]["stops"][0]["items"][0]
    move = {"kind": "move", "items": [item], "postman": plan["routes"][1]["postman"], "place": 1}

    tried = edit(town.dispatcher, plan, preview=True, **move)

    assert tried.status_code == 200, tried.text
    assert tried.json["preview"] is True
    assert town.dispatcher.get(f"{PATH}/{plan['id']}").json == plan
    made = edit(town.dispatcher, plan, **move)
    assert made.status_code == 200, made.text
    assert made.headers["ETag"] == f'"{plan["version"] + 1}"'
    assert made.json["cost_change"] == tried.json["cost_change"] == made.json["cost"] - plan["cost"]
    assert made.json["routes"] == tried.json["routes"]
    route = next(r for r in made.json["routes"] if r["postman"] == plan["routes"][1]["postman"])
    assert route["stops"][0]["items"] == [item]
    assert made.json["can_undo"]
    assert not made.json["can_redo"]
    back = edit(town.dispatcher, plan, version=plan["version"] + 1, kind="undo")
    assert back.json["cost"] == plan["cost"]
    kinds = [(row["kind"], row["target"]) for row in town.dispatcher.get(f"{PATH}/{plan['id']}/edits").json]
    assert kinds == [("move", None), ("undo", plan["version"] + 1)]


def test_two_dispatchers_on_one_plan_the_second_is_told_what_the_first_did_and_overwrites_nothing(
    app, database, town, plan
):
    caller = enlist(database, "um-d2", Role.DISPATCHER, office_id=town.here.office_id)
    second = Person(app, caller, sign(database, caller))
    seen = second.get(f"{PATH}/{plan['id']}").json
    item, other = plan["routes"][0]["stops"][0]["items"][0], plan["routes"][1]
    assert edit(town.dispatcher, plan, kind="move", items=[item], postman=other["postman"]).status_code == 200
    assert edit(town.dispatcher, plan, version=plan["version"] + 1, kind="lock", items=[item], lock="keep_postman").json
    after = town.dispatcher.get(f"{PATH}/{plan['id']}").json

    late = edit(second, seen, kind="unplan", items=[item])

    assert late.status_code == 412, late.text
    assert late.mimetype == "application/problem+json"
    assert late.headers["ETag"] == f'"{after["version"]}"'
    assert late.json["code"] == "stale"
    assert [(c["kind"], c["by"], c["stops"]) for c in late.json["changes"]] == [
        ("move", town.dispatcher.caller.name, 1),
        ("lock", town.dispatcher.caller.name, 1),
    ]
    assert other["postman_name"] in late.json["changes"][0]["postmen"]
    assert second.get(f"{PATH}/{plan['id']}").json == after
    assert edit(second, seen, preview=True, kind="unplan", items=[item]).status_code == 412
    published = second.post(f"{PATH}/{plan['id']}/publish", headers={"If-Match": f'"{seen["version"]}"'})
    assert published.status_code == 412
    assert len(published.json["changes"]) == 2
    assert edit(second, after, kind="lock", items=[item], lock="free").status_code == 200


def test_a_published_plan_is_copied(town, plan):
    sent = {"If-Match": f'"{plan["version"]}"'}
    assert town.dispatcher.post(f"{PATH}/{plan['id']}/publish", headers=sent).status_code == 200
    refused = edit(town.dispatcher, plan, version=plan["version"] + 1, kind="undo")
    assert (refused.status_code, refused.json["code"]) == (409, "published")

    copied = town.dispatcher.post(f"{PATH}/{plan['id']}/copy")

    assert copied.status_code == 201, copied.text
    copy = town.dispatcher.get(copied.headers["Location"]).json
    assert copy["state"] == "solved"
    assert [r["stops"] for r in copy["routes"]] == [r["stops"] for r in plan["routes"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "move"}, "items"),
        ({"kind": "exchange", "postmen": []}, "postmen"),
        ({"kind": "lock", "items": ["<item>"]}, "lock"),
        ({"kind": "move", "items": ["<item>"], "place": 1}, "place"),
        ({"kind": "burn", "items": ["<item>"]}, "kind"),
        ({"kind": "move", "items": ["<item>"], "place": 0, "postman": "<postman>"}, "place"),
        ({"kind": "move", "items": ["no id"]}, "items.0"),
    ],
)
def test_a_change_that_makes_no_sense_is_invalid(town, plan, body, field):
    route = plan["routes"][0]
    known = {"<item>": route["stops"][0]["items"][0], "<postman>": route["postman"]}
    sent = {
        name: [known.get(v, v) for v in value] if isinstance(value, list) else known.get(value, value)
        for name, value in body.items()
    }
    answer = edit(town.dispatcher, plan, **sent)
    assert answer.status_code == 422, answer.text
    assert [e["field"] for e in answer.json["errors"]] == [field]


def test_a_change_without_the_version_seen_is_refused(town, plan):
    answer = town.dispatcher.post(f"{PATH}/{plan['id']}/edits", json={"kind": "undo"})
    assert answer.status_code == 428
