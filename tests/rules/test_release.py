"""The 25 cases of the doorstep, each driven to its outcome; what is done right breaks no rule, what is done wrong is named."""

import json
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courier.domain.attempts import outlook
from courier.domain.item import Direction, EventType, Life, State, life_of
from courier.domain.money import (
    Charge,
    ChargeKind,
    Collection,
    Dong,
    Line,
    Method,
    Posting,
    cash_account,
    collected,
    confirmed_by_bank,
    due_accepted,
    due_forgiven,
    paid_out,
    remitted,
    taken_in_conflict,
)
from courier.domain.people import Role
from courier.domain.release import Breach, DoorAct, breaches
from tests.builders import DAY, MORNING, an_event, done_right, number, the_facts

A, DESK, OFFICE, ITEM = number(0xA), number(0xD), number(0xF), number(0x1)
FACTS = the_facts()
SAMPLES = {
    row["case"]: row
    for row in json.loads((Path(__file__).parents[1] / "data" / "samples.json").read_text(encoding="utf-8"))["items"]
}


def charges_of(case: str) -> list[Charge]:
    """What is taken at the door: lines that the recipient pays there, none that is prepaid."""
    sample = SAMPLES[case]
    payees = {"agency": f"agency:{sample['agency']}", "treasury": "treasury", "post": "post"}
    return [
        Charge(number(100 + n), ChargeKind(line["kind"]), payees[line["payee"]], Dong(line["amount_dong"]))
        for n, line in enumerate(sample["charges"])
        if line["payer"] == "recipient" and "cash" in line["methods"]
    ]


def rule_of(case: str, subject: str = "adult"):
    sample = SAMPLES[case]
    return FACTS.bylaws.document_types[sample["document_type"]].rule(DAY, agency=sample["agency"], subject=subject)


def cash(charges) -> list[Collection]:
    return [Collection(charge.id, charge.amount_dong, Method.CASH) for charge in charges]


def broken(case: str, *, subject="adult", collections=None, **data) -> list[str]:
    charges = charges_of(case)
    act = DoorAct.of(done_right(**data), cash(charges) if collections is None else collections)
    return sorted(breach.code for breach in breaches(act, rule_of(case, subject), charges))


def person(relation: str, id_check: str = "match") -> dict:
    return {"name": "Người thử", "relation": relation, "id_check": id_check, "id_last4": None}


# ------------------------------------------------------------------------------------------- delivered: right and wrong
@dataclass
class Door:
    """Who takes a paper rightly, who wrongly, and the papers that a careless postman leaves behind."""

    right: str
    wrong: tuple[str, ...]
    surrendered: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    subject: str = "adult"
    dong: dict[str, int] = field(default_factory=dict)


# Written by hand from the cases: who receives, who may not, and how much goes to whom.
DELIVERED = {
    "SAMPLE-01": Door("owner", ("spouse", "neighbour"), ("gplx_cu",), dong={"agency:PC08": 135_000, "post": 30_000}),
    "SAMPLE-02": Door("authorised", ("spouse",), ("gplx_cu",), dong={"agency:PC08": 135_000, "post": 30_000}),
    "SAMPLE-04": Door("owner", ("mother",)),
    "SAMPLE-05": Door("authorised", ("child",), dong={"agency:PC06": 0, "post": 0}),
    "SAMPLE-06": Door("father", ("owner", "sibling"), subject="minor", dong={"agency:PC06": 0, "post": 30_000}),
    "SAMPLE-07": Door("father", ("sibling", "neighbour"), dong={"post": 30_000}),
    "SAMPLE-09": Door("owner", ("spouse",)),
    "SAMPLE-10": Door("household_head", ("owner", "child")),
    "SAMPLE-11": Door(
        "co_owner", ("child",), ("gcn_cu", "giay_hen"), ("giay_hen",), dong={"agency:VPDKDD": 100_000, "post": 45_000}
    ),
    "SAMPLE-12": Door("representative", ("owner", "authorised"), subject="organisation"),
    "SAMPLE-13": Door("owner", ("spouse",), dong={"post": 35_000}),
    "SAMPLE-14": Door("owner", ("spouse",), dong={"treasury": 5_000_000, "post": 35_000}),
    "SAMPLE-16": Door("owner", ("spouse",), ("dkx_cu",), dong={"agency:PC08": 100_000, "post": 60_000}),
    "SAMPLE-17": Door("owner", ("spouse",), dong={"post": 30_000}),
    "SAMPLE-19": Door("owner", ("spouse",), ("gplx_cu",), dong={"agency:PC08": 135_000, "post": 30_000}),
    "SAMPLE-23": Door("owner", ("spouse",), ("gplx_cu",), dong={"agency:PC08": 135_000, "post": 30_000}),
}
NOT_DELIVERED = {
    "SAMPLE-03": "attempt_failed:surrender_missing",
    "SAMPLE-08": "attempt_failed:recipient_absent->rescheduled",
    "SAMPLE-15": "returned:refused",
    "SAMPLE-18": "rejected_at_import:document_type_closed",
    "SAMPLE-20": "redirected",
    "SAMPLE-21": "held_for_pickup",
    "SAMPLE-22": "returned:recipient_deceased",
    "SAMPLE-24": "incident:damaged",
    "SAMPLE-25": "needs_address_review",
}


