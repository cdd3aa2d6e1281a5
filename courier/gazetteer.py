"""Finds the commune an address means: old and new forms, abbreviated, without marks or misspelt, and asks instead of guessing.

Works from `data/gazetteer/` alone; no address ever leaves the machine.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from courier.domain.placenames import Lexicon, Name
from courier.domain.places import KINDS, Candidate, Commune, Form, Hamlet, OldCommune, Resolution
from courier.domain.reading import Mention, Reading, read
from courier.domain.text import fold

_HERE = Path(__file__).resolve().parents[1] / "data" / "gazetteer"
_HOME, _NEIGHBOUR = "Cà Mau", "Bạc Liêu"
_SHORT_NAMES = (
    ("cm", "camau"),
    ("cmau", "camau"),
    ("cnuoc", "cainuoc"),
    ("ddoi", "damdoi"),
    ("hcm", "hochiminh"),
    ("saigon", "hochiminh"),
    ("hn", "hanoi"),
)
# Scores of candidates somebody must choose from; a hamlet we know of but nobody verified lifts one a little.
_LIKELY, _POSSIBLE, _HINT = 0.5, 0.3, 0.1
_NO_DATA: Mapping[str, Sequence[str]] = MappingProxyType({})

# What is asked, in words for the dispatcher.
_QUESTIONS = {
    "empty": "Chưa có địa chỉ.",
    "unknown_commune": "Không nhận ra tên xã trong địa chỉ.",
    "missing_commune": "Địa chỉ chỉ có tên huyện cũ, chưa có tên xã.",
    "district_or_commune": "Tên này vừa là huyện cũ vừa là xã hiện nay; cần hỏi rõ xã.",
    "split_commune": "Xã cũ đã chia về nhiều xã; cần hỏi ấp hoặc ghim vị trí.",
    "old_or_new": "Tên này vừa là xã cũ đã chia vừa là xã hiện nay; cần hỏi rõ.",
    "town_or_commune": "Thị trấn cũ và xã hiện nay cùng tên nhưng khác nơi; cần hỏi rõ.",
    "wrong_district": "Xã không thuộc huyện ghi trong địa chỉ.",
    "other_district": "Huyện ghi trong địa chỉ không thuộc U Minh, Cái Nước, Đầm Dơi; chưa có bảng đối chiếu.",
    "old_elsewhere": "Đây là tên xã cũ ngoài ba huyện; chưa có bảng đối chiếu.",
    "other_province": "Địa chỉ ghi tỉnh khác.",
    "two_communes": "Địa chỉ ghi hai xã khác nhau.",
    "wrong_kind": "Loại đơn vị (xã, phường, thị trấn) không khớp với tên.",
    "near_names": "Tên xã viết gần giống nhiều nơi; cần hỏi rõ.",
    "too_little": "Địa chỉ quá vắn tắt, không rõ có phải tên xã.",
    "unexplained": "Địa chỉ có phần không rõ sau tên xã.",
    "not_yet": "Tên này chưa hoặc không còn dùng vào ngày xét.",
}


@dataclass(frozen=True, slots=True)
class _Option:
    """One commune a name may lead to, and through which old commune."""

    code: str
    commune: Commune | None
    old: OldCommune | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Where a reading leads: `question` is None when its options may decide."""

    options: tuple[_Option, ...]
    form: Form
    question: str | None


