"""A window held while somebody decides: one a visit, ten minutes, a fifth of a day; and one place is never given to two."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from courier import dispatch, tracking
from courier.desk import Desk
from courier.dispatch import SlotGone, windows
from courier.domain.calendar import ZONE
from courier.domain.errors import Refused
from courier.store import slot_holds
from courier.store.session import open_database
from courier.store.tables import Item
from courier.tracking import Wish
from tests.builders import DAY, MORNING, House
from tests.planning_office import adjust, desk_on, open_office, place, scatter, taken

TOMORROW = DAY + timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def office(database, tmp_path) -> Iterator[House]:
    house = open_office(database, tmp_path, postmen=1)
    yield house
    house.desk.jobs.stop()


@pytest.fixture
def tight(office) -> House:
    """An office whose only postman has time for one far door in a morning, and for no second one in the other direction."""
    adjust(office, 0, shift_end=9 * 3600)
    return office


def offered(house: House, item, *, at: datetime = MORNING) -> list[str]:
    return [slot.id for slot in dispatch.slots(house.desk, item, at=at)]


def two_far_doors(house: House) -> tuple[Any, Any]:
    return place(house, km_north=9), place(house, km_north=-9)


def moved(house: House, item, slot: dispatch.Slot, *, at: datetime = MORNING):
    wish = Wish("reschedule", day=slot.day, from_=slot.from_, to=slot.to)
    return tracking.request_change(house.desk, item, wish, asked_by=None, at=at)


def granted(desk: Desk, item, slot_id: str, *, at: datetime = MORNING) -> tracking.Granted:
    """The window taken and promised, as a citizen's request does it."""

    def promise(session: Any, slot: dispatch.Slot) -> tracking.Granted:
        wish = Wish("reschedule", day=slot.day, from_=slot.from_, to=slot.to)
        return tracking.grant(session, desk, item, wish, asked_by=None, at=at)

    return dispatch.take_slot(desk, item, slot_id, at=at, grant=promise)


# ------------------------------------------------------------------------------------------------------ what a hold does
def test_what_one_holds_is_not_offered_to_another_and_is_when_the_time_is_over(tight):
    one, other = two_far_doors(tight)
    first = offered(tight, one)[0]
    assert first in offered(tight, other)
    hold = dispatch.hold_slot(tight.desk, one, first, at=MORNING)
    assert hold.expires_at == MORNING + 10 * MINUTE
    assert first not in offered(tight, other, at=MORNING + 9 * MINUTE)
    with pytest.raises(SlotGone) as gone:
        dispatch.hold_slot(tight.desk, other, first, at=MORNING + 9 * MINUTE)
    assert [slot.id for slot in gone.value.slots] == offered(tight, other, at=MORNING + 9 * MINUTE) != []
    assert first in offered(tight, other, at=MORNING + 10 * MINUTE)


def test_the_next_choice_frees_the_one_before(tight):
    one, other = two_far_doors(tight)
    first, second = offered(tight, one)[:2]
    dispatch.hold_slot(tight.desk, one, first, at=MORNING)
    dispatch.hold_slot(tight.desk, one, second, at=MORNING + MINUTE)
    assert first in offered(tight, other, at=MORNING + MINUTE)
    assert second not in offered(tight, other, at=MORNING + MINUTE)


def test_the_same_choice_again_lasts_no_longer(tight):
    one, _ = two_far_doors(tight)
    first = offered(tight, one)[0]
    hold = dispatch.hold_slot(tight.desk, one, first, at=MORNING)
    assert dispatch.hold_slot(tight.desk, one, first, at=MORNING + 5 * MINUTE) == hold


def test_a_hold_ends_with_the_cut_off_of_its_day(tight):
    one, _ = two_far_doors(tight)
    late = datetime(DAY.year, DAY.month, DAY.day, 16, 55, tzinfo=ZONE)
    first = offered(tight, one, at=late)[0]
    assert dispatch.hold_slot(tight.desk, one, first, at=late).expires_at == late + 5 * MINUTE


def test_what_was_held_is_granted_and_then_nothing_is_held(tight):
    one, other = two_far_doors(tight)
    first = offered(tight, one)[0]
    hold = dispatch.hold_slot(tight.desk, one, first, at=MORNING)
    slot = hold.slot
    granted(tight.desk, one, first, at=MORNING + 9 * MINUTE)
    assert tight.row(one).wanted_on == slot.day
    with tight.database.read() as session:
        assert slot_holds.of_item(session, one, at=MORNING) is None
    assert first not in offered(tight, other, at=MORNING + 60 * MINUTE)


