"""A webhook's body is taken apart into events that say what they are about."""

from __future__ import annotations

import json

import pytest

from shared.vendors.cloud_events import read_webhook

KINDS = {
    "cloud_arm": "alert",
    "cloud_event": "alert",
    "cloud_flat_camel": "alert",
    "cloud_activity": "alert",
    "cloud_assessment": "assessment",
    "cloud_sub_assessment": "sub_assessment",
    "cloud_secure_score": "secure_score",
    "cloud_compliance": "compliance",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_every_class_of_event_is_recognised(fixture, name, kind):
    """One event, one item."""
    (item,) = read_webhook(fixture(name))
    assert item.kind == kind
    assert item.id


def test_alerts_carry_the_id_that_their_detection_has(fixture):
    """So that item and detection can be told to be the same."""
    found = {read_webhook(fixture(name))[0].id for name, kind in KINDS.items() if kind == "alert"}
    assert found == {"2516412345678901234_0d9e8f7a-6b5c-4d3e-9f2a-1b0c9d8e7f6a"}


@pytest.mark.parametrize(
    ("name", "title", "action"),
    [
        ("cloud_event", "A hidden process computes for somebody else", None),
        ("cloud_activity", "A hidden process computes for somebody else", None),
        ("cloud_assessment", "Web apps should ask for a recent TLS version", "Delete"),
        ("cloud_sub_assessment", "A library with a known hole", "Insert"),
        ("cloud_secure_score", "Encrypt data on its way", "Insert"),
        ("cloud_compliance", "d4", "Write"),
    ],
)
def test_name_and_action_are_read(fixture, name, title, action):
    """Delete means that the thing is gone."""
    (item,) = read_webhook(fixture(name))
    assert (item.name, item.action) == (title, action)


def test_the_body_of_an_item_is_the_event_without_its_wrapping(fixture):
    """It can be stored and mapped as it is."""
    event = fixture("cloud_event")
    for body in (event, [event], {"body": event}, json.dumps(event), json.dumps({"body": [event]}).encode()):
        assert [item.body for item in read_webhook(body)] == [event]


def test_several_events_become_several_items(fixture):
    """An Event Hub sends records, an export a list."""
    events = [fixture(name) for name in ("cloud_event", "cloud_assessment", "cloud_arm")]
    expected = ["alert", "assessment", "alert"]
    for body in (events, {"records": events}, {"value": events}, {"body": json.dumps({"records": events})}):
        assert [item.kind for item in read_webhook(body)] == expected


def test_a_sub_assessment_is_known_by_its_type_name_alone():
    """Its class of event writes `$type`."""
    assert read_webhook({"$type": "Contoso.SubAssessment", "Name": "x"})[0].kind == "sub_assessment"


@pytest.mark.parametrize(
    "body",
    [
        None,
        7,
        "",
        "hello",
        "{broken",
        {},
        {"hello": "world"},
        {"body": None},
        {"type": 9},
        b"\xff\xfe",
        "[" * 5000,
    ],
)
def test_what_is_not_recognised_is_kept_as_unknown(body):
    """Quarantine shows it; nothing is thrown away."""
    (item,) = read_webhook(body)
    assert (item.kind, item.action) == ("unknown", None)


def test_an_empty_list_holds_no_event():
    """There is nothing to keep."""
    assert read_webhook([]) == ()


def test_an_alert_without_an_id_is_still_an_alert():
    """Mapping it fails and says why; it is not mistaken for something else."""
    (item,) = read_webhook({"AlertDisplayName": "No id"})
    assert (item.kind, item.id, item.name) == ("alert", "", "No id")
