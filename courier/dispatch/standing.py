"""A plan of the database as the optimiser sees it, and back: what stands on the routes, what has happened, what is locked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

import routing
from courier.desk import Desk
from courier.dispatch.office_day import OfficeDay, day_problem, read_office_day, relieved
from courier.dispatch.writing import planned_route, totals, travel_of, why_left_out
from courier.domain.calendar import at_local
from courier.domain.doors import HELD, Door, LeftOut, Seconds, Waiting, door, doors, left_out, window_on
from courier.domain.errors import Refused
from courier.domain.item import State
from courier.store import plans
from courier.store.plans import CrewMember, PlannedRoute, PlannedStop, Visit
from courier.store.tables import Plan
from routing.checking import check_route
from routing.problem import kept_windows
from routing.telling import standing_plan
from routing.timetable import Timetable

TAKEN_OFF: Final = LeftOut(HELD, "Điều phối viên đã đưa ra khỏi tuyến.")
_NEWCOMER: Final = LeftOut(HELD, "Bưu gửi đến sau khi lập phương án.")
_CHANGED: Final = LeftOut(HELD, "Trạng thái bưu gửi đã đổi sau khi lập phương án.")
_RANKED: Final = (routing.Lock.KEEP_ORDER, routing.Lock.KEEP_TIME, routing.Lock.FROZEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPlan:
    """A plan as the optimiser sees it: job n is call n, vehicle n is crew member n, seconds count from local midnight.

    What was visited is frozen at its fact, what is in a bag keeps its postman, and the stops' own locks hold. What the
    plan leaves out but could be planned is unassigned. `solution` has the routes as they stand, with every rule they
    break in its `violations`.
    """

    sheet: OfficeDay
    calls: tuple[Door, ...]
    crew: tuple[CrewMember, ...]
    problem: routing.Problem
    solution: routing.Solution


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A door of the plan: on whose route (a seat of the crew), its lock, and when it was visited."""

    door: Door
    seat: int | None
    lock: routing.Lock = routing.Lock.FREE
    kept_at: Seconds | None = None
    visited_at: Seconds | None = None


# --------------------------------------------------------------------------------------------------------- reading
def read_standing(session: Session, desk: Desk, plan: Plan, *, at: datetime) -> StandingPlan:
    """The plan as it stands at `at`, on today's facts.

    Items that can no longer go out (cancelled, moved to another day) are on no call; a bag whose bearer is no longer of
    the office is not either. Times are worked out anew: who has not set out by `at` leaves no earlier.

    Raises:
        Refused: `nobody-at-work`, and the plan asks nothing of anybody.
    """
    bylaws = desk.facts.bylaws
    sheet = relieved(
        read_office_day(session, desk, plan.office_id, plan.day, at=at), plans.reliefs_of(session, plan.id)
    )
    routes = plans.routes_of(session, plan.id)
    routed = {route.postman_id for route in routes}
    crew = tuple(m for m in sheet.crew if sheet.shift(m) is not None or m.postman_id in routed)
    if not crew:  # everybody is away by now: the plan still shows what it asked of whom
        crew = tuple(
            m for m in plans.crew(session, plan.office_id, plan.day, at=at, keep=routed) if m.postman_id in routed
        )
    if not crew:
        raise Refused(
            "nobody-at-work", f"Ngày {plan.day:%d/%m/%Y} không có bưu tá nào làm việc; mời xem lịch làm việc."
        )
    seats = {member.postman_id: seat for seat, member in enumerate(crew)}
    on_routes = [item_id for route in routes for stop in route.stops for item_id in stop.items]
    visits = {
        item_id: visit
        for item_id, visit in plans.visits_on(session, on_routes, plan.day, bylaws).items()
        if _is_visited(visit, plan)
    }
    waiting = {item.id: item for item in sheet.items}
    found = [
        call for route in routes for stop in route.stops for call in _calls(stop, route, sheet, waiting, visits, seats)
    ]
    here = {item_id for call in found for item_id in call.door.items} | set(visits)
    others = [
        item
        for item in sheet.items
        if item.id not in here and left_out(item, sheet.day) is None and (item.holder is None or item.holder in seats)
    ]
    found += [_Call(door=call, seat=None) for call in doors(others, sheet.day)]
    return _stood(sheet, found, crew, plans.reasons_of(session, plan.id))


