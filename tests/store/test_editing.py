"""A plan changed by hand: what each change does to routes, cost and times, what it breaks, what is refused, and undoing it."""

import random
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from courier import dispatch
from courier.dispatch import Edit, editing
from courier.dispatch.standing import read_standing
from courier.domain.errors import Forbidden, Overtaken, Refused
from courier.store.tables import Plan, Vehicle
from routing.checking import check
from tests.builders import DAY, MORNING, House
from tests.planning_office import left_out, on_routes, open_office, place, planned, published, scatter, take_out


@pytest.fixture(autouse=True)
def no_board_of_before(monkeypatch):
    monkeypatch.setattr(editing, "_boards", editing._Boards())


@pytest.fixture
def office(sqlite_database, tmp_path) -> Iterator[House]:
    house = open_office(sqlite_database, tmp_path)
    yield house
    house.desk.jobs.stop()


@pytest.fixture
def both(database, tmp_path) -> Iterator[House]:
    house = open_office(database, tmp_path)
    yield house
    house.desk.jobs.stop()


def shown(office, plan_id):
    return dispatch.get_plan(office.desk, office.dispatcher, plan_id)


def order(view) -> dict[UUID, list[frozenset[UUID]]]:
    return {route.postman: [frozenset(stop.items) for stop in route.stops] for route in view.routes}


def edit(office, view, kind, *, at=MORNING, preview=False, **more):
    act = dispatch.preview_edit if preview else dispatch.edit_plan
    change = Edit(kind=kind, **more)
    return act(office.desk, office.dispatcher, view.id, change, version=shown(office, view.id).version, at=at)


def again(office, view, act):
    return act(office.desk, office.dispatcher, view.id, version=shown(office, view.id).version, at=MORNING)


def is_as_worked_out_anew(office, plan_id, *, at=MORNING) -> None:
    """What the change wrote is what a fresh reading of the plan works out: times, cost and broken rules."""
    view = shown(office, plan_id)
    with office.database.read() as session:
        stood = read_standing(session, office.desk, session.get_one(Plan, plan_id), at=at)
    assert check(stood.problem, stood.solution) == list(stood.solution.violations)
    assert stood.solution.cost == view.cost
    fresh = {
        stood.crew[route.vehicle].postman_id: [
            (frozenset(stood.calls[step.id].items), step.begins, stood.problem.jobs[step.id].lock.value)
            for step in route.visits
        ]
        for route in stood.solution.routes
    }
    midnight = MORNING.replace(hour=0, minute=0)
    assert fresh == {
        route.postman: [
            (frozenset(stop.items), int((stop.arrives_at - midnight).total_seconds()), stop.lock)
            for stop in route.stops
        ]
        for route in view.routes
    }
    broken = sorted(v.code for v in stood.solution.violations)
    assert broken == sorted(v["code"] for route in view.routes for v in route.summary.get("violations", []))


def two_routes(office):
    """A solved plan with at least two routes; its view and the two."""
    scatter(office, 18)
    with office.database.write() as session:
        session.execute(update(Vehicle).values(capacity_items=14))
    view = planned(office)
    assert len(view.routes) >= 2
    return view, view.routes[0], view.routes[1]


def test_a_stop_moved_to_a_place_on_another_route_stands_there_with_new_times_and_the_costs_difference(both):
    view, one, other = two_routes(both)
    stop = one.stops[0]

    done = edit(both, view, "move", items=(stop.items[0],), postman=other.postman, place=2)

    now = shown(both, view.id)
    assert order(now)[other.postman][1] == frozenset(stop.items)
    assert frozenset(stop.items) not in order(now).get(one.postman, [])
    assert set(on_routes(now)) == set(on_routes(view))
    assert (done.cost_before, done.cost) == (view.cost, now.cost)
    assert {r.route.postman_id for r in done.routes} == {one.postman, other.postman}
    assert done.version == now.version == view.version + 1
    is_as_worked_out_anew(both, view.id)


def test_a_stop_without_a_place_goes_where_it_costs_least(office):
    view, one, other = two_routes(office)
    item = one.stops[0].items[0]
    costs = [
        edit(office, view, "move", items=(item,), postman=other.postman, place=n, preview=True).cost
        for n in range(1, len(other.stops) + 2)
    ]

    done = edit(office, view, "move", items=(item,), postman=other.postman)

    assert done.cost == min(costs)


