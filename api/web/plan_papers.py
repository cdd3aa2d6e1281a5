"""A plan on its own pages: what it leaves out and how to let it in, beside another plan, and on paper."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.worksheet import Worksheet

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import barcodes, forms, page, texts
from api.web.page import Trouble
from api.web.texts import t
from courier import dispatch, staffing, tracking
from courier.domain.calendar import ZONE
from courier.domain.errors import Invalid, Missing, Refused, Stale
from courier.store.plans import PlanView, RouteView, StopView
from courier.store.worklists import release_of

blueprint = Blueprint("plan_pages", __name__, url_prefix="/d")

MOST_ON_THE_PLAN: Final = 12
"""Left-out stops whose offers are worked out on the plan's own page; their own page has more."""
_MOST: Final = 60
_SKETCH: Final = (720, 420, 26)
"""Width, height and margin of the map of a run sheet."""
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


# ---------------------------------------------------------------------------------------------------- what is left out
def reasons_for(plan: PlanView, *, on_the_plan: bool = True) -> dict[str, Any]:
    """What the left-out part of a page shows: reasons with offers, the items they name, what gives way already."""
    most = MOST_ON_THE_PLAN if on_the_plan else _MOST
    told = dispatch.explain_plan(desk(), caller(), plan.id, at=now(), stops=False, most=most)
    ids = [
        item_id
        for reason in told.left_out
        for item_id in (*reason.items, *(i for offer in reason.offers for i in offer.instead))
    ]
    ids += [relief.item_id for relief in told.reliefs if relief.item_id]
    return {
        "reasons": told.left_out,
        "reliefs": told.reliefs,
        "left_out_items": tracking.get_items(desk(), caller(), ids),
        "postmen": {relief.postman_id: name for relief in told.reliefs for name in _names_of(plan, relief.postman_id)},
        "offered": offered,
        "gives_way": gives_way,
        "on_the_plan": on_the_plan,
        "most_offers": most,
    }


def _names_of(plan: PlanView, postman: UUID | None) -> list[str]:
    return [route.postman_name for route in plan.routes if route.postman == postman]


def offered(offer: dispatch.Offer, items: Mapping[UUID, tracking.ItemView]) -> str:
    """An offer in words."""
    if offer.kind == "exchange":
        names = dict.fromkeys(items[i].row.recipient_name for i in offer.instead if i in items)
        what = t("left_out.exchange", names=", ".join(names))
    elif offer.kind == "room":
        what = t("left_out.room")
    else:
        what = f" {t('left_out.and')} ".join(gives_way(change.kind, change.amount) for change in offer.changes)
    return t("left_out.offer", postman=offer.postman_name, what=what)


def gives_way(kind: str, amount: int) -> str:
    """By how much a rule gives way, in words."""
    if kind == "cash_limit":
        return t("left_out.cash_limit", amount=texts.dong(amount))
    if kind == "capacity":
        return t("left_out.capacity", count=amount)
    return t(f"left_out.{kind}", minutes=math.ceil(amount / 60))


@blueprint.get("/plans/<uuid:plan_id>/left-out")
@roles("dispatcher")
def left_out(plan_id: UUID) -> Response:
    """Everything that the plan leaves out, why, and what would let it in."""
    return _left_out_page(plan_id)


def _left_out_page(plan_id: UUID, trouble: Trouble | None = None) -> Response:
    plan = dispatch.get_plan(desk(), caller(), plan_id)
    try:
        shown = reasons_for(plan, on_the_plan=False)
    except Refused:
        return page.go("dispatcher_pages.plan", plan_id=plan_id)
    return page.show(
        "dispatcher/plan_left_out.html", trouble.status if trouble else 200, trouble=trouble, plan=plan, **shown
    )


@blueprint.post("/plans/<uuid:plan_id>/offers")
@roles("dispatcher")
def take_offer(plan_id: UUID) -> Response:
    """One click: the rule gives way and the stop is on the route."""
    try:
        dispatch.take_offer(
            desk(),
            caller(),
            plan_id,
            forms.identity("item"),
            key=forms.required("offer", at_most=300),
            version=forms.whole("version", most=2**31 - 1),
            at=now(),
        )
    except (Invalid, Refused, Stale) as fault:
        return _left_out_page(plan_id, Trouble.of(fault))
    if request.form.get("back") == "plan":
        return page.go("dispatcher_pages.plan", plan_id=plan_id, done="put_in")
    return page.go("plan_pages.left_out", plan_id=plan_id, done="put_in")


