"""A request that came too late: the postman, out of reach of any network, had already been at the door when it was granted."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from courier.domain.calendar import local_day
from courier.domain.item import Direction, Event, EventType, State, life_of
from courier.store import items
from courier.store.tables import ChangeRequest, Item

_DONE = (State.DELIVERED, State.FETCHED)
_SET_OUT = (EventType.TAKEN_OUT, EventType.SET_OUT)


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A granted request that fell away, because the visit was at `done_at`."""

    kind: str
    asked_at: datetime
    done_at: datetime


def overtaken(session: Session, row: Item) -> Overtaken | None:
    """The last request for an item that has been handed over or fetched, when that act has left it behind."""
    if State(row.state) not in _DONE:
        return None
    request = session.scalar(
        select(ChangeRequest)
        .where(ChangeRequest.item_id == row.id)
        .order_by(ChangeRequest.asked_at.desc(), ChangeRequest.id.desc())
        .limit(1)
    )
    if request is None:
        return None
    events = items.events_of(session, [row.id])[row.id]
    done = life_of(Direction(row.direction), events).decisive
    if done is None or not _fell_away(request, done, events):
        return None
    return Overtaken(request.kind, request.asked_at, done.occurred_at)


def _fell_away(request: ChangeRequest, done: Event, events: list[Event]) -> bool:
    """Whether the visit was not the one that was asked for: before the request, on another day, or to another place."""
    if done.occurred_at < request.asked_at or request.kind == "pick_up":
        return True
    if request.kind == "reschedule":
        return local_day(done.occurred_at) != date.fromisoformat(request.body["day"])
    if request.kind == "redirect":
        rounds = [e.occurred_at for e in events if e.type in _SET_OUT and e.occurred_at <= done.occurred_at]
        return bool(rounds) and max(rounds) < request.asked_at
    return False
