"""The optimiser on the command line: `python -m routing COMMAND ...`; --help lists the commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from routing.commands import bench, check, explain, solve, solve_vrplib

COMMANDS = (solve, solve_vrplib, check, explain, bench)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, VROOM's error code (solve), or 1 invalid and 2 unreadable (check)."""
    parser = argparse.ArgumentParser(prog="python -m routing", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for command in COMMANDS:
        command.add(commands)
    chosen = parser.parse_args(arguments)
    code: int = chosen.run(chosen)
    return code


if __name__ == "__main__":
    sys.exit(main())
