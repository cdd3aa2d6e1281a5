"""The application: blueprints, errors, rights, headers and the published document, put together around one desk."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
import structlog
from flask import Flask, Response, current_app, request
from flask.json.provider import JSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter, ValidationError

from api import (
    agency_reports,
    auth,
    calendar,
    cash,
    clients,
    complaints,
    crew,
    edits,
    health,
    imports,
    incidents,
    items,
    live,
    logs,
    messages,
    openapi,
    optimize,
    phones,
    plan_answers,
    plans,
    postman,
    prepaying,
    privacy,
    public,
    ratings,
    reports,
    sessions,
    staff,
    web,
    webhooks,
)
from api.conventions import Blueprint
from api.problems import Problem, handle_problems
from courier.desk import Desk

# The largest body: a spreadsheet of some 50,000 rows fits.
MOST_BYTES = 16 * 1024 * 1024
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with it browsers send `Origin: null` with a form, and the check for forged forms needs the Origin.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(self), microphone=(), payment=(), usb=()",
}


def blueprints() -> list[Blueprint]:
    """Every blueprint of the API."""
    modules = (
        health,
        sessions,
        staff,
        imports,
        items,
        edits,
        plans,
        calendar,
        crew,
        reports,
        plan_answers,
        live,
        postman,
        phones,
        public,
        complaints,
        ratings,
        prepaying,
        privacy,
        cash,
        incidents,
        messages,
        optimize,
        clients,
        webhooks,
        agency_reports,
    )
    return [module.blueprint for module in modules]


class Application(Flask):
    """Flask that tells of a crash without the path, which may carry a citizen's token."""

    def log_exception(self, exc_info: Any) -> None:
        """Log type and place of an exception nobody meant."""
        route = request.url_rule.rule if request.url_rule is not None else "unknown"
        structlog.get_logger("courier.http").error("crashed", route=route, exc_info=exc_info)


class FastJson(JSONProvider):
    """orjson: UUIDs, days and instants as they are."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """To text."""
        return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """From text."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """An answer, without the detour over text."""
        body = orjson.dumps(self._prepare_response_obj(args, kwargs), option=orjson.OPT_NON_STR_KEYS)
        return Response(body, mimetype="application/json")


class DayConverter(BaseConverter):
    """`<day:day>` in a path: `YYYY-MM-DD`, 404 for anything else."""

    regex = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        """A day, or no match."""
        try:
            return date.fromisoformat(value)
        except ValueError as fault:
            raise ValidationError from fault


def create_app(desk: Desk, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Flask:
    """The application around a desk. `clock` is the one place where a web request reads the time.

    Raises:
        RuntimeError: a view does not say who may call it.
    """
    app = Application("api", static_folder="web/static", static_url_path="/static", template_folder="web/templates")
    app.config.update(
        API_TITLE="Bưu tá",
        API_VERSION="1.0",
        OPENAPI_VERSION="3.1.1",
        MAX_CONTENT_LENGTH=MOST_BYTES,
        MAX_FORM_MEMORY_SIZE=MOST_BYTES,
        MAX_FORM_PARTS=200,
        # Our own handlers answer everything, also under test.
        TRAP_HTTP_EXCEPTIONS=False,
        PROPAGATE_EXCEPTIONS=False,
        SECRET_KEY=None,
    )
    app.json = FastJson(app)
    app.extensions["desk"] = desk
    app.extensions["clock"] = clock
    app.url_map.converters["day"] = DayConverter
    app.url_map.strict_slashes = False
    if desk.settings.trusted_proxies:
        hops = desk.settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]  # the way that Flask documents
    logs.install(app)
    app.before_request(_refuse_broken_text)
    app.before_request(_allow_large)
    auth.install(app)
    handle_problems(app)
    sessions.handle_refused_entry(app)
    app.after_request(_protect)
    api = openapi.Api(app, spec_kwargs={"info": {"description": "Giao tận nhà kết quả thủ tục hành chính."}})
    api.register_converter(DayConverter, lambda _: {"type": "string", "format": "date"})
    for blueprint in blueprints():
        api.register_blueprint(blueprint)
    health.at_root(app)
    web.install(app)
    openapi.publish(app, api)
    unmarked = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static" and auth.access_of(app.view_functions[rule.endpoint]) is None
    ]
    if unmarked:
        raise RuntimeError(f"mark these views with @roles(...) or @public: {', '.join(sorted(unmarked))}")
    return app


def _refuse_broken_text() -> None:
    """Refuse what is not UTF-8, or holds NUL, in the path or the query: no text of ours can hold it.

    Raises:
        Problem: 400.
    """
    query: bytes = request.query_string
    path = request.path
    try:
        if b"%" in query:
            query = unquote_to_bytes(query)
        query.decode()
        if not path.isascii():
            request.environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeError as fault:
        raise Problem(400, "invalid-text", "The path or the query is not UTF-8.") from fault
    if b"\0" in query or "\0" in path:
        raise Problem(400, "invalid-text", "The path and the query cannot hold the character U+0000.")


def _allow_large() -> None:
    """Let a view that says so take more than `MOST_BYTES`; before anybody reads the body."""
    if request.endpoint is not None:
        most_bytes = getattr(current_app.view_functions[request.endpoint], "most_bytes", None)
        if most_bytes is not None:
            request.max_content_length = most_bytes


def _protect(answer: Response) -> Response:
    """Headers that every answer carries, unless the view set its own."""
    headers = answer.headers
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    is_page = answer.mimetype == "text/html"
    headers.setdefault("Content-Security-Policy", PAGE_POLICY if is_page else API_POLICY)
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return answer
