"""Web Push message encryption: what only the browser that registered can read, whatever the push service
stores.

Source: RFC 8291 (Message Encryption for Web Push) on RFC 8188 (aes128gcm), in its single-record form.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.errors import BadRequest

RECORD_SIZE = 4096
_LAST_RECORD = b"\x02"
_TAG_BYTES = 16


def encode64(value: bytes) -> str:
    """Bytes as base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decode64(text: object) -> bytes:
    """Base64url with or without padding as bytes; browsers send both, and some the ordinary alphabet.
    Raises BadRequest."""
    if not isinstance(text, str) or len(text) > 200:
        raise BadRequest("The push registration's keys must be base64url text.")
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest("The push registration's keys must be base64url text.") from error


def point(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as an uncompressed point, 65 bytes."""
    return public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass(frozen=True)
class Recipient:
    """The browser's half of a registration: its public key and the secret that it shared with us."""

    public_key: ec.EllipticCurvePublicKey
    auth: bytes = field(repr=False)

    @classmethod
    def parse(cls, p256dh: object, auth: object) -> Recipient:
        """From base64url. Raises BadRequest unless p256dh is an uncompressed point on P-256 and auth has 16
        bytes."""
        raw, shared = decode64(p256dh), decode64(auth)
        if len(shared) != 16:
            raise BadRequest("The push registration's auth must have 16 bytes.")
        try:
            if len(raw) != 65:
                raise ValueError("length")
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        except ValueError as error:
            raise BadRequest(
                "The push registration's p256dh must be an uncompressed P-256 point of 65 bytes."
            ) from error
        return cls(key, shared)

    def as_keys(self) -> dict[str, str]:
        """As `parse` takes it, always in the same writing."""
        return {"p256dh": encode64(point(self.public_key)), "auth": encode64(self.auth)}


def encrypt(
    plaintext: bytes,
    recipient: Recipient,
    *,
    salt: bytes | None = None,
    sender: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The body of a push message, 103 bytes longer than its plaintext.

    `salt` (16 bytes) and `sender` are fresh for every message; they are given only to repeat a published
    example. Raises ValueError for a plaintext that does not fit one record.
    """
    if len(plaintext) + len(_LAST_RECORD) + _TAG_BYTES > RECORD_SIZE:
        raise ValueError(f"a push of {len(plaintext)} bytes does not fit one record")
    salt = salt or os.urandom(16)
    sender = sender or ec.generate_private_key(ec.SECP256R1())
    ours, theirs = point(sender.public_key()), point(recipient.public_key)
    shared = sender.exchange(ec.ECDH(), recipient.public_key)
    material = _derive(recipient.auth, shared, b"WebPush: info\0" + theirs + ours, 32)
    key = _derive(salt, material, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(salt, material, b"Content-Encoding: nonce\0", 12)
    header = salt + struct.pack("!LB", RECORD_SIZE, len(ours)) + ours
    return header + AESGCM(key).encrypt(nonce, plaintext + _LAST_RECORD, None)


def _derive(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    extract = hmac.HMAC(salt, hashes.SHA256())
    extract.update(material)
    return HKDFExpand(hashes.SHA256(), length, info).derive(extract.finalize())
