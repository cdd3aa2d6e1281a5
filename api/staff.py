"""Staff, offices, agencies and the kinds of papers: the admin's desk."""

from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from api.auth import caller, roles
from api.conventions import (
    Blueprint,
    ClockTime,
    Degrees,
    Dong,
    Flag,
    Id,
    Instant,
    LocalDay,
    Name,
    PageQuery,
    Strict,
    Text,
    Whole,
    Word,
    after_cursor,
    desk,
    etag,
    idempotent,
    if_match,
    now,
    page,
    page_of,
    versioned,
)
from courier import staffing
from courier.domain.people import Role
from courier.domain.release import DocumentType
from courier.facts import Tariff
from courier.store.people import Person
from courier.store.tables import MODES, Agency, Office

blueprint = Blueprint("staff", __name__, url_prefix="/api/v1", description="The admin's desk: people and places")

_ROLES = [role.value for role in Role if role is not Role.CITIZEN]
_LOGIN = r"^[a-z0-9][a-z0-9._-]{1,39}$"
_CODE = r"^[A-Z0-9][A-Z0-9._-]{0,39}$"
_COMMUNE = r"^[0-9]{5}$"
_PHONE = r"^\+?[0-9][0-9 .()-]{4,19}$"


# --------------------------------------------------------------------------------------------------------- shapes
class WorkSchema(Strict):
    """How a postman works; times are local."""

    mode = Word(MODES, load_default="motorbike")
    capacity_items = Whole(minimum=1, maximum=1000, load_default=80)
    shift_start = ClockTime(load_default=27_000)
    shift_end = ClockTime(load_default=61_200)
    break_start = ClockTime(load_default=None, allow_none=True)
    break_minutes = Whole(maximum=600, load_default=0)
    cash_limit_dong = Dong(load_default=20_000_000)
    beat = fields.List(Text(pattern=_COMMUNE), load_default=list, validate=validate.Length(max=64))


class WorkShownSchema(Strict):
    """How a postman works."""

    mode = Word(MODES, required=True)
    capacity_items = Whole(required=True)
    shift_start = ClockTime(required=True)
    shift_end = ClockTime(required=True)
    break_start = ClockTime(required=True, allow_none=True)
    break_minutes = Whole(required=True)
    cash_limit_dong = Dong(required=True)
    beat = fields.List(fields.String(), required=True)


class StaffSchema(Strict):
    """An account."""

    id = Id(required=True)
    login = fields.String(required=True)
    name = fields.String(required=True)
    role = Word(_ROLES, required=True)
    office = Id(required=True, allow_none=True)
    agency = Id(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True)
    active = Flag(required=True)
    demo = Flag(required=True)
    must_change_password = Flag(required=True)
    created_at = Instant(required=True)
    postman = fields.Nested(WorkShownSchema, required=True, allow_none=True)
    version = Whole(required=True)


class NewStaffSchema(Strict):
    """An account to be made; office roles need `office`, `agency` needs `agency`, only a postman has `postman`."""

    login = Text(required=True, at_most=40, pattern=_LOGIN)
    name = Name(required=True)
    role = Word(_ROLES, required=True)
    office = Id(load_default=None, allow_none=True)
    agency = Id(load_default=None, allow_none=True)
    phone = Text(load_default=None, allow_none=True, at_most=21, pattern=_PHONE)
    postman = fields.Nested(WorkSchema, load_default=None, allow_none=True)


class StaffChangesSchema(Strict):
    """What is to change; what is left out stays. `postman` replaces the profile as a whole."""

    name = Name()
    phone = Text(at_most=21, pattern=_PHONE)
    office = Id()
    active = Flag()
    postman = fields.Nested(WorkSchema)


class StaffWithPasswordSchema(StaffSchema):
    """An account with a one-time password, shown this once."""

    one_time_password = fields.String(required=True)


