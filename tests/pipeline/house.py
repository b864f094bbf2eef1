"""A whole house in one process: the product's parts on memory, the simulator over https, a pump, a phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from devhost.pump import Pump
from shared.bootstrap import Parts
from shared.nouns.configurations import AuthType, Configuration
from shared.store.cards import CardSummary
from shared.store.feed import FeedQuery
from simulator import sample
from simulator.serve import Simulator
from simulator.web_push import Subscription
from simulator.world import World

ENDPOINT, CLOUD = "endpoint-1", "cloud-1"


@dataclass
class House:
    """The product with everything around it; time is the simulated world's."""

    parts: Parts
    pump: Pump
    simulator: Simulator
    phone: Subscription

    @property
    def world(self) -> World:
        """The simulated Microsoft cloud."""
        return self.simulator.world

    def configure(self, vendor: str, id: str, **more: Any) -> Configuration:
        """Store a configuration with the simulator's sample app, and its secret."""
        self.parts.secrets.set(f"vendor-{id}", sample.CLIENT_SECRET)
        options = {"subscription_id": sample.SUBSCRIPTION_ID} if vendor == "defender_for_cloud" else {}
        made = Configuration(
            id=id,
            vendor=vendor,
            display_name=id.title(),
            auth_type=AuthType.client_secret,
            tenant_id=sample.TENANT_ID,
            client_id=sample.CLIENT_ID,
            secret_reference=f"vendor-{id}",
            options=options,
        )
        return self.parts.configurations.save(made.model_copy(update=more))

    def poll(self, *, after: timedelta = timedelta()) -> None:
        """Let time pass, tick once, and do all the work that follows."""
        self.world.advance(after.total_seconds())
        self.parts.ticker.tick()
        self.pump.drain()

    def cards(self, **query: Any) -> tuple[CardSummary, ...]:
        """The feed."""
        return self.parts.feed.page(FeedQuery(**query), limit=200).cards

    def health(self, id: str) -> str | None:
        """What is wrong with a configuration, in words; None when nothing is."""
        configured = self.parts.configurations.get(id)
        assert configured is not None
        return configured.state.last_error

    @property
    def pushes(self) -> list[Any]:
        """Everything the phone's push service took."""
        return list(self.phone.phone.received)
