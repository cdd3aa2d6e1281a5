"""Telling: whom a fact or a published plan has news for, and in which words' values.

Both are jobs that were asked for in the transaction of the fact. They read what is true by now, so what was corrected in the
meantime is not told, and an upload of a whole day is one job.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.domain import notices
from courier.domain.calendar import at_local, local_day
from courier.domain.identifiers import is_mobile
from courier.domain.item import Direction, Event, EventType, life_of
from courier.domain.item import State as ItemState
from courier.domain.notices import Kind, State
from courier.store import book, ledger, messages, rounds
from courier.store.jobs import Effect, Payload
from courier.store.messages import Draft
from courier.store.rounds import RoundStop
from courier.store.tables import EventOfItem, Item, Message, Office, Plan

_log = logging.getLogger(__name__)


def tell_job(desk: Desk, payload: Payload, *, at: datetime) -> Effect:
    """Decide who is told of events that were recorded."""
    told = {UUID(text) for text in payload["events"]}
    with desk.database.read() as session:
        about = set(session.scalars(select(EventOfItem.item_id).where(EventOfItem.event_id.in_(told))))
        drafts = _news(session, desk, told, about, at=at)

    def effect(session: Session) -> None:
        messages.post(session, desk.jobs, drafts, secrets=desk.settings.secrets, at=at)

    return effect


def give_up_telling(_session: Session, payload: Payload) -> None:
    """The job failed three times by a fault of ours, which stands in the log: nobody is told, and nothing else is lost."""
    _log.error("nobody was told of %s", sorted(payload))


@dataclass(frozen=True, slots=True)
class _News:
    """What one item has to do with a message."""

    kind: Kind
    row: Item
    event: Event


def _news(session: Session, desk: Desk, told: set[UUID], about: set[UUID], *, at: datetime) -> list[Draft]:
    rules, reasons = desk.facts.notices, desk.facts.bylaws.attempts.reasons
    events = book.events_of(session, about)
    rows = session.scalars(select(Item).where(Item.id.in_(about))).all()
    offices = dict(session.execute(select(Office.id, Office.name)).all())
    acts: dict[tuple[Kind, UUID, str], list[_News]] = {}
    for row in rows:
        if row.recipient_phone is None or not is_mobile(row.recipient_phone):
            continue
        direction = Direction(row.direction)
        life = life_of(direction, events[row.id])
        standing = [e for e in events[row.id] if e.event_id not in life.withdrawn and e.type in notices.TELLING]
        latest = max(standing, key=lambda e: e.order, default=None)
        for event in events[row.id]:
            if event.event_id not in told:
                continue
            reason = reasons.get(str(event.data.get("reason", "")))
            kind = notices.kind_for(
                event.type,
                direction=direction,
                state=ItemState(row.state),
                is_withdrawn=event.event_id in life.withdrawn,
                is_latest=latest is not None and latest.event_id == event.event_id,
                reason_then=reason.then if reason else None,
            )
            if kind is not None and notices.is_news(rules, kind, occurred_at=event.occurred_at, at=at):
                acts.setdefault((kind, event.event_id, row.recipient_phone), []).append(_News(kind, row, event))
    drafts = []
    for (kind, event_id, phone), members in acts.items():
        first = min(members, key=lambda one: one.row.id)
        goes = notices.speaks_at(rules, kind, at)
        index = messages.phone_index(phone, secrets=desk.settings.secrets)
        drafts.append(
            Draft(
                kind=kind,
                phone=phone,
                item_id=first.row.id,
                office_id=first.row.office_id,
                words=_words(first, members, offices),
                dedupe_key=notices.event_key(kind, event_id, index),
                not_before=goes,
                expires_at=goes + rules.kinds[kind].lasts,
            )
        )
    return drafts


def _words(first: _News, members: Iterable[_News], offices: Mapping[UUID, str]) -> dict[str, Any]:
    """What the templates of the kind may say. The next visit is the earliest of the papers that come together."""
    event, row = first.event, first.row
    # Somebody may have chosen another office to collect at, and it is ready only there.
    ready = event.type in (EventType.INVITED, EventType.ARRIVED)
    office = offices.get(row.collect_at) if ready and row.collect_at else None
    words: dict[str, Any] = {
        "day": local_day(event.occurred_at).isoformat(),
        "office": office or offices[row.office_id],
    }
    if first.kind is Kind.DELIVERED:
        words["at"] = event.occurred_at.isoformat()
        words["amount_dong"] = sum(int(line["amount_dong"]) for line in event.data.get("collections", ()))
    if first.kind is Kind.MISSED:
        again = [one.row.not_before for one in members if one.row.not_before is not None]
        words["next_on"] = min(again).isoformat() if again else None
    if row.held_until is not None:
        words["until"] = row.held_until.isoformat()
    return {name: value for name, value in words.items() if value}


# ------------------------------------------------------------------------------------------------- who is coming today
@dataclass(frozen=True, slots=True)
class _Call:
    """The items of one phone at one stop, and when somebody comes."""

    phone: str
    items: tuple[UUID, ...]
    opens: datetime
    closes: datetime


def announce_job(desk: Desk, payload: Payload, *, at: datetime) -> Effect:
    """Tell the people on a published plan's routes when somebody comes, in the morning of its day.

    Whoever was told another time is told again when it moved by more than the rule says. An announcement that waits gives
    way to the plan's own, or to none where the plan has no stop for it.
    """
    secrets, rules = desk.settings.secrets, desk.facts.notices
    drafts: list[Draft] = []
    replaced: list[UUID] = []
    with desk.database.read() as session:
        plan = session.get_one(Plan, UUID(payload["plan"]))
        office = session.get_one(Office, plan.office_id)
        calls = _calls(session, desk, plan, office, at=at) if plan.state == "published" else []
        due = ledger.receivables(session, {item_id for call in calls for item_id in call.items})
        before = _told_before(session, desk, plan) if plan.state == "published" else {}
        goes = notices.speaks_at(rules, Kind.ARRIVING_TODAY, max(at, at_local(plan.day, 0)))
        for call in calls:
            index = messages.phone_index(call.phone, secrets=secrets)
            key = notices.arrival_key(plan.id, min(call.items), index)
            others = [one for item_id in call.items for one in before.pop((item_id, index), ())]
            waiting = [row.id for row, _ in others if row.state == State.QUEUED]
            replaced += [one for one in waiting if one != notices.message_id(key)]
            told = [opens for row, opens in others if row.state != State.QUEUED]
            is_too_late = call.closes <= goes or local_day(call.opens) != plan.day
            if is_too_late or (told and not notices.has_moved(rules, told[-1], call.opens)):
                continue
            drafts.append(
                Draft(
                    kind=Kind.ARRIVING_TODAY,
                    phone=call.phone,
                    item_id=min(call.items),
                    office_id=plan.office_id,
                    words={
                        "day": plan.day.isoformat(),
                        "opens": call.opens.isoformat(),
                        "closes": call.closes.isoformat(),
                        "amount_dong": max(0, sum(due.get(item_id, 0) for item_id in call.items)),
                        "office": office.name,
                    },
                    dedupe_key=key,
                    not_before=goes,
                    expires_at=call.closes,
                )
            )
        # Nobody comes to these on that day any more.
        replaced += [row.id for others in before.values() for row, _ in others if row.state == State.QUEUED]

    def effect(session: Session) -> None:
        messages.supersede(session, replaced, code="another-plan", at=at)
        messages.post(session, desk.jobs, drafts, secrets=secrets, at=at)

    return effect


def _calls(session: Session, desk: Desk, plan: Plan, office: Office, *, at: datetime) -> list[_Call]:
    """The calls of a plan with the windows that the citizen's page tells: the chosen one, or when it is to be expected."""
    noise = rounds.noise_of(office, desk.facts.arrivals)
    visits: list[tuple[RoundStop, datetime, datetime]] = []
    for one in rounds.rounds_of(session, plan):
        rest = one.outlook(noise, day=plan.day, at=at).rest
        for place, stop in enumerate(one.standing_stops()):
            expected = rest.get(place)
            if stop.window is not None:
                visits.append((stop, *stop.window))
            elif expected is not None:
                visits.append((stop, expected.opens, expected.closes))
    about = {item_id for stop, _, _ in visits for item_id in stop.items}
    phones = dict(session.execute(select(Item.id, Item.recipient_phone).where(Item.id.in_(about))).all())
    calls = []
    for stop, opens, closes in visits:
        by_phone: dict[str, list[UUID]] = {}
        for item_id, state in zip(stop.items, stop.states, strict=True):
            phone = phones.get(item_id)
            if state in (ItemState.PLANNED, ItemState.OUT) and phone and is_mobile(phone):
                by_phone.setdefault(phone, []).append(item_id)
        calls += [_Call(phone, tuple(sorted(items)), opens, closes) for phone, items in by_phone.items()]
    return calls


def _told_before(session: Session, desk: Desk, plan: Plan) -> dict[tuple[UUID, str], list[tuple[Message, datetime]]]:
    """Announcements for the plan's day, by item and phone, with the time that they said, oldest first."""
    found: dict[tuple[UUID, str], list[tuple[Message, datetime]]] = {}
    for row in messages.announced(session, plan.office_id, since=at_local(plan.day, 0) - timedelta(days=14)):
        inside = messages.opened(row, secrets=desk.settings.secrets)
        if inside is None or inside.words.get("day") != plan.day.isoformat() or row.item_id is None:
            continue
        opens = datetime.fromisoformat(inside.words["opens"])
        found.setdefault((row.item_id, row.to_index), []).append((row, opens))
    return found
