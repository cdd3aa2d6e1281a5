"""Signing in and out, and the office's people: who works where, with which rights."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from courier.desk import Desk
from courier.store import people
from courier.store.people import SignedIn

SESSION_LASTS = timedelta(hours=12)
# A session is extended once an hour, not at every request.
_EXTENDED_EVERY = timedelta(hours=1)


def new_token() -> str:
    """An opaque token of 256 bits."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What the database knows of a token."""
    return sha256(token.encode()).hexdigest()


def identify(desk: Desk, token: str, *, at: datetime) -> SignedIn | None:
    """The session behind a token, None when it does not hold. Using a session keeps it alive for 12 hours."""
    found = people.session_of(desk.database, digest(token), at=at)
    if found is None or (found.demo and not desk.settings.demo):
        return None
    if found.expires_at - at < SESSION_LASTS - _EXTENDED_EVERY:
        people.extend(desk.database, found.session_id, until=at + SESSION_LASTS)
    return found
