"""Everything the rules say, in one value: document types, attempt rules, the calendar and the kinds of communes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from courier.domain.attempts import AttemptRules
from courier.domain.calendar import WorkingCalendar
from courier.domain.identifiers import ID_DIGITS, id_number_parts
from courier.domain.release import DocumentType


@dataclass(frozen=True, slots=True)
class Bylaws:
    """The rules in force, loaded once; dated rows inside."""

    document_types: Mapping[str, DocumentType]
    attempts: AttemptRules
    calendar: WorkingCalendar
    commune_kinds: Mapping[str, str]
    minor_below_age: int

    def subject(self, id_number: str | None, *, on: date) -> str:
        """`minor` or `adult`: whose papers these are, as far as the ID number tells.

        It tells the year of birth only. Who may still be under age on the day counts as an adult, because then an ID paper is
        asked for; so does everybody with a number of the old form.
        """
        if id_number is None or len(id_number) != ID_DIGITS:
            return "adult"
        return "minor" if on.year - id_number_parts(id_number).birth_year < self.minor_below_age else "adult"

    def commune_kind(self, code: str | None) -> str:
        """`xa` or `phuong`; an unknown place counts as countryside, which is the longer time for the citizen."""
        return self.commune_kinds.get(code or "", "xa")
