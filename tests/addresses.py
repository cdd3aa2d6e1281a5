"""Makes addresses as people in Cà Mau write them, with the truth known beforehand.

The tables below were transcribed by hand from the merger resolutions' summary and never pass through the resolver or its files:
they are the second opinion.
"""

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

U_MINH, CAI_NUOC, DAM_DOI = "U Minh", "Cái Nước", "Đầm Dơi"

# old name: (district, kind, communes of today); more than one commune = split, must be asked about
OLD = {
    "U Minh": (U_MINH, "thị trấn", ["32044"]),
    "Khánh Hòa": (U_MINH, "xã", ["32047"]),
    "Khánh Thuận": (U_MINH, "xã", ["32044", "32047"]),
    "Khánh Tiến": (U_MINH, "xã", ["32047"]),
    "Nguyễn Phích": (U_MINH, "xã", ["32044", "32059", "32062"]),
    "Khánh Lâm": (U_MINH, "xã", ["32062", "32047"]),
    "Khánh An": (U_MINH, "xã", ["32059"]),
    "Khánh Hội": (U_MINH, "xã", ["32062"]),
    "Cái Nước": (CAI_NUOC, "thị trấn", ["32128"]),
    "Thạnh Phú": (CAI_NUOC, "xã", ["32134"]),
    "Lương Thế Trân": (CAI_NUOC, "xã", ["32134"]),
    "Phú Hưng": (CAI_NUOC, "xã", ["32134"]),
    "Tân Hưng": (CAI_NUOC, "xã", ["32137"]),
    "Hưng Mỹ": (CAI_NUOC, "xã", ["32140"]),
    "Hòa Mỹ": (CAI_NUOC, "xã", ["32140", "32214", "32137"]),
    "Đông Hưng": (CAI_NUOC, "xã", ["32137", "32128"]),
    "Đông Thới": (CAI_NUOC, "xã", ["32128", "32137"]),
    "Tân Hưng Đông": (CAI_NUOC, "xã", ["32140", "32128"]),
    "Trần Thới": (CAI_NUOC, "xã", ["32128"]),
    "Đầm Dơi": (DAM_DOI, "thị trấn", ["32152"]),
    "Tạ An Khương": (DAM_DOI, "xã", ["32155", "32152"]),
    "Tạ An Khương Đông": (DAM_DOI, "xã", ["32155"]),
    "Trần Phán": (DAM_DOI, "xã", ["32161"]),
    "Tân Trung": (DAM_DOI, "xã", ["32161"]),
    "Tân Đức": (DAM_DOI, "xã", ["32167"]),
    "Tân Thuận": (DAM_DOI, "xã", ["32167"]),
    "Tạ An Khương Nam": (DAM_DOI, "xã", ["32155"]),
    "Tân Duyệt": (DAM_DOI, "xã", ["32152"]),
    "Tân Dân": (DAM_DOI, "xã", ["32152"]),
    "Tân Tiến": (DAM_DOI, "xã", ["32188"]),
    "Quách Phẩm Bắc": (DAM_DOI, "xã", ["32182"]),
    "Quách Phẩm": (DAM_DOI, "xã", ["32182"]),
    "Thanh Tùng": (DAM_DOI, "xã", ["32185"]),
    "Ngọc Chánh": (DAM_DOI, "xã", ["32185"]),
    "Nguyễn Huân": (DAM_DOI, "xã", ["32188"]),
}
# communes of today in the three former districts
NEW = {
    "Nguyễn Phích": ("32044", U_MINH),
    "U Minh": ("32047", U_MINH),
    "Khánh An": ("32059", U_MINH),
    "Khánh Lâm": ("32062", U_MINH),
    "Cái Nước": ("32128", CAI_NUOC),
    "Lương Thế Trân": ("32134", CAI_NUOC),
    "Tân Hưng": ("32137", CAI_NUOC),
    "Hưng Mỹ": ("32140", CAI_NUOC),
    "Đầm Dơi": ("32152", DAM_DOI),
    "Tạ An Khương": ("32155", DAM_DOI),
    "Trần Phán": ("32161", DAM_DOI),
    "Tân Thuận": ("32167", DAM_DOI),
    "Quách Phẩm": ("32182", DAM_DOI),
    "Thanh Tùng": ("32185", DAM_DOI),
    "Tân Tiến": ("32188", DAM_DOI),
}
# communes and wards of today elsewhere in the province
NEW_ELSEWHERE = {
    "Phú Mỹ": ("32214", "xã"),
    "Thới Bình": ("32065", "xã"),
    "Hồ Thị Kỷ": ("32092", "xã"),
    "Sông Đốc": ("32098", "xã"),
    "Khánh Bình": ("32110", "xã"),
    "Năm Căn": ("32191", "xã"),
    "Tam Giang": ("32206", "xã"),
    "Đất Mũi": ("32248", "xã"),
    "An Xuyên": ("32002", "phường"),
    "Lý Văn Lâm": ("32014", "phường"),
    "Hòa Thành": ("32041", "phường"),
    "Vĩnh Hậu": ("31927", "xã"),
    "Long Điền": ("31985", "xã"),
    "Giá Rai": ("31942", "phường"),
}
OLD_ELSEWHERE = [
    ("xã Khánh Bình Tây", "huyện Trần Văn Thời"),
    ("xã Khánh Bình Tây Bắc", "huyện Trần Văn Thời"),
    ("xã Khánh Hải", "huyện Trần Văn Thời"),
    ("xã Trần Hợi", "huyện Trần Văn Thời"),
    ("xã Tân Hưng Tây", "huyện Phú Tân"),
    ("xã Phú Thuận", "huyện Phú Tân"),
    ("xã Tân Lộc Đông", "huyện Thới Bình"),
    ("xã Tân Phú", "huyện Thới Bình"),
    ("thị trấn Năm Căn", "huyện Năm Căn"),
    ("xã Tân Ân Tây", "huyện Ngọc Hiển"),
    ("phường 5", "thành phố Cà Mau"),
    ("phường 8", "TP Cà Mau"),
    ("xã Tân Thành", "TP. Cà Mau"),
    ("xã Vĩnh Hậu A", "huyện Hòa Bình"),
]
ABROAD = [
    "Ấp Tân Hưng, xã Tân Hưng, huyện Cái Bè, tỉnh Tiền Giang",
    "xã Tân Tiến, huyện Chương Mỹ, Hà Nội",
    "xã Tân Thuận, huyện Hàm Thuận Nam, Bình Thuận",
    "Ấp 3, xã Tân Thuận, huyện Vĩnh Thuận, tỉnh Kiên Giang",
    "xã Thạnh Phú, huyện Cờ Đỏ, TP Cần Thơ",
    "Ấp 5, xã Khánh An, huyện An Phú, An Giang",
    "xã Tân Hưng, huyện Bàu Bàng, tỉnh Bình Dương",
    "12 Lê Lợi, phường Bến Nghé, quận 1, TP.HCM",
    "xã Phú Hưng, huyện Phú Tân, tỉnh An Giang",
    "thôn 3, xã Khánh Hòa, huyện Lục Yên, Yên Bái",
    "Ấp 2, xã Tân Đức, tỉnh Bình Thuận",
    "xã Hòa Mỹ, huyện Phụng Hiệp, tỉnh Hậu Giang",
    "xã Tân Dân, huyện Sóc Sơn, thành phố Hà Nội",
    "Khánh Hòa",
]
JUNK = [
    "",
    "   ",
    "???",
    "không rõ",
    "Cà Mau",
    "tỉnh Cà Mau",
    "Việt Nam",
    "0599 000 012",
    "nhà bà Sáu gần cầu",
    "ấp 5",
    "12/3",
    "xã",
    "huyện",
    ",,,,",
    "gọi trước khi giao",
]

