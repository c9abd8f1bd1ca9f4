"""Put an app on Hugging Face: assemble its folder, upload it, wait until it answers.

    python spaces/deploy.py titanic [--to USER] [--dry-run]

`build/spaces/<name>` gets the app, the packages of this repository that it imports, a VERSION and
the pins of `requirements/apps-hopsworks.txt`, of `requirements/whisper-apps-hopsworks.txt` if it
listens; the Space gets that folder and nothing else.
HOPSWORKS_API_KEY becomes its secret and SETTINGS its variables, each where it is set here. The
token is HF_TOKEN or what `hf auth login` left.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

# Run as a file, Python looks beside the file: there are folders called like packages there.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fti import console, runs
from fti.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ROOT = Path(__file__).resolve().parents[1]
PINS, SPEECH_PINS = (
    Path("requirements", f"{name}-hopsworks.txt") for name in ("apps", "whisper-apps")
)
SPEECH = "whisper"  # the package of apps that need the latter
DEBIAN = "packages.txt"  # what an app needs of Debian, a line each
SECRETS = ("HOPSWORKS_API_KEY",)
SETTINGS = (
    "HOPSWORKS_HOST",
    "HOPSWORKS_PORT",
    "HOPSWORKS_PROJECT",
    "HOPSWORKS_HOSTNAME_VERIFICATION",
    "HOPSWORKS_TIMEOUT",
)
HUB = "hub"  # the app that shows all others, so it brings their folders along
NOT_UPLOADED = ("__pycache__", "*.py[co]", ".*")
RUNNING = "RUNNING"
FAILED = ("BUILD_ERROR", "RUNTIME_ERROR", "CONFIG_ERROR", "NO_APP_FILE", "PAUSED", "STOPPED")
LONGEST = 900.0  # seconds for a build and a start
SETTLING = 20.0  # seconds after an upload in which the stage may still be that of before


class DeployError(UserError):
    """An app is not on Hugging Face as asked; the message says what to do about it."""


def main(
    name: Annotated[str, typer.Argument(help="The app: a folder of spaces/.")],
    to: Annotated[
        str | None,
        typer.Option(metavar="USER", help="Whose Space.", show_default="whose token it is"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Assemble it and say what would be done.")
    ] = False,
) -> None:
    """Assemble an app, put it on Hugging Face and wait until it answers."""
    folder = assemble(name)
    secrets, settings = given(SECRETS), given(SETTINGS)
    console.say(f"{folder.relative_to(ROOT).as_posix()}: {contents(folder)}")
    console.say(f"secrets: {', '.join(secrets) or 'none'}")
    console.say(f"variables: {', '.join(settings) or 'none'}")
    if not secrets:
        console.note("HOPSWORKS_API_KEY is not set, so a new Space would have nothing to show.")
    if dry_run:
        console.say(f"Nothing was uploaded to {to or '<you>'}/{space_name(name)}.")
        return
    with one_sentence():
        api = login()
        space = f"{to or api.whoami()['name']}/{space_name(name)}"
        upload(api, folder, space, secrets, settings)
        answer = wait(api, space, code=(folder / "VERSION").read_text(encoding="utf-8").strip())
    console.say(f"{api.endpoint}/spaces/{space}: {json.dumps(answer)}")


# Assembling


def apps() -> list[str]:
    """Give the names of the apps there are."""
    return sorted(path.parent.name for path in (ROOT / "spaces").glob("*/app.py"))


def assemble(name: str) -> Path:
    """Write all that a Space needs to build/spaces/<name>, in place of what is there."""
    if name not in apps():
        raise DeployError(f"There is no app '{name}': choose one of {', '.join(apps())}.")
    pins = pins_of(name)
    check_version(name, pins)
    folder = ROOT / "build" / "spaces" / name
    shutil.rmtree(folder, ignore_errors=True)
    copy(ROOT / "spaces" / name, folder)
    if name == HUB:
        for other in set(apps()) - {HUB}:
            copy(ROOT / "spaces" / other, folder / "apps" / other)
        wanted = {line for path in folder.glob(f"apps/*/{DEBIAN}") for line in read_lines(path)}
        (folder / DEBIAN).write_text("".join(f"{line}\n" for line in sorted(wanted)), "utf-8")
    for package in packages(folder):
        copy(ROOT / package, folder / package)
    shutil.copyfile(ROOT / pins, folder / "requirements.txt")
    (folder / "VERSION").write_text(f"{runs.code_version()}\n", encoding="utf-8")
    return folder


def copy(source: Path, target: Path) -> None:
    """Copy a folder, without caches and hidden files."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*NOT_UPLOADED))


def packages(folder: Path) -> list[str]:
    """Give the packages of this repository that the code of a folder imports, and they in turn."""
    found: set[str] = set()
    unread = [folder]
    while unread:
        for path in unread.pop().rglob("*.py"):
            here = {name for name in imported(path) if (ROOT / name / "__init__.py").is_file()}
            unread += [ROOT / name for name in here - found]
            found |= here
    return sorted(found)


