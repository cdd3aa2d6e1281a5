"""The optimiser: plans stops into routes, checks them independently and says why what is left out is left out.

solve(problem, *, seconds, seed=0, processes=1, start=None, on_best=None, on_progress=None, enough=None, engine="auto") -> Solution
check(problem, solution) -> list[Violation]                                    [routing.checking]
explain(problem, solution) -> Explanation                                      [routing.explaining]
diff(a, b) -> Difference                                                       [routing.comparing]
replan(problem, running, *, stability, seconds=1.0, ...) -> Replanned          [routing.replanning]
slots(problem, solution, job, windows) -> list[Slot]                           [routing.slots]
read_problem(body) -> Problem, solution_body(problem, solution) -> dict,
read_solution(body, problem) -> Solution, error_body(error) -> dict            [routing.vroom]
read_instance(path, convention) -> Instance, problem_of(instance) -> Problem   [routing.instances, routing.vrplib]
EstimatedTravel().table(points, profile) -> Matrix                             [routing.travel]
"""

from routing.problem import (
    UNREACHABLE,
    Break,
    Costs,
    Crossing,
    Crossings,
    InvalidProblem,
    Job,
    Lock,
    Matrix,
    NotSupported,
    PlannedStep,
    Problem,
    Reload,
    Shipment,
    ShipmentStop,
    Travel,
    Vehicle,
)
from routing.solution import (
    CostLines,
    Reason,
    ReasonCode,
    Route,
    Solution,
    Step,
    StepKind,
    Summary,
    Unassigned,
    Violation,
)

__all__ = [
    "UNREACHABLE",
    "Break",
    "CostLines",
    "Costs",
    "Crossing",
    "Crossings",
    "InvalidProblem",
    "Job",
    "Lock",
    "Matrix",
    "NotSupported",
    "PlannedStep",
    "Problem",
    "Reason",
    "ReasonCode",
    "Reload",
    "Route",
    "Shipment",
    "ShipmentStop",
    "Solution",
    "Step",
    "StepKind",
    "Summary",
    "Travel",
    "Unassigned",
    "Vehicle",
    "Violation",
]
