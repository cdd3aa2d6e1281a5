"""VietQR (NAPAS 247, after EMVCo's merchant-presented codes): what a bank's app reads to fill in a transfer, and its text.

Each field is a tag of two digits, a length of two digits in characters, and its value.
"""

import re
from collections.abc import Iterator
from typing import Final

LONGEST_PURPOSE: Final = 25
_NAPAS: Final = "A000000727"
_TO_AN_ACCOUNT: Final = "QRIBFTTA"
_DONG: Final = "704"
# No letter or digit that is easily read as another: people type it by hand.
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LETTERS: Final = 8
_HEAD: Final = "TT"  # of a prepayment; what a postman asks for begins with his receipt's BT
_CODE: Final = re.compile(f"(?={_HEAD}([{ALPHABET}]{{{CODE_LETTERS}}}))")
_POSTMANS: Final = re.compile(r"BT[0-9]+ ?[0-9]+[A-Z]")


def _field(tag: str, value: str) -> str:
    return f"{tag}{len(value):02d}{value}"


def checksum(text: str) -> str:
    """CRC-16/CCITT-FALSE (polynomial 0x1021, beginning with 0xFFFF) as four upper-case hexadecimal digits."""
    crc = 0xFFFF
    for letter in text.encode("ascii"):
        crc ^= letter << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return f"{crc:04X}"


def payload(*, bin: str, account: str, amount_dong: int | None = None, purpose: str | None = None) -> str:
    """The payload of a transfer; without amount and purpose it is the account alone.

    Raises:
        ValueError: a part that no bank would read.
    """
    if not re.fullmatch(r"[0-9]{6}", bin):
        raise ValueError(f"a bank's number has six digits, found {bin!r}")
    if not re.fullmatch(r"[0-9A-Za-z]{1,19}", account):
        raise ValueError(f"an account has up to 19 letters and digits, found {account!r}")
    if amount_dong is not None and not 0 < amount_dong < 10**13:
        raise ValueError(f"an amount lies between 1 and 13 digits, found {amount_dong}")
    if purpose is not None and not re.fullmatch(f"[ -~]{{1,{LONGEST_PURPOSE}}}", purpose):
        raise ValueError(f"a purpose has up to {LONGEST_PURPOSE} ASCII letters, found {purpose!r}")
    fields = (
        _field("00", "01")
        + _field("01", "11" if amount_dong is None else "12")
        + _field(
            "38",
            _field("00", _NAPAS)
            + _field("01", _field("00", bin) + _field("01", account))
            + _field("02", _TO_AN_ACCOUNT),
        )
        + _field("53", _DONG)
        + ("" if amount_dong is None else _field("54", str(amount_dong)))
        + _field("58", "VN")
        + ("" if purpose is None else _field("62", _field("08", purpose)))
        + "6304"
    )
    return fields + checksum(fields)


def purpose_of(code: str, barcode: str) -> str:
    """The text of a prepayment. The code alone is what we look for; of a long barcode the end is shown."""
    head = f"{_HEAD}{code} "
    return head + re.sub(r"[^0-9A-Z]", "", barcode.upper())[len(head) - LONGEST_PURPOSE :]


def codes_in(text: str) -> Iterator[str]:
    """Every text in a bank's line that may be the code of a prepayment; banks drop spaces, add words and change the case."""
    yield from dict.fromkeys(_CODE.findall(re.sub(r"[^0-9A-Z]", "", text.upper())))


def is_a_postmans(text: str) -> bool:
    """True when the text is one that a postman's phone asked for at a door."""
    return _POSTMANS.search(text.upper()) is not None
