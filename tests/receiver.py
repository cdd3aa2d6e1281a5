"""A receiver of webhooks as an agency would write one: a real server on this machine, by the published words of the standard.

It shares nothing with the program: the signature is worked out here anew. What it answers can be told it beforehand.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Taken:
    """One call as it came."""

    id: str
    body: bytes
    headers: Mapping[str, str]
    at: float = field(default_factory=time.monotonic)

    @property
    def said(self) -> dict[str, Any]:
        return json.loads(self.body)


def fits(secret: str, call: Taken, *, now: float | None = None) -> bool:
    """True when one of the signatures is right and the moment is within five minutes."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp = call.headers["webhook-timestamp"]
    if abs((time.time() if now is None else now) - int(stamp)) > 300:
        return False
    right = base64.b64encode(
        hmac.new(key, f"{call.headers['webhook-id']}.{stamp}.".encode() + call.body, hashlib.sha256).digest()
    ).decode()
    return f"v1,{right}" in call.headers["webhook-signature"].split(" ")


class Receiver:
    """What has come, in the order in which it came. `answer(call) -> (status, headers)` decides what is said."""

    def __init__(self) -> None:
        self.calls: list[Taken] = []
        self.answer: Callable[[Taken], tuple[int, Mapping[str, str]]] = lambda _: (204, {})
        self.port = 0
        self._lock = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def take(self, call: Taken) -> tuple[int, Mapping[str, str]]:
        with self._lock:
            self.calls.append(call)
            self._lock.notify_all()
        return self.answer(call)

    def wait_for(self, count: int, *, within: float = 20) -> list[Taken]:
        """The calls, once there are so many."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.calls) >= count, within), f"{len(self.calls)} of {count} came"
            return list(self.calls)


@contextmanager
def a_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            call = Taken(self.headers["webhook-id"], body, {k.lower(): v for k, v in self.headers.items()})
            status, headers = receiver.take(call)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
