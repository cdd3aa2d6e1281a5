"""Money at a door: what is due to whom, change, transfers by VietQR, the temporary receipt, and the server's ledger equal to the dong."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import segno
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.phone import Phone, network, recorded, rows
from tests.browser.test_axe import SIDEWAYS, SMALL_TARGETS, complaints

ROOT = Path(__file__).resolve().parents[2]
FACTS = json.loads((ROOT / "tests" / "data" / "vietqr.json").read_text())
SHARED = ROOT.parent / "shared" / "data" / "test_vectors.json"

SPELLED = {
    0: "Không đồng",
    5: "Năm đồng",
    10: "Mười đồng",
    15: "Mười lăm đồng",
    21: "Hai mươi mốt đồng",
    105: "Một trăm lẻ năm đồng",
    500: "Năm trăm đồng",
    1_005: "Một nghìn không trăm lẻ năm đồng",
    30_000: "Ba mươi nghìn đồng",
    45_000: "Bốn mươi lăm nghìn đồng",
    111_000: "Một trăm mười một nghìn đồng",
    165_000: "Một trăm sáu mươi lăm nghìn đồng",
    1_250_000: "Một triệu hai trăm năm mươi nghìn đồng",
    5_035_000: "Năm triệu không trăm ba mươi lăm nghìn đồng",
    1_000_000_000: "Một tỷ đồng",
    1_002_000_001: "Một tỷ không trăm lẻ hai triệu không trăm lẻ một đồng",
    1_000_000_000_000: "Một nghìn tỷ đồng",
}


@pytest.fixture
def app(contexts, server) -> Iterator[Phone]:
    """The app before anybody has signed in: its modules can be asked all the same."""
    with network(server) as proxy:
        opened = Phone(contexts.new(phone=True), server, proxy, {})
        opened.open()
        opened.wait(state="sign-in", worker=1)
        yield opened


# ------------------------------------------------------------------------------------------------ payloads and words
def faults_of(app: Phone, facts: list[dict[str, Any]]) -> list[str]:
    """Payloads that are not what the facts say, byte for byte."""
    found = []
    for fact in facts:
        asked = {
            "bin": fact["bin"],
            "account": fact["account"],
            "amount_dong": fact["amount"],
            "purpose": fact["purpose"],
        }
        made = app.call("vietqr", "payload", asked)
        found += [] if made == fact["payload"] else [f"{made}\n{fact['payload']}"]
    return found


def test_transfers_are_written_as_other_programs_write_them(app):
    assert faults_of(app, FACTS["vietqr"]) == []
    for text, crc in FACTS["crc16_ccitt_false"].items():
        assert app.call("vietqr", "checksum", text) == crc
    wrong = FACTS["wrong_checksum"]["payload"]
    assert app.call("vietqr", "checksum", wrong[:-4]) == FACTS["wrong_checksum"]["right"] != wrong[-4:]
    assert {dong: app.call("spelled", "spelled", dong) for dong in SPELLED} == SPELLED


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED.name} is not beside the repository")
def test_all_known_transfers_are_written_byte_for_byte(app):
    vectors = json.loads(SHARED.read_text(encoding="utf-8"))
    assert len(vectors["vietqr_valid"]) >= 5
    assert faults_of(app, vectors["vietqr_valid"]) == []
    for bad in vectors["vietqr_invalid"]:
        right = app.call("vietqr", "checksum", bad["payload"][:-4])
        assert right != bad["payload"][-4:]
        assert right in bad["why"]


@pytest.mark.slow
def test_what_no_bank_would_read_is_never_drawn(app):
    right = {"bin": "970449", "account": "000DEMO0000", "amount_dong": 1000, "purpose": "BT7 12A RB252401194VN"}
    assert app.call("vietqr", "payload", right)
    wrong = {
        "bin": ["97044", "97044A", ""],
        "account": ["", "1" * 20, "12 34"],
        "amount_dong": [0, -1, 0.5, 10**13],
        "purpose": ["", "x" * 26, "Chuyển tiền"],
    }
    for field, values in wrong.items():
        for value in values:
            with pytest.raises(Exception, match=f"RangeError: {field}"):
                app.call("vietqr", "payload", right | {field: value})


@pytest.mark.slow
def test_the_text_of_a_transfer_is_unique_short_and_says_nothing_of_anybody(app):
    def purpose(receipt, turn, barcode):
        return app.call("vietqr", "purposeOf", {"receipt": receipt, "turn": turn, "barcode": barcode})

    assert purpose("BT-7-000012", 0, "RB252401194VN") == "BT7 12A RB252401194VN"
    assert purpose("BT-7-000012", 1, "RB252401194VN") == "BT7 12B RB252401194VN"
    longest = purpose("BT-9999-123456", 2, "RB252401194VN")
    assert longest == "BT9999 123456C 401194VN"[:14] + " " + "52401194VN"
    assert len(longest) == 25


@pytest.mark.slow
def test_amounts_are_read_as_they_are_typed(app):
    typed = {"135000": 135_000, "135.000": 135_000, "135 000 đ": 135_000, "135,000": 135_000, "0": 0}
    assert {text: app.call("money", "dongOf", text) for text in typed} == typed
    assert [app.call("money", "dongOf", text) for text in ("", "abc", "-5", "1e5", "12k", "9" * 13)] == [None] * 6


# --------------------------------------------------------------------------------------------------------- the pocket
def items_of(phone: Phone) -> list[dict[str, Any]]:
    """The results of the day that cost something, those with most lines first."""
    day = phone.call("bag", "today")
    found = [item for stop in day["stops"] for item in stop["items"] if item["direction"] == "result"]
    return sorted((item for item in found if item["charges"]), key=lambda item: -len(item["charges"]))


def open_pocket(phone: Phone, items: list[dict[str, Any]], value: dict[str, Any] | None = None) -> None:
    """The part of a form about money, as every form shows it; what it tells its form is in `pocket.value`."""
    phone.go("/settings")
    phone.wait_screen("settings")
    phone.page.evaluate(
        """async ([bagAt, moneyAt, ids, value]) => {
            const bag = await import(bagAt);
            const money = await import(moneyAt);
            const known = await bag.today();
            const items = bag.itemsOf(known).filter((item) => ids.includes(item.id));
            globalThis.pocket = { items, value };
            const element = money.pocket({ known, items, value, changed: (news) => { globalThis.pocket.value = news; } });
            const frame = document.createElement("div");
            const title = document.createElement("h1");
            title.textContent = "-";
            frame.append(title, element);
            document.getElementById("main").replaceChildren(frame);
        }""",
        [phone.module("bag"), phone.module("money"), [item["id"] for item in items], value or {}],
    )


def told(phone: Phone) -> dict[str, Any]:
    """What a form makes of the pocket: what it records, what the phone remembers, and what speaks against it."""
    found: dict[str, Any] = phone.page.evaluate(
        """async (moneyAt) => {
            const money = await import(moneyAt);
            const { items, value } = globalThis.pocket;
            return {
                data: { collections: money.collectionsOf(items, value), ...money.toldOf(items, value) },
                local: money.localOf(items, value),
                codes: money.objectionsOf(items, value).map(({ code, blocks }) => `${code}${blocks ? "!" : ""}`),
            };
        }""",
        phone.module("money"),
    )
    return found


def hand_over(phone: Phone, items: list[dict[str, Any]]) -> str:
    """Record the handover with what the pocket says of the money; the id of its event."""
    pocket = told(phone)
    ids = [item["id"] for item in items]
    phone.record("taken_out", ids)
    receiver = {"name": "Lê Văn Tí", "relation": "owner", "id_check": "match", "id_last4": None}
    rest = {"receiver": receiver, "surrendered": [], "proofs": []}
    return phone.record("handed_over", ids, local=pocket["local"], **rest, **pocket["data"])


def digits(text: str) -> int:
    """The amount in a text: 165.000 đ."""
    return int("".join(letter for letter in text if letter.isdecimal()))


def code_on(page: Page, name: str, *, side: int) -> list[list[bool]]:
    """The squares of a code as they are seen on the screen, rim included."""
    picture = Image.open(io.BytesIO(page.get_by_role("img", name=name).screenshot())).convert("L")
    step = picture.width / side
    centre = [int((place + 0.5) * step) for place in range(side)]
    return [[picture.getpixel((x, y)) < 128 for x in centre] for y in centre]


def ledger(server, event: str) -> dict[str, int]:
    """What an act put into the ledger, by kind of account."""
    sql = """SELECT substr(e.account, 1, instr(e.account, ':') - 1) AS account, SUM(e.amount_dong) AS dong
        FROM ledger_entry e JOIN ledger_tx t ON t.id = e.tx_id WHERE t.event_id IN (?, ?) GROUP BY 1"""
    return {row["account"]: row["dong"] for row in rows(server, sql, event, event.replace("-", ""))}


def sheet_of(phone: Phone) -> dict[str, Any]:
    """The hand-in sheet by the server's word."""
    day = phone.call("bag", "today")
    path = f"/api/v1/cash/{day['postman']['id']}/{day['date']}"
    sheet: dict[str, Any] = phone.page.evaluate(
        "async (path) => (await fetch(path, {headers: {'X-Requested-With': 'test'}})).json()", path
    )
    return sheet


