"""`courier`: the office from the keyboard of its server.

What goes wrong by the hand of the person at the keyboard ends in one plain sentence; a fault of ours keeps its traceback.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import click
from gunicorn.app.wsgiapp import WSGIApplication
from sqlalchemy.exc import OperationalError

from courier import logs, staffing
from courier.desk import Desk, make_ready, open_desk
from courier.domain.calendar import local_day
from courier.domain.errors import Forbidden, Invalid, Missing, Refused, Stale
from courier.domain.people import Caller, Role
from courier.settings import ROOT, Misconfigured, Settings
from courier.store import backup, people
from courier.store import demo as demo_books
from courier.store.session import Database, open_database

THREADS = 8
_PLAN_POLL_SECONDS = 0.3
Command = TypeVar("Command", bound=Callable[..., Any])


def _now() -> datetime:
    return datetime.now(UTC)


def _stop(sentence: str) -> NoReturn:
    click.echo(sentence, err=True)
    raise SystemExit(1)


def plainly(command: Command) -> Command:
    """Turn what the person at the keyboard can put right into one sentence and exit status 1."""

    @wraps(command)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (Misconfigured, Forbidden, Missing, Stale, backup.Unusable) as fault:
            _stop(str(fault))
        except Refused as fault:
            _stop(fault.sentence)
        except Invalid as fault:
            _stop("\n".join(f"{_where(error)}: {error.message}" for error in fault.errors))
        except OperationalError as fault:
            _stop(f"The database cannot be used: {fault.orig}. `courier doctor` says more.")
        except OSError as fault:
            _stop(f"{fault.strerror or fault}: {fault.filename}" if fault.filename else str(fault))

    return told  # type: ignore[return-value]  # `wraps` keeps the signature


def _where(error: Any) -> str:
    return error.field if error.row is None else f"row {error.row}, {error.field}"


@contextmanager
def _open(settings: Settings | None = None) -> Iterator[Desk]:
    desk = open_desk(settings or Settings.from_environment())
    try:
        desk.make_ready()
        yield desk
    finally:
        desk.close()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Bưu tá: the post office's doorstep deliveries."""


# ---------------------------------------------------------------------------------------------------- first steps
@main.command()
@click.option("--office", "code", required=True, help="Code of the office, as in data/offices.json or a new one.")
@click.option("--name", "office_name", help="Name of the office; needed where data/ does not know the code.")
@click.option("--commune", help="Code of the commune it stands in; needed where data/ does not know the code.")
@click.option("--lat", type=click.FloatRange(-90, 90), help="Latitude of the office.")
@click.option("--lon", type=click.FloatRange(-180, 180), help="Longitude of the office.")
@click.option("--login", default="admin", show_default=True, help="Login of the first admin.")
@click.option("--admin-name", default="Quản trị viên", show_default=True, help="Name of the first admin.")
@plainly
def init(
    code: str,
    office_name: str | None,
    commune: str | None,
    lat: float | None,
    lon: float | None,
    login: str,
    admin_name: str,
) -> None:
    """Make an empty office and its first admin, without demo data."""
    with _open() as desk:
        office = staffing.known_office(desk, code)
        if office is None:
            if office_name is None or commune is None or lat is None or lon is None:
                known = ", ".join(desk.facts.offices)
                _stop(f"data/ knows no office {code}: give --name, --commune, --lat and --lon, or one of {known}.")
            office = staffing.OfficeDetails(
                code=code,
                name=office_name,
                kind="office",
                commune_code=commune,
                lat=lat,
                lon=lon,
                communes=(commune,),
            )
        first = staffing.init_office(desk, office, login=login, name=admin_name, at=_now())
        click.echo(f"{first.office} is open. Sign in at {desk.settings.base_url} as {first.login}")
        click.echo(f"with the one-time password {first.password}, which is shown only now.")


@main.command()
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day to make; today where left out.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same day.")
@plainly
def demo(day: datetime | None, seed: int) -> None:
    """Load a made-up working day: items, people, routes. For a database without real people."""
    from courier import demo as demonstration  # noqa: PLC0415 - not part of an office's server

    wanted: date = day.date() if day else local_day(_now())
    with _open(_demo_settings()) as desk:
        found = demonstration.prepare(desk, wanted, now=_now(), seed=seed)
        click.echo(f"The demo day {wanted} " + ("is made." if found.added_day else "was there already."))
        click.echo(f"The sign-ins stand in {found.file}.")


