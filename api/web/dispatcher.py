"""The dispatcher's pages: the day, plans with their routes, and trouble with an owner."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from flask import Response, request, url_for

from api.auth import caller, roles
from api.conventions import desk, may_send, now
from api.phones import MOST_RESCUE_BYTES, read_rescue_file, take_rescue_file
from api.web import board, forms, page, plan_papers, texts
from api.web.page import Trouble
from api.web.texts import t
from courier import dispatch, incidents, staffing, tracking
from courier import phones as office_phones
from courier.domain.calendar import local_day
from courier.domain.errors import FieldError, Invalid, Missing, Refused, Stale
from courier.domain.item import Direction, State
from courier.domain.trouble import Kind
from courier.store.plans import PlanView, RouteView
from courier.store.tables import Item

blueprint = page.pages("dispatcher_pages", __name__, prefix="/d")

_DONE: Final = frozenset({State.DELIVERED, State.FETCHED, State.PICKED_UP, State.AT_OFFICE, State.LODGED})
_OFF_THE_ROUTE: Final = frozenset(
    {
        State.ANNOUNCED,
        State.RECEIVED,
        State.REQUESTED,
        State.TO_FORWARD,
        State.FORWARDED,
        State.AWAITING_PICKUP,
        State.CANCELLED,
    }
)
_MOST: Final = 200
_SECONDS: Final = (3, 8, 20, 60)
_EXPLAINED_BESIDE: Final = 400


def asked_day() -> date:
    """The day that the page is about: `?date=`, or today."""
    try:
        return date.fromisoformat(request.args.get("date", ""))
    except ValueError:
        return local_day(now())


def days_around(day: date) -> tuple[date, date]:
    """The day before and the day after; the first and the last of the calendar stay where they are."""
    step = timedelta(days=1)
    return (day - step if day > date.min else day), (day + step if day < date.max else day)


# ------------------------------------------------------------------------------------------------------------ the day
@dataclass(frozen=True, slots=True)
class Progress:
    """How far a postman's route has come. `loaded` of `to_load` papers went into his bag: the count on his phone in the morning."""

    route: RouteView
    items: int
    done: int
    failed: int
    loaded: int
    to_load: int
    bag: int
    due_dong: int


@blueprint.get("")
@roles("dispatcher")
def day() -> Response:
    """What waits for the dispatcher, how the routes go, and the plans of the day."""
    return _day_page()


def _day_page(trouble: Trouble | None = None) -> Response:
    shown = asked_day()
    plans = dispatch.list_plans(desk(), caller(), day=shown, limit=10)
    published = next((plan for plan in plans if plan.state == "published"), None)
    if published is None and (running := dispatch.running_plan(desk(), caller(), shown)) is not None:
        published = dispatch.get_plan(desk(), caller(), running[0])  # many were made since
    today = local_day(now())
    return page.show(
        "dispatcher/day.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        day=shown,
        today=today,
        around=days_around(shown),
        doubtful=len(tracking.find_items(desk(), caller(), doubtful=True, limit=_MOST)),
        troubles=len(incidents.find_incidents(desk(), caller(), limit=_MOST)),
        waiting=len(tracking.find_items(desk(), caller(), state=State.RECEIVED, limit=_MOST)),
        most=_MOST,
        plans=plans,
        published=published,
        progress=_progress(published) if published else [],
        choices=[today + timedelta(days=ahead) for ahead in range(8)],
        seconds=_SECONDS,
        usual=min(_SECONDS, key=lambda s: abs(s - desk().settings.solve_seconds)),
        office=_office_name(),
    )


def _office_name() -> str:
    found = page.viewer()
    office = staffing.belonging(desk(), found).office if found else None
    return office.name if office else ""


def _progress(plan: PlanView) -> list[Progress]:
    views = _items_of(plan)
    rows = []
    for route in plan.routes:
        known = [views[item_id] for stop in route.stops for item_id in stop.items if item_id in views]
        states = Counter(view.row.state for view in known)
        papers = [view.row for view in known if view.row.direction == Direction.RESULT and _is_due(view.row, plan.day)]
        rows.append(
            Progress(
                route,
                len(known),
                sum(states[state] for state in _DONE),
                states[State.ATTEMPTED] + states[State.HELD],
                sum(row.state != State.PLANNED for row in papers),
                len(papers),
                states[State.OUT],
                sum(view.due_dong for view in known),
            )
        )
    return rows


def _is_due(row: Item, day: date) -> bool:
    """False for what was taken off the route since it was published, as on the postman's own list."""
    moved = row.state == State.HELD and row.wanted_on is not None and row.wanted_on > day
    return row.state not in _OFF_THE_ROUTE and not moved


def _items_of(plan: PlanView) -> Mapping[UUID, tracking.ItemView]:
    ids = [item_id for route in plan.routes for stop in route.stops for item_id in stop.items]
    return tracking.get_items(desk(), caller(), ids)


