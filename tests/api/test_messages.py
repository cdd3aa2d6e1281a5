"""Messages over HTTP: where they stand, once more what came to nothing, receipts that cannot be forged, and who wants none."""

import hmac
import json
import re
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import permutations
from uuid import uuid4

import pytest

from courier import notices, tracking
from courier.domain.notices import Channel, Kind
from courier.outside.carriers import Carried, Failed, Then
from courier.store.tables import Message
from tests.api.test_attacks import link_to
from tests.builders import MORNING, Asked
from tests.post import PHONE, Provider, a_draft, carry, message, put

pytestmark = pytest.mark.once  # what differs between the databases is shown in tests/store

V1 = "/api/v1"
KEY = "khoa-bien-nhan"


@pytest.fixture
def post(app, desk, town):
    """The office's desk with an SMS provider whose receipts are signed."""
    sms = Provider()
    channels = {"sms": {"receipt_secret": KEY}, "zns": {"receipt_secret": "another"}}
    settings = replace(desk.settings, channels=channels, one_time_codes=False)
    town.here.desk = replace(desk, settings=settings, jobs=Asked(desk.database), carriers={Channel.SMS: sms})
    app.extensions["desk"] = town.here.desk
    return sms


def a_message(house, **changed):
    (one,) = put(house, a_draft(office_id=house.office_id, **changed))
    return one


def signed(body, *, at=MORNING, key=KEY):
    moment = str(int(at.timestamp()))
    content = json.dumps(body).encode() if not isinstance(body, bytes) else body
    signature = hmac.new(key.encode(), f"{moment}.".encode() + content, sha256).hexdigest()
    headers = {"X-Timestamp": moment, "X-Signature": signature, "Content-Type": "application/json"}
    return {"data": content, "headers": headers}


def receipt(message_id, status="delivered", **more):
    return {"tracking_id": str(message_id), "status": status, **more}


# ---------------------------------------------------------------------------------------------------------- the desk
def test_the_office_sees_where_its_messages_stand_and_no_number_and_no_word(town, post):
    ours = a_message(town.here)
    theirs = put(town.here, a_draft(office_id=town.there.office_id))[0]
    carry(town.here)
    seen = town.dispatcher.get(f"{V1}/messages")
    assert [row["id"] for row in seen.json["data"]] == [str(ours)]
    assert seen.json["counts"] == [{"state": "sent", "kind": "missed", "channel": "sms", "dry_run": False, "number": 1}]
    assert seen.json["channels"] == [
        {"channel": "sms", "connected": True, "messages": 2, "most_messages": 2_000, "dong": 1_700, "most_dong": 1_700_000, "stopped": False}
    ]  # fmt: skip
    assert (seen.json["dry_run"], seen.json["opted_out"]) == (False, None)
    assert PHONE not in seen.text
    assert "Bưu cục thử" not in seen.text
    everything = town.admin.get(f"{V1}/messages").json
    assert {row["id"] for row in everything["data"]} == {str(ours), str(theirs)}
    assert everything["opted_out"] == 0
    assert town.dispatcher.get(f"{V1}/messages?state=dead").json["data"] == []


def test_what_came_to_nothing_is_tried_again_by_hand_once(town, post):
    post.answers = lambda letter: Failed("http-401", Then.NEVER)
    one = a_message(town.here)
    carry(town.here)
    assert message(town.here, one).state == "dead"
    post.answers = lambda letter: Carried("p")
    answer = town.dispatcher.post(f"{V1}/messages/{one}/retry")
    assert (answer.status_code, answer.json["state"]) == (200, "queued")
    again = town.dispatcher.post(f"{V1}/messages/{one}/retry")
    assert (again.status_code, again.json["code"]) == (409, "not-dead")
    carry(town.here)
    assert message(town.here, one).state == "sent"


def test_a_code_is_not_sent_twice_and_another_offices_message_is_not_there(town, post):
    post.answers = lambda letter: Failed("http-401", Then.NEVER)
    code = a_message(town.here, kind=Kind.ONE_TIME_CODE)
    (foreign,) = put(town.here, a_draft(office_id=town.there.office_id))
    carry(town.here)
    # The code is gone, so there is nothing to send.
    assert town.dispatcher.post(f"{V1}/messages/{code}/retry").json["code"] == "erased"
    assert town.dispatcher.post(f"{V1}/messages/{foreign}/retry").status_code == 404
    assert town.admin.post(f"{V1}/messages/{foreign}/retry").status_code == 200


