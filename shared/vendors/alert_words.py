"""What Microsoft's products call severities, statuses and each other, read in any casing.

Promise: a word that is not known never becomes one that is: a severity is then `unknown`, a status `active`
(it must be looked at), a product stands for itself. Sources: "alert resource type" of Graph, of Defender for
Endpoint and of Defender XDR, "Security alert schema reference" of Sentinel, "Alerts - List" of Defender for
Cloud.
"""

from __future__ import annotations

from urllib.parse import quote

from shared.nouns.detections import Severity, Status

_SEVERITIES = {one.value: one for one in Severity}
_STATUSES = {
    "new": Status.active,
    "active": Status.active,
    "inprogress": Status.in_progress,
    "resolved": Status.resolved,
    "dismissed": Status.dismissed,
}
# Also the short names that the Defender XDR API keeps although the products were renamed.
_PRODUCTS = {
    "microsoftdefenderforendpoint": "Microsoft Defender for Endpoint",
    "windowsdefenderatp": "Microsoft Defender for Endpoint",
    "microsoftdefenderforoffice365": "Microsoft Defender for Office 365",
    "officeatp": "Microsoft Defender for Office 365",
    "microsoftdefenderforidentity": "Microsoft Defender for Identity",
    "azureatp": "Microsoft Defender for Identity",
    "microsoftdefenderforcloudapps": "Microsoft Defender for Cloud Apps",
    "microsoftcloudappsecurity": "Microsoft Defender for Cloud Apps",
    "azureadidentityprotection": "Microsoft Entra ID Protection",
    "aadidentityprotection": "Microsoft Entra ID Protection",
    "microsoft365defender": "Microsoft Defender XDR",
    "microsoftthreatprotection": "Microsoft Defender XDR",
    "microsoftappgovernance": "Microsoft App Governance",
    "datalossprevention": "Microsoft Data Loss Prevention",
    "microsoftdefenderforcloud": "Microsoft Defender for Cloud",
    "microsoftsentinel": "Microsoft Sentinel",
    "microsoftinsiderriskmanagement": "Microsoft Insider Risk Management",
}
# The commercial portal: neither alerts nor incidents name their cloud.
_PORTAL = "https://security.microsoft.com"


def severity_of(word: str | None) -> Severity:
    """The severity that a product's word means."""
    return _SEVERITIES.get((word or "").lower(), Severity.unknown)


def status_of(word: str | None) -> Status:
    """The status that a product's word for an alert's means; incidents have words of their own."""
    return _STATUSES.get((word or "").replace(" ", "").lower(), Status.active)


def product_of(source: str | None) -> str | None:
    """The product that `serviceSource` means."""
    return _PRODUCTS.get(source.lower(), source) if source else None


def portal_link(kind: str, native_id: str, tenant: str | None) -> str:
    """Where the portal shows one of its `alerts` or `incidents`; used for those that bring no link of their
    own."""
    link = f"{_PORTAL}/{kind}/{quote(native_id, safe='')}"
    return f"{link}?tid={quote(tenant, safe='')}" if tenant else link
