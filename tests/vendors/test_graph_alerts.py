"""A Microsoft Graph alert says the same after it became a detection."""

from __future__ import annotations

import copy

import pytest

from shared.nouns.detections import AssetKind, Severity, Status
from shared.nouns.identity import aliases
from shared.vendors.graph_alerts import to_detection


@pytest.fixture
def full(fixture):
    """The detection of an alert in which every field is filled."""
    return to_detection(fixture("graph_full"))


@pytest.fixture
def changed(fixture):
    """The detection of the full alert after a change."""

    def build(**fields):
        return to_detection({**fixture("graph_full"), **fields})

    return build


def test_what_happened_and_how_bad_is_kept(full):
    """Title, severity, status, and the vendor's words for them."""
    assert full.title == "Scheduled task created by a remote session"
    assert (full.severity, full.vendor_severity) == (Severity.high, "high")
    assert (full.status, full.vendor_status) == (Status.in_progress, "inProgress")
    assert full.product == "Microsoft Defender for Endpoint"
    assert full.techniques == ("T1053.005", "T1021.006")
    assert full.remediation_steps[1] == "2. Remove the task."


def test_categories_come_before_the_deprecated_category(full, changed):
    """Which is read where there are none."""
    assert full.categories == ("Persistence", "LateralMovement")
    assert changed(categories=[]).categories == ("SomethingOlder",)
    assert changed(categories=None, category=None).categories == ()


def test_times_keep_all_digits(full):
    """However many the vendor wrote."""
    assert full.created == "2026-03-02T10:31:07.4000000Z"
    assert full.updated == "2026-03-02T10:42:55.0733333Z"
    assert full.first_activity == "2026-03-02T10:29:41.5154802Z"
    assert full.resolved is None


def test_the_alert_is_known_by_the_providers_id_too(full, changed):
    """Endpoint's own view and Graph's meet in one alias; an id that follows from nothing is kept as well."""
    assert full.other_ids == ("4e0a9d63-2f18-4c77-b5d0-93a1c6e27f48_1",)
    assert aliases(full) == ("4e0a9d63-2f18-4c77-b5d0-93a1c6e27f48_1",)
    old = "da639080421234567890_-1180443217"
    assert aliases(changed(id=old, providerAlertId=old, alertWebUrl=None)) == (
        "639080421234567890_-1180443217",
    )
    unrelated = changed(id="ad3ef58dc561c3234527be2d9ff82524a967a5fb1c", providerAlertId="0" * 64)
    assert "0" * 64 in aliases(unrelated)


def test_the_work_on_it_is_kept(full):
    """Who has it, what was decided and written."""
    assert full.assigned_to == "ada@tailspin.example"
    assert full.incident_id == "3187"
    assert [(c.text, c.author) for c in full.comments] == [
        ("Machine is isolated.", "Ada Brandt"),
        ("Task removed.", "API Action"),
    ]
    assert full.comments[0].created == "2026-03-02T10:40:00.5000000Z"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("compromisedUser", "compromisedAccount"),
        ("CompromisedAccount", "compromisedAccount"),
        ("clean", "notMalicious"),
        ("insufficientData", "notEnoughDataToValidate"),
        ("NoEnoughDataToValidate", "notEnoughDataToValidate"),
        ("confirmedUserActivity", "confirmedActivity"),
        ("somethingNew", "somethingNew"),
        (None, None),
    ],
)
def test_older_names_of_determinations_are_todays(changed, said, meant):
    """Words that nobody knows stay."""
    assert changed(determination=said).determination == meant


@pytest.mark.parametrize(
    ("said", "meant"), [("TruePositive", "truePositive"), ("maybe", "maybe"), (None, None), (7, "7")]
)
def test_classifications_are_spelled_as_the_metadata_has_them(changed, said, meant):
    """In live data most are null."""
    assert changed(classification=said).classification == meant


@pytest.mark.parametrize("word", ["catastrophic", "unknownFutureValue", "unknown", None, 7, ["high"]])
def test_an_unknown_severity_is_unknown_and_never_low(changed, word):
    """So that no filter drops it."""
    assert changed(severity=word).severity is Severity.unknown


@pytest.mark.parametrize("word", ["escalated", "unknownFutureValue", None, 7])
def test_an_unknown_status_is_active(changed, word):
    """A person must look at it."""
    assert changed(status=word).status is Status.active


def test_a_product_that_has_no_name_is_called_by_its_source(changed):
    """In words where we know it."""
    assert changed(productName=None, serviceSource="dataLossPrevention").product == (
        "Microsoft Data Loss Prevention"
    )
    assert changed(productName="", serviceSource="microsoftDefenderForQuantum").product == (
        "microsoftDefenderForQuantum"
    )


