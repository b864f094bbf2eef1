"""The storage account: what it costs, where it is looked for, and what its refusals become."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableServiceClient

from shared.errors import OperatorMustAct, PermissionMissing, SignInFailed, Throttled, TryLater
from shared.nouns.configurations import CloudName
from shared.settings import Settings
from shared.store.account import address, managed_identity, translated
from shared.store.blobs import azure_blobs
from shared.store.queues import azure_queues
from shared.store.stores import Delete, Insert, Replace, Row, Span, Where
from shared.store.tables import AzureTables, azure_tables

KEY = "a2V5"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The method of every storage call that goes out."""
    made: list[str] = []
    send = RequestsTransport.send

    def counted(self: RequestsTransport, request: object, **options: object) -> object:
        made.append(request.method)  # type: ignore[attr-defined]
        return send(self, request, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(RequestsTransport, "send", counted)
    return made


class Refusing(ThreadingHTTPServer):
    """A storage service that answers everything with one refusal."""

    status, code = 503, "ServerBusy"
    headers: dict[str, str] = {}  # noqa: RUF012

    def connection_string(self) -> str:
        """Its connection string, for all three services."""
        ends = "".join(
            f"{s}Endpoint=http://127.0.0.1:{self.server_port}/acc;" for s in ("Table", "Queue", "Blob")
        )
        return f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey={KEY};{ends}"


class _Refusal(BaseHTTPRequestHandler):
    server: Refusing
    disable_nagle_algorithm = True

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.server.status)
        for name, value in {"x-ms-error-code": self.server.code, **self.server.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _refuse  # noqa: N815

    def log_message(self, *words: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def refusing() -> Iterator[Refusing]:
    """A service that refuses."""
    with Refusing(("127.0.0.1", 0), _Refusal) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def every_call(settings: Settings) -> list[Callable[[], object]]:
    """One call of each kind that an account can refuse."""
    tables, queues, blobs = azure_tables(settings), azure_queues(settings), azure_blobs(settings)
    return [
        lambda: tables.get("things", "p", "k"),
        lambda: tables.scan("things"),
        lambda: tables.write("things", [Insert(Row("p", "k"))]),
        lambda: queues.send("polls", "x"),
        lambda: queues.receive("polls"),
        lambda: queues.depth("polls"),
        lambda: blobs.put("documents", "name", b"x"),
        lambda: blobs.get("documents", "name"),
        lambda: blobs.delete("documents", "name"),
    ]


@pytest.mark.azurite
def test_each_contract_call_is_one_storage_call(storage: str, calls: list[str]) -> None:
    """Once the table exists: what is missing is made when it is first written, and never asked about."""
    tables = azure_tables(Settings(storage=storage))
    tables.write("things", [Insert(Row("p", f"{n:03}", {"n": n})) for n in range(100)])
    calls.clear()

    tables.write("things", [Replace(Row("p", f"{n:03}", {"n": 2 * n})) for n in range(100)])
    tables.get("things", "p", "001")
    page = tables.scan("things", Span.within("p"), where=[Where("n", "ge", (0,))], limit=7)
    tables.scan("things", limit=7, token=page.token)
    tables.write("things", [Delete("p", "001")])

    assert calls == ["POST", "GET", "GET", "GET", "DELETE"]


@pytest.mark.azurite
def test_queues_and_blobs_cost_one_call_each(storage: str, calls: list[str]) -> None:
    """Making the queue and the container costs two more, once."""
    queues, blobs = azure_queues(Settings(storage=storage)), azure_blobs(Settings(storage=storage))
    queues.send("polls", "x")
    blobs.put("documents", "name", b"x")
    assert len(calls) == 6
    calls.clear()

    queues.send("polls", "x")
    for message in queues.receive("polls"):
        queues.delete("polls", message)
    blobs.put("documents", "name", b"y")
    blobs.get("documents", "name")
    blobs.delete("documents", "name")

    assert calls == ["POST", "GET", "DELETE", "DELETE", "PUT", "GET", "DELETE"]


@pytest.mark.azurite
def test_many_first_writers_make_the_table_once(storage: str) -> None:
    """Each worker starts with the same empty account; all their rows are kept."""
    errors: list[BaseException] = []
    start = threading.Barrier(6)

    def write(number: int) -> None:
        stores = (azure_tables(Settings(storage=storage)), azure_queues(Settings(storage=storage)))
        start.wait()
        try:
            stores[0].write("things", [Insert(Row("p", f"{number}"))])
            stores[1].send("polls", f"{number}")
        except Exception as error:  # whatever it is, the test must see it
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len(azure_tables(Settings(storage=storage)).scan("things").rows) == 6
    assert azure_queues(Settings(storage=storage)).depth("polls") == 6


@pytest.mark.peer
def test_storage_that_is_away_fails_within_seconds_and_says_so() -> None:
    """The message goes back to its queue; a worker's thread is not held for minutes."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        server = Refusing.connection_string(type("At", (), {"server_port": taken.getsockname()[1]})())  # type: ignore[arg-type]

        for call in every_call(Settings(storage=server))[::3]:
            begin = time.monotonic()
            with pytest.raises(TryLater, match="does not answer"):
                call()
            assert time.monotonic() - begin < 5


@pytest.mark.peer
def test_a_busy_service_is_asked_again_later(refusing: Refusing) -> None:
    """After two more attempts."""
    for call in every_call(Settings(storage=refusing.connection_string()))[::3]:
        with pytest.raises(TryLater, match="503"):
            call()


@pytest.mark.peer
def test_a_refused_app_is_told_which_role_it_needs(refusing: Refusing) -> None:
    """Each service has its own."""
    refusing.status, refusing.code = 403, "AuthorizationPermissionMismatch"

    for call in every_call(Settings(storage=refusing.connection_string())):
        with pytest.raises(PermissionMissing, match=r"Storage (Table|Queue|Blob) Data") as refused:
            call()
        assert KEY not in str(refused.value)


@pytest.mark.peer
def test_throttling_tells_how_long_to_wait(refusing: Refusing) -> None:
    """What the service asks for reaches the caller."""
    refusing.status, refusing.code, refusing.headers = 429, "TooManyRequests", {"Retry-After": "1"}

    with pytest.raises(Throttled) as refused:
        azure_tables(Settings(storage=refusing.connection_string())).write("things", [Insert(Row("p", "k"))])

    assert refused.value.retry_after == 1


@pytest.mark.parametrize(
    ("settings", "service", "expected"),
    [
        (Settings(storage_account="acc"), "table", "https://acc.table.core.windows.net"),
        (Settings(storage_account="acc", cloud=CloudName.gcc), "queue", "https://acc.queue.core.windows.net"),
        (
            Settings(storage_account="acc", cloud=CloudName.gcc_high),
            "blob",
            "https://acc.blob.core.usgovcloudapi.net",
        ),
        (
            Settings(storage_account="acc", cloud=CloudName.dod),
            "table",
            "https://acc.table.core.usgovcloudapi.net",
        ),
        (
            Settings(storage_account="acc", table_uri="https://elsewhere/"),
            "table",
            "https://elsewhere/",
        ),
        (
            Settings(storage_account="acc", table_uri="https://elsewhere/"),
            "queue",
            "https://acc.queue.core.windows.net",
        ),
    ],
)
def test_the_settings_say_where_the_account_is(settings: Settings, service: str, expected: str) -> None:
    """A service's own address before the account's name; government clouds have their own suffix."""
    assert address(settings, service) == expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [(Settings(), "AzureWebJobsStorage__accountName"), (Settings(storage="nonsense"), "connection string")],
)
def test_settings_without_an_account_are_the_operators_business(settings: Settings, words: str) -> None:
    """Found on first use, not at import, and said with the setting's name."""
    for call in every_call(settings):
        with pytest.raises(OperatorMustAct, match=words):
            call()


def test_one_identity_serves_all_services() -> None:
    """Its tokens are cached in it."""
    assert managed_identity("11111111-1111-4111-8111-111111111111") is managed_identity(
        "11111111-1111-4111-8111-111111111111"
    )
    assert managed_identity(None) is not managed_identity("11111111-1111-4111-8111-111111111111")


def test_an_identity_without_token_is_a_sign_in_that_failed() -> None:
    """The text names the setting."""
    error = translated(ClientAuthenticationError("no endpoint"), "table")

    assert isinstance(error, SignInFailed)
    assert "AzureWebJobsStorage__clientId" in str(error)


def test_clients_are_made_on_first_use_and_once(storage: str) -> None:
    """However many threads come at the same time."""
    made: list[TableServiceClient] = []

    def factory() -> TableServiceClient:
        time.sleep(0.05)
        made.append(TableServiceClient.from_connection_string(storage))
        return made[-1]

    tables = AzureTables(factory)
    assert made == []
    threads = [threading.Thread(target=tables.get, args=("things", "p", "k")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1
