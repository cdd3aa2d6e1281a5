"""The demo: an invented town whose day goes through the real import and the real solver, the same for the same seed."""

import json
import stat
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from courier import demo, dispatch, intake, staffing
from courier.desk import Desk
from courier.domain.calendar import ZONE
from courier.domain.errors import Refused
from courier.domain.people import Role
from courier.gazetteer import Gazetteer
from courier.outside import spreadsheet
from courier.store import demo as demo_books
from courier.store.jobs import Jobs
from courier.store.session import open_database
from courier.store.tables import Item, ItemCharge, ItemEvent, LedgerEntry, Plan, Staff, UnplannedItem
from tests.intake_office import FACTS, GAZETTEER, settings_for

DAY = date(2026, 11, 23)
SUNDAY = date(2026, 11, 29)
SECONDS = dispatch.LEAST_SECONDS
OFFICES = ("CAI-NUOC", "DAM-DOI", "U-MINH")


def days_after(day):
    return lambda number: day + timedelta(days=number)


def sheet(day=DAY, seed=1, office="U-MINH"):
    return demo.make_sheet(day, seed, FACTS, GAZETTEER, office=office, deliver_by=days_after(day))


def lines(day=DAY, seed=1, office="U-MINH"):
    return demo.make_lines(day, seed, FACTS, GAZETTEER, office=office, deliver_by=days_after(day))


def a_desk(database, folder, **changes):
    desk = Desk(
        database=database,
        settings=replace(settings_for(database, folder), **changes),
        facts=FACTS,
        gazetteer=GAZETTEER,
        jobs=Jobs(database),
    )
    desk.make_ready()
    return desk


# ------------------------------------------------------------------------------------------------ the lists
def test_the_same_day_seed_and_office_give_the_same_bytes_and_any_other_gives_others():
    assert sheet() == sheet()
    different = [sheet(), sheet(day=DAY + timedelta(days=1)), sheet(seed=2), sheet(office="DAM-DOI")]
    assert len(set(different)) == 4


def test_a_sheet_says_what_its_lines_say():
    read = spreadsheet.read("x.xlsx", sheet())
    assert [row.cells["barcode"] for row in read] == [line.cells["barcode"] for line in lines()]
    assert read[0].number == 4  # below the title, the receiver and the headings


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_barcode_is_given_twice_but_on_purpose_and_neighbouring_days_share_none(seed):
    codes = [line.cells["barcode"] for office in OFFICES for line in lines(seed=seed, office=office)]
    assert len(codes) - len(set(codes)) == 3 * len(OFFICES)
    tomorrow = {
        line.cells["barcode"]
        for office in OFFICES
        for line in lines(day=DAY + timedelta(days=1), seed=seed, office=office)
    }
    assert tomorrow.isdisjoint(codes)


@pytest.mark.parametrize("seed", range(1, 6))
def test_what_the_gazetteer_decides_about_the_lists_is_right(seed):
    """The oracle is the household that the address was written for."""
    decided = wrong = 0
    for office in OFFICES:
        for line in lines(seed=seed, office=office):
            resolution = GAZETTEER.resolve(str(line.cells["address"]), on=DAY)
            if line.household is not None and resolution.outcome == "resolved":
                decided += 1
                wrong += resolution.commune_code != line.household.commune.code
    assert wrong == 0
    assert decided > 350


def test_doors_lie_in_their_communes_and_the_town_stays_the_same_from_day_to_day():
    for office in OFFICES:
        first = {line.household for line in lines(office=office) if line.household}
        later = {
            line.household
            for day in range(1, 6)
            for line in lines(day=DAY + timedelta(days=day), office=office)
            if line.household
        }
        assert all(GAZETTEER.contains(home.commune.code, home.lat, home.lon) for home in first | later)
        assert first & later, "nobody ever gets a second item"


