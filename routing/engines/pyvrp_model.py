"""A problem, or a part of it, said to PyVRP, and PyVRP's routes said back.

What PyVRP has no words for (`routing.engines.unsaid`) is named in `Translation.inexact`; its routes are then good, yet
somebody has to make them right. Set-up is paid on the way to a door that several visits share, so that only the first
of them pays; their windows are narrowed by it, which is a little too strict and never too loose. What is frozen is cut
off: the vehicle starts where and when its last frozen visit ends.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyvrp import Client, ClientGroup, Depot, Location, ProblemData, VehicleType
from pyvrp import Shipment as PyvrpShipment

from routing.alike import Alike, fleet_of
from routing.engines.phrasebook import Kind, Translation
from routing.engines.unsaid import beyond, measure, unsaid_of
from routing.problem import UNREACHABLE, Lock, Problem, Task, TaskKind, Vehicle, travel_seconds
from routing.scheduling import first_begin

Numbers = NDArray[np.int64]

_NOWHERE: Final = -1
_ENDLESS: Final = 2**62
_HIGHEST_RATE: Final = 20  # PyVRP's penalties end at 100,000: travelling must stay far cheaper than being late
_LONGEST_ARC: Final = 2**22
_DEAREST: Final = 2**40
_ROOM_FOR_PENALTIES: Final = 2**62 // 100_000
_LEVELS: Final = 10
_MOST_AMOUNT: Final = 2**42
_OUTWEIGHED: Final = 20_000  # what nobody overloads a vehicle by one unit for at usual penalties


@dataclass(frozen=True, slots=True)
class _Stop:
    """One end of a task's work as PyVRP shall see it."""

    place: int
    windows: tuple[tuple[int, int], ...]  # PyVRP's time, at least one
    service: int


def translate(
    problem: Problem,
    *,
    tasks: Iterable[int] | None = None,
    vehicles: Iterable[int] | None = None,
    compulsory: bool = True,
) -> Translation:
    """The problem as PyVRP's data: all of it, or some tasks (numbers; both ends of a shipment) for some vehicles (indices).

    Tasks without a prize must all be served; with `compulsory=False` they may be left out at a price that rises with
    their priority. Frozen tasks come with their vehicle and are not to be named.
    """
    return _Translator(problem, tasks, vehicles, compulsory=compulsory).translation()