@blueprint.post("/plans/<uuid:plan_id>/reliefs/<uuid:relief_id>")
@roles("dispatcher")
def withdraw_relief(plan_id: UUID, relief_id: UUID) -> Response:
    """A rule that gave way holds again."""
    try:
        dispatch.withdraw_relief(
            desk(), caller(), plan_id, relief_id, version=forms.whole("version", most=2**31 - 1), at=now()
        )
    except (Invalid, Refused, Stale) as fault:
        return _left_out_page(plan_id, Trouble.of(fault))
    return page.go("dispatcher_pages.plan", plan_id=plan_id, done="relief_withdrawn")


@blueprint.get("/plans/<uuid:plan_id>/reasons")
@roles("dispatcher")
def reasons(plan_id: UUID) -> Response:
    """Why every stop of a round is where and when it is (`?route=`, else the first)."""
    plan = dispatch.get_plan(desk(), caller(), plan_id)
    wanted = request.args.get("route")
    route = next((route for route in plan.routes if wanted in (None, str(route.id))), None)
    if route is None and wanted is not None:
        raise Missing("route", wanted)
    told: tuple[dispatch.RouteReason, ...] = ()
    if route is not None and plan.state in ("solved", "published", "superseded"):
        told = dispatch.explain_plan(desk(), caller(), plan_id, at=now(), postman=route.postman).routes
    ids = [item_id for reason in told for stop in reason.stops for item_id in stop.items]
    return page.show(
        "dispatcher/plan_reasons.html",
        plan=plan,
        shown=route,
        told=told[0] if told else None,
        views=tracking.get_items(desk(), caller(), ids),
        tied=tied,
    )


def tied(tie: dispatch.Tie) -> str:
    """What holds a stop, in words."""
    return t(f"tie.{tie.code}", stop=tie.stop or "")


# ------------------------------------------------------------------------------------------------------ beside another
@blueprint.get("/plans/<uuid:plan_id>/compare/<uuid:other_id>")
@roles("dispatcher")
def compare(plan_id: UUID, other_id: UUID) -> Response:
    """What changes from this plan to the other."""
    try:
        found = dispatch.compare_plans(desk(), caller(), plan_id, other_id, at=now())
    except Refused as fault:
        return page.show("dispatcher/compare.html", 409, trouble=Trouble.of(fault), found=None, plan_id=plan_id)
    ids = [item_id for change in found.stops for item_id in change.items]
    return page.show(
        "dispatcher/compare.html",
        found=found,
        plan_id=plan_id,
        views=tracking.get_items(desk(), caller(), ids),
    )


def others_of(plan: PlanView) -> list[PlanView]:
    """The plans of the same day that this one can be held beside."""
    of_day = dispatch.list_plans(desk(), caller(), day=plan.day, limit=10, with_routes=False)
    return [other for other in of_day if other.id != plan.id and other.state in ("solved", "published", "superseded")]


# ------------------------------------------------------------------------------------------------------------ on paper
@dataclass(frozen=True, slots=True)
class Paper:
    """An item on a run sheet: its bars, which of the sheet's release rules holds (from 1), what to collect by kind."""

    view: tracking.ItemView
    bars: tuple[int, str] | None
    release: Mapping[str, Any]
    rule: int
    due: tuple[tuple[str, int], ...]
    due_dong: int


@dataclass(frozen=True, slots=True)
class Call:
    """A stop on a run sheet."""

    stop: StopView
    papers: tuple[Paper, ...]
    due_dong: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """A postman's run sheet, with each release rule said once. `points` are on the map in pixels, the office first."""

    route: RouteView
    calls: tuple[Call, ...]
    items: int
    due_dong: int
    rules: tuple[Mapping[str, Any], ...]
    points: tuple[tuple[float, float], ...]
    scale: tuple[float, str]


