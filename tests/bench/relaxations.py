"""Whether what is offered for a left-out stop lets it in: generated days with too much to do, every offer applied and solved again.

    python -m tests.bench.relaxations [--days 200] [--seed 1] [--solved 1]

Each day is short of something: hours, postmen, room in the bags or money that may be carried. It is planned, and for every stop that the plan
leaves out every offer is applied alone. Then all that was planned and that stop are planned again: the stop must be in, nobody else out (but the one
an exchange names), and the checker must accept the day. Of `--solved` stops a day the postman's round is besides solved from nothing by the whole
optimiser, which knows nothing of the place that was found.
"""

import argparse
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from routing import Break, Job, Matrix, Problem, Vehicle
from routing.checking import check
from routing.days import SHIFT_SECONDS, day_instance
from routing.engines.sketching import first_plan, verified
from routing.insertion import Insertion
from routing.problem import Lock, Visits
from routing.relaxing import Relaxation, RelaxationKind, applied, relaxations
from routing.solving import assemble, solve
from routing.timetable import Timetable

OPENS = 7 * 3600
SHORT_OF = ("hours", "postmen", "bags", "cash")


def a_short_day(seed: int) -> Problem:
    """A day with too much to do: 60-140 stops, some of them in a postman's bag already, three in ten with a window."""
    chance = random.Random(f"a short day, {seed}")
    stops = chance.randint(60, 140)
    day = day_instance(seed, stops=stops)
    short = SHORT_OF[seed % len(SHORT_OF)]
    postmen = max(2, round(stops / 30) - (short == "postmen"))
    cash = [0, *(int(thousands) * 1000 for thousands in day.pickup[1:, 1])]
    most_cash = int((0.9 if short == "cash" else 1.5) * sum(cash) / postmen)
    most_items = int((0.94 if short == "bags" else 1.4) * stops / postmen)
    hours = chance.choice([6, 7]) * 3600 if short == "hours" else SHIFT_SECONDS
    jobs = []
    for stop in range(1, stops + 1):
        opens, closes = (OPENS + int(instant) for instant in day.windows[stop])
        bag = chance.randrange(postmen) if chance.random() < 0.05 else None
        jobs.append(
            Job(
                id=stop,
                location_index=stop,
                setup=60,
                service=180,
                delivery=(1, 0),
                pickup=(0, cash[stop]),
                priority=chance.choice([20, 20, 40, 60, 90]),
                time_windows=() if closes - opens == SHIFT_SECONDS else ((opens, closes),),
                lock=Lock.FREE if bag is None else Lock.KEEP_POSTMAN,
                locked_vehicle=bag,
                skills=frozenset({1}) if chance.random() < 0.04 else frozenset(),
            )
        )
    noon = OPENS + 4 * 3600
    vehicles = [
        Vehicle(
            id=number,
            start=0,
            end=0,
            profile="motorbike",
            time_window=(OPENS, OPENS + hours),
            breaks=(Break(id=number, time_windows=((noon, noon + 1800),), service=1800),) if number % 2 else (),
            capacity=(most_items, most_cash),
            skills=frozenset({1}) if number == 0 else frozenset(),
        )
        for number in range(postmen)
    ]
    everywhere = range(stops + 1)
    table = Matrix(seconds=day.block(everywhere, everywhere))
    return Problem(
        jobs=tuple(jobs),
        vehicles=tuple(vehicles),
        matrices={"motorbike": table},
        dimension_names=("items", "cash_dong"),
    )


