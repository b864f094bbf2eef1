"""The fixtures cover what real payloads hold."""

from __future__ import annotations

import json
from typing import Any

from simulator.templates import FOLDER, templates


def read(folder: str) -> dict[str, Any]:
    return {file.stem: json.loads(file.read_text("utf-8")) for file in (FOLDER / folder).glob("*.json")}


def kinds(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(kinds, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    own = {value["type"]} if isinstance(value.get("type"), str) else set()
    return own.union(*map(kinds, value.values())) if value else own


def test_endpoint_fixtures_cover_evidence_and_oddities() -> None:
    """Every evidence type, the literal "null" category, unknown words, an old alert, comments, a resolved
    alert.
    """
    alerts = list(read("endpoint_alerts").values())
    evidence = {one["entityType"] for alert in alerts for one in alert["evidence"]}

    assert len(alerts) >= 8
    assert {"User", "Process", "File", "Ip", "Url", "Registry"} < evidence
    assert any(alert["category"] == "null" for alert in alerts)
    assert {alert["severity"] for alert in alerts} - {"UnSpecified", "Informational", "Low", "Medium", "High"}
    assert any("detectorId" not in alert for alert in alerts)
    assert any(alert.get("comments") and alert["resolvedTime"] for alert in alerts)


def test_cloud_fixtures_cover_entities_and_oddities() -> None:
    """Every entity type, lists of intents, both kinds of evidence, upper-cased ids, unknown words, missing
    fields.
    """
    alerts = list(read("cloud_alerts").values())
    text = json.dumps(alerts)

    assert len(alerts) >= 10
    assert kinds([alert["properties"].get("entities", []) for alert in alerts]) >= {
        *("host", "account", "process", "file", "ip", "dns", "filehash", "malware", "azure-resource", "url"),
        *(
            "K8s-cluster",
            "K8s-namespace",
            "K8s-pod",
            "container",
            "container-image",
            "blob",
            "blob-container",
        ),
        *("gcp-resource", "network-connection"),
    }
    assert {"tabularEvidences", "supportingEvidenceList"} <= kinds([a["properties"] for a in alerts])
    assert any(", " in alert["properties"].get("intent", "") for alert in alerts)
    assert "/SUBSCRIPTIONS/" in text
    assert any("severity" not in alert["properties"] for alert in alerts)


def evidence_types(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(evidence_types, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    own = (
        {value["@odata.type"].removeprefix("#microsoft.graph.security.")} if "@odata.type" in value else set()
    )
    return own.union(*map(evidence_types, value.values()))


def test_graph_fixtures_cover_every_kind_of_evidence_and_oddities() -> None:
    """All 48 of the metadata and one that nobody knows; both Endpoint id styles; ids that do not follow from
    the provider's; null classifications, comments, a sparse alert."""
    alerts = list(read("graph_alerts").values())

    found = evidence_types([alert["evidence"] for alert in alerts])

    assert (len(found - {"quantumEvidence"}), "quantumEvidence" in found) == (48, True)
    assert {alert["id"] == alert.get("providerAlertId") for alert in alerts} == {True, False}
    assert any(not alert["id"].endswith(alert.get("providerAlertId", "")) for alert in alerts)
    assert any(alert["classification"] is None for alert in alerts)
    assert any(len(alert["comments"]) > 1 for alert in alerts)
    assert any("providerAlertId" not in alert for alert in alerts)


def test_templates_move_every_time_alike() -> None:
    """Moving a fixture by nothing gives the fixture, and by a second changes only times."""
    for folder in ("endpoint_alerts", "cloud_alerts", "graph_alerts"):
        for name, template in templates(folder).items():
            assert template.moved(0) == read(folder)[name]
            assert template.moved(10_000_000).keys() == template.content.keys()
