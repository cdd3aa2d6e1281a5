"""The complete engine: every rule and price of the model, against trying everything and the independent checker."""

import dataclasses
import itertools
import multiprocessing
import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from routing import (
    Break,
    Costs,
    Crossing,
    Crossings,
    Job,
    Lock,
    Matrix,
    Problem,
    Reload,
    Shipment,
    ShipmentStop,
    StepKind,
    Vehicle,
)
from routing.checking import check
from routing.engines.ortools import OrTools
from routing.engines.ortools_model import Model
from routing.engines.sketching import Proof, first_plan, improved_plan
from routing.engines.slack import Slack
from routing.solving import assemble, solve
from routing.timetable import Timetable
from tests.examples import examples
from tests.routing.inventing import a_problem, square

LINE = [[abs(a - b) * 10 for b in range(8)] for a in range(8)]
"""Eight doors in a row, 10 s apart; the office is at the first."""


def a_street(*jobs: Job, **members) -> Problem:
    """One postman, an hour, one second costs one."""
    reloads = members.pop("reloads", ())
    matrix = members.pop("matrix", Matrix(seconds=LINE))
    plain = {"id": 1, "start": 0, "end": 0, "time_window": (0, 3600), "capacity": (9,) * len(jobs[0].delivery or (1,))}
    count = members.pop("count", 1)
    names = members.pop("dimension_names", ())
    fleet = tuple(Vehicle(**(plain | members | {"id": n + 1})) for n in range(count))
    return Problem(jobs=jobs, vehicles=fleet, matrices={"car": matrix}, reloads=reloads, dimension_names=names)


def a_job(place: int, **members) -> Job:
    return Job(**({"id": place, "location_index": place, "service": 5, "delivery": (1,)} | members))


OFFICE = Reload(id=7, location_index=0, service=20)
BANK = Reload(id=8, location_index=5, service=3, empties=frozenset({"cash"}))
PRICED = Costs(per_overtime_hour=36_000, per_hour_over_target=7_200)
FERRY = Crossings(
    ferries=(Crossing(opens=0, closes=2000, headway=100, ride=20),),
    crossing=[[-1 if (a < 4) == (b < 4) else 0 for b in range(8)] for a in range(8)],
    to_landing=[[0 if (a < 4) == (b < 4) else 5 for b in range(8)] for a in range(8)],
)
RIVER = Matrix(
    seconds=[[LINE[a][b] + (0 if (a < 4) == (b < 4) else 75) for b in range(8)] for a in range(8)], crossings=FERRY
)

