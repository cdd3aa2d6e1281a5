"""Where is the paper: items as staff search them and as citizens follow them, and what citizens may change."""

from courier.store.wishes import ANSWER_JOB, Heard
from courier.tracking.answering import answer_job, filed, give_up_answering, hear_wish, heard
from courier.tracking.changing import Granted, Wish, grant, request_change, require_allowed, require_visible
from courier.tracking.finding import ItemView, find_items, get_item, get_items, history, link_of, notes
from courier.tracking.gate import MOST_PHOTO_BYTES, gate_photo, put_away_photo
from courier.tracking.link import (
    Promise,
    PublicView,
    by_link,
    coarse_state,
    item_id_of,
    office_name,
    offices_to_collect_at,
)
from courier.tracking.proving import (
    CodeSent,
    TooManyTries,
    codes_demanded,
    item_of_link,
    note_unknown,
    prove,
    prove_code,
    require_digits,
    require_proven,
    send_code,
)

__all__ = [
    "ANSWER_JOB",
    "MOST_PHOTO_BYTES",
    "CodeSent",
    "Granted",
    "Heard",
    "ItemView",
    "Promise",
    "PublicView",
    "TooManyTries",
    "Wish",
    "answer_job",
    "by_link",
    "coarse_state",
    "codes_demanded",
    "filed",
    "find_items",
    "gate_photo",
    "get_item",
    "get_items",
    "give_up_answering",
    "grant",
    "hear_wish",
    "heard",
    "history",
    "item_id_of",
    "item_of_link",
    "link_of",
    "note_unknown",
    "notes",
    "office_name",
    "offices_to_collect_at",
    "prove",
    "prove_code",
    "put_away_photo",
    "request_change",
    "require_allowed",
    "require_digits",
    "require_proven",
    "require_visible",
    "send_code",
]
