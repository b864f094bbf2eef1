"""Between the form of a vendor's fields and the stored configuration: what is validated, where secrets go,
what is shown.

Promises: only the vendor's own `Fields` decide what is valid; a base URL must be one of the vendor's hosts;
secret values leave this module only for the secret store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, ValidationError

from shared.api.problems import FieldError, Invalid, field_errors
from shared.errors import HostNotAllowed
from shared.nouns.configurations import AuthType, Cloud, CloudName, Configuration, Filters
from shared.nouns.detections import Instant
from shared.vendors.vendor import Fields, Vendor

Clouds = Mapping[CloudName, Cloud]

# What a Configuration has a place of its own for; everything else a vendor asks for goes into `options`.
_OWN = frozenset(Configuration.model_fields) & (frozenset(Fields.model_fields) | {"base_url"})
# Flat in the form, together in the configuration.
_FILTERS = frozenset(Filters.model_fields) & frozenset(Fields.model_fields)
_SECRET = "client_secret"


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


def secret_in(fields: Fields) -> str | None:
    """The secret that came with the form; None when none was typed."""
    return fields.client_secret.get_secret_value() or None if fields.client_secret else None


def configured(
    vendor: Vendor, fields: Fields, *, id: str, now: Instant, clouds: Clouds, before: Configuration | None
) -> Configuration:
    """The configuration that the form describes. A secret typed earlier stays unless the auth type has no
    use for one. Raises Invalid for a base URL outside the vendor's hosts."""
    secret_fields = {n for n, value in fields if isinstance(value, SecretStr)}
    if secret_fields - {_SECRET}:
        raise TypeError("only client_secret can be secret: add a place in the secret store for more")
    values = fields.model_dump(mode="json", exclude=secret_fields | {_SECRET})
    keeps = before is not None and before.secret_reference is not None
    has_secret = fields.auth_type is AuthType.client_secret and (keeps or secret_in(fields) is not None)
    made = Configuration(
        id=id,
        vendor=vendor.slug,
        secret_reference=f"vendor-{id}" if has_secret else None,
        filters=Filters(**{n: v for n, v in values.items() if n in _FILTERS}),
        options={n: v for n, v in values.items() if n not in _OWN | _FILTERS},
        created=before.created if before else now,
        changed=now,
        etag=before.etag if before else "",
        **{n: v for n, v in values.items() if n in _OWN},
    )
    _check_host(vendor, made, clouds)
    return made


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
