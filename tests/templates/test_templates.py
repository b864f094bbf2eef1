"""What customers download: valid where Azure would check it, and doing what it is for when it is run."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulator.arm_templates import Deployment
from simulator.workflow_automation import Run, fire, run

ROOT = Path(__file__).parents[2]
_SAMPLES = os.environ.get("POCKETSOC_SAMPLES")
SUBSCRIPTION = "7d1f3a52-6c1b-4f0e-8a77-2b9d5e4c6f10"
ALERT = {"SystemAlertId": "a", "AlertDisplayName": "Canary", "Severity": "high", "Status": "New"}
RECOMMENDATION = {"properties": {"metadata": {"severity": "High"}, "status": {"code": "Unhealthy"}}}


def document(name: str) -> dict[str, Any]:
    """One of the templates."""
    content: dict[str, Any] = json.loads((ROOT / "templates" / name).read_text())
    return content


def schema(name: str) -> dict[str, Any]:
    """What is published about a format, in the parts that the templates use."""
    content: dict[str, Any] = json.loads((Path(__file__).parent / "schemas" / name).read_text())
    return content


AUTOMATION, LOGIC_APP = document("pocketsoc-defender-automation.json"), document("pocketsoc-logic-app.json")


class Webhook:
    """Something that takes posts on loopback, and answers as told."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], Any]] = []
        self.answers: list[int] = []
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.taken.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(outer.answers.pop(0) if outer.answers else 202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook of this test's own."""
    made = Webhook()
    yield made
    made.stop()


def deployed(url: str, **parameters: Any) -> list[dict[str, Any]]:
    """The resources that the template makes."""
    given = {"pocketsocWebhookUrl": url, **parameters}
    return Deployment(AUTOMATION, given, subscription_id=SUBSCRIPTION).run()


def kinds(resources: list[dict[str, Any]]) -> list[str]:
    """Their types, in order."""
    return [one["type"].split("/", 1)[1] for one in resources]


def test_the_template_keeps_the_deployment_schema() -> None:
    """As the resource manager checks it before anything is made."""
    jsonschema.validate(AUTOMATION, schema("deployment_template.json"))


@pytest.mark.parametrize("way", ["code view", "template"])
def test_the_definition_keeps_the_workflow_schema(way: str) -> None:
    """As Logic Apps checks it when it is saved."""
    [flow] = [r for r in deployed("https://x.example") if r["type"] == "Microsoft.Logic/workflows"]
    definition = LOGIC_APP["definition"] if way == "code view" else flow["properties"]["definition"]
    jsonschema.validate(definition, schema("workflow_definition.json"))


@pytest.mark.skipif(not _SAMPLES, reason="set POCKETSOC_SAMPLES to a folder with recorded payloads to run it")
def test_the_automation_keeps_the_published_schema_of_its_resource() -> None:
    """Microsoft's own schema of Microsoft.Security, where it is at hand."""
    folder = Path(_SAMPLES or "") / "cloud" / "schemas"
    published = json.loads(
        (folder / "arm-deployment-schema.2023-12-01-preview.Microsoft.Security.json").read_text()
    )
    # The general action forbids what each special one adds: as it stands, no action at all would be valid.
    for part in published["definitions"]["AutomationAction"]["allOf"]:
        part.pop("additionalProperties", None)
    rules = {"$ref": "#/resourceDefinitions/automations", **published}
    for one in deployed("https://x.example", includeRecommendations=True):
        if one["type"] == "Microsoft.Security/automations":
            properties = {k: v for k, v in one.items() if k != "id"}
            jsonschema.validate(properties, _without_remote(rules))


def _without_remote(value: Any) -> Any:
    """The schema without references to other documents (template expressions), which say that text may stand
    there too."""
    if isinstance(value, list):
        return [_without_remote(v) for v in value if not _remote(v)]
    if isinstance(value, dict):
        return {k: _without_remote(v) for k, v in value.items()}
    return value


def _remote(value: Any) -> bool:
    return isinstance(value, dict) and str(value.get("$ref", "")).startswith("http")


def test_parameters_have_the_names_and_defaults_that_guides_use() -> None:
    """`az deployment group create --parameters ...` is copied from the guide."""
    parameters = AUTOMATION["parameters"]
    assert parameters["pocketsocWebhookUrl"]["type"] == "securestring"
    assert parameters["logicAppName"]["defaultValue"] == "pocketsoc-defender-alerts"
    assert parameters["automationName"]["defaultValue"] == "pocketsoc-push-notifications"
    assert parameters["severities"]["defaultValue"] == ["High", "Medium"]
    assert "defaultValue" not in parameters["pocketsocWebhookUrl"]
    assert all(one["metadata"]["description"] for one in parameters.values())


@pytest.mark.parametrize("flow", ["code view", "template"])
def test_neither_inputs_nor_outputs_show_in_the_run_history(flow: str) -> None:
    """They hold alerts, and the request holds the key."""
    [made] = [r for r in deployed("https://x.example") if r["type"] == "Microsoft.Logic/workflows"]
    definition = LOGIC_APP["definition"] if flow == "code view" else made["properties"]["definition"]
    for step in (*definition["triggers"].values(), *definition["actions"].values()):
        assert step["runtimeConfiguration"]["secureData"]["properties"] == ["inputs", "outputs"]


def test_the_key_and_the_url_stand_in_secure_parameters_only() -> None:
    """Whoever may read the Logic App's definition reads neither."""
    url, key = "https://x.example/hook?code=canary-code", "canary-key"
    for one in deployed(url, pocketsocWebhookKey=key):
        parameters = one["properties"].pop("parameters", {})
        assert "canary" not in json.dumps(one)
        assert {n for n, v in parameters.items() if "canary" in json.dumps(v)} <= {
            "pocketsocWebhookUrl",
            "pocketsocWebhookKey",
        }


@pytest.mark.parametrize("severity", ["High", "high", "Medium"])
def test_an_alert_is_forwarded_as_it_came(webhook: Webhook, severity: str) -> None:
    """The whole event, once, with the key in its header."""
    resources = deployed(f"{webhook.url}?a=b", pocketsocWebhookKey="k")
    event = ALERT | {"Severity": severity}

    [outcome] = fire(resources, "Alerts", event)

    [(path, headers, body)] = webhook.taken
    assert (outcome, path, headers["x-functions-key"], body) == (
        Run("pocketsoc-defender-alerts", (202,)),
        "/hook?a=b",
        "k",
        event,
    )


def test_with_the_key_in_the_url_no_header_is_sent(webhook: Webhook) -> None:
    """An empty header would be taken for a wrong key."""
    fire(deployed(f"{webhook.url}?code=k"), "Alerts", ALERT)
    assert "x-functions-key" not in webhook.taken[0][1]


def test_the_logic_app_can_sign_in_instead(webhook: Webhook) -> None:
    """With a token for the audience that the API expects, and no key anywhere."""
    resources = deployed(webhook.url, pocketsocAudience="api://pocketsoc")
    fire(resources, "Alerts", ALERT, token=lambda audience: f"token-for-{audience}")
    headers = webhook.taken[0][1]
    assert headers["authorization"] == "Bearer token-for-api://pocketsoc"
    assert "x-functions-key" not in headers
    [flow] = [r for r in resources if r["type"] == "Microsoft.Logic/workflows"]
    assert flow["identity"] == {"type": "SystemAssigned"}


@pytest.mark.parametrize("severity", ["Low", "Informational", "Unheard-of"])
def test_other_severities_are_not_forwarded(webhook: Webhook, severity: str) -> None:
    """Unless they are asked for."""
    event = ALERT | {"Severity": severity}
    assert fire(deployed(webhook.url), "Alerts", event) == []
    assert len(fire(deployed(webhook.url, severities=[severity]), "Alerts", event)) == 1


def test_recommendations_are_forwarded_when_asked_for(webhook: Webhook) -> None:
    """By a Logic App and an automation of their own, unhealthy ones only."""
    without, with_them = deployed(webhook.url), deployed(webhook.url, includeRecommendations=True)
    healthy = {"properties": {"metadata": {"severity": "High"}, "status": {"code": "Healthy"}}}
    assert fire(without, "Assessments", RECOMMENDATION) == fire(with_them, "Assessments", healthy) == []
    assert [one.workflow for one in fire(with_them, "Assessments", RECOMMENDATION)] == [
        "pocketsoc-defender-alerts-recommendations"
    ]
    assert kinds(without) == ["connections", "workflows", "automations"]
    assert sorted(kinds(with_them)) == ["automations"] * 2 + ["connections"] * 2 + ["workflows"] * 2


def test_a_busy_webhook_gets_the_alert_again(webhook: Webhook) -> None:
    """As the retry policy says: ten times, not more; what is refused for good is not repeated."""
    resources = deployed(webhook.url)
    waits: list[float] = []
    webhook.answers = [503, 429, 202]
    again = fire(resources, "Alerts", ALERT, pause=waits.append)
    webhook.answers = [500] * 20
    never = fire(resources, "Alerts", ALERT, pause=waits.append)
    webhook.answers = [401]
    refused = fire(resources, "Alerts", ALERT, pause=waits.append)
    assert [one.statuses for one in (*again, *never, *refused)] == [(503, 429, 202), (500,) * 11, (401,)]
    assert [one.succeeded for one in (*again, *never, *refused)] == [True, False, False]


def test_somebody_is_told_about_failed_runs_when_named() -> None:
    """An action group and an alert on the metric."""
    watched = deployed("https://x.example", alertEmail="soc@fabrikam.example")
    assert kinds(watched)[3:] == ["actionGroups", "metricAlerts"]
    assert watched[-1]["properties"]["scopes"] == [watched[1]["id"]]
    assert watched[-1]["properties"]["actions"] == [{"actionGroupId": watched[-2]["id"]}]


def test_the_code_view_forwards_when_its_placeholders_are_filled(webhook: Webhook) -> None:
    """What a person pastes and edits by hand."""
    text = json.dumps(LOGIC_APP).replace("YOUR_POCKETSOC_WEBHOOK_URL", webhook.url)
    filled = json.loads(text.replace("YOUR_POCKETSOC_WEBHOOK_KEY", "k"))
    outcome = run({"name": "by hand", "properties": filled}, ALERT)
    assert outcome.succeeded
    assert webhook.taken[0][1:] == (webhook.taken[0][1], ALERT)
    assert webhook.taken[0][1]["x-functions-key"] == "k"


def test_both_ways_forward_in_the_same_way() -> None:
    """The template's Logic App and the pasted one differ in where the address and the key come from only."""
    [flow] = [
        r
        for r in deployed("https://x.example", pocketsocWebhookKey="k")
        if r["type"] == "Microsoft.Logic/workflows"
    ]
    one = flow["properties"]["definition"]["actions"]["Forward_to_PocketSOC"]
    other = json.loads(json.dumps(LOGIC_APP["definition"]["actions"]["Forward_to_PocketSOC"]))
    other["inputs"]["uri"] = one["inputs"]["uri"]
    other["inputs"]["headers"]["x-functions-key"] = one["inputs"]["headers"]["x-functions-key"]
    assert one == other


def test_a_parameter_that_is_not_there_is_refused() -> None:
    """As the resource manager refuses it."""
    with pytest.raises(ValueError, match="no parameter webhookUrl"):
        deployed("https://x.example", webhookUrl="https://y.example")
