"""Plus codes, against the vectors that Open Location Code publishes with its definition."""

import pytest

from courier.domain.plus_code import locate

# Of decoding.csv: the code, then south, west, north and east of its cell.
FULL = [
    ("7FG49QCJ+2V", 20.37, 2.782125, 20.370125, 2.78225),
    ("7FG49QCJ+2VX", 20.3701, 2.78221875, 20.370125, 2.78225),
    ("8FVC2222+22", 47.0, 8.0, 47.000125, 8.000125),
    ("4VCPPQGP+Q9", -41.273125, 174.785875, -41.273, 174.786),
    ("62G22222+22", 0.0, -180.0, 0.000125, -179.999875),
    ("6FH32222+222", 1, 1, 1.000025, 1.00003125),
]  # fmt: skip
# Of shortCodeTests.csv: the full code, the reference, the short code.
SHORT = [
    ("9C3W9QCJ+2VX", (51.3701125, -1.217765625), "+2VX"),
    ("9C3W9QCJ+2VX", (51.3708675, -1.217765625), "CJ+2VX"),
    ("9C3W9QCJ+2VX", (51.3693575, -1.217765625), "CJ+2VX"),
    ("9C3W9QCJ+2VX", (51.3701125, -1.218520625), "CJ+2VX"),
    ("9C3W9QCJ+2VX", (51.3852125, -1.217765625), "9QCJ+2VX"),
    ("8FJFW222+", (42.899, 9.012), "22+22"),
    ("796RXG22+", (14.95125, -23.5001), "22+22"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "south", "west", "north", "east"), FULL)
def test_a_full_code_is_the_middle_of_its_cell(code, south, west, north, east):
    assert locate(code) == pytest.approx(((south + north) / 2, (west + east) / 2), abs=1e-9)
    assert locate(f" {code.lower()} ") == locate(code)


@pytest.mark.parametrize(("full", "near", "short"), SHORT)
def test_a_short_code_is_the_nearest_place_that_ends_so(full, near, short):
    whole = full if not full.endswith("+") else full + "22"
    assert locate(short, near=near) == pytest.approx(locate(whole), abs=1e-9)


@pytest.mark.parametrize(
    "text",
    ["", "+", "CJ2VX", "7FG49QCJ+", "7FG40000+", "7FG49QCJ+2", "FG49QCJ+2V", "7FG49QCJ+2VAX", "X2222222+22", "CJ+2VX"],
)
def test_what_is_no_code_of_a_house_is_refused(text):
    with pytest.raises(ValueError, match="plus code"):
        locate(text)
