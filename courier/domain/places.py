"""Communes of today and of yesterday, hamlets, and what an address may mean among them."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Form = Literal["old", "new", "mixed", "unknown"]
Outcome = Literal["resolved", "ambiguous", "unknown"]
Precision = Literal["hamlet", "commune", "unknown"]

KINDS = {"xa": "Xã", "phuong": "Phường", "thi_tran": "Thị trấn"}


@dataclass(frozen=True, slots=True)
class Commune:
    """A commune or ward of today. The point (WGS 84) lies inside it and is not its office; `box` = south, west, north, east."""

    code: str
    kind: str
    name: str
    lat: float
    lon: float
    box: tuple[float, float, float, float]
    area_km2: float
    former_district: str | None
    valid_from: date
    valid_to: date | None

    @property
    def full_name(self) -> str:
        """The name with its kind: "Xã Khánh An"."""
        return f"{KINDS[self.kind]} {self.name}"


@dataclass(frozen=True, slots=True)
class OldCommune:
    """A commune of the former districts; it went into `successors`; `split` when the name alone does not decide."""

    code: str
    kind: str
    name: str
    district: str
    valid_from: date
    valid_to: date | None
    successors: tuple[str, ...]
    split: bool

    @property
    def full_name(self) -> str:
        """The name with its kind and district: "Xã Tân Duyệt, huyện Đầm Dơi"."""
        return f"{KINDS[self.kind]} {self.name}, huyện {self.district}"


@dataclass(frozen=True, slots=True)
class Hamlet:
    """A hamlet we know of. One that is not verified orders candidates and never decides."""

    name: str
    old_commune: str
    commune: str
    lat: float | None
    lon: float | None
    verified: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commune an address may mean; `score` 0..1, `reason` can be read out, `lat`/`lon` are None where no point is known."""

    commune_code: str
    commune_name: str
    hamlet: str | None
    score: float
    reason: str
    reason_code: str
    precision: Precision
    lat: float | None
    lon: float | None


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer: one candidate when `resolved`, several or none (best first) when somebody must be asked."""

    outcome: Outcome
    form: Form
    candidates: tuple[Candidate, ...]
    reason_code: str
    reason: str

    @property
    def commune_code(self) -> str | None:
        """The commune when it is decided, else None."""
        return self.candidates[0].commune_code if self.outcome == "resolved" else None
