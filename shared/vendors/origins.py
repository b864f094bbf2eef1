"""The address that an operator enters for a vendor's API, taken apart without trust. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from shared.errors import HostNotAllowed


def _empty_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


# A form's field for it; empty means the usual one.
EnteredAddress = Annotated[
    Annotated[str, Field(pattern=r"^https://[^\s?#@]+$")] | None, BeforeValidator(_empty_is_none)
]


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


def origin_among(
    address: str | None, *, usual: str, hosts: Iterable[str], paths: Iterable[str], title: str, cloud: str
) -> str:
    """The origin of an entered address that is one of an API's, or the usual one where none is entered.
    `paths`: what may be pasted behind the host; it does not count. Raises HostNotAllowed for anything else,
    and where the cloud has no usual address, because it does not offer the API."""
    if not usual:
        raise HostNotAllowed(f"{title[:1].upper()}{title[1:]} is not offered in the cloud '{cloud}'.")
    if not address:
        return usual.rstrip("/")
    origin, path = origin_of(address)
    allowed = {origin_of(usual)[0], *(f"https://{host}" for host in hosts)}
    if origin not in allowed or path.lower() not in paths:
        raise HostNotAllowed(
            f"The base URL is not an address of {title} in the cloud '{cloud}'. Leave it empty, or use one "
            f"of: {', '.join(sorted(allowed))}."
        )
    return origin
