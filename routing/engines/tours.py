"""The cheapest order of one vehicle's visits as a problem on arrays, and the three ways to prove it.

A linear programme with subtour cuts gives a bound and strikes ways that no better order can use; labels over sets of
visits (`routing.engines.labels`) search what is left; where that is too much, CP-SAT's circuit constraint tries. All
arithmetic behind a proof is on whole numbers: the programme's prices are rounded first and are then valid as they are.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.engines.labels import FAR, MOST_BITS, Mask, Whole, cheaper_order

__all__ = [
    "FAR",
    "Hours",
    "Mask",
    "Proof",
    "Relaxed",
    "Tour",
    "Whole",
    "cost_of",
    "descended",
    "load_libraries",
    "prove",
]

_MOST_SCALE = 128
_FEW_LABELS = 20_000
_MOST_LABELS = 1_500_000
_MOST_BITS = MOST_BITS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tour:
    """Visits 1..n-1 to be made from and back to the office 0, each once.

    `cost` [from][to]; `lag` [from][to] is the time from being ready to work at one place (its set-up done) to standing
    at the next, `setup` [from][to] what it then takes to be ready. The start of the set-up lies in one of `windows`
    (empty: any time). A visit takes `service` and must be over at `closes`, as must the way home. `before` [i][j]: i
    comes earlier. `allowed` [from][to] are the ways. With `capacity`, `at_start` on board changes by `change` [visit]
    and never exceeds it (per dimension).
    """

    cost: Whole
    lag: Whole
    setup: Whole
    service: Whole
    windows: tuple[tuple[tuple[int, int], ...], ...]
    departs: int
    closes: int
    before: Mask
    allowed: Mask
    capacity: Whole | None = None
    at_start: Whole | None = None
    change: Whole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The best order known, and a bound that no order undercuts."""

    order: tuple[int, ...]
    cost: int
    bound: int

    @property
    def closed(self) -> bool:
        """Whether nothing cheaper exists."""
        return self.bound >= self.cost


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hours:
    """When each visit can be ready at the earliest and at the latest, what must precede what, and which ways remain."""

    earliest: Whole
    latest: Whole
    before: Mask
    allowed: Mask
    shortest: Whole


def load_libraries() -> None:
    """Load what the proofs need, which takes long the first time; a process that forks children does it before."""
    for name in ("ortools.linear_solver.pywraplp", "ortools.sat.python.cp_model", "scipy.sparse.csgraph"):
        importlib.import_module(name)


def cost_of(tour: Tour, order: tuple[int, ...]) -> int:
    """What the order costs, from the office to the office."""
    ends = (0, *order, 0)
    return int(tour.cost[list(ends[:-1]), list(ends[1:])].sum())


def prove(tour: Tour, order: tuple[int, ...], *, until: float) -> Proof:
    """The cheapest order and a bound on it, starting from an order that keeps the rules, by `until` (monotonic).

    CP-SAT does not know the capacity: an order that it finds may break it, the bound holds all the same.
    """
    if len(order) <= 1:
        return Proof(order=order, cost=cost_of(tour, order), bound=cost_of(tour, order))
    order = descended(tour, order, until - 0.8 * (until - time.monotonic()))
    best = Proof(order=order, cost=cost_of(tour, order), bound=0)
    hours = _hours(tour)
    if hours is None:
        return best
    relaxed = Relaxed.of(tour, hours, until=until - 0.5 * (until - time.monotonic()))
    if relaxed is None:
        return best
    best = Proof(order=order, cost=best.cost, bound=min(best.cost, relaxed.bound))
    if best.closed:
        return best
    # Windows are what CP-SAT proves little about; without them it proves more than labels do, but for a few of these.
    many = _MOST_LABELS if any(tour.windows) else _FEW_LABELS
    labelled = _labelled(tour, hours, relaxed, best, until - 0.1 * (until - time.monotonic()), most=many)
    if labelled is not None:
        return labelled
    found = _circuit(tour, hours, relaxed, best, until - (0 if any(tour.windows) else 0.3) * (until - time.monotonic()))
    if found.closed:
        return found
    if _keeps(tour, found.order):
        best = found
    labelled = _labelled(tour, hours, relaxed, best, until, most=_MOST_LABELS)
    return found if labelled is None else labelled


def _labelled(tour: Tour, hours: Hours, relaxed: Relaxed, best: Proof, until: float, *, most: int) -> Proof | None:
    if len(tour.service) > _MOST_BITS:
        return None
    cheaper = cheaper_order(tour, hours, relaxed, best.cost, until=until, most=most)
    if cheaper is None:
        return None
    order = cheaper or best.order
    return Proof(order=order, cost=cost_of(tour, order), bound=cost_of(tour, order))


