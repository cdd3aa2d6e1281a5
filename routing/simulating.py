"""A plan on the road: the same routes under travel and service times as they fall, many days at once.

The order of stops is the plan's; times follow from what is drawn. Nothing is drawn independently that is one thing in life: a day
is slow as a whole (rain), a road is slow for everybody (mud, a market), a postman is slow at every door, and now and then a leg
holds somebody up for long (a tyre, a lift bridge), with a tail that no normal distribution has.

Who comes early waits for the window; who comes late is served late, and that shows. A rest is taken where the plan has it, no
earlier than it may begin; a ferry leaves by its timetable, and who misses the last one crosses with the first of the next day.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from routing.problem import Crossing, Problem, Vehicle
from routing.solution import Route, Solution, Step, StepKind

__all__ = ["Chance", "Draws", "Played", "PlayedRoute", "draw", "play", "simulate"]

_DAY: Final = 86_400
_CELL_DEGREES: Final = 0.03  # about three kilometres: ways within it share their road
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """How far life departs from the plan. Means are factors on the planned time; spreads are coefficients of variation.

    `day`: travel of everybody on the day; `road`: travel near one place, for everybody; `leg`: one way alone; `pace`: one
    postman's doors on the day; `door`: one door alone. `trouble` is the share of ways with one, each of `trouble_seconds` at
    least (Pareto with exponent 2.2). `absent` is the share of doors where nobody opens: the service takes `absent_seconds` then.
    `start_seconds` is by how much postmen leave late, on the mean (exponential).
    """

    travel_mean: float = 1.0
    service_mean: float = 1.0
    day: float = 0.0
    road: float = 0.0
    leg: float = 0.0
    pace: float = 0.0
    door: float = 0.0
    trouble: float = 0.0
    trouble_seconds: float = 300.0
    absent: float = 0.0
    absent_seconds: float = 180.0
    start_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """What was drawn for a plan, by route: factors and seconds over [run, step], and over [run]."""

    ways: tuple[Numbers, ...]
    troubles: tuple[Numbers, ...]
    doors: tuple[Numbers, ...]
    absent: tuple[NDArray[np.bool_], ...]
    starts: tuple[Numbers, ...]
    absent_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlayedRoute:
    """A route as it went: seconds over [run, step], steps as in the plan's route. `begins` is when set-up or rest began."""

    route: Route
    arrives: Numbers
    begins: Numbers
    leaves: Numbers
    met: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Played:
    """A plan as it went, many times over."""

    routes: tuple[PlayedRoute, ...]


def simulate(problem: Problem, solution: Solution, chance: Chance, *, runs: int, seed: int) -> Played:
    """The plan carried out `runs` times."""
    return play(problem, solution, draw(problem, solution, chance, runs=runs, seed=seed))


def draw(problem: Problem, solution: Solution, chance: Chance, *, runs: int, seed: int) -> Draws:
    """All that chance has a say in."""
    rng = np.random.default_rng(seed)
    roads = _roads(problem)
    day = _gamma(rng, chance.day, (runs, 1)) * chance.travel_mean
    road = _lognormal(rng, chance.road, (runs, max(roads, default=0) + 1))
    ways, troubles, doors, absent, starts = [], [], [], [], []
    for route in solution.routes:
        size = (runs, len(route.steps))
        ends = [_road_of(step, roads) for step in route.steps]
        befores = [ends[max(0, n - 1)] for n in range(len(ends))]
        shared = np.sqrt(road[:, befores] * road[:, ends])
        ways.append(day * shared * _lognormal(rng, chance.leg, size))
        held_up = rng.random(size) < chance.trouble
        troubles.append(np.where(held_up, chance.trouble_seconds * (1 + rng.pareto(2.2, size)), 0.0))
        pace = _gamma(rng, chance.pace, (runs, 1)) * chance.service_mean
        doors.append(pace * _lognormal(rng, chance.door, size))
        absent.append(rng.random(size) < chance.absent)
        starts.append(rng.exponential(chance.start_seconds, runs) if chance.start_seconds else np.zeros(runs))
    return Draws(
        ways=tuple(ways),
        troubles=tuple(troubles),
        doors=tuple(doors),
        absent=tuple(absent),
        starts=tuple(starts),
        absent_seconds=chance.absent_seconds,
    )


def play(problem: Problem, solution: Solution, draws: Draws) -> Played:
    """The plan carried out under what was drawn."""
    return Played(routes=tuple(_played(problem, route, draws, n) for n, route in enumerate(solution.routes)))


def _played(problem: Problem, route: Route, draws: Draws, number: int) -> PlayedRoute:
    vehicle = problem.vehicles[route.vehicle_index]
    runs, steps = draws.ways[number].shape
    arrives, begins, leaves = (np.zeros((runs, steps)) for _ in range(3))
    met = np.ones((runs, steps), dtype=np.bool_)
    now = route.steps[0].arrival + draws.starts[number]
    here = route.steps[0].location_index
    rests: list[tuple[int, Step]] = []
    for place, step in enumerate(route.steps):
        if step.kind is StepKind.BREAK:
            rests.append((place, step))
            continue
        moved = step.kind is not StepKind.START and step.location_index is not None and here is not None
        if moved and step.location_index != here:
            way = (draws.ways[number][:, place], draws.troubles[number][:, place])
            now = _ridden(
                problem, vehicle, (here or 0, step.location_index or 0), now, way, rests, begins, arrives, leaves
            )
        else:
            now = _rested(vehicle, rests, now, 0.0, begins, arrives, leaves)
        here = step.location_index if step.location_index is not None else here
        arrives[:, place] = now
        begins[:, place], met[:, place] = _admitted(_windows(problem, step), now)
        action = step.service * np.where(draws.absent[number][:, place], 0.0, draws.doors[number][:, place])
        if step.kind is StepKind.JOB:
            action += np.where(draws.absent[number][:, place], draws.absent_seconds, 0.0)
        now = begins[:, place] + step.setup * draws.doors[number][:, place] + action
        leaves[:, place] = now
        rests = []
    return PlayedRoute(route=route, arrives=arrives, begins=begins, leaves=leaves, met=met)


