"""Vendor configurations over the API: secrets go in and never come out, and nobody overwrites what they
have not seen."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import TryLater
from shared.nouns.configurations import PollState
from shared.store.memory import MemorySecrets

CANARY = "canary~8Q~never-to-be-shown"
URL = "/api/v1/configurations"


def test_a_secret_is_kept_in_the_secret_store_and_nowhere_shown(
    admin: Any, parts: Any, configuration: dict[str, Any]
) -> None:
    """Write-only: every answer says only that there is one."""
    reference = f"vendor-{configuration['id']}"
    shown = [
        admin.get(p).text for p in (URL, f"{URL}/{configuration['id']}", "/api/v1/status", "/api/v1/vendors")
    ]
    checked = admin.post(f"{URL}/{configuration['id']}/check").text

    assert parts.secrets.get(reference) == CANARY
    assert configuration["client_secret_set"]
    assert CANARY not in str(configuration) + checked + "".join(shown)


def test_the_stored_row_holds_no_secret(parts: Any, configuration: dict[str, Any]) -> None:
    """Only the reference is in the table."""
    stored = parts.configurations.get(configuration["id"]).configuration

    assert CANARY not in stored.model_dump_json()
    assert stored.options == {"machine_groups": ["servers"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": CANARY},
        {"poll_interval": CANARY},
        {"tenant_id": f"{CANARY}/"},
        {"auth_type": CANARY},
        {CANARY: CANARY},
        {"client_secret": [CANARY]},
        {"client_secret": CANARY, "display_name": ""},
        {"display_name": "\ud800" + CANARY},
        {"base_url": f"https://{CANARY}.example.test"},
        {"machine_groups": {"x": CANARY}},
    ],
)
def test_what_does_not_validate_is_named_and_never_repeated(
    admin: Any, parts: Any, fields: dict[str, Any], wrong: dict[str, Any]
) -> None:
    """422 says which field and why, without the input; nothing is stored."""
    import json

    body = json.dumps({"vendor": "defender_endpoint", "fields": fields | wrong})
    answer = admin.post(URL, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("body.fields")
    assert CANARY not in answer.text
    assert parts.configurations.all() == []


def test_a_field_in_a_wrong_form_is_told_in_the_forms_own_words(admin: Any, fields: dict[str, Any]) -> None:
    """What to type, not the pattern that it does not match."""
    wrong = {"tenant_id": "not a tenant", "tennant": "x"}

    answer = admin.post(URL, json={"vendor": "defender_endpoint", "fields": fields | wrong})

    assert {one["field"]: one["message"] for one in answer.json()["errors"]} == {
        "body.fields.tenant_id": "This is not in the form that is asked for. "
        "Directory (tenant) ID, or one of its domains.",
        "body.fields.tennant": "There is no such field.",
    }


def test_an_unknown_vendor_is_refused(admin: Any, fields: dict[str, Any]) -> None:
    """With a pointer to those that are known."""
    answer = admin.post(URL, json={"vendor": "other", "fields": fields})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.vendor")


def test_a_base_url_must_be_one_of_the_vendors(admin: Any, fields: dict[str, Any]) -> None:
    """A token for the vendor is never sent to somebody else's host."""
    good = fields | {"base_url": "https://eu.api.security.microsoft.com"}
    bad = fields | {"base_url": "https://eu.api.security.microsoft.com.example.test"}

    answers = [admin.post(URL, json={"vendor": "defender_endpoint", "fields": f}) for f in (good, bad)]

    assert [a.status_code for a in answers] == [201, 422]
    assert answers[1].json()["errors"][0]["field"] == "body.fields.base_url"


def test_a_change_without_the_secret_keeps_it(admin: Any, parts: Any, configuration: dict[str, Any]) -> None:
    """The form comes back without the secret, so its absence cannot mean removal."""
    sent = configuration["fields"] | {"display_name": "Renamed", "client_secret": None}

    answer = admin.put(f"{URL}/{configuration['id']}", json={"vendor": "defender_endpoint", "fields": sent})

    assert (answer.status_code, answer.json()["display_name"]) == (200, "Renamed")
    assert parts.secrets.get(f"vendor-{configuration['id']}") == CANARY
    assert answer.json()["client_secret_set"]


def test_a_new_secret_replaces_the_old(admin: Any, parts: Any, configuration: dict[str, Any]) -> None:
    """Rotation is one request."""
    admin.patch(f"{URL}/{configuration['id']}", json={"fields": {"client_secret": "rotated"}})

    assert parts.secrets.get(f"vendor-{configuration['id']}") == "rotated"


def test_a_managed_identity_needs_no_secret_so_it_is_deleted(
    admin: Any, parts: Any, configuration: dict[str, Any]
) -> None:
    """What is not needed is not kept."""
    answer = admin.patch(f"{URL}/{configuration['id']}", json={"fields": {"auth_type": "managed_identity"}})

    assert not answer.json()["client_secret_set"]
    assert parts.secrets.get(f"vendor-{configuration['id']}") is None


