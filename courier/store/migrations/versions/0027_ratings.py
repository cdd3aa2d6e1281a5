"""What citizens thought of a visit."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Day, Id, Instant

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rating",
        sa.Column("id", Id(), nullable=False),
        sa.Column("item_id", Id(), nullable=False),
        sa.Column("event_id", Id(), nullable=False, comment="the visit"),
        sa.Column("office_id", Id(), nullable=False),
        sa.Column("visited_on", Day(), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("rated_at", Instant(), nullable=False, comment="the first time; it can be changed for a while"),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", name=op.f("ck_rating_stars")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_rating_item_id")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_rating_event_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_rating_office_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rating")),
        sa.UniqueConstraint("event_id", "item_id", name=op.f("uq_rating_event_id_item_id")),
        sqlite_strict=True,
    )
    op.create_index("ix_rating_item_id", "rating", ["item_id"])
    op.create_index("ix_rating_office_id_visited_on", "rating", ["office_id", "visited_on"])