def _is_visited(visit: Visit, plan: Plan) -> bool:
    """Whether the visit is one of this plan's, and not what brought the item back into it."""
    if visit.state in (State.OUT, State.PLANNED, State.RECEIVED, State.REQUESTED):
        return False
    return visit.state is not State.HELD or visit.at > plan.created_at


def _calls(
    stop: PlannedStop,
    route: PlannedRoute,
    sheet: OfficeDay,
    waiting: Mapping[UUID, Waiting],
    visits: Mapping[UUID, Visit],
    seats: Mapping[UUID, int],
) -> Iterator[_Call]:
    """The stop as it is now: what was visited, and apart from it each bag and each window that is left."""
    midnight = at_local(sheet.day, 0)
    own = seats.get(route.postman_id)
    visited = [visits[item_id] for item_id in stop.items if item_id in visits]
    if visited:
        first = min(visited, key=lambda visit: visit.at)
        seat = own if first.postman_id is None else seats.get(first.postman_id, own)
        if seat is not None:
            yield _Call(
                door=door([visit.item for visit in visited], sheet.day),
                seat=seat,
                lock=routing.Lock.FROZEN,
                visited_at=int((first.at - midnight).total_seconds()),
            )
    parts: dict[tuple[object, ...], list[Waiting]] = {}
    for item_id in stop.items:
        item = None if item_id in visits else waiting.get(item_id)
        if item is not None and left_out(item, sheet.day) is None:
            parts.setdefault((item.holder, window_on(item, sheet.day)), []).append(item)
    for members in parts.values():
        holder = members[0].holder
        if holder is not None and holder not in seats:
            continue
        lock = routing.Lock(stop.lock)
        if own is None or (holder is not None and seats[holder] != own):
            lock = routing.Lock.FREE  # the bag decides, or nobody is there who could keep it
        yield _Call(
            door=door(members, sheet.day),
            seat=own,
            lock=lock,
            kept_at=int(((stop.kept_at or stop.arrives_at) - midnight).total_seconds()),
        )


def _stood(
    sheet: OfficeDay, found: Sequence[_Call], crew: tuple[CrewMember, ...], reasons: Mapping[UUID, LeftOut]
) -> StandingPlan:
    orders: list[list[int]] = [[] for _ in crew]
    for number, call in enumerate(found):
        if call.seat is not None:
            orders[call.seat].append(number)
    for order in orders:
        # What has happened comes first, as it happened; behind it what is frozen.
        order.sort(key=lambda number: _when(found[number]))
    places = {number: place for order in orders for place, number in enumerate(order)}
    calls = tuple(call.door for call in found)
    problem = day_problem(sheet, calls, crew)
    jobs = [_locked(job, found[job.id], places.get(job.id)) for job in problem.jobs]
    begun = {call.seat for call in found if call.visited_at is not None}
    problem = problem.replace(
        jobs=jobs, vehicles=[_at_work(v, crew[v.id], sheet, begun=v.id in begun) for v in problem.vehicles]
    )
    solution = standing_plan(problem, Timetable(problem), tuple(tuple(order) for order in orders))
    known = {
        number: reasons[call.items[0]]
        for number, call in enumerate(calls)
        if number not in places and call.items[0] in reasons
    }
    unassigned = tuple(_with_reason(missed, known.get(missed.id)) for missed in solution.unassigned)
    return StandingPlan(
        sheet=sheet, calls=calls, crew=crew, problem=problem, solution=replace(solution, unassigned=unassigned)
    )


def _when(call: _Call) -> tuple[int, int]:
    if call.visited_at is not None:
        return (0, call.visited_at)
    return (1 if call.lock is routing.Lock.FROZEN else 2, 0)


def _locked(job: routing.Job, call: _Call, place: int | None) -> routing.Job:
    """The job with what holds it: its visit, its bag or the stop's lock."""
    if call.visited_at is not None:
        # It has happened: who may, when, and what it weighs are no questions any more.
        return replace(
            job,
            lock=routing.Lock.FROZEN,
            locked_vehicle=call.seat,
            locked_rank=place,
            locked_time=call.visited_at,
            allowed_vehicles=None,
            time_windows=(),
            delivery=(),
            pickup=(),
        )
    if call.lock is routing.Lock.FREE or call.seat is None:
        return job
    if job.lock is routing.Lock.KEEP_POSTMAN and call.lock is routing.Lock.KEEP_POSTMAN:
        return job
    locked = replace(
        job,
        lock=call.lock,
        locked_vehicle=call.seat,
        locked_rank=place if call.lock in _RANKED else None,
        locked_time=call.kept_at if call.lock is routing.Lock.KEEP_TIME else None,
        allowed_vehicles=None if call.lock is routing.Lock.FROZEN else job.allowed_vehicles,
    )
    if call.lock is routing.Lock.KEEP_TIME and not kept_windows(locked):
        # The promise has moved away from the time that was kept: the place in the order is what is left to keep.
        return replace(locked, lock=routing.Lock.KEEP_ORDER, locked_time=None)
    return locked


