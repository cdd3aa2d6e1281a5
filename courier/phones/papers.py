"""What phones need of a published plan and what takes time to make; done by the worker, a few digests at a time.

Between two parts other jobs get their turn: a dispatcher who plans does not wait for a thousand digests.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.store import digests, items, media, plans
from courier.store.jobs import Effect, Payload

MISSING_AFTER: Final = timedelta(hours=24)
_AT_A_TIME: Final = 8


def prepare(desk: Desk, payload: Payload, *, at: datetime) -> Effect:
    """The work of one part: the next digests. The last part asks after media that should have come."""
    plan_id, part = UUID(payload["plan"]), int(payload["part"])
    with desk.database.read() as session:
        wanted = digests.wanted(session, plan_id, most=_AT_A_TIME)
    made = [digests.make(wish, desk.settings.secrets) for wish in wanted]

    def done(session: Session) -> None:
        if made:
            digests.store(session, made)
            items.bump_bags(session, {one.item_id for one in made})
            following = {"plan": str(plan_id), "part": part + 1}
            desk.jobs.enqueue(session, digests.JOB, following, key=digests.key_of(plan_id, part + 1))
            return
        office_id = plans.office_of(session, plan_id)
        media.miss(session, office_id, before=at - MISSING_AFTER, at=at)

    return done


def give_up(_session: Session, _payload: Any) -> None:
    """Nothing is recorded: a phone without digests asks to type the last four digits, and the log has the fault."""
