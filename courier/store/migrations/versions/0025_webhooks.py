"""Webhooks: where an agency's system hears of its items, and the notices on their way there."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Id, Instant, Json

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", Id(), nullable=False),
        sa.Column("agency_id", Id(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("types", Json(), nullable=False, comment="which notices it asks for; empty is all"),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("old_secret_until", Instant(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False, comment="failed tries in a row"),
        sa.Column("failing_since", Instant(), nullable=True),
        sa.Column("resting_until", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'disabled', 'removed')", name=op.f("ck_webhook_endpoint_state")),
        sa.CheckConstraint(
            "(state = 'disabled') = (disabled_reason IS NOT NULL)", name=op.f("ck_webhook_endpoint_why_disabled")
        ),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_webhook_endpoint_agency_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoint")),
        sqlite_strict=True,
    )
    op.create_index("ix_webhook_endpoint_agency_id", "webhook_endpoint", ["agency_id"])
    op.create_table(
        "webhook_notice",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", Id(), nullable=False),
        sa.Column("endpoint_id", Id(), nullable=False),
        sa.Column("item_id", Id(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="what is signed and sent, byte for byte"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("tried_at", Instant(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True, comment="HTTP status of the last answer"),
        sa.Column("fault", sa.Text(), nullable=True, comment="why there was no answer"),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", name=op.f("ck_webhook_notice_state")),
        sa.ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoint.id"], name=op.f("fk_webhook_notice_endpoint_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_webhook_notice_item_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_webhook_notice")),
        sa.UniqueConstraint("id", name=op.f("uq_webhook_notice_id")),
        sqlite_strict=True,
    )
    waiting = sa.text("state = 'pending'")
    op.create_index(
        "ix_webhook_notice_waiting",
        "webhook_notice",
        ["endpoint_id", "item_id", "position"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index(
        "ix_webhook_notice_due",
        "webhook_notice",
        ["endpoint_id", "due_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_webhook_notice_endpoint_id_position", "webhook_notice", ["endpoint_id", "position"])
