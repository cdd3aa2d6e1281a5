"""A real Chromium against the real program: gunicorn, a demo day in SQLite, and no network but this machine's own.

`server` is shared by the tests of one process; a test that changes much or stops the server asks for `own_server`.
`open_page` gives pages of 360 px (`phone=True`) or 1280 px, each test in contexts of its own. What a page reports as an
error of a script or of the content security policy fails the test. A failed test leaves a picture and a trace in
var/artifacts/.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import select

from courier.store import digests
from courier.store.session import open_database
from courier.store.tables import JobDone, Plan
from tests.databases import alone, on_ci

if TYPE_CHECKING:
    from tests.browser.phone import Phone
    from tests.browser.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "var" / "artifacts"
# A limit of patience, not a speed that is promised: machines are shared.
expect.set_options(timeout=20_000)
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    # Whatever asks for another host fails: this proves that nothing leaves the machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-first-run",
]
_PLACE = {"locale": "vi-VN", "timezone_id": "Asia/Ho_Chi_Minh"}
STARTING_SECONDS = 60
# More than the parts in which a demo day of an office is hashed.
_PARTS_OF_A_DAY = 500
FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


# ------------------------------------------------------------------------------------------------------- browser
def find_chromium() -> str | None:
    """The browser of this machine: `CHROMIUM` names one."""
    names = [os.environ.get("CHROMIUM"), "chromium", "google-chrome", "chromium-browser"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


def flags() -> list[str]:
    """What the browser is started with."""
    # A sandbox needs a user of its own; root has none.
    return [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS


def _processes_of(folder: Path) -> list[int]:
    """The browser that was started with that folder, and all its descendants, parents first."""
    parents, first = {}, []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if f"--user-data-dir={folder}".encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                first.append(int(entry.name))
    found = list(dict.fromkeys(first))
    for process in found:
        found += [child for child, parent in parents.items() if parent == process and child not in found]
    assert found, f"no browser keeps its things in {folder}"
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file.

    Not longer: Playwright leaves an event loop running in this thread, and then the job engine of a test that comes after
    refuses to start.
    """
    path = find_chromium()
    if path is None:
        sentence = "NO CHROMIUM: install it or name it in CHROMIUM"
        pytest.fail(sentence) if on_ci() else pytest.skip(sentence)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=flags())
        yield launched
        launched.close()


@dataclass
class Contexts:
    """The browser contexts of one test, and what their pages complained about."""

    browser: Browser
    opened: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def new(self, *, phone: bool = False, **options: Any) -> BrowserContext:
        """A context as a new visitor has it: no cookies, no storage."""
        shape = {"viewport": PHONE, "has_touch": True, "is_mobile": True} if phone else {"viewport": DESK}
        return self._watch(self.browser.new_context(**(_PLACE | shape | options)))

    def profile(self, folder: Path) -> BrowserContext:
        """A phone's browser of its own, with everything it keeps in that folder: it can be killed and started again."""
        shape = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
        kept = self.browser.browser_type.launch_persistent_context(
            folder, executable_path=find_chromium(), args=flags(), **(_PLACE | shape)
        )
        return self._watch(kept)

    def kill(self, context: BrowserContext, folder: Path) -> None:
        """SIGKILL to every process of the browser that keeps its things in that folder."""
        with context.expect_event("close"):
            for process in _processes_of(folder):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        self.opened.remove(context)

    def _watch(self, context: BrowserContext) -> BrowserContext:
        context.set_default_timeout(15_000)
        context.tracing.start(snapshots=True, sources=False)
        context.on("weberror", lambda fault: self.complaints.append(f"{fault.page.url}: {fault.error}"))
        context.on("console", self._hear)
        self.opened.append(context)
        return context

    def _hear(self, message: Any) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def close(self, *, keep: str | None) -> None:
        """Close all; with `keep`, leave a picture of every page and a trace of every context under that name."""
        for number, context in enumerate(self.opened):
            if keep:
                ARTIFACTS.mkdir(parents=True, exist_ok=True)
                for index, page in enumerate(context.pages):
                    page.screenshot(path=ARTIFACTS / f"{keep}-{number}-{index}.png", full_page=True)
                context.tracing.stop(path=ARTIFACTS / f"{keep}-{number}.zip")
            context.close()


@pytest.fixture
def contexts(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Contexts]:
    """Makes browser contexts; closes them, keeping pictures and traces when the test failed."""
    made = Contexts(browser)
    yield made
    failed = request.node.stash.get(FAILED, False) or made.complaints
    made.close(keep=re.sub(r"\W+", "-", request.node.name).strip("-") if failed else None)
    assert not made.complaints, "\n".join(made.complaints)


@pytest.fixture
def open_page(contexts: Contexts) -> Callable[..., Page]:
    """`open_page(url, phone=True)`: a page in a context of its own, at that address."""

    def opened(url: str, *, phone: bool = False, **options: Any) -> Page:
        page = contexts.new(phone=phone, **options).new_page()
        page.goto(url)
        return page

    return opened


