"""Barcodes, ID numbers and phones, against published vectors and the library `phonenumbers`."""

import re
from datetime import date

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from courier.domain.identifiers import (
    Implausible,
    barcode,
    dossier_key,
    id_number,
    id_number_parts,
    is_mobile,
    is_s10,
    masked,
    phone,
)

TODAY = date(2026, 11, 23)
PATTERNS = (re.compile(r"[A-Z]{2}[0-9]{9}[A-Z]{2}"), re.compile(r"BUUTA-[0-9]{6}"))


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("RA473124829GB", True),  # the example of the UPU's own standard
        ("RE123456785VN", True),
        ("RE123456784VN", False),
        ("RE000000005VN", True),  # 11 - 0 = 11 counts as 5
        ("RE12345678VN", False),
        ("re123456785vn", False),
    ],
)
def test_an_s10_code_carries_its_check_digit(code, right):
    assert is_s10(code) is right


@given(serial=st.integers(0, 10**8 - 1), digit=st.integers(0, 9), place=st.integers(0, 7))
def test_one_wrong_digit_in_an_s10_code_is_always_found(serial, digit, place):
    """11 is prime, so a single wrong digit always moves the sum. Oracle: all ten check digits tried."""
    weights = (8, 6, 4, 2, 3, 5, 9, 7)
    digits = f"{serial:08d}"
    (check,) = [check for check in range(10) if is_s10(f"RE{digits}{check}VN")]
    wrong = digits[:place] + str(digit) + digits[place + 1 :]
    sums = {sum(int(d) * w for d, w in zip(code, weights, strict=True)) % 11 for code in (digits, wrong)}
    # The sums 0 and 6 share the check digit 5: only between those two can a mistake hide.
    if wrong != digits and sums != {0, 6}:
        assert not is_s10(f"RE{wrong}{check}VN")


def test_a_barcode_is_read_in_capitals_and_without_spaces():
    assert barcode(" re 1234 5678 5 vn", PATTERNS) == "RE123456785VN"
    assert barcode("buuta-000123", PATTERNS) == "BUUTA-000123"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("RE123456784VN", "barcode-check-digit"),
        ("XYZ", "barcode-form"),
        ("", "barcode-form"),
        ("BUUTA-12345678", "barcode-form"),
    ],
)
def test_a_barcode_that_cannot_be_is_refused_with_what_was_found(text, code):
    with pytest.raises(Implausible) as refusal:
        barcode(text, PATTERNS)
    assert refusal.value.code == code
    assert text in refusal.value.sentence


def test_dossier_codes_meet_whatever_divides_them():
    assert dossier_key("H12.11-261111-0001") == dossier_key("h12-11.261111 0001") == "H12112611110001"
    assert dossier_key("03706/2026/07906") != dossier_key("03706/2026/07907")


@pytest.mark.parametrize(
    ("number", "province", "sex", "year"),
    [
        ("096188000001", "096", "F", 1988),
        ("096201000002", "096", "M", 2001),
        ("096301000003", "096", "F", 2001),
        ("001099000009", "001", "M", 1999),
    ],
)
def test_the_digits_of_an_id_number_say_province_sex_and_year(number, province, sex, year):
    parts = id_number_parts(number)
    assert (parts.province, parts.sex, parts.birth_year) == (province, sex, year)


@pytest.mark.parametrize("text", ["096088000001", "096 088 000 001", "096088-000001", "381234567"])
def test_twelve_digits_or_the_nine_of_old_are_an_id_number(text):
    assert id_number(text, on=TODAY).isdigit()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("09608800001", "id-number-form"),
        ("0960880000012", "id-number-form"),
        ("09608800000a", "id-number-form"),
        ("٠٩٦٠٨٨٠٠٠٠٠١", "id-number-form"),  # digits of another script
        ("000088000001", "id-number-province"),
        ("097088000001", "id-number-province"),
        ("096227000001", "id-number-birth"),  # born 2027
    ],
)
def test_an_id_number_that_cannot_be_is_refused_and_never_quoted(text, code):
    with pytest.raises(Implausible) as refusal:
        id_number(text, on=TODAY)
    assert refusal.value.code == code
    assert text not in refusal.value.sentence
    assert text[:8] not in refusal.value.sentence


def test_a_masked_number_shows_its_last_four_digits_and_nothing_of_a_short_one():
    assert masked("096088000001") == "********0001"
    assert masked("381234567") == "*****4567"
    assert masked("12345678") == "********"
    assert masked("") == ""


@pytest.mark.parametrize(
    ("text", "national"),
    [
        ("0912345678", "0912345678"),
        ("+84912345678", "0912345678"),
        ("84 912 345 678", "0912345678"),
        ("+84 (0)912.345.678", "0912345678"),
        ("0084912345678", "0912345678"),
        ("0330000000", "0330000000"),
        ("0559123456", "0559123456"),
        ("0879123456", "0879123456"),
        ("841234567", "0841234567"),  # begins with 84 and is no international form
        ("0290 3831 234", "02903831234"),
    ],
)
def test_a_phone_is_written_in_its_national_form(text, national):
    assert phone(text) == national


def test_a_fixed_line_gets_no_messages():
    assert is_mobile("0912345678")
    assert not is_mobile("02903831234")


@pytest.mark.parametrize(
    "text",
    ["0120 123 4567", "0671234567", "12", "", "0912345678 / 0987654321", "không có", "+1 202 555 0123", "٠٩١٢٣٤٥٦٧٨"],
)
def test_what_is_no_vietnamese_phone_is_refused(text):
    with pytest.raises(Implausible) as refusal:
        phone(text)
    assert refusal.value.code == "phone-form"


def test_every_prefix_of_three_digits_is_judged_as_the_library_judges_it():
    """Numbers that begin with 1 are left out: the library knows them as SIM cards of machines, nobody answers there."""
    wanted = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
    wrong = []
    for prefix in range(200, 1000):
        for rest in ("12345", "123456", "1234567", "12345678"):
            number = phonenumbers.parse(f"0{prefix}{rest}", "VN")
            known = phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) in wanted
            try:
                ours = phone(f"0{prefix}{rest}") != ""
            except Implausible:
                ours = False
            if ours != known:
                wrong.append((prefix, rest, ours, known))
    assert wrong == []