@dataclass
class Report:
    """What was seen; `wrong` has a sentence for every offer that did not keep its word.

    `not_found` are rounds that the search, from nothing and in its seconds, did not find although the checker has one: that says
    something about the search and the machine, nothing about the offer.
    """

    days: int = 0
    stops: int = 0
    left_out: int = 0
    without_offer: int = 0
    offers: Counter[str] = field(default_factory=Counter)
    solved: int = 0
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The table of the published figures."""
        yield "| | |"
        yield "|---|---|"
        yield f"| days, stops | {self.days}, {self.stops:,} |"
        yield f"| left out | {self.left_out:,} |"
        yield f"| of these without any offer | {self.without_offer} |"
        yield f"| offers applied and planned again | {self.offers.total():,} |"
        for kind, count in self.offers.most_common():
            yield f"| … {kind} | {count:,} |"
        yield f"| rounds solved from nothing besides, not found so | {self.solved:,}, {len(self.not_found)} |"
        if self.seconds:
            middle, worst = statistics.median(self.seconds), max(self.seconds)
            yield f"| CPU to find the offers for a stop: median, worst | {middle * 1000:.0f}, {worst * 1000:.0f} ms |"
        yield f"| offers that did not let the stop in | {len(self.wrong)} |"


def run(*, days: int, seed: int, solved: int = 1) -> Report:
    """Generate the days `seed`, `seed` + 1, ... and keep every offer to its word."""
    report = Report()
    for number in range(seed, seed + days):
        problem = a_short_day(number)
        visits = verified(problem, first_plan(problem))
        insertion = Insertion(problem, Timetable(problem))
        served = {visit for route in visits for visit in route}
        left_out = [stop for stop in range(problem.stops) if stop not in served]
        to_solve = set(random.Random(number).sample(left_out, min(solved, len(left_out))))
        report.days += 1
        report.stops += problem.stops
        report.left_out += len(left_out)
        for stop in left_out:
            began = time.process_time()
            offers = relaxations(problem, insertion, visits, stop)
            report.seconds.append(time.process_time() - began)
            report.without_offer += not offers
            for offer in offers:
                report.offers[offer.kind.value] += 1
                fault = untrue(problem, visits, stop, offer)
                if fault is None and stop in to_solve:
                    report.solved += 1
                    if missed := unsolvable(problem, visits, stop, offer):
                        report.not_found.append(
                            f"day {number}, stop {problem.tasks[stop].id}, {offer.sentence} {missed}"
                        )
                if fault is not None:
                    report.wrong.append(f"day {number}, stop {problem.tasks[stop].id}, {offer.sentence} {fault}")
    return report


def untrue(problem: Problem, visits: Visits, stop: int, offer: Relaxation) -> str | None:
    """Why the day with the offer applied, planned again on its routes, does not serve all that it did and the stop."""
    kept = {problem.tasks[visit].id for route in visits for visit in route} - {offer.instead}
    wanted = kept | {problem.tasks[stop].id}
    relaxed = _with_jobs(applied(problem, problem.tasks[stop], offer), wanted)
    numbers = {task.id: number for number, task in enumerate(relaxed.tasks)}
    begun = tuple(
        tuple(numbers[problem.tasks[visit].id] for visit in route if problem.tasks[visit].id in numbers)
        for route in visits
    )
    newcomer = numbers[problem.tasks[stop].id]
    insertion = Insertion(relaxed, Timetable(relaxed))
    index = relaxed.vehicle_index(offer.vehicle)
    found = insertion.cheapest(index, begun[index], newcomer)
    if found is None:
        return "It has no place."
    again = tuple(found[1] if at == index else route for at, route in enumerate(begun))
    plan = assemble(relaxed, insertion.timetable, again)
    if violations := check(relaxed, plan):
        return f"The checker refuses the day: {violations[0]}"
    served = {step.id for route in plan.routes for step in route.visits}
    return None if served == wanted else f"Served otherwise: {sorted(served ^ wanted)}."


def unsolvable(problem: Problem, visits: Visits, stop: int, offer: Relaxation) -> str | None:
    """Why the postman's round with the stop, solved from nothing, does not serve everything."""
    index = problem.vehicle_index(offer.vehicle)
    wanted = {problem.tasks[visit].id for visit in (*visits[index], stop)} - {offer.instead}
    relaxed = _with_jobs(applied(problem, problem.tasks[stop], offer), wanted)
    alone = tuple(
        vehicle if vehicle.id == offer.vehicle else _idle(vehicle, len(problem.dimension_names))
        for vehicle in relaxed.vehicles
    )
    for seconds in (1.0, 8.0):
        plan = solve(relaxed.replace(vehicles=alone), seconds=seconds)
        if not plan.unassigned:
            return None
    return f"Solved from nothing {len(plan.unassigned)} of {len(wanted)} stops are left out."


def _with_jobs(problem: Problem, wanted: set[int]) -> Problem:
    return problem.replace(jobs=tuple(job for job in problem.jobs if job.id in wanted))


def _idle(vehicle: Vehicle, dimensions: int) -> Vehicle:
    """The vehicle with nothing that it may carry: it stays, for others' locks name it."""
    return Vehicle(
        id=vehicle.id, start=vehicle.start, end=vehicle.end, profile=vehicle.profile, capacity=(0,) * dimensions
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--solved", type=int, default=1, help="left-out stops a day whose rounds are solved from nothing"
    )
    asked = parser.parse_args()
    report = run(days=asked.days, seed=asked.seed, solved=asked.solved)
    print("\n".join(report.lines()))
    for sentence in (*report.wrong, *report.not_found):
        print(sentence, file=sys.stderr)
    return 1 if report.wrong or RelaxationKind.ROOM.value in report.offers else 0


if __name__ == "__main__":
    sys.exit(main())
