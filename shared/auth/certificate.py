"""Sign-in as an app with its certificate: an assertion signed with the private key (PS256, named by the
certificate's SHA-256 thumbprint), instead of a secret that travels.

The certificate is PEM with its private key, or PKCS#12 in base64, as Key Vault keeps certificates too. It is
read at each new token, so that a renewed one is picked up. azure-identity would sign with RS256 and SHA-1, so
the assertion is made here. Source: "Microsoft identity platform application authentication certificate
credentials".
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4

from shared.auth.cache import IssuedToken
from shared.auth.client_secret import SecretReader
from shared.auth.registration import app_token, client_of, tenant_of
from shared.errors import SignInFailed
from shared.nouns.configurations import Cloud, Configuration, SecretField

_ASSERTION_SECONDS = 300


@dataclass(frozen=True)
class Certificate:
    """A certificate with its private key. `thumbprint` is SHA-1, as the Entra admin center shows it;
    `x5t_s256` what an assertion names it by."""

    private_key: Any = field(repr=False)
    x5t_s256: str
    thumbprint: str
    ends: datetime


def read_certificate(text: str, password: str | None) -> Certificate:
    """The certificate that was typed in. Raises SignInFailed with words for the operator."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    secret = password.encode() if password else None
    try:
        key, certificate = _pem(text, secret) if "-----BEGIN" in text else _pkcs12(text, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause: the library's words may quote what was typed.
        raise SignInFailed(
            "The certificate cannot be read. It must be PEM with certificate and private key, or PKCS#12 "
            "(.pfx) in base64; if its key is encrypted, the certificate password must be the right one."
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise SignInFailed("The certificate has no RSA private key. Entra ID takes RSA certificates only.")
    if certificate is None or certificate.public_key() != key.public_key():
        raise SignInFailed("The private key does not belong to the certificate beside it.")
    return Certificate(
        private_key=key,
        x5t_s256=base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode(),
        thumbprint=certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303 - a name, not a proof
        ends=certificate.not_valid_after_utc,
    )


def _pem(text: str, password: bytes | None) -> tuple[Any, Any]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = text.encode()
    key = load_pem_private_key(content, password)
    chain = x509.load_pem_x509_certificates(content)
    own = (one for one in chain if one.public_key() == key.public_key())
    return key, next(own, chain[0])


def _pkcs12(text: str, password: bytes | None) -> tuple[Any, Any]:
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    key, certificate, _ = load_key_and_certificates(content, password)
    return key, certificate


def certificate_of(configuration: Configuration, secrets: SecretReader) -> Certificate:
    """The configuration's certificate as it is stored now. Raises SignInFailed."""
    stored = configuration.reference(SecretField.certificate)
    name = configuration.certificate_name or stored
    if name is None:
        raise SignInFailed(
            "Sign-in failed: this configuration has no certificate. Enter one, or the name of one in the Key "
            "Vault."
        )
    text = secrets.get(name)
    if not text:
        raise SignInFailed(
            f"Sign-in failed: the certificate {configuration.certificate_name or ''} is not in the secret "
            "store. Enter it again, or correct its name."
        )
    password = configuration.reference(SecretField.certificate_password)
    return read_certificate(text, secrets.get(password) if password and name == stored else None)


class ClientCertificate:
    """Gets tokens for one configuration. Raises SignInFailed before any call if the configuration is
    incomplete."""

    def __init__(
        self,
        configuration: Configuration,
        cloud: Cloud,
        secrets: SecretReader,
        *,
        ca_bundle: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._configuration = configuration
        self._cloud = cloud
        self._secrets = secrets
        self._ca_bundle = ca_bundle
        self._now = now

    def __call__(self, audience: str) -> IssuedToken:
        """A new token for the resource `audience`."""
        from azure.identity import ClientAssertionCredential

        tenant, client = tenant_of(self._configuration), client_of(self._configuration)
        assertion = self._assertion(tenant, client, certificate_of(self._configuration, self._secrets))
        make = partial(ClientAssertionCredential, tenant, client, lambda: assertion)
        return app_token(self._cloud, audience, make, ca_bundle=self._ca_bundle, hidden=assertion)

    def _assertion(self, tenant: str, client: str, certificate: Certificate) -> str:
        import jwt

        now = int(self._now())
        claims = {
            "aud": f"{self._cloud.authority.rstrip('/')}/{tenant}/oauth2/v2.0/token",
            "iss": client,
            "sub": client,
            "jti": str(uuid4()),
            "nbf": now,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        headers = {"x5t#S256": certificate.x5t_s256}
        return jwt.encode(claims, certificate.private_key, algorithm="PS256", headers=headers)
