"""Defender XDR's two ways: where they are, what they need, and that both say the same of an incident."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BadRequest, HostNotAllowed, OperatorMustAct, PermissionMissing, TryLater, Unreadable
from shared.nouns.configurations import CLOUDS, CloudName, Configuration
from shared.nouns.detections import AssetKind, Severity, Status
from shared.nouns.identity import aliases
from shared.nouns.incidents import IncidentChange
from shared.vendors import xdr_changes
from shared.vendors.abilities import HuntingVendor, IncidentVendor
from shared.vendors.registry import VENDORS
from shared.vendors.vendor import Feature, permissions_of
from shared.vendors.xdr_changes import DETERMINATIONS

VENDOR = VENDORS["defender_xdr"]
both_ways = pytest.mark.parametrize("way", ["graph", "xdr"])


def configured(way: str = "graph", **more: object) -> Configuration:
    """A configuration that chose a way."""
    return Configuration(id="c", vendor="defender_xdr", display_name="Ours", options={"api": way}, **more)


def test_it_knows_incidents_and_hunts():
    """Found out by its methods."""
    assert isinstance(VENDOR, IncidentVendor)
    assert isinstance(VENDOR, HuntingVendor)


def test_the_form_offers_two_apis_and_means_graph():
    """A word that is none is refused."""
    form = VENDOR.fields
    assert form(display_name="Ours").model_dump(mode="json")["api"] == "graph"
    assert form(display_name="Ours", api="xdr", base_url=" ").base_url is None
    with pytest.raises(ValueError, match="api"):
        form(display_name="Ours", api="soap")


@pytest.mark.parametrize("cloud", [CloudName.commercial, CloudName.gcc, CloudName.gcc_high, CloudName.dod])
def test_root_and_audience_follow_the_way(cloud):
    """In every cloud that has both; tokens are for the API's real address."""
    place = CLOUDS[cloud]
    moved = place.model_copy(update={"graph": "https://localhost:1", "xdr_api": "https://localhost:1"})
    assert VENDOR.api_root(configured("graph"), place) == f"{place.graph}/v1.0"
    assert VENDOR.api_root(configured("xdr"), place) == place.xdr_api
    assert VENDOR.audience(configured("graph"), moved) == place.graph
    assert VENDOR.audience(configured("xdr"), moved) == place.xdr_api


def test_a_configuration_without_the_option_means_graph():
    """Whatever stands in storage."""
    for options in ({}, {"api": None}, {"api": "soap"}, {"api": 7}):
        made = configured().model_copy(update={"options": options})
        assert VENDOR.audience(made, CLOUDS[CloudName.commercial]) == "https://graph.microsoft.com"


@pytest.mark.parametrize("host", CLOUDS[CloudName.commercial].xdr_hosts)
@pytest.mark.parametrize("path", ["", "/", "/api", "/API/"])
def test_the_xdr_apis_own_hosts_are_taken(host, path):
    """The geographic ones too."""
    root = VENDOR.api_root(configured("xdr", base_url=f"https://{host}{path}"), CLOUDS[CloudName.commercial])
    assert root == f"https://{host}"


@pytest.mark.parametrize(
    "address",
    [
        *(
            "https://api.security.microsoft.com.evil.example",
            "https://evil.example/api.security.microsoft.com",
        ),
        *(
            "http://api.security.microsoft.com",
            "https://x@api.security.microsoft.com",
            "https://graph.microsoft.com",
        ),
        *(
            "https://api.security.microsoft.com/api/incidents",
            "https://api-gov.security.microsoft.us",
            "nonsense",
        ),
    ],
)
def test_other_hosts_would_get_the_token_and_are_refused(address):
    """With the addresses that would do."""
    with pytest.raises(HostNotAllowed):
        VENDOR.api_root(configured("xdr", base_url=address), CLOUDS[CloudName.commercial])


def test_a_base_url_of_the_xdr_api_is_refused_over_graph():
    """The token would be for Graph."""
    with pytest.raises(HostNotAllowed, match="not the address of Microsoft Graph"):
        VENDOR.api_root(
            configured(base_url="https://eu.api.security.microsoft.com"), CLOUDS[CloudName.commercial]
        )


@both_ways
def test_china_has_neither(way):
    """It says so."""
    with pytest.raises(HostNotAllowed, match="not offered in the cloud 'china'"):
        VENDOR.api_root(configured(way, cloud="china"), CLOUDS[CloudName.china])


