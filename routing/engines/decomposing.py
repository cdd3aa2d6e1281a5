"""A large problem in parts: which routes are searched together, and how their answers become one plan again.

A search of n stops takes time in proportion to n for every little move, so a thousand stops are searched better as five
times two hundred. A part is a handful of routes of the present plan that lie side by side, with some unused vehicles
and the left-out stops among them; it is searched from where it is and put back, and the next part is grown around the
route whose turn was longest ago. So every part is cut elsewhere than the one before, and no border stays.

Nothing here searches or keeps time: `Decomposition` hands out parts and takes answers, in any order, from any number of
processes (`routing.engines.farming`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pyvrp import ProblemData
from scipy.spatial import cKDTree

from routing.engines.pyvrp_search import Penalties, Routes

Numbers: TypeAlias = NDArray[np.intp]
Places: TypeAlias = NDArray[np.float64]

Loads: TypeAlias = tuple[tuple[int, tuple[int, ...]], ...]
"""Vehicles (by number) with what they visit, in order; a number from the count of stops on is a reload."""

Rank: TypeAlias = tuple[int, int, int]
"""How bad a plan is: rules broken (0 or 1), urgency of what is left out without a prize, cost."""

_SIZES: Final = ((3000, 250), (700, 200), (0, 120))
"""From how many stops on a part has how many."""

_NEAREST: Final = 10

_NEXT_TO_NOTHING: Final = 0.001
"""Share of a part's cost."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one process shall search, said in numbers to somebody who knows the `Whole`.

    `routes` are to be made better; `spare` vehicles may be used, `extra` stops are left out as yet and may stay so,
    at a high price where they are compulsory. A part that `insists` (for the how manyth time, 0: it does not) is about
    nothing but serving them: prices do not tell a search in time that half a dozen others must give way to a stop.
    The one before a `stuck` part gained next to nothing. A part that `closes` a vehicle asks whether its stops can be
    served without that one, and cheaper. `penalties` are what earlier parts have learnt of the price of broken rules.
    """

    number: int
    routes: Loads
    spare: tuple[int, ...]
    extra: tuple[int, ...]
    insists: int = 0
    stuck: bool = False
    closes: int | None = None
    penalties: Penalties | None = None

    @property
    def vehicles(self) -> tuple[int, ...]:
        """All that may be used."""
        mine = (*(vehicle for vehicle, _ in self.routes), *self.spare)
        return tuple(vehicle for vehicle in mine if vehicle != self.closes)

    @property
    def stops(self) -> int:
        """How many stops it is about."""
        return sum(len(visits) for _, visits in self.routes) + len(self.extra)

    @property
    def begun(self) -> Loads:
        """The routes to search from: the extra stops of a part that insists are thrown in, whether they fit or not."""
        if self.closes is not None:
            return tuple(route for route in self.routes if route[0] != self.closes)
        if not self.insists:
            return self.routes
        if self.spare:
            return (*self.routes, (self.spare[0], self.extra))
        (vehicle, visits), *others = self.routes
        return ((vehicle, (*self.extra, *visits)), *others)


@dataclass(frozen=True, slots=True)
class Answer:
    """The routes that take the place of a part's: every vehicle of the part that is not named is unused.

    `penalties` are those that its search ended with, if the next one may begin with them.
    """

    number: int
    routes: Loads
    before: Rank
    after: Rank
    penalties: Penalties | None = None


class Piece(Protocol):
    """A part said to PyVRP."""

    @property
    def data(self) -> ProblemData:
        """The part as a problem of its own."""
        ...

    @property
    def start(self) -> Routes:
        """The part's routes."""
        ...

    def loads(self, routes: Routes) -> Loads:
        """PyVRP's routes with the numbers of the whole."""
        ...

    def rank(self, routes: Routes, cost: int) -> Rank:
        """How good routes of this cost are; INFEASIBLE is the cost of routes that break a rule."""
        ...


class Whole(Protocol):
    """A problem that can be cut: `wholes.DataWhole` (of PyVRP's data) and `wholes.ProblemWhole` (of ours)."""

    @property
    def places(self) -> Places:
        """Where each stop is, [stop][x, y], in a plane where near means cheap to reach."""
        ...

    @property
    def homes(self) -> Places:
        """Where each vehicle starts, [vehicle][x, y]."""
        ...

    @property
    def kinds(self) -> Numbers:
        """Which vehicles are alike: a number per vehicle."""
        ...

    @property
    def fill(self) -> NDArray[np.float64]:
        """Which share of a usual vehicle each stop fills."""
        ...

    @property
    def compulsory(self) -> NDArray[np.bool_]:
        """Which stops have no prize that would make up for leaving them out."""
        ...

    @property
    def bundles(self) -> Mapping[int, tuple[int, ...]]:
        """Stops that only make sense in one part, under each of them."""
        ...

    def enough(self, vehicle: int, stops: Sequence[int]) -> int:
        """More vehicles like this one than that need not be looked at to serve the stops."""
        ...

    def piece(self, part: Part) -> Piece:
        """The part as a problem of its own, with exactly its stops and vehicles."""
        ...


