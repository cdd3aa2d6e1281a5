"""When the postman comes, as the citizen is told it: from the published plan, from the acts of the day, from what past rounds taught."""

from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from courier import tracking
from courier.domain.calendar import at_local
from courier.store import links, plans, rounds
from courier.store.plans import PlannedRoute, PlannedStop
from courier.store.tables import EventOfItem, Item, ItemEvent, Office, Plan, Postman
from tests.builders import DAY, MORNING, an_item, done_right, paying
from tests.planning_office import open_office, place, published, scatter, take_out

NOON, EVENING = 11 * 3600 + 1800, 17 * 3600


@pytest.fixture
def office(database, tmp_path):
    """An office of one postman."""
    house = open_office(database, tmp_path, postmen=1)
    yield house
    house.desk.jobs.stop()


def told(house, item_id, *, at):
    """What the link of an item says of the visit."""
    token = f"the-link-of-{item_id}"
    with house.database.write() as session:
        session.get_one(Item, item_id).link_digest = links.digest(token)
    return tracking.by_link(house.desk, token, visitor=None, at=at).promise


def width(promise):
    return promise.closes_at - promise.opens_at


def test_a_published_visit_is_told_with_how_sure_it_is_and_later_ones_less_narrowly(office):
    scatter(office, 8)
    stops = published(office).routes[0].stops
    first, last = (told(office, stop.items[0], at=MORNING) for stop in (stops[0], stops[-1]))
    for promise, stop in ((first, stops[0]), (last, stops[-1])):
        assert (promise.day, promise.basis, promise.confidence, promise.updated_at) == (DAY, "estimated", 0.9, MORNING)
        assert promise.opens_at <= stop.arrives_at <= promise.closes_at
    assert width(last) > width(first)


def test_an_act_before_the_visit_narrows_and_moves_its_window(office):
    scatter(office, 6)
    stops = published(office).routes[0].stops
    phone = take_out(office, office.postmen[0].id, [i for s in stops for i in s.items], at=MORNING)
    before = told(office, stops[4].items[0], at=MORNING)
    late = stops[3].leaves_at + timedelta(minutes=40)
    for number, stop in enumerate(stops[:4]):
        at = late - timedelta(minutes=15 * (3 - number))
        charges = [(c, c.amount_dong) for item in stop.items for c in office.charges(item)]
        phone.send(phone.event("handed_over", stop.items, at=at, **done_right(paying(*charges))), at=at)
    after = told(office, stops[4].items[0], at=late)
    assert width(after) < width(before)
    assert after.opens_at >= late - timedelta(minutes=5)
    assert after.opens_at <= late + (stops[4].arrives_at - stops[3].leaves_at) <= after.closes_at


def test_a_postman_who_is_not_heard_makes_the_window_wider_and_never_past(office):
    scatter(office, 6)
    stops = published(office).routes[0].stops
    take_out(office, office.postmen[0].id, [i for s in stops for i in s.items], at=MORNING)
    widths = []
    for hours in (0, 2, 4):
        at = stops[0].arrives_at + timedelta(hours=hours)
        promise = told(office, stops[3].items[0], at=at)
        assert promise.closes_at > at
        widths.append(width(promise))
    assert widths[0] < widths[2]


def test_a_round_that_runs_into_the_night_is_told_as_a_day(office):
    scatter(office, 6)
    stops = published(office).routes[0].stops
    late = at_local(DAY, 23 * 3600 + 1800)
    assert told(office, stops[5].items[0], at=late - timedelta(hours=8)).opens_at is not None
    promise = told(office, stops[5].items[0], at=late)
    assert (promise.day, promise.opens_at, promise.closes_at, promise.basis) == (DAY, None, None, "day")


def test_a_chosen_window_is_the_promise_and_the_estimate_stands_beside_it(office):
    scatter(office, 3)
    item_id = place(office, km_north=2, wanted_on=DAY, wanted_from=NOON + 5400, wanted_to=EVENING)
    unplanned = told(office, item_id, at=MORNING)
    assert (unplanned.basis, unplanned.confidence, unplanned.expected) == ("chosen", None, None)
    published(office)
    promise = told(office, item_id, at=MORNING)
    slot = (at_local(DAY, NOON + 5400), at_local(DAY, EVENING))
    assert (promise.opens_at, promise.closes_at, promise.basis) == (*slot, "chosen")
    assert promise.expected.confidence == 0.9
    assert promise.expected.opens_at >= slot[0]  # who comes early waits
    assert promise.expected.closes_at < slot[1]


def test_waiting_for_a_window_is_not_taken_for_a_long_way(office):
    """He waits some hours at the second door, and is known to be there when it opens."""
    place(office, km_north=1, wanted_on=DAY, wanted_from=27_000, wanted_to=27_600)
    waited_for = place(office, km_north=2, wanted_on=DAY, wanted_from=NOON + 5400, wanted_to=EVENING)
    published(office)
    with office.database.read() as session:
        (one,) = rounds.rounds_of(session, plans.published(session, office.office_id, DAY))
    assert one.stops[1].waits > timedelta(hours=4)
    expected = told(office, waited_for, at=MORNING).expected
    assert width(expected) <= timedelta(minutes=5)


