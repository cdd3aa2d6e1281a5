"""Who is calling: bearer tokens, the pages' cookie with its protection against forged forms, and what a role may do.

Every view of the API is marked with `@roles(...)` or `@public`; `create_app` refuses one that is not. The mark is looked at
before the body is read.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeVar, cast

from flask import Flask, Response, current_app, g, request

from api.conventions import desk, now
from api.problems import Problem
from courier import staffing
from courier.domain.errors import Forbidden
from courier.domain.people import Caller, Role
from courier.store.people import SignedIn

COOKIE: Final = "courier_session"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="courier"'}

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a view: nobody special (`public`), or the signed-in of these roles."""

    public: bool
    roles: frozenset[Role] = frozenset()
    before_password_change: bool = False
    from_revoked_phone: bool = False
    scope: str | None = None


ANY_SCOPE: Final = "*"
"""For a view that every token of a program opens."""


def roles(
    *names: str,
    before_password_change: bool = False,
    from_revoked_phone: bool = False,
    scope: str | None = None,
) -> Callable[[View], View]:
    """Only these roles may call the view; `roles()` is everybody who is signed in.

    `scope` is what an agency's program needs for it; without one no program gets in.
    """
    allowed = frozenset(Role(name) for name in names) or frozenset(Role) - {Role.CITIZEN}
    return _marked(
        Access(
            public=False,
            roles=allowed,
            before_password_change=before_password_change,
            from_revoked_phone=from_revoked_phone,
            scope=scope,
        )
    )


def public(view: View) -> View:
    """Anybody may call the view; `caller()` still works for those who are signed in."""
    return _marked(Access(public=True))(view)


def _marked(access: Access) -> Callable[[View], View]:
    def mark(view: View) -> View:
        view.access = access  # type: ignore[attr-defined]  # a view carries what it asks of its callers
        return view

    return mark


def access_of(view: Any) -> Access | None:
    """The mark of a view, None when it has none."""
    return cast("Access | None", getattr(view, "access", None))


def admit() -> None:
    """Before every request: let in whom the mark of the view allows.

    Raises:
        Problem: 401 without a valid session, 403 for a program without the scope, for a forged form, a password that must be
            changed first or a session on a phone that was revoked.
        Forbidden: the role does not carry the right.
    """
    if request.endpoint is None:
        return
    access = access_of(current_app.view_functions[request.endpoint])
    if access is None or access.public:
        return
    found = signed_in()
    if found.caller.role not in access.roles:
        raise Forbidden(f"A {found.caller.role} may not do this.")
    _require_scope(found, access)
    if found.device_revoked and not access.from_revoked_phone:
        raise Problem(403, "device-revoked", "This phone was revoked: what it still holds can be sent, nothing else.")
    if found.must_change_password and not access.before_password_change:
        raise Problem(403, "password-change-required", "Change your password first: POST /api/v1/me/password.")


def _require_scope(found: SignedIn, access: Access) -> None:
    if found.scopes is None or access.scope == ANY_SCOPE or access.scope in found.scopes:
        return
    if access.scope is None:
        raise Problem(403, "insufficient-scope", "No scope opens this to a program: it is for people.")
    challenge = f'Bearer realm="courier", error="insufficient_scope", scope="{access.scope}"'
    raise Problem(
        403,
        "insufficient-scope",
        f"This takes the scope {access.scope}, the token has: {' '.join(sorted(found.scopes))}.",
        headers={"WWW-Authenticate": challenge},
    )


def caller() -> Caller:
    """The person behind this request.

    Raises:
        Problem: 401, 403 as for `signed_in`.
    """
    return signed_in().caller


def signed_in() -> SignedIn:
    """The session of this request.

    Raises:
        Problem: 401 without a valid token, 403 when a cookie comes with a write that another site may have forged.
    """
    if "signed_in" not in g:
        g.signed_in = _identify()
    return cast("SignedIn", g.signed_in)


def _identify() -> SignedIn:
    token = bearer_token()
    by_cookie = token is None
    if token is None:
        token = request.cookies.get(COOKIE)
    if not token:
        raise Problem(401, "not-signed-in", "Sign in: POST /api/v1/sessions.", headers=_CHALLENGE)
    found = staffing.identify(desk(), token, at=now())
    if found is None:
        raise Problem(401, "session-ended", "This session has ended or never was: sign in again.", headers=_CHALLENGE)
    if by_cookie and request.method not in SAFE_METHODS:
        require_own_page(token)
    return found


def bearer_token() -> str | None:
    """The token of the `Authorization` header; None when there is no such header.

    Raises:
        Problem: 401 for another scheme.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Problem(401, "not-signed-in", "Authorization is `Bearer <token>`.", headers=_CHALLENGE)
    return token.strip()


# ------------------------------------------------------------------------------------------------ cookie and forms
def require_own_page(token: str) -> None:
    """Refuse a write by cookie unless the browser says it comes from our page and the page proves it.

    Raises:
        Problem: 403.
    """
    require_own_origin()
    if request.headers.get("X-Requested-With"):
        return
    sent = request.form.get("csrf_token", "")
    if not hmac.compare_digest(sent.encode(), form_token(token).encode()):
        raise Problem(
            403, "forged-form", "The form's token is missing or belongs to another session: load the page again."
        )


def require_own_origin() -> None:
    """Refuse what another site's page sends.

    Raises:
        Problem: 403.
    """
    if request.headers.get("Origin") != f"{request.scheme}://{request.host}":
        raise Problem(403, "foreign-origin", "A write by cookie needs the Origin of this server.")


def form_token(token: str) -> str:
    """What a form of this session carries as `csrf_token`; `token` is the session's or any other secret of the visitor."""
    key = desk().settings.secrets.form_key
    return hmac.new(key, sha256(token.encode()).digest(), sha256).hexdigest()


def csrf_token() -> str:
    """`form_token` of this request's cookie, empty without one; for templates."""
    token = request.cookies.get(COOKIE)
    return form_token(token) if token else ""


def remember(answer: Response, token: str, *, days: int | None = None) -> None:
    """Give the browser its session cookie, for some days or as long as it runs; the session itself ends on the server."""
    answer.set_cookie(
        COOKIE,
        token,
        max_age=days and days * 24 * 3600,
        httponly=True,
        samesite="Strict",
        secure=desk().settings.secure_cookies,
        path="/",
    )


def token_in_use() -> str:
    """The token of this request, which `signed_in` has accepted."""
    return bearer_token() or request.cookies.get(COOKIE, "")


def forget(answer: Response) -> None:
    """Take the session cookie away."""
    answer.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=desk().settings.secure_cookies, path="/")


def install(app: Flask) -> None:
    """Ask `admit` before every request; give templates `csrf_token()`."""
    app.before_request(admit)
    app.jinja_env.globals["csrf_token"] = csrf_token