def _demo_settings() -> Settings:
    os.environ["COURIER_DEMO"] = "1"
    return Settings.from_environment()


# ------------------------------------------------------------------------------------------------------ day's work
def _caller(desk: Desk, login: str) -> Caller:
    with desk.database.read() as session:
        row = people.staff_by_login(session, login)
    if row is None or not row.active:
        _stop(f"Nobody active signs in as {login}.")
    return Caller(id=row.id, role=Role(row.role), name=row.name, office_id=row.office_id, agency_id=row.agency_id)


def _office_id(desk: Desk, code: str | None) -> UUID | None:
    if code is None:
        return None
    with desk.database.read() as session:
        found = people.office_by_code(session, code)
    if found is None:
        _stop(f"There is no office {code}.")
    return found.id


@main.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "login", required=True, help="Login of the account in whose name the items come in.")
@click.option("--office", "code", help="Code of the office, for an admin.")
@plainly
def import_(file: Path, login: str, code: str | None) -> None:
    """Take in a spreadsheet of items; rows with errors are listed, the others are stored."""
    from courier import intake  # noqa: PLC0415 - openpyxl is slow to load, and `serve` does not need it

    with _open() as desk:
        found = intake.import_sheet(
            desk,
            _caller(desk, login),
            filename=file.name,
            content=file.read_bytes(),
            office_id=_office_id(desk, code),
            at=_now(),
        )
    for row in found.rows:
        for error in row.errors:
            click.echo(f"row {row.row}, {error.field}: {error.message}")
    click.echo(
        f"{found.accepted} accepted, {found.duplicates} duplicates, {found.doubtful} with a doubtful address, "
        f"{found.rejected} rejected."
    )


@main.command()
@click.option("--as", "login", required=True, help="Login of a dispatcher or an admin.")
@click.option("--office", "code", help="Code of the office, for an admin.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day to plan; today where left out.")
@click.option("--seconds", type=float, help="Time limit of the solver.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--publish", is_flag=True, help="Publish the plan when it is solved.")
@plainly
def plan(login: str, code: str | None, day: datetime | None, seconds: float | None, seed: int, publish: bool) -> None:  # noqa: FBT001
    """Plan the routes of an office's day. A running server or worker solves it; without one, this command does."""
    from courier import dispatch, worker  # noqa: PLC0415 - the optimiser is slow to load, and `serve` does not need it

    with _open() as desk:
        caller = _caller(desk, login)
        wanted: date = day.date() if day else local_day(_now())
        plan_id = dispatch.request_plan(
            desk, caller, office_id=_office_id(desk, code), day=wanted, at=_now(), seconds=seconds, seed=seed
        )
        worker.start(desk)
        while (found := dispatch.get_plan(desk, caller, plan_id)).state == "draft":
            time.sleep(_PLAN_POLL_SECONDS)  # another process may be solving it: the database is what both see
        if found.state != "solved":
            _stop(f"The plan of {wanted} failed: {found.error or found.state}.")
        if publish:
            found = dispatch.publish(desk, caller, plan_id, version=found.version, at=_now())
        click.echo(
            f"Plan {plan_id} of {wanted}: {found.state}, {len(found.routes)} routes, {found.unplanned_count} left out."
        )


@main.command()
@plainly
def worker() -> None:
    """Run jobs beside servers on other machines, until told to stop. Needs PostgreSQL."""
    from courier import worker as working  # noqa: PLC0415

    with _open() as desk:
        if desk.database.is_sqlite:
            _stop("On SQLite the server runs the jobs itself: `courier serve` is enough.")
        logs.configure()
        working.run(desk)


@main.command("nightly")
@plainly
def nightly_() -> None:
    """Tell of deadlines that have passed and forget what was kept long enough; servers and workers do it every night."""
    from courier import nightly  # noqa: PLC0415 - `serve` reaches it by its worker

    with _open() as desk:
        for name, number in nightly.run(desk, at=_now()).items():
            click.echo(f"{name}: {number}")


