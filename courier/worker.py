"""Runs the jobs: inside the server process on SQLite, as `courier worker` where there are many machines."""

import logging
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import Final, Protocol

from sqlalchemy.orm import Session

from courier import dispatch, intake, nightly, notices, phones, privacy, tracking, webhooks
from courier.desk import Desk
from courier.store.jobs import Effect, Payload

# A solve under way is waited for this long at the end; what is cut off is done again by the next runner.
PATIENCE_SECONDS: Final = 25

_log = logging.getLogger(__name__)


class Work(Protocol):
    """A kind of job as its use case has it."""

    def __call__(self, desk: Desk, payload: Payload, /, *, at: datetime) -> Effect:
        """Do it, and give what is written down of it."""


def start(desk: Desk) -> None:
    """Run the jobs of this desk inside this process, until `desk.close()`."""

    def take(kind: str, work: Work, gave_up: Callable[[Session, Payload], None]) -> None:
        desk.jobs.register(kind, lambda payload: work(desk, payload, at=datetime.now(UTC)), gave_up=gave_up)

    take(dispatch.SOLVE_JOB, dispatch.solve_job, dispatch.give_up)
    take(phones.PAPERS_JOB, phones.prepare, phones.give_up)
    take(intake.CHECK_JOB, intake.check_job, intake.give_up)
    take(intake.COMMIT_JOB, intake.commit_job, intake.give_up)
    # A night that came to nothing stands in the log, and the next one does it all.
    take(nightly.JOB, nightly.job, lambda _session, _payload: None)
    take(privacy.JOB, privacy.job, lambda session, payload: privacy.give_up(session, payload, at=datetime.now(UTC)))
    take(notices.CARRY_JOB, notices.carry_job, notices.give_up)
    take(
        tracking.ANSWER_JOB,
        _answer_wishes,
        lambda session, payload: tracking.give_up_answering(session, payload, at=datetime.now(UTC)),
    )
    take(notices.TELL_JOB, notices.tell_job, notices.give_up_telling)
    take(notices.ANNOUNCE_JOB, notices.announce_job, notices.give_up_telling)
    desk.jobs.every_day(nightly.JOB, from_hour=nightly.FROM_HOUR)
    desk.jobs.accompany("webhooks", lambda stopping: webhooks.run(desk, stopping))
    # The processes that search for routes load their libraries now, not when the first dispatcher waits for a plan.
    dispatch.warm_up()
    desk.jobs.start()


def _answer_wishes(desk: Desk, payload: Payload, /, *, at: datetime) -> Effect:
    """What postmen heard at doors is answered with the windows that every citizen is offered."""
    return tracking.answer_job(
        desk,
        payload,
        offer=lambda item_id: dispatch.slots(desk, item_id, at=at),
        take=lambda session, item_id, slot_id: dispatch.take_slot_now(session, desk, item_id, slot_id, at=at),
        at=at,
    )


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
