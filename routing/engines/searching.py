"""One process's PyVRP search of a whole problem: what it starts from, what it tells, and whom it listens to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from routing.engines.cooperating import Found, Message, roles
from routing.engines.cooperating import search as search_data
from routing.engines.decomposing import PARTS_FROM, Loads
from routing.engines.farming import search_in_parts
from routing.engines.phrasebook import Translation
from routing.engines.pyvrp_model import translate
from routing.engines.pyvrp_search import Routes
from routing.engines.sketching import Proof, first_plan
from routing.engines.unsaid import unsaid
from routing.engines.wholes import ProblemWhole
from routing.problem import Problem, Visits

if TYPE_CHECKING:
    from routing.engines import Company

_SKETCHED: Final = 100  # stops up to which a sketch takes a blink
_PATIENCE: Final = (0.3, 0.1)  # seconds, and share of the time, for serving everybody before that is given up
_FEW: Final = 20
_ITERATIONS_PER_PAIR: Final = 120
_LEAST_PAUSE: Final = 0.02
_SHARE_OF_TELLING: Final = 0.03


class Alone:
    """A company of one."""

    number = 0
    size = 1

    def mail(self) -> Sequence[Any]:
        """Nobody writes."""
        return ()

    def post(self, message: object) -> None:
        """Nobody reads."""


def search(
    problem: Problem, *, seconds: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None],
    company: Company,
) -> None:  # fmt: skip
    """Search for `seconds`; every plan told keeps the exact rules. Of a problem with many stops, one process sees to all."""
    until = time.monotonic() + seconds
    if problem.stops >= PARTS_FROM:
        if company.number == 0:
            _search_parts(problem, until=until, seed=seed, start=start, on_best=on_best, company=company)
        return
    crier = _Crier(problem, on_best, exact=not unsaid(problem))
    if start is None and problem.stops <= _SKETCHED:
        crier.tell(crier.proof.repaired(first_plan(problem)))
    for compulsory in (True, False):
        translation = translate(problem, compulsory=compulsory)
        if not translation.words_of:
            return
        found = _search_data(
            translation, until=until, seed=seed, start=start, crier=crier, company=company, compulsory=compulsory
        )
        if compulsory:
            start = found
        if found is None or time.monotonic() >= until:
            return


def _search_data(
    translation: Translation, *, until: float, seed: int, start: Visits | None, crier: _Crier, company: Company,
    compulsory: bool,
) -> Visits | None:  # fmt: skip
    """Search until the time is up, or until nobody believes any more that everybody can be served: then where it stands."""
    now = time.monotonic()
    patience = max(_PATIENCE[0], _PATIENCE[1] * (until - now))
    hopeless = now + patience if compulsory else until
    feasible = False

    def tell(cost: int, routes: Routes) -> None:  # noqa: ARG001 - plans are judged by the exact rules
        nonlocal feasible
        feasible = True
        crier.hear(lambda: translation.to_visits(routes, like=start))

    def mail() -> list[Message]:
        crier.catch_up()
        heard: list[Message] = []
        for sent, message in company.mail():
            if sent == "plan":
                heard.append(Found(-1, translation.from_visits(message)))
            elif sent == compulsory:
                heard.append(message)
        return heard

    def clock() -> float:
        now = time.monotonic()
        return until if not feasible and now > hopeless else now

    ticking, end = clock, until
    if translation.problem.stops <= _FEW and company.size == 1:
        # As many steps as are enough for so few stops, however fast the machine: the same seed gives the same plan.
        end = float(_ITERATIONS_PER_PAIR * translation.problem.stops**2)
        steps = count()

        def ticking() -> float:
            step = float(next(steps))
            return end if clock() >= until else step

    role = roles(translation.data, company.size)[company.number]
    routes = search_data(
        translation.data, seed=seed, until=end, role=role, tell=tell, clock=ticking, mail=mail,
        start=None if start is None else translation.from_visits(start),
        post=None if company.size == 1 else lambda message: company.post((compulsory, message)),
    )  # fmt: skip
    crier.catch_up(at_once=True)
    return None if feasible else translation.to_visits(routes, like=start)


def _search_parts(
    problem: Problem, *, until: float, seed: int, start: Visits | None, on_best: Callable[[Visits], None],
    company: Company,
) -> None:  # fmt: skip
    crier = _Crier(problem, on_best, exact=not unsaid(problem))
    nobody = ((),) * len(problem.vehicles)

    def tell(loads: Loads) -> None:
        def visits() -> Visits:
            routes = list[tuple[int, ...]](nobody)
            for vehicle, route in loads:
                routes[vehicle] = route
            return tuple(routes)

        crier.hear(visits)

    plan = () if start is None else tuple((vehicle, route) for vehicle, route in enumerate(start) if route)
    search_in_parts(ProblemWhole(problem), seed=seed, until=until, processes=company.size, plan=plan, tell=tell)
    crier.catch_up(at_once=True)


class _Crier:
    """Tells plans, but not more often than the search can afford; the last one heard is never lost."""

    def __init__(self, problem: Problem, on_best: Callable[[Visits], None], *, exact: bool) -> None:
        self._problem = problem
        self._on_best = on_best
        self._exact = exact
        self._proof: Proof | None = None
        self._waiting: Callable[[], Visits] | None = None
        self._quiet_until = 0.0

    @property
    def proof(self) -> Proof:
        """The exact rules."""
        if self._proof is None:
            self._proof = Proof(self._problem)
        return self._proof

    def hear(self, plan: Callable[[], Visits]) -> None:
        """Tell this plan now or later, unless a better one comes before."""
        self._waiting = plan
        self.catch_up()

    def catch_up(self, *, at_once: bool = False) -> None:
        """Tell the plan that waits if it is time."""
        now = time.monotonic()
        if self._waiting is None or (now < self._quiet_until and not at_once):
            return
        visits = self._waiting()
        self._waiting = None
        self.tell(visits if self._exact else self.proof.repaired(_in_kept_order(self._problem, visits)))
        took = time.monotonic() - now
        self._quiet_until = time.monotonic() + max(_LEAST_PAUSE, took / _SHARE_OF_TELLING)

    def tell(self, visits: Visits) -> None:
        """Tell this plan."""
        self._on_best(visits)


def _in_kept_order(problem: Problem, plan: Visits) -> Visits:
    """The plan with the visits whose order is kept in that order, in the places that such visits have."""
    routes = []
    for route in plan:
        ranked = [at for at, number in enumerate(route) if problem.tasks[number].rank is not None]
        ordered = sorted((route[at] for at in ranked), key=lambda number: problem.tasks[number].rank or 0)
        visits = list(route)
        for at, number in zip(ranked, ordered, strict=True):
            visits[at] = number
        routes.append(tuple(visits))
    return tuple(routes)
