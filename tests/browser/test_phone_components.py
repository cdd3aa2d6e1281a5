"""The components of the phone's screens, each alone: the scanner, the sheet to sign on, the photo."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from api.web.texts import catalogue
from tests.browser.camera import a_photo, deny_camera, show_code, with_camera


@pytest.fixture
def page(contexts, server) -> Page:
    """The app in a browser with a camera; nobody has signed in."""
    page = with_camera(contexts.new(phone=True)).new_page()
    page.goto(f"{server.url}/phone")
    page.wait_for_selector("body[data-screen='sign-in']")
    return page


def words(key: str) -> str:
    """A text of the catalogue."""
    return catalogue("vi")[key]


def module_of(page: Page, name: str) -> str:
    """Where the app's own module lies."""
    return f"/phone/{page.locator('body').get_attribute('data-build')}/{name}.js"


def mount(page: Page, module: str, function: str, **options: Any) -> None:
    """Show one component alone; what it tells is collected in `window.heard`."""
    page.evaluate(
        """async ([address, name, options]) => {
            const component = (await import(address))[name];
            window.heard = [];
            window.leave = new AbortController();
            const hear = (value) => { window.heard.push(value); };
            const element = component({ label: "X", ...options, found: hear, changed: hear, signal: window.leave.signal });
            document.getElementById("main").replaceChildren(element);
        }""",
        [module_of(page, module), function, options],
    )


def heard(page: Page) -> Any:
    """What the component told last."""
    return page.evaluate("window.heard.at(-1)")


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    """One stroke on the sheet, in shares of its size."""
    sheet = page.locator("canvas.pad")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box is not None
    mouse = page.mouse
    for number, (x, y) in enumerate(points):
        mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if number == 0:
            mouse.down()
    mouse.up()


@pytest.mark.slow
def test_the_scanner_tells_each_code_once_and_lets_the_camera_go_when_the_screen_is_left(page):
    mount(page, "scan", "scanner")
    scan = page.locator(".scan")
    scan.get_by_role("button").first.click()
    expect(scan).to_have_attribute("data-scan", "open")
    show_code(page, "PA111111111VN")
    page.wait_for_function("() => window.heard.length === 1")
    show_code(page, "PA222222222VN")
    page.wait_for_function("() => window.heard.length === 2")
    assert page.evaluate("window.heard") == ["PA111111111VN", "PA222222222VN"]
    page.evaluate("window.leave.abort()")
    expect(scan).to_have_attribute("data-scan", "closed")
    assert page.evaluate("window.cameras.every((one) => one.getTracks().every((t) => t.readyState === 'ended'))")


def test_without_a_camera_or_without_leave_to_use_it_there_is_typing(page):
    """Behaviour 32, the component's part."""
    deny_camera(page)
    mount(page, "scan", "scanner")
    scan = page.locator(".scan")
    scan.get_by_role("button").first.click()
    expect(scan).to_have_attribute("data-scan", "denied")
    expect(scan).to_contain_text(words("phone.scan.denied"))
    page.evaluate("delete window.BarcodeDetector")
    mount(page, "scan", "scanner")
    expect(scan).to_have_attribute("data-scan", "absent")
    expect(scan.get_by_role("button")).to_have_count(0)


def test_a_signature_is_strokes_that_make_the_same_picture_again(page):
    mount(page, "sign", "pad")
    sign = page.locator(".sign")
    draw(page, [(0.2, 0.5), (0.3, 0.4)])
    expect(sign).to_have_attribute("data-sign", "short")
    draw(page, [(0.4, 0.5), (0.5, 0.3), (0.6, 0.7), (0.8, 0.5)])
    expect(sign).to_have_attribute("data-sign", "signed")
    strokes = heard(page)
    assert [len(stroke) for stroke in strokes] == [2, 4]
    assert strokes[1][0] == pytest.approx([0.4, 0.5], abs=0.01)
    assert picture(page, strokes) == picture(page, strokes)
    assert picture(page, strokes).startswith(b"\x89PNG")
    sign.get_by_role("button").click()
    expect(sign).to_have_attribute("data-sign", "empty")
    assert heard(page) == []


def picture(page: Page, strokes: Any) -> bytes:
    """The signature as a file."""
    found = page.evaluate(
        "async ([address, strokes]) => [...new Uint8Array(await (await (await import(address)).png(strokes)).arrayBuffer())]",
        [module_of(page, "sign"), strokes],
    )
    return bytes(found)


@pytest.mark.slow
def test_a_photo_is_made_small_and_says_nothing_of_its_camera(page):
    mount(page, "photo", "camera")
    photo = page.locator(".photo")
    taken = a_photo(3000, 1200)
    assert b"Exif" in taken
    page.locator(".photo input").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": taken})
    expect(photo).to_have_attribute("data-photo", "taken")
    made = bytes(page.evaluate("async () => [...new Uint8Array(await window.heard.at(-1).arrayBuffer())]"))
    assert made[:3] == b"\xff\xd8\xff"
    assert b"Exif" not in made
    assert len(made) < len(taken)
    size = page.evaluate(
        "async () => { const p = await createImageBitmap(window.heard.at(-1)); return [p.width, p.height]; }"
    )
    assert size == [1600, 640]
    page.locator(".photo input").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    expect(photo).to_contain_text(words("phone.photo.unreadable"))
    expect(photo).to_have_attribute("data-photo", "taken")
    photo.get_by_role("button", name=words("phone.photo.drop")).click()
    expect(photo).to_have_attribute("data-photo", "none")
    assert heard(page) is None
