"""The intake desk: a bag list comes in as a spreadsheet or by API, every row gets its verdict, and a person settles addresses."""

from typing import Final

from courier.domain import bag_list
from courier.domain.bag_list import written
from courier.intake.addresses import household, known_places, remember_doors, resolve_address
from courier.intake.lists import (
    ImportResult,
    ImportSummary,
    RowResult,
    get_import,
    import_rows,
    import_sheet,
    list_imports,
    undo_import,
)
from courier.intake.staging import (
    CHECK_JOB,
    COMMIT_JOB,
    MOST_AT_ONCE,
    Trial,
    TrialRow,
    check_job,
    commit,
    commit_job,
    correct_rows,
    discard,
    failed_rows,
    get_trial,
    give_up,
    list_of_import,
    list_trials,
    name_columns,
    send_again,
    stage_rows,
    stage_sheet,
    trial_rows,
)
from courier.outside import spreadsheet
from courier.outside.spreadsheet import template

HEADINGS: Final = bag_list.HEADINGS
UNUSED: Final = bag_list.UNUSED
MOST_BYTES: Final = spreadsheet.MOST_BYTES

__all__ = [
    "CHECK_JOB",
    "COMMIT_JOB",
    "HEADINGS",
    "MOST_AT_ONCE",
    "MOST_BYTES",
    "UNUSED",
    "ImportResult",
    "ImportSummary",
    "RowResult",
    "Trial",
    "TrialRow",
    "check_job",
    "commit",
    "commit_job",
    "correct_rows",
    "discard",
    "failed_rows",
    "get_import",
    "get_trial",
    "give_up",
    "household",
    "import_rows",
    "import_sheet",
    "known_places",
    "list_imports",
    "list_of_import",
    "list_trials",
    "name_columns",
    "remember_doors",
    "resolve_address",
    "send_again",
    "stage_rows",
    "stage_sheet",
    "template",
    "trial_rows",
    "undo_import",
    "written",
]
