"""The picture of the gate, and the counter where a citizen wants to collect."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In SQL: SQLite adds such a column in place, where a rebuilt table would be copied.
    native = "UUID" if op.get_bind().dialect.name == "postgresql" else "TEXT"
    op.execute("ALTER TABLE item ADD COLUMN gate_photo TEXT")
    op.execute(f"ALTER TABLE item ADD COLUMN collect_at {native}")
