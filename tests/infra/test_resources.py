"""What is deployed fits the code: names, settings, roles, limits. And it is as closed as it says."""

from __future__ import annotations

import json
import re

import pytest

from deployment.bicep import literal, read_bicep
from deployment.template import template_of
from shared.store.stores import CONTAINERS, QUEUES, TABLES
from tests.infra.conftest import ROOT, Json, of_type

# Azure's built-in roles, as "Azure built-in roles" lists them.
ROLES = {
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}
# Settings of the sample that Azure does without, and why.
NOT_IN_AZURE = {
    "FUNCTIONS_WORKER_RUNTIME": "Flex Consumption has it in functionAppConfig and refuses the setting",
    "AzureWebJobsStorage": "there are no keys; the three addresses and the identity take its place",
    "AzureWebJobsStorage__accountName": "the three addresses say it",
    "POCKETSOC_SECRETS_FILE": "local only, refused in Azure",
    "POCKETSOC_SIMULATOR_URL": "local only, refused in Azure",
}
# Settings that an installation may want, by how they begin; the parameter `settings` takes them.
BY_PARAMETER = (
    "POCKETSOC_APNS_",
    "POCKETSOC_CA_BUNDLE",
    "POCKETSOC_COLLECTOR_",
    "POCKETSOC_PUSH_HOSTS",
    "POCKETSOC_WEBHOOK_MAX_BYTES",
    # A configuration from the environment, in the words of other products.
    "AZURE_",
    "DEFENDER_",
    "GRAPH_API_",
)
# Settings of Azure that the sample has no use for.
ONLY_IN_AZURE = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureFunctionsJobHost__extensions__queues__batchSize",
    "AzureFunctionsJobHost__extensions__queues__newBatchThreshold",
    "AzureWebJobsStorage__credential",
}


def app_settings() -> set[str]:
    """The names of the settings that function-app.bicep sets."""
    text = (ROOT / "infra" / "modules" / "function-app.bicep").read_text()
    block = text.partition("properties: union({")[2].partition("}, settings)")[0]
    return set(re.findall(r"^    (\w+):", block, re.MULTILINE))


def test_settings_are_those_of_the_sample() -> None:
    """Add a new one to function-app.bicep, or to one of the three lists of this page, with its reason."""
    sample = set(json.loads((ROOT / "local.settings.sample.json").read_text())["Values"])

    wanted = {name for name in sample - set(NOT_IN_AZURE) if not name.startswith(BY_PARAMETER)}

    assert app_settings() - ONLY_IN_AZURE == wanted
    assert app_settings() >= ONLY_IN_AZURE
    assert sample >= set(NOT_IN_AZURE)


@pytest.mark.parametrize(
    ("variable", "names"), [("containers", CONTAINERS), ("queues", QUEUES), ("tables", TABLES)]
)
def test_storage_has_what_the_code_names(modules: dict[str, Json], variable: str, names: tuple[str]) -> None:
    """And nothing else. After a change there: python3 dev.py infra --write."""
    assert sorted(modules["storage"]["variables"][variable]) == sorted(names)


def test_each_queue_has_its_poison_twin(resources: list[Json]) -> None:
    """The host makes it only when it is needed, and until then nobody can look at it."""
    queues = of_type(resources, "Microsoft.Storage/storageAccounts/queueServices/queues")

    assert {one["copy"]["name"] for one in queues} == {"queue", "poisonQueue"}


def test_lifecycle_touches_message_blobs_only_and_late_enough(resources: list[Json]) -> None:
    """Never the host's containers, never quarantine; a message in a queue lives seven days."""
    [policy] = of_type(resources, "Microsoft.Storage/storageAccounts/managementPolicies")
    [rule] = policy["properties"]["policy"]["rules"]

    assert rule["definition"]["filters"]["prefixMatch"] == ["messages/"]
    days = read_bicep(ROOT / "infra" / "modules" / "storage.bicep")
    [limit] = [one for one in days.of("param") if one.name == "messageRetentionDays"]
    assert literal(limit.decorators["minValue"]) > 7