DAYS = {
    "soft windows: late costs more than the way back": a_street(
        a_job(3, soft_window=(0, 20), late_cost_per_hour=36_000), a_job(1), a_job(6, soft_window=(0, 100), late_cost_per_hour=360)
    ),
    "a soft window that opens late is met by leaving later": a_street(
        a_job(2, soft_window=(500, 600), early_cost_per_hour=3600), a_job(5), a_job(1)
    ),
    "what may fail is tried first": a_street(a_job(1), a_job(2), a_job(6, retry_value_per_hour=18_000)),
    "retry value and lateness add up": a_street(
        a_job(1, retry_value_per_hour=3_600, soft_window=(0, 40), late_cost_per_hour=7_200), a_job(2, retry_value_per_hour=9_000),
        a_job(6, soft_window=(0, 70), late_cost_per_hour=3_600),
    ),
    "a trip waits for what comes late": a_street(a_job(1, release=300), a_job(4, time_windows=((0, 330),)), a_job(6)),
    "one who can go at once need not wait for it": a_street(
        a_job(1, release=300), a_job(4, time_windows=((0, 100),)), a_job(6), count=2, costs=Costs(fixed=10)
    ),
    "prizes pay the way or not": a_street(a_job(1, prize=25), a_job(6, prize=60), a_job(3, prize=20), a_job(2)),
    "the longest duration leaves out the farthest": a_street(a_job(2), a_job(4, priority=1), a_job(6), max_duration=100),
    "waiting counts as duration": a_street(
        a_job(2, time_windows=((0, 30),)), a_job(4, time_windows=((400, 500),)), a_job(6), max_duration=300
    ),
    "overtime is worth a second postman": a_street(
        a_job(2), a_job(4), a_job(6), count=2, costs=Costs(per_overtime_hour=36_000), overtime_after=100, max_overtime=60
    ),
    "overtime and target on one vehicle": a_street(
        a_job(2, prize=100), a_job(4, prize=110), a_job(6, prize=120), costs=PRICED, overtime_after=90, target_duration=60
    ),
    "a target balances two postmen": a_street(
        a_job(2), a_job(4), a_job(6), a_job(1), count=2, costs=Costs(per_hour_over_target=7_200), target_duration=70
    ),
    "ferries wait": a_street(a_job(2), a_job(5), a_job(6, time_windows=((0, 160),)), a_job(1), matrix=RIVER),
}  # fmt: skip
DAYS["what comes late is fetched by a second trip"] = a_street(
    a_job(1, release=300), a_job(4, time_windows=((0, 100),)), a_job(2, release=250)
).replace(
    reloads=(OFFICE,),
    vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 3600), capacity=(9,), reloads=(7,)),),
)
DAYS["two trips with a small bag"] = DAYS["prizes pay the way or not"].replace(
    jobs=tuple(a_job(place, delivery=(n % 2,), pickup=(1 - n % 2,)) for n, place in enumerate((1, 2, 6, 5))),
    reloads=(OFFICE,),
    vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 3600), capacity=(1,), reloads=(7,)),),
)
DAYS["trips are worth what they bring"] = DAYS["prizes pay the way or not"].replace(
    jobs=tuple(a_job(place, delivery=(2,), prize=30 * place) for place in (1, 2, 6, 5)),
    reloads=(OFFICE,),
    vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 3600), capacity=(4,), reloads=(7,), max_reloads=1),),
)
DAYS["cash is taken to the bank on the way"] = Problem(
    jobs=tuple(
        Job(id=place, location_index=place, service=5, delivery=(1, 0), pickup=(0, cash))
        for place, cash in ((1, 40), (3, 70), (6, 60), (7, 20))
    ),
    vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 3600), capacity=(9, 100), reloads=(8,)),),
    matrices={"car": Matrix(seconds=LINE)},
    reloads=(BANK,),
    dimension_names=("items", "cash"),
)
DAYS["a break only with an empty bag"] = a_street(
    a_job(2),
    a_job(5),
    a_job(6, delivery=(0,), pickup=(1,)),
    breaks=(Break(id=1, time_windows=((0, 150),), service=30, max_load=(0,)),),
)
DAYS["what rides between two doors stays on board at the office"] = Problem(
    jobs=(a_job(2), a_job(3)),
    shipments=(
        Shipment(
            pickup=ShipmentStop(id=1, location_index=4, service=5),
            delivery=ShipmentStop(id=1, location_index=1, service=5),
            amount=(1,),
        ),
    ),
    vehicles=(Vehicle(id=1, start=0, end=0, time_window=(0, 3600), capacity=(2,), reloads=(7,)),),
    matrices={"car": Matrix(seconds=LINE)},
    reloads=(OFFICE,),
)


def tried(problem: Problem):
    """The best plan there is, by trying them all, and its (priorities, compulsory stops served, -(cost and lost prizes))."""
    timetable = Timetable(problem)
    stops = [n for n in range(problem.stops) if problem.tasks[n].partner is None]
    pairs = [n for n in range(problem.stops) if problem.tasks[n].kind.value == "pickup"]
    items = [(n,) for n in stops] + [(n, problem.tasks[n].partner) for n in pairs]
    best = None
    for owners in itertools.product(range(-1, len(problem.vehicles)), repeat=len(items)):
        routes = []
        for index in range(len(problem.vehicles)):
            mine = [n for item, owner in zip(items, owners, strict=True) if owner == index for n in item]
            routes.append(_cheapest_order(problem, timetable, index, mine))
        if all(route is not None for route in routes):
            rank = ranked(problem, timetable, tuple(routes))
            best = (rank, tuple(routes)) if best is None else max(best, (rank, tuple(routes)))
    return best


def _cheapest_order(problem: Problem, timetable: Timetable, index: int, mine: list[int]):
    found = []
    for order in itertools.permutations(mine):
        for visits in _with_reloads(problem, index, order):
            timed = timetable.route(index, visits) if visits else None
            if not visits:
                return ()
            plan = tuple(visits if index == v else () for v in range(len(problem.vehicles)))
            if timed is not None and check(problem, assemble(problem, timetable, plan)) == []:
                found.append((timed.cost, visits))
    return min(found)[1] if found else None


def _with_reloads(problem: Problem, index: int, order: tuple[int, ...]):
    vehicle = problem.vehicles[index]
    mine = [n for n in range(problem.stops, len(problem.tasks)) if problem.tasks[n].id in vehicle.reloads]
    for choice in itertools.product([None, *mine], repeat=max(0, len(order) - 1)):
        visits = list(order[:1])
        for reload, number in zip(choice, order[1:], strict=True):
            visits += [number] if reload is None else [reload, number]
        yield tuple(visits)


