"""The postman's plain form for what the recipient wants: the same windows and refusals as the citizen's own, and an answer to both."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from courier import worker
from courier.domain.people import Role
from courier.store.tables import ChangeRequest, SpokenWish, Stop
from tests.api.conftest import Person, sign
from tests.api.test_citizen import link_to
from tests.api.test_pages import Browser
from tests.builders import DAY, MORNING, clock
from tests.planning_office import on_routes, place, published, take_out

V1 = "/api/v1"


@pytest.fixture
def door(app, town, desk):
    """An item on the first postman's published route: its id, the page of its wishes, and his browser."""
    town.here.desk = desk
    town.here.desk.jobs.migrate()
    item = place(town.here, recipient_phone="0599000001")
    [postman] = set(on_routes(published(town.here)).values())
    with desk.database.read() as session:
        [stop] = session.scalars(select(Stop.id))
    bearer = next(p for p in town.here.postmen if p.id == postman)
    browser = Browser(app, Person(app, bearer, sign(town.here.database, bearer)))
    return item, f"/p/stops/{stop}/wishes/{item}", browser, bearer


def filed(browser, path, fields):
    return browser.send(path, path, {"key": str(uuid7()), **fields})


def answered(desk, item, *, at=MORNING):
    effect = worker._answer_wishes(desk, {"items": [str(item)]}, at=at)
    with desk.database.write() as session:
        effect(session)


def test_a_window_is_promised_at_the_door_in_the_postmans_name(town, desk, door):
    item, path, browser, bearer = door
    slots = Person.get(
        Person(browser.client.application, bearer, sign(desk.database, bearer)), f"{V1}/items/{item}/slots"
    )
    slot = slots.json["slots"][0]
    assert slot["id"] in browser.get(path).text
    sent = filed(browser, path, {"kind": "reschedule", "slot": slot["id"]})
    assert sent.status_code == 303, sent.text
    with desk.database.read() as session:
        [request] = session.query(ChangeRequest).all()
    assert (request.kind, request.asked_by, request.body["day"]) == ("reschedule", Role.POSTMAN.value, slot["date"])


def test_a_wanted_day_is_written_down_and_the_answer_is_on_both_pages(app, town, desk, door):
    item, path, browser, _ = door
    day = DAY + timedelta(days=1)
    sent = filed(browser, path, {"kind": "reschedule", "day": day.isoformat(), "half": "morning"})
    assert sent.status_code == 303, sent.text
    assert all("Chờ bưu cục trả lời" in browser.get(where).text for where in (path, "/p"))
    answered(desk, item)
    assert browser.get(path).status_code == 404, "the paper has left his route"
    assert "Bưu cục đã nhận" in browser.get("/p").text
    citizen = app.test_client()
    token = link_to(desk, item)
    assert "Bưu tá đã ghi thay" not in citizen.get(f"/t/{token}").text, "nothing of it before the digits"
    citizen.post(f"/t/{token}/verify", data={"phone_last4": "0001"})
    shown = citizen.get(f"/t/{token}").text
    assert "Bưu tá đã ghi thay" in shown
    assert "Bưu cục đã nhận" in shown


def test_collecting_waits_for_the_paper_in_the_bag(town, desk, door):
    item, path, browser, bearer = door
    take_out(town.here, bearer.id, [item], at=MORNING)
    assert "đang trong túi" in browser.get(path).text
    assert filed(browser, path, {"kind": "pick_up"}).status_code == 303
    answered(desk, item, at=clock(5))
    with desk.database.read() as session:
        [wish] = session.query(SpokenWish).all()
    assert (wish.kind, wish.outcome, wish.event_id) == ("pick_up", "waiting", None)
    # A word for the door needs no paper: it is granted at once.
    assert filed(browser, path, {"kind": "instruct", "text": "cổng xanh"}).status_code == 303
    assert town.here.row(item).instructions == "cổng xanh"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"kind": "redirect", "address": "đâu đó"}, 409),
        ({"kind": "authorise", "person": ""}, 422),
        ({"kind": "reschedule", "day": "mai"}, 422),
        ({"kind": "reschedule", "day": "2026-11-27", "half": "đêm"}, 422),
        ({"kind": "nothing"}, 422),
    ],
)
def test_what_cannot_be_is_said_in_the_form(desk, door, fields, status):
    _, path, browser, _ = door
    answer = filed(browser, path, fields)
    assert answer.status_code == status, answer.text
    with desk.database.read() as session:
        assert session.query(SpokenWish).count() == session.query(ChangeRequest).count() == 0


def test_the_wishes_of_a_door_are_nothing_to_another_postman(app, town, desk, door):
    item, path, _, bearer = door
    stranger = next(p for p in town.here.postmen if p.id != bearer.id)
    browser = Browser(app, Person(app, stranger, sign(desk.database, stranger)))
    assert browser.get(path).status_code == 404
    far = path.replace(str(item), str(place(town.here)))
    assert Browser(app, Person(app, bearer, sign(desk.database, bearer))).get(far).status_code == 404
