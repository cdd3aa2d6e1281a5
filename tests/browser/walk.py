"""A visitor of the pages: signs in with the demo's accounts, works a morning through the forms, and knows every page there is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from playwright.sync_api import BrowserContext, Locator, Page, expect

OFFICE = "CAI-NUOC"


@dataclass
class Visitor:
    """A page of a browser at a server, and the demo's sign-ins."""

    page: Page
    url: str
    sign_ins: list[dict[str, Any]]

    def go(self, path: str) -> None:
        self.page.goto(path if path.startswith("http") else f"{self.url}{path}")

    def account(self, role: str, *, office: str | None = OFFICE, number: int = 0) -> dict[str, Any]:
        """One of the demo's accounts; admins, agencies and the citizen belong to no office."""
        fitting = [row for row in self.sign_ins if row["role"] == role and row["office"] in (office, None)]
        return fitting[number]

    def sign_in(self, role: str, **which: Any) -> None:
        self.sign_in_as(self.account(role, **which))

    def sign_in_as(self, account: dict[str, Any]) -> None:
        self.go("/sign-in")
        self.page.fill("#f-login", account["login"])
        self.page.fill("#f-password", account["password"])
        self.page.click("main form .button.main")
        self.page.wait_for_url(lambda url: "/sign-in" not in url)

    def speak(self, language: str) -> None:
        """Take the language without going through the menu."""
        self.page.context.add_cookies([{"name": "courier_language", "value": language, "url": self.url}])


def visit(context: BrowserContext, server: Any) -> Visitor:
    """A visitor in a browser context of its own."""
    return Visitor(context.new_page(), server.url, server.sign_ins())


# ------------------------------------------------------------------------------------------------- a morning at work
def choose(choice: Locator) -> None:
    """Tick it by its label, as a thumb does: Playwright waits until the label stands still."""
    choice.locator("xpath=ancestor::label").click()
    expect(choice).to_be_checked()


def take_out(visitor: Visitor) -> None:
    """Everything of today's route into the bag."""
    visitor.go("/p")
    visitor.page.click("form.bar button")


def open_next(visitor: Visitor) -> None:
    """The next stop, by the button at the bottom."""
    visitor.go("/p")
    visitor.page.click("a.stop.next")


def fill_release(visitor: Visitor, *, method: str = "cash", signed: bool = True, check: str = "match") -> None:
    """The release form as a careful postman fills it in."""
    page = visitor.page
    page.check(f"input[name=id_check][value={check}]")
    page.fill("#f-id_last4", "0123")
    for paper in page.locator("input[name=surrendered]").all():
        paper.check()
    for choice in page.locator("select[data-method]").all():
        choice.select_option(method)
    if signed:
        page.check("input[name=signed]")


def hand_over(visitor: Visitor, **how: Any) -> None:
    open_next(visitor)
    fill_release(visitor, **how)
    visitor.page.click("form .bar button")


def fail(visitor: Visitor, reason: str = "recipient_absent") -> None:
    open_next(visitor)
    visitor.page.click("a[href$='/failed']")
    visitor.page.click(f"button[value={reason}]")


def work_a_morning(visitor: Visitor) -> None:
    """Two handovers, one of them by transfer, one against the rules, one failure: every page has something to show."""
    visitor.sign_in("postman")
    take_out(visitor)
    hand_over(visitor)
    hand_over(visitor, method="bank_qr")
    hand_over(visitor, check="mismatch")
    visitor.page.click("button[value=record]")
    fail(visitor)
    visitor.page.request.post(
        f"{visitor.url}/api/v1/devices",
        data={"device_id": str(uuid4()), "name": "Máy của tôi"},
        headers={"Origin": visitor.url, "X-Requested-With": "phone"},
    )


# ----------------------------------------------------------------------------------------------------- every page
def _of_nobody(visitor: Visitor) -> Iterator[str]:
    go = visitor.go
    go("/sign-in")
    yield "sign-in"
    go("/sign-in?next=/p")
    visitor.page.fill("#f-login", "khong-co-ai")
    visitor.page.fill("#f-password", "sai-mat-khau")
    visitor.page.click("main form .button.main")
    yield "sign-in-wrong"
    go("/tracking")
    yield "tracking"
    go("/tracking?code=EX000000000VN")
    yield "tracking-unknown"
    go("/t/khong-co-lien-ket-nay")
    yield "link-unknown"
    go("/khong-co-trang-nay")
    yield "not-found"


def _of_a_citizen(visitor: Visitor) -> Iterator[str]:
    account = visitor.account("citizen")
    visitor.go(account["link"])
    yield "citizen-link"
    visitor.page.fill("#f-phone_last4", "12")
    visitor.page.click("main form .button.main")
    yield "citizen-wrong"
    visitor.page.fill("#f-phone_last4", account["phone_last4"])
    visitor.page.click("main form .button.main")
    for details in visitor.page.locator("main details").all():
        details.evaluate("(element) => { element.open = true; }")
    yield "citizen-details"
    for name in ("pay", "rating", "complaint", "messages", "data"):
        visitor.go(f"{account['link']}/{name}")
        yield f"citizen-{name}"


