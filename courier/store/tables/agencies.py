"""Agencies' own systems: how they sign in and what they are told."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from courier.store.tables.base import Amount, Key, Sealed, Table, one_of

ENDPOINT_STATES = ("active", "disabled", "removed")
NOTICE_STATES = ("pending", "delivered", "dead")


class AgencyClient(Table):
    """A program of an agency that signs in with a secret: a row of `staff` that no password opens, and what it may do."""

    __tablename__ = "agency_client"
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    scopes: Mapped[list[Any]]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class AgencyClientSecret(Table):
    """A secret of a client, by its digest; while it is rotated two hold."""

    __tablename__ = "agency_client_secret"
    id: Mapped[Key]
    client_id: Mapped[UUID] = mapped_column(ForeignKey("agency_client.staff_id"), index=True)
    secret_hash: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class WebhookEndpoint(Table):
    """Where an agency's system hears what became of its items. The secrets are sealed with the row's id."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        one_of("state", ENDPOINT_STATES),
        CheckConstraint("(state = 'disabled') = (disabled_reason IS NOT NULL)", name="why_disabled"),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"), index=True)
    url: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    types: Mapped[list[Any]] = mapped_column(default=list, comment="which notices it asks for; empty is all")
    secret_sealed: Mapped[Sealed]
    old_secret_sealed: Mapped[Sealed | None]
    old_secret_until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(default="active")
    disabled_reason: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0, comment="failed tries in a row")
    failing_since: Mapped[datetime | None]
    resting_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class WebhookNotice(Table):
    """A notice on its way to an endpoint, written with the fact that it tells. `position` is the order of the facts of an item."""

    __tablename__ = "webhook_notice"
    __table_args__ = (
        one_of("state", NOTICE_STATES),
        Index(
            "ix_webhook_notice_waiting",
            "endpoint_id",
            "item_id",
            "position",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_webhook_notice_due",
            "endpoint_id",
            "due_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(None, "endpoint_id", "position"),
        {"sqlite_strict": True},
    )
    position: Mapped[Amount] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoint.id"))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"))
    type: Mapped[str]
    body: Mapped[str] = mapped_column(comment="what is signed and sent, byte for byte")
    created_at: Mapped[datetime]
    state: Mapped[str]
    tries: Mapped[int]
    due_at: Mapped[datetime]
    tried_at: Mapped[datetime | None]
    status: Mapped[int | None] = mapped_column(comment="HTTP status of the last answer")
    fault: Mapped[str | None] = mapped_column(comment="why there was no answer")
    settled_at: Mapped[datetime | None]
