"""Fetching a dossier: counted against its list, sealed, signed by both, paid for, and a slip that the office can look up."""

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.phone import Phone, effects, recorded, rows
from tests.browser.test_axe import SIDEWAYS, SMALL_TARGETS, complaints

KIND = "giay_phep_lai_xe"  # three mandatory papers and a copy of the ID card
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.fixture
def dossier(phone, own_server) -> dict[str, Any]:
    """An item of the day that costs something, turned into a dossier to be fetched: the demo's lists bring results only."""
    day = phone.call("bag", "today")
    stop, item = next((stop, item) for stop in day["stops"] for item in stop["items"] if item["charges"])
    with closing(sqlite3.connect(own_server.var_dir / "courier.db", timeout=30)) as database, database:
        database.execute(
            "UPDATE item SET direction = 'submission', document_type = ?, custody = 'recipient' WHERE id IN (?, ?)",
            (KIND, item["id"], item["id"].replace("-", "")),
        )
        database.execute("UPDATE bag_version SET version = version + 1")
    phone.call("bag", "load")
    day = phone.call("bag", "today")
    found = next(one for stop in day["stops"] for one in stop["items"] if one["id"] == item["id"])
    assert found["direction"] == "submission"
    return found | {"stop": stop["id"], "papers": day["document_types"][KIND]["papers"]}


def open_form(phone: Phone, dossier: dict[str, Any]) -> None:
    phone.go(f"/stop/{dossier['stop']}")
    phone.wait_screen("stop")
    phone.page.click(f"a[href='#/fetch/{dossier['stop']}/{dossier['id']}']")
    phone.wait_screen("fetch")


def sign(phone: Phone, who: str) -> None:
    sheet = phone.page.locator(f"#sign-{who} canvas")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    mouse = phone.page.mouse
    for number, (x, y) in enumerate([(0.1, 0.5), (0.3, 0.2), (0.4, 0.7), (0.6, 0.3), (0.7, 0.6), (0.9, 0.5)]):
        mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if number == 0:
            mouse.down()
    mouse.up()
    expect(phone.page.locator(f"#sign-{who} [data-sign='signed']")).to_be_visible()


def fill(phone: Phone, dossier: dict[str, Any], *, papers: list[int] | None = None) -> None:
    """Count these papers of the list (all without it), seal, and sign on paper."""
    for at in range(len(dossier["papers"])) if papers is None else papers:
        phone.page.check(f"#paper-{at}")
    phone.page.check("#sealed")
    phone.page.check("#on-paper")


def draft_of(phone: Phone, dossier: dict[str, Any]) -> dict[str, Any]:
    draft: dict[str, Any] = phone.call("outbox", "drafts.get", f"fetch|{dossier['id']}")
    return draft


def data_of(server, event: str) -> dict[str, Any]:
    (row,) = recorded(server, event)
    data: dict[str, Any] = json.loads(row["data"])
    return data


def slip_of(barcode: str, event: str) -> str:
    """The code of a slip as the office reckons it."""
    bits = int(sha256(f"{barcode}|{event}".encode()).hexdigest()[:5], 16)
    return f"{barcode}-" + "".join(LETTERS[bits >> shift & 31] for shift in (15, 10, 5, 0))


def state_of(server, item: str) -> str:
    return str(rows(server, "SELECT state FROM item WHERE id IN (?, ?)", item, item.replace("-", ""))[0]["state"])


@pytest.mark.slow
def test_a_dossier_is_counted_sealed_signed_and_paid_without_a_signal(phone, own_server, dossier):
    """Behaviour 10 for this form: what was filled in survives a reload; then one act, its money, and a slip."""
    page = phone.page
    phone.offline()
    open_form(phone, dossier)
    for at in range(3):
        page.check(f"#paper-{at}")
    page.click("#paper-0-more")
    page.click("#add-paper")
    page.fill("#other-0", "Ảnh thẻ 3x4")
    page.click("#other-0-copy")
    page.fill("#seal", "NP-0042")
    sign(phone, "sender")
    sign(phone, "postman")
    before = draft_of(phone, dossier)

    phone.reopen()
    open_form(phone, dossier)
    assert draft_of(phone, dossier) == before
    assert page.input_value("#seal") == "NP-0042"
    assert page.input_value("#other-0") == "Ảnh thẻ 3x4"
    assert [page.is_checked(f"#paper-{at}") for at in range(4)] == [True, True, True, False]
    expect(page.locator("#paper-0-count")).to_have_text(phone.words("phone.fetch.count", count=2))
    expect(page.locator("[data-sign='signed']")).to_have_count(2)
    page.click("#save")
    phone.wait_screen("receipt")
    slip = slip_of(dossier["barcode"], before["event_id"])
    expect(page.locator("main")).to_contain_text(slip)
    expect(page.get_by_role("img", name=phone.words("phone.receipt.slip_qr", code=slip))).to_be_visible()
    expect(page.locator("main")).to_contain_text("Ảnh thẻ 3x4")
    page.click("#to-list")
    expect(page.locator("#saved-note")).to_contain_text(phone.words("phone.fetch.saved", name=dossier["recipient"]))
    assert draft_of(phone, dossier) is None
    carried = phone.call("bag", "carried", phone.call("bag", "today"))
    assert dossier["id"] in {item["id"] for item in carried}, "it rides in the bag"

    phone.online()
    phone.wait_pending(0)
    data = data_of(own_server, before["event_id"])
    names = [paper["name"] for paper in dossier["papers"]]
    assert [(p["name"], p["original"], p["present"], p["count"]) for p in data["papers"]] == [
        (names[0], True, True, 2),
        (names[1], True, True, 1),
        (names[2], True, True, 1),
        ("Ảnh thẻ 3x4", False, True, 1),
        (names[3], False, False, 0),
    ]
    assert (data["sealed"], data["slip"]) == ("NP-0042", slip)
    assert sorted(proof["kind"] for proof in data["proofs"]) == ["postman_signature", "signature"]
    assert recorded(own_server, before["event_id"])[0]["result"] == "applied"
    assert state_of(own_server, dossier["id"]) == "fetched"
    due = sum(charge["amount_dong"] for charge in dossier["charges"])
    day = phone.call("bag", "today")
    cash = rows(own_server, "SELECT SUM(amount_dong) AS dong FROM ledger_entry WHERE account LIKE 'cash:%'")
    assert cash[0]["dong"] == due == day["cash"]["carried_dong"]
    assert data["receipt"] in {act["local"].get("receipt") for act in day["acts"]}

    phone.record("brought_back", [dossier["id"]])
    phone.wait_pending(0)
    assert state_of(own_server, dossier["id"]) == "at_office"


