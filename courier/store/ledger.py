"""The ledger in the database: post, reverse, add up. Only whole, balanced, sealed transactions ever become visible."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.money import Dong, Posting
from courier.store.tables import ItemCharge, LedgerEntry, LedgerTx


def post(
    session: Session,
    posting: Posting,
    *,
    key: str,
    office_id: UUID,
    at: datetime,
    by: UUID | None = None,
    event_id: UUID | None = None,
    item_id: UUID | None = None,
    reverses: UUID | None = None,
) -> UUID:
    """Write one balanced posting; the database checks and seals it.

    Returns the id of the transaction, the old one when `key` has been posted before.

    Raises:
        sqlalchemy.exc.DatabaseError: the database refused (unbalanced, closed day, overdrawn pocket, a reversal reversed).
    """
    known = session.scalar(select(LedgerTx.id).where(LedgerTx.key == key))
    if known is not None:
        return known
    tx_id = uuid7()
    session.execute(
        insert(LedgerEntry),
        [
            {
                "tx_id": tx_id,
                "line": number,
                "account": line.account,
                "amount_dong": line.amount_dong,
                "charge_id": line.charge_id,
            }
            for number, line in enumerate(posting.lines, start=1)
        ],
    )
    session.execute(
        insert(LedgerTx).values(
            id=tx_id,
            key=key,
            kind=posting.kind,
            day=posting.day,
            office_id=office_id,
            event_id=event_id,
            item_id=item_id,
            reverses=reverses,
            lines=len(posting.lines),
            posted_at=at,
            posted_by=by,
        )
    )
    return tx_id


@dataclass(frozen=True, slots=True)
class Fresh:
    """A posting about a new item, under a key that cannot have been used before."""

    posting: Posting
    key: str
    office_id: UUID
    item_id: UUID


def post_fresh(session: Session, postings: Sequence[Fresh], *, at: datetime, by: UUID | None = None) -> None:
    """Write the postings of a whole bag in two statements; the database checks and seals each as in `post`.

    Raises:
        sqlalchemy.exc.DatabaseError: the database refused one, or a key was not fresh; the transaction is lost.
    """
    if not postings:
        return
    numbered = [(uuid7(), fresh) for fresh in postings]
    session.execute(
        insert(LedgerEntry),
        [
            {
                "tx_id": tx_id,
                "line": number,
                "account": line.account,
                "amount_dong": line.amount_dong,
                "charge_id": line.charge_id,
            }
            for tx_id, fresh in numbered
            for number, line in enumerate(fresh.posting.lines, start=1)
        ],
    )
    session.execute(
        insert(LedgerTx),
        [
            {
                "id": tx_id,
                "key": fresh.key,
                "kind": fresh.posting.kind,
                "day": fresh.posting.day,
                "office_id": fresh.office_id,
                "item_id": fresh.item_id,
                "lines": len(fresh.posting.lines),
                "posted_at": at,
                "posted_by": by,
            }
            for tx_id, fresh in numbered
        ],
    )


def taken(session: Session, account: str) -> dict[str, int]:
    """What came into a pocket by charge kind; reversals count, the handing-in does not."""
    rows = session.execute(
        select(ItemCharge.kind, func.sum(LedgerEntry.amount_dong))
        .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
        .outerjoin(ItemCharge, ItemCharge.id == LedgerEntry.charge_id)
        .where(LedgerEntry.account == account, LedgerTx.kind.not_in(("remittance", "bank confirmed")))
        .group_by(ItemCharge.kind)
    )
    return {kind or "unknown": int(total) for kind, total in rows if total}


def hold(session: Session, account: str) -> None:
    """Keep others from posting to a pocket, or closing its day, until this transaction ends.

    PostgreSQL only; the same lock as the ledger's own rules take. On SQLite there is one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(account, 0))))


def balance(session: Session, account: str) -> Dong:
    """The balance of one account; debits are positive."""
    total = session.scalar(select(func.sum(LedgerEntry.amount_dong)).where(LedgerEntry.account == account))
    return Dong(int(total or 0))


def balances(session: Session, prefix: str) -> dict[str, Dong]:
    """The balances of all accounts whose name starts with `prefix`, those at zero left out."""
    rows = session.execute(
        select(LedgerEntry.account, func.sum(LedgerEntry.amount_dong))
        .where(LedgerEntry.account.startswith(prefix, autoescape=True))
        .group_by(LedgerEntry.account)
    )
    return {account: Dong(int(total)) for account, total in rows if total}


def open_by_charge(session: Session, item_id: UUID) -> dict[UUID, Dong]:
    """What is still owed on each charge of an item."""
    rows = session.execute(
        select(LedgerEntry.charge_id, func.sum(LedgerEntry.amount_dong))
        .where(LedgerEntry.account == f"receivable:{item_id}")
        .group_by(LedgerEntry.charge_id)
    )
    return {charge_id: Dong(int(total)) for charge_id, total in rows if charge_id is not None}


def waiting(session: Session, account: str, *, event_id: UUID, item_id: UUID) -> dict[UUID | None, int]:
    """What an event's postings and reversals for an item have left on the credit side of an account, by charge."""
    rows = session.execute(
        select(LedgerEntry.charge_id, func.sum(LedgerEntry.amount_dong))
        .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
        .where(LedgerEntry.account == account, LedgerTx.event_id == event_id, LedgerTx.item_id == item_id)
        .group_by(LedgerEntry.charge_id)
    )
    return {charge_id: -int(total) for charge_id, total in rows if total < 0}


def lines_of(session: Session, tx_id: UUID) -> list[tuple[str, int, UUID | None]]:
    """The lines of a transaction as (account, amount, charge)."""
    rows = session.execute(
        select(LedgerEntry.account, LedgerEntry.amount_dong, LedgerEntry.charge_id)
        .where(LedgerEntry.tx_id == tx_id)
        .order_by(LedgerEntry.line)
    )
    return [(account, amount, charge) for account, amount, charge in rows]


def standing(session: Session, *, event_id: UUID, item_id: UUID) -> tuple[UUID, str, date] | None:
    """The transaction of an event for an item that has not been reversed: (id, kind, day), or None."""
    reversal = select(LedgerTx.reverses).where(LedgerTx.reverses.is_not(None))
    row = session.execute(
        select(LedgerTx.id, LedgerTx.kind, LedgerTx.day).where(
            LedgerTx.event_id == event_id,
            LedgerTx.item_id == item_id,
            LedgerTx.reverses.is_(None),
            LedgerTx.id.not_in(reversal),
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def receivables(session: Session, item_ids: Iterable[UUID]) -> dict[UUID, Dong]:
    """What is still owed on each item, in one query."""
    accounts = {f"receivable:{item_id}": item_id for item_id in item_ids}
    rows = session.execute(
        select(LedgerEntry.account, func.sum(LedgerEntry.amount_dong))
        .where(LedgerEntry.account.in_(accounts))
        .group_by(LedgerEntry.account)
    )
    return {accounts[account]: Dong(int(total)) for account, total in rows}
