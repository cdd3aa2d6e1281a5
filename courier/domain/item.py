"""The life of an item (bưu gửi): its events, its states, and the one transition table.

An item's state is a pure function of the *set* of its events: they are sorted by the estimated time of the act and folded
through the table, so arrival order, duplicates and batching cannot matter. A *fact* is what happened at a door or a desk and is
never refused; where it fits no row it is kept as a conflict and changes nothing. An *intent* is what somebody wants; it is
stamped by the server, it can be refused, and it never stands in the way of a fact.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from courier.domain.errors import Refused
from courier.domain.people import Role


class Direction(StrEnum):
    """`result`: from the agency to the citizen; `submission`: a dossier from the citizen to the agency."""

    RESULT = "result"
    SUBMISSION = "submission"


class State(StrEnum):
    """Where an item stands in its life."""

    ANNOUNCED = "announced"
    RECEIVED = "received"
    PLANNED = "planned"
    OUT = "out"
    ATTEMPTED = "attempted"
    HELD = "held"
    TO_FORWARD = "to_forward"
    FORWARDED = "forwarded"
    AWAITING_PICKUP = "awaiting_pickup"
    DELIVERED = "delivered"
    PICKED_UP = "picked_up"
    RETURNING = "returning"
    RETURNED = "returned"
    REQUESTED = "requested"
    FETCHED = "fetched"
    AT_OFFICE = "at_office"
    LODGED = "lodged"
    CANCELLED = "cancelled"


FINAL: Final = frozenset({State.DELIVERED, State.PICKED_UP, State.RETURNED, State.LODGED, State.CANCELLED})


class EventType(StrEnum):
    """What can happen to an item, or be wanted of it."""

    RECEIVED = "received"
    PLANNED = "planned"
    UNPLANNED = "unplanned"
    TAKEN_OUT = "taken_out"
    HANDED_OVER = "handed_over"
    ATTEMPT_FAILED = "attempt_failed"
    BROUGHT_BACK = "brought_back"
    DIRECTED = "directed"
    SENT_ON = "sent_on"
    ARRIVED = "arrived"
    INVITED = "invited"
    PICKED_UP = "picked_up"
    GIVEN_BACK = "given_back"
    AGENCY_SIGNED = "agency_signed"
    SET_OUT = "set_out"
    FETCHED = "fetched"
    BROUGHT_IN = "brought_in"
    CANCELLED = "cancelled"
    LOST = "lost"
    DAMAGED = "damaged"
    RECALLED = "recalled"
    FOUND = "found"
    PASSED_ON = "passed_on"
    TAKEN_OVER = "taken_over"
    RESCHEDULED = "rescheduled"
    REDIRECTED = "redirected"
    AUTHORISED = "authorised"
    INSTRUCTED = "instructed"
    CORRECTED = "corrected"


INTENTS: Final = frozenset(
    {
        EventType.PLANNED,
        EventType.UNPLANNED,
        EventType.DIRECTED,
        EventType.INVITED,
        EventType.CANCELLED,
        EventType.RESCHEDULED,
        EventType.REDIRECTED,
        EventType.AUTHORISED,
        EventType.INSTRUCTED,
    }
)

# Wishes of the citizen that change no state; the last of each kind counts.
WISHES: Final = (EventType.RESCHEDULED, EventType.REDIRECTED, EventType.AUTHORISED, EventType.INSTRUCTED)

# A phone speaks of its bag: the same act has another name for a dossier that is fetched.
_SAME_ACT: Final = {EventType.TAKEN_OUT: EventType.SET_OUT, EventType.BROUGHT_BACK: EventType.BROUGHT_IN}

# After one of these another hand may hold the paper.
_MOVES_THE_PAPER: Final = frozenset(
    {
        EventType.TAKEN_OUT,
        EventType.SET_OUT,
        EventType.TAKEN_OVER,
        EventType.BROUGHT_BACK,
        EventType.BROUGHT_IN,
        EventType.FOUND,
    }
)

# Acts that only the bearer of the paper can do, and those of them that a bearer's later word of any kind disproves: who
# still has the paper at noon was not relieved of it at eleven. A handover has a witness; only another handover counts more.
_NEEDS_THE_PAPER: Final = frozenset(
    {
        EventType.HANDED_OVER,
        EventType.FETCHED,
        EventType.ATTEMPT_FAILED,
        EventType.BROUGHT_BACK,
        EventType.BROUGHT_IN,
    }
)
_WITNESSED: Final = frozenset({EventType.HANDED_OVER, EventType.FETCHED})

_R, _S = Direction.RESULT, Direction.SUBMISSION
BACK: Final = "back"  # to the state before the planning

# direction, from, event, to. `None` as target: the state stays (custody or a mark changes).
_ROWS: Final[tuple[tuple[Direction, tuple[State, ...], EventType, State | str | None], ...]] = (
    (_R, (State.ANNOUNCED,), EventType.RECEIVED, State.RECEIVED),
    (_R, (State.RECEIVED, State.HELD), EventType.PLANNED, State.PLANNED),
    (_R, (State.PLANNED,), EventType.UNPLANNED, BACK),
    (_R, (State.RECEIVED, State.PLANNED, State.HELD), EventType.TAKEN_OUT, State.OUT),
    (_R, (State.OUT, State.ATTEMPTED), EventType.HANDED_OVER, State.DELIVERED),
    (_R, (State.OUT, State.ATTEMPTED), EventType.ATTEMPT_FAILED, State.ATTEMPTED),
    (_R, (State.OUT, State.ATTEMPTED), EventType.BROUGHT_BACK, State.HELD),
    (_R, (State.OUT, State.ATTEMPTED), EventType.PASSED_ON, None),
    (_R, (State.OUT, State.ATTEMPTED), EventType.TAKEN_OVER, None),
    # Held after its attempts, or because the citizen asked to collect it before anybody set out.
    (_R, (State.RECEIVED, State.PLANNED, State.HELD), EventType.INVITED, State.AWAITING_PICKUP),
    # Where he asked to collect it at another office it goes there with the mail, and waits for him once it has arrived.
    (_R, (State.RECEIVED, State.PLANNED, State.HELD), EventType.DIRECTED, State.TO_FORWARD),
    (_R, (State.TO_FORWARD,), EventType.SENT_ON, State.FORWARDED),
    (_R, (State.TO_FORWARD, State.FORWARDED), EventType.ARRIVED, State.AWAITING_PICKUP),
    (_R, (State.HELD, State.AWAITING_PICKUP), EventType.PICKED_UP, State.PICKED_UP),
    (_R, (State.HELD, State.AWAITING_PICKUP), EventType.GIVEN_BACK, State.RETURNING),
    (_R, (State.RETURNING,), EventType.AGENCY_SIGNED, State.RETURNED),
    (_R, (State.ANNOUNCED, State.RECEIVED, State.PLANNED), EventType.CANCELLED, State.CANCELLED),
    (_S, (State.REQUESTED,), EventType.PLANNED, State.PLANNED),
    (_S, (State.PLANNED,), EventType.UNPLANNED, BACK),
    (_S, (State.REQUESTED, State.PLANNED), EventType.SET_OUT, State.OUT),
    (_S, (State.OUT,), EventType.FETCHED, State.FETCHED),
    (_S, (State.OUT,), EventType.ATTEMPT_FAILED, State.REQUESTED),
    (_S, (State.OUT,), EventType.BROUGHT_IN, State.REQUESTED),
    (_S, (State.OUT, State.FETCHED), EventType.PASSED_ON, None),
    (_S, (State.OUT, State.FETCHED), EventType.TAKEN_OVER, None),
    (_S, (State.FETCHED,), EventType.BROUGHT_IN, State.AT_OFFICE),
    (_S, (State.AT_OFFICE,), EventType.AGENCY_SIGNED, State.LODGED),
    (_S, (State.REQUESTED, State.PLANNED), EventType.CANCELLED, State.CANCELLED),
    (_S, (State.FETCHED,), EventType.FOUND, State.AT_OFFICE),
)


def _table() -> Mapping[tuple[Direction, State, EventType], State | str | None]:
    table: dict[tuple[Direction, State, EventType], State | str | None] = {
        (direction, state, event): target for direction, states, event, target in _ROWS for state in states
    }
    steady = (EventType.LOST, EventType.DAMAGED, EventType.RECALLED, EventType.FOUND)
    for direction in Direction:
        for state in set(State) - FINAL:
            for event in steady:
                target = State.HELD if event is EventType.FOUND and direction is _R else None
                table.setdefault((direction, state, event), target)
            for event in WISHES:
                table.setdefault((direction, state, event), None)
    return MappingProxyType(table)


TRANSITIONS: Final = _table()


class Custodian(StrEnum):
    """Who holds the paper."""

    AGENCY = "agency"
    OFFICE = "office"
    POSTMAN = "postman"
    RECIPIENT = "recipient"


@dataclass(frozen=True, slots=True)
class Custody:
    """Who holds the paper; `holder` is the postman's id when it is a postman."""

    kind: Custodian
    holder: UUID | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to one or more items, or an accepted wish.

    `occurred_at` is the server's best estimate of the moment of the act, `received_at` the moment the server heard of it.
    """

    event_id: UUID
    type: EventType
    occurred_at: datetime
    received_at: datetime
    actor: UUID | None
    data: Mapping[str, Any] = field(default_factory=dict)
    actor_role: Role | None = None

    @property
    def is_fact(self) -> bool:
        """True for what happened; False for what somebody wants."""
        return self.type not in INTENTS

    @property
    def order(self) -> tuple[datetime, bytes]:
        """The place of the event in the item's life: time of the act, then the id to break ties."""
        return (self.occurred_at, self.event_id.bytes)


