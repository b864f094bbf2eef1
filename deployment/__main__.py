"""`python -m deployment <command>`: what brings the product to Azure, made and checked on this machine.

dev.py calls the same: `python3 dev.py infra`, `python3 dev.py package`, `python3 dev.py sbom`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    """One command; 1 with words when something is wrong."""
    options = _parser().parse_args(arguments)
    result: int = options.run(options)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    arm = commands.add_parser("arm", help="write azuredeploy.json from the Bicep, and storage.bicep's names")
    arm.add_argument("--compare", action="store_true", help="write nothing, say whether it is in step")
    arm.set_defaults(run=_arm)
    audit = commands.add_parser("audit", help="run checkov on Bicep, ARM and workflows")
    audit.add_argument("--checkov", type=Path, required=True, help="where checkov is")
    audit.set_defaults(run=_audit)
    package = commands.add_parser("package", help="build the package that is published")
    package.add_argument("--output", type=Path, default=ROOT / ".local" / "package.zip")
    package.set_defaults(run=_package)
    bill = commands.add_parser("sbom", help="write a bill of materials of what is deployed")
    bill.add_argument("--cyclonedx", type=Path, required=True, help="where cyclonedx-py is")
    bill.add_argument("--output", type=Path, default=ROOT / ".local" / "sbom.json")
    bill.set_defaults(run=_bill)
    return parser


def _arm(options: argparse.Namespace) -> int:
    from deployment.bicep import NotBicepError
    from deployment.button import TARGET, button_text
    from deployment.stored_names import write_names
    from deployment.template import template_of

    target = ROOT / TARGET
    if not options.compare:
        write_names(ROOT)
    try:
        template_of(ROOT / "infra" / "main.bicep")  # looked at for its faults
        wanted = button_text(ROOT)
    except NotBicepError as error:
        print(error, file=sys.stderr)
        return 1
    if not options.compare:
        target.write_text(wanted, encoding="utf-8")
        print(f"Written: {TARGET}")
    elif target.read_text(encoding="utf-8") != wanted:
        print(f"{TARGET} is not what the Bicep says: python3 dev.py infra --write", file=sys.stderr)
        return 1
    return 0


def _audit(options: argparse.Namespace) -> int:
    from deployment.audit import audit

    report = audit(ROOT, options.checkov)
    print(report.text())
    return 0 if report.clean else 1


def _package(options: argparse.Namespace) -> int:
    from deployment.package import build

    built = build(ROOT, options.output)
    print(f"{built.path}: {built.files} files, {built.size:,} bytes, sha256 {built.sha256}")
    return 0


def _bill(options: argparse.Namespace) -> int:
    from deployment.bill import write_bill

    count = write_bill(options.cyclonedx, options.output)
    print(f"{options.output}: {count} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
