"""A server over a real database: two offices with all their people, an admin and an agency's client, all signed in."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import argon2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from uuid_utils.compat import uuid7

from api.app import create_app
from api.health import Readiness
from courier.desk import Desk
from courier.domain.people import Caller, Role
from courier.gazetteer import Gazetteer
from courier.settings import Secrets, Settings
from courier.staffing import hash_password, passwords
from courier.staffing.signing_in import token_digest
from courier.store.jobs import Jobs
from courier.store.session import Database
from courier.store.tables import AccessToken, Staff
from tests.builders import DATA, MORNING, House, a_house, the_facts

PASSWORD = "đúng mật khẩu 9x"
WRONG = "sai mật khẩu 12"


@cache
def hashed() -> str:
    return hash_password(PASSWORD)


@cache
def quick_hasher() -> tuple[argon2.PasswordHasher, str]:
    """The same algorithm with the least work, and the hash of nobody's password."""
    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return quick, quick.hash("nobody")


@pytest.fixture(autouse=True)
def quick_hashing(monkeypatch) -> None:
    """Only for these tests: tests/rules/test_passwords.py looks at the real one."""
    quick, nobody = quick_hasher()
    monkeypatch.setattr(passwords, "_HASHER", quick)
    monkeypatch.setattr(passwords, "_NOBODY", nobody)


@cache
def the_gazetteer() -> Gazetteer:
    return Gazetteer.load(DATA / "gazetteer")


class Clock:
    """The time of the server, moved by hand."""

    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


def settings_for(database: Database, var_dir: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": database.url.render_as_string(hide_password=False),
        "var_dir": var_dir,
        "data_dir": DATA,
        "base_url": "http://localhost",
        "demo": False,
        "secure_cookies": False,
        "trusted_proxies": 0,
        "solve_seconds": 1.0,
        "secrets": Secrets(id_number_key=b"1" * 32, blind_index_key=b"2" * 32, link_key=b"3" * 32, form_key=b"4" * 32),
    }
    return Settings(**(values | changes))


def desk_for(database: Database, settings: Settings) -> Desk:
    return Desk(database=database, settings=settings, facts=the_facts(), gazetteer=the_gazetteer(), jobs=Jobs(database))


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    made = desk_for(database, settings_for(database, tmp_path))
    yield made
    made.jobs.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


class SharedApp:
    """One application for the tests of a process: to make one costs ten times what most tests do."""

    def __init__(self) -> None:
        self._app: Flask | None = None

    def around(self, desk: Desk, clock: Clock) -> Flask:
        """The application, with another desk and another clock; what it remembers by itself is forgotten."""
        if self._app is None:
            self._app = create_app(desk, clock=clock)
            self._app.test_client().get("/livez")  # from its first request on Flask refuses new routes
        self._app.extensions |= {"desk": desk, "clock": clock, "readiness": Readiness()}
        return self._app


@pytest.fixture(scope="session")
def shared_app() -> SharedApp:
    return SharedApp()


@pytest.fixture
def app(request: pytest.FixtureRequest, shared_app: SharedApp, desk: Desk, clock: Clock) -> Flask:
    """The server; with the mark `own_app` one that nobody has asked anything, and that may get more routes."""
    if request.node.get_closest_marker("own_app"):
        return create_app(desk, clock=clock)
    return shared_app.around(desk, clock)


@pytest.fixture
def app_with(database: Database, tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Flask]]:
    """Makes another application over the same database, with other settings."""
    made: list[Desk] = []

    def make(**changes: Any) -> Flask:
        made.append(desk_for(database, settings_for(database, tmp_path, **changes)))
        return create_app(made[-1], clock=clock)

    yield make
    for other in made:
        other.jobs.stop()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Nobody: no token, no cookie kept."""
    return app.test_client(use_cookies=False)


def sign(database: Database, caller: Caller, *, at: datetime = MORNING) -> str:
    """A session made without the toil of hashing."""
    return sign_all(database, [caller], at=at)[0]


def sign_all(database: Database, callers: Sequence[Caller], *, at: datetime = MORNING) -> list[str]:
    """The tokens of several such sessions."""
    tokens = [secrets.token_urlsafe(32) for _ in callers]
    with database.write() as session:
        session.add_all(
            AccessToken(
                id=uuid7(),
                token_hash=token_digest(token),
                staff_id=caller.id,
                created_at=at,
                expires_at=at + timedelta(hours=12),
            )
            for token, caller in zip(tokens, callers, strict=True)
        )
    return tokens


def enlist(database: Database, login: str, role: Role, **more: Any) -> Caller:
    """Somebody with `PASSWORD`."""
    with database.write() as session:
        row = Staff(
            id=uuid7(),
            login=login,
            name=f"Người thử {login}",
            role=role.value,
            password_hash=hashed(),
            created_at=MORNING,
            **more,
        )
        session.add(row)
    return Caller(row.id, role, row.name, row.office_id, row.agency_id)


class Person:
    """A signed-in client: `get`, `post` ... carry the token."""

    def __init__(self, app: Flask, caller: Caller, token: str) -> None:
        self.caller = caller
        self.token = token
        self._client = app.test_client(use_cookies=False)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return self._client.open(path, method=method, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.ask("GET", path, **more)

    def post(self, path: str, **more: Any) -> Any:
        return self.ask("POST", path, **more)

    def patch(self, path: str, **more: Any) -> Any:
        return self.ask("PATCH", path, **more)

    def put(self, path: str, **more: Any) -> Any:
        return self.ask("PUT", path, **more)

    def delete(self, path: str, **more: Any) -> Any:
        return self.ask("DELETE", path, **more)


@dataclass
class Town:
    """Two offices and everybody who signs in."""

    here: House
    there: House
    admin: Person
    postman: Person
    other_postman: Person
    dispatcher: Person
    cashier: Person
    clerk: Person
    agency: Person

    def of(self, role: str) -> Person:
        found: Person = getattr(self, role)
        return found


@pytest.fixture
def town(app: Flask, database: Database) -> Town:
    here, there = a_house(database, code="UM"), a_house(database, code="CN", agency_code="PC06")
    callers = {
        "admin": enlist(database, "admin", Role.ADMIN),
        "postman": here.postmen[0],
        "other_postman": there.postmen[0],
        "dispatcher": here.dispatcher,
        "cashier": here.cashier,
        "clerk": here.clerk,
        "agency": enlist(database, "agency", Role.AGENCY, agency_id=here.agency_id),
    }
    tokens = sign_all(database, list(callers.values()))
    people = {name: Person(app, caller, token) for (name, caller), token in zip(callers.items(), tokens, strict=True)}
    return Town(here=here, there=there, **people)