class Gazetteer:
    """The communes of the province, old and new, and what people write for them."""

    def __init__(
        self,
        *,
        communes: Iterable[Commune],
        old_communes: Iterable[OldCommune],
        hamlets: Iterable[Hamlet] = (),
        elsewhere: Mapping[str, Sequence[str]] = _NO_DATA,
        provinces: Iterable[str] = (),
    ) -> None:
        """`elsewhere`: other old districts and those of their communes whose name means no commune of today, or another one.

        `provinces`: all other provinces.
        """
        self._communes = {commune.code: commune for commune in communes}
        self._old = {old.code: old for old in old_communes}
        self._hamlets: dict[tuple[str, str], list[Hamlet]] = {}
        for hamlet in hamlets:
            self._hamlets.setdefault((hamlet.old_commune, fold(hamlet.name)), []).append(hamlet)
        self._districts = frozenset(old.district for old in self._old.values())
        self._reach = {
            district: frozenset(
                code for old in self._old.values() if old.district == district for code in old.successors
            )
            for district in self._districts
        }
        self._lexicon = Lexicon(self._names(elsewhere, provinces), short_names=_SHORT_NAMES)
        self._near_district = {
            district: tuple(name for name in self._lexicon.communes if self._touches(name, district))
            for district in self._districts
        }

    @classmethod
    def load(cls, path: Path | None = None) -> "Gazetteer":
        """Read the files of the folder `path` (default: the product's own `data/gazetteer`).

        Raises:
            FileNotFoundError: a file is missing.
            KeyError, ValueError: a row is malformed.
        """
        folder = path or _HERE
        successors: dict[str, list[tuple[str, str]]] = {}
        for row in _rows(folder / "successors.csv"):
            successors.setdefault(row["old"], []).append((row["new"], row["share"]))
        elsewhere = json.loads((folder / "elsewhere.json").read_text(encoding="utf-8"))
        same_today = frozenset(elsewhere["same_today"]["names"])
        return cls(
            communes=[_commune(row) for row in _rows(folder / "communes.csv")],
            old_communes=[_old_commune(row, successors[row["code"]]) for row in _rows(folder / "old_communes.csv")],
            hamlets=[_hamlet(row) for row in _rows(folder / "hamlets.csv")],
            elsewhere={
                area["name"]: [name for full in area["communes"] if (name := _without_kind(full)) not in same_today]
                for area in elsewhere["districts"]
            },
            provinces=elsewhere["provinces"]["names"],
        )

    def _names(self, elsewhere: Mapping[str, Sequence[str]], provinces: Iterable[str]) -> list[Name]:
        names: dict[str, Name] = {}

        def add(text: str, **more: object) -> None:
            key = fold(text).replace(" ", "")
            names[key] = replace(names.get(key, Name(key, text)), **more)  # type: ignore[arg-type]  # fields of Name

        for commune in self._communes.values():
            known = names.get(fold(commune.name).replace(" ", ""))
            add(commune.name, new=(*(known.new if known else ()), commune))
        for old in self._old.values():
            known = names.get(fold(old.name).replace(" ", ""))
            add(old.name, old=(*(known.old if known else ()), old))
        for district, others in elsewhere.items():
            add(district, district=district)
            for other in others:
                if not other[-1].isdigit():  # "Phường 5" is no name
                    add(other, elsewhere=True)
        for district in self._districts:
            add(district, district=district)
        for province in provinces:
            add(province, province="foreign")
        add(_HOME, province="home")
        add(_NEIGHBOUR, province="neighbour")
        return list(names.values())

    def _touches(self, name: Name, district: str) -> bool:
        return any(old.district == district for old in name.old) or any(
            new.code in self._reach[district] for new in name.new
        )

    # ------------------------------------------------------------------------------------------------ look-ups

    def commune(self, code: str) -> Commune:
        """The commune of today with this code.

        Raises:
            KeyError: there is none.
        """
        return self._communes[code]

    def communes(self) -> tuple[Commune, ...]:
        """All communes of today, by code."""
        return tuple(self._communes.values())

    def old_commune(self, code: str) -> OldCommune:
        """The old commune with this code.

        Raises:
            KeyError: there is none.
        """
        return self._old[code]

    def old_communes(self) -> tuple[OldCommune, ...]:
        """All old communes of the former districts, by code."""
        return tuple(self._old.values())

    def contains(self, code: str, lat: float, lon: float) -> bool:
        """Whether the point lies in the commune's box; approximate, since the box is larger than the commune.

        Raises:
            KeyError: no such commune.
        """
        south, west, north, east = self._communes[code].box
        return south <= lat <= north and west <= lon <= east

    def suggest(self, text: str, *, on: date, limit: int = 8) -> tuple[Candidate, ...]:
        """Communes whose present or former name begins with, contains or resembles `text`, best first, for a field that completes."""
        wanted = fold(text)
        near = self._lexicon.near(wanted.replace(" ", ""), len(wanted.split()), self._lexicon.communes)
        best: dict[str, Candidate] = {}
        for name in self._lexicon.communes if wanted else ():
            written = fold(name.text)
            likeness = (
                1.0
                if written == wanted
                else 0.9
                if written.startswith(wanted)
                else 0.7
                if f" {wanted}" in written
                else 0.0
            )
            if near is not None and near.name is name:
                likeness = max(likeness, 0.8)
            for option in (*_new(name, "", on), *self._former(name, "", None, on)) if likeness else ():
                score = round(likeness - (0.02 if option.old else 0), 2)
                if option.code not in best or best[option.code].score < score:
                    best[option.code] = self._candidate(option, None, score)
        return tuple(sorted(best.values(), key=lambda candidate: (-candidate.score, candidate.commune_name))[:limit])

    # ------------------------------------------------------------------------------------------------ resolving

    def resolve(self, raw: str, *, on: date) -> Resolution:
        """Say which commune valid `on` that day the written address means.

        Answers `resolved` only when every reading worth considering gives the same commune; otherwise `ambiguous` with the
        communes to choose from, best first, or `unknown` with none. Never raises, whatever the text.
        """
        reading = read(raw, self._lexicon, self._districts)
        mention, question = self._mention(reading)
        if mention is None:
            question = question if any(letter.isalpha() for letter in raw) else "empty"
            return self._ask(reading, question or "unknown_commune", self._of_district(reading, on), "unknown")
        verdict = self._judge(mention, reading, on)
        doubts = chain(self._contradictions(mention, reading), self._gaps(mention, reading))
        question = question or next(doubts, None) or verdict.question
        options = _one_per_code(verdict.options)
        known = self._known_hamlet(options, reading)
        if known is not None and question in (None, "split_commune") and not reading.foreign:
            return self._answer(reading, mention, known, verdict.form)
        if question is None and len(options) == 1:
            return self._answer(reading, mention, options[0], verdict.form)
        question = question or self._why_many(mention, verdict)
        return self._ask(reading, question, options, verdict.form, others=self._others(question, mention, reading, on))

    def _others(self, question: str, mention: Mention, reading: Reading, on: date) -> tuple[_Option, ...]:
        """Communes to offer behind the likelier ones."""
        if question == "district_or_commune" and mention.name.district in self._districts:
            return self._of_district(replace(reading, district=mention.name.district), on)
        if question == "two_communes":
            names = [other.name for other in (*reading.communes, *reading.spare) if other is not mention]
            return tuple(
                option for name in names for option in (*_new(name, "", on), *self._former(name, "", None, on))
            )
        return ()

    def _mention(self, reading: Reading) -> tuple[Mention | None, str | None]:
        """The one place name that is the commune, or None, and the question if it is not clear."""
        if reading.communes and reading.either is None:
            if len(reading.communes) > 1:
                return self._one_of(reading)
            return reading.communes[0], None
        slips = [unread for unread in reading.unread if unread.kind or reading.hamlet_at >= 0 or unread.at > 0]
        around = reading.either.name.district if reading.either else reading.district
        among = self._near_district.get(around or "") or (() if around else self._lexicon.communes)
        close = False
        for unread in slips if not reading.strange_district else []:
            if not (unread.kind or around):
                continue
            near = self._lexicon.near("".join(word.fold for word in unread.words), len(unread.words), among)
            if near is None:
                continue
            close = True
            if near.sure and (around or reading.province == "home"):
                reading.errors += near.errors
                reading.unread.remove(unread)
                if reading.either is not None:
                    reading.district, reading.either = reading.either.name.district, None
                return Mention(near.name, unread.at, unread.kind, errors=near.errors), None
        if reading.either is not None:
            return reading.either, "district_or_commune"
        return None, "near_names" if close else "missing_commune" if reading.district else "unknown_commune"

    def _one_of(self, reading: Reading) -> tuple[Mention, str | None]:
        """Two communes are written: "xã Tân Duyệt (nay là xã Đầm Dơi)". The newer one, when the older became it."""
        first, second, *more = sorted(reading.communes, key=lambda mention: mention.aside)
        newer = {id(new.name): new for old, new in ((second, first), (first, second)) if not more and _became(old, new)}
        if len(newer) == 1:
            (now,) = newer.values()
            return Mention(replace(now.name, old=()), now.at, now.kind), None
        if not more and first.name is second.name and first.kind == second.kind:
            return first, None
        return first, "two_communes"

    def _contradictions(self, mention: Mention, reading: Reading) -> Iterator[str]:
        """What in the rest of the address speaks against this commune, the weightiest first."""
        if reading.foreign is not None:
            yield "other_province"
        if reading.strange_district is not None:
            yield "other_district"
        if reading.province == "neighbour" and reading.district is not None:
            yield "other_province"
        for spare in (spare for spare in reading.spare if not spare.weak):
            if spare.name.district in self._districts and reading.district not in (None, spare.name.district):
                yield "wrong_district"
            elif spare.name.is_commune and spare.name is not mention.name:
                # In front of a marked commune a name is the hamlet's; behind it, it is a second commune.
                behind = (spare.at > mention.at) != reading.upside_down and not spare.name.district
                if behind or not mention.kind:
                    yield "two_communes"
        if any(unread.kind for unread in reading.unread):
            yield "two_communes"

    def _gaps(self, mention: Mention, reading: Reading) -> Iterator[str]:
        """What is missing before this commune may be taken as written."""
        if mention.weak:
            yield "too_little"
        if reading.district is not None:
            return
        loose = [unread.at for unread in reading.unread] + reading.loose
        # "Chợ Mới" or "Cầu Kè" may be a market, a bridge or a district of another province.
        loose += reading.places if reading.province is None else []
        # Between commune and province stands what may be a district; in front of both a house, behind both a remark.
        first, last = sorted((mention.at, reading.province_at))
        if any(first < at < last if reading.province else at > mention.at for at in loose):
            yield "unexplained"
        # A name alone may as well be the hamlet's.
        if not mention.kind and (reading.province is None or reading.hamlet is None):
            yield "too_little"
        if reading.province is None and mention.at <= 1:
            yield "too_little"

    def _judge(self, mention: Mention, reading: Reading, on: date) -> _Verdict:
        """Which communes the name leads to, given the district and province beside it."""
        name, kind, district = mention.name, mention.kind, reading.district
        former, present = self._former(name, kind, district, on), _new(name, kind, on)
        if mention.era and former and present:
            former, present = ([], present) if mention.era == "new" else (former, [])
        if kind and not former and not present:
            former, present = self._former(name, "", district, on), _new(name, "", on)
            if not district:
                return _Verdict((*present, *former), "unknown", "old_elsewhere" if name.elsewhere else "wrong_kind")
        if district is not None:
            return self._judge_with_district(
                mention, former, [one for one in present if one.code in self._reach[district]], reading
            )
        if reading.province == "neighbour":
            return _Verdict((*present, *former), "mixed", "other_district")
        # "xã Khánh Lâm, tỉnh Cà Mau" is today's form; "xã Khánh Lâm, Cà Mau" may be the old one without its district.
        today = reading.province_marked or not (name.elsewhere or any(old.split for old in name.old))
        complete = reading.province == "home" and kind in ("xa", "phuong") and today
        if complete and present:
            return _Verdict(tuple(present), "new", None)
        if former or present:
            form: Form = "new" if present and not former else "old" if former and not present else "unknown"
            return _Verdict((*present, *former), form, "old_elsewhere" if name.elsewhere else None)
        return _Verdict((), "unknown", "old_elsewhere" if name.elsewhere else "not_yet")

    def _judge_with_district(
        self,
        mention: Mention,
        former: Sequence[_Option],
        present: Sequence[_Option],
        reading: Reading,
    ) -> _Verdict:
        name, district = mention.name, reading.district
        if former:
            return _Verdict((*former, *present), "old", None)
        if not present:
            anywhere = [_Option(unit.code, unit, None) for unit in name.new]
            anywhere += [_Option(code, self._communes[code], old) for old in name.old for code in old.successors]
            return _Verdict(tuple(anywhere), "unknown", "wrong_district")
        # "xã U Minh, huyện U Minh": the new commune, or the old town called a commune.
        town = [old for old in name.old if old.kind == "thi_tran" and old.district == district]
        town_now = [_Option(code, self._communes[code], old) for old in town for code in old.successors]
        return _Verdict((*present, *town_now), "mixed", None)

    def _former(self, name: Name, kind: str, district: str | None, on: date) -> list[_Option]:
        """The communes of `on` that the old communes of this name became; the old commune itself while it was valid."""
        options: list[_Option] = []
        for old in name.old:
            if (kind and old.kind != kind) or (district is not None and old.district != district):
                continue
            if _valid(old, on):
                options.append(_Option(old.code, None, old))
            else:
                heirs = [self._communes[code] for code in old.successors]
                options.extend(_Option(heir.code, heir, old) for heir in heirs if _valid(heir, on))
        return options

    def _known_hamlet(self, options: Sequence[_Option], reading: Reading) -> _Option | None:
        """The option that a verified hamlet decides."""
        if reading.hamlet is None:
            return None
        hits = {
            hamlet.commune
            for old in {option.old.code for option in options if option.old}
            for hamlet in self._hamlets.get((old, fold(reading.hamlet)), [])
            if hamlet.verified
        }
        fitting = [option for option in options if option.code in hits and option.old is not None]
        return fitting[0] if len(hits) == 1 and len(fitting) == 1 else None

    def _of_district(self, reading: Reading, on: date) -> tuple[_Option, ...]:
        if reading.district is None or reading.foreign or reading.strange_district:
            return ()
        units = [self._communes[code] for code in sorted(self._reach[reading.district])]
        return tuple(_Option(unit.code, unit, None) for unit in units if _valid(unit, on))

    def _why_many(self, mention: Mention, verdict: _Verdict) -> str:
        if not verdict.options:
            return "not_yet"
        if any(old.split for old in mention.name.old):
            return "old_or_new" if verdict.form == "unknown" and mention.name.new else "split_commune"
        return "town_or_commune"

    # ------------------------------------------------------------------------------------------------ answering

    def _answer(self, reading: Reading, mention: Mention, option: _Option, form: Form) -> Resolution:
        score = 1.0 - 0.1 * reading.errors
        score -= 0.0 if mention.kind else 0.1
        score -= 0.0 if reading.province else 0.05
        score -= 0.0 if reading.district or form == "new" else 0.1
        score -= 0.05 if form == "mixed" else 0.0
        candidate = self._candidate(option, reading, max(0.5, round(score, 2)), errors=reading.errors)
        return Resolution("resolved", form, (candidate,), candidate.reason_code, candidate.reason)

    def _ask(
        self,
        reading: Reading,
        question: str,
        options: Sequence[_Option],
        form: Form,
        *,
        others: Sequence[_Option] = (),
    ) -> Resolution:
        found = []
        for option in _one_per_code((*options, *others)):
            score = _LIKELY if option in options else _POSSIBLE
            score += _HINT if len(options) > 1 and self._hinted(option, reading) else 0
            found.append(self._candidate(option, reading, round(score, 2), may_be=True))
        found.sort(key=lambda candidate: -candidate.score)
        return Resolution("ambiguous" if found else "unknown", form, tuple(found), question, _QUESTIONS[question])

    def _hinted(self, option: _Option, reading: Reading) -> bool:
        if option.old is None or reading.hamlet is None:
            return False
        return any(
            hamlet.commune == option.code for hamlet in self._hamlets.get((option.old.code, fold(reading.hamlet)), [])
        )

    def _candidate(
        self,
        option: _Option,
        reading: Reading | None,
        score: float,
        *,
        errors: int = 0,
        may_be: bool = False,
    ) -> Candidate:
        commune, old = option.commune, option.old
        hamlet = reading.hamlet if reading else None
        if commune is None:
            assert old is not None  # noqa: S101 - an option is an old commune or a new one
            return Candidate(
                option.code,
                f"{KINDS[old.kind]} {old.name}",
                hamlet,
                score,
                f"{old.full_name}.",
                "valid_then",
                "unknown",
                None,
                None,
            )
        if old is None:
            code, reason = "present_name", f"{commune.full_name} là đơn vị hiện nay."
        elif old.split:
            code, reason = (
                "old_part",
                f"{old.full_name} (cũ) đã chia về nhiều xã, một phần nay thuộc {commune.full_name}.",
            )
        elif (old.kind, old.name) == (commune.kind, commune.name):
            code, reason = "same_name", f"{commune.full_name} giữ tên cũ (trước đây thuộc huyện {old.district})."
        else:
            code, reason = "old_whole", f"{old.full_name} (cũ) nay thuộc {commune.full_name}."
        if reading is not None and not may_be and reading.province is None and reading.district is None:
            reason += " Địa chỉ không ghi tỉnh, hiểu là tỉnh Cà Mau."
        if errors:
            reason += " Tên trong địa chỉ viết sai, đã đọc theo tên gần nhất."
        known = [] if may_be or old is None or hamlet is None else self._hamlets.get((old.code, fold(hamlet)), [])
        for row in known:
            if row.verified and row.commune == commune.code:
                code, reason = (
                    "known_hamlet",
                    f"{hamlet}, {old.full_name if old else ''} (cũ) nay thuộc {commune.full_name}.",
                )
                if row.lat is not None and row.lon is not None:
                    return Candidate(
                        commune.code, commune.full_name, hamlet, score, reason, code, "hamlet", row.lat, row.lon
                    )
        return Candidate(
            commune.code, commune.full_name, hamlet, score, reason, code, "commune", commune.lat, commune.lon
        )


