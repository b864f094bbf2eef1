"""People's sign-ins: what is known of them in rows, their secrets in the secret store.

A kept sign-in has three places in the secret store. Who renews it writes into one that is neither the newest
nor the target of whoever held the claim before, and only then moves the row on under its ETag: so nothing
newer can be overwritten, not even by an instance that slept through the end of its claim. The content
names its version, because the secret store may answer with one that is a minute old.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from shared.errors import Conflict, NotFound, RowChanged, SignInAgain, TryLater
from shared.nouns.detections import instant_of
from shared.nouns.sign_ins import HeldSignIn, KeptSignIn, PendingSignIn
from shared.store.stores import Delete, Replace, Row, Secrets, Table, Tables, as_read, key_safe, until_first

CLAIM_LIFE = timedelta(seconds=90)
_PLACES = (0, 1, 2)
_KEPT, _PENDING = "sign-in", "pending"
_ATTEMPTS = 10
_SPENT = '{"spent": true}'


class SignIns:
    """Every person's sign-in, by configuration."""

    def __init__(self, *, tables: Tables, secrets: Secrets, clock: Callable[[], datetime]) -> None:
        self._tables = tables
        self._secrets = secrets
        self._clock = clock

    def keeper(self, configuration_id: str) -> Keeper:
        """One configuration's."""
        return Keeper(self, configuration_id)

    def kept(self, configuration_id: str) -> KeptSignIn | None:
        """What is known of a configuration's sign-in; None if nobody has signed in. One storage call."""
        row = self._tables.get(Table.credentials, key_safe(configuration_id), _KEPT)
        return None if row is None else _kept(row)

    def keep_new(
        self, configuration_id: str, cache: str, *, proven: bool, made_at: str, signed_in_as: str
    ) -> None:
        """Keep a new sign-in in place of what there was. Raises TryLater."""

        def attempt() -> None:
            before = self.kept(configuration_id)
            made = KeptSignIn(
                configuration_id=configuration_id,
                made_at=made_at,
                version=before.version + 1 if before else 1,
                place=_free(before),
                signed_in_as=signed_in_as,
                signed_in=instant_of(self._clock()),
                claimed_place=before.claimed_place if before else None,
                etag=before.etag if before else "",
            )
            self.put(made, cache, proven=proven)
            self.save_kept(made)

        until_first(attempt, "Others kept writing the same sign-in; try again.", attempts=_ATTEMPTS)

    def held(self, kept: KeptSignIn) -> HeldSignIn:
        """What a kept sign-in holds. Raises TryLater while it cannot be read."""
        for fresh in (False, True):
            found = _object(self._secrets.get(_place(kept.configuration_id, kept.place), fresh=fresh))
            if found.get("version") == kept.version:
                cache, proven = str(found["cache"]), bool(found.get("proven"))
                return HeldSignIn(cache, kept.version, proven, kept.made_at, kept.problem, kept.code)
        if kept.problem is not None:
            return HeldSignIn("{}", kept.version, False, kept.made_at, kept.problem, kept.code)
        raise TryLater("The kept sign-in is not in the secret store; if that stays so, sign in again.")

    def put(self, kept: KeptSignIn, cache: str, *, proven: bool) -> None:
        """Write what a sign-in holds into its place, before its row says so."""
        content = json.dumps({"version": kept.version, "proven": proven, "cache": cache})
        self._secrets.set(_place(kept.configuration_id, kept.place), content)

    def save_kept(self, kept: KeptSignIn) -> KeptSignIn:
        """Store the row as it was read and changed; gives it as it is stored. Raises Conflict."""
        etag = self._save(kept.configuration_id, _KEPT, kept.model_dump_json(), kept.etag)
        return kept.model_copy(update={"etag": etag})

    def begin(self, pending: PendingSignIn, secret: dict[str, Any]) -> None:
        """Keep a sign-in on its way, in place of an earlier one."""
        self._secrets.set(_waiting(pending.configuration_id), json.dumps({"id": pending.id, **secret}))
        row = _row(pending.configuration_id, _PENDING, pending.model_dump_json())
        self._tables.write(Table.credentials, [Replace(row)])

    def pending(self, configuration_id: str) -> PendingSignIn | None:
        """The sign-in that was begun last, however it stands; None if there is none. One storage call."""
        row = self._tables.get(Table.credentials, key_safe(configuration_id), _PENDING)
        if row is None:
            return None
        found = PendingSignIn.model_validate_json(str(row.values["document"]))
        return found.model_copy(update={"etag": row.etag})

    def secret_of(self, pending: PendingSignIn) -> dict[str, Any]:
        """What was kept sealed with it. Raises NotFound when it is spent."""
        for fresh in (False, True):
            found = _object(self._secrets.get(_waiting(pending.configuration_id), fresh=fresh))
            if found.get("id") == pending.id:
                return found
        raise NotFound("This sign-in has ended: start another one.")

    def save_pending(self, pending: PendingSignIn) -> PendingSignIn:
        """Store how it stands, as it was read and changed; gives it as it is stored. Raises Conflict."""
        etag = self._save(pending.configuration_id, _PENDING, pending.model_dump_json(), pending.etag)
        return pending.model_copy(update={"etag": etag})

    def spend(self, pending: PendingSignIn) -> None:
        """Forget what was kept sealed with it."""
        self._secrets.set(_waiting(pending.configuration_id), _SPENT)

    def forget(self, configuration_id: str) -> None:
        """Remove everything of a configuration that is removed."""
        if self.kept(configuration_id) is not None:
            for place in _PLACES:
                self._secrets.delete(_place(configuration_id, place))
        if self.pending(configuration_id) is not None:
            self._secrets.delete(_waiting(configuration_id))
        partition = key_safe(configuration_id)
        self._tables.write(Table.credentials, [Delete(partition, _KEPT), Delete(partition, _PENDING)])

    def _save(self, id: str, key: str, document: str, etag: str) -> str:
        return self._tables.write(Table.credentials, [as_read(_row(id, key, document, etag))])[0]

    def now(self) -> datetime:
        """The clock."""
        return self._clock()


