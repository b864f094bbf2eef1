"""Defender for Cloud Apps against the simulated Microsoft cloud, over https and with the real client."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.errors import BadRequest, HostNotAllowed, NotFound, PermissionMissing, Throttled, TryLater
from shared.nouns.alert_change import AlertChange
from shared.nouns.configurations import CLOUD_APPS_AUDIENCE, CLOUDS, CloudName, Configuration
from shared.vendors.registry import VENDORS
from shared.vendors.vendor import Feature, limits_of
from simulator import cloud_apps_scenarios as scenarios
from simulator.sample import TENANT_ID
from simulator.scenarios import endless_nextlink, switches
from simulator.world import App

SLUG = "defender_cloud_apps"
VENDOR = VENDORS[SLUG]
HOUR = timedelta(hours=1)


def _poll(connection, cursor=None):
    """A whole walk: the detections and the cursor."""
    pages = list(VENDOR.fetch(connection, cursor))
    return [VENDOR.to_detection(row) for page in pages for row in page.alerts], pages[-1].cursor


def test_a_backlog_with_ties_is_read_whole(world, reach):
    """More than a page, more of one millisecond than a page, and every fixture is mapped."""
    scenarios.add_alerts(world, count=130, within=6 * HOUR)
    scenarios.tie_alerts(world, count=230, age=2 * HOUR)
    found, _ = _poll(reach(SLUG))
    assert {one.native_id for one in found} == set(scenarios.alert_ids(world))


@pytest.mark.parametrize(
    ("verdict", "status"),
    [("false_positive", "dismissed"), ("benign", "dismissed"), ("true_positive", "resolved")],
)
def test_a_closing_a_late_and_a_new_alert_are_seen_by_the_next_poll(world, reach, verdict, status):
    """The closed one is days old."""
    [old] = scenarios.add_alerts(world, ends=-72 * HOUR)
    _, cursor = _poll(reach(SLUG))
    scenarios.update_alert(world, old, verdict=verdict)
    new = scenarios.add_alerts(world) + scenarios.late_alerts(world, age=timedelta(minutes=10))
    world.advance(60)
    found, _ = _poll(reach(SLUG), cursor)
    latest = {one.native_id: one for one in found}
    assert set(new) <= latest.keys()
    assert latest[old].status == status
    assert latest[old].assigned_to


def test_a_quiet_poll_takes_three_calls_and_a_storm_is_throttled_not_lost(world, reach):
    """What was read before the service asks to wait is not read again."""
    scenarios.add_alerts(world, count=3400, within=6 * HOUR)
    connection, found, cursor, waits = reach(SLUG), set(), None, 0
    for _ in range(4):
        try:
            for page in VENDOR.fetch(connection, cursor):
                cursor = page.cursor
                found |= {row["_id"] for row in page.alerts}
        except Throttled as asked:
            waits += 1
            world.advance(asked.retry_after or 0)
    assert found == set(scenarios.alert_ids(world))
    assert waits >= 1
    world.advance(2 * 3600)
    _, cursor = _poll(connection, cursor)
    before = world.count("/cas/api/v1/alerts/")
    _poll(connection, cursor)
    assert world.count("/cas/api/v1/alerts/") - before == 3


def test_a_list_that_never_ends_is_an_error(world, reach):
    """Not a poll that runs until it is killed."""
    scenarios.add_alerts(world, count=5, within=HOUR)
    endless_nextlink(world, "cloud-apps")
    with pytest.raises(TryLater, match="never ends"):
        _poll(reach(SLUG))


def test_a_429_without_a_time_waits_a_minute(world, reach):
    """The text says how long, or nothing does."""
    switches(world, "cloud-apps").retry_after = False
    for _ in range(30):
        VENDOR.check(reach(SLUG))
    with pytest.raises(Throttled) as asked:
        _poll(reach(SLUG))
    assert 0 < (asked.value.retry_after or 0) <= 60


def test_a_sweep_lists_what_was_created_since(world, reach):
    """For the ledger."""
    _, *rest = scenarios.add_alerts(world, count=150, within=3 * HOUR)
    since = (world.now() - timedelta(hours=3) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
    found = {row["_id"] for page in VENDOR.sweep(reach(SLUG), since) for row in page}
    assert found >= set(rest)


def test_the_check_says_what_a_role_allows(world, reach):
    """Reading without closing, then neither."""

    def features(role: str) -> dict[str, bool | None]:
        world.add(
            App(
                f"object-{role}", TENANT_ID, role, {CLOUD_APPS_AUDIENCE: {role}}, {}, f"client-{role.lower()}"
            )
        )
        check = VENDOR.check(reach(SLUG, f"client-{role.lower()}"))
        return {one.feature.value: one.works for one in check.features}

    assert features("Investigation.read") == {"read_alerts": True, "change_status": False}
    assert features("investigation.manage") == {"read_alerts": True, "change_status": True}
    assert features("Settings.read") == {"read_alerts": False, "change_status": False}


def test_a_poll_without_the_permission_is_the_operators(world, reach):
    """In the service's words."""
    world.add(App("object-none", TENANT_ID, "none", {CLOUD_APPS_AUDIENCE: {"Other"}}, {}, "client-none"))
    with pytest.raises(PermissionMissing, match="do not have permission"):
        _poll(reach(SLUG, "client-none"))


