"""Vendor configurations: read, made, changed, checked, removed. Secrets go in and never come out."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Header, Response

from shared.api.caller import Admin, Reader
from shared.api.configuration_forms import configured, secret_in, shown_fields, validated
from shared.api.configuration_shapes import (
    CheckOut,
    ConfigurationChange,
    ConfigurationIn,
    ConfigurationList,
    ConfigurationOut,
    check_out,
    configuration_out,
)
from shared.api.etags import check_version, version_tag
from shared.api.fields import Id
from shared.api.parts import ApiParts, Parts
from shared.api.problems import FieldError, Invalid, Stale
from shared.errors import Conflict, NotFound, OperatorMustAct, PocketSOCError
from shared.nouns.configurations import Configuration, PollState
from shared.nouns.detections import instant_of
from shared.store.configurations import Configured
from shared.vendors.vendor import Check, Fields, Vendor

router = APIRouter(tags=["configurations"])

IfMatch = Annotated[
    str | None,
    Header(max_length=400, description="The ETag that was read; stale: 412. Without it, the change wins."),
]


@router.get("/configurations", operation_id="list_configurations")
def list_configurations(caller: Reader, parts: Parts) -> ConfigurationList:
    """Every vendor configuration with its health, by name."""
    found = sorted(parts.configurations.all(), key=lambda c: c.configuration.display_name.casefold())
    return ConfigurationList(items=[configuration_out(c, parts) for c in found])


@router.post("/configurations", operation_id="create_configuration", status_code=201)
def create_configuration(
    wanted: ConfigurationIn, caller: Admin, parts: Parts, response: Response
) -> ConfigurationOut:
    """Configure a vendor. Its first poll follows within a minute."""
    vendor = _vendor(parts, wanted.vendor)
    fields = validated(vendor, wanted.fields)
    made = _configured(parts, vendor, fields, id=uuid4().hex)
    _keep_secret(parts, made, fields)
    try:
        saved = parts.configurations.save(made)
    except PocketSOCError:
        _forget_secret(parts, made)
        raise
    response.headers["Location"] = f"/api/v1/configurations/{saved.id}"
    return _answer(Configured(saved, PollState(configuration_id=saved.id)), parts, response)


@router.get("/configurations/{id}", operation_id="get_configuration")
def get_configuration(id: Id, caller: Reader, parts: Parts, response: Response) -> ConfigurationOut:
    """One vendor configuration with its health. The ETag is for `If-Match`; it does not change with the
    health."""
    return _answer(_found(parts, id), parts, response)


@router.put("/configurations/{id}", operation_id="replace_configuration")
def replace_configuration(
    id: Id, wanted: ConfigurationIn, caller: Admin, parts: Parts, response: Response, if_match: IfMatch = None
) -> ConfigurationOut:
    """Replace all fields. A secret that is not sent stays as it is."""
    before = _found(parts, id)
    if wanted.vendor != before.configuration.vendor:
        wrong = FieldError(field="body.vendor", message="cannot be changed: make a new configuration")
        raise Invalid("A configuration stays with its vendor.", [wrong])
    return _change(before, wanted.fields, parts, response, if_match)


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
    before = _found(parts, id)
    return _change(before, shown_fields(before.configuration) | wanted.fields, parts, response, if_match)


@router.delete("/configurations/{id}", operation_id="remove_configuration", status_code=204)
def remove_configuration(id: Id, caller: Admin, parts: Parts, if_match: IfMatch = None) -> None:
    """Remove a configuration and its secret. What it has brought stays."""
    before = _found(parts, id).configuration
    check_version(if_match, before.etag)
    _forget_secret(parts, before)  # first: if this fails, the request can be sent again
    parts.configurations.remove(id)


@router.post("/configurations/{id}/check", operation_id="check_configuration")
def check_configuration(id: Id, caller: Admin, parts: Parts) -> CheckOut:
    """Sign in at the vendor now and say what works. Missing secrets, consent or permissions are an answer,
    not an error."""
    configuration = _found(parts, id).configuration
    vendor = _vendor(parts, configuration.vendor)
    try:
        return check_out(vendor.check(parts.connect(configuration)))
    except OperatorMustAct as error:
        return check_out(Check(ok=False, summary=str(error)))


def _change(
    before: Configured, given: dict[str, Any], parts: ApiParts, response: Response, if_match: str | None
) -> ConfigurationOut:
    old = before.configuration
    check_version(if_match, old.etag)
    vendor = _vendor(parts, old.vendor)
    fields = validated(vendor, given)
    wanted = _configured(parts, vendor, fields, id=old.id, before=old)
    saved = _saved(parts, wanted, if_match)
    # After the save: who loses the race for the row must not have overwritten the winner's secret.
    if saved.secret_reference is None:
        _forget_secret(parts, old)
    else:
        _keep_secret(parts, saved, fields)
    parts.configurations.read_soon(saved.id, anew=not saved.reads_as(old))
    return _answer(_found(parts, saved.id), parts, response)


def _configured(
    parts: ApiParts, vendor: Vendor, fields: Fields, *, id: str, before: Configuration | None = None
) -> Configuration:
    now = instant_of(parts.now())
    return configured(vendor, fields, id=id, now=now, clouds=parts.clouds, before=before)


def _saved(parts: ApiParts, wanted: Configuration, if_match: str | None) -> Configuration:
    try:
        return parts.configurations.save(wanted)
    except Conflict as error:
        if if_match is None:
            raise
        raise Stale("Somebody has changed this meanwhile: read it again, then decide again.") from error


def _found(parts: ApiParts, id: str) -> Configured:
    found = parts.configurations.get(id)
    if found is None:
        raise NotFound("There is no such vendor configuration.")
    return found


def _vendor(parts: ApiParts, slug: str) -> Vendor:
    vendor = parts.vendors.get(slug)
    if vendor is None:
        wrong = FieldError(
            field="body.vendor", message="There is no such vendor; GET /api/v1/vendors names them."
        )
        raise Invalid("This vendor is not known here.", [wrong])
    return vendor


def _keep_secret(parts: ApiParts, configuration: Configuration, fields: Fields) -> None:
    secret = secret_in(fields)
    if secret is not None and configuration.secret_reference is not None:
        parts.secrets.set(configuration.secret_reference, secret)


def _forget_secret(parts: ApiParts, configuration: Configuration) -> None:
    if configuration.secret_reference is not None:
        parts.secrets.delete(configuration.secret_reference)


def _answer(found: Configured, parts: ApiParts, response: Response) -> ConfigurationOut:
    response.headers["ETag"] = version_tag(found.configuration.etag)
    return configuration_out(found, parts)
