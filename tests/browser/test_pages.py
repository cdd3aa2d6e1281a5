"""The pages in a real browser: a day of each role through plain forms, with scripts and without, by thumb and by keyboard."""

import itertools
import re
from typing import Any

import pytest

from tests.browser.walk import Visitor, fail, fill_release, hand_over, open_next, take_out, visit

# The tests share a server, so each postman works for one test only.
FRESH = itertools.count()


@pytest.fixture
def postman(server) -> dict[str, Any]:
    """A postman whose day has not begun."""
    return [row for row in server.sign_ins() if row["role"] == "postman"][next(FRESH)]


@pytest.fixture
def phone(contexts, server, postman) -> Visitor:
    """A postman signed in on his phone."""
    visitor = visit(contexts.new(phone=True), server)
    visitor.sign_in_as(postman)
    return visitor


@pytest.fixture
def bare_phone(contexts, server) -> Visitor:
    """A phone that runs no scripts, nobody signed in."""
    return visit(contexts.new(phone=True, java_script_enabled=False), server)


def text(visitor: Visitor) -> str:
    return visitor.page.inner_text("main")


def progress(visitor: Visitor) -> tuple[int, int]:
    visitor.go("/p")
    done, total = re.search(r"(\d+)/(\d+) đã phát", text(visitor)).groups()
    return int(done), int(total)


# ---------------------------------------------------------------------------------------------------- the postman
def test_a_postman_works_a_door_after_the_other(phone):
    done, total = progress(phone)
    take_out(phone)
    assert "Đã nhận bưu gửi vào túi" in text(phone)
    open_next(phone)
    here = phone.page.locator("input[name=items]").count()
    hand_over(phone)
    assert "Đã ghi nhận phát thành công" in text(phone)
    assert progress(phone) == (done + here, total)


def test_an_objection_names_the_rule_and_keeps_what_was_typed(phone):
    take_out(phone)
    open_next(phone)
    fill_release(phone, check="mismatch")
    phone.page.fill("#f-receiver", "Lê Thị Nhận Thay")
    phone.page.click("form .bar button")
    assert "Số giấy tờ tùy thân không khớp" in text(phone)
    phone.page.click("button[value=correct]")
    assert phone.page.input_value("#f-receiver") == "Lê Thị Nhận Thay"
    assert phone.page.is_checked("input[name=id_check][value=mismatch]")
    assert phone.page.input_value("#f-id_last4") == "0123"


def test_what_was_handed_over_against_the_rules_is_recorded_and_somebody_owns_it(phone, contexts, server, postman):
    take_out(phone)
    hand_over(phone, check="mismatch")
    phone.page.click("button[value=record]")
    assert progress(phone)[0] >= 1
    dispatcher = visit(contexts.new(), server)
    dispatcher.sign_in("dispatcher", office=postman["office"])
    dispatcher.go("/d/incidents")
    assert "Giấy tờ tùy thân không khớp" in text(dispatcher)


def test_a_failed_attempt_takes_two_taps(phone):
    take_out(phone)
    fail(phone)
    assert "Đã ghi nhận phát không thành công" in text(phone)
    assert phone.page.locator("a.stop.past >> nth=0").inner_text().count("Phát chưa được") == 1


def test_a_slip_of_the_thumb_is_taken_back(phone):
    take_out(phone)
    hand_over(phone)
    phone.page.click("a.stop.past >> nth=0")
    phone.page.click("section details summary")
    phone.page.fill("input[name=reason]", "bấm nhầm nhà")
    phone.page.click("section .button.bad")
    assert "Đã gỡ bỏ" in text(phone)
    assert progress(phone)[0] == 0


def test_the_same_form_sent_twice_is_one_handover(phone):
    take_out(phone)
    open_next(phone)
    fill_release(phone)
    here = phone.page.locator("input[name=items]").count()
    fields = phone.page.evaluate("[...new FormData(document.querySelector('form[action$=handover]'))]")
    address = phone.page.get_attribute("form[action$=handover]", "action")
    send = """([address, fields]) => fetch(address, {method: 'POST', body: new URLSearchParams(fields)}).then((a) => a.url)"""
    answers = [phone.page.evaluate(send, [address, fields]) for _ in range(2)]
    assert all(answer.endswith("/p?done=handed_over") for answer in answers)
    assert progress(phone)[0] == here


