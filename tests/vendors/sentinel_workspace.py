"""A Sentinel workspace that answers as Azure Resource Manager does, for the tests of reading it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shared.errors import PocketSOCError, Refused
from shared.nouns.detections import instant
from shared.vendors.sentinel_walk import fetch

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROOT = "https://management.azure.com"


def incident(name: str, time: str, alerts: int = 1, **more: Any) -> dict[str, Any]:
    counts = {"alertsCount": alerts, "commentsCount": 0}
    properties = {"lastModifiedTimeUtc": f"2026-03-02T{time}Z", "additionalData": counts, **more}
    return {"name": name, "etag": f'"{time}"', "properties": properties}


@dataclass
class Workspace:
    """The incidents list, ordered and paged by number of rows behind links, and what belongs to each."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 50
    between: Callable[[int], None] = lambda number: None
    trouble: dict[str, PocketSOCError] = field(default_factory=dict)
    lost: dict[str, PocketSOCError] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    lists: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    calls: int = 0

    def get(self, path: str, params: Any = None) -> dict[str, Any]:
        assert "$skip" not in (params or {}), "Azure Resource Manager does not know it"
        query = dict(params or {}) or {k: v[0] for k, v in parse_qs(urlsplit(path).query).items()}
        assert query["api-version"] == "2025-09-01"
        self._count()
        path = urlsplit(path).path
        if path.endswith("/incidents"):
            return self._list(query)
        name = path.rpartition("/")[2]
        if name in self.lost:
            raise self.lost[name]
        if name == "comments":
            return {"value": [{"properties": {"message": "Seen."}}]}
        found = next((row for row in self.rows if row["name"] == name), None)
        if found is None:
            raise Refused("gone", status=404)
        return found

    def post(self, path: str, body: Any = None, params: Any = None) -> dict[str, Any]:
        assert (body, params) == (None, {"api-version": "2025-09-01"})
        self._count()
        name = path.split("/")[-2]
        self.asked.append(name)
        if name in self.trouble:
            raise self.trouble[name]
        row = next((row for row in self.rows if row["name"] == name), None)
        if row is None:
            raise Refused("gone", status=404)
        count = 0 if name in self.hidden else row["properties"]["additionalData"]["alertsCount"]
        return {"value": [{"properties": {"systemAlertId": f"{name}.{n}"}} for n in range(count)]}

    def _count(self) -> None:
        self.calls += 1
        assert self.calls < 2000, "this never ends"
        self.between(self.calls)

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        assert query["$orderby"] == "properties/lastModifiedTimeUtc asc"
        self.lists.append(query["$filter"])
        since = instant(query["$filter"].removeprefix("properties/lastModifiedTimeUtc ge ")) or ""
        found = sorted((row for row in self.rows if _time(row) >= since), key=_time)
        skip, size = int(query.get("$skipToken", "0")), min(self.page_size, int(query["$top"]))
        answer: dict[str, Any] = {"value": found[skip : skip + size]}
        if len(found) > skip + size:
            again = "&".join(f"{k}={v}" for k, v in {**query, "$skipToken": skip + size}.items())
            answer["nextLink"] = f"{ROOT}/x/incidents?{again}"
        return answer


def _time(row: dict[str, Any]) -> str:
    return instant(row["properties"]["lastModifiedTimeUtc"]) or ""


def names(pages: list[Any]) -> list[str]:
    return [row["name"] for page in pages for row in page.incidents]


def alerts(pages: list[Any]) -> list[str]:
    return [row["alert"]["properties"]["systemAlertId"] for page in pages for row in page.alerts]


def reading(connect: Callable[..., Any]) -> Callable[..., list[Any]]:
    """A whole walk over a workspace."""

    def run(workspace: Workspace, cursor: Any = None, *, now: datetime = NOW) -> list[Any]:
        return list(fetch(connect(workspace, slug="sentinel", now=now), cursor))

    return run