# --------------------------------------------------------------------------------------------------------- serving
@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is every one.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=lambda: int(os.environ.get("PORT", "8000")),
    help="[default: PORT or 8000]",
)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Certificate chain (PEM).")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Private key (PEM).")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes; SQLite takes one."
)
@click.option("--demo", "with_demo", is_flag=True, help="Show a made-up day; for a database without real people.")
@plainly
def serve(
    host: str,
    port: int,
    tls_cert: str | None,
    tls_key: str | None,
    workers: int,
    with_demo: bool,  # noqa: FBT001
) -> None:
    """Bring the database up to date and serve."""
    if (tls_cert is None) != (tls_key is None):
        _stop("--tls-cert and --tls-key come together.")
    os.environ["PORT"] = str(port)
    if tls_cert is not None:
        os.environ.setdefault("COURIER_BASE_URL", f"https://{_reachable(host)}:{port}")
    settings = _demo_settings() if with_demo else Settings.from_environment()
    if settings.demo and not with_demo:
        _stop("COURIER_DEMO is for `courier serve --demo` only.")
    database = open_database(settings.database_url)
    if database.is_sqlite and workers > 1:
        _stop("SQLite takes one server process (of 8 threads): leave --workers out, or use PostgreSQL.")
    make_ready(database)
    later = with_demo and _begin_demo(database, settings)
    with database.read() as session:
        empty = people.is_empty(session)
    database.close()
    if later:
        # The port answers at once; today's demo day is made beside the server.
        subprocess.Popen([sys.executable, "-m", "courier.cli", "demo"], stdin=subprocess.DEVNULL)
    click.echo(f"Bưu tá: {settings.base_url}")
    if empty:
        click.echo("Nobody can sign in yet: stop, and make the first admin with `courier init --office CODE`.")
    if with_demo:
        _show_sign_ins(settings)
    sys.stdout.flush()
    _serve_with_gunicorn(host, port, tls_cert, tls_key, workers)


def _begin_demo(database: Database, settings: Settings) -> bool:
    """Make the demo day of an empty database. True when there is an older one, to which today's is still to be added."""
    today = local_day(_now())
    with database.read() as session:
        if people.real_staff(session):
            _stop("This database holds the accounts of real people: the demo needs one of its own (COURIER_VAR_DIR).")
        # Without the file nobody knows the passwords any more: then `prepare` gives new ones before anything is served.
        if not people.is_empty(session) and (settings.var_dir / "demo.json").exists():
            return not demo_books.has_day(session, today)
    from courier import demo as demonstration  # noqa: PLC0415 - as above

    click.echo("Making the demo day (about a minute) ...")
    sys.stdout.flush()
    with _open(settings) as desk:
        demonstration.prepare(desk, today, now=_now())
    return False


def _show_sign_ins(settings: Settings) -> None:
    shown = settings.var_dir / "demo.json"
    for entry in json.loads(shown.read_text(encoding="utf-8")):
        if entry.get("link"):
            click.echo(f"  {entry['role']:<11} {entry['link']} (phone ends in {entry['phone_last4']})")
        else:
            click.echo(
                f"  {entry['role']:<11} {entry['login']:<24} {entry['password']:<16} {entry['office'] or ''}".rstrip()
            )
    click.echo(f"The sign-ins stand in {shown}, too.")


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _serve_with_gunicorn(host: str, port: int, tls_cert: str | None, tls_key: str | None, workers: int) -> NoReturn:
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    command = ["gunicorn", "wsgi:app", f"--bind={bind}", f"--pythonpath={ROOT}"]
    command += ["--worker-class=api.serving.Worker", f"--workers={workers}", f"--threads={THREADS}"]
    command += ["--timeout=120", "--graceful-timeout=30", "--keep-alive=15", "--worker-tmp-dir=" + _memory()]
    command += ["--logger-class=api.serving.Log", "--log-level=warning", "--no-control-socket"]
    if tls_cert is not None and tls_key is not None:
        command += [f"--certfile={tls_cert}", f"--keyfile={tls_key}"]
    # In this process, not in a new one: what is imported by now need not be imported again. Nothing is open any more.
    sys.argv = command
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").run()
    raise SystemExit(0)


