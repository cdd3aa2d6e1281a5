"""What every test may ask for, and what a run of the tests says when something could not be tested."""

import signal
import uuid
from collections.abc import Generator

import hypothesis
import pytest
import structlog

from tests import databases
from tests.databases import (
    database,
    database_url,
    new_database,
    new_postgres,
    new_sqlite,
    postgres_database,
    postgres_pool,
    postgres_server,
    postgres_template,
    run_id,
    sqlite_database,
    sqlite_template,
)
from tests.examples import FEW

__all__ = [
    "database",
    "database_url",
    "new_database",
    "new_postgres",
    "new_sqlite",
    "postgres_database",
    "postgres_pool",
    "postgres_server",
    "postgres_template",
    "run_id",
    "sqlite_database",
    "sqlite_template",
]

# A part of the suite that needs something of the machine. Where it is missing the part is skipped; nobody reads that on CI.
NEEDED = {"browser": "Chromium", "postgres": "PostgreSQL"}

# A shared machine makes any deadline a coin toss; a run on CI must say the same thing twice.
repeatable = {"derandomize": True, "database": None, "print_blob": True} if databases.on_ci() else {}
for profile in ("all", FEW):
    hypothesis.settings.register_profile(profile, deadline=None, **repeatable)
hypothesis.settings.load_profile("all")

# Until the program sets up its log, an exception is told as Python tells it: with every local variable it takes five seconds.
structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("once") and item.get_closest_marker("postgres"):
            item.add_marker(pytest.mark.slow)


def pytest_configure(config: pytest.Config) -> None:
    databases.share_what_is_compiled()
    worker = getattr(config, "workerinput", None)
    config.stash[databases.RUN] = worker["run_id"] if worker else uuid.uuid4().hex
    if worker is None:
        config.stash[databases.OWNER] = databases.claim_server(config.stash[databases.RUN])
        # Whoever stops a run politely gets it cleaned up, as with Ctrl-C.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    node.workerinput["run_id"] = node.config.stash[databases.RUN]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if databases.OWNER in config.stash:
        databases.stop_server(config.stash[databases.RUN], config.stash[databases.OWNER])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and databases.on_ci():
        for marker, need in NEEDED.items():
            if item.get_closest_marker(marker):
                report.outcome = "failed"
                report.longrepr = f"skipped, but here {need} must be tested: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    for marker, need in NEEDED.items():
        count = sum(marker in report.keywords for report in skipped)
        if count:
            terminalreporter.write_sep("!", f"{count} tests did NOT run: no {need}", red=True, bold=True)
