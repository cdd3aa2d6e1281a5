"""The ways a use case can say no. Anything else that goes wrong is our own fault and crashes loudly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class Refused(Exception):
    """The rules say no to an intent. `code` is stable, `sentence` could be read out at the counter."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


class Missing(Exception):
    """The thing asked for does not exist, or not for this caller."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"{what} {key} not found")
        self.what = what
        self.key = key


class Stale(Exception):
    """Somebody else changed the row since the caller read it."""

    def __init__(self, what: str, *, expected: int, found: int) -> None:
        super().__init__(f"{what} is at version {found}, you changed version {expected}")
        self.what = what
        self.expected = expected
        self.found = found


class Overtaken(Stale):
    """Somebody else changed the row, and it is known what: who, when and how, the oldest first."""

    def __init__(self, what: str, *, expected: int, found: int, changes: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(what, expected=expected, found=found)
        self.changes = tuple(changes)


class Forbidden(Exception):
    """The caller's role does not carry this right."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault in what the caller sent: which field, a stable code, a sentence with the value found."""

    field: str
    code: str
    message: str
    row: int | None = None


class Invalid(Exception):
    """The caller is wrong. Carries every fault found, not only the first."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors
