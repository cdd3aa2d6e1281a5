"""Jobs: asked for in the caller's transaction, done once whatever is killed, taken up by the next runner."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from courier import dispatch
from courier.domain.calendar import local_day
from courier.store.jobs import Jobs, JobState
from courier.store.session import Database, open_database
from tests.planning_office import open_office, scatter, state_of, stored
from tests.store.noting import note, notes, nothing

PATIENCE = 60.0  # the machine may be busy


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def jobs(database: Database) -> Iterator[Jobs]:
    made = Jobs(database)
    made.migrate()
    yield made
    made.stop()


def test_a_job_is_done_and_its_effect_recorded(database, jobs):
    jobs.register("note", lambda payload: note(payload["word"]), gave_up=nothing)
    with database.write() as session:
        jobs.enqueue(session, "note", {"word": "hello"}, key="note:1")
    assert jobs.status("note:1") is JobState.QUEUED

    jobs.start()

    eventually(lambda: jobs.status("note:1") is JobState.DONE)
    assert notes(database, "hello") == 1


def test_a_transaction_that_fails_leaves_no_job(database, jobs):
    def ask_and_stumble():
        with database.write() as session:
            jobs.enqueue(session, "note", {"word": "hello"}, key="note:1")
            note("asked")(session)
            raise ConnectionError("the line broke before the commit")

    with pytest.raises(ConnectionError):
        ask_and_stumble()

    assert jobs.status("note:1") is None
    assert notes(database, "asked") == 0


def test_the_same_key_is_one_job(database, jobs):
    jobs.register("note", lambda payload: note(payload["word"]), gave_up=nothing)
    for _ in range(3):
        with database.write() as session:
            jobs.enqueue(session, "note", {"word": "hello"}, key="note:1")

    jobs.start()
    with database.write() as session:
        jobs.enqueue(session, "note", {"word": "last"}, key="note:2")

    eventually(lambda: jobs.status("note:2") is JobState.DONE)
    with database.write() as session:
        jobs.enqueue(session, "note", {"word": "hello"}, key="note:1")
    with database.write() as session:
        jobs.enqueue(session, "note", {"word": "very last"}, key="note:3")
    eventually(lambda: jobs.status("note:3") is JobState.DONE)
    assert notes(database, "hello") == 1


def test_work_that_fails_twice_is_tried_a_third_time(database, jobs, monkeypatch):
    monkeypatch.setattr("courier.store.jobs._WAITS", (0.01, 0.01))
    tries = []

    def work(payload):
        tries.append(payload)
        if len(tries) < 3:
            raise ConnectionError("no line")
        return note("done")

    jobs.register("stubborn", work, gave_up=lambda session, payload: note("gave up")(session))
    with database.write() as session:
        jobs.enqueue(session, "stubborn", {}, key="s:1")
    jobs.start()

    eventually(lambda: jobs.status("s:1") is JobState.DONE)
    assert (notes(database, "done"), notes(database, "gave up")) == (1, 0)


def test_work_that_never_succeeds_is_given_up_once_and_the_next_job_is_done(database, jobs, monkeypatch):
    monkeypatch.setattr("courier.store.jobs._WAITS", (0.01, 0.01))

    def work(payload):
        raise ConnectionError("no line")

    jobs.register("hopeless", work, gave_up=lambda session, payload: note("gave up")(session))
    jobs.register("note", lambda payload: note("after"), gave_up=nothing)
    with database.write() as session:
        jobs.enqueue(session, "hopeless", {}, key="h:1")
        jobs.enqueue(session, "note", {}, key="n:1")
    jobs.start()

    eventually(lambda: jobs.status("h:1") is JobState.FAILED and jobs.status("n:1") is JobState.DONE)
    assert (notes(database, "gave up"), notes(database, "after")) == (1, 1)


def test_an_effect_that_fails_leaves_no_mark_and_is_tried_again_whole(database, jobs, monkeypatch):
    monkeypatch.setattr("courier.store.jobs._WAITS", (0.01, 0.01))
    tries = []

    def effect(session):
        note("half")(session)
        session.flush()
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("the line broke before the commit")

    jobs.register("broken", lambda payload: effect, gave_up=nothing)
    with database.write() as session:
        jobs.enqueue(session, "broken", {}, key="b:1")
    jobs.start()

    eventually(lambda: jobs.status("b:1") is JobState.DONE)
    assert len(tries) == 2
    assert notes(database, "half") == 1


def test_one_process_runs_the_jobs_of_one_database(database, jobs):
    jobs.start()
    with pytest.raises(RuntimeError, match="already"):
        Jobs(database).start()


# --------------------------------------------------------------------------------------------- runners that are killed
class Runner:
    """A real process that runs jobs."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.store.noting", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert self.process.stdout.readline() == b"started\n"

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def a_runner(url: str) -> Iterator[Runner]:
    runner = Runner(url)
    try:
        yield runner
    finally:
        runner.end()


def test_a_job_whose_runner_is_killed_in_the_middle_is_done_once_by_the_next_one(database, database_url, jobs):
    with database.write() as session:
        jobs.enqueue(session, "slow", {"seconds": 60, "again": 0}, key="slow:1")
    with a_runner(database_url) as first:
        eventually(lambda: notes(database, "attempt") == 1)
        first.send(signal.SIGKILL)
        first.process.wait()
    assert notes(database, "done") == 0

    with a_runner(database_url):
        eventually(lambda: jobs.status("slow:1") is JobState.DONE)

    assert notes(database, "attempt") == 2
    assert notes(database, "done") == 1


