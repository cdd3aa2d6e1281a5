"""What is left of a running day planned anew: visited stays, bags stay, a broken-down postman's calls go to others, an urgent item comes in."""

import math
from datetime import timedelta

import pytest
from sqlalchemy import select

from courier import dispatch
from courier.domain.errors import Forbidden, Invalid, Missing, Refused, Stale
from courier.domain.item import Direction, State
from courier.store import bag, plans
from courier.store.tables import Item, Stop
from tests.builders import DAY, MORNING
from tests.planning_office import OFFICE, on_routes, open_office, place, published, scatter, take_out

NINE = MORNING + timedelta(hours=3)


@pytest.fixture
def running(database, tmp_path):
    """Two postmen with nine doors each or so, all in their bags; each has tried his first door in vain. (house, plan, tried)."""
    house = open_office(database, tmp_path, postmen=2)
    scatter(house, 18)
    view = published(house)
    tried = {}
    for route in view.routes:
        phone = take_out(house, route.postman, [i for s in route.stops for i in s.items], at=MORNING)
        first = route.stops[0]
        phone.send(phone.event("attempt_failed", first.items, at=NINE, reason="not_home"), at=NINE)
        tried |= dict.fromkeys(first.items, route.postman)
    assert len(view.routes) == 2, "both have something to do"
    yield house, dispatch.get_plan(house.desk, house.dispatcher, view.id), tried
    house.desk.jobs.stop()


def rest_of(house, view, **wanted):
    plan_id = dispatch.replan_rest(house.desk, house.dispatcher, view.id, version=view.version, at=NINE, **wanted)
    return dispatch.get_plan(house.desk, house.dispatcher, plan_id)


def test_the_rest_is_planned_from_where_people_are_and_nobody_gives_his_bag_away(running):
    house, view, tried = running
    new = rest_of(house, view, stability=0)
    before, after = on_routes(view), on_routes(new)
    assert (new.state, set(after)) == ("solved", set(before))
    assert {item: after[item] for item in tried} == tried
    # 3 % of sixteen loaded calls are none.
    assert after == before
    for route in new.routes:
        assert route.stops[0].lock == "frozen"
        assert route.stops[0].arrives_at == NINE
        assert all(stop.arrives_at > NINE for stop in route.stops[1:])
    with house.database.read() as session:
        assert plans.published(session, house.office_id, DAY).id == view.id, "nothing changes until it is published"


def test_what_a_broken_down_postman_still_had_goes_to_the_others_in_one_act(running):
    house, view, tried = running
    broken, other = (route.postman for route in view.routes)
    had = {item for item, postman in on_routes(view).items() if postman == broken} - set(tried)
    plan_id = dispatch.break_down(house.desk, house.dispatcher, view.id, broken, version=view.version, at=NINE)
    new = dispatch.get_plan(house.desk, house.dispatcher, plan_id)
    after = on_routes(new)
    assert {item for item in had if after.get(item) == other} == had
    assert {item for item, postman in after.items() if postman == broken} == {
        i for i, p in tried.items() if p == broken
    }
    told = dispatch.changes_of(house.desk, house.dispatcher, plan_id)
    assert (told.running, told.broken, told.stale) == (view.id, broken, False)
    assert {(m.before, m.after, m.loaded) for m in told.moved} == {(broken, other, True)}
    assert {item for moved in told.moved for item in moved.items} == had
    with house.database.read() as session:
        versions = [bag.version_of(session, postman, DAY) for postman in (broken, other)]
    dispatch.publish(house.desk, house.dispatcher, plan_id, version=new.version, at=NINE)
    assert on_routes(dispatch.get_plan(house.desk, house.dispatcher, plan_id)) == after
    with house.database.read() as session:
        later = [bag.version_of(session, postman, DAY) for postman in (broken, other)]
        holders = {session.get_one(Item, item).custody_holder for item in had}
    assert all(new > old for new, old in zip(later, versions, strict=True)), "their phones hear of it"
    assert holders == {broken}, "until they meet, the papers are with him"
    assert dispatch.changes_of(house.desk, house.dispatcher, plan_id).stale


@pytest.mark.parametrize("lock", ["frozen", "keep_order"])
def test_a_stop_that_was_locked_is_still_made_where_it_was(running, lock):
    house, view, _ = running
    route = view.routes[0]
    with house.database.write() as session:
        for stop in session.scalars(select(Stop).where(Stop.route_id == route.id, Stop.sequence <= 3)):
            stop.lock = lock
    new = next(one for one in rest_of(house, view).routes if one.postman == route.postman)
    assert [stop.items for stop in new.stops[:3]] == [stop.items for stop in route.stops[:3]]


def test_an_ordinary_plan_published_over_bags_still_leaves_them_with_their_bearers(running):
    """Only a plan that was made to move bags does."""
    house, view, _ = running
    again = published(house, at=NINE)
    before, after = on_routes(view), on_routes(again)
    assert all(after[item] == postman for item, postman in before.items())


