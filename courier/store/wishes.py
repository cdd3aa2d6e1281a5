"""Wishes that a postman heard at a door, in the database: what was wished, and what the office answered.

A wish heard is a fact and changes nothing; whether it is granted the office decides when it hears of it, by the rules of every
change request. Until then it waits, and while the paper is in a bag whatever needs the paper waits on.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.acts import Act
from courier.domain.calendar import ZONE
from courier.domain.people import Caller
from courier.store.book import Book, in_parts
from courier.store.jobs import Jobs
from courier.store.tables import Item, SpokenWish, Staff

ANSWER_JOB: Final = "answer_wishes"
WAITING: Final = "waiting"
_MOST_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Heard:
    """A wish with its answer. `offered` are the windows that were still free when the wanted one was not."""

    id: UUID
    item_id: UUID
    kind: str
    body: Mapping[str, Any]
    heard_at: datetime
    by: str
    outcome: str
    code: str | None
    answered_at: datetime | None
    window: tuple[datetime, datetime] | None
    offered: tuple[tuple[datetime, datetime], ...]

    @property
    def day(self) -> date | None:
        """The day that was wished for."""
        return date.fromisoformat(self.body["day"]) if self.body.get("day") else None

    @property
    def half(self) -> str | None:
        """`morning` or `afternoon`; None for any time of the day."""
        return self.body.get("half")

    @property
    def words(self) -> str:
        """The words of the wish: a name, a landmark, what was said."""
        return " ".join(str(self.body[part]) for part in ("person", "landmark", "text") if self.body.get(part))


def enter(book: Book, act: Act, items: Iterable[Item], *, caller: Caller) -> None:
    """Write down what a phone heard, for each item that it is about."""
    kind, body = act.data["kind"], {name: said for name, said in act.data.items() if name != "kind"}
    book.add(
        SpokenWish,
        *(
            _row(row, kind, body, caller, at=act.occurred_at, told_at=book.at) | {"event_id": act.event_id}
            for row in items
        ),
    )


def write_down(
    session: Session, row: Item, kind: str, body: Mapping[str, Any], *, caller: Caller, at: datetime
) -> None:
    """Write down what was heard and is told by a form."""
    session.add(SpokenWish(**_row(row, kind, body, caller, at=at, told_at=at), event_id=None))
    session.flush()


def _row(
    row: Item, kind: str, body: Mapping[str, Any], caller: Caller, *, at: datetime, told_at: datetime
) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "item_id": row.id,
        "heard_by": caller.id,
        "kind": kind,
        "body": dict(body),
        "heard_at": at,
        "told_at": told_at,
        "outcome": WAITING,
        "code": None,
        "answered_at": None,
        "answer": {},
        "request_id": None,
    }


def ask_for_answers(session: Session, jobs: Jobs, item_ids: Collection[UUID], *, key: UUID) -> None:
    """Have the wishes answered that wait for one of these items; no job where none waits."""
    waiting: set[UUID] = set()
    for part in in_parts(item_ids):
        asked = select(SpokenWish.item_id).where(SpokenWish.item_id.in_(part), SpokenWish.outcome == WAITING)
        waiting |= set(session.scalars(asked))
    if waiting:
        payload = {"items": [str(item_id) for item_id in sorted(waiting)]}
        jobs.enqueue(session, ANSWER_JOB, payload, key=f"{ANSWER_JOB}:{key}")


def waiting_for(session: Session, item_ids: Iterable[UUID]) -> list[SpokenWish]:
    """What still waits for an answer, in the order in which it was heard."""
    found: list[SpokenWish] = []
    for part in in_parts(set(item_ids)):
        found += session.scalars(
            select(SpokenWish)
            .where(SpokenWish.item_id.in_(part), SpokenWish.outcome == WAITING)
            .execution_options(populate_existing=True)
        )
    return sorted(found, key=lambda wish: (wish.heard_at, wish.id))


def heard_of(session: Session, item_ids: Iterable[UUID]) -> list[Heard]:
    """What postmen heard of these items, the latest first."""
    rows = session.execute(
        select(SpokenWish, Staff.name)
        .join(Staff, Staff.id == SpokenWish.heard_by)
        .where(SpokenWish.item_id.in_(list(item_ids)))
        .order_by(SpokenWish.heard_at.desc(), SpokenWish.id.desc())
    ).all()
    return [_heard(row, by) for row, by in rows]


def filed_by(session: Session, postman_id: UUID, *, since: datetime) -> list[tuple[Heard, str, str]]:
    """What a postman has filed since then, the latest first, with the recipient and the code of the paper."""
    rows = session.execute(
        select(SpokenWish, Staff.name, Item.recipient_name, Item.barcode)
        .join(Staff, Staff.id == SpokenWish.heard_by)
        .join(Item, Item.id == SpokenWish.item_id)
        .where(SpokenWish.heard_by == postman_id, SpokenWish.heard_at >= since)
        .order_by(SpokenWish.heard_at.desc(), SpokenWish.id.desc())
        .limit(_MOST_SHOWN)
    ).all()
    return [(_heard(row, by), recipient, barcode) for row, by, recipient, barcode in rows]


def _heard(row: SpokenWish, by: str) -> Heard:
    def span(one: Mapping[str, str]) -> tuple[datetime, datetime]:
        opens, closes = (datetime.fromisoformat(one[end]).astimezone(ZONE) for end in ("from", "to"))
        return opens, closes

    window = row.answer.get("window")
    return Heard(
        row.event_id or row.id,
        row.item_id,
        row.kind,
        row.body,
        row.heard_at.astimezone(ZONE),
        by,
        row.outcome,
        row.code,
        row.answered_at.astimezone(ZONE) if row.answered_at else None,
        span(window) if window else None,
        tuple(span(one) for one in row.answer.get("offered", ())),
    )
