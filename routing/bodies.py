"""Members of a JSON body, read with the name of the culprit: everything that is wrong is an `InvalidProblem`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from routing.problem import InvalidProblem, Window


def an_object(path: str, value: Any) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, Mapping):
        raise InvalidProblem("type", path, value, "expected an object")
    return value


def a_list(path: str, value: Any) -> Sequence[Any]:
    """A JSON array; nothing counts as an empty one."""
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise InvalidProblem("type", path, value, "expected an array")
    return value


def a_whole(path: str, value: Any) -> int:
    """A whole number."""
    if type(value) is not int:
        raise InvalidProblem("type", path, value, "expected a whole number")
    return value


def a_whole_or_none(path: str, value: Any) -> int | None:
    """A whole number, or nothing."""
    return None if value is None else a_whole(path, value)


def a_text(path: str, value: Any) -> str:
    """A text; nothing counts as an empty one."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidProblem("type", path, value, "expected a text")
    return value


def wholes(path: str, value: Any) -> tuple[int, ...]:
    """Several whole numbers."""
    return tuple(a_whole(f"{path}[{i}]", x) for i, x in enumerate(a_list(path, value)))


def ids(path: str, value: Any) -> frozenset[int]:
    """Several whole numbers, each once."""
    return frozenset(wholes(path, value))


def a_window(path: str, value: Any) -> Window:
    """A pair [opens, closes]."""
    pair = wholes(path, value)
    if len(pair) != 2:
        raise InvalidProblem("time_window", path, value, "expected [opens, closes]")
    return pair[0], pair[1]


def windows(path: str, value: Any) -> tuple[Window, ...]:
    """Several windows, at least one where the member is given."""
    if value is not None and not a_list(path, value):
        raise InvalidProblem("time_window", path, value, "expected at least one window")
    return tuple(a_window(f"{path}[{i}]", w) for i, w in enumerate(a_list(path, value)))
