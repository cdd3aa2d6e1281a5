"""The code of an authenticator app: RFC 6238 with SHA-1, 30 seconds and 6 digits, which is what every such app speaks."""

import hmac
from datetime import datetime
from typing import Final

STEP_SECONDS: Final = 30
DIGITS: Final = 6
# A phone's clock may be half a minute off in either direction.
_NEIGHBOURS: Final = (0, -1, 1)


def code(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """The code of one time step (seconds since 1970, divided by 30)."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), "sha1").digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, shown: str, *, at: datetime, used: int | None) -> int | None:
    """The step that a shown code belongs to, now or one step off; None when it is wrong or not newer than `used`."""
    now = int(at.timestamp()) // STEP_SECONDS
    found = None
    for neighbour in _NEIGHBOURS:
        fits = hmac.compare_digest(code(secret, now + neighbour).encode(), shown.encode())
        if fits and (used is None or now + neighbour > used):
            found = now + neighbour
    return found
