"""Every offer for a left-out stop keeps its word, on a few generated days; the command does it for two hundred."""

import dataclasses

import pytest

from routing.engines.sketching import first_plan, verified
from routing.insertion import Insertion
from routing.relaxing import RelaxationKind, relaxations
from routing.timetable import Timetable
from tests.bench.relaxations import a_short_day, run, unsolvable, untrue


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_what_is_offered_for_a_left_out_stop_lets_it_in(seed):
    report = run(days=1, seed=seed, solved=1)
    assert report.wrong == []
    assert report.left_out > 0
    assert report.without_offer == 0
    assert report.solved > 0


def test_an_offer_that_promises_too_little_is_found_out():
    problem = a_short_day(4)
    visits = verified(problem, first_plan(problem))
    served = {visit for route in visits for visit in route}
    stop = next(number for number in range(problem.stops) if number not in served)
    offers = relaxations(problem, Insertion(problem, Timetable(problem)), visits, stop)
    shift = next(offer for offer in offers if offer.kind is RelaxationKind.SHIFT)
    assert untrue(problem, visits, stop, shift) is None
    assert untrue(problem, visits, stop, dataclasses.replace(shift, amount=shift.amount - 1)) is not None
    assert unsolvable(problem, visits, stop, shift) is None
    assert unsolvable(problem, visits, stop, dataclasses.replace(shift, amount=-7200)) is not None
