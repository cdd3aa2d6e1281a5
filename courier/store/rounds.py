"""The running day as the dispatcher's live board reads it: rounds with their doors and visits, phones, bags and pockets.

Read every two seconds by everybody who looks on, so whether anything changed is one statement over indexed rows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, func, select, true
from sqlalchemy.orm import Session

from courier.domain.arrivals import Noise
from courier.domain.calendar import at_local, local_day
from courier.domain.item import EventType, State
from courier.domain.money import cash_account
from courier.domain.people import Role
from courier.domain.progress import Call, Outlook, learned_from, outlook
from courier.store.plans import ON_THE_ROAD
from courier.store.session import Database
from courier.store.tables import (
    BagVersion,
    Device,
    EventOfItem,
    Incident,
    Item,
    ItemEvent,
    LedgerEntry,
    Office,
    Plan,
    Postman,
    Route,
    Staff,
    Stop,
    StopItem,
    Vehicle,
)

LEARNT_FROM_DAYS: Final = 60
"""Rounds of so many days back teach how rounds go; before that it was another season."""

DONE: Final = frozenset({State.DELIVERED, State.FETCHED, State.PICKED_UP, State.AT_OFFICE, State.LODGED})
# Off the route since it was published: called off, collected at the office, or given back.
_OFF: Final = frozenset(
    {
        State.ANNOUNCED,
        State.RECEIVED,
        State.TO_FORWARD,
        State.FORWARDED,
        State.AWAITING_PICKUP,
        State.CANCELLED,
        State.RETURNING,
        State.RETURNED,
    }
)
_STILL_OPEN: Final = frozenset({State.PLANNED, State.OUT})
# With a visit today these are its failure; without one the office has taken the item off.
_AFTER_A_VISIT: Final = frozenset({State.HELD, State.REQUESTED})

_DOOR_ACTS = (EventType.HANDED_OVER, EventType.ATTEMPT_FAILED, EventType.FETCHED)
_OFFICE: BindParameter[UUID] = bindparam("office_id")
_DAY: BindParameter[date] = bindparam("day")
_PEOPLE = select(Staff.id).where(Staff.office_id == _OFFICE, Staff.role == Role.POSTMAN.value).scalar_subquery()
_PUBLISHED = (Plan.office_id == _OFFICE, Plan.day == _DAY, Plan.state == "published")
_OPEN = (Incident.office_id == _OFFICE, Incident.closed_at.is_(None))
_MARK = select(
    select(Plan.id).where(*_PUBLISHED).scalar_subquery(),
    select(Plan.version).where(*_PUBLISHED).scalar_subquery(),
    # Whatever a postman would see of his day raises the version of his bag: acts, changes by the office, money.
    select(func.sum(BagVersion.version))
    .where(BagVersion.postman_id.in_(_PEOPLE), BagVersion.day == _DAY)
    .scalar_subquery(),
    select(func.max(Device.last_seen_at)).where(Device.staff_id.in_(_PEOPLE)).scalar_subquery(),
    select(func.count()).select_from(Incident).where(*_OPEN).scalar_subquery(),
)


def mark(database: Database, office_id: UUID, day: date) -> tuple[Any, ...]:
    """What changes with everything that the board shows of an office-day, but for the passing of time."""
    with database.glance_engine.connect() as connection:
        return tuple(connection.execute(_MARK, {"office_id": office_id, "day": day}).one())


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The last act at a door: when, and where the phone was, if it told."""

    at: datetime
    position: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStop:
    """A call of a round with the states of its items. `visit` is the last act at it today."""

    id: UUID
    sequence: int
    arrives_at: datetime
    leaves_at: datetime
    lat: float
    lon: float
    items: tuple[UUID, ...]
    states: tuple[State, ...]
    recipient: str
    address: str
    window: tuple[datetime, datetime] | None
    visit: Visit | None
    waits: timedelta = timedelta(0)
    rests: timedelta = timedelta(0)

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done there."""
        return any(state in _STILL_OPEN for state in self.states)

    def is_off(self, state: State) -> bool:
        """Whether an item of the call in that state has been taken off the round."""
        return state in _OFF or (state in _AFTER_A_VISIT and self.visit is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A postman's round on the published plan.

    `heard_at` is when his phone last sent anything, `waiting_acts` how many acts it said it still had then, None where
    nobody knows. `cash_dong` is what he has taken today.
    """

    route_id: UUID
    postman_id: UUID
    name: str
    mode: str
    vehicle: str
    starts_at: datetime | None
    stops: tuple[RoundStop, ...]
    in_bag: int
    cash_dong: int
    cash_limit_dong: int
    heard_at: datetime | None
    waiting_acts: int | None

    def standing_stops(self) -> list[RoundStop]:
        """The calls that are still calls of the round."""
        return [stop for stop in self.stops if not all(stop.is_off(state) for state in stop.states)]

    def outlook(self, noise: Noise, *, day: date, at: datetime) -> Outlook:
        """How the round of that day goes; places are those of `standing_stops`."""
        stops = self.standing_stops()
        today = day == local_day(at)
        return outlook(
            [_call(stop) for stop in stops],
            starts_at=self.starts_at or (stops[0].arrives_at if stops else at),
            # Today's bag and today's phone say nothing of a round to come.
            is_out=self.in_bag > 0 and today,
            heard_at=self.heard_at if today else None,
            now=at,
            noise=noise,
        )


