"""What Entra ID's sign-in errors mean to the operator, and what to do about each.

`explain` turns a token endpoint's answer into the error to raise. Microsoft says that numbers and texts may
change, so an unknown one is shown as it came, made safe to show. Source: Microsoft's "Microsoft Entra
authentication and authorization error codes" page and "Error codes" of the Defender for Endpoint API.
"""

from __future__ import annotations

import json
import re
from typing import Any

from shared.auth.wire import quoted
from shared.errors import SignInAgain, SignInFailed, Throttled, TryLater

_DEFAULT_WAIT = 60.0
TRANSIENT = frozenset({"90006", "90012", "90024", "90033", "90090", "50000"})
THROTTLED = frozenset({"90055"})

_NEW_SECRET = (
    "Make a new secret in Entra ID > App registrations > Certificates & secrets and put its value into "
    "this configuration."
)
_IDS = "Compare this configuration's client id and tenant id with Entra ID > App registrations > Overview."
_CLOUD = "Choose the cloud the tenant lives in, or correct the tenant id, in this configuration."
_CONSENT = "Grant admin consent in Entra ID > App registrations > API permissions."
_RESOURCE = (
    "Check this configuration's cloud and tenant id, that the tenant is licensed for the product, and that "
    "the product's permissions are listed in Entra ID > App registrations > API permissions."
)
_ASSIGN = "Assign the app in Entra ID > Enterprise applications > (the API) > Users and groups."
_POLICY = "Ask who keeps Conditional Access to exclude this app, or to allow the addresses it calls from."
_NOT_BY_CODE = (
    "Sign in with the authorization code way instead, or ask who keeps Conditional Access to allow it."
)
_CERTIFICATE = "Upload the certificate in use to Entra ID > App registrations > Certificates & secrets."
_FEDERATED = (
    "Compare issuer, subject and audience in Entra ID > App registrations > Certificates & secrets > "
    "Federated credentials with the identity in use; upper and lower case count."
)
_IN_PERSON = (
    "Start a new sign-in for this configuration and do what Entra ID asks for; or let this product sign in "
    "as an app, without a person."
)
_REPORT = (
    "This is a fault of this product or of the address it was given: check the base URL and cloud, then "
    "report it."
)
_CLOCK = "Correct the clock of the machine this runs on, then try again."
_USER_AGAIN = "Start a new sign-in for this configuration."
_ACCOUNT = "Sign in with another account, or have whoever keeps the tenant's accounts repair this one."
_OWN_TENANT = "Sign in with an account of the configuration's tenant, or correct the tenant id."
_PUBLIC = (
    "In Entra ID > App registrations > Authentication set Allow public client flows to Yes; or, for the "
    "redirect address of a web app, enter the app's client secret."
)

# What only a person can mend, by signing in again.
_ENDED = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})

# A kept sign-in that is refused so is dead. Consent, policies and MFA can be mended without it.
_DEAD = frozenset({"50173", "700082", "70008", "70043", "700084", "70000", "50132", "50133"})

