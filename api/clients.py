"""Agencies' programs: an admin enters them, they come with their secret for a token (OAuth 2.0, client credentials)."""

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import orjson
from flask import Response, request
from marshmallow import Schema, fields

from api.auth import caller, public, roles
from api.conventions import (
    MEDIA_TYPE,
    Blueprint,
    Flag,
    Id,
    Instant,
    Name,
    Strict,
    Whole,
    Word,
    desk,
    etag,
    idempotent,
    if_match,
    now,
    page_of,
    versioned,
)
from api.sessions import address
from courier import staffing
from courier.domain.calendar import ZONE
from courier.domain.people import Scope
from courier.staffing import TooManyTries, WrongClient, WrongScope
from courier.store.clients import Program

blueprint = Blueprint(
    "clients", __name__, url_prefix="/api/v1", description="Agencies' programs: credentials with scopes, and tokens"
)

_SCOPES = tuple(scope.value for scope in Scope)
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


# --------------------------------------------------------------------------------------------------------- shapes
class ClientSchema(Strict):
    """A program of an agency; `client_id` is what it calls itself."""

    id = Id(required=True)
    client_id = fields.String(required=True)
    agency = Id(required=True)
    name = fields.String(required=True)
    scopes = fields.List(Word(_SCOPES), required=True)
    active = Flag(required=True)
    created_at = Instant(required=True)
    expires_at = Instant(required=True, allow_none=True)
    revoked_at = Instant(required=True, allow_none=True)
    last_used_at = Instant(required=True, allow_none=True)
    version = Whole(required=True)


class SecretClientSchema(ClientSchema):
    """The same with its secret, which is shown this once."""

    client_secret = fields.String(required=True)


class NewClientSchema(Strict):
    """A new program."""

    name = Name(required=True)
    scopes = fields.List(Word(_SCOPES), required=True)
    expires_at = Instant(load_default=None)


class ClientChangesSchema(Strict):
    """What is to change; the tokens that it has end."""

    name = Name()
    scopes = fields.List(Word(_SCOPES))
    expires_at = Instant()


class TokenSchema(Schema):
    """A token as RFC 6749 has it; `expires_in` in seconds, `scope` words apart by spaces."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True)
    scope = fields.String(required=True)


class TokenErrorSchema(Schema):
    """An error as RFC 6749 has it."""

    error = fields.String(required=True)
    error_description = fields.String(required=True)


def shown(found: Program) -> dict[str, Any]:
    """A program without its secret."""
    client, staff = found

    def here(moment: Any) -> Any:
        return moment.astimezone(ZONE) if moment is not None else None

    return {
        "id": staff.id,
        "client_id": staff.login,
        "agency": staff.agency_id,
        "name": staff.name,
        "scopes": client.scopes,
        "active": client.revoked_at is None,
        "created_at": here(client.created_at),
        "expires_at": here(client.expires_at),
        "revoked_at": here(client.revoked_at),
        "last_used_at": here(client.last_used_at),
        "version": client.version,
    }


# ---------------------------------------------------------------------------------------------------------- views
@blueprint.route("/agencies/<uuid:agency_id>/clients", methods=["GET"])
@roles("admin")
@blueprint.response(200, page_of(ClientSchema))
def list_clients(agency_id: UUID) -> Any:
    """List an agency's programs, oldest first."""
    return {"data": [shown(one) for one in staffing.list_clients(desk(), caller(), agency_id)], "next": None}


@blueprint.route("/agencies/<uuid:agency_id>/clients", methods=["POST"])
@roles("admin")
@blueprint.arguments(NewClientSchema)
@blueprint.response(201, SecretClientSchema)
@blueprint.alt_response(409, description="`too-many-clients`", content_type=MEDIA_TYPE)
def create_client(body: dict[str, Any], agency_id: UUID) -> Any:
    """Enter a program. The answer holds its secret, once."""
    found, secret = staffing.create_client(
        desk(),
        caller(),
        agency_id,
        name=body["name"],
        scopes=body["scopes"],
        expires_at=body["expires_at"],
        at=now(),
    )
    return shown(found) | {"client_secret": secret}, etag(found.client.version)


@blueprint.route("/clients/<uuid:client_id>", methods=["GET"])
@roles("admin")
@blueprint.response(200, ClientSchema)
def get_client(client_id: UUID) -> Any:
    """One program; its version is the ETag."""
    found = staffing.client_card(desk(), caller(), client_id)
    return shown(found), etag(found.client.version)


@blueprint.route("/clients/<uuid:client_id>", methods=["PATCH"])
@roles("admin")
@versioned
@idempotent
@blueprint.arguments(ClientChangesSchema)
@blueprint.response(200, ClientSchema)
@blueprint.alt_response(409, description="`client-revoked`", content_type=MEDIA_TYPE)
def change_client(body: dict[str, Any], client_id: UUID) -> Any:
    """Change a program's name, scopes or end."""
    found = staffing.change_client(
        desk(),
        caller(),
        client_id,
        name=body.get("name"),
        scopes=body.get("scopes"),
        expires_at=body.get("expires_at"),
        version=if_match(),
        at=now(),
    )
    return shown(found), etag(found.client.version)


@blueprint.route("/clients/<uuid:client_id>/secret", methods=["POST"])
@roles("admin")
@blueprint.response(200, SecretClientSchema)
@blueprint.alt_response(409, description="`client-revoked`", content_type=MEDIA_TYPE)
def rotate_secret(client_id: UUID) -> Any:
    """Give a new secret; those before it hold for seven days more."""
    found, secret = staffing.rotate_secret(desk(), caller(), client_id, at=now())
    return shown(found) | {"client_secret": secret}, etag(found.client.version)


@blueprint.route("/clients/<uuid:client_id>", methods=["DELETE"])
@roles("admin")
@blueprint.response(200, ClientSchema)
def revoke_client(client_id: UUID) -> Any:
    """Shut a program out for good, with every token that it has."""
    found = staffing.revoke_client(desk(), caller(), client_id, at=now())
    return shown(found), etag(found.client.version)


# ---------------------------------------------------------------------------------------------------------- tokens
_BODY = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "properties": {
                    "grant_type": {"type": "string", "enum": ["client_credentials"]},
                    "scope": {
                        "type": "string",
                        "description": "fewer rights than the program has; words apart by spaces",
                    },
                    "client_id": {"type": "string", "description": "here or, better, by HTTP Basic"},
                    "client_secret": {"type": "string"},
                },
                "required": ["grant_type"],
            }
        }
    },
}


@blueprint.route("/token", methods=["POST"])
@public
@blueprint.response(200, TokenSchema)
@blueprint.alt_response(
    400, schema=TokenErrorSchema, description="invalid_request, unsupported_grant_type, invalid_scope"
)
@blueprint.alt_response(401, schema=TokenErrorSchema, description="invalid_client")
@blueprint.alt_response(429, schema=TokenErrorSchema, description="too many wrong secrets; Retry-After says how long")
@blueprint.doc(requestBody=_BODY)
def token() -> Response:
    """Get a token for an hour: `grant_type=client_credentials`, client and secret by HTTP Basic or in the form.

    After 5 wrong secrets for a client from one network, or 20 from there in all, within 15 minutes the answer is 429.
    """
    form = request.form
    if any(len(form.getlist(name)) > 1 for name in ("grant_type", "scope", "client_id", "client_secret")):
        return _refused(400, "invalid_request", "A parameter comes twice.")
    if not form.get("grant_type"):
        return _refused(400, "invalid_request", "grant_type is missing: send a form.")
    if form["grant_type"] != "client_credentials":
        return _refused(400, "unsupported_grant_type", "Only client_credentials is known here.")
    named = _credentials()
    if isinstance(named, Response):
        return named
    try:
        issued = staffing.issue_token(desk(), *named, scope=form.get("scope"), address=address(), at=now())
    except WrongClient:
        return _refused(401, "invalid_client", "No such client, or its secret does not hold.")
    except WrongScope as fault:
        return _refused(400, "invalid_scope", f"The client may not: {_printable(' '.join(fault.named))}.")
    except TooManyTries as fault:
        answer = _refused(429, "invalid_client", f"Too many wrong secrets: try again in {fault.seconds} seconds.")
        answer.headers["Retry-After"] = str(fault.seconds)
        return answer
    return _told(
        200,
        {
            "access_token": issued.token,
            "token_type": "Bearer",
            "expires_in": issued.seconds,
            "scope": " ".join(issued.scopes),
        },
    )


def _credentials() -> tuple[str, str] | Response:
    """Client and secret from the header or the form, not from both (RFC 6749, 2.3)."""
    header, form = request.headers.get("Authorization", ""), request.form
    if not header:
        if not form.get("client_id") or not form.get("client_secret"):
            return _refused(401, "invalid_client", "Show client and secret by HTTP Basic or in the form.")
        return form["client_id"], form["client_secret"]
    if form.get("client_secret") is not None:
        return _refused(400, "invalid_request", "Client and secret come in the header or in the form, not in both.")
    scheme, _, encoded = header.partition(" ")
    try:
        client, found, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        client, found, secret = "", "", ""
    if scheme.lower() != "basic" or not found:
        return _refused(401, "invalid_client", "The header is not `Basic base64(client:secret)`.")
    return unquote_plus(client), unquote_plus(secret)


def _printable(text: str) -> str:
    """What an error may repeat: RFC 6749 allows few characters."""
    return "".join(c for c in text[:200] if 32 <= ord(c) < 127 and c not in '"\\')


def _refused(status: int, error: str, words: str) -> Response:
    answer = _told(status, {"error": error, "error_description": words})
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="courier", charset="UTF-8"'
    return answer


def _told(status: int, body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), status=status, mimetype="application/json", headers=_NO_STORE)
