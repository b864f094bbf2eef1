"""The HTTP API, version 1: what the portal and the phones speak. Routers are grouped by noun;
`app.create_app` joins them.

Promises of every route: it names who may call it (caller.py); what goes wrong is `application/problem+json`
with a correlation id (problems.py, edge.py); no secret value ever comes back."""

VERSION = "0.1.0"
