"""Route templates as ASP.NET reads them."""

from __future__ import annotations

import pytest

from devhost.refused import Refused
from devhost.routing import Route


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/v1/health", "/API/v1/Health/", {}),
        ("api/{name}", "/api/Caf%C3%A9", {"name": "Café"}),
        ("api/{name?}", "/api", {}),
        ("api/{name=me}", "/api", {"name": "me"}),
        ("{*rest}", "/a/b%2Fc/d", {"rest": "a/b%2Fc/d"}),
        ("{*rest}", "/", {}),
        ("api/{id:int}", "/api/-12", {"id": "-12"}),
        ("api/{id:int:min(5)}", "/api/7", {"id": "7"}),
        (
            "api/{id:guid}",
            "/api/0f8fad5b-d9cb-469f-a165-70867728950e",
            {"id": "0f8fad5b-d9cb-469f-a165-70867728950e"},
        ),
        ("api/{w:length(2,3)}", "/api/abc", {"w": "abc"}),
        ("files/{name}.{ext}", "/files/report.pdf", {"name": "report", "ext": "pdf"}),
        ("", "/", {}),
    ],
)
def test_a_matching_path_gives_its_values(template: str, path: str, values: dict[str, str]) -> None:
    """Letter case and a last slash make no difference; values are decoded, an encoded slash is not."""
    assert Route.of(template).match("GET", path) == values


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("api/v1/health", "/api/v1/healthy"),
        ("api/{name}", "/api"),
        ("api/{name}", "/api/a/b"),
        ("api/{id:int}", "/api/12a"),
        ("api/{id:int}", "/api/99999999999"),
        ("api/{id:int:min(5)}", "/api/4"),
        ("api/{w:alpha}", "/api/a1"),
        ("api/{w:regex(^a+$)}", "/api/ab"),
        ("api", "/other"),
    ],
)
def test_another_path_is_no_match(template: str, path: str) -> None:
    """Segments are counted, constraints are kept."""
    assert Route.of(template).match("GET", path) is None


def test_a_method_that_is_not_named_is_no_match() -> None:
    """So the front answers 404, as the host does; GET does not bring HEAD with it."""
    route = Route.of("api/x", ["get"])

    assert route.match("GET", "/api/x") == {}
    assert route.match("HEAD", "/api/x") is None
    assert route.match("POST", "/api/x") is None


def test_the_more_literal_template_comes_first() -> None:
    """Literal, constrained, plain, catch-all."""
    templates = ["{*rest}", "api/{x}", "api/{x:int}", "api/health"]

    ranked = sorted(templates, key=lambda template: Route.of(template).rank)

    assert ranked == ["api/health", "api/{x:int}", "api/{x}", "{*rest}"]


@pytest.mark.parametrize("template", ["api/{", "api/{x:datetime}", "api/}{"])
def test_a_template_that_cannot_be_kept_is_refused(template: str) -> None:
    """Better no start than a route that silently matches something else."""
    with pytest.raises(Refused, match="route"):
        Route.of(template)
