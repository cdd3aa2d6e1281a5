"""How a citizen without an account proves who he is, and how often anybody may try: figures of `data/visiting.json`."""

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_WITH_PORT: Final = re.compile(r"^(?:\[([^\]]*)\](?::[0-9]+)?|([0-9]+\.[0-9.]+):[0-9]+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """At most so many within a time that moves along."""

    most: int
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRules:
    """The figures. A proof lasts `visit`; a code has six digits, is asked for, sent and good for `code_lasts`."""

    visit: timedelta
    code_lasts: timedelta
    guesses_per_code: int
    codes_per_item: Bound
    codes_per_phone: Bound
    codes_per_address: Bound
    wrong_digits_per_item: Bound
    wrong_digits_per_address: Bound
    unknown_codes_per_address: Bound
    unknown_links_per_address: Bound
    requests_per_item: Bound


def network(address: str) -> str:
    """One home or office: an IPv4 address, or the /64 in which an IPv6 host chooses its own.

    Some proxies add a port, and some write a word where they know no address: all such visitors share one counter.
    """
    plain = _WITH_PORT.sub(r"\1\2", address).partition("%")[0]
    try:
        found = ipaddress.ip_address(plain)
    except ValueError:
        return "unknown"
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