def test_permissions_follow_the_way():
    """With the delegated names, which Graph has in common with the application ones."""
    graph, xdr = (permissions_of(VENDOR, configured(way)) for way in ("graph", "xdr"))
    assert graph == VENDOR.permissions
    assert graph[Feature.read_incidents].any_of[0] == "SecurityIncident.Read.All"
    assert graph[Feature.read_alerts].any_of[0] == "SecurityAlert.Read.All"
    assert xdr[Feature.read_incidents].any_of == ("Incident.Read.All", "Incident.ReadWrite.All")
    assert xdr[Feature.read_incidents].delegated == ("Incident.Read", "Incident.ReadWrite")
    assert xdr[Feature.hunting].delegated == ("AdvancedHunting.Read",)
    assert "Microsoft Threat Protection" in xdr[Feature.change_status].where


@both_ways
def test_the_check_tells_each_feature(connect, scripted, way):
    """By the roles of the API that was chosen."""
    api = scripted({"value": []})
    api.claims = {"roles": ["ThreatHunting.Read.All", "AdvancedHunting.Read.All"]}
    check = VENDOR.check(connect(api, slug="defender_xdr", options={"api": way}))
    works = {one.feature: one.works for one in check.features}
    assert check.ok
    assert works == {
        Feature.read_incidents: True,
        Feature.read_alerts: True,
        Feature.change_status: False,
        Feature.hunting: True,
    }
    assert len(api.calls) == (2 if way == "graph" else 1)
    assert all(params == {"$top": "1"} for _, params in api.calls)


def test_a_delegated_token_is_read_as_well(connect, scripted):
    """Its permissions are in `scp`."""
    api = scripted({"value": []})
    api.claims = {"scp": "Incident.ReadWrite AdvancedHunting.Read"}
    check = VENDOR.check(connect(api, slug="defender_xdr", options={"api": "xdr"}))
    assert all(one.works for one in check.features)


def test_a_missing_permission_for_alerts_is_not_blamed_on_incidents(connect, scripted):
    """Each is asked for."""
    api = scripted({"value": []}, PermissionMissing("It lacks SecurityAlert.Read.All."))
    check = VENDOR.check(connect(api, slug="defender_xdr"))
    works = {one.feature: (one.works, one.missing) for one in check.features}
    assert (check.ok, check.summary) == (False, "It lacks SecurityAlert.Read.All.")
    assert works[Feature.read_incidents] == (True, None)
    assert works[Feature.read_alerts] == (False, "SecurityAlert.Read.All or SecurityAlert.ReadWrite.All")


def test_both_ways_say_the_same_of_an_incident(fixture):
    """But for the vendor's own words and what only one of them has."""
    graph, xdr = (VENDOR.to_incident(fixture(name)) for name in ("xdr_incident_graph", "xdr_incident"))
    apart = {"description", "vendor_severity", "vendor_status", "properties"}
    assert graph.model_dump(exclude=apart) == xdr.model_dump(exclude=apart)
    assert graph.native_id == graph.number == "5117"
    assert (graph.severity, graph.status) == (Severity.medium, Status.in_progress)
    assert (graph.vendor_status, xdr.vendor_status) == ("inProgress", "InProgress")
    assert graph.tags == ("mail", "needs, a call")
    assert graph.alert_ids[0] == "fa3b0f6f2e-9d54-4c0a-8f71-5e2a7c9b1d40"
    assert (graph.classification, graph.determination) == ("truePositive", "phishing")
    assert graph.comments[0].author == "Hanna Vogt"
    assert (
        graph.source_link
        == "https://security.microsoft.com/incidents/5117?tid=3f2b1c0d-9e8f-4a7b-8c6d-5e4f3a2b1c0d"
    )
    assert graph.properties == {
        "tenantId": "3f2b1c0d-9e8f-4a7b-8c6d-5e4f3a2b1c0d",
        "systemTags": ["Ransomware"],
        "priorityScore": 42,
        "lastModifiedBy": "API-App:API Action",
    }


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("active", "active"),
        ("InProgress", "in_progress"),
        ("resolved", "resolved"),
        ("Redirected", "dismissed"),
        ("awaitingAction", "active"),
        ("unknownFutureValue", "active"),
        ("Paused", "active"),
        (None, "active"),
    ],
)
def test_statuses_of_incidents(word, status):
    """In either casing; the vendor's word is kept."""
    for raw in ({"id": "1", "status": word}, {"incidentId": 1, "status": word}):
        found = VENDOR.to_incident(raw)
        assert (found.status, found.vendor_status) == (status, word)


