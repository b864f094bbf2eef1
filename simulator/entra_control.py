"""What people and administrators do at Entra ID, as controls: `/_control/entra/...`.

`POST device` {"user_code", "answer": "approve" or "decline", "user"}: somebody types a device code in.
`POST revoke` {"user", "number"}: a person's refresh tokens are void (50173, or any other number).
`POST secrets` {"client_id", "value", "days"}: an app gets a further secret; `days` may be negative.
`POST certificates` {"client_id", "pem"}: an app gets a certificate (its public half is kept).
`PATCH switches` {name: value}: World.switches. `GET people`: open device codes, by what is typed in.
A wrong request is 400, somebody or something unknown 404, both `{"error": text}`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator import entra_people
from simulator.entra_proof import register_certificate
from simulator.entra_refusals import SignInRefused
from simulator.world import App, AppSecret, World

_Do = Callable[[World, dict[str, Any]], Any]


def routes(world: World) -> list[BaseRoute]:
    """This part's controls."""

    def doing(do: _Do) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                body = await request.json() if request.method != "GET" else {}
                with world.lock:
                    return JSONResponse(do(world, dict(body)))
            except LookupError as unknown:
                return JSONResponse({"error": str(unknown)}, status_code=404)
            except (SignInRefused, TypeError, ValueError) as wrong:
                return JSONResponse({"error": str(wrong)}, status_code=400)

        return endpoint

    table: dict[str, tuple[str, _Do]] = {
        "device": ("POST", _device),
        "revoke": ("POST", _revoke),
        "secrets": ("POST", _secret),
        "certificates": ("POST", _certificate),
        "switches": ("PATCH", _switch),
        "people": ("GET", _people),
    }
    return [
        Route(f"/_control/entra/{name}", doing(do), methods=[method]) for name, (method, do) in table.items()
    ]


def _device(world: World, body: dict[str, Any]) -> Any:
    approves = {"approve": True, "decline": False}.get(str(body.get("answer", "approve")))
    if approves is None:
        raise ValueError("answer is approve or decline")
    user = str(body.get("user") or "")
    entra_people.decide(world, str(body.get("user_code", "")), user if approves else None)
    return {"answer": "approved" if approves else "declined"}


def _revoke(world: World, body: dict[str, Any]) -> Any:
    number = int(body.get("number", 50173))
    return {"revoked": entra_people.revoke(world, str(body.get("user") or ""), number=number)}


def _app(world: World, body: dict[str, Any]) -> App:
    from simulator.sample import CLIENT_ID

    found = world.app(str(body.get("client_id") or CLIENT_ID))
    if found is None:
        raise LookupError("there is no such app")
    return found


def _secret(world: World, body: dict[str, Any]) -> Any:
    ends = world.now() + timedelta(days=float(body.get("days", 180)))
    made = AppSecret(str(uuid4()), str(body.get("value") or f"sim~{uuid4().hex}"), ends)
    _app(world, body).secrets.append(made)
    return {"id": made.id, "value": made.value, "expires": made.expires.isoformat()}


def _certificate(world: World, body: dict[str, Any]) -> Any:
    made = register_certificate(world, _app(world, body), str(body["pem"]).encode(), id=str(uuid4()))
    return {"id": made.id, "expires": made.expires.isoformat()}


def _switch(world: World, body: dict[str, Any]) -> Any:
    for name, value in body.items():
        known = getattr(world.switches, name, None)
        if known is None or not isinstance(value, (int, float) if isinstance(known, float) else type(known)):
            raise ValueError(f"there is no such switch or value: {name}")
        setattr(world.switches, name, value)
    return {"switches": sorted(body)}


def _people(world: World, _: dict[str, Any]) -> Any:
    waiting = [one for one in entra_people.people(world).devices if one.answer is None]
    return {
        "devices": [{"user_code": d.user_code, "expires": d.expires.isoformat()} for d in waiting],
        "refresh_tokens": sum(one.revoked is None for one in entra_people.people(world).refresh.values()),
    }
