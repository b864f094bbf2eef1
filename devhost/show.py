"""What `dev.py run` prints: where to look, and from then on new detections and pushes as they come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from devhost.seed import Seeded
from devhost.web_client import WebClient

_ROOT = Path(__file__).resolve().parent.parent
_WHERE = """
PocketSOC runs on this machine. Everything in it is simulated; Ctrl+C stops it.

  API              {product}/api/v1
  its description  {product}/api/v1/docs, {product}/api/v1/openapi.json
  Microsoft cloud  {simulator} (simulated; trust {ca_bundle})
  pushes           {simulator}/_control/pushes
  logs             {logs}
  configurations   {configurations}

Call the API as Admin. The token is good for an hour; {token_file} always holds a fresh one:

  {token}

  curl -H "Authorization: Bearer $(cat '{token_file}')" {product}/api/v1/detections

Send a Defender for Cloud alert to the webhook, as a Logic App would:

  {webhook}?code={key}

  curl -i -H 'Content-Type: application/json' --data '@{webhook_body}' '{webhook}?code={key}'

Make more alerts (alert, storm, late, update, fault ...; --help shows all):

  cd '{root}' && '{python}' -m simulator --simulator {simulator} --folder '{folder}' alert --severity high

{alerts} alerts wait at the simulated vendors and are read now; later ones within a minute. From now on:
"""


@dataclass(frozen=True)
class Places:
    """Where everything is on this machine."""

    port: int
    simulator_port: int
    local: Path
    python: str

    @property
    def product(self) -> str:
        """The product's address."""
        return f"http://localhost:{self.port}"

    @property
    def simulator(self) -> str:
        """The simulated cloud's address."""
        return f"https://localhost:{self.simulator_port}"

    @property
    def ca_bundle(self) -> Path:
        """The authority of the simulator's certificate, made when it first runs."""
        return self.local / "simulator" / "ca.pem"

    @property
    def token_file(self) -> Path:
        """Where the newest access token is."""
        return self.local / "token"

    @property
    def webhook_body(self) -> Path:
        """An example of what a Logic App posts."""
        return self.local / "webhook-example.json"


def where_to_look(seeded: Seeded, places: Places, *, token: str, key: str) -> str:
    """The text printed once everything runs. It shows a token and a key, good on this machine only."""
    return _WHERE.format(
        product=places.product,
        simulator=places.simulator,
        ca_bundle=places.ca_bundle,
        folder=places.ca_bundle.parent,
        logs=places.local / "logs",
        configurations=", ".join(seeded.configurations),
        token_file=places.token_file,
        token=token,
        webhook=seeded.webhook_url,
        key=key,
        webhook_body=places.webhook_body,
        python=places.python,
        root=_ROOT,
        alerts=seeded.alerts,
    )


class Follower:
    """Finds what is new since the last look: detections through the API, pushes in the simulator's inbox."""

    def __init__(self, product: WebClient, simulator: WebClient) -> None:
        self._product, self._simulator = product, simulator
        self._since = self._began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._shown: dict[str, str] = {}
        self._pushes: dict[str, int] = {}

    def look(self, token: str) -> list[str]:
        """One line for each new or changed detection and for each new push. Raises CallFailed."""
        return [*self._detections(token), *self._new_pushes()]

    def _detections(self, token: str) -> list[str]:
        lines: list[str] = []
        cursor: str | None = None
        while True:
            asked = {"changed_since": self._since, "limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = self._product.call("GET", f"/api/v1/detections?{urlencode(asked)}", token=token)
            for one in page["items"]:
                # Delta sync looks back a little for slow writers; what changed before us is no news.
                if one["changed"] >= self._began and self._shown.get(one["id"]) != one["changed"]:
                    lines.append(self._line(one))
                    self._shown[one["id"]] = one["changed"]
            cursor = page["cursor"]
            if cursor is None:
                self._since = page["next_changed_since"]
                return lines

    def _line(self, one: dict[str, Any]) -> str:
        what = "changed  " if one["id"] in self._shown else "detection"
        asset = f" on {one['asset']}" if one["asset"] else ""
        about = f"({one['vendor']}, {one['status']})"
        return f"{_now()}  {what}  {one['severity']:<13} {one['title']}{asset} {about}"

    def _new_pushes(self) -> list[str]:
        lines = []
        for phone in self._simulator.call("GET", "/_control/pushes")["phones"]:
            name, received = phone["name"], phone["received"]
            for push in received[self._pushes.get(name, 0) :]:
                lines.append(f"{_now()}  push       to {name}: {_said(push['payload'])}")
            self._pushes[name] = len(received)
        return lines


def _said(payload: Any) -> str:
    payload = payload if isinstance(payload, dict) else {}
    shown = payload.get("notification") or payload.get("aps", {}).get("alert") or {}
    return " / ".join(str(shown[part]) for part in ("title", "body") if shown.get(part)) or "(no words)"


def _now() -> str:
    return datetime.now(UTC).astimezone().strftime("%H:%M:%S")
