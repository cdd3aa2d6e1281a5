"""Staff, offices, agencies and sessions in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from uuid_utils.compat import uuid7

from courier.domain.errors import Missing
from courier.domain.people import Caller, Role
from courier.store.session import Database
from courier.store.tables import (
    AccessToken,
    Agency,
    AgencyClient,
    Device,
    Item,
    Office,
    Postman,
    SignInFailure,
    Staff,
    Vehicle,
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that holds: who it is, until when, and the phone that it is bound to, if any."""

    caller: Caller
    login: str
    session_id: UUID
    expires_at: datetime
    must_change_password: bool
    demo: bool
    device_id: UUID | None = None
    device_revoked: bool = False
    scopes: frozenset[str] | None = None
    """What the token of an agency's program opens; None for people, whom their role alone bounds."""


# Made once: building a statement costs more than running it.
_BY_TOKEN = (
    select(
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
        AccessToken.device_id,
        Device.revoked_at,
        AccessToken.scopes,
    )
    .join(Staff, Staff.id == AccessToken.staff_id)
    .outerjoin(Device, Device.id == AccessToken.device_id)
    .where(AccessToken.token_hash == bindparam("token_hash"))
)


def session_of(database: Database, token_hash: str, *, at: datetime) -> SignedIn | None:
    """The session of a token, None when it is unknown, revoked, expired or its owner was deactivated."""
    # On the path of every request: a Core row, no object of the ORM.
    with database.glance_engine.connect() as connection:
        row = connection.execute(_BY_TOKEN, {"token_hash": token_hash}).one_or_none()
    if row is None:
        return None
    (session_id, expires_at, revoked_at, staff_id, login, name, role, office, agency, active, change, demo,
     device_id, device_revoked_at, scopes) = row  # fmt: skip
    if revoked_at is not None or expires_at <= at or not active:
        return None
    caller = Caller(id=staff_id, role=Role(role), name=name, office_id=office, agency_id=agency)
    opens = None if scopes is None else frozenset(scopes)
    return SignedIn(
        caller, login, session_id, expires_at, change, demo, device_id, device_revoked_at is not None, opens
    )


def caller_of(session: Session, staff_id: UUID) -> Caller:
    """Who asked for a job, as he stands now.

    Raises:
        Missing: there is no such person.
    """
    row = session.get(Staff, staff_id)
    if row is None:
        raise Missing("staff", staff_id)
    return Caller(id=row.id, role=Role(row.role), name=row.name, office_id=row.office_id, agency_id=row.agency_id)


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


# ------------------------------------------------------------------------------------------------------ signing in
_IS_PROGRAM = exists().where(AgencyClient.staff_id == Staff.id)


class Tries(NamedTuple):
    """When wrong passwords came for a login and from an address, oldest first."""

    of_login: Sequence[datetime]
    of_address: Sequence[datetime]


def tries(session: Session, login_digest: str, address_digest: str, *, since: datetime) -> Tries:
    """The wrong passwords since a moment."""

    def moments(column: InstrumentedAttribute[str], digest: str) -> Sequence[datetime]:
        return session.scalars(
            select(SignInFailure.at).where(column == digest, SignInFailure.at > since).order_by(SignInFailure.at)
        ).all()

    return Tries(
        moments(SignInFailure.login_digest, login_digest), moments(SignInFailure.address_digest, address_digest)
    )


def queue_for(session: Session, *digests: str) -> None:
    """On PostgreSQL let one sign-in at a time count the tries of these digests; SQLite writes one at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        for digest in sorted(digests):
            session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:digest, 0))"), {"digest": digest})


def stand_by(session: Session, caller: Caller) -> None:
    """Take now what rows that name the caller and his office will take anyway, before any item is held.

    Publishing locks an office before its items, closing a day a postman before his pocket: in the other order two would wait for
    each other. PostgreSQL only.
    """
    if session.get_bind().dialect.name == "postgresql":
        for named in (
            select(Office.id).where(Office.id == caller.office_id),
            select(Staff.id).where(Staff.id == caller.id),
        ):
            session.execute(named.with_for_update(read=True, key_share=True))


def note_failure(session: Session, login_digest: str, address_digest: str, *, at: datetime) -> None:
    """Count a wrong password."""
    session.add(SignInFailure(id=uuid7(), login_digest=login_digest, address_digest=address_digest, at=at))


def forget_failures(session: Session, *, login_digest: str, before: datetime) -> None:
    """Clear the tries of a login that has proven itself, and everything that counts no more."""
    session.execute(
        delete(SignInFailure).where(or_(SignInFailure.login_digest == login_digest, SignInFailure.at < before))
    )


def staff_by_login(session: Session, login: str) -> Staff | None:
    """Somebody by login, deactivated or not; an agency's program is nobody: it has a secret and no password."""
    return session.scalars(select(Staff).where(Staff.login == login, ~_IS_PROGRAM)).one_or_none()


