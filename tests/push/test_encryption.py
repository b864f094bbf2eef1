"""Web Push encryption, against the published example and an independent implementation."""

from __future__ import annotations

import base64
import os
from typing import Any

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BadRequest
from shared.push.encryption import RECORD_SIZE, Recipient, decode64, encode64, encrypt, point

# RFC 8291, section 5 and appendix A.
UA_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SENDER_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
MESSAGE = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
    "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
    "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_published_example_comes_out_byte_for_byte() -> None:
    """RFC 8291's own keys and salt give RFC 8291's own message."""
    sender = ec.derive_private_key(int.from_bytes(decode64(SENDER_PRIVATE), "big"), ec.SECP256R1())
    recipient = Recipient.parse(UA_PUBLIC, AUTH)

    message = encrypt(
        b"When I grow up, I want to be a watermelon", recipient, salt=decode64(SALT), sender=sender
    )

    assert encode64(message) == MESSAGE


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=RECORD_SIZE - 17))
def test_an_independent_implementation_reads_what_we_encrypt(plaintext: bytes) -> None:
    """Whatever fits one record comes back whole, and costs 103 bytes."""
    key, auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)

    message = encrypt(plaintext, Recipient(key.public_key(), auth))

    assert len(message) == len(plaintext) + 103
    assert http_ece.decrypt(message, private_key=key, auth_secret=auth, version="aes128gcm") == plaintext


def test_equal_messages_are_never_encrypted_equally() -> None:
    """Salt and sender key are fresh for every message."""
    recipient = Recipient.parse(UA_PUBLIC, AUTH)

    first, second = encrypt(b"same", recipient), encrypt(b"same", recipient)

    assert first[:16] != second[:16]
    assert first[21:86] != second[21:86]


def test_a_plaintext_beyond_one_record_is_refused() -> None:
    """More than one record would need a form that browsers do not read."""
    with pytest.raises(ValueError, match="does not fit"):
        encrypt(b"x" * (RECORD_SIZE - 16), Recipient.parse(UA_PUBLIC, AUTH))


def test_padding_and_the_ordinary_alphabet_are_read_too() -> None:
    """Browsers and libraries differ in how they write base64."""
    padded = base64.b64encode(decode64(UA_PUBLIC)).decode()

    assert point(Recipient.parse(padded, AUTH + "==").public_key) == decode64(UA_PUBLIC)


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        (UA_PUBLIC, encode64(b"x" * 15)),
        (UA_PUBLIC, encode64(b"x" * 17)),
        (UA_PUBLIC, None),
        (UA_PUBLIC, "not base64!"),
        (UA_PUBLIC, "é" * 22),
        (encode64(b"\x04" + b"\x01" * 64), AUTH),
        (encode64(b"\x00" * 65), AUTH),
        (encode64(b"\x02" + decode64(UA_PUBLIC)[1:33]), AUTH),
        (UA_PUBLIC[:-2], AUTH),
        ("A" * 10_000, AUTH),
        (7, AUTH),
    ],
)
def test_keys_that_are_none_are_refused_without_being_quoted(p256dh: Any, auth: Any) -> None:
    """A point off the curve, a compressed one, wrong lengths and other types are BadRequest."""
    with pytest.raises(BadRequest) as caught:
        Recipient.parse(p256dh, auth)

    assert str(p256dh) not in str(caught.value)
