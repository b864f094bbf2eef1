"""The secrets of a configuration's form: under which name each is kept, and that what has no use is not kept.

A secret that takes over from the one before it keeps its name, so there are two names for client secrets, and
the next one gets the one that is free.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from shared.nouns.configurations import AuthType, Configuration, SecretField, secrets_of
from shared.store.stores import Secrets
from shared.vendors.vendor import Fields

Typed = Mapping[SecretField, str]
OWN_PREFIX = "vendor-"
"""What the names of configurations' secrets begin with."""


def typed_in(fields: Fields) -> dict[SecretField, str]:
    """The secrets that came with the form; one that is empty did not."""
    values = {name: value for name, value in fields if isinstance(value, SecretStr)}
    unknown = set(values) - set(SecretField)
    if unknown:
        raise TypeError(f"{', '.join(sorted(unknown))} can be no secret: give it a place among SecretField")
    found = {SecretField(name): value.get_secret_value() for name, value in values.items()}
    return {name: value for name, value in found.items() if value}


def references(
    id: str, auth_type: AuthType, typed: Typed, before: Configuration | None, *, named: bool
) -> dict[SecretField, str]:
    """The name of each secret that the configuration has from now on. `named`: its certificate is kept
    elsewhere."""
    useful = [one for one in secrets_of(auth_type) if not (named and one in _CERTIFICATE)]
    kept = {one: before.reference(one) for one in useful} if before else {}
    if SecretField.certificate in typed:
        kept.pop(SecretField.certificate_password, None)  # it belonged to the one before
    first = kept.get(SecretField.client_secret) or f"{OWN_PREFIX}{id}"
    names = {
        SecretField.client_secret: first,
        SecretField.next_client_secret: f"{OWN_PREFIX}{id}-next"
        if first == f"{OWN_PREFIX}{id}"
        else f"{OWN_PREFIX}{id}",
        SecretField.certificate: f"{OWN_PREFIX}{id}-certificate",
        SecretField.certificate_password: f"{OWN_PREFIX}{id}-certificate-password",
    }
    return {one: names[one] for one in useful if one in typed or kept.get(one)}


_CERTIFICATE = frozenset({SecretField.certificate, SecretField.certificate_password})


def keep(secrets: Secrets, configuration: Configuration, typed: Typed) -> None:
    """Write what was typed in."""
    for field, value in typed.items():
        name = configuration.reference(field)
        if name is not None:
            secrets.set(name, value)


def forget(secrets: Secrets, before: Configuration, after: Configuration | None = None) -> None:
    """Remove the secrets that `before` had and `after` has not."""
    for name in _names(before) - (_names(after) if after else set()):
        secrets.delete(name)


def _names(configuration: Configuration) -> set[str]:
    return {name for name in map(configuration.reference, SecretField) if name}
