"""A plan on its own pages: one click lets a stop in, two plans side by side, and what is printed says neither too much nor too little."""

import io
import re
from html import unescape

import openpyxl
import pytest

from api.web import barcodes, texts
from courier import dispatch
from tests.api.test_pages import Browser
from tests.api.test_plan_answers import EARLY, a_day_too_short
from tests.api.test_plans import ask, solved
from tests.builders import DAY, MORNING
from tests.planning_office import adjust, place, scatter


@pytest.fixture
def dispatcher(app, town):
    return Browser(app, town.dispatcher)


def hidden(page: str, form: str) -> dict[str, str]:
    """The hidden fields of the form whose text holds `form`."""
    found = next(part for part in re.findall(r"<form.*?</form>", page, re.DOTALL) if form in unescape(part))
    return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', found))


def test_one_click_on_the_plan_lets_the_left_out_stop_in(town, desk, dispatcher):
    plan, far = a_day_too_short(town, desk)
    where = f"/d/plans/{plan.json['id']}"
    page = dispatcher.get(where).text
    assert "làm thêm" in page

    answer = dispatcher.post(f"{where}/offers", hidden(page, "làm thêm"))

    assert answer.status_code == 303, answer.text
    after = dispatcher.get(answer.headers["Location"]).text
    assert "Đã đưa vào tuyến." in after
    assert f'data-items="{far}"' in after or f'value="{far}"' in after
    assert 'id="left-out"' in after, "what gave way is still told"
    view = dispatch.get_plan(desk, town.dispatcher.caller, dispatch.list_plans(desk, town.dispatcher.caller)[0].id)
    assert view.unplanned_count == 0


def test_who_clicks_on_an_old_page_is_told_and_nothing_is_changed(town, desk, dispatcher):
    plan, _ = a_day_too_short(town, desk)
    where = f"/d/plans/{plan.json['id']}"
    fields = hidden(dispatcher.get(where).text, "làm thêm")
    assert dispatcher.post(f"{where}/offers", fields).status_code == 303

    again = dispatcher.post(f"{where}/offers", fields)

    assert again.status_code == 412
    assert 'role="alert"' in again.text


def test_the_page_of_what_is_left_out_says_why_for_every_postman_in_both_languages(town, desk, dispatcher):
    plan, _ = a_day_too_short(town, desk)
    page = dispatcher.get(f"/d/plans/{plan.json['id']}/left-out").text
    for postman in town.here.postmen:
        assert f"{postman.name}: Hết giờ làm việc" in unescape(page)
    dispatcher.client.set_cookie(texts.COOKIE, "en")
    english = dispatcher.get(f"/d/plans/{plan.json['id']}/left-out").text
    assert "min longer" in english


def test_the_page_of_a_large_plan_leads_to_what_is_left_out(town, desk, dispatcher, monkeypatch):
    monkeypatch.setattr("api.web.dispatcher._EXPLAINED_BESIDE", 0)
    plan, _ = a_day_too_short(town, desk)
    where = f"/d/plans/{plan.json['id']}"
    page = dispatcher.get(where).text
    assert "làm thêm" not in page
    assert f'href="{where}/left-out"' in page


def test_every_stop_of_a_round_says_in_words_what_holds_it(town, desk, dispatcher):
    for number in range(1, len(town.here.postmen)):
        adjust(town.here, number, shift_start=EARLY, shift_end=EARLY + 60)
    place(town.here, wanted_on=DAY, wanted_from=10 * 3600, wanted_to=10 * 3600 + 900, recipient_name="Lê Hẹn Giờ")
    place(town.here, recipient_name="Ngô Không Hẹn")
    plan = solved(town, desk)

    page = unescape(dispatcher.get(f"/d/plans/{plan.json['id']}/reasons").text)

    assert re.search(r"Lê Hẹn Giờ.*(Đợi đến giờ hẹn|Phải đến trước khi hết giờ hẹn)", page, re.DOTALL)
    assert "Ngô Không Hẹn" in page
    assert "Bỏ đi thì bớt" in page
    assert dispatcher.get(f"/d/plans/{plan.json['id']}/reasons?route=none").status_code == 404


