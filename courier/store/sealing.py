"""ID numbers at rest: AES-GCM-SIV per field, bound to its row, with a blind index to search by.

The ID space (10^12) can be enumerated, so the blind index is only as secret as its key.
"""

import hmac
import os
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from courier.settings import Secrets

_KEY_ID = b"\x01"
_NONCE_BYTES = 12


def seal(id_number: str, *, row: UUID, secrets: Secrets) -> bytes:
    """Encrypt one ID number for the row that holds it: key id, nonce, ciphertext."""
    nonce = os.urandom(_NONCE_BYTES)
    return _KEY_ID + nonce + AESGCMSIV(secrets.id_number_key).encrypt(nonce, id_number.encode(), row.bytes)


def unseal(sealed: bytes, *, row: UUID, secrets: Secrets) -> str:
    """Decrypt what `seal` made for the same row.

    Raises:
        cryptography.exceptions.InvalidTag: the bytes belong to another row or another key.
    """
    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    return AESGCMSIV(secrets.id_number_key).decrypt(nonce, ciphertext, row.bytes).decode()


def blind_index(id_number: str, *, secrets: Secrets) -> str:
    """A keyed digest under which equal ID numbers meet."""
    return hmac.new(secrets.blind_index_key, id_number.encode(), sha256).hexdigest()
