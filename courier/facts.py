"""The facts of `data/` as typed values: kinds of papers, tariffs, attempt rules, calendar, agencies, offices."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import holidays

from courier.domain.arrivals import Noise
from courier.domain.attempts import AttemptRule, AttemptRules, Reason
from courier.domain.bylaws import Bylaws
from courier.domain.calendar import CLOSED, FULL, DayOff, Week, WorkingCalendar
from courier.domain.citizen_rights import CitizenRights, ComplaintRule, RatingRule, RequestRule, RetentionRule
from courier.domain.money import ChargeKind, Dong
from courier.domain.notices import Channel, ChannelRule, Kind, KindRule, Rules
from courier.domain.release import DocumentType, PaperDue, ReleaseRule, Surrender
from courier.domain.visiting import Bound, VisitRules
from courier.domain.webhooks import WebhookRules
from courier.domain.wording import Parameter, Sentence, Template

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOLIDAY_YEARS = range(2025, 2036)


@dataclass(frozen=True, slots=True)
class Tariff:
    """A dated amount for a kind of paper; `amount_dong` is None where a decision or the agency names it."""

    id: str
    document_type: str
    kind: ChargeKind
    payee: str
    case: str
    name: str
    amount_dong: Dong | None
    amount_from: str
    payer: str
    receipt: str
    valid_from: date
    valid_to: date | None
    verified: bool
    source: str


@dataclass(frozen=True, slots=True)
class AgencyFact:
    """An agency whose results the post returns."""

    code: str
    name: str
    name_en: str
    aliases: tuple[str, ...]
    verified: bool
    source: str


@dataclass(frozen=True, slots=True)
class OfficeFact:
    """An office or counter, as far as it is known."""

    code: str
    name: str
    name_known: bool
    kind: str
    commune_code: str
    lat: float
    lon: float
    serves: tuple[str, ...]
    parent: str | None
    verified: bool
    source: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything in `data/` but the gazetteer."""

    bylaws: Bylaws
    tariffs: tuple[Tariff, ...]
    agencies: Mapping[str, AgencyFact]
    offices: Mapping[str, OfficeFact]
    vocabulary: Mapping[str, Mapping[str, str]]
    rights: CitizenRights
    notices: Rules
    wording: Mapping[Kind, Template]
    arrivals: Noise
    visiting: VisitRules
    webhooks: WebhookRules

    @classmethod
    def load(cls, data_dir: Path) -> "Facts":
        """Read and check the fact files.

        Raises:
            OSError: a file is missing.
            KeyError, ValueError: a file is not what `data/README.md` describes.
        """
        papers = _read(data_dir / "document_types.json")
        attempts = _read(data_dir / "attempt_rules.json")
        messages = _read(data_dir / "messages.json")
        bylaws = Bylaws(
            document_types=MappingProxyType(
                {row["code"]: _document_type(row, papers["vocabulary"]) for row in papers["document_types"]}
            ),
            attempts=AttemptRules(
                reasons=MappingProxyType({row["code"]: _reason(row) for row in attempts["reasons"]}),
                rules=tuple(_attempt_rule(row) for row in attempts["rules"]),
            ),
            calendar=_calendar(_read(data_dir / "calendar.json")),
            commune_kinds=_commune_kinds(data_dir / "gazetteer" / "communes.csv"),
            minor_below_age=papers["minor_below_age"],
        )
        return cls(
            bylaws=bylaws,
            tariffs=tuple(_tariff(row) for row in _read(data_dir / "tariffs.json")["tariffs"]),
            agencies=MappingProxyType(
                {row["code"]: _agency(row) for row in _read(data_dir / "agencies.json")["agencies"]}
            ),
            offices=MappingProxyType(
                {row["code"]: _office(row) for row in _read(data_dir / "offices.json")["offices"]}
            ),
            vocabulary=MappingProxyType(
                {name: words for name, words in papers["vocabulary"].items() if name != "recipients"}
            ),
            rights=_rights(_read(data_dir / "citizen_rights.json")),
            notices=_notice_rules(messages),
            wording=MappingProxyType({kind: _template(messages["kinds"][kind]) for kind in Kind}),
            arrivals=_noise(_read(data_dir / "arrivals.json")["rows"][0]),
            visiting=_visiting(_read(data_dir / "visiting.json")),
            webhooks=_webhook_rules(_read(data_dir / "webhooks.json")),
        )

    def tariff(self, document_type: str, kind: ChargeKind, on: date, *, case: str = "default") -> Tariff | None:
        """The dated tariff for a kind of paper and charge, or None where none is known."""
        for row in self.tariffs:
            dated = row.valid_from <= on and (row.valid_to is None or on <= row.valid_to)
            if dated and row.document_type == document_type and row.kind is kind and row.case == case:
                return row
        return None


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _seconds(text: str) -> int:
    moment = time.fromisoformat(text)
    return moment.hour * 3600 + moment.minute * 60


