"""The postman's pages: today's list, one stop at a time, and the evening. Plain forms that report the same facts as the phone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import orjson
from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, may_send, now
from api.items import file_wish
from api.web import forms, page
from api.web.page import Trouble
from api.web.texts import t
from api.web.wishes import wish_body, wish_kind
from courier import cashdesk, dispatch, handover, tracking
from courier.domain import acts
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Missing, Refused
from courier.domain.item import EventType, State
from courier.domain.money import Method
from courier.domain.release import Breach

blueprint = page.pages("postman_pages", __name__, prefix="/p")

TO_DO: Final = frozenset({State.PLANNED, State.OUT})
WITH_THE_POSTMAN: Final = (State.OUT, State.ATTEMPTED, State.FETCHED)
DONE: Final = frozenset({State.DELIVERED, State.PICKED_UP, State.FETCHED, State.AT_OFFICE, State.LODGED})
_OPEN: Final = frozenset({State.PLANNED, State.OUT, State.ATTEMPTED})
# The bank's word comes later; that is no objection at the door.
_NO_OBJECTION: Final = frozenset({"transfer-unconfirmed"})
_IN_THE_OFFICE: Final = (State.RECEIVED, State.PLANNED, State.HELD, State.REQUESTED)
_UNDOABLE: Final = frozenset({"handed_over", "attempt_failed", "fetched"})
_ANYBODY: Final = ("owner", "authorised")
_MOST_PAPERS: Final = 30
_DAYS_OFFERED: Final = 10
_FOLDED_FROM: Final = 3


@dataclass(frozen=True, slots=True)
class StopView:
    """One door of the day as the pages show it. `items` are the daily list's own, `state` is the word for the whole stop."""

    id: UUID
    sequence: int
    arrives_at: str
    address: str
    phone: str | None
    lat: float
    lon: float
    items: tuple[Mapping[str, Any], ...]
    state: str
    due_dong: int

    @property
    def names(self) -> str:
        """Who lives here, as far as today's items tell."""
        return ", ".join(dict.fromkeys(item["recipient"] for item in self.items))

    @property
    def to_do(self) -> bool:
        """True while something waits for its first try."""
        return self.state in TO_DO

    @property
    def open_items(self) -> tuple[Mapping[str, Any], ...]:
        """What can still be handed over or fetched."""
        return tuple(item for item in self.items if item["state"] in _OPEN)


def _stops(day: date) -> list[StopView]:
    day_of_his = orjson.loads(handover.daily_list(desk(), caller(), day=day))
    return [_stop(stop) for stop in day_of_his["stops"]]


def _stop(stop: Mapping[str, Any]) -> StopView:
    states = [item["state"] for item in stop["items"]]
    state = next((s for wanted in (TO_DO, {State.ATTEMPTED}) for s in states if s in wanted), states[0])
    due = sum(c["amount_dong"] for item in stop["items"] if item["state"] in _OPEN for c in item["charges"])
    return StopView(
        UUID(stop["id"]),
        stop["sequence"],
        stop["arrives_at"],
        stop["address"],
        stop["phone"],
        stop["lat"],
        stop["lon"],
        tuple(stop["items"]),
        state,
        due,
    )


def _today() -> date:
    return local_day(now())


def _one_stop(stop_id: UUID) -> StopView:
    found = next((stop for stop in _stops(_today()) if stop.id == stop_id), None)
    if found is None:
        raise Missing("stop", stop_id)
    return found


# ------------------------------------------------------------------------------------------------------------ the day
@blueprint.get("")
@roles("postman")
def day() -> Response:
    """Today in order, with the next door on top of everything else."""
    stops = _stops(_today())
    items = [item for stop in stops for item in stop.items]
    following = next((stop for stop in stops if stop.to_do), None)
    return page.show(
        "postman/day.html",
        today=_today(),
        stops=stops,
        following=following,
        # What is behind him folds away, once there is enough of it to be in the way.
        past=stops[: stops.index(following)] if following in stops[_FOLDED_FROM:] else [],
        count=len(items),
        delivered=sum(item["state"] in DONE for item in items),
        waiting=sum(item["state"] == State.PLANNED for item in items),
        bag=len(_bag()),
        money=cashdesk.cash_day(desk(), caller(), caller().id, _today()),
        filed=tracking.filed(desk(), caller(), at=now()),
        plain_http=not page.is_secure_context(),
    )


