"""What the documents say about the code is so: links, commands, the version, the settings."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.api import VERSION
from shared.api.caller import Role
from shared.api.configuration_health import Condition
from shared.auth.aadsts import MEANINGS, THROTTLED, TRANSIENT
from shared.nouns.troubles import TroubleKind
from shared.settings import Settings
from shared.store.quarantine import Kind
from shared.vendors.registry import VENDORS
from shared.vendors.vendor import Fields
from simulator.__main__ import _parser
from simulator.webhook_dialects import DIALECTS, POSTURE

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTING = re.compile(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\| (.+) \|$", re.MULTILINE)

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(path: Path) -> str:
    """A document's text."""
    return path.read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands() -> Iterator[tuple[Path, str]]:
    """Every command line in the documents' shell blocks."""
    for path in DOCUMENTS:
        for language, block in FENCE.findall(text_of(path)):
            if language == "bash":
                lines = block.replace("\\\n", " ").splitlines()
                yield from (
                    (path, line.split("#")[0].strip()) for line in lines if line.split("#")[0].strip()
                )


def named(document: str) -> str:
    """A document by its path from the root."""
    return text_of(ROOT / document)


def dev_commands() -> set[str]:
    """The commands of dev.py, read from its source."""
    for node in ast.walk(ast.parse(named("dev.py"))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMMANDS":
            assert isinstance(node.value, ast.Dict)
            return {str(ast.literal_eval(key)) for key in node.value.keys if key}
    raise AssertionError("dev.py has no COMMANDS")


@every_document
def test_links_lead_somewhere(path: Path) -> None:
    """To a file of this folder, and to a heading that it has."""
    broken = []
    for link in LINK.findall(FENCE.sub("", text_of(path))):
        name, _, anchor = link.partition("#")
        if name.startswith(("https://", "mailto:")):
            continue
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@every_document
def test_no_link_is_plain_http(path: Path) -> None:
    """Only this machine is spoken to without https."""
    assert re.findall(r"http://(?!localhost|127\.0\.0\.1)\S+", text_of(path)) == []


def test_every_command_of_dev_py_exists() -> None:
    """In every document's shell blocks; the README names the two that one needs first."""
    used = {(p.name, line.split()[2]) for p, line in commands() if line.startswith("python3 dev.py")}

    assert {("README.md", "run"), ("README.md", "test")} <= used
    assert {name for _, name in used} <= dev_commands()


def test_every_option_of_dev_py_run_exists() -> None:
    """As its own help says."""
    command = [sys.executable, "-m", "devhost.run", "--help"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    used = {o for _, line in commands() if "dev.py run" in line for o in re.findall(r"--[a-z-]+", line)}

    assert {option for option in used if option not in said} == set()


def simulator_lines() -> list[str]:
    """Every line of the documents that talks to the simulator, without its loops' variables."""
    return [line.partition("-m simulator ")[2] for _, line in commands() if "-m simulator " in line]


@pytest.mark.parametrize("line", simulator_lines())
def test_every_command_of_the_simulator_is_one(line: str) -> None:
    """Its parser takes it."""
    words = [word.replace("$dialect", "pascal") for word in shlex.split(line)]

    options = _parser().parse_args(words)

    assert hasattr(options, "run")


def test_the_dialects_are_all_there() -> None:
    """The README's loop goes through every way in which an alert is written."""
    [loop] = [line for _, line in commands() if line.startswith("for dialect in")]
    said = loop.partition(" in ")[2].rstrip("; do").split()

    assert set(said) == set(DIALECTS) - set(POSTURE) - {"unknown"}


def test_the_changelog_mentions_the_version() -> None:
    """The one of pyproject.toml, which the API shows too."""
    version = tomllib.loads(named("pyproject.toml"))["project"]["version"]

    assert f"## [{version}]" in named("CHANGELOG.md")
    assert version == VERSION


def test_the_settings_table_lists_exactly_the_settings() -> None:
    """With the defaults and the words of shared/settings.py."""
    table = named("docs/operations.md").partition("## Settings")[2].partition("\n## ")[0]
    shown = {name: (default, words) for name, default, words in SETTING.findall(table)}

    assert shown == {
        str(field.alias): (_shown(field.default), field.description)
        for field in Settings.model_fields.values()
    }


def _shown(default: object) -> str:
    return "" if default in (None, ()) else str(getattr(default, "value", default))


def test_every_vendor_has_its_guide_and_every_guide_is_linked() -> None:
    """A vendor without one cannot be set up; docs/setup/README.md is the list."""
    guides = {path.name: text_of(path).splitlines()[0] for path in (ROOT / "docs" / "setup").glob("*.md")}
    listed = set(LINK.findall(named("docs/setup/README.md")))

    assert {f"# {vendor.title}" for vendor in VENDORS.values()} <= set(guides.values())
    assert set(guides) - {"README.md"} <= listed
    assert "](docs/setup/README.md)" in named("README.md")


def test_every_feature_and_field_is_in_its_vendors_guide() -> None:
    """With the permission that is enough for it, and the name that the API has for it."""
    guides = {text_of(path).splitlines()[0]: text_of(path) for path in (ROOT / "docs" / "setup").glob("*.md")}
    for vendor in VENDORS.values():
        guide = guides[f"# {vendor.title}"]
        needed = {
            name for one in vendor.permissions.values() for name in (one.any_of[:1] + one.delegated[:1])
        }
        own = set(vendor.fields.model_fields) - set(Fields.model_fields)

        assert {name for name in needed | own if f"`{name}`" not in guide} == set(), vendor.title


def test_every_health_word_is_explained() -> None:
    """An operator looks them up."""
    explained = set(re.findall(r"^\| `(\w+)` \|", _section("Health words"), re.MULTILINE))

    assert explained == set(Condition)


def test_every_kind_in_quarantine_is_explained() -> None:
    """With what replaying it does."""
    explained = set(re.findall(r"^\| `(\w+)` \|", _section("Quarantine"), re.MULTILINE))

    assert explained == set(Kind)


def test_every_trouble_is_explained() -> None:
    """When it begins and when it is over."""
    explained = set(re.findall(r"^\| `(\w+)` \|", _section("Troubles"), re.MULTILINE))

    assert explained == set(TroubleKind)


def _section(heading: str) -> str:
    return named("docs/operations.md").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_role_is_explained() -> None:
    """What it may do."""
    table = named("docs/api.md").partition("## Sign-in and roles")[2].partition("\n## ")[0]

    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(Role)


def test_the_counted_functions_are_as_many() -> None:
    """The operator compares the portal's list with it."""
    declared = len(re.findall(r"^@app\.", named("function_app.py"), re.MULTILINE))

    assert f"list {declared} functions" in named("docs/operations.md")


def test_decisions_are_numbered_without_gaps() -> None:
    """Others refer to them by their number, which the title repeats."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    assert all(text_of(page).startswith(f"# {int(page.name[:4])}. ") for page in pages)


def test_every_number_of_entra_is_in_the_guide() -> None:
    """With cause and remedy, and none that the product does not know."""
    table = named("docs/setup/signing-in.md").partition("\n## Numbers\n")[2]
    listed = {
        number for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for number in row.split(", ")
    }

    assert listed == set(MEANINGS) | TRANSIENT | THROTTLED
