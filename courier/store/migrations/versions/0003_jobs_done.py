"""Jobs done: which jobs have left their mark in the books."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_done",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_job_done")),
        sqlite_strict=True,
    )
