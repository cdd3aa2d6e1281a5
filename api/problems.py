"""Every refusal and every error as `application/problem+json`: type, title, status, code, detail, errors.

An error of a field names the field and what was found in it, except where that is a secret.
"""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, request
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from courier.dispatch import SlotGone
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Overtaken, Refused, Stale
from courier.tracking import TooManyTries

MEDIA_TYPE = "application/problem+json"
# A value is never sent back from a field whose name contains one of these.
_SECRETS = ("password", "otp", "token", "id_number", "cccd", "last4", "secret", "enrolment")
_MOST_SHOWN = 60
# How much of a refused upload is still read, so that the sender hears the answer instead of a broken connection.
_MOST_DRAINED = 128 * 1024 * 1024


class FieldErrorSchema(Schema):
    """One fault in what was sent."""

    row = fields.Integer(metadata={"description": "row of a spreadsheet, counted as the sheet does"})
    field = fields.String(required=True)
    code = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """RFC 9457."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True, metadata={"description": "stable; what a program looks at"})
    detail = fields.String(required=True)
    errors = fields.List(fields.Nested(FieldErrorSchema), required=True)
    changes = fields.List(
        fields.Dict(), metadata={"description": "412: what others changed since, the oldest first, where it is known"}
    )
    slots = fields.List(
        fields.Dict(),
        metadata={"description": "409 `slot-gone`: the windows that are still free, as `/slots` gives them"},
    )


class Problem(HTTPException):
    """An HTTP error with a stable code, for what only the HTTP layer knows about."""

    def __init__(self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code = status
        self.problem_code = code
        self.more_headers = dict(headers or {})


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Iterable[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """The answer to a request that was refused; `more` are members of its own."""
    body = {
        "type": f"urn:buu-ta:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": [_published(error) for error in errors],
        **(more or {}),
    }
    answer = Response(orjson.dumps(body), status, content_type=MEDIA_TYPE)
    answer.headers.update(headers or {})
    return answer


def _published(error: FieldError) -> dict[str, Any]:
    body: dict[str, Any] = {} if error.row is None else {"row": error.row}
    return body | {"field": error.field, "code": error.code, "message": error.message}


def handle_problems(app: Flask) -> None:
    """Register the handlers of everything that may be raised on purpose."""
    app.register_error_handler(Refused, lambda fault: problem(409, fault.code, fault.sentence))
    app.register_error_handler(
        Invalid, lambda fault: problem(422, "invalid", "What was sent has errors.", errors=fault.errors)
    )
    app.register_error_handler(Missing, lambda _: problem(404, "not-found", "There is no such thing here."))
    app.register_error_handler(Forbidden, lambda fault: problem(403, "forbidden", str(fault) or "Not allowed."))
    app.register_error_handler(
        Stale,
        lambda fault: problem(412, "stale", f"{fault}: read it again.", headers={"ETag": f'"{fault.found}"'}),
    )
    app.register_error_handler(Overtaken, _overtaken)
    app.register_error_handler(SlotGone, _slot_gone)
    app.register_error_handler(TooManyTries, _too_many_tries)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(HTTPException, _http)


def _overtaken(fault: Overtaken) -> Response:
    headers = {"ETag": f'"{fault.found}"'}
    return problem(412, "stale", f"{fault}: read it again.", headers=headers, more={"changes": list(fault.changes)})


def _too_many_tries(fault: TooManyTries) -> Response:
    return problem(429, fault.code, fault.sentence, headers={"Retry-After": str(fault.seconds)})


def _slot_gone(fault: SlotGone) -> Response:
    free = [{"id": s.id, "date": s.day, "from": s.opens_at, "to": s.closes_at} for s in fault.slots]
    return problem(409, fault.code, fault.sentence, more={"slots": free})


def drain() -> None:
    """Read what is left of a refused upload, up to a bound, so that the sender hears the answer."""
    body, left = request.environ.get("wsgi.input"), min(request.content_length or 0, _MOST_DRAINED)
    while body is not None and left > 0 and (piece := body.read(min(left, 1 << 20))):
        left -= len(piece)


def _too_large(_fault: RequestEntityTooLarge) -> Response:
    drain()
    return problem(413, "too-large", "The request is larger than the server takes.", headers={"Connection": "close"})


def _http(fault: HTTPException) -> Response:
    status = fault.code or 500
    # Werkzeug's own headers (Allow, Retry-After, Content-Range) stay.
    headers = {name: value for name, value in fault.get_headers() if name.lower() != "content-type"}
    if isinstance(fault, Problem):
        return problem(status, fault.problem_code, fault.description or "", headers=headers | fault.more_headers)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem(status, "our-fault", "Something went wrong here; it has been noted.", headers=headers)
    code = HTTPStatus(status).phrase.lower().replace(" ", "-")
    return problem(status, code, fault.description or HTTPStatus(status).phrase, headers=headers)


# --------------------------------------------------------------------------------------------------- field errors
_CODES = {
    "Missing data for required field.": "required",
    "Unknown field.": "unknown",
    "Field may not be null.": "null",
}


def field_errors(messages: Any, sent: Any) -> list[FieldError]:
    """Marshmallow's nested messages as a flat list, each with the value that was found."""
    return [_field_error(path, message, sent) for path, message in _leaves(messages, ())]


def _leaves(messages: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _leaves(inner, path if name == "_schema" else (*path, name))
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from _leaves(inner, path)
    else:
        yield path, str(messages)


def _field_error(path: tuple[Any, ...], message: str, sent: Any) -> FieldError:
    field = ".".join(str(step) for step in path) or "body"
    code = _CODES.get(message, "invalid")
    if code != "required" and not any(word in field.lower() for word in _SECRETS):
        found, there = _found(path, sent)
        if there:
            message = f"{message} Found {found}."
    return FieldError(field, code, message)


def _found(path: tuple[Any, ...], sent: Any) -> tuple[str, bool]:
    value = sent
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return "", False
    if isinstance(value, Mapping | list):
        return ("an object" if isinstance(value, Mapping) else "a list"), True
    shown = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    cut = shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + "…"
    return (f"'{cut}'" if isinstance(value, str) else cut), True
