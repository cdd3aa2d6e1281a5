"""What a citizen sees behind a link: a coarse state by code, the visit by link, the person's own data after a proof."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.domain.arrivals import CONFIDENCE
from courier.domain.attempts import AttemptRule
from courier.domain.calendar import at_local, local_day
from courier.domain.item import Direction, EventType, State
from courier.domain.people import Role
from courier.domain.release import ReleaseRule
from courier.store import links, rounds, slot_holds, visitors, wishes
from courier.store.tables import (
    Agency,
    EventOfItem,
    Item,
    ItemCharge,
    ItemEvent,
    Office,
    Plan,
    Route,
    Staff,
    Stop,
    StopItem,
)
from courier.store.wishes import Heard
from courier.tracking.finding import still_due
from courier.tracking.overtaken import Overtaken, overtaken
from courier.tracking.proving import is_proven, item_of_link, knows_digits, note_unknown, require_few_unknown

WAITING = (State.RECEIVED, State.PLANNED, State.HELD, State.REQUESTED)
REDIRECTABLE = (State.RECEIVED, State.PLANNED, State.HELD)
MOVABLE = (*WAITING, State.OUT, State.ATTEMPTED)


@dataclass(frozen=True, slots=True)
class Promise:
    """When the postman comes: a day, and a window on it where one can be said.

    `basis` says what the window is: `chosen` (by the citizen: a promise), `estimated` or `learned` (how often it holds is its
    `confidence`), `day` (no window is known). For a chosen window on a route `expected` is the estimate beside it.
    """

    day: date
    opens_at: datetime | None
    closes_at: datetime | None
    basis: str
    updated_at: datetime
    confidence: float | None = None
    expected: "Promise | None" = None


@dataclass(frozen=True, slots=True)
class PublicView:
    """What a link shows. `details` only to a visitor who proved the phone."""

    item_id: UUID
    state: str
    direction: str
    promise: Promise | None
    office: Office
    held_until: date | None
    bring: tuple[str, ...]
    may: frozenset[str]
    details: Mapping[str, Any] | None
    code_needed: bool = False
    """The digits were proven, and the installation asks for a code beside them."""
    overtaken: Overtaken | None = None
    done_at: datetime | None = None
    hold_days: int | None = None
    """For how many days the rule keeps the item, counted from the first invitation; None while nothing is kept."""
    heard: tuple[Heard, ...] = ()
    """What the postman wrote down at the door on the citizen's behalf, with the answers, the latest first; after a proof."""


def by_link(desk: Desk, token: str, *, visitor: str | None, at: datetime) -> PublicView:
    """What the citizen sees; `visitor` is what `prove` gave, or None.

    Raises:
        Missing: no such link.
    """
    with desk.database.read() as session:
        row = item_of_link(session, token)
        proven = visitor is not None and is_proven(session, desk, row.id, visitor, at=at)
        view = public_view(session, desk, row, proven=proven, at=at)
        halfway = not proven and visitor is not None and knows_digits(session, row.id, visitor, at=at)
        return replace(view, code_needed=halfway)


def item_id_of(desk: Desk, token: str) -> UUID:
    """The id behind a link.

    Raises:
        Missing: no such link.
    """
    with desk.database.read() as session:
        return item_of_link(session, token).id


def coarse_state(desk: Desk, barcode: str, *, address: str, at: datetime) -> str | None:
    """All that a tracking code alone tells: `waiting`, `on_the_way`, `at_office`, `done` or None.

    Codes can be counted through, so an address that asks for many that do not exist is told nothing for a while.

    Raises:
        TooManyTries: `too-many-tries`.
    """
    require_few_unknown(desk, visitors.UNKNOWN_CODE, address=address, at=at)
    with desk.database.read() as session:
        state = session.scalar(select(Item.state).where(Item.barcode == barcode.strip().upper()))
    if state is None:
        note_unknown(desk, visitors.UNKNOWN_CODE, address=address, at=at)
        return None
    if state in (State.OUT, State.ATTEMPTED, State.FETCHED, State.FORWARDED):
        return "on_the_way"
    if state in (State.HELD, State.AWAITING_PICKUP):
        return "at_office"
    waiting = (State.ANNOUNCED, State.RECEIVED, State.PLANNED, State.REQUESTED, State.TO_FORWARD)
    return "waiting" if state in waiting else "done"


