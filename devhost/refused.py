"""What the local host says no to, with the words a developer needs to put it right."""

from __future__ import annotations


class Refused(Exception):
    """The function app, its host.json or its settings are such that the real host would not run them
    either."""
