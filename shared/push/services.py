"""Which push services this installation of the product speaks to. Each one's libraries are loaded only when
it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.notifications import Transport
from shared.push.transport import PushTransport
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.push.signing import Secrets


def transports(settings: Settings, secrets: Secrets) -> dict[Transport, PushTransport]:
    """Web Push always; APNs when its team, key id and topic are set. Nothing is opened yet."""
    found: dict[Transport, PushTransport] = {Transport.webpush: _web_push(settings, secrets)}
    if settings.apns_team_id and settings.apns_key_id and settings.apns_topic:
        found[Transport.apns] = _apns(
            settings, secrets, settings.apns_team_id, settings.apns_key_id, settings.apns_topic
        )
    return found


def _web_push(settings: Settings, secrets: Secrets) -> PushTransport:
    from shared.push.web_push import WebPushTransport

    return WebPushTransport(
        secrets,
        settings.web_push_subject,
        settings.push_hosts,
        public_url=settings.public_url,
        privacy=settings.privacy,
        ca_bundle=settings.ca_bundle,
    )


def _apns(settings: Settings, secrets: Secrets, team_id: str, key_id: str, topic: str) -> PushTransport:
    from shared.push.apns import ApnsTransport

    return ApnsTransport(
        secrets,
        key_reference=settings.apns_key_reference,
        key_id=key_id,
        team_id=team_id,
        topic=topic,
        url=settings.apns_url,
        public_url=settings.public_url,
        privacy=settings.privacy,
        ca_bundle=settings.ca_bundle,
    )
