"""Numbers that name things and people: barcodes, dossier codes, ID numbers, phones. Each is normalised or refused with a reason."""

import base64
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID


class Implausible(ValueError):
    """A number that cannot be what it is said to be. `code` is stable, `sentence` names what was found (an ID number masked)."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


# ------------------------------------------------------------------------------------------------ barcodes
_S10_SHAPE: Final = re.compile(r"[A-Z]{2}[0-9]{9}[A-Z]{2}")
_S10_WEIGHTS: Final = (8, 6, 4, 2, 3, 5, 9, 7)


def s10_check_digit(serial: str) -> int:
    """The ninth digit of an S10 code (UPU standard S10) for its eight digits of serial number."""
    rest = 11 - sum(weight * int(digit) for weight, digit in zip(_S10_WEIGHTS, serial, strict=True)) % 11
    return {10: 0, 11: 5}.get(rest, rest)


def is_s10(code: str) -> bool:
    """True for an S10 code of 13 characters whose check digit is right."""
    return _S10_SHAPE.fullmatch(code) is not None and s10_check_digit(code[2:10]) == int(code[10])


def barcode(text: str, patterns: Iterable[re.Pattern[str]]) -> str:
    """The barcode in capitals without spaces. The check digit counts only where the code has the shape of S10.

    Raises:
        Implausible: `barcode-form` when no pattern fits, `barcode-check-digit` when an S10 code is mistyped.
    """
    code = "".join(text.upper().split())
    if not any(pattern.fullmatch(code) for pattern in patterns):
        raise Implausible("barcode-form", f"Mã bưu gửi «{text}» không đúng dạng quy định")
    if _S10_SHAPE.fullmatch(code) and not is_s10(code):
        right = s10_check_digit(code[2:10])
        raise Implausible(
            "barcode-check-digit",
            f"Mã bưu gửi «{text}» sai số kiểm tra: chữ số thứ chín là {code[10]}, đúng ra là {right}",
        )
    return code


# ------------------------------------------------------------------------------------------------ dossiers
MOST_DOSSIER_CODE: Final = 50


def dossier_key(code: str) -> str:
    """What makes two spellings of a dossier code the same: letters and digits, in capitals, without separators.

    There is no single pattern: agencies write `000.00.19.H12-261111-0001`, `H12.19-261111-0001` or `03706/2026/07906`.
    """
    return "".join(sign for sign in unicodedata.normalize("NFC", code).upper() if sign.isalnum())


# ------------------------------------------------------------------------------------------------ people
_OLD_ID_DIGITS: Final = 9
ID_DIGITS: Final = 12
_LAST_PROVINCE: Final = 96


@dataclass(frozen=True, slots=True)
class IdNumberParts:
    """What the digits of a 12-digit ID number say. `province` is where the birth was registered, not where somebody lives."""

    province: str
    sex: str
    birth_year: int


def id_number_parts(number: str) -> IdNumberParts:
    """Read a 12-digit ID number (số định danh): 3 province, 1 century and sex, 2 year of birth, 6 random; no check digit.

    Raises:
        Implausible: `id-number-form` or `id-number-province`.
    """
    if len(number) != ID_DIGITS or not _is_digits(number):
        raise Implausible("id-number-form", f"Số CCCD {masked(number)} phải có 12 chữ số")
    if not 1 <= int(number[:3]) <= _LAST_PROVINCE:
        raise Implausible("id-number-province", f"Số CCCD {masked(number)} bắt đầu bằng mã tỉnh không có")
    century = int(number[3])
    return IdNumberParts(number[:3], "FM"[century % 2 == 0], 1900 + 100 * (century // 2) + int(number[4:6]))


def id_number(text: str, *, on: date) -> str:
    """The digits of an ID number: 12 of today's, or 9 of the old one, which is history but still written on forms.

    Raises:
        Implausible: wrong length, no such province, or born after the day `on`; the number is masked in the sentence.
    """
    number = re.sub(r"[\s.\-]", "", text)
    if len(number) == _OLD_ID_DIGITS and _is_digits(number):
        return number
    if len(number) != ID_DIGITS or not _is_digits(number):
        found = f"có {len(number)} chữ số" if _is_digits(number) else "có ký tự không phải chữ số"
        raise Implausible("id-number-form", f"Số CCCD {masked(number)} {found}; phải có 12 chữ số (hoặc 9, số cũ)")
    if id_number_parts(number).birth_year > on.year:
        raise Implausible("id-number-birth", f"Số CCCD {masked(number)} cho năm sinh trong tương lai")
    return number


def masked(number: str) -> str:
    """An ID number as it may be shown: the last four digits, or nothing of a short one."""
    shown = number[-4:] if len(number) > 2 * 4 else ""
    return "*" * (len(number) - len(shown)) + shown


def handover_receipt(batch_id: UUID, day: date) -> str:
    """The number of the record of a hand-over (biên bản giao nhận): the day, and what makes it unlike any other of that day.

    It is made of the batch's id, so both sides find it again; 40 bits tell the batches of a day apart.
    """
    return f"BG-{day:%y%m%d}-{base64.b32encode(batch_id.bytes[-5:]).decode()}"


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


# Prefixes of Vietnamese numbers without the leading 0; a test compares them with the library `phonenumbers`.
_MOBILE: Final = re.compile(
    r"(?:(?:3\d|7[06-9]|5[1689]|8[1-8]|9[0-8])\d|5(?:2[238]|59)|8(?:9[6-9])|9(?:9[013-9]))\d{6}"
)
_FIXED: Final = re.compile(r"2(?:0[3-9]|1[0-689]|2[0-25-9]|[38][2-9]|4[2-8]|5[124-9]|6[0-39]|7[0-7]|9[0-4679])\d{7}")


def phone(text: str) -> str:
    """A Vietnamese phone number in its national form, `0599000001` or `02903831234`.

    Raises:
        Implausible: `phone-form`, also for the 11-digit mobile numbers that ended in 2018.
    """
    digits = re.sub(r"[\s.\-()]", "", text)
    national = re.sub(r"^(?:(?:\+84|0084|84(?=0?\d{9,10}$))0?|0)", "", digits)
    if not (_MOBILE.fullmatch(national) or _FIXED.fullmatch(national)) or not _is_digits(national):
        raise Implausible("phone-form", f"Số điện thoại «{text}» không phải số của Việt Nam")
    return "0" + national


def is_mobile(number: str) -> bool:
    """True for a normalised number that can get a message."""
    return _MOBILE.fullmatch(number[1:]) is not None
