"""Work that is done later: durable jobs on the same database, with DBOS behind three functions.

A job is enqueued in the transaction of the fact that asks for it, so neither exists without the other. Its `work` may
run more than once (a crash, a machine that was thought dead) and changes nothing; it returns an effect, which is
recorded once, in one transaction together with the mark that it was recorded.

Who runs jobs holds a lock that dies with the process: on SQLite a lock on a file beside the database (one runner, the
next one waits for it), on PostgreSQL an advisory lock per runner. So the jobs of a killed runner are taken up at once,
and no clock decides who is dead.
"""

import errno
import fcntl
import logging
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from io import BufferedRandom
from pathlib import Path
from typing import Any, Final, TypeAlias

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.calendar import ZONE, local_day
from courier.store.session import Database
from courier.store.tables import JobDone

Payload: TypeAlias = Mapping[str, Any]
Effect: TypeAlias = Callable[[Session], None]
"""What a job changes; called once, inside a transaction."""
Work: TypeAlias = Callable[[Payload], Effect]
"""What a job does: slow, outside any transaction, without effects of its own; it may be repeated."""
Companion: TypeAlias = Callable[[threading.Event], None]
"""A loop that runs where the jobs run, until its event is set."""

_NAME: Final = "courier"
_QUEUE: Final = "courier"
# The meaning of stored jobs, not of the code: today's release runs yesterday's jobs. Raise it when payloads change.
_VERSION: Final = "1"
_POLL_SECONDS: Final = 0.3
_TAKEOVER_SECONDS: Final = 5.0
_WAITS: Final = (1.0, 5.0)  # before the second and the third attempt
_LOCK_CLASS: Final = 0x627574  # "but": the advisory locks of runners

_log = logging.getLogger(__name__)


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


_STATES: Final = {
    "ENQUEUED": JobState.QUEUED,
    "DELAYED": JobState.QUEUED,
    "PENDING": JobState.RUNNING,
    "SUCCESS": JobState.DONE,
}


@dataclass(frozen=True, slots=True)
class _Handler:
    work: Work
    gave_up: Callable[[Session, Payload], None]


