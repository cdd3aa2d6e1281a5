"""The board of a plan: routes side by side with the map, changed by hand; every change is also a plain form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import forms, page, texts
from api.web.page import Trouble
from api.web.texts import t
from courier import dispatch, staffing
from courier.domain.errors import FieldError, Invalid, Overtaken, Refused, Stale
from courier.store.plans import Label, PlanView, RouteView
from courier.store.tables import LOCKS

blueprint = page.pages("board_pages", __name__, prefix="/d")

_MOST_VERSION: Final = 2**31 - 1
_MOST_PLACE: Final = 10_000


class Leg(NamedTuple):
    """A stop as a column shows it; `parts` are its items with their names when there are several. There may be a thousand."""

    items: str
    key: UUID
    sequence: int | None
    at: tuple[float, float] | None
    arrives: str
    lock: str
    held: str
    who: str
    address: str
    parts: Sequence[tuple[UUID, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A column: a postman's route, or what is left out (no postman)."""

    postman: UUID | None
    name: str
    sums: str
    broken: Sequence[Mapping[str, Any]]
    legs: Sequence[Leg]


def board_of(plan: PlanView) -> dict[str, Any]:
    """What the template of the board is given."""
    sheet = dispatch.look_at_board(desk(), caller(), plan, at=now())
    routes = {route.postman: route for route in sheet.plan.routes}
    viewer = page.viewer()
    office = staffing.belonging(desk(), viewer).office if viewer else None
    lanes = [_lane(route, sheet.labels) for route in sheet.plan.routes]
    idle = t("board.no_route")
    lanes += [
        Lane(postman=member.postman_id, name=member.name, sums=idle, broken=(), legs=())
        for member in sheet.crew
        if member.postman_id not in routes
    ]
    out = [
        Leg(str(label.item_id), label.item_id, None, _place(label), "", "free", "", label.name, label.address, ())
        for label in (sheet.labels[row.item_id] for row in sheet.left_out)
    ]
    left_out = Lane(postman=None, name=t("board.left_out"), sums=str(len(out)), broken=(), legs=out)
    return {
        "sheet": sheet,
        "lanes": lanes,
        "columns": [left_out, *lanes] if out else lanes,
        "locks": LOCKS,
        "office": {"at": [office.lat, office.lon], "name": office.name} if office else None,
        "words": {key: t(f"board.{key}") for key in _SAID},
        "rules": {code: texts.word("broken", code) for code in _RULES},
        "lock_words": {lock: texts.word("lock", lock) for lock in LOCKS if lock != "free"},
        "kinds": {kind: texts.word("edit", kind) for kind in _KINDS},
    }


def _lane(route: RouteView, labels: Mapping[UUID, Label]) -> Lane:
    locks = {lock: "" if lock == "free" else texts.word("lock", lock) for lock in LOCKS}
    legs = []
    for stop in route.stops:
        first, *others = (labels[item_id] for item_id in stop.items)
        legs.append(
            Leg(
                " ".join(map(str, stop.items)),
                stop.items[0],
                stop.sequence,
                (stop.lat, stop.lon),
                texts.clock(stop.arrives_at),
                stop.lock,
                locks[stop.lock],
                ", ".join([first.name, *(other.name for other in others)]),
                first.address,
                [(label.item_id, label.name) for label in (first, *others)] if others else (),
            )
        )
    summary = route.summary
    sums = t(
        "board.lane_line",
        stops=len(route.stops),
        km=f"{summary.get('distance_m', 0) / 1000:.0f}",
        hours=_hours(summary),
        cash=texts.dong(summary.get("cash_dong", 0)),
        ends=texts.clock(summary.get("ends_at")),
    )
    return Lane(
        postman=route.postman, name=route.postman_name, sums=sums, broken=summary.get("violations", ()), legs=legs
    )


def _place(label: Label) -> tuple[float, float] | None:
    return (label.lat, label.lon) if label.lat is not None and label.lon is not None else None


