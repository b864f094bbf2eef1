"""What every vendor keeps, whichever it is. A new vendor's fixtures make it pass through here too."""

from __future__ import annotations

import json

import pytest

from shared.errors import HostNotAllowed, PermissionMissing, SignInFailed, TryLater, Unreadable
from shared.nouns.configurations import CLOUDS, CloudName, Configuration
from shared.nouns.detections import Channel
from shared.vendors.registry import VENDORS
from shared.vendors.vendor import Feature, Fields, WebhookVendor

ALERTS = {
    "defender_endpoint": ("endpoint_full", "endpoint_sparse"),
    "sentinel": ("sentinel_alert_own", "sentinel_alert_cloud", "sentinel_alert_odd"),
    "defender_cloud_apps": ("cloud_apps_full", "cloud_apps_sparse"),
    "defender_for_cloud": ("cloud_arm", "cloud_event", "cloud_flat_camel", "cloud_activity"),
    "defender_xdr": ("xdr_padded", "xdr_sparse", "xdr_unheard", "graph_full", "graph_sparse"),
    "graph_security": ("graph_full", "graph_evidence", "graph_sparse", "graph_unheard"),
}
FORM = {
    "defender_endpoint": {"display_name": "Ours", "tenant_id": "fabrikam.example"},
    "sentinel": {
        "display_name": "Ours",
        "subscription_id": "7d1f3a52-6c1b-4f0e-8a77-2b9d5e4c6f10",
        "resource_group": "rg-soc",
        "workspace": "law-soc",
    },
    "defender_cloud_apps": {"display_name": "Ours", "base_url": "https://x.eu.portal.cloudappsecurity.com"},
    "defender_for_cloud": {"display_name": "Ours", "subscription_id": "7d1f3a52-6c1b-4f0e-8a77-2b9d5e4c6f10"},
    "defender_xdr": {"display_name": "Ours", "tenant_id": "tailspin.example", "api": "xdr"},
    "graph_security": {"display_name": "Ours", "tenant_id": "tailspin.example"},
}
every_vendor = pytest.mark.parametrize("slug", sorted(VENDORS))
every_alert = pytest.mark.parametrize(
    ("slug", "name"), [(s, n) for s, names in ALERTS.items() for n in names]
)


def test_every_vendor_has_fixtures():
    """A vendor without any is not tested here."""
    assert ALERTS.keys() == FORM.keys() == VENDORS.keys()


@every_vendor
def test_the_slug_is_the_registrys_key(slug):
    """Configurations name their vendor by it."""
    assert VENDORS[slug].slug == slug
    assert VENDORS[slug].title


@every_vendor
def test_the_form_has_words_for_every_field_and_keeps_secrets_write_only(slug):
    """The portal shows the schema as it is."""
    schema = VENDORS[slug].fields.model_json_schema()
    assert all("title" in field for field in schema["properties"].values())
    assert schema["properties"]["client_secret"]["writeOnly"]
    assert issubclass(VENDORS[slug].fields, Fields)


@every_vendor
def test_the_form_takes_what_an_operator_enters(slug):
    """And nothing that it does not know."""
    made = VENDORS[slug].fields(**FORM[slug])
    assert made.display_name == "Ours"
    with pytest.raises(ValueError, match="surprise"):
        VENDORS[slug].fields(**FORM[slug], surprise=1)


@every_vendor
def test_reading_alerts_names_its_permission_and_where_to_grant_it(slug):
    """Without it nothing else matters."""
    permission = VENDORS[slug].permissions[Feature.read_alerts]
    assert permission.any_of
    assert ">" in permission.where


@every_vendor
@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=lambda cloud: cloud.name)
def test_each_cloud_has_an_https_root_and_an_audience(slug, cloud):
    """Paths are joined to the root, so it has no slash at its end."""
    configuration = Configuration(id="c", vendor=slug, display_name="Ours", cloud=cloud.name)
    try:
        root = VENDORS[slug].api_root(configuration, cloud)
    except HostNotAllowed as error:
        assert "not offered" in str(error)  # noqa: PT017 - a cloud may lack a product, and then says so
        return
    assert root.startswith("https://")
    assert not root.endswith("/")
    assert VENDORS[slug].audience(configuration, cloud)
    assert ".default" not in VENDORS[slug].audience(configuration, cloud)


