"""The first day of an installation: an office, the agencies that are known, and the first admin."""

from dataclasses import dataclass
from datetime import datetime

from courier.desk import Desk
from courier.domain.errors import Refused
from courier.domain.people import Role
from courier.staffing.offices import OfficeDetails, enter_office
from courier.staffing.passwords import hash_password, one_time_password
from courier.staffing.people import NewStaff, enter_staff
from courier.store import audit, people


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """What the person at the keyboard writes down."""

    login: str
    password: str
    office: str


def known_office(desk: Desk, code: str) -> OfficeDetails | None:
    """An office as the facts describe it, None when they know no such code."""
    fact = desk.facts.offices.get(code)
    if fact is None:
        return None
    return OfficeDetails(
        code=fact.code,
        name=fact.name,
        kind=fact.kind,
        commune_code=fact.commune_code,
        lat=fact.lat,
        lon=fact.lon,
        communes=fact.serves,
    )


def init_office(desk: Desk, office: OfficeDetails, *, login: str, name: str, at: datetime) -> FirstAdmin:
    """Make an empty office and its first admin, with a one-time password; no demo data.

    Raises:
        Refused: `not-empty`, somebody can sign in already.
        Invalid: the office's communes do not exist.
    """
    password = one_time_password()
    hashed = hash_password(password)
    with desk.database.write() as session:
        if not people.is_empty(session):
            raise Refused("not-empty", "Cơ sở dữ liệu đã có tài khoản: đăng nhập bằng tài khoản quản trị.")
        made = enter_office(desk, session, office, source="courier init")
        people.enter_agencies(session, {code: fact.name for code, fact in desk.facts.agencies.items()})
        admin = NewStaff(login=login, name=name, role=Role.ADMIN)
        staff_id = enter_staff(desk, session, admin, password_hash=hashed, must_change_password=True, at=at)
        audit.note(session, None, "office opened", f"office:{made.id}", at=at, admin=str(staff_id))
        return FirstAdmin(login, password, made.name)
