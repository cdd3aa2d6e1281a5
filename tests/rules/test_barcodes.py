"""Bars as scanners read them: held to an example of the standard that was worked out elsewhere, and read back bar by bar."""

import re

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from api.web.barcodes import code128, qr

# The bars of "PJJ123C" as the encyclopaedia prints them (there in set A, whose start and check differ), and of set B's start.
START_B, STOP = "11010010000", "1100011101011"
LETTERS = {
    "P": "11101110110",
    "J": "10110111000",
    "1": "10011100110",
    "2": "11001110010",
    "3": "11001011100",
    "C": "10001000110",
}
CHECK_55 = "11101000110"


def modules(width: int, path: str) -> str:
    """The code as black (1) and white (0), the quiet zones included."""
    line = ["0"] * width
    for at, length in re.findall(r"M(\d+) 0h(\d+)v1h-\d+z", path):
        for place in range(int(at), int(at) + int(length)):
            assert line[place] == "0", "bars overlap"
            line[place] = "1"
    return "".join(line)


def test_a_known_example_has_the_bars_of_the_standard():
    # 104 + 1*48 + 2*42 + 3*42 + 4*17 + 5*18 + 6*19 + 7*35 = 879 = 8 * 103 + 55
    expected = START_B + "".join(LETTERS[letter] for letter in "PJJ123C") + CHECK_55 + STOP
    assert modules(*code128("PJJ123C")) == "0" * 10 + expected + "0" * 10


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_every_code_has_a_quiet_zone_eleven_modules_a_letter_and_a_check(text):
    width, path = code128(text)
    line = modules(width, path)
    assert width == 10 + 11 * (len(text) + 2) + 13 + 10
    assert line.startswith("0" * 10 + START_B)
    assert line.endswith(STOP + "0" * 10)
    symbols = [line[at : at + 11] for at in range(21, width - 23, 11)]
    assert all(symbol.count("1") % 2 == 0 for symbol in symbols), "every symbol has an even number of dark modules"
    assert [symbols[n] == symbols[0] for n in range(len(text))] == [letter == text[0] for letter in text]


@pytest.mark.parametrize("text", ["", "Điều", "a\n", "x" * 41])
def test_what_set_b_cannot_say_is_refused(text):
    with pytest.raises(ValueError, match="printable ASCII"):
        code128(text)


def test_a_qr_code_has_the_modules_of_its_text_and_a_quiet_zone():
    side, path = qr("RA123456789VN")
    dark = set()
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
        dark |= {(int(x) + n, int(y)) for n in range(int(length))}
    rows = [list(row) for row in segno.make_qr("RA123456789VN", error="m").matrix]
    assert side == len(rows) + 8
    assert dark == {(x + 4, y + 4) for y, row in enumerate(rows) for x, on in enumerate(row) if on}
