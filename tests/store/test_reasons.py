"""Why stops are where they are, why others are left out, and what lets them in: taken with one word, tried on the database."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import select

from courier import dispatch
from courier.dispatch.reasons import LeftOutReason
from courier.dispatch.standing import read_standing
from courier.domain.errors import Forbidden, Missing, Refused, Stale
from courier.store.tables import Plan, PlanRelief
from tests.builders import DAY, MORNING, House
from tests.planning_office import adjust, left_out, on_routes, open_office, place, planned, published, scatter

EARLY = 7 * 3600 + 1800


@pytest.fixture
def office(database, tmp_path) -> Iterator[House]:
    house = open_office(database, tmp_path, postmen=1)
    yield house
    house.desk.jobs.stop()


def explained(office: House, view, *, item=None):
    return dispatch.explain_plan(office.desk, office.dispatcher, view.id, at=MORNING, item_id=item)


def the_only(office: House, view, item: UUID) -> LeftOutReason:
    (found,) = explained(office, view, item=item).left_out
    return found


def take(office: House, view, item: UUID, kind: str):
    """Take the offer of that kind; the plan as it is then."""
    offer = next(offer for offer in the_only(office, view, item).offers if offer.kind == kind)
    return offer, dispatch.take_offer(
        office.desk, office.dispatcher, view.id, item, key=offer.key, version=view.version, at=MORNING
    )


def broken(office: House, plan_id: UUID) -> list[str]:
    """The rules that the stored plan breaks, what gives way for it taken into account."""
    with office.database.read() as session:
        stood = read_standing(session, office.desk, session.get_one(Plan, plan_id), at=MORNING)
    return [fault.code for fault in stood.solution.violations]


def given(office: House, plan_id: UUID) -> set[tuple[str, int]]:
    with office.database.read() as session:
        rows = session.execute(select(PlanRelief.kind, PlanRelief.amount).where(PlanRelief.plan_id == plan_id))
        return {(row.kind, row.amount) for row in rows}


def dear_place(office: House, **fields) -> UUID:
    """A door where 1,350,000 dong are due."""
    return place(office, charges=(("state_fee", "agency:PC08", 1_350_000),), **fields)


def a_day_too_short(office: House) -> tuple[UUID, UUID]:
    """Two doors, and a shift that lasts for either; the second is the less urgent."""
    adjust(office, 0, shift_start=EARLY, shift_end=EARLY + 3600)
    return place(office, km_north=8, priority=90), place(office, km_north=-8, priority=10)


def test_a_longer_shift_is_offered_by_the_minute_and_taking_it_puts_the_stop_on_the_route(office):
    near, far = a_day_too_short(office)
    view = planned(office)
    assert left_out(office, view) == {far: "shift"}

    offer, after = take(office, view, far, "shift")

    assert [change.kind for change in offer.changes] == ["shift"]
    assert 0 < offer.changes[0].amount < 3600
    assert set(on_routes(after)) == {near, far}
    assert left_out(office, after) == {}
    assert after.version == view.version + 1
    assert given(office, view.id) == {("shift", offer.changes[0].amount)}
    assert broken(office, view.id) == []


def test_the_relief_binds_its_plan_alone(office):
    near, far = a_day_too_short(office)
    view = planned(office)
    take(office, view, far, "shift")

    other = planned(office, seed=2)

    assert left_out(office, other) == {far: "shift"}
    assert broken(office, other.id) == []
    assert near in on_routes(other)


def test_a_less_urgent_stop_may_stay_behind_instead(office):
    adjust(office, 0, shift_start=EARLY, shift_end=EARLY + 3600)
    lesser = place(office, km_north=8, priority=10)
    view = planned(office)
    urgent = place(office, km_north=-8, priority=90)

    offer, after = take(office, view, urgent, "exchange")

    assert offer.instead == (lesser,)
    assert set(on_routes(after)) == {urgent}
    assert left_out(office, after) == {lesser: "held"}
    assert given(office, view.id) == set()
    assert broken(office, view.id) == []


def test_a_more_urgent_stop_is_not_asked_to_stay_behind(office):
    _, far = a_day_too_short(office)
    view = planned(office)
    assert {offer.kind for offer in the_only(office, view, far).offers} == {"shift"}


def test_a_promised_window_is_widened_for_this_plan_and_the_checker_agrees(office):
    promised = place(office, km_north=15, wanted_on=DAY, wanted_from=EARLY - 600, wanted_to=EARLY + 300)
    adjust(office, 0, shift_start=EARLY)
    view = planned(office)
    assert left_out(office, view) == {promised: "window"}

    offer, after = take(office, view, promised, "window")

    assert promised in on_routes(after)
    assert given(office, view.id) == {("window", offer.changes[0].amount)}
    assert broken(office, view.id) == []


def test_more_cash_than_may_be_carried_is_said_in_dong(office):
    adjust(office, 0, cash_limit_dong=1_000_000)
    dear = dear_place(office)
    view = planned(office)
    assert left_out(office, view) == {dear: "cash_limit"}

    offer, after = take(office, view, dear, "cash_limit")

    assert [(change.kind, change.amount) for change in offer.changes] == [("cash_limit", 350_000)]
    assert dear in on_routes(after)
    assert broken(office, view.id) == []


def test_what_needs_several_rules_says_so_and_all_give_way_together(office):
    adjust(office, 0, cash_limit_dong=1_000_000, shift_start=EARLY, shift_end=EARLY + 1200)
    dear = dear_place(office, km_north=12)
    view = planned(office)

    offer, after = take(office, view, dear, "several")

    assert {change.kind for change in offer.changes} == {"cash_limit", "shift"}
    assert given(office, view.id) == {(change.kind, change.amount) for change in offer.changes}
    assert dear in on_routes(after)
    assert broken(office, view.id) == []


def test_a_newcomer_that_has_room_is_put_in_without_any_change(office):
    scatter(office, 4)
    view = planned(office)
    newcomer = place(office)

    offer, after = take(office, view, newcomer, "room")

    assert offer.changes == ()
    assert newcomer in on_routes(after)
    assert given(office, view.id) == set()


def test_what_no_route_is_to_blame_for_has_its_reason_and_no_offer(office):
    doubtful = place(office, lat=None, lon=None)
    place(office)
    view = planned(office)

    (found,) = explained(office, view).left_out

    assert (found.items, found.code, found.offers) == ((doubtful,), "address_doubtful", ())
    assert found.sentence


def test_every_stop_says_what_it_costs_and_what_holds_it(office):
    items = set(scatter(office, 6))
    promised = place(office, km_north=3, wanted_on=DAY, wanted_from=9 * 3600, wanted_to=9 * 3600 + 900)
    view = planned(office)

    told = explained(office, view)

    (route,) = told.routes
    assert {item for stop in route.stops for item in stop.items} == items | {promised}
    assert [stop.sequence for stop in route.stops] == list(range(1, len(route.stops) + 1))
    assert all(stop.saved_seconds is not None for stop in route.stops)
    ((alone,),) = [found.stops for found in explained(office, view, item=promised).routes]
    assert {"window_opens", "window_closes"} & {tie.code for tie in alone.ties}


def test_an_offer_taken_can_be_undone_and_a_copy_of_the_plan_keeps_what_gave_way(office):
    near, far = a_day_too_short(office)
    view = planned(office)
    _, after = take(office, view, far, "shift")

    copy = dispatch.copy_plan(office.desk, office.dispatcher, view.id, at=MORNING)
    undone = dispatch.undo_edit(office.desk, office.dispatcher, view.id, version=after.version, at=MORNING)

    assert given(office, copy) == given(office, view.id)
    assert broken(office, copy) == []
    assert set(on_routes(dispatch.get_plan(office.desk, office.dispatcher, copy))) == {near, far}
    assert undone.left_out == ((far,),)
    assert left_out(office, view) == {far: "shift"}


def test_who_took_too_long_is_told_that_the_plan_has_changed_and_nothing_is_written(office):
    _, far = a_day_too_short(office)
    view = planned(office)
    offer, after = take(office, view, far, "shift")

    with pytest.raises(Stale):
        dispatch.take_offer(
            office.desk, office.dispatcher, view.id, far, key=offer.key, version=view.version, at=MORNING
        )
    with pytest.raises(Refused, match="not-left-out"):
        dispatch.take_offer(
            office.desk, office.dispatcher, view.id, far, key=offer.key, version=after.version, at=MORNING
        )
    assert len(given(office, view.id)) == 1


def test_a_rule_that_gave_way_holds_again_and_what_the_stops_break_then_is_named(office):
    _, far = a_day_too_short(office)
    _, after = take(office, planned(office), far, "shift")
    (relief,) = explained(office, after).reliefs
    assert broken(office, after.id) == []

    with pytest.raises(Stale):
        dispatch.withdraw_relief(
            office.desk, office.dispatcher, after.id, relief.id, version=after.version - 1, at=MORNING
        )
    view = dispatch.withdraw_relief(
        office.desk, office.dispatcher, after.id, relief.id, version=after.version, at=MORNING
    )

    assert given(office, view.id) == set()
    assert on_routes(view) == on_routes(after), "nobody is sent anywhere else by it"
    assert broken(office, view.id) != []
    assert [rule["code"] for route in view.routes for rule in route.summary["violations"]] == broken(office, view.id)
    with pytest.raises(Missing):
        dispatch.withdraw_relief(office.desk, office.dispatcher, view.id, relief.id, version=view.version, at=MORNING)
    with pytest.raises(Forbidden):
        dispatch.withdraw_relief(office.desk, office.postmen[0], view.id, relief.id, version=view.version, at=MORNING)


def test_an_offer_that_was_never_made_is_refused(office):
    _, far = a_day_too_short(office)
    view = planned(office)
    offer = next(offer for offer in the_only(office, view, far).offers if offer.kind == "shift")
    cheaper = offer.key.replace(str(offer.changes[0].amount), "1")

    with pytest.raises(Refused, match="offer-gone"):
        dispatch.take_offer(office.desk, office.dispatcher, view.id, far, key=cheaper, version=view.version, at=MORNING)

    assert given(office, view.id) == set()


def test_a_published_plan_is_explained_but_not_changed(office):
    _, far = a_day_too_short(office)
    view = published(office)
    offer = the_only(office, view, far).offers[0]

    with pytest.raises(Refused, match="published"):
        dispatch.take_offer(
            office.desk, office.dispatcher, view.id, far, key=offer.key, version=view.version, at=MORNING
        )


def test_only_who_plans_may_take_an_offer_and_another_offices_plan_is_not_there(office):
    _, far = a_day_too_short(office)
    view = planned(office)
    offer = the_only(office, view, far).offers[0]
    with pytest.raises(Forbidden):
        dispatch.take_offer(
            office.desk, office.postmen[0], view.id, far, key=offer.key, version=view.version, at=MORNING
        )
    with pytest.raises(Missing):
        dispatch.explain_plan(office.desk, office.dispatcher, far, at=MORNING)
