"""The search core: it walks as PyVRP does, takes better plans in, and recombines routes as well as can be."""

import itertools
import random

import numpy as np
import pytest
from pyvrp import (
    Client,
    ClientGroup,
    CostEvaluator,
    Depot,
    IteratedLocalSearchCallbacks,
    IteratedLocalSearchParams,
    Location,
    ProblemData,
    Shipment,
    SolveParams,
    VehicleType,
    solve,
)
from pyvrp.stop import MaxIterations

from routing.engines.cooperating import Found, Role, Seen, _Work, roles, search
from routing.engines.partitioning import Pool, cost_of
from routing.engines.pyvrp_search import BRISK, INFEASIBLE, PYVRP, Language, Searcher, Settings, natural_penalties


def a_town(stops=20, *, seed=1, kinds=None, clients=None, groups=(), shipments=(), depots=2):
    """Stops on a plane; everything that is not asked for is one depot's fleet that is just large enough."""
    chance = random.Random(seed)
    places = [(chance.randrange(1000), chance.randrange(1000)) for _ in range(depots + stops)]
    metres = np.array([[abs(x - u) + abs(y - v) for u, v in places] for x, y in places])
    if clients is None:
        clients = [
            Client(
                depots + i,
                delivery=[1],
                service_duration=30,
                tw_early=(early := chance.randrange(3000)),
                tw_late=early + 3000,
            )
            for i in range(stops)
        ]
    return ProblemData(
        [Location(float(x), float(y)) for x, y in places],
        clients,
        [Depot(i) for i in range(depots)],
        kinds or [VehicleType(stops // 3, [5], fixed_cost=100)],
        [metres],
        [metres],
        list(groups),
        list(shipments),
    )


def several_kinds(chance, depots=2):
    """A town with everything at once: kinds of vehicles, reloads at two depots, prizes, a group, shipments."""
    clients = [
        Client(depots + i, delivery=[1], required=i > 3, prize=400 if i <= 3 else 0, group=None if i < 12 else 0)
        for i in range(12)
    ] + [Client(depots + i, delivery=[1], required=False, group=0) for i in range(12, 15)]
    return a_town(
        19,
        seed=chance.randrange(10**6),
        clients=clients,
        groups=[ClientGroup([12, 13, 14])],
        shipments=[
            Shipment(depots + 15, depots + 16, amount=[1]),
            Shipment(depots + 17, depots + 18, amount=[1], required=False, prize=700),
        ],
        kinds=[
            VehicleType(2, [3], fixed_cost=150, reload_depots=[0, 1], max_reloads=2),
            VehicleType(1, [8], fixed_cost=300, unit_distance_cost=2, unit_duration_cost=1, start_depot=1, end_depot=0),
        ],
        depots=depots,
    )


def iterations(count):
    asked = itertools.count()
    return lambda: next(asked) >= count


def ticking():
    """A clock that a search moves by looking at it: the same seed gives the same search on every machine."""
    ticks = itertools.count()
    return lambda: next(ticks) / 1000


def price(data, routes):
    return CostEvaluator([0] * data.num_load_dimensions, 0, 0).cost(Language(data).solution(routes))


@pytest.mark.parametrize("data", [a_town(), several_kinds(random.Random(5))], ids=["windows", "everything"])
def test_without_mail_the_search_walks_exactly_as_pyvrp_does(data):
    theirs, ours = [], []

    class Watching(IteratedLocalSearchCallbacks):
        def on_iteration(self, current, candidate, best, cost_evaluator):
            theirs.append(
                (
                    cost_evaluator.penalised_cost(current),
                    cost_evaluator.penalised_cost(candidate),
                    cost_evaluator.cost(best),
                )
            )

    params = SolveParams(
        ils=IteratedLocalSearchParams(num_iters_no_improvement=400, history_length=50, callbacks=Watching())
    )
    solve(data, MaxIterations(1000), seed=7, collect_stats=False, display=False, params=params)
    searcher = Searcher(data, seed=7, settings=Settings(restart_after=400, history=50))
    for _ in range(1000):
        evaluator = searcher._penalties.cost_evaluator()
        searcher.run(iterations(1))
        ours.append(
            (
                evaluator.penalised_cost(searcher.current),
                evaluator.penalised_cost(searcher.candidate),
                evaluator.cost(searcher.best),
            )
        )

    assert ours == theirs
    assert len(set(ours)) > 50


def test_a_search_in_slices_is_the_same_search():
    data = a_town(40)
    whole, sliced = Searcher(data, seed=3), Searcher(data, seed=3)
    whole.run(iterations(300))
    for _ in range(20):
        sliced.run(iterations(15))
    assert sliced.routes == whole.routes
    assert sliced.cost == whole.cost < INFEASIBLE


def test_routes_in_words_are_the_same_solution_again():
    data = several_kinds(random.Random(2))
    language, texts = Language(data), set()

    def on_candidate(cost, solution):
        routes = language.routes(solution)
        texts.update(text for _, text in routes)
        assert language.solution(routes) == solution

    searcher = Searcher(data, seed=1, on_candidate=on_candidate)
    searcher.run(iterations(1000))
    words = {word[0] for text in texts for word in text.split()}
    assert words == {"C", "L", "U", "D"}
    assert {word for text in texts for word in text.split() if word[0] == "D"} == {"D0", "D1"}


def test_every_report_costs_what_pyvrp_says_and_is_better_than_the_one_before():
    data, heard = several_kinds(random.Random(3)), []
    routes = search(
        data,
        seed=1,
        until=2.0,
        role=Role(PYVRP, 0.2),
        tell=lambda cost, routes: heard.append((cost, routes)),
        clock=ticking(),
    )
    assert [cost for cost, _ in heard] == [price(data, routes) for _, routes in heard]
    assert heard == sorted(heard, key=lambda news: -news[0])
    assert heard[-1][1] == routes


def test_a_better_plan_from_outside_is_taken_and_the_history_kept():
    data = a_town(40)
    better = Searcher(data, seed=1)
    better.run(iterations(600))
    searcher = Searcher(data, seed=2)
    searcher.run(iterations(20))
    history = list(searcher._history)
    assert searcher.cost > better.cost
    assert searcher.inject(better.routes)
    assert searcher.cost == better.cost == price(data, searcher.routes)
    assert searcher._history == history
    assert not searcher.inject(better.routes)


def test_no_mail_makes_a_search_worse_or_infeasible():
    data, chance = a_town(30, seed=4), random.Random(4)
    searcher = Searcher(data, seed=1)
    for _ in range(40):
        searcher.run(iterations(25))
        before = searcher.cost
        stops = [f"C{i}" for i in range(30)]
        chance.shuffle(stops)
        cut = chance.randrange(1, 29)
        current = searcher.current
        assert not searcher.inject(
            ((0, " ".join(stops[:cut])), (0, " ".join(stops[cut:])))
        )  # too much for two vehicles
        assert not searcher.inject(searcher.routes[1:])  # stops missing
        assert searcher.current is current
        assert searcher.cost == before == price(data, searcher.routes)


def test_an_infeasible_start_is_repaired():
    data = a_town(20)
    start = ((0, " ".join(f"C{i}" for i in range(20))),)
    assert price(data, start) == INFEASIBLE
    searcher = Searcher(data, seed=1, start=start)
    assert searcher.cost == INFEASIBLE
    assert searcher.routes == start
    searcher.run(iterations(500))
    assert searcher.cost == price(data, searcher.routes) < INFEASIBLE


def test_a_feasible_start_is_reported_at_once():
    data, heard = a_town(20), []
    start = Searcher(data, seed=1).routes
    Searcher(data, seed=2, start=start, on_best=lambda cost, _: heard.append(cost))
    assert heard == [price(data, start)]


def test_penalties_stay_high_until_something_feasible_is_found():
    data = a_town(20)
    start = ((0, " ".join(f"C{i}" for i in range(20))),)
    searcher = Searcher(data, seed=1, settings=BRISK, start=start)
    assert searcher._penalties.penalties()[1] > 40_000
    searcher.run(lambda: searcher.cost < INFEASIBLE)
    assert searcher.penalties == natural_penalties(data, 1.0)


def test_penalties_learnt_elsewhere_are_what_a_search_begins_with():
    data = a_town(20)
    learnt = ([7.0], 3.0, 0.5)
    start = Searcher(data, seed=1).routes
    searcher = Searcher(data, seed=1, settings=BRISK, start=start, penalties=learnt)
    assert searcher.penalties == learnt
    searcher.run(lambda: searcher.iterations > BRISK.penalties_every)
    assert searcher.penalties != learnt


def test_natural_penalties_are_what_a_violation_can_save():
    """The mean arc of a triangle with sides 3, 4 and 5 is 4; a forbidden arc counts for nothing."""
    metres = np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0]])
    places = [Location(0, 0)] * 3
    clients = [Client(1, delivery=[2]), Client(2, delivery=[4])]
    data = ProblemData(
        places, clients, [Depot(0)], [VehicleType(1, [9], unit_distance_cost=10)], [metres], [2 * metres]
    )
    assert natural_penalties(data, 1.0) == ([2 * 40 / 4], 5.0, 10.0)
    assert natural_penalties(data, 3.0) == ([3 * 2 * 40 / 4], 15.0, 30.0)
    assert natural_penalties(data, 1.0, haste=20.0) == ([2 * 40 / 4], 100.0, 10.0)
    precious = data.replace(clients=[clients[0], Client(2, delivery=[4], required=False, prize=800)])
    assert natural_penalties(precious, 1.0) == ([10 * 2 * 40 / 4], 50.0, 100.0)
    bought = data.replace(vehicle_types=[VehicleType(1, [9], unit_distance_cost=10, fixed_cost=18)])
    assert natural_penalties(bought, 1.0)[0] == [2 * 40 / 4 + 2 * 18 / 9]
    mixed = data.replace(
        vehicle_types=[VehicleType(1, [9], unit_distance_cost=10), VehicleType(1, [8], unit_distance_cost=10)]
    )
    assert natural_penalties(mixed, 1.0) == ([5 * 2 * 40 / 4], 5.0, 10.0)
    metres[1, 2] = metres[2, 1] = 2**30
    assert natural_penalties(data.replace(distance_matrices=[metres]), 1.0)[0] == [2 * 35 / 4]


