"""The default world's made-up ids and secrets. They open nothing outside this simulator.

They never change, so that what was configured before a restart works after it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simulator import apns, elliptic, web_push
from simulator.world import (
    App,
    AppSecret,
    FederatedCredential,
    ManagedIdentity,
    Principal,
    Resource,
    Tenant,
    User,
)

if TYPE_CHECKING:
    from simulator.world import World

TENANT_ID = "5a3e11d0-7c44-4e0b-9a51-0c0ffee00001"
TENANT_DOMAIN = "fabrikam-soc.example"
SUBSCRIPTION_ID = "7d0f4c52-16a9-4b7e-8c1d-0c0ffee00002"
RESOURCE_GROUP = "rg-soc"
WORKSPACE = "law-soc"
WORKSPACE_ID = (
    f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{RESOURCE_GROUP}"
    f"/providers/Microsoft.OperationalInsights/workspaces/{WORKSPACE}"
)

CLIENT_ID = "b1c8a2d6-90f3-4d5a-a7e4-0c0ffee00003"
CLIENT_OBJECT_ID = "b1c8a2d6-90f3-4d5a-a7e4-0c0ffee00013"
SECRET_ID = "e4f7b0c3-2d68-4a91-b5f2-0c0ffee00004"
CLIENT_SECRET = "sim~Zx7.not-a-real-secret.Q4vL0"
EXPIRED_SECRET = "sim~Old.not-a-real-secret.K9wR1"

SYSTEM_IDENTITY_CLIENT_ID = "2f6d9e84-53b1-4c7a-8e0d-0c0ffee00005"
SYSTEM_IDENTITY_OBJECT_ID = "2f6d9e84-53b1-4c7a-8e0d-0c0ffee00015"
USER_IDENTITY_CLIENT_ID = "93c5e7a1-4b2f-4d86-9f3c-0c0ffee00006"
USER_IDENTITY_OBJECT_ID = "93c5e7a1-4b2f-4d86-9f3c-0c0ffee00016"
USER_IDENTITY_RESOURCE_ID = (
    f"/subscriptions/{SUBSCRIPTION_ID}/resourcegroups/rg-pocketsoc"
    "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-pocketsoc"
)
IDENTITY_HEADER = "sim-identity-header-1f0c"

API_CLIENT_ID = "c7a9f3b2-6e1d-4f58-b04a-0c0ffee00007"
API_AUDIENCE = "api://pocketsoc"
API_ROLES = ("Admin", "Responder", "Reader")
DAEMON_SECRET = "sim~Api.not-a-real-secret.T2yH6"
DAEMON_CLIENT_IDS = {
    "Admin": "d0000000-1a2b-4c3d-8e4f-0c0ffee00021",
    "Responder": "d0000000-1a2b-4c3d-8e4f-0c0ffee00022",
    "Reader": "d0000000-1a2b-4c3d-8e4f-0c0ffee00023",
}

APNS_KEY_ID = "SIMKEY0001"
APNS_TEAM_ID = "SIMTEAM001"
APNS_TOPIC = "example.fabrikam.pocketsoc"
IPHONE = "sample-iphone"
BROWSER = "sample-browser"

ENDPOINT_AUDIENCE = "https://api.securitycenter.microsoft.com"
ARM_AUDIENCE = "https://management.azure.com"
TOKEN_EXCHANGE_ID = "fb60f99c-7a34-4190-8149-302f77469936"
VAULT_AUDIENCE = "https://vault.azure.net"
GRAPH_AUDIENCE = "https://graph.microsoft.com"
XDR_AUDIENCE = "https://api.security.microsoft.com"
CLOUD_APPS_AUDIENCE = "05a65629-4c1b-48c1-a78b-804c4abdd4af"
CLOUD_APPS_ROLES = frozenset({"Investigation.read", "Investigation.manage"})
XDR_ROLES = frozenset({"Incident.Read.All", "Incident.ReadWrite.All", "AdvancedHunting.Read.All"})
ENDPOINT_ROLES = frozenset(
    {
        *("Alert.Read.All", "Alert.ReadWrite.All", "Machine.Read.All", "Machine.Isolate"),
        *("AdvancedQuery.Read.All", "Vulnerability.Read.All", "Score.Read.All"),
        "SecurityRecommendation.Read.All",
    }
)
GRAPH_ROLES = frozenset(
    {
        *("SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All", "SecurityIncident.Read.All"),
        *("SecurityIncident.ReadWrite.All", "ThreatHunting.Read.All", "SecurityEvents.Read.All"),
        *("DeviceManagementManagedDevices.Read.All", "Application.Read.All"),
    }
)

# What a signed-in person's tokens carry, by audience.
DELEGATED = {
    ENDPOINT_AUDIENCE: frozenset({"Alert.Read", "Alert.ReadWrite", "Machine.Read"}),
    ARM_AUDIENCE: frozenset({"user_impersonation"}),
    GRAPH_AUDIENCE: GRAPH_ROLES - {"Application.Read.All"},
    XDR_AUDIENCE: frozenset({"Incident.Read", "Incident.ReadWrite", "AdvancedHunting.Read"}),
}
NATIVE_REDIRECT = "pocketsoc://auth"
PORTAL_REDIRECT = "http://localhost:7071/portal/"
WEB_REDIRECT = "https://soc.fabrikam.example/portal/"

OTHER_TENANT_ID = "8c2b7f3e-1d45-4a96-b0e8-0c0ffee00051"
OTHER_TENANT_DOMAIN = "contoso-soc.example"
STRANGER = f"sam@{OTHER_TENANT_DOMAIN}"

_USERS = {
    "Admin": ("a0000000-5d6e-4f70-9b81-0c0ffee00031", "Ada Admin", "ada"),
    "Responder": ("a0000000-5d6e-4f70-9b81-0c0ffee00032", "Ravi Responder", "ravi"),
    "Reader": ("a0000000-5d6e-4f70-9b81-0c0ffee00033", "Rita Reader", "rita"),
    None: ("a0000000-5d6e-4f70-9b81-0c0ffee00034", "Noor Norole", "noor"),
}

# App ids of Microsoft's own services are public and the same in every tenant of a cloud.
RESOURCES = (
    Resource(
        (
            ENDPOINT_AUDIENCE,
            "https://api.securitycenter.windows.com",
            "https://securitycenter.onmicrosoft.com/windowsatpservice",
        ),
        "fc780465-2017-40d4-a0c5-307022471b92",
        "WindowsDefenderATP",
    ),
    Resource(
        (ARM_AUDIENCE, "https://management.core.windows.net"),
        "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        "Windows Azure Service Management API",
    ),
    Resource((CLOUD_APPS_AUDIENCE,), CLOUD_APPS_AUDIENCE, "Microsoft Cloud App Security"),
    Resource((VAULT_AUDIENCE,), "cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Azure Key Vault"),
    *(
        # Tokens for it are of version 2 and carry its app id.
        Resource((f"api://AzureADTokenExchange{end}",), TOKEN_EXCHANGE_ID, "Token Exchange", 2, cloud)
        for end, cloud in (("", "commercial"), ("USGov", "us_government"), ("China", "china"))
    ),
    Resource((GRAPH_AUDIENCE,), "00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
    Resource((XDR_AUDIENCE,), "8ee8fdad-f234-4243-8f3b-15c294843740", "Microsoft Threat Protection"),
    Resource(
        ("https://api-gov.securitycenter.microsoft.us",),
        "fc780465-2017-40d4-a0c5-307022471b92",
        "WindowsDefenderATP",
        cloud="us_government",
    ),
    Resource(
        ("https://api-gcc.securitycenter.microsoft.us",),
        "fc780465-2017-40d4-a0c5-307022471b92",
        "WindowsDefenderATP (GCC)",
    ),
    Resource(
        (API_AUDIENCE, f"api://{API_CLIENT_ID}"),
        API_CLIENT_ID,
        "PocketSOC API",
        version=2,
        tenant_id=TENANT_ID,
    ),
)


def populate(world: World) -> None:
    """Fill a world with the sample's tenant, APIs, applications, identities and users."""
    world.tenants[TENANT_ID] = Tenant(TENANT_ID, TENANT_DOMAIN)
    world.tenants[OTHER_TENANT_ID] = Tenant(OTHER_TENANT_ID, OTHER_TENANT_DOMAIN)
    world.resources.extend(RESOURCES)
    world.switches.identity_header = IDENTITY_HEADER
    world.add(_pocketsoc_app(), *_identities(), *_daemons(), *_users())
    apns.add_key(world, key_id=APNS_KEY_ID, team=APNS_TEAM_ID)
    apns.install(world, IPHONE, topic=APNS_TOPIC)
    web_push.subscribe(world, BROWSER)


