"""What the phone says of a handover before it is saved is what the server says of it afterwards."""

import random
from collections import Counter
from typing import Any
from uuid import UUID

from api.web.texts import catalogue
from courier.domain.money import Charge, ChargeKind, Collection, Dong, Method
from courier.domain.release import DoorAct, breaches
from courier.facts import Facts
from courier.store.worklists import _NO_RULE
from tests.builders import DATA

FEE, POSTAGE, STRANGE = (UUID(int=number) for number in (1, 2, 3))
CHARGES = [
    Charge(FEE, ChargeKind.STATE_FEE, "agency:X", Dong(135_000)),
    Charge(POSTAGE, ChargeKind.POSTAGE, "post", Dong(30_000)),
]
RELATIONS = [
    "owner",
    "co_owner",
    "authorised",
    "relative",
    "guardian",
    "household_head",
    "representative",
    "father",
    "mother",
    "spouse",
    "child",
    "sibling",
    "other",
]


def an_act(rng: random.Random, papers: list[str]) -> dict[str, Any]:
    """Anything a postman may do at a door, right or wrong."""
    amounts = [0, 1, 30_000, 135_000]
    return {
        "relation": rng.choice(RELATIONS),
        "id_check": rng.choice(["match", "match", "mismatch", "none"]),
        "surrendered": [code for code in [*papers, "something_else"] if rng.random() < 0.6],
        "proofs": [
            kind for kind in ("signature", "paper_signature", "photo_place", "recipient_code") if rng.random() < 0.4
        ],
        "collections": [
            {
                "charge": str(charge),
                "amount_dong": rng.choice(amounts),
                "method": rng.choice(["cash", "cash", "bank_qr"]),
            }
            for charge in (FEE, POSTAGE, POSTAGE, STRANGE)
            if rng.random() < 0.6
        ],
        "wrong_code": rng.random() < 0.2,
        "wrong_last4": rng.random() < 0.2,
    }


def on_the_server(act: dict[str, Any], rule: Any, charges: list[Charge]) -> list[str]:
    """The codes of `courier.domain.release.breaches`."""
    told = DoorAct(
        relation=act["relation"],
        id_check=act["id_check"],
        surrendered=frozenset(act["surrendered"]),
        proofs=frozenset(act["proofs"]),
        collections=tuple(
            Collection(UUID(line["charge"]), Dong(line["amount_dong"]), Method(line["method"]))
            for line in act["collections"]
        ),
        wrong_code=act["wrong_code"],
        wrong_last4=act["wrong_last4"],
    )
    return sorted(breach.code for breach in breaches(told, rule, charges))


def test_phone_and_server_object_to_the_same_acts_under_every_rule(server, open_page):
    rng = random.Random(20261129)
    kinds = Facts.load(DATA).bylaws.document_types.values()
    rules = [*(rule for kind in kinds for rule in kind.rules), None]
    cases, expected = [], []
    for rule in rules:
        in_words = rule.in_words if rule is not None else _NO_RULE
        for _ in range(60):
            act = an_act(rng, [paper["code"] for paper in in_words["surrender"]])
            charges = rng.choice([CHARGES, CHARGES[:1], []])
            cases.append(
                {
                    "act": act,
                    "rule": in_words,
                    "charges": [{"id": str(c.id), "amount_dong": c.amount_dong} for c in charges],
                }
            )
            expected.append(on_the_server(act, rule, charges))

    page = open_page(f"{server.url}/phone", phone=True)
    build = page.locator("body").get_attribute("data-build")
    found = page.evaluate(
        """async ([address, cases]) => {
            const { breaches } = await import(address);
            return cases.map(({ act, rule, charges }) => breaches(act, rule, charges).map(({ code }) => code).sort());
        }""",
        [f"/phone/{build}/objections.js", cases],
    )
    differing = [(case, here, there) for case, here, there in zip(cases, found, expected, strict=True) if here != there]
    assert not differing, differing[0]
    # A comparison of nothing proves nothing.
    met = Counter(code for codes in expected for code in codes)
    assert met.keys() == {
        "recipient-code-wrong", "id-mismatch", "receiver-not-allowed", "id-not-checked", "surrender-missing", "proof-missing",
        "underpaid", "overpaid", "unknown-charge", "transfer-unconfirmed",
    }  # fmt: skip
    assert [] in expected
    for language in ("vi", "en"):
        said = {
            key.removeprefix("phone.handover.breach.")
            for key in catalogue(language)
            if key.startswith("phone.handover.breach.")
        }
        assert said >= met.keys() - {"transfer-unconfirmed"}


def test_the_phone_sees_whose_id_paper_a_rule_asks_for():
    kinds = Facts.load(DATA).bylaws.document_types.values()
    for rule in (rule for kind in kinds for rule in kind.rules):
        assert set(rule.in_words["ids"]) == {person for person, papers in rule.must_show.items() if "id_card" in papers}
