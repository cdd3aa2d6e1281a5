"""Agencies' programs in the database: what each may do, and its secrets by digest."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from courier.store.tables import Agency, AgencyClient, AgencyClientSecret, Staff


class Program(NamedTuple):
    """A program, and the row of `staff` under which it acts."""

    client: AgencyClient
    staff: Staff


_PROGRAMS = select(AgencyClient, Staff).join(Staff, Staff.id == AgencyClient.staff_id)


def list_programs(session: Session, agency_id: UUID) -> list[Program]:
    """The programs of an agency, oldest first, revoked ones too."""
    rows = session.execute(_PROGRAMS.where(Staff.agency_id == agency_id).order_by(Staff.id))
    return [Program(*row) for row in rows]


def program(session: Session, client_id: UUID, *, to_change: bool = False) -> Program | None:
    """One program, locked if it is to be changed."""
    query = _PROGRAMS.where(AgencyClient.staff_id == client_id)
    row = session.execute(query.with_for_update(of=AgencyClient) if to_change else query).one_or_none()
    return None if row is None else Program(*row)


def program_by_login(session: Session, login: str) -> Program | None:
    """One program by what it calls itself, of an agency that is in use."""
    row = session.execute(
        _PROGRAMS.join(Agency, Agency.id == Staff.agency_id).where(Staff.login == login, Agency.active)
    ).one_or_none()
    return None if row is None else Program(*row)


def digests_of(session: Session, client_id: UUID, *, at: datetime) -> list[str]:
    """The digests of the secrets that hold."""
    return list(
        session.scalars(
            select(AgencyClientSecret.secret_hash).where(
                AgencyClientSecret.client_id == client_id,
                or_(AgencyClientSecret.expires_at.is_(None), AgencyClientSecret.expires_at > at),
            )
        )
    )


def let_secrets_end(session: Session, client_id: UUID, *, until: datetime) -> None:
    """No secret of a program holds longer than this."""
    session.execute(
        update(AgencyClientSecret)
        .where(
            AgencyClientSecret.client_id == client_id,
            or_(AgencyClientSecret.expires_at.is_(None), AgencyClientSecret.expires_at > until),
        )
        .values(expires_at=until)
    )


def touch(session: Session, client_id: UUID, *, at: datetime) -> None:
    """Remember when a program last came."""
    session.execute(update(AgencyClient).where(AgencyClient.staff_id == client_id).values(last_used_at=at))