@blueprint.post("/take-out")
@roles("postman")
def take_out() -> Response:
    """The morning: everything on today's route goes into the bag."""
    taken = handover.take_out(desk(), caller(), event_id=forms.identity("event_id"), day=_today(), at=now())
    return page.go("postman_pages.day", done="taken_out" if taken else None)


def _bag() -> list[tracking.ItemView]:
    """Everything in the postman's hands, of today's route or not."""
    found = [
        view
        for state in WITH_THE_POSTMAN
        for view in tracking.find_items(desk(), caller(), state=state.value, limit=200)
        if view.row.custody_holder == caller().id
    ]
    return sorted(found, key=lambda view: view.row.barcode)


@blueprint.get("/evening")
@roles("postman")
def evening() -> Response:
    """What is still in the bag and what is in the pocket."""
    money = cashdesk.cash_day(desk(), caller(), caller().id, _today())
    return page.show("postman/evening.html", today=_today(), bag=_bag(), money=money)


@blueprint.post("/bring-back")
@roles("postman")
def bring_back() -> Response:
    """What was not handed over, and what was fetched, is given to the office."""
    handover.report(
        desk(),
        caller(),
        EventType.BROUGHT_BACK,
        event_id=forms.identity("event_id"),
        item_ids=forms.identities("items"),
        data={},
        at=now(),
    )
    return page.go("postman_pages.evening", done="brought_back")


# ---------------------------------------------------------------------------------------------------------- one door
@blueprint.get("/stops/<uuid:stop_id>")
@roles("postman")
def stop(stop_id: UUID) -> Response:
    """Who may receive, what to show and hand in, what to take; and the form of the handover."""
    return _stop_page(_one_stop(stop_id))


def _stop_page(found: StopView, trouble: Trouble | None = None) -> Response:
    results = [item for item in found.open_items if item["direction"] == "result"]
    fetches = [item for item in found.open_items if item["direction"] == "submission"]
    kinds = desk().facts.bylaws.document_types
    return page.show(
        "postman/stop.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        stop=found,
        results=results,
        fetches=fetches,
        kinds=kinds,
        relations=relations_of(results),
        surrender=surrender_of(results),
        papers={item["id"]: kinds[item["document_type"]].submission_papers for item in fetches},
        acts=_acts(found),
        methods=[method.value for method in Method],
    )