class Jobs:
    """The jobs of one database: `enqueue`, `status`, and `start` to run them inside this process.

    A process runs the jobs of one database at most.
    """

    def __init__(self, database: Database, *, at_once: int = 1) -> None:
        """Prepare without touching the database. `at_once` is how many jobs one runner works on at a time."""
        self._database = database
        self._at_once = at_once
        self._engine: Engine | None = None
        self._engine_left = threading.Event()
        self._client_made: DBOSClient | None = None
        self._handlers: dict[str, _Handler] = {}
        self._daily: dict[str, int] = {}
        self._asked_for: dict[str, date] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._companions: list[tuple[str, Companion]] = []
        self._beside: list[threading.Thread] = []
        self._presence: _FilePresence | _AdvisoryPresence | None = None
        self.running = threading.Event()
        """Set while this process takes jobs."""

    # -------------------------------------------------------------------------------------------- asking for work
    def migrate(self) -> None:
        """Bring the job engine's own tables up to date; part of making a database ready, before the first `enqueue`."""
        # The constructor of the client neither connects nor migrates; DBOS.migrate() would make an engine of its own.
        self._client()._sys_db.run_migrations()  # noqa: SLF001

    def register(self, kind: str, work: Work, *, gave_up: Callable[[Session, Payload], None]) -> None:
        """Say what a kind of job does, and what is recorded when it has failed for the last time."""
        self._handlers[kind] = _Handler(work, gave_up)

    def every_day(self, kind: str, *, from_hour: int) -> None:
        """Ask for a job of this kind once a day, from that local hour on, for as long as somebody runs jobs."""
        self._daily[kind] = from_hour

    def accompany(self, name: str, companion: Companion) -> None:
        """Run a loop beside the jobs from the next `start` on, wherever this process takes jobs; `stop` waits for its end."""
        self._companions.append((name, companion))

    def enqueue(
        self, session: Session, kind: str, payload: Payload, *, key: str, not_before: datetime | None = None
    ) -> None:
        """Ask for a job in the caller's transaction; the same `key` again changes nothing. Ids only, no names.

        It waits until `not_before`, across restarts.
        """
        options: EnqueueOptions = {
            "workflow_name": _WORKFLOW,
            "queue_name": _QUEUE,
            "workflow_id": key,
            "app_version": _VERSION,
        }
        wait = (not_before - datetime.now(UTC)).total_seconds() if not_before is not None else 0.0
        if wait > 0:
            options["delay_seconds"] = wait
        self._client().enqueue_in_transaction(
            session,
            options,
            kind,
            key,
            dict(payload),
        )

    def status(self, key: str) -> JobState | None:
        """Where the job stands; None for a key that nobody enqueued."""
        found = self._client().list_workflows(workflow_ids=[key], load_input=False, load_output=False)
        return _STATES.get(found[0].status, JobState.FAILED) if found else None

    # -------------------------------------------------------------------------------------------------- doing work
    def start(self) -> None:
        """Run jobs inside this process from now on; where another holds the runner's lock of a SQLite file, after it.

        Raises:
            RuntimeError: this process runs jobs already.
        """
        global _runner  # noqa: PLW0603 - DBOS is one per process, and so is the runner its workflow calls
        with _runner_lock:
            if _runner is not None:
                raise RuntimeError("this process runs the jobs of a database already")
            _runner = self
        self._stopping.clear()
        presence = _FilePresence(self._database) if self._database.is_sqlite else _AdvisoryPresence(self._sys_engine())
        self._presence = presence
        try:
            # Now rather than later in the jobs' own thread, where it can: a fault is the caller's to see, and so is the end
            # of it. Beside the caller's thread all the same, because DBOS refuses to start where an event loop runs.
            if presence.arrive():
                with ThreadPoolExecutor(1) as aside:
                    aside.submit(self._launch, presence.name).result()
        except BaseException:
            self.stop()
            raise
        self._thread = threading.Thread(target=self._keep_running, args=(presence,), name="jobs", daemon=True)
        self._thread.start()
        self._beside = [
            threading.Thread(target=self._accompanied, args=(companion,), name=name, daemon=True)
            for name, companion in self._companions
        ]
        for thread in self._beside:
            thread.start()

    def _accompanied(self, companion: Companion) -> None:
        while not self.running.wait(_POLL_SECONDS):
            if self._stopping.is_set():
                return
        companion(self._stopping)

    def stop(self, *, patience: int = 0) -> None:
        """Take no further jobs and wait up to `patience` seconds for the ones in hand; the next start does the rest."""
        global _runner  # noqa: PLW0603
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        for thread in self._beside:
            thread.join()
        self._beside = []
        if self.running.is_set():
            DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=patience)
            self.running.clear()
        if self._presence is not None:
            self._presence.leave()
            self._presence = None
        with _runner_lock:
            if _runner is self:
                _runner = None
        if self._client_made is not None:
            self._client_made.destroy()
            self._client_made = None
        if self._engine is not None:
            self._engine_left.set()
            self._engine.dispose()
            self._engine = None

    def _keep_running(self, presence: "_FilePresence | _AdvisoryPresence") -> None:
        """The thread of a runner: wait for the lock, launch, then look after jobs whose runner died."""
        while not self.running.is_set():
            if self._stopping.wait(_POLL_SECONDS):
                return
            if presence.arrive():
                self._launch(presence.name)
        while not self._stopping.is_set():
            try:
                presence.stay()
                self._ask_for_the_day(datetime.now(UTC))
                for name in self._runners() - {presence.name}:
                    with presence.instead_of(name) as is_dead:
                        if is_dead:
                            self._take_over(name)
            except SQLAlchemyError:
                # The outermost loop of the worker: the database is away, the next round finds it again.
                _log.exception("looking for abandoned jobs failed")
            self._stopping.wait(_TAKEOVER_SECONDS)

    def _ask_for_the_day(self, at: datetime) -> None:
        """Whoever asks first is heard: the day is in the key."""
        today, hour = local_day(at), at.astimezone(ZONE).hour
        for kind, from_hour in self._daily.items():
            if hour >= from_hour and self._asked_for.get(kind) != today:
                with self._database.write() as session:
                    self.enqueue(session, kind, {"day": today.isoformat()}, key=f"{kind}:{today.isoformat()}")
                self._asked_for[kind] = today

    @property
    def alive(self) -> bool:
        """False before `start`, after `stop`, and when the runner's thread, or one beside it, has died of a fault of ours."""
        threads = [self._thread, *self._beside]
        return all(thread is not None and thread.is_alive() for thread in threads)

    def _launch(self, name: str) -> None:
        config = DBOSConfig(
            name=_NAME,
            system_database_engine=self._sys_engine(),
            # Not used beside the engine, but its kind of database is read from it.
            system_database_url="sqlite:///jobs" if self._database.is_sqlite else "postgresql://jobs/jobs",
            application_version=_VERSION,
            executor_id=name,
            serializer=DBOSPortableJSONSerializer(),
            use_listen_notify=False,
            run_migrations=False,
            log_level="WARNING",
        )
        try:
            DBOS(config=config)
            DBOS.workflow(name=_WORKFLOW)(_run)
            DBOS.listen_queues([_QUEUE])
            DBOS.launch()
            DBOS.register_queue(_QUEUE, worker_concurrency=self._at_once, polling_interval_sec=_POLL_SECONDS)
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            raise
        self.running.set()

    def _runners(self) -> set[str]:
        """The runners that hold unfinished jobs, dead or alive."""
        found = self._client().list_workflows(status="PENDING", queue_name=_QUEUE, load_input=False, load_output=False)
        return {job.executor_id for job in found if job.executor_id}

    def _take_over(self, name: str) -> None:
        for job in self._client().list_workflows(
            status="PENDING", queue_name=_QUEUE, executor_id=name, load_input=False, load_output=False
        ):
            _log.warning("job %s was left by %s and is taken up", job.workflow_id, name)
            self._client().resume_workflow(job.workflow_id, queue_name=_QUEUE)

    def perform(self, kind: str, key: str, payload: Payload) -> None:
        """Do one job: its work, then its effect together with its mark. A job whose mark stands is left alone.

        An exception is logged and the job tried again, three times in all; then `gave_up` is recorded and it is raised.
        """
        handler = self._handlers[kind]
        for wait in (*_WAITS, None):
            try:
                if not self._is_done(key):
                    self._record(key, handler.work(payload))
            except Exception:
                # The outermost loop of the worker: whatever it was, it is logged with the job and retried.
                _log.exception("job %s failed", key)
                if wait is None:
                    self._record(key, lambda session: handler.gave_up(session, payload))
                    raise
                self._stopping.wait(wait)
            else:
                return

    def _is_done(self, key: str) -> bool:
        with self._database.read() as session:
            return session.get(JobDone, key) is not None

    def _record(self, key: str, effect: Effect) -> None:
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        with self._database.write() as session:
            mark = insert(JobDone).values(key=key, at=datetime.now(UTC)).on_conflict_do_nothing()
            if session.execute(mark.returning(JobDone.key)).first() is not None:
                effect(session)

    # ------------------------------------------------------------------------------------------------- connections
    def _sys_engine(self) -> Engine:
        with self._lock:
            if self._engine is None:
                left = self._engine_left = threading.Event()

                def close_when_left(_connection: Any, record: Any) -> None:
                    # A thread of the job engine may give its connection back after the pool was disposed of.
                    if left.is_set():
                        record.invalidate()

                self._engine = self._database.engine_for_jobs()
                event.listen(self._engine, "checkin", close_when_left)
            return self._engine

    def _client(self) -> DBOSClient:
        engine = self._sys_engine()
        with self._lock:
            if self._client_made is None:
                self._client_made = DBOSClient(
                    system_database_engine=engine,
                    serializer=DBOSPortableJSONSerializer(),
                    application_name=_NAME,
                    lazy=True,
                )
            return self._client_made


