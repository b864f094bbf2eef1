"""What Entra's answers are turned into."""

from __future__ import annotations

import json

import pytest

from shared.auth.aadsts import MEANINGS, explain
from shared.errors import SignInAgain, SignInFailed, Throttled, TryLater

_DOCUMENTED = (
    "7000215 7000222 7000216 7000218 700016 700011 70001 700025 700027 50012 700030 700024 500133 "
    "70021 700211 700212 700213 90002 900023 90038 900382 900432 50194 500011 50001 650057 650052 "
    "70011 1002012 28002 900144 65001 90094 90095 65004 650056 501051 50105 50076 50079 50158 53000 "
    "53001 53002 53003 530035 53011 530034 50173 700082 70008 70043 700084 50126 50034 50053 50055 "
    "50057 50011 70004 900971 54005 501481 50147 50196 50199 "
)
_TRACE = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def _body(
    code: int, text: str, *, error: str = "invalid_client", separator: str = "\r\n", bare: bool = False
) -> str:
    trailer = (f"Trace ID: {_TRACE}", "Correlation ID: x", "Timestamp: 2026-11-20 10:00:00Z")
    body = {"error": error, "error_description": separator.join((f"AADSTS{code}: {text}", *trailer))}
    if not bare:
        body |= {"error_codes": [code], "trace_id": _TRACE, "timestamp": "2026-11-20 10:00:00Z"}
    return json.dumps(body)


def test_an_expired_secret_reads_as_the_operator_needs_it():
    """Meaning, number, remedy, then what Microsoft's support asks for."""
    error = explain(_body(7000222, "The provided client secret keys are expired."), status=401)

    assert isinstance(error, SignInFailed)
    assert error.code == "AADSTS7000222"
    assert str(error) == (
        "Sign-in failed: the client secret has expired (AADSTS7000222). Make a new secret in Entra ID > "
        "App registrations > Certificates & secrets and put its value into this configuration. "
        f"Trace id {_TRACE}, 2026-11-20 10:00:00Z."
    )


@pytest.mark.parametrize("code", _DOCUMENTED.split())
def test_every_documented_code_is_explained(code):
    """Each code has its own meaning and remedy, and never Entra's own text."""
    error = explain(_body(int(code), "Entra's own words"), status=400)

    meaning, remedy = MEANINGS[code]
    assert isinstance(error, SignInFailed)
    assert str(error).startswith(f"Sign-in failed: {meaning} (AADSTS{code}). {remedy} Trace id")
    assert "own words" not in str(error)


@pytest.mark.parametrize("separator", ["\r\n", " "])
def test_the_trailer_is_found_in_the_description(separator):
    """Where the body has no fields for them, trace id and time come from the description."""
    error = explain(_body(700016, "Not found.", separator=separator, bare=True))

    assert str(error).endswith(f"Trace id {_TRACE}, 2026-11-20 10:00:00Z.")


def test_an_exceptions_text_is_explained_like_a_body():
    """The text of a library's exception is enough."""
    error = explain("Authentication failed: AADSTS7000215: Invalid client secret provided. Trace ID: none")

    assert isinstance(error, SignInFailed)
    assert error.code == "AADSTS7000215"


def test_the_known_code_of_several_counts():
    """An unknown number before a known one does not hide it."""
    body = json.dumps({"error": "invalid_grant", "error_codes": [123456, 53003], "error_description": "x"})

    assert explain(body).code == "AADSTS53003"


@pytest.mark.parametrize("code", [90006, 90012, 90024, 90033, 90090, 50000])
def test_passing_trouble_is_for_later(code):
    """Codes that Microsoft calls transient are retried, whatever the status."""
    error = explain(_body(code, "Try again."), status=400)

    assert type(error) is TryLater
    assert f"AADSTS{code}" in str(error)


@pytest.mark.parametrize(("code", "status"), [(90055, 400), (7000215, 429)])
def test_throttling_is_recognised_by_code_and_by_status(code, status):
    """Both ways to say "too often" wait as long as was asked."""
    error = explain(_body(code, "Too many."), status=status, retry_after=12.0)

    assert isinstance(error, Throttled)
    assert error.retry_after == 12.0


def test_throttling_without_a_time_waits_a_minute():
    """No Retry-After means 60 seconds."""
    error = explain("", status=429)

    assert isinstance(error, Throttled)
    assert error.retry_after == 60.0


@pytest.mark.parametrize("text", ["", "<html>Bad gateway</html>", "[]", "null", "{}"])
@pytest.mark.parametrize("status", [None, 400, 403, 502])
def test_an_answer_that_is_not_entras_is_for_later(text, status):
    """A proxy's page does not make anybody change a secret."""
    assert type(explain(text, status=status)) is TryLater


def test_an_unknown_code_keeps_entras_first_sentence():
    """What nobody has described is shown with its number, its first sentence and where to look it up."""
    error = explain(_body(7654321, "The moon is in the wrong house. Wait for Tuesday."), status=400)

    assert str(error).startswith(
        "Sign-in failed: The moon is in the wrong house (AADSTS7654321). Look the number up at "
        "https://login.microsoftonline.com/error?code=7654321. Trace id"
    )


def test_an_unknown_code_does_not_repeat_what_looks_like_a_key():
    """Should Entra repeat the request, neither the known secret nor anything like one is shown; ids stay."""
    guid = "11111111-2222-3333-4444-555555555555"
    said = (
        f"App '{guid}' sent 'short~1' and 'aB3~xYz9.Qw4Er5Ty6Ui7Op' for https://api.vendor.example/.default"
    )

    text = str(explain(_body(7654321, said), status=400, secret="short~1"))

    assert "short~1" not in text
    assert "xYz9" not in text
    assert guid in text
    assert "https://api.vendor.example/.default" in text


def test_an_error_without_a_number_is_explained():
    """A standard OAuth error without Entra's number still says something."""
    error = explain(json.dumps({"error": "invalid_client", "error_description": "Bad client."}), status=401)

    assert isinstance(error, SignInFailed)
    assert str(error) == "Sign-in failed: Bad client."
    assert error.code is None


@pytest.mark.parametrize("code", [50173, 700082, 70008, 70043, 700084, 50076, 50132, 65001, 53003])
def test_a_kept_sign_in_that_is_refused_asks_for_a_new_one(code):
    """Nothing but a person helps: told apart from all else, cause and remedy apart."""
    error = explain(_body(code, "Entra's own words", error="invalid_grant"), status=400, person=True)

    meaning, remedy = MEANINGS[str(code)]
    assert type(error) is SignInAgain
    assert str(error).startswith(f"Sign in again: {meaning} (AADSTS{code}). {remedy}")
    assert (error.meaning, error.remedy) == (meaning, remedy)


@pytest.mark.parametrize(
    ("code", "error", "person"),
    [
        (7000222, "invalid_client", True),
        (700016, "unauthorized_client", True),
        (65001, "invalid_grant", False),
    ],
)
def test_what_a_person_cannot_mend_does_not_ask_for_one(code, error, person):
    """A wrong app or secret, and an app that signs in alone."""
    assert type(explain(_body(code, "x", error=error), status=401, person=person)) is SignInFailed
