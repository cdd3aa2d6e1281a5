"""The board of a plan in a real browser: by mouse, finger, keyboard and plain forms; two dispatchers; axe."""

import pytest

from tests.browser.test_axe import complaints
from tests.browser.walk import visit


def on_the_board(contexts, server, *, phone=False, **options):
    """A dispatcher with a copy of today's plan on the table."""
    visitor = visit(contexts.new(phone=phone, **options), server)
    visitor.sign_in("dispatcher")
    visitor.page.click("main a[href*='/d/plans/'] >> nth=0")
    visitor.page.click("form[action$='/copy'] button")
    visitor.page.wait_for_selector("[data-board]")
    return visitor


def is_ready(visitor):
    visitor.page.wait_for_selector("[data-board][data-ready] #map[data-ready]")


def lanes(page):
    """Postman -> the stops of his column, each by its items."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".lane")].map((lane) =>
        [lane.dataset.postman, [...lane.querySelectorAll(".leg")].map((leg) => leg.dataset.items)]))"""
    )


def full_lanes(page, *, most=2):
    found = [(postman, legs) for postman, legs in lanes(page).items() if postman and len(legs) >= 3]
    assert len(found) >= most, "the demo day has routes to move between"
    return found[:most]


def shown(page, version):
    page.wait_for_selector(f"[data-board][data-shown='{version}']")


def version(page):
    return int(page.input_value("[data-board] input[name=version]"))


