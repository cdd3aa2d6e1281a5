"""Names of places as people write them: exact whatever the spaces and marks, or misspelt when only one name can be meant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from courier.domain.places import Commune, OldCommune
from courier.domain.text import fold

LONGEST_NAME = 4  # syllables: "Tạ An Khương Đông"
Era = Literal["", "old", "new"]
ERAS: Mapping[str, Era] = {"cu": "old", "moi": "new"}

_TWO_ERRORS_FROM = 8  # letters: a shorter name with two errors is another name
_MARGIN = 2  # errors by which every other name must be farther away
_FEWEST_LETTERS = 4  # below this nothing is read as a misspelling
_MARKERS = {
    "xa": ("x", "xa"),
    "phuong": ("p", "phuong"),
    "thi_tran": ("tt", "thitran"),
    "huyen": ("h", "huyen"),
    "tinh": ("t", "tinh"),
}


@dataclass(frozen=True, slots=True)
class Name:
    """Everything that carries one name. `key` is folded and without spaces; `elsewhere`: a commune that is not in our tables."""

    key: str
    text: str
    new: tuple[Commune, ...] = ()
    old: tuple[OldCommune, ...] = ()
    elsewhere: bool = False
    district: str | None = None
    province: Literal["home", "neighbour", "foreign"] | None = None

    @property
    def is_commune(self) -> bool:
        """Whether any commune, ours or not, has this name."""
        return bool(self.new or self.old or self.elsewhere)


@dataclass(frozen=True, slots=True)
class Near:
    """The name closest to a misspelling; `sure` when no other name comes close."""

    name: Name
    errors: int
    sure: bool


class Lexicon:
    """All names, found by their letters alone."""

    def __init__(self, names: Iterable[Name], *, short_names: Sequence[tuple[str, str]] = ()) -> None:
        """`short_names`: (folded abbreviation, key of the name it stands for)."""
        self.names = {name.key: name for name in names}
        for short, key in short_names:
            if key in self.names:
                self.names.setdefault(short, self.names[key])
        self.provinces = frozenset(key for key, name in self.names.items() if name.province)
        self.glued = self._glued()
        everything = list({id(name): name for name in self.names.values()}.values())
        self.communes = tuple(name for name in everything if name.is_commune)
        self.districts = tuple(name for name in everything if name.district)
        self.all_provinces = tuple(name for name in everything if name.province)
        self._masks = {name.key: _letters(name.key) for name in everything}
        self.near = lru_cache(maxsize=4096)(self._near)

    def peel(self, words: Sequence[str]) -> tuple[int, list[tuple[Name, int, Era]]]:
        """Read known names off the end of folded `words`.

        Returns where the unread rest ends, and each name with where it begins and whether "cũ" or "mới" stands behind it.
        """
        found: list[tuple[Name, int, Era]] = []
        end = len(words)
        while end:
            # "huyện U Minh cũ": the word says which U Minh, it is not part of the name.
            era = ERAS.get(words[end - 1], "")
            stop = end - 1 if era else end
            for start in range(max(0, stop - LONGEST_NAME), stop):
                name = self.names.get("".join(words[start:stop]))
                if name is not None:
                    found.append((name, start, era))
                    end = start
                    break
            else:
                break
        found.reverse()
        return end, found

    def _near(self, key: str, syllables: int, among: tuple[Name, ...]) -> Near | None:
        """The name of `among` closest to the letters of `key`, written in `syllables` words; None when nothing is close."""
        limit = 0 if len(key) < _FEWEST_LETTERS else 1 if len(key) < _TWO_ERRORS_FROM else 2
        mask = _letters(key)
        ranked: list[tuple[int, Name]] = []
        for name in among:
            # Each error changes the set of letters by two at most: a cheap way to skip most names.
            if abs(len(name.key) - len(key)) > limit + _MARGIN or (mask ^ self._masks[name.key]).bit_count() > 2 * (
                limit + _MARGIN
            ):
                continue
            ranked.append((_errors(key, name.key), name))
        ranked.sort(key=lambda pair: pair[0])
        if not limit or not ranked or ranked[0][0] > limit:
            return None
        errors, best = ranked[0]
        runner_up = ranked[1][0] if len(ranked) > 1 else errors + _MARGIN
        # "Tân Hưng Đ" is Tân Hưng Đông cut short, not Tân Hưng with a slip of the pen.
        whole = syllables in (1, len(fold(best.text).split()))
        return Near(best, errors, sure=whole and runner_up - errors >= _MARGIN)

    def _glued(self) -> dict[str, tuple[str, str]]:
        glued: dict[str, tuple[str, str]] = {}
        for name in self.names.values():
            kinds = {new.kind for new in name.new} | {old.kind for old in name.old}
            kinds |= {"xa"} if name.elsewhere else set()
            kinds |= {"huyen"} if name.district else set()
            kinds |= {"tinh"} if name.province else set()
            for kind in kinds:
                for marker in _MARKERS[kind]:
                    if marker + name.key not in self.names:
                        glued[marker + name.key] = (kind, name.key)
        return glued


def _letters(key: str) -> int:
    mask = 0
    for letter in key:
        mask |= 1 << (ord(letter) & 31)
    return mask


def _errors(one: str, other: str) -> int:
    """How many letters are wrong, missing, added or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
