"""The Microsoft cloud on one loopback port, for running and testing offline. Never deployed.

Faithful in what a client can get wrong (audiences, roles, errors, throttling, paging), simple in everything
else. It shares no code with the product, so that a misreading on one side is not repeated on the other.

    world.py               all state: tenants, applications, clock, faults, counters; World.sample()
    sample.py              the made-up ids and secrets of the default world
    tokens.py              signing keys; making and checking access tokens
    app.py                 one application out of the parts' routes
    faults.py              errors on demand, before any part is asked
    certificates.py        the certificate authority that clients must trust
    serve.py               the server, in a thread for tests or blocking
    entra.py discovery.py  sign-in
    managed_identity.py    sign-in without a secret, as App Service offers it
    key_vault.py           secrets
    apns.py web_push.py    push services, with an inbox to look at
"""