def apns_signing_key() -> str:
    """The sample publisher's APNs key as PEM, as it would be downloaded from Apple."""
    return elliptic.pem(elliptic.key_named(f"apns {APNS_TEAM_ID} {APNS_KEY_ID}"))


def user_with_role(world: World, role: str | None) -> Principal:
    """The sample's user who has exactly this role on PocketSOC's API (None: no role at all)."""
    if role not in _USERS:
        raise LookupError(f"no user has the role {role}; there are {', '.join(API_ROLES)}")
    return world.principals[_USERS[role][0]]


def _grants() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    roles = {
        ENDPOINT_AUDIENCE: set(ENDPOINT_ROLES),
        GRAPH_AUDIENCE: set(GRAPH_ROLES),
        CLOUD_APPS_AUDIENCE: set(CLOUD_APPS_ROLES),
        XDR_AUDIENCE: set(XDR_ROLES),
    }
    return roles, {
        SUBSCRIPTION_ID: {"Security Reader", "Security Admin"},
        WORKSPACE_ID.lower(): {"Microsoft Sentinel Responder"},
    }


def _pocketsoc_app() -> App:
    roles, arm_roles = _grants()
    valid = AppSecret(SECRET_ID, CLIENT_SECRET, datetime(2036, 1, 1, tzinfo=UTC))
    expired = AppSecret(f"{SECRET_ID[:-1]}9", EXPIRED_SECRET, datetime(2026, 1, 1, tzinfo=UTC))
    trusted = FederatedCredential(f"{{origin}}/{TENANT_ID}/v2.0", USER_IDENTITY_OBJECT_ID)
    app = App(CLIENT_OBJECT_ID, TENANT_ID, "PocketSOC", roles, arm_roles, CLIENT_ID, [valid, expired])
    app.federated = [trusted]
    app.redirects = {NATIVE_REDIRECT: "public", PORTAL_REDIRECT: "public", WEB_REDIRECT: "web"}
    app.delegated = {audience: set(names) for audience, names in DELEGATED.items()}
    app.public_flows = True
    return app


