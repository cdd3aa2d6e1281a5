"""A stored plan read back as the optimiser sees it: the same routes, what was visited frozen, locks in force."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from courier import dispatch
from courier.dispatch.standing import StandingPlan, read_standing, write_solution
from courier.domain.calendar import at_local
from courier.store.tables import Item, Plan, Route, Stop, StopItem
from routing.checking import check
from tests.builders import DAY, MORNING, House, done_right, paying
from tests.planning_office import adjust, left_out, on_routes, open_office, place, planned, published, scatter, take_out


@pytest.fixture
def office(database, tmp_path) -> Iterator[House]:
    house = open_office(database, tmp_path)
    yield house
    house.desk.jobs.stop()


def standing(office: House, plan_id, *, at=MORNING) -> StandingPlan:
    with office.database.read() as session:
        return read_standing(session, office.desk, session.get_one(Plan, plan_id), at=at)


def rewrite(office: House, plan_id, *, at=MORNING):
    """Read and write the plan as it stands; the plan as it is shown then."""
    with office.database.write() as session:
        plan = session.get_one(Plan, plan_id)
        stood = read_standing(session, office.desk, plan, at=at)
        write_solution(session, office.desk, plan, stood, stood.solution, at=at)
    return dispatch.get_plan(office.desk, office.dispatcher, plan_id)


def lock(office: House, plan_id, item, kind: str) -> None:
    """Store a lock on the item's stop."""
    with office.database.write() as session:
        stop = session.scalar(
            select(Stop)
            .join(StopItem, StopItem.stop_id == Stop.id)
            .join(Route, Route.id == Stop.route_id)
            .where(Route.plan_id == plan_id, StopItem.item_id == item)
        )
        stop.lock = kind


def routes_of(stood: StandingPlan):
    return {
        stood.crew[route.vehicle].postman_id: [
            (stood.calls[step.id].items, at_local(DAY, step.begins), at_local(DAY, step.leaves))
            for step in route.visits
        ]
        for route in stood.solution.routes
    }


def stored_routes(view):
    return {route.postman: [(s.items, s.arrives_at, s.leaves_at) for s in route.stops] for route in view.routes}


def test_a_solved_plan_read_back_has_the_same_routes_to_the_second_and_breaks_no_rule(office):
    scatter(office, 25)
    adjust(office, 1, break_start=11 * 3600, break_seconds=1800)
    view = planned(office)

    stood = standing(office, view.id)

    assert routes_of(stood) == stored_routes(view)
    assert stood.solution.cost == view.cost
    assert check(stood.problem, stood.solution) == list(stood.solution.violations) == []


def test_what_the_plan_leaves_out_but_could_take_is_unassigned_with_its_reason(office):
    scatter(office, 3)
    promised = place(office, km_north=25, wanted_on=DAY, wanted_from=27_000, wanted_to=27_300)
    view = planned(office)
    doubtful = place(office, lat=None, lon=None)
    newcomer = place(office)
    assert left_out(office, view) == {promised: "window"}

    stood = standing(office, view.id)

    missing = {stood.calls[missed.id].items: missed.code for missed in stood.solution.unassigned}
    assert missing == {(promised,): "window", (newcomer,): None}
    assert all(doubtful not in call.items for call in stood.calls)