# ------------------------------------------------------------------------------------------------ a day
@pytest.fixture(scope="module")
def prepared(sqlite_template, tmp_path_factory):
    """A demo as a first start makes it, on SQLite, looked at by many tests and changed by none."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "courier.db").write_bytes(sqlite_template.read_bytes())
    database = open_database(f"sqlite:///{folder}/courier.db")
    desk = a_desk(database, folder)
    made = demo.prepare(desk, DAY, seconds=SECONDS)
    yield desk, made
    desk.close()


def dispatchers(desk):
    with desk.database.read() as session:
        return [caller for _, caller in demo_books.people(session) if caller.role is Role.DISPATCHER]


def test_a_first_start_makes_about_420_items_for_three_offices_and_twelve_postmen(prepared):
    desk, made = prepared
    assert made.added_day
    with desk.database.read() as session:
        assert 390 <= session.scalar(select(func.count()).select_from(Item)) <= 450
        modes = list(session.scalars(select(Staff.role)))
    assert modes.count("postman") == 12
    for caller in dispatchers(desk):
        (one,) = intake.list_imports(desk, caller)
        assert min(one.accepted, one.duplicates, one.doubtful, one.rejected) > 0


def test_every_item_is_on_one_route_or_listed_with_a_reason(prepared):
    desk, _ = prepared
    for caller in dispatchers(desk):
        with desk.database.read() as session:
            (plan,) = session.scalars(select(Plan).where(Plan.office_id == caller.office_id, Plan.state == "published"))
            items = set(session.scalars(select(Item.id).where(Item.office_id == caller.office_id)))
            listed = list(session.scalars(select(UnplannedItem.item_id).where(UnplannedItem.plan_id == plan.id)))
        view = dispatch.get_plan(desk, caller, plan.id)
        routed = [item for route in view.routes for stop in route.stops for item in stop.items]
        assert len(routed) == len(set(routed))
        assert set(routed) | set(listed) == items
        assert set(routed).isdisjoint(listed)
        assert len(routed) > 100


def test_most_items_go_to_doors_that_were_found_before_and_the_doubtful_ones_nowhere(prepared):
    desk, _ = prepared
    with desk.database.read() as session:
        counted = dict(session.execute(select(Item.precision, func.count()).group_by(Item.precision)).all())
        nowhere = session.scalars(select(Item.lat).where(Item.precision == "unknown")).all()
    assert set(counted) == {"handover", "commune", "unknown"}
    assert counted["handover"] > 4 * counted["commune"] > 0
    assert set(nowhere) == {None}


def test_the_money_of_the_demo_adds_up(prepared):
    desk, _ = prepared
    with desk.database.read() as session:
        charged = session.scalar(select(func.sum(ItemCharge.amount_dong)))
        owed = session.scalar(
            select(func.sum(LedgerEntry.amount_dong)).where(LedgerEntry.account.startswith("receivable:"))
        )
        assert session.scalar(select(func.sum(LedgerEntry.amount_dong))) == 0
    assert charged == owed > 10_000_000


def test_the_sign_ins_stand_in_a_file_for_its_owner_only_and_every_one_works(prepared):
    desk, made = prepared
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    rows = json.loads(made.file.read_text(encoding="utf-8"))
    *accounts, citizen = rows
    assert all(row.keys() == {"role", "login", "password", "office"} for row in accounts)
    assert (citizen["role"], citizen["link"].startswith("http://127.0.0.1:8000/t/"), len(citizen["phone_last4"])) == (
        "citizen",
        True,
        4,
    )
    roles = [row["role"] for row in accounts]
    assert {role: roles.count(role) for role in set(roles)} == {
        "admin": 1, "agency": 1, "dispatcher": 3, "cashier": 3, "clerk": 3, "postman": 12,
    }  # fmt: skip
    assert len({row["password"] for row in accounts}) == len(accounts)
    for row in (accounts[0], next(row for row in accounts if row["role"] == "postman")):
        _, session = staffing.sign_in(
            desk, row["login"], row["password"], address="127.0.0.1", at=datetime(2026, 11, 23, 7, tzinfo=ZONE)
        )
        assert session.caller.role == row["role"]


def test_a_second_start_on_the_same_day_changes_nothing(prepared):
    desk, made = prepared
    again = demo.prepare(desk, DAY, seconds=SECONDS)
    assert not again.added_day
    assert again.sign_ins == made.sign_ins


def test_events_of_an_early_start_do_not_lie_in_the_future(prepared, new_sqlite, tmp_path):
    early = datetime(2026, 11, 23, 4, 14, tzinfo=ZONE)
    database = open_database(new_sqlite())
    desk = a_desk(database, tmp_path)
    demo.prepare(desk, DAY, now=early, seconds=SECONDS)
    with desk.database.read() as session:
        assert max(session.scalars(select(ItemEvent.occurred_at))) < early + timedelta(seconds=1)
    desk.close()


# ------------------------------------------------------------------------------------------------ starts
@pytest.mark.once
def test_a_start_that_was_killed_is_finished_by_the_next_and_a_later_one_adds_its_day(database, tmp_path, monkeypatch):
    desk = a_desk(database, tmp_path)
    published, real = [], dispatch.publish

    class Killed(BaseException):
        pass

    def publish_once(*args, **options):
        if published:
            raise Killed
        published.append(args)
        return real(*args, **options)

    monkeypatch.setattr(dispatch, "publish", publish_once)
    with pytest.raises(Killed):
        demo.prepare(desk, DAY, seconds=SECONDS)
    monkeypatch.setattr(dispatch, "publish", real)
    accounts = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))

    finished = demo.prepare(desk, DAY, seconds=SECONDS)
    assert finished.added_day
    assert [(one.login, one.password) for one in finished.sign_ins[:-1]] == [
        (row["login"], row["password"]) for row in accounts
    ]
    for caller in dispatchers(desk):
        assert len(intake.list_imports(desk, caller)) == 1

    demo.prepare(desk, SUNDAY, seconds=SECONDS)
    with database.read() as session:
        counted = select(Plan.day, func.count()).where(Plan.state == "published").group_by(Plan.day)
        plans = [tuple(row) for row in session.execute(counted)]
    assert sorted(plans) == [(DAY, 3), (SUNDAY, 3)]
    desk.close()


def test_two_installations_share_their_logins_and_no_password(new_sqlite, tmp_path, monkeypatch):
    monkeypatch.setattr("courier.demo.preparing.make_day", lambda *_, **__: True)
    made = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        desk = a_desk(open_database(new_sqlite()), tmp_path / str(number))
        made.append(demo.prepare(desk, DAY).sign_ins)
        desk.close()
    first, second = ([(one.role, one.login, one.office) for one in signs] for signs in made)
    assert first == second
    assert {one.password for one in made[0]}.isdisjoint({one.password for one in made[1]})


def test_when_the_file_is_lost_everybody_gets_a_new_password(new_sqlite, tmp_path, monkeypatch):
    monkeypatch.setattr("courier.demo.preparing.make_day", lambda *_, **__: True)
    desk = a_desk(open_database(new_sqlite()), tmp_path)
    first = demo.prepare(desk, DAY)
    first.file.unlink()
    second = demo.prepare(desk, DAY)
    assert {one.login for one in first.sign_ins} == {one.login for one in second.sign_ins}
    assert {one.password for one in first.sign_ins}.isdisjoint({one.password for one in second.sign_ins})
    admin = next(one for one in second.sign_ins if one.role == "admin")
    assert staffing.sign_in(
        desk, admin.login, admin.password, address="127.0.0.1", at=datetime(2026, 11, 23, 7, tzinfo=ZONE)
    )
    desk.close()


def test_a_real_office_is_never_mixed_with_the_demo(new_sqlite, tmp_path):
    desk = a_desk(open_database(new_sqlite()), tmp_path)
    staffing.init_office(
        desk,
        staffing.known_office(desk, "U-MINH"),
        login="admin",
        name="Quản trị viên",
        at=datetime(2026, 11, 23, 7, tzinfo=ZONE),
    )
    with pytest.raises(Refused) as refusal:
        demo.prepare(desk, DAY)
    assert refusal.value.code == "not-a-demo"
    desk.close()


def test_production_makes_no_demo(new_sqlite, tmp_path):
    desk = a_desk(open_database(new_sqlite()), tmp_path, demo=False)
    with pytest.raises(Refused) as refusal:
        demo.prepare(desk, DAY)
    assert refusal.value.code == "demo-off"
    assert not (tmp_path / "demo.json").exists()
    desk.close()


def test_the_lists_need_nothing_but_the_facts():
    """Another gazetteer object over the same files gives the same bytes: nothing hangs on the order of a set or a dictionary."""
    assert demo.make_sheet(DAY, 1, FACTS, Gazetteer.load(), office="U-MINH", deliver_by=days_after(DAY)) == sheet()
