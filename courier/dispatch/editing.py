"""Edits of a solved plan by hand: tried without writing, made, undone and done again; every write names the version it changes.

A published plan is not edited: a copy of it is, and publishing the copy tells the phones (docs/decisions/0051).
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from courier.desk import Desk
from courier.dispatch.arranging import Board, Edit
from courier.dispatch.office_day import plan_of
from courier.dispatch.standing import TAKEN_OFF, read_standing, write_solution
from courier.dispatch.writing import totals
from courier.domain.doors import LeftOut
from courier.domain.errors import Forbidden, Overtaken, Refused
from courier.domain.people import Caller, Role
from courier.store import plans
from courier.store.plans import CrewMember, EditMade, Label, PlannedRoute, PlanView, UnplannedView
from courier.store.tables import Plan

# A board of a thousand stops holds the travel times of a million ways.
_MOST_BOARDS: Final = 4
# How old a picture of the day may be. Publishing looks at everything again.
_OLDEST: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedRoute:
    """A route as the change leaves it, with the rules that it breaks in its summary."""

    postman_name: str
    route: PlannedRoute


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What a change does: the plan's cost before and after, the routes that it touches, and who could undo what.

    `left_out` are the stops of the plan that are on no route. `version` is the plan's; a mere trial does not raise it.
    """

    version: int
    cost_before: int
    cost: int
    routes: tuple[EditedRoute, ...]
    left_out: tuple[tuple[UUID, ...], ...]
    can_undo: bool
    can_redo: bool


def preview_edit(desk: Desk, caller: Caller, plan_id: UUID, edit: Edit, *, version: int, at: datetime) -> Edited:
    """What the change would do; nothing is written.

    Raises: what `edit_plan` raises.
    """
    with desk.database.read() as session:
        plan = editable_plan(session, caller, plan_id, version, for_update=False)
        board = _board(session, desk, plan, at=at)
        done, undone = _stacks(plans.edits_of(session, plan.id))
    return _edited(board, board.after(edit), version=version, done=done, undone=undone)


def edit_plan(desk: Desk, caller: Caller, plan_id: UUID, edit: Edit, *, version: int, at: datetime) -> Edited:
    """Make the change and write it. Rules that it breaks are named, not refused: the dispatcher decides.

    Raises:
        Forbidden: the caller edits nothing.
        Missing: no such plan for this caller.
        Overtaken: the plan has changed since `version`; says by whom and how.
        Refused: `not-solved`, `published`, and what `Board.after` refuses.
    """
    with desk.database.write() as session:
        plan = editable_plan(session, caller, plan_id, version)
        board = _board(session, desk, plan, at=at)
        after = board.after(edit)
        stops = len({board.numbers[item_id] for item_id in edit.items})
        return write_edit(session, caller, plan, board, after, kind=edit.kind, target=None, stops=stops, at=at)


def undo_edit(desk: Desk, caller: Caller, plan_id: UUID, *, version: int, at: datetime) -> Edited:
    """Take back the last change by hand that stands.

    Raises: what `edit_plan` raises, and Refused: `nothing-to-undo`, `changed`.
    """
    return _again(desk, caller, plan_id, "undo", version=version, at=at)


def redo_edit(desk: Desk, caller: Caller, plan_id: UUID, *, version: int, at: datetime) -> Edited:
    """Make the change anew that was last taken back, unless another came since.

    Raises: what `edit_plan` raises, and Refused: `nothing-to-redo`, `changed`.
    """
    return _again(desk, caller, plan_id, "redo", version=version, at=at)


def edits_made(desk: Desk, caller: Caller, plan_id: UUID) -> tuple[list[EditMade], bool, bool]:
    """The changes by hand that are remembered, and whether one can be undone, and one done again.

    Raises:
        Missing: no such plan for this caller.
    """
    with desk.database.read() as session:
        made = plans.edits_of(session, plan_of(session, caller, plan_id).id)
    done, undone = _stacks(made)
    return made, bool(done), bool(undone)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSheet:
    """A plan on the table: its routes, everybody who could have one, how items are written, and what is left out.

    `left_out` are the items that a place on a route could be found for by hand, whatever the reason.
    """

    plan: PlanView
    crew: tuple[CrewMember, ...]
    labels: Mapping[UUID, Label]
    left_out: tuple[UnplannedView, ...]
    can_undo: bool
    can_redo: bool


