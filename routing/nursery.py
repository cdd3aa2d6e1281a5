"""Where engines live: a process that has imported them once and forks a child for every search.

The parent speaks to it through a Unix socket (`routing.children`). It is single-threaded, so forking is safe, and it
ends with its parent. A child that outlives its deadline is ended by its own alarm even when the parent has died.
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import select
import signal
import socket
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from routing.children import Order
from routing.engines import ENGINES, HANDS, Companion
from routing.engines.loading import load_at_once, load_later
from routing.frames import FrameReader, receive_frame, send_frame
from routing.problem import Visits

_GRACE_SECONDS = 5.0


def main(control: socket.socket) -> None:
    """Fork a child for each connection that arrives on the control socket, until that closes; then end them all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    warnings.simplefilter("ignore")  # PyVRP's about its penalties are no news to anybody
    load_at_once()
    loading = load_later()
    gc.freeze()  # so that no child copies the pages of what it never changes
    children: set[int] = set()
    while True:
        # Loaded here once, no child has to; but a child that is asked for is not kept waiting for it.
        while not select.select([control], [], [], 0)[0] and next(loading, gc.freeze) is None:
            gc.freeze()
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        # A pid stays ours until it is waited for: nobody, here or in the parent, can kill a stranger by it.
        children -= {pid for pid in children if os.waitpid(pid, os.WNOHANG)[0] == pid}
        if not message:
            break
        connection = socket.socket(fileno=descriptors[0])
        pid = os.fork()
        if pid == 0:
            control.close()
            _live(connection)
            os._exit(0)
        children.add(pid)
        connection.close()
    for pid in children:
        os.kill(pid, signal.SIGKILL)


class _Company:
    """The other children of the search, as one of them sees them through its parent."""

    def __init__(self, connection: socket.socket, number: int, size: int) -> None:
        self.number = number
        self.size = size
        self._connection = connection
        self._reader = FrameReader()

    def mail(self) -> list[Any]:
        """See `routing.engines.Company`."""
        letters: list[bytes] = []
        while True:
            try:
                data = self._connection.recv(1 << 20, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return [pickle.loads(letter) for letter in letters]  # noqa: S301 - our own family
            if not data:
                raise BrokenPipeError
            letters += self._reader.feed(data)

    def post(self, message: object) -> None:
        """See `routing.engines.Company`."""
        send_frame(self._connection, pickle.dumps(("post", pickle.dumps(message))))


def _live(connection: socket.socket) -> None:
    try:
        send_frame(connection, pickle.dumps(("born", os.getpid())))
        order: Order
        order, body = pickle.loads(receive_frame(connection))  # noqa: S301 - our own parent
        problem = pickle.loads(body)  # noqa: S301 - pickled once for all children
        seconds = min(order.seconds, order.until - time.monotonic())  # one clock for all processes of the machine
        if seconds <= 0:
            return
        # An engine in C++ may hold the interpreter: only the kernel's default action is sure to end it.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)
        most = _in_use() + order.memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

        def tell(visits: Visits) -> None:
            send_frame(connection, pickle.dumps(("best", visits)))

        engine = ENGINES[order.engine]() if order.engine in ENGINES else HANDS[order.engine]()
        if isinstance(engine, Companion):
            company = _Company(connection, order.number, order.size)
            engine.solve_together(
                problem, seconds=seconds, seed=order.seed, start=order.start, on_best=tell, company=company
            )
        else:
            engine.solve(problem, seconds=seconds, seed=order.seed, start=order.start, on_best=tell)
        answer: tuple[str, Any] = ("done", None)
    except (BrokenPipeError, ConnectionResetError):
        return  # the parent has what it wants
    except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
        answer = ("failed", traceback.format_exc())
    try:
        send_frame(connection, pickle.dumps(answer))
    except (BrokenPipeError, ConnectionResetError):
        return


def _in_use() -> int:
    """Bytes of address space that are taken already, most of them by libraries."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
