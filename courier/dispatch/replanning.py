"""What is left of a running day, planned anew from where people are: what was visited stays, and bags are hardly reshuffled.

Every answer is a new plan beside the published one. Nothing changes for anybody until it is published.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

import routing
from courier.desk import Desk
from courier.dispatch.office_day import LEAST_SECONDS, plan_of
from courier.dispatch.standing import StandingPlan, read_standing, write_solution
from courier.dispatch.writing import planned_route, stops_of, totals
from courier.domain.calendar import at_local, local_day
from courier.domain.doors import left_out
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Refused, Stale
from courier.domain.item import EventType
from courier.domain.people import Caller, Role
from courier.store import items, plans
from courier.store.tables import Item, Plan
from routing.insertion import Insertion
from routing.problem import TaskKind, frozen_visits
from routing.replanning import Replanned, replan
from routing.solving import EngineFailed, visits_of
from routing.telling import standing_route
from routing.timetable import Timetable

_log = logging.getLogger(__name__)

USUAL_SECONDS: Final = 1.0
MOST_SECONDS: Final = 10.0
USUAL_STABILITY: Final = 1800
"""A loaded stop goes to somebody else only for half an hour of travel: two people have to meet for it."""
MOST_STABILITY: Final = 86_400
MOST_MOVED: Final = 0.03
_CASH: Final = 1
"""Which dimension of a load is money; the first is items."""
_HANDING_OUT_SECONDS: Final = 300
"""Our assumption: an item is found, signed for and in the bag within five minutes."""
_LOOSE: Final = (routing.Lock.FREE, routing.Lock.KEEP_POSTMAN)


@dataclass(frozen=True, slots=True)
class _Now:
    """A running plan as a problem for the rest of the day: everybody stands where his last act was, now."""

    problem: routing.Problem
    loaded: frozenset[int]


def replan_rest(
    desk: Desk,
    caller: Caller,
    plan_id: UUID,
    *,
    version: int,
    at: datetime,
    seconds: float = USUAL_SECONDS,
    stability: int = USUAL_STABILITY,
) -> UUID:
    """Plan anew what a published plan still has to do; at most 3 % of the loaded stops change hands. Returns the new plan's id.

    `stability` is what a loaded stop with another postman must save, in seconds of travel.

    Raises:
        Forbidden, Missing, Stale: as usual.
        Invalid: `seconds` or `stability` out of bounds.
        Refused: `not-published`, `not-today`, `no-answer` where the optimiser could not be asked.
    """
    return _anew(desk, caller, plan_id, None, version=version, at=at, seconds=seconds, stability=stability)


def break_down(
    desk: Desk,
    caller: Caller,
    plan_id: UUID,
    postman_id: UUID,
    *,
    version: int,
    at: datetime,
    seconds: float = USUAL_SECONDS,
    stability: int = USUAL_STABILITY,
) -> UUID:
    """The same without a postman who cannot go on: everything that he still had goes to others. Returns the new plan's id.

    Raises:
        As `replan_rest`, and Missing when he has no round on the plan.
    """
    return _anew(desk, caller, plan_id, postman_id, version=version, at=at, seconds=seconds, stability=stability)


def _anew(
    desk: Desk,
    caller: Caller,
    plan_id: UUID,
    broken: UUID | None,
    *,
    version: int,
    at: datetime,
    seconds: float,
    stability: int,
) -> UUID:
    _require_dispatcher(caller)
    _require_bounds(seconds, stability)
    with desk.database.read() as session:
        plan = _running(session, caller, plan_id, version=version, at=at)
        if broken is not None and all(route.postman_id != broken for route in plans.routes_of(session, plan.id)):
            raise Missing("postman", broken)
        standing = read_standing(session, desk, plan, at=at)
    seat = next((n for n, member in enumerate(standing.crew) if member.postman_id == broken), None)
    now = _as_of(standing, at)
    problem, freed = _without(now.problem, standing, seat) if seat is not None else (now.problem, frozenset())
    loaded = now.loaded - freed
    try:
        found = replan(
            problem,
            standing.solution,
            stability=stability,
            seconds=seconds,
            most_moved=int(MOST_MOVED * len(loaded)),
            uncounted=[job.id for job in problem.jobs if job.id not in loaded],
        )
    except (EngineFailed, routing.InvalidProblem) as fault:
        _log.error("plan %s could not be planned anew: %s", plan_id, fault)
        raise Refused("no-answer", "Không lập lại được phần còn lại lúc này; đã ghi nhật ký. Mời thử lại.") from fault
    with desk.database.write() as session:
        plan = _running(session, caller, plan_id, version=version, at=at)
        return _store(session, desk, caller, plan, standing, found, broken=broken, at=at, seconds=seconds)


def _store(
    session: Session,
    desk: Desk,
    caller: Caller,
    running: Plan,
    standing: StandingPlan,
    found: Replanned,
    *,
    broken: UUID | None,
    at: datetime,
    seconds: float,
) -> UUID:
    plan = plans.begin_plan(
        session,
        office_id=running.office_id,
        day=running.day,
        seconds=float(seconds),
        by=caller.id,
        at=at,
        solved=True,
    )
    write_solution(session, desk, plan, standing, _without_places(found, standing), at=at, problem=found.problem)
    holders = {n: call.holder for n, call in enumerate(standing.calls) if call.holder is not None}
    riders = {step.id: route.vehicle for route in found.solution.routes for step in route.visits}
    hands = [
        str(item_id)
        for n, holder in holders.items()
        if (seat := riders.get(n)) is not None and standing.crew[seat].postman_id != holder
        for item_id in standing.calls[n].items
    ]
    plan.summary = dict(plan.summary) | {
        "replanned": {"from": str(running.id), "broken": str(broken) if broken else None, "hands": hands}
    }
    return plan.id


def _without_places(found: Replanned, standing: StandingPlan) -> routing.Solution:
    """The new plan without routes that only say where somebody stands."""
    calls = len(standing.calls)
    kept = [
        route for route in found.solution.routes if any((s.id or 0) < calls for s in route.visits if s.id is not None)
    ]
    missed = [one for one in found.solution.unassigned if one.id < calls]
    return replace(found.solution, routes=tuple(kept), unassigned=tuple(missed))


def _require_dispatcher(caller: Caller) -> None:
    if caller.role not in (Role.DISPATCHER, Role.ADMIN):
        raise Forbidden("Only a dispatcher plans.")


def _require_bounds(seconds: float, stability: int) -> None:
    faults = []
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        sentence = f"Thời gian giải từ {LEAST_SECONDS:g} đến {MOST_SECONDS:g} giây, nhận {seconds:g}."
        faults.append(FieldError("seconds", "out-of-range", sentence))
    if not 0 <= stability <= MOST_STABILITY:
        faults.append(FieldError("stability", "out-of-range", f"Từ 0 đến {MOST_STABILITY} giây, nhận {stability}."))
    if faults:
        raise Invalid(*faults)


def _running(session: Session, caller: Caller, plan_id: UUID, *, version: int, at: datetime) -> Plan:
    plan = plan_of(session, caller, plan_id)
    if plan.version != version:
        raise Stale("plan", expected=version, found=plan.version)
    if plan.state != "published":
        raise Refused("not-published", "Chỉ lập lại phần còn lại của phương án đang được công bố.")
    if plan.day != local_day(at):
        raise Refused("not-today", f"Phương án này của ngày {plan.day:%d/%m/%Y}, không phải hôm nay.")
    return plan


# -------------------------------------------------------------------------------------------------- where people are
def _as_of(standing: StandingPlan, at: datetime) -> _Now:
    """The problem of the rest of the day. What is in a bag is free to change hands, whatever the price of that."""
    now = int((at - at_local(standing.sheet.day, 0)).total_seconds())
    jobs = {job.id: job for job in standing.problem.jobs}
    loaded = frozenset(n for n, call in enumerate(standing.calls) if call.holder is not None and jobs[n].lock in _LOOSE)
    for n in loaded:
        jobs[n] = replace(jobs[n], lock=routing.Lock.FREE, locked_vehicle=None, locked_rank=None, locked_time=None)
    vehicles = []
    for vehicle in standing.problem.vehicles:
        facts = sorted(
            (job for job in standing.problem.jobs if _is_fact(job) and job.locked_vehicle == vehicle.id),
            key=lambda job: job.locked_rank or 0,
        )
        if facts:
            last = facts[-1]
            here = max(now, (last.locked_time or 0) + last.setup + last.service)
            place = len(jobs)
            jobs[place] = routing.Job(
                id=place,
                location_index=last.location_index,
                lock=routing.Lock.FROZEN,
                locked_vehicle=vehicle.id,
                locked_rank=len(facts),
                locked_time=here,
            )
            for job in list(jobs.values()):
                # What was to come in this order still does, behind where he is now.
                behind = job.id != place and not _is_fact(job)
                if behind and job.locked_vehicle == vehicle.id and job.locked_rank is not None:
                    jobs[job.id] = replace(job, locked_rank=job.locked_rank + 1)
            vehicles.append(_on_the_road(vehicle, standing.problem, last.location_index, here))
        else:
            vehicles.append(vehicle)
    return _Now(standing.problem.replace(jobs=tuple(jobs.values()), vehicles=tuple(vehicles)), loaded)


def _is_fact(job: routing.Job) -> bool:
    """Visited: that it was also has its time. A stop that somebody froze keeps its place only."""
    return job.lock is routing.Lock.FROZEN and job.locked_time is not None


def _on_the_road(vehicle: routing.Vehicle, problem: routing.Problem, place: int, here: int) -> routing.Vehicle:
    """Whoever has begun: what has happened breaks no shift and no rest of his, and he may always come home."""
    home = 0
    if vehicle.end is not None:
        home = max(0, problem.matrices[vehicle.profile].pair(place, vehicle.end)[0])
    closes = vehicle.time_window[1] if vehicle.time_window is not None else here
    rests = tuple(rest for rest in vehicle.breaks if rest.time_windows and rest.time_windows[0][0] > here)
    return replace(vehicle, time_window=(0, max(closes, here + home)), breaks=rests)


def _without(problem: routing.Problem, standing: StandingPlan, seat: int) -> tuple[routing.Problem, frozenset[int]]:
    """The day without a postman from now on, and the calls that he still had: anybody else may make them."""
    own = {step.id for route in standing.solution.routes if route.vehicle == seat for step in route.visits}
    own |= {n for n, call in enumerate(standing.calls) if call.holder == standing.crew[seat].postman_id}
    others = frozenset(vehicle.id for vehicle in problem.vehicles if vehicle.id != seat)
    jobs, freed = [], set()
    for job in problem.jobs:
        if _is_fact(job):
            jobs.append(job)
            continue
        allowed = others if job.allowed_vehicles is None else job.allowed_vehicles & others
        if job.id in own and job.locked_vehicle in (None, seat):
            freed.add(job.id)
            job = replace(  # noqa: PLW2901 - the same job, free
                job, lock=routing.Lock.FREE, locked_vehicle=None, locked_rank=None, locked_time=None
            )
        jobs.append(replace(job, allowed_vehicles=allowed) if job.lock is routing.Lock.FREE else job)
    fleet = [replace(v, end=None, breaks=()) if v.id == seat else v for v in problem.vehicles]
    return problem.replace(jobs=tuple(jobs), vehicles=tuple(fleet)), frozenset(freed)


# -------------------------------------------------------------------------------------------------- what is different
@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A call with another postman than on the running plan; None: on no route. `loaded`: two people have to meet for it."""

    items: tuple[UUID, ...]
    before: UUID | None
    after: UUID | None
    loaded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundChange:
    """What becomes of a postman's round: calls, metres and the end, before and after."""

    postman_id: UUID
    name: str
    calls: tuple[int, int]
    distance_m: tuple[int, int]
    ends_at: tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A replanned day beside the one that runs. `stale`: the running plan is no longer the one it was made from."""

    running: UUID
    broken: UUID | None
    moved: tuple[Moved, ...]
    rounds: tuple[RoundChange, ...]
    stale: bool


def changes_of(desk: Desk, caller: Caller, plan_id: UUID) -> Changes | None:
    """What a replanned day changes of the plan that it was made from; None for a plan that was made from nothing.

    Raises:
        Missing: it is not there, or not for this caller.
    """
    with desk.database.read() as session:
        plan = plan_of(session, caller, plan_id)
        made = plan.summary.get("replanned")
        if made is None:
            return None
        running = session.get_one(Plan, UUID(made["from"]))
        old, new = plans.views(session, [running, plan])
    hands = {UUID(text) for text in made["hands"]}
    before = {item: route.postman for route in old.routes for stop in route.stops for item in stop.items}
    after = {item: route.postman for route in new.routes for stop in route.stops for item in stop.items}
    calls: dict[tuple[UUID, ...], Moved] = {}
    for view in (new, old):
        for route in view.routes:
            for stop in route.stops:
                changed = tuple(item for item in stop.items if before.get(item) != after.get(item))
                if changed and not any(changed[0] in known for known in calls):
                    calls[changed] = Moved(
                        items=changed,
                        before=before.get(changed[0]),
                        after=after.get(changed[0]),
                        loaded=changed[0] in hands,
                    )
    return Changes(
        running=running.id,
        broken=UUID(made["broken"]) if made["broken"] else None,
        moved=tuple(calls.values()),
        rounds=tuple(_rounds(old, new)),
        stale=running.state != "published",
    )


def _rounds(old: plans.PlanView, new: plans.PlanView) -> list[RoundChange]:
    names = {route.postman: route.postman_name for view in (old, new) for route in view.routes}
    by_postman = [{route.postman: route for route in view.routes} for view in (old, new)]
    found = []
    for postman_id, name in sorted(names.items(), key=lambda pair: pair[1]):
        pair = [routes.get(postman_id) for routes in by_postman]
        ends = [route.summary.get("ends_at") if route else None for route in pair]
        found.append(
            RoundChange(
                postman_id=postman_id,
                name=name,
                calls=_two([len(route.stops) if route else 0 for route in pair]),
                distance_m=_two([int(route.summary.get("distance_m", 0)) if route else 0 for route in pair]),
                ends_at=(
                    datetime.fromisoformat(ends[0]) if ends[0] else None,
                    datetime.fromisoformat(ends[1]) if ends[1] else None,
                ),
            )
        )
    return found


def _two(values: list[int]) -> tuple[int, int]:
    return values[0], values[1]


# --------------------------------------------------------------------------------------------------- an urgent item
@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Where an item would fit: the cheapest place on a postman's round, `cost` in seconds of travel, and when he would come.

    `by_office`: he is on the road and comes back to the office for it first; `cost` and time have that in them.
    """

    postman_id: UUID
    name: str
    sequence: int
    cost: int
    arrives_at: datetime
    by_office: bool


