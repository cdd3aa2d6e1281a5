"""The best choice among all routes that any search has seen: a pool of them, and set partitioning over it.

A linear program prices the stops, the columns with the lowest reduced cost are kept, and CP-SAT chooses among them. With
`linearization_level=2` it mostly proves its choice in well under a second; at the default level it proves nothing here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver.python import model_builder_helper as linear
from ortools.sat.python import cp_model
from pyvrp import Client, CostEvaluator, ProblemData, Route, Shipment, Solution

from routing.engines.driving import Drivers
from routing.engines.pyvrp_search import Language, Line, Routes

Column: TypeAlias = tuple[int, str, int]
"""A feasible route: vehicle type, text (see `pyvrp_search.Line`), cost without prizes."""

_MOST = 60_000
"""Texts that a pool remembers."""

_PRICED = 12_000
"""Columns that the linear program takes in a fraction of a second."""

_CHOSEN = 1_200
"""Columns among which CP-SAT mostly proves the best choice in a fraction of a second."""


_RETRIED = 1_500
"""Columns of least reduced cost that are tried with other vehicles."""

_TINY = 1e-6


@dataclass(frozen=True)
class _Known:
    """A column and the rows it covers, in order and without its vehicle type's."""

    column: Column
    rows: tuple[int, ...]
    worth: int  # cost less the prizes collected


