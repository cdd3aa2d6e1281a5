"""The engines that search for routes; each says what it can express and leaves judgement to the checker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from routing.engines.both import Both
from routing.engines.orders import Orders
from routing.engines.ortools import OrTools
from routing.engines.pyvrp import PyVrp
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


class Company(Protocol):
    """The processes that search one problem together, as one of them sees them: it is `number` of `size`."""

    number: int
    size: int

    def mail(self) -> Sequence[Any]:
        """What the others have posted since the last time; never waits."""
        ...

    def post(self, message: object) -> None:
        """Send something to all others."""
        ...


@runtime_checkable
class Companion(Protocol):
    """An engine that searches better in company than several times alone."""

    def solve_together(
        self, problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None],
        company: Company,
    ) -> None:  # fmt: skip
        """As `Engine.solve`, as one of a company."""
        ...


ENGINES: dict[str, Callable[[], Engine]] = {PyVrp.name: PyVrp, OrTools.name: OrTools, Both.name: Both}
"""What `solve(engine=...)` can be asked for besides "auto"."""

HANDS: dict[str, Callable[[], Companion]] = {Orders.name: Orders}
"""What `solve` asks for by itself when a search is over."""
