"""A phone's connection, which fails in the ways in which connections on the road fail."""

import http.client
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_PATIENCE_SECONDS: Final = 180
_RESET: Final = struct.pack("ii", 1, 0)  # close at once, the other side hears of it


class Fault(StrEnum):
    """What goes wrong with a request."""

    NONE = "none"
    CUT_ANSWER = "answer cut after the commit"
    CUT_REQUEST = "request cut half-way"
    WALKED_AWAY = "sent whole, hung up at once"
    KILL = "server killed"


class Unheard(Exception):
    """No answer came, or only a part of it: whatever was sent may have been taken in or not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was heard to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Line:
    """One connection to the server; made again after each fault."""

    def __init__(self, port: int, token: str = "") -> None:
        self.port, self.token = port, token
        self._line: http.client.HTTPConnection | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        fault: Fault = Fault.NONE,
        headers: dict[str, str] | None = None,
        after_sending: Callable[[], None] | None = None,
    ) -> Answer:
        """Send a request and hear its answer, unless the fault or the server's death comes in between.

        `after_sending` is called when every byte has left.

        Raises:
            Unheard: there is no answer, for whichever reason.
        """
        try:
            line = self._open()
            line.putrequest(method, path, skip_accept_encoding=True)
            given = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            if self.token:
                given["Authorization"] = f"Bearer {self.token}"
            for name, value in (given | (headers or {})).items():
                line.putheader(name, value)
            line.endheaders()
            if fault is Fault.CUT_REQUEST:
                line.send(body[: len(body) // 2])
                raise Unheard
            line.send(body)
            if after_sending is not None:
                after_sending()
            if fault is Fault.WALKED_AWAY:
                raise Unheard
            if fault is Fault.CUT_ANSWER:
                # Its first byte says that the answer was made, and the answer is made after the commit.
                line.sock.recv(1)
                raise Unheard
            answer = line.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        except (OSError, http.client.HTTPException) as why:
            self.hang_up()
            raise Unheard from why
        except Unheard:
            self.hang_up()
            raise

    def _open(self) -> http.client.HTTPConnection:
        if self._line is None:
            self._line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_SECONDS)
            self._line.connect()
            self._line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._line

    def hang_up(self) -> None:
        """Drop the connection as a phone that lost its signal does: without a good-bye."""
        if self._line is not None:
            if self._line.sock is not None:
                self._line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._line.close()
            self._line = None
