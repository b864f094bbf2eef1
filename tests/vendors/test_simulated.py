"""Both vendors against the simulated Microsoft cloud, over https and with the real client."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.errors import TryLater
from shared.nouns.detections import Channel
from shared.vendors.registry import VENDORS
from shared.vendors.vendor import Page
from simulator import scenarios

pytestmark = pytest.mark.peer
HOUR = timedelta(hours=1)


def _ids(pages: list[Page], key: str) -> list[str]:
    return [alert[key] for page in pages for alert in page.alerts]


@pytest.mark.parametrize("nextlink", ["always", "server_pages", "never"])
def test_a_backlog_with_ties_is_read_whole_and_once(world, reach, nextlink):
    """In pages that the service cuts smaller than asked, however it links them."""
    scenarios.add_endpoint_alerts(world, count=40, within=6 * HOUR, ends=-HOUR)
    scenarios.tie_endpoint_alerts(world, count=25, age=2 * HOUR)
    switches = scenarios.switches(world, "endpoint")
    switches.nextlink = nextlink
    switches.page_size = 7 if nextlink != "never" else switches.page_size
    pages = list(VENDORS["defender_endpoint"].fetch(reach("defender_endpoint"), None))
    assert sorted(_ids(pages, "id")) == sorted(scenarios.endpoint_ids(world))


def test_updates_and_late_alerts_are_seen_by_the_next_walk(world, reach):
    """Evidence that was added, and what became visible ten minutes late."""
    vendor, connection = VENDORS["defender_endpoint"], reach("defender_endpoint")
    first, *_ = scenarios.add_endpoint_alerts(world, count=5, within=HOUR)
    cursor = list(vendor.fetch(connection, None))[-1].cursor
    late = scenarios.late_endpoint_alerts(world, age=timedelta(minutes=10))
    scenarios.update_endpoint_alert(world, first, fields={"status": "Resolved"})
    world.advance(60)
    pages = list(vendor.fetch(connection, cursor))
    found = [vendor.to_detection(alert) for page in pages for alert in page.alerts]
    assert {first, *late} <= {d.native_id for d in found}
    assert next(d for d in found if d.native_id == first).status == "resolved"


@pytest.mark.parametrize(
    ("slug", "part"), [("defender_endpoint", "endpoint"), ("defender_for_cloud", "cloud")]
)
def test_a_next_link_that_never_ends_is_an_error(world, reach, slug, part):
    """Not a poll that runs until it is killed."""
    add = {"endpoint": scenarios.add_endpoint_alerts, "cloud": scenarios.add_cloud_alerts}[part]
    add(world, count=5, within=HOUR)
    scenarios.endless_nextlink(world, part)
    with pytest.raises(TryLater, match="nextLink never ends"):
        list(VENDORS[slug].fetch(reach(slug), None))


def test_a_cloud_list_is_read_whole_and_a_webhook_is_the_same_alert(world, reach):
    """Every page, and then the same alert as an event."""
    vendor = VENDORS["defender_for_cloud"]
    names = scenarios.add_cloud_alerts(world, count=23, within=HOUR, fixture="vm_suspicious_process")
    scenarios.switches(world, "cloud").page_size = 5
    pages = list(vendor.fetch(reach("defender_for_cloud"), None))
    polled = vendor.to_detection(next(a for page in pages for a in page.alerts if a["name"] == names[0]))
    pushed = vendor.to_detection(scenarios.webhook_body(world, name=names[0]), channel=Channel.webhook)
    assert sorted(_ids(pages, "name")) == sorted(names)
    for field in ("native_id", "title", "severity", "status", "created", "assets"):
        assert getattr(pushed, field) == getattr(polled, field), field


def test_an_unchanged_alert_keeps_its_fingerprint_from_poll_to_poll(world, reach):
    """The service numbers entities anew in every answer."""
    vendor, connection = VENDORS["defender_for_cloud"], reach("defender_for_cloud")
    scenarios.add_cloud_alerts(world, count=10, within=HOUR)

    def prints() -> set[str]:
        return {vendor.to_detection(a).fingerprint for p in vendor.fetch(connection, None) for a in p.alerts}

    before = prints()
    scenarios.add_cloud_alerts(world, count=1)
    assert before < prints()


@pytest.mark.parametrize("slug", sorted(VENDORS))
def test_the_check_passes(reach, slug):
    """The sample app may read."""
    assert VENDORS[slug].check(reach(slug)).ok
