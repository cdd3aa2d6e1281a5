"""How the database is: can it be written, is its schema the current one, does the ledger add up."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from courier.store.session import Database, is_current
from courier.store.tables import IdempotencyKey, LedgerEntry


def fault(database: Database, *, at: datetime) -> str | None:
    """What is wrong with the database, None when it can work: reached, of this program's schema, and written once.

    `unreachable`, `schema` (run `courier serve`, which migrates) or `unwritable`.
    """
    try:
        if not is_current(database):
            return "schema"
    except SQLAlchemyError:
        return "unreachable"
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    row = insert(IdempotencyKey).values(caller="house", key="probe", body_hash="", headers={}, at=at)
    try:
        with database.write() as session:
            session.execute(row.on_conflict_do_update(index_elements=["caller", "key"], set_={"at": at}))
    except SQLAlchemyError:
        return "unwritable"
    return None


def ledger_total(database: Database) -> int:
    """The sum of all lines of the ledger; anything but zero means that rows were lost or added outside this program."""
    with database.read() as session:
        return int(session.scalar(select(func.coalesce(func.sum(LedgerEntry.amount_dong), 0))) or 0)
