"""Engines that misbehave, and a nursery that knows them: what `solve` must survive."""

import os
import socket
import sys
import time

from routing import nursery
from routing.engines import ENGINES


class _Bad:
    def supports(self, problem):
        return []


def one_by_one(problem, on_best):
    """A valid plan that serves the first job only, if that works."""
    on_best(((0,), *((),) * (len(problem.vehicles) - 1)))


class Hanging(_Bad):
    """Finds something, then never comes back, and no signal handler of Python's would get a chance."""

    name = "hanging"

    def solve(self, problem, *, on_best, **_):
        one_by_one(problem, on_best)
        while True:
            time.sleep(3600)


class Silent(_Bad):
    name = "silent"

    def solve(self, problem, **_):
        time.sleep(3600)


class Crashing(_Bad):
    name = "crashing"

    def solve(self, problem, *, on_best, **_):
        one_by_one(problem, on_best)
        os.abort()


class Stillborn(_Bad):
    name = "stillborn"

    def solve(self, problem, **_):
        os._exit(3)


class Raising(_Bad):
    name = "raising"

    def solve(self, problem, **_):
        raise MemoryError("no memory left, says the engine")


class Lying(_Bad):
    """Puts every job on the first vehicle, whatever it may carry."""

    name = "lying"

    def solve(self, problem, *, on_best, **_):
        on_best((tuple(range(len(problem.tasks))), *((),) * (len(problem.vehicles) - 1)))


class Chattering(_Bad):
    """Floods the parent with ever the same plan."""

    name = "chattering"

    def solve(self, problem, *, on_best, **_):
        while True:
            one_by_one(problem, on_best)


class Hoarding(_Bad):
    """Wants all the memory there is."""

    name = "hoarding"

    def solve(self, problem, **_):
        hoard = []
        while True:
            hoard.append(bytearray(2**24))


class HoardingLater(Hoarding):
    name = "hoarding after a plan"

    def solve(self, problem, *, on_best, **_):
        one_by_one(problem, on_best)
        super().solve(problem)


class Writing(_Bad):
    """Writes to the others without end, and the others never look into their mail."""

    name = "writing"

    def solve(self, problem, **_):
        raise AssertionError("it has company")

    def solve_together(self, problem, *, on_best, company, **_):
        one_by_one(problem, on_best)
        while True:
            company.post(bytes(2**20))


BAD = {
    engine.name: engine
    for engine in (
        Hanging, Silent, Crashing, Stillborn, Raising, Lying, Chattering, Hoarding, HoardingLater, Writing,
    )
}  # fmt: skip

if __name__ == "__main__":
    ENGINES.update(BAD)
    nursery.main(socket.socket(fileno=int(sys.argv[1])))