def staff_to_change(session: Session, staff_id: UUID) -> Staff | None:
    """Somebody, locked until the transaction ends; no agency's program."""
    return session.scalars(select(Staff).where(Staff.id == staff_id, ~_IS_PROGRAM).with_for_update()).one_or_none()


# ---------------------------------------------------------------------------------------------------------- people
class Person(NamedTuple):
    """Somebody with what belongs to a postman."""

    staff: Staff
    postman: Postman | None
    vehicle: Vehicle | None


_PEOPLE = (
    select(Staff, Postman, Vehicle)
    .outerjoin(Postman, Postman.staff_id == Staff.id)
    .outerjoin(Vehicle, Vehicle.id == Postman.vehicle_id)
    .where(~_IS_PROGRAM)
)


def person(session: Session, staff_id: UUID) -> Person | None:
    """One person."""
    row = session.execute(_PEOPLE.where(Staff.id == staff_id)).one_or_none()
    return None if row is None else Person(*row)


def list_people(
    session: Session, *, after: str | None, limit: int, among: Sequence[UUID] | None = None
) -> list[Person]:
    """People by login, those after a login, at most `limit`; `among` narrows to some."""
    query = _PEOPLE.order_by(Staff.login).limit(limit)
    if after is not None:
        query = query.where(Staff.login > after)
    if among is not None:
        query = query.where(Staff.id.in_(among))
    return [Person(*row) for row in session.execute(query)]


def names_of_people(session: Session) -> list[tuple[UUID, str, str]]:
    """(id, login, name) of everybody, to search in."""
    return [
        (row[0], row[1], row[2])
        for row in session.execute(select(Staff.id, Staff.login, Staff.name).where(~_IS_PROGRAM))
    ]


def enter(session: Session, table: type[Office | Agency | Staff], **values: object) -> bool:
    """Insert a row unless its code or login is taken; False when it is, also by somebody who was faster."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = insert(table).values(**values).on_conflict_do_nothing().returning(table.id)
    return session.execute(row).first() is not None


def is_empty(session: Session) -> bool:
    """True when nobody can sign in yet."""
    return session.scalar(select(func.count()).select_from(Staff)) == 0


def demo_staff(session: Session) -> int:
    """How many accounts of the demo there are."""
    return session.scalar(select(func.count()).select_from(Staff).where(Staff.demo)) or 0


def real_staff(session: Session) -> int:
    """How many accounts of real people there are."""
    return session.scalar(select(func.count()).select_from(Staff).where(~Staff.demo)) or 0


def other_admins(session: Session, staff_id: UUID) -> int:
    """How many active admins there are beside this one; they are locked, so that two cannot leave at once."""
    rows = session.scalars(
        select(Staff.id)
        .where(Staff.role == Role.ADMIN.value, Staff.active, Staff.id != staff_id)
        .order_by(Staff.id)
        .with_for_update()
    )
    return len(rows.all())


def carried_items(session: Session, staff_id: UUID) -> int:
    """How many items are in a postman's hands."""
    query = select(func.count()).select_from(Item).where(Item.custody_holder == staff_id)
    return session.scalar(query) or 0


def active_staff_of(session: Session, *, office_id: UUID | None = None, agency_id: UUID | None = None) -> int:
    """How many active people belong to an office or an agency."""
    where = Staff.office_id == office_id if office_id is not None else Staff.agency_id == agency_id
    return session.scalar(select(func.count()).select_from(Staff).where(where, Staff.active)) or 0


# ---------------------------------------------------------------------------------------------- offices, agencies
def office(session: Session, office_id: UUID, *, lock: bool = False) -> Office | None:
    """One office."""
    query = select(Office).where(Office.id == office_id)
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def office_by_code(session: Session, code: str) -> Office | None:
    """One office by its code."""
    return session.scalars(select(Office).where(Office.code == code)).one_or_none()


def list_offices(session: Session, *, after: str | None, limit: int) -> Sequence[Office]:
    """Offices by code."""
    query = select(Office).order_by(Office.code).limit(limit)
    return session.scalars(query if after is None else query.where(Office.code > after)).all()


def agency(session: Session, agency_id: UUID, *, lock: bool = False) -> Agency | None:
    """One agency."""
    query = select(Agency).where(Agency.id == agency_id)
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def agency_by_code(session: Session, code: str) -> Agency | None:
    """One agency by its code."""
    return session.scalars(select(Agency).where(Agency.code == code)).one_or_none()


def list_agencies(session: Session, *, after: str | None, limit: int) -> Sequence[Agency]:
    """Agencies by code."""
    query = select(Agency).order_by(Agency.code).limit(limit)
    return session.scalars(query if after is None else query.where(Agency.code > after)).all()


def enter_agencies(session: Session, names: Mapping[str, str]) -> None:
    """Enter the agencies (name by code) that the database does not know yet."""
    known = set(session.scalars(select(Agency.code)))
    session.add_all(Agency(id=uuid7(), code=code, name=name) for code, name in names.items() if code not in known)
