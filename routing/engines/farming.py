"""The parts of a `Decomposition` searched one after the other, or by several processes at once.

The processes are forked, so each knows the whole without a copy, and are sent a few hundred numbers at a time. They
end with this process, whatever ends it: nobody searches on for a parent that is gone.
"""

from __future__ import annotations

import pickle
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Final

import numpy as np
from pyvrp import ProblemData

from routing.engines.decomposing import Answer, Decomposition, Loads, Part, Rank, Whole
from routing.engines.forks import Forks, either, forks
from routing.engines.pyvrp_search import BRISK, INFEASIBLE, Searcher, Settings
from routing.frames import FrameReader, receive_frame, send_frame

SEARCH: Final = replace(BRISK, penalty=5.0)
"""How parts are searched: like small problems, but what breaks a rule costs five times as much at first. A part lasts some
hundred moves only, too few to come back from far outside the rules; with PyVRP's own penalties it stands still after two
turns. What it costs later is what earlier parts have learnt: some thousand moves, more than any part has to itself."""

INSISTING: Final = Settings(
    history=20, exhaustive_on_best=False, neighbours=50, penalties_every=100, penalties_rise=1.25
)
"""How those are searched in which all must be served: what counts is the first plan that keeps all rules."""

_OF_PRIZES: Final = Settings(history=20, exhaustive_on_best=False, neighbours=25, penalty=20.0, haste=20.0)
_OF_PRIZES_STUCK: Final = replace(SEARCH, perturbations=(1, 100))
"""How parts are searched where most stops may be left out, and of those no ruins are made: with high penalties at first, and
where that gains next to nothing, with many stops moved at random before each descent. In clusters, few come back."""

_NEIGHBOURS_OF_THE_PICKY: Final = 50
"""Where vehicles may serve only some stops, half of a stop's neighbours may be out of reach."""

_FIRST_SHARE: Final = 0.12
_ROUNDS: Final = ((3000, 4.0), (0, 6.0))
"""From how many stops on each has how many turns."""

_AT_FIRST, _IN_THE_END = 0.3, 2.0
"""How long a rising turn is, of the mean one: what is found soon is found first, and then patience pays."""

_LEAST_PER_STOP: Final = 0.001
"""Seconds: to say a part to PyVRP takes a quarter of that."""

_SOME: Final = 0.3
_LACKING: Final[Rank] = (1, 0, 0)
"""What a plan ranks that lacks a stop which a part insists on: any that serves it and keeps all rules is better."""

_ANEW_FROM: Final = 3
"""Who insists for the third time in vain had better not begin at routes that have no place for the stop."""

_SECOND_THOUGHTS: Final = 2
_SHORT_SHARE: Final = 0.01


def suited(settings: Settings, whole: Whole, part: Part, data: ProblemData) -> Settings:
    """How to search this part, which `data` say to PyVRP, of a plan that is improved with these settings."""
    if part.insists:
        settings = INSISTING
    elif not part.routes:  # nothing is there to be ruined yet, and what counts is to keep all rules
        settings = replace(settings, penalty=None, ruins=0.0, fitted=False)
    elif 2 * np.count_nonzero(whole.compulsory) < len(whole.compulsory):
        settings = replace(_OF_PRIZES_STUCK if part.stuck else _OF_PRIZES, neighbours=settings.neighbours)
    if data.num_profiles == 1 or settings.neighbours >= _NEIGHBOURS_OF_THE_PICKY:
        return settings
    return replace(settings, neighbours=_NEIGHBOURS_OF_THE_PICKY)


def search_part(
    whole: Whole, part: Part, *, seed: int, stop: Callable[[], bool], settings: Settings = SEARCH
) -> Answer:
    """Search one part until `stop()`; only routes that break no rule come back, so some stops may not.

    Of a part that insists, until all its stops are served, if they are.
    """
    if part.closes is not None:
        return _without_one(whole, part, seed=seed, stop=stop, settings=settings)
    piece = whole.piece(part)
    settings = suited(settings, whole, part, piece.data)
    begun = piece.start if part.routes and part.insists < _ANEW_FROM else None
    learnt = part.penalties if part.routes and not part.insists else None
    searcher = Searcher(piece.data, seed=seed, settings=settings, start=begun, penalties=learnt)
    if part.insists:
        searcher.run(lambda: searcher.cost < INFEASIBLE or stop())
        return Answer(part.number, piece.loads(searcher.routes), _LACKING, piece.rank(searcher.routes, searcher.cost))
    before = piece.rank(piece.start, searcher.cost)
    searcher.run(stop)
    if not part.routes:
        searcher.inject(())  # where nobody must be served, idle vehicles may be best
    routes, cost = searcher.routes, searcher.cost
    after = piece.rank(routes, cost)
    if after[0] and not part.routes:
        routes = tuple(searcher.language.line(route) for route in searcher.best.routes() if route.is_feasible())
        after = before
    return Answer(part.number, piece.loads(routes), before, after, searcher.penalties if part.routes else None)


