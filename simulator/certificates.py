"""The simulator's certificate authority and its server certificate.

Kept in a folder, so that whoever has once been told to trust the authority (REQUESTS_CA_BUNDLE, a browser)
need not be told again after a restart. The authority signs one certificate, for loopback names; its key is
never written down.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509

NAMES = ("localhost", "127.0.0.1", "::1")
LIFETIME = timedelta(days=365)  # browsers and Apple refuse server certificates that live much longer


@dataclass(frozen=True)
class Certificates:
    """Paths of three PEM files: the authority (what clients trust), the server's chain, and the server's
    private key."""

    authority: Path
    chain: Path
    key: Path


def certificates(folder: Path) -> Certificates:
    """The certificates kept in `folder`, made there if absent or about to expire."""
    found = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    if not _usable(found):
        folder.mkdir(parents=True, exist_ok=True)
        _make(found)
    return found


def _usable(found: Certificates) -> bool:
    if not all(path.exists() for path in (found.authority, found.chain, found.key)):
        return False
    server = x509.load_pem_x509_certificate(found.chain.read_bytes())
    return server.not_valid_after_utc > datetime.now(UTC) + timedelta(days=7)


def _make(wanted: Certificates) -> None:
    authority = trustme.CA(organization_name="PocketSOC simulator")
    issued = authority.issue_cert(*NAMES, not_after=datetime.now(UTC) + LIFETIME)
    descriptor = os.open(wanted.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(issued.private_key_pem.bytes())
    wanted.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(str(wanted.authority))