def test_every_one_of_the_25_cases_is_told_here():
    expected = {case: row["expected"] for case, row in SAMPLES.items()}
    assert len(expected) == 25
    assert {case for case, outcome in expected.items() if outcome.startswith("delivered")} == set(DELIVERED)
    assert {case: outcome for case, outcome in expected.items() if case not in DELIVERED} == NOT_DELIVERED


@pytest.mark.parametrize("case", DELIVERED)
def test_what_the_case_expects_is_delivered_without_a_breach(case):
    door = DELIVERED[case]
    assert broken(case, subject=door.subject, receiver=person(door.right), surrendered=list(door.surrendered)) == []
    life = life_of(
        Direction.RESULT,
        [an_event("received", by=DESK), an_event("taken_out", 1, by=A), an_event("handed_over", 2, by=A)],
    )
    assert (life.state, life.conflicts) == (State.DELIVERED, ())


@pytest.mark.parametrize("case", DELIVERED)
def test_the_amounts_go_to_the_payees_that_the_case_names_and_to_nobody_else(case):
    charges = charges_of(case)
    wanted = {f"payable:{payee}": -amount for payee, amount in DELIVERED[case].dong.items() if amount}
    posting = collected(
        ITEM,
        [(charge, take, charge.amount_dong) for charge, take in zip(charges, cash(charges), strict=True)],
        pocket=A,
        day=DAY,
        office=OFFICE,
    )
    lines = posting.lines if posting else ()
    assert _sums(line for line in lines if line.account.startswith("payable:")) == wanted
    assert (
        sum(line.amount_dong for line in lines if line.account == f"cash:{A}:2026-11-25") == SAMPLES[case]["due_dong"]
    )


@pytest.mark.parametrize(("case", "stranger"), [(case, who) for case, door in DELIVERED.items() for who in door.wrong])
def test_the_wrong_person_at_the_door_is_a_breach(case, stranger):
    door = DELIVERED[case]
    found = broken(case, subject=door.subject, receiver=person(stranger), surrendered=list(door.surrendered))
    assert found == ["receiver-not-allowed"]


@pytest.mark.parametrize("case", DELIVERED)
def test_everybody_who_receives_is_checked(case):
    door = DELIVERED[case]
    for id_check, code in (("none", "id-not-checked"), ("mismatch", "id-mismatch")):
        who = person(door.right, id_check)
        assert broken(case, subject=door.subject, receiver=who, surrendered=list(door.surrendered)) == [code]


@pytest.mark.parametrize("case", DELIVERED)
def test_everybody_who_receives_signs(case):
    door = DELIVERED[case]
    for proofs in ([], [{"kind": "photo_place", "sha256": None}]):
        assert broken(
            case, subject=door.subject, receiver=person(door.right), surrendered=list(door.surrendered), proofs=proofs
        ) == ["proof-missing"]
    on_paper = [{"kind": "paper_signature", "sha256": None}]
    assert (
        broken(
            case, subject=door.subject, receiver=person(door.right), surrendered=list(door.surrendered), proofs=on_paper
        )
        == []
    )


