"""The book of who did what (append-only). It names things by their ids and never holds personal data."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.people import Caller
from courier.store.tables import AuditEntry


def note(session: Session, caller: Caller | None, act: str, thing: str, *, at: datetime, **detail: Any) -> None:
    """Write one entry in the transaction of the act. `caller` is None for the person at the server's own keyboard."""
    session.add(
        AuditEntry(
            id=uuid7(),
            at=at,
            actor_id=None if caller is None else caller.id,
            actor_role="operator" if caller is None else caller.role.value,
            act=act,
            thing=thing,
            detail=detail,
        )
    )
