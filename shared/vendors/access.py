"""What a vendor's check says about access: which features the granted permissions allow, and which are
missing.

Promise: pure; the answer holds names of permissions and claims that may be shown, never a token.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from shared.vendors.loose_json import fields, portable, words
from shared.vendors.vendor import Feature, FeatureCheck, Permission

# Enough for an operator to see whose token it is and what it allows; the rest of a token is nobody's
# business.
_SHOWN = ("aud", "tid", "appid", "azp", "oid", "idtyp", "roles", "scp", "exp")


def shown(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The token's claims that an operator needs to see."""
    kept = portable({name: claims[name] for name in _SHOWN if name in claims})
    return kept if isinstance(kept, dict) else {}


def granted(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The permissions in a token: `roles` of an app, `scp` of a signed-in user."""
    known = fields(claims)
    return words(known.get("roles")) + words(known.get("scp"), separator=" ")


def features(
    permissions: Mapping[Feature, Permission], names: Collection[str], proven: Mapping[Feature, bool | None]
) -> tuple[FeatureCheck, ...]:
    """Each feature: as `proven` by a call where that is known, else by whether a granted name is enough for
    it, in any casing (documents and tokens differ). What is granted already is never called missing while a
    call proves nothing (an outage)."""
    found, held = [], {one.casefold() for one in names}
    for name, permission in permissions.items():
        granted_already = any(one.casefold() in held for one in (*permission.any_of, *permission.delegated))
        works = proven.get(name, granted_already)
        unproven = works is None and granted_already
        found.append(FeatureCheck(name, works=None) if unproven else feature(name, permission, works))
    return tuple(found)


def feature(name: Feature, permission: Permission, works: bool | None) -> FeatureCheck:
    """One feature with what to grant, and where, unless it works."""
    if works:
        return FeatureCheck(name, works=True)
    return FeatureCheck(name, works=works, missing=" or ".join(permission.any_of), remedy=permission.where)