def test_a_group_moves_together_in_its_order(office):
    view, one, other = two_routes(office)
    group = tuple(stop.items[0] for stop in one.stops[:3])

    edit(office, view, "move", items=group[::-1], postman=other.postman, place=1)

    assert order(shown(office, view.id))[other.postman][:3] == [frozenset(s.items) for s in one.stops[2::-1]]
    is_as_worked_out_anew(office, view.id)


def test_a_preview_says_the_same_and_writes_nothing(office):
    view, one, other = two_routes(office)
    what = {"items": (one.stops[0].items[0],), "postman": other.postman, "place": 1}

    tried = edit(office, view, "move", preview=True, **what)

    assert shown(office, view.id) == view
    made = edit(office, view, "move", **what)
    assert (tried.cost, tried.routes, tried.left_out) == (made.cost, made.routes, made.left_out)


def test_a_stop_taken_off_is_left_out_with_a_reason_and_can_be_put_back_where_it_costs_least(office):
    view, one, _ = two_routes(office)
    items = one.stops[0].items

    done = edit(office, view, "unplan", items=(items[0],))

    assert set(left_out(office, view).values()) == {"held"}
    assert done.left_out == (items,)
    edit(office, view, "move", items=(items[0],))
    assert left_out(office, view) == {}
    assert set(on_routes(shown(office, view.id))) == set(on_routes(view))
    is_as_worked_out_anew(office, view.id)


def test_two_routes_are_exchanged(office):
    view, one, other = two_routes(office)

    edit(office, view, "exchange", postmen=(one.postman, other.postman))

    now = order(shown(office, view.id))
    assert now[one.postman] == order(view)[other.postman]
    assert now[other.postman] == order(view)[one.postman]
    is_as_worked_out_anew(office, view.id)


def test_a_stop_of_two_papers_is_split_and_its_parts_go_their_own_ways(office):
    first = place(office, km_north=3, recipient_phone="0599012345")
    second = place(office, km_north=3, recipient_phone="0599012345")
    scatter(office, 12)
    view = planned(office)
    route = next(r for r in view.routes if any(len(s.items) == 2 for s in r.stops))
    other = next(r.postman for r in view.routes if r is not route)

    edit(office, view, "split", items=(second,))
    is_as_worked_out_anew(office, view.id)
    edit(office, view, "move", items=(second,), postman=other)

    now = on_routes(shown(office, view.id))
    assert (now[first], now[second]) == (route.postman, other)
    is_as_worked_out_anew(office, view.id)
    again(office, view, dispatch.undo_edit)
    again(office, view, dispatch.undo_edit)
    assert order(shown(office, view.id)) == order(view)
    assert shown(office, view.id).cost == view.cost
    is_as_worked_out_anew(office, view.id)
    again(office, view, dispatch.redo_edit)
    assert frozenset({first}) in order(shown(office, view.id))[route.postman]
    is_as_worked_out_anew(office, view.id)


def test_two_stops_that_were_one_set_up_once_while_they_follow_each_other(office):
    first = place(office, km_north=3, recipient_phone="0599012345")
    second = place(office, km_north=3, recipient_phone="0599012345")
    scatter(office, 12)
    view = planned(office)
    route = next(r for r in view.routes if any(len(s.items) == 2 for s in r.stops))
    edit(office, view, "move", items=(first,), postman=route.postman, place=1)
    whole = shown(office, view.id)

    edit(office, view, "split", items=(second,))

    stops = [next(r for r in v.routes if r.postman == route.postman).stops for v in (whole, shown(office, view.id))]
    assert [s.arrives_at for s in stops[1][2:]] == [s.arrives_at for s in stops[0][1:]]
    is_as_worked_out_anew(office, view.id)


def test_what_breaks_a_rule_is_done_and_named(office):
    promised = place(office, km_north=2, wanted_on=DAY, wanted_from=27_000, wanted_to=28_800)
    scatter(office, 12)
    view = planned(office)
    postman = on_routes(view)[promised]
    last = len(next(r for r in view.routes if r.postman == postman).stops)

    done = edit(office, view, "move", items=(promised,), postman=postman, place=last)

    [broken] = done.routes[0].route.summary["violations"]
    assert (broken["code"], broken["stop"]) == ("delay", last)
    assert broken["seconds"] > 0
    is_as_worked_out_anew(office, view.id)


