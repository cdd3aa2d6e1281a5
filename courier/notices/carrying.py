"""Carrying messages: what goes by which channel now, and what becomes of it.

It is a job and may be done again after a crash, so providers are given the message's id as a key, and what became of a message is
recorded once.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain import notices
from courier.domain.calendar import at_local, local_day
from courier.domain.item import State as ItemState
from courier.domain.notices import Channel, Kind, State
from courier.domain.people import Role
from courier.domain.wording import Unsayable, parameters, say, sms_segments
from courier.outside.carriers import Carried, Failed, Letter, Then
from courier.store import links, messages
from courier.store.jobs import Effect, Payload
from courier.store.messages import Outcome
from courier.store.tables import Incident, Item, Message

_AT_ONCE: Final = 8
"""As many providers are asked at the same time."""
OVER_BUDGET: Final = "message-budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A message with its words, and the channel that is to carry it; `tried` are channels that cannot say it."""

    row: Message
    channel: Channel
    letter: Letter
    segments: int
    tried: tuple[tuple[Channel, str], ...]


def carry_job(desk: Desk, payload: Payload, *, at: datetime) -> Effect:
    """Carry messages: ask the providers now, and return what became of them as the effect."""
    ids = [UUID(text) for text in payload["messages"]]
    rules, outcomes = desk.facts.notices, list[Outcome]()
    ready: list[_Ready] = []
    with desk.database.read() as session:
        rows = messages.queued(session, ids)
        silent = messages.want_none(session, {row.to_index for row in rows})
        restricted = messages.restricted(session, {row.item_id for row in rows if row.item_id})
        tokens = _links(session, desk, rows)
        stale = _overtaken(session, rows, day=local_day(at))
        for row in rows:
            asked = frozenset({row.to_index}) if row.item_id in restricted else frozenset[str]()
            outcome = _why_not(desk, row, silent=silent | asked, stale=stale, at=at)
            found = outcome or _ready(desk, row, tokens.get(row.item_id), at=at)
            if isinstance(found, _Ready):
                ready.append(found)
            else:
                outcomes.append(found)
    if ready:
        with desk.database.write() as session:
            wanted = [(one.row, one.channel, one.segments) for one in ready]
            granted = messages.reserve(session, rules, wanted, day=local_day(at), at=at)
        tomorrow = at_local(local_day(at) + timedelta(days=1), rules.quiet_to)
        outcomes += [
            Outcome(
                id=one.row.id,
                state=State.QUEUED,
                code="budget",
                channel=one.channel,
                tried=one.tried,
                not_before=tomorrow,
            )
            for one in ready
            if one.row.id not in granted
        ]
        allowed = [one for one in ready if one.row.id in granted]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="carrier") as pool:
            answers = list(pool.map(lambda one: desk.carriers[one.channel].carry(one.letter), allowed))
        outcomes += [
            _outcome(desk, one, answer, seed=ids[0], at=at) for one, answer in zip(allowed, answers, strict=True)
        ]

    def effect(session: Session) -> None:
        messages.settle(session, desk.jobs, outcomes, turn=str(uuid7()), at=at)
        _say_who_waits(session, [one for one in outcomes if one.code == "budget"], at=at)

    return effect


def give_up(session: Session, payload: Payload) -> None:
    """The job failed three times by a fault of ours: its messages are dead until somebody tries them again."""
    for row in messages.queued(session, [UUID(text) for text in payload["messages"]], for_update=True):
        row.state, row.code = State.DEAD.value, "fault"


def _links(session: Session, desk: Desk, rows: Sequence[Message]) -> dict[UUID | None, str]:
    found = session.execute(
        select(Item.id, Item.link_generation).where(Item.id.in_({row.item_id for row in rows if row.item_id}))
    )
    secrets, base = desk.settings.secrets, desk.settings.base_url
    return {item_id: f"{base}/t/{links.token_for(secrets, item_id, generation)}" for item_id, generation in found}


def _overtaken(session: Session, rows: Sequence[Message], *, day: date) -> frozenset[UUID]:
    """Those of the messages that are not true any more: the item is elsewhere by now, or nobody comes today."""
    about = {row.item_id for row in rows if row.item_id is not None}
    states = dict(session.execute(select(Item.id, Item.state).where(Item.id.in_(about))).all())
    coming = messages.on_a_route(session, about, day=day)
    return frozenset(
        row.id
        for row in rows
        if row.item_id is not None
        and not notices.still_holds(
            Kind(row.kind), state=ItemState(states[row.item_id]), is_on_a_route=row.item_id in coming
        )
    )