def _hours(summary: Mapping[str, Any]) -> str:
    """How long a route takes: 5:40."""
    if not summary.get("ends_at"):
        return "–"
    seconds = datetime.fromisoformat(summary["ends_at"]) - datetime.fromisoformat(summary["starts_at"])
    minutes = round(seconds.total_seconds() / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


# What the scripts say; the rules and kinds are words of the catalogue.
_SAID: Final = (
    "cost_same", "cost_more", "cost_less", "minutes", "selected", "broken_count", "stale_line", "offline", "lane_line",
    "saving", "late_by", "choose", "no_route",
)  # fmt: skip
_RULES: Final = (
    "delay", "lead_time", "load", "allowed_vehicles", "lock", "missing_break", "max_tasks", "max_travel_time", "max_distance",
    "max_duration", "timing", "release",
)  # fmt: skip
_KINDS: Final = ("move", "unplan", "exchange", "split", "lock", "undo", "redo")


@blueprint.post("/plans/<uuid:plan_id>/edits")
@roles("dispatcher")
def edit(plan_id: UUID) -> Response:
    """A change by form: which button was pressed says what."""
    version = forms.whole("version", most=_MOST_VERSION)
    act = forms.text("act", at_most=20)
    try:
        if act in ("undo", "redo"):
            again = dispatch.undo_edit if act == "undo" else dispatch.redo_edit
            again(desk(), caller(), plan_id, version=version, at=now())
        else:
            dispatch.edit_plan(desk(), caller(), plan_id, _asked(plan_id, act), version=version, at=now())
    except Overtaken as late:
        return _again(plan_id, Trouble(" ".join([t("board.stale"), *map(said, late.changes)]), 412, "stale"))
    except (Invalid, Refused, Stale) as fault:
        return _again(plan_id, Trouble.of(fault))
    return page.go("dispatcher_pages.plan", plan_id=plan_id, done="plan_changed")


@blueprint.post("/plans/<uuid:plan_id>/copy")
@roles("dispatcher")
@forms.once
def copy(plan_id: UUID) -> Response:
    """A copy to be changed; the published plan goes on until the copy is published."""
    made = dispatch.copy_plan(desk(), caller(), plan_id, at=now())
    return page.go("dispatcher_pages.plan", plan_id=made, done="plan_copied")


@blueprint.post("/plans/<uuid:plan_id>/stop")
@roles("dispatcher")
def stop(plan_id: UUID) -> Response:
    """The best plan so far is good enough."""
    try:
        dispatch.stop_solving(desk(), caller(), plan_id)
    except Refused as fault:
        return _again(plan_id, Trouble.of(fault))
    return page.go("dispatcher_pages.plan", plan_id=plan_id)


def said(change: Mapping[str, Any]) -> str:
    """Who changed what, in a sentence."""
    return t(
        "board.stale_line",
        by=change["by"],
        at=texts.clock(change["at"]),
        what=texts.word("edit", change["kind"]),
        stops=change["stops"],
        postmen=", ".join(change["postmen"]),
    )


def _again(plan_id: UUID, trouble: Trouble) -> Response:
    from api.web.dispatcher import plan_page  # noqa: PLC0415 - the plan's page shows the board

    return plan_page(plan_id, trouble)


def _asked(plan_id: UUID, act: str) -> dispatch.Edit:
    """The change that the form asks for.

    Raises:
        Invalid: nothing is ticked, or it is no change at all.
    """
    if act == "exchange":
        pair = (forms.identity("one"), forms.identity("other"))
        if pair[0] == pair[1]:
            raise Invalid(FieldError("other", "invalid", t("board.two_routes")))
        return dispatch.Edit(kind="exchange", postmen=pair)
    if act == "split":
        return dispatch.Edit(kind="split", items=tuple(forms.identities("parts")))
    items = tuple(forms.identities("items"))
    if act == "unplan":
        return dispatch.Edit(kind="unplan", items=items)
    if act == "lock" and request.form.get("lock") in LOCKS:
        return dispatch.Edit(kind="lock", items=items, lock=request.form["lock"])
    if act == "move":
        postman = forms.identity("postman") if request.form.get("postman") else None
        place = forms.whole("place", most=_MOST_PLACE, default=0) or None
        return dispatch.Edit(kind="move", items=items, postman=postman, place=place if postman else None)
    if act in ("up", "down"):
        return _shifted(plan_id, items[0], -1 if act == "up" else 1)
    raise Invalid(FieldError("act", "invalid", t("form.choose")))


def _shifted(plan_id: UUID, item: UUID, by: int) -> dispatch.Edit:
    """One place earlier or later on its own route."""
    for route in dispatch.get_plan(desk(), caller(), plan_id).routes:
        for stop in route.stops:
            if item in stop.items:
                place = min(max(1, stop.sequence + by), len(route.stops))
                return dispatch.Edit(kind="move", items=(item,), postman=route.postman, place=place)
    raise Refused("not-on-route", t("board.not_on_route"))
