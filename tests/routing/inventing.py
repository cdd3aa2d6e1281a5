"""Invented problems for the tests: small days of every kind, from a seed, so that hypothesis can shrink the seed's size."""

from __future__ import annotations

import dataclasses
import random

import numpy as np

from routing import (
    UNREACHABLE,
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
    Vehicle,
)

SHIFT = 20_000


def square(places: int, rng: random.Random, *, width: int = 4000, holes: float = 0.0) -> Matrix:
    points = np.array([(rng.uniform(0, width), rng.uniform(0, width)) for _ in range(places)])
    straight = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    crooked = np.array([[1 + rng.random() * 0.1 for _ in range(places)] for _ in range(places)])
    metres = np.rint(straight * crooked * 1.3).astype(int)
    seconds = np.rint(metres / 7).astype(int)
    for i in range(places):
        for j in range(places):
            if i != j and rng.random() < holes:
                seconds[i, j] = metres[i, j] = UNREACHABLE
    return Matrix(seconds=seconds, metres=metres)


def some_windows(rng: random.Random, *, share: float = 0.5, most: int = 3) -> tuple[tuple[int, int], ...]:
    if rng.random() > share:
        return ()
    edges = sorted(rng.sample(range(0, SHIFT + 2000, 50), 2 * rng.randint(1, most)))
    return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True))


def a_break(rng: random.Random, number: int) -> Break:
    windows = some_windows(rng, share=1, most=2)
    return Break(id=number, time_windows=windows, service=rng.choice([0, 600, 1800]))


def a_vehicle(rng: random.Random, number: int, places: int, dimensions: int, *, rich: bool) -> Vehicle:
    start, end = rng.randrange(places), rng.randrange(places)
    kind = rng.random()
    opens = rng.choice([0, 0, 1000])
    return Vehicle(
        id=number * 7 + 3,
        start=None if rich and kind < 0.1 else start,
        end=None if rich and kind > 0.8 else start if rng.random() < 0.5 else end,
        time_window=None if rich and rng.random() < 0.1 else (opens, opens + rng.choice([3000, 8000, SHIFT])),
        breaks=tuple(a_break(rng, n) for n in range(rng.choice([0, 0, 0, 1, 2]))) if rich else (),
        capacity=tuple(rng.choice([3, 6, 20]) for _ in range(dimensions)),
        skills=frozenset(rng.sample([1, 2, 3], rng.randint(0, 3))) if rich else frozenset(),
        speed_factor=rng.choice([1.0, 1.0, 1.37, 0.6]) if rich else 1.0,
        max_tasks=rng.choice([None, None, 3]) if rich else None,
        max_travel_time=rng.choice([None, None, 2500]) if rich else None,
        max_distance=rng.choice([None, None, 15_000]) if rich else None,
        costs=Costs(
            fixed=rng.choice([0, 500]), per_hour=rng.choice([3600, 3600, 1000]), per_km=rng.choice([0, 37]),
            per_task_hour=rng.choice([0, 50]),
        )
        if rich
        else Costs(),
    )  # fmt: skip


