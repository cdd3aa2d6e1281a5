"""How long a bag list of 10,000 rows takes: read and put on trial, every row looked at, and taken in.

    python -m tests.bench.bench_imports --rows 10000

Ends with 1 when the whole is slower than `FLOOR` rows a second, which is 10,000 rows in 40 seconds.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from courier import intake
from courier.store.session import migrate, open_database
from tests.intake_office import NOW, a_row, a_sheet, open_house

FLOOR = 250
# Some addresses are the same, as in a real list; every tenth must be asked about.
ADDRESSES = [f"Ấp {number}, xã Khánh An, huyện U Minh, tỉnh Cà Mau" for number in range(1, 400)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    rows = parser.parse_args().rows
    sheet = a_sheet(
        a_row(
            number,
            dossier_code=f"H12.{number}",
            address="gần cây cầu" if number % 10 == 0 else ADDRESSES[number % len(ADDRESSES)],
        )
        for number in range(1, rows + 1)
    )
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/office.db")
        migrate(database)
        house = open_house(database, Path(folder))
        house.desk.jobs.migrate()
        desk, caller = house.desk, house.dispatcher
        began, spent = (time.perf_counter(), time.process_time()), []

        def done(what: str) -> None:
            nonlocal began
            now = (time.perf_counter(), time.process_time())
            spent.append((what, now[0] - began[0], now[1] - began[1]))
            began = now

        def run(work: object) -> None:
            effect = work(desk, {"list": str(list_id), "by": str(caller.id)}, at=NOW)
            with database.write() as session:
                effect(session)

        list_id = intake.stage_sheet(desk, caller, filename="x.xlsx", content=sheet, at=NOW)
        done("read and kept")
        run(intake.check_job)
        done("every row looked at")
        trial = intake.get_trial(desk, caller, list_id)
        intake.commit(desk, caller, list_id, version=trial.version, at=NOW)
        run(intake.commit_job)
        done("taken in")
        stored = len(house.items())
        house.desk.jobs.stop()
        database.close()
    for what, wall, cpu in spent:
        print(f"{what:20} {wall:6.1f} s, of which {cpu:5.1f} s computing")
    seconds, computing = sum(wall for _, wall, _ in spent), sum(cpu for *_, cpu in spent)
    # Computing is compared: other processes on the machine say nothing about this one.
    speed = rows / computing
    print(
        f"{stored} of {rows} rows became items in {seconds:.1f} s; {speed:.0f} rows a second of computing, at least {FLOOR}"
    )
    return int(stored != rows or speed < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
