"""The transition table, compared cell by cell with the table of the design written out by hand."""

import pytest

from courier.domain.errors import Refused
from courier.domain.item import Custodian, Direction, EventType, Life, State, life_of
from tests.builders import an_event, number, reachable, the_way_to

HOLDER = number(0xB0)
OTHER = number(0xB1)

# state | what each event makes of it. An event that is not named has no row: nothing happens, and a conflict is kept.
# Beyond the design: a citizen may ask to collect an item before anybody sets out (`invited` from received and planned), also at
# another office, to which it is sent (`directed`, `sent_on`) and where it waits once it has `arrived`.
RESULT = """
announced        received>received                                           cancelled>cancelled
received         planned>planned  taken_out>out  invited>awaiting_pickup  directed>to_forward  cancelled>cancelled
planned          unplanned>received  taken_out>out  invited>awaiting_pickup  directed>to_forward  cancelled>cancelled
out              handed_over>delivered  attempt_failed>attempted  brought_back>held  passed_on>out  taken_over>out
attempted        handed_over>delivered  attempt_failed>attempted  brought_back>held  passed_on>attempted  taken_over>attempted
held             planned>planned  taken_out>out  invited>awaiting_pickup  directed>to_forward  picked_up>picked_up  given_back>returning
to_forward       sent_on>forwarded  arrived>awaiting_pickup
forwarded        arrived>awaiting_pickup
awaiting_pickup  picked_up>picked_up  given_back>returning
returning        agency_signed>returned
delivered
picked_up
returned
cancelled
"""
# A phone says taken_out and brought_back of everything in its bag; for a dossier to be fetched they mean set_out and brought_in.
SUBMISSION = """
requested        planned>planned  set_out>out  taken_out>out                 cancelled>cancelled
planned          unplanned>requested  set_out>out  taken_out>out             cancelled>cancelled
out              fetched>fetched  attempt_failed>requested  brought_in>requested  brought_back>requested  passed_on>out  taken_over>out
fetched          brought_in>at_office  brought_back>at_office  passed_on>fetched  taken_over>fetched  found>at_office
at_office        agency_signed>lodged
lodged
cancelled
"""
EVERYWHERE_BUT_AT_THE_END = (
    "lost",
    "damaged",
    "recalled",
    "found",
    "rescheduled",
    "redirected",
    "authorised",
    "instructed",
)
FINAL = {"delivered", "picked_up", "returned", "lodged", "cancelled"}


def _written(direction: Direction) -> dict[tuple[str, str], str]:
    table: dict[tuple[str, str], str] = {}
    for line in (RESULT if direction is Direction.RESULT else SUBMISSION).strip().splitlines():
        state, *cells = line.split()
        for cell in cells:
            event, target = cell.split(">")
            table[state, event] = target
        if state not in FINAL:
            for event in EVERYWHERE_BUT_AT_THE_END:
                found_again = event == "found" and direction is Direction.RESULT
                table.setdefault((state, event), "held" if found_again else state)
    return table


CELLS = [
    (direction, state, event)
    for direction in Direction
    for state in reachable(direction)
    for event in EventType
    if event is not EventType.CORRECTED
]


def _after(direction: Direction, state: State, event: EventType) -> Life:
    way = the_way_to(state, direction, by=HOLDER)
    before = life_of(direction, way)
    assert before.state is state
    assert before.conflicts == ()
    return life_of(direction, [*way, an_event(event, by=HOLDER)])


@pytest.mark.parametrize(("direction", "state", "event"), CELLS, ids=lambda value: str(value.value))
def test_every_cell_of_the_table_does_what_the_design_says(direction, state, event):
    wanted = _written(direction).get((state.value, event.value))

    after = _after(direction, state, event)

    if wanted is not None:
        assert (after.state.value, after.conflicts) == (wanted, ())
        return
    # A fact that the present state has no row for may still follow from the state before the last wishes.
    last_fact = {
        "planned": "received" if direction is Direction.RESULT else "requested",
        "awaiting_pickup": "held",
        "to_forward": "received",
    }
    last_fact["cancelled"] = "received" if direction is Direction.RESULT else "requested"
    behind = _written(direction).get((last_fact.get(state.value, ""), event.value))
    wish = event.value in {"planned", "unplanned", "directed", "invited", "cancelled", *EVERYWHERE_BUT_AT_THE_END[-4:]}
    if behind is not None and not wish and behind != last_fact[state.value]:
        assert after.state.value == behind
        assert [conflict.code for conflict in after.conflicts] == ["overtaken-by-fact"]
    else:
        assert after.state is state
        assert [conflict.code.partition("-when-")[0][:3] for conflict in after.conflicts] == ["no-"]


@pytest.mark.parametrize(("direction", "state", "event"), CELLS, ids=lambda value: str(value.value))
def test_an_intent_is_allowed_exactly_where_the_table_has_a_row(direction, state, event):
    life = life_of(direction, the_way_to(state, direction))
    if (state.value, event.value) in _written(direction):
        life.require(direction, event)
    else:
        with pytest.raises(Refused) as refusal:
            life.require(direction, event)
        assert refusal.value.code == "wrong-state"
        assert state.value in refusal.value.sentence


def test_every_state_is_reached_by_one_direction_or_the_other():
    assert {*reachable(Direction.RESULT), *reachable(Direction.SUBMISSION)} == set(State)


def test_before_any_event_a_result_is_announced_and_lies_at_the_agency():
    life = life_of(Direction.RESULT, [])
    assert (life.state, life.custody.kind) == (State.ANNOUNCED, Custodian.AGENCY)