def test_role_ids_are_those_of_their_names_and_no_role_is_given_twice(modules: dict[str, Json]) -> None:
    """A wrong id gives a wrong right, and nobody notices."""
    given = [role for roles in modules["roles"]["variables"]["roles"].values() for role in roles]

    assert {role["name"]: role["id"] for role in given}.items() <= ROLES.items()
    assert len({role["id"] for role in given}) == len(given)


def test_the_product_has_these_roles_and_no_more(modules: dict[str, Json]) -> None:
    """Each on its own resource, none on the group or the subscription."""
    roles = modules["roles"]["variables"]["roles"]

    assert {target: {role["name"] for role in given} for target, given in roles.items()} == {
        "storage": {
            "Storage Blob Data Owner",
            "Storage Queue Data Contributor",
            "Storage Table Data Contributor",
        },
        "vault": {"Key Vault Secrets Officer"},
        "insights": {"Monitoring Metrics Publisher"},
    }
    assert all("scope" in one for one in modules["roles"]["resources"])


def test_all_role_assignments_are_on_one_page(resources: list[Json]) -> None:
    """Who wants to know what the product may do reads roles.bicep."""
    found = list(of_type(resources, "Microsoft.Authorization/roleAssignments"))

    pages = [p for p in (ROOT / "infra").rglob("*.bicep") if "roleAssignments@" in p.read_text()]
    assert [page.name for page in pages] == ["roles.bicep"]
    assert len(found) == 3


def one(resources: list[Json], kind: str) -> Json:
    """The properties of the only resource of a type."""
    [found] = of_type(resources, kind)
    properties: Json = found["properties"]
    return properties


def test_storage_takes_identities_only(resources: list[Json]) -> None:
    """No keys, no anonymous reading, no old TLS."""
    account = one(resources, "Microsoft.Storage/storageAccounts")

    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert account["supportsHttpsTrafficOnly"] is True
    assert account["minimumTlsVersion"] == "TLS1_2"


def test_the_vault_is_governed_by_roles_and_keeps_what_is_deleted(resources: list[Json]) -> None:
    """And its control plane is asked in a version that stays."""
    [vault] = of_type(resources, "Microsoft.KeyVault/vaults")
    properties = vault["properties"]

    assert vault["apiVersion"] == "2026-02-01"
    assert properties["enableRbacAuthorization"] is True
    assert properties["enablePurgeProtection"] is True
    assert (properties["enableSoftDelete"], properties["softDeleteRetentionInDays"]) == (True, 90)


def test_telemetry_is_taken_from_identities_only(resources: list[Json]) -> None:
    """A connection string alone opens nothing."""
    assert one(resources, "Microsoft.Insights/components")["DisableLocalAuth"] is True
    assert one(resources, "Microsoft.OperationalInsights/workspaces")["features"]["disableLocalAuth"] is True


def test_the_app_is_closed_where_nobody_needs_it_open(resources: list[Json]) -> None:
    """No FTP, no publishing passwords, no /admin, no plain http, no old TLS."""
    site = one(resources, "Microsoft.Web/sites")
    policies = list(of_type(resources, "Microsoft.Web/sites/basicPublishingCredentialsPolicies"))

    assert site["httpsOnly"] is True
    assert site["functionsRuntimeAdminIsolationEnabled"] is True
    assert site["siteConfig"] == {
        "ftpsState": "Disabled",
        "http20Enabled": True,
        "minTlsVersion": "1.2",
        "scmMinTlsVersion": "1.2",
    }
    assert [policy["properties"]["allow"] for policy in policies] == [False, False]


def test_the_plan_is_flex_consumption_with_a_python_that_the_product_supports(resources: list[Json]) -> None:
    """As pyproject.toml says, and by default the newest."""
    [plan] = of_type(resources, "Microsoft.Web/serverfarms")
    [version] = [
        p for p in read_bicep(ROOT / "infra" / "resources.bicep").of("param") if p.name == "pythonVersion"
    ]

    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert literal(version.decorators["allowed"]) == ["3.11", "3.12", "3.13"]
    assert literal(version.body) == "3.13"


