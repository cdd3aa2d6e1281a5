"""How soon the board of a large plan can be used, and how quickly it answers a drag: 1,000 stops on 30 routes.

    python -m tests.bench.bench_board [--stops 1000] [--routes 30] [--drags 30]

Builds an office-day, serves it as `courier serve` does, and measures in Chromium: from the navigation to the first frame in
which a stop stands there and the board takes a drag, and until the map is drawn; from letting a stop go over another route to its
new times (those of the trial, which the server has worked out already), and until the server has written them; and the server's
answer to a trial. Beside them the floors of the same machine in the same run: a page without
content, and a bare Flask behind the same gunicorn that sends the same page, so that the browser draws it without a script.
"""

import argparse
import math
import os
import platform
import random
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from playwright.sync_api import BrowserContext, Page, sync_playwright
from uuid_utils.compat import uuid7

from api.auth import COOKIE
from courier.dispatch.standing import read_standing, write_solution
from courier.domain.calendar import local_day
from courier.staffing.signing_in import token_digest
from courier.store import plans
from courier.store.plans import PlannedRoute, PlannedStop
from courier.store.session import Database, migrate, open_database
from courier.store.tables import AccessToken, Item, Plan, Postman
from tests.bench import serving
from tests.browser.conftest import DESK, find_chromium, flags
from tests.builders import House, an_item
from tests.planning_office import OFFICE, open_office

# The board with its script at work, in a frame that has been drawn.
USABLE = """() => new Promise((done) => {
    const look = () => {
        const ready = document.querySelector("[data-board][data-ready] .lane .leg input");
        if (ready && ready.checkVisibility()) requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0));
        else requestAnimationFrame(look);
    };
    look();
})"""
DRAWN = """() => new Promise((done) => {
    const look = () => {
        if (document.querySelector("#map[data-ready]")) requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0));
        else requestAnimationFrame(look);
    };
    look();
})"""
PAINTED = """() => new Promise((done) => {
    const told = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
    const look = () => { const at = told(); at === undefined ? requestAnimationFrame(look) : done(at); };
    look();
})"""
WATCH = """() => {
    window.answers = [];
    window.written = [];
    let let_go = 0;
    let told = true;
    addEventListener("pointerup", () => { let_go = performance.now(); told = false; }, true);
    const after = (note) => requestAnimationFrame(() => setTimeout(() => note(performance.now() - let_go), 0));
    new MutationObserver((changes) => {
        if (!told) after((took) => window.answers.push(took));
        told = true;
        if (changes.some((one) => one.attributeName === "data-shown")) after((took) => window.written.push(took));
    }).observe(document.querySelector("[data-board]"), { attributeFilter: ["data-shown", "data-tried"] });
}"""
BARE = """
    from pathlib import Path
    from flask import Flask, Response
    app = Flask("bare")
    pages = {name: Path(__file__).with_name(f"{name}.html").read_bytes() for name in ("empty", "same")}

    @app.get("/<name>")
    def show(name):
        return Response(pages[name] if name in pages else b"", mimetype="text/html")
"""


def build(house: House, *, stops: int, routes: int, at: datetime) -> UUID:
    """A solved plan: stops scattered around the office, each route a slice of the circle."""
    rng = random.Random(1)
    doors: list[tuple[float, UUID, float, float]] = []
    with house.database.write() as session:
        for person in house.postmen:
            row = session.get_one(Postman, person.id)
            row.cash_limit_dong = 100_000_000
        for number in range(stops):
            item_id = an_item(session, house, charges=())
            turn, far = rng.uniform(0, 2 * math.pi), 8 * math.sqrt(rng.random())
            lat, lon = OFFICE[0] + far * math.sin(turn) / 111.0, OFFICE[1] + far * math.cos(turn) / 109.6
            item = session.get_one(Item, item_id)
            item.lat, item.lon, item.precision = lat, lon, "pin"
            item.recipient_phone, item.recipient_name = f"05990{number:05d}", f"Nguyễn Văn Mẫu {number}"
            doors.append((turn, item_id, lat, lon))
    doors.sort()
    share = math.ceil(stops / routes)
    day = local_day(at) + timedelta(days=1)
    with house.database.write() as session:
        plan = Plan(
            id=uuid7(), office_id=house.office_id, day=day, state="solved", seconds=1.0, seed=0, travel={}, cost=0, summary={},
            error=None, created_by=house.dispatcher.id, created_at=at, solved_at=at, published_at=None, version=1,
        )  # fmt: skip
        session.add(plan)
        session.flush()
        vehicle = session.get_one(Postman, house.postmen[0].id).vehicle_id
        plans.write_routes(
            session,
            plan.id,
            [
                PlannedRoute(
                    postman_id=person.id,
                    vehicle_id=vehicle,
                    summary={},
                    stops=tuple(
                        PlannedStop(items=(item_id,), lat=lat, lon=lon, arrives_at=at, leaves_at=at)
                        for _, item_id, lat, lon in doors[number * share : (number + 1) * share]
                    ),
                )
                for number, person in enumerate(house.postmen)
            ],
        )
        standing = read_standing(session, house.desk, plan, at=at)
        write_solution(session, house.desk, plan, standing, standing.solution, at=at)
        return plan.id


def sign_in(database: Database, house: House, *, at: datetime) -> str:
    """A dispatcher's session."""
    token = secrets.token_urlsafe(32)
    with database.write() as session:
        session.add(
            AccessToken(
                id=uuid7(), token_hash=token_digest(token), staff_id=house.dispatcher.id, created_at=at,
                expires_at=at + timedelta(hours=12),
            )
        )  # fmt: skip
    return token


