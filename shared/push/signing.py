"""Keys that sign for us, and the tokens they sign.

A key lives in the product's secrets as PEM and is asked for at every use (the secrets answer from memory
for up to a minute), so that every instance follows a new key without a restart. Signatures are
deterministic (RFC 6979): instances that sign the same claims send the same bytes, which is how push
services see one well-behaved sender however many instances run.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from shared.errors import OperatorMustAct, TryLater
from shared.push.encryption import encode64

_PEM = re.compile(r"-----BEGIN (?:EC )?PRIVATE KEY-----(.+?)-----END (?:EC )?PRIVATE KEY-----", re.DOTALL)


class Secrets(Protocol):
    """What push needs of the product's secrets; `store.stores.Secrets` has it, and says what it promises."""

    def get(self, name: str) -> str | None:
        """The newest value; None if there is no such secret."""
        ...

    def set(self, name: str, value: str) -> None:
        """Write a new value."""
        ...


class StoredKey:
    """A P-256 private key kept in the secret `name`. With `make`, the first use creates it. Thread-safe."""

    def __init__(self, secrets: Secrets, name: str, *, make: bool = False) -> None:
        self._secrets = secrets
        self._name = name
        self._make = make
        self._lock = threading.Lock()
        self._known: tuple[str, ec.EllipticCurvePrivateKey] | None = None

    def get(self) -> ec.EllipticCurvePrivateKey:
        """The key. While the secrets are away, the one last seen. Raises OperatorMustAct when there is none
        or it is no such key, TryLater when the secrets are away before it was ever read."""
        with self._lock:
            try:
                text = self._read()
            except TryLater:
                if self._known is None:
                    raise
                return self._known[1]
            if self._known is None or self._known[0] != text:
                self._known = (text, self._parse(text))
            return self._known[1]

    def _read(self) -> str:
        text = self._secrets.get(self._name)
        if text is None and self._make:
            self._secrets.set(self._name, new_key())
            # Two instances may have made one each: what the store has now is the key, and the other follows
            # within a minute.
            text = self._secrets.get(self._name)
        if text is None:
            raise OperatorMustAct(
                f"There is no secret named {self._name}: store the signing key (PEM) there."
            )
        return text

    def _parse(self, text: str) -> ec.EllipticCurvePrivateKey:
        # A PEM that was pasted into a one-line form has lost its line breaks, or has them as the two
        # characters \n.
        match = _PEM.search(text.replace("\\n", "\n"))
        try:
            key = (
                load_der_private_key(base64.b64decode("".join(match[1].split()), validate=True), None)
                if match
                else None
            )
        except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
            key = None  # not `from`: the parser's words may quote the key
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise OperatorMustAct(f"The secret {self._name} is not an unencrypted P-256 private key in PEM.")
        return key


def new_key() -> str:
    """A fresh P-256 private key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def sign_token(key: ec.EllipticCurvePrivateKey, claims: Mapping[str, Any], **header: str) -> str:
    """A JWT signed with ES256 (RFC 7518, section 3.4: the raw r and s, 32 bytes each). Equal claims give
    equal tokens."""
    parts = [{"alg": "ES256", "typ": "JWT", **header}, dict(claims)]
    text = ".".join(
        encode64(json.dumps(part, separators=(",", ":"), sort_keys=True).encode()) for part in parts
    )
    r, s = decode_dss_signature(
        key.sign(text.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    )
    return f"{text}.{encode64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
