"""Publish a plan: what postmen follow from now on, without reshuffling what is in their bags."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.dispatch.editing import require_plan_version
from courier.dispatch.office_day import plan_of
from courier.domain.calendar import local_day
from courier.domain.doors import HELD, WAITING_STATES, LeftOut, Waiting, left_out
from courier.domain.errors import Forbidden, Refused
from courier.domain.item import EventType, State
from courier.domain.people import Caller, Role
from courier.store import digests, items, messages, plans, rounds
from courier.store.plans import PlannedRoute, PlannedStop, PlanView, Standing
from courier.store.tables import Office, Plan, UnplannedItem

_GONE_OUT: Final = frozenset({State.OUT, State.ATTEMPTED, State.DELIVERED, State.FETCHED})
_VISITED: Final = _GONE_OUT - {State.OUT}


def publish(desk: Desk, caller: Caller, plan_id: UUID, *, version: int, at: datetime) -> PlanView:
    """Make a solved plan the one that postmen follow on its day, in the place of the one published before.

    What is out already stays with whoever has it, and what was visited stays where it was; what changed since the plan
    was solved (cancelled, moved to another day) is taken off and listed.

    Raises:
        Forbidden, Missing, Stale: as usual.
        Refused: `not-solved`, `past-day`.
    """
    if caller.role not in (Role.DISPATCHER, Role.ADMIN):
        raise Forbidden("Only a dispatcher publishes.")
    bylaws = desk.facts.bylaws
    with desk.database.write() as session:
        plan = plan_of(session, caller, plan_id, for_update=True)
        office = session.get_one(Office, plan.office_id, with_for_update=True)  # one publishing at a time in an office
        require_plan_version(session, plan, version)
        if plan.state != "solved":
            raise Refused("not-solved", f"Chỉ công bố phương án đã giải xong; phương án này đang là {plan.state}.")
        if plan.day < local_day(at):
            raise Refused("past-day", f"Ngày {plan.day:%d/%m/%Y} đã qua.")
        old = plans.published(session, plan.office_id, plan.day)
        before = {row.item_id: row for row in plans.standing(session, old.id)} if old else {}
        ours = {row.item_id: row for row in plans.standing(session, plan.id)}
        listed = session.scalars(select(UnplannedItem.item_id).where(UnplannedItem.plan_id == plan.id)).all()
        rows = {row.id: row for row in items.lock(session, {*before, *ours, *listed})}
        candidates = {
            item.id: item for item in plans.waiting(session, plan.office_id, plan.day, bylaws, at=at) if item.id in rows
        }
        holders = {item_id: row.custody_holder for item_id, row in rows.items()}
        hands = frozenset(UUID(text) for text in plan.summary.get("replanned", {}).get("hands", ()))
        carried, dropped = _compare(
            before, ours, {k: State(r.state) for k, r in rows.items()}, holders, candidates, plan.day, hands
        )
        if carried or dropped:
            _rearrange(session, plan, carried, dropped)
        on_routes = ({*ours} - {*dropped}) | {*carried}
        if old is not None:
            old.state, old.version = "superseded", old.version + 1
            session.flush()
        plan.state, plan.published_at, plan.version = "published", at, plan.version + 1
        # From now on people are told when somebody comes: as sure as the office's own rounds say.
        rounds.learn(session, office, desk.facts.arrivals, day=local_day(at))
        session.flush()
        off = [i for i, row in rows.items() if row.state == State.PLANNED and i not in on_routes and i in candidates]
        on = [
            i
            for i, row in rows.items()
            if row.state in WAITING_STATES and row.state != State.PLANNED and i in on_routes
        ]
        data = {"plan": str(plan.id), "day": plan.day.isoformat()}
        for kind, changed in ((EventType.UNPLANNED, off), (EventType.PLANNED, on)):
            if changed:
                items.record_intent(session, kind, changed, caller=caller, at=at, bylaws=bylaws, data=data)
        postmen = {row.postman_id for row in (*before.values(), *ours.values())} | {
            r.postman_id for r in carried.values()
        }
        for postman_id in sorted(postmen):
            items.bump_bag(session, postman_id, plan.day)
        # What phones match ID numbers and codes against takes time to make: the worker does it.
        desk.jobs.enqueue(session, digests.JOB, {"plan": str(plan.id), "part": 0}, key=digests.key_of(plan.id, 0))
        messages.announce(session, desk.jobs, plan.id)
        return plans.views(session, [plan])[0]


def _compare(
    before: Mapping[UUID, Standing],
    ours: Mapping[UUID, Standing],
    states: Mapping[UUID, State],
    holders: Mapping[UUID, UUID | None],
    candidates: Mapping[UUID, Waiting],
    day: date,
    hands: frozenset[UUID],
) -> tuple[dict[UUID, Standing], dict[UUID, LeftOut | None]]:
    """What publishing must change of a plan: stops to carry over, and items to take off (None: they are carried over).

    What lies in a bag goes with its bearer, but for `hands`: these were given to somebody else on purpose.
    """
    carried: dict[UUID, Standing] = {}
    dropped: dict[UUID, LeftOut | None] = {}
    for item_id in {*before, *ours}:
        state, was, new = states[item_id], before.get(item_id), ours.get(item_id)
        if state in _GONE_OUT:
            place = was or new
            if place is None:
                continue
            holder = holders[item_id] or place.postman_id
            if state is State.OUT and new is not None and (new.postman_id == holder or item_id in hands):
                continue
            if was is None and state in _VISITED:
                dropped[item_id] = LeftOut(HELD, "Bưu gửi đã được xử lý trước khi công bố phương án.")
                continue
            carried[item_id] = replace(place, postman_id=holder) if state is State.OUT else place
            if new is not None:
                dropped[item_id] = None
        elif new is not None:
            item = candidates.get(item_id)
            why = left_out(item, day) if item else LeftOut(HELD, "Trạng thái bưu gửi đã đổi sau khi lập phương án.")
            if why is not None:
                dropped[item_id] = why
    return carried, dropped


def _rearrange(
    session: Session, plan: Plan, carried: Mapping[UUID, Standing], dropped: Mapping[UUID, LeftOut | None]
) -> None:
    """Write the plan's routes anew: without what was taken off, with the stops that are carried over, by time of day."""
    stops: dict[UUID, list[PlannedStop]] = {}
    vehicles: dict[UUID, UUID] = {}
    summaries: dict[UUID, Mapping[str, Any]] = {}
    for route in plans.routes_of(session, plan.id):
        vehicles[route.postman_id], summaries[route.postman_id] = route.vehicle_id, route.summary
        for stop in route.stops:
            left = tuple(item_id for item_id in stop.items if item_id not in dropped)
            if left:
                stops.setdefault(route.postman_id, []).append(replace(stop, items=left))
    calls: dict[tuple[UUID, UUID], list[Standing]] = {}
    for row in carried.values():
        calls.setdefault((row.postman_id, row.stop_id), []).append(row)
    for (postman_id, _), members in calls.items():
        first = members[0]
        vehicles.setdefault(postman_id, first.vehicle_id)
        stops.setdefault(postman_id, []).append(
            PlannedStop(
                items=tuple(row.item_id for row in members),
                lat=first.lat,
                lon=first.lon,
                arrives_at=first.arrives_at,
                leaves_at=first.leaves_at,
                lock="keep_postman" if first.state is State.OUT else "frozen",
            )
        )
    plans.erase_routes(session, plan.id)
    plans.write_routes(
        session,
        plan.id,
        [
            PlannedRoute(
                postman_id=postman_id,
                vehicle_id=vehicles[postman_id],
                stops=tuple(sorted(calls_of, key=lambda stop: stop.arrives_at)),
                summary=summaries.get(postman_id, {}),
            )
            for postman_id, calls_of in stops.items()
        ],
    )
    plans.write_unplanned(session, plan.id, {item_id: why for item_id, why in dropped.items() if why is not None})
