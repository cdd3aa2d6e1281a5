"""What postmen heard at doors, and what the office answered."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Id, Instant, Json

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

BEFORE = "'noted', 'pinned', 'reordered', 'broke_down'"
AFTER = f"{BEFORE}, 'wished'"


def upgrade() -> None:
    _let_phones_tell()
    op.create_table(
        "spoken_wish",
        sa.Column("id", Id(), nullable=False),
        sa.Column("event_id", Id(), nullable=True, comment="the act of a phone; none for what was told by form"),
        sa.Column("item_id", Id(), nullable=False),
        sa.Column("heard_by", Id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("told_at", Instant(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True, comment="why it was not granted"),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.Column("answer", Json(), nullable=False, comment="the window that was given, or those that were free"),
        sa.Column("request_id", Id(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('reschedule', 'pick_up', 'authorise', 'instruct')", name=op.f("ck_spoken_wish_kind")
        ),
        sa.CheckConstraint(
            "outcome IN ('waiting', 'granted', 'refused', 'overtaken')", name=op.f("ck_spoken_wish_outcome")
        ),
        sa.CheckConstraint("(outcome = 'waiting') = (answered_at IS NULL)", name=op.f("ck_spoken_wish_answered")),
        sa.ForeignKeyConstraint(["event_id"], ["shift_event.id"], name=op.f("fk_spoken_wish_event_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_spoken_wish_item_id")),
        sa.ForeignKeyConstraint(["heard_by"], ["staff.id"], name=op.f("fk_spoken_wish_heard_by")),
        sa.ForeignKeyConstraint(["request_id"], ["change_request.id"], name=op.f("fk_spoken_wish_request_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spoken_wish")),
        sa.UniqueConstraint("event_id", "item_id", name=op.f("uq_spoken_wish_event_id_item_id")),
        sqlite_strict=True,
    )
    op.create_index("ix_spoken_wish_item_id_heard_at", "spoken_wish", ["item_id", "heard_at"])
    op.create_index("ix_spoken_wish_heard_by_heard_at", "spoken_wish", ["heard_by", "heard_at"])


def _let_phones_tell() -> None:
    """Phones tell one thing more."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE shift_event DROP CONSTRAINT ck_shift_event_type")
        op.execute(f"ALTER TABLE shift_event ADD CONSTRAINT ck_shift_event_type CHECK (type IN ({AFTER}))")
        return
    # SQLite takes a wider CHECK only in the text of the table (https://sqlite.org/lang_altertable.html, section 7): no row
    # changes, and the triggers that keep the book append-only stay where they are.
    op.execute("PRAGMA writable_schema = ON")
    op.execute(
        sa.text(
            "UPDATE sqlite_schema SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name = 'shift_event'"
        ).bindparams(before=BEFORE, after=AFTER)
    )
    op.execute("PRAGMA writable_schema = RESET")