def _why_not(
    desk: Desk, row: Message, *, silent: frozenset[str], stale: frozenset[UUID], at: datetime
) -> Outcome | None:
    """Why a message is not carried now, None where it is."""
    kind, rules = Kind(row.kind), desk.facts.notices
    if row.sealed is None:
        return Outcome(id=row.id, state=State.DEAD, code="erased")
    if row.expires_at <= at:
        return Outcome(id=row.id, state=State.EXPIRED, code=row.code)
    if row.id in stale:
        return Outcome(id=row.id, state=State.SUPERSEDED, code="overtaken")
    if row.to_index in silent and not rules.kinds[kind].to_anybody:
        return Outcome(id=row.id, state=State.SUPPRESSED, code="opted-out")
    later = max(notices.speaks_at(rules, kind, at), row.not_before)
    if later > at:
        return Outcome(id=row.id, state=State.QUEUED, code=row.code, not_before=later)
    return None


def _ready(desk: Desk, row: Message, link: str | None, *, at: datetime) -> _Ready | Outcome:
    """The message in words for the first channel that can say it."""
    kind, inside = Kind(row.kind), messages.opened(row, secrets=desk.settings.secrets)
    if inside is None:
        return Outcome(id=row.id, state=State.DEAD, code="erased")
    rules, template = desk.facts.notices, desk.facts.wording[kind]
    able = [c for c in desk.carriers if c is not Channel.EMAIL or inside.email]
    tried = tuple((Channel(one["channel"]), str(one["code"])) for one in row.tried)
    fresh: tuple[tuple[Channel, str], ...] = ()
    while channel := notices.next_channel(rules, kind, tried=[c for c, _ in (*tried, *fresh)], can_carry=able):
        try:
            text = say(
                template,
                inside.words,
                channel=channel,
                lang=inside.lang,
                link=link,
                segments=rules.channels[channel].most_segments,
            )
            values = {}
            if channel is Channel.ZNS:
                values = parameters(template, inside.words, lang=inside.lang, link=link)
        except Unsayable as why:
            fresh = (*fresh, (channel, why.code))
            continue
        letter = Letter(
            id=row.id,
            at=at,
            kind=kind,
            lang=inside.lang,
            phone=inside.phone,
            email=inside.email,
            text=text,
            values=values,
        )
        segments = sms_segments(text) if channel is Channel.SMS else 1
        return _Ready(row=row, channel=channel, letter=letter, segments=segments, tried=fresh)
    return Outcome(id=row.id, state=State.DEAD, code="no-channel", tried=fresh)


def _outcome(desk: Desk, one: _Ready, answer: Carried | Failed, *, seed: UUID, at: datetime) -> Outcome:
    """What an answer of a provider makes of a message."""
    row, channel, rules = one.row, one.channel, desk.facts.notices
    if isinstance(answer, Carried):
        return Outcome(
            id=row.id,
            state=State.SENT,
            channel=channel,
            tried=one.tried,
            called=True,
            provider_id=answer.provider_id,
            dry_run=desk.carriers[channel].dry_run,
        )
    if answer.then is Then.NEVER:
        return Outcome(id=row.id, state=State.DEAD, code=answer.code, channel=channel, tried=one.tried, called=True)
    again = None
    if answer.then is Then.AGAIN:
        calls = (row.attempts if row.channel == channel and not one.tried else 0) + 1
        again = notices.retry_at(rules, attempts=calls, at=at, seed=seed, asked_for=answer.wait)
    if again is not None:
        return Outcome(
            id=row.id,
            state=State.QUEUED,
            code=answer.code,
            channel=channel,
            tried=one.tried,
            called=True,
            not_before=again,
        )
    return Outcome(
        id=row.id,
        state=State.QUEUED,
        code=answer.code,
        channel=channel,
        tried=(*one.tried, (channel, answer.code)),
        not_before=at,
    )


def _say_who_waits(session: Session, kept: Sequence[Outcome], *, at: datetime) -> None:
    """An incident for every office whose messages wait for tomorrow's budget, one a day."""
    if not kept:
        return
    rows = session.scalars(select(Message.office_id).where(Message.id.in_([one.id for one in kept])).distinct())
    for office_id in [found for found in rows if found is not None]:
        known = select(Incident.id).where(
            Incident.office_id == office_id, Incident.code == OVER_BUDGET, Incident.day == local_day(at)
        )
        if session.scalar(known) is None:
            session.add(
                Incident(
                    id=uuid7(),
                    office_id=office_id,
                    code=OVER_BUDGET,
                    sentence="Đã hết hạn mức tin báo trong ngày: các tin còn lại chờ đến sáng mai.",
                    day=local_day(at),
                    owner_role=Role.DISPATCHER.value,
                    opened_at=at,
                )
            )
