"""What carries messages to people: one protocol for every channel, each with a null twin that tells nobody.

A carrier is asked once for a message, but perhaps again after a crash: it passes the message's id on as the key under which
its provider takes the same message once.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from courier.domain.notices import Channel, Kind

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as it is handed to a carrier, at a moment. `id` is the key; `values` fill a template that the provider keeps."""

    id: UUID
    at: datetime
    kind: Kind
    lang: str
    phone: str
    email: str | None
    text: str
    values: Mapping[str, str]


class Then(StrEnum):
    """What follows from a failure."""

    AGAIN = "again"  # the provider may take it later
    ELSEWHERE = "elsewhere"  # this channel does not reach the person
    NEVER = "never"  # something is wrong that a person must look at


@dataclass(frozen=True, slots=True)
class Carried:
    """The provider has it, under this id of its own."""

    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider has it not. `code` is a stable word; `wait` is what it asked us to wait."""

    code: str
    then: Then
    wait: timedelta | None = None


class Carrier(Protocol):
    """A channel. `dry_run` is true for the null twin."""

    @property
    def dry_run(self) -> bool:
        """True where nobody is told."""

    def carry(self, letter: Letter) -> Carried | Failed:
        """Hand a message to the provider. Whatever goes wrong out there is an answer."""


class NullCarrier:
    """The null twin of every channel: takes each message, tells nobody, and says so."""

    dry_run = True

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def carry(self, letter: Letter) -> Carried | Failed:
        """Take it and do nothing. Neither number nor words go to the log."""
        _log.info("dry run: %s %s by %s", letter.kind, letter.id, self.channel)
        return Carried(f"dry-run-{letter.id}")


def null_carriers() -> Mapping[Channel, Carrier]:
    """A null twin for every channel."""
    return {channel: NullCarrier(channel) for channel in Channel}