def a_problem(seed: int, *, jobs: int, vehicles: int, shipments: int = 0, rich: bool = True) -> Problem:
    """A day in which every rule of the model may appear; `rich=False` leaves windows, loads and set-up only."""
    rng = random.Random(seed)
    places = max(2, rng.randint(jobs // 2 + 1, jobs + 2 * shipments + 2))
    dimensions = rng.choice([0, 1, 2])
    fleet = tuple(a_vehicle(rng, n, places, dimensions, rich=rich) for n in range(vehicles))
    ids = [vehicle.id for vehicle in fleet]

    def amounts(share: float) -> tuple[int, ...]:
        return tuple(rng.choice([0, 1, 2]) if rng.random() < share else 0 for _ in range(dimensions))

    def serving() -> dict:
        if not rich:
            return {"priority": rng.choice([0, 0, 10])}
        return {
            "skills": frozenset(rng.sample([1, 2, 3], rng.choice([0, 0, 0, 1]))),
            "priority": rng.choice([0, 0, 10, 100]),
            "allowed_vehicles": frozenset(rng.sample(ids, rng.randint(1, len(ids)))) if rng.random() < 0.15 else None,
            "preferred_vehicles": frozenset(rng.sample(ids, 1)) if rng.random() < 0.3 else frozenset(),
            "preference_cost": rng.choice([0, 300]),
        }

    def stop(number: int) -> dict:
        return {
            "id": number,
            "location_index": rng.randrange(places),
            "setup": rng.choice([0, 0, 120]),
            "service": rng.choice([0, 60, 400]),
            "time_windows": some_windows(rng, share=0.4),
        }

    made = tuple(Job(**stop(10**20 + n), **serving(), delivery=amounts(0.7), pickup=amounts(0.4)) for n in range(jobs))
    if rich and rng.random() < 0.5:
        made = with_locks(made, fleet, rng)
    moved = tuple(
        Shipment(pickup=ShipmentStop(**stop(n)), delivery=ShipmentStop(**stop(n)), amount=amounts(0.9), **serving())
        for n in range(shipments)
    )
    matrix = square(places, rng, holes=rng.choice([0, 0, 0.05]) if rich else 0)
    return Problem(
        jobs=made, shipments=moved, vehicles=fleet, matrices={"car": matrix},
        dimension_names=("items", "cash_dong")[:dimensions],
    )  # fmt: skip


def with_locks(jobs: tuple[Job, ...], fleet: tuple[Vehicle, ...], rng: random.Random) -> tuple[Job, ...]:
    locked = []
    for rank, job in enumerate(jobs):
        kind = rng.choice([Lock.FREE, Lock.FREE, Lock.KEEP_POSTMAN, Lock.KEEP_ORDER, Lock.KEEP_TIME])
        vehicle = rng.choice(fleet).id
        at = rng.choice(job.time_windows)[0] if job.time_windows else rng.randrange(SHIFT)
        members = {} if kind is Lock.FREE else {"locked_vehicle": vehicle, "locked_rank": rank, "locked_time": at}
        locked.append(dataclasses.replace(job, lock=kind, **members))
    return tuple(locked)


def a_tiny_problem(seed: int, *, jobs: int = 4, vehicles: int = 2, shipments: int = 0) -> Problem:
    """A day of a few hundred seconds, small enough to be played second by second and tried in every order."""
    rng = random.Random(seed)
    places = rng.randint(2, jobs + 1)
    seconds = [[0 if i == j else rng.randint(1, 25) for j in range(places)] for i in range(places)]
    if rng.random() < 0.3:
        i, j = rng.sample(range(places), 2)
        seconds[i][j] = UNREACHABLE
    dimensions = rng.choice([0, 1, 2])

    def windows(share: float) -> tuple[tuple[int, int], ...]:
        if rng.random() > share:
            return ()
        edges = sorted(rng.sample(range(150), 2 * rng.randint(1, 2)))
        return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True))

    fleet = tuple(
        Vehicle(
            id=v,
            start=rng.choice([None, 0, 0, rng.randrange(places)]) if v else 0,
            end=rng.choice([None, 0, 0]) if not v else 0,
            time_window=(rng.choice([0, 10]), rng.choice([60, 120, 200])),
            breaks=tuple(
                Break(id=n, time_windows=windows(0.9), service=rng.choice([0, 5, 20]))
                for n in range(rng.choice([0, 0, 1, 2]))
            ),
            capacity=tuple(rng.choice([2, 4]) for _ in range(dimensions)),
            speed_factor=rng.choice([1.0, 1.0, 1.3]),
            max_tasks=rng.choice([None, None, 2]),
            costs=Costs(fixed=rng.choice([0, 20]), per_task_hour=rng.choice([0, 1800])),
        )
        for v in range(vehicles)
    )

    def stop(number: int) -> dict:
        return {
            "id": number,
            "location_index": rng.randrange(places),
            "setup": rng.choice([0, 0, 6]),
            "service": rng.choice([0, 3, 10]),
            "time_windows": windows(0.5),
        }

    def amounts() -> tuple[int, ...]:
        return tuple(rng.choice([0, 1, 2]) for _ in range(dimensions))

    made = tuple(
        Job(
            **stop(n), delivery=amounts(), pickup=amounts(), priority=rng.choice([0, 0, 5]),
            preferred_vehicles=frozenset(rng.choice([(), (), (0,)])), preference_cost=7,
        )
        for n in range(jobs)
    )  # fmt: skip
    moved = tuple(
        Shipment(pickup=ShipmentStop(**stop(n)), delivery=ShipmentStop(**stop(n)), amount=amounts())
        for n in range(shipments)
    )
    return Problem(jobs=made, shipments=moved, vehicles=fleet, matrices={"car": Matrix(seconds=seconds)})


def with_everything(problem: Problem, seed: int, *, breaks: bool = True, hour: int = 100) -> Problem:
    """The day with releases, prizes, prices of times, limits on duration, reloads, deposits, light breaks and ferries.

    `hour` is the length of the day's usual distances: 100 seconds for a tiny problem.
    """
    rng = random.Random(seed)

    def some(*values):
        return rng.choice(values)

    jobs = []
    for job in problem.jobs:
        soft = some(None, None, (rng.randint(0, hour), rng.randint(hour, 2 * hour)))
        jobs.append(
            dataclasses.replace(
                job, release=some(0, 0, 0, rng.randint(0, hour)), prize=some(None, None, 0, 7, 60), soft_window=soft,
                early_cost_per_hour=0 if soft is None else some(0, 0, 900, 5000),
                late_cost_per_hour=0 if soft is None else some(0, 700, 9000),
                retry_value_per_hour=some(0, 0, 0, 1300),
            )
        )  # fmt: skip
    names = [problem.dimension_name(d) for d in range(problem.dimensions)]
    places = range(problem.size)
    reloads = [
        Reload(
            id=50 + n, location_index=rng.choice(places), service=some(0, 4),
            time_windows=some((), (), ((hour // 3, hour), (hour + 20, 2 * hour))),
            empties=None if n == 0 or not names else frozenset(rng.sample(names, rng.randint(0, len(names)))),
        )
        for n in range(some(0, 1, 1, 2))
    ]  # fmt: skip
    vehicles = []
    for vehicle in problem.vehicles:
        overtime, target = (
            some(None, None, rng.randint(hour // 2, hour)),
            some(None, None, rng.randint(hour // 3, hour)),
        )
        light = tuple(rng.choice([1, 2, 3]) for _ in names)
        vehicles.append(
            dataclasses.replace(
                vehicle, max_duration=some(None, None, rng.randint(hour // 2, 2 * hour)), overtime_after=overtime,
                max_overtime=None if overtime is None else some(None, 0, 30), target_duration=target,
                reloads=tuple(r.id for r in reloads if rng.random() < 0.8), max_reloads=some(None, None, 1),
                breaks=tuple(
                    dataclasses.replace(rest, max_load=some(None, light)) for rest in vehicle.breaks
                ) if breaks else (),
                costs=dataclasses.replace(
                    vehicle.costs, per_overtime_hour=0 if overtime is None else some(0, 6000),
                    per_hour_over_target=0 if target is None else some(0, 2500),
                ),
            )
        )  # fmt: skip
    return problem.replace(
        jobs=tuple(jobs), vehicles=tuple(vehicles), reloads=tuple(reloads),
        matrices={name: with_ferries(matrix, rng, hour) for name, matrix in problem.matrices.items()},
    )  # fmt: skip


def with_ferries(matrix: Matrix, rng: random.Random, hour: int) -> Matrix:
    """Some ways lead over water, and then take as long as is to be expected there."""
    if rng.random() < 0.4:
        return matrix
    ferries = tuple(
        Crossing(
            opens=rng.randint(0, hour // 3), closes=rng.randint(hour, 2 * hour), headway=rng.choice([0, 7, 20, 35]),
            ride=rng.randint(1, 9), first=rng.choice([None, rng.randint(0, 2 * hour)]),
        )
        for _ in range(rng.choice([1, 2]))
    )  # fmt: skip
    seconds = matrix.seconds.astype(int)
    crossing = np.full(seconds.shape, -1)
    landing = np.zeros(seconds.shape, dtype=int)
    for i in range(len(seconds)):
        for j in range(len(seconds)):
            if i != j and rng.random() < 0.3 and seconds[i, j] != UNREACHABLE:
                ferry = rng.randrange(len(ferries))
                crossing[i, j], landing[i, j] = ferry, rng.choice([0, rng.randint(1, 9)])
                seconds[i, j] = (
                    landing[i, j]
                    + ferries[ferry].headway // 2
                    + ferries[ferry].ride
                    + rng.choice([0, rng.randint(0, 9)])
                )
    return Matrix(
        seconds=seconds, metres=matrix.metres, cost=matrix.cost,
        crossings=Crossings(ferries=ferries, crossing=crossing, to_landing=landing),
    )  # fmt: skip
