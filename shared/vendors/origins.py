"""The address that an operator enters for a vendor's API, taken apart without trust. No I/O."""

from __future__ import annotations

from urllib.parse import urlsplit

from shared.errors import HostNotAllowed


def origin_of(address: str) -> tuple[str, str]:
    """Scheme and host (with an unusual port) of an https address, and its path without a slash at the end.
    Raises HostNotAllowed for anything but a plain https address."""
    try:
        parts = urlsplit(address.strip())
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise HostNotAllowed("The base URL is not an address. Correct it, or leave it empty.") from error
    if parts.scheme != "https" or not host or parts.username or parts.query or parts.fragment:
        raise HostNotAllowed("The base URL must be a plain https address. Correct it, or leave it empty.")
    shown_host = f"[{host}]" if ":" in host else host
    origin = f"https://{shown_host}" + (f":{port}" if port not in (None, 443) else "")
    return origin, parts.path.rstrip("/")
