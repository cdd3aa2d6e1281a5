"""Telling an agency what became of its items (webhooks): which facts are told, what stands in a notice, when it is tried again.

A notice follows Standard Webhooks (standardwebhooks.com): `webhook-id`, `webhook-timestamp`, `webhook-signature`. It names an item by
barcode and dossier code; no name, phone, address or kind of paper ever stands in one.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from courier.domain.item import Direction, EventType

PREFIX: Final = "whsec_"
PING: Final = "ping"
CORRECTED: Final = "item.corrected"
REMITTED: Final = "money.remitted"

_TOLD: Final[Mapping[EventType, str]] = MappingProxyType(
    {
        EventType.RECEIVED: "item.received",
        EventType.TAKEN_OUT: "item.out",
        EventType.SET_OUT: "item.out",
        EventType.HANDED_OVER: "item.delivered",
        EventType.PICKED_UP: "item.picked_up",
        EventType.ATTEMPT_FAILED: "item.attempt_failed",
        EventType.BROUGHT_BACK: "item.held",
        EventType.SENT_ON: "item.forwarded",
        EventType.ARRIVED: "item.awaiting_pickup",
        EventType.INVITED: "item.awaiting_pickup",
        EventType.GIVEN_BACK: "item.returning",
        EventType.FETCHED: "item.fetched",
        EventType.BROUGHT_IN: "item.at_office",
        EventType.CANCELLED: "item.cancelled",
        EventType.LOST: "item.lost",
        EventType.DAMAGED: "item.damaged",
        EventType.RECALLED: "item.recalled",
        EventType.FOUND: "item.found",
    }
)
TYPES: Final = (*dict.fromkeys(_TOLD.values()), "item.returned", "item.lodged", CORRECTED, REMITTED)
"""Every type of notice that an agency may ask for; `ping` comes when it is asked for."""


@dataclass(frozen=True, slots=True)
class Money:
    """What was taken for one payee, by method; whole dong."""

    payee: str
    cash_dong: int
    bank_qr_dong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One fact about one item as its agency is told of it. `state` is the item's after the fact.

    Of the dossier the code is told; who does not have it at hand gives the id.
    """

    type: str
    agency_id: UUID
    item_id: UUID
    barcode: str
    direction: str
    state: str
    attempts: int
    occurred_at: datetime
    dossier_id: UUID | None = None
    dossier_code: str | None = None
    event_id: UUID | None = None
    reason: str | None = None
    next_on: date | None = None
    money: Sequence[Money] = ()


def type_of(kind: EventType, direction: Direction, *, conflict: bool, changed: bool) -> str | None:
    """The type of notice for a recorded event; None where there is nothing to tell.

    A fact that the item's life has no place for is not announced as if it were one. Where it, or a correction, has changed
    the state all the same, that is told.
    """
    if conflict or kind is EventType.CORRECTED:
        return CORRECTED if changed else None
    if kind is EventType.AGENCY_SIGNED:
        return "item.lodged" if direction is Direction.SUBMISSION else "item.returned"
    if kind is EventType.BROUGHT_BACK and direction is Direction.SUBMISSION:
        return "item.at_office"  # a phone has one word for both
    return _TOLD.get(kind)


def body_of(notice: Notice, *, dossier_code: str | None, at: datetime) -> dict[str, Any]:
    """What is sent; the moments are written in UTC."""
    return {
        "type": notice.type,
        "timestamp": notice.occurred_at,
        "data": {
            "item": notice.item_id,
            "barcode": notice.barcode,
            "dossier_code": dossier_code,
            "direction": notice.direction,
            "state": notice.state,
            "attempts": notice.attempts,
            "event": notice.event_id,
            "occurred_at": notice.occurred_at,
            "recorded_at": at,
            "reason": notice.reason,
            "next_on": notice.next_on,
            "money": [
                {"payee": one.payee, "cash_dong": one.cash_dong, "bank_qr_dong": one.bank_qr_dong}
                for one in notice.money
            ],
        },
    }


# ------------------------------------------------------------------------------------------------------- signatures
def secret_text(secret: bytes) -> str:
    """A secret as the agency keeps it."""
    return PREFIX + base64.b64encode(secret).decode()


def sign(secrets: Sequence[bytes], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature for every secret that holds, the newest first."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.new(secret, signed, sha256).digest()).decode() for secret in secrets)


def webhook_id(notice_id: UUID) -> str:
    """The `webhook-id` header: the same at every try and replay."""
    return f"msg_{notice_id.hex}"


# ------------------------------------------------------------------------------------------------------------ rules
@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRules:
    """The figures of `data/webhooks.json`; seconds unless the name says otherwise."""

    retry_waits: tuple[int, ...]
    jitter: float
    retry_after_most: int
    answer_within: float
    at_once_per_endpoint: int
    at_once: int
    rest_first: int
    rest_most: int
    disable_after_days: int
    rotation_overlap_days: int
    keep_days: int
    endpoints_most: int

    def next_try(self, tries: int, *, at: datetime, luck: float, retry_after: int | None = None) -> datetime | None:
        """When a notice is tried again after so many failed tries; None when that was the last.

        `luck` lies between 0 and 1 and spreads the tries; `retry_after` is what the receiver asked for, in seconds.
        """
        if tries > len(self.retry_waits):
            return None
        wait = self.retry_waits[tries - 1] * (1 + self.jitter * (2 * luck - 1))
        return at + timedelta(seconds=max(wait, min(retry_after or 0, self.retry_after_most)))

    def rest(self, failures: int, *, retry_after: int | None = None) -> timedelta:
        """How long an endpoint is left alone after so many failures in a row, so that one that is down costs little."""
        seconds = min(self.rest_first * 2 ** min(failures - 1, 20), self.rest_most)
        return timedelta(seconds=max(seconds, min(retry_after or 0, self.retry_after_most)))