def _call(stop: RoundStop) -> Call:
    visited = None
    if not stop.is_open:
        visited = stop.visit.at if stop.visit is not None else stop.leaves_at
    return Call(
        arrives_at=stop.arrives_at,
        leaves_at=stop.leaves_at,
        window=stop.window,
        visited_at=visited,
        waits=stop.waits,
        rests=stop.rests,
    )


def noise_of(office: Office, known: Noise) -> Noise:
    """How far the office's rounds depart from their plans: what they have taught, or what is `known` of all offices."""
    learned = office.rounds_learned.get("noise")
    return Noise(**learned) if learned else known


def learn(session: Session, office: Office, known: Noise, *, day: date) -> None:
    """Learn from the office's recorded rounds before that day; once a day is enough."""
    if office.rounds_learned.get("day") == day.isoformat():
        return
    noise = learned_from(known, past_rounds(session, office.id, before=day))
    learned = None if noise.basis == known.basis else asdict(noise)
    office.rounds_learned = {"day": day.isoformat(), "noise": learned}


def past_rounds(session: Session, office_id: UUID, *, before: date) -> list[tuple[datetime, list[Call]]]:
    """When each recorded round of the last weeks was to leave, and its calls with the last act at each. Two statements."""
    which = (
        Plan.office_id == office_id,
        Plan.state == "published",
        Plan.day < before,
        Plan.day >= before - timedelta(days=LEARNT_FROM_DAYS),
    )
    acts: dict[UUID, datetime] = {}
    for stop_id, day, occurred_at in session.execute(
        select(Stop.id, Plan.day, ItemEvent.occurred_at)
        .join(Route, Route.id == Stop.route_id)
        .join(Plan, Plan.id == Route.plan_id)
        .join(StopItem, StopItem.stop_id == Stop.id)
        .join(EventOfItem, EventOfItem.item_id == StopItem.item_id)
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .where(*which, ItemEvent.type.in_(_DOOR_ACTS), ItemEvent.clock_trusted)
    ):
        if local_day(occurred_at) == day:
            acts[stop_id] = max(occurred_at, acts.get(stop_id, occurred_at))
    found: dict[UUID, tuple[datetime, dict[UUID, Call]]] = {}
    for stop, summary, day, *wanted in session.execute(
        select(Stop, Route.summary, Plan.day, Item.wanted_on, Item.wanted_from, Item.wanted_to)
        .join(Route, Route.id == Stop.route_id)
        .join(Plan, Plan.id == Route.plan_id)
        .join(StopItem, StopItem.stop_id == Stop.id)
        .join(Item, Item.id == StopItem.item_id)
        .where(*which)
        .order_by(Stop.route_id, Stop.sequence)
    ):
        starts_at = datetime.fromisoformat(summary["starts_at"]) if summary.get("starts_at") else stop.arrives_at
        _, calls = found.setdefault(stop.route_id, (starts_at, {}))
        call = calls.get(stop.id) or Call(
            arrives_at=stop.arrives_at,
            leaves_at=stop.leaves_at,
            visited_at=acts.get(stop.id),
            waits=timedelta(seconds=stop.waits_seconds),
            rests=timedelta(seconds=stop.rests_seconds),
        )
        calls[stop.id] = replace(call, window=call.window or _window(day, *wanted))
    return [(starts_at, list(calls.values())) for starts_at, calls in found.values()]


def _window(day: date, on: date | None, opens: int | None, closes: int | None) -> tuple[datetime, datetime] | None:
    if on != day or opens is None or closes is None:
        return None
    return at_local(day, opens), at_local(day, closes)


