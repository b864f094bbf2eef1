"""Several workers at the same moment, with everything sent several times: once each on every phone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from devhost.pump import Pump
from shared.nouns.detections import Channel, RawAlert, instant_of
from shared.pipeline.messages import RawAlerts
from shared.settings import Settings
from shared.store.blobs import azure_blobs
from shared.store.feed import FeedQuery
from shared.store.queues import azure_queues
from shared.store.stores import Queue
from shared.store.tables import azure_tables
from tests.pipeline.mortal import NOW, Rig


@pytest.mark.parametrize("place", ["memory", pytest.param("azurite", marks=pytest.mark.azurite)])
def test_every_alert_is_shown_once_by_three_workers(place: str, request: pytest.FixtureRequest) -> None:
    """The same alerts in overlapping batches, worked on at once."""
    stores = None
    if place == "azurite":
        account = Settings(storage=request.getfixturevalue("storage"))
        stores = azure_tables(account), azure_queues(account), azure_blobs(account)
    rig = Rig(phones=2, stores=stores)
    alerts = [rig.vendor.put(f"a{number}", severity="low") for number in range(30)]
    for start in (0, 10, 0, 20, 5):
        raw = tuple(RawAlert(body=alert, received=instant_of(NOW)) for alert in alerts[start:])
        message = RawAlerts(configuration_id="c1", channel=Channel.poll, alerts=raw)
        rig.parts.mailbox.send(Queue.raw_alerts, message)
    workers = [Pump(rig.parts) for _ in range(3)]

    def work(pump: Pump) -> None:
        for _ in range(40):
            pump.step(Queue.raw_alerts, count=1)
            pump.step(Queue.notifications, count=1)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, workers))
    rig.close()
    assert [failure for pump in workers for failure in pump.failures] == []
    assert len(rig.parts.feed.page(FeedQuery()).cards) == 30
    assert len(rig.phones.pushed) == 60
    assert set(rig.phones.pushed.values()) == {1}
