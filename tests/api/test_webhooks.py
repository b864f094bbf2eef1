"""The webhook for callers that sign in, and the templates with the own address in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.pipeline.messages import RawAlerts
from shared.store.stores import Queue

ALERT = {"SystemAlertId": "a", "AlertDisplayName": "t", "Severity": "High"}


@pytest.fixture
def cloud(admin: Any) -> str:
    """The id of a Defender for Cloud configuration."""
    fields = {"display_name": "Azure", "auth_type": "managed_identity"}
    made = admin.post("/api/v1/configurations", json={"vendor": "defender_for_cloud", "fields": fields})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def test_a_logic_app_that_signed_in_hands_an_alert_over(signed_in: Any, parts: Any, cloud: str) -> None:
    """202 without a body and without a Location, and the alert is on its queue as it came."""
    answer = signed_in("Alerts.Send").post(f"/api/v1/webhooks/defender-for-cloud/{cloud}", json=ALERT)

    [message] = parts.queues.receive(Queue.raw_alerts)
    [raw] = RawAlerts.model_validate_json(message.body).alerts
    assert (answer.status_code, answer.content, "location" in answer.headers) == (202, b"", False)
    assert json.loads(raw.body) == ALERT


@pytest.mark.parametrize("role", ["Reader", "Responder", "Admin"])
def test_nobody_else_may_send_alerts(signed_in: Any, cloud: str, role: str) -> None:
    """Also no Admin: the role is the Logic App's own."""
    answer = signed_in(role).post(f"/api/v1/webhooks/defender-for-cloud/{cloud}", json=ALERT)
    assert (answer.status_code, "Alerts.Send" in answer.json()["detail"]) == (403, True)


def test_a_logic_app_may_do_nothing_else(signed_in: Any) -> None:
    """It sends; it reads nothing."""
    assert signed_in("Alerts.Send").get("/api/v1/detections").status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("nobody", b"{}", 404), (None, b"no json", 400), (None, b"[" + b"1," * 600_000 + b"1]", 413)],
)
def test_what_cannot_be_taken_is_refused_with_a_reason(
    signed_in: Any, cloud: str, path: str | None, body: bytes, status: int
) -> None:
    """As by the function's own address."""
    answer = signed_in("Alerts.Send").post(
        f"/api/v1/webhooks/defender-for-cloud/{path or cloud}", content=body
    )
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


def test_a_large_alert_is_taken(signed_in: Any, cloud: str) -> None:
    """Larger than what the rest of the API takes."""
    alert = ALERT | {"Description": "x" * 500_000}
    answer = signed_in("Alerts.Send").post(f"/api/v1/webhooks/defender-for-cloud/{cloud}", json=alert)
    assert answer.status_code == 202


@pytest.mark.parametrize(("identity", "place"), [(False, "/api/webhooks/"), (True, "/api/v1/webhooks/")])
def test_a_template_comes_with_the_own_address(reader: Any, cloud: str, identity: bool, place: str) -> None:
    """Ready to paste; the key is the only thing to be filled in, because nobody here knows it."""
    url = "/api/v1/templates/pocketsoc-{}.json"
    query = {"configuration": cloud, "identity": identity}
    flow = reader.get(url.format("logic-app"), params=query).json()
    automation = reader.get(url.format("defender-automation"), params=query).json()

    wanted = f"https://soc.example.test{place}defender-for-cloud/{cloud}"
    assert flow["definition"]["actions"]["Forward_to_PocketSOC"]["inputs"]["uri"] == wanted
    assert automation["parameters"]["pocketsocWebhookUrl"]["defaultValue"] == wanted
    assert "attachment" in reader.get(url.format("logic-app")).headers["content-disposition"]


def test_a_template_for_something_without_a_webhook_is_not_found(reader: Any, configuration: Any) -> None:
    """Defender for Endpoint is polled only."""
    for id in (configuration["id"], "absent"):
        answer = reader.get("/api/v1/templates/pocketsoc-logic-app.json", params={"configuration": id})
        assert answer.status_code == 404
