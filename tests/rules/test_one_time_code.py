"""One-time codes against the table of RFC 6238, appendix B (SHA-1, eight digits)."""

from datetime import UTC, datetime

import pytest

from courier.domain.one_time_code import code, matching_step

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_codes_of_the_standard_come_out(seconds, shown):
    assert code(SECRET, seconds // 30, digits=8) == shown
    assert code(SECRET, seconds // 30) == shown[2:]


def test_a_code_matches_its_own_step_and_the_neighbours():
    at = datetime.fromtimestamp(1111111111, UTC)
    step = 1111111111 // 30
    assert [matching_step(SECRET, code(SECRET, step + off), at=at, used=None) for off in range(-2, 3)] == [
        None,
        step - 1,
        step,
        step + 1,
        None,
    ]


def test_a_used_step_and_everything_before_it_match_no_more():
    at = datetime.fromtimestamp(1111111111, UTC)
    step = 1111111111 // 30
    assert matching_step(SECRET, code(SECRET, step), at=at, used=step) is None
    assert matching_step(SECRET, code(SECRET, step - 1), at=at, used=step) is None
    assert matching_step(SECRET, code(SECRET, step + 1), at=at, used=step) == step + 1


@pytest.mark.parametrize("shown", ["", "12345", "abcdef", "１２３４５６", "1234567"])
def test_what_is_no_code_matches_nothing(shown):
    assert matching_step(SECRET, shown, at=datetime.fromtimestamp(59, UTC), used=None) is None
