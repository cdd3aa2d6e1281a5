"""VROOM's JSON: what a VROOM client sends works, what it gets is VROOM's, and errors name field and value."""

import json
import subprocess
import sys
import time

import pytest

from routing import InvalidProblem, Lock
from routing.checking import check
from routing.plane import EstimatedPlane
from routing.solving import EngineFailed, solve
from routing.vroom import TravelFailed, error_body, read_problem, read_solution, requested_seconds, solution_body

MATRIX = [[0, 100, 200], [100, 0, 100], [200, 100, 0]]


def a_body(**members) -> dict:
    """VROOM's own example style: indices into a matrix."""
    return {
        "vehicles": [
            {"id": 1, "start_index": 0, "end_index": 0, "capacity": [4], "time_window": [0, 5000], "skills": [1, 14]}
        ],
        "jobs": [
            {"id": 10, "location_index": 1, "service": 60, "delivery": [1], "skills": [1]},
            {
                "id": 11,
                "location_index": 2,
                "setup": 5,
                "service": 30,
                "pickup": [2],
                "time_windows": [[300, 400], [600, 700]],
                "priority": 3,
            },
        ],
        "matrices": {"car": {"durations": MATRIX, "distances": MATRIX}},
        "options": {"g": False},
    } | members


def on_the_map(**members) -> dict:
    """Bodies with coordinates only, lon first: the post office and two doors in the south of the province."""
    return {
        "vehicles": [
            {"id": 1, "profile": "motorbike", "start": [105.15, 9.18], "end": [105.15, 9.18], "description": "bưu tá 1"}
        ],
        "jobs": [
            {"id": 1, "location": [105.2, 9.2], "service": 300, "description": "nhà ở ấp 2"},
            {"id": 2, "location": [105.1, 9.1], "service": 300},
        ],
    } | members


def test_a_body_with_matrices_gets_vrooms_answer():
    problem = read_problem(a_body())
    answer = solution_body(problem, solve(problem, seconds=0.6))
    assert answer["code"] == 0
    assert answer["summary"]["cost"] == 400
    assert {k: answer["summary"][k] for k in ("routes", "unassigned", "setup", "service", "duration", "distance", "priority")} == {
        "routes": 1, "unassigned": 0, "setup": 5, "service": 90, "duration": 400, "distance": 400, "priority": 3,
    }  # fmt: skip
    assert (answer["summary"]["delivery"], answer["summary"]["pickup"], answer["summary"]["violations"]) == (
        [1],
        [2],
        [],
    )
    (route,) = answer["routes"]
    assert [s["type"] for s in route["steps"]] == ["start", "job", "job", "end"]
    for step in route["steps"]:
        assert {
            "arrival",
            "duration",
            "setup",
            "service",
            "waiting_time",
            "location_index",
            "load",
            "violations",
        } <= set(step)
    assert [s["id"] for s in route["steps"][1:3]] == [s["job"] for s in route["steps"][1:3]]
    assert json.loads(json.dumps(answer)) == answer


def test_a_body_with_coordinates_is_planned_with_estimated_travel_and_says_so():
    problem = read_problem(on_the_map())
    answer = solution_body(problem, solve(problem, seconds=0.6))
    assert answer["travel"]["source"] == "estimated"
    assert answer["travel"]["warnings"]
    steps = answer["routes"][0]["steps"]
    assert steps[0]["location"] == [105.15, 9.18]
    assert {tuple(s["location"]) for s in steps[1:-1]} == {(105.2, 9.2), (105.1, 9.1)}
    assert answer["routes"][0]["description"] == "bưu tá 1"
    assert 20_000 < answer["summary"]["distance"] < 60_000