# -------------------------------------------------------------------------------------------------------- server
@dataclass
class Server:
    """The program as `make run` starts it, on a folder of its own. May be stopped, killed and started again."""

    var_dir: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    settings: dict[str, str] = field(default_factory=dict)
    app: str = "wsgi:app"

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What the program reads."""
        return os.environ | {
            "COURIER_VAR_DIR": str(self.var_dir),
            "COURIER_DATABASE_URL": f"sqlite:///{self.var_dir / 'courier.db'}",
            "COURIER_BASE_URL": self.url,
            "COURIER_DEMO": "1",
            **self.settings,
        }

    def start(self) -> None:
        """Start and wait until it is ready; the second time on the same port."""
        with socket.create_server(("127.0.0.1", self.port)) as listening:
            self.port = listening.getsockname()[1]
            # The listening socket is handed over, so that nobody else can take the port in between.
            command = [sys.executable, "-m", "gunicorn", self.app, "--bind", f"fd://{listening.fileno()}"]
            command += ["--worker-class", "gthread", "--threads", "8", "--graceful-timeout", "5"]
            command += ["--logger-class", "api.serving.Log", "--no-control-socket"]
            with (self.var_dir / "server.log").open("ab") as log:
                self.process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listening.fileno()],
                    process_group=0,
                )
        self._wait()

    def _wait(self) -> None:
        assert self.process is not None
        until = time.monotonic() + STARTING_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                # The connection waits in the socket's queue until the program accepts it.
                with urllib.request.urlopen(f"{self.url}/api/v1/readyz", timeout=STARTING_SECONDS) as answer:
                    assert answer.status == 200
                    return
            except ConnectionError:
                continue
        pytest.fail(f"the server did not start:\n{(self.var_dir / 'server.log').read_text()[-3000:]}")

    def stop(self) -> None:
        """Ask it to end, as a system does before it goes down."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def kill(self) -> None:
        """SIGKILL to all its processes, whatever they are doing."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        self.process = None

    def sign_ins(self) -> list[dict[str, Any]]:
        """The demo's `{role, login, password, office}`, and one citizen's `{link, phone_last4}`."""
        text = (self.var_dir / "demo.json").read_text(encoding="utf-8")
        # The folder was made for no port at all; links lead to this server.
        found: list[dict[str, Any]] = json.loads(text.replace("http://127.0.0.1:0/", f"{self.url}/"))
        return found


@pytest.fixture(scope="session")
def demo_day(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an office with today's demo day, imported and planned. Made once per run; copy it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / f"demo-{run_id[:12]}"
    ready = folder.with_suffix(".ready")
    with alone(folder):
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            subprocess.run(
                [sys.executable, "-m", "courier.cli", "demo"],
                cwd=ROOT,
                env=Server(folder).environment,
                stdin=subprocess.DEVNULL,
                check=True,
            )
            _call_off_digests(folder)
            ready.touch()
    return folder


def _call_off_digests(folder: Path) -> None:
    """Spare each server of these tests the minutes of hashing that a published day costs: whoever needs digests makes some."""
    database = open_database(f"sqlite:///{folder / 'courier.db'}")
    with database.write() as session:
        keys = {
            digests.key_of(plan.id, part)
            for plan in session.scalars(select(Plan).where(Plan.state == "published"))
            for part in range(_PARTS_OF_A_DAY)
        }
        keys -= set(session.scalars(select(JobDone.key)))
        session.add_all(JobDone(key=key, at=datetime.now(UTC)) for key in keys)
    database.close()


def _running(demo_day: Path, folder: Path, **how: Any) -> Iterator[Server]:
    shutil.copytree(demo_day, folder)
    running = Server(folder, **how)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def server(demo_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with the demo day, shared by the tests of this process."""
    yield from _running(demo_day, tmp_path_factory.mktemp("server") / "var")


@pytest.fixture
def own_server(demo_day: Path, tmp_path: Path) -> Iterator[Server]:
    """A running server with the demo day for one test alone."""
    yield from _running(demo_day, tmp_path / "var")


@pytest.fixture
def proxy(own_server: Server) -> "Iterator[Proxy]":
    """The network between a phone and the server."""
    from tests.browser.phone import network  # noqa: PLC0415 - the phone's half knows this file

    with network(own_server) as made:
        yield made


@pytest.fixture
def phone(contexts: Contexts, own_server: Server, proxy: "Proxy") -> "Phone":
    """A phone that has today's route and is ready to work."""
    from tests.browser.phone import enrolled, with_route  # noqa: PLC0415 - the phone's half knows this file

    return with_route(enrolled(contexts, own_server, proxy))


@pytest.fixture
def at_stop(contexts: Contexts, own_server: Server, proxy: "Proxy") -> "Callable[..., tuple[Phone, dict[str, Any]]]":
    """`at_stop(fits)`: the phone of a postman whose route has such a stop, and the stop; its items are in the bag."""
    from tests.browser.phone import enrolled_for, with_a_number  # noqa: PLC0415 - the phone's half knows this file

    def found(fits: Callable[[dict[str, Any]], bool] = with_a_number) -> "tuple[Phone, dict[str, Any]]":
        phone, stop = enrolled_for(contexts, own_server, proxy, fits)
        phone.record("taken_out", [item["id"] for item in stop["items"]])
        phone.wait_pending(0)
        return phone, stop

    return found
