"""Who works when: what differs from the usual week of an office and its postmen; and indexes for what a period is asked for."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Day, Id

revision = "0016"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duty_change",
        sa.Column("id", Id(), nullable=False),
        sa.Column("office_id", Id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("postman_id", Id(), nullable=True),
        sa.Column("vehicle_id", Id(), nullable=True),
        sa.Column("first_day", Day(), nullable=False),
        sa.Column("last_day", Day(), nullable=True),
        sa.Column("weekdays", sa.Integer(), nullable=False),
        sa.Column("leave_kind", sa.Text(), nullable=True),
        sa.Column("shift_start", sa.Integer(), nullable=True),
        sa.Column("shift_end", sa.Integer(), nullable=True),
        sa.Column("break_start", sa.Integer(), nullable=True),
        sa.Column("break_seconds", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('leave', 'hours', 'vehicle', 'workshop', 'closed', 'open')", name=op.f("ck_duty_change_kind")
        ),
        sa.CheckConstraint(
            "leave_kind IN ('annual', 'sick', 'family', 'training', 'other')", name=op.f("ck_duty_change_leave_kind")
        ),
        sa.CheckConstraint(
            "(kind IN ('leave','hours','vehicle')) = (postman_id IS NOT NULL)", name=op.f("ck_duty_change_whose")
        ),
        sa.CheckConstraint(
            "(kind IN ('vehicle','workshop')) = (vehicle_id IS NOT NULL)", name=op.f("ck_duty_change_which_vehicle")
        ),
        sa.CheckConstraint("(kind = 'leave') = (leave_kind IS NOT NULL)", name=op.f("ck_duty_change_why_leave")),
        sa.CheckConstraint(
            "(kind = 'hours') = (shift_start IS NOT NULL) AND (kind = 'hours') = (shift_end IS NOT NULL)",
            name=op.f("ck_duty_change_hours"),
        ),
        sa.CheckConstraint(
            "0 <= shift_start AND shift_start < shift_end AND shift_end <= 86400", name=op.f("ck_duty_change_shift")
        ),
        sa.CheckConstraint("last_day IS NOT NULL OR weekdays > 0", name=op.f("ck_duty_change_open_end")),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_duty_change_span")),
        sa.CheckConstraint(
            "weekdays BETWEEN 0 AND 127 AND (weekdays = 0 OR kind = 'hours')", name=op.f("ck_duty_change_weekdays")
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_duty_change_office_id")),
        sa.ForeignKeyConstraint(["postman_id"], ["staff.id"], name=op.f("fk_duty_change_postman_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicle.id"], name=op.f("fk_duty_change_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_change")),
        sqlite_strict=True,
    )
    op.create_index("ix_duty_change_office_id_first_day", "duty_change", ["office_id", "first_day"])
    op.create_index("ix_event_office_id_occurred_at", "event", ["office_id", "occurred_at"])
    op.create_index(
        "ix_event_corrected",
        "event",
        ["office_id"],
        sqlite_where=sa.text("type = 'corrected'"),
        postgresql_where=sa.text("type = 'corrected'"),
    )