class Pool:
    """Routes by vehicle type and set of stops, in their cheapest order; the ones seen last are at the end."""

    def __init__(self, data: ProblemData) -> None:
        self.language = Language(data)
        self._rows = _Rows(data, Drivers(data, self.language.line))
        self._columns: dict[tuple[int, int], _Known] = {}
        self._keys: dict[Line, tuple[int, int]] = {}
        self._fresh: dict[tuple[int, int], Column] = {}
        self._judge = CostEvaluator([0.0] * data.num_load_dimensions, 0.0, 0.0)
        self.gathered = 0

    def __len__(self) -> int:
        return len(self._columns)

    def __iter__(self) -> Iterator[Column]:
        return (known.column for known in self._columns.values())

    def cost(self, routes: Routes) -> int:
        """What these routes cost together, by PyVRP; `INFEASIBLE` where they break a rule."""
        return self._judge.cost(self.language.solution(routes))

    def gather(self, solution: Solution) -> None:
        """Take the routes of a feasible solution; those seen before cost a look-up each."""
        line, keys = self.language.line, self._keys
        for route in solution.routes():
            said = line(route)
            if said not in keys:
                self._take((*said, cost_of(route)), fresh=True)

    def add(self, columns: Iterable[Column]) -> None:
        """Take what another pool has drained."""
        for column in columns:
            if column[:2] not in self._keys:
                self._take(column, fresh=False)

    def drain(self) -> tuple[Column, ...]:
        """The columns gathered (not added) since the last call, for other pools."""
        fresh = tuple(self._fresh.values())
        self._fresh.clear()
        return fresh

    def _take(self, column: Column, *, fresh: bool) -> None:
        kind, text, cost = column
        rows, stops, prizes = self._rows.of(text)
        key = (kind, stops)
        self._keys[kind, text] = key
        rival = self._columns.pop(key, None)
        if rival is None or cost < rival.column[2]:
            rival = _Known(column, rows, cost - prizes)
            self.gathered += 1
            if fresh:
                self._fresh[key] = column
        self._columns[key] = rival
        if len(self._keys) > _MOST:
            self._forget()

    def _forget(self) -> None:
        """Keep the younger half, so that a long search needs no more memory than a short one."""
        self._columns = dict(list(self._columns.items())[-_MOST // 2 :])
        self._keys = {known.column[:2]: key for key, known in self._columns.items()}

    def recombined(self, incumbent: Routes, *, seconds: float, most: int = _CHOSEN) -> Routes | None:
        """Routes of the pool that together cost less than the incumbent, which must be feasible; None where none were found.

        Takes at most about `seconds`, and none where the pool's linear relaxation already proves that there are none.
        """
        until = time.monotonic() + seconds
        solution = self.language.solution(incumbent)
        self.gather(solution)
        lines = set(self.language.routes(solution))
        known = list(self._columns.values())
        if not known:  # nothing is the best that can be served
            return None
        if len(known) > _PRICED:  # the youngest come from the best solutions
            known = [one for one in known[:-_PRICED] if one.column[:2] in lines] + known[-_PRICED:]
        rows = self._rows
        cost = self._judge.cost(solution)
        bar = cost - rows.prizes
        chosen = rows.priced(known, lines, bar, seconds=seconds / 2, most=most)
        routes = rows.chosen(chosen, lines, seconds=until - time.monotonic()) if chosen else None
        return None if routes is None or self.cost(routes) >= cost else routes


@dataclass(frozen=True, slots=True)
class _Relaxed:
    """A solved relaxation: its cost, each column's reduced cost, the price of each kind of vehicle; all in units of `scale`."""

    cost: float
    reduced: NDArray[np.float64]
    prices: NDArray[np.float64]
    scale: float


class _Rows:
    """What must be covered: clients, groups of clients and shipments, once or at most once; and the vehicles at hand."""

    def __init__(self, data: ProblemData, drivers: Drivers) -> None:
        self._of: dict[str, int] = {}  # a word of a line: the row it covers
        self._bit: dict[str, int] = {}
        self._prize: dict[str, int] = {}
        self.must: list[bool] = []
        for group in data.groups():
            for client in group.clients:
                self._of[f"C{client}"] = len(self.must)
            self.must.append(group.required)
        stops: list[tuple[str, Client | Shipment]] = [(f"C{i}", one) for i, one in enumerate(data.clients())]
        stops += [(f"L{i}", one) for i, one in enumerate(data.shipments())]
        for bit, (word, stop) in enumerate(stops):
            self._bit[word] = 1 << bit
            self._prize[word] = stop.prize
            if word not in self._of:
                self._of[word] = len(self.must)
                self.must.append(stop.required)
        self.prizes = sum(self._prize.values())
        self.vehicles = [kind.num_available for kind in data.vehicle_types()]
        self._drivers = drivers

    def of(self, text: str) -> tuple[tuple[int, ...], int, int]:
        """The rows that a line covers, its set of stops as bits, and the prizes it collects."""
        rows, stops, prizes = [], 0, 0
        for word in text.split():
            if word in self._bit:
                rows.append(self._of[word])
                stops |= self._bit[word]
                prizes += self._prize[word]
        return tuple(rows), stops, prizes

    def priced(self, known: list[_Known], lines: set[Line], bar: int, *, seconds: float, most: int) -> list[_Known]:
        """The columns that may be part of something cheaper than `bar`, at most `most`; none when there can be none."""
        until = time.monotonic() + seconds
        solved = self._relaxed(known, seconds=seconds)
        if solved is None:
            return []
        if self._drivers and (others := self._driven_otherwise(known, solved)):
            known = [*known, *others]
            solved = self._relaxed(known, seconds=until - time.monotonic()) or solved
        # A column whose reduced cost exceeds the gap is in no solution below the bar.
        gap = bar / solved.scale - solved.cost
        if gap * solved.scale < 1 - 1e-6:
            return []
        order = np.argsort(solved.reduced, kind="stable")
        order = order[: min(most, int(np.searchsorted(solved.reduced[order], gap, side="left")))]
        chosen = [known[index] for index in order]
        missing = lines - {one.column[:2] for one in chosen}
        return chosen + [one for one in known if one.column[:2] in missing]

    def _relaxed(self, known: list[_Known], *, seconds: float) -> _Relaxed | None:
        """The linear relaxation of choosing among the columns; None in too short a time."""
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - takes longer to load than many a search lasts

        count, first = len(known), len(self.must)
        worth = np.array([one.worth for one in known], dtype=np.float64)
        scale = max(1.0, float(np.abs(worth).max())) / 1_000  # costs of 10^9 would be beyond GLOP's tolerances
        sizes = [len(one.rows) for one in known]
        covered = np.fromiter((row for one in known for row in one.rows), dtype=np.int64, count=sum(sizes))
        owners = np.repeat(np.arange(count), sizes)
        kinds = np.array([one.column[0] for one in known], dtype=np.int64)
        shape = (first + len(self.vehicles), count)
        entries = (np.concatenate([covered, first + kinds]), np.concatenate([owners, np.arange(count)]))
        matrix = csr_matrix((np.ones(len(entries[0])), entries), shape=shape)
        least = np.concatenate([np.array(self.must, dtype=np.float64), np.zeros(len(self.vehicles))])
        limit = np.concatenate([np.ones(first), np.array(self.vehicles, dtype=np.float64)])
        model = linear.ModelBuilderHelper()
        fill: Any = model.fill_model_from_sparse_data  # its types name an array that numpy's do not
        fill(np.zeros(count), np.full(count, np.inf), worth / scale, least, limit, matrix)
        solver = linear.ModelSolverHelper("GLOP")
        solver.set_time_limit_in_seconds(seconds)
        solver.solve(model)
        if solver.status() != linear.SolveStatus.OPTIMAL:
            return None
        prices = np.asarray(solver.dual_values())[first:]
        return _Relaxed(solver.objective_value(), np.asarray(solver.reduced_costs()), prices, scale)

    def _driven_otherwise(self, known: list[_Known], solved: _Relaxed) -> list[_Known]:
        """Promising columns with other vehicles, where that makes them cheaper by the relaxation's prices."""
        others = []
        for index in np.argsort(solved.reduced, kind="stable")[:_RETRIED]:
            one = known[index]
            kind, text, cost = one.column
            costs = self._drivers.costs(text)
            reduced = solved.reduced[index] + (costs - cost) / solved.scale - (solved.prices - solved.prices[kind])
            for other in np.flatnonzero(reduced < -_TINY):
                if other != kind:
                    worth = one.worth + int(costs[other]) - cost
                    others.append(_Known((int(other), text, int(costs[other])), one.rows, worth))
        return others

    def chosen(self, known: list[_Known], lines: set[Line], *, seconds: float) -> Routes | None:
        """The cheapest choice that CP-SAT finds; None in too short a time."""
        if seconds <= 0:
            return None
        model = cp_model.CpModel()
        takes = [model.new_bool_var("") for _ in known]
        coverers: list[list[cp_model.IntVar]] = [[] for _ in self.must]
        used: list[list[cp_model.IntVar]] = [[] for _ in self.vehicles]
        for one, take in zip(known, takes, strict=True):
            used[one.column[0]].append(take)
            for row in one.rows:
                coverers[row].append(take)
            model.add_hint(take, one.column[:2] in lines)
        for takers, must in zip(coverers, self.must, strict=True):
            if must:
                model.add_exactly_one(takers)
            elif len(takers) > 1:
                model.add_at_most_one(takers)
        for takers, count in zip(used, self.vehicles, strict=True):
            if len(takers) > count:
                model.add(sum(takers) <= count)
        model.minimize(cp_model.LinearExpr.weighted_sum(takes, [one.worth for one in known]))
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = 1
        solver.parameters.linearization_level = 2
        solver.parameters.max_presolve_iterations = 1
        solver.parameters.cp_model_probing_level = 0
        solver.parameters.symmetry_level = 0
        if solver.solve(model) not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
            return None
        return tuple(one.column[:2] for one, take in zip(known, takes, strict=True) if solver.boolean_value(take))


def cost_of(route: Route) -> int:
    """What the route costs, prizes aside."""
    return int(route.distance_cost() + route.duration_cost() + route.fixed_vehicle_cost())
