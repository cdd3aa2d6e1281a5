"""Bag lists on trial: their rows sealed, their verdicts, and how an office or an agency reads headings that are not ours."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.orm import Session

from courier.domain.bag_list import Unreadable
from courier.domain.errors import Missing, Stale
from courier.domain.people import Caller, Role
from courier.settings import Secrets
from courier.store import sealing
from courier.store.intake import Verdict
from courier.store.tables import KnownHeadings, Staff, StagedList, StagedRow, plain

_AT_ONCE: Final = 500
_MOST_REMEMBERED: Final = 50

Cells = Mapping[str, object]
"""The cells of a row: by position ("0", "1", ...) as the sheet has them, by key of ours where somebody corrected them."""


@dataclass(frozen=True, slots=True)
class TriedRow:
    """A row on trial; `cells` is None when it became an item."""

    row: int
    cells: Cells | None
    outcome: str | None
    item_id: UUID | None
    errors: Sequence[Mapping[str, str]]


# ------------------------------------------------------------------------------------------------ lists
def _lists_of(caller: Caller) -> Select[StagedList]:
    query = select(StagedList)
    if caller.role is Role.ADMIN:
        return query
    if caller.role is Role.AGENCY:
        return query.join(Staff, Staff.id == StagedList.staged_by).where(Staff.agency_id == caller.agency_id)
    return query.where(StagedList.office_id == caller.office_id)


def lists(session: Session, caller: Caller, *, limit: int) -> list[StagedList]:
    """The caller's lists that are still on trial, newest first."""
    query = _lists_of(caller).where(StagedList.state != "committed")
    return list(session.scalars(query.order_by(StagedList.id.desc()).limit(limit)))


def one(session: Session, caller: Caller, list_id: UUID, *, version: int | None = None) -> StagedList:
    """A list of the caller's; with `version` locked for a change of what the caller read.

    Raises:
        Missing: there is none, or it is somebody else's.
        Stale: it has changed since `version`.
    """
    query = _lists_of(caller).where(StagedList.id == list_id)
    if version is not None:
        query = query.with_for_update(of=StagedList)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise Missing("list", list_id)
    if version is not None and found.version != version:
        raise Stale("list", expected=version, found=found.version)
    return found


def of_batch(session: Session, batch_id: UUID) -> UUID | None:
    """The list that an import came from."""
    return session.scalar(select(StagedList.id).where(StagedList.batch_id == batch_id))


def add(session: Session, row: StagedList, cells: Iterable[tuple[int, Cells]], *, secrets: Secrets) -> None:
    """Put a list on trial."""
    session.add(row)
    session.flush()
    for some in _portions(cells):
        session.execute(
            insert(plain(StagedRow)),
            [
                {
                    "list_id": row.id,
                    "row": number,
                    "cells": _seal(row.id, number, content, secrets),
                    "outcome": None,
                    "item_id": None,
                    "errors": [],
                }
                for number, content in some
            ],
        )


def remove(session: Session, list_id: UUID) -> None:
    """Forget a list and its rows; what it brought in stays."""
    session.execute(delete(StagedRow).where(StagedRow.list_id == list_id))
    session.execute(delete(StagedList).where(StagedList.id == list_id))


def forget_before(session: Session, moment: datetime) -> None:
    """Forget the lists that came before a moment: names and numbers are kept no longer than they are worked on."""
    old = select(StagedList.id).where(StagedList.at < moment)
    session.execute(delete(StagedRow).where(StagedRow.list_id.in_(old)))
    session.execute(delete(StagedList).where(StagedList.at < moment))


# ------------------------------------------------------------------------------------------------ rows
def rows(
    session: Session,
    list_id: UUID,
    *,
    secrets: Secrets,
    outcomes: Sequence[str] | None = None,
    numbers: Iterable[int] | None = None,
    after: int = -1,
    limit: int | None = None,
) -> list[TriedRow]:
    """Rows of a list in the sheet's order: all, those with one of the outcomes, or some numbers."""
    table = plain(StagedRow)
    query = select(table).where(table.c.list_id == list_id, table.c.row > after).order_by(table.c.row)
    if outcomes is not None:
        query = query.where(table.c.outcome.in_(list(outcomes)))
    if numbers is not None:
        query = query.where(table.c.row.in_(list(numbers)))
    if limit is not None:
        query = query.limit(limit)
    return [
        TriedRow(
            found.row,
            None if found.cells is None else _unseal(list_id, found.row, found.cells, secrets),
            found.outcome,
            found.item_id,
            found.errors,
        )
        for found in session.execute(query)
    ]


