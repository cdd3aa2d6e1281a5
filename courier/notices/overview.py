"""The desk of messages: how many there are and where they stand, what was spent, and once more what came to nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain import notices
from courier.domain.calendar import local_day
from courier.domain.errors import Forbidden, Missing, Refused
from courier.domain.notices import Channel, Kind, State
from courier.domain.people import Caller, Role
from courier.domain.wording import Unsayable, say
from courier.store import messages
from courier.store.tables import Message

MOST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """So many messages of one kind stand there."""

    state: State
    kind: Kind
    channel: Channel | None
    dry_run: bool
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a channel was used for today, and what it may be used for. `stopped`: some wait for tomorrow."""

    channel: Channel
    dry_run: bool
    messages: int
    dong: int
    rule: notices.ChannelRule
    stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A message as it is listed. `text` only in a demonstration's dry run: nobody else reads over a citizen's shoulder."""

    row: Message
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The page of messages. `dry_run` is true while no channel is connected: then nobody is told of anything."""

    dry_run: bool
    counts: Sequence[Count]
    spent: Sequence[Spent]
    lines: Sequence[Line]
    opted_out: int | None


def is_dry_run(desk: Desk) -> bool:
    """True while no channel is connected."""
    return all(carrier.dry_run for carrier in desk.carriers.values())


def overview(desk: Desk, caller: Caller, *, states: Sequence[State] = (), limit: int = 50, at: datetime) -> Overview:
    """Messages of the caller's office; an admin sees all, and how many phones want none.

    Raises:
        Forbidden: the caller is neither dispatcher nor admin.
    """
    office_id = _office(caller)
    dry_run = is_dry_run(desk)
    with desk.database.read() as session:
        used = messages.spent(session, local_day(at))
        return Overview(
            dry_run=dry_run,
            counts=[
                Count(
                    state=State(state),
                    kind=Kind(kind),
                    channel=Channel(channel) if channel else None,
                    dry_run=dry,
                    number=number,
                )
                for state, kind, channel, dry, number in messages.counts(session, office_id)
            ],
            spent=[
                Spent(
                    channel=channel,
                    dry_run=carrier.dry_run,
                    messages=used.get(channel.value, (0, 0, False))[0],
                    dong=used.get(channel.value, (0, 0, False))[1],
                    stopped=used.get(channel.value, (0, 0, False))[2],
                    rule=desk.facts.notices.channels[channel],
                )
                for channel, carrier in desk.carriers.items()
            ],
            lines=[
                Line(row=row, text=_text(desk, row) if desk.settings.demo and dry_run else None)
                for row in messages.latest(session, office_id, states=states, limit=min(limit, MOST))
            ],
            opted_out=messages.opted_out(session) if caller.role is Role.ADMIN else None,
        )


def by_state(counts: Sequence[Count]) -> Mapping[State, int]:
    """How many messages stand where, every state named."""
    return {state: sum(one.number for one in counts if one.state is state) for state in State}


def _office(caller: Caller) -> UUID | None:
    if caller.role not in (Role.DISPATCHER, Role.ADMIN):
        raise Forbidden("Messages are for dispatchers and admins.")
    return caller.office_id


def _text(desk: Desk, row: Message) -> str | None:
    inside = messages.opened(row, secrets=desk.settings.secrets)
    if inside is None or row.channel is None:
        return None
    channel = Channel(row.channel)
    try:
        return say(
            desk.facts.wording[Kind(row.kind)],
            inside.words,
            channel=channel,
            lang=inside.lang,
            link="…" if row.item_id else None,
            segments=desk.facts.notices.channels[channel].most_segments,
        )
    except Unsayable:
        return None


def once_more(desk: Desk, caller: Caller, message_id: UUID, *, at: datetime) -> Message:
    """Try a message again that came to nothing, through every channel from the first on, with as much time as it had.

    Raises:
        Missing: it is not there, or not of the caller's office.
        Forbidden: as in `overview`.
        Refused: `not-dead`, or `erased` where its number is gone, or `no-news` for a code.
    """
    office_id = _office(caller)
    with desk.database.write() as session:
        row = messages.locked(session, message_id)
        if row is None or (office_id is not None and row.office_id != office_id):
            raise Missing("message", message_id)
        if row.state not in notices.AGAIN:
            raise Refused("not-dead", "Chỉ gửi lại tin đã hỏng hoặc quá hạn.")
        if row.sealed is None:
            raise Refused("erased", "Số điện thoại của tin này đã được xóa.")
        if row.kind == Kind.ONE_TIME_CODE:
            raise Refused("no-news", "Mã xác nhận chỉ dùng một lần; người dân xin mã mới.")
        goes = notices.speaks_at(desk.facts.notices, Kind(row.kind), at)
        row.state, row.code, row.tried, row.attempts = State.QUEUED.value, None, [], 0
        row.channel, row.settled_at = None, None
        row.not_before, row.expires_at = goes, goes + desk.facts.notices.kinds[Kind(row.kind)].lasts
        messages.carry(session, desk.jobs, [row.id], not_before=goes, turn=str(uuid7()))
        return row
