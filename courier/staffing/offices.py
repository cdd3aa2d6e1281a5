"""Offices and agencies: the places that people and items belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Refused, Stale
from courier.domain.people import Caller, Role
from courier.store import audit, people
from courier.store.tables import Agency, Office

Versioned = TypeVar("Versioned", Office, Agency)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeDetails:
    """An office as an admin describes it. `communes` are the codes of the communes whose items come here."""

    code: str
    name: str
    kind: str
    commune_code: str
    lat: float
    lon: float
    communes: tuple[str, ...] = ()
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeChanges:
    """What is to change; None leaves a field alone. An office keeps its code."""

    name: str | None = None
    commune_code: str | None = None
    lat: float | None = None
    lon: float | None = None
    communes: tuple[str, ...] | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyChanges:
    """What is to change; None leaves a field alone. An agency keeps its code, which names it as a payee."""

    name: str | None = None
    active: bool | None = None


def list_offices(desk: Desk, caller: Caller, *, after: str | None, limit: int) -> Sequence[Office]:
    """Offices by code.

    Raises:
        Forbidden: the caller is no admin.
    """
    require_admin(caller)
    with desk.database.read() as session:
        return list(people.list_offices(session, after=after, limit=limit))


def office_card(desk: Desk, caller: Caller, office_id: UUID) -> Office:
    """One office.

    Raises:
        Forbidden, Missing: no admin; there is no such office.
    """
    require_admin(caller)
    with desk.database.read() as session:
        return _found("office", office_id, people.office(session, office_id))


def create_office(desk: Desk, caller: Caller, new: OfficeDetails, *, at: datetime) -> Office:
    """Open an office.

    Raises:
        Forbidden: the caller is no admin.
        Invalid: a commune or the parent office does not exist.
        Refused: `code-taken`.
    """
    require_admin(caller)
    with desk.database.write() as session:
        made = enter_office(desk, session, new, source="entered by an admin")
        audit.note(session, caller, "office created", f"office:{made.id}", at=at, code=new.code)
        return made


def enter_office(desk: Desk, session: Session, new: OfficeDetails, *, source: str) -> Office:
    """Write an office in the caller's transaction; rules and errors as for `create_office`."""
    faults = unknown_communes(desk, [new.commune_code], field="commune")
    faults += unknown_communes(desk, new.communes, field="communes")
    if new.parent_id is not None and people.office(session, new.parent_id) is None:
        faults.append(FieldError("parent", "unknown", f"Không có bưu cục {new.parent_id}."))
    if faults:
        raise Invalid(*faults)
    office_id = uuid7()
    entered = people.enter(
        session,
        Office,
        id=office_id,
        code=new.code,
        name=new.name,
        kind=new.kind,
        parent_id=new.parent_id,
        commune_code=new.commune_code,
        lat=new.lat,
        lon=new.lon,
        communes=list(new.communes),
        source=source,
    )
    if not entered:
        raise Refused("code-taken", f"Mã bưu cục {new.code} đã được dùng.")
    return _found("office", office_id, people.office(session, office_id))


def change_office(
    desk: Desk, caller: Caller, office_id: UUID, changes: OfficeChanges, *, version: int, at: datetime
) -> Office:
    """Change an office.

    Raises:
        Forbidden, Missing, Stale: no admin; no such office; changed by somebody else.
        Invalid: a commune does not exist.
        Refused: `has-staff`, an office is closed when nobody active works there any more.
    """
    require_admin(caller)
    with desk.database.write() as session:
        row = _at_version("office", office_id, people.office(session, office_id, lock=True), version)
        faults = unknown_communes(desk, changes.communes or (), field="communes")
        if changes.commune_code is not None:
            faults += unknown_communes(desk, [changes.commune_code], field="commune")
        if faults:
            raise Invalid(*faults)
        if changes.active is False and people.active_staff_of(session, office_id=office_id):
            raise Refused("has-staff", f"{row.name} còn người đang làm việc, hãy chuyển hoặc khoá tài khoản trước.")
        for name in ("name", "commune_code", "lat", "lon", "active"):
            if getattr(changes, name) is not None:
                setattr(row, name, getattr(changes, name))
        if changes.communes is not None:
            row.communes = list(changes.communes)
        row.version += 1
        audit.note(session, caller, "office changed", f"office:{office_id}", at=at)
        return row


def list_agencies(desk: Desk, caller: Caller, *, after: str | None, limit: int) -> Sequence[Agency]:
    """Agencies by code.

    Raises:
        Forbidden: the caller is no admin.
    """
    require_admin(caller)
    with desk.database.read() as session:
        return people.list_agencies(session, after=after, limit=limit)


def agency_card(desk: Desk, caller: Caller, agency_id: UUID) -> Agency:
    """One agency.

    Raises:
        Forbidden, Missing: no admin; there is no such agency.
    """
    require_admin(caller)
    with desk.database.read() as session:
        return _found("agency", agency_id, people.agency(session, agency_id))


def create_agency(desk: Desk, caller: Caller, *, code: str, name: str, at: datetime) -> Agency:
    """Enter an agency.

    Raises:
        Forbidden: the caller is no admin.
        Refused: `code-taken`.
    """
    require_admin(caller)
    with desk.database.write() as session:
        agency_id = uuid7()
        if not people.enter(session, Agency, id=agency_id, code=code, name=name):
            raise Refused("code-taken", f"Mã cơ quan {code} đã được dùng.")
        audit.note(session, caller, "agency created", f"agency:{agency_id}", at=at, code=code)
        return _found("agency", agency_id, people.agency(session, agency_id))


def change_agency(
    desk: Desk, caller: Caller, agency_id: UUID, changes: AgencyChanges, *, version: int, at: datetime
) -> Agency:
    """Change an agency.

    Raises:
        Forbidden, Missing, Stale: no admin; no such agency; changed by somebody else.
        Refused: `has-staff`, its client systems are deactivated first.
    """
    require_admin(caller)
    with desk.database.write() as session:
        row = _at_version("agency", agency_id, people.agency(session, agency_id, lock=True), version)
        if changes.active is False and people.active_staff_of(session, agency_id=agency_id):
            raise Refused("has-staff", f"{row.name} còn tài khoản đang hoạt động, hãy khoá trước.")
        row.name = changes.name if changes.name is not None else row.name
        row.active = changes.active if changes.active is not None else row.active
        row.version += 1
        audit.note(session, caller, "agency changed", f"agency:{agency_id}", at=at)
        return row


def unknown_communes(desk: Desk, codes: Sequence[str], *, field: str) -> list[FieldError]:
    """One error for each code that is no commune of today."""
    known = {commune.code for commune in desk.gazetteer.communes()}
    return [FieldError(field, "unknown", f"Không có xã, phường mang mã {code}.") for code in codes if code not in known]


def require_admin(caller: Caller) -> None:
    """The second wall behind the marks of the views.

    Raises:
        Forbidden: the caller is no admin.
    """
    if caller.role is not Role.ADMIN:
        raise Forbidden("Chỉ quản trị viên được làm việc này.")


def _found(what: str, key: UUID, row: Versioned | None) -> Versioned:
    if row is None:
        raise Missing(what, key)
    return row


def _at_version(what: str, key: UUID, row: Versioned | None, version: int) -> Versioned:
    found = _found(what, key, row)
    if found.version != version:
        raise Stale(what, expected=version, found=found.version)
    return found
