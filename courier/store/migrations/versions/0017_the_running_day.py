"""The running day: what a phone still had to send, and who has taken an incident."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    # In SQL: SQLite adds such columns in place, where a rebuilt table would be copied.
    key = "TEXT" if on_sqlite else "UUID"
    op.execute("ALTER TABLE device ADD COLUMN waiting_acts INTEGER")
    op.execute(
        f"ALTER TABLE incident ADD COLUMN assigned_to {key} CONSTRAINT fk_incident_assigned_to REFERENCES staff (id)"
    )
    if not on_sqlite:
        op.execute("COMMENT ON COLUMN device.waiting_acts IS 'what it still had to send when it last sent anything'")
        op.execute("COMMENT ON COLUMN incident.assigned_to IS 'who of the owners has taken it'")