@dataclass(frozen=True, slots=True)
class Conflict:
    """An event that the life of the item has no place for; `code` says why."""

    event_id: UUID
    code: str


@dataclass(frozen=True, slots=True)
class Life:
    """What the set of an item's events amounts to."""

    state: State
    custody: Custody
    since: datetime | None = None
    marks: frozenset[EventType] = frozenset()
    failed: tuple[Event, ...] = ()
    invitations: tuple[datetime, ...] = ()
    moves: int = 0
    wishes: Mapping[EventType, Event] = field(default_factory=dict)
    decisive: Event | None = None
    conflicts: tuple[Conflict, ...] = ()
    withdrawn: frozenset[UUID] = frozenset()

    def allows(self, direction: Direction, event: EventType) -> bool:
        """True when the table has a row for this event now."""
        return (direction, self.state, _name(direction, event)) in TRANSITIONS

    def require(self, direction: Direction, event: EventType) -> None:
        """Refuse an intent that the table has no row for.

        Raises:
            Refused: code `wrong-state`, naming the state found.
        """
        if not self.allows(direction, event):
            raise Refused("wrong-state", f"an item that is {self.state} cannot be {event}")


def _name(direction: Direction, event: EventType) -> EventType:
    return _SAME_ACT.get(event, event) if direction is Direction.SUBMISSION else event