class Keeper:
    """One configuration's sign-in; keeps auth.delegated's SignInKeeper."""

    def __init__(self, sign_ins: SignIns, configuration_id: str) -> None:
        self._sign_ins = sign_ins
        self._id = configuration_id

    def read(self) -> HeldSignIn | None:
        """See SignInKeeper."""
        kept = self._sign_ins.kept(self._id)
        return None if kept is None else self._sign_ins.held(kept)

    def claim(self) -> str | None:
        """See SignInKeeper. Held for a minute and a half."""
        kept, now = self._sign_ins.kept(self._id), self._sign_ins.now()
        if kept is None or (kept.claim and (kept.claimed_until or "") > instant_of(now)):
            return None
        claim = uuid4().hex
        update = {
            "claim": claim,
            "claimed_until": instant_of(now + CLAIM_LIFE),
            "claimed_place": _free(kept),
        }
        try:
            self._sign_ins.save_kept(kept.model_copy(update=update))
        except RowChanged:
            return None
        return claim

    def renew(self, claim: str, cache: str) -> None:
        """See SignInKeeper."""
        kept = self._extended(claim)
        proven = self._sign_ins.held(kept).proven
        update = {
            "version": kept.version + 1,
            "place": kept.claimed_place,
            "renewed": instant_of(self._sign_ins.now()),
            "claim": None,
            "claimed_until": None,
            **dict.fromkeys(("ended", "problem", "code")),
        }
        renewed = kept.model_copy(update=update)
        self._sign_ins.put(renewed, cache, proven=proven)
        self._sign_ins.save_kept(renewed)

    def _extended(self, claim: str) -> KeptSignIn:
        until = instant_of(self._sign_ins.now() + CLAIM_LIFE)
        return self._sign_ins.save_kept(self._own(claim).model_copy(update={"claimed_until": until}))

    def _own(self, claim: str) -> KeptSignIn:
        kept = self._sign_ins.kept(self._id)
        if kept is None or kept.claim != claim:
            raise Conflict("Another instance renews this sign-in now.")
        return kept

    def release(self, claim: str) -> None:
        """See SignInKeeper. A claim that cannot be given back ends by itself."""
        try:
            self._sign_ins.save_kept(
                self._own(claim).model_copy(update={"claim": None, "claimed_until": None})
            )
        except (Conflict, TryLater):
            return

    def end(self, version: int, error: SignInAgain) -> None:
        """See SignInKeeper."""
        for _ in range(_ATTEMPTS):
            kept = self._sign_ins.kept(self._id)
            if kept is None or kept.version != version or kept.ended is not None:
                return
            update = {"ended": instant_of(self._sign_ins.now()), "problem": str(error), "code": error.code}
            try:
                self._sign_ins.save_kept(kept.model_copy(update=update))
            except RowChanged:
                continue
            return


def _free(kept: KeptSignIn | None) -> int:
    taken = {kept.place, kept.claimed_place} if kept else set()
    return next(place for place in _PLACES if place not in taken)


def _place(configuration_id: str, place: int) -> str:
    return f"vendor-{configuration_id}-sign-in-{place}"


def _waiting(configuration_id: str) -> str:
    return f"vendor-{configuration_id}-pending"


def _row(id: str, key: str, document: str, etag: str = "") -> Row:
    return Row(key_safe(id), key, {"document": document}, etag)


def _kept(row: Row) -> KeptSignIn:
    found = KeptSignIn.model_validate_json(str(row.values["document"]))
    return found.model_copy(update={"etag": row.etag})


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
