"""The database of an installation: engines, transactions and migrations, on SQLite and on PostgreSQL."""

import sqlite3 as standard_sqlite
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.orm import Session, sessionmaker

try:
    from pysqlite3 import dbapi2 as sqlite
except ImportError:  # no wheel for this machine: the standard library's own
    sqlite = standard_sqlite

# Versions before this one can corrupt a WAL file when two connections write or checkpoint at once.
WAL_SAFE = (3, 51, 3)

_JSON_OPTIONS = orjson.OPT_NON_STR_KEYS


def sqlite_version() -> tuple[int, ...]:
    """The version of the SQLite library in use."""
    return tuple(int(part) for part in sqlite.sqlite_version.split("."))


def sqlite_driver() -> str:
    """The package that the SQLite library in use came with."""
    return str(sqlite.__name__).partition(".")[0]


class Database:
    """One database: `write()` and `read()` give transactions, `engine` is for migrations and the job engine.

    On SQLite writers queue for a lock of this process before `BEGIN IMMEDIATE`, because SQLite's own busy handler is unfair
    and a transaction that upgrades from reading to writing cannot wait at all. On PostgreSQL rows are locked where a use
    case says so.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._engine(begin="BEGIN IMMEDIATE")
        self.reading_engine = self._engine(begin="BEGIN") if self.is_sqlite else self.engine
        # For questions of a single statement on hot paths: no BEGIN, no ROLLBACK around it.
        self.glance_engine = self._engine(glance=True)
        self._writers = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(self.reading_engine, expire_on_commit=False)
        self._turn = threading.RLock() if self.is_sqlite else None

    def _engine(self, *, begin: str = "", glance: bool = False) -> Engine:
        # Parameters hold names and phones: an error's text must not carry them into a log.
        options: dict[str, Any] = {
            "json_serializer": _dump,
            "json_deserializer": orjson.loads,
            "hide_parameters": True,
        }
        if glance:
            options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
        if not self.is_sqlite:
            return create_engine(self.url, pool_size=8, max_overflow=8, pool_pre_ping=True, **options)
        if self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            self.url, module=sqlite, connect_args={"check_same_thread": False, "timeout": 30}, **options
        )
        event.listen(engine, "connect", _prepare_sqlite)
        if begin:
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that may change things: committed at the end of the block, rolled back on any exception."""
        if self._turn is None:
            with self._writers.begin() as session:
                yield session
            return
        with self._turn, self._writers.begin() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one moment and changes nothing."""
        with self._readers() as session:
            if not self.is_sqlite:
                session.execute(text("SET TRANSACTION READ ONLY"))
            yield session
            # Closing rolls back and lets the rows go as they were read; rollback() would empty them.

    def engine_for_jobs(self) -> Engine:
        """A small engine of the job engine's own on the same database; who asks for it disposes of it.

        The job engine speaks its own BEGIN. On SQLite the driver begins at the first write, immediately: a poll that
        only reads never takes the lock for writing.
        """
        if not self.is_sqlite:
            return create_engine(self.url, pool_size=4, max_overflow=4, pool_pre_ping=True, hide_parameters=True)
        engine = create_engine(
            self.url, module=sqlite, connect_args={"check_same_thread": False, "timeout": 30}, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "connect", _begin_at_first_write)
        return engine

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()
        self.reading_engine.dispose()
        self.glance_engine.dispose()


def _dump(value: Any) -> str:
    return orjson.dumps(value, option=_JSON_OPTIONS).decode()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event speaks BEGIN itself
    cursor = connection.cursor()
    journal = "WAL" if sqlite_version() >= WAL_SAFE else "DELETE"
    for pragma in (
        f"journal_mode={journal}",
        "busy_timeout=30000",
        "foreign_keys=ON",
        "synchronous=FULL",
        "recursive_triggers=ON",  # else INSERT OR REPLACE deletes ledger rows behind the triggers' back
        "trusted_schema=OFF",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_at_first_write(connection: Any, _record: Any) -> None:
    connection.isolation_level = "IMMEDIATE"


def open_database(url: str) -> Database:
    """Open the database at `url` (`sqlite:///path` or `postgresql://...`)."""
    return Database(url)


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the schema to `revision`; does nothing when it is there already. A new SQLite file is for its owner alone."""
    if database.is_sqlite and database.url.database:
        # It holds names and phones. SQLite gives the files beside it the same rights.
        Path(database.url.database).touch(mode=0o600)
    if revision == "head" and is_current(database):
        return
    from alembic import command  # noqa: PLC0415 - slow to load, and hardly a start migrates
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", "courier.store:migrations")
    config.attributes["engine"] = database.engine
    command.upgrade(config, revision)


def is_current(database: Database) -> bool:
    """True when the schema is the one this program was written for."""
    return revision(database) == max(known_revisions())


def revision(database: Database) -> str | None:
    """The revision that the schema is at; None for a database that was never migrated."""
    with database.reading_engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@cache
def known_revisions() -> frozenset[str]:
    """Every revision that this program knows; the files are numbered in their order.

    Read once: files that a new release puts in place do not change what the running one knows.
    """
    versions = Path(__file__).parent / "migrations" / "versions"
    return frozenset(file.name.partition("_")[0] for file in versions.glob("[0-9]*_*.py"))
