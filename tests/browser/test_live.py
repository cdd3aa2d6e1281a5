"""The dispatcher's live board follows the day by itself."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT
from tests.browser.phone import deliver, rows
from tests.browser.test_axe import SIDEWAYS, complaints
from tests.browser.walk import Visitor, visit

EVERY_MS = 2000
LIVE_JS = ROOT / "api" / "web" / "static" / "js" / "live.js"


def a_board(contexts, server, **options) -> Visitor:
    """The live board, as a dispatcher sees it."""
    visitor = visit(contexts.new(**options), server)
    visitor.sign_in("dispatcher")
    visitor.go("/d/live")
    return visitor


def card_of(page: Page, name: str):
    return page.locator("article.going").filter(has=page.locator("h2", has_text=name))


def done_on(page: Page, name: str) -> str:
    return card_of(page, name).locator("dd").first.inner_text()


def test_what_a_phone_sends_is_on_the_board_within_three_seconds_and_nobody_reloads(contexts, phone, own_server):
    """Behaviour 20. The board looks every 2 s, and the first look that begins after the server has the act shows it.

    How long a look takes is measured by `tests.bench.bench_live`: here a busy machine would be measured with it.
    """
    name = next(row["name"] for row in _people(own_server) if row["login"] == phone.account["login"])
    board = a_board(contexts, own_server)
    board.page.evaluate("() => { globalThis.neverReloaded = true; }")
    card_of(board.page, name).locator("details summary").click()
    before = done_on(board.page, name)
    looks: list[str] = []
    phone.page.on("response", lambda answer: looks.clear() if answer.url.endswith("/api/v1/sync") else None)
    board.page.on("request", lambda sent: looks.append(sent.url) if "/d/live/board" in sent.url else None)
    deliver(phone)
    phone.wait_pending(0)
    expect(card_of(board.page, name).locator("dd").first).not_to_have_text(before, timeout=30_000)
    assert len(looks) <= 2, "one may have been on its way when the act came"
    assert board.page.evaluate("() => globalThis.neverReloaded")
    assert card_of(board.page, name).locator("details").get_attribute("open") is not None
    assert complaints(board) == []
    assert int(re.search(r"EVERY_MS = (\d+)", LIVE_JS.read_text()).group(1)) == EVERY_MS


@pytest.mark.slow
def test_the_board_asks_only_while_it_is_seen_and_says_when_it_last_heard_the_server(contexts, own_server):
    board = a_board(contexts, own_server)
    asked: list[str] = []
    board.page.on("request", lambda sent: asked.append(sent.url) if "/d/live/board" in sent.url else None)
    with board.page.expect_response(lambda answer: "/d/live/board" in answer.url) as first:
        pass
    assert first.value.status == 304
    _hide(board.page, hidden=True)
    board.page.wait_for_timeout(2500)  # longer than it ever waits between two looks
    count = len(asked)
    board.page.wait_for_timeout(2500)
    assert len(asked) == count
    own_server.stop()
    _hide(board.page, hidden=False)
    expect(board.page.locator("#live-heard")).to_contain_text("Mất liên lạc")
    own_server.start()
    expect(board.page.locator("#live-heard")).to_contain_text("Cập nhật lúc", timeout=30_000)


@pytest.mark.slow
def test_the_board_is_fit_for_a_phone_and_for_keys(contexts, own_server):
    for language in ("vi", "en"):
        board = visit(contexts.new(phone=True), own_server)
        board.sign_in("dispatcher")
        board.speak(language)
        board.go("/d/live")
        expect(board.page.locator("#map[data-ready]")).to_be_attached()
        assert board.page.evaluate(SIDEWAYS) <= 0
        assert complaints(board) == []
    summary = board.page.locator("article.going summary").first
    summary.focus()
    board.page.keyboard.press("Enter")
    expect(board.page.locator("article.going details").first).to_have_attribute("open", "")


def _people(server) -> list[dict]:
    return rows(server, "SELECT login, name FROM staff")


def _hide(page: Page, *, hidden: bool) -> None:
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "visibilityState", { value: hidden ? "hidden" : "visible", configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )
