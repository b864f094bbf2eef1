"""Certificates: every form in which one comes, and the assertion that is made with it."""

from __future__ import annotations

import base64

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.auth.certificate import ClientCertificate, certificate_of, read_certificate
from shared.errors import SignInFailed
from shared.nouns.configurations import CLOUDS, CloudName, Configuration, SecretField
from simulator import sample
from tests.sign_in.clinic import certificate, pem_of, pfx_of


@pytest.fixture(scope="module")
def pair():
    """A certificate with its private key."""
    return certificate()


@pytest.fixture
def configured(secrets):
    """A configuration whose certificate and password are in the secret store as given."""

    def make(text, password=None, **more):
        secrets.values |= {"cert": text} | ({"pass": password} if password else {})
        references = {SecretField.certificate: "cert"}
        references |= {SecretField.certificate_password: "pass"} if password else {}
        usual = {"id": "c", "vendor": "v", "display_name": "d", "references": references}
        return Configuration(**usual | {"tenant_id": sample.TENANT_ID, "client_id": sample.CLIENT_ID} | more)

    return make


@pytest.mark.parametrize(
    ("form", "password"),
    [
        (lambda key, made: pem_of(key, made), None),
        (lambda key, made: made.public_bytes(Encoding.PEM).decode() + pem_of(key, made), None),
        (lambda key, made: pem_of(key, made, b"open sesame"), "open sesame"),
        (lambda key, made: base64.b64encode(pfx_of(key, made)).decode(), None),
        (lambda key, made: base64.encodebytes(pfx_of(key, made, b"pass")).decode(), "pass"),
    ],
    ids=["pem", "certificate first", "encrypted pem", "pfx", "encrypted pfx in lines"],
)
def test_every_form_of_a_certificate_is_read(pair, form, password):
    """PEM in any order, PKCS#12 in base64, each with a password or without."""
    found = read_certificate(form(*pair), password)

    sha256 = base64.urlsafe_b64encode(pair[1].fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    assert found.x5t_s256 == sha256
    assert found.thumbprint == pair[1].fingerprint(hashes.SHA1()).hex().upper()
    assert found.ends == pair[1].not_valid_after_utc


@pytest.mark.parametrize(
    ("text", "password", "words"),
    [
        ("not a certificate", None, "cannot be read"),
        ("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----", None, "cannot be read"),
        ("encrypted", "wrong", "cannot be read"),
        ("encrypted", None, "cannot be read"),
        ("key of another", None, "does not belong"),
        ("elliptic", None, "RSA"),
        ("no key", None, "cannot be read"),
    ],
)
def test_what_is_no_usable_certificate_is_said(pair, text, password, words):
    """In words that help, and without quoting what was typed."""
    other, _ = certificate()
    curve = ec.generate_private_key(ec.SECP256R1())
    elliptic = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    text = {
        "encrypted": pem_of(*pair, b"right"),
        "key of another": pem_of(other, pair[1]),
        "elliptic": elliptic + pair[1].public_bytes(Encoding.PEM).decode(),
        "no key": pair[1].public_bytes(Encoding.PEM).decode(),
    }.get(text, text)

    with pytest.raises(SignInFailed, match=words) as caught:
        read_certificate(text, password)

    assert "nonsense" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", list(CloudName))
def test_the_assertion_is_for_the_clouds_own_sign_in_service(pair, configured, secrets, name):
    """PS256, named by the SHA-256 thumbprint, good for five minutes, never the same twice."""
    configuration = configured(pem_of(*pair))
    way = ClientCertificate(configuration, CLOUDS[name], secrets, now=lambda: 1_800_000_000.0)
    read = certificate_of(configuration, secrets)

    first, second = (way._assertion("tenant", "client", read) for _ in range(2))

    header = jwt.get_unverified_header(first)
    assert (header["alg"], header["x5t#S256"]) == ("PS256", read.x5t_s256)
    audience = f"{CLOUDS[name].authority}/tenant/oauth2/v2.0/token"
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(first, pair[1].public_key(), algorithms=["PS256"], audience=audience, options=options)
    assert (claims["iss"], claims["sub"], claims["exp"] - claims["nbf"]) == ("client", "client", 300)
    assert first != second


def test_a_certificate_in_the_vault_is_named(pair, configured, secrets):
    """As Key Vault keeps it: PKCS#12 in base64, without password; the one typed earlier does not count."""
    secrets.values["from-the-vault"] = base64.b64encode(pfx_of(*pair)).decode()
    configuration = configured("old", "old password", certificate_name="from-the-vault")

    assert certificate_of(configuration, secrets).ends == pair[1].not_valid_after_utc


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"references": {}}, "no certificate"),
        ({"certificate_name": "gone"}, "gone is not in the secret store"),
    ],
)
def test_a_missing_certificate_is_said(configured, secrets, more, words):
    """Before any call."""
    with pytest.raises(SignInFailed, match=words):
        certificate_of(configured("x", **more), secrets)
