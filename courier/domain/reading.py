"""Reads a written address level by level (hamlet, commune, district, province), before anybody asks whether it makes sense."""

from collections.abc import Callable
from dataclasses import dataclass, field

from courier.domain.address import Mark, Piece, Word, split
from courier.domain.placenames import ERAS, Era, Lexicon, Name

_TELEPHONE = frozenset({"sdt", "dt", "tel", "dienthoai", "lh"})
_FULL_TAIL = 4  # syllables of hamlet and commune together from which the border between them is clear
_HAMLET_WORDS = {
    "ap": "Ấp",
    "khom": "Khóm",
    "khu_pho": "Khu phố",
    "khu_vuc": "Khu vực",
    "thon": "Thôn",
    "xom": "Xóm",
    "to": "Tổ",
}


@dataclass(slots=True)
class Mention:
    """A known name and where it stands. `weak`: the words around it may belong to it; `era`: "cũ" or "mới" stands behind it."""

    name: Name
    at: int
    kind: str = ""
    weak: bool = False
    aside: bool = False
    era: Era = ""
    errors: int = 0


@dataclass(slots=True)
class Unread:
    """Words that are no known name; `kind` is "" without a marker."""

    words: list[Word]
    at: int
    kind: str = ""

    @property
    def raw(self) -> str:
        """The words as written."""
        return " ".join(word.raw for word in self.words)


@dataclass(slots=True)
class Reading:
    """What an address says, level by level, before anybody asks whether it makes sense.

    `either` is a name that may be the old district or the commune; `foreign` another province; `strange_district` one that is
    not ours; `loose` where words stand that nothing explains, `places` where streets, markets and bridges stand.
    """

    communes: list[Mention] = field(default_factory=list)
    bare: list[Mention] = field(default_factory=list)
    spare: list[Mention] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    loose: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    either: Mention | None = None
    district: str | None = None
    district_at: int = -1
    strange_district: str | None = None
    province: str | None = None
    province_at: int = -1
    province_marked: bool = False
    foreign: str | None = None
    hamlet: str | None = None
    hamlet_at: int = -1
    errors: int = 0

    @property
    def upside_down(self) -> bool:
        """Whether it runs from the province down to the house."""
        large = [at for at in (self.district_at, self.province_at) if at >= 0]
        small = [mention.at for mention in self.communes] + [self.hamlet_at] * (self.hamlet_at >= 0)
        return bool(large and small) and min(large) < min(small)


def read(raw: str, lexicon: Lexicon, districts: frozenset[str]) -> Reading:
    """Read `raw` level by level. `districts` = names of the old districts whose communes we know. Never fails."""
    reading = Reading()
    at = 0
    for piece in split(raw, lexicon):
        _READERS[piece.mark](piece, at, reading, lexicon)
        at += len(piece.words) + 1
    _place_bare(reading)
    _read_slips(reading, lexicon)
    if reading.district is not None and reading.district not in districts:
        reading.strange_district = reading.strange_district or reading.district
        reading.district = None
    return reading


def _peel(piece: Piece, at: int, lexicon: Lexicon) -> tuple[int, list[Mention]]:
    end, found = lexicon.peel([word.fold for word in piece.words])
    return end, [Mention(name, at + 1 + start, aside=piece.aside, era=era or piece.era) for name, start, era in found]


def _read_commune(piece: Piece, at: int, reading: Reading, lexicon: Lexicon) -> None:
    if not piece.words:
        return
    leading = ERAS.get(piece.words[0].fold, "")
    if leading and len(piece.words) > 1:  # "xã cũ Khánh Lâm"
        piece = Piece(piece.mark, piece.kind, piece.words[1:], aside=piece.aside, era=leading)
    end, names = _peel(piece, at, lexicon)
    if end == 0 and names[0].name.is_commune:
        names[0].kind = piece.kind
        reading.communes.append(names[0])
        reading.bare.extend(names[1:])
    else:
        reading.unread.append(Unread(piece.words[: end or len(piece.words)], at, piece.kind))
        reading.bare.extend(names if end else [])


