"""What is special about Microsoft Graph: addresses that older documents name, Intune's few questions,
hunting, and lists whose links fail."""

from __future__ import annotations

import pytest

from shared.errors import BadRequest, HostNotAllowed, PermissionMissing, Refused, TryLater
from shared.nouns.configurations import CLOUDS, CloudName, Configuration
from shared.nouns.inventory import Answer, HostQuestion, InventoryKind
from shared.vendors.graph_security import GraphSecurity
from shared.vendors.vendor import Feature, headers_of, limits_of

VENDOR = GraphSecurity()
GUID = "1f9d4b60-8c2e-4a75-b3d1-60e7a94c2f58"


def root(base_url, cloud=CloudName.commercial):
    """The API's address for a configuration with this base URL."""
    made = Configuration(id="c", vendor="graph_security", display_name="x", cloud=cloud, base_url=base_url)
    return VENDOR.api_root(made, CLOUDS[cloud])


@pytest.mark.parametrize(
    "base_url",
    [
        None,
        "https://graph.microsoft.com",
        "https://graph.microsoft.com/v1.0",
        "https://graph.microsoft.com/v1.0/",
        "https://GRAPH.microsoft.com/v1.0/security/alerts_v2",
    ],
)
def test_graphs_own_address_is_fine_in_every_spelling(base_url):
    """As documents of the product have it."""
    assert root(base_url) == "https://graph.microsoft.com/v1.0"


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("https://graph.microsoft.com/v1.0/security/alerts", "alerts_v2 replaces them"),
        ("https://graph.microsoft.com/v1.0/security/alerts/", "alerts_v2 replaces them"),
        ("https://graph.microsoft.com/beta/security/alerts", "alerts_v2 replaces them"),
        ("https://graph.microsoft.com/v1.0/security/vulnerabilities", "come from Defender for Endpoint"),
        (
            "https://graph.microsoft.com/v1.0/security/securityRecommendations",
            "SecurityRecommendation.Read.All",
        ),
        ("https://graph.microsoft.com/beta", "not the address"),
        ("https://graph.microsoft.us/v1.0", "not the address"),
        ("https://graph.microsoft.com.evil.example/v1.0", "not the address"),
        ("https://user@graph.microsoft.com/v1.0", "plain https"),
    ],
)
def test_other_addresses_are_refused_with_what_to_do(base_url, says):
    """A feed that is gone names its successor; a token never goes to another host."""
    with pytest.raises(HostNotAllowed, match=says):
        root(base_url)


@pytest.mark.parametrize(
    ("cloud", "address"),
    [
        (CloudName.gcc, "https://graph.microsoft.com"),
        (CloudName.gcc_high, "https://graph.microsoft.us"),
        (CloudName.dod, "https://dod-graph.microsoft.us"),
    ],
)
def test_each_cloud_has_its_graph(cloud, address):
    """And tokens are asked for the same, also when something else stands in its place."""
    moved = CLOUDS[cloud].model_copy(update={"graph": "https://localhost:7443"})
    configuration = Configuration(id="c", vendor="graph_security", display_name="x", cloud=cloud)
    assert root(None, cloud) == f"{address}/v1.0"
    assert VENDOR.audience(configuration, moved) == address


def test_china_has_no_defender_and_says_so():
    """Graph is there, its security is not."""
    with pytest.raises(HostNotAllowed, match="not offered"):
        root(None, CloudName.china)


def test_later_enum_members_are_asked_for_and_the_limit_is_known():
    """With every request, also those that follow a link."""
    assert headers_of(VENDOR) == {"Prefer": "include-unknown-enum-members"}
    assert (limits_of(VENDOR)[0].calls, limits_of(VENDOR)[0].seconds) == (150, 60)


def test_every_feature_names_graphs_own_permission():
    """The exact names, and where to click."""
    wanted = {
        Feature.read_alerts: "SecurityAlert.Read.All",
        Feature.change_status: "SecurityAlert.ReadWrite.All",
        Feature.hunting: "ThreatHunting.Read.All",
        Feature.inventory: "DeviceManagementManagedDevices.Read.All",
        Feature.scores: "SecurityEvents.Read.All",
        Feature.secret_expiry: "Application.Read.All",
    }
    assert {feature: p.any_of[0] for feature, p in VENDOR.permissions.items()} == wanted
    assert all("Microsoft Graph >" in p.where for p in VENDOR.permissions.values())


