"""The dispatcher's morning and day from the first page to the last: by mouse, and again by keyboard alone; axe on every page.

The server's clock is set to half past six, whatever time it is here.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server, _running
from tests.browser.hands import Keys, Mouse
from tests.browser.test_axe import complaints
from tests.browser.test_board import drag, is_ready, lanes, shown, version
from tests.browser.walk import fail, hand_over, take_out, visit

HEADINGS = "Mã bưu gửi;Mã hồ sơ;Cơ quan;Loại giấy tờ;Họ tên;Số điện thoại;Địa chỉ"
ROWS = 24
WAYS = pytest.mark.parametrize("hands", [Mouse, Keys], ids=["mouse", "keys"])


@pytest.fixture
def early_server(demo_day, tmp_path) -> Iterator[Server]:
    """The demo day at half past six in the morning."""
    yield from _running(
        demo_day, tmp_path / "var", app="tests.browser.early:app", settings={"COURIER_TEST_CLOCK": "06:30"}
    )


class Day:
    """A dispatcher at work: hands, page, and what axe said of the pages passed."""

    def __init__(self, contexts, server, hands) -> None:
        self.visitor = visit(contexts.new(), server)
        self.page = self.visitor.page
        self.page.on("dialog", lambda dialog: dialog.accept())
        self.hands = hands(self.page)
        self.faults: dict[str, list[str]] = {}
        account = self.visitor.account("dispatcher")
        self.visitor.go("/sign-in")
        self.hands.write("#f-login", account["login"])
        self.hands.write("#f-password", account["password"])
        self.press("main form .button.main")
        self.page.wait_for_url("**/d")

    def press(self, selector: str) -> None:
        self.hands.press(selector)

    def seen(self, selector: str) -> None:
        """Wait for the page that shows this, and look at it as axe does."""
        self.page.wait_for_selector(selector)
        self.page.wait_for_load_state()
        if found := complaints(self.visitor):
            self.faults[self.page.url] = found

    def menu(self, path: str) -> None:
        self.press(f"header nav a[href='{path}']")


@pytest.mark.slow
@WAYS
def test_a_whole_morning_from_a_spreadsheet_to_routes_on_the_road(contexts, early_server, hands):
    day = Day(contexts, early_server, hands)
    page, press = day.page, day.press

    # The list: tried, one cell corrected, taken in.
    day.menu("/d/imports")
    day.hands.bring("#f-sheet", {"name": "sang.csv", "mimeType": "text/csv", "buffer": _sheet(day).encode()})
    press("main form .button.main")
    day.seen(".tally")
    day.hands.write("#f-cell-3-phone", "0599000002")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Đã kiểm tra lại các dòng")
    press("button:has-text('Nhập 24 bưu gửi')")
    day.seen("text=Hoàn tác cả lần nhập")

    # A doubtful address.
    day.menu("/d/addresses")
    day.seen("td .button")
    doubtful = page.locator("td .button").count()
    press("tbody tr:has-text('%') td .button")
    day.seen("#map[data-ready]")
    press("input[name=commune][data-commune]")
    press("form.board .actions .button.main")
    page.wait_for_url("**/d/addresses**")
    assert page.locator("td .button").count() < doubtful

    # Somebody is on leave tomorrow.
    day.menu("/d/crew")
    day.seen("table.week")
    press("a[href*='kind=leave']")
    day.seen("#f-postman")
    absent = page.locator("#f-postman option").nth(1)
    name, value = absent.inner_text(), absent.get_attribute("value")
    day.hands.choose("#f-postman", value)
    tomorrow = _next_day(day)
    page.fill("#f-first_day", tomorrow)
    page.fill("#f-last_day", tomorrow)
    press("main form .button.main")
    day.seen("a.state:has-text('Nghỉ phép')")

    # The plan, looked at while it is made and stopped early.
    day.menu("/d")
    day.seen("#f-day")
    day.hands.choose("#f-day", tomorrow)
    press("form.card .button.main")
    page.wait_for_selector("form[action$='/publish']", timeout=60_000)
    day.seen("[data-board][data-ready] #map[data-ready]")
    assert name not in [lane.inner_text() for lane in page.locator(".lane:has(.leg) h2").all()]

    # By hand: a stop to another postman, then held there.
    legs, others = _two(page)
    seen = version(page)
    if hands is Mouse:
        drag(page, f".leg[data-items='{legs[0]}']", f".leg[data-items='{others[0]}']")
    else:
        day.hands.reach(f".leg[data-items='{legs[0]}'] input[name=items]")
        page.keyboard.press("Alt+ArrowRight")
    shown(page, seen + 1)
    assert page.inner_text("[data-told]")
    if hands is Mouse:
        page.locator(f".leg[data-items='{legs[0]}'] input[name=items]").check()
    else:
        day.hands.press(f".leg[data-items='{legs[0]}'] input[name=items]")
    press(".tools summary")
    day.hands.choose("#b-lock", "keep_postman")
    press("button[value=lock]")
    shown(page, seen + 2)
    press("button[value=undo]")
    shown(page, seen + 3)
    press("button[value=redo]")
    shown(page, seen + 4)
    stands = lanes(page)

    # Why, what is left out, how it differs, and the papers.
    plan = page.url.partition("?")[0]
    for name_of, sign in (("reasons", "main table"), ("sheet", "main"), ("labels", "main")):
        press(f"main a[href$='/{name_of}']")
        day.seen(sign)
        page.goto(plan)
        is_ready(day.visitor)
    press("form[action$='/publish'] button")
    page.wait_for_selector("form[action$='/copy']")
    day.seen("#map[data-ready]")
    published = page.request.get(f"{early_server.url}/api/v1/plans/{plan.rpartition('/')[2]}").json()
    assert published["state"] == "published"
    assert {route["postman"]: len(route["stops"]) for route in published["routes"]} == {
        postman: len(legs) for postman, legs in stands.items() if postman and legs
    }
    assert not day.faults


@pytest.mark.slow
@WAYS
def test_a_whole_day_from_the_first_door_to_the_report(contexts, early_server, hands):
    postman = visit(contexts.new(phone=True), early_server)
    postman.sign_in("postman")
    take_out(postman)
    hand_over(postman)
    hand_over(postman, check="mismatch")
    postman.page.click("button[value=record]")
    fail(postman)

    # Who is where: one door done, one failed.
    day = Day(contexts, early_server, hands)
    page, press = day.page, day.press
    day.menu("/d/live")
    day.seen("#map[data-ready]")
    name = early_name(early_server, postman)
    card = page.locator("article.going").filter(has=page.locator("h2", has_text=name))
    expect(card.locator("dd").first).to_have_text(re.compile(r"^2/"))

    # What does not fit the rules has an owner, who closes it.
    press("#live-tally a")
    day.seen("section.card")
    closing = "form:has(input[name^=resolution])"
    before = page.locator(closing).count()
    press("form[action$='/assign'] button")
    page.wait_for_load_state()
    day.hands.write("input[name^=resolution]", "Đã gọi cho người nhận, đúng người.")
    press(f"{closing} button")
    expect(page.locator(closing)).to_have_count(before - 1)

    # An urgent item goes where it costs least.
    code = _urgent_code(day)
    day.menu("/d/live")
    page.wait_for_selector("#map[data-ready]")
    press("main a[href$='/insert']")
    page.wait_for_selector("#f-code")
    day.hands.write("#f-code", code)
    page.keyboard.press("Enter")
    day.seen("form[action*='/insert/'] button")
    press("form[action*='/insert/'] button")
    page.wait_for_url("**/d/live**")

    # The rest is planned anew, and published after a look at what changes.
    page.wait_for_selector("#map[data-ready]")
    press("#replan")
    page.wait_for_url("**/changes", timeout=30_000)
    day.seen("form[action$='/publish'] button")
    press("form[action$='/publish'] button")
    page.wait_for_selector("form[action$='/copy']")

    # A motorbike breaks down: its bag is offered to the others in one action.
    day.menu("/d/live")
    page.wait_for_selector("#map[data-ready]")
    done = page.locator("article.going").filter(has=page.locator("h2", has_text=name)).locator("dd").first.inner_text()
    assert done.startswith("2/"), "what was visited stays"
    press("article.going form[action*='/breakdown/'] button")
    page.wait_for_url("**/changes", timeout=30_000)
    day.seen("form[action$='/publish'] button")
    press("form[action$='/publish'] button")
    page.wait_for_selector("form[action$='/copy']")

    # The report of the day, and of its month.
    day.menu("/d/reports/day")
    day.seen(".tally")
    assert page.locator(".tally b").nth(1).inner_text() == "3"
    press(".row.noprint a[href*='month']")
    day.seen("#picture")
    with page.expect_download() as kept:
        press("a[href*='.xlsx']")
    assert kept.value.suggested_filename.endswith(".xlsx")
    assert not day.faults


def _sheet(day: Day) -> str:
    """A list of items for doors that the office knows; the second row's phone is no phone."""
    known = day.page.request.get(f"{day.visitor.url}/api/v1/items?limit=200").json()["data"]
    doors = [row["address"]["raw"] for row in known if row["address"]["lat"] is not None]
    rows = [
        f"SANG-{n};H12.SANG.{n};PC08;Giấy phép lái xe;Nguyễn Văn Sáng;{'12' if n == 2 else f'05990000{n:02}'};{door}"
        for n, door in enumerate(doors[::3][:ROWS], 1)
    ]
    assert len(rows) == ROWS
    return "\r\n".join([HEADINGS, *rows])


