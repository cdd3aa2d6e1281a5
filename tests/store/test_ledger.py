"""The ledger's rules as the database keeps them: attacked by hand, by a state machine and by several threads, on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from courier.domain.money import Line, Posting
from courier.store import ledger
from courier.store.session import Database, open_database
from courier.store.tables import LedgerEntry, LedgerTx, Remittance
from tests.builders import DAY, House, a_house, clock
from tests.examples import examples

MOST = 10**12


@pytest.fixture
def house(database):
    return a_house(database)


def pocket(house: House, postman: int = 0, day: date = DAY) -> str:
    return f"cash:{house.postmen[postman].id}:{day.isoformat()}"


def post(
    house: House, *lines: tuple[str, int], key: str | None = None, day: date = DAY, reverses: UUID | None = None
) -> UUID:
    posting = Posting("test", day, tuple(Line(account, amount) for account, amount in lines))
    with house.database.write() as session:
        return ledger.post(
            session, posting, key=key or str(uuid7()), office_id=house.office_id, at=clock(600), reverses=reverses
        )


def close_the_day(house: House, postman: int = 0, day: date = DAY, *, expected: int = 0) -> None:
    with house.database.write() as session:
        session.add(
            Remittance(
                id=uuid7(),
                postman_id=house.postmen[postman].id,
                day=day,
                office_id=house.office_id,
                expected_dong=expected,
                counted_dong=expected,
                counted={},
                difference_reason=None,
                tx_id=None,
                closed_by=house.cashier.id,
                closed_at=clock(700),
            )
        )


def run(database: Database, *statements: str, **values) -> None:
    """Raw SQL in one transaction, as somebody with a console would write it."""
    for name, value in values.items():
        values[name] = str(value) if database.is_sqlite and isinstance(value, UUID | date) else value
    with database.write() as session:
        for statement in statements:
            session.execute(text(statement), {k: v for k, v in values.items() if f":{k}" in statement})


def everything(database: Database) -> tuple:
    with database.read() as session:
        txs = session.execute(
            select(LedgerTx.id, LedgerTx.key, LedgerTx.lines, LedgerTx.day).order_by(LedgerTx.id)
        ).all()
        lines = session.execute(
            select(LedgerEntry.tx_id, LedgerEntry.line, LedgerEntry.account, LedgerEntry.amount_dong).order_by(
                LedgerEntry.tx_id, LedgerEntry.line
            )
        ).all()
    return txs, lines


def refused(house: House, what: str, *statements: str, **values) -> None:
    before = everything(house.database)
    with pytest.raises(DBAPIError, match=what):
        run(house.database, *statements, **values)
    assert everything(house.database) == before


LINE = "INSERT INTO ledger_entry (tx_id, line, account, amount_dong) VALUES (:tx, {line}, {account}, {amount})"
TX = """INSERT INTO ledger_tx (id, key, kind, day, office_id, lines, posted_at)
        VALUES (:tx, :key, 'attack', :day, :office, {lines}, {now})"""


def attack(
    house: House, *lines: tuple[str, object], count: int | None = None, key: str = "attack"
) -> tuple[list[str], dict]:
    """The statements of a whole posting by hand, lines first."""
    now = "0" if house.database.is_sqlite else "now()"
    statements = [LINE.format(line=n, account=f"'{a}'", amount=v) for n, (a, v) in enumerate(lines, 1)]
    statements.append(TX.format(lines=len(lines) if count is None else count, now=now))
    return statements, {"tx": uuid7(), "key": key, "day": DAY, "office": house.office_id}


# ------------------------------------------------------------------------------------------------------- what stands
def test_a_balanced_posting_stands_and_adds_up(house):
    post(house, ("till:x", 5_000), ("suspense:x", -3_000), ("over_short:x", -2_000))
    post(house, ("till:x", 1_000), ("suspense:x", -1_000))
    assert house.balances() == {"till:x": 6_000, "suspense:x": -4_000, "over_short:x": -2_000}
    assert house.balances("till:") == {"till:x": 6_000}
    with house.database.read() as session:
        assert ledger.balance(session, "till:x") == 6_000
        assert ledger.balance(session, "nowhere") == 0


def test_the_same_attack_without_a_fault_is_accepted_so_the_others_fail_for_their_fault(house):
    statements, values = attack(house, ("till:x", 500), ("suspense:x", -500))
    run(house.database, *statements, **values)
    assert house.balances() == {"till:x": 500, "suspense:x": -500}


def test_a_key_posts_once_and_gives_the_same_transaction_again(house):
    first = post(house, ("till:x", 5), ("suspense:x", -5), key="k")
    assert post(house, ("till:x", 5), ("suspense:x", -5), key="k") == first
    assert house.balances("till:") == {"till:x": 5}


def test_what_is_rolled_back_was_never_posted(house):
    posting = Posting("test", DAY, (Line("till:x", 5), Line("suspense:x", -5)))
    with pytest.raises(ZeroDivisionError), house.database.write() as session:  # noqa: PT012 (the transaction is the point)
        ledger.post(session, posting, key="k", office_id=house.office_id, at=clock(600))
        1 / 0  # noqa: B018
    assert everything(house.database) == ([], [])


def test_a_percent_sign_in_an_account_is_a_letter_and_not_a_pattern(house):
    post(house, ("a%b:1", 5), ("axb:1", -5))
    assert house.balances("a%") == {"a%b:1": 5}


# ------------------------------------------------------------------------------------------------- attacks by hand
def test_a_posting_that_does_not_sum_to_zero_is_refused(house):
    statements, values = attack(house, ("till:x", 500), ("suspense:x", -499))
    refused(house, "does not sum to zero", *statements, **values)


@pytest.mark.parametrize("count", [1, 3])
def test_a_posting_with_another_number_of_lines_than_it_says_is_refused(house, count):
    statements, values = attack(house, ("till:x", 500), ("suspense:x", -500), count=count)
    refused(house, "lines", *statements, **values)


def test_a_posting_of_one_line_or_none_is_refused(house):
    statements, values = attack(house, count=0)
    refused(house, "lines", *statements, **values)


def test_a_line_of_zero_is_refused(house):
    statements, values = attack(house, ("till:x", 500), ("suspense:x", -500), ("bank:x", 0))
    refused(house, "not_zero", *statements, **values)


def test_an_amount_beyond_a_thousand_billion_is_refused(house):
    statements, values = attack(house, ("till:x", MOST + 1), ("suspense:x", -MOST - 1))
    refused(house, "amount", *statements, **values)


def test_no_fraction_of_a_dong_is_ever_stored(house):
    """SQLite's strict table refuses it; PostgreSQL rounds a literal to whole dong before the rules look at it."""
    statements, values = attack(house, ("till:x", 1.5), ("suspense:x", -1.5))
    if house.database.is_sqlite:
        refused(house, "INTEGER|REAL", *statements, **values)
    else:
        run(house.database, *statements, **values)
        assert house.balances() == {"till:x": 2, "suspense:x": -2}


