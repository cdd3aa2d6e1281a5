"""What an installation decides about transfers: the whole account, or none."""

import pytest

from courier.settings import DEMO_ACCOUNT, BankAccount, Misconfigured, Settings

WHOLE = {"COURIER_BANK_BIN": "970405", "COURIER_BANK_ACCOUNT": "123456789", "COURIER_BANK_NAME": "BUU DIEN CA MAU"}


@pytest.fixture(autouse=True)
def installation(monkeypatch, tmp_path):
    for name in (*WHOLE, "COURIER_DEMO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COURIER_VAR_DIR", str(tmp_path))


def bank(monkeypatch, **variables: str) -> BankAccount | None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.from_environment().bank


def test_without_an_account_there_are_no_transfers(monkeypatch):
    assert bank(monkeypatch) is None


def test_a_whole_account_is_taken_also_in_a_demo(monkeypatch):
    wanted = BankAccount(bin="970405", account="123456789", name="BUU DIEN CA MAU")
    assert bank(monkeypatch, **WHOLE) == wanted
    assert bank(monkeypatch, COURIER_DEMO="1") == wanted


def test_a_demo_shows_an_account_that_cannot_exist(monkeypatch):
    assert bank(monkeypatch, COURIER_DEMO="1") == DEMO_ACCOUNT
    assert DEMO_ACCOUNT.account == "000DEMO0000"


@pytest.mark.parametrize("missing", WHOLE)
def test_a_part_of_an_account_is_none(monkeypatch, missing):
    with pytest.raises(Misconfigured, match=missing):
        bank(monkeypatch, **{**WHOLE, missing: " "})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COURIER_BANK_BIN", "97040"),
        ("COURIER_BANK_BIN", "97040x"),
        ("COURIER_BANK_ACCOUNT", "12 34"),
        ("COURIER_BANK_ACCOUNT", "1" * 20),
        ("COURIER_BANK_ACCOUNT", "số 1"),
    ],
)
def test_what_cannot_stand_in_a_qr_code_is_refused(monkeypatch, name, value):
    with pytest.raises(Misconfigured, match=name):
        bank(monkeypatch, **{**WHOLE, name: value})
