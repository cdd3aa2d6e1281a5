"""The bare optimiser for other programs: VROOM's body in, VROOM's body out."""

import os
import threading
from collections.abc import Mapping
from typing import Any, Final

from routing.problem import InvalidProblem
from routing.solving import EngineFailed, solve
from routing.vroom import (
    INPUT,
    INTERNAL,
    TravelFailed,
    error_body,
    is_told,
    read_problem,
    requested_seconds,
    solution_body,
    told_plan,
)

MOST_LOCATIONS: Final = 1000
MOST_VEHICLES: Final = 200
DEFAULT_SECONDS: Final = 5.0
MOST_SECONDS: Final = 30.0

# Of the server's eight threads. Who waits for a core holds one too, and the others are for the postmen.
MOST_AT_ONCE: Final = 4

_places = threading.BoundedSemaphore(MOST_AT_ONCE)
# A search keeps a core busy; who comes while all are taken waits as long as a search may take.
_cores = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))


class NotOptimized(Exception):
    """VROOM's kind of error: `status` 400 or 500, `body` {code: 1 internal | 2 input | 3 routing, error}."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body.get("error")))
        self.status = status
        self.body = body


def optimize(body: Any) -> dict[str, Any]:
    """Solve a VROOM body (parsed JSON) for `options.time_limit` seconds, 5 unless given and never more than 30.

    Raises:
        NotOptimized: 400 when the body makes no sense or is too large, 500 when it could not be solved or too many ask.
    """
    if not _places.acquire(blocking=False):
        raise NotOptimized(500, {"code": INTERNAL, "error": "all processors are busy, try again later"})
    try:
        return _optimize(body)
    finally:
        _places.release()


def _optimize(body: Any) -> dict[str, Any]:
    try:
        seconds = requested_seconds(body, default=DEFAULT_SECONDS, most=MOST_SECONDS)
        _refuse_too_large(body)
        problem = read_problem(body)
        if is_told(body):
            return solution_body(problem, told_plan(problem))
        if not _cores.acquire(timeout=MOST_SECONDS):
            raise NotOptimized(500, {"code": INTERNAL, "error": "all processors are busy, try again later"})
        try:
            return solution_body(problem, solve(problem, seconds=seconds))
        finally:
            _cores.release()
    except InvalidProblem as fault:
        raise NotOptimized(400, error_body(fault)) from fault
    except (EngineFailed, TravelFailed) as fault:
        raise NotOptimized(500, error_body(fault)) from fault


def _refuse_too_large(body: Any) -> None:
    """Before anything is built: a table of travel times grows with the square of the locations."""
    if not isinstance(body, Mapping):
        return  # the reader says what is wrong with it
    lists = {name: body.get(name) for name in ("jobs", "shipments", "vehicles")}
    counts = {name: len(value) if isinstance(value, list) else 0 for name, value in lists.items()}
    matrices = body.get("matrices")
    tables = (
        [t for m in matrices.values() if isinstance(m, Mapping) for t in m.values()]
        if isinstance(matrices, Mapping)
        else []
    )
    locations = max(
        counts["jobs"] + 2 * counts["shipments"],
        max((len(table) for table in tables if isinstance(table, list)), default=0),
    )
    if locations > MOST_LOCATIONS:
        sentence = f"Too many locations ({locations}) in query, maximum is set to {MOST_LOCATIONS}"
        raise NotOptimized(400, {"code": INPUT, "error": sentence})
    if counts["vehicles"] > MOST_VEHICLES:
        sentence = f"Too many vehicles ({counts['vehicles']}) in query, maximum is set to {MOST_VEHICLES}"
        raise NotOptimized(400, {"code": INPUT, "error": sentence})
