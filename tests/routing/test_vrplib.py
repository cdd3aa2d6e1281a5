import csv
import dataclasses
import json
import random
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from routing.__main__ import main
from routing.auditing import audit
from routing.commands.check import verdict
from routing.instances import parse_instance, read_instance
from routing.matrix import InvalidProblem
from routing.plane import Plane
from routing.vrplib import read_solution, solution_text, travel_of
from tests.routing.small_instances import (
    CVRP,
    FAMILIES,
    HFVRP,
    LI_LIM,
    MDVRPTW,
    MTVRPTWR,
    PCVRPTW,
    PDPTW,
    SDVRPTW,
    SOLOMON,
    VRPB,
    VRPTW,
)

BENCH = Path(__file__).parents[3] / "shared" / "bench"
in_bench = pytest.mark.skipif(not (BENCH / "bks.csv").exists(), reason="the public instances are not here")


def public(**wanted):
    if not (BENCH / "bks.csv").exists():
        return []
    with (BENCH / "bks.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if all(row[k] in v for k, v in wanted.items())]


def named(row):
    return f"{row['family']}-{row['instance']}"


def routes_in(text, tmp_path):
    (tmp_path / "a.sol").write_text(text, encoding="utf-8")
    return read_solution(tmp_path / "a.sol")


def judged(instance_text, solution_text, tmp_path, capsys, *, rounding="round"):
    (tmp_path / "a.vrp").write_text(instance_text, encoding="utf-8")
    (tmp_path / "a.sol").write_text(solution_text, encoding="utf-8")
    code = main(["check", str(tmp_path / "a.vrp"), str(tmp_path / "a.sol"), "--round", rounding])
    return code, json.loads(capsys.readouterr().out)


# -- the public files


@in_bench
@pytest.mark.parametrize("row", public(), ids=named)
def test_a_public_solution_reads_back_valid_at_exactly_its_published_cost(row):
    place = BENCH / row["family"] / row["instance"]
    instance = read_instance(place.with_name(f"{place.name}.vrp"), row["convention"])
    routes, stated = read_solution(place.with_name(f"{place.name}.sol"))
    assert verdict(instance, routes, stated) == (int(row["bks"]), [])


SMALL = [
    "solomon-100",
    "x-200",
    "hfvrp-200",
    "mtvrptwr-100",
    "pdptw-100",
    "sdvrptw-small",
    "gh-200",
    "pdptw-200",
    "mtvrptwr-200",
]


@in_bench
@pytest.mark.parametrize("row", public(family=SMALL), ids=named)
def test_disturbed_solutions_are_judged_as_pyvrp_judges_them(row, tmp_path):
    import pyvrp  # noqa: PLC0415 - an oracle of this test alone

    place = BENCH / row["family"] / row["instance"]
    instance = read_instance(place.with_name(f"{place.name}.vrp"), row["convention"])
    data = pyvrp.read(place.with_name(f"{place.name}.vrp"), round_func=row["convention"])
    routes, _ = read_solution(place.with_name(f"{place.name}.sol"))
    rng = random.Random(named(row))
    for _ in range(12):
        changed = [list(route) for route in routes]
        for _ in range(rng.choice([1, 1, 2])):
            a, b = rng.choice([r for r in changed if r]), rng.choice(changed)
            b.insert(rng.randint(0, len(b)), a.pop(rng.randrange(len(a))))
        disturbed = tuple(tuple(route) for route in changed)
        (tmp_path / "a.sol").write_text(
            "".join(f"Route #{k}: {' '.join(map(str, r))}\n" for k, r in enumerate(disturbed, start=1)),
            encoding="utf-8",
        )
        cost, violations = verdict(instance, disturbed)
        try:
            theirs = pyvrp.read_solution(tmp_path / "a.sol", data)
        except ValueError:  # how it speaks of pairs that are torn apart or turned round
            assert {v.code for v in violations} & {"precedence"}
            continue
        valid = theirs.is_feasible() and theirs.distance() < 2**40
        hollow = any(route and all(node < instance.depots for node in route) for route in disturbed)
        if hollow:  # a route to nobody, which PyVRP lets pass
            continue
        assert (not violations) == valid, violations
        if valid:
            assert cost == theirs.distance_cost() + theirs.fixed_vehicle_cost() + theirs.uncollected_prizes()


# -- our own small ones


@pytest.mark.parametrize("family", FAMILIES)
def test_the_best_solution_of_each_family_costs_what_was_worked_out_by_hand(family, tmp_path, capsys):
    text, (best, cost) = FAMILIES[family]
    assert judged(text, best, tmp_path, capsys) == (0, {"cost": cost, "violations": []})


@pytest.mark.parametrize("family", FAMILIES)
def test_no_other_solution_of_a_small_instance_is_valid_and_cheaper(family):
    """The hand's cost against trying every order, cut in every way."""
    text, (_, cost) = FAMILIES[family]
    instance = parse_instance(text)
    reload = [0] if any(c.reloads for c in instance.carriers) else []
    fleet = min(len(instance.carriers), 3)
    cheapest = None
    for left_out in [(), *((n,) for n in instance.clients if instance.prize[n])]:
        nodes = [n for n in instance.clients if n not in left_out]
        for order in set(permutations([*nodes, *["|"] * (fleet - 1), *reload])):
            routes, route = [], []
            for node in [*order, "|"]:
                if node == "|":
                    routes.append(tuple(route))
                    route = []
                else:
                    route.append(node)
            found = audit(instance, tuple(routes))
            if not found.violations and (cheapest is None or found.cost < cheapest):
                cheapest = found.cost
    assert cheapest == cost


WRONG = {
    "overloaded": (CVRP, "Route #1: 1 2 3\nCost 25\n", "load"),
    "a client missing": (CVRP, "Route #1: 1 2\nCost 20\n", "missing"),
    "a client twice": (CVRP, "Route #1: 1 2\nRoute #2: 3 1\nCost 33\n", "duplicate"),
    "nobody's number": (CVRP, "Route #1: 1 2\nRoute #2: 3\nRoute #3: 9\nCost 30\n", "unknown"),
    "a wrong cost": (CVRP, "Route #1: 1 2\nRoute #2: 3\nCost 29\n", "cost"),
    "a depot on the way": (CVRP, "Route #1: 1 0 2\nRoute #2: 3\nCost 40\n", "reload"),
    "too late": (VRPTW, "Route #1: 3 1 2\nCost 25\n", "delay"),
    "one vehicle too many": (VRPTW, "Route #1: 1\nRoute #2: 2\nRoute #3: 3\nCost 40\n", "unknown"),
    "a compulsory client left out": (PCVRPTW, "Route #1: 3\nCost 10\n", "missing"),
    "too long a day": (MDVRPTW, "Route #1: 2 3\nRoute #2:\nCost 18\n", "max_duration"),
    "too long a wait between": (
        MDVRPTW.replace("3 50 60", "3 0 5").replace("4 0 100", "4 50 60").replace("MAX_DURATION: 5", "MAX_DURATION: 30"),
        "Route #1: 2 3\nRoute #2:\nCost 18\n", "max_duration",
    ),
    "too much for its kind": (HFVRP, "Route #1: 3 2 1\nCost 26\n", "load"),
    "fetched before brought": (VRPB, "Route #1: 2 1\nRoute #2: 3\nCost 30\n", "order"),
    "only fetched": (VRPB, "Route #1: 1\nRoute #2: 2\nRoute #3: 3\nCost 40\n", "order"),
    "a client it may not serve": (SDVRPTW, "Route #1: 2 3\nRoute #2: 1\nCost 42\n", "allowed_vehicles"),
    "gone before the release": (MTVRPTWR.replace("0 60", "0 45"), "Route #1: 2 0 3 1\nCost 33\n", "delay"),
    "three on board at once": (MTVRPTWR, "Route #1: 1 2 3\nCost 22\n", "load"),
    "a reload too many": (
        MTVRPTWR.replace("DEPOT_SECTION\n1\nEOF", "VEHICLES_MAX_RELOADS_SECTION\n1 0\nDEPOT_SECTION\n1\nEOF"),
        "Route #1: 3 0 1 2\nCost 30\n", "max_reloads",
    ),
    "brought before fetched": (PDPTW, "Route #1: 2 1 3 4\nCost 40\n", "precedence"),
    "fetched by one, brought by another": (PDPTW, "Route #1: 1 3 4\nRoute #2: 2\nCost 70\n", "precedence"),
    "too much on board between": (PDPTW, "Route #1: 1 3 2 4\nCost 40\n", "load"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_solution_is_refused_for_what_is_wrong(kind, tmp_path, capsys):
    text, solution, code = WRONG[kind]
    exit_code, answer = judged(text, solution, tmp_path, capsys)
    assert exit_code == 1
    assert code in {violation["code"] for violation in answer["violations"]}
    routes, _ = routes_in(solution, tmp_path)
    alone = {violation.code for violation in audit(parse_instance(text), routes).violations}
    assert code in alone or code == "cost"  # the audit sees it without our checker's help


@pytest.mark.parametrize(
    ("rounding", "cost"), [("round", 2), ("dimacs", 28), ("exact", 2828)], ids=["round", "dimacs", "exact"]
)
def test_a_distance_of_the_root_of_two_is_rounded_as_the_convention_says(rounding, cost):
    text = "NAME : a\nTYPE : CVRP\nDIMENSION : 2\nCAPACITY : 1\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 1 1\nDEMAND_SECTION\n1 0\n2 1\nDEPOT_SECTION\n1\n-1\nEOF\n"
    assert audit(parse_instance(text, rounding), ((1,),)).cost == cost


def test_a_table_of_whole_distances_needs_no_rounding_and_may_differ_by_direction():
    text = "NAME: a\nTYPE: CVRP\nDIMENSION: 3\nCAPACITY: 9\nEDGE_WEIGHT_TYPE: EXPLICIT\nEDGE_WEIGHT_FORMAT: FULL_MATRIX\nEDGE_WEIGHT_SECTION\n0 1 2\n10 0 3\n20 30 0\nDEMAND_SECTION\n1 0\n2 1\n3 1\nDEPOT_SECTION\n1\nEOF\n"
    instance = parse_instance(text, "none")
    assert [audit(instance, (route,)).cost for route in [(1, 2), (2, 1)]] == [1 + 3 + 20, 2 + 30 + 10]


def same(a, b):
    return all(
        np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y
        for x, y in (
            (getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a) if f.name not in ("name", "kind")
        )
    )


def test_solomons_text_means_the_same_as_the_vrplib_form():
    assert same(parse_instance(SOLOMON, "dimacs"), parse_instance(VRPTW, "dimacs"))
    assert not same(parse_instance(SOLOMON, "dimacs"), parse_instance(VRPTW, "exact"))


def test_li_and_lims_text_means_the_same_as_the_vrplib_form():
    assert same(parse_instance(LI_LIM, "exact"), parse_instance(PDPTW, "exact"))


def test_a_written_solution_reads_back_and_names_each_vehicle_where_they_differ(tmp_path):
    kinds = parse_instance(HFVRP)
    text = solution_text(kinds, ((), (3, 2, 1), ()), 53)
    assert text == "Route #1:\nRoute #2: 3 2 1\nRoute #3:\nCost 53\n"
    assert routes_in(text, tmp_path) == (((), (3, 2, 1), ()), "53")


def test_empty_routes_are_not_printed_where_all_vehicles_are_alike():
    assert solution_text(parse_instance(CVRP), ((), (1, 2), (3,)), 30) == "Route #1: 1 2\nRoute #2: 3\nCost 30\n"


def test_thousands_of_places_get_no_table_of_all_distances():
    count = 4100
    nodes = "".join(f"{n} {n % 70} {n // 70}\n" for n in range(1, count + 1))
    demands = "".join(f"{n} {int(n > 1)}\n" for n in range(1, count + 1))
    text = f"NAME: a\nTYPE: CVRP\nDIMENSION: {count}\nCAPACITY: 100\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n{nodes}DEMAND_SECTION\n{demands}DEPOT_SECTION\n1\nEOF\n"
    instance = parse_instance(text, "exact")
    assert instance.distances is None
    travel = travel_of(instance)
    assert isinstance(travel, Plane)
    # Node 1 lies at (1, 0), node 4100 at (40, 58).
    assert travel.pair(0, count - 1) == (round(1000 * (39**2 + 58**2) ** 0.5),) * 2
    assert instance.distance(0, count - 1) == travel.pair(0, count - 1)[0]


UNREADABLE = {
    "nothing": ("", "empty", "file"),
    "another kind of text": ("Dear Sir,\nplease plan this.\n", "format", "line 1"),
    "no dimension": (CVRP.replace("DIMENSION : 4\n", ""), "missing", "DIMENSION"),
    "a dimension that is no number": (CVRP.replace("DIMENSION : 4", "DIMENSION : four"), "number", "DIMENSION (line 3)"),
    "more nodes than rows": (CVRP.replace("DIMENSION : 4", "DIMENSION : 5"), "rows", "NODE_COORD_SECTION"),
    "a word among numbers": (CVRP.replace("3 6 8", "3 6 x"), "number", "NODE_COORD_SECTION (line 9)"),
    "infinity": (CVRP.replace("3 6 8", "3 6 inf"), "number", "NODE_COORD_SECTION (line 9)"),
    "a node out of turn": (CVRP.replace("3 6 8", "5 6 8"), "node", "NODE_COORD_SECTION (line 9)"),
    "a column too few": (CVRP.replace("3 6 8", "3 6"), "columns", "NODE_COORD_SECTION (line 9)"),
    "a negative demand": (CVRP.replace("2 1\n3 1", "2 -1\n3 1"), "negative", "DEMAND of node 2"),
    "a depot that asks": (CVRP.replace("1 0\n2 1\n3 1", "1 4\n2 1\n3 1"), "demand", "DEMAND of node 1"),
    "half a unit asked for": (CVRP.replace("2 1\n3 1", "2 0.5\n3 1"), "range", "DEMAND[1, 0]"),
    "a window that closes first": (VRPTW.replace("3 10 12", "3 12 10"), "time_window", "TIME_WINDOW of node 3"),
    "a negative window": (VRPTW.replace("3 10 12", "3 -10 12"), "negative", "TIME_WINDOW of node 3"),
    "no vehicles": (VRPTW.replace("VEHICLES : 2", "VEHICLES : 0"), "vehicles", "VEHICLES (line 4)"),
    "a section twice": (CVRP.replace("DEMAND_SECTION", "DEMAND_SECTION\n1 0\n2 1\n3 1\n4 1\nDEMAND_SECTION"), "duplicate", "line 16"),
    "a section nobody knows": (CVRP.replace("DEPOT_SECTION", "MOOD_SECTION\n1 1\nDEPOT_SECTION"), "not_supported", "line 16"),
    "distances of another kind": (CVRP.replace("EUC_2D", "GEO"), "not_supported", "EDGE_WEIGHT_TYPE"),
    "no places": (CVRP.replace("NODE_COORD_SECTION", "DISPLAY_DATA_SECTION"), "missing", "NODE_COORD_SECTION"),
    "a depot in the middle": (CVRP.replace("DEPOT_SECTION\n 1", "DEPOT_SECTION\n 2"), "depots", "DEPOT_SECTION"),
    "half a vehicle row": (HFVRP.replace("3 1\nVEHICLES_FIXED", "VEHICLES_FIXED"), "rows", "CAPACITY_SECTION"),
    "a depot that is none": (MDVRPTW.replace("2 2\nDEPOT", "2 3\nDEPOT"), "node", "depot of vehicle 2"),
    "a pair that does not agree": (PDPTW.replace("3 -3 0 100 1 2 0", "3 -3 0 100 1 4 0"), "pairing", "PICKUP_AND_DELIVERY of node 2"),
    "a pair of other amounts": (PDPTW.replace("3 -3 0", "3 -2 0"), "pairing", "PICKUP_AND_DELIVERY of node 2"),
    "a solomon row too short": (SOLOMON.replace("          5          2\n", "          5\n"), "columns", "line 13"),
    "li and lim at another speed": (LI_LIM.replace("2 4 1", "2 4 7"), "speed", "line 1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_is_refused_with_field_or_line_and_value(kind):
    text, code, where = UNREADABLE[kind]
    with pytest.raises(InvalidProblem) as refused:
        parse_instance(text)
    assert (refused.value.code, refused.value.field) == (code, where)


def test_distances_that_are_not_whole_need_a_convention():
    with pytest.raises(InvalidProblem, match=r"whole number .* convention none"):
        parse_instance(CVRP.replace("3 6 8", "3 1 1"), "none")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Route #1: 1 two 3\nCost 5\n",
        "Route #1: 1\nRoute #1: 2\n",
        "Route #0: 1\n",
        "Route #1: 1\nCost cheap\n",
        "Route #1: 1\n17\n",
    ],
)
def test_a_solution_that_cannot_be_read_ends_with_exit_code_2(text, tmp_path, capsys):
    code, answer = judged(CVRP, text, tmp_path, capsys)
    assert (code, answer["code"]) == (2, 2)
    assert "=" in answer["error"]


def test_a_missing_file_ends_with_exit_code_2(tmp_path, capsys):
    assert main(["check", str(tmp_path / "no.vrp"), str(tmp_path / "no.sol")]) == 2
    assert "no.vrp" in json.loads(capsys.readouterr().out)["error"]
