"""What happens to a configuration's credentials without anybody typing: the next secret takes over, a person
has signed in. Both are changes of the configuration, made under its ETag, so that every instance goes on with
the new one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.nouns.configurations import Configuration, SecretField
from shared.nouns.detections import instant_of
from shared.store.configurations import Configurations
from shared.store.stores import Secrets, until_first

_ATTEMPTS = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credentials:
    """Makes the changes."""

    configurations: Configurations
    secrets: Secrets
    clock: Callable[[], datetime]

    def took_over(self, used: Configuration) -> None:
        """The next secret of `used` was taken because the first no longer serves: it is the first one from
        now on. Nothing, when that has been noted or the secrets were changed meanwhile. Raises TryLater."""
        now = instant_of(self.clock())

        def promoted(current: Configuration) -> Configuration | None:
            if _secrets(current) != _secrets(used):
                return None
            others = {k: v for k, v in current.references.items() if k is not SecretField.next_client_secret}
            return current.model_copy(
                update={
                    "secret_reference": current.reference(SecretField.next_client_secret),
                    "client_secret_expires": current.next_client_secret_expires,
                    "next_client_secret_expires": None,
                    "references": others,
                    "next_took_over": now,
                    "changed": now,
                }
            )

        if self._change(used.id, promoted):
            _log.warning("the next client secret of %s took over", used.id)
            if used.secret_reference is not None:
                self.secrets.delete(used.secret_reference)

    def signed_in(self, configuration: Configuration) -> None:
        """Somebody has signed in: connections are made anew, and it is read at once. Raises TryLater."""
        now = instant_of(self.clock())
        self._change(configuration.id, lambda current: current.model_copy(update={"changed": now}))
        self.configurations.read_soon(configuration.id, anew=False)

    def _change(self, id: str, change: Callable[[Configuration], Configuration | None]) -> bool:
        def attempt() -> bool:
            found = self.configurations.get(id)
            wanted = change(found.configuration) if found else None
            if wanted is not None:
                self.configurations.save(wanted)
            return wanted is not None

        words = "Others kept changing this configuration; it is tried again."
        return until_first(attempt, words, attempts=_ATTEMPTS)


def _secrets(configuration: Configuration) -> tuple[str | None, str | None]:
    return configuration.secret_reference, configuration.reference(SecretField.next_client_secret)
