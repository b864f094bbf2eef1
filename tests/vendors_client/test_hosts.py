"""The token goes to the configured host and nowhere else."""

from __future__ import annotations

import pytest

from shared.errors import HostNotAllowed, TryLater


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/alerts?sig=hidden",
        "http://localhost:{port}/alerts?sig=hidden",
        "https://localhost/alerts?sig=hidden",
        "https://localhost:1/alerts?sig=hidden",
        "https://localhost:{port}@evil.example/?sig=hidden",
        "https://user@localhost:{port}/?sig=hidden",
        "https://evil.example\\@localhost:{port}/?sig=hidden",
        "https://localhost:{port}\\@evil.example/?sig=hidden",
        "https://localhost:{port} .evil.example/?sig=hidden",
        "https://localhost:{port}\t/?sig=hidden",
        "https://localhost:99999/?sig=hidden",
        "https://[::1/?sig=hidden",
        "file:///etc/passwd?sig=hidden",
        "HTTPS://EVIL.example/?sig=hidden",
    ],
)
def test_a_full_url_elsewhere_is_not_followed(make_client, server, tokens, address):
    """Another host, port or scheme, and every spelling that parsers read differently, is refused unsent."""
    client = make_client(allow_hosts=("not a host",))

    with pytest.raises(HostNotAllowed, match="answer points to another host") as caught:
        client.get(address.replace("{port}", str(server.port)))

    assert "hidden" not in str(caught.value)
    assert server.seen == []
    assert tokens.asked == []


def test_an_allowed_host_is_followed(make_client, server):
    """A further host that was named is as good as the configured one."""
    client = make_client(allow_hosts=(f"127.0.0.1:{server.port}",))

    client.get(f"https://127.0.0.1:{server.port}/alerts")

    assert server.seen[0].target == "/alerts"


def test_host_names_are_compared_without_case(client, server):
    """A nextLink may spell the host in capitals."""
    client.get(f"https://LOCALHOST:{server.port}/alerts")

    assert len(server.seen) == 1


def test_a_path_cannot_name_a_host(client, server):
    """What looks like a host in a path stays a path."""
    client.get("//evil.example/alerts")

    assert server.seen[0].target == "/evil.example/alerts"


@pytest.mark.parametrize(
    "root",
    ["http://api.vendor.example", "https://u@api.vendor.example", "https://", "api", "https://a.b?c=1"],
)
def test_a_root_must_be_plain_https(make_client, root):
    """A base URL that is not plain https is refused when the client is made."""
    with pytest.raises(HostNotAllowed, match="Vendor X's base URL must be an https address"):
        make_client(root=root)


def test_a_redirect_is_not_followed(client, server, reply):
    """A redirect, even to the same host, is trouble on the other side."""
    server.script(reply(status=302, headers={"Location": f"{server.url}/login"}))

    with pytest.raises(TryLater, match="redirect"):
        client.get("/alerts")

    assert len(server.seen) == 1
