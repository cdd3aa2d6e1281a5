"""Envelopes that only this server can open: what a phone seals while it is locked, and the keys of both sides.

ECDH on P-256 with a key of the moment, HKDF-SHA256, AES-256-GCM, all of it what a browser's WebCrypto can do. What is known of
the contents outside (which event, which medium) is bound to them, so no envelope can be passed off as another.
"""

import base64
import binascii
import os
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from courier.settings import Secrets

VERSION: Final = 1
_CURVE: Final = ec.SECP256R1()
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_INFO: Final = b"buuta seal v1"
_KID_BYTES, _POINT_BYTES, _IV_BYTES, _TAG_BYTES = 4, 65, 12, 16
OVERHEAD: Final = 1 + _KID_BYTES + _POINT_BYTES + _IV_BYTES + _TAG_BYTES
"""Bytes that a binary envelope adds to what it holds."""
# No event of ours comes near: 200 items and 200 money lines take some 40 kB.
_LONGEST_TEXT: Final = 256 * 1024


class Unopenable(Exception):
    """Not an envelope, not for this server, or not what it says on the outside."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair of the server; `kid` names it, `public` is the uncompressed point."""

    private: ec.EllipticCurvePrivateKey
    public: bytes
    kid: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed text or medium: for which key, with which key of the moment, and the ciphertext with its tag."""

    kid: str
    epk: bytes
    iv: bytes
    ct: bytes

    @classmethod
    def of_json(cls, value: object) -> "Envelope":
        """Read `{v: 1, kid, epk, iv, ct}`, bytes as base64url.

        Raises:
            Unopenable: it is not of this shape.
        """
        if not isinstance(value, dict) or value.get("v") != VERSION or not isinstance(value.get("kid"), str):
            raise Unopenable("no envelope of version 1")
        return cls(value["kid"], *(_from_text(value.get(name)) for name in ("epk", "iv", "ct")))

    def to_json(self) -> dict[str, Any]:
        """The other way round."""
        return {"v": VERSION, "kid": self.kid, "epk": to_text(self.epk), "iv": to_text(self.iv), "ct": to_text(self.ct)}

    @classmethod
    def of_bytes(cls, value: bytes) -> "Envelope":
        """Read the binary form: 0x01, kid, epk, iv, ciphertext.

        Raises:
            Unopenable: it is not of this shape.
        """
        if len(value) < OVERHEAD or value[0] != VERSION:
            raise Unopenable("no envelope of version 1")
        epk_from = 1 + _KID_BYTES
        iv_from = epk_from + _POINT_BYTES
        ct_from = iv_from + _IV_BYTES
        return cls(value[1:epk_from].hex(), value[epk_from:iv_from], value[iv_from:ct_from], value[ct_from:])

    def to_bytes(self) -> bytes:
        """The other way round."""
        return bytes([VERSION]) + bytes.fromhex(self.kid) + self.epk + self.iv + self.ct


def sealing_key(secrets: Secrets) -> Key:
    """The key that phones seal to."""
    return _derived(secrets, b"buuta phone sealing key v1")


def signing_key(secrets: Secrets) -> Key:
    """The key that a bag is signed with."""
    return _derived(secrets, b"buuta phone signing key v1")


@cache
def _derived(secrets: Secrets, info: bytes) -> Key:
    # 48 bytes for a number of 32: what the remainder prefers cannot be noticed.
    wide = HKDF(hashes.SHA256(), 48, salt=None, info=info).derive(secrets.link_key)
    return key_of(ec.derive_private_key(int.from_bytes(wide, "big") % (_ORDER - 1) + 1, _CURVE))


def key_of(private: ec.EllipticCurvePrivateKey) -> Key:
    """A key pair with its name."""
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Key(private, public, sha256(public).hexdigest()[: 2 * _KID_BYTES])


def sign(body: bytes, key: Key) -> str:
    """`<kid>:<base64url r||s>` of ECDSA P-256 SHA-256, as WebCrypto verifies it."""
    r, s = decode_dss_signature(key.private.sign(body, ec.ECDSA(hashes.SHA256())))
    return f"{key.kid}:{to_text(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def seal(
    plain: bytes,
    public: bytes,
    *,
    bound_to: str,
    ephemeral: ec.EllipticCurvePrivateKey | None = None,
    iv: bytes | None = None,
) -> Envelope:
    """Seal as a phone does; `bound_to` says on the outside what is inside. Key and iv are made for this one envelope."""
    ephemeral = ephemeral or ec.generate_private_key(_CURVE)
    iv = iv or os.urandom(_IV_BYTES)
    epk = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = ephemeral.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, public))
    ct = AESGCM(_content_key(shared, epk, public)).encrypt(iv, plain, bound_to.encode())
    return Envelope(sha256(public).hexdigest()[: 2 * _KID_BYTES], epk, iv, ct)


def unseal(envelope: Envelope, key: Key, *, bound_to: str) -> bytes:
    """What an envelope holds.

    Raises:
        Unopenable: it was sealed to another key, bound to something else, or changed on the way.
    """
    if envelope.kid != key.kid:
        raise Unopenable("sealed to another key")
    if len(envelope.epk) != _POINT_BYTES or len(envelope.iv) != _IV_BYTES or len(envelope.ct) < _TAG_BYTES:
        raise Unopenable("parts of the wrong length")
    try:
        sender = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, envelope.epk)
        shared = key.private.exchange(ec.ECDH(), sender)
        return AESGCM(_content_key(shared, envelope.epk, key.public)).decrypt(
            envelope.iv, envelope.ct, bound_to.encode("utf-8", "surrogatepass")
        )
    except (ValueError, InvalidTag) as fault:
        raise Unopenable("no point of the curve, or not what was sealed") from fault


def _content_key(shared: bytes, epk: bytes, public: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=bytes(32), info=_INFO + epk + public).derive(shared)


def event_label(device_id: object, device_seq: object, event_id: object) -> str:
    """What a sealed event is bound to."""
    return f"event:{device_id}:{device_seq}:{event_id}"


def medium_label(digest: str) -> str:
    """What a sealed medium is bound to."""
    return f"media:{digest}"


def to_text(value: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def from_text(text: str) -> bytes:
    """The bytes of a base64url text, padded or not.

    Raises:
        Unopenable: it is none.
    """
    try:
        bare = text.rstrip("=")
        return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as fault:
        raise Unopenable("not base64url") from fault


def _from_text(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise Unopenable("a part is missing or too long")
    return from_text(value)
