"""A solved day as the database keeps it: routes with their stops and sums, and the sentence for each stop left out."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import routing
from courier.dispatch.office_day import OfficeDay
from courier.domain.calendar import at_local
from courier.domain.doors import Door, LeftOut, Seconds
from courier.store.plans import CrewMember, PlannedRoute, PlannedStop

_SENTENCES: Final = {
    "unreachable": "Không có đường đi tới điểm này bằng phương tiện của bưu cục.",
    "window": "Không bưu tá nào đến kịp trong khung giờ đã hẹn.",
    "capacity": "Các xe đã đủ số bưu gửi.",
    "cash_limit": "Tiền phải thu vượt hạn mức tiền mặt của các bưu tá.",
    "skill": "Không có bưu tá hoặc phương tiện phù hợp.",
    "shift": "Các ca làm việc trong ngày không còn đủ thời gian cho điểm này.",
}


def why_left_out(missed: routing.Unassigned, call: Door) -> LeftOut:
    """The optimiser's reason in the dispatcher's words."""
    code = str(missed.code or "shift")
    sentence = _SENTENCES[code]
    if code == "window" and call.window is not None:
        sentence = f"Không bưu tá nào đến kịp trong khung giờ {_clock(call.window[0])}-{_clock(call.window[1])}."
    if code == "cash_limit":
        sentence = f"Phải thu {call.due_dong:,} đồng, vượt hạn mức tiền mặt còn lại của các bưu tá.".replace(",", ".")
    return LeftOut(code, sentence)


def _clock(seconds: Seconds) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"


def planned_route(
    route: routing.Route,
    sheet: OfficeDay,
    calls: Sequence[Door],
    crew: Sequence[CrewMember],
    problem: routing.Problem,
) -> PlannedRoute:
    """A route with the locks that its jobs have in the problem; jobs that are no call (a present position) are no stops."""
    member = crew[route.vehicle]
    visits = [step for step in stops_of(route) if (step.id or 0) < len(calls)]
    rests = _rests(route)
    stops = [
        PlannedStop(
            items=calls[step.id or 0].items,
            lat=calls[step.id or 0].lat,
            lon=calls[step.id or 0].lon,
            arrives_at=at_local(sheet.day, step.begins),
            leaves_at=at_local(sheet.day, step.leaves),
            lock=problem.jobs[step.id or 0].lock.value,
            kept_at=_kept_at(problem.jobs[step.id or 0], sheet),
            waits_seconds=step.waiting,
            rests_seconds=rests.get(step.id or 0, 0),
        )
        for step in visits
    ]
    start, end = route.steps[0], route.steps[-1]
    return PlannedRoute(
        postman_id=member.postman_id,
        vehicle_id=member.vehicle_id,
        stops=tuple(stops),
        summary={
            "distance_m": end.distance,
            "travel_seconds": end.duration,
            "starts_at": at_local(sheet.day, start.arrival).isoformat(),
            "ends_at": at_local(sheet.day, end.arrival).isoformat(),
            "cash_dong": sum(calls[step.id or 0].due_dong for step in visits),
        },
    )


def stops_of(route: routing.Route) -> list[routing.Step]:
    """The visits of a route that are calls at doors: not where something is fetched first."""
    return [step for step in route.visits if step.id is not None and step.kind is not routing.StepKind.PICKUP]


def _rests(route: routing.Route) -> dict[int, int]:
    """By call the seconds of rest since the one before."""
    rests: dict[int, int] = {}
    rested = 0
    for step in route.steps:
        if step.kind is routing.StepKind.BREAK:
            rested += step.waiting + step.service
        elif step.id is not None and step.kind is not routing.StepKind.PICKUP:
            rests[step.id], rested = rested, 0
    return rests


def _kept_at(job: routing.Job, sheet: OfficeDay) -> datetime | None:
    keeps = job.lock is routing.Lock.KEEP_TIME and job.locked_time is not None
    return at_local(sheet.day, job.locked_time or 0) if keeps else None


def travel_of(travel: routing.Travel | None) -> dict[str, Any]:
    """Where the travel times come from, as a plan says it."""
    if travel is None:
        return {"source": "estimated"}
    return {"source": travel.source, "method": travel.method, "warnings": list(travel.warnings)}


def totals(routes: Iterable[PlannedRoute]) -> dict[str, Any]:
    """A plan's sums over its routes."""
    listed = list(routes)
    sums = {name: sum(int(route.summary.get(name, 0)) for route in listed) for name in _ADDED_UP}
    return sums | {
        "routes": len(listed),
        "stops": sum(len(route.stops) for route in listed),
        "items": sum(len(stop.items) for route in listed for stop in route.stops),
    }


_ADDED_UP: Final = ("distance_m", "travel_seconds", "cash_dong")
