"""The schema: what the migrations build is what the classes say, on both databases, and its own rules cannot be walked around."""

# ruff: noqa: S608 (the names of our own tables)

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from uuid_utils.compat import uuid7

from courier.domain.item import EventType
from courier.store.session import is_current, known_revisions, migrate, open_database
from courier.store.tables import AuditEntry, Dossier, DossierStep, ItemEvent, Remittance, Table
from tests.builders import DAY, MORNING, Phone, a_house, clock

# The job engine keeps tables of its own on the same database; they are its business.
OURS = set(Table.metadata.tables) | {"alembic_version"}


def _ours(_object, name, kind, _reflected, _other) -> bool:
    return kind != "table" or name in OURS


def test_the_migrations_build_exactly_what_the_classes_say(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": _ours, "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Table.metadata) == []
        connection.rollback()


def test_every_constraint_and_index_of_the_classes_is_in_the_database(database):
    """Alembic does not compare CHECK constraints; their names are compared here."""
    found = inspect(database.engine)
    for name, table in Table.metadata.tables.items():
        wanted = {str(c.name) for c in table.constraints if c.__visit_name__.endswith("check_constraint")}
        checks = {check["name"] for check in found.get_check_constraints(name)}
        assert wanted == checks, name
        keys = {tuple(sorted(key["constrained_columns"])) for key in found.get_foreign_keys(name)}
        assert keys == {tuple(sorted(c.name for c in key.columns)) for key in table.foreign_key_constraints}, name


def test_the_words_that_a_column_allows_are_the_words_of_the_class(database):
    """A new event type or state needs a migration of its own; forgetting it shows here and not at a door."""
    found = inspect(database.engine)
    for name, table in Table.metadata.tables.items():
        texts = {check["name"]: check["sqltext"] for check in found.get_check_constraints(name)}
        for constraint in table.constraints:
            if constraint.__visit_name__.endswith("check_constraint") and " IN (" in str(constraint.sqltext):
                words = set(str(constraint.sqltext).split("'")[1::2])
                assert set(texts[str(constraint.name)].split("'")[1::2]) == words, constraint.name


def test_there_is_one_head_and_every_revision_leads_to_it(database):
    scripts = ScriptDirectory("courier/store/migrations")
    assert scripts.get_heads() == [max(known_revisions())]
    assert len(scripts.get_bases()) == 1
    assert known_revisions() == {script.revision for script in scripts.walk_revisions()}
    assert is_current(database)
    migrate(database)
    assert is_current(database)


