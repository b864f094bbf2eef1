"""What Admins and Responders do, noted in the audit before it is done."""

from __future__ import annotations

from shared.api.caller import Caller
from shared.api.parts import ApiParts


def note(
    parts: ApiParts, caller: Caller, action: str, subject: str, **details: str | int | bool | None
) -> None:
    """Note an act. Raises TryLater when it cannot be noted; then it must not be done either."""
    parts.audit.note(action, subject, actor=caller.oid, name=caller.name, details=details)
