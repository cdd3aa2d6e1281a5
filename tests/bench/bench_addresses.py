"""How many generated addresses are right, asked about or silently wrong, and how many one core resolves in a second of its time.

python -m tests.bench.bench_addresses --n 1000 --seed 20261122
"""

import argparse
import sys
import time
from collections import Counter
from datetime import date

from courier.domain.places import Resolution
from courier.gazetteer import Gazetteer
from tests.addresses import Case, addresses

DAY = date(2026, 11, 23)


def verdict(case: Case, found: Resolution) -> str:
    """right | asked | wrong."""
    if found.outcome != "resolved":
        return "asked"
    return "right" if found.commune_code == case.answer else "wrong"


def say(line: str) -> None:
    """Write one line."""
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Print the table; exit status 1 when anything is silently wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument(
        "--show", choices=["wrong", "asked"], help="list the addresses that are wrong, or decidable but asked about"
    )
    options = parser.parse_args()
    gazetteer = Gazetteer.load()
    cases = list(addresses(options.n, options.seed))
    started = time.process_time()
    found = [gazetteer.resolve(case.raw, on=DAY) for case in cases]
    seconds = time.process_time() - started
    table: Counter[tuple[str, str]] = Counter()
    for case, answer in zip(cases, found, strict=True):
        outcome = verdict(case, answer)
        for sort in (case.sort, "all"):
            table[sort, outcome] += 1
            table[sort, "decidable"] += case.decidable
            table[sort, "decided"] += case.decidable and outcome == "right"
        if outcome == "wrong" or (options.show == "asked" and case.decidable and outcome == "asked"):
            codes = [candidate.commune_code for candidate in answer.candidates]
            say(f"{outcome} [{case.sort}] {case.raw!r}: expected {case.answer}, {answer.reason_code} {codes}")
    columns = ("right", "asked", "wrong", "decidable", "decided")
    say(f"{'sort':24}" + "".join(f"{column:>11}" for column in columns))
    for sort in [*sorted({sort for sort, _ in table} - {"all"}), "all"]:
        say(f"{sort:24}" + "".join(f"{table[sort, column]:>11}" for column in columns))
    share = table["all", "decided"] / max(1, table["all", "decidable"])
    say(
        f"decided {share:.1%} of the decidable; {len(cases) / seconds:,.0f} addresses per CPU second; seed {options.seed}"
    )
    return 1 if table["all", "wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