def test_threads_are_enough_for_what_an_instance_takes_at_once(modules: dict[str, Json]) -> None:
    """Messages of a queue and requests, whatever the parameters say."""
    threads = modules["app"]["variables"]["threads"]

    assert "parameters('httpConcurrency')" in threads
    assert "parameters('queueBatchSize'), parameters('queueNewBatchThreshold')" in threads
    assert threads.startswith("[max(24, ")


def test_queue_concurrency_is_that_of_host_json_unless_changed() -> None:
    """The parameters' defaults change nothing."""
    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    wanted = {p.name: p.body for p in read_bicep(ROOT / "infra" / "resources.bicep").of("param")}

    assert literal(wanted["queueBatchSize"]) == queues["batchSize"]
    assert literal(wanted["queueNewBatchThreshold"]) == queues["newBatchThreshold"]


def test_the_functions_on_an_alerts_way_can_be_kept_ready(modules: dict[str, Json]) -> None:
    """Each scales alone, and is named for it as in function_app.py; backlog, inventory, quarantine may
    wait."""
    source = (ROOT / "function_app.py").read_text()
    ready = modules["app"]["variables"]["queueFunctions"]

    assert ready == ["poll_vendor", "ingest", "notify"]
    assert all(re.search(rf"queue_trigger\([^)]*\)\ndef {name}\(", source) for name in ready)


def test_private_networking_closes_storage_and_vault(modules: dict[str, Json]) -> None:
    """Both by the same parameter, and each has its endpoint and its zone."""
    for name in ("storage", "vault"):
        [target] = [r for r in modules[name]["resources"] if "networkAcls" in r.get("properties", {})]
        public = target["properties"]["publicNetworkAccess"]
        assert public == "[if(parameters('privateNetworking'), 'Disabled', 'Enabled')]"
        assert "'Deny'" in target["properties"]["networkAcls"]["defaultAction"]
    text = (ROOT / "infra" / "resources.bicep").read_text()
    assert "privatelink.${service}.${environment().suffixes.storage}" in text
    assert "replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')" in text


def test_nothing_names_one_cloud() -> None:
    """The same files deploy to the government clouds: addresses come from environment()."""
    named = {
        page.name: re.findall(r"(?:windows\.net|azure\.net|microsoftonline\.\w+|azurewebsites\.net)", text)
        for page in (ROOT / "infra").rglob("*.bicep")
        for text in [re.sub(r"//.*", "", page.read_text())]
    }

    assert {name: found for name, found in named.items() if found} == {}


def test_easy_auth_leaves_open_what_has_no_token(modules: dict[str, Json]) -> None:
    """Probes, and the webhook with its function key, as function_app.py and the API spell them."""
    open_ = modules["auth"]["variables"]["openPaths"]

    assert {"/api/v1/health", "/api/webhooks/*"} <= set(open_)
    assert "/api/v1/*" not in open_


def test_nothing_secret_is_an_output(template: Json) -> None:
    """Outputs stay readable in the history of deployments."""
    outputs = [template["outputs"], template_of(ROOT / "infra" / "main.bicep")["outputs"]]

    assert not re.search(r"listKeys|functionKeys|ConnectionString|secret", json.dumps(outputs))


def test_names_fit_what_azure_allows(template: Json) -> None:
    """With the thirteen characters of uniqueString: 32 for an app's host id, 24 for storage and vault."""
    made = {name: one.count("{0}") and one for name, one in template["variables"]["names"].items()}
    forms = {name: re.findall(r"format\('([^']+)'", str(one))[0] for name, one in made.items()}
    lengths = {name: len(form.replace("{0}", "x" * 13)) for name, form in forms.items()}

    assert lengths["app"] <= 32
    assert lengths["storage"] <= 24
    assert lengths["vault"] <= 24
    assert re.fullmatch(r"[a-z0-9]+\{0\}", forms["storage"])
