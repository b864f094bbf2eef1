"""The webhook for callers that sign in: a Logic App with its managed identity, in place of a function key.
What comes goes the same way as through the function's own address (function_app.py)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from shared.api.caller import Sender
from shared.api.fields import Id
from shared.api.parts import Parts
from shared.api.problems import problem

router = APIRouter(tags=["webhooks"])


@router.post(
    "/webhooks/defender-for-cloud/{id}",
    operation_id="receive_defender_for_cloud",
    status_code=202,
    response_class=Response,
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {}}}, "required": True}},
)
async def receive_defender_for_cloud(id: Id, request: Request, caller: Sender, parts: Parts) -> Response:
    """Take a Defender for Cloud event. 202 means that it is safely queued."""
    body = await request.body()
    receipt = await run_in_threadpool(parts.receiver.receive, id, "defender_for_cloud", body)
    if receipt.status < 400:
        return Response(status_code=receipt.status)
    headers = {"Retry-After": str(receipt.retry_after)} if receipt.retry_after else None
    return problem(request, receipt.status, receipt.detail, headers=headers)
