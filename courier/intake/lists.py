"""A bag list comes in as a spreadsheet or by API, and every row gets its verdict.

Whose bag it is decides where its items go. A list sent by an office (dispatcher, clerk, or an admin for an office) brings
items for that office alone: an address that belongs to another office is asked about, because the paper lies here. A list
from an agency, or from an admin for no office, is routed: each item goes to the office that serves its commune; where the
address is not clear it goes where all its candidates point, else where most of the list goes, and is asked about there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final, TypeAlias
from uuid import UUID

from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.domain import bag_list
from courier.domain.bag_list import Reading
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Refused
from courier.domain.identifiers import handover_receipt
from courier.domain.money import Charge
from courier.domain.people import Caller, Role
from courier.intake.places import Placed, Router
from courier.intake.verdicts import Sorter
from courier.intake.words import vocabulary
from courier.outside import spreadsheet
from courier.store import intake as books
from courier.store import items
from courier.store.intake import AgencyRow, NewItem, OfficeRow, Verdict
from courier.store.tables import ImportBatch, ImportRow

_MAY_IMPORT: Final = frozenset({Role.DISPATCHER, Role.CLERK, Role.ADMIN, Role.AGENCY})


# ------------------------------------------------------------------------------------------------ answers
@dataclass(frozen=True, slots=True)
class RowResult:
    """The verdict on one row: `outcome` is accepted, duplicate, doubtful or rejected. `charges` are those of its new item."""

    row: int
    outcome: str
    item: UUID | None
    errors: tuple[FieldError, ...]
    charges: tuple[Charge, ...] = ()


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
    assumed: tuple[str, ...] = ()
    undone_at: datetime | None = None

    @property
    def receipt(self) -> str:
        """The number of the record of the hand-over, the same for both sides."""
        return handover_receipt(self.id, local_day(self.at))


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
    require_import(caller)
    found, assumed = spreadsheet.read_with_assumptions(filename, content)
    rows = [(row.number, row.cells, None) for row in found]
    origin = Origin(filename[:200], sha256(content).hexdigest(), assumed)
    return _take_in(desk, caller, rows, origin=origin, office_id=office_id, at=at)


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
    require_import(caller)
    require_rows(rows)
    read = [(number, *bag_list.cells_of(row)) for number, row in enumerate(rows, start=1)]
    content = json.dumps([cells for _, cells, _ in read], sort_keys=True, default=str).encode()
    origin = Origin("json", sha256(content).hexdigest())
    return _take_in(desk, caller, read, origin=origin, office_id=office_id, at=at)


Row: TypeAlias = tuple[int, Mapping[str, object], Mapping[str, str] | None]
"""The number of a row, its cells by key, and what its sender called the keys."""
Tell: TypeAlias = Callable[[int], None]
"""Hears now and then how many rows have been looked at."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a bag list came from; `assumed` is how its letters were read where it does not say."""

    filename: str
    sha256: str
    assumed: tuple[str, ...] = ()


def _take_in(
    desk: Desk,
    caller: Caller,
    rows: Sequence[Row],
    *,
    origin: Origin,
    office_id: UUID | None,
    at: datetime,
) -> ImportResult:
    opened = open_bag(desk, caller, rows, office_id=office_id, at=at)
    with desk.database.write() as session:
        batch_id = opened.take_in(session, origin=origin)
        found, stored = books.batch(session, caller, batch_id)
        return _result(session, found, stored)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBag:
    """A list whose rows were read and whose addresses were looked up; nothing is stored yet."""

    desk: Desk
    caller: Caller
    office_id: UUID | None
    at: datetime
    agencies: Sequence[AgencyRow]
    readings: Sequence[Reading]
    placed: Mapping[int, Placed]

    def sort(self, session: Session) -> tuple[list[NewItem], list[Verdict]]:
        """What would become an item now, and a verdict for every row."""
        by_code = {agency.code: agency for agency in self.agencies}
        sorter = Sorter(self.desk, self.caller, by_code, self.placed, local_day(self.at))
        return sorter.sort(session, self.readings)

    def take_in(self, session: Session, *, origin: Origin) -> UUID:
        """Store what is good, with every verdict; the id of the batch."""
        books.take_turns(session)
        new, verdicts = self.sort(session)
        batch = books.Batch(
            # A counter's list stays the counter's, although its items go out from the office.
            office_id=self.caller.office_id or self.office_id,
            filename=origin.filename,
            sha256=origin.sha256,
            at=self.at,
            assumed=origin.assumed,
        )
        return books.receive(session, batch, new, verdicts, caller=self.caller, secrets=self.desk.settings.secrets)