def test_changing_one_field_leaves_the_others(admin: Any, configuration: dict[str, Any]) -> None:
    """PATCH merges."""
    answer = admin.patch(f"{URL}/{configuration['id']}", json={"fields": {"enabled": False}})

    assert answer.json()["fields"] == configuration["fields"] | {"enabled": False}
    assert answer.json()["health"]["condition"] == "off"


def test_the_vendor_of_a_configuration_cannot_change(
    admin: Any, configuration: dict[str, Any], fields: dict[str, Any]
) -> None:
    """Its cursor and its detections belong to one vendor."""
    answer = admin.put(
        f"{URL}/{configuration['id']}", json={"vendor": "defender_for_cloud", "fields": fields}
    )

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.vendor")


def test_a_stale_change_is_refused_and_changes_nothing(
    admin: Any, parts: Any, configuration: dict[str, Any]
) -> None:
    """If-Match with the version before somebody else's change: 412, the secret included."""
    url, seen = f"{URL}/{configuration['id']}", {"If-Match": configuration["etag"]}
    first = admin.patch(url, json={"fields": {"display_name": "First"}}, headers=seen)
    second = admin.patch(url, json={"fields": {"display_name": "2nd", "client_secret": "x"}}, headers=seen)
    removal = admin.delete(url, headers=seen)

    assert [a.status_code for a in (first, second, removal)] == [200, 412, 412]
    assert admin.get(url).json()["display_name"] == "First"
    assert parts.secrets.get(f"vendor-{configuration['id']}") == CANARY


