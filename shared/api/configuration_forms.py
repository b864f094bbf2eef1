"""Between the form of a vendor's fields and the stored configuration: what is validated, where secrets go,
what is shown.

Promises: only the vendor's own `Fields` decide what is valid; a base URL must be one of the vendor's hosts;
secret values leave this module only for the secret store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from shared.api.configuration_secrets import OWN_PREFIX, Typed, references
from shared.api.problems import FieldError, Invalid, field_errors
from shared.errors import HostNotAllowed, SignInFailed, TryLater
from shared.nouns.configurations import AuthType, Cloud, CloudName, Configuration, Filters, SecretField
from shared.nouns.detections import Instant
from shared.vendors.vendor import Fields, Vendor

Clouds = Mapping[CloudName, Cloud]
_CLIENT_SECRETS = {SecretField.client_secret, SecretField.next_client_secret}

# What a Configuration has a place of its own for; everything else a vendor asks for goes into `options`.
_OWN = frozenset(Configuration.model_fields) & (frozenset(Fields.model_fields) | {"base_url"})
# Flat in the form, together in the configuration.
_FILTERS = frozenset(Filters.model_fields) & frozenset(Fields.model_fields)


def validated(vendor: Vendor, given: Mapping[str, Any]) -> Fields:
    """The fields, as the vendor wants them. Raises Invalid."""
    try:
        return vendor.fields.model_validate(given)
    except ValidationError as error:
        wrong = [_explained(vendor, one) for one in field_errors(error, "body", "fields")]
        raise Invalid("Some fields are not right; see errors.", wrong) from None


def _explained(vendor: Vendor, wrong: FieldError) -> FieldError:
    """With the form's own description of the field, which tells what to type."""
    field = vendor.fields.model_fields.get(wrong.field.removeprefix("body.fields."))
    if field is None or not field.description:
        return wrong
    return wrong.model_copy(update={"message": f"{wrong.message} {field.description}"})


@dataclass(frozen=True)
class Surroundings:
    """What a form is read with besides itself; see ApiParts. `home_tenant` is that of a managed identity."""

    clouds: Clouds
    tenant_id_of: Callable[[str, Cloud], str]
    read_certificate: Callable[[str, str | None], object]
    home_tenant: str | None = None


def configured(
    vendor: Vendor,
    fields: Fields,
    typed: Typed,
    *,
    id: str,
    now: Instant,
    around: Surroundings,
    before: Configuration | None,
) -> Configuration:
    """The configuration that the form describes; `typed` are the secrets in it. One typed earlier stays
    unless the auth type has no use for it. Raises Invalid for what this way to sign in lacks, a tenant or
    certificate that is none, and a base URL outside the vendor's hosts."""
    values = fields.model_dump(mode="json", exclude={one.value for one in SecretField})
    values["tenant_id"] = _tenant(fields, around, before)
    named = fields.certificate_name is not None
    kept = references(id, fields.auth_type, typed, before, named=named)
    made = Configuration(
        id=id,
        vendor=vendor.slug,
        secret_reference=kept.pop(SecretField.client_secret, None),
        references=kept,
        filters=Filters(**{n: v for n, v in values.items() if n in _FILTERS}),
        options={n: v for n, v in values.items() if n not in _OWN | _FILTERS},
        created=before.created if before else now,
        changed=now,
        next_took_over=before.next_took_over if before and not _CLIENT_SECRETS & set(typed) else None,
        etag=before.etag if before else "",
        **{n: v for n, v in values.items() if n in _OWN},
    )
    _check_complete(made)
    _check_certificate(typed, around)
    _check_host(vendor, made, around.clouds)
    return made


def _tenant(fields: Fields, around: Surroundings, before: Configuration | None) -> str | None:
    """By its id, so that one tenant is one, however it was typed in."""
    if not fields.tenant_id:
        return around.home_tenant if fields.auth_type is AuthType.managed_identity else None
    try:
        return around.tenant_id_of(fields.tenant_id, around.clouds[fields.cloud])
    except SignInFailed as error:
        where = _wrong("tenant_id", f"{error} Enter the Directory (tenant) ID.")
        raise Invalid("The tenant is not known in this cloud.", [where]) from error
    except TryLater as error:
        if before is not None and fields.tenant_id == before.tenant_id:
            return before.tenant_id
        why = f"Which tenant this domain belongs to cannot be asked now. Enter the tenant's id. {error}"
        raise Invalid("The tenant's domain cannot be looked up now.", [_wrong("tenant_id", why)]) from error


_NEEDS_APP = {
    "tenant_id": "This way to sign in needs the Directory (tenant) ID.",
    "client_id": "This way to sign in needs the Application (client) ID.",
}
_NEEDS_SECRET = "This way to sign in needs a client secret: enter its value, not its id."
_NEEDS_CERTIFICATE = (
    "This way to sign in needs a certificate with its private key, or the name of one in the Key Vault "
    "(certificate_name)."
)
_ANOTHERS = (
    f"Names that begin with {OWN_PREFIX} are those of secrets typed into configurations, each for its own "
    "only. Give the certificate in the Key Vault another name."
)


def _check_complete(made: Configuration) -> None:
    """Everything that is missing for this way to sign in, at once."""
    if made.auth_type is AuthType.managed_identity:
        return
    lacks = [_wrong(name, words) for name, words in _NEEDS_APP.items() if not getattr(made, name)]
    if made.auth_type is AuthType.client_secret and made.secret_reference is None:
        lacks.append(_wrong("client_secret", _NEEDS_SECRET))
    has_certificate = made.certificate_name or made.reference(SecretField.certificate)
    if made.auth_type is AuthType.certificate and not has_certificate:
        lacks.append(_wrong("certificate", _NEEDS_CERTIFICATE))
    if (made.certificate_name or "").lower().startswith(OWN_PREFIX):
        lacks.append(_wrong("certificate_name", _ANOTHERS))
    if lacks:
        raise Invalid(f"Something is missing to sign in with {made.auth_type.value}; see errors.", lacks)


def _check_certificate(typed: Typed, around: Surroundings) -> None:
    certificate = typed.get(SecretField.certificate)
    if certificate is None:
        return
    try:
        around.read_certificate(certificate, typed.get(SecretField.certificate_password))
    except SignInFailed as error:
        raise Invalid("The certificate is not right.", [_wrong("certificate", str(error))]) from error


def _wrong(field: str, message: str) -> FieldError:
    return FieldError(field=f"body.fields.{field}", message=message)


def shown_fields(configuration: Configuration) -> dict[str, Any]:
    """The form's values as stored, without secrets; what a change is merged into."""
    own = configuration.model_dump(mode="json", include=set(_OWN))
    if configuration.base_url is None:
        own.pop("base_url")  # not every vendor has that field, and none is to be told of one it does not know
    return own | configuration.filters.model_dump(mode="json") | configuration.options


def _check_host(vendor: Vendor, configuration: Configuration, clouds: Clouds) -> None:
    try:
        vendor.api_root(configuration, clouds[configuration.cloud])
    except HostNotAllowed as error:
        wrong = FieldError(field="body.fields.base_url", message=str(error))
        raise Invalid("The base URL is not one of this vendor's.", [wrong]) from error
