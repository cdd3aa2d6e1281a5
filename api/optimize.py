"""The optimiser over HTTP: VROOM's body in, VROOM's body out, VROOM's errors."""

from typing import Any

import orjson
from flask import Response, request
from marshmallow import Schema, fields

from api.auth import roles
from api.conventions import Blueprint
from courier import dispatch
from courier.domain.people import Scope

blueprint = Blueprint("optimize", __name__, url_prefix="/api/v1", description="The optimiser, in VROOM's words")


class OptimizeErrorSchema(Schema):
    """VROOM's error: 1 internal, 2 input, 3 routing."""

    code = fields.Integer(required=True)
    error = fields.String(required=True)


_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "description": "VROOM's input: jobs, shipments, vehicles, matrices, options. Unknown members are ignored.",
            }
        }
    },
}
_ANSWER = {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "VROOM's output"}


@blueprint.route("/optimize", methods=["POST"])
@roles("dispatcher", "admin", "agency", scope=Scope.OPTIMIZE)
@blueprint.response(200, description="VROOM's output")
@blueprint.alt_response(400, schema=OptimizeErrorSchema, description="the input makes no sense")
@blueprint.alt_response(500, schema=OptimizeErrorSchema, description="it could not be solved")
@blueprint.doc(requestBody=_BODY, responses={"200": _ANSWER})
def optimize() -> Response:
    """Solve a problem written as VROOM's body; `options.time_limit` seconds (5 unless given, at most 30)."""
    try:
        body: Any = orjson.loads(request.get_data(cache=False))
    except orjson.JSONDecodeError as fault:
        return _answer(400, {"code": 2, "error": f"The body is not JSON in UTF-8: {fault}"})
    try:
        return _answer(200, dispatch.optimize(body))
    except dispatch.NotOptimized as refusal:
        return _answer(refusal.status, refusal.body)


def _answer(status: int, body: Any) -> Response:
    return Response(orjson.dumps(body), status=status, mimetype="application/json")
