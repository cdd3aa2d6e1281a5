"""A bag that changes hands on the way: two phones, two postmen, no signal; and the server's word on who has the paper."""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.camera import show_code, with_camera
from tests.browser.phone import Phone, network, postman_of, rows
from tests.browser.proxy import Proxy
from tests.browser.test_axe import SIDEWAYS, SMALL_TARGETS, complaints
from tests.browser.test_phone_load import tell

RECEIVER = {"name": "Lê Văn Tí", "relation": "owner", "id_check": "match", "id_last4": None}


@pytest.fixture
def ways(own_server) -> Iterator[tuple[Proxy, Proxy]]:
    """Each phone's own network."""
    with network(own_server) as one, network(own_server) as other:
        yield one, other


@pytest.fixture
def two(contexts, own_server, ways) -> tuple[Phone, Phone]:
    """The giver, whose bag is loaded, and the receiver; the server knows as much."""
    phones = []
    for number, way in enumerate(ways):
        phone = Phone(with_camera(contexts.new(phone=True)), own_server, way, postman_of(own_server, number))
        phone.enrol()
        phone.page.wait_for_selector("a.stop")
        phones.append(phone)
    giver, receiver = phones
    day = giver.call("bag", "today")
    giver.record("taken_out", [item["id"] for item in giver.call("bag", "toLoad", day)])
    giver.wait_pending(0)
    return giver, receiver


def carried(phone: Phone) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = phone.call("bag", "carried", phone.call("bag", "today"))
    return found


def show(giver: Phone, items: list[dict[str, Any]]) -> list[str]:
    """Choose these items and show their codes; what stands in the codes."""
    giver.go("/give")
    for item in items:
        tell(giver, item["barcode"])
        expect(giver.page.locator(f"#give-{item['id']}")).to_be_checked()
    giver.page.click("#show-codes")
    expect(giver.page.locator("#frames")).to_be_visible()
    frames: list[str] = giver.call("outbox", "drafts.get", "give")["frames"]
    return frames


def look(phone: Phone, *frames: str) -> None:
    """Hold codes before the open camera."""
    if phone.page.locator("[data-scan='open']").count() == 0:
        phone.page.click("[data-scan] .button:visible")
        phone.page.wait_for_selector("[data-scan='open']")
    show_code(phone.page, *frames)


def take(receiver: Phone, frames: list[str], count: int) -> str:
    """Read the codes, count and accept; the six digits of the answer."""
    receiver.go("/take")
    look(receiver, *frames)
    expect(receiver.page.locator("#coming li")).to_have_count(count)
    receiver.page.click("#accept")
    digits = receiver.page.locator("#check-digits")
    expect(digits).to_be_visible()
    return digits.inner_text().replace(" ", "")


def confirm(giver: Phone, digits: str, name: str) -> None:
    """Type the colleague's answer."""
    giver.page.click("#to-answer")
    giver.page.fill("#check", digits)
    giver.page.fill("#to", name)
    giver.page.click("#give-save")
    giver.wait(screen="list")


def name_of(phone: Phone) -> str:
    return str(phone.call("outbox", "me")["staff"]["name"])


def holder(server, item: dict[str, Any]) -> tuple[str, str]:
    """Who has the paper by the server's word, and its state."""
    (row,) = rows(
        server,
        "SELECT staff.name, item.state FROM item JOIN staff ON staff.id = item.custody_holder WHERE barcode = ?",
        item["barcode"],
    )
    return row["name"], row["state"]


def results(phone: Phone) -> dict[int, tuple[str, str | None]]:
    return {row["seq"]: (row["result"], row["code"]) for row in phone.store("outbox")}


