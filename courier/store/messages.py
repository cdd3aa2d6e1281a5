"""The outbox: messages to citizens with the jobs that carry them, what was spent on them, and who wants none.

`post` writes a message and asks for its job in the caller's transaction, so neither is there without the other, and none
without the fact that it tells of. The number and the words are sealed; only the worker reads them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from courier.domain import notices
from courier.domain.item import EventType
from courier.domain.notices import Channel, Kind, State
from courier.settings import Secrets
from courier.store import sealing
from courier.store.jobs import Jobs
from courier.store.tables import (
    Item,
    Message,
    MessageBudget,
    MessageOptOut,
    MessageReceipt,
    Plan,
    Route,
    Stop,
    StopItem,
    plain,
)

TELL_JOB: Final = "tell-of-events"
"""The kind of job that decides who is told of events; its payload is {events: [ids]}."""
ANNOUNCE_JOB: Final = "announce-routes"
"""The kind of job that tells people that somebody comes; its payload is {plan}."""
CARRY_JOB: Final = "carry-messages"
"""The kind of job that carries messages; its payload is {messages: [ids]}."""
TOGETHER: Final = 40
"""As many messages are one job: what a killed worker may have to ask its provider again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message to be posted.

    `phone` is the national form (`0599000001`); `words` are what the templates of the kind need. Both are sealed.
    `dedupe_key` names the news: the same key again is the same message, and the provider is told so. Until
    `not_before` it waits (by the quiet hours: `notices.speaks_at`), after `expires_at` it is no news and is not sent.
    """

    kind: Kind
    phone: str
    dedupe_key: str
    not_before: datetime
    expires_at: datetime
    item_id: UUID | None = None
    office_id: UUID | None = None
    words: Mapping[str, Any] = field(default_factory=dict)
    lang: str = "vi"
    email: str | None = None


def tell(session: Session, jobs: Jobs, events: Sequence[tuple[UUID, EventType]]) -> None:
    """Have people told of events, decided by the worker: one job for an upload, none where nobody has to be told."""
    ids = [str(event_id) for event_id, kind in events if kind in notices.TELLING]
    if ids:
        jobs.enqueue(session, TELL_JOB, {"events": ids}, key=f"{TELL_JOB}:{ids[0]}")


def announce(session: Session, jobs: Jobs, plan_id: UUID) -> None:
    """Have people told that somebody comes on the day of a plan that is published now."""
    jobs.enqueue(session, ANNOUNCE_JOB, {"plan": str(plan_id)}, key=f"{ANNOUNCE_JOB}:{plan_id}")


def phone_index(phone: str, *, secrets: Secrets) -> str:
    """The keyed digest under which equal phones meet."""
    return sealing.blind_index(f"phone:{phone}", secrets=secrets)


def post(
    session: Session, jobs: Jobs, drafts: Draft | Sequence[Draft], *, secrets: Secrets, at: datetime
) -> list[UUID]:
    """Put messages into the outbox and ask for the jobs that carry them, within the caller's transaction.

    Returns the ids of those that were not there already. A one-time code is posted like anything else:

        messages.post(session, jobs, Draft(kind=Kind.ONE_TIME_CODE, phone=phone, item_id=item.id, office_id=item.office_id,
                      words={"code": "123456"}, dedupe_key=f"one_time_code:{request_id}", not_before=at,
                      expires_at=at + timedelta(minutes=5)), secrets=desk.settings.secrets, at=at)

    It goes at any hour and also to a phone that wants no messages; its code is sealed at once, erased when it was carried,
    and shown to nobody but, in a demonstration's dry run, on the page of messages.
    """
    drafts = [drafts] if isinstance(drafts, Draft) else drafts
    if not drafts:
        return []
    # A list may hold a key twice, and one statement may not touch a row twice.
    rows = list({row["id"]: row for row in (_row(draft, secrets=secrets, at=at) for draft in drafts)}.values())
    table = plain(Message)
    once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    new: set[UUID] = set()
    for part in _parts(rows, 500):
        new |= set(session.scalars(once(table).on_conflict_do_nothing().returning(table.c.id), part).all())
    waiting: dict[datetime, list[UUID]] = {}
    for row in rows:
        if row["id"] in new:
            waiting.setdefault(row["not_before"], []).append(row["id"])
    for not_before, ids in waiting.items():
        carry(session, jobs, ids, not_before=not_before, turn="first")
    return [row["id"] for row in rows if row["id"] in new]


def carry(session: Session, jobs: Jobs, ids: Sequence[UUID], *, not_before: datetime, turn: str) -> None:
    """Ask for the jobs that carry messages; `turn` tells the times apart that the same ones are carried."""
    for part in _parts(list(ids), TOGETHER):
        jobs.enqueue(
            session,
            CARRY_JOB,
            {"messages": [str(one) for one in part]},
            key=f"{CARRY_JOB}:{part[0]}:{turn}",
            not_before=not_before,
        )


def _row(draft: Draft, *, secrets: Secrets, at: datetime) -> dict[str, Any]:
    row_id = notices.message_id(draft.dedupe_key)
    inside = {"phone": draft.phone, "email": draft.email, "lang": draft.lang, "words": dict(draft.words)}
    return {
        "id": row_id,
        "dedupe_key": draft.dedupe_key,
        "kind": draft.kind.value,
        "item_id": draft.item_id,
        "office_id": draft.office_id,
        "to_index": phone_index(draft.phone, secrets=secrets),
        "to_masked": notices.masked_phone(draft.phone),
        "sealed": sealing.seal(orjson.dumps(inside).decode(), row=row_id, secrets=secrets),
        "state": State.QUEUED.value,
        "tried": [],
        "created_at": at,
        "not_before": draft.not_before,
        "expires_at": draft.expires_at,
        "attempts": 0,
        "segments": 0,
        "cost_dong": 0,
        "dry_run": False,
    }


def _parts(rows: list[Any], size: int) -> Iterable[list[Any]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What is sealed of a message."""

    phone: str
    email: str | None
    lang: str
    words: Mapping[str, Any]


