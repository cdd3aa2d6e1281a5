"""Where our server may call to: an address that somebody typed in must not lead into our own house.

Whoever runs the installation may say of an address of his own that it lies inside (`channels.json`); a cloud's metadata never does.

Checked twice: when it is entered, and at every call by the addresses that the name has at that moment. The call then goes to a
checked address and to no other, so a name that changes its mind in between gains nothing.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

MOST_CHARACTERS: Final = 2000
_HOST: Final = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.?")
# Networks that carry an IPv4 address inside an IPv6 one: what counts is where the packet goes in the end.
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # for protocols; in one cloud its metadata
        "64:ff9b:1::/48",  # local NAT64
        "100::/64",
        "fec0::/10",  # the old site-local
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # a cloud's own wire server; public by number only
        "fd00:ec2::/32",  # a cloud's metadata and name servers
    )
)
_OWN: Final = tuple(
    ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)

Resolver = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a host; raises OSError where it has none."""


class Refused(Exception):
    """Our server does not call there. `code` is stable, the sentence says what was found."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Target:
    """A web address taken apart; `path` begins with a slash and has the query."""

    host: str
    port: int
    tls: bool
    path: str

    @property
    def authority(self) -> str:
        """What the `Host` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def read(url: str, *, loopback: bool = False, inside: bool = False) -> Target:
    """Take a web address apart. With `loopback` (tests, a demo) this machine itself may be named, also without TLS.

    With `inside` also a host of a private network, and that without TLS: for addresses that nobody typed into a page.

    Raises:
        Refused: it is no https address of a host on the public network, as far as the text tells.
    """
    if not 1 <= len(url) <= MOST_CHARACTERS or not url.isascii() or any(c <= " " or c in "\\\x7f" for c in url):
        raise Refused("unreadable-url", "the address is not a plain https URL")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise Refused("unreadable-url", "the address is not a plain https URL") from None
    if "%" in host:
        raise Refused("unreadable-url", "the host is neither a name nor an address")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Refused("unreadable-url", "an address holds neither a user nor a fragment")
    tls = parts.scheme.lower() == "https"
    if not tls and parts.scheme.lower() != "http":
        raise Refused("https-only", f"only https is called, found {parts.scheme[:20] or 'no scheme'}")
    literal = _literal(host)
    if literal is not None:
        require_outside(literal, loopback=loopback, inside=inside)
    elif not _HOST.fullmatch(host):
        # Also 2130706433, 0x7f.1 and 127.1: some libraries read them as addresses.
        raise Refused("unreadable-url", "the host is neither a name nor an address")
    is_here = host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
    if is_here and not (loopback or inside):
        raise Refused("private-address", f"{host} is this machine itself")
    if not tls and not inside and not (loopback and (is_here or (literal is not None and literal.is_loopback))):
        raise Refused("https-only", "only https is called, found http")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port or (443 if tls else 80), tls, path)


def resolve(
    target: Target, *, loopback: bool = False, inside: bool = False, resolver: Resolver | None = None
) -> list[str]:
    """The addresses of a target, every one of them checked.

    Raises:
        Refused: one of them is not on the public network.
        OSError: the name has no address now.
    """
    found = list((resolver or _of_the_system)(target.host, target.port))
    if not found:
        raise OSError(f"{target.host} has no address")
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        # A name that points both outside and inside is somebody's trick: nothing of it is called.
        require_outside(address, loopback=loopback, inside=inside)
        if not target.tls and _real(address).is_global:
            raise Refused(
                "https-only", f"what leaves the house is sealed, and {target.host} was to be called without TLS"
            )
    return found


def require_outside(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, *, loopback: bool = False, inside: bool = False
) -> None:
    """Refuse an address that is not on the public network; with `loopback` this machine is let through, with `inside` private ones.

    Raises:
        Refused: `private-address`.
    """
    real = _real(address)
    if (loopback or inside) and real.is_loopback:
        return
    reserved = _among(real, _NEVER)
    if inside and not reserved and _among(real, _OWN):
        return
    if not real.is_global or real.is_multicast or real.is_reserved or real.is_unspecified or reserved:
        raise Refused("private-address", f"{address} is not on the public network")


def _among(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _real(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address.teredo is not None:
            return address.teredo[1]
        if address in _NAT64 or int(address) >> 32 == 0:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if int(address) > 1 else address
    return address


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _of_the_system(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
