"""The reports over HTTP: the API, the pages with their pictures and words, and the workbook in which nothing is a formula."""

import io
import re

import pytest
from openpyxl import load_workbook

from courier.store.tables import Staff
from tests.api.test_pages import Browser
from tests.builders import DAY, Phone, done_right, paying

MONTH = f"{DAY:%Y-%m}"


@pytest.fixture
def desk_of(app, town):
    """A browser in which the dispatcher is signed in."""
    return Browser(app, town.dispatcher)


@pytest.fixture
def a_morning(town, desk):
    """One item handed over with its money, and one that failed, by the first postman."""
    house = town.here
    house.desk = desk
    first, second = house.item(), house.item()
    phone = Phone(house, house.postmen[0])
    paid = paying(*((charge, charge.amount_dong) for charge in house.charges(first)))
    phone.send(
        phone.event("taken_out", [first, second]),
        phone.event("handed_over", [first], 30, **done_right(paid)),
        phone.event("attempt_failed", [second], 60, reason="recipient_absent"),
    )
    return first, second


def test_a_day_is_told_by_the_api(town, a_morning):
    answer = town.dispatcher.get(f"/api/v1/reports/day?date={DAY}")
    assert answer.status_code == 200
    told = answer.json
    assert told["total"] == {
        "attempts": 2, "done": 1, "failed": 1, "first": 2, "first_done": 1, "items": 2, "first_rate": 0.5,
    }  # fmt: skip
    assert [(row["code"], row["failed"]) for row in told["by_reason"]] == [("recipient_absent", 1)]
    assert [(row["name"], row["attempts"], row["cash_dong"]) for row in told["by_postman"]] == [
        (town.here.postmen[0].name, 2, 165_000)
    ]
    assert sum(row["due_dong"] for row in told["money"]) == sum(row["cash_dong"] for row in told["money"]) == 165_000
    assert told["open"]["items"] == 1
    assert [row["held_dong"] for row in told["pockets"]] == [165_000]


def test_a_month_has_every_day_up_to_today(town, a_morning):
    told = town.dispatcher.get(f"/api/v1/reports/month?month={MONTH}").json
    assert [row["date"] for row in told["by_day"]] == [f"{MONTH}-{day:02d}" for day in range(1, DAY.day + 1)]
    assert told["by_day"][-1]["attempts"] == 2
    assert told["total"]["attempts"] == 2


def test_a_period_that_cannot_be_told_is_refused(town):
    for query in (
        "day?date=2999-01-01",
        "day?date=x",
        "month?month=2026-13",
        "month?month=0000-01",
        "month?month=2024-01",
    ):
        assert town.dispatcher.get(f"/api/v1/reports/{query}").status_code == 422, query


def test_any_period_asked_for_is_answered_with_a_page(desk_of):
    for which in ("day", "month", "day.xlsx", "month.xlsx"):
        for query in ("date=2999-01-01", "date=x", "date=0001-01-01", "month=2999-01", "month=0000-99", ""):
            answer = desk_of.get(f"/d/reports/{which}?{query}")
            assert answer.status_code in (200, 422), f"{which}?{query}"


def test_the_page_says_the_figures_and_what_they_mean(desk_of, a_morning):
    shown = desk_of.get(f"/d/reports/month?month={MONTH}").text
    assert "50 %" in shown
    assert "Không có nhà" in shown
    assert "165.000 đ" in shown
    # The picture says in words what it draws.
    assert f"{DAY:%d/%m/%Y}: 1 thành công, 1 không được." in re.search(r"<desc[^>]*>(.*?)</desc>", shown, re.DOTALL)[1]
    assert "style=" not in shown


def test_nothing_in_the_workbook_is_a_formula_whatever_people_are_called(desk_of, town, a_morning, database):
    evil = '=HYPERLINK("http://example.invalid","Xem")'
    with database.write() as session:
        session.get_one(Staff, town.here.postmen[0].id).name = evil
    answer = desk_of.get(f"/d/reports/day.xlsx?date={DAY}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="bao-cao-{DAY}.xlsx"'
    book = load_workbook(io.BytesIO(answer.data))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    named = [cell for cell in cells if cell.value == evil]
    assert named
    assert all(cell.quotePrefix for cell in named)


def test_the_workbook_holds_what_the_page_shows(desk_of, a_morning):
    book = load_workbook(io.BytesIO(desk_of.get(f"/d/reports/month.xlsx?month={MONTH}").data))
    assert book.sheetnames[0] == "Tổng hợp"
    summary = {row[0]: row[1] for row in book["Tổng hợp"].iter_rows(min_row=4, values_only=True)}
    assert (summary["Lượt phát"], summary["Phát được ngay lần đầu"]) == (2, 0.5)
    days = list(book["Theo ngày"].iter_rows(min_row=4, values_only=True))
    assert (len(days), days[-1][0].date(), days[-1][1]) == (DAY.day, DAY, 2)


def test_an_admin_chooses_among_offices(app, town, a_morning):
    admin = Browser(app, town.admin)
    every = admin.get(f"/d/reports/day?date={DAY}").text
    assert "Theo bưu cục" in every
    there = admin.get(f"/d/reports/day?date={DAY}&office={town.there.office_id}").text
    assert town.here.postmen[0].name not in there
