"""The first plan of a few thousand stops: all of them searched at once for a while, by several processes side by side.

How long that is worth it depends on the routes. A part holds a dozen routes of fifteen stops, but hardly five of forty,
and then little can move between them; and which vehicles a mixed fleet should send is a question about the whole.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from routing.engines.crier import Crier
from routing.engines.forks import Forks, either, forks
from routing.engines.pyvrp_model import translate
from routing.engines.pyvrp_search import INFEASIBLE, Language, Routes, Searcher, Settings
from routing.frames import receive_frame, send_frame
from routing.problem import Problem, TaskKind, Visits

if TYPE_CHECKING:
    import socket

    from pyvrp import ProblemData, Solution

Found: TypeAlias = tuple[int, Routes]

_WHOLE: Final = Settings(history=20, exhaustive_on_best=False, neighbours=50, penalties_every=100, penalties_rise=1.25)
"""High penalties at first, that fall quickly: from low ones, long routes with windows take a second to come back to what
is allowed, and mixed fleets never send the larger vehicle."""

_IN_TIME: Final = replace(_WHOLE, penalty=1.0, haste=20.0)
"""With windows, and something allowed in hand, they fall at once: a share of some seconds would end before they had."""

_OF_PRIZES: Final = replace(_IN_TIME, penalty=20.0)
"""Not so far where stops may be left out: to come late and serve nobody else is cheap then."""

_HISTORY: Final = 100  # for a search that has all the time; one of a fifth of it wants a fifth of that
_LEAST, _MOST = 0.2, 0.95
_MOST_IN_TIME, _LEAST_BOTH_WAYS, _OF_MIXED_FLEETS = 0.45, 0.5, 0.45
_SHORT_ROUTE, _LONG_ROUTE = 22, 32
"""Stops of a route that get the least and the most share of the time."""
_TOO_SHORT_BOTH_WAYS: Final = 1.25
"""Where a route brings first and fetches then, a first plan has many more routes than needed, and shorter ones."""

_SHARE_IN_SEARCH_OF_ANY: Final = 0.4
_MEETINGS: Final = (0.5, 0.75, 1.0)
"""When processes go on from the best that any of them has found, as shares of the time."""

_PATIENCE: Final = 0.15
"""Seconds that a process is waited for at a meeting."""


def share_of_the_whole(problem: Problem, plan: Visits) -> float:
    """The share of the time that searching all stops at once is worth, judged by a plan's routes."""
    in_time = _in_time(problem)
    if not in_time and len({vehicle.capacity for vehicle in problem.vehicles}) > 1:
        return _OF_MIXED_FLEETS
    used = [len(route) for route in plan if route]
    usual = sum(used) / max(len(used), 1)
    least, most = _LEAST, _MOST_IN_TIME if in_time else _MOST
    if not in_time and _both_ways(problem):
        least, usual = _LEAST_BOTH_WAYS, _TOO_SHORT_BOTH_WAYS * usual
    rising = (usual - _SHORT_ROUTE) / (_LONG_ROUTE - _SHORT_ROUTE)
    return min(max(least + rising * (most - least), least), most)


def _how(problem: Problem) -> Settings:
    if not _in_time(problem):
        return _WHOLE
    return _OF_PRIZES if any(task.prize is not None for task in problem.tasks[: problem.stops]) else _IN_TIME


def _in_time(problem: Problem) -> bool:
    return any(task.time_windows for task in problem.tasks[: problem.stops])


def _both_ways(problem: Problem) -> bool:
    """Whether some stops are only brought something and from others something is only fetched."""
    stops = [task for task in problem.tasks[: problem.stops] if task.kind is TaskKind.JOB]
    brings = any(any(task.delivery) and not any(task.pickup) for task in stops)
    return brings and any(any(task.pickup) and not any(task.delivery) for task in stops)


def first_of_the_whole(
    problem: Problem, *, until: float, seed: int, crier: Crier, share: float, processes: int,
    clock: Callable[[], float] = time.monotonic,
) -> Visits:  # fmt: skip
    """A plan found in `share` of the time to `until`; where none keeps all rules by then, what can be kept of the last one.

    `clock` says when it is `until`; with several processes it must be one clock for all of them.
    """
    begin = clock()
    translation = translate(problem)
    settings = replace(_how(problem), history=round(_HISTORY * share))
    language = Language(translation.data)

    def tell(_: int, solution: Solution) -> None:
        crier.hear(lambda: translation.to_visits(language.routes(solution)))

    meetings = [begin + at * share * (until - begin) for at in _MEETINGS]
    with forks() if processes > 1 else nullcontext(Forks()) as others:
        for other in range(seed + 1, seed + processes):
            others.add(
                partial(_beside, data=translation.data, settings=settings, seed=other, meetings=meetings, clock=clock)
            )
        searcher = Searcher(translation.data, seed=seed, settings=settings, on_best=tell)
        for at in meetings:
            searcher.run(_from(clock, at))
            _meet(searcher, others)
    last = begin + _SHARE_IN_SEARCH_OF_ANY * (until - begin)
    searcher.run(either(lambda: searcher.cost < INFEASIBLE, _from(clock, last)))
    if searcher.cost < INFEASIBLE:
        return translation.to_visits(searcher.routes)
    return crier.proof.repaired(translation.to_visits(language.routes(searcher.current)))


def _from(clock: Callable[[], float], end: float) -> Callable[[], bool]:
    return lambda: clock() > end


def _meet(searcher: Searcher, others: Forks) -> None:
    """Exchange what is best; whoever fails or does not come in time is not waited for again."""
    late = time.monotonic() + _PATIENCE
    found: list[Found] = []
    for other in others:
        other.settimeout(max(late - time.monotonic(), 0.001))
        try:
            found.append(pickle.loads(receive_frame(other)))  # noqa: S301 - our own child
        except (EOFError, OSError):
            others.end(other)
    cost, routes = min(found, default=(INFEASIBLE, ()))
    if cost < searcher.cost:
        searcher.inject(routes)
    body = pickle.dumps(_best(searcher))
    for other in others:
        try:
            send_frame(other, body)
        except OSError:
            others.end(other)


def _best(searcher: Searcher) -> Found:
    return searcher.cost, searcher.routes if searcher.cost < INFEASIBLE else ()


def _beside(
    line: socket.socket, orphaned: Callable[[], bool], *, data: ProblemData, settings: Settings, seed: int,
    meetings: Sequence[float], clock: Callable[[], float],
) -> None:  # fmt: skip
    """Search the same from other random numbers, in a process of its own that meets its parent now and then."""
    searcher = Searcher(data, seed=seed, settings=settings)
    for at in meetings:
        searcher.run(either(_from(clock, at), orphaned))
        try:
            send_frame(line, pickle.dumps(_best(searcher)))
            cost, routes = pickle.loads(receive_frame(line))  # noqa: S301 - our own parent
        except (EOFError, OSError):
            return
        if cost < searcher.cost:
            searcher.inject(routes)
