"""Which certificate authorities push believes: the public ones, and the operator's further bundle (a
proxy's, the simulator's)."""

from __future__ import annotations

import ssl

import certifi

from shared.errors import OperatorMustAct


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """A context that checks certificates and names. Raises OperatorMustAct when the bundle cannot be read."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except (OSError, ssl.SSLError) as error:
            raise OperatorMustAct(
                "POCKETSOC_CA_BUNDLE does not name a readable PEM file of certificates."
            ) from error
    return context