@pytest.mark.slow
def test_cash_and_transfer_at_one_door_are_in_the_ledger_to_the_dong(phone, own_server):
    """Behaviour 35: the total of the day is the sum of what was entered, and the hand-in sheet is the server's."""
    item = items_of(phone)[0]
    fee, postage = (next(c for c in item["charges"] if (c["payee"] == "post") is is_post) for is_post in (False, True))
    due = sum(charge["amount_dong"] for charge in item["charges"])
    phone.offline()
    open_pocket(phone, [item])
    page = phone.page
    assert digits(page.locator("#money-sum .sum").inner_text()) == due
    assert told(phone)["local"] | {"collections": None} == {
        "collections": None,
        "cash_dong": due,
        "bank_dong": 0,
        "receipt": True,
    }

    page.locator(f"fieldset[data-payee='{fee['payee']}'] input[value='bank_qr']").check()
    assert told(phone)["codes"] == ["transfer-unseen"]
    page.locator(f"fieldset[data-payee='{fee['payee']}'] .button").get_by_text(
        phone.words("phone.money.show_code")
    ).click()
    dialog = page.locator("#vietqr")
    expect(dialog).to_be_visible()
    payload = dialog.get_attribute("data-payload")
    assert f"54{len(str(fee['amount_dong'])):02d}{fee['amount_dong']}" in payload
    assert payload.endswith(phone.call("vietqr", "checksum", payload[:-4]))
    purpose = page.locator("#purpose").inner_text()
    assert purpose.endswith(item["barcode"])
    assert f"{len(purpose):02d}{purpose}63" in payload
    code = phone.call("qr", "matrix", payload)
    other = segno.make_qr(payload, version=code["version"], error="m", mask=code["mask"])
    rim = [[bool(square) for square in row] for row in other.matrix_iter(border=4)]
    expect(dialog).to_contain_text(fee["payee_name"])
    assert (
        code_on(
            page,
            phone.words("phone.money.code_label", amount=dong(fee["amount_dong"]), payee=fee["payee_name"]),
            side=len(rim),
        )
        == rim
    )
    page.click("#transfer-seen")
    expect(dialog).to_have_count(0)
    assert told(phone)["codes"] == []

    page.click("#note-50000")
    expect(page.locator("#change")).to_have_attribute("data-back", str(50_000 - postage["amount_dong"]))
    event = hand_over(phone, [item])
    head = postage["amount_dong"]
    expect(page.locator(".head-cash")).to_contain_text(dong(head))
    phone.online()
    phone.wait_pending(0)
    assert len(recorded(own_server, event)) == 1
    data = json.loads(recorded(own_server, event)[0]["data"])
    assert data["transfers"] == [{"payee": fee["payee"], "purpose": purpose, "amount_dong": fee["amount_dong"]}]
    assert data["receipt"].startswith("BT-")
    assert ledger(own_server, event) == {
        "cash": postage["amount_dong"],
        "claimed": fee["amount_dong"],
        "due": postage["amount_dong"],
        "payable": -postage["amount_dong"],
        "receivable": -due,
    }
    phone.call("bag", "load")
    day, sheet = phone.call("bag", "today"), sheet_of(phone)
    assert sheet["expected_dong"] == day["cash"]["by_method"]["cash"] == head
    assert sheet["by_method"] == day["cash"]["by_method"]
    assert sheet["by_kind"] == {kind: taken for kind, taken in day["cash"]["by_kind"].items() if taken}
    read_receipt(phone, event, data["receipt"], item, due)


def dong(amount: int) -> str:
    return f"{amount:,}".replace(",", ".") + "\u00a0đ"


def read_receipt(phone: Phone, event: str, number: str, item: dict[str, Any], total: int) -> None:
    """The citizen reads it: number, items by their codes, amounts in figures and words; no kind of paper."""
    phone.go(f"/receipt/{event}")
    phone.wait_screen("receipt")
    paper = phone.page.locator("main .receipt")
    expect(paper).to_contain_text(number)
    expect(paper).to_contain_text(item["barcode"])
    for charge in item["charges"]:
        expect(paper).to_contain_text(charge["payee_name"])
        expect(paper).to_contain_text(dong(charge["amount_dong"]))
        expect(paper).to_contain_text(phone.call("spelled", "spelled", charge["amount_dong"]))
    assert digits(phone.page.locator("#receipt-total").inner_text()) == total
    assert phone.page.locator("#receipt-words").inner_text() == phone.call("spelled", "spelled", total)
    kinds = phone.call("bag", "today")["document_types"]
    assert kinds[item["document_type"]]["vi"] not in phone.page.locator("body").inner_text()


@pytest.mark.slow
def test_another_amount_than_what_is_due_needs_a_reason_and_reaches_the_office(phone, own_server):
    """Behaviour 35."""
    item = items_of(phone)[0]
    charge = item["charges"][0]
    open_pocket(phone, [item])
    page = phone.page
    expect(page.locator("#money-reason")).to_be_hidden()
    page.locator(f"fieldset[data-payee='{charge['payee']}'] summary").click()
    amount = page.locator(f"[id='amount-{charge['id']}']")
    amount.fill("nhiều")
    assert told(phone)["codes"] == ["amount-unreadable!"]
    less = charge["amount_dong"] - 5_000
    amount.fill(f"{less:,}".replace(",", "."))
    assert told(phone)["codes"] == ["underpaid", "reason-missing!"]
    page.check("#money-reason-other")
    assert told(phone)["codes"] == ["underpaid", "reason-missing!"]
    page.fill("#money-reason-text", "Máy đếm tiền hỏng")
    assert told(phone)["codes"] == ["underpaid"]
    event = hand_over(phone, [item])
    phone.wait_pending(0)
    assert json.loads(recorded(own_server, event)[0]["data"])["money_reason"] == "Máy đếm tiền hỏng"
    codes = rows(own_server, "SELECT code FROM incident WHERE event_id IN (?, ?)", event, event.replace("-", ""))
    assert "underpaid" in {row["code"] for row in codes}
    due = sum(line["amount_dong"] for line in item["charges"])
    assert ledger(own_server, event)["cash"] == due - 5_000

    amount = page.locator(f"[id='amount-{charge['id']}']")
    amount.fill(str(charge["amount_dong"]))
    assert told(phone)["codes"] == []
    expect(page.locator("#money-reason")).to_be_hidden()
    amount.fill(str(charge["amount_dong"] + 1))
    assert told(phone)["codes"] == ["overpaid"]


