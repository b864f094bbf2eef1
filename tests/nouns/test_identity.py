"""One alert has one name, whichever product tells of it; two alerts never share one."""

from __future__ import annotations

import pytest

from shared.nouns.detections import Detection
from shared.nouns.identity import aliases, canonical

GUID = "efa1828b-dd4e-405c-8a3b-aa28596830dd"
OLD = "637123660281149084_-953649836"
CLOUD_NAME = "2516895378499999999_c01aa88b-4520-4c62-a80d-c61f3dfaf47e"
WRAPPED = f"2518254730385772806_da{OLD}:4wVg68AbCdEf+/=:WS44c473f9-e9bf-4c71-b40f-3cfd549c34df"


def names(native_id: str, *other_ids: str, **more: str) -> tuple[str, ...]:
    """The aliases of a detection with these ids."""
    return aliases(Detection(native_id=native_id, title="t", other_ids=other_ids, **more))


@pytest.mark.parametrize(
    ("id", "form"),
    [
        (f"da{OLD}", OLD),
        (f"da{GUID}_1", f"{GUID}_1"),
        (f"fa{GUID.upper()}", GUID),
        ("caD70CFEE2-1F54-32DB-9988-3A868A1EBFAC", "d70cfee2-1f54-32db-9988-3a868a1ebfac"),
        ("ca5f3c1a2b4d5e6f7081920a1b", "5f3c1a2b4d5e6f7081920a1b"),
        (f"{GUID}_1", f"{GUID}_1"),
    ],
)
def test_the_letters_of_the_unified_portal_do_not_count(id: str, form: str) -> None:
    """What is left is the product's own id."""
    assert canonical(id) == form


@pytest.mark.parametrize(
    "id", ["dangerous", "ad3ef58dc561c3234527be2d9ff82524a967a5fb1c", "data-1", "sn1", "da"]
)
def test_letters_that_belong_to_the_id_stay(id: str) -> None:
    """Only what has the form of a product's id behind it loses them."""
    assert canonical(id) == id


def test_every_product_tells_of_an_endpoint_alert_under_one_name() -> None:
    """Endpoint, Graph, XDR, Defender for Cloud (it embeds the id) and Sentinel (it names the provider's)."""
    views = [
        names(f"da{OLD}"),
        names(f"da{OLD}", f"da{OLD}"),
        names(WRAPPED),
        names(WRAPPED.replace("4wVg68", "9xQq11"), source_link=f"https://x.example/alert/da{OLD}"),
        names("4c4831e9-2ed7-a44a-e530-c784cc7c2ddc", WRAPPED, namespace="sentinel"),
    ]
    assert all(OLD in view for view in views)


def test_the_newer_form_of_an_endpoint_id_meets_too() -> None:
    """Graph puts `da` before what the provider calls it."""
    assert set(names(f"da{GUID}_1", f"{GUID}_1")) == {f"{GUID}_1"} == set(names(f"da{GUID}_1"))


def test_an_id_that_cannot_be_derived_is_kept_beside_the_other() -> None:
    """Entra ID Protection gives its alerts another id than XDR."""
    provider = "039e0aead168175b" * 4
    assert set(names("ad3ef58dc561c3234527be2d9ff82524a967a5fb1c", provider)) >= {provider}


def test_a_cloud_apps_alert_is_known_by_its_link() -> None:
    """Risk detections name it there only."""
    link = "https://fabrikam.eu.portal.cloudappsecurity.com/#/alerts/5f3c1a2b4d5e6f7081920a1b"
    assert "5f3c1a2b4d5e6f7081920a1b" in names("x", link)


def test_a_defender_for_cloud_name_is_found_in_a_portal_link() -> None:
    """Sentinel's alertLink holds it."""
    link = f"https://portal.azure.com/#blade/x/alertId/{CLOUD_NAME}/subscriptionId/y"
    assert CLOUD_NAME in names("g", source_link=link, namespace="sentinel")


def test_a_sentinel_id_is_its_own_world() -> None:
    """Its GUID is nobody else's, even if another product has the same."""
    assert names(GUID, namespace="sentinel") == (f"sentinel:{GUID}",)
    assert not set(names(GUID, namespace="sentinel")) & set(names(f"fa{GUID}"))


@pytest.mark.parametrize("text", [f"x{GUID}y", f"https://x.example/{GUID}", f"1da{OLD}", f"da{OLD}9a"])
def test_a_guid_or_number_inside_other_text_makes_no_name(text: str) -> None:
    """A part of something is not the thing."""
    assert set(names("own", text)) == {"own", text.lower()}
