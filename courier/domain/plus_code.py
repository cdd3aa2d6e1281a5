"""Plus codes (Open Location Code): a place as eight letters and digits before a `+` and two or more behind it.

A full code stands alone; a short one ("CJ+2VX") means the nearest place to a reference that ends so. We only read them.
"""

import re
from math import floor
from typing import Final

_DIGITS: Final = "23456789CFGHJMPQRVWX"
_BASE: Final = len(_DIGITS)
_BEFORE_PLUS: Final = 8
_PAIRS: Final = 10  # the first ten digits are pairs of latitude and longitude, the rest cells of a grid
_ROWS, _COLUMNS = 5, 4
_MOST: Final = 15
_CODE: Final = re.compile(rf"([{_DIGITS}]{{0,8}})\+([{_DIGITS}]{{2,7}})?")


def locate(code: str, *, near: tuple[float, float] | None = None) -> tuple[float, float]:
    """The middle (lat, lon) of the cell that a code names; `near` is the reference of a short one.

    Raises:
        ValueError: no plus code, one whose cell is larger than a house's yard, or a short one without a reference.
    """
    found = _CODE.fullmatch("".join(code.upper().split()))
    before, after = (found[1], found[2] or "") if found else ("", "")
    if not found or len(before) % 2 or not after:
        raise ValueError(f"no plus code: {code!r}")
    if len(before) == _BEFORE_PLUS:
        if _DIGITS.index(before[0]) >= 9 or _DIGITS.index(before[1]) >= 18:
            raise ValueError(f"a plus code beyond the poles or the date line: {code!r}")
        lat, lon, height, width = _cell(before + after)
        return lat + height / 2, lon + width / 2
    if near is None:
        raise ValueError(f"a short plus code needs a place near it: {code!r}")
    missing = _BEFORE_PLUS - len(before)
    head = _head(*near)[:missing]
    lat, lon, height, width = _cell(head + before + after)
    # The reference may lie just beyond the edge of a cell: the nearest cell of that ending is meant.
    step = _BASE ** (2 - missing / 2)
    return (
        _nearest(lat + height / 2, step, near[0], lowest=-90, highest=90),
        _nearest(lon + width / 2, step, near[1], lowest=-180, highest=180),
    )


def _nearest(middle: float, step: float, reference: float, *, lowest: float, highest: float) -> float:
    if middle - reference > step / 2 and middle - step >= lowest:
        return middle - step
    if reference - middle > step / 2 and middle + step <= highest:
        return middle + step
    return middle


def _head(lat: float, lon: float) -> str:
    """The eight digits before the plus of the cell that holds a point."""
    # In whole steps of 1/400 degree, the last of the eight: no rounding creeps in.
    north, east = floor(min(lat + 90, 180 - 1e-9) * 400), floor((lon + 180) % 360 * 400)
    digits = ""
    for place in (3, 2, 1, 0):
        digits += _DIGITS[north // _BASE**place % _BASE] + _DIGITS[east // _BASE**place % _BASE]
    return digits


def _cell(code: str) -> tuple[float, float, float, float]:
    """The south-western corner, height and width of a full code's cell, in degrees."""
    lat, lon, step = -90.0, -180.0, float(_BASE)
    for at in range(0, min(len(code), _PAIRS), 2):
        lat += _DIGITS.index(code[at]) * step
        # A code may end on half a pair only behind the pairs.
        lon += _DIGITS.index(code[at + 1]) * step
        step /= _BASE
    height = width = step * _BASE
    for digit in code[_PAIRS:_MOST]:
        height, width = height / _ROWS, width / _COLUMNS
        row, column = divmod(_DIGITS.index(digit), _COLUMNS)
        lat, lon = lat + row * height, lon + column * width
    return lat, lon, height, width
