"""Beyond VROOM's members in VROOM's JSON, and VROOM's mode -c: told routes get their times and what they break."""

import dataclasses
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from routing import InvalidProblem
from routing.checking import check
from routing.solving import assemble
from routing.timetable import Timetable
from routing.vroom import is_told, read_problem, read_solution, solution_body, told_plan

VROOM = shutil.which("vroom", path=str(Path(sys.executable).parent)) or shutil.which("vroom")
LINE = [[0, 100, 200], [100, 0, 100], [200, 100, 0]]


def a_rich_body() -> dict:
    return {
        "dimension_names": ["items", "cash_dong"],
        "vehicles": [
            {
                "id": 1, "start_index": 0, "end_index": 0, "capacity": [3, 90], "time_window": [0, 9000], "reloads": [7, 8],
                "max_reloads": 3, "max_duration": 8000, "overtime_after": 600, "max_overtime": 5000, "target_duration": 500,
                "costs": {"per_overtime_hour": 720, "per_hour_over_target": 360},
                "steps": [{"type": "job", "id": 1}, {"type": "reload", "id": 7}, {"type": "job", "id": 2}],
            }
        ],
        "jobs": [
            {"id": 1, "location_index": 1, "delivery": [2, 0], "pickup": [0, 60], "soft_window": [0, 600], "late_cost_per_hour": 3600, "early_cost_per_hour": 7, "retry_value_per_hour": 5},
            {"id": 2, "location_index": 2, "delivery": [2, 0], "release": 500},
            {"id": 3, "location_index": 2, "prize": 77},
        ],
        "shipments": [{"pickup": {"id": 4, "location_index": 1}, "delivery": {"id": 4, "location_index": 2}, "prize": 13}],
        "reloads": [
            {"id": 7, "location_index": 0, "service": 60, "time_windows": [[0, 4000]], "description": "bưu cục"},
            {"id": 8, "location_index": 1, "empties": ["cash_dong"]},
        ],
        "matrices": {
            "car": {
                "durations": [[0, 110, 200], [100, 0, 100], [200, 100, 0]],
                "crossings": {
                    "ferries": [{"opens": 0, "closes": 5000, "headway": 60, "ride": 20, "first": 30}],
                    "crossing": [[-1, 0, -1], [-1, -1, -1], [-1, -1, -1]],
                    "to_landing": [[0, 50, 0], [0, 0, 0], [0, 0, 0]],
                },
            }
        },
    }  # fmt: skip


def test_every_member_of_ours_is_read_and_none_is_lost_on_the_way_out_and_in():
    problem = read_problem(json.loads(json.dumps(a_rich_body())))
    vehicle, (first, second, third) = problem.vehicles[0], problem.jobs
    assert (vehicle.reloads, vehicle.max_reloads, vehicle.max_duration, vehicle.target_duration) == (
        (7, 8),
        3,
        8000,
        500,
    )
    assert (vehicle.overtime_after, vehicle.max_overtime, vehicle.costs.per_overtime_hour) == (600, 5000, 720)
    assert (first.soft_window, first.late_cost_per_hour, first.early_cost_per_hour, first.retry_value_per_hour) == ((0, 600), 3600, 7, 5)  # fmt: skip
    assert (second.release, third.prize, problem.shipments[0].prize) == (500, 77, 13)
    assert [(r.id, r.service, r.time_windows, r.empties) for r in problem.reloads] == [
        (7, 60, ((0, 4000),), None), (8, 0, (), {"cash_dong"}),
    ]  # fmt: skip
    assert problem.matrices["car"].crossings.ferries[0].first == 30
    solution = assemble(problem, Timetable(problem), ((0, 6, 5, 1),))
    assert check(problem, solution) == []
    answer = json.loads(json.dumps(solution_body(problem, solution)))
    assert answer["summary"]["cost"] == sum(answer["summary"]["cost_lines"].values())
    assert answer["summary"]["cost_lines"]["prizes"] == 90
    kinds = [(s["type"], s.get("id")) for s in answer["routes"][0]["steps"]]
    assert kinds == [("start", None), ("job", 1), ("reload", 8), ("reload", 7), ("job", 2), ("end", None)]
    again = read_solution(answer, problem)
    assert (again.routes, again.cost_lines, again.summary) == (solution.routes, solution.cost_lines, solution.summary)
    assert check(problem, again) == []
    answer["summary"]["cost_lines"]["prizes"] += 1
    assert {v.code for v in check(problem, read_solution(answer, problem))} == {"cost"}


