"""The sample alerts that Defender for Cloud makes when it is asked to simulate.

Types begin with `SIMULATED_`, names with `[SAMPLE ALERT] `, descriptions with `THIS IS A SAMPLE ALERT: `;
resources are called Sample-... in Sample-RG, start times are 2 s apart, and all are published within about
2 s, as in alerts seen in public.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from simulator import ticks
from simulator.cloud_access import Admission

# bundle: (detector, title, severity, kind of resource, resource)
BUNDLES: dict[str, tuple[str, str, str, str, str]] = {
    "AppServices": (
        "APPS_UploadedScript",
        "Script in an upload folder",
        "Medium",
        "Microsoft.Web/sites",
        "Sample-App",
    ),
    "DNS": (
        "DNS_Tunnel",
        "Possible tunnel over DNS",
        "Low",
        "Microsoft.Compute/virtualMachines",
        "Sample-VM",
    ),
    "KeyVaults": (
        "KV_UnusualReads",
        "Unusual reads of a key vault",
        "Medium",
        "Microsoft.KeyVault/vaults",
        "Sample-KV",
    ),
    "KubernetesService": (
        "K8S_PrivilegedPod",
        "Privileged pod started",
        "Low",
        "Microsoft.ContainerService/managedClusters",
        "Sample-Cluster",
    ),
    "ResourceManager": (
        "ARM_UnusualCaller",
        "Operation by an unusual caller",
        "Medium",
        "Microsoft.Compute/virtualMachines",
        "Sample-VM",
    ),
    "SqlServers": (
        "SQL.DB_Injection",
        "Potential SQL injection",
        "High",
        "Microsoft.Sql/servers",
        "Sample-SQL",
    ),
    "StorageAccounts": (
        "Storage.Blob_Malware",
        "Potential malware in a blob",
        "High",
        "Microsoft.Storage/storageAccounts",
        "Sample-Storage",
    ),
    "VirtualMachines": (
        "VM_ReverseShell",
        "Possible reverse shell",
        "High",
        "Microsoft.Compute/virtualMachines",
        "Sample-VM",
    ),
    "CosmosDbs": (
        "CosmosDB_TorAddress",
        "Access from an anonymous address",
        "Medium",
        "Microsoft.DocumentDB/databaseAccounts",
        "Sample-DB",
    ),
}


def simulate(admission: Admission, location: str, bundles: Sequence[str]) -> str:
    """Let the bundles' alerts appear when the switch says. Returns the id of the long-running operation."""
    wait = int(admission.state.switches.simulate_seconds * ticks.SECOND)
    done = admission.now + wait
    for place, bundle in enumerate(bundles):
        subscription = admission.subscription
        alert = subscription.make(
            done,
            template="sql_injection",
            started=admission.now - place * 2 * ticks.SECOND,
            location=location,
            resource_group="Sample-RG",
            fields=_fields(subscription.id, subscription.tenant_id, bundle),
        )
        subscription.alerts.put(alert, visible=done, now=admission.now)
    operation = str(uuid4())
    admission.state.operations[operation] = done
    return operation


def _fields(subscription_id: str, tenant_id: str, bundle: str) -> dict[str, Any]:
    detector, title, severity, kind, resource = BUNDLES[bundle]
    arm_id = f"/SUBSCRIPTIONS/{subscription_id}/RESOURCEGROUPS/Sample-RG/providers/{kind}/{resource}"
    identifier = {
        "$id": "1",
        "azureResourceId": arm_id,
        "type": "AzureResource",
        "azureResourceTenantId": tenant_id,
    }
    return {
        "alertType": f"SIMULATED_{detector}",
        "alertDisplayName": f"[SAMPLE ALERT] {title}",
        "description": f"THIS IS A SAMPLE ALERT: {title}.",
        "severity": severity,
        "intent": "Unknown",
        "compromisedEntity": resource,
        "productComponentName": None,
        "resourceIdentifiers": [identifier],
        "extendedProperties": {"resourceType": kind.rsplit("/", 1)[1]},
        "entities": [{"$id": "2", "resourceId": arm_id, "type": "azure-resource"}],
    }
