"""The vendors that can be configured: what each needs, and the form for it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from shared.api.caller import Reader
from shared.api.parts import Parts
from shared.vendors.vendor import Feature, Permission, Vendor, WebhookVendor

router = APIRouter(tags=["vendors"])


class NeededPermission(BaseModel):
    """What to grant for a feature. One of `any_of` is enough; `where` is the click path."""

    feature: Feature
    any_of: list[str]
    where: str


class VendorOut(BaseModel):
    """A product whose API we speak. `fields` is the JSON Schema of its configuration's form."""

    slug: str
    title: str
    permissions: list[NeededPermission]
    has_webhook: bool = Field(description="Whether it can send alerts to us, besides being polled.")
    fields: dict[str, Any] = Field(description="JSON Schema; secrets are `writeOnly`.")


class VendorList(BaseModel):
    """All vendors, by title."""

    items: list[VendorOut]


@router.get("/vendors", operation_id="list_vendors")
def list_vendors(caller: Reader, parts: Parts) -> VendorList:
    """Every vendor that can be configured."""
    return VendorList(items=[_shown(v) for v in sorted(parts.vendors.values(), key=lambda v: v.title)])


def _shown(vendor: Vendor) -> VendorOut:
    return VendorOut(
        slug=vendor.slug,
        title=vendor.title,
        permissions=[_needed(f, p) for f, p in vendor.permissions.items()],
        has_webhook=isinstance(vendor, WebhookVendor),
        fields=vendor.fields.model_json_schema(),
    )


def _needed(feature: Feature, permission: Permission) -> NeededPermission:
    return NeededPermission(feature=feature, any_of=list(permission.any_of), where=permission.where)