def _document_type(row: Mapping[str, Any], vocabulary: Mapping[str, Any]) -> DocumentType:
    return DocumentType(
        code=row["code"],
        family=row["family"],
        name_vi=row["name_vi"],
        name_en=row["name_en"],
        public_name_vi=row["public_name_vi"],
        public_name_en=row["public_name_en"],
        aliases=tuple(row["aliases_vi"]),
        sensitive=row["sensitivity"] == "sensitive",
        valid_from=date.fromisoformat(row["valid_from"]),
        valid_to=_day(row["valid_to"]),
        closed_reason=row["closed_reason_vi"],
        rules=tuple(_release_rule(rule, vocabulary) for rule in row["release_rules"]),
        submission_papers=tuple(
            PaperDue(paper["name_vi"], paper["original"], paper["mandatory"]) for paper in row["submission_papers"]
        ),
        verified=row["verified"],
        source=row["source"],
        agencies=tuple(row["agencies"]),
    )


def _release_rule(row: Mapping[str, Any], vocabulary: Mapping[str, Any]) -> ReleaseRule:
    return ReleaseRule(
        valid_from=date.fromisoformat(row["valid_from"]),
        valid_to=_day(row["valid_to"]),
        agency=row["agency"],
        channel=row["channel"],
        subject=row["subject"],
        recipient=row["recipient"],
        recipient_words=vocabulary["recipients"][row["recipient"]]["vi"],
        must_show=MappingProxyType({person: tuple(papers) for person, papers in row["must_show"].items()}),
        relatives=frozenset(row["relatives"]),
        authorisation=row["authorisation"],
        surrender=tuple(
            Surrender(paper["code"], paper["name_vi"], paper["mandatory"], paper["when"]) for paper in row["surrender"]
        ),
        proofs=tuple(row["proofs"]),
        verified=row["verified"],
        source=row["source"],
        in_words=_in_words(row, vocabulary),
    )


def _in_words(row: Mapping[str, Any], vocabulary: Mapping[str, Any]) -> dict[str, Any]:
    papers = vocabulary["papers"]
    return {
        "who": vocabulary["recipients"][row["recipient"]]["vi"],
        "persons": list(row["must_show"]),
        "relatives": sorted(row["relatives"]),
        "ids": [person for person, shown in row["must_show"].items() if "id_card" in shown],
        "show": {person: [papers[paper] for paper in shown] for person, shown in row["must_show"].items()},
        "surrender": [
            {"code": paper["code"], "name": paper["name_vi"], "mandatory": paper["mandatory"], "when": paper["when"]}
            for paper in row["surrender"]
        ],
        "proofs": list(row["proofs"]),
        "authorisation": vocabulary["authorisations"].get(row["authorisation"]),
    }


def _reason(row: Mapping[str, Any]) -> Reason:
    return Reason(
        row["code"],
        row["name_vi"],
        row["name_en"],
        counts=row["counts"],
        then=row["then"],
        evidence=tuple(row["evidence"]),
        measure_vi=row["measure_vi"],
    )


