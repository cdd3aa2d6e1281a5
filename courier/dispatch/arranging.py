"""A plan on the table, to be arranged by hand: every change is worked out on the routes that it touches and on no other.

Changes that break a rule are made and the rule is named; what cannot be at all is refused with a code.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final, TypeAlias
from uuid import UUID

import routing
from courier.dispatch.office_day import job_of
from courier.dispatch.standing import StandingPlan, told
from courier.dispatch.writing import planned_route
from courier.domain.calendar import at_local
from courier.domain.doors import door
from courier.domain.errors import Refused
from courier.store.plans import PlannedRoute
from routing.checking import check_route, summary_of
from routing.insertion import Insertion
from routing.problem import InvalidProblem, kept_windows
from routing.telling import standing_route
from routing.timetable import Timetable

Visits: TypeAlias = tuple[tuple[int, ...], ...]
Arrangement: TypeAlias = Mapping[str, Sequence[Sequence[Any]]]
"""Routes as a change remembers them: by postman, each stop as [items, lock, kept_at]."""

_BOUND: Final = (routing.Lock.KEEP_ORDER, routing.Lock.KEEP_TIME, routing.Lock.FROZEN)
_RANKED: Final = _BOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change by hand. A stop is named by any of its items.

    `move`: the stops of `items`, in this order, to the route of `postman` at `place` (from 1, counted without them); the
    best place when None, the best route as well when `postman` is. `unplan`: off the routes. `exchange`: the two of
    `postmen` change routes. `split`: `items` of one stop become a stop behind it. `lock`: the stops of `items` get `lock`.
    """

    kind: str
    items: tuple[UUID, ...] = ()
    postman: UUID | None = None
    place: int | None = None
    postmen: tuple[UUID, ...] = ()
    lock: str = "free"


