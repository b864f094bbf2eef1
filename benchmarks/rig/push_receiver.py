"""A push service reduced to what has to be there: https, keep-alive, 201. In a process of its own, so that it
takes no time from what is measured; it says when each push came (monotonic nanoseconds)."""

from __future__ import annotations

import queue
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from benchmarks.rig.storage import ROOT

_ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nLocation: /message/1\r\n\r\n"


class PushReceiver:
    """The running service; a context manager. `origin` is its address, `ca_bundle` what to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: queue.Queue[str] = queue.Queue()
        self.ca_bundle = str(folder / "ca.pem")

    def __enter__(self) -> PushReceiver:
        command = [sys.executable, "-m", "benchmarks.rig.push_receiver", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.origin = f"https://localhost:{self.next_arrival()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def next_arrival(self, seconds: float = 20) -> int:
        """When the next push came; waits for it. Raises TimeoutError."""
        try:
            return int(self._lines.get(timeout=seconds))
        except queue.Empty:
            raise TimeoutError("no push arrived") from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.decode().strip())


def _serve(folder: Path) -> None:
    from simulator.certificates import certificates

    made = certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain, made.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            client, _ = listening.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_answer, args=(client, context), daemon=True).start()


def _answer(client: socket.socket, context: ssl.SSLContext) -> None:
    import time

    with context.wrap_socket(client, server_side=True) as stream, stream.makefile("rb") as reading:
        while reading.readline():
            length = 0
            while (header := reading.readline().strip()) != b"":
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            reading.read(length)
            print(time.monotonic_ns(), flush=True)
            stream.sendall(_ANSWER)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
