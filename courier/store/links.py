"""The citizen's link and code: both can be made again from the item, and the database holds only digests of them."""

import base64
import hmac
from datetime import date
from hashlib import sha256
from uuid import UUID

from courier.settings import Secrets

_CODE_DIGITS = 6
_BYTES = 18  # 144 bits: cannot be guessed, 24 characters in a text message


def token_for(secrets: Secrets, item_id: UUID, generation: int) -> str:
    """The token of an item's link; raising the generation makes a new one and ends the old."""
    message = item_id.bytes + generation.to_bytes(4, "big")
    return base64.urlsafe_b64encode(hmac.new(secrets.link_key, message, sha256).digest()[:_BYTES]).decode()


def recipient_code(secrets: Secrets, item_id: UUID, day: date) -> str:
    """Six digits that the citizen reads out at the door on that day (mã nhận)."""
    message = b"recipient-code|" + item_id.bytes + b"|" + day.isoformat().encode()
    number = int.from_bytes(hmac.new(secrets.link_key, message, sha256).digest()[:8], "big")
    return f"{number % 10**_CODE_DIGITS:0{_CODE_DIGITS}d}"


def digest(token: str) -> str:
    """What the database stores and looks up."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
