"""The ledger, the cash that postmen hand in, and what citizens pay before the visit."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from courier.domain.money import MOST_DONG, Outcome
from courier.store.tables.base import Amount, Key, Table, one_of


class LedgerEntry(Table):
    """One line of a posting. Written before its transaction, which seals it: no line can be added, changed or removed later."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount_dong <> 0", name="not_zero"),
        CheckConstraint(f"amount_dong BETWEEN -{MOST_DONG} AND {MOST_DONG}", name="amount"),
        CheckConstraint("line >= 1", name="line"),
        Index(None, "account"),
        Index(None, "charge_id"),
        {"sqlite_strict": True},
    )
    tx_id: Mapped[UUID] = mapped_column(
        ForeignKey("ledger_tx.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    line: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str]
    amount_dong: Mapped[Amount]
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charge.id"))


class LedgerTx(Table):
    """A sealed, balanced posting; `key` makes a replay harmless, `reverses` may be used once."""

    __tablename__ = "ledger_tx"
    __table_args__ = (CheckConstraint("lines >= 2", name="lines"), {"sqlite_strict": True})
    id: Mapped[Key]
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    day: Mapped[date]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    event_id: Mapped[UUID | None] = mapped_column(ForeignKey("event.id"), index=True)
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"), index=True)
    reverses: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_tx.id"), unique=True)
    lines: Mapped[int]
    posted_at: Mapped[datetime]
    posted_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))


class Remittance(Table):
    """A postman's evening (nộp tiền): what was expected, what was counted, who owns the difference. It closes his day."""

    __tablename__ = "remittance"
    __table_args__ = (
        UniqueConstraint("postman_id", "day"),
        CheckConstraint("counted_dong >= 0 AND expected_dong >= 0", name="amounts"),
        CheckConstraint(
            "counted_dong = expected_dong OR (difference_reason IS NOT NULL AND difference_reason <> '')",
            name="difference_has_an_owner",
        ),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    postman_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    day: Mapped[date]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"), index=True)
    expected_dong: Mapped[Amount]
    counted_dong: Mapped[Amount]
    counted: Mapped[dict[str, Any]]
    difference_reason: Mapped[str | None]
    tx_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_tx.id"))
    closed_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    closed_at: Mapped[datetime]


class PaymentOrder(Table):
    """What a citizen was shown to pay before the visit (lệnh trả trước), for one payee: a code on a screen is no payment."""

    __tablename__ = "payment_order"
    __table_args__ = (CheckConstraint("amount_dong > 0", name="amount"), {"sqlite_strict": True})
    id: Mapped[Key]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), index=True)
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    payee: Mapped[str]
    amount_dong: Mapped[Amount]
    lines: Mapped[list[Any]] = mapped_column(comment="[{charge, amount_dong}] as they were owed")
    code: Mapped[str] = mapped_column(unique=True, comment="by which a line of the bank's is known")
    asked_at: Mapped[datetime]


class BankNotice(Table):
    """A transfer as it stands on the bank's statement, and what it settled. What it does not settle waits in suspense."""

    __tablename__ = "bank_notice"
    __table_args__ = (
        one_of("outcome", list(Outcome)),
        CheckConstraint(f"0 < amount_dong AND amount_dong <= {MOST_DONG}", name="amount"),
        CheckConstraint("(outcome = 'unknown') = (order_id IS NULL)", name="order_of_outcome"),
        CheckConstraint("(refunded_at IS NULL) = (refund_tx_id IS NULL)", name="refund"),
        Index(None, "office_id", "noted_at"),
        Index(
            "uq_bank_notice_paid",
            "order_id",
            unique=True,
            sqlite_where=text("outcome = 'paid' AND refunded_at IS NULL"),
            postgresql_where=text("outcome = 'paid' AND refunded_at IS NULL"),
        ),
        {"sqlite_strict": True},
    )
    id: Mapped[Key]
    office_id: Mapped[UUID] = mapped_column(ForeignKey("office.id"))
    reference: Mapped[str] = mapped_column(unique=True, comment="the bank's own number of the transfer")
    amount_dong: Mapped[Amount]
    purpose: Mapped[str]
    booked_on: Mapped[date]
    noted_at: Mapped[datetime]
    noted_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_order.id"))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("item.id"), index=True)
    outcome: Mapped[str]
    tx_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_tx.id"))
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incident.id"))
    refunded_at: Mapped[datetime | None]
    refund_tx_id: Mapped[UUID | None] = mapped_column(ForeignKey("ledger_tx.id"))