class Board:
    """A standing plan with what it takes to change it quickly; immutable, every change gives another."""

    def __init__(
        self,
        standing: StandingPlan,
        timetable: Timetable | None = None,
        written: Mapping[int, tuple[routing.Route, PlannedRoute]] | None = None,
    ) -> None:
        self.standing = standing
        # Routes as they were written before, by seat: most are the same after a change.
        self._written = dict(written or {})
        self.timetable = timetable or Timetable(standing.problem)
        self.insertion = Insertion(standing.problem, self.timetable)
        orders: list[tuple[int, ...]] = [() for _ in standing.crew]
        for route in standing.solution.routes:
            orders[route.vehicle] = tuple(step.id for step in route.visits if step.id is not None)
        self.visits: Visits = tuple(orders)

    @property
    def problem(self) -> routing.Problem:
        """The day."""
        return self.standing.problem

    @property
    def cost(self) -> int:
        """What the plan costs."""
        return self.standing.solution.cost

    @cached_property
    def numbers(self) -> Mapping[UUID, int]:
        """Which call an item is in."""
        return {item_id: number for number, call in enumerate(self.standing.calls) for item_id in call.items}

    @cached_property
    def seats(self) -> Mapping[int, int]:
        """On whose route a call stands."""
        return {number: seat for seat, order in enumerate(self.visits) for number in order}

    @cached_property
    def routes(self) -> Mapping[int, routing.Route]:
        """The routes by seat."""
        return {route.vehicle: route for route in self.standing.solution.routes}

    def touched_since(self, before: "Board") -> list[int]:
        """The seats whose routes are not the same as before."""
        return [n for n in range(len(self.visits)) if self.routes.get(n) is not before.routes.get(n)]

    def planned(self, seat: int) -> PlannedRoute:
        """A route as it would be written, with the rules it breaks in its summary; without stops when it has none."""
        standing, member = self.standing, self.standing.crew[seat]
        route = self.routes.get(seat)
        if route is None:
            summary = {"distance_m": 0, "travel_seconds": 0, "cash_dong": 0, "violations": []}
            return PlannedRoute(postman_id=member.postman_id, vehicle_id=member.vehicle_id, stops=(), summary=summary)
        known = self._written.get(seat)
        if known is not None and known[0] is route:
            return known[1]
        written = planned_route(route, standing.sheet, standing.calls, standing.crew, self.problem)
        broken = [told(fault, route, len(standing.calls)) for fault in self.faults(seat)]
        written = replace(written, summary=dict(written.summary) | {"violations": broken})
        self._written[seat] = (route, written)
        return written

    def faults(self, seat: int) -> list[routing.Violation]:
        """The rules that a route breaks."""
        return [fault for fault in self.standing.solution.violations if fault.vehicle == seat]

    def arrangement(self, seats: Iterable[int]) -> dict[str, list[list[Any]]]:
        """Some routes as a change remembers them."""
        found = {}
        for seat in seats:
            stops = []
            for number in self.visits[seat]:
                job = self.problem.jobs[number]
                keeps = job.lock is routing.Lock.KEEP_TIME and job.locked_time is not None
                kept_at = at_local(self.standing.sheet.day, job.locked_time or 0).isoformat() if keeps else None
                stops.append([[str(i) for i in self.standing.calls[number].items], job.lock.value, kept_at])
            found[str(self.standing.crew[seat].postman_id)] = stops
        return found

    # ------------------------------------------------------------------------------------------------- changes
    def after(self, edit: Edit) -> "Board":
        """The board with the change made.

        Raises:
            Refused: `not-in-plan`, `not-on-route`, `no-such-postman`, `visited`, `in-bag`, `locked`, `unreachable`, `no-place`,
                `no-time`, `nothing-to-split`.
        """
        if edit.kind == "move":
            return self._moved(self._numbers(edit.items), edit)
        if edit.kind == "unplan":
            numbers = self._numbers(edit.items, on_routes=True)
            for number in numbers:
                self._let_go(number, None)
            gone = set(numbers)
            return self._settled(tuple(tuple(n for n in order if n not in gone) for order in self.visits))
        if edit.kind == "exchange":
            return self._exchanged(*(self._seat(postman) for postman in edit.postmen))
        if edit.kind == "split":
            return self._split(edit.items)
        if edit.kind == "lock":
            return self._locked(self._numbers(edit.items, on_routes=True), routing.Lock(edit.lock))
        raise ValueError(f"there is no edit {edit.kind!r}")

    def _numbers(self, items: Iterable[UUID], *, on_routes: bool = False) -> list[int]:
        """The calls of the items, each once, in their order."""
        found: dict[int, None] = {}
        for item_id in items:
            number = self.numbers.get(item_id)
            if number is None:
                raise Refused("not-in-plan", "Có bưu gửi không còn trong phương án này; mời tải lại trang.")
            if on_routes and number not in self.seats:
                raise Refused("not-on-route", "Điểm này chưa ở trên tuyến nào.")
            found[number] = None
        return list(found)

    def _seat(self, postman: UUID) -> int:
        for seat, member in enumerate(self.standing.crew):
            if member.postman_id == postman:
                return seat
        raise Refused("no-such-postman", "Bưu tá này không làm việc trong ngày của phương án.")

    def _let_go(self, number: int, seat: int | None, *, reordered: bool = True) -> None:
        """Refuse what a lock, a bag or a visit forbids: to leave the route for `seat`, or another place on it."""
        job = self.problem.jobs[number]
        if job.lock is routing.Lock.FROZEN and job.locked_time is not None:
            raise Refused("visited", "Điểm này đã có người đến; không đổi được nữa.")
        if job.lock is routing.Lock.FREE or (seat == job.locked_vehicle and job.lock is routing.Lock.KEEP_POSTMAN):
            return
        if self.standing.calls[number].holder is not None and seat != job.locked_vehicle:
            raise Refused("in-bag", "Bưu gửi đang trong túi của bưu tá; không chuyển sang tuyến khác được.")
        if reordered or seat != job.locked_vehicle:
            raise Refused("locked", "Điểm này đang khóa; mở khóa rồi chuyển.")

    def _frozen(self, order: Sequence[int]) -> int:
        return sum(self.problem.jobs[number].lock is routing.Lock.FROZEN for number in order)

    def _moved(self, numbers: Sequence[int], edit: Edit) -> "Board":
        seat = None if edit.postman is None else self._seat(edit.postman)
        for number in numbers:
            job = self.problem.jobs[number]
            own = job.locked_vehicle if seat is None and job.lock is routing.Lock.KEEP_POSTMAN else seat
            self._let_go(number, own)
        gone = set(numbers)
        orders = [tuple(n for n in order if n not in gone) for order in self.visits]
        if seat is not None and edit.place is not None:
            at = edit.place - 1
            first = self._frozen(orders[seat])
            if at < first:
                raise Refused("locked", "Các điểm đầu tuyến đã cố định; chỉ đặt được phía sau.")
            orders[seat] = (*orders[seat][:at], *numbers, *orders[seat][at:])
            return self._settled(tuple(orders))
        for number in numbers:
            where, order = self._best(number, orders, None if seat is None else [seat])
            orders[where] = order
        return self._settled(tuple(orders))

    def _best(
        self, number: int, orders: Sequence[tuple[int, ...]], among: Sequence[int] | None
    ) -> tuple[int, tuple[int, ...]]:
        """The cheapest place that keeps all rules; on a route that was named, the shortest way when none does."""
        places = [
            (*found, seat)
            for seat in (range(len(orders)) if among is None else among)
            if (found := self.insertion.cheapest(seat, orders[seat], number)) is not None
        ]
        if places:
            _, order, seat = min(places)
            return seat, order
        if among is None:
            raise Refused("no-place", "Không tuyến nào còn chỗ cho điểm này mà giữ đủ giờ hẹn, ca và sức chứa.")
        seat = among[0]
        vehicle, tasks, first = self.problem.vehicles[seat], self.problem.tasks, self._frozen(orders[seat])
        tried = [(*orders[seat][:at], number, *orders[seat][at:]) for at in range(first, len(orders[seat]) + 1)]
        return seat, min(tried, key=lambda o: self.timetable.cost_lines(vehicle, [tasks[n] for n in o]).total)

    def _exchanged(self, one: int, other: int) -> "Board":
        orders = list(self.visits)
        for here, there in ((one, other), (other, one)):
            for number in orders[here]:
                self._let_go(number, there, reordered=False)
        orders[one], orders[other] = orders[other], orders[one]
        return self._settled(tuple(orders))

    def _split(self, items: Sequence[UUID]) -> "Board":
        numbers = self._numbers(items)
        if len(numbers) != 1:
            raise Refused("nothing-to-split", "Chọn một phần bưu gửi của đúng một điểm.")
        number, taken = numbers[0], set(items)
        call, job = self.standing.calls[number], self.problem.jobs[number]
        if job.lock in _BOUND:
            self._let_go(number, None)
        known = {item.id: item for item in self.standing.sheet.items}
        parts = ([i for i in call.items if i not in taken], [i for i in call.items if i in taken])
        if not parts[0]:
            raise Refused("nothing-to-split", "Phải để lại ít nhất một bưu gửi ở điểm cũ.")
        new = len(self.standing.calls)
        day, crew = self.standing.sheet.day, self.standing.crew
        doors = [door([known[item_id] for item_id in part], day) for part in parts]
        jobs = [
            replace(job_of(n, half, job.location_index, crew), lock=job.lock, locked_vehicle=job.locked_vehicle)
            for n, half in zip((number, new), doors, strict=True)
        ]
        calls = list(self.standing.calls)
        calls[number] = doors[0]
        orders = [tuple(m for n in order for m in ((n, new) if n == number else (n,))) for order in self.visits]
        return self._settled(
            tuple(orders),
            calls=(*calls, doors[1]),
            problem=self.problem.replace(
                jobs=(*self.problem.jobs[:number], jobs[0], *self.problem.jobs[number + 1 :], jobs[1])
            ),
        )

    def _locked(self, numbers: Sequence[int], lock: routing.Lock) -> "Board":
        wanted: dict[int, routing.Lock] = {}
        for number in numbers:
            seat = self.seats[number]
            order = self.visits[seat]
            at = order.index(number)
            was = self.problem.jobs[number]
            if was.lock is routing.Lock.FROZEN and was.locked_time is not None:
                raise Refused("visited", "Điểm này đã có người đến; không đổi được nữa.")
            if self.standing.calls[number].holder is not None and was.locked_vehicle != seat:
                raise Refused("in-bag", "Bưu gửi đang trong túi của bưu tá khác.")
            # Only the beginning of a route can be frozen: what lies before comes with it, what lies behind thaws with it.
            if lock is routing.Lock.FROZEN:
                wanted |= {n: lock for n in order[: at + 1] if not self._is_visited(n)}
            elif was.lock is routing.Lock.FROZEN:
                wanted |= {n: lock for n in order[at:] if self.problem.jobs[n].lock is routing.Lock.FROZEN}
            else:
                wanted[number] = lock
        return self._settled(self.visits, problem=self._with_locks(self.visits, wanted, {}))

    def _is_visited(self, number: int) -> bool:
        job = self.problem.jobs[number]
        return job.lock is routing.Lock.FROZEN and job.locked_time is not None

    def _with_locks(
        self, visits: Visits, wanted: Mapping[int, routing.Lock], times: Mapping[int, int]
    ) -> routing.Problem:
        """The problem with these locks, and kept ranks by the places on the routes."""
        jobs = list(self.problem.jobs)
        for seat, order in enumerate(visits):
            begins = {step.id: step.begins for step in self.routes[seat].visits} if seat in self.routes else {}
            for place, number in enumerate(order):
                job = jobs[number]
                if number in wanted:
                    job = self._with_lock(job, wanted[number], seat, times.get(number, begins.get(number)))
                if job.lock in _RANKED:
                    job = replace(job, locked_rank=place)
                jobs[number] = job
        return self.problem.replace(jobs=jobs)

    def _with_lock(self, job: routing.Job, lock: routing.Lock, seat: int, time: int | None) -> routing.Job:
        base = job_of(job.id, self.standing.calls[job.id], job.location_index, self.standing.crew)
        if lock in (routing.Lock.FREE, routing.Lock.KEEP_POSTMAN) and base.lock is not routing.Lock.FREE:
            return base  # the bag keeps its postman, whatever is locked
        if lock is routing.Lock.FREE:
            return base
        locked = replace(
            base,
            lock=lock,
            locked_vehicle=seat,
            locked_rank=0 if lock in _RANKED else None,
            locked_time=time if lock is routing.Lock.KEEP_TIME else None,
            allowed_vehicles=None if lock is routing.Lock.FROZEN else base.allowed_vehicles,
        )
        if lock is routing.Lock.KEEP_TIME and not kept_windows(locked):
            raise Refused("no-time", "Giờ đến hiện nay nằm ngoài khung giờ đã hẹn; không giữ giờ này được.")
        return locked

    def arranged(self, wanted: Arrangement) -> "Board":
        """The board with some routes as they were (or were to be), for undo and redo.

        Raises:
            Refused: `changed`: an item of theirs has been visited or taken away since.
        """
        known = {item.id: item for item in self.standing.sheet.items}
        day, crew = self.standing.sheet.day, self.standing.crew
        stops = [
            (self._seat(UUID(postman)), tuple(UUID(i) for i in ids), routing.Lock(lock), kept_at)
            for postman, route in wanted.items()
            for ids, lock, kept_at in route
        ]
        as_they_are = {frozenset(call.items): number for number, call in enumerate(self.standing.calls)}
        calls, jobs = list(self.standing.calls), list(self.problem.jobs)
        broken: set[int] = set()
        places: list[list[int]] = [[] for _ in crew]
        locks: dict[int, routing.Lock] = {}
        times: dict[int, int] = {}
        taken: set[UUID] = set()
        for seat, ids, lock, kept_at in stops:
            taken |= set(ids)
            number = as_they_are.get(frozenset(ids))
            if number is None:
                if not all(item_id in known and item_id in self.numbers for item_id in ids):
                    raise Refused("changed", "Không làm lại được: bưu gửi đã đổi trạng thái từ lúc đó.")
                broken |= {self.numbers[item_id] for item_id in ids}
                number = len(calls)
                calls.append(door([known[item_id] for item_id in ids], day))
                jobs.append(job_of(number, calls[-1], jobs[self.numbers[ids[0]]].location_index, crew))
            if number >= len(self.standing.calls) or not self._is_visited(number):
                locks[number] = lock
                if kept_at is not None:
                    times[number] = int((datetime.fromisoformat(kept_at) - at_local(day, 0)).total_seconds())
            places[seat].append(number)
        touched = {self._seat(UUID(postman)) for postman in wanted}
        for seat in touched:
            if any(self._is_visited(n) and n not in places[seat] for n in self.visits[seat]):
                raise Refused("changed", "Không làm lại được: có điểm đã được phát từ lúc đó.")
        # What a split made and its undoing leaves without items is no call any more; calls are counted without gaps.
        for number in broken:
            left = [item_id for item_id in calls[number].items if item_id not in taken]
            if left:
                calls[number] = door([known[item_id] for item_id in left], day)
                jobs[number] = job_of(number, calls[number], jobs[number].location_index, crew)
        gone = {number for number in broken if all(item_id in taken for item_id in calls[number].items)}
        fresh = {old: new for new, old in enumerate(n for n in range(len(calls)) if n not in gone)}
        orders = [places[seat] if seat in touched else order for seat, order in enumerate(self.visits)]
        visits = tuple(tuple(fresh[n] for n in order if n in fresh) for order in orders)
        loose = set(range(len(calls))) - gone - {n for order in orders for n in order}
        for number in loose:
            if jobs[number].lock is not routing.Lock.FREE and calls[number].holder is None:
                jobs[number] = job_of(number, calls[number], jobs[number].location_index, crew)
        standing = replace(
            self.standing,
            calls=tuple(call for n, call in enumerate(calls) if n in fresh),
            problem=self.problem.replace(
                jobs=tuple(replace(job, id=fresh[n]) for n, job in enumerate(jobs) if n in fresh)
            ),
        )
        if len(standing.calls) == len(self.standing.calls) and not broken:
            again = Board(
                replace(self.standing, problem=standing.problem), Timetable(standing.problem, tables_of=self.timetable)
            )
            problem = again._with_locks(visits, locks, times)
            return self._settled(visits, problem=problem, also=touched)
        return self._anew(
            standing, visits, {fresh[n]: lock for n, lock in locks.items()}, {fresh[n]: t for n, t in times.items()}
        )

    def _anew(
        self, standing: StandingPlan, visits: Visits, locks: Mapping[int, routing.Lock], times: Mapping[int, int]
    ) -> "Board":
        """The board with calls counted anew: every route is worked out again."""
        nothing = replace(standing.solution, routes=())
        bare = Board(replace(standing, solution=nothing), Timetable(standing.problem, tables_of=self.timetable))
        problem = bare._with_locks(visits, locks, times)
        return bare._settled(visits, problem=problem, also=set(range(len(visits))), reasons=self._reasons())

    def _reasons(self) -> dict[UUID, routing.Unassigned]:
        return {
            item_id: missed
            for missed in self.standing.solution.unassigned
            for item_id in self.standing.calls[missed.id].items
        }

    def _settled(
        self,
        visits: Visits,
        *,
        calls: tuple[Any, ...] | None = None,
        problem: routing.Problem | None = None,
        also: Iterable[int] = (),
        reasons: Mapping[UUID, routing.Unassigned] | None = None,
    ) -> "Board":
        """The board with these visits: the routes that they change are timed anew, the others stay as they are."""
        new = problem or self.problem
        timetable = self.timetable if problem is None else Timetable(new, tables_of=self.timetable)
        old = self.standing.solution
        changed = set(also) | {seat for seat, order in enumerate(visits) if order != self.visits[seat]}
        if problem is not None:
            before = self.problem.jobs
            different = {n for n, job in enumerate(new.jobs) if n >= len(before) or job != before[n]}
            changed |= {seat for seat, order in enumerate(visits) if not different.isdisjoint(order)}
        routes = []
        faults = [fault for fault in old.violations if fault.vehicle is not None and fault.vehicle not in changed]
        for seat, order in enumerate(visits):
            if not order:
                continue
            if seat not in changed:
                routes.append(self.routes[seat])
                continue
            try:
                routes.append(standing_route(new, timetable, seat, order))
            except InvalidProblem as fault:
                raise Refused("unreachable", "Không có đường đi tới một điểm của tuyến này.") from fault
            faults += check_route(new, routes[-1])
        served = {number for order in visits for number in order}
        why = self._reasons() if reasons is None else reasons
        listed = self.standing.calls if calls is None else calls
        unassigned = tuple(
            replace(_missed(job), code=found.code, sentence=found.sentence)
            if (found := why.get(listed[job.id].items[0])) is not None
            else _missed(job)
            for job in new.jobs
            if job.id not in served
        )
        lines = sum((route.cost_lines for route in routes), routing.CostLines(prizes=timetable.prizes(visits)))
        draft = replace(
            old, routes=tuple(routes), unassigned=unassigned, cost_lines=lines, violations=tuple(faults), proofs=None
        )
        solution = replace(draft, summary=summary_of(new, draft))
        standing = replace(self.standing, calls=listed, problem=new, solution=solution)
        return Board(standing, timetable, self._written if calls is None else None)


def _missed(job: routing.Job) -> routing.Unassigned:
    return routing.Unassigned(
        kind=routing.StepKind.JOB,
        id=job.id,
        index=job.id,
        location_index=job.location_index,
        code=None,
        sentence="",
    )
