"""What every vendor keeps that can do more than bring alerts. An ability is found by its methods; a new
vendor's answers below make it pass through here.

The answers are our own made-up payloads, given one after the other in the order in which a vendor asks; the
last one is repeated.
"""

from __future__ import annotations

import json

import pytest

from shared.errors import BadRequest, PermissionMissing, Refused, TryLater, Unreadable
from shared.nouns.inventory import Answer, HostQuestion, InventoryKind
from shared.vendors.abilities import AffiliationVendor, HuntingVendor, InventoryVendor
from shared.vendors.registry import VENDORS

INVENTORY = {
    "defender_endpoint": {
        "machine": ["endpoint_machines"],
        "vulnerability": ["endpoint_vulnerabilities"],
        "machine_vulnerability": ["endpoint_machine_vulnerabilities"],
        "recommendation": ["endpoint_recommendations"],
        "score": ["endpoint_exposure_score", "endpoint_configuration_score"],
    },
    "defender_for_cloud": {
        "assessment": ["cloud_assessments"],
        "score": ["cloud_secure_scores"],
        "control": ["cloud_controls"],
    },
    "graph_security": {
        "managed_device": ["graph_managed_devices"],
        "score": ["graph_secure_scores"],
        "control": ["graph_secure_scores", "graph_controls"],
    },
}
HUNTING = {
    "defender_endpoint": "endpoint_hunting",
    "defender_xdr": "xdr_hunting",
    "graph_security": "graph_hunting",
}
# What is asked and answered with a yes; other ways of asking may be a `could_not_ask`.
AFFILIATION = {
    "defender_endpoint": ({"name": "ws-2041.tailspin.example"}, "endpoint_machines"),
    "graph_security": ({"name": "ws-2041"}, "graph_managed_devices"),
}

# Of a history, only the newest entry is read, so that no list is followed.
NEWEST_ONLY = {("graph_security", InventoryKind.score)}

every_inventory = pytest.mark.parametrize(
    ("slug", "kind"), [(slug, InventoryKind(kind)) for slug, kinds in INVENTORY.items() for kind in kinds]
)
every_hunter = pytest.mark.parametrize("slug", sorted(HUNTING))
every_witness = pytest.mark.parametrize("slug", sorted(AFFILIATION))
QUESTIONS = [{"name": "nobody.example"}, {"address": "192.0.2.7"}, {"id": "0" * 40}]


class Answering:
    """An `Api` that gives the prepared answers to whatever is asked; an error among them is raised."""

    def __init__(self, *answers):
        self._answers, self.calls, self.roles = list(answers), [], []

    def get(self, path_or_url, params=None, **more):
        return self._next("GET", path_or_url, params, None)

    def post(self, path_or_url, body=None, params=None, **more):
        return self._next("POST", path_or_url, params, body)

    def patch(self, path_or_url, body, **more):
        raise AssertionError("asking changes nothing")

    def token_claims(self):
        return {"roles": self.roles}

    def _next(self, *call):
        self.calls.append(json.dumps(call, ensure_ascii=False))
        assert len(self.calls) < 500, "this never ends"
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return json.loads(json.dumps(answer))


@pytest.fixture
def ask(connect):
    """A connection of a vendor to prepared answers, for Graph as well."""

    def build(slug, *answers):
        api = Answering(*answers)
        made = connect(api, slug=slug)
        return type(made)(made.configuration, made.cloud, api, made.now, graph=api)

    return build


@pytest.fixture
def listed(ask, fixture):
    """What a vendor lists of a kind, given its fixtures after a change."""

    def of(slug, kind, change=lambda answer: answer):
        answers = [change(fixture(name)) for name in INVENTORY[slug][kind]]
        return [
            item
            for page in VENDORS[slug].inventory(ask(slug, *answers), InventoryKind(kind))
            for item in page
        ]

    return of


def _with_ability(ability):
    return {slug for slug, vendor in VENDORS.items() if isinstance(vendor, ability)}


