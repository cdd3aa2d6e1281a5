"""What gunicorn does otherwise here: its log holds no path, which may be a citizen's link, and silence frees a thread."""

import contextlib
import socket
import sys
import time
from typing import Any, Final

import orjson
from gunicorn import glogging
from gunicorn.workers.gthread import ThreadWorker

from courier.logs import told_without_message


class Log(glogging.Logger):  # type: ignore[misc]  # it has no types
    """`courier serve` gives this class to gunicorn. `api.logs` writes one line a request already."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Write nothing, whatever settings or environment say."""

    def exception(self, msg: str, *_args: Any, **_kwargs: Any) -> None:
        """Tell of a crash outside the application by types and places; the arguments hold the address."""
        told = told_without_message(None, "", {"exc_info": sys.exc_info()})
        self.error_log.error("%s %s", msg.replace("%s", "-"), orjson.dumps(told).decode())

    def debug(self, msg: str, *_args: Any, **_kwargs: Any) -> None:
        """Write nothing: gunicorn's debug lines quote requests."""


# Longer than the slowest honest upload takes; a phone that lost its signal in the middle of one never comes back.
READ_SECONDS: Final = 30.0


class Worker(ThreadWorker):  # type: ignore[misc]  # it has no types
    """`courier serve` gives this class to gunicorn: nobody keeps a thread by beginning a request and falling silent.

    gunicorn waits for the rest of a request without end, and eight such visitors are all its threads. This takes back what
    has kept a thread for `READ_SECONDS`: reading comes to its end. A request that is being worked on is answered all the same.
    """

    read_seconds = READ_SECONDS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._since: dict[Any, float] = {}

    def handle(self, conn: Any) -> Any:
        """Handle one request in a thread."""
        self._since[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self._since.pop(conn, None)

    def murder_pending(self) -> None:
        """Called once a second by the thread that accepts."""
        super().murder_pending()
        begun_before = time.monotonic() - self.read_seconds
        for conn, since in self._since.copy().items():
            if since < begun_before:
                # The plain socket's own, because a TLS socket's would take the keys from under a thread that still writes.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(conn.sock, socket.SHUT_RD)
