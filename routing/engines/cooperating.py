"""One process's share of a search: descend, gather routes, exchange with other processes, recombine the routes of all.

A process alone gives a small share of its time to set partitioning. Of two or more, one gives a larger share and
recombines what all have found, the others only search and send their routes; each starts from its own random numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pyvrp import ProblemData, Solution

from routing.engines.partitioning import Column, Pool
from routing.engines.pyvrp_search import BRISK, INFEASIBLE, Routes, Searcher, Settings


@dataclass(frozen=True)
class Found:
    """A feasible solution, better than any that its sender knew."""

    cost: int
    routes: Routes


@dataclass(frozen=True)
class Seen:
    """Feasible routes for the others' pools."""

    columns: tuple[Column, ...]


Message: TypeAlias = Found | Seen
"""What processes that search the same `ProblemData` tell each other; tuples of numbers and strings, cheap to pickle."""


@dataclass(frozen=True)
class Role:
    """What one process does: how it searches, and the share of its time spent on recombining."""

    settings: Settings
    recombining: float


def roles(data: ProblemData, processes: int) -> list[Role]:
    """A role for each process; the first recombines."""
    _ = data
    first = Role(BRISK, 0.12 if processes == 1 else 0.25)
    return [first] + [Role(BRISK, 0.0)] * (processes - 1)


def search(
    data: ProblemData,
    *,
    seed: int,
    until: float,
    role: Role,
    tell: Callable[[int, Routes], None],
    clock: Callable[[], float] = time.monotonic,
    start: Routes | None = None,
    mail: Callable[[], Sequence[Message]] = lambda: (),
    post: Callable[[Message], None] | None = None,
) -> Routes:
    """Search until `clock()` reaches `until`, from `start` (feasible or not) if given; the best routes, feasible if any were.

    `tell` hears of each better feasible solution at once: its cost and its routes. `mail` gives what others have posted
    since it was last asked and must not block; what `post` is given is for all of them.
    """
    begin = clock()
    pool = Pool(data)
    alone = post is None

    def on_best(cost: int, solution: Solution) -> None:
        routes = pool.language.routes(solution)
        tell(cost, routes)
        if post is not None:
            post(Found(cost, routes))

    wanted = role.recombining > 0 or not alone
    searcher = Searcher(
        data,
        seed=seed,
        settings=role.settings,
        start=start,
        on_best=on_best,
        on_candidate=(lambda _, solution: pool.gather(solution)) if wanted else None,
    )
    recombining = _Recombining(searcher, pool, share=role.recombining, begin=begin, until=until, clock=clock)
    while (now := clock()) < until:
        pause = min(until, now + _SLICE * (until - begin), max(now, recombining.due(now)))
        searcher.run(_reaches(clock, pause))
        for message in mail():
            if isinstance(message, Seen):
                pool.add(message.columns)
            elif message.cost < searcher.cost:
                searcher.inject(message.routes)
        if post is not None and role.recombining == 0 and (columns := pool.drain()):
            post(Seen(columns))
        recombining.perhaps()
    return searcher.routes


def _reaches(clock: Callable[[], float], instant: float) -> Callable[[], bool]:
    return lambda: clock() >= instant


_SLICE = 0.02
"""Share of the time between two looks into the mail."""


class _Recombining:
    """When to recombine: as often as the share of the time allows, not for nothing, and a last time shortly before the end."""

    def __init__(
        self,
        searcher: Searcher,
        pool: Pool,
        *,
        share: float,
        begin: float,
        until: float,
        clock: Callable[[], float],
    ) -> None:
        self._searcher, self._pool, self._clock = searcher, pool, clock
        self._share, self._begin, self._until = share, begin, until
        self._spent = 0.0
        self._longest = 0.02 * (until - begin)
        self._state = (0, INFEASIBLE)  # the pool's growth and the incumbent at the last time
        self._last_done = share == 0

    def due(self, now: float) -> float:
        """When the next is due at the earliest."""
        if self._share == 0:
            return self._until
        regular = self._begin + (self._spent + self._longest) / self._share
        final = self._until - 1.2 * self._longest
        return final if now < final < regular else max(now, regular) if now < final or self._last_done else now

    def perhaps(self) -> None:
        """Recombine if it is due and the pool holds enough news."""
        now = self._clock()
        if self._share == 0 or self._searcher.cost == INFEASIBLE or now < self.due(now) or now >= self._until:
            return
        self._last_done = now >= self._until - 1.2 * self._longest
        growth, cost = self._state
        if cost == self._searcher.cost and self._pool.gathered < 1.05 * growth:
            self._begin += 0.02 * (self._until - self._begin)  # nothing new: look again a little later
            return
        self._state = (self._pool.gathered, self._searcher.cost)
        routes = self._pool.recombined(
            self._searcher.routes, seconds=min(self._until - now, _LONGEST * (self._until - self._begin))
        )
        took = self._clock() - now
        self._spent += took
        self._longest = max(0.8 * self._longest, took)
        if routes is not None:
            self._searcher.inject(routes)


_LONGEST = 0.06
"""Share of the time that one recombination may take."""