@pytest.mark.parametrize(
    ("case", "paper"), [(case, paper) for case, door in DELIVERED.items() for paper in door.forgotten]
)
def test_a_paper_that_must_always_come_back_and_did_not_is_a_breach(case, paper):
    kept = [code for code in DELIVERED[case].surrendered if code != paper]
    assert broken(case, receiver=person(DELIVERED[case].right), surrendered=kept) == ["surrender-missing"]


@pytest.mark.parametrize("case", ["SAMPLE-01", "SAMPLE-11", "SAMPLE-16"])
def test_a_paper_due_on_exchange_only_is_no_breach_because_the_item_does_not_say_whether_it_was_lost(case):
    rule = rule_of(case)
    on_exchange = {paper.code for paper in rule.surrender if paper.when == "exchange"}
    assert on_exchange
    always = [paper.code for paper in rule.surrender if paper.when == "always"]
    assert broken(case, surrendered=always) == []


def with_money(case: str) -> bool:
    return any(charge.amount_dong for charge in charges_of(case))


@pytest.mark.parametrize("case", [case for case in DELIVERED if with_money(case)])
def test_too_little_too_much_and_nothing_at_all_are_breaches_about_money(case):
    door, charges = DELIVERED[case], charges_of(case)
    common = {"subject": door.subject, "receiver": person(door.right), "surrendered": list(door.surrendered)}
    first = next(n for n, charge in enumerate(charges) if charge.amount_dong)

    def but_for_the_first(change: int) -> list[Collection]:
        lines = cash(charges)
        lines[first] = Collection(lines[first].charge_id, Dong(lines[first].amount_dong + change), Method.CASH)
        return lines

    assert broken(case, collections=but_for_the_first(-1), **common) == ["underpaid"]
    assert broken(case, collections=but_for_the_first(+1), **common) == ["overpaid"]
    assert set(broken(case, collections=[], **common)) == {"underpaid"}
    extra = Collection(number(999), Dong(1), Method.CASH)
    assert broken(case, collections=[*cash(charges), extra], **common) == ["unknown-charge"]


def test_money_breaches_belong_to_the_cashier_and_the_others_do_not():
    charges = charges_of("SAMPLE-01")
    act = DoorAct.of(done_right(receiver=person("spouse", "none"), proofs=[]), [])
    about = {breach.code: breach.about_money for breach in breaches(act, rule_of("SAMPLE-01"), charges)}
    assert about == {"receiver-not-allowed": False, "id-not-checked": False, "proof-missing": False, "underpaid": True}


def test_a_sentence_names_what_was_expected_and_what_was_found():
    lines = [
        Collection(charge.id, Dong(charge.amount_dong - 5_000), Method.CASH) for charge in charges_of("SAMPLE-14")[:1]
    ]
    found = breaches(DoorAct.of(done_right(), lines), rule_of("SAMPLE-14"), charges_of("SAMPLE-14")[:1])
    assert found == (Breach("underpaid", "Phải thu 5.000.000 đ, đã thu 4.995.000 đ.", about_money=True),)


def test_sample_23_a_short_transfer_and_the_rest_in_cash_is_paid_in_full_once_the_bank_says_so():
    fee, postage = charges_of("SAMPLE-23")
    paid = SAMPLES["SAMPLE-23"]["collections"]
    assert [(line["method"], line["amount_dong"]) for line in paid] == [("bank_qr", 160_000), ("cash", 5_000)]
    # The transfer covers the fee and 25,000 of the postage; the 5,000 in notes are the rest of the postage.
    lines = [
        Collection(fee.id, Dong(135_000), Method.BANK_QR),
        Collection(postage.id, Dong(25_000), Method.BANK_QR),
        Collection(postage.id, Dong(5_000), Method.CASH),
    ]
    assert broken("SAMPLE-23", collections=lines, surrendered=["gplx_cu"]) == ["transfer-unconfirmed"]
    still = [(fee, lines[0], Dong(135_000)), (postage, lines[1], Dong(30_000)), (postage, lines[2], Dong(5_000))]
    assert _sums(collected(ITEM, still, pocket=A, day=DAY, office=OFFICE).lines) == {
        f"claimed:{A}:2026-11-25": 160_000,
        f"cash:{A}:2026-11-25": 5_000,
        f"receivable:{ITEM}": -165_000,
        "due:post": 5_000,
        "payable:post": -5_000,
    }


