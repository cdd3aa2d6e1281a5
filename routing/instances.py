"""Routing instances as text: VRPLIB's form, Solomon's and Li & Lim's, made whole numbers.

Everything becomes whole numbers by a named convention, applied to each distance, service time, window, release time,
prize, fixed cost and longest duration, never to amounts or to a cost per unit of distance. Nodes are numbered from 0
with the depots first, as in a VRPLIB solution.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import vrplib
from numpy.typing import NDArray

from routing.matrix import InvalidProblem

Whole: TypeAlias = NDArray[np.int64]
CONVENTIONS: Final[Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]]] = MappingProxyType(
    {
        "none": lambda values: values,
        "round": np.round,
        "dimacs": lambda values: np.trunc(10 * values),
        "exact": lambda values: np.round(1000 * values),
    }
)
"""What happens to a value: nothing, nearest whole number, ten times and cut off, a thousand times and nearest."""

DENSE_UP_TO: Final = 4000
"""More places than this get no table of all distances."""

_LARGEST: Final = 2**46


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """One vehicle of an instance. None = without limit; `unit` is what one unit of distance costs."""

    depot: int = 0
    capacity: tuple[int, ...] = ()
    fixed: int = 0
    unit: float = 1
    max_distance: int | None = None
    max_duration: int | None = None
    reloads: tuple[int, ...] = ()
    max_reloads: int | None = None
    allowed: frozenset[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instance:
    """The numbers of a file, rounded. Arrays have one row per node; amounts one column per dimension.

    `windows` is None where no node has any; a prize of 0 means that the client must be visited. `distances` may be
    asymmetric and is None where the plane's `places` say it and there are more than `DENSE_UP_TO` of them.
    """

    name: str
    kind: str
    convention: str
    depots: int
    places: NDArray[np.float64] | None
    distances: Whole | None
    delivery: Whole
    pickup: Whole
    service: Whole
    windows: Whole | None
    release: Whole
    prize: Whole
    pairs: tuple[tuple[int, int], ...]
    carriers: tuple[Carrier, ...]

    @property
    def size(self) -> int:
        """How many nodes there are, depots included."""
        return len(self.service)

    @property
    def clients(self) -> range:
        """The nodes that are to be visited."""
        return range(self.depots, self.size)

    @property
    def backhauls_last(self) -> bool:
        """Whether a route brings first and fetches last, and never only fetches."""
        return self.kind == "VRPB"

    @property
    def carriers_differ(self) -> bool:
        """Whether it matters which vehicle drives a route."""
        return len(set(self.carriers)) > 1

    def distance(self, origin: int, to: int) -> int:
        """From one node to another."""
        if self.distances is not None:
            return int(self.distances[origin, to])
        return int(self.block([origin], [to])[0, 0])

    def block(self, origins: Sequence[int], to: Sequence[int]) -> Whole:
        """The distances from some nodes to some others."""
        if self.distances is not None:
            return self.distances[np.ix_(origins, to)]
        assert self.places is not None  # noqa: S101 - one of the two is always there
        apart = self.places[list(origins), None, :] - self.places[None, list(to), :]
        return CONVENTIONS[self.convention](np.sqrt((apart**2).sum(axis=2))).astype(np.int64)


def refuse(code: str, where: str, value: object, sentence: str) -> NoReturn:
    """Raise `InvalidProblem`."""
    raise InvalidProblem(code, where, value, sentence)


# -- in: text


def read_instance(path: str | Path, convention: str = "round") -> Instance:
    """The instance in a file of any of the three forms.

    Raises OSError when there is no such file, and `InvalidProblem` naming field or line and value for what cannot be
    read or makes no sense.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidProblem("encoding", "file", str(path), "expected a text in UTF-8") from error
    return parse_instance(text, convention)


