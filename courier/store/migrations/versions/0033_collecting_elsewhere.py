"""Papers go to another office where somebody collects them: two states and three events more."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

STATES = (
    "'announced', 'received', 'planned', 'out', 'attempted', 'held', 'awaiting_pickup', 'delivered', 'picked_up', "
    "'returning', 'returned', 'requested', 'fetched', 'at_office', 'lodged', 'cancelled'"
)
TYPES = (
    "'received', 'planned', 'unplanned', 'taken_out', 'handed_over', 'attempt_failed', 'brought_back', 'invited', "
    "'picked_up', 'given_back', 'agency_signed', 'set_out', 'fetched', 'brought_in', 'cancelled', 'lost', 'damaged', "
    "'recalled', 'found', 'passed_on', 'taken_over', 'rescheduled', 'redirected', 'authorised', 'instructed', 'corrected'"
)
WIDER = (
    ("item", "state", STATES, "'to_forward', 'forwarded'"),
    ("event", "type", TYPES, "'directed', 'sent_on', 'arrived'"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, column, words, more in WIDER:
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{column}")
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{column} CHECK ({column} IN ({words}, {more}))")
        return
    # As in 0031: a wider CHECK is a change of the table's text alone.
    op.execute("PRAGMA writable_schema = ON")
    for table, _, words, more in WIDER:
        op.execute(
            sa.text(
                "UPDATE sqlite_schema SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name = :name"
            ).bindparams(before=words, after=f"{words}, {more}", name=table)
        )
    op.execute("PRAGMA writable_schema = RESET")
