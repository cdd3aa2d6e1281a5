"""The dispatcher's pages where the day begins: bag lists on trial and taken in, and addresses that nobody may guess."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now
from api.imports import workbook
from api.web import forms, page
from api.web.page import Trouble
from api.web.texts import t
from courier import intake, privacy, staffing, tracking
from courier.domain.calendar import local_day
from courier.domain.doors import house_words
from courier.domain.errors import FieldError, Invalid, Refused, Stale

blueprint = page.pages("import_pages", __name__, prefix="/d")

_MOST: Final = 200
_MOST_TO_CORRECT: Final = 30
_OUTCOMES: Final = ("rejected", "doubtful", "duplicate", "accepted")
_NEWEST: Final = 2**31 - 1


# ---------------------------------------------------------------------------------------------------------- bag lists
@blueprint.get("/imports")
@roles("dispatcher")
def imports() -> Response:
    """The form for a spreadsheet, the lists on trial, and the lists that were taken in."""
    return _imports_page()


def _imports_page(trouble: Trouble | None = None) -> Response:
    return page.show(
        "dispatcher/imports.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        waiting=intake.list_trials(desk(), caller()),
        earlier=intake.list_imports(desk(), caller(), limit=20),
    )


@blueprint.post("/imports")
@roles("dispatcher")
def bring_in() -> Response:
    """Put a spreadsheet on trial; nothing is taken in yet."""
    try:
        filename, content = _sheet()
        list_id = intake.stage_sheet(desk(), caller(), filename=filename, content=content, at=now())
    except (Invalid, Refused) as fault:
        return _imports_page(Trouble.of(fault))
    return page.go("import_pages.trial", list_id=list_id)


def _sheet() -> tuple[str, bytes]:
    sent = request.files.get("sheet")
    if sent is None or not sent.filename:
        raise Invalid(FieldError("sheet", "required", t("imports.choose")))
    return sent.filename, sent.read()


# ------------------------------------------------------------------------------------------------------------ on trial
@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that may be written anew: `wrong` is what is said about it."""

    key: str
    heading: str
    value: str
    wrong: str


@blueprint.get("/imports/lists/<uuid:list_id>")
@roles("dispatcher")
def trial(list_id: UUID) -> Response:
    """A list on trial: what its headings mean, how far the look at its rows is, every row's verdict, and what can be done."""
    return _trial_page(list_id)


def _trial_page(list_id: UUID, trouble: Trouble | None = None) -> Response:
    found = intake.get_trial(desk(), caller(), list_id)
    if found.batch_id is not None:
        return page.go("import_pages.import_result", import_id=found.batch_id, done="imported")
    checked = found.state in ("checked", "failed")
    groups = {outcome: _some(list_id, outcome) for outcome in _OUTCOMES} if checked else {}
    failed = [row for outcome in ("rejected", "duplicate") for row in groups.get(outcome, [])]
    # Who must say what a column means is shown our words for it, the required ones first.
    return page.show(
        "dispatcher/trial.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        trial=found,
        groups=groups,
        most=_MOST,
        wrong=[(row, _wrong_cells(row)) for row in groups.get("rejected", [])[:_MOST_TO_CORRECT]],
        failed=len(failed),
        keys=sorted(intake.HEADINGS, key=lambda heading: not heading.required),
        busy=found.state in ("checking", "committing"),
    )


def _some(list_id: UUID, outcome: str) -> list[intake.TrialRow]:
    return intake.trial_rows(desk(), caller(), list_id, outcomes=[outcome], limit=_MOST)


def _wrong_cells(row: intake.TrialRow) -> list[Cell]:
    """The cells of a row that something is said about, or all of them where it is said about the row."""
    cells = _cells(row)
    return [cell for cell in cells if cell.wrong] or cells


def _cells(row: intake.TrialRow) -> list[Cell]:
    said = {error.field: error.message for error in reversed(row.errors)}
    values: Mapping[str, object] = row.cells or {}
    return [
        Cell(heading.key, heading.vi, intake.written(values.get(heading.key)), said.get(heading.vi, ""))
        for heading in intake.HEADINGS
    ]


@blueprint.post("/imports/lists/<uuid:list_id>/columns")
@roles("dispatcher")
def name_columns(list_id: UUID) -> Response:
    """What the headings mean."""
    found = intake.get_trial(desk(), caller(), list_id)
    columns = {position: forms.text(f"column-{position}", at_most=40) for position in found.headings}
    try:
        version = forms.whole("version", most=_NEWEST)
        intake.name_columns(desk(), caller(), list_id, columns, version=version, at=now())
    except (Invalid, Refused, Stale) as fault:
        return _trial_page(list_id, Trouble.of(fault))
    return page.go("import_pages.trial", list_id=list_id, done="columns_named")


