"""What becomes of a wish that a postman heard at a door, when the office hears of it: granted, refused, or left behind.

Nothing can be promised where there is no signal. So the phone keeps what was wished, a day and a half of it perhaps, and the office
answers with what it gives every citizen: a window that the routes can keep, or the next ones that are free.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.calendar import at_local, local_day
from courier.domain.errors import Invalid, Refused
from courier.domain.item import FINAL, State
from courier.domain.people import Caller, Role
from courier.store import items, slot_holds, wishes
from courier.store.jobs import Effect, Payload
from courier.store.tables import ChangeRequest, Incident, Item, SpokenWish, Staff
from courier.tracking.changing import Wish, grant

_log = logging.getLogger(__name__)

_NOON: Final = 12 * 3600
_MOST_OFFERED: Final = 3
_SHOWN: Final = timedelta(days=4)  # over a week-end
# What can be granted while the postman has the paper with him; the rest waits until it is back.
_WHILE_OUT: Final = ("instruct", "authorise")
_IN_A_BAG: Final = (State.OUT, State.ATTEMPTED)
_LEFT_BEHIND: Final = FINAL | {State.FETCHED, State.AT_OFFICE, State.RETURNING}


class Window(Protocol):
    """A window that can be served, as `dispatch` offers it."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def day(self) -> date: ...  # noqa: D102
    @property
    def from_(self) -> int: ...  # noqa: D102
    @property
    def to(self) -> int: ...  # noqa: D102


Offer = Callable[[UUID], Sequence[Window]]
"""The windows on offer for an item."""
Take = Callable[[Session, UUID, str], Window]
"""Take one of them inside a transaction; refuses what is gone."""


def hear_wish(desk: Desk, caller: Caller, item_id: UUID, kind: str, body: dict[str, Any], *, at: datetime) -> None:
    """Write down by form what a postman heard, and have it answered. Whoever calls this has seen that he may see the item.

    Raises:
        Refused: `already-final`: there is nothing left to wish for.
    """
    with desk.database.write() as session:
        row = items.lock(session, [item_id])[0]
        items.refuse_when_final(row)
        wishes.write_down(session, row, kind, body, caller=caller, at=at)
        items.bump_bags(session, [item_id])
        wishes.ask_for_answers(session, desk.jobs, [item_id], key=uuid7())


def filed(desk: Desk, caller: Caller, *, at: datetime) -> list[tuple[wishes.Heard, str, str]]:
    """What the caller has filed for recipients in the last days, with the name and the code of each paper."""
    with desk.database.read() as session:
        return wishes.filed_by(session, caller.id, since=at - _SHOWN)


def heard(desk: Desk, item_id: UUID) -> list[wishes.Heard]:
    """What postmen heard of an item with the answers, the latest first; for those who may see the item."""
    with desk.database.read() as session:
        return wishes.heard_of(session, [item_id])


def answer_job(desk: Desk, payload: Payload, *, offer: Offer, take: Take, at: datetime) -> Effect:
    """Answer the wishes that wait for some items; what still cannot be answered waits on."""
    item_ids = [UUID(text) for text in payload["items"]]
    with desk.database.read() as session:
        asked = [wish for wish in wishes.waiting_for(session, item_ids) if wish.kind == "reschedule"]
        offices = dict(session.execute(select(Item.id, Item.office_id).where(Item.id.in_(item_ids))).all())
    offered = {item_id: list(offer(item_id)) for item_id in {wish.item_id for wish in asked}}
    turns = sorted({(offices[wish.item_id], date.fromisoformat(wish.body["day"])) for wish in asked})

    def effect(session: Session) -> None:
        # The turn of a day comes before the item, as wherever a place is taken: nobody waits for each other.
        for office_id, day in turns:
            slot_holds.take_turn(session, office_id, day)
        rows = {row.id: row for row in items.lock(session, item_ids)}
        answered: set[UUID] = set()
        bearers: set[UUID] = set()
        for wish in wishes.waiting_for(session, item_ids):
            row = rows[wish.item_id]
            if _answer(session, desk, row, wish, offered.get(row.id, []), take, at=at):
                answered.add(row.id)
                bearers.add(wish.heard_by)
        items.bump_bags(session, answered)
        # Who filed it reads the answer although the paper may have left his route by it.
        for bearer in sorted(bearers):
            items.bump_bag(session, bearer, local_day(at))

    return effect


def give_up_answering(session: Session, payload: Payload, *, at: datetime) -> None:
    """The job failed three times by a fault of ours, which stands in the log: the dispatcher sees to these wishes."""
    item_ids = [UUID(text) for text in payload["items"]]
    for wish in wishes.waiting_for(session, item_ids):
        row = session.get_one(Item, wish.item_id)
        wish.outcome, wish.code, wish.answered_at = "refused", "office-calls", at
        session.add(
            Incident(
                id=uuid7(),
                office_id=row.office_id,
                code="wish-unanswered",
                sentence="Nguyện vọng bưu tá ghi tại nhà chưa trả lời được; mời điều phối gọi cho người dân.",
                item_id=row.id,
                event_id=None,
                postman_id=wish.heard_by,
                day=local_day(wish.heard_at),
                about_money=False,
                owner_role=Role.DISPATCHER.value,
                opened_at=at,
                closed_at=None,
                closed_by=None,
                resolution=None,
            )
        )
    items.bump_bags(session, item_ids)
    _log.error("wishes for %s could not be answered", sorted(map(str, item_ids)))