@pytest.mark.parametrize("kind", ["keep_postman", "keep_order", "keep_time", "frozen"])
def test_a_lock_holds_its_stop_until_it_is_taken_off(office, kind):
    view, one, other = two_routes(office)
    item = one.stops[1].items[0]

    edit(office, view, "lock", items=(item,), lock=kind)

    locks = {i: s.lock for r in shown(office, view.id).routes for s in r.stops for i in s.items}
    assert locks[item] == kind
    assert locks[one.stops[0].items[0]] == ("frozen" if kind == "frozen" else "free")
    is_as_worked_out_anew(office, view.id)
    with pytest.raises(Refused) as refusal:
        edit(office, view, "move", items=(item,), postman=other.postman)
    assert refusal.value.code == "locked"
    with pytest.raises(Refused, match="locked"):
        edit(office, view, "unplan", items=(item,))
    edit(office, view, "lock", items=(item,), lock="free")
    edit(office, view, "move", items=(item,), postman=other.postman)
    is_as_worked_out_anew(office, view.id)


def test_nothing_comes_before_what_is_frozen(office):
    view, one, other = two_routes(office)
    edit(office, view, "lock", items=(other.stops[0].items[0],), lock="frozen")

    with pytest.raises(Refused, match="locked"):
        edit(office, view, "move", items=(one.stops[0].items[0],), postman=other.postman, place=1)
    edit(office, view, "move", items=(one.stops[0].items[0],), postman=other.postman, place=2)
    is_as_worked_out_anew(office, view.id)


def test_a_kept_time_does_not_drift(office):
    view, one, _ = two_routes(office)
    item = one.stops[-1].items[0]
    edit(office, view, "lock", items=(item,), lock="keep_time")

    def kept() -> set:
        with office.database.read() as session:
            stood = read_standing(session, office.desk, session.get_one(Plan, view.id), at=MORNING)
        return {j.locked_time for j in stood.problem.jobs if item in stood.calls[j.id].items}

    before = kept()
    edit(office, view, "move", items=(one.stops[0].items[0],))
    assert kept() == before


def test_a_bag_and_a_visit_are_not_moved(office):
    scatter(office, 14)
    view = published(office)
    route, other = view.routes[0], view.routes[1]
    phone = take_out(office, route.postman, [i for s in route.stops for i in s.items], at=MORNING)
    failed = list(route.stops[0].items)
    later = MORNING + timedelta(minutes=30)
    sent = phone.send(phone.event("attempt_failed", failed, at=later, reason="absent"), at=later)
    assert sent.results == ["applied"], sent.answers
    copy = shown(office, dispatch.copy_plan(office.desk, office.dispatcher, view.id, at=later))

    for item, code in ((route.stops[1].items[0], "in-bag"), (failed[0], "visited")):
        with pytest.raises(Refused) as refusal:
            edit(office, copy, "move", items=(item,), postman=other.postman, at=later)
        assert refusal.value.code == code
    with pytest.raises(Refused, match="locked"):
        edit(office, copy, "move", items=(route.stops[1].items[0],), postman=route.postman, place=1, at=later)
    edit(office, copy, "move", items=(route.stops[1].items[0],), postman=route.postman, place=3, at=later)
    is_as_worked_out_anew(office, copy.id, at=later)


def test_a_published_plan_is_changed_by_way_of_a_copy_that_is_published(office):
    scatter(office, 14)
    view = published(office)
    item = view.routes[0].stops[0].items[0]
    with pytest.raises(Refused, match="published"):
        edit(office, view, "unplan", items=(item,))

    copy = shown(office, dispatch.copy_plan(office.desk, office.dispatcher, view.id, at=MORNING))
    assert (copy.state, order(copy)) == ("solved", order(view))
    edit(office, copy, "move", items=(item,), postman=view.routes[1].postman)
    version = shown(office, copy.id).version
    dispatch.publish(office.desk, office.dispatcher, copy.id, version=version, at=MORNING)

    assert on_routes(shown(office, copy.id))[item] == view.routes[1].postman
    assert shown(office, view.id).state == "superseded"


