"""The posture of a subscription in Defender for Cloud: secure score, its controls, assessments and their
metadata.

Everything follows from one table of made-up checks over the fixtures' resources, so that score, controls and
assessments agree. Lists come in pages with an absolute `nextLink`; the list of assessments has no severity,
which stands in the metadata (a switch adds it, as `$expand` might). Source: the ARM reference of
Microsoft.Security; page sizes and tokens are not verified.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.cloud_access import Admission, admit
from simulator.endpoint_access import origin
from simulator.refusals import Refused, route
from simulator.world import World

_SCORE_VERSIONS = ("2020-01-01", "2020-01-01-preview")
_ASSESSMENT_VERSIONS = ("2021-06-01", "2020-01-01")
_PROVIDER = "/providers/Microsoft.Security"
_BASE = "/subscriptions/{subscription}" + _PROVIDER


class Check(NamedTuple):
    """One kind of assessment: which control it belongs to, and how each resource does."""

    name: str
    title: str
    severity: str
    control: str
    outcomes: tuple[tuple[str, str], ...]


_VM = "resourceGroups/rg-shop/providers/Microsoft.Compute/virtualMachines/vm-shop-01"
_ERP = "resourceGroups/rg-erp/providers/Microsoft.Compute/virtualMachines/srv-erp-02"
_STORE = "RESOURCEGROUPS/RG-MEDIA/providers/Microsoft.Storage/storageAccounts/stmedia01"
_VAULT = "resourceGroups/rg-shop/providers/Microsoft.KeyVault/vaults/kv-shop"
_CONTROLS = {  # name: (title, points that it is worth)
    "4e4a6b3d-0d5f-4a0e-9a51-0c0ffee10001": ("Enable encryption at rest", 4),
    "4e4a6b3d-0d5f-4a0e-9a51-0c0ffee10002": ("Manage access and permissions", 4),
    "4e4a6b3d-0d5f-4a0e-9a51-0c0ffee10003": ("Remediate vulnerabilities", 6),
}
_ENCRYPTION, _ACCESS, _VULNERABILITIES = _CONTROLS
CHECKS = (
    Check(
        "8f5d0f57-2f6b-4b2a-9f53-0c0ffee20001",
        "Disks of virtual machines should be encrypted",
        *("High", _ENCRYPTION, ((_VM, "Unhealthy"), (_ERP, "Healthy"))),
    ),
    Check(
        "8f5d0f57-2f6b-4b2a-9f53-0c0ffee20002",
        "Storage accounts should not allow public access",
        *("Medium", _ACCESS, ((_STORE, "Unhealthy"),)),
    ),
    Check(
        "8f5d0f57-2f6b-4b2a-9f53-0c0ffee20003",
        "Key vaults should have purge protection",
        *("Low", _ACCESS, ((_VAULT, "Healthy"),)),
    ),
    Check(
        "8f5d0f57-2f6b-4b2a-9f53-0c0ffee20004",
        "Machines should have vulnerability findings resolved",
        *("High", _VULNERABILITIES, ((_VM, "NotApplicable"), (_ERP, "Unhealthy"))),
    ),
)


def routes(world: World) -> list[Route]:
    """This part's routes."""
    api = PostureApi(world)
    return [
        route(f"{_BASE}/secureScores", api.scores, "GET"),
        route(f"{_BASE}/secureScores/ascScore", api.score, "GET"),
        route(f"{_BASE}/secureScoreControls", api.controls, "GET"),
        route(f"{_BASE}/assessments", api.assessments, "GET"),
        route(f"{_BASE}/assessmentMetadata", api.metadata, "GET"),
    ]