def test_a_postman_needs_no_script(bare_phone, postman):
    bare_phone.sign_in_as(postman)
    take_out(bare_phone)
    hand_over(bare_phone)
    assert "Đã ghi nhận phát thành công" in text(bare_phone)
    bare_phone.go("/p/evening")
    bare_phone.page.click("form .bar button")
    assert "Túi đã trống" in text(bare_phone)


def test_a_phone_calls_and_navigates(contexts, server):
    phone = visit(contexts.new(phone=True), server)
    phone.sign_in("postman", number=3)
    calls = []
    for number in range(4):  # not every dossier has a phone
        phone.go("/p")
        phone.page.click(f"a.stop >> nth={number}")
        assert phone.page.locator("a[href^='geo:']").count() == 1
        calls += [link.get_attribute("href") for link in phone.page.locator("a[href^='tel:']").all()]
    assert calls
    assert all(re.fullmatch(r"tel:\+?[0-9]{9,15}", call) for call in calls)


def test_the_change_is_reckoned_while_typing(phone):
    take_out(phone)
    phone.page.locator("a.stop", has_text="Thu ").first.click()
    total = int(re.sub(r"\D", "", phone.page.inner_text("[data-total]")))
    phone.page.fill("[data-given]", str(total + 15_000))
    assert phone.page.inner_text("[data-back]") == "15.000 đ"


def test_the_first_page_of_a_postman_is_light(contexts, server):
    visitor = visit(contexts.new(phone=True), server)
    visitor.sign_in("postman")
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.reload()
    visitor.page.wait_for_load_state("networkidle")
    assert len(asked) <= 20
    assert all(url.startswith((server.url, "data:")) for url in asked)


# -------------------------------------------------------------------------------------------------- the dispatcher
def test_a_dispatcher_settles_plans_and_publishes(contexts, server):
    desk = visit(contexts.new(), server)
    desk.page.on("dialog", lambda dialog: dialog.accept())
    desk.sign_in("dispatcher")
    desk.go("/d/addresses")
    before = desk.page.locator("tbody tr").count()
    assert before
    desk.page.click("td .button >> nth=0")
    desk.page.check("input[name=commune] >> nth=-1")
    desk.page.select_option("#f-other_commune", index=1)
    desk.page.click("main form .button.main")
    assert "Đã chốt địa chỉ" in text(desk)
    desk.go("/d/addresses")
    assert desk.page.locator("tbody tr").count() < before
    desk.go("/d")
    desk.page.select_option("#f-day", index=1)
    desk.page.select_option("#f-seconds", "3")
    desk.page.click("form[action='/d/plans'] .button.main")
    desk.page.wait_for_selector("form[action$='/publish']", timeout=60_000)
    desk.page.click("form[action$='/publish'] button")
    assert "Đã công bố" in text(desk)


def test_the_list_says_what_the_map_shows(contexts, server):
    drawn = visit(contexts.new(), server)
    drawn.sign_in("dispatcher")
    drawn.page.click("main a[href*='/d/plans/'] >> nth=0")
    drawn.page.wait_for_selector("#map[data-ready]")
    stops = drawn.page.evaluate(
        "JSON.parse(document.getElementById('map-data').textContent).routes.flatMap((r) => r.stops.map((s) => s.anchor))"
    )
    rows = drawn.page.evaluate("[...document.querySelectorAll('details[data-route] tbody tr')].map((row) => row.id)")
    assert stops == rows
    assert stops


def test_a_page_with_a_map_says_so_when_there_is_none(contexts, server):
    context = contexts.new()
    context.route("**/leaflet.js", lambda route: route.abort())
    visitor = visit(context, server)
    visitor.sign_in("dispatcher")
    visitor.page.click("main a[href*='/d/plans/'] >> nth=0")
    visitor.page.wait_for_selector("#map:has-text('Không tải được bản đồ')")
    assert visitor.page.locator("details[data-route]").count()


