"""Signing in and out, and one's own password."""

from flask import Response, request

from api import auth
from api.auth import public, roles
from api.conventions import desk, now
from api.web import forms, page
from api.web.page import Trouble
from api.web.texts import t
from courier import staffing
from courier.domain.errors import Invalid

blueprint = page.pages("sign_in_pages", __name__)


@blueprint.get("/sign-in")
@public
def sign_in() -> Response:
    """The form."""
    return page.show("sign_in.html", next=forms.local_path(request.args.get("next")))


@blueprint.post("/sign-in")
@public
def enter() -> Response:
    """Open a session and go where one wanted to go."""
    if "Origin" in request.headers:
        # Else another site could sign a cashier in as somebody else, who then writes in that name.
        auth.require_own_origin()
    wanted = forms.local_path(request.form.get("next"))
    try:
        token, _ = staffing.sign_in(
            desk(),
            request.form.get("login", "").replace("\0", "")[:100],
            request.form.get("password", "")[:200],
            otp=request.form.get("otp", "").strip()[:10] or None,
            address=request.remote_addr or "0.0.0.0",  # noqa: S104 (no address at all counts as one)
            at=now(),
        )
    except staffing.WrongSignIn:
        return page.show("sign_in.html", 401, next=wanted, trouble=Trouble(t("sign_in.wrong"), 401))
    except staffing.TooManyTries as fault:
        minutes = -(-fault.seconds // 60)
        busy = page.show("sign_in.html", 429, next=wanted, trouble=Trouble(t("sign_in.wait", minutes=minutes), 429))
        busy.headers["Retry-After"] = str(fault.seconds)
        return busy
    answer = page.away(wanted)
    auth.remember(answer, token)
    return answer


@blueprint.post("/sign-out")
@roles(before_password_change=True, from_revoked_phone=True)
def sign_out() -> Response:
    """End this session."""
    staffing.sign_out(desk(), auth.signed_in(), at=now())
    answer = page.go("sign_in_pages.sign_in", done="signed_out")
    auth.forget(answer)
    return answer


@blueprint.get("/password")
@roles(before_password_change=True)
def password() -> Response:
    """The form for a new password."""
    return _password_page()


@blueprint.post("/password")
@roles(before_password_change=True)
def change_password() -> Response:
    """Change it; the other sessions of this person end."""
    new = request.form.get("new_password", "")
    if new != request.form.get("again", ""):
        return _password_page(Trouble(t("trouble.invalid"), 422, fields={"again": t("password.differ")}))
    try:
        staffing.change_password(
            desk(),
            auth.signed_in(),
            old=request.form.get("old_password", ""),
            new=new,
            address=request.remote_addr or "0.0.0.0",  # noqa: S104 (no address at all counts as one)
            at=now(),
        )
    except Invalid as fault:
        return _password_page(Trouble.of(fault))
    except staffing.TooManyTries as fault:
        return _password_page(Trouble(t("sign_in.wait", minutes=-(-fault.seconds // 60)), 429))
    return page.go(page.HOMES[auth.caller().role], done="password_changed")


def _password_page(trouble: Trouble | None = None) -> Response:
    found = auth.signed_in()
    status = trouble.status if trouble else 200
    return page.show("password.html", status, trouble=trouble, must=found.must_change_password, login=found.login)
