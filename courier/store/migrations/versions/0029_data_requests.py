"""Requests about stored data; and the one change that a book of events takes: the words of a person who was forgotten."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Day, Id, Instant

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# What of an event never changes.
KEPT = {
    "event": (
        "id", "type", "actor_id", "actor_role", "office_id", "device_id", "device_seq", "occurred_at", "claimed_at",
        "received_at", "clock_trusted", "payload_hash", "result", "code",
    ),
    "shift_event": (
        "id", "type", "actor_id", "office_id", "device_id", "device_seq", "occurred_at", "claimed_at", "received_at",
        "clock_trusted", "payload_hash",
    ),
}  # fmt: skip

POSTGRESQL = """
    CREATE FUNCTION words_only() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE forgotten boolean;
    BEGIN
      EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I i JOIN erasure e ON e.item_id = i.item_id WHERE i.event_id = $1)',
                     TG_TABLE_NAME || '_item') INTO forgotten USING OLD.id;
      IF NOT forgotten
         OR to_jsonb(NEW) - 'data' - 'position' IS DISTINCT FROM to_jsonb(OLD) - 'data' - 'position' THEN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'check_violation';
      END IF;
      RETURN NEW;
    END $$
"""


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(f"ALTER TABLE item ADD COLUMN restricted_at {'INTEGER' if on_sqlite else 'TIMESTAMP WITH TIME ZONE'}")
    if not on_sqlite:
        op.execute(
            "COMMENT ON COLUMN item.restricted_at IS "
            "'since when its recipient wants it neither searched for nor messaged about'"
        )
    op.create_table(
        "data_request",
        sa.Column("id", Id(), nullable=False),
        sa.Column("item_id", Id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("due_on", Day(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("decided_by", Id(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("escalated_at", Instant(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('erase', 'restrict', 'object')", name=op.f("ck_data_request_kind")),
        sa.CheckConstraint("state IN ('open', 'granted', 'refused', 'done')", name=op.f("ck_data_request_state")),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_data_request_decided")),
        sa.CheckConstraint("(decided_at IS NULL) = (decision IS NULL)", name=op.f("ck_data_request_reason")),
        sa.CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name=op.f("ck_data_request_done")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_data_request_item_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["staff.id"], name=op.f("fk_data_request_decided_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_request")),
        sqlite_strict=True,
    )
    op.create_index("ix_data_request_item_id", "data_request", ["item_id"])
    op.create_index("ix_data_request_state_due_on", "data_request", ["state", "due_on"])
    op.create_table(
        "erasure",
        sa.Column("item_id", Id(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.CheckConstraint("why IN ('request', 'retention')", name=op.f("ck_erasure_why")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_erasure_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_erasure")),
        sqlite_strict=True,
    )
    if on_sqlite:
        _on_sqlite()
    else:
        _on_postgresql()


def _on_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER erasure_no_{verb.lower()} BEFORE {verb} ON erasure "
            "BEGIN SELECT RAISE(ABORT, 'erasure is append-only'); END"
        )
    for table, columns in KEPT.items():
        same = " AND ".join(f"NEW.{column} IS OLD.{column}" for column in columns)
        op.execute(f"DROP TRIGGER {table}_no_update")
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "  # noqa: S608 (our own names)
            f"WHEN NOT ({same}) OR NOT EXISTS (SELECT 1 FROM {table}_item i JOIN erasure e ON e.item_id = i.item_id "
            f"WHERE i.event_id = OLD.id) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def _on_postgresql() -> None:
    op.execute(
        "CREATE TRIGGER erasure_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON erasure "
        "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )
    op.execute(POSTGRESQL)
    for table in KEPT:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_words_only BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION words_only()"
        )
