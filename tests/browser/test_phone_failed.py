"""Nobody at home, and a slip of the thumb: what is recorded in two taps, what follows from it, and how it is taken back."""

import io
import json

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.phone import Phone, recorded, rows
from tests.browser.test_axe import complaints

COUNT_TAPS = "() => { window.taps = 0; addEventListener('click', () => { window.taps += 1; }, { capture: true }); }"


def several(stop: dict) -> bool:
    """More than one item."""
    return len(stop["items"]) > 1


def open_stop(phone: Phone, stop: dict) -> None:
    phone.go(f"/stop/{stop['id']}")
    phone.wait_screen("stop")


def act_on_server(phone: Phone, server, kind: str) -> tuple[str, dict]:
    """The one act of its kind that this phone recorded, and its data as the server keeps it."""
    phone.wait_pending(0)
    (event,) = [act["event_id"] for act in phone.call("outbox", "acts") if act["type"] == kind]
    (row,) = recorded(server, event)
    return event, json.loads(row["data"])


def item_row(server, item: dict) -> dict:
    return rows(server, "SELECT * FROM item WHERE id IN (?, ?)", item["id"], item["id"].replace("-", ""))[0]


@pytest.mark.slow
def test_a_failed_attempt_is_two_taps_from_the_door_and_names_the_next_day(at_stop, own_server):
    """Behaviour 34."""
    phone, stop = at_stop()
    open_stop(phone, stop)
    phone.offline()
    phone.page.evaluate(COUNT_TAPS)
    phone.page.click("#cannot")
    phone.wait_screen("failed")
    expect(phone.page.locator("button[data-reason]:visible")).to_have_count(8)
    reason = next(r for r in phone.call("bag", "today")["reasons"] if r["code"] == "recipient_absent")
    card = phone.page.locator("button[data-reason=recipient_absent]")
    year, month, day = reason["next_on"].split("-")
    expect(card).to_contain_text(f"{day}/{month}")
    card.click()
    phone.wait_screen("notice")
    assert phone.page.evaluate("window.taps") == 2

    slip = phone.page.locator(".slip").first
    expect(slip).to_contain_text(f"{day}/{month}/{year}")
    expect(slip).to_contain_text(stop["items"][0]["recipient"])
    expect(slip).to_contain_text(stop["items"][0]["barcode"])
    own = phone.call("bag", "today")
    expect(slip).to_contain_text(own["office"]["name"])
    for kind in own["document_types"].values():
        assert kind["vi"] not in slip.inner_text()
    assert own["postman"]["name"] not in slip.inner_text()
    assert phone.page.locator("a[href^='sms:']").first.get_attribute("href").startswith(f"sms:{stop['phone']}?body=")

    phone.reopen()
    phone.wait(pending=1)
    phone.online()
    _, data = act_on_server(phone, own_server, "attempt_failed")
    assert (data["reason"], data["next_on"]) == ("recipient_absent", reason["next_on"])
    assert [proof["kind"] for proof in data["proofs"]] == ["notice_left"]
    row = item_row(own_server, stop["items"][0])
    assert (row["state"], row["not_before"], row["attempts"]) == ("attempted", reason["next_on"], 1)
    kept = next(i["kept_until"] for s in own["stops"] for i in s["items"] if i["id"] == stop["items"][0]["id"])
    assert row["held_until"] == kept


@pytest.mark.slow
def test_a_slip_is_taken_back_by_a_correction_and_the_money_with_it(at_stop, own_server):
    """Behaviour 19, on the phone at once and in the office's books afterwards."""
    phone, stop = at_stop(lambda stop: any(item["charges"] for item in stop["items"]))
    before = phone.call("bag", "today")["cash"]["carried_dong"]
    item = next(i for i in stop["items"] if i["charges"])
    lines = [{"charge": c["id"], "amount_dong": c["amount_dong"], "method": "cash"} for c in item["charges"]]
    kinds = [c["kind"] for c in item["charges"]]
    local = {
        "stop": stop["id"],
        "sequence": stop["sequence"],
        "collections": [line | {"kind": kind} for line, kind in zip(lines, kinds, strict=True)],
        "receipt": True,
    }
    receiver = {"name": "Lê Văn Tí", "relation": "owner", "id_check": "match", "id_last4": None}
    door = phone.record(
        "handed_over", [item["id"]], local=local, receiver=receiver, collections=lines, surrendered=[], proofs=[]
    )
    phone.wait_pending(0)
    phone.call("bag", "load")
    taken = sum(line["amount_dong"] for line in lines)
    assert carried(phone) == in_the_books(own_server, phone) == before + taken

    # The server has counted it; now it turns out to be the wrong door, and there is no signal.
    phone.offline()
    open_stop(phone, stop)
    phone.page.click(f"[data-event='{door}'] a[href='#/undo/{door}']")
    phone.wait_screen("undo")
    phone.says(phone.words("phone.undo.receipt", number=next(a for a in acts(phone) if "receipt" in a)["receipt"]))
    phone.page.click("#save")
    phone.says(phone.words("phone.undo.choose"))
    assert [act for act in phone.call("outbox", "acts") if act["type"] == "corrected"] == []
    phone.page.check("input[value=wrong_door]")
    phone.page.dblclick("#save")
    phone.wait_screen("list")
    expect(phone.page.locator("#saved-note")).to_contain_text(phone.words("event.handed_over"))
    assert carried(phone) == before
    assert next(s["open"] for s in phone.call("bag", "today")["stops"] if s["id"] == stop["id"])

    phone.online()
    _, data = act_on_server(phone, own_server, "corrected")
    assert data["corrects"] == door
    assert data["reason"] == phone.words("phone.undo.reason.wrong_door")
    assert len(recorded(own_server, door)) == 1, "a fact is never deleted"
    phone.call("bag", "load")
    assert carried(phone) == in_the_books(own_server, phone) == before
    assert item_row(own_server, item)["state"] == "out"
    phone.go(f"/undo/{door}")
    phone.says(phone.words("phone.undo.done_before"))


