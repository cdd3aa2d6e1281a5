"""The published document: flask-smorest's, corrected where it says something else than the server does; and its page."""

from http import HTTPStatus
from typing import Any

import flask_smorest
from flask import Flask, Response, current_app, url_for

from api.auth import access_of, public
from api.problems import MEDIA_TYPE, ProblemSchema

METHODS = ("get", "post", "put", "patch", "delete")
_NO_NUL = "^[^\\u0000]*$"
# Swagger UI sets styles on its elements and draws its icons from data: addresses; it evaluates nothing.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE = """<!doctype html>
<html lang="vi">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bưu tá: API</title>
<link rel="stylesheet" href="{static}/swagger-ui.css">
</head>
<body>
<div id="docs" data-document="{document}"><p>{note}</p></div>
<script src="{static}/swagger-ui-bundle.js"></script>
<script src="{start}"></script>
</body>
</html>
"""
_START = """const place = document.getElementById("docs");
if (window.SwaggerUIBundle) {
  window.SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    deepLinking: true,
    presets: [window.SwaggerUIBundle.presets.apis],
    validatorUrl: null,
  });
}
"""


class Api(flask_smorest.Api):  # type: ignore[misc]  # it has no types
    """flask-smorest without its error handler; its document goes through `corrected` once."""

    ERROR_SCHEMA = ProblemSchema
    _document: dict[str, Any] | None = None

    def _register_error_handlers(self) -> None:
        """`api.problems` answers errors."""

    def document(self) -> dict[str, Any]:
        """The document as it is published."""
        if self._document is None:
            self._document = corrected(self.spec.to_dict(), self._app)
        return self._document


def publish(app: Flask, api: Api) -> None:
    """Serve the document and its page under /api."""

    @public
    def openapi_json() -> Any:
        """Give the OpenAPI document."""
        return current_app.json.response(api.document())

    @public
    def docs() -> Response:
        """Show the document with Swagger UI."""
        page = _PAGE.format(
            static=url_for("static", filename="vendor/swagger-ui"),
            document=url_for("openapi_json"),
            start=url_for("docs_start"),
            note="Trang này cần các tệp của Swagger UI (make vendor) và JavaScript.",
        )
        answer = Response(page, mimetype="text/html")
        answer.headers["Content-Security-Policy"] = DOCS_POLICY
        return answer

    @public
    def docs_start() -> Response:
        """Give the script that starts Swagger UI: a strict policy allows none inside the page."""
        return Response(_START, mimetype="text/javascript")

    app.add_url_rule("/api/openapi.json", view_func=openapi_json)
    app.add_url_rule("/api/docs", view_func=docs)
    app.add_url_rule("/api/docs/start.js", view_func=docs_start)


def corrected(document: dict[str, Any], app: Flask) -> dict[str, Any]:
    """Say what the marks of the views say (rights, versions, idempotency), and errors as problem+json."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    components["responses"] = {"Problem": _problem_answer()} | {
        name: answer for name, answer in components.get("responses", {}).items() if not _is_problem(answer)
    }
    rules = {_path(rule.rule): rule.endpoint for rule in app.url_map.iter_rules()}
    by_method = {
        (_path(rule.rule), method.lower()): app.view_functions[rule.endpoint]
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    for path, operations in document.get("paths", {}).items():
        if path not in rules:
            continue
        # An answer without a body has no problem in it; the one view of this kind is told of where its path is described.
        operations.pop("head", None)
        for method in METHODS:
            if method in operations:
                _correct_operation(operations[method], by_method[path, method])
    _forbid_nul(document)
    return document


def _correct_operation(operation: dict[str, Any], view: Any) -> None:
    answers = operation["responses"] = {
        str(status): answer for status, answer in operation.get("responses", {}).items()
    }
    for status, answer in list(answers.items()):
        if "$ref" not in answer:
            answer.setdefault("description", HTTPStatus(int(status)).phrase if status.isdecimal() else "")
        # A view may publish an error in a shape of its own; whatever has none is a problem like all others.
        shaped = any("schema" in media for media in answer.get("content", {}).values())
        if status == "default" or (status >= "400" and (not shaped or _is_problem(answer))):
            answers[status] = {"$ref": "#/components/responses/Problem"}
    wanted = {"400", "404", "429", "500"}
    access = access_of(view)
    if access is not None and not access.public:
        operation["security"] = [{"bearer": []}]
        wanted |= {"401", "403"}
    if "requestBody" in operation:
        wanted |= {"409", "413", "415", "422"}
    if operation.get("parameters"):
        wanted |= {"422"}
    if getattr(view, "takes_idempotency_key", False):
        wanted |= {"409", "422"}
        operation.setdefault("parameters", []).append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "same key and body: same answer; another body: 422; still running: 409",
                "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
            }
        )
    if getattr(view, "needs_if_match", False):
        wanted |= {"412", "428"}
        operation.setdefault("parameters", []).append(
            {
                "name": "If-Match",
                "in": "header",
                "required": True,
                "description": 'the version that is changed, as in "3"',
                "schema": {"type": "string", "pattern": '^"[0-9]{1,9}"$'},
            }
        )
    answers.pop("default", None)
    for status in sorted(wanted):
        answers.setdefault(status, {"$ref": "#/components/responses/Problem"})


def _problem_answer() -> dict[str, Any]:
    return {
        "description": "A refusal or an error",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _is_problem(answer: dict[str, Any]) -> bool:
    content = answer.get("content", {})
    return any(media.get("schema", {}).get("$ref") == "#/components/schemas/Problem" for media in content.values())


def _path(rule: str) -> str:
    """`/items/<uuid:item_id>` as OpenAPI writes it: `/items/{item_id}`."""
    out, rest = "", rule
    while "<" in rest:
        before, _, rest = rest.partition("<")
        inside, _, rest = rest.partition(">")
        out += f"{before}{{{inside.rpartition(':')[2]}}}"
    return out + rest


def _forbid_nul(node: Any) -> None:
    """Plain texts hold no NUL; say so wherever a schema sets no format, pattern or list of words of its own."""
    if isinstance(node, dict):
        kind = node.get("type")
        if (kind == "string" or (isinstance(kind, list) and "string" in kind)) and not (
            node.keys() & {"format", "pattern", "enum", "const", "contentMediaType"}
        ):
            node["pattern"] = _NO_NUL
        for inner in node.values():
            _forbid_nul(inner)
    elif isinstance(node, list):
        for inner in node:
            _forbid_nul(inner)
