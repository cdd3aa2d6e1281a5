"""Copies of the database: taken while it is in use, examined before they take its place.

A copy holds no keys: `secrets.json` is kept elsewhere, and without it the ID numbers in a copy stay sealed.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from courier.settings import Secrets
from courier.store import condition
from courier.store.sealing import unseal
from courier.store.session import Database, is_current, migrate, open_database
from courier.store.tables import Item


class Unusable(Exception):
    """A copy cannot be made or cannot be used; the sentence says why and what to do."""


def write_copy(database: Database, target: Path) -> None:
    """Copy the whole database into a new file, readable by its owner only, while others go on working.

    Raises:
        Unusable: the file exists, the folder cannot be written, or a tool of PostgreSQL is missing or failed.
    """
    if target.exists():
        raise Unusable(f"{target} exists already: name a new file.")
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        if database.is_sqlite:
            # Past SQLAlchemy, which begins a transaction before every statement: VACUUM runs in none.
            with closing(database.reading_engine.raw_connection()) as connection:
                connection.cursor().execute("VACUUM INTO ?", (str(part),))
        else:
            _tool("pg_dump", database, "--format=custom", f"--file={part}")
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.link(part, target)
    except (OSError, database.reading_engine.dialect.loaded_dbapi.Error) as fault:
        raise Unusable(f"{target} cannot be written: {fault}") from fault
    finally:
        part.unlink(missing_ok=True)


def restore_copy(database: Database, copy: Path, secrets: Secrets, *, at: datetime) -> Path | None:
    """Put a copy in the place of the database, after it has been examined and brought to this program's schema.

    On SQLite the old file stays beside it; its new name is returned. On PostgreSQL the database must be empty.

    Raises:
        Unusable: the copy is damaged, of another program, newer than this one, or its ledger does not add up; or the
            database is in use, or (PostgreSQL) not empty. Nothing has changed then.
    """
    if not copy.is_file():
        raise Unusable(f"{copy} is not there.")
    if not database.is_sqlite:
        _restore_postgresql(database, copy, secrets)
        return None
    place = Path(database.url.database or "")
    scratch = place.with_name(f".{place.name}.{os.getpid()}")
    with alone(place):
        try:
            shutil.copyfile(copy, scratch)
            scratch.chmod(0o600)
            candidate = open_database(f"sqlite:///{scratch}")
            try:
                _examine(candidate, copy, secrets)
                # Everything into the one file, so that one rename moves it.
                with candidate.reading_engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                candidate.close()
            database.close()
            kept = _set_aside(place, at=at)
            scratch.replace(place)
        finally:
            for name in (scratch, *_beside(scratch)):
                name.unlink(missing_ok=True)
    return kept


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Hold the lock that a server holds on its SQLite file.

    Raises:
        Unusable: a server is running.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{place}.jobs").open("w+b") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise Unusable("A server is using this database: stop it first.") from fault
        yield


def _beside(place: Path) -> tuple[Path, ...]:
    return (Path(f"{place}-wal"), Path(f"{place}-shm"), Path(f"{place}-journal"))


def _set_aside(place: Path, *, at: datetime) -> Path | None:
    """Rename the old database with what lies beside it; None when there is none."""
    if not place.exists():
        return None
    kept = place.with_name(f"{place.stem}.before-{at:%Y%m%d-%H%M%S}{place.suffix}")
    for old, new in zip((*_beside(place), place), (*_beside(kept), kept), strict=True):
        if old.exists():
            old.rename(new)
    return kept


def _examine(candidate: Database, copy: Path, secrets: Secrets) -> None:
    """Raise `Unusable` unless the database is whole, ours, and adds up; bring its schema up to date."""
    try:
        if candidate.is_sqlite:
            with candidate.reading_engine.connect() as connection:
                found = connection.execute(text("PRAGMA integrity_check(1)")).scalar()
                broken = connection.execute(text("PRAGMA foreign_key_check")).first()
            if found != "ok" or broken is not None:
                raise Unusable(
                    f"{copy} is damaged: {found if found != 'ok' else 'rows refer to rows that are not there'}."
                )
        if not condition.is_ours(candidate):
            raise Unusable(f"{copy} is not a database of this program, or of a newer one.")
        migrate(candidate)
        if not is_current(candidate):
            raise Unusable(f"{copy} cannot be brought to this program's schema.")
        total = condition.ledger_total(candidate)
        if total or condition.unbalanced(candidate):
            raise Unusable(f"The ledger of {copy} does not add up (it sums to {total} dong): do not use this copy.")
        with candidate.read() as session:
            sealed = session.execute(
                select(Item.id, Item.id_number_sealed).where(Item.id_number_sealed.is_not(None)).limit(1)
            ).first()
    except DatabaseError as fault:
        raise Unusable(f"{copy} is damaged or no database at all: {type(fault.orig).__name__}.") from fault
    if sealed is not None and sealed[1] is not None:
        try:
            unseal(sealed[1], row=sealed[0], secrets=secrets)
        except InvalidTag as fault:
            raise Unusable(f"{copy} was sealed with other keys: put its own secrets.json in place first.") from fault


# ----------------------------------------------------------------------------------------------------- PostgreSQL
def _restore_postgresql(database: Database, copy: Path, secrets: Secrets) -> None:
    if condition.has_tables(database):
        raise Unusable(
            "The database is not empty. Make a new one (createdb), name it in COURIER_DATABASE_URL, restore into it, "
            "and let the servers use it when `courier doctor` is content."
        )
    _tool("pg_restore", database, "--exit-on-error", "--single-transaction", "--no-owner", str(copy))
    _examine(database, copy, secrets)


def _tool(name: str, database: Database, *arguments: str) -> None:
    """Run one of PostgreSQL's own tools; the password goes by the environment, where other users cannot read it."""
    found = shutil.which(name)
    if found is None:
        raise Unusable(f"{name} is not installed: install PostgreSQL's client tools (postgresql-client).")
    url = database.url.set(drivername="postgresql", password=None).render_as_string()
    secret = {"PGPASSWORD": database.url.password} if database.url.password else {}
    done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
        [found, f"--dbname={url}", *arguments],
        env={**os.environ, **secret},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise Unusable(f"{name} failed: " + " / ".join(said[:3]))
