"""Which credentials end soon, as troubles for the watch: told at 30, 14, 7 and 1 days and when it is over,
each once; and that a next secret took over, until another one is typed in.

Reads the last checkups only; the daily check keeps them new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from shared.nouns.checkups import Checkup, CredentialKind, CredentialLine, ExpirySource
from shared.nouns.configurations import AuthType, Configuration, SecretField
from shared.nouns.detections import Instant, Severity, instant_of, moment_of
from shared.nouns.troubles import Trouble, TroubleKind
from shared.pipeline.expiry import stage_of, typed_line
from shared.pipeline.watch import Lookout
from shared.store.checkups import Checkups
from shared.store.configurations import Configurations

_LEVELS = (
    Severity.informational,
    Severity.low,
    Severity.medium,
    Severity.medium,
    Severity.high,
    Severity.high,
)
_WORDS = {CredentialKind.client_secret: "client secret", CredentialKind.certificate: "certificate"}


def expiries(store: Configurations, checkups: Checkups, clock: Callable[[], datetime]) -> Lookout:
    """Secrets and certificates that end."""

    def find() -> Iterator[Trouble]:
        now, last = clock(), checkups.all()
        for one in store.all():
            if one.configuration.enabled:
                yield from _ending(one.configuration, last.get(one.configuration.id), now)
                yield from _taken_over(one.configuration)

    return Lookout("the credentials", (TroubleKind.secret_expiry, TroubleKind.next_secret), find)


def first_line(configuration: Configuration, checkup: Checkup | None) -> CredentialLine | None:
    """When the credential in use ends: as last read, if that is about the one in use, else as typed in."""
    kind = {
        AuthType.client_secret: CredentialKind.client_secret,
        AuthType.certificate: CredentialKind.certificate,
    }.get(configuration.auth_type)
    if kind is None:
        return None
    if kind is CredentialKind.certificate:
        reference = configuration.certificate_name or configuration.reference(SecretField.certificate)
        typed = None
    else:
        reference, typed = configuration.secret_reference, configuration.client_secret_expires
    for line in checkup.credentials if checkup else ():
        same = (line.kind, line.reference) == (kind, reference)
        if same and line.expires is not None and line.source is not ExpirySource.typed:
            return line
    return typed_line(kind, typed, reference)


def _ending(configuration: Configuration, checkup: Checkup | None, now: datetime) -> Iterator[Trouble]:
    line = first_line(configuration, checkup)
    stage = stage_of(line.expires, now) if line and line.expires else 0
    if not stage or line is None or line.expires is None:
        return
    what, name = _WORDS[line.kind], configuration.display_name
    yield Trouble(
        kind=TroubleKind.secret_expiry,
        subject=configuration.id,
        title=f"The {what} of {name} {_how_long(line.expires, now)}",
        text=f"It ends on {line.expires[:10]}. {_remedy(configuration, line.kind)}",
        since=line.expires if moment_of(line.expires) <= now else _since(checkup, now),
        level=_LEVELS[stage],
        stage=stage,
    )


def _how_long(expires: Instant, now: datetime) -> str:
    left = (moment_of(expires) - now).days
    if moment_of(expires) <= now:
        return "has ended"
    return {0: "ends within a day", 1: "ends in 1 day"}.get(left, f"ends in {left} days")


def _remedy(configuration: Configuration, kind: CredentialKind) -> str:
    if kind is CredentialKind.certificate:
        return "Make a new certificate, upload it to the app registration, and enter it in the configuration."
    if configuration.reference(SecretField.next_client_secret):
        return "The next client secret takes over by itself; nothing is lost."
    return (
        "Make a new one in Entra ID > App registrations > Certificates & secrets and enter it as the next "
        "client secret; it takes over by itself."
    )


def _taken_over(configuration: Configuration) -> Iterator[Trouble]:
    if configuration.next_took_over and not configuration.reference(SecretField.next_client_secret):
        yield Trouble(
            kind=TroubleKind.next_secret,
            subject=configuration.id,
            title=f"{configuration.display_name} uses its next client secret now",
            text="The first one was refused or its day had passed, so the next one took over; no poll was "
            "lost. Remove the old one from the app registration, and enter another next client secret.",
            since=configuration.next_took_over,
            level=Severity.low,
        )


def _since(checkup: Checkup | None, now: datetime) -> Instant:
    return checkup.at if checkup else instant_of(now)