_HAMLETS = [
    "Tân Hòa",
    "Cái Giếng",
    "Bà Điều",
    "Kinh Dớn",
    "Rạch Muỗi",
    "Tân Phước",
    "Năm Đảm",
    "Vàm Đầm",
    "Công Điền",
    "Rau Dừa",
    "Thị Tường",
    "Nhà Cũ",
    "Bào Sen",
    "Mương Điều",
    "Tân Long A",
    "Hiệp Dư",
    "Nhà Thính B",
    "Đồng Tâm",
    "Lung Ranh",
    "Bến Dựa",
]
_STREETS = ["Trần Văn Đại", "Lê Lai", "Ngô Bình An", "Dương Thị Cẩm Vân", "30 Tháng 4", "Nguyễn Ngọc Cung"]


@dataclass(frozen=True)
class Case:
    """One address. `answer` is the code of its commune, None when only asking is right; `decidable`: a careful clerk would decide."""

    raw: str
    sort: str
    answer: str | None
    decidable: bool


def plain(text: str) -> str:
    """Without marks, as on a typewriter."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return bare.replace("đ", "d").replace("Đ", "D")


def distance(one: str, other: str) -> int:
    """Letters to add, drop or change, the plain textbook way."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (one[i - 1] != other[j - 1])
            )
    return table[-1][-1]


