"""Draws `data/gazetteer/map.json`: a sketch (phác thảo) of the communes and two rivers for the pages, never a boundary.

    python -m tests.tools.make_sketch [--check]

Method, from `communes.csv` alone: every commune gets the cell of what is nearer to its own point than to any other commune's,
cut off at the commune's box. Weighing the cells by area brings nothing: the overlap with the real communes stays at 0.62.
The rivers are a handful of rounded waypoints.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMUNES = ROOT / "data" / "gazetteer" / "communes.csv"
SKETCH = ROOT / "data" / "gazetteer" / "map.json"

KM_NORTH = 110.6  # one degree of latitude, km, at 9 degrees north
KM_EAST = 110.0  # one degree of longitude there

# Rounded to about 1 km from OpenStreetMap's centre lines.
RIVERS = {
    "Sông Gành Hào": [
        (105.42, 9.03), (105.40, 9.06), (105.36, 9.06), (105.34, 9.07), (105.30, 9.09), (105.24, 9.09), (105.17, 9.09), (105.16, 9.13), (105.15, 9.17),
    ],
    "Sông Ông Đốc": [
        (104.83, 9.04), (104.90, 9.05), (104.95, 9.06), (104.99, 9.08), (105.04, 9.11), (105.08, 9.16), (105.09, 9.20), (105.12, 9.21), (105.15, 9.18),
    ],
}  # fmt: skip


def main() -> int:
    """Write the sketch, or with --check only compare it with the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    wanted = text_of(sketch())
    if parser.parse_args().check:
        return 0 if SKETCH.read_text(encoding="utf-8") == wanted else 1
    SKETCH.write_text(wanted, encoding="utf-8")
    return 0


def sketch() -> dict:
    """The GeoJSON FeatureCollection."""
    with COMMUNES.open(encoding="utf-8", newline="") as file:
        communes = list(csv.DictReader(line for line in file if not line.startswith("#")))
    features = [_commune(commune, communes) for commune in communes]
    features += [
        {
            "type": "Feature",
            "properties": {"kind": "river", "name": name},
            "geometry": {"type": "LineString", "coordinates": [list(point) for point in points]},
        }
        for name, points in RIVERS.items()
    ]
    return {
        "type": "FeatureCollection",
        "about": "Phác thảo, không phải địa giới hành chính. A sketch computed by tests/tools/make_sketch.py from the points "
        "and boxes in communes.csv alone: what is nearer to a commune's point than to any other, cut off at its box.",
        "attribution": "Sông: © những người đóng góp OpenStreetMap, ODbL 1.0 (điểm làm tròn)",
        "features": features,
    }


def text_of(collection: dict) -> str:
    """JSON with one feature per line, so that a change is readable."""
    head = {key: value for key, value in collection.items() if key != "features"}
    lines = ",\n".join(
        json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in collection["features"]
    )
    return json.dumps(head, ensure_ascii=False, indent=1)[:-2] + f',\n "features": [\n{lines}\n]}}\n'


def _commune(commune: dict, communes: list[dict]) -> dict:
    ring = [[round(lon, 4), round(lat, 4)] for lon, lat in _cell(commune, communes)]
    return {
        "type": "Feature",
        "properties": {
            "kind": "commune",
            "code": commune["code"],
            "name": {"xa": "Xã ", "phuong": "Phường "}[commune["kind"]] + commune["name"],
            "former_district": commune["former_district"] or None,
            "point": [round(float(commune["lon"]), 4), round(float(commune["lat"]), 4)],
        },
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
    }


def _cell(commune: dict, communes: list[dict]) -> list[tuple[float, float]]:
    west, south, east, north = (float(commune[key]) for key in ("min_lon", "min_lat", "max_lon", "max_lat"))
    cell = [(west, south), (east, south), (east, north), (west, north)]
    x, y = _point(commune)
    for other in communes:
        if other is commune:
            continue
        ox, oy = _point(other)
        # Nearer to (x, y) than to (ox, oy): one side of a straight line a * px + b * py <= c.
        a, b = 2 * (ox - x), 2 * (oy - y)
        c = ox * ox + oy * oy - x * x - y * y
        cell = _cut(cell, a * KM_EAST, b * KM_NORTH, c)
    return cell


def _point(commune: dict) -> tuple[float, float]:
    return float(commune["lon"]) * KM_EAST, float(commune["lat"]) * KM_NORTH


def _cut(ring: list[tuple[float, float]], a: float, b: float, c: float) -> list[tuple[float, float]]:
    """The part of a convex ring where a*x + b*y <= c."""
    kept: list[tuple[float, float]] = []
    for here, there in zip(ring, [*ring[1:], ring[0]], strict=True) if ring else []:
        from_here, from_there = a * here[0] + b * here[1] - c, a * there[0] + b * there[1] - c
        if from_here <= 0:
            kept.append(here)
        if (from_here < 0) != (from_there < 0) and from_here != from_there:
            share = from_here / (from_here - from_there)
            kept.append((here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])))
    return kept


if __name__ == "__main__":
    sys.exit(main())
