"""How OR-Tools is asked to search: ruin and recreate, then guided local search."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ortools.constraint_solver import pywrapcp, routing_enums_pb2  # type: ignore[import-untyped]  # it has no types

from routing.engines.ortools_model import Model
from routing.problem import Visits

_RUN_ONE_RANDOMLY = 3  # RuinCompositionStrategy, whose enum the wheel does not export
# Guided local search helps plans of few stops, where there is little to ruin; it comes last and stagnates with many.
_FEW = 30
_SOME = 80
_SHARE_OF_RUINING = 0.95
_SHARE_FOR_FEW = 0.7


def search(model: Model, seconds: float, start: Visits, on_best: Callable[[Visits], None], *, ruins: bool) -> None:
    """Search for `seconds` and report every better set of routes, the given start first."""
    best = float("inf")
    best_visits = start
    until = time.monotonic() + seconds
    routing = model.routing

    def report() -> None:
        nonlocal best, best_visits
        cost = routing.CostVar().Max()
        if cost < best:
            best, best_visits = cost, model.visits()
            on_best(best_visits)

    few = len(model.tasks) <= _FEW
    ruining = _ruining(seconds * (_SHARE_FOR_FEW if few else _SHARE_OF_RUINING), few=len(model.tasks) <= _SOME)
    routing.CloseModelWithParameters(ruining)
    routing.AddAtSolutionCallback(report)
    if ruins or few:
        hint = model.assignment(start)
        if hint is not None:
            routing.SetFirstSolutionHint(hint)
        routing.SolveWithIteratedLocalSearch(ruining)
    left = until - time.monotonic()
    if left > 0:
        # Another neighbourhood for the rest. It also starts from a plan that serves nobody, where no construction
        # kept every rule at once.
        known = model.assignment(best_visits)
        if known is None:
            routing.SolveWithParameters(_guided(left))
        else:
            routing.SolveFromAssignmentWithParameters(known, _guided(left))


def _guided(seconds: float) -> Any:
    """Guided local search: what is long and often used in good plans is made dear for a while."""
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.LOCAL_CHEAPEST_INSERTION
    parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    parameters.time_limit.FromMilliseconds(max(1, int(seconds * 1000)))
    return parameters


def _ruining(seconds: float, *, few: bool) -> Any:
    """Iterated local search: ruin strings of visits (and, of few, two neighbouring routes), put them back, anneal.

    No local search follows a repair: on days with breaks it takes the time of ten repairs and gains less.
    """
    parameters = _guided(seconds)
    # Guided local search would never end its first descent, and no ruin would follow.
    parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GREEDY_DESCENT
    parameters.use_iterated_local_search = True
    iterated = parameters.iterated_local_search_parameters
    iterated.improve_perturbed_solution = False
    iterated.reference_solution_acceptance_strategy.simulated_annealing.automatic_temperatures = True
    ruin = iterated.ruin_recreate_parameters
    ruin.ruin_composition_strategy = _RUN_ONE_RANDOMLY
    ruin.recreate_strategy.heuristic = routing_enums_pb2.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
    if few:
        ruin.ruin_strategies.add().spatially_close_routes.num_ruined_routes = 2
    strings = ruin.ruin_strategies.add().sisr
    strings.max_removed_sequence_size = 10
    strings.avg_num_removed_visits = 10
    strings.bypass_factor = 0.01
    return parameters
