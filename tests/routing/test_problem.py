"""Bad input: every contradiction is refused with a code, the field and the value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import (
    UNREACHABLE,
    Break,
    Costs,
    Crossing,
    Crossings,
    InvalidProblem,
    Job,
    Lock,
    Matrix,
    Problem,
    Reload,
    Shipment,
    ShipmentStop,
    Vehicle,
)

SQUARE = [[0, 1, 2], [1, 0, 3], [2, 3, 0]]


def a_problem(*, job=None, vehicle=None, **members) -> Problem:
    given_members = {
        "jobs": (Job(**({"id": 1, "location_index": 1} | (job or {}))), Job(id=2, location_index=2)),
        "vehicles": (Vehicle(**({"id": 1, "start": 0, "end": 0, "capacity": (5,)} | (vehicle or {}))),),
        "matrices": {"car": Matrix(seconds=SQUARE)},
    }
    return Problem(**(given_members | members))


@pytest.mark.parametrize(
    ("code", "field", "change"),
    [
        ("no_vehicles", "vehicles", {"vehicles": ()}),
        ("no_matrix", "matrices", {"matrices": {}}),
        ("matrix_shape", "matrices", {"matrices": {"car": Matrix(seconds=SQUARE), "boat": Matrix(seconds=[[0]])}}),
        ("locations", "locations", {"locations": ((105.0, 9.0),)}),
        ("duplicate_id", "jobs[1].id", {"jobs": (Job(id=3, location_index=0), Job(id=3, location_index=1))}),
        ("duplicate_id", "vehicles[1].id", {"vehicles": (Vehicle(id=1, start=0), Vehicle(id=1, end=0))}),
        ("type", "jobs[0].id", {"job": {"id": "7"}}),
        ("type", "jobs[0].id", {"job": {"id": True}}),
        ("location_index", "jobs[0].location_index", {"job": {"location_index": 3}}),
        ("location_index", "jobs[0].location_index", {"job": {"location_index": -1}}),
        ("range", "jobs[0].service", {"job": {"service": -1}}),
        ("range", "jobs[0].service", {"job": {"service": 2**63}}),
        ("type", "jobs[0].setup", {"job": {"setup": 1.5}}),
        ("range", "jobs[0].priority", {"job": {"priority": 101}}),
        ("dimensions", "jobs[0].delivery", {"job": {"delivery": (1, 2)}}),
        ("range", "jobs[0].pickup[0]", {"job": {"pickup": (-1,)}}),
        ("range", "jobs[0].pickup[0]", {"job": {"pickup": (10**40,)}}),
        ("time_window", "jobs[0].time_windows[0]", {"job": {"time_windows": ((10, 5),)}}),
        ("time_window", "jobs[0].time_windows", {"job": {"time_windows": ((0, 10), (5, 20))}}),
        ("time_window", "jobs[0].time_windows[0]", {"job": {"time_windows": (5,)}}),
        ("range", "jobs[0].time_windows[0][1]", {"job": {"time_windows": ((0, 10**30),)}}),
        ("unknown_vehicle", "jobs[0].allowed_vehicles", {"job": {"allowed_vehicles": frozenset({9})}}),
        ("unknown_vehicle", "jobs[0].preferred_vehicles", {"job": {"preferred_vehicles": frozenset({9})}}),
        ("lock", "jobs[0].locked_vehicle", {"job": {"lock": Lock.KEEP_POSTMAN}}),
        ("lock", "jobs[0].locked_rank", {"job": {"lock": Lock.KEEP_ORDER, "locked_vehicle": 1}}),
        ("lock", "jobs[0].locked_time", {"job": {"lock": Lock.KEEP_TIME, "locked_vehicle": 1}}),
        (
            "lock",
            "jobs[0].locked_time",
            {"job": {"lock": Lock.KEEP_TIME, "locked_vehicle": 1, "locked_time": 900, "time_windows": ((0, 500),)}},
        ),
        ("no_place", "vehicles[0].start", {"vehicle": {"start": None, "end": None}}),
        ("location_index", "vehicles[0].end", {"vehicle": {"end": 3}}),
        ("profile", "vehicles[0].profile", {"vehicle": {"profile": "boat"}}),
        ("range", "vehicles[0].capacity[0]", {"vehicle": {"capacity": (-1,)}}),
        ("range", "vehicles[0].speed_factor", {"vehicle": {"speed_factor": 0.0}}),
        ("range", "vehicles[0].speed_factor", {"vehicle": {"speed_factor": 5.1}}),
        ("type", "vehicles[0].speed_factor", {"vehicle": {"speed_factor": float("nan")}}),
        ("time_window", "vehicles[0].time_window", {"vehicle": {"time_window": (100, 0)}}),
        ("range", "vehicles[0].max_tasks", {"vehicle": {"max_tasks": -1}}),
        ("range", "vehicles[0].costs.per_hour", {"vehicle": {"costs": Costs(per_hour=10**12)}}),
        ("no_distances", "vehicles[0]", {"vehicle": {"max_distance": 10}}),
        ("no_distances", "vehicles[0]", {"vehicle": {"costs": Costs(per_km=1)}}),
        ("range", "vehicles[0].breaks", {"vehicle": {"breaks": tuple(Break(id=n) for n in range(7))}}),
        ("duplicate_id", "vehicles[0].breaks[1].id", {"vehicle": {"breaks": (Break(id=1), Break(id=1))}}),
        ("dimensions", "vehicles[0].breaks[0].max_load", {"vehicle": {"breaks": (Break(id=1, max_load=()),)}}),
        ("range", "jobs[0].prize", {"job": {"prize": -1}}),
        ("type", "jobs[0].prize", {"job": {"prize": 1.0}}),
        ("range", "jobs[0].release", {"job": {"release": -1}}),
        ("time_window", "jobs[0].soft_window", {"job": {"soft_window": (9, 3)}}),
        ("range", "jobs[0].late_cost_per_hour", {"job": {"soft_window": (1, 2), "late_cost_per_hour": 10**10}}),
        ("range", "jobs[0].retry_value_per_hour", {"job": {"retry_value_per_hour": -1}}),
        ("costs", "jobs[0].early_cost_per_hour", {"job": {"early_cost_per_hour": 5}}),
        ("costs", "jobs[0].late_cost_per_hour", {"job": {"late_cost_per_hour": 5}}),
        ("range", "vehicles[0].max_duration", {"vehicle": {"max_duration": -1}}),
        ("range", "vehicles[0].max_reloads", {"vehicle": {"max_reloads": -1}}),
        ("costs", "vehicles[0].max_overtime", {"vehicle": {"max_overtime": 5}}),
        ("costs", "vehicles[0].costs.per_overtime_hour", {"vehicle": {"costs": Costs(per_overtime_hour=1)}}),
        ("costs", "vehicles[0].costs.per_hour_over_target", {"vehicle": {"costs": Costs(per_hour_over_target=1)}}),
        ("unknown_reload", "vehicles[0].reloads", {"vehicle": {"reloads": (4,)}}),
        ("type", "reloads[0].id", {"reloads": (Reload(id="a", location_index=0),)}),
        (
            "duplicate_id",
            "reloads[1].id",
            {"reloads": (Reload(id=1, location_index=0), Reload(id=1, location_index=2))},
        ),
        ("location_index", "reloads[0].location_index", {"reloads": (Reload(id=1, location_index=3),)}),
        ("range", "reloads[0].service", {"reloads": (Reload(id=1, location_index=0, service=-1),)}),
        (
            "time_window",
            "reloads[0].time_windows[0]",
            {"reloads": (Reload(id=1, location_index=0, time_windows=((5, 1),)),)},
        ),
        (
            "dimensions",
            "reloads[0].empties",
            {"reloads": (Reload(id=1, location_index=0, empties=frozenset({"gold"})),)},
        ),
        ("type", "matrices.car", {"matrices": {"car": [[0]]}}),
    ],
)
def test_a_contradiction_is_refused_with_its_code_and_field(code, field, change):
    with pytest.raises(InvalidProblem) as refusal:
        a_problem(**change)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert field in str(refusal.value)


@pytest.mark.parametrize(
    ("code", "field", "table"),
    [
        ("matrix_shape", "seconds", [[0, 1], [1]]),
        ("matrix_shape", "seconds", [[0, 1]]),
        ("matrix_shape", "seconds", []),
        ("matrix_value", "seconds[0][1]", [[0, -1], [1, 0]]),
        ("matrix_value", "seconds[1][0]", [[0, 1], [float("nan"), 0]]),
        ("matrix_value", "seconds[0][1]", [[0, float("inf")], [1, 0]]),
        ("matrix_value", "seconds[0][1]", [[0, 1.5], [1, 0]]),
        ("matrix_value", "seconds[0][1]", [[0, 2**31], [1, 0]]),
        ("matrix_value", "seconds[0][1]", [[0, 10**30], [1, 0]]),
        ("matrix_value", "seconds[0][1]", [[0, "9"], [1, 0]]),
        ("matrix_value", "seconds[0][1]", [[0, None], [1, 0]]),
    ],
)
def test_a_matrix_holds_whole_numbers_only(code, field, table):
    with pytest.raises(InvalidProblem) as refusal:
        Matrix(seconds=table)
    assert (refusal.value.code, refusal.value.field) == (code, field)


@pytest.mark.parametrize(
    ("code", "field", "change"),
    [
        ("matrix_shape", "crossings.crossing", {"crossing": [[-1, 0]]}),
        ("matrix_shape", "crossings.to_landing", {"to_landing": [[0.5, 0], [0, 0]]}),
        ("crossing", "crossings.crossing[0][1]", {"crossing": [[-1, 1], [-1, -1]]}),
        ("crossing", "crossings.crossing[1][0]", {"crossing": [[-1, 0], [-2, -1]]}),
        ("crossing", "crossings.to_landing[0][1]", {"to_landing": [[0, 31], [0, 0]]}),
        ("crossing", "crossings.to_landing[0][1]", {"to_landing": [[0, -1], [0, 0]]}),
        ("range", "crossings.ferries[0].ride", {"ride": 0}),
        ("range", "crossings.ferries[0].headway", {"headway": -1}),
        ("range", "crossings.ferries[0].first", {"first": -1}),
        ("range", "crossings.ferries[0].opens", {"opens": 1.5}),
        ("time_window", "crossings.ferries[0].closes", {"opens": 50, "closes": 40}),
    ],
)
def test_ferries_that_contradict_themselves_are_refused(code, field, change):
    tables = {"crossing": [[-1, 0], [-1, -1]], "to_landing": [[0, 30], [0, 0]]}
    ferry = {"opens": 0, "closes": 90, "headway": 20, "ride": 60}
    tables |= {name: value for name, value in change.items() if name in tables}
    ferry |= {name: value for name, value in change.items() if name not in tables}
    with pytest.raises(InvalidProblem) as refusal:
        Matrix(seconds=[[0, 100], [100, 0]], crossings=Crossings(ferries=(Crossing(**ferry),), **tables))
    assert (refusal.value.code, refusal.value.field) == (code, field)


def test_a_block_of_a_matrix_keeps_its_ferries_and_prices():
    water = Crossings(
        ferries=(Crossing(opens=0, closes=9, headway=2, ride=1),),
        crossing=[[-1, -1, 0], [-1, -1, -1], [-1, -1, -1]], to_landing=[[0, 0, 3], [0, 0, 0], [0, 0, 0]],
    )  # fmt: skip
    matrix = Matrix(seconds=[[0, 1, 8], [1, 0, 3], [2, 3, 0]], cost=[[0, 4, 5], [6, 0, 7], [8, 9, 0]], crossings=water)
    block = matrix.block([2, 0])
    assert (block.pair(1, 0), block.price(1, 0), block.crossings.crossing.tolist()) == ((8, 0), 5, [[-1, -1], [0, -1]])
    assert (matrix.size, matrix.has_metres, matrix.has_cost) == (3, False, True)


def test_reloads_are_tasks_behind_all_that_is_to_be_served():
    reloads = (Reload(id=1, location_index=2), Reload(id=9, location_index=0, empties=frozenset({"cash"})))
    problem = a_problem(
        reloads=reloads, dimension_names=("items", "cash"), vehicle={"reloads": (9,), "capacity": (5, 5)},
        shipments=(Shipment(pickup=ShipmentStop(id=1, location_index=1), delivery=ShipmentStop(id=1, location_index=2), prize=8),),
    )  # fmt: skip
    assert problem.stops == 4
    assert [t.prize for t in problem.tasks] == [None, None, 8, 0, None, None]
    behind = [(t.kind.value, t.index, t.id, t.loads, t.empties) for t in problem.tasks[problem.stops :]]
    assert behind == [("reload", 0, 1, True, {0, 1}), ("reload", 1, 9, False, {1})]
    assert [problem.may_serve(problem.vehicles[0], task) for task in problem.tasks[problem.stops :]] == [False, True]


def test_where_one_table_says_no_way_there_is_none():
    matrix = Matrix(seconds=[[0, 5], [5, 0]], metres=[[0, UNREACHABLE], [9, 0]])
    assert matrix.seconds.tolist() == [[0, UNREACHABLE], [5, 0]]


def test_a_problem_cannot_be_changed_behind_its_back():
    table = np.array(SQUARE)
    problem = a_problem(matrices={"car": Matrix(seconds=table)})
    table[0, 1] = 99
    assert problem.matrices["car"].seconds[0, 1] == 1
    with pytest.raises(ValueError, match="read-only"):
        problem.matrices["car"].seconds[0, 1] = 99
    with pytest.raises(AttributeError):
        problem.jobs = ()


def test_a_changed_copy_is_checked_again():
    problem = a_problem()
    assert [t.id for t in problem.replace(jobs=(Job(id=8, location_index=0),)).tasks] == [8]
    with pytest.raises(InvalidProblem):
        problem.replace(vehicles=())


def test_shipments_have_their_own_ids_and_follow_the_jobs_as_tasks():
    def shipment(number):
        return Shipment(
            pickup=ShipmentStop(id=number, location_index=1), delivery=ShipmentStop(id=number, location_index=2)
        )

    problem = a_problem(shipments=(shipment(1), shipment(2)))
    assert [(t.kind.value, t.id, t.partner) for t in problem.tasks] == [
        ("job", 1, None), ("job", 2, None), ("pickup", 1, 3), ("delivery", 1, 2), ("pickup", 2, 5), ("delivery", 2, 4),
    ]  # fmt: skip
    with pytest.raises(InvalidProblem, match=r"shipments\[1\].pickup.id = 1"):
        a_problem(shipments=(shipment(1), shipment(1)))


def frozen(number: int, rank: int, time: int | None) -> Job:
    return Job(id=number, location_index=number, lock=Lock.FROZEN, locked_vehicle=1, locked_rank=rank, locked_time=time)


@pytest.mark.parametrize(
    ("field", "jobs"),
    [
        ("jobs[1].locked_time", (frozen(1, 0, 100), frozen(2, 1, 90))),
        ("jobs[1].locked_time", (frozen(1, 0, None), frozen(2, 1, 90))),
        ("jobs[1].locked_rank", (frozen(1, 0, None), frozen(2, 0, None))),
        (
            "jobs.locked_rank",
            (frozen(1, 5, 100), Job(id=2, location_index=2, lock=Lock.KEEP_ORDER, locked_vehicle=1, locked_rank=4)),
        ),
    ],
)
def test_what_has_happened_must_have_happened_in_order(field, jobs):
    with pytest.raises(InvalidProblem) as refusal:
        a_problem(jobs=jobs)
    assert (refusal.value.code, refusal.value.field) == ("lock", field)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.lists(st.integers(), max_size=2), st.tuples(st.integers(), st.integers()),
)  # fmt: skip


@given(
    member=st.sampled_from(
        [
            "id",
            "location_index",
            "setup",
            "service",
            "delivery",
            "priority",
            "time_windows",
            "description",
            "prize",
            "release",
            "soft_window",
            "early_cost_per_hour",
            "retry_value_per_hour",
        ]
    ),
    value=anything,
)
def test_whatever_stands_in_a_job_it_is_taken_or_refused_with_a_code(member, value):
    refusal = None
    try:
        problem = a_problem(job={member: value})
    except InvalidProblem as error:
        refusal = error
    if refusal is None:
        assert getattr(problem.jobs[0], member) == value
    else:
        assert (bool(refusal.code), refusal.field.startswith("jobs[")) == (True, True)
