"""Where Microsoft Graph is, and what to do instead of addresses that are gone or never were. No I/O.

Source: "National cloud deployments", the migration guide from the legacy alerts to alerts_v2, and the
metadata of v1.0, which knows neither vulnerabilities of machines nor security recommendations.
"""

from __future__ import annotations

from shared.errors import HostNotAllowed
from shared.nouns.configurations import Cloud
from shared.vendors.origins import origin_of

VERSION = "/v1.0"
_FROM_ENDPOINT = (
    "Graph has no {what}. They come from Defender for Endpoint: add a configuration of that vendor with the "
    "permission {permission}, and leave this base URL empty."
)
# What operators find in older documents, by path below the version.
_REPLACED = {
    "/security/alerts": (
        "The legacy alerts (/security/alerts) are retired; alerts_v2 replaces them and is what is read here. "
        "Leave the base URL empty, and grant SecurityAlert.Read.All instead of SecurityEvents.Read.All."
    ),
    "/security/vulnerabilities": _FROM_ENDPOINT.format(
        what="vulnerabilities of machines", permission="Vulnerability.Read.All"
    ),
    "/security/securityrecommendations": _FROM_ENDPOINT.format(
        what="security recommendations", permission="SecurityRecommendation.Read.All"
    ),
}
_OURS = ("", "/security", "/security/alerts_v2")


def root(base_url: str | None, cloud: Cloud) -> str:
    """Graph's address with its version. Raises HostNotAllowed for another host, for a version that is not
    promised to stay, and, with what replaces it, for a feed that is gone."""
    if not cloud.defender_portal:
        raise HostNotAllowed(f"Microsoft Graph Security is not offered in the cloud '{cloud.name}'.")
    own = cloud.graph.rstrip("/")
    if not base_url:
        return own + VERSION
    origin, path = origin_of(base_url)
    path = path.lower()
    below = path.removeprefix(VERSION).removeprefix("/beta")
    for gone, words in _REPLACED.items():
        if below == gone or below.startswith(f"{gone}/"):
            raise HostNotAllowed(words)
    if origin != origin_of(own)[0] or path.startswith("/beta") or below not in _OURS:
        raise HostNotAllowed(
            f"The base URL is not the address of Microsoft Graph in the cloud '{cloud.name}'. Leave it "
            f"empty, or use {own}{VERSION}."
        )
    return own + VERSION