def test_two_plans_are_told_apart_by_postman_cost_and_stop(town, desk, dispatcher):
    scatter(town.here, 5)
    first = solved(town, desk)
    newcomer = place(town.here, recipient_name="Trần Thị Mới")
    ask(town.dispatcher)
    second = dispatch.list_plans(desk, town.dispatcher.caller)[0].id
    dispatch.solve_plan(desk, second, at=MORNING)

    answer = dispatcher.get(f"/d/plans/{first.json['id']}/compare/{second}")

    assert answer.status_code == 200
    page = unescape(answer.text)
    assert "Trần Thị Mới" in page
    assert f"/items/{newcomer}" in page
    assert "mới có" in page
    assert "Tổng cộng" in page
    assert f"/compare/{second}" in dispatcher.get(f"/d/plans/{first.json['id']}").text


def test_a_run_sheet_has_bars_money_what_to_see_and_room_to_sign(town, desk, dispatcher):
    scatter(town.here, 4)
    plan = solved(town, desk)

    page = unescape(dispatcher.get(f"/d/plans/{plan.json['id']}/sheet").text)

    stops = [stop for route in plan.json["routes"] for stop in route["stops"]]
    barcodes_of = [town.dispatcher.get(f"/api/v1/items/{i}").json["barcode"] for stop in stops for i in stop["items"]]
    for code in barcodes_of:
        assert barcodes.code128(code)[1] in page
        assert f">{code}<" in page
    assert page.count('class="leaf"') == len(plan.json["routes"])
    assert "135.000" in page
    assert "165.000 đ" in page
    assert "Ký nhận" in page
    assert "BẢN NHÁP" in page, "a plan that is not published says so on paper"
    assert "<svg" in page
    assert "polyline" in page
    alone = dispatcher.get(f"/d/plans/{plan.json['id']}/sheet?route={plan.json['routes'][0]['id']}").text
    assert alone.count('class="leaf"') == 1
    assert dispatcher.get(f"/d/plans/{plan.json['id']}/sheet?route=none").status_code == 404


def test_a_label_names_no_kind_of_document_no_phone_and_no_money(town, desk, dispatcher):
    item = place(town.here, recipient_name="Phạm Nhãn Dán", recipient_phone="0599012345", id_last4="6789")
    plan = solved(town, desk)
    row = town.dispatcher.get(f"/api/v1/items/{item}").json

    page = unescape(dispatcher.get(f"/d/plans/{plan.json['id']}/labels").text)

    assert barcodes.qr(row["barcode"])[1] in page
    assert "Phạm Nhãn Dán" in page
    kinds = desk.facts.bylaws.document_types
    kind = kinds[row["document_type"]]
    body = page[page.index("<main") :]
    for secret in (
        kind.name_vi,
        kind.name_en,
        row["document_type"],
        "0599012345",
        "6789",
        "165.000",
        row["dossier_code"],
    ):
        assert secret not in body


def test_the_workbook_has_every_item_and_no_formula(town, desk, dispatcher):
    evil = '=HYPERLINK("http://example.invalid","x")'
    place(town.here, recipient_name=evil)
    place(town.here, recipient_name="+84 là tên", address_raw="@SUM(A1)")
    place(town.here, lat=None, lon=None, commune_code=None, address_raw="-1+1")
    plan = solved(town, desk)

    answer = dispatcher.get(f"/d/plans/{plan.json['id']}/plan.xlsx")

    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == f'attachment; filename="plan-{DAY:%Y%m%d}.xlsx"'
    book = openpyxl.load_workbook(io.BytesIO(answer.data))
    cells = [cell for sheet in book for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert not [cell for cell in cells if cell.data_type == "f"]
    written = {cell.value for cell in cells if cell.data_type == "s"}
    assert {f"'{evil}", "'+84 là tên", "'@SUM(A1)", "'-1+1"} <= written
    assert not [text for text in written if text[0] in "=+-@"]
    assert sum(cell.value for cell in cells if cell.column == 7 and isinstance(cell.value, int)) == 4 * 165_000
    assert len(book.sheetnames) == len(plan.json["routes"]) + 1