# ---------------------------------------------------------------------------------------------------------- receipts
def test_a_receipt_says_that_a_message_arrived(client, town, post):
    one = a_message(town.here)
    carry(town.here)
    assert client.post(f"{V1}/receipts/sms", **signed(receipt(one))).status_code == 204
    assert message(town.here, one).state == "delivered"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"key": "wrong"}, 403, "forbidden"),
        ({"at": MORNING - timedelta(minutes=6)}, 409, "too-old"),
        ({"at": MORNING + timedelta(minutes=6)}, 409, "too-old"),
    ],
)
def test_a_receipt_that_is_forged_or_old_changes_nothing(client, town, post, change, status, code):
    one = a_message(town.here)
    carry(town.here)
    answer = client.post(f"{V1}/receipts/sms", **signed(receipt(one), **change))
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert message(town.here, one).state == "sent"


def test_a_receipt_that_was_changed_on_the_way_or_comes_by_another_channel_is_refused(client, town, post):
    one = a_message(town.here)
    carry(town.here)
    sent = signed(receipt(one, "failed"))
    for changed in (
        sent | {"data": sent["data"].replace(b"failed", b"delivered")},
        sent | {"headers": sent["headers"] | {"X-Timestamp": str(int(sent["headers"]["X-Timestamp"]) + 1)}},
        sent | {"headers": {"Content-Type": "application/json"}},
    ):
        assert client.post(f"{V1}/receipts/sms", **changed).status_code == 403
    assert client.post(f"{V1}/receipts/zns", **sent).status_code == 403
    assert client.post(f"{V1}/receipts/email", **sent).status_code == 404
    assert client.post(f"{V1}/receipts/pigeon", **sent).status_code == 404
    assert message(town.here, one).state == "sent"


def test_a_receipt_is_taken_in_once(client, town, post):
    one = a_message(town.here)
    carry(town.here)
    sent = signed(receipt(one))
    assert client.post(f"{V1}/receipts/sms", **sent).status_code == 204
    again = client.post(f"{V1}/receipts/sms", **sent)
    assert (again.status_code, again.json["code"]) == (409, "replayed")


def test_nonsense_that_is_signed_is_refused_and_bounded(client, town, post):
    assert client.post(f"{V1}/receipts/sms", **signed(b"[1")).status_code == 422
    assert client.post(f"{V1}/receipts/sms", **signed([1])).status_code == 422
    assert client.post(f"{V1}/receipts/sms", **signed(receipt(uuid4()))).status_code == 404
    assert client.post(f"{V1}/receipts/sms", **signed(receipt("no uuid"))).status_code == 404
    assert client.post(f"{V1}/receipts/sms", **signed(b"x" * 20_000)).status_code == 413


def test_a_message_that_did_not_arrive_goes_by_the_next_channel(client, town, post):
    email = Provider()
    town.here.desk = replace(town.here.desk, carriers={**town.here.desk.carriers, Channel.WEBHOOK: email})
    client.application.extensions["desk"] = town.here.desk
    one = a_message(town.here)
    carry(town.here)
    assert client.post(f"{V1}/receipts/sms", **signed(receipt(one, "failed", code="absent"))).status_code == 204
    carry(town.here)
    row = message(town.here, one)
    assert (row.state, row.channel, len(email.asked)) == ("sent", "webhook", 1)
    assert row.tried == [{"channel": "sms", "code": "absent"}]


def test_the_order_in_which_word_comes_back_does_not_matter(client, town, post):
    """A failure and an arrival, before and after we noted that the provider had the message: it arrived."""
    for order in permutations(("failed", "delivered", "carry")):
        one = a_message(town.here)
        for n, step in enumerate(order):
            if step == "carry":
                carry(town.here)
            else:
                sent = signed(receipt(one, step), at=MORNING + timedelta(seconds=n))
                assert client.post(f"{V1}/receipts/sms", **sent).status_code == 204
        carry(town.here)
        assert message(town.here, one).state == "delivered", order


