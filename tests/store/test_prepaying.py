"""Paying before the visit: the ledger after every turn is the one that a second, naive book of our own comes to."""

import random
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from courier import cashdesk, handover, incidents, prepaying
from courier.domain.errors import Invalid, Missing, Refused
from courier.domain.item import EventType
from courier.settings import DEMO_ACCOUNT
from courier.store import ledger
from courier.store.bag import bag_of
from courier.store.tables import BankNotice, Incident, Item, ItemCharge, LedgerEntry, PaymentOrder
from tests.builders import DAY, MORNING, Phone, a_house, clock, done_right, paying, the_facts

AGENCY, POST, TREASURY = "agency:PC08", "post", "treasury"
CHARGES = (
    ("state_fee", AGENCY, 135_000),
    ("postage", POST, 30_000),
    ("fine", TREASURY, 800_000),
    ("postage", POST, 5_000),
)


@pytest.fixture
def house(database):
    house = a_house(database)
    house.desk = replace(house.desk, settings=SimpleNamespace(bank=DEMO_ACCOUNT))
    return house


def ask(house, item, payee, *, at=MORNING):
    return prepaying.ask(house.desk, item, payee=payee, at=at)


def note(house, order, amount=None, *, reference=None, purpose=None, at=MORNING):
    note.count += 1
    return prepaying.note(
        house.desk,
        house.cashier,
        reference=reference or f"FT{note.count:06d}",
        amount_dong=amount or order.amount_dong,
        purpose=purpose or f"MBVCB.1.{order.purpose}.CT tu 0011",
        booked_on=DAY,
        at=at,
    )


note.count = 0


def handed_over(house, item, *, cash, minutes=10, at=None):
    phone = Phone(house, house.postmen[0])
    taken = phone.event("taken_out", [item], minutes - 5)
    collections = [(charge, charge.amount_dong) for charge in house.charges(item)] if cash else []
    act = phone.event("handed_over", [item], minutes, **done_right(paying(*collections)))
    phone.send(taken, at=clock(minutes - 4))
    return lambda: phone.send(act, at=at or clock(600))


def open_incidents(house):
    found = incidents.board(house.desk, house.cashier, at=clock(700))
    return sorted(one.row.code for one in found)


def total(database):
    with database.read() as session:
        return session.scalar(select(func.sum(LedgerEntry.amount_dong)))


# ------------------------------------------------------------------------------------------------------- what is shown
def test_each_payee_is_asked_for_alone_and_the_same_again_while_the_same_is_owed(house, database):
    item = house.item(charges=CHARGES)
    dues = {due.payee: due.amount_dong for due in prepaying.ahead(house.desk, item).dues}
    assert dues == {AGENCY: 135_000, POST: 35_000, TREASURY: 800_000}
    orders = {payee: ask(house, item, payee) for payee in dues}
    assert {payee: order.amount_dong for payee, order in orders.items()} == dues
    assert len({order.purpose for order in orders.values()}) == 3
    assert {payee: ask(house, item, payee).purpose for payee in dues} == {p: o.purpose for p, o in orders.items()}
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(PaymentOrder)) == 3
    shown = orders[TREASURY]
    assert str(shown.amount_dong) in shown.payload
    assert shown.purpose in shown.payload
    assert len(shown.purpose) <= 25


def test_a_code_on_a_screen_is_no_payment(house):
    item = house.item(charges=CHARGES)
    before = house.balances()
    ask(house, item, POST)
    assert house.balances() == before
    assert prepaying.ahead(house.desk, item).notices == []


def test_nobody_is_asked_for_what_is_not_owed_or_where_there_is_no_account(house):
    item = house.item(charges=CHARGES)
    with pytest.raises(Refused, match="nothing-due"):
        ask(house, item, "agency:PC99")
    house.desk = replace(house.desk, settings=SimpleNamespace(bank=None))
    assert not prepaying.ahead(house.desk, item).may_pay
    with pytest.raises(Refused, match="no-account"):
        ask(house, item, POST)


# ------------------------------------------------------------------------------------------------------ what arrived
def test_a_transfer_to_the_dong_settles_its_payee_and_nobody_elses(house, database):
    item = house.item(charges=CHARGES)
    noted = note(house, ask(house, item, POST))
    assert (noted.row.outcome, noted.payee, noted.sentence) == ("paid", POST, None)
    assert house.balances() == {
        f"bank:{house.office_id}": 35_000,
        f"receivable:{item}": 935_000,
        f"due:{AGENCY}": -135_000,
        f"due:{TREASURY}": -800_000,
        f"payable:{POST}": -35_000,
    }
    assert total(database) == 0
    assert {due.payee for due in prepaying.ahead(house.desk, item).dues} == {AGENCY, TREASURY}
    assert cashdesk.payables(house.desk, house.cashier) == {POST: 35_000}


