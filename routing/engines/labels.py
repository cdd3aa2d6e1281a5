"""The cheapest order of one vehicle's visits by going through what a cheaper order could begin with.

A label is a set of visits made and the last of them, with the time of readiness and what its ways cost beyond the
prices of the relaxed problem; of two with the same set and last visit, one that is neither earlier nor cheaper is
dropped. So is one that cannot get home within the gap: the way home is bounded by paths made from the end that may
come twice to the same place but keep its hours, and by what every place that is left must be entered and left for.

The relaxed problem pays in advance for a group of places that is entered once. Who leaves such a group with something
left to do in it will come back, and pays its price again. Without this a label seems far cheaper than it is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from routing.engines.tours import Hours, Relaxed, Tour

Whole: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

FAR: Final = 2**50
"""Later than any instant, dearer than any tour."""
MOST_BITS: Final = 62
_MOST_STEPS_AT_ONCE: Final = 700_000
_SECONDS_PER_STEP: Final = 1e-6
_MOST_BEHIND: Final = 300_000
_MOST_GROUPS: Final = 40
_LOOKED_AT: Final = 4


def cheaper_order(
    tour: Tour, hours: Hours, relaxed: Relaxed, cost: int, *, until: float, most: int
) -> tuple[int, ...] | None:
    """The cheapest order below `cost`, nothing (an empty order) where there is none; None when labels are too many.

    Takes up to `MOST_BITS` places, the office among them.
    """
    allowed = relaxed.kept(hours.allowed, cost)
    gap = (cost - 1) * relaxed.scale - relaxed.base
    table = _Table(tour, hours)
    behind = _behind(table, relaxed.reduced, allowed, gap, until)
    if behind is None:
        return None
    if not behind:
        return ()
    groups = _Groups(relaxed.groups, table)
    ahead = _Ahead.of(relaxed.reduced, allowed)
    ways = _Ways(allowed, forward=True)
    labels = _Labels.at_office(tour)
    history: list[tuple[Whole, Whole]] = []
    seen = 0
    n = table.size
    for made in range(1, n):
        if not _affordable(ways.steps(labels.last), until):
            return None
        parent, j = ways.onward(labels.last)
        before = labels.visited[parent]
        fresh = ((before & table.bits[j]) == 0) & ((table.needed[j] & ~before) == 0)
        parent, j = parent[fresh], j[fresh]
        i = labels.last[parent]
        excess = labels.excess[parent] + relaxed.reduced[i, j] + groups.left(labels.visited, labels.last, parent, j)
        near = excess <= gap
        parent, i, j, excess = parent[near], i[near], j[near], excess[near]
        new = _Labels(
            last=j, visited=labels.visited[parent] | table.bits[j],
            ready=table.begins(j, labels.ready[parent] + tour.lag[i, j]) + tour.setup[i, j],
            cost=labels.cost[parent] + tour.cost[i, j], excess=excess,
            load=None if labels.load is None or tour.change is None else labels.load[parent] + tour.change[j],
        )  # fmt: skip
        good = new.ready <= hours.latest[j]
        if new.load is not None and tour.capacity is not None:
            good &= (new.load <= tour.capacity).all(axis=1)
        for late in table.urgent:
            good &= ((new.visited & table.bits[late]) != 0) | (
                new.ready + hours.shortest[j, late] <= hours.latest[late]
            )
        good &= new.excess + behind[n - 1 - made].least(j, new.ready) <= gap
        kept = np.nonzero(good)[0]
        kept = kept[_undominated(j[kept], new.visited[kept], new.ready[kept], new.cost[kept])]
        kept = kept[ahead.least(new.visited[kept], j[kept]) <= gap - new.excess[kept]]
        labels = new.some(kept)
        history.append((j[kept], parent[kept]))
        seen += len(kept)
        if not len(kept):
            return ()
        if seen > most:
            return None
    home = np.where(allowed[labels.last, 0], labels.cost + tour.cost[labels.last, 0], FAR)
    home = np.where(labels.ready + tour.lag[labels.last, 0] <= tour.closes, home, FAR)
    at = int(home.argmin())
    return () if home[at] >= cost else _order(history, at)


def _affordable(steps: int, until: float) -> bool:
    return steps <= _MOST_STEPS_AT_ONCE and time.monotonic() + steps * _SECONDS_PER_STEP < until


def _order(history: Sequence[tuple[Whole, Whole]], at: int) -> tuple[int, ...]:
    order = []
    for nodes, parents in reversed(history):
        order.append(int(nodes[at]))
        at = int(parents[at])
    return tuple(reversed(order))


class _Table:
    """What is asked for whole arrays of labels."""

    def __init__(self, tour: Tour, hours: Hours) -> None:
        self.tour = tour
        self.hours = hours
        self.size = len(tour.service)
        self.bits: Whole = np.int64(1) << np.arange(self.size, dtype=np.int64)
        self.needed = self.set_of(hours.before.T)
        self.urgent = [j for j in range(1, self.size) if tour.windows[j]]
        width = max(1, *(len(w) for w in tour.windows))
        self.opens: Whole = np.full((self.size, width), FAR)
        self.closes: Whole = np.full((self.size, width), -FAR)
        for j, windows in enumerate(tour.windows):
            for place, (a, b) in enumerate(windows or ((0, FAR),)):
                self.opens[j, place], self.closes[j, place] = a, b

    def set_of(self, rows: Mask) -> Whole:
        """Each row as one number."""
        return np.array([int(self.bits[row].sum()) for row in rows], dtype=np.int64)

    def begins(self, node: Whole, arrives: Whole) -> Whole:
        """The earliest begin in the windows, `FAR` after the last."""
        begins: Whole = np.full(len(node), FAR)
        for place in range(self.opens.shape[1]):
            start = np.maximum(arrives, self.opens[node, place])
            begins = np.minimum(begins, np.where(start <= self.closes[node, place], start, FAR))
        return begins

    def begins_by(self, node: Whole, latest: Whole) -> Whole:
        """The latest begin in the windows that is not after `latest`, far below nothing before the first."""
        begins: Whole = np.full(len(node), -FAR)
        for place in range(self.opens.shape[1]):
            start = np.minimum(latest, self.closes[node, place])
            begins = np.maximum(begins, np.where(start >= self.opens[node, place], start, -FAR))
        return begins


class _Ways:
    """The ways out of each place (or, backwards, into it), to places other than the office."""

    def __init__(self, allowed: Mask, *, forward: bool) -> None:
        inner = (allowed if forward else allowed.T).copy()
        inner[:, 0] = False
        origins, self._targets = np.nonzero(inner)
        self._count = np.bincount(origins, minlength=len(allowed))
        self._first = np.cumsum(self._count) - self._count

    def steps(self, last: Whole) -> int:
        """How many ways there are from all these places together."""
        return int(self._count[last].sum())

    def onward(self, last: Whole) -> tuple[NDArray[np.intp], Whole]:
        """For each way of each label: the label, and where the way leads."""
        count = self._count[last]
        parent = np.repeat(np.arange(len(last)), count)
        into = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count, count)
        return parent, self._targets[self._first[last[parent]] + into]


# -- what the way home costs at least


class _Stairs:
    """By place and time of readiness the least that the rest can cost."""

    def __init__(self, node: Whole, latest: Whole, price: Whole) -> None:
        order = np.lexsort((latest, node))
        self._node, latest, price = node[order], latest[order], price[order]
        self._span = FAR // MOST_BITS
        self._key = self._node * self._span + np.minimum(latest, self._span - 1)
        # From the end of each place's steps backwards; a running minimum over all needs places far apart.
        apart = int(price.max()) + 1 if len(price) else 1
        lifted = price + self._node * apart
        self._price = np.minimum.accumulate(lifted[::-1])[::-1] - self._node * apart

    def least(self, node: Whole, ready: Whole) -> Whole:
        """For labels ready then; `FAR` where nothing is in time."""
        if not len(self._key):
            return np.full(len(node), FAR)
        at = np.searchsorted(self._key, node * self._span + np.minimum(ready, self._span - 1))
        found = np.minimum(at, len(self._key) - 1)
        same = (at < len(self._key)) & (self._node[found] == node)
        least: Whole = np.where(same, self._price[found], FAR)
        return least


def _behind(table: _Table, reduced: Whole, allowed: Mask, gap: int, until: float) -> list[_Stairs] | None:
    """Per number of visits still to be made, paths home that keep the hours and do not come back to a place at once.

    Nothing (an empty list) when no path reaches the office's morning within the gap; None when there are too many.
    """
    tour, hours, n = table.tour, table.hours, table.size
    between = np.minimum(tour.cost, tour.cost.T).astype(np.float64)
    np.fill_diagonal(between, np.inf)
    between[:, 0] = np.inf
    remembered = table.bits | table.bits[between.argmin(axis=1)]
    earlier, later = hours.before.sum(axis=0), hours.before.sum(axis=1)
    ways = _Ways(allowed, forward=False)
    node = np.nonzero(allowed[:, 0])[0]
    node = node[node > 0]
    latest = np.minimum(hours.latest[node], tour.closes - tour.lag[node, 0])
    price, visited = reduced[node, 0], table.bits[node]
    stairs = []
    seen = 0
    for made in range(n - 1, 0, -1):
        good = (latest >= hours.earliest[node]) & (price <= gap)
        good &= (earlier[node] < made) & (later[node] < n - made)
        node, latest, price, visited = node[good], latest[good], price[good], visited[good]
        kept = _undominated(node, visited, -latest, price)
        node, latest, price, visited = node[kept], latest[kept], price[kept], visited[kept]
        stairs.append(_Stairs(node, latest, price))
        seen += len(node)
        if not len(node):
            return []
        if seen > _MOST_BEHIND or not _affordable(ways.steps(node), until):
            return None
        if made == 1:
            break
        parent, i = ways.onward(node)
        fresh = (visited[parent] & (table.bits[i] | table.needed[i])) == 0
        parent, i = parent[fresh], i[fresh]
        j = node[parent]
        begins = table.begins_by(j, latest[parent] - tour.setup[i, j])
        latest = np.minimum(hours.latest[i], begins - tour.lag[i, j])
        price = price[parent] + reduced[i, j]
        visited = (visited[parent] & remembered[i]) | table.bits[i]
        node = i
    return stairs


class _Ahead:
    """What the rest of a tour costs at least beyond the relaxed prices: every place is still entered, and left, once.

    For each place the few cheapest ways into it (and out of it), and a price that no other way undercuts.
    """

    def __init__(self, ways: list[tuple[Whole, Whole]]) -> None:
        self._ways = ways

    @classmethod
    def of(cls, reduced: Whole, allowed: Mask) -> _Ahead:
        """For entering (columns) and for leaving (rows)."""
        prices = np.where(allowed, reduced, FAR)
        both = []
        for table in (prices.T, prices):
            order = np.argsort(table, axis=1, kind="stable")[:, : _LOOKED_AT + 1]
            both.append((order, np.take_along_axis(table, order, axis=1)))
        return cls(both)

    def least(self, visited: Whole, last: Whole) -> Whole:
        """The larger of what entering and what leaving the rest costs, for labels with these sets and last visits."""
        n = len(self._ways[0][0])
        bits = np.int64(1) << np.arange(n, dtype=np.int64)
        rest = (bits.sum() - 1) & ~visited  # the visits to come; bit 0 is the office
        enter = self._sum(self._ways[0], rest | 1, rest | bits[last], bits)
        leave = self._sum(self._ways[1], rest | bits[last], rest | 1, bits)
        larger: Whole = np.maximum(enter, leave)
        return larger

    @staticmethod
    def _sum(ways: tuple[Whole, Whole], places: Whole, others: Whole, bits: Whole) -> Whole:
        total = np.zeros(len(places), dtype=np.int64)
        for place, (ends, prices) in enumerate(zip(*ways, strict=True)):
            *near, far = prices.tolist()
            if far == 0 or len(near) < _LOOKED_AT:
                continue
            price = np.full(len(places), far)
            for end, known in zip(reversed(ends[:-1].tolist()), reversed(near), strict=True):
                price[(others & bits[end]) != 0] = known
            total += np.where((places & bits[place]) != 0, price, 0)
        return total


# -- what coming back costs


class _Groups:
    """The groups of places that the relaxed problem pays for once, each without the office, the dearest first."""

    def __init__(self, groups: Sequence[tuple[tuple[int, ...], int]], table: _Table) -> None:
        dearest = sorted(groups, key=lambda group: -group[1])[:_MOST_GROUPS]
        inside = np.zeros((len(dearest), table.size), dtype=bool)
        for row, (places, _) in zip(inside, dearest, strict=True):
            row[list(places)] = True
            if row[0]:  # who leaves the office's side enters the other
                row[:] = ~row
        self._set = table.set_of(inside)
        self._inside = np.ascontiguousarray(inside.T)
        self._price = np.array([price for _, price in dearest], dtype=np.float64)
        self._beyond = (~inside).astype(np.float64)

    def left(self, visited: Whole, last: Whole, parent: NDArray[np.intp], to: Whole) -> Whole:
        """The prices of the groups that each way leaves before all in them is done: from `last`[`parent`] to `to`."""
        undone = (self._set[None, :] & ~visited[:, None]) != 0
        undone &= self._inside[last]
        # Whole numbers far below 2^53: floats add them exactly, and multiply fast.
        paid = ((undone * self._price) @ self._beyond)[parent, to]
        return np.asarray(paid, dtype=np.int64)


# -- labels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Labels:
    last: Whole
    visited: Whole
    ready: Whole
    cost: Whole
    excess: Whole
    load: Whole | None

    @classmethod
    def at_office(cls, tour: Tour) -> _Labels:
        nothing = np.zeros(1, dtype=np.int64)
        return cls(
            last=nothing, visited=nothing, ready=np.array([tour.departs]), cost=nothing, excess=nothing,
            load=None if tour.at_start is None else tour.at_start[None, :],
        )  # fmt: skip

    def some(self, places: NDArray[np.intp]) -> _Labels:
        return _Labels(
            last=self.last[places], visited=self.visited[places], ready=self.ready[places], cost=self.cost[places],
            excess=self.excess[places], load=None if self.load is None else self.load[places],
        )  # fmt: skip


def _undominated(last: Whole, visited: Whole, ready: Whole, cost: Whole) -> NDArray[np.intp]:
    """Which of these no other with the same set and last visit beats in both time and cost."""
    order = np.lexsort((ready, cost, visited, last))
    if not len(order):
        return order
    last, visited, ready = last[order], visited[order], ready[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (last[1:] != last[:-1]) | (visited[1:] != visited[:-1])
    # Groups later in the order get a smaller offset, so that one running minimum serves them all.
    groups = np.cumsum(new)
    offset = ready + (groups[-1] - groups) * (int(ready.max()) - int(ready.min()) + 1)
    kept = np.ones(len(order), dtype=bool)
    kept[1:] = offset[1:] < np.minimum.accumulate(offset)[:-1]
    return order[kept]
