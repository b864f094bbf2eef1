"""Calls and commands as the documents print them: each curl is a call that the API has, with a body that it
takes; each command of the operator's tool is one, in every document and also inside of a sentence."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter, ValidationError

from operate.__main__ import parser
from shared.api.app import _NOUNS
from shared.api.configurations import ConfigurationChange, ConfigurationIn
from shared.api.sign_in import SignInCompletion, SignInStart
from shared.nouns.incidents import IncidentChange
from shared.vendors.registry import VENDORS
from simulator import sample
from tests.test_documents import DOCUMENTS, FENCE, ROOT, text_of

OURS = re.compile(
    r"^(?:https?://(?:<your[ -]PocketSOC>|<your[ -]address>|localhost:7071)/api/v1"
    r"|\$API(?=/)|\$APP_URL/api/v1)"
)
BODIES = {
    ("POST", "/configurations"): ConfigurationIn,
    ("PATCH", "/configurations/{id}"): ConfigurationChange,
    ("PATCH", "/incidents/{id}"): IncidentChange,
    ("POST", "/configurations/{id}/sign-in"): SignInStart,
    ("POST", "/configurations/{id}/sign-in/complete"): SignInCompletion,
}


def blocks() -> Iterator[tuple[str, list[str]]]:
    """Each shell command of the documents, as words; a pipe begins another."""
    for path in DOCUMENTS:
        for language, block in FENCE.findall(re.sub(r"^ +(?=```|\S)", "", text_of(path), flags=re.MULTILINE)):
            if language == "bash":
                yield from ((path.name, words) for words in _commands(block))


def _commands(block: str) -> Iterator[list[str]]:
    # A place to be filled in is one word.
    block = re.sub(r"<[a-z][^<>\n]*>", lambda place: place[0].replace(" ", "-"), block)
    lexer = shlex.shlex(block.replace("\\\n", " ") + "\n", posix=True, punctuation_chars="|;&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, "#"
    words: list[str] = []
    for token in lexer:
        if set(token) <= set("|;&\n"):
            if words:
                yield words
            words = []
        else:
            words.append(token)
    if words:
        yield words


def calls() -> Iterator[tuple[str, str, str, Any]]:
    """Document, method, path below /api/v1 and body of each curl that calls this product's API."""
    for name, words in blocks():
        if words[0] != "curl":
            continue
        url = next((w for w in words if OURS.match(w)), None)
        given = {w: words[n + 1] for n, w in enumerate(words[:-1]) if w in ("-X", "-d", "--data")}
        body = given.get("-d", given.get("--data"))
        if url is not None:
            method = given.get("-X", "POST" if body else "GET")
            yield name, method, OURS.sub("", url).partition("?")[0], body


def operations() -> dict[tuple[str, str], re.Pattern[str]]:
    """Every operation of the API with a pattern for its paths."""
    routes = [route for noun in _NOUNS for route in noun.router.routes]
    paths = get_openapi(title="", version="", routes=routes)["paths"]
    return {
        (method.upper(), path): re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
        for path, methods in paths.items()
        for method in methods
    }


CALLS = list(calls())


def test_the_documents_call_the_api() -> None:
    """Else the tests below would look at nothing."""
    assert len(CALLS) > 15
    assert {name for name, *_ in CALLS} >= {"README.md", "deploy.md", "defender-xdr.md", "signing-in.md"}


@pytest.mark.parametrize(("name", "method", "path", "body"), CALLS)
def test_every_curl_is_a_call_that_the_api_has(name: str, method: str, path: str, body: str | None) -> None:
    """With a body that it takes; secrets and ids are left to the reader."""
    found = [key for key, pattern in operations().items() if key[0] == method and pattern.fullmatch(path)]

    assert len(found) == 1, f"{name}: {method} {path}"
    if body and body.startswith("{"):
        shape = BODIES[found[0]]
        TypeAdapter(shape).validate_json(body.replace("$IDENTITY", "id").replace("$(", "").replace("##", ""))


def vendor_forms() -> list[tuple[str, dict[str, Any]]]:
    """Every configuration that a guide makes by curl."""
    made = (json.loads(b) for _, m, p, b in CALLS if (m, p) == ("POST", "/configurations") and "<" in b)
    return [(one["vendor"], one["fields"]) for one in made]


@pytest.mark.parametrize(("slug", "fields"), vendor_forms())
def test_a_guides_configuration_is_taken_by_the_vendors_form(slug: str, fields: dict[str, Any]) -> None:
    """Once its places are filled in."""
    filled = {name: _filled(value) for name, value in fields.items()}

    try:
        VENDORS[slug].fields.model_validate(filled)
    except ValidationError as error:
        pytest.fail(str(error.errors(include_input=False)))


def test_every_vendor_is_configured_by_curl_in_its_guide() -> None:
    """And by command; see below."""
    assert {slug for slug, _ in vendor_forms()} == set(VENDORS)
    added = {words[words.index("add") + 1] for words in operate_commands() if "add" in words}
    assert added >= set(VENDORS)


def _filled(value: Any) -> Any:
    places = {
        "<tenant-id>": sample.TENANT_ID,
        "<client-id>": sample.CLIENT_ID,
        "<subscription-id>": sample.SUBSCRIPTION_ID,
        "<resource-group>": sample.RESOURCE_GROUP,
        "<workspace>": sample.WORKSPACE,
    }
    return places.get(value, value) if isinstance(value, str) else value


def operate_commands() -> list[list[str]]:
    """Every command of the operator's tool: in shell blocks, and in sentences."""
    found = [words for _, words in blocks() if "operate" in words]
    for path in DOCUMENTS:
        prose = FENCE.sub("", text_of(path))
        found += [shlex.split(line) for line in re.findall(r"`((?:\S+/)?python -m operate [^`.]+)`", prose)]
    return found


@pytest.mark.parametrize("words", operate_commands(), ids=" ".join)
def test_every_command_of_the_operators_tool_is_one(words: list[str]) -> None:
    """Its parser takes it."""
    rest = words[words.index("operate") + 1 :]
    redirected = next((n for n, w in enumerate(rest) if w in ("<", ">")), len(rest))

    assert callable(parser().parse_args(rest[:redirected]).run)


def test_a_command_that_adds_a_configuration_asks_for_its_secret() -> None:
    """A guide that forgets `--secret` is refused by the product."""
    added = [
        words for words in operate_commands() if "add" in words and not any("auth_type" in w for w in words)
    ]

    assert [" ".join(words) for words in added if "--secret" not in words] == []


def test_the_sample_values_are_the_simulators() -> None:
    """So that a guide can be followed on one's own machine."""
    page = text_of(Path(ROOT / "docs" / "setup" / "README.md"))

    for value in (
        *(sample.TENANT_ID, sample.TENANT_DOMAIN, sample.CLIENT_ID, sample.CLIENT_SECRET, sample.SECRET_ID),
        *(sample.EXPIRED_SECRET, sample.SUBSCRIPTION_ID, sample.RESOURCE_GROUP, sample.WORKSPACE),
        *(sample.USER_IDENTITY_CLIENT_ID, sample.STRANGER),
    ):
        assert f"`{value}`" in page
