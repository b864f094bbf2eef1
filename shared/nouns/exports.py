"""Risks and assets: what other systems of a security team take in. An alert or a vulnerability is a risk, a
machine an asset. Pure.

Names and scores are those of the integration that the product's documents describe: High 9.0, Medium 6.0,
Low 3.0. Beyond these: critical 10.0; informational 0.0; unknown 6.0, so that it is neither lost below a
threshold of medium nor takes the place of what is known to be high.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.nouns.cards import Card
from shared.nouns.detections import AssetKind, Instant, Severity
from shared.nouns.inventory import InventoryKind, Item
from shared.nouns.ocsf import first_sighting

SCORES = {
    Severity.critical: 10.0,
    Severity.high: 9.0,
    Severity.medium: 6.0,
    Severity.unknown: 6.0,
    Severity.low: 3.0,
    Severity.informational: 0.0,
}


_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)

    @property
    def version(self) -> str:
        """Equal exactly when nothing in it has changed; 16 hex digits."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class Risk(_Value):
    """An alert or a vulnerability. `key` is the alert's id at the product that reported it first, or the
    vulnerability's; it stays the same."""

    kind: str = "risk"
    key: str
    name: str
    description: str
    score: float
    severity: Severity
    status: str
    category: str
    dns: str
    created: Instant | None
    updated: Instant | None
    source: str
    tenant: str
    detection_id: str | None = None


class AssetRecord(_Value):
    """A machine. `value` is its address, `name` its operating system, `status` its compliance or health, as
    the product words it."""

    kind: str = "asset"
    key: str
    dns: str
    value: str
    name: str
    asset_class: str
    status: str
    updated: Instant | None
    source: str
    tenant: str

    def record(self) -> dict[str, Any]:
        """With `class`, which Python does not take as a name."""
        values = self.model_dump(mode="json")
        return {("class" if name == "asset_class" else name): value for name, value in values.items()}


class ExportFilter(_Value):
    """What is emitted. Empty fields let everything through. An unknown severity is never filtered out.
    `names` are patterns (`*`, `?`, `[...]`) for the DNS name, without case; where there is none, for the
    name."""

    minimum_severity: Severity | None = None
    categories: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def wants_risk(self, risk: Risk) -> bool:
        """Whether the risk is emitted."""
        known = risk.severity is not Severity.unknown
        if self.minimum_severity and known and risk.severity.rank < self.minimum_severity.rank:
            return False
        wanted = {one.casefold() for one in self.categories}
        if wanted and not wanted & {one.strip().casefold() for one in risk.category.split(",")}:
            return False
        return self._named(risk.dns or risk.name)

    def wants_asset(self, asset: AssetRecord) -> bool:
        """Whether the asset is emitted: only names count."""
        return self._named(asset.dns or asset.key)

    def _named(self, name: str) -> bool:
        return not self.names or any(
            fnmatchcase(name.casefold(), pattern.casefold()) for pattern in self.names
        )


def alert_risk(card: Card) -> Risk:
    """A detection as a risk."""
    shown = card.detection
    machine = next((a for a in shown.assets if a.kind is AssetKind.machine), None)
    return Risk(
        key=first_sighting(card).native_id,
        name=shown.title,
        description=shown.description,
        score=SCORES[shown.severity],
        severity=shown.severity,
        status=shown.status.value,
        category=", ".join(shown.categories),
        dns=machine.name if machine else "",
        created=shown.created or card.first_seen,
        updated=shown.updated,
        source=card.vendor,
        tenant=card.scope,
        detection_id=card.id,
    )


def vulnerability_risk(item: Item, *, source: str, tenant: str, machine: Item | None = None) -> Risk:
    """A vulnerability, of one machine or of all, as a risk. Its own CVSS score counts before the severity."""
    severity = item.severity or Severity.unknown
    cvss = item.score if item.score is not None and 0.0 < item.score <= 10.0 else None
    dns = item.dns_name or (machine.dns_name or machine.name if machine else "")
    return Risk(
        key=item.id,
        name=item.name,
        description=str(item.properties.get("description") or ""),
        score=cvss if cvss is not None else SCORES[severity],
        severity=severity,
        status=item.status or "active",
        category="Vulnerability",
        dns=dns or "",
        created=None,
        updated=item.updated,
        source=source,
        tenant=tenant,
    )


def machine_asset(item: Item, *, source: str, tenant: str) -> AssetRecord:
    """A machine or managed device as an asset."""
    return AssetRecord(
        key=item.id,
        dns=item.dns_name or item.name,
        value=item.addresses[0] if item.addresses else "",
        name=item.operating_system or "",
        asset_class=item.device_class or item.kind.value,
        status=item.status or "",
        updated=item.updated,
        source=source,
        tenant=tenant,
    )


def line_of(record: Mapping[str, Any]) -> str:
    """A record as one line of JSON, whoever reads it: characters that some readers take for the end of a line
    and some terminals for commands are escaped."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)


RISK_KINDS = (InventoryKind.machine_vulnerability, InventoryKind.vulnerability)
ASSET_KINDS = (InventoryKind.machine, InventoryKind.managed_device)
