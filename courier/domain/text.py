"""Vietnamese text as people search for it: without marks, without case, without stray spaces."""

import unicodedata

# Letters that Unicode does not decompose; the Icelandic eth is what old keyboards produced for Đ.
_STROKES = str.maketrans({"đ": "d", "ð": "d"})


def fold(text: str) -> str:
    """Return `text` in lower case, without diacritics, with single spaces: "Xã  ĐẦM Dơi" becomes "xa dam doi".

    Composed and decomposed input give the same answer; punctuation and digits stay. Applying it twice changes nothing.
    """
    lowered = text.casefold()
    if not lowered.isascii():
        lowered = unicodedata.normalize("NFKD", lowered)
        # Cf are invisible signs such as the zero-width space that spreadsheets bring along.
        kept = (c for c in lowered if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
        lowered = "".join(kept).casefold().translate(_STROKES)
    return " ".join(lowered.split())
