"""What eight columns of the last releases hold, said in the database as in the classes."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_WORDS = {
    "item.gate_photo": "digest of the citizen''s picture of the gate",
    "item.collect_at": "the counter that the citizen chose to collect at",
    "one_time_code.phone_index": "keyed digest of the phone",
    "one_time_code.address_digest": "keyed digest of the network that asked",
    "one_time_code.digest": "keyed digest of the code",
    "one_time_code.wrong": "wrong guesses",
    "proven_visitor.proven_by": "digits or code",
    "vain_try.address_digest": "keyed digest of the network that tried",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for column, words in _WORDS.items():
            op.execute(f"COMMENT ON COLUMN {column} IS '{words}'")
