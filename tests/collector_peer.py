"""A collector on loopback: takes NDJSON over https, answers what the test wants."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme


@dataclass
class Peer:
    """What it got: headers and records of each batch that it took. `answers` come first, each once: a status,
    with headers; then everything is taken. `largest`: more records than that are 413."""

    url: str = ""
    ca_bundle: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    largest: int = 10_000
    batches: list[tuple[dict[str, str], list[dict[str, Any]]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Everything taken, in order."""
        return [record for _, records in self.batches for record in records]

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """One POST."""
        records = [json.loads(line) for line in body.decode().splitlines()]
        status, more = self.answers.pop(0) if self.answers else (202, {})
        if len(records) > self.largest:
            status = 413
        if status < 300:
            self.batches.append((headers, records))
        else:
            self.refused.append(headers["idempotency-key"])
        return status, more


@contextmanager
def collector(folder: Path) -> Iterator[Peer]:
    """A running one; stops with the block."""
    peer = Peer(ca_bundle=str(folder / "collector-ca.pem"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(peer.ca_bundle)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, peer))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    peer.url = f"https://localhost:{server.server_port}/ingest"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, peer: Peer, *args: Any) -> None:
        self._peer = peer
        super().__init__(*args)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers = self._peer.take({k.lower(): v for k, v in self.headers.items()}, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Quiet."""