def opened(row: Message, *, secrets: Secrets) -> Inside | None:
    """The number and the words of a message; None when they were erased."""
    if row.sealed is None:
        return None
    return Inside(**orjson.loads(sealing.unseal(row.sealed, row=row.id, secrets=secrets)))


# ------------------------------------------------------------------------------------------------------ carrying them
def queued(session: Session, ids: Collection[UUID], *, for_update: bool = False) -> list[Message]:
    """Those of the messages that are still to be carried, in one order."""
    query = select(Message).where(Message.id.in_(ids), Message.state == State.QUEUED.value).order_by(Message.id)
    return list(session.scalars(query.with_for_update() if for_update else query))


def on_a_route(session: Session, item_ids: Collection[UUID], *, day: date) -> frozenset[UUID]:
    """Those of the items that are on a route published for the day."""
    return frozenset(
        session.scalars(
            select(StopItem.item_id)
            .join(Stop, Stop.id == StopItem.stop_id)
            .join(Route, Route.id == Stop.route_id)
            .join(Plan, Plan.id == Route.plan_id)
            .where(StopItem.item_id.in_(item_ids), Plan.day == day, Plan.state == "published")
        )
    )


def announced(session: Session, office_id: UUID, *, since: datetime) -> list[Message]:
    """The announcements of an office posted since a moment that still count, oldest first."""
    return list(
        session.scalars(
            select(Message)
            .where(
                Message.office_id == office_id,
                Message.created_at >= since,
                Message.kind == Kind.ARRIVING_TODAY.value,
                Message.state.in_([State.QUEUED.value, State.SENT.value, State.DELIVERED.value]),
            )
            .order_by(Message.created_at, Message.id)
        )
    )


def supersede(session: Session, ids: Collection[UUID], *, code: str, at: datetime) -> None:
    """Take messages that were not carried yet out of the way of better ones."""
    for row in queued(session, ids, for_update=True):
        row.state, row.code, row.settled_at = State.SUPERSEDED.value, code, at


