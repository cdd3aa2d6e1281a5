"""What a day's planning looks at: which items may go out on a day, and which of them are one call at one door."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias
from uuid import UUID

from courier.domain.item import Direction, EventType, State
from courier.domain.text import fold

Seconds: TypeAlias = int
"""Seconds from local midnight, or a number of them."""

# How long a call takes. Our own estimate, until enough handovers have been timed.
# Once per door: stop, find the house, call out; longer the less is known of where it is.
SETUP_SECONDS: Final[Mapping[str, int]] = {
    "doorstep": 90,
    "handover": 90,
    "pin": 120,
    "plus_code": 120,
    "landmark": 180,
    "hamlet": 180,
    "commune": 240,
    "unknown": 240,
}
HANDOVER_SECONDS: Final = 120  # per item: who receives, signature or photo
MONEY_SECONDS: Final = 60  # per item with money: count it, write the receipt
FETCH_SECONDS: Final = 600  # per dossier fetched: count its papers against the list, seal it

# A point is rounded to this many decimals (about a metre) before two items count as one house.
_DECIMALS: Final = 5

WAITING_STATES: Final = (State.RECEIVED, State.HELD, State.REQUESTED, State.PLANNED)
"""States in which an item of the office can be planned, or planned anew."""

ADDRESS_DOUBTFUL: Final = "address_doubtful"
HELD: Final = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An item as planning sees it. `holder` is the postman who has it in his bag today, `advice` the attempt rule's."""

    id: UUID
    direction: Direction
    commune_code: str | None
    lat: float | None
    lon: float | None
    address: str
    phone: str | None
    recipient: str = ""
    precision: str = "unknown"
    due_dong: int = 0
    priority: int = 50
    deliver_by: date | None = None
    wanted_on: date | None = None
    wanted_from: Seconds | None = None
    wanted_to: Seconds | None = None
    not_before: date | None = None
    held_until: date | None = None
    marks: tuple[str, ...] = ()
    advice: str = "try"
    holder: UUID | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why an item is on no route: a code of the plan's `unplanned` list and a sentence for the dispatcher."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One call at one door (điểm phát). Several items of one household with the same window are one call.

    `loads` items come along from the office, `fetches` come back; `due_dong` is taken in cash at the most. Calls with the
    same `household` are at one door: who goes from one to the next need not find it again.
    """

    items: tuple[UUID, ...]
    household: tuple[object, ...]
    lat: float
    lon: float
    commune_code: str
    window: tuple[Seconds, Seconds] | None
    priority: int
    setup_seconds: int
    service_seconds: int
    loads: int
    fetches: int
    due_dong: int
    holder: UUID | None


# Kinds of places and their short forms: who leaves them out means the same house.
_KINDS: Final = frozenset(
    {"ap", "khom", "xa", "phuong", "p", "x", "huyen", "h", "tinh", "t", "thi", "tran", "tt", "tp", "so", "nha"}
)


def house_words(address: str) -> tuple[str, ...]:
    """The words that two ways of writing one house share: order, marks, punctuation and kinds of places left aside."""
    return tuple(sorted(set(re.findall(r"[a-z0-9]+", fold(address))) - _KINDS))


def is_one_household(one: tuple[str, str | None], other: tuple[str, str | None]) -> bool:
    """Whether two (address, phone) are one household: the same text, or the same house and phone."""
    same_text = fold(one[0]) == fold(other[0])
    return same_text or (one[1] is not None and one[1] == other[1] and house_words(one[0]) == house_words(other[0]))


def left_out(item: Waiting, day: date) -> LeftOut | None:
    """Why the item stays in the office on that day; None when it may go out. What is in a bag is never left out."""
    if item.holder is not None:
        return None
    for mark in item.marks:
        return LeftOut(HELD, f"Bưu gửi đang có sự cố: {_MARKS.get(mark, mark)}.")
    if item.lat is None or item.lon is None or item.commune_code is None:
        return LeftOut(ADDRESS_DOUBTFUL, "Chưa rõ địa chỉ thuộc xã nào; điều phối chọn trên bản đồ.")
    if item.wanted_on is not None and item.wanted_on > day:
        return LeftOut(HELD, f"Người dân hẹn ngày {item.wanted_on:%d/%m/%Y}.")
    if item.held_until is not None and item.held_until < day:
        return LeftOut(HELD, f"Đã hết hạn lưu giữ ngày {item.held_until:%d/%m/%Y}; chờ chuyển hoàn.")
    if item.wanted_on == day:
        return None if item.advice in ("try", "invite") else _by_advice(item.advice)
    if item.not_before is not None and item.not_before > day:
        return LeftOut(HELD, f"Lượt phát sau không sớm hơn ngày {item.not_before:%d/%m/%Y}.")
    return None if item.advice == "try" else _by_advice(item.advice)


_MARKS: Final[Mapping[str, str]] = {
    EventType.LOST: "thất lạc",
    EventType.DAMAGED: "hư hỏng",
    EventType.RECALLED: "cơ quan thu hồi",
}


def _by_advice(advice: str) -> LeftOut:
    if advice == "review_address":
        return LeftOut(ADDRESS_DOUBTFUL, "Lượt phát trước báo sai địa chỉ; điều phối kiểm tra rồi phát lại.")
    if advice == "invite":
        return LeftOut(HELD, "Đã phát đủ số lượt; mời người dân đến bưu cục nhận.")
    if advice == "return_now":
        return LeftOut(HELD, "Người dân từ chối nhận hoặc không nhận được; chờ chuyển hoàn.")
    return LeftOut(HELD, "Lượt phát trước có sự cố; chờ xử lý.")


def urgency(item: Waiting, day: date) -> int:
    """0 to 100. The optimiser weighs sums: a promise or a deadline that ends is worth twenty ordinary calls."""
    if item.wanted_on == day:
        return 100
    weight = round(item.priority / 10)
    if item.deliver_by is not None:
        weight = max(weight, _DEADLINE.get(max(0, (item.deliver_by - day).days), 0))
    return weight


# Days left until the legal deadline. With three, two attempts still fit.
_DEADLINE: Final = {0: 95, 1: 50, 2: 30, 3: 20}


def window_on(item: Waiting, day: date) -> tuple[Seconds, Seconds] | None:
    """The window that was promised for that day."""
    if item.wanted_on != day or item.wanted_from is None or item.wanted_to is None:
        return None
    return (item.wanted_from, item.wanted_to)


def doors(items: Iterable[Waiting], day: date) -> list[Door]:
    """Gather items with a point into calls: same house, phone, window and bag. The order is that of the first item."""
    households: dict[tuple[object, ...], list[Waiting]] = {}
    for item in items:
        if item.lat is None or item.lon is None:
            raise ValueError(f"item {item.id} has no point")
        key = (_household(item), window_on(item, day), item.holder)
        households.setdefault(key, []).append(item)
    return [door(members, day) for members in households.values()]


def _household(item: Waiting) -> tuple[object, ...]:
    point = (round(item.lat or 0.0, _DECIMALS), round(item.lon or 0.0, _DECIMALS))
    # Without a phone the name stands for the household: "ấp 3, xã U Minh" is many houses.
    return (*point, fold(item.address), item.phone or fold(item.recipient))


def door(members: Sequence[Waiting], day: date) -> Door:
    """The call at one door that these items are, as they come; the first says where and when."""
    first = members[0]
    fetched = [item for item in members if item.direction is Direction.SUBMISSION]
    handed = [item for item in members if item.direction is Direction.RESULT]
    return Door(
        items=tuple(item.id for item in members),
        household=_household(first),
        lat=first.lat or 0.0,
        lon=first.lon or 0.0,
        commune_code=first.commune_code or "",
        window=window_on(first, day),
        priority=max(urgency(item, day) for item in members),
        setup_seconds=min(SETUP_SECONDS[item.precision] for item in members),
        service_seconds=HANDOVER_SECONDS * len(handed)
        + FETCH_SECONDS * len(fetched)
        + MONEY_SECONDS * sum(item.due_dong > 0 for item in members),
        loads=len(handed),
        fetches=len(fetched),
        due_dong=sum(max(0, item.due_dong) for item in members),
        holder=first.holder,
    )
