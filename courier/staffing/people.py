"""The people of the offices: who may sign in, where they belong, and how a postman works."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.desk import Desk
from courier.domain.errors import FieldError, Invalid, Missing, Refused, Stale
from courier.domain.people import Caller, Role
from courier.domain.text import fold
from courier.staffing.offices import require_admin, unknown_communes
from courier.staffing.passwords import hash_password, one_time_password
from courier.store import audit, ledger, people
from courier.store.people import Person
from courier.store.tables import Postman, Staff, Vehicle

_OFFICE_ROLES = frozenset({Role.POSTMAN, Role.DISPATCHER, Role.CASHIER, Role.CLERK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How a postman works. Seconds count from local midnight; `beat` holds codes of communes."""

    mode: str = "motorbike"
    capacity_items: int = 80
    shift_start: int = 27_000
    shift_end: int = 61_200
    break_start: int | None = None
    break_seconds: int = 0
    cash_limit_dong: int = 20_000_000
    beat: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStaff:
    """Somebody who is to sign in. Office roles belong to an office, `agency` to an agency, admins to neither."""

    login: str
    name: str
    role: Role
    office_id: UUID | None = None
    agency_id: UUID | None = None
    phone: str | None = None
    work: Work | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffChanges:
    """What is to change; None leaves a field alone. `work` gives a postman's new profile as a whole."""

    name: str | None = None
    phone: str | None = None
    office_id: UUID | None = None
    active: bool | None = None
    work: Work | None = None


def create_staff(desk: Desk, caller: Caller, new: NewStaff, *, at: datetime) -> tuple[Person, str]:
    """Make an account, for a postman with vehicle and profile. Gives the one-time password, which nobody can read again.

    Raises:
        Forbidden: the caller is no admin.
        Invalid: office, agency or profile do not go with the role or do not exist.
        Refused: `login-taken`.
    """
    require_admin(caller)
    password = one_time_password()
    hashed = hash_password(password)
    with desk.database.write() as session:
        staff_id = enter_staff(desk, session, new, password_hash=hashed, must_change_password=True, at=at)
        audit.note(session, caller, "staff created", f"staff:{staff_id}", at=at, role=new.role.value)
        return _person(session, staff_id), password


def enter_staff(
    desk: Desk,
    session: Session,
    new: NewStaff,
    *,
    password_hash: str,
    must_change_password: bool,
    at: datetime,
    demo: bool = False,
) -> UUID:
    """Write an account in the caller's transaction; rules and errors as for `create_staff`."""
    _check_belonging(session, new)
    work = new.work or Work() if new.role is Role.POSTMAN else None
    if new.work is not None and work is None:
        raise Invalid(FieldError("postman", "not-allowed", "Chỉ bưu tá mới có ca làm việc và phương tiện."))
    staff_id = uuid7()
    entered = people.enter(
        session,
        Staff,
        id=staff_id,
        login=new.login,
        name=new.name,
        role=new.role.value,
        office_id=new.office_id,
        agency_id=new.agency_id,
        phone=new.phone,
        password_hash=password_hash,
        must_change_password=must_change_password,
        demo=demo,
        created_at=at,
    )
    if not entered:
        raise Refused("login-taken", f"Tên đăng nhập {new.login} đã có người dùng.")
    if work is not None and new.office_id is not None:
        _check_work(desk, work)
        vehicle = Vehicle(
            id=uuid7(),
            office_id=new.office_id,
            name=new.name,
            mode=work.mode,
            capacity_items=work.capacity_items,
        )
        session.add(vehicle)
        session.flush()
        session.add(Postman(staff_id=staff_id, vehicle_id=vehicle.id, **_columns(work)))
        session.flush()
    return staff_id


def list_staff(desk: Desk, caller: Caller, *, q: str | None, after: str | None, limit: int) -> list[Person]:
    """Everybody by login; `q` finds login and name with or without diacritics.

    Raises:
        Forbidden: the caller is no admin.
    """
    require_admin(caller)
    with desk.database.read() as session:
        if not q:
            return people.list_people(session, after=after, limit=limit)
        wanted = fold(q)
        found = sorted(
            (login, staff_id)
            for staff_id, login, name in people.names_of_people(session)
            if (after is None or login > after) and (wanted in fold(name) or wanted in login)
        )
        return people.list_people(session, after=after, limit=limit, among=[staff_id for _, staff_id in found[:limit]])


def staff_card(desk: Desk, caller: Caller, staff_id: UUID) -> Person:
    """One person.

    Raises:
        Forbidden: the caller is no admin.
        Missing: there is nobody of this id.
    """
    require_admin(caller)
    with desk.database.read() as session:
        return _person(session, staff_id)