def test_every_ability_has_its_answers_here():
    """A vendor without any is not tested."""
    assert INVENTORY.keys() == _with_ability(InventoryVendor)
    assert HUNTING.keys() == _with_ability(HuntingVendor)
    assert AFFILIATION.keys() == _with_ability(AffiliationVendor)
    assert {slug: set(kinds) for slug, kinds in INVENTORY.items()} == {
        slug: set(VENDORS[slug].inventory_kinds) for slug in INVENTORY
    }


@every_inventory
def test_an_inventory_is_items_of_its_kind(slug, kind, listed):
    """Each once, and they survive storage."""
    items = listed(slug, kind)
    assert items
    assert {item.kind for item in items} == {kind}
    assert len({item.id for item in items}) == len(items)
    assert all(type(item).model_validate_json(item.model_dump_json()) == item for item in items)


@every_inventory
def test_the_same_answers_are_the_same_items_in_any_casing(slug, kind, listed):
    """Field names in capitals are the same fields; nothing of the moment is mixed in."""

    def shouted(value):
        if isinstance(value, list):
            return [shouted(part) for part in value]
        if isinstance(value, dict):
            return {k.upper(): shouted(v) for k, v in value.items()}
        return value

    plain, loud = listed(slug, kind), listed(slug, kind, shouted)
    assert plain == listed(slug, kind)
    hidden = {"properties"}  # these show the vendor's own spelling
    assert [i.model_dump(exclude=hidden) for i in loud] == [i.model_dump(exclude=hidden) for i in plain]


@every_inventory
def test_odd_rows_do_no_harm(slug, kind, listed):
    """What is no object, or has no id, is no item; what has odd values is one."""

    def odd(answer):
        if isinstance(answer.get("value"), list):
            answer["value"] = [None, 7, "text", [], {}, {"id": None}, {"id": {}}, *answer["value"]]
        return {**answer, "surprise": [{"deep": {}}]}

    assert [item.id for item in listed(slug, kind, odd)] == [item.id for item in listed(slug, kind)]


@every_inventory
@pytest.mark.parametrize("error", [PermissionMissing("Not granted."), TryLater("Away.")], ids=repr)
def test_what_prevents_listing_is_raised(slug, kind, ask, error):
    """An inventory that could not be read is not an empty one."""
    with pytest.raises(type(error)):
        list(VENDORS[slug].inventory(ask(slug, error), kind))


@every_inventory
def test_an_answer_of_another_shape_is_not_an_empty_inventory(slug, kind, ask):
    """A proxy's or another service's JSON would else empty the store."""
    with pytest.raises(Unreadable):
        list(VENDORS[slug].inventory(ask(slug, {"surprise": 1}), kind))


@every_inventory
def test_a_list_that_never_ends_is_an_error(slug, kind, ask, fixture):
    """Whatever the service calls its link."""
    (*before, answer) = (fixture(name) for name in INVENTORY[slug][kind])
    if not isinstance(answer.get("value"), list) or (slug, kind) in NEWEST_ONLY:
        pytest.skip("no list")
    host = VENDORS[slug].api_root(ask(slug, answer).configuration, ask(slug, answer).cloud)
    endless = {"@odata.nextLink": f"{host}/again", "nextLink": f"{host}/again"}
    with pytest.raises(TryLater):
        list(VENDORS[slug].inventory(ask(slug, *before, answer | endless), kind))


@every_inventory
def test_a_page_is_given_before_the_next_is_asked_for(slug, kind, ask, fixture):
    """A large tenant's list does not fit into memory."""
    (*before, answer) = (fixture(name) for name in INVENTORY[slug][kind])
    if not isinstance(answer.get("value"), list) or (slug, kind) in NEWEST_ONLY:
        pytest.skip("no list")
    host = VENDORS[slug].api_root(ask(slug, answer).configuration, ask(slug, answer).cloud)
    linked = answer | {"@odata.nextLink": f"{host}/more", "nextLink": f"{host}/more"}
    pages = VENDORS[slug].inventory(ask(slug, *before, linked, TryLater("Away.")), kind)
    assert next(iter(pages))
    with pytest.raises(TryLater):
        list(pages)


