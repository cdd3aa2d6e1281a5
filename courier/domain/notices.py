"""Messages to citizens (tin báo): who is told what and when, by which channel, and what becomes of a message that fails.

No message names the kind of paper: its words come from `data/messages.json`, where there is no place for it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from courier.domain.calendar import at_local, local_day
from courier.domain.item import Direction, EventType
from courier.domain.item import State as ItemState

_NAMES: Final = UUID("6b1f6f2e-3c0e-5f0a-9d6e-3f2b8a4f5c11")


class Kind(StrEnum):
    """What a message says."""

    ARRIVING_TODAY = "arriving_today"
    MISSED = "missed"
    READY_TO_COLLECT = "ready_to_collect"
    DELIVERED = "delivered"
    RETURNED = "returned"
    ONE_TIME_CODE = "one_time_code"


class Channel(StrEnum):
    """What carries a message."""

    ZNS = "zns"
    SMS = "sms"
    EMAIL = "email"
    WEBHOOK = "webhook"


class State(StrEnum):
    """Where a message stands. `sent` is the provider's word, `delivered` a receipt's."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    DEAD = "dead"  # no channel could carry it
    EXPIRED = "expired"  # it came to nothing until it was no news any more
    SUPERSEDED = "superseded"  # another message says it better
    SUPPRESSED = "suppressed"  # the person wants none


OPEN: Final = frozenset({State.QUEUED})
AGAIN: Final = frozenset({State.DEAD, State.EXPIRED})
"""What a person may try once more."""
OPTED_OUT_BY: Final = ("reply", "page")


def message_id(dedupe_key: str) -> UUID:
    """The id of the message with this key, and so what a provider knows it by: the same news is the same message."""
    return uuid5(_NAMES, dedupe_key)


def masked_phone(phone: str) -> str:
    """A phone as it may be listed: its last two digits."""
    return "•" * max(0, len(phone) - 2) + phone[-2:]


