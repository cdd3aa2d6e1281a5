"""The dispatcher's running day: how every round goes, kept up to date while somebody looks, and what may be changed of it."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now, unchanged
from api.web import forms, page, texts
from api.web.dispatcher import asked_day
from api.web.page import Trouble
from api.web.texts import t
from courier import dispatch, staffing, tracking
from courier.dispatch import Going, LiveDay
from courier.domain.calendar import local_day
from courier.domain.errors import Invalid, Refused, Stale

blueprint = page.pages("live_pages", __name__, prefix="/d/live")


@blueprint.get("")
@roles("dispatcher")
def live() -> Response:
    """The board with its map."""
    return _live_page()


@blueprint.get("/board")
@roles("dispatcher")
def board() -> Response:
    """The cards alone, for the page that is open already; 304 while nothing has happened."""
    tag = _tag()
    same: Response | None = unchanged(tag)
    if same is not None:
        return same
    answer = page.show("dispatcher/live_board.html", **_values())
    answer.headers["ETag"] = f'"{tag}"'
    return answer


def _live_page(trouble: Trouble | None = None) -> Response:
    # The tag first: what happens in between shows at the next look.
    tag = _tag()
    return page.show(
        "dispatcher/live.html", trouble.status if trouble else 200, trouble=trouble, tag=tag, **_values()
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ the rest of the day
@blueprint.post("/<uuid:plan_id>/replan")
@roles("dispatcher")
def replan(plan_id: UUID) -> Response:
    """Plan anew what is left, from where people are, and show what would change."""
    return _anew(
        lambda: dispatch.replan_rest(desk(), caller(), plan_id, version=_version(), at=now())
    )  # fmt: skip


@blueprint.post("/<uuid:plan_id>/breakdown/<uuid:postman_id>")
@roles("dispatcher")
def breakdown(plan_id: UUID, postman_id: UUID) -> Response:
    """Offer everything that a postman still had to the others, and show who would get what."""
    return _anew(
        lambda: dispatch.break_down(desk(), caller(), plan_id, postman_id, version=_version(), at=now())
    )  # fmt: skip


def _version() -> int:
    return forms.whole("version", most=2**31 - 1)


def _anew(plan: Callable[[], UUID]) -> Response:
    try:
        made = plan()
    except (Invalid, Refused, Stale) as fault:
        return _live_page(Trouble.of(fault))
    return page.go("live_pages.changes", plan_id=made)


@blueprint.get("/<uuid:plan_id>/changes")
@roles("dispatcher")
def changes(plan_id: UUID) -> Response:
    """What a replanned day changes, in words, before it is published."""
    found = dispatch.get_plan(desk(), caller(), plan_id)
    told = dispatch.changes_of(desk(), caller(), plan_id)
    if told is None:
        return page.go("dispatcher_pages.plan", plan_id=plan_id)
    names = {one.postman_id: one.name for one in told.rounds}
    moved: dict[tuple[UUID | None, UUID | None], list[Any]] = {}
    for one in told.moved:
        moved.setdefault((one.before, one.after), []).append(one)
    return page.show(
        "dispatcher/changes.html",
        plan=found,
        told=told,
        names=names,
        moved=moved,
        views=tracking.get_items(desk(), caller(), [item for one in told.moved for item in one.items]),
    )


# --------------------------------------------------------------------------------------------------- an urgent item
@blueprint.get("/<uuid:plan_id>/insert")
@roles("dispatcher")
def insert(plan_id: UUID) -> Response:
    """Where an item, named by its barcode, would fit, and what it would cost."""
    return _insert_page(plan_id)


def _insert_page(plan_id: UUID, trouble: Trouble | None = None) -> Response:
    found = dispatch.get_plan(desk(), caller(), plan_id)
    code = request.args.get("code", "").replace("\0", "").strip()[:40]
    view = (
        next((v for v in tracking.find_items(desk(), caller(), q=code, limit=2) if v.row.barcode == code.upper()), None)
        if code
        else None
    )
    places: list[dispatch.Opening] = []
    if view is not None and trouble is None:
        try:
            places = dispatch.places_for(desk(), caller(), plan_id, view.row.id, version=found.version, at=now())
        except Refused as fault:
            trouble = Trouble.of(fault)
    return page.show(
        "dispatcher/insert.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        plan=found,
        code=code,
        view=view,
        places=places,
    )


@blueprint.post("/<uuid:plan_id>/insert/<uuid:item_id>")
@roles("dispatcher")
def put_in(plan_id: UUID, item_id: UUID) -> Response:
    """Put the item on the round that was chosen."""
    try:
        dispatch.insert(
            desk(), caller(), plan_id, item_id, postman_id=forms.identity("postman"), version=_version(), at=now()
        )
    except (Invalid, Refused, Stale) as fault:
        return _insert_page(plan_id, Trouble.of(fault))
    return page.go("live_pages.live", done="inserted")


def _tag() -> str:
    language = texts.language()
    return dispatch.live_tag(desk(), caller(), office_id=None, day=asked_day(), at=now()) + language.encode().hex()


def _values() -> dict[str, Any]:
    found = dispatch.live(desk(), caller(), office_id=None, day=asked_day(), at=now())
    paces = Counter(going.outlook.pace.value for going in found.goings)
    return {
        "live": found,
        "is_today": found.day == local_day(now()),
        "paces": {"late": paces["late"], "silent": paces["silent"]},
        "map_data": _map_data(found),
    }


def _map_data(found: LiveDay) -> dict[str, Any]:
    """What the map draws; positions as (lat, lon)."""
    viewer = page.viewer()
    office = staffing.belonging(desk(), viewer).office if viewer else None
    return {
        "office": [office.lat, office.lon] if office else None,
        "office_name": office.name if office else "",
        "rounds": [
            {
                "hue": number % 12,
                "card": f"going-{going.round.postman_id}",
                "at": [going.place.lat, going.place.lon] if going.place else None,
                "label": _label(going),
                "rest": [[stop.lat, stop.lon] for stop, _ in going.coming],
            }
            for number, going in enumerate(found.goings)
        ],
    }


def _label(going: Going) -> str:
    at = texts.clock(going.place.at) if going.place else "–"
    return f"{going.round.name} · {t('live.last_act', at=at)}"
