"""Envelopes: what a phone seals opens here and nowhere else, and the vector that both sides are tested against."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from courier.settings import Secrets
from courier.store import envelopes
from courier.store.envelopes import Envelope, Unopenable, from_text, key_of, seal, to_text, unseal

VECTOR = json.loads((Path(__file__).parents[1] / "data" / "seal_vector.json").read_text(encoding="utf-8"))
SECRETS = Secrets(id_number_key=b"1" * 32, blind_index_key=b"2" * 32, link_key=b"3" * 32, form_key=b"4" * 32)


def private(jwk):
    return ec.derive_private_key(int.from_bytes(from_text(jwk["d"]), "big"), ec.SECP256R1())


@pytest.fixture
def key():
    return key_of(private(VECTOR["server"]["jwk"]))


def test_the_written_down_event_is_sealed_and_opened_byte_for_byte(key):
    event = VECTOR["event"]
    made = seal(
        event["plaintext"].encode(),
        key.public,
        bound_to=event["aad"],
        ephemeral=private(VECTOR["ephemeral"]["jwk"]),
        iv=from_text(event["iv"]),
    )
    assert made.to_json() == event["envelope"]
    assert event["aad"] == envelopes.event_label(event["device_id"], event["device_seq"], event["event_id"])
    assert unseal(Envelope.of_json(event["envelope"]), key, bound_to=event["aad"]).decode() == event["plaintext"]


def test_the_written_down_medium_is_sealed_and_opened_byte_for_byte(key):
    medium = VECTOR["medium"]
    plain = from_text(medium["plaintext"])
    made = seal(
        plain,
        key.public,
        bound_to=medium["aad"],
        ephemeral=private(VECTOR["ephemeral"]["jwk"]),
        iv=from_text(medium["iv"]),
    )
    binary = from_text(medium["envelope"])
    assert made.to_bytes() == binary
    assert len(binary) == len(plain) + envelopes.OVERHEAD
    assert medium["aad"] == envelopes.medium_label(sha256(plain).hexdigest())
    assert unseal(Envelope.of_bytes(binary), key, bound_to=medium["aad"]) == plain


def test_the_key_is_named_by_its_digest(key):
    assert key.kid == VECTOR["server"]["kid"] == sha256(from_text(VECTOR["server"]["public"])).hexdigest()[:8]


def test_an_installation_has_two_keys_that_are_always_the_same_and_those_of_another_are_others():
    other = Secrets(id_number_key=b"1" * 32, blind_index_key=b"2" * 32, link_key=b"5" * 32, form_key=b"4" * 32)
    sealing, signing = envelopes.sealing_key(SECRETS), envelopes.signing_key(SECRETS)
    assert sealing.public != signing.public
    assert envelopes.sealing_key(SECRETS).public == sealing.public
    assert envelopes.sealing_key(other).public != sealing.public


def test_a_signature_is_one_that_a_browser_verifies():
    key = envelopes.signing_key(SECRETS)
    kid, _, text = envelopes.sign(b"bag", key).partition(":")
    raw = from_text(text)
    assert (kid, len(raw)) == (key.kid, 64)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.private.public_key().verify(der, b"bag", ec.ECDSA(SHA256()))


BROKEN = {
    "version": lambda e: {**e, "v": 2},
    "another key": lambda e: {**e, "kid": "00000000"},
    "key of another type": lambda e: {**e, "kid": 7},
    "no point of the curve": lambda e: {**e, "epk": to_text(b"\x04" + bytes(64))},
    "compressed point": lambda e: {**e, "epk": to_text(b"\x02" + from_text(e["epk"])[1:33])},
    "infinity": lambda e: {**e, "epk": to_text(bytes(65))},
    "short iv": lambda e: {**e, "iv": to_text(bytes(11))},
    "cut": lambda e: {**e, "ct": to_text(from_text(e["ct"])[:-1])},
    "shorter than a tag": lambda e: {**e, "ct": to_text(bytes(15))},
    "no base64": lambda e: {**e, "ct": "không phải base64"},
    "oversized": lambda e: {**e, "ct": "A" * 400_000},
    "a list for a text": lambda e: {**e, "ct": ["A"]},
    "parts missing": lambda e: {"v": 1, "kid": e["kid"]},
    "a list": lambda e: [e],
    "nothing": lambda _: None,
    "a text": lambda _: "sealed",
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_whatever_is_no_envelope_of_ours_cannot_be_opened(key, change):
    event = VECTOR["event"]
    with pytest.raises(Unopenable):
        unseal(Envelope.of_json(change(event["envelope"])), key, bound_to=event["aad"])


def test_an_envelope_cannot_be_passed_off_as_another(key):
    event = VECTOR["event"]
    with pytest.raises(Unopenable):
        unseal(Envelope.of_json(event["envelope"]), key, bound_to=event["aad"].replace(":1:", ":2:"))


@pytest.mark.parametrize(
    "body", [b"", b"\x01", b"\x02" + bytes(200), b"\x01" + bytes(96)], ids=["empty", "one", "two", "short"]
)
def test_a_binary_envelope_that_is_too_short_or_of_another_version_is_none(body):
    with pytest.raises(Unopenable):
        Envelope.of_bytes(body)
