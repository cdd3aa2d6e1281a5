"""The demo: an office with people and a planned day, made through the same doors as everything else.

The lists go through the real import, the plans through the real solver. One thing is put in that a new office would not know:
the doors where earlier postmen handed something over (`intake.remember_doors`), because without them every address would be
the middle of its commune. These doors are invented like the people behind them.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from courier import dispatch, intake, staffing
from courier.demo.sheets import make_lines, make_sheet
from courier.desk import Desk
from courier.domain.calendar import CLOSED, at_local
from courier.domain.errors import Refused
from courier.domain.people import Caller, Role
from courier.staffing import NewStaff, OfficeDetails, Work
from courier.store import demo as books
from courier.store import links, people

SEED: Final = 1
_OPENS: Final = 6 * 3600  # when the lists of the day come in
_SECONDS: Final = 3.0  # to solve one office; the demo must start soon
_AGENCY: Final = "PC08"
_SOURCE: Final = "data/offices.json"
_LUNCH_AT, _LUNCH_SECONDS = 41_400, 3_600
_FAMILY_NAMES: Final = ("Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Võ", "Đặng")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """How to sign in to a demo account. For a citizen there is a `link` instead, and the digits that open it."""

    role: str
    login: str | None = None
    password: str | None = None
    office: str | None = None
    link: str | None = None
    phone_last4: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a start found or made. `sign_ins` stand in `var/demo.json` too; `added_day` is False when the day was there."""

    sign_ins: tuple[SignIn, ...]
    added_day: bool
    file: Path


def prepare(
    desk: Desk, today: date, *, now: datetime | None = None, seed: int = SEED, seconds: float = _SECONDS
) -> Prepared:
    """Make the demo ready for a day: offices and people in an empty database, and the day's items planned and published.

    What is there is kept, so a later start only adds its day; a start that was killed is finished by the next one. `now`
    keeps the day's events out of the future when it is earlier than opening time.

    Raises:
        Refused: `demo-off` where the settings take no demo accounts, `not-a-demo` where real people work in the database.
    """
    if not desk.settings.demo:
        raise Refused("demo-off", "Dữ liệu trình diễn đang tắt: đặt COURIER_DEMO=1 để bật.")
    at = at_local(today, _OPENS)
    if now is not None and now < at:
        at = max(now, at_local(today, 0))
    file = desk.settings.var_dir / "demo.json"
    with desk.database.read() as session:
        known, others = books.people(session), books.others(session)
    if others:
        raise Refused("not-a-demo", "Cơ sở dữ liệu này có người dùng thật, không trộn với dữ liệu trình diễn.")
    if not known:
        accounts = _found_offices(desk, at=at)
    elif file.exists():
        accounts = [SignIn(**row) for row in json.loads(file.read_text(encoding="utf-8")) if row["role"] != "citizen"]
    else:
        accounts = _new_passwords(desk, known)
    _write(file, accounts)
    added = make_day(desk, today, seed, at=at, seconds=seconds)
    sign_ins = [*accounts, *_citizen(desk, today)]
    _write(file, sign_ins)
    return Prepared(tuple(sign_ins), added, file)


def make_day(desk: Desk, day: date, seed: int = SEED, *, at: datetime | None = None, seconds: float = _SECONDS) -> bool:
    """Bring in and plan one day of every office of the demo. False when every office had that day already.

    A day on which nobody delivers is declared worked: somebody wants to see the demo on a Sunday, too.
    """
    at = at or at_local(day, _OPENS)
    with desk.database.write() as session:
        codes = books.office_codes(session)
        dispatchers = [caller for _, caller in books.people(session) if caller.role is Role.DISPATCHER]
        if desk.facts.bylaws.calendar.delivery(day) == CLOSED:
            books.declare_worked(session, day, "Ngày trình diễn")
    added = False
    for dispatcher in dispatchers:
        office_id = _office_of(dispatcher)
        with desk.database.read() as session:
            if books.is_published(session, office_id, day):
                continue
        _bring_in(desk, dispatcher, codes[office_id], day, seed, at=at)
        _plan(desk, dispatcher, day, at=at, seconds=seconds)
        added = True
    return added


# ------------------------------------------------------------------------------------------------ a day
def _bring_in(desk: Desk, dispatcher: Caller, office: str, day: date, seed: int, *, at: datetime) -> None:
    days = (day, *desk.facts.bylaws.calendar.delivery_days(day, 5))
    filename = f"ban-giao-{office.lower()}-{day.isoformat()}.xlsx"
    with desk.database.read() as session:
        batch_id = books.list_of(session, _office_of(dispatcher), filename)
    if batch_id is None:
        content = make_sheet(day, seed, desk.facts, desk.gazetteer, office=office, deliver_by=days.__getitem__)
        batch_id = intake.import_sheet(desk, dispatcher, filename=filename, content=content, at=at).id
    homes = {
        line.cells["barcode"]: line.household
        for line in make_lines(day, seed, desk.facts, desk.gazetteer, office=office, deliver_by=days.__getitem__)
    }
    with desk.database.read() as session:
        decided = books.decided(session, batch_id)
    doors = {
        item_id: (home.lat, home.lon)
        for barcode, (item_id, commune) in decided.items()
        if (home := homes.get(barcode)) is not None and home.known and home.commune.code == commune
    }
    intake.remember_doors(desk, dispatcher, doors, at=at)


def _plan(desk: Desk, dispatcher: Caller, day: date, *, at: datetime, seconds: float) -> None:
    plan_id = dispatch.request_plan(desk, dispatcher, office_id=dispatcher.office_id, day=day, at=at, seconds=seconds)
    dispatch.solve_plan(desk, plan_id, at=at)
    solved = dispatch.get_plan(desk, dispatcher, plan_id)
    dispatch.publish(desk, dispatcher, plan_id, version=solved.version, at=at)


