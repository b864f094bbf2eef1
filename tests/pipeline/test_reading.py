"""A vendor's JSON becomes a detection of its own cloud."""

from __future__ import annotations

import pytest

from shared.nouns.configurations import CloudName
from shared.nouns.detections import Channel
from shared.pipeline.reading import read_alert
from shared.vendors.defender_endpoint import DefenderEndpoint


@pytest.mark.parametrize(
    ("cloud", "portal"),
    [
        (CloudName.commercial, "https://security.microsoft.com/"),
        (CloudName.gcc_high, "https://security.microsoft.us/"),
        (CloudName.dod, "https://security.apps.mil/"),
    ],
)
def test_the_link_leads_into_the_portal_of_the_configurations_cloud(cloud: CloudName, portal: str) -> None:
    """An analyst of a government tenant has no account in the commercial portal."""
    detection = read_alert(DefenderEndpoint(), {"id": "da1_1", "title": "T"}, Channel.poll, cloud)
    assert (detection.source_link or "").startswith(portal)


def test_a_link_that_the_alert_brings_is_kept() -> None:
    """The vendor knows best where its alert is shown."""
    raw = {"id": "da1_1", "title": "T", "alertWebUrl": "https://portal.contoso.example/alerts/1"}
    detection = read_alert(DefenderEndpoint(), raw, Channel.poll, CloudName.gcc_high)
    assert detection.source_link == "https://portal.contoso.example/alerts/1"
