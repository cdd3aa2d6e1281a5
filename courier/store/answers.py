"""Stored answers to requests that carried an `Idempotency-Key`: the same key and body get the same answer again.

An answer may name people, so it is sealed at rest. It is kept for a day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from courier.settings import Secrets
from courier.store.sealing import seal, unseal
from courier.store.session import Database
from courier.store.tables import IdempotencyKey

KEPT = timedelta(days=1)
# A request that has neither answered nor failed by now died with its process; its key may be used again.
GIVEN_UP = timedelta(minutes=10)


class Claim(Enum):
    """What became of a wish to use a key."""

    OURS = "ours"
    RUNNING = "running"
    OTHER_BODY = "other body"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered the first time."""

    status: int
    body: str
    headers: Mapping[str, str]


def claim(
    database: Database, secrets: Secrets, *, caller: str, key: str, body_hash: str, at: datetime
) -> Claim | StoredAnswer:
    """Take the key for this request, or learn who had it."""
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    with database.write() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.at < at - KEPT))
        taken = session.execute(
            insert(IdempotencyKey)
            .values(caller=caller, key=key, body_hash=body_hash, headers={}, at=at)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        ).first()
        if taken is not None:
            return Claim.OURS
        row = session.scalars(
            select(IdempotencyKey).where(IdempotencyKey.caller == caller, IdempotencyKey.key == key).with_for_update()
        ).one()
        if row.body_hash != body_hash:
            return Claim.OTHER_BODY
        if row.status is None or row.answer is None:
            if row.at > at - GIVEN_UP:
                return Claim.RUNNING
            row.at = at
            return Claim.OURS
        body = unseal(bytes.fromhex(row.answer), row=_row(caller, key), secrets=secrets)
        return StoredAnswer(row.status, body, row.headers)


def keep(database: Database, secrets: Secrets, *, caller: str, key: str, answer: StoredAnswer) -> None:
    """Store the answer under the key that `claim` gave."""
    sealed = seal(answer.body, row=_row(caller, key), secrets=secrets).hex()
    with database.write() as session:
        session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.caller == caller, IdempotencyKey.key == key)
            .values(status=answer.status, answer=sealed, headers=dict(answer.headers))
        )


def release(database: Database, *, caller: str, key: str) -> None:
    """Give the key back: the request failed by our fault and may be tried again."""
    with database.write() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.caller == caller, IdempotencyKey.key == key))


def _row(caller: str, key: str) -> UUID:
    return UUID(bytes=sha256(f"{caller}\n{key}".encode()).digest()[:16])
