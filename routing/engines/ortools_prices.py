"""What a plan costs, said to OR-Tools: travel, work, hours, being early or late, and what leaving a stop out loses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from ortools.constraint_solver import pywrapcp  # type: ignore[import-untyped]  # it has no types

from routing.problem import MAX_PRIORITY, UNREACHABLE, Costs, Lock, Task, TaskKind, Vehicle

if TYPE_CHECKING:
    from routing.engines.ortools_model import Model

_OBJECTIVE_ROOM = 2**60
_FINEST_COST = 1000  # engine cost units per unit of the problem: sums of rounded arcs stay true to a thousandth
_DEAREST_PRIZE = 10_000  # times all that can be spent: as good as compulsory
_AN_HOUR = 3600


class Prices:
    """The objective of a model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.problem = model.problem
        self._known: dict[tuple[str, float, Costs, bytes], NDArray[np.float64]] = {}
        self.tables = [self._price(vehicle) for vehicle in self.problem.vehicles]
        self.fixed = [vehicle.costs.fixed for vehicle in self.problem.vehicles]
        spent = float(sum(self.fixed) + np.maximum.reduce([table.max(axis=0) for table in self._known.values()]).sum())
        spent += sum(self._rates(task) for task in self._tasks()) * model.horizon / _AN_HOUR
        hours = [v.costs.per_overtime_hour + v.costs.per_hour_over_target for v in self.problem.vehicles]
        spent += sum(hours) * model.horizon / _AN_HOUR + 1
        self.prizes = {
            number: min(float(prize), _DEAREST_PRIZE * spent)
            for number in model.tasks
            if (prize := self.problem.tasks[number].prize) is not None
        }
        self.highest = spent + sum(self.prizes.values())
        # Leaving out what must be served costs more than any plan, so that the search serves promises, then
        # priorities, then numbers, then cost. A shipment's priority counts once.
        self.weights = {
            number: self._urgency(self.problem.tasks[number]) * (len(model.tasks) + 1) + 1
            for number in model.tasks
            if number not in self.prizes
        }
        self.scale = min(float(_FINEST_COST), _OBJECTIVE_ROOM / (self.highest * (sum(self.weights.values()) + 1)))
        self._second_clock: Any = None

    def add(self) -> dict[int, int]:
        """Price the model; the disjunction of every task that may be left out."""
        model = self.model
        evaluators: dict[int, int] = {}
        for index, table in enumerate(self.tables):
            if id(table) not in evaluators:
                evaluators[id(table)] = model.matrix(np.rint(table * self.scale).astype(np.int64))
            model.routing.SetArcCostEvaluatorOfVehicle(evaluators[id(table)], index)
            model.routing.SetFixedCostOfVehicle(round(self.fixed[index] * self.scale), index)
        for number in model.tasks:
            self._add_time(number)
        for index, vehicle in enumerate(self.problem.vehicles):
            self._add_hours(index, vehicle)
        unit = max(1, int(self.highest * self.scale) + 1)
        losses = {number: weight * unit for number, weight in self.weights.items()}
        losses |= {number: round(prize * self.scale) for number, prize in self.prizes.items()}
        return {
            number: int(model.routing.AddDisjunction(model.indices(number), losses[number]))
            for number in model.tasks
            if self.problem.tasks[number].lock is not Lock.FROZEN
        }

    def _tasks(self) -> list[Task]:
        return [self.problem.tasks[number] for number in self.model.tasks]

    @staticmethod
    def _rates(task: Task) -> int:
        return task.early_cost_per_hour + task.late_cost_per_hour + task.retry_value_per_hour

    @staticmethod
    def _urgency(task: Task) -> int:
        if task.lock is not Lock.FREE:
            return MAX_PRIORITY + 1
        return 0 if task.kind is TaskKind.DELIVERY else task.priority

    def _price(self, vehicle: Vehicle) -> NDArray[np.float64]:
        """What going from node to node and serving there costs, in the problem's unit."""
        model = self.model
        strange = model.of_tasks(
            lambda t: t.preference_cost if t.preferred_vehicles and vehicle.id not in t.preferred_vehicles else 0
        )
        key = (vehicle.profile, vehicle.speed_factor, vehicle.costs, strange.tobytes())
        if key in self._known:
            return self._known[key]
        travel = model.travel(vehicle)
        blocked = travel == UNREACHABLE
        custom = model.matrices[vehicle.profile].cost
        if custom is None:
            price = np.where(blocked, 0, travel) * (vehicle.costs.per_hour / _AN_HOUR)
            if vehicle.costs.per_km:
                price += np.where(blocked, 0, model.metres(vehicle)) * (vehicle.costs.per_km / 1000)
        else:
            price = np.where(blocked, 0, model.between_nodes(custom)).astype(np.float64)
        price += (model.work[None, :] + model.setup) * (vehicle.costs.per_task_hour / _AN_HOUR)
        self._known[key] = np.asarray(price + strange[None, :], dtype=np.float64)
        return self._known[key]

    def _rate(self, per_hour: int) -> int:
        """Engine units per second; what costs at all is never free."""
        return max(1, round(per_hour * self.scale / _AN_HOUR))

    def _add_time(self, number: int) -> None:
        """The price of beginning then: a visit has room for one price of being late, so a second needs its own clock."""
        model, task = self.model, self.problem.tasks[number]
        if task.happened_at is not None:
            return
        shifts = [(self.problem.vehicles[index].time_window or (0, 0))[0] for index in model.allowed[number]]
        for index in model.indices(number):
            late = []
            if task.retry_value_per_hour:
                late.append((min(shifts), task.retry_value_per_hour))
            if task.soft_window is not None and task.late_cost_per_hour:
                late.append((task.soft_window[1], task.late_cost_per_hour))
            for at, (instant, rate) in enumerate(late):
                clock = self._clock() if at else model.time
                clock.SetCumulVarSoftUpperBound(
                    index, min(max(0, instant - model.origin), model.horizon), self._rate(rate)
                )
            if len(late) > 1:
                model.solver.Add(self._clock().CumulVar(index) == model.time.CumulVar(index))
            if task.soft_window is not None and task.early_cost_per_hour:
                bound = min(max(0, task.soft_window[0] - model.origin), model.horizon)
                model.time.SetCumulVarSoftLowerBound(index, bound, self._rate(task.early_cost_per_hour))

    def _add_hours(self, index: int, vehicle: Vehicle) -> None:
        """Overtime, and what lies above the target."""
        model, costs = self.model, vehicle.costs
        priced = [
            (limit, rate)
            for limit, rate in (
                (vehicle.overtime_after, costs.per_overtime_hour), (vehicle.target_duration, costs.per_hour_over_target),
            )
            if limit is not None and rate and limit < model.horizon
        ]  # fmt: skip
        for at, (limit, rate) in enumerate(priced):
            clock = self._clock() if at else model.time
            clock.SetSoftSpanUpperBoundForVehicle(pywrapcp.BoundCost(limit, self._rate(rate)), index)
        if len(priced) > 1:
            for end in (model.routing.Start(index), model.routing.End(index)):
                model.solver.Add(self._clock().CumulVar(end) == model.time.CumulVar(end))

    def _clock(self) -> Any:
        """A second dimension of time, for second prices."""
        if self._second_clock is None:
            self._second_clock = self.model.clock("second clock")
        return self._second_clock