def rounds_of(session: Session, plan: Plan, *, only: UUID | None = None) -> list[Round]:
    """The rounds of a published plan as they stand (`only` one route), by the same few queries for one and for many."""
    routes = session.execute(
        select(
            Route.id, Route.postman_id, Staff.name, Vehicle.mode, Vehicle.name, Route.summary, Postman.cash_limit_dong
        )
        .join(Staff, Staff.id == Route.postman_id)
        .join(Postman, Postman.staff_id == Route.postman_id)
        .join(Vehicle, Vehicle.id == Route.vehicle_id)
        .where(Route.plan_id == plan.id, Route.id == only if only is not None else true())
        .order_by(Route.position)
    ).all()
    postmen = [row.postman_id for row in routes]
    stops = _stops(session, plan, [row.id for row in routes])
    bags = dict(
        session.execute(
            select(Item.custody_holder, func.count())
            .where(Item.office_id == plan.office_id, Item.state.in_(ON_THE_ROAD), Item.custody_holder.is_not(None))
            .group_by(Item.custody_holder)
        ).all()
    )
    accounts = {cash_account(postman_id, plan.day): postman_id for postman_id in postmen}
    cash = {
        accounts[account]: int(total)
        for account, total in session.execute(
            select(LedgerEntry.account, func.sum(LedgerEntry.amount_dong))
            .where(LedgerEntry.account.in_(accounts))
            .group_by(LedgerEntry.account)
        )
    }
    phones = {
        staff_id: (heard_at, waiting)
        for staff_id, heard_at, waiting in session.execute(
            select(Device.staff_id, func.max(Device.last_seen_at), func.sum(Device.waiting_acts))
            .where(Device.staff_id.in_(postmen), Device.revoked_at.is_(None))
            .group_by(Device.staff_id)
        )
    }
    return [
        Round(
            route_id=route_id,
            postman_id=postman_id,
            name=name,
            mode=mode,
            vehicle=vehicle,
            starts_at=datetime.fromisoformat(summary["starts_at"]) if summary.get("starts_at") else None,
            stops=tuple(stops.get(route_id, ())),
            in_bag=bags.get(postman_id, 0),
            cash_dong=cash.get(postman_id, 0),
            cash_limit_dong=limit,
            heard_at=phones.get(postman_id, (None, None))[0],
            waiting_acts=phones.get(postman_id, (None, None))[1],
        )
        for route_id, postman_id, name, mode, vehicle, summary, limit in routes
    ]


def _stops(session: Session, plan: Plan, routes: list[UUID]) -> dict[UUID, list[RoundStop]]:
    rows = session.execute(
        select(
            Stop.route_id, Stop.id, Stop.sequence, Stop.arrives_at, Stop.leaves_at, Stop.lat, Stop.lon, Item.id,
            Item.state, Item.recipient_name, Item.address_raw, Stop.waits_seconds, Stop.rests_seconds,
            Item.wanted_on, Item.wanted_from, Item.wanted_to,
        )
        .join(Route, Route.id == Stop.route_id)
        .join(StopItem, StopItem.stop_id == Stop.id)
        .join(Item, Item.id == StopItem.item_id)
        .where(Route.id.in_(routes))
        .order_by(Stop.route_id, Stop.sequence, StopItem.position)
    ).all()  # fmt: skip
    visits = _visits(session, plan, routes)
    calls: dict[UUID, list[Any]] = {}
    for row in rows:
        calls.setdefault(row[1], []).append(row)
    stops: dict[UUID, list[RoundStop]] = {}
    for stop_id, members in calls.items():
        (route_id, _, sequence, arrives_at, leaves_at, lat, lon, _, _, recipient, address, waits, rests, *_) = members[
            0
        ]
        acts = [visits[row[7]] for row in members if row[7] in visits]
        windows = [window for *_, on, opens, closes in members if (window := _window(plan.day, on, opens, closes))]
        stops.setdefault(route_id, []).append(
            RoundStop(
                id=stop_id,
                sequence=sequence,
                arrives_at=arrives_at,
                leaves_at=leaves_at,
                lat=lat,
                lon=lon,
                items=tuple(row[7] for row in members),
                states=tuple(State(row[8]) for row in members),
                recipient=recipient,
                address=address,
                window=windows[0] if windows else None,
                visit=max(acts, key=lambda visit: visit.at) if acts else None,
                waits=timedelta(seconds=waits),
                rests=timedelta(seconds=rests),
            )
        )
    return stops


def _visits(session: Session, plan: Plan, routes: list[UUID]) -> dict[UUID, Visit]:
    opens = at_local(plan.day, 0)
    rows = session.execute(
        select(EventOfItem.item_id, ItemEvent.occurred_at, ItemEvent.position)
        .join(ItemEvent, ItemEvent.id == EventOfItem.event_id)
        .join(StopItem, StopItem.item_id == EventOfItem.item_id)
        .join(Stop, Stop.id == StopItem.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .where(
            Route.id.in_(routes),
            ItemEvent.type.in_(_DOOR_ACTS),
            ItemEvent.occurred_at >= opens,
            ItemEvent.occurred_at < opens + timedelta(days=1),
        )
        .order_by(ItemEvent.occurred_at, ItemEvent.id)
    )
    return {item_id: Visit(at=at, position=position) for item_id, at, position in rows}


def open_incidents(session: Session, office_id: UUID) -> int:
    """How many incidents of the office are open."""
    found = session.scalar(
        select(func.count()).select_from(Incident).where(Incident.office_id == office_id, Incident.closed_at.is_(None))
    )
    return found or 0
