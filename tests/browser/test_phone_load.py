"""The morning: what belongs into the bag is scanned or typed, what does not is refused aloud, and both sides count the same."""

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.camera import show_code, with_camera
from tests.browser.phone import Phone, effects, enrolled, postman_of, recorded, rows
from tests.browser.test_axe import SIDEWAYS, SMALL_TARGETS, complaints
from tests.browser.walk import visit

# What the phone does where a hand or an ear would notice it.
FELT = "() => { navigator.vibrate = (how) => { (window.felt ??= []).push(how); return true; }; }"


@pytest.fixture
def phone(contexts, own_server, proxy) -> Phone:
    """A phone in the morning, with an empty bag."""
    ready = enrolled(contexts, own_server, proxy)
    ready.page.evaluate(FELT)
    ready.page.wait_for_selector("a.stop")
    return ready


def papers(phone: Phone) -> list[dict[str, Any]]:
    """What should be in the bag."""
    return [item for item in phone.call("bag", "toLoad", phone.call("bag", "today")) if item["direction"] == "result"]


def tell(phone: Phone, code: str) -> None:
    """Type a code and check it."""
    phone.page.fill("#code", code)
    phone.page.press("#code", "Enter")


def shows(phone: Phone, done: int, of: int) -> None:
    expect(phone.page.locator("#count b")).to_have_text(f"{done}/{of}")


@pytest.mark.slow
def test_the_bag_is_loaded_code_by_code_and_both_sides_see_the_same_count(phone, own_server, contexts):
    """Behaviours 31 and 32, without a signal and over a reload."""
    items = papers(phone)
    phone.offline()
    phone.page.click("#main-action")
    phone.wait_screen("load")
    shows(phone, 0, len(items))
    expect(phone.page.locator("#save")).to_be_disabled()

    tell(phone, items[0]["barcode"])
    shows(phone, 1, len(items))
    tell(phone, items[1]["barcode"][-8:-2])  # the country's letters are left out
    shows(phone, 2, len(items))
    tell(phone, items[1]["barcode"].lower())
    expect(phone.page.locator("#answer [role=status]")).to_contain_text(phone.words("phone.load.again"))
    shows(phone, 2, len(items))

    tell(phone, "RB999999999VN")
    refusal = phone.page.locator("#answer [role=alert]")
    expect(refusal).to_contain_text("RB999999999VN")
    assert phone.page.evaluate("window.felt") == [[400, 120, 400]]
    shows(phone, 2, len(items))
    assert phone.store("outbox") == []

    phone.reopen()
    phone.go("/load")
    shows(phone, 2, len(items))
    expect(phone.page.locator("#missing li")).to_have_count(len(items) - 2)
    phone.page.click("#save")
    phone.wait(pending=1)
    shows(phone, 2, len(items))
    tell(phone, items[2]["barcode"])
    shows(phone, 3, len(items))
    phone.page.click("#save")
    phone.wait(pending=2)

    phone.online()
    phone.wait_pending(0)
    first, second = sorted(phone.store("outbox"), key=lambda row: row["seq"])
    assert [effects(own_server, row["event_id"]) for row in (first, second)] == [2 + len(fetches(phone)), 1]
    assert json.loads(recorded(own_server, second["event_id"])[0]["data"])["counted"] == "scanned"
    office = visit(contexts.new(), own_server)
    office.sign_in("dispatcher")
    cell = office.page.locator("tr", has_text=phone.call("outbox", "me")["staff"]["name"]).locator(
        "td[data-label='Đã nhận']"
    )
    expect(cell).to_have_text(f"3/{len(items)}")


def fetches(phone: Phone) -> list[str]:
    """Dossiers of the route that are to be fetched."""
    stops = phone.call("bag", "today")["stops"]
    return [item["id"] for stop in stops for item in stop["items"] if item["direction"] == "submission"]


