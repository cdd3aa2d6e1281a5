"""The phone's frame: who may see the route, what is saved and sent, what is left behind on it."""

import pytest
from playwright.sync_api import expect

from tests.browser.phone import Phone, enrolled, postman_of, recorded
from tests.browser.test_axe import complaints


def test_an_act_recorded_without_a_network_is_on_the_server_once_after_a_reload(phone, own_server):
    """Behaviour 1."""
    item = phone.items()[0]["id"]
    phone.offline()
    event = phone.record("taken_out", [item])
    phone.wait(pending=1)
    phone.reopen()
    phone.wait(pending=1)
    phone.online()
    phone.wait_pending(0)
    assert len(recorded(own_server, event)) == 1


def test_the_whole_route_can_be_read_after_a_cold_start_without_a_server(phone, own_server):
    """Behaviours 22 and 37."""
    phone.wait(screen="list")
    expect(phone.page.locator("a.stop.next")).to_be_visible()
    assert "false" not in phone.page.locator("#head").inner_text()
    doors = phone.page.locator("a.stop").count()
    phone.offline()
    own_server.stop()
    phone.reopen()
    expect(phone.page.locator("a.stop")).to_have_count(doors)
    phone.page.locator("a.stop.next").click()
    phone.wait(screen="stop")
    expect(phone.page.locator("a[href^='geo:']")).to_be_visible()
    expect(phone.page.locator("h2").first).to_be_visible()
    assert "Nguyễn" not in str(phone.store("bags")), "the day lies open in the phone's memory"


def test_acts_stay_in_the_order_in_which_they_were_recorded_however_often_the_clock_is_corrected(phone, own_server):
    """Behaviour 12: each answer of the server sets the phone's clock anew, and its word is up to a second early."""
    items = [item["id"] for item in phone.items()]
    events = phone.page.evaluate(
        """async ([outbox, net, items]) => {
            const [{ record, newId }, { ask }] = [await import(outbox), await import(net)];
            const events = [];
            for (let number = 0; number < 12; number += 1) {
                const event_id = newId();
                await record({ event_id, type: number % 2 ? "brought_back" : "taken_out", items: [items[0]] });
                events.push(event_id);
                await ask("/readyz");
            }
            return events;
        }""",
        [phone.module("outbox"), phone.module("net"), items],
    )
    phone.reopen()
    events.append(phone.record("taken_out", [items[0]]))
    assert phone.call("outbox", "flush", {"why": "user"}) == {"ok": True, "left": 0}
    kept = [recorded(own_server, event)[0] for event in events]
    assert [row["result"] for row in kept] == ["applied"] * 13
    moments = [row["occurred_at"] for row in kept]
    assert moments == sorted(set(moments))


@pytest.mark.slow
def test_a_day_that_our_server_did_not_sign_is_not_believed(contexts, own_server, proxy):
    proxy.rewrite = lambda path, body: body.replace(b'"sequence":1,', b'"sequence":9,') if "/sync/bag" in path else body
    phone = enrolled(contexts, own_server, proxy)
    phone.call("bag", "load")
    assert phone.call("bag", "today") is None
    proxy.rewrite = None
    phone.call("bag", "load")
    assert phone.call("bag", "today")["stops"]


@pytest.mark.slow
def test_list_and_door_are_fit_for_everybody_and_never_run_sideways(phone):
    """Behaviours 26 and 27."""
    for width in (320, 360, 1280):
        phone.page.set_viewport_size({"width": width, "height": 740})
        for path in ("#/", phone.page.locator("a.stop").first.get_attribute("href")):
            phone.go(path[1:])
            phone.wait(screen="list" if path == "#/" else "stop")
            assert phone.page.evaluate("document.documentElement.scrollWidth") <= width
            assert complaints(phone) == []
        phone.go("/")
        phone.wait(screen="list")


