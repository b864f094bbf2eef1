"""Builders for the vendors' tests: our fixtures, connections, and services that answer as the vendors do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.errors import PocketSOCError
from shared.nouns.configurations import CLOUDS, CloudName, Configuration
from shared.nouns.detections import instant
from shared.vendors.client import ApiClient
from shared.vendors.registry import VENDORS
from shared.vendors.vendor import Connection, headers_of
from simulator import sample, scenarios
from simulator.serve import Simulator
from simulator.world import World

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SIMULATED_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SUBSCRIPTION = "7d1f3a52-6c1b-4f0e-8a77-2b9d5e4c6f10"


class _Silent:
    """An `Api` whose every call fails unless a subclass answers it."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] | PocketSOCError = {}
        self.calls: list[tuple[str, dict[str, str]]] = []

    def get(self, path_or_url: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        raise AssertionError(f"unexpected GET {path_or_url}")

    def post(
        self,
        path_or_url: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        *,
        wait: float | None = None,
    ) -> dict[str, Any]:
        raise AssertionError(f"unexpected POST {path_or_url}")

    def patch(self, path_or_url: str, body: Any) -> dict[str, Any]:
        raise AssertionError("reading never patches")

    def put(self, path_or_url: str, body: Any, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        raise AssertionError("reading never puts")

    def token_claims(self) -> dict[str, Any]:
        if isinstance(self.claims, PocketSOCError):
            raise self.claims
        return self.claims


class ScriptedApi(_Silent):
    """Gives the prepared answers one after the other, to whatever method; an error among them is raised, the
    last one is repeated."""

    def __init__(self, *answers: dict[str, Any] | PocketSOCError) -> None:
        super().__init__()
        self._answers = list(answers)
        self.bodies: list[Any] = []

    def get(self, path_or_url: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        self.calls.append((path_or_url, dict(params or {})))
        assert len(self.calls) < 500, "this never ends"
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, PocketSOCError):
            raise answer
        return answer

    def post(
        self,
        path_or_url: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        *,
        wait: float | None = None,
    ) -> dict[str, Any]:
        self.bodies.append(body)
        return self.get(path_or_url, params)

    def put(self, path_or_url: str, body: Any, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self.post(path_or_url, body, params)


@dataclass
class EndpointService(_Silent):
    """Defender for Endpoint's alerts list: filters, orders, pages by number of rows like the real one."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 1000
    links: bool = True
    order: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] | None = None
    between: Callable[[int], None] = lambda number: None
    claims: dict[str, Any] | PocketSOCError = field(default_factory=dict)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def get(self, path_or_url: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        asked = dict(params or {}) or {k: v[0] for k, v in parse_qs(urlsplit(path_or_url).query).items()}
        self.calls.append((path_or_url, asked))
        assert len(self.calls) < 500, "this never ends"
        self.between(len(self.calls))
        since = instant(asked["$filter"].removeprefix("lastUpdateTime ge ")) or ""
        found = [row for row in self.rows if (instant(row.get("lastUpdateTime")) or "") >= since]
        found.sort(key=lambda row: instant(row["lastUpdateTime"]) or "")
        found = self.order(found) if self.order else found
        skip = int(asked.get("$skip", "0"))
        size = min(self.page_size, int(asked["$top"]))
        answer: dict[str, Any] = {"value": found[skip : skip + size]}
        if self.links and len(found) > skip + size:
            again = "&".join(f"{k}={v}" for k, v in {**asked, "$skip": str(skip + size)}.items())
            answer["@odata.nextLink"] = f"https://api.security.microsoft.com/api/alerts?{again}"
        return answer

    def asked(self) -> list[str]:
        """The `$filter` of each call."""
        return [params["$filter"] for _, params in self.calls]


@pytest.fixture
def fixture() -> Callable[[str], Any]:
    """Reads one of our payloads by name."""
    folder = Path(__file__).parent / "fixtures"
    return lambda name: json.loads((folder / f"{name}.json").read_text("utf-8"))


@pytest.fixture
def scripted() -> type[ScriptedApi]:
    """The class of an API that gives prepared answers."""
    return ScriptedApi


@pytest.fixture
def service() -> type[EndpointService]:
    """The class of a service that lists alerts as Defender for Endpoint does."""
    return EndpointService


@pytest.fixture
def connect() -> Callable[..., Connection]:
    """Builds a connection to an API."""

    def build(
        api: Any, *, slug: str = "defender_endpoint", now: datetime = NOW, **changes: Any
    ) -> Connection:
        options = {"subscription_id": SUBSCRIPTION, "resource_group": "rg-soc", "workspace": "law-soc"}
        values = {"id": "c1", "vendor": slug, "display_name": "Ours", "options": options, **changes}
        cloud = CLOUDS[CloudName.commercial]
        return Connection(Configuration(**values), cloud, api, lambda: now)

    return build


@pytest.fixture
def row() -> Callable[..., dict[str, Any]]:
    """Builds an alert with an id and an update time: a time of day on the day of the tests, or a full
    text."""

    def build(native_id: str, time: str, **more: Any) -> dict[str, Any]:
        return {"id": native_id, "lastUpdateTime": time if "T" in time else f"2026-03-02T{time}Z", **more}

    return build


@pytest.fixture
def ids() -> Callable[..., list[str]]:
    """The ids on pages, in order."""

    def of(pages: Iterator[Any]) -> list[str]:
        return [alert["id"] for page in pages for alert in page.alerts]

    return of


@pytest.fixture(scope="module")
def _running() -> Iterator[Simulator]:
    with Simulator(World.sample(clock=lambda: SIMULATED_NOW)) as running:
        yield running


@pytest.fixture
def world(_running: Simulator) -> World:
    """The simulated Microsoft cloud, empty, over https."""
    _running.world.advance((SIMULATED_NOW - _running.world.now()).total_seconds())
    scenarios.reset(_running.world)
    return _running.world


@pytest.fixture
def reach(_running: Simulator, world: World) -> Callable[..., Connection]:
    """Builds a connection of a vendor to the simulator, with the real client; as the sample app, or another
    by its client id; `options` are the vendor's own."""

    class Tokens:
        def __init__(self, client_id: str | None) -> None:
            self._client_id = client_id

        def token(self, audience: str, *, refresh: bool = False) -> str:
            return world.token(audience, client_id=self._client_id)

    def build(slug: str, client_id: str | None = None, **options: Any) -> Connection:
        host = _running.url.removeprefix("https://")
        places = {name: _running.url for name in ("arm", "endpoint_api", "graph", "xdr_api")}
        here = {**places, "endpoint_hosts": (host,), "cloud_apps_domain": host}
        cloud = CLOUDS[CloudName.commercial].model_copy(update=here)
        place = {"resource_group": sample.RESOURCE_GROUP, "workspace": sample.WORKSPACE}
        options = {"subscription_id": sample.SUBSCRIPTION_ID, **place, **options}
        configuration = Configuration(id="c", vendor=slug, display_name="Ours", options=options)
        api = ApiClient(
            root=VENDORS[slug].api_root(configuration, cloud),
            tokens=Tokens(client_id),
            audience=VENDORS[slug].audience(configuration, cloud),
            vendor_title=VENDORS[slug].title,
            ca_bundle=_running.ca_bundle,
            headers=headers_of(VENDORS[slug]),
        )
        return Connection(configuration, cloud, api, world.now)

    return build
