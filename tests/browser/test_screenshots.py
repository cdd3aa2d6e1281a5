"""README's pictures, one per role: `make screenshots` takes them anew into docs/screenshots/."""

import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.conftest import ROOT
from tests.browser.walk import WALKS, visit, work_a_morning

# Which page of whose walk is shown under which name, and whether it is held in a hand.
PICTURES = {
    "postman-list": ("postman", "postman-list", True),
    "citizen-tracking": ("citizen", "citizen-details", True),
    "dispatcher-routes": ("dispatcher", "dispatcher-routes", False),
    "cashier-evening": ("cashier", "cashier-evening", False),
    "clerk-counter": ("clerk", "clerk-item", False),
    "admin-facts": ("admin", "admin-facts", False),
}


@pytest.mark.slow
def test_there_is_a_picture_per_role(own_server, contexts, tmp_path):
    folder = ROOT / os.environ.get("COURIER_SCREENSHOTS", tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    work_a_morning(visit(contexts.new(phone=True), own_server))
    for name, (role, shown, phone) in PICTURES.items():
        tall = {} if phone else {"viewport": {"width": 1280, "height": 1100}}
        visitor = visit(contexts.new(phone=phone, **tall), own_server)
        pages = WALKS[role](visitor)
        while next(pages) != shown:
            pass
        for opened in visitor.page.locator("details[data-route][open] summary").all():
            opened.click()  # one open route is shown alone, and the picture is of all
        with Image.open(io.BytesIO(visitor.page.screenshot())) as picture:
            assert picture.width == (360 if phone else 1280)
            assert len(picture.convert("RGB").getcolors(2**24)) > 50, f"{name} is blank"
            picture.convert("RGB").quantize(256).save(folder / f"{name}.png", optimize=True)


@pytest.mark.parametrize("readme", ["README.md", "README.vi.md"])
def test_the_readme_shows_all_of_them_and_no_other(readme):
    shown = set(re.findall(r"\(docs/screenshots/([a-z-]+)\.png\)", (ROOT / readme).read_text(encoding="utf-8")))
    assert shown == set(PICTURES)
    assert {path.stem for path in Path(ROOT / "docs/screenshots").glob("*.png")} == shown