@pytest.mark.once
def test_many_jobs_survive_a_series_of_kills_each_done_once(database, database_url, jobs):
    with database.write() as session:
        for number in range(4):
            jobs.enqueue(session, "slow", {"seconds": 0.4}, key=f"slow:{number}")
    for kill in range(2):
        with a_runner(database_url) as runner:
            eventually(lambda kill=kill: notes(database, "attempt") > kill * 2)
            runner.send(signal.SIGKILL)
            runner.process.wait()
    with a_runner(database_url):
        eventually(lambda: all(jobs.status(f"slow:{number}") is JobState.DONE for number in range(4)))

    assert notes(database, "done") == 4


@pytest.mark.postgres
def test_a_runner_that_stood_still_while_another_took_over_records_nothing_twice(postgres_database, new_postgres):
    """The lock of a stopped process stands, so another one takes its job only when the connection is cut."""
    database = postgres_database
    url = database.url.render_as_string(hide_password=False)
    jobs = Jobs(database)
    jobs.migrate()
    with database.write() as session:
        jobs.enqueue(session, "slow", {"seconds": 2}, key="slow:1")
    with a_runner(url) as zombie:
        eventually(lambda: notes(database, "attempt") == 1)
        zombie.send(signal.SIGSTOP)
        with database.write() as session:
            session.connection().exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 6452596"
            )
        with a_runner(url):
            eventually(lambda: jobs.status("slow:1") is JobState.DONE)
            assert notes(database, "attempt") == 2
            zombie.send(signal.SIGCONT)
            with database.write() as session:
                jobs.enqueue(session, "slow", {"seconds": 3}, key="slow:2")
            eventually(lambda: jobs.status("slow:2") is JobState.DONE)
    jobs.stop()

    assert notes(database, "done") == 2


def test_a_second_runner_on_sqlite_waits_until_the_first_has_gone(sqlite_database):
    url = sqlite_database.url.render_as_string()
    jobs = Jobs(sqlite_database)
    jobs.migrate()
    jobs.register("note", lambda payload: note("here"), gave_up=nothing)
    with a_runner(url) as first:
        with sqlite_database.write() as session:
            jobs.enqueue(session, "slow", {"seconds": 0}, key="slow:1")
        eventually(lambda: jobs.status("slow:1") is JobState.DONE)
        jobs.start()
        assert not jobs.running.wait(1)
        first.send(signal.SIGKILL)
        first.process.wait()

    assert jobs.running.wait(PATIENCE)
    with sqlite_database.write() as session:
        jobs.enqueue(session, "note", {}, key="note:1")
    eventually(lambda: jobs.status("note:1") is JobState.DONE)
    jobs.stop()


def test_the_job_engine_finds_nothing_to_migrate_the_second_time(database, jobs):
    jobs.migrate()
    again = open_database(database.url.render_as_string(hide_password=False))
    others = Jobs(again)
    others.migrate()
    others.stop()
    again.close()


# ------------------------------------------------------------------------------------ the worker, with a real solver
WORKER = """
import sys
from pathlib import Path
from courier import worker
from courier.store.session import open_database
from tests.planning_office import desk_on

worker.run(desk_on(open_database(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.fixture
def house(database, tmp_path):
    opened = open_office(database, tmp_path)
    yield opened
    opened.desk.jobs.stop()


def ask_for_tomorrow(house, *, seconds: float):
    """By the real clock, as the worker reads it."""
    now = datetime.now(UTC)
    return dispatch.request_plan(
        house.desk, house.dispatcher, office_id=None, day=local_day(now) + timedelta(days=1), at=now, seconds=seconds
    )


@contextmanager
def a_worker(url: str, folder: Path) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen([sys.executable, "-c", WORKER, url, str(folder)], cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.once
def test_a_worker_killed_in_the_middle_of_a_solve_is_followed_by_one_that_writes_the_plan_once(
    house, database_url, tmp_path
):
    items = scatter(house, 40)
    plan_id = ask_for_tomorrow(house, seconds=3)
    key = f"{dispatch.SOLVE_JOB}:{plan_id}"
    with a_worker(database_url, tmp_path) as first:
        eventually(lambda: house.desk.jobs.status(key) is JobState.RUNNING)
        assert first.poll() is None
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert state_of(house, plan_id) == "draft"
    assert stored(house, plan_id) == (0, 0, 0, 0)

    with a_worker(database_url, tmp_path) as second:
        eventually(lambda: house.desk.jobs.status(key) is JobState.DONE)
        second.send_signal(signal.SIGTERM)
        assert second.wait(PATIENCE + 30) == 0

    view = dispatch.get_plan(house.desk, house.dispatcher, plan_id)
    _, _, on_stops, reasons = stored(house, plan_id)
    assert (view.state, on_stops + reasons) == ("solved", len(items))


@pytest.mark.once
def test_a_worker_told_to_stop_finishes_the_solve_in_hand(house, database_url, tmp_path):
    scatter(house, 20)
    plan_id = ask_for_tomorrow(house, seconds=2)
    key = f"{dispatch.SOLVE_JOB}:{plan_id}"
    with a_worker(database_url, tmp_path) as process:
        eventually(lambda: house.desk.jobs.status(key) is JobState.RUNNING)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE + 30) == 0
    assert state_of(house, plan_id) == "solved"
