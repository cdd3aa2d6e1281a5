"""What a phone or a desk says happened: reading a reported act, and estimating when it was.

A report that cannot be read is set aside whole (`Unreadable`), never half-understood.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from courier.domain.calendar import ZONE
from courier.domain.item import EventType
from courier.domain.money import MOST_DONG, Method

FROM_A_PHONE: Final = frozenset(
    {
        EventType.TAKEN_OUT,
        EventType.BROUGHT_BACK,
        EventType.HANDED_OVER,
        EventType.ATTEMPT_FAILED,
        EventType.FETCHED,
        EventType.PASSED_ON,
        EventType.TAKEN_OVER,
        EventType.CORRECTED,
    }
)


class ShiftType(StrEnum):
    """What a postman tells of his way: it is kept beside the items' lives and changes none of them."""

    NOTED = "noted"
    PINNED = "pinned"
    REORDERED = "reordered"
    BROKE_DOWN = "broke_down"
    WISHED = "wished"


_TOLD: Final = FROM_A_PHONE | frozenset(ShiftType)
WISHES_AT_A_DOOR: Final = ("reschedule", "pick_up", "authorise", "instruct")
HALVES: Final = ("morning", "afternoon")
RECIPIENT_CODE: Final = "recipient_code"
ID_CHECKS: Final = ("match", "mismatch", "none")
MOST_ITEMS = 200
MOST_LINES = 200
LONGEST_TEXT = 500
_MOST_SEQ = 2**31 - 1
_MOST_NUMBER = 2**53  # what JSON's numbers are sure to carry
_DEEPEST = 32
_NOWHERE_KEPT = re.compile("[\0\ud800-\udfff]")  # NUL, and halves of a pair that stand alone
# No act is older than the service: a clock that says so lost its time with its battery.
_FIRST_DAY = datetime(2025, 7, 1, tzinfo=ZONE)


class Unreadable(Exception):
    """A reported act that cannot be understood; `code` names the field."""

    def __init__(self, field: str, found: object) -> None:
        super().__init__(f"{field}: {str(found)[:80]!r}")
        self.code = f"unreadable-{field}"


@dataclass(frozen=True, slots=True)
class Act:
    """A report that could be read. `claimed_at` is the device's word, `trusted` says whether its clock can be relied on."""

    event_id: UUID
    device_seq: int | None
    type: EventType | ShiftType
    items: tuple[UUID, ...]
    claimed_at: datetime
    occurred_at: datetime
    trusted: bool
    position: Mapping[str, Any] | None
    data: Mapping[str, Any]


