"""The intake desk: a bag list comes in as a spreadsheet or by API, every row gets its verdict, and a person settles addresses."""

from typing import Final

from courier.domain import bag_list
from courier.intake.addresses import remember_doors, resolve_address
from courier.intake.lists import (
    ImportResult,
    ImportSummary,
    RowResult,
    get_import,
    import_rows,
    import_sheet,
    list_imports,
)
from courier.outside import spreadsheet
from courier.outside.spreadsheet import template

HEADINGS: Final = bag_list.HEADINGS
MOST_BYTES: Final = spreadsheet.MOST_BYTES

__all__ = [
    "HEADINGS",
    "MOST_BYTES",
    "ImportResult",
    "ImportSummary",
    "RowResult",
    "get_import",
    "import_rows",
    "import_sheet",
    "list_imports",
    "remember_doors",
    "resolve_address",
    "template",
]
