"""Who works when, and the reports, in a browser: entered without scripts on a phone, and printed on A4."""

import re

import pytest

from tests.browser.walk import visit

A4 = b"/MediaBox [0 0 594.95996 841.91998]"


@pytest.mark.slow
def test_a_leave_is_entered_on_a_phone_without_scripts_and_stands_in_the_week(own_server, contexts):
    visitor = visit(contexts.new(phone=True, java_script_enabled=False), own_server)
    visitor.sign_in("dispatcher")
    visitor.go("/d/crew")
    page = visitor.page
    page.click("a[href*='kind=leave']")
    page.select_option("#f-postman", index=1)
    name = page.locator("#f-postman option").nth(1).inner_text()
    page.click("main form .button.main")
    row = page.locator("tr", has=page.get_by_role("rowheader", name=name))
    assert row.locator("a.state").first.inner_text() == "Nghỉ phép"
    row.locator("a.state").first.click()
    page.click("button[value=remove]")
    assert page.locator("tr a.state").count() == 0


@pytest.mark.slow
def test_a_months_report_prints_on_a4_without_what_only_a_screen_needs(server, contexts):
    visitor = visit(contexts.new(), server)
    visitor.sign_in("dispatcher")
    visitor.go("/d/reports/month")
    paper = visitor.page.pdf(prefer_css_page_size=True)
    sizes = re.findall(rb"/MediaBox \[[^\]]*\]", paper)
    assert sizes
    assert set(sizes) == {A4}
    visitor.page.emulate_media(media="print")
    assert not visitor.page.locator(".noprint").first.is_visible()
    assert visitor.page.locator("h1").is_visible()
