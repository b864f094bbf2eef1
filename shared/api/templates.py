"""The documents that a customer downloads to forward Defender for Cloud's alerts, with the own webhook's
address already in them. They stand in `templates/`; keys are not known here and are never in them."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from shared.api.caller import Reader
from shared.api.configuration_shapes import webhook_url
from shared.api.parts import ApiParts, Parts
from shared.errors import NotFound
from shared.vendors.vendor import WebhookVendor

router = APIRouter(tags=["templates"])

_FOLDER = Path(__file__).resolve().parent.parent.parent / "templates"


class Template(StrEnum):
    """The ARM template that makes everything, and the Logic App's definition for its code view."""

    automation = "pocketsoc-defender-automation.json"
    logic_app = "pocketsoc-logic-app.json"


@router.get("/templates/{name}", operation_id="get_template", response_model=dict[str, Any])
def get_template(
    name: Template,
    caller: Reader,
    parts: Parts,
    configuration: Annotated[str, Query(max_length=100, description="Whose webhook to put in.")] = "",
    identity: Annotated[bool, Query(description="For a Logic App that signs in with its identity.")] = False,
) -> JSONResponse:
    """One of the documents. With `configuration`, that configuration's webhook address stands in it."""
    document = json.loads((_FOLDER / name.value).read_text(encoding="utf-8"))
    if configuration:
        _put_in(document, _webhook(parts, configuration, identity=identity))
    return JSONResponse(document, headers={"Content-Disposition": f'attachment; filename="{name.value}"'})


def _webhook(parts: ApiParts, id: str, *, identity: bool) -> str:
    found = parts.configurations.get(id)
    vendor = parts.vendors.get(found.configuration.vendor) if found else None
    if found is None or not isinstance(vendor, WebhookVendor):
        raise NotFound("There is no configuration with a webhook under that id.")
    return webhook_url(found.configuration, parts, identity=identity)


def _put_in(document: dict[str, Any], url: str) -> None:
    if "definition" in document:
        inputs = document["definition"]["actions"]["Forward_to_PocketSOC"]["inputs"]
        inputs["uri"] = url
    else:
        # Secure strings take no default; an address without a key is no secret.
        document["parameters"]["pocketsocWebhookUrl"] |= {"type": "string", "defaultValue": url}
