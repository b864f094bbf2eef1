"""Everything the product reads from its environment: one frozen model, read once, every setting described
once.

`local.settings.sample.json` lists the same names (tests/test_settings.py keeps them in step).
"""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import OperatorMustAct
from shared.nouns.configurations import CloudName
from shared.nouns.detections import Severity
from shared.nouns.notifications import Privacy

Words = Annotated[tuple[str, ...], NoDecode]
Severities = Annotated[tuple[Severity, ...], NoDecode]


class Settings(BaseSettings):
    """The product's settings. Names are environment variables (in Azure: application settings), given as
    aliases."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    storage: str | None = Field(
        None,
        alias="AzureWebJobsStorage",
        repr=False,
        description="Connection string of the storage account; local only.",
    )
    storage_account: str | None = Field(
        None,
        alias="AzureWebJobsStorage__accountName",
        description="Storage account name; in Azure, instead of a connection string.",
    )
    table_uri: str | None = Field(
        None,
        alias="AzureWebJobsStorage__tableServiceUri",
        description="Table endpoint, when it is not the account's usual one.",
    )
    queue_uri: str | None = Field(
        None, alias="AzureWebJobsStorage__queueServiceUri", description="Queue endpoint, likewise."
    )
    blob_uri: str | None = Field(
        None, alias="AzureWebJobsStorage__blobServiceUri", description="Blob endpoint, likewise."
    )
    identity_client_id: str | None = Field(
        None,
        alias="AzureWebJobsStorage__clientId",
        description="Client id of the user-assigned identity the product runs as.",
    )
    key_vault_url: str | None = Field(
        None, alias="POCKETSOC_KEY_VAULT_URL", description="Key Vault that holds the vendors' secrets."
    )
    secrets_file: str | None = Field(
        None, alias="POCKETSOC_SECRETS_FILE", description="A JSON file instead of Key Vault; local only."
    )
    cloud: CloudName = Field(
        CloudName.commercial,
        alias="POCKETSOC_CLOUD",
        description="Microsoft cloud in which the API's users sign in.",
    )
    api_tenant_id: str | None = Field(
        None, alias="POCKETSOC_API_TENANT_ID", description="Tenant whose users may call the API."
    )
    api_audience: Words = Field(
        (),
        alias="POCKETSOC_API_AUDIENCE",
        description="Accepted audiences of API tokens, comma-separated: the app's client id and App ID URI.",
    )
    public_url: str = Field(
        "http://localhost:7071",
        alias="POCKETSOC_PUBLIC_URL",
        description="Address under which phones and Logic Apps reach this app.",
    )
    privacy: Privacy = Field(
        Privacy.full,
        alias="POCKETSOC_PUSH_PRIVACY",
        description="Most that a push may say: full, title or none.",
    )
    push_hosts: Words = Field(
        (), alias="POCKETSOC_PUSH_HOSTS", description="Further push service hosts to allow, comma-separated."
    )
    web_push_subject: str = Field(
        "mailto:security@example.com",
        alias="POCKETSOC_WEB_PUSH_SUBJECT",
        description="Contact that push services see (mailto: or https:).",
    )
    apns_team_id: str | None = Field(
        None, alias="POCKETSOC_APNS_TEAM_ID", description="Apple developer team id; empty switches APNs off."
    )
    apns_key_id: str | None = Field(
        None, alias="POCKETSOC_APNS_KEY_ID", description="Id of the APNs signing key."
    )
    apns_key_reference: str = Field(
        "apns-signing-key",
        alias="POCKETSOC_APNS_KEY_REFERENCE",
        description="Name of the secret that holds the APNs key (PEM).",
    )
    apns_topic: str | None = Field(None, alias="POCKETSOC_APNS_TOPIC", description="Bundle id of the app.")
    apns_url: str = Field(
        "https://api.push.apple.com",
        alias="POCKETSOC_APNS_URL",
        description="APNs address; the sandbox is https://api.development.push.apple.com.",
    )
    webhook_max_bytes: int = Field(
        4 * 1024 * 1024,
        alias="POCKETSOC_WEBHOOK_MAX_BYTES",
        ge=1024,
        le=100 * 1024 * 1024,
        description="Largest webhook body accepted, in bytes.",
    )
    collector_url: str | None = Field(
        None,
        alias="POCKETSOC_COLLECTOR_URL",
        description="Https address that risks and assets are handed to; empty: nobody.",
    )
    collector_token_reference: str | None = Field(
        None,
        alias="POCKETSOC_COLLECTOR_TOKEN_REFERENCE",
        description="Name of the secret that holds the collector's bearer token; empty: it wants none.",
    )
    collector_minimum_severity: Severity | None = Field(
        None,
        alias="POCKETSOC_COLLECTOR_MINIMUM_SEVERITY",
        description="Risks below it are not handed over.",
    )
    collector_categories: Words = Field(
        (),
        alias="POCKETSOC_COLLECTOR_CATEGORIES",
        description="Only risks of these categories are handed over, comma-separated.",
    )
    collector_names: Words = Field(
        (),
        alias="POCKETSOC_COLLECTOR_NAMES",
        description="Only what has one of these DNS names is handed over, comma-separated; `*` and `?` stand "
        "for anything.",
    )
    ca_bundle: str | None = Field(
        None,
        alias="POCKETSOC_CA_BUNDLE",
        description="PEM file of further certificate authorities (a proxy's, the simulator's).",
    )
    azure_tenant_id: str | None = Field(
        None,
        alias="AZURE_TENANT_ID",
        description="Tenant to read; with AZURE_CLIENT_ID and AZURE_CLIENT_SECRET it makes a configuration.",
    )
    azure_client_id: str | None = Field(
        None, alias="AZURE_CLIENT_ID", description="Client id of the app registration that reads it."
    )
    azure_client_secret: SecretStr | None = Field(
        None, alias="AZURE_CLIENT_SECRET", repr=False, description="The app registration's secret."
    )
    graph_api_base_url: str | None = Field(
        None,
        alias="GRAPH_API_BASE_URL",
        description="Set, a configuration of Microsoft Graph Security is made; /v1.0 at its end is fine.",
    )
    defender_api_base_url: str | None = Field(
        None,
        alias="DEFENDER_API_BASE_URL",
        description="Set (or neither), one of Defender for Endpoint is made; /api at its end is fine.",
    )
    defender_sync_interval: int | None = Field(
        None, alias="DEFENDER_SYNC_INTERVAL", ge=30, le=86_400, description="Their poll interval in seconds."
    )
    defender_most_alerts: int | None = Field(
        None, alias="DEFENDER_MAX_ALERTS_PER_SYNC", ge=1, description="The most alerts that one poll brings."
    )
    defender_severities: Severities = Field(
        (),
        alias="DEFENDER_ALERT_SEVERITY_FILTER",
        description="Only alerts of these severities, comma-separated: High,Medium.",
    )
    simulator_url: str | None = Field(
        None,
        alias="POCKETSOC_SIMULATOR_URL",
        description="Speak to the simulator at this https address instead of Microsoft; local only.",
    )

    @field_validator(
        *("api_audience", "push_hosts", "collector_categories", "collector_names"), mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            tuple(word.strip() for word in value.split(",") if word.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("defender_severities", mode="before")
    @classmethod
    def _severities(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(word.strip().lower() for word in value.split(",") if word.strip())

    @field_validator("*", mode="before")
    @classmethod
    def _resolved(cls, value: Any) -> Any:
        # Azure leaves the literal text in place when a Key Vault reference cannot be resolved.
        if isinstance(value, str) and value.startswith("@Microsoft.KeyVault("):
            raise ValueError(
                "the Key Vault reference was not resolved: check the app's identity and its role on the vault"
            )
        return value

    @model_validator(mode="after")
    def _local_only(self) -> Settings:
        if os.environ.get("WEBSITE_INSTANCE_ID") and (self.simulator_url or self.secrets_file):
            raise ValueError(
                "POCKETSOC_SIMULATOR_URL and POCKETSOC_SECRETS_FILE are for local use: remove them in Azure"
            )
        if self.collector_url and not self.collector_url.startswith("https://"):
            raise ValueError("POCKETSOC_COLLECTOR_URL must be an https address")
        if self.simulator_url and not self.simulator_url.startswith("https://"):
            raise ValueError("POCKETSOC_SIMULATOR_URL must be an https address")
        return self


def read_settings(**overrides: Any) -> Settings:
    """Read the environment. Raises OperatorMustAct with one line for each wrong setting, never with a
    value."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}"
            for e in error.errors(include_input=False, include_url=False)
        ]
        raise OperatorMustAct("The application settings are wrong. " + "; ".join(lines)) from None
