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
from courier.domain.progress import Expected, Outlook, Pace
from courier.store import plans, rounds
from courier.store.rounds import Round, RoundStop
from courier.store.tables import Office

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
        noise = rounds.noise_of(session.get_one(Office, office), desk.facts.arrivals)
        return LiveDay(
            day=day,
            at=at,
            plan_id=plan.id if plan is not None else None,
            plan_version=plan.version if plan is not None else None,
            goings=tuple(_going(one, one.outlook(noise, day=day, at=at)) for one in found),
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


def _going(one: Round, view: Outlook) -> Going:
    stops = one.standing_stops()
    open_stops = sum(stop.is_open for stop in stops)
    done = sum(all(state in rounds.DONE or stop.is_off(state) for state in stop.states) for stop in stops)
    papers = [state for stop in stops for state in stop.states if not stop.is_off(state)]
    return Going(
        round=one,
        outlook=view,
        calls=len(stops),
        done=done,
        failed=len(stops) - done - open_stops,
        loaded=sum(state is not State.PLANNED for state in papers),
        to_load=len(papers),
        place=_place(stops),
        coming=tuple((stops[n], view.rest[n]) for n in sorted(view.rest)),
    )


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
