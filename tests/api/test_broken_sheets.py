"""Broken spreadsheets are answered clearly: a small set here, `python -m tests.faults.sheets` sends 300 to a real server."""

import random

import pytest

from courier.store.tables import Office
from tests.faults.sheets import KINDS, File, files, try_file

HEAVY = {"a million rows", "a million lines", "zip bombs that lie about their size", "more than ten megabytes"}
LIGHT = [name for name in KINDS if name not in HEAVY]


@pytest.fixture
def asked(town, sqlite_database):
    with sqlite_database.write() as session:
        session.get_one(Office, town.here.office_id).communes = ["32044", "32047", "32059", "32062"]

    def ask(method, path, body, media_type):
        answer = town.dispatcher.ask(method, path, data=body, content_type=media_type or None)
        return answer.status_code, answer.data

    return ask


@pytest.fixture
def database(sqlite_database):
    """Reading a file asks no database: one is enough."""
    return sqlite_database


def test_every_kind_of_damage_gets_its_answer_and_nothing_is_half_stored(asked, database):
    told = [
        try_file(asked, database, file, dry_run=number % 2 == 1)
        for number, file in enumerate(files(random.Random(1), len(KINDS)))
        if file.kind in LIGHT
    ]
    assert len(told) >= 25
    assert [(one.file.kind, one.wrong) for one in told if one.wrong] == []


def test_the_judge_sees_what_is_wrong(asked, database):
    """A file that is taken in although its kind says it must not be, and one that nobody understands."""
    whole = next(file for file in files(random.Random(2), len(KINDS)) if file.kind == "hostile names")
    (wrong,) = try_file(
        asked, database, File("x", whole.name, whole.content, frozenset(["old-excel"])), dry_run=False
    ).wrong
    assert "not one of ['old-excel']" in wrong
    assert try_file(lambda *_: (500, b"{}"), database, whole, dry_run=False).wrong[0].startswith("status 500")
