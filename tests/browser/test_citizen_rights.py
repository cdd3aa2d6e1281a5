"""What citizens may ask of the office beside the paper, on the smallest phone: every path with scripts and without, axe finds nothing."""

from typing import Any

import pytest
from sqlalchemy import exists, select

from courier.settings import load_secrets
from courier.store import links
from courier.store.session import open_database
from courier.store.tables import Item, ItemCharge, Office
from tests.browser.test_axe import SIDEWAYS, SMALL_TARGETS, complaints
from tests.browser.walk import OFFICE, Visitor, choose, hand_over, take_out, visit

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
    choose(page.locator("input[name=kind][value=manner]"))
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
def test_paying_before_the_visit_is_not_confirmed_until_the_cashier_says_so(contexts, own_server, with_scripts):
    desk = visit(contexts.new(), own_server)
    citizen = visit(contexts.new(viewport=SMALL, has_touch=True, java_script_enabled=with_scripts), own_server)
    due = exists().where(ItemCharge.item_id == Item.id, ItemCharge.amount_dong > 0)
    link, last4 = link_of(own_server, Item.state == "planned", due)
    page = citizen.page
    citizen.go(link)
    page.fill("#f-phone_last4", last4)
    page.click("form[action$='/verify'] button")
    open_(citizen, "pay")
    sound(citizen, with_scripts)
    page.click("section.card form .button.main >> nth=0")
    said(citizen, "Chưa xác nhận")
    sound(citizen, with_scripts)
    payload = page.locator("svg.qr").first.get_attribute("data-payload")
    purpose = page.locator("dd .code.strong").first.inner_text()
    assert purpose in payload
    amount = payload.partition("5303704")[2]
    amount = amount[4 : 4 + int(amount[2:4])]

    desk.sign_in("cashier")
    desk.go("/c/prepayments")
    sound(desk, for_thumbs=False)
    desk.page.fill("#f-reference", f"FT{purpose[2:10]}")
    desk.page.fill("#f-amount_dong", amount)
    desk.page.fill("#f-purpose", f"CHUYEN TIEN {purpose}")
    desk.page.click("form.card .button.main")
    said(desk, "Đã trả")
    sound(desk, for_thumbs=False)

    citizen.go(f"{link}/pay")
    said(citizen, "Đã trả")
    assert purpose not in page.content()
    sound(citizen, with_scripts)


@pytest.mark.slow
def test_a_citizen_reads_the_own_data_and_asks_for_restriction(citizen, desk, with_scripts):
    page = citizen.page
    link = page.url.partition("?")[0]
    desk.sign_in("admin")
    open_(citizen, "data")
    sound(citizen, with_scripts)
    with page.expect_download() as kept:
        page.click("a[download]")
    assert kept.value.suggested_filename.endswith(".json")
    choose(page.locator("input[name=kind][value=object]" if with_scripts else "input[name=kind][value=restrict]"))
    page.click("form .button.main")
    said(citizen, "Đang xem xét")
    sound(citizen, with_scripts)
    desk.go("/a/requests")
    sound(desk, for_thumbs=False)
    desk.page.fill("textarea", "Đã ghi nhận.")
    desk.page.click("button[value='1']")
    said(desk, "Đã ghi quyết định.")
    citizen.go(f"{link}/data")
    said(citizen, "Đã ghi nhận.")


@pytest.mark.slow
def test_a_visit_is_rated_and_the_mark_is_changed(contexts, own_server, with_scripts):
    postman = visit(contexts.new(phone=True), own_server)
    postman.sign_in("postman")
    take_out(postman)
    hand_over(postman)
    while (found := link_of(own_server, Item.state == "delivered")) is None:  # whoever received has no phone
        hand_over(postman)
    link, last4 = found
    visitor = visit(contexts.new(viewport=SMALL, java_script_enabled=with_scripts), own_server)
    visitor.go(link)
    visitor.page.fill("#f-phone_last4", last4)
    visitor.page.click("form[action$='/verify'] button")
    open_(visitor, "rating")
    sound(visitor, with_scripts)
    for stars, words in ((2, "Chờ lâu"), (4, "Đã xin lỗi")):
        choose(visitor.page.locator(f"input[name=stars][value='{stars}']"))
        visitor.page.fill("#f-text", words)
        visitor.page.click("form .button.main")
        assert visitor.page.locator("input[name=stars]:checked").get_attribute("value") == str(stars)
        assert visitor.page.locator("#f-text").input_value() == words
    sound(visitor, with_scripts)
    office = visit(contexts.new(), own_server)
    office.sign_in("dispatcher")
    office.go("/d/ratings")
    sound(office, for_thumbs=False)
    assert office.page.locator("td[data-label]").first.inner_text() == "1"
    assert "xin lỗi" not in office.page.content()


def link_of(server, *where) -> tuple[str, str] | None:
    """Link and last digits of the phone of the first such item of the demo's office whose recipient has one."""
    database = open_database(f"sqlite:///{server.var_dir / 'courier.db'}")
    with database.read() as session:
        query = select(Item).join(Office, Office.id == Item.office_id).where(Office.code == OFFICE, *where)
        row = session.scalars(query.where(Item.recipient_phone.is_not(None)).order_by(Item.id)).first()
    database.close()
    if row is None:
        return None
    token = links.token_for(load_secrets(server.var_dir), row.id, row.link_generation)
    return f"{server.url}/t/{token}", row.recipient_phone[-4:]


@pytest.mark.slow
def test_a_page_without_the_proof_leads_to_it_and_tells_nothing(contexts, server, with_scripts):
    stranger = visit(contexts.new(viewport=SMALL, java_script_enabled=with_scripts), server)
    link = stranger.account("citizen")["link"]
    for name in ("complaint", "rating", "pay", "data"):
        stranger.go(f"{link}/{name}")
        sound(stranger, with_scripts)
        assert stranger.page.locator("main form").count() == 0
        stranger.page.click("main .button.main")
        assert stranger.page.locator("#f-phone_last4").count() == 1
