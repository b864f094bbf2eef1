"""How an application proves at Entra ID that it is itself: with a secret, with an assertion signed by its
certificate, or with another issuer's token that one of its federated credentials names.

Source: "application authentication certificate credentials", "Configure an application to trust a managed
identity", and the error codes of both.
"""

from __future__ import annotations

from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from simulator.entra_refusals import SignInRefused
from simulator.tokens import b64url
from simulator.world import App, AppCertificate, FederatedCredential, Tenant, World

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW = 300  # seconds
_UNCHECKED: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


def prove(world: World, tenant: Tenant, app: App, form: dict[str, str], grant: str) -> None:
    """Check the credential in a posted form. Raises SignInRefused."""
    secret, assertion = form.get("client_secret", "").strip(), form.get("client_assertion", "").strip()
    if assertion:
        if form.get("client_assertion_type") != ASSERTION:
            raise SignInRefused(900144, "invalid_request", "The client_assertion_type is missing or wrong.")
        _check_assertion(world, tenant, app, assertion)
    elif secret:
        _check_secret(world, app, secret)
    elif grant == "client_credentials":
        text = f"'client_assertion' or 'client_secret' is required for the '{grant}' grant type."
        raise _refused(7000216, text)
    else:
        text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        raise _refused(7000218, text)


def has_proof(form: dict[str, str]) -> bool:
    """Whether the form holds any credential of the app."""
    return bool(form.get("client_secret", "").strip() or form.get("client_assertion", "").strip())


def _check_secret(world: World, app: App, secret: str) -> None:
    known = next((one for one in app.secrets if one.value == secret), None)
    if known is None:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret"
            f" value, not the client secret ID, for a secret added to app '{app.client_id}'."
        )
        raise _refused(7000215, text)
    if known.expires <= world.now():
        raise _refused(7000222, f"The provided client secret keys for app '{app.client_id}' are expired.")


def _check_assertion(world: World, tenant: Tenant, app: App, assertion: str) -> None:
    try:
        header = jwt.get_unverified_header(assertion)
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError as problem:
        raise _refused(50027, "JWT token is invalid or malformed.") from problem
    _check_times(world, claims)
    if claims.get("iss") == claims.get("sub") == app.client_id:
        _check_certificate(world, tenant, app, assertion, header, claims)
    else:
        _check_federated(world, app, assertion, header, claims)


def _check_times(world: World, claims: dict[str, Any]) -> None:
    now = world.service_wall().timestamp()
    if not claims.get("nbf", now) - _SKEW <= now < claims.get("exp", 0) + _SKEW:
        text = (
            "Client assertion is not within its valid time range. Current time, expiry time of assertion and "
            "start time differ."
        )
        raise _refused(700024, text)


def _check_certificate(
    world: World, tenant: Tenant, app: App, assertion: str, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    found = next((one for one in app.certificates if _named(header, one)), None)
    if found is None or header.get("alg") not in ("PS256", "RS256"):
        text = (
            "The certificate with identifier used to sign the client assertion is not registered on "
            "application. [Reason - The key was not found.]"
        )
        raise _refused(700027, text)
    try:
        key: Any = x509.load_der_x509_certificate(found.der).public_key()
        jwt.decode(assertion, key, algorithms=[header["alg"]], options=_UNCHECKED)
    except jwt.PyJWTError as problem:
        raise _refused(50012, "Authentication failed: the signature does not fit the key.") from problem
    if found.expires <= world.now():
        raise _refused(1000502, "The provided certificate is not within its specified validity period.")
    base = {f"{world.origin}/{name}" for name in (tenant.id, tenant.domain)}
    accepted = {one + path for one in base for path in ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0")}
    if claims.get("aud") not in accepted:
        text = "Client assertion audience claim does not match Realm issuer."
        raise _refused(700023, text)


def _named(header: dict[str, Any], one: AppCertificate) -> bool:
    certificate = x509.load_der_x509_certificate(one.der)
    sha256, sha1 = (b64url(certificate.fingerprint(kind)) for kind in (hashes.SHA256(), hashes.SHA1()))  # noqa: S303
    return header["x5t#S256"] == sha256 if "x5t#S256" in header else header.get("x5t") == sha1


def _check_federated(
    world: World, app: App, assertion: str, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    if not app.federated:
        text = f"No matching federated identity record found for presented assertion on '{app.client_id}'."
        raise _refused(70021, text)
    _check_matches(world, app.federated, claims)
    key = next((one for one in world.keys.live() if one.kid == header.get("kid")), None)
    try:
        if key is None:
            raise jwt.InvalidKeyError("no such key")
        jwt.decode(assertion, key.private.public_key(), algorithms=["RS256"], options=_UNCHECKED)
    except jwt.PyJWTError as problem:
        raise _refused(50012, "Authentication failed: the assertion's signature is not valid.") from problem


def _check_matches(world: World, known: list[FederatedCredential], claims: dict[str, Any]) -> None:
    """Issuer, audience, subject, in this order; the number says what did not match."""
    left = [one for one in known if one.issuer.replace("{origin}", world.origin) == claims.get("iss")]
    if not left:
        raise _unmatched(700211, "issuer", claims.get("iss"))
    names = _names_of(world, str(claims.get("aud")))
    left = [one for one in left if names & set(one.audiences)]
    if not left:
        raise _unmatched(700212, "audience", claims.get("aud"))
    if all(one.subject != claims.get("sub") for one in left):
        raise _unmatched(700213, "subject", claims.get("sub"))


def _names_of(world: World, audience: str) -> set[str]:
    # The token exchange's tokens carry its app id; federated credentials name its identifier.
    names = {audience}
    for one in world.resources:
        if audience == one.app_id:
            names |= set(one.identifiers)
    return names


def _unmatched(number: int, what: str, presented: Any) -> SignInRefused:
    text = f"No matching federated identity record found for presented assertion {what} '{presented}'."
    return _refused(number, text)


def _refused(number: int, text: str) -> SignInRefused:
    return SignInRefused(number, "invalid_client", text, status=401)


def register_certificate(world: World, app: App, pem: bytes, *, id: str) -> AppCertificate:
    """Upload a certificate to an app, as its owner would."""
    found = x509.load_pem_x509_certificate(pem)
    made = AppCertificate(id, found.public_bytes(Encoding.DER), found.not_valid_after_utc)
    with world.lock:
        app.certificates.append(made)
    return made
