"""Ratings over HTTP: with the proof of this item only, bounded, and read by the office without a name."""

import re

import pytest

from courier.store.tables import Rating
from tests.api.test_attacks import at_once, count, link_to
from tests.api.test_complaints import V1, proven
from tests.api.test_pages import Browser
from tests.builders import Phone, done_right, number, paying


@pytest.fixture
def visited(desk, town):
    """The link of an item that was handed over this morning."""
    house = town.here
    item, phone = house.item(), Phone(house, house.postmen[0])
    charges = [(charge, charge.amount_dong) for charge in house.charges(item)]
    phone.send(
        phone.event("taken_out", [item], 1), phone.event("handed_over", [item], 2, **done_right(paying(*charges)))
    )
    return link_to(desk, item)


@pytest.fixture(autouse=True)
def later(clock):
    clock.forward(hours=1)


def test_a_rating_is_given_changed_and_read_by_the_office_in_sums(app, town, visited):
    client, path = proven(app, visited), f"{V1}/public/items/{visited}/rating"
    assert client.get(path).json["visit"]["stars"] is None
    assert client.put(path, json={"stars": 3, "text": "ổn"}).json["visit"]["stars"] == 3
    assert client.put(path, json={"stars": 4}).json["visit"]["text"] == ""
    told = town.dispatcher.get(f"{V1}/reports/ratings?month=2026-11").json["offices"]
    assert [(one["count"], one["mean"], one["by_stars"]) for one in told] == [(1, 4.0, [0, 0, 0, 1, 0])]
    assert (told[0]["postmen"], told[0]["too_few"], told[0]["words"]) == ([], 1, [])
    assert town.dispatcher.get(f"{V1}/reports/ratings?month=2026-13").status_code == 422


def test_another_items_proof_rates_nothing(app, desk, town, visited):
    other = link_to(desk, town.here.item())
    secret = app.test_client().post(f"{V1}/public/items/{other}/verify", json={"phone_last4": "0001"}).json["visitor"]
    thief = app.test_client(use_cookies=False)
    path, headers = f"{V1}/public/items/{visited}/rating", {"X-Visitor": secret}
    assert thief.get(path, headers=headers).json["code"] == "not-verified"
    assert thief.put(path, json={"stars": 1}, headers=headers).json["code"] == "not-verified"
    assert thief.get(f"/t/{visited}/rating", headers=headers).status_code == 403
    assert count(desk.database, Rating) == 0


@pytest.mark.parametrize(
    "body", [{}, {"stars": 0}, {"stars": 6}, {"stars": "5"}, {"stars": True}, {"stars": 3, "text": "x" * 301}]
)
def test_what_is_no_rating_is_refused(app, desk, visited, body):
    assert proven(app, visited).put(f"{V1}/public/items/{visited}/rating", json=body).status_code == 422
    assert count(desk.database, Rating) == 0


def test_a_visit_has_one_rating_though_many_are_sent_at_once(app, desk, visited):
    clients = [proven(app, visited) for _ in range(6)]
    path = f"{V1}/public/items/{visited}/rating"
    answers = at_once(lambda n: clients[n].put(path, json={"stars": 1 + n % 5}).status_code, 6)
    assert answers == [200] * 6
    assert count(desk.database, Rating) == 1


def test_the_page_takes_it_and_shows_it_and_the_office_has_its_own(app, town, visited):
    browser = Browser(app)
    browser.post(f"/t/{visited}/verify", {"phone_last4": "0001"})
    page = browser.get(f"/t/{visited}/rating").text
    hidden = dict(re.findall(r'type="hidden" name="(key|form_token)" value="([^"]+)"', page))
    assert browser.post(f"/t/{visited}/rating", {**hidden, "stars": "7"}).status_code == 422
    hidden["key"] = str(number(3))
    sent = browser.post(f"/t/{visited}/rating", {**hidden, "stars": "2", "text": "<b>chậm</b>"})
    assert sent.status_code == 303
    shown = browser.get(sent.location).text
    assert re.search(r'value="2" required checked', shown)
    assert "&lt;b&gt;chậm&lt;/b&gt;" in shown
    office = Browser(app, town.dispatcher).get("/d/ratings?month=2026-11").text
    assert "chậm" not in office
    assert Browser(app, town.dispatcher).get("/d/ratings?month=nay").status_code == 422