def change_cells(session: Session, list_id: UUID, changed: Mapping[int, Cells], *, secrets: Secrets) -> None:
    """Write the cells of some rows anew."""
    for number, cells in changed.items():
        session.execute(
            update(StagedRow)
            .where(StagedRow.list_id == list_id, StagedRow.row == number)
            .values(cells=_seal(list_id, number, cells, secrets))
        )


def judge(session: Session, row: StagedList, verdicts: Sequence[Verdict], *, forget: bool = False) -> None:
    """Write the verdict on every row and count them; with `forget` the cells of what is in the books are erased."""
    found = {verdict.row: verdict for verdict in verdicts}
    table = plain(StagedRow)
    before = session.execute(
        select(table.c.row, table.c.outcome, table.c.item_id, table.c.errors).where(table.c.list_id == row.id)
    ).all()
    changed = [
        {"list_id": row.id, "row": old.row, "outcome": now.outcome, "item_id": now.item_id, "errors": list(now.errors)}
        for old in before
        for now in (found[old.row],)
        if (old.outcome, old.item_id, old.errors) != (now.outcome, now.item_id, list(now.errors))
    ]
    for some in _portions(changed):
        session.execute(update(StagedRow), some)
    if forget:
        session.execute(
            update(table)
            .where(table.c.list_id == row.id, table.c.outcome.in_(("accepted", "doubtful")))
            .values(cells=None)
        )
    outcomes = [verdict.outcome for verdict in verdicts]
    row.accepted, row.duplicates = outcomes.count("accepted"), outcomes.count("duplicate")
    row.doubtful, row.rejected = outcomes.count("doubtful"), outcomes.count("rejected")
    row.done = row.size


def note_progress(session: Session, list_id: UUID, done: int) -> None:
    """How many rows of a list have been looked at."""
    session.execute(
        update(StagedList)
        .where(StagedList.id == list_id)
        .values(done=done, version=StagedList.version + 1)
        .execution_options(synchronize_session=False)
    )


def _portions(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while portion := list(islice(rest, _AT_ONCE)):
        yield portion


def _row_id(list_id: UUID, number: int) -> UUID:
    return uuid5(list_id, str(number))


def _seal(list_id: UUID, number: int, cells: Cells, secrets: Secrets) -> bytes:
    text = json.dumps({name: _plain(cell) for name, cell in cells.items()}, separators=(",", ":"))
    return sealing.seal(text, row=_row_id(list_id, number), secrets=secrets)


def _unseal(list_id: UUID, number: int, sealed: bytes, secrets: Secrets) -> dict[str, object]:
    text = sealing.unseal(sealed, row=_row_id(list_id, number), secrets=secrets)
    return {name: _cell(value) for name, value in json.loads(text).items()}


def _plain(cell: object) -> object:
    if cell is None or isinstance(cell, str | int | float):
        return cell
    if isinstance(cell, Unreadable):
        return {"unreadable": cell.code, "sentence": cell.sentence}
    # A datetime is a date, too.
    for name, kind in (("datetime", datetime), ("date", date), ("time", time)):
        if isinstance(cell, kind):
            return {name: cell.isoformat()}
    return str(cell)  # a duration: no column of ours is one


def _cell(value: Any) -> object:
    if not isinstance(value, dict):
        return value
    if "unreadable" in value:
        return Unreadable(value["unreadable"], value["sentence"])
    ((name, text),) = value.items()
    return _MOMENTS[name](text)


_MOMENTS: Final[Mapping[str, Callable[[str], object]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
}


# ------------------------------------------------------------------------------------------------ headings
def readings_of_headings(session: Session, owner_id: UUID) -> list[dict[str, str]]:
    """How an office or an agency read headings before, the last time first."""
    query = select(KnownHeadings.columns).where(KnownHeadings.owner_id == owner_id)
    return list(session.scalars(query.order_by(KnownHeadings.used_at.desc()).limit(_MOST_REMEMBERED)))


def remember_headings(
    session: Session, owner_id: UUID, fingerprint: str, columns: Mapping[str, str], *, by: UUID, at: datetime
) -> None:
    """Keep a reading for the next list with the same headings."""
    known = session.get(KnownHeadings, (owner_id, fingerprint))
    if known is None:
        known = KnownHeadings(owner_id=owner_id, fingerprint=fingerprint, columns={}, used_at=at, said_by=by)
        session.add(known)
    known.columns, known.used_at, known.said_by = dict(columns), at, by
