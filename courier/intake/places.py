"""Which office brings an entry, and what must be asked about its address."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Final

from courier.domain import bag_list
from courier.domain.bag_list import Entry
from courier.domain.errors import FieldError
from courier.domain.places import Candidate, Resolution
from courier.gazetteer import Gazetteer
from courier.store.intake import OfficeRow, Place

ADDRESS: Final = "Địa chỉ"
TELL_EVERY: Final = 500


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an entry goes: the office (None: nobody can tell), the place, and what is asked about it."""

    office: OfficeRow | None
    place: Place
    doubt: FieldError | None


class Router:
    """Says for each entry which office brings it, and what must be asked."""

    def __init__(self, gazetteer: Gazetteer, offices: Sequence[OfficeRow], own: OfficeRow | None, day: date) -> None:
        self.gazetteer = gazetteer
        self.own = own
        self.day = day
        self.by_commune = {code: office for office in offices if office.kind == "office" for code in office.communes}

    def place(self, entries: Sequence[Entry], *, tell: Callable[[int], None] | None = None) -> dict[int, Placed]:
        """The place of every entry, by row; `tell` hears after every `TELL_EVERY` entries how many are done."""
        resolutions: dict[str, Resolution] = {}
        for number, entry in enumerate(entries):
            if tell is not None and number % TELL_EVERY == 0:
                tell(number)
            if entry.address not in resolutions:
                resolutions[entry.address] = self.gazetteer.resolve(entry.address, on=self.day)
        placed = {entry.row: self._one(entry, resolutions[entry.address]) for entry in entries}
        clear = Counter(p.office.id for p in placed.values() if p.office and not p.doubt)
        most = clear.most_common(1)[0][0] if clear else None
        main = next((office for office in self.by_commune.values() if office.id == most), None)
        return {row: p if p.office else replace(p, office=main) for row, p in placed.items()}

    def _one(self, entry: Entry, resolution: Resolution) -> Placed:
        candidates = tuple(asdict(candidate) for candidate in resolution.candidates)
        home = self.by_commune.get(resolution.commune_code or "")
        if resolution.outcome == "resolved":
            best = resolution.candidates[0]
            if home is not None and self.own in (None, home):
                return Placed(home, _at(best), None)
            if home is None:
                doubt = ("not-served", f"{best.commune_name} không thuộc địa bàn của bưu cục nào")
            else:
                doubt = ("other-office", f"{best.commune_name} do {home.name} phát, không phải bưu cục này")
        else:
            doubt = (resolution.reason_code, resolution.reason)
        error = FieldError(ADDRESS, doubt[0], f"{doubt[1]} Địa chỉ ghi: «{bag_list.found(entry.address)}»", entry.row)
        offices = {office.id: office for c in resolution.candidates if (office := self.by_commune.get(c.commune_code))}
        only = next(iter(offices.values())) if len(offices) == 1 else None
        return Placed(self.own or only, Place(candidates=candidates), error)


def _at(candidate: Candidate) -> Place:
    return Place(
        commune_code=candidate.commune_code,
        hamlet=candidate.hamlet,
        lat=candidate.lat,
        lon=candidate.lon,
        precision=candidate.precision,
    )