def change_staff(
    desk: Desk, caller: Caller, staff_id: UUID, changes: StaffChanges, *, version: int, at: datetime
) -> Person:
    """Change an account; deactivating one ends its sessions.

    Raises:
        Forbidden, Missing, Stale: no admin; nobody of this id; changed by somebody else.
        Invalid: the office or profile do not go with the role or do not exist.
        Refused: `last-admin`; `still-carries-items` or `still-holds-cash` for a postman who leaves or moves.
    """
    require_admin(caller)
    with desk.database.write() as session:
        row = _staff(session, staff_id, version=version)
        if changes.office_id is not None and changes.office_id != row.office_id:
            if Role(row.role) not in _OFFICE_ROLES:
                raise Invalid(FieldError("office", "not-allowed", f"Vai trò {row.role} không thuộc bưu cục nào."))
            _require_office(session, changes.office_id)
            _require_empty_bag(session, row)
            row.office_id = changes.office_id
        if changes.active is not None and changes.active != row.active:
            if not changes.active:
                _require_may_leave(session, row)
                people.revoke_sessions(session, row.id, at=at)
            row.active = changes.active
        row.name = changes.name if changes.name is not None else row.name
        row.phone = changes.phone if changes.phone is not None else row.phone
        row.version += 1
        session.flush()
        found = _person(session, staff_id)
        if found.postman is None or found.vehicle is None:
            if changes.work is not None:
                raise Invalid(FieldError("postman", "not-allowed", "Chỉ bưu tá mới có ca làm việc và phương tiện."))
        else:
            found.vehicle.office_id = row.office_id or found.vehicle.office_id
            if changes.work is not None:
                _check_work(desk, changes.work)
                found.vehicle.mode, found.vehicle.capacity_items = changes.work.mode, changes.work.capacity_items
                for name, value in _columns(changes.work).items():
                    setattr(found.postman, name, value)
        audit.note(session, caller, "staff changed", f"staff:{staff_id}", at=at, fields=_named(changes))
        session.flush()
        return found


def reset_password(desk: Desk, caller: Caller, staff_id: UUID, *, version: int, at: datetime) -> tuple[Person, str]:
    """Give somebody a one-time password; sessions and authenticator of the old one end.

    Raises:
        Forbidden, Missing, Stale: no admin; nobody of this id; changed by somebody else.
    """
    require_admin(caller)
    password = one_time_password()
    hashed = hash_password(password)
    with desk.database.write() as session:
        row = _staff(session, staff_id, version=version)
        row.password_hash, row.must_change_password = hashed, True
        row.totp_secret = row.totp_last_step = None
        row.version += 1
        people.revoke_sessions(session, row.id, at=at)
        audit.note(session, caller, "password reset", f"staff:{staff_id}", at=at)
        session.flush()
        return _person(session, staff_id), password


def _columns(work: Work) -> dict[str, object]:
    return {
        "shift_start": work.shift_start,
        "shift_end": work.shift_end,
        "break_start": work.break_start,
        "break_seconds": work.break_seconds,
        "cash_limit_dong": work.cash_limit_dong,
        "beat": list(work.beat),
    }


def _named(changes: StaffChanges) -> list[str]:
    return [name for name in ("name", "phone", "office_id", "active", "work") if getattr(changes, name) is not None]


def _check_belonging(session: Session, new: NewStaff) -> None:
    faults = []
    for field, value, wanted in (
        ("office", new.office_id, new.role in _OFFICE_ROLES),
        ("agency", new.agency_id, new.role is Role.AGENCY),
    ):
        if wanted and value is None:
            faults.append(FieldError(field, "required", f"Vai trò {new.role} cần mục này."))
        if not wanted and value is not None:
            faults.append(FieldError(field, "not-allowed", f"Vai trò {new.role} không có mục này."))
    if new.role is Role.CITIZEN:
        faults.append(FieldError("role", "not-allowed", "Công dân không có tài khoản."))
    if faults:
        raise Invalid(*faults)
    if new.office_id is not None:
        _require_office(session, new.office_id)
    if new.agency_id is not None:
        found = people.agency(session, new.agency_id)
        if found is None or not found.active:
            raise Invalid(FieldError("agency", "unknown", f"Không có cơ quan {new.agency_id} đang hoạt động."))


def _require_office(session: Session, office_id: UUID) -> None:
    found = people.office(session, office_id)
    if found is None or not found.active:
        raise Invalid(FieldError("office", "unknown", f"Không có bưu cục {office_id} đang hoạt động."))


def _check_work(desk: Desk, work: Work) -> None:
    faults = []
    if work.shift_end <= work.shift_start:
        faults.append(FieldError("postman.shift_end", "invalid", "Ca làm việc phải kết thúc sau khi bắt đầu."))
    if work.break_start is not None and not (
        work.shift_start <= work.break_start and work.break_start + work.break_seconds <= work.shift_end
    ):
        faults.append(FieldError("postman.break_start", "invalid", "Giờ nghỉ phải nằm trong ca làm việc."))
    faults += unknown_communes(desk, work.beat, field="postman.beat")
    if faults:
        raise Invalid(*faults)


def _require_may_leave(session: Session, row: Staff) -> None:
    if row.role == Role.ADMIN and people.other_admins(session, row.id) == 0:
        raise Refused("last-admin", "Phải còn ít nhất một quản trị viên đang hoạt động.")
    _require_empty_bag(session, row)


def _require_empty_bag(session: Session, row: Staff) -> None:
    carried = people.carried_items(session, row.id)
    if carried:
        raise Refused("still-carries-items", f"{row.name} còn giữ {carried} bưu gửi, hãy bàn giao trước.")
    cash = sum(ledger.balances(session, f"cash:{row.id}:").values())
    if cash:
        raise Refused("still-holds-cash", f"{row.name} còn {cash} đồng chưa nộp.")


def _staff(session: Session, staff_id: UUID, *, version: int | None = None) -> Staff:
    row = people.staff_to_change(session, staff_id)
    if row is None:
        raise Missing("staff", staff_id)
    if version is not None and row.version != version:
        raise Stale("staff", expected=version, found=row.version)
    return row


def _person(session: Session, staff_id: UUID) -> Person:
    found = people.person(session, staff_id)
    if found is None:
        raise Missing("staff", staff_id)
    return found
