"""The search that everything else rests on: iterated local search over PyVRP's parts, in slices.

PyVRP's own loop runs once, from start to stop. This one can be told of a better plan in the middle and keeps what it has
learnt (late-acceptance history, penalties, random numbers); with `PYVRP` settings it walks exactly as `pyvrp.solve` does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from pyvrp import (
    Activity,
    Client,
    CostEvaluator,
    PenaltyManager,
    PenaltyParams,
    ProblemData,
    RandomNumberGenerator,
    Route,
    Shipment,
    Solution,
)
from pyvrp.search import (
    OPERATORS,
    LocalSearch,
    NeighbourhoodParams,
    PerturbationManager,
    PerturbationParams,
    compute_neighbours,
)

from routing.engines.driving import Drivers, Rooms
from routing.engines.ruining import Ruins

Line: TypeAlias = tuple[int, str]
"""One vehicle's route: the index of its vehicle type, and its activities in order, separated by blanks, without the start
and end depot: C7 = client 7, L3 = shipment 3 is loaded, U3 = unloaded, D1 = reload at depot 1."""

Routes: TypeAlias = tuple[Line, ...]
"""A whole solution; clients and shipments in none of the lines are left out."""

Penalties: TypeAlias = tuple[list[float], float, float]
"""What a unit too much of each load, of duration and of distance costs."""

INFEASIBLE = 2**63 - 1
"""The cost of a solution that breaks a rule, as PyVRP has it."""


class Language:
    """Says solutions of one `ProblemData` as `Routes`, and back. Texts are made by PyVRP: 15 x cheaper than looking at stops."""

    def __init__(self, data: ProblemData) -> None:
        self.data = data
        # PyVRP prints a reload as "|", which names the depot only where there is no choice.
        self._reload = {
            number: f"D{kind.reload_depots[0]}"
            for number, kind in enumerate(data.vehicle_types())
            if len(set(kind.reload_depots)) == 1
        }

    def line(self, route: Route) -> Line:
        """The route's vehicle type and text."""
        kind, text = route.vehicle_type(), str(route)
        if "|" not in text:
            return kind, text
        if kind in self._reload:
            return kind, text.replace("|", self._reload[kind])
        return kind, " ".join(str(activity) for activity in list(route)[1:-1])

    def routes(self, solution: Solution) -> Routes:
        """All its routes."""
        return tuple(self.line(route) for route in solution.routes())

    def solution(self, routes: Iterable[Line]) -> Solution:
        """PyVRP's solution of these routes, feasible or not; raises what PyVRP raises where they do not fit the data."""
        return Solution(
            self.data,
            [Route(self.data, [_ACTIVITIES(word) for word in text.split()], kind) for kind, text in routes],
        )


class _Activities(dict[str, Activity]):
    def __missing__(self, word: str) -> Activity:
        activity = self[word] = Activity(word)
        return activity


_ACTIVITIES = _Activities().__getitem__


@dataclass(frozen=True)
class Settings:
    """How to search; the defaults are PyVRP's."""

    history: int = 300  # solutions that late acceptance looks back
    restart_after: int = 150_000  # iterations without a new best
    exhaustive_on_best: bool = True
    neighbours: int = 50
    perturbations: tuple[int, int] = (1, 25)  # stops moved at random before each descent
    # What a unit of load, duration or distance too much costs at first, as a multiple of what undoing it may cost; None:
    # 50,000 for each, as PyVRP has it, from which a search of some seconds does not come down.
    penalty: float | None = None
    haste: float = 1.0  # what duration too much costs at first, as a multiple of that
    penalties_every: int = 500  # solutions between two looks at how many of them were feasible
    penalties_rise: float = 1.5
    ruins: float = 0.0  # share of descents that begin at a ruin
    fitted: bool = False  # whether routes go to the vehicles that suit them best


PYVRP = Settings()
BRISK = Settings(
    history=20, exhaustive_on_best=False, neighbours=25, penalty=1.0, penalties_every=100, penalties_rise=1.25,
    ruins=0.5, fitted=True,
)  # fmt: skip
"""For searches of seconds: they measured better than PyVRP's in half of them already, and more so with more stops."""


