"""Incidents (sự cố): of what kind one is, and until when its owner must have acted."""

from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final

from courier.domain.calendar import ZONE


class Kind(StrEnum):
    """What an incident is about; each kind has its own patience."""

    ROAD = "road"  # somebody stands at the roadside
    MONEY = "money"
    CONFLICT = "conflict"  # what a phone sent contradicts what the office knows
    DOOR = "door"  # a rule was broken at a door
    MEDIA = "media"
    MESSAGES = "messages"  # citizens are not told what they should be
    PETITION = "petition"  # a citizen's letter whose legal day has passed


_OF_CODE: Final = {
    "broke-down": Kind.ROAD,
    "media-missing": Kind.MEDIA,
    "message-budget": Kind.MESSAGES,
    "complaint-overdue": Kind.PETITION,
    "data-request-overdue": Kind.PETITION,
    "data-request-failed": Kind.PETITION,
} | dict.fromkeys(
    (
        "receiver-not-allowed",
        "id-mismatch",
        "id-not-checked",
        "surrender-missing",
        "proof-missing",
        "unknown-reason",
        "recipient-code-wrong",
    ),
    Kind.DOOR,
)
_PATIENCE: Final = {
    Kind.ROAD: timedelta(minutes=30),
    Kind.CONFLICT: timedelta(hours=4),
    Kind.DOOR: timedelta(days=1),
    Kind.MEDIA: timedelta(days=1),
    Kind.MESSAGES: timedelta(hours=4),
    Kind.PETITION: timedelta(days=1),
}
_MONEY_CLOSES: Final = time(18, 0)  # when postmen have handed in; whoever is later gets an hour
_LEAST: Final = timedelta(hours=1)


def kind_of(code: str, *, about_money: bool) -> Kind:
    """The kind of an incident."""
    return Kind.MONEY if about_money else _OF_CODE.get(code, Kind.CONFLICT)


def due_at(code: str, opened_at: datetime, *, about_money: bool) -> datetime:
    """Until when the owner must have acted. Money is settled before the day is closed."""
    kind = kind_of(code, about_money=about_money)
    if kind is Kind.MONEY:
        evening = datetime.combine(opened_at.astimezone(ZONE).date(), _MONEY_CLOSES, ZONE)
        return max(evening, opened_at + _LEAST)
    return opened_at + _PATIENCE[kind]
