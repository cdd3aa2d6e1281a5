"""Agencies' programs: client credentials with scopes, and the short-lived tokens they get (OAuth 2.0, RFC 6749 section 4.4).

A secret is 32 random bytes, shown once and kept as a digest. While it is rotated the old one holds for some days more.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.errors import FieldError, Invalid, Missing, Refused, Stale
from courier.domain.people import Caller, Role, Scope
from courier.domain.visiting import network
from courier.staffing.offices import require_admin
from courier.staffing.signing_in import WINDOW, digest_of, require_patience, token_digest
from courier.store import audit, people
from courier.store import clients as store
from courier.store.clients import Program
from courier.store.tables import AccessToken, AgencyClient, AgencyClientSecret, Staff

TOKEN_LASTS: Final = timedelta(hours=1)
OVERLAP: Final = timedelta(days=7)
MOST_CLIENTS: Final = 20
# Nothing that a password hasher takes for a hash: no password opens such an account, and it is not among those asked for one.
_NOTHING_OPENS_IT: Final = "!"


class WrongClient(Exception):
    """No such program, or its secret does not hold; nobody is told which."""


class WrongScope(Exception):
    """A program asks for what it may not do. `named` are the words that it may not use."""

    def __init__(self, named: Sequence[str]) -> None:
        super().__init__(" ".join(named))
        self.named = tuple(named)


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, for how many seconds it holds, and what it opens."""

    token: str
    seconds: int
    scopes: tuple[str, ...]


# -------------------------------------------------------------------------------------------------- looking after them
def list_clients(desk: Desk, caller: Caller, agency_id: UUID) -> list[Program]:
    """The programs of an agency.

    Raises:
        Forbidden: the caller is no admin.
        Missing: there is no such agency.
    """
    require_admin(caller)
    with desk.database.read() as session:
        if people.agency(session, agency_id) is None:
            raise Missing("agency", agency_id)
        return store.list_programs(session, agency_id)


def client_card(desk: Desk, caller: Caller, client_id: UUID) -> Program:
    """One program.

    Raises:
        Forbidden, Missing: no admin; there is no such program.
    """
    require_admin(caller)
    with desk.database.read() as session:
        return _program(session, client_id)


def create_client(
    desk: Desk,
    caller: Caller,
    agency_id: UUID,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    at: datetime,
) -> tuple[Program, str]:
    """Enter a program of an agency. Gives its secret, which nobody can read again.

    Raises:
        Forbidden, Missing: no admin; there is no such agency.
        Invalid: no scope, an unknown one, an end that has passed.
        Refused: `too-many-clients`.
    """
    require_admin(caller)
    _check(scopes, expires_at, at=at)
    with desk.database.write() as session:
        if people.agency(session, agency_id, lock=True) is None:
            raise Missing("agency", agency_id)
        in_use = [one for one in store.list_programs(session, agency_id) if one.client.revoked_at is None]
        if len(in_use) >= MOST_CLIENTS:
            raise Refused("too-many-clients", f"Một cơ quan có nhiều nhất {MOST_CLIENTS} chương trình kết nối.")
        staff = Staff(
            id=(client_id := uuid7()),
            login=f"agency-{secrets.token_hex(8)}",
            name=name,
            role=Role.AGENCY.value,
            agency_id=agency_id,
            password_hash=_NOTHING_OPENS_IT,
            created_at=at,
        )
        session.add(staff)
        session.flush()
        row = AgencyClient(staff_id=client_id, scopes=sorted(set(scopes)), expires_at=expires_at, created_at=at)
        session.add(row)
        session.flush()
        secret = _new_secret(session, client_id, at=at)
        audit.note(session, caller, "client created", f"client:{client_id}", at=at, scopes=row.scopes)
        return Program(row, staff), secret


def change_client(
    desk: Desk,
    caller: Caller,
    client_id: UUID,
    *,
    name: str | None = None,
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    version: int,
    at: datetime,
) -> Program:
    """Change what a program is called, may do, and until when. Fewer rights hold at once: its tokens end.

    Raises:
        Forbidden, Missing, Stale: no admin; no such program; changed by somebody else.
        Invalid: as for `create_client`.
        Refused: `client-revoked`.
    """
    require_admin(caller)
    with desk.database.write() as session:
        found = _program(session, client_id, version=version)
        _check(found.client.scopes if scopes is None else scopes, expires_at, at=at)
        _require_in_use(found)
        if scopes is not None:
            found.client.scopes = sorted(set(scopes))
        if expires_at is not None:
            found.client.expires_at = expires_at
        found.staff.name = name if name is not None else found.staff.name
        found.client.version += 1
        people.revoke_sessions(session, client_id, at=at)
        audit.note(session, caller, "client changed", f"client:{client_id}", at=at, scopes=found.client.scopes)
        session.flush()
        return found