def test_a_bag_list_of_bad_rows_is_told_row_by_row(contexts, server):
    desk = visit(contexts.new(java_script_enabled=False), server)
    desk.sign_in("dispatcher")
    desk.go("/d/imports")
    sheet = "Mã bưu gửi,Mã hồ sơ,Cơ quan,Loại giấy tờ,Họ tên,Địa chỉ\nSAI MÃ,,PC08,Giấy lạ,Nguyễn Văn Thử,\n"
    desk.page.set_input_files("#f-sheet", {"name": "ds.csv", "mimeType": "text/csv", "buffer": sheet.encode()})
    desk.page.click("main form .button.main")
    assert "không nhận (1)" in text(desk)
    assert "Không có loại giấy tờ «Giấy lạ»" in text(desk)


def test_a_file_that_is_no_list_is_refused_in_words(contexts, server):
    desk = visit(contexts.new(), server)
    desk.sign_in("dispatcher")
    desk.go("/d/imports")
    desk.page.set_input_files("#f-sheet", {"name": "anh.xlsx", "mimeType": "x", "buffer": b"\x00\x01 no list"})
    desk.page.click("main form .button.main")
    assert desk.page.locator("[role=alert]").count() == 1
    assert desk.page.url.endswith("/d/imports")


def test_names_are_found_without_diacritics(contexts, server):
    desk = visit(contexts.new(), server)
    desk.sign_in("dispatcher")
    desk.go("/d/items?state=planned")
    name = desk.page.inner_text("tbody tr:first-child th a")
    plain = name.translate(str.maketrans("ĐđÁÀẢÃẠáàảãạ", "DdAAAAAaaaaa"))
    desk.page.fill("#f-q", plain.lower())
    desk.page.click("main form .button.main")
    assert name in text(desk)