def _of_a_postman(visitor: Visitor) -> Iterator[str]:
    visitor.sign_in("postman")
    visitor.go("/p")
    yield "postman-list"
    visitor.page.click("a.stop.next")
    yield "postman-stop"
    visitor.page.click("a[href$='/failed']")
    yield "postman-failed"
    visitor.page.go_back()
    visitor.page.click("form .bar button")
    yield "postman-stop-incomplete"
    open_next(visitor)
    fill_release(visitor, check="mismatch", signed=False)
    visitor.page.click("form .bar button")
    yield "postman-objections"
    visitor.go("/p")
    visitor.page.click("main details summary")
    visitor.page.click("a.stop.past >> nth=0")
    yield "postman-stop-done"
    visitor.go("/p/evening")
    yield "postman-evening"
    visitor.go("/password")
    yield "password"
    visitor.go("/d")
    yield "forbidden"


def _of_a_dispatcher(visitor: Visitor) -> Iterator[str]:
    page, go = visitor.page, visitor.go
    visitor.sign_in("dispatcher")
    yield "dispatcher-day"
    page.click("main a[href*='/d/plans/'] >> nth=0")
    page.wait_for_selector("#map[data-ready]")
    page.click("details[data-route] summary >> nth=0")
    yield "dispatcher-routes"
    plan = page.url.partition("?")[0]
    for name in ("left-out", "reasons", "sheet", "labels", f"compare/{plan.rpartition('/')[2]}"):
        go(f"{plan}/{name}")
        yield f"dispatcher-{name.partition('/')[0]}"
    go("/d/live")
    page.wait_for_selector("#map[data-ready]")
    page.click("article.going summary >> nth=0")
    yield "dispatcher-live"
    page.click("a[href$='/insert']")
    yield "dispatcher-insert"
    go("/d/imports")
    yield "dispatcher-imports"
    page.click("section:last-of-type tbody a >> nth=0")
    yield "dispatcher-import"
    go("/d/addresses")
    yield "dispatcher-addresses"
    page.click("td .button >> nth=0")
    page.wait_for_selector("#map[data-ready]")
    yield "dispatcher-address"
    go("/d/items?q=nguyen")
    yield "items"
    page.click("tbody a >> nth=0")
    yield "item"
    go("/d/incidents?all=1")
    yield "incidents"
    go("/d/phones")
    yield "dispatcher-phones"
    go("/d/crew")
    yield "dispatcher-crew"
    go("/d/crew/changes/new?kind=hours")
    yield "dispatcher-crew-change"
    go("/d/reports/day")
    yield "dispatcher-report-day"
    go("/d/reports/month")
    yield "dispatcher-report-month"
    for name in ("complaints", "ratings", "messages"):
        go(f"/d/{name}")
        yield f"dispatcher-{name}"


def _of_a_cashier(visitor: Visitor) -> Iterator[str]:
    visitor.sign_in("cashier")
    yield "cashier-evening"
    visitor.page.click("td .button >> nth=0")
    yield "cashier-count"
    visitor.go("/c/transfers")
    yield "cashier-transfers"
    visitor.go("/c/payables")
    yield "cashier-payables"
    visitor.go("/c/prepayments")
    yield "cashier-prepayments"
    visitor.go("/c/incidents")
    yield "cashier-incidents"


def _of_a_clerk(visitor: Visitor) -> Iterator[str]:
    visitor.sign_in("clerk")
    yield "clerk-search"
    visitor.go("/k?state=received")
    yield "clerk-found"
    visitor.page.click("tbody a >> nth=0")
    yield "clerk-item"


def _of_an_admin(visitor: Visitor) -> Iterator[str]:
    page, go = visitor.page, visitor.go
    visitor.sign_in("admin")
    yield "admin-people"
    page.click("tbody a >> nth=0")
    yield "admin-person"
    go("/a/people/new")
    yield "admin-new-person"
    go("/a/offices")
    yield "admin-offices"
    go("/a/calendar")
    yield "admin-calendar"
    go("/a/agencies")
    yield "admin-agencies"
    page.click("main a[href$='/clients'] >> nth=0")
    yield "admin-clients"
    for name in ("/webhooks", "/a/requests", "/d/messages"):
        go(name)
        yield f"admin-{name.rpartition('/')[2]}"
    go("/a/facts")
    yield "admin-facts"


def _of_an_agency(visitor: Visitor) -> Iterator[str]:
    visitor.sign_in("agency")
    yield "agency"
    visitor.go("/webhooks")
    yield "agency-webhooks"


def _complete(walk: Callable[[Visitor], Iterator[str]]) -> Callable[[Visitor], Iterator[str]]:
    """The same walk, each page with its sheet and scripts loaded."""

    def walked(visitor: Visitor) -> Iterator[str]:
        for name in walk(visitor):
            visitor.page.wait_for_load_state()
            yield name

    return walked


WALKS: dict[str, Callable[[Visitor], Iterator[str]]] = {
    "nobody": _complete(_of_nobody),
    "citizen": _complete(_of_a_citizen),
    "postman": _complete(_of_a_postman),
    "dispatcher": _complete(_of_a_dispatcher),
    "cashier": _complete(_of_a_cashier),
    "clerk": _complete(_of_a_clerk),
    "admin": _complete(_of_an_admin),
    "agency": _complete(_of_an_agency),
}