def _without_one(whole: Whole, part: Part, *, seed: int, stop: Callable[[], bool], settings: Settings) -> Answer:
    """Search without the vehicle that the part closes, and with it where that leads nowhere.

    Without it what counts first is that all are served at all, so penalties are high again.
    """
    usual = whole.piece(replace(part, closes=None))
    settings = suited(settings, whole, part, usual.data)
    ever = Searcher(usual.data, seed=seed, settings=settings, start=usual.start, penalties=part.penalties)
    before = usual.rank(usual.start, ever.cost)
    piece = whole.piece(part)
    searcher = Searcher(piece.data, seed=seed, settings=settings, start=piece.start)
    moves = count()
    searcher.run(lambda: searcher.cost < ever.cost or next(moves) > _MOVES_WITHOUT_ONE or stop())
    if searcher.cost < _NEARLY_AS_GOOD * ever.cost:
        searcher.run(stop)
        if searcher.cost < ever.cost:
            return Answer(part.number, piece.loads(searcher.routes), before, piece.rank(searcher.routes, searcher.cost))
    ever.run(stop)
    return Answer(part.number, usual.loads(ever.routes), before, usual.rank(ever.routes, ever.cost), ever.penalties)


_MOVES_WITHOUT_ONE: Final = 300
_NEARLY_AS_GOOD: Final = 1.01
"""After so many moves without a vehicle, who does not cost about as much as with it goes on with it."""


