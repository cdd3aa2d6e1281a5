"""One line of the log and two figures for every request.

A line names the route (`/api/v1/public/items/<token>`), never the path that was asked for.
"""

import time
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram

_MOST_ID = 64
# Whoever asks may invent methods; each would be a figure of its own for ever.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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
        method = request.method if request.method in _METHODS else "other"
        metrics.requests.labels(method, route, answer.status_code).inc()
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
