"""The dispatcher's desk: plan an office's day, publish it, say why something is left out, offer windows that can be kept.

The optimiser is asked from here only. It plans doors (calls); items, money and people are this desk's own business.
"""

from courier.dispatch.office_day import LEAST_SECONDS
from courier.dispatch.optimizing import NotOptimized, optimize
from courier.dispatch.planning import (
    MOST_SECONDS,
    SOLVE_JOB,
    get_plan,
    give_up,
    list_plans,
    request_plan,
    solve_job,
    solve_plan,
    unplanned,
)
from courier.dispatch.publishing import publish
from courier.dispatch.reasons import (
    LeftOutReason,
    Offer,
    PlanReasons,
    RouteReason,
    StopReason,
    explain_plan,
    take_offer,
)
from courier.dispatch.windows import Slot, check_slot, slots
from routing.children import warm_up

__all__ = [
    "LEAST_SECONDS",
    "MOST_SECONDS",
    "SOLVE_JOB",
    "LeftOutReason",
    "NotOptimized",
    "Offer",
    "PlanReasons",
    "RouteReason",
    "Slot",
    "StopReason",
    "check_slot",
    "explain_plan",
    "get_plan",
    "give_up",
    "list_plans",
    "optimize",
    "publish",
    "request_plan",
    "slots",
    "solve_job",
    "solve_plan",
    "take_offer",
    "unplanned",
    "warm_up",
]
