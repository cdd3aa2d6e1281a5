"""The clerk's counter, and the page of one item that every desk of an office shares."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, may_send, now
from api.items import file_wish
from api.web import forms, page
from api.web.dispatcher import found_items
from api.web.page import Trouble
from api.web.postman import door_data, relations_of, surrender_of
from api.web.texts import t
from api.web.wishes import WISHES, wish_body, wish_kind
from courier import dispatch, handover, privacy, tracking
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Refused
from courier.domain.item import TRANSITIONS, Direction, EventType, State
from courier.domain.money import Method
from courier.domain.people import Role
from courier.phones import media
from courier.store.worklists import release_of

blueprint = page.pages("clerk_pages", __name__)

# What a desk may record with one press, beside the counter's own pick-up.
_ACTS: Final = (
    EventType.ARRIVED,
    EventType.SENT_ON,
    EventType.INVITED,
    EventType.GIVEN_BACK,
    EventType.AGENCY_SIGNED,
    EventType.BROUGHT_IN,
    EventType.FOUND,
    EventType.DAMAGED,
    EventType.LOST,
    EventType.CANCELLED,
)
_NEEDS_A_MARK: Final = EventType.FOUND
_NO_OBJECTION: Final = frozenset({"transfer-unconfirmed"})


@blueprint.get("/k")
@roles("clerk")
def search() -> Response:
    """Search; what waits here to be collected, and what goes to another office or comes from there for it."""
    waiting = tracking.find_items(desk(), caller(), state=State.AWAITING_PICKUP, limit=20)
    mail = [
        view
        for state in (State.FORWARDED, State.TO_FORWARD)
        for view in tracking.find_items(desk(), caller(), state=state, limit=20)
    ]
    return found_items("clerk_pages.search", beside=waiting, mail=mail)


# ------------------------------------------------------------------------------------------------------------ an item
@blueprint.get("/items/<uuid:item_id>")
@roles("dispatcher", "clerk", "cashier", "admin")
def item(item_id: UUID) -> Response:
    """Everything about one item that this desk may see, and what it may do."""
    view = tracking.get_item(desk(), caller(), item_id)
    privacy.note_look(desk(), caller(), item_id, at=now())
    return _item_page(view)


def _item_page(view: tracking.ItemView, trouble: Trouble | None = None) -> Response:
    may_act = caller().role is not Role.CASHIER
    wishes = _wishes(view) if may_act else ()
    history = tracking.history(desk(), caller(), view.row.id)
    return page.show(
        "items/item.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        view=view,
        kind=desk().facts.bylaws.document_types.get(view.row.document_type),
        commune=_commune(view.row.commune_code),
        collects=tracking.office_name(desk(), view.row.collect_at) if view.row.collect_at else "",
        history=history,
        waiting=media.waited_for(desk(), [event.id for event in history]),
        notes=tracking.notes(desk(), view.row.id),
        heard=tracking.heard(desk(), view.row.id),
        may_see_pictures=caller().role in (Role.DISPATCHER, Role.CASHIER),
        acts=[act for act in _ACTS if _allowed(view, act)] if may_act else [],
        wishes=wishes,
        slots=dispatch.slots(desk(), view.row.id, at=now()) if "reschedule" in wishes else [],
        collecting=tracking.offices_to_collect_at(desk(), view.row.id) if "pick_up" in wishes else [],
        may_pick_up=_allowed(view, EventType.PICKED_UP),
        may_place=caller().role is Role.DISPATCHER and view.row.lat is None,
    )


def _commune(code: str | None) -> str:
    return desk().gazetteer.commune(code).full_name if code else ""


def _allowed(view: tracking.ItemView, act: EventType) -> bool:
    if caller().role not in handover.DESK_FACTS.get(act, ()):
        return False
    if act is _NEEDS_A_MARK and not view.row.marks:
        return False
    if act is EventType.ARRIVED and caller().role is Role.CLERK and view.row.collect_at != caller().office_id:
        return False
    return (Direction(view.row.direction), State(view.row.state), act) in TRANSITIONS


def _wishes(view: tracking.ItemView) -> tuple[str, ...]:
    final_or_out = State(view.row.state) not in (State.RECEIVED, State.PLANNED, State.HELD, State.REQUESTED)
    return () if final_or_out else WISHES


@blueprint.post("/items/<uuid:item_id>/acts")
@roles("dispatcher", "clerk", "admin")
@forms.once
def act(item_id: UUID) -> Response:
    """Record what a desk says of an item."""
    view = tracking.get_item(desk(), caller(), item_id)
    try:
        name = request.form.get("act", "")
        if name not in _ACTS:
            raise Invalid(FieldError("act", "invalid", name[:30]))
        handover.report(
            desk(),
            caller(),
            EventType(name),
            event_id=forms.identity("key"),
            item_ids=[item_id],
            data={"note": forms.text("note")},
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _item_page(view, Trouble.of(fault))
    return page.go("clerk_pages.item", item_id=item_id, done="recorded")


@blueprint.post("/items/<uuid:item_id>/wishes")
@may_send(tracking.MOST_PHOTO_BYTES + 65_536)
@roles("dispatcher", "clerk", "admin")
@forms.once
def wish(item_id: UUID) -> Response:
    """File a wish on behalf of the citizen."""
    view = tracking.get_item(desk(), caller(), item_id)
    try:
        tracking.require_visible(desk(), caller(), item_id)
        tracking.require_allowed(desk(), item_id, wish_kind(), at=now())
        file_wish(item_id, wish_body(), asked_by=caller())
    except (Invalid, Refused) as fault:
        return _item_page(view, Trouble.of(fault))
    return page.go("clerk_pages.item", item_id=item_id, done="wish_granted")


# -------------------------------------------------------------------------------------------------- over the counter
@blueprint.get("/items/<uuid:item_id>/pick-up")
@roles("clerk", "dispatcher")
def pick_up(item_id: UUID) -> Response:
    """The same release form as at a door."""
    view = tracking.get_item(desk(), caller(), item_id)
    privacy.note_look(desk(), caller(), item_id, at=now())
    return _pick_up_page(view)


def _as_at_a_door(view: tracking.ItemView) -> Mapping[str, Any]:
    """The item as the daily list shows it."""
    charges = [{"id": str(c.id), "kind": c.kind, "payee": c.payee, "amount_dong": c.amount_dong} for c in view.charges]
    return {
        "id": str(view.row.id),
        "barcode": view.row.barcode,
        "document_type": view.row.document_type,
        "recipient": view.row.recipient_name,
        "charges": charges,
        "release": release_of(
            desk().facts, view.row.document_type, view.agency_code, local_day(now()), subject=view.row.subject
        ),
    }


def _pick_up_page(view: tracking.ItemView, trouble: Trouble | None = None) -> Response:
    results = [_as_at_a_door(view)]
    return page.show(
        "clerk/pick_up.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        view=view,
        results=results,
        kinds=desk().facts.bylaws.document_types,
        relations=relations_of(results),
        surrender=surrender_of(results),
        methods=[method.value for method in Method],
    )


@blueprint.post("/items/<uuid:item_id>/pick-up")
@roles("clerk", "dispatcher")
def hand_out(item_id: UUID) -> Response:
    """Ask the rules, then record. Over the counter an objection can be recorded too, and opens an incident."""
    view = tracking.get_item(desk(), caller(), item_id)
    if request.form.get("decision") == "correct":
        return _pick_up_page(view)
    try:
        event_id = forms.identity("event_id")
        if not _allowed(view, EventType.PICKED_UP):
            if event_id in {event.id for event in tracking.history(desk(), caller(), item_id)}:
                return page.go("clerk_pages.item", item_id=item_id, done="picked_up")
            raise Refused("wrong-state", t("refused.wrong-state"))
        data = door_data([_as_at_a_door(view)])
        if request.form.get("decision") != "record":
            broken = handover.check(desk(), caller(), item_ids=[item_id], data=data, at=now())
            objections = [breach for breach in broken if breach.code not in _NO_OBJECTION]
            if objections:
                kept = [(n, v) for n, v in request.form.items(multi=True) if n not in ("csrf_token", "decision")]
                return page.show("clerk/objections.html", 409, view=view, objections=objections, kept=kept)
        handover.report(
            desk(), caller(), EventType.PICKED_UP, event_id=event_id, item_ids=[item_id], data=data, at=now()
        )
    except (Invalid, Refused) as fault:
        return _pick_up_page(view, Trouble.of(fault))
    return page.go("clerk_pages.item", item_id=item_id, done="picked_up")