def test_before_any_event_a_submission_is_requested_and_lies_at_the_citizens():
    life = life_of(Direction.SUBMISSION, [])
    assert (life.state, life.custody.kind) == (State.REQUESTED, Custodian.RECIPIENT)


CUSTODY = [
    # direction, history, who holds the paper
    (Direction.RESULT, "received", "office"),
    (Direction.RESULT, "received planned", "office"),
    (Direction.RESULT, "received taken_out", "postman"),
    (Direction.RESULT, "received taken_out attempt_failed", "postman"),
    (Direction.RESULT, "received taken_out handed_over", "recipient"),
    (Direction.RESULT, "received taken_out brought_back", "office"),
    (Direction.RESULT, "received taken_out brought_back invited", "office"),
    (Direction.RESULT, "received taken_out brought_back picked_up", "recipient"),
    (Direction.RESULT, "received taken_out brought_back given_back", "office"),
    (Direction.RESULT, "received taken_out brought_back given_back agency_signed", "agency"),
    (Direction.RESULT, "received directed sent_on", "office"),
    (Direction.RESULT, "received directed sent_on arrived", "office"),
    (Direction.RESULT, "received directed sent_on arrived picked_up", "recipient"),
    (Direction.RESULT, "received directed sent_on lost found", "office"),
    (Direction.RESULT, "received taken_out lost", "postman"),
    (Direction.RESULT, "received taken_out lost found", "office"),
    (Direction.SUBMISSION, "planned set_out", "recipient"),
    (Direction.SUBMISSION, "set_out attempt_failed", "recipient"),
    (Direction.SUBMISSION, "set_out brought_in", "recipient"),
    (Direction.SUBMISSION, "set_out fetched", "postman"),
    (Direction.SUBMISSION, "set_out fetched brought_in", "office"),
    (Direction.SUBMISSION, "set_out fetched brought_in agency_signed", "agency"),
    (Direction.SUBMISSION, "set_out fetched lost found", "office"),
    (Direction.SUBMISSION, "set_out found", "recipient"),
    (Direction.SUBMISSION, "found", "recipient"),
]


@pytest.mark.parametrize(("direction", "history", "holder"), CUSTODY)
def test_custody_follows_the_paper(direction, history, holder):
    life = life_of(direction, [an_event(kind, n, by=HOLDER) for n, kind in enumerate(history.split())])
    assert life.conflicts == ()
    assert life.custody.kind.value == holder
    assert (life.custody.holder == HOLDER) == (holder == "postman") or holder == "recipient"


def test_a_bag_changes_hands_when_the_other_postman_says_that_he_has_it():
    out = [an_event("received"), an_event("taken_out", 1, by=HOLDER)]
    given = [*out, an_event("passed_on", 2, by=HOLDER)]
    taken = [*given, an_event("taken_over", 3, by=OTHER)]

    assert life_of(Direction.RESULT, given).custody.holder == HOLDER
    assert life_of(Direction.RESULT, taken).custody.holder == OTHER
    delivered = life_of(Direction.RESULT, [*taken, an_event("handed_over", 4, by=OTHER)])
    assert (delivered.state, delivered.conflicts) == (State.DELIVERED, ())


def test_a_dossier_not_fetched_yet_can_be_passed_on_and_fetched_by_the_other():
    events = [
        an_event("set_out", 1, by=HOLDER),
        an_event("passed_on", 2, by=HOLDER),
        an_event("taken_over", 3, by=OTHER),
    ]
    life = life_of(Direction.SUBMISSION, [*events, an_event("fetched", 4, by=OTHER)])
    assert (life.state, life.conflicts) == (State.FETCHED, ())
    assert (life.custody.kind, life.custody.holder) == (Custodian.POSTMAN, OTHER)


def test_a_dossier_reported_found_on_the_way_can_still_be_fetched_by_the_same_postman():
    life = life_of(
        Direction.SUBMISSION,
        [an_event("set_out", 1, by=HOLDER), an_event("found", 2), an_event("fetched", 3, by=HOLDER)],
    )
    assert (life.state, life.conflicts) == (State.FETCHED, ())


@pytest.mark.parametrize("mark", ["lost", "damaged", "recalled"])
def test_a_mark_stays_with_the_item_and_changes_no_state(mark):
    life = life_of(Direction.RESULT, [*the_way_to(State.OUT), an_event(mark)])
    assert (life.state, {m.value for m in life.marks}) == (State.OUT, {mark})


@pytest.mark.parametrize("event", ["found", "handed_over"])
def test_what_was_lost_and_turns_up_is_lost_no_more_but_stays_damaged(event):
    way = [*the_way_to(State.OUT, by=HOLDER), an_event("lost"), an_event("damaged", 1), an_event(event, 2, by=HOLDER)]
    assert {mark.value for mark in life_of(Direction.RESULT, way).marks} == {"damaged"}


@pytest.mark.parametrize("mark", ["lost", "damaged", "recalled"])
def test_a_report_of_damage_brings_nothing_cancelled_back_to_life(mark):
    life = life_of(Direction.RESULT, [*the_way_to(State.CANCELLED), an_event(mark)])
    assert life.state is State.CANCELLED
    assert [conflict.code for conflict in life.conflicts] == [f"no-{mark}-when-cancelled"]


def test_unplanned_goes_back_to_where_the_planning_found_the_item():
    held = the_way_to(State.HELD)
    assert life_of(Direction.RESULT, [*held, an_event("planned"), an_event("unplanned", 1)]).state is State.HELD
    received = the_way_to(State.RECEIVED)
    assert life_of(Direction.RESULT, [*received, an_event("planned"), an_event("unplanned", 1)]).state is State.RECEIVED
