"""Ruins take out what comes back, and routes go to the vehicles that drive them for least."""

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from pyvrp import Client, ClientGroup, CostEvaluator, Depot, Location, ProblemData, Shipment, VehicleType

from routing.engines.driving import NEVER, Drivers, Rooms
from routing.engines.partitioning import Pool
from routing.engines.pyvrp_search import BRISK, INFEASIBLE, Language, Searcher
from routing.engines.ruining import Ruins


def a_town(clients, kinds, *, seed=1, groups=(), shipments=(), windows=None):
    """Two depots at the first two places, clients and the ends of shipments at the others."""
    chance = random.Random(seed)
    places = [(chance.randrange(1000), chance.randrange(1000)) for _ in range(2 + len(clients) + 2 * len(shipments))]
    metres = np.array([[abs(x - u) + abs(y - v) for u, v in places] for x, y in places])
    return ProblemData(
        [Location(float(x), float(y)) for x, y in places],
        list(clients),
        [Depot(0), Depot(1)],
        kinds,
        [metres],
        [metres],
        list(groups),
        list(shipments),
    )


def a_mixed_town():
    """Forty clients who must be served, some who may be, a group and a shipment; vehicles reload at two depots."""
    clients = [Client(2 + i, delivery=[1]) for i in range(40)]
    clients += [Client(42 + i, delivery=[1], required=False, prize=500) for i in range(3)]
    clients += [Client(45 + i, delivery=[1], required=False, group=0) for i in range(3)]
    kinds = [VehicleType(3, [6], reload_depots=[0, 1], max_reloads=2), VehicleType(4, [9], start_depot=1, end_depot=1)]
    return a_town(clients, kinds, groups=[ClientGroup([43, 44, 45])], shipments=[Shipment(48, 49, amount=[2])])


def searched(data, *, iterations=300, **changes):
    searcher = Searcher(data, seed=1, settings=replace(BRISK, **changes))
    asked = itertools.count()
    searcher.run(lambda: next(asked) >= iterations)
    assert searcher.cost < INFEASIBLE
    return searcher


def words_of(solution):
    return [(route.vehicle_type(), [str(activity) for activity in list(route)[1:-1]]) for route in solution.routes()]


def test_a_ruin_lacks_some_required_clients_and_nothing_else_changes():
    data = a_mixed_town()
    plan = searched(data).best
    before = words_of(plan)
    ruins, sizes, touched = Ruins(data, Language(data).line, seed=3), [], []
    required = {f"C{number}" for number in range(40)}
    for _ in range(300):
        after = words_of(ruins.of(plan))
        left = {word for _, words in after for word in words if word[0] != "D"}
        gone = {word for _, words in before for word in words if word[0] != "D"} - left
        assert gone <= required
        shorter = [(kind, [word for word in words if word not in gone]) for kind, words in before]
        assert sorted(after) == sorted(route for route in shorter if any(word[0] != "D" for word in route[1]))
        sizes.append(len(gone))
        touched.append(sum(bool(gone & set(words)) for _, words in before))
    assert min(sizes) >= 1
    assert 4 < np.mean(sizes) < 16
    assert set(touched) >= {1, 2, 3}


