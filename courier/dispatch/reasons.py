"""Why a plan is as it is: why each stop is where and when it is, why others are left out, and what would let them in.

What would let one in is an offer. Taking it changes a rule for this plan alone, and puts the stop on the route.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import routing
from courier.desk import Desk
from courier.dispatch.arranging import Board, Edit
from courier.dispatch.editing import editable_plan, write_edit
from courier.dispatch.office_day import plan_of
from courier.dispatch.standing import StandingPlan, read_standing, write_solution
from courier.domain.calendar import at_local
from courier.domain.errors import Missing, Refused
from courier.domain.people import Caller
from courier.store import plans
from courier.store.plans import PlanView, Relief, UnplannedView
from courier.store.tables import Plan
from routing.explaining import Binding, BindingCode, StopExplained, explain_left_out, explain_route
from routing.insertion import Insertion
from routing.problem import Visits
from routing.relaxing import Relaxation, RelaxationKind
from routing.solving import visits_of
from routing.timetable import Timetable

TIES: Final = tuple(BindingCode)

# Who is on the road cannot load what lies in the office, and what is in a bag stays there: facts, which nobody can lift.
_FIXED: Final = frozenset({RelaxationKind.SKILL, RelaxationKind.ALLOWED_VEHICLES, RelaxationKind.LOCK})
_OF_THE_POSTMAN: Final = frozenset({RelaxationKind.SHIFT, RelaxationKind.CAPACITY, RelaxationKind.CASH_LIMIT})
_GIVES_WAY: Final = _OF_THE_POSTMAN | {RelaxationKind.WINDOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """One rule that holds a stop; `stop` is the sequence of the one behind it, when the rule is that one's."""

    code: str
    stop: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReason:
    """Why a stop is here and now.

    `saved_seconds` of travel without it (None: unknown), `slack_seconds` by which it could be later (None: any).
    `elsewhere` is the next best postman with the seconds that the plan would then cost more.
    """

    items: tuple[UUID, ...]
    sequence: int
    arrives_at: datetime
    saved_seconds: int | None
    slack_seconds: int | None
    ties: tuple[Tie, ...]
    elsewhere: tuple[UUID, str, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReason:
    """The stops of a postman's route; empty, with the codes of the rules, where it breaks some."""

    postman: UUID
    postman_name: str
    stops: tuple[StopReason, ...]
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What gives way: `amount` in seconds (shift; window, on each side), items (capacity) or dong (cash_limit)."""

    kind: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A way to let a left-out stop in, on the route of `postman`, for so many seconds of travel more.

    `kind` is room (nothing need change), shift, window, capacity, cash_limit, several or exchange: then the items of
    `instead` stay in the office. `key` names the offer when it is taken.
    """

    key: str
    kind: str
    postman: UUID
    postman_name: str
    changes: tuple[Change, ...]
    instead: tuple[UUID, ...]
    extra_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why one postman cannot take a stop."""

    postman: UUID
    postman_name: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutReason:
    """A call that the plan leaves out. Where no route is to blame (held, address unknown) there is nothing to offer."""

    items: tuple[UUID, ...]
    code: str
    sentence: str
    window: tuple[int, int] | None
    due_dong: int
    obstacles: tuple[Obstacle, ...]
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReasons:
    """The plan explained at its `version`; `reliefs` are the rules that give way for it already."""

    version: int
    routes: tuple[RouteReason, ...]
    left_out: tuple[LeftOutReason, ...]
    reliefs: tuple[Relief, ...]


# ---------------------------------------------------------------------------------------------------------- asking
def has_reliefs(desk: Desk, caller: Caller, plan_id: UUID) -> bool:
    """Whether any rule gives way for this plan.

    Raises:
        Missing: no such plan for this caller.
    """
    with desk.database.read() as session:
        return bool(plans.reliefs_of(session, plan_of(session, caller, plan_id).id))


def explain_plan(
    desk: Desk,
    caller: Caller,
    plan_id: UUID,
    *,
    at: datetime,
    item_id: UUID | None = None,
    stops: bool = True,
    postman: UUID | None = None,
    most: int | None = None,
) -> PlanReasons:
    """Why the plan is as it is; of one item's stop only when it is named, without the routes when `stops` is false.

    With `postman` the routes are his alone, and nothing is said of what is left out. Of more than `most` left-out calls
    only the first have obstacles and offers.

    Raises:
        Missing: no such plan for this caller, or the item is not in it.
        Refused: `not-solved`.
    """
    with desk.database.read() as session:
        plan = plan_of(session, caller, plan_id)
        require_solved(plan)
        view = _View(read_standing(session, desk, plan, at=at))
        listed = plans.unplanned_of(session, plan.id)
        given = tuple(plans.reliefs_of(session, plan.id))
        version = plan.version
    routes = tuple(view.routes(item_id, postman)) if stops or item_id is not None else ()
    left_out = tuple(view.left_out(listed, item_id, most)) if postman is None else ()
    if item_id is not None and not left_out and not any(route.stops or route.broken for route in routes):
        raise Missing("item", item_id)
    return PlanReasons(version=version, routes=routes, left_out=left_out, reliefs=given)


def take_offer(
    desk: Desk, caller: Caller, plan_id: UUID, item_id: UUID, *, key: str, version: int, at: datetime
) -> PlanView:
    """Let the rule give way for this plan and put the left-out stop on the route, in one transaction.

    It is remembered as a change by hand: to undo it takes the stop off again, what gave way stays.

    Raises:
        Forbidden, Missing: as usual.
        Overtaken: the plan has changed since `version`; says by whom and how.
        Refused: `not-solved`, `published`, `not-left-out`, `offer-gone`.
    """
    with desk.database.write() as session:
        plan = editable_plan(session, caller, plan_id, version)
        view = _View(read_standing(session, desk, plan, at=at))
        number = view.waiting(item_id)
        if number is None:
            raise Refused("not-left-out", "Bưu gửi này không còn nằm ngoài các tuyến.")
        offer = next((offer for offer in view.offers(number) if offer.key == key), None)
        if offer is None:
            raise Refused("offer-gone", "Cách này không còn phù hợp với phương án; mời xem lại các cách mới.")
        items = view.standing.calls[number].items
        plans.grant(session, plan.id, _reliefs(offer, items), by=caller.id, at=at)
        # Read again: the rules are others now.
        before = after = Board(read_standing(session, desk, plan, at=at))
        if offer.instead:
            after = after.after(Edit(kind="unplan", items=offer.instead))
        after = after.after(Edit(kind="move", items=items, postman=offer.postman))
        write_edit(session, caller, plan, before, after, kind="move", target=None, stops=1, at=at)
        session.flush()
        return plans.views(session, [plan])[0]


def withdraw_relief(
    desk: Desk, caller: Caller, plan_id: UUID, relief_id: UUID, *, version: int, at: datetime
) -> PlanView:
    """Let a rule that gave way hold again for this plan. The stops stay; what they break now is named beside their route.

    Raises:
        Forbidden: as usual.
        Missing: no such plan for this caller, or nothing of that id gives way for it.
        Overtaken: the plan has changed since `version`; says by whom and how.
        Refused: `not-solved`, `published`.
    """
    with desk.database.write() as session:
        plan = editable_plan(session, caller, plan_id, version)
        if not plans.withdraw(session, plan.id, relief_id):
            raise Missing("relief", relief_id)
        standing = read_standing(session, desk, plan, at=at)
        write_solution(session, desk, plan, standing, standing.solution, at=at)
        plan.version += 1
        session.flush()
        return plans.views(session, [plan])[0]


def require_solved(plan: Plan) -> None:
    """Raise `Refused` unless the plan has routes."""
    if plan.state not in ("solved", "published", "superseded"):
        raise Refused("not-solved", "Phương án chưa giải xong.")


def _reliefs(offer: Offer, items: Sequence[UUID]) -> Iterator[Relief]:
    for change in offer.changes:
        if change.kind == RelaxationKind.WINDOW:
            yield from (Relief(kind=change.kind, amount=change.amount, item_id=item_id) for item_id in items)
        else:
            yield Relief(kind=change.kind, amount=change.amount, postman_id=offer.postman)


# ------------------------------------------------------------------------------------------------------- explaining
class _View:
    """A standing plan and what it takes to ask it: calls are named by their items, seats by their postmen."""

    def __init__(self, standing: StandingPlan) -> None:
        self.standing = standing
        self.problem = standing.problem
        self.insertion = Insertion(standing.problem, Timetable(standing.problem))
        self.visits: Visits = visits_of(standing.problem, standing.solution)
        self.numbers: Mapping[UUID, int] = {
            item_id: number for number, call in enumerate(standing.calls) for item_id in call.items
        }

    def waiting(self, item_id: UUID) -> int | None:
        """The call of an item, when it could be planned and is on no route."""
        number = self.numbers.get(item_id)
        return None if number is None or any(number in order for order in self.visits) else number

    def routes(self, item_id: UUID | None, postman: UUID | None) -> Iterator[RouteReason]:
        """The routes (of one postman, when he is named), or the one that an item is on, with that stop alone."""
        number = None if item_id is None else self.numbers.get(item_id)
        for route in self.standing.solution.routes:
            if item_id is not None and number not in self.visits[route.vehicle_index]:
                continue
            member = self.standing.crew[route.vehicle]
            if postman not in (None, member.postman_id):
                continue
            broken = {fault.code: None for fault in self.standing.solution.violations if fault.vehicle == route.vehicle}
            told = () if broken else explain_route(self.problem, self.insertion, self.visits, route)
            places = {stop.id: place for place, stop in enumerate(told, start=1)}
            yield RouteReason(
                postman=member.postman_id,
                postman_name=member.name,
                broken=tuple(broken),
                stops=tuple(self._stop(stop, places) for stop in told if number in (None, stop.id)),
            )

    def _stop(self, stop: StopExplained, places: Mapping[int, int]) -> StopReason:
        crew, elsewhere = self.standing.crew, stop.elsewhere
        return StopReason(
            items=self.standing.calls[stop.id].items,
            sequence=places[stop.id],
            arrives_at=at_local(self.standing.sheet.day, stop.begins),
            saved_seconds=stop.marginal_cost,
            slack_seconds=stop.slack,
            ties=tuple(_tie(binding, places) for binding in stop.bindings),
            elsewhere=None
            if elsewhere is None
            else (crew[elsewhere.vehicle].postman_id, crew[elsewhere.vehicle].name, elsewhere.extra_cost),
        )

    def left_out(
        self, listed: Sequence[UnplannedView], item_id: UUID | None, most: int | None
    ) -> Iterator[LeftOutReason]:
        """What is on no route: what could be planned, with its offers, and then the rest with its stored reason."""
        stored = {row.item_id: row for row in listed}
        wanted = None if item_id is None else self.numbers.get(item_id)
        told: set[UUID] = set()
        asked = 0
        for number, call in enumerate(self.standing.calls):
            if self.waiting(call.items[0]) is None:
                continue
            told.update(call.items)
            if item_id is not None and number != wanted:
                continue
            asked += 1
            yield self._left_out(number, stored.get(call.items[0]), told_why=most is None or asked <= most)
        for row in listed:
            if row.item_id not in told and item_id in (None, row.item_id) and row.item_id not in self.numbers:
                yield LeftOutReason(
                    items=(row.item_id,),
                    code=row.code,
                    sentence=row.sentence,
                    window=None,
                    due_dong=0,
                    obstacles=(),
                    offers=(),
                )

    def _left_out(self, number: int, stored: UnplannedView | None, *, told_why: bool = True) -> LeftOutReason:
        crew, call = self.standing.crew, self.standing.calls[number]
        if not told_why:
            return LeftOutReason(
                items=call.items,
                code=stored.code if stored else str(routing.ReasonCode.SHIFT),
                sentence=stored.sentence if stored else "",
                window=call.window,
                due_dong=call.due_dong,
                obstacles=(),
                offers=(),
            )
        found = explain_left_out(self.problem, self.insertion, self.visits, number, fixed=_FIXED)
        return LeftOutReason(
            items=call.items,
            code=stored.code if stored else str(found.code or routing.ReasonCode.SHIFT),
            sentence=stored.sentence if stored else "",
            window=call.window,
            due_dong=call.due_dong,
            obstacles=tuple(
                Obstacle(
                    postman=crew[reason.vehicle].postman_id,
                    postman_name=crew[reason.vehicle].name,
                    code=reason.code.value,
                )
                for reason in found.reasons
            ),
            offers=tuple(map(self._offer, found.relaxations)),
        )

    def offers(self, number: int) -> tuple[Offer, ...]:
        """What would let a call in."""
        return self._left_out(number, None).offers

    def _offer(self, relaxed: Relaxation) -> Offer:
        member = self.standing.crew[relaxed.vehicle]
        parts = relaxed.parts or (relaxed,)
        changes = tuple(Change(kind=part.kind.value, amount=part.amount) for part in parts if part.kind in _GIVES_WAY)
        instead = () if relaxed.instead is None else self.standing.calls[relaxed.instead].items
        return Offer(
            key=".".join(
                [
                    relaxed.kind.value,
                    str(member.postman_id),
                    *(f"{change.kind}-{change.amount}" for change in changes),
                    *map(str, instead[:1]),
                ]
            ),
            kind=relaxed.kind.value,
            postman=member.postman_id,
            postman_name=member.name,
            changes=changes,
            instead=instead,
            extra_seconds=relaxed.extra_cost,
        )


def _tie(binding: Binding, places: Mapping[int, int]) -> Tie:
    return Tie(code=binding.code.value, stop=None if binding.stop is None else places.get(binding.stop))