class OfficeSchema(Strict):
    """An office or counter. `communes` are the codes of the communes whose items come here."""

    id = Id(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    kind = Word(("office", "counter"), required=True)
    parent = Id(required=True, allow_none=True, attribute="parent_id")
    commune = fields.String(required=True, attribute="commune_code")
    lat = fields.Float(required=True)
    lon = fields.Float(required=True)
    communes = fields.List(fields.String(), required=True)
    source = fields.String(required=True)
    active = Flag(required=True)
    version = Whole(required=True)


class NewOfficeSchema(Strict):
    """An office to be opened."""

    code = Text(required=True, at_most=40, pattern=_CODE)
    name = Name(required=True)
    kind = Word(("office", "counter"), load_default="office")
    parent = Id(load_default=None, allow_none=True)
    commune = Text(required=True, pattern=_COMMUNE)
    lat = Degrees(90, required=True)
    lon = Degrees(180, required=True)
    communes = fields.List(Text(pattern=_COMMUNE), load_default=list, validate=validate.Length(max=200))


class OfficeChangesSchema(Strict):
    """What is to change; what is left out stays."""

    name = Name()
    commune = Text(pattern=_COMMUNE)
    lat = Degrees(90)
    lon = Degrees(180)
    communes = fields.List(Text(pattern=_COMMUNE), validate=validate.Length(max=200))
    active = Flag()


class AgencySchema(Strict):
    """An agency."""

    id = Id(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    active = Flag(required=True)
    version = Whole(required=True)


class NewAgencySchema(Strict):
    """An agency to be entered."""

    code = Text(required=True, at_most=40, pattern=_CODE)
    name = Name(required=True)


class AgencyChangesSchema(Strict):
    """What is to change; what is left out stays."""

    name = Name()
    active = Flag()


class RuleSchema(Strict):
    """Who may receive a paper, and whether anybody has verified that."""

    agency = fields.String(required=True, allow_none=True)
    subject = fields.String(required=True)
    recipient = fields.String(required=True)
    recipient_words = fields.String(required=True)
    must_show = fields.Dict(keys=fields.String(), values=fields.List(fields.String()), required=True)
    valid_from = LocalDay(required=True)
    valid_to = LocalDay(required=True, allow_none=True)
    verified = Flag(required=True)
    source = fields.String(required=True)


class TariffSchema(Strict):
    """A dated charge of a paper; `amount_dong` is null where a decision or the agency names it."""

    id = fields.String(required=True)
    kind = fields.String(required=True)
    payee = fields.String(required=True)
    case = fields.String(required=True)
    name = fields.String(required=True)
    amount_dong = Dong(required=True, allow_none=True)
    amount_from = fields.String(required=True)
    valid_from = LocalDay(required=True)
    valid_to = LocalDay(required=True, allow_none=True)
    verified = Flag(required=True)
    source = fields.String(required=True)


class DocumentTypeSchema(Strict):
    """A kind of paper with its rules and charges; `verified: false` marks what nobody could check."""

    code = fields.String(required=True)
    family = fields.String(required=True)
    name_vi = fields.String(required=True)
    name_en = fields.String(required=True)
    public_name_vi = fields.String(required=True)
    public_name_en = fields.String(required=True)
    sensitive = Flag(required=True)
    valid_from = LocalDay(required=True)
    valid_to = LocalDay(required=True, allow_none=True)
    rules = fields.List(fields.Nested(RuleSchema), required=True)
    tariffs = fields.List(fields.Nested(TariffSchema), required=True)
    verified = Flag(required=True)
    source = fields.String(required=True)


class DocumentTypesSchema(Strict):
    """All kinds of papers, and how many of their rows nobody has verified."""

    data = fields.List(fields.Nested(DocumentTypeSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    unverified = Whole(required=True)


# ---------------------------------------------------------------------------------------------------------- staff
@blueprint.route("/staff")
@roles("admin")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(StaffSchema))
def list_staff(query: dict[str, Any]) -> Any:
    """List accounts by login; `q` finds login and name with or without diacritics."""
    after = after_cursor(query["after"], str)
    found = staffing.list_staff(
        desk(), caller(), q=query["q"], after=after[0] if after else None, limit=query["limit"] + 1
    )
    return page([_shown(row) for row in found], limit=query["limit"], position=lambda row: (row["login"],))


@blueprint.route("/staff", methods=["POST"])
@roles("admin")
@idempotent
@blueprint.arguments(NewStaffSchema)
@blueprint.response(201, StaffWithPasswordSchema)
def create_staff(body: dict[str, Any]) -> Any:
    """Make an account. The answer holds a one-time password, to be changed at the first sign-in."""
    new = staffing.NewStaff(
        login=body["login"],
        name=body["name"],
        role=Role(body["role"]),
        office_id=body["office"],
        agency_id=body["agency"],
        phone=body["phone"],
        work=_work(body["postman"]),
    )
    made, password = staffing.create_staff(desk(), caller(), new, at=now())
    return _shown(made) | {"one_time_password": password}, _headers(made)


@blueprint.route("/staff/<uuid:staff_id>")
@roles("admin")
@blueprint.response(200, StaffSchema)
def get_staff(staff_id: UUID) -> Any:
    """Show an account."""
    found = staffing.staff_card(desk(), caller(), staff_id)
    return _shown(found), _headers(found)


@blueprint.route("/staff/<uuid:staff_id>", methods=["PATCH"])
@roles("admin")
@versioned
@blueprint.arguments(StaffChangesSchema)
@blueprint.response(200, StaffSchema)
def change_staff(body: dict[str, Any], staff_id: UUID) -> Any:
    """Change an account; `active: false` ends its sessions."""
    changes = staffing.StaffChanges(
        name=body.get("name"),
        phone=body.get("phone"),
        office_id=body.get("office"),
        active=body.get("active"),
        work=_work(body.get("postman")),
    )
    changed = staffing.change_staff(desk(), caller(), staff_id, changes, version=if_match(), at=now())
    return _shown(changed), _headers(changed)


@blueprint.route("/staff/<uuid:staff_id>/password", methods=["POST"])
@roles("admin")
@versioned
@idempotent
@blueprint.response(200, StaffWithPasswordSchema)
def reset_password(staff_id: UUID) -> Any:
    """Give somebody a one-time password; sessions and authenticator of the old one end."""
    changed, password = staffing.reset_password(desk(), caller(), staff_id, version=if_match(), at=now())
    return _shown(changed) | {"one_time_password": password}, _headers(changed)


def _work(body: dict[str, Any] | None) -> staffing.Work | None:
    if body is None:
        return None
    return staffing.Work(
        mode=body["mode"],
        capacity_items=body["capacity_items"],
        shift_start=body["shift_start"],
        shift_end=body["shift_end"],
        break_start=body["break_start"],
        break_seconds=body["break_minutes"] * 60,
        cash_limit_dong=body["cash_limit_dong"],
        beat=tuple(body["beat"]),
    )


def _shown(person: Person) -> dict[str, Any]:
    row, postman, vehicle = person
    work = None
    if postman is not None and vehicle is not None:
        work = {
            "mode": vehicle.mode,
            "capacity_items": vehicle.capacity_items,
            "shift_start": postman.shift_start,
            "shift_end": postman.shift_end,
            "break_start": postman.break_start,
            "break_minutes": postman.break_seconds // 60,
            "cash_limit_dong": postman.cash_limit_dong,
            "beat": postman.beat,
        }
    return {
        "id": row.id,
        "login": row.login,
        "name": row.name,
        "role": row.role,
        "office": row.office_id,
        "agency": row.agency_id,
        "phone": row.phone,
        "active": row.active,
        "demo": row.demo,
        "must_change_password": row.must_change_password,
        "created_at": row.created_at,
        "postman": work,
        "version": row.version,
    }


def _headers(person: Person) -> dict[str, str]:
    return etag(person.staff.version)


# -------------------------------------------------------------------------------------------------------- offices
@blueprint.route("/offices")
@roles("admin")
@blueprint.arguments(PageQuery(exclude=("q",)), location="query")
@blueprint.response(200, page_of(OfficeSchema))
def list_offices(query: dict[str, Any]) -> Any:
    """List offices by code."""
    after = after_cursor(query["after"], str)
    found = staffing.list_offices(desk(), caller(), after=after[0] if after else None, limit=query["limit"] + 1)
    return page(found, limit=query["limit"], position=lambda row: (row.code,))


@blueprint.route("/offices", methods=["POST"])
@roles("admin")
@idempotent
@blueprint.arguments(NewOfficeSchema)
@blueprint.response(201, OfficeSchema)
def create_office(body: dict[str, Any]) -> Any:
    """Open an office."""
    new = staffing.OfficeDetails(
        code=body["code"],
        name=body["name"],
        kind=body["kind"],
        commune_code=body["commune"],
        lat=body["lat"],
        lon=body["lon"],
        communes=tuple(body["communes"]),
        parent_id=body["parent"],
    )
    made = staffing.create_office(desk(), caller(), new, at=now())
    return made, etag(made.version)


@blueprint.route("/offices/<uuid:office_id>")
@roles("admin")
@blueprint.response(200, OfficeSchema)
def get_office(office_id: UUID) -> Any:
    """Show an office."""
    found: Office = staffing.office_card(desk(), caller(), office_id)
    return found, etag(found.version)


@blueprint.route("/offices/<uuid:office_id>", methods=["PATCH"])
@roles("admin")
@versioned
@blueprint.arguments(OfficeChangesSchema)
@blueprint.response(200, OfficeSchema)
def change_office(body: dict[str, Any], office_id: UUID) -> Any:
    """Change an office."""
    communes = body.get("communes")
    changes = staffing.OfficeChanges(
        name=body.get("name"),
        commune_code=body.get("commune"),
        lat=body.get("lat"),
        lon=body.get("lon"),
        communes=None if communes is None else tuple(communes),
        active=body.get("active"),
    )
    changed = staffing.change_office(desk(), caller(), office_id, changes, version=if_match(), at=now())
    return changed, etag(changed.version)


# ------------------------------------------------------------------------------------------------------- agencies
@blueprint.route("/agencies")
@roles("admin")
@blueprint.arguments(PageQuery(exclude=("q",)), location="query")
@blueprint.response(200, page_of(AgencySchema))
def list_agencies(query: dict[str, Any]) -> Any:
    """List agencies by code."""
    after = after_cursor(query["after"], str)
    found = staffing.list_agencies(desk(), caller(), after=after[0] if after else None, limit=query["limit"] + 1)
    return page(found, limit=query["limit"], position=lambda row: (row.code,))


@blueprint.route("/agencies", methods=["POST"])
@roles("admin")
@idempotent
@blueprint.arguments(NewAgencySchema)
@blueprint.response(201, AgencySchema)
def create_agency(body: dict[str, Any]) -> Any:
    """Enter an agency."""
    made = staffing.create_agency(desk(), caller(), code=body["code"], name=body["name"], at=now())
    return made, etag(made.version)


@blueprint.route("/agencies/<uuid:agency_id>")
@roles("admin")
@blueprint.response(200, AgencySchema)
def get_agency(agency_id: UUID) -> Any:
    """Show an agency."""
    found: Agency = staffing.agency_card(desk(), caller(), agency_id)
    return found, etag(found.version)


@blueprint.route("/agencies/<uuid:agency_id>", methods=["PATCH"])
@roles("admin")
@versioned
@blueprint.arguments(AgencyChangesSchema)
@blueprint.response(200, AgencySchema)
def change_agency(body: dict[str, Any], agency_id: UUID) -> Any:
    """Change an agency."""
    changes = staffing.AgencyChanges(name=body.get("name"), active=body.get("active"))
    changed = staffing.change_agency(desk(), caller(), agency_id, changes, version=if_match(), at=now())
    return changed, etag(changed.version)


# ---------------------------------------------------------------------------------------------------------- facts
@blueprint.route("/document-types")
@roles("admin")
@blueprint.response(200, DocumentTypesSchema)
def list_document_types() -> Any:
    """List the kinds of papers with their rules and charges, and mark what nobody has verified."""
    facts = desk().facts
    by_type: dict[str, list[Tariff]] = {}
    for tariff in facts.tariffs:
        by_type.setdefault(tariff.document_type, []).append(tariff)
    kinds = facts.bylaws.document_types.values()
    marks = [kind.verified for kind in kinds]
    marks += [rule.verified for kind in kinds for rule in kind.rules]
    marks += [tariff.verified for tariff in facts.tariffs]
    return {
        "data": [_kind_shown(kind, by_type.get(kind.code, [])) for kind in kinds],
        "next": None,
        "unverified": marks.count(False),
    }


def _kind_shown(kind: DocumentType, tariffs: list[Tariff]) -> dict[str, Any]:
    names = (name for name in DocumentTypeSchema().fields if name != "tariffs")
    return {name: getattr(kind, name) for name in names} | {"tariffs": tariffs}