def _next_day(day: Day) -> str:
    """The next delivery day after today, as the form of a plan offers it."""
    answer = day.page.request.get(f"{day.visitor.url}/d")
    found = re.findall(r'<option value="(\d{4}-\d\d-\d\d)"', answer.text())
    return found[1]


def _two(page) -> tuple[list[str], list[str]]:
    """The stops of two routes beside each other, the left one first."""
    full = [legs for postman, legs in lanes(page).items() if postman and len(legs) >= 2]
    assert len(full) >= 2
    return full[0], full[1]


def early_name(server, visitor) -> str:
    """The name of whoever is signed in."""
    return visitor.page.locator("header .drop .strong").first.text_content() or ""


def _urgent_code(day: Day) -> str:
    """The barcode of an item that came over the counter just now, for a door that the office knows."""
    known = day.page.request.get(f"{day.visitor.url}/api/v1/items?limit=200").json()["data"]
    door = next(row["address"]["raw"] for row in known if row["address"]["lat"] is not None)
    row = f"GAP-1;H12.GAP.1;PC08;Giấy phép lái xe;Lê Thị Gấp;0599000091;{door}"
    answer = day.page.request.post(
        f"{day.visitor.url}/api/v1/imports",
        multipart={"file": {"name": "gap.csv", "mimeType": "text/csv", "buffer": f"{HEADINGS}\r\n{row}".encode()}},
        headers={"Origin": day.visitor.url, "X-Requested-With": "test"},
    )
    assert answer.json()["accepted"] == 1, answer.text()
    return "GAP-1"
