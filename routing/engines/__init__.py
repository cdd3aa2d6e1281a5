"""The engines that search for routes; each says what it can express and leaves judgement to the checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from routing.engines.ortools import OrTools
from routing.problem import Problem, Visits


class Engine(Protocol):
    """A search. It knows the model only; `routing.solving` runs it in a child process under the deadline."""

    name: str

    def supports(self, problem: Problem) -> list[str]:
        """Reasons why this engine cannot express the problem, one sentence each; empty when it can."""
        ...

    def solve(
        self, problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None]
    ) -> None:
        """Search for `seconds`, from `start` if given, and report every better set of routes to `on_best`.

        What the routes do not contain is left out. The engine may overrun: its caller ends the process.
        """
        ...


ENGINES: dict[str, Callable[[], Engine]] = {OrTools.name: OrTools}
"""What `solve(engine=...)` can be asked for."""
