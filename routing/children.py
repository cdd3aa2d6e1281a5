"""Searches in child processes: started in milliseconds, listened to without blocking, ended without mercy.

No thread and no `multiprocessing`: the caller may be a threaded server or a script without a main guard.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from routing.frames import FrameReader, framed
from routing.problem import Visits

News: TypeAlias = tuple[Literal["best", "post", "done", "failed"], Any]
"""("best", visits), ("post", a pickled message for the others), ("done", None), or ("failed", a traceback or what became of
the process)."""

_LONGEST_LINE = 1 << 24

_NURSERY = "routing.nursery"
_lock = threading.Lock()
_nursery: tuple[int, subprocess.Popen[bytes], socket.socket] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a child is to do: search until that `time.monotonic()`, as `number` of `size`, in `memory` bytes of its own."""

    engine: str
    until: float
    seconds: float
    seed: int
    start: Visits | None
    number: int
    size: int
    memory: int


def warm_up() -> None:
    """Start the process that holds the imported engines, so that the next search begins at once."""
    with _lock:
        _control()


def _control() -> socket.socket:
    """The socket of this process's nursery, started anew when it died or belongs to a process we were forked from."""
    global _nursery  # noqa: PLW0603 - one nursery per process is the point
    if _nursery is not None and _nursery[0] == os.getpid() and _nursery[1].poll() is None:
        return _nursery[2]
    if _nursery is not None:
        _nursery[2].close()
    ours, theirs = socket.socketpair()
    package = Path(__file__).resolve().parent.parent
    paths = [str(package), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # Engines are given whole processes: a linear algebra library that spreads over all cores would steal from them.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", _NURSERY, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    _nursery = (os.getpid(), process, ours)
    return ours


@atexit.register
def close() -> None:
    """End the nursery; the next search starts a new one."""
    global _nursery  # noqa: PLW0603 - see _control
    with _lock:
        if _nursery is None:
            return
        owner, process, control = _nursery
        _nursery = None
        control.close()
        if owner == os.getpid():
            process.kill()
            process.wait()


class Child:
    """One search in its own process. Nothing here ever waits for it: what it does not take at once waits in line."""

    def __init__(self, order: bytes) -> None:
        ours, theirs = socket.socketpair()
        with theirs, _lock:
            socket.send_fds(_control(), [b"+"], [theirs.fileno()])
        ours.settimeout(0)
        self.connection = ours
        self.pid: int | None = None
        self.ended = False
        self.died = False  # without a word: killed, or crashed below Python
        self._reader = FrameReader()
        self._line = bytearray()
        self._put(order)

    @property
    def has_line(self) -> bool:
        """Whether something waits for being taken."""
        return bool(self._line)

    def write(self, letter: bytes) -> None:
        """Post a pickled message to the child; it is lost on one that does not read its mail."""
        if not self.ended and len(self._line) < _LONGEST_LINE:
            self._put(letter)
            self.push()

    def _put(self, message: bytes) -> None:
        self._line += framed(message)

    def push(self) -> None:
        """Hand over as much of what waits as the child takes."""
        try:
            while self._line:
                taken = self.connection.send(self._line)
                del self._line[:taken]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._line.clear()  # its end is heard of by `news`

    def news(self) -> list[News]:
        """What the child has said since the last time; call it when its connection is readable."""
        if self.ended:
            return []
        try:
            data = self.connection.recv(1 << 20)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = self.died = True
            return [("failed", "the engine's process ended without an answer")]
        heard: list[News] = []
        for message in self._reader.feed(data):
            kind, content = pickle.loads(message)  # noqa: S301 - our own child
            if kind == "born":
                self.pid = content
            else:
                heard.append((kind, content))
                self.ended = self.ended or kind in ("done", "failed")
        return heard

    def kill(self) -> None:
        """End the process whatever it is doing, and forget it."""
        if self.pid is None:
            self.news()  # it may have said who it is just now
        if not self.ended and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.ended = True
        self.connection.close()


def listen(children: Sequence[Child], *, until: float) -> list[tuple[Child, News]]:
    """Wait for news from any child, at most until that `time.monotonic()`; empty when there were none."""
    with selectors.DefaultSelector() as selector:
        for child in children:
            if not child.ended:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.has_line else 0)
                selector.register(child.connection, wanted, child)
        if not selector.get_map():
            return []
        heard: list[tuple[Child, News]] = []
        for key, ready in selector.select(max(0.0, until - time.monotonic())):
            if ready & selectors.EVENT_WRITE:
                key.data.push()
            if ready & selectors.EVENT_READ:
                heard += [(key.data, news) for news in key.data.news()]
        return heard
