"""How a page is shown: templates with our words, who is looking, what went wrong, and where to go next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from flask import Blueprint, Flask, Response, current_app, g, redirect, request, url_for
from jinja2 import StrictUndefined

from api.conventions import desk
from api.problems import Problem, drain
from api.web import forms, texts
from api.web.texts import t
from courier.domain.calendar import local_day
from courier.domain.errors import Forbidden, Invalid, Missing, Refused, Stale
from courier.domain.people import Role
from courier.store.people import SignedIn

HOMES: Final[Mapping[Role, str]] = {
    Role.POSTMAN: "postman_pages.day",
    Role.DISPATCHER: "dispatcher_pages.day",
    Role.CASHIER: "cashier_pages.evening",
    Role.CLERK: "clerk_pages.search",
    Role.ADMIN: "admin_pages.people",
    Role.AGENCY: "house_pages.agency",
}
# What a role finds in the head of every page: (endpoint, key of the text).
MENUS: Final[Mapping[Role, tuple[tuple[str, str], ...]]] = {
    Role.POSTMAN: (("postman_pages.day", "menu.route"), ("postman_pages.evening", "menu.evening")),
    Role.DISPATCHER: (
        ("dispatcher_pages.day", "menu.day"),
        ("live_pages.live", "menu.live"),
        ("import_pages.imports", "menu.imports"),
        ("import_pages.addresses", "menu.addresses"),
        ("dispatcher_pages.items", "menu.items"),
        ("crew_pages.week", "menu.crew"),
        ("report_pages.day", "menu.reports"),
        ("dispatcher_pages.incidents", "menu.incidents"),
        ("petition_pages.complaints", "menu.complaints"),
        ("message_pages.messages", "menu.messages"),
        ("dispatcher_pages.phones", "menu.phones"),
    ),
    Role.CASHIER: (
        ("cashier_pages.evening", "menu.till"),
        ("cashier_pages.transfers", "menu.transfers"),
        ("cashier_pages.prepayments", "menu.prepayments"),
        ("cashier_pages.payables", "menu.payables"),
        ("cashier_pages.incidents", "menu.incidents"),
    ),
    Role.CLERK: (("clerk_pages.search", "menu.counter"),),
    Role.ADMIN: (
        ("admin_pages.people", "menu.people"),
        ("admin_pages.offices", "menu.offices"),
        ("calendar_pages.days", "menu.calendar"),
        ("crew_pages.week", "menu.crew"),
        ("report_pages.month", "menu.reports"),
        ("petition_pages.complaints", "menu.complaints"),
        ("message_pages.messages", "menu.messages"),
        ("petition_pages.requests", "menu.requests"),
        ("admin_pages.agencies", "menu.agencies"),
        ("agency_pages.hooks", "menu.hooks"),
        ("admin_pages.facts", "menu.facts"),
    ),
    Role.AGENCY: (("house_pages.agency", "menu.agency"), ("agency_pages.hooks", "menu.hooks")),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a form was not taken: a sentence for the head of the page, and one for each field that is wrong."""

    sentence: str
    status: int
    code: str = "invalid"
    fields: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fault: Exception) -> "Trouble":
        """What a person reads of a refusal or of faults in what was typed."""
        if isinstance(fault, Refused):
            return cls(texts.refusal(fault.code, fault.sentence), 409, fault.code)
        if isinstance(fault, Invalid):
            fields = {error.field: error.message for error in reversed(fault.errors)}
            return cls(t("trouble.invalid"), 422, "invalid", fields)
        if isinstance(fault, Stale):
            return cls(t("trouble.stale"), 412, "stale")
        raise fault


def install(app: Flask) -> None:
    """Make the environment of the page templates: strict about names, with our words and ways of writing."""
    pages = app.jinja_env.overlay(trim_blocks=True, lstrip_blocks=True)
    pages.undefined = StrictUndefined
    pages.globals |= {
        "t": t,
        "has": texts.has,
        "word": texts.word,
        "incident": texts.incident,
        "new_key": forms.new_key,
        "language": texts.language,
        "menu": menu,
        "viewer": viewer,
        "here": here,
        "payee_name": payee_name,
    }
    pages.filters |= {
        "dong": texts.dong,
        "digits": texts.digits,
        "share": texts.share,
        "day": texts.day,
        "weekday": texts.weekday,
        "clock": texts.clock,
        "about": texts.about,
        "moment": texts.moment,
        "seconds": texts.seconds,
        "local_day": local_day,
    }
    app.extensions["pages"] = pages


def show(template: str, status: int = 200, **values: Any) -> Response:
    """A page. `trouble` and `typed` are always there for templates: nothing went wrong and nothing was typed."""
    context: dict[str, Any] = {"trouble": None, "done": request.args.get("done", "")} | values
    if "typed" not in context:
        context["typed"] = request.form
    current_app.update_template_context(context)
    body = current_app.extensions["pages"].get_template(template).render(context)
    answer = Response(body, status, mimetype="text/html")
    answer.headers["Vary"] = "Cookie"
    return answer


def go(endpoint: str, *, done: str | None = None, **values: Any) -> Response:
    """After a form that was taken: to a page by GET; `done` names the message that it shows."""
    if done:
        values["done"] = done
    return away(url_for(endpoint, **values))


def away(address: str) -> Response:
    """To another address by GET."""
    return cast("Response", redirect(address, 303))


def viewer() -> SignedIn | None:
    """Whoever is signed in, also on pages that anybody may see; None for nobody."""
    found = g.get("signed_in")
    return found if isinstance(found, SignedIn) else None


def menu() -> list[tuple[str, str, bool]]:
    """(address, words, is it this page's part) of the signed-in person's pages."""
    found = viewer()
    if found is None or found.must_change_password:
        return []
    return [(url_for(endpoint), t(key), request.endpoint == endpoint) for endpoint, key in MENUS[found.caller.role]]


def here() -> str:
    """The address to come back to after a change of language: this page when it was asked for by GET, else its role's home."""
    if request.method != "GET" or request.url_rule is None:
        return url_for("house_pages.home")
    return request.full_path.rstrip("?")


def payee_name(payee: str) -> str:
    """Whom money is for: an agency by its name, the treasury or the post by a word."""
    kind, _, code = payee.partition(":")
    fact = desk().facts.agencies.get(code) if kind == "agency" else None
    if fact is not None:
        return fact.name_en if texts.language() == "en" else fact.name
    return f"{texts.word('payee', kind)} {code}".strip()


_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def home_of(role: Role) -> str:
    """The address of a role's first page; a postman's is the app where his browser can keep it for when there is no signal."""
    if role is Role.POSTMAN and is_secure_context():
        return url_for("phone_pages.shell")
    return url_for(HOMES[role])


def is_secure_context() -> bool:
    """True when the browser trusts the way to here, and so gives the phone its offline half: HTTPS, or this machine itself."""
    host = request.host
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return request.is_secure or name in _LOOPBACK


# --------------------------------------------------------------------------------------------------- what went wrong
def pages(name: str, import_name: str, *, prefix: str | None = None) -> Blueprint:
    """A blueprint of pages: whatever is refused in one of its views is answered with a page, not with JSON."""
    blueprint = Blueprint(name, import_name, url_prefix=prefix)
    blueprint.register_error_handler(Problem, _problem)
    blueprint.register_error_handler(Forbidden, lambda _: trouble_page(403))
    blueprint.register_error_handler(Missing, lambda _: trouble_page(404))
    for fault in (Refused, Invalid, Stale):
        blueprint.register_error_handler(fault, _refused)
    for status in (400, 404, 405, 413, 500):
        blueprint.register_error_handler(status, _plain(status))
    return blueprint


def _refused(fault: Exception) -> Response:
    trouble = Trouble.of(fault)
    sentence = " ".join([trouble.sentence, *trouble.fields.values()])
    return trouble_page(trouble.status, sentence)


def _plain(status: int) -> Callable[[Exception], Response]:
    def told(_fault: Exception) -> Response:
        answer = trouble_page(status)
        if status == 413:
            drain()
            answer.headers["Connection"] = "close"
        return answer

    return told


def _problem(fault: Any) -> Response:
    if fault.code == 401:
        # Only what a browser may ask for again is remembered.
        target = request.full_path.rstrip("?") if request.method == "GET" else None
        target = None if target == "/" else target
        return away(url_for("sign_in_pages.sign_in", next=target))
    if fault.problem_code == "password-change-required":
        return away(url_for("sign_in_pages.password"))
    key = f"problem.{fault.problem_code}"
    return trouble_page(fault.code or 500, t(key) if texts.has(key) else None)


def trouble_page(status: int, sentence: str | None = None) -> Response:
    """A page that says what went wrong and leads home."""
    key = f"status.{status}"
    title = t(key) if texts.has(key) else t("status.other")
    if sentence is None:
        sentence = t(f"{key}_more") if texts.has(f"{key}_more") else t("status.other_more")
    # What was typed is not asked for: reading a form that is too large would fail again.
    return show("trouble.html", status, title=title, sentence=sentence, typed={})
