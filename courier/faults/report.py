"""What a campaign says of itself: sentences on a screen, Markdown or JSON in a file."""

import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from courier.domain.errors import FieldError, Invalid
from courier.faults.campaign import Outcome
from courier.faults.checking import KINDS

_SHOWN: Final = 50


def figures(outcome: Outcome) -> dict[str, Any]:
    """Everything that was counted, as JSON's own types."""
    wanted, deaths = outcome.wanted, outcome.deaths
    told = outcome.story.told
    kinds = Counter(difference.kind for difference in outcome.differences)
    return {
        "command": f"courier faults sync --events {wanted.events} --phones {wanted.phones} --kills {wanted.kills} "
        f"--seed {wanted.seed}"
        + (f" --minutes {wanted.minutes:g}" if wanted.minutes < float("inf") else "")
        + ("" if outcome.database == "SQLite" else " --database postgresql://..."),
        "wanted": {"events": wanted.events, "phones": wanted.phones, "kills": wanted.kills, "seed": wanted.seed},
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()},
        "database": outcome.database,
        "story": {
            "acts": len(told),
            "items": len(outcome.story.things),
            "acts_by_kind": dict(sorted(Counter(one.kind for one in told).items())),
            "poisoned": len(outcome.story.sent) - len(told),
            "forged": outcome.forged,
            "pictures": len(outcome.story.pictures),
        },
        "sending": {
            "seconds": round(outcome.seconds, 1),
            "requests": outcome.requests,
            "acts_sent_with_repetitions": outcome.events_sent,
            "megabytes": round(outcome.bytes_sent / 1e6, 1),
            "letters_sealed": outcome.sealed,
            "faults": dict(sorted(outcome.faults.items())),
            "results": dict(sorted(outcome.results.items())),
            "answers_of_500_and_more": {str(status): n for status, n in sorted(outcome.refused.items())},
        },
        "kills": {
            "kills": deaths.count,
            "while_a_transaction_was_writing": deaths.writing,
            "uploads_undone_whole": deaths.undone,
            "uploads_committed_and_unheard": deaths.unheard,
            "write_ahead_file_without_its_commit": deaths.torn,
            "seconds_down": round(deaths.seconds_down, 1),
        },
        "reference": {
            "items_by_state": dict(sorted(Counter(one.state for one in outcome.expected.items.values()).items())),
            "open_incidents_by_code": dict(sorted(Counter(code for _, _, code in outcome.expected.incidents).items())),
            "cash_dong": _sum(outcome, "cash:"),
            "payable_dong": -_sum(outcome, "payable:"),
            "suspense_dong": -_sum(outcome, "suspense:"),
        },
        "differences": {kind: kinds[kind] for kind in KINDS},
        "named": [difference.sentence for difference in outcome.differences[:_SHOWN]],
    }


def _sum(outcome: Outcome, prefix: str) -> int:
    return sum(dong for account, dong in outcome.expected.accounts.items() if account.startswith(prefix))


def write(outcome: Outcome, file: Path) -> None:
    """Write the report; the file's ending says how.

    Raises:
        OSError: it cannot be written.
    """
    read = figures(outcome)
    text = json.dumps(read, indent=1, ensure_ascii=False) + "\n" if file.suffix == ".json" else markdown(read)
    file.write_text(text, encoding="utf-8")


def require_known_ending(file: Path) -> None:
    """Before an hour's work, not after it.

    Raises:
        Invalid: neither `.md` nor `.json`.
    """
    if file.suffix not in (".md", ".json"):
        raise Invalid(FieldError("report", "unknown-format", f"Báo cáo là .md hoặc .json, không phải {file.name}."))


_VERDICTS: Final = {
    "lost": "acknowledged acts lost",
    "twice": "effects that are there twice, or that nobody caused",
    "projection": "projections that differ from the reference",
    "money": "accounts and amounts that differ",
    "aside": "set aside wrongly, or not set aside",
    "picture": "pictures lost or too many",
    "told": "answers that no phone should have got",
}

_KILLS: Final = {
    "kills": "server killed (SIGKILL)",
    "while_a_transaction_was_writing": "... while a transaction was writing",
    "write_ahead_file_without_its_commit": "... in the middle of a commit: its pages in SQLite's write-ahead file, its end not",
    "uploads_undone_whole": "uploads under way at a kill of which nothing was recorded",
    "uploads_committed_and_unheard": "uploads under way at a kill that were recorded whole, their answer unheard",
}


def markdown(read: dict[str, Any]) -> str:
    """The report for people."""
    return "\n".join(_markdown(read)) + "\n"


def _markdown(read: dict[str, Any]) -> Iterator[str]:
    story, sending, kills, machine = read["story"], read["sending"], read["kills"], read["machine"]
    yield f"# Fault campaign on {read['database']}"
    yield ""
    yield f"    {read['command']}"
    yield ""
    yield f"{machine['cores']} shared cores, {machine['system']}, Python {machine['python']}."
    yield ""
    yield "| must be 0 | found |"
    yield "|---|---|"
    yield from (f"| {_VERDICTS[kind]} | {read['differences'][kind]} |" for kind in KINDS)
    yield ""
    if story["acts"] < read["wanted"]["events"]:
        yield f"Time was up after {story['acts']:,} of {read['wanted']['events']:,} acts; all that was sent is counted and compared."
        yield ""
    yield (
        f"{story['acts']:,} acts on {story['items']:,} items, {story['pictures']:,} pictures, {story['poisoned']:,} poisoned "
        f"and {story['forged']:,} forged events. {sending['acts_sent_with_repetitions']:,} acts were sent in"
    )
    yield (
        f"{sending['requests']:,} requests ({sending['megabytes']} MB) within {sending['seconds']:,} s, of which the server was "
        f"down {kills['seconds_down']:,} s."
    )
    yield ""
    yield "| what happened on the way | times |"
    yield "|---|---|"
    yield from (f"| {name} | {kills[key]} |" for key, name in _KILLS.items())
    yield from (f"| {name} | {times:,} |" for name, times in sending["faults"].items())
    yield from (f"| act answered `{name}` | {times:,} |" for name, times in sending["results"].items())
    yield from (
        f"| request answered {name} | {times:,} |" for name, times in sending["answers_of_500_and_more"].items()
    )
    yield ""
    yield from _counts("act", story["acts_by_kind"])
    yield from _counts("item at the end", read["reference"]["items_by_state"])
    yield from _counts("open incident at the end", read["reference"]["open_incidents_by_code"])
    money = read["reference"]
    yield (
        f"Cash in pockets {money['cash_dong']:,} dong, owed to payees {money['payable_dong']:,}, in suspense "
        f"{money['suspense_dong']:,}."
    )
    if read["named"]:
        yield ""
        yield from (f"* {sentence}" for sentence in read["named"])


def _counts(what: str, counts: dict[str, int]) -> Iterator[str]:
    yield f"| {what} | count |"
    yield "|---|---|"
    yield from (f"| {name} | {count:,} |" for name, count in counts.items())
    yield ""


def say(sentence: str) -> None:
    """Progress is for whoever waits, not for whoever reads the result."""
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201