# --- recombination


def some_routes(data, chance, count):
    """Random feasible routes of everything the town has, as solutions of one route each."""
    language = Language(data)
    found = {}
    while len(found) < count:
        kind = chance.randrange(data.num_vehicle_types)
        words = [f"C{i}" for i in chance.sample(range(data.num_clients), chance.randrange(0, 7))]
        if kind == 0 and len(words) > 3:
            words.insert(len(words) // 2, chance.choice(["D0", "D1"]))
        for shipment in chance.sample(range(data.num_shipments), chance.randrange(data.num_shipments + 1)):
            place = chance.randrange(len(words) + 1)
            words[place:place] = [f"L{shipment}", f"U{shipment}"]
        group = sum(int(word[1:]) >= 12 for word in words if word[0] == "C")
        if words and group <= 1:
            solution = language.solution([(kind, " ".join(words))])
            route = solution.routes()[0]
            if route.is_feasible():
                found[language.line(route)] = (*language.line(route), cost_of(route))
    return list(found.values())


def cheapest_by_trying(data, columns):
    """The least cost of any choice of the columns, by depth-first search that asks PyVRP only at the end of each branch."""
    group = {f"C{client}": "the group" for client in data.group(0).clients}
    stops = [frozenset(group.get(word, word) for word in text.split() if word[0] in "CL") for _, text, _ in columns]
    left = [kind.num_available for kind in data.vehicle_types()]
    best = INFEASIBLE

    def extend(first, taken, served):
        nonlocal best
        best = min(best, price(data, [columns[index][:2] for index in taken]))
        for index in range(first, len(columns)):
            kind = columns[index][0]
            if left[kind] and not stops[index] & served:
                left[kind] -= 1
                extend(index + 1, [*taken, index], served | stops[index])
                left[kind] += 1

    extend(0, [], frozenset())
    return best


def some_solutions(data, count):
    """Feasible solutions that very short searches have left."""
    found = []
    seeds = itertools.count()
    while len(found) < count:
        searcher = Searcher(data, seed=next(seeds))
        searcher.run(iterations(3))
        if searcher.cost < INFEASIBLE:
            found.append(searcher.routes)
    return sorted(found, key=lambda routes: price(data, routes))


@pytest.mark.parametrize("seed", range(6))
def test_recombination_equals_trying_everything(seed):
    """Kinds of vehicles in short supply, prizes, a group, shipments and reloads in one pool."""
    chance = random.Random(seed)
    data = several_kinds(chance)
    language, pool = Language(data), Pool(data)
    solutions = some_solutions(data, 8)
    pool.add(some_routes(data, chance, 30))
    for routes in solutions:
        pool.gather(language.solution(routes))
    best = cheapest_by_trying(data, list(pool))

    routes = pool.recombined(solutions[-1], seconds=20)

    assert best < price(data, solutions[-1])
    assert price(data, routes) == best
    assert pool.recombined(routes, seconds=20) is None


def test_recombination_joins_what_no_solution_had_together():
    """Two halves of a town, each served well in one solution and badly in the other."""
    data = a_town(8, kinds=[VehicleType(4, [4])], clients=[Client(2 + i, delivery=[1]) for i in range(8)])
    language, pool = Language(data), Pool(data)
    halves = [[], []]
    for half, stops in ((0, "C0 C1 C2 C3"), (1, "C4 C5 C6 C7")):
        orders = sorted(itertools.permutations(stops.split()), key=lambda words: price_of(data, words))
        halves[half] = [(0, " ".join(orders[0])), (0, " ".join(orders[-1]))]
    first = (halves[0][0], halves[1][1])
    second = (halves[0][1], halves[1][0])
    for routes in (first, second):
        pool.gather(language.solution(routes))
    joined = pool.recombined(first, seconds=20)
    assert set(joined) == {halves[0][0], halves[1][0]}


def test_recombination_takes_no_more_vehicles_of_a_kind_than_there_are():
    """Four stops, a cheap vehicle and three dear ones for two stops each: the cheap one goes where it saves most."""
    kinds = [VehicleType(1, [2]), VehicleType(3, [2], fixed_cost=500)]
    data = a_town(4, kinds=kinds, clients=[Client(2 + i, delivery=[1]) for i in range(4)])
    language, pool = Language(data), Pool(data)
    for cut in itertools.permutations(["C0", "C1", "C2", "C3"]):
        for kind in (0, 1):
            pool.gather(language.solution([(kind, " ".join(cut[:2])), (1, " ".join(cut[2:]))]))
    one_each = ((0, "C0"), (1, "C1"), (1, "C2"), (1, "C3"))
    routes = pool.recombined(one_each, seconds=20)
    assert sorted(kind for kind, _ in routes) == [0, 1]
    assert price(data, routes) == cheapest_of_pairs(data)


def cheapest_of_pairs(data):
    orders = itertools.permutations(["C0", "C1", "C2", "C3"])
    return min(price(data, [(0, " ".join(order[:2])), (1, " ".join(order[2:]))]) for order in orders)


def price_of(data, words):
    return cost_of(Language(data).solution([(0, " ".join(words))]).routes()[0])


def test_a_pool_keeps_the_cheapest_order_of_each_set_of_stops():
    data = a_town(4, kinds=[VehicleType(4, [4])], clients=[Client(2 + i, delivery=[1]) for i in range(4)])
    language, pool = Language(data), Pool(data)
    orders = list(itertools.permutations(["C0", "C1", "C2", "C3"]))
    for words in orders:
        pool.gather(language.solution([(0, " ".join(words))]))
    (column,) = pool
    assert column[2] == min(price_of(data, words) for words in orders) == price_of(data, column[1].split())


def test_what_one_pool_drains_fills_another():
    data = a_town(20)
    ours, theirs = Pool(data), Pool(data)
    searcher = Searcher(data, seed=1, on_candidate=lambda _, solution: ours.gather(solution))
    for _ in range(5):
        searcher.run(iterations(100))
        theirs.add(ours.drain())
    assert set(theirs) == set(ours)
    assert len(ours) > 30
    assert ours.drain() == theirs.drain() == ()


def test_two_searches_tell_each_other_and_end_with_the_same_best():
    """One thread stands for both processes: the second reads what the first has posted before it starts."""
    data, posted, heard = a_town(40), [], []
    first, second = roles(data, 2)
    alone = search(data, seed=1, until=1.0, role=second, tell=lambda *_: None, clock=ticking(), post=posted.append)
    both = search(
        data,
        seed=2,
        until=0.05,
        role=first,
        tell=lambda cost, _: heard.append(cost),
        clock=ticking(),
        mail=lambda: [posted.pop(0) for _ in range(min(5, len(posted)))],
        post=lambda _: None,
    )
    assert {type(message) for message in posted} <= {Found, Seen}
    assert price(data, both) == heard[-1] <= price(data, alone)


def test_where_vehicles_may_not_serve_everybody_a_search_looks_at_more_neighbours():
    data = a_town(20)
    apart = data.replace(
        vehicle_types=[VehicleType(4, [5]), VehicleType(4, [5], profile=1)],
        distance_matrices=[data.distance_matrix(0)] * 2,
        duration_matrices=[data.duration_matrix(0)] * 2,
    )
    assert {role.settings.neighbours for role in roles(data, 3)} == {25}
    assert {role.settings.neighbours for role in roles(apart, 3)} == {50}


def test_where_times_decide_routes_a_search_makes_no_ruins():
    data = a_town(20)
    hours = [Client(2 + i, delivery=[1], tw_early=0, tw_late=100 if i < 11 else 1000) for i in range(20)]
    shift = VehicleType(4, [5], tw_early=0, tw_late=1000)
    timely = data.replace(clients=hours, vehicle_types=[shift])
    untimely = data.replace(clients=[Client(2 + i, delivery=[1]) for i in range(20)], vehicle_types=[shift])
    trips = untimely.replace(vehicle_types=[VehicleType(4, [5], tw_early=0, tw_late=1000, reload_depots=[0])])
    assert [roles(each, 1)[0].settings.ruins > 0 for each in (timely, untimely, trips)] == [False, True, False]


def test_a_stuck_search_begins_another_round_and_loses_nothing():
    """Eight stops: the first round has nothing left to find after a blink."""
    data = a_town(8, kinds=[VehicleType(4, [4])], clients=[Client(2 + i, delivery=[1]) for i in range(8)])
    heard = []
    work = _Work(
        data,
        seed=1,
        until=4.0,
        role=Role(BRISK, 0.1),
        tell=lambda cost, routes: heard.append((cost, routes)),
        clock=ticking(),
        start=None,
        post=None,
    )
    rounds, searchers = set(), set()
    for _ in range(100):
        work.search_on()
        work.recombine()
        work.turn()
        rounds.add((work._round, work._settings.history))
        searchers.add(work._searcher)
        if len(rounds) == 3:
            break
        assert work.cost == min(cost for cost, _ in heard) <= min(searcher.cost for searcher in searchers)
    assert sorted(rounds) == [(0, 20), (1, 40), (2, 80)]
    assert len({id(searcher) for searcher in searchers}) == 3
    assert price(data, work.routes) == work.cost == heard[-1][0]


@pytest.mark.parametrize(("seconds", "patience", "memory"), [(2.0, 1, 20), (20.0, 1, 50), (20.0, 3, 150)])
def test_a_search_remembers_as_much_as_suits_the_steps_that_there_is_time_for(seconds, patience, memory):
    """A thousand steps a second."""
    work = _Work(
        a_town(20),
        seed=1,
        until=seconds,
        role=Role(BRISK, 0.0, patience),
        tell=lambda *_: None,
        clock=ticking(),
        start=None,
        post=None,
    )
    remembered = []
    for _ in range(6):
        work.search_on()
        remembered.append(len(work._searcher._history))
    assert remembered[0] == BRISK.history
    assert remembered[-1] == pytest.approx(memory, rel=0.05)


def test_what_is_remembered_longer_is_what_was_remembered():
    searcher = Searcher(a_town(20), seed=1, settings=Settings(history=3))
    searcher.run(iterations(7))
    first, second, third = searcher._history
    searcher.remember(7)
    assert searcher._history == [second, third, first, second, third, first, second]
    searcher.run(iterations(20))
    assert len(searcher._history) == 7


def test_better_news_is_kept_at_once_and_gone_on_from_in_the_end():
    data, heard, posted = a_town(40), [], []
    better = Searcher(data, seed=5)
    better.run(iterations(800))
    work = _Work(
        data,
        seed=1,
        until=1.0,
        role=Role(BRISK, 0.0),
        tell=lambda cost, _: heard.append(cost),
        clock=ticking(),
        start=None,
        post=posted.append,
    )
    work.search_on()
    own = work._searcher.cost
    assert better.cost < own
    a_little_better = Found(own - 1, better.routes)  # that much better would be gone on from at once
    work.hear(a_little_better)
    assert work.routes == better.routes
    assert heard[-1] == a_little_better.cost
    work._last_round = True
    work.hear(a_little_better)
    assert work._searcher.routes == better.routes
    assert all(isinstance(message, Found) for message in posted)
