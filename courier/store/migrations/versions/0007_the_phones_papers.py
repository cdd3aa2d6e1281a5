"""What phones need: enrolment, sessions bound to a phone, what is told of a shift, photos, and digests to match against."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Day, Flag, Id, Instant, Json

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

APPEND_ONLY = ("shift_event", "shift_event_item")


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    # In SQL: SQLite adds such columns in place, where a rebuilt table would be copied.
    key = "TEXT" if on_sqlite else "UUID"
    op.execute(
        f"ALTER TABLE access_token ADD COLUMN device_id {key} CONSTRAINT fk_access_token_device_id REFERENCES device (id)"
    )
    op.execute("ALTER TABLE device ADD COLUMN number INTEGER")
    op.execute("ALTER TABLE device ADD COLUMN name TEXT")
    op.execute(f"ALTER TABLE device ADD COLUMN enrolled_at {'INTEGER' if on_sqlite else 'TIMESTAMP WITH TIME ZONE'}")
    if not on_sqlite:
        op.execute("COMMENT ON COLUMN access_token.device_id IS 'the phone it was bound to'")
    op.create_index("uq_device_number", "device", ["number"], unique=True)
    op.create_table(
        "shift_event",
        sa.Column("id", Id(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("actor_id", Id(), nullable=False),
        sa.Column("office_id", Id(), nullable=False),
        sa.Column("device_id", Id(), nullable=False),
        sa.Column("device_seq", sa.Integer(), nullable=False),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("claimed_at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("clock_trusted", Flag(), nullable=False),
        sa.Column("position", Json(), nullable=True),
        sa.Column("data", Json(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.CheckConstraint("type IN ('noted', 'pinned', 'reordered', 'broke_down')", name=op.f("ck_shift_event_type")),
        sa.ForeignKeyConstraint(["actor_id"], ["staff.id"], name=op.f("fk_shift_event_actor_id")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_shift_event_device_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_shift_event_office_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift_event")),
        sa.UniqueConstraint("device_id", "device_seq", name=op.f("uq_shift_event_device_id_device_seq")),
        sqlite_strict=True,
    )
    op.create_table(
        "shift_event_item",
        sa.Column("event_id", Id(), nullable=False),
        sa.Column("item_id", Id(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["shift_event.id"], name=op.f("fk_shift_event_item_event_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_shift_event_item_item_id")),
        sa.PrimaryKeyConstraint("event_id", "item_id", name=op.f("pk_shift_event_item")),
        sqlite_strict=True,
    )
    op.create_index("ix_shift_event_item_item_id_event_id", "shift_event_item", ["item_id", "event_id"])
    op.create_table(
        "media",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("staff_id", Id(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False, comment="bytes of the envelope"),
        sa.Column("received_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_media_staff_id")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_media")),
        sqlite_strict=True,
    )
    op.create_table(
        "cited_media",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("event_id", Id(), nullable=False),
        sa.Column("office_id", Id(), nullable=False),
        sa.Column("cited_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_cited_media_event_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_cited_media_office_id")),
        sa.PrimaryKeyConstraint("sha256", "event_id", name=op.f("pk_cited_media")),
        sqlite_strict=True,
    )
    op.create_index("ix_cited_media_office_id_cited_at", "cited_media", ["office_id", "cited_at"])
    op.create_table(
        "item_digest",
        sa.Column("item_id", Id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", Day(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('id_number', 'recipient_code')", name=op.f("ck_item_digest_kind")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_item_digest_item_id")),
        sa.PrimaryKeyConstraint("item_id", "kind", "day", name=op.f("pk_item_digest")),
        sqlite_strict=True,
    )
    for table in APPEND_ONLY:
        if on_sqlite:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        else:
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
            )
