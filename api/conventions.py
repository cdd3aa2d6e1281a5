"""What every blueprint relies on: the desk, the clock, parsing, versions, idempotent writes and pages.

The order of decorators on a view, from the outside in:

    @blueprint.route("/offices", methods=["POST"])
    @roles("admin")
    @idempotent
    @blueprint.arguments(NewOfficeSchema)
    @blueprint.response(201, OfficeSchema)
"""

import base64
import functools
import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NoReturn, TypeVar, cast
from uuid import UUID

import flask_smorest
import orjson
from flask import Request, Response, current_app, g, request
from marshmallow import RAISE, Schema, ValidationError
from webargs.core import is_json, missing
from webargs.flaskparser import FlaskParser

from api.problems import MEDIA_TYPE, Problem, field_errors, problem
from api.shapes import (
    ClockTime,
    Degrees,
    Dong,
    Flag,
    Id,
    Instant,
    LocalDay,
    Name,
    PageQuery,
    Strict,
    Text,
    Whole,
    Word,
    page_of,
)
from courier.desk import Desk
from courier.domain.errors import FieldError, Invalid, Stale
from courier.store import answers

__all__ = [
    "MEDIA_TYPE",
    "Blueprint",
    "ClockTime",
    "Degrees",
    "Dong",
    "Flag",
    "Id",
    "Instant",
    "LocalDay",
    "Name",
    "PageQuery",
    "Problem",
    "Strict",
    "Text",
    "Whole",
    "Word",
    "after_cursor",
    "after_id",
    "caller_key",
    "compressed",
    "desk",
    "etag",
    "idempotent",
    "if_match",
    "may_send",
    "now",
    "page",
    "page_of",
    "problem",
    "require_version",
    "unchanged",
    "versioned",
]

View = Callable[..., Any]
AnyView = TypeVar("AnyView", bound=View)
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_VERSION_TAG = re.compile(r'"[0-9]{1,9}"', re.ASCII)
_ENTITY_TAGS = re.compile(r'(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*')


def desk() -> Desk:
    """The desk that the application was made with."""
    return cast("Desk", current_app.extensions["desk"])


def now() -> datetime:
    """The moment of this request, aware and the same however often it is asked."""
    if "now" not in g:
        g.now = current_app.extensions["clock"]()
    return cast("datetime", g.now)


# -------------------------------------------------------------------------------------------------------- parsing
class Parser(FlaskParser):
    """Reads bodies and queries strictly: media type, UTF-8, JSON, unknown fields; faults become `Invalid`."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE, "querystring": RAISE}  # noqa: RUF012

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The JSON body; `missing` when there is none at all."""
        body = req.get_data(cache=True)
        if not body:
            return missing
        if not is_json(req.mimetype):
            raise Problem(415, "unsupported-media-type", f"Send application/json, found {req.mimetype or 'no type'}.")
        whole = getattr(schema, "takes_any_text", False)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as fault:
            if whole and (read := _with_half_letters(body)) is not None:
                return read
            raise Problem(400, "invalid-json", f"The body is not JSON in UTF-8: {fault}") from fault
        if b"\\u0000" in body and not whole:
            _refuse_nul(value, ())
        return value

    def handle_error(self, error: ValidationError, req: Request, schema: Schema, **_: Any) -> NoReturn:  # noqa: ARG002
        """Raise `Invalid` with every fault, each naming its field and what was found in it."""
        messages = error.messages
        inner = next(iter(messages.values())) if isinstance(messages, Mapping) else messages
        raise Invalid(*field_errors(inner, error.data)) from error


