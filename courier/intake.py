"""The intake desk: a bag list comes in as a spreadsheet or by API, every row gets its verdict, and a person settles addresses.

Whose bag it is decides where its items go. A list sent by an office (dispatcher, clerk, or an admin for an office) brings
items for that office alone: an address that belongs to another office is asked about, because the paper lies here. A list
from an agency, or from an admin for no office, is routed: each item goes to the office that serves its commune; where the
address is not clear it goes where all its candidates point, else where most of the list goes, and is asked about there.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.domain import bag_list
from courier.domain.bag_list import Entry, Reading, Vocabulary
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Refused
from courier.domain.item import FINAL, State
from courier.domain.money import ChargeKind
from courier.domain.people import Caller, Role
from courier.domain.places import Candidate, Resolution
from courier.gazetteer import Gazetteer
from courier.outside import spreadsheet
from courier.store import intake as books
from courier.store import sealing
from courier.store.intake import AgencyRow, Known, NewCharge, NewItem, OfficeRow, Place, Verdict
from courier.store.tables import ImportBatch, ImportRow

_MAY_IMPORT: Final = frozenset({Role.DISPATCHER, Role.CLERK, Role.ADMIN, Role.AGENCY})
_MAY_SETTLE: Final = frozenset({Role.DISPATCHER, Role.CLERK, Role.ADMIN})
_ADDRESS: Final = "Địa chỉ"


# ------------------------------------------------------------------------------------------------ answers
@dataclass(frozen=True, slots=True)
class RowResult:
    """The verdict on one row: `outcome` is accepted, duplicate, doubtful or rejected."""

    row: int
    outcome: str
    item: UUID | None
    errors: tuple[FieldError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """A batch and what became of its rows; the four counts add up to the number of rows."""

    id: UUID
    filename: str
    at: datetime
    office_id: UUID | None
    accepted: int
    duplicates: int
    doubtful: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult(ImportSummary):
    """A batch with the verdict on every row, in the sheet's order."""

    rows: tuple[RowResult, ...]


# ------------------------------------------------------------------------------------------------ bringing a list in
def import_sheet(
    desk: Desk, caller: Caller, *, filename: str, content: bytes, office_id: UUID | None = None, at: datetime
) -> ImportResult:
    """Take in an .xlsx or .csv of at most 10 MB. Everything that is good is stored in one transaction, with every verdict.

    Raises:
        Forbidden: the role brings no bags in.
        Missing: `office_id` is not the caller's office.
        Invalid: the file as a whole cannot be used (codes of `spreadsheet.read`); nothing is stored.
    """
    _require(caller, _MAY_IMPORT)
    rows = [(row.number, row.cells, None) for row in spreadsheet.read(filename, content)]
    return _take_in(desk, caller, rows, name=filename, content=content, office_id=office_id, at=at)


def import_rows(
    desk: Desk,
    caller: Caller,
    *,
    rows: Sequence[Mapping[str, object]],
    office_id: UUID | None = None,
    at: datetime,
) -> ImportResult:
    """Take in rows of JSON, numbered from 1; keys are the Vietnamese headings or the keys of `bag_list.HEADINGS`.

    Raises:
        Forbidden, Missing: as `import_sheet`.
        Invalid: `no-rows` or `too-many-rows`.
    """
    _require(caller, _MAY_IMPORT)
    if not rows:
        raise Invalid(FieldError("rows", "no-rows", "Danh sách không có dòng nào"))
    if len(rows) > spreadsheet.MOST_ROWS:
        sentence = f"Danh sách có {len(rows)} dòng, nhiều nhất {spreadsheet.MOST_ROWS}"
        raise Invalid(FieldError("rows", "too-many-rows", sentence))
    read = [(number, *bag_list.cells_of(row)) for number, row in enumerate(rows, start=1)]
    content = json.dumps(rows, sort_keys=True, ensure_ascii=True, default=str).encode()
    return _take_in(desk, caller, read, name="json", content=content, office_id=office_id, at=at)


def _take_in(
    desk: Desk,
    caller: Caller,
    rows: Sequence[tuple[int, Mapping[str, object], Mapping[str, str] | None]],
    *,
    name: str,
    content: bytes,
    office_id: UUID | None,
    at: datetime,
) -> ImportResult:
    day = local_day(at)
    with desk.database.read() as session:
        offices, agencies = books.offices(session), books.agencies(session)
    own = _own_office(caller, offices, office_id)
    words = _vocabulary(desk, agencies, day)
    # Reading and resolving take the time, so they are done before the transaction that stops other writers.
    readings = [bag_list.read_row(number, cells, words, called=called) for number, cells, called in rows]
    readings = [_own_rows_only(reading, caller, agencies) for reading in readings]
    router = _Router(desk.gazetteer, offices, own, day)
    placed = router.place([reading.entry for reading in readings if reading.entry])
    batch = books.Batch(
        # A counter's list stays the counter's, although its items go out from the office.
        office_id=caller.office_id or office_id,
        filename=name[:200],
        sha256=sha256(content).hexdigest(),
        at=at,
    )
    with desk.database.write() as session:
        books.take_turns(session)
        sorter = _Sorter(desk, caller, {agency.code: agency for agency in agencies}, placed, day)
        new, verdicts = sorter.sort(session, readings)
        batch_id = books.receive(session, batch, new, verdicts, caller=caller, secrets=desk.settings.secrets)
        found, stored = books.batch(session, caller, batch_id)
        return _result(found, stored)


def _require(caller: Caller, roles: Iterable[Role]) -> None:
    if caller.role not in roles:
        raise Forbidden(f"the role {caller.role} does not carry this right")


def _own_office(caller: Caller, offices: Sequence[OfficeRow], office_id: UUID | None) -> OfficeRow | None:
    """The office that the list is for, or None when its items are to be routed."""
    if caller.office_id is not None and office_id not in (None, caller.office_id):
        raise Missing("office", office_id)
    wanted = caller.office_id or office_id
    if wanted is None:
        return None
    by_id = {office.id: office for office in offices}
    if wanted not in by_id:
        raise Missing("office", wanted)
    office = by_id[wanted]
    # A counter hands over and takes in; what goes to doors goes through the office it belongs to.
    return by_id.get(office.parent_id, office) if office.kind == "counter" and office.parent_id else office


def _own_rows_only(reading: Reading, caller: Caller, agencies: Sequence[AgencyRow]) -> Reading:
    if caller.role is not Role.AGENCY or reading.dossier is None:
        return reading
    own = next((agency for agency in agencies if agency.id == caller.agency_id), None)
    if own is not None and reading.dossier[0] == own.code:
        return reading
    fault = FieldError("Cơ quan", "other-agency", "Chỉ được gửi hồ sơ của chính cơ quan mình", reading.row)
    return replace(reading, entry=None, faults=(*reading.faults, fault), barcode=None, dossier=None)


# ------------------------------------------------------------------------------------------------ the words of a list
@dataclass(frozen=True, slots=True)
class _Rules:
    """`data/intake.json`: barcodes, parts of the day, priorities."""

    barcode_patterns: tuple[re.Pattern[str], ...]
    visits: tuple[int, int]
    parts_of_day: Mapping[str, tuple[int, int]]
    priorities: tuple[tuple[int, int], ...]
    priority_later: int
    priority_without_deadline: int


@lru_cache(maxsize=4)
def _rules(data_dir: Path) -> _Rules:
    content = json.loads((data_dir / "intake.json").read_text(encoding="utf-8"))
    return _Rules(
        barcode_patterns=tuple(re.compile(row["pattern"]) for row in content["barcode_patterns"]),
        visits=_span(content["visits"]),
        parts_of_day={bag_list.key_of(word): _span(row) for row in content["parts_of_day"] for word in row["words_vi"]},
        priorities=tuple(sorted((row["working_days_left"], row["priority"]) for row in content["priorities"])),
        priority_later=content["priority_later"],
        priority_without_deadline=content["priority_without_deadline"],
    )


def _span(row: Mapping[str, str]) -> tuple[int, int]:
    start, end = (time.fromisoformat(row[word]) for word in ("from", "to"))
    return start.hour * 3600 + start.minute * 60, end.hour * 3600 + end.minute * 60


def _vocabulary(desk: Desk, agencies: Sequence[AgencyRow], day: date) -> Vocabulary:
    rules = _rules(desk.settings.data_dir)
    types: dict[str, str] = {}
    closed: dict[str, str] = {}
    for kind in desk.facts.bylaws.document_types.values():
        for word in (kind.code, kind.name_vi, *kind.aliases):
            if kind.open_on(day):
                types[bag_list.key_of(word)] = kind.code
            else:
                closed[bag_list.key_of(word)] = kind.closed_reason or "loại giấy tờ này không nhận vào ngày này."
    names: dict[str, str] = {}
    for agency in agencies:
        fact = desk.facts.agencies.get(agency.code)
        for word in (agency.code, agency.name, *(fact.aliases if fact else ())):
            names[bag_list.key_of(word)] = agency.code
    return Vocabulary(
        day=day,
        barcode_patterns=rules.barcode_patterns,
        document_types=types,
        closed_types=closed,
        agencies=names,
        visits=rules.visits,
        parts_of_day=rules.parts_of_day,
    )


# ------------------------------------------------------------------------------------------------ where it goes
@dataclass(frozen=True, slots=True)
class _Placed:
    """Where an entry goes: the office (None: nobody can tell), the place, and what is asked about it."""

    office: OfficeRow | None
    place: Place
    doubt: FieldError | None


class _Router:
    """Says for each entry which office brings it, and what must be asked."""

    def __init__(self, gazetteer: Gazetteer, offices: Sequence[OfficeRow], own: OfficeRow | None, day: date) -> None:
        self.gazetteer = gazetteer
        self.own = own
        self.day = day
        self.by_commune = {code: office for office in offices if office.kind == "office" for code in office.communes}

    def place(self, entries: Sequence[Entry]) -> dict[int, _Placed]:
        """The place of every entry, by row."""
        resolutions: dict[str, Resolution] = {}
        for entry in entries:
            if entry.address not in resolutions:
                resolutions[entry.address] = self.gazetteer.resolve(entry.address, on=self.day)
        placed = {entry.row: self._one(entry, resolutions[entry.address]) for entry in entries}
        clear = Counter(p.office.id for p in placed.values() if p.office and not p.doubt)
        most = clear.most_common(1)[0][0] if clear else None
        main = next((office for office in self.by_commune.values() if office.id == most), None)
        return {row: p if p.office else replace(p, office=main) for row, p in placed.items()}

    def _one(self, entry: Entry, resolution: Resolution) -> _Placed:
        candidates = tuple(asdict(candidate) for candidate in resolution.candidates)
        home = self.by_commune.get(resolution.commune_code or "")
        if resolution.outcome == "resolved":
            best = resolution.candidates[0]
            if home is not None and self.own in (None, home):
                return _Placed(home, _at(best), None)
            if home is None:
                doubt = ("not-served", f"{best.commune_name} không thuộc địa bàn của bưu cục nào")
            else:
                doubt = ("other-office", f"{best.commune_name} do {home.name} phát, không phải bưu cục này")
        else:
            doubt = (resolution.reason_code, resolution.reason)
        error = FieldError(_ADDRESS, doubt[0], f"{doubt[1]} Địa chỉ ghi: «{bag_list.found(entry.address)}»", entry.row)
        offices = {office.id: office for c in resolution.candidates if (office := self.by_commune.get(c.commune_code))}
        only = next(iter(offices.values())) if len(offices) == 1 else None
        return _Placed(self.own or only, Place(candidates=candidates), error)


def _at(candidate: Candidate) -> Place:
    return Place(
        commune_code=candidate.commune_code,
        hamlet=candidate.hamlet,
        lat=candidate.lat,
        lon=candidate.lon,
        precision=candidate.precision,
    )


# ------------------------------------------------------------------------------------------------ new or known
class _Sorter:
    """Sorts the rows of a list into new items and verdicts, against the books and against the rows before."""

    def __init__(
        self, desk: Desk, caller: Caller, agencies: Mapping[str, AgencyRow], placed: Mapping[int, _Placed], day: date
    ) -> None:
        self.desk = desk
        self.caller = caller
        self.agencies = agencies
        self.placed = placed
        self.day = day
        self.rules = _rules(desk.settings.data_dir)
        self.earlier: dict[str, int] = {}
        self.earlier_dossiers: dict[tuple[str, str], int] = {}
        self.entries: dict[int, Entry] = {}
        self.priorities: dict[date, int] = {}

    def sort(self, session: Session, readings: Sequence[Reading]) -> tuple[list[NewItem], list[Verdict]]:
        known = books.known_items(
            session,
            barcodes={reading.barcode for reading in readings if reading.barcode},
            dossiers={reading.dossier for reading in readings if reading.dossier},
        )
        by_barcode = {item.barcode: item for item in known}
        by_dossier = {item.dossier: item for item in known}
        new: list[NewItem] = []
        verdicts: list[Verdict] = []
        for reading in readings:
            item = by_barcode.get(reading.barcode or "") or (
                by_dossier.get(reading.dossier) if reading.dossier else None
            )
            verdict = self._in_books(reading, item) if item else self._in_list(reading)
            if verdict is None:
                verdict, fresh = self._fresh(reading)
                if fresh is not None:
                    new.append(fresh)
                    self._remember(reading)
            verdicts.append(verdict)
        return new, verdicts

    def _remember(self, reading: Reading) -> None:
        if reading.entry is not None:
            self.earlier[reading.entry.barcode] = reading.row
            self.earlier_dossiers[reading.entry.dossier] = reading.row
            self.entries[reading.row] = reading.entry

    def _in_books(self, reading: Reading, item: Known) -> Verdict:
        entry = reading.entry
        differ = _differences(entry, item, self._digest) if entry else ()
        sentence = "đã có trong sổ"
        return self._duplicate(
            reading, same_barcode=item.barcode == reading.barcode, where=sentence, differ=differ, item=item
        )

    def _in_list(self, reading: Reading) -> Verdict | None:
        by_barcode = self.earlier.get(reading.barcode or "")
        row = by_barcode or (self.earlier_dossiers.get(reading.dossier) if reading.dossier else None)
        if row is None:
            return None
        before, entry = self.entries[row], reading.entry
        differ = _differences_between(entry, before) if entry else ()
        return self._duplicate(
            reading, same_barcode=by_barcode is not None, where=f"đã có ở dòng {row}", differ=differ, item=None
        )

    def _duplicate(
        self, reading: Reading, *, same_barcode: bool, where: str, differ: Sequence[str], item: Known | None
    ) -> Verdict:
        field = "Mã bưu gửi" if same_barcode else "Mã hồ sơ"
        value = reading.barcode if same_barcode else (reading.dossier or ("", ""))[1]
        if differ:
            error = FieldError(
                field,
                "duplicate-different",
                f"{field} «{value}» {where} với nội dung khác ở {', '.join(differ)}; dòng này không được ghi",
            )
        else:
            error = FieldError(field, "duplicate", f"{field} «{value}» {where}")
        # What belongs to somebody else is not pointed at, not even by its id.
        seen = item is not None and (
            self.caller.role is Role.ADMIN
            or item.office_id == self.caller.office_id
            or (self.caller.agency_id is not None and item.agency_id == self.caller.agency_id)
        )
        return Verdict(
            row=reading.row,
            outcome="duplicate",
            errors=_stored((error, *reading.faults)),
            item_id=item.item_id if item and seen else None,
        )

    def _fresh(self, reading: Reading) -> tuple[Verdict, NewItem | None]:
        entry = reading.entry
        if entry is None:
            return Verdict(row=reading.row, outcome="rejected", errors=_stored(reading.faults)), None
        placed = self.placed[entry.row]
        if placed.office is None:
            sentence = (
                f"Không biết bưu cục nào phát; hãy ghi rõ xã, phường. Địa chỉ ghi: «{bag_list.found(entry.address)}»"
            )
            error = FieldError(_ADDRESS, "no-office", sentence)
            return Verdict(row=reading.row, outcome="rejected", errors=_stored((error,))), None
        item = NewItem(
            row=entry.row,
            barcode=entry.barcode,
            dossier_code=entry.dossier_code,
            dossier_key=entry.dossier[1],
            agency_id=self.agencies[entry.agency].id,
            office_id=placed.office.id,
            document_type=entry.document_type,
            name=entry.name,
            phone=entry.phone,
            id_number=entry.id_number,
            address=entry.address,
            place=placed.place,
            charges=self._charges(entry),
            deliver_by=entry.deliver_by,
            window=entry.window,
            priority=self._priority(entry.deliver_by),
            note=entry.note,
        )
        if placed.doubt is not None:
            return Verdict(row=entry.row, outcome="doubtful", errors=_stored((placed.doubt,))), item
        return Verdict(row=entry.row, outcome="accepted"), item

    def _charges(self, entry: Entry) -> list[NewCharge]:
        payees = {
            ChargeKind.STATE_FEE: f"agency:{entry.agency}",
            ChargeKind.FINE: "treasury",
            ChargeKind.POSTAGE: "post",
        }
        return [
            NewCharge(
                due.kind,
                payees[due.kind],
                due.amount_dong,
                # The amount comes from the agency; a tariff row that says the same, and is sure of it, confirms it.
                verified=any(
                    row.verified
                    and (row.document_type, row.kind, row.amount_dong)
                    == (entry.document_type, due.kind, due.amount_dong)
                    and row.valid_from <= self.day
                    and (row.valid_to is None or self.day <= row.valid_to)
                    for row in self.desk.facts.tariffs
                ),
            )
            for due in entry.dues
        ]

    def _priority(self, deliver_by: date | None) -> int:
        if deliver_by is None:
            return self.rules.priority_without_deadline
        if deliver_by not in self.priorities:
            self.priorities[deliver_by] = self._priority_by(deliver_by)
        return self.priorities[deliver_by]

    def _priority_by(self, deliver_by: date) -> int:
        calendar = self.desk.facts.bylaws.calendar
        for days, priority in self.rules.priorities:
            if deliver_by <= calendar.add_working_days(self.day, days):
                return priority
        return self.rules.priority_later

    def _digest(self, id_number: str) -> str:
        return sealing.blind_index(id_number, secrets=self.desk.settings.secrets)


def _stored(errors: Iterable[FieldError]) -> list[Mapping[str, str]]:
    return [{"field": error.field, "code": error.code, "message": error.message} for error in errors]


def _differences(entry: Entry, item: Known, digest: Callable[[str], str]) -> list[str]:
    pairs: Iterator[tuple[str, object, object]] = iter(
        (
            ("Mã bưu gửi", entry.barcode, item.barcode),
            ("Mã hồ sơ", entry.dossier, item.dossier),
            ("Loại giấy tờ", entry.document_type, item.document_type),
            ("Họ tên", entry.name, item.name),
            ("Số điện thoại", entry.phone, item.phone),
            ("Số CCCD", entry.id_number and digest(entry.id_number), item.id_number),
            (_ADDRESS, entry.address, item.address),
            ("Số tiền", {due.kind.value: due.amount_dong for due in entry.dues}, dict(item.dues)),
            ("Hạn phát", entry.deliver_by, item.deliver_by),
            ("Ghi chú", entry.note, item.note),
        )
    )
    return [name for name, here, there in pairs if here != there]


def _differences_between(entry: Entry, before: Entry) -> list[str]:
    names = {heading.key: heading.vi for heading in bag_list.HEADINGS} | {"dues": "Số tiền", "window": "Giờ hẹn"}
    return [name for key, name in names.items() if hasattr(entry, key) and getattr(entry, key) != getattr(before, key)]


# ------------------------------------------------------------------------------------------------ looking back
def list_imports(desk: Desk, caller: Caller, *, limit: int = 50, after: UUID | None = None) -> list[ImportSummary]:
    """The caller's batches, newest first, from the one after `after`."""
    _require(caller, _MAY_IMPORT)
    with desk.database.read() as session:
        return [_summary(row) for row in books.batches(session, caller, limit=limit, after=after)]


def get_import(desk: Desk, caller: Caller, import_id: UUID) -> ImportResult:
    """A batch of the caller's with every verdict.

    Raises:
        Missing: there is none, or it is somebody else's.
    """
    _require(caller, _MAY_IMPORT)
    with desk.database.read() as session:
        return _result(*books.batch(session, caller, import_id))


def _summary(row: ImportBatch) -> ImportSummary:
    return ImportSummary(
        id=row.id,
        filename=row.filename,
        at=row.at,
        office_id=row.office_id,
        accepted=row.accepted,
        duplicates=row.duplicates,
        doubtful=row.doubtful,
        rejected=row.rejected,
    )


def _result(batch: ImportBatch, rows: Sequence[ImportRow]) -> ImportResult:
    return ImportResult(
        **asdict(_summary(batch)),
        rows=tuple(
            RowResult(
                row.row,
                row.outcome,
                row.item_id,
                tuple(FieldError(e["field"], e["code"], e["message"], row.row) for e in row.errors),
            )
            for row in rows
        ),
    )


# ------------------------------------------------------------------------------------------------ settling an address
def resolve_address(
    desk: Desk,
    caller: Caller,
    item_id: UUID,
    *,
    commune_code: str,
    hamlet: str | None = None,
    lat: float | None = None,
    lon: float | None = None,
    version: int,
    at: datetime,
    same_address: bool = False,
) -> tuple[UUID, ...]:
    """A person says where an item is to be brought; with `same_address` also the other doubtful ones with the same words.

    A point must lie within the commune's box and counts as a pin; without one the commune's own point stands in. The item
    stays with its office, where the paper lies. Returns the ids of all items settled, the asked one first.

    Raises:
        Forbidden: the role settles no addresses.
        Missing: no such item in the caller's office.
        Stale: the item has changed since `version`.
        Refused: `already-final`.
        Invalid: no such commune today, half a point, or a point outside the commune.
    """
    _require(caller, _MAY_SETTLE)
    place = _settled(desk.gazetteer, commune_code, hamlet, lat, lon, local_day(at))
    with desk.database.write() as session:
        item = books.item_of(session, caller, item_id, version=version)
        if State(item.state) in FINAL:
            raise Refused("already-final", "Bưu gửi này đã kết thúc, không đổi địa chỉ được nữa.")
        rows = [item, *(books.doubtful_like(session, item) if same_address else ())]
        books.settle_place(session, rows, place, caller=caller, at=at)
        return tuple(row.id for row in rows)


def _settled(
    gazetteer: Gazetteer, code: str, hamlet: str | None, lat: float | None, lon: float | None, day: date
) -> Place:
    try:
        commune = gazetteer.commune(code)
    except KeyError:
        raise Invalid(FieldError("commune_code", "unknown-commune", f"Không có xã, phường mang mã «{code}»")) from None
    if commune.valid_from > day or (commune.valid_to is not None and commune.valid_to < day):
        raise Invalid(FieldError("commune_code", "unknown-commune", f"{commune.full_name} không còn hoặc chưa có"))
    if lat is None and lon is None:
        return Place(commune_code=code, hamlet=hamlet, lat=commune.lat, lon=commune.lon, precision="commune")
    if lat is None or lon is None:
        raise Invalid(FieldError("lat" if lat is None else "lon", "missing", "Điểm phải có cả vĩ độ và kinh độ"))
    if not gazetteer.contains(code, lat, lon):
        sentence = f"Điểm {lat:.5f}, {lon:.5f} không nằm trong {commune.full_name}"
        raise Invalid(FieldError("lat", "point-outside-commune", sentence))
    return Place(commune_code=code, hamlet=hamlet, lat=lat, lon=lon, precision="pin")


template = spreadsheet.template
HEADINGS: Final = bag_list.HEADINGS
MOST_BYTES: Final = spreadsheet.MOST_BYTES
