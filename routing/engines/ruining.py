"""Ruins for the search to build on: strings of stops out of neighbouring routes, after Christiaens and Vanden Berghe (2020).

PyVRP's own perturbation moves single stops, so whole clusters stay with whoever has them. A ruin takes some ten stops that
follow on each other in one to three routes around one place; PyVRP's local search puts them back where they cost least.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from pyvrp import Activity, ProblemData, Route, Solution
from pyvrp.search import NeighbourhoodParams, compute_neighbours

_NEIGHBOURS: Final = 60
_STOPS: Final = 10  # taken out on average
_LONGEST: Final = 10  # out of one route
_SPLIT: Final = 0.5  # share of strings in whose middle something stays


class Ruins:
    """Makes ruins of solutions of one `ProblemData`. Takes out required clients only: the rest would not come back."""

    def __init__(self, data: ProblemData, line: Callable[[Route], tuple[int, str]], *, seed: int) -> None:
        """`line` says a route's vehicle type and activities; the same seed makes the same ruins."""
        self._data = data
        self._line = line
        self._chance = random.Random(seed).random  # noqa: S311 - a search, not a secret
        required = {f"C{number}" for number, client in enumerate(data.clients()) if client.required}
        near = compute_neighbours(data, NeighbourhoodParams(num_neighbours=_NEIGHBOURS))
        self._around = {
            word: [word, *(name for other in others if (name := str(other)) in required)]
            for activity, others in near.items()
            if (word := str(activity)) in required
        }
        self._stops = list(self._around)
        self._activities: dict[str, Activity] = {}
        self._told: Solution | None = None
        self._words: list[list[str]] = []
        self._route_of: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether there is enough to take out."""
        return len(self._stops) > _STOPS

    def of(self, solution: Solution) -> Solution:
        """The solution without some ten of its stops."""
        if solution is not self._told:
            self._told = solution
            self._words = [self._line(route)[1].split() for route in solution.routes()]
            self._route_of = {word: number for number, words in enumerate(self._words) for word in words}
        chance = self._chance
        longest = min(_LONGEST, len(self._route_of) / max(1, len(self._words)))
        most = 1 + int(chance() * (4 * _STOPS / (1 + longest) - 1))
        left: dict[int, list[str]] = {}
        for word in self._around[self._stops[int(chance() * len(self._stops))]]:
            number = self._route_of.get(word)
            if number is None or number in left:
                continue
            words = self._words[number]
            length = 1 + int(chance() * min(len(words), longest))
            left[number] = self._without(words, words.index(word), length)
            if len(left) == most:
                break
        routes = solution.routes()
        kept = [route for number, route in enumerate(routes) if number not in left]
        kept += [
            Route(self._data, [self._activity(word) for word in words], routes[number].vehicle_type())
            for number, words in left.items()
            if any(word[0] != "D" for word in words)
        ]
        return Solution(self._data, kept)

    def _without(self, words: list[str], at: int, length: int) -> list[str]:
        """A route without a string of so many words around one place, with something in its middle left at times."""
        chance = self._chance
        stays = 0
        if 1 < length < len(words) and chance() < _SPLIT:
            stays = 1 + int(chance() * min(len(words) - length, _LONGEST))
        first = max(0, at + 1 - length - stays)
        first += int(chance() * (min(at, len(words) - length - stays) - first + 1))
        middle = first + int(chance() * (length + 1)) if stays else first + length
        gone = {*words[first:middle], *words[middle + stays : first + length + stays]}
        return [word for word in words if word not in gone or word not in self._around]

    def _activity(self, word: str) -> Activity:
        if word not in self._activities:
            self._activities[word] = Activity(word)
        return self._activities[word]
