"""Signing in and out: passwords, one-time codes, sessions, and patience with whoever guesses."""

import base64
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain import one_time_code
from courier.domain.errors import FieldError, Invalid, Missing
from courier.domain.people import Caller, Role
from courier.domain.visiting import network
from courier.staffing.passwords import TooManyTries, check_password, fits, hash_password
from courier.store import audit, people
from courier.store.people import SignedIn, Tries
from courier.store.sealing import seal, unseal
from courier.store.tables import AccessToken, Agency, Office, Staff

SESSION_LASTS: Final = timedelta(hours=12)
# A session is extended once an hour, not at every request.
_EXTENDED_EVERY: Final = timedelta(hours=1)
WINDOW: Final = timedelta(minutes=15)
TRIES_PER_LOGIN: Final = 5
TRIES_PER_ADDRESS: Final = 20


class WrongSignIn(Exception):
    """Login, password or code are wrong; nobody is told which."""


def sign_in(
    desk: Desk, login: str, password: str, *, otp: str | None = None, address: str, at: datetime
) -> tuple[str, SignedIn]:
    """Open a session: the token for the bearer, and who it is.

    The answer to a wrong login, a wrong password and a wrong code is the same and takes the same time.

    Raises:
        WrongSignIn: one of the three is wrong, or the account may not sign in here.
        TooManyTries: too many wrong passwords for this login or from this address in 15 minutes.
    """
    login = login.strip().lower()
    marks = digest_of(desk, f"login:{login}"), digest_of(desk, f"address:{network(address)}")
    with desk.database.read() as session:
        require_patience(people.tries(session, *marks, since=at - WINDOW), at=at)
        row = people.staff_by_login(session, login)
    right = fits(password, row.password_hash if row is not None else None)
    with desk.database.write() as session:
        # Counted again where nobody else counts: guesses sent all at once get no more tries than guesses in a row.
        people.queue_for(session, *marks)
        require_patience(people.tries(session, *marks, since=at - WINDOW), at=at)
        found = people.staff_to_change(session, row.id) if right and row is not None else None
        if found is not None and row is not None and _may_enter(desk, found, row.password_hash, otp, at=at):
            people.forget_failures(session, login_digest=marks[0], before=at - WINDOW)
            return _open_session(session, found, at=at)
        people.note_failure(session, *marks, at=at)
    raise WrongSignIn


def _may_enter(desk: Desk, row: Staff, verified_hash: str, otp: str | None, *, at: datetime) -> bool:
    """True when the account is in use, its password has not changed meanwhile and its code, where it has one, is right."""
    if not row.active or row.password_hash != verified_hash or (row.demo and not desk.settings.demo):
        return False
    if row.totp_secret is None:
        return True
    secret = bytes.fromhex(unseal(bytes.fromhex(row.totp_secret), row=row.id, secrets=desk.settings.secrets))
    step = one_time_code.matching_step(secret, otp or "", at=at, used=row.totp_last_step)
    if step is not None:
        row.totp_last_step = step
    return step is not None


def _open_session(session: Session, row: Staff, *, at: datetime) -> tuple[str, SignedIn]:
    token = secrets.token_urlsafe(32)
    opened = AccessToken(
        id=uuid7(), token_hash=token_digest(token), staff_id=row.id, created_at=at, expires_at=at + SESSION_LASTS
    )
    session.add(opened)
    people.forget_sessions(session, before=at - timedelta(days=30))
    caller = Caller(id=row.id, role=Role(row.role), name=row.name, office_id=row.office_id, agency_id=row.agency_id)
    return token, SignedIn(caller, row.login, opened.id, opened.expires_at, row.must_change_password, row.demo)