def _citizen(desk: Desk, day: date) -> Iterator[SignIn]:
    with desk.database.read() as session:
        found = books.one_planned(session, day)
    if found is not None:
        item_id, generation, phone = found
        token = links.token_for(desk.settings.secrets, item_id, generation)
        yield SignIn(role=Role.CITIZEN.value, link=f"{desk.settings.base_url}/t/{token}", phone_last4=phone[-4:])


def _office_of(caller: Caller) -> UUID:
    if caller.office_id is None:
        raise ValueError(f"{caller.name} belongs to no office")
    return caller.office_id


# ------------------------------------------------------------------------------------------------ people
def _found_offices(desk: Desk, *, at: datetime) -> list[SignIn]:
    """Offices, counters, agencies and everybody who signs in, in one transaction."""
    newcomers = list(_newcomers(desk))
    # Hashing takes its time on purpose, so it is done before the database is locked.
    passwords = {one.login: staffing.one_time_password() for one, _ in newcomers}
    hashed = {login: staffing.hash_password(password) for login, password in passwords.items()}
    with desk.database.write() as session:
        ids: dict[str, UUID] = {}
        facts = desk.facts.offices
        for code in sorted(facts, key=lambda code: (facts[code].parent is not None, code)):
            fact = facts[code]
            details = OfficeDetails(
                code=code,
                name=fact.name,
                kind=fact.kind,
                commune_code=fact.commune_code,
                lat=fact.lat,
                lon=fact.lon,
                communes=fact.serves,
                parent_id=ids[fact.parent] if fact.parent else None,
            )
            ids[code] = staffing.enter_office(desk, session, details, source=_SOURCE).id
        people.enter_agencies(session, {code: fact.name for code, fact in desk.facts.agencies.items()})
        session.flush()
        agencies = books.agency_ids(session)
        for one, office in newcomers:
            new = NewStaff(
                login=one.login,
                name=one.name,
                role=one.role,
                office_id=ids[office] if office else None,
                agency_id=agencies[_AGENCY] if one.role is Role.AGENCY else None,
                phone=one.phone,
                work=one.work,
            )
            staffing.enter_staff(
                desk, session, new, password_hash=hashed[one.login], must_change_password=False, at=at, demo=True
            )
    return [
        SignIn(role=one.role.value, login=one.login, password=passwords[one.login], office=office)
        for one, office in newcomers
    ]


def _newcomers(desk: Desk) -> Iterator[tuple[NewStaff, str | None]]:
    """Everybody who signs in, with the code of the office; the same logins at every installation."""
    yield NewStaff(login="admin", name="Quản trị viên trình diễn", role=Role.ADMIN), None
    yield NewStaff(login="agency.pc08", name="Cổng dữ liệu PC08 trình diễn", role=Role.AGENCY), None
    mains = sorted(code for code, fact in desk.facts.offices.items() if fact.parent is None)
    desks = ((Role.DISPATCHER, "Thị Điều Phối"), (Role.CASHIER, "Thị Thủ Quỹ"), (Role.CLERK, "Văn Giao Dịch"))
    for number, office in enumerate(mains):
        place = office.replace("-", "").lower()
        for position, (role, given) in enumerate(desks):
            yield (
                NewStaff(login=f"{role}.{place}", name=f"{_FAMILY_NAMES[number + position]} {given}", role=role),
                office,
            )
        for position, work in enumerate(_rounds(desk.facts.offices[office].serves)):
            yield (
                NewStaff(
                    login=f"postman{position + 1}.{place}",
                    name=f"{_FAMILY_NAMES[(number + position + 3) % len(_FAMILY_NAMES)]} Văn Bưu Tá {position + 1}",
                    role=Role.POSTMAN,
                    phone=f"05990090{number}{position + 1}",
                    work=work,
                ),
                office,
            )


def _rounds(communes: Sequence[str]) -> Iterator[Work]:
    """Three motorbikes and a boat; the communes are dealt out as beats, the boat knows them all a little."""
    rest = Work(break_start=_LUNCH_AT, break_seconds=_LUNCH_SECONDS)
    for position in range(3):
        yield replace(rest, capacity_items=40, beat=tuple(communes[position::3]))
    yield replace(rest, mode="boat", capacity_items=26, cash_limit_dong=15_000_000)


def _new_passwords(desk: Desk, known: Sequence[tuple[str, Caller]]) -> list[SignIn]:
    """The file with the passwords is gone, so everybody gets a new one."""
    passwords = {caller.id: staffing.one_time_password() for _, caller in known}
    hashes: Mapping[UUID, str] = {staff_id: staffing.hash_password(word) for staff_id, word in passwords.items()}
    with desk.database.write() as session:
        books.set_passwords(session, hashes)
        codes = books.office_codes(session)
    return [
        SignIn(
            role=caller.role.value,
            login=login,
            password=passwords[caller.id],
            office=codes[caller.office_id] if caller.office_id else None,
        )
        for login, caller in known
    ]


def _write(path: Path, sign_ins: Sequence[SignIn]) -> None:
    """Put the sign-ins where only the owner of the installation can read them; never half of them."""
    rows = [
        {name: value for name, value in asdict(one).items() if value is not None or name not in ("link", "phone_last4")}
        for one in sign_ins
    ]
    scratch = path.with_name(f".demo.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(scratch, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as out:
        json.dump(rows, out, ensure_ascii=False, indent=1)
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(path)