# ---------------------------------------------------------------------------------------------- not delivered, and why
def out(*events) -> Life:
    life = life_of(Direction.RESULT, [an_event("received", by=DESK), an_event("taken_out", 1, by=A), *events])
    assert life.conflicts == ()
    return life


def advice(life: Life) -> str:
    bylaws = FACTS.bylaws
    rule = bylaws.attempts.rule(DAY, agency="PC08", document_type="giay_phep_lai_xe")
    return outlook(life, rule, bylaws.attempts, bylaws.calendar, commune_kind="xa").advice


def failed(reason: str):
    assert reason in FACTS.bylaws.attempts.reasons
    return an_event("attempt_failed", 2, by=A, reason=reason)


def test_sample_03_without_the_old_licence_nothing_is_handed_over_and_another_visit_follows():
    life = out(failed("surrender_missing"))
    assert (life.state, advice(life)) == (State.ATTEMPTED, "try")


def test_sample_08_the_sister_gets_nothing_and_saturday_is_booked():
    assert broken("SAMPLE-08", receiver=person("sibling")) == ["receiver-not-allowed"]
    assert broken("SAMPLE-08", receiver=person("authorised")) == ["receiver-not-allowed"], (
        "number 2 is for the owner alone"
    )
    wish = SAMPLES["SAMPLE-08"]["change_request"]
    visit = date.fromisoformat(wish["date"])
    begins, ends = (
        time.fromisoformat(hour).hour * 3600 + time.fromisoformat(hour).minute * 60 for hour in wish["window"]
    )
    assert FACTS.bylaws.calendar.hours(visit) == ((begins, ends),), "Saturday is half a day"
    life = out(failed("recipient_absent"), an_event("rescheduled", 3, on=wish["date"]))
    assert (life.state, life.moves) == (State.ATTEMPTED, 1)
    assert life.wishes[EventType.RESCHEDULED].data["on"] == "2026-11-28"


@pytest.mark.parametrize(
    ("case", "reason"),
    [("SAMPLE-15", "refused"), ("SAMPLE-15", "payment_refused"), ("SAMPLE-22", "recipient_deceased")],
)
def test_samples_15_and_22_go_back_to_the_agency_at_once(case, reason):
    life = out(failed(reason))
    assert advice(life) == "return_now"
    back = out(
        failed(reason),
        *(
            an_event(kind, n, by=DESK, role=Role.CLERK)
            for n, kind in enumerate(["brought_back", "given_back", "agency_signed"], 3)
        ),
    )
    assert back.state is State.RETURNED


def test_sample_22_the_relatives_of_the_dead_get_nothing():
    assert broken("SAMPLE-22", receiver=person("child")) == ["receiver-not-allowed"]


def test_sample_18_a_closed_kind_of_paper_is_not_taken_and_says_why():
    kind = FACTS.bylaws.document_types["chung_minh_nhan_dan"]
    assert not kind.open_on(DAY)
    assert kind.open_on(date(2020, 6, 1)), "an old record was right in its day"
    assert kind.closed_reason


def test_sample_20_a_redirection_is_a_wish_that_leaves_the_item_where_it_is():
    life = out(an_event("redirected", 2, address=SAMPLES["SAMPLE-20"]["change_request"]["address"]))
    assert (life.state, life.wishes[EventType.REDIRECTED].data["address"]) == (
        State.OUT,
        "Khóm 3, xã Nguyễn Phích, tỉnh Cà Mau",
    )


def test_sample_21_an_item_waits_at_the_office_for_the_citizen_who_asked_to_collect_it():
    waiting = life_of(Direction.RESULT, [an_event("received", by=DESK), an_event("invited", 1)])
    assert waiting.state is State.AWAITING_PICKUP
    fetched = life_of(
        Direction.RESULT, [an_event("received", by=DESK), an_event("invited", 1), an_event("picked_up", 2, by=DESK)]
    )
    assert (fetched.state, fetched.conflicts) == (State.PICKED_UP, ())


def test_sample_24_a_broken_seal_is_an_incident_and_the_item_goes_home_marked():
    life = out(failed("damaged"))
    assert advice(life) == "incident"
    home = out(failed("damaged"), an_event("damaged", 3, by=A), an_event("brought_back", 4, by=A))
    assert (home.state, home.marks) == (State.HELD, {EventType.DAMAGED})


