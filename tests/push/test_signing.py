"""Stored keys, VAPID and provider tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from shared.errors import OperatorMustAct, TryLater
from shared.push.encryption import decode64
from shared.push.provider_tokens import ProviderTokens
from shared.push.signing import StoredKey, new_key
from shared.push.vapid import KEY_NAME, Vapid

SUBJECT = "mailto:soc@example.net"


def number(key: Any) -> int:
    """The secret number of a private key."""
    return int(key.private_numbers().private_value)


def make_tokens(vault: Any, clock: Callable[[], Any]) -> ProviderTokens:
    """One instance's provider tokens."""
    return ProviderTokens(StoredKey(vault, "apns"), key_id="KEY", team_id="TEAM", clock=clock)


def claims_of(token: str) -> dict[str, Any]:
    """A token's claims, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_vapid_keys_survive_a_restart(vault: Any, clock: Any) -> None:
    """A second process with the same secrets has the same public key, to which browsers are bound."""
    first = Vapid(vault, SUBJECT, clock=clock).public_key()

    assert Vapid(vault, SUBJECT, clock=clock).public_key() == first
    assert len(decode64(first)) == 65


def test_two_instances_that_race_agree_on_the_last_key_written(vault: Any) -> None:
    """An instance follows what the secrets hold, also when another overwrote what it made."""
    ours = StoredKey(vault, KEY_NAME, make=True)
    made = ours.get()

    vault.set(KEY_NAME, new_key())

    assert number(ours.get()) != number(made)
    assert number(ours.get()) == number(StoredKey(vault, KEY_NAME, make=True).get())


def test_what_is_used_is_what_the_secrets_hold_after_writing(vault: Any) -> None:
    """The other instance's key was written after ours: ours is never used."""
    other = new_key()
    vault.set = lambda name, value: vault.values.__setitem__(name, other)

    assert number(StoredKey(vault, KEY_NAME, make=True).get()) == number(
        load_pem_private_key(other.encode(), None)
    )


def test_a_key_once_read_serves_while_the_secrets_are_away(vault: Any) -> None:
    """A pause of the vault does not stop pushes."""
    key = StoredKey(vault, "k", make=True)
    before = key.get()

    vault.fails = TryLater("the vault is away", retry_after=5)

    assert number(key.get()) == number(before)


def test_secrets_that_are_away_from_the_start_are_no_reason_for_a_new_key(vault: Any) -> None:
    """An unreadable vault must never lead to a second key pair."""
    vault.fails = TryLater("the vault is away")

    with pytest.raises(TryLater):
        StoredKey(vault, "k", make=True).get()
    assert vault.values == {}


def test_a_missing_key_that_is_not_ours_to_make_is_named(vault: Any) -> None:
    """An APNs key comes from Apple; the operator is told where to put it."""
    with pytest.raises(OperatorMustAct, match="apns-signing-key"):
        StoredKey(vault, "apns-signing-key").get()


@pytest.mark.parametrize(
    "mangle", [lambda pem: pem.replace("\n", " "), lambda pem: pem.replace("\n", "\\n"), str.strip]
)
def test_a_key_pasted_without_line_breaks_is_read(vault: Any, mangle: Callable[[str], str]) -> None:
    """Forms for secrets have one line; a PEM pasted there still is the key."""
    pem = new_key()
    vault.set("k", mangle(pem))

    assert number(StoredKey(vault, "k").get()) == number(load_pem_private_key(pem.encode(), None))


@pytest.mark.parametrize(
    "wrong", ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_what_is_no_key_is_refused_and_kept(vault: Any, wrong: str) -> None:
    """It may be a slip of the operator: it is neither overwritten nor quoted."""
    vault.set("k", wrong)

    with pytest.raises(OperatorMustAct, match="secret k is not") as caught:
        StoredKey(vault, "k", make=True).get()
    assert vault.values == {"k": wrong}
    assert "AAAA" not in str(caught.value)


def test_a_key_on_another_curve_is_refused(vault: Any) -> None:
    """ES256 is P-256 and nothing else."""
    other = ec.generate_private_key(ec.SECP384R1())
    vault.set("k", other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())

    with pytest.raises(OperatorMustAct, match="P-256"):
        StoredKey(vault, "k").get()


@pytest.mark.parametrize("minutes", [0, 1, 359, 360, 1000])
def test_a_vapid_token_is_good_for_six_to_twelve_hours(vault: Any, clock: Any, minutes: int) -> None:
    """Never so long that a service refuses it, never about to expire."""
    clock.turn(minutes=minutes)
    header = Vapid(vault, SUBJECT, clock=clock).authorization("https://push.example.org")

    claims = claims_of(header.removeprefix("vapid t=").split(",")[0])

    assert 6 * 3600 <= claims["exp"] - clock.now.timestamp() <= 12 * 3600
    assert (claims["aud"], claims["sub"]) == ("https://push.example.org", SUBJECT)


@pytest.mark.parametrize("subject", ["soc@example.net", "mailto:", "http://example.net", "mailto:<a@b>", ""])
def test_a_subject_that_services_refuse_is_named_to_the_operator(
    vault: Any, clock: Any, subject: str
) -> None:
    """Better our words than a push service's bare 400."""
    with pytest.raises(OperatorMustAct, match="POCKETSOC_WEB_PUSH_SUBJECT"):
        Vapid(vault, subject, clock=clock).authorization("https://push.example.org")


def test_two_instances_sign_identical_provider_tokens(vault: Any, clock: Any) -> None:
    """Byte for byte, at different moments of one window, so that APNs sees one token."""
    vault.set("apns", new_key())
    first = make_tokens(vault, clock).token()

    later = clock.now + timedelta(minutes=9)

    assert make_tokens(vault, lambda: later).token() == first


def test_a_provider_token_is_at_most_45_minutes_old_and_changes_after(vault: Any, clock: Any) -> None:
    """APNs refuses one older than an hour, and one that changes within twenty minutes."""
    vault.set("apns", new_key())
    tokens, seen = make_tokens(vault, clock), []

    for _ in range(180):
        seen.append(tokens.token())
        assert 0 <= clock.now.timestamp() - claims_of(seen[-1])["iat"] < 45 * 60
        clock.turn(minutes=1)

    assert 4 <= len(set(seen)) <= 5


def test_threads_refused_together_renew_once(vault: Any, clock: Any) -> None:
    """The second thread that was refused the same token gets the first one's new token, which then stays."""
    vault.set("apns", new_key())
    tokens = make_tokens(vault, clock)
    refused = tokens.token()

    renewed = tokens.renewed(refused)
    clock.turn(seconds=90)

    assert renewed != refused
    assert tokens.renewed(refused) == renewed == tokens.token()