def look_at_board(desk: Desk, caller: Caller, view: PlanView, *, at: datetime) -> BoardSheet:
    """Everything that the board of a plan shows beside its routes, by a few queries however many stops there are.

    Raises:
        Missing: no such plan for this caller.
    """
    with desk.database.read() as session:
        plan = plan_of(session, caller, view.id)
        left_out = tuple(plans.unplanned_of(session, plan.id))
        ids = [item_id for route in view.routes for stop in route.stops for item_id in stop.items]
        labels = plans.labels_of(session, [*ids, *(row.item_id for row in left_out)])
        crew = tuple(plans.crew(session, plan.office_id, plan.day, at=at))
        done, undone = _stacks(plans.edits_of(session, plan.id))
    return BoardSheet(
        plan=view, crew=crew, labels=labels, left_out=left_out, can_undo=bool(done), can_redo=bool(undone)
    )


def copy_plan(desk: Desk, caller: Caller, plan_id: UUID, *, at: datetime) -> UUID:
    """A solved plan with the routes and locks of a solved or published one, to be edited and published. Returns its id.

    Raises:
        Forbidden, Missing: as usual.
        Refused: `not-solved`.
    """
    _may_edit(caller)
    with desk.database.write() as session:
        plan = plan_of(session, caller, plan_id)
        if plan.state not in ("solved", "published", "superseded"):
            raise Refused("not-solved", "Chỉ sao chép được phương án đã giải xong.")
        copy = plans.begin_plan(
            session,
            office_id=plan.office_id,
            day=plan.day,
            seconds=plan.seconds,
            seed=plan.seed,
            by=caller.id,
            at=at,
            solved=True,
        )
        copy.summary = dict(plan.summary)
        plans.write_routes(session, copy.id, plans.routes_of(session, plan.id))
        plans.write_unplanned(session, copy.id, plans.reasons_of(session, plan.id))
        plans.grant(session, copy.id, plans.reliefs_of(session, plan.id), by=caller.id, at=at)
        # As the day is now: what was visited stands where it was visited, and nobody leaves before the present.
        standing = read_standing(session, desk, copy, at=at)
        write_solution(session, desk, copy, standing, standing.solution, at=at)
        copy.summary = dict(copy.summary) | {"copy_of": str(plan.id)}
        return copy.id


# ---------------------------------------------------------------------------------------------------------- versions
def _may_edit(caller: Caller) -> None:
    if caller.role not in (Role.DISPATCHER, Role.ADMIN):
        raise Forbidden("Only a dispatcher edits plans.")


def editable_plan(session: Session, caller: Caller, plan_id: UUID, version: int, *, for_update: bool = True) -> Plan:
    """The plan, locked, when it may be edited by this caller who saw that version; raises what `edit_plan` raises."""
    _may_edit(caller)
    plan = plan_of(session, caller, plan_id, for_update=for_update)
    require_plan_version(session, plan, version)
    if plan.state == "published":
        raise Refused("published", "Phương án đã công bố. Tạo bản sao để sửa rồi công bố bản sao.")
    if plan.state != "solved":
        raise Refused("not-solved", "Chỉ sửa được phương án đã giải xong.")
    return plan


def require_plan_version(session: Session, plan: Plan, version: int) -> None:
    """Raise `Overtaken` with what changed since, unless the plan is still at the version that the caller saw."""
    if plan.version != version:
        since = plans.edits_of(session, plan.id, after=version)
        raise Overtaken(
            "plan",
            expected=version,
            found=plan.version,
            changes=[
                {
                    "version": made.version,
                    "by": made.by,
                    "at": made.at,
                    "kind": made.kind,
                    "stops": int(made.data.get("stops", 0)),
                    "postmen": list(made.data.get("postmen", ())),
                }
                for made in since
            ],
        )