def test_of_many_places_only_those_ways_are_computed_that_are_asked_for():
    jobs = [{"id": n, "location": [104.7 + (n % 60) / 100, 8.6 + (n // 60) / 100]} for n in range(1, 3_001)]
    vehicles = [{"id": 1, "start": [105.15, 9.18], "end": [105.15, 9.18], "profile": "boat"}]
    problem = read_problem({"jobs": jobs, "vehicles": vehicles})
    travel = problem.matrices["boat"]
    assert isinstance(travel, EstimatedPlane)
    assert travel.size == 3_001
    fewer = read_problem({"jobs": jobs[:40], "vehicles": vehicles}).matrices["boat"]
    assert travel.pair(0, 39) == fewer.pair(0, 39)


def test_two_jobs_at_one_point_are_one_door():
    body = on_the_map(jobs=[{"id": n, "location": [105.2, 9.2], "setup": 60} for n in (1, 2)])
    problem = read_problem(body)
    assert solve(problem, seconds=0.6).summary.setup == 60


def test_an_answer_can_be_read_again_and_is_still_valid():
    body = a_body(
        vehicles=[
            {
                "id": 1,
                "start_index": 0,
                "capacity": [4],
                "breaks": [{"id": 1, "time_windows": [[50, 90]], "service": 20}],
            },
            {
                "id": 2,
                "end_index": 0,
                "capacity": [1],
                "costs": {"fixed": 7, "per_hour": 100, "per_km": 3, "per_task_hour": 5},
            },
        ],
        shipments=[
            {"amount": [1], "pickup": {"id": 1, "location_index": 2}, "delivery": {"id": 1, "location_index": 1}}
        ],
    )
    body["jobs"][0]["skills"] = []
    body["jobs"].append({"id": 12, "location_index": 0, "delivery": [9]})
    problem = read_problem(body)
    solution = solve(problem, seconds=0.8)
    answer = json.loads(json.dumps(solution_body(problem, solution)))
    again = read_solution(answer, problem)
    assert check(problem, again) == []
    assert again.routes == solution.routes
    assert [(u.kind, u.id) for u in again.unassigned] == [(u.kind, u.id) for u in solution.unassigned]
    answer["routes"][0]["steps"][1]["arrival"] += 1
    assert check(problem, read_solution(answer, problem))


def test_vrooms_own_answer_is_accepted():
    """Printed by VROOM 1.15 for this body: it has neither our cost lines nor all our totals."""
    body = {
        "vehicles": [
            {
                "id": 1,
                "start_index": 0,
                "end_index": 0,
                "time_window": [0, 10_000],
                "breaks": [{"id": 5, "time_windows": [[1050, 1700]], "service": 300}],
            }
        ],
        "jobs": [
            {"id": 1, "location_index": 1, "setup": 120, "service": 60, "time_windows": [[1000, 1060]]},
            {"id": 2, "location_index": 2, "setup": 120, "service": 60, "time_windows": [[1000, 2000]]},
        ],
        "matrices": {"car": {"durations": MATRIX}},
    }
    answer = {
        "code": 0,
        "summary": {"cost": 400, "routes": 1, "unassigned": 0, "setup": 240, "service": 420, "duration": 400, "waiting_time": 0, "priority": 0, "violations": []},
        "unassigned": [],
        "routes": [
            {"vehicle": 1, "cost": 400, "setup": 240, "service": 420, "duration": 400, "waiting_time": 0, "priority": 0, "steps": [
                {"type": "start", "location_index": 0, "setup": 0, "service": 0, "waiting_time": 0, "arrival": 900, "duration": 0},
                {"type": "job", "location_index": 1, "id": 1, "setup": 120, "service": 60, "waiting_time": 0, "arrival": 1000, "duration": 100},
                {"type": "break", "id": 5, "setup": 0, "service": 300, "waiting_time": 0, "arrival": 1180, "duration": 100},
                {"type": "job", "location_index": 2, "id": 2, "setup": 120, "service": 60, "waiting_time": 0, "arrival": 1580, "duration": 200},
                {"type": "end", "location_index": 0, "setup": 0, "service": 0, "waiting_time": 0, "arrival": 1960, "duration": 400},
            ]},
        ],
    }  # fmt: skip
    problem = read_problem(body)
    assert check(problem, read_solution(answer, problem)) == []
    ours = solve(problem, seconds=0.6)
    assert ours.cost == 400
    answer["routes"][0]["cost"] = answer["summary"]["cost"] = 399
    assert {v.code for v in check(problem, read_solution(answer, problem))} == {"cost"}


def test_identifiers_may_be_any_whole_number():
    huge = 2**64 + 1
    body = a_body(jobs=[{"id": huge, "location_index": 1}, {"id": -5, "location_index": 2}])
    body["vehicles"][0]["id"] = huge * 3
    problem = read_problem(body)
    answer = json.loads(json.dumps(solution_body(problem, solve(problem, seconds=0.5))))
    assert {s["id"] for s in answer["routes"][0]["steps"][1:-1]} == {huge, -5}
    assert answer["routes"][0]["vehicle"] == huge * 3


def test_what_is_left_out_says_why_for_every_vehicle():
    body = a_body()
    body["jobs"][1]["pickup"] = [5]
    problem = read_problem(body)
    (item,) = solution_body(problem, solve(problem, seconds=0.5))["unassigned"]
    assert (item["id"], item["type"], item["code"], item["location_index"]) == (11, "job", "capacity", 2)
    assert item["reasons"] == [
        {"vehicle": 1, "code": "capacity", "sentence": "Vehicle 1 may carry 4 of amount 0, this needs 5."}
    ]


def test_members_that_nobody_knows_are_ignored_and_ours_are_read():
    body = a_body(dimension_names=["cash_dong"], spice="cinnamon")
    body["jobs"][0] |= {"lock": "keep_order", "locked_vehicle": 1, "locked_rank": 4, "allowed_vehicles": [1], "preferred_vehicles": [1],
                        "preference_cost": 9, "colour": "red"}  # fmt: skip
    problem = read_problem(body)
    job = problem.jobs[0]
    assert (job.lock, job.locked_rank, job.allowed_vehicles, job.preference_cost) == (Lock.KEEP_ORDER, 4, {1}, 9)
    assert problem.is_cash(0)


def test_null_and_vrooms_largest_number_mean_no_way():
    body = a_body(matrices={"car": {"durations": [[0, None, 5], [7, 0, 2**32 - 1], [1, 1, 0]]}})
    seconds = read_problem(body).matrices["car"].seconds
    assert (seconds[0, 1], seconds[1, 2], seconds[0, 2]) == (2**31 - 1, 2**31 - 1, 5)


def changed(path: str, value) -> dict:
    body = json.loads(json.dumps(a_body()))
    *way, last = path.split(".")
    target = body
    for name in way:
        target = target[int(name)] if isinstance(target, list) else target[name]
    target[int(last) if isinstance(target, list) else last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("vehicles", [], "vehicles"),
        ("vehicles", None, "vehicles"),
        ("vehicles", "many", "vehicles"),
        ("jobs", [], "jobs"),
        ("jobs", {}, "jobs"),
        ("jobs.0", 5, "jobs[0]"),
        ("jobs.0.id", None, "jobs[0].id"),
        ("jobs.0.id", 1.0, "jobs[0].id"),
        ("jobs.0.id", 11, "jobs[1].id"),
        ("jobs.0.location_index", 3, "jobs[0].location_index"),
        ("jobs.0.location_index", None, "jobs[0].location_index"),
        ("jobs.0.service", -1, "jobs[0].service"),
        ("jobs.0.service", 2**64, "jobs[0].service"),
        ("jobs.0.delivery", [1, 2], "jobs[0].delivery"),
        ("jobs.0.delivery", 1, "jobs[0].delivery"),
        ("jobs.0.skills", ["boat"], "jobs[0].skills[0]"),
        ("jobs.0.priority", 101, "jobs[0].priority"),
        ("jobs.0.time_windows", [], "jobs[0].time_windows"),
        ("jobs.0.time_windows", [[5]], "jobs[0].time_windows[0]"),
        ("jobs.0.time_windows", [[9, 5]], "jobs[0].time_windows[0]"),
        ("jobs.0.time_windows", [[0, 50], [40, 90]], "jobs[0].time_windows"),
        ("jobs.0.lock", "glued", "jobs[0].lock"),
        ("jobs.0.location", [105], "jobs[0].location"),
        ("jobs.0.location", [9.1, 105.2], "jobs[0].location"),
        ("jobs.0.description", 7, "jobs[0].description"),
        ("jobs.0.service_per_type", {"boat": 5}, "jobs[0].service_per_type"),
        ("vehicles.0.start_index", 7, "vehicles[0].start"),
        ("vehicles.0.time_window", [5, 1], "vehicles[0].time_window"),
        ("vehicles.0.speed_factor", "fast", "vehicles[0].speed_factor"),
        ("vehicles.0.speed_factor", 0, "vehicles[0].speed_factor"),
        ("vehicles.0.profile", "boat", "vehicles[0].profile"),
        ("vehicles.0.costs", {"per_hour": -1}, "vehicles[0].costs.per_hour"),
        ("vehicles.0.costs", [], "vehicles[0].costs"),
        ("vehicles.0.breaks", [{"time_windows": [[0, 1]]}], "vehicles[0].breaks[0].id"),
        ("vehicles.0.steps", [{"type": "nap"}], "vehicles[0].steps[0].type"),
        ("vehicles.0.steps", [{"type": "job", "id": 99}], "vehicles[0].steps[0].id"),
        ("matrices", {"car": {}}, "matrices.car.durations"),
        ("matrices.car.durations", [[0, 1], [1, 0]], "matrices.car.distances"),
        ("matrices.car.durations", [[0, 1, 1], [1, -4, 0], [0, 0, 0]], "matrices.car.durations[1][1]"),
        ("matrices.car.durations", [[0, 1, 1], [1, float("nan"), 0], [0, 0, 0]], "matrices.car.durations[1][1]"),
        ("matrices.car.distances", [[0, 1], [1, 0]], "matrices.car.distances"),
        ("matrices.car.costs", [[0, 1, 1], [1, 0, 0], [0, 0, 2**40]], "matrices.car.costs[2][2]"),
        ("shipments", [{"pickup": {"id": 1, "location_index": 0}}], "shipments[0].delivery"),
    ],
)  # fmt: skip
def test_a_wrong_member_is_vrooms_error_2_and_is_named(path, value, field):
    with pytest.raises(InvalidProblem) as refusal:
        read_problem(changed(path, value))
    assert refusal.value.field == field
    body = error_body(refusal.value)
    assert body["code"] == 2
    assert body["error"].startswith(field)


@pytest.mark.parametrize("body", [None, [], "text", 7, {}])
def test_what_is_no_body_is_error_2(body):
    with pytest.raises(InvalidProblem):
        read_problem(body)


def test_errors_have_vrooms_codes():
    assert error_body(TravelFailed("the road server is silent")) == {"code": 3, "error": "the road server is silent"}
    assert error_body(EngineFailed("secret traceback")) == {"code": 1, "error": "internal error"}


@pytest.mark.parametrize(
    ("options", "seconds"), [({}, 5.0), ({"time_limit": 2}, 2.0), ({"time_limit": 99}, 30.0), (None, 5.0)]
)
def test_the_time_limit_is_read_and_held_to_the_most(options, seconds):
    assert requested_seconds({"options": options}) == seconds


@pytest.mark.parametrize("wanted", [0, -1, "5", True, float("nan"), float("inf")])
def test_a_senseless_time_limit_is_refused(wanted):
    with pytest.raises(InvalidProblem, match=r"options\.time_limit"):
        requested_seconds({"options": {"time_limit": wanted}})


# -- the command line


def command(*arguments, stdin: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "routing", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_plans_checks_and_objects(tmp_path):
    began = time.monotonic()
    done = command("solve", "-", "--time-limit", "3", "--seed", "1", stdin=json.dumps(a_body()))
    assert time.monotonic() - began < 3.5
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["summary"]["cost"] == 400
    problem, solution = tmp_path / "problem.json", tmp_path / "solution.json"
    problem.write_text(json.dumps(a_body()), encoding="utf-8")
    solution.write_text(done.stdout, encoding="utf-8")
    good = command("check", problem, solution)
    assert (good.returncode, json.loads(good.stdout)) == (0, {"cost": 400, "violations": []})
    answer["routes"][0]["steps"][1]["arrival"] += 5
    solution.write_text(json.dumps(answer), encoding="utf-8")
    bad = command("check", problem, solution)
    assert bad.returncode == 1
    assert {v["code"] for v in json.loads(bad.stdout)["violations"]} >= {"timing"}
    assert command("check", problem, tmp_path / "nowhere.json").returncode == 2


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"vehicles": [], "jobs": []}', '{"jobs": [{"id": 1}]}'])
def test_unreadable_input_is_vrooms_error_not_a_traceback(text):
    done = command("solve", "-", stdin=text)
    assert done.returncode == 2
    assert json.loads(done.stdout)["code"] == 2
    assert "Traceback" not in done.stderr
