"""Runs the jobs: inside the server process on SQLite, as `courier worker` where there are many machines."""

import logging
import signal
import threading
from datetime import UTC, datetime
from types import FrameType
from typing import Final

from courier import dispatch, intake, nightly, notices, phones, privacy, webhooks
from courier.desk import Desk

# A solve under way is waited for this long at the end; what is cut off is done again by the next runner.
PATIENCE_SECONDS: Final = 25

_log = logging.getLogger(__name__)


def start(desk: Desk) -> None:
    """Run the jobs of this desk inside this process, until `desk.close()`."""
    desk.jobs.register(
        dispatch.SOLVE_JOB,
        lambda payload: dispatch.solve_job(desk, payload, at=datetime.now(UTC)),
        gave_up=dispatch.give_up,
    )
    desk.jobs.register(
        phones.PAPERS_JOB,
        lambda payload: phones.prepare(desk, payload, at=datetime.now(UTC)),
        gave_up=phones.give_up,
    )
    desk.jobs.register(
        intake.CHECK_JOB,
        lambda payload: intake.check_job(desk, payload, at=datetime.now(UTC)),
        gave_up=intake.give_up,
    )
    desk.jobs.register(
        intake.COMMIT_JOB,
        lambda payload: intake.commit_job(desk, payload, at=datetime.now(UTC)),
        gave_up=intake.give_up,
    )
    desk.jobs.register(
        nightly.JOB,
        lambda payload: nightly.job(desk, payload, at=datetime.now(UTC)),
        gave_up=lambda _session, _payload: None,  # it stands in the log, and the next night does it all
    )
    desk.jobs.register(
        privacy.JOB,
        lambda payload: privacy.job(desk, payload, at=datetime.now(UTC)),
        gave_up=lambda session, payload: privacy.give_up(session, payload, at=datetime.now(UTC)),
    )
    desk.jobs.every_day(nightly.JOB, from_hour=nightly.FROM_HOUR)
    desk.jobs.register(
        notices.CARRY_JOB,
        lambda payload: notices.carry_job(desk, payload, at=datetime.now(UTC)),
        gave_up=notices.give_up,
    )
    desk.jobs.accompany("webhooks", lambda stopping: webhooks.run(desk, stopping))
    desk.jobs.register(
        notices.TELL_JOB,
        lambda payload: notices.tell_job(desk, payload, at=datetime.now(UTC)),
        gave_up=notices.give_up_telling,
    )
    desk.jobs.register(
        notices.ANNOUNCE_JOB,
        lambda payload: notices.announce_job(desk, payload, at=datetime.now(UTC)),
        gave_up=notices.give_up_telling,
    )
    # The processes that search for routes load their libraries now, not when the first dispatcher waits for a plan.
    dispatch.warm_up()
    desk.jobs.start()


def run(desk: Desk) -> None:
    """Run jobs until SIGTERM or SIGINT; the job in hand is finished first if it takes no longer than `PATIENCE_SECONDS`.

    Raises:
        RuntimeError: the jobs' own thread died of a fault that stands in the log.
    """
    told_to_stop = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        told_to_stop.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        start(desk)
        _log.info("the worker takes jobs")
        while not told_to_stop.wait(1):
            if not desk.jobs.alive:
                raise RuntimeError("the thread that runs the jobs has died")
        _log.info("the worker stops")
    finally:
        desk.jobs.stop(patience=PATIENCE_SECONDS)
        for number, handler in before.items():
            signal.signal(number, handler)