class Searcher:
    """A search that runs in slices. `best` is the cheapest feasible solution, or the start while there is none."""

    def __init__(
        self,
        data: ProblemData,
        *,
        seed: int,
        settings: Settings = PYVRP,
        start: Routes | None = None,
        on_best: Callable[[int, Solution], None] | None = None,
        on_candidate: Callable[[int, Solution], None] | None = None,
        penalties: Penalties | None = None,
    ) -> None:
        """Start from `start`, feasible or not, or from a random solution made better; with `penalties` learnt elsewhere, if given.

        `on_best` hears of each new best (cost, solution); `on_candidate` of each feasible solution that is not much dearer
        than the best, and is meant to collect routes: it runs inside the search and must be quick.
        """
        self.language = Language(data)
        self.settings = settings
        self._on_best = on_best
        self._on_candidate = on_candidate
        self._random = RandomNumberGenerator(seed=seed)
        neighbours = compute_neighbours(data, NeighbourhoodParams(num_neighbours=settings.neighbours))
        operators = [operator(data) for operator in OPERATORS if operator.supports(data)]

        def descent(perturbations: tuple[int, int]) -> LocalSearch:
            made = LocalSearch(data, self._random, neighbours, PerturbationManager(PerturbationParams(*perturbations)))
            for operator in operators:
                made.add_operator(operator)
            return made

        self._descend = descent(settings.perturbations)
        self._drivers = Drivers(data, self.language.line) if settings.fitted else None
        self._rooms = Rooms(data) if settings.fitted else None
        self._ruins = None
        if settings.ruins and (ruins := Ruins(data, self.language.line, seed=seed)):
            self._ruins = ruins
            self._rebuild = descent(_AS_GOOD_AS_NONE)
            self._chance = random.Random(seed + 1).random  # noqa: S311 - a search, not a secret
        params = PenaltyParams(
            solutions_between_updates=settings.penalties_every, penalty_increase=settings.penalties_rise
        )
        # High penalties find the first feasible solution soonest; lower ones find better ones from there.
        self._penalties = PenaltyManager(params.midpoint_penalties(data), params)
        self._gentler = None
        if penalties is not None:
            self._penalties = PenaltyManager(penalties, params)
        elif settings.penalty is not None:
            natural = natural_penalties(data, settings.penalty, haste=settings.haste)
            self._gentler = PenaltyManager(natural, params)
        self._judge = CostEvaluator([0.0] * data.num_load_dimensions, 0.0, 0.0)
        if start is None:
            scattered = Solution.make_random(data, self._random)
            self._first = self._descend(scattered, self._penalties.max_cost_evaluator(), exhaustive=True)
        else:
            self._first = self.language.solution(start)
        self.best = self.current = self.candidate = self._first
        self.cost = INFEASIBLE
        self.iterations = 0
        self._stops = max(1, data.num_clients + 2 * data.num_shipments)
        self._since_best = 0
        self._history: list[Solution | None] = [None] * settings.history
        self._place = 0
        self._note(self._first)

    @property
    def routes(self) -> Routes:
        """The routes of the best."""
        return self.language.routes(self.best)

    @property
    def penalties(self) -> Penalties:
        """What breaking rules costs by now."""
        loads, duration, distance = self._penalties.penalties()
        return [float(load) for load in loads], float(duration), float(distance)

    def _note(self, solution: Solution) -> None:
        """Keep it as the best if it is feasible and cheaper."""
        cost = self._judge.cost(solution)
        if cost < self.cost:
            self.best, self.cost = solution, cost
            self._relax()
            if self._on_best is not None:
                self._on_best(cost, solution)
            if self._on_candidate is not None:
                self._on_candidate(cost, solution)

    def _relax(self) -> None:
        """With something feasible in hand, go on with the gentler penalties."""
        if self._gentler is not None:
            self._penalties, self._gentler = self._gentler, None

    def inject(self, routes: Routes) -> bool:
        """Go on from these routes if they are better than the best; whether they were.

        The acceptance history stays, so the search neither forgets how high it may climb nor starts afresh.
        """
        solution = self.language.solution(routes)
        if self._judge.cost(solution) >= self.cost:
            return False
        self._note(solution)
        self.current = solution
        self._since_best = 0
        return True

    def remember(self, solutions: int) -> None:
        """From now on look back so many solutions: at first at those remembered already, again and again."""
        place = self._place % len(self._history)
        known = [*self._history[place:], *self._history[:place]]
        self._history = [known[at % len(known)] for at in range(solutions)]
        self._place = 0
        self.settings = replace(self.settings, history=solutions)

    def reheat(self) -> None:
        """Go on from the best with no history, as PyVRP does after long without a new best: at first nearly all is accepted."""
        self._history[:] = [None] * len(self._history)
        self._place = 0
        self.current = self.best
        self._since_best = 0

    @property
    def idle(self) -> int:
        """Iterations since the last new best."""
        return self._since_best

    def run(self, stop: Callable[[], bool]) -> None:
        """Search until `stop()`, which is asked before each iteration (well under a millisecond per 100 stops)."""
        settings, judge, descend = self.settings, self._judge, self._descend
        history, length = self._history, settings.history
        near = 1 + _NEAR / self._stops
        while not stop():
            self.iterations += 1
            if self._since_best == settings.restart_after:
                self.reheat()

            evaluator = self._penalties.cost_evaluator()
            if self._ruins is not None and self.cost < INFEASIBLE and self._chance() < settings.ruins:
                candidate = self._rebuild(self._ruins.of(self.current), evaluator, exhaustive=False)
            else:
                candidate = descend(self.current, evaluator, exhaustive=False)
            if self._rooms and (fitted := self._rooms.fitted(candidate, self._penalties.penalties()[0])) is not None:
                candidate = fitted
            self._penalties.register(candidate)
            self._since_best += 1
            cost = judge.cost(candidate)
            if cost < self.cost:
                self._since_best = 0
                self.best, self.cost = candidate, cost
                if settings.exhaustive_on_best:
                    candidate = descend(candidate, evaluator, exhaustive=True)
                    cost = judge.cost(candidate)
                    if cost < INFEASIBLE:
                        self.best, self.cost = candidate, cost
                if self._drivers and (fitted := self._drivers.fitted(self.best)) is not None:
                    candidate = self.best = fitted
                    cost = self.cost = judge.cost(fitted)
                self._relax()
                if self._on_best is not None:
                    self._on_best(self.cost, self.best)
            if self._on_candidate is not None and cost <= self.cost * near:
                self._on_candidate(cost, candidate)
            self.candidate = candidate

            # Late acceptance hill-climbing with both refinements of Burke and Bykov (2017), section 4.2. Old solutions are
            # judged by today's penalties.
            candidate_cost = evaluator.penalised_cost(candidate)
            current_cost = evaluator.penalised_cost(self.current)
            late = history[self._place % length]
            late_cost = evaluator.penalised_cost(self._first if late is None else late)
            if candidate_cost < late_cost or candidate_cost < current_cost:
                self.current, current_cost = candidate, candidate_cost
            if current_cost < late_cost or late is None:
                history[self._place % length] = self.current
            self._place += 1