def _one_per_code(options: Iterable[_Option]) -> tuple[_Option, ...]:
    first: dict[str, _Option] = {}
    for option in options:
        first.setdefault(option.code, option)
    return tuple(first.values())


def _valid(unit: Commune | OldCommune, on: date) -> bool:
    return unit.valid_from <= on and (unit.valid_to is None or on <= unit.valid_to)


def _became(old: Mention, new: Mention) -> bool:
    """Whether the old commune became the new one; for a split one only if the address says so ("nay là", in brackets)."""
    heirs = {code for unit in old.name.old for code in unit.successors if old.kind in ("", unit.kind)}
    named = {unit.code for unit in new.name.new if new.kind == unit.kind}
    if len(named & heirs) != 1 or old.era == "new" or new.era == "old":
        return False
    said = old.aside or new.aside or bool(old.era or new.era)
    return said or (len(heirs) == 1 and not any(unit.split for unit in new.name.old))


def _new(name: Name, kind: str, on: date) -> list[_Option]:
    return [_Option(unit.code, unit, None) for unit in name.new if _valid(unit, on) and (not kind or unit.kind == kind)]


# ---------------------------------------------------------------------------------------------------- the files


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def _days(row: Mapping[str, str]) -> tuple[date, date | None]:
    return date.fromisoformat(row["valid_from"]), date.fromisoformat(row["valid_to"]) if row["valid_to"] else None


