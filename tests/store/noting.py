"""A runner of jobs that only leaves notes: `python -m tests.store.noting DATABASE_URL`, until its input ends.

Small, because the tests start it again and again.
"""

import sys
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from courier.store.jobs import Jobs
from courier.store.session import Database, open_database
from courier.store.tables import AuditEntry


def note(act: str):
    """An effect with no protection of its own: done twice, it stands there twice."""

    def effect(session):
        session.add(AuditEntry(id=uuid7(), at=datetime.now(UTC), actor_id=None, actor_role="admin", act=act, thing="x"))

    return effect


def notes(database: Database, act: str) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).where(AuditEntry.act == act)) or 0


def nothing(session, payload):
    """Records nothing about a job given up."""


def main(url: str) -> None:
    database = open_database(url)
    jobs = Jobs(database)

    def work(payload: dict[str, Any]):
        """Takes `seconds`, or from the second attempt on `again`."""
        with database.write() as session:
            note("attempt")(session)
        first = notes(database, "attempt") == 1
        time.sleep(payload["seconds"] if first else payload.get("again", payload["seconds"]))
        return note("done")

    jobs.register("slow", work, gave_up=nothing)
    jobs.start()
    print("started", flush=True)
    sys.stdin.read()
    jobs.stop()


if __name__ == "__main__":
    main(sys.argv[1])
