"""The page of the API: Swagger UI from our own files, under a policy that runs nothing but them."""

import json
import urllib.request

from playwright.sync_api import expect

SHOWN = "() => [...document.querySelectorAll('.opblock')].map((one) => one.id)"
AT_THE_END = "() => scrollY + innerHeight >= document.documentElement.scrollHeight - 1"
NEXT_PICTURE = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
METHODS = {"get", "post", "put", "patch", "delete"}


def test_the_page_shows_every_operation_and_breaks_no_policy(server, open_page):
    with urllib.request.urlopen(f"{server.url}/api/openapi.json", timeout=10) as answer:
        document = json.load(answer)
    operations = sum(len(METHODS & set(path)) for path in document["paths"].values())
    page = open_page(f"{server.url}/api/docs")
    # So long a page is made where it is read, and forgotten where it was.
    expect(page.locator(".opblock").first).to_be_visible(timeout=20_000)
    page.mouse.move(640, 400)
    seen: set[str] = set()
    while len(seen) < operations and page.evaluate(AT_THE_END) is False:
        seen |= set(page.evaluate(SHOWN))
        page.mouse.wheel(0, 400)
        page.evaluate(NEXT_PICTURE)
    assert len(seen | set(page.evaluate(SHOWN))) == operations
    page.evaluate("() => scrollTo(0, 0)")
    page.locator(".opblock", has_text="/api/v1/sessions").first.click()
    expect(page.locator(".responses-table").first).to_be_visible()


def test_the_page_of_the_api_asks_nobody_else(server, contexts):
    page = contexts.new().new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/api/docs")
    expect(page.locator(".opblock").first).to_be_visible(timeout=20_000)
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []
