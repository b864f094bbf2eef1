"""Sign-in as a person who has signed in before: the refresh token is kept, as an MSAL cache in the secret
store, and renewed before it is used.

Instances share one sign-in. Who renews it holds a claim; the others wait and use what it brought, so that
each new refresh token follows from the newest and none is lost. Storage is handed in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from shared.auth import aadsts
from shared.auth.cache import IssuedToken
from shared.auth.person import Conversation
from shared.errors import Conflict, SignInAgain, TryLater
from shared.nouns.configurations import AuthType, Cloud, Configuration, SecretField
from shared.nouns.sign_ins import HeldSignIn

if TYPE_CHECKING:
    from msal import ClientApplication, SerializableTokenCache

    from shared.auth.client_secret import SecretReader

LARGEST = 24_000  # bytes; Key Vault takes 25 KiB
_WAIT_SECONDS = 20.0
_PAUSE_SECONDS = 0.25
_ENOUGH_SECONDS = 300.0
_log = logging.getLogger(__name__)


class SignInKeeper(Protocol):
    """Where one configuration's sign-in is kept, shared by all instances."""

    def read(self) -> HeldSignIn | None:
        """The newest, whoever wrote it; None if nobody has signed in."""
        ...

    def claim(self) -> str | None:
        """The right to renew, for a minute or two; None while another instance has it."""
        ...

    def renew(self, claim: str, cache: str) -> None:
        """Keep what follows from the newest, and give the claim back. Raises Conflict when the claim was
        lost, TryLater when it cannot be kept now."""
        ...

    def release(self, claim: str) -> None:
        """Give the claim back without anything new."""
        ...

    def end(self, version: int, error: SignInAgain) -> None:
        """Note that this version no longer serves. Nothing, when a newer one is there."""
        ...


class Delegated:
    """Gets tokens for one configuration. `renew`: the first token for each audience is a new one, so that
    what has changed at Entra since is seen, also of a sign-in that had ended. `sleep` and `monotonic` are the
    clock while waiting for another instance.
    """

    def __init__(
        self,
        configuration: Configuration,
        cloud: Cloud,
        keeper: SignInKeeper,
        secrets: SecretReader,
        *,
        ca_bundle: str | None = None,
        renew: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configuration = configuration
        self._cloud = cloud
        self._keeper = keeper
        self._secrets = secrets
        self._ca_bundle = ca_bundle
        self._sleep = sleep
        self._monotonic = monotonic
        self._renew = renew
        self._given: dict[str, str] = {}

    def __call__(self, audience: str) -> IssuedToken:
        """A token for the resource `audience`: one that another instance got, or a new one."""
        until = self._monotonic() + _WAIT_SECONDS
        while True:
            held = self._held()
            found = self._found(held, audience)
            if found is not None:
                return self._give(audience, found)
            claim = self._keeper.claim()
            if claim is not None:
                return self._give(audience, self._renewed(claim, audience))
            if self._monotonic() > until:
                raise TryLater(
                    "Another instance renews this sign-in for too long; the next poll tries again."
                )
            self._sleep(_PAUSE_SECONDS)

    def _held(self) -> HeldSignIn:
        held = self._keeper.read()
        if held is None:
            raise _nobody(self._configuration)
        if held.made_at != self._configuration.signs_in_at:
            raise _elsewhere()
        if held.ended is not None and not self._renew:
            raise aadsts.ended(held.ended, held.code)
        return held

    def _give(self, audience: str, answer: dict[str, Any]) -> IssuedToken:
        text = str(answer["access_token"])
        self._given[audience] = text
        return IssuedToken(text, float(answer.get("expires_in") or 0))

    def _found(self, held: HeldSignIn, audience: str) -> dict[str, Any] | None:
        """A token that lies in the cache, if it lasts and is not the one that was of no use."""
        if self._renew and audience not in self._given:
            return None
        wanted, now = f"{audience}/.default", time.time()
        for entry in _cache(held.cache).search("AccessToken", target=[wanted]):
            left = float(entry.get("expires_on") or 0) - now
            if left > _ENOUGH_SECONDS and entry["secret"] != self._given.get(audience):
                return {"access_token": entry["secret"], "expires_in": left}
        return None

    def _renewed(self, claim: str, audience: str) -> dict[str, Any]:
        try:
            # Once more: another instance may have renewed it between the look and the claim.
            held = self._held()
            found = self._found(held, audience)
            if found is not None:
                self._keeper.release(claim)
                return found
            answer, cache = self._refresh(held, audience)
        except BaseException:
            self._keeper.release(claim)
            raise
        self._keep(claim, cache)
        return answer

    def _refresh(self, held: HeldSignIn, audience: str) -> tuple[dict[str, Any], SerializableTokenCache]:
        cache = _cache(held.cache)

        def question(app: ClientApplication) -> dict[str, Any] | None:
            accounts = app.get_accounts()
            account = accounts[0] if accounts else None
            scopes = [f"{audience}/.default"]
            found: dict[str, Any] | None = app.acquire_token_silent_with_error(
                scopes, account=account, force_refresh=True
            )
            return found

        conversation = Conversation(
            self._configuration,
            self._cloud,
            ca_bundle=self._ca_bundle,
            secret=secret_for(self._configuration, self._secrets) if held.proven else None,
            cache=cache,
        )
        try:
            answer = conversation.ask(question, again=True)
        except SignInAgain as error:
            if aadsts.is_dead(error.code):
                self._keeper.end(held.version, error)
            raise
        if "access_token" not in answer:
            raise _nobody(self._configuration)
        return answer, cache

    def _keep(self, claim: str, cache: SerializableTokenCache) -> None:
        for pause in (0.5, 2.0, None):
            try:
                self._keeper.renew(claim, packed(cache))
            except TryLater:
                if pause is None:
                    raise
                self._sleep(pause)
            except Conflict:
                # Another instance took over in the middle and renewed from the same token, which Entra lets
                # live on. What it kept is newer; the access token in hand is as good.
                _log.warning("a renewed sign-in of %s came too late", self._configuration.id)
                return
            else:
                return


def packed(cache: SerializableTokenCache) -> str:
    """The cache as text that the secret store takes: without access tokens if there are too many."""
    text: str = cache.serialize()
    if len(text.encode()) <= LARGEST:
        return text
    for entry in list(cache.search("AccessToken")):
        cache.remove_at(entry)
    return str(cache.serialize())


def secret_for(configuration: Configuration, secrets: SecretReader) -> str | None:
    """The app's own secret, where the configuration has one."""
    if configuration.auth_type is not AuthType.authorization_code:
        return None
    name = configuration.reference(SecretField.client_secret)
    return (secrets.get(name) or "").strip() or None if name else None


def _cache(text: str) -> SerializableTokenCache:
    from msal import SerializableTokenCache

    cache = SerializableTokenCache()
    cache.deserialize(text)
    return cache


def _elsewhere() -> SignInAgain:
    meaning = "the person signed in for another tenant, app or cloud than this configuration names now"
    remedy = "Start a new sign-in for this configuration."
    return SignInAgain(f"Sign in again: {meaning}. {remedy}", meaning=meaning, remedy=remedy)


def _nobody(configuration: Configuration) -> SignInAgain:
    remedy = "Start a sign-in for this configuration."
    return SignInAgain(
        f"Sign in again: nobody has signed in for this configuration yet. {remedy}",
        meaning="nobody has signed in for this configuration yet",
        remedy=remedy,
    )
