"""An invented town for the demo: who lives behind which door, the same for the same seed on every day.

All people, ID numbers and phones are invented. A door is a random point near the middle of its commune, not a real house.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from courier.domain.places import Commune, OldCommune
from courier.gazetteer import Gazetteer

HOUSEHOLDS = 360
_HAMLETS = 6
_KNOWN = 0.88  # of the doors that a postman has found before
_METRES_PER_DEGREE = 111_320
_SPREAD_M = 450  # how far the houses of a hamlet lie from its middle
_FARTHEST_M = 4_500

_SURNAMES = [
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Huỳnh",
    "Phan",
    "Võ",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Dương",
    "Lý",
    "Trương",
    "Lâm",
    "Châu",
    "Tô",
    "Quách",
    "Thạch",
]
_MIDDLE_M = ["Văn", "Hoàng", "Minh", "Quốc", "Thanh", "Hữu", "Chí", "Trọng"]
_MIDDLE_F = ["Thị", "Ngọc", "Kim", "Mỹ", "Thúy", "Hồng", "Bích", "Cẩm"]
_GIVEN_M = [
    "An",
    "Bình",
    "Cường",
    "Dũng",
    "Đạt",
    "Hải",
    "Hiếu",
    "Hùng",
    "Khánh",
    "Kiệt",
    "Lộc",
    "Nam",
    "Nghĩa",
    "Phúc",
    "Quân",
    "Sơn",
    "Tài",
    "Thành",
    "Tín",
    "Út",
    "Vinh",
]
_GIVEN_F = [
    "Anh",
    "Chi",
    "Diễm",
    "Dung",
    "Hà",
    "Hạnh",
    "Hoa",
    "Hương",
    "Lan",
    "Liên",
    "Loan",
    "Mai",
    "Ngân",
    "Nhi",
    "Phượng",
    "Quyên",
    "Thảo",
    "Thu",
    "Trang",
    "Tuyết",
    "Xuân",
]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody invented. `id_number` has 12 digits of province 096."""

    name: str
    id_number: str


@dataclass(frozen=True, slots=True)
class Household:
    """A door and who lives behind it; `known` when an earlier postman found it. `old` is None where the old name is not clear."""

    commune: Commune
    old: OldCommune | None
    hamlet: str
    lat: float
    lon: float
    known: bool
    phone: str
    people: tuple[Person, ...]


def households(gazetteer: Gazetteer, communes: Sequence[str], *, office: int, seed: int) -> list[Household]:
    """The households of an office; `office` counts from 0 and keeps phones and ID numbers apart."""
    chance = random.Random(f"town:{seed}:{office}")  # noqa: S311 (a play, not a secret)
    places = [gazetteer.commune(code) for code in sorted(communes)]
    hamlets = [spot for place in places for spot in _hamlets(gazetteer, place, chance)]
    return [_household(chance, chance.choice(hamlets), number + office * 1_000) for number in range(HOUSEHOLDS)]


@dataclass(frozen=True, slots=True)
class _Hamlet:
    commune: Commune
    old: OldCommune | None
    name: str
    lat: float
    lon: float


def _hamlets(gazetteer: Gazetteer, commune: Commune, chance: random.Random) -> list[_Hamlet]:
    former = [old for old in gazetteer.old_communes() if old.successors == (commune.code,)]
    reach = min(_FARTHEST_M, 300 * math.sqrt(commune.area_km2))
    made = []
    for number in chance.sample(range(1, 16), _HAMLETS):
        old = chance.choice(former) if former else None
        word = "Khóm" if old is not None and old.kind == "thi_tran" else "Ấp"
        lat, lon = _near(chance, commune.lat, commune.lon, reach)
        if not gazetteer.contains(commune.code, lat, lon):
            lat, lon = commune.lat, commune.lon
        made.append(_Hamlet(commune, old, f"{word} {number}", lat, lon))
    return made


def _household(chance: random.Random, hamlet: _Hamlet, number: int) -> Household:
    lat, lon = _near(chance, hamlet.lat, hamlet.lon, _SPREAD_M)
    surname = chance.choice(_SURNAMES)
    people = tuple(_person(chance, surname, number * 10 + member) for member in range(chance.choice((1, 2, 2, 3, 4))))
    return Household(
        commune=hamlet.commune,
        old=hamlet.old,
        hamlet=hamlet.name,
        lat=round(lat, 5),
        lon=round(lon, 5),
        known=chance.random() < _KNOWN,
        phone=f"059900{number:04d}",
        people=people,
    )


def _person(chance: random.Random, surname: str, number: int) -> Person:
    woman = chance.random() < 0.5
    middle, given = (_MIDDLE_F, _GIVEN_F) if woman else (_MIDDLE_M, _GIVEN_M)
    year = chance.randint(1950, 2007)
    digit = 2 * (year >= 2000) + woman
    return Person(
        f"{surname} {chance.choice(middle)} {chance.choice(given)}", f"096{digit}{year % 100:02d}{number:06d}"
    )


def _near(chance: random.Random, lat: float, lon: float, metres: float) -> tuple[float, float]:
    angle, distance = chance.uniform(0, 2 * math.pi), metres * math.sqrt(chance.random())
    north, east = distance * math.cos(angle), distance * math.sin(angle)
    return lat + north / _METRES_PER_DEGREE, lon + east / (_METRES_PER_DEGREE * math.cos(math.radians(lat)))