def addresses(count: int, seed: int) -> Iterator[Case]:
    """Yield `count` addresses of every sort, the same for the same seed."""
    rng = random.Random(seed)
    sorts: list[tuple[int, Callable[[random.Random], Case]]] = [
        (14, _old),
        (12, _new),
        (4, _new_elsewhere),
        (14, _abbreviated),
        (12, _accent_free),
        (6, _glued),
        (5, _no_commas),
        (4, _upside_down),
        (5, _hamlet_like_a_commune),
        (5, _both_names),
        (14, _misspelt),
        (10, _split),
        (5, _old_elsewhere),
        (10, _hopeless),
    ]
    weights = [weight for weight, _ in sorts]
    for _ in range(count):
        make = rng.choices([make for _, make in sorts], weights)[0]
        yield make(rng)


# ---------------------------------------------------------------------------------------------------- parts


def _hamlet(rng: random.Random, kind: str = "xã") -> str:
    word = "Khóm" if kind == "thị trấn" else "Ấp"
    if kind == "thị trấn" and rng.random() < 0.3:
        return f"{rng.randint(1, 200)} {rng.choice(_STREETS)}, {word} {rng.randint(1, 9)}"
    if rng.random() < 0.45:
        return f"{word} {rng.randint(1, 21)}"
    if rng.random() < 0.1:
        return f"Tổ {rng.randint(1, 9)}, {word} {rng.choice(_HAMLETS)}"
    return f"{word} {rng.choice(_HAMLETS)}"


def _whole(rng: random.Random) -> tuple[str, str, str, str]:
    name = rng.choice([name for name, (_, _, heirs) in OLD.items() if len(heirs) == 1])
    district, kind, heirs = OLD[name]
    return name, district, kind, heirs[0]


def _province(rng: random.Random) -> str:
    return rng.choice(["tỉnh Cà Mau", "Cà Mau", "Tỉnh Cà Mau", "Cà Mau, Việt Nam"])


def _old_text(rng: random.Random, name: str, district: str, kind: str) -> str:
    shape = rng.random()
    tail = f", {_province(rng)}" if rng.random() < 0.85 else ""
    marker = f"{kind} "
    area = f"huyện {district}" if shape < 0.7 or not tail else district
    if shape > 0.9 and kind == "xã" and tail:
        marker = ""
    return f"{_hamlet(rng, kind)}, {marker}{name}, {area}{tail}"


def _old(rng: random.Random) -> Case:
    name, district, kind, answer = _whole(rng)
    return Case(_old_text(rng, name, district, kind), "old", answer, decidable=True)


def _new(rng: random.Random) -> Case:
    name, province = rng.choice(list(NEW)), _province(rng)
    # "xã Khánh Lâm, Cà Mau" may also be the old, split commune with its district left out.
    clear = "tỉnh" in province.lower() or len(OLD.get(name, ("", "", [""]))[2]) == 1
    return Case(f"{_hamlet(rng)}, xã {name}, {province}", "new", NEW[name][0], decidable=clear)


def _new_elsewhere(rng: random.Random) -> Case:
    name = rng.choice(list(NEW_ELSEWHERE))
    code, kind = NEW_ELSEWHERE[name]
    return Case(f"{_hamlet(rng)}, {kind} {name}, tỉnh Cà Mau", "new elsewhere", code, decidable=True)


def _abbreviated(rng: random.Random) -> Case:
    name, district, kind, answer = _whole(rng)
    commune = rng.choice(
        ["X. ", "X.", "x. ", "x ", "X "] if kind == "xã" else ["TT. ", "TT ", "TT.", "T.T. ", "Tt. ", "T.T "]
    )
    area = rng.choice(["H. ", "H.", "h. ", "h ", "H "])
    province = rng.choice([", Cà Mau", ", CM", ", T. Cà Mau", ", T.Cà Mau", ", C.Mau", ""])
    hamlet = _hamlet(rng, kind)
    if kind == "thị trấn":
        hamlet = hamlet.replace("Khóm", rng.choice(["Khóm", "K.", "KP", "khóm"]))
    elif rng.random() < 0.3:
        hamlet = hamlet.replace("Ấp ", "A.") if hamlet[-1].isdigit() else hamlet.replace("Ấp", "ấp")
    written = district.replace(" ", ".") if district == U_MINH and rng.random() < 0.3 else district
    return Case(f"{hamlet}, {commune}{name}, {area}{written}{province}", "abbreviated", answer, decidable=True)