def test_a_window_that_nobody_kept_is_not_granted(tight):
    """However the request came: what was looked at a while ago may be somebody else's by now."""
    one, _ = two_far_doors(tight)
    slot = dispatch.slots(tight.desk, one, at=MORNING)[0]
    with pytest.raises(Refused, match="slot-gone"):
        moved(tight, one, slot)
    dispatch.hold_slot(tight.desk, one, slot.id, at=MORNING)
    with pytest.raises(Refused, match="slot-gone"):
        moved(tight, one, slot, at=MORNING + 10 * MINUTE)
    assert tight.row(one).wanted_on is None


def test_no_more_than_a_fifth_of_a_day_is_held_at_once(office):
    """A postman from 7:30 to 10:50 has twenty places of ten minutes: four may be held. Who decides at once needs none."""
    adjust(office, 0, shift_start=27_000, shift_end=39_000, break_start=None, break_seconds=0)
    people = scatter(office, 6, km=1.5)
    [day] = {slot.day for slot in dispatch.slots(office.desk, people[0], at=MORNING)[:1]}
    for item in people[:4]:
        slot = next(slot for slot in dispatch.slots(office.desk, item, at=MORNING) if slot.day == day)
        dispatch.hold_slot(office.desk, item, slot.id, at=MORNING)
    with pytest.raises(Refused, match="too-many-holds"):
        dispatch.hold_slot(office.desk, people[4], slot.id, at=MORNING)
    assert taken(office, people[5], slot.id) == slot
    assert dispatch.hold_slot(office.desk, people[4], slot.id, at=MORNING + 10 * MINUTE).slot == slot


# ------------------------------------------------------------------------------------------------------- the last place
@pytest.mark.parametrize("how", ["hold", "grant"])
def test_two_people_take_the_last_place_at_the_same_moment(tight, tmp_path, monkeypatch, how):
    """Two servers on one database have both seen the place free before either takes it: one gets it, the other what is next."""
    one, other = two_far_doors(tight)
    [wanted] = set(offered(tight, one)[:1]) & set(offered(tight, other))
    both_looked = threading.Barrier(2)
    looked = windows._found
    first_look = threading.local()

    def look(*arguments: Any) -> dispatch.Slot:
        found = looked(*arguments)
        if not hasattr(first_look, "over"):
            first_look.over = True
            both_looked.wait(timeout=60)
        return found

    monkeypatch.setattr(windows, "_found", look)

    def ask(item: Any) -> Any:
        server = open_database(tight.database.url.render_as_string(hide_password=False))
        desk = desk_on(server, tmp_path)
        try:
            if how == "hold":
                return dispatch.hold_slot(desk, item, wanted, at=MORNING)
            return granted(desk, item, wanted)
        except SlotGone as gone:
            return gone
        finally:
            desk.jobs.stop()
            server.close()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, (one, other)))
    monkeypatch.undo()
    lost = [answer for answer in answers if isinstance(answer, SlotGone)]
    assert len(lost) == 1, answers
    assert lost[0].slots
    assert wanted not in {slot.id for slot in lost[0].slots}
    loser = (one, other)[answers.index(lost[0])]
    assert taken(tight, loser, lost[0].slots[0].id) == lost[0].slots[0]


def test_a_hold_that_is_over_while_it_is_granted_keeps_its_place(tight, tmp_path, monkeypatch):
    """A second before its end the hold is granted; somebody who looks a second after it, before that is written, comes too late."""
    one, other = two_far_doors(tight)
    [wanted] = set(offered(tight, one)[:1]) & set(offered(tight, other))
    over = dispatch.hold_slot(tight.desk, one, wanted, at=MORNING).expires_at
    other_looked = threading.Event()
    looked = windows._found

    def look(*arguments: Any) -> dispatch.Slot:
        found = looked(*arguments)
        other_looked.set()
        return found

    monkeypatch.setattr(windows, "_found", look)

    def come_after() -> Any:
        server = open_database(tight.database.url.render_as_string(hide_password=False))
        desk = desk_on(server, tmp_path)
        try:
            return dispatch.hold_slot(desk, other, wanted, at=over + timedelta(seconds=1))
        except SlotGone as gone:
            return gone
        finally:
            desk.jobs.stop()
            server.close()

    with ThreadPoolExecutor(1) as pool:
        answers = []
        before = over - timedelta(seconds=1)

        def promise(session: Any, slot: dispatch.Slot) -> None:
            answers.append(pool.submit(come_after))
            assert other_looked.wait(timeout=60), "the other one saw the place free"
            wish = Wish("reschedule", day=slot.day, from_=slot.from_, to=slot.to)
            tracking.grant(session, tight.desk, one, wish, asked_by=None, at=before)

        dispatch.take_slot(tight.desk, one, wanted, at=before, grant=promise)
        assert isinstance(answers[0].result(), SlotGone)
    assert tight.row(one).wanted_on == TOMORROW


