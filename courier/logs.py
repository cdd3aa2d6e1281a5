"""The log: JSON lines on standard output, without tokens or personal data.

An exception is told by its type and place, never by its message: messages of databases and parsers quote what people sent.
"""

import logging
import sys
import traceback
from typing import Any

import orjson
import structlog


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
    for chatty in ("alembic", "dbos"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
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
