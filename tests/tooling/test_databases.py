"""The fixtures that the store, the API and the journeys rest on."""

import pytest
from sqlalchemy import inspect, text

from courier.store.session import Database, is_current


def test_a_test_gets_a_migrated_database_of_its_own(database: Database):
    assert is_current(database)
    with database.write() as session:
        session.execute(text("CREATE TABLE left_behind (id INTEGER)"))


def test_nothing_of_an_earlier_test_is_left(database: Database):
    assert "left_behind" not in inspect(database.engine).get_table_names()
    with database.write() as session:
        session.execute(text("CREATE TABLE left_behind (id INTEGER)"))


@pytest.mark.postgres
def test_postgresql_is_the_release_that_counts(postgres_database: Database):
    with postgres_database.read() as session:
        assert session.scalar(text("SHOW server_version")).startswith("18.")


def test_sqlite_is_one_that_does_not_corrupt_its_log(sqlite_database: Database):
    with sqlite_database.read() as session:
        version = session.scalar(text("SELECT sqlite_version()"))
        mode = session.scalar(text("PRAGMA journal_mode"))
    assert mode == ("wal" if tuple(map(int, version.split("."))) >= (3, 51, 3) else "delete")


def test_a_test_may_have_two_databases_of_the_same_kind(new_database):
    assert new_database() != new_database()
