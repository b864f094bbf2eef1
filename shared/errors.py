"""Every error the product raises on purpose, grouped by what the caller does next.

    PocketSOCError
    ├── BadRequest              the caller must change what it sent
    │   ├── NotFound            nothing has that name
    │   ├── Unauthenticated     sign in, then come again
    │   └── Forbidden           signed in, but not allowed
    ├── Conflict                somebody else was first: read again, decide again
    │   ├── RowExists
    │   └── RowChanged
    ├── OperatorMustAct         trying again is useless until a person changes something
    │   ├── SignInFailed        no token: secret, tenant, consent, identity
    │   │   └── SignInAgain     a person's sign-in has ended: only a person can begin a new one
    │   ├── PermissionMissing   a token, but the vendor refuses it
    │   ├── HostNotAllowed      an address outside https and the allow-list
    │   └── Refused             the vendor does not take the request itself; `status` is HTTP's
    ├── TryLater                nothing is wrong here; the other side is busy, broken or away
    │   ├── Throttled           and it said how long to wait
    │   └── BudgetSpent         our own share of its calls is used up; the rest is the analysts'
    ├── Unreadable              an answer or alert that cannot be understood: quarantine it, go on
    └── RegistrationGone        the phone or browser is no longer there: forget the registration

The text of an error is written for the operator: what is wrong and what to do. It never holds a token, a
secret, a body or a full address, because it is logged, stored as a configuration's health and shown in the
portal. An error that is none of these may quote anything: of it only `place_of` is logged.
"""

from __future__ import annotations

import traceback


class PocketSOCError(Exception):
    """Base of all. `str(error)` is safe to show to an operator."""


class BadRequest(PocketSOCError):
    """The caller must change what it sent."""


class NotFound(BadRequest):
    """Nothing has that name (or the caller may not know that it exists)."""


class Unauthenticated(BadRequest):
    """No valid access token came with the request."""


class Forbidden(BadRequest):
    """The caller is known but lacks the role."""


class Conflict(PocketSOCError):
    """Another writer was first; read again and decide again."""


class RowExists(Conflict):
    """Insert-if-absent found the row present."""


class RowChanged(Conflict):
    """The row's ETag moved, or the row vanished, since it was read."""


class OperatorMustAct(PocketSOCError):
    """Trying again is useless until a person changes something; the text says what."""


class SignInFailed(OperatorMustAct):
    """No token could be had. `code` is the vendor's number (for example AADSTS7000222), if it gave one.
    `meaning` and `remedy` are the two halves of the text where it has them: what is wrong, and what to do."""

    def __init__(
        self, text: str, *, code: str | None = None, meaning: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.meaning = meaning
        self.remedy = remedy


class SignInAgain(SignInFailed):
    """A person's sign-in has ended (revoked, unused for too long, a policy), or nobody has signed in yet."""


class PermissionMissing(OperatorMustAct):
    """The vendor knows who asks and refuses."""


class HostNotAllowed(OperatorMustAct):
    """An address that is not https, or whose host is not on the allow-list."""


class Refused(OperatorMustAct):
    """The vendor does not take the request itself (HTTP 400, 404, 409, 412, ...). Where the request is a
    person's, vendors/refused.py makes it that person's error."""

    def __init__(self, text: str, *, status: int, code: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class TryLater(PocketSOCError):
    """The other side is busy, broken or away. `retry_after` is in seconds, None when it did not say."""

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Throttled(TryLater):
    """HTTP 429, or a 503 that names a time."""


class BudgetSpent(TryLater):
    """Background work has used its share of the calls that an API allows. Nothing has failed."""


class Unreadable(PocketSOCError):
    """An answer or an alert that cannot be understood."""


class RegistrationGone(PocketSOCError):
    """The push service says that this registration will never work again."""


def place_of(error: BaseException) -> str:
    """Of what kind an unforeseen error is, where it was raised, and likewise what it was made from: never its
    message, which may quote what was being worked on."""
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None and len(parts) < 5:
        frames = traceback.extract_tb(link.__traceback__)[-6:]
        where = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
        parts.append(f"{type(link).__module__}.{type(link).__qualname__} at {where}")
        link = link.__cause__ or link.__context__
    return "; because of ".join(parts)
