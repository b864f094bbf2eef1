"""Export: detections as OCSF, alerts and vulnerabilities as risks, machines as assets, each one JSON object a
line.

An answer holds a bounded number of lines, because the host keeps it in memory whole; `Link: <...>;
rel="next"` leads to the next one until there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from shared.api.caller import Reader
from shared.api.fields import Cursor, When, Word
from shared.api.parts import ApiParts, Parts
from shared.nouns.detections import Severity
from shared.nouns.exports import ASSET_KINDS, RISK_KINDS, ExportFilter, alert_risk, line_of
from shared.nouns.inventory import InventoryKind
from shared.nouns.ocsf import detection_finding
from shared.store.exported import Origin
from shared.store.inventory import ItemQuery, read_token, token_text

router = APIRouter(tags=["export"])

MEDIA_TYPE = "application/x-ndjson"
_CALLS = 4
_THINGS = "i_"  # what a cursor among vulnerabilities begins with; one among alerts is a card's id

Words = Annotated[list[Word], Query(max_length=20)]
From = Annotated[When | None, Query(alias="from", description="Created (things: changed) at or after.")]
To = Annotated[When | None, Query(alias="to", description="Created (things: changed) at or before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many lines at most; fewer is normal.")]
Next = Annotated[Cursor | None, Query(description="As the `Link` of the answer before gave it.")]


class Lines(Response):
    """JSON objects, one a line."""

    media_type = MEDIA_TYPE


_LINES: dict[str, Any] = {
    "response_class": Lines,
    "responses": {
        200: {
            "description": "JSON objects, one a line. `Link` leads on.",
            "headers": {"Link": {"schema": {"type": "string"}, "description": "The next page, if any."}},
        }
    },
}


@router.get("/export/ocsf", operation_id="export_ocsf", **_LINES)
def export_ocsf(
    request: Request,
    caller: Reader,
    parts: Parts,
    created_from: From = None,
    created_to: To = None,
    limit: Limit = 200,
    cursor: Next = None,
) -> Response:
    """Detections of a time range as OCSF 1.8.0 Detection Findings (class 2004), newest first."""
    page = parts.exported.cards(created_from, created_to, limit=limit, cursor=cursor)
    return _lines(request, map(detection_finding, page.cards), page.cursor)


@router.get("/risks", operation_id="export_risks", **_LINES)
def export_risks(
    request: Request,
    caller: Reader,
    parts: Parts,
    created_from: From = None,
    created_to: To = None,
    minimum_severity: Severity | None = None,
    category: Words = [],  # noqa: B006 - FastAPI copies it
    name: Words = [],  # noqa: B006
    limit: Limit = 200,
    cursor: Next = None,
) -> Response:
    """Alerts, then vulnerabilities, as risks. `name` are patterns (`*.contoso.com`) for the DNS name."""
    wanted = ExportFilter(minimum_severity=minimum_severity, categories=tuple(category), names=tuple(name))
    if cursor is None or not cursor.startswith(_THINGS):
        page = parts.exported.cards(
            created_from,
            created_to,
            limit=limit,
            cursor=cursor,
            wants=lambda card: wanted.wants_risk(alert_risk(card)),
        )
        following = page.cursor or f"{_THINGS}{token_text(0, None)}"
        return _lines(request, (alert_risk(card).model_dump(mode="json") for card in page.cards), following)
    query = ItemQuery(changed_from=created_from, changed_until=created_to)
    origins, onward = _walk(parts, RISK_KINDS, query, limit, cursor.removeprefix(_THINGS))
    risks = (risk for risk in (one.risk() for one in origins) if wanted.wants_risk(risk))
    return _lines(request, (risk.model_dump(mode="json") for risk in risks), onward and _THINGS + onward)


@router.get("/assets", operation_id="export_assets", **_LINES)
def export_assets(
    request: Request,
    caller: Reader,
    parts: Parts,
    changed_from: From = None,
    changed_to: To = None,
    name: Words = [],  # noqa: B006 - FastAPI copies it
    limit: Limit = 200,
    cursor: Next = None,
) -> Response:
    """Machines and managed devices as assets. `name` are patterns (`*.contoso.com`) for the DNS name."""
    wanted = ExportFilter(names=tuple(name))
    query = ItemQuery(changed_from=changed_from, changed_until=changed_to)
    origins, onward = _walk(parts, ASSET_KINDS, query, limit, cursor)
    assets = (asset for asset in (one.asset() for one in origins) if wanted.wants_asset(asset))
    return _lines(request, (asset.record() for asset in assets), onward)


def _walk(
    parts: ApiParts, kinds: Sequence[InventoryKind], query: ItemQuery, limit: int, cursor: str | None
) -> tuple[list[Origin], str | None]:
    """A bounded number of calls, over as many configurations as that reaches."""
    index, token = read_token(cursor) if cursor else (0, None)
    places = parts.exported.places(kinds)
    found: list[Origin] = []
    for _ in range(_CALLS):
        if index >= len(places) or len(found) == limit:
            break
        page = parts.exported.items(places[index], query, limit=limit - len(found), token=token)
        found += page.origins
        index, token = (index, page.token) if page.token else (index + 1, None)
    return found, token_text(index, token) if index < len(places) else None


def _lines(request: Request, records: Iterable[Mapping[str, Any]], cursor: str | None) -> Response:
    body = "".join(f"{line_of(one)}\n" for one in records)
    headers = {}
    if cursor is not None:
        asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        query = urlencode([*asked, ("cursor", cursor)])
        headers["Link"] = f'<{request.scope["path"]}?{query}>; rel="next"'
    return Lines(body.encode("utf-8", "replace"), headers=headers)