def test_a_ruin_is_of_one_neighbourhood():
    """Two villages far apart: no ruin takes stops from both while the first has enough of them."""
    places = [(0, 0)] + [(10_000 * (i // 40) + 7 * i, 5 * i) for i in range(80)]
    metres = np.array([[abs(x - u) + abs(y - v) for u, v in places] for x, y in places])
    data = ProblemData(
        [Location(*place) for place in places],
        [Client(1 + i, delivery=[1]) for i in range(80)],
        [Depot(0)],
        [VehicleType(20, [8])],
        [metres],
        [metres],
    )
    plan = searched(data).best
    ruins = Ruins(data, Language(data).line, seed=1)
    served = {f"C{i}" for i in range(80)}
    for _ in range(100):
        gone = served - {word for _, words in words_of(ruins.of(plan)) for word in words}
        assert len({int(word[1:]) // 40 for word in gone}) == 1


def test_a_search_on_ruins_serves_everybody_and_is_repeatable():
    data = a_mixed_town()
    first, second = searched(data, ruins=0.5), searched(data, ruins=0.5)
    assert first.routes == second.routes
    assert first.cost == CostEvaluator([0], 0, 0).cost(Language(data).solution(first.routes))
    assert searched(data, ruins=1.0).cost < 1.2 * searched(data).cost


def test_where_hardly_anybody_must_be_served_nothing_is_ruined():
    data = a_town([Client(2 + i, delivery=[1], required=i < 10, prize=900) for i in range(30)], [VehicleType(9, [5])])
    assert not Ruins(data, Language(data).line, seed=1)
    assert searched(data, ruins=1.0).routes == searched(data).routes


def kinds_apart(chance, *, scarce):
    """Vehicles of three sizes, dear in different ways."""
    return [
        VehicleType(
            1 if scarce else 9,
            [size],
            fixed_cost=chance.randrange(900),
            unit_distance_cost=chance.randrange(1, 4),
            start_depot=depot,
            end_depot=depot,
        )
        for size, depot in ((2, 0), (3, 1), (4, 0), (4, 1))
    ]


def cheapest_drivers(data, texts):
    """The least cost of the routes by trying every choice of drivers."""
    judge, language = CostEvaluator([0], 0, 0), Language(data)
    return min(
        judge.cost(language.solution(list(zip(kinds, texts, strict=True))))
        for kinds in itertools.product(range(data.num_vehicle_types), repeat=len(texts))
        if all(kinds.count(kind) <= data.vehicle_type(kind).num_available for kind in kinds)
    )


@pytest.mark.parametrize("scarce", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_routes_go_to_the_drivers_that_cost_least_together(seed, scarce):
    chance = random.Random(seed)
    data = a_town([Client(2 + i, delivery=[1]) for i in range(8)], kinds_apart(chance, scarce=scarce), seed=seed)
    language, judge = Language(data), CostEvaluator([0], 0, 0)
    texts = ["C0 C1", "C2 C3 C4", "C5 C6 C7"]
    plan = language.solution([(2, texts[0]), (1, texts[1]), (3, texts[2])])
    drivers = Drivers(data, language.line)
    best = cheapest_drivers(data, texts)
    fitted = drivers.fitted(plan)
    assert judge.cost(plan if fitted is None else fitted) == best
    assert (fitted is None) == (judge.cost(plan) == best)
    assert sorted(text for _, text in language.routes(fitted or plan)) == sorted(texts)
    assert drivers.fitted(fitted or plan) is None


def test_a_route_that_a_vehicle_cannot_drive_costs_never():
    kinds = [VehicleType(1, [1]), VehicleType(1, [3]), VehicleType(1, [1], reload_depots=[0], max_reloads=1)]
    data = a_town([Client(2, delivery=[1]), Client(3, delivery=[1])], kinds)
    costs = Drivers(data, Language(data).line).costs
    assert [cost == NEVER for cost in costs("C0 C1")] == [True, False, True]
    assert [cost == NEVER for cost in costs("C0 D0 C1")] == [True, True, False]


def test_recombination_gives_routes_to_vehicles_that_no_search_had_them_driven_by():
    chance = random.Random(4)
    data = a_town([Client(2 + i, delivery=[1]) for i in range(8)], kinds_apart(chance, scarce=True), seed=4)
    language, pool = Language(data), Pool(data)
    texts = ["C0 C1", "C2 C3 C4", "C5 C6 C7"]
    dear = max(
        (list(zip(kinds, texts, strict=True)) for kinds in itertools.permutations((0, 1, 2, 3), 3)),
        key=lambda routes: (cost := pool.cost(tuple(routes))) * (cost < INFEASIBLE),
    )
    pool.gather(language.solution(dear))
    found = pool.recombined(tuple(dear), seconds=20)
    assert pool.cost(found) == cheapest_drivers(data, texts) < pool.cost(tuple(dear))


def kinds_of_rooms(chance, *, scarce=False, **same):
    return [
        VehicleType(1 if scarce else 9, [size], fixed_cost=chance.randrange(900), unit_distance_cost=price, **same)
        for size, price in ((2, 1), (3, 2), (4, 3), (6, 1))
    ]


@pytest.mark.parametrize("scarce", [False, True])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("price", [7, 400])
def test_routes_that_are_too_full_go_to_the_drivers_that_cost_least_with_what_is_too_much(seed, scarce, price):
    data = a_town(
        [Client(2 + i, delivery=[1]) for i in range(9)], kinds_of_rooms(random.Random(seed), scarce=scarce), seed=seed
    )
    language, judge = Language(data), CostEvaluator([price], 0, 0)
    texts = ["C0 C1", "C2 C3 C4 C5 C6", "C7 C8"]
    plan = language.solution([(2, texts[0]), (1, texts[1]), (3, texts[2])])
    best = min(
        judge.penalised_cost(language.solution(list(zip(kinds, texts, strict=True))))
        for kinds in itertools.product(range(data.num_vehicle_types), repeat=len(texts))
        if all(kinds.count(kind) <= data.vehicle_type(kind).num_available for kind in kinds)
    )
    rooms = Rooms(data)
    assert rooms
    fitted = rooms.fitted(plan, [price])
    assert judge.penalised_cost(fitted or plan) == best
    assert (fitted is None) == (judge.penalised_cost(plan) == best)
    assert sorted(text for _, text in language.routes(fitted or plan)) == sorted(texts)
    assert rooms.fitted(fitted or plan, [price]) is None


def test_rooms_are_only_for_kinds_that_differ_in_nothing_else():
    chance = random.Random(1)
    clients = [Client(2 + i, delivery=[1]) for i in range(4)]
    both_ways = [*clients[:3], Client(5, pickup=[1])]
    plain = kinds_of_rooms(chance)
    assert Rooms(a_town(clients, plain))
    for other in (
        a_town(clients, plain[:1]),
        a_town(clients, [*plain, VehicleType(2, [9], start_depot=1)]),
        a_town(clients, [*plain, VehicleType(2, [9], shift_duration=900)]),
        a_town(clients, [*plain, VehicleType(2, [9], reload_depots=[0])]),
        a_town(both_ways, plain),
        a_town(clients, plain, shipments=[Shipment(6, 7, amount=[2])]),
    ):
        assert not Rooms(other)
