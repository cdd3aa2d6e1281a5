"""Complaints over HTTP: by link with the proof of this very item, by the office, and against people with bad intentions."""

import re

import pytest

from courier.domain.citizen_rights import Trouble
from courier.store import links
from courier.store.tables import Complaint, IdempotencyKey, Item
from tests.api.test_attacks import at_once, count, link_to
from tests.api.test_pages import Browser
from tests.builders import number

V1 = "/api/v1"
SAID = {"kind": "late", "text": "Hẹn sáng, tối mới giao."}


@pytest.fixture
def token(desk, town):
    return link_to(desk, town.here.item())


def proven(app, token):
    client = app.test_client()
    assert client.post(f"{V1}/public/items/{token}/verify", json={"phone_last4": "0001"}).status_code == 200
    return client


def test_a_citizen_complains_and_reads_the_answer(app, town, token):
    client = proven(app, token)
    path = f"{V1}/public/items/{token}/complaints"
    made = client.post(path, json=SAID, headers={"Idempotency-Key": "1"})
    assert made.status_code == 201
    assert made.json["due_on"] == "2026-12-02"
    assert client.post(path, json=SAID, headers={"Idempotency-Key": "1"}).json == made.json
    (open_one,) = town.dispatcher.get(f"{V1}/complaints").json["data"]
    assert (open_one["number"], open_one["overdue"], open_one["at_a_desk"]) == (made.json["number"], False, False)
    shown = town.dispatcher.get(f"{V1}/complaints/{open_one['id']}")
    answer = town.dispatcher.post(
        f"{V1}/complaints/{open_one['id']}/answer",
        json={"answer": "Xin lỗi ông/bà.", "compensation_dong": 30_000},
        headers={"If-Match": shown.headers["ETag"]},
    )
    assert answer.status_code == 200
    (read,) = client.get(path).json["complaints"]
    assert (read["answer"], read["compensation_dong"]) == ("Xin lỗi ông/bà.", 30_000)
    names = {town.dispatcher.caller.name, str(town.dispatcher.caller.id)}
    assert not [name for name in names if name in client.get(path).text]
    assert town.dispatcher.get(f"{V1}/complaints").json["data"] == []


def test_without_the_proof_of_this_item_nobody_reads_or_writes(app, desk, town, token):
    other = link_to(desk, town.here.item())
    thief = app.test_client()
    secret = thief.post(f"{V1}/public/items/{other}/verify", json={"phone_last4": "0001"}).json["visitor"]
    stranger = app.test_client(use_cookies=False)
    for headers in ({}, {"X-Visitor": secret}, {"X-Visitor": "x" * 500}):
        path = f"{V1}/public/items/{token}/complaints"
        assert stranger.get(path, headers=headers).json["code"] == "not-verified"
        assert stranger.post(path, json=SAID, headers=headers).json["code"] == "not-verified"
        page = f"/t/{token}/complaint"
        assert stranger.get(page, headers=headers).status_code == 403
        assert stranger.post(page, data={"key": str(number(1)), **SAID}, headers=headers).status_code == 403
    assert count(desk.database, Complaint) == 0
    assert count(desk.database, IdempotencyKey) == 0


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "late"},
        {"kind": "late", "text": ""},
        {"kind": "late", "text": " \n "},
        {"kind": "late", "text": "x" * 2001},
        {"kind": "anger", "text": "x"},
        {"kind": "late", "text": "x", "office": "CN"},
        {"kind": "late", "text": "a\u0000b"},
        {"kind": "late", "text": ["x"]},
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(app, desk, token, body):
    answer = proven(app, token).post(f"{V1}/public/items/{token}/complaints", json=body)
    assert answer.status_code == 422
    assert count(desk.database, Complaint) == 0


def test_a_flood_of_complaints_sent_at_once_is_bounded(app, desk, token):
    clients = [proven(app, token) for _ in range(8)]
    answers = at_once(lambda n: clients[n].post(f"{V1}/public/items/{token}/complaints", json=SAID), 8)
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"too-many-complaints"}
    assert count(desk.database, Complaint) == 3


def test_the_page_takes_a_complaint_once_keeps_what_was_typed_and_shows_markup_as_text(app, desk, token):
    browser = Browser(app)
    browser.post(f"/t/{token}/verify", {"phone_last4": "0001"})
    page = browser.get(f"/t/{token}/complaint").text
    hidden = dict(re.findall(r'type="hidden" name="(key|form_token)" value="([^"]+)"', page))
    long = "đ" * 2001
    refused = browser.post(f"/t/{token}/complaint", {**hidden, "kind": "late", "text": long})
    assert refused.status_code == 422
    assert long in refused.text
    hidden["key"] = str(number(5))
    text = "Dòng một\r\n<script>alert(1)</script>"
    for _ in range(2):
        sent = browser.post(f"/t/{token}/complaint", {**hidden, "kind": "late", "text": text})
        assert sent.status_code == 303
    shown = browser.get(sent.location).text
    assert "KN-UM-2026-0001" in shown
    assert "Dòng một\n&lt;script&gt;" in shown
    assert count(desk.database, Complaint) == 1
    forged = browser.post(
        f"/t/{token}/complaint", {"key": str(number(6)), "kind": "late", "text": "x", "form_token": ""}
    )
    assert forged.status_code == 403
    assert browser.get(f"/t/{token}/complaint").headers["Referrer-Policy"] == "no-referrer"


def test_a_clerk_writes_it_down_and_the_dispatcher_answers_on_pages(app, desk, town):
    item = town.here.item()
    clerk, dispatcher = Browser(app, town.clerk), Browser(app, town.dispatcher)
    place = f"/items/{item}/complaint"
    sent = clerk.send(place, place, {"key": str(number(7)), "kind": "money", "text": "Thu dư 5.000 đ"})
    assert sent.status_code == 303
    queue = dispatcher.get("/d/complaints").text
    assert "KN-UM-2026-0001" in queue
    case = re.search(r"/d/complaints/[0-9a-f-]{36}", queue).group()
    settled = dispatcher.send(case, case, {"version": "1", "answer": "Đã trả lại.", "compensation_dong": "5.000"})
    assert settled.status_code == 303
    again = dispatcher.post(case, {"csrf_token": clerk_token(dispatcher), "version": "2", "answer": "Khác"})
    assert again.status_code == 409
    with desk.database.write() as session:
        row = session.get_one(Item, item)
        secret = links.token_for(desk.settings.secrets, item, 1)
        row.link_digest = links.digest(secret)
    citizen = proven(app, secret)
    (read,) = citizen.get(f"{V1}/public/items/{secret}/complaints").json["complaints"]
    assert (read["answer"], read["compensation_dong"]) == ("Đã trả lại.", 5_000)


def clerk_token(browser):
    return browser.token("/d/incidents")


def test_every_kind_and_scope_has_its_words():
    from api.web import texts  # noqa: PLC0415

    for language in texts.LANGUAGES:
        words = texts.catalogue(language)
        assert {f"trouble_about.{kind.value}" for kind in Trouble} <= set(words)
