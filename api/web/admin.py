"""The admin's pages: people, offices, agencies, and the facts with what nobody could verify marked."""

from typing import Final
from uuid import UUID

from flask import Response, request

from api.auth import caller, roles
from api.conventions import desk, now
from api.web import forms, page
from api.web.page import Trouble
from api.web.texts import t
from courier import staffing
from courier.domain.errors import FieldError, Invalid, Refused, Stale
from courier.domain.people import Role
from courier.store.people import Person
from courier.store.tables import Agency, Office

blueprint = page.pages("admin_pages", __name__, prefix="/a")

_ROLES: Final = tuple(role for role in Role if role is not Role.CITIZEN)
_MODES: Final = ("motorbike", "boat", "foot")
_PAGE: Final = 200
_MOST_VERSION: Final = 2**31 - 1


# ------------------------------------------------------------------------------------------------------------- people
@blueprint.get("")
@roles("admin")
def people() -> Response:
    """Everybody who may sign in."""
    q = request.args.get("q", "").replace("\0", "").strip()[:100]
    after = request.args.get("after", "").replace("\0", "")[:100] or None
    found = staffing.list_staff(desk(), caller(), q=q or None, after=after, limit=_PAGE + 1)
    places = {office.id: office.name for office in _offices()} | {agency.id: agency.name for agency in _agencies()}
    more = found[_PAGE - 1].staff.login if len(found) > _PAGE else None
    return page.show("admin/people.html", people=found[:_PAGE], q=q, places=places, more=more)


def _offices() -> list[Office]:
    return list(staffing.list_offices(desk(), caller(), after=None, limit=_PAGE))


def _agencies() -> list[Agency]:
    return list(staffing.list_agencies(desk(), caller(), after=None, limit=_PAGE))


@blueprint.get("/people/new")
@roles("admin")
def new_person() -> Response:
    """The form for an account."""
    return _new_page()


def _new_page(trouble: Trouble | None = None) -> Response:
    return page.show(
        "admin/new_person.html",
        trouble.status if trouble else 200,
        trouble=trouble,
        roles=_ROLES,
        offices=_offices(),
        agencies=_agencies(),
        modes=_MODES,
    )


@blueprint.post("/people/new")
@roles("admin")
def create_person() -> Response:
    """Make an account; its one-time password is shown on this answer and never again."""
    try:
        person, password = staffing.create_staff(desk(), caller(), _new_staff(), at=now())
    except (Invalid, Refused) as fault:
        return _new_page(Trouble.of(fault))
    return _person_page(person, password=password)


def _new_staff() -> staffing.NewStaff:
    name = request.form.get("role", "")
    if name not in set(_ROLES):
        raise Invalid(FieldError("role", "required", t("form.choose")))
    role = Role(name)
    in_office = role not in (Role.ADMIN, Role.AGENCY)
    return staffing.NewStaff(
        login=forms.required("login", at_most=40).lower(),
        name=forms.required("name", at_most=200),
        role=role,
        office_id=forms.identity("office") if in_office else None,
        agency_id=forms.identity("agency") if role is Role.AGENCY else None,
        phone=forms.text("phone", at_most=21) or None,
        work=_work() if role is Role.POSTMAN else None,
    )


def _work() -> staffing.Work:
    mode = request.form.get("mode", _MODES[0])
    if mode not in _MODES:
        raise Invalid(FieldError("mode", "invalid", t("form.choose")))
    return staffing.Work(
        mode=mode,
        capacity_items=forms.whole("capacity_items", least=1, most=1000, default=80),
        cash_limit_dong=forms.dong("cash_limit_dong", default=20_000_000),
    )


@blueprint.get("/people/<uuid:staff_id>")
@roles("admin")
def person(staff_id: UUID) -> Response:
    """One person."""
    return _person_page(staffing.staff_card(desk(), caller(), staff_id))


def _person_page(found: Person, trouble: Trouble | None = None, *, password: str | None = None) -> Response:
    status = trouble.status if trouble else 200
    return page.show(
        "admin/person.html", status, trouble=trouble, person=found, password=password, offices=_offices()
    )  # fmt: skip


@blueprint.post("/people/<uuid:staff_id>")
@roles("admin")
def change_person(staff_id: UUID) -> Response:
    """Name, phone, office; in use or not."""
    card = staffing.staff_card(desk(), caller(), staff_id)
    try:
        active = {"activate": True, "deactivate": False}.get(request.form.get("do", ""))
        changes = staffing.StaffChanges(active=active)
        if active is None:
            office = forms.identity("office") if card.staff.office_id else None
            changes = staffing.StaffChanges(
                name=forms.required("name", at_most=200),
                phone=forms.text("phone", at_most=21) or None,
                office_id=office,
            )
        version = forms.whole("version", most=_MOST_VERSION)
        staffing.change_staff(desk(), caller(), staff_id, changes, version=version, at=now())
    except (Invalid, Refused, Stale) as fault:
        return _person_page(card, Trouble.of(fault))
    return page.go("admin_pages.person", staff_id=staff_id, done="saved")


