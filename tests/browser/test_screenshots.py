"""README's pictures, one per role: `make screenshots` takes them anew into docs/screenshots/."""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.conftest import ROOT
from tests.browser.phone import enrolled, network
from tests.browser.walk import WALKS, visit, work_a_morning

# The screens of the postman's phone, in the order of his day.
PHONE = ("phone-list", "phone-handover", "phone-failed", "phone-evening")
# Which page of whose walk is shown under which name, and whether it is held in a hand.
PICTURES = {
    "citizen-tracking": ("citizen", "citizen-details", True),
    "dispatcher-routes": ("dispatcher", "dispatcher-routes", False),
    "dispatcher-live": ("dispatcher", "dispatcher-live", False),
    "cashier-evening": ("cashier", "cashier-evening", False),
    "clerk-counter": ("clerk", "clerk-item", False),
    "admin-facts": ("admin", "admin-facts", False),
}


@pytest.mark.slow
def test_there_is_a_picture_per_role(own_server, contexts, tmp_path):
    folder = ROOT / os.environ.get("COURIER_SCREENSHOTS", tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    work_a_morning(visit(contexts.new(phone=True), own_server))
    for name, shown in phone_pictures(contexts, own_server):
        keep(folder, name, shown, width=360)
    for name, (role, shown, phone) in PICTURES.items():
        tall = {} if phone else {"viewport": {"width": 1280, "height": 1100}}
        visitor = visit(contexts.new(phone=phone, **tall), own_server)
        pages = WALKS[role](visitor)
        while next(pages) != shown:
            pass
        for opened in visitor.page.locator("details[data-route][open] summary").all():
            opened.click()  # one open route is shown alone, and the picture is of all
        keep(folder, name, visitor.page.screenshot(), width=360 if phone else 1280)


def phone_pictures(contexts, server) -> Iterator[tuple[str, bytes]]:
    """The phone without a signal after a morning's work: name and PNG of each picture."""
    with network(server) as proxy:
        phone = enrolled(contexts, server, proxy)
        phone.call("bag", "load")
        day = phone.call("bag", "today")
        phone.record("taken_out", [item["id"] for stop in day["stops"] for item in stop["items"] if item["open"]])
        phone.wait_pending(0)
        done, failed, *ahead = [stop for stop in day["stops"] if stop["open"]]
        phone.record("attempt_failed", [item["id"] for item in failed["items"]], reason="recipient_absent")
        phone.wait_pending(0)
        phone.offline()
        for item in done["items"]:
            receiver = {"name": item["recipient"], "relation": "owner", "id_check": "match", "id_last4": None}
            lines = [{"charge": c["id"], "amount_dong": c["amount_dong"], "method": "cash"} for c in item["charges"]]
            kinds = [{**line, "kind": c["kind"]} for line, c in zip(lines, item["charges"], strict=True)]
            told = {"receiver": receiver, "collections": lines, "surrendered": [], "proofs": []}
            phone.record("handed_over", [item["id"]], local={"collections": kinds}, **told)
        dear = next(stop for stop in ahead if any(item["charges"] for item in stop["items"]))
        paths = ("/", f"/handover/{dear['id']}", f"/failed/{dear['id']}", "/evening")
        for name, path in zip(PHONE, paths, strict=True):
            phone.go(path)
            phone.wait(screen=name.removeprefix("phone-"))
            yield name, phone.page.screenshot()


def keep(folder: Path, name: str, shown: bytes, *, width: int) -> None:
    """Write a picture that is not blank."""
    with Image.open(io.BytesIO(shown)) as picture:
        assert picture.width == width
        assert len(picture.convert("RGB").getcolors(2**24)) > 50, f"{name} is blank"
        picture.convert("RGB").quantize(256).save(folder / f"{name}.png", optimize=True)


@pytest.mark.parametrize("readme", ["README.md", "README.vi.md"])
def test_the_readme_shows_all_of_them_and_no_other(readme):
    shown = set(re.findall(r"\(docs/screenshots/([a-z-]+)\.png\)", (ROOT / readme).read_text(encoding="utf-8")))
    assert shown == {*PICTURES, *PHONE}
    assert {path.stem for path in Path(ROOT / "docs/screenshots").glob("*.png")} == shown