class _Translator:
    """The work of `translate`, in the order of its steps."""

    def __init__(
        self, problem: Problem, tasks: Iterable[int] | None, vehicles: Iterable[int] | None, *, compulsory: bool
    ) -> None:
        self.problem = problem
        self.compulsory = compulsory
        self.vehicles = range(len(problem.vehicles)) if vehicles is None else sorted(set(vehicles))
        wanted = range(problem.stops) if tasks is None else sorted(set(tasks))
        self.numbers = [number for number in wanted if problem.tasks[number].lock is not Lock.FROZEN]
        opens = [v.time_window[0] if v.time_window else 0 for v in (problem.vehicles[index] for index in self.vehicles)]
        self.origin = min(opens, default=0)
        fleet = fleet_of(problem, tasks=self.numbers, vehicles=self.vehicles)
        self.pattern_of = fleet.pattern_of
        self.kinds = [self._kind(group) for group in fleet.groups]
        self.crowded = [d for d in range(problem.dimensions) if any(kind.peak[d] for kind in self.kinds)]
        self.keys: dict[tuple[Any, ...], int] = {}  # what makes a place of PyVRP's its own
        self.where: list[int] = []
        self.arc_setup: list[int] = []
        self.restricted: list[int] = []
        self.surcharged: list[int] = []

    def translation(self) -> Translation:
        depots, depot_at, reload_depots = self._depots()
        self._doors()
        stops = self._stops()
        somewhere = sorted({where for where in self.where if where != _NOWHERE})
        self.index_of = {where: at for at, where in enumerate(somewhere)}
        self.blocks = {
            profile: self.problem.matrices[profile].block(somewhere or [0])
            for profile in {kind.sample.profile for kind in self.kinds}
        }
        scale, exact_rates = self._scale()
        distances, durations, profile_of, bases, units = self._matrices(scale, exact_rates=exact_rates)
        longest = max((int(table[table < _DEAREST].max(initial=0)) for table in distances), default=0)
        clients, groups, shipments, task_of, words_of = self._requests(stops, scale, longest * max(units, default=1))
        task_of |= {f"D{depot}": self.problem.stops + reload for depot, (reload, _) in reload_depots.items()}
        for depot, (reload, _) in reload_depots.items():
            number = self.problem.stops + reload
            words_of[number] = (*words_of.get(number, ()), f"D{depot}")
        blocked = any((table >= _DEAREST).any() for table in distances)
        far = max(2 * longest * (len(self.numbers) + 2), _ROOM_FOR_PENALTIES // (2 * len(self.numbers) + 2))
        for table in distances:
            table[table >= _DEAREST] = far
        kinds = [
            self._vehicle_type(
                number, depot_at, [depot for depot, (_, name) in reload_depots.items() if name in kind.sample.reloads],
                scale=scale, profile=profile_of[number], base=bases[number], unit=units[number],
                farthest=far - 1 if blocked else None,
            )
            for number, kind in enumerate(self.kinds)
        ]  # fmt: skip
        tasks = [self.problem.tasks[number] for number in self.numbers]
        inexact = unsaid_of(self.problem, tasks, [kind.sample for kind in self.kinds])
        left_aside = tuple(number for number in self.numbers if number not in words_of)
        tables: list[Any] = [*distances, *durations]
        data = ProblemData(
            [Location(x, y) for x, y in self._points()], clients, depots, kinds, tables[: len(distances)],
            tables[len(distances) :], groups, shipments,
        )  # fmt: skip
        return Translation(data, inexact, left_aside, scale, self.problem, tuple(self.kinds), task_of, words_of)

    def _kind(self, alike: Alike) -> Kind:
        problem, vehicle, prefix = self.problem, self.problem.vehicles[alike.vehicles[0]], alike.frozen
        opens, closes = vehicle.time_window or (self.origin, _ENDLESS)
        resting = sum(rest.service for rest in vehicle.breaks)
        place, time = vehicle.start, opens
        carried = [0] * problem.dimensions
        aboard = [sum(amounts) for amounts in zip(*(problem.tasks[n].delivery for n in prefix), strict=True)] or carried
        peak = aboard
        for number in prefix:
            task = problem.tasks[number]
            to = task.location_index
            way = 0 if place is None else self._seconds_of(vehicle, place, to)
            begins = first_begin(task.time_windows, time + way) if task.happened_at is None else task.happened_at
            # The frozen part is known to be possible; its breaks may push a begin behind a window's end here.
            time = (time + way if begins is None else begins) + task.service + (0 if place == to else task.setup)
            carried = [on + more for on, more in zip(carried, task.pickup, strict=True)]
            aboard = [on - off + more for on, off, more in zip(aboard, task.delivery, task.pickup, strict=True)]
            peak = [max(most, on) for most, on in zip(peak, aboard, strict=True)]
            place = to
        return Kind(
            vehicles=alike.vehicles, sample=vehicle, prefix=prefix, start=_NOWHERE if place is None else place,
            end=_NOWHERE if vehicle.end is None else vehicle.end, opens=time - self.origin,
            closes=_ENDLESS if vehicle.time_window is None else max(closes - resting - self.origin, 0),
            carried=tuple(carried), peak=tuple(peak), may=alike.may,
        )  # fmt: skip

    def _seconds_of(self, vehicle: Vehicle, origin: int, to: int) -> int:
        seconds = int(self.problem.matrices[vehicle.profile].pair(origin, to)[0])
        return 0 if seconds == UNREACHABLE else math.floor(seconds / vehicle.speed_factor + 0.5)

    # -- what it costs

    def _scale(self) -> tuple[float, bool]:
        """PyVRP's units per unit of ours, and whether every rate is a whole number of them."""
        rates = []
        for kind in self.kinds:
            costs = kind.sample.costs
            rates += [Fraction(costs.per_hour, 3600), Fraction(costs.per_km, 1000)]
            rates += [Fraction(costs.per_task_hour, 3600), *(Fraction(rate, 3600) for _, rate in beyond(kind.sample))]
        exact = math.lcm(*(rate.denominator for rate in rates)) if rates else 1
        highest = max(rates, default=Fraction(0))
        priced = [block.cost for block in self.blocks.values() if block.cost is not None]
        dearest = max((int(cost[cost != UNREACHABLE].max(initial=0)) for cost in priced), default=0)
        if dearest > _LONGEST_ARC:
            return _LONGEST_ARC / dearest, False
        if highest * exact <= _HIGHEST_RATE or (exact == 1 and highest <= 50 * _HIGHEST_RATE):
            return float(exact), True
        return float(_HIGHEST_RATE / highest), False

    # -- where things are

    def _place(self, where: int, *, setup: int = 0, pattern: int = -1, task: int = -1, depot: bool = False) -> int:
        """PyVRP's number of a place; visits that the way there treats alike share one."""
        key = (where, setup, pattern, task, depot)
        if key not in self.keys:
            self.keys[key] = len(self.where)
            self.where.append(where)
            self.arc_setup.append(setup)
            self.restricted.append(pattern)
            self.surcharged.append(task)
        return self.keys[key]

    def _points(self) -> list[tuple[float, float]]:
        locations = self.problem.locations
        points = [None if locations is None or at == _NOWHERE else locations[at] for at in self.where]
        return [(0.0, 0.0) if point is None else (float(point[0]), float(point[1])) for point in points]

    def _reload_indices(self, vehicle: Vehicle) -> list[int]:
        return [index for index, reload in enumerate(self.problem.reloads) if reload.id in vehicle.reloads]

    def _depots(self) -> tuple[list[Depot], dict[int, int], dict[int, tuple[int, int]]]:
        """The depots; which of them is where routes start or end; and for each reload depot its reload."""
        depots: list[Depot] = []
        of: dict[int, int] = {}
        for where in dict.fromkeys(place for kind in self.kinds for place in (kind.start, kind.end)):
            of[where] = len(depots)
            depots.append(Depot(self._place(where, depot=True)))
        reloads: dict[int, tuple[int, int]] = {}
        for index in sorted({i for kind in self.kinds for i in self._reload_indices(kind.sample)}):
            reload = self.problem.reloads[index]
            for opens, closes in reload.time_windows or ((self.origin, _ENDLESS),):
                if closes >= self.origin:
                    reloads[len(depots)] = (index, reload.id)
                    place = self._place(reload.location_index, depot=True)
                    early, late = max(opens - self.origin, 0), min(closes - self.origin, _ENDLESS)
                    depots.append(Depot(place, early, late, reload.service))
        return depots, of, reloads

    def _doors(self) -> None:
        count = Counter(self.problem.tasks[number].location_index for number in self.numbers)
        for kind in self.kinds:
            count[kind.start] += 1
            count.update(self.problem.reloads[i].location_index for i in self._reload_indices(kind.sample))
        profiles = {kind.sample.profile for kind in self.kinds}
        shared = [where for where, times in count.items() if times > 1 and where != _NOWHERE]
        self.shared = set(shared)
        self.far_from_itself = {
            where
            for where in shared
            for profile in profiles
            if self.problem.matrices[profile].pair(where, where) != (0, 0)
        }

    def _stops(self) -> dict[int, _Stop]:
        """How PyVRP shall see the tasks; without those that nobody here can ever serve."""
        stops = {number: stop for number in self.numbers if (stop := self._stop(number)) is not None}
        for number in self.numbers:
            task = self.problem.tasks[number]
            if task.kind is TaskKind.PICKUP and task.partner is not None:
                first, second = stops.get(number), stops.get(task.partner)
                if first is None or second is None or second.windows[-1][1] < first.windows[0][0]:
                    stops.pop(number, None)
                    stops.pop(task.partner, None)
        return stops

    def _stop(self, number: int) -> _Stop | None:
        task = self.problem.tasks[number]
        pattern = self.pattern_of[number]
        able = [kind for kind in self.kinds if kind.may[pattern]]
        own, on_the_way = task.setup, 0
        windows = self._windows(task, 0)
        if task.setup and task.location_index in self.shared:
            narrowed = self._windows(task, task.setup)
            if len(narrowed) == len(windows):
                own, on_the_way, windows = 0, task.setup, narrowed
        if not able or not windows:
            return None
        surcharges = [self._surcharge(kind, task) for kind in able]
        lonely = len(set(surcharges)) > 1 or task.location_index in self.far_from_itself
        place = self._place(
            task.location_index,
            setup=on_the_way,
            pattern=pattern if len(able) < len(self.kinds) else -1,
            task=number if lonely else -1,
        )
        return _Stop(place, windows, task.service + own)

    def _windows(self, task: Task, narrowed: int) -> tuple[tuple[int, int], ...]:
        """When set-up and service may begin. A wish counts as a rule where it can: its price cannot be said."""
        windows = task.time_windows
        if task.soft_window is not None and (task.early_cost_per_hour or task.late_cost_per_hour):
            first = task.soft_window[0] if task.early_cost_per_hour else 0
            last = task.soft_window[1] if task.late_cost_per_hour else _ENDLESS
            wished = [(max(a, first), min(b, last)) for a, b in windows or ((first, last),)]
            windows = tuple((a, b) for a, b in wished if a <= b) or windows
        if not windows:
            return ((narrowed, _ENDLESS),)
        shifted = [(max(a - self.origin, 0) + narrowed, b - self.origin) for a, b in sorted(windows)]
        return tuple((a, b) for a, b in shifted if a <= b)

    def _surcharge(self, kind: Kind, task: Task) -> Fraction:
        """What serving the task costs beyond the way there."""
        vehicle = kind.sample
        work = task.service + (0 if task.location_index in self.shared else task.setup)
        disliked = task.preferred_vehicles and vehicle.id not in task.preferred_vehicles
        return Fraction(work * vehicle.costs.per_task_hour, 3600) + (task.preference_cost if disliked else 0)

    # -- the ways

    def _matrices(
        self, scale: float, *, exact_rates: bool
    ) -> tuple[list[Numbers], list[Numbers], list[int], list[str], list[int]]:
        """Distance (what the way costs) and duration per profile; per kind its profile, what distance is, its unit cost."""
        at: Numbers = np.array([self.index_of.get(where, 0) for where in self.where], dtype=np.int64)
        where: Numbers = np.array(self.where, dtype=np.int64)
        nowhere = where == _NOWHERE
        open_ends = nowhere[:, None] | nowhere[None, :]
        setup: Numbers = np.array(self.arc_setup, dtype=np.int64)
        arrives = np.where(where[:, None] == where[None, :], 0, setup[None, :])
        profiles: dict[tuple[Any, ...], int] = {}
        distances: list[Numbers] = []
        durations: list[Numbers] = []
        profile_of, bases, units = [], [], []
        for kind in self.kinds:
            vehicle = kind.sample
            matrix, costs = self.blocks[vehicle.profile], vehicle.costs
            extra = self._surcharges(kind, scale)
            base, unit = self._base(vehicle, scale, priced=extra is not None, exact_rates=exact_rates)
            forbidden = tuple(not may for may in kind.may)
            rates = (costs.per_hour, costs.per_km, costs.per_task_hour) if base == "mixed" else ()
            key = (
                vehicle.profile, vehicle.speed_factor, forbidden, base, rates, None if extra is None else extra.tobytes()
            )  # fmt: skip
            if key not in profiles:
                profiles[key] = len(distances)
                seconds = travel_seconds(matrix, vehicle.speed_factor)[np.ix_(at, at)]
                blocked = (seconds == UNREACHABLE) & ~open_ends
                seconds[open_ends] = 0
                metres = self._between(matrix.metres, at, open_ends)
                if base == "seconds":
                    distance = seconds.copy()
                elif base == "metres":
                    distance = metres
                else:
                    if matrix.cost is not None:
                        price = self._between(matrix.cost, at, open_ends) * scale
                    else:
                        price = seconds * (costs.per_hour * scale / 3600) + metres * (costs.per_km * scale / 1000)
                    distance = np.rint(price + arrives * (costs.per_task_hour * scale / 3600)).astype(np.int64)
                if extra is not None:
                    distance += extra[None, :]
                seconds += arrives
                blocked |= self._no_entry(kind)[None, :]
                distance[blocked] = _DEAREST
                seconds[blocked] = 0
                np.fill_diagonal(distance, 0)
                np.fill_diagonal(seconds, 0)
                distances.append(distance)
                durations.append(seconds)
            profile_of.append(profiles[key])
            bases.append(base)
            units.append(unit)
        return distances, durations, profile_of, bases, units

    @staticmethod
    def _between(values: NDArray[np.int32] | None, at: Numbers, open_ends: NDArray[np.bool_]) -> Numbers:
        """Between PyVRP's places; 0 where nobody knows, and from and to nowhere."""
        table = np.zeros(open_ends.shape, dtype=np.int64)
        if values is not None:
            table[~open_ends] = values[np.ix_(at, at)][~open_ends]
        return table

    def _no_entry(self, kind: Kind) -> NDArray[np.bool_]:
        return np.array([pattern >= 0 and not kind.may[pattern] for pattern in self.restricted])

    def _surcharges(self, kind: Kind, scale: float) -> Numbers | None:
        """Per place what this kind pays for entering it beyond the cheapest kind; None where all pay the same."""
        extra = np.zeros(len(self.where), dtype=np.int64)
        for place, number in enumerate(self.surcharged):
            if number >= 0 and kind.may[self.pattern_of[number]]:
                task = self.problem.tasks[number]
                more = self._surcharge(kind, task) - self._least_surcharge(task, number)
                extra[place] = round(more * Fraction(scale))
        return extra if extra.any() else None

    def _least_surcharge(self, task: Task, number: int) -> Fraction:
        return min(self._surcharge(kind, task) for kind in self.kinds if kind.may[self.pattern_of[number]])

    def _base(self, vehicle: Vehicle, scale: float, *, priced: bool, exact_rates: bool) -> tuple[str, int]:
        """What PyVRP's distance shall be, and its cost per unit."""
        costs = vehicle.costs
        measured = measure(self.problem, vehicle)
        if priced or not exact_rates:
            return "mixed", 1
        rates = {"seconds": Fraction(costs.per_hour, 3600), "metres": Fraction(costs.per_km, 1000)}
        return measured, round(Fraction(scale) * rates[measured]) if measured in rates else 1

    # -- who asks for what

    def _requests(
        self, stops: Mapping[int, _Stop], scale: float, dearest_way: int
    ) -> tuple[list[Client], list[ClientGroup], list[PyvrpShipment], dict[str, int], dict[int, tuple[str, ...]]]:
        clients: list[Client] = []
        members: list[list[int]] = []
        obliged: list[bool] = []
        shipments: list[PyvrpShipment] = []
        task_of: dict[str, int] = {}
        words_of: dict[int, tuple[str, ...]] = {}
        prizes = self._prizes(scale, dearest_way)
        offered = max((prize for number, prize in prizes.items() if not self._must(number)), default=0)
        # Whoever overloads a vehicle by one unit may save another vehicle, or the way back to the depot.
        saved = max(offered, 2 * dearest_way, self._dearest_vehicle(scale))
        self.weight = 1 + saved // _OUTWEIGHED
        self.units = self._amount_units()
        limited = self._limits_tasks()
        for number, stop in stops.items():
            task = self.problem.tasks[number]
            must = self._must(number)
            prize = 0 if must else prizes[number]
            if task.partner is not None:
                if task.kind is TaskKind.PICKUP:
                    other = stops[task.partner]
                    index = len(shipments)
                    amounts = self._amounts(task.pickup)
                    amounts += self._brought([0] * len(amounts)) + ([0] if limited else [])
                    shipments.append(_shipment(stop, other, amounts, prize=prize, required=must))
                    for word, end in ((f"L{index}", number), (f"U{index}", task.partner)):
                        task_of[word], words_of[end] = end, (word,)
                continue
            several = len(stop.windows) > 1
            delivery, pickup = self._amounts(task.delivery), self._amounts(task.pickup)
            delivery, pickup = [*delivery, *self._brought(delivery)], [*pickup, *self._brought([0] * len(pickup))]
            if limited:
                delivery, pickup = [*delivery, self.weight], [*pickup, 0]
            words = tuple(f"C{len(clients) + at}" for at in range(len(stop.windows)))
            for word, (early, late) in zip(words, stop.windows, strict=True):
                task_of[word] = number
                clients.append(
                    Client(
                        stop.place, delivery, pickup, stop.service, early, late, max(task.release - self.origin, 0), prize,
                        required=must and not several, group=len(members) if several else None,
                    )
                )  # fmt: skip
            words_of[number] = words
            if several:
                members.append([int(word[1:]) for word in words])
                obliged.append(must)
        groups = [ClientGroup(group, required=must) for group, must in zip(members, obliged, strict=True)]
        return clients, groups, shipments, task_of, words_of

    def _must(self, number: int) -> bool:
        return self.compulsory and self.problem.tasks[number].prize is None

    def _dearest_vehicle(self, scale: float) -> int:
        return max((round(scale * kind.sample.costs.fixed) for kind in self.kinds), default=0)

    def _prizes(self, scale: float, dearest_way: int) -> dict[int, int]:
        """What PyVRP is offered for each task that it may leave out."""
        tasks = {number: self.problem.tasks[number] for number in self.numbers}
        ranks = {
            number: (task.lock is not Lock.FREE, task.priority) for number, task in tasks.items() if task.prize is None
        }
        levels = {rank: level for level, rank in enumerate(sorted(set(ranks.values())))}
        dear = min(
            round(2.2 * dearest_way) + self._dearest_vehicle(scale), _DEAREST // (2 * _LEVELS * max(len(tasks), 1)) + 1
        )
        prizes = {}
        for number, task in tasks.items():
            if task.prize is None:
                # PyVRP's penalties end somewhere, so prizes must not tower over each other.
                prizes[number] = dear * (2 + levels[ranks[number]] * _LEVELS // max(_LEVELS, len(levels))) // 2
            elif any(kind.may[self.pattern_of[number]] for kind in self.kinds):
                prizes[number] = max(0, round((task.prize - self._least_surcharge(task, number)) * Fraction(scale)))
            else:
                prizes[number] = 0
        return prizes

    def _amount_units(self) -> list[int]:
        """Per dimension the largest unit that measures every amount: small numbers suit PyVRP's penalties.

        Where the sums would burst PyVRP's arithmetic the unit is coarser, demands are rounded up and capacities down.
        """
        tasks = [self.problem.tasks[number] for number in self.numbers]
        units = []
        for d in range(self.problem.dimensions):
            amounts = [a for t in tasks for a in (t.delivery[d], t.pickup[d])] + [
                kind.carried[d] for kind in self.kinds
            ]
            finest = -(-sum(amounts) * self.weight // _MOST_AMOUNT)
            units.append(max(math.gcd(*amounts), finest, 1))
        return units

    def _amounts(self, amounts: Sequence[int]) -> list[int]:
        return [-(-amount // unit) * self.weight for amount, unit in zip(amounts, self.units, strict=True)]

    def _brought(self, delivery: Sequence[int]) -> list[int]:
        """Again what is brought from the office, in dimensions where what is behind may have left little room for it."""
        return [delivery[d] for d in self.crowded]

    def _capacity(self, capacity: Sequence[int]) -> list[int]:
        return [
            min(most // unit * self.weight, 2 * _MOST_AMOUNT) for most, unit in zip(capacity, self.units, strict=True)
        ]

    def _limits_tasks(self) -> bool:
        return any(kind.sample.max_tasks is not None for kind in self.kinds)

    def _vehicle_type(
        self, number: int, depot_at: Mapping[int, int], reloads: list[int], *, scale: float,
        profile: int, base: str, unit: int, farthest: int | None,
    ) -> VehicleType:  # fmt: skip
        kind = self.kinds[number]
        vehicle, costs = kind.sample, kind.sample.costs
        capacity = self._capacity(vehicle.capacity)
        carried = self._amounts(kind.carried)
        room = self._capacity([max(most - on, 0) for most, on in zip(vehicle.capacity, kind.peak, strict=True)])
        capacity, carried = [*capacity, *self._brought(room)], [*carried, *self._brought([0] * len(carried))]
        if self._limits_tasks():
            most = len(self.numbers) if vehicle.max_tasks is None else max(vehicle.max_tasks - len(kind.prefix), 0)
            capacity, carried = [*capacity, most * self.weight], [*carried, 0]
        distances = [farthest] if farthest is not None else []
        measured = measure(self.problem, vehicle)
        for name, most_of_it, rate in (
            ("seconds", vehicle.max_travel_time, Fraction(costs.per_hour, 3600)),
            ("metres", vehicle.max_distance, Fraction(costs.per_km, 1000)),
        ):
            if most_of_it is not None and measured == name and not kind.prefix:
                price = math.floor(most_of_it * rate * Fraction(scale))
                distances.append(most_of_it if base == name else price)
        most_work = kind.closes - kind.opens if vehicle.longest_duration is None else vehicle.longest_duration
        limited: dict[str, Any] = {}
        if marks := beyond(vehicle):
            usual, per_hour = marks[0]
            limited = {
                "shift_duration": min(usual, most_work),
                "max_overtime": max(most_work - usual, 0),
                "unit_overtime_cost": round(scale * per_hour / 3600),
            }
        elif vehicle.longest_duration is not None:
            limited = {"shift_duration": most_work}
        if vehicle.max_reloads is not None:
            limited["max_reloads"] = vehicle.max_reloads
        if distances:
            limited["max_distance"] = min(distances)
        return VehicleType(
            num_available=len(kind.vehicles),
            capacity=capacity,
            start_depot=depot_at[kind.start],
            end_depot=depot_at[kind.end],
            fixed_cost=0 if kind.prefix else min(round(scale * costs.fixed), _DEAREST),
            tw_early=min(kind.opens, kind.closes),
            tw_late=kind.closes,
            unit_distance_cost=unit,
            profile=profile,
            initial_load=carried,
            reload_depots=reloads,
            **limited,
        )


def _shipment(stop: _Stop, other: _Stop, amounts: list[int], *, prize: int, required: bool) -> PyvrpShipment:
    return PyvrpShipment(
        stop.place, other.place, stop.windows[0][0], stop.windows[-1][1], stop.service, other.windows[0][0],
        other.windows[-1][1], other.service, amounts, prize, required=required,
    )  # fmt: skip
