"""Ask for a plan of an office-day, solve it, look at it."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

import routing
from courier.desk import Desk
from courier.dispatch.office_day import (
    LEAST_SECONDS,
    OfficeDay,
    day_problem,
    office_of,
    plan_of,
    read_office_day,
    solve_fairly,
    solve_keeping_promises,
)
from courier.dispatch.writing import planned_route, totals, travel_of, why_left_out
from courier.domain.calendar import at_local, local_day
from courier.domain.doors import Door, LeftOut, doors, left_out
from courier.domain.errors import FieldError, Forbidden, Invalid, Missing, Refused
from courier.domain.people import Caller, Role
from courier.store import plans
from courier.store.jobs import Effect, Payload
from courier.store.plans import PlannedRoute, PlannedStop, PlanView, UnplannedView
from courier.store.tables import Plan
from routing.solving import EngineFailed, Progress

_log = logging.getLogger(__name__)

SOLVE_JOB: Final = "solve-plan"
MOST_SECONDS: Final = 120.0
_DAYS_AHEAD: Final = 60
_TELL_EVERY_SECONDS: Final = 1.0
# Writing a thousand stops takes some tenths of a second; a search of half a minute can spare them ten times.
_SHOW_EVERY_SECONDS: Final = 3.0


# --------------------------------------------------------------------------------------------------- asking for one
def request_plan(
    desk: Desk,
    caller: Caller,
    *,
    office_id: UUID | None,
    day: date,
    at: datetime,
    seconds: float | None = None,
    seed: int = 0,
) -> UUID:
    """Ask for a plan of an office-day: a draft, and the job that solves it, in one transaction. Returns the plan's id.

    `seconds` is the solver's time limit (the installation's, when None). Several may be asked for; publishing chooses.

    Raises:
        Forbidden: the caller plans nothing.
        Missing: no such office for this caller.
        Invalid: an admin names no office, the day is past or too far ahead, the time limit is out of bounds.
    """
    if caller.role not in (Role.DISPATCHER, Role.ADMIN):
        raise Forbidden("Only a dispatcher plans.")
    limit = min(desk.settings.solve_seconds, MOST_SECONDS) if seconds is None else seconds
    today = local_day(at)
    faults = []
    if day < today:
        faults.append(FieldError("date", "past", f"Ngày {day:%d/%m/%Y} đã qua, hôm nay là {today:%d/%m/%Y}."))
    if day > today + timedelta(days=_DAYS_AHEAD):
        faults.append(
            FieldError("date", "too-far", f"Chỉ lập phương án trước {_DAYS_AHEAD} ngày, nhận {day:%d/%m/%Y}.")
        )
    if not LEAST_SECONDS <= limit <= MOST_SECONDS:
        message = f"Thời gian giải từ {LEAST_SECONDS:g} đến {MOST_SECONDS:g} giây, nhận {limit:g}."
        faults.append(FieldError("seconds", "out-of-range", message))
    if office_id is None and caller.office_id is None:
        faults.append(FieldError("office", "required", "Mời chọn bưu cục."))
    if faults:
        raise Invalid(*faults)
    with desk.database.write() as session:
        office = office_of(session, caller, office_id)
        plan = plans.begin_plan(
            session, office_id=office.id, day=day, seconds=float(limit), seed=seed, by=caller.id, at=at
        )
        desk.jobs.enqueue(session, SOLVE_JOB, {"plan": str(plan.id)}, key=f"{SOLVE_JOB}:{plan.id}")
        return plan.id


# ------------------------------------------------------------------------------------------------------ solving one
@dataclass(frozen=True, slots=True, kw_only=True)
class _Solved:
    routes: tuple[PlannedRoute, ...]
    unplanned: Mapping[UUID, LeftOut]
    cost: int
    travel: Mapping[str, Any]
    summary: Mapping[str, Any]


class _Unsolvable(Exception):
    """There is nothing to plan with; the sentence is for the dispatcher."""


def solve_plan(desk: Desk, plan_id: UUID, *, at: datetime) -> None:
    """Solve a draft and write its routes, or why there are none. A plan that is no draft any more is left alone.

    Reads in one transaction, solves in none (in a child process, under the plan's time limit), writes in a second.

    Raises:
        Missing: no such plan.
    """
    effect = work_out(desk, plan_id, at=at)
    with desk.database.write() as session:
        effect(session)


def work_out(desk: Desk, plan_id: UUID, *, at: datetime) -> Effect:
    """The slow half of `solve_plan`: what is to be written about the plan, once.

    Raises:
        Missing: no such plan.
    """
    with desk.database.read() as session:
        plan = session.get(Plan, plan_id)
        if plan is None:
            raise Missing("plan", plan_id)
        if plan.state != "draft":
            return _nothing
        sheet = read_office_day(session, desk, plan.office_id, plan.day, at=at)
        seconds, seed = plan.seconds, plan.seed

    told, asked_to_end = 0.0, False
    shown, shown_at = 0, -_SHOW_EVERY_SECONDS

    def tell(progress: Progress, written: Callable[[routing.Solution], Sequence[PlannedRoute]]) -> None:
        nonlocal told, asked_to_end, shown, shown_at
        if progress.seconds - told < _TELL_EVERY_SECONDS:
            return
        told = progress.seconds
        routes = None
        if progress.plans != shown and told - shown_at >= _SHOW_EVERY_SECONDS:
            shown, shown_at = progress.plans, told
            routes = written(progress.plan())
        with desk.database.write() as session:
            asked_to_end = _note_progress(session, plan_id, progress, of=seconds, routes=routes)

    try:
        solved = _solve(sheet, seconds=seconds, seed=seed, on_progress=tell, enough=lambda: asked_to_end)
    except _Unsolvable as reason:
        return functools.partial(_fail, plan_id, str(reason))
    except EngineFailed as fault:
        _log.error("plan %s: the engine failed: %s", plan_id, fault)
        return functools.partial(_fail, plan_id, "Bộ giải không chạy được; đã ghi nhật ký. Mời thử lại.")
    return functools.partial(_store, plan_id, solved, at)


def solve_job(desk: Desk, payload: Payload, *, at: datetime) -> Effect:
    """The job behind `request_plan`."""
    return work_out(desk, UUID(payload["plan"]), at=at)


def give_up(session: Session, payload: Payload) -> None:
    """What is recorded when the job has failed for the last time."""
    _fail(UUID(payload["plan"]), "Lỗi của hệ thống khi lập phương án; đã ghi nhật ký. Mời thử lại.", session)


def _nothing(_session: Session) -> None:
    """Somebody has solved the plan already."""


def _solve(
    sheet: OfficeDay,
    *,
    seconds: float,
    seed: int,
    on_progress: Callable[[Progress, Callable[[routing.Solution], Sequence[PlannedRoute]]], None],
    enough: Callable[[], bool],
) -> _Solved:
    reasons = {item.id: why for item in sheet.items if (why := left_out(item, sheet.day)) is not None}
    calls = doors((item for item in sheet.items if item.id not in reasons), sheet.day)
    at_work = [member for member in sheet.crew if sheet.shift(member) is not None]
    if calls and not sheet.crew:
        raise _Unsolvable("Ngày này bưu cục không có bưu tá nào làm việc; xem lịch làm việc rồi lập lại.")
    if calls and not at_work:
        raise _Unsolvable("Ca làm việc của mọi bưu tá trong ngày đã hết; lập phương án cho ngày sau.")
    working = {member.postman_id for member in at_work}
    bags = [call for call in calls if call.holder is not None and call.holder not in working]
    calls = [call for call in calls if call.holder is None or call.holder in working]
    if not any(member.last_door is None for member in at_work):
        late = LeftOut("shift", "Các bưu tá đã lên đường; bưu gửi đợi chuyến sau.")
        reasons |= {item: late for call in calls if call.holder is None and call.loads for item in call.items}
        calls = [call for call in calls if call.holder is not None or not call.loads]
    if not calls:
        routes = _with_bags((), bags, sheet)
        return _Solved(routes=routes, unplanned=reasons, cost=0, travel=travel_of(None), summary=totals(routes))
    problem = day_problem(sheet, calls, at_work)
    # Once somebody is on the road the end of a window is what is left of it, and no time is lost any more.
    begun = any(member.last_door is not None for member in at_work)
    solve_day = solve_fairly if begun else solve_keeping_promises

    def written(found: routing.Solution) -> Sequence[PlannedRoute]:
        routes = (planned_route(route, sheet, calls, at_work, problem) for route in found.routes)
        return [route for route in routes if route.stops]

    solution = solve_day(
        problem, seconds=seconds, seed=seed, on_progress=lambda heard: on_progress(heard, written), enough=enough
    )
    for missed in solution.unassigned:
        call = calls[missed.index]
        if call.holder is not None:
            bags.append(call)
        else:
            why = why_left_out(missed, call)
            reasons |= dict.fromkeys(call.items, why)
    routes = tuple(planned_route(route, sheet, calls, at_work, problem) for route in solution.routes)
    routes = _with_bags(routes, bags, sheet)
    return _Solved(
        routes=routes,
        unplanned=reasons,
        cost=solution.cost,
        travel=travel_of(problem.travel),
        summary=totals(routes) | {"engine": solution.engine},
    )


def _with_bags(routes: Sequence[PlannedRoute], bags: Sequence[Door], sheet: OfficeDay) -> tuple[PlannedRoute, ...]:
    """Put what is in a bag but fits no shift at the end of its holder's route: it is out, whatever the hours say."""
    kept = list(routes)
    for call in bags:
        member = next((m for m in sheet.crew if m.postman_id == call.holder), None)
        if member is None:
            continue  # of another office by now: his bag is not this office's plan
        place = next((n for n, route in enumerate(kept) if route.postman_id == member.postman_id), None)
        shift = sheet.shift(member) or member.shift
        arrives = (
            kept[place].stops[-1].leaves_at
            if place is not None and kept[place].stops
            else at_local(sheet.day, shift[1])
        )
        stop = PlannedStop(
            items=call.items,
            lat=call.lat,
            lon=call.lon,
            arrives_at=arrives,
            leaves_at=arrives + timedelta(seconds=call.setup_seconds + call.service_seconds),
            lock="keep_postman",
        )
        if place is None:
            summary = {"distance_m": 0, "travel_seconds": 0, "cash_dong": call.due_dong}
            kept.append(
                PlannedRoute(postman_id=member.postman_id, vehicle_id=member.vehicle_id, stops=(stop,), summary=summary)
            )
        else:
            kept[place] = replace(kept[place], stops=(*kept[place].stops, stop))
    return tuple(kept)


def _draft(session: Session, plan_id: UUID) -> Plan | None:
    plan = session.get(Plan, plan_id, with_for_update=True)
    return plan if plan is not None and plan.state == "draft" else None


def _note_progress(
    session: Session, plan_id: UUID, progress: Progress, *, of: float, routes: Sequence[PlannedRoute] | None
) -> bool:
    """Write how far the search is, and the best routes so far when there are new ones; whether somebody has asked it to end."""
    plan = _draft(session, plan_id)
    if plan is None:
        return True  # solved or failed elsewhere: nobody waits for this search
    ends = bool(plan.summary.get("ends"))
    noted = {
        "cost": progress.cost,
        "bound": progress.bound,
        "seconds": round(progress.seconds, 1),
        "plans": progress.plans,
        "shown": progress.plans if routes is not None else plan.summary.get("progress", {}).get("shown", 0),
    }
    sums = {}
    if routes is not None:
        sums = totals(routes)
        plans.erase_routes(session, plan_id)
        plans.write_routes(session, plan_id, routes)
    told = {"progress": noted | {"of_seconds": of}, "ends": ends}
    plan.summary, plan.version = dict(plan.summary) | sums | told, plan.version + 1
    return ends


def _store(plan_id: UUID, solved: _Solved, at: datetime, session: Session) -> None:
    plan = _draft(session, plan_id)
    if plan is None:
        return
    plans.erase_routes(session, plan_id)  # the best so far, which were shown in the meantime
    plans.write_routes(session, plan_id, solved.routes)
    plans.write_unplanned(session, plan_id, solved.unplanned)
    plan.state, plan.solved_at, plan.version = "solved", at, plan.version + 1
    plan.cost, plan.travel, plan.summary = solved.cost, dict(solved.travel), dict(solved.summary)


def _fail(plan_id: UUID, sentence: str, session: Session) -> None:
    plan = _draft(session, plan_id)
    if plan is not None:
        plans.erase_routes(session, plan_id)
        plan.state, plan.error, plan.version = "failed", sentence, plan.version + 1


def stop_solving(desk: Desk, caller: Caller, plan_id: UUID) -> PlanView:
    """Ask the search for a plan to end, with the best that it has found: the plan is solved a moment later.

    Raises:
        Forbidden, Missing: as usual.
        Refused: `not-solving`: it is no draft any more.
    """
    if caller.role not in (Role.DISPATCHER, Role.ADMIN):
        raise Forbidden("Only a dispatcher plans.")
    with desk.database.write() as session:
        plan = plan_of(session, caller, plan_id, for_update=True)
        if plan.state != "draft":
            raise Refused("not-solving", "Phương án này không còn đang giải.")
        plan.summary, plan.version = dict(plan.summary) | {"ends": True}, plan.version + 1
        session.flush()
        return plans.views(session, [plan])[0]


# ---------------------------------------------------------------------------------------------------------- looking
def get_plan(desk: Desk, caller: Caller, plan_id: UUID) -> PlanView:
    """One plan with its routes.

    Raises:
        Missing: it is not there, or not for this caller.
    """
    with desk.database.read() as session:
        return plans.views(session, [plan_of(session, caller, plan_id)])[0]


def list_plans(
    desk: Desk,
    caller: Caller,
    *,
    day: date | None = None,
    office_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
    with_routes: bool = True,
) -> list[PlanView]:
    """Plans, the newest first; without their routes where only their heads are shown.

    Raises:
        Missing: the office named is not the caller's.
    """
    query = select(Plan).order_by(Plan.id.desc()).limit(limit)
    with desk.database.read() as session:
        if office_id is not None or caller.office_id is not None:
            query = query.where(Plan.office_id == office_of(session, caller, office_id).id)
        if day is not None:
            query = query.where(Plan.day == day)
        if after is not None:
            query = query.where(Plan.id < after)
        return plans.views(session, session.scalars(query), with_routes=with_routes)


def unplanned(desk: Desk, caller: Caller, plan_id: UUID) -> list[UnplannedView]:
    """The items that a plan leaves out, each with a code and a sentence, by code.

    Raises:
        Missing: the plan is not there, or not for this caller.
    """
    with desk.database.read() as session:
        return plans.unplanned_of(session, plan_of(session, caller, plan_id).id)