def search_in_parts(
    whole: Whole,
    *,
    seed: int,
    until: float,
    processes: int = 1,
    plan: Loads = (),
    tell: Callable[[Loads], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    size: int | None = None,
    rounds: float | None = None,
    settings: Settings = SEARCH,
    thorough: bool = False,
    learning: bool = False,
) -> Loads:
    """The best plan found until `clock()` reaches `until`, from `plan` if one is given.

    Every route of the answer keeps all rules. Stops are missing only where no room was found for them. `tell` hears of
    better plans, at most some fifty times. With several processes `clock` must be one clock for all of them. A `thorough`
    search has short turns at first and long ones in the end, and tries to do without vehicles. A `learning` one hands on from
    part to part what breaking a rule should cost.
    """
    decomposition = Decomposition(
        whole, seed=seed, plan=plan, size=size, processes=processes, closing=thorough, learning=learning
    )
    begin = clock()
    share = _Share(decomposition, until=until, processes=processes, clock=clock, tell=tell)
    with _workers(whole, processes, settings=settings, clock=clock) as work:
        lacking = np.count_nonzero(whole.compulsory[decomposition.left_out])
        if not decomposition.plan or lacking > _SOME * decomposition.stops:
            share.allot(clock() + _FIRST_SHARE * (until - begin), rounds=1)
            work(share.all_of(decomposition.blocks()), share, seed)
        for _ in range(_SECOND_THOUGHTS):
            if decomposition.forgotten():
                share.allot(clock() + _SHORT_SHARE * (until - begin), rounds=1)
                work(share.all_of(decomposition.blocks()), share, seed)
        share.announce()
        usual = next(turns for least, turns in _ROUNDS if decomposition.stops >= least)
        share.allot(until, rounds=usual if rounds is None else rounds, rising=thorough)
        work(share.parts(), share, seed + 1)
    share.announce()
    return decomposition.plan


class _Share:
    """How long each part may be searched, and who hears of what comes of it."""

    def __init__(
        self, decomposition: Decomposition, *, until: float, processes: int, clock: Callable[[], float],
        tell: Callable[[Loads], None] | None,
    ) -> None:  # fmt: skip
        self.decomposition = decomposition
        self._processes = processes
        self._clock = clock
        self._tell = tell
        self._pause = 0.02 * (until - clock())
        self._told = clock()
        self._better = False
        self.last = self.until = until
        self._per_stop = 0.0
        self._rising_for = 0.0

    def allot(self, until: float, *, rounds: float, rising: bool = False) -> None:
        """From now to `until` every stop shall have `rounds` turns, where `rising` each longer than the one before."""
        self.until = until
        left = max(until - self._clock(), 0.0)
        self._rising_for = left if rising else 0.0
        self._per_stop = left * self._processes / (rounds * max(self.decomposition.stops, 1))

    def ends(self, part: Part) -> float:
        """When the part's search is to end if it begins now."""
        usual = self._per_stop
        if self._rising_for:
            passed = 1.0 - (self.until - self._clock()) / self._rising_for
            usual *= _AT_FIRST + (_IN_THE_END - _AT_FIRST) * passed
        if part.routes:
            usual = max(usual, _LEAST_PER_STOP)
        return min(self.until, self._clock() + usual * part.stops)

    def all_of(self, parts: list[Part]) -> Iterator[Part]:
        """All of these parts, however short their time is, unless no time is left at all."""
        for part in parts:
            if self._clock() < self.last:
                yield part
            else:
                self.decomposition.given_up(part)

    def parts(self) -> Iterator[Part | None]:
        """Part after part until the time is up."""
        # A search that would last but a moment costs more to prepare than it finds.
        while self.until - self._clock() > 0.1 * self._per_stop * self.decomposition.size:
            yield self.decomposition.next()

    def take(self, answer: Answer) -> None:
        """Merge an answer, and tell of the plan now and then."""
        self._better |= self.decomposition.merge(answer)
        if self._clock() - self._told > self._pause:
            self.announce()

    def announce(self) -> None:
        """Tell of the plan if it is better than the one told last."""
        if self._better and self._tell is not None:
            self._tell(self.decomposition.plan)
        self._better = False
        self._told = self._clock()


# -- who does the work

_Work = Callable[[Iterator[Part | None] | Iterator[Part], _Share, int], None]

_PATIENCE: Final = 0.25
"""Seconds after the end that a process is waited for."""


def _from(clock: Callable[[], float], end: float) -> Callable[[], bool]:
    return lambda: clock() >= end


@contextmanager
def _workers(whole: Whole, processes: int, *, settings: Settings, clock: Callable[[], float]) -> Iterator[_Work]:
    if processes == 1:

        def alone(parts: Iterator[Part | None] | Iterator[Part], share: _Share, seed: int) -> None:
            for part in parts:
                if part is None:
                    return
                stop = _from(clock, share.ends(part))
                answer = search_part(whole, part, seed=_mixed(seed, part), stop=stop, settings=settings)
                share.take(answer)

        yield alone
        return
    with forks() as workers:
        farm = _Farm(workers, clock)
        for _ in range(processes):
            farm.hire(whole, settings)
        yield farm.work


def _mixed(seed: int, part: Part) -> int:
    return (seed * 1_000_003 + part.number) % 2**31


class _Farm:
    """Forked processes that search parts."""

    def __init__(self, workers: Forks, clock: Callable[[], float]) -> None:
        self._workers = workers
        self._clock = clock
        self._readers: dict[socket.socket, FrameReader] = {}

    def hire(self, whole: Whole, settings: Settings) -> None:
        """Fork one more process."""
        worker = self._workers.add(partial(_serve, whole=whole, settings=settings, clock=self._clock))
        self._readers[worker] = FrameReader()

    def work(self, parts: Iterator[Part | None] | Iterator[Part], share: _Share, seed: int) -> None:
        """Have all parts searched; a process that fails or is late loses its part and its place."""
        busy: dict[socket.socket, tuple[Part, float]] = {}
        while len(self._workers):
            for worker in [worker for worker in self._workers if worker not in busy]:
                part = next(parts, None)
                if part is None:
                    break
                end = share.ends(part)
                busy[worker] = part, end
                with suppress(BrokenPipeError, ConnectionResetError):  # heard of below, as the end of its stream
                    send_frame(worker, pickle.dumps((part, _mixed(seed, part), end)))
            if not busy:
                return
            for worker, answer in self._heard(busy):
                part, _ = busy.pop(worker)
                if answer is None:
                    share.decomposition.given_up(part)
                else:
                    share.take(answer)
            late = [worker for worker, (_, end) in busy.items() if self._clock() > max(end, share.last) + _PATIENCE]
            for worker in late:
                share.decomposition.given_up(busy.pop(worker)[0])
                self._workers.end(worker)

    def _heard(self, busy: dict[socket.socket, tuple[Part, float]]) -> list[tuple[socket.socket, Answer | None]]:
        """Answers, None from a process that has ended without one."""
        heard: list[tuple[socket.socket, Answer | None]] = []
        with selectors.DefaultSelector() as selector:
            for worker in busy:
                selector.register(worker, selectors.EVENT_READ)
            for key, _ in selector.select(_PATIENCE):
                worker = next(worker for worker in busy if worker is key.fileobj)
                try:
                    data = worker.recv(1 << 20)
                except ConnectionResetError:
                    data = b""
                if not data:
                    self._workers.end(worker)
                    heard.append((worker, None))
                    continue
                # A process has one part at a time, so there is at most one answer.
                answers = map(pickle.loads, self._readers[worker].feed(data))  # from our own child
                heard += [(worker, answer) for answer in answers]
        return heard


def _serve(
    orders: socket.socket, orphaned: Callable[[], bool], *, whole: Whole, settings: Settings, clock: Callable[[], float]
) -> None:
    """Search what is ordered until the parent closes its end or is gone."""
    while True:
        try:
            part, seed, end = pickle.loads(receive_frame(orders))  # noqa: S301 - our own parent
            stop = either(_from(clock, end), orphaned)
            answer = search_part(whole, part, seed=seed, stop=stop, settings=settings)
            send_frame(orders, pickle.dumps(answer))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
