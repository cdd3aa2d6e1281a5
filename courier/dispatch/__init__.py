"""The dispatcher's desk: plan an office's day, publish it, say why something is left out, offer windows that can be kept.

The optimiser is asked from here only. It plans doors (calls); items, money and people are this desk's own business.
"""

from courier.dispatch.arranging import Edit
from courier.dispatch.differing import Place, PlanDifference, compare_plans
from courier.dispatch.editing import (
    BoardSheet,
    Edited,
    copy_plan,
    edit_plan,
    edits_made,
    look_at_board,
    preview_edit,
    redo_edit,
    undo_edit,
)
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
    stop_solving,
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
    Tie,
    explain_plan,
    has_reliefs,
    take_offer,
    withdraw_relief,
)
from courier.dispatch.replanning import MOST_SECONDS as MOST_REPLANNING_SECONDS
from courier.dispatch.replanning import (
    MOST_STABILITY,
    USUAL_SECONDS,
    USUAL_STABILITY,
    Changes,
    Opening,
    break_down,
    changes_of,
    insert,
    places_for,
    replan_rest,
)
from courier.dispatch.running import Going, LiveDay, live, live_tag, running_plan
from courier.dispatch.windows import Hold, Slot, SlotGone, hold_slot, leave_slot, slots, take_slot, take_slot_now
from routing.children import warm_up

__all__ = [
    "LEAST_SECONDS",
    "MOST_REPLANNING_SECONDS",
    "MOST_SECONDS",
    "MOST_STABILITY",
    "SOLVE_JOB",
    "TIES",
    "USUAL_SECONDS",
    "USUAL_STABILITY",
    "BoardSheet",
    "Changes",
    "Edit",
    "Edited",
    "Going",
    "Hold",
    "LeftOutReason",
    "LiveDay",
    "NotOptimized",
    "Offer",
    "Opening",
    "Place",
    "PlanDifference",
    "PlanReasons",
    "RouteReason",
    "Slot",
    "SlotGone",
    "StopReason",
    "Tie",
    "break_down",
    "changes_of",
    "compare_plans",
    "copy_plan",
    "edit_plan",
    "edits_made",
    "explain_plan",
    "get_plan",
    "give_up",
    "has_reliefs",
    "hold_slot",
    "insert",
    "leave_slot",
    "list_plans",
    "live",
    "live_tag",
    "look_at_board",
    "optimize",
    "places_for",
    "preview_edit",
    "publish",
    "redo_edit",
    "replan_rest",
    "request_plan",
    "running_plan",
    "slots",
    "solve_job",
    "solve_plan",
    "stop_solving",
    "take_offer",
    "take_slot",
    "take_slot_now",
    "undo_edit",
    "unplanned",
    "warm_up",
    "withdraw_relief",
]