def _with_half_letters(body: bytes) -> Any:
    """JSON that a careful reader refuses because of half a surrogate pair somewhere; None where that is not the reason.

    A browser's JSON.stringify writes one where a text was cut in the middle of an emoji.
    """
    if b"\\u" not in body:
        return None
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_nul(value: Any, path: tuple[str, ...]) -> None:
    """PostgreSQL keeps no NUL in a text, so nobody may send one."""
    if isinstance(value, str) and "\0" in value:
        raise Invalid(FieldError(".".join(path) or "body", "invalid", "A text cannot hold the character U+0000."))
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _refuse_nul(name, path)
            _refuse_nul(inner, (*path, name))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _refuse_nul(inner, (*path, str(position)))


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # it has no types
    """A blueprint of the API; `create_app` takes no other kind."""

    ARGUMENTS_PARSER = Parser()

    # flask-smorest ships no types; these five give views back theirs.
    def route(self, rule: str, **options: Any) -> Callable[[AnyView], AnyView]:
        """Register a view."""
        return cast("Callable[[AnyView], AnyView]", super().route(rule, **options))

    def arguments(self, schema: type[Schema] | Schema, **options: Any) -> Callable[[AnyView], AnyView]:
        """Read the body or the query (`location="query"`) and give it to the view as first argument."""
        return cast("Callable[[AnyView], AnyView]", super().arguments(schema, **options))

    def response(
        self, status: int, schema: type[Schema] | Schema | None = None, **options: Any
    ) -> Callable[[AnyView], AnyView]:
        """Write what the view returns with the schema, and publish it."""
        return cast("Callable[[AnyView], AnyView]", super().response(status, schema, **options))

    def alt_response(self, status: int, **options: Any) -> Callable[[AnyView], AnyView]:
        """Publish another answer."""
        return cast("Callable[[AnyView], AnyView]", super().alt_response(status, **options))

    @staticmethod
    def doc(**described: Any) -> Callable[[AnyView], AnyView]:
        """Publish members of the operation as they are."""
        return cast("Callable[[AnyView], AnyView]", flask_smorest.Blueprint.doc(**described))


# ------------------------------------------------------------------------------------------------------- versions
def etag(version: int) -> dict[str, str]:
    """The headers of an answer about a row at this version."""
    return {"ETag": f'"{version}"'}


def if_match() -> int:
    """The version that the caller changes.

    Raises:
        Problem: 428 without `If-Match` (or with `*`, which protects nobody), 400 when it is no entity tag at all, 412 when
            it is not a version of ours.
    """
    sent = request.headers.get("If-Match", "").strip()
    if sent in ("", "*"):
        raise Problem(428, "precondition-required", 'Say in If-Match which version you change, as in If-Match: "3".')
    if _ENTITY_TAGS.fullmatch(sent) is None:
        raise Problem(400, "invalid-if-match", f'If-Match is a version in quotes, as in "3", found {sent[:60]!r}.')
    if _VERSION_TAG.fullmatch(sent) is None:
        raise Problem(412, "stale", f"If-Match names no version of this: {sent[:60]!r}.")
    return int(sent[1:-1])


def may_send(most_bytes: int) -> Callable[[AnyView], AnyView]:
    """This view takes larger bodies than others do; `create_app` allows them before anybody reads."""

    def mark(view: AnyView) -> AnyView:
        view.most_bytes = most_bytes  # type: ignore[attr-defined]  # a view carries what it asks of its callers
        return view

    return mark


_WORTH_COMPRESSING: Final = 1024


def compressed(answer: Response) -> Response:
    """Gzip JSON for a caller who takes it: a postman's signal is thin. For `after_request` of a blueprint."""
    if answer.mimetype != "application/json" or answer.is_streamed:
        return answer
    answer.vary.add("Accept-Encoding")
    body = answer.get_data()
    if len(body) > _WORTH_COMPRESSING and request.accept_encodings["gzip"] > 0:
        answer.set_data(gzip.compress(body, 6, mtime=0))
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def versioned(view: View) -> View:
    """Publish that the view needs `If-Match`; the view itself asks `if_match()`."""
    view.needs_if_match = True  # type: ignore[attr-defined]  # a view carries what it asks of its callers
    return view


def unchanged(tag: str) -> Response | None:
    """The 304 for a caller who has this version already, else None. `tag` comes without quotes."""
    if tag in request.if_none_match:
        return Response(status=304, headers={"ETag": f'"{tag}"'})
    return None


def require_version(what: str, *, expected: int, found: int) -> None:
    """Raise `Stale` unless the row is still the one that the caller read."""
    if expected != found:
        raise Stale(what, expected=expected, found=found)


