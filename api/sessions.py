"""Signing in and out, and what concerns oneself: who am I, my password, my authenticator app."""

from typing import Any

from flask import Flask, Response, request
from marshmallow import fields

from api import auth
from api.auth import ANY_SCOPE, public, roles
from api.conventions import MEDIA_TYPE, Blueprint, Flag, Id, Instant, Strict, Text, Word, desk, now
from api.problems import problem
from courier import staffing
from courier.domain.people import Role
from courier.staffing import TooManyTries, WrongSignIn
from courier.store.people import SignedIn

blueprint = Blueprint("sessions", __name__, url_prefix="/api/v1", description="Signing in, and one's own account")

_OTP = r"^[0-9]{6}$"


class SignInSchema(Strict):
    """What is known to the person who signs in."""

    login = Text(required=True, at_least=1, at_most=100)
    password = Text(required=True, at_least=1, at_most=200)
    otp = Text(
        at_most=6,
        pattern=_OTP,
        load_default=None,
        metadata={"description": "of the authenticator app, if one is in use"},
    )


class SessionSchema(Strict):
    """An open session; the token is shown this once."""

    token = fields.String(required=True)
    role = Word([role.value for role in Role], required=True)
    office = Id(required=True, allow_none=True)
    expires_at = Instant(required=True)


class PlaceSchema(Strict):
    """Where somebody belongs."""

    id = Id(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)


class MeSchema(Strict):
    """Who is signed in."""

    id = Id(required=True)
    login = fields.String(required=True)
    name = fields.String(required=True)
    role = Word([role.value for role in Role], required=True)
    office = fields.Nested(PlaceSchema, required=True, allow_none=True)
    agency = fields.Nested(PlaceSchema, required=True, allow_none=True)
    must_change_password = Flag(required=True)
    authenticator = Flag(required=True)
    expires_at = Instant(required=True)


class PasswordChangeSchema(Strict):
    """The old password and the new one."""

    old_password = Text(required=True, at_least=1, at_most=200)
    new_password = Text(required=True, at_least=1, at_most=200)


class PasswordSchema(Strict):
    """The password, asked again before something that matters."""

    password = Text(required=True, at_least=1, at_most=200)


class EnrolmentSchema(Strict):
    """For the authenticator app (`uri` as a QR code, or `secret` typed in), and the note to send back with its first code."""

    secret = fields.String(required=True)
    uri = fields.String(required=True)
    enrolment = fields.String(required=True)


class FirstCodeSchema(Strict):
    """The note and the first code."""

    enrolment = Text(required=True, at_least=1, at_most=400)
    otp = Text(required=True, at_most=6, pattern=_OTP)


def address() -> str:
    """Where the request comes from, as far as we trust those who say it (`COURIER_TRUSTED_PROXIES`)."""
    return request.remote_addr or "0.0.0.0"  # noqa: S104 - no address at all: a socket file; all of them share one counter


@blueprint.route("/sessions", methods=["POST"])
@public
@blueprint.arguments(SignInSchema)
@blueprint.response(201, SessionSchema)
@blueprint.alt_response(401, description="Login, password or code are wrong", content_type=MEDIA_TYPE)
def open_session(body: dict[str, Any]) -> Any:
    """Sign in.

    The token goes into `Authorization: Bearer <token>`; using it keeps it alive for 12 hours. After 5 wrong passwords for a
    login, or 20 from an address, within 15 minutes the answer is 429 with Retry-After.
    """
    token, found = staffing.sign_in(
        desk(), body["login"], body["password"], otp=body["otp"], address=address(), at=now()
    )
    return {
        "token": token,
        "role": found.caller.role,
        "office": found.caller.office_id,
        "expires_at": found.expires_at,
    }


@blueprint.route("/sessions/current", methods=["DELETE"])
@roles(before_password_change=True, from_revoked_phone=True, scope=ANY_SCOPE)
@blueprint.response(204)
def close_session() -> Any:
    """Sign out: the token is of no use any more."""
    staffing.sign_out(desk(), auth.signed_in(), at=now())
    answer = Response(status=204)
    auth.forget(answer)
    return answer


@blueprint.route("/me")
@roles(before_password_change=True, scope=ANY_SCOPE)
@blueprint.response(200, MeSchema)
def me() -> Any:
    """Tell who is signed in."""
    found: SignedIn = auth.signed_in()
    belonging = staffing.belonging(desk(), found)
    return {
        "id": found.caller.id,
        "login": found.login,
        "name": found.caller.name,
        "role": found.caller.role,
        "office": belonging.office,
        "agency": belonging.agency,
        "must_change_password": found.must_change_password,
        "authenticator": belonging.authenticator,
        "expires_at": found.expires_at,
    }


@blueprint.route("/me/password", methods=["POST"])
@roles(before_password_change=True)
@blueprint.arguments(PasswordChangeSchema)
@blueprint.response(204)
def change_my_password(body: dict[str, Any]) -> Any:
    """Change one's own password; every other session of this person ends."""
    staffing.change_password(
        desk(), auth.signed_in(), old=body["old_password"], new=body["new_password"], address=address(), at=now()
    )
    return Response(status=204)


@blueprint.route("/me/authenticator", methods=["POST"])
@roles()
@blueprint.arguments(PasswordSchema)
@blueprint.response(200, EnrolmentSchema)
def begin_authenticator(body: dict[str, Any]) -> Any:
    """Offer a secret for an authenticator app; it counts after `PUT` with its first code."""
    return staffing.begin_authenticator(
        desk(), auth.signed_in(), password=body["password"], address=address(), at=now()
    )


@blueprint.route("/me/authenticator", methods=["PUT"])
@roles()
@blueprint.arguments(FirstCodeSchema)
@blueprint.response(204)
def finish_authenticator(body: dict[str, Any]) -> Any:
    """Put the authenticator app into use: from now on signing in takes its code."""
    staffing.finish_authenticator(desk(), auth.signed_in(), enrolment=body["enrolment"], otp=body["otp"], at=now())
    return Response(status=204)


def handle_refused_entry(app: Flask) -> None:
    """Answer wrong sign-ins: always the same words."""
    app.register_error_handler(
        WrongSignIn,
        lambda _: problem(
            401,
            "wrong-sign-in",
            "Tên đăng nhập, mật khẩu hoặc mã xác thực không đúng.",
            headers={"WWW-Authenticate": 'Bearer realm="courier"'},
        ),
    )
    app.register_error_handler(
        TooManyTries,
        lambda fault: problem(
            429,
            "too-many-tries",
            f"Thử lại sau {fault.seconds} giây.",
            headers={"Retry-After": str(fault.seconds)},
        ),
    )
