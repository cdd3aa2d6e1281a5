"""The dispatcher's desk: plan an office's day, publish it, say why something is left out, offer windows that can be kept.

The optimiser is asked from here only. It plans doors (calls); items, money and people are this desk's own business.
"""

from courier.dispatch.arranging import Edit
from courier.dispatch.differing import Place, PlanDifference, compare_plans
from courier.dispatch.editing import Edited, copy_plan, edit_plan, edits_made, preview_edit, redo_edit, undo_edit
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
    TIES,
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
    "TIES",
    "Edit",
    "Edited",
    "LeftOutReason",
    "NotOptimized",
    "Offer",
    "Place",
    "PlanDifference",
    "PlanReasons",
    "RouteReason",
    "Slot",
    "StopReason",
    "check_slot",
    "compare_plans",
    "copy_plan",
    "edit_plan",
    "edits_made",
    "explain_plan",
    "get_plan",
    "give_up",
    "list_plans",
    "optimize",
    "preview_edit",
    "publish",
    "redo_edit",
    "request_plan",
    "slots",
    "solve_job",
    "solve_plan",
    "take_offer",
    "undo_edit",
    "unplanned",
    "warm_up",
]
