"""The house's own books: answers kept for repeats, jobs done, days off, who did what."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from courier.store.tables.base import Key, Table


class IdempotencyKey(Table):
    """The stored answer to a POST that carried an `Idempotency-Key`."""

    __tablename__ = "idempotency_key"
    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    status: Mapped[int | None] = mapped_column(comment="None while running")
    answer: Mapped[str | None]
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime]


class JobDone(Table):
    """A job whose effect is in the books. Written in the same transaction as the effect, so no job counts twice."""

    __tablename__ = "job_done"
    key: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class CalendarDay(Table):
    """A day that the office declares worked or off, over what the calendar says."""

    __tablename__ = "calendar_day"
    day: Mapped[date] = mapped_column(primary_key=True)
    works: Mapped[bool]
    reason: Mapped[str]


class AuditEntry(Table):
    """Who did what to which thing, append-only. Never holds personal data."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "thing"), {"sqlite_strict": True})
    id: Mapped[Key]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_role: Mapped[str]
    act: Mapped[str]
    thing: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
