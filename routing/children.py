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
from pathlib import Path
from typing import Any, Literal, TypeAlias

from routing.frames import FrameReader, send_frame
from routing.problem import Problem, Visits

News: TypeAlias = tuple[Literal["best", "done", "failed"], Any]
"""("best", visits), ("done", None), or ("failed", a traceback or what became of the process)."""

_NURSERY = "routing.nursery"
_lock = threading.Lock()
_nursery: tuple[int, subprocess.Popen[bytes], socket.socket] | None = None


def warm_up() -> None:
    """Start the process that holds the imported engines, so that the next search begins at once."""
    with _lock:
        _control()


def _control() -> socket.socket:
    """The socket of this process's nursery, started anew when it died or belongs to a process we were forked from."""
    global _nursery  # noqa: PLW0603 - one nursery per process is the point
    if _nursery is not None and _nursery[0] == os.getpid() and _nursery[1].poll() is None:
        return _nursery[2]
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
    """One search in its own process: at most `seconds`, at most until that `time.monotonic()`."""

    def __init__(
        self, *, engine: str, problem: Problem, until: float, seconds: float, seed: int, start: Visits | None
    ) -> None:
        ours, theirs = socket.socketpair()
        with theirs, _lock:
            socket.send_fds(_control(), [b"+"], [theirs.fileno()])
        self.connection = ours
        self.pid: int | None = None
        self._reader = FrameReader()
        self._order = pickle.dumps((engine, problem, until, seconds, seed, start))
        self.ended = False

    def order(self, *, within: float) -> None:
        """Hand the problem over; raises TimeoutError when the child does not take it in time."""
        self.connection.settimeout(max(within, 0.001))
        try:
            send_frame(self.connection, self._order)
        except (BrokenPipeError, ConnectionResetError):
            self.ended = True
        finally:
            self.connection.settimeout(None)

    def news(self) -> list[News]:
        """What the child has said since the last time; call it when its connection is readable."""
        if self.ended:
            return []
        try:
            data = self.connection.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
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
        if not self.ended and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.ended = True
        self.connection.close()


def listen(children: list[Child], *, until: float) -> list[tuple[Child, News]]:
    """Wait for news from any child, at most until that `time.monotonic()`; empty when the time is up."""
    with selectors.DefaultSelector() as selector:
        for child in children:
            if not child.ended:
                selector.register(child.connection, selectors.EVENT_READ, child)
        if not selector.get_map():
            return []
        ready = selector.select(max(0.0, until - time.monotonic()))
        return [(key.data, news) for key, _ in ready for news in key.data.news()]
