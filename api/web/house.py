"""The doors that everybody uses: the way home, the choice of language, and a page for client systems of agencies."""

from flask import Response, request, url_for

from api import auth
from api.auth import public, roles
from api.conventions import desk
from api.problems import Problem
from api.web import forms, page, texts

blueprint = page.pages("house_pages", __name__)
_A_YEAR = 365 * 24 * 3600


@blueprint.get("/")
@public
def home() -> Response:
    """Everybody's own first page; the sign-in for nobody in particular."""
    if request.cookies.get(auth.COOKIE):
        try:
            return page.away(page.home_of(auth.caller().role))
        except Problem as fault:
            if fault.code != 401:
                raise
    return page.away(url_for("sign_in_pages.sign_in"))


@blueprint.post("/language")
@public
def change_language() -> Response:
    """Remember the language; needs no session, because it changes nothing but words."""
    answer = page.away(forms.local_path(request.form.get("next")))
    chosen = request.form.get("to")
    if chosen in texts.LANGUAGES:
        answer.set_cookie(
            texts.COOKIE,
            chosen,
            max_age=_A_YEAR,
            httponly=True,
            samesite="Lax",
            secure=desk().settings.secure_cookies,
        )
    return answer


@blueprint.get("/agency")
@roles("agency")
def agency() -> Response:
    """A client system signed in by hand: its work is done over the API."""
    return page.show("agency.html")