def parse_instance(text: str, convention: str = "round") -> Instance:
    """The instance in a text; see `read_instance`."""
    if convention not in CONVENTIONS:
        refuse("round", "round", convention, f"expected one of {list(CONVENTIONS)}")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        refuse("empty", "file", "", "expected a VRPLIB, Solomon or Li & Lim instance")
    if any(re.match(r"(DIMENSION\s*:|[A-Z_]+_SECTION\b)", line) for _, line in lines):
        return _Vrplib(text, lines, convention).instance()
    if any(line.split()[0] == "VEHICLE" for _, line in lines[:3]):
        return _solomon(lines, convention)
    if len(lines[0][1].split()) == 3 and (len(lines) == 1 or len(lines[1][1].split()) == 9):
        return _li_lim(lines, convention)
    number, line = lines[0]
    refuse("format", f"line {number}", line[:60], "expected a VRPLIB, Solomon or Li & Lim instance")


def _numbers(number: int, line: str, count: int) -> list[float]:
    words = line.split()
    if len(words) != count:
        refuse("columns", f"line {number}", line[:60], f"expected {count} numbers, found {len(words)}")
    return [number_of(f"line {number}", word) for word in words]


def number_of(where: str, word: object) -> float:
    """The finite number that a word is; raises `InvalidProblem` for anything else."""
    try:
        value = float(word)  # type: ignore[arg-type]  # whatever is no number is refused
    except (TypeError, ValueError):
        refuse("number", where, word, "expected a number")
    if not np.isfinite(value):
        refuse("number", where, word, "expected a finite number")
    return value


def _table(lines: Sequence[tuple[int, str]], count: int) -> NDArray[np.float64]:
    """Rows that begin with their node's number, 0 1 2 ..., without that number."""
    rows = []
    for expected, (number, line) in enumerate(lines):
        values = _numbers(number, line, count)
        if values[0] != expected:
            refuse("node", f"line {number}", values[0], f"expected node {expected}")
        rows.append(values[1:])
    if len(rows) < 2:
        refuse("no_clients", "DIMENSION", len(rows), "expected a depot and at least one client")
    return np.array(rows, dtype=np.float64)


def _fleet(where: str, value: float) -> int:
    if value != int(value) or not 1 <= value <= 1_000_000:
        refuse("vehicles", where, value, "expected a whole number of vehicles from 1 to 1000000")
    return int(value)


def _solomon(lines: Sequence[tuple[int, str]], convention: str) -> Instance:
    header = next(at for at, (_, line) in enumerate(lines) if line.split()[0] == "VEHICLE")
    if len(lines) < header + 3:
        refuse("format", f"line {lines[-1][0]}", lines[-1][1], "expected number and capacity of the vehicles")
    number, line = lines[header + 2]
    vehicles, capacity = _numbers(number, line, 2)
    rows = [(n, text) for n, text in lines[header + 3 :] if not text[0].isalpha()]
    table = _table(rows, 7)
    return _built(
        name=lines[0][1] if header else "", kind="VRPTW", convention=convention, places=table[:, :2],
        delivery=table[:, 2:3], windows=table[:, 3:5], service=table[:, 5],
        carriers=[{"capacity": [capacity]}] * _fleet(f"line {number}", vehicles),
    )  # fmt: skip


def _li_lim(lines: Sequence[tuple[int, str]], convention: str) -> Instance:
    vehicles, capacity, speed = _numbers(*lines[0], 3)
    if speed != 1:
        refuse("speed", f"line {lines[0][0]}", speed, "expected the speed 1")
    table = _table(lines[1:], 9)
    return _built(
        name="", kind="PDPTW", convention=convention, places=table[:, :2], windows=table[:, 3:5], service=table[:, 5],
        pairing=np.column_stack([table[:, 2], table[:, 6:8]]),
        carriers=[{"capacity": [capacity]}] * _fleet(f"line {lines[0][0]}", vehicles),
    )  # fmt: skip


_ROWS_PER_NODE: Final = {
    "NODE_COORD": 2, "TIME_WINDOW": 2, "SERVICE_TIME": 1, "PRIZE": 1, "RELEASE_TIME": 1, "PICKUP_AND_DELIVERY": 6,
    "DEMAND": None, "LINEHAUL": None, "BACKHAUL": None,
}  # fmt: skip
_ROWS_PER_VEHICLE: Final = frozenset(
    ("CAPACITY", "VEHICLES_DEPOT", "VEHICLES_RELOAD_DEPOT", "VEHICLES_MAX_RELOADS", "VEHICLES_MAX_DISTANCE",
     "VEHICLES_MAX_DURATION", "VEHICLES_FIXED_COST", "VEHICLES_UNIT_DISTANCE_COST", "VEHICLES_ALLOWED_CLIENTS")
)  # fmt: skip
_OTHER_SECTIONS: Final = frozenset(("DEPOT", "EDGE_WEIGHT", "DISPLAY_DATA"))


class _Vrplib:
    """One VRPLIB text: the package parses it; here every row is looked at first, for it overlooks what is wrong."""

    def __init__(self, text: str, lines: Sequence[tuple[int, str]], convention: str) -> None:
        self.convention = convention
        self.specs: dict[str, tuple[int, str]] = {}
        self.sections: dict[str, list[tuple[int, list[str]]]] = {}
        self._split(lines)
        self.size = self._spec_whole("DIMENSION", 2, 1_000_000)
        for name in self.sections:
            if name in _ROWS_PER_NODE:
                self._rows(name, self.size, _ROWS_PER_NODE[name])
        self.vehicles: int | None = None
        if "VEHICLES" in self.specs:
            number, word = self.specs["VEHICLES"]
            self.vehicles = _fleet(f"VEHICLES (line {number})", number_of(f"VEHICLES (line {number})", word))
        self.depots = self._depots()
        try:
            self.data: dict[str, Any] = vrplib.parse.parse_vrplib(text, compute_edge_weights=False)
        except (ValueError, RuntimeError, TypeError, KeyError, IndexError) as error:
            raise InvalidProblem("format", "file", text[:40], f"it is no VRPLIB text: {error}") from error

    def _split(self, lines: Sequence[tuple[int, str]]) -> None:
        rows: list[tuple[int, list[str]]] | None = None
        for number, line in lines:
            if line == "EOF":
                return
            if match := re.match(r"([A-Z_]+)_SECTION\s*:?\s*$", line):
                if match[1] in self.sections:
                    refuse("duplicate", f"line {number}", match[1], "this section is given twice")
                if match[1] not in _OTHER_SECTIONS and match[1] not in {*_ROWS_PER_NODE, *_ROWS_PER_VEHICLE}:
                    refuse("not_supported", f"line {number}", match[1], "this section is not known here")
                rows = self.sections[match[1]] = []
            elif rows is not None:
                rows.append((number, line.split()))
            elif ":" in line:
                name, _, value = line.partition(":")
                self.specs[name.strip().upper()] = (number, value.strip())
            else:
                refuse("format", f"line {number}", line[:60], "expected NAME : VALUE or a section")

    def _spec_whole(self, name: str, low: int, high: int) -> int:
        if name not in self.specs:
            refuse("missing", name, None, "expected this specification")
        number, word = self.specs[name]
        value = number_of(f"{name} (line {number})", word)
        if value != int(value) or not low <= value <= high:
            refuse("range", f"{name} (line {number})", word, f"expected a whole number from {low} to {high}")
        return int(value)

    def _rows(self, name: str, count: int, columns: int | None) -> None:
        """Hold rows to be numbered 1, 2, 3 ... and to be made of numbers."""
        rows = self.sections[name]
        width = len(rows[0][1]) if rows else 0
        for expected, (number, words) in enumerate(rows, start=1):
            where = f"{name}_SECTION (line {number})"
            if words[0] != str(expected):
                refuse("node", where, words[0], f"expected number {expected}")
            if len(words) < 2 or len(words) != width or (columns is not None and len(words) != columns + 1):
                refuse("columns", where, " ".join(words)[:60], f"expected {columns or max(width - 1, 1)} values")
            for word in words[1:]:
                number_of(where, word)
        if len(rows) != count:
            refuse("rows", f"{name}_SECTION", len(rows), f"expected {count} rows")

    def _depots(self) -> int:
        words = [word for _, row in self.sections.get("DEPOT", [(0, ["1"])]) for word in row]
        numbers = [int(number_of("DEPOT_SECTION", word)) for word in words if word != "-1"]
        if numbers != list(range(1, len(numbers) + 1)) or not numbers or len(numbers) >= self.size:
            refuse("depots", "DEPOT_SECTION", numbers, "expected the first nodes 1, 2 ... and clients after them")
        return len(numbers)

    def _per_vehicle(self, name: str, default: Any) -> list[Any]:
        """One value per vehicle, from a section or from one specification for all."""
        count = self.vehicles or self.size - self.depots
        if name in self.sections:
            rows = self.sections[name]
            for expected, (number, words) in enumerate(rows, start=1):
                if words[0] != str(expected):
                    refuse("node", f"{name}_SECTION (line {number})", words[0], f"expected vehicle {expected}")
                for word in words[1:]:
                    number_of(f"{name}_SECTION (line {number})", word)
            if len(rows) != count:
                refuse("rows", f"{name}_SECTION", len(rows), f"expected one row per vehicle, {count}")
            return [[float(word) for word in words[1:]] for _, words in rows]
        if name in self.specs:
            number, word = self.specs[name]
            return [[number_of(f"{name} (line {number})", word)]] * count
        return [default] * count

    def _distances(self) -> NDArray[np.float64] | None:
        kind = self.specs.get("EDGE_WEIGHT_TYPE", (0, "EXPLICIT" if "EDGE_WEIGHT" in self.sections else ""))[1]
        if kind == "EXPLICIT":
            if "EDGE_WEIGHT" not in self.sections:
                refuse("missing", "EDGE_WEIGHT_SECTION", None, "expected it for EDGE_WEIGHT_TYPE EXPLICIT")
            for number, words in self.sections["EDGE_WEIGHT"]:
                for word in words:
                    number_of(f"EDGE_WEIGHT_SECTION (line {number})", word)
            table = np.array(self.data["edge_weight"], dtype=np.float64)
            if table.shape != (self.size, self.size):
                refuse("matrix_shape", "EDGE_WEIGHT_SECTION", table.shape, f"expected {self.size} x {self.size}")
            if (table < 0).any():
                origin, to = (int(x) for x in np.argwhere(table < 0)[0])
                sentence = f"the distance from node {origin + 1} to {to + 1} is negative"
                refuse("negative", "EDGE_WEIGHT_SECTION", float(table[origin, to]), sentence)
            return table
        if kind != "EUC_2D":
            refuse("not_supported", "EDGE_WEIGHT_TYPE", kind, "expected EUC_2D or EXPLICIT")
        if "NODE_COORD" not in self.sections:
            refuse("missing", "NODE_COORD_SECTION", None, "expected it for EDGE_WEIGHT_TYPE EUC_2D")
        return None

    def _column(self, name: str) -> NDArray[np.float64] | None:
        value = self.data.get(name.lower())
        return np.array(value, dtype=np.float64) if name in self.sections else None

    def instance(self) -> Instance:
        service = self._column("SERVICE_TIME")
        if service is None and "SERVICE_TIME" in self.specs:
            number, word = self.specs["SERVICE_TIME"]
            service = np.full(self.size, number_of(f"SERVICE_TIME (line {number})", word))
        if service is not None:
            service[: self.depots] = 0
        pairs = self._column("PICKUP_AND_DELIVERY")
        windows = self._column("TIME_WINDOW")
        pairing = None
        if pairs is not None:
            windows, service = pairs[:, 1:3], pairs[:, 3]
            pairing = np.column_stack([pairs[:, 0], np.where(pairs[:, 4:6] > 0, pairs[:, 4:6] - 1, 0)])
        demand = self._column("DEMAND")
        return _built(
            name=self.specs.get("NAME", (0, ""))[1], kind=self.specs.get("TYPE", (0, ""))[1].upper(),
            convention=self.convention, depots=self.depots, places=self._column("NODE_COORD"),
            distances=self._distances(), delivery=demand if demand is not None else self._column("LINEHAUL"),
            pickup=self._column("BACKHAUL"), service=service, windows=windows, release=self._column("RELEASE_TIME"),
            prize=self._column("PRIZE"), pairing=pairing, carriers=self._carriers(),
        )  # fmt: skip

    def _carriers(self) -> list[dict[str, Any]]:
        columns = {
            "capacity": self._per_vehicle("CAPACITY", None), "depot": self._per_vehicle("VEHICLES_DEPOT", [1]),
            "fixed": self._per_vehicle("VEHICLES_FIXED_COST", [0]),
            "unit": self._per_vehicle("VEHICLES_UNIT_DISTANCE_COST", [1]),
            "max_distance": self._per_vehicle("VEHICLES_MAX_DISTANCE", None),
            "max_duration": self._per_vehicle("VEHICLES_MAX_DURATION", None),
            "reloads": self._per_vehicle("VEHICLES_RELOAD_DEPOT", []),
            "max_reloads": self._per_vehicle("VEHICLES_MAX_RELOADS", None),
            "allowed": self._per_vehicle("VEHICLES_ALLOWED_CLIENTS", None),
        }  # fmt: skip
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