@pytest.mark.slow
def test_a_transfer_that_was_seen_counts_for_its_amount_only(phone):
    item = items_of(phone)[0]
    charge = item["charges"][0]
    seen = {
        "bank": [charge["payee"]],
        "seen": {charge["payee"]: charge["amount_dong"]},
        "purposes": {charge["payee"]: "BT1 1A X"},
    }
    open_pocket(phone, [item], seen)
    assert told(phone)["codes"] == []
    assert phone.page.locator("input[value='bank_qr']:checked").count() == 1, "what the draft holds is shown again"
    phone.page.locator(f"fieldset[data-payee='{charge['payee']}'] summary").click()
    phone.page.fill(f"[id='amount-{charge['id']}']", str(charge["amount_dong"] - 1))
    assert "transfer-unseen" in told(phone)["codes"]
    phone.page.fill(f"[id='amount-{charge['id']}']", "0")
    assert "transfer-unseen" not in told(phone)["codes"], "nothing is transferred any more"
    assert [line["charge"] for line in told(phone)["data"]["collections"]] == [c["id"] for c in item["charges"][1:]]


@pytest.mark.slow
def test_change_is_reckoned_from_notes(phone):
    item = items_of(phone)[0]
    due = sum(charge["amount_dong"] for charge in item["charges"])
    open_pocket(phone, [item])
    page, change = phone.page, phone.page.locator("#change")
    expect(change).to_be_hidden()
    page.fill("#given", "1000")
    expect(change).to_contain_text(phone.words("phone.money.still_missing"))
    expect(change).to_contain_text(dong(due - 1000))
    page.get_by_role("button", name=phone.words("phone.money.clear")).click()
    expect(change).to_be_hidden()
    page.click("#note-200000")
    page.click("#note-500000")
    assert page.input_value("#given") == "700.000"
    expect(change).to_contain_text(dong(700_000 - due))


