"""The postman's way: his own order and its cost, the sketch map, what he knows of an address, and a motorbike that stands still."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Contexts
from tests.browser.phone import PATIENCE, Phone, enrolled, rows
from tests.browser.proxy import Proxy
from tests.browser.test_axe import complaints

HERE = {"latitude": 8.94, "longitude": 105.02, "accuracy": 12}


def ready(contexts: Contexts, server, proxy: Proxy, **options) -> Phone:
    """A phone that shows its day."""
    phone = enrolled(contexts, server, proxy, **options)
    expect(phone.page.locator("a.stop.next")).to_be_visible(timeout=PATIENCE)
    return phone


@pytest.fixture
def phone(contexts, own_server, proxy) -> Phone:
    """A phone that knows where it is."""
    return ready(contexts, own_server, proxy, geolocation=HERE, permissions=["geolocation"])


def told(server, phone: Phone, kind: str) -> list[dict]:
    """What the server keeps of this kind, oldest first."""
    phone.wait_pending(0)
    found = rows(server, "SELECT * FROM shift_event WHERE type = ? ORDER BY device_seq", kind)
    return [row | {"data": json.loads(row["data"])} for row in found]


def sequences(phone: Phone) -> list[int]:
    return [int(number) for number in phone.page.locator("#doors ol:first-of-type a.stop .order b").all_inner_texts()]


def move(phone: Phone, at: int, how: str) -> None:
    phone.page.locator("#order > li").nth(at).locator(f"[data-move={how}]").click()


@pytest.mark.slow
def test_an_order_of_his_own_says_its_cost_and_the_list_follows_it(phone, own_server):
    stops = phone.call("bag", "today")["stops"]
    phone.offline()
    phone.go("/order")
    phone.wait_screen("order")
    expect(phone.page.locator("#extra")).to_have_text(phone.words("phone.order.same"))
    far = max(range(2, len(stops)), key=lambda at: abs(stops[at]["lat"] - stops[0]["lat"]))
    move(phone, far, "first")
    move(phone, 1, "down")
    expect(phone.page.locator("#extra")).to_contain_text("thêm")
    wanted = [stops[far], stops[1], stops[0], *(s for s in stops[2:] if s is not stops[far])]
    # A half-made order outlives the app.
    phone.reopen()
    phone.go("/order")
    expect(phone.page.locator("#order > li b").first).to_have_text(str(stops[far]["sequence"]))
    phone.page.click("#save")
    phone.wait_screen("list")
    expect(phone.page.locator("#saved-note")).to_have_text(phone.words("phone.order.saved"))
    assert sequences(phone) == [stop["sequence"] for stop in wanted]
    assert phone.page.locator("a.stop.next").get_attribute("href") == f"#/stop/{wanted[0]['id']}"

    phone.online()
    (row,) = told(own_server, phone, "reordered")
    assert row["data"]["stops"] == [stop["id"] for stop in wanted]
    assert row["data"]["extra_seconds"] > 0
    phone.call("bag", "load")
    assert sequences(phone) == [stop["sequence"] for stop in wanted]


@pytest.mark.slow
def test_the_cost_is_the_straight_way_at_the_speed_of_the_plan_and_broken_promises_are_named(phone):
    """An independent reckoning of three doors on a line, ten metres a second."""

    def stop(at: int, sequence: int, lat: float, metres: int, closes: str | None) -> dict:
        window = {"from": "2026-12-01T08:00:00+07:00", "to": f"2026-12-01T{closes}:00+07:00"} if closes else None
        return {
            "id": str(at),
            "sequence": sequence,
            "lat": lat,
            "lon": 105.0,
            "arrives_at": "2026-12-01T08:00:00+07:00",
            "leaves_at": "2026-12-01T08:05:00+07:00",
            "leg": {"metres": metres, "seconds": metres // 10},
            "items": [{"open": True, "window": window}],
        }

    one, two, three = stop(1, 1, 9.01, 1112, None), stop(2, 2, 9.02, 1112, "08:20"), stop(3, 3, 9.03, 1112, None)
    home = {"lat": 9.0, "lon": 105.0}
    assert phone.call("way", "speedOf", [one, two, three]) == pytest.approx(10, rel=0.01)
    how = {"from": home, "home": home, "at": 1_796_086_800_000, "speed": 10}  # 2026-12-01 08:00 in Viet Nam
    plan = phone.call("way", "walk", [one, two, three], how)
    degree = 6_371_008 * 3.14159265 / 180
    assert plan["metres"] == pytest.approx(0.06 * degree, abs=2)
    assert plan["seconds"] == pytest.approx(0.06 * degree / 10 + 900, abs=2)
    assert plan["missed"] == []
    other = phone.call("way", "walk", [three, one, two], how)
    assert other["metres"] == pytest.approx(0.08 * degree, abs=2)
    assert [stop["sequence"] for stop in other["missed"]] == [2]


@pytest.mark.slow
def test_an_order_leaves_alone_what_is_done_and_what_the_office_has_planned_since(phone):
    def stop(name: str, *, is_open: bool = True) -> dict:
        item = {
            "id": f"i{name}",
            "direction": "result",
            "state": "out" if is_open else "delivered",
            "in_my_bag": is_open,
        }
        return {"id": name, "arrives_at": f"t{name}", "leaves_at": f"l{name}", "items": [item]}

    signed = {
        "stops": [stop("a", is_open=False), stop("b"), stop("new"), stop("c")],
        "extra": [],
        "cash": {"by_kind": {}, "by_method": {}, "lines": [], "carried_dong": 0},
        "done": {"ack_through": 9},
    }
    act = {
        "event_id": "e",
        "seq": 1,
        "at": "x",
        "type": "reordered",
        "items": [],
        "state": "sent",
        "result": "applied",
        "code": None,
    }
    first = act | {"local": {"stops": ["b", "c"], "arrives": {}}}
    last = act | {"event_id": "f", "seq": 2, "local": {"stops": ["c", "a", "gone", "b"], "arrives": {"c": "early"}}}
    day = phone.call("bag", "withActs", signed, [first, last])
    assert [s["id"] for s in day["stops"]] == ["a", "c", "new", "b"]
    assert [s["arrives_at"] for s in day["stops"]] == ["ta", "early", "tnew", "tb"]


@pytest.mark.slow
def test_a_stop_can_be_dragged_to_another_place(phone):
    phone.go("/order")
    phone.wait_screen("order")
    rows = phone.page.locator("#order > li")
    first, second = rows.nth(0).locator(".grip").bounding_box(), rows.nth(1).bounding_box()
    names = [rows.nth(at).locator("b").inner_text() for at in (0, 1)]
    phone.page.mouse.move(first["x"] + 20, first["y"] + 10)
    phone.page.mouse.down()
    phone.page.mouse.move(first["x"] + 20, second["y"] + 30, steps=4)
    phone.page.mouse.up()
    expect(rows.nth(0).locator("b")).to_have_text(names[1])
    expect(rows.nth(1).locator("b")).to_have_text(names[0])


@pytest.mark.slow
def test_a_note_and_a_pin_are_on_the_door_at_once_and_at_the_office_once(phone, own_server):
    stop = phone.call("bag", "today")["stops"][0]
    phone.offline()
    phone.go(f"/address/{stop['id']}")
    phone.wait_screen("address")
    phone.page.click("#save")
    phone.says(phone.words("phone.address.empty"))
    phone.page.fill("#text", "Nhà sau chợ, gọi trước")
    phone.page.dblclick("#save")
    phone.wait_screen("stop")
    expect(phone.page.locator("#saved-note")).to_have_text(phone.words("phone.address.noted"))
    phone.says("Nhà sau chợ, gọi trước")
    phone.go(f"/address/{stop['id']}")
    phone.page.click("#pin-here")
    phone.wait_screen("stop")
    expect(phone.page.locator(f"a[href^='geo:{HERE['latitude']},{HERE['longitude']}']")).to_be_visible()
    phone.online()
    (note,) = told(own_server, phone, "noted")
    assert note["data"] == {"text": "Nhà sau chợ, gọi trước"}
    (pin,) = told(own_server, phone, "pinned")
    assert pin["data"] == {"lat": HERE["latitude"], "lon": HERE["longitude"], "accuracy_m": 12}
    phone.call("bag", "load")
    after = next(s for s in phone.call("bag", "today")["stops"] if s["id"] == stop["id"])
    assert after["items"][0]["note"].splitlines().count("Nhà sau chợ, gọi trước") == 1
    item = stop["items"][0]["id"].replace("-", "")
    (row,) = rows(own_server, "SELECT lat, lon, precision FROM item WHERE replace(id, '-', '') = ?", item)
    assert row == {"lat": HERE["latitude"], "lon": HERE["longitude"], "precision": "doorstep"}


@pytest.mark.slow
def test_a_poor_position_is_asked_about_and_none_at_all_is_said(contexts, own_server, proxy):
    """Behaviour 36."""
    poor = ready(contexts, own_server, proxy, geolocation=HERE | {"accuracy": 80}, permissions=["geolocation"])
    stop = poor.call("bag", "today")["stops"][0]
    poor.go(f"/address/{stop['id']}")
    poor.page.click("#pin-here")
    poor.says(poor.words("phone.address.poor", metres=80))
    assert told(own_server, poor, "pinned") == []
    poor.page.click("#pin-anyway")
    poor.wait_screen("stop")
    assert [pin["data"]["accuracy_m"] for pin in told(own_server, poor, "pinned")] == [80]

    blind = ready(contexts, own_server, proxy, number=1)
    other = blind.call("bag", "today")["stops"][0]
    blind.go(f"/address/{other['id']}")
    blind.says(blind.words("phone.address.no_fix"))
    expect(blind.page.locator("#pin-here")).to_have_count(0)


@pytest.mark.slow
def test_a_breakdown_reaches_the_dispatcher_with_the_place_and_says_what_comes_next(phone, own_server):
    phone.offline()
    phone.go("/trouble")
    phone.wait_screen("trouble")
    phone.page.fill("#text", "Thủng lốp ở cầu")
    phone.page.click("#save")
    phone.says(phone.words("phone.trouble.choose"))
    phone.page.check("input[value=no]")
    phone.page.dblclick("#save")
    expect(phone.page.locator("#reported")).to_contain_text("Thủng lốp ở cầu")
    expect(phone.page.locator("#reported")).to_contain_text(phone.words("phone.trouble.then_not"))
    expect(phone.page.locator("#reported a[href='#/give']")).to_be_visible()
    phone.online()
    (row,) = told(own_server, phone, "broke_down")
    assert row["data"] == {"text": "Thủng lốp ở cầu", "can_go_on": False}
    assert json.loads(row["position"])["lat"] == HERE["latitude"]
    (incident,) = rows(own_server, "SELECT * FROM incident WHERE code = 'broke-down'")
    assert "Thủng lốp ở cầu" in incident["sentence"]
    assert incident["owner_role"] == "dispatcher"


@pytest.mark.slow
def test_the_map_shows_the_way_without_a_server_and_leads_to_its_stops(phone, own_server):
    phone.offline()
    own_server.stop()
    phone.reopen()
    phone.go("/map")
    phone.wait_screen("map")
    expect(phone.page.locator("svg.sketch path.commune").first).to_be_attached()
    expect(phone.page.locator("#self")).to_be_attached()
    stops = phone.call("bag", "today")["stops"]
    marked = " ".join(mark.get_attribute("data-stops") for mark in phone.page.locator("svg .mark").all())
    assert sorted(map(int, marked.split())) == sorted(stop["sequence"] for stop in stops)
    # Doors that a finger cannot tell apart share a mark and a list.
    many = phone.page.locator("svg .mark").evaluate_all(
        "all => all.findIndex((one) => one.dataset.stops.includes(' '))"
    )
    phone.page.locator("svg .mark").nth(many).click()
    numbers = phone.page.locator("svg .mark").nth(many).get_attribute("data-stops").split()
    expect(phone.page.locator("#chosen a")).to_have_count(len(numbers))
    phone.page.locator("#chosen a").first.click()
    phone.wait_screen("stop")
    assert phone.page.evaluate("location.hash") == f"#/stop/{stops[int(numbers[0]) - 1]['id']}"


@pytest.mark.slow
def test_the_map_is_moved_by_buttons_fingers_and_wheel(phone):
    phone.go("/map")
    phone.wait_screen("map")
    sheet = phone.page.locator("svg.sketch").bounding_box()

    def home() -> dict:
        """Where the office is drawn, once the screen has been drawn."""
        phone.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return phone.page.locator("svg .home").bounding_box()

    def width() -> float:
        home()
        return phone.page.locator("svg path.way").bounding_box()["width"]

    before = home()
    phone.page.mouse.move(sheet["x"] + 40, sheet["y"] + 40)
    phone.page.mouse.down()
    phone.page.mouse.move(sheet["x"] + 70, sheet["y"] + 60, steps=3)
    phone.page.mouse.up()
    moved = home()
    assert (moved["x"] - before["x"], moved["y"] - before["y"]) == (pytest.approx(30, abs=1), pytest.approx(20, abs=1))
    assert phone.screen() == "map", "a drag is no tap"

    wide = width()
    phone.page.click("#nearer")
    assert width() == pytest.approx(1.6 * wide, rel=0.03)
    phone.page.click("#further")
    assert width() == pytest.approx(wide, rel=0.03)
    phone.page.mouse.move(sheet["x"] + 40, sheet["y"] + 40)
    phone.page.mouse.wheel(0, -100)
    assert width() == pytest.approx(1.6 * wide, rel=0.03)
    phone.page.click("#me")
    here = (home(), phone.page.locator("#self .dot").bounding_box())[1]
    middle = sheet["x"] + sheet["width"] / 2, sheet["y"] + sheet["height"] / 2
    assert (here["x"] + here["width"] / 2, here["y"] + here["height"] / 2) == pytest.approx(middle, abs=2)
    phone.page.click("#whole")
    assert width() == pytest.approx(wide, rel=0.03)
    pinch(phone, sheet, 40, 80)
    assert width() == pytest.approx(2 * wide, rel=0.05)


def pinch(phone: Phone, sheet: dict, near: int, far: int) -> None:
    """Two fingers around the middle of the map, from one distance to another."""
    x, y = sheet["x"] + sheet["width"] / 2, sheet["y"] + sheet["height"] / 2
    fingers = phone.context.new_cdp_session(phone.page)
    for kind, apart in (
        ("touchStart", near),
        *(("touchMove", apart) for apart in range(near, far + 1, 4)),
        ("touchEnd", None),
    ):
        points = [] if apart is None else [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.mark.slow
@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_screens_of_the_way_are_fit_for_everybody(phone, language):
    """Behaviours 26 and 27."""
    phone.call("dom", "speak", language)
    stop = phone.call("bag", "today")["stops"][0]
    for width in (320, 360):
        phone.page.set_viewport_size({"width": width, "height": 740})
        for path, screen in (
            ("/order", "order"),
            ("/map", "map"),
            ("/trouble", "trouble"),
            (f"/address/{stop['id']}", "address"),
        ):
            phone.go(path)
            phone.wait_screen(screen)
            assert phone.page.evaluate("document.documentElement.scrollWidth") <= width, screen
            assert complaints(phone) == []
