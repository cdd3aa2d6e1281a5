"""What the phone fetches is what was written, without the comments."""

import re
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "api" / "web" / "static" / "js" / "phone"


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("*.js") if path.name != "sw.js"))
def test_a_script_is_sent_line_by_line_as_it_was_written_without_its_comments(app, name):
    written = (SCRIPTS / name).read_text(encoding="utf-8").split("\n")
    build = re.search(r"/phone/([0-9a-f]{12})/app\.js", app.test_client().get("/phone").text)
    assert build is not None
    sent = app.test_client().get(f"/phone/{build[1]}/{name}").text.split("\n")
    assert len(sent) == len(written), "a fault names the right line"
    left_out = [line.strip() for line, kept in zip(written, sent, strict=True) if kept != line]
    assert {kept for line, kept in zip(written, sent, strict=True) if kept != line} <= {""}
    assert [line for line in left_out if not line.startswith(("//", "/*", "*"))] == []
    assert not any(line.startswith(("//", "/**\n")) for line in sent)