def places_for(
    desk: Desk, caller: Caller, plan_id: UUID, item_id: UUID, *, version: int, at: datetime
) -> list[Opening]:
    """The places for an item on a running plan, the cheapest first, one for each round that could take it.

    Rounds go on from where people are now. Who is on the road already comes back for what lies in the office.

    Raises:
        Forbidden, Missing, Stale: as usual.
        Refused: `not-published`, `not-today`; `on-a-route` for an item that is, `cannot-go-out` for one that may not.
    """
    _require_dispatcher(caller)
    with desk.database.read() as session:
        plan = _running(session, caller, plan_id, version=version, at=at)
        standing = read_standing(session, desk, plan, at=at)
        number = _call_of(session, caller, standing, item_id)
    return [place for place, _ in _places(standing, number, at)]


def insert(
    desk: Desk, caller: Caller, plan_id: UUID, item_id: UUID, *, postman_id: UUID, version: int, at: datetime
) -> plans.PlanView:
    """Put an item on a postman's running round, where it costs least; his phone hears of it at once.

    Raises:
        As `places_for`, and Refused `no-place` where it does not fit into that round.
    """
    _require_dispatcher(caller)
    with desk.database.write() as session:
        plan = plan_of(session, caller, plan_id, for_update=True)
        plan = _running(session, caller, plan.id, version=version, at=at)
        standing = read_standing(session, desk, plan, at=at)
        number = _call_of(session, caller, standing, item_id)
        call = standing.calls[number]
        items.lock(session, call.items)
        found = next((r for place, r in _places(standing, number, at) if place.postman_id == postman_id), None)
        if found is None:
            raise Refused("no-place", "Bưu gửi này không xếp được vào chuyến của bưu tá đó.")
        # The other rounds keep the times that were published: who is late against them stays late.
        changed = planned_route(found, standing.sheet, standing.calls, standing.crew, standing.problem)
        routes = plans.routes_of(session, plan.id)
        kept = [changed if route.postman_id == postman_id else route for route in routes]
        kept += [changed] if changed not in kept else []
        plans.erase_routes(session, plan.id)
        plans.write_routes(session, plan.id, kept)
        plans.strike_unplanned(session, plan.id, call.items)
        plan.summary = dict(plan.summary) | totals(kept)
        plan.version += 1
        session.flush()
        items.record_intent(
            session, EventType.PLANNED, list(call.items), caller=caller, at=at, bylaws=desk.facts.bylaws,
            data={"plan": str(plan.id), "day": plan.day.isoformat()},
        )  # fmt: skip
        items.bump_bag(session, postman_id, plan.day)
        return plans.views(session, [plan])[0]