def _memory() -> str:
    """Where gunicorn's workers show that they are alive; on a disk that stalls they would be taken for dead."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"  # noqa: S108


# ------------------------------------------------------------------------------------------------------ operations
@main.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@plainly
def backup_(file: Path) -> None:
    """Copy the database into a new FILE while it is in use."""
    settings = Settings.from_environment()
    database = open_database(settings.database_url)
    try:
        backup.write_copy(database, file)
    finally:
        database.close()
    click.echo(
        f"{file}: {file.stat().st_size:,} bytes. Keep {settings.var_dir / 'secrets.json'} too, in another place, and a copy "
        f"of {settings.var_dir / 'media'} (photos and signatures, sealed)."
    )


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@plainly
def restore(file: Path) -> None:
    """Put the copy FILE in the place of the database, after examining it."""
    settings = Settings.from_environment()
    database = open_database(settings.database_url)
    try:
        kept = backup.restore_copy(database, file, settings.secrets, at=_now())
    finally:
        database.close()
    click.echo(
        f"{file} is whole, its ledger adds up, and it is in place." + (f" The old database is {kept}." if kept else "")
    )


@main.command("doctor")
@plainly
def doctor_() -> None:
    """Say what is configured, what is missing and what to do about it; exit status 1 when something must be done."""
    from courier import doctor  # noqa: PLC0415 - `serve` does not need it

    findings = doctor.examine(at=_now())
    for finding in findings:
        click.echo(f"{finding.verdict.upper():<5} {finding.what}: {finding.sentence}.")
        if finding.remedy:
            click.echo(f"      -> {finding.remedy}")
    if any(finding.verdict is doctor.Verdict.BAD for finding in findings):
        raise SystemExit(1)


# ------------------------------------------------------------------------------------------------ proof by trouble
@main.group()
def faults() -> None:
    """Campaigns that try to make the program lose or double something."""


@contextmanager
def _ending_politely(folder: Path) -> Iterator[None]:
    """Whoever ends the command with SIGTERM leaves no server behind, as with Ctrl-C."""
    before = signal.signal(signal.SIGTERM, lambda *_: _stop(f"Stopped. Everything is kept in {folder}."))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@faults.command("sync")
@click.option("--events", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Acts to send.")
@click.option("--phones", type=click.IntRange(1, 200), default=20, show_default=True, help="Phones sending at once.")
@click.option("--kills", type=click.IntRange(0, 10_000), default=20, show_default=True, help="Deaths of the server.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed tells the same story.")
@click.option("--minutes", type=click.FloatRange(min=0), default=float("inf"), help="Send nothing new after so long.")
@click.option("--database", "database_url", help="An empty PostgreSQL; a new SQLite file where left out.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a report: .md or .json.")
@plainly
def faults_sync(
    events: int,
    phones: int,
    kills: int,
    seed: int,
    minutes: float,
    database_url: str | None,
    report: Path | None,
) -> None:
    """Let invented phones upload over a bad network to a server that is killed, and compare the books with a reference.

    It works in a folder and a database of its own. Exit status 1, with every event or item named, on any difference.
    """
    from courier import faults as trouble  # noqa: PLC0415 - not part of an office's server

    if report is not None:
        trouble.require_known_ending(report)
    folder = Path(tempfile.mkdtemp(prefix="courier-faults-"))
    campaign = trouble.Campaign(
        trouble.Wanted(events, phones, kills, seed, minutes), folder, database_url=database_url, say=trouble.say
    )
    try:
        with _ending_politely(folder):
            campaign.prepare()
            trouble.say(
                f"{len(campaign.story.things)} items, {len(campaign.story.pictures)} pictures are invented in {folder}"
            )
            campaign.upload()
        outcome = campaign.check()
    except trouble.NotEmpty as fault:
        shutil.rmtree(folder)
        _stop(str(fault))
    except (trouble.Broken, trouble.DidNotStart) as fault:
        _stop(f"{fault}\nEverything is kept in {folder}.")
    if report is not None:
        trouble.write(outcome, report)
    for difference in outcome.differences:
        click.echo(f"{difference.kind}: {difference.sentence}")
    if outcome.differences:
        _stop(f"{len(outcome.differences)} differences. Everything is kept in {folder}.")
    shutil.rmtree(folder)
    click.echo(
        f"{len(outcome.story.told)} acts, {outcome.requests} requests, {outcome.deaths.count} kills, {outcome.seconds:.0f} s: "
        "nothing lost, nothing twice, every item as the reference says, the money right to the dong."
    )


if __name__ == "__main__":
    main()
