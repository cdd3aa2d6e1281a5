"""Messages to citizens, what they may cost, and who wants none."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from courier.domain import notices
from courier.store.tables.base import Amount, Key, Sealed, Table, one_of


class Message(Table):
    """A message (tin báo) on its way to a person's phone. Number and words are sealed with the row's id."""

    __tablename__ = "message"
    __table_args__ = (
        one_of("kind", list(notices.Kind)),
        one_of("state", list(notices.State)),
        one_of("channel", list(notices.Channel)),
        CheckConstraint("attempts >= 0 AND segments >= 0 AND cost_dong >= 0", name="counts"),
        Index(None, "item_id"),
        Index(None, "office_id", "created_at"),
        Index(None, "to_index"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"))
    office_id: Mapped[UUID | None] = mapped_column(ForeignKey("office.id"))
    to_index: Mapped[str] = mapped_column(comment="keyed digest of the phone")
    to_masked: Mapped[str]
    sealed: Mapped[Sealed | None] = mapped_column(comment="phone, language and words; gone when nothing needs them")
    state: Mapped[str]
    channel: Mapped[str | None] = mapped_column(comment="what carries it or carried it last")
    tried: Mapped[list[Any]] = mapped_column(default=list, comment="channels that came to nothing, with the code")
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0, comment="calls to the channel in hand")
    reserved: Mapped[str | None] = mapped_column(comment="channel and day whose budget it was counted in")
    segments: Mapped[int] = mapped_column(default=0)
    cost_dong: Mapped[Amount] = mapped_column(default=0, comment="estimated, of all channels")
    dry_run: Mapped[bool] = mapped_column(default=False, comment="nobody was told: the channel is not connected")
    provider_id: Mapped[str | None]
    code: Mapped[str | None] = mapped_column(comment="why it is where it is")
    sent_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]


class MessageBudget(Table):
    """What a channel was used for on a day, counted before it is used."""

    __tablename__ = "message_budget"
    channel: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    messages: Mapped[int] = mapped_column(default=0)
    dong: Mapped[Amount] = mapped_column(default=0)
    stopped_at: Mapped[datetime | None] = mapped_column(comment="when the first message was kept back")


class MessageReceipt(Table):
    """A provider's delivery receipt that was taken in: the same one again is a replay."""

    __tablename__ = "message_receipt"
    channel: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class MessageOptOut(Table):
    """A phone that wants no messages, by keyed digest."""

    __tablename__ = "message_opt_out"
    __table_args__ = (one_of("said_by", notices.OPTED_OUT_BY), {"sqlite_strict": True})
    to_index: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    said_by: Mapped[str]
