"""Planning an office-day: everything considered ends on a route or in the list of reasons, and routes can be driven."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date, datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from uuid import UUID

import pytest
from sqlalchemy import select

from courier import dispatch
from courier.dispatch import office_day, planning
from courier.dispatch.office_day import day_problem, read_office_day
from courier.domain.calendar import ZONE
from courier.domain.doors import doors
from courier.domain.doors import left_out as kept_back
from courier.domain.errors import Forbidden, Invalid, Missing, Refused, Stale
from courier.domain.item import Direction
from courier.domain.people import Caller, Role
from courier.store.jobs import JobState
from courier.store.tables import BagVersion, EventOfItem, Item, ItemCharge, ItemEvent, Plan, Staff
from routing.checking import check
from tests.builders import DAY, MORNING, House, Phone, done_right, number, paying
from tests.planning_office import (
    OFFICE,
    a_boat,
    adjust,
    left_out,
    on_routes,
    open_office,
    place,
    planned,
    published,
    scatter,
    state_of,
    stored,
    take_out,
    taken,
)

EIGHT = MORNING + timedelta(minutes=30)


@pytest.fixture
def office(database, tmp_path) -> Iterator[House]:
    house = open_office(database, tmp_path)
    yield house
    house.desk.jobs.stop()


@pytest.fixture
def sqlite_office(sqlite_database, tmp_path) -> Iterator[House]:
    house = open_office(sqlite_database, tmp_path)
    yield house
    house.desk.jobs.stop()


def local(hour: int, minute: int = 0, *, day: date = DAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)


def crow_m(a, b) -> float:
    """The great circle, for a bound that no vehicle beats."""
    (lat1, lon1), (lat2, lon2) = ([radians(x) for x in point] for point in (a, b))
    h = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_000 * asin(sqrt(h))


def events_of(house: House, item: UUID) -> list[str]:
    with house.database.read() as session:
        return list(
            session.scalars(
                select(ItemEvent.type)
                .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
                .where(EventOfItem.item_id == item)
                .order_by(ItemEvent.received_at, ItemEvent.id)
            )
        )


# ------------------------------------------------------------------------------------------------------- conservation
def test_every_item_considered_is_on_exactly_one_route_or_left_out_with_a_reason(office):
    good = scatter(office, 30)
    doubtful = [place(office, lat=None, lon=None, commune_code=None) for _ in range(2)]
    later = [place(office, wanted_on=DAY + timedelta(days=2))]
    too_soon = [place(office, not_before=DAY + timedelta(days=1))]
    expired = [place(office, held_until=DAY - timedelta(days=1))]
    announced = place(office, received=False)

    view = planned(office)

    assert view.state == "solved"
    routed, missing = on_routes(view), left_out(office, view)
    assert set(routed) | set(missing) == {*good, *doubtful, *later, *too_soon, *expired}
    assert not set(routed) & set(missing)
    assert announced not in {*routed, *missing}
    assert set(good) <= set(routed)
    assert {missing[item] for item in doubtful} == {"address_doubtful"}
    assert {missing[item] for item in (*later, *too_soon, *expired)} == {"held"}
    assert view.unplanned_count == len(missing) == 5
    assert view.travel["source"] == "estimated"


def test_a_day_with_too_much_work_says_for_each_item_left_out_what_is_to_blame(office):
    adjust(office, 0, shift_end=30_600)
    adjust(office, 1, shift_end=30_600)
    adjust(office, 2, shift_end=30_600)
    items = scatter(office, 60, km=10)

    view = planned(office)

    routed, missing = on_routes(view), left_out(office, view)
    assert set(routed) | set(missing) == set(items)
    assert len(missing) > 10
    assert set(missing.values()) == {"shift"}
    sentences = [row.sentence for row in dispatch.unplanned(office.desk, office.dispatcher, view.id)]
    assert all(sentence.endswith(".") for sentence in sentences)


def test_the_routes_that_were_stored_can_be_driven(office):
    """The checker over what stands in the database, and a bound of its own: nobody is faster than the crow at 120 km/h."""
    scatter(office, 40, seed=3)
    a_boat(office, 2)
    adjust(office, 0, break_start=41_400, break_seconds=3_600)
    view = planned(office)
    with office.database.read() as session:
        shifts = {
            p.postman_id: p for p in read_office_day(session, office.desk, office.office_id, DAY, at=MORNING).crew
        }
    for route in view.routes:
        opens, closes = shifts[route.postman].shift
        place_before, free_from = OFFICE, local(0) + timedelta(seconds=opens)
        for stop in route.stops:
            here = (stop.lat, stop.lon)
            assert stop.arrives_at >= free_from + timedelta(seconds=crow_m(place_before, here) / 33.4)
            assert stop.leaves_at > stop.arrives_at
            place_before, free_from = here, stop.leaves_at
        assert free_from <= local(0) + timedelta(seconds=closes)
        assert [stop.sequence for stop in route.stops] == list(range(1, len(route.stops) + 1))


def test_a_promised_window_is_kept(office):
    scatter(office, 20)
    windows = {
        place(office, km_north=3, km_east=2, wanted_on=DAY, wanted_from=a, wanted_to=b): (a, b)
        for a, b in ((27_000, 30_600), (46_800, 50_400), (57_600, 60_000))
    }
    view = planned(office)

    seen = 0
    for route in view.routes:
        for stop in route.stops:
            for item in set(stop.items) & set(windows):
                opens, closes = windows[item]
                begins = (stop.arrives_at - local(0)).total_seconds()
                assert opens <= begins <= closes
                seen += 1
    assert seen == 3


def test_a_window_nobody_can_keep_is_named(office):
    late = place(office, km_north=5, wanted_on=DAY, wanted_from=70_000, wanted_to=72_000)
    view = planned(office)
    assert left_out(office, view) == {late: "window"}
    [row] = dispatch.unplanned(office.desk, office.dispatcher, view.id)
    assert "19:26-20:00" in row.sentence


def test_nobody_carries_more_cash_than_allowed(office):
    for postman in range(3):
        adjust(office, postman, cash_limit_dong=1_000_000)
    dear = [("fine", "treasury", 400_000)]
    items = [place(office, km_north=n / 10, charges=dear) for n in range(1, 9)]
    too_dear = place(office, charges=[("fine", "treasury", 1_500_000)])

    view = planned(office)

    routed, missing = on_routes(view), left_out(office, view)
    for route in view.routes:
        taken = sum(400_000 for stop in route.stops for _ in stop.items)
        assert taken <= 1_000_000
        assert route.summary["cash_dong"] == taken
    assert missing.pop(too_dear) == "cash_limit"
    assert len(routed) == 6
    assert set(missing.values()) == {"cash_limit"}
    assert len(items) == len(routed) + len(missing)


def test_the_reasons_are_the_same_when_the_machine_has_no_time_to_look_for_them(sqlite_office, monkeypatch):
    """The limit of the search is over before anything is searched, as on a machine that is busy with something else."""
    office, solve = sqlite_office, office_day.solve
    monkeypatch.setattr(office_day, "solve", lambda problem, **asked: solve(problem, **(asked | {"seconds": 0.001})))
    for postman in range(3):
        adjust(office, postman, cash_limit_dong=1_000_000)
    for n in range(1, 9):
        place(office, km_north=n / 10, charges=[("fine", "treasury", 400_000)])
    too_dear = place(office, charges=[("fine", "treasury", 1_500_000)])
    too_late = place(office, km_north=5, wanted_on=DAY, wanted_from=70_000, wanted_to=72_000)

    missing = left_out(office, planned(office))

    assert (missing.pop(too_dear), missing.pop(too_late)) == ("cash_limit", "window")
    assert list(missing.values()) == ["cash_limit"] * 2


def test_items_of_one_household_are_one_call_and_neighbours_are_not(office):
    mother = place(office, km_north=2, recipient_phone="0599000011")
    child = place(office, km_north=2, recipient_phone="0599000011")
    neighbour = place(office, km_north=2, recipient_phone="0599000012")
    no_phone = [
        place(office, km_north=2, recipient_phone=None, recipient_name=name) for name in ("Lê Thị A", "Lê Thị B")
    ]

    view = planned(office)

    calls = [set(stop.items) for route in view.routes for stop in route.stops]
    assert {mother, child} in calls
    assert {neighbour} in calls
    assert all({item} in calls for item in no_phone)


def test_a_dossier_to_be_fetched_is_planned_with_the_results(office):
    fetched = place(office, direction=Direction.SUBMISSION, charges=())
    handed = place(office, km_north=1.2)
    view = planned(office)
    assert set(on_routes(view)) == {fetched, handed}


def test_the_beat_decides_between_equals(office):
    for postman, commune in enumerate(("32059", "32044", "32047")):
        adjust(office, postman, beat=[commune])
    items = [
        place(office, km_north=3 + n / 20, km_east=n / 20, commune_code=code)
        for n, code in enumerate(("32059", "32044", "32047") * 5)
    ]
    view = planned(office)
    beat_of = {"32059": office.postmen[0].id, "32044": office.postmen[1].id, "32047": office.postmen[2].id}
    routed = on_routes(view)
    assert all(routed[item] == beat_of[office.row(item).commune_code] for item in items)


def test_nobody_does_the_days_work_alone(office):
    """One postman could reach all 36 doors before evening; each gets about a third of them."""
    items = scatter(office, 36, km=3)
    view = planned(office)
    assert set(on_routes(view)) == set(items)
    assert max(len(route.stops) for route in view.routes) <= 17
    assert len(view.routes) == 3


def test_a_share_gives_way_where_only_one_postman_can_carry_the_money(office):
    for postman in (0, 1):
        adjust(office, postman, cash_limit_dong=100_000)
    adjust(office, 2, cash_limit_dong=900_000_000)
    items = [place(office, km_north=n / 10, charges=[("fine", "treasury", 2_000_000)]) for n in range(1, 21)]
    view = planned(office, seconds=2.0)
    assert set(on_routes(view)) == set(items)


def test_urgent_items_are_the_last_to_be_left_out(office):
    adjust(office, 0, shift_end=34_000)
    with office.database.write() as session:
        for postman in office.postmen[1:]:
            session.get_one(Staff, postman.id).active = False
    scatter(office, 40, km=2)
    due = scatter(office, 4, km=3, seed=9, deliver_by=DAY)
    promised = scatter(office, 2, km=3, seed=10, wanted_on=DAY)

    view = planned(office)

    assert set(due) | set(promised) <= set(on_routes(view))
    assert view.unplanned_count > 0


def test_an_office_without_postmen_gets_a_failed_plan_with_a_sentence(office):
    with office.database.write() as session:
        for postman in office.postmen:
            session.get_one(Staff, postman.id).active = False
    place(office)
    view = planned(office)
    assert (view.state, view.routes, view.unplanned_count) == ("failed", (), 0)
    assert "bưu tá" in view.error


def test_after_the_last_shift_there_is_nothing_to_plan_with(office):
    place(office)
    view = planned(office, at=local(18))
    assert view.state == "failed"
    assert "Ca làm việc" in view.error


def test_an_empty_day_is_solved_without_routes(office):
    view = planned(office)
    assert (view.state, view.routes, view.unplanned_count, view.cost) == ("solved", (), 0, 0)


def test_an_engine_that_dies_leaves_a_failed_plan_and_nothing_half_stored(office, monkeypatch):
    from routing.solving import EngineFailed  # noqa: PLC0415

    def die(*args, **kwargs):
        raise EngineFailed("killed")

    monkeypatch.setattr("courier.dispatch.office_day.solve", die)
    place(office)
    view = planned(office)
    assert view.state == "failed"
    assert stored(office, view.id) == (0, 0, 0, 0)


def test_solving_twice_writes_once(office):
    scatter(office, 6)
    view = planned(office)
    before = stored(office, view.id)
    dispatch.solve_plan(office.desk, view.id, at=MORNING)
    assert stored(office, view.id) == before
    assert dispatch.get_plan(office.desk, office.dispatcher, view.id).version == view.version


def test_the_same_day_planned_twice_gives_two_plans_of_the_same_items(office):
    items = scatter(office, 8)
    first, second = planned(office), planned(office, seed=1)
    assert set(on_routes(first)) == set(on_routes(second)) == set(items)
    assert [view.id for view in dispatch.list_plans(office.desk, office.dispatcher, day=DAY)] == [second.id, first.id]


# ------------------------------------------------------------------------------------------------- asking, and rights
def ask(house: House, caller: Caller | None = None, **changes) -> UUID:
    wanted = {"office_id": None, "day": DAY, "at": MORNING} | changes
    return dispatch.request_plan(house.desk, caller or house.dispatcher, **wanted)


def test_a_day_that_is_past_is_not_planned(office):
    with pytest.raises(Invalid) as refusal:
        ask(office, day=DAY - timedelta(days=1))
    assert [(e.field, e.code) for e in refusal.value.errors] == [("date", "past")]


@pytest.mark.parametrize("seconds", [0.1, 500.0])
def test_a_time_limit_out_of_bounds_is_refused(sqlite_office, seconds):
    with pytest.raises(Invalid) as refusal:
        ask(sqlite_office, seconds=seconds)
    assert [e.field for e in refusal.value.errors] == ["seconds"]


def test_an_admin_says_for_which_office(office):
    admin = Caller(office.dispatcher.id, Role.ADMIN, "admin")
    with pytest.raises(Invalid):
        ask(office, admin)
    assert state_of(office, ask(office, admin, office_id=office.office_id)) == "draft"
    with pytest.raises(Missing):
        ask(office, admin, office_id=number(7))


@pytest.mark.parametrize("role", ["cashier", "clerk"])
def test_others_plan_and_publish_nothing(sqlite_office, role):
    somebody = getattr(sqlite_office, role)
    with pytest.raises(Forbidden):
        ask(sqlite_office, somebody)
    plan_id = ask(sqlite_office)
    with pytest.raises(Forbidden):
        dispatch.publish(sqlite_office.desk, somebody, plan_id, version=1, at=MORNING)


def test_another_offices_plans_do_not_exist(office):
    other = open_office(office.database, office.desk.settings.var_dir, code="CN")
    place(office)
    theirs = place(other)
    view = planned(office)
    assert theirs not in on_routes(view)
    for act in (
        lambda: dispatch.get_plan(office.desk, other.dispatcher, view.id),
        lambda: dispatch.unplanned(office.desk, other.cashier, view.id),
        lambda: dispatch.publish(office.desk, other.dispatcher, view.id, version=view.version, at=MORNING),
        lambda: ask(office, other.dispatcher, office_id=office.office_id),
        lambda: dispatch.list_plans(office.desk, other.dispatcher, office_id=office.office_id),
    ):
        with pytest.raises(Missing):
            act()
    assert dispatch.list_plans(office.desk, other.dispatcher) == []
    other.desk.jobs.stop()


def test_a_plan_and_its_job_come_into_being_together(office):
    plan_id = ask(office)
    assert office.desk.jobs.status(f"solve-plan:{plan_id}") is JobState.QUEUED


def test_looking_at_plans_costs_the_same_for_one_and_for_many(sqlite_office, counting):
    scatter(sqlite_office, 6)
    planned(sqlite_office)
    with counting(sqlite_office.database) as one:
        dispatch.list_plans(sqlite_office.desk, sqlite_office.dispatcher)
    for seed in range(3):
        planned(sqlite_office, seed=seed)
    with counting(sqlite_office.database) as many:
        assert len(dispatch.list_plans(sqlite_office.desk, sqlite_office.dispatcher)) == 4
    assert len(one) == len(many) <= 6


@pytest.fixture
def counting():
    from contextlib import contextmanager  # noqa: PLC0415

    from sqlalchemy import event  # noqa: PLC0415

    @contextmanager
    def count(database):
        statements = []

        def note(conn, cursor, statement, *rest):
            statements.append(statement)

        event.listen(database.reading_engine, "before_cursor_execute", note)
        yield statements
        event.remove(database.reading_engine, "before_cursor_execute", note)

    return count


# --------------------------------------------------------------------------------------------------------- publishing
def test_publishing_plans_the_items_and_raises_the_version_of_every_bag(office):
    items = scatter(office, 9)
    view = published(office)
    assert view.state == "published"
    assert {office.row(item).state for item in items} == {"planned"}
    assert all(events_of(office, item) == ["received", "planned"] for item in items)
    with office.database.read() as session:
        bags = dict(
            session.execute(select(BagVersion.postman_id, BagVersion.version).where(BagVersion.day == DAY)).all()
        )
    assert set(bags) == {route.postman for route in view.routes}


def test_only_a_solved_plan_of_the_version_seen_is_published_and_once(office):
    place(office)
    draft = ask(office)
    with pytest.raises(Refused, match="not-solved"):
        dispatch.publish(office.desk, office.dispatcher, draft, version=1, at=MORNING)
    view = planned(office)
    with pytest.raises(Stale):
        dispatch.publish(office.desk, office.dispatcher, view.id, version=view.version - 1, at=MORNING)
    now = dispatch.publish(office.desk, office.dispatcher, view.id, version=view.version, at=MORNING)
    with pytest.raises(Stale):
        dispatch.publish(office.desk, office.dispatcher, view.id, version=view.version, at=MORNING)
    with pytest.raises(Refused, match="not-solved"):
        dispatch.publish(office.desk, office.dispatcher, view.id, version=now.version, at=MORNING)


def test_a_plan_of_yesterday_is_not_published(office):
    place(office)
    view = planned(office)
    with pytest.raises(Refused, match="past-day"):
        dispatch.publish(office.desk, office.dispatcher, view.id, version=view.version, at=MORNING + timedelta(days=1))


def test_publishing_again_supersedes_and_leaves_every_item_where_the_new_plan_says(office):
    items = scatter(office, 6)
    first = published(office)
    gone = items[0]
    with office.database.write() as session:
        session.get_one(Item, gone).wanted_on = DAY + timedelta(days=3)
    new = place(office, km_north=2)

    second = published(office, at=EIGHT)

    assert state_of(office, first.id) == "superseded"
    assert state_of(office, second.id) == "published"
    assert set(on_routes(second)) == {*items[1:], new}
    assert office.row(gone).state == "received"
    assert events_of(office, gone) == ["received", "planned", "unplanned"]
    assert events_of(office, items[1]) == ["received", "planned"]
    assert {office.row(item).state for item in (*items[1:], new)} == {"planned"}


def test_an_item_that_changed_after_the_plan_was_solved_is_taken_off_when_it_is_published(office):
    items = scatter(office, 6)
    view = planned(office)
    with office.database.write() as session:
        session.get_one(Item, items[0]).wanted_on = DAY + timedelta(days=3)
        session.get_one(Item, items[1]).state = "cancelled"

    shown = dispatch.publish(office.desk, office.dispatcher, view.id, version=view.version, at=EIGHT)

    assert set(on_routes(shown)) == set(items[2:])
    assert left_out(office, shown) == {items[0]: "held", items[1]: "held"}
    assert office.row(items[0]).state == "received"


def test_what_is_in_a_bag_stays_in_that_bag_and_what_was_visited_stays_where_it_was(office):
    items = scatter(office, 12)
    first = published(office)
    routed = on_routes(first)
    postman = first.routes[0].postman
    bag = [item for stop in first.routes[0].stops for item in stop.items]
    phone = take_out(office, postman, bag, at=local(7, 40))
    delivered = bag[0]
    money = paying(*((charge, charge.amount_dong) for charge in office.charges(delivered)))
    phone.send(phone.event("handed_over", [delivered], at=local(8), **done_right(money)), at=local(8))
    assert office.row(delivered).state == "delivered"
    extra = place(office, km_north=1.5)

    second = published(office, at=local(8, 5))

    now = on_routes(second)
    assert set(now) == {*items, extra}
    assert all(now[item] == postman for item in bag)
    assert now[extra] != postman, "who is on the road cannot load what lies in the office"
    locks = {item: stop.lock for route in second.routes for stop in route.stops for item in stop.items}
    assert locks[delivered] == "frozen"
    assert all(locks[item] == "keep_postman" for item in bag[1:])
    before = {item: stop for stop in first.routes[0].stops for item in stop.items}[delivered]
    after = {item: stop for route in second.routes for stop in route.stops for item in stop.items}[delivered]
    assert after.arrives_at == before.arrives_at
    assert events_of(office, delivered) == ["received", "planned", "taken_out", "handed_over"]
    assert all("unplanned" not in events_of(office, item) for item in bag)
    assert set(routed) <= set(now)


def test_an_item_taken_out_between_solving_and_publishing_stays_with_whoever_took_it(office):
    items = scatter(office, 10, km=4)
    published(office)
    view = planned(office, seed=5, at=local(7, 35))
    item, theirs = next(iter(on_routes(view).items()))
    other = next(postman.id for postman in office.postmen if postman.id != theirs)
    take_out(office, other, [item], at=local(7, 40))

    shown = dispatch.publish(office.desk, office.dispatcher, view.id, version=view.version, at=local(7, 45))

    now = on_routes(shown)
    assert now[item] == other
    assert set(now) == set(items)
    assert office.row(item).state == "out"


def test_a_bag_that_no_longer_fits_the_shift_stays_on_its_route(office):
    items = scatter(office, 4)
    first = published(office)
    postman = first.routes[0].postman
    bag = [item for stop in first.routes[0].stops for item in stop.items]
    take_out(office, postman, bag, at=local(7, 40))

    second = published(office, at=local(16, 55))

    now = on_routes(second)
    assert all(now[item] == postman for item in bag)
    assert set(now) | set(left_out(office, second)) == set(items)


def test_a_plan_of_tomorrow_leaves_todays_items_alone(office):
    items = scatter(office, 5)
    published(office)
    fresh = scatter(office, 3, seed=8)
    view = planned(office, day=DAY + timedelta(days=1))
    assert set(on_routes(view)) == set(fresh)
    assert {office.row(item).state for item in items} == {"planned"}


def test_what_yesterdays_route_left_behind_is_planned_again(office):
    [item] = scatter(office, 1)
    published(office)
    view = published(office, day=DAY + timedelta(days=1), at=MORNING + timedelta(days=1))
    assert set(on_routes(view)) == {item}
    assert office.row(item).state == "planned"


# ----------------------------------------------------------------------------------------------- windows to be offered
def test_every_window_offered_can_be_kept(office):
    """Take each offer, plan that day as if it were chosen, and see the call made within the window."""
    item = place(office, km_north=4)
    tomorrow = DAY + timedelta(days=1)
    scatter(office, 12, seed=4, wanted_on=tomorrow, wanted_from=27_000, wanted_to=41_400)
    offers = dispatch.slots(office.desk, item, at=MORNING)
    assert len({offer.day for offer in offers}) == 7
    mine = [offer for offer in offers if offer.day == tomorrow]
    # In the morning he is there anyway; for this call alone nobody would ride out again in the afternoon.
    assert [offer.from_ for offer in mine] == [27_000]
    for offer in mine:
        with office.database.write() as session:
            row = session.get_one(Item, item)
            row.wanted_on, row.wanted_from, row.wanted_to = offer.day, offer.from_, offer.to
        view = planned(office, day=tomorrow)
        [stop] = [stop for route in view.routes for stop in route.stops if item in stop.items]
        assert offer.opens_at <= stop.arrives_at <= offer.closes_at


def test_a_half_day_that_promises_have_filled_is_not_offered(office):
    """Three postmen, four hours, some 4 minutes a call at the very least: 200 promises leave no room in that morning."""
    tomorrow = DAY + timedelta(days=1)
    for postman in range(3):
        adjust(office, postman, shift_end=41_400)
    scatter(office, 200, km=8, wanted_on=tomorrow, wanted_from=27_000, wanted_to=41_400)
    item = place(office, km_north=9)
    offered = {(slot.day, slot.from_) for slot in dispatch.slots(office.desk, item, at=MORNING)}
    assert (tomorrow, 27_000) not in offered
    assert (tomorrow + timedelta(days=1), 27_000) in offered


def test_a_day_past_its_cut_off_a_sunday_and_a_holiday_are_not_offered(office):
    item = place(office)
    evening = local(17, 1)
    days = {slot.day for slot in dispatch.slots(office.desk, item, at=evening)}
    assert DAY + timedelta(days=1) not in days
    assert date(2026, 11, 29) not in days  # a Sunday
    assert len(days) == 7
    saturday = [slot for slot in dispatch.slots(office.desk, item, at=evening) if slot.day == date(2026, 11, 28)]
    assert [(slot.from_, slot.to) for slot in saturday] == [(27_000, 41_400)]


def test_days_before_the_next_attempt_and_after_the_hold_are_not_offered(office):
    item = place(office, not_before=DAY + timedelta(days=3), held_until=DAY + timedelta(days=6))
    days = {slot.day for slot in dispatch.slots(office.desk, item, at=MORNING)}
    assert days == {date(2026, 11, 28), date(2026, 11, 30), date(2026, 12, 1)}


def test_nothing_is_offered_for_an_item_whose_place_is_unknown_or_that_is_out(office):
    doubtful = place(office, lat=None, lon=None, commune_code=None)
    item = place(office)
    published(office)
    take_out(office, office.postmen[0].id, [item], at=local(7, 40))
    assert dispatch.slots(office.desk, doubtful, at=MORNING) == []
    assert dispatch.slots(office.desk, item, at=EIGHT) == []
    with pytest.raises(Missing):
        dispatch.slots(office.desk, number(9), at=MORNING)


def test_a_slot_is_looked_at_again_when_it_is_chosen(office):
    item = place(office, km_north=9)
    offers = dispatch.slots(office.desk, item, at=MORNING)
    morning = offers[0]
    assert taken(office, item, morning.id) == morning
    for postman in range(3):
        adjust(office, postman, shift_end=41_400)
    scatter(office, 200, km=8, wanted_on=morning.day, wanted_from=27_000, wanted_to=41_400)
    with pytest.raises(Refused, match="slot-gone"):
        taken(office, item, morning.id, at=MORNING + timedelta(minutes=1))
    with pytest.raises(Refused, match="slot-gone"):
        taken(office, item, offers[-1].id, at=MORNING + timedelta(days=30))


@pytest.mark.parametrize("name", ["", "soon", "20261340-0730-1130", "20261126-0730-1130x", "２０261126-0730-1130"])
def test_a_slot_that_is_none_is_invalid(sqlite_office, name):
    item = place(sqlite_office)
    with pytest.raises(Invalid):
        taken(sqlite_office, item, name)


def test_the_stored_problem_passes_the_checker(sqlite_office):
    """The whole chain once more, against routing's own independent checker."""
    from routing.solving import solve  # noqa: PLC0415

    scatter(sqlite_office, 25, seed=6)
    with sqlite_office.database.read() as session:
        sheet = read_office_day(session, sqlite_office.desk, sqlite_office.office_id, DAY, at=MORNING)
    calls = doors((item for item in sheet.items if kept_back(item, DAY) is None), DAY)
    problem = day_problem(sheet, calls, sheet.crew)
    assert check(problem, solve(problem, seconds=1)) == []
    assert {job.id for job in problem.jobs} == set(range(len(calls)))


