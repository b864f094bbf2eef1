"""A bad day in the product's life, with everything watched: wrong secrets, refusing vendors, failing pushes,
messages nobody understands, callers who put secrets where they do not belong."""

from __future__ import annotations

import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
from fastapi.testclient import TestClient

from devhost.pump import Pump
from shared.bootstrap import Parts
from shared.nouns.notifications import Transport
from shared.push.apns import ApnsTransport
from shared.settings import Settings
from shared.store.stores import QUEUES
from simulator import apns, sample, scenarios, web_push
from simulator.faults import Fault
from simulator.serve import Simulator
from tests.canary import operators
from tests.canary.operators import Operators
from tests.canary.sign_ins import SignIns
from tests.canary.watch import Issued, Watch, WatchedBlobs, WatchedQueues, WatchedTables, story
from tests.collector_peer import Peer

ROOT = Path(__file__).resolve().parent.parent.parent
FUNCTION_KEY = "canary-function-key-9dK2mQ7xT4vB"
MISTYPED_SECRET = "canary~Typed.into-the-wrong-field.8Hq"
STORAGE_KEY = "canarystoragekeyZmFrZS1rZXktZm9yLWEtdGVzdA=="
NOBODY_THERE = "https://localhost:9"
TROUBLES = ("401", "403", "429", "500", "503", "garbage", "drop")