# code: (what it means, what to do). Completes "Sign-in failed: <what it means> (AADSTS<code>). <what to do>"
MEANINGS: dict[str, tuple[str, str]] = {
    "7000215": (
        "the client secret is wrong",
        "Most often the secret's id was pasted instead of its value. " + _NEW_SECRET,
    ),
    "7000222": ("the client secret has expired", _NEW_SECRET),
    "7000216": ("no client secret was sent", _NEW_SECRET),
    "7000218": ("the app must send a client secret and did not", _PUBLIC),
    "700016": ("the tenant does not know an app with this client id", _IDS),
    "700011": ("the tenant does not know an app with this client id, or nobody consented to it there", _IDS),
    "70001": (
        "the app is disabled or unknown in the tenant",
        "Enable it in Entra ID > Enterprise applications > Properties.",
    ),
    "7000112": (
        "the app is disabled in its own tenant",
        "Enable it in Entra ID > App registrations > Overview.",
    ),
    "700025": (
        "the redirect address belongs to a public client, which may not use a secret",
        "Remove the client secret from this configuration, or register the address under Web.",
    ),
    "700027": ("the certificate's signature was not accepted", _CERTIFICATE),
    "50012": ("the certificate's signature was not accepted", _CERTIFICATE),
    "1000502": ("the certificate has expired", _CERTIFICATE),
    "700023": ("the assertion is meant for another sign-in service", _CLOUD),
    "700030": ("the certificate's name does not belong to this app", _CERTIFICATE),
    "700024": ("the assertion is not valid at this time", _CLOCK),
    "500133": ("the assertion is not valid at this time", _CLOCK),
    "70021": ("no federated credential of the app matches the identity", _FEDERATED),
    "700211": ("the federated credential has another issuer", _FEDERATED),
    "700212": ("the federated credential has another audience", _FEDERATED),
    "700213": ("the federated credential has another subject", _FEDERATED),
    "90002": ("there is no such tenant in this cloud", _CLOUD),
    "900023": ("the tenant id is neither an id nor a domain", _CLOUD),
    "90038": ("the tenant lives in another cloud", _CLOUD),
    "900382": ("the tenant lives in another cloud", _CLOUD),
    "900432": ("the tenant lives in another cloud", _CLOUD),
    "50194": (
        "the app belongs to one tenant, but none was named",
        "Put the tenant id into this configuration.",
    ),
    "500011": ("the tenant does not have the API that a token was asked for", _RESOURCE),
    "50001": ("the tenant does not have the API that a token was asked for", _RESOURCE),
    "650057": ("the API is not in the app's list of permissions", _RESOURCE),
    "650052": ("the tenant has no subscription to the API, or has switched it off", _RESOURCE),
    "70011": ("the scope is not one", _REPORT),
    "1002012": ("the scope is not one an app may ask for", _REPORT),
    "28002": ("the scope is not one", _REPORT),
    "900144": ("the request lacked a field", _REPORT),
    "65001": ("nobody has consented to the app's permissions", _CONSENT),
    "90094": ("an administrator must consent to the app's permissions", _CONSENT),
    "90095": ("an administrator was asked for consent and has not given it yet", _CONSENT),
    "65004": ("consent was declined", _CONSENT),
    "650056": ("the app's permissions are misconfigured, or nobody consented", _CONSENT),
    "501051": ("the API takes only apps that are assigned to it", _ASSIGN),
    "50105": ("the app takes only those who are assigned to it", _ASSIGN),
    "50076": ("multi-factor authentication is required", _IN_PERSON),
    "50079": ("multi-factor authentication must be set up first", _IN_PERSON),
    "50158": ("a further check outside Entra ID is required", _IN_PERSON),
    "53000": ("Conditional Access requires a compliant device", _POLICY),
    "53001": ("Conditional Access requires a joined device", _POLICY),
    "53002": ("Conditional Access requires an approved app", _POLICY),
    "53003": ("Conditional Access blocks this app or its address", _POLICY),
    "530035": ("the tenant's security defaults block this sign-in", _POLICY),
    "530036": ("Conditional Access blocks sign-in with a device code", _NOT_BY_CODE),
    "70018": ("Entra ID does not know the device code", _USER_AGAIN),
    "70019": ("the device code has expired", _USER_AGAIN),
    "70020": ("the device code has expired", _USER_AGAIN),
    "90119": ("no device code was typed in", _USER_AGAIN),
    "90120": ("the device code was used already", _USER_AGAIN),
    "50134": ("the account lives in another region's data centre", _USER_AGAIN),
    "53011": ("the account is blocked as risky in its home tenant", _POLICY),
    "530034": ("the account is blocked as risky in its home tenant", _POLICY),
    "50173": ("the sign-in was revoked", _USER_AGAIN),
    "700082": ("the sign-in was not used for too long", _USER_AGAIN),
    "70008": ("the sign-in has expired", _USER_AGAIN),
    "70043": ("the sign-in is older than the tenant's policy allows", _USER_AGAIN),
    "700084": ("the browser's sign-in has ended after its fixed time", _USER_AGAIN),
    "70000": ("the sign-in is not accepted any more", _USER_AGAIN),
    "50132": ("the sign-in was revoked", _USER_AGAIN),
    "50133": ("the sign-in ended with a change of the password", _USER_AGAIN),
    "50126": ("user name or password is wrong", _ACCOUNT),
    "50034": ("the tenant does not know this user", _OWN_TENANT),
    "50020": ("the account belongs to another tenant", _OWN_TENANT),
    "90072": ("the account belongs to another tenant", _OWN_TENANT),
    "50053": ("the account is locked", _ACCOUNT),
    "50055": ("the password has expired", _ACCOUNT),
    "50057": ("the account is disabled", _ACCOUNT),
    "50011": (
        "the redirect address is not one of the app's",
        "Add it in Entra ID > App registrations > Authentication.",
    ),
    "70004": (
        "the redirect address is not valid",
        "Correct it in Entra ID > App registrations > Authentication.",
    ),
    "900971": (
        "the app has no redirect address",
        "Add one in Entra ID > App registrations > Authentication.",
    ),
    "54005": ("the sign-in's code was used already", _USER_AGAIN),
    "501481": ("the sign-in's proof does not match", _USER_AGAIN),
    "50148": ("the sign-in's proof does not match", _USER_AGAIN),
    "50147": ("the sign-in's proof has a wrong length", _USER_AGAIN),
    "50196": (
        "the same token was asked for too often",
        "Wait some minutes. If it goes on, look for a second copy of this app.",
    ),
    "50199": ("Entra ID wants a person to confirm", _IN_PERSON),
}