def _ridden(
    problem: Problem,
    vehicle: Vehicle,
    way: tuple[int, int],
    now: Numbers,
    drawn: tuple[Numbers, Numbers],
    rests: Sequence[tuple[int, Step]],
    begins: Numbers,
    arrives: Numbers,
    leaves: Numbers,
) -> Numbers:
    """When who leaves at `now` is at the other end, rests on the way included."""
    matrix = problem.matrices[vehicle.profile]
    expected = matrix.pair(*way)[0]
    factor, trouble = drawn
    water = matrix.crossings
    if water is None or water.crossing[way] < 0:
        riding = _scaled(expected, vehicle) * factor + trouble
        return _rested(vehicle, rests, now, riding, begins, arrives, leaves)
    # Nobody rests on a way with a ferry: he has before he leaves.
    now = _rested(vehicle, rests, now, 0.0, begins, arrives, leaves)
    ferry, landing = water.ferries[water.crossing[way]], int(water.to_landing[way])
    beyond = expected - landing - ferry.headway // 2 - ferry.ride
    across = _departure(ferry, now + _scaled(landing, vehicle) * factor + trouble) + ferry.ride
    reached: Numbers = across + _scaled(beyond, vehicle) * factor
    return reached


def _scaled(seconds: int, vehicle: Vehicle) -> int:
    return seconds if vehicle.speed_factor == 1.0 else math.floor(seconds / vehicle.speed_factor + 0.5)


def _rested(
    vehicle: Vehicle,
    rests: Sequence[tuple[int, Step]],
    now: Numbers,
    riding: Numbers | float,
    begins: Numbers,
    arrives: Numbers,
    leaves: Numbers,
) -> Numbers:
    """The end of a way of `riding` seconds with rests on it: a rest interrupts it as soon as it may begin."""
    there = now + riding
    for place, step in rests:
        opens = min((opens for opens, _ in vehicle.breaks[step.index or 0].time_windows), default=0)
        started = np.clip(opens, now, np.maximum(there, opens))
        arrives[:, place], begins[:, place], leaves[:, place] = started, started, started + step.service
        there = np.maximum(there, opens) + step.service
        now = leaves[:, place]
    return there


def _departure(ferry: Crossing, at_landing: Numbers) -> Numbers:
    """When the ferry that is caught leaves; after a day's last one the first that leaves later, on whatever day."""
    if ferry.departure(ferry.opens) is None:
        raise ValueError(
            f"a ferry that never leaves between {ferry.opens} and {ferry.closes}, with headway {ferry.headway}"
        )
    first = ferry.opens if ferry.first is None else ferry.first
    departs = np.full(at_landing.shape, np.nan)
    day = 0
    while np.isnan(departs).any():
        time = np.maximum(at_landing - day, ferry.opens)
        if ferry.headway:
            time = first + np.ceil((time - first) / ferry.headway) * ferry.headway
        departs = np.where(np.isnan(departs) & (time <= ferry.closes), day + time, departs)
        day += _DAY
    return departs


def _admitted(windows: Sequence[tuple[int, int]], arrival: Numbers) -> tuple[Numbers, NDArray[np.bool_]]:
    """When somebody who arrives then is served, and whether that is in a window."""
    if not windows:
        return arrival, np.ones(arrival.shape, dtype=np.bool_)
    begins, met = arrival.copy(), np.zeros(arrival.shape, dtype=np.bool_)
    for opens, closes in sorted(windows, reverse=True):
        inside = arrival <= closes
        begins = np.where(inside, np.maximum(arrival, opens), begins)
        met |= inside
    return begins, met


def _windows(problem: Problem, step: Step) -> tuple[tuple[int, int], ...]:
    if step.index is None:
        return ()
    if step.kind is StepKind.JOB:
        return problem.jobs[step.index].time_windows
    if step.kind is StepKind.RELOAD:
        return problem.reloads[step.index].time_windows
    shipment = problem.shipments[step.index]
    return (shipment.pickup if step.kind is StepKind.PICKUP else shipment.delivery).time_windows


def _roads(problem: Problem) -> list[int]:
    """By location the road that it lies on: the cell of a grid, or a road of its own where nobody knows the place."""
    cells: dict[object, int] = {}
    places = problem.locations or (None,) * problem.size
    keys = [
        ("alone", n) if place is None else (round(place[0] / _CELL_DEGREES), round(place[1] / _CELL_DEGREES))
        for n, place in enumerate(places)
    ]
    return [cells.setdefault(key, len(cells)) for key in keys]


def _road_of(step: Step, roads: Sequence[int]) -> int:
    return 0 if step.location_index is None else roads[step.location_index]


def _gamma(rng: np.random.Generator, spread: float, size: tuple[int, int]) -> Numbers:
    """Factors of mean one."""
    return np.ones(size) if spread == 0 else rng.gamma(1 / spread**2, spread**2, size)


def _lognormal(rng: np.random.Generator, spread: float, size: tuple[int, int]) -> Numbers:
    """Factors of mean one."""
    sigma2 = np.log1p(spread**2)
    return np.ones(size) if spread == 0 else rng.lognormal(-sigma2 / 2, np.sqrt(sigma2), size)