def test_sample_25_a_poor_household_owes_nothing_and_the_address_is_asked_about():
    assert SAMPLES["SAMPLE-25"]["address"]["resolves"] == "asked"
    assert due_accepted(ITEM, charges_of("SAMPLE-25"), DAY) is None


# ------------------------------------------------------------------------------------------------- which rule holds
def test_a_childs_card_is_for_the_parents_and_an_adults_is_not():
    assert rule_of("SAMPLE-06", "minor").person("father") == "guardian"
    assert rule_of("SAMPLE-06", "minor").person("owner") is None
    assert rule_of("SAMPLE-06", "adult").person("father") is None


def test_before_the_rules_began_there_is_no_rule_and_only_money_can_be_judged():
    kind = FACTS.bylaws.document_types["giay_phep_lai_xe"]
    assert kind.rule(date(2025, 6, 30), agency="PC08", subject="adult") is None
    act = DoorAct.of({}, [])
    assert breaches(act, None, []) == ()
    assert [breach.code for breach in breaches(act, None, charges_of("SAMPLE-01"))] == ["underpaid", "underpaid"]


def test_a_handover_with_no_data_at_all_counts_as_nothing_done():
    act = DoorAct.of({}, [])
    found = {breach.code for breach in breaches(act, rule_of("SAMPLE-11"), charges_of("SAMPLE-11"))}
    assert found == {"receiver-not-allowed", "id-not-checked", "surrender-missing", "proof-missing", "underpaid"}


# ------------------------------------------------------------------------------------------------- postings by themselves
def _sums(lines) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in lines:
        found[line.account] = found.get(line.account, 0) + line.amount_dong
    return {account: amount for account, amount in found.items() if amount}


amounts = st.integers(0, 10**9).map(Dong)
kinds = st.sampled_from(
    [(ChargeKind.STATE_FEE, "agency:PC08"), (ChargeKind.FINE, "treasury"), (ChargeKind.POSTAGE, "post")]
)


@st.composite
def doors(draw):
    """Charges with what is taken for them: (charge, collection, still open)."""
    taken = []
    for n in range(draw(st.integers(0, 4))):
        kind, payee = draw(kinds)
        charge = Charge(number(n + 1), kind, payee, draw(amounts))
        taken += [
            (charge, Collection(charge.id, draw(amounts), draw(st.sampled_from(list(Method)))), draw(amounts))
            for _ in range(draw(st.integers(0, 2)))
        ]
    return taken


@given(doors(), st.lists(amounts, max_size=2))
def test_every_dong_taken_is_in_the_pocket_or_claimed_and_owed_to_somebody_or_in_suspense(taken, strays):
    stray = [Collection(number(900 + n), amount, Method.CASH) for n, amount in enumerate(strays)]
    posting = collected(ITEM, taken, stray, pocket=A, day=DAY, office=OFFICE)
    total = sum(take.amount_dong for _, take, _ in taken) + sum(strays)
    sums = _sums(posting.lines if posting else ())
    in_hand = sums.get(f"cash:{A}:2026-11-25", 0) + sums.get(f"claimed:{A}:2026-11-25", 0)
    fits = sum(min(take.amount_dong, still) for _, take, still in taken)
    by_cash = sum(min(take.amount_dong, still) for _, take, still in taken if take.method is Method.CASH)
    assert in_hand == total
    assert -sums.get(f"receivable:{ITEM}", 0) == fits
    assert -sums.get(f"suspense:{OFFICE}", 0) == total - fits
    assert -sum(v for k, v in sums.items() if k.startswith("payable:")) == by_cash, "a transfer is owed to nobody yet"
    assert (posting is None) == (total == 0)


@given(doors())
def test_a_reversal_takes_everything_back(taken):
    posting = collected(ITEM, taken, pocket=A, day=DAY, office=OFFICE)
    if posting is not None:
        assert _sums([*posting.lines, *posting.reversed(DAY).lines]) == {}


