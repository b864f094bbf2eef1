"""The product: what every entry point (Functions host, local host, tests) shares.

    nouns/        detections, cards, incidents, configurations, ...: pure values and rules, no I/O
    errors        the error tree, named by what the caller does next
    settings      everything read from the environment, once
    vendors/      one file per vendor; vendor.py is the interface, abilities.py what only some vendors can,
                  client.py talks HTTP
    auth/         one file per way to get a token; desk.py is where a person signs in
    store/        stores.py is the contract; tables, queues, blobs, secrets speak to Azure, memory to nothing;
                  detections, configurations, ledger, ... keep the nouns on top of the contract
    pipeline/     messages; tick, poll, receive, sift, ingest, notify, quarantine: in the order the data
                  travels; sweep, inventory, collect, doctor, watch: what timers do beside it
    push/         transport.py is the interface; one file per push service, and collector.py
    api/          the HTTP API, a router per noun
    bootstrap/    the one place where parts are chosen and joined

Import rule (tests/test_imports.py enforces it): entry points import bootstrap, api and pipeline; api and
pipeline import interfaces (vendors.vendor, vendors.abilities, push.transport, store.stores and the nouns'
stores), never a vendor's file or an Azure SDK; vendors, push, store and auth import nouns, errors and
settings, never each other (but vendors.client may import auth); nouns import the standard library and
pydantic.
"""
