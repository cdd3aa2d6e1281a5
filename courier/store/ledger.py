"""The ledger in the database: post, reverse, add up. Only whole, balanced, sealed transactions ever become visible."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.money import Dong, Posting
from courier.store.tables import ItemCharge, LedgerEntry, LedgerTx, plain

DROPPED: Final = "charges dropped"
"""The kind of `due_forgiven`'s postings."""


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
    fresh = Fresh(
        posting=posting, key=key, office_id=office_id, item_id=item_id, by=by, event_id=event_id, reverses=reverses
    )
    post_fresh(session, [fresh], at=at)
    return fresh.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """A posting under a key that has not been used before."""

    posting: Posting
    key: str
    office_id: UUID
    item_id: UUID | None
    by: UUID | None
    event_id: UUID | None = None
    reverses: UUID | None = None
    id: UUID = field(default_factory=uuid7)


def post_fresh(session: Session, postings: Sequence[Fresh], *, at: datetime) -> None:
    """Write many postings in two statements; the database checks and seals each as in `post`.

    Raises:
        sqlalchemy.exc.DatabaseError: the database refused one, or a key was not fresh; the transaction is lost.
    """
    if not postings:
        return
    session.execute(
        insert(plain(LedgerEntry)),
        [
            {
                "tx_id": fresh.id,
                "line": number,
                "account": line.account,
                "amount_dong": line.amount_dong,
                "charge_id": line.charge_id,
            }
            for fresh in postings
            for number, line in enumerate(fresh.posting.lines, start=1)
        ],
    )
    session.execute(
        insert(plain(LedgerTx)),
        [
            {
                "id": fresh.id,
                "key": fresh.key,
                "kind": fresh.posting.kind,
                "day": fresh.posting.day,
                "office_id": fresh.office_id,
                "event_id": fresh.event_id,
                "item_id": fresh.item_id,
                "reverses": fresh.reverses,
                "lines": len(fresh.posting.lines),
                "posted_at": at,
                "posted_by": fresh.by,
            }
            for fresh in postings
        ],
    )


@dataclass(frozen=True, slots=True)
class Posted:
    """A transaction about an item; `by` is whose pocket the money of a collection went to."""

    id: UUID
    kind: str
    day: date
    event_id: UUID | None
    reverses: UUID | None
    by: UUID | None


def about(session: Session, item_ids: Iterable[UUID]) -> list[tuple[UUID, Posted]]:
    """Every transaction about one of the items, with the item."""
    rows = session.execute(
        select(
            LedgerTx.item_id,
            LedgerTx.id,
            LedgerTx.kind,
            LedgerTx.day,
            LedgerTx.event_id,
            LedgerTx.reverses,
            LedgerTx.posted_by,
        ).where(LedgerTx.item_id.in_(list(item_ids)))
    )
    return [
        (item_id, Posted(tx_id, kind, day, event_id, reverses, by))
        for item_id, tx_id, kind, day, event_id, reverses, by in rows
        if item_id is not None
    ]


def taken(session: Session, account: str) -> dict[str, int]:
    """What came into a pocket by charge kind; reversals count, the handing-in does not."""
    found: dict[str, int] = {}
    for (kind, _), dong in taken_by_payee(session, account).items():
        found[kind] = found.get(kind, 0) + dong
    return {kind: dong for kind, dong in found.items() if dong}


def taken_by_payee(session: Session, account: str) -> dict[tuple[str, str | None], int]:
    """The same by charge kind and payee; without a payee where the charge is not known."""
    rows = session.execute(
        select(ItemCharge.kind, ItemCharge.payee, func.sum(LedgerEntry.amount_dong))
        .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
        .outerjoin(ItemCharge, ItemCharge.id == LedgerEntry.charge_id)
        .where(LedgerEntry.account == account, LedgerTx.kind.not_in(("remittance", "bank confirmed")))
        .group_by(ItemCharge.kind, ItemCharge.payee)
    )
    return {(kind or "unknown", payee): int(total) for kind, payee, total in rows if total}


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


def payable(session: Session, office_id: UUID, payee: str) -> Dong:
    """What an office has taken for a payee and not yet handed on."""
    total = session.scalar(
        select(func.sum(LedgerEntry.amount_dong))
        .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
        .where(LedgerEntry.account == f"payable:{payee}", LedgerTx.office_id == office_id)
    )
    return Dong(-int(total or 0))


def owed(session: Session, item_ids: Iterable[UUID]) -> dict[UUID, dict[UUID, Dong]]:
    """What is still owed on each charge of each item."""
    accounts = {f"receivable:{item_id}": item_id for item_id in item_ids}
    found: dict[UUID, dict[UUID, Dong]] = {item_id: {} for item_id in accounts.values()}
    rows = session.execute(
        select(LedgerEntry.account, LedgerEntry.charge_id, func.sum(LedgerEntry.amount_dong))
        .where(LedgerEntry.account.in_(accounts))
        .group_by(LedgerEntry.account, LedgerEntry.charge_id)
    )
    for account, charge_id, total in rows:
        if charge_id is not None:
            found[accounts[account]][charge_id] = Dong(int(total))
    return found


def lines_of(session: Session, tx_id: UUID) -> list[tuple[str, int, UUID | None]]:
    """The lines of a transaction as (account, amount, charge)."""
    rows = session.execute(
        select(LedgerEntry.account, LedgerEntry.amount_dong, LedgerEntry.charge_id)
        .where(LedgerEntry.tx_id == tx_id)
        .order_by(LedgerEntry.line)
    )
    return [(account, amount, charge) for account, amount, charge in rows]


def receivables(session: Session, item_ids: Iterable[UUID]) -> dict[UUID, Dong]:
    """What is still owed on each item, in one query."""
    accounts = {f"receivable:{item_id}": item_id for item_id in item_ids}
    rows = session.execute(
        select(LedgerEntry.account, func.sum(LedgerEntry.amount_dong))
        .where(LedgerEntry.account.in_(accounts))
        .group_by(LedgerEntry.account)
    )
    return {accounts[account]: Dong(int(total)) for account, total in rows}
