"""P-256 as push uses it: keys that stay the same after a restart, ES256 tokens, and the aes128gcm content
encoding.

The decoder is written from RFC 8188 and RFC 8291, independent of the product's encoder.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from binascii import Error as BadBase64
from typing import Any

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HEADER = 16 + 4 + 1  # salt, record size, length of the key id


class Undecodable(Exception):
    """The body is not an aes128gcm message for this subscription."""


def key_named(name: str) -> ec.EllipticCurvePrivateKey:
    """The private key that belongs to a name, always the same one. Never use such a key for anything real."""
    number = int.from_bytes(hashlib.sha256(f"simulator:{name}".encode()).digest(), "big")
    return ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The private key as PKCS 8 text, as Apple's .p8 files are."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The public key as the 65 bytes of an uncompressed point."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def from_b64url(text: str) -> bytes:
    """Bytes of URL-safe base64 without padding. Raises ValueError."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except BadBase64 as problem:
        raise ValueError("not URL-safe base64") from problem


def es256_claims(token: str, key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """The claims of an ES256 token whose signature is good; times are left to the caller. Raises
    jwt.PyJWTError."""
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    return dict(jwt.decode(token, key, algorithms=["ES256"], options=options))


def decrypt(body: bytes, private: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """The plain text of a Web Push message (one record). Raises Undecodable."""
    if len(body) < _HEADER or len(body) < _HEADER + body[20] + 18:
        raise Undecodable("too short")
    salt, size = body[:16], int.from_bytes(body[16:20], "big")
    sender, record = body[_HEADER : _HEADER + body[20]], body[_HEADER + body[20] :]
    if size < 18 or len(record) > size:
        raise Undecodable("not a single record")
    material = _input_key(private, sender, auth)
    key = _hkdf(salt, material, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(salt, material, b"Content-Encoding: nonce\0", 12)
    try:
        padded = AESGCM(key).decrypt(nonce, record, None)
    except InvalidTag as problem:
        raise Undecodable("wrong keys or damaged") from problem
    text = padded.rstrip(b"\0")
    if not text.endswith(b"\x02"):
        raise Undecodable("the last record's delimiter is missing")
    return text[:-1]


def _input_key(private: ec.EllipticCurvePrivateKey, sender: bytes, auth: bytes) -> bytes:
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
    except ValueError as problem:
        raise Undecodable("the sender's key is no point of P-256") from problem
    shared = private.exchange(ec.ECDH(), public)
    return _hkdf(auth, shared, b"WebPush: info\0" + point(private.public_key()) + sender, 32)


def _hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(material)
