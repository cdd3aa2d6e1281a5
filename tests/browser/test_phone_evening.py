"""The evening: the bag must be empty, the cash must be what was taken, and what is missing is said."""

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.phone import Phone, effects, enrolled, recorded
from tests.browser.test_axe import SIDEWAYS, SMALL_TARGETS, complaints
from tests.browser.test_phone_load import papers, tell

RECEIVER = {"name": "Lê Văn Tí", "relation": "owner", "id_check": "match", "id_last4": None}


@pytest.fixture
def phone(contexts, own_server, proxy) -> Phone:
    """A phone whose bag is loaded: all papers of the route, and the dossiers that are to be fetched."""
    ready = enrolled(contexts, own_server, proxy)
    ready.page.wait_for_selector("a.stop")
    ready.loaded = papers(ready)  # type: ignore[attr-defined]
    day = ready.call("bag", "today")
    ready.record("taken_out", [item["id"] for item in ready.call("bag", "toLoad", day)])
    ready.wait_pending(0)
    return ready


def deliver(phone: Phone, item: dict[str, Any], methods: tuple[str, ...] = ("cash",)) -> dict[tuple[str, str], int]:
    """Hand an item over and take its charges, by these methods in turn; what was taken by kind and method."""
    lines = [
        {"charge": c["id"], "amount_dong": c["amount_dong"], "method": methods[n % len(methods)]}
        for n, c in enumerate(item["charges"])
    ]
    named = [{**line, "kind": c["kind"], "payee": c["payee"]} for line, c in zip(lines, item["charges"], strict=True)]
    told = {"receiver": RECEIVER, "collections": lines, "surrendered": [], "proofs": []}
    phone.record("handed_over", [item["id"]], local={"collections": named}, **told)
    return {(line["kind"], line["method"]): line["amount_dong"] for line in named}


def numbers(phone: Phone) -> dict[str, int]:
    """The balance as it stands on the screen."""
    rows = phone.page.locator("[data-balance]").all()
    return {
        str(row.get_attribute("data-balance")): int(row.locator(".number").inner_text().strip("−+ ")) for row in rows
    }


def dong(phone: Phone, what: str) -> int:
    """An amount on the screen."""
    return int(phone.page.locator(f"{what} .money").inner_text().replace(".", "").strip(" đ\u00a0"))


def cash_day(phone: Phone) -> dict[str, Any]:
    """The money and the bag of today by the server's word."""
    found: dict[str, Any] = phone.page.evaluate(
        """async (address) => {
            const outbox = await import(address);
            const me = await outbox.me();
            const day = new Date(Date.now() + 7 * 3600e3).toISOString().slice(0, 10);
            const answer = await fetch(`/api/v1/cash/${me.staff.id}/${day}`, { headers: { "X-Requested-With": "test" } });
            return await answer.json();
        }""",
        phone.module("outbox"),
    )
    return found


@pytest.mark.slow
def test_the_bag_is_balanced_and_the_money_is_what_the_server_says(phone, own_server):
    """What was loaded was delivered or comes back; found out and written down without a signal."""
    items = phone.loaded
    dear = [item for item in items if item["charges"]][:2]
    plain = next(item for item in items if item not in dear)
    phone.offline()
    taken = [deliver(phone, dear[0]), deliver(phone, dear[1], ("bank_qr", "cash"))]
    phone.record("attempt_failed", [plain["id"]], reason="recipient_absent")
    phone.go("/evening")
    left = len(items) - 2
    assert numbers(phone) == {"loaded": len(items), "delivered": 2, "brought": 0, "passed": 0, "left": left}

    tell(phone, plain["barcode"])
    expect(phone.page.locator("#ticked")).to_contain_text("1/")
    tell(phone, dear[0]["barcode"])
    expect(phone.page.locator("#answer [role=alert]")).to_contain_text(dear[0]["barcode"])
    phone.page.click("#bring-back")
    phone.wait_screen("evening")
    expect(phone.page.locator("[data-balance=brought] .number")).to_have_text("− 1")
    phone.page.click("#missing summary")
    expect(phone.page.locator("#missing li")).to_have_count(left - 1)
    expect(phone.page.locator("#missing")).to_contain_text(phone.call("bag", "today")["office"]["name"])

    phone.page.click("#tick-all")
    phone.page.click("#bring-back")
    expect(phone.page.locator("#balanced")).to_have_text(phone.words("phone.evening.zero"))
    assert numbers(phone) == {"loaded": len(items), "delivered": 2, "brought": left, "passed": 0, "left": 0}
    cash = sum(amount for lines in taken for (_, method), amount in lines.items() if method == "cash")
    total = sum(amount for lines in taken for amount in lines.values())
    assert (dong(phone, "[data-money=hand_in]"), dong(phone, "[data-money=total]")) == (cash, total)

    phone.online()
    phone.wait_pending(0)
    phone.call("bag", "load")
    day = cash_day(phone)
    assert day["in_bag"] == 0
    assert (day["expected_dong"], sum(day["by_kind"].values())) == (cash, total)
    phone.go("/")
    phone.go("/evening")
    assert (dong(phone, "[data-money=hand_in]"), dong(phone, "[data-money=total]")) == (cash, total)
    shown = {}
    for row in phone.page.locator("[data-line]").all():
        kind = str(row.get_attribute("data-line")).split("|")[0]
        amount = int(row.locator(".money").inner_text().replace(".", "").strip(" đ\u00a0"))
        shown[kind] = shown.get(kind, 0) + amount
    assert shown == day["by_kind"]