__all__ = ["ItemCharge", "Phone", "Plan", "itertools", "office_day"]


# ----------------------------------------------------------------------------------------------------------- progress
def test_a_draft_tells_how_far_the_search_is_and_a_solved_plan_no_longer(office):
    waiting = scatter(office, 40)
    plan_id = dispatch.request_plan(office.desk, office.dispatcher, office_id=None, day=DAY, at=EIGHT, seconds=8.0)
    seen, drafts = {}, {}
    with ThreadPoolExecutor(1) as aside:
        solving = aside.submit(dispatch.solve_plan, office.desk, plan_id, at=EIGHT)
        while not wait([solving], timeout=0.1).done:
            view = dispatch.get_plan(office.desk, office.dispatcher, plan_id)
            if view.state == "draft" and (progress := view.summary.get("progress")):
                seen[view.version] = progress
                drafts[progress["shown"]] = on_routes(view)
        solving.result()
    assert drafts.pop(0, {}) == {}
    assert drafts, (seen, "the best routes so far can be read while the search goes on")
    assert all(set(doors) <= set(waiting) and len(doors) > 30 for doors in drafts.values())
    told = list(seen.values())
    assert told
    assert [p["seconds"] for p in told] == sorted({p["seconds"] for p in told})
    assert all(p["of_seconds"] == 8.0 and p["plans"] >= 1 and p["cost"] > 0 for p in told)
    view = dispatch.get_plan(office.desk, office.dispatcher, plan_id)
    assert (view.state, "progress" in view.summary) == ("solved", False)
    assert view.version > max(seen)
    assert len(set(on_routes(view))) == sum(len(stop.items) for route in view.routes for stop in route.stops)


def test_a_search_that_is_told_to_end_gives_the_best_plan_that_it_has(sqlite_office, monkeypatch):
    """With two minutes given: told after its first word, it ends long before."""
    items = scatter(sqlite_office, 60)
    plan_id = dispatch.request_plan(
        sqlite_office.desk, sqlite_office.dispatcher, office_id=None, day=DAY, at=MORNING, seconds=120, seed=1
    )
    dispatch.stop_solving(sqlite_office.desk, sqlite_office.dispatcher, plan_id)
    told = []
    note = planning._note_progress

    def noted(session, plan, progress, **more):
        told.append(progress.seconds)
        return note(session, plan, progress, **more)

    monkeypatch.setattr(planning, "_note_progress", noted)

    dispatch.solve_plan(sqlite_office.desk, plan_id, at=MORNING)

    view = dispatch.get_plan(sqlite_office.desk, sqlite_office.dispatcher, plan_id)
    assert view.state == "solved"
    assert set(on_routes(view)) | set(left_out(sqlite_office, view)) == set(items)
    assert max(told) < 60
    with pytest.raises(Refused, match="not-solving"):
        dispatch.stop_solving(sqlite_office.desk, sqlite_office.dispatcher, plan_id)