def test_a_check_with_the_legacy_permission_says_which_is_missing(connect, scripted):
    """SecurityEvents reads scores, and no alerts any more."""
    api = scripted(PermissionMissing("It refuses."))
    api.claims = {"roles": ["SecurityEvents.Read.All"]}
    check = VENDOR.check(connect(api, slug="graph_security"))
    works = {one.feature: (one.works, one.missing) for one in check.features}
    assert works[Feature.scores] == (True, None)
    assert works[Feature.read_alerts] == (False, "SecurityAlert.Read.All or SecurityAlert.ReadWrite.All")


@pytest.fixture
def ask(connect, scripted, fixture):
    """Asks whether a host is known, over prepared answers; gives the answer and the calls."""

    def asked(question, *answers, roles=(), posted=None):
        api = scripted(*(fixture(a) if isinstance(a, str) else a for a in answers or ({"value": []},)))
        api.claims = {"roles": list(roles)}
        api.post = lambda path, body=None, **_: (api.calls.append((path, body)), posted)[1]
        return VENDOR.affiliation(connect(api, slug="graph_security"), HostQuestion(**question)), api.calls

    return asked


def test_a_name_is_asked_for_as_it_is_and_then_without_its_domain(ask):
    """Intune keeps names without one; the answer says so."""
    found, calls = ask({"name": "ws-2041.tailspin.example"}, {"value": []}, "graph_managed_devices")
    assert [asked["$filter"] for _, asked in calls] == [
        "deviceName eq 'ws-2041.tailspin.example'",
        "deviceName eq 'ws-2041'",
    ]
    assert found.source == "Intune: deviceName, without the domain"
    assert [item.name for item in found.found] == ["WS-2041"]


def test_a_device_of_another_name_is_no_yes(ask):
    """Whatever a service gives for a filter that it does not understand."""
    found, _ = ask({"name": "ws-9999"}, "graph_managed_devices")
    assert found.answer is Answer.no


def test_an_id_is_intunes_or_entras(ask, fixture):
    """First its own, then the joined device's."""
    device = fixture("graph_managed_devices")["value"][0]
    own, _ = ask({"id": GUID.upper()}, device)
    joined, calls = ask({"id": device["azureADDeviceId"]}, Refused("No.", status=404), {"value": [device]})
    assert (own.answer, own.source) == (Answer.yes, "Intune: Intune device id")
    assert joined.found[0].joined_id == device["azureADDeviceId"]
    assert calls[1][1] == {"$filter": f"azureADDeviceId eq '{device['azureADDeviceId']}'"}


def test_a_machine_id_cannot_be_asked_for(ask):
    """Intune does not know Endpoint's ids, which is not the same as not knowing the machine."""
    found, calls = ask({"id": "5b1c0d7e9fa24463810d2c77e4a6b3f1905cd812"})
    assert found.answer is Answer.could_not_ask
    assert "Ask Defender for Endpoint" in (found.reason or "")
    assert calls == []


def test_an_address_cannot_be_asked_for_without_hunting(ask):
    """The reason names the permission that would help."""
    found, calls = ask({"address": "10.61.4.17"})
    assert (found.answer, calls) == (Answer.could_not_ask, [])
    assert "ThreatHunting.Read.All" in (found.reason or "")


def test_with_hunting_an_address_is_asked_for_in_the_network_table(ask):
    """Exactly this address, each machine once, with the time of its newest row."""
    row = {"DeviceId": "m1", "DeviceName": "ws-1.tailspin.example"}
    rows = [
        {**row, "Timestamp": "2026-03-02T09:00:00Z", "IPAddresses": '[{"IPAddress":"10.61.4.17"}]'},
        {**row, "Timestamp": "2026-03-01T09:00:00Z", "IPAddresses": '[{"IPAddress":"10.61.4.17"}]'},
        {**row, "DeviceId": "m2", "IPAddresses": '[{"IPAddress":"10.61.4.170"}]'},
        {**row, "DeviceId": "m3", "IPAddresses": "[broken"},
    ]
    found, [(path, body)] = ask(
        {"address": "10.61.4.17"}, roles=["ThreatHunting.Read.All"], posted={"schema": [], "results": rows}
    )
    assert path == "/security/runHuntingQuery"
    assert "IPAddresses contains '\"10.61.4.17\"'" in body["Query"]
    assert [(item.id, item.updated) for item in found.found] == [("m1", "2026-03-02T09:00:00.0000000Z")]
    assert "DeviceNetworkInfo" in found.source


@pytest.mark.parametrize("address", ["nonsense", "10.0.0.1' | take 1", "10.0.0.1/8"])
def test_what_is_no_address_is_never_put_into_a_query(ask, address):
    """Not even with the permission."""
    found, calls = ask({"address": address}, roles=["ThreatHunting.Read.All"])
    assert (found.answer, calls) == (Answer.could_not_ask, [])