@pytest.mark.slow
def test_what_was_ticked_survives_a_reload_and_is_brought_back_once(phone, own_server):
    items = phone.loaded
    phone.go("/evening")
    tell(phone, items[0]["barcode"][-6:])
    expect(phone.page.locator("#ticked")).to_contain_text("1/")
    phone.offline()
    phone.reopen()
    phone.go("/evening")
    expect(phone.page.locator("#ticked")).to_contain_text("1/")
    phone.page.click("#bring-back")
    phone.wait(pending=1)
    phone.online()
    phone.wait_pending(0)
    act = max(phone.store("outbox"), key=lambda row: row["seq"])
    assert effects(own_server, act["event_id"]) == 1
    assert json.loads(recorded(own_server, act["event_id"])[0]["data"])["count"] == 1


@pytest.mark.slow
def test_the_notes_are_counted_for_the_postman_and_stay_counted(phone):
    item = next(item for item in phone.loaded if item["charges"])
    due = sum(deliver(phone, item).values())
    phone.go("/evening")
    phone.page.click("#notes summary")
    left, filled = due, {}
    for worth in (500_000, 200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000):
        filled[worth], left = divmod(left, worth)
        phone.page.fill(f"#notes-{worth}", str(filled[worth]))
    assert left == 0
    expect(phone.page.locator("#counted .say.good")).to_be_visible()
    phone.page.fill("#notes-1000", str(filled[1_000] + 3))
    expect(phone.page.locator("#counted")).to_contain_text(phone.words("phone.evening.over", amount="3.000\u00a0đ"))
    phone.reopen()
    phone.go("/evening")
    expect(phone.page.locator("#notes-1000")).to_have_value(str(filled[1_000] + 3))


@pytest.mark.slow
def test_a_balance_with_a_passed_item_waits_for_the_colleague_and_says_so(phone):
    items = phone.loaded
    phone.record("passed_on", [items[0]["id"]], to={"name": "Trần Văn Sáu"})
    phone.go("/evening")
    phone.page.click("#tick-all")
    phone.page.click("#bring-back")
    expect(phone.page.locator("#balanced")).to_have_text(phone.words("phone.evening.zero"))
    phone.wait_pending(0)
    phone.call("bag", "load")
    phone.go("/")
    phone.go("/evening")
    assert numbers(phone)["passed"] == 1
    phone.says(phone.words("phone.evening.unconfirmed", count=1))
    assert cash_day(phone)["in_bag"] == 1


@pytest.mark.slow
def test_the_evening_is_fit_for_everybody(phone):
    """Behaviours 26 and 27."""
    for item in [item for item in phone.loaded if item["charges"]][:2]:
        deliver(phone, item)
    phone.go("/evening")
    tell(phone, "RB999999999VN")
    phone.page.click("#missing summary")
    phone.page.click("#notes summary")
    for width in (320, 360):
        phone.page.set_viewport_size({"width": width, "height": 740})
        assert phone.page.evaluate(SIDEWAYS) == 0
        assert phone.page.evaluate(SMALL_TARGETS) == []
        assert complaints(phone) == []
