"""Whether the server lives and can work, told to anybody; its figures, told to this machine and to admins only."""

import pytest
from sqlalchemy import text

from api.app import create_app
from courier.store.session import open_database
from tests.api.conftest import desk_for, settings_for

V1 = "/api/v1"


@pytest.mark.parametrize("path", ["/livez", f"{V1}/livez"])
def test_a_living_process_says_so(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json) == (200, {"live": True})


@pytest.mark.parametrize("path", ["/readyz", f"{V1}/readyz"])
def test_a_server_that_can_work_is_ready(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json) == (200, {"ready": True, "checks": {"database": "ok", "disk": "ok"}})


def test_another_schema_is_not_ready(client, database):
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["checks"]["database"]) == (503, "schema")
    assert answer.headers["Content-Type"] == "application/json"


def test_a_database_that_cannot_be_written_is_not_ready(client, database):
    with database.write() as session:
        session.execute(text("ALTER TABLE idempotency_key RENAME TO gone"))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["checks"]["database"]) == (503, "unwritable")
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_that_is_away_is_not_ready(kind, tmp_path):
    (tmp_path / "courier.db").write_bytes(b"this was a database once" * 50)
    url = f"sqlite:///{tmp_path / 'courier.db'}" if kind == "sqlite" else f"postgresql://nobody@/none?host={tmp_path}"
    database = open_database(url)
    office = desk_for(database, settings_for(database, tmp_path))
    answer = create_app(office).test_client().get("/readyz")
    database.close()
    assert (answer.status_code, answer.json["checks"]["database"]) == (503, "unreachable")


def test_readiness_is_looked_at_once_a_second_however_often_it_is_asked(client, database):
    assert client.get("/readyz").status_code == 200
    with database.write() as session:
        before = session.execute(text("SELECT at FROM idempotency_key WHERE caller = 'house'")).scalar_one()
        session.execute(text("UPDATE idempotency_key SET body_hash = 'seen' WHERE caller = 'house'"))
    for _ in range(20):
        client.get("/readyz")
    with database.read() as session:
        assert session.execute(text("SELECT at FROM idempotency_key WHERE caller = 'house'")).scalar_one() == before


def metrics(client, address, **headers):
    return client.get("/metrics", environ_overrides={"REMOTE_ADDR": address}, headers=headers)


def test_figures_are_for_this_machine_and_for_admins(client, town):
    assert metrics(client, "127.0.0.1").status_code == 200
    assert metrics(client, "::1").status_code == 200
    assert metrics(client, "192.0.2.1").status_code == 401
    assert metrics(client, "192.0.2.1", Authorization=f"Bearer {town.clerk.token}").status_code == 403
    assert metrics(client, "192.0.2.1", Authorization=f"Bearer {town.admin.token}").status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "Via"])
def test_a_proxy_on_this_machine_is_not_this_machine(client, header):
    assert metrics(client, "127.0.0.1", **{header: "192.0.2.1"}).status_code == 401


@pytest.mark.own_app
def test_figures_count_by_route_and_name_nobody(client, town):
    client.get(f"{V1}/public/items/TOKENOFACITIZEN")
    town.clerk.get(f"{V1}/me")
    told = metrics(client, "127.0.0.1").text
    assert 'courier_requests_total{method="GET",route="/api/v1/me",status="200"} 1.0' in told
    assert "TOKENOFACITIZEN" not in told
    assert str(town.clerk.caller.id) not in told
