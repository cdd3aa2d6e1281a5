"""One POST to a provider whose address stands in the installation's own files, and its answer, within a time and a size.

Not for addresses that somebody typed into a page: they go through `courier.outside.addresses`.
"""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

_MOST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` and the beginning of the body, or None and a stable word why there is none."""

    status: int | None
    body: bytes = b""
    fault: str | None = None
    wait: timedelta | None = None

    @property
    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


def post(url: str, body: bytes, headers: Mapping[str, str], *, within: float) -> Answer:
    """Send a body and hear the answer, all in `within` seconds. No redirect is followed. Whatever goes wrong is an answer."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.netloc, timeout=within, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=within)
    late = threading.Event()

    def cut_off() -> None:
        # A socket's own time begins anew with every byte that trickles in; this one does not.
        late.set()
        if connection.sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    timer = threading.Timer(within, cut_off)
    timer.daemon = True
    timer.start()
    try:
        connection.request("POST", path, body=body, headers={"User-Agent": "buu-ta", "Connection": "close", **headers})
        answer = connection.getresponse()
        content = answer.read(_MOST_BYTES)
        if late.is_set():
            # What was cut off half-way is no answer.
            return Answer(None, fault="timeout")
        return Answer(answer.status, content, wait=_wait(answer.headers.get("Retry-After")))
    except ssl.SSLError:
        return Answer(None, fault="timeout" if late.is_set() else "tls")
    except TimeoutError:
        return Answer(None, fault="timeout")
    except OSError:
        return Answer(None, fault="timeout" if late.is_set() else "unreachable")
    except http.client.HTTPException:
        return Answer(None, fault="timeout" if late.is_set() else "no-http")
    finally:
        timer.cancel()
        connection.close()


def _wait(text: str | None) -> timedelta | None:
    """`Retry-After` in seconds, an hour at most; a date is passed over: our own schedule holds."""
    if text is None or not text.isascii() or not text.isdecimal():
        return None
    return timedelta(seconds=min(int(text[:9]), 3600))