@blueprint.post("/people/<uuid:staff_id>/password")
@roles("admin")
def reset_password(staff_id: UUID) -> Response:
    """A one-time password, shown on this answer and never again."""
    try:
        version = forms.whole("version", most=_MOST_VERSION)
        found, password = staffing.reset_password(desk(), caller(), staff_id, version=version, at=now())
    except (Invalid, Stale) as fault:
        return _person_page(staffing.staff_card(desk(), caller(), staff_id), Trouble.of(fault))
    return _person_page(found, password=password)


# ------------------------------------------------------------------------------------------------- offices, agencies
@blueprint.get("/offices")
@roles("admin")
def offices() -> Response:
    """The offices and counters, and a form for one more."""
    return _offices_page()


def _offices_page(trouble: Trouble | None = None) -> Response:
    status = trouble.status if trouble else 200
    communes = {commune.code: commune.full_name for commune in desk().gazetteer.communes()}
    return page.show("admin/offices.html", status, trouble=trouble, offices=_offices(), communes=communes)


@blueprint.post("/offices")
@roles("admin")
def create_office() -> Response:
    """Open an office at the point of its commune."""
    try:
        code = request.form.get("commune", "")
        commune = next((c for c in desk().gazetteer.communes() if c.code == code), None)
        if commune is None:
            raise Invalid(FieldError("commune", "required", t("form.choose")))
        parent = forms.identity("parent") if request.form.get("parent") else None
        staffing.create_office(
            desk(),
            caller(),
            staffing.OfficeDetails(
                code=forms.required("code", at_most=40).upper(),
                name=forms.required("name", at_most=200),
                kind="counter" if parent else "office",
                commune_code=commune.code,
                lat=commune.lat,
                lon=commune.lon,
                communes=() if parent else tuple(request.form.getlist("communes")),
                parent_id=parent,
            ),
            at=now(),
        )
    except (Invalid, Refused) as fault:
        return _offices_page(Trouble.of(fault))
    return page.go("admin_pages.offices", done="saved")


@blueprint.post("/offices/<uuid:office_id>")
@roles("admin")
def change_office(office_id: UUID) -> Response:
    """Its name, and whether it is open."""
    try:
        active = {"activate": True, "deactivate": False}.get(request.form.get("do", ""))
        name = forms.required("name", at_most=200) if active is None else None
        changes = staffing.OfficeChanges(name=name, active=active)
        version = forms.whole("version", most=_MOST_VERSION)
        staffing.change_office(desk(), caller(), office_id, changes, version=version, at=now())
    except (Invalid, Refused, Stale) as fault:
        return _offices_page(Trouble.of(fault))
    return page.go("admin_pages.offices", done="saved")


@blueprint.get("/agencies")
@roles("admin")
def agencies() -> Response:
    """The agencies, and a form for one more."""
    return _agencies_page()


def _agencies_page(trouble: Trouble | None = None) -> Response:
    status = trouble.status if trouble else 200
    facts = desk().facts.agencies
    return page.show("admin/agencies.html", status, trouble=trouble, agencies=_agencies(), facts=facts)


@blueprint.post("/agencies")
@roles("admin")
def create_agency() -> Response:
    """Enter an agency."""
    try:
        code, name = forms.required("code", at_most=40).upper(), forms.required("name", at_most=200)
        staffing.create_agency(desk(), caller(), code=code, name=name, at=now())
    except (Invalid, Refused) as fault:
        return _agencies_page(Trouble.of(fault))
    return page.go("admin_pages.agencies", done="saved")


@blueprint.post("/agencies/<uuid:agency_id>")
@roles("admin")
def change_agency(agency_id: UUID) -> Response:
    """Its name, and whether it is in use."""
    try:
        active = {"activate": True, "deactivate": False}.get(request.form.get("do", ""))
        name = forms.required("name", at_most=200) if active is None else None
        version = forms.whole("version", most=_MOST_VERSION)
        changes = staffing.AgencyChanges(name=name, active=active)
        staffing.change_agency(desk(), caller(), agency_id, changes, version=version, at=now())
    except (Invalid, Refused, Stale) as fault:
        return _agencies_page(Trouble.of(fault))
    return page.go("admin_pages.agencies", done="saved")


# -------------------------------------------------------------------------------------------------------------- facts
@blueprint.get("/facts")
@roles("admin")
def facts() -> Response:
    """Kinds of papers, tariffs and places with their sources; what is not verified is marked."""
    known = desk().facts
    kinds = known.bylaws.document_types
    return page.show(
        "admin/facts.html",
        kinds=kinds,
        tariffs=sorted(known.tariffs, key=lambda row: (row.verified, row.document_type, row.kind)),
        unverified=sum(not row.verified for row in known.tariffs),
        agencies=known.agencies,
        offices=known.offices,
        vocabulary=known.vocabulary,
    )
