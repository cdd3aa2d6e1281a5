"""Takes a written address apart: which words stand behind which marker (ấp, xã, huyện, tỉnh), before anybody asks what they name."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from courier.domain.placenames import LONGEST_NAME, Era, Lexicon, Name
from courier.domain.text import fold


class Mark(StrEnum):
    """What the marker in front of some words says they are."""

    HAMLET = "hamlet"
    PLACE = "place"
    COMMUNE = "commune"
    DISTRICT = "district"
    CITY = "city"
    PROVINCE = "province"
    BARE = "bare"


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written and as folded; `dotted` when a full stop touches it ("H.")."""

    raw: str
    fold: str
    dotted: bool = False


@dataclass(slots=True)
class Piece:
    """Words behind one marker. `kind` refines the mark (xa, ap, khom ...); `aside`: said in passing; `era`: after "nay là"."""

    mark: Mark
    kind: str
    words: list[Word] = field(default_factory=list)
    aside: bool = False
    era: Era = ""

    @property
    def raw(self) -> str:
        """The words as written."""
        return " ".join(word.raw for word in self.words)


_ONE_TO_ONE = {
    code: plain
    for first, last in ((0x41, 0x5A), (0xC0, 0x24F), (0x1E00, 0x1EFF))
    for code in range(first, last + 1)
    if len(plain := fold(chr(code))) == 1
}
_RANGES = ((0x41, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF))
_LETTERS = [chr(code) for first, last in _RANGES for code in range(first, last + 1)]
_UPPER = "".join(re.escape(c) for c in _LETTERS if c.isupper())
_LOWER = "".join(re.escape(c) for c in _LETTERS if c.islower())
# "KhánhAn" is two words and so is "UMinh"; "KKhánh" is a slip.
_HUMP = re.compile(f"([{_LOWER}])(?=[{_UPPER}])|([{_UPPER}])(?=([{_UPPER}])[{_LOWER}])")
_TOKEN = re.compile(r"\d+(?:[^\W\d_](?![^\W\d_]))?|[^\W\d_]+|[^\w\s]")
_LINES = str.maketrans("\n\r\t", ",,,")

_BREAKS = frozenset(",;|(){}[]")
_DASHES = frozenset("-–—/\\")
_LONG_NUMBER = 5  # digits: a telephone or a postcode, never a house or a hamlet here
_SENTENCE_WORD = 3  # letters: a full stop after a longer word ends a part, after a shorter one it abbreviates

# folded marker -> (mark, kind, spellings that count in the middle of a part; empty = any)
_MARKERS: dict[str, tuple[Mark, str, frozenset[str]]] = {
    "ap": (Mark.HAMLET, "ap", frozenset({"ap", "ấp", "âp", "áp"})),
    "khom": (Mark.HAMLET, "khom", frozenset({"khom", "khóm"})),
    "kp": (Mark.HAMLET, "khu_pho", frozenset()),
    "xa": (Mark.COMMUNE, "xa", frozenset({"xa", "xã"})),
    "phuong": (Mark.COMMUNE, "phuong", frozenset({"phuong", "phường"})),
    "tt": (Mark.COMMUNE, "thi_tran", frozenset()),
    "ttr": (Mark.COMMUNE, "thi_tran", frozenset()),
    "huyen": (Mark.DISTRICT, "huyen", frozenset({"huyen", "huyện"})),
    "tx": (Mark.DISTRICT, "thi_xa", frozenset()),
    "tp": (Mark.CITY, "thanh_pho", frozenset()),
    "tinh": (Mark.PROVINCE, "tinh", frozenset({"tinh", "tỉnh"})),
}
_PAIRS: dict[tuple[str, str], tuple[Mark, str]] = {
    ("thi", "tran"): (Mark.COMMUNE, "thi_tran"),
    ("thi", "xa"): (Mark.DISTRICT, "thi_xa"),
    ("thanh", "pho"): (Mark.CITY, "thanh_pho"),
    ("khu", "pho"): (Mark.HAMLET, "khu_pho"),
    ("khu", "vuc"): (Mark.HAMLET, "khu_vuc"),
    ("quoc", "lo"): (Mark.PLACE, "duong"),
    ("tinh", "lo"): (Mark.PLACE, "duong"),
    ("doi", "dien"): (Mark.PLACE, "gan"),
}
# Words that begin the name of something else (a street, a canal, a market) when a part begins with them.
_PLACES = frozenset(
    [
        "ben",
        "cau",
        "cho",
        "chua",
        "cong",
        "cty",
        "d",
        "dinh",
        "dt",
        "duong",
        "gan",
        "hem",
        "hotel",
        "kcn",
        "kenh",
        "khu",
        "kinh",
        "lo",
        "nha",
        "nhatho",
        "nga",
        "ong",
        "ql",
        "quan",
        "rach",
        "so",
        "song",
        "to",
        "truong",
        "tuyen",
        "ubnd",
        "vam",
    ],
) - {"quan", "ong", "to"}
_AT_START: dict[str, tuple[Mark, str]] = {
    "to": (Mark.HAMLET, "to"),
    "thon": (Mark.HAMLET, "thon"),
    "xom": (Mark.HAMLET, "xom"),
}
_MARK_OF = {
    "xa": Mark.COMMUNE,
    "phuong": Mark.COMMUNE,
    "thi_tran": Mark.COMMUNE,
    "huyen": Mark.DISTRICT,
    "tinh": Mark.PROVINCE,
}
_LETTER_PAIRS = frozenset({("t", "t"), ("t", "p"), ("t", "x"), ("k", "p")})
_ASIDES: dict[tuple[str, str], Era] = {
    ("nay", "la"): "new",
    ("nay", "thuoc"): "new",
    ("hien", "nay"): "new",
    ("moi", "la"): "new",
    ("truoc", "day"): "old",
    ("truoc", "la"): "old",
}
_FILLERS = frozenset({"thuoc", "la"})
_Segment = tuple[list[Word], bool, Era]  # words, said in passing, after "nay là" or "trước đây"


def split(raw: str, lexicon: Lexicon) -> list[Piece]:
    """Take `raw` apart at punctuation and markers. Never fails; words it cannot place stand in a bare piece."""
    pieces: list[Piece] = []
    for words, aside, era in _segments(raw):
        pieces.extend(_pieces(words, aside=aside, era=era, lexicon=lexicon))
    return pieces


def _segments(raw: str) -> Iterator[_Segment]:
    """Yield what stands between separators."""
    text = unicodedata.normalize("NFKC", raw).translate(_LINES)
    text = (
        "".join(c for c in text if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
        if not text.isprintable()
        else text
    )
    text = _HUMP.sub(lambda hump: hump[0] if hump[2] and hump[2] == hump[3] else f"{hump[0]} ", text)
    plain = text.translate(_ONE_TO_ONE)
    words: list[Word] = []
    depth = 0
    for match in _TOKEN.finditer(plain):
        sign, start, end = match[0], match.start(), match.end()
        if sign[0].isalnum():
            if not (sign.isdigit() and len(sign) >= _LONG_NUMBER):
                words.append(Word(text[start:end], sign, dotted=plain[end : end + 1] == "."))
            continue
        if sign == ".":
            stops = not words or len(words[-1].fold) >= _SENTENCE_WORD or words[-1].fold.isdigit()
            cuts = stops and not plain[end : end + 1].isalnum()
        elif sign in _DASHES:
            cuts = not (plain[start - 1 : start].isdigit() and plain[end : end + 1].isdigit())
        else:
            cuts = sign in _BREAKS
        if cuts:
            yield from _asides(words, aside=depth > 0)
            words = []
            depth += (sign in "([{") - (sign in ")]}")
    yield from _asides(words, aside=depth > 0)


def _asides(words: list[Word], *, aside: bool) -> Iterator[_Segment]:
    """Cut a segment at "nay là", "trước đây" and the like; what follows is said in passing."""
    part: list[Word] = []
    era: Era = ""
    previous = ""
    for word in words:
        turn = _ASIDES.get((previous, word.fold))
        if turn:
            yield part[:-1] if part and part[-1].fold == previous else part, aside, era
            part, aside, era, previous = [], True, turn, word.fold
            continue
        previous = word.fold
        if part or word.fold not in _FILLERS or not (aside or word.fold == "thuoc"):
            part.append(word)
    yield part, aside, era


def _pieces(words: list[Word], *, aside: bool, era: Era, lexicon: Lexicon) -> Iterator[Piece]:
    """Cut one segment in front of every marker."""
    words = _without_country(_joined_letters(words))
    piece = Piece(Mark.BARE, "", aside=aside, era=era)
    at = 0
    while at < len(words):
        found = _marker(words, at, opens=not piece.words and piece.mark is Mark.BARE, lexicon=lexicon)
        if found is None:
            piece.words.append(words[at])
            at += 1
            continue
        mark, kind, used, name = found
        if piece.words or piece.mark is not Mark.BARE:
            yield piece
        piece = Piece(mark, kind, aside=aside, era=era)
        if name:
            piece.words.append(Word(" ".join(word.raw for word in words[at : at + used]), name))
        at += used
    if piece.words or piece.mark is not Mark.BARE:
        yield piece


def _joined_letters(words: list[Word]) -> list[Word]:
    """Read "T.T." as "TT" and "T.P" as "TP"."""
    out: list[Word] = []
    for word in words:
        if out and out[-1].dotted and (out[-1].fold, word.fold) in _LETTER_PAIRS:
            out[-1] = Word(out[-1].raw + word.raw, out[-1].fold + word.fold, dotted=True)
        else:
            out.append(word)
    return out


def _without_country(words: list[Word]) -> list[Word]:
    folded = [word.fold for word in words[-2:]]
    if folded == ["viet", "nam"]:
        return words[:-2]
    return words[:-1] if folded[-1:] in (["vn"], ["vietnam"]) else words


_Found = tuple[Mark, str, int, str]  # mark, kind, words used, name found glued to the marker


def _marker(words: list[Word], at: int, *, opens: bool, lexicon: Lexicon) -> _Found | None:
    """The marker that begins at `at`, if any. `opens`: nothing stands before it in its part."""
    word = words[at]
    following = words[at + 1] if at + 1 < len(words) else None
    if following is not None:
        pair = _PAIRS.get((word.fold, following.fold))
        if pair is not None and (opens or pair[0] is not Mark.PLACE) and _accents_agree(word, following):
            return (*pair, 2, "")
    marker = _MARKERS.get(word.fold)
    if marker is not None and following is not None:
        mark, kind, spellings = marker
        if mark is Mark.PROVINCE and following.fold[0].isdigit():
            return (Mark.PLACE, "duong", 1, "")
        if opens or not spellings or word.raw.lower() in spellings:
            return (mark, kind, 1, "")
    if len(word.fold) == 1 and following is not None:
        letter = _LETTER_RULES.get(word.fold)
        found = letter(words, at, opens, lexicon) if letter else None
        if found is not None:
            return found
    if opens and following is not None:
        if word.raw.lower() == "quận" or (word.fold == "quan" and following.fold[0].isdigit()):
            return (Mark.DISTRICT, "quan", 1, "")
        if word.fold in _AT_START:
            return (*_AT_START[word.fold], 1, "")
        if word.fold in _PLACES and not _name_ahead(words, at, lexicon.names):
            return (Mark.PLACE, word.fold, 1, "")
    return _glued(words, at, lexicon)


def _accents_agree(first: Word, second: Word) -> bool:
    """Whether it is "thị trấn", a town, and not "Thị Trân", a person."""
    return (first.raw + " " + second.raw).lower() not in {"thị trân", "thị trần", "thị trang", "thạnh phố"}


def _glued(words: list[Word], at: int, lexicon: Lexicon) -> _Found | None:
    joined = ""
    for used, word in enumerate(words[at : at + LONGEST_NAME], 1):
        joined += word.fold
        found = lexicon.glued.get(joined)
        if found is not None:
            kind, key = found
            return (_MARK_OF[kind], kind, used, key)
    return None


def _name_ahead(words: list[Word], at: int, names: Mapping[str, Name] | frozenset[str]) -> bool:
    joined = ""
    for word in words[at : at + LONGEST_NAME]:
        joined += word.fold
        if joined in names:
            return True
    return False


def _big_letter(mark: Mark, kind: str) -> Callable[[list[Word], int, bool, Lexicon], _Found | None]:
    """Rule for "X." and "H.": dotted, at the start, behind a number or in front of a known name."""

    def rule(words: list[Word], at: int, opens: bool, lexicon: Lexicon) -> _Found | None:  # noqa: FBT001
        clear = words[at].dotted or opens or words[at - 1].fold[0].isdigit()
        return (mark, kind, 1, "") if clear or _name_ahead(words, at + 1, lexicon.names) else None

    return rule


def _numbered_letter(
    mark: Mark, kind: str, *, dotted: bool
) -> Callable[[list[Word], int, bool, Lexicon], _Found | None]:
    """Rule for "P.5", "K.3" and "A.7"; a ward may also carry a known name."""

    def rule(words: list[Word], at: int, opens: bool, lexicon: Lexicon) -> _Found | None:  # noqa: FBT001
        clear = words[at].dotted or (opens and not dotted)
        if not clear:
            return None
        if words[at + 1].fold[0].isdigit():
            return (mark, kind, 1, "")
        named = mark is Mark.COMMUNE and _name_ahead(words, at + 1, lexicon.names)
        return (mark, kind, 1, "") if named else None

    return rule


def _province_letter(words: list[Word], at: int, opens: bool, lexicon: Lexicon) -> _Found | None:  # noqa: ARG001, FBT001
    """Rule for "T. Cà Mau": only in front of a province, since "T" also shortens names."""
    return (Mark.PROVINCE, "tinh", 1, "") if _name_ahead(words, at + 1, lexicon.provinces) else None


_LETTER_RULES: dict[str, Callable[[list[Word], int, bool, Lexicon], _Found | None]] = {
    "x": _big_letter(Mark.COMMUNE, "xa"),
    "h": _big_letter(Mark.DISTRICT, "huyen"),
    "p": _numbered_letter(Mark.COMMUNE, "phuong", dotted=False),
    "f": _numbered_letter(Mark.COMMUNE, "phuong", dotted=False),
    "k": _numbered_letter(Mark.HAMLET, "khom", dotted=False),
    "a": _numbered_letter(Mark.HAMLET, "ap", dotted=True),
    "q": _numbered_letter(Mark.DISTRICT, "quan", dotted=True),
    "t": _province_letter,
}