def test_a_day_without_a_route_is_told_as_a_day(office):
    item_id = place(office, wanted_on=DAY + timedelta(days=2))
    promise = told(office, item_id, at=MORNING)
    assert (promise.day, promise.opens_at, promise.basis) == (DAY + timedelta(days=2), None, "day")


# ------------------------------------------------------------------------------------------------------- learning
def a_past_round(house, days_ago, *, calls=18, slower=1.3, trusted=True):
    """A published round of the past with an act at every door; ways of ten minutes took `slower` times as long."""
    day = DAY - timedelta(days=days_ago)
    with house.database.write() as session:
        vehicle = session.get_one(Postman, house.postmen[0].id).vehicle_id
        plan = plans.begin_plan(
            session, office_id=house.office_id, day=day, seconds=1.0, seed=0, by=house.dispatcher.id,
            at=at_local(day, 0),
        )  # fmt: skip
        items = [an_item(session, house, charges=(), at=at_local(day, 0)) for _ in range(calls)]
        stops = tuple(
            PlannedStop(
                items=(item_id,), lat=9.4, lon=104.97,
                arrives_at=at_local(day, 28_800 + 900 * n), leaves_at=at_local(day, 28_800 + 900 * n + 300),
            )
            for n, item_id in enumerate(items)
        )  # fmt: skip
        route = PlannedRoute(
            postman_id=house.postmen[0].id, vehicle_id=vehicle, stops=stops,
            summary={"starts_at": at_local(day, 28_200).isoformat()},
        )  # fmt: skip
        plans.write_routes(session, plan.id, [route])
        session.get_one(Plan, plan.id).state = "published"
        for n, item_id in enumerate(items):
            moment = at_local(day, 28_200) + timedelta(seconds=900 * slower * (n + 1))
            event = ItemEvent(
                id=uuid7(), type="attempt_failed", actor_id=house.postmen[0].id, actor_role="postman",
                office_id=house.office_id, occurred_at=moment, claimed_at=moment, received_at=moment,
                clock_trusted=trusted, data={}, payload_hash="", result="applied",
            )  # fmt: skip
            session.add(event)
            session.flush()
            session.add(EventOfItem(event_id=event.id, item_id=item_id))
            session.get_one(Item, item_id).state = "delivered"


def learned_by(house):
    with house.database.read() as session:
        return rounds.noise_of(session.get_one(Office, house.office_id), house.desk.facts.arrivals)


@pytest.mark.once
def test_publishing_learns_from_the_rounds_of_the_office_and_people_are_told_so(office):
    for days_ago in range(1, 13):
        a_past_round(office, days_ago)
    scatter(office, 4)
    stops = published(office).routes[0].stops
    noise = learned_by(office)
    assert (noise.basis, noise.rounds) == ("learned", 12)
    # Drawn to the 1.05 of the data file as if that were eight rounds more.
    assert noise.factor == pytest.approx((12 * 1.3 + 8 * 1.05) / 20, abs=0.01)
    assert told(office, stops[-1].items[0], at=MORNING).basis == "learned"


@pytest.mark.once
def test_rounds_of_other_months_and_times_that_nobody_vouches_for_teach_nothing(office):
    for number in range(12):
        a_past_round(office, 1 + number, trusted=False)
        a_past_round(office, rounds.LEARNT_FROM_DAYS + 1 + number)
    scatter(office, 2)
    published(office)
    assert learned_by(office) == office.desk.facts.arrivals


# -------------------------------------------------------------------------------------------------------- reserve
def begins(view):
    return {item: stop.arrives_at for route in view.routes for stop in route.stops for item in stop.items}


def test_half_days_are_planned_to_end_an_hour_early_and_windows_agreed_to_the_minute_are_not(office):
    """Six doors on one way out in the morning, and one at its end for the last ten minutes."""
    morning = [place(office, km_north=1 + 4 * n, wanted_on=DAY, wanted_from=27_000, wanted_to=NOON) for n in range(6)]
    exact = place(office, km_north=21.5, wanted_on=DAY, wanted_from=NOON - 600, wanted_to=NOON)
    at = begins(published(office))
    assert max(at[item] for item in morning) <= at_local(DAY, NOON - 3600)
    assert at_local(DAY, NOON - 600) <= at[exact] <= at_local(DAY, NOON)


def test_a_promise_that_fits_only_without_the_reserve_is_kept_without_it(office):
    """Some hundred kilometres at 27 an hour, as the crow flies and more by road: nobody is there before eleven."""
    far = place(office, km_north=70, wanted_on=DAY, wanted_from=27_000, wanted_to=NOON)
    at = begins(published(office))
    assert at_local(DAY, NOON - 3600) < at[far] <= at_local(DAY, NOON)
