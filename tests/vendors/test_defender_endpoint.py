"""Which addresses Defender for Endpoint is read from, and what its check tells."""

from __future__ import annotations

import pytest

from shared.errors import HostNotAllowed, TryLater
from shared.nouns.configurations import CLOUDS, CloudName, Configuration
from shared.vendors.defender_endpoint import DefenderEndpoint
from shared.vendors.vendor import Feature

COMMERCIAL = CLOUDS[CloudName.commercial]
SIMULATED = COMMERCIAL.model_copy(
    update={"endpoint_api": "https://127.0.0.1:8443", "endpoint_hosts": ("127.0.0.1:8443",)}
)


def _root(base_url, cloud=COMMERCIAL):
    configuration = Configuration(id="c", vendor="defender_endpoint", display_name="Ours", base_url=base_url)
    return DefenderEndpoint().api_root(configuration, cloud)


@pytest.mark.parametrize(
    ("entered", "root"),
    [
        (None, "https://api.security.microsoft.com"),
        ("https://api.securitycenter.microsoft.com/api", "https://api.securitycenter.microsoft.com"),
        ("https://api.securitycenter.microsoft.com/api/v1.0/", "https://api.securitycenter.microsoft.com"),
        ("https://EU.api.security.microsoft.com:443/", "https://eu.api.security.microsoft.com"),
        ("https://api-uk.securitycenter.microsoft.com", "https://api-uk.securitycenter.microsoft.com"),
    ],
)
def test_the_clouds_addresses_are_taken_with_what_is_pasted_behind_them(entered, root):
    """Guides print the address with `/api` at its end."""
    assert _root(entered) == root


@pytest.mark.parametrize(
    "entered",
    [
        "http://api.security.microsoft.com",
        "https://api.security.microsoft.com.evil.example",
        "https://evil.example/api.security.microsoft.com",
        "https://api.security.microsoft.com@evil.example",
        "https://user@api.security.microsoft.com",
        "https://api.security.microsoft.com:8443",
        "https://api.security.microsoft.com/other",
        "https://api.security.microsoft.com?x=1",
        "https://api-gov.securitycenter.microsoft.us",
        "https://[::1",
        "https://api.security.microsoft.com:port",
        "ftp:",
    ],
)
def test_other_addresses_are_refused(entered):
    """The token would be sent there."""
    with pytest.raises(HostNotAllowed, match="base URL"):
        _root(entered)


def test_a_simulated_cloud_has_only_its_own_host():
    """The real hosts are as foreign to it as any other."""
    assert _root("https://127.0.0.1:8443/api", SIMULATED) == "https://127.0.0.1:8443"
    assert _root(None, SIMULATED) == "https://127.0.0.1:8443"
    with pytest.raises(HostNotAllowed):
        _root("https://api.security.microsoft.com", SIMULATED)


@pytest.mark.parametrize(
    ("entered", "kept"), [("", None), ("  ", None), (" https://x.example ", "https://x.example")]
)
def test_an_empty_base_url_is_none(entered, kept):
    """Forms send empty texts for what was left out."""
    assert DefenderEndpoint.fields(display_name="Ours", base_url=entered).base_url == kept


def test_the_check_asks_for_one_alert_only(connect, scripted):
    """It may be clicked often."""
    api = scripted({"value": []})
    DefenderEndpoint().check(connect(api))
    assert api.calls == [("/api/alerts", {"$top": "1"})]


def test_a_permission_that_the_token_has_is_not_called_missing_in_an_outage(connect, scripted):
    """The check could not prove it, but there is nothing to grant."""
    api = scripted(TryLater("away"))
    api.claims = {"roles": ["Alert.Read.All"]}
    features = {f.feature: f for f in DefenderEndpoint().check(connect(api)).features}
    reading = features[Feature.read_alerts]
    assert (reading.works, reading.missing, reading.remedy) == (None, None, None)


@pytest.mark.parametrize(
    ("claims", "working"),
    [
        (
            {"roles": ["Alert.ReadWrite.All", "Machine.Isolate"]},
            {"read_alerts", "change_status", "response_actions"},
        ),
        ({"scp": "AdvancedQuery.Read Machine.Read"}, {"read_alerts", "hunting", "inventory"}),
        (
            {"roles": ["Vulnerability.Read.All", "SecurityRecommendation.Read.All", "Score.Read.All"]},
            {"read_alerts", "vulnerabilities", "recommendations", "scores"},
        ),
        ({"roles": "not a list"}, {"read_alerts"}),
    ],
)
def test_each_feature_is_compared_with_the_tokens_roles(connect, scripted, claims, working):
    """Of an app, or of a signed-in user; what is missing is named with the permission that is enough."""
    api = scripted({"value": []})
    api.claims = claims
    features = DefenderEndpoint().check(connect(api)).features
    assert {f.feature.value for f in features if f.works} == working
    assert {f.feature for f in features} == set(DefenderEndpoint.permissions)
    assert all(f.missing and "WindowsDefenderATP" in (f.remedy or "") for f in features if not f.works)


def test_delegated_permissions_have_the_names_that_entra_shows():
    """Without `.All`; those for actions are called the same."""
    permissions = DefenderEndpoint.permissions
    assert permissions[Feature.read_alerts].delegated == ("Alert.Read", "Alert.ReadWrite")
    assert permissions[Feature.response_actions].delegated == ("Machine.Isolate",)
    assert permissions[Feature.scores].delegated == ("Score.Read",)
