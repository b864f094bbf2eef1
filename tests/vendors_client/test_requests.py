"""What a request looks like on the wire."""

from __future__ import annotations

import base64
import json
import threading
import tomllib
from pathlib import Path

import pytest

from shared.vendors.client import USER_AGENT, VERSION


def test_get_returns_the_answers_object(client, server, reply):
    """A GET gives the JSON object as it came."""
    server.script(reply(body={"value": [{"id": "a1", "n": 1.5}]}))

    assert client.get("/api/alerts") == {"value": [{"id": "a1", "n": 1.5}]}


def test_a_request_carries_token_and_partner_name(client, server, tokens):
    """The vendor sees the bearer token of the configured audience and who we are."""
    client.get("/api/alerts")

    headers = server.seen[0].headers
    assert headers["authorization"] == "Bearer secret-token-1"
    assert headers["user-agent"] == USER_AGENT == f"MdatpPartner-PocketSOC-Backend/{VERSION}"
    assert tokens.asked == [("https://api.vendor.example", False)]


def test_a_vendors_own_headers_go_with_every_request(make_client, server, reply):
    """Also with a link that is followed, and with the second try after a 401; never in place of the token."""
    client = make_client(headers={"Prefer": "include-unknown-enum-members", "Authorization": "mine"})
    server.script(reply(401), reply(body={"value": []}))

    client.get("/api/alerts")
    client.get(f"{server.url}/api/alerts?$skiptoken=x")

    assert [one.headers["prefer"] for one in server.seen] == ["include-unknown-enum-members"] * 3
    assert {one.headers["authorization"][:7] for one in server.seen} == {"Bearer "}


def test_the_version_is_the_projects():
    """The version in the user agent is the one in pyproject.toml."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())

    assert project["project"]["version"] == VERSION


def test_paths_are_relative_to_the_roots_prefix(make_client, server):
    """A root with a path prefix keeps it, however the slashes fall."""
    client = make_client(root=f"{server.url}/api/")

    client.get("alerts")
    client.get("/alerts")

    assert [one.target for one in server.seen] == ["/api/alerts", "/api/alerts"]


def test_query_spaces_are_percent_encoded_and_times_kept(client, server):
    """A filter reaches the vendor with %20 and its time to the seventh digit, a plus as %2B."""
    client.get("/api/alerts", {"$filter": "t ge 2026-11-20T10:00:00.1234567Z", "$top": "10", "q": "a+b&c"})

    query = "$filter=t%20ge%202026-11-20T10:00:00.1234567Z&$top=10&q=a%2Bb%26c"
    assert server.seen[0].target == f"/api/alerts?{query}"


def test_a_next_link_is_followed_verbatim(client, server):
    """A full URL on the configured host is asked for exactly as the vendor wrote it."""
    link = "/api/alerts?$skip=100&%24filter=a%20eq%20'x+y'&t=%7B%22c%22%3A1%7D=="

    client.get(server.url + link)

    assert server.seen[0].target == link


def test_params_are_added_to_a_links_query(client, server):
    """Parameters beside a full URL with a query join it."""
    client.get(f"{server.url}/a?x=1", {"y": "2"})

    assert server.seen[0].target == "/a?x=1&y=2"


def test_post_sends_json(client, server, reply):
    """A POST body is JSON and its answer is returned."""
    server.script(reply(status=201, body={"id": "7"}))

    answer = client.post("/api/machines/1/isolate", {"Comment": "öffnen"})

    assert answer == {"id": "7"}
    assert json.loads(server.seen[0].body) == {"Comment": "öffnen"}
    assert server.seen[0].headers["content-type"] == "application/json"


def test_a_post_without_body_says_so(client, server):
    """ARM's actions are POSTs without body and want Content-Length: 0."""
    client.post("/dismiss")

    assert server.seen[0].headers["content-length"] == "0"


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_empty_answer_to_a_change_is_an_empty_object(client, server, reply, status):
    """POST, PATCH and PUT may be answered with nothing."""
    server.script(*(reply(status=status, body=b"") for _ in range(3)))

    assert client.post("/a") == {}
    assert client.patch("/a", {"status": "Resolved"}) == {}
    assert client.put("/a", {"status": "Closed"}, {"api-version": "1"}) == {}
    assert (server.seen[2].method, server.seen[2].target) == ("PUT", "/a?api-version=1")


def test_each_thread_has_its_own_kept_connection(client, server):
    """Requests of one thread share a connection; another thread has another."""
    client.get("/a")
    client.get("/b")
    other = threading.Thread(target=client.get, args=("/c",))
    other.start()
    other.join()

    peers = [one.peer for one in server.seen]
    assert peers[0] == peers[1] != peers[2]


def test_nothing_is_taken_from_the_environment(make_client, server, ca_bundle, monkeypatch, tmp_path):
    """Proxy, netrc and bundle variables do not redirect the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login someone password else\n")
    for name, value in {
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NETRC": str(netrc),
        "REQUESTS_CA_BUNDLE": str(netrc),
    }.items():
        monkeypatch.setenv(name, value)

    make_client().get("/a")

    assert server.seen[0].headers["authorization"].startswith("Bearer ")


def test_token_claims_are_read_without_trust(make_client, tokens):
    """The claims of a token are shown whoever signed it."""
    body = base64.urlsafe_b64encode(json.dumps({"roles": ["Alert.Read.All"]}).encode()).decode().rstrip("=")
    tokens.text = f"e30.{body}.nonsense"

    assert make_client().token_claims() == {"roles": ["Alert.Read.All"]}


@pytest.mark.parametrize("text", ["opaque", "a.!!!!.c", "a.e.c", "a.WzFd.c", "a.//79.c"])
def test_an_unreadable_token_has_no_claims(make_client, tokens, text):
    """A token that is not a JWT is shown as having no claims."""
    tokens.text = text

    assert make_client().token_claims() == {}