@pytest.mark.parametrize(
    "raw", [{"id": "7", "redirectIncidentId": "9"}, {"incidentId": 7, "redirectIncidentId": 9}]
)
def test_a_merged_incident_names_the_one_that_is_left(raw):
    """As text, whatever the API writes."""
    assert VENDOR.to_incident(raw).merged_into == "9"


@pytest.mark.parametrize("word", ["Unknown", "unknown", "NotAvailable", None, ""])
def test_what_is_not_set_is_nothing(word):
    """Both APIs have words for it."""
    found = VENDOR.to_incident({"id": "1", "classification": word, "determination": word})
    alert = VENDOR.to_detection({"alertId": "a", "classification": word, "determination": word})
    assert found.classification is found.determination is alert.classification is alert.determination is None


@pytest.mark.parametrize(
    "raw", [None, 7, "text", [], {}, {"displayName": "no id"}, {"id": None}, {"incidentId": {}}]
)
def test_an_incident_without_a_number_is_unreadable(raw):
    """It goes to quarantine."""
    with pytest.raises(Unreadable):
        VENDOR.to_incident(raw)


def test_an_alert_of_2020_is_mapped_whole(fixture):
    """Every field of every entity is there, most of them null."""
    found = VENDOR.to_detection(fixture("xdr_padded"))
    assert (found.native_id, found.incident_id) == ("fa3b0f6f2e-9d54-4c0a-8f71-5e2a7c9b1d40", "5117")
    assert (found.severity, found.status, found.product) == (
        "medium",
        "in_progress",
        "Microsoft Defender for Office 365",
    )
    assert (found.created, found.updated) == ("2026-03-02T08:11:54.3716642Z", "2026-03-02T08:42:40.8800000Z")
    assert [(e.kind, e.summary) for e in found.evidence] == [
        ("mail", "Your parcel (from billing@lieferung.example)"),
        ("mailbox", "oda.brandt@tailspin.example"),
        ("url", "https://parcel.example/sign-in"),
        ("mailcluster", "Subject;SenderIp"),
        ("user", "TAILSPIN\\o.brandt"),
    ]
    assert [(a.kind, a.name, a.id) for a in found.assets] == [
        (AssetKind.mailbox, "oda.brandt@tailspin.example", "o.brandt@tailspin.example"),
        (AssetKind.user, "TAILSPIN\\o.brandt", "o.brandt@tailspin.example"),
    ]
    assert found.techniques == ("T1566.002",)
    assert "classification" not in found.properties


def test_an_alert_of_2023_is_mapped_whole_and_is_endpoints_own(fixture):
    """With the provider's id, under which Endpoint's and Graph's views meet it."""
    found = VENDOR.to_detection(fixture("xdr_sparse"))
    assert found.other_ids == ("1f6c2b9e-30d4-47a8-9c55-8e7b6a5d4c3b_1",)
    assert aliases(found) == ("1f6c2b9e-30d4-47a8-9c55-8e7b6a5d4c3b_1",)
    assert (found.status, found.resolved) == ("resolved", "2026-03-02T09:31:02.3000000Z")
    assert (found.classification, found.determination) == ("truePositive", "compromisedAccount")
    assert [(a.kind, a.name) for a in found.assets] == [
        (AssetKind.machine, "ws-2041.tailspin.example"),
        (AssetKind.user, "TAILSPIN\\h.vogt"),
    ]
    assert found.assets[0].id == "5f2b8c0d9e7a6f4c3b2a1d0e9f8c7b6a5d4e3f21"
    assert found.assets[0].details["rbacGroupName"] == "Clients"
    kinds = [e.kind for e in found.evidence]
    assert kinds == ["machine", "process", "registry", "file", "ip", "user", "securitygroup"]
    assert found.evidence[3].summary == "C:\\Users\\Public\\upd.exe"
    assert found.evidence[2].summary.endswith("Run = C:\\Users\\Public\\upd.exe")
    assert found.properties["actorName"] == "Storm-0000"