def require_patience(tries: Tries, *, at: datetime) -> None:
    """Refuse whoever was wrong too often.

    Raises:
        TooManyTries: with the seconds to wait.
    """
    waits = [
        (moments[-limit] + WINDOW - at).total_seconds()
        for moments, limit in ((tries.of_login, TRIES_PER_LOGIN), (tries.of_address, TRIES_PER_ADDRESS))
        if len(moments) >= limit
    ]
    if waits:
        raise TooManyTries(max(1, -int(-max(waits) // 1)))


def digest_of(desk: Desk, text: str) -> str:
    """Under which a login or an address is counted; the text itself is not kept."""
    return hmac.new(desk.settings.secrets.form_key, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()


def token_digest(token: str) -> str:
    """What the database knows of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def identify(desk: Desk, token: str, *, at: datetime) -> SignedIn | None:
    """The session behind a token, None when it does not hold. Using a session keeps it alive for 12 hours."""
    found = people.session_of(desk.database, token_digest(token), at=at)
    if found is None or (found.demo and not desk.settings.demo):
        return None
    # The token of a program ends when it was said to; it asks for another.
    if found.scopes is None and found.expires_at - at < SESSION_LASTS - _EXTENDED_EVERY:
        people.extend(desk.database, found.session_id, until=at + SESSION_LASTS)
        return replace(found, expires_at=at + SESSION_LASTS)
    return found


def sign_out(desk: Desk, found: SignedIn, *, at: datetime) -> None:
    """End this session."""
    with desk.database.write() as session:
        people.revoke_session(session, found.session_id, at=at)


def change_password(desk: Desk, found: SignedIn, *, old: str, new: str, address: str, at: datetime) -> None:
    """Change one's own password; every other session of this person ends.

    Raises:
        Invalid: the old password is wrong, or the new one easy to guess or the same.
        TooManyTries: too many wrong passwords.
    """
    check_password(new, login=found.login)
    if new == old:
        raise Invalid(FieldError("new_password", "weak", "Mật khẩu mới phải khác mật khẩu cũ."))
    if not _proves(desk, found, old, address=address, at=at):
        raise Invalid(FieldError("old_password", "wrong", "Mật khẩu hiện tại không đúng."))
    hashed = hash_password(new)
    with desk.database.write() as session:
        row = _own(session, found)
        row.password_hash, row.must_change_password = hashed, False
        row.version += 1
        people.revoke_sessions(session, row.id, at=at, keep=found.session_id)
        audit.note(session, found.caller, "own password changed", f"staff:{row.id}", at=at)


def _proves(desk: Desk, found: SignedIn, password: str, *, address: str, at: datetime) -> bool:
    """True when this is the signed-in person's password; wrong ones are counted as at the door."""
    marks = digest_of(desk, f"login:{found.login}"), digest_of(desk, f"address:{network(address)}")
    with desk.database.read() as session:
        require_patience(people.tries(session, *marks, since=at - WINDOW), at=at)
        row = people.staff_by_login(session, found.login)
    right = fits(password, row.password_hash if row is not None else None)
    with desk.database.write() as session:
        people.queue_for(session, *marks)
        require_patience(people.tries(session, *marks, since=at - WINDOW), at=at)
        if not right:
            people.note_failure(session, *marks, at=at)
    return right


@dataclass(frozen=True, slots=True)
class Belonging:
    """Where somebody belongs, and whether signing in takes a code."""

    office: Office | None
    agency: Agency | None
    authenticator: bool


def belonging(desk: Desk, found: SignedIn) -> Belonging:
    """What `/me` tells beyond the session."""
    caller = found.caller
    with desk.database.read() as session:
        office = people.office(session, caller.office_id) if caller.office_id else None
        agency = people.agency(session, caller.agency_id) if caller.agency_id else None
        row = people.staff_by_login(session, found.login)
        return Belonging(office, agency, row is not None and row.totp_secret is not None)


# ------------------------------------------------------------------------------------------------- authenticator
@dataclass(frozen=True, slots=True)
class Enrolment:
    """An authenticator app that is not yet in use: what the app needs, and a sealed note to bring back with its first code."""

    secret: str
    uri: str
    enrolment: str


def begin_authenticator(desk: Desk, found: SignedIn, *, password: str, address: str, at: datetime) -> Enrolment:
    """Offer a new secret for an authenticator app; nothing changes before `finish_authenticator`.

    Raises:
        Invalid: the password is wrong.
        TooManyTries: too many wrong passwords.
    """
    if not _proves(desk, found, password, address=address, at=at):
        raise Invalid(FieldError("password", "wrong", "Mật khẩu không đúng."))
    secret = secrets.token_bytes(20)
    shown = base64.b32encode(secret).decode()
    issuer = quote("Bưu tá")
    uri = f"otpauth://totp/{issuer}:{quote(found.login)}?secret={shown}&issuer={issuer}&digits=6&period=30"
    note = seal(f"{secret.hex()} {int(at.timestamp())}", row=found.caller.id, secrets=desk.settings.secrets)
    return Enrolment(shown, uri, base64.urlsafe_b64encode(note).decode())


def finish_authenticator(desk: Desk, found: SignedIn, *, enrolment: str, otp: str, at: datetime) -> None:
    """Put the authenticator app into use: from now on signing in takes its code.

    Raises:
        Invalid: the note is not one of ours for this person, is older than 15 minutes, or the code is wrong.
    """
    try:
        note = unseal(base64.urlsafe_b64decode(enrolment), row=found.caller.id, secrets=desk.settings.secrets)
    except (ValueError, InvalidTag) as fault:
        raise Invalid(FieldError("enrolment", "invalid", "Phiên đăng ký không hợp lệ, hãy bắt đầu lại.")) from fault
    hexed, _, began = note.partition(" ")
    if at.timestamp() - int(began) > WINDOW.total_seconds():
        raise Invalid(FieldError("enrolment", "expired", "Phiên đăng ký đã quá 15 phút, hãy bắt đầu lại."))
    step = one_time_code.matching_step(bytes.fromhex(hexed), otp, at=at, used=None)
    if step is None:
        raise Invalid(FieldError("otp", "wrong", "Mã không đúng, hãy kiểm tra giờ của điện thoại."))
    with desk.database.write() as session:
        row = _own(session, found)
        row.totp_secret = seal(hexed, row=row.id, secrets=desk.settings.secrets).hex()
        row.totp_last_step = step
        row.version += 1
        people.revoke_sessions(session, row.id, at=at, keep=found.session_id)
        audit.note(session, found.caller, "authenticator in use", f"staff:{row.id}", at=at)


def _own(session: Session, found: SignedIn) -> Staff:
    row = people.staff_to_change(session, found.caller.id)
    if row is None:
        raise Missing("staff", found.caller.id)
    return row
