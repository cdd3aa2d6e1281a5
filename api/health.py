"""Whether the server lives, whether it can work, and its metrics. No personal data here."""

import ipaddress
import shutil
import threading
import time
from typing import Any, Final

from flask import Flask, Response, current_app, request
from marshmallow import fields
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.auth import caller, public
from api.conventions import Blueprint, Flag, Strict, desk, now
from courier.domain.errors import Forbidden
from courier.domain.people import Role
from courier.store import condition

LEAST_FREE_BYTES: Final = 200 * 1024 * 1024
# Anybody may ask, and an answer costs a commit: so it is asked of the database once a second.
_GOOD_FOR_SECONDS: Final = 1.0

blueprint = Blueprint("health", __name__, url_prefix="/api/v1", description="Is the server there, can it work")


class LiveSchema(Strict):
    """The process answers."""

    live = Flag(required=True)


class ReadySchema(Strict):
    """What was looked at; `ok` or a word for what is wrong."""

    ready = Flag(required=True)
    checks = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class Readiness:
    """The last answer about this server, kept for a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._checks: dict[str, str] = {}

    def checks(self) -> dict[str, str]:
        """`{"database": ..., "disk": ...}`."""
        with self._lock:
            if time.monotonic() - self._asked > _GOOD_FOR_SECONDS:
                office = desk()
                free = shutil.disk_usage(office.settings.var_dir).free
                self._checks = {
                    "database": condition.fault(office.database, at=now()) or "ok",
                    "disk": "ok" if free >= LEAST_FREE_BYTES else "full",
                }
                self._asked = time.monotonic()
            return self._checks


@blueprint.route("/livez")
@public
@blueprint.response(200, LiveSchema)
def livez() -> Any:
    """Say that the process answers."""
    return {"live": True}


@blueprint.route("/readyz")
@public
@blueprint.response(200, ReadySchema)
@blueprint.alt_response(503, schema=ReadySchema, description="Something is wrong", success=True)
def readyz() -> Any:
    """Say whether the database can be written, has the right schema, and the disk has room."""
    checks = current_app.extensions["readiness"].checks()
    ready = all(word == "ok" for word in checks.values())
    return {"ready": ready, "checks": checks}, 200 if ready else 503


@public
def metrics() -> Response:
    """Give Prometheus its figures: to this machine itself, or to an admin."""
    if not _from_this_machine() and caller().role is not Role.ADMIN:
        raise Forbidden("Metrics are for an admin or for this machine itself.")
    return Response(generate_latest(current_app.extensions["metrics"].registry), content_type=CONTENT_TYPE_LATEST)


def _from_this_machine() -> bool:
    """True for loopback, unless a proxy on this machine speaks for somebody else."""
    forwarded = any(name in request.headers for name in ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via"))
    return not forwarded and request.remote_addr is not None and ipaddress.ip_address(request.remote_addr).is_loopback


def at_root(app: Flask) -> None:
    """The same under `/`, where machines look for them, and `/metrics`."""
    app.extensions["readiness"] = Readiness()
    app.add_url_rule("/livez", "root_livez", livez)
    app.add_url_rule("/readyz", "root_readyz", readyz)
    app.add_url_rule("/metrics", "metrics", metrics)
