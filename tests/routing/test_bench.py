"""The measurements themselves: nothing lost, nothing done twice, sums and pictures right; and the days they are made on."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from routing import Job, Matrix, Problem, Vehicle
from routing.__main__ import main
from routing.auditing import audit
from routing.bench import peers
from routing.bench.campaign import Campaign, Case, Row, append_row, cases_of, read_rows
from routing.bench.measuring import descendants, measure
from routing.bench.report import allowed_gap, gap_over_time, means, write_report
from routing.bench.runner import Order
from routing.bench.trial_reports import write_trials
from routing.bench.trials import _disturbed
from routing.commands.check import verdict
from routing.days import BAG, SHIFT_SECONDS, day_instance
from routing.instances import parse_instance
from routing.plotting import curves_picture, routes_picture, solution_picture
from routing.solving import assemble, solve
from routing.timetable import Timetable
from routing.vrplib import problem_of, routes_of
from tests.routing.small_instances import FAMILIES

SVG = "{http://www.w3.org/2000/svg}"


def a_folder(tmp_path, *families):
    with (tmp_path / "bks.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["instance", "family", "convention", "bks", "source"])
        for family in families:
            text, (_, cost) = FAMILIES[family]
            (tmp_path / family).mkdir()
            (tmp_path / family / "small.vrp").write_text(text, encoding="utf-8")
            writer.writerow(["small", family, "round", cost, "the hand"])
    return tmp_path


def a_row(**changes):
    row = {
        "family": "f", "instance": "i", "stops": 100, "solver": "ours", "version": "1", "processes": 1, "cores": "0",
        "seed": 0, "limit": 10.0, "cost": 103, "best_known": 100, "gap": 3.0, "valid": "yes", "wall": 10.0, "cpu": 9.0,
        "peak_mb": 90.0, "base_mb": 80.0, "curve": "0.5:120 2:103",
    }  # fmt: skip
    return Row(**(row | changes))


# -- measuring


def test_cpu_seconds_and_memory_of_children_left_behind_are_counted():
    busy = "import time\nx = bytearray(60_000_000)\nwhile time.process_time() < 0.5: pass\n"
    program = (
        "import subprocess, sys, os, time\n"
        "print('\"ready\"', flush=True)\n"
        f"subprocess.Popen([sys.executable, '-c', {busy!r}], start_new_session=True, stdout=subprocess.DEVNULL)\n"
        "time.sleep(1.5)\n"
        "os._exit(3)\n"
    )
    found = measure([sys.executable, "-c", program], cores=[0], seconds=60)
    assert found.exit_code == 3
    assert found.cpu >= 0.4
    assert found.peak - found.base > 50_000_000


def test_a_command_that_does_not_end_is_killed_with_all_it_started():
    program = "import subprocess, sys, time\np = subprocess.Popen(['sleep', '987'])\nprint(p.pid, flush=True)\ntime.sleep(987)"
    began = time.monotonic()
    found = measure([sys.executable, "-c", program], cores=[0], seconds=1.5)
    assert found.killed
    assert time.monotonic() - began < 30
    assert not Path(f"/proc/{found.said[0]}").exists()


def test_a_measurement_ends_with_the_one_who_measures():
    program = (
        "import sys\n"
        "from routing.bench.measuring import Keeper\n"
        "import time\n"
        "Keeper([sys.executable, '-c', 'import os, time; print(os.getpid()); time.sleep(987)'], cores=[0], seconds=900, environment={})\n"
        "time.sleep(987)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 60
    below = []
    while len(below) < 2 and time.monotonic() < deadline:
        below = descendants(parent.pid)
    parent.kill()
    parent.wait()
    assert len(below) == 2
    while any(Path(f"/proc/{pid}").exists() for pid in below):
        assert time.monotonic() < deadline


def test_what_a_command_says_is_kept_and_its_last_words_too():
    program = "import sys\nprint('[1, 2]')\nprint('no json')\nsys.exit('it broke')"
    found = measure([sys.executable, "-c", program], cores=[0], seconds=60)
    assert (found.said, found.exit_code) == (([1, 2],), 1)
    assert "it broke" in found.errors


# -- campaigns


def test_a_run_is_in_the_table_with_its_gap_and_is_not_done_again(tmp_path):
    folder = a_folder(tmp_path, "CVRP")
    said = []
    plan = Campaign(tmp_path / "runs.csv", cores=[0], say=said.append)

    def runs():
        return plan.runs(cases_of(folder), solvers=["ours", "pyvrp"], processes=[1], seconds=1.0, seeds=[0])

    assert plan.carry_out(runs()) == 2
    rows = read_rows(tmp_path / "runs.csv")
    assert {(row.solver, row.cost, row.gap, row.valid) for row in rows} == {
        ("ours", 30, 0.0, "yes"),
        ("pyvrp", 30, 0.0, "yes"),
    }
    assert plan.carry_out(runs()) == 0
    assert len(read_rows(tmp_path / "runs.csv")) == 2


@pytest.mark.slow
def test_runs_side_by_side_all_end_in_the_table_each_on_its_own_core(tmp_path):
    cores = sorted(os.sched_getaffinity(0))[:2]
    plan = Campaign(tmp_path / "runs.csv", cores=cores, say=lambda _: None)
    cases = cases_of(a_folder(tmp_path, "CVRP", "VRPTW"))
    assert plan.carry_out(plan.runs(cases, solvers=["pyvrp"], processes=[1], seconds=0.2, seeds=[0, 1])) == 4
    rows = read_rows(tmp_path / "runs.csv")
    assert sorted((row.family, row.seed, row.valid) for row in rows) == [
        (family, seed, "yes") for family in ("CVRP", "VRPTW") for seed in (0, 1)
    ]
    assert {row.cores for row in rows} <= {str(core) for core in cores}


def test_peers_may_run_with_fewer_seeds_than_ours(tmp_path):
    plan = Campaign(tmp_path / "runs.csv", cores=[0], say=lambda _: None)
    runs = plan.runs(
        cases_of(a_folder(tmp_path, "CVRP")), solvers=["ours", "pyvrp"], processes=[1, 2], seconds=1.0, seeds=range(3),
        peer_seeds=range(1),
    )  # fmt: skip
    ours = [("ours", processes, seed) for processes in (1, 2) for seed in range(3)]
    assert [(r.order.solver, r.order.processes, r.order.seed) for r in runs] == [*ours, ("pyvrp", 1, 0)]


def test_a_line_that_a_kill_cut_off_is_done_again_and_the_others_are_not_lost(tmp_path):
    file = tmp_path / "runs.csv"
    append_row(file, a_row(seed=0))
    append_row(file, a_row(seed=1))
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole[:-60], encoding="utf-8")
    assert [row.seed for row in read_rows(file)] == [0]
    append_row(file, a_row(seed=1))
    assert [row.seed for row in read_rows(file)] == [0, 1]


def test_a_solver_that_breaks_is_a_row_that_says_so(tmp_path):
    folder = a_folder(tmp_path, "CVRP")
    (folder / "CVRP" / "small.vrp").write_text(FAMILIES["CVRP"][0], encoding="utf-8")
    plan = Campaign(tmp_path / "runs.csv", cores=[0], say=lambda _: None)
    case = Case(family="CVRP", name="small", convention="round", best_known=30, file=str(folder / "CVRP" / "small.vrp"))
    runs = list(plan.runs([case], solvers=["pyvrp"], processes=[1], seconds=0.2, seeds=[0]))
    (folder / "CVRP" / "small.vrp").write_text("no instance", encoding="utf-8")
    plan.carry_out(runs)
    (row,) = read_rows(tmp_path / "runs.csv")
    assert (row.cost, row.gap) == (None, None)
    assert row.valid.startswith("exit 1")


def test_a_peer_is_not_asked_what_it_has_no_words_for():
    trips, prizes, plain = (parse_instance(FAMILIES[f][0]) for f in ("MTVRPTWR", "PCVRPTW", "CVRP"))
    assert peers.cannot_express("vroom", trips) == "no reloads"
    assert peers.cannot_express("vroom", prizes) == "no prizes"
    assert [peers.cannot_express(peer, plain) for peer in ("pyvrp", "vroom", "ortools")] == ["", "", ""]


EXPRESSED = [
    (peer, family)
    for peer in ("pyvrp", "vroom", "ortools")
    for family in FAMILIES
    if not peers.cannot_express(peer, parse_instance(FAMILIES[family][0]))
]


@pytest.mark.slow
@pytest.mark.parametrize(("peer", "family"), EXPRESSED)
def test_each_peer_solves_each_small_instance_it_can_express(peer, family, tmp_path):
    if not peers.version_of(peer):
        pytest.skip(f"{peer} is not installed")
    text, (_, cost) = FAMILIES[family]
    (tmp_path / "a.vrp").write_text(text, encoding="utf-8")
    order = Order(solver=peer, seconds=0.5, file=str(tmp_path / "a.vrp"))
    found = measure(order.command(), cores=[0], seconds=60)
    assert found.exit_code == 0, found.errors
    routes = tuple(tuple(route) for route in found.said[-1]["routes"])
    assert verdict(parse_instance(text), routes) == (cost, [])


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_solved_to_its_best_cost(family):
    text, (_, cost) = FAMILIES[family]
    instance = parse_instance(text)
    problem = problem_of(instance)
    solution = solve(problem, seconds=4.0)
    counted = audit(instance, routes_of(problem, solution))
    assert (counted.cost, counted.violations) == (cost, ())
    assert solution.cost == cost


# -- reports


def test_a_mean_is_over_instances_first_over_seeds():
    rows = [
        a_row(instance="a", seed=0, gap=1.0), a_row(instance="a", seed=1, gap=3.0), a_row(instance="b", seed=0, gap=5.0),
    ]  # fmt: skip
    found = means(rows)["f"]["ours", 1]
    assert (found.runs, found.gap) == (3, pytest.approx((2.0 + 5.0) / 2))


def test_a_family_with_an_invalid_answer_has_no_mean():
    rows = [a_row(seed=0), a_row(seed=1, valid="load: too much", cost=None, gap=None)]
    found = means(rows)["f"]["ours", 1]
    assert (found.runs, found.failed, found.gap) == (2, 1, None)


@pytest.mark.parametrize(
    ("processes", "stops", "allowed"),
    [(1, 100, 2.12), (1, 1000, 1.42), (2, 200, 1.22), (2, 300, 1.72), (2, 1000, 1.02)],
)
def test_what_is_allowed_beside_a_gap_of_two_per_cent(processes, stops, allowed):
    assert allowed_gap(processes, stops, 2.0) == pytest.approx(allowed)


def test_the_report_says_which_promise_was_kept(tmp_path):
    rows = [a_row(gap=2.0), a_row(processes=2, cores="0+1", gap=2.0), a_row(solver="pyvrp", gap=3.0)]
    write_report(rows, tmp_path, name="x", title="Some", commands=["python -m routing bench DIR"], machine="a machine")
    text = (tmp_path / "x.md").read_text(encoding="utf-8")
    assert "| f | 1 | 3.00 | 3.17 | 2.00 | kept |" in text
    assert "| f | 2 | 3.00 | 1.82 | 2.00 | missed |" in text
    assert (tmp_path / "x-f.svg").exists()


def test_runs_of_different_limits_are_not_mixed(tmp_path):
    rows = [a_row(gap=2.0), a_row(limit=30.0, gap=1.0)]
    write_report(rows, tmp_path, name="x", title="Some", commands=[], machine="a machine")
    text = (tmp_path / "x.md").read_text(encoding="utf-8")
    assert "| f 10s | 100 | 2.00 (1) |" in text
    assert "| f 30s | 100 | 1.00 (1) |" in text


def test_costs_are_compared_by_day_where_nobody_knows_the_best():
    rows = [
        a_row(instance=day, solver=solver, cost=cost, best_known=None, gap=None)
        for day, solver, cost in [("d1", "ours", 100), ("d1", "vroom", 110), ("d2", "ours", 200), ("d2", "vroom", 204)]
    ]
    from routing.bench.report import _ratios_table  # noqa: PLC0415 - the table alone

    assert "| ours, 1 process | vroom | 2 | 1.0600 | 1.0200 | 1.1000 | 2 of 2 |" in _ratios_table(
        rows, [("ours", 1), ("vroom", 1)]
    )


def test_gap_over_time_is_drawn_from_when_every_run_has_an_answer():
    rows = [a_row(instance="a", curve="1:110 4:101"), a_row(instance="b", curve="2:120")]
    picture = ET.fromstring(gap_over_time(rows, "f"))  # noqa: S314 - our own picture
    (line,) = [p for p in picture.iter(f"{SVG}path") if p.get("fill") == "none"]
    assert line.get("d").count("H") == 2  # (10 + 20) / 2 from 2 s, (1 + 20) / 2 from 4 s


# -- pictures


def test_a_picture_of_routes_has_a_line_for_each():
    picture = ET.fromstring(routes_picture(parse_instance(FAMILIES["CVRP"][0]), ((1, 2), (3,)), cost=30))  # noqa: S314
    lines = [line.get("points") for line in picture.iter(f"{SVG}polyline")]
    assert [len(line.split()) for line in lines] == [4, 3]
    assert "three: 2 routes, cost 30" in {text.text for text in picture.iter(f"{SVG}text")}


def test_a_picture_of_curves_names_each():
    curves = {"a & b": [(0.1, 10.0), (5.0, 1.0)], "c": [(1.0, 3.0)]}
    picture = ET.fromstring(curves_picture(curves, title="t", across="seconds", up="gap"))  # noqa: S314 - our own
    assert {"a & b", "c"} <= {text.text for text in picture.iter(f"{SVG}text")}


def test_a_vroom_problem_is_drawn_where_its_places_are_given_and_refused_at_once_where_not(tmp_path, capsys):
    body = {
        "vehicles": [{"id": 1, "start": [105.15, 9.17]}],
        "jobs": [{"id": 1, "location": [105.16, 9.18]}, {"id": 2, "location": [105.17, 9.16]}],
    }
    (tmp_path / "a.json").write_text(json.dumps(body), encoding="utf-8")
    arguments = ["--time-limit", "2", "--plot", str(tmp_path / "a.svg")]
    assert main(["solve", str(tmp_path / "a.json"), *arguments]) == 0
    assert len(list(ET.parse(tmp_path / "a.svg").iter(f"{SVG}polyline"))) == 1  # noqa: S314 - our own picture
    capsys.readouterr()
    nowhere = {
        "vehicles": [{"id": 1, "start_index": 0}], "jobs": [{"id": 1, "location_index": 1}],
        "matrices": {"car": {"durations": [[0, 5], [5, 0]]}},
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(nowhere), encoding="utf-8")
    assert main(["solve", str(tmp_path / "a.json"), *arguments]) == 2
    assert "places" in json.loads(capsys.readouterr().out)["error"]


def test_the_command_draws_and_writes(tmp_path):
    (tmp_path / "a.vrp").write_text(FAMILIES["CVRP"][0], encoding="utf-8")
    arguments = ["--time-limit", "2", "--plot", str(tmp_path / "a.svg"), "--output", str(tmp_path / "a.sol")]
    assert main(["solve-vrplib", str(tmp_path / "a.vrp"), *arguments]) == 0
    assert main(["check", str(tmp_path / "a.vrp"), str(tmp_path / "a.sol")]) == 0
    assert len(list(ET.parse(tmp_path / "a.svg").iter(f"{SVG}polyline"))) == 2  # noqa: S314 - our own picture


# -- days


def test_a_day_is_the_same_whenever_it_is_made_and_another_with_another_seed():
    assert np.array_equal(day_instance(7).distances, day_instance(7).distances)
    assert day_instance(7).size != day_instance(8).size


@pytest.mark.parametrize("seed", range(6))
def test_a_day_is_as_large_and_as_full_as_ours(seed):
    day = day_instance(seed)
    assert 150 <= len(day.clients) <= 400
    assert 5 <= len(day.carriers) <= 12
    narrow = (day.windows[1:, 1] - day.windows[1:, 0] < SHIFT_SECONDS).mean()
    assert 0.2 < narrow < 0.4
    (bag, cash), *_ = {carrier.capacity for carrier in day.carriers}
    assert bag == BAG
    assert cash * len(day.carriers) < 1.5 * day.pickup[:, 1].sum() + len(day.carriers)
    assert not np.array_equal(day.distances, day.distances.T)


def test_every_stop_of_a_day_can_be_served_by_somebody_alone():
    day = day_instance(3)
    out, home = day.distances[0], day.distances[:, 0]
    begins = np.maximum(out, day.windows[:, 0])
    assert (begins <= day.windows[:, 1]).all()
    assert (begins + day.service + home <= SHIFT_SECONDS).all()


def test_there_is_no_day_before_the_first():
    with pytest.raises(ValueError, match="seed"):
        day_instance(-1)


def test_a_solution_on_the_globe_can_be_drawn():
    day = day_instance(1, stops=8)
    problem = problem_of(day)
    located = problem.replace(locations=tuple((105.0 + x / 1e5, 9.0 + y / 1e5) for x, y in day.places))
    picture = ET.fromstring(solution_picture(located, solve(located, seconds=2.0)))  # noqa: S314 - our own
    assert list(picture.iter(f"{SVG}polyline"))


def test_a_table_of_scale_says_which_promises_were_kept():
    from routing.bench.scale import promises_of, table_of  # noqa: PLC0415 - the other tests need no scale

    usual = {"processes": "1", "seed": "0", "cores": "0", "per_stop": "", "first": "", "cpu": "39.0", "note": ""}
    rows = [
        usual | {"stops": "5000", "solver": "pyvrp", "limit": "40.0", "cost": "1000", "wall": "45", "peak_mb": "700"},
        usual | {"stops": "5000", "solver": "ours", "limit": "40.0", "cost": "960", "wall": "40.2", "peak_mb": "150"},
        usual | {"stops": "2000", "solver": "ours", "limit": "20.0", "cost": "", "wall": "20.4", "peak_mb": "900"},
    ]
    kept = {(run.split()[0], promised): kept for run, promised, _, kept in promises_of(rows)}
    assert kept == {
        ("5,000", "everybody is served"): True,
        ("5,000", "at most 0.3 s late"): True,
        ("5,000", "cost <= 0.95 of PyVRP's"): False,
        ("5,000", "at most 200 MB"): True,
        ("2,000", "everybody is served"): False,
        ("2,000", "at most 0.3 s late"): False,
    }
    ours = next(line for line in table_of(rows).splitlines() if line.startswith("| 5,000 | ours"))
    assert "| 0.960 |" in ours
    assert "| 7.8 |" in ours  # milliseconds of CPU for each stop
    assert "| 30.0 |" in ours  # kilobytes


# -- re-planning


def a_replanned_day(**members):
    row = {
        "day": 0, "changes": 1, "breakdown": False, "now": 3600, "still_to_come": 100, "freed": 0, "disturbed": 0, "moved": 1,
        "forced": 0, "moved_cold": 20, "wall": 0.9, "warm_cost": 99, "cold_cost": 100, "inserted_cost": 100,
        "warm_left_out": 0, "cold_left_out": 0, "cpu": 13.0, "trial": '{"seconds": 1.0}',
    }  # fmt: skip
    return {name: str(value) for name, value in (row | members).items()}


def test_days_with_a_breakdown_have_a_table_of_their_own(tmp_path):
    rows = [
        a_replanned_day(),
        a_replanned_day(breakdown=True, freed=20, still_to_come=80, moved=4, disturbed=1, wall=1.2, warm_cost=110),
        a_replanned_day(breakdown=True, freed=10, still_to_come=80, moved=0, warm_left_out=2),
        a_replanned_day(breakdown=True, freed=12, trial='{"seconds": 5.0}', disturbed="", wall=5.0),
    ]
    write_trials(
        "replan", rows, tmp_path / "replan.md", commands=["python -m routing bench-replan"], machine="a machine"
    )
    changes, breakdowns = (
        (tmp_path / "replan.md").read_text(encoding="utf-8").split("## A postman's vehicle breaks down")
    )
    assert (
        "| all | 1 | 0.9900, 0.9900 | 0 | 1.00%, 1.00% | 0 | 0 | 20.00% | 0 | 1 | 0.90, 0.90 | 13.0 | 0; 0 |" in changes
    )
    assert "10-20 stops" in breakdowns
    assert (
        "| all | 2 | 1.0450, 1.1000 | 2 | 2.50%, 5.00% | 1 | 0 | 25.00% | 1 | 1 | 1.05, 1.20 | 13.0 | 2; 0 |"
        in breakdowns
    )
    assert (
        "| all | 1 | 0.9900, 0.9900 | 0 | 1.00%, 1.00% | 0 | 0 | 20.00% | - | 5 | 5.00, 5.00 | 13.0 | 0; 0 |"
        in breakdowns
    )


def test_a_stop_that_was_begun_is_disturbed_by_another_postman_or_another_time():
    line = Matrix(seconds=[[abs(a - b) * 100 for b in range(4)] for a in range(4)])
    jobs = tuple(Job(id=n, location_index=n) for n in (1, 2, 3))
    fleet = tuple(Vehicle(id=n, start=0, end=0) for n in (1, 2))
    problem = Problem(jobs=jobs, vehicles=fleet, matrices={"car": line})

    def driven(*visits):
        return assemble(problem, Timetable(problem), visits)

    running = driven((0, 1, 2), ())
    assert _disturbed(running, running, now=300) == 0
    assert _disturbed(running, driven((0, 1), (2,)), now=299) == 0  # 3 had not begun
    assert _disturbed(running, driven((0, 1), (2,)), now=300) == 1
    assert _disturbed(running, driven((1, 0, 2), ()), now=250) == 1  # 1 another time
    assert _disturbed(running, driven((0,), (2,)), now=250) == 1  # 2 by nobody
