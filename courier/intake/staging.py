"""A bag list on trial: its headings are read, every row has its verdict, mistakes are corrected, and only then it is taken in.

A small list is looked at while its sender waits; a large one is a job, and the list says how far it is. Nothing of a list on
trial is an item: no plan sees it, nobody owes for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain import bag_list
from courier.domain.bag_list import HEADINGS, UNUSED, Unreadable
from courier.domain.errors import FieldError, Invalid, Refused
from courier.domain.people import Caller
from courier.intake.lists import OpenBag, Origin, Row, open_bag, require_import, require_rows
from courier.outside import spreadsheet
from courier.store import intake as books
from courier.store import people, staging
from courier.store.intake import Verdict
from courier.store.jobs import Effect, Payload
from courier.store.staging import Cells, TriedRow
from courier.store.tables import StagedList

CHECK_JOB: Final = "check a bag list"
COMMIT_JOB: Final = "take a bag list in"
# A list longer than this is a job: some two seconds of work.
MOST_AT_ONCE: Final = 1_000
KEPT_FOR: Final = timedelta(days=14)
_STRAY: Final = str(spreadsheet.STRAY_AT)
_FAILED: Final = ("rejected", "duplicate")
_BUSY: Final = ("checking", "committing")


# ------------------------------------------------------------------------------------------------ answers
@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A list on trial. `state`: headings (somebody must say what they mean), checking, checked, committing, committed, failed.

    `headings` as written and `columns` (key of ours, or `UNUSED`) by position; `sample` holds some cells of each column for
    whoever must say what a heading means. The four counts are those of the last look at the rows.
    """

    id: UUID
    filename: str
    at: datetime
    office_id: UUID | None
    state: str
    assumed: tuple[str, ...]
    headings: Mapping[int, str]
    columns: Mapping[int, str]
    sample: Mapping[int, tuple[str, ...]]
    size: int
    done: int
    accepted: int
    duplicates: int
    doubtful: int
    rejected: int
    error: str | None
    batch_id: UUID | None
    version: int


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A row on trial: what it says by key of ours (None: it became an item), its verdict, and the item that it repeats."""

    row: int
    cells: Mapping[str, object] | None
    outcome: str | None
    item: UUID | None
    errors: tuple[FieldError, ...]


# ------------------------------------------------------------------------------------------------ a list comes
def stage_sheet(
    desk: Desk, caller: Caller, *, filename: str, content: bytes, office_id: UUID | None = None, at: datetime
) -> UUID:
    """Put an .xlsx or .csv on trial, whatever its headings are called; the id of the list.

    Raises:
        Forbidden: the role brings no bags in.
        Missing: `office_id` is not the caller's office.
        Invalid: the file as a whole cannot be used (codes of `spreadsheet.look`); nothing is stored.
    """
    require_import(caller)
    sheet = spreadsheet.look(filename, content)
    with desk.database.read() as session:
        remembered = staging.readings_of_headings(session, _owner(caller))
    proposal = bag_list.propose(sheet.headings, remembered)
    row = _new_list(caller, filename[:200], content, office_id=office_id, at=at, size=len(sheet.rows))
    row.state = "checking" if proposal.sure else "headings"
    row.assumed = list(sheet.assumed)
    row.headings = {str(position): heading for position, heading in sheet.headings.items()}
    row.columns = {str(position): key for position, key in proposal.columns.items()}
    cells = [(number, {str(position): cell for position, cell in found.items()}) for number, found in sheet.rows]
    return _put_on_trial(desk, caller, row, cells, at=at)


def stage_rows(
    desk: Desk,
    caller: Caller,
    *,
    rows: Sequence[Mapping[str, object]],
    office_id: UUID | None = None,
    at: datetime,
) -> UUID:
    """Put rows of JSON on trial, numbered from 1; keys as for `import_rows`.

    Raises:
        Forbidden, Missing: as `stage_sheet`.
        Invalid: `no-rows` or `too-many-rows`.
    """
    require_import(caller)
    require_rows(rows)
    cells = [(number, bag_list.cells_of(row)[0]) for number, row in enumerate(rows, start=1)]
    cells = [(number, {name or _STRAY: cell for name, cell in found.items()}) for number, found in cells]
    row = _new_list(caller, "json", repr(cells).encode(), office_id=office_id, at=at, size=len(cells))
    return _put_on_trial(desk, caller, row, cells, at=at)


def _new_list(
    caller: Caller, filename: str, content: bytes, *, office_id: UUID | None, at: datetime, size: int
) -> StagedList:
    return StagedList(
        id=uuid7(),
        office_id=caller.office_id or office_id,
        staged_by=caller.id,
        filename=filename,
        sha256=sha256(content).hexdigest(),
        at=at,
        state="checking",
        assumed=[],
        headings={},
        columns={},
        size=size,
        done=0,
        accepted=0,
        duplicates=0,
        doubtful=0,
        rejected=0,
        error=None,
        batch_id=None,
        version=1,
    )


def _put_on_trial(
    desk: Desk, caller: Caller, row: StagedList, cells: Iterable[tuple[int, Cells]], *, at: datetime
) -> UUID:
    cells = list(cells)
    list_id = row.id
    # Whether the caller may send for this office is seen before anything is stored.
    first = open_bag(desk, caller, [], office_id=row.office_id, at=at)
    at_once = row.state == "checking" and row.size <= MOST_AT_ONCE
    if at_once:
        first = open_bag(desk, caller, _read(row, cells), office_id=row.office_id, at=at)
    with desk.database.write() as session:
        staging.forget_before(session, at - KEPT_FOR)
        staging.add(session, row, cells, secrets=desk.settings.secrets)
        if at_once:
            _, verdicts = first.sort(session)
            staging.judge(session, row, verdicts)
            row.state = "checked"
        elif row.state == "checking":
            _enqueue_check(desk, session, row, caller)
    return list_id


def _owner(caller: Caller) -> UUID:
    """Whose way of writing headings is remembered: the office's, the agency's, else the person's own."""
    return caller.office_id or caller.agency_id or caller.id


