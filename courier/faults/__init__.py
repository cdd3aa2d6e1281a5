"""Proof by trouble: campaigns in which everything fails that can fail, with books that must be right at the end."""

from courier.faults.campaign import Campaign, NotEmpty, Outcome, Wanted
from courier.faults.phone import Broken
from courier.faults.report import require_known_ending, say, write
from courier.faults.server import DidNotStart

__all__ = [
    "Broken",
    "Campaign",
    "DidNotStart",
    "NotEmpty",
    "Outcome",
    "Wanted",
    "require_known_ending",
    "say",
    "write",
]
