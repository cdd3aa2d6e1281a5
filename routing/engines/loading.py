"""Loading what engines need, in the order in which a search needs it: a command of two seconds cannot wait for all of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Final

_AT_ONCE: Final = ("ortools.sat.python.cp_model", "routing.engines.searching")
_LATER: Final = (
    "scipy.sparse", "routing.engines.searching_parts", "routing.engines.resequencing",
    "routing.engines.ortools_search",
)  # fmt: skip


def load_at_once() -> None:
    """What the first search needs at once."""
    with _no_pandas():
        for name in _AT_ONCE:
            import_module(name)


def load_later() -> Iterator[None]:
    """Everything else, one module a step."""
    for name in _LATER:
        import_module(name)
        yield
    import_module("routing.engines.tours").load_libraries()


@contextmanager
def _no_pandas() -> Iterator[None]:
    """CP-SAT's Python wrapper names pandas' types in its signatures: loading them would take longer than all the rest.

    Nobody here gives it series, so for as long as it loads two empty types stand in for them.
    """
    if "pandas" in sys.modules:
        yield
        return
    standing_in = ModuleType("pandas")
    for name in ("Series", "Index"):
        setattr(standing_in, name, type(name, (), {}))
    sys.modules["pandas"] = standing_in
    try:
        yield
    finally:
        del sys.modules["pandas"]
