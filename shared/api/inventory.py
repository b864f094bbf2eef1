"""The inventory: machines, managed devices, vulnerabilities, recommendations, scores, each with the time it
was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from shared.api.caller import Admin, Reader
from shared.api.fields import Cursor, Id, Word
from shared.api.parts import ApiParts, Parts
from shared.errors import BadRequest
from shared.nouns.detections import Instant, Severity
from shared.nouns.inventory import InventoryKind, Item
from shared.store.inventory import ItemQuery, ReadingState, StoredItem, read_token, token_text

router = APIRouter(tags=["inventory"])

_CALLS = 4


class ReadingOut(BaseModel):
    """How one kind of one configuration is doing. `read`: what is shown was complete at that time; null when
    it was never read whole. `error` says in words why the last try failed."""

    configuration_id: str
    configuration: str | None
    kind: InventoryKind
    read: Instant | None
    count: int
    attempted: Instant | None
    next_due: Instant | None
    error: str | None
    failing_since: Instant | None
    failures: int


class ReadingList(BaseModel):
    """Every kind of every configuration that lists an inventory."""

    items: list[ReadingOut]


class ItemOut(Item):
    """One thing, with the configuration that lists it."""

    configuration_id: str
    configuration: str | None
    changed: Instant = Field(description="Since when it is as it is, as far as we read.")


class ItemList(BaseModel):
    """A page of things. `readings` say when they were read, and what could not be. `cursor` leads to the next
    page; null at the end."""

    items: list[ItemOut]
    readings: list[ReadingOut]
    cursor: str | None


@router.get("/inventory", operation_id="list_inventory_readings")
def list_inventory_readings(caller: Reader, parts: Parts) -> ReadingList:
    """What is read, when it was read last, and what is in the way."""
    return ReadingList(items=_readings(parts.inventory.states(), parts.display_names()))


@router.get("/inventory/{kind}", operation_id="list_inventory")
def list_inventory(
    kind: InventoryKind,
    caller: Reader,
    parts: Parts,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[Cursor | None, Query(description="As the page before gave it.")] = None,
    configuration: Annotated[list[Word], Query(max_length=50)] = [],  # noqa: B006 - FastAPI copies it
    machine: Annotated[str | None, Query(min_length=1, max_length=200, description="A machine's id.")] = None,
    severity: Annotated[list[Severity], Query(max_length=6)] = [],  # noqa: B006
    q: Annotated[str, Query(max_length=200, description="Words to look for.")] = "",
) -> ItemList:
    """Everything of one kind, configuration by configuration. A page may be short, even empty, and still have
    a cursor: the scan is bounded, not finished."""
    states = [
        state
        for state in sorted(parts.inventory.states(), key=lambda s: s.configuration_id)
        if state.kind is kind and (not configuration or state.configuration_id in configuration)
    ]
    query = ItemQuery(text=q.strip() or None, machine=machine, severities=tuple(s.value for s in severity))
    names = parts.display_names()
    items, following = _items(parts, kind, query, states, limit, cursor)
    return ItemList(
        items=[
            ItemOut.model_construct(
                **dict(one.item),
                configuration_id=one.configuration_id,
                configuration=names.get(one.configuration_id),
                changed=one.changed,
            )
            for one in items
        ],
        readings=_readings(states, names),
        cursor=following,
    )


@router.post("/configurations/{id}/inventory", operation_id="read_inventory", status_code=202)
def read_inventory(id: Id, caller: Admin, parts: Parts) -> None:
    """Read the whole inventory of a configuration now, due or not."""
    if not parts.inventory_ticker.read_now(parts.configured(id).configuration):
        raise BadRequest("There is nothing to read here, or all of it is being read already.")


def _items(
    parts: ApiParts,
    kind: InventoryKind,
    query: ItemQuery,
    states: Sequence[ReadingState],
    limit: int,
    cursor: str | None,
) -> tuple[list[StoredItem], str | None]:
    """A bounded number of calls, over as many configurations as that reaches."""
    index, token = read_token(cursor) if cursor else (0, None)
    found: list[StoredItem] = []
    for _ in range(_CALLS):
        if index >= len(states):
            return found, None
        page = parts.inventory.page(
            states[index].configuration_id, kind, query, limit=limit - len(found), token=token
        )
        found += page.items
        index, token = (index, page.token) if page.token else (index + 1, None)
        if len(found) == limit:
            break
    return found, token_text(index, token) if index < len(states) else None


def _readings(states: Sequence[ReadingState], names: Mapping[str, str]) -> list[ReadingOut]:
    return [
        ReadingOut(
            configuration=names.get(state.configuration_id),
            **{name: getattr(state, name) for name in ReadingOut.model_fields if name != "configuration"},
        )
        for state in states
    ]
