"""The office from its server's keyboard: every command does its work, and what is typed wrongly ends in one sentence."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text

from courier import cli
from courier.store.session import open_database
from courier.store.tables import Agency, AuditEntry, Item, Office, Plan, Staff
from tests.intake_office import a_row, a_sheet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def var(tmp_path, monkeypatch) -> Path:
    """An installation in a folder of its own."""
    folder = tmp_path / "var"
    for name in list(os.environ):
        if name.startswith("COURIER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COURIER_VAR_DIR", str(folder))
    monkeypatch.setenv("PORT", "8000")
    return folder


def courier(*arguments):
    done = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def refused(*arguments):
    """The one sentence of a command that cannot do its work."""
    done = courier(*arguments)
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.output
    return done.output.strip()


@pytest.fixture
def office(var):
    """An office made by `courier init`; gives what the command said."""
    done = courier("init", "--office", "U-MINH")
    assert done.exit_code == 0, done.output
    return done.output


def ask(var, query):
    database = open_database(f"sqlite:///{var / 'courier.db'}")
    with database.read() as session:
        found = session.scalars(query).all()
    database.close()
    return found


# ----------------------------------------------------------------------------------------------------------- init
def test_init_makes_an_empty_office_and_its_first_admin(var, office):
    assert re.search(r"sign in at http://127\.0\.0\.1:8000 as admin", office, re.IGNORECASE)
    (admin,) = ask(var, select(Staff))
    assert (admin.login, admin.role, admin.must_change_password, admin.demo) == ("admin", "admin", True, False)
    (made,) = ask(var, select(Office))
    assert (made.code, made.name, made.communes) == ("U-MINH", "Bưu cục U Minh", ["32044", "32047", "32059", "32062"])
    assert "PC08" in ask(var, select(Agency.code))
    assert ask(var, select(func.count()).select_from(Item)) == [0]
    assert ask(var, select(AuditEntry.act)) == ["office opened"]
    password = re.search(r"one-time password (\S+),", office)[1]
    assert password not in str([admin.password_hash, *ask(var, select(AuditEntry.detail))])


def test_init_is_refused_where_people_work_already(var, office):
    assert "đã có tài khoản" in refused("init", "--office", "CAI-NUOC")
    assert len(ask(var, select(Office))) == 1


def test_init_of_an_office_that_data_does_not_know_asks_for_its_place(var):
    sentence = refused("init", "--office", "MOI")
    assert "U-MINH" in sentence
    assert "--commune" in sentence
    wrong = refused("init", "--office", "MOI", "--name", "Mới", "--commune", "99999", "--lat", "9", "--lon", "105")
    assert "99999" in wrong
    made = courier("init", "--office", "MOI", "--name", "Mới", "--commune", "32059", "--lat", "9.3", "--lon", "105")
    assert made.exit_code == 0, made.output


# ----------------------------------------------------------------------------------------------- a spreadsheet, a plan
@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "ban-giao.xlsx"
    path.write_bytes(a_sheet([a_row(1), a_row(2), a_row(3, state_fee=-5)]))
    return path


def test_import_tells_what_became_of_the_rows(var, office, sheet):
    done = courier("import", sheet, "--as", "admin", "--office", "U-MINH")
    assert done.exit_code == 0, done.output
    assert "2 accepted, 0 duplicates, 0 with a doubtful address, 1 rejected." in done.output
    assert re.search(r"^row 4, .*-5", done.output, re.MULTILINE)
    assert ask(var, select(func.count()).select_from(Item)) == [2]


def test_import_by_nobody_to_nowhere_or_of_nothing_is_told_in_a_sentence(var, office, sheet, tmp_path):
    assert refused("import", sheet, "--as", "nobody") == "Nobody active signs in as nobody."
    assert refused("import", sheet, "--as", "admin", "--office", "X") == "There is no office X."
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 not a workbook")
    assert "file" in refused("import", broken, "--as", "admin", "--office", "U-MINH")
    assert courier("import", tmp_path / "gone.xlsx", "--as", "admin").exit_code == 2


def test_plan_of_a_past_day_is_told_in_a_sentence(var, office):
    assert "01/01/2020" in refused("plan", "--as", "admin", "--office", "U-MINH", "--date", "2020-01-01")


def test_plan_solves_here_when_no_server_runs(var, office, sheet):
    courier("import", sheet, "--as", "admin", "--office", "U-MINH")
    done = courier("plan", "--as", "admin", "--office", "U-MINH", "--seconds", "1")
    # Nobody delivers here yet: whether that is a plan without routes or a plan that failed, it is solved and told.
    assert "Traceback" not in done.output
    assert ask(var, select(Plan.state)) in (["solved"], ["failed"])
    assert done.exit_code == (0 if ask(var, select(Plan.state)) == ["solved"] else 1)


def test_a_worker_on_sqlite_is_sent_to_the_server(var):
    assert "courier serve" in refused("worker")


# ---------------------------------------------------------------------------------------------------------- backup
def test_backup_and_restore_bring_yesterday_back(var, office, sheet, tmp_path):
    copy = tmp_path / "copy.db"
    told = courier("backup", copy)
    assert told.exit_code == 0, told.output
    assert "secrets.json" in told.output
    courier("import", sheet, "--as", "admin", "--office", "U-MINH")
    restored = courier("restore", copy)
    assert restored.exit_code == 0, restored.output
    assert "before-" in restored.output
    assert ask(var, select(func.count()).select_from(Item)) == [0]


def test_restore_of_nothing_is_told_in_a_sentence(var, office, tmp_path):
    assert refused("restore", tmp_path / "gone.db") == f"{tmp_path / 'gone.db'} is not there."


# ---------------------------------------------------------------------------------------------------------- doctor
def findings(output):
    return dict(
        reversed(re.match(r"(OK|NOTE|BAD)\s+([^:]+)", line).groups()) for line in output.splitlines() if line[0] != " "
    )


@pytest.fixture
def vendored(tmp_path, monkeypatch):
    """The browser files are there."""
    from courier import doctor  # noqa: PLC0415

    (tmp_path / "root/api/web/static/vendor").mkdir(parents=True)
    (tmp_path / "root/api/web/static/vendor/package-lock.json").touch()
    monkeypatch.setattr(doctor, "ROOT", tmp_path / "root")


def test_a_healthy_office_gets_no_bad_finding(var, office, vendored):
    done = courier("doctor")
    found = findings(done.output)
    assert done.exit_code == 0, done.output
    assert "BAD" not in found.values()
    assert {"python", "sqlite", "time zone", "secrets", "disk", "https", "facts", "database", "ledger"} <= set(found)


def test_the_doctor_counts_what_nobody_has_verified(var, office, vendored):
    assert re.search(
        r"NOTE +facts: \d+ kinds of papers; [1-9]\d* of \d+ rules and amounts are unverified", courier("doctor").output
    )


def test_the_doctor_says_that_citizens_are_told_nothing_until_a_channel_is_connected(var, office, vendored):
    assert re.search(r"NOTE +messages: Dry run: no channel is connected", courier("doctor").output)
    channels = var / "channels.json"
    channels.touch(mode=0o600)
    channels.write_text('{"sms": {"url": "https://sms.example/send", "body": {"to": "{phone}", "text": "{text}"}}}')
    assert re.search(r"OK +messages: Citizens are told by sms", courier("doctor").output)
    channels.write_text('{"sms": {"url": "sms.example"}}')
    done = courier("doctor")
    assert (done.exit_code, findings(done.output)["messages"]) == (1, "BAD")


def harm(what, var, monkeypatch):
    place = var / "courier.db"
    if what == "secrets":
        (var / "secrets.json").chmod(0o644)
    elif what == "https":
        monkeypatch.setenv("COURIER_BASE_URL", "http://buu-ta.example")
    elif what == "facts":
        monkeypatch.setenv("COURIER_DATA_DIR", str(var))
    elif what == "database":
        database = open_database(f"sqlite:///{place}")
        with database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        database.close()
    elif what == "settings":
        (var / "secrets.json").write_text("{}")
    elif what == "ledger":
        database = open_database(f"sqlite:///{place}")
        with database.write() as session:
            session.execute(text("DROP TRIGGER ledger_entry_sealed"))
            session.execute(text("PRAGMA defer_foreign_keys = ON"))
            tx = "INSERT INTO ledger_tx (id, key, kind, day, office_id, lines, posted_at) VALUES ('t', 'k', 'x', '2026-11-25', (SELECT id FROM office), 2, 0)"
            for line, amount in ((1, 5), (2, -5)):
                session.execute(
                    text(
                        "INSERT INTO ledger_entry (tx_id, line, account, amount_dong) VALUES ('t', :line, 'a', :amount)"
                    ),
                    {"line": line, "amount": amount},
                )
            session.execute(text(tx))
            session.execute(
                text("INSERT INTO ledger_entry (tx_id, line, account, amount_dong) VALUES ('t', 3, 'a', 7)")
            )
        database.close()


@pytest.mark.parametrize("what", ["secrets", "https", "facts", "database", "settings", "ledger"])
def test_the_doctor_finds_a_harm_and_says_what_to_do(var, office, vendored, monkeypatch, what):
    harm(what, var, monkeypatch)
    done = courier("doctor")
    assert done.exit_code == 1, done.output
    assert findings(done.output)[what] == "BAD"
    lines = done.output.splitlines()
    position = next(number for number, line in enumerate(lines) if re.match(rf"BAD\s+{what}", line))
    assert lines[position + 1].startswith("      -> ")


def test_the_doctor_looks_at_an_installation_that_was_never_begun(var, vendored):
    done = courier("doctor")
    assert findings(done.output)["database"] == "BAD"
    assert "courier init" in done.output


def test_missing_browser_files_are_a_bad_finding(var, office, vendored, tmp_path):
    (tmp_path / "root/api/web/static/vendor/package-lock.json").unlink()
    assert findings(courier("doctor").output)["browser files"] == "BAD"


def test_demo_accounts_in_production_are_noticed(var, office, vendored):
    database = open_database(f"sqlite:///{var / 'courier.db'}")
    with database.write() as session:
        session.execute(text("UPDATE staff SET demo = 1"))
    database.close()
    assert re.search(r"NOTE +demo: 1 demo accounts", courier("doctor").output)


# ----------------------------------------------------------------------------------------------------------- serve
@pytest.mark.parametrize(
    ("setting", "value", "word"),
    [
        ("COURIER_DEMO", "yes", "COURIER_DEMO"),
        ("COURIER_BASE_URL", "buu-ta.example", "COURIER_BASE_URL"),
        ("COURIER_SOLVE_SECONDS", "soon", "COURIER_SOLVE_SECONDS"),
        ("COURIER_DATABASE_URL", "postgresql://nobody@/none?host=/nonexistent", "database cannot be used"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_in_a_sentence(var, monkeypatch, setting, value, word):
    monkeypatch.setenv(setting, value)
    assert word in refused("serve")


def test_serve_refuses_what_cannot_work(var, office, tmp_path):
    (tmp_path / "cert.pem").touch()
    assert "come together" in refused("serve", "--tls-cert", tmp_path / "cert.pem")
    assert "SQLite takes one" in refused("serve", "--workers", "2")
    assert "real people" in refused("serve", "--demo")


def test_demo_is_refused_where_real_people_work(var, office):
    assert "người dùng thật" in refused("demo")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as fault:
        return fault.code, fault.read().decode()


def test_serve_answers_writes_no_token_and_stops_when_told(var, office, tmp_path):
    port = free_port()
    log = tmp_path / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "courier.cli", "serve", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | {"GUNICORN_CMD_ARGS": "--access-logfile -", "PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=out,
        )
    try:
        while server.poll() is None:
            try:
                status, _ = get(f"http://127.0.0.1:{port}/livez")
                break
            except (ConnectionError, urllib.error.URLError):
                time.sleep(0.1)
        assert server.poll() is None, log.read_text()
        assert status == 200
        assert get(f"http://127.0.0.1:{port}/readyz")[0] == 200
        assert get(f"http://127.0.0.1:{port}/api/v1/public/items/TOKENOFACITIZEN")[0] == 404
        assert get(f"http://127.0.0.1:{port}/t/TOKENOFACITIZEN?x=TOKENOFACITIZEN")[0] == 404
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
    told = log.read_text()
    assert "TOKENOFACITIZEN" not in told
    assert f"http://127.0.0.1:{port}" in told
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    routes = [line["route"] for line in lines if line.get("event") == "answered"]
    assert "/api/v1/public/items/<string:token>" in routes
    assert "Traceback" not in told
