"""Rules that give way for one plan: a longer shift, more in the bag or the pocket, a wider window."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Id, Instant

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plan_relief",
        sa.Column("id", Id(), nullable=False),
        sa.Column("plan_id", Id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("postman_id", Id(), nullable=True),
        sa.Column("item_id", Id(), nullable=True),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("staff_id", Id(), nullable=False, comment="who gave it"),
        sa.Column("at", Instant(), nullable=False),
        sa.CheckConstraint("kind IN ('shift', 'window', 'capacity', 'cash_limit')", name=op.f("ck_plan_relief_kind")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_plan_relief_amount_positive")),
        sa.CheckConstraint("(kind = 'window') = (item_id IS NOT NULL)", name=op.f("ck_plan_relief_window_of_item")),
        sa.CheckConstraint("(kind = 'window') = (postman_id IS NULL)", name=op.f("ck_plan_relief_limit_of_postman")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_plan_relief_item_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_relief_plan_id")),
        sa.ForeignKeyConstraint(["postman_id"], ["staff.id"], name=op.f("fk_plan_relief_postman_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_plan_relief_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_relief")),
        sqlite_strict=True,
    )
    op.create_index("ix_plan_relief_plan_id", "plan_relief", ["plan_id"])
