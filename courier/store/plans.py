"""Plans in the database: what an office-day offers to be planned, and routes, stops and reasons as they were solved."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, type_coerce
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from courier.domain.attempts import outlook
from courier.domain.bylaws import Bylaws
from courier.domain.calendar import CLOSED, DayOff, WorkingCalendar, at_local, local_day
from courier.domain.doors import WAITING_STATES, LeftOut, Seconds, Waiting
from courier.domain.duty import OF_THE_OFFICE, Kind, Roster
from courier.domain.item import Direction, EventType, State, life_of
from courier.domain.money import cash_account
from courier.store import calendar_days, duty, items, ledger, slot_holds
from courier.store.columns import PlainId
from courier.store.tables import (
    Agency,
    AuditEntry,
    EventOfItem,
    Item,
    ItemEvent,
    Plan,
    PlanEdit,
    PlanRelief,
    Route,
    Staff,
    Stop,
    StopItem,
    UnplannedItem,
    Vehicle,
)

ON_THE_ROAD = (State.OUT, State.ATTEMPTED, State.FETCHED)
"""States of what a postman has with him."""
VISITED = (State.ATTEMPTED, State.DELIVERED, State.FETCHED)
"""States that a visit today has brought about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewMember:
    """A postman who can work on the day, with his vehicle. `last_door` is where his round has come to, once it began."""

    postman_id: UUID
    name: str
    vehicle_id: UUID
    mode: str
    capacity_items: int
    shift: tuple[Seconds, Seconds]
    rest: tuple[Seconds, Seconds] | None
    cash_limit_dong: int
    beat: frozenset[str]
    pocket_dong: int = 0
    last_door: tuple[float, float] | None = None
    overtime: Seconds = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """A rule that gives way for a plan: by so many seconds, items or dong, for a postman or (a window) an item."""

    kind: str
    amount: int
    postman_id: UUID | None = None
    item_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStop:
    """A call of a solved route. Since the one before, the plan waits for `waits_seconds` and rests for `rests_seconds`."""

    items: tuple[UUID, ...]
    lat: float
    lon: float
    arrives_at: datetime
    leaves_at: datetime
    lock: str = "free"
    kept_at: datetime | None = None
    waits_seconds: int = 0
    rests_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRoute:
    """A solved route, ready to be written."""

    postman_id: UUID
    vehicle_id: UUID
    stops: tuple[PlannedStop, ...]
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An item of a published plan: whose route, which stop, and the item's state now."""

    item_id: UUID
    state: State
    route_id: UUID
    postman_id: UUID
    vehicle_id: UUID
    stop_id: UUID
    sequence: int
    arrives_at: datetime
    leaves_at: datetime
    lat: float
    lon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The last time that somebody stood at an item's door: handed over, fetched, or tried in vain."""

    item: Waiting
    state: State
    at: datetime
    postman_id: UUID | None


# ------------------------------------------------------------------------------------------------- what there is
def calendar(session: Session, bylaws: Bylaws, office_id: UUID | None = None) -> WorkingCalendar:
    """The working calendar with the days declared worked or off for everybody, and by an office for itself.

    An office that closes stays at home; the day counts in legal deadlines all the same.
    """
    known = bylaws.calendar.with_days(calendar_days.declared(session))
    if office_id is None:
        return known
    own = {
        day: DayOff(
            working=known.is_working(day), delivery="full" if change.kind is Kind.OPEN else CLOSED, name=change.note
        )
        for change in duty.changes(session, office_id, kinds=OF_THE_OFFICE)
        for day in change.days()
    }
    return known.with_days(own)


def published(session: Session, office_id: UUID, day: date) -> Plan | None:
    """The plan that postmen follow on that day."""
    return session.scalar(select(Plan).where(Plan.office_id == office_id, Plan.day == day, Plan.state == "published"))