def imported(path: Path) -> Iterator[str]:
    """Give the top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


def read_lines(path: Path) -> list[str]:
    """Give the lines of a file of UTF-8."""
    return path.read_text(encoding="utf-8").splitlines()


def pins_of(name: str) -> Path:
    """Give the file of pins that an app needs, relative to the root."""
    folders = apps() if name == HUB else [name]
    listens = any(SPEECH in packages(ROOT / "spaces" / folder) for folder in folders)
    return SPEECH_PINS if listens else PINS


def check_version(name: str, pins: Path) -> None:
    """Raise DeployError unless the app's README asks for the gradio that the pins have.

    Hugging Face installs both in one step, which fails where they differ.
    """
    from huggingface_hub.repocard import metadata_load

    asked = (metadata_load(ROOT / "spaces" / name / "README.md") or {}).get("sdk_version")
    lines = read_lines(ROOT / pins)
    pinned = next(line.partition("==")[2] for line in lines if line.startswith("gradio=="))
    if str(asked) != pinned:
        raise DeployError(
            f"spaces/{name}/README.md has sdk_version {asked}, but {pins.as_posix()} pins gradio "
            f"{pinned}: write that version into the README."
        )


def contents(folder: Path) -> str:
    """Say what is in a folder: its files, and how many are in each folder inside."""
    counts = {
        path.name: sum(file.is_file() for file in path.rglob("*")) if path.is_dir() else 0
        for path in sorted(folder.iterdir())
    }
    return ", ".join(f"{name} ({n} files)" if n else name for name, n in counts.items())


def given(names: tuple[str, ...]) -> dict[str, str]:
    """Give those of the environment's variables that are set."""
    return {name: os.environ[name].strip() for name in names if os.environ.get(name, "").strip()}


# Hugging Face


def space_name(name: str) -> str:
    """Give what an app's Space is called."""
    return name.replace("_", "-")


def login() -> HfApi:
    """Give the client with the token there is; raise DeployError without one."""
    from huggingface_hub import HfApi, get_token

    logging.getLogger("huggingface_hub").propagate = False  # it prints its warnings itself
    token = get_token()
    if token is None:
        raise DeployError(
            "There is no Hugging Face token: set HF_TOKEN to one that may write, or run "
            "`hf auth login`."
        )
    return HfApi(token=token)


def upload(
    api: HfApi, folder: Path, space: str, secrets: dict[str, str], settings: dict[str, str]
) -> None:
    """Make the Space where there is none, set secrets and variables, and replace its files."""
    api.create_repo(space, repo_type="space", space_sdk="gradio", exist_ok=True)
    for name, value in secrets.items():
        api.add_space_secret(space, name, value)
    for name, value in settings.items():
        api.add_space_variable(space, name, value)
    api.upload_folder(
        repo_id=space,
        repo_type="space",
        folder_path=folder,
        delete_patterns="*",
        commit_message=f"Deploy {(folder / 'VERSION').read_text(encoding='utf-8').strip()}",
    )


def wait(api: HfApi, space: str, code: str, longest: float = LONGEST) -> dict[str, Any]:
    """Wait until a Space runs the code of that version; give what its /health says.

    Right after an upload the stage is still that of the old version: one that runs does not have
    the new code yet, and one that failed counts only when it stays so. Raises DeployError.
    """
    began, seen, pause = time.monotonic(), [""], 0.5
    while (waited := time.monotonic() - began) < longest:
        stage = str(api.get_space_runtime(space).stage)
        if stage != seen[-1]:
            seen.append(stage)
            console.note(f"{space}: {stage}")
        if stage in FAILED and (len(seen) > 2 or waited > SETTLING):
            raise DeployError(f"{space} ended as {stage}: {logs(api, space, stage)}.")
        answer = health(api, space) if stage == RUNNING else None
        if answer and answer["code"] == code:
            return answer
        time.sleep(pause)
        pause = min(1.5 * pause, 5.0)
    raise DeployError(
        f"{space} is {stage} after {longest:.0f} seconds and has not answered as version "
        f"'{code}': {logs(api, space, stage)}."
    )


def logs(api: HfApi, space: str, stage: str) -> str:
    """Say where the logs of a Space are."""
    kind = "build" if "BUILD" in stage else "container"
    return f"see {api.endpoint}/spaces/{space}?logs={kind}"


def health(api: HfApi, space: str) -> dict[str, Any] | None:
    """Give what the /health of a running Space says; None while it does not answer."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # the argument alone does not keep it silent
    import httpx
    from gradio_client import Client

    try:
        with closing(Client(space, token=api.token, verbose=False, download_files=False)) as app:
            return app.submit(api_name="/health").result(timeout=60)
    except (OSError, ValueError, httpx.HTTPError):
        return None


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what Hugging Face's client raises into a DeployError."""
    import httpx2  # which that client speaks through
    from huggingface_hub.errors import HfHubHTTPError, OIDCError

    try:
        yield
    except HfHubHTTPError as error:
        status, said = error.response.status_code, error.server_message or "no reason given"
        raise DeployError(f"Hugging Face refuses ({status}): {' '.join(said.split())}") from error
    except httpx2.TransportError as error:
        raise DeployError(f"Hugging Face cannot be reached ({error}): try again later.") from error
    except (OIDCError, ValueError) as error:  # no token for this workflow; a bad README or name
        raise DeployError(" ".join(str(error).split())) from error


if __name__ == "__main__":
    console.run(main)