# -- in: numbers


def _whole(field: str, values: NDArray[np.float64], convention: str) -> Whole:
    rounded = CONVENTIONS[convention](values)
    strange = (rounded != np.trunc(rounded)) | (np.abs(rounded) > _LARGEST)
    if strange.any():
        place = tuple(int(x) for x in np.argwhere(strange)[0])
        sentence = f"expected a whole number up to {_LARGEST} in the convention {convention}"
        refuse("range", f"{field}{list(place)}", float(values[place]), sentence)
    return rounded.astype(np.int64)


def _not_negative(field: str, values: Whole) -> Whole:
    if (values < 0).any():
        place = tuple(int(x) for x in np.argwhere(values < 0)[0])
        refuse("negative", f"{field} of node {place[0] + 1}", int(values[place]), "expected 0 or more")
    return values


def _built(
    *,
    name: str,
    kind: str,
    convention: str,
    places: NDArray[np.float64] | None,
    carriers: Sequence[Mapping[str, Any]],
    depots: int = 1,
    distances: NDArray[np.float64] | None = None,
    delivery: NDArray[np.float64] | None = None,
    pickup: NDArray[np.float64] | None = None,
    service: NDArray[np.float64] | None = None,
    windows: NDArray[np.float64] | None = None,
    release: NDArray[np.float64] | None = None,
    prize: NDArray[np.float64] | None = None,
    pairing: NDArray[np.float64] | None = None,
) -> Instance:
    size = len(places) if places is not None else len(distances) if distances is not None else 0

    def column(field: str, values: NDArray[np.float64] | None) -> Whole:
        if values is None:
            return np.zeros(size, dtype=np.int64)
        return _not_negative(field, _whole(field, values, convention))

    dimensions = max([1, *(1 if a is None or a.ndim == 1 else a.shape[1] for a in (delivery, pickup))])

    def amounts(field: str, values: NDArray[np.float64] | None) -> Whole:
        if values is None:
            return np.zeros((size, dimensions), dtype=np.int64)
        return _not_negative(field, _whole(field, values.reshape(size, -1), "none"))

    bring, fetch = amounts("DEMAND", delivery), amounts("BACKHAUL", pickup)
    pairs: tuple[tuple[int, int], ...] = ()
    if pairing is not None:
        pairs = _pairs(_whole("PICKUP_AND_DELIVERY", pairing, "none"), depots)
        for origin, to in pairs:
            fetch[origin, 0] = bring[to, 0] = int(pairing[origin, 0])
    if (bring[:depots] > 0).any() or (fetch[:depots] > 0).any():
        depot = int(np.argwhere((bring[:depots] > 0) | (fetch[:depots] > 0))[0][0])
        refuse("demand", f"DEMAND of node {depot + 1}", int(bring[depot].max()), "a depot asks for nothing")
    hours = None if windows is None else column("TIME_WINDOW", windows)
    if hours is not None and (hours[:, 0] > hours[:, 1]).any():
        node = int(np.argmax(hours[:, 0] > hours[:, 1]))
        refuse("time_window", f"TIME_WINDOW of node {node + 1}", hours[node].tolist(), "it closes before it opens")
    if distances is None and size <= DENSE_UP_TO:
        assert places is not None  # noqa: S101 - the forms without distances have places
        distances = vrplib.parse.parse_distances.pairwise_euclidean(places)
    made: dict[tuple[Any, ...], Carrier] = {}
    fleet = []
    for number, row in enumerate(carriers, start=1):
        key = tuple((field, tuple(value) if isinstance(value, list) else value) for field, value in row.items())
        if key not in made:
            made[key] = _carrier(row, number, size=size, depots=depots, dimensions=dimensions, convention=convention)
        fleet.append(made[key])
    if not all(carrier.capacity for carrier in fleet):  # nothing is limited: amounts do not matter
        bring, fetch = bring[:, :0], fetch[:, :0]
    return Instance(
        name=name, kind=kind, convention=convention, depots=depots, places=places,
        distances=None if distances is None else _whole("EDGE_WEIGHT", distances, convention),
        delivery=bring, pickup=fetch, service=column("SERVICE_TIME", service), windows=hours,
        release=column("RELEASE_TIME", release), prize=column("PRIZE", prize), pairs=pairs, carriers=tuple(fleet),
    )  # fmt: skip


