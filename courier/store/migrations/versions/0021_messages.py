"""Messages to citizens: the outbox, what was spent on a day, receipts that were taken in, phones that want none."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Day, Flag, Id, Instant, Json

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    amount = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "message",
        sa.Column("id", Id(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("item_id", Id(), nullable=True),
        sa.Column("office_id", Id(), nullable=True),
        sa.Column("to_index", sa.Text(), nullable=False, comment="keyed digest of the phone"),
        sa.Column("to_masked", sa.Text(), nullable=False),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=True, comment="phone, language and words; gone when nothing needs them"
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True, comment="what carries it or carried it last"),
        sa.Column("tried", Json(), nullable=False, comment="channels that came to nothing, with the code"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("not_before", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="calls to the channel in hand"),
        sa.Column("reserved", sa.Text(), nullable=True, comment="channel and day whose budget it was counted in"),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("cost_dong", amount, nullable=False, comment="estimated, of all channels"),
        sa.Column("dry_run", Flag(), nullable=False, comment="nobody was told: the channel is not connected"),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True, comment="why it is where it is"),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('arriving_today', 'missed', 'ready_to_collect', 'delivered', 'returned', 'one_time_code')",
            name=op.f("ck_message_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'sent', 'delivered', 'dead', 'expired', 'superseded', 'suppressed')",
            name=op.f("ck_message_state"),
        ),
        sa.CheckConstraint("channel IN ('zns', 'sms', 'email', 'webhook')", name=op.f("ck_message_channel")),
        sa.CheckConstraint("attempts >= 0 AND segments >= 0 AND cost_dong >= 0", name=op.f("ck_message_counts")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_message_item_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_message_office_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_message_dedupe_key")),
        sqlite_strict=True,
    )
    op.create_index("ix_message_item_id", "message", ["item_id"])
    op.create_index("ix_message_office_id_created_at", "message", ["office_id", "created_at"])
    op.create_index("ix_message_to_index", "message", ["to_index"])
    op.create_table(
        "message_budget",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("day", Day(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("dong", amount, nullable=False),
        sa.Column("stopped_at", Instant(), nullable=True, comment="when the first message was kept back"),
        sa.PrimaryKeyConstraint("channel", "day", name=op.f("pk_message_budget")),
        sqlite_strict=True,
    )
    op.create_table(
        "message_receipt",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "digest", name=op.f("pk_message_receipt")),
        sqlite_strict=True,
    )
    op.create_table(
        "message_opt_out",
        sa.Column("to_index", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.CheckConstraint("said_by IN ('reply', 'page')", name=op.f("ck_message_opt_out_said_by")),
        sa.PrimaryKeyConstraint("to_index", name=op.f("pk_message_opt_out")),
        sqlite_strict=True,
    )
