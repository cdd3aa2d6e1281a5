"""Digests that a phone matches an ID number or the day's code against, so that it holds neither. The server checks again.

PBKDF2 with as many rounds as are advised today: whoever takes a phone apart tries one number a second or so.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import pbkdf2_hmac
from typing import Final
from uuid import UUID

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from courier.domain.identifiers import ID_DIGITS
from courier.settings import Secrets
from courier.store import links
from courier.store.sealing import unseal
from courier.store.tables import Item, ItemDigest, Plan, Route, Stop, StopItem

JOB: Final = "phone-papers"
"""The kind of job that makes them for a published plan; its payload is {plan, part}."""
ROUNDS: Final = 600_000
_SALT_BYTES: Final = 16
ID_NUMBER, CODE = "id_number", "recipient_code"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A digest that a published route lacks."""

    item_id: UUID
    kind: str
    day: date
    id_number_sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Made:
    """A digest, ready to be stored."""

    item_id: UUID
    kind: str
    day: date
    salt: bytes
    digest: bytes


def key_of(plan_id: UUID, part: int) -> str:
    """The key of a part of the work for a plan."""
    return f"{JOB}:{plan_id}:{part}"


def wanted(session: Session, plan_id: UUID, *, most: int) -> list[Wanted]:
    """The first digests that the routes of a plan lack, none when it is not published (any more)."""

    def lacks(kind: str) -> Sequence[Wanted]:
        known = exists().where(ItemDigest.item_id == Item.id, ItemDigest.kind == kind)
        # An ID number stays the same from day to day, a code does not.
        known = known.where(ItemDigest.day == Plan.day) if kind == CODE else known
        query = (
            select(Item.id, Plan.day, Item.id_number_sealed)
            .select_from(Plan)
            .join(Route, Route.plan_id == Plan.id)
            .join(Stop, Stop.route_id == Route.id)
            .join(StopItem, StopItem.stop_id == Stop.id)
            .join(Item, Item.id == StopItem.item_id)
            .where(Plan.id == plan_id, Plan.state == "published", ~known)
            .order_by(Route.position, Stop.sequence, StopItem.position)
            .limit(most)
        )
        if kind == ID_NUMBER:
            query = query.where(Item.id_number_sealed.is_not(None))
        return [Wanted(item_id, kind, day, sealed) for item_id, day, sealed in session.execute(query)]

    return [*lacks(CODE), *lacks(ID_NUMBER)][:most]


def make(wish: Wanted, secrets: Secrets) -> Made:
    """Work out one digest; slow on purpose. Numbers of the old form have an empty one, which nothing matches."""
    if wish.kind == CODE:
        text = links.recipient_code(secrets, wish.item_id, wish.day)
    else:
        text = unseal(wish.id_number_sealed or b"", row=wish.item_id, secrets=secrets)
    salt = os.urandom(_SALT_BYTES)
    if wish.kind == ID_NUMBER and len(text) != ID_DIGITS:
        return Made(wish.item_id, wish.kind, wish.day, salt, b"")
    return Made(wish.item_id, wish.kind, wish.day, salt, pbkdf2_hmac("sha256", text.encode(), salt, ROUNDS))


def store(session: Session, made: Sequence[Made]) -> None:
    """Write digests; those of another runner who was faster stay. Codes of days that are over are forgotten."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(
        insert(ItemDigest).on_conflict_do_nothing(),
        [
            {
                "item_id": one.item_id,
                "kind": one.kind,
                "day": one.day,
                "salt": one.salt,
                "rounds": ROUNDS,
                "digest": one.digest,
            }
            for one in made
        ],
    )
    over = or_(*(and_(ItemDigest.item_id == one.item_id, ItemDigest.day < one.day) for one in made))
    session.execute(
        delete(ItemDigest).where(ItemDigest.kind == CODE, over).execution_options(synchronize_session=False)
    )
