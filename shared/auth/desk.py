"""Where a person's sign-in for a configuration is begun, watched and completed.

A sign-in on its way survives a change of instance: what is secret about it lies in the secret store, how it
stands in a row that changes under its ETag, so that a code is redeemed once. The person must belong to the
configuration's tenant. Storage is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from shared.auth import authorization_code, device_code, tenants
from shared.auth.authorization_code import CodeFlow
from shared.auth.client_secret import SecretReader
from shared.auth.delegated import packed, secret_for
from shared.auth.device_code import DeviceFlow
from shared.errors import BadRequest, Conflict, NotFound, SignInFailed, TryLater
from shared.nouns.configurations import Cloud, CloudName, Configuration
from shared.nouns.detections import instant_of
from shared.nouns.sign_ins import KeptSignIn, PendingSignIn, SignIn, SignInMethod, SignInState

_TAKEN = timedelta(seconds=90)
_USED = frozenset({"AADSTS54005", "AADSTS90120"})


class SignInStore(Protocol):
    """Where sign-ins are kept; store.sign_ins has it."""

    def kept(self, configuration_id: str) -> KeptSignIn | None: ...
    def keep_new(
        self, configuration_id: str, cache: str, *, proven: bool, made_at: str, signed_in_as: str
    ) -> None: ...
    def begin(self, pending: PendingSignIn, secret: dict[str, Any]) -> None: ...
    def pending(self, configuration_id: str) -> PendingSignIn | None: ...
    def secret_of(self, pending: PendingSignIn) -> dict[str, Any]: ...
    def save_pending(self, pending: PendingSignIn) -> PendingSignIn: ...
    def spend(self, pending: PendingSignIn) -> None: ...


@dataclass(frozen=True)
class SignInDesk:
    """Begins, watches and completes. `signed_in` is told when somebody has signed in."""

    store: SignInStore
    secrets: SecretReader
    clouds: Mapping[CloudName, Cloud]
    public_url: str
    clock: Callable[[], datetime]
    signed_in: Callable[[Configuration], None] = lambda _: None
    ca_bundle: str | None = None

    def start(
        self, configuration: Configuration, audience: str, method: SignInMethod, redirect_uri: str | None
    ) -> SignIn:
        """Begin a sign-in, in place of one on its way. Raises BadRequest, SignInFailed, TryLater."""
        if not configuration.auth_type.delegated:
            raise BadRequest(
                "This configuration signs in as an app, not as a person. Change its auth type to device_code "
                "or authorization_code first."
            )
        cloud = self.clouds[configuration.cloud]
        if method is SignInMethod.device_code:
            flow = device_code.start(configuration, cloud, audience, ca_bundle=self.ca_bundle)
            return self._begun(configuration, method, asdict(flow), flow.expires_in, flow.interval)
        browser = authorization_code.start(
            configuration,
            cloud,
            audience,
            redirect_uri=authorization_code.redirect_for(redirect_uri, self.public_url),
            secret=secret_for(configuration, self.secrets),
            ca_bundle=self.ca_bundle,
        )
        return self._begun(configuration, method, asdict(browser), authorization_code.LIFETIME, 2)

    def _begun(
        self,
        configuration: Configuration,
        method: SignInMethod,
        secret: dict[str, Any],
        seconds: int,
        interval: int,
    ) -> SignIn:
        now = self.clock()
        pending = PendingSignIn(
            configuration_id=configuration.id,
            id=uuid4().hex,
            method=method,
            begun=instant_of(now),
            expires=instant_of(now + timedelta(seconds=seconds)),
            interval=interval,
            next_ask=instant_of(now + timedelta(seconds=interval)),
        )
        self.store.begin(pending, secret)
        return self._shown(pending)

    def look(self, configuration: Configuration) -> SignIn:
        """How it stands. With a device code Entra ID is asked, but not more often than it wants. Raises
        TryLater."""
        pending = self.store.pending(configuration.id)
        if pending is None:
            return self._settled(configuration.id)
        if pending.state is SignInState.pending and instant_of(self.clock()) >= pending.expires:
            pending = self._ended(pending, SignInState.expired)
        if pending.state is SignInState.pending and pending.method is SignInMethod.device_code:
            pending = self._asked(configuration, pending)
        return self._shown(pending)

    def _settled(self, configuration_id: str) -> SignIn:
        kept = self.store.kept(configuration_id)
        if kept is None:
            return SignIn(state=SignInState.none)
        state = SignInState.done if kept.ended is None else SignInState.failed
        return SignIn(
            state=state,
            problem=kept.problem,
            code=kept.code,
            signed_in_as=kept.signed_in_as,
            signed_in=kept.signed_in,
        )

    def _shown(self, pending: PendingSignIn) -> SignIn:
        known = {"state": pending.state, "method": pending.method, "expires": pending.expires}
        if pending.state is SignInState.done:  # and what has become of it since
            return self._settled(pending.configuration_id).model_copy(update={"method": pending.method})
        if pending.state is not SignInState.pending:
            return SignIn.model_validate(known | {"problem": pending.problem, "code": pending.code})
        try:
            secret = self.store.secret_of(pending)
        except NotFound:  # another instance is just done with it
            secret = {}
        names = ("user_code", "verification_uri", "authorize_url", "redirect_uri")
        shown = {name: secret.get(name) for name in names}
        return SignIn.model_validate(
            known | shown | {"state_value": secret.get("state"), "interval": pending.interval}
        )

    def _asked(self, configuration: Configuration, pending: PendingSignIn) -> PendingSignIn:
        now = self.clock()
        if instant_of(now) < (pending.next_ask or "") or instant_of(now) < (pending.taken_until or ""):
            return pending
        try:
            taken = self._take(pending)
        except Conflict:
            return pending  # another instance asks
        from msal import SerializableTokenCache

        cache = SerializableTokenCache()
        try:
            secret = self.store.secret_of(taken)
            flow = DeviceFlow(**{name: secret[name] for name in DeviceFlow.__dataclass_fields__})
            cloud = self.clouds[configuration.cloud]
            heard = device_code.ask(configuration, cloud, flow, cache=cache, ca_bundle=self.ca_bundle)
            if heard.state is SignInState.done:
                return self._finished(configuration, taken, cache, heard.answer, proven=False)
        except (TryLater, NotFound):
            self._give_back(taken)
            raise
        except SignInFailed as error:
            return self._ended(taken, SignInState.failed, error)
        # Beside what Entra said now, what it said before counts: an interval never becomes shorter.
        interval = taken.interval + heard.interval - flow.interval
        if heard.state is SignInState.pending:
            return self._give_back(taken, interval)
        return self._ended(taken, heard.state, heard.error)

    def complete(
        self, configuration: Configuration, redirect_url: str | None, code: str | None, state: str | None
    ) -> SignIn:
        """Complete a sign-in in the browser: the address it ended at, or its code and state. Raises
        BadRequest when that belongs to no sign-in on its way (which then still waits), Conflict, TryLater."""
        pending = self.store.pending(configuration.id)
        if pending is None or pending.method is not SignInMethod.authorization_code:
            raise BadRequest("No sign-in in the browser is on its way for this configuration: start one.")
        if pending.state is SignInState.pending and instant_of(self.clock()) >= pending.expires:
            return self._shown(self._ended(pending, SignInState.expired))
        if pending.state is not SignInState.pending:
            raise Conflict(f"This sign-in has ended already ({pending.state}): start another one.")
        flow = _code_flow(self.store.secret_of(pending))
        values = authorization_code.answer_in(redirect_url, code, state, flow)
        return self._shown(self._redeemed(configuration, self._take(pending), flow, values))

    def _redeemed(
        self, configuration: Configuration, taken: PendingSignIn, flow: CodeFlow, values: dict[str, str]
    ) -> PendingSignIn:
        from msal import SerializableTokenCache

        cache = SerializableTokenCache()
        try:
            answer = authorization_code.redeem(
                configuration,
                self.clouds[configuration.cloud],
                flow,
                values,
                secret=secret_for(configuration, self.secrets),
                cache=cache,
                ca_bundle=self.ca_bundle,
            )
            return self._finished(configuration, taken, cache, answer, proven=flow.proven)
        except SignInFailed as error:
            used = error.code in _USED
            return self._ended(taken, SignInState.code_used if used else SignInState.failed, error)
        except TryLater:
            self._give_back(taken)
            raise

    def _finished(
        self,
        configuration: Configuration,
        taken: PendingSignIn,
        cache: Any,
        answer: dict[str, Any],
        *,
        proven: bool,
    ) -> PendingSignIn:
        claims = answer.get("id_token_claims") or {}
        wrong = self._wrong_tenant(configuration, claims)
        if wrong is not None:
            return self._ended(taken, SignInState.failed, wrong)
        who = str(claims.get("preferred_username") or claims.get("name") or "somebody")[:200]
        made_at = configuration.signs_in_at
        self.store.keep_new(configuration.id, packed(cache), proven=proven, made_at=made_at, signed_in_as=who)
        ended = self._ended(taken, SignInState.done)
        self.signed_in(configuration)
        return ended

    def _wrong_tenant(self, configuration: Configuration, claims: Mapping[str, Any]) -> SignInFailed | None:
        cloud, found = self.clouds[configuration.cloud], str(claims.get("tid", "")).lower()
        wanted = tenants.tenant_id(configuration.tenant_id or "", cloud, ca_bundle=self.ca_bundle)
        if found == wanted:
            return None
        remedy = "Sign in with an account of that tenant, or correct this configuration's tenant id."
        meaning = f"the person belongs to the tenant {found or 'unknown'}, not to {wanted}"
        return SignInFailed(f"Sign-in failed: {meaning}. {remedy}", meaning=meaning, remedy=remedy)

    def _take(self, pending: PendingSignIn) -> PendingSignIn:
        """Only one instance goes on from here. Raises Conflict."""
        now = instant_of(self.clock())
        if now < (pending.taken_until or ""):
            raise Conflict("This sign-in is just being completed: look how it stands.")
        update = {"taken_until": instant_of(self.clock() + _TAKEN)}
        return self.store.save_pending(pending.model_copy(update=update))

    def _give_back(self, taken: PendingSignIn, interval: int | None = None) -> PendingSignIn:
        seconds = interval or taken.interval
        update = {
            "taken_until": None,
            "interval": seconds,
            "next_ask": instant_of(self.clock() + timedelta(seconds=seconds)),
        }
        return self._saved(taken.model_copy(update=update))

    def _ended(
        self, pending: PendingSignIn, state: SignInState, error: SignInFailed | None = None
    ) -> PendingSignIn:
        update = {
            "state": state,
            "taken_until": None,
            "problem": str(error) if error else None,
            "code": error.code if error else None,
        }
        ended = self._saved(pending.model_copy(update=update))
        if ended.id == pending.id:
            self.store.spend(ended)
        return ended

    def _saved(self, pending: PendingSignIn) -> PendingSignIn:
        """Stored; or what another instance, or a newer sign-in, has made of it meanwhile."""
        try:
            return self.store.save_pending(pending)
        except Conflict:
            return self.store.pending(pending.configuration_id) or pending


def _code_flow(secret: dict[str, Any]) -> CodeFlow:
    return CodeFlow(**{name: secret[name] for name in CodeFlow.__dataclass_fields__})
