"""docs/api.md holds: every example in it runs as it stands there, in its order, against a real server over real HTTP."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from courier import staffing
from courier.domain.people import Role, Scope
from courier.settings import ROOT, Secrets, load_secrets
from courier.store.session import migrate, open_database
from courier.store.tables import Office
from tests.api.conftest import desk_for, enlist, settings_for
from tests.bench import serving
from tests.builders import a_house

PAGE = ROOT / "docs" / "api.md"
BLOCK = re.compile(r"^```(sh|python)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def script_of(page: str, folder: Path) -> str:
    """The page as one shell script; a Python block with a name is saved, one without is run where it stands."""
    steps = ["set -euo pipefail"]
    for number, (language, name, code) in enumerate(BLOCK.findall(page)):
        if language == "sh":
            steps.append(code)
            continue
        file = name or f"example-{number}.py"
        (folder / file).write_text(code)
        if not name:
            steps.append(f"python3 {file}")
    return "\n".join(steps)


def a_served_agency(folder: Path) -> tuple[str, str, str]:
    """A database with an office and a program of an agency: (url, client id, secret)."""
    url = f"sqlite:///{folder / 'courier.db'}"
    secrets: Secrets = load_secrets(folder)
    database = open_database(url)
    migrate(database)
    desk = desk_for(database, settings_for(database, folder, secrets=secrets))
    house = a_house(database)
    with database.write() as session:
        session.get_one(Office, house.office_id).communes = ["32059"]
    admin = enlist(database, "admin", Role.ADMIN)
    found, secret = staffing.create_client(
        desk, admin, house.agency_id, name="Ví dụ", scopes=[scope.value for scope in Scope], at=datetime.now(UTC)
    )
    database.close()
    return url, found.staff.login, secret


def test_every_example_of_the_page_runs(tmp_path, monkeypatch):
    if shutil.which("curl") is None:
        pytest.fail("the examples are written with curl, which is not installed here")
    url, client_id, secret = a_served_agency(tmp_path)
    monkeypatch.setenv("COURIER_WEBHOOKS_TO_LOOPBACK", "1")
    work = tmp_path / "work"
    work.mkdir()
    page = PAGE.read_text()
    script = script_of(page, work)
    assert len(BLOCK.findall(page)) == page.count("```") // 2 >= 9
    port = serving._free_port()
    with serving.product(url, tmp_path) as (served, _):
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=work,
            env={
                "PATH": os.environ["PATH"],
                "BASE": f"http://127.0.0.1:{served}",
                "CLIENT_ID": client_id,
                "CLIENT_SECRET": secret,
                "HOOK": f"http://127.0.0.1:{port}/hook",
                "HOOK_PORT": str(port),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    said = done.stdout.splitlines()
    assert said[0].split() == sorted(scope.value for scope in Scope)
    assert re.fullmatch(r"receipt BG-[0-9]{6}-[A-Z2-7]{8}", said[1])
    assert "accepted" in said
    assert "applied" in said
    assert "RE611220012VN received [('agency:PC08', 135000, 0), ('post', 30000, 0)]" in said
    assert "2 received" in said
    heard = (work / "heard.txt").read_text().splitlines()
    # The replay came under the old ids, so the receiver of the page wrote nothing down twice.
    assert sorted(heard) == sorted(
        [
            "ping - -",
            "item.received RE611220012VN received",
            "item.received RE611220026VN received",
            "item.recalled RE611220012VN received",
        ]
    )
    assert heard[0] == "ping - -"
    assert heard.index("item.received RE611220012VN received") < heard.index("item.recalled RE611220012VN received")
