"""A line on the terminal that says how far a search is, for whoever waits for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from routing.solving import Progress

_WIDTH: Final = 24


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """The option that turns the line off."""
    parser.add_argument("--quiet", action="store_true", help="no progress line on the terminal")


@contextmanager
def progress_line(
    seconds: float, *, quiet: bool, stream: TextIO | None = None
) -> Iterator[Callable[[Progress], None] | None]:
    """What `solve(on_progress=...)` shall be given, None where nobody watches; the line is gone afterwards.

    `seconds` is the time of the whole search. The line goes to standard error, and only to a terminal.
    """
    stream = sys.stderr if stream is None else stream
    if quiet or not stream.isatty():
        yield None
        return
    try:
        yield lambda progress: _draw(stream, progress, seconds)
    finally:
        stream.write("\r\033[K")
        stream.flush()


def _draw(stream: TextIO, progress: Progress, seconds: float) -> None:
    done = min(_WIDTH, round(_WIDTH * progress.seconds / seconds))
    bound = "" if progress.bound is None else f" (at least {progress.bound:,})"
    plans = f"{progress.plans} plan" + ("" if progress.plans == 1 else "s")
    bar = "#" * done + "." * (_WIDTH - done)
    stream.write(f"\r\033[K[{bar}] {progress.seconds:.0f} of {seconds:.0f} s, cost {progress.cost:,}{bound}, {plans}")
    stream.flush()