def test_the_primary_machine_is_the_main_asset(full):
    """Though its row is not the first; who attacks comes last, the attacker's address is no asset."""
    machine, user = full.assets
    assert (machine.kind, machine.name) == (AssetKind.machine, "ws-2041.tailspin.example")
    assert machine.id == "5b1c0d7e9fa24463810d2c77e4a6b3f1905cd812"
    assert machine.details["azureAdDeviceId"] == "c3a1f6d2-07be-4e59-9d30-6f4b2a81e7c5"
    assert (user.kind, user.name, user.id) == (
        AssetKind.user,
        "TAILSPIN\\h.lindqvist",
        "h.lindqvist@tailspin.example",
    )


def test_every_kind_of_asset_is_found(fixture):
    """Machines, users, a mailbox, resources of three clouds; each once."""
    found = to_detection(fixture("graph_evidence")).assets
    names = [(asset.kind.value, asset.name) for asset in found]
    assert len(names) == len(set(names))
    assert {
        ("machine", "plc-line-3"),
        ("machine", "srv-fs-02.tailspin.example"),
        ("user", "TAILSPIN\\svc-backup"),
        ("mailbox", "l.brandt@tailspin.example"),
        ("cloud_resource", "aks-shop"),
        ("cloud_resource", "i-0c0ffee"),
        ("cloud_resource", "web-1"),
    } <= set(names)


def test_a_virtual_machine_names_its_azure_resource(fixture):
    """For the join with Azure."""
    raw = fixture("graph_full")
    arm = "/subscriptions/7d1f3a52/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1"
    raw["evidence"][2]["vmMetadata"] = {"vmId": "1", "cloudProvider": "azure", "resourceId": arm}
    assert to_detection(raw).assets[0].details["resourceId"] == arm


def test_an_attackers_account_comes_after_the_attacked(fixture):
    """The card shows the first asset."""
    raw = fixture("graph_full")
    raw["evidence"] = [
        raw["evidence"][1] | {"roles": ["attacker"]},
        raw["evidence"][2] | {"detailedRoles": []},
    ]
    assert [a.kind.value for a in to_detection(raw).assets] == ["machine", "user"]


def test_each_of_the_48_kinds_of_evidence_is_one_readable_line(fixture):
    """And one that nobody knows, and one that does not say what it is; all fields stay in the details."""
    raw = fixture("graph_evidence")
    found = to_detection(raw).evidence
    known = {row["@odata.type"] for row in raw["evidence"] if "@odata.type" in row}
    assert len(known) == 48 + 1
    assert len(found) == len(raw["evidence"])
    assert all(e.summary and e.summary != e.kind and "\n" not in e.summary for e in found)
    assert all(e.details["@odata.type"] in known for e in found if e.kind != "unknown")
    summaries = {e.kind: e.summary for e in found}
    assert summaries["quantum"] == "entangled"
    assert summaries["networkconnection"] == "10.20.4.99:49811 to 10.20.0.10:389"
    assert summaries["hostlogonsession"] == "TAILSPIN\\svc-backup on srv-fs-02.tailspin.example"
    assert summaries["kubernetespod"] == "shop/web-5d9c-x7k2p"


def test_evidence_that_is_empty_of_everything_says_its_kind(changed):
    """A row of nulls, a row that is no object."""
    rows = [{"@odata.type": "#microsoft.graph.security.processEvidence", "imageFile": None}, None, "text", {}]
    assert [(e.kind, e.summary) for e in changed(evidence=rows).evidence] == [("process", "process")]


@pytest.mark.parametrize("rows", [None, {}, "x", 7, [[]], [{"@odata.type": 7, "roles": {"a": 1}}]])
def test_evidence_of_another_shape_does_no_harm(changed, rows):
    """Never a lost alert."""
    assert changed(evidence=rows).title


def test_a_link_that_is_missing_or_unsafe_is_built(changed):
    """To the alert in the portal, with its tenant."""
    for link in (None, "javascript:alert(1)", 7):
        assert changed(alertWebUrl=link).source_link == (
            "https://security.microsoft.com/alerts/da4e0a9d63-2f18-4c77-b5d0-93a1c6e27f48_1"
            "?tid=0b7c6c0e-5d0a-4e1f-9a31-6a2f4c9e8d11"
        )


def test_what_has_no_field_of_its_own_is_kept(full):
    """Under the vendor's names."""
    assert full.properties["customDetails"] == {"Ticket": "SOC-4471"}
    assert full.properties["detectionSource"] == "microsoftDefenderForEndpoint"
    assert "title" not in full.properties


def test_mapping_leaves_the_alert_as_it_was(fixture):
    """It is stored untouched."""
    raw = fixture("graph_evidence")
    before = copy.deepcopy(raw)
    to_detection(raw)
    assert raw == before