@pytest.mark.parametrize(
    "first",
    [pytest.param("receiver", id="receiver-first"), pytest.param("giver", id="giver-first", marks=pytest.mark.slow)],
)
def test_items_change_hands_without_a_signal_and_the_server_agrees_whoever_is_heard_first(two, own_server, first):
    giver, receiver = two
    items = carried(giver)[:2]
    before = len(carried(giver))
    giver.offline()
    receiver.offline()
    digits = take(receiver, show(giver, items), 2)

    receiver.go("/")
    receiver.wait(screen="list")
    for item in items:
        beside = receiver.page.locator(f"[data-extra='{item['id']}']")
        expect(beside).to_contain_text(item["recipient"])
    receiver.page.click(f"[data-extra='{items[0]['id']}']")
    receiver.wait(screen="stop")
    expect(receiver.page.locator("#hand-over")).to_be_visible()
    assert "Nguyễn" not in str(receiver.store("acts")), "what was taken over lies open in the phone's memory"

    giver.page.click("#to-answer")
    giver.page.fill("#check", f"{(int(digits) + 1) % 1_000_000:06d}")
    giver.page.fill("#to", name_of(receiver))
    giver.page.click("#give-save")
    expect(giver.page.locator("#answer [role=alert]")).to_contain_text(giver.words("phone.give.wrong_check"))
    assert giver.call("outbox", "status")["pending"] == 0
    giver.page.fill("#check", digits)
    giver.page.click("#give-save")
    giver.wait(screen="list")
    expect(giver.page.locator("#saved-note")).to_contain_text(name_of(receiver))
    assert len(carried(giver)) == before - 2

    order = (receiver, giver) if first == "receiver" else (giver, receiver)
    for phone in order:
        phone.online()
        phone.wait_pending(0)
    for item in items:
        assert holder(own_server, item) == (name_of(receiver), "out")
    assert {result for phone in two for result in results(phone).values()} == {("applied", None)}
    for phone in two:
        phone.call("bag", "load")
    known = receiver.call("bag", "today")
    assert sorted(item["id"] for item in known["extra"]) == sorted(item["id"] for item in items)
    theirs = {item["id"]: item for stop in giver.call("bag", "today")["stops"] for item in stop["items"]}
    assert [theirs[item["id"]]["open"] for item in items] == [False, False]


@pytest.mark.slow
def test_the_giver_scans_the_answer_of_the_receiver(two, own_server):
    giver, receiver = two
    items = carried(giver)[:1]
    giver.offline()
    receiver.offline()
    digits = take(receiver, show(giver, items), 1)
    me = receiver.call("outbox", "me")["staff"]
    seen = receiver.call("slip", "answer", digits, {"id": me["id"], "name": me["name"]})
    giver.page.click("#to-answer")
    look(giver, "https://example.org")
    expect(giver.page.locator("#answer [role=alert]")).to_contain_text(giver.words("phone.give.no_answer"))
    look(giver, seen)
    giver.wait(screen="list")
    expect(giver.page.locator("#saved-note")).to_contain_text(me["name"])
    giver.online()
    giver.wait_pending(0)
    (event,) = rows(own_server, "SELECT data FROM event WHERE type = 'passed_on'")
    assert json.loads(event["data"])["to"] == {"id": me["id"], "name": me["name"]}
    assert json.loads(event["data"])["confirmed"] is True


@pytest.mark.slow
def test_the_receivers_word_alone_moves_the_paper(two, own_server):
    giver, receiver = two
    items = carried(giver)[:1]
    receiver.offline()
    take(receiver, show(giver, items), 1)
    receiver.online()
    receiver.wait_pending(0)
    assert holder(own_server, items[0]) == (name_of(receiver), "out")
    giver.call("bag", "load")
    assert items[0]["id"] not in [item["id"] for item in carried(giver)]
    theirs = {item["id"]: item for stop in giver.call("bag", "today")["stops"] for item in stop["items"]}
    assert theirs[items[0]["id"]]["open"] is False


@pytest.mark.slow
def test_the_givers_word_alone_leaves_the_paper_in_his_name_until_the_receiver_speaks(two, own_server):
    giver, receiver = two
    items = carried(giver)[:1]
    receiver.offline()
    frames = show(giver, items)
    giver.page.click("#to-answer")
    giver.page.click("#without summary")
    giver.page.click("#give-alone")
    expect(giver.page.locator("#answer [role=alert]")).to_contain_text(giver.words("phone.give.whom"))
    giver.page.fill("#to-alone", "Trần Văn Sáu")
    giver.page.click("#give-alone")
    giver.wait(screen="list")
    giver.wait_pending(0)
    assert holder(own_server, items[0]) == (name_of(giver), "out")
    giver.call("bag", "load")
    assert items[0]["id"] not in [item["id"] for item in carried(giver)]
    take(receiver, frames, 1)
    receiver.online()
    receiver.wait_pending(0)
    assert holder(own_server, items[0]) == (name_of(receiver), "out")


