"""One process's PyVRP search of a whole problem: what it starts from, what it tells, and whom it listens to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from routing.engines.cooperating import Found, Message, roles
from routing.engines.cooperating import search as search_data
from routing.engines.crier import Crier
from routing.engines.greedy import greedy_plan
from routing.engines.phrasebook import Translation
from routing.engines.pyvrp_model import translate
from routing.engines.pyvrp_search import Routes
from routing.engines.sketching import first_plan
from routing.engines.unsaid import unsaid
from routing.problem import Problem, Visits

if TYPE_CHECKING:
    from routing.engines import Company

_SKETCHED: Final = 100  # stops up to which a sketch takes a blink
_PATIENCE: Final = (0.3, 0.1)  # seconds, and share of the time, for serving everybody before that is given up
_FEW: Final = 20
_ITERATIONS_PER_PAIR: Final = 120


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
    """Search for `seconds`; every plan told keeps the exact rules."""
    until = time.monotonic() + seconds
    crier = Crier(problem, on_best, exact=not unsaid(problem))
    if start is None:
        first = first_plan(problem) if problem.stops <= _SKETCHED else greedy_plan(problem)
        crier.tell(crier.proof.repaired(first))
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
    translation: Translation, *, until: float, seed: int, start: Visits | None, crier: Crier, company: Company,
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