@pytest.mark.parametrize(("amount", "outcome"), [(35_001, "over"), (34_999, "under")])
def test_another_amount_waits_in_suspense_with_the_cashier_and_everything_is_still_owed(house, amount, outcome):
    item = house.item(charges=CHARGES)
    noted = note(house, ask(house, item, POST), amount)
    assert noted.row.outcome == outcome
    assert house.balances()[f"suspense:{house.office_id}"] == -amount
    assert house.balances()[f"receivable:{item}"] == 970_000
    assert open_incidents(house) == [f"transfer-{outcome}"]
    assert f"{amount:,}".replace(",", ".") in noted.sentence


def test_the_same_line_of_the_statement_twice_is_one_transfer(house, database):
    order = ask(house, house.item(charges=CHARGES), POST)
    first = note(house, order, reference="FT-A")
    assert note(house, order, reference="FT-A").row.id == first.row.id
    with pytest.raises(Refused, match="same-id-other-content"):
        note(house, order, 1, reference="FT-A")
    assert house.balances()[f"bank:{house.office_id}"] == 35_000


def test_a_second_transfer_of_the_same_order_is_a_duplicate(house):
    order = ask(house, house.item(charges=CHARGES), POST)
    note(house, order)
    assert note(house, order).row.outcome == "duplicate"
    assert house.balances()[f"suspense:{house.office_id}"] == -35_000


def test_a_text_that_names_nothing_or_two_orders_is_nobodys_and_a_postmans_is_confirmed_elsewhere(house):
    item = house.item(charges=CHARGES)
    one, two = ask(house, item, POST), ask(house, item, AGENCY)
    assert note(house, one, purpose="Chuyen tien").row.outcome == "unknown"
    assert note(house, one, purpose=f"{one.purpose} {two.purpose}").row.outcome == "unknown"
    with pytest.raises(Refused, match="a-postmans-transfer"):
        note(house, one, purpose="BT7 12A RE123456789VN")