# ------------------------------------------------------------------------------------------------ looking at it
def list_trials(desk: Desk, caller: Caller, *, limit: int = 20) -> list[Trial]:
    """The caller's lists that are not taken in yet, newest first; without samples."""
    require_import(caller)
    with desk.database.read() as session:
        return [_trial(row) for row in staging.lists(session, caller, limit=limit)]


def get_trial(desk: Desk, caller: Caller, list_id: UUID) -> Trial:
    """A list of the caller's.

    Raises:
        Missing: there is none, or it is somebody else's.
    """
    require_import(caller)
    with desk.database.read() as session:
        row = staging.one(session, caller, list_id)
        some = staging.rows(session, list_id, secrets=desk.settings.secrets, limit=8) if row.state == "headings" else []
        return _trial(row, some)


def trial_rows(
    desk: Desk,
    caller: Caller,
    list_id: UUID,
    *,
    outcomes: Sequence[str] | None = None,
    numbers: Iterable[int] | None = None,
    after: int = -1,
    limit: int | None = None,
) -> list[TrialRow]:
    """Rows of a list in the sheet's order: all, those with one of the outcomes, or some numbers.

    Raises:
        Missing: no such list of the caller's.
    """
    require_import(caller)
    with desk.database.read() as session:
        row = staging.one(session, caller, list_id)
        found = staging.rows(
            session,
            list_id,
            secrets=desk.settings.secrets,
            outcomes=outcomes,
            numbers=numbers,
            after=after,
            limit=limit,
        )
        return [_row_shown(row, one) for one in found]


def failed_rows(desk: Desk, caller: Caller, list_id: UUID) -> bytes:
    """The rows that would not be taken in as they are, as .xlsx with the reason; to be corrected and sent again.

    Raises:
        Missing: no such list of the caller's.
    """
    rows = trial_rows(desk, caller, list_id, outcomes=_FAILED)
    return spreadsheet.failed([(one.row, _reason(one), one.cells) for one in rows if one.cells is not None])


def list_of_import(desk: Desk, caller: Caller, batch_id: UUID) -> UUID | None:
    """The list on trial that an import came from, as long as it is kept."""
    require_import(caller)
    with desk.database.read() as session:
        return staging.of_batch(session, batch_id)


def _reason(row: TrialRow) -> str:
    return "; ".join(f"{error.field}: {error.message}" for error in row.errors)