def test_the_tenants_thirty_calls_are_declared():
    """Background work stays below them."""
    assert [(one.calls, one.seconds) for one in limits_of(VENDOR)] == [(30, 60)]
    assert VENDOR.permissions[Feature.change_status].any_of == ("Investigation.manage",)


COMMON = "https://portal.cloudappsecurity.com/cas"


@pytest.mark.parametrize(
    ("cloud", "entered", "root"),
    [
        ("commercial", None, COMMON),
        ("commercial", "https://portal.cloudappsecurity.com", COMMON),
        ("commercial", "https://portal.cloudappsecurity.com/cas/api/v1/", COMMON),
        (
            "commercial",
            "https://Ours.eu2.portal.cloudappsecurity.com:443/",
            "https://ours.eu2." + COMMON[8:-4],
        ),
        (
            "commercial",
            "https://ours.us.portal.cloudappsecurity.com/api/v1",
            "https://ours.us." + COMMON[8:-4],
        ),
        ("gcc", None, "https://portal.gccmod.cloudappsecurity.com/cas"),
        ("gcc_high", "https://o.portal.cloudappsecuritygov.com", "https://o.portal.cloudappsecuritygov.com"),
    ],
)
def test_the_tenants_own_address_is_taken_and_the_common_one_has_cas(cloud, entered, root):
    """With what is pasted behind it."""
    configuration = Configuration(id="c", vendor=SLUG, display_name="Ours", base_url=entered)
    assert VENDOR.api_root(configuration, CLOUDS[CloudName(cloud)]) == root


@pytest.mark.parametrize(
    ("cloud", "entered"),
    [
        ("commercial", "http://ours.portal.cloudappsecurity.com"),
        ("commercial", "https://evilportal.cloudappsecurity.com"),
        ("commercial", "https://portal.cloudappsecurity.com.evil.example"),
        ("commercial", "https://ours.portal.cloudappsecurity.com@evil.example"),
        ("commercial", "https://ours.portal.cloudappsecurity.com:8443"),
        ("commercial", "https://ours.portal.cloudappsecurity.com/cas/other"),
        ("commercial", "https://security.microsoft.com"),
        ("commercial", "https://ours.portal.cloudappsecuritygov.com"),
        ("gcc_high", "https://ours.portal.cloudappsecurity.com"),
        ("china", None),
    ],
)
def test_other_addresses_are_refused(cloud, entered):
    """The token would be sent there."""
    configuration = Configuration(id="c", vendor=SLUG, display_name="Ours", base_url=entered)
    with pytest.raises(HostNotAllowed):
        VENDOR.api_root(configuration, CLOUDS[CloudName(cloud)])


def _one(world, reach):
    """An open alert, as it was polled."""
    scenarios.add_alerts(world, fixture="impossible_travel")
    found, _ = _poll(reach(SLUG))
    return found[0]


@pytest.mark.parametrize(
    ("status", "classification", "word"),
    [
        ("dismissed", None, "false positive"),
        ("resolved", None, "true positive"),
        ("dismissed", "Benign", "benign"),
        ("dismissed", "informationalExpectedActivity", "benign"),
        ("resolved", "TruePositive", "true positive"),
        ("resolved", "FalsePositive", "false positive"),
    ],
)
def test_an_alert_is_closed_with_a_verdict_and_read_again(world, reach, status, classification, word):
    """In the product's words, or in Sentinel's or Graph's; the comment goes with it."""
    change = AlertChange(status=status, classification=classification, comment="Known trip.")
    before = _one(world, reach)
    after = VENDOR.to_detection(VENDOR.change_alert(reach(SLUG), before, change))
    polled = next(one for one in _poll(reach(SLUG))[0] if one.native_id == after.native_id)
    assert after.fingerprint == polled.fingerprint
    assert (after.classification, after.comments[0].text) == (word, "Known trip.")
    assert after.status.closed
    assert (after.updated or "") >= (before.updated or "")


@pytest.mark.parametrize(
    "change",
    [
        {"status": "in_progress"},
        {"status": "active"},
        {"comment": "Hm."},
        {"classification": "Benign"},
        {"status": "resolved", "assigned_to": "rosa@fabrikam.example"},
        {"status": "resolved", "determination": "malware"},
        {"status": "resolved", "classification": "maybe"},
    ],
)
def test_what_the_api_cannot_do_is_refused(world, reach, change):
    """Before anything is called, with what it can do."""
    before = _one(world, reach)
    calls = world.count("/cas/api/v1/alerts/close")
    with pytest.raises(BadRequest, match=r"only be closed|Use one of"):
        VENDOR.change_alert(reach(SLUG), before, AlertChange(**change))
    assert world.count("/cas/api/v1/alerts/close") == calls


def test_closing_an_alert_that_is_gone_is_not_taken_for_done(world, reach):
    """The service answers 200 and names it."""
    gone = _one(world, reach).model_copy(update={"native_id": "0" * 24})
    with pytest.raises(NotFound):
        VENDOR.change_alert(reach(SLUG), gone, AlertChange(status="resolved"))


def test_who_may_only_read_cannot_close(world, reach):
    """And is told so."""
    before = _one(world, reach)
    world.add(App("o-r", TENANT_ID, "r", {CLOUD_APPS_AUDIENCE: {"Investigation.read"}}, {}, "client-r"))
    with pytest.raises(PermissionMissing):
        VENDOR.change_alert(reach(SLUG, "client-r"), before, AlertChange(status="resolved"))
