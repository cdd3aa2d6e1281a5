"""Handing a postman's phone its day, signed."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import orjson

from courier.desk import Desk
from courier.domain.errors import Forbidden
from courier.domain.people import Caller, Role
from courier.store import bag as bags
from courier.store import envelopes


@dataclass(frozen=True, slots=True)
class Bag:
    """The day as JSON bytes with their signature; no bytes for a phone that has this version."""

    version: int
    body: bytes | None = None
    signature: str = ""


def bag(desk: Desk, caller: Caller, *, day: date, device_id: UUID | None, known: int | None, at: datetime) -> Bag:
    """A postman's bag of a day, unless `known` is its version.

    Raises:
        Forbidden: the caller is no postman.
    """
    if caller.role is not Role.POSTMAN:
        raise Forbidden
    with desk.database.read() as session:
        version = bags.version_of(session, caller.id, day)
        # Nothing counts the changes of a day without a route.
        if version and version == known:
            return Bag(version)
        content = bags.bag_of(session, desk.facts, caller.id, day, device_id=device_id, bank=desk.settings.bank, at=at)
    body = orjson.dumps(content)
    return Bag(content["version"], body, envelopes.sign(body, envelopes.signing_key(desk.settings.secrets)))