def _trial(row: StagedList, some: Sequence[TriedRow] = ()) -> Trial:
    sample: dict[int, tuple[str, ...]] = {}
    for position in row.headings:
        cells = [one.cells.get(position) for one in some if one.cells]
        shown = [bag_list.found(cell) for cell in cells if cell is not None and not isinstance(cell, Unreadable)]
        sample[int(position)] = tuple(dict.fromkeys(shown))[:3]
    return Trial(
        id=row.id,
        filename=row.filename,
        at=row.at,
        office_id=row.office_id,
        state=row.state,
        assumed=tuple(row.assumed),
        headings={int(position): heading for position, heading in row.headings.items()},
        columns={int(position): key for position, key in row.columns.items()},
        sample=sample,
        size=row.size,
        done=row.done,
        accepted=row.accepted,
        duplicates=row.duplicates,
        doubtful=row.doubtful,
        rejected=row.rejected,
        error=row.error,
        batch_id=row.batch_id,
        version=row.version,
    )


def _row_shown(row: StagedList, one: TriedRow) -> TrialRow:
    errors = tuple(FieldError(e["field"], e["code"], e["message"], one.row) for e in one.errors)
    return TrialRow(one.row, None if one.cells is None else _by_key(row, one.cells), one.outcome, one.item_id, errors)


def _by_key(row: StagedList, cells: Cells) -> dict[str, object]:
    """The cells by key of ours: as the sheet has them under its columns, and over them what was corrected."""
    read = {key: cells.get(position) for position, key in row.columns.items() if key != UNUSED}
    read |= {heading.key: cells[heading.key] for heading in HEADINGS if heading.key in cells}
    if cells.get(_STRAY) is not None:
        read[bag_list.STRAY] = cells[_STRAY]
    return read


def _read(row: StagedList, cells: Iterable[tuple[int, Cells]]) -> list[Row]:
    return [(number, _by_key(row, found), None) for number, found in cells]


# ------------------------------------------------------------------------------------------------ correcting it
def name_columns(
    desk: Desk, caller: Caller, list_id: UUID, columns: Mapping[int, str], *, version: int, at: datetime
) -> None:
    """Say what the headings mean: key of ours, or `UNUSED`, by position. It is remembered for the next list of this sender.

    Raises:
        Missing, Stale: as usual.
        Refused: `list-busy` while it is looked at, `already-taken-in`.
        Invalid: a column or key that is not there, a required one missing, one twice.
    """
    require_import(caller)
    keys = {heading.key for heading in HEADINGS}
    with desk.database.write() as session:
        row = _changeable(session, caller, list_id, version)
        strange = [
            FieldError(f"column-{position}", "unknown-column", f"Không có cột thứ {position + 1} hoặc trường «{key}»")
            for position, key in columns.items()
            if str(position) not in row.headings or (key != UNUSED and key not in keys)
        ]
        if faults := strange or bag_list.column_faults(columns):
            raise Invalid(*faults)
        row.columns = {str(position): columns.get(position, UNUSED) for position in map(int, row.headings)}
        words = bag_list.fingerprint_words({int(position): word for position, word in row.headings.items()})
        staging.remember_headings(
            session,
            _owner(caller),
            sha256("\n".join(sorted(words.values())).encode()).hexdigest(),
            {word: columns.get(position, UNUSED) for position, word in words.items()},
            by=caller.id,
            at=at,
        )
        _look_again(desk, session, row, caller, at=at)


def correct_rows(
    desk: Desk, caller: Caller, list_id: UUID, changed: Mapping[int, Mapping[str, str]], *, version: int, at: datetime
) -> None:
    """Write cells anew, by row and key of ours (an empty text empties one), and look at the list again.

    Raises:
        Missing, Stale, Refused: as `name_columns`.
        Invalid: `unknown-row` or `unknown-field`.
    """
    require_import(caller)
    keys = {heading.key for heading in HEADINGS}
    with desk.database.write() as session:
        row = _changeable(session, caller, list_id, version)
        known = {
            one.row: one.cells
            for one in staging.rows(session, list_id, secrets=desk.settings.secrets, numbers=changed)
            if one.cells is not None
        }
        faults = [
            FieldError("row", "unknown-row", f"Danh sách không có dòng {number}", number)
            for number in changed
            if number not in known
        ] + [
            FieldError(key, "unknown-field", f"Không có trường «{bag_list.found(key)}»", number)
            for number, cells in changed.items()
            for key in cells
            if key not in keys
        ]
        if faults:
            raise Invalid(*faults)
        # Who corrects a row has seen it: what stood beside the table in it is no fault any more.
        written = {
            number: {name: cell for name, cell in known[number].items() if name != _STRAY}
            | {key: text.strip() or None for key, text in cells.items()}
            for number, cells in changed.items()
        }
        staging.change_cells(session, list_id, written, secrets=desk.settings.secrets)
        _look_again(desk, session, row, caller, at=at)


