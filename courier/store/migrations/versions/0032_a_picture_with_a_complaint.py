"""A picture may come with a complaint."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE complaint ADD COLUMN photo TEXT")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "COMMENT ON COLUMN complaint.photo IS 'the digest of a picture that came with it, drawn anew and sealed'"
        )
