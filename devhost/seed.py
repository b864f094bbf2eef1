"""Fills a fresh local product through its own API, and does nothing twice: a configuration of each vendor,
one installation whose push service is the simulator, and some alerts at the simulated vendors. Afterwards
all configurations are due.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devhost.web_client import WebClient
from simulator import sample

_API = "/api/v1"
_BROWSER = "browser"
CONFIGURATIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("defender_endpoint", {"display_name": "Simulated Defender for Endpoint", "poll_interval": 30}),
    (
        "defender_for_cloud",
        {
            "display_name": "Simulated Defender for Cloud",
            "subscription_id": sample.SUBSCRIPTION_ID,
            "poll_interval": 30,
        },
    ),
    ("defender_xdr", {"display_name": "Simulated Defender XDR", "poll_interval": 30}),
    ("graph_security", {"display_name": "Simulated Graph Security", "poll_interval": 30}),
    ("defender_cloud_apps", {"display_name": "Simulated Defender for Cloud Apps", "poll_interval": 30}),
    (
        "sentinel",
        {
            "display_name": "Simulated Sentinel",
            "subscription_id": sample.SUBSCRIPTION_ID,
            "resource_group": sample.RESOURCE_GROUP,
            "workspace": sample.WORKSPACE,
            "poll_interval": 30,
        },
    ),
)
_ALERTS = {"endpoint": 3, "cloud": 2, "graph": 3, "cloud-apps": 1, "xdr": 1, "sentinel": 1}


@dataclass(frozen=True)
class Seeded:
    """What is there now. `webhook_url` is without its key; `webhook_body` is an example of what to post
    there.
    """

    configurations: tuple[str, ...]
    webhook_url: str
    webhook_body: Any
    alerts: int


def admin_token(simulator: WebClient) -> str:
    """An access token for the product's API with the role Admin, as a daemon gets it. Raises CallFailed."""
    form = {
        "grant_type": "client_credentials",
        "client_id": sample.DAEMON_CLIENT_IDS["Admin"],
        "client_secret": sample.DAEMON_SECRET,
        "scope": f"{sample.API_AUDIENCE}/.default",
    }
    return str(simulator.call("POST", f"/{sample.TENANT_ID}/oauth2/v2.0/token", form=form)["access_token"])


def seed(product: WebClient, simulator: WebClient, token: str) -> Seeded:
    """Make what is missing, and new alerts in any case. Raises CallFailed."""
    configurations = [_configuration(product, token, vendor, fields) for vendor, fields in CONFIGURATIONS]
    _register_browser(product, simulator, token)
    webhook = next(one["webhook_url"] for one in configurations if one["webhook_url"])
    # The list shows this alert an hour later, so that posting it is news.
    asked = {"dialect": "pascal", "lag_seconds": 3600}
    body = simulator.call("POST", "/_control/scenarios/cloud/webhook", asked)["result"]
    return Seeded(
        configurations=tuple(one["display_name"] for one in configurations),
        webhook_url=webhook,
        webhook_body=body,
        alerts=sum(_alerts(simulator, vendor, count) for vendor, count in _ALERTS.items()),
    )


def _configuration(product: WebClient, token: str, vendor: str, fields: dict[str, Any]) -> dict[str, Any]:
    existing = product.call("GET", f"{_API}/configurations", token=token)["items"]
    wanted = {
        "auth_type": "client_secret",
        "tenant_id": sample.TENANT_ID,
        "client_id": sample.CLIENT_ID,
        "client_secret": sample.CLIENT_SECRET,
        **fields,
    }
    for one in existing:
        if (one["vendor"], one["display_name"]) == (vendor, fields["display_name"]):
            same = {"fields": {"display_name": one["display_name"]}}  # any change makes it due
            return dict(product.call("PATCH", f"{_API}/configurations/{one['id']}", same, token=token))
    return dict(
        product.call("POST", f"{_API}/configurations", {"vendor": vendor, "fields": wanted}, token=token)
    )


def _register_browser(product: WebClient, simulator: WebClient, token: str) -> None:
    # The simulator forgets its subscriptions when it ends, but gives the same name the same one again.
    key = product.call("GET", f"{_API}/push/web", token=token)["public_key"]
    asked = {"name": _BROWSER, "application_server_key": key}
    made = simulator.call("POST", "/_control/subscriptions", asked)
    registration = {"endpoint": made["endpoint"], "keys": made["keys"]}
    wanted = {"name": "Simulated browser", "platform": "web", "transport": "webpush"}
    product.call("POST", f"{_API}/installations", {**wanted, "registration": registration}, token=token)


def _alerts(simulator: WebClient, vendor: str, count: int) -> int:
    # Within the overlap of polls: a second run finds them as well.
    asked = {"count": count, "within_seconds": 600}
    return len(simulator.call("POST", f"/_control/scenarios/{vendor}/alerts", asked)["result"])
