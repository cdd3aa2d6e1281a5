"""Staff, offices, agencies and sessions in the database."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from courier.domain.people import Caller, Role
from courier.store.session import Database
from courier.store.tables import AccessToken, Staff


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that holds: who it is, and until when."""

    caller: Caller
    login: str
    session_id: UUID
    expires_at: datetime
    must_change_password: bool
    demo: bool


_BY_TOKEN = select(
    AccessToken.id,
    AccessToken.expires_at,
    AccessToken.revoked_at,
    Staff.id,
    Staff.login,
    Staff.name,
    Staff.role,
    Staff.office_id,
    Staff.agency_id,
    Staff.active,
    Staff.must_change_password,
    Staff.demo,
).join(Staff, Staff.id == AccessToken.staff_id)


def session_of(database: Database, token_hash: str, *, at: datetime) -> SignedIn | None:
    """The session of a token, None when it is unknown, revoked, expired or its owner was deactivated."""
    # On the path of every request: a Core row, no object of the ORM.
    with database.reading_engine.connect() as connection:
        row = connection.execute(_BY_TOKEN.where(AccessToken.token_hash == token_hash)).one_or_none()
    if row is None:
        return None
    session_id, expires_at, revoked_at, staff_id, login, name, role, office, agency, active, change, demo = row
    if revoked_at is not None or expires_at <= at or not active:
        return None
    caller = Caller(id=staff_id, role=Role(role), name=name, office_id=office, agency_id=agency)
    return SignedIn(caller, login, session_id, expires_at, change, demo)


def extend(database: Database, session_id: UUID, *, until: datetime) -> None:
    """Let a session last longer, never one that was revoked meanwhile."""
    with database.write() as session:
        session.execute(
            update(AccessToken)
            .where(AccessToken.id == session_id, AccessToken.revoked_at.is_(None))
            .values(expires_at=until)
        )


def revoke_sessions(session: Session, staff_id: UUID, *, at: datetime, keep: UUID | None = None) -> None:
    """End every session of a person, or all but one."""
    ended = update(AccessToken).where(AccessToken.staff_id == staff_id, AccessToken.revoked_at.is_(None))
    if keep is not None:
        ended = ended.where(AccessToken.id != keep)
    session.execute(ended.values(revoked_at=at))


def revoke_session(session: Session, session_id: UUID, *, at: datetime) -> None:
    """End one session."""
    session.execute(update(AccessToken).where(AccessToken.id == session_id).values(revoked_at=at))


def forget_sessions(session: Session, *, before: datetime) -> None:
    """Remove sessions that ended long ago."""
    session.execute(delete(AccessToken).where(AccessToken.expires_at < before))
