"""A vendor configuration: one configured connection, how far it has been read, and how it is doing. Pure
values."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Detection, Instant, Severity, Status


class CloudName(StrEnum):
    """The Microsoft clouds by the name an operator knows them."""

    commercial = "commercial"
    gcc = "gcc"
    gcc_high = "gcc_high"
    dod = "dod"
    china = "china"


class Cloud(BaseModel):
    """Where a cloud's services live. Addresses are https origins without a trailing slash; audiences are
    what tokens are asked for.

    An address that is empty is a service that this cloud does not have. `endpoint_hosts` and `xdr_hosts` are
    all hosts on which that API is served in this cloud (geographic and older names); `cloud_apps_domain` is
    what the hosts of Defender for Cloud Apps end with; `token_exchange` is the audience of a managed
    identity's token that stands in for an app's secret. Source: Microsoft's "Defender for Endpoint for US
    Government customers", "National clouds", and "Configure an application to trust a managed identity".
    """

    model_config = ConfigDict(frozen=True)

    name: CloudName
    authority: str
    arm: str
    arm_audience: str
    endpoint_api: str
    endpoint_audience: str
    endpoint_hosts: tuple[str, ...] = ()
    graph: str
    xdr_api: str
    xdr_hosts: tuple[str, ...] = ()
    cloud_apps_domain: str
    token_exchange: str = "api://AzureADTokenExchange"
    defender_portal: str
    azure_portal: str

    @property
    def graph_audience(self) -> str:
        """What tokens for Graph are asked for: its real address, also where something stands in its place."""
        return CLOUDS[self.name].graph

    @property
    def xdr_audience(self) -> str:
        """What tokens for the Defender XDR API are asked for, likewise; one for all of a cloud's hosts."""
        return CLOUDS[self.name].xdr_api


CLOUD_APPS_AUDIENCE = "05a65629-4c1b-48c1-a78b-804c4abdd4af"
"""The resource app "Microsoft Cloud App Security", in every cloud."""

_XDR_HOSTS = (
    "api.security.microsoft.com",
    *(f"{geo}.api.security.microsoft.com" for geo in ("us", "eu", "uk", "au", "swa", "ina")),
)
_COMMERCIAL_ENDPOINT_HOSTS = (
    *_XDR_HOSTS,
    "api.securitycenter.microsoft.com",
    "api.securitycenter.windows.com",
    *(f"api-{geo}.securitycenter.microsoft.com" for geo in ("us", "eu", "uk")),
)
_COMMERCIAL = Cloud(
    name=CloudName.commercial,
    authority="https://login.microsoftonline.com",
    arm="https://management.azure.com",
    arm_audience="https://management.azure.com",
    endpoint_api="https://api.security.microsoft.com",
    endpoint_audience="https://api.securitycenter.microsoft.com",
    endpoint_hosts=_COMMERCIAL_ENDPOINT_HOSTS,
    graph="https://graph.microsoft.com",
    xdr_api="https://api.security.microsoft.com",
    xdr_hosts=_XDR_HOSTS,
    cloud_apps_domain="portal.cloudappsecurity.com",
    defender_portal="https://security.microsoft.com",
    azure_portal="https://portal.azure.com",
)


def _us_government(name: CloudName, *, graph: str, portal: str) -> Cloud:
    return Cloud(
        name=name,
        authority="https://login.microsoftonline.us",
        arm="https://management.usgovcloudapi.net",
        arm_audience="https://management.usgovcloudapi.net",
        endpoint_api="https://api-gov.securitycenter.microsoft.us",
        endpoint_audience="https://api-gov.securitycenter.microsoft.us",
        endpoint_hosts=("api-gov.securitycenter.microsoft.us",),
        graph=graph,
        xdr_api="https://api-gov.security.microsoft.us",
        xdr_hosts=("api-gov.security.microsoft.us",),
        cloud_apps_domain="portal.cloudappsecuritygov.com",
        token_exchange="api://AzureADTokenExchangeUSGov",
        defender_portal=portal,
        azure_portal="https://portal.azure.us",
    )


CLOUDS: dict[CloudName, Cloud] = {
    CloudName.commercial: _COMMERCIAL,
    CloudName.gcc: _COMMERCIAL.model_copy(
        update={
            "name": CloudName.gcc,
            "endpoint_api": "https://api-gcc.securitycenter.microsoft.us",
            "endpoint_audience": "https://api-gcc.securitycenter.microsoft.us",
            "endpoint_hosts": ("api-gcc.securitycenter.microsoft.us",),
            "xdr_api": "https://api-gcc.security.microsoft.us",
            "xdr_hosts": ("api-gcc.security.microsoft.us",),
            "cloud_apps_domain": "portal.gccmod.cloudappsecurity.com",
        }
    ),
    CloudName.gcc_high: _us_government(
        CloudName.gcc_high, graph="https://graph.microsoft.us", portal="https://security.microsoft.us"
    ),
    CloudName.dod: _us_government(
        CloudName.dod, graph="https://dod-graph.microsoft.us", portal="https://security.apps.mil"
    ),
    CloudName.china: Cloud(
        name=CloudName.china,
        authority="https://login.partner.microsoftonline.cn",
        arm="https://management.chinacloudapi.cn",
        arm_audience="https://management.chinacloudapi.cn",
        endpoint_api="",
        endpoint_audience="",
        graph="https://microsoftgraph.chinacloudapi.cn",
        xdr_api="",
        cloud_apps_domain="",
        token_exchange="api://AzureADTokenExchangeChina",
        defender_portal="",
        azure_portal="https://portal.azure.cn",
    ),
}