def test_every_change_of_a_long_morning_can_be_undone_and_done_again(both):
    """Twenty changes at random; the plan after each is kept aside, and is what undo and redo come back to."""
    place(both, km_north=25, wanted_on=DAY, wanted_from=27_000, wanted_to=27_300)
    view, *_ = two_routes(both)
    rng = random.Random(7)
    seen = [(order(view), left_out(both, view))]
    kinds = ["move", "move", "unplan", "exchange", "lock"]
    while len(seen) <= 20:
        now = shown(both, view.id)
        items = rng.sample(sorted(set(on_routes(now)) | set(left_out(both, now)), key=str), 2)
        kind = rng.choice(kinds)
        more = {
            "move": {"items": tuple(items), "postman": rng.choice(both.postmen).id},
            "unplan": {"items": tuple(items[:1])},
            "exchange": {"postmen": tuple(p.id for p in rng.sample(both.postmen, 2))},
            "lock": {"items": tuple(items[:1]), "lock": rng.choice(["free", "keep_postman", "keep_order", "frozen"])},
        }[kind]
        try:
            edit(both, view, kind, **more)
        except Refused:
            continue
        seen.append((order(shown(both, view.id)), left_out(both, view)))
    is_as_worked_out_anew(both, view.id)

    for before in reversed(seen[:-1]):
        again(both, view, dispatch.undo_edit)
        assert (order(shown(both, view.id)), left_out(both, view)) == before
    assert shown(both, view.id).cost == view.cost
    is_as_worked_out_anew(both, view.id)
    with pytest.raises(Refused, match="nothing-to-undo"):
        again(both, view, dispatch.undo_edit)
    for after in seen[1:]:
        again(both, view, dispatch.redo_edit)
        assert order(shown(both, view.id)) == after[0]
    with pytest.raises(Refused, match="nothing-to-redo"):
        again(both, view, dispatch.redo_edit)
    is_as_worked_out_anew(both, view.id)


def test_a_new_change_ends_what_could_be_done_again(office):
    view, one, other = two_routes(office)
    edit(office, view, "unplan", items=(one.stops[0].items[0],))
    again(office, view, dispatch.undo_edit)

    edit(office, view, "unplan", items=(other.stops[0].items[0],))

    with pytest.raises(Refused, match="nothing-to-redo"):
        again(office, view, dispatch.redo_edit)


def test_only_the_last_hundred_changes_are_remembered(office, monkeypatch):
    monkeypatch.setattr("courier.store.plans.solved.MOST_EDITS", 3)
    view, one, _ = two_routes(office)
    for n in range(5):
        edit(office, view, "lock", items=(one.stops[0].items[0],), lock="keep_postman" if n % 2 == 0 else "free")

    made, can_undo, _ = dispatch.edits_made(office.desk, office.dispatcher, view.id)

    assert [row.version for row in made] == [view.version + n for n in (3, 4, 5)]
    assert can_undo


def test_who_comes_second_is_refused_and_told_what_the_first_did(office):
    view, one, other = two_routes(office)
    item = one.stops[0].items[0]
    change = Edit(kind="move", items=(item,), postman=other.postman)
    dispatch.edit_plan(office.desk, office.dispatcher, view.id, change, version=view.version, at=MORNING)

    with pytest.raises(Overtaken) as late:
        dispatch.edit_plan(
            office.desk,
            office.dispatcher,
            view.id,
            Edit(kind="unplan", items=(item,)),
            version=view.version,
            at=MORNING,
        )

    [told] = late.value.changes
    assert (told["by"], told["at"], told["kind"], told["stops"]) == (office.dispatcher.name, MORNING, "move", 1)
    assert set(told["postmen"]) == {one.postman_name, other.postman_name}
    assert on_routes(shown(office, view.id))[item] == other.postman


def test_others_edit_nothing(office):
    view, one, _ = two_routes(office)
    change = Edit(kind="unplan", items=(one.stops[0].items[0],))
    for person in (office.cashier, office.clerk, office.postmen[0]):
        with pytest.raises(Forbidden):
            dispatch.edit_plan(office.desk, person, view.id, change, version=view.version, at=MORNING)


def test_an_item_of_another_plan_and_a_postman_of_another_office_are_refused(office):
    view, one, _ = two_routes(office)
    for more, code in (
        ({"items": (UUID(int=1),)}, "not-in-plan"),
        ({"items": (one.stops[0].items[0],), "postman": UUID(int=1)}, "no-such-postman"),
    ):
        with pytest.raises(Refused) as refusal:
            edit(office, view, "move", **more)
        assert refusal.value.code == code
