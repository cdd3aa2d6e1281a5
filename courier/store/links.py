"""The citizen's link: a token that can be made again from the item, and of which the database holds only a digest."""

import base64
import hmac
from hashlib import sha256
from uuid import UUID

from courier.settings import Secrets

_BYTES = 18  # 144 bits: cannot be guessed, 24 characters in a text message


def token_for(secrets: Secrets, item_id: UUID, generation: int) -> str:
    """The token of an item's link; raising the generation makes a new one and ends the old."""
    message = item_id.bytes + generation.to_bytes(4, "big")
    return base64.urlsafe_b64encode(hmac.new(secrets.link_key, message, sha256).digest()[:_BYTES]).decode()


def digest(token: str) -> str:
    """What the database stores and looks up."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
