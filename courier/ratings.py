"""Ratings of visits: one to five and a word, once for each visit; told to the office by the month and never with a name to them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.calendar import local_day
from courier.domain.citizen_rights import RatingRule, add_months, in_force
from courier.domain.errors import FieldError, Invalid, Refused
from courier.domain.item import Direction, Event, EventType, life_of
from courier.domain.people import Caller, Role
from courier.domain.text import fold
from courier.store import items
from courier.store.tables import Item, ItemEvent, Office, Rating, Staff

STARS: Final = (1, 2, 3, 4, 5)
_VISITS: Final = frozenset({EventType.HANDED_OVER, EventType.ATTEMPT_FAILED, EventType.FETCHED, EventType.PICKED_UP})


# ------------------------------------------------------------------------------------------------------ by the citizen
@dataclass(frozen=True, slots=True)
class Visit:
    """The last visit of an item, and what was thought of it. `until` is when the rating can last be given or changed."""

    kind: str
    on: date
    stars: int | None
    words: str
    until: datetime
    is_open: bool


def last_visit(desk: Desk, item_id: UUID, *, at: datetime) -> Visit | None:
    """The visit that can be rated, None before the first; for whoever proved the phone."""
    with desk.database.read() as session:
        return _visit(desk, session, session.get_one(Item, item_id), at=at)


def _visit(desk: Desk, session: Session, row: Item, *, at: datetime) -> Visit | None:
    event = _last(session, row)
    if event is None:
        return None
    known = _known(session, row.id, event.event_id)
    on = local_day(event.occurred_at)
    until = _until(in_force(desk.facts.rights.ratings, on), event, known)
    stars, words = (known.stars, known.words) if known else (None, "")
    return Visit(event.type.value, on, stars, words, until, is_open=at <= until)


def _last(session: Session, row: Item) -> Event | None:
    events = items.events_of(session, [row.id])[row.id]
    withdrawn = life_of(Direction(row.direction), events).withdrawn
    visits = [event for event in events if event.type in _VISITS and event.event_id not in withdrawn]
    return max(visits, key=lambda event: event.order, default=None)


def _known(session: Session, item_id: UUID, event_id: UUID) -> Rating | None:
    return session.scalar(select(Rating).where(Rating.item_id == item_id, Rating.event_id == event_id))


def _until(rule: RatingRule, event: Event, known: Rating | None) -> datetime:
    if known is not None:
        return known.rated_at + timedelta(hours=rule.changeable_hours)
    return event.occurred_at + timedelta(days=rule.within_days)


def rate(desk: Desk, item_id: UUID, *, stars: int, words: str, at: datetime) -> Visit:
    """Rate the last visit, or change what was said for as long as the rule lets.

    Raises:
        Invalid: not one to five, or too many words.
        Refused: `no-visit` before the first, `rating-closed` when its time is over.
    """
    said = words.strip()
    if stars not in STARS:
        raise Invalid(FieldError("stars", "out-of-range", f"Chọn từ 1 đến 5, nhận {stars}."))
    with desk.database.write() as session:
        row = items.lock(session, [item_id])[0]
        event = _last(session, row)
        if event is None:
            raise Refused("no-visit", "Bưu tá chưa đến lần nào nên chưa đánh giá được.")
        on = local_day(event.occurred_at)
        rule = in_force(desk.facts.rights.ratings, on)
        if len(said) > rule.most_letters:
            raise Invalid(FieldError("text", "too-long", f"Tối đa {rule.most_letters} chữ, nhận {len(said)}."))
        known = _known(session, item_id, event.event_id)
        if at > _until(rule, event, known):
            raise Refused("rating-closed", "Đã hết thời gian đánh giá lần phát này.")
        if known is not None:
            known.stars, known.words = stars, said
        else:
            session.add(
                Rating(
                    id=uuid7(),
                    item_id=item_id,
                    event_id=event.event_id,
                    office_id=row.office_id,
                    visited_on=on,
                    stars=stars,
                    words=said,
                    rated_at=at,
                )
            )
        session.flush()
        found = _visit(desk, session, row, at=at)
    if found is None:
        raise RuntimeError(f"the visit of {item_id} that was rated is gone")
    return found


# ------------------------------------------------------------------------------------------------------ for the office
@dataclass(frozen=True, slots=True)
class Marks:
    """How often each mark was given."""

    by_stars: Mapping[int, int]

    @property
    def count(self) -> int:
        """How many ratings there are."""
        return sum(self.by_stars.values())

    @property
    def mean(self) -> float | None:
        """The mean mark to a tenth; None without a rating."""
        total = sum(stars * number for stars, number in self.by_stars.items())
        return round(total / self.count, 1) if self.count else None


@dataclass(frozen=True, slots=True)
class OfficeMonth:
    """What an office is told of a month. Nothing in it points at one door: see the rule."""

    office_id: UUID
    office: str
    marks: Marks
    postmen: Sequence[tuple[str, Marks]]
    too_few: int
    words: Sequence[str]


def of_month(desk: Desk, caller: Caller, month: date, *, at: datetime) -> list[OfficeMonth]:
    """The ratings of visits in a month, of the caller's office or all for an admin; postmen by name, never by mark."""
    first = month.replace(day=1)
    query = (
        select(Rating.office_id, Rating.stars, Rating.words, ItemEvent.actor_id, ItemEvent.actor_role)
        .join(ItemEvent, ItemEvent.id == Rating.event_id)
        .where(Rating.visited_on >= first, Rating.visited_on < add_months(first, 1))
    )
    offices = select(Office.id, Office.name).order_by(Office.name)
    if caller.role is not Role.ADMIN:
        query = query.where(Rating.office_id == caller.office_id)
        offices = offices.where(Office.id == caller.office_id)
    rule = in_force(desk.facts.rights.ratings, local_day(at))
    with desk.database.read() as session:
        given = session.execute(query).all()
        people = {row.actor_id for row in given if row.actor_role == Role.POSTMAN}
        names = dict(session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(people))).all())
        known = session.execute(offices).all()
    found = []
    for office_id, name in known:
        own = [row for row in given if row.office_id == office_id]
        by_postman: dict[UUID, Counter[int]] = {}
        for row in own:
            if row.actor_role == Role.POSTMAN:
                by_postman.setdefault(row.actor_id, Counter())[row.stars] += 1
        told = {who: Marks(marks) for who, marks in by_postman.items() if marks.total() >= rule.least_for_a_postman}
        words = [row.words for row in own if row.words] if len(own) >= rule.least_for_words else []
        found.append(
            OfficeMonth(
                office_id,
                name,
                Marks(Counter(row.stars for row in own)),
                sorted(((names[who], marks) for who, marks in told.items()), key=lambda one: fold(one[0])),
                len(by_postman) - len(told),
                # By the alphabet: the order of arrival would tell whose words they are.
                sorted(words, key=fold),
            )
        )
    return found
