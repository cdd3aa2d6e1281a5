"""Pictures as SVG text: routes on the plane or the globe, and curves over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

from routing.instances import Instance
from routing.matrix import InvalidProblem
from routing.problem import Problem
from routing.solution import Solution
from routing.vrplib import Routes

_SIDE = 800
_MARGIN = 24


def routes_picture(instance: Instance, routes: Routes, *, cost: int) -> str:
    """The routes of an instance whose nodes have places; raises `InvalidProblem` when they have none."""
    if instance.places is None:
        raise InvalidProblem("no_places", "NODE_COORD_SECTION", None, "without places there is nothing to draw")
    places = [(float(x), float(y)) for x, y in instance.places]
    tours = [
        [carrier.depot, *route, carrier.depot]
        for carrier, route in zip(instance.carriers, routes, strict=False)
        if route
    ]
    title = f"{instance.name}: {len(tours)} routes, cost {cost}"
    return _map(places, tours, marked=range(instance.depots), title=title)


def solution_picture(problem: Problem, solution: Solution) -> str:
    """The routes of a solution whose locations are known; raises `InvalidProblem` when one is not."""
    points = places_of(problem)
    middle = math.radians(sum(lat for _, lat in points) / len(points))
    places = [(lon * math.cos(middle), lat) for lon, lat in points]
    tours = [[s.location_index for s in route.steps if s.location_index is not None] for route in solution.routes]
    marked = {place for v in problem.vehicles for place in (v.start, v.end) if place is not None}
    title = f"{len(tours)} routes, cost {solution.cost}"
    return _map(places, tours, marked=sorted(marked), title=title)


def places_of(problem: Problem) -> list[tuple[float, float]]:
    """(lon, lat) of every location; raises `InvalidProblem` when one is not known, for then nothing can be drawn."""
    points = [point for point in problem.locations or () if point is not None]
    if not points or len(points) < len(problem.locations or ()):
        raise InvalidProblem("no_places", "locations", None, "without the places of all stops there is nothing to draw")
    return points


def _colour(number: int) -> str:
    # Steps of the golden angle keep neighbours apart however many there are.
    return f"hsl({number * 137.508 % 360:.0f} 70% {35 + 12 * (number % 3)}%)"


def _map(
    places: Sequence[tuple[float, float]], tours: Sequence[Sequence[int]], *, marked: Sequence[int], title: str
) -> str:
    west, south = min(x for x, _ in places), min(y for _, y in places)
    span = max(max(x for x, _ in places) - west, max(y for _, y in places) - south) or 1
    scale = (_SIDE - 2 * _MARGIN) / span

    def at(place: int) -> tuple[float, float]:
        x, y = places[place]
        return _MARGIN + (x - west) * scale, _SIDE - _MARGIN - (y - south) * scale

    size = 2.5 if len(places) <= 1500 else 1.0
    parts = []
    for number, tour in enumerate(tours):
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, tour))
        parts.append(
            f'<polyline points="{line}" stroke="{_colour(number)}"><title>Route {number + 1}</title></polyline>'
        )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}"/>' for x, y in map(at, range(len(places))))
    squares = "".join(f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>' for x, y in map(at, marked))
    return _svg(
        _SIDE,
        _SIDE,
        title,
        f'<g fill="none" stroke-width="1.2">{"".join(parts)}</g><g fill="#333">{dots}</g><g fill="#b00">{squares}</g>',
    )


def _svg(width: int, height: int, title: str, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>{content}'
        f'<text x="{_MARGIN}" y="16">{escape(title)}</text></svg>\n'
    )


def curves_picture(curves: Mapping[str, Sequence[tuple[float, float]]], *, title: str, across: str, up: str) -> str:
    """Step curves by name, each (seconds, value) with values above 0, on two logarithmic axes."""
    width, height, left, bottom, right = 720, 400, 60, 40, 160
    points = [point for curve in curves.values() for point in curve]
    if not points:
        raise ValueError("expected at least one point")
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high) + 1e-9)
    across_span = math.log10(last / first) or 1.0
    up_span = math.log10(high / low) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            left + (width - left - right) * math.log10(x / first) / across_span,
            height - bottom - (height - bottom - 30) * math.log10(y / low) / up_span,
        )

    parts = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        _, y = at(first, 10.0**power)
        parts.append(f'<path d="M{left} {y:.1f}H{width - right}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300, 600):
        if first <= tick <= last * 1.001:
            x, _ = at(tick, low)
            parts.append(f'<path d="M{x:.1f} 30V{height - bottom}" stroke="#eee"/>')
            parts.append(f'<text x="{x:.1f}" y="{height - bottom + 16}" text-anchor="middle">{tick:g}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        path = ""
        for (x1, y1), (x2, _) in pairwise([*curve, (last, curve[-1][1])] if curve else []):
            x, y = at(x1, y1)
            path += f"{'L' if path else 'M'}{x:.1f} {y:.1f}H{at(x2, y1)[0]:.1f}"
        parts.append(f'<path d="{path}" fill="none" stroke="{_colour(number)}" stroke-width="2"/>')
        y = 40 + 18 * number
        parts.append(f'<path d="M{width - right + 10} {y}h20" stroke="{_colour(number)}" stroke-width="3"/>')
        parts.append(f'<text x="{width - right + 36}" y="{y + 4}">{escape(name)}</text>')
    parts.append(
        f'<text x="{(width - right + left) / 2}" y="{height - 6}" text-anchor="middle">{escape(across)}</text>'
    )
    parts.append(f'<text x="{width - right}" y="16" text-anchor="end">{escape(up)}</text>')
    return _svg(width, height, title, "".join(parts))
