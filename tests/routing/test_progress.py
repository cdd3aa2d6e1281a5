"""The line on the terminal: there for whoever watches, and for nobody else."""

import io

import pytest

from routing.commands.progress import progress_line
from routing.solving import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def not_asked_for():
    raise AssertionError("a line on the terminal needs no routes")


def drawn(stream, *, quiet=False):
    with progress_line(10.0, quiet=quiet, stream=stream) as hear:
        if hear is not None:
            hear(Progress(cost=12_345, bound=None, seconds=5.0, plans=3, plan=not_asked_for))
            hear(Progress(cost=12_000, bound=11_000, seconds=11.0, plans=1, plan=not_asked_for))
    return stream.getvalue()


def test_a_terminal_shows_how_far_the_search_is_and_is_clean_afterwards():
    first, second, last = drawn(Terminal()).split("\r\033[K")[1:]
    assert first == "[############............] 5 of 10 s, cost 12,345, 3 plans"
    assert second == "[########################] 11 of 10 s, cost 12,000 (at least 11,000), 1 plan"
    assert last == ""


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_nobody_else_is_bothered(stream, quiet):
    assert drawn(stream, quiet=quiet) == ""
