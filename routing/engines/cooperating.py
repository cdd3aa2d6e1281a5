"""One process's share of a search: descend, gather routes, exchange with other processes, recombine the routes of all.

A process alone gives a small share of its time to set partitioning. Of two or more, one gives a larger share and
recombines what all have found, the others only search and send their routes; each starts from its own random numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    """What one process does: how it searches, the share of its time spent on recombining, and how much more it remembers."""

    settings: Settings
    recombining: float
    patience: int = 1


def roles(data: ProblemData, processes: int) -> list[Role]:
    """A role for each process; the first recombines, and every other one has a longer memory."""
    alone, together = (0.12, 0.25) if data.num_clients + 2 * data.num_shipments <= _FEW else (0.06, 0.12)
    apart = data.num_profiles > 1
    brisk = replace(BRISK, neighbours=_NEIGHBOURS_APART) if apart else BRISK
    if not apart and _timely(data):
        brisk = replace(brisk, ruins=0.0)
    others = [Role(brisk, 0.0, patience=1 if number % 2 else _PATIENT) for number in range(processes - 1)]
    return [Role(brisk, together if others else alone), *others]


def _timely(data: ProblemData) -> bool:
    """Whether times decide the routes more than places: strings of neighbours do not fit into each other's routes then."""
    longest = max(kind.tw_late - kind.tw_early for kind in data.vehicle_types())
    narrow = sum(2 * (client.tw_late - client.tw_early) < longest for client in data.clients())
    return 2 * narrow > data.num_clients or any(kind.reload_depots for kind in data.vehicle_types())


_NEIGHBOURS_APART = 50
"""Where vehicles may not all serve everybody, many a neighbour is out of reach."""

_PATIENT = 3

_FEW = 250
"""With more stops than this a search of seconds is still falling at its end, and recombining gains less."""


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
    work = _Work(data, seed=seed, until=until, role=role, tell=tell, clock=clock, start=start, post=post)
    while clock() < until:
        work.search_on()
        for message in mail():
            work.hear(message)
        work.share()
        work.recombine()
        work.turn()
    return work.routes


