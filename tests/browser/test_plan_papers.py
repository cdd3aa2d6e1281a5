"""What the dispatcher prints, as the browser really prints it: pages of A4, all stops and sums, and nothing on a label that should not be."""

import os
import re
from pathlib import Path

import pytest

from tests.browser.pdf import sheets
from tests.browser.walk import visit

A4 = (pytest.approx(210, abs=1), pytest.approx(297, abs=1))
SHOTS = os.environ.get("COURIER_SHOTS")


@pytest.fixture
def desk(contexts, server):
    """A dispatcher at the page of today's plan."""
    visitor = visit(contexts.new(viewport={"width": 1280, "height": 900}), server)
    visitor.sign_in("dispatcher")
    visitor.page.click("main a[href*='/d/plans/'] >> nth=0")
    visitor.page.wait_for_selector("#map[data-ready]")
    return visitor


def printed(visitor, path):
    """The page as a PDF of the sizes that its sheet of styles asks for."""
    visitor.go(path)
    return visitor.page.pdf(prefer_css_page_size=True, print_background=False)


def keep(visitor, name):
    """A picture for whoever wants to look (COURIER_SHOTS names a folder)."""
    if SHOTS:
        visitor.page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def test_the_run_sheets_are_printed_on_a4_each_postman_on_pages_of_his_own(desk):
    plan_id = desk.page.url.partition("?")[0].rpartition("/")[2]
    plan = desk.page.request.get(f"{desk.url}/api/v1/plans/{plan_id}").json()
    keep(desk, "plan")

    pages = sheets(printed(desk, f"/d/plans/{plan_id}/sheet"))

    assert all((page.width_mm, page.height_mm) == A4 for page in pages)
    routes = plan["routes"]
    assert len(routes) <= len(pages) <= len(routes) + sum(len(route["stops"]) for route in routes) // 7
    whole = " ".join(page.text for page in pages)
    heads = [sum(f"Phiếu phát – {route['postman_name']}" in page.text for page in pages) for route in routes]
    assert heads == [1] * len(routes), "each round begins on a page of its own"
    items = [item for route in routes for stop in route["stops"] for item in stop["items"]]
    for item in items[:: max(1, len(items) // 12)]:
        row = desk.page.request.get(f"{desk.url}/api/v1/items/{item}").json()
        assert row["barcode"] in whole
    assert "Bưu tá nhận" in whole
    assert "Về phương án" not in whole, "what is for the screen stays there"
    keep(desk, "sheet-screen")
    desk.page.emulate_media(media="print")
    desk.page.set_viewport_size({"width": 718, "height": 1000})
    keep(desk, "sheet-print")


def test_labels_are_eight_on_a_page_and_say_no_more_than_an_envelope_may(desk):
    plan_id = desk.page.url.partition("?")[0].rpartition("/")[2]
    plan = desk.page.request.get(f"{desk.url}/api/v1/plans/{plan_id}").json()

    pages = sheets(printed(desk, f"/d/plans/{plan_id}/labels"))

    counts = [sum(len(stop["items"]) for stop in route["stops"]) for route in plan["routes"]]
    assert len(pages) == sum(-(-count // 8) for count in counts)
    assert all((page.width_mm, page.height_mm) == A4 for page in pages)
    whole = " ".join(page.text for page in pages)
    first = plan["routes"][0]["stops"][0]["items"][0]
    row = desk.page.request.get(f"{desk.url}/api/v1/items/{first}").json()
    assert row["barcode"] in whole
    assert not re.search(r"\b0\d{9}\b|\b\d{12}\b| đ\b", whole), "no phone, no ID number, no money"
    for kind in ("Giấy phép lái xe", "Thẻ căn cước", "lý lịch tư pháp", "quyền sử dụng đất"):
        assert kind.lower() not in whole.lower()
    keep(desk, "labels-screen")
    desk.page.emulate_media(media="print")
    desk.page.set_viewport_size({"width": 794, "height": 1123})
    keep(desk, "labels-print")


@pytest.mark.slow
def test_left_out_stops_and_two_plans_can_be_read_on_a_phone_and_at_a_desk(desk):
    plan_id = desk.page.url.partition("?")[0].rpartition("/")[2]
    for width in (1280, 360):
        desk.page.set_viewport_size({"width": width, "height": 800})
        for name in ("left-out", f"compare/{plan_id}", "sheet", "labels"):
            desk.go(f"/d/plans/{plan_id}/{name}")
            assert desk.page.evaluate("document.documentElement.scrollWidth") <= width
            keep(desk, f"{name.partition('/')[0]}-{width}")