# ----------------------------------------------------------------------------------------------- idempotent writes
def idempotent(view: View) -> View:
    """Honour `Idempotency-Key`: same key and body = same answer, another body 422, still running 409.

    The answer is stored after the use case has committed. Where the process dies in between, the key is free again after
    ten minutes, and the use case's own uniqueness (a barcode, a login, a postman's day) stops a second effect.
    """

    @functools.wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return view(*args, **kwargs)
        if not _KEY.fullmatch(key):
            raise Problem(400, "invalid-idempotency-key", "Idempotency-Key is 1 to 200 printable ASCII characters.")
        office, caller = desk(), caller_key()
        found = answers.claim(
            office.database, office.settings.secrets, caller=caller, key=key, body_hash=_request_hash(), at=now()
        )
        if isinstance(found, answers.StoredAnswer):
            headers = {**found.headers, "Idempotency-Replayed": "true"}
            return Response(found.body, found.status, headers=headers)
        if found is answers.Claim.OTHER_BODY:
            return problem(422, "idempotency-key-reused", "This Idempotency-Key came with another request before.")
        if found is answers.Claim.RUNNING:
            return problem(
                409, "still-running", "The first request with this key is still running.", headers={"Retry-After": "1"}
            )
        return _answer_and_keep(view, args, kwargs, caller=caller, key=key)

    guarded.takes_idempotency_key = True  # type: ignore[attr-defined]  # a view carries what it asks of its callers
    return guarded


def _answer_and_keep(view: View, args: Any, kwargs: Any, *, caller: str, key: str) -> Response:
    office = desk()
    kept = False
    try:
        try:
            answer = current_app.make_response(view(*args, **kwargs))
        except Exception as fault:  # noqa: BLE001 - Flask answers what is meant to be raised and raises the rest again
            answer = current_app.make_response(current_app.handle_user_exception(fault))
        # A refusal is an answer too. What is worth trying again (signed out, too many, our fault) is not kept.
        if answer.status_code < 500 and answer.status_code not in (401, 403, 429):
            headers = {
                name: value for name, value in answer.headers.items() if name in ("Content-Type", "ETag", "Location")
            }
            stored = answers.StoredAnswer(answer.status_code, answer.get_data(as_text=True), headers)
            answers.keep(office.database, office.settings.secrets, caller=caller, key=key, answer=stored)
            kept = True
        return answer
    finally:
        if not kept:
            answers.release(office.database, caller=caller, key=key)


def caller_key() -> str:
    """Whose keys these are: the signed-in person's, or those of the link that the path carries (as a digest)."""
    signed_in = g.get("signed_in")
    return str(signed_in.caller.id) if signed_in is not None else "link:" + sha256(request.path.encode()).hexdigest()


def _request_hash() -> str:
    """A digest of what was asked. The parts of a form count, not the boundary that a client chose between them."""
    digest = sha256(f"{request.method} {request.full_path}\n{request.headers.get('If-Match', '')}\n".encode())
    if request.mimetype in ("multipart/form-data", "application/x-www-form-urlencoded"):
        for name, value in sorted(request.form.items(multi=True)):
            digest.update(orjson.dumps([name, value]))
        for name, file in sorted(request.files.items(multi=True), key=lambda part: part[0]):
            content = file.read()
            file.seek(0)
            digest.update(orjson.dumps([name, file.filename, sha256(content).hexdigest()]))
    else:
        digest.update(request.get_data(cache=True))
    return digest.hexdigest()


# ---------------------------------------------------------------------------------------------------------- pages
def page(rows: Sequence[Any], *, limit: int, position: Callable[[Any], Sequence[str | int]]) -> dict[str, Any]:
    """One page of a list. Ask the store for `limit + 1` rows; `position` gives what the list is sorted by, unique per row."""
    shown = list(rows[:limit])
    more = len(rows) > limit
    cursor = base64.urlsafe_b64encode(orjson.dumps(list(position(shown[-1])))).decode().rstrip("=") if more else None
    return {"data": shown, "next": cursor}


def after_id(text: str | None) -> UUID | None:
    """The id that a cursor of nothing else stands for; None at the beginning.

    Raises:
        Invalid: `after` is not one of our cursors.
    """
    after = after_cursor(text, str)
    if after is None:
        return None
    try:
        return UUID(after[0])
    except ValueError:
        raise Invalid(FieldError("after", "invalid", "Not a cursor of this list.")) from None


def after_cursor(text: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The position that a cursor of ours stands for; None at the beginning. `kinds` are the types of its parts.

    Raises:
        Invalid: `after` is not one of our cursors.
    """
    if text is None:
        return None
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        parts = None
    fits = isinstance(parts, list) and len(parts) == len(kinds)
    if not fits or not all(type(part) is kind for part, kind in zip(parts, kinds, strict=True)):
        raise Invalid(FieldError("after", "invalid", f"Not a cursor of this list. Found '{text[:60]}'."))
    if any(isinstance(part, str) and "\0" in part for part in parts):
        raise Invalid(FieldError("after", "invalid", "Not a cursor of this list."))
    return tuple(parts)
