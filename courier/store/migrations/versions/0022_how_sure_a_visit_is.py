"""A stop says what of the time since the one before is waiting and rest; an office keeps what its rounds have taught."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_COMMENTS = {
    "stop.waits_seconds": "planned waiting for the window to open",
    "stop.rests_seconds": "planned rest since the stop before",
    "office.rounds_learned": "how far its rounds depart from their plans, and the day it was learned",
}


def upgrade() -> None:
    # In SQL: SQLite adds such a column in place, where a rebuilt table would be copied.
    for name in ("waits_seconds", "rests_seconds"):
        op.execute(f"ALTER TABLE stop ADD COLUMN {name} INTEGER DEFAULT 0 NOT NULL")
    on_postgres = op.get_bind().dialect.name == "postgresql"
    document = "JSONB" if on_postgres else "TEXT"
    op.execute(f"ALTER TABLE office ADD COLUMN rounds_learned {document} DEFAULT '{{}}' NOT NULL")
    if on_postgres:
        for column, words in _COMMENTS.items():
            op.execute(f"COMMENT ON COLUMN {column} IS '{words}'")
