"""Sign-in of a person in the browser: authorization code with PKCE (S256), state and nonce, for the native
app's redirect address and for the portal's.

Any app can claim a custom scheme, so the verifier never leaves us and `state` must come back. A native
address never goes with the app's secret; a web app's address goes with it where the configuration has one.
Source: "OAuth 2.0 authorization code flow", RFC 7636, RFC 8252.
"""

from __future__ import annotations

import hmac
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from shared.auth.person import Conversation
from shared.errors import BadRequest, SignInFailed
from shared.nouns.configurations import Cloud, Configuration

if TYPE_CHECKING:
    from msal import SerializableTokenCache

NATIVE = "pocketsoc://auth"
LIFETIME = 600  # seconds; an authorization code lives about as long
_LONGEST = 8_000


@dataclass(frozen=True)
class CodeFlow:
    """A sign-in in the browser: the page to open, and what completes it. `kept` is MSAL's, with the verifier
    and the nonce in it; `proven`: the app's secret goes with it."""

    authorize_url: str
    state: str
    redirect_uri: str
    kept: dict[str, Any] = field(repr=False)
    proven: bool = False


def redirect_for(wanted: str | None, public_url: str) -> str:
    """The redirect address that may be used: the native app's, with or without a slash at its end, or one
    below the product's own address. Raises BadRequest for any other."""
    address = (wanted or NATIVE).strip()
    if address.rstrip("/") == NATIVE:
        return NATIVE
    own = urlsplit(public_url.rstrip("/"))
    try:
        parts = urlsplit(address)
        same = (parts.scheme, parts.netloc) == (own.scheme, own.netloc) and not (
            parts.query or parts.fragment
        )
    except ValueError:
        same = False
    if not same or not parts.path.startswith(f"{own.path}/"):
        raise BadRequest(
            f"The redirect address must be {NATIVE} or one below this product's own address (the setting "
            "POCKETSOC_PUBLIC_URL)."
        )
    return address


def start(
    configuration: Configuration,
    cloud: Cloud,
    audience: str,
    *,
    redirect_uri: str,
    secret: str | None,
    ca_bundle: str | None,
) -> CodeFlow:
    """A page to open. `secret` is the app's, if it has one. Raises SignInFailed and TryLater."""
    proven = secret is not None and redirect_uri != NATIVE
    conversation = Conversation(configuration, cloud, ca_bundle=ca_bundle, secret=secret if proven else None)

    def question(app: Any) -> dict[str, Any]:
        # It recommends form_post, which neither a custom scheme nor a page without a server can take.
        warnings.filterwarnings("ignore", message="response_mode='form_post'")
        flow: dict[str, Any] = app.initiate_auth_code_flow(
            [f"{audience}/.default"], redirect_uri=redirect_uri
        )
        return flow

    kept = conversation.ask(question)
    url, state = str(kept.pop("auth_uri")), str(kept["state"])
    return CodeFlow(url, state, redirect_uri, kept, proven)


def answer_in(
    redirect_url: str | None, code: str | None, state: str | None, flow: CodeFlow
) -> dict[str, str]:
    """What the browser brought back: out of the whole address that it ended at, or typed apart. Raises
    BadRequest when it belongs to another sign-in."""
    values = _values(redirect_url, flow) if redirect_url else {"code": code or "", "state": state or ""}
    if not hmac.compare_digest(values.get("state", "").encode(), flow.state.encode()):
        raise BadRequest(
            "This belongs to another sign-in: its state is not that of the one that was started last. Start "
            "the sign-in again."
        )
    if not values.get("code") and not values.get("error"):
        raise BadRequest("There is no code in it. Give the whole address at which the browser ended.")
    return values


def _values(redirect_url: str, flow: CodeFlow) -> dict[str, str]:
    address, _, query = redirect_url.strip()[:_LONGEST].partition("?")
    if address.rstrip("/") != flow.redirect_uri.rstrip("/"):
        raise BadRequest(
            f"The address does not begin with {flow.redirect_uri}, where the browser was to end."
        )
    return dict(parse_qsl(query.partition("#")[0]))


def redeem(
    configuration: Configuration,
    cloud: Cloud,
    flow: CodeFlow,
    values: dict[str, str],
    *,
    secret: str | None,
    cache: SerializableTokenCache,
    ca_bundle: str | None,
) -> dict[str, Any]:
    """MSAL's answer for the code. Raises SignInFailed and TryLater."""
    if values.get("error"):
        raise _refused(values)
    conversation = Conversation(
        configuration, cloud, ca_bundle=ca_bundle, secret=secret if flow.proven else None, cache=cache
    )
    return conversation.ask(lambda app: _redeemed(app, flow, values))


def _redeemed(app: Any, flow: CodeFlow, values: dict[str, str]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = app.acquire_token_by_auth_code_flow(dict(flow.kept), values)
    except RuntimeError:  # MSAL's word for a nonce that does not fit, with the nonces in it
        raise SignInFailed(
            "Sign-in failed: what Entra ID gave belongs to another sign-in. Start it again."
        ) from None
    return answer


def _refused(values: dict[str, str]) -> SignInFailed:
    import json

    from shared.auth import aadsts

    said = {"error": values["error"], "error_description": values.get("error_description", "")}
    found = aadsts.explain(json.dumps(said), status=400)
    return found if isinstance(found, SignInFailed) else SignInFailed(str(found))