def _answer(
    session: Session, desk: Desk, row: Item, wish: SpokenWish, offered: list[Window], take: Take, *, at: datetime
) -> bool:
    """Settle one wish; False where it waits on."""
    state = State(row.state)
    if state in _LEFT_BEHIND:
        return _settle(wish, "overtaken", "already-done", at=at)
    if _said_later(session, wish):
        return _settle(wish, "overtaken", "newer-request", at=at)
    if state in _IN_A_BAG and wish.kind not in _WHILE_OUT:
        return False
    if wish.kind == "reschedule":
        return _reschedule(session, desk, row, wish, offered, take, at=at)
    body = wish.body
    asked = Wish(
        wish.kind,
        person=body.get("person"),
        text=body.get("text"),
        landmark=body.get("landmark"),
        call_first=bool(body.get("call_first")),
        office=UUID(body["office"]) if body.get("office") else None,
    )
    return _granted(session, desk, row, wish, asked, at=at)


def _reschedule(
    session: Session, desk: Desk, row: Item, wish: SpokenWish, offered: list[Window], take: Take, *, at: datetime
) -> bool:
    day, half = date.fromisoformat(wish.body["day"]), wish.body.get("half")
    if (
        row.wanted_on == day
        and row.wanted_from is not None
        and row.wanted_to is not None
        and _fits(half, row.wanted_from)
    ):
        window = _span(day, row.wanted_from, row.wanted_to)
        return _settle(wish, "granted", None, at=at, window=window)
    wanted = next((window for window in offered if window.day == day and _fits(half, window.from_)), None)
    others = [_span(one.day, one.from_, one.to) for one in offered if wanted is None or one.id != wanted.id]
    if wanted is None:
        return _settle(wish, "refused", "slot-gone", at=at, offered=others[:_MOST_OFFERED])
    try:
        with session.begin_nested():
            taken = take(session, row.id, wanted.id)
            asked = Wish("reschedule", day=taken.day, from_=taken.from_, to=taken.to)
            granted = grant(session, desk, row.id, asked, asked_by=_caller(session, wish), at=at)
    except (Invalid, Refused) as no:
        return _settle(wish, "refused", _code(no), at=at, offered=others[:_MOST_OFFERED])
    wish.request_id = granted.request.id
    return _settle(wish, "granted", None, at=at, window=_span(taken.day, taken.from_, taken.to))


def _granted(session: Session, desk: Desk, row: Item, wish: SpokenWish, asked: Wish, *, at: datetime) -> bool:
    try:
        with session.begin_nested():
            granted = grant(session, desk, row.id, asked, asked_by=_caller(session, wish), at=at)
    except (Invalid, Refused) as no:
        return _settle(wish, "refused", _code(no), at=at)
    wish.request_id = granted.request.id
    return _settle(wish, "granted", None, at=at)


def _code(no: Invalid | Refused) -> str:
    return no.code if isinstance(no, Refused) else "invalid"


def _settle(
    wish: SpokenWish,
    outcome: str,
    code: str | None,
    *,
    at: datetime,
    window: dict[str, str] | None = None,
    offered: Sequence[dict[str, str]] = (),
) -> bool:
    wish.outcome, wish.code, wish.answered_at = outcome, code, at
    wish.answer = ({"window": window} if window else {}) | ({"offered": list(offered)} if offered else {})
    return True


def _span(day: date, from_: int, to: int) -> dict[str, str]:
    return {"from": at_local(day, from_).isoformat(), "to": at_local(day, to).isoformat()}


def _fits(half: str | None, from_: int) -> bool:
    return half is None or (half == "morning") == (from_ < _NOON)


def _said_later(session: Session, wish: SpokenWish) -> bool:
    """Whether somebody asked for the same kind of change after the postman had heard of it: the later word counts."""
    same = (SpokenWish.item_id == wish.item_id, SpokenWish.kind == wish.kind)
    spoken = select(SpokenWish.id).where(*same, SpokenWish.heard_at > wish.heard_at)
    # A request that answers a wish was granted later than it was spoken: it counts from when it was spoken.
    answers = select(SpokenWish.request_id).where(*same, SpokenWish.request_id.is_not(None))
    asked = select(ChangeRequest.id).where(
        ChangeRequest.item_id == wish.item_id,
        ChangeRequest.kind == wish.kind,
        ChangeRequest.asked_at > wish.heard_at,
        ChangeRequest.id.not_in(answers),
    )
    return any(session.scalar(later.limit(1)) is not None for later in (spoken, asked))


def _caller(session: Session, wish: SpokenWish) -> Caller:
    """The postman who filed it."""
    staff = session.get_one(Staff, wish.heard_by)
    return Caller(staff.id, Role.POSTMAN, staff.name, staff.office_id)