@every_alert
@pytest.mark.parametrize("channel", Channel)
def test_mapping_is_pure_and_survives_storage(slug, name, channel, fixture):
    """The same alert gives the same fingerprint, also after a detection was stored and read again."""
    raw = fixture(name)
    kept = json.dumps(raw)
    first = VENDORS[slug].to_detection(raw, channel=channel)
    again = VENDORS[slug].to_detection(json.loads(kept), channel=channel)
    stored = type(first).model_validate_json(first.model_dump_json())
    assert json.dumps(raw) == kept
    assert first.fingerprint == again.fingerprint == stored.fingerprint


@every_alert
def test_other_casing_changes_nothing_that_counts(slug, name, fixture):
    """Field names in capitals are the same fields."""

    def shouted(value):
        if isinstance(value, list):
            return [shouted(part) for part in value]
        if isinstance(value, dict):
            return {k if k.startswith("$") else k.upper(): shouted(v) for k, v in value.items()}
        return value

    plain, loud = (VENDORS[slug].to_detection(raw) for raw in (fixture(name), shouted(fixture(name))))
    hidden = {"assets", "evidence", "properties"}  # these show the vendor's own spelling
    assert loud.model_dump(exclude=hidden) == plain.model_dump(exclude=hidden)
    assert [(a.kind, a.name, a.id) for a in loud.assets] == [(a.kind, a.name, a.id) for a in plain.assets]
    assert [(e.kind, e.summary) for e in loud.evidence] == [(e.kind, e.summary) for e in plain.evidence]


@every_vendor
@pytest.mark.parametrize("raw", [None, 7, "text", [], {}, {"title": "no id"}, {"id": None}, {"id": {}}, [[]]])
def test_what_has_no_id_is_unreadable(slug, raw):
    """It goes to quarantine; it is never given an invented id."""
    with pytest.raises(Unreadable):
        VENDORS[slug].to_detection(raw)


@every_vendor
def test_a_good_check_says_so(slug, connect, scripted):
    """A cheap call, or two; the token's claims are cut down to what may be shown."""
    api = scripted({"value": []})
    api.claims = {"roles": ["Alert.Read.All"], "tid": "t", "appid": "a", "uti": "hidden", "exp": 1}
    check = VENDORS[slug].check(connect(api, slug=slug))
    reading = next(f for f in check.features if f.feature is Feature.read_alerts)
    assert check.ok
    assert reading.works
    assert reading.missing is None
    assert 1 <= len(api.calls) <= 2
    assert check.token == {"roles": ["Alert.Read.All"], "tid": "t", "appid": "a", "exp": 1}


@every_vendor
def test_a_refused_check_names_what_to_grant_and_where(slug, connect, scripted):
    """The operator can act on it without reading a manual."""
    check = VENDORS[slug].check(connect(scripted(PermissionMissing("It refuses.")), slug=slug))
    reading = next(f for f in check.features if f.feature is Feature.read_alerts)
    assert not check.ok
    assert check.summary == "It refuses."
    assert reading.works is False
    assert VENDORS[slug].permissions[Feature.read_alerts].any_of[0] in (reading.missing or "")
    assert reading.remedy == VENDORS[slug].permissions[Feature.read_alerts].where


@every_vendor
def test_a_check_that_never_arrived_does_not_blame_the_permission(slug, connect, scripted):
    """A busy service says nothing about what is granted."""
    check = VENDORS[slug].check(connect(scripted(TryLater("It is away.")), slug=slug))
    reading = next(f for f in check.features if f.feature is Feature.read_alerts)
    assert not check.ok
    assert reading.works is None


@every_vendor
def test_a_check_without_a_token_says_why(slug, connect, scripted):
    """No token, no call."""
    api = scripted({"value": []})
    api.claims = SignInFailed("The secret has expired.")
    check = VENDORS[slug].check(connect(api, slug=slug))
    assert (check.ok, check.summary, api.calls) == (False, "The secret has expired.", [])


def test_only_defender_for_cloud_has_a_webhook():
    """The pipeline asks for it by the interface."""
    assert [slug for slug, vendor in VENDORS.items() if isinstance(vendor, WebhookVendor)] == [
        "defender_for_cloud"
    ]


def test_the_audience_is_the_same_for_all_hosts_of_the_commercial_cloud():
    """Geographic hosts take tokens of the common resource."""
    cloud = CLOUDS[CloudName.commercial]
    configuration = Configuration(id="c", vendor="defender_endpoint", display_name="Ours")
    audience = VENDORS["defender_endpoint"].audience(configuration, cloud)
    assert audience == "https://api.securitycenter.microsoft.com"