@blueprint.get("/imports/lists/<uuid:list_id>/rows/<int:number>")
@roles("dispatcher")
def trial_row(list_id: UUID, number: int) -> Response:
    """One row with all its cells, to be written anew."""
    rows = intake.trial_rows(desk(), caller(), list_id, numbers=[min(number, _NEWEST)])
    if not rows or rows[0].cells is None:
        return page.go("import_pages.trial", list_id=list_id)
    return page.show(
        "dispatcher/trial-row.html",
        trial=intake.get_trial(desk(), caller(), list_id),
        row=rows[0],
        cells=_cells(rows[0]),
    )


@blueprint.post("/imports/lists/<uuid:list_id>/rows")
@roles("dispatcher")
def correct(list_id: UUID) -> Response:
    """Cells written anew, of as many rows as the page showed; every row is looked at again."""
    try:
        changed: dict[int, dict[str, str]] = {}
        for name in request.form:
            if name.startswith("cell-"):
                _, number, key = name.split("-", 2)
                if not (number.isascii() and number.isdecimal() and int(number) <= _NEWEST):
                    raise Invalid(FieldError(name[:60], "unknown", t("form.load_again")))
                changed.setdefault(int(number), {})[key] = forms.text(name, at_most=2000)
        version = forms.whole("version", most=_NEWEST)
        intake.correct_rows(desk(), caller(), list_id, changed, version=version, at=now())
    except (Invalid, Refused, Stale) as fault:
        return _trial_page(list_id, Trouble.of(fault))
    return page.go("import_pages.trial", list_id=list_id, done="rows_checked")


@blueprint.get("/imports/lists/<uuid:list_id>/failed.xlsx")
@roles("dispatcher")
def failed_rows(list_id: UUID) -> Response:
    """The failed rows alone, with the reason, to be corrected elsewhere."""
    return workbook(intake.failed_rows(desk(), caller(), list_id), "dong-loi.xlsx")


@blueprint.post("/imports/lists/<uuid:list_id>/failed")
@roles("dispatcher")
def send_again(list_id: UUID) -> Response:
    """The failed rows come back corrected."""
    try:
        filename, content = _sheet()
        version = forms.whole("version", most=_NEWEST)
        intake.send_again(desk(), caller(), list_id, filename=filename, content=content, version=version, at=now())
    except (Invalid, Refused, Stale) as fault:
        return _trial_page(list_id, Trouble.of(fault))
    return page.go("import_pages.trial", list_id=list_id, done="rows_checked")


@blueprint.post("/imports/lists/<uuid:list_id>/commit")
@roles("dispatcher")
def commit(list_id: UUID) -> Response:
    """Take the list in."""
    try:
        version = forms.whole("version", most=_NEWEST)
        batch_id = intake.commit(desk(), caller(), list_id, version=version, at=now())
    except (Invalid, Refused, Stale) as fault:
        return _trial_page(list_id, Trouble.of(fault))
    if batch_id is None:
        return page.go("import_pages.trial", list_id=list_id)
    return page.go("import_pages.import_result", import_id=batch_id, done="imported")


@blueprint.post("/imports/lists/<uuid:list_id>/discard")
@roles("dispatcher")
def discard(list_id: UUID) -> Response:
    """Forget the list."""
    try:
        intake.discard(desk(), caller(), list_id, version=forms.whole("version", most=_NEWEST))
    except (Invalid, Refused, Stale) as fault:
        return _trial_page(list_id, Trouble.of(fault))
    return page.go("import_pages.imports", done="list_discarded")


# ------------------------------------------------------------------------------------------------------------ taken in
@blueprint.get("/imports/<uuid:import_id>")
@roles("dispatcher")
def import_result(import_id: UUID) -> Response:
    """Every row's verdict in words, what needs a person first."""
    return _import_page(import_id)


def _import_page(import_id: UUID, trouble: Trouble | None = None) -> Response:
    result = intake.get_import(desk(), caller(), import_id)
    groups = {outcome: [row for row in result.rows if row.outcome == outcome] for outcome in _OUTCOMES}
    return page.show(
        "dispatcher/import.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        result=result,
        groups=groups,
        most=_MOST,
        list_id=intake.list_of_import(desk(), caller(), import_id),
    )