@contextmanager
def bare(folder: Path, page: bytes) -> Iterator[int]:
    """A Flask that sends a page without content and the board's page, and nothing else; gives its port."""
    (folder / "empty.html").write_text("<!doctype html><title>-</title><p>-")
    (folder / "same.html").write_bytes(page)
    with serving.bare(folder, app=BARE) as (port, _):
        yield port


def opened(context: BrowserContext, address: str, script: str) -> float:
    """Milliseconds from the navigation until the script says so, in a tab of its own."""
    page = context.new_page()
    page.goto(address, wait_until="commit")
    found = float(page.evaluate(script))
    page.close()
    return found


def browser_cpu(context: BrowserContext, address: str) -> float:
    """Milliseconds of CPU of the page's own thread until the board can be used: what a busy machine does not change."""
    page = context.new_page()
    meter = context.new_cdp_session(page)
    meter.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(address, wait_until="commit")
    page.evaluate(USABLE)
    told = {one["name"]: float(one["value"]) for one in meter.send("Performance.getMetrics")["metrics"]}
    page.close()
    return told["TaskDuration"] * 1000


def drag(page: Page, turn: int) -> None:
    """Carry the second stop of a route over one of its neighbour's."""
    lanes = page.locator(".lane:not(.out)")
    source = lanes.nth(turn % 2).locator(".leg").nth(1)
    target = lanes.nth(1 - turn % 2).locator(".leg").nth(2)
    start, end = source.bounding_box(), target.bounding_box()
    if start is None or end is None:
        raise SystemExit("a stop to drag is not to be seen")
    page.mouse.move(start["x"] + 60, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(start["x"] + 70, start["y"] + 30, steps=2)
    page.mouse.move(end["x"] + 60, end["y"] + 5, steps=6)
    page.wait_for_selector(".ghost span:not(:text('…'))")
    before = page.evaluate("window.written.length")
    page.mouse.up()
    page.wait_for_function("before => window.written.length > before", arg=before)


def row(title: str, values: list[float]) -> str:
    """As a row of Markdown."""
    return (
        f"| {title} | {len(values)} | {serving.percentile(values, 0.5):.0f} | {serving.percentile(values, 0.95):.0f} |"
    )


def main() -> None:
    """Build, serve, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stops", type=int, default=1000)
    parser.add_argument("--routes", type=int, default=30)
    parser.add_argument("--drags", type=int, default=30)
    parser.add_argument("--pages", type=int, default=9)
    asked = parser.parse_args()
    at = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'courier.db'}"
        database = open_database(url)
        migrate(database)
        house = open_office(database, folder, postmen=asked.routes)
        plan_id = build(house, stops=asked.stops, routes=asked.routes, at=at)
        token = sign_in(database, house, at=at)
        with serving.product(url, folder) as (port, pid), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags())
            context = browser.new_context(viewport=DESK, locale="vi-VN")
            address = f"http://127.0.0.1:{port}"
            context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
            board = f"{address}/d/plans/{plan_id}"
            sent = context.request.get(board)
            if sent.status != 200:
                raise SystemExit(f"the board was answered with {sent.status}")
            body = sent.body()
            with bare(folder, body) as bare_port:
                floor = f"http://127.0.0.1:{bare_port}"
                empty, same, painted, usable, drawn = [], [], [], [], []
                for _ in range(asked.pages):
                    empty.append(opened(context, f"{floor}/empty", PAINTED))
                    same.append(opened(context, f"{floor}/same", PAINTED))
                    painted.append(opened(context, board, PAINTED))
                    usable.append(opened(context, board, USABLE))
                    drawn.append(opened(context, board, DRAWN))
            thread = [browser_cpu(context, board) for _ in range(asked.pages)]
            before = serving.cpu_seconds(pid)
            for _ in range(asked.pages):
                context.request.get(board)
            served = (serving.cpu_seconds(pid) - before) / asked.pages * 1000
            page = context.new_page()
            trials: list[float] = []
            page.on("requestfinished", lambda r: trials.append(r.timing["responseEnd"]) if "preview" in r.url else None)
            page.goto(board)
            page.wait_for_selector("[data-board][data-ready] .lane")
            page.locator(".lanes").evaluate("one => one.scrollIntoView({block: 'end'})")
            page.evaluate(WATCH)
            time.sleep(1)
            for turn in range(asked.drags):
                drag(page, turn)
            answers = [float(value) for value in page.evaluate("window.answers")]
            written = [float(value) for value in page.evaluate("window.written")]
            browser.close()
        database.close()
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}, {at:%Y-%m-%d}"
    )
    print(f"{asked.stops} stops on {asked.routes} routes, page of {len(body) / 1000:.0f} kB\n")
    print("| milliseconds | of | p50 | p95 |\n| --- | --- | --- | --- |")
    print(row("floor: a page without content, first paint", empty))
    print(row("floor: the same page from a bare Flask, first paint", same))
    print(row("board, first paint", painted))
    print(row("board, usable", usable))
    print(row("board, map drawn", drawn))
    print(row("CPU of the page's thread until usable", thread))
    print(row("CPU of the server for the page, mean", [served]))
    print(row("a trial while dragging, server's answer", trials[1:]))
    print(row("a drag, from letting go to the new times", answers))
    print(row("a drag, until it is written", written))


if __name__ == "__main__":
    main()
