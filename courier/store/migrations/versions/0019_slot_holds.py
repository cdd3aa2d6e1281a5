"""Windows held for a citizen who is choosing, and the turn in which places of a day are taken."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Day, Id, Instant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "slot_hold",
        sa.Column("item_id", Id(), nullable=False),
        sa.Column("office_id", Id(), nullable=False),
        sa.Column("day", Day(), nullable=False),
        sa.Column("from_seconds", sa.Integer(), nullable=False, comment="seconds from local midnight"),
        sa.Column("to_seconds", sa.Integer(), nullable=False),
        sa.Column("held_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.CheckConstraint("from_seconds < to_seconds", name=op.f("ck_slot_hold_window")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_slot_hold_item_id_item")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_slot_hold_office_id_office")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_slot_hold")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_slot_hold_office_id_day"), "slot_hold", ["office_id", "day"])
    op.create_table(
        "places_taken",
        sa.Column("office_id", Id(), nullable=False),
        sa.Column("day", Day(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_places_taken_office_id_office")),
        sa.PrimaryKeyConstraint("office_id", "day", name=op.f("pk_places_taken")),
        sqlite_strict=True,
    )