def _pairs(rows: Whole, depots: int) -> tuple[tuple[int, int], ...]:
    """(pick-up, delivery) of each pair, from rows of amount, partner that is fetched, partner that is brought to."""
    found = []
    for node in range(depots, len(rows)):
        amount, origin, to = (int(x) for x in rows[node])
        where = f"PICKUP_AND_DELIVERY of node {node + 1}"
        if (origin > 0) == (to > 0):
            refuse("pairing", where, [origin, to], "expected either a pick-up or a delivery as partner")
        partner = origin or to
        if not depots <= partner < len(rows):
            refuse("pairing", where, partner + 1, "there is no such client")
        if int(rows[partner, 2 if origin else 1]) != node or int(rows[partner, 0]) != -amount:
            refuse("pairing", where, partner + 1, "the partner names another node or amount")
        if to:
            if amount < 0:
                refuse("negative", where, amount, "a pick-up fetches 0 or more")
            found.append((node, to))
    return tuple(found)


def _carrier(
    row: Mapping[str, Any], number: int, *, size: int, depots: int, dimensions: int, convention: str
) -> Carrier:
    def numbered(field: str, low: int, high: int) -> tuple[int, ...]:
        for value in row[field]:
            if value != int(value) or not low <= value <= high:
                refuse("node", f"{field} of vehicle {number}", value, f"expected a node from {low} to {high}")
        return tuple(int(value) - 1 for value in row[field])

    def value(field: str, rule: str) -> int | None:
        if row.get(field) is None:
            return None
        if len(row[field]) != 1:
            refuse("columns", f"{field} of vehicle {number}", row[field], "expected one value")
        found = int(_whole(f"{field} of vehicle {number}", np.array([row[field][0]], dtype=np.float64), rule)[0])
        if found < 0:
            refuse("negative", f"{field} of vehicle {number}", found, "expected 0 or more")
        return found

    capacity: tuple[int, ...] = ()
    if row.get("capacity") is not None:
        if len(row["capacity"]) != dimensions:
            sentence = f"expected {dimensions} values, as many as a demand has"
            refuse("dimensions", f"capacity of vehicle {number}", row["capacity"], sentence)
        whole = _whole(f"capacity of vehicle {number}", np.array(row["capacity"], dtype=np.float64), "none")
        capacity = tuple(int(x) for x in whole)
        if min(capacity) < 0:
            refuse("negative", f"capacity of vehicle {number}", min(capacity), "expected 0 or more")
    unit = row["unit"][0] if row.get("unit") else 1
    if unit < 0 or abs(1000 * unit - round(1000 * unit)) > 1e-6:
        refuse("range", f"unit of vehicle {number}", unit, "expected thousandths, 0 or more")
    return Carrier(
        depot=numbered("depot", 1, depots)[0] if row.get("depot") else 0,
        capacity=capacity,
        fixed=value("fixed", convention) or 0,
        unit=unit,
        max_distance=value("max_distance", convention),
        max_duration=value("max_duration", convention),
        reloads=numbered("reloads", 1, depots) if row.get("reloads") else (),
        max_reloads=value("max_reloads", "none"),
        allowed=None if row.get("allowed") is None else frozenset(numbered("allowed", 1, size)),
    )