@blueprint.post("/imports/<uuid:import_id>/undo")
@roles("dispatcher")
def undo(import_id: UUID) -> Response:
    """Take the whole import back."""
    try:
        intake.undo_import(desk(), caller(), import_id, at=now())
    except Refused as fault:
        return _import_page(import_id, Trouble.of(fault))
    return page.go("import_pages.import_result", import_id=import_id, done="import_undone")


# ---------------------------------------------------------------------------------------------------------- addresses
@dataclass(frozen=True, slots=True)
class Household:
    """A doubtful address in the queue: the first item of its household, how many there are, what is asked, what is known."""

    view: tracking.ItemView
    count: int
    question: str
    known: int


@blueprint.get("/addresses")
@roles("dispatcher")
def addresses() -> Response:
    """The queue of addresses that nobody may guess, one line a household."""
    views = _doubtful()
    known = intake.known_places(desk(), caller(), [view.row.id for view in views])
    day = local_day(now())
    households: dict[tuple[str, ...], Household] = {}
    for view in views:
        row = view.row
        key = (row.recipient_phone or row.recipient_name, *house_words(row.address_raw))
        first = households.get(key)
        if first is not None:
            households[key] = replace(first, count=first.count + 1)
            continue
        question = desk().gazetteer.resolve(row.address_raw, on=day).reason
        households[key] = Household(view, 1, question, len(known[row.id]))
    return page.show("dispatcher/addresses.html", households=list(households.values()), most=_MOST, items=len(views))


def _doubtful() -> list[tracking.ItemView]:
    return tracking.find_items(desk(), caller(), doubtful=True, limit=_MOST)


@blueprint.get("/addresses/<uuid:item_id>")
@roles("dispatcher")
def address(item_id: UUID) -> Response:
    """One address: what it may mean and why, where the recipient was found before, and a choice."""
    view = tracking.get_item(desk(), caller(), item_id)
    privacy.note_look(desk(), caller(), item_id, at=now())
    return _address_page(view)


def _address_page(view: tracking.ItemView, trouble: Trouble | None = None) -> Response:
    day = local_day(now())
    communes = [c for c in desk().gazetteer.communes() if c.valid_from <= day <= (c.valid_to or day)]
    found = page.viewer()
    office = staffing.belonging(desk(), found).office if found else None
    served = set(office.communes) if office else set()
    return page.show(
        "dispatcher/address.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        view=view,
        question=desk().gazetteer.resolve(view.row.address_raw, on=day).reason,
        served=sorted((c for c in communes if c.code in served), key=lambda c: c.name),
        others=sorted((c for c in communes if c.code not in served), key=lambda c: c.name),
        names={c.code: c.full_name for c in communes},
        boxes={c.code: c.box for c in communes},
        alike=len(intake.household(desk(), caller(), view.row.id)) + 1,
        known=intake.known_places(desk(), caller(), [view.row.id])[view.row.id],
    )


@blueprint.post("/addresses/<uuid:item_id>")
@roles("dispatcher")
def settle(item_id: UUID) -> Response:
    """The dispatcher's word on an address; the next doubtful one follows."""
    view = tracking.get_item(desk(), caller(), item_id)
    try:
        _settle(item_id)
    except (Invalid, Refused, Stale) as fault:
        return _address_page(view, Trouble.of(fault))
    following = next((other for other in _doubtful() if other.row.id != item_id), None)
    if following is not None:
        return page.go("import_pages.address", item_id=following.row.id, done="address_settled")
    return page.go("import_pages.addresses", done="address_settled")


def _settle(item_id: UUID) -> None:
    version = forms.whole("version", most=_NEWEST)
    same_address = bool(request.form.get("same_address"))
    if request.form.get("same_as"):
        earlier = forms.identity("same_as")
        intake.resolve_address(
            desk(), caller(), item_id, same_as=earlier, version=version, at=now(), same_address=same_address
        )
        return
    chosen = forms.text("commune", at_most=10)
    if chosen in ("", "other"):
        chosen = forms.text("other_commune", at_most=10)
    if not chosen:
        raise Invalid(FieldError("commune", "required", t("address.choose")))
    intake.resolve_address(
        desk(),
        caller(),
        item_id,
        commune_code=chosen,
        hamlet=forms.text("hamlet", at_most=100) or None,
        lat=forms.degrees("lat"),
        lon=forms.degrees("lon"),
        plus_code=forms.text("plus_code", at_most=30) or None,
        version=version,
        at=now(),
        same_address=same_address,
    )