# -------------------------------------------------------------------------------------------------------------- plans
@blueprint.post("/plans")
@roles("dispatcher")
@forms.once
def ask_for_plan() -> Response:
    """Ask for a plan; the page of the draft shows how it gets on."""
    try:
        wanted = forms.day("day")
        if wanted is None:
            raise Invalid(FieldError("day", "required", t("form.required")))
        seconds = forms.whole("seconds", least=1, most=int(dispatch.MOST_SECONDS))
        plan_id = dispatch.request_plan(desk(), caller(), office_id=None, day=wanted, at=now(), seconds=float(seconds))
    except (Invalid, Refused) as fault:
        return _day_page(Trouble.of(fault))
    return page.go("dispatcher_pages.plan", plan_id=plan_id)


@blueprint.get("/plans/<uuid:plan_id>")
@roles("dispatcher")
def plan(plan_id: UUID) -> Response:
    """Routes side by side with the map, what is left out and why, and publishing."""
    return plan_page(plan_id)


def plan_page(plan_id: UUID, trouble: Trouble | None = None) -> Response:
    """The page of a plan: a solved one with its board, to be changed by hand."""
    found = dispatch.get_plan(desk(), caller(), plan_id)
    solved = found.state == "solved"
    views = {} if solved else _items_of(found)
    left_out = dispatch.unplanned(desk(), caller(), plan_id) if found.state != "draft" else []
    stops = sum(len(route.stops) for route in found.routes)
    # Of a large plan the board comes first: why something is left out has a page of its own.
    explained = found.state not in ("draft", "failed") and not (solved and stops > _EXPLAINED_BESIDE)
    if solved and explained and not left_out:
        explained = dispatch.has_reliefs(desk(), caller(), plan_id)
    answers = plan_papers.reasons_for(found) if explained else {"reasons": (), "reliefs": ()}
    return page.show(
        "dispatcher/plan.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        plan=found,
        views=views,
        left_out=left_out,
        today=local_day(now()),
        map_data=None if solved else _map_data(found, views),
        board=board.board_of(found) if solved else None,
        papers=plan_papers.papers_of(found),
        **answers,
    )


def _map_data(found: PlanView, views: Mapping[UUID, tracking.ItemView]) -> dict[str, Any]:
    """What the map draws; positions as (lat, lon). A route leaves from the office's own point."""
    viewer = page.viewer()
    office = staffing.belonging(desk(), viewer).office if viewer else None
    start = [office.lat, office.lon] if office else None
    routes = []
    for number, route in enumerate(found.routes):
        stops = [
            {
                "at": [stop.lat, stop.lon],
                "label": f"{stop.sequence}. {texts.about(stop.arrives_at)} – {_names(stop.items, views)}",
                "anchor": f"stop-{number}-{stop.sequence}",
                "number": stop.sequence,
            }
            for stop in route.stops
        ]
        routes.append({"hue": number % 12, "name": route.postman_name, "stops": stops})
    return {"office": start, "office_name": office.name if office else "", "routes": routes}


def _names(ids: Iterable[UUID], views: Mapping[UUID, tracking.ItemView]) -> str:
    return ", ".join(dict.fromkeys(views[item_id].row.recipient_name for item_id in ids if item_id in views))


@blueprint.post("/plans/<uuid:plan_id>/publish")
@roles("dispatcher")
def publish(plan_id: UUID) -> Response:
    """Make the plan the one that postmen follow."""
    try:
        dispatch.publish(desk(), caller(), plan_id, version=forms.whole("version", most=2**31 - 1), at=now())
    except Stale:
        current = dispatch.get_plan(desk(), caller(), plan_id)
        if current.state == "published":
            return page.go("dispatcher_pages.plan", plan_id=plan_id, done="published_already")
        return plan_page(plan_id, Trouble(t("plan.stale", state=texts.word("state", current.state)), 412, "stale"))
    except (Invalid, Refused) as fault:
        return plan_page(plan_id, Trouble.of(fault))
    return page.go("dispatcher_pages.plan", plan_id=plan_id, done="published")


# -------------------------------------------------------------------------------------------------- items, incidents
@blueprint.get("/items")
@roles("dispatcher")
def items() -> Response:
    """Search, with or without diacritics."""
    return found_items("dispatcher_pages.items")


def found_items(
    endpoint: str, *, beside: Sequence[tracking.ItemView] = (), mail: Sequence[tracking.ItemView] = ()
) -> Response:
    """The page of a search over items: `?q=`, `?state=`, 50 at a time."""
    q = request.args.get("q", "").replace("\0", "").strip()[:100]
    state = request.args.get("state") or None
    state = state if state in set(State) else None
    after = request.args.get("after")
    try:
        position = UUID(after) if after else None
    except ValueError:
        position = None
    rows = tracking.find_items(desk(), caller(), q=q, state=state, after=position, limit=51) if q or state else []
    more = url_for(endpoint, q=q or None, state=state, after=rows[49].row.id) if len(rows) > 50 else None
    return page.show(
        "items/search.html", q=q, state=state, states=list(State), rows=rows[:50], more=more, here_at=endpoint,
        beside=beside, mail=mail,
    )  # fmt: skip