@pytest.mark.slow
def test_what_was_taken_over_is_delivered_at_once_and_counts_when_all_is_heard_in_the_wrong_order(
    contexts, own_server, ways
):
    """Nothing of the morning has reached the office when the receiver delivers; he is heard first."""
    giver, receiver = (
        Phone(with_camera(contexts.new(phone=True)), own_server, way, postman_of(own_server, number))
        for number, way in enumerate(ways)
    )
    for phone in (giver, receiver):
        phone.enrol()
        phone.page.wait_for_selector("a.stop")
        phone.offline()
    day = giver.call("bag", "today")
    items = [item for item in giver.call("bag", "toLoad", day) if item["direction"] == "result"][:2]
    giver.record("taken_out", [item["id"] for item in items])
    digits = take(receiver, show(giver, items), 2)
    confirm(giver, digits, name_of(receiver))
    door = {"receiver": RECEIVER, "collections": [], "surrendered": [], "proofs": []}
    receiver.record("handed_over", [items[0]["id"]], **door)

    receiver.online()
    receiver.wait_pending(0)
    receiver.call("bag", "load")
    beside = {item["id"]: item["state"] for item in receiver.call("bag", "today")["extra"]}
    assert beside == {items[0]["id"]: "delivered", items[1]["id"]: "out"}, "he has the paper, whatever the office knows"

    giver.online()
    giver.wait_pending(0)
    receiver.call("bag", "load")
    assert holder(own_server, items[1]) == (name_of(receiver), "out")
    assert [
        row["state"] for row in rows(own_server, "SELECT state FROM item WHERE barcode = ?", items[0]["barcode"])
    ] == ["delivered"]
    assert {item["id"] for item in receiver.call("bag", "today")["extra"]} >= {items[1]["id"]}
    balance = receiver.call("bag", "balance", receiver.call("bag", "today"))
    assert [item["id"] for item in balance["left"]] == [items[1]["id"]]


