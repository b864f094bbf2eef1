"""The operator's tool: `python -m operate`. Talks to the HTTP API and to nothing else, so that it sees what
the API shows and may what its caller's role may. Needs the standard library and requests; is not deployed.

    product        the way to the API: address, token, errors
    tables         answers as tables for people
    looking        status, check, ledger, inventory, affiliation
    configurations configurations, and signing in for them
    working        incidents, hunting, quarantine, replays
    exporting      export to files, the audit
"""
