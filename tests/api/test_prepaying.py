"""Paying before the visit over HTTP: by link with the proof, by the cashier, and against people with bad intentions."""

import re

import pytest

from courier.settings import DEMO_ACCOUNT
from courier.store.tables import BankNotice, PaymentOrder
from tests.api.test_attacks import at_once, count, link_to
from tests.api.test_complaints import V1, proven
from tests.api.test_pages import Browser
from tests.builders import DAY, number


@pytest.fixture
def app(app_with):
    return app_with(bank=DEMO_ACCOUNT)


@pytest.fixture
def token(desk, town):
    return link_to(desk, town.here.item())


def line(order, **changed):
    return {
        "reference": "FT26330000001", "amount_dong": order["amount_dong"], "purpose": order["purpose"], "booked_on": DAY.isoformat(),
    } | changed  # fmt: skip


def test_a_transfer_is_not_confirmed_until_the_cashier_has_seen_it(app, town, token):
    client, path = proven(app, token), f"{V1}/public/items/{token}/payment"
    dues = {due["payee"]: due["amount_dong"] for due in client.get(path).json["dues"]}
    assert dues == {"agency:PC08": 135_000, "post": 30_000}
    order = client.post(f"{path}/orders", json={"payee": "post"}).json
    assert client.post(f"{path}/orders", json={"payee": "post"}).json == order
    assert client.get(path).json["transfers"] == []
    noted = town.cashier.post(f"{V1}/bank-notices", json=line(order))
    assert (noted.status_code, noted.json["outcome"]) == (201, "paid")
    assert town.cashier.post(f"{V1}/bank-notices", json=line(order)).json["id"] == noted.json["id"]
    seen = client.get(path).json
    assert [(one["outcome"], one["amount_dong"]) for one in seen["transfers"]] == [("paid", 30_000)]
    assert [due["payee"] for due in seen["dues"]] == ["agency:PC08"]
    assert client.get(f"{V1}/public/items/{token}").json["details"]["due_dong"] == 135_000
    back = town.cashier.post(f"{V1}/bank-notices/{noted.json['id']}/refund")
    assert back.status_code == 200
    assert client.get(f"{V1}/public/items/{token}").json["details"]["due_dong"] == 165_000


def test_another_items_proof_opens_nothing_and_orders_nothing(app, desk, town, token):
    other = link_to(desk, town.here.item())
    secret = app.test_client().post(f"{V1}/public/items/{other}/verify", json={"phone_last4": "0001"}).json["visitor"]
    thief, headers = app.test_client(use_cookies=False), {"X-Visitor": secret}
    path = f"{V1}/public/items/{token}/payment"
    assert thief.get(path, headers=headers).json["code"] == "not-verified"
    assert thief.post(f"{path}/orders", json={"payee": "post"}, headers=headers).json["code"] == "not-verified"
    assert thief.get(f"/t/{token}/pay", headers=headers).status_code == 403
    assert count(desk.database, PaymentOrder) == 0


def test_orders_asked_for_at_once_are_one(app, desk, token):
    clients = [proven(app, token) for _ in range(5)]
    path = f"{V1}/public/items/{token}/payment/orders"
    answers = at_once(lambda n: clients[n].post(path, json={"payee": "post"}).json["purpose"], 5)
    assert len(set(answers)) == 1
    assert count(desk.database, PaymentOrder) == 1


def test_the_same_line_noted_at_once_settles_once(app, desk, town, token):
    order = proven(app, token).post(f"{V1}/public/items/{token}/payment/orders", json={"payee": "post"}).json
    answers = at_once(lambda _: town.cashier.post(f"{V1}/bank-notices", json=line(order)).status_code, 5)
    assert answers == [201] * 5
    assert count(desk.database, BankNotice) == 1
    assert town.here.balances(f"bank:{town.here.office_id}") == {f"bank:{town.here.office_id}": 30_000}


@pytest.mark.parametrize(
    "changed",
    [
        {"amount_dong": 0}, {"amount_dong": -1}, {"amount_dong": 1.5}, {"reference": ""}, {"reference": "a b"}, {"reference": "x" * 65},
        {"purpose": "x" * 201}, {"booked_on": "2026-11-26"}, {"booked_on": "hôm nay"}, {"office": "CN"},
    ],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_refused(app, desk, town, changed):
    sent = line({"amount_dong": 30_000, "purpose": "TT22222222"}, **changed)
    assert town.cashier.post(f"{V1}/bank-notices", json=sent).status_code == 422
    assert count(desk.database, BankNotice) == 0


def test_the_pages_show_a_code_that_is_no_payment_and_the_cashiers_word(app, town, token):
    browser, cashier = Browser(app), Browser(app, town.cashier)
    browser.post(f"/t/{token}/verify", {"phone_last4": "0001"})
    page = browser.get(f"/t/{token}/pay").text
    form_token = re.search(r'name="form_token" value="([^"]+)"', page)[1]
    sent = browser.post(f"/t/{token}/pay", {"key": str(number(1)), "form_token": form_token, "payee": "post"})
    assert sent.status_code == 303
    shown = browser.get(sent.location).text
    purpose = re.search(r"TT[A-Z0-9]{8} [A-Z0-9]+", shown)[0]
    assert "Chưa xác nhận" in shown
    assert 'data-payload="000201010212' in shown
    sent = cashier.send(
        "/c/prepayments", "/c/prepayments",
        {"reference": "FT1", "amount_dong": "29.000", "purpose": f"CT DI {purpose}", "booked_on": DAY.isoformat()},
    )  # fmt: skip
    assert sent.status_code == 303
    assert "Chuyển thiếu" in cashier.get("/c/prepayments").text
    assert "thủ quỹ hoàn lại tiền đã chuyển" in browser.get(f"/t/{token}/pay").text
    refund = re.search(r"/c/prepayments/[0-9a-f-]{36}/refund", cashier.get("/c/prepayments").text)[0]
    assert cashier.send("/c/prepayments", refund, {}).status_code == 303
    assert "Đã hoàn lại" in browser.get(f"/t/{token}/pay").text


def test_without_an_account_the_page_says_so(app_with, desk, town):
    app = app_with(bank=None)
    token = link_to(desk, town.here.item())
    answer = proven(app, token).post(f"{V1}/public/items/{token}/payment/orders", json={"payee": "post"})
    assert (answer.status_code, answer.json["code"]) == (409, "no-account")