class AuthType(StrEnum):
    """How a configuration signs in at the vendor."""

    client_secret = "client_secret"
    certificate = "certificate"
    managed_identity = "managed_identity"
    federated = "federated"
    device_code = "device_code"
    authorization_code = "authorization_code"

    @property
    def delegated(self) -> bool:
        """Whether tokens speak for a signed-in user (`scp`) instead of the app (`roles`)."""
        return self in (AuthType.device_code, AuthType.authorization_code)


class SecretField(StrEnum):
    """The secrets that a configuration can have, by the name of the form's field."""

    client_secret = "client_secret"
    next_client_secret = "next_client_secret"
    certificate = "certificate"
    certificate_password = "certificate_password"


_SECRETS_OF = {
    AuthType.client_secret: (SecretField.client_secret, SecretField.next_client_secret),
    AuthType.certificate: (SecretField.certificate, SecretField.certificate_password),
    # A redirect address that is registered as a web app's needs the app's secret beside the person.
    AuthType.authorization_code: (SecretField.client_secret,),
}


def secrets_of(auth_type: AuthType) -> tuple[SecretField, ...]:
    """The secrets that this way to sign in has a use for."""
    return _SECRETS_OF.get(auth_type, ())


class Filters(BaseModel):
    """What of a configuration's alerts is wanted. Applied before anything is stored, to alerts that are not
    known yet: what became a detection is followed to its end. Empty fields let everything through; an
    `unknown` severity is never filtered out. `severities` is a set, for those who do not want a minimum.
    `most_per_poll` delays what is beyond it to the next poll."""

    model_config = ConfigDict(frozen=True)

    minimum_severity: Severity | None = None
    severities: tuple[Severity, ...] = ()
    categories: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    most_per_poll: int | None = Field(default=None, ge=1)

    @property
    def choosy(self) -> bool:
        """Whether anything may be kept out."""
        return bool(self.minimum_severity or self.severities or self.categories or self.statuses)

    def wants(self, detection: Detection) -> bool:
        """Whether the alert is to be stored."""
        severity = detection.severity
        if severity is not Severity.unknown:
            if self.minimum_severity and severity.rank < self.minimum_severity.rank:
                return False
            if self.severities and severity not in self.severities:
                return False
        if self.statuses and detection.status not in self.statuses:
            return False
        wanted = {one.casefold() for one in self.categories}
        return not wanted or bool(wanted & {one.casefold() for one in detection.categories})


class Configuration(BaseModel):
    """One configured connection. Holds the *references* of its secrets, never a secret: `secret_reference`
    is the client secret's, `references` has the others' by field. `options` are the vendor's own fields
    (validated by the vendor's `Fields`). `etag` is the stored version, empty until stored.

    `certificate_name` names a certificate that the operator keeps in the Key Vault; `identity_client_id` is
    the managed identity that vouches for the app (federated). The `..._expires` are what somebody typed in.
    `next_took_over`: when the next secret became the first one by itself, until another is typed in.
    """

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
    references: dict[SecretField, str] = Field(default_factory=dict)
    client_secret_expires: date | None = None
    next_client_secret_expires: date | None = None
    next_took_over: Instant | None = None
    certificate_name: str | None = None
    identity_client_id: str | None = None
    poll_interval: int = Field(default=60, ge=30, le=86_400, description="Seconds between polls.")
    first_read_days: int = Field(default=7, ge=0, le=90, description="How far back the first poll reads.")
    inventory_hours: int = Field(default=6, ge=1, le=168, description="Hours between inventory readings.")
    filters: Filters = Filters()
    options: dict[str, Any] = Field(default_factory=dict)
    created: Instant | None = None
    changed: Instant | None = None
    etag: str = ""

    def reference(self, field: SecretField) -> str | None:
        """Under which name the secret store has this secret; None if there is none."""
        return self.secret_reference if field is SecretField.client_secret else self.references.get(field)

    @property
    def scope(self) -> str:
        """Within which alerts are the same alert: the tenant, whoever configured it and whatever product
        reports."""
        return (self.tenant_id or "home").lower()

    @property
    def signs_in_at(self) -> str:
        """Where a person signs in for it: cloud, tenant and app. A sign-in is good for no other."""
        return f"{self.cloud}|{(self.tenant_id or '').lower()}|{(self.client_id or '').lower()}"

    def reads_as(self, other: Configuration) -> bool:
        """Whether a cursor of the other is good for this one; else reading must begin again."""
        return self._source == other._source

    @property
    def _source(self) -> tuple[object, ...]:
        return (
            self.scope,
            self.cloud,
            self.base_url,
            self.options,
            self.first_read_days,
            # What is wanted only now was read and left before.
            self.filters.model_copy(update={"most_per_poll": None}),
        )


class PollState(BaseModel):
    """How far a configuration has been read, and how it is doing. Written by the tick and the poller, under
    ETag.

    `cursor` belongs to the vendor: JSON that only its `fetch` understands, with the vendor's own time text
    in it. `read_from`: what the vendor made before that time was never asked for; `read_until`: everything
    the vendor had at that time has been queued. `ticket` names the poll that is queued or running, good until
    `ticket_until`; a walk begun at `walk_started` may take several polls. `error_kind` is the class of the
    last error, `alerts_filtered` how many different alerts the filters kept out. `webhook_heard` is when the
    newest alert was made that our webhook brought, `unheard` when those were that only polling has found.
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
    read_from: Instant | None = None
    read_until: Instant | None = None
    last_error: str | None = None
    error_kind: str | None = None
    failing_since: Instant | None = None
    failures: int = 0
    alerts_read: int = 0
    alerts_queued: int = 0
    alerts_filtered: int = 0
    webhook_heard: Instant | None = None
    unheard: tuple[Instant, ...] = ()
    etag: str = ""
