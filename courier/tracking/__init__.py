"""Where is the paper: items as staff search them and as citizens follow them, and what citizens may change."""

from courier.tracking.changing import Granted, Wish, request_change, require_movable, require_proven, require_visible
from courier.tracking.finding import ItemView, find_items, get_item, get_items, history, link_of, notes
from courier.tracking.link import (
    VISIT,
    WRONG_ANSWERS,
    WRONG_ANSWERS_WITHIN,
    Promise,
    PublicView,
    by_link,
    coarse_state,
    item_id_of,
    item_of_link,
    prove,
)

__all__ = [
    "VISIT",
    "WRONG_ANSWERS",
    "WRONG_ANSWERS_WITHIN",
    "Granted",
    "ItemView",
    "Promise",
    "PublicView",
    "Wish",
    "by_link",
    "coarse_state",
    "find_items",
    "get_item",
    "get_items",
    "history",
    "item_id_of",
    "item_of_link",
    "link_of",
    "notes",
    "prove",
    "request_change",
    "require_movable",
    "require_proven",
    "require_visible",
]