def first_state(direction: Direction) -> State:
    """The state before any event."""
    return State.ANNOUNCED if direction is Direction.RESULT else State.REQUESTED


def _corrections(events: Mapping[UUID, Event]) -> tuple[frozenset[UUID], list[Conflict]]:
    """What corrections take out of the set, and the corrections that have no effect.

    A correction counts only against an earlier event, so a chain of corrections of corrections always has one meaning;
    a postman corrects his own acts, a desk any.
    """
    withdrawn: set[UUID] = set()
    idle: list[Conflict] = []
    for event in sorted(events.values(), key=lambda e: e.order, reverse=True):
        if event.type is not EventType.CORRECTED or event.event_id in withdrawn:
            continue
        target = events.get(UUID(str(event.data["corrects"])))
        if target is None:
            idle.append(Conflict(event.event_id, "nothing-to-correct"))
        elif target.order >= event.order:
            idle.append(Conflict(event.event_id, "correction-before-act"))
        elif event.actor_role is Role.POSTMAN and target.actor != event.actor:
            idle.append(Conflict(event.event_id, "not-your-act"))
        else:
            withdrawn.add(target.event_id)
    return frozenset(withdrawn), idle


def withdrawn(events: Iterable[Event]) -> frozenset[UUID]:
    """Which of an item's events corrections have taken back."""
    return _corrections({event.event_id: event for event in events})[0]


