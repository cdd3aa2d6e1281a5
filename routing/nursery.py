"""Where engines live: a process that has imported them once and forks a child for every search.

The parent speaks to it through a Unix socket (`routing.children`). It is single-threaded, so forking is safe, and it
ends with its parent. A child that outlives its deadline is ended by its own alarm even when the parent has died.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import time
import traceback
from typing import Any

import routing.engines.ortools_model  # noqa: F401 - loaded here once, so that no child has to
from routing.engines import ENGINES
from routing.frames import receive_frame, send_frame
from routing.problem import Visits

_GRACE_SECONDS = 5.0


def main(control: socket.socket) -> None:
    """Fork a child for each connection that arrives on the control socket, until that closes; then end them all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    children: set[int] = set()
    while True:
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


def _live(connection: socket.socket) -> None:
    try:
        send_frame(connection, pickle.dumps(("born", os.getpid())))
        engine, problem, until, seconds, seed, start = pickle.loads(receive_frame(connection))  # noqa: S301 - our own parent
        seconds = min(seconds, until - time.monotonic())  # one clock for all processes of the machine
        if seconds <= 0:
            return
        # An engine in C++ may hold the interpreter: only the kernel's default action is sure to end it.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)

        def tell(visits: Visits) -> None:
            send_frame(connection, pickle.dumps(("best", visits)))

        ENGINES[engine]().solve(problem, seconds=seconds, seed=seed, start=start, on_best=tell)
        answer: tuple[str, Any] = ("done", None)
    except (BrokenPipeError, ConnectionResetError):
        return  # the parent has what it wants
    except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
        answer = ("failed", traceback.format_exc())
    try:
        send_frame(connection, pickle.dumps(answer))
    except (BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