def test_words_that_nobody_knows_are_kept(fixture):
    """And rows that are no objects say nothing."""
    found = VENDOR.to_detection(fixture("xdr_unheard"))
    assert (found.severity, found.vendor_severity) == ("unknown", "Critical+")
    assert (found.status, found.vendor_status) == ("active", "Paused")
    assert (found.title, found.created) == ("Grauwal", None)
    assert (found.classification, found.determination) == ("Maybe", "Unclear")
    assert found.product == "MicrosoftDefenderForTomorrow"
    assert [(e.kind, e.summary) for e in found.evidence] == [
        ("machine", "d-1"),
        ("quantum", "https://q.example/"),
        ("unknown", "unknown"),
    ]
    assert found.properties["newField"] == {"a": 1}


def test_both_ways_change_an_incident_with_their_own_words():
    """Small letters and customTags, or capitals and tags with the comment."""
    change = IncidentChange(
        status=Status.in_progress,
        assigned_to="",
        classification="FALSEPOSITIVE",
        determination="clean",
        tags=("a",),
        comment="Ours.",
    )
    assert xdr_changes.in_graph(change) == {
        "status": "inProgress",
        "classification": "falsePositive",
        "determination": "notMalicious",
        "assignedTo": None,
        "customTags": ["a"],
    }
    assert xdr_changes.in_xdr(change) == {
        "status": "InProgress",
        "classification": "FalsePositive",
        "determination": "Clean",
        "assignedTo": "",
        "tags": ["a"],
        "comment": "Ours.",
    }


def test_a_dismissal_is_refused_with_what_to_do():
    """Defender XDR has no such status."""
    with pytest.raises(BadRequest, match=r"Use one of: active, in_progress, resolved\..*falsePositive"):
        xdr_changes.in_graph(IncidentChange(status=Status.dismissed))


_EVERY = sorted({one for words in DETERMINATIONS.values() for one in words})
_CASES = st.sampled_from([str, str.upper, str.lower, lambda word: word[:1].upper() + word[1:]])


@settings(max_examples=300)
@given(
    classification=st.sampled_from(sorted(DETERMINATIONS)), determination=st.sampled_from(_EVERY), case=_CASES
)
def test_a_determination_is_taken_exactly_with_its_classification(classification, determination, case):
    """In any casing; what does not belong is refused with all that does."""
    change = IncidentChange(classification=case(classification), determination=case(determination))
    if determination in DETERMINATIONS[classification]:
        body = xdr_changes.in_graph(change)
        assert body == {"classification": classification, "determination": determination}
        assert xdr_changes.in_xdr(change).keys() == body.keys()
        return
    for refuse in (xdr_changes.in_graph, xdr_changes.in_xdr):
        with pytest.raises(BadRequest) as caught:
            refuse(change)
        assert all(word in str(caught.value) for word in DETERMINATIONS[classification])


@settings(max_examples=100)
@given(word=st.text(min_size=1, max_size=20).filter(lambda word: word.strip()))
def test_a_word_that_nobody_knows_is_never_sent(word):
    """The vendor would refuse it, or worse, take it."""
    known = {one.lower() for one in [*_EVERY, *DETERMINATIONS]}
    if word.strip().lower() in known | {"clean"}:
        return
    for change in (IncidentChange(classification=word), IncidentChange(determination=word)):
        with pytest.raises(BadRequest, match="Use one of"):
            xdr_changes.in_xdr(change)


def test_the_xdr_api_changes_no_single_alert(connect, scripted, fixture):
    """It says what does."""
    detection = VENDOR.to_detection(fixture("xdr_sparse"))
    connection = connect(scripted({}), slug="defender_xdr", options={"api": "xdr"})
    with pytest.raises(OperatorMustAct, match="Change the alert's incident"):
        VENDOR.change_alert(connection, detection, None)


def test_the_xdr_api_takes_no_time_span(connect, scripted):
    """It would be ignored, which looks like an answer."""
    connection = connect(scripted({}), slug="defender_xdr", options={"api": "xdr"})
    with pytest.raises(BadRequest, match="takes no time span"):
        VENDOR.hunt(connection, "AlertInfo", "P1D")


def test_an_outage_while_checking_proves_nothing(connect, scripted):
    """Not that a permission is missing."""
    check = VENDOR.check(connect(scripted(TryLater("It is away.")), slug="defender_xdr"))
    assert not check.ok
    assert {one.works for one in check.features if one.feature.startswith("read")} == {None}


def test_mapping_changes_nothing_that_it_was_given(fixture):
    """Raw incidents are stored as they came."""
    for name in ("xdr_incident_graph", "xdr_incident"):
        raw = fixture(name)
        kept = copy.deepcopy(raw)
        VENDOR.to_incident(raw)
        assert raw == kept