def send_again(
    desk: Desk, caller: Caller, list_id: UUID, *, filename: str, content: bytes, version: int, at: datetime
) -> int:
    """Take the corrected file of `failed_rows` back: each of its rows replaces the row it came from. How many did.

    Raises:
        Missing, Stale, Refused: as `name_columns`.
        Invalid: as `spreadsheet.look`; headings that are not ours; `no-row-column`, `unknown-row`, `row-twice`.
    """
    require_import(caller)
    with desk.database.read() as session:
        staging.one(session, caller, list_id)
    sheet = spreadsheet.look(filename, content)
    columns = bag_list.columns_of(sheet.line, [sheet.headings.get(at) for at in range(max(sheet.headings) + 1)])
    wanted = bag_list.key_of(bag_list.ROW_COLUMN)
    numbered = next((at for at, heading in sheet.headings.items() if bag_list.key_of(heading) == wanted), None)
    if numbered is None:
        sentence = f"Tệp không có cột «{bag_list.ROW_COLUMN}»; hãy gửi tệp như một bảng kê mới"
        raise Invalid(FieldError("file", "no-row-column", sentence))
    with desk.database.write() as session:
        row = _changeable(session, caller, list_id, version)
        known = {
            one.row
            for one in staging.rows(session, list_id, secrets=desk.settings.secrets, outcomes=_FAILED)
            if one.cells is not None
        }
        replaced: dict[int, Cells] = {}
        faults = []
        for line, cells in sheet.rows:
            number = _whole(cells.get(numbered))
            if number not in known or number in replaced:
                code, what = (
                    ("row-twice", "có hai lần") if number in replaced else ("unknown-row", "không phải dòng lỗi")
                )
                sentence = f"«{bag_list.found(cells.get(numbered))}» {what} của danh sách này"
                faults.append(FieldError(bag_list.ROW_COLUMN, code, sentence, line))
                continue
            stray = cells.get(spreadsheet.STRAY_AT)
            replaced[number] = {heading.key: None for heading in HEADINGS} | {
                key: cells.get(position) for position, key in columns.items()
            }
            if stray is not None:
                replaced[number] = {**replaced[number], _STRAY: stray}
        if faults:
            raise Invalid(*faults)
        staging.change_cells(session, list_id, replaced, secrets=desk.settings.secrets)
        _look_again(desk, session, row, caller, at=at)
        return len(replaced)


def _whole(cell: object) -> int | None:
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, str) and cell.strip().isascii() and cell.strip().isdecimal():
        return int(cell.strip()[:9])
    return cell if isinstance(cell, int) else None


def discard(desk: Desk, caller: Caller, list_id: UUID, *, version: int) -> None:
    """Forget a list that nobody will take in.

    Raises:
        Missing, Stale, Refused: as `name_columns`.
    """
    require_import(caller)
    with desk.database.write() as session:
        _changeable(session, caller, list_id, version)
        staging.remove(session, list_id)


def _changeable(session: Session, caller: Caller, list_id: UUID, version: int) -> StagedList:
    row = staging.one(session, caller, list_id, version=version)
    if row.state == "committed":
        raise Refused("already-taken-in", "Danh sách này đã được nhập.")
    if row.state in _BUSY:
        raise Refused("list-busy", "Danh sách đang được kiểm tra; mời chờ một lát.")
    return row


# ------------------------------------------------------------------------------------------------ looking at its rows
def _look_again(desk: Desk, session: Session, row: StagedList, caller: Caller, *, at: datetime) -> None:
    row.version += 1
    row.error = None
    if row.size > MOST_AT_ONCE:
        _enqueue_check(desk, session, row, caller)
        return
    bag = _open(desk, session, row, caller, at=at)
    _, verdicts = bag.sort(session)
    staging.judge(session, row, verdicts)
    row.state = "checked"


def _enqueue_check(desk: Desk, session: Session, row: StagedList, caller: Caller) -> None:
    row.state, row.done = "checking", 0
    session.flush()
    payload = {"list": str(row.id), "by": str(caller.id)}
    desk.jobs.enqueue(session, CHECK_JOB, payload, key=f"{CHECK_JOB}:{row.id}:{row.version}")


def _open(desk: Desk, session: Session, row: StagedList, caller: Caller, *, at: datetime) -> OpenBag:
    return open_bag(desk, caller, _rows_of(desk, session, row), office_id=row.office_id, at=at)


