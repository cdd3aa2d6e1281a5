"""Who proved himself at a citizen's link, the codes that were sent for it, and what was tried in vain."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.visiting import Bound
from courier.store.tables import OneTimeCode, ProvenVisitor, VainTry

UNKNOWN_CODE, UNKNOWN_LINK, WRONG_DIGITS = "unknown_code", "unknown_link", "wrong_digits"


def codes_sent(session: Session, *where: ColumnElement[bool], since: datetime) -> list[datetime]:
    """When codes were sent, the oldest first."""
    return list(
        session.scalars(
            select(OneTimeCode.asked_at).where(*where, OneTimeCode.asked_at > since).order_by(OneTimeCode.asked_at)
        )
    )


def forget_codes(session: Session, *, before: datetime) -> None:
    """Remove codes that no bound counts any more."""
    session.execute(delete(OneTimeCode).where(OneTimeCode.asked_at < before))


def latest_code(session: Session, item_id: UUID) -> OneTimeCode | None:
    """The code that was sent last for an item, whatever has become of it; the earlier ones are of no use."""
    return session.scalar(
        select(OneTimeCode)
        .where(OneTimeCode.item_id == item_id)
        .order_by(OneTimeCode.asked_at.desc(), OneTimeCode.id.desc())
        .limit(1)
    )


def vain_tries(session: Session, kind: str, address_digest: str, bound: Bound, *, at: datetime) -> list[datetime]:
    """When something was tried in vain from an address within a bound, the oldest first."""
    return list(
        session.scalars(
            select(VainTry.at)
            .where(VainTry.kind == kind, VainTry.address_digest == address_digest, VainTry.at > at - bound.within)
            .order_by(VainTry.at)
        )
    )


def note_vain_try(session: Session, kind: str, address_digest: str, bound: Bound, *, at: datetime) -> None:
    """Count what was tried in vain; what counts no more is forgotten."""
    session.execute(delete(VainTry).where(VainTry.kind == kind, VainTry.at <= at - bound.within))
    session.add(VainTry(id=uuid7(), kind=kind, address_digest=address_digest, at=at))


def wrong_digits(session: Session, item_id: UUID, *, since: datetime) -> int:
    """How often the digits of an item's phone were wrong."""
    found = session.scalar(
        select(func.count())
        .select_from(ProvenVisitor)
        .where(ProvenVisitor.item_id == item_id, ProvenVisitor.token_hash.is_(None), ProvenVisitor.at > since)
    )
    return int(found or 0)