def drag(page, source, target, *, below=False):
    """Press on one stop, carry it over another in steps, and let go."""
    page.locator(".lanes").evaluate("one => one.scrollIntoView({block: 'end'})")
    page.locator(source).scroll_into_view_if_needed()
    start = page.locator(source).bounding_box()
    page.mouse.move(start["x"] + 60, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(start["x"] + 70, start["y"] + start["height"] / 2 + 10, steps=3)
    end = page.locator(target).bounding_box()
    page.mouse.move(end["x"] + 60, end["y"] + end["height"] * (0.9 if below else 0.1), steps=8)
    page.wait_for_selector(".ghost span:not(:text('…'))")
    page.mouse.up()


def test_a_stop_is_dragged_to_another_route_and_ctrl_z_brings_it_back(contexts, own_server):
    visitor = on_the_board(contexts, own_server)
    page = visitor.page
    is_ready(visitor)
    before, seen = lanes(page), version(page)
    (one, legs), (other, others) = full_lanes(page)

    drag(page, f".leg[data-items='{legs[0]}']", f".leg[data-items='{others[1]}']")

    shown(page, seen + 1)
    after = lanes(page)
    assert after[other] == [others[0], legs[0], *others[1:]]
    assert after[one] == legs[1:]
    assert page.inner_text("[data-told]")
    page.reload()
    is_ready(visitor)
    assert lanes(page) == after
    page.locator(f".leg[data-items='{legs[0]}'] input").first.focus()
    page.keyboard.press("Control+z")
    shown(page, seen + 2)
    assert lanes(page) == before


@pytest.mark.slow
def test_the_same_by_keyboard_alone(contexts, own_server):
    visitor = on_the_board(contexts, own_server)
    page = visitor.page
    is_ready(visitor)
    before, seen = lanes(page), version(page)
    (one, legs), (other, _) = full_lanes(page)
    page.locator(f".leg[data-items='{legs[0]}'] input").first.focus()

    page.keyboard.press("Alt+ArrowDown")
    shown(page, seen + 1)
    assert lanes(page)[one][:2] == [legs[1], legs[0]]
    assert page.evaluate("document.activeElement.closest('.leg').dataset.items") == legs[0]

    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert "2" in page.inner_text("[data-selected]")
    chosen = [legs[2], legs[3]] if len(legs) > 3 else [legs[2]]
    page.keyboard.press("Alt+ArrowRight")
    shown(page, seen + 2)
    assert set(chosen) <= set(lanes(page)[other])

    page.locator("#b-lock").evaluate("one => one.closest('details').open = true")
    page.select_option("#b-lock", "keep_postman")
    page.focus("button[value=lock]")
    page.keyboard.press("Enter")
    shown(page, seen + 3)
    held = page.locator(f".leg[data-items='{chosen[0]}']")
    assert held.get_attribute("data-lock") == "keep_postman"
    assert held.locator(".held").inner_text()

    held.locator("input").first.focus()
    for step in (4, 5, 6):
        page.keyboard.press("Control+z")
        shown(page, seen + step)
    assert lanes(page) == before
    page.keyboard.press("Control+y")
    shown(page, seen + 7)
    assert lanes(page)[one][:2] == [legs[1], legs[0]]


@pytest.mark.slow
def test_a_stop_is_taken_off_by_dragging_and_dragged_in_again_and_the_map_follows(contexts, own_server):
    visitor = on_the_board(contexts, own_server)
    page = visitor.page
    is_ready(visitor)
    seen = version(page)
    (one, legs), _ = full_lanes(page)
    out = page.locator(".lane.out .leg").first.get_attribute("data-items")

    drag(page, f".leg[data-items='{legs[0]}']", f".leg[data-items='{out}']")
    shown(page, seen + 1)
    assert legs[0] in lanes(page)[""]
    drag(page, f".leg[data-items='{legs[0]}']", f".leg[data-items='{legs[1]}']")
    shown(page, seen + 2)
    assert lanes(page)[one] == legs

    page.evaluate(
        """() => { const box = document.querySelector('#map').getBoundingClientRect();
        window.scrollBy(0, box.top - 200); }"""
    )
    page.locator(f".leg[data-items='{legs[1]}'] input").first.check()
    assert page.locator(".leg:has(input[name=items]:checked)").count() == 1


@pytest.mark.slow
def test_a_finger_holds_then_drags_and_a_quick_one_scrolls(contexts, own_server):
    visitor = on_the_board(contexts, own_server, phone=True)
    page = visitor.page
    is_ready(visitor)
    seen = version(page)
    (one, legs), _ = full_lanes(page)
    touch = page.context.new_cdp_session(page)
    page.locator(f".leg[data-items='{legs[0]}']").evaluate(
        "one => one.scrollIntoView({block: 'center', inline: 'center'})"
    )

    def point(items, share):
        box = page.locator(f".leg[data-items='{items}']").bounding_box()
        return {"x": box["x"] + 60, "y": box["y"] + box["height"] * share}

    def send(kind, *points):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    send("touchStart", point(legs[0], 0.5))
    page.wait_for_selector(".ghost")
    end = point(legs[1], 0.9)
    for share in (0.3, 0.6, 1.0):
        start = point(legs[0], 0.5)
        send("touchMove", {"x": start["x"], "y": start["y"] + (end["y"] - start["y"]) * share})
    page.wait_for_selector(".ghost span:not(:text('…'))")
    send("touchEnd")
    shown(page, seen + 1)
    assert lanes(page)[one][:2] == [legs[1], legs[0]]


@pytest.mark.slow
def test_without_scripts_every_change_is_a_form(contexts, own_server):
    visitor = on_the_board(contexts, own_server, java_script_enabled=False)
    page = visitor.page

    def columns():
        return {
            lane.get_attribute("data-postman"): [
                leg.get_attribute("data-items") for leg in lane.query_selector_all(".leg")
            ]
            for lane in page.query_selector_all(".lane")
        }

    before = columns()
    (one, legs), (other, _) = [(k, v) for k, v in before.items() if k and len(v) >= 3][:2]
    page.check(f".leg[data-items='{legs[0]}'] input >> nth=0")
    page.select_option("#b-postman", other)
    page.fill("#b-place", "1")
    page.click("button[value=move]")
    page.wait_for_url("**done=plan_changed")
    assert columns()[other][0] == legs[0]
    page.click("button[value=undo]")
    page.wait_for_selector(f".lane[data-postman='{one}'] .leg[data-items='{legs[0]}']")
    assert columns() == before
    page.click("button[value=unplan]")
    page.wait_for_selector(".say.bad")
    assert columns() == before


@pytest.mark.slow
def test_the_second_dispatcher_is_told_what_the_first_did(contexts, own_server):
    first = on_the_board(contexts, own_server)
    is_ready(first)
    second = visit(contexts.new(), own_server)
    second.sign_in("dispatcher")
    second.go(first.page.url)
    is_ready(second)
    (_, legs), (other, _) = full_lanes(first.page)
    seen = version(first.page)
    first.page.locator(f".leg[data-items='{legs[0]}'] input").first.check()
    first.page.select_option("#b-postman", other)
    first.page.click("button[value=move]")
    shown(first.page, seen + 1)
    after = lanes(first.page)

    second.page.locator(f".leg[data-items='{legs[0]}'] input").first.check()
    second.page.click("button[value=unplan]")

    second.page.wait_for_selector("#overtaken[open] li")
    told = second.page.inner_text("#overtaken li")
    assert "Chuyển điểm, 1 điểm" in told
    assert complaints(second) == []
    second.page.click("#overtaken .button.main")
    is_ready(second)
    assert lanes(second.page) == after


@pytest.mark.slow
@pytest.mark.parametrize("phone", [False, True])
def test_axe_finds_nothing_on_a_board(contexts, own_server, phone):
    visitor = on_the_board(contexts, own_server, phone=phone)
    is_ready(visitor)
    visitor.page.locator(".leg input").first.check()
    found = complaints(visitor)
    assert found == [], found


@pytest.mark.slow
def test_the_best_routes_so_far_stand_on_the_page_while_the_search_goes_on_and_are_kept_when_it_is_stopped(
    contexts, own_server
):
    visitor = visit(contexts.new(), own_server)
    visitor.sign_in("dispatcher")
    page = visitor.page
    page.select_option("select[name=seconds]", "60")
    page.click("form[action$='/d/plans'] button")
    page.wait_for_selector("[data-follow]")
    page.wait_for_selector("[data-so-far-routes]:not([hidden]) details[data-route]", timeout=60_000)
    page.wait_for_selector("#map[data-ready]")
    so_far = page.locator("[data-so-far-routes] tbody tr").count()
    assert so_far > 0
    assert page.locator("progress").get_attribute("value"), "the search still goes on"

    page.click("form[action$='/stop'] button")

    page.wait_for_selector("[data-board][data-ready]", timeout=40_000)
    assert sum(map(len, lanes(page).values())) >= so_far
