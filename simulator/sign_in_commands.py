"""The commands about signing in: what a person or an administrator does at the simulated Entra ID."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Protocol


class Controls(Protocol):
    """A running simulator's control API (commands.Remote)."""

    def call(self, method: str, path: str, body: Any = None) -> Any: ...


def add_sign_in_commands(commands: Any) -> None:
    """Add them to argparse's sub-parsers; each sets `run`."""
    device = commands.add_parser("device", help="somebody types a device code in")
    device.add_argument("user_code")
    device.add_argument("--answer", choices=("approve", "decline"), default="approve")
    device.add_argument("--user", default="", help="sign-in name; else the sample's responder")
    device.set_defaults(run=_device)
    waiting = commands.add_parser("device-codes", help="which device codes wait")
    waiting.set_defaults(run=lambda remote, _: remote.call("GET", "/entra/people"))
    revoke = commands.add_parser("revoke", help="end a person's sign-ins")
    revoke.add_argument("--user", default="")
    revoke.add_argument("--number", type=int, default=50173, help="AADSTS number they are refused with")
    revoke.set_defaults(run=_revoke)
    secret = commands.add_parser("app-secret", help="give the sample app a further client secret")
    secret.add_argument("--value")
    secret.add_argument("--days", type=float, default=180.0, help="until it ends; may be negative")
    secret.set_defaults(run=_secret)
    certificate = commands.add_parser("app-certificate", help="register a certificate with the sample app")
    certificate.add_argument("pem", help="file; only the certificate in it is sent")
    certificate.set_defaults(run=_certificate)
    clock = commands.add_parser("entra-clock", help="let Entra ID's clock be ahead of everybody's")
    clock.add_argument("seconds", type=float)
    clock.set_defaults(run=_clock)


def _device(remote: Controls, options: argparse.Namespace) -> Any:
    body = {"user_code": options.user_code, "answer": options.answer, "user": options.user}
    return remote.call("POST", "/entra/device", body)


def _revoke(remote: Controls, options: argparse.Namespace) -> Any:
    return remote.call("POST", "/entra/revoke", {"user": options.user, "number": options.number})


def _secret(remote: Controls, options: argparse.Namespace) -> Any:
    return remote.call("POST", "/entra/secrets", {"value": options.value, "days": options.days})


def _certificate(remote: Controls, options: argparse.Namespace) -> Any:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    _, found, rest = Path(options.pem).read_text(encoding="utf-8").partition(begin)
    if not found or end not in rest:
        raise ValueError(f"there is no certificate in {options.pem}")
    return remote.call("POST", "/entra/certificates", {"pem": f"{begin}{rest.partition(end)[0]}{end}\n"})


def _clock(remote: Controls, options: argparse.Namespace) -> Any:
    return remote.call("PATCH", "/entra/switches", {"clock_skew": options.seconds})