def acts(phone: Phone) -> list[dict]:
    """What the phone remembers of its acts for itself."""
    return [act["local"] for act in phone.call("outbox", "acts")]


def carried(phone: Phone) -> int:
    """The cash that the phone shows."""
    shown = phone.page.locator(".head-cash").inner_text()
    told = int(phone.call("bag", "today")["cash"]["carried_dong"])
    assert f"{told:,}".replace(",", ".") in shown
    return told


def in_the_books(server, phone: Phone) -> int:
    """The cash that the office expects from this postman."""
    account = f"cash:{phone.call('outbox', 'me')['staff']['id']}:%"
    (row,) = rows(
        server, "SELECT coalesce(sum(amount_dong), 0) AS dong FROM ledger_entry WHERE account LIKE ?", account
    )
    return int(row["dong"])


@pytest.mark.slow
def test_a_reason_asks_for_its_evidence_once_and_keeps_what_was_typed(at_stop, own_server):
    """The truth can be recorded without it, but not by oversight."""
    phone, stop = at_stop()
    open_stop(phone, stop)
    phone.page.click("#cannot")
    phone.page.click("button[data-reason=refused]")
    expect(phone.page.locator("#without")).to_be_hidden()
    phone.page.click("#save")
    expect(phone.page.locator("#without")).to_be_visible()
    phone.page.fill("#witness", "Bà Tư, hàng xóm")
    phone.page.wait_for_function("() => document.body.dataset.pending === '0'")
    phone.reopen()
    phone.go(f"/failed/{stop['id']}")
    phone.wait_screen("failed")
    expect(phone.page.locator("#witness")).to_have_value("Bà Tư, hàng xóm")
    phone.page.click("#save")
    phone.wait_screen("notice")
    expect(phone.page.locator(".slip")).to_have_count(0)
    _, data = act_on_server(phone, own_server, "attempt_failed")
    assert (data["reason"], data["witness"]) == ("refused", "Bà Tư, hàng xóm")
    assert "next_on" not in data
    assert [proof["kind"] for proof in data["proofs"]] == ["witness"]


@pytest.mark.slow
def test_a_photo_and_a_signature_are_evidence_and_arrive_whole(at_stop, own_server):
    """Behaviours 9 and 10."""
    phone, stop = at_stop(several)
    open_stop(phone, stop)
    phone.page.click("#cannot")
    phone.page.click("#choices summary")
    phone.page.uncheck(f"input[value='{stop['items'][0]['id']}']")
    phone.page.click("button[data-reason=address_wrong]")
    phone.page.set_input_files("input[type=file]", {"name": "lane.png", "mimeType": "image/png", "buffer": a_picture()})
    expect(phone.page.locator(".photo[data-photo=taken]")).to_be_visible()
    phone.reopen()
    phone.go(f"/failed/{stop['id']}")
    expect(phone.page.locator(".photo[data-photo=taken]")).to_be_visible()
    phone.page.click("#save")
    phone.wait_screen("notice")
    _, data = act_on_server(phone, own_server, "attempt_failed")
    (photo,) = data["proofs"]
    assert photo["kind"] == "photo_place"
    assert photo["sha256"] in arrived(own_server)

    open_stop(phone, stop)
    phone.page.click("#cannot")
    phone.page.click("button[data-reason=refused]")
    sheet = phone.page.locator("canvas.pad")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    phone.page.mouse.move(box["x"] + 20, box["y"] + 20)
    phone.page.mouse.down()
    phone.page.mouse.move(box["x"] + 120, box["y"] + 60, steps=8)
    phone.page.mouse.up()
    phone.page.click("#save")
    phone.wait_screen("notice")
    phone.wait_pending(0)
    last = [act for act in phone.call("outbox", "acts") if act["type"] == "attempt_failed"][-1]
    (row,) = recorded(own_server, last["event_id"])
    (signature,) = json.loads(row["data"])["proofs"]
    assert signature["kind"] == "signature"
    assert signature["sha256"] in arrived(own_server)