# ------------------------------------------------------------------------------------------------- the cashier, clerk
def test_the_evening_closes_with_the_counted_notes(contexts, server, phone, postman):
    take_out(phone)
    for _ in range(2):
        hand_over(phone)
    phone.go("/p/evening")
    phone.page.click("form .bar button")
    owed = int(re.sub(r"\D", "", phone.page.locator(".sum .money").inner_text()))
    till = visit(contexts.new(), server)
    till.sign_in("cashier", office=postman["office"])
    name = phone.page.locator(".drop .strong").text_content()
    till.page.click(f"tr:has-text('{name}') .button")
    for note in (500_000, 200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500):
        till.page.fill(f"#f-note_{note}", str(owed // note))
        owed %= note
    assert till.page.inner_text("[data-difference]") == "0 đ"
    till.page.click("main form .button.main")
    assert "Đã khóa sổ ngày" in text(till)


def test_a_difference_needs_a_reason_and_the_notes_stay(contexts, server):
    till = visit(contexts.new(java_script_enabled=False), server)
    till.sign_in("cashier", office="U-MINH")
    till.page.click("td .button >> nth=-1")
    till.page.fill("#f-note_10000", "3")
    till.page.click("main form .button.main")
    assert "Mời ghi lý do" in text(till)
    assert till.page.input_value("#f-note_10000") == "3"
    till.page.fill("#f-difference_reason", "khách trả thừa, chưa rõ ai")
    till.page.click("main form .button.main")
    assert "Đã khóa sổ ngày" in text(till)


def test_a_clerk_invites_and_hands_out(contexts, server):
    counter = visit(contexts.new(), server)
    counter.page.on("dialog", lambda dialog: dialog.accept())
    counter.sign_in("clerk")
    counter.go("/k?state=received")
    counter.page.click("tbody a >> nth=0")
    counter.page.click("button[value=invited]")
    assert "Chờ đến nhận" in text(counter)
    counter.page.click("a[href$='/pick-up']")
    fill_release(counter)
    counter.page.click("form .bar button")
    assert "Đã ghi nhận trả tại quầy" in text(counter)


def test_an_admin_makes_an_account_that_must_choose_its_password(contexts, server):
    office = visit(contexts.new(), server)
    office.sign_in("admin")
    office.go("/a/people/new")
    office.page.fill("#f-name", "Người Mới")
    office.page.fill("#f-login", "nguoi.moi")
    office.page.select_option("#f-role", "clerk")
    office.page.select_option("#f-office", index=1)
    office.page.click("main form .button.main")
    password = office.page.inner_text(".secret")
    newcomer = visit(contexts.new(), server)
    newcomer.go("/sign-in")
    newcomer.page.fill("#f-login", "nguoi.moi")
    newcomer.page.fill("#f-password", password)
    newcomer.page.click("main form .button.main")
    assert newcomer.page.url.endswith("/password")
    newcomer.page.fill("#f-old_password", password)
    newcomer.page.fill("#f-new_password", "một câu đủ dài 2026")
    newcomer.page.fill("#f-again", "một câu đủ dài 2026")
    newcomer.page.click("main form .button.main")
    assert "/k" in newcomer.page.url


# -------------------------------------------------------------------------------------------------------- the citizen
def test_a_citizen_moves_the_visit_without_a_script_and_only_once(contexts, own_server):
    bare_phone = visit(contexts.new(phone=True, java_script_enabled=False), own_server)
    citizen = bare_phone.account("citizen")
    bare_phone.go(citizen["link"])
    assert "Phải trả khi nhận" not in text(bare_phone)
    bare_phone.page.fill("#f-phone_last4", citizen["phone_last4"])
    bare_phone.page.click("main form .button.main")
    left = int(re.search(r"Còn được đổi (\d) lần", bare_phone.page.text_content("main")).group(1))
    bare_phone.page.click("main details:has(input[name=slot]) summary")
    bare_phone.page.check("input[name=slot][type=radio] >> nth=-1")
    chosen = bare_phone.page.locator("input[name=slot][type=radio]").last.get_attribute("value")
    bare_phone.page.click("form:has(input[name=slot][type=radio]) .button.main")
    assert "Đang giữ chỗ" in text(bare_phone)
    bare_phone.page.click("#held .button.main")
    day = f"{chosen[6:8]}/{chosen[4:6]}/{chosen[:4]}"
    assert "Đã hẹn lại" in text(bare_phone)
    assert day in bare_phone.page.inner_text(".when")
    bare_phone.page.go_back()
    # The page before is asked for again, and nothing is held any more.
    assert bare_phone.page.locator("#held").count() == 0
    bare_phone.go(citizen["link"])
    again = int(re.search(r"Còn được đổi (\d) lần", bare_phone.page.text_content("main")).group(1))
    assert again == left - 1


def test_nothing_of_the_person_shows_before_the_digits(contexts, server):
    visitor = visit(contexts.new(), server)
    citizen = visitor.account("citizen")
    visitor.go(citizen["link"])
    before = visitor.page.content()
    visitor.page.fill("#f-phone_last4", citizen["phone_last4"])
    visitor.page.click("main form .button.main")
    name = visitor.page.locator("dt:has-text('Người nhận') + dd").first.inner_text()
    address = visitor.page.locator("dt:has-text('Địa chỉ phát') + dd").inner_text()
    assert name not in before
    assert address not in before


# --------------------------------------------------------------------------------------------------------- the keyboard
def test_keys_alone_lead_from_the_sign_in_to_a_door(contexts, server):
    visitor = visit(contexts.new(), server)
    account = visitor.account("postman", number=1)
    visitor.go("/sign-in?next=/p")
    press, type_ = visitor.page.keyboard.press, visitor.page.keyboard.type
    press("Tab")  # skip to content
    press("Enter")
    press("Tab")
    type_(account["login"])
    press("Tab")
    type_(account["password"])
    press("Enter")
    visitor.page.wait_for_url("**/p")
    for _ in range(30):
        press("Tab")
        if visitor.page.evaluate("document.activeElement.matches('a.stop.next')"):
            break
    outline = visitor.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    press("Enter")
    visitor.page.wait_for_url("**/p/stops/*")


def test_the_language_is_switched_where_one_stands(contexts, server):
    visitor = visit(contexts.new(), server)
    visitor.go("/tracking?code=X")
    visitor.page.click("header form .link")
    assert visitor.page.url.endswith("/tracking?code=X")
    assert visitor.page.get_attribute("html", "lang") == "en"
    assert "Look up by code" in text(visitor)