def test_fractions_that_no_longer_balance_when_rounded_are_refused(house):
    statements, values = attack(house, ("till:x", 1.2), ("suspense:x", -0.6), ("bank:x", -0.6))
    refused(house, r"INTEGER|REAL|does not sum to zero", *statements, **values)


@pytest.mark.parametrize("amount", ["'500'", "'five'", "NULL", "9223372036854775808", "'NaN'", "1e400"])
def test_an_amount_that_is_no_whole_number_never_becomes_one_by_surprise(house, amount):
    statements, values = attack(house, ("till:x", amount), ("suspense:x", -500))
    if amount == "'500'":
        run(house.database, *statements, **values)
        assert house.balances("till:") == {"till:x": 500}
    else:
        refused(house, ".", *statements, **values)


def test_lines_without_a_transaction_are_refused_at_the_commit(house):
    statements, values = attack(house, ("till:x", 500), ("suspense:x", -500))
    refused(house, "(?i)foreign key", *statements[:-1], **values)


def test_a_late_line_is_refused(house):
    tx = post(house, ("till:x", 500), ("suspense:x", -500))
    refused(house, "sealed", LINE.format(line=3, account="'till:x'", amount=7), tx=tx)
    refused(
        house,
        "sealed",
        LINE.format(line=3, account="'till:x'", amount=7),
        LINE.format(line=4, account="'bank:x'", amount=-7),
        tx=tx,
    )


