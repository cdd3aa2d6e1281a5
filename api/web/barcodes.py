"""Codes that scanners read, as paths of an SVG: Code 128 for the run sheet, QR for labels. Nothing is asked of another server."""

from typing import Final

import segno

# ISO/IEC 15417, table 1: the widths of bar, space, bar, space, bar, space of each symbol; the last is the stop.
_WIDTHS: Final = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112"
)
_START_B: Final = 104
_STOP: Final = 106
_QUIET: Final = 10
"""Modules of white that a scanner needs on either side."""


def code128(text: str) -> tuple[int, str]:
    """The bars of `text` (printable ASCII, 1 to 40 characters) in set B: modules in width, and a path in an area 1 high.

    Raises:
        ValueError: a character that set B does not have, or a wrong length.
    """
    if not 1 <= len(text) <= 40 or any(not " " <= letter <= "~" for letter in text):
        raise ValueError(f"expected 1 to 40 printable ASCII characters, got {text!r}")
    values = [ord(letter) - 32 for letter in text]
    check = (_START_B + sum(place * value for place, value in enumerate(values, start=1))) % 103
    at, bars = _QUIET, []
    for symbol in (_START_B, *values, check, _STOP):
        for place, width in enumerate(map(int, _WIDTHS[7 * symbol : 7 * symbol + 7].strip())):
            if place % 2 == 0:
                bars.append(f"M{at} 0h{width}v1h-{width}z")
            at += width
    return at + _QUIET, "".join(bars)


def qr(text: str) -> tuple[int, str]:
    """A QR code (error level M) with its quiet zone: modules in width and height, and a path with one run of dark at a time."""
    code = segno.make_qr(text, error="m")
    rows = [bytes(row) for row in code.matrix_iter(border=4)]
    runs = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            length = 0
            while x + length < len(row) and row[x + length]:
                length += 1
            if length:
                runs.append(f"M{x} {y}h{length}v1h-{length}z")
            x += max(1, length)
    return len(rows), "".join(runs)
