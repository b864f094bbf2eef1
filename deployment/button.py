"""infra/azuredeploy.json: the template behind the Deploy to Azure button, made from infra/resources.bicep."""

from __future__ import annotations

import json
from pathlib import Path

from deployment.template import template_of

SOURCE, TARGET = "infra/resources.bicep", "infra/azuredeploy.json"


def button_text(root: Path) -> str:
    """What azuredeploy.json must be. Raises NotBicepError."""
    made = template_of(root / SOURCE)
    made["metadata"] = {**made["metadata"], "source": f"{SOURCE}; written by: python3 dev.py infra --write"}
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"
