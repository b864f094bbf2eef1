"""Pre-rendered vendor answers, handed to the real `fetch` in place of its HTTP client, so that the
simulator's own work is not measured. Parsing the JSON is: a client must do it too."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.bootstrap import Parts
from shared.nouns.configurations import Configuration
from shared.vendors.vendor import Connection
from simulator import sample, ticks
from simulator.cloud_alerts import CloudSubscription
from simulator.endpoint_alerts import EndpointTenant

_SINCE = re.compile(r"lastUpdateTime ge (\S+)")


class _Pages:
    """What both have: a token's claims that nobody asks for, and no writing."""

    def post(
        self, path_or_url: str, body: Any = None, params: Any = None, *, wait: float | None = None
    ) -> dict[str, Any]:
        """Never called."""
        raise NotImplementedError

    def patch(self, path_or_url: str, body: Any) -> dict[str, Any]:
        """Never called."""
        raise NotImplementedError

    def put(self, path_or_url: str, body: Any, params: Any = None) -> dict[str, Any]:
        """Never called."""
        raise NotImplementedError

    def token_claims(self) -> dict[str, Any]:
        """None."""
        return {}


class EndpointPages(_Pages):
    """The alerts list of Defender for Endpoint: `count` alerts whose updates are spread over `within` before
    now. `fresh`: created a second before, not as long before as their fixture says. `seed` makes other alerts
    of the same kind."""

    def __init__(
        self, count: int, *, now: datetime, within: timedelta, fresh: bool = False, seed: int = 0
    ) -> None:
        tenant = EndpointTenant(sample.TENANT_ID, seed)
        tenant.made = seed * 1_000_000
        end, step = ticks.ticks_of(now), ticks.span(within) // max(count, 1)
        alerts = [tenant.make(end - step * (count - place)) for place in range(count)]
        if fresh:
            for alert in alerts:
                alert.created = alert.updated - ticks.SECOND
        self._updates = [alert.updated for alert in alerts]
        self._texts = [json.dumps(alert.raw(evidence=True)) for alert in alerts]

    @property
    def count(self) -> int:
        """How many alerts there are."""
        return len(self._texts)

    def get(self, path_or_url: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The page that the walk asks for. The walk pages by time; this has no links."""
        asked = _SINCE.search((params or {})["$filter"])
        start = bisect_left(self._updates, ticks.parse(asked[1]) or 0 if asked else 0)
        start += int((params or {}).get("$skip", 0))
        size = int((params or {})["$top"])
        return {"value": json.loads(f"[{','.join(self._texts[start : start + size])}]")}


class CloudPages(_Pages):
    """The alerts list of Defender for Cloud: `count` alerts, a hundred a page, linked."""

    def __init__(
        self, count: int, *, now: datetime, within: timedelta = timedelta(days=30), size: int = 100
    ) -> None:
        subscription = CloudSubscription(sample.SUBSCRIPTION_ID, sample.TENANT_ID)
        end, step = ticks.ticks_of(now), ticks.span(within) // max(count, 1)
        alerts = sorted(
            (subscription.make(end - step * (count - place)) for place in range(count)),
            key=lambda alert: alert.name,
        )
        self._size = size
        self._texts = [json.dumps(alert.raw(subscription.numbering())) for alert in alerts]

    def get(self, path_or_url: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The first page, or the one that the link names."""
        start = int(path_or_url.rpartition("#")[2]) if "#" in path_or_url else 0
        end = start + self._size
        body: dict[str, Any] = {"value": json.loads(f"[{','.join(self._texts[start:end])}]")}
        if end < len(self._texts):
            body["nextLink"] = f"https://management.azure.com/next#{end}"
        return body


def serve(parts: Parts, pages: EndpointPages | CloudPages) -> None:
    """Let the poller read these pages, whatever the configuration."""

    def connect(configuration: Configuration) -> Connection:
        return Connection(
            configuration=configuration, cloud=parts.clouds[configuration.cloud], api=pages, now=parts.clock
        )

    parts.connect = connect  # type: ignore[method-assign]