def office_of(session: Session, plan_id: UUID) -> UUID:
    """The office that a plan is for."""
    return session.get_one(Plan, plan_id).office_id


def standing(session: Session, plan_id: UUID) -> list[Standing]:
    """The items on a plan's routes with their present state, in the order of the routes."""
    rows = session.execute(
        select(
            Item.id,
            Item.state,
            Route.id,
            Route.postman_id,
            Route.vehicle_id,
            Stop.id,
            Stop.sequence,
            Stop.arrives_at,
            Stop.leaves_at,
            Stop.lat,
            Stop.lon,
        )
        .join(StopItem, StopItem.item_id == Item.id)
        .join(Stop, Stop.id == StopItem.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .where(Route.plan_id == plan_id)
        .order_by(Route.position, Stop.sequence, StopItem.position)
    )
    return [
        Standing(
            item_id=item_id,
            state=State(state),
            route_id=route_id,
            postman_id=postman_id,
            vehicle_id=vehicle_id,
            stop_id=stop_id,
            sequence=sequence,
            arrives_at=arrives_at,
            leaves_at=leaves_at,
            lat=lat,
            lon=lon,
        )
        for item_id, state, route_id, postman_id, vehicle_id, stop_id, sequence, arrives_at, leaves_at, lat, lon in rows
    ]


def waiting(session: Session, office_id: UUID, day: date, bylaws: Bylaws, *, at: datetime) -> list[Waiting]:
    """The items that planning considers for an office-day.

    On the day itself what is in the bags counts too, with its holder. An item that a published plan of another day
    to come holds is not considered.
    """
    today = local_day(at)
    on_day = published(session, office_id, day) if day == today else None
    routed = {row.item_id: row.postman_id for row in standing(session, on_day.id)} if on_day else {}
    states = (*WAITING_STATES, State.OUT) if day == today else WAITING_STATES
    query = select(Item).where(Item.office_id == office_id, Item.state.in_(states)).order_by(Item.id)
    promised_elsewhere = set(
        session.scalars(
            select(StopItem.item_id)
            .join(Stop, Stop.id == StopItem.stop_id)
            .join(Route, Route.id == Stop.route_id)
            .join(Plan, Plan.id == Route.plan_id)
            .where(Plan.office_id == office_id, Plan.state == "published", Plan.day >= today, Plan.day != day)
        )
    )
    found: list[Item] = []
    holders: dict[UUID, UUID] = {}
    for row in session.scalars(query):
        if row.state == State.OUT:
            holder = row.custody_holder or routed.get(row.id)
            if holder is None:
                continue
            holders[row.id] = holder
        elif row.state == State.PLANNED and row.id in promised_elsewhere:
            continue
        found.append(row)
    return described(session, found, day, bylaws, holders=holders)


def described(
    session: Session, rows: Sequence[Item], day: date, bylaws: Bylaws, *, holders: Mapping[UUID, UUID] | None = None
) -> list[Waiting]:
    """Items as planning sees them: with what is still due, and what the attempt rules advise."""
    due = ledger.receivables(session, [row.id for row in rows])
    advice = _advice(session, [row for row in rows if row.not_before is not None], day, bylaws)
    held = holders or {}
    return [_waiting(row, due.get(row.id, 0), advice.get(row.id, "try"), held.get(row.id)) for row in rows]


def visits_on(session: Session, item_ids: Sequence[UUID], day: date, bylaws: Bylaws) -> dict[UUID, Visit]:
    """Which of the items somebody stood at the door with on that day."""
    kinds = (EventType.HANDED_OVER, EventType.ATTEMPT_FAILED, EventType.FETCHED)
    opens = at_local(day, 0)
    rows = session.execute(
        select(EventOfItem.item_id, ItemEvent.occurred_at, ItemEvent.actor_id)
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .where(
            EventOfItem.item_id.in_(item_ids),
            ItemEvent.type.in_(kinds),
            ItemEvent.occurred_at >= opens,
            ItemEvent.occurred_at < opens + timedelta(days=1),
        )
        .order_by(ItemEvent.occurred_at, ItemEvent.id)
    ).all()
    last = {item_id: (at, actor) for item_id, at, actor in rows}
    items_there = session.scalars(select(Item).where(Item.id.in_(list(last)))).all()
    seen = {item.id: item for item in described(session, items_there, day, bylaws)}
    return {
        row.id: Visit(item=seen[row.id], state=State(row.state), at=last[row.id][0], postman_id=last[row.id][1])
        for row in items_there
    }


def committed(
    session: Session, office_id: UUID, days: Sequence[date], bylaws: Bylaws, *, leave_out: UUID, at: datetime
) -> dict[date, list[Waiting]]:
    """What each of the coming days is bound to, `leave_out` apart; `days` are in order and not empty.

    That is what its published plan holds, what was promised for it, what is held for somebody who is still choosing, and what
    must go out by then, counted on its last possible day. Who holds another window keeps his old one until he has chosen.
    """
    held = {hold.item_id: hold for hold in slot_holds.standing(session, office_id, days, at=at, leave_out=leave_out)}
    planned: dict[UUID, date] = dict(
        session.execute(
            select(StopItem.item_id, Plan.day)
            .join(Stop, Stop.id == StopItem.stop_id)
            .join(Route, Route.id == Stop.route_id)
            .join(Plan, Plan.id == Route.plan_id)
            .where(Plan.office_id == office_id, Plan.state == "published", Plan.day.in_(days))
        ).all()
    )
    rows = session.scalars(
        select(Item)
        .where(
            Item.office_id == office_id,
            Item.state.in_(WAITING_STATES),
            Item.lat.is_not(None),
            Item.id != leave_out,
            or_(
                Item.wanted_on.in_(days),
                Item.deliver_by <= days[-1],
                Item.id.in_(planned),
                Item.id.in_(held),
            ),
        )
        .order_by(Item.id)
    ).all()
    bound: dict[date, list[Waiting]] = {day: [] for day in days}
    for item in described(session, rows, days[0], bylaws):
        if item.marks:
            continue
        hold = held.get(item.id)
        if hold is not None:
            wished = replace(item, wanted_on=hold.day, wanted_from=hold.from_seconds, wanted_to=hold.to_seconds)
            if wished != item:
                bound[hold.day].append(wished)
        if item.wanted_on in bound:
            bound[item.wanted_on].append(item)
        elif item.id in planned:
            bound[planned[item.id]].append(item)
        elif item.wanted_on is None and item.deliver_by is not None and item.advice == "try":
            possible = [day for day in days if item.not_before is None or day >= item.not_before]
            in_time = [day for day in possible if day <= item.deliver_by]
            if possible:
                bound[in_time[-1] if in_time else possible[0]].append(item)
    return bound


def _waiting(row: Item, due_dong: int, advice: str, holder: UUID | None) -> Waiting:
    return Waiting(
        id=row.id,
        direction=Direction(row.direction),
        commune_code=row.commune_code,
        lat=row.lat,
        lon=row.lon,
        address=row.address_raw,
        phone=row.recipient_phone,
        recipient=row.recipient_name,
        precision=row.precision,
        due_dong=due_dong,
        priority=row.priority,
        deliver_by=row.deliver_by,
        wanted_on=row.wanted_on,
        wanted_from=row.wanted_from,
        wanted_to=row.wanted_to,
        not_before=row.not_before,
        held_until=row.held_until,
        marks=tuple(row.marks),
        advice=advice,
        holder=holder,
    )


def _advice(session: Session, tried: Sequence[Item], day: date, bylaws: Bylaws) -> dict[UUID, str]:
    """What the attempt rules say about items whose door was tried before."""
    if not tried:
        return {}
    events = items.events_of(session, [row.id for row in tried])
    agencies = {agency.id: agency.code for agency in session.scalars(select(Agency))}
    settled = {
        UUID(thing.removeprefix("item:")): at
        for thing, at in session.execute(
            select(AuditEntry.thing, func.max(AuditEntry.at))
            .where(AuditEntry.act == "address settled", AuditEntry.thing.in_([f"item:{row.id}" for row in tried]))
            .group_by(AuditEntry.thing)
        )
    }
    advice = {}
    for row in tried:
        life = life_of(Direction(row.direction), events[row.id])
        rule = bylaws.attempts.rule(day, agency=agencies[row.agency_id], document_type=row.document_type)
        kind = bylaws.commune_kind(row.commune_code)
        view = outlook(life, rule, bylaws.attempts, bylaws.calendar, commune_kind=kind)
        advice[row.id] = view.advice
        if view.advice == "review_address":
            reviews = [e.occurred_at for e in events[row.id] if e.type is EventType.REDIRECTED]
            if row.id in settled:
                reviews.append(settled[row.id])
            if any(moment > life.failed[-1].occurred_at for moment in reviews):
                advice[row.id] = "invite" if view.attempts >= rule.max_attempts else "try"
    return advice


def crew(
    session: Session, office_id: UUID, day: date, *, at: datetime, keep: Collection[UUID] = ()
) -> list[CrewMember]:
    """The postmen of an office who work on a day, by name; on the day itself with the money they carry and how far they have come.

    Whoever carries items today is there whatever the roster says: they are planned with him until they are in other hands.
    """
    return crews(session, office_id, [day], at=at, keep=keep)[day]


def crews(
    session: Session, office_id: UUID, days: Sequence[date], *, at: datetime, keep: Collection[UUID] = ()
) -> dict[date, list[CrewMember]]:
    """The crew of each day, by the same few queries for one and for many; those of `keep` are in it though they be away."""
    postmen = duty.postmen(session, office_id)
    changes = duty.changes(session, office_id, first=min(days), last=max(days)) if days else []
    vehicles = {known.vehicle.id: known.vehicle for known in postmen}
    vehicles |= duty.vehicles(session, office_id, named_by=changes)
    roster = Roster([known.usual for known in postmen], changes)
    today = local_day(at)
    carrying = duty.carrying(session, office_id) if today in days else frozenset()
    found: dict[date, list[CrewMember]] = {}
    for day in days:
        pockets: Mapping[UUID, int] = {}
        last_doors: Mapping[UUID, tuple[float, float]] = {}
        if day == today:
            pockets = {
                known.usual.postman_id: ledger.balance(session, cash_account(known.usual.postman_id, day))
                for known in postmen
            }
            last_doors = _last_doors(session, office_id, day)
        found[day] = []
        for known in postmen:
            postman_id = known.usual.postman_id
            his = roster.duty(postman_id, day)
            kept = postman_id in keep or (day == today and postman_id in carrying)
            if not his.at_work and not kept:
                continue
            vehicle = vehicles[his.vehicle_id]
            found[day].append(
                CrewMember(
                    postman_id=postman_id,
                    name=known.usual.name,
                    vehicle_id=vehicle.id,
                    mode=vehicle.mode,
                    capacity_items=vehicle.capacity_items,
                    shift=(his.hours.begins, his.hours.ends),
                    rest=(his.hours.rest_begins, his.hours.rest_seconds)
                    if his.hours.rest_begins is not None and his.hours.rest_seconds
                    else None,
                    cash_limit_dong=known.cash_limit_dong,
                    beat=known.usual.beat,
                    pocket_dong=pockets.get(postman_id, 0),
                    last_door=last_doors.get(postman_id),
                )
            )
    return found


def _last_doors(session: Session, office_id: UUID, day: date) -> dict[UUID, tuple[float, float]]:
    plan = published(session, office_id, day)
    if plan is None:
        return {}
    stops = standing(session, plan.id)
    out = {row.postman_id for row in stops if row.state in ON_THE_ROAD}
    # In the order of the route, so the last one visited stays.
    return {row.postman_id: (row.lat, row.lon) for row in stops if row.state in VISITED and row.postman_id in out}


# ------------------------------------------------------------------------------------------------ what was solved
def begin_plan(
    session: Session,
    *,
    office_id: UUID,
    day: date,
    seconds: float,
    by: UUID,
    at: datetime,
    seed: int = 0,
    solved: bool = False,
) -> Plan:
    """A plan without routes, stored: a draft, or one whose routes the caller writes at once (`solved`)."""
    plan = Plan(
        id=uuid7(),
        office_id=office_id,
        day=day,
        state="solved" if solved else "draft",
        seconds=seconds,
        seed=seed,
        travel={},
        cost=None,
        summary={},
        error=None,
        created_by=by,
        created_at=at,
        solved_at=at if solved else None,
        published_at=None,
        version=1,
    )
    session.add(plan)
    session.flush()
    return plan


def write_routes(session: Session, plan_id: UUID, routes: Sequence[PlannedRoute], *, first: int = 1) -> None:
    """Write the routes of a plan that has none, or others than those that it has, from position `first` on."""
    route_rows, stop_rows, item_rows = [], [], []
    for position, route in enumerate(routes, start=first):
        route_id = uuid7()
        route_rows.append(
            {
                "id": route_id,
                "plan_id": plan_id,
                "postman_id": route.postman_id,
                "vehicle_id": route.vehicle_id,
                "position": position,
                "summary": dict(route.summary),
            }
        )
        for sequence, stop in enumerate(route.stops, start=1):
            stop_id = uuid7()
            stop_rows.append(
                {
                    "id": stop_id,
                    "route_id": route_id,
                    "sequence": sequence,
                    "arrives_at": stop.arrives_at,
                    "leaves_at": stop.leaves_at,
                    "lock": stop.lock,
                    "kept_at": stop.kept_at,
                    "lat": stop.lat,
                    "lon": stop.lon,
                    "waits_seconds": stop.waits_seconds,
                    "rests_seconds": stop.rests_seconds,
                }
            )
            item_rows += [
                {"stop_id": stop_id, "item_id": item_id, "position": place} for place, item_id in enumerate(stop.items)
            ]
    for table, rows in ((Route, route_rows), (Stop, stop_rows), (StopItem, item_rows)):
        if rows:
            session.execute(insert(table), rows)


def erase_routes(session: Session, plan_id: UUID) -> None:
    """Remove the routes of a plan, to write them anew."""
    routes = select(Route.id).where(Route.plan_id == plan_id)
    stops = select(Stop.id).where(Stop.route_id.in_(routes))
    session.execute(delete(StopItem).where(StopItem.stop_id.in_(stops)).execution_options(synchronize_session=False))
    session.execute(delete(Stop).where(Stop.route_id.in_(routes)).execution_options(synchronize_session=False))
    session.execute(delete(Route).where(Route.plan_id == plan_id).execution_options(synchronize_session=False))


def replace_routes(session: Session, plan_id: UUID, routes: Mapping[UUID, PlannedRoute]) -> None:
    """Write some postmen's routes anew, each at its place in the plan; one without stops goes away."""
    places = {
        row.postman_id: row
        for row in session.execute(
            select(Route.id, Route.postman_id, Route.position).where(Route.plan_id == plan_id).order_by(Route.position)
        )
    }
    behind = max((row.position for row in places.values()), default=0) + 1
    gone = [row.id for postman_id, row in places.items() if postman_id in routes]
    stops = select(Stop.id).where(Stop.route_id.in_(gone))
    session.execute(delete(StopItem).where(StopItem.stop_id.in_(stops)).execution_options(synchronize_session=False))
    session.execute(delete(Stop).where(Stop.route_id.in_(gone)).execution_options(synchronize_session=False))
    session.execute(delete(Route).where(Route.id.in_(gone)).execution_options(synchronize_session=False))
    for postman_id, route in routes.items():
        if not route.stops:
            continue
        if postman_id in places:
            write_routes(session, plan_id, [route], first=places[postman_id].position)
        else:
            write_routes(session, plan_id, [route], first=behind)
            behind += 1


def erase_unplanned(session: Session, plan_id: UUID, item_ids: Iterable[UUID] | None = None) -> None:
    """Remove the reasons of a plan (of some items only, when named)."""
    query = delete(UnplannedItem).where(UnplannedItem.plan_id == plan_id)
    if item_ids is not None:
        query = query.where(UnplannedItem.item_id.in_(list(item_ids)))
    session.execute(query.execution_options(synchronize_session=False))


MOST_EDITS = 100
"""How many changes by hand a plan remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMade:
    """A change by hand: who, when, what; `target` is the version of the edit that an undo or redo is about."""

    version: int
    by: str
    at: datetime
    kind: str
    target: int | None
    data: Mapping[str, Any]


def edits_of(session: Session, plan_id: UUID, *, after: int = 0) -> list[EditMade]:
    """The changes of a plan by hand, the oldest first: those that made a version later than `after`."""
    rows = session.execute(
        select(PlanEdit, Staff.name)
        .join(Staff, Staff.id == PlanEdit.staff_id)
        .where(PlanEdit.plan_id == plan_id, PlanEdit.version > after)
        .order_by(PlanEdit.version)
    )
    return [
        EditMade(version=row.version, by=name, at=row.at, kind=row.kind, target=row.target, data=row.data)
        for row, name in rows
    ]


def note_edit(
    session: Session,
    plan: Plan,
    *,
    by: UUID,
    at: datetime,
    kind: str,
    target: int | None,
    data: Mapping[str, Any],
) -> None:
    """Remember a change that has made the plan's present version; the oldest are forgotten."""
    session.add(
        PlanEdit(plan_id=plan.id, version=plan.version, staff_id=by, at=at, kind=kind, target=target, data=dict(data))
    )
    session.flush()
    kept = select(PlanEdit.version).where(PlanEdit.plan_id == plan.id).order_by(PlanEdit.version.desc())
    oldest = session.scalar(kept.offset(MOST_EDITS).limit(1))
    if oldest is not None:
        session.execute(
            delete(PlanEdit)
            .where(PlanEdit.plan_id == plan.id, PlanEdit.version <= oldest)
            .execution_options(synchronize_session=False)
        )


def reasons_of(session: Session, plan_id: UUID) -> dict[UUID, LeftOut]:
    """Why items are left out, by item."""
    rows = session.execute(
        select(UnplannedItem.item_id, UnplannedItem.code, UnplannedItem.sentence).where(
            UnplannedItem.plan_id == plan_id
        )
    )
    return {item_id: LeftOut(code, sentence) for item_id, code, sentence in rows}


def write_unplanned(session: Session, plan_id: UUID, reasons: Mapping[UUID, LeftOut]) -> None:
    """Write why items are left out; a later reason for the same item replaces the earlier one."""
    if not reasons:
        return
    session.execute(
        delete(UnplannedItem)
        .where(UnplannedItem.plan_id == plan_id, UnplannedItem.item_id.in_(list(reasons)))
        .execution_options(synchronize_session=False)
    )
    session.execute(
        insert(UnplannedItem),
        [
            {"plan_id": plan_id, "item_id": item_id, "code": why.code, "sentence": why.sentence}
            for item_id, why in reasons.items()
        ],
    )


def strike_unplanned(session: Session, plan_id: UUID, item_ids: Iterable[UUID]) -> None:
    """These items are left out no more."""
    session.execute(
        delete(UnplannedItem)
        .where(UnplannedItem.plan_id == plan_id, UnplannedItem.item_id.in_(list(item_ids)))
        .execution_options(synchronize_session=False)
    )


def routes_of(session: Session, plan_id: UUID) -> list[PlannedRoute]:
    """The routes of a plan as they were written."""
    plan_routes: list[PlannedRoute] = []
    summaries = {
        route.id: route
        for route in session.scalars(select(Route).where(Route.plan_id == plan_id).order_by(Route.position))
    }
    stops: dict[UUID, dict[UUID, tuple[Stop, list[UUID]]]] = {route_id: {} for route_id in summaries}
    rows = session.execute(
        select(Stop, StopItem.item_id)
        .join(StopItem, StopItem.stop_id == Stop.id)
        .where(Stop.route_id.in_(list(summaries)))
        .order_by(Stop.sequence, StopItem.position)
    )
    for stop, item_id in rows:
        stops[stop.route_id].setdefault(stop.id, (stop, []))[1].append(item_id)
    for route_id, route in summaries.items():
        plan_routes.append(
            PlannedRoute(
                postman_id=route.postman_id,
                vehicle_id=route.vehicle_id,
                summary=route.summary,
                stops=tuple(
                    PlannedStop(
                        items=tuple(ids),
                        lat=stop.lat,
                        lon=stop.lon,
                        arrives_at=stop.arrives_at,
                        leaves_at=stop.leaves_at,
                        lock=stop.lock,
                        kept_at=stop.kept_at,
                        waits_seconds=stop.waits_seconds,
                        rests_seconds=stop.rests_seconds,
                    )
                    for stop, ids in stops[route_id].values()
                ),
            )
        )
    return plan_routes


# ---------------------------------------------------------------------------------------------- what gives way
def reliefs_of(session: Session, plan_id: UUID) -> list[Relief]:
    """The rules that give way for a plan, the first given first."""
    rows = session.scalars(select(PlanRelief).where(PlanRelief.plan_id == plan_id).order_by(PlanRelief.id))
    return [Relief(kind=row.kind, amount=row.amount, postman_id=row.postman_id, item_id=row.item_id) for row in rows]


def grant(session: Session, plan_id: UUID, reliefs: Iterable[Relief], *, by: UUID, at: datetime) -> None:
    """Let rules give way for a plan; what was given before stays."""
    session.add_all(
        PlanRelief(
            id=uuid7(),
            plan_id=plan_id,
            kind=relief.kind,
            postman_id=relief.postman_id,
            item_id=relief.item_id,
            amount=relief.amount,
            staff_id=by,
            at=at,
        )
        for relief in reliefs
    )
    session.flush()


# -------------------------------------------------------------------------------------------------- what is shown
@dataclass(frozen=True, slots=True)
class StopView:
    """A stop as lists and maps show it."""

    sequence: int
    arrives_at: datetime
    leaves_at: datetime
    lock: str
    items: tuple[UUID, ...]
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route with the names of postman and vehicle."""

    id: UUID
    postman: UUID
    postman_name: str
    vehicle: UUID
    vehicle_name: str
    mode: str
    summary: Mapping[str, Any]
    stops: tuple[StopView, ...]


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan with its routes and how many items it leaves out."""

    id: UUID
    office: UUID
    day: date
    state: str
    travel: Mapping[str, Any]
    cost: int | None
    summary: Mapping[str, Any]
    error: str | None
    created_at: datetime
    solved_at: datetime | None
    published_at: datetime | None
    routes: tuple[RouteView, ...]
    unplanned_count: int
    version: int


def views(session: Session, plans: Iterable[Plan], *, with_routes: bool = True) -> list[PlanView]:
    """Plans with everything that is shown of them, by the same few queries for one and for many; `routes` empty unless asked for."""
    shown = list(plans)
    ids = [plan.id for plan in shown]
    routes = _routes_of(session, ids) if with_routes else {plan_id: [] for plan_id in ids}
    unplanned = dict(
        session.execute(
            select(UnplannedItem.plan_id, func.count())
            .where(UnplannedItem.plan_id.in_(ids))
            .group_by(UnplannedItem.plan_id)
        ).all()
    )
    return [
        PlanView(
            plan.id,
            plan.office_id,
            plan.day,
            plan.state,
            plan.travel,
            plan.cost,
            plan.summary,
            plan.error,
            plan.created_at,
            plan.solved_at,
            plan.published_at,
            tuple(routes[plan.id]),
            unplanned.get(plan.id, 0),
            plan.version,
        )
        for plan in shown
    ]


def _routes_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[RouteView]]:
    """By plan its routes with their stops."""
    stops: dict[Any, dict[Any, tuple[Any, list[UUID]]]] = {}
    for stop_id, route_id, sequence, arrives_at, leaves_at, lock, lat, lon, item_id in session.execute(
        select(
            # Ids that only say what belongs together are not made into objects, of which a large plan needs thousands.
            type_coerce(Stop.id, PlainId), type_coerce(Stop.route_id, PlainId), Stop.sequence, Stop.arrives_at,
            Stop.leaves_at, Stop.lock, Stop.lat, Stop.lon, StopItem.item_id,
        )
        .join(StopItem, StopItem.stop_id == Stop.id)
        .join(Route, Route.id == Stop.route_id)
        .where(Route.plan_id.in_(ids))
        .order_by(Stop.route_id, Stop.sequence, StopItem.position)
    ):  # fmt: skip
        seen = stops.setdefault(route_id, {}).setdefault(
            stop_id, ((sequence, arrives_at, leaves_at, lock, lat, lon), [])
        )
        seen[1].append(item_id)
    routes: dict[UUID, list[RouteView]] = {plan_id: [] for plan_id in ids}
    for route, key, postman_name, vehicle_name, mode in session.execute(
        select(Route, type_coerce(Route.id, PlainId).label("key"), Staff.name, Vehicle.name, Vehicle.mode)
        .join(Staff, Staff.id == Route.postman_id)
        .join(Vehicle, Vehicle.id == Route.vehicle_id)
        .where(Route.plan_id.in_(ids))
        .order_by(Route.position)
    ):
        routes[route.plan_id].append(
            RouteView(
                route.id,
                route.postman_id,
                postman_name,
                route.vehicle_id,
                vehicle_name,
                mode,
                route.summary,
                tuple(
                    StopView(sequence, arrives_at, leaves_at, lock, tuple(item_ids), lat, lon)
                    for (sequence, arrives_at, leaves_at, lock, lat, lon), item_ids in stops.get(key, {}).values()
                ),
            )
        )
    return routes


@dataclass(frozen=True, slots=True)
class UnplannedView:
    """An item that a plan leaves out."""

    item_id: UUID
    barcode: str
    address: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Label:
    """An item as a board writes it."""

    item_id: UUID
    name: str
    address: str
    state: str
    lat: float | None
    lon: float | None


def labels_of(session: Session, item_ids: Sequence[UUID]) -> dict[UUID, Label]:
    """What a board writes of items."""
    rows = session.execute(
        select(Item.id, Item.recipient_name, Item.address_raw, Item.state, Item.lat, Item.lon).where(
            Item.id.in_(item_ids)
        )
    )
    return {row.id: Label(*row) for row in rows}


def unplanned_of(session: Session, plan_id: UUID) -> list[UnplannedView]:
    """What a plan leaves out, by code."""
    rows = session.execute(
        select(UnplannedItem.item_id, Item.barcode, Item.address_raw, UnplannedItem.code, UnplannedItem.sentence)
        .join(Item, Item.id == UnplannedItem.item_id)
        .where(UnplannedItem.plan_id == plan_id)
        .order_by(UnplannedItem.code, Item.barcode)
    )
    return [UnplannedView(*row) for row in rows]
