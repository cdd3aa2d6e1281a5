"""What an office's day offers to be planned: what waits, who works, what stands already."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from courier.domain.attempts import outlook
from courier.domain.bylaws import Bylaws
from courier.domain.calendar import CLOSED, DayOff, WorkingCalendar, at_local, local_day
from courier.domain.doors import WAITING_STATES, Seconds, Waiting
from courier.domain.duty import OF_THE_OFFICE, Kind, Roster
from courier.domain.item import Direction, EventType, State, life_of
from courier.domain.money import cash_account
from courier.store import calendar_days, duty, items, ledger, slot_holds
from courier.store.tables import Agency, AuditEntry, EventOfItem, Item, ItemEvent, Plan, Route, Stop, StopItem

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