class Day:
    """The product in one process, its secrets in a file, everything else watched."""

    def __init__(self, simulator: Simulator, watch: Watch, issued: Issued, folder: Path, peer: Peer) -> None:
        self._world, self._watch, self._issued = simulator.world, watch, issued
        self._simulator = simulator
        self._secrets_file, self._folder, self._peer = folder / "secrets.json", folder, peer
        trusted = folder / "trusted.pem"
        trusted.write_bytes(Path(simulator.ca_bundle).read_bytes() + Path(peer.ca_bundle).read_bytes())
        settings = Settings(
            storage=f"AccountName=canary;AccountKey={STORAGE_KEY};EndpointSuffix=localhost",
            secrets_file=str(self._secrets_file),
            simulator_url=simulator.url,
            ca_bundle=str(trusted),
            collector_url=peer.url,
            collector_token_reference=operators.REFERENCE,
            push_hosts=(simulator.url.removeprefix("https://"), NOBODY_THERE.removeprefix("https://")),
            api_tenant_id=sample.TENANT_ID,
            api_audience=(sample.API_AUDIENCE, sample.API_CLIENT_ID),
            apns_team_id=sample.APNS_TEAM_ID,
            apns_key_id=sample.APNS_KEY_ID,
            apns_topic=sample.APNS_TOPIC,
            apns_url=simulator.url,
        )
        clock = simulator.world.now
        self.parts = Parts(
            settings,
            tables=WatchedTables(watch),
            queues=WatchedQueues(watch, clock),
            blobs=WatchedBlobs(watch),
            clock=clock,
        )
        self.parts.secrets.set("apns-signing-key", sample.apns_signing_key())
        self._pump = Pump(self.parts)
        self._client = TestClient(self.parts.api, raise_server_exceptions=False)
        self._browser = web_push.subscribe(simulator.world, sample.BROWSER)
        self._iphone = apns.install(simulator.world, sample.IPHONE, topic=sample.APNS_TOPIC)

    def live(self) -> None:
        """From morning to night."""
        watch = self._watch
        watch.saw("error settings", self.parts.settings)
        self._register_phones()
        endpoint, cloud = self._configure("defender_endpoint"), self._configure("defender_for_cloud")
        self._sign_in_wrongly(endpoint)
        self._fail_pushes()  # before the hours pass: push services know the real time
        self._suffer(endpoint, "/api/alerts")
        self._suffer(cloud, "/subscriptions")
        self.sign_ins = SignIns(self._simulator, self.parts, self.call, self._poll)
        self.sign_ins.live()
        self._misuse_the_webhook(cloud)
        self._poison_queues()
        self._misuse_the_api(endpoint)
        self._look_at_everything(endpoint, cloud)
        takers = Operators(self._world, self.parts, self._watch, self._peer, self.call)
        takers.live(self._folder, endpoint, cloud)
        self._work()
        for phone in (self._browser.phone, self._iphone.phone):
            assert any("detection" in json.dumps(push.payload) for push in phone.received)
            watch.saw(f"push {phone.service}", json.dumps([push.payload for push in phone.received]))

    def end(self) -> None:
        """Close what stays open between pushes."""
        apns_transport = self.parts.transports[Transport.apns]
        assert isinstance(apns_transport, ApnsTransport)
        apns_transport.close()
        self._client.close()

    def secrets(self) -> dict[str, str]:
        """Every secret of the day by what it is."""
        stored = json.loads(self._secrets_file.read_text(encoding="utf-8"))
        registration = self._browser.as_browser(self._world)
        issued = {f"access token {number}": text for number, text in enumerate(self._issued.tokens)}
        return {
            **{f"stored {name}": value for name, value in stored.items()},
            **{f"signature of {name}": token.rpartition(".")[2] for name, token in issued.items()},
            **issued,
            **self.sign_ins.secrets(),
            "collector's token": operators.COLLECTOR_TOKEN,
            "client secret": sample.CLIENT_SECRET,
            "expired client secret": sample.EXPIRED_SECRET,
            "mistyped client secret": MISTYPED_SECRET,
            "function key": FUNCTION_KEY,
            "storage key": STORAGE_KEY,
            "browser's endpoint": registration["endpoint"],
            "browser's subscription": self._browser.id,
            "browser's auth": registration["keys"]["auth"],
            "browser's key": registration["keys"]["p256dh"],
            "iPhone's token": self._iphone.token,
        }

    def call(self, method: str, path: str, **sent: Any) -> Any:
        """One API call as Admin; its answer is watched."""
        headers = {"Authorization": f"Bearer {self._token()}"} | sent.pop("headers", {})
        answer = self._client.request(method, f"/api/v1{path}", headers=headers, **sent)
        self._watch.saw(
            f"answer {method} {path}", f"{answer.status_code} {dict(answer.headers)} {answer.text}"
        )
        is_json = answer.headers.get("content-type") == "application/json"
        return answer.json() if is_json and answer.status_code < 300 else None

    def _token(self) -> str:
        # A new one each time: hours pass between calls.
        return self._world.api_token("Admin")

    def _poll(self, minutes: float = 20) -> None:
        self._world.advance(timedelta(minutes=minutes).total_seconds())
        self.parts.ticker.tick()
        self._work()

    def _work(self) -> None:
        self._pump.drain()
        for error in self._pump.failures:
            self._watch.saw("error worker", story(error))
        self._pump.failures.clear()

    def _register_phones(self) -> None:
        browser = self._browser.as_browser(self._world)
        # What cannot be reached makes errors that name the whole address.
        unreachable = browser | {"endpoint": f"{NOBODY_THERE}/push/{self._browser.id}"}
        for transport, registration in (
            ("webpush", browser),
            ("webpush", unreachable),
            ("apns", {"token": self._iphone.token}),
        ):
            wanted = {"name": transport, "transport": transport, "registration": registration}
            self.call("POST", "/installations", json=wanted)

    def _configure(self, vendor: str) -> str:
        fields = {
            "display_name": vendor,
            "tenant_id": sample.TENANT_ID,
            "client_id": sample.CLIENT_ID,
            "client_secret": sample.CLIENT_SECRET,
        }
        if vendor == "defender_for_cloud":
            fields["subscription_id"] = sample.SUBSCRIPTION_ID
        made = self.call("POST", "/configurations", json={"vendor": vendor, "fields": fields})
        return str(made["id"])

    def _sign_in_wrongly(self, id: str) -> None:
        for secret in (MISTYPED_SECRET, sample.CLIENT_SECRET):
            self._set_secret(id, secret)
            self.call("POST", f"/configurations/{id}/check")
            self._poll()
            self.call("GET", f"/configurations/{id}")

    def _suffer(self, id: str, path: str) -> None:
        for kind in TROUBLES:
            # A vendor may quote the token that it was sent.
            self._trouble(id, Fault(path, kind, message=f"{kind} for bearer {self._issued.tokens[-1]}"))
            # Another secret, so that the product signs in anew.
            self._set_secret(id, sample.CLIENT_SECRET)
            self._trouble(id, Fault(f"/{sample.TENANT_ID}/oauth2", kind, message=kind))
            self._set_secret(id, sample.CLIENT_SECRET)
        self._poll()
        assert self.call("GET", f"/configurations/{id}")["health"]["condition"] == "reading"

    def _trouble(self, id: str, fault: Fault) -> None:
        self._world.faults.append(fault)
        self._poll()
        self.call("POST", f"/configurations/{id}/check")
        self._world.faults.clear()

    def _set_secret(self, id: str, secret: str) -> None:
        self.call("PATCH", f"/configurations/{id}", json={"fields": {"client_secret": secret}})

    def _fail_pushes(self) -> None:
        for status in (400, 403, 413, 429, 500):
            self._browser.answer, self._browser.times = status, 1
            self._iphone.answer, self._iphone.times = (status, "InvalidProviderToken"), 1
            self._announce()
        for kind in ("drop", "garbage", "500"):
            self._world.faults.append(Fault("/push/", kind))
            self._world.faults.append(Fault("/3/device/", kind))
            self._announce()
            self._world.faults.clear()
        self._announce()

    def _announce(self) -> None:
        scenarios.add_endpoint_alerts(self._world)
        self._poll(minutes=2)
        for one in self.call("GET", "/installations")["items"]:
            self.call("POST", f"/installations/{one['id']}/test")

    def _webhook(self, request: func.HttpRequest) -> func.HttpResponse:
        # Not by name: tests of the local host import other apps under the same one.
        spec = importlib.util.spec_from_file_location("the_product", ROOT / "function_app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        answer: func.HttpResponse = module.webhook_defender_for_cloud(request)
        return answer

    def _misuse_the_webhook(self, id: str) -> None:
        path = f"https://localhost/api/webhooks/defender-for-cloud/{id}"
        bodies = [json.dumps(scenarios.webhook_body(self._world)).encode(), b'{"hello": 1}', b"not json"]
        for route, body in [*((id, body) for body in bodies), ("nobody", bodies[0])]:
            request = func.HttpRequest(
                "POST",
                f"{path}?code={FUNCTION_KEY}",
                headers={"x-functions-key": FUNCTION_KEY},
                params={"code": FUNCTION_KEY},
                route_params={"configuration": route},
                body=body,
            )
            answer = self._webhook(request)
            self._watch.saw("answer webhook", f"{dict(answer.headers)} {answer.get_body()!r}")
        self._work()

    def _poison_queues(self) -> None:
        for queue in QUEUES:
            self.parts.queues.send(queue, '{"not": "ours"}')
        for _ in range(6):
            self._work()
            self._world.advance(60)
        self._work()

    def _misuse_the_api(self, id: str) -> None:
        wrong: tuple[dict[str, Any], ...] = (
            {"fields": {"client_secret": {"value": MISTYPED_SECRET}}},
            {"fields": {MISTYPED_SECRET: "client_secret"}},
            {"fields": {"client_id": MISTYPED_SECRET}},
            {MISTYPED_SECRET: {}},
        )
        for body in wrong:
            self.call("PATCH", f"/configurations/{id}", json=body)
        self.call("PATCH", f"/configurations/{id}", content=b'{"fields": "' + MISTYPED_SECRET.encode())
        self.call("GET", f"/me?code={FUNCTION_KEY}", headers={"x-functions-key": FUNCTION_KEY})
        for token in (self._token()[:-4] + "AAAA", FUNCTION_KEY, self._world.token(sample.ARM_AUDIENCE)):
            self.call("GET", "/me", headers={"Authorization": f"Bearer {token}"})
        self._break_the_stores()

    def _break_the_stores(self) -> None:
        kept = self._secrets_file.read_text(encoding="utf-8")
        self._secrets_file.write_text(kept[:-20], encoding="utf-8")
        self.call("GET", "/installations")
        self._announce_in_vain()
        self._secrets_file.write_text(kept, encoding="utf-8")

    def _announce_in_vain(self) -> None:
        scenarios.add_endpoint_alerts(self._world)
        self._poll()

    def _look_at_everything(self, *ids: str) -> None:
        for path in ("/configurations", "/status", "/vendors", "/installations?all=true", "/push/web", "/me"):
            self.call("GET", path)
        for id in ids:
            self.call("GET", f"/configurations/{id}")
        for one in self.call("GET", "/detections?limit=20")["items"]:
            self.call("GET", f"/detections/{one['id']}")
        for one in self.call("GET", "/quarantine")["items"]:
            self.call("GET", f"/quarantine/{one['id']}")
            self.call("POST", f"/quarantine/{one['id']}/replay")
        self._work()