def test_a_plan_without_a_start_place_still_says_what_it_carries_on_its_first_trip():
    body = a_rich_body()
    del body["vehicles"][0]["start_index"]
    problem = read_problem(body)
    solution = assemble(problem, Timetable(problem), ((0, 5, 1),))
    assert read_solution(solution_body(problem, solution), problem).routes == solution.routes


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda b: b["reloads"][0].update(location_index=9), "reloads[0].location_index"),
        (lambda b: b["reloads"][0].update(id=None), "reloads[0].id"),
        (lambda b: b["reloads"][1].update(empties=["gold"]), "reloads[1].empties"),
        (lambda b: b["reloads"][0].update(empties="cash_dong"), "reloads[0].empties"),
        (lambda b: b["vehicles"][0].update(reloads=[9]), "vehicles[0].reloads"),
        (lambda b: b["vehicles"][0].update(max_duration="long"), "vehicles[0].max_duration"),
        (lambda b: b["jobs"][0].update(soft_window=[5]), "jobs[0].soft_window"),
        (lambda b: b["jobs"][0].update(retry_value_per_hour=1.5), "jobs[0].retry_value_per_hour"),
        (lambda b: b["jobs"][2].update(prize=-1), "jobs[2].prize"),
        (lambda b: b["matrices"]["car"]["crossings"].update(ferries=[{"opens": 0}]), "matrices.car.crossings.ferries[0].closes"),
        (lambda b: b["matrices"]["car"]["crossings"].update(to_landing=[[0]]), "matrices.car.crossings.to_landing"),
        (lambda b: b["vehicles"][0]["steps"].append({"type": "break", "id": 3}), "vehicles[0].steps[3].id"),
        (lambda b: b["vehicles"][0]["steps"].insert(0, {"type": "reload", "id": 3}), "vehicles[0].steps[0].id"),
    ],
)  # fmt: skip
def test_a_wrong_member_of_ours_is_named(change, field):
    body = a_rich_body()
    change(body)
    with pytest.raises(InvalidProblem) as refusal:
        read_problem(body)
    assert refusal.value.field == field


# -- told routes


def a_told_body(*steps: dict, **vehicle) -> dict:
    return {
        "vehicles": [{"id": 1, "start_index": 0, "end_index": 0, "time_window": [0, 500], "capacity": [1], "steps": list(steps)} | vehicle],
        "jobs": [
            {"id": 10, "location_index": 1, "service": 60, "delivery": [1], "skills": [3], "time_windows": [[0, 50]]},
            {"id": 11, "location_index": 2, "delivery": [1], "time_windows": [[400, 450]]},
            {"id": 12, "location_index": 2},
        ],
        "matrices": {"car": {"durations": LINE}},
        "options": {"c": True},
    }  # fmt: skip


def job(number: int, **told) -> dict:
    return {"type": "job", "id": number, **told}


def violations(answer: dict) -> list[tuple]:
    return [(v["cause"], v.get("duration")) for v in answer["violations"]]


def test_a_told_route_gets_its_times_and_every_rule_that_it_breaks():
    """VROOM 1.15 says load, skills, 50 s and 60 s late at the first two; then it begins the third 100 s early, not the
    end 100 s late."""
    steps = ({"type": "start"}, job(10), {"type": "break", "id": 4}, job(11), {"type": "end"})
    body = a_told_body(*steps, breaks=[{"id": 4, "time_windows": [[0, 100]], "service": 20}])
    problem = read_problem(body)
    solution = told_plan(problem)
    answer = solution_body(problem, solution)
    (route,) = answer["routes"]
    told = [(s["type"], s["arrival"], s["waiting_time"], violations(s)) for s in route["steps"]]
    assert told == [
        ("start", 0, 0, [("load", None)]), ("job", 100, 0, [("delay", 50), ("skills", None)]), ("break", 160, 0, [("delay", 60)]),
        ("job", 280, 120, []), ("end", 600, 0, [("delay", 100)]),
    ]  # fmt: skip
    assert (
        sorted(violations(route))
        == sorted(violations(answer["summary"]))
        == [("delay", 210), ("load", None), ("skills", None)]
    )
    assert [u["id"] for u in answer["unassigned"]] == [12]
    assert is_told(body)
    assert not is_told({"options": {"c": False}})
    assert not is_told([])


def test_a_told_break_that_is_left_out_and_a_shipment_the_wrong_way_round_are_violations():
    body = a_told_body(
        {"type": "delivery", "id": 1}, {"type": "pickup", "id": 1}, breaks=[{"id": 4, "time_windows": [[0, 100]]}]
    ) | {"shipments": [{"pickup": {"id": 1, "location_index": 1}, "delivery": {"id": 1, "location_index": 2}}]}
    problem = read_problem(body)
    assert {v.code for v in told_plan(problem).violations} >= {"missing_break", "precedence"}