@blueprint.get("/incidents", endpoint="incidents")
@roles("dispatcher")
def list_incidents() -> Response:
    """Trouble with an owner, newest first."""
    return incidents_page("dispatcher_pages")


def incidents_page(place: str, trouble: Trouble | None = None) -> Response:
    """The incidents of the office, overdue ones first, with forms to take or close each; `place` is the blueprint."""
    show_all = request.args.get("all") == "1"
    asked = request.args.get("kind", "")
    kind = Kind(asked) if asked in set(Kind) else None
    open_ones = incidents.board(desk(), caller(), kind=kind, at=now())
    closed = incidents.find_incidents(desk(), caller(), open_only=False, limit=100) if show_all else []
    rows = [one.row for one in open_ones] + [row for row in closed if row.closed_at is not None]
    views = tracking.get_items(desk(), caller(), [row.item_id for row in rows if row.item_id])
    stranded = place == "dispatcher_pages" and any(one.kind is Kind.ROAD for one in open_ones)
    return page.show(
        "incidents.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        open_ones=open_ones,
        closed=[row for row in closed if row.closed_at is not None],
        views=views,
        place=place,
        show_all=show_all,
        kind=kind,
        kinds=list(Kind),
        people=incidents.people_for(desk(), caller()),
        me=caller().id,
        running=dispatch.running_plan(desk(), caller(), local_day(now())) if stranded else None,
        set_aside=incidents.set_aside(desk(), caller(), limit=20),
    )


@blueprint.post("/incidents/<uuid:incident_id>/assign")
@roles("dispatcher")
def assign_incident(incident_id: UUID) -> Response:
    """Who sees to it."""
    return assign("dispatcher_pages", incident_id)


def assign(place: str, incident_id: UUID) -> Response:
    """Give an incident to somebody; a refusal is said on the same page."""
    try:
        chosen = forms.identity("staff") if request.form.get("staff") else None
        incidents.assign(desk(), caller(), incident_id, to=chosen)
    except (Invalid, Refused) as fault:
        return incidents_page(place, Trouble.of(fault))
    return page.go(f"{place}.incidents", done="incident_assigned")


@blueprint.post("/incidents/<uuid:incident_id>")
@roles("dispatcher")
def close_incident(incident_id: UUID) -> Response:
    """What was decided."""
    return close("dispatcher_pages", incident_id)


def close(place: str, incident_id: UUID) -> Response:
    """Close an incident and show the rest; a refusal is said on the same page."""
    try:
        resolution = forms.text("resolution")
        if not resolution:
            raise Invalid(FieldError(f"resolution_{incident_id}", "required", t("incidents.resolution_missing")))
        incidents.close_incident(desk(), caller(), incident_id, resolution=resolution, at=now())
    except (Invalid, Refused) as fault:
        return incidents_page(place, Trouble.of(fault))
    return page.go(f"{place}.incidents", done="incident_closed")


# ------------------------------------------------------------------------------------------------------------- phones
@blueprint.get("/phones")
@roles("dispatcher")
def phones() -> Response:
    """The office's phones: who bears them, what is missed of them, and the way to revoke one or to bring a rescue file."""
    return _phones_page()


def _phones_page(trouble: Trouble | None = None, *, rescued: Mapping[str, Any] | None = None) -> Response:
    return page.show(
        "dispatcher/phones.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        rows=office_phones.list_phones(desk(), caller(), at=now()),
        rescued=rescued,
    )


@blueprint.post("/phones/<uuid:device_id>/revoke")
@roles("dispatcher")
def revoke_phone(device_id: UUID) -> Response:
    """A phone is lost: it is given nothing more."""
    office_phones.revoke(desk(), caller(), device_id, at=now())
    return page.go("dispatcher_pages.phones", done="phone_revoked")


@blueprint.post("/phones/rescue")
@roles("dispatcher")
@may_send(MOST_RESCUE_BYTES)
def rescue() -> Response:
    """Take in what a phone could not send any more, and say what became of it. Sending the page again changes nothing."""
    sent = request.files.get("file")
    try:
        if sent is None or not sent.filename:
            raise Invalid(FieldError("file", "required", t("devices.choose")))
        answer = take_rescue_file(read_rescue_file(sent.read()))
    except Invalid:
        return _phones_page(Trouble(t("devices.no_rescue_file"), 422, fields={"file": t("devices.choose")}))
    except Missing:
        return _phones_page(Trouble(t("devices.other_office"), 404, fields={"file": t("devices.choose")}))
    counts = Counter(entry["result"] for entry in answer["results"])
    media = Counter(entry["result"] for entry in answer["media"])
    return _phones_page(rescued={"events": counts, "media": media})
