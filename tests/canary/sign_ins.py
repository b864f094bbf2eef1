"""The part of the bad day in which configurations sign in in every other way, fail, and are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import requests

from shared.bootstrap import Parts
from simulator import sample
from simulator.entra_people import decide, people, revoke
from simulator.faults import Fault
from simulator.serve import Simulator
from tests.sign_in.clinic import certificate, pem_of, trust

PASSWORD = "canary~certificate-password-7Gk2"
NEXT_SECRET = "canary~next-client-secret.5Rt9Wq"
Call = Callable[..., Any]


class SignIns:
    """Signs in, with `call` as the API and `poll` to let time pass; afterwards `secrets` are those that came
    up on the way."""

    def __init__(self, simulator: Simulator, parts: Parts, call: Call, poll: Callable[[], None]) -> None:
        self._simulator, self._world = simulator, simulator.world
        self._parts, self._call, self._poll = parts, call, poll
        self._seen: dict[str, str] = {"next client secret": NEXT_SECRET, "certificate password": PASSWORD}

    def live(self) -> None:
        """Every way, with its troubles."""
        self._certificate()
        self._two_secrets()
        for way in ("device_code", "authorization_code"):
            self._person(way)

    def secrets(self) -> dict[str, str]:
        """What came up, by what it is."""
        known = people(self._world)
        refresh = {f"refresh token {n}": text for n, text in enumerate(known.refresh)}
        codes = {f"authorization code {n}": text for n, text in enumerate(known.codes)}
        devices = {f"device code {n}": one.code for n, one in enumerate(known.devices)}
        assert refresh
        assert codes
        assert devices
        assert any(name.startswith("verifier") for name in self._seen)
        return self._seen | refresh | codes | devices

    def _make(self, way: str, **fields: Any) -> str:
        usual = {"tenant_id": sample.TENANT_ID, "client_id": sample.CLIENT_ID, "auth_type": way}
        form = {"display_name": way} | usual | fields
        made = self._call("POST", "/configurations", json={"vendor": "defender_endpoint", "fields": form})
        return str(made["id"])

    def _certificate(self) -> None:
        pair = certificate()
        trust(self._world, pair[1])
        locked = pem_of(*pair, PASSWORD.encode())
        self._seen["certificate"], self._seen["bare certificate"] = locked, pem_of(*pair)
        id = self._make("certificate", certificate=locked, certificate_password=PASSWORD)
        self._troubles(id)
        wrong = {"fields": {"certificate": locked, "certificate_password": f"not {PASSWORD}"}}
        self._call("PATCH", f"/configurations/{id}", json=wrong)
        self._call("PATCH", f"/configurations/{id}", json={"fields": {"certificate": [locked]}})
        self._call("PATCH", f"/configurations/{id}", json={"fields": {"certificate_name": locked}})

    def _two_secrets(self) -> None:
        id = self._make("client_secret", client_secret=sample.EXPIRED_SECRET, next_client_secret=NEXT_SECRET)
        self._troubles(id)

    def _person(self, way: str) -> None:
        id = self._make(way)
        self._troubles(id)
        begun = self._start(id, way)
        if way == "device_code":
            self._call("GET", f"/configurations/{id}/sign-in")
            decide(self._world, begun["user_code"], "")
            self._world.advance(6)
            self._call("GET", f"/configurations/{id}/sign-in")
        else:
            ended = requests.get(
                begun["authorize_url"],
                verify=self._simulator.ca_bundle,
                allow_redirects=False,
                timeout=10,
            ).headers["Location"]
            path = f"/configurations/{id}/sign-in/complete"
            for body in ({"redirect_url": ended + "&state=other"}, {"redirect_url": "x" + ended}):
                self._call("POST", path, json=body)
            self._call("POST", path, json={"redirect_url": ended, "extra": ended})
            self._call("POST", path, json={"redirect_url": ended})
            self._call("POST", path, json={"redirect_url": ended})
        self._troubles(id)
        revoke(self._world)
        self._troubles(id)

    def _start(self, id: str, way: str) -> Any:
        begun = self._call("POST", f"/configurations/{id}/sign-in", json={"method": way})
        kept = json.loads(self._parts.secrets.get(f"vendor-{id}-pending") or "{}")
        if "kept" in kept:
            self._seen[f"verifier {id}"] = kept["kept"]["code_verifier"]
            self._seen[f"nonce {id}"] = kept["kept"]["nonce"]
        return begun

    def _troubles(self, id: str) -> None:
        self._call("POST", f"/configurations/{id}/check")
        for kind in ("500", "garbage", "drop"):
            self._world.faults.append(Fault(f"/{sample.TENANT_ID}/oauth2", kind, message=kind))
            self._call("POST", f"/configurations/{id}/check")
            self._world.faults.clear()
        self._poll()
        self._parts.doctor.daily()
        self._parts.watcher.watch()
        for path in ("", "/sign-in"):
            self._call("GET", f"/configurations/{id}{path}")
