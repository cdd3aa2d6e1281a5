"""The log: one JSON line a request, without tokens or personal data.

A line names the route (`/api/v1/public/items/<token>`), never the path that was asked for, and an exception is told by its
type and place, never by its message: messages of databases and parsers quote what people sent.
"""

import logging
import sys
import time
import traceback
from typing import Any
from uuid import uuid4

import orjson
import structlog
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram

_MOST_ID = 64


def configure() -> None:
    """Send structlog and the standard library's warnings to standard output as JSON; for a serving process only."""
    processors: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        told_without_message,
    ]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dump),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _dump(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def told_without_message(_logger: Any, _method: str, event: Any) -> Any:
    """Replace an exception by its types and places, innermost last."""
    told = event.pop("exc_info", None)
    if told is True:
        told = sys.exc_info()
    fault = told[1] if isinstance(told, tuple) else told
    if isinstance(fault, BaseException):
        event["exception"] = _chain(fault)
    return event


def _chain(fault: BaseException) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    step: BaseException | None = fault
    while step is not None:
        places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(step.__traceback__)]
        chain.append({"type": f"{type(step).__module__}.{type(step).__qualname__}", "at": places})
        step = step.__cause__ or (None if step.__suppress_context__ else step.__context__)
    return chain


class Metrics:
    """Counters of one application, for `/metrics`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "courier_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "courier_request_seconds",
            "Time to answer",
            ["route"],
            buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30),
            registry=self.registry,
        )


def install(app: Flask) -> None:
    """Give every request an id, and write one line and two metrics when it is answered."""
    log = structlog.get_logger("courier.http")
    metrics = app.extensions["metrics"] = Metrics()

    @app.before_request
    def begin() -> None:
        asked = request.headers.get("X-Request-Id", "")
        # Another's id is taken over only when it cannot carry a message of its own.
        g.request_id = asked if 0 < len(asked) <= _MOST_ID and asked.replace("-", "").isalnum() else uuid4().hex
        g.began = time.perf_counter()

    @app.after_request
    def end(answer: Response) -> Response:
        seconds = time.perf_counter() - g.get("began", time.perf_counter())
        route = request.url_rule.rule if request.url_rule is not None else "unknown"
        signed_in = g.get("signed_in")
        answer.headers["X-Request-Id"] = g.get("request_id", "")
        metrics.requests.labels(request.method, route, answer.status_code).inc()
        metrics.seconds.labels(route).observe(seconds)
        log.info(
            "answered",
            method=request.method,
            route=route,
            status=answer.status_code,
            ms=round(seconds * 1000, 1),
            request=g.get("request_id"),
            actor=str(signed_in.caller.id) if signed_in is not None else None,
        )
        return answer
