"""To which hosts a push may go. An endpoint comes from a browser, so it is an address that a stranger can
choose: only https, only the known push services and what the operator added, looked at when it is
registered and again at every send.

The address is taken apart by one strict pattern instead of a lenient parser, so that no two readers of it
can disagree about its host (`https://good@evil/`, backslashes, IDN, a trailing dot: all refused).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from shared.errors import HostNotAllowed, OperatorMustAct

# The push services of Chrome and Edge on Android, Firefox, Safari, and Edge on Windows.
PUSH_SERVICES = (
    "fcm.googleapis.com",
    "*.push.services.mozilla.com",
    "web.push.apple.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)

_HTTPS_PORT = 443
_MAX_LENGTH = 2048
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:{_LABEL}\.)*{_LABEL})"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
_ADDRESS = re.compile(rf"(?i:https)://{_HOST}{_PORT}/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_ENTRY = re.compile(rf"(?P<any>\*\.)?{_HOST}{_PORT}")


class AllowedHosts:
    """The push services, and the operator's `further` entries: `host`, `host:port` or `*.domain` (port 443
    unless named).

    An IP address is a host like any other: allowed only where an entry names it. Raises OperatorMustAct for
    an entry that is none of these.
    """

    def __init__(self, further: Iterable[str] = ()) -> None:
        entries = [self._entry(text) for text in (*PUSH_SERVICES, *further)]
        self._exact = {(host, port) for wild, host, port in entries if not wild}
        self._domains = {(host, port) for wild, host, port in entries if wild}

    @staticmethod
    def _entry(text: str) -> tuple[bool, str, int]:
        match = _ENTRY.fullmatch(text.strip())
        if match is None:
            raise OperatorMustAct(
                "POCKETSOC_PUSH_HOSTS: write each entry as host, host:port or *.domain, and nothing else."
            )
        return bool(match["any"]), match["host"].lower(), int(match["port"] or _HTTPS_PORT)

    def origin(self, endpoint: object) -> str:
        """`https://host[:port]` of an endpoint that we may call. Raises HostNotAllowed for any other."""
        if not isinstance(endpoint, str) or len(endpoint) > _MAX_LENGTH:
            raise HostNotAllowed("The push endpoint is no address.")
        match = _ADDRESS.fullmatch(endpoint)
        if match is None:
            raise HostNotAllowed("The push endpoint is not a plain https address.")
        host, port = match["host"].lower(), int(match["port"] or _HTTPS_PORT)
        name = host if port == _HTTPS_PORT else f"{host}:{port}"
        if (host, port) not in self._exact and not any((d, port) in self._domains for d in _above(host)):
            raise HostNotAllowed(
                f"{name} is no known push service: an operator can add it to POCKETSOC_PUSH_HOSTS."
            )
        return f"https://{name}"


def _above(host: str) -> Iterable[str]:
    labels = host.split(".")
    return (".".join(labels[i:]) for i in range(1, len(labels)))