def _at_work(vehicle: routing.Vehicle, member: CrewMember, sheet: OfficeDay, *, begun: bool) -> routing.Vehicle:
    """Who has begun left from the office; who has a route but nothing left of his shift can only be late."""
    if vehicle.time_window is None:
        closes = member.shift[1]
        vehicle = replace(vehicle, time_window=(min(max(member.shift[0], sheet.opens), closes), closes))
    return replace(vehicle, start=0) if begun else vehicle


def _with_reason(missed: routing.Unassigned, why: LeftOut | None) -> routing.Unassigned:
    if why is None or why.code not in set(routing.ReasonCode):
        return replace(missed, sentence="" if why is None else why.sentence)
    return replace(missed, code=routing.ReasonCode(why.code), sentence=why.sentence)


# --------------------------------------------------------------------------------------------------------- writing
def write_solution(
    session: Session,
    _desk: Desk,
    plan: Plan,
    standing: StandingPlan,
    solution: routing.Solution,
    *,
    at: datetime,
    problem: routing.Problem | None = None,
) -> None:
    """Write the routes, their sums and what is left out anew; the caller bumps the version and has locked the plan.

    The stops' locks are those of `standing.problem`. Where the solution is of another problem with the same calls and
    crew (what has begun frozen, positions added), `problem` is that one, and says which rules the routes break.
    """
    before = plans.routes_of(session, plan.id)
    was_there = {item_id for route in before for stop in route.stops for item_id in stop.items}
    known = plans.reasons_of(session, plan.id)
    kept = []
    for route in solution.routes:
        written = planned_route(route, standing.sheet, standing.calls, standing.crew, standing.problem)
        if written.stops:
            broken = [
                told(fault, route, len(standing.calls)) for fault in check_route(problem or standing.problem, route)
            ]
            kept.append(replace(written, summary=dict(written.summary) | {"violations": broken}))
    reasons: dict[UUID, LeftOut] = {}
    for missed in solution.unassigned:
        call = standing.calls[missed.id]
        for item_id in call.items:
            if missed.code is not None and (item_id not in known or known[item_id].code != missed.code):
                reasons[item_id] = why_left_out(missed, call)
            elif item_id in known:
                reasons[item_id] = known[item_id]
            else:
                reasons[item_id] = TAKEN_OFF if item_id in was_there else _NEWCOMER
    placed = {item_id for route in kept for stop in route.stops for item_id in stop.items}
    for item in standing.sheet.items:
        if item.id not in placed and item.id not in reasons and (why := left_out(item, standing.sheet.day)) is not None:
            reasons[item.id] = why
    gone = was_there - placed - set(reasons)
    reasons |= dict.fromkeys(gone, _CHANGED)
    plans.erase_routes(session, plan.id)
    plans.erase_unplanned(session, plan.id)
    plans.write_routes(session, plan.id, kept)
    plans.write_unplanned(session, plan.id, reasons)
    engine: dict[str, Any] = {"engine": plan.summary["engine"]} if "engine" in plan.summary else {}
    plan.cost, plan.travel = solution.cost, travel_of(standing.problem.travel)
    plan.summary = totals(kept) | engine | {"changed_at": at.isoformat()}


def told(fault: routing.Violation, route: routing.Route, calls: int) -> dict[str, Any]:
    """A broken rule as a route's summary keeps it: its code, which stop of the route (from 1, None: the route), by how much."""
    steps = [step for step in route.visits if step.id is not None and step.id < calls]
    step = route.steps[fault.step] if fault.step is not None else None
    stop = next(
        (n for n, one in enumerate(steps, start=1) if one is step or (step is None and one.id == fault.task)), None
    )
    return {"code": fault.code, "stop": stop, "seconds": fault.seconds}
