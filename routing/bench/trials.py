"""Trials of the optimiser alone: re-planning a running day, proofs of routes, deadlines kept whatever happens.

Each trial is a process of its own, `python -m routing.bench.trials KIND '{...}'`, that prints one line of JSON per
finding; `Trials` keeps them in a table and does none twice.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from routing.bench.measuring import descendants, measure
from routing.days import day_instance
from routing.instances import Carrier, Instance
from routing.problem import Problem
from routing.solution import Solution
from routing.vrplib import problem_of

_RUNNING_STOPS: Final = 150
_MOST_CHANGES: Final = 6
_PLAN_SECONDS: Final = 10.0
_MOST_MOVED: Final = 0.03
_PROVABLE_STOPS: Final = 40


class Trials:
    """A table of findings in `file`, one line per finding with the trial's arguments in front."""

    def __init__(self, kind: str, file: Path, *, cores: Sequence[int], say: Callable[[str], None]) -> None:
        self.kind = kind
        self.file = file
        self.cores = tuple(cores)
        self.say = say

    def rows(self) -> list[dict[str, str]]:
        """What has been found so far."""
        if not self.file.exists():
            return []
        with self.file.open(encoding="utf-8", newline="") as source:
            return [row for row in csv.DictReader(source) if None not in row.values()]

    def carry_out(self, trials: Sequence[Mapping[str, Any]], *, seconds: float) -> None:
        """Do the trials that the table does not hold; each is killed after `seconds`."""
        done = {row["trial"] for row in self.rows()}
        for trial in trials:
            name = json.dumps(trial, sort_keys=True)
            if name in done:
                continue
            command = [sys.executable, "-m", "routing.bench.trials", self.kind, name]
            found = measure(command, cores=self.cores, seconds=seconds, environment={"OPENBLAS_NUM_THREADS": "1"})
            findings = [said for said in found.said if isinstance(said, dict)]
            if found.killed or found.exit_code or not findings:
                last = found.errors.strip().splitlines()[-1:] or ["nothing said"]
                raise RuntimeError(f"{self.kind} {name} ended with {found.exit_code}: {last[0]}")
            self._note(name, findings, cpu=found.cpu)
            self.say(f"{self.kind} {name}: {len(findings)} findings, {json.dumps(findings[-1])}")

    def _note(self, name: str, findings: Sequence[Mapping[str, Any]], *, cpu: float) -> None:
        """All findings of a trial in one write, so that a kill leaves all or none."""
        new = not self.file.exists()
        with self.file.open("a", encoding="utf-8", newline="") as target:
            writer = csv.writer(target, lineterminator="\n")
            if new:
                writer.writerow(["trial", "cpu", *findings[0]])
            writer.writerows([name, f"{cpu:.2f}", *finding.values()] for finding in findings)
            target.flush()
            os.fsync(target.fileno())


# -- re-planning


def _replan(
    day: int, changes: int, seed: int, price: int, seconds: float, *, breakdown: bool = False
) -> Iterator[dict[str, Any]]:
    """A running day with some changes: planned anew by what a product calls, and from nothing, in the same time.

    At most 3 % of the stops to come may change postman.
    `moved` are the known stops to come that change postman, `forced` those among them that also do so where nobody moves
    but those who no longer fit. What a postman who breaks down was still to do is `freed` and not counted among either.
    `disturbed` are the stops begun before that have another postman or time in the new plan.
    """
    from routing.replanning import broken_down, replan  # noqa: PLC0415 - loads the engines
    from routing.solving import solve  # noqa: PLC0415 - see above

    warm_pool(1)
    whole = problem_of(day_instance(day, stops=_RUNNING_STOPS + _MOST_CHANGES))
    known = whole.replace(jobs=whole.jobs[:_RUNNING_STOPS])
    running = solve(known, seconds=_PLAN_SECONDS, seed=seed)
    rng = random.Random(f"{day} {changes} {seed}")  # noqa: S311 - an invented day, not a secret
    now = rng.randint(1, 4) * 3600
    changed, kept = _changed(whole, running, now=now, changes=changes, rng=rng)
    began = time.monotonic()
    positions: Mapping[int, int] | None = None
    freed: tuple[int, ...] = ()
    if breakdown:
        stranded = broken_down(changed, running, _unlucky(running, kept, rng), now=now)
        changed, positions, freed = stranded.problem, stranded.positions, stranded.freed
        kept = [job for job in kept if job not in freed]
    warm = replan(
        changed, running, stability=price, seconds=seconds, seed=seed, now=now, positions=positions,
        most_moved=int(_MOST_MOVED * len(kept)), uncounted=freed,
    )  # fmt: skip
    wall = time.monotonic() - began
    cold = solve(warm.problem, seconds=seconds, seed=seed)
    before = _postmen(running)
    anew, patched = _postmen(cold), _postmen(warm.inserted)
    yield {
        "day": day, "changes": changes, "breakdown": breakdown, "now": now, "still_to_come": len(kept),
        "freed": len(freed), "disturbed": _disturbed(running, warm.solution, now=now), "moved": len(set(warm.moved) & set(kept)),
        "forced": sum(job in warm.moved and patched.get(job, before[job]) != before[job] for job in kept),
        "moved_cold": sum(anew.get(job) != before[job] for job in kept), "wall": round(wall, 3),
        "warm_cost": warm.solution.cost, "cold_cost": cold.cost, "inserted_cost": warm.inserted.cost,
        "warm_left_out": len(warm.solution.unassigned), "cold_left_out": len(cold.unassigned),
    }  # fmt: skip


def _postmen(solution: Solution) -> dict[int | None, int]:
    return {step.id: route.vehicle for route in solution.routes for step in route.visits}


def _unlucky(running: Solution, coming: Sequence[int], rng: random.Random) -> int:
    """A vehicle that still has something to do."""
    wanted = set(coming)
    return rng.choice(
        [route.vehicle for route in running.routes if any(step.id in wanted for step in route.visits)]
    )  # fmt: skip


def _disturbed(running: Solution, plan: Solution, *, now: int) -> int:
    """How many of the stops that were begun by `now` have another postman or another time."""
    after = {step.id: (route.vehicle, step.begins) for route in plan.routes for step in route.visits}
    begun = {step.id: (route.vehicle, step.begins) for route in running.routes for step in route.visits}
    return sum(after.get(job) != fact for job, fact in begun.items() if fact[1] <= now)


def _changed(
    whole: Problem, running: Solution, *, now: int, changes: int, rng: random.Random
) -> tuple[Problem, list[int]]:
    """The day as it is known at `now`, and the ids of the known jobs that are still to come."""
    jobs = {job.id: job for job in whole.jobs[:_RUNNING_STOPS]}
    begun = {step.id for route in running.routes for step in route.visits if step.begins <= now}
    coming = [job for job in jobs if job not in begun]
    new = list(whole.jobs[_RUNNING_STOPS:])
    for _ in range(changes):
        kind = rng.choice(["new", "new", "cancelled", "hours"])
        if kind == "new":
            job = new.pop()
            jobs[job.id] = dataclasses.replace(job, time_windows=())
        elif kind == "cancelled":
            cancelled = coming.pop(rng.randrange(len(coming)))
            del jobs[cancelled]
        else:
            asked = rng.choice(coming)
            jobs[asked] = dataclasses.replace(jobs[asked], time_windows=((now + 3600, now + 3 * 3600),))
    return whole.replace(jobs=tuple(jobs.values())), coming


# -- proofs


