"""Configurations from the environment, so that a small team needs no portal: a tenant, an app and its secret
in the settings are read without anybody making a configuration.

What the environment says wins, each time a process starts; what it does not say (name, categories, being
disabled) may be changed over the API and stays. A setting that is taken away leaves the configuration as it
is: a slip in a deployment must not blind anybody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from shared.errors import Conflict, HostNotAllowed, OperatorMustAct
from shared.nouns.configurations import AuthType, Cloud, CloudName, Configuration
from shared.nouns.detections import instant_of
from shared.settings import Settings
from shared.store.configurations import Configurations
from shared.store.stores import Secrets
from shared.vendors.vendor import Fields, Vendor

ENDPOINT, GRAPH = "defender_endpoint", "graph_security"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FromEnvironment:
    """Makes and changes the configurations that the settings name."""

    settings: Settings
    configurations: Configurations
    secrets: Secrets
    vendors: Mapping[str, Vendor]
    clouds: Mapping[CloudName, Cloud]
    clock: Callable[[], datetime]

    def apply(self) -> int:
        """Bring the stored configurations in line; gives how many were made or changed. Raises
        OperatorMustAct for a setting that cannot be right."""
        return sum(self._apply(wanted) for wanted in self._wanted())

    def _wanted(self) -> Iterator[tuple[str, str | None]]:
        """Which vendors, each with its base URL."""
        settings = self.settings
        if not (settings.azure_tenant_id and settings.azure_client_id and settings.azure_client_secret):
            return
        if settings.defender_api_base_url or not settings.graph_api_base_url:
            yield ENDPOINT, settings.defender_api_base_url
        if settings.graph_api_base_url:
            yield GRAPH, settings.graph_api_base_url

    def _apply(self, wanted: tuple[str, str | None]) -> bool:
        slug, base_url = wanted
        vendor, id = self.vendors[slug], f"environment-{slug.replace('_', '-')}"
        found = self.configurations.get(id)
        before = found.configuration if found else None
        made = self._configuration(id, vendor, base_url, before)
        secret_is_new = self._keep_secret(made)
        if before is not None and made == before:
            if secret_is_new:
                self.configurations.read_soon(id, anew=False)
            return secret_is_new
        try:
            saved = self.configurations.save(made.model_copy(update={"changed": instant_of(self.clock())}))
        except Conflict:
            return False  # another instance starts as well, and says the same
        if before is not None:
            self.configurations.read_soon(id, anew=not saved.reads_as(before))
        _log.info("configuration %s is as the environment says", id)
        return True

    def _configuration(
        self, id: str, vendor: Vendor, base_url: str | None, before: Configuration | None
    ) -> Configuration:
        settings = self.settings
        said: dict[str, Any] = {
            "base_url": base_url,
            "auth_type": AuthType.client_secret,
            "tenant_id": settings.azure_tenant_id,
            "client_id": settings.azure_client_id,
            "secret_reference": f"vendor-{id}",
        }
        if settings.defender_sync_interval is not None:
            said["poll_interval"] = settings.defender_sync_interval
        made = before or Configuration(
            id=id,
            vendor=vendor.slug,
            display_name=vendor.title,
            poll_interval=Fields.model_fields["poll_interval"].default,
            options=_defaults(vendor),
            created=instant_of(self.clock()),
        )
        filters = made.filters.model_copy(
            update={
                "severities": settings.defender_severities or made.filters.severities,
                "most_per_poll": settings.defender_most_alerts or made.filters.most_per_poll,
            }
        )
        made = made.model_copy(update={**said, "filters": filters})
        return made.model_copy(update={"cloud": self._cloud(vendor, made)})

    def _cloud(self, vendor: Vendor, made: Configuration) -> CloudName:
        """The cloud in which the base URL is: the product's own if it may be, else the first that has it.
        Raises OperatorMustAct."""
        own = self.settings.cloud
        for name in (own, *(name for name in self.clouds if name is not own)):
            try:
                vendor.api_root(made.model_copy(update={"cloud": name}), self.clouds[name])
            except HostNotAllowed:
                continue
            return name
        host = urlsplit(made.base_url or "").hostname or "it"
        raise OperatorMustAct(
            f"The settings name a base URL of {vendor.title} that is none of its addresses ({host[:100]}). "
            "Correct it, or leave it empty."
        )

    def _keep_secret(self, made: Configuration) -> bool:
        """Put the secret where all secrets are; whether it is a new one."""
        secret, name = self.settings.azure_client_secret, made.secret_reference
        if secret is None or name is None or self.secrets.get(name) == secret.get_secret_value():
            return False
        self.secrets.set(name, secret.get_secret_value())
        return True


def _defaults(vendor: Vendor) -> dict[str, Any]:
    """The vendor's own fields as an empty form has them."""
    own = vendor.fields.model_fields.keys() - Fields.model_fields.keys() - Configuration.model_fields.keys()
    values = vendor.fields.model_construct(display_name=vendor.title).model_dump(mode="json")
    return {name: value for name, value in values.items() if name in own}
