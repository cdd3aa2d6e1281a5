"""A bag list on trial and a doubtful address, in a real browser: by mouse, by keyboard, on a phone and at a desk."""

import re

import pytest

from tests.browser.test_axe import SIDEWAYS, complaints
from tests.browser.walk import Visitor, visit

THEIRS = "Số hiệu;Mã HS;Đơn vị;Loại giấy;Người nhận;SĐT;Nơi nhận;Linh tinh {0}"
ROWS = (
    "THU-{0}-1;H12.{0}.1;PC08;Giấy phép lái xe;Nguyễn Văn Thử;0599000001;Ấp 11, xã Khánh An, huyện U Minh, tỉnh Cà Mau;x",
    "THU-{0}-2;H12.{0}.2;PC08;Giấy phép lái xe;Trần Thị Thử;12;Ấp 11, xã Khánh An, huyện U Minh, tỉnh Cà Mau;x",
)


def a_list(mark: str) -> dict[str, object]:
    text = "\r\n".join([THEIRS.format(mark), *(row.format(mark) for row in ROWS)])
    return {"name": "ho.csv", "mimeType": "text/csv", "buffer": text.encode()}


def text(visitor: Visitor) -> str:
    return visitor.page.inner_text("main")


def looks_right(visitor: Visitor) -> None:
    assert complaints(visitor) == []
    assert visitor.page.evaluate(SIDEWAYS) <= 0


@pytest.mark.parametrize("phone", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["desk", "phone"])
def test_a_list_of_others_is_named_corrected_taken_in_and_undone_by_keyboard(contexts, server, phone):
    desk = visit(contexts.new(phone=phone), server)
    page, mark = desk.page, "DT" if phone else "BAN"
    page.on("dialog", lambda dialog: dialog.accept())
    desk.sign_in("dispatcher")
    desk.go("/d/imports")
    page.set_input_files("#f-sheet", a_list(mark))
    page.focus("main form .button.main")
    page.keyboard.press("Enter")

    # What is often meant by a heading is chosen already; the last column says nothing. The next list is read without asking.
    page.wait_for_selector("#f-column-0")
    looks_right(desk)
    assert page.input_value("#f-column-4") == "name"
    assert page.input_value("#f-column-7") == ""
    page.focus("main form .button.main")
    page.keyboard.press("Enter")

    page.wait_for_selector(".tally")
    looks_right(desk)
    assert "Chưa có gì được nhập" in text(desk)
    assert "không nhận (1)" in text(desk)
    page.focus("#f-cell-3-phone")
    page.keyboard.press("Control+A")
    page.keyboard.type("0599000002")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Đã kiểm tra lại các dòng")
    assert "không nhận (" not in text(desk)

    commit = page.get_by_role("button", name=re.compile("Nhập 2 bưu gửi"))
    commit.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Hoàn tác cả lần nhập")
    looks_right(desk)
    page.get_by_role("button", name="Hoàn tác cả lần nhập").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Đã hoàn tác lần nhập")


def test_a_pin_is_dragged_and_moved_with_the_arrow_keys(contexts, server):
    desk = visit(contexts.new(), server)
    page = desk.page
    desk.sign_in("dispatcher")
    desk.go("/d/addresses")
    page.click("td .button >> nth=0")
    page.wait_for_selector("#map[data-ready]")
    looks_right(desk)

    def at() -> tuple[float, float]:
        return float(page.input_value("#f-lat")), float(page.input_value("#f-lon"))

    page.fill("#f-plus_code", "CJ+2VX")
    page.get_by_role("button", name="Đặt ghim giữa bản đồ").focus()
    page.keyboard.press("Enter")
    lat, lon = at()
    assert page.input_value("#f-plus_code") == ""
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    higher, further = at()
    assert higher > lat
    assert further > lon

    box = page.locator(".map-pin").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y + 40, steps=6)
    page.mouse.up()
    lower, back = at()
    assert lower < higher
    assert back < further
    assert f"{lower:.5f}" in page.inner_text("[data-pin-at]")
    looks_right(desk)