def test_a_half_driven_day_has_its_visits_frozen_at_their_time_and_its_bags_kept(office):
    scatter(office, 15)
    view = published(office)
    route = view.routes[0]
    bag = [item for stop in route.stops for item in stop.items]
    ten_past = MORNING + timedelta(minutes=10)
    phone = take_out(office, route.postman, bag, at=ten_past)
    # The second door is visited before the first, and later than planned.
    second, first = route.stops[1].items, route.stops[0].items
    moments = {second: MORNING + timedelta(minutes=50), first: MORNING + timedelta(minutes=70)}
    for items, at in moments.items():
        money = paying(*((c, c.amount_dong) for item in items for c in office.charges(item)))
        phone.send(phone.event("handed_over", list(items), at=at, **done_right(money)), at=at)
    now = MORNING + timedelta(minutes=80)

    stood = standing(office, view.id, at=now)

    seat = next(n for n, member in enumerate(stood.crew) if member.postman_id == route.postman)
    steps = next(r for r in stood.solution.routes if r.vehicle == seat).visits
    assert [stood.calls[step.id].items for step in steps[:2]] == [second, first]
    assert [at_local(DAY, step.begins) for step in steps[:2]] == [moments[second], moments[first]]
    assert {stood.problem.jobs[step.id].lock for step in steps[:2]} == {"frozen"}
    assert {stood.problem.jobs[step.id].lock for step in steps[2:]} == {"keep_postman"}
    assert all(at_local(DAY, step.begins) > moments[first] for step in steps[2:])
    assert check(stood.problem, stood.solution) == list(stood.solution.violations) == []

    again = rewrite(office, view.id, at=now)
    assert on_routes(again) == on_routes(view)
    assert [stop.lock for stop in again.routes[0].stops[:2]] == ["frozen", "frozen"]
    assert again.routes[0].stops[0].arrives_at == moments[second]


def test_a_route_that_cannot_keep_its_promises_stands_with_what_it_breaks_named(office):
    item = place(office, km_north=5, wanted_on=DAY, wanted_from=28_800, wanted_to=30_600)
    view = planned(office)
    late = MORNING + timedelta(hours=2)

    stood = standing(office, view.id, at=late)

    assert [v.code for v in stood.solution.violations] == ["delay"]
    assert check(stood.problem, stood.solution) == list(stood.solution.violations)
    assert [stood.calls[step.id].items for step in stood.solution.routes[0].visits] == [(item,)]
    shown = rewrite(office, view.id, at=late)
    seconds = int((shown.routes[0].stops[0].arrives_at - at_local(DAY, 30_600)).total_seconds())
    assert shown.routes[0].summary["violations"] == [{"code": "delay", "stop": 1, "seconds": seconds}]


def test_a_bag_out_after_the_shift_stands_at_the_end_of_its_route(office):
    scatter(office, 4)
    view = published(office)
    bag = [item for stop in view.routes[0].stops for item in stop.items]
    take_out(office, view.routes[0].postman, bag, at=MORNING + timedelta(minutes=10))

    stood = standing(office, view.id, at=MORNING + timedelta(hours=11))

    assert {stood.crew[r.vehicle].postman_id for r in stood.solution.routes} == {r.postman for r in view.routes}
    assert "delay" in {v.code for v in stood.solution.violations}


@pytest.mark.parametrize("kind", ["keep_postman", "keep_order", "keep_time", "frozen"])
def test_a_stored_lock_binds_the_stop_to_its_route(office, kind):
    scatter(office, 12)
    view = planned(office)
    item = view.routes[0].stops[0].items[0]
    lock(office, view.id, item, kind)

    stood = standing(office, view.id)

    number = next(n for n, call in enumerate(stood.calls) if item in call.items)
    job = stood.problem.jobs[number]
    assert job.lock == kind
    assert stood.crew[job.locked_vehicle].postman_id == view.routes[0].postman
    assert stood.solution.violations == ()
    assert {s.lock for r in rewrite(office, view.id).routes for s in r.stops if item in s.items} == {kind}


def test_writing_what_was_read_changes_nothing(office):
    scatter(office, 12)
    place(office, km_north=25, wanted_on=DAY, wanted_from=27_000, wanted_to=27_300)
    view = planned(office)
    reasons = left_out(office, view)

    again = rewrite(office, view.id)

    assert stored_routes(again) == stored_routes(view)
    assert left_out(office, again) == reasons
    assert (again.cost, again.travel) == (view.cost, view.travel)
    assert {k: again.summary[k] for k in view.summary} == dict(view.summary)


def test_an_item_cancelled_since_leaves_the_routes_and_says_so(office):
    scatter(office, 6)
    view = planned(office)
    gone = next(iter(on_routes(view)))
    with office.database.write() as session:
        session.get_one(Item, gone).state = "cancelled"

    again = rewrite(office, view.id)

    assert set(on_routes(again)) == set(on_routes(view)) - {gone}
    assert left_out(office, again) == {gone: "held"}