_CODE = re.compile(r"AADSTS(\d{4,9})")
_TRACE = re.compile(r"Trace ID:\s*([0-9A-Fa-f-]{36})")
_TIME = re.compile(r"(?:Timestamp:\s*)?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)")
_WORD = re.compile(r"[^\s'\",;()\[\]{}<>]{16,}")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PLAIN = re.compile(r"https?://[\w./:-]*|[A-Za-z]+([._:/-][A-Za-z]+)*[.:]?|[\d:.TZ-]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_TRAILER = re.compile(r"\s*Trace ID:.*", re.DOTALL)


def explain(
    text: str,
    *,
    status: int | None = None,
    retry_after: float | None = None,
    secret: str | None = None,
    person: bool = False,
) -> SignInFailed | TryLater:
    """The error for a token endpoint's answer `text` (its JSON body, or any text with an AADSTS number in
    it).

    `status` and `retry_after` (seconds) are the answer's, if known. Should the answer repeat `secret`, that
    is taken out. `person`: a kept sign-in of a person was refused; where only a new one helps that is
    SignInAgain.
    """
    body = _object(text)
    description = str(body.get("error_description") or body.get("message") or ("" if body else text))
    code = _code(body, description)
    if status == 429 or code in THROTTLED:
        wait = _DEFAULT_WAIT if retry_after is None else retry_after
        return Throttled("Entra ID asks to sign in less often; the next attempt waits.", retry_after=wait)
    if code in TRANSIENT or (code is None and (not body.get("error") or (status or 0) >= 500)):
        named = f" ({_named(code, status)})" if code or status else ""
        return TryLater(
            f"Entra ID's sign-in service is out of order for the moment{named}; the next poll tries again.",
            retry_after=retry_after,
        )
    meaning, remedy = MEANINGS.get(code or "") or _unknown(code, body, description, secret)
    return _refused(code, meaning, remedy, _where(body, text), again=person and body.get("error") in _ENDED)


def refused(code: str) -> SignInFailed:
    """The error for what we find out ourselves and Entra has a number for."""
    meaning, remedy = MEANINGS[code]
    return _refused(code, meaning, remedy, "", again=False)


def is_dead(code: str | None) -> bool:
    """Whether a kept sign-in that was refused with this number can never be used again."""
    return (code or "").removeprefix("AADSTS") in _DEAD


def ended(text: str, code: str | None) -> SignInAgain:
    """The error that `text` and `code` were kept of, when a sign-in ended."""
    meaning, remedy = MEANINGS.get((code or "").removeprefix("AADSTS"), (None, None))
    return SignInAgain(text, code=code, meaning=meaning, remedy=remedy)


def _refused(code: str | None, meaning: str, remedy: str, where: str, *, again: bool) -> SignInFailed:
    kind, begins = (SignInAgain, "Sign in again") if again else (SignInFailed, "Sign-in failed")
    named = f" (AADSTS{code})" if code else ""
    does = f" {remedy}" if remedy else ""
    number = f"AADSTS{code}" if code else None
    return kind(
        f"{begins}: {meaning}{named}.{does}{where}", code=number, meaning=meaning, remedy=remedy or None
    )


def _unknown(code: str | None, body: dict[str, Any], description: str, secret: str | None) -> tuple[str, str]:
    said = _CODE.sub("", _TRAILER.sub("", description)).lstrip(": ") or str(body.get("error", ""))
    sentence = _first_sentence(said.replace(secret, "") if secret else said) or "Entra ID gave no reason"
    lookup = f"Look the number up at https://login.microsoftonline.com/error?code={code}." if code else ""
    return sentence, lookup


def _first_sentence(said: str) -> str:
    # An error nobody has described might repeat anything: keep words, ids, addresses and times, drop what
    # looks like a key.
    return _SENTENCE.split(_WORD.sub(_unless_key, quoted(said, limit=2000)), maxsplit=1)[0][:300].rstrip(". ")


def _unless_key(match: re.Match[str]) -> str:
    word = match[0]
    return word if _GUID.search(word) or _PLAIN.fullmatch(word) else "[removed]"


def _object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _code(body: dict[str, Any], description: str) -> str | None:
    listed = body.get("error_codes")
    codes = [str(one) for one in listed if str(one).isdigit()] if isinstance(listed, list) else []
    codes += _CODE.findall(description)
    return next((one for one in codes if one in MEANINGS), codes[0] if codes else None)


def _named(code: str | None, status: int | None) -> str:
    return f"AADSTS{code}" if code else f"HTTP {status}"


def _where(body: dict[str, Any], text: str) -> str:
    """Trace id and time: what Microsoft's support asks for."""
    trace = _TRACE.search(f"Trace ID: {body.get('trace_id', '')} {text}") or _TRACE.search(text)
    time = _TIME.search(str(body.get("timestamp", ""))) or _TIME.search(text)
    if trace is None:
        return ""
    return f" Trace id {trace[1]}{f', {time[1]}' if time else ''}."