def relations_of(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """Whom the rules of these items know, in their order, and `other`, because the truth must be writable too."""
    words: dict[str, None] = {}
    for item in items:
        release = item["release"]
        relatives = release.get("relatives") or []
        for person in release.get("persons") or _ANYBODY:
            words.update(dict.fromkeys(relatives if person in ("relative", "guardian") and relatives else [person]))
    return [*words, "other"]


def surrender_of(items: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The old papers that come back, by code."""
    return {paper["code"]: paper for item in items for paper in item["release"]["surrender"]}


def _acts(found: StopView) -> list[tuple[UUID, Any]]:
    """What this postman reported here today and has not taken back: (item, event), newest last."""
    acts: dict[UUID, tuple[UUID, Any]] = {}
    for item in found.items:
        events = tracking.history(desk(), caller(), UUID(item["id"]))
        withdrawn = {event.data.get("corrects") for event in events if event.type == EventType.CORRECTED}
        for event in events:
            mine = event.actor_id == caller().id and local_day(event.occurred_at) == _today()
            if mine and event.type in _UNDOABLE and str(event.id) not in withdrawn:
                acts[event.id] = (UUID(item["id"]), event)
    return list(acts.values())


@blueprint.post("/stops/<uuid:stop_id>/handover")
@roles("postman")
def hand_over(stop_id: UUID) -> Response:
    """Ask the rules first; where they object, say which and let the postman decide. The fact itself is never refused."""
    found = _one_stop(stop_id)
    if request.form.get("decision") == "correct":
        return _stop_page(found)
    try:
        event_id = forms.identity("event_id")
        chosen = _chosen(found)
        data = door_data(chosen)
        item_ids = [UUID(item["id"]) for item in chosen]
        if request.form.get("decision") != "record":
            broken = handover.check(desk(), caller(), item_ids=item_ids, data=data, at=now())
            objections = [breach for breach in broken if breach.code not in _NO_OBJECTION]
            if objections:
                return _objections_page(found, objections)
        recorded = handover.report(
            desk(), caller(), EventType.HANDED_OVER, event_id=event_id, item_ids=item_ids, data=data, at=now()
        )
    except (Invalid, Refused) as fault:
        return _stop_page(found, Trouble.of(fault))
    return page.go(
        "postman_pages.day", done="handed_over" if recorded.result == "applied" else "recorded_with_conflict"
    )


def _objections_page(found: StopView, objections: Sequence[Breach]) -> Response:
    kept = [(n, v) for n, v in request.form.items(multi=True) if n not in ("csrf_token", "decision")]
    return page.show("postman/objections.html", 409, stop=found, objections=objections, kept=kept)


def _chosen(found: StopView) -> list[Mapping[str, Any]]:
    """The ticked items of this stop.

    Raises:
        Missing: an item stands elsewhere.
        Invalid: nothing is ticked.
    """
    by_id = {UUID(item["id"]): item for item in found.items}
    ids = forms.identities("items")
    for item_id in ids:
        if item_id not in by_id:
            raise Missing("item", item_id)
    return [by_id[item_id] for item_id in ids]


def door_data(chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The data of a handover as the release form sent it.

    Raises:
        Invalid: a field is missing or makes no sense.
    """
    last4 = forms.text("id_last4", at_most=4)
    if last4 and not (len(last4) == 4 and last4.isascii() and last4.isdecimal()):
        raise Invalid(FieldError("id_last4", "invalid", t("stop.last4_wrong")))
    code = forms.text("recipient_code", at_most=6)
    if code and not (len(code) == 6 and code.isascii() and code.isdecimal()):
        raise Invalid(FieldError("recipient_code", "invalid", t("stop.recipient_code_wrong")))
    return {
        "receiver": {
            "name": forms.required("receiver", at_most=200),
            "relation": forms.required("relation", at_most=40),
            "id_check": forms.required("id_check", at_most=10),
            "id_last4": last4 or None,
        },
        "collections": _collections(chosen),
        "surrendered": [paper for paper in request.form.getlist("surrendered") if paper in surrender_of(chosen)],
        "proofs": [
            *([{"kind": "paper_signature"}] if request.form.get("signed") else []),
            *([{"kind": "recipient_code", "value": code}] if code else []),
        ],
    }


def _collections(chosen: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    lines = []
    for charge in (charge for item in chosen for charge in item["charges"]):
        amount = forms.dong(f"amount_{charge['id']}", default=0)
        if amount:
            method = request.form.get(f"method_{charge['id']}", Method.CASH.value)
            lines.append({"charge": charge["id"], "amount_dong": amount, "method": method})
    return lines


@blueprint.get("/stops/<uuid:stop_id>/failed")
@roles("postman")
def failure(stop_id: UUID) -> Response:
    """Why it did not work: one tap on the reason records it."""
    return _failure_page(_one_stop(stop_id))


def _failure_page(found: StopView, trouble: Trouble | None = None) -> Response:
    reasons = desk().facts.bylaws.attempts.reasons.values()
    days = desk().facts.bylaws.calendar.delivery_days(_today(), _DAYS_OFFERED)
    status = trouble.status if trouble else 200
    return page.show("postman/failed.html", status, trouble=trouble, stop=found, reasons=reasons, days=days)


@blueprint.post("/stops/<uuid:stop_id>/failed")
@roles("postman")
def fail(stop_id: UUID) -> Response:
    """Record a failed attempt of everything that is still open here."""
    found = _one_stop(stop_id)
    try:
        next_on = forms.day("next_on")
        if next_on is not None and next_on <= _today():
            raise Invalid(FieldError("next_on", "not-ahead", t("stop.next_on_wrong")))
        data = {"reason": forms.required("reason", at_most=60), "next_on": next_on.isoformat() if next_on else None}
        open_ids = [UUID(item["id"]) for item in found.items]
        handover.report(
            desk(),
            caller(),
            EventType.ATTEMPT_FAILED,
            event_id=forms.identity("event_id"),
            item_ids=[item_id for item_id in forms.identities("items") if item_id in open_ids],
            data=data,
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _failure_page(found, Trouble.of(fault))
    return page.go("postman_pages.day", done="attempt_failed")


@blueprint.post("/stops/<uuid:stop_id>/fetch")
@roles("postman")
def fetch(stop_id: UUID) -> Response:
    """A dossier is counted against its list, sealed before the citizen's eyes, and taken along."""
    found = _one_stop(stop_id)
    try:
        chosen = _chosen(found)
        handover.report(
            desk(),
            caller(),
            EventType.FETCHED,
            event_id=forms.identity("event_id"),
            item_ids=[UUID(item["id"]) for item in chosen],
            data={
                "papers": _counted(chosen),
                "collections": _collections(chosen),
                "proofs": [{"kind": "paper_signature"}] if request.form.get("signed") else [],
                "sealed": bool(request.form.get("sealed")),
            },
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _stop_page(found, Trouble.of(fault))
    return page.go("postman_pages.day", done="fetched")


def _counted(chosen: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    kinds = desk().facts.bylaws.document_types
    papers = []
    for item in chosen:
        for position, paper in enumerate(kinds[item["document_type"]].submission_papers):
            present = f"{item['id']}:{position}" in request.form.getlist("papers")
            papers.append({"name": paper.name, "original": paper.original, "present": present})
    other = forms.text("other_papers")
    if other:
        papers.append({"name": other, "original": True, "present": True})
    return papers[:_MOST_PAPERS]


# -------------------------------------------------------------------------------------------------- for the recipient
@blueprint.get("/stops/<uuid:stop_id>/wishes/<uuid:item_id>")
@roles("postman")
def wishes(stop_id: UUID, item_id: UUID) -> Response:
    """What the recipient of an item wants changed, filed for somebody without a phone."""
    return _wishes_page(_one_stop(stop_id), item_id)


def _wishes_page(found: StopView, item_id: UUID, trouble: Trouble | None = None) -> Response:
    item = _item_of(found, item_id)
    here = State(item["state"]) in _IN_THE_OFFICE
    return page.show(
        "postman/wish.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        stop=found,
        item=item,
        in_office=here,
        heard=tracking.heard(desk(), item_id),
        slots=dispatch.slots(desk(), item_id, at=now()) if here else [],
        days=desk().facts.bylaws.calendar.delivery_days(_today(), _DAYS_OFFERED),
        halves=acts.HALVES,
        open=State(item["state"]) not in DONE,
        collects=item["direction"] == "result",
    )


def _item_of(found: StopView, item_id: UUID) -> Mapping[str, Any]:
    item = next((item for item in found.items if UUID(item["id"]) == item_id), None)
    if item is None:
        raise Missing("item", item_id)
    return item


@blueprint.post("/stops/<uuid:stop_id>/wishes/<uuid:item_id>")
@may_send(tracking.MOST_PHOTO_BYTES + 65_536)
@roles("postman")
@forms.once
def wish(stop_id: UUID, item_id: UUID) -> Response:
    """Grant a wish or say why not; what must wait for the paper is written down, and the office answers."""
    found = _one_stop(stop_id)
    item = _item_of(found, item_id)
    try:
        kind = wish_kind()
        tracking.require_visible(desk(), caller(), item_id)
        waits = kind == "reschedule" and bool(request.form.get("day"))
        if waits or (kind == "pick_up" and State(item["state"]) not in _IN_THE_OFFICE):
            told = {"kind": kind, "day": forms.text("day", at_most=10), "half": forms.text("half", at_most=10) or None}
            body = acts.read_wish(told)
            body.pop("kind")
            tracking.hear_wish(desk(), caller(), item_id, kind, body, at=now())
            return page.go("postman_pages.day", done="wish_heard")
        tracking.require_allowed(desk(), item_id, kind, at=now())
        file_wish(item_id, wish_body(), asked_by=caller())
    except acts.Unreadable as fault:
        field = fault.code.removeprefix("unreadable-")
        return _wishes_page(
            found, item_id, Trouble.of(Invalid(FieldError(field, "unreadable", t("stop.next_on_wrong"))))
        )
    except (Invalid, Refused) as fault:
        return _wishes_page(found, item_id, Trouble.of(fault))
    # What was granted may have led the paper off his route.
    return page.go("postman_pages.day", done="wish_granted")


@blueprint.post("/stops/<uuid:stop_id>/undo")
@roles("postman")
def undo(stop_id: UUID) -> Response:
    """A slip of the thumb: the act is taken back by a correction, never deleted."""
    found = _one_stop(stop_id)
    try:
        handover.report(
            desk(),
            caller(),
            EventType.CORRECTED,
            event_id=forms.identity("event_id"),
            item_ids=[forms.identity("item")],
            data={"corrects": str(forms.identity("corrects")), "reason": forms.required("reason", at_most=200)},
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _stop_page(found, Trouble.of(fault))
    return page.go("postman_pages.stop", stop_id=stop_id, done="corrected")
