"""One running simulator for all tests here, each with a fresh clock and empty vendors, and clients that are
signed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import requests

from simulator import scenarios
from simulator.sample import ARM_AUDIENCE, ENDPOINT_AUDIENCE, GRAPH_AUDIENCE, SUBSCRIPTION_ID, TENANT_ID
from simulator.serve import Simulator
from simulator.world import App, World

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def _running() -> Iterator[Simulator]:
    with Simulator(World.sample(clock=lambda: START)) as running:
        yield running


@pytest.fixture
def simulator(_running: Simulator) -> Simulator:
    """The simulator. Its clock stands still unless a test moves it."""
    _running.world.advance((START - _running.world.now()).total_seconds())
    scenarios.reset(_running.world)
    return _running


@pytest.fixture
def world(simulator: Simulator) -> World:
    """The running simulator's world."""
    return simulator.world


class Api:
    """A client of one host, with a fresh token for each call. Paths may be full addresses."""

    def __init__(
        self, session: requests.Session, url: str, *, token: Callable[[], str] | None = None, **params: str
    ) -> None:
        self.session, self.url, self.token = session, url, token
        self.params = {_option(key): value for key, value in params.items()}

    def __call__(self, path: str, method: str = "GET", json: Any = None, **params: Any) -> requests.Response:
        whole = path.startswith("https://")
        given = None if whole else self.params | {_option(key): str(value) for key, value in params.items()}
        address = path if whole else self.url + path
        if self.token:
            self.session.headers["Authorization"] = f"Bearer {self.token()}"
        return self.session.request(method, address, params=given, json=json, timeout=30)

    def walk(self, path: str, link: str, **params: Any) -> list[list[dict[str, Any]]]:
        """The pages, by following the link verbatim until there is none."""
        answer = self(path, **params).json()
        pages = [answer["value"]]
        while link in answer:
            answer = self(answer[link]).json()
            pages.append(answer["value"])
        return pages


def _option(key: str) -> str:
    return (
        "$" + key
        if key in ("filter", "orderby", "top", "skip", "skiptoken", "expand", "select", "count")
        else key.replace("_", "-")
    )


@pytest.fixture
def sign_in(simulator: Simulator) -> Iterator[Callable[..., requests.Session]]:
    """Sessions with a token for an audience, as the sample app or another."""
    opened = []

    def signed_in(audience: str, client_id: str | None = None) -> requests.Session:
        session = requests.Session()
        session.verify, session.trust_env = simulator.ca_bundle, False
        session.headers["Authorization"] = f"Bearer {simulator.world.token(audience, client_id=client_id)}"
        opened.append(session)
        return session

    yield signed_in
    for session in opened:
        session.close()


@pytest.fixture
def endpoint(simulator: Simulator, sign_in: Callable[..., requests.Session]) -> Api:
    """Defender for Endpoint."""
    session = sign_in(ENDPOINT_AUDIENCE)
    return Api(session, simulator.url, token=lambda: simulator.world.token(ENDPOINT_AUDIENCE))


@pytest.fixture
def arm(simulator: Simulator, sign_in: Callable[..., requests.Session]) -> Api:
    """Azure Resource Manager, with the alerts' api-version; paths are below the sample's subscription."""
    url = f"{simulator.url}/subscriptions/{SUBSCRIPTION_ID}"
    token = lambda: simulator.world.token(ARM_AUDIENCE)  # noqa: E731 - one use
    return Api(sign_in(ARM_AUDIENCE), url, token=token, api_version="2022-01-01")


@pytest.fixture
def graph(simulator: Simulator, sign_in: Callable[..., requests.Session]) -> Api:
    """Microsoft Graph, asked as a client that knows later enum members."""
    session = sign_in(GRAPH_AUDIENCE)
    session.headers["Prefer"] = "include-unknown-enum-members"
    return Api(session, f"{simulator.url}/v1.0", token=lambda: simulator.world.token(GRAPH_AUDIENCE))


@pytest.fixture
def control(simulator: Simulator) -> Iterator[Api]:
    """The control API."""
    with requests.Session() as session:
        session.verify, session.trust_env = simulator.ca_bundle, False
        yield Api(session, f"{simulator.url}/_control")


@pytest.fixture
def new_app(world: World) -> Callable[..., str]:
    """Registers an application with these roles; returns its client id."""

    def register(roles: dict[str, set[str]], arm_roles: dict[str, set[str]] | None = None) -> str:
        client_id = str(uuid4())
        world.add(App(str(uuid4()), TENANT_ID, "another", roles, arm_roles or {}, client_id))
        return client_id

    return register
