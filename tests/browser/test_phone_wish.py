"""What a recipient without a phone wants changed: written down without a signal and answered by the office, promised at once with one."""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.phone import Phone, rows
from tests.browser.test_axe import complaints

HEARD = "SELECT kind, body, outcome, code, event_id FROM spoken_wish"


def open_wish(phone: Phone, stop: dict, item: dict) -> None:
    phone.go(f"/stop/{stop['id']}")
    phone.wait_screen("stop")
    phone.page.click(f"a[data-wish='{item['id']}']")
    phone.wait_screen("wish")


def a_planned_stop(phone: Phone) -> dict:
    """A door whose papers are still in the office, but the first of the day."""
    stops = phone.call("bag", "today")["stops"]
    return next(s for s in stops[1:] if s["open"] and all(i["direction"] == "result" for i in s["items"]))


def wait_answered(phone: Phone, outcome: str) -> None:
    """Until the day as the office signs it holds the answer; each look is a request, so the office is not asked without end."""
    for _ in range(200):
        phone.call("bag", "load")
        outcomes = [wish["outcome"] for wish in phone.call("bag", "today")["filed"]]
        if outcomes == [outcome]:
            return
    raise AssertionError(outcomes)


@pytest.mark.slow
def test_a_wish_is_saved_without_a_signal_and_answered_when_the_phone_is_heard(at_stop, own_server):
    phone, stop = at_stop()
    item = stop["items"][0]
    phone.offline()
    open_wish(phone, stop, item)
    phone.page.click("#save")
    phone.says(phone.words("phone.wish.choose"))
    phone.page.check("input[name=kind][value=reschedule]")
    phone.says(phone.words("phone.wish.in_bag"))
    phone.says(phone.words("phone.wish.honest"))
    phone.page.check("input[name=half][value=morning]")
    assert complaints(phone) == []
    # A word for the door needs no paper: it is granted as soon as it is heard.
    phone.page.check("input[name=kind][value=instruct]")
    phone.page.fill("#landmark", "cạnh trạm y tế")
    phone.page.check("input[name=call_first]")
    phone.page.dblclick("#save")
    phone.wait_screen("stop")
    expect(phone.page.locator("#saved-note")).to_have_text(phone.words("phone.wish.saved"))
    phone.says("cạnh trạm y tế")
    assert rows(own_server, HEARD) == []
    phone.online()
    phone.wait_pending(0)
    wait_answered(phone, "granted")
    (row,) = rows(own_server, HEARD)
    assert (row["kind"], row["outcome"]) == ("instruct", "granted")
    phone.go("/")
    phone.wait_screen("list")
    phone.page.click("#filed > summary")
    expect(phone.page.locator("#filed .state")).to_have_text(phone.words("heard.outcome.granted"))
    assert complaints(phone) == []
    phone.go(f"/stop/{stop['id']}")
    phone.says("Gọi điện trước khi đến. Mốc dễ thấy: cạnh trạm y tế.")


@pytest.mark.slow
def test_with_a_signal_the_recipient_is_offered_what_every_citizen_is_offered(phone, own_server):
    stop = a_planned_stop(phone)
    item = stop["items"][0]
    open_wish(phone, stop, item)
    phone.page.check("input[name=kind][value=reschedule]")
    expect(phone.page.locator("input[name=slot]").first).to_be_visible()
    phone.page.click("#take-window")
    phone.says(phone.words("phone.wish.choose"))
    chosen = phone.page.locator("input[name=slot]").first
    slot = chosen.get_attribute("value")
    chosen.check()
    assert complaints(phone) == []
    phone.page.click("#take-window")
    expect(phone.page.locator("#saved-note")).to_contain_text("Đã hẹn")
    (row,) = rows(
        own_server,
        "SELECT asked_by, kind, body FROM change_request WHERE replace(item_id, '-', '') = ?",
        item["id"].replace("-", ""),
    )
    assert (row["asked_by"], row["kind"]) == ("postman", "reschedule")
    assert slot[:8] in row["body"].replace("-", "")
    assert rows(own_server, HEARD) == []


@pytest.mark.slow
def test_without_an_answer_the_wanted_day_is_written_down_instead(phone, own_server):
    """The network goes between the offer and the tap: nobody knows whether the window is promised, and nothing moves twice."""
    stop = a_planned_stop(phone)
    item = stop["items"][0]
    open_wish(phone, stop, item)
    phone.page.check("input[name=kind][value=reschedule]")
    phone.page.locator("input[name=slot]").first.check()
    phone.offline()
    phone.page.click("#take-window")
    phone.says(phone.words("phone.wish.lost"))
    phone.page.click("#save")
    phone.wait_screen("stop")
    phone.online()
    phone.wait_pending(0)
    (row,) = rows(own_server, HEARD)
    assert row["kind"] == "reschedule"


@pytest.mark.slow
def test_the_picture_of_the_gate_is_there_without_a_signal_and_closed_in_the_memory(phone, own_server):
    stop = phone.call("bag", "today")["stops"][0]
    item = stop["items"][0]
    body = io.BytesIO()
    Image.effect_noise((900, 600), 80).convert("RGB").save(body, "JPEG")
    page = own_server.url + f"/p/stops/{stop['id']}/wishes/{item['id']}"
    phone.page.goto(page)
    phone.page.click("summary:has-text('Dặn bưu tá')")
    phone.page.set_input_files(
        "input[name=photo]", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": body.getvalue()}
    )
    phone.page.click("form:has(input[name=photo]) button")
    phone.open()
    phone.unlock()
    for _ in range(200):
        phone.call("bag", "load")
        kept = [key for key in keys_of(phone, "bags") if key.startswith("gate|")]
        if kept:
            break
    [key] = kept
    [shown] = [one for one in phone.call("bag", "today")["stops"][0]["items"] if one["id"] == item["id"]]
    assert shown["gate_photo_sha256"] in key
    phone.offline()
    phone.go(f"/stop/{stop['id']}")
    phone.wait_screen("stop")
    phone.page.click(f"details[data-gate='{item['id']}'] > summary")
    picture = phone.page.locator(f"details[data-gate='{item['id']}'] img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 900
    assert complaints(phone) == []
    memory = phone.page.evaluate(
        """async (key) => {
          const db = await new Promise((done) => { const asked = indexedDB.open("buuta"); asked.onsuccess = () => done(asked.result); });
          const row = await new Promise((done) => { const asked = db.transaction("bags").objectStore("bags").get(key); asked.onsuccess = () => done(asked.result); });
          db.close();
          return Array.from(row.sealed.ct).slice(0, 400);
        }""",
        key,
    )
    assert b"JFIF" not in bytes(memory)


def keys_of(phone: Phone, store: str) -> list[str]:
    return phone.page.evaluate(
        """async (name) => {
          const db = await new Promise((done) => { const asked = indexedDB.open("buuta"); asked.onsuccess = () => done(asked.result); });
          const keys = await new Promise((done) => { const asked = db.transaction(name).objectStore(name).getAllKeys(); asked.onsuccess = () => done(asked.result); });
          db.close();
          return keys.map(String);
        }""",
        store,
    )