@pytest.mark.slow
def test_taking_all_without_scanning_needs_a_second_tap_and_says_so(phone, own_server):
    items = papers(phone)
    phone.go("/load")
    tell(phone, items[0]["barcode"])
    shows(phone, 1, len(items))
    phone.page.click("#by-eye")
    expect(phone.page.locator("#by-eye-yes")).to_be_visible()
    assert phone.store("outbox") == []
    phone.page.click("#by-eye-yes")
    phone.wait(screen="list")
    phone.wait_pending(0)
    (act,) = phone.store("outbox")
    data = json.loads(recorded(own_server, act["event_id"])[0]["data"])
    assert (data["counted"], data["scanned"], data["count"]) == ("by_eye", 1, len(items))
    phone.go("/load")
    shows(phone, len(items), len(items))
    expect(phone.page.locator(".say.good")).to_contain_text(phone.words("phone.load.all_in"))


@pytest.mark.slow
def test_the_camera_does_what_typing_does(contexts, own_server, proxy):
    """Behaviour 32."""
    phone = Phone(with_camera(contexts.new(phone=True)), own_server, proxy, postman_of(own_server))
    phone.enrol()
    phone.page.wait_for_selector("a.stop")
    items = papers(phone)
    phone.go("/load")
    phone.page.click("[data-scan] .button:visible")
    phone.page.wait_for_selector("[data-scan='open']")
    show_code(phone.page, items[0]["barcode"])
    shows(phone, 1, len(items))
    show_code(phone.page, "RB999999999VN")
    expect(phone.page.locator("#answer [role=alert]")).to_be_visible()
    shows(phone, 1, len(items))
    show_code(phone.page, *(item["barcode"] for item in items[1:3]))
    shows(phone, 3, len(items))
    phone.page.click("#save")
    expect(phone.page.locator("#scanned")).to_have_count(0)
    phone.wait_pending(0)
    (act,) = phone.store("outbox")
    assert effects(own_server, act["event_id"]) == 3 + len(fetches(phone))


@pytest.mark.slow
def test_codes_that_end_alike_are_told_apart_by_typing_more(phone):
    items = papers(phone)
    code = items[0]["barcode"]
    for typed in (code, code[-6:], code[-8:-2], f" {code[:4]} {code[4:]}".lower()):
        assert items[0] in phone.call("reader", "match", items, typed)
    twins = [{"barcode": "RB111112345VN"}, {"barcode": "RB222212345VN"}]
    assert phone.call("reader", "match", twins, "2345") == twins
    assert phone.call("reader", "match", twins, "rb 1111 12345 vn") == twins[:1]
    assert phone.call("reader", "match", twins, "345") == []
    phone.go("/load")
    tell(phone, "12")
    expect(phone.page.locator("#answer")).to_contain_text("4")


@pytest.mark.slow
def test_a_scan_that_cannot_be_saved_is_never_called_saved(phone):
    items = papers(phone)
    phone.go("/load")
    phone.page.evaluate(
        "() => { IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"
    )
    tell(phone, items[0]["barcode"])
    expect(phone.page.locator("#answer [role=alert]")).to_contain_text("CHƯA LƯU ĐƯỢC")
    shows(phone, 0, len(items))


@pytest.mark.slow
def test_loading_is_fit_for_everybody(phone):
    """Behaviours 26 and 27."""
    items = papers(phone)
    phone.go("/load")
    tell(phone, items[0]["barcode"])
    tell(phone, "RB999999999VN")
    phone.page.click("#scanned summary")
    for width in (320, 360):
        phone.page.set_viewport_size({"width": width, "height": 740})
        assert phone.page.evaluate(SIDEWAYS) == 0
        assert phone.page.evaluate(SMALL_TARGETS) == []
        assert complaints(phone) == []
    phone.page.click("#by-eye")
    assert complaints(phone) == []


@pytest.mark.slow
def test_a_paper_that_is_out_already_is_no_stranger(phone, own_server):
    items = papers(phone)
    phone.record("taken_out", [items[0]["id"]])
    phone.go("/load")
    shows(phone, 1, len(items))
    tell(phone, items[0]["barcode"])
    expect(phone.page.locator("#answer [role=status]")).to_contain_text(phone.words("phone.load.already"))
    phone.wait_pending(0)
    assert len(rows(own_server, "SELECT id FROM event WHERE type = 'taken_out' AND device_id IS NOT NULL")) == 1