def test_a_hold_whose_place_was_taken_meanwhile_by_a_faster_clock_is_looked_at_again(tight, monkeypatch):
    """Between looking at one's own hold and one's turn somebody else, by whose clock it is over, takes the place."""
    one, other = two_far_doors(tight)
    [wanted] = set(offered(tight, one)[:1]) & set(offered(tight, other))
    over = dispatch.hold_slot(tight.desk, one, wanted, at=MORNING).expires_at
    read = slot_holds.of_item

    def read_and_lose(session: Any, item_id: Any, *, at: datetime) -> Any:
        found = read(session, item_id, at=at)
        if item_id == one:
            monkeypatch.setattr(slot_holds, "of_item", read)
            dispatch.hold_slot(tight.desk, other, wanted, at=over + timedelta(seconds=1))
        return found

    monkeypatch.setattr(slot_holds, "of_item", read_and_lose)
    with pytest.raises(SlotGone):
        granted(tight.desk, one, wanted, at=over - timedelta(seconds=1))
    assert tight.row(one).wanted_on is None


def test_what_the_rules_refuse_takes_no_place(tight):
    one, other = two_far_doors(tight)
    [wanted] = set(offered(tight, one)[:1]) & set(offered(tight, other))
    with tight.database.write() as session:
        session.get_one(Item, one).moves = 3
    with pytest.raises(Refused, match="too-many-moves"):
        granted(tight.desk, one, wanted)
    assert wanted in offered(tight, other)


def test_a_crowd_on_one_day_is_answered_in_the_end(tight, monkeypatch):
    """Somebody is always quicker: after a few looks in vain the place is decided while nobody else can take one."""
    one, _ = two_far_doors(tight)
    first = dispatch.slots(tight.desk, one, at=MORNING)[0]
    looked = windows._found
    looks = []

    def overtaken(*arguments: Any) -> dispatch.Slot:
        looks.append(1)
        found = looked(*arguments)
        if len(looks) <= windows._IN_VAIN:
            with tight.database.write() as session:
                slot_holds.take_turn(session, tight.office_id, first.day)
        return found

    monkeypatch.setattr(windows, "_found", overtaken)
    assert dispatch.hold_slot(tight.desk, one, first.id, at=MORNING).slot == first
    assert len(looks) == windows._IN_VAIN + 1


@pytest.mark.once
def test_a_day_never_holds_more_promises_than_its_routes_can_keep(tight):
    """Eight people want the same morning one after the other: whoever is let in is on the plan of that day."""
    people = [place(tight, km_north=3 + n / 2, km_east=(-1) ** n * n / 2) for n in range(8)]
    wanted = next(slot for slot in dispatch.slots(tight.desk, people[0], at=MORNING) if slot.day == TOMORROW)
    let_in = []
    for item in people:
        try:
            granted(tight.desk, item, wanted.id)
        except SlotGone:
            continue
        let_in.append(item)
    assert 1 < len(let_in) < len(people)
    plan_id = dispatch.request_plan(
        tight.desk, tight.dispatcher, office_id=None, day=TOMORROW, at=MORNING, seconds=1.0, seed=0
    )
    dispatch.solve_plan(tight.desk, plan_id, at=MORNING)
    view = dispatch.get_plan(tight.desk, tight.dispatcher, plan_id)
    planned = {item for route in view.routes for stop in route.stops for item in stop.items}
    assert set(let_in) <= planned


def test_who_may_not_move_his_visit_any_more_is_told_before_a_place_is_kept(tight):
    one, _ = two_far_doors(tight)
    with tight.database.write() as session:
        session.get_one(Item, one).moves = 3
    with pytest.raises(Refused, match="too-many-moves"):
        tracking.require_allowed(tight.desk, one, "reschedule", at=MORNING)
