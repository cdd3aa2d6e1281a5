"""The first plan of a few thousand stops: all of them searched at once for a while, by several processes side by side.

How long that is worth it depends on the routes. A part holds a dozen routes of fifteen stops, but hardly five of forty,
and then little can move between them; and which vehicles a mixed fleet should send is a question about the whole.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from routing.engines.crier import Crier
from routing.engines.pyvrp_model import translate
from routing.engines.pyvrp_search import INFEASIBLE, Language, Routes, Searcher, Settings
from routing.frames import receive_frame, send_frame
from routing.problem import Problem, Visits

if TYPE_CHECKING:
    from pyvrp import ProblemData, Solution

Found: TypeAlias = tuple[int, Routes]

_WHOLE: Final = Settings(history=20, exhaustive_on_best=False, neighbours=50, penalties_every=100, penalties_rise=1.25)
"""High penalties at first, that fall quickly: from low ones, long routes with windows take a second to come back to what
is allowed, and mixed fleets never send the larger vehicle."""

_HISTORY: Final = 100  # for a search that has all the time; one of a fifth of it wants a fifth of that
_LEAST, _MOST, _OF_MIXED_FLEETS = 0.2, 0.95, 0.45
_SHORT_ROUTE, _LONG_ROUTE = 22, 32
"""Stops of a route that get the least and the most share of the time, where no window forbids most neighbours anyway."""

_SHARE_IN_SEARCH_OF_ANY: Final = 0.4
_MEETINGS: Final = (0.5, 0.75, 1.0)
"""When processes go on from the best that any of them has found, as shares of the time."""

_PATIENCE: Final = 0.15
"""Seconds that a process is waited for at a meeting."""


def share_of_the_whole(problem: Problem, plan: Visits) -> float:
    """The share of the time that searching all stops at once is worth, judged by a plan's routes."""
    if any(task.time_windows for task in problem.tasks[: problem.stops]):
        return _LEAST
    if len({vehicle.capacity for vehicle in problem.vehicles}) > 1:
        return _OF_MIXED_FLEETS
    used = [len(route) for route in plan if route]
    usual = sum(used) / max(len(used), 1)
    rising = (usual - _SHORT_ROUTE) / (_LONG_ROUTE - _SHORT_ROUTE)
    return min(max(_LEAST + rising * (_MOST - _LEAST), _LEAST), _MOST)


def first_of_the_whole(
    problem: Problem, *, until: float, seed: int, crier: Crier, share: float, processes: int
) -> Visits:
    """A plan found in `share` of the time to `until`; where none keeps all rules by then, what can be kept of the last one."""
    begin = time.monotonic()
    translation = translate(problem)
    settings = replace(_WHOLE, history=round(_HISTORY * share))
    language = Language(translation.data)

    def tell(_: int, solution: Solution) -> None:
        crier.hear(lambda: translation.to_visits(language.routes(solution)))

    meetings = [begin + at * share * (until - begin) for at in _MEETINGS]
    others = _Others(translation.data, settings, [seed + number for number in range(1, processes)], meetings)
    try:
        searcher = Searcher(translation.data, seed=seed, settings=settings, on_best=tell)
        for at in meetings:
            searcher.run(_until(at))
            others.meet(searcher)
    finally:
        others.dismiss()
    last = begin + _SHARE_IN_SEARCH_OF_ANY * (until - begin)
    searcher.run(lambda: searcher.cost < INFEASIBLE or time.monotonic() > last)
    if searcher.cost < INFEASIBLE:
        return translation.to_visits(searcher.routes)
    return crier.proof.repaired(translation.to_visits(language.routes(searcher.current)))


def _until(end: float) -> Callable[[], bool]:
    return lambda: time.monotonic() > end


class _Others:
    """Forked processes that search the same from other random numbers, and meet this one now and then."""

    def __init__(self, data: ProblemData, settings: Settings, seeds: Sequence[int], meetings: Sequence[float]) -> None:
        self._pids: dict[socket.socket, int] = {}
        if not seeds:
            return
        gc.collect()
        gc.freeze()
        for seed in seeds:
            ours, theirs = socket.socketpair()
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    for other in (ours, *self._pids):
                        other.close()
                    _search_beside(theirs, data, settings, seed, meetings, parent)
                    code = 0
                except BaseException:  # noqa: BLE001 - a forked copy of the caller must not run the caller's code
                    traceback.print_exc()
                finally:
                    os._exit(code)
            theirs.close()
            self._pids[ours] = pid

    def meet(self, searcher: Searcher) -> None:
        """Exchange what is best; whoever fails or does not come in time is not waited for again."""
        late = time.monotonic() + _PATIENCE
        found: list[Found] = []
        for other in list(self._pids):
            other.settimeout(max(late - time.monotonic(), 0.001))
            try:
                found.append(pickle.loads(receive_frame(other)))  # noqa: S301 - our own child
            except (EOFError, OSError):
                self._end(other)
        cost, routes = min(found, default=(INFEASIBLE, ()))
        if cost < searcher.cost:
            searcher.inject(routes)
        body = pickle.dumps((searcher.cost, searcher.routes if searcher.cost < INFEASIBLE else ()))
        for other in list(self._pids):
            try:
                send_frame(other, body)
            except OSError:
                self._end(other)

    def _end(self, other: socket.socket) -> None:
        pid = self._pids.pop(other)
        other.close()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def dismiss(self) -> None:
        """End all processes."""
        if self._pids:
            gc.unfreeze()
        for other in list(self._pids):
            self._end(other)


def _search_beside(
    line: socket.socket, data: ProblemData, settings: Settings, seed: int, meetings: Sequence[float], parent: int
) -> None:
    """One other process; it ends with its parent."""
    searcher = Searcher(data, seed=seed, settings=settings)
    for at in meetings:
        ended = _until(at)
        searcher.run(lambda ended=ended: ended() or os.getppid() != parent)  # type: ignore[misc]
        try:
            send_frame(line, pickle.dumps((searcher.cost, searcher.routes if searcher.cost < INFEASIBLE else ())))
            cost, routes = pickle.loads(receive_frame(line))  # noqa: S301 - our own parent
        except (EOFError, OSError):
            return
        if cost < searcher.cost:
            searcher.inject(routes)
