"""Agencies' programs: what each may do, its secrets by digest, and what a token of theirs opens."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Id, Instant, Json

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "agency_client",
        sa.Column("staff_id", Id(), nullable=False),
        sa.Column("scopes", Json(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("last_used_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_agency_client_staff_id")),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_agency_client")),
        sqlite_strict=True,
    )
    op.create_table(
        "agency_client_secret",
        sa.Column("id", Id(), nullable=False),
        sa.Column("client_id", Id(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["agency_client.staff_id"], name=op.f("fk_agency_client_secret_client_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agency_client_secret")),
        sqlite_strict=True,
    )
    op.create_index("ix_agency_client_secret_client_id", "agency_client_secret", ["client_id"])
    # In SQL: SQLite adds such a column in place, where a rebuilt table would be copied.
    op.execute(f"ALTER TABLE access_token ADD COLUMN scopes {'TEXT' if on_sqlite else 'JSONB'}")
    if not on_sqlite:
        op.execute("COMMENT ON COLUMN access_token.scopes IS 'what an agency''s client may do; None for people'")
