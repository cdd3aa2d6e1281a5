"""What the commands of `python -m routing` share; each has a module of its own."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from routing.matrix import InvalidProblem
from routing.solving import EngineFailed
from routing.vroom import INPUT, error_body

VALID, INVALID, UNREADABLE = 0, 1, 2

_LOADED = time.monotonic()


def age() -> float:
    """Seconds since this process began, the interpreter's own start included where the system tells."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError):
        return time.monotonic() - _LOADED


def seconds_above_0(text: str) -> float:
    """An argument in seconds."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("expected seconds above 0")
    return value


def at_least_1(text: str) -> int:
    """An argument that counts something."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return value


def told(error: Exception) -> int:
    """What a command could not read or do: VROOM's answer on standard output, and its code to exit with."""
    if isinstance(error, EngineFailed):
        print(error, file=sys.stderr)
    if isinstance(error, EngineFailed | InvalidProblem):
        body = error_body(error)
    else:
        body = {"code": INPUT, "error": f"cannot read the input: {error}"}
    print(json.dumps(body))
    return int(body["code"])