def _accent_free(rng: random.Random) -> Case:
    if rng.random() < 0.35:
        name = rng.choice(list(NEW))
        raw, answer = f"{_hamlet(rng)}, xã {name}, tỉnh Cà Mau", NEW[name][0]
    else:
        name, district, kind, answer = _whole(rng)
        raw = _old_text(rng, name, district, kind)
    raw = rng.choice(
        [
            plain,
            lambda t: plain(t).lower(),
            lambda t: plain(t).upper(),
            lambda t: t.upper(),
            lambda t: unicodedata.normalize("NFD", t),
        ]
    )(raw)
    return Case(raw, "accent-free", answer, decidable=True)


def _glued(rng: random.Random) -> Case:
    name, district, kind, answer = _whole(rng)
    together, area = name.replace(" ", ""), district.replace(" ", "")
    forms = (
        [("X.", "H."), ("x", "h"), ("xã", "huyện"), ("Xã ", "Huyện ")]
        if kind == "xã"
        else [("TT.", "H."), ("TT", "H"), ("thị trấn ", "huyện ")]
    )
    commune, district_marker = rng.choice(forms)
    raw = f"{rng.choice(['Ấp', 'ấp ', 'Khóm'])}{rng.randint(1, 15)}, {commune}{together}, {district_marker}{area}, {rng.choice(['Cà Mau', 'CàMau', 'T.CàMau'])}"
    if rng.random() < 0.3:
        raw = plain(raw)
    return Case(raw.replace(", ", ",") if rng.random() < 0.4 else raw, "glued", answer, decidable=True)


def _no_commas(rng: random.Random) -> Case:
    name, district, kind, answer = _whole(rng)
    hamlet = f"{'khóm' if kind == 'thị trấn' else 'ấp'} {rng.choice([*_HAMLETS, '3', '7', '11'])}"
    commune, area = ("x", "h") if kind == "xã" and rng.random() < 0.3 else (kind, "huyện")
    raw = f"{hamlet} {commune} {name} {area} {district} {rng.choice(['Cà Mau', 'tỉnh Cà Mau', ''])}".strip()
    return Case(plain(raw).lower() if rng.random() < 0.6 else raw, "no commas", answer, decidable=True)


def _upside_down(rng: random.Random) -> Case:
    name, district, kind, answer = _whole(rng)
    raw = f"{rng.choice(['Cà Mau, ', 'Tỉnh Cà Mau, ', ''])}{rng.choice(['H. ', 'huyện ', 'Huyện '])}{district}, {rng.choice([kind, kind.title()])} {name}, {_hamlet(rng, kind)}"
    return Case(raw, "upside down", answer, decidable=True)


def _hamlet_like_a_commune(rng: random.Random) -> Case:
    name, district, kind, answer = _whole(rng)
    other = rng.choice([other for other, (where, _, _) in OLD.items() if where == district and other != name])
    raw = f"{'Ấp' if rng.random() < 0.8 else 'ấp'} {other}, {kind} {name}, {rng.choice(['huyện ', 'H. ', ''])}{district}, Cà Mau"
    return Case(plain(raw) if rng.random() < 0.3 else raw, "hamlet like a commune", answer, decidable=True)


def _both_names(rng: random.Random) -> Case:
    name = rng.choice(list(OLD))
    district, kind, heirs = OLD[name]
    code = rng.choice(heirs)
    today = next((new for new, (new_code, _) in NEW.items() if new_code == code), "Phú Mỹ")
    shape = rng.choice(
        [
            f"{_hamlet(rng, kind)}, xã {today} ({kind} {name} cũ), tỉnh Cà Mau",
            f"{_hamlet(rng, kind)}, {kind} {name} (nay là xã {today}), tỉnh Cà Mau",
            f"{_hamlet(rng, kind)}, {kind} {name}, huyện {district} nay là xã {today}, tỉnh Cà Mau",
            f"{_hamlet(rng, kind)}, xã {today}, tỉnh Cà Mau (trước đây là {kind} {name}, huyện {district})",
        ]
    )
    return Case(shape, "both names", code, decidable=True)