def _call_of(session: Session, caller: Caller, standing: StandingPlan, item_id: UUID) -> int:
    item = session.get(Item, item_id)
    if item is None or (caller.role is not Role.ADMIN and item.office_id != caller.office_id):
        raise Missing("item", item_id)
    number = next((n for n, call in enumerate(standing.calls) if item_id in call.items), None)
    if number is None:
        waiting = next((one for one in standing.sheet.items if one.id == item_id), None)
        why = left_out(waiting, standing.sheet.day) if waiting is not None else None
        raise Refused("cannot-go-out", why.sentence if why else "Bưu gửi này không ở trạng thái có thể đưa đi phát.")
    if any(step.id == number for route in standing.solution.routes for step in route.visits):
        raise Refused("on-a-route", "Bưu gửi này đã ở trên một chuyến phát.")
    return number


def _places(standing: StandingPlan, number: int, at: datetime) -> list[tuple[Opening, routing.Route]]:
    """For each round that can take the call: where, and the round with it."""
    problem = _as_of(standing, at).problem
    call, job = standing.calls[number], problem.jobs[number]
    lies_there = frozenset[int]()
    if call.holder is None and call.loads and job.allowed_vehicles is not None:
        lies_there = frozenset(vehicle.id for vehicle in problem.vehicles) - job.allowed_vehicles
        problem = problem.replace(shipments=(_fetched_first(job, lies_there),))
    fetching = next((n for n, task in enumerate(problem.tasks) if task.kind is TaskKind.PICKUP), None)
    timetable = Timetable(problem)
    insertion = Insertion(problem, timetable)
    facts = frozen_visits(problem)
    found = []
    for seat, order in enumerate(visits_of(problem, standing.solution)):
        visits = (*facts[seat], *(n for n in order if n not in facts[seat]))
        by_office = seat in lies_there and fetching is not None
        if by_office and not _pays(problem, seat, (*visits, number)):
            continue
        best = insertion.cheapest(seat, visits, fetching if by_office and fetching is not None else number)
        if best is None:
            continue
        cost, with_it = best
        route = standing_route(problem, timetable, seat, with_it)
        steps = [step for step in stops_of(route) if (step.id or 0) < len(standing.calls)]
        sequence, step = next((n, step) for n, step in enumerate(steps, start=1) if step.id == number)
        member = standing.crew[seat]
        place = Opening(
            postman_id=member.postman_id,
            name=member.name,
            sequence=sequence,
            cost=cost,
            arrives_at=at_local(standing.sheet.day, step.begins),
            by_office=by_office,
        )
        found.append((place, route))
    return sorted(found, key=lambda pair: (pair[0].cost, pair[0].name))


def _fetched_first(job: routing.Job, seats: frozenset[int]) -> routing.Shipment:
    """The call as two: the way back to the office, where the paper is handed out, and the door; for those who have left."""
    return routing.Shipment(
        pickup=routing.ShipmentStop(id=job.id, location_index=0, service=_HANDING_OUT_SECONDS),
        delivery=routing.ShipmentStop(
            id=job.id,
            location_index=job.location_index,
            setup=job.setup,
            service=job.service,
            time_windows=job.time_windows,
        ),
        amount=job.delivery,
        skills=job.skills,
        priority=job.priority,
        allowed_vehicles=seats,
        preferred_vehicles=job.preferred_vehicles,
        preference_cost=job.preference_cost,
    )


def _pays(problem: routing.Problem, seat: int, visits: Sequence[int]) -> bool:
    """False when the cash of these calls is more than the postman may carry: a shipment's two ends cannot say that."""
    due = sum(problem.jobs[n].pickup[_CASH] for n in visits if n < len(problem.jobs) and problem.jobs[n].pickup)
    return due <= problem.vehicles[seat].capacity[_CASH]
