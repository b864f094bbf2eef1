"""Whether a configuration's sign-in may write, as far as its token tells."""

from __future__ import annotations

from shared.api.parts import ApiParts
from shared.errors import PocketSOCError
from shared.nouns.configurations import Configuration
from shared.vendors.vendor import Feature, Vendor, permissions_of

_ON_BEHALF = frozenset({"user_impersonation"})


def may_write(parts: ApiParts, configuration: Configuration, vendor: Vendor) -> int:
    """0: the token says so; 1: a token does not tell, as with Azure's roles; 2: it may not, or cannot sign
    in."""
    wanted = permissions_of(vendor, configuration).get(Feature.change_status)
    try:
        claims = parts.connect(configuration).api.token_claims()
    except PocketSOCError:
        return 2
    granted = {*(claims.get("roles") or ()), *str(claims.get("scp") or "").split()} - _ON_BEHALF
    if wanted is None or not granted:
        return 1
    return 0 if granted & {*wanted.any_of, *wanted.delegated} else 2
