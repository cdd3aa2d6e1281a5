"""What citizens may ask of the office beside the paper, on the smallest phone: every path with scripts and without, axe finds nothing."""

from typing import Any

import pytest

from tests.browser.test_axe import SIDEWAYS, SMALL_TARGETS, complaints
from tests.browser.walk import Visitor, visit

SMALL = {"width": 320, "height": 640}
SCRIPTS = [pytest.param(True, id="scripts"), pytest.param(False, id="plain", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=SCRIPTS)
def with_scripts(request) -> bool:
    return request.param


@pytest.fixture
def citizen(contexts, server, with_scripts) -> Visitor:
    """At the link, on 320 pixels, with the proof given."""
    visitor = visit(contexts.new(viewport=SMALL, has_touch=True, java_script_enabled=with_scripts), server)
    account = visitor.account("citizen")
    visitor.go(account["link"])
    visitor.page.fill("#f-phone_last4", account["phone_last4"])
    visitor.page.click("form[action$='/verify'] button")
    return visitor


@pytest.fixture
def desk(contexts, server) -> Visitor:
    return visit(contexts.new(), server)


def sound(visitor: Visitor, with_scripts: bool = True, *, for_thumbs: bool = True) -> None:
    """Nothing for axe to find, nothing off the side, and every target as high as a thumb."""
    if with_scripts:
        assert complaints(visitor) == []
        assert visitor.page.evaluate(SIDEWAYS) <= 0
        if for_thumbs:
            assert visitor.page.evaluate(SMALL_TARGETS) == []


def open_(visitor: Visitor, name: str) -> None:
    """By the button on the link's page."""
    visitor.page.click(f"nav a[href$='/{name}']")


def said(visitor: Visitor, words: Any) -> None:
    visitor.page.get_by_text(words).first.wait_for()


def test_a_complaint_gets_its_number_and_its_answer(citizen, desk, with_scripts):
    page = citizen.page
    link = page.url.partition("?")[0]
    open_(citizen, "complaint")
    sound(citizen, with_scripts)
    page.check("input[name=kind][value=manner]", force=True)
    page.fill("#f-text", "Bưu tá không gọi trước khi đến.")
    page.click("form .button.main")
    number = page.locator("dd.code").first.inner_text()
    assert number.startswith("KN-")
    sound(citizen, with_scripts)

    desk.sign_in("dispatcher")
    desk.go("/d/complaints")
    sound(desk, for_thumbs=False)
    desk.page.locator("tr", has_text=number).locator("a.button").click()
    sound(desk, for_thumbs=False)
    desk.page.fill("#f-answer", f"Bưu cục đã nhắc nhở ({number}).")
    desk.page.click("form .button.main")
    said(desk, f"Bưu cục đã nhắc nhở ({number}).")

    citizen.go(f"{link}/complaint")
    said(citizen, f"Bưu cục đã nhắc nhở ({number}).")
    sound(citizen, with_scripts)


@pytest.mark.slow
def test_a_page_without_the_proof_leads_to_it_and_tells_nothing(contexts, server, with_scripts):
    stranger = visit(contexts.new(viewport=SMALL, java_script_enabled=with_scripts), server)
    link = stranger.account("citizen")["link"]
    for name in ("complaint",):
        stranger.go(f"{link}/{name}")
        sound(stranger, with_scripts)
        assert stranger.page.locator("main form").count() == 0
        stranger.page.click("main .button.main")
        assert stranger.page.locator("#f-phone_last4").count() == 1