def open_bag(
    desk: Desk,
    caller: Caller,
    rows: Sequence[Row],
    *,
    office_id: UUID | None,
    at: datetime,
    tell: Tell | None = None,
) -> OpenBag:
    """Read the rows and look their addresses up: the slow half, before the transaction that stops other writers.

    Raises:
        Missing: `office_id` is not the caller's office.
    """
    day = local_day(at)
    with desk.database.read() as session:
        offices, agencies = books.offices(session), books.agencies(session)
    own = _own_office(caller, offices, office_id)
    words = vocabulary(desk, agencies, day)
    readings = [bag_list.read_row(number, cells, words, called=called) for number, cells, called in rows]
    readings = [_own_rows_only(reading, caller, agencies) for reading in readings]
    router = Router(desk.gazetteer, offices, own, day)
    placed = router.place([reading.entry for reading in readings if reading.entry], tell=tell)
    return OpenBag(
        desk=desk,
        caller=caller,
        office_id=office_id,
        at=at,
        agencies=agencies,
        readings=readings,
        placed=placed,
    )


def require_rows(rows: Sequence[object]) -> None:
    """Raise Invalid (`no-rows`, `too-many-rows`) unless a list in JSON is as long as a sheet may be."""
    if not rows:
        raise Invalid(FieldError("rows", "no-rows", "Danh sách không có dòng nào"))
    if len(rows) > spreadsheet.MOST_ROWS:
        sentence = f"Danh sách có {len(rows)} dòng, nhiều nhất {spreadsheet.MOST_ROWS}"
        raise Invalid(FieldError("rows", "too-many-rows", sentence))


def require_import(caller: Caller) -> None:
    """Raise `Forbidden` for a role that brings no bags in."""
    if caller.role not in _MAY_IMPORT:
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


# ------------------------------------------------------------------------------------------------ taking it back
def undo_import(desk: Desk, caller: Caller, import_id: UUID, *, at: datetime) -> ImportSummary:
    """Take a whole import back: its items are cancelled, nobody owes for them, and their barcodes and dossiers may come again.

    Raises:
        Forbidden: the role brings no bags in.
        Missing: no such import of the caller's.
        Refused: `already-undone`; `items-touched` when something has happened to an item since, naming the barcodes.
    """
    require_import(caller)
    with desk.database.write() as session:
        books.take_turns(session)
        batch, _ = books.batch(session, caller, import_id)
        if batch.undone_at is not None:
            raise Refused("already-undone", "Lần nhập này đã được hoàn tác.")
        touched = books.touched_since(session, import_id)
        if touched:
            named = ", ".join(touched[:_NAMED]) + (
                f" và {len(touched) - _NAMED} bưu gửi khác" if len(touched) > _NAMED else ""
            )
            raise Refused("items-touched", f"Không hoàn tác được: đã có việc xảy ra với {named}.")
        books.take_back(session, batch, caller=caller, at=at, bylaws=desk.facts.bylaws)
        return _summary(batch)


_NAMED: Final = 10


# ------------------------------------------------------------------------------------------------ looking back
def list_imports(desk: Desk, caller: Caller, *, limit: int = 50, after: UUID | None = None) -> list[ImportSummary]:
    """The caller's batches, newest first, from the one after `after`."""
    require_import(caller)
    with desk.database.read() as session:
        return [_summary(row) for row in books.batches(session, caller, limit=limit, after=after)]


def get_import(desk: Desk, caller: Caller, import_id: UUID) -> ImportResult:
    """A batch of the caller's with every verdict.

    Raises:
        Missing: there is none, or it is somebody else's.
    """
    require_import(caller)
    with desk.database.read() as session:
        return _result(session, *books.batch(session, caller, import_id))


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
        assumed=tuple(row.assumed or ()),
        undone_at=row.undone_at,
    )


def _result(session: Session, batch: ImportBatch, rows: Sequence[ImportRow]) -> ImportResult:
    new = [row.item_id for row in rows if row.item_id is not None and row.outcome in ("accepted", "doubtful")]
    charges = items.charges_of(session, new)
    return ImportResult(
        **asdict(_summary(batch)),
        rows=tuple(
            RowResult(
                row.row,
                row.outcome,
                row.item_id,
                tuple(FieldError(e["field"], e["code"], e["message"], row.row) for e in row.errors),
                tuple(sorted(charges.get(row.item_id, ()), key=lambda due: (due.kind, due.payee, due.id)))
                if row.item_id is not None
                else (),
            )
            for row in rows
        ),
    )
