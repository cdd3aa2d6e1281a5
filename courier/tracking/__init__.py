"""Where is the paper: items as staff search them and as citizens follow them, and what citizens may change."""

from courier.tracking.changing import Granted, Wish, request_change, require_allowed, require_proven, require_visible
from courier.tracking.finding import ItemView, find_items, get_item, get_items, history, link_of, notes
from courier.tracking.gate import MOST_PHOTO_BYTES, gate_photo, put_away_photo
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
    office_name,
    offices_to_collect_at,
    prove,
)

__all__ = [
    "MOST_PHOTO_BYTES",
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
    "gate_photo",
    "get_item",
    "get_items",
    "history",
    "item_id_of",
    "item_of_link",
    "link_of",
    "notes",
    "office_name",
    "offices_to_collect_at",
    "prove",
    "put_away_photo",
    "request_change",
    "require_allowed",
    "require_proven",
    "require_visible",
]
