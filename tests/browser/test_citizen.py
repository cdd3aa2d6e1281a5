"""Every path of the citizen's link on the smallest phone, with scripts and without; axe finds nothing, thumbs hit, nothing runs off."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import select

from courier.settings import load_secrets
from courier.store import messages
from courier.store.session import open_database
from courier.store.tables import Message
from tests.browser.conftest import Server, _running
from tests.browser.test_axe import SIDEWAYS, SMALL_TARGETS, complaints
from tests.browser.walk import Visitor, choose, visit

SMALL = {"width": 320, "height": 640}
SCRIPTS = [pytest.param(True, id="scripts"), pytest.param(False, id="plain", marks=pytest.mark.slow)]


@pytest.fixture(params=SCRIPTS)
def with_scripts(request) -> bool:
    return request.param


@pytest.fixture
def citizen(contexts, own_server, with_scripts) -> Visitor:
    """At the link, on 320 pixels, with the proof given."""
    place = {"latitude": 8.9079, "longitude": 105.0337}
    context = contexts.new(
        viewport=SMALL, has_touch=True, java_script_enabled=with_scripts, geolocation=place, permissions=["geolocation"]
    )
    visitor = visit(context, own_server)
    account = visitor.account("citizen")
    visitor.go(account["link"])
    visitor.page.fill("#f-phone_last4", account["phone_last4"])
    visitor.page.click("form[action$='/verify'] button")
    return visitor


def sound(visitor: Visitor, with_scripts: bool) -> None:
    """Axe, the sides and the thumbs; what a script measures is measured where there are scripts."""
    if with_scripts:
        assert complaints(visitor) == []
        assert visitor.page.evaluate(SIDEWAYS) <= 0
        assert visitor.page.evaluate(SMALL_TARGETS) == []


def open_wish(visitor: Visitor, kind: str) -> None:
    visitor.page.click(f"details:has(input[name=kind][value={kind}]) summary")


def send(visitor: Visitor, kind: str) -> None:
    visitor.page.click(f"details form:has(input[name=kind][value={kind}]) .button.main")


def told(visitor: Visitor, words: str) -> None:
    expect(visitor.page.locator("[role=status].say, [role=alert]").first).to_contain_text(words)


def test_a_window_is_kept_looked_at_again_and_taken(citizen, with_scripts):
    page = citizen.page
    open_wish(citizen, "reschedule")
    sound(citizen, with_scripts)
    choose(page.locator("input[name=slot][type=radio]").first)
    chosen = page.locator("input[name=slot][type=radio]").first.get_attribute("value")
    send(citizen, "reschedule")
    told(citizen, "Đã giữ chỗ")
    expect(page.locator("#held")).to_contain_text(re.compile(r"Giữ đến \d\d:\d\d"))
    sound(citizen, with_scripts)
    page.click("#held .button.main")
    told(citizen, "Đã hẹn lại")
    expect(page.locator(".when").first).to_contain_text(f"{chosen[6:8]}/{chosen[4:6]}/{chosen[:4]}")
    expect(page.locator("#held")).to_have_count(0)


@pytest.mark.slow
def test_a_kept_window_can_be_left_and_another_chosen(citizen):
    page = citizen.page
    for number in (0, 1):
        open_wish(citizen, "reschedule")
        choose(page.locator("input[name=slot][type=radio]").nth(number))
        send(citizen, "reschedule")
    expect(page.locator("#held")).to_have_count(1)
    page.click("#held form:has(input[name=leave]) button")
    told(citizen, "Đã nhường lại")
    expect(page.locator("#held")).to_have_count(0)


@pytest.mark.slow
def test_no_window_chosen_is_said_beside_the_windows(citizen, with_scripts):
    open_wish(citizen, "reschedule")
    send(citizen, "reschedule")
    expect(citizen.page.locator("[role=alert]")).to_contain_text("Mời chọn một khung giờ")
    sound(citizen, with_scripts)


@pytest.mark.slow
def test_the_door_is_told_in_words_by_a_point_and_by_a_picture(citizen, with_scripts, own_server, contexts):
    page = citizen.page
    open_wish(citizen, "instruct")
    sound(citizen, with_scripts)
    page.fill("#f-text", "nhà sau chợ")
    page.fill("#f-landmark", "cạnh trạm y tế")
    choose(page.locator("input[name=call_first]"))
    button = page.locator("[data-here]")
    if with_scripts:
        button.click()
        expect(page.locator("#f-lat")).to_have_value("8.907900")
        expect(page.locator("#f-lon")).to_have_value("105.033700")
        page.fill("#f-lat", "")
        page.fill("#f-lon", "")
    else:
        expect(button).to_be_hidden()
    picture = io.BytesIO()
    Image.new("RGB", (300, 200), "green").save(picture, "JPEG")
    page.set_input_files("#f-photo", {"name": "cong.jpg", "mimeType": "image/jpeg", "buffer": picture.getvalue()})
    send(citizen, "instruct")
    told(citizen, "Đã ghi lời dặn")
    main = page.locator("main")
    expect(main).to_contain_text("Gọi điện trước khi đến. Mốc dễ thấy: cạnh trạm y tế. nhà sau chợ")
    expect(main).to_contain_text("chỉ bưu cục và bưu tá xem được")


@pytest.mark.slow
def test_a_file_that_is_no_picture_and_a_point_far_away_are_refused_politely(citizen, with_scripts):
    page = citizen.page
    open_wish(citizen, "instruct")
    page.set_input_files("#f-photo", {"name": "cong.jpg", "mimeType": "image/jpeg", "buffer": b"<svg/>"})
    send(citizen, "instruct")
    expect(page.locator("[role=alert]")).to_contain_text("không phải là ảnh")
    sound(citizen, with_scripts)
    page.fill("#f-text", "nhà sau chợ")
    page.fill("#f-lat", "10,77")
    page.fill("#f-lon", "106,70")
    send(citizen, "instruct")
    expect(page.locator("[role=alert]")).to_contain_text("nằm ngoài xã")
    assert page.input_value("#f-text") == "nhà sau chợ"


@pytest.mark.slow
def test_somebody_is_named_and_the_page_says_which_paper_he_brings(citizen, with_scripts):
    page = citizen.page
    if not page.locator("details:has(input[name=kind][value=authorise])").count():
        expect(page.locator("main")).to_contain_text("chỉ giao tận tay chính chủ")
        return
    open_wish(citizen, "authorise")
    expect(page.locator("details[open]")).to_contain_text("phải mang:")
    sound(citizen, with_scripts)
    page.fill("#f-person", "Trần Văn Thử")
    send(citizen, "authorise")
    told(citizen, "Đã ghi người nhận thay")


@pytest.mark.slow
def test_another_address_of_another_office_is_refused_and_collecting_is_granted(citizen, with_scripts):
    page = citizen.page
    if page.locator("details:has(input[name=kind][value=redirect])").count():
        open_wish(citizen, "redirect")
        page.fill("#f-address", "ấp 5, xã Nguyễn Phích, Cà Mau")
        send(citizen, "redirect")
        expect(page.locator("[role=alert]")).to_be_visible()
        sound(citizen, with_scripts)
    open_wish(citizen, "pick_up")
    sound(citizen, with_scripts)
    if page.locator("select[name=office]").count():
        page.locator("select[name=office]").select_option(index=0)
    else:
        choose(page.locator("input[name=office]").first)
    send(citizen, "pick_up")
    told(citizen, "Mời ông/bà đến bưu cục nhận")
    expect(page.locator("main")).to_contain_text("Chờ ông/bà đến nhận")


def code_in(server: Server) -> str:
    """The code that was sent last, as it lies sealed in the outbox."""
    database = open_database(f"sqlite:///{server.var_dir / 'courier.db'}")
    with database.read() as session:
        query = select(Message).where(Message.kind == "one_time_code").order_by(Message.created_at.desc())
        inside = messages.opened(session.scalars(query).first(), secrets=load_secrets(server.var_dir))
    database.close()
    return inside.words["code"]


@pytest.mark.slow
def test_where_codes_are_demanded_one_opens_the_details(contexts, demo_day, tmp_path, with_scripts):
    for server in _running(demo_day, tmp_path / "var", settings={"COURIER_ONE_TIME_CODES": "1"}):
        visitor = visit(contexts.new(viewport=SMALL, has_touch=True, java_script_enabled=with_scripts), server)
        page, account = visitor.page, visitor.account("citizen")
        visitor.go(account["link"])
        page.fill("#f-phone_last4", account["phone_last4"])
        page.click("form[action$='/verify'] button")
        told(visitor, "Còn một bước nữa")
        sound(visitor, with_scripts)
        page.click("form[action$='/codes'] button")
        told(visitor, "Đã gửi mã")
        code = code_in(server)
        page.fill("#f-code", f"{(int(code) + 1) % 10**6:06d}")
        page.click("form[action$='/code'] button")
        expect(page.locator("#e-code")).to_contain_text("còn 4 lần thử")
        sound(visitor, with_scripts)
        page.fill("#f-code", code)
        page.click("form[action$='/code'] button")
        told(visitor, "Đã xác nhận")
        expect(page.locator("main")).to_contain_text("Phải trả khi nhận")


@pytest.mark.slow
def test_the_clerk_files_it_for_somebody_without_a_phone(contexts, own_server):
    visitor = visit(contexts.new(), own_server)
    visitor.sign_in("dispatcher")
    visitor.go("/d/items?state=received")
    visitor.page.click("main a[href^='/items/'] >> nth=0")
    open_wish(visitor, "instruct")
    visitor.page.fill("#f-landmark", "cạnh cầu Rạch Lùm")
    choose(visitor.page.locator("input[name=call_first]"))
    visitor.page.click("form:has(input[name=kind][value=instruct]) button:not([type=button])")
    told(visitor, "Đã ghi nhận yêu cầu")
    expect(visitor.page.locator("main")).to_contain_text("Gọi điện trước khi đến. Mốc dễ thấy: cạnh cầu Rạch Lùm.")
    assert complaints(visitor) == []