def read_act(body: Mapping[str, Any], *, received_at: datetime) -> Act:
    """Read one event of `POST /sync`.

    Raises:
        Unreadable: a field is missing or makes no sense.
    """
    kind = _type_of(body)
    items = body.get("items")
    least = 0 if kind in (ShiftType.REORDERED, ShiftType.BROKE_DOWN) else 1
    if not isinstance(items, list) or not least <= len(items) <= MOST_ITEMS or len(set(map(str, items))) != len(items):
        raise Unreadable("items", items)
    claimed = _moment(body.get("occurred_at"), "occurred_at")
    occurred, trusted = estimate(claimed, body.get("clock"), received_at=received_at)
    position = body.get("position")
    if position is not None and not (isinstance(position, dict) and _can_be_kept(position)):
        raise Unreadable("position", position)
    seq = body.get("device_seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq <= _MOST_SEQ:
        raise Unreadable("device_seq", seq)
    data = body.get("data", {})
    if not isinstance(data, dict):
        raise Unreadable("data", data)
    return Act(
        event_id=_uuid(body.get("event_id"), "event_id"),
        device_seq=seq,
        type=kind,
        items=tuple(_uuid(item, "items") for item in items),
        claimed_at=claimed,
        occurred_at=occurred,
        trusted=trusted,
        position=position,
        data=_shift_data(kind, data) if isinstance(kind, ShiftType) else read_data(kind, data),
    )


def _shift_data(kind: ShiftType, data: Mapping[str, Any]) -> dict[str, Any]:
    """Only what is known of the type is kept."""
    if too_deep(data) or not _can_be_kept(data):
        raise Unreadable("data", type(data))
    if kind is ShiftType.NOTED:
        return {"text": _text(data.get("text"), "text")}
    if kind is ShiftType.PINNED:
        return {
            "lat": _between(data.get("lat"), "lat", -90, 90),
            "lon": _between(data.get("lon"), "lon", -180, 180),
            "accuracy_m": _between(data.get("accuracy_m"), "accuracy_m", 0, 1_000_000),
        }
    if kind is ShiftType.WISHED:
        return read_wish(data)
    if kind is ShiftType.REORDERED:
        stops = [str(_uuid(stop, "stops")) for stop in _list(data, "stops")]
        return {
            "stops": stops,
            "extra_seconds": int(_between(data.get("extra_seconds", 0), "extra_seconds", -86_400, 86_400)),
        }
    if not isinstance(data.get("can_go_on"), bool):
        raise Unreadable("can_go_on", data.get("can_go_on"))
    return {"text": _text(data.get("text"), "text"), "can_go_on": data["can_go_on"]}


def read_wish(data: Mapping[str, Any]) -> dict[str, Any]:
    """Read what somebody wished at a door, to be answered by the office; only what belongs to the kind is kept.

    Raises:
        Unreadable: the kind is none of ours, or what it needs is missing.
    """
    kind = data.get("kind")
    if kind not in WISHES_AT_A_DOOR:
        raise Unreadable("kind", kind)
    read: dict[str, Any] = {"kind": kind}
    if kind == "reschedule":
        read["day"] = _day(data.get("day"), "day").isoformat()
        if data.get("half") is not None:
            if data["half"] not in HALVES:
                raise Unreadable("half", data["half"])
            read["half"] = data["half"]
    elif kind == "authorise":
        read["person"] = _text(data.get("person"), "person")
    elif kind == "pick_up":
        if data.get("office") is not None:
            read["office"] = str(_uuid(data["office"], "office"))
    else:
        read |= {part: _text(data[part], part) for part in ("text", "landmark") if data.get(part) is not None}
        if data.get("call_first"):
            read["call_first"] = True
        if len(read) == 1:
            raise Unreadable("text", data.get("text"))
    return read


def read_data(kind: EventType, data: Mapping[str, Any]) -> dict[str, Any]:
    """Read the data of an act by its type; what the type does not know is kept as it came.

    Raises:
        Unreadable: a field that matters makes no sense.
    """
    if too_deep(data) or not _can_be_kept(data):
        raise Unreadable("data", type(data))
    read = dict(data)
    if kind in (EventType.HANDED_OVER, EventType.FETCHED, EventType.PICKED_UP):
        read["collections"] = [_collection(line) for line in _list(data, "collections")]
        if data.get("receipt") is not None:
            # The number of the temporary receipt that the phone gave out.
            read["receipt"] = _text(data["receipt"], "receipt")
    if kind in (EventType.HANDED_OVER, EventType.FETCHED, EventType.PICKED_UP) or "proofs" in data:
        read["proofs"] = [_proof(proof) for proof in _list(data, "proofs")]
    if kind in (EventType.HANDED_OVER, EventType.PICKED_UP):
        read["receiver"] = _receiver(data.get("receiver"))
        read["surrendered"] = [_text(code, "surrendered") for code in _list(data, "surrendered")]
    if kind is EventType.ATTEMPT_FAILED:
        read["reason"] = _text(data.get("reason"), "reason")
        if data.get("next_on") is not None:
            read["next_on"] = _day(data["next_on"], "next_on").isoformat()
    if kind is EventType.CORRECTED:
        read["corrects"] = str(_uuid(data.get("corrects"), "corrects"))
        read["reason"] = _text(data.get("reason"), "reason")
    return read


def estimate(claimed: datetime, clock: object, *, received_at: datetime) -> tuple[datetime, bool]:
    """The best estimate of the moment of an act, and whether it can be relied on.

    The anchor is a server time seen during the same run of the phone; the monotonic clock tells what has passed since. Without
    it the phone's wall clock must do, and is not trusted. Nothing happens after the server has heard of it, and what is
    said to have happened before the service began happened at an unknown moment: it counts from when it was heard of.
    """
    estimated, trusted = claimed, False
    if isinstance(clock, Mapping) and isinstance(clock.get("anchor"), Mapping):
        anchor = clock["anchor"]
        now_ms, then_ms = clock.get("monotonic_ms"), anchor.get("monotonic_ms")
        same_run = clock.get("boot_id") is not None and anchor.get("boot_id", clock.get("boot_id")) == clock.get(
            "boot_id"
        )
        if same_run and _number(now_ms) and _number(then_ms) and now_ms >= then_ms:
            try:
                anchored = _moment(anchor.get("server_time"), "clock") + timedelta(milliseconds=now_ms - then_ms)
            except (OverflowError, Unreadable):
                anchored = claimed
            else:
                trusted = anchored <= received_at + timedelta(minutes=1)
            estimated = anchored
    if estimated < _FIRST_DAY:
        return received_at, False
    return min(estimated, received_at), trusted


def too_deep(value: object) -> bool:
    """True when a JSON value is nested deeper than any event of ours; asked before anything else walks through it."""
    layer = [value]
    for _ in range(_DEEPEST):
        if not layer:
            return False
        inner: list[object] = []
        for part in layer:
            if isinstance(part, Mapping):
                inner += part.values()
            elif isinstance(part, list):
                inner += part
        layer = inner
    return bool(layer)


def printable(text: str) -> str:
    """The text with a question mark for every letter that a database or a log cannot hold."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() and not _half(letter) else "?" for letter in text)


def _half(letter: str) -> bool:
    return 0xD800 <= ord(letter) <= 0xDFFF


def _can_be_kept(value: object) -> bool:
    """True when both databases hold the value and give it back as it is."""
    if isinstance(value, Mapping):
        return all(_can_be_kept(key) and _can_be_kept(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_can_be_kept, value))
    if isinstance(value, str):
        return _NOWHERE_KEPT.search(value) is None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return abs(value) <= _MOST_NUMBER
    return True


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST_NUMBER


def _list(data: Mapping[str, Any], field: str) -> list[Any]:
    value = data.get(field, [])
    if not isinstance(value, list) or len(value) > MOST_LINES:
        raise Unreadable(field, value)
    return value


def _text(value: object, field: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT:
        raise Unreadable(field, value)
    return value.strip()


def _type_of(body: Mapping[str, Any]) -> EventType | ShiftType:
    value = body.get("type")
    if not isinstance(value, str) or value not in _TOLD:
        raise Unreadable("type", value)
    return ShiftType(value) if value in set(ShiftType) else EventType(value)


def _between(value: object, field: str, least: float, most: float) -> float:
    # A comparison with NaN is never true.
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise Unreadable(field, value)
    return value


def _uuid(value: object, field: str) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise Unreadable(field, value) from None


def _moment(value: object, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise Unreadable(field, value) from None
    # A phone that lost its time wakes up in 1970: that is known to be wrong, not impossible to read.
    if moment.tzinfo is None or not 1969 <= moment.year <= 2200:
        raise Unreadable(field, value)
    return moment


def _day(value: object, field: str) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise Unreadable(field, value) from None


def _collection(line: object) -> dict[str, Any]:
    if not isinstance(line, Mapping):
        raise Unreadable("collections", line)
    amount = line.get("amount_dong")
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 <= amount <= MOST_DONG:
        raise Unreadable("amount_dong", amount)
    if line.get("method") not in set(Method):
        raise Unreadable("method", line.get("method"))
    return {
        "charge": str(_uuid(line.get("charge"), "charge")),
        "amount_dong": amount,
        "method": str(line["method"]),
    }


def _proof(proof: object) -> dict[str, Any]:
    if not isinstance(proof, Mapping):
        raise Unreadable("proofs", proof)
    sha256 = proof.get("sha256")
    hexadecimal = isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
    if sha256 is not None and not hexadecimal:
        raise Unreadable("sha256", sha256)
    read = {"kind": _text(proof.get("kind"), "proofs"), "sha256": sha256}
    if read["kind"] == RECIPIENT_CODE:
        read["value"] = _text(proof.get("value"), "recipient_code")
    return read


def _receiver(receiver: object) -> dict[str, Any]:
    if not isinstance(receiver, Mapping):
        raise Unreadable("receiver", receiver)
    last4 = receiver.get("id_last4")
    if last4 is not None and not (isinstance(last4, str) and len(last4) == 4 and last4.isascii() and last4.isdecimal()):
        raise Unreadable("id_last4", last4)
    if receiver.get("id_check", "none") not in ID_CHECKS:
        raise Unreadable("id_check", receiver.get("id_check"))
    # Whatever else a phone may send of a person (a full ID number, say) is not kept.
    return {
        "name": _text(receiver.get("name"), "receiver"),
        "relation": _text(receiver.get("relation"), "relation"),
        "id_check": receiver.get("id_check", "none"),
        "id_last4": last4,
    }
