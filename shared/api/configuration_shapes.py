"""What a vendor configuration looks like on the wire, coming and going."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.api.check_shapes import CheckOut, check_out
from shared.api.configuration_forms import shown_fields
from shared.api.configuration_health import Health, health_of
from shared.api.etags import version_tag
from shared.nouns.checkups import Checkup
from shared.nouns.configurations import Configuration, SecretField
from shared.nouns.detections import Instant
from shared.vendors.vendor import WebhookVendor

if TYPE_CHECKING:
    from shared.api.parts import ApiParts
    from shared.store.configurations import Configured


class ConfigurationIn(BaseModel):
    """A whole configuration. `fields` follow the vendor's schema (`GET /api/v1/vendors`)."""

    model_config = ConfigDict(extra="forbid")

    vendor: str = Field(min_length=1, max_length=40)
    fields: dict[str, Any]


class ConfigurationChange(BaseModel):
    """The fields to change."""

    model_config = ConfigDict(extra="forbid")

    fields: dict[str, Any]


class ConfigurationOut(BaseModel):
    """A configuration. Secrets are never shown, only whether there is one. `etag` is what `If-Match`
    takes."""

    id: str
    vendor: str
    vendor_title: str
    display_name: str
    enabled: bool
    fields: dict[str, Any]
    client_secret_set: bool
    secrets_set: list[SecretField] = Field(description="Which secrets it has, by the form's field.")
    next_took_over: Instant | None = Field(
        description="When the next client secret took over by itself; null once another one is typed in."
    )
    webhook_url: str | None = Field(
        description="Where the vendor may send alerts at once; needs a function key."
    )
    created: Instant | None
    changed: Instant | None
    etag: str
    health: Health
    last_check: CheckOut | None = Field(description="The last check; null if there was none yet.")


class ConfigurationList(BaseModel):
    """Vendor configurations, by name."""

    items: list[ConfigurationOut]


def configuration_out(found: Configured, parts: ApiParts, checkup: Checkup | None) -> ConfigurationOut:
    """The configuration as it may be shown."""
    configuration = found.configuration
    vendor = parts.vendors.get(configuration.vendor)
    return ConfigurationOut(
        id=configuration.id,
        vendor=configuration.vendor,
        vendor_title=vendor.title if vendor else configuration.vendor,
        display_name=configuration.display_name,
        enabled=configuration.enabled,
        fields=shown_fields(configuration),
        client_secret_set=configuration.secret_reference is not None,
        secrets_set=[one for one in SecretField if configuration.reference(one)],
        next_took_over=configuration.next_took_over,
        webhook_url=webhook_url(configuration, parts) if isinstance(vendor, WebhookVendor) else None,
        created=configuration.created,
        changed=configuration.changed,
        etag=version_tag(configuration.etag),
        health=health_of(configuration, found.state, parts.now()),
        last_check=check_out(checkup) if checkup else None,
    )


def webhook_url(configuration: Configuration, parts: ApiParts, *, identity: bool = False) -> str:
    """Where the vendor's Logic App sends alerts: to the function with a key, or, with `identity`, to the API
    with an access token. The key is not part of the address and not known here."""
    place = "/api/v1/webhooks" if identity else "/api/webhooks"  # api/webhooks.py, function_app.py
    path = f"{place}/{configuration.vendor.replace('_', '-')}/{configuration.id}"
    return parts.settings.public_url.rstrip("/") + path
