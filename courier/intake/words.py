"""What the words of a list mean on a day: kinds of papers, agencies, parts of the day, and what a deadline is worth."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from pathlib import Path

from courier.desk import Desk
from courier.domain import bag_list
from courier.domain.bag_list import Vocabulary
from courier.store.intake import AgencyRow


@dataclass(frozen=True, slots=True)
class Rules:
    """`data/intake.json`: barcodes, parts of the day, priorities."""

    barcode_patterns: tuple[re.Pattern[str], ...]
    visits: tuple[int, int]
    parts_of_day: Mapping[str, tuple[int, int]]
    priorities: tuple[tuple[int, int], ...]
    priority_later: int
    priority_without_deadline: int


@lru_cache(maxsize=4)
def rules_of(data_dir: Path) -> Rules:
    """The rules of an installation, read once."""
    content = json.loads((data_dir / "intake.json").read_text(encoding="utf-8"))
    return Rules(
        barcode_patterns=tuple(re.compile(row["pattern"]) for row in content["barcode_patterns"]),
        visits=_span(content["visits"]),
        parts_of_day={bag_list.key_of(word): _span(row) for row in content["parts_of_day"] for word in row["words_vi"]},
        priorities=tuple(sorted((row["working_days_left"], row["priority"]) for row in content["priorities"])),
        priority_later=content["priority_later"],
        priority_without_deadline=content["priority_without_deadline"],
    )


def _span(row: Mapping[str, str]) -> tuple[int, int]:
    start, end = (time.fromisoformat(row[word]) for word in ("from", "to"))
    return start.hour * 3600 + start.minute * 60, end.hour * 3600 + end.minute * 60


def vocabulary(desk: Desk, agencies: Sequence[AgencyRow], day: date) -> Vocabulary:
    """The words that are understood on a day; agencies are those of the database, with the aliases of the facts."""
    rules = rules_of(desk.settings.data_dir)
    types: dict[str, str] = {}
    closed: dict[str, str] = {}
    for kind in desk.facts.bylaws.document_types.values():
        for word in (kind.code, kind.name_vi, *kind.aliases):
            if kind.open_on(day):
                types[bag_list.key_of(word)] = kind.code
            else:
                closed[bag_list.key_of(word)] = kind.closed_reason or "loại giấy tờ này không nhận vào ngày này."
    names: dict[str, str] = {}
    for agency in agencies:
        fact = desk.facts.agencies.get(agency.code)
        for word in (agency.code, agency.name, *(fact.aliases if fact else ())):
            names[bag_list.key_of(word)] = agency.code
    return Vocabulary(
        day=day,
        barcode_patterns=rules.barcode_patterns,
        document_types=types,
        closed_types=closed,
        agencies=names,
        visits=rules.visits,
        parts_of_day=rules.parts_of_day,
    )