def ranked(problem: Problem, timetable: Timetable, plan) -> tuple[int, int, int]:
    served = {n for route in plan for n in route if n < problem.stops}
    compulsory = [n for n in range(problem.stops) if problem.tasks[n].prize is None]
    lost = sum(problem.tasks[n].prize or 0 for n in range(problem.stops) if n not in served)
    cost = sum(timetable.route(index, route).cost for index, route in enumerate(plan) if route)
    return (
        sum(problem.tasks[n].priority for n in compulsory if n in served),
        sum(n in served for n in compulsory),
        -(cost + lost),
    )


def visits_of(problem: Problem, solution):
    numbers = {(task.kind.value, task.id): n for n, task in enumerate(problem.tasks)}
    kinds = (StepKind.START, StepKind.END, StepKind.BREAK)
    routes = {
        r.vehicle_index: tuple(numbers[s.kind.value, s.id] for s in r.steps if s.kind not in kinds)
        for r in solution.routes
    }
    return tuple(routes.get(index, ()) for index in range(len(problem.vehicles)))


def apart(work):
    """What `work` returns in a process of its own: two models in one may crash (google/or-tools 5076)."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=lambda: theirs.send(work()))
    process.start()
    theirs.close()
    answer = ours.recv()
    process.join()
    return answer


def searched(problem: Problem, seconds: float, start=None):
    """Every plan that the engine tells, without what `solve` does before and after it."""

    def work() -> list:
        told: list = []
        OrTools().solve(problem, seconds=seconds, seed=0, start=start, on_best=told.append)
        return told

    return apart(work)


def first_of_or_tools(problem: Problem, plan):
    """The first solution of a search that begins with the plan, and what OR-Tools says that it costs."""

    def work() -> tuple:
        from routing.engines.ortools_model import Model  # noqa: PLC0415 - belongs to the other process
        from routing.engines.ortools_search import search  # noqa: PLC0415

        model, told = Model(problem, start=plan), []
        cost = lambda: model.routing.CostVar().Max() / model.prices.scale  # noqa: E731
        search(model, 0.2, plan, lambda visits: told.append((visits, cost())), ruins=False)
        return told[0]

    return apart(work)


@pytest.mark.parametrize("name", DAYS)
def test_a_small_day_is_searched_as_well_as_by_trying_everything(name):
    problem = DAYS[name]
    timetable = Timetable(problem)
    told = searched(problem, 1.2)
    assert all(check(problem, assemble(problem, timetable, plan)) == [] for plan in told)
    assert max(ranked(problem, timetable, plan) for plan in told) == tried(problem)[0]


@pytest.mark.parametrize("name", [name for name in DAYS if "ferries" not in name])
def test_the_best_plan_is_one_in_or_tools_too_and_costs_the_same_there(name):
    problem = DAYS[name]
    (_, served, cost), plan = tried(problem)
    visits, said = first_of_or_tools(problem, plan)
    assert visits == plan
    if served == sum(task.prize is None for task in problem.tasks[: problem.stops]):
        # Only there one may wait at a door to be less early.
        early = any(job.early_cost_per_hour for job in problem.jobs)
        assert said <= -cost + 0.5 if early else said == pytest.approx(-cost, abs=0.5)


@pytest.mark.parametrize("name", ["cash is taken to the bank on the way", "ferries wait", "prizes pay the way or not"])
def test_the_plan_that_leaves_the_solver_is_the_one_that_the_engine_found(name):
    problem = DAYS[name]
    solution = solve(problem, seconds=1.5, engine="ortools")
    assert check(problem, solution) == []
    assert ranked(problem, Timetable(problem), visits_of(problem, solution)) == tried(problem)[0]


# -- any day


def a_rich_problem(seed: int, *, jobs: int, vehicles: int, shipments: int = 0) -> Problem:
    """An invented day with prizes, releases, prices of time, duration limits, reloads and ferries on top."""
    rng = random.Random(seed)
    day = a_problem(seed, jobs=jobs, vehicles=vehicles, shipments=shipments)
    places = day.size

    def some(share: float, value):
        return value if rng.random() < share else None

    def timed(job: Job) -> Job:
        opens = rng.randrange(0, 15_000, 100)
        soft = some(0.3, (opens, opens + rng.choice([0, 2000])))
        return dataclasses.replace(
            job,
            prize=some(0.3, rng.choice([0, 200, 2000])),
            release=some(0.3, rng.randrange(0, 6000, 100)) or 0,
            soft_window=soft,
            early_cost_per_hour=rng.choice([0, 900]) if soft else 0,
            late_cost_per_hour=rng.choice([0, 3600]) if soft else 0,
            retry_value_per_hour=rng.choice([0, 0, 1800]),
        )

    names = day.dimension_names
    reloads = tuple(
        Reload(
            id=n, location_index=rng.randrange(places), service=rng.choice([0, 300]),
            time_windows=some(0.3, ((2000, 12_000),)) or (),
            empties=frozenset(rng.sample(names, 1)) if names and rng.random() < 0.4 else None,
        )
        for n in range(rng.choice([0, 1, 2]))
    )  # fmt: skip
    fleet = tuple(
        dataclasses.replace(
            vehicle,
            max_duration=some(0.3, rng.choice([4000, 9000])),
            overtime_after=3000 if n % 2 else None,
            max_overtime=some(0.5, 3000) if n % 2 else None,
            target_duration=2000 if n == 0 else None,
            reloads=tuple(reload.id for reload in reloads if rng.random() < 0.8),
            max_reloads=some(0.3, rng.choice([0, 1, 2])),
            breaks=tuple(
                dataclasses.replace(rest, max_load=some(0.3, tuple(rng.choice([0, 2, 9]) for _ in names)))
                for rest in vehicle.breaks
            ),
            costs=dataclasses.replace(
                vehicle.costs, per_overtime_hour=7200 if n % 2 else 0, per_hour_over_target=3600 if n == 0 else 0
            ),
        )
        for n, vehicle in enumerate(day.vehicles)
    )
    matrix = day.matrices["car"]
    if rng.random() < 0.3:
        matrix = with_a_ferry(matrix, rng)
    return day.replace(
        jobs=tuple(timed(job) for job in day.jobs), vehicles=fleet, reloads=reloads, matrices={"car": matrix}
    )


def with_a_ferry(matrix: Matrix, rng: random.Random) -> Matrix:
    side = [rng.random() < 0.3 for _ in range(matrix.size)]
    seconds = matrix.seconds.tolist()
    across = [[side[a] != side[b] for b in range(matrix.size)] for a in range(matrix.size)]
    ferry = Crossing(opens=500, closes=15_000, headway=rng.choice([0, 600]), ride=120)
    crossing = [[0 if x else -1 for x in row] for row in across]
    landing = [[60 if x else 0 for x in row] for row in across]
    longer = [
        [min(s + 180 + ferry.headway // 2, 2**31 - 1) if x else s for s, x in zip(line, row, strict=True)]
        for line, row in zip(seconds, across, strict=True)
    ]
    crossings = Crossings(ferries=(ferry,), crossing=crossing, to_landing=landing)
    return Matrix(seconds=longer, metres=matrix.metres, crossings=crossings)


@settings(max_examples=examples(6, of=20), suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), jobs=st.integers(1, 9), vehicles=st.integers(1, 3), shipments=st.integers(0, 2))
def test_no_day_with_everything_yields_a_plan_that_the_checker_refuses(seed, jobs, vehicles, shipments):
    problem = a_rich_problem(seed, jobs=jobs, vehicles=vehicles, shipments=shipments)
    timetable = Timetable(problem)
    for plan in searched(problem, 0.3):
        assert check(problem, assemble(problem, timetable, plan)) == []


@settings(max_examples=examples(15, of=40), suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), jobs=st.integers(2, 14), vehicles=st.integers(1, 3), shipments=st.integers(0, 2))
@example(seed=3282, jobs=6, vehicles=3, shipments=2)
@example(seed=1123, jobs=6, vehicles=2, shipments=2)
@example(seed=159, jobs=8, vehicles=1, shipments=2)
def test_a_sketch_without_locks_stands_by_the_exact_rules(seed, jobs, vehicles, shipments):
    problem = a_rich_problem(seed, jobs=jobs, vehicles=vehicles, shipments=shipments)
    loose = tuple(
        dataclasses.replace(job, lock=Lock.FREE, locked_vehicle=None, locked_rank=None) for job in problem.jobs
    )
    problem = problem.replace(jobs=loose)
    proof = Proof(problem)
    sketched = first_plan(problem)
    assert proof.verified(sketched) == sketched
    improved = improved_plan(problem, sketched, seconds=0.05, seed=seed)
    assert proof.verified(improved) == improved
    timetable = Timetable(problem)
    assert check(problem, assemble(problem, timetable, improved)) == []


# -- the sketch


@pytest.mark.parametrize("name", DAYS)
def test_a_sketch_of_a_small_day_stands_by_the_exact_rules(name):
    problem = DAYS[name]
    proof = Proof(problem)
    sketched = first_plan(problem)
    improved = improved_plan(problem, sketched, seconds=0.2, seed=1)
    assert proof.verified(sketched) == sketched
    assert proof.verified(improved) == improved
    if not problem.shipments:  # they are not the sketch's
        assert ranked(problem, proof.insertion.timetable, improved)[:2] == tried(problem)[0][:2]


def test_a_reload_before_the_first_door_stays_where_goods_are_waited_for_there():
    # From the office at 0 the goods of 300 reach the far door at 365; loaded beside it they are there at once.
    problem = a_street(
        a_job(6, release=300, time_windows=((0, 320),)), reloads=(Reload(id=7, location_index=5),), max_duration=None
    )
    vehicle = dataclasses.replace(problem.vehicles[0], reloads=(7,))
    problem = problem.replace(vehicles=(vehicle,))
    sketch, proof = Slack(problem), Proof(problem)
    assert sketch.route(0, (0,)) is None
    assert not proof.insertion.fits(0, (0,))
    assert first_plan(problem, ((1, 0),)) == ((1, 0),)
    assert proof.repaired(((1, 0, 1),)) == ((1, 0),)
    assert check(problem, assemble(problem, Timetable(problem), ((1, 0),))) == []
    model = Model(problem, start=((1, 0),))
    model.routing.CloseModel()
    assert model.assignment(((1, 0),)) is not None


def test_what_does_not_fit_is_put_elsewhere():
    problem = a_street(a_job(1), a_job(2), a_job(3), count=2, capacity=(2,))
    repaired = Proof(problem).repaired(((0, 1, 2), ()))
    assert sorted(n for route in repaired for n in route) == [0, 1, 2]
    assert check(problem, assemble(problem, Timetable(problem), repaired)) == []


@given(seed=st.integers(0, 10**6), jobs=st.integers(1, 6))
def test_whoever_leaves_after_the_latest_departure_is_late(seed, jobs):
    problem = a_rich_problem(seed, jobs=jobs, vehicles=1)
    opens, closes = problem.vehicles[0].time_window or (0, 20_000)
    vehicle = dataclasses.replace(problem.vehicles[0], breaks=(), max_duration=None, time_window=(opens, closes))
    problem = problem.replace(vehicles=(vehicle,))

    def leaving(at: int):
        later = dataclasses.replace(vehicle, time_window=(at, closes))
        return Slack(problem.replace(vehicles=(later,))).route(0, tuple(range(problem.stops)))

    route = leaving(opens)
    if route is not None:
        last = route.times.departures[0]
        assert leaving(last) is not None
        assert last == closes or leaving(last + 1) is None


def test_a_lunch_break_costs_no_stop():
    rng = random.Random(5)
    jobs = tuple(
        Job(id=n, location_index=n, service=240, time_windows=((9000, 14_000),) if n % 5 == 0 else ())
        for n in range(1, 61)
    )
    lunch = Break(id=1, time_windows=((10_000, 12_000),), service=2700)
    fleet = tuple(Vehicle(id=n, start=0, end=0, time_window=(0, 28_800), breaks=(lunch,)) for n in range(2))
    problem = Problem(jobs=jobs, vehicles=fleet, matrices={"car": square(61, rng)})
    plan = Proof(problem).verified(improved_plan(problem, first_plan(problem), seconds=1.0, seed=1))
    assert sum(len(route) for route in plan) == 60


def test_a_plan_to_begin_with_is_told_first_and_never_made_worse():
    problem = DAYS["cash is taken to the bank on the way"]
    timetable = Timetable(problem)
    best = max(searched(problem, 1.2), key=lambda plan: ranked(problem, timetable, plan))
    told = searched(problem, 0.3, start=best)
    assert told[0] == best


@given(seed=st.integers(0, 10**6), jobs=st.integers(2, 10))
def test_a_route_that_grows_by_one_visit_is_timed_as_if_it_were_new(seed, jobs):
    problem = a_rich_problem(seed, jobs=jobs, vehicles=1)
    rng = random.Random(seed)
    slack = Slack(problem)
    visits, route = (), slack.route(0, ())
    for number in rng.sample(range(problem.stops), problem.stops):
        gap = rng.randint(0, len(visits))
        grown = (*visits[:gap], number, *visits[gap:])
        anew = slack.route(0, grown)
        after = None if route is None else slack.route(0, grown, (route, gap))
        assert (anew is None) == (after is None)
        if anew is not None:
            assert anew.times == after.times
            visits, route = grown, after