@every_hunter
def test_a_hunt_sends_the_query_as_it_is_and_gives_a_table(slug, ask, fixture):
    """KQL holds quotes, newlines and bars."""
    query = 'DeviceEvents\n| where Name == "O\'Neill"'
    connection = ask(slug, fixture(HUNTING[slug]))
    found = VENDORS[slug].hunt(connection, query, None)
    assert json.dumps(query) in connection.api.calls[0]
    assert found.rows
    assert all(set(row) <= {column.name for column in found.columns} for row in found.rows)
    assert json.loads(json.dumps(found.rows)) == list(found.rows)


@every_hunter
def test_a_query_that_the_vendor_does_not_take_is_the_callers(slug, ask):
    """With the vendor's words."""
    refused = Refused("It says: line 1: no such column.", status=400)
    with pytest.raises(BadRequest, match="no such column"):
        VENDORS[slug].hunt(ask(slug, refused), "Nothing | where x", None)


@every_hunter
@pytest.mark.parametrize("error", [PermissionMissing("Not granted."), TryLater("Away.")], ids=repr)
def test_what_prevents_hunting_is_not_blamed_on_the_query(slug, ask, error):
    """Who asked cannot correct it."""
    with pytest.raises(type(error)):
        VENDORS[slug].hunt(ask(slug, error), "DeviceEvents", None)


@every_hunter
def test_a_time_span_is_used_or_refused(slug, ask, fixture):
    """Ignored it would answer another question."""
    connection = ask(slug, fixture(HUNTING[slug]))
    try:
        VENDORS[slug].hunt(connection, "DeviceEvents", "P7D")
    except BadRequest as error:
        assert "time span" in str(error)  # noqa: PT017 - both are right, silence is not
    else:
        assert "P7D" in connection.api.calls[0]


@every_witness
def test_a_known_host_is_a_yes_with_what_was_found(slug, ask, fixture):
    """And it says who answered."""
    question, name = AFFILIATION[slug]
    found = VENDORS[slug].affiliation(ask(slug, fixture(name)), HostQuestion(**question))
    assert found.answer is Answer.yes
    assert found.found
    assert found.source


@every_witness
@pytest.mark.parametrize("question", QUESTIONS, ids=str)
@pytest.mark.parametrize("nothing", [{"value": []}, Refused("Not there.", status=404)], ids=["empty", "404"])
def test_a_host_that_is_not_found_is_a_no(slug, ask, question, nothing):
    """Unless the product cannot be asked so, and then it says why."""
    found = VENDORS[slug].affiliation(ask(slug, nothing), HostQuestion(**question))
    assert found.answer in (Answer.no, Answer.could_not_ask)
    assert found.source
    assert bool(found.reason) is (found.answer is Answer.could_not_ask)


@every_witness
@pytest.mark.parametrize("question", QUESTIONS, ids=str)
@pytest.mark.parametrize("error", [PermissionMissing("Not granted."), TryLater("Away.")], ids=repr)
def test_what_prevents_asking_is_never_a_no(slug, ask, question, error):
    """An outage says nothing about a host."""
    try:
        found = VENDORS[slug].affiliation(ask(slug, error), HostQuestion(**question))
    except type(error):
        return
    assert found.answer is Answer.could_not_ask


@every_witness
@pytest.mark.parametrize("field", ["name", "address", "id"])
def test_a_question_cannot_be_turned_into_another(slug, ask, field):
    """Text of a caller never ends a literal or a path of the query."""
    connection = ask(slug, {"value": []})
    VENDORS[slug].affiliation(connection, HostQuestion(**{field: "x' or 1 eq 1/../y?z=1"}))
    for call in connection.api.calls:
        assert "x' or" not in call
        assert "/../" not in call.split('"')[3]
        assert "?z" not in call.split('"')[3]


@every_witness
@pytest.mark.parametrize("zone", ["' or 1==1 or '", "'|x", "')/../../alerts?x=1", "eth0", "\n|x"])
def test_a_zone_of_an_address_never_reaches_a_query(slug, ask, zone):
    """Python takes any characters behind the % of an IPv6 address for the name of a network card."""
    connection = ask(slug, {"value": [], "results": []})
    connection.api.roles.append("ThreatHunting.Read.All")
    found = VENDORS[slug].affiliation(connection, HostQuestion(address=f"fe80::1%{zone}"))
    assert found.answer is Answer.could_not_ask
    assert connection.api.calls == []
