"""One-time codes for citizens, and what was tried in vain without an account."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Id, Instant

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE proven_visitor ADD COLUMN proven_by TEXT DEFAULT 'digits' NOT NULL")
    op.create_table(
        "one_time_code",
        sa.Column("id", Id(), nullable=False),
        sa.Column("item_id", Id(), nullable=False),
        sa.Column("phone_index", sa.Text(), nullable=False),
        sa.Column("address_digest", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("used_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_one_time_code_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_code")),
        sqlite_strict=True,
    )
    for column in ("item_id", "phone_index", "address_digest"):
        op.create_index(op.f(f"ix_one_time_code_{column}_asked_at"), "one_time_code", [column, "asked_at"])
    op.create_table(
        "vain_try",
        sa.Column("id", Id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address_digest", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.CheckConstraint("kind IN ('unknown_code', 'unknown_link', 'wrong_digits')", name=op.f("ck_vain_try_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vain_try")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_vain_try_kind_address_digest_at"), "vain_try", ["kind", "address_digest", "at"])