def _attempt_rule(row: Mapping[str, Any]) -> AttemptRule:
    return AttemptRule(
        valid_from=date.fromisoformat(row["valid_from"]),
        valid_to=_day(row["valid_to"]),
        agency=row["agency"],
        document_type=row["document_type"],
        max_attempts=row["max_attempts"],
        spacing_working_days=row["spacing_working_days"],
        hold_days=MappingProxyType(dict(row["hold_days"])),
        cut_off_days_before=row["change_cut_off"]["days_before"],
        cut_off_at=time.fromisoformat(row["change_cut_off"]["at"]),
        max_moves=row["max_moves"],
        slot_hold=timedelta(minutes=row["slot_hold"]["minutes"]),
        slot_hold_percent=row["slot_hold"]["most_percent_of_day"],
        place_seconds=row["slot_hold"]["place_minutes"] * 60,
    )


def _noise(row: Mapping[str, Any]) -> Noise:
    return Noise(
        factor=row["factor"],
        round=row["round"],
        way=row["way"],
        door=row["door"],
        stop_seconds=row["stop_seconds"],
        start_seconds=row["start_seconds"],
        start_spread_seconds=row["start_spread_seconds"],
    )


def _visiting(content: Mapping[str, Any]) -> VisitRules:
    bounds = {
        name: Bound(most=row["most"], within=timedelta(minutes=row["minutes"]))
        for name, row in content["bounds"].items()
    }
    return VisitRules(
        visit=timedelta(minutes=content["visit_minutes"]),
        code_lasts=timedelta(minutes=content["code"]["lasts_minutes"]),
        guesses_per_code=content["code"]["guesses"],
        **bounds,
    )


def _calendar(content: Mapping[str, Any]) -> WorkingCalendar:
    weeks = tuple(
        Week(
            valid_from=date.fromisoformat(row["valid_from"]),
            valid_to=_day(row["valid_to"]),
            working=frozenset(_WEEKDAYS.index(day) for day in row["working"]),
            delivery=MappingProxyType({_WEEKDAYS.index(day): kind for day, kind in row["delivery"].items()}),
            hours=MappingProxyType(
                {
                    kind: tuple((_seconds(start), _seconds(end)) for start, end in spans)
                    for kind, spans in row["hours"].items()
                }
            ),
        )
        for row in content["weeks"]
    )
    national = holidays.country_holidays("VN", years=_HOLIDAY_YEARS, language="vi")
    days = {day: DayOff(working=False, delivery=CLOSED, name=name) for day, name in national.items()}
    # A Saturday worked in exchange for a bridge day, as announced by the government.
    days |= {day: DayOff(working=True, delivery=FULL, name="Làm bù") for day in national.weekend_workdays}
    for row in content["overrides"]:
        days[date.fromisoformat(row["date"])] = DayOff(
            row["working"], row["delivery"], row["name_vi"], confirmed=row["confirmed"]
        )
    return WorkingCalendar(weeks, MappingProxyType(days))


