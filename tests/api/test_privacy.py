"""Rights over stored data through HTTP: with the proof of this item only, looks of the office written down, decisions by the admin alone."""

import json
import re

import pytest

from courier import privacy
from courier.store import sealing
from courier.store.tables import AuditEntry, DataRequest, Item
from tests.api.test_attacks import at_once, count, link_to
from tests.api.test_complaints import V1, proven
from tests.api.test_pages import Browser
from tests.builders import Phone, done_right, number, paying

ID_NUMBER = "096199000042"


@pytest.fixture
def item(desk, town):
    made = town.here.item()
    with desk.database.write() as session:
        row = session.get_one(Item, made)
        row.id_number_sealed = sealing.seal(ID_NUMBER, row=made, secrets=desk.settings.secrets)
        row.lat, row.lon = 9.41, 104.98
    return made


@pytest.fixture
def token(desk, item):
    return link_to(desk, item)


def test_what_is_stored_is_read_with_the_id_number_masked_and_who_looked_without_a_name(app, town, item, token):
    client, path = proven(app, token), f"{V1}/public/items/{token}/data"
    town.clerk.get(f"{V1}/items/{item}")
    Browser(app, town.dispatcher).get(f"/items/{item}")
    answer = client.get(path)
    assert answer.json["stored"]["person"]["id_number"] == "•••• 0042"
    assert ID_NUMBER not in answer.text
    assert sorted((look["role"], look["office"]) for look in answer.json["looks"]) == [
        ("clerk", "Bưu cục thử UM"),
        ("dispatcher", "Bưu cục thử UM"),
    ]
    for person in (town.clerk, town.dispatcher):
        assert person.caller.name not in answer.text
        assert str(person.caller.id) not in answer.text


def test_lists_and_daily_work_are_no_looks_and_every_single_opening_is(app, desk, town, item):
    for person, path in (
        (town.postman, "/me/route"), (town.dispatcher, "/items?q=x"), (town.clerk, "/items"), (town.agency, f"/items/{item}"),
    ):  # fmt: skip
        assert person.get(f"{V1}{path}").status_code == 200
    looks = AuditEntry.act == privacy.LOOKED
    assert count(desk.database, AuditEntry, looks) == 0
    for number_of_looks, (role, path) in enumerate(
        [("dispatcher", f"{V1}/items/{item}"), ("clerk", f"{V1}/items/{item}/events"), ("cashier", f"/items/{item}"),
         ("admin", f"/items/{item}")], start=1,
    ):  # fmt: skip
        assert town.of(role).get(path).status_code == 200
        assert count(desk.database, AuditEntry, looks) == number_of_looks
    assert town.dispatcher.get(f"/items/{town.there.item()}").status_code == 404
    assert count(desk.database, AuditEntry, looks) == 4


def test_the_file_and_the_page_say_the_same(app, token):
    browser = Browser(app)
    browser.post(f"/t/{token}/verify", {"phone_last4": "0001"})
    file = browser.get(f"/t/{token}/data.json")
    assert "attachment" in file.headers["Content-Disposition"]
    stored = json.loads(file.text)["stored"]
    page = browser.get(f"/t/{token}/data").text
    for value in (stored["person"]["name"], stored["person"]["phone"], stored["person"]["id_number"], "9.41"):
        assert value in page
    assert ID_NUMBER not in page + file.text


def test_another_items_proof_reads_nothing_and_asks_for_nothing(app, desk, town, token):
    other = link_to(desk, town.here.item())
    secret = app.test_client().post(f"{V1}/public/items/{other}/verify", json={"phone_last4": "0001"}).json["visitor"]
    thief = app.test_client(use_cookies=False)
    for headers in ({}, {"X-Visitor": secret}):
        path = f"{V1}/public/items/{token}/data"
        assert thief.get(path, headers=headers).json["code"] == "not-verified"
        assert thief.post(f"{path}/requests", json={"kind": "erase"}, headers=headers).json["code"] == "not-verified"
        for page in ("data", "data.json"):
            answer = thief.get(f"/t/{token}/{page}", headers=headers)
            assert answer.status_code == 403
            assert "Nguyễn Văn Mẫu" not in answer.text
    assert count(desk.database, DataRequest) == 0


@pytest.mark.parametrize(
    "body", [{}, {"kind": "forget"}, {"kind": "erase", "text": "x" * 1001}, {"kind": "erase", "item": "1"}]
)
def test_what_is_no_request_is_refused(app, desk, token, body):
    assert proven(app, token).post(f"{V1}/public/items/{token}/data/requests", json=body).status_code == 422
    assert count(desk.database, DataRequest) == 0


def test_requests_sent_at_once_are_one(app, desk, token):
    clients = [proven(app, token) for _ in range(5)]
    path = f"{V1}/public/items/{token}/data/requests"
    answers = at_once(lambda n: clients[n].post(path, json={"kind": "erase"}).status_code, 5)
    assert sorted(answers) == [201] + [409] * 4


def test_the_admin_decides_and_after_the_job_the_link_tells_nothing_more_of_the_person(app, desk, town, item, token):
    house, phone = town.here, Phone(town.here, town.here.postmen[0])
    house.desk = desk
    charges = [(charge, charge.amount_dong) for charge in house.charges(item)]
    phone.send(
        phone.event("taken_out", [item], 1), phone.event("handed_over", [item], 2, **done_right(paying(*charges)))
    )
    client, admin = proven(app, token), Browser(app, town.admin)
    asked = client.post(f"{V1}/public/items/{token}/data/requests", json={"kind": "erase", "text": "Xin xóa"})
    assert (asked.status_code, asked.json["due_on"]) == (201, "2026-11-27")
    assert town.dispatcher.get(f"{V1}/data-requests").status_code == 403
    (waiting,) = town.admin.get(f"{V1}/data-requests").json["data"]
    place = f"/a/requests/{waiting['id']}"
    assert admin.send("/a/requests", place, {"version": "1", "grant": "1", "reason": ""}).status_code == 422
    assert admin.send("/a/requests", place, {"version": "1", "grant": "1", "reason": "Đồng ý."}).status_code == 303
    assert client.get(f"{V1}/public/items/{token}/data").json["requests"][0]["state"] == "granted"
    effect = privacy.job(desk, {"request": waiting["id"]}, at=app.extensions["clock"]())
    with desk.database.write() as session:
        effect(session)
    assert client.get(f"{V1}/public/items/{token}/data").json["code"] == "not-verified"
    seen = app.test_client().post(f"{V1}/public/items/{token}/verify", json={"phone_last4": "0001"})
    assert seen.json["code"] == "no-phone"
    assert client.get(f"{V1}/public/items/{token}").json["state"] == "delivered"
    assert "Nguyễn Văn Mẫu" not in town.dispatcher.get(f"/items/{item}").text


def test_the_page_takes_a_request_and_says_until_when_it_is_answered(app, token):
    browser = Browser(app)
    browser.post(f"/t/{token}/verify", {"phone_last4": "0001"})
    hidden = dict(
        re.findall(r'type="hidden" name="(key|form_token)" value="([^"]+)"', browser.get(f"/t/{token}/data").text)
    )
    assert browser.post(f"/t/{token}/data", {**hidden, "kind": ""}).status_code == 422
    sent = browser.post(f"/t/{token}/data", {**hidden, "key": str(number(3)), "kind": "restrict", "text": "<i>vì</i>"})
    assert sent.status_code == 303
    shown = browser.get(sent.location).text
    assert "27/11/2026" in shown
    assert "&lt;i&gt;vì&lt;/i&gt;" in shown