@pytest.mark.slow
def test_whoever_would_carry_too_much_cash_is_told_before(phone):
    items = items_of(phone)
    limit = phone.call("bag", "today")["cash"]["limit_dong"]
    item = next((one for one in items if one["charges"][0]["amount_dong"] < limit), items[0])
    charge = item["charges"][0]
    others = sum(line["amount_dong"] for line in item["charges"][1:])
    warning = phone.page.locator("#pocket .say.bad")
    open_pocket(phone, [item], {"amounts": {charge["id"]: limit - others}})
    expect(warning).to_have_count(0)
    open_pocket(phone, [item], {"amounts": {charge["id"]: limit - others + 1}})
    expect(warning).to_contain_text(dong(limit))
    phone.page.locator(f"fieldset[data-payee='{charge['payee']}'] input[value='bank_qr']").check()
    expect(warning).to_have_count(0)


@pytest.mark.slow
def test_a_code_for_a_transfer_goes_away_with_the_lock(phone):
    item = items_of(phone)[0]
    open_pocket(phone, [item], {"bank": [item["charges"][0]["payee"]]})
    phone.page.locator("#vietqr-0, #vietqr-1").locator("visible=true").first.click()
    expect(phone.page.locator("#vietqr")).to_be_visible()
    phone.call("vault", "lock")
    phone.wait(state="pin")
    expect(phone.page.locator("#vietqr")).to_have_count(0)


@pytest.mark.slow
def test_a_receipt_whose_act_was_taken_back_says_so(phone):
    item = items_of(phone)[0]
    open_pocket(phone, [item])
    event = hand_over(phone, [item])
    phone.record("corrected", [item["id"]], local={"corrects": event}, corrects=event, reason="nhầm nhà")
    phone.go(f"/receipt/{event}")
    phone.wait_screen("receipt")
    expect(phone.page.locator("main .say.bad")).to_contain_text(phone.words("phone.receipt.undone"))
    phone.go("/receipt/00000000-0000-7000-8000-000000000000")
    expect(phone.page.locator("main")).to_contain_text(phone.words("phone.receipt.none"))


@pytest.mark.slow
@pytest.mark.parametrize("language", ["vi", "en"])
def test_money_is_fit_for_everybody(phone, language):
    """Behaviours 25, 26 and 27: on small screens, and with letters twice as large."""
    item = items_of(phone)[0]
    phone.call("dom", "speak", language)
    charge = item["charges"][0]
    value = {"bank": [charge["payee"]], "amounts": {item["charges"][-1]["id"]: 1}, "given": 500_000}
    open_pocket(phone, [item], value)
    event = hand_over(phone, [item])
    for width, zoom in ((360, "100%"), (320, "100%"), (360, "200%")):
        phone.page.set_viewport_size({"width": width, "height": 740})
        phone.page.evaluate("(zoom) => { document.documentElement.style.fontSize = zoom; }", zoom)
        for step in ("pocket", "code", "receipt"):
            if step == "pocket":
                open_pocket(phone, [item], value)
            elif step == "code":
                phone.page.locator("#vietqr-0, #vietqr-1").locator("visible=true").first.click()
                expect(phone.page.locator("#vietqr")).to_be_visible()
                over = "() => { const d = document.getElementById('vietqr'); return d.scrollWidth - d.clientWidth; }"
                assert phone.page.evaluate(over) <= 0, (step, width, zoom)
            else:
                phone.page.click("#transfer-close")
                phone.go(f"/receipt/{event}")
                phone.wait_screen("receipt")
            assert phone.page.evaluate(SIDEWAYS) <= 0, (step, width, zoom)
            assert phone.page.evaluate(SMALL_TARGETS) == [], (step, width, zoom)
            assert complaints(phone) == [], (step, width, zoom)