def public_view(session: Session, desk: Desk, row: Item, *, proven: bool, at: datetime) -> PublicView:
    """What the link of an item shows; the person's own data only when `proven`."""
    office = session.get_one(Office, row.collect_at or row.office_id)
    rule = release_rule(session, desk, row, at)
    state = State(row.state)
    promise = _promise(session, desk, row, at=at)
    details = None
    # What to bring can betray the kind of paper, so before the proof only what every kind asks for is said.
    bring: tuple[str, ...] = (desk.facts.vocabulary["papers"]["id_card"],)
    if proven:
        kind = desk.facts.bylaws.document_types.get(row.document_type)
        papers = desk.facts.vocabulary["papers"]
        if rule is not None:
            shown = next(iter(rule.must_show.values()), ())
            bring = (*(papers[paper] for paper in shown), *(paper.name for paper in rule.surrender))
        tries = attempt_rule(session, desk, row, at)
        charges = session.scalars(
            select(ItemCharge).where(ItemCharge.item_id == row.id).order_by(ItemCharge.kind, ItemCharge.id)
        )
        details = {
            "recipient": row.recipient_name,
            "address": row.address_raw,
            "document_type": kind.name_vi if kind else row.document_type,
            "who": rule.recipient_words if rule else None,
            "authorisation": rule.authorisation_words if rule and "authorised" in rule.must_show else None,
            "gate_photo": row.gate_photo is not None,
            "charges": [
                {"kind": c.kind, "payee": c.payee, "amount_dong": c.amount_dong} for c in charges if c.amount_dong
            ],
            "due_dong": still_due(session, [row.id]).get(row.id, 0),
            "authorised": row.authorised_name,
            "instructions": row.instructions,
            "hold": _standing_hold(session, row, at=at),
            "moves_left": max(0, tries.max_moves - row.moves),
            "change_rule": {
                "max_moves": tries.max_moves,
                "cut_off_days_before": tries.cut_off_days_before,
                "cut_off_at": f"{tries.cut_off_at:%H:%M}",
                "hold_minutes": int(tries.slot_hold.total_seconds() // 60),
            },
            "recipient_code": _code(desk, row, promise, at=at),
        }
    return PublicView(
        item_id=row.id,
        state=state.value,
        direction=row.direction,
        promise=promise,
        office=office,
        held_until=row.held_until,
        bring=bring,
        # Nor that a paper goes to nobody but its owner: few kinds do.
        may=may_ask(row, rule) - (frozenset() if proven else {"authorise", "redirect"}),
        details=details,
        overtaken=overtaken(session, row),
        done_at=_done_at(session, row),
        hold_days=_hold_days(session, desk, row, at) if row.held_until is not None else None,
        heard=tuple(wishes.heard_of(session, [row.id])) if proven else (),
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A window that is kept for the item while the citizen makes up his mind; seconds from local midnight of `day`."""

    day: date
    from_: int
    to: int
    expires_at: datetime

    @property
    def id(self) -> str:
        """The id of the window, as `/slots` gives it."""
        return f"{self.day:%Y%m%d}-{at_local(self.day, self.from_):%H%M}-{at_local(self.day, self.to):%H%M}"


def _standing_hold(session: Session, row: Item, *, at: datetime) -> Held | None:
    hold = slot_holds.of_item(session, row.id, at=at)
    return Held(hold.day, hold.from_seconds, hold.to_seconds, hold.expires_at) if hold is not None else None


def _done_at(session: Session, row: Item) -> datetime | None:
    """When the visit was that ended the item's way; the phone may have told of it later."""
    kinds = (EventType.HANDED_OVER.value, EventType.FETCHED.value)
    if State(row.state) not in (State.DELIVERED, State.FETCHED):
        return None
    return session.scalar(
        select(func.max(ItemEvent.occurred_at))
        .join(EventOfItem, EventOfItem.event_id == ItemEvent.id)
        .where(EventOfItem.item_id == row.id, ItemEvent.type.in_(kinds))
    )


def _hold_days(session: Session, desk: Desk, row: Item, at: datetime) -> int:
    return attempt_rule(session, desk, row, at).hold_days[desk.facts.bylaws.commune_kind(row.commune_code)]


def _code(desk: Desk, row: Item, promise: Promise | None, *, at: datetime) -> str | None:
    """What to read out to the postman, on the day on which he comes."""
    today = local_day(at)
    on_the_way = row.state in (State.OUT, State.ATTEMPTED) or (promise is not None and promise.day == today)
    if row.direction != Direction.RESULT or not on_the_way:
        return None
    return links.recipient_code(desk.settings.secrets, row.id, today)


def collecting_offices(session: Session, row: Item) -> list[Office]:
    """Where the item can be collected: its own office first, then its counters, then every other with somebody at a counter.

    To any but its own office it goes with the mail, and is ready when it has been received there.
    """
    own = session.get_one(Office, row.office_id)
    staffed = select(Staff.id).where(Staff.office_id == Office.id, Staff.role == Role.CLERK.value, Staff.active)
    others = session.scalars(
        select(Office)
        .where(Office.id != own.id, Office.active, (Office.parent_id == own.id) | exists(staffed))
        .order_by(Office.parent_id.is_distinct_from(own.id), Office.name, Office.id)
    )
    return [own, *others]


def office_name(desk: Desk, office_id: UUID) -> str:
    """How an office is called."""
    with desk.database.read() as session:
        return session.get_one(Office, office_id).name


def offices_to_collect_at(desk: Desk, item_id: UUID) -> list[Office]:
    """Where an item can be collected, for a page; whoever asks may see the item."""
    with desk.database.read() as session:
        return collecting_offices(session, session.get_one(Item, item_id))


def may_ask(row: Item, rule: ReleaseRule | None) -> frozenset[str]:
    """The kinds of change request that the item's state and its paper allow."""
    state = State(row.state)
    can: set[str] = set()
    if state in WAITING:
        can.add("reschedule")
    if state in MOVABLE:
        can.add("instruct")
        if rule is not None and "authorised" in rule.must_show:
            can.add("authorise")
    if state in REDIRECTABLE and row.direction == Direction.RESULT:
        can.add("pick_up")
        # What goes to its owner in person alone is not sent after him.
        if rule is not None and rule.recipient != "owner_only":
            can.add("redirect")
    return frozenset(can)


def _promise(session: Session, desk: Desk, row: Item, *, at: datetime) -> Promise | None:
    estimate = None
    if State(row.state) in (State.PLANNED, State.OUT):
        found = session.execute(
            select(Plan, Stop.route_id, Stop.id)
            .join(Route, Route.plan_id == Plan.id)
            .join(Stop, Stop.route_id == Route.id)
            .join(StopItem, StopItem.stop_id == Stop.id)
            .where(StopItem.item_id == row.id, Plan.state == "published", Plan.day >= local_day(at))
            .order_by(Plan.day.desc())
        ).first()
        if found is not None and row.wanted_on in (None, found[0].day):
            plan, route_id, stop_id = found
            estimate = _estimate(session, desk, plan, route_id, stop_id, at=at)
    chosen = row.wanted_on is not None and row.wanted_on >= local_day(at) and State(row.state) in MOVABLE
    if not chosen or row.wanted_on is None:
        return estimate
    if row.wanted_from is None or row.wanted_to is None:
        return estimate or Promise(row.wanted_on, None, None, "day", at)
    opens_at, closes_at = at_local(row.wanted_on, row.wanted_from), at_local(row.wanted_on, row.wanted_to)
    # What was promised stays promised; what is to be expected is told beside it, even where it has come apart from it.
    beside = estimate if estimate is not None and estimate.opens_at is not None else None
    return Promise(row.wanted_on, opens_at, closes_at, "chosen", at, expected=beside)


def _estimate(session: Session, desk: Desk, plan: Plan, route_id: UUID, stop_id: UUID, *, at: datetime) -> Promise:
    """The window in which the call begins nine times out of ten, from the plan, the acts of the round and how rounds go here."""
    noise = rounds.noise_of(session.get_one(Office, plan.office_id), desk.facts.arrivals)
    (one,) = rounds.rounds_of(session, plan, only=route_id)
    view = one.outlook(noise, day=plan.day, at=at)
    place = next((n for n, stop in enumerate(one.standing_stops()) if stop.id == stop_id), None)
    expected = view.rest.get(place) if place is not None else None
    # A round that is so late that its calls run into the night says nothing about when somebody comes.
    if expected is None or local_day(expected.closes) != plan.day:
        return Promise(plan.day, None, None, "day", at)
    return Promise(plan.day, expected.opens, expected.closes, noise.basis, at, confidence=CONFIDENCE)


def release_rule(session: Session, desk: Desk, row: Item, at: datetime) -> ReleaseRule | None:
    """Who may receive the item's paper today; None for a kind that nobody wrote a rule for."""
    kind = desk.facts.bylaws.document_types.get(row.document_type)
    agency = session.get_one(Agency, row.agency_id).code
    return kind.rule(local_day(at), agency=agency, subject=row.subject) if kind else None


def attempt_rule(session: Session, desk: Desk, row: Item, at: datetime) -> AttemptRule:
    """How often, how late and how long the visit to the item may be moved today."""
    agency = session.get_one(Agency, row.agency_id).code
    return desk.facts.bylaws.attempts.rule(local_day(at), agency=agency, document_type=row.document_type)