@given(st.lists(st.tuples(kinds, amounts), max_size=4))
def test_what_was_asked_for_and_forgiven_leaves_nothing(lines):
    charges = [Charge(number(n), kind, payee, amount) for n, ((kind, payee), amount) in enumerate(lines)]
    asked = due_accepted(ITEM, charges, DAY)
    dropped = due_forgiven(ITEM, [(charge, charge.amount_dong) for charge in charges], DAY)
    assert (asked is None) == (dropped is None) == (sum(amount for _, amount in lines) == 0)
    if asked is not None:
        assert sum(line.amount_dong for line in asked.lines if line.amount_dong > 0) == sum(
            amount for _, amount in lines
        )
        assert _sums([*asked.lines, *dropped.lines]) == {}


@given(amounts, amounts)
def test_the_evening_empties_the_pocket_and_the_difference_has_a_place(expected, counted):
    posting = remitted(A, DAY, OFFICE, expected=expected, counted=counted)
    wanted = {f"till:{OFFICE}": counted, f"cash:{A}:2026-11-25": -expected, f"over_short:{OFFICE}": expected - counted}
    assert _sums(posting.lines if posting else ()) == {account: amount for account, amount in wanted.items() if amount}


def test_the_banks_word_turns_a_claim_into_money_that_is_owed_and_paying_out_ends_it():
    fee = Charge(number(1), ChargeKind.STATE_FEE, "agency:PC08", Dong(135_000))
    steps = [
        due_accepted(ITEM, [fee], DAY),
        collected(
            ITEM,
            [(fee, Collection(fee.id, Dong(135_000), Method.BANK_QR), fee.amount_dong)],
            pocket=A,
            day=DAY,
            office=OFFICE,
        ),
        confirmed_by_bank(A, DAY, fee, fee.amount_dong, office=OFFICE, day=DAY),
        paid_out("agency:PC08", fee.amount_dong, source="bank", office=OFFICE, day=DAY),
    ]
    so_far: list[Line] = []
    seen = []
    for step in steps:
        so_far += step.lines
        seen.append(_sums(so_far))
    assert seen[1] == {f"claimed:{A}:2026-11-25": 135_000, "due:agency:PC08": -135_000}
    assert seen[2] == {f"bank:{OFFICE}": 135_000, "payable:agency:PC08": -135_000}
    assert seen[3] == {}


def test_money_in_conflict_is_in_the_pocket_and_owed_to_nobody():
    lines = [Collection(number(1), Dong(30_000), Method.CASH), Collection(number(2), Dong(5_000), Method.BANK_QR)]
    posting = taken_in_conflict(lines, pocket=A, day=DAY, office=OFFICE)
    assert _sums(posting.lines) == {
        f"cash:{A}:2026-11-25": 30_000,
        f"claimed:{A}:2026-11-25": 5_000,
        f"suspense:{OFFICE}": -35_000,
    }


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (Line("a", 5),),
        (Line("a", 5), Line("b", -4)),
        (Line("a", 0.5), Line("b", -0.5)),
        (Line("a", 5.0), Line("b", -5.0)),
        (Line("a", True), Line("b", -1)),
    ],
)
def test_a_posting_that_does_not_balance_or_is_not_whole_dong_cannot_be_made(lines):
    with pytest.raises(ValueError, match=r"whole dong|sums to zero"):
        Posting("x", DAY, lines)


def test_an_account_of_cash_belongs_to_one_postman_and_one_day():
    assert cash_account(UUID(int=10), date(2026, 11, 25)) == "cash:00000000-0000-0000-0000-00000000000a:2026-11-25"
    assert datetime.combine(DAY, time(), MORNING.tzinfo).date() == DAY


# ------------------------------------------------------------------------------------------------- whose paper it is
@pytest.mark.parametrize(
    ("id_number", "subject"),
    [
        ("096213000006", "minor"),  # born in 2013: at most 13 years old in 2026
        ("096212000006", "adult"),  # born in 2012: 14 on some day of the year, and then an ID paper is asked for
        ("096088000001", "adult"),
        ("381234567", "adult"),  # the old form says no year
        (None, "adult"),
    ],
)
def test_the_id_number_tells_a_child_from_a_grown_up(id_number, subject):
    assert FACTS.bylaws.minor_below_age == 14
    assert FACTS.bylaws.subject(id_number, on=date(2026, 11, 23)) == subject
