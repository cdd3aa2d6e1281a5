"""The fold of a set of events, against a second fold written another way, and against shuffling, doubling and splitting."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courier.domain.item import Custodian, Direction, Event, EventType, State, life_of
from courier.domain.people import Role
from tests.builders import MORNING, an_event, number
from tests.rules.test_item_table import EVERYWHERE_BUT_AT_THE_END, _written

A, B, DESK = number(0xA), number(0xB), number(0xD)
WISHED = {
    "planned",
    "unplanned",
    "directed",
    "invited",
    "cancelled",
    "rescheduled",
    "redirected",
    "authorised",
    "instructed",
}
KINDS = [kind for kind in EventType if kind is not EventType.CORRECTED]
PAPER_CHANGES_PLACE = {"taken_out", "set_out", "taken_over", "brought_back", "brought_in", "found"}
WITNESSED = {"handed_over", "fetched"}
BEARERS_WORDS = {*WITNESSED, "attempt_failed", "brought_back", "brought_in"}


# ------------------------------------------------------------------------------------------------- the second fold
class Step(NamedTuple):
    """One accepted event in the naive story: what it was, and what stood before and after."""

    word: str
    event: UUID | None
    before: str
    after: str
    moved: bool
    holder: UUID | None


def _line(events):
    return sorted(events, key=lambda e: (e.occurred_at, e.event_id.bytes))


def _standing(events: list[Event]) -> tuple[list[Event], set[tuple[UUID, str]]]:
    """What is left after corrections, by asking of every event whether a standing correction names it."""
    place = {e.event_id: n for n, e in enumerate(_line(events))}
    by_id = {e.event_id: e for e in events}
    idle, names = set(), {}
    for c in (e for e in events if e.type.value == "corrected"):
        target = by_id.get(UUID(c.data["corrects"]))
        if target is None:
            idle.add((c.event_id, "nothing-to-correct"))
        elif place[target.event_id] >= place[c.event_id]:
            idle.add((c.event_id, "correction-before-act"))
        elif c.actor_role == "postman" and target.actor != c.actor:
            idle.add((c.event_id, "not-your-act"))
        else:
            names.setdefault(target.event_id, []).append(c)

    def stands(event: Event) -> bool:
        return not any(stands(c) for c in names.get(event.event_id, []))

    left = [e for e in events if stands(e)]
    return left, {(which, code) for which, code in idle if any(e.event_id == which for e in left)}


def _moves(direction: Direction, state: str, word: str) -> bool:
    if word in ("lost", "damaged", "recalled", "passed_on", "taken_over", *EVERYWHERE_BUT_AT_THE_END[-4:]):
        return False
    return not (word == "found" and direction is Direction.SUBMISSION and state != "fetched")


def _hand(word: str, after: str, event: Event, holder: UUID | None) -> UUID | None:
    if word in ("taken_out", "set_out", "taken_over", "fetched"):
        return event.actor
    stays = word not in ("received", "brought_back", "brought_in", "handed_over", "picked_up", "agency_signed")
    return holder if stays and not (word == "found" and after in ("held", "at_office")) else None


def _over_the_desk(event: Event) -> bool:
    return event.type.value not in WITNESSED and event.actor_role not in (None, "postman")


def naive(direction: Direction, events: list[Event]) -> tuple[str, set[tuple[UUID, str]]]:
    """State and conflicts by the rules as they are told."""
    story, conflicts = told(direction, events)
    return story[-1].after, conflicts


def told(direction: Direction, events: list[Event]) -> tuple[list[Step], set[tuple[UUID, str]]]:
    """What counts of the events, and the conflicts, as a story in which one looks back."""
    table = _written(direction)
    left, conflicts = _standing(list({e.event_id: e for e in events}.values()))
    line = _line(e for e in left if e.type.value != "corrected")
    start = "announced" if direction is Direction.RESULT else "requested"
    story = [Step("", None, start, start, moved=True, holder=None)]
    for place, event in enumerate(line):
        word, state, holder = event.type.value, story[-1].after, story[-1].holder
        if (state, word) not in table and word not in WISHED:
            since_fact = list(itertools.takewhile(lambda s: s.word in WISHED or not s.moved, reversed(story)))
            behind = story[-1 - len(since_fact)].after
            if (behind, word) in table and _moves(direction, behind, word):
                conflicts |= {(s.event, "overtaken-by-fact") for s in since_fact if s.moved and s.word in WISHED}
                state = behind
        if (state, word) not in table:
            other_name = {"taken_out": "set_out", "brought_back": "brought_in"}
            said = other_name.get(word, word) if direction is Direction.SUBMISSION else word
            conflicts.add((event.event_id, f"no-{said}-when-{state}"))
            continue
        if word in BEARERS_WORDS and event.actor not in (None, holder) and not _over_the_desk(event):
            rest = line[place + 1 :]
            until = next((n for n, e in enumerate(rest) if e.type.value in PAPER_CHANGES_PLACE), len(rest))
            # who brings the paper back had it until then; a handover is only outdone by a handover
            proofs = {word} if word in WITNESSED else {*BEARERS_WORDS, "passed_on"}
            beaten = holder is not None and any(e.type.value in proofs and e.actor == holder for e in rest[: until + 1])
            conflicts.add((event.event_id, "another-had-custody" if beaten else "not-in-custody"))
            if beaten:
                continue
        after = table[state, word]
        if word == "unplanned":
            after = next(s.before for s in reversed(story) if s.word == "planned")
        story.append(
            Step(word, event.event_id, state, after, _moves(direction, state, word), _hand(word, after, event, holder))
        )
    return story, conflicts


def agrees(direction: Direction, events: list[Event]) -> None:
    life = life_of(direction, events)
    state, conflicts = naive(direction, events)
    found = [(conflict.event_id, conflict.code) for conflict in life.conflicts]
    assert life.state.value == state
    assert set(found) == conflicts
    assert len(found) == len(set(found)), "a conflict is told once"


# ----------------------------------------------------------------------------------------------------- histories
# The events of a plain day come more often than the others, so that random histories get somewhere.
USUAL = {
    Direction.RESULT: "received planned taken_out handed_over attempt_failed brought_back invited directed sent_on arrived cancelled",
    Direction.SUBMISSION: "planned set_out taken_out fetched attempt_failed brought_in brought_back cancelled",
}


@st.composite
def histories(draw, most: int = 12):
    """A direction and a random history: any events at few moments, so that many meet, with corrections of anything."""
    direction = draw(st.sampled_from(list(Direction)))
    usual = [EventType(word) for word in USUAL[direction].split()]
    kinds = st.one_of(st.sampled_from(usual), st.sampled_from(usual), st.sampled_from(KINDS))
    length = draw(st.integers(0, most))
    ids = draw(st.lists(st.integers(1, 10**6), min_size=length, max_size=length, unique=True))
    events = []
    for id_number in ids:
        minute = draw(st.integers(0, 9))
        actor = draw(st.sampled_from([A, A, B, None]))
        if ids and draw(st.integers(0, 4)) == 0:
            target = draw(st.sampled_from([*ids, 10**7]))
            role = draw(st.sampled_from([Role.POSTMAN, Role.DISPATCHER]))
            events.append(
                an_event(
                    "corrected",
                    minute,
                    by=actor,
                    role=role,
                    id=number(id_number),
                    corrects=str(number(target)),
                    reason="x",
                )
            )
        else:
            role = draw(st.sampled_from([None, None, Role.POSTMAN, Role.CASHIER]))
            events.append(an_event(draw(kinds), minute, by=actor, role=role, id=number(id_number)))
    return direction, events


@given(histories())
def test_the_fold_agrees_with_the_naive_story(history):
    agrees(*history)


@given(histories(), st.randoms(use_true_random=False))
def test_order_and_duplicates_cannot_matter(history, chance):
    direction, events = history
    shuffled = [*events, *chance.choices(events, k=len(events))] if events else []
    chance.shuffle(shuffled)
    assert life_of(direction, shuffled) == life_of(direction, events)


@given(histories(), st.lists(st.integers(0, 12), max_size=4))
def test_what_arrives_in_parts_amounts_to_what_arrives_at_once(history, cuts):
    direction, events = history
    parts = [events[start:end] for start, end in itertools.pairwise([0, *sorted(cuts), len(events) + 12])]
    known = {}
    for part in parts:
        known |= {event.event_id: event for event in part}
        life_of(direction, known.values())
    assert life_of(direction, known.values()) == life_of(direction, events)


@given(histories(), st.randoms(use_true_random=False))
def test_when_the_server_heard_of_an_act_has_no_part_in_what_the_act_amounts_to(history, chance):
    direction, events = history
    heard = [replace(event, received_at=event.occurred_at + timedelta(hours=chance.randrange(48))) for event in events]
    first, second = life_of(direction, events), life_of(direction, heard)
    assert (first.state, first.custody, first.conflicts) == (second.state, second.custody, second.conflicts)


STARTS = {
    Direction.RESULT: ["", "received", "received taken_out"],
    Direction.SUBMISSION: ["", "set_out", "set_out fetched"],
}


@pytest.mark.parametrize("direction", Direction)
def test_every_pair_of_events_by_every_pair_of_hands_in_either_order(direction):
    for start in STARTS[direction]:
        way = [an_event(word, n - 10, by=A) for n, word in enumerate(start.split())]
        for first, second in itertools.product(KINDS, KINDS):
            for one, other in ((A, A), (A, B), (B, A), (None, A)):
                events = [*way, an_event(first, 1, by=one), an_event(second, 2, by=other)]
                agrees(direction, events)
                assert life_of(direction, events) == life_of(direction, events[::-1])


@pytest.mark.parametrize("direction", Direction)
def test_every_triple_of_events_in_every_order(direction):
    way = [an_event(word, n - 10, by=A) for n, word in enumerate(STARTS[direction][1].split())]
    for kinds in itertools.product(KINDS, repeat=3):
        events = [an_event(kind, n, by=B if n == 1 else A, id=number(n + 1)) for n, kind in enumerate(kinds)]
        agrees(direction, [*way, *events])


def test_acts_of_the_same_moment_are_told_apart_by_their_ids():
    failed = an_event("attempt_failed", 5, by=A, id=number(1))
    handed = an_event("handed_over", 5, by=A, id=number(2))
    way = [an_event("received"), an_event("taken_out", 1, by=A)]
    assert life_of(Direction.RESULT, [*way, handed, failed]).conflicts == ()
    handed_first = an_event("handed_over", 5, by=A, id=number(0))
    codes = [c.code for c in life_of(Direction.RESULT, [*way, handed_first, failed]).conflicts]
    assert codes == ["no-attempt_failed-when-delivered"]


# ------------------------------------------------------------------------------------------ told one by one, by name
OUT = [an_event("received", 0, by=DESK), an_event("taken_out", 1, by=A)]


def result(*events: Event):
    return life_of(Direction.RESULT, [*OUT, *events])


def codes(life) -> list[str]:
    return sorted(conflict.code for conflict in life.conflicts)


def test_of_two_handovers_the_one_with_the_paper_in_hand_counts_even_when_it_is_later():
    stranger, bearer = an_event("handed_over", 5, by=B), an_event("handed_over", 9, by=A)
    life = result(stranger, bearer)
    assert (life.state, life.decisive, codes(life)) == (State.DELIVERED, bearer, ["another-had-custody"])


def test_of_two_handovers_by_others_the_first_counts():
    first, second = an_event("handed_over", 5, by=B), an_event("handed_over", 6, by=DESK)
    life = result(first, second)
    assert (life.decisive, codes(life)) == (first, ["no-handed_over-when-delivered", "not-in-custody"])


def test_a_handover_without_custody_counts_and_is_marked():
    life = result(an_event("handed_over", 5, by=B))
    assert (life.state, codes(life)) == (State.DELIVERED, ["not-in-custody"])
    assert life.custody.kind is Custodian.RECIPIENT


@pytest.mark.parametrize("claim", ["brought_back", "attempt_failed"])
@pytest.mark.parametrize("proof", ["attempt_failed", "brought_back", "passed_on", "handed_over"])
def test_what_another_says_of_a_paper_counts_for_nothing_when_its_bearer_still_had_it(claim, proof):
    proved = an_event(proof, 9, by=A)
    life = result(an_event(claim, 5, by=B), proved)
    assert codes(life) == ["another-had-custody"]
    assert life == replace(result(proved), conflicts=life.conflicts)


def test_a_paper_brought_back_by_another_than_its_bearer_is_back_and_marked():
    life = result(an_event("brought_back", 5, by=B))
    assert (life.state, life.custody.kind, codes(life)) == (State.HELD, Custodian.OFFICE, ["not-in-custody"])


def test_the_desk_may_say_that_a_paper_came_back():
    life = result(an_event("brought_back", 5, by=DESK, role=Role.CASHIER))
    assert (life.state, codes(life)) == (State.HELD, [])


def test_a_later_bearer_does_not_take_a_handover_back_when_the_bag_changed_hands_in_between():
    """The bearer of noon gave the bag back at one; his handover at two comes after the paper had gone."""
    noon, two = an_event("handed_over", 12, by=B), an_event("handed_over", 14, by=A)
    for between in ("brought_back", "found", "taken_over"):
        life = result(noon, an_event(between, 13, by=B), two)
        assert life.decisive == noon, between


def test_a_dossier_brought_in_between_two_who_fetched_it_was_fetched_by_the_first():
    noon, two = an_event("fetched", 12, by=B), an_event("fetched", 14, by=A)
    for home in ("brought_in", "brought_back"):
        life = life_of(Direction.SUBMISSION, [an_event("set_out", 1, by=A), noon, an_event(home, 13, by=B), two])
        assert (life.state, life.decisive) == (State.AT_OFFICE, noon), home


def test_an_attempt_after_the_handover_is_kept_and_changes_nothing():
    life = result(an_event("handed_over", 5, by=A), an_event("attempt_failed", 6, by=A, reason="recipient_absent"))
    assert (life.state, life.failed, codes(life)) == (State.DELIVERED, (), ["no-attempt_failed-when-delivered"])


def test_an_offline_taking_out_beats_the_cancellation_that_did_not_know_of_it():
    cancelled = an_event("cancelled", 2)
    received = an_event("received", 0)
    life = life_of(Direction.RESULT, [received, cancelled, an_event("taken_out", 3, by=A)])
    assert life.state is State.OUT
    assert [(c.event_id, c.code) for c in life.conflicts] == [(cancelled.event_id, "overtaken-by-fact")]


def test_a_wish_that_changed_no_state_is_not_beaten_by_a_fact():
    wish = an_event("rescheduled", 1, on="2026-11-27")
    life = life_of(
        Direction.RESULT, [an_event("received"), wish, an_event("cancelled", 2), an_event("taken_out", 3, by=A)]
    )
    assert codes(life) == ["overtaken-by-fact"]
    assert (life.moves, life.wishes[EventType.RESCHEDULED]) == (1, wish)


def test_damage_on_a_planned_item_does_not_hide_what_the_plan_was_made_from():
    events = [*OUT, an_event("brought_back", 2, by=A), an_event("planned", 3), an_event("damaged", 4)]
    life = life_of(Direction.RESULT, [*events, an_event("picked_up", 5, by=DESK)])
    assert (life.state, codes(life)) == (State.PICKED_UP, ["overtaken-by-fact"])


def test_a_reschedule_after_an_offline_handover_is_kept_as_a_conflict():
    life = result(an_event("handed_over", 5, by=A), an_event("rescheduled", 6, on="2026-11-27"))
    assert (life.state, life.moves, codes(life)) == (State.DELIVERED, 0, ["no-rescheduled-when-delivered"])


def correct(target: Event, minutes: float, *, by=A, role=Role.POSTMAN, id=None) -> Event:
    return an_event("corrected", minutes, by=by, role=role, id=id, corrects=str(target.event_id), reason="nhầm")


def test_a_correction_takes_the_act_away_and_a_correction_of_it_brings_the_act_back():
    handed = an_event("handed_over", 5, by=A)
    first = correct(handed, 6)
    second = correct(first, 7)
    third = correct(second, 8)
    assert result(handed, first).state is State.OUT
    assert result(handed, first, second).state is State.DELIVERED
    assert result(handed, first, second, third).state is State.OUT
    assert result(handed, first, second, third).withdrawn == {handed.event_id, second.event_id}


def test_two_corrections_of_one_act_are_one_and_both_must_go_for_it_to_return():
    handed = an_event("handed_over", 5, by=A)
    first, second = correct(handed, 6), correct(handed, 7)
    assert result(handed, first, second, correct(first, 8)).state is State.OUT
    assert result(handed, first, second, correct(first, 8), correct(second, 9)).state is State.DELIVERED


def test_a_correction_of_something_later_than_itself_has_no_effect():
    handed = an_event("handed_over", 7, by=A)
    life = result(handed, correct(handed, 6))
    assert (life.state, codes(life)) == (State.DELIVERED, ["correction-before-act"])


def test_two_corrections_of_each_other_leave_the_later_one():
    first_id, second_id = number(1), number(2)
    handed = an_event("handed_over", 5, by=A)
    second = correct(an_event("lost", id=first_id), 7, id=second_id)
    first = an_event("corrected", 6, by=A, id=first_id, corrects=str(second_id), reason="x")
    life = result(handed, first, second)
    assert life.withdrawn == {first_id}
    assert (life.state, codes(life)) == (State.DELIVERED, [])


def test_a_correction_of_itself_has_no_effect():
    own = an_event("corrected", 5, by=A, id=number(9), corrects=str(number(9)), reason="x")
    assert codes(result(own)) == ["correction-before-act"]


def test_a_postman_corrects_his_own_acts_and_a_desk_any():
    handed = an_event("handed_over", 5, by=A)
    life = result(handed, correct(handed, 6, by=B))
    assert (life.state, codes(life)) == (State.DELIVERED, ["not-your-act"])
    assert result(handed, correct(handed, 6, by=DESK, role=Role.DISPATCHER)).state is State.OUT


def test_a_correction_waits_for_the_act_it_names():
    handed = an_event("handed_over", 5, by=A)
    early = correct(handed, 6)
    assert codes(result(early)) == ["nothing-to-correct"]
    assert codes(result(early, handed)) == []
    assert result(early, handed).state is State.OUT


def test_when_the_bearers_handover_is_corrected_the_strangers_counts():
    stranger, bearer = an_event("handed_over", 5, by=B), an_event("handed_over", 9, by=A)
    life = result(stranger, bearer, correct(bearer, 10))
    assert (life.decisive, codes(life)) == (stranger, ["not-in-custody"])


def test_failures_invitations_and_moves_are_counted_from_what_stands():
    failed = an_event("attempt_failed", 2, by=A, reason="recipient_absent")
    moved = an_event("rescheduled", 3, on="2026-11-27")
    home = an_event("brought_back", 4, by=A)
    invited = an_event("invited", 5)
    life = result(failed, moved, home, invited)
    assert (life.failed, life.moves, life.invitations) == ((failed,), 1, (invited.occurred_at,))
    assert life.since == MORNING + timedelta(minutes=5)
    withdrawn = result(failed, moved, home, invited, correct(failed, 9))
    assert (withdrawn.failed, withdrawn.moves) == ((), 1)
