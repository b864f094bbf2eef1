"""The form in which a configuration is entered: the fields that all vendors have in common.

Promise: its JSON Schema is what the portal shows, and nothing that it does not name is taken.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.nouns.configurations import AuthType, CloudName
from shared.nouns.detections import Severity, Status


class Fields(BaseModel):
    """The fields that every vendor's configuration has; a vendor adds its own by subclassing. Their JSON
    Schema is the portal's form. Secrets are write-only: they go to the secret store and never come back."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    display_name: str = Field(
        min_length=1,
        max_length=80,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+$",
        title="Display name",
        description="Shown on each detection to say where it came from.",
    )
    enabled: bool = Field(True, title="Enabled")
    cloud: CloudName = Field(CloudName.commercial, title="Cloud")
    auth_type: AuthType = Field(AuthType.client_secret, title="Auth type")
    tenant_id: str | None = Field(
        None,
        title="Tenant ID",
        description="Directory (tenant) ID, or one of its domains.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$",
    )
    client_id: str | None = Field(
        None,
        title="Client ID",
        description="Application (client) ID; for a managed identity the client id of a user-assigned one, "
        "or empty for the system-assigned.",
        pattern=r"^[0-9A-Fa-f-]{36}$",
    )
    client_secret: SecretStr | None = Field(
        None,
        title="Client secret",
        description="The secret's value, not its id.",
        json_schema_extra={"writeOnly": True},
    )
    client_secret_expires: date | None = Field(
        None,
        title="Client secret expires",
        description="The day on which it ends, as 2028-06-30, to be warned of it; not needed where the app "
        "may read that itself (Application.Read.All).",
    )
    next_client_secret: SecretStr | None = Field(
        None,
        title="Next client secret",
        description="A second secret's value; it takes over by itself when the first one ends.",
        json_schema_extra={"writeOnly": True},
    )
    next_client_secret_expires: date | None = Field(
        None,
        title="Next client secret expires",
        description="The day on which the second one ends, as 2028-06-30.",
    )
    certificate: SecretStr | None = Field(
        None,
        title="Certificate",
        description="With its private key: PEM as text, or PKCS#12 (.pfx) in base64.",
        json_schema_extra={"writeOnly": True},
    )
    certificate_password: SecretStr | None = Field(
        None,
        title="Certificate password",
        description="Only if the private key is encrypted.",
        json_schema_extra={"writeOnly": True},
    )
    certificate_name: str | None = Field(
        None,
        title="Certificate name",
        description="Name of a certificate in the product's Key Vault, instead of a certificate typed in "
        "here; a renewed one is used by itself.",
        pattern=r"^[0-9A-Za-z-]{1,127}$",
    )
    identity_client_id: str | None = Field(
        None,
        title="Identity client ID",
        description="Federated: client id of the user-assigned identity that the app trusts; empty for the "
        "one this product runs as.",
        pattern=r"^[0-9A-Fa-f-]{36}$",
    )
    poll_interval: int = Field(
        60, ge=30, le=86_400, title="Poll interval", description="Seconds between polls."
    )
    first_read_days: int = Field(
        7, ge=0, le=90, title="First read", description="How many days back the first poll reads."
    )
    inventory_hours: int = Field(
        6,
        ge=1,
        le=168,
        title="Inventory interval",
        description="Hours between readings of machines, vulnerabilities and so on, where there are any; "
        "scores once a day at most.",
    )
    minimum_severity: Severity | None = Field(
        None,
        title="Minimum severity",
        description="Less severe alerts are not stored; alerts of unknown severity always are.",
    )
    severities: tuple[Severity, ...] = Field(
        (), title="Severities", description="Only alerts of these severities; empty for all."
    )
    categories: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = Field(
        (),
        max_length=100,
        title="Categories",
        description="Only alerts of these categories, in the vendor's words; empty for all.",
    )
    statuses: tuple[Status, ...] = Field(
        (),
        title="Statuses",
        description="Only alerts that have one of these when they are first seen; empty for all.",
    )
    most_per_poll: int | None = Field(
        None,
        ge=1,
        title="Most per poll",
        description="How many alerts one poll brings at most; the others come with the next ones.",
    )