def _identities() -> tuple[ManagedIdentity, ManagedIdentity]:
    roles, arm_roles = _grants()
    system = ManagedIdentity(
        SYSTEM_IDENTITY_OBJECT_ID, TENANT_ID, "func-pocketsoc", roles, arm_roles, SYSTEM_IDENTITY_CLIENT_ID
    )
    system.system_assigned = True
    roles, arm_roles = _grants()
    user = ManagedIdentity(
        USER_IDENTITY_OBJECT_ID, TENANT_ID, "id-pocketsoc", roles, arm_roles, USER_IDENTITY_CLIENT_ID
    )
    user.resource_id = USER_IDENTITY_RESOURCE_ID
    return system, user


def _daemons() -> list[App]:
    secret = AppSecret(f"{SECRET_ID[:-1]}8", DAEMON_SECRET, datetime(2036, 1, 1, tzinfo=UTC))
    return [
        App(
            f"e{client_id[1:]}",
            TENANT_ID,
            f"daemon-{role.lower()}",
            {API_AUDIENCE: {role}},
            {},
            client_id,
            [secret],
        )
        for role, client_id in DAEMON_CLIENT_IDS.items()
    ]


def _users() -> list[User]:
    own = [
        User(
            object_id,
            TENANT_ID,
            name,
            {API_AUDIENCE: {role}} if role else {},
            {SUBSCRIPTION_ID: {"Security Reader"}} if role in ("Admin", "Responder") else {},
            f"{short}@{TENANT_DOMAIN}",
        )
        for role, (object_id, name, short) in _USERS.items()
    ]
    stranger = User("a0000000-5d6e-4f70-9b81-0c0ffee00035", OTHER_TENANT_ID, "Sam Stranger", {}, {}, STRANGER)
    return [*own, stranger]