def _proofs(day: int, seed: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Each route of a planned day, with its windows and without any."""
    from routing.engines.resequencing import resequence  # noqa: PLC0415 - loads OR-Tools
    from routing.engines.tours import load_libraries  # noqa: PLC0415 - see above
    from routing.solving import solve, visits_of  # noqa: PLC0415 - see above

    warm_pool(1)
    load_libraries()
    problem = problem_of(day_instance(day))
    visits = visits_of(problem, solve(problem, seconds=_PLAN_SECONDS, seed=seed))
    free = problem.replace(jobs=tuple(dataclasses.replace(job, time_windows=()) for job in problem.jobs))
    for windows, asked in ((True, problem), (False, free)):
        for vehicle, route in enumerate(visits):
            if not 2 <= len(route) <= _PROVABLE_STOPS:
                continue
            began = time.monotonic()
            found = resequence(asked, vehicle, route, seconds=seconds)
            yield {
                "day": day, "vehicle": vehicle, "stops": len(route), "windows": windows, "proven": found.proven,
                "cost": found.cost, "bound": found.lower_bound,
                "gap": round(100 * (1 - found.lower_bound / found.cost), 3) if found.cost else 0.0,
                "gained": _cost(asked, vehicle, route) - found.cost, "wall": round(time.monotonic() - began, 3),
            }  # fmt: skip


def _cost(problem: Problem, vehicle: int, visits: tuple[int, ...]) -> int:
    from routing.timetable import Timetable  # noqa: PLC0415 - see above

    found = Timetable(problem).cost(vehicle, visits)
    assert found is not None  # noqa: S101 - the routes come from a checked plan
    return found


# -- deadlines


def scattered(stops: int, seed: int) -> Instance:
    """Stops anywhere on a plane of 30 km, 60 to a bag, without windows; no table where they are thousands."""
    rng = np.random.default_rng(seed)
    places = np.round(rng.random((stops + 1, 2)) * 30_000)
    delivery = np.ones((stops + 1, 1), dtype=np.int64)
    delivery[0] = 0
    nothing = np.zeros(stops + 1, dtype=np.int64)
    table = None
    if stops < 4000:
        table = np.round(np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=2))).astype(np.int64)
    return Instance(
        name=f"scattered-{stops}-{seed}", kind="CVRP", convention="round", depots=1, places=places, distances=table,
        delivery=delivery, pickup=delivery * 0, service=nothing, windows=None, release=nothing, prize=nothing, pairs=(),
        carriers=(Carrier(capacity=(60,)),) * (stops // 50 + 2),
    )  # fmt: skip


def warm_pool(processes: int) -> None:
    """Let every process that `solve` will use be there with all it needs; raises RuntimeError when that takes a minute."""
    from routing.solving import solve  # noqa: PLC0415 - loads the engines

    problem = problem_of(scattered(10, 0))
    for _ in range(60):
        began = time.monotonic()
        heard: list[float] = []
        solve(problem, seconds=1.0, processes=processes, on_best=lambda _: heard.append(time.monotonic() - began))  # noqa: B023
        if heard[0] < 0.5:  # a plan from a search; where there is none, the first comes when the time is up
            return
    raise RuntimeError("no search has begun within a minute")


def _text_of(instance: Instance) -> str:
    assert instance.places is not None  # noqa: S101 - scattered places
    nodes = "".join(f"{n} {x:.0f} {y:.0f}\n" for n, (x, y) in enumerate(instance.places, start=1))
    demands = "".join(f"{n} {int(d)}\n" for n, (d,) in enumerate(instance.delivery, start=1))
    return (
        f"NAME: {instance.name}\nTYPE: CVRP\nDIMENSION: {instance.size}\nVEHICLES: {len(instance.carriers)}\n"
        f"CAPACITY: 60\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n{nodes}DEMAND_SECTION\n{demands}DEPOT_SECTION\n1\nEOF\n"
    )


def _deadline(
    stops: int, seconds: float, processes: int, accident: str, how: str, seed: int
) -> Iterator[dict[str, Any]]:
    """One search with a limit; half-way through, one of its children is killed or stopped, if that is the accident."""
    instance = scattered(stops, seed)
    arguments = {"stops": stops, "limit": seconds, "processes": processes, "accident": accident, "how": how}
    if how == "command":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "a.vrp"
            file.write_text(_text_of(instance), encoding="utf-8")
            command = [
                sys.executable, "-m", "routing", "solve-vrplib", str(file), "--time-limit", f"{seconds:g}",
                "--processes", str(processes), "--output", str(Path(folder) / "a.sol"),
            ]  # fmt: skip
            found = measure(command, cores=sorted(os.sched_getaffinity(0)), seconds=seconds + 60)
        yield arguments | {
            "wall": round(found.wall, 3),
            "over": round(found.wall - seconds, 3),
            "ended": found.exit_code,
            "hit": 0,
        }
        return
    from routing.solving import solve  # noqa: PLC0415 - loads the engines

    problem = problem_of(instance)
    warm_pool(processes)
    hit: list[int] = []
    blow = threading.Timer(seconds / 2, _strike, [accident, hit])
    if accident != "none":
        blow.start()
    began = time.monotonic()
    solution = solve(problem, seconds=seconds, processes=processes, seed=seed)
    wall = time.monotonic() - began
    blow.cancel()
    for pid in hit:  # what was stopped must not stay behind
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    yield arguments | {
        "wall": round(wall, 3), "over": round(wall - seconds, 3), "ended": len(solution.unassigned), "hit": len(hit),
    }  # fmt: skip


def _strike(accident: str, hit: list[int]) -> None:
    """Kill or stop one search: a process that our child, the nursery, has forked."""
    nurseries = descendants(os.getpid(), deep=False)
    searches = [pid for nursery in nurseries for pid in descendants(nursery, deep=False)]
    for pid in searches[:1]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if accident == "killed" else signal.SIGSTOP)
            hit.append(pid)


_KINDS: Final[Mapping[str, Callable[..., Iterator[dict[str, Any]]]]] = {
    "replan": _replan,
    "proofs": _proofs,
    "deadline": _deadline,
}


if __name__ == "__main__":
    for finding in _KINDS[sys.argv[1]](**json.loads(sys.argv[2])):
        sys.stdout.write(json.dumps(finding) + "\n")
        sys.stdout.flush()
