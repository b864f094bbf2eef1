"""The Microsoft cloud on one loopback port, for running and testing offline. Never deployed.

Faithful in what a client can get wrong (audiences, roles, errors, throttling, paging), simple in everything
else. It shares no code with the product, so that a misreading on one side is not repeated on the other.

    __main__.py commands.py   the command line
    serve.py certificates.py  the https server, in a thread or blocking; the authority that clients must trust
    app.py faults.py          one application out of the parts; errors on demand, before any part is asked
    world.py sample.py        all state: who exists, clock, switches, counters; the default world's ids
    entra.py entra_*.py discovery.py tokens.py managed_identity.py   sign-in of apps and people, keys, tokens
    key_vault.py              secrets
    apns.py web_push.py elliptic.py inbox.py   push services, and what the phones show
    defender_endpoint.py endpoint_*.py odata.py   Defender for Endpoint
    defender_for_cloud.py cloud_*.py webhook_dialects.py logic_app.py   Defender for Cloud, polled and pushed
    cloud_apps.py cloud_apps_*.py   Defender for Cloud Apps
    sentinel.py sentinel_*.py  Microsoft Sentinel: incidents with their alerts
    arm_access.py arm_permissions.py   what Azure Resource Manager asks of a caller, and what roles allow
    defender_xdr.py xdr_*.py graph_incidents.py hunting.py   Defender XDR: incidents, over its API and Graph
    graph_access.py graph_*.py kql.py   Microsoft Graph: alerts, hunting, secure scores, Intune, applications
    control.py *scenarios.py commands.py   making things happen
"""
