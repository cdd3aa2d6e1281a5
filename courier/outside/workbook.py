"""Workbooks (.xlsx) that we hand out: tables of plain cells, in which nothing that somebody typed can become a formula."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeAlias

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

Cell: TypeAlias = str | int | float | date | None

# A program that opens the sheet takes a text that begins so for a formula (CSV injection).
_LOOKS_LIKE_A_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_PER_CENT: Final = "0.0%"
_WHOLE: Final = "#,##0"
_WIDEST: Final = 60


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet: its name, a title, headings and rows. Floats are shares and shown as per cent, ints with thousands."""

    name: str
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def written(tables: Sequence[Table]) -> bytes:
    """The workbook as a file."""
    book = Workbook()
    book.remove(book.active)
    for table in tables:
        # Excel refuses these in a name, and more than 31 letters.
        name = "".join(" " if letter in r"[]:*?/\'" else letter for letter in table.name)[:31]
        sheet = book.create_sheet(name)
        sheet.append([])
        _write(sheet, 1, [table.title])
        sheet.cell(1, 1).font = Font(bold=True, size=14)
        _write(sheet, 3, table.headings)
        for cell in sheet[3]:
            cell.font = Font(bold=True)
            cell.fill = PatternFill("solid", fgColor="E6F0F2")
            cell.alignment = Alignment(wrap_text=True, vertical="top")
        for number, row in enumerate(table.rows, start=4):
            _write(sheet, number, row)
        sheet.freeze_panes = "A4"
        for column, heading in enumerate(table.headings, start=1):
            longest = max(
                [len(heading), *(len(str(row[column - 1])) for row in table.rows if row[column - 1] is not None)]
            )
            sheet.column_dimensions[get_column_letter(column)].width = min(longest + 2, _WIDEST)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _write(sheet: Any, row: int, values: Sequence[Cell]) -> None:
    for column, value in enumerate(values, start=1):
        cell = sheet.cell(row, column)
        if isinstance(value, str):
            cell.value = value
            cell.data_type = "s"
            if value.startswith(_LOOKS_LIKE_A_FORMULA):
                cell.quotePrefix = True  # and it stays a text when somebody edits it
        elif value is not None:
            cell.value = value
            cell.number_format = (
                _PER_CENT if isinstance(value, float) else _WHOLE if isinstance(value, int) else "dd/mm/yyyy"
            )