# ------------------------------------------------------------------------------------------------------------ boards
class _Boards:
    """The boards that were last on the table, by plan and version, so that a drag need not read the day again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[UUID, int], tuple[datetime, Board]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, plan: Plan, at: datetime) -> Board | None:
        with self._lock:
            found = self._kept.get((plan.id, plan.version))
            if found is None or not timedelta(0) <= at - found[0] < _OLDEST:
                return None
            self._kept.move_to_end((plan.id, plan.version))
            return found[1]

    def keep(self, plan_id: UUID, version: int, board: Board, at: datetime) -> None:
        with self._lock:
            for key in [key for key in self._kept if key[0] == plan_id]:
                del self._kept[key]
            self._kept[plan_id, version] = (at, board)
            while len(self._kept) > _MOST_BOARDS:
                self._kept.popitem(last=False)


_boards = _Boards()


def _board(session: Session, desk: Desk, plan: Plan, *, at: datetime) -> Board:
    kept = _boards.get(plan, at)
    if kept is None:
        kept = Board(read_standing(session, desk, plan, at=at))
        _boards.keep(plan.id, plan.version, kept, at)
    return kept


# ----------------------------------------------------------------------------------------------------------- writing
def write_edit(
    session: Session,
    caller: Caller,
    plan: Plan,
    before: Board,
    after: Board,
    *,
    kind: str,
    target: int | None,
    stops: int,
    at: datetime,
    restored: Mapping[UUID, LeftOut] | None = None,
) -> Edited:
    """Write what the change touches, remember it, and say what it does. The plan is locked."""
    seats = after.touched_since(before)
    routes = {route.postman_id: route for route in map(after.planned, seats)}
    on_routes = {item_id for number in after.seats for item_id in after.standing.calls[number].items}
    were_on_routes = {item_id for number in before.seats for item_id in before.standing.calls[number].items}
    known = plans.reasons_of(session, plan.id)
    placed, taken_off = on_routes - were_on_routes, were_on_routes - on_routes
    plans.replace_routes(session, plan.id, routes)
    plans.erase_unplanned(session, plan.id, placed)
    plans.write_unplanned(session, plan.id, {i: (restored or {}).get(i, TAKEN_OFF) for i in taken_off})
    plan.version += 1
    plan.cost = after.cost
    sums = totals(after.planned(seat) for seat in range(len(after.visits)) if after.visits[seat])
    plan.summary = dict(plan.summary) | sums | {"changed_at": at.isoformat()}
    data: dict[str, Any] = {
        "before": before.arrangement(seats),
        "after": after.arrangement(seats),
        "reasons": {str(i): [known[i].code, known[i].sentence] for i in placed if i in known},
        "postmen": [after.standing.crew[seat].name for seat in seats],
        "stops": stops,
    }
    plans.note_edit(session, plan, by=caller.id, at=at, kind=kind, target=target, data=data)
    _boards.keep(plan.id, plan.version, after, at)
    done, undone = _stacks(plans.edits_of(session, plan.id))
    return _edited(before, after, version=plan.version, done=done, undone=undone)


def _again(desk: Desk, caller: Caller, plan_id: UUID, kind: str, *, version: int, at: datetime) -> Edited:
    with desk.database.write() as session:
        plan = editable_plan(session, caller, plan_id, version)
        done, undone = _stacks(plans.edits_of(session, plan.id))
        stack = done if kind == "undo" else undone
        if not stack:
            sentence = "Không còn thay đổi nào để hoàn tác." if kind == "undo" else "Không còn thay đổi nào để làm lại."
            raise Refused(f"nothing-to-{kind}", sentence)
        target = stack[-1]
        board = _board(session, desk, plan, at=at)
        after = board.arranged(target.data["before" if kind == "undo" else "after"])
        restored = {UUID(i): LeftOut(*why) for i, why in target.data["reasons"].items()} if kind == "undo" else {}
        return write_edit(
            session,
            caller,
            plan,
            board,
            after,
            kind=kind,
            target=target.version,
            stops=int(target.data["stops"]),
            at=at,
            restored=restored,
        )


def _stacks(made: Sequence[EditMade]) -> tuple[list[EditMade], list[EditMade]]:
    """The changes that stand, and those that were taken back and can be made anew; the next in turn is the last."""
    known = {edit.version: edit for edit in made}
    done: list[EditMade] = []
    undone: list[EditMade] = []
    for edit in made:
        target = None if edit.target is None else known.get(edit.target)
        if edit.kind not in ("undo", "redo"):
            done.append(edit)
            undone.clear()
        elif target is not None:
            source, to = (done, undone) if edit.kind == "undo" else (undone, done)
            if target in source:
                source.remove(target)
            to.append(target)
    return done, undone


def _edited(
    before: Board, after: Board, *, version: int, done: Sequence[EditMade], undone: Sequence[EditMade]
) -> Edited:
    seats = after.touched_since(before)
    return Edited(
        version=version,
        cost_before=before.cost,
        cost=after.cost,
        routes=tuple(
            EditedRoute(postman_name=after.standing.crew[seat].name, route=after.planned(seat)) for seat in seats
        ),
        left_out=tuple(after.standing.calls[missed.id].items for missed in after.standing.solution.unassigned),
        can_undo=bool(done),
        can_redo=bool(undone),
    )
