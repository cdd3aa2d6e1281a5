"""docs/phone.md says for each of the 47 behaviours which test shows it, and names no test that is not there."""

import re

from tests.tooling.test_setup import ROOT

PAGE = (ROOT / "docs" / "phone.md").read_text(encoding="utf-8")
ROWS = {int(row[1]): row[2] for row in re.finditer(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)}


def test_every_behaviour_has_a_test_or_a_reason():
    assert list(ROWS) == list(range(1, 48))
    assert [number for number, told in ROWS.items() if "::" not in told and told != "as 26" and len(told) < 60] == []


def test_every_test_that_the_page_names_is_there():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 45
    missing = [
        f"{file}::{test}"
        for file, test in named
        if f"\ndef {test}(" not in (ROOT / "tests" / "browser" / file).read_text(encoding="utf-8")
    ]
    assert missing == []