def a_picture() -> bytes:
    """A photo of a lane, more or less."""
    made = io.BytesIO()
    Image.effect_noise((800, 600), 60).convert("RGB").save(made, "PNG")
    return made.getvalue()


def arrived(server) -> list[str]:
    """The pictures that the server has whole."""
    return [row["sha256"] for row in rows(server, "SELECT sha256 FROM media")]


@pytest.mark.slow
def test_two_calls_from_this_phone_are_evidence_enough(at_stop, own_server):
    phone, stop = at_stop()
    open_stop(phone, stop)
    for _ in range(2):
        phone.page.evaluate(
            "() => document.querySelector('a[href^=\"tel:\"]').addEventListener('click', (e) => e.preventDefault())"
        )
        phone.page.click("a[href^='tel:']")
    phone.page.click("#cannot")
    phone.page.click("button[data-reason=no_contact]")
    phone.wait_screen("notice")
    _, data = act_on_server(phone, own_server, "attempt_failed")
    assert len(data["calls"]) == 2
    assert [proof["kind"] for proof in data["proofs"]] == ["call_log"]


@pytest.mark.slow
def test_some_of_the_items_fail_and_the_next_day_is_as_agreed(at_stop, own_server):
    phone, stop = at_stop(several)
    left, failed = stop["items"][0], stop["items"][1:]
    open_stop(phone, stop)
    phone.page.click("#cannot")
    phone.page.click("#choices summary")
    phone.page.uncheck(f"input[value='{left['id']}']")
    agreed = phone.call("bag", "today")["next_days"][6]
    phone.page.select_option("#next_on", agreed)
    expect(phone.page.locator("button[data-reason=recipient_absent]")).to_contain_text(
        "/".join(agreed.split("-")[:0:-1])
    )
    phone.page.click("button[data-reason=recipient_absent]")
    phone.wait_screen("notice")
    event, data = act_on_server(phone, own_server, "attempt_failed")
    assert data["next_on"] == agreed
    assert item_row(own_server, left)["state"] == "out"
    assert {(item_row(own_server, i)["state"], item_row(own_server, i)["not_before"]) for i in failed} == {
        ("attempted", agreed)
    }
    open_stop(phone, stop)
    phone.page.click(f"[data-event='{event}'] a[href='#/undo/{event}']")
    phone.page.check("input[value=other]")
    phone.page.click("#save")
    phone.says(phone.words("phone.undo.say_why"))
    phone.page.fill("#text", "Người nhận vừa về tới")
    phone.page.click("#save")
    phone.wait_screen("list")
    _, correction = act_on_server(phone, own_server, "corrected")
    assert correction["reason"] == "Người nhận vừa về tới"
    assert {item_row(own_server, i)["state"] for i in stop["items"]} == {"out"}


@pytest.mark.slow
def test_a_full_phone_never_says_that_a_failed_attempt_is_saved(at_stop):
    """Behaviour 8."""
    phone, stop = at_stop()
    phone.wait_pending(0)
    open_stop(phone, stop)
    phone.page.click("#cannot")
    phone.wait_screen("failed")
    phone.page.evaluate(
        """() => {
            const put = IDBObjectStore.prototype.add;
            IDBObjectStore.prototype.add = function () { throw new DOMException("full", "QuotaExceededError"); };
            window.mend = () => { IDBObjectStore.prototype.add = put; };
        }"""
    )
    phone.page.click("button[data-reason=recipient_absent]")
    phone.says(phone.words("phone.core.not_saved"))
    assert phone.screen() == "failed"
    phone.page.evaluate("() => window.mend()")
    phone.page.click("button[data-reason=recipient_absent]")
    phone.wait_screen("notice")
    phone.wait_pending(0)
    assert sum(act["type"] == "attempt_failed" for act in phone.call("outbox", "acts")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("language", ["vi", "en"])
def test_failure_notice_and_correction_are_fit_for_everybody(at_stop, language):
    """Behaviours 26 and 27."""
    phone, stop = at_stop(several)
    phone.call("dom", "speak", language)
    failed = phone.record(
        "attempt_failed",
        [stop["items"][0]["id"]],
        local={"stop": stop["id"], "sequence": stop["sequence"], "reason": "recipient_absent", "next_on": None},
        reason="recipient_absent",
    )
    for width in (320, 360):
        phone.page.set_viewport_size({"width": width, "height": 740})
        for path, screen in (
            (f"/failed/{stop['id']}", "failed"),
            (f"/notice/{failed}", "notice"),
            (f"/undo/{failed}", "undo"),
        ):
            phone.go(path)
            phone.wait_screen(screen)
            phone.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            assert phone.page.evaluate("document.documentElement.scrollWidth") <= width, screen
            assert complaints(phone) == []