def test_every_table_is_strict(sqlite_database):
    with sqlite_database.read() as session:
        rows = session.execute(
            text("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        ).all()
    lax = {name for name, strict in rows if not strict and not name.startswith("sqlite_")}
    assert lax & OURS == {"alembic_version"}
    assert {name for name, strict in rows if strict} >= OURS - {"alembic_version"}


def test_the_settings_that_the_rules_rest_on_are_on_in_every_connection(sqlite_database):
    wanted = {"foreign_keys": 1, "recursive_triggers": 1, "synchronous": 2, "trusted_schema": 0}
    for engine in (sqlite_database.engine, sqlite_database.reading_engine, sqlite_database.engine_for_jobs()):
        with engine.connect() as connection:
            found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in wanted}
            connection.rollback()
        assert found == wanted
        if engine not in (sqlite_database.engine, sqlite_database.reading_engine):
            engine.dispose()


def test_the_whole_database_is_sound(sqlite_database):
    a_house(sqlite_database).item()
    with sqlite_database.read() as session:
        assert session.scalar(text("PRAGMA integrity_check")) == "ok"
        assert session.execute(text("PRAGMA foreign_key_check")).all() == []


# ------------------------------------------------------------------------------------------------- append-only books
def _fill(database) -> None:
    house = a_house(database)
    item = house.item()
    phone = Phone(house, house.postmen[0])
    phone.send(phone.event("taken_out", [item], 1))
    with database.write() as session:
        session.add(
            Remittance(
                id=uuid7(),
                postman_id=house.postmen[0].id,
                day=DAY,
                office_id=house.office_id,
                expected_dong=0,
                counted_dong=0,
                counted={},
                difference_reason=None,
                tx_id=None,
                closed_by=house.cashier.id,
                closed_at=clock(700),
            )
        )
        session.add(AuditEntry(id=uuid7(), at=MORNING, actor_id=None, actor_role="admin", act="x", thing="y"))
        dossier = session.scalars(select(Dossier)).first()
        session.add(DossierStep(dossier_id=dossier.id, step="receive", reached_at=MORNING, recorded_by=None))


BOOKS = {
    "event": "type = 'lost'",
    "event_item": "event_id = event_id",
    "ledger_entry": "amount_dong = 1",
    "ledger_tx": "kind = 'x'",
    "audit_entry": "act = 'nothing'",
    "remittance": "counted_dong = 0",
    "dossier_step": "step = 'return'",
}


def test_no_book_takes_a_change_or_loses_a_line(database):
    _fill(database)
    for book, change in BOOKS.items():
        with database.read() as session:
            before = session.execute(text(f"SELECT * FROM {book}")).all()
        assert before, book
        for statement in (f"UPDATE {book} SET {change}", f"DELETE FROM {book}"):
            with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
                session.execute(text(statement))
        with database.read() as session:
            assert session.execute(text(f"SELECT * FROM {book}")).all() == before


# ------------------------------------------------------------------------------------------------------- constraints
def test_a_reader_cannot_write_on_postgresql_and_leaves_nothing_on_sqlite(database):
    house = a_house(database)
    statement = text("UPDATE office SET name = 'X'")
    with database.read() as session:
        if database.is_sqlite:
            session.execute(statement)
        else:
            with pytest.raises(DBAPIError, match="read-only"):
                session.execute(statement)
    with database.read() as session:
        assert session.scalar(text("SELECT name FROM office")) == "Bưu cục thử UM"
    assert house.database is database


def _staff(**changed):
    wanted = {"role": "postman", "office": "(SELECT id FROM office LIMIT 1)", "agency": "NULL", **changed}
    return f"""UPDATE staff SET role = '{wanted["role"]}', office_id = {wanted["office"]}, agency_id = {wanted["agency"]}"""


@pytest.mark.parametrize(
    "statement",
    [
        _staff(role="citizen"),
        _staff(role="king"),
        _staff(office="NULL"),
        _staff(role="admin"),
        _staff(role="agency", office="NULL"),
        "UPDATE item SET state = 'somewhere'",
        "UPDATE item SET direction = 'sideways'",
        "UPDATE item SET custody = 'postman'",
        "UPDATE item SET custody_holder = (SELECT id FROM staff LIMIT 1)",
        "UPDATE item SET lat = 9.1, lon = NULL",
        "UPDATE item SET priority = 101",
        "UPDATE item SET wanted_from = 27000",
        "UPDATE item SET barcode = NULL",
        "UPDATE charge SET amount_dong = -1",
        "UPDATE charge SET amount_dong = 1000000000001",
        "UPDATE charge SET kind = 'tip'",
        "UPDATE postman SET shift_start = 61201",
        "UPDATE postman SET cash_limit_dong = -1",
        "DELETE FROM office",
        "DELETE FROM item",
    ],
)
def test_a_row_that_makes_no_sense_is_refused_by_the_database(constrained, statement):
    with pytest.raises(IntegrityError), constrained.write() as session:
        session.execute(text(statement))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], scope="module")
def constrained(request, tmp_path_factory):
    """One filled database for all refusals: none of them changes it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('constrained') / 'courier.db'}"
        database = open_database(url)
        migrate(database)
    else:
        server = request.getfixturevalue("postgres_server")
        name = f"constrained_{uuid7().hex}"
        with at_the_server(server) as admin:
            admin.execute(text(f"CREATE DATABASE {name}"))
        database = open_database(server.set(database=name).render_as_string(hide_password=False))
        migrate(database)
    house = a_house(database)
    house.item()
    yield database
    database.close()
    if request.param != "sqlite":
        with at_the_server(server) as admin:
            admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def at_the_server(url) -> Iterator[Connection]:
    """A connection outside any transaction, given back with its engine."""
    opened = open_database(url.render_as_string(hide_password=False))
    with opened.engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")
    opened.close()


def test_a_phones_number_is_used_once_in_the_book(database):
    house = a_house(database)
    item = house.item()
    phone = Phone(house, house.postmen[0])
    phone.send(phone.event("taken_out", [item], 1))
    with database.read() as session:
        row = session.scalars(select(ItemEvent).where(ItemEvent.device_id.is_not(None))).one()
        values = {column.name: getattr(row, column.name) for column in ItemEvent.__table__.columns}
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(ItemEvent(**{**values, "id": uuid7(), "type": EventType.LOST.value}))
