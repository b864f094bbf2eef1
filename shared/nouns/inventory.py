"""What a tenant has, read on its own schedule: machines, managed devices, vulnerabilities, recommendations,
scores. Pure values."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.nouns.detections import Instant, Severity


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class InventoryKind(StrEnum):
    """What an inventory item is."""

    machine = "machine"
    managed_device = "managed_device"
    vulnerability = "vulnerability"
    machine_vulnerability = "machine_vulnerability"
    recommendation = "recommendation"
    assessment = "assessment"
    score = "score"
    control = "control"


class Item(_Value):
    """One thing in the inventory; only `kind`, `id` and `name` are always there.

    `id` is the vendor's. Of a machine or managed device: `dns_name`, `addresses` (IP), `operating_system`
    (with its version), `status` (health, compliance or onboarding, the vendor's word), `owner`,
    `joined_id` (the Entra device id, which Endpoint and Intune share). Of a machine's vulnerability:
    `name` is the CVE, `machine_id` the machine's id. Of a score or control: `score` of `maximum`. `updated`
    is the vendor's time; `properties` keeps what has no field of its own.
    """

    kind: InventoryKind
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    dns_name: str | None = None
    addresses: tuple[str, ...] = ()
    operating_system: str | None = None
    device_class: str | None = None
    status: str | None = None
    owner: str | None = None
    joined_id: str | None = None
    machine_id: str | None = None
    severity: Severity | None = None
    score: float | None = None
    maximum: float | None = None
    updated: Instant | None = None
    link: str | None = None
    properties: dict[str, Any] = Field(default_factory=dict)


class HostQuestion(_Value):
    """Which host is meant: exactly one of a DNS or device name, an IP address, or an id (Endpoint machine
    id, Intune device id, or Entra device id)."""

    name: str | None = Field(default=None, max_length=255)
    address: str | None = Field(default=None, max_length=45)
    id: str | None = Field(default=None, max_length=64)

    @model_validator(mode="after")
    def _one(self) -> HostQuestion:
        if sum(bool(one) for one in (self.name, self.address, self.id)) != 1:
            raise ValueError("ask by exactly one of name, address and id")
        return self

    @property
    def plain_address(self) -> str | None:
        """The address as products write it; None for what is no IP address. One with a zone (`fe80::1%eth0`)
        is none: a zone means something on one machine only, and Python takes any characters for it."""
        given = (self.address or "").strip()
        try:
            return None if "%" in given else ip_address(given).compressed
        except ValueError:
            return None


class Answer(StrEnum):
    """`no` says that the product does not know the host; `could_not_ask` that it was not possible to know."""

    yes = "yes"
    no = "no"
    could_not_ask = "could_not_ask"


class Affiliation(_Value):
    """Whether a product knows a host. `source` says where the answer came from (the product and the way it
    was asked); `found` are the matches of a yes; `reason` says why it could not be asked."""

    answer: Answer
    source: str
    found: tuple[Item, ...] = ()
    reason: str | None = None