def test_without_if_match_a_change_wins_whoever_else_changes(
    admin: Any, parts: Any, configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes up what the others have changed at the same moment."""
    save, others = parts.configurations.save, iter(range(60, 63))

    def crowded(wanted: Any) -> Any:
        for interval in others:
            now = parts.configurations.get(wanted.id).configuration
            save(now.model_copy(update={"poll_interval": interval}))
            break
        return save(wanted)

    monkeypatch.setattr(parts.configurations, "save", crowded)
    answer = admin.patch(f"{URL}/{configuration['id']}", json={"fields": {"display_name": "Mine"}})

    assert answer.status_code == 200, answer.text
    assert (answer.json()["display_name"], answer.json()["fields"]["poll_interval"]) == ("Mine", 62)


@pytest.mark.parametrize("name", ["\u0000", "two\nlines", "\u202egnp.exe", "bell\u0007"])
def test_a_name_has_no_characters_that_hide_or_turn_others(
    admin: Any, fields: dict[str, Any], name: str
) -> None:
    """It stands on phones, in logs and in terminals."""
    body = {"vendor": "defender_endpoint", "fields": fields | {"display_name": f"A{name}B"}}

    assert admin.post(URL, json=body).status_code == 422
    assert (
        admin.post(URL, json=body | {"fields": fields | {"display_name": "Büro 東京 🛡️"}}).status_code == 201
    )


def test_a_date_in_another_form_is_told_how_to_write_it(admin: Any, fields: dict[str, Any]) -> None:
    """With an example."""
    wrong = fields | {"next_client_secret": "x", "next_client_secret_expires": "30.06.2028"}

    answer = admin.post(URL, json={"vendor": "defender_endpoint", "fields": wrong})

    [error] = answer.json()["errors"]
    assert error["message"].startswith("This is no date.")
    assert "as 2028-06-30" in error["message"]


@pytest.mark.parametrize("value", ["[" * 60_000 + "]" * 60_000, "9" * 5000])
def test_json_that_cannot_be_read_is_told_in_our_words(admin: Any, value: str) -> None:
    """Too deep, or a number with thousands of digits."""
    body = f'{{"vendor": "defender_endpoint", "fields": {{"x": {value}}}}}'
    answer = admin.post(URL, content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["detail"]) == (400, "The body cannot be read as JSON.")


def test_the_etag_in_header_and_body_serves_the_next_change(
    admin: Any, configuration: dict[str, Any]
) -> None:
    """Each answer has the version that the next change must name."""
    url = f"{URL}/{configuration['id']}"
    read = admin.get(url)
    changed = admin.patch(
        url, json={"fields": {"enabled": False}}, headers={"If-Match": read.headers["etag"]}
    )
    again = admin.patch(url, json={"fields": {"enabled": True}}, headers={"If-Match": changed.json()["etag"]})

    assert (read.json()["etag"], again.status_code) == (read.headers["etag"], 200)


def test_removing_a_configuration_removes_its_secret(
    admin: Any, parts: Any, configuration: dict[str, Any]
) -> None:
    """Nothing is left behind, and a second time there is nothing to remove."""
    url = f"{URL}/{configuration['id']}"

    assert [admin.delete(url).status_code for _ in range(2)] == [204, 404]
    assert parts.secrets.get(f"vendor-{configuration['id']}") is None


def test_a_secret_is_not_left_behind_when_saving_fails(
    admin: Any, parts: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storage away: 503, and the secret store is as before."""
    kept: dict[str, str] = {}
    monkeypatch.setattr(MemorySecrets, "set", lambda self, name, value: kept.update({name: value}))
    monkeypatch.setattr(MemorySecrets, "delete", lambda self, name: kept.pop(name, None))

    def away(configuration: object) -> None:
        raise TryLater("Storage is away.", retry_after=7)

    monkeypatch.setattr(parts.configurations, "save", away)

    answer = admin.post(URL, json={"vendor": "defender_endpoint", "fields": fields})

    assert (answer.status_code, answer.headers["retry-after"], kept) == (503, "7", {})


def test_health_is_shown_in_plain_words(
    admin: Any, reader: Any, parts: Any, clock: Any, configuration: dict[str, Any]
) -> None:
    """What is wrong, since when, and how far behind reading is."""
    parts.configurations.save_state(
        PollState(
            configuration_id=configuration["id"],
            read_until="2026-11-20T09:58:30.0000000Z",
            last_error="The client secret has expired: make a new one.",
            failing_since="2026-11-20T09:59:00.0000000Z",
            alerts_read=12,
        )
    )

    health = reader.get(f"{URL}/{configuration['id']}").json()["health"]

    assert (health["condition"], health["lag_seconds"], health["alerts_read"]) == ("failing", 90.0, 12)
    assert health["last_error"] == "The client secret has expired: make a new one."


@pytest.mark.parametrize(
    ("change", "cursor"), [({"display_name": "New"}, {"at": 1}), ({"tenant_id": "other.example.test"}, None)]
)
def test_another_tenant_is_read_from_its_own_beginning(
    admin: Any, parts: Any, configuration: dict[str, Any], change: dict[str, Any], cursor: object
) -> None:
    """A cursor of one tenant would skip what was never read in the other; any change is polled soon."""
    parts.configurations.save_state(
        PollState(
            configuration_id=configuration["id"], cursor={"at": 1}, next_due="2026-11-21T00:00:00.0000000Z"
        )
    )

    admin.patch(f"{URL}/{configuration['id']}", json={"fields": change})

    state = parts.configurations.get(configuration["id"]).state
    assert (state.cursor, state.next_due) == (cursor, None)


def test_a_webhook_address_is_shown_for_the_vendor_that_can_call(admin: Any, fields: dict[str, Any]) -> None:
    """The address under which Logic Apps reach us, without its key."""
    fields.pop("machine_groups")
    made = admin.post(URL, json={"vendor": "defender_for_cloud", "fields": fields}).json()

    assert made["webhook_url"] == f"https://soc.example.test/api/webhooks/defender-for-cloud/{made['id']}"


def test_no_other_vendor_has_a_webhook_address(configuration: dict[str, Any]) -> None:
    """Nobody is invited to send where nothing listens."""
    assert configuration["webhook_url"] is None


def test_secrets_are_marked_write_only_in_the_form(reader: Any) -> None:
    """The portal must never ask for what it cannot get."""
    vendors = {v["slug"]: v for v in reader.get("/api/v1/vendors").json()["items"]}

    form = vendors["defender_endpoint"]["fields"]["properties"]
    assert form["client_secret"]["writeOnly"] is True
    assert vendors["defender_endpoint"]["permissions"][0]["any_of"] == ["Alert.Read.All"]


def test_filters_are_flat_in_the_form_and_read_anew_when_more_is_wanted(
    admin: Any, parts: Any, configuration: dict[str, Any]
) -> None:
    """A cap alone changes nothing of what is read."""
    url = f"/api/v1/configurations/{configuration['id']}"
    stored = parts.configurations.get(configuration["id"])
    parts.configurations.save_state(stored.state.model_copy(update={"cursor": {"at": "x"}}))

    capped = admin.patch(url, json={"fields": {"most_per_poll": 100}})
    kept = parts.configurations.get(configuration["id"]).state.cursor
    chosen = admin.patch(url, json={"fields": {"minimum_severity": "medium", "categories": ["Malware"]}})
    anew = parts.configurations.get(configuration["id"])

    assert (capped.status_code, chosen.status_code, kept) == (200, 200, {"at": "x"})
    shown = chosen.json()["fields"]
    assert (shown["most_per_poll"], shown["minimum_severity"], shown["statuses"]) == (100, "medium", [])
    assert (anew.state.cursor, anew.configuration.filters.categories) == (None, ("Malware",))
    assert chosen.json()["health"]["alerts_filtered"] == 0


def test_a_filter_that_nobody_knows_is_refused(admin: Any, configuration: dict[str, Any]) -> None:
    """With the name of its field."""
    url = f"/api/v1/configurations/{configuration['id']}"

    answer = admin.patch(url, json={"fields": {"statuses": ["sleeping"]}})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.fields.statuses.0")
