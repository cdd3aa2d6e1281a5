"""Processes forked from this one, each with a line to it: they know what it knows without a copy, and end with it."""

from __future__ import annotations

import gc
import os
import signal
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Forks:
    """Forked processes by their lines."""

    def __init__(self) -> None:
        self._pids: dict[socket.socket, int] = {}

    def __iter__(self) -> Iterator[socket.socket]:
        """The lines to those that have not ended; it may be asked while some are."""
        return iter(list(self._pids))

    def __len__(self) -> int:
        """How many have not ended."""
        return len(self._pids)

    def add(self, serve: Callable[[socket.socket, Callable[[], bool]], None]) -> socket.socket:
        """Fork a process that does nothing but `serve(line, orphaned)`; the answer is this side of the line.

        `orphaned()` says whether the parent is gone: nobody searches on for one that is.
        """
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for other in (ours, *self._pids):
                    other.close()
                serve(theirs, lambda: os.getppid() != parent)
                code = 0
            except BaseException:  # noqa: BLE001 - a forked copy of the caller must not run the caller's code
                traceback.print_exc()
            finally:
                os._exit(code)
        theirs.close()
        self._pids[ours] = pid
        return ours

    def end(self, line: socket.socket) -> None:
        """End one of them, whatever it is doing."""
        pid = self._pids.pop(line)
        line.close()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def either(one: Callable[[], bool], other: Callable[[], bool]) -> Callable[[], bool]:
    """Whether one or the other."""
    return lambda: one() or other()


@contextmanager
def forks() -> Iterator[Forks]:
    """Forks that all end with the block."""
    made = Forks()
    # What is already here is never freed: children that count references in it copy the fewest pages this way.
    gc.collect()
    gc.freeze()
    try:
        yield made
    finally:
        for line in made:
            made.end(line)
        gc.unfreeze()
