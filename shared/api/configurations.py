"""Vendor configurations: read, made, changed, checked, removed. Secrets go in and never come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Header, Response

from shared.api import configuration_secrets
from shared.api.acts import note
from shared.api.caller import Admin, Caller, Reader
from shared.api.check_shapes import CheckOut, check_out
from shared.api.configuration_forms import (
    Surroundings,
    configured,
    shown_fields,
    validated,
)
from shared.api.configuration_secrets import Typed, typed_in
from shared.api.configuration_shapes import (
    ConfigurationChange,
    ConfigurationIn,
    ConfigurationList,
    ConfigurationOut,
    configuration_out,
)
from shared.api.etags import check_version, version_tag
from shared.api.fields import Id
from shared.api.parts import ApiParts, Parts
from shared.api.problems import FieldError, Invalid, Stale
from shared.errors import Conflict, PocketSOCError
from shared.nouns.checkups import Checkup
from shared.nouns.configurations import Configuration
from shared.nouns.detections import instant_of
from shared.store.configurations import Configured
from shared.vendors.vendor import Fields, Vendor

router = APIRouter(tags=["configurations"])
_TRIES = 8  # to change what others change at the same moment
_PATIENCE = 20.0  # seconds that a save waits for the check that follows it

IfMatch = Annotated[
    str | None,
    Header(max_length=400, description="The ETag that was read; stale: 412. Without it, the change wins."),
]


@router.get("/configurations", operation_id="list_configurations")
def list_configurations(caller: Reader, parts: Parts) -> ConfigurationList:
    """Every vendor configuration with its health, by name."""
    found = sorted(parts.configurations.all(), key=lambda c: c.configuration.display_name.casefold())
    last = parts.checkups.all()
    return ConfigurationList(items=[configuration_out(c, parts, last.get(c.configuration.id)) for c in found])


@router.post("/configurations", operation_id="create_configuration", status_code=201)
def create_configuration(
    wanted: ConfigurationIn, caller: Admin, parts: Parts, response: Response
) -> ConfigurationOut:
    """Configure a vendor. Its first poll follows within a minute."""
    vendor = _vendor(parts, wanted.vendor)
    fields = validated(vendor, wanted.fields)
    typed = typed_in(fields)
    made = _configured(parts, vendor, fields, typed, id=uuid4().hex)
    _note(parts, caller, "create_configuration", made, wanted.fields)
    configuration_secrets.keep(parts.secrets, made, typed)
    try:
        saved = parts.configurations.save(made)
    except PocketSOCError:
        configuration_secrets.forget(parts.secrets, made)
        raise
    response.headers["Location"] = f"/api/v1/configurations/{saved.id}"
    checkup = _checked_soon(parts, saved)
    return _answer(parts.configured(saved.id), parts, response, checkup)


@router.get("/configurations/{id}", operation_id="get_configuration")
def get_configuration(id: Id, caller: Reader, parts: Parts, response: Response) -> ConfigurationOut:
    """One vendor configuration with its health and its last check. The ETag is for `If-Match`; it does not
    change with either."""
    return _answer(parts.configured(id), parts, response, parts.checkups.get(id))


@router.put("/configurations/{id}", operation_id="replace_configuration")
def replace_configuration(
    id: Id, wanted: ConfigurationIn, caller: Admin, parts: Parts, response: Response, if_match: IfMatch = None
) -> ConfigurationOut:
    """Replace all fields. A secret that is not sent stays as it is."""
    if wanted.vendor != parts.configured(id).configuration.vendor:
        wrong = FieldError(field="body.vendor", message="cannot be changed: make a new configuration")
        raise Invalid("A configuration stays with its vendor.", [wrong])
    change = _Change("replace_configuration", caller, wanted.fields, whole=True)
    return _changed(id, change, parts, response, if_match)


@router.patch("/configurations/{id}", operation_id="change_configuration")
def change_configuration(
    id: Id,
    wanted: ConfigurationChange,
    caller: Admin,
    parts: Parts,
    response: Response,
    if_match: IfMatch = None,
) -> ConfigurationOut:
    """Change the fields that are sent; everything else stays as it is."""
    change = _Change("change_configuration", caller, wanted.fields)
    return _changed(id, change, parts, response, if_match)


@router.delete("/configurations/{id}", operation_id="remove_configuration", status_code=204)
def remove_configuration(id: Id, caller: Admin, parts: Parts, if_match: IfMatch = None) -> None:
    """Remove a configuration and its secret. What it has brought stays."""
    before = parts.configured(id).configuration
    check_version(if_match, before.etag)
    # First: if this fails, the request can be sent again.
    configuration_secrets.forget(parts.secrets, before)
    parts.sign_ins.forget(id)
    parts.configurations.remove(id)
    parts.checkups.forget(id)


@router.post("/configurations/{id}/check", operation_id="check_configuration")
def check_configuration(id: Id, caller: Admin, parts: Parts) -> CheckOut:
    """Get a token for each API now, and say for each feature whether it works and what exactly is missing.
    Missing secrets, consent or permissions are an answer, not an error."""
    return check_out(parts.doctor.check(parts.configured(id).configuration))


@dataclass(frozen=True)
class _Change:
    """What somebody wants changed: the fields given, or (`whole`) everything by them."""

    act: str
    caller: Caller
    given: dict[str, Any]
    whole: bool = False

    def of(self, before: Configuration) -> dict[str, Any]:
        return self.given if self.whole else shown_fields(before) | self.given


def _changed(
    id: str, change: _Change, parts: ApiParts, response: Response, if_match: str | None
) -> ConfigurationOut:
    """Without If-Match the change wins: whoever was faster is read again, and changed once more."""
    for _ in range(_TRIES - 1):
        try:
            return _change(parts.configured(id), change, parts, response, if_match)
        except Conflict:
            if if_match is not None:
                raise
    return _change(parts.configured(id), change, parts, response, if_match)


def _change(
    before: Configured, change: _Change, parts: ApiParts, response: Response, if_match: str | None
) -> ConfigurationOut:
    old = before.configuration
    check_version(if_match, old.etag)
    vendor = _vendor(parts, old.vendor)
    fields = validated(vendor, change.of(old))
    typed = typed_in(fields)
    wanted = _configured(parts, vendor, fields, typed, id=old.id, before=old)
    _note(parts, change.caller, change.act, wanted, change.given)
    saved = _saved(parts, wanted, if_match)
    # After the save: who loses the race for the row must not have overwritten the winner's secret.
    configuration_secrets.keep(parts.secrets, saved, typed)
    configuration_secrets.forget(parts.secrets, old, saved)
    still = saved.auth_type.delegated and saved.signs_in_at == old.signs_in_at
    if old.auth_type.delegated and not still:
        parts.sign_ins.forget(saved.id)
    parts.configurations.read_soon(saved.id, anew=not saved.reads_as(old))
    checkup = _checked_soon(parts, saved)
    return _answer(parts.configured(saved.id), parts, response, checkup)


def _note(
    parts: ApiParts, caller: Caller, act: str, configuration: Configuration, given: dict[str, Any]
) -> None:
    """Which fields, never what they say: a secret may be among them."""
    note(parts, caller, act, configuration.id, vendor=configuration.vendor, fields=", ".join(sorted(given)))


def _configured(
    parts: ApiParts,
    vendor: Vendor,
    fields: Fields,
    typed: Typed,
    *,
    id: str,
    before: Configuration | None = None,
) -> Configuration:
    around = Surroundings(
        clouds=parts.clouds,
        tenant_id_of=parts.tenant_id_of,
        read_certificate=parts.read_certificate,
        home_tenant=parts.settings.api_tenant_id,
    )
    now = instant_of(parts.now())
    return configured(vendor, fields, typed, id=id, now=now, around=around, before=before)


def _checked_soon(parts: ApiParts, saved: Configuration) -> Checkup | None:
    """The check that follows a save: its answer if it comes soon. It never fails what was saved."""
    return parts.doctor.check_within(saved, _PATIENCE) if saved.enabled else None


def _saved(parts: ApiParts, wanted: Configuration, if_match: str | None) -> Configuration:
    try:
        return parts.configurations.save(wanted)
    except Conflict as error:
        if if_match is None:
            raise
        raise Stale("Somebody has changed this meanwhile: read it again, then decide again.") from error


def _vendor(parts: ApiParts, slug: str) -> Vendor:
    vendor = parts.vendors.get(slug)
    if vendor is None:
        wrong = FieldError(
            field="body.vendor", message="There is no such vendor; GET /api/v1/vendors names them."
        )
        raise Invalid("This vendor is not known here.", [wrong])
    return vendor


def _answer(
    found: Configured, parts: ApiParts, response: Response, checkup: Checkup | None
) -> ConfigurationOut:
    response.headers["ETag"] = version_tag(found.configuration.etag)
    return configuration_out(found, parts, checkup)