def _leaves(plan: PlanView) -> list[Leaf]:
    wanted = request.args.get("route")
    routes = [route for route in plan.routes if wanted is None or str(route.id) == wanted]
    if wanted is not None and not routes:
        raise Missing("route", wanted)
    ids = [item_id for route in routes for stop in route.stops for item_id in stop.items]
    views = tracking.get_items(desk(), caller(), ids)
    viewer = page.viewer()
    office = staffing.belonging(desk(), viewer).office if viewer else None
    leaves = []
    for route in routes:
        rules: list[Mapping[str, Any]] = []
        calls = []
        for stop in route.stops:
            papers = tuple(_paper(views[item_id], plan, rules) for item_id in stop.items if item_id in views)
            calls.append(Call(stop, papers, _sum(papers)))
        points, scale = _drawn(
            [(stop.lat, stop.lon) for stop in route.stops], (office.lat, office.lon) if office else None
        )
        leaves.append(
            Leaf(
                route,
                tuple(calls),
                sum(len(call.papers) for call in calls),
                sum(call.due_dong for call in calls),
                tuple(rules),
                points,
                scale,
            )
        )
    return leaves


def _sum(papers: Sequence[Paper]) -> int:
    return sum(paper.due_dong for paper in papers)


def _paper(view: tracking.ItemView, plan: PlanView, rules: list[Mapping[str, Any]]) -> Paper:
    row = view.row
    due = tuple((charge.kind, charge.amount_dong) for charge in view.charges if charge.amount_dong)
    release = release_of(desk().facts, row.document_type, view.agency_code, plan.day, subject=row.subject)
    rule = {"who": release["who"], "show": release["show"]}
    if rule not in rules:
        rules.append(rule)
    return Paper(view, _bars(row.barcode), release, rules.index(rule) + 1, due if view.due_dong else (), view.due_dong)


def _bars(code: str) -> tuple[int, str] | None:
    """The bars of a barcode; none for one of a foreign alphabet, which is written out only."""
    try:
        return barcodes.code128(code)
    except ValueError:
        return None


def _drawn(
    places: Sequence[tuple[float, float]], office: tuple[float, float] | None
) -> tuple[tuple[tuple[float, float], ...], tuple[float, str]]:
    """The office and the places (lat, lon) on the paper, and a bar of a round length with what it stands for.

    The paper shows the doors as large as they can be; an office far from them stands at its edge, where the way leads.
    """
    width, height, margin = _SKETCH
    if not places:
        return (), (0.0, "")
    north = places[0][0]

    def metres(place: tuple[float, float]) -> tuple[float, float]:
        return place[1] * 111_320 * math.cos(math.radians(north)), place[0] * 110_574

    doors = [metres(place) for place in places]
    left, low = min(x for x, _ in doors), min(y for _, y in doors)
    wide, high = max(x for x, _ in doors) - left, max(y for _, y in doors) - low
    per_metre = min((width - 2 * margin) / max(wide, 200.0), (height - 2 * margin) / max(high, 200.0))
    across, down = (width - wide * per_metre) / 2, (height + high * per_metre) / 2

    def drawn(x: float, y: float) -> tuple[float, float]:
        at_x, at_y = across + (x - left) * per_metre, down - (y - low) * per_metre
        return round(min(max(at_x, 10.0), width - 10.0), 1), round(min(max(at_y, 10.0), height - 10.0), 1)

    points = tuple(drawn(*place) for place in ([metres(office)] if office else []) + doors)
    lengths = [step for step in _SCALES if step * per_metre <= width / 3]
    length = lengths[-1] if lengths else _SCALES[0]
    return points, (round(length * per_metre, 1), f"{length // 1000} km" if length >= 1000 else f"{length} m")


_SCALES: Final = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)


@blueprint.get("/plans/<uuid:plan_id>/sheet")
@roles("dispatcher")
def sheet(plan_id: UUID) -> Response:
    """The run sheets of a plan, one a postman, or of one route (`?route=`): for paper."""
    plan = dispatch.get_plan(desk(), caller(), plan_id)
    return page.show(
        "dispatcher/sheet.html", plan=plan, leaves=_leaves(plan), sketch=_SKETCH, office_name=_office_name(), at=now()
    )


@blueprint.get("/plans/<uuid:plan_id>/labels")
@roles("dispatcher")
def labels(plan_id: UUID) -> Response:
    """A label for every item, with its code to scan: no document kind, no ID number, no phone."""
    plan = dispatch.get_plan(desk(), caller(), plan_id)
    leaves = _leaves(plan)
    return page.show(
        "dispatcher/labels.html",
        plan=plan,
        leaves=leaves,
        codes={
            paper.view.row.id: barcodes.qr(paper.view.row.barcode)
            for leaf in leaves
            for call in leaf.calls
            for paper in call.papers
        },
        office_name=_office_name(),
    )


def _office_name() -> str:
    viewer = page.viewer()
    office = staffing.belonging(desk(), viewer).office if viewer else None
    return office.name if office else ""


# ----------------------------------------------------------------------------------------------------- as a spreadsheet
@blueprint.get("/plans/<uuid:plan_id>/plan.xlsx")
@roles("dispatcher")
def spreadsheet(plan_id: UUID) -> Response:
    """The plan as a workbook: a sheet for each route, and one for what is left out."""
    plan = dispatch.get_plan(desk(), caller(), plan_id)
    left_over = dispatch.unplanned(desk(), caller(), plan_id)
    book = Workbook()
    book.remove(book.active)
    names: set[str] = set()
    for leaf in _leaves(plan):
        tab = book.create_sheet(_tab(leaf.route.postman_name, names))
        _head(
            tab,
            ("#", "plan.time", "sheet.code", "sheet.recipient", "addresses.address", "sheet.phone", "sheet.to_collect"),
        )
        for call in leaf.calls:
            for paper in call.papers:
                row = paper.view.row
                _line(
                    tab,
                    call.stop.sequence,
                    f"{call.stop.arrives_at.astimezone(ZONE):%H:%M}",
                    row.barcode,
                    row.recipient_name,
                    row.address_raw,
                    row.recipient_phone or "",
                    paper.due_dong,
                )
        _line(tab, None, None, None, None, None, t("sheet.total"), leaf.due_dong)
    tab = book.create_sheet(_tab(t("plan.unplanned"), names))
    _head(tab, ("sheet.code", "addresses.address", "plan.why", "sheet.reason"))
    for missed in left_over:
        _line(tab, missed.barcode, missed.address, texts.word("unplanned", missed.code), missed.sentence)
    content = io.BytesIO()
    book.save(content)
    return Response(
        content.getvalue(),
        mimetype=_XLSX,
        headers={
            "Content-Disposition": f'attachment; filename="plan-{plan.day:%Y%m%d}.xlsx"',
            "Cache-Control": "private, no-store",
        },
    )


def _tab(name: str, taken: set[str]) -> str:
    """A name that a sheet may have and no other has."""
    kept = "".join(letter for letter in name if letter not in "[]:*?/\\").strip("'")[:27] or "-"
    found, number = kept, 2
    while found.lower() in taken:
        found, number = f"{kept} {number}", number + 1
    taken.add(found.lower())
    return found


def _head(tab: Worksheet, keys: Sequence[str]) -> None:
    _line(tab, *(t(key) if "." in key else key for key in keys))
    for cell in tab[1]:
        cell.font = Font(bold=True)
    tab.freeze_panes = "A2"
    for letter, width in zip("ABCDEFG", (14, 26, 18, 26, 48, 16, 16), strict=True):
        tab.column_dimensions[letter].width = width


def _line(tab: Worksheet, *values: str | int | None) -> None:
    """A row in which text stays text: what begins like a formula is shown, not worked out, here and after a copy as CSV."""
    at = tab.max_row + 1 if tab.max_row > 1 or tab["A1"].value is not None else 1
    for column, value in enumerate(values, start=1):
        if value is None:
            continue
        cell = tab.cell(at, column)
        if isinstance(value, int):
            cell.value = value
            cell.number_format = "#,##0"
            continue
        kept = "".join(letter for letter in value if letter.isprintable())
        cell.value = f"'{kept}" if kept[:1] in _BEGINS_A_FORMULA else kept
        cell.data_type = "s"
        cell.alignment = Alignment(wrap_text=True, vertical="top")


_BEGINS_A_FORMULA: Final = frozenset("=+-@\t\r")


def papers_of(plan: PlanView) -> dict[str, Any]:
    """The links from a plan to its papers and to the plans beside it."""
    return {
        "reasons": url_for("plan_pages.reasons", plan_id=plan.id),
        "sheet": url_for("plan_pages.sheet", plan_id=plan.id),
        "labels": url_for("plan_pages.labels", plan_id=plan.id),
        "spreadsheet": url_for("plan_pages.spreadsheet", plan_id=plan.id),
        "others": others_of(plan),
    }