class PostureApi:
    """The handlers. Each holds the world's lock while it looks at state."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def scores(self, request: Request) -> Response:
        """GET .../secureScores: one, `ascScore`."""
        with self._world.lock:
            admission = self._admit(request, "secureScores", _SCORE_VERSIONS)
            return _paged(admission, request, [_score(admission.subscription.id)])

    async def score(self, request: Request) -> Response:
        """GET .../secureScores/ascScore."""
        with self._world.lock:
            admission = self._admit(request, "secureScores", _SCORE_VERSIONS)
            return JSONResponse(_score(admission.subscription.id), headers=admission.headers)

    async def controls(self, request: Request) -> Response:
        """GET .../secureScoreControls. Definitions come only with `$expand=definition`."""
        expanded = request.query_params.get("$expand", "").lower() == "definition"
        with self._world.lock:
            admission = self._admit(request, "secureScoreControls", _SCORE_VERSIONS)
            rows = [_control(admission.subscription.id, name, expanded=expanded) for name in _CONTROLS]
            return _paged(admission, request, rows)

    async def assessments(self, request: Request) -> Response:
        """GET .../assessments."""
        with self._world.lock:
            admission = self._admit(request, "assessments", _ASSESSMENT_VERSIONS)
            severity = admission.state.switches.assessments_with_severity
            return _paged(admission, request, _assessments(admission.subscription.id, severity=severity))

    async def metadata(self, request: Request) -> Response:
        """GET .../assessmentMetadata."""
        with self._world.lock:
            admission = self._admit(request, "assessmentMetadata", _ASSESSMENT_VERSIONS)
            return _paged(admission, request, [_metadata(check) for check in CHECKS])

    def _admit(self, request: Request, kind: str, versions: tuple[str, ...]) -> Admission:
        return admit(self._world, request, versions=versions, action=f"Microsoft.Security/{kind}/read")


def _paged(admission: Admission, request: Request, rows: list[dict[str, Any]]) -> JSONResponse:
    switches = admission.state.switches
    begin = 0 if switches.endless_nextlink else _place(request.query_params.get("$skipToken"))
    end = begin + switches.page_size
    body: dict[str, Any] = {"value": rows[begin:end]}
    if end < len(rows) or switches.endless_nextlink:
        kept = "&".join(
            f"{name}={quote(value)}" for name, value in request.query_params.items() if name != "$skipToken"
        )
        token = quote(base64.urlsafe_b64encode(str(end).encode()).decode())
        body["nextLink"] = f"{origin(request)}{request.url.path}?{kept}&$skipToken={token}"
    return JSONResponse(body, headers=admission.headers)


def _place(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except (binascii.Error, ValueError) as problem:
        raise Refused(400, "InvalidSkipToken", "The skip token is invalid.") from problem


def _outcomes(control: str | None = None) -> Iterable[str]:
    return (
        outcome
        for check in CHECKS
        if control in (None, check.control)
        for _, outcome in check.outcomes
        if outcome != "NotApplicable"
    )


def _points(control: str) -> float:
    outcomes = list(_outcomes(control))
    return round(_CONTROLS[control][1] * outcomes.count("Healthy") / max(1, len(outcomes)), 2)


def _score(subscription: str) -> dict[str, Any]:
    current, most = sum(map(_points, _CONTROLS)), sum(points for _, points in _CONTROLS.values())
    return {
        "id": f"/subscriptions/{subscription}{_PROVIDER}/secureScores/ascScore",
        "name": "ascScore",
        "type": "Microsoft.Security/secureScores",
        "properties": {
            "displayName": "ASC score",
            "score": {"max": most, "current": round(current, 2), "percentage": round(current / most, 4)},
            "weight": len(list(_outcomes())),
        },
    }


def _control(subscription: str, name: str, *, expanded: bool) -> dict[str, Any]:
    title, most = _CONTROLS[name]
    outcomes = list(_outcomes(name))
    skipped = sum(o == "NotApplicable" for c in CHECKS if c.control == name for _, o in c.outcomes)
    properties: dict[str, Any] = {
        "displayName": title,
        "healthyResourceCount": outcomes.count("Healthy"),
        "unhealthyResourceCount": outcomes.count("Unhealthy"),
        "notApplicableResourceCount": skipped,
        "score": {"max": most, "current": _points(name), "percentage": round(_points(name) / most, 4)},
        "weight": len(outcomes),
    }
    if expanded:
        kind = "secureScoreControlDefinitions"
        checks = (c for c in CHECKS if c.control == name)
        properties["definition"] = {
            "id": f"{_PROVIDER}/{kind}/{name}",
            "name": name,
            "type": f"Microsoft.Security/{kind}",
            "properties": {
                "displayName": title,
                "maxScore": most,
                "source": {"sourceType": "BuiltIn"},
                "assessmentDefinitions": [{"id": f"{_PROVIDER}/assessmentMetadata/{c.name}"} for c in checks],
            },
        }
    kind = "secureScoreControls"
    return {
        "id": f"/subscriptions/{subscription}{_PROVIDER}/{kind}/{name}",
        "name": name,
        "type": f"Microsoft.Security/{kind}",
        "properties": properties,
    }


def _assessments(subscription: str, *, severity: bool) -> list[dict[str, Any]]:
    return [
        _assessment(f"/subscriptions/{subscription}/{resource}", check, outcome, severity=severity)
        for check in CHECKS
        for resource, outcome in check.outcomes
    ]


def _assessment(resource: str, check: Check, outcome: str, *, severity: bool) -> dict[str, Any]:
    status: dict[str, Any] = {"code": outcome}
    if outcome == "NotApplicable":
        status |= {"cause": "Exempt", "description": "An exemption covers this resource"}
    status |= {
        "firstEvaluationDate": "2026-05-04T09:12:44.5516371Z",
        "statusChangeDate": "2026-09-30T22:01:07Z",
    }
    properties = {
        "resourceDetails": {"source": "Azure", "id": resource},
        "displayName": check.title,
        "status": status,
        "additionalData": {},
        # As the service writes it: without a scheme.
        "links": {"azurePortal": f"portal.azure.com/#blade/Microsoft_Azure_Security/{check.name}"},
    }
    if severity:
        properties["metadata"] = {"displayName": check.title, "severity": check.severity}
    return {
        "type": "Microsoft.Security/assessments",
        "id": f"{resource}{_PROVIDER}/assessments/{check.name}",
        "name": check.name,
        "properties": properties,
    }


def _metadata(check: Check) -> dict[str, Any]:
    return {
        "id": f"{_PROVIDER}/assessmentMetadata/{check.name}",
        "name": check.name,
        "type": "Microsoft.Security/assessmentMetadata",
        "properties": {
            "displayName": check.title,
            "assessmentType": "BuiltIn",
            "severity": check.severity,
            "userImpact": "Low",
            "implementationEffort": "Low",
            "categories": ["Data"],
            "threats": ["DataExfiltration"],
        },
    }
