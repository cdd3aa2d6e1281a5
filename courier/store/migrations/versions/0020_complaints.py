"""Complaints about items, with the day on which the law wants them answered."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Day, Id, Instant

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "complaint",
        sa.Column("id", Id(), nullable=False),
        sa.Column("office_id", Id(), nullable=False),
        sa.Column("item_id", Id(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False, comment="of the citizen"),
        sa.Column("filed_at", Instant(), nullable=False),
        sa.Column("filed_by", Id(), nullable=True, comment="who wrote it for a citizen at a desk"),
        sa.Column("due_on", Day(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column(
            "compensation_dong",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="what was decided; paid elsewhere",
        ),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.Column("answered_by", Id(), nullable=True),
        sa.Column("escalated_at", Instant(), nullable=True, comment="when the admin was told that it is overdue"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('late', 'lost', 'damaged', 'wrong_person', 'money', 'manner', 'other')",
            name=op.f("ck_complaint_kind"),
        ),
        sa.CheckConstraint("scope IN ('province', 'between')", name=op.f("ck_complaint_scope")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_complaint_number")),
        sa.CheckConstraint("compensation_dong BETWEEN 0 AND 1000000000000", name=op.f("ck_complaint_compensation")),
        sa.CheckConstraint("(answered_at IS NULL) = (answer IS NULL)", name=op.f("ck_complaint_answer_has_a_moment")),
        sa.CheckConstraint(
            "(answered_at IS NULL) = (answered_by IS NULL)", name=op.f("ck_complaint_answer_has_a_hand")
        ),
        sa.CheckConstraint(
            "compensation_dong IS NULL OR answered_at IS NOT NULL", name=op.f("ck_complaint_compensation_is_an_answer")
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_complaint_office_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_complaint_item_id")),
        sa.ForeignKeyConstraint(["filed_by"], ["staff.id"], name=op.f("fk_complaint_filed_by")),
        sa.ForeignKeyConstraint(["answered_by"], ["staff.id"], name=op.f("fk_complaint_answered_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint")),
        sa.UniqueConstraint("office_id", "year", "number", name=op.f("uq_complaint_office_id_year_number")),
        sqlite_strict=True,
    )
    op.create_index("ix_complaint_item_id", "complaint", ["item_id"])
    op.create_index("ix_complaint_answered_at_due_on", "complaint", ["answered_at", "due_on"])
