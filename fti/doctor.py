"""What is set up and reachable here, and what to do next, as `python -m fti doctor` shows it."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from fti import cloud, projects
from fti.errors import UserError
from fti.inventory import commands, use_cases

TIMEOUT = 5.0  # seconds for each answer
GIGABYTE = 1024**3
LITTLE_SPACE = 1.0  # gigabytes, from which on it is warned of
PYTHONS = ((3, 11), (3, 15))  # from, up to
PACKAGES = ("numpy", "pandas", "pyarrow", "scikit-learn", "skops", "httpx", "typer")
STORES = {
    "embedded": (("deltalake", "hops-deltalake"), ("duckdb",)),
    "hopsworks": (("hopsworks",),),
}


@dataclass(frozen=True)
class Check:
    """One line: `level` is ok, warn or fail, and `hint` says what to do about the latter two."""

    name: str
    level: str
    finding: str
    hint: str = ""

    def to_dict(self) -> dict[str, str]:
        """Give it as JSON has it."""
        return asdict(self)


def examine(online: bool = False, write: bool = False) -> list[Check]:
    """Make all checks; with `online` also ask the sources of raw data.

    With `write` also store, read back and remove a row, a model and a file, where all else is well.
    """
    checks = [_python()]
    try:
        backend = projects.backend()
    except UserError as error:
        return [*checks, Check("backend", "fail", "FTI_BACKEND is wrong", str(error))]
    checks += [_backend(backend), _packages(backend)]
    checks += [_home(projects.home())] if backend == "embedded" else _hopsworks()
    checks += [_use_cases()]
    if write and not any(check.level == "fail" for check in checks):
        checks += _rehearse(backend)
    if online:
        checks += [_source(name, url) for name, url in source_addresses()]
    return checks


def source_addresses() -> list[tuple[str, str]]:
    """Give use case and address of each constant ..._URL or ..._URLS in a `sources.py` here."""
    found = []
    for name in use_cases():
        module = importlib.import_module(f"{name}.sources")
        for constant, value in vars(module).items():
            if constant.endswith(("_URL", "_URLS")):
                urls = [value] if isinstance(value, str) else value
                found += [(name, url) for url in urls]
    return found


def _python() -> Check:
    version, (first, end) = sys.version_info[:2], PYTHONS
    fits = first <= version < end
    return Check(
        "python",
        "ok" if fits else "fail",
        f"{platform.python_version()} on {platform.system()}",
        "" if fits else "Use Python 3.11, 3.12, 3.13 or 3.14.",
    )


def _backend(backend: str) -> Check:
    chosen = os.environ.get("FTI_BACKEND", "").strip().lower()
    key = bool(os.environ.get("HOPSWORKS_API_KEY"))
    why = f"FTI_BACKEND is {chosen}"
    if chosen in ("", "auto"):
        why = f"HOPSWORKS_API_KEY is {'set' if key else 'not set'}"
    others = [n for n in ("HOPSWORKS_HOST", "HOPSWORKS_PROJECT") if os.environ.get(n)]
    if backend == "embedded" and others and not chosen:
        hint = f"{others[0]} is set too: for Hopsworks set HOPSWORKS_API_KEY as well."
        return Check("backend", "warn", f"embedded, because {why}", hint)
    return Check("backend", "ok", f"{backend}, because {why}")


def _packages(backend: str) -> Check:
    wanted = [*((name,) for name in PACKAGES), *STORES[backend]]
    versions = {name: _version(name) for names in wanted for name in names}
    missing = [names[0] for names in wanted if not any(versions[name] for name in names)]
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    install = f"pip install -r requirements/<use case>-{backend}.txt"
    if missing:
        return Check("packages", "fail", f"{', '.join(missing)} missing; {found}", f"{install}.")
    if _version("deltalake") and _version("hops-deltalake"):
        return Check(
            "packages",
            "fail",
            "deltalake and hops-deltalake are both installed, and overwrite each other",
            f"Make a new environment and {install}.",
        )
    return Check("packages", "ok", found)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _home(home: Path) -> Check:
    """Look at the folder of embedded projects, or where it will be made; leave nothing behind."""
    folder = next(path for path in (home, *home.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free / GIGABYTE
    except OSError as error:
        return Check(
            "FTI_HOME",
            "fail",
            f"{home} cannot be written to ({error.strerror})",
            "Set FTI_HOME to a folder of yours.",
        )
    finding = f"{home}, {free:.1f} GB free"
    if free < LITTLE_SPACE:
        return Check("FTI_HOME", "warn", finding, "Free some space, or set FTI_HOME elsewhere.")
    return Check("FTI_HOME", "ok", finding)


def _hopsworks() -> list[Check]:
    """Look at Hopsworks as the login would; each step needs the one before."""
    try:
        settings = replace(cloud.read_settings(), timeout=TIMEOUT)
    except UserError as error:
        return [Check("Hopsworks settings", "fail", "incomplete", str(error))]
    chosen = f"new feature groups: {settings.offline_format}"
    verified = "certificate checked" if settings.verification else "certificate NOT checked"
    checks = [
        Check(
            "Hopsworks settings",
            "ok" if settings.verification else "warn",
            f"{settings.where}, {verified}, {chosen}",
            "" if settings.verification else "Anyone on the way could read the key.",
        )
    ]
    server = _step("Hopsworks server", lambda: cloud.backend_version(settings))
    checks.append(server)
    if server.level == "fail":
        return checks
    checks.append(_step("Hopsworks version", lambda: _versions(server.finding)))
    checks.append(_step("Hopsworks project", lambda: _project(settings)))
    host, port = cloud.query_service(settings)
    open_ = cloud.can_connect(host, port, TIMEOUT)
    hint = f"Let this network reach {host}:{port}: feature groups are read through it."
    checks.append(
        Check("Hopsworks query service", "ok", f"{host}:{port}")
        if open_
        else Check("Hopsworks query service", "fail", f"{host}:{port} cannot be reached", hint)
    )
    return checks


def _rehearse(backend: str) -> list[Check]:
    """Use the project as pipelines do, step by step."""
    from fti import rehearsal

    opened: list[Any] = []
    checks = [_step(f"{backend} login", lambda: opened.append(projects.login()) or "opened")]
    for project in opened:
        checks += [_step(name, look) for name, look in rehearsal.steps(project).items()]
    return checks


def _step(name: str, look: Callable[[], Any]) -> Check:
    try:
        return Check(name, "ok", str(look() or "it does not say its version"))
    except UserError as error:
        return Check(name, "fail", "not usable", str(error))


def _versions(backend: str) -> str:
    installed = cloud.client_version()
    cloud.check_versions(installed, backend)
    return f"client {installed}, server {backend}"


def _project(settings: cloud.Settings) -> str | None:
    cloud.check_project(settings)
    return settings.project


def _use_cases() -> Check:
    here = use_cases()
    if here:
        return Check("use cases", "ok", ", ".join(here), f"Run {' or '.join(commands())}.")
    return Check("use cases", "warn", "none in this folder", "Run it from the repository's root.")


def _source(name: str, url: str) -> Check:
    import httpx

    from fti.http import USER_AGENT, without_secrets

    shown = without_secrets(url)
    hint = f"Give {name} a file: --source PATH or {name.upper()}_SOURCE=PATH."
    try:
        headers = {"User-Agent": USER_AGENT}
        with httpx.stream(
            "GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True
        ) as answer:
            if answer.is_success:
                return Check(f"source of {name}", "ok", shown)
            return Check(f"source of {name}", "warn", f"{shown}: HTTP {answer.status_code}", hint)
    except httpx.HTTPError as error:
        return Check(f"source of {name}", "warn", f"{shown}: {error}", hint)