class Decomposition:
    """The present plan, and which of its routes are being searched by whom.

    `size` is how many stops a part should have. A part handed out stays locked until its answer is merged or it is
    `given_up`. Where `closing` and all vehicles are alike, some parts are about doing without one, as many as that pays. Where
    `learning`, parts begin with the penalties that earlier ones have found right.
    """

    def __init__(
        self, whole: Whole, *, seed: int, plan: Loads = (), size: int | None = None, processes: int = 1,
        closing: bool = False, learning: bool = False,
    ) -> None:  # fmt: skip
        self.whole = whole
        self.stops = len(whole.places)
        usual = next(size for least, size in _SIZES if self.stops >= least)
        self.size = min(usual, -(-self.stops // processes)) if size is None else size
        self._random = np.random.default_rng(seed)
        vehicles = len(whole.kinds)
        self._visits: list[tuple[int, ...]] = [()] * vehicles
        self._count = np.zeros(vehicles, dtype=np.intp)
        self._middle = np.zeros((vehicles, 2))
        self._turn = np.zeros(vehicles, dtype=np.intp)
        self._busy = np.zeros(vehicles, dtype=bool)
        self._given = np.zeros(self.stops, dtype=bool)  # left-out stops that some part may just be serving
        self._insisted = np.zeros(self.stops, dtype=np.intp)  # how often on each stop
        self._in_vain = 0  # parts that insisted since one did with success
        self._rest = 0  # parts that have their turn before the next one insists
        self._stuck = False
        self._closing = closing and len(np.unique(whole.kinds)) == 1
        self._learning = learning
        self._penalties: Penalties | None = None
        self._gains: dict[bool, float] = {}  # what parts that close a vehicle have saved lately, and the others
        self._vehicle_of = np.full(self.stops, -1, dtype=np.intp)
        self._parts: dict[int, Part] = {}
        self._next = 0
        nearest = min(_NEAREST + 1, self.stops)
        self._near: Numbers = (
            cKDTree(whole.places).query(whole.places, k=range(1, nearest + 1))[1].astype(np.int32)
            if self.stops
            else np.zeros((0, 0), dtype=np.int32)
        )
        self._put(plan)

    @property
    def plan(self) -> Loads:
        """All vehicles that visit anything, with what they visit."""
        return tuple((vehicle, visits) for vehicle, visits in enumerate(self._visits) if visits)

    @property
    def left_out(self) -> Numbers:
        """The stops that nobody visits."""
        return np.flatnonzero(self._vehicle_of < 0)

    # -- the first plan

    def forgotten(self) -> bool:
        """Whether a compulsory stop is left out although a vehicle stands idle."""
        return bool(self.whole.compulsory[self.left_out].any() and (self._count == 0).any())

    def blocks(self, size: int | None = None) -> list[Part]:
        """All left-out stops in blocks of neighbours that have the same home, with a fair share of its vehicles.

        Where the whole is too large to be searched even once, the answers to these are the first plan.
        """
        stops = self.left_out
        homes, home_of = np.unique(self.whole.homes, axis=0, return_inverse=True)
        free = np.array([not visits and not self._busy[v] for v, visits in enumerate(self._visits)])
        able = np.unique(home_of[free])
        if not len(stops) or not len(able):
            return []
        nearest = able[cKDTree(homes[able]).query(self.whole.places[stops])[1]]
        parts = []
        for home in able:
            mine = stops[nearest == home]
            if not len(mine):
                continue
            vehicles = np.flatnonzero(free & (home_of == home))
            mine = self._whole_bundles(mine)
            cut = _cut(self.whole.places, self.whole.fill, mine, max(1, round(len(mine) / (size or self.size))))
            shares = _shares(vehicles, self.whole.kinds[vehicles], [len(block) for block in cut], self._random)
            parts += [
                self._hand_out((), self._enough(share, block.tolist()), block.tolist())
                for block, share in zip(cut, shares, strict=True)
                if len(block) and share
            ]
        return parts

    def _enough(self, vehicles: Sequence[int], stops: Sequence[int]) -> list[int]:
        """Of an endless fleet only as many as the stops can fill."""
        kinds = self.whole.kinds[list(vehicles)]
        limits = {
            int(kind): self.whole.enough(vehicles[int(np.argmax(kinds == kind))], stops) for kind in np.unique(kinds)
        }
        place = _place_in_kind(kinds)
        return [v for v, kind, at in zip(vehicles, kinds.tolist(), place.tolist(), strict=True) if at < limits[kind]]

    def _whole_bundles(self, stops: Numbers) -> Numbers:
        """Each bundle by one stop only: the others come with it when the part is made."""
        bundles = self.whole.bundles
        return (
            np.array([s for s in stops.tolist() if bundles.get(s, (s,))[0] == s], dtype=np.intp) if bundles else stops
        )

    # -- parts of the present plan

    def next(self) -> Part | None:
        """The part whose turn it is, None while too little of the plan is unlocked."""
        free = np.flatnonzero((self._count > 0) & ~self._busy)
        if not len(free) or (self._parts and self._count[free].sum() < self.size / 2):
            return None
        stop = None if self._rest else self._lacking()
        self._rest = max(0, self._rest - 1)
        size = self.size
        if stop is None:
            turns = self._turn[free]
            first = int(self._random.choice(free[turns == turns.min()]))
        else:
            near = np.intersect1d(self._vehicle_of[self._near[stop]], free)
            nearest = cKDTree(self._middle[free]).query(self.whole.places[stop])[1]
            size *= min(int(self._insisted[stop]), _LARGEST)
            first = int(self._random.choice(near) if len(near) else free[nearest])
        # Two ways to be neighbours, in turn: middles that are close, and stops that are.
        neighbours = self._around if self._random.random() < _BY_MIDDLES else self._entangled
        members = neighbours(first, free, size)
        routes = tuple((vehicle, self._visits[vehicle]) for vehicle in members)
        if stop is not None:
            return self._hand_out(routes, self._spare(members), [stop], insists=int(self._insisted[stop]))
        self._turn[members] = self._next + 1
        extra = self._extra(members)
        if not extra and (closes := self._superfluous(members)) is not None:
            return self._hand_out(routes, (), (), closes=closes)
        return self._hand_out(routes, self._spare(members), extra)

    def _lacking(self) -> int | None:
        """Of the compulsory stops that are left out one that was insisted on least often, None when there is none."""
        left_out = np.flatnonzero((self._vehicle_of < 0) & ~self._given & self.whole.compulsory)
        if not len(left_out):
            return None
        often = self._insisted[left_out]
        least = self._random.permutation(left_out[often == often.min()])
        stop = next((int(stop) for stop in least if self._is_free(int(stop))), None)
        if stop is not None:
            self._insisted[stop] += 1
        return stop

    def _superfluous(self, members: Sequence[int]) -> int | None:
        """One of these vehicles that the others might do without, if now is the time to try.

        No move of a search empties a long route: each stop taken out of it costs, and only the last one saves. So a first
        plan's surplus of vehicles stays, unless somebody asks for a plan without one.
        """
        if not self._closing or len(members) < _FEWEST or self._random.random() >= self._chance_of_closing:
            return None
        stops = [stop for vehicle in members for stop in self._visits[vehicle] if stop < self.stops]
        if self.whole.fill[stops].sum() > _FULL * (len(members) - 1):
            return None
        shortest = sorted(members, key=lambda vehicle: self._count[vehicle])[:_SHORTEST]
        return int(self._random.choice(shortest))

    @property
    def _chance_of_closing(self) -> float:
        """Whichever of the two ways has saved more lately goes first."""
        if len(self._gains) < 2:
            return _UNTRIED
        return _PAYS if self._gains[True] > self._gains[False] else _IN_VAIN

    def _around(self, first: int, free: Numbers, size: int) -> list[int]:
        apart = np.hypot(*(self._middle[free] - self._middle[first]).T)
        order = free[np.argsort(apart, kind="stable")]
        enough = int(np.searchsorted(np.cumsum(self._count[order]), size)) + 1
        return [int(vehicle) for vehicle in order[: max(2, enough)]]

    def _entangled(self, first: int, free: Numbers, size: int) -> list[int]:
        """The routes that share most neighbouring stops with those chosen already."""
        members, total = [first], int(self._count[first])
        open_ = np.zeros(len(self._count), dtype=bool)
        open_[free] = True
        open_[first] = False
        links = np.zeros(len(self._count))
        newest = first
        while total < size and open_.any():
            stops = [stop for stop in self._visits[newest] if stop < self.stops]
            vehicles = self._vehicle_of[self._near[stops]].ravel()
            links += np.bincount(vehicles[vehicles >= 0], minlength=len(links))
            score = np.where(
                open_, links / np.maximum(self._count, 1) * self._random.uniform(0.7, 1.3, len(links)), -1.0
            )
            newest = int(np.argmax(score))
            if score[newest] <= 0:
                return members if len(members) > 1 else self._around(first, free, size)
            members.append(newest)
            open_[newest] = False
            total += int(self._count[newest])
        return members

    def _extra(self, members: Sequence[int]) -> list[int]:
        """Left-out stops whose neighbours these vehicles serve."""
        left_out = np.flatnonzero((self._vehicle_of < 0) & ~self._given)
        if not len(left_out):
            return []
        mine: NDArray[np.bool_] = np.zeros(len(self._count) + 1, dtype=bool)  # the last answers for -1, nobody
        mine[np.array(members)] = True
        near = np.asarray(mine[self._vehicle_of[self._near[left_out]]].any(axis=1))
        lonely = (self._vehicle_of[self._near[left_out]] < 0).all(axis=1)
        if lonely.any():
            used = np.flatnonzero(self._count)
            at = cKDTree(self._middle[used]).query(self.whole.places[left_out[lonely]])[1]
            near[lonely] = mine[used[at]]
        return [int(stop) for stop in left_out[near] if self._is_free(int(stop))]

    def _lacks(self, extra: Iterable[int]) -> bool:
        """Whether some of these must be served; then their price, not what others have learnt, says what rules must cost."""
        return bool(self.whole.compulsory[list(extra)].any())

    def _is_free(self, stop: int) -> bool:
        """Whether nothing it belongs to is served or may just be."""
        bundle = self.whole.bundles.get(stop, (stop,))
        return all(self._vehicle_of[other] < 0 and not self._given[other] for other in bundle)

    def _spare(self, members: Sequence[int]) -> list[int]:
        """Some unused vehicles: of each kind that the part has, and of those that start nearest to it."""
        unused = np.flatnonzero((self._count == 0) & ~self._busy)
        if not len(unused):
            return []
        kinds = self.whole.kinds
        mine = np.bincount(kinds[members], minlength=int(kinds.max()) + 1)
        middle = self._middle[members].mean(axis=0)
        unused = unused[np.argsort(np.hypot(*(self.whole.homes[unused] - middle).T), kind="stable")]
        place = _place_in_kind(kinds[unused])
        # Places for growth in the kinds in use, one vehicle of each other kind, the nearest first.
        wanted = unused[place < 1 + mine[kinds[unused]] // 10]
        others = wanted[mine[kinds[wanted]] == 0][:_OTHER_KINDS]
        return [*wanted[mine[kinds[wanted]] > 0].tolist(), *others.tolist()]

    def _hand_out(
        self, routes: Loads, spare: Sequence[int], extra: Iterable[int], *, insists: int = 0,
        closes: int | None = None,
    ) -> Part:  # fmt: skip
        bundles = self.whole.bundles
        extra = dict.fromkeys(other for stop in extra for other in bundles.get(stop, (stop,)))
        self._next += 1
        part = Part(
            self._next, routes, tuple(int(vehicle) for vehicle in spare), tuple(extra), insists, stuck=self._stuck,
            closes=closes, penalties=None if self._lacks(extra) else self._penalties,
        )  # fmt: skip
        self._parts[part.number] = part
        self._busy[[*(vehicle for vehicle, _ in routes), *part.spare]] = True
        self._given[list(part.extra)] = True
        return part

    # -- answers

    def given_up(self, part: Part) -> None:
        """The part is not being searched any more, its routes stay as they are."""
        del self._parts[part.number]
        self._busy[[*(vehicle for vehicle, _ in part.routes), *part.spare]] = False
        self._given[list(part.extra)] = False

    def merge(self, answer: Answer) -> bool:
        """Put the answer into the plan if it is better than what it replaces; whether it was."""
        part = self._parts[answer.number]
        self.given_up(part)
        if self._learning and answer.penalties is not None and not self._lacks(part.extra):
            self._penalties = _between(self._penalties or answer.penalties, answer.penalties)
        if part.routes and not part.insists:
            before, after = answer.before, answer.after
            self._stuck = after >= before or (
                after[:2] == before[:2] and before[2] - after[2] < _NEXT_TO_NOTHING * before[2]
            )
            if after[:2] == before[:2]:
                closed, saved = part.closes is not None, float(max(0, before[2] - after[2]))
                self._gains[closed] = _OLD_NEWS * self._gains.get(closed, saved) + (1 - _OLD_NEWS) * saved
        if answer.after >= answer.before if part.routes else not answer.routes:
            if part.insists:
                # Where too few vehicles work, nobody is served by insisting, and the plan should still become cheaper.
                self._in_vain += 1
                self._rest = 2 ** max(0, self._in_vain - 2)
            return False
        if part.insists:
            self._in_vain = 0
        vehicles = [*(vehicle for vehicle, _ in part.routes), *part.spare]
        turn = self._turn[vehicles].max(initial=0)
        for vehicle, visits in part.routes:
            self._visits[vehicle] = ()
            self._vehicle_of[[stop for stop in visits if stop < self.stops]] = -1
        self._count[vehicles] = 0
        self._put(answer.routes)
        self._turn[vehicles] = turn
        return True

    def _put(self, routes: Loads) -> None:
        for vehicle, visits in routes:
            stops = [stop for stop in visits if stop < self.stops]
            self._visits[vehicle] = visits
            self._count[vehicle] = len(visits)
            self._middle[vehicle] = self.whole.places[stops].mean(axis=0) if stops else self.whole.homes[vehicle]
            self._vehicle_of[stops] = vehicle


_BY_MIDDLES: Final = 0.5
_LARGEST: Final = 4
"""As many times as large becomes a part that insists, a little more each time that it was in vain."""
_OTHER_KINDS: Final = 12

_FULL: Final = 0.98
"""How much of their vehicles the stops of a part without one may fill."""
_FEWEST: Final = 3
"""Routes of a part that can do without one."""
_SHORTEST: Final = 3
"""One of so many routes of a part with the fewest stops is done without."""
_UNTRIED, _PAYS, _IN_VAIN = 0.5, 0.8, 0.1
"""Share of the parts that close a vehicle: before both ways were tried, where that saves more than the usual way, and where not."""
_OLD_NEWS: Final = 0.7
"""What the savings before the last one count for."""


def _between(old: Penalties, new: Penalties) -> Penalties:
    """The geometric mean: one part's penalties may be far from what the others need."""
    loads = [math.sqrt(a * b) for a, b in zip(old[0], new[0], strict=True)]
    return loads, math.sqrt(old[1] * new[1]), math.sqrt(old[2] * new[2])


def _place_in_kind(kinds: Numbers) -> Numbers:
    """For each entry how many of the same kind stand before it."""
    order = np.argsort(kinds, kind="stable")
    ordered = kinds[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(ordered)])
    place = np.empty(len(kinds), dtype=np.intp)
    place[order] = np.arange(len(kinds)) - np.repeat(starts, lengths)
    return place


def _cut(places: Places, fill: NDArray[np.float64], stops: Numbers, blocks: int) -> list[Numbers]:
    """The stops in blocks of about equal size, halved again and again across the longer side.

    A block fills whole vehicles nearly: a fifth vehicle for the last few stops would drive all the way for them.
    """
    if blocks <= 1 or len(stops) <= 1:
        return [stops]
    longer = int(np.argmax(np.ptp(places[stops], axis=0)))
    order = stops[np.argsort(places[stops, longer], kind="stable")]
    first = blocks // 2
    middle = max(1, len(order) * first // blocks)
    filled = np.cumsum(fill[order])
    vehicles = round(filled[middle - 1] / _WELL_FILLED)
    if vehicles >= 2:
        middle = int(np.clip(np.searchsorted(filled, vehicles * _WELL_FILLED, side="right"), 1, len(order) - 1))
    return [*_cut(places, fill, order[:middle], first), *_cut(places, fill, order[middle:], blocks - first)]


_WELL_FILLED: Final = 0.97


def _shares(vehicles: Numbers, kinds: Numbers, sizes: Sequence[int], random: np.random.Generator) -> list[list[int]]:
    """The vehicles dealt out to blocks in proportion to their sizes, each kind by itself."""
    shares: list[list[int]] = [[] for _ in sizes]
    bounds = np.cumsum([0, *sizes]) / sum(sizes)
    for kind in np.unique(kinds):
        mine = vehicles[kinds == kind]
        # A random offset, so that rounding does not favour the same blocks for every kind.
        edges = np.floor(bounds * len(mine) + random.random()).astype(int)
        for block, (a, b) in enumerate(pairwise(edges.tolist())):
            shares[block] += mine[a:b].tolist()
    return shares
