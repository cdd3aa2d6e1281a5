"""Whose paper it is: a child's may be received by its guardian, as the release rules say."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Said in SQL: SQLite adds a column with its check in place, where a rebuilt table would lose its triggers.
    op.execute(
        "ALTER TABLE item ADD COLUMN subject TEXT DEFAULT 'adult' NOT NULL"
        " CONSTRAINT ck_item_subject CHECK (subject IN ('adult', 'minor'))"
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("COMMENT ON COLUMN item.subject IS 'whose paper it is: the release rule asks'")