def _commune_kinds(path: Path) -> Mapping[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return MappingProxyType({row["code"]: row["kind"] for row in rows})


def _webhook_rules(content: Mapping[str, Any]) -> WebhookRules:
    figures = {name: content[name] for name in WebhookRules.__slots__}
    return WebhookRules(**figures | {"retry_waits": tuple(figures["retry_waits"])})


def _tariff(row: Mapping[str, Any]) -> Tariff:
    return Tariff(
        id=row["id"],
        document_type=row["document_type"],
        kind=ChargeKind(row["kind"]),
        payee=row["payee"],
        case=row["case"],
        name=row["name_vi"],
        amount_dong=None if row["amount_dong"] is None else Dong(row["amount_dong"]),
        amount_from=row["amount_from"],
        payer=row["payer"],
        receipt=row["receipt"],
        valid_from=date.fromisoformat(row["valid_from"]),
        valid_to=_day(row["valid_to"]),
        verified=row["amount_verified"],
        source=row["source"],
    )


def _agency(row: Mapping[str, Any]) -> AgencyFact:
    return AgencyFact(
        row["code"],
        row["name_vi"],
        row["name_en"],
        tuple(row["aliases_vi"]),
        verified=row["verified"],
        source=row["source"],
    )


def _office(row: Mapping[str, Any]) -> OfficeFact:
    return OfficeFact(
        code=row["code"],
        name=row["name_vi"],
        name_known=row["name_known"],
        kind="office" if row["kind"] == "post_office" else "counter",
        commune_code=row["commune"],
        lat=row["lat"],
        lon=row["lon"],
        serves=tuple(row["serves"]),
        parent=row["parent"],
        verified=row["verified"],
        source=row["source"],
    )


def _rights(content: Mapping[str, Any]) -> CitizenRights:
    return CitizenRights(
        complaints=tuple(_complaint_rule(row) for row in content["complaints"]),
        ratings=tuple(_rating_rule(row) for row in content["ratings"]),
        data_requests=tuple(
            RequestRule(
                valid_from=date.fromisoformat(row["valid_from"]),
                valid_to=_day(row["valid_to"]),
                answer_working_days=row["answer_working_days"],
                most_open=row["most_open"],
                most_in_all=row["most_in_all"],
            )
            for row in content["data_requests"]
        ),
        retention=tuple(
            RetentionRule(
                valid_from=date.fromisoformat(row["valid_from"]),
                valid_to=_day(row["valid_to"]),
                recipient_days=row["recipient_days"],
                visitor_days=row["visitor_days"],
                sign_in_failure_days=row["sign_in_failure_days"],
            )
            for row in content["retention"]
        ),
    )


def _rating_rule(row: Mapping[str, Any]) -> RatingRule:
    return RatingRule(
        valid_from=date.fromisoformat(row["valid_from"]),
        valid_to=_day(row["valid_to"]),
        within_days=row["within_days"],
        changeable_hours=row["changeable_hours"],
        most_letters=row["most_letters"],
        least_for_a_postman=row["least_for_a_postman"],
        least_for_words=row["least_for_words"],
    )


def _complaint_rule(row: Mapping[str, Any]) -> ComplaintRule:
    return ComplaintRule(
        valid_from=date.fromisoformat(row["valid_from"]),
        valid_to=_day(row["valid_to"]),
        within_months=row["within_months"],
        province_days=row["answer_working_days"]["province"],
        between_days=row["answer_working_days"]["between"],
        most_open=row["most_open"],
        most_in_all=row["most_in_all"],
    )


def _notice_rules(content: Mapping[str, Any]) -> Rules:
    quiet, retries, zns = content["quiet_hours"], content["retries"], content["zns_errors"]
    return Rules(
        quiet_from=_seconds(quiet["from"]),
        quiet_to=_seconds(quiet["to"]),
        moved_after=timedelta(minutes=content["moved_minutes"]),
        first_wait=timedelta(seconds=retries["first_seconds"]),
        most_wait=timedelta(seconds=retries["most_seconds"]),
        most_attempts=retries["most_attempts"],
        zns_elsewhere=frozenset(zns["elsewhere"]),
        zns_again=frozenset(zns["again"]),
        kinds=MappingProxyType(
            {
                kind: KindRule(
                    channels=tuple(Channel(name) for name in row["channels"]),
                    lasts=timedelta(minutes=row["lasts_minutes"]),
                    late_after=timedelta(hours=row["late_hours"]),
                    at_any_hour=row.get("at_any_hour", False),
                    to_anybody=row.get("to_anybody", False),
                )
                for kind, row in ((kind, content["kinds"][kind]) for kind in Kind)
            }
        ),
        channels=MappingProxyType(
            {
                channel: ChannelRule(
                    segment_dong=row["segment_dong"],
                    day_messages=row["day_messages"],
                    day_dong=row["day_dong"],
                    kept_for_codes_percent=row["kept_for_codes_percent"],
                    most_segments=row["most_segments"],
                )
                for channel, row in ((channel, content["channels"][channel]) for channel in Channel)
            }
        ),
    )


def _template(row: Mapping[str, Any]) -> Template:
    return Template(
        sentences=tuple(
            Sentence(
                vi=sentence["vi"],
                en=sentence["en"],
                rank=sentence.get("rank", 0),
                needs=tuple(sentence.get("needs", ())),
                unless=tuple(sentence.get("unless", ())),
            )
            for sentence in row["sentences"]
        ),
        zns=MappingProxyType({name: Parameter(value["text"], value["max"]) for name, value in row["zns"].items()}),
    )
