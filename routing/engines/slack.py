"""Routes as arrays for the sketch: what each gap of a route still has room and time for.

Gap g lies before the g-th visit, the last gap before the end. Times are kept per number of breaks taken, in the order
in which their windows close; a load is counted from one emptying to the next. What is said here about a route is a
little stricter than the rules and never laxer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from routing.engines.hours import FAR, Boat, Course, Times, rests_of, span_of, times_of
from routing.problem import (
    UNREACHABLE,
    Lock,
    Matrix,
    Problem,
    Task,
    TaskKind,
    Vehicle,
    travel_seconds,
)
from routing.timetable import Timetable

Numbers: TypeAlias = NDArray[np.int64]
Prices: TypeAlias = NDArray[np.float64]

NEVER: Final = 1e18
_AN_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Sketched:
    """A route with its slack; rows of `leaves` and `latest` are breaks taken, columns gaps.

    `leaves`: when the vehicle can leave the visit before the gap; `latest`: when it must be at the visit behind it.
    `dear_delay`: what a second of delay at the gap costs further on. `direct` is the price of the gap's own way.
    """

    visits: tuple[int, ...]
    cost: float
    before: Numbers
    after: Numbers
    direct: Prices
    leaves: Numbers
    latest: Numbers
    bring_room: Numbers
    fetch_room: Numbers
    ready: Numbers | None
    ready_at_most: Numbers | None
    dear_delay: Prices | None
    times: Times


class Slack:
    """The problem as arrays over its tasks."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.stops = problem.stops
        tasks = problem.tasks
        vehicles = problem.vehicles
        self.place: Numbers = np.array([task.location_index for task in tasks], dtype=np.int64)
        self.setup: Numbers = np.array([task.setup for task in tasks], dtype=np.int64)
        self.service: Numbers = np.array([task.service for task in tasks], dtype=np.int64)
        self.opens: Numbers = np.array([min((a for a, _ in t.time_windows), default=0) for t in tasks], dtype=np.int64)
        self.closes: Numbers = np.array(
            [max((b for _, b in t.time_windows), default=FAR) for t in tasks], dtype=np.int64
        )
        self.spans = [span_of(task.time_windows) for task in tasks]
        self.holey = [len(task.time_windows) > 1 for task in tasks]
        self._exact = Timetable(problem)
        shape = (len(tasks), problem.dimensions)
        nothing = (0,) * problem.dimensions
        brought = [t.delivery if t.kind is TaskKind.JOB else nothing for t in tasks]
        self.brought: Numbers = np.array(brought, dtype=np.int64).reshape(shape)
        self.change: Numbers = np.array(
            [[a - b for a, b in zip(t.pickup, t.delivery, strict=True)] for t in tasks], dtype=np.int64
        ).reshape(shape)
        fetched = [t.pickup if t.kind is TaskKind.JOB else nothing for t in tasks]
        self.fetched: Numbers = np.array(fetched, dtype=np.int64).reshape(shape)
        self.release: Numbers = np.array([task.release for task in tasks], dtype=np.int64)
        self.matrices = {name: matrix.block(range(matrix.size)) for name, matrix in problem.matrices.items()}
        tables: dict[tuple[str, float], Numbers] = {}
        prices: dict[tuple[str, float, int, int], Prices] = {}
        for vehicle in vehicles:
            key = (vehicle.profile, vehicle.speed_factor)
            if key not in tables:
                tables[key] = travel_seconds(self.matrices[vehicle.profile], vehicle.speed_factor)
            costly = (*key, vehicle.costs.per_hour, vehicle.costs.per_km)
            if costly not in prices:
                prices[costly] = self._price(vehicle, self.matrices[vehicle.profile], tables[key])
        self.seconds = [tables[v.profile, v.speed_factor] for v in vehicles]
        self.prices = [prices[v.profile, v.speed_factor, v.costs.per_hour, v.costs.per_km] for v in vehicles]
        self.strange = np.array([[_strange(v, t) for v in vehicles] for t in tasks], dtype=np.float64)
        self.strange = self.strange.reshape(len(tasks), len(vehicles))
        may = [[t.kind is not TaskKind.RELOAD and problem.may_serve(v, t) for v in vehicles] for t in tasks]
        self.banned = ~np.array(may, dtype=np.bool_).reshape(len(tasks), len(vehicles))
        self.rests = [rests_of(vehicle) for vehicle in vehicles]
        self.frozen = [
            sum(t.lock is Lock.FROZEN and t.locked_vehicle == vehicle.id for t in tasks) for vehicle in vehicles
        ]
        self.timely = any(_is_timely(task) for task in tasks)
        self.released = bool(self.release.any())
        self.reloads = [
            [] if vehicle.max_reloads == 0 else [
                number for number in range(problem.stops, len(tasks)) if problem.may_serve(vehicle, tasks[number])
            ]
            for vehicle in vehicles
        ]  # fmt: skip

    @staticmethod
    def _price(vehicle: Vehicle, matrix: Matrix, seconds: Numbers) -> Prices:
        if matrix.cost is not None:
            return matrix.cost.astype(np.float64)
        price = seconds * (vehicle.costs.per_hour / _AN_HOUR)
        if matrix.metres is not None and vehicle.costs.per_km:
            price = price + matrix.metres * (vehicle.costs.per_km / 1000)
        return np.asarray(price, dtype=np.float64)

    # -- one route

    def route(
        self, vehicle_index: int, visits: tuple[int, ...], grown: tuple[Sketched, int] | None = None
    ) -> Sketched | None:
        """The route with its slack, None when it breaks a window, the shift, a load or a limit.

        `grown` is the route without one of the visits, and the gap where that has come.
        """
        vehicle = self.problem.vehicles[vehicle_index]
        chosen = np.array(visits, dtype=np.int64)
        if not self._few_enough(vehicle_index, visits):
            return None
        doors = self.place[chosen]
        start, end = -1 if vehicle.start is None else vehicle.start, -1 if vehicle.end is None else vehicle.end
        before, after = np.concatenate([[start], doors]), np.concatenate([doors, [end]])
        ways, direct = self.seconds[vehicle_index][before, after], self.prices[vehicle_index][before, after]
        if vehicle.start is None:
            ways[0] = direct[0] = 0
        if vehicle.end is None:
            ways[-1] = direct[-1] = 0
        work = self.service[chosen] + np.where(before[:-1] == doors, 0, self.setup[chosen])
        if visits:
            if ways.max() >= UNREACHABLE or not self._short_enough(vehicle, ways, before, after):
                return None
        else:
            ways[:] = 0
        rooms = self._rooms(vehicle, visits, chosen)
        if rooms is None:
            return None
        heavy = self._too_heavy_to_rest(vehicle_index, visits, chosen)
        boats = self._boats(vehicle_index, ways, before, after) if visits else None
        ready = self._ready(visits)
        opens, closes = self._hours(vehicle_index, visits)
        course = Course(
            [self.problem.tasks[number] for number in visits], [self.spans[number] for number in visits],
            self.rests[vehicle_index], work.tolist(), ways.tolist(), boats, ready, heavy,
        )  # fmt: skip
        times = times_of(course, opens, closes, None if grown is None else (grown[0].times, grown[1]))
        if times is None:
            return None
        total = int(ways.sum() + work.sum()) + sum(length for _, _, length, *_ in self.rests[vehicle_index])
        total -= sum(boat[0].headway // 2 for boat in boats or () if boat is not None)
        duration = max(total, times.end - times.departures[0])
        if visits and vehicle.longest_duration is not None:
            if duration > vehicle.longest_duration:
                return None
            if self._has_holes(vehicle_index, visits, boats) and self._exact.returns(vehicle_index, visits) is None:
                return None
        cost = 0.0
        if visits:
            cost = float(vehicle.costs.fixed + direct.sum() + self.strange[chosen, vehicle_index].sum())
            cost += float(work.sum()) * vehicle.costs.per_task_hour / _AN_HOUR + _price_of_hours(vehicle, duration)
        else:
            direct = direct * 0 - vehicle.costs.fixed
        dear_delay = None
        if self.timely:
            spent, dear_delay = self._timely(vehicle, visits, times.begins)
            cost += spent
        return Sketched(
            visits=visits,
            cost=cost,
            before=before,
            after=after,
            direct=direct,
            leaves=np.array(times.leaves, dtype=np.int64).T,
            latest=np.array(times.rows, dtype=np.int64).T,
            bring_room=rooms[0],
            fetch_room=rooms[1],
            ready=self._of_trips(visits, [min(row) for row in times.leaves]) if self.released else None,
            ready_at_most=self._of_trips(visits, times.departures) if self.released else None,
            dear_delay=dear_delay,
            times=times,
        )

    def _has_holes(self, vehicle_index: int, visits: tuple[int, ...], boats: list[Boat | None] | None) -> bool:
        """Whether leaving later can mean to wait longer: for another window, a break's or a visit's, or a ferry."""
        return (
            any(map(self.holey.__getitem__, visits))
            or any(len(windows) > 1 for _, _, _, windows, _ in self.rests[vehicle_index])
            or any(boat is not None for boat in boats or ())
        )

    def _few_enough(self, vehicle_index: int, visits: tuple[int, ...]) -> bool:
        vehicle = self.problem.vehicles[vehicle_index]
        reloads = sum(number >= self.stops for number in visits)
        if reloads and vehicle.max_reloads is not None and reloads > vehicle.max_reloads:
            return False
        return vehicle.max_tasks is None or len(visits) - reloads <= vehicle.max_tasks

    def _short_enough(self, vehicle: Vehicle, ways: Numbers, before: Numbers, after: Numbers) -> bool:
        if vehicle.max_travel_time is not None and int(ways.sum()) > vehicle.max_travel_time:
            return False
        metres = self.matrices[vehicle.profile].metres
        if vehicle.max_distance is None or metres is None:
            return True
        some = (before >= 0) & (after >= 0)
        return int(metres[before[some], after[some]].sum(dtype=np.int64)) <= vehicle.max_distance

    def _hours(self, vehicle_index: int, visits: tuple[int, ...]) -> tuple[int, int]:
        """The shift; a day of nothing but facts ends when it ends."""
        opens, closes = self.problem.vehicles[vehicle_index].time_window or (0, FAR)
        first = self.frozen[vehicle_index]
        facts = first and all(self.problem.tasks[number].happened_at is not None for number in visits)
        return opens, FAR if facts and visits else closes

    def _boats(self, vehicle_index: int, ways: Numbers, before: Numbers, after: Numbers) -> list[Boat | None] | None:
        """Per gap the ferry on its way, None where the whole country is dry."""
        vehicle = self.problem.vehicles[vehicle_index]
        water = self.matrices[vehicle.profile].crossings
        if water is None:
            return None
        boats: list[Boat | None] = []
        for a, b, way in zip(before.tolist(), after.tolist(), ways.tolist(), strict=True):
            number = -1 if a < 0 or b < 0 else int(water.crossing[a, b])
            if number < 0:
                boats.append(None)
                continue
            ferry = water.ferries[number]
            landing = math.floor(int(water.to_landing[a, b]) / vehicle.speed_factor + 0.5)
            boats.append((ferry, landing, way - landing - ferry.headway // 2))
        return boats

    def _ready(self, visits: tuple[int, ...]) -> list[int]:
        """Per gap the instant before which the vehicle may not leave, known at the gap behind a reload or the start."""
        ready = [0] * (len(visits) + 1)
        if not self.released:
            return ready
        trip = 0
        for at, number in enumerate(visits):
            if self.problem.tasks[number].loads:
                trip = at + 1
            ready[trip] = max(ready[trip], int(self.release[number]))
        return ready

    def _of_trips(self, visits: tuple[int, ...], values: list[int]) -> Numbers:
        """The value at the beginning of each gap's trip."""
        spread = values[:1]
        for number, value in zip(visits, values[1:], strict=True):
            spread.append(value if self.problem.tasks[number].loads else spread[-1])
        return np.array(spread, dtype=np.int64)

    def _rooms(self, vehicle: Vehicle, visits: tuple[int, ...], chosen: Numbers) -> tuple[Numbers, Numbers] | None:
        """Per gap and dimension what more may be brought there, and fetched there; None when it is too much already."""
        most = np.array(vehicle.capacity, dtype=np.int64)
        cuts = [at for at, number in enumerate(visits) if number >= self.stops]
        if not cuts:
            load = np.empty((len(visits) + 1, len(most)), dtype=np.int64)
            load[0] = self.brought[chosen].sum(axis=0)
            np.cumsum(self.change[chosen], axis=0, out=load[1:])
            load[1:] += load[0]
            if (load > most).any():
                return None
            return most - np.maximum.accumulate(load, axis=0), most - np.maximum.accumulate(load[::-1], axis=0)[::-1]
        tasks = self.problem.tasks
        bring, fetch = np.empty((2, len(visits) + 1, len(most)), dtype=np.int64)
        trips = [0, *(at + 1 for at in cuts if tasks[visits[at]].loads), len(visits) + 1]
        for dimension in range(len(most)):
            hauls = [0, *(at + 1 for at in cuts if dimension in tasks[visits[at]].empties), len(visits) + 1]
            load = most[dimension] - self._load(chosen, dimension, trips, hauls)
            if (load < 0).any():
                return None
            for first, last in pairwise(trips):
                bring[first:last, dimension] = np.minimum.accumulate(load[first:last])
            for first, last in pairwise(hauls):
                fetch[first:last, dimension] = np.minimum.accumulate(load[first:last][::-1])[::-1]
        return bring, fetch

    def _load(self, chosen: Numbers, dimension: int, trips: list[int], hauls: list[int]) -> Numbers:
        """What is on board at each gap: left to be brought on this trip, fetched since the last emptying, and riding."""
        brought = np.concatenate([self.brought[chosen, dimension], [0]])
        fetched = np.concatenate([[0], self.fetched[chosen, dimension]])
        riding = self.change[chosen, dimension] + self.brought[chosen, dimension] - self.fetched[chosen, dimension]
        load: Numbers = np.concatenate([[0], np.cumsum(riding)])
        for first, last in pairwise(trips):
            load[first:last] += np.cumsum(brought[first:last][::-1])[::-1]
        for first, last in pairwise(hauls):
            load[first:last] += np.cumsum(fetched[first:last])
        return load

    def _too_heavy_to_rest(
        self, vehicle_index: int, visits: tuple[int, ...], chosen: Numbers
    ) -> list[list[bool]] | None:
        """Per gap and break whether too much is on board there; None where no break depends on the load."""
        if all(most is None for *_, most in self.rests[vehicle_index]):
            return None
        tasks = self.problem.tasks
        last = len(visits) + 1
        trips = [0, *(at + 1 for at, number in enumerate(visits) if tasks[number].loads), last]
        heavy = np.zeros((last, len(self.rests[vehicle_index])), dtype=np.bool_)
        for dimension in range(self.problem.dimensions):
            hauls = [0, *(at + 1 for at, number in enumerate(visits) if dimension in tasks[number].empties), last]
            load = self._load(chosen, dimension, trips, hauls)
            for column, (*_, most) in enumerate(self.rests[vehicle_index]):
                if most is not None:
                    heavy[:, column] |= load > most[dimension]
        rows: list[list[bool]] = heavy.tolist()
        return rows

    def _timely(self, vehicle: Vehicle, visits: tuple[int, ...], begins: list[int]) -> tuple[float, Prices]:
        """What beginning then costs, and per gap what a second of delay would add behind it."""
        opens = (vehicle.time_window or (0, 0))[0]
        rates = [0.0]
        spent = 0.0
        for number, begin in zip(reversed(visits), reversed(begins), strict=True):
            price, rate = price_of_time(self.problem.tasks[number], begin, opens)
            spent += price
            rates.append(rates[-1] + max(rate, 0.0))
        return spent, np.array(rates[::-1])

    # -- places

    def places(self, vehicle_index: int, route: Sketched, loose: Numbers) -> tuple[Prices, Numbers]:
        """For each loose task its cheapest gap in the route: extra cost (`NEVER` where none is free) and gap."""
        vehicle = self.problem.vehicles[vehicle_index]
        seconds, prices = self.seconds[vehicle_index], self.prices[vehicle_index]
        before, after, place = route.before[:, None], route.after[:, None], self.place[loose]
        there, onward = seconds[before, place], seconds[place, after]
        price_there, price_onward = prices[before, place], prices[place, after]
        if vehicle.start is None:
            there[0] = price_there[0] = 0
        if vehicle.end is None:
            onward[-1] = price_onward[-1] = 0
        work = self.service[loose] + np.where(place == before, 0, self.setup[loose])
        cost = price_there + price_onward - route.direct[:, None] + self.strange[loose, vehicle_index]
        if vehicle.costs.per_task_hour:
            cost += work * (vehicle.costs.per_task_hour / _AN_HOUR)
        fits = self._rooms_for(vehicle_index, route, loose)
        fits &= (there != UNREACHABLE) & (onward != UNREACHABLE)
        fits &= self._in_time(vehicle, route, loose, there, onward, work, cost)
        cost = np.where(fits, cost, NEVER)
        gap = cost.argmin(axis=0)
        return cost[gap, np.arange(len(loose))], gap

    def detours(self, vehicle_index: int, route: Sketched, pair: tuple[int, int]) -> Prices:
        """Per gap what driving to two tasks, one after the other, would add; `NEVER` where time has run out."""
        vehicle = self.problem.vehicles[vehicle_index]
        seconds, prices = self.seconds[vehicle_index], self.prices[vehicle_index]
        first, second = (int(self.place[number]) for number in pair)
        legs = ((route.before, first), (first, second), (second, route.after))
        ways = [seconds[legs[0]], seconds[legs[1]], seconds[legs[2]]]
        extra = prices[legs[0]] + prices[legs[1]] + prices[legs[2]] - route.direct
        if vehicle.start is None:
            ways[0][0], extra[0] = 0, extra[0] - prices[route.before[0], first]
        if vehicle.end is None:
            ways[2][-1], extra[-1] = 0, extra[-1] - prices[second, route.after[-1]]
        through = ways[0] + ways[1] + ways[2] + sum(int(self.service[number]) for number in pair)
        possible = (route.leaves + through <= route.latest).any(axis=0)
        possible[: self.frozen[vehicle_index]] = False
        return np.where(possible, extra, NEVER)

    def _rooms_for(self, vehicle_index: int, route: Sketched, loose: Numbers) -> NDArray[np.bool_]:
        fits = np.repeat(~self.banned[loose, vehicle_index][None, :], len(route.before), axis=0)
        for dimension in range(self.problem.dimensions):
            # What is brought lies in the bag up to the door, what is fetched from the door on.
            fits &= self.brought[loose, dimension] <= route.bring_room[:, None, dimension]
            fits &= self.fetched[loose, dimension] <= route.fetch_room[:, None, dimension]
        fits[: self.frozen[vehicle_index]] = False
        return fits

    def _in_time(
        self, vehicle: Vehicle, route: Sketched, loose: Numbers,
        there: Numbers, onward: Numbers, work: Numbers, cost: Prices,
    ) -> NDArray[np.bool_]:  # fmt: skip
        """Where the task can be begun in its windows and the rest of the route still be kept; adds the price of time."""
        opens, closes, held = self.opens[loose], self.closes[loose], None
        if route.ready is not None and route.ready_at_most is not None:
            # The whole trip waits for what is not yet at the office.
            release = self.release[loose]
            held = np.maximum(release - route.ready[:, None], 0)
        fits = np.zeros(there.shape, dtype=np.bool_)
        earliest: Numbers | None = None
        for leaves, until in zip(route.leaves, route.latest, strict=True):
            arrives = leaves[:, None] + there if held is None else leaves[:, None] + held + there
            begins = np.maximum(arrives, opens)
            fits |= (begins <= closes) & (begins + work + onward <= until[:, None])
            earliest = begins if earliest is None else np.minimum(earliest, begins)
        if held is not None and route.ready_at_most is not None:
            fits &= self.release[loose] <= route.ready_at_most[:, None]
        if route.dear_delay is not None and earliest is not None:
            start = (vehicle.time_window or (0, 0))[0]
            for column, number in enumerate(loose.tolist()):
                task = self.problem.tasks[number]
                if _is_timely(task):
                    cost[:, column] += prices_of_time(task, earliest[:, column], start)
            delay = np.maximum(there + onward + work, 0)
            cost += route.dear_delay[:, None] * delay
        return fits


def adds_nothing(reload: Task, beside: Task) -> bool:
    """Whether a reload right before or after the other does nothing that the other does not."""
    return reload.empties <= beside.empties and (beside.loads or not reload.loads)


def _strange(vehicle: Vehicle, task: Task) -> float:
    strange = task.preferred_vehicles and vehicle.id not in task.preferred_vehicles
    return float(task.preference_cost) if strange else 0.0


def _is_timely(task: Task) -> bool:
    return task.soft_window is not None or bool(task.retry_value_per_hour)


def price_of_time(task: Task, begin: int, shift_opens: int) -> tuple[float, float]:
    """What beginning then costs, and what one second later would add."""
    price, rate = task.retry_value_per_hour * max(0, begin - shift_opens), task.retry_value_per_hour
    if task.soft_window is not None:
        first, last = task.soft_window
        if begin < first:
            price, rate = price + task.early_cost_per_hour * (first - begin), rate - task.early_cost_per_hour
        if begin >= last:
            price, rate = price + task.late_cost_per_hour * (begin - last), rate + task.late_cost_per_hour
    return price / _AN_HOUR, rate / _AN_HOUR


def prices_of_time(task: Task, begins: Numbers, shift_opens: int) -> Prices:
    """`price_of_time` for many begins at once."""
    price = task.retry_value_per_hour * np.maximum(0, begins - shift_opens)
    if task.soft_window is not None:
        first, last = task.soft_window
        price = price + task.early_cost_per_hour * np.maximum(0, first - begins)
        price = price + task.late_cost_per_hour * np.maximum(0, begins - last)
    return np.asarray(price / _AN_HOUR, dtype=np.float64)


def _price_of_hours(vehicle: Vehicle, duration: int) -> float:
    """Overtime and what lies above the target."""
    price = 0.0
    if vehicle.overtime_after is not None:
        price += vehicle.costs.per_overtime_hour * max(0, duration - vehicle.overtime_after)
    if vehicle.target_duration is not None:
        price += vehicle.costs.per_hour_over_target * max(0, duration - vehicle.target_duration)
    return price / _AN_HOUR
