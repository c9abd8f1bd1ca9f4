"""The layout says the truth: who may import what, and what never enters the repository."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USE_CASES = sorted(path.parent.name for path in ROOT.glob("*/sources.py"))
ONLY_IN = {
    "hopsworks": {"fti/cloud.py"},
    "hopsworks_common": {"fti/cloud.py"},
    "modal": {"fti/modal.py", *(f"{name}/modal_app.py" for name in USE_CASES)},
}
NOT_ON_IMPORT = {"torch", "gradio", "autogluon", "hopsworks", "sklearn", "xgboost", "skops"}
LIGHT = (
    "fti",
    "fti.projects",
    "fti.models",
    "fti.runs",
    "fti.published",
    "fti.console",
    "fti.cloud",
)
SECRET = re.compile(
    r"""(?i)\b(?:api[_-]?key|secret|token|password)\b\s*[=:]\s*['"]?[A-Za-z0-9_\-]{20,}"""
    r"|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def sources(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path):
    """Give the top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", sources("fti"), ids=lambda path: path.name)
def test_the_shared_package_imports_no_use_case(path):
    assert not set(imported(path)) & set(USE_CASES)


@pytest.mark.parametrize("use_case", USE_CASES)
def test_a_use_case_imports_no_other(use_case):
    others = set(USE_CASES) - {use_case}
    assert not [p.name for p in sources(use_case) if set(imported(p)) & others]


def test_hopsworks_and_modal_are_imported_in_one_place_each():
    for path in sources("fti", *USE_CASES):
        name = path.relative_to(ROOT).as_posix()
        strangers = [n for n, homes in ONLY_IN.items() if n in imported(path) and name not in homes]
        assert not strangers, f"{name} imports {strangers}"


def test_only_modal_apps_import_what_they_share():
    for path in sources("fti", *USE_CASES):
        imports = re.search(
            r"^from fti(\.modal)? import .*modal", path.read_text("utf-8"), re.MULTILINE
        )
        assert path.name == "modal_app.py" or not imports, path


def test_only_apps_and_what_they_share_import_gradio():
    shared = {"ui.py", "monitor_app.py"}
    found = {path for path in sources("fti", *USE_CASES) if "gradio" in imported(path)}
    assert {path.name for path in found} <= shared
    for path in sources("fti", *USE_CASES):
        text = path.read_text(encoding="utf-8")
        imports = re.search(r"^(from|import) .*\b(ui|monitor_app)\b", text, re.MULTILINE)
        assert path.name in shared or not imports, path


def test_the_folder_of_apps_is_no_package():
    assert not list((ROOT / "spaces").rglob("__init__.py"))


@pytest.mark.parametrize("module", LIGHT)
def test_importing_the_shared_package_is_cheap(module):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not NOT_ON_IMPORT & set(done.stdout.split())
    assert "pandas" not in done.stdout.split()


def test_requirements_record_versions_and_no_addresses():
    for path in (ROOT / "requirements").glob("*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines
        assert not [line for line in lines if "://" in line or not re.match(r"[\w.\[\]-]+==", line)]


def test_environments_never_hold_both_modules_called_deltalake():
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        both = [name for name in ("deltalake", "hops-deltalake") if f"\n{name}==" in f"\n{text}"]
        assert len(both) <= 1, path.name


def test_tracked_files_hold_no_secret_and_no_artefact():
    done = subprocess.run(
        ["git", "ls-files", "-z"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    for name in filter(None, done.stdout.split("\0")):
        path = ROOT / name
        assert path.suffix not in {".pkl", ".joblib", ".pt", ".ubj", ".parquet", ".db", ".sqlite"}
        if path.is_file() and path.resolve() != Path(__file__).resolve():
            assert not SECRET.search(path.read_text(encoding="utf-8")), name
