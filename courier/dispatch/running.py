"""The running day: how every round goes, from facts; cheap to ask again and again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from courier.desk import Desk
from courier.dispatch.office_day import office_of
from courier.domain.errors import FieldError, Invalid
from courier.domain.item import State
from courier.domain.people import Caller
from courier.domain.progress import Call, Expected, Outlook, Pace, outlook
from courier.store import plans, rounds
from courier.store.rounds import Round, RoundStop

_DONE: Final = frozenset({State.DELIVERED, State.FETCHED, State.PICKED_UP, State.AT_OFFICE, State.LODGED})
# Off the route since it was published: called off, collected at the office, or given back.
_OFF: Final = frozenset(
    {State.ANNOUNCED, State.RECEIVED, State.AWAITING_PICKUP, State.CANCELLED, State.RETURNING, State.RETURNED}
)
_OPEN: Final = frozenset({State.PLANNED, State.OUT})
# With a visit today these are its failure; without one the office has taken the item off.
_AFTER_A_VISIT: Final = frozenset({State.HELD, State.REQUESTED})
# About a hundred metres: enough to see who is near, and no more of where somebody stood.
_COARSE: Final = 3
_TIME_COUNTS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a postman was at his last act, to about a hundred metres."""

    lat: float
    lon: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """How a round goes: counts of calls and papers, the calls to come with their times, and where it was last known."""

    round: Round
    outlook: Outlook
    calls: int
    done: int
    failed: int
    loaded: int
    to_load: int
    place: Place | None
    coming: tuple[tuple[RoundStop, Expected], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDay:
    """An office-day as it goes. `plan_id` is None where nothing is published."""

    day: date
    at: datetime
    plan_id: UUID | None
    plan_version: int | None
    goings: tuple[Going, ...]
    incidents: int


def live_tag(desk: Desk, caller: Caller, *, office_id: UUID | None, day: date, at: datetime) -> str:
    """The entity tag of the live board: it changes with every act, and with the minute, since times are told from now.

    Raises:
        Missing: the office is not there, closed, or not the caller's.
        Invalid: an admin names no office.
    """
    office = _office(desk, caller, office_id)
    known = (office, day, *rounds.mark(desk.database, office, day), int(at.timestamp()) // _TIME_COUNTS)
    return sha256(repr(known).encode()).hexdigest()[:20]


def live(desk: Desk, caller: Caller, *, office_id: UUID | None, day: date, at: datetime) -> LiveDay:
    """How every round of the published plan goes.

    Raises:
        Missing: the office is not there, closed, or not the caller's.
        Invalid: an admin names no office.
    """
    office = _office(desk, caller, office_id)
    with desk.database.read() as session:
        plan = plans.published(session, office, day)
        found = rounds.rounds_of(session, plan) if plan is not None else []
        return LiveDay(
            day=day,
            at=at,
            plan_id=plan.id if plan is not None else None,
            plan_version=plan.version if plan is not None else None,
            goings=tuple(_going(one, at) for one in found),
            incidents=rounds.open_incidents(session, office),
        )


def running_plan(desk: Desk, caller: Caller, day: date) -> tuple[UUID, int] | None:
    """The published plan of the caller's office on that day, with its version; None where there is none."""
    if caller.office_id is None:
        return None
    with desk.database.read() as session:
        plan = plans.published(session, caller.office_id, day)
        return (plan.id, plan.version) if plan is not None else None


def _office(desk: Desk, caller: Caller, office_id: UUID | None) -> UUID:
    if caller.office_id is not None and office_id in (None, caller.office_id):
        return caller.office_id
    if office_id is None:
        raise Invalid(FieldError("office", "required", "Mời chọn bưu cục."))
    with desk.database.read() as session:
        return office_of(session, caller, office_id).id


def _is_off(stop: RoundStop, state: State) -> bool:
    return state in _OFF or (state in _AFTER_A_VISIT and stop.visit is None)


def _going(one: Round, at: datetime) -> Going:
    stops = [stop for stop in one.stops if not all(_is_off(stop, state) for state in stop.states)]
    open_stops = {n for n, stop in enumerate(stops) if any(state in _OPEN for state in stop.states)}
    calls = [_call(stop, is_open=n in open_stops) for n, stop in enumerate(stops)]
    starts_at = one.starts_at or (stops[0].arrives_at if stops else at)
    view = outlook(calls, starts_at=starts_at, is_out=one.in_bag > 0, heard_at=one.heard_at, now=at)
    done = sum(all(state in _DONE or _is_off(stop, state) for state in stop.states) for stop in stops)
    papers = [state for stop in stops for state in stop.states if not _is_off(stop, state)]
    return Going(
        round=one,
        outlook=view,
        calls=len(stops),
        done=done,
        failed=len(stops) - done - len(open_stops),
        loaded=sum(state is not State.PLANNED for state in papers),
        to_load=len(papers),
        place=_place(stops),
        coming=tuple((stops[n], view.rest[n]) for n in sorted(view.rest)),
    )


def _call(stop: RoundStop, *, is_open: bool) -> Call:
    visited = None
    if not is_open:
        visited = stop.visit.at if stop.visit is not None else stop.leaves_at
    return Call(arrives_at=stop.arrives_at, leaves_at=stop.leaves_at, window=stop.window, visited_at=visited)


def _place(stops: list[RoundStop]) -> Place | None:
    """Where the last act was: by the phone's word if it gave one, else at the door itself."""
    visited = [stop for stop in stops if stop.visit is not None]
    if not visited:
        return None
    last = max(visited, key=lambda stop: stop.visit.at if stop.visit else stop.arrives_at)
    told: Mapping[str, object] = (last.visit.position if last.visit else None) or {}
    lat, lon = told.get("lat"), told.get("lon")
    here = (lat, lon) if isinstance(lat, int | float) and isinstance(lon, int | float) else (last.lat, last.lon)
    return Place(
        lat=round(here[0], _COARSE), lon=round(here[1], _COARSE), at=last.visit.at if last.visit else last.leaves_at
    )


__all__ = ["Expected", "Going", "LiveDay", "Pace", "Place", "live", "live_tag", "running_plan"]
