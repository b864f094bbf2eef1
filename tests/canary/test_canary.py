"""No secret leaves the secret store: after a bad day everything that was written, queued, answered, pushed,
raised or logged is searched for every secret there was."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from typing import Any

import pytest

from tests.canary.conftest import Lived
from tests.canary.watch import Watch

pytestmark = pytest.mark.peer

TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
PLANTED = "planted~Secret/with+odd=characters-42"


def test_the_day_was_bad_enough(lived: Lived) -> None:
    """Every kind of place was used, every kind of secret existed, and trouble was met on every way."""
    where = {place for place, _ in lived.watch.seen}
    said = "\n".join(text for _, text in lived.watch.seen)

    assert lived.watch.kinds() == {
        *("table", "queue", "blob", "answer", "push", "log", "error"),
        *("export", "operate"),
    }
    assert {"error worker", "push webpush", "push apns", "blob quarantine", "answer webhook"} <= where
    assert {"export collector", "export file", "table audit", "table exports", "operate check"} <= where
    assert "detection_id" in "".join(text for at, text in lived.watch.seen if at.startswith("export"))
    stored = {name.removeprefix("stored ") for name in lived.secrets if name.startswith("stored ")}
    assert {"web-push-vapid-key", "apns-signing-key"} <= stored
    assert any("seal" in name for name in stored)
    assert sum(name.startswith("vendor-") and name.count("-") == 1 for name in stored) >= 3
    assert sum("-sign-in-" in name for name in stored) >= 2
    assert sum(name.endswith(("-certificate", "-certificate-password")) for name in stored) == 2
    assert sum(name.startswith("refresh token") for name in lived.secrets) >= 2
    assert sum(name.startswith("access token") for name in lived.secrets) >= 5
    for words in (
        *("AADSTS7000215", "not even a new one", "asks to wait", "HTTP 500", "not JSON", "connection"),
        *("no bearer token", "does not take what is sent", "the chain is whole", "Give a fresh token"),
        *("Sign in again", "AADSTS50173", "does not serve either", "certificate cannot be read"),
        *("answered 403", "answered 500", "did not answer", "secrets file", "Failed again and again"),
    ):
        assert words in said, words


def test_no_secret_is_anywhere_but_in_the_secret_store(lived: Lived) -> None:
    """In no row, message, blob, answer, push, exception or log line, in no spelling."""
    found = {name: lived.watch.places_of(secret) for name, secret in lived.secrets.items()}

    assert {name: places for name, places in found.items() if places} == {}


def test_no_token_of_any_kind_is_anywhere(lived: Lived) -> None:
    """Also none that we sign ourselves for push services."""
    assert {where for where, text in lived.watch.seen if TOKEN.search(text)} == set()


@pytest.mark.parametrize(
    "hidden",
    [
        f"text {PLANTED} text",
        {"column": f"x{PLANTED}"},
        {"document": zlib.compress(PLANTED.encode())},
        gzip.compress(PLANTED.encode()),
        base64.b64encode(PLANTED.encode()),
        f"Basic {base64.b64encode(PLANTED.encode()).decode()}",
        "planted~Secret%2Fwith%2Bodd%3Dcharacters-42",
        PLANTED.encode().hex(),
    ],
    ids=["text", "column", "compressed column", "compressed", "base64", "header", "address", "hex"],
)
def test_the_search_finds_what_is_hidden(hidden: Any) -> None:
    """It would be worth nothing if it did not."""
    watch = Watch()
    watch.saw("table anywhere", hidden)

    assert watch.places_of(PLANTED) == {"table anywhere"}


def test_the_search_finds_a_line_of_a_key() -> None:
    """A key in PEM is a secret in each of its lines."""
    watch = Watch()
    key = f"-----BEGIN PRIVATE KEY-----\n{'A' * 64}\n{'B' * 30}\n-----END PRIVATE KEY-----\n"
    watch.saw("log anywhere", f"could not parse {'A' * 64}")

    assert watch.places_of(key) == {"log anywhere"}
