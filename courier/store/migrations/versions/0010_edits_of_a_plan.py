"""Edits of a plan by hand, to be undone and to be told; and the time that a stop's lock keeps."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Id, Instant, Json

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(f"ALTER TABLE stop ADD COLUMN kept_at {'INTEGER' if on_sqlite else 'TIMESTAMP WITH TIME ZONE'}")
    if not on_sqlite:
        op.execute("COMMENT ON COLUMN stop.kept_at IS 'the time that keep_time keeps'")
    op.create_table(
        "plan_edit",
        sa.Column("plan_id", Id(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the plan, after it"),
        sa.Column("staff_id", Id(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Integer(), nullable=True, comment="version of the edit that was undone or done again"),
        sa.Column("data", Json(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('move', 'unplan', 'exchange', 'split', 'lock', 'undo', 'redo')", name=op.f("ck_plan_edit_kind")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_edit_plan_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_plan_edit_staff_id")),
        sa.PrimaryKeyConstraint("plan_id", "version", name=op.f("pk_plan_edit")),
        sqlite_strict=True,
    )
