"""What is vulnerable on a tenant's machines: made-up software with made-up CVEs, spread over the machines by
their platform, the same in every run.

Shapes are those of the vendor's resource types "Vulnerability", "Recommendation" and of the software
vulnerabilities export.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Hole(NamedTuple):
    """A made-up CVE."""

    cve: str
    severity: str
    cvss: float


class Software(NamedTuple):
    """Something installed on machines whose platform begins so; `wanted` is the version it should have."""

    vendor: str
    product: str
    version: str
    wanted: str
    platforms: tuple[str, ...]
    kb: str | None = None
    holes: tuple[Hole, ...] = ()


_SOFTWARE = (
    Software(
        *("contoso", "reader", "11.2.0.4", "11.3.0.0", ("Windows",)),
        holes=(Hole("CVE-2026-91001", "Critical", 9.8), Hole("CVE-2026-91002", "High", 7.8)),
    ),
    Software(
        *("fabrikam", "vpn_client", "5.1.7", "5.1.9", ("Windows1",)),
        holes=(Hole("CVE-2026-91010", "High", 8.1),),
    ),
    Software(
        *("northwind", "server_agent", "2.0.1", "2.4.0", ("WindowsServer", "Ubuntu")),
        holes=(Hole("CVE-2026-91020", "Medium", 6.5), Hole("CVE-2026-91021", "Low", 3.1)),
    ),
    Software(
        *("contoso", "print_service", "10.0.1", "10.0.2", ("WindowsServer",), "KB9100031"),
        holes=(Hole("CVE-2026-91031", "Critical", 9.1),),
    ),
    Software(
        *("openlib", "tlslib", "3.0.2", "3.0.14", ("Ubuntu",)), holes=(Hole("CVE-2026-91040", "High", 7.4),)
    ),
    Software("tailspin", "editor", "4.4", "4.4", ("Windows", "Ubuntu")),
)


@dataclass
class Posture:
    """One tenant's. `findings` are rows of machine and CVE; `export` the same with more fields, and with
    software that has no hole."""

    vulnerabilities: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    export: list[dict[str, Any]] = field(default_factory=list)
    recommendations: list[dict[str, Any]] = field(default_factory=list)
    exposure: float = 0.0
    configuration: float = 388.0

    @classmethod
    def of(cls, machines: Iterable[Mapping[str, Any]]) -> Posture:
        """What these machines have."""
        made, onboarded = cls(), [m for m in machines if m.get("onboardingStatus") == "Onboarded"]
        for software in _SOFTWARE:
            having = [m for m in onboarded if str(m["osPlatform"]).startswith(software.platforms)]
            made._install(software, having)
        made.exposure = min(100.0, round(len(made.findings) * 1.61803, 6))
        return made

    def of_machine(self, machine_id: str) -> list[dict[str, Any]]:
        """The vulnerabilities of one machine."""
        kind = "#microsoft.windowsDefenderATP.api.PublicVulnerabilityDto"
        holes = (row["cveId"] for row in self.findings if row["machineId"] == machine_id)
        return [{"@odata.type": kind, **self.vulnerabilities[cve]} for cve in dict.fromkeys(holes)]

    def _install(self, software: Software, machines: list[Mapping[str, Any]]) -> None:
        for hole in software.holes:
            self.vulnerabilities[hole.cve] = _vulnerability(hole, software.product, len(machines))
            self.findings += [_finding(machine, software, hole) for machine in machines]
        for machine in machines:
            self.export += [_exported(machine, software, hole) for hole in software.holes or (None,)]
        if software.holes:
            self.recommendations.append(_recommendation(software, len(machines)))


def _vulnerability(hole: Hole, product: str, exposed: int) -> dict[str, Any]:
    return {
        "id": hole.cve,
        "name": hole.cve,
        "description": f"A made-up hole in {product}.",
        "severity": hole.severity,
        "cvssV3": hole.cvss,
        "cvssVector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "exposedMachines": exposed,
        "publishedOn": "2026-08-11T00:00:00Z",
        "updatedOn": "2026-09-02T16:20:00Z",
        "publicExploit": hole.severity == "Critical",
        "exploitVerified": False,
        "exploitInKit": False,
        "exploitTypes": ["Remote"] if hole.severity == "Critical" else [],
        "exploitUris": [],
        "CveSupportability": "Supported",
        "EPSS": round(hole.cvss / 25, 3),
    }


def _finding(machine: Mapping[str, Any], software: Software, hole: Hole) -> dict[str, Any]:
    parts = (machine["id"], hole.cve, software.vendor, software.product, software.version, software.kb or "")
    return {
        "id": "-_-".join(parts),
        "cveId": hole.cve,
        "machineId": machine["id"],
        "fixingKbId": software.kb,
        "productName": software.product,
        "productVendor": software.vendor,
        "productVersion": software.version,
        "severity": hole.severity,
    }


def _exported(machine: Mapping[str, Any], software: Software, hole: Hole | None) -> dict[str, Any]:
    names = (machine["id"], software.vendor, software.product, software.version, hole.cve if hole else "")
    return {
        "id": "_".join(names),
        "deviceId": machine["id"],
        "deviceName": machine.get("computerDnsName"),
        "rbacGroupId": machine.get("rbacGroupId"),
        "rbacGroupName": machine.get("rbacGroupName"),
        "osPlatform": machine["osPlatform"],
        "osVersion": machine.get("version"),
        "osArchitecture": "x64",
        "softwareVendor": software.vendor,
        "softwareName": software.product,
        "softwareVersion": software.version,
        "cveId": hole.cve if hole else None,
        "vulnerabilitySeverityLevel": hole.severity if hole else None,
        "cvssScore": hole.cvss if hole else None,
        "recommendedSecurityUpdate": None if software.kb is None else f"Security update {software.kb}",
        "recommendedSecurityUpdateId": software.kb,
        "recommendedSecurityUpdateUrl": None,
        "diskPaths": [],
        "registryPaths": [],
        "firstSeenTimestamp": "2026-09-03 08:00:12",  # without T and Z, as the real ones
        "lastSeenTimestamp": "2026-10-13 04:40:02",
        "exploitabilityLevel": "NoExploit",
        "recommendationReference": f"va-_-{software.vendor}-_-{software.product}",
        "securityUpdateAvailable": software.wanted != software.version,
    }


def _recommendation(software: Software, machines: int) -> dict[str, Any]:
    vendor, product = software.vendor, software.product
    return {
        "id": f"va-_-{vendor}-_-{product}",
        "productName": product,
        "recommendationName": f"Update {vendor} {product} to version {software.wanted}",
        "weaknesses": len(software.holes),
        "vendor": vendor,
        "recommendedVersion": software.wanted,
        "recommendedVendor": "",
        "recommendedProgram": "",
        "recommendationCategory": "Application",
        "subCategory": "",
        "severityScore": max(hole.cvss for hole in software.holes),
        "publicExploit": any(hole.severity == "Critical" for hole in software.holes),
        "activeAlert": False,
        "associatedThreats": [],
        "remediationType": "Upgrade" if software.kb is None else "Update",
        "status": "Active",
        "configScoreImpact": 0.0,
        "exposureImpact": round(1.1 * len(software.holes), 2),
        "totalMachineCount": machines,
        "exposedMachinesCount": machines,
        "nonProductivityImpactedAssets": 0,
        "relatedComponent": f"{vendor.title()} {product.replace('_', ' ').title()}",
        "exposedCriticalDevices": 0,
    }