def test_a_line_written_after_its_transaction_in_the_same_breath_is_refused(house):
    statements, values = attack(house, ("till:x", 500), ("suspense:x", -500))
    refused(house, "sealed", *statements, LINE.format(line=3, account="'till:x'", amount=7), **values)


CHANGES = [
    "UPDATE ledger_entry SET amount_dong = amount_dong * 2",
    "UPDATE ledger_entry SET account = 'till:thief' WHERE amount_dong > 0",
    "UPDATE ledger_tx SET day = :day",
    "UPDATE ledger_tx SET lines = 3",
    "UPDATE ledger_tx SET reverses = NULL",
    "DELETE FROM ledger_entry",
    "DELETE FROM ledger_tx",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_what_is_posted_is_never_changed_or_removed(house, statement):
    post(house, ("till:x", 500), ("suspense:x", -500))
    refused(house, "append-only", statement, day=DAY + timedelta(days=1))


@pytest.mark.parametrize(
    "table", ["ledger_entry", "ledger_tx", "event", "event_item", "audit_entry", "remittance", "dossier_step"]
)
@pytest.mark.postgres
def test_no_book_can_be_emptied(postgres_database, table):
    house = a_house(postgres_database)
    post(house, ("till:x", 500), ("suspense:x", -500))
    refused(house, "append-only", f"TRUNCATE {table} CASCADE")


REPLACING = [
    "INSERT OR REPLACE INTO ledger_entry (tx_id, line, account, amount_dong) VALUES (:tx, 1, 'till:x', 9)",
    "INSERT OR IGNORE INTO ledger_entry (tx_id, line, account, amount_dong) VALUES (:tx, 3, 'till:x', 9)",
    "INSERT OR REPLACE INTO ledger_tx SELECT * FROM ledger_tx WHERE id = :tx",
    "INSERT INTO ledger_entry (tx_id, line, account, amount_dong) VALUES (:tx, 1, 'till:x', 9) ON CONFLICT DO UPDATE SET amount_dong = 9",
    "UPDATE OR REPLACE ledger_entry SET line = 2 WHERE line = 1",
    "REPLACE INTO ledger_entry (tx_id, line, account, amount_dong) VALUES (:tx, 2, 'till:x', 9)",
]


@pytest.mark.parametrize("statement", REPLACING)
def test_replacing_is_changing(sqlite_database, statement):
    house = a_house(sqlite_database)
    tx = post(house, ("till:x", 500), ("suspense:x", -500))
    refused(house, "append-only|sealed|lines", statement, tx=tx)


def test_replacing_a_transaction_and_its_lines_through_their_keys_is_refused(sqlite_database):
    """A REPLACE deletes by every unique key, also where the statement names another row."""
    house = a_house(sqlite_database)
    post(house, ("till:x", 500), ("suspense:x", -500), key="k")
    statements, values = attack(house, ("till:x", 1), ("suspense:x", -1), key="k")
    statements[-1] = statements[-1].replace("INSERT INTO", "INSERT OR REPLACE INTO")
    refused(house, "append-only", *statements, **values)


@pytest.mark.postgres
def test_an_upsert_is_changing(postgres_database):
    house = a_house(postgres_database)
    tx = post(house, ("till:x", 500), ("suspense:x", -500))
    refused(
        house,
        "append-only|sealed",
        "INSERT INTO ledger_entry (tx_id, line, account, amount_dong) VALUES (:tx, 1, 'till:x', 9) "
        "ON CONFLICT (tx_id, line) DO UPDATE SET amount_dong = 9",
        tx=tx,
    )


@pytest.mark.postgres
def test_a_line_slipped_in_by_another_session_before_the_commit_is_found_at_the_commit(postgres_database):
    house = a_house(postgres_database)
    posting = Posting("test", DAY, (Line("till:x", 500), Line("suspense:x", -500)))
    posted, slipped = threading.Event(), threading.Event()
    ids: list[UUID] = []

    def honest():
        with house.database.write() as session:
            ids.append(ledger.post(session, posting, key="k", office_id=house.office_id, at=clock(600)))
            posted.set()
            assert slipped.wait(20)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(honest)
        assert posted.wait(20)
        with pytest.raises(DBAPIError, match=r"sealed|foreign key"), house.database.write() as session:  # noqa: PT012
            session.execute(text(LINE.format(line=3, account="'till:x'", amount=7)), {"tx": ids[0]})
            slipped.set()
            done.result(20)
    assert house.balances("till:") == {"till:x": 500}


# --------------------------------------------------------------------------------------------- pockets and closed days
def test_a_pocket_is_never_overdrawn(house):
    post(house, (pocket(house), 500), ("suspense:x", -500))
    statements, values = attack(house, (pocket(house), -501), ("till:x", 501))
    refused(house, "overdrawn", *statements, **values)
    post(house, (pocket(house), -500), ("till:x", 500))


def test_two_lines_together_do_not_overdraw_what_neither_does_alone(house):
    post(house, (pocket(house), 500), ("suspense:x", -500))
    statements, values = attack(house, (pocket(house), -300), (pocket(house), -300), ("till:x", 600))
    refused(house, "overdrawn", *statements, **values)


def test_one_postmans_notes_do_not_cover_anothers(house):
    post(house, (pocket(house, 0), 500), ("suspense:x", -500))
    statements, values = attack(house, (pocket(house, 1), -100), ("till:x", 100))
    refused(house, "overdrawn", *statements, **values)


def test_other_accounts_may_be_on_either_side(house):
    post(house, ("suspense:x", -500), ("claimed:y:2026-11-25", 500))
    post(house, ("claimed:y:2026-11-25", -700), ("bank:x", 700))
    assert house.balances("claimed:") == {"claimed:y:2026-11-25": -200}


@pytest.mark.parametrize("amount", [1, -1])
def test_a_closed_day_takes_no_posting(house, amount):
    post(house, (pocket(house), 500), ("suspense:x", -500))
    post(house, (pocket(house), -500), ("till:x", 500))
    close_the_day(house, expected=500)
    statements, values = attack(house, (pocket(house), amount), ("till:x", -amount))
    refused(house, "closed|overdrawn", *statements, **values)
    statements, values = attack(house, (pocket(house), 5), (pocket(house), -5))
    refused(house, "closed", *statements, **values)
    post(house, (pocket(house, day=DAY + timedelta(days=1)), 1), ("suspense:x", -1))
    post(house, (pocket(house, 1), 1), ("suspense:x", -1))


def test_a_day_is_closed_once_and_stays_closed(house):
    close_the_day(house)
    with pytest.raises(DBAPIError):
        close_the_day(house)
    refused(house, "append-only", "DELETE FROM remittance")
    refused(house, "append-only", "UPDATE remittance SET day = :day", day=DAY + timedelta(days=1))


def test_a_day_does_not_close_over_notes_that_nobody_counted(house):
    post(house, (pocket(house), 500), ("suspense:x", -500))
    with pytest.raises(DBAPIError, match="the pocket is not empty"):
        close_the_day(house, expected=500)
    post(house, (pocket(house), -500), ("till:x", 500))
    close_the_day(house, expected=500)


@pytest.mark.parametrize(
    ("expected", "counted", "reason"), [(500, 499, None), (500, 501, None), (500, 400, ""), (-1, -1, None)]
)
def test_a_difference_has_an_owner(house, expected, counted, reason):
    with pytest.raises(DBAPIError), house.database.write() as session:
        session.add(
            Remittance(
                id=uuid7(),
                postman_id=house.postmen[0].id,
                day=DAY,
                office_id=house.office_id,
                expected_dong=expected,
                counted_dong=counted,
                counted={},
                difference_reason=reason,
                tx_id=None,
                closed_by=house.cashier.id,
                closed_at=clock(700),
            )
        )


# ------------------------------------------------------------------------------------------------------- reversals
def test_a_transaction_is_reversed_once(house):
    tx = post(house, ("till:x", 500), ("suspense:x", -500))
    post(house, ("till:x", -500), ("suspense:x", 500), reverses=tx)
    with pytest.raises(DBAPIError, match=r"(?i)unique|duplicate"):
        post(house, ("till:x", -500), ("suspense:x", 500), reverses=tx)
    assert house.balances() == {}


def test_a_reversal_is_not_reversed(house):
    tx = post(house, ("till:x", 500), ("suspense:x", -500))
    back = post(house, ("till:x", -500), ("suspense:x", 500), reverses=tx)
    with pytest.raises(DBAPIError, match="a reversal is not reversed"):
        post(house, ("till:x", 500), ("suspense:x", -500), reverses=back)


def test_nothing_that_does_not_exist_is_reversed(house):
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        post(house, ("till:x", 5), ("suspense:x", -5), reverses=uuid7())


# ------------------------------------------------------------------------------------------------- many at once
def test_many_threads_post_to_one_pocket_and_not_a_dong_is_lost(house):
    account = pocket(house)

    def one(n: int) -> None:
        post(house, (account, 1_000 + n), ("suspense:x", -1_000 - n), key=f"k{n}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(40)))
    assert house.balances() == {account: 40_000 + sum(range(40)), "suspense:x": -40_000 - sum(range(40))}


def test_of_many_who_empty_one_pocket_at_once_only_as_many_succeed_as_there_is_money(house):
    account = pocket(house)
    post(house, (account, 1_000), ("suspense:x", -1_000))
    together = threading.Barrier(8)

    def take(n: int) -> bool:
        together.wait(20)
        try:
            post(house, (account, -300), ("till:x", 300), key=f"take{n}")
        except DBAPIError as why:
            assert "overdrawn" in str(why)  # noqa: PT017 (the count below says how many must fail)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = sum(pool.map(take, range(8)))
    assert won == 3
    assert house.balances("cash:") == {account: 100}


def test_of_many_who_post_one_key_at_once_one_posts(house):
    together = threading.Barrier(6)

    def same(_: int) -> UUID | None:
        together.wait(20)
        try:
            return post(house, ("till:x", 5), ("suspense:x", -5), key="the same")
        except DBAPIError:
            return None

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(same, range(6))) - {None}
    assert len(ids) == 1
    assert house.balances("till:") == {"till:x": 5}
    assert post(house, ("till:x", 5), ("suspense:x", -5), key="the same") in ids


def test_a_day_closed_while_others_post_to_it_is_whole_one_way_or_the_other(house):
    """Whoever posts in time is in what was counted; whoever comes too late is told, and no note is left in a closed pocket."""
    account = pocket(house)
    together = threading.Barrier(5)

    def take(n: int) -> int:
        together.wait(20)
        for k in range(5):
            try:
                post(house, (account, 10), ("suspense:x", -10), key=f"{n}.{k}")
            except DBAPIError as why:
                assert "closed" in str(why)  # noqa: PT017 (nothing else may go wrong)
                return k * 10
        return 50

    def close() -> int:
        together.wait(20)
        with house.database.write() as session:
            ledger.hold(session, account)
            held = ledger.balance(session, account)
            if held:
                lines = (Line(account, -held), Line("till:x", held))
                ledger.post(
                    session, Posting("remittance", DAY, lines), key="r", office_id=house.office_id, at=clock(700)
                )
            session.add(
                Remittance(
                    id=uuid7(),
                    postman_id=house.postmen[0].id,
                    day=DAY,
                    office_id=house.office_id,
                    expected_dong=held,
                    counted_dong=held,
                    counted={},
                    difference_reason=None,
                    tx_id=None,
                    closed_by=house.cashier.id,
                    closed_at=clock(700),
                )
            )
        return held

    with ThreadPoolExecutor(5) as pool:
        closing = pool.submit(close)
        taken = sum(pool.map(take, range(4)))
        counted = closing.result()
    assert counted == taken
    assert house.balances("cash:") == {}
    assert house.balances("till:") == ({"till:x": counted} if counted else {})


# ----------------------------------------------------------------------------------------------- against a plain dict
class Books(RuleBasedStateMachine):
    """Random postings, replays, reversals, closings and attacks; a dict and a set say what must stand afterwards."""

    url: ClassVar[str] = ""

    @initialize()
    def begin(self):
        self.database = open_database(self.url)
        self.house = a_house(self.database, code=f"L{uuid7().hex[:12]}")
        self.accounts: dict[str, int] = {}
        self.by_key: dict[str, tuple[UUID, tuple]] = {}
        self.reversed: set[UUID] = set()
        self.reversals: set[UUID] = set()
        self.closed: set[str] = set()
        mine = str(self.house.office_id)
        self.plain = [f"till:{mine}", f"suspense:{mine}", f"payable:{mine}"]
        self.pockets = [pocket(self.house, n, DAY + timedelta(days=d)) for n in (0, 1) for d in (0, 1)]

    def teardown(self):
        if hasattr(self, "database"):
            self.database.close()

    def _stands(self, lines) -> bool:
        after = dict(self.accounts)
        for account, amount in lines:
            after[account] = after.get(account, 0) + amount
        touched = {account for account, _ in lines if account.startswith("cash:")}
        return not touched & self.closed and all(after[account] >= 0 for account in touched)

    def _write(self, key: str, lines, *, reverses=None) -> UUID | None:
        try:
            tx = post(self.house, *lines, key=key, reverses=reverses)
        except DBAPIError:
            return None
        for account, amount in lines:
            self.accounts[account] = self.accounts.get(account, 0) + amount
        self.by_key[key] = (tx, tuple(lines))
        return tx

    @rule(data=st.data(), amount=st.integers(1, 1_000), out=st.booleans())
    def money_moves(self, data, amount, out):
        purse = data.draw(st.sampled_from(self.pockets))
        other = data.draw(st.sampled_from(self.plain))
        lines = [(purse, -amount if out else amount), (other, amount if out else -amount)]
        wanted = self._stands(lines)
        assert (self._write(f"{uuid7()}", lines) is not None) == wanted

    @rule(data=st.data(), amounts=st.lists(st.integers(-500, 500).filter(bool), min_size=1, max_size=4))
    def anything_among_plain_accounts(self, data, amounts):
        rest = -sum(amounts)
        amounts = [*amounts, rest] if rest else [*amounts, 7, -7]
        lines = [(data.draw(st.sampled_from(self.plain)), amount) for amount in amounts]
        assert self._write(f"{uuid7()}", lines) is not None

    @precondition(lambda self: self.by_key)
    @rule(data=st.data())
    def a_replay_changes_nothing(self, data):
        key = data.draw(st.sampled_from(sorted(self.by_key)))
        tx, lines = self.by_key[key]
        assert post(self.house, *lines, key=key) == tx

    @precondition(lambda self: self.by_key)
    @rule(data=st.data())
    def a_reversal_stands_once_and_is_not_reversed(self, data):
        key = data.draw(st.sampled_from(sorted(self.by_key)))
        tx, lines = self.by_key[key]
        turned = [(account, -amount) for account, amount in lines]
        wanted = tx not in self.reversed and tx not in self.reversals and self._stands(turned)
        back = self._write(f"{uuid7()}", turned, reverses=tx)
        assert (back is not None) == wanted
        if back is not None:
            self.reversed.add(tx)
            self.reversals.add(back)

    @rule(data=st.data())
    def a_day_is_closed(self, data):
        purse = data.draw(st.sampled_from(self.pockets))
        held = self.accounts.get(purse, 0)
        if purse in self.closed:
            return
        if held:
            assert self._write(f"{uuid7()}", [(purse, -held), (self.plain[0], held)]) is not None
        _, postman, day = purse.split(":", 2)
        place = [str(p.id) for p in self.house.postmen].index(postman)
        close_the_day(self.house, place, date.fromisoformat(day), expected=held)
        self.closed.add(purse)

    @rule(
        data=st.data(),
        how=st.sampled_from(
            ["update", "delete", "unbalanced", "count", "late", "overdrawn", "giant", "zero", "orphan", "tx", "replace"]
        ),
    )
    def an_attack_is_refused(self, data, how):
        a, b = self.plain[:2]
        lines, count = [(a, 5), (b, -5)], None
        values = {"tx": uuid7(), "key": f"{uuid7()}", "day": DAY, "office": self.house.office_id}
        if how in ("update", "delete", "late", "tx", "replace"):
            if not self.by_key:
                return
            values["tx"] = self.by_key[data.draw(st.sampled_from(sorted(self.by_key)))][0]
        if how == "unbalanced":
            lines = [(a, 5), (b, -4)]
        elif how == "count":
            count = 3
        elif how == "overdrawn":
            purse = data.draw(st.sampled_from(self.pockets))
            lines = [(purse, -self.accounts.get(purse, 0) - 1), (a, self.accounts.get(purse, 0) + 1)]
        elif how == "giant":
            lines = [(a, MOST + 1), (b, -MOST - 1)]
        elif how == "zero":
            lines = [(a, 5), (b, -5), (b, 0)]
        statements, whole = attack(self.house, *lines, count=count, key=values["key"])
        if how == "orphan":
            statements = statements[:-1]
        alone = {
            "update": "UPDATE ledger_entry SET amount_dong = amount_dong + 1 WHERE tx_id = :tx",
            "delete": "DELETE FROM ledger_entry WHERE tx_id = :tx",
            "tx": "DELETE FROM ledger_tx WHERE id = :tx",
            "late": LINE.format(line=99, account=f"'{a}'", amount=5),
            "replace": LINE.format(line=1, account=f"'{a}'", amount=5).replace(
                "INSERT", "INSERT OR REPLACE" if self.database.is_sqlite else "INSERT"
            )
            + ("" if self.database.is_sqlite else " ON CONFLICT (tx_id, line) DO UPDATE SET amount_dong = 5"),
        }
        statements, values = ([alone[how]], {"tx": values["tx"]}) if how in alone else (statements, whole)
        with pytest.raises(DBAPIError):
            run(self.database, *statements, **values)

    @invariant()
    def the_books_are_as_the_dict_says(self):
        if not hasattr(self, "house"):
            return
        with self.database.read() as session:
            rows = session.execute(
                select(LedgerEntry.account, func.sum(LedgerEntry.amount_dong))
                .join(LedgerTx, LedgerTx.id == LedgerEntry.tx_id)
                .where(LedgerTx.office_id == self.house.office_id)
                .group_by(LedgerEntry.account)
            ).all()
            uneven = session.execute(
                select(LedgerEntry.tx_id).group_by(LedgerEntry.tx_id).having(func.sum(LedgerEntry.amount_dong) != 0)
            ).all()
        assert {account: int(total) for account, total in rows if total} == {
            k: v for k, v in self.accounts.items() if v
        }
        assert uneven == []
        assert sum(self.accounts.values()) == 0
        assert all(v >= 0 for k, v in self.accounts.items() if k.startswith("cash:"))


def test_random_postings_and_attacks_leave_what_a_plain_dict_says(database_url):
    machine = type("BooksHere", (Books,), {"url": database_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(5, of=15),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