def test_told_begins_are_kept_or_refused():
    def told_begins(*steps: dict, **vehicle) -> list[int]:
        solution = told_plan(read_problem(a_told_body(*steps, **vehicle)))
        return [step.begins for step in solution.routes[0].steps]

    assert told_begins(job(12)) == [0, 200, 400]
    assert told_begins(job(12, service_at=250)) == [50, 250, 450]
    assert told_begins(job(12, service_after=230), job(10)) == [30, 230, 330, 490]
    assert told_begins({"type": "start", "service_at": 5}, job(12)) == [5, 205, 405]
    # what is told goes before the window
    assert told_begins(job(11, service_before=390)) == [0, 200, 400]
    for steps in (
        (job(12, service_at=199),),
        (job(12, service_before=199),),
        (job(12), {"type": "end", "service_before": 399}),
    ):
        with pytest.raises(InvalidProblem, match=r"service_(at|before)"):
            told_begins(*steps)


def test_told_trips_ferries_and_reloads_are_timed_by_the_same_rules():
    problem = read_problem(a_rich_body())
    solution = told_plan(problem)
    assert {v.code for v in solution.violations} == set()
    assert [s.kind.value for s in solution.routes[0].steps] == ["start", "job", "reload", "job", "end"]
    assert solution.routes[0].steps == Timetable(problem).route(0, (0, 5, 1)).steps


def test_no_way_between_told_steps_is_an_error():
    body = a_told_body(job(10), job(12))
    body["matrices"]["car"]["durations"] = [[0, 100, 200], [100, 0, None], [200, 100, 0]]
    with pytest.raises(InvalidProblem, match="no way"):
        told_plan(read_problem(body))


def test_the_command_and_its_flag_tell_the_times(tmp_path):
    body = a_told_body(job(10), job(11))
    del body["options"]
    (tmp_path / "body.json").write_text(json.dumps(body), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "routing", "solve", "-c", str(tmp_path / "body.json")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["engine"], answer["routes"][0]["steps"][1]["arrival"]) == (0, "told", 100)
    assert set(answer["summary"]["computing_times"]) == {"loading", "solving"}


def some_told_body(seed: int) -> dict:
    rng = random.Random(seed)
    jobs = rng.randint(2, 5)
    durations = [[0 if i == j else rng.randint(5, 60) for j in range(jobs + 1)] for i in range(jobs + 1)]
    window = sorted(rng.sample(range(300), 2))
    order: list[dict] = [job(n) for n in rng.sample(range(jobs), jobs)]
    order.insert(rng.randint(0, jobs), {"type": "break", "id": 4})
    return {
        "vehicles": [{
            "id": 1, "start_index": 0, "end_index": 0, "time_window": [rng.choice([0, 30]), rng.choice([400, 600])],
            "breaks": [{"id": 4, "time_windows": [window], "service": rng.choice([0, 20])}],
            "steps": [{"type": "start"}, *order, {"type": "end"}],
        }],
        "jobs": [
            {"id": n, "location_index": rng.randrange(jobs + 1), "service": rng.choice([0, 10]), "setup": rng.choice([0, 7]),
             "time_windows": [[a := rng.randint(0, 200), a + rng.randint(0, 200)]]}
            for n in range(jobs)
        ],
        "matrices": {"car": {"durations": durations}},
    }  # fmt: skip


@pytest.mark.skipif(VROOM is None, reason="VROOM is not installed")
def test_a_told_route_that_breaks_nothing_has_vrooms_own_times():
    agreed = 0
    for seed in range(40):
        body = some_told_body(seed)
        printed = subprocess.run([VROOM, "-c", json.dumps(body)], capture_output=True, text=True, check=False).stdout
        theirs, problem = json.loads(printed), read_problem(body)
        ours = solution_body(problem, told_plan(problem))
        assert bool(ours["summary"]["violations"]) == bool(theirs["summary"]["violations"])
        if not theirs["summary"]["violations"]:
            agreed += 1
            times = [
                [(s["type"], s["arrival"], s["waiting_time"]) for s in a["routes"][0]["steps"]] for a in (ours, theirs)
            ]
            assert times[0] == times[1]
        assert (
            check(problem, dataclasses.replace(read_solution(theirs, problem), engine="")) == []
            or theirs["summary"]["violations"]
        )
    assert agreed > 5
