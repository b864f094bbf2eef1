"""Which push services this installation of the product speaks to. Each one's libraries are loaded only when
it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.nouns.notifications import Transport
from shared.push.transport import PushTransport
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.push.signing import Secrets


Clock = Callable[[], datetime]


def transports(
    settings: Settings, secrets: Secrets, clock: Clock = lambda: datetime.now(UTC)
) -> dict[Transport, PushTransport]:
    """Web Push always; APNs when its team, key id and topic are set. Nothing is opened yet."""
    found: dict[Transport, PushTransport] = {Transport.webpush: _web_push(settings, secrets, clock)}
    if settings.apns_team_id and settings.apns_key_id and settings.apns_topic:
        found[Transport.apns] = _apns(
            settings, secrets, clock, settings.apns_team_id, settings.apns_key_id, settings.apns_topic
        )
    return found


def _web_push(settings: Settings, secrets: Secrets, clock: Clock) -> PushTransport:
    from shared.push.web_push import WebPushTransport

    return WebPushTransport(
        secrets,
        settings.web_push_subject,
        settings.push_hosts,
        public_url=settings.public_url,
        privacy=settings.privacy,
        ca_bundle=settings.ca_bundle,
        clock=clock,
    )


def _apns(
    settings: Settings, secrets: Secrets, clock: Clock, team_id: str, key_id: str, topic: str
) -> PushTransport:
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
        clock=clock,
    )