def rotate_secret(desk: Desk, caller: Caller, client_id: UUID, *, at: datetime) -> tuple[Program, str]:
    """Give a program a new secret; those before it hold for seven days more.

    Raises:
        Forbidden, Missing: no admin; no such program.
        Refused: `client-revoked`.
    """
    require_admin(caller)
    with desk.database.write() as session:
        found = _program(session, client_id, to_change=True)
        _require_in_use(found)
        store.let_secrets_end(session, client_id, until=at + OVERLAP)
        secret = _new_secret(session, client_id, at=at)
        found.client.version += 1
        audit.note(session, caller, "client secret rotated", f"client:{client_id}", at=at)
        session.flush()
        return found, secret


def revoke_client(desk: Desk, caller: Caller, client_id: UUID, *, at: datetime) -> Program:
    """Shut a program out, with every token that it has; this is for good.

    Raises:
        Forbidden, Missing: no admin; no such program.
    """
    require_admin(caller)
    with desk.database.write() as session:
        found = _program(session, client_id, to_change=True)
        if found.client.revoked_at is None:
            found.client.revoked_at, found.staff.active = at, False
            found.client.version += 1
            store.let_secrets_end(session, client_id, until=at)
            people.revoke_sessions(session, client_id, at=at)
            audit.note(session, caller, "client revoked", f"client:{client_id}", at=at)
            session.flush()
        return found


def _check(scopes: Sequence[str], expires_at: datetime | None, *, at: datetime) -> None:
    unknown = sorted(set(scopes) - {scope.value for scope in Scope})
    if unknown or not scopes:
        found = ", ".join(unknown)[:100] or "không có"
        raise Invalid(FieldError("scopes", "unknown" if unknown else "required", f"Quyền không hợp lệ: {found}."))
    if expires_at is not None and expires_at <= at:
        raise Invalid(FieldError("expires_at", "in-the-past", f"Ngày hết hạn {expires_at:%d/%m/%Y} đã qua."))


def _program(session: Session, client_id: UUID, *, version: int | None = None, to_change: bool = False) -> Program:
    found = store.program(session, client_id, to_change=to_change or version is not None)
    if found is None:
        raise Missing("client", client_id)
    if version is not None and found.client.version != version:
        raise Stale("client", expected=version, found=found.client.version)
    return found


def _require_in_use(found: Program) -> None:
    if found.client.revoked_at is not None:
        raise Refused("client-revoked", "Chương trình này đã bị thu hồi quyền: hãy tạo chương trình mới.")


def _new_secret(session: Session, client_id: UUID, *, at: datetime) -> str:
    secret = secrets.token_urlsafe(32)
    session.add(AgencyClientSecret(id=uuid7(), client_id=client_id, secret_hash=_digest(secret), created_at=at))
    return secret


def _digest(secret: str) -> str:
    # Of 256 random bits: nothing to guess, so a plain digest is as good as a slow one and answers at once.
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


# -------------------------------------------------------------------------------------------------------- tokens
def issue_token(
    desk: Desk, client: str, secret: str, *, scope: str | None = None, address: str, at: datetime
) -> Issued:
    """A token for a program that shows its secret; `scope` narrows it, words apart by spaces.

    Wrong secrets are counted for the program together with where they come from, so that nobody else's guesses shut it out.

    Raises:
        WrongClient: there is no such program, it was revoked or has ended, or the secret does not hold.
        WrongScope: it asks for what it may not do.
        TooManyTries: five wrong secrets for it from one network, or twenty from there in all, in 15 minutes.
    """
    where = network(address)
    marks = digest_of(desk, f"client:{client}:{where}"), digest_of(desk, f"address:{where}")
    sent = _digest(secret)
    with desk.database.write() as session:
        # Counted where nobody else counts: guesses sent all at once get no more tries than guesses in a row.
        people.queue_for(session, *marks)
        require_patience(people.tries(session, *marks, since=at - WINDOW), at=at)
        found = store.program_by_login(session, client)
        known = store.digests_of(session, found.staff.id, at=at) if found is not None else []
        right = sum(hmac.compare_digest(one, sent) for one in known) > 0  # all are compared, whichever fits
        if found is not None and right and _holds(found, at=at):
            may = set(found.client.scopes)
            asked = may if not (scope or "").split() else set(str(scope).split())
            if not asked <= may:
                raise WrongScope(sorted(asked - may))
            people.forget_failures(session, login_digest=marks[0], before=at - WINDOW)
            store.touch(session, found.staff.id, at=at)
            return _issue(session, found, sorted(asked), at=at)
        people.note_failure(session, *marks, at=at)
    raise WrongClient


def _holds(found: Program, *, at: datetime) -> bool:
    ended = found.client.expires_at is not None and found.client.expires_at <= at
    return found.staff.active and found.client.revoked_at is None and not ended


def _issue(session: Session, found: Program, scopes: list[str], *, at: datetime) -> Issued:
    token = secrets.token_urlsafe(32)
    until = at + TOKEN_LASTS
    if found.client.expires_at is not None:
        until = min(until, found.client.expires_at)
    session.add(
        AccessToken(
            id=uuid7(),
            token_hash=token_digest(token),
            staff_id=found.staff.id,
            created_at=at,
            expires_at=until,
            scopes=scopes,
        )
    )
    people.forget_sessions(session, before=at - timedelta(days=30))
    return Issued(token, int((until - at).total_seconds()), tuple(scopes))