_WORKFLOW: Final = "job"
_runner: Jobs | None = None
_runner_lock = threading.Lock()


def _run(kind: str, key: str, payload: Payload) -> None:
    """The one workflow: DBOS keeps it until it has returned or raised, on whichever runner that is."""
    if _runner is None:
        raise RuntimeError(f"job {key} was given to a process that runs no jobs")
    _runner.perform(kind, key, payload)


class _FilePresence:
    """The one runner of a SQLite file. A record lock belongs to the process: it dies with it, no child inherits it."""

    name = "server"  # always the same, so that at launch DBOS itself takes up what the last runner left

    def __init__(self, database: Database) -> None:
        self._path = Path(f"{database.url.database}.jobs")
        self._file: BufferedRandom | None = None

    def arrive(self) -> bool:
        """Take the lock; False while another process holds it."""
        if self._file is None:
            self._file = self._path.open("w+b")
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            if fault.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        return True

    def stay(self) -> None:
        """Nothing to renew."""

    @contextmanager
    def instead_of(self, name: str) -> Iterator[bool]:  # noqa: ARG002 - there is nobody else
        """Whether the named runner is dead: there is only this one."""
        yield False

    def leave(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()


class _AdvisoryPresence:
    """One runner of many on PostgreSQL: a session lock on its name, held by a connection that does nothing else."""

    def __init__(self, engine: Engine) -> None:
        self.name = f"{socket.gethostname()}-{uuid7()}"
        self._engine = engine
        self._connection: Connection | None = None

    def arrive(self) -> bool:
        """Take the lock on a name that nobody else has."""
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.detach()  # closing it ends the session and its locks, instead of giving it back to the pool
        self._connection.execute(text("SELECT pg_advisory_lock(:class, :name)"), self._key(self.name))
        return True

    def stay(self) -> None:
        """Take the lock again when the connection was lost with it."""
        try:
            self._open.execute(text("SELECT 1"))
        except SQLAlchemyError:
            self._open.close()
            self.arrive()

    @contextmanager
    def instead_of(self, name: str) -> Iterator[bool]:
        """Whether the named runner is dead; while the block lasts nobody else takes its place."""
        is_dead = bool(
            self._open.execute(text("SELECT pg_try_advisory_lock(:class, :name)"), self._key(name)).scalar_one()
        )
        try:
            yield is_dead
        finally:
            if is_dead:
                self._open.execute(text("SELECT pg_advisory_unlock(:class, :name)"), self._key(name))

    def leave(self) -> None:
        """Give the lock back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("this runner has not arrived")
        return self._connection

    @staticmethod
    def _key(name: str) -> dict[str, int]:
        return {"class": _LOCK_CLASS, "name": zlib.crc32(name.encode()) - 2**31}