def descended(tour: Tour, order: tuple[int, ...], until: float) -> tuple[int, ...]:
    """A better order of one that keeps the rules: up to three visits go elsewhere or a stretch is turned round, while that pays."""
    while time.monotonic() < until:
        better = None
        for new in _neighbours(tour, order):
            if _keeps(tour, new):
                better = new
                break
            if time.monotonic() > until:
                break
        if better is None:
            break
        order = better
    return order


def _neighbours(tour: Tour, order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Cheaper orders, the cheapest first; times and loads are not looked at."""
    path = np.array([0, *order, 0])
    cost, m = tour.cost, len(order)
    legs = cost[path[:-1], path[1:]]
    after = np.arange(m + 1)
    moves: list[tuple[int, int, int, int]] = []
    for length in range(1, min(3, m - 1) + 1):
        for first in range(1, m + 2 - length):
            last = first + length - 1
            head, tail = path[first], path[last]
            saved = legs[first - 1] + legs[last] - cost[path[first - 1], path[last + 1]]
            paid = cost[path[after], head] + cost[tail, path[after + 1]] - legs
            gain = saved - paid
            gain[first - 1 : last + 1] = 0
            moves += [(-int(gain[to]), first, last, int(to)) for to in np.nonzero(gain > 0)[0]]
    forward, back = np.concatenate([[0], np.cumsum(legs)]), np.concatenate([[0], np.cumsum(cost[path[1:], path[:-1]])])
    for first in range(1, m):
        lasts = np.arange(first + 1, m + 1)
        old = forward[lasts + 1] - forward[first - 1]
        new = cost[path[first - 1], path[lasts]] + back[lasts] - back[first] + cost[path[first], path[lasts + 1]]
        moves += [(-int((old - new)[at]), first, int(lasts[at]), -1) for at in np.nonzero(old > new)[0]]
    for _, first, last, to in sorted(moves):
        stretch = order[first - 1 : last]
        if to < 0:
            yield (*order[: first - 1], *reversed(stretch), *order[last:])
        elif to < first:
            yield (*order[:to], *stretch, *order[to : first - 1], *order[last:])
        else:
            yield (*order[: first - 1], *order[last:to], *stretch, *order[to:])


def _keeps(tour: Tour, order: tuple[int, ...]) -> bool:
    """Whether the order keeps ways, windows, hours, precedences and loads."""
    ready, place, load = tour.departs, 0, tour.at_start
    for at, node in enumerate(order):
        if not tour.allowed[place, node] or tour.before[node, list(order[:at])].any():
            return False
        arrives = ready + int(tour.lag[place, node])
        begins = min((max(a, arrives) for a, b in tour.windows[node] if arrives <= b), default=None)
        if begins is None and tour.windows[node]:
            return False
        ready = (arrives if begins is None else begins) + int(tour.setup[place, node])
        if ready + tour.service[node] > tour.closes:
            return False
        if load is not None and tour.change is not None:
            load = load + tour.change[node]
            if (load > tour.capacity).any():
                return False
        place = node
    return bool(tour.allowed[place, 0] and ready + tour.lag[place, 0] <= tour.closes)


# -- what the hours alone say


def _hours(tour: Tour) -> Hours | None:
    """Tightened times of readiness, the precedences they force, and the ways that survive; None when none can do."""
    n = len(tour.service)
    step = np.where(tour.allowed, tour.lag + tour.setup, FAR)
    shortest = step.copy()
    for via in range(1, n):
        shortest = np.minimum(shortest, shortest[:, via, None] + shortest[None, via, :])
    np.fill_diagonal(shortest, 0)
    with_setup = np.where(tour.allowed, tour.setup, -1).max(axis=0)
    least_setup = np.where(tour.allowed, tour.setup, FAR).min(axis=0)
    opens = np.array([min((a for a, _ in w), default=0) for w in tour.windows])
    closes = np.array([max((b for _, b in w), default=FAR) for w in tour.windows])
    earliest = np.maximum(tour.departs + shortest[0], opens + least_setup)
    latest = np.minimum(np.minimum(closes + with_setup, tour.closes - shortest[:, 0]), tour.closes - tour.service)
    earliest[0], latest[0] = tour.departs, FAR
    before = tour.before.copy()
    while True:
        before |= (earliest[None, :] + shortest.T) > latest[:, None]
        before[0] = before[:, 0] = False
        np.fill_diagonal(before, val=False)
        for via in range(1, n):
            before |= before[:, via, None] & before[None, via, :]
        if before.diagonal().any() or (earliest[1:] > latest[1:]).any():
            return None
        sooner = np.where(before, earliest[:, None] + shortest, -FAR).max(axis=0)
        later = np.where(before, latest[None, :] - shortest, FAR).min(axis=1)
        tighter = np.maximum(earliest, sooner), np.minimum(latest, later)
        tighter[0][0], tighter[1][0] = tour.departs, FAR
        if (tighter[0] == earliest).all() and (tighter[1] == latest).all():
            break
        earliest, latest = tighter
    allowed = tour.allowed & ~before.T
    allowed &= ~((before.astype(np.int64) @ before.astype(np.int64)) > 0)
    allowed[1:, 1:] &= (earliest[:, None] + step <= latest[None, :])[1:, 1:]
    allowed[0] &= ~before.any(axis=0)
    allowed[:, 0] &= ~before.any(axis=1) & (earliest + tour.lag[:, 0] <= tour.closes)
    np.fill_diagonal(allowed, val=False)
    return Hours(earliest=earliest, latest=latest, before=before, allowed=allowed, shortest=shortest)


# -- the linear programme


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relaxed:
    """Prices of the relaxed problem: any tour costs at least (`base` + its ways' `reduced`) / `scale`.

    Of the `groups` of places each has a price that a tour pays besides, every time but one that it leaves the group; a
    group with the office stands for all that is not in it.
    """

    base: int
    reduced: Whole
    scale: int
    groups: tuple[tuple[tuple[int, ...], int], ...]

    @property
    def bound(self) -> int:
        """No tour costs less."""
        return -(-self.base // self.scale)

    @classmethod
    def of(cls, tour: Tour, hours: Hours, *, until: float) -> Relaxed | None:
        """Visit every place once and leave every set of places, in fractions; None when even that cannot be."""
        import ortools.linear_solver.pywraplp as pywraplp  # type: ignore[import-untyped]  # noqa: PLC0415, PLR0402 - heavy

        n = len(tour.service)
        origins, targets = np.nonzero(hours.allowed)
        solver = pywraplp.Solver.CreateSolver("GLOP")
        ways = [solver.NumVar(0, solver.infinity(), "") for _ in origins]
        objective = solver.Objective()
        leave = [solver.Constraint(1, 1) for _ in range(n)]
        enter = [solver.Constraint(1, 1) for _ in range(n)]
        prices = tour.cost[origins, targets].tolist()
        for way, origin, target, price in zip(ways, origins.tolist(), targets.tolist(), prices, strict=True):
            objective.SetCoefficient(way, float(price))
            leave[origin].SetCoefficient(way, 1)
            enter[target].SetCoefficient(way, 1)
        objective.SetMinimization()
        cuts: dict[tuple[int, ...], Any] = {}
        while True:
            if solver.Solve() != pywraplp.Solver.OPTIMAL:
                return None
            if time.monotonic() > until:
                break
            flow = np.zeros((n, n))
            flow[origins, targets] = [way.solution_value() for way in ways]
            fresh = {places for places in _closed_sets(flow, until) if places not in cuts}
            if not fresh:
                break
            for places in fresh:
                inside = np.zeros(n, dtype=bool)
                inside[list(places)] = True
                cut = solver.Constraint(-solver.infinity(), len(places) - 1)
                for number in np.nonzero(inside[origins] & inside[targets])[0].tolist():
                    cut.SetCoefficient(ways[number], 1)
                cuts[places] = cut
        scale = max(1, min(_MOST_SCALE, FAR // (8 * (1 + int(tour.cost[hours.allowed].max()) * n))))
        out, into = (
            np.array([round(row.dual_value() * scale) for row in rows], dtype=np.int64) for rows in (leave, enter)
        )
        reduced = tour.cost * scale - out[:, None] - into[None, :]
        base = int(out.sum() + into.sum())
        groups = []
        for places, cut in cuts.items():
            # The rule reads "at most"; its price is never above nothing, also when the solver errs by a hair.
            price = min(0, round(cut.dual_value() * scale))
            reduced[np.ix_(places, places)] -= price
            base += price * (len(places) - 1)
            if price:
                groups.append((places, -price))
        # A way may come out a hair below nothing: paid once per place in advance, the rest is never negative.
        lows = np.minimum(0, np.where(hours.allowed, reduced, 0).min(axis=1))
        return cls(base=base + int(lows.sum()), reduced=reduced - lows[:, None], scale=scale, groups=tuple(groups))

    def kept(self, allowed: Mask, below: int) -> Mask:
        """The ways that an order cheaper than `below` may use."""
        kept: Mask = allowed & (self.reduced <= (below - 1) * self.scale - self.base)
        return kept


def _closed_sets(flow: NDArray[np.float64], until: float) -> list[tuple[int, ...]]:
    """Sets of at least two places that the flow leaves too little (each without the office, or its complement)."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - heavy, and only needed here
    from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow  # noqa: PLC0415

    n = len(flow)
    count, parts = connected_components(csr_matrix(flow > 1e-6), directed=False)
    if count > 1:
        found = [np.nonzero(parts == part)[0] for part in range(count)]
    else:
        found = []
        wide = csr_matrix(np.rint(flow * 10_000).astype(np.int32))
        for target in range(1, n):
            if time.monotonic() > until:
                break
            pushed = maximum_flow(wide, 0, target)
            if pushed.flow_value < 9_990:
                left = wide - pushed.flow
                left.data[left.data < 0] = 0
                left.eliminate_zeros()
                reached = breadth_first_order(left, 0, return_predecessors=False)
                found.append(np.setdiff1d(np.arange(n), reached))
    smaller = (part if len(part) <= n - len(part) else np.setdiff1d(np.arange(n), part) for part in found)
    return [tuple(part.tolist()) for part in smaller if len(part) >= 2]


# -- CP-SAT


def _circuit(tour: Tour, hours: Hours, relaxed: Relaxed, best: Proof, until: float) -> Proof:
    """What CP-SAT finds below the best cost: an order, or that there is none, or at least a better bound."""
    from ortools.sat.python import cp_model  # noqa: PLC0415 - heavy, and only needed here

    n = len(tour.service)
    model = cp_model.CpModel()
    ways: dict[tuple[int, int], Any] = {}
    origins, targets = (x.tolist() for x in np.nonzero(relaxed.kept(hours.allowed, best.cost)))
    for i, j in zip(origins, targets, strict=True):
        ways[i, j] = model.new_bool_var("")
    model.add_circuit([(i, j, way) for (i, j), way in ways.items()])
    total = sum(int(tour.cost[way]) * used for way, used in ways.items())
    model.add(total <= best.cost - 1)
    model.minimize(total)
    timed = hours.before.any() or any(tour.windows) or _may_be_late(tour)
    if timed:
        ready = [
            model.new_int_var(int(hours.earliest[j]), int(hours.latest[j]) if j else tour.departs, "") for j in range(n)
        ]
        for (i, j), used in ways.items():
            if j == 0:
                if i and hours.latest[i] + tour.lag[i, 0] > tour.closes:
                    model.add(ready[i] <= tour.closes - int(tour.lag[i, 0])).only_enforce_if(used)
                continue
            lag, setup = int(tour.lag[i, j]), int(tour.setup[i, j])
            model.add(ready[j] >= ready[i] + lag + setup).only_enforce_if(used)
            if tour.windows[j]:
                hold = cp_model.Domain.from_intervals([[a + setup, b + setup] for a, b in tour.windows[j]])
                model.add_linear_expression_in_domain(ready[j], hold).only_enforce_if(used)
        for i, j in zip(*(x.tolist() for x in np.nonzero(hours.before)), strict=True):
            model.add(ready[j] >= ready[i] + int(hours.shortest[i, j]))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.linearization_level = 2  # decides: without it hardly any tour is proven
    solver.parameters.cp_model_probing_level = 0
    solver.parameters.symmetry_level = 0
    solver.parameters.max_time_in_seconds = max(0.01, until - time.monotonic())
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Proof(order=best.order, cost=best.cost, bound=best.cost)
    bound = min(best.cost, max(best.bound, int(np.ceil(solver.best_objective_bound - 1e-6))))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Proof(order=best.order, cost=best.cost, bound=bound)
    follows = {i: j for (i, j), used in ways.items() if solver.boolean_value(used)}
    order, at = [], follows[0]
    while at:
        order.append(at)
        at = follows[at]
    cost = cost_of(tour, tuple(order))
    return Proof(order=tuple(order), cost=cost, bound=cost if status == cp_model.OPTIMAL else min(cost, bound))


def _may_be_late(tour: Tour) -> bool:
    """Whether some order without windows could come home too late."""
    longest = np.where(tour.allowed, tour.lag + tour.setup, 0).max(axis=1).sum()
    return bool(tour.departs + longest > tour.closes)