class _Fold:
    """One walk over the sorted events of one item."""

    def __init__(self, direction: Direction, events: list[Event], conflicts: list[Conflict]) -> None:
        self.direction = direction
        self.events = events
        self.conflicts = conflicts
        self.state = first_state(direction)
        self.custody = Custody(Custodian.AGENCY if direction is Direction.RESULT else Custodian.RECIPIENT)
        self.since: datetime | None = None
        self.marks: set[EventType] = set()
        self.failed: list[Event] = []
        self.invitations: list[datetime] = []
        self.moves = 0
        self.wishes: dict[EventType, Event] = {}
        self.decisive: Event | None = None
        self.before_planning = self.state
        # The last state that a fact brought about, and the intents that moved the item since.
        self.fact_state = self.state
        self.recent_intents: list[Event] = []

    def run(self, withdrawn: frozenset[UUID]) -> Life:
        for position, event in enumerate(self.events):
            if event.type is EventType.CORRECTED:
                continue
            self._step(position, event)
        return Life(
            self.state,
            self.custody,
            self.since,
            frozenset(self.marks),
            tuple(self.failed),
            tuple(self.invitations),
            self.moves,
            self.wishes,
            self.decisive,
            tuple(self.conflicts),
            withdrawn,
        )

    def _step(self, position: int, event: Event) -> None:
        kind = _name(self.direction, event.type)
        key = (self.direction, self.state, kind)
        if key not in TRANSITIONS and event.is_fact and TRANSITIONS.get((self.direction, self.fact_state, kind)):
            # What happened beats what was wanted: the intents since the last fact lose. A mark alone (damaged, recalled)
            # contradicts no wish and brings nothing back to life.
            self.conflicts += [Conflict(intent.event_id, "overtaken-by-fact") for intent in self.recent_intents]
            self.state = self.fact_state
            key = (self.direction, self.state, kind)
        if key not in TRANSITIONS:
            self.conflicts.append(Conflict(event.event_id, f"no-{kind}-when-{self.state}"))
            return
        if kind in _NEEDS_THE_PAPER and not self._may_act(position, event, kind):
            return
        self._apply(event, kind, TRANSITIONS[key])

    def _may_act(self, position: int, event: Event, kind: EventType) -> bool:
        """False when somebody else shows that the paper was in his hand; a lone act without custody counts, but is marked."""
        holder = self.custody.holder
        if event.actor is None or event.actor == holder:
            return True
        if kind not in _WITNESSED and event.actor_role not in (None, Role.POSTMAN):
            return True  # the desk says what came back over it
        disproving = {kind} if kind in _WITNESSED else _NEEDS_THE_PAPER | {EventType.PASSED_ON}
        for later in self.events[position + 1 :]:
            done = _name(self.direction, later.type)
            if done in disproving and later.actor == holder and holder is not None:
                self.conflicts.append(Conflict(event.event_id, "another-had-custody"))
                return False
            if done in _MOVES_THE_PAPER:
                break
        self.conflicts.append(Conflict(event.event_id, "not-in-custody"))
        return True

    def _apply(self, event: Event, kind: EventType, target: State | str | None) -> None:
        if kind is EventType.PLANNED:
            self.before_planning = self.state
        if target == BACK:
            self.state, self.since = self.before_planning, event.occurred_at
        elif target is not None:
            self.state, self.since = State(target), event.occurred_at
        if target is not None and event.is_fact:
            self.fact_state = self.state
            self.recent_intents = []
        elif target is not None:
            self.recent_intents.append(event)
        self._hand_on(event, kind)
        self._remember(event, kind)

    def _hand_on(self, event: Event, kind: EventType) -> None:
        if kind in (EventType.TAKEN_OUT, EventType.SET_OUT):
            holder = Custodian.POSTMAN if kind is EventType.TAKEN_OUT else self.custody.kind
            self.custody = Custody(holder, event.actor)
        elif kind in (EventType.FETCHED, EventType.TAKEN_OVER):
            fetched_yet = self.direction is Direction.RESULT or self.state is State.FETCHED
            self.custody = Custody(Custodian.POSTMAN if fetched_yet else self.custody.kind, event.actor)
        elif kind in (EventType.RECEIVED, EventType.BROUGHT_BACK):
            self.custody = Custody(Custodian.OFFICE)
        elif kind is EventType.FOUND:
            # A dossier that nobody has fetched yet lies where it always lay: at the citizen's.
            if self.state in (State.HELD, State.AT_OFFICE):
                self.custody = Custody(Custodian.OFFICE)
        elif kind is EventType.BROUGHT_IN:
            self.custody = Custody(Custodian.OFFICE if self.state is State.AT_OFFICE else Custodian.RECIPIENT)
        elif kind in (EventType.HANDED_OVER, EventType.PICKED_UP):
            self.custody = Custody(Custodian.RECIPIENT)
        elif kind is EventType.AGENCY_SIGNED:
            self.custody = Custody(Custodian.AGENCY)

    def _remember(self, event: Event, kind: EventType) -> None:
        if kind in (EventType.LOST, EventType.DAMAGED, EventType.RECALLED):
            self.marks.add(kind)
        elif kind in (EventType.FOUND, EventType.HANDED_OVER, EventType.PICKED_UP):
            self.marks.discard(EventType.LOST)
        if kind is EventType.ATTEMPT_FAILED:
            self.failed.append(event)
        elif kind in (EventType.INVITED, EventType.ARRIVED):
            self.invitations.append(event.occurred_at)
        elif kind is EventType.RESCHEDULED:
            self.moves += 1
        if kind in (EventType.HANDED_OVER, EventType.FETCHED, EventType.PICKED_UP):
            self.decisive = event
        if kind in WISHES:
            self.wishes[kind] = event


def life_of(direction: Direction, events: Iterable[Event]) -> Life:
    """Fold the set of an item's events into its life. Order and duplicates (same id) of `events` cannot matter."""
    unique = {event.event_id: event for event in events}
    withdrawn, idle = _corrections(unique)
    ordered = sorted((e for e in unique.values() if e.event_id not in withdrawn), key=lambda e: e.order)
    return _Fold(direction, ordered, idle).run(withdrawn)
