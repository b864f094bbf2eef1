#!/usr/bin/env python3
"""Stands in for `az` where scripts are tested: keeps a directory in a file, notes every call, and answers
just what infra/scripts ask. It does not know az; it knows what the scripts would do to a tenant."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ["FAKE_AZ_STATE"])


def main(words: list[str]) -> None:
    """One call."""
    tenant: dict[str, Any] = json.loads(STATE.read_text())
    tenant["calls"].append(words)
    options = {words[i]: words[i + 1] for i in range(len(words) - 1) if words[i].startswith("--")}
    said = answer(tenant, [w for w in words if not w.startswith("-")], options)
    STATE.write_text(json.dumps(tenant))
    if said:
        sys.stdout.write(said + "\n")


def answer(tenant: dict[str, Any], words: list[str], options: dict[str, str]) -> str:
    """What az would print, with what it would change changed."""
    query = options.get("--query", "")
    match words[:3]:
        case ["cloud", "show", *_]:
            return "https://graph.example.com/"
        case ["account", "show", *_]:
            return "tenant-1"
        case ["ad", "signed-in-user", "show"]:
            return "me-1"
        case ["ad", "app", verb]:
            return registration(tenant, verb, options)
        case ["ad", "sp", "list"]:
            wanted = re.search(r"appId eq '([^']*)'", options["--filter"])
            return str(tenant["principals"].get(wanted[1] if wanted else "", ""))
        case ["ad", "sp", "create"]:
            tenant["principals"][options["--id"]] = "sp-1"
            return "sp-1"
        case ["ad", "sp", "show"]:
            value = re.search(r"value=='([^']*)'", query)
            return f"role-{value[1]}" if value and value[1] not in tenant["unknown"] else ""
        case ["rest", *_]:
            return rest(tenant, options)
    return ""


def registration(tenant: dict[str, Any], verb: str, options: dict[str, str]) -> str:
    """A registration: listed, made, shown."""
    if verb == "list":
        return "\n".join(tenant["apps"])
    if verb == "create":
        tenant["apps"]["app-1"] = {n: [] for n in ("appRoles", "spa", "publicClient", "scopes", "allowed")}
        return "app-1"
    return shown(tenant["apps"][options["--id"]], options["--query"]) if verb == "show" else ""


def shown(app: dict[str, Any], query: str) -> str:
    """A field of a registration."""
    if query == "id":
        return "object-1"
    if query == "appRoles":
        return json.dumps(app["appRoles"], indent=2)
    names = {"spa": "spa", "pub": "publicClient", "api.o": "scopes", "api.p": "allowed"}
    name = next(name for start, name in names.items() if query.startswith(start))
    return "\n".join(app[name])


def rest(tenant: dict[str, Any], options: dict[str, str]) -> str:
    """A call of Microsoft Graph."""
    if options["--method"] == "GET":
        return "given-1" if re.findall(r"=='([^']*)'", options["--query"])[0] in tenant["given"] else ""
    body = json.loads(options["--body"])
    if options["--method"] == "PATCH":
        app = tenant["apps"]["app-1"]
        if allowed := body.get("api", {}).get("preAuthorizedApplications"):
            app["allowed"] = [one["appId"] for one in allowed]
            return ""
        app["appRoles"] = body["appRoles"]
        app["spa"], app["publicClient"] = body["spa"]["redirectUris"], body["publicClient"]["redirectUris"]
        app["scopes"] = [s["id"] for s in body.get("api", {}).get("oauth2PermissionScopes", [])] or app[
            "scopes"
        ]
    else:
        tenant["given"] += [body["appRoleId"], body["principalId"]]
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
