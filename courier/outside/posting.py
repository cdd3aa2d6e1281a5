"""The one door to other people's servers: a POST to a checked address, without redirects, within a time and a size."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson

from courier.outside import addresses
from courier.outside.addresses import Resolver

_ALWAYS: Final = {"User-Agent": "buu-ta", "Accept-Encoding": "identity", "Connection": "close"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status`, or None and a short stable word why there is none. `retry_after` is in seconds.

    `body` is the beginning of what was said, where the caller wanted to hear it.
    """

    status: int | None
    fault: str | None = None
    retry_after: int | None = None
    body: bytes = b""

    @property
    def taken(self) -> bool:
        """True when the receiver says that he has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    within: float,
    loopback: bool = False,
    inside: bool = False,
    most_bytes: int = 0,
    resolver: Resolver | None = None,
    trust: ssl.SSLContext | None = None,
) -> Answer:
    """Send a body and hear the answer, all in `within` seconds beside asking for the name; of its body `most_bytes` are read.

    `loopback` and `inside` are those of `addresses.read`.

    Whatever goes wrong out there is an answer: `private-address`, `no-address`, `timeout`, `tls`, `unreachable`, `no-http`.
    """
    try:
        target = addresses.read(url, loopback=loopback, inside=inside)
        found = addresses.resolve(target, loopback=loopback, inside=inside, resolver=resolver)
    except addresses.Refused as why:
        return Answer(None, why.code)
    except (OSError, UnicodeError):
        return Answer(None, "no-address")
    connection = _Connection(target, found[0], within=within, trust=trust)
    try:
        with connection.bounded():
            connection.request("POST", target.path, body=body, headers={"Host": target.authority, **_ALWAYS, **headers})
            answer = connection.getresponse()
            said = answer.read(most_bytes) if most_bytes else b""
            if connection.late:
                raise TimeoutError  # what was cut off half-way is no answer
            return Answer(answer.status, None, _seconds(answer.headers.get("Retry-After")), said)
    except TimeoutError:
        return Answer(None, "timeout")
    except ssl.SSLError:
        return Answer(None, "timeout" if connection.late else "tls")
    except OSError:
        return Answer(None, "timeout" if connection.late else "unreachable")
    except http.client.HTTPException:
        return Answer(None, "timeout" if connection.late else "no-http")
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """Goes to one address, whatever the name says meanwhile, and is cut off when the time is over."""

    def __init__(self, target: addresses.Target, address: str, *, within: float, trust: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port, timeout=within)
        self._target, self._address, self._within = target, address, within
        self._trust = trust
        self.sock: socket.socket | None = None
        self.late = False

    def connect(self) -> None:
        """To the checked address; the certificate must be the name's."""
        plain = socket.create_connection((self._address, self._target.port), timeout=self._within)
        if self.late:
            raise TimeoutError
        self.sock = plain
        if self._target.tls:
            context = self._trust or _trusting()
            # The handshake comes after, when `_cut_off` knows the socket that it runs on.
            wrapped = context.wrap_socket(
                plain, server_hostname=self._target.host.rstrip("."), do_handshake_on_connect=False
            )
            self.sock = wrapped
            wrapped.do_handshake()

    def bounded(self) -> "contextlib.ExitStack":
        """Within the block the whole conversation has `within` seconds: a socket's own timeout begins anew with every byte."""
        stack = contextlib.ExitStack()
        timer = threading.Timer(self._within, self._cut_off)
        timer.daemon = True
        timer.start()
        stack.callback(timer.cancel)
        return stack

    def _cut_off(self) -> None:
        self.late = True
        if self.sock is not None:
            # The plain socket's own: a TLS socket's would take the keys from under the thread that reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


@cache
def _trusting() -> ssl.SSLContext:
    return ssl.create_default_context()


def _seconds(text: str | None) -> int | None:
    """`Retry-After` in seconds; a date, or anything else, is passed over: our own schedule holds."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 9 else None