def _rows_of(desk: Desk, session: Session, row: StagedList) -> list[Row]:
    found = staging.rows(session, row.id, secrets=desk.settings.secrets)
    return _read(row, [(one.row, one.cells) for one in found if one.cells is not None])


def _open_in_a_job(desk: Desk, payload: Payload, state: str, *, at: datetime) -> OpenBag | None:
    """The rows of a large list, read while nobody waits; how far it is stands in the list. None where it has gone on."""
    list_id = UUID(payload["list"])
    with desk.database.read() as session:
        caller = people.caller_of(session, UUID(payload["by"]))
        row = staging.one(session, caller, list_id)
        if row.state != state:
            return None
        office_id, rows = row.office_id, _rows_of(desk, session, row)

    def tell(done: int) -> None:
        with desk.database.write() as session:
            staging.note_progress(session, list_id, done)

    return open_bag(desk, caller, rows, office_id=office_id, at=at, tell=tell)


def check_job(desk: Desk, payload: Payload, *, at: datetime) -> Effect:
    """The job behind a large list on trial: a verdict on every row."""
    bag = _open_in_a_job(desk, payload, "checking", at=at)
    if bag is None:
        return _nothing
    with desk.database.read() as session:
        _, verdicts = bag.sort(session)
    return partial(_write_verdicts, UUID(payload["list"]), verdicts)


def _write_verdicts(list_id: UUID, verdicts: Sequence[Verdict], session: Session) -> None:
    row = session.get(StagedList, list_id, with_for_update=True)
    if row is None or row.state != "checking":
        return
    staging.judge(session, row, verdicts)
    row.state, row.version = "checked", row.version + 1


def _nothing(_session: Session) -> None:
    """The list has gone on, or is gone."""


# ------------------------------------------------------------------------------------------------ taking it in
def commit(desk: Desk, caller: Caller, list_id: UUID, *, version: int, at: datetime) -> UUID | None:
    """Take a list in: what is good or doubtful becomes items, every row keeps its verdict. The import, None where a job does it.

    What stands in the books by now decides, not what stood there at the trial.

    Raises:
        Missing, Stale: as usual.
        Refused: `list-busy`, `already-taken-in`, `headings-unclear`, `nothing-to-take-in`.
    """
    require_import(caller)
    with desk.database.write() as session:
        row = _changeable(session, caller, list_id, version)
        if row.state != "checked":
            raise Refused("headings-unclear", "Chưa rõ tiêu đề các cột; mời chọn cột trước khi nhập.")
        if row.accepted + row.doubtful == 0:
            raise Refused("nothing-to-take-in", "Không có dòng nào nhập được.")
        row.version += 1
        row.error = None
        if row.size > MOST_AT_ONCE:
            row.state, row.done = "committing", 0
            session.flush()
            payload = {"list": str(list_id), "by": str(caller.id)}
            desk.jobs.enqueue(session, COMMIT_JOB, payload, key=f"{COMMIT_JOB}:{list_id}:{row.version}")
            return None
        return _take_in(session, row, _open(desk, session, row, caller, at=at))


def commit_job(desk: Desk, payload: Payload, *, at: datetime) -> Effect:
    """The job behind the commit of a large list."""
    bag = _open_in_a_job(desk, payload, "committing", at=at)
    return _nothing if bag is None else partial(_finish, UUID(payload["list"]), bag)


def _finish(list_id: UUID, bag: OpenBag, session: Session) -> None:
    row = session.get(StagedList, list_id, with_for_update=True)
    if row is None or row.state != "committing":
        return
    _take_in(session, row, bag)
    row.version += 1


def _take_in(session: Session, row: StagedList, bag: OpenBag) -> UUID:
    batch_id = bag.take_in(session, origin=Origin(row.filename, row.sha256, tuple(row.assumed)))
    _, stored = books.batch(session, bag.caller, batch_id)
    verdicts = [Verdict(row=one.row, outcome=one.outcome, errors=one.errors, item_id=one.item_id) for one in stored]
    row.state, row.batch_id = "committed", batch_id
    staging.judge(session, row, verdicts, forget=True)
    return batch_id


def give_up(session: Session, payload: Payload) -> None:
    """A job about a list failed for the last time: the list says so and may be looked at again."""
    row = session.get(StagedList, UUID(payload["list"]), with_for_update=True)
    if row is not None and row.state in _BUSY:
        row.state, row.version = "failed", row.version + 1
        row.error = "Kiểm tra danh sách không thành; đã ghi nhật ký. Mời thử lại."
