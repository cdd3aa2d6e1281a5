"""Vietnamese letters in the codes of old programs: TCVN3 (the .VnTime fonts) and code page 1258, told apart by evidence."""

import re
import unicodedata
from typing import Final

CODES: Final = ("tcvn3", "cp1258", "cp1252")
"""What a text that is no UTF-8 may be in; `cp1252` stands for the languages that are not Vietnamese."""

# TCVN 5712:1993, third form (VN3): one byte a letter, capitals with tone marks only as capital fonts, from 0xA1 on.
_TCVN3: Final = dict(
    zip(
        [
            *range(0xA1, 0xAF),
            *range(0xB5, 0xBA),
            *range(0xBB, 0xBF),
            *range(0xC6, 0xCD),
            *range(0xCE, 0xD9),
            *range(0xDC, 0xE0),
            *range(0xE1, 0xF0),
            *range(0xF1, 0xFF),
        ],
        "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ",
        strict=True,
    )
)
_FROM_LATIN: Final = {bytes([byte]).decode("latin-1"): letter for byte, letter in _TCVN3.items()}
# Word processors show the bytes 0x80-0x9F as letters of code page 1252; TCVN3 has none of its own there.
_LATIN_TABLE: Final = str.maketrans(_FROM_LATIN)

_TONES: Final = "aàảãáạăằẳẵắặâầẩẫấậeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵ"
_SYLLABLE: Final = re.compile(
    rf"(?:ngh|ng|gh|gi|kh|nh|ph|qu|th|tr|ch|[bcdđghklmnpqrstvx])?[{_TONES}]{{1,3}}(?:ch|nh|ng|[cmnpt])?"
)
_WORD: Final = re.compile(r"[^\W\d_]+")


def decode(content: bytes, code: str) -> str:
    """Text of one of `CODES`; a byte that the code has no letter for becomes U+FFFD."""
    if code == "tcvn3":
        return from_latin(content.decode("latin-1"))
    return unicodedata.normalize("NFC", content.decode(code, errors="replace"))


def from_latin(text: str) -> str:
    """What a text in a .VnTime font says: its letters are TCVN3 bytes that were taken for Latin letters."""
    return text.translate(_LATIN_TABLE)


def share_of_syllables(text: str) -> float:
    """Which share of the words with marks could be Vietnamese syllables, 0 to 1; 0 where no word has a mark."""
    marked = [word for word in _WORD.findall(text.lower()) if not word.isascii()]
    damaged = text.count("\N{REPLACEMENT CHARACTER}")
    if not marked:
        return 0.0
    return sum(_SYLLABLE.fullmatch(word) is not None for word in marked) / (len(marked) + damaged)
