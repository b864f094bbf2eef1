"""Is this host known? Asked live, of every product that can say, all at once. `no` and `could_not_ask` are
different answers."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, ValidationError

from shared.api.caller import Reader
from shared.api.parts import ApiParts, Parts
from shared.api.problems import FieldError, Invalid
from shared.errors import PocketSOCError, place_of
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Instant, instant_of
from shared.nouns.inventory import Affiliation, Answer, HostQuestion, Item
from shared.vendors.abilities import AffiliationVendor

router = APIRouter(tags=["affiliation"])

DEADLINE = 20.0
_AT_ONCE = 16
_log = logging.getLogger(__name__)


class SourceAnswer(BaseModel):
    """What one configuration's product says. `source`: the product and the way it was asked; `found` are the
    matches of a yes; `reason` says why it could not be asked."""

    configuration_id: str
    configuration: str
    vendor: str
    answer: Answer
    source: str
    found: list[Item]
    reason: str | None


class AffiliationOut(BaseModel):
    """The answer of all together: `yes` if any says yes; `no` only if all could be asked and said no."""

    answer: Answer
    asked: Instant
    sources: list[SourceAnswer] = Field(description="Each configuration that can be asked.")
    reason: str | None = Field(description="Why there is no answer.")


@router.get("/affiliation", operation_id="get_affiliation")
def get_affiliation(
    caller: Reader,
    parts: Parts,
    name: Annotated[
        str | None, Query(min_length=1, max_length=255, description="DNS or device name.")
    ] = None,
    address: Annotated[str | None, Query(min_length=2, max_length=45, description="IP address.")] = None,
    id: Annotated[
        str | None,
        Query(min_length=1, max_length=64, description="Endpoint machine, Intune device or Entra device id."),
    ] = None,
) -> AffiliationOut:
    """Ask by exactly one of name, address and id. Answers within about twenty seconds; who has not answered
    by then could not be asked."""
    try:
        host = HostQuestion(name=name, address=address, id=id)
    except ValidationError as error:
        wrong = FieldError(field="query", message="Ask by exactly one of name, address and id.")
        raise Invalid("Which host is meant?", [wrong]) from error
    if address is not None and not _is_address(address):
        wrong = FieldError(field="query.address", message="This is no IP address; ask for a name by `name`.")
        raise Invalid("Which host is meant?", [wrong])
    sources = _asked(parts, host)
    return AffiliationOut(
        answer=together(sources),
        asked=instant_of(parts.now()),
        sources=sources,
        reason=None if sources else "No configuration that is switched on can be asked for hosts.",
    )


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text.strip()))
    except ValueError:
        return False


def together(sources: list[SourceAnswer]) -> Answer:
    """What all answers amount to."""
    answers = {source.answer for source in sources}
    if Answer.yes in answers:
        return Answer.yes
    return Answer.no if answers == {Answer.no} else Answer.could_not_ask


def _asked(parts: ApiParts, host: HostQuestion, *, deadline: float = DEADLINE) -> list[SourceAnswer]:
    concerned = [
        (one.configuration, vendor)
        for one in parts.configurations.all()
        if one.configuration.enabled
        and isinstance(vendor := parts.vendors.get(one.configuration.vendor), AffiliationVendor)
    ]
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="affiliation")
    until = time.monotonic() + deadline
    futures = [pool.submit(_ask, parts, c, vendor, host) for c, vendor in concerned]
    pool.shutdown(wait=False)  # who is late ends by its own timeout, unheard
    return [
        _answer(configuration, vendor, future, until, deadline)
        for (configuration, vendor), future in zip(concerned, futures, strict=True)
    ]


def _ask(
    parts: ApiParts, configuration: Configuration, vendor: AffiliationVendor, host: HostQuestion
) -> Affiliation:
    try:
        return vendor.affiliation(parts.connect(configuration), host)
    except PocketSOCError as error:
        return Affiliation(answer=Answer.could_not_ask, source=vendor.title, reason=str(error))
    except Exception as error:  # a fault in one vendor's file must not take the others' answers away
        _log.error(
            "affiliation by configuration %s failed unexpectedly: %s", configuration.id, place_of(error)
        )
        reason = f"Asking failed unexpectedly ({type(error).__name__}); see the log."
        return Affiliation(answer=Answer.could_not_ask, source=vendor.title, reason=reason)


def _answer(
    configuration: Configuration,
    vendor: AffiliationVendor,
    future: Future[Affiliation],
    until: float,
    deadline: float,
) -> SourceAnswer:
    try:
        said = future.result(timeout=max(0.0, until - time.monotonic()))
    except NotInTime:
        future.cancel()
        reason = f"{vendor.title} did not answer within {deadline:.0f} seconds."
        said = Affiliation(answer=Answer.could_not_ask, source=vendor.title, reason=reason)
    return SourceAnswer(
        configuration_id=configuration.id,
        configuration=configuration.display_name,
        vendor=vendor.slug,
        answer=said.answer,
        source=said.source,
        found=list(said.found),
        reason=said.reason,
    )
