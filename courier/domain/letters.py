"""Vietnamese letters in the codes of old programs: TCVN3 (.VnTime fonts), VNI, VISCII, code page 1258, told apart by evidence."""

import re
import unicodedata
from typing import Final

CODES: Final = ("tcvn3", "cp1258", "vni", "viscii", "cp1252")
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
# RFC 1456. Six capitals took the place of control characters.
_VISCII: Final = dict(
    zip(
        [0x02, 0x05, 0x06, 0x14, 0x19, 0x1E, *range(0x80, 0x100)],
        "ẲẴẪỶỸỴ"
        "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯ"
        "ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ",
        strict=True,
    )
)
_TABLES: Final = {"tcvn3": str.maketrans(_TCVN3), "viscii": str.maketrans(_VISCII)}

# VNI for Windows: a letter of its own for o, u and d with their hooks and for i with its tones; else the plain vowel and a mark
# behind it, which says hat and tone together.
_VNI_ALONE: Final = dict(zip("ñôöîìíæóò", "đơưỵìíỉĩị", strict=True))
_VNI_TONES: Final = dict(zip("øùûõï", "\u0300\u0301\u0309\u0303\u0323", strict=True))
_VNI_HATS: Final = dict(
    zip("âàáåãä", ("\u0302" + tone for tone in ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")), strict=True)
)
_VNI_BREVES: Final = dict(
    zip("êèéúüë", ("\u0306" + tone for tone in ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")), strict=True)
)
_VNI: Final = {
    typed: unicodedata.normalize("NFC", meant)
    for small, letter in (
        *_VNI_ALONE.items(),
        *((vowel + mark, vowel + tone) for vowel in "aeouy" for mark, tone in _VNI_TONES.items()),
        *((vowel + mark, _VNI_ALONE[vowel] + tone) for vowel in "ôö" for mark, tone in _VNI_TONES.items()),
        *((vowel + mark, vowel + hat) for vowel in "aeo" for mark, hat in _VNI_HATS.items()),
        *(("a" + mark, "a" + breve) for mark, breve in _VNI_BREVES.items()),
    )
    for typed, meant in (
        (small, letter),
        (small.upper(), letter.upper()),
        # Only the first letter of a word is large, its mark is not.
        (small[0].upper() + small[1:], letter.capitalize()),
    )
}
_VNI_LETTER: Final = re.compile("|".join(sorted(map(re.escape, _VNI), key=len, reverse=True)))

_TONES: Final = "aàảãáạăằẳẵắặâầẩẫấậeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵ"
_SYLLABLE: Final = re.compile(
    rf"(?:ngh|ng|gh|gi|kh|nh|ph|qu|th|tr|ch|[bcdđghklmnpqrstvx])?[{_TONES}]{{1,3}}(?:ch|nh|ng|[cmnpt])?"
)
_WORD: Final = re.compile(r"[^\W\d_]+")


def decode(content: bytes, code: str) -> str:
    """Text of one of `CODES`; a byte that the code has no letter for becomes U+FFFD."""
    if code in FONTS:
        return from_latin(content.decode("latin-1"), code)
    return unicodedata.normalize("NFC", content.decode(code, errors="replace"))


FONTS: Final = ("tcvn3", "vni", "viscii")
"""Codes that are fonts: a program that knows nothing of them takes their bytes for Latin letters."""


def from_latin(text: str, code: str) -> str:
    """What a text in a font of `FONTS` says: its letters are bytes that were taken for Latin letters (latin-1 or code page 1252)."""
    plain = "".join(map(_byte_of, text)) if not text.isascii() else text
    if code == "vni":
        return _VNI_LETTER.sub(lambda found: _VNI[found[0]], plain)
    return plain.translate(_TABLES[code])


def _byte_of(letter: str) -> str:
    """A letter that code page 1252 has between 0x80 and 0x9F as the byte it stands for."""
    if letter < "\u0100":
        return letter
    try:
        return letter.encode("cp1252").decode("latin-1")
    except UnicodeEncodeError:
        return letter


def share_of_syllables(text: str) -> float:
    """Which share of the words with marks could be Vietnamese syllables, 0 to 1; 0 where no word has a mark."""
    marked = [word for word in _WORD.findall(text.lower()) if not word.isascii()]
    damaged = text.count("\N{REPLACEMENT CHARACTER}")
    if not marked:
        return 0.0
    return sum(_SYLLABLE.fullmatch(word) is not None for word in marked) / (len(marked) + damaged)
