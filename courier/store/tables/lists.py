"""Agencies' lists on their way in, what was learned of their headings, and dossiers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ForeignKey,
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from courier.store.columns import Json
from courier.store.tables.base import Key, Sealed, Table, one_of

STEPS = ("receive", "appraise", "approve", "return")
STAGES = ("headings", "checking", "checked", "committing", "committed", "failed")


class ImportBatch(Table):
    """One spreadsheet or API batch, whatever became of its rows."""

    __tablename__ = "import_batch"
    id: Mapped[Key]
    office_id: Mapped[UUID | None] = mapped_column(ForeignKey("office.id"), index=True)
    imported_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    filename: Mapped[str]
    sha256: Mapped[str]
    at: Mapped[datetime]
    accepted: Mapped[int]
    duplicates: Mapped[int]
    doubtful: Mapped[int]
    rejected: Mapped[int]
    assumed: Mapped[list[Any] | None] = mapped_column(
        Json, comment="how letters were read that the file does not explain"
    )
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))


class ImportRow(Table):
    """The verdict on one row of a batch; `row` is the sheet's own number."""

    __tablename__ = "import_row"
    __table_args__ = (
        one_of("outcome", ("accepted", "duplicate", "doubtful", "rejected")),
        {"sqlite_strict": True},
    )
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("import_batch.id"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"))
    errors: Mapped[list[Any]] = mapped_column(default=list)


class StagedList(Table):
    """A bag list on trial: its rows and their verdicts are there, its items are not. `columns` is how its headings are read."""

    __tablename__ = "staged_list"
    __table_args__ = (one_of("state", STAGES), {"sqlite_strict": True})
    id: Mapped[Key]
    office_id: Mapped[UUID | None] = mapped_column(ForeignKey("office.id"), index=True)
    staged_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    filename: Mapped[str]
    sha256: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    state: Mapped[str]
    assumed: Mapped[list[Any]] = mapped_column(default=list)
    headings: Mapped[dict[str, Any]] = mapped_column(default=dict, comment="as written, by position")
    columns: Mapped[dict[str, Any]] = mapped_column(default=dict, comment="key of ours by position")
    size: Mapped[int] = mapped_column(comment="rows")
    done: Mapped[int] = mapped_column(default=0, comment="rows looked at so far")
    accepted: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)
    doubtful: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("import_batch.id"))
    version: Mapped[int] = mapped_column(default=1)


class StagedRow(Table):
    """A row of a list on trial. Its cells are sealed: an ID number may stand in any of them."""

    __tablename__ = "staged_row"
    __table_args__ = (
        one_of("outcome", ("accepted", "duplicate", "doubtful", "rejected")),
        Index(None, "list_id", "outcome", "row"),
        {"sqlite_strict": True},
    )
    list_id: Mapped[UUID] = mapped_column(ForeignKey("staged_list.id"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    cells: Mapped[Sealed | None] = mapped_column(comment="gone when the row became an item")
    outcome: Mapped[str | None]
    item_id: Mapped[UUID | None] = mapped_column(comment="the item that it repeats")
    errors: Mapped[list[Any]] = mapped_column(default=list)


class KnownHeadings(Table):
    """How an office or an agency read these headings the last time."""

    __tablename__ = "known_headings"
    owner_id: Mapped[UUID] = mapped_column(primary_key=True, comment="an office or an agency")
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    columns: Mapped[dict[str, Any]] = mapped_column(comment="key of ours by folded heading")
    used_at: Mapped[datetime]
    said_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))


class Dossier(Table):
    """A dossier (hồ sơ) at an agency, and which of the four steps of its procedure it has reached."""

    __tablename__ = "dossier"
    __table_args__ = (
        UniqueConstraint("agency_id", "code_key"),
        one_of("step", STEPS),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    code: Mapped[str] = mapped_column(comment="as written by the agency")
    code_key: Mapped[str] = mapped_column(comment="normalised, unique within the agency")
    step: Mapped[str] = mapped_column(default="return")


class DossierStep(Table):
    """When a dossier reached a step, append-only."""

    __tablename__ = "dossier_step"
    __table_args__ = (one_of("step", STEPS), {"sqlite_strict": True})
    dossier_id: Mapped[UUID] = mapped_column(ForeignKey("dossier.id"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