def _read_district(piece: Piece, at: int, reading: Reading, lexicon: Lexicon) -> None:
    if not piece.words:
        return
    end, names = _peel(piece, at, lexicon)
    first: Name | None = None
    if end == 0:
        first, names = names[0].name, names[1:]
    else:
        near = lexicon.near("".join(word.fold for word in piece.words[:end]), end, lexicon.districts)
        if near is not None and near.sure:
            first = near.name
            reading.errors += near.errors
    if piece.mark is Mark.CITY and first is not None and first.province == "foreign" and not first.district:
        reading.foreign = first.text
    else:
        _set_district(reading, first.district if first else None, at, written=piece.raw)
    reading.bare.extend(names)


def _set_district(reading: Reading, district: str | None, at: int, *, written: str) -> None:
    if district is None:
        reading.strange_district = written
    elif reading.district not in (None, district):
        reading.strange_district = district
    else:
        reading.district, reading.district_at = district, at


def _read_province(piece: Piece, at: int, reading: Reading, lexicon: Lexicon) -> None:
    if not piece.words:
        return
    end, names = _peel(piece, at, lexicon)
    name = names[0].name if end == 0 else None
    if name is None:
        near = lexicon.near(
            "".join(word.fold for word in piece.words[: end or len(piece.words)]), end, lexicon.all_provinces
        )
        name = near.name if near and near.sure else None
    if name is None or name.province in (None, "foreign"):
        reading.foreign = piece.raw
    else:
        reading.province, reading.province_at, reading.province_marked = name.province, at, True
    reading.bare.extend(names[1:] if end == 0 else names)


def _read_hamlet(piece: Piece, at: int, reading: Reading, lexicon: Lexicon) -> None:
    if not piece.words:
        return
    end, names = _peel(piece, at, lexicon)
    if end == 0:
        # "Ấp Tân Hưng": the hamlet carries a commune's name; what follows it is no longer the hamlet.
        cut = names[1].at - at - 1 if len(names) > 1 else len(piece.words)
        names = names[1:]
    else:
        cut = end
        if names:
            names[0].weak = not (piece.words[end - 1].fold[0].isdigit() or _border_is_clear(end, names))
            cut = (names[1].at - at - 1 if len(names) > 1 else len(piece.words)) if names[0].weak else end
    if reading.hamlet is None or reading.hamlet.startswith("Tổ"):
        reading.hamlet = f"{_HAMLET_WORDS[piece.kind]} {' '.join(word.raw for word in piece.words[:cut])}"
        reading.hamlet_at = at
    reading.bare.extend(names)


def _border_is_clear(before: int, names: list[Mention]) -> bool:
    """Whether "Tân Phước Tân Duyệt Đầm Dơi" can only be cut in one place: no hamlet's name has that many syllables."""
    return len(names) > 1 and names[1].name.district is not None and before + names[1].at - names[0].at >= _FULL_TAIL


def _read_place(piece: Piece, at: int, reading: Reading, lexicon: Lexicon) -> None:
    end, names = _peel(piece, at, lexicon)
    if end == 0:
        names = names[1:]
    elif names:
        names[0].weak = True
    reading.places.append(at)
    reading.bare.extend(names)


def _read_bare(piece: Piece, at: int, reading: Reading, lexicon: Lexicon) -> None:
    words = [word.fold for word in piece.words]
    if words and words[0] in _TELEPHONE:
        return
    if len(words) == 1 and words[0] in ERAS:  # "xã Khánh Lâm (cũ)"
        said = max((*reading.communes, *reading.bare), key=lambda mention: mention.at, default=None)
        if said is not None:
            said.era = ERAS[words[0]]
        return
    end, names = _peel(piece, at, lexicon)
    numbered = bool(piece.words) and piece.words[0].fold[0].isdigit()
    if end and names:
        # "12 Nguyễn Phích" is a house in a street.
        names[0].weak = numbered or not _border_is_clear(end, names)
        reading.loose.append(at)
    elif end and not all(word.fold[0].isdigit() for word in piece.words):
        reading.unread.append(Unread(piece.words, at))
    reading.bare.extend(names)


