"""The network between phone and server, with everything that goes wrong in it: dead, slow, cut after the commit, a portal's
page, answers of a server in trouble. It stands only in tests; the program knows nothing of it.
"""

import http.client
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PORTAL = b"<!doctype html><title>Wi-Fi</title><h1>Welcome! Log in to this network</h1>"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Seen:
    """A request as it passed."""

    method: str
    path: str
    body: bytes
    status: int | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fault:
    """What happens to requests of `method` whose path begins with `path`; `times` None is until it is taken away."""

    path: str
    method: str | None = None
    times: int | None = None
    portal: bool = False
    status: int | None = None
    code: str = "invalid"
    headers: dict[str, str] = field(default_factory=dict)
    plain: bool = False  # the status comes with a page of HTML, as from a machine before the server
    cut: bool = False  # the server does its work, and the answer is lost
    hold: threading.Event | None = None  # the request waits here
    when: Callable[[Seen], bool] | None = None

    def fits(self, seen: Seen) -> bool:
        return (
            seen.path.startswith(self.path)
            and self.method in (None, seen.method)
            and self.times != 0
            and (self.when is None or self.when(seen))
        )


class Proxy:
    """Listens on a port of its own and passes on to the server, or does not."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.rewrite: Callable[[str, bytes], bytes] | None = None
        self._lock = threading.Lock()
        self._ended = threading.Condition()
        self._listening: http.server.ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """The network is there (again, on the same port)."""
        assert self._listening is None
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._listening = _Listening(("127.0.0.1", self._port), handler)
        self._port = self._listening.server_port
        threading.Thread(target=self._listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """No network: connections are refused, and those that are open break."""
        if self._listening is not None:
            self._listening.shutdown()
            self._listening.server_close()
            self._listening.break_all()
            self._listening = None

    def fault(self, path: str, **how: Any) -> Fault:
        """Put a fault in the way."""
        made = Fault(path, **how)
        with self._lock:
            self.faults.append(made)
        return made

    def mend(self) -> None:
        """Take every fault away, and let go what waits."""
        with self._lock:
            gone, self.faults = self.faults, []
        for one in gone:
            if one.hold:
                one.hold.set()

    def requests(self, method: str, path: str) -> list[Seen]:
        """What passed, also what was then refused or cut."""
        return [one for one in self.seen if one.method == method and one.path.startswith(path)]

    def until(self, reached: Callable[[], bool], patience: float = 30) -> None:
        """Wait for something that only requests bring about; it is looked at after each of them."""
        with self._ended:
            assert self._ended.wait_for(reached, patience), "it did not come about"

    def ended(self) -> None:
        """A request has been dealt with."""
        with self._ended:
            self._ended.notify_all()

    def meet(self, seen: Seen) -> Fault | None:
        """The fault that this request meets; it is used up by one."""
        with self._lock:
            self.seen.append(seen)
            for one in self.faults:
                if one.fits(seen):
                    if one.times is not None:
                        one.times -= 1
                    return one
        return None


class _Listening(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *arguments: Any) -> None:
        self._sockets: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._sockets.discard(request)
        super().shutdown_request(request)

    def break_all(self) -> None:
        for one in list(self._sockets):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, *_: Any) -> None:
        """A phone that lost its network is no error here."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def _pass(self) -> None:
        try:
            self._pass_on()
        finally:
            self.proxy.ended()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = Seen(self.command, self.path, body)
        fault = self.proxy.meet(seen)
        if fault and fault.hold:
            fault.hold.wait(60)
        if fault and fault.portal:
            self._answer(200, {"Content-Type": "text/html"}, PORTAL)
            return
        if fault and fault.status is not None:
            self._trouble(fault)
            return
        try:
            status, headers, answer = self._ask(body)
        except OSError:
            self.close_connection = True
            return
        seen.status = status
        if fault and fault.cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.proxy.rewrite is not None:
            answer = self.proxy.rewrite(self.path, answer)
        self._answer(status, headers, answer)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = _pass  # noqa: N815 - the names that it is asked by

    def _ask(self, body: bytes) -> tuple[int, dict[str, str] | list[tuple[str, str]], bytes]:
        onward = http.client.HTTPConnection("127.0.0.1", self.proxy.server_port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            if self.proxy.rewrite is not None:
                headers.pop("Accept-Encoding", None)
            headers |= {"Host": self.headers["Host"], "Connection": "close"}
            onward.request(self.command, self.path, body or None, headers)
            answer = onward.getresponse()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
            return answer.status, kept, answer.read()
        finally:
            onward.close()

    def _trouble(self, fault: Fault) -> None:
        assert fault.status is not None
        if fault.plain:
            self._answer(fault.status, {"Content-Type": "text/html"} | fault.headers, b"<h1>Trouble</h1>")
            return
        body = {"type": "about:blank", "title": "Trouble", "status": fault.status, "code": fault.code, "detail": "."}
        self._answer(
            fault.status, {"Content-Type": "application/problem+json"} | fault.headers, json.dumps(body).encode()
        )

    def _answer(self, status: int, headers: Any, body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items() if isinstance(headers, dict) else headers:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def between(server_port: int) -> Iterator[Proxy]:
    """A network to the server at that port."""
    made = Proxy(server_port)
    try:
        yield made
    finally:
        made.mend()
        made.stop()
