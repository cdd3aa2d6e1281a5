"""The payload of a transfer against known ones, and its text through what banks do to texts."""

import json
from pathlib import Path

import pytest

from courier.domain import vietqr
from courier.domain.money import Outcome, outcome_of

KNOWN = json.loads((Path(__file__).parents[1] / "data" / "vietqr.json").read_text(encoding="utf-8"))
CODE = "7K2MPQ9X"


@pytest.mark.parametrize("known", KNOWN["vietqr"], ids=lambda known: known["account"])
def test_the_payload_is_the_one_that_banks_read(known):
    made = vietqr.payload(
        bin=known["bin"], account=known["account"], amount_dong=known["amount"], purpose=known["purpose"]
    )
    assert made == known["payload"]


def test_the_checksum_is_that_of_the_standard():
    assert vietqr.checksum("123456789") == "29B1"
    wrong = KNOWN["wrong_checksum"]
    assert vietqr.checksum(wrong["payload"][:-4]) == wrong["right"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bin": "12345"}, {"bin": "１２３４５６"}, {"account": "1" * 20}, {"account": "a b"}, {"amount_dong": 0},
        {"amount_dong": 10**13}, {"purpose": "x" * 26}, {"purpose": "Phí"}, {"purpose": ""},
    ],
)  # fmt: skip
def test_what_no_bank_would_read_is_not_made(wrong):
    with pytest.raises(ValueError, match="found"):
        vietqr.payload(**{"bin": "970449", "account": "000DEMO0000", "amount_dong": 1, "purpose": "x", **wrong})


@pytest.mark.parametrize("barcode", ["RE123456789VN", "re-12.34", "X" * 60, "Đ1", ""])
def test_a_purpose_fits_is_plain_and_is_found_again(barcode):
    purpose = vietqr.purpose_of(CODE, barcode)
    assert len(purpose) <= 25
    assert purpose.isascii()
    assert list(vietqr.codes_in(purpose)) == [CODE]


@pytest.mark.parametrize(
    "text",
    [
        "TT7K2MPQ9X RE123456789VN", "tt7k2mpq9x re123456789vn", "MBVCB.123.TT7K2MPQ9X RE1.CT tu 0011", "TT7K2MPQ9XRE123456789VN",
        "FT26330 TT 7K2M PQ9X", "NGUYEN VAN MAU chuyen tien TT7K2MPQ9X-120", "TTTT7K2MPQ9X",
    ],
)  # fmt: skip
def test_the_code_is_found_in_what_banks_make_of_the_text(text):
    assert CODE in list(vietqr.codes_in(text))


@pytest.mark.parametrize("text", ["", "Chuyen tien", "TT1234", "TT0O1IL0O1", "7K2MPQ9X"])
def test_no_code_is_seen_where_there_is_none(text):
    assert list(vietqr.codes_in(text)) == []


@pytest.mark.parametrize(
    ("text", "is_his"), [("BT7 12A RE123456789VN", True), ("bt7 12a", True), ("TT7K2MPQ9X", False)]
)
def test_a_postmans_own_text_is_known(text, is_his):
    assert vietqr.is_a_postmans(text) is is_his


@pytest.mark.parametrize(
    ("amount", "is_owed", "paid_before", "outcome"),
    [
        (165_000, True, False, Outcome.PAID), (165_001, True, False, Outcome.OVER), (164_999, True, False, Outcome.UNDER),
        (165_000, True, True, Outcome.DUPLICATE), (165_000, False, True, Outcome.DUPLICATE), (165_000, False, False, Outcome.LATE),
        (1, False, False, Outcome.LATE),
    ],
)  # fmt: skip
def test_a_transfer_settles_to_the_dong_once_and_while_it_is_owed(amount, is_owed, paid_before, outcome):
    assert outcome_of(amount, asked=165_000, is_owed=is_owed, paid_before=paid_before) is outcome