def want_none(session: Session, indices: Collection[str]) -> frozenset[str]:
    """Those of the phones that want no messages."""
    return frozenset(session.scalars(select(MessageOptOut.to_index).where(MessageOptOut.to_index.in_(indices))))


def restricted(session: Session, item_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the items whose recipients want their data used for nothing but the delivery itself."""
    return frozenset(session.scalars(select(Item.id).where(Item.id.in_(item_ids), Item.restricted_at.is_not(None))))


def reserve(
    session: Session, rules: notices.Rules, wanted: Sequence[tuple[Message, Channel, int]], *, day: date, at: datetime
) -> frozenset[UUID]:
    """Count messages in their channels' budgets of a day before they are sent; returns those that there is money for.

    `wanted` has each message with its channel and number of segments. Asked twice for the same day a message counts once,
    so work that is repeated costs nothing, and runners that work side by side cannot overspend together.
    """
    once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    granted: set[UUID] = set()
    for channel in sorted({channel for _, channel, _ in wanted}):
        session.execute(
            once(plain(MessageBudget))
            .values(channel=channel.value, day=day, messages=0, dong=0)
            .on_conflict_do_nothing()
        )
        budget = session.scalars(
            select(MessageBudget)
            .where(MessageBudget.channel == channel.value, MessageBudget.day == day)
            .with_for_update()
        ).one()
        rule, mark = rules.channels[channel], f"{channel}:{day}"
        for row, through, segments in wanted:
            if through is not channel:
                continue
            if row.reserved == mark:
                granted.add(row.id)
                continue
            cost = segments * rule.segment_dong
            if not notices.fits_budget(
                rule, Kind(row.kind), messages=budget.messages, dong=budget.dong, cost_dong=cost
            ):
                budget.stopped_at = budget.stopped_at or at
                continue
            budget.messages += 1
            budget.dong += cost
            session.execute(
                update(Message)
                .where(Message.id == row.id)
                .values(reserved=mark, segments=Message.segments + segments, cost_dong=Message.cost_dong + cost)
            )
            granted.add(row.id)
    return frozenset(granted)


def counts(session: Session, office_id: UUID | None) -> list[tuple[str, str, str | None, bool, int]]:
    """How many messages there are by state, kind, channel and dry run; of one office or of all."""
    query = (
        select(Message.state, Message.kind, Message.channel, Message.dry_run, func.count())
        .group_by(Message.state, Message.kind, Message.channel, Message.dry_run)
        .order_by(Message.state, Message.kind)
    )
    if office_id is not None:
        query = query.where(Message.office_id == office_id)
    return [(state, kind, channel, dry, number) for state, kind, channel, dry, number in session.execute(query)]


# ------------------------------------------------------------------------------------------------- what became of them
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one message: its new state; `queued` means that it waits until `not_before` for another turn.

    `tried` are channels given up on the way; `called` that a provider was asked.
    """

    id: UUID
    state: State
    code: str | None = None
    channel: Channel | None = None
    tried: tuple[tuple[Channel, str], ...] = ()
    called: bool = False
    not_before: datetime | None = None
    provider_id: str | None = None
    dry_run: bool = False


def settle(session: Session, jobs: Jobs, outcomes: Sequence[Outcome], *, turn: str, at: datetime) -> None:
    """Record what became of messages; those that are to be tried again get a job. What a receipt settled meanwhile stands."""
    by_id = {outcome.id: outcome for outcome in outcomes}
    waiting: dict[datetime, list[UUID]] = {}
    for row in queued(session, by_id, for_update=True):
        outcome = by_id[row.id]
        if outcome.tried:
            row.tried = [*row.tried, *({"channel": channel.value, "code": code} for channel, code in outcome.tried)]
        another = outcome.channel is not None and row.channel not in (None, outcome.channel.value)
        row.attempts = (0 if another or outcome.tried else row.attempts) + outcome.called
        row.channel = outcome.channel.value if outcome.channel is not None else row.channel
        row.state, row.code = outcome.state.value, outcome.code
        if outcome.state is State.SENT and any(one["channel"] == row.channel for one in row.tried):
            # The provider was quicker to say that it came to nothing than we to note that it had it.
            row.state = State.QUEUED.value
        if row.state == State.QUEUED:
            row.not_before = outcome.not_before or at
            waiting.setdefault(row.not_before, []).append(row.id)
            continue
        row.dry_run, row.provider_id = outcome.dry_run, outcome.provider_id
        if outcome.state is State.SENT:
            row.sent_at = at
        row.settled_at = at
        if row.kind == Kind.ONE_TIME_CODE and not outcome.dry_run:
            row.sealed = None
    for not_before, ids in waiting.items():
        carry(session, jobs, ids, not_before=not_before, turn=turn)


# ----------------------------------------------------------------------------------------- receipts, and who wants none
def take_receipt(session: Session, channel: Channel, digest: str, *, at: datetime) -> bool:
    """Note a receipt by its digest; False when it was taken in before."""
    once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    noted = once(plain(MessageReceipt)).values(channel=channel.value, digest=digest, at=at).on_conflict_do_nothing()
    return session.execute(noted.returning(plain(MessageReceipt).c.digest)).first() is not None


def arrived(session: Session, message_id: UUID, *, at: datetime) -> bool:
    """A provider says that a message reached its phone, whatever we knew of it; False for none of ours."""
    row = session.get(Message, message_id, with_for_update=True)
    if row is None:
        return False
    if row.state != State.DELIVERED:
        row.state, row.settled_at, row.code = State.DELIVERED.value, at, None
        row.sent_at = row.sent_at or at
    return True


def did_not_arrive(
    session: Session, jobs: Jobs, message_id: UUID, channel: Channel, *, code: str, turn: str, at: datetime
) -> bool:
    """A provider says that a message it had taken did not reach its phone: the next channel carries it; False for none of ours.

    What has arrived has arrived: a failure that comes after it is an old one. One that comes before we noted that the
    provider had the message counts when that is noted.
    """
    row = session.get(Message, message_id, with_for_update=True)
    if row is None:
        return False
    known = any(one["channel"] == channel.value for one in row.tried)
    if not known and row.state in (State.QUEUED, State.SENT):
        row.tried = [*row.tried, {"channel": channel.value, "code": code}]
        if row.state == State.SENT and row.channel == channel.value:
            row.state, row.code, row.attempts, row.not_before, row.settled_at = State.QUEUED.value, code, 0, at, None
            carry(session, jobs, [row.id], not_before=at, turn=turn)
    return True


def want_no_more(session: Session, index: str, *, said_by: str, at: datetime) -> None:
    """From now on a phone gets no messages but the codes that its bearer asks for."""
    once = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(once(plain(MessageOptOut)).values(to_index=index, at=at, said_by=said_by).on_conflict_do_nothing())


def want_again(session: Session, index: str) -> None:
    """A phone gets messages again."""
    session.execute(delete(MessageOptOut).where(MessageOptOut.to_index == index))


# -------------------------------------------------------------------------------------------------------- looking on
def opted_out(session: Session) -> int:
    """How many phones want none."""
    return session.scalar(select(func.count()).select_from(MessageOptOut)) or 0


def latest(session: Session, office_id: UUID | None, *, states: Collection[State] = (), limit: int) -> list[Message]:
    """The last messages of an office or of all, newest first."""
    query = select(Message).order_by(Message.created_at.desc(), Message.id.desc()).limit(limit)
    if office_id is not None:
        query = query.where(Message.office_id == office_id)
    if states:
        query = query.where(Message.state.in_([state.value for state in states]))
    return list(session.scalars(query))


def spent(session: Session, day: date) -> dict[str, tuple[int, int, bool]]:
    """What the channels were used for on a day: messages, dong, and whether some had to wait."""
    rows = session.scalars(select(MessageBudget).where(MessageBudget.day == day))
    return {row.channel: (row.messages, row.dong, row.stopped_at is not None) for row in rows}


def locked(session: Session, message_id: UUID) -> Message | None:
    """One message, for a change."""
    return session.get(Message, message_id, with_for_update=True)