@pytest.mark.slow
def test_nothing_stands_in_the_codes_that_the_door_does_not_need(two):
    giver, _ = two
    known = giver.call("bag", "today")
    frames = show(giver, carried(giver)[:5])
    pieces = {
        int(number): piece
        for number, piece in (re.fullmatch(r"BUUTA1:\w{16}:(\d+)/\d+:(.*)", f).groups() for f in frames)
    }
    body = "".join(pieces[number] for number in sorted(pieces))
    slip = json.loads(zlib.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    assert {key for item in slip["items"] for key in item} <= set("ibtdsnahgumlcr")
    kinds = [name for kind in known["document_types"].values() for name in (kind["vi"], kind["en"])]
    assert not [name for name in kinds if name in json.dumps(slip, ensure_ascii=False)]
    assert max(map(len, frames)) < 400


@pytest.mark.slow
def test_codes_of_another_kind_or_with_a_fault_are_refused_and_half_of_them_is_not_enough(two):
    giver, receiver = two
    frames = show(giver, carried(giver)[:6])
    assert len(frames) > 1
    receiver.go("/take")
    look(receiver, "00020101021238")
    expect(receiver.page.locator("#told [role=alert]")).to_contain_text(receiver.words("phone.take.no_slip"))
    look(receiver, frames[0])
    expect(receiver.page.locator("#read")).to_have_text(receiver.words("phone.take.read", done=1, all=len(frames)))
    head, _, piece = frames[1].rpartition(":")
    broken = f"{head}:{piece[:-1]}{'A' if piece[-1] != 'A' else 'B'}"
    look(receiver, broken, *frames[2:])
    expect(receiver.page.locator("#told [role=alert]")).to_contain_text(receiver.words("phone.take.broken"))
    assert receiver.store("outbox") == []
    giver.go("/take")
    look(giver, *frames)
    expect(giver.page.locator("#told [role=alert]")).to_contain_text(giver.words("phone.take.own"))


@pytest.mark.slow
def test_a_reload_in_the_middle_loses_nothing_and_the_same_codes_again_change_nothing(two):
    giver, receiver = two
    items = carried(giver)[:2]
    giver.offline()
    receiver.offline()
    frames = show(giver, items)
    receiver.go("/take")
    look(receiver, *frames)
    expect(receiver.page.locator("#coming li")).to_have_count(2)
    receiver.reopen()
    receiver.go("/take")
    receiver.page.click("#accept")
    digits = receiver.page.locator("#check-digits")
    expect(digits).to_be_visible()
    given = digits.inner_text()
    receiver.reopen()
    receiver.go("/take")
    expect(digits).to_have_text(given)
    look(receiver, *frames)
    expect(receiver.page.locator("#told")).to_contain_text(receiver.words("phone.take.again"))
    assert len(receiver.store("outbox")) == 1
    giver.reopen()
    giver.go("/give")
    assert giver.call("outbox", "drafts.get", "give")["frames"] == frames
    confirm(giver, given.replace(" ", ""), name_of(receiver))


@pytest.mark.slow
def test_a_refused_bag_is_nobodys_new_burden(two):
    giver, receiver = two
    items = carried(giver)[:1]
    receiver.go("/take")
    frames = show(giver, items)
    look(receiver, *frames)
    receiver.page.click("#refuse")
    expect(receiver.page.locator("#coming")).to_have_count(0)
    assert receiver.store("outbox") == []
    assert receiver.call("bag", "today")["extra"] == []


@pytest.mark.slow
def test_a_paper_whose_rule_the_phone_does_not_know_says_so(two):
    giver, receiver = two
    (item,) = carried(giver)[:1]
    receiver.offline()
    stranger = {
        **item,
        "rule_digest": "000000000000",
        "address": "Ấp 1, xã Khánh An",
        "phone": None,
        "lat": None,
        "lon": None,
    }
    receiver.record("taken_over", [item["id"]], local={"from": {"name": "Sáu"}, "count": 1, "items": [stranger]})
    receiver.go(f"/stop/{item['id']}")
    receiver.wait(screen="stop")
    receiver.says(receiver.words("phone.take.rule_unknown"))
    geo = receiver.page.locator("a[href^='geo:']").get_attribute("href")
    assert geo.startswith("geo:0,0?q=")


@pytest.mark.slow
def test_codes_turn_by_themselves_and_by_hand_but_stand_still_for_whom_movement_hurts(two):
    giver, _ = two
    show(giver, carried(giver)[:6])
    expect(giver.page.locator("#frames")).to_have_attribute("data-frame", "2")
    giver.page.click("#run-frames")
    expect(giver.page.locator("#run-frames")).to_have_text(giver.words("phone.give.run"))
    giver.page.emulate_media(reduced_motion="reduce")
    giver.reopen()
    giver.go("/give")
    expect(giver.page.locator("#run-frames")).to_have_text(giver.words("phone.give.run"))
    expect(giver.page.locator("#frames")).to_have_attribute("data-frame", "1")
    giver.page.click("#frame-next")
    expect(giver.page.locator("#frames")).to_have_attribute("data-frame", "2")


@pytest.mark.slow
def test_giving_and_taking_are_fit_for_everybody(two):
    """Behaviours 26 and 27."""
    giver, receiver = two
    items = carried(giver)[:6]

    def fits(phone: Phone) -> None:
        for width in (320, 360):
            phone.page.set_viewport_size({"width": width, "height": 740})
            assert phone.page.evaluate(SIDEWAYS) == 0
            assert phone.page.evaluate(SMALL_TARGETS) == []
            assert complaints(phone) == []

    giver.go("/give")
    fits(giver)
    frames = show(giver, items)
    giver.page.click("#run-frames")
    fits(giver)
    receiver.go("/take")
    receiver.page.click("#by-hand summary")
    fits(receiver)
    look(receiver, *frames)
    expect(receiver.page.locator("#coming li")).to_have_count(6)
    fits(receiver)
    receiver.page.click("#accept")
    expect(receiver.page.locator("#check-digits")).to_be_visible()
    fits(receiver)
    receiver.go("/")
    receiver.wait(screen="list")
    fits(receiver)
    giver.page.click("#to-answer")
    giver.page.click("#without summary")
    fits(giver)
