"""What is done once a day, at night: deadlines that passed are told, data whose time is over goes. Doing it twice is harmless."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from courier import complaints, privacy
from courier.desk import Desk

JOB: Final = "nightly"
FROM_HOUR: Final = 2  # local: the evening's closings are long done


def job(desk: Desk, _payload: Mapping[str, Any], *, at: datetime) -> Callable[[Session], None]:
    """The night's work as a durable job."""

    def effect(session: Session) -> None:
        _work(desk, session, at=at)

    return effect


def run(desk: Desk, *, at: datetime) -> Mapping[str, int]:
    """The night's work at once; what was done, by name and number."""
    with desk.database.write() as session:
        return _work(desk, session, at=at)


def _work(desk: Desk, session: Session, *, at: datetime) -> Mapping[str, int]:
    return {
        "complaints_overdue": complaints.escalate(session, at=at),
        "data_requests_overdue": privacy.escalate(session, at=at),
        **privacy.purge(desk, session, at=at),
    }
