"""The names of tables, queues and containers in storage.bicep, from shared/store/stores.py."""

from __future__ import annotations

import re
from pathlib import Path

from shared.store.stores import CONTAINERS, QUEUES, TABLES

TARGET = "infra/modules/storage.bicep"


def write_names(root: Path) -> None:
    """Write the lists anew; the rest of the file stays."""
    path = root / TARGET
    text = path.read_text(encoding="utf-8")
    for variable, names in (("containers", CONTAINERS), ("queues", QUEUES), ("tables", TABLES)):
        lines = "".join(f"  '{name}'\n" for name in names)
        text = re.sub(
            rf"^var {variable} = \[\n.*?^\]", f"var {variable} = [\n{lines}]", text, flags=re.M | re.S
        )
    path.write_text(text, encoding="utf-8")