def test_an_urgent_item_finds_its_best_places_and_only_the_chosen_round_changes(running):
    house, view, _ = running
    urgent = place(house, km_north=0.5, km_east=0.5, priority=100)
    fresh = place(house, km_north=1.0, direction=Direction.SUBMISSION)
    for item in (urgent, fresh):
        found = dispatch.places_for(house.desk, house.dispatcher, view.id, item, version=view.version, at=NINE)
        assert [p.cost for p in found] == sorted(p.cost for p in found)
        assert len(found) == 2
        # For what lies in the office whoever has left comes back first; what is to be fetched at its door he meets on his way.
        assert {p.by_office for p in found} == {item == urgent}
    best = found[0]
    with house.database.read() as session:
        versions = {r.postman: bag.version_of(session, r.postman, DAY) for r in view.routes}
    new = dispatch.insert(
        house.desk, house.dispatcher, view.id, fresh, postman_id=best.postman_id, version=view.version, at=NINE
    )
    assert (new.state, new.version) == ("published", view.version + 1)
    routes = {route.postman: route for route in new.routes}
    assert routes[best.postman_id].stops[best.sequence - 1].items == (fresh,)
    other = next(route for route in view.routes if route.postman != best.postman_id)
    assert routes[other.postman].stops == other.stops
    with house.database.read() as session:
        assert session.get_one(Item, fresh).state == State.PLANNED
        later = {r.postman: bag.version_of(session, r.postman, DAY) for r in view.routes}
    assert later[best.postman_id] > versions[best.postman_id]
    assert later[other.postman] == versions[other.postman]
    with pytest.raises(Stale):
        dispatch.insert(
            house.desk, house.dispatcher, view.id, urgent, postman_id=best.postman_id, version=view.version, at=NINE
        )
    for item, postman, code in ((fresh, best.postman_id, "on-a-route"), (urgent, house.dispatcher.id, "no-place")):
        with pytest.raises(Refused) as refusal:
            dispatch.insert(
                house.desk, house.dispatcher, view.id, item, postman_id=postman, version=new.version, at=NINE
            )
        assert refusal.value.code == code


def kilometres(one, other):
    """Straight, on the flat: no road is shorter."""
    return math.hypot((one[0] - other[0]) * 111.0, (one[1] - other[1]) * 111.3 * math.cos(math.radians(one[0])))


def test_who_is_on_the_road_comes_back_to_the_office_for_an_urgent_item_and_his_phone_hears_of_it(running):
    house, view, tried = running
    urgent = place(house, km_north=2.0, km_east=1.0, priority=100)
    chosen, *_ = dispatch.places_for(house.desk, house.dispatcher, view.id, urgent, version=view.version, at=NINE)
    with house.database.read() as session:
        version = bag.version_of(session, chosen.postman_id, DAY)

    new = dispatch.insert(
        house.desk, house.dispatcher, view.id, urgent, postman_id=chosen.postman_id, version=view.version, at=NINE
    )

    before, after = (next(r for r in one.routes if r.postman == chosen.postman_id) for one in (view, new))
    stop = after.stops[chosen.sequence - 1]
    assert (stop.items, stop.arrives_at) == ((urgent,), chosen.arrives_at)
    assert [s.items for s in after.stops if s is not stop] == [s.items for s in before.stops], (
        "the others in their order"
    )
    assert set(after.stops[0].items) <= set(tried), "what was visited stays first"
    # Behind the door before it he rides to the office, takes the paper and rides on: no faster than 90 km/h.
    last = after.stops[chosen.sequence - 2]
    way = min(kilometres((s.lat, s.lon), OFFICE) for s in after.stops[: chosen.sequence - 1])
    way += kilometres(OFFICE, (stop.lat, stop.lon))
    assert stop.arrives_at - max(NINE, after.stops[0].leaves_at) >= timedelta(hours=way / 90, minutes=5)
    assert stop.arrives_at > last.leaves_at
    assert chosen.cost >= 0
    with house.database.read() as session:
        assert session.get_one(Item, urgent).state == State.PLANNED
        assert bag.version_of(session, chosen.postman_id, DAY) > version
    take_out(house, chosen.postman_id, [urgent], at=stop.arrives_at)  # at the counter, without a conflict


def test_only_the_plan_that_runs_today_can_be_planned_anew_and_only_as_it_was_seen(running):
    house, view, _ = running
    with pytest.raises(Stale):
        dispatch.replan_rest(house.desk, house.dispatcher, view.id, version=view.version - 1, at=NINE)
    with pytest.raises(Refused) as refusal:
        dispatch.replan_rest(
            house.desk, house.dispatcher, view.id, version=view.version, at=NINE + timedelta(days=1)
        )  # fmt: skip
    assert refusal.value.code == "not-today"
    with pytest.raises(Forbidden):
        dispatch.replan_rest(house.desk, house.postmen[0], view.id, version=view.version, at=NINE)
    with pytest.raises(Invalid):
        rest_of(house, view, seconds=100)
    with pytest.raises(Missing):
        dispatch.break_down(
            house.desk, house.dispatcher, view.id, house.dispatcher.id, version=view.version, at=NINE
        )  # fmt: skip
    solved = rest_of(house, view)
    with pytest.raises(Refused) as refusal:
        rest_of(house, solved)
    assert refusal.value.code == "not-published"
