"""Everybody can use the pages: axe finds nothing, letters have contrast for sunlight, thumbs hit, nothing runs off sideways."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Server, _running
from tests.browser.walk import WALKS, Visitor, visit, work_a_morning

# Beyond what the law asks for: contrast of 7:1, which a postman needs in the sun.
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {"color-contrast-enhanced": {"enabled": True}},
    "resultTypes": ["violations"],
}
FOR_THUMBS = ("nobody", "citizen", "postman")
SMALL_TARGETS = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary')]
    .filter((one) => one.checkVisibility() && !['checkbox', 'radio', 'hidden'].includes(one.type))
    .filter((one) => !one.closest('li, dd, td, .say') && !one.matches('.skip, .hidden-words'))
    .filter((one) => one.getBoundingClientRect().height < 47.5)
    .map((one) => `${one.outerHTML.slice(0, 90)}: ${one.getBoundingClientRect().height}`)"""
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def worked(demo_day, tmp_path_factory, browser) -> Iterator[Server]:
    """A server on which a morning has been worked."""
    for running in _running(demo_day, tmp_path_factory.mktemp("worked") / "var"):
        context = browser.new_context(locale="vi-VN")
        work_a_morning(visit(context, running))
        context.close()
        yield running


def complaints(visitor: Visitor) -> list[str]:
    found = Axe().run(visitor.page, options=RULES).response["violations"]
    return [f"{rule['id']}: {node['html'][:140]}" for rule in found for node in rule["nodes"]]


def _walks() -> Iterator[Any]:
    """Every role on a phone and at a desk, in both languages; in the short suite each where it is at home."""
    for role in WALKS:
        for phone, language in itertools.product((True, False), ("vi", "en")):
            at_home = (phone, language) == ((True, "vi") if role in FOR_THUMBS else (False, "en"))
            where = f"{role}-{'phone' if phone else 'desk'}-{language}"
            yield pytest.param(role, phone, language, id=where, marks=() if at_home else pytest.mark.slow)


@pytest.mark.parametrize(("role", "phone", "language"), list(_walks()))
def test_every_page_is_fit_for_everybody(worked, contexts, role, phone, language):
    """What axe says, targets of 48 pixels for thumbs, and no page wider than a screen of 320 pixels."""
    visitor = visit(contexts.new(phone=phone), worked)
    visitor.speak(language)
    found = {}
    for name in WALKS[role](visitor):
        faults = complaints(visitor)
        if phone and role in FOR_THUMBS:
            faults += visitor.page.evaluate(SMALL_TARGETS)
        usual = visitor.page.viewport_size
        visitor.page.set_viewport_size({"width": 320, "height": 640})
        if over := visitor.page.evaluate(SIDEWAYS):
            faults.append(f"{over} pixels over")
        visitor.page.set_viewport_size(usual)
        if faults:
            found[name] = faults
    assert not found


@pytest.mark.slow
@pytest.mark.parametrize("role", list(WALKS))
def test_no_page_runs_off_sideways_on_320_pixels(worked, contexts, role):
    visitor = visit(contexts.new(viewport={"width": 320, "height": 640}), worked)
    found = {name: over for name in WALKS[role](visitor) if (over := visitor.page.evaluate(SIDEWAYS)) > 0}
    assert not found


@pytest.mark.slow
@pytest.mark.parametrize("role", FOR_THUMBS)
def test_letters_twice_as_large_still_fit_a_phone(worked, contexts, role):
    visitor = visit(contexts.new(viewport={"width": 360, "height": 740}), worked)
    found = {}
    for name in WALKS[role](visitor):
        visitor.page.evaluate("document.documentElement.style.fontSize = '200%'")
        if (over := visitor.page.evaluate(SIDEWAYS)) > 0:
            found[name] = over
    assert not found
