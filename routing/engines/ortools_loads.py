"""Amounts on board, said to OR-Tools: what is left to bring on this trip, what has been fetched since the last emptying,
and what rides from one end of a shipment to the other."""  # noqa: D205, D209

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from routing.problem import Task, TaskKind

if TYPE_CHECKING:
    from routing.engines.ortools_model import Model


def add_loads(model: Model) -> None:
    """Keep every vehicle within its capacity, dimension by dimension."""
    for dimension in range(model.problem.dimensions):
        _Load(model, dimension).add()


class _Load:
    """One dimension. Nodes that empty or load get a slack with which the amount may become anything that it can be."""

    def __init__(self, model: Model, dimension: int) -> None:
        self.model = model
        self.dimension = dimension
        self.most = [vehicle.capacity[dimension] for vehicle in model.problem.vehicles]
        self.highest = max(self.most)
        numbers = {number for _, number in model.reloads}
        self.loads = {n for n in numbers if model.problem.tasks[n].loads}
        self.empties = {n for n in numbers if dimension in model.problem.tasks[n].empties}

    def add(self) -> None:
        parts = [
            (self._brought, self.loads, "to bring"), (self._fetched, self.empties, "fetched"), (self._riding, set(), "riding"),
        ]  # fmt: skip
        used = [part for part in parts if any(part[0](self.model.problem.tasks[n]) for n in self.model.tasks)]
        if not used:
            return
        if len(used) == 1:
            value, resets, name = used[0]
            # What is only brought is heaviest at the start: counted as if it were fetched, it is the same limit.
            self._amount(
                lambda task: abs(value(task)) if resets or name != "riding" else value(task), resets, name, empty=True
            )
            return
        total = self._amount(self._change, self.loads | self.empties, "load", empty=not self._is_brought(used))
        amounts = [self._amount(value, resets, name, empty=name != "to bring") for value, resets, name in used]
        routing, solver = self.model.routing, self.model.solver
        ends = [index(vehicle) for vehicle in range(len(self.most)) for index in (routing.Start, routing.End)]
        nodes = [int(self.model.manager.NodeToIndex(node)) for node in range(len(self.model.nodes))]
        # Without reloads what is equal at the start stays equal.
        for index in ends[::2] if not (self.loads or self.empties) else [*nodes, *ends]:
            solver.Add(total.CumulVar(index) == solver.Sum([amount.CumulVar(index) for amount in amounts]))
        for name_of, amount in zip(used, amounts, strict=True):
            if name_of[2] == "to bring":
                for end in ends[1::2]:
                    amount.CumulVar(end).SetValue(0)

    @staticmethod
    def _is_brought(used: list[Any]) -> bool:
        return any(name == "to bring" for _, _, name in used)

    def _brought(self, task: Task) -> int:
        return -task.delivery[self.dimension] if task.kind is TaskKind.JOB else 0

    def _fetched(self, task: Task) -> int:
        return task.pickup[self.dimension] if task.kind is TaskKind.JOB else 0

    def _riding(self, task: Task) -> int:
        return self._change(task) if task.partner is not None else 0

    def _change(self, task: Task) -> int:
        return task.pickup[self.dimension] - task.delivery[self.dimension]

    def _amount(self, value: Any, resets: set[int], name: str, *, empty: bool) -> Any:
        """A dimension that changes by `value` at every node, and may take any value behind the `resets`."""
        model, routing = self.model, self.model.routing
        changes = model.of_tasks(value)
        jumps = [at for at, number in enumerate(model.nodes) if number in resets]
        changes[jumps] = -self.highest
        evaluator = routing.RegisterUnaryTransitVector(changes.tolist())
        name = f"{name} {self.dimension}"
        routing.AddDimensionWithVehicleCapacity(evaluator, 2 * self.highest if jumps else 0, self.most, empty, name)
        dimension = routing.GetDimensionOrDie(name)
        if jumps:
            jumping = set(jumps)
            starts = [routing.Start(vehicle) for vehicle in range(len(self.most))]
            nodes = [int(model.manager.NodeToIndex(at)) for at in range(len(model.nodes)) if at not in jumping]
            for index in (*nodes, *starts):
                dimension.SlackVar(index).SetValue(0)
        return dimension
