"""`bench ...`: measure the optimiser beside its peers and write tables and pictures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction  # it is generic for the type checker only


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Make the command known."""
    commands.add_parser("bench", help="measure the optimiser beside its peers")