# ---------------------------------------------------------------------------------------------------------- figures
@dataclass(frozen=True, slots=True, kw_only=True)
class KindRule:
    """How a kind of message travels. `lasts` is how long it is news; `late_after` how old a fact may be."""

    channels: tuple[Channel, ...]
    lasts: timedelta
    late_after: timedelta
    at_any_hour: bool = False
    to_anybody: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRule:
    """What a channel may cost: per segment, and at most so many messages and dong a day. `kept` (%) is for codes alone."""

    segment_dong: int
    day_messages: int
    day_dong: int
    kept_for_codes_percent: int
    most_segments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The figures of `data/messages.json`. Quiet hours are seconds from local midnight and go over it.

    Of Zalo's error numbers `zns_elsewhere` say that it does not reach the person, `zns_again` that it may later.
    """

    quiet_from: int
    quiet_to: int
    moved_after: timedelta
    first_wait: timedelta
    most_wait: timedelta
    most_attempts: int
    kinds: Mapping[Kind, KindRule]
    channels: Mapping[Channel, ChannelRule]
    zns_elsewhere: frozenset[int]
    zns_again: frozenset[int]


# ------------------------------------------------------------------------------------------------------------ when
def speaks_at(rules: Rules, kind: Kind, at: datetime) -> datetime:
    """The first moment from `at` on at which people may be disturbed with this kind."""
    if rules.kinds[kind].at_any_hour:
        return at
    day = local_day(at)
    since = (at - at_local(day, 0)).total_seconds()
    if since < rules.quiet_to:
        return at_local(day, rules.quiet_to)
    if since >= rules.quiet_from:
        return at_local(day + timedelta(days=1), rules.quiet_to)
    return at


def has_moved(rules: Rules, told: datetime, now: datetime) -> bool:
    """Whether a window moved so far that whoever was told must be told again."""
    return abs(now - told) > rules.moved_after


def retry_at(
    rules: Rules, *, attempts: int, at: datetime, seed: UUID, asked_for: timedelta | None = None
) -> datetime | None:
    """When to try a channel again after so many calls, None when it is enough. The same message waits the same time.

    It doubles from the first wait on, less up to a fifth so that what failed together does not come back together. A
    provider that says how long to wait is given that time.
    """
    if attempts >= rules.most_attempts:
        return None
    wait: timedelta = min(rules.first_wait * 2 ** (attempts - 1), rules.most_wait)
    drawn = hashlib.sha256(seed.bytes + attempts.to_bytes(2, "big")).digest()[0] / 255
    wait -= wait * 0.2 * drawn
    return at + max(wait, asked_for or timedelta())


# ------------------------------------------------------------------------------------------------------------ what
_OF_EVENT: Final[Mapping[tuple[Direction, EventType], Kind]] = {
    (Direction.RESULT, EventType.HANDED_OVER): Kind.DELIVERED,
    (Direction.RESULT, EventType.PICKED_UP): Kind.DELIVERED,
    (Direction.RESULT, EventType.ATTEMPT_FAILED): Kind.MISSED,
    (Direction.SUBMISSION, EventType.ATTEMPT_FAILED): Kind.MISSED,
    (Direction.RESULT, EventType.INVITED): Kind.READY_TO_COLLECT,
    (Direction.RESULT, EventType.ARRIVED): Kind.READY_TO_COLLECT,
    (Direction.RESULT, EventType.AGENCY_SIGNED): Kind.RETURNED,
}
TELLING: Final = frozenset(event for _, event in _OF_EVENT)
"""Events that somebody may have to be told of; of those of an item only the last is news."""
_FITS: Final[Mapping[Kind, frozenset[ItemState]]] = {
    Kind.DELIVERED: frozenset({ItemState.DELIVERED, ItemState.PICKED_UP}),
    Kind.MISSED: frozenset({ItemState.ATTEMPTED, ItemState.HELD, ItemState.REQUESTED, ItemState.PLANNED}),
    Kind.READY_TO_COLLECT: frozenset({ItemState.AWAITING_PICKUP}),
    Kind.RETURNED: frozenset({ItemState.RETURNED}),
}


def kind_for(
    event: EventType,
    *,
    direction: Direction,
    state: ItemState,
    is_withdrawn: bool,
    is_latest: bool,
    reason_then: str | None,
) -> Kind | None:
    """What the recipient of an item is told of an event, None for nothing.

    Nothing where the event was withdrawn or its item is elsewhere by now, where a later attempt followed, and where the
    reason of a failed attempt is such that nobody will come again (`reason_then` is what the attempt rules say of it):
    of a death, a refusal or a lost paper a person speaks, not a machine.
    """
    kind = _OF_EVENT.get((direction, event))
    if kind is None or is_withdrawn or not is_latest or state not in _FITS[kind]:
        return None
    if kind is Kind.MISSED and reason_then not in ("retry", "review_address"):
        return None
    return kind


def still_holds(kind: Kind, *, state: ItemState, is_on_a_route: bool) -> bool:
    """Whether a message that waited is still true of its item; `is_on_a_route`: a stop of today's published plan."""
    if kind is Kind.ARRIVING_TODAY:
        return is_on_a_route and state in (ItemState.PLANNED, ItemState.OUT)
    return kind not in _FITS or state in _FITS[kind]


def is_news(rules: Rules, kind: Kind, *, occurred_at: datetime, at: datetime) -> bool:
    """Whether something that happened then is still worth telling."""
    return at - occurred_at <= rules.kinds[kind].late_after


def event_key(kind: Kind, event_id: UUID, to_index: str) -> str:
    """One message for one act and one phone, however many items it was about."""
    return f"{kind}:{event_id}:{to_index[:16]}"


def arrival_key(plan_id: UUID, first_item: UUID, to_index: str) -> str:
    """One message for one call of a plan."""
    return f"{Kind.ARRIVING_TODAY}:{plan_id}:{first_item}:{to_index[:16]}"


# --------------------------------------------------------------------------------------------------------- by what
def next_channel(rules: Rules, kind: Kind, *, tried: Sequence[Channel], can_carry: Iterable[Channel]) -> Channel | None:
    """The first channel in the order of the kind that was not tried and can carry it, None when there is none left."""
    able = frozenset(can_carry)
    return next((c for c in rules.kinds[kind].channels if c in able and c not in tried), None)


def fits_budget(rule: ChannelRule, kind: Kind, *, messages: int, dong: int, cost_dong: int) -> bool:
    """Whether one more message may be sent on a day on which so much was. A part is kept for codes: nobody gets in without."""
    share = 100 if kind is Kind.ONE_TIME_CODE else 100 - rule.kept_for_codes_percent
    return (messages + 1) * 100 <= rule.day_messages * share and (dong + cost_dong) * 100 <= rule.day_dong * share
