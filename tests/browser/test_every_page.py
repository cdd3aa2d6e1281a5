"""Every page that a role can reach by a link: readable on a phone and at a desk, and nothing for axe to find."""

from urllib.parse import urldefrag, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Server

# A list of 400 items is one page in 400 copies: of links that differ in an id only, one is followed.
MOST = 25


def shape(address: str) -> str:
    """The address without ids and queries."""
    parts = [part if len(part) < 16 else "*" for part in urlsplit(address).path.split("/")]
    return "/".join(parts)


def complaints(page: Page) -> list[str]:
    found = Axe().run(page)
    said = [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found.response["violations"]]
    widest = page.evaluate("document.documentElement.scrollWidth")
    if widest > page.evaluate("innerWidth"):
        said.append(f"scrolls sideways: {widest} px wide")
    if page.locator("h1").count() != 1:
        said.append(f"{page.locator('h1').count()} first headings")
    return [f"{urlsplit(page.url).path}: {sentence}" for sentence in said]


def walk(page: Page, server: Server) -> tuple[list[str], list[str]]:
    """Complaints about, and shapes of, the pages that links lead to."""
    waiting, seen, said = [page.url], set(), []
    while waiting and len(seen) < MOST:
        address = waiting.pop(0)
        if shape(address) in seen:
            continue
        seen.add(shape(address))
        answer = page.goto(address)
        assert answer is not None
        if answer.headers.get("content-type", "").split(";")[0] != "text/html":
            continue
        if answer.status != 200:
            said.append(f"{urlsplit(address).path}: {answer.status}")
            continue
        said += complaints(page)
        links = page.locator("a[href]:not([download])").evaluate_all("links => links.map(link => link.href)")
        pages = [urldefrag(link).url for link in links if link.startswith(f"{server.url}/")]
        waiting += [link for link in pages if not link.startswith(f"{server.url}/api/")]
    return said, sorted(seen)


SHAPES = [
    ("postman", "phone"),
    ("clerk", "desk"),
    ("dispatcher", "desk"),
    ("cashier", "desk"),
    ("admin", "desk"),
    ("agency", "desk"),
    pytest.param("postman", "desk", marks=pytest.mark.slow),
    pytest.param("clerk", "phone", marks=pytest.mark.slow),
    pytest.param("dispatcher", "phone", marks=pytest.mark.slow),
    pytest.param("cashier", "phone", marks=pytest.mark.slow),
    pytest.param("admin", "phone", marks=pytest.mark.slow),
    pytest.param("agency", "phone", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("role", "shown_on"), SHAPES)
def test_every_page_of_a_role_is_sound(role, shown_on, server, open_page):
    page = open_page(f"{server.url}/sign-in", phone=shown_on == "phone")
    server.enter(page, role)
    said, seen = walk(page, server)
    assert said == []
    assert len(seen) > 2, seen


@pytest.mark.parametrize("shown_on", ["phone", "desk"])
def test_every_page_of_a_citizen_is_sound(shown_on, server, open_page):
    said, _ = walk(open_page(server.citizen_link(), phone=shown_on == "phone"), server)
    assert said == []


def test_a_page_that_is_not_sound_is_complained_about(open_page):
    page = open_page("about:blank")
    page.set_content(
        "<html lang=vi><title>x</title><main><h1>A</h1><h1>B</h1><img src=x><p style=width:9999px>C</main>"
    )
    heard = "\n".join(complaints(page))
    assert "image-alt" in heard
    assert "scrolls sideways" in heard
    assert "2 first headings" in heard