def test_a_failure_that_is_heard_of_before_the_call_was_noted_is_not_lost(client, town, post):
    """The provider was quicker than we: the message is not taken for sent."""

    def fails_at_once(letter):
        client.post(f"{V1}/receipts/sms", **signed(receipt(letter.id, "failed")))
        return Carried("p")

    post.answers = fails_at_once
    one = a_message(town.here)
    carry(town.here)
    assert (message(town.here, one).state, message(town.here, one).code) == ("dead", "no-channel")
    assert len(post.asked) == 1


# ------------------------------------------------------------------------------------------------------ who wants none
@pytest.mark.parametrize("text", ["STOP", "tu choi", "TỪ CHỐI", " Từ  chối. ", "huy"])
def test_a_reply_ends_the_messages_to_that_phone(client, town, post, text):
    sent = signed({"phone": "84" + PHONE[1:], "text": text})
    assert client.post(f"{V1}/receipts/sms", **sent).status_code == 204
    one = a_message(town.here)
    carry(town.here)
    assert (message(town.here, one).state, post.asked) == ("suppressed", [])
    assert town.admin.get(f"{V1}/messages").json["opted_out"] == 1


def test_another_reply_ends_nothing(client, town, post):
    assert client.post(f"{V1}/receipts/sms", **signed({"phone": PHONE, "text": "cảm ơn"})).status_code == 204
    assert client.post(f"{V1}/receipts/sms", **signed({"phone": "123", "text": "STOP"})).status_code == 422
    assert town.admin.get(f"{V1}/messages").json["opted_out"] == 0


def test_a_citizen_who_proved_the_phone_ends_and_resumes_its_messages_on_the_page_and_nobody_else_does(app, town, post):
    token = link_to(town.here.desk, town.here.item())
    stranger = app.test_client()
    assert stranger.post(f"/t/{token}/messages", data={"wanted": "no"}).status_code == 403
    citizen = app.test_client()
    citizen.post(f"{V1}/public/items/{token}/verify", json={"phone_last4": "0001"})
    for wanted, state in (("no", "suppressed"), ("yes", "sent")):
        page = citizen.get(f"/t/{token}/messages")
        (form_token,) = re.findall(r'name="form_token" value="([^"]+)"', page.text)
        assert f'name="wanted" value="{wanted}"' in page.text
        assert citizen.post(f"/t/{token}/messages", data={"wanted": wanted}).status_code == 403, (
            "without the form's token"
        )
        sent = citizen.post(f"/t/{token}/messages", data={"wanted": wanted, "form_token": form_token})
        assert sent.status_code == 303
        one = a_message(town.here)
        carry(town.here)
        assert message(town.here, one).state == state


def test_where_only_another_system_is_connected_no_code_is_demanded_that_nobody_could_send(desk):
    assert not tracking.codes_demanded(replace(desk, carriers={Channel.WEBHOOK: Provider()}))
    assert tracking.codes_demanded(replace(desk, carriers={Channel.SMS: Provider()}))


# ------------------------------------------------------------------------------------------------------------ the page
def test_the_page_says_that_it_is_a_dry_run_and_shows_the_words_only_in_a_demonstration(app, desk, town):
    town.here.desk = replace(desk, jobs=Asked(desk.database))
    app.extensions["desk"] = town.here.desk
    one = a_message(town.here)
    carry(town.here)
    assert message(town.here, one).dry_run
    shown = town.dispatcher.get("/d/messages")
    assert shown.status_code == 200
    assert "Đang chạy thử" in shown.text
    assert "••••••••01" in shown.text
    assert "chưa phát được bưu gửi" not in shown.text
    app.extensions["desk"] = replace(town.here.desk, settings=replace(desk.settings, demo=True))
    assert "chưa phát được bưu gửi" in town.dispatcher.get("/d/messages").text
    assert PHONE not in town.dispatcher.get("/d/messages").text


def test_a_connected_channel_ends_the_dry_run(town, post):
    a_message(town.here)
    carry(town.here)
    assert "Đang chạy thử" not in town.dispatcher.get("/d/messages").text


def test_what_is_dead_has_a_button_on_the_page(app, town, post):
    post.answers = lambda letter: Failed("http-401", Then.NEVER)
    one = a_message(town.here)
    carry(town.here)
    page = town.dispatcher.get("/d/messages")
    assert f"/d/messages/{one}" in page.text
    assert "http-401" in page.text
    with town.here.database.read() as session:
        assert session.get(Message, one).code == "http-401"
    assert notices.is_dry_run(town.here.desk) is False