def test_what_the_phone_shows_of_its_acts_is_what_the_server_says_after_it_has_heard_of_them(phone, own_server):
    """Behaviour 16, and the server as the oracle of the phone's own counting."""
    phone.call("bag", "load")
    before = phone.call("bag", "today")
    items = [item for stop in before["stops"] for item in stop["items"]]
    results = [item for item in items if item["direction"] == "result"]
    dear = next(item for item in results if item["charges"])
    others = [item for item in results if item is not dear][:5]
    phone.offline()
    phone.record("taken_out", [item["id"] for item in (dear, *others)])
    line = dear["charges"][0]
    taken = {"charge": line["id"], "amount_dong": line["amount_dong"], "method": "cash"}
    local = {"collections": [{**taken, "kind": line["kind"], "payee": line["payee"]}]}
    receiver = {"name": "Lê Văn Tí", "relation": "owner", "id_check": "match", "id_last4": None}
    door = {"receiver": receiver, "collections": [taken], "surrendered": [], "proofs": []}
    phone.record("handed_over", [dear["id"]], local=local, **door)
    slip = phone.record("handed_over", [others[0]["id"]], **{**door, "collections": []})
    phone.record("corrected", [others[0]["id"]], local={"corrects": slip}, corrects=slip, reason="nhầm nhà")
    phone.record("attempt_failed", [others[1]["id"]], reason="recipient_absent")
    phone.record("brought_back", [others[2]["id"]])
    assert standing_of(phone, dear) == "saved"
    here = picture_of(phone.call("bag", "today"))
    assert here["cash"]["carried_dong"] == before["cash"]["carried_dong"] + line["amount_dong"]
    assert f"{here['cash']['carried_dong']:,}".replace(",", ".") in phone.page.locator(".head-cash").inner_text()

    phone.online()
    phone.wait_pending(0)
    phone.call("bag", "load")
    assert picture_of(phone.call("bag", "today")) == here
    assert phone.call("bag", "today")["done"]["ack_through"] == 6
    assert standing_of(phone, dear) in ("sent", "review")


def standing_of(phone, item) -> str:
    """What the phone says of an item."""
    stops = phone.call("bag", "today")["stops"]
    return next(one["standing"] for stop in stops for one in stop["items"] if one["id"] == item["id"])


def picture_of(day) -> dict[str, object]:
    """State, place and money, as the bearer sees them."""
    items = {i["id"]: (i["state"], i["in_my_bag"], i["open"]) for stop in day["stops"] for i in stop["items"]}
    return {"items": items, "cash": day["cash"]}


@pytest.mark.slow
def test_names_are_found_without_their_marks(phone):
    """Behaviour 30."""
    for typed in ("nguyen thi muoi", "NGUYỄN  THỊ MƯỜI", "Nguyễn Thị Mười"):
        assert phone.call("bag", "plain", typed) == "nguyen thi muoi"
    assert phone.call("bag", "plain", "Ấp Đá Bạc") == "ap da bac"
    name = phone.page.locator("a.stop .what .strong").nth(1).inner_text()
    phone.page.fill("#find", phone.call("bag", "plain", name))
    expect(phone.page.locator("#doors a.stop").first).to_contain_text(name)
    phone.page.fill("#find", "xyzzy")
    expect(phone.page.locator("#doors a.stop")).to_have_count(0)


@pytest.mark.slow
def test_who_signed_in_on_the_web_goes_on_with_one_tap(contexts, own_server, proxy):
    phone = Phone(contexts.new(phone=True), own_server, proxy, postman_of(own_server))
    phone.page.goto(f"{proxy.url}/sign-in")
    phone.page.fill("#f-login", phone.account["login"])
    phone.page.fill("#f-password", phone.account["password"])
    phone.page.click("main form .button.main")
    phone.wait(state="sign-in", screen="sign-in")
    expect(phone.page.locator("#login")).to_have_count(0)
    phone.page.click("main form .button.main")
    phone.choose_pin()
    phone.wait(screen="list")
    phone.wait_worker()
    event = phone.record("taken_out", [phone.items()[0]["id"]])
    phone.wait_pending(0)
    assert len(recorded(own_server, event)) == 1