class _Work:
    """The best that one process knows, and the round that it searches in.

    A round that finds nothing more gives way to another one from elsewhere, with a longer memory, as long as there is time
    for that: on a hundred stops two or three fit into ten seconds, on three hundred one. What they have found apart is
    put together by recombination. The last round ends from the best that anybody has found.
    """

    def __init__(
        self,
        data: ProblemData,
        *,
        seed: int,
        until: float,
        role: Role,
        tell: Callable[[int, Routes], None],
        clock: Callable[[], float],
        start: Routes | None,
        post: Callable[[Message], None] | None,
    ) -> None:
        self._data, self._seed, self._role = data, seed, role
        self._tell, self._clock, self._post = tell, clock, post
        self._begin, self._until = clock(), until
        self._pool = Pool(data)
        self._stops = data.num_clients + 2 * data.num_shipments
        self._settings = role.settings
        self.cost, self.routes = INFEASIBLE, start or ()
        self._round = 0
        self._last_round = False
        self._round_begin = self._reached = self._begin
        self._spent = 0.0
        self._share = role.recombining
        self._longest = _FIRST_GUESS * (until - self._begin)
        self._paced, self._steps = False, 0
        self._looked = (0, INFEASIBLE)  # the pool's growth and the incumbent when last recombined
        self._searcher = self._new_searcher(start)
        if self.cost == INFEASIBLE:
            self.routes = self._searcher.routes

    def _new_searcher(self, start: Routes | None) -> Searcher:
        wanted = self._role.recombining > 0 or self._post is not None
        return Searcher(
            self._data,
            seed=(self._seed + _SEEDS_APART * self._round) % 2**32,
            settings=self._settings,
            start=start,
            on_best=self._on_best,
            on_candidate=(lambda _, solution: self._pool.gather(solution)) if wanted else None,
        )

    def _on_best(self, cost: int, solution: Solution) -> None:
        self._reached = self._clock()
        if cost < self.cost:
            self._keep(cost, self._pool.language.routes(solution))
            if self._post is not None:
                self._post(Found(cost, self.routes))

    def _keep(self, cost: int, routes: Routes) -> None:
        self.cost, self.routes = cost, routes
        self._tell(cost, routes)

    def search_on(self) -> None:
        """Search until the next look at the mail."""
        pause = min(self._until, self._clock() + _SLICE * (self._until - self._begin))
        before = self._searcher.iterations
        self._searcher.run(lambda: self._clock() >= pause)
        self._steps += self._searcher.iterations - before
        if not self._paced:
            self._pace()

    def _pace(self) -> None:
        """Once it is known how many steps there is time for, remember as much as suits them: a short memory is soon down."""
        took, all_time = self._clock() - self._begin, self._until - self._begin
        if took < _FIRST_STEPS * all_time:
            return
        self._paced = True
        wanted = round(_MEMORY * self._steps * all_time / took)
        memory = self._role.patience * min(max(self._settings.history, wanted), _LONGEST_MEMORY)
        self._searcher.remember(memory)
        self._settings = replace(self._settings, history=memory)

    def hear(self, message: Message) -> None:
        """Take in what another process has found."""
        if isinstance(message, Seen):
            self._pool.add(message.columns)
        elif self._last_round or message.cost * _FAR_BEHIND < self._searcher.cost:
            self._searcher.inject(message.routes)
        elif message.cost < self.cost:
            self._keep(message.cost, message.routes)

    def share(self) -> None:
        """Send new routes to whoever recombines."""
        if self._post is not None and self._role.recombining == 0 and (columns := self._pool.drain()):
            self._post(Seen(columns))

    def turn(self) -> None:
        """Begin another round when this one is stuck."""
        now = self._clock()
        took = self._reached - self._round_begin
        idle = now - self._reached
        left = self._until - now
        if self._searcher.cost == INFEASIBLE or left <= 0:
            return
        stuck = idle > max(_IDLE * took, _SLICE * (self._until - self._begin))
        steps = _IDLE_STEPS * (self._stops / 100) ** 3
        stuck = stuck and self._searcher.idle > max(_IDLE_HISTORIES * self._settings.history, steps)
        needs = (1 + _IDLE) * took
        if stuck and not self._last_round and needs < left:
            self._round += 1
            longer = int(self._settings.history * min(2.0, max(1.0, 0.9 * left / max(needs, 1e-9))))
            self._settings = replace(self._settings, history=longer)
            self._round_begin = self._reached = now
            self._searcher = self._new_searcher(None)
        elif stuck and self._last_round:
            self._searcher.reheat()
            self._reached = now
        elif not self._last_round and (stuck or left < _ENDING * (self._until - self._begin)):
            self._last_round = True
            self._searcher.inject(self.routes)

    def recombine(self) -> None:
        """Recombine as often as the share of time allows, but not for nothing, and a last time shortly before the end."""
        share, now, all_time = self._share, self._clock(), self._until - self._begin
        if share == 0 or self.cost == INFEASIBLE or now >= self._until:
            return
        final = self._until - 1.3 * self._longest - _SLICE * all_time
        due = self._begin + (self._spent + self._longest) / share
        if now < due and not (now >= final and self._looked[1] != -1):
            return
        growth, cost = self._looked
        if now >= final:
            self._looked = (self._pool.gathered, -1)  # the last time
        elif cost == self.cost and self._pool.gathered < 1.05 * growth:
            return
        else:
            self._looked = (self._pool.gathered, self.cost)
        routes = self._pool.recombined(self.routes, seconds=min(self._until - now, _LONGEST * all_time))
        took = self._clock() - now
        self._spent += took
        self._longest = max(0.8 * self._longest, took)
        whole = self._role.recombining
        # While the first round still falls fast, its routes are seldom worth more together than apart.
        in_vain = routes is None and self._round == 0
        self._share = max(_LEAST * whole, 0.6 * self._share) if in_vain else whole
        if routes is None:
            return
        if self._round == 0 or self._last_round:
            self._searcher.inject(routes)
        else:
            self._keep(self._pool.cost(routes), routes)
            if self._post is not None:
                self._post(Found(self.cost, routes))


_SLICE = 0.02
"""Share of the time between two looks at the mail."""

_ENDING = 0.2
"""Share of the time in which everybody goes on from the best that anybody has found."""

_FAR_BEHIND = 1.003
"""Another process's solution that much better is gone on from at once."""

_IDLE = 0.4
_IDLE_HISTORIES = 8
_IDLE_STEPS = 1500
"""A round is stuck when it has found nothing for 40 % of the time that it took to get there, and for so many iterations: as
many as this with a hundred stops, and eight times as many with twice as many, which another round would hardly serve as well."""

_FIRST_STEPS = 0.1
_MEMORY, _LONGEST_MEMORY = 1 / 400, 300
"""After a tenth of the time a search knows how many steps it will make, and remembers one of 400, at most as many as PyVRP."""

_LEAST = 0.2
"""Share of its share that recombining keeps however often it has been in vain."""

_FIRST_GUESS = 0.02
_LONGEST = 0.06
"""Shares of the time that one recombination is expected to take and may take."""

_SEEDS_APART = 7919
