"""Bag lists on trial: rows and verdicts before there are items, headings read as the last time, and imports taken back."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Id, Instant, Json

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    # In SQL: SQLite adds such columns in place, where a rebuilt table would be copied.
    key, json, moment = ("TEXT", "TEXT", "INTEGER") if on_sqlite else ("UUID", "JSONB", "TIMESTAMP WITH TIME ZONE")
    op.execute(f"ALTER TABLE import_batch ADD COLUMN assumed {json}")
    op.execute(f"ALTER TABLE import_batch ADD COLUMN undone_at {moment}")
    op.execute(
        f"ALTER TABLE import_batch ADD COLUMN undone_by {key} "
        "CONSTRAINT fk_import_batch_undone_by REFERENCES staff (id)"
    )
    if not on_sqlite:
        op.execute("COMMENT ON COLUMN import_batch.assumed IS 'how letters were read that the file does not explain'")
    op.create_table(
        "staged_list",
        sa.Column("id", Id(), nullable=False),
        sa.Column("office_id", Id(), nullable=True),
        sa.Column("staged_by", Id(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("assumed", Json(), nullable=False),
        sa.Column("headings", Json(), nullable=False, comment="as written, by position"),
        sa.Column("columns", Json(), nullable=False, comment="key of ours by position"),
        sa.Column("size", sa.Integer(), nullable=False, comment="rows"),
        sa.Column("done", sa.Integer(), nullable=False, comment="rows looked at so far"),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("doubtful", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("batch_id", Id(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('headings', 'checking', 'checked', 'committing', 'committed', 'failed')",
            name=op.f("ck_staged_list_state"),
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.id"], name=op.f("fk_staged_list_batch_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_staged_list_office_id")),
        sa.ForeignKeyConstraint(["staged_by"], ["staff.id"], name=op.f("fk_staged_list_staged_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staged_list")),
        sqlite_strict=True,
    )
    op.create_index("ix_staged_list_office_id", "staged_list", ["office_id"])
    op.create_index("ix_staged_list_at", "staged_list", ["at"])
    op.create_table(
        "staged_row",
        sa.Column("list_id", Id(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("cells", sa.LargeBinary(), nullable=True, comment="gone when the row became an item"),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("item_id", Id(), nullable=True, comment="the item that it repeats"),
        sa.Column("errors", Json(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'duplicate', 'doubtful', 'rejected')", name=op.f("ck_staged_row_outcome")
        ),
        sa.ForeignKeyConstraint(["list_id"], ["staged_list.id"], name=op.f("fk_staged_row_list_id")),
        sa.PrimaryKeyConstraint("list_id", "row", name=op.f("pk_staged_row")),
        sqlite_strict=True,
    )
    op.create_index("ix_staged_row_list_id_outcome_row", "staged_row", ["list_id", "outcome", "row"])
    op.create_table(
        "known_headings",
        sa.Column("owner_id", Id(), nullable=False, comment="an office or an agency"),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("columns", Json(), nullable=False, comment="key of ours by folded heading"),
        sa.Column("used_at", Instant(), nullable=False),
        sa.Column("said_by", Id(), nullable=False),
        sa.ForeignKeyConstraint(["said_by"], ["staff.id"], name=op.f("fk_known_headings_said_by")),
        sa.PrimaryKeyConstraint("owner_id", "fingerprint", name=op.f("pk_known_headings")),
        sqlite_strict=True,
    )
