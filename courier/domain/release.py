"""Release rules: who may receive a document, what is shown and handed in. Data, dated, per document type, agency and channel.

Before the act a page asks what the rules allow. After it the fact stands, and every breach found here opens an incident.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from courier.domain.money import Charge, Collection, Dong, Method


@dataclass(frozen=True, slots=True)
class Surrender:
    """An old paper that comes back at the door; `when` is `always` or `exchange` (not after a loss)."""

    code: str
    name: str
    mandatory: bool
    when: str


@dataclass(frozen=True, slots=True)
class PaperDue:
    """A paper that a submission must contain."""

    name: str
    original: bool
    mandatory: bool


@dataclass(frozen=True, slots=True)
class ReleaseRule:
    """Who may receive and what they show. `must_show` maps each person who may receive to papers.

    `in_words` is the rule as the postman's page shows it: who, persons, relatives, ids (which persons show an ID paper), show,
    surrender, proofs, authorisation.
    """

    valid_from: date
    valid_to: date | None
    agency: str | None
    channel: str | None
    subject: str
    recipient: str
    recipient_words: str
    must_show: Mapping[str, tuple[str, ...]]
    relatives: frozenset[str]
    authorisation: str | None
    surrender: tuple[Surrender, ...]
    proofs: tuple[str, ...]
    verified: bool
    source: str
    in_words: dict[str, Any]

    @property
    def authorisation_words(self) -> str | None:
        """The paper that an authorised person must bring, in words."""
        words: str | None = self.in_words.get("authorisation")
        return words

    def holds(self, on: date, *, agency: str, subject: str) -> bool:
        """True when the rule is in force for this agency and kind of owner."""
        dated = self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)
        return dated and self.agency in (None, agency) and self.subject in ("any", subject)

    def person(self, relation: str) -> str | None:
        """The word of `must_show` that a stated relation to the owner comes to, or None when that person may not receive."""
        if relation in self.must_show:
            return relation
        if relation in self.relatives:
            return next((word for word in ("relative", "guardian") if word in self.must_show), None)
        return None


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A kind of paper, with its dated rules. `public_name` is the only name on labels and messages."""

    code: str
    family: str
    name_vi: str
    name_en: str
    public_name_vi: str
    public_name_en: str
    aliases: tuple[str, ...]
    sensitive: bool
    valid_from: date
    valid_to: date | None
    closed_reason: str | None
    rules: tuple[ReleaseRule, ...]
    submission_papers: tuple[PaperDue, ...]
    verified: bool
    source: str
    agencies: tuple[str, ...] = ()

    def open_on(self, day: date) -> bool:
        """True when new items of this type are taken on a day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def rule(self, on: date, *, agency: str, subject: str) -> ReleaseRule | None:
        """The release rule in force, the first that matches; without a match for the subject, the first in force at all."""
        for rule in self.rules:
            if rule.holds(on, agency=agency, subject=subject):
                return rule
        return next((rule for rule in self.rules if rule.holds(on, agency=agency, subject=rule.subject)), None)


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule broken at a door: a stable code and a Vietnamese sentence that names what was expected and found."""

    code: str
    sentence: str
    about_money: bool = False


@dataclass(frozen=True, slots=True)
class DoorAct:
    """What the postman reports of a handover, as far as the rules care."""

    relation: str
    id_check: str
    surrendered: frozenset[str]
    proofs: frozenset[str]
    collections: tuple[Collection, ...] = field(default=())
    wrong_code: bool = False
    wrong_last4: bool = False

    @classmethod
    def of(cls, data: Mapping[str, Any], collections: Sequence[Collection] = ()) -> "DoorAct":
        """Read the `data` of a `handed_over` event; what is missing counts as not done."""
        receiver = data.get("receiver") or {}
        return cls(
            relation=str(receiver.get("relation", "")),
            id_check=str(receiver.get("id_check", "none")),
            surrendered=frozenset(str(code) for code in data.get("surrendered", ())),
            proofs=frozenset(str(proof.get("kind", "")) for proof in data.get("proofs", ())),
            collections=tuple(collections),
            # What the server found when it checked again; nothing where it had nothing to check against.
            wrong_code=any(proof.get("right") is False for proof in data.get("proofs", ())),
            wrong_last4=receiver.get("last4_right") is False,
        )


# The recipient's signature may stand on the phone or on the paper slip.
_SAME_PROOF: Mapping[str, frozenset[str]] = {"signature": frozenset({"signature", "paper_signature"})}


def breaches(act: DoorAct, rule: ReleaseRule | None, charges: Iterable[Charge]) -> tuple[Breach, ...]:
    """What a handover did against the release rule and the charges; empty when all was in order.

    `charges` are the lines to be taken at this door. Without a known rule nothing can be said of the person.
    """
    found: list[Breach] = []
    if act.wrong_code:
        found.append(Breach("recipient-code-wrong", "Mã nhận không phải là mã của bưu gửi này trong ngày."))
    if act.wrong_last4 and act.id_check == "match":
        found.append(Breach("id-mismatch", "Bốn số cuối của giấy tờ tùy thân không khớp với hồ sơ."))
    if rule is not None:
        found += _about_person(act, rule)
        missing = [s for s in rule.surrender if s.mandatory and s.when == "always" and s.code not in act.surrendered]
        found += [Breach("surrender-missing", f"Chưa thu hồi: {paper.name}.") for paper in missing]
        unproven = [p for p in rule.proofs if p == "signature" and not act.proofs & _SAME_PROOF["signature"]]
        found += [Breach("proof-missing", "Thiếu chữ ký của người nhận.") for _ in unproven]
    taken: dict[Any, int] = {}
    for collection in act.collections:
        taken[collection.charge_id] = taken.get(collection.charge_id, 0) + collection.amount_dong
    for charge in charges:
        amount = taken.pop(charge.id, 0)
        if amount != charge.amount_dong:
            code = "underpaid" if amount < charge.amount_dong else "overpaid"
            sentence = f"Phải thu {_dong(charge.amount_dong)}, đã thu {_dong(Dong(amount))}."
            found.append(Breach(code, sentence, about_money=True))
    found += [
        Breach("unknown-charge", f"Thu {_dong(Dong(amount))} cho một khoản không có trên bưu gửi.", about_money=True)
        for amount in taken.values()
        if amount
    ]
    if any(c.method is Method.BANK_QR and c.amount_dong for c in act.collections):
        found.append(Breach("transfer-unconfirmed", "Chuyển khoản chờ ngân hàng xác nhận.", about_money=True))
    return tuple(found)


def _about_person(act: DoorAct, rule: ReleaseRule) -> list[Breach]:
    person = rule.person(act.relation)
    found: list[Breach] = []
    if person is None:
        found.append(Breach("receiver-not-allowed", f"Người nhận không thuộc diện: {rule.recipient_words}."))
    if act.id_check == "mismatch":
        found.append(Breach("id-mismatch", "Số giấy tờ tùy thân không khớp với hồ sơ."))
    elif act.id_check == "none" and "id_card" in rule.must_show.get(person or "owner", ("id_card",)):
        found.append(Breach("id-not-checked", "Chưa kiểm tra giấy tờ tùy thân của người nhận."))
    return found


def _dong(amount: Dong | int) -> str:
    return f"{amount:,}".replace(",", ".") + " đ"
