"""Paying before the visit: what citizens were shown to transfer, what the bank's statement says, what is no longer taken at a door."""

import sqlalchemy as sa
from alembic import op

from courier.store.columns import Day, Id, Instant, Json

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

AMOUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # In SQL: SQLite adds such a column in place, where a rebuilt table would be copied.
    whole = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE charge ADD COLUMN prepaid_dong {whole} DEFAULT 0 NOT NULL "
        "CONSTRAINT ck_charge_prepaid CHECK (0 <= prepaid_dong AND prepaid_dong <= amount_dong)"
    )
    if whole == "BIGINT":
        op.execute(
            "COMMENT ON COLUMN charge.prepaid_dong IS "
            "'of it, what the bank confirmed before the visit: not to be taken at the door'"
        )
    op.create_table(
        "payment_order",
        sa.Column("id", Id(), nullable=False),
        sa.Column("item_id", Id(), nullable=False),
        sa.Column("office_id", Id(), nullable=False),
        sa.Column("payee", sa.Text(), nullable=False),
        sa.Column("amount_dong", AMOUNT, nullable=False),
        sa.Column("lines", Json(), nullable=False, comment="[{charge, amount_dong}] as they were owed"),
        sa.Column("code", sa.Text(), nullable=False, comment="by which a line of the bank's is known"),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.CheckConstraint("amount_dong > 0", name=op.f("ck_payment_order_amount")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_payment_order_item_id")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_payment_order_office_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_order")),
        sa.UniqueConstraint("code", name=op.f("uq_payment_order_code")),
        sqlite_strict=True,
    )
    op.create_index("ix_payment_order_item_id", "payment_order", ["item_id"])
    op.create_table(
        "bank_notice",
        sa.Column("id", Id(), nullable=False),
        sa.Column("office_id", Id(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="the bank's own number of the transfer"),
        sa.Column("amount_dong", AMOUNT, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("booked_on", Day(), nullable=False),
        sa.Column("noted_at", Instant(), nullable=False),
        sa.Column("noted_by", Id(), nullable=False),
        sa.Column("order_id", Id(), nullable=True),
        sa.Column("item_id", Id(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("tx_id", Id(), nullable=False),
        sa.Column("incident_id", Id(), nullable=True),
        sa.Column("refunded_at", Instant(), nullable=True),
        sa.Column("refund_tx_id", Id(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('paid', 'over', 'under', 'duplicate', 'late', 'unknown')", name=op.f("ck_bank_notice_outcome")
        ),
        sa.CheckConstraint("0 < amount_dong AND amount_dong <= 1000000000000", name=op.f("ck_bank_notice_amount")),
        sa.CheckConstraint("(outcome = 'unknown') = (order_id IS NULL)", name=op.f("ck_bank_notice_order_of_outcome")),
        sa.CheckConstraint("(refunded_at IS NULL) = (refund_tx_id IS NULL)", name=op.f("ck_bank_notice_refund")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_bank_notice_office_id")),
        sa.ForeignKeyConstraint(["noted_by"], ["staff.id"], name=op.f("fk_bank_notice_noted_by")),
        sa.ForeignKeyConstraint(["order_id"], ["payment_order.id"], name=op.f("fk_bank_notice_order_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_bank_notice_item_id")),
        sa.ForeignKeyConstraint(["tx_id"], ["ledger_tx.id"], name=op.f("fk_bank_notice_tx_id")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_bank_notice_incident_id")),
        sa.ForeignKeyConstraint(["refund_tx_id"], ["ledger_tx.id"], name=op.f("fk_bank_notice_refund_tx_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_notice")),
        sa.UniqueConstraint("reference", name=op.f("uq_bank_notice_reference")),
        sqlite_strict=True,
    )
    op.create_index("ix_bank_notice_item_id", "bank_notice", ["item_id"])
    op.create_index("ix_bank_notice_office_id_noted_at", "bank_notice", ["office_id", "noted_at"])
    op.create_index(
        "uq_bank_notice_paid",
        "bank_notice",
        ["order_id"],
        unique=True,
        sqlite_where=sa.text("outcome = 'paid' AND refunded_at IS NULL"),
        postgresql_where=sa.text("outcome = 'paid' AND refunded_at IS NULL"),
    )