@pytest.mark.slow
def test_what_is_missing_is_named_and_sent_only_when_the_sender_knows(phone, own_server, dossier):
    page = phone.page
    open_form(phone, dossier)
    page.click("#save")
    trouble = page.locator("#trouble")
    for key in ("none_counted", "not_sealed", "not_signed"):
        expect(trouble).to_contain_text(phone.words(f"phone.fetch.{key}"))
    fill(phone, dossier, papers=[0, 1])
    page.click("#save")
    expect(trouble).to_contain_text(dossier["papers"][2]["name"])
    assert phone.store("outbox") == [], "nothing was recorded"
    page.check("#incomplete")
    event = draft_of(phone, dossier)["event_id"]
    page.click("#save")
    phone.wait_screen("receipt")
    phone.wait_pending(0)
    data = data_of(own_server, event)
    assert data["incomplete_confirmed"] is True
    assert [p["name"] for p in data["papers"] if not p["present"]] == [p["name"] for p in dossier["papers"][2:]]
    assert data["proofs"] == [{"kind": "paper_signature", "sha256": None}]
    assert data["sealed"] is True


@pytest.mark.slow
def test_a_copy_instead_of_the_original_is_asked_about_once(phone, own_server, dossier):
    page = phone.page
    open_form(phone, dossier)
    fill(phone, dossier)
    page.click("#paper-2-copy")
    page.click("#save")
    expect(page.locator("#trouble")).to_contain_text(
        phone.words("phone.fetch.copy_of", name=dossier["papers"][2]["name"])
    )
    assert phone.store("outbox") == []
    event = draft_of(phone, dossier)["event_id"]
    page.click("#save")
    phone.wait_screen("receipt")
    phone.wait_pending(0)
    assert [p["original"] for p in data_of(own_server, event)["papers"]] == [True, True, False, False]


@pytest.mark.slow
def test_three_taps_are_one_act_and_a_full_memory_is_said(phone, own_server, dossier):
    """Behaviours 4 and 8 for this form."""
    page = phone.page
    open_form(phone, dossier)
    fill(phone, dossier)
    page.evaluate(
        """() => {
            const real = IDBObjectStore.prototype.add;
            globalThis.mend = () => { IDBObjectStore.prototype.add = real; };
            IDBObjectStore.prototype.add = () => { throw new DOMException("full", "QuotaExceededError"); };
        }"""
    )
    page.click("#save")
    expect(page.locator("#trouble")).to_contain_text(phone.words("phone.core.not_saved"))
    phone.wait_screen("fetch")
    page.evaluate("() => globalThis.mend()")
    event = draft_of(phone, dossier)["event_id"]
    page.evaluate("() => { for (let tap = 0; tap < 3; tap += 1) document.getElementById('save').click(); }")
    phone.wait_screen("receipt")
    phone.wait_pending(0)
    assert effects(own_server, event) == 1
    assert len(phone.store("outbox")) == 2, "setting out, and the dossier"
    phone.go(f"/fetch/{dossier['stop']}/{dossier['id']}")
    expect(page.locator("main")).to_contain_text(phone.words("phone.fetch.done_already"))


@pytest.mark.slow
@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_form_and_the_slip_are_fit_for_everybody(phone, dossier, language):
    """Behaviours 25, 26 and 27."""
    phone.call("dom", "speak", language)
    open_form(phone, dossier)
    fill(phone, dossier, papers=[0, 1])
    phone.page.click("#paper-0-copy")
    phone.page.click("#add-paper")
    phone.page.click("#save")
    expect(phone.page.locator("#trouble .say")).to_be_visible()
    fit(phone)
    phone.page.click("#other-0-drop")
    phone.page.check("#paper-2")
    phone.page.click("#save")
    phone.page.click("#save")
    phone.wait_screen("receipt")
    fit(phone)


def fit(phone: Phone) -> None:
    for width, zoom in ((360, "100%"), (320, "100%"), (360, "200%")):
        phone.page.set_viewport_size({"width": width, "height": 740})
        phone.page.evaluate("(zoom) => { document.documentElement.style.fontSize = zoom; }", zoom)
        assert phone.page.evaluate(SIDEWAYS) <= 0, (width, zoom)
        assert phone.page.evaluate(SMALL_TARGETS) == [], (width, zoom)
        assert complaints(phone) == [], (width, zoom)
    phone.page.evaluate("() => { document.documentElement.style.fontSize = ''; }")
    phone.page.set_viewport_size({"width": 360, "height": 740})
