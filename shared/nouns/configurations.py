"""A vendor configuration: one configured connection, how far it has been read, and how it is doing. Pure
values."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Instant


class CloudName(StrEnum):
    """The Microsoft clouds by the name an operator knows them."""

    commercial = "commercial"
    gcc = "gcc"
    gcc_high = "gcc_high"
    dod = "dod"


class Cloud(BaseModel):
    """Where a cloud's services live. Addresses are https origins without a trailing slash; audiences are
    what tokens are asked for.

    `extra_hosts` are further hosts on which the Endpoint API is served in this cloud (geographic and older
    names). Source: Microsoft's "Defender for Endpoint for US Government customers" and "National clouds"
    pages.
    """

    model_config = ConfigDict(frozen=True)

    name: CloudName
    authority: str
    arm: str
    arm_audience: str
    endpoint_api: str
    endpoint_audience: str
    endpoint_hosts: tuple[str, ...] = ()
    defender_portal: str
    azure_portal: str


_COMMERCIAL_ENDPOINT_HOSTS = (
    "api.security.microsoft.com",
    "api.securitycenter.microsoft.com",
    "api.securitycenter.windows.com",
    *(f"{geo}.api.security.microsoft.com" for geo in ("us", "eu", "uk", "au", "swa", "ina")),
    *(f"api-{geo}.securitycenter.microsoft.com" for geo in ("us", "eu", "uk")),
)


def _us_government(
    name: CloudName, *, endpoint: str, portal: str, authority: str, arm: str, azure_portal: str
) -> Cloud:
    return Cloud(
        name=name,
        authority=authority,
        arm=arm,
        arm_audience=arm,
        endpoint_api=f"https://{endpoint}",
        endpoint_audience=f"https://{endpoint}",
        endpoint_hosts=(endpoint,),
        defender_portal=portal,
        azure_portal=azure_portal,
    )


CLOUDS: dict[CloudName, Cloud] = {
    CloudName.commercial: Cloud(
        name=CloudName.commercial,
        authority="https://login.microsoftonline.com",
        arm="https://management.azure.com",
        arm_audience="https://management.azure.com",
        endpoint_api="https://api.security.microsoft.com",
        endpoint_audience="https://api.securitycenter.microsoft.com",
        endpoint_hosts=_COMMERCIAL_ENDPOINT_HOSTS,
        defender_portal="https://security.microsoft.com",
        azure_portal="https://portal.azure.com",
    ),
    CloudName.gcc: _us_government(
        CloudName.gcc,
        endpoint="api-gcc.securitycenter.microsoft.us",
        portal="https://security.microsoft.com",
        authority="https://login.microsoftonline.com",
        arm="https://management.azure.com",
        azure_portal="https://portal.azure.com",
    ),
    CloudName.gcc_high: _us_government(
        CloudName.gcc_high,
        endpoint="api-gov.securitycenter.microsoft.us",
        portal="https://security.microsoft.us",
        authority="https://login.microsoftonline.us",
        arm="https://management.usgovcloudapi.net",
        azure_portal="https://portal.azure.us",
    ),
    CloudName.dod: _us_government(
        CloudName.dod,
        endpoint="api-gov.securitycenter.microsoft.us",
        portal="https://security.apps.mil",
        authority="https://login.microsoftonline.us",
        arm="https://management.usgovcloudapi.net",
        azure_portal="https://portal.azure.us",
    ),
}


class AuthType(StrEnum):
    """How a configuration signs in at the vendor."""

    client_secret = "client_secret"
    managed_identity = "managed_identity"


class Configuration(BaseModel):
    """One configured connection. Holds the *reference* of its secret, never the secret. `options` are the
    vendor's own fields (validated by the vendor's `Fields`). `etag` is the stored version, empty until
    stored."""

    model_config = ConfigDict(frozen=True)

    id: str
    vendor: str
    display_name: str
    enabled: bool = True
    cloud: CloudName = CloudName.commercial
    base_url: str | None = None
    auth_type: AuthType = AuthType.client_secret
    tenant_id: str | None = None
    client_id: str | None = None
    secret_reference: str | None = None
    poll_interval: int = Field(default=60, ge=30, le=86_400, description="Seconds between polls.")
    first_read_days: int = Field(default=7, ge=0, le=90, description="How far back the first poll reads.")
    options: dict[str, Any] = Field(default_factory=dict)
    created: Instant | None = None
    changed: Instant | None = None
    etag: str = ""

    @property
    def scope(self) -> str:
        """Within which native ids are unique: vendor and tenant. A tenant is the same whoever configured
        it."""
        return f"{self.vendor}|{(self.tenant_id or 'home').lower()}"


class PollState(BaseModel):
    """How far a configuration has been read, and how it is doing. Written by the tick and the poller, under
    ETag.

    `cursor` belongs to the vendor: JSON that only its `fetch` understands, with the vendor's own time text
    in it. `read_until`: everything the vendor had at that time has been queued. `ticket` names the poll
    that is queued or running, good until `ticket_until`; a walk begun at `walk_started` may take several
    polls.
    """

    model_config = ConfigDict(frozen=True)

    configuration_id: str
    cursor: dict[str, Any] | None = None
    next_due: Instant | None = None
    ticket: str | None = None
    ticket_until: Instant | None = None
    walk_started: Instant | None = None
    last_attempt: Instant | None = None
    last_success: Instant | None = None
    read_until: Instant | None = None
    last_error: str | None = None
    failing_since: Instant | None = None
    failures: int = 0
    alerts_read: int = 0
    alerts_queued: int = 0
    etag: str = ""