@pytest.mark.parametrize(
    "span", ["P7D", "PT12H", "P1DT6H", "2026-03-01T00:00:00Z/P1D", "2026-03-01/2026-03-02"]
)
def test_time_spans_are_those_of_iso_8601(connect, scripted, span):
    """And go along as they are."""
    api = scripted({})
    api.post = lambda path, body=None, **_: {"results": [body]}
    result = VENDOR.hunt(connect(api, slug="graph_security"), "DeviceInfo", span)
    assert result.rows == ({"Query": "DeviceInfo", "Timespan": span},)


@pytest.mark.parametrize("span", ["7d", "P", "a week", "P7D/", "PT"])
def test_what_is_no_time_span_is_refused_before_it_is_sent(connect, scripted, span):
    """In words."""
    with pytest.raises(BadRequest, match="time span is none"):
        VENDOR.hunt(connect(scripted({}), slug="graph_security"), "DeviceInfo", span)


@pytest.fixture
def items(connect, scripted, fixture):
    """The items of a kind, over prepared answers."""

    def listed(kind, *answers):
        api = scripted(*(fixture(a) if isinstance(a, str) else a for a in answers))
        found = VENDOR.inventory(connect(api, slug="graph_security"), InventoryKind(kind))
        return [item for page in found for item in page], api

    return listed


def test_devices_say_what_they_are_and_times_that_mean_never_are_none(items):
    """Year 1 and year 9999 are Intune's words for nothing; so is a device id of zeros."""
    (laptop, phone, odd), _ = items("managed_device", "graph_managed_devices")
    assert (laptop.name, laptop.operating_system) == ("WS-2041", "Windows 10.0.26100.4061")
    assert (laptop.status, laptop.owner) == ("compliant", "h.lindqvist@tailspin.example")
    assert laptop.joined_id == "c3a1f6d2-07be-4e59-9d30-6f4b2a81e7c5"
    assert laptop.updated == "2026-03-02T09:48:13.2202221Z"
    assert (laptop.link or "").startswith("https://intune.microsoft.com/#view/")
    assert (phone.updated, phone.joined_id, phone.device_class) == (None, None, "Phones")
    assert "complianceGracePeriodExpirationDateTime" not in phone.properties
    assert (odd.name, odd.status) == (odd.id, "levitating")


def test_the_score_is_the_newest_days(items):
    """One call for one row."""
    [score], api = items("score", "graph_secure_scores")
    assert (score.score, score.maximum) == (412.35, 735.0)
    assert score.properties["averageComparativeScores"][0]["basis"] == "AllTenants"
    assert "controlScores" not in score.properties
    assert api.calls == [("/security/secureScores", {"$top": "1"})]


def test_a_tenant_without_scores_has_none(items):
    """A new tenant's list is empty."""
    assert items("score", {"value": []})[0] == []


def test_controls_say_how_far_they_are(items):
    """Joined by name with the newest score; the newest of the states that people gave."""
    found, _ = items("control", "graph_secure_scores", "graph_controls")
    mfa, legacy, tamper, unnamed = found
    assert (mfa.score, mfa.maximum, mfa.name) == (
        10.0,
        10.0,
        "Require multifactor authentication for administrators",
    )
    assert (legacy.status, legacy.owner) == ("ThirdParty", "ada@tailspin.example")
    assert (tamper.score, tamper.status) == (6.3, None)
    assert (unnamed.name, unnamed.score) == ("a_control_that_no_score_names", None)


def test_a_refused_link_of_controls_is_counted_past(items):
    """As in June 2024, when every link of this list was 400."""
    link = {"@odata.nextLink": "https://graph.microsoft.com/v1.0/x?$skiptoken=1"}
    first = {"value": [{"id": f"c{n}"} for n in range(3)], **link}
    found, api = items(
        "control", {"value": []}, first, Refused("SkipToken", status=400), {"value": [{"id": "c3"}]}
    )
    assert [item.id for item in found] == ["c0", "c1", "c2", "c3"]
    assert api.calls[-1] == ("/security/secureScoreControlProfiles", {"$top": "500", "$skip": "3"})


@pytest.mark.parametrize("error", [Refused("No.", status=404), TryLater("Away."), PermissionMissing("No.")])
def test_any_other_refusal_of_a_link_is_raised(items, error):
    """A list that breaks off is not the whole list."""
    first = {"value": [{"id": "c0"}], "@odata.nextLink": "https://graph.microsoft.com/v1.0/x"}
    with pytest.raises(type(error)):
        items("control", {"value": []}, first, error)


def test_other_inventories_are_refused(items):
    """By the product's name."""
    with pytest.raises(BadRequest, match="no inventory of kind 'vulnerability'"):
        items("vulnerability", {"value": []})
