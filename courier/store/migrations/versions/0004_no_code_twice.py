"""No one-time code works twice: remember the step of the last one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("staff") as batch:
        batch.add_column(
            sa.Column(
                "totp_last_step", sa.Integer(), nullable=True, comment="the step of the last code: none works twice"
            )
        )
        if op.get_bind().dialect.name == "postgresql":
            batch.alter_column("totp_secret", comment="sealed with the row's id", existing_nullable=True)
