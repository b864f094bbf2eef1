"""What the operator's tool prints, and how it ends when the terminal, a file or the other side is not as
wished."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from operate.__main__ import main
from operate.looking import shown_check
from operate.product import Product, Refused, Unreachable, token_from
from operate.tables import duration, facts, plain, table
from simulator import sample
from tests.operate.conftest import Deployment, Typed

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]
ID = "a3402d08570a470ebdca3e6816e3c7ea"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of a hundred columns."""
    monkeypatch.setenv("COLUMNS", "100")


def test_a_terminal_is_not_at_a_vendors_mercy(narrow: None) -> None:
    """Control characters are left out; times lose their fraction; what would fill screens is cut."""
    rows = [{"a": "x\x1b[31m\ny", "b": "z" * 500_000}]

    shown = table(rows, ("a", "b"))

    assert "\x1b" not in shown
    assert len(shown) < 10_000
    assert plain("2026-11-20T09:15:30.1234567Z") == "2026-11-20T09:15:30Z"


EVIL = "\x1b]0;x\x07\x9b31m\u202e"


def test_no_heading_is_at_a_vendors_mercy_either(narrow: None) -> None:
    """A hunting query can make a column of what an attacker wrote (`evaluate bag_unpack`)."""
    shown = table([{f"a{EVIL}": 1}], {f"a{EVIL}": f"a{EVIL}"})

    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_whatever_is_printed_is_harmless(
    as_json: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer, a refusal in a vendor's words, and JSON, which stays what it was."""
    found = {"items": [{"title": EVIL}]}
    monkeypatch.setenv("POCKETSOC_TOKEN", "t")
    monkeypatch.setattr("operate.looking.troubles", lambda *_: (found, f"one\n{EVIL}", 0))
    main([*as_json, "troubles"])
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert not as_json or json.loads(out) == found

    def refuse(*_: object) -> None:
        raise Refused(400, {"detail": f"It says: {EVIL}", "errors": [{"field": EVIL, "message": EVIL}]})

    monkeypatch.setattr("operate.looking.troubles", refuse)
    main([*as_json, "troubles"])
    assert capsys.readouterr().err.replace("\n", "").isprintable()


def test_a_long_text_goes_on_in_the_next_line_and_an_id_stays_whole(narrow: None) -> None:
    """So that nothing is wider than the terminal, and every id can be copied."""
    text = "The app has no role for this. " * 8
    rows = [{"id": ID, "title": text, "vendor": "defender_endpoint", "asset": "host " * 12, "error": text}]

    shown = table(rows, ("id", "title", "vendor", "asset"), under={"error": ""})

    assert max(map(len, shown.splitlines())) <= 100
    assert ID in shown
    assert "".join(shown.split()).count("".join(text.split())) == 1  # beneath the row, in one piece
    assert "…" not in shown


def test_an_id_beneath_a_row_is_never_cut(narrow: None) -> None:
    """Those of incidents are too long for a column."""
    id = f"sentinel-{'7' * 36}~{sample.TENANT_ID}-{'x' * 30}"

    assert id in table([{"id": id, "title": "T"}], ("title",), under={"id": ""})
    assert id in facts({"id": id}, ("id",))


def test_columns_that_no_row_has_are_left_out() -> None:
    """An inventory of scores has no addresses; nothing at all is said in words."""
    shown = table([{"name": "a", "addresses": [], "score": 0}], ("name", "addresses", "score"))

    assert shown.splitlines()[0].split() == ["NAME", "SCORE"]
    assert table([], ("name",), nothing="nothing was read yet") == "nothing was read yet"


def test_a_lag_has_a_unit() -> None:
    """Seconds, minutes, hours, days."""
    said = [duration(one) for one in (None, 0.4, 41, 130, 7300, 400_000)]

    assert said == ["", "0 s", "41 s", "2 min", "2 h", "5 d"]


def test_a_check_says_each_remedy_once(narrow: None) -> None:
    """However many features lack the same."""
    features = [
        {"feature": name, "state": "off", "works": False, "missing": "a token", "remedy": "Start a sign-in."}
        for name in ("read_alerts", "hunting", "scores")
    ]
    finding = {"cause": "the sign-in was revoked", "remedy": "Start a sign-in.", "code": 50173}

    shown = shown_check("x", {"ok": False, "summary": "No.", "features": features, "findings": [finding]})

    assert shown.count("Start a sign-in.") == 1
    assert "* The sign-in was revoked. Start a sign-in." in shown


def test_nothing_is_wider_than_a_terminal(
    deployment: Deployment, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever table, with names as long as they may be."""
    typed(f"{sample.CLIENT_SECRET}\n")
    name = "display_name=Simulated Defender for Endpoint of the office in Lisbon, Portugal"
    ids = (f"tenant_id={sample.TENANT_ID}", f"client_id={sample.CLIENT_ID}")
    deployment.operate("configurations", "add", "defender_endpoint", name, *ids, "--secret", "client_secret")
    deployment.configure_endpoint(auth_type="device_code", secret_reference=None)
    deployment.work()
    monkeypatch.setenv("COLUMNS", "100")

    for command in (
        *("status", "troubles", "ledger", "vendors", "inventory", "inventory machine", "incidents list"),
        *("configurations list", "audit list", "quarantine list", "check", "configurations show e1"),
    ):
        said = deployment.operate(*command.split())
        assert said.code in (0, 1), said.err
        assert max(map(len, said.out.splitlines())) <= 100, command


def test_a_file_that_cannot_be_used_is_said_in_words(deployment: Deployment, tmp_path: Path) -> None:
    """Exit status 2; what was exported before stays, and no half of a file is left."""
    id, there = deployment.configure_endpoint(), tmp_path / "there"
    there.mkdir()

    read = deployment.operate("hunt", id, "--file", str(tmp_path / "absent.kql"))
    nowhere = deployment.operate("export", "assets", str(tmp_path / "absent" / "assets.ndjson"))
    folder = deployment.operate("export", "assets", str(there))

    assert [one.code for one in (read, nowhere, folder)] == [2, 2, 2]
    assert "absent.kql cannot be read" in read.err
    assert "cannot be written" in nowhere.err
    assert list(there.iterdir()) == []
    assert list(tmp_path.glob(".*there*")) == []


@pytest.mark.parametrize("url", ["", "http://[", "http://soc.example.test", "ftp://localhost", "localhost"])
def test_an_address_that_is_none_is_said_in_words(url: str) -> None:
    """As one that is not https."""
    with pytest.raises(Unreachable, match="only https is spoken"):
        Product(url, "token")


@pytest.mark.parametrize("printed", ["two words", "✓", "a\nb"])
def test_a_token_command_that_prints_more_than_a_token_is_told(printed: str) -> None:
    """It is not sent."""
    command = f'{sys.executable} -c "import sys; sys.stdout.buffer.write({printed!r}.encode())"'

    with pytest.raises(Unreachable, match="no access token"):
        token_from(command)


@pytest.fixture
def page() -> Iterator[str]:
    """Something else that answers 200: a proxy's page."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_is_not_the_product_is_said_in_words(page: str) -> None:
    """Also when it answers 200."""
    with pytest.raises(Unreachable, match="is not the product"):
        Product(page, "token").get("status")


def test_a_reader_who_has_seen_enough_is_no_error(deployment: Deployment) -> None:
    """`| head -1` of JSON, and of a table."""
    for options in (["--json"], []):
        tool = subprocess.Popen(
            [sys.executable, "-m", "operate", "vendors", *options],
            cwd=ROOT,
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert tool.stdout is not None
        tool.stdout.close()

        _, said = tool.communicate(timeout=60)

        assert (tool.returncode, said) == (0, b"")


def test_ctrl_c_ends_in_a_word(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """While waiting for a person, for example; 130, as shells have it."""

    def interrupted(self: Product, path: str, **params: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Product, "get", interrupted)

    said = deployment.operate("status")

    assert (said.code, said.err) == (130, "Interrupted.\n")
