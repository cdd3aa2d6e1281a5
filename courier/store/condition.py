"""How the database is: can it be written, is its schema the current one, does the ledger add up."""

from datetime import datetime

from sqlalchemy import func, inspect, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from courier.store.session import Database, is_current, known_revisions, revision
from courier.store.tables import IdempotencyKey, LedgerEntry, LedgerTx


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


def unbalanced(database: Database) -> bool:
    """True when any single transaction of the ledger does not sum to zero or has lost a line."""
    lines = (
        select(LedgerEntry.tx_id, func.count().label("lines"), func.sum(LedgerEntry.amount_dong).label("total"))
        .group_by(LedgerEntry.tx_id)
        .subquery()
    )
    query = (
        select(LedgerTx.id)
        .outerjoin(lines, lines.c.tx_id == LedgerTx.id)
        .where(or_(lines.c.total.is_distinct_from(0), lines.c.lines.is_distinct_from(LedgerTx.lines)))
        .limit(1)
    )
    with database.read() as session:
        return session.execute(query).first() is not None


def is_ours(database: Database) -> bool:
    """True when the schema is one that this program made, now or in an earlier release."""
    return revision(database) in known_revisions()


def has_tables(database: Database) -> bool:
    """True when anything at all has been made in the database."""
    with database.reading_engine.connect() as connection:
        return bool(inspect(connection).get_table_names())


def skew_seconds(database: Database, *, at: datetime) -> int:
    """How many seconds the database's clock is ahead; 0 for SQLite, which has none of its own."""
    if database.is_sqlite:
        return 0
    with database.read() as session:
        theirs: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return int((theirs - at).total_seconds())
