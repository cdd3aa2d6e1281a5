"""Vehicles are edited by people, so they have a version."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In SQL: SQLite adds such a column in place, where a rebuilt table would be copied.
    op.execute("ALTER TABLE vehicle ADD COLUMN version INTEGER DEFAULT 1 NOT NULL")
