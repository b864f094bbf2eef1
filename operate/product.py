"""The way to the product's API: where it is, who asks, and what its refusals mean.

Promises: a token is sent over https, or to this machine, and nowhere else; it never stands in an error.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests

HERE = "http://localhost:7071"
TOKEN_FILE = Path(".local/token")
_TIMEOUT = (10.0, 120.0)
_OWN = ("localhost", "127.0.0.1", "::1")


class OperateError(Exception):
    """What stops a command; `code` is the exit status."""

    code = 4


class Unreachable(OperateError):
    """The product does not answer, or nobody is signed in."""

    code = 4


class Usage(OperateError):
    """The command is not right, or a file that it names cannot be used."""

    code = 2


class Refused(OperateError):
    """The product answered that it will not: the request, the role, or something that it needs."""

    code = 3

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        lines = [str(problem.get("detail") or problem.get("title") or f"HTTP {status}")]
        lines += [f"  {_name(e.get('field'))}: {e.get('message')}" for e in problem.get("errors") or ()]
        if status >= 500 and problem.get("correlation_id"):
            lines.append(f"  correlation id: {problem['correlation_id']}")
        super().__init__("\n".join(lines))
        self.status = status


@dataclass
class Product:
    """One deployment. `token` is an access token with an app role of the API."""

    url: str
    token: str

    def __post_init__(self) -> None:
        if not _may_be_asked(self.url):
            words = f"{self.url or 'An empty address'}: only https is spoken, except with this machine."
            raise Unreachable(f"{words} Check --url or POCKETSOC_URL.")
        self.url = self.url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {self.token}"
        # No .netrc: it would take the token's place. Proxies and bundles of the environment count.
        self._session.auth = _as_it_is

    def get(self, path: str, **params: Any) -> Any:
        """GET JSON."""
        return self.call("GET", path, params={k: v for k, v in params.items() if v not in (None, "", [])})

    def call(self, method: str, path: str, *, body: Any = None, params: Any = None) -> Any:
        """Any call; the answer's JSON, None for an empty one. Raises Refused, Unreachable."""
        answer = self._send(method, f"/api/v1/{path}", body=body, params=params)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise Unreachable(
                f"What answers at {self.url} is not the product: check --url, and what stands in between."
            ) from error

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every page of a list that has a cursor."""
        cursor: str | None = None
        while True:
            page = self.get(path, **params, cursor=cursor)
            yield page
            cursor = page.get("cursor")
            if not cursor:
                return

    def lines(self, path: str, **params: Any) -> Iterator[bytes]:
        """Every line of an export, following its links."""
        asked: Any = {k: v for k, v in params.items() if v not in (None, "", [])}
        where = f"/api/v1/{path}"
        while True:
            answer = self._send("GET", where, params=asked)
            yield from answer.content.splitlines()
            following = answer.links.get("next", {}).get("url")
            if not following:
                return
            where, asked = str(following), None

    def _send(self, method: str, path: str, *, body: Any = None, params: Any = None) -> requests.Response:
        if not path.startswith("/api/v1/"):
            raise Unreachable("The product's answer leads elsewhere, where this tool does not go.")
        try:
            answer = self._session.request(
                method,
                self.url + path,
                json=body,
                params=params,
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise Unreachable(
                f"{self.url} shows a certificate that is not trusted here: check --url; behind a proxy name "
                "its authority in REQUESTS_CA_BUNDLE."
            ) from error
        except requests.RequestException as error:
            raise Unreachable(
                f"{self.url} does not answer ({type(error).__name__}): check --url, and that it runs."
            ) from error
        if answer.status_code < 300:
            return answer
        raise _refusal(answer)


def _may_be_asked(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.scheme == "https" or _own(parts))
    except ValueError:
        return False


def _own(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.hostname in _OWN


def _name(field: Any) -> str:
    """A field as the operator typed it, without its place in the request."""
    return str(field).removeprefix("body.").removeprefix("query.").removeprefix("fields.")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _refusal(answer: requests.Response) -> OperateError:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return Unreachable(f"HTTP {answer.status_code}, not from the product: check --url.")
    if answer.status_code == 401:
        return Unreachable(f"{problem.get('detail')} Give a fresh token: --token-command or POCKETSOC_TOKEN.")
    return Refused(answer.status_code, problem)


def token_from(token_command: str | None) -> str:
    """The token: from the command given, POCKETSOC_TOKEN, or the file that a local run keeps fresh. Never
    from the command line, which others on the machine can read. Raises Unreachable."""
    if token_command:
        try:
            # What it says besides is for the operator: "az login", most often.
            ended = subprocess.run(  # noqa: S603 - the operator's own command
                shlex.split(token_command), stdout=subprocess.PIPE, text=True, check=True, timeout=120
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise Unreachable(f"The token command failed ({type(error).__name__}).") from error
        token = ended.stdout.strip()
    else:
        token = os.environ.get("POCKETSOC_TOKEN", "").strip() or _local_token()
    if not token:
        raise Unreachable(
            "No access token: set POCKETSOC_TOKEN or give --token-command, for example --token-command "
            '"az account get-access-token --scope api://pocketsoc/.default --query accessToken -o tsv".'
        )
    if not token.isascii() or len(token.split()) != 1:
        raise Unreachable("That is no access token: it must be one word. Let the command print nothing else.")
    return token


def asked(prompt: str) -> str:
    """What is typed in answer to a question, which is no part of the command's output."""
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _local_token() -> str:
    try:
        return TOKEN_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