@pytest.mark.parametrize(
    "wrong", [{"amount_dong": 0}, {"amount_dong": 10**12 + 1}, {"reference": "a b"}, {"reference": ""}, {"purpose": "x" * 201},
              {"booked_on": DAY + timedelta(days=1)}],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_not_taken(house, wrong):
    line = {"reference": "FT1", "amount_dong": 1, "purpose": "x", "booked_on": DAY} | wrong
    with pytest.raises(Invalid):
        prepaying.note(house.desk, house.cashier, **line, at=MORNING)


def test_another_office_neither_takes_the_money_nor_gives_it_back(house, database):
    other = a_house(database, code="CN", agency_code="PC06")
    order = ask(house, house.item(charges=CHARGES), POST)
    with pytest.raises(Refused, match="other-office"):
        prepaying.note(
            other.desk,
            other.cashier,
            reference="FTX",
            amount_dong=35_000,
            purpose=order.purpose,
            booked_on=DAY,
            at=MORNING,
        )
    noted = note(house, order)
    with pytest.raises(Missing):
        prepaying.refund(other.desk, other.cashier, noted.row.id, at=MORNING)
    assert prepaying.noted(other.desk, other.cashier) == []


# -------------------------------------------------------------------------------------------------------- at the door
def pay_all(house, item):
    for payee in (AGENCY, POST, TREASURY):
        note(house, ask(house, item, payee))


def test_what_was_paid_is_not_taken_again_and_the_act_breaks_no_rule(house, database):
    item = house.item(charges=CHARGES)
    pay_all(house, item)
    found = handover.check(house.desk, house.dispatcher, item_ids=[item], data=done_right(), at=MORNING)
    assert [breach.code for breach in found if breach.about_money] == []
    handed_over(house, item, cash=False)()
    assert open_incidents(house) == []
    assert house.row(item).state == "delivered"
    assert not [account for account in house.balances() if account.startswith(("cash:", "receivable:", "suspense:"))]


def test_the_phone_of_the_postman_says_what_is_left_to_take_and_why(house, database):
    item = house.item(charges=CHARGES)
    note(house, ask(house, item, POST))
    note(house, ask(house, item, AGENCY), 1_000)
    handed_over(house, item, cash=False)
    with database.read() as session:
        bag = bag_of(session, the_facts(), house.postmen[0].id, DAY, device_id=None, bank=DEMO_ACCOUNT, at=MORNING)
    (carried,) = bag["extra"]
    assert sum(charge["amount_dong"] for charge in carried["charges"]) == 935_000
    assert {c["amount_dong"] for c in carried["charges"] if c["payee"] == POST} == {0}
    assert "Đã trả trước 35.000 đ" in carried["note"]
    assert "Có 1.000 đ chuyển khoản chưa khớp" in carried["note"]


def test_the_bank_was_first_and_the_postman_offline_took_cash_all_the_same(house, database):
    item = house.item(charges=CHARGES)
    send = handed_over(house, item, cash=True)
    pay_all(house, item)
    send()
    assert total(database) == 0
    balances = house.balances()
    pocket = f"cash:{house.postmen[0].id}:{DAY}"
    assert (balances[pocket], balances[f"suspense:{house.office_id}"], balances[f"bank:{house.office_id}"]) == (
        970_000, -970_000, 970_000,
    )  # fmt: skip
    assert -sum(dong for account, dong in balances.items() if account.startswith("payable:")) == 970_000
    assert f"receivable:{item}" not in balances
    assert set(open_incidents(house)) == {"overpaid"}
    assert prepaying.ahead(house.desk, item).paid_twice


def test_the_cash_was_first_and_the_transfer_came_late(house, database):
    item = house.item(charges=CHARGES)
    orders = [ask(house, item, payee) for payee in (AGENCY, POST, TREASURY)]
    handed_over(house, item, cash=True)()
    assert [note(house, order, at=clock(650)).row.outcome for order in orders] == ["late"] * 3
    assert total(database) == 0
    balances = house.balances()
    pocket = f"cash:{house.postmen[0].id}:{DAY}"
    assert (balances[pocket], balances[f"suspense:{house.office_id}"], balances[f"bank:{house.office_id}"]) == (
        970_000, -970_000, 970_000,
    )  # fmt: skip
    assert open_incidents(house) == ["transfer-late"] * 3


# ------------------------------------------------------------------------------------------------------------ refunds
def test_what_waits_goes_back_by_a_reversal_once(house, database):
    noted = note(house, ask(house, house.item(charges=CHARGES), POST), 40_000)
    prepaying.refund(house.desk, house.cashier, noted.row.id, at=clock(5))
    assert not [account for account in house.balances() if account.startswith(("bank:", "suspense:"))]
    assert open_incidents(house) == []
    with pytest.raises(Refused, match="already-refunded"):
        prepaying.refund(house.desk, house.cashier, noted.row.id, at=clock(6))
    with database.read() as session:
        row = session.get_one(BankNotice, noted.row.id)
        assert sorted(ledger.lines_of(session, row.refund_tx_id)) == sorted(
            (account, -dong, charge) for account, dong, charge in ledger.lines_of(session, row.tx_id)
        )


def test_a_prepayment_goes_back_before_the_visit_and_is_owed_and_can_be_paid_again(house):
    item = house.item(charges=CHARGES)
    before = house.balances()
    order = ask(house, item, POST)
    prepaying.refund(house.desk, house.cashier, note(house, order).row.id, at=clock(5))
    assert house.balances() == before
    assert note(house, ask(house, item, POST)).row.outcome == "paid"


def test_of_an_item_that_was_called_off_the_prepayment_goes_back_and_nothing_is_owed(house, database):
    item = house.item(charges=CHARGES)
    noted = note(house, ask(house, item, POST))
    handover.report(
        house.desk, house.dispatcher, EventType.CANCELLED, event_id=number_of(1), item_ids=[item], data={}, at=clock(5)
    )
    assert house.balances() == {f"bank:{house.office_id}": 35_000, f"payable:{POST}": -35_000}
    prepaying.refund(house.desk, house.cashier, noted.row.id, at=clock(6))
    assert house.balances() == {}


def number_of(value):
    from tests.builders import number  # noqa: PLC0415

    return number(value)


def test_money_that_is_used_or_handed_on_does_not_go_back_from_the_office(house, database):
    item, other = house.item(charges=CHARGES), house.item(charges=CHARGES)
    used, handed_on = note(house, ask(house, item, POST)), note(house, ask(house, other, AGENCY))
    handed_over(house, item, cash=False)
    with pytest.raises(Refused, match="already-used"):
        prepaying.refund(house.desk, house.cashier, used.row.id, at=clock(20))
    cashdesk.pay_out(
        house.desk,
        house.cashier,
        payee=AGENCY,
        amount=135_000,
        source="bank",
        reference="UNC 1",
        key=number_of(9),
        at=clock(21),
    )
    with pytest.raises(Refused, match=r"not-enough|already-paid-out"):
        prepaying.refund(house.desk, house.cashier, handed_on.row.id, at=clock(22))


# ------------------------------------------------------------------------------------------- against a book of our own
class NaiveBook:
    """What an accountant would write in a school book: one list of charges, one pile of money for each place."""

    def __init__(self, charges):
        self.owed = {}
        for _, payee, dong in charges:
            self.owed[payee] = self.owed.get(payee, 0) + dong
        self.asked, self.due = dict(self.owed), dict(self.owed)
        self.bank = self.suspense = self.pocket = 0
        self.payable = {}

    def arrives(self, payee, dong):
        self.bank += dong
        if dong == self.asked[payee] and self.owed[payee] == dong:
            self.owed[payee] = self.due[payee] = 0
            self.payable[payee] = self.payable.get(payee, 0) + dong
            return True
        self.suspense += dong
        return False

    def goes_back(self, payee, dong, *, settled):
        self.bank -= dong
        if settled:
            self.owed[payee] = self.due[payee] = dong
            self.payable[payee] -= dong
        else:
            self.suspense -= dong

    def at_the_door(self):
        for payee, dong in self.asked.items():
            self.pocket += dong
            if self.owed[payee]:
                self.payable[payee] = self.payable.get(payee, 0) + dong
                self.owed[payee] = self.due[payee] = 0
            else:
                self.suspense += dong

    def balances(self, house, item):
        found = {
            f"bank:{house.office_id}": self.bank,
            f"suspense:{house.office_id}": -self.suspense,
            f"cash:{house.postmen[0].id}:{DAY}": self.pocket,
            f"receivable:{item}": sum(self.owed.values()),
            **{f"due:{payee}": -dong for payee, dong in self.due.items()},
            **{f"payable:{payee}": -dong for payee, dong in self.payable.items()},
        }
        return {account: dong for account, dong in found.items() if dong}


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 25))])
def test_after_any_turns_the_ledger_is_that_of_a_naive_book(house, database, seed):
    chance = random.Random(seed)
    item = house.item(charges=CHARGES)
    book, standing, orders = NaiveBook(CHARGES), [], {}
    send = None
    for turn in range(14):
        act = chance.choice(["asks", "pays", "pays", "pays", "refund", "door"])
        payee = chance.choice([AGENCY, POST, TREASURY])
        if act == "door" and send is None and turn > 6:
            send = handed_over(house, item, cash=True)
            send()
            book.at_the_door()
        elif act in ("asks", "pays") and payee not in orders and book.owed[payee]:
            orders[payee] = ask(house, item, payee)
        if act == "pays" and payee in orders:
            dong = max(1, book.asked[payee] + chance.choice([0, 0, 0, 1, -1, 500_000]))
            settled = book.arrives(payee, dong)
            noted = note(house, orders[payee], dong, at=clock(620))
            assert (noted.row.outcome == "paid") == settled
            standing.append((noted.row.id, payee, dong, settled))
        elif act == "refund" and standing:
            one = standing.pop(chance.randrange(len(standing)))
            if one[3] and send is not None:
                with pytest.raises(Refused, match="already-used"):
                    prepaying.refund(house.desk, house.cashier, one[0], at=clock(630))
            else:
                prepaying.refund(house.desk, house.cashier, one[0], at=clock(630))
                book.goes_back(one[1], one[2], settled=one[3])
        assert house.balances() == book.balances(house, item)
    with database.read() as session:
        prepaid = session.scalar(select(func.sum(ItemCharge.prepaid_dong)).where(ItemCharge.item_id == item))
        assert prepaid == sum(dong for *_, dong, settled in standing if settled) or send is not None
        assert session.get_one(Item, item).version >= 1
        waits = select(func.count()).select_from(BankNotice)
        waits = waits.where(BankNotice.outcome != "paid", BankNotice.refunded_at.is_(None))
        told = select(func.count()).select_from(Incident)
        told = told.where(Incident.code.startswith("transfer-"), Incident.closed_at.is_(None))
        assert session.scalar(waits) == session.scalar(told)
    assert date.fromisoformat(str(DAY)) == DAY
