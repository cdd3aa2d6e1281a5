"""The codes that the phone draws for another camera: another encoder, and another reader of pixels, find the same squares."""

import io
from typing import Any

import pytest
import segno
from PIL import Image
from playwright.sync_api import Page, expect
from segno import encoder

from api.web import vendor

CONTENTS = [
    "00020101021238530010A0000007270123000697041601092576788590208QRIBFTTA5303704540410005802VN62150811Chuyen tien6304BBB8",
    "BT-3-000017/RE611220012VN",
    "Nguyễn Thị Mười, ấp Cái Giếng",
    "1234567890123456789012",
    "B" * 900,
]


@pytest.fixture
def page(open_page, server) -> Page:
    """The app before anybody has signed in: its modules can be asked all the same."""
    assert vendor.missing() == [], "make vendor"
    opened: Page = open_page(f"{server.url}/phone", phone=True)
    expect(opened.locator("body[data-state='sign-in']")).to_be_attached()
    return opened


@pytest.fixture(autouse=True)
def by_the_standard(monkeypatch) -> None:
    """Segno 1.6.6 adds eight idle bits where none are wanted; readers skip them, a comparison cannot."""
    right = lambda buff, version, length: buff.extend([0] * (-length % 8))  # noqa: E731
    monkeypatch.setattr(encoder, "write_padding_bits", right)


def call(page: Page, module: str, function: str, *arguments: Any) -> Any:
    """Call an exported function of one of the app's modules."""
    build = page.locator("body").get_attribute("data-build")
    return page.evaluate(
        "async ([address, name, given]) => (await import(address))[name](...given)",
        [f"/phone/{build}/{module}.js", function, list(arguments)],
    )


def drawn(page: Page, content: str, *, side: int) -> list[list[bool]]:
    """Draw the code on the screen and look at the pixels in the middle of each of its squares, rim included."""
    build = page.locator("body").get_attribute("data-build")
    page.evaluate(
        """async ([address, content]) => {
            const { qr } = await import(address);
            const frame = document.createElement("div");
            frame.append(await qr(content, "code"));
            document.querySelector("main").replaceChildren(frame);
        }""",
        [f"/phone/{build}/qr.js", content],
    )
    picture = Image.open(io.BytesIO(page.get_by_role("img", name="code").screenshot())).convert("L")
    step = picture.width / side
    centre = [int((place + 0.5) * step) for place in range(side)]
    return [[picture.getpixel((x, y)) < 128 for x in centre] for y in centre]


def test_a_code_has_the_squares_that_another_encoder_gives_it(page):
    for content in CONTENTS:
        code = call(page, "qr", "matrix", content)
        other = segno.make_qr(content, version=code["version"], error="m", mask=code["mask"], encoding="utf-8")
        assert code["rows"] == [[bool(square) for square in row] for row in other.matrix], content
        assert code["version"] == segno.make_qr(content, error="m", encoding="utf-8").version, "no larger than needed"


def test_what_is_on_the_screen_is_the_code_with_its_light_rim(page):
    content = CONTENTS[0]
    code = call(page, "qr", "matrix", content)
    other = segno.make_qr(content, version=code["version"], error="m", mask=code["mask"])
    rim = [[bool(square) for square in row] for row in other.matrix_iter(border=4)]
    assert drawn(page, content, side=len(rim)) == rim


@pytest.mark.slow
def test_bytes_become_a_code_of_bytes(page):
    code = page.evaluate(
        "async (address) => (await import(address)).matrix(new Uint8Array([0, 255, 128, 10]))",
        f"/phone/{page.locator('body').get_attribute('data-build')}/qr.js",
    )
    other = segno.make_qr(bytes([0, 255, 128, 10]), version=code["version"], error="m", mask=code["mask"])
    assert code["rows"] == [[bool(square) for square in row] for row in other.matrix]


@pytest.mark.slow
def test_a_build_without_the_encoder_says_so_in_words(contexts, server):
    context = contexts.new(phone=True)
    context.route("**/uqr.js", lambda route: route.abort())
    page = context.new_page()
    heard: list[str] = []
    page.on("pageerror", lambda fault: heard.append(str(fault)))
    page.goto(f"{server.url}/phone")
    expect(page.locator("body[data-state='sign-in']")).to_be_attached()
    build = page.locator("body").get_attribute("data-build")
    page.evaluate(
        "async (address) => document.querySelector('main').replaceChildren(await (await import(address)).qr('1', 'code'))",
        f"/phone/{build}/qr.js",
    )
    expect(page.locator("main .say.warn")).to_contain_text("Bản này không vẽ được mã QR")
    assert any("uqr.js" in fault for fault in heard), heard
    contexts.complaints.clear()  # the missing file is an error of the page, on purpose