def _commune(row: Mapping[str, str]) -> Commune:
    valid_from, valid_to = _days(row)
    south, west, north, east = (float(row[key]) for key in ("min_lat", "min_lon", "max_lat", "max_lon"))
    return Commune(
        code=row["code"],
        kind=row["kind"],
        name=row["name"],
        lat=float(row["lat"]),
        lon=float(row["lon"]),
        box=(south, west, north, east),
        area_km2=float(row["area_km2"]),
        former_district=row["former_district"] or None,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _old_commune(row: Mapping[str, str], successors: Sequence[tuple[str, str]]) -> OldCommune:
    valid_from, valid_to = _days(row)
    return OldCommune(
        code=row["code"],
        kind=row["kind"],
        name=row["name"],
        district=row["district"],
        valid_from=valid_from,
        valid_to=valid_to,
        successors=tuple(new for new, _ in successors),
        split=any(share == "part" for _, share in successors),
    )


def _hamlet(row: Mapping[str, str]) -> Hamlet:
    return Hamlet(
        name=row["name"],
        old_commune=row["old_commune"],
        commune=row["commune"],
        lat=float(row["lat"]) if row["lat"] else None,
        lon=float(row["lon"]) if row["lon"] else None,
        verified=row["verified"] == "true",
    )


def _without_kind(full_name: str) -> str:
    for kind in KINDS.values():
        if full_name.startswith(f"{kind} "):
            return full_name.removeprefix(f"{kind} ")
    raise ValueError(f"{full_name!r} does not begin with xã, phường or thị trấn")
