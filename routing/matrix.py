"""Travel between locations, as engines and timetables read it: dense tables, ferries with hours, or ways on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

UNREACHABLE: Final = 2**31 - 1
"""The matrix entry that says "there is no way", in seconds and in metres alike."""

# Bounds that keep every sum of a plan far inside 64 bits, whatever an engine multiplies together.
MAX_INSTANT: Final = 2**33
MAX_HEADWAY: Final = 86_400


class InvalidProblem(ValueError):
    """The caller's problem contradicts itself; `code` is stable, `field` and `value` name the culprit."""

    def __init__(self, code: str, field_path: str, value: object, sentence: str) -> None:
        self.code = code
        self.field = field_path
        self.value = value
        self.sentence = sentence
        super().__init__(f"{field_path} = {_shown(value)}: {sentence}")

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, object, str]]:
        return type(self), (self.code, self.field, self.value, self.sentence)


class NotSupported(InvalidProblem):
    """The chosen engine cannot express this problem; `sentence` holds its reasons."""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A ferry: it leaves at `first` + k x `headway` within [`opens`, `closes`] (headway 0 = at any time), for `ride` s."""

    opens: int
    closes: int
    headway: int
    ride: int
    first: int | None = None

    def departure(self, time: int) -> int | None:
        """The next departure at or after `time`, None after the last one."""
        time = max(time, self.opens)
        if self.headway:
            first = self.opens if self.first is None else self.first
            time = first + -((first - time) // self.headway) * self.headway
        return time if time <= self.closes else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crossings:
    """Which ways use a ferry: `crossing` (int16, [from][to]) is a place in `ferries` or -1, and `to_landing` (int32,
    [from][to]) the seconds from the door to the landing. The matrix of seconds then holds what is to be expected:
    `to_landing` + headway // 2 + ride + the rest of the way."""  # noqa: D205, D209

    ferries: tuple[Crossing, ...]
    crossing: NDArray[np.int16]
    to_landing: NDArray[np.int32]

    @property
    def aboard(self) -> NDArray[np.int64]:
        """Per ferry the seconds to be expected from reaching its landing to leaving it: half a headway and the ride."""
        return np.array([ferry.headway // 2 + ferry.ride for ferry in self.ferries] or [0], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matrix:
    """Travel between all locations for one profile; [from][to], `UNREACHABLE` where there is no way.

    `seconds` and `metres` are int32. A custom `cost` replaces the price of travel by hour and kilometre. Lists are
    accepted and copied; the arrays are read-only afterwards. With `crossings` some ways wait for a ferry: limits and
    prices take the expected seconds, the times of a plan take the ferry that is really caught.
    """

    seconds: NDArray[np.int32]
    metres: NDArray[np.int32] | None = None
    cost: NDArray[np.int32] | None = None
    crossings: Crossings | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "metres", "cost"):
            values = getattr(self, name)
            if values is not None:
                object.__setattr__(self, name, _whole_square(name, values))
        for name in ("metres", "cost"):
            values = getattr(self, name)
            if values is not None and values.shape != self.seconds.shape:
                sentence = f"expected the shape of seconds, {self.seconds.shape}"
                raise InvalidProblem("matrix_shape", name, values.shape, sentence)
            # Whichever table says "no way", there is none: readers need to look at the seconds only.
            if values is not None and (blocked := (values == UNREACHABLE) & (self.seconds != UNREACHABLE)).any():
                seconds = np.where(blocked, np.int32(UNREACHABLE), self.seconds)
                seconds.flags.writeable = False
                object.__setattr__(self, "seconds", seconds)
        if self.crossings is not None:
            object.__setattr__(self, "crossings", _sound_crossings(self.crossings, self.seconds))

    @property
    def size(self) -> int:
        """How many locations it knows."""
        return int(self.seconds.shape[0])

    @property
    def has_metres(self) -> bool:
        """Whether the distances are known."""
        return self.metres is not None

    @property
    def has_cost(self) -> bool:
        """Whether travel has its own price."""
        return self.cost is not None

    def pair(self, origin: int, to: int) -> tuple[int, int]:
        """Seconds and metres of one way; metres are 0 where nobody knows them."""
        return int(self.seconds[origin, to]), 0 if self.metres is None else int(self.metres[origin, to])

    def price(self, origin: int, to: int) -> int:
        """The custom price of one way, 0 where there is none."""
        return 0 if self.cost is None else int(self.cost[origin, to])

    def block(self, indices: Sequence[int]) -> Matrix:
        """The dense matrix of some locations, in the order given."""
        at = np.ix_(indices, indices)
        ferries = None
        if self.crossings is not None:
            ferries = Crossings(
                ferries=self.crossings.ferries, crossing=self.crossings.crossing[at],
                to_landing=self.crossings.to_landing[at],
            )  # fmt: skip
        return Matrix(
            seconds=self.seconds[at],
            metres=None if self.metres is None else self.metres[at],
            cost=None if self.cost is None else self.cost[at],
            crossings=ferries,
        )


@runtime_checkable
class TravelTable(Protocol):
    """What a profile's travel must offer: a `Matrix` has it all in memory, others compute what is asked for."""

    @property
    def size(self) -> int:
        """How many locations it knows."""
        ...

    @property
    def has_metres(self) -> bool:
        """Whether the distances are known."""
        ...

    @property
    def has_cost(self) -> bool:
        """Whether travel has its own price."""
        ...

    @property
    def crossings(self) -> Crossings | None:
        """The ways by ferry."""
        ...

    def pair(self, origin: int, to: int) -> tuple[int, int]:
        """Seconds and metres of one way."""
        ...

    def price(self, origin: int, to: int) -> int:
        """The custom price of one way."""
        ...

    def block(self, indices: Sequence[int]) -> Matrix:
        """The dense matrix of some locations."""
        ...


def _sound_crossings(given: Crossings, seconds: NDArray[np.int32]) -> Crossings:
    tables: dict[str, NDArray[np.int64]] = {}
    for name in ("crossing", "to_landing"):
        table = np.asarray(getattr(given, name))
        if table.dtype.kind not in "iu" or table.shape != seconds.shape:
            sentence = f"expected a table of whole numbers of shape {seconds.shape}"
            raise InvalidProblem("matrix_shape", f"crossings.{name}", table.shape, sentence)
        tables[name] = table.astype(np.int64)
    for index, ferry in enumerate(given.ferries):
        path = f"crossings.ferries[{index}]"
        first = ferry.opens if ferry.first is None else ferry.first
        limits = (
            ("opens", ferry.opens, 0, MAX_INSTANT),
            ("closes", ferry.closes, 0, MAX_INSTANT),
            ("first", first, 0, MAX_INSTANT),
            ("headway", ferry.headway, 0, MAX_HEADWAY),
            ("ride", ferry.ride, 1, MAX_HEADWAY),
        )
        for name, value, low, high in limits:
            if type(value) is not int or not low <= value <= high:
                sentence = f"expected a whole number from {low} to {high}"
                raise InvalidProblem("range", f"{path}.{name}", value, sentence)
        if ferry.opens > ferry.closes:
            raise InvalidProblem("time_window", f"{path}.closes", ferry.closes, f"it opens at {ferry.opens}")
    number, landing = tables["crossing"], tables["to_landing"]
    used = number >= 0
    strange = (number < -1) | (number >= len(given.ferries))
    if strange.any():
        row, column = (int(x) for x in np.argwhere(strange)[0])
        sentence = f"expected -1 or a ferry from 0 to {len(given.ferries) - 1}"
        raise InvalidProblem("crossing", f"crossings.crossing[{row}][{column}]", int(number[row, column]), sentence)
    aboard = given.aboard
    short = used & (seconds != UNREACHABLE) & ((landing < 0) | (landing + aboard[number] > seconds))
    if short.any():
        row, column = (int(x) for x in np.argwhere(short)[0])
        sentence = f"with the ferry's {int(aboard[number[row, column]])} s it is not within the {seconds[row, column]} s of the way"
        raise InvalidProblem("crossing", f"crossings.to_landing[{row}][{column}]", int(landing[row, column]), sentence)
    sound = Crossings(
        ferries=tuple(given.ferries), crossing=number.astype(np.int16),
        to_landing=np.where(used, landing, 0).astype(np.int32),
    )  # fmt: skip
    for table in (sound.crossing, sound.to_landing):
        table.flags.writeable = False
    return sound


def _whole_square(name: str, values: object) -> NDArray[np.int32]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidProblem("matrix_shape", name, type(values).__name__, "rows differ in length") from error
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] == 0:
        raise InvalidProblem("matrix_shape", name, array.shape, "expected a square table with at least one row")
    if array.dtype.kind == "f":
        strange = ~np.isfinite(array) | (array != np.floor(array))
    elif array.dtype.kind in "iu":
        strange = np.zeros(array.shape, dtype=bool)
    else:
        array = np.array(values, dtype=object)
        culprit = next(((i, j) for i, row in enumerate(array) for j, x in enumerate(row) if type(x) is not int), None)
        if culprit is None:  # whole numbers too large for 64 bits
            culprit = next((i, j) for i, row in enumerate(array) for j, x in enumerate(row) if abs(x) > UNREACHABLE)
        row, column = culprit
        sentence = f"expected a whole number from 0 to {UNREACHABLE}"
        raise InvalidProblem("matrix_value", f"{name}[{row}][{column}]", array[row, column], sentence)
    strange |= (array < 0) | (array > UNREACHABLE)
    if strange.any():
        row, column = (int(x) for x in np.argwhere(strange)[0])
        sentence = f"expected a whole number from 0 to {UNREACHABLE}"
        raise InvalidProblem("matrix_value", f"{name}[{row}][{column}]", array[row, column].item(), sentence)
    whole = array.astype(np.int32)
    whole.flags.writeable = False
    return whole


def travel_seconds(matrix: Matrix, speed_factor: float) -> NDArray[np.int64]:
    """Expected seconds of one vehicle: the profile's, divided by its speed factor and rounded half up.

    A ferry is no faster for a fast vehicle: only the ways to the landing and from the other side are divided.
    """
    seconds = matrix.seconds.astype(np.int64)
    if speed_factor == 1.0:
        return seconds
    scaled = _scaled(seconds, speed_factor)
    if matrix.crossings is not None:
        number, landing = matrix.crossings.crossing, matrix.crossings.to_landing.astype(np.int64)
        aboard = matrix.crossings.aboard[number]
        by_ferry = _scaled(landing, speed_factor) + aboard + _scaled(seconds - landing - aboard, speed_factor)
        scaled = np.where(number >= 0, by_ferry, scaled)
    return np.where(seconds == UNREACHABLE, UNREACHABLE, scaled)


def _scaled(seconds: NDArray[np.int64], speed_factor: float) -> NDArray[np.int64]:
    return np.floor(seconds / speed_factor + 0.5).astype(np.int64)
