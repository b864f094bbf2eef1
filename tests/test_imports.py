"""Who may import whom, read from the sources: the import rule of shared/__init__.py, and how large a room may
grow."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOUNS = "shared.nouns"
FOUNDATION = (NOUNS, "shared.errors", "shared.settings")
ENTRANCES = ("shared.bootstrap", "shared.api", "shared.pipeline")
INTERFACES = (*FOUNDATION, "shared.vendors.vendor", "shared.vendors.abilities", "shared.push.transport")
NOT_THE_PRODUCT = ("simulator", "devhost", "operate", "tests", "benchmarks", "deployment", "dev")
# The half of client.py that reads answers; together they are the one way to a vendor.
CLIENT = ("shared.vendors.client", "shared.vendors.answers")
HTTP = ("requests", "urllib3", "certifi")
STORAGE_SDKS = ("azure.data", "azure.storage", "azure.keyvault")
IMPLEMENTATIONS = tuple(f"shared.store.{name}" for name in ("tables", "queues", "blobs", "secrets", "memory"))
DRAWERS = re.compile(r"(^|_)(utils?|helpers?|commons?|base|core|managers?|misc)(_|$)")
LONGEST = 400
ROOT_ENTRIES = 12


@dataclass(frozen=True)
class Import:
    """One import: who, what, and whether only the type checker sees it."""

    importer: str
    imported: str
    typing_only: bool = False

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported}"


def below(name: str, *rooms: str) -> bool:
    """Whether a dotted name is one of the rooms or in one."""
    return any(name == room or name.startswith(room + ".") for room in rooms)


def module_name(path: Path) -> str:
    """A source file's dotted name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def sources(*folders: str) -> list[Path]:
    """Every Python file of these folders."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if "node_modules" not in path.parts]


def imports_of(path: Path) -> Iterator[Import]:
    """Every import in a file, wherever it stands; `from a import b` is `a.b` where that is a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    typing_only = {id(node) for branch in hidden for part in branch.body for node in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [_target("." * node.level + (node.module or ""), alias.name) for alias in node.names]
        else:
            continue
        for name in dict.fromkeys(names):
            yield Import(module_name(path), name, id(node) in typing_only)


def _target(module: str, name: str) -> str:
    place = ROOT.joinpath(*module.split("."), name)
    is_module = place.with_suffix(".py").exists() or (place / "__init__.py").exists()
    return f"{module}.{name}" if is_module or not below(module, "shared") else module


ALL = [
    i for path in [*sources("shared"), ROOT / "function_app.py", ROOT / "dev.py"] for i in imports_of(path)
]


def ours(*rooms: str) -> list[Import]:
    """What these rooms import of the product, outside their own room."""
    return [i for i in ALL if below(i.importer, *rooms) and below(i.imported, "shared")]


def outsiders(*packages: str) -> list[Import]:
    """Who imports these packages of others."""
    return [i for i in ALL if below(i.imported, *packages)]


def claim(broken: list[Import]) -> None:
    """Nothing breaks the rule."""
    assert not broken, "; ".join(map(str, broken))


def test_the_sources_are_found() -> None:
    """Every other test here would pass on an empty list."""
    assert Import("shared.vendors.client", "requests") in ALL
    assert Import("shared.bootstrap", "fastapi.FastAPI", typing_only=True) in ALL
    assert Import("shared.bootstrap.stores", "shared.store.tables") in ALL


def test_entry_points_know_bootstrap_api_and_pipeline() -> None:
    """function_app.py joins nothing itself."""
    claim([i for i in ours("function_app") if not below(i.imported, *ENTRANCES)])


@pytest.mark.parametrize("room", ["shared.api", "shared.pipeline"])
def test_api_and_pipeline_know_interfaces_only(room: str) -> None:
    """Neither a vendor's file, nor a push service, nor an implementation of storage, nor each other."""
    allowed = (*INTERFACES, room, "shared.store")
    claim([i for i in ours(room) if not below(i.imported, *allowed) or below(i.imported, *IMPLEMENTATIONS)])


@pytest.mark.parametrize("room", ["vendors", "push", "store", "auth"])
def test_the_four_workshops_never_know_each_other(room: str) -> None:
    """Nouns, errors and settings are common ground; only the vendors' client may ask auth for tokens."""
    name = f"shared.{room}"
    strangers = [i for i in ours(name) if not below(i.imported, name, *FOUNDATION)]
    claim([i for i in strangers if not (i.importer in CLIENT and below(i.imported, "shared.auth"))])


def test_nouns_are_standard_library_pydantic_and_each_other() -> None:
    """Pure values can be used everywhere."""
    allowed = (NOUNS, "pydantic", *sys.stdlib_module_names)
    claim([i for i in ALL if below(i.importer, NOUNS) and not below(i.imported, *allowed)])


def test_errors_import_nothing_but_the_standard_library() -> None:
    """Everybody raises them, so they may lean on nobody."""
    claim(
        [i for i in ALL if i.importer == "shared.errors" and not below(i.imported, *sys.stdlib_module_names)]
    )


@pytest.mark.parametrize(
    ("packages", "homes"),
    [
        (("azure.functions",), ("function_app",)),
        (STORAGE_SDKS, ("shared.store",)),
        (("azure",), ("function_app", "shared.store", "shared.auth")),
        (HTTP, (*CLIENT, "shared.auth", "shared.push")),
        (("httpx2",), ("shared.push.apns",)),
        (("fastapi", "starlette"), ("shared.api", "shared.bootstrap")),
        (("jwt", "msal"), ("shared.auth",)),
        (("pydantic_settings",), ("shared.settings",)),
    ],
    ids=lambda value: value[0],
)
def test_a_foreign_library_has_its_home(packages: tuple[str, ...], homes: tuple[str, ...]) -> None:
    """What a library does to us is seen in one room."""
    assert outsiders(*packages), f"nobody imports {packages}: remove the rule"
    claim([i for i in outsiders(*packages) if not below(i.importer, *homes)])


def test_bootstrap_names_the_web_framework_for_the_type_checker_only() -> None:
    """A queue worker never pays for it."""
    claim([i for i in outsiders("fastapi") if i.importer == "shared.bootstrap" and not i.typing_only])


def test_the_product_knows_nothing_of_what_is_not_deployed() -> None:
    """Simulator, local host, tests and benchmarks stay behind."""
    product = [i for i in ALL if below(i.importer, "shared", "function_app")]
    claim([i for i in product if below(i.imported, *NOT_THE_PRODUCT)])


def test_the_simulator_shares_no_code_with_the_product() -> None:
    """A misreading on one side must not be repeated on the other."""
    claim(
        [
            i
            for path in sources("simulator")
            for i in imports_of(path)
            if below(i.imported, "shared", "devhost")
        ]
    )


def test_the_operators_tool_knows_only_the_api() -> None:
    """It sees what the API shows, and runs where only requests is installed."""
    allowed = ("operate", "requests", *sys.stdlib_module_names)
    claim([i for path in sources("operate") for i in imports_of(path) if not below(i.imported, *allowed)])


def test_imports_are_absolute() -> None:
    """A file can be moved and searched for."""
    everything = sources("shared", "devhost", "simulator", "operate", "tests", "benchmarks")
    claim([i for path in everything for i in imports_of(path) if i.imported.startswith(".")])


def test_no_name_is_a_drawer() -> None:
    """What is in a file is said by its name."""
    names = {
        p
        for path in sources("shared", "devhost", "simulator", "operate")
        for p in path.relative_to(ROOT).parts
    }
    assert [name for name in sorted(names) if DRAWERS.search(name.removesuffix(".py"))] == []


def test_at_most_a_dozen_entries_stand_at_the_root_of_shared() -> None:
    """It is sorted by noun, and stays so."""
    entries = {p.name for p in (ROOT / "shared").iterdir() if not p.name.startswith(("__", "."))}
    assert len(entries) <= ROOT_ENTRIES, sorted(entries)


def test_folders_below_shared_are_two_levels_deep_at_most() -> None:
    """shared/room/file.py is as deep as it gets."""
    assert [str(path) for path in sources("shared") if len(path.relative_to(ROOT).parts) > 3] == []


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    """A file is a room with one purpose."""
    files = sources("shared", "devhost", "simulator", "operate", "tests", "benchmarks") + sorted(
        ROOT.glob("*.py")
    )
    lengths = {module_name(p): len(p.read_text(encoding="utf-8").splitlines()) for p in files}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


PROBE = """
import json, os, sys

opened, asked = [], []

def audit(event, args):
    if event in ("socket.connect", "socket.bind", "subprocess.Popen"):
        opened.append(event)
    if event == "open" and isinstance(args[0], str) and is_ours(args[0]):
        opened.append(args[0])

def is_ours(path):
    # Libraries read their own metadata while they are imported.
    path = os.path.abspath(path)
    source = path.endswith((".py", ".pyc")) or "__pycache__" in path
    return path.startswith(os.getcwd() + os.sep) and not path.startswith(sys.prefix) and not source

class Environment(dict):
    def __getitem__(self, name):
        asked.append(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        asked.append(name)
        return super().get(name, default)

before, os.environ = os.environ, Environment(os.environ)
sys.addaudithook(audit)
import function_app
os.environ = before
print(json.dumps({"modules": sorted(sys.modules), "opened": opened, "asked": asked}))
"""
HEAVY = (
    *("fastapi", "starlette", "httpx2", "requests", "cryptography", "jwt", "msal"),
    *("azure.identity", "azure.storage", "azure.data", "azure.keyvault"),
)


@pytest.fixture(scope="module")
def fresh() -> dict[str, list[str]]:
    """What a new interpreter without any setting has loaded, opened and asked for after importing
    function_app."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    content: dict[str, list[str]] = json.loads(ended.stdout)
    return content


@pytest.mark.parametrize("heavy", HEAVY)
def test_importing_the_function_app_loads_nothing_heavy(fresh: dict[str, list[str]], heavy: str) -> None:
    """Each worker pays only for the parts that it uses."""
    assert [name for name in fresh["modules"] if below(name, heavy)] == []


def test_importing_the_function_app_opens_nothing(fresh: dict[str, list[str]]) -> None:
    """No file, socket or process: an exception while it is imported would make every function vanish."""
    assert fresh["opened"] == []


def test_importing_the_function_app_reads_no_setting(fresh: dict[str, list[str]]) -> None:
    """Settings are read by the first call, which can say what is wrong with them."""
    ours = ("POCKETSOC", "AZUREWEBJOBS", "IDENTITY", "AZURE_", "WEBSITE_INSTANCE")
    assert [name for name in fresh["asked"] if str(name).upper().startswith(ours)] == []