_KEYS = "qwertyuiop asdfghjkl zxcvbnm"


def _slip(rng: random.Random, name: str) -> str:
    at = rng.choice([i for i, c in enumerate(name) if c.isalpha()])
    kind = rng.randrange(4)
    if kind == 0:
        return name[:at] + name[at + 1 :]
    if kind == 1:
        return name[:at] + name[at] + name[at:]
    if kind == 2 and at + 1 < len(name) and name[at + 1].isalpha():
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    key = _KEYS.find(plain(name[at]).lower())
    near = rng.choice([c for c in (_KEYS[key - 1 : key] + _KEYS[key + 1 : key + 2]) if c != " "] or ["x"])
    return name[:at] + near + name[at + 1 :]


def _misspelt(rng: random.Random) -> Case:
    known = {plain(name).lower().replace(" ", "") for name in (*OLD, *NEW, *NEW_ELSEWHERE)}
    name, district, kind, answer = _whole(rng)
    written = _slip(rng, name)
    while plain(written).lower().replace(" ", "") in known - {plain(name).lower().replace(" ", "")}:
        written = _slip(rng, name)
    if rng.random() < 0.3:
        written = _slip(rng, written)
    typed = plain(written).lower().replace(" ", "")
    rivals = [
        plain(other).lower().replace(" ", "")
        for other, (where, _, _) in OLD.items()
        if where == district and other != name
    ]
    own = distance(typed, plain(name).lower().replace(" ", ""))
    clear = own <= 1 and min(distance(typed, rival) for rival in rivals) >= own + 2 and len(typed) > 5
    area = rng.choice([f"huyện {district}", f"H. {district}", f"huyện {district}"])
    raw = f"{_hamlet(rng, kind)}, {kind} {written}, {area}, Cà Mau"
    if rng.random() < 0.25:
        raw = plain(raw).lower()
    return Case(raw, "misspelt", answer, decidable=clear)


def _split(rng: random.Random) -> Case:
    name = rng.choice([name for name, (_, _, heirs) in OLD.items() if len(heirs) > 1])
    district, kind, _ = OLD[name]
    raw = rng.choice(
        [
            _old_text(rng, name, district, kind),
            f"{_hamlet(rng)}, X.{name}, H.{district}, Cà Mau",
            plain(f"{_hamlet(rng)}, xã {name}, huyện {district}, Cà Mau").lower(),
            f"ấp {rng.randint(1, 20)} {name}",
            f"Ấp {rng.randint(1, 20)}, {name}, {district}, Cà Mau",
        ]
    )
    return Case(raw, "split", None, decidable=False)


def _old_elsewhere(rng: random.Random) -> Case:
    commune, area = rng.choice(OLD_ELSEWHERE)
    return Case(f"{_hamlet(rng)}, {commune}, {area}, {_province(rng)}", "old elsewhere", None, decidable=False)


def _hopeless(rng: random.Random) -> Case:
    district = rng.choice([U_MINH, CAI_NUOC, DAM_DOI])
    name, home, kind, _ = _whole(rng)
    wrong = rng.choice([other for other in (U_MINH, CAI_NUOC, DAM_DOI) if other != home])
    raw = rng.choice(
        [
            rng.choice(ABROAD),
            rng.choice(JUNK),
            f"{_hamlet(rng)}, huyện {district}, Cà Mau",
            f"{_hamlet(rng)}, {district}, Cà Mau",
            f"{_hamlet(rng)}, {district}",
            f"{_hamlet(rng)}, {kind} {name}, huyện {wrong}, Cà Mau",
            f"{_hamlet(rng)}, xã U Minh, huyện U Minh, Cà Mau",
            f"{_hamlet(rng)}, xã {rng.choice(['Bình Minh', 'Hiệp Tùng', 'An Lạc', 'Mỹ Phước'])}, huyện {district}, Cà Mau",
            f"Ấp {name}, huyện {home}, Cà Mau",
            f"Chợ {name}, Cà Mau",
            f"12 {name}, Cà Mau",
            f"{rng.choice(_HAMLETS)} {name}",
        ]
    )
    return Case(raw, "hopeless", None, decidable=False)