_READERS: dict[Mark, Callable[[Piece, int, Reading, Lexicon], None]] = {
    Mark.HAMLET: _read_hamlet,
    Mark.PLACE: _read_place,
    Mark.COMMUNE: _read_commune,
    Mark.DISTRICT: _read_district,
    Mark.CITY: _read_district,
    Mark.PROVINCE: _read_province,
    Mark.BARE: _read_bare,
}


def _place_bare(reading: Reading) -> None:
    """Give every name without a marker its level, from the largest down."""
    names = reading.bare
    homes = [mention for mention in names if mention.name.province == "home"]
    if homes and reading.province is None:
        last = homes[-1]
        reading.province, reading.province_at = "home", last.at
        homes.remove(last)
        names.remove(last)
    for home in homes:  # "phường 5, Cà Mau, Cà Mau": the second one is the town
        _set_district(reading, home.name.district, home.at, written=home.name.text)
        names.remove(home)
    smaller = [
        mention.at for mention in (*reading.communes, *names) if mention.name.is_commune and not mention.name.district
    ]
    downwards = (
        0 <= reading.province_at < min([*smaller, reading.hamlet_at] if reading.hamlet_at >= 0 else smaller, default=-1)
    )
    queue = sorted(names, key=lambda mention: mention.at, reverse=not downwards)
    taken = bool(reading.communes) or any(unread.kind for unread in reading.unread)
    for place, mention in enumerate(queue):
        taken = _place_one(reading, mention, queue[place + 1 :], taken=taken)


def _place_one(reading: Reading, mention: Mention, smaller: list[Mention], *, taken: bool) -> bool:
    """Place one bare name; returns whether the commune is known now."""
    name = mention.name
    has_smaller = taken or any(other.name.is_commune and not other.weak for other in smaller)
    if (
        name.province == "neighbour"
        and reading.province is None
        and not mention.weak
        and (has_smaller or not name.is_commune)
    ):
        reading.province, reading.province_at = "neighbour", mention.at
    elif (
        name.province == "foreign"
        and not reading.province
        and not reading.district
        and (has_smaller or not name.is_commune)
    ):
        reading.foreign = name.text
    elif name.district and reading.district is None and not mention.weak and (has_smaller or not name.is_commune):
        _set_district(reading, name.district, mention.at, written=name.text)
    elif name.is_commune and not taken:
        reading.communes.append(mention)
        reading.either = mention if name.district and reading.district is None else None
        return True
    elif name.province == "foreign" and not name.is_commune:
        reading.foreign = name.text
    else:
        reading.spare.append(mention)
    return taken


def _read_slips(reading: Reading, lexicon: Lexicon) -> None:
    """Try the words that are no name as misspellings of the district or the province."""
    known = [mention.at for mention in reading.communes] + [unread.at for unread in reading.unread if unread.kind]
    # With no commune yet, the first words may be its misspelling; in front of the commune stands a house or a hamlet.
    commune_at = max(known, default=min((unread.at for unread in reading.unread), default=0))
    for unread in [unread for unread in reading.unread if not unread.kind]:
        if unread.at <= commune_at and not reading.upside_down:
            continue
        key = "".join(word.fold for word in unread.words)
        for level, among in (("province", lexicon.all_provinces), ("district", lexicon.districts)):
            near = lexicon.near(key, len(unread.words), among) if getattr(reading, level) is None else None
            if near is None or not near.sure:
                continue
            if near.name.province == "foreign" and level == "province":
                reading.foreign = near.name.text
            elif level == "province":
                reading.province, reading.province_at = near.name.province, unread.at
            else:
                _set_district(reading, near.name.district, unread.at, written=unread.raw)
            reading.errors += near.errors
            reading.unread.remove(unread)
            break