_AS_GOOD_AS_NONE = (1, 1)
"""Stops moved at random after a ruin: with none at all PyVRP 0.14.1 takes the descent for an exhaustive one."""

_NEAR = 3
"""Routes of a solution are worth recombining if it costs no more than the best and the mean cost of three stops."""


def natural_penalties(data: ProblemData, multiple: float, haste: float = 1.0) -> Penalties:
    """Penalties of about what a violation can save, for a unit of each load, of duration and of distance.

    The largest stop too much costs two arcs of mean cost, and two fixed costs of as much of a vehicle as it fills; a second
    costs what travelling a second costs, times `haste`. Where leaving a stop out costs more than that, all are dearer by as
    much: nobody should overload a vehicle for the sake of a prize.
    """
    kinds = data.vehicle_types()
    arcs, rates = [1.0], [1.0]
    for profile, per_metre, per_second in {
        (one.profile, one.unit_distance_cost, one.unit_duration_cost) for one in kinds
    }:
        # PyVRP's types name an array that numpy's do not.
        matrices: Any = data.distance_matrix(profile), data.duration_matrix(profile)
        metres, seconds = matrices
        allowed = (metres < _FORBIDDEN) & (seconds < _FORBIDDEN) & (metres + seconds > 0)
        if allowed.any():
            cost = (per_metre * metres[allowed].astype(np.float64) + per_second * seconds[allowed]).sum()
            arcs.append(float(cost) / int(allowed.sum()))
            rates.append(float(cost) / max(1.0, float(seconds[allowed].sum())))
    arc = 2 * max(arcs)
    stops: list[Client | Shipment] = [*data.clients(), *data.shipments()]
    multiple *= max([1.0, *(stop.prize / arc for stop in stops)])
    largest = [1] * data.num_load_dimensions
    for client in data.clients():
        largest = [max(three) for three in zip(largest, client.delivery, client.pickup, strict=True)]
    for shipment in data.shipments():
        largest = [max(two) for two in zip(largest, shipment.amount, strict=True)]
    loads = [arc / most for most in largest]
    for kind in kinds:
        room = zip(loads, kind.capacity, strict=True)
        loads = [
            max(load, arc / most + 2 * kind.fixed_cost / max(1, seats))
            for (load, seats), most in zip(room, largest, strict=True)
        ]
    if len({tuple(kind.capacity) for kind in kinds}) > 1:
        loads = [_HIDDEN_SIZE * load for load in loads]
    per_metre = max(one.unit_distance_cost for one in kinds)
    return [multiple * load for load in loads], multiple * haste * max(rates), multiple * max(1.0, per_metre)


_HIDDEN_SIZE = 5
"""Where vehicles differ in size, a cheap overload hides for long that a larger one is wanted."""

_FORBIDDEN = 2**30
"""An arc as long as this says that nobody may take it."""
