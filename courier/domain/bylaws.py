"""Everything the rules say, in one value: document types, attempt rules, the calendar and the kinds of communes."""

from collections.abc import Mapping
from dataclasses import dataclass

from courier.domain.attempts import AttemptRules
from courier.domain.calendar import WorkingCalendar
from courier.domain.release import DocumentType


@dataclass(frozen=True, slots=True)
class Bylaws:
    """The rules in force, loaded once; dated rows inside."""

    document_types: Mapping[str, DocumentType]
    attempts: AttemptRules
    calendar: WorkingCalendar
    commune_kinds: Mapping[str, str]

    def commune_kind(self, code: str | None) -> str:
        """`xa` or `phuong`; an unknown place counts as countryside, which is the longer time for the citizen."""
        return self.commune_kinds.get(code or "", "xa")
